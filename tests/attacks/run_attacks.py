#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
# suite-timeout: 900
"""What a hostile container tries: every other file here is an attack, its first line says which. Each is played without the
daemon, where it must succeed, with the daemon, and with nftables alone. Words: names of attacks.

Most share a world, one after the other; what changes the world for others says `ALONE = True`. `CONTROL = False`: there
is nothing to see without the daemon. `NFT = False`: not with nftables alone. `OPTIONS` are the daemon's, for one that is alone."""

import importlib.util
import pathlib
import sys
import traceback

FOLDER = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parent / "e2e"))
from lib import tap
from lib.hostile import World

MODES = {"control": "succeeds where nobody polices", "tc": "fails", "nft": "fails with nftables alone"}


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # what a namespace's process is called to do is found by name
    spec.loader.exec_module(module)
    return module


def plays_in(module, mode):
    return getattr(module, mode.upper(), True)


def is_alone(module):
    return getattr(module, "ALONE", False)


def play(world, module):
    """(did it come out as it should, what to add to the result's line)"""
    try:
        world.play(module.attack)
        return True, ""
    except tap.Skip as skip:
        return True, f" # SKIP {skip}"
    except Exception:
        for line in traceback.format_exc().splitlines() + world.host.log().splitlines()[-10:]:
            print(f"# {line}")
        return False, ""


def group(mode, modules):
    """A test that plays these in one world, and prints a result for each."""

    def test(host):
        host.nft_alone = mode == "nft"
        host.options = getattr(modules[0], "OPTIONS", ())
        world = World(host, mode != "control")
        world.build()
        world.honest("at first")
        for module in modules:
            good, more = play(world, module)
            title = module.__doc__.strip().splitlines()[0].rstrip(".")
            print(f"{'ok' if good else 'not ok'} - {title}: {MODES[mode]} ({module.__name__}, {mode}){more}", flush=True)

    return test


def main():
    attacks = [load(path) for path in sorted(FOLDER.glob("*.py")) if path.stem != "run_attacks"]
    chosen = [module for module in attacks if not sys.argv[1:] or module.__name__ in sys.argv[1:]]
    groups, alone, planned = [], [], 0
    for mode in MODES:
        played = [module for module in chosen if plays_in(module, mode)]
        planned += len(played)
        shared = [module for module in played if not is_alone(module)]
        groups += [group(mode, shared)] if shared else []
        alone += [group(mode, [module]) for module in played if is_alone(module)]
    tap.main_groups(groups + alone, planned, 3)


if __name__ == "__main__":
    main()
