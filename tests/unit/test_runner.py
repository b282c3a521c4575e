#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""tests/run must not call a broken suite a good one. Each case is a small tree with one suite and what the runner must
say of it."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

RUNNER = Path(__file__).resolve().parent.parent / "run"

# name, the suite's shell script, the runner's last line, its exit code, what else must be in its output
CASES = [
    ("all passed", "echo 1..2; echo ok 1 - a; echo ok 2 - b", "2 passed, 0 failed, 0 skipped", 0, ""),
    ("one failed", "echo 1..2; echo ok 1 - a; echo not ok 2 - b; echo '# why'; exit 1", "1 passed, 1 failed, 0 skipped", 1,
     "FAILED b\n      # why"),
    ("failed, though it exits with 0", "echo 1..1; echo not ok 1 - a", "0 passed, 1 failed, 0 skipped", 1, "FAILED a"),
    ("skipped with its reason", "echo 1..2; echo 'ok 1 - a # SKIP no kernel'; echo ok 2 - b", "1 passed, 0 failed, 1 skipped", 0,
     "a: no kernel"),
    ("cmocka's skip", "echo 1..1; echo 'ok 1 # SKIP a'", "0 passed, 0 failed, 1 skipped", 0, "a"),
    ("skipped whole", "echo '1..0 # SKIP not root'", "0 passed, 0 failed, 1 skipped", 0, "all: not root"),
    ("crash after the last test", "echo 1..1; echo ok 1 - a; kill -SEGV $$", "1 passed, 1 failed, 0 skipped", 1, "SIGSEGV"),
    ("exit code without a failure", "echo 1..1; echo ok 1 - a; exit 3", "1 passed, 1 failed, 0 skipped", 1, "exited with 3"),
    ("fewer results than planned", "echo 1..3; echo ok 1 - a", "1 passed, 1 failed, 0 skipped", 1,
     "planned 3 tests, but printed 1 results"),
    ("more results than planned", "echo 1..1; echo ok 1 - a; echo ok 2 - b", "2 passed, 1 failed, 0 skipped", 1, "planned 1 tests"),
    ("no plan", "echo ok 1 - a", "1 passed, 1 failed, 0 skipped", 1, "no plan"),
    ("nothing printed", "true", "0 passed, 1 failed, 0 skipped", 1, "no plan"),
    ("bailed out", "echo 1..1; echo 'Bail out! no memory'", "0 passed, 1 failed, 0 skipped", 1, "no memory"),
    ("two groups", "echo 1..1; echo ok 1 - a; echo 1..2; echo ok 1 - b; echo ok 2 - c", "3 passed, 0 failed, 0 skipped", 0, ""),
    ("takes its own time", "# suite-timeout: 1\necho 1..1; sleep 1001", "0 passed, 1 failed, 0 skipped", 1, "took longer than 1 s"),
    ("takes too long", "echo 1..1; echo ok 1 - a; sleep 1000", "1 passed, 1 failed, 0 skipped", 1, "took longer than 1 s"),
    ("cleans up when stopped", "trap 'echo cleaned; exit' TERM; echo 1..1; sleep 1000 & wait", "0 passed, 1 failed, 0 skipped", 1,
     "| cleaned"),
    ("words like results", "echo 1..1; echo okay; echo 'note: not ok'; echo ok 1 - a", "1 passed, 0 failed, 0 skipped", 0, ""),
]


def run(top, *arguments, timeout=""):
    environment = dict(os.environ, SUITE_TIMEOUT=timeout)
    environment.pop("BUILD", None)
    result = subprocess.run(
        [str(top / "tests/run"), *arguments], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    return result.returncode, result.stdout


def make_tree(directory, script):
    top = Path(directory)
    (top / "tests/golden").mkdir(parents=True)
    shutil.copy(RUNNER, top / "tests/run")
    suite = top / "tests/golden/test_case.sh"
    suite.write_text("#!/bin/sh\n" + script + "\n")
    suite.chmod(0o755)
    return top


def check_case(script, last, code, word):
    with tempfile.TemporaryDirectory() as directory:
        top = make_tree(directory, script)
        timeout = "1" if "1000" in script else ""
        got_code, output = run(top, "golden", timeout=timeout)
        return (got_code, output.splitlines()[-1]) == (code, last) and word in output, output


def check_steps():
    with tempfile.TemporaryDirectory() as directory:
        top = make_tree(directory, "echo 1..1; echo ok 1 - a")
        code, output = run(top, "--step", "good=true", "--step", "bad=echo \"words ($BUILD)\"; false", "golden")
        good = code == 1 and output.splitlines()[-1] == "2 passed, 1 failed, 0 skipped" and "| words ()" in output
        return good and (top / "build/test-logs/slowest-suites.txt").exists(), output


def check_missing_program():
    with tempfile.TemporaryDirectory() as directory:
        top = make_tree(directory, "true")
        (top / "tests/unit").mkdir()
        (top / "tests/unit/test_x.c").write_text("int main(void) {}\n")
        code, output = run(top, "unit")
        return code == 1 and "has not been built" in output, output


def check_forgotten_mode():
    with tempfile.TemporaryDirectory() as directory:
        top = make_tree(directory, "echo 1..1; echo ok 1 - a")
        (top / "tests/golden/test_case.sh").chmod(0o644)
        code, output = run(top, "golden")
        return code == 1 and "is not executable" in output, output


def check_nothing_to_run():
    with tempfile.TemporaryDirectory() as directory:
        top = make_tree(directory, "true")
        code, output = run(top, "e2e")
        return code == 1 and output.splitlines()[-1] == "0 passed, 0 failed, 0 skipped", output


def main():
    checks = [(name, lambda case=case: check_case(*case)) for name, *case in CASES]
    checks += [
        ("steps count as tests", check_steps),
        ("a program that was not built fails", check_missing_program),
        ("a suite that is not executable fails", check_forgotten_mode),
        ("a run of nothing is no success", check_nothing_to_run),
    ]
    failed = False
    print(f"1..{len(checks)}")
    for number, (name, check) in enumerate(checks, 1):
        good, output = check()
        print(f"{'ok' if good else 'not ok'} {number} - {name}")
        if not good:
            failed = True
            print("\n".join("# " + line for line in output.splitlines()))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
