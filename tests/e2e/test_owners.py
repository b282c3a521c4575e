#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
# suite-timeout: 240
"""Whose a port is, with real engines: while a container's start is held."""

import os
import pathlib
import subprocess
import sys

sys.path.insert(0, __file__.rsplit("/", 1)[0])
from lib import tap
from lib.engines import on
from lib.host import wait_until

POLICY = """
version: 1
settings: { ignore: [ uplink ] }
zones:
  shop: { groups: { front: { members: { label: "tier=front" } }, db: { members: { label: "tier=db" } } } }
  other: { members: { name: "other*" } }
rules:
  - { from: shop/front, to: shop/db, allow: [ tcp/5432, ping ] }
"""


def way(host):
    return next(entry.get("by") for entry in host.ask("status")["runtimes"] if entry["runtime"] == "podman")


def held_start(host):
    """a hook that holds the start until the port is open does not wait for ever: labels are known meanwhile"""
    folder = pathlib.Path(host.engine.directory)
    (folder / "hooks").mkdir()
    hook = folder / "hook"
    hook.write_text(f"#!/bin/sh\ncat >/dev/null\necho begun >{folder}/begun\nread -r word <{folder}/go\n")
    hook.chmod(0o755)
    os.mkfifo(folder / "go")
    os.mkfifo(folder / "begun")
    (folder / "hooks" / "hold.json").write_text(
        f'{{"version":"1.0.0","hook":{{"path":"{hook}"}},"when":{{"always":true}},"stages":["createRuntime"]}}'
    )
    host.policy(POLICY)
    host.start()
    start = subprocess.Popen(
        [
            host.engine.command, "--hooks-dir", folder / "hooks", "run", "-d", "--name", "held", "--label", "tier=front",
            host.engine.image, "sleep", "1000",
        ],
        env=host.engine.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )
    tap.equal((folder / "begun").read_text(), "begun\n", "the hook runs")
    host.wait_guests("held")
    port = host.ports_of("held")[0]
    tap.equal(port["identity"], "shop/front", "by its label")
    tap.equal(way(host), "database", "how it is known")
    tap.equal(start.poll(), None, "the start is still held")
    (folder / "go").write_text("go\n")
    output, errors = start.communicate(timeout=60)
    tap.equal(start.returncode, 0, f"the container started: {output} {errors}")


def other_database(host):
    """a database that is elsewhere, or of a form that is not known: `podman container inspect` tells"""
    folder = pathlib.Path(host.engine.directory)
    with open(host.engine.environment["CONTAINERS_CONF"], "a", encoding="utf-8") as settings:
        settings.write(f'static_dir = "{folder}/elsewhere"\n')
    # Where Podman's own settings say where things are, and not we: at the usual place. The daemon has them, too.
    os.environ["CONTAINERS_CONF"] = host.engine.environment["CONTAINERS_CONF"]
    os.environ["CONTAINERS_STORAGE_CONF"] = host.engine.environment["CONTAINERS_STORAGE_CONF"]
    os.symlink(folder / "podman", "/var/lib/containers/storage")
    host.policy(POLICY)
    host.start("--podman-root", "/var/lib/containers/storage")
    host.run("front", "--label tier=front", agent=False)
    host.wait_guests("front")
    tap.equal(host.ports_of("front")[0]["identity"], "shop/front", "by its label")
    tap.equal(way(host), "inspect", "how it is known")
    tap.expect((folder / "elsewhere" / "bolt_state.db").exists(), "the database is elsewhere")
    # There, but not to be understood.
    (folder / "podman" / "libpod" / "bolt_state.db").write_bytes(b"\0" * 65536)
    host.run("db", "--label tier=db", agent=False)
    host.wait_guests("db")
    tap.equal(way(host), "inspect", "how it is known")


TESTS = [on("podman")(held_start), on("podman")(other_database)]

if __name__ == "__main__":
    tap.main(TESTS)
