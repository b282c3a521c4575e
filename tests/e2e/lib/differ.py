# SPDX-License-Identifier: GPL-2.0-only
"""Random policies, worlds and frames through all that must agree on them (tests/tools/differ.c), and what is done with a
mismatch: it is shrunk to a scenario, which is then kept in tests/scenarios."""

import contextlib
import json
import os
import pathlib
import subprocess

import yaml

from .host import BUILD
from .shrink import shrink

TOOL = BUILD / "tests" / "tools" / "differ"
MISMATCHES = BUILD / "mismatches"
PAST, FUTURE = "2001-01-01T00:00:00Z", "2199-01-01T00:00:00Z"


def run(seed, policies, frames=400, fault=None):
    """(sum, None), or (None, mismatch): what the tool prints."""
    environment = {**os.environ, **({"BULKHEAD_DIFFER_FAULT": str(fault)} if fault else {})}
    words = ["run", "--seed", seed, "--policies", policies, "--frames", frames]
    done = subprocess.run([str(TOOL), *map(str, words)], capture_output=True, text=True, check=False, env=environment)
    if done.returncode not in (0, 1) or not done.stdout:
        raise RuntimeError(f"differ: {done.returncode}: {done.stderr}{done.stdout}")
    answer = json.loads(done.stdout)
    return (None, answer["mismatch"]) if "mismatch" in answer else (answer, None)


class Trier:
    """`differ try`: asks about one case after the other."""

    def __init__(self, fault=None):
        environment = {**os.environ, **({"BULKHEAD_DIFFER_FAULT": str(fault)} if fault else {})}
        self.process = subprocess.Popen(
            [str(TOOL), "try"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def ask(self, case):
        self.process.stdin.write(json.dumps(case) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"differ has ended with {self.process.wait()} at {json.dumps(case)}")
        return json.loads(line)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def dump(data):
    return yaml.safe_dump(data, sort_keys=False, default_flow_style=None, width=120)


def case_of(tree, now):
    return {"policy": dump(tree["policy"]), "world": dump(tree["world"]), "now": now, "frames": tree["frames"]}


def load(text):
    """All words as they are written, as the policy's reader takes them."""
    return yaml.load(text, Loader=yaml.BaseLoader)


def far(rule, now):
    """The rule, to expire so that no clock of these days is near."""
    if "expires" not in rule:
        return rule
    expired = yaml.safe_load(rule["expires"]).timestamp() * 1e9 <= now
    return {**rule, "expires": PAST if expired else FUTURE}


def shrink_mismatch(mismatch, fault=None):
    """(tree, answer): the smallest policy, world and frames that still differ, and what differ says of them."""
    now = mismatch["now"]
    policy = load(mismatch["policy"])
    policy["rules"] = [far(rule, now) for rule in policy.get("rules") or []]
    tree = {"policy": policy, "world": load(mismatch["world"]), "frames": [json.dumps(frame) for frame in mismatch["frames"]]}
    trier = Trier(fault)

    def asked(tree):
        if set(tree) != {"policy", "world", "frames"}:
            return {"differs": False}
        return trier.ask({**case_of(tree, now), "frames": [json.loads(frame) for frame in tree["frames"]]})

    try:
        first = asked(tree)
        if not first["differs"]:
            raise RuntimeError("the mismatch does not show when it is tried again")
        # A wrong verdict must not dwindle to a wrong reason.
        tree = shrink(tree, lambda tree: (answer := asked(tree))["differs"] and answer["wrong"] >= first["wrong"])
        answer = asked(tree)
    finally:
        trier.close()
    return {**tree, "frames": [json.loads(frame) for frame in tree["frames"]]}, answer


def scenario_text(tree, answer, description):
    """As a scenario of the layer bpf (docs/testing.md). Only the last frame is known to be judged wrongly; what is expected
    of the others is said by nobody."""
    frames = [dict(frame) for frame in tree["frames"][: answer["frame"] + 1]]
    frames[-1]["passes"] = answer["expected"]
    if "reason" in answer:
        frames[-1]["reason"] = answer["reason"]
    data = {"description": description, "only": ["bpf"], "world": dump(tree["world"]), "policy": dump(tree["policy"])}
    return yaml.dump({**data, "frames": frames}, Dumper=Readable, sort_keys=False, default_flow_style=None, width=10**6)


class Readable(yaml.SafeDumper):
    """Texts of several lines as such."""


def _text(dumper, text):
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


Readable.add_representer(str, _text)


def keep(mismatch, fault=None, directory=MISMATCHES):
    """Shrinks it, writes the scenario; its path and its text."""
    tree, answer = shrink_mismatch(mismatch, fault)
    text = scenario_text(tree, answer, f"Random case {mismatch['seed']}: {answer['what']}")
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"random-{mismatch['seed']}.yaml"
    path.write_text(text)
    return path, text


def report(mismatch, fault=None):
    """What a person is told of it."""
    lines = [f"seed {mismatch['seed']}: {mismatch['what']}"]
    try:
        path, text = keep(mismatch, fault)
        lines += [f"shrunk, in {path}:", *text.splitlines()]
    except (RuntimeError, KeyError) as error:
        with contextlib.suppress(OSError):
            MISMATCHES.mkdir(parents=True, exist_ok=True)
            path = MISMATCHES / f"random-{mismatch['seed']}.json"
            path.write_text(json.dumps(mismatch))
            lines.append(f"not shrunk ({error}); the whole is in {path}")
    return "\n".join(lines)
