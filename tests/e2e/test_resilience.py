#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Whatever happens to the daemon: nothing opens, nothing that is allowed is cut."""

import signal
import subprocess
import sys

sys.path.insert(0, __file__.rsplit("/", 1)[0])
from lib import tap
from lib.shop import Traffic, holds, scene


def killed(host, number):
    scene(host)
    host.start()
    host.wait_open()
    holds(host, "at first")
    traffic = Traffic(host)
    code = host.kill(number)
    tap.equal(code, 0 if number == signal.SIGTERM else -number, "exit code")
    holds(host, "without the daemon")
    traffic.lively("without the daemon")
    generation = None
    for _ in range(3):
        host.start()
        host.wait_open()
        traffic.lively("with a new daemon")
        status = host.ask("status")
        tap.equal(status["health"], "ok", f"health: {status.get('problems')}")
        if generation is not None:
            tap.expect(status["policy"]["generation"] >= generation, "the generation never goes back")
        generation = status["policy"]["generation"]
        host.kill(signal.SIGKILL)
    host.start()
    host.wait_open()
    traffic.finish("after four restarts")
    holds(host, "after four restarts")


def test_kill(host):
    """kill -9 under traffic: nothing opens, nothing allowed is cut; new daemons take over and lose no packet"""
    killed(host, signal.SIGKILL)


def test_stop(host):
    """A clean stop leaves the enforcement in place; a new daemon takes over and loses no packet"""
    killed(host, signal.SIGTERM)


def test_second_daemon(host):
    """A second daemon is refused, and the first does not notice"""
    scene(host)
    first = host.start()
    host.wait_open()
    second = subprocess.run(first.args, capture_output=True, text=True, timeout=10, check=False)
    tap.expect(second.returncode != 0, "it ends with an error")
    tap.expect(second.stderr.strip(), "and says why")
    tap.expect(first.poll() is None, "the first goes on")
    holds(host, "afterwards")


NO_TCX, NO_OWNER = "--no-tcx", "--no-owner"
TESTS = [
    test_kill,
    tap.with_options(test_kill, NO_TCX, NO_OWNER),
    test_stop,
    test_second_daemon,
]

if __name__ == "__main__":
    tap.main(TESTS)
