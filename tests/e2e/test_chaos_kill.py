#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
# suite-timeout: 600
"""The daemon is killed and stopped at random moments, under traffic: nothing leaks, nothing that is allowed is lost."""

import os
import random
import signal
import sys
import threading

sys.path.insert(0, __file__.rsplit("/", 1)[0])
from lib import chaos, recovery, tap
from lib.host import wait_until


def test_control(host):
    """Where nobody polices, the harness sees every kind of denied flow arrive"""
    chaos.scene(host)
    chaos.control(host)


def policies(number):
    """Two policies in turn with other rules, zones and prefixes, that agree on the traffic."""
    more = "".join(f"  - {{ from: shop/front, to: 198.51.{i}.0/24, allow: tcp/{1000 + i} }}\n" for i in range(60))
    return chaos.POLICY + more if number % 2 else chaos.POLICY


class Reloads:
    """Reloads without a pause, whether there is a daemon or not."""

    def __init__(self, host):
        self.host, self.stop, self.done = host, False, 0
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        number = 0
        while not self.stop:
            number += 1
            try:
                self.host.reload(policies(number))
                self.done += 1
            except (OSError, EOFError, RuntimeError, ValueError):  # it was killed, or is not there yet
                pass

    def finish(self):
        self.stop = True
        self.thread.join(60)


def kills(host):
    chaos.scene(host)
    host.start()
    host.wait_open()
    traffic = chaos.Traffic(host)
    reloads = Reloads(host)
    seed = int(os.environ.get("SEED", "0")) or random.randrange(1 << 32)
    moments = random.Random(seed)
    count = chaos.times(8, 100)
    for number in range(count):
        done = reloads.done
        # Each second time in the midst of its start, the others in the midst of reloads.
        if number % 2:
            wait_until(lambda: reloads.done > done or host.daemon.poll() is not None, chaos.PATIENCE, "a reload")
        threading.Event().wait(moments.random() * (0.05 if number % 2 else 0.3))
        code = host.kill(signal.SIGKILL)
        tap.equal(code, -signal.SIGKILL, "how it ended")
        if number % 4 == 3:
            traffic.no_leak(f"kill {number}, no daemon")
        host.start(wait=False)
    host.wait_settled(chaos.PATIENCE)
    reloads.finish()
    host.reload(chaos.POLICY)
    host.wait_open()
    wait_until(lambda: host.ask("status")["health"] == "ok", chaos.PATIENCE, "it is whole")
    print(f"# {count} kills (SEED={seed}), {reloads.done} reloads between them")
    traffic.finish(f"after {count} kills")


def test_kills(host):
    """kill -9 at random moments, of starts and of commits: nothing leaks, nothing allowed is lost"""
    kills(host)


def test_stopped_and_continued(host):
    """SIGSTOP and SIGCONT in the midst of reloads: what is in force stays in force, and is whole afterwards"""
    chaos.scene(host)
    host.start()
    host.wait_open()
    traffic = chaos.Traffic(host)
    reloads = Reloads(host)
    for number in range(chaos.times(5, 50)):
        done = reloads.done
        wait_until(lambda: reloads.done > done, chaos.PATIENCE, "a reload")
        os.kill(host.daemon.pid, signal.SIGSTOP)
        traffic.no_leak(f"stop {number}")
        os.kill(host.daemon.pid, signal.SIGCONT)
    reloads.finish()
    host.reload(chaos.POLICY)
    tap.equal(host.ask("status")["health"], "ok", "health")
    traffic.finish("after stops")


def test_other_versions(host):
    """State of a newer or an older version is refused, both named, and polices on; one that is known is taken over"""
    chaos.scene(host)
    host.start()
    host.wait_open()
    traffic = chaos.Traffic(host)
    pins = f"{host.pins_mount}/bulkhead"
    known = recovery.config_version(pins)
    for other in (known + 1, known - 1, known + 1000):
        host.kill(signal.SIGKILL)
        recovery.config_version(pins, other)
        daemon = host.start(wait=False)
        tap.expect(daemon.wait(chaos.PATIENCE) != 0, f"version {other} is refused")
        said = host.log().splitlines()[-1]
        tap.expect(f"version {other}" in said and str(known) in said.split(f"version {other}")[1], f"both are named: {said}")
        host.daemon = None
        traffic.no_leak(f"version {other}")
        recovery.config_version(pins, known)
        host.start()
        chaos.wait_whole(host, "taken over")
    traffic.finish("after versions that are not known")


NO_TCX, NO_OWNER = "--no-tcx", "--no-owner"
TESTS = [test_control, test_kills, tap.with_options(test_kills, NO_TCX, NO_OWNER), tap.nft_alone(test_kills), test_stopped_and_continued,
         test_other_versions]

if __name__ == "__main__":
    tap.main(TESTS)
