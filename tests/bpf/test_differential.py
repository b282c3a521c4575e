#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
# suite-timeout: 900
"""Random policies, worlds and frames: what a frame plainly is, the naive reading, the compiled table and the eBPF
programs agree. And what is done with a mismatch, shown by planted ones."""

import os
import pathlib
import re
import subprocess
import sys
import tempfile

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from lib import differ, shrink, tap

SEED = 1
POLICIES = 300
VERDICTS = 100_000  # at least
FAULT = 443  # the TCP port whose verdicts are planted wrong


def test_agreement(_):
    """Random frames at random ports are judged alike by the plain reading, the table and the eBPF programs"""
    total, mismatch = differ.run(SEED, POLICIES)
    tap.expect(not mismatch, mismatch and differ.report(mismatch))
    print(f"# {total}")
    tap.expect(total["verdicts"] >= VERDICTS, f"only {total['verdicts']} verdicts")
    # They must be worth something.
    for kind in ("allowed", "audited", "refused"):
        tap.expect(total[kind] > total["flows"] / 10, f"of {total['flows']} flows only {total[kind]} are {kind}")
    tap.expect(total["flows"] > total["verdicts"] / 4, f"only {total['flows']} flows of {total['verdicts']}")
    tap.expect(total["either"] < total["verdicts"] / 10, f"of {total['either']} frames nothing is expected")


def test_planted(_):
    """A planted mismatch is found, and shrunk to a scenario that shows it"""
    _, mismatch = differ.run(SEED, POLICIES, fault=FAULT)
    tap.expect(mismatch, "the planted fault is not found")
    with tempfile.TemporaryDirectory() as directory:
        path, text = differ.keep(mismatch, FAULT, directory)
        found = yaml.safe_load(text)
        policy, world = yaml.safe_load(found["policy"]), yaml.safe_load(found["world"])
        tap.equal(len(policy["rules"]), 1, f"rules in\n{text}")
        tap.expect(len(world["containers"]) <= 2 and len(found["frames"]) == 1, f"it is not small:\n{text}")
        # Kept as it is, it fails, as nothing was wrong but the expectation; put right, it passes.
        runner = ROOT / "tests" / "e2e" / "test_scenarios.py"
        for planted in (True, False):
            done = subprocess.run([str(runner), "--scenario", str(path)], capture_output=True, text=True, check=False)
            tap.equal(done.returncode != 0, planted, f"the scenario fails:\n{done.stdout}{done.stderr}{text}")
            found["frames"][0]["passes"] = not found["frames"][0]["passes"]
            path.write_text(yaml.safe_dump(found))


def test_soak(_):
    """scripts/soak ends with a sum; a mismatch ends it with status 1 and the shrunk scenario's path"""
    for fault, status in ((None, 0), (FAULT, 1)):
        environment = {**os.environ, **({"BULKHEAD_DIFFER_FAULT": str(fault)} if fault else {})}
        words = [str(ROOT / "scripts" / "soak"), "--seed", str(SEED), "--layer", "bpf", "--verdicts", "1"]
        done = subprocess.run(words, capture_output=True, text=True, check=False, env=environment)
        tap.equal(done.returncode, status, f"exit status: {done.stdout}{done.stderr}")
        tap.expect(f"; {status} mismatches" in done.stdout, f"the sum: {done.stdout}")
        if fault:
            path = pathlib.Path(re.search(r"shrunk, in (\S+):", done.stdout)[1])
            tap.expect("frames:" in path.read_text(), f"the scenario: {done.stdout}")
            path.unlink()


def test_shrink(_):
    """The shrinker leaves nothing that can go, and nothing out that can't"""
    asked = []

    def differs(tree):
        asked.append(tree)
        return {3, 17} <= set(tree.get("numbers", [])) and "deep" in tree.get("mapping", {}).get("kept", {})

    tree = {"numbers": list(range(40)), "mapping": {"kept": {"deep": "x", "other": "y"}, "gone": [1, [2, 3]]}, "more": {}}
    tap.equal(shrink.shrink(tree, differs), {"numbers": [3, 17], "mapping": {"kept": {"deep": "x"}}}, "the smallest tree")
    tap.expect(len(asked) < 200, f"{len(asked)} questions")
    tap.equal(shrink.ddmin([1, 2, 3], lambda part: True), [], "what needs nothing")


if __name__ == "__main__":
    for test in (tests := [test_agreement, test_planted, test_soak, test_shrink]):
        test.needs_host = False
    tap.main(tests)
