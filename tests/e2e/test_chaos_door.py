#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Changes of the door's ruleset under dense traffic: each is one moment for packets, and none of them falls between."""

import json
import signal
import sys

sys.path.insert(0, __file__.rsplit("/", 1)[0])
from lib import chaos, tap
from lib.host import run

# The traffic is allowed by both, by another rendering: with look-ups and without.
WIDE = chaos.POLICY.replace("to: [ host, world ], allow: [ tcp/5432, udp/5432, ping ]", "to: [ host, world ], allow: all")


def start(host):
    chaos.scene(host)
    host.start()
    host.wait_open()
    allowed = chaos.Allowed(host)  # the flows' other ends answer: neighbours are known
    allowed.wait_flowing()
    allowed.stop()
    dense = chaos.Dense(host)
    dense.wait_flowing()
    return dense


def sets(host):
    return {entry["map"]["name"] for entry in json.loads(run("nft", "-j", "list", "maps"))["nftables"] if "map" in entry}


def test_reloads(host):
    """Rules that begin to look into a set, and cease to, lose no packet"""
    dense = start(host)
    narrow = sets(host)
    for number in range(chaos.times(20, 300)):
        host.reload(chaos.POLICY if number % 2 else WIDE)
        if number == 0:
            tap.expect(narrow - sets(host), "the other rendering has fewer sets")
    dense.finish("after reloads")


def test_restarts(host):
    """A new daemon, which finds tables of which it knows nothing, loses no packet"""
    dense = start(host)
    for _ in range(chaos.times(6, 100)):
        host.kill(signal.SIGKILL)
        host.start()
    dense.finish("after restarts")


NO_OWNER = "--no-owner"
TESTS = [variant for test in (test_reloads, test_restarts) for variant in (test, tap.with_options(test, NO_OWNER), tap.nft_alone(test))]

if __name__ == "__main__":
    tap.main(TESTS)
