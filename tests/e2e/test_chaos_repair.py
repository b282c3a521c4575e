#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
# suite-timeout: 1800
"""Others take parts of the gates away, under traffic: they are whole again at once, and nothing leaks meanwhile. How long it
took is printed; each time includes the command that did it."""

import sys

sys.path.insert(0, __file__.rsplit("/", 1)[0])
from lib import chaos, recovery, tap

LOSSY = "no part of a gate, no passage"


def start(host):
    chaos.scene(host)
    host.start()
    host.wait_open()
    return chaos.Traffic(host, 2000)


def disturbed(host, traffic, disturbances):
    for disturbance in disturbances:
        for _ in range(chaos.times(3, 100)):
            disturbance.once()
            chaos.wait_whole(host, disturbance.name)
        print(f"# {disturbance.told()}")
        traffic.no_leak(disturbance.name)
    host.wait_open()
    traffic.finish("after all", lossy=LOSSY)


def test_links(host):
    """tcx links detached by root"""
    traffic = start(host)
    if host.ask("status")["gate"]["tc"]["attach"] == "clsact":
        raise tap.Skip("the kernel has no tcx")
    disturbed(host, traffic, recovery.of_links(host, "vdb0"))


def test_filters(host):
    """Where clsact is used: filters and their qdisc deleted"""
    host.options = ("--no-tcx",)
    disturbed(host, start(host), recovery.of_filters("vdb0"))


def test_tables(host):
    """Where tables can't be owned: flushed, deleted, edited by hand"""
    host.options = ("--no-owner",)
    disturbed(host, start(host), recovery.of_tables("vdb0"))


def test_pins(host):
    """Pins removed, one by one and all"""
    disturbed(host, start(host), recovery.of_pins(host, "vdb0"))


TESTS = [test_links, test_filters, test_tables, test_pins]

if __name__ == "__main__":
    tap.main(TESTS)
