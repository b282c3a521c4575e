#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Others take our rules, programs and settings away: it is repaired at once, told of, and nothing leaks meanwhile."""

import json
import re
import signal
import sys
import time

sys.path.insert(0, __file__.rsplit("/", 1)[0])
from lib import frames, tap
from lib.attack import gets_not
from lib.host import run, wait_until
from lib.shop import Traffic, holds, scene

REPAIR = 3.0  # seconds; it takes milliseconds, on a machine with nothing else to do


def start(host):
    scene(host)
    host.start()
    host.wait_open()
    holds(host, "at first")


def tables():
    return sorted(line for line in run("nft", "list", "tables").splitlines() if "bulkhead" in line)


def repairs(host):
    return host.ask("status")["repairs"]["count"]


def test_flush_ruleset(host):
    """Others' `nft flush ruleset`, where the kernel lets us own our tables, leaves them alone"""
    start(host)
    if not host.ask("status")["gate"]["nft"]["owned"]:
        raise tap.Skip("the kernel has no owned tables")
    run("nft", "add table inet theirs")
    traffic = Traffic(host)
    before = tables()
    for _ in range(20):
        run("nft", "flush", "ruleset")
    tap.expect("theirs" not in run("nft", "list", "ruleset"), "the flush did flush")
    tap.equal(tables(), before, "our tables")
    for family in ("inet", "bridge", "arp"):
        run("nft", "delete", "table", family, "bulkhead", check=False)
    tap.equal(len(tables()), 3, "tables after an attempt to delete them")
    traffic.finish("after flushes")
    holds(host, "after flushes")


def test_flush_killed(host):
    """Others' flush after kill -9: what the programs at the ports police stays policed, and a new daemon repairs"""
    start(host)
    traffic = Traffic(host)
    before = tables()
    host.kill(signal.SIGKILL)
    run("nft", "flush", "ruleset")
    tap.equal(tables(), [], "without an owner, tables can be flushed")
    web, mallory = host.containers["web"], host.containers["mallory"]
    for target in ("10.77.0.3", "fd77::3"):
        tap.expect(web.reach("tcp", target, 5432, 3), f"allowed, to {target}")
        tap.expect(not web.reach("tcp", target, 5433, 0.3), f"denied, to {target}")
        tap.expect(not mallory.reach("udp", target, 5432, 0.3), f"another zone, to {target}")
    if "--no-owner" in host.options:
        # What answers has no stamp without the door, so that even what is allowed does not come back.
        for target in ("10.77.0.1", "fd77::1"):
            tap.expect(not web.reach("tcp", target, 5433, 0.3), f"the host at {target}, another port")
            tap.expect(not mallory.reach("tcp", target, 5432, 0.3), f"the host at {target}, from another zone")
    host.start()
    host.wait_open()
    tap.equal(tables(), before, "tables of the new daemon")
    traffic.no_leak()
    holds(host, "with a new daemon")


def test_flush_unowned(host):
    """Where tables can't be owned: what others flush or delete is repaired, and nothing leaks"""
    start(host)
    traffic = Traffic(host)
    for what, command in (
        ("a flushed ruleset", ("flush", "ruleset")),
        ("a deleted inet table", ("delete", "table", "inet", "bulkhead")),
        ("a deleted bridge table", ("delete", "table", "bridge", "bulkhead")),
        ("a flushed table", ("flush", "table", "inet", "bulkhead")),
        ("a flushed set", ("flush", "set", "bridge", "bulkhead", "open")),
    ):
        before, count = run("nft", "-s", "list", "ruleset"), repairs(host)
        run("nft", *command)
        wait_until(lambda: repairs(host) > count, REPAIR, f"{what} is noticed")
        wait_until(lambda: same(run("nft", "-s", "list", "ruleset"), before), REPAIR, f"{what} is repaired")
        holds(host, f"after {what}")
    status = host.ask("status")
    tap.expect("nft" in status["repairs"].get("who", "nft"), f"who did it: {status['repairs']}")
    tap.expect("nft" in host.log(), "the log says who did it")
    if not host.nft_alone:
        traffic.no_leak()
        return
    # Nothing else stands behind the tables: the status says so.
    tap.expect(any("flushes the ruleset" in line for line in host.ask("status")["gate"]["nft"]["not_given"]), "it is not given")
    traffic.mallory.spam_stop(traffic.spam)
    leaked = sum(traffic.mark in frame for frame in traffic.db.sniff_stop(traffic.sniff))
    print(f"# nftables alone, without an owner: {leaked} denied frames passed in all, before what was flushed was back")
    mark = frames.marker()
    frame = frames.eth(traffic.db.mac(), traffic.mallory.mac(), frames.IPV4, frames.udp("10.77.0.4", "10.77.0.3", 4000, 5432, mark))
    tap.expect(gets_not(traffic.db, lambda: traffic.mallory.send_frame("eth0", frame, 100), mark), "and none afterwards")


def same(ruleset, other):
    def plain(text):  # the elements of a set come in no order; those that packets put there come and go
        return sorted(re.split(r"[\s,]+", re.sub(r"elements = {[^}]* (limit rate|ct count over) [^}]*}", "", text)))

    return plain(ruleset) == plain(other)


def damaged(host, damages):
    """Each damage is (what, commands)."""
    start(host)
    traffic = Traffic(host)
    for what, *commands in damages:
        count = repairs(host)
        for command in commands:
            run(*command)
        wait_until(lambda: repairs(host) > count, REPAIR, f"{what} is noticed")
        wait_until(lambda: host.ask("status")["health"] == "ok", REPAIR, f"{what} is repaired")
        host.wait_open()
        holds(host, f"after {what}")
    traffic.no_leak()


def test_removed_clsact(host):
    """Filters, their qdisc, and foreign filters put in front, where clsact is used: repaired"""
    host.options = ("--no-tcx",)
    port = ("dev", "vmallory0")
    damaged(
        host,
        [
            ("a removed ingress filter", ("tc", "filter", "del", *port, "ingress")),
            ("a removed egress filter", ("tc", "filter", "del", "dev", "vdb0", "egress")),
            ("a removed qdisc", ("tc", "qdisc", "del", *port, "clsact")),
        ],
    )


def test_clsact_removed_tcx(host):
    """Where tcx is used, removing clsact does nothing to us"""
    start(host)
    if host.ask("status")["gate"]["tc"].get("attach") == "clsact":
        raise tap.Skip("the kernel has no tcx")
    traffic = Traffic(host)
    for interface in ("vweb0", "vdb0", "vmallory0"):
        run("tc", "qdisc", "add", "dev", interface, "clsact")
        for direction in ("ingress", "egress"):
            run("tc", "filter", "add", "dev", interface, direction, "bpf", "da", "bytecode", "1,6 0 0 0,")  # TC_ACT_OK
    holds(host, "with foreign filters that let all pass")
    for interface in ("vweb0", "vdb0", "vmallory0"):
        run("tc", "qdisc", "del", "dev", interface, "clsact")
    traffic.no_leak()
    holds(host, "after clsact came and went")


def test_detached_links(host):
    """Links that root detaches by hand, of which the kernel tells nobody: attached again"""
    start(host)
    if host.ask("status")["gate"]["tc"].get("attach") == "clsact":
        raise tap.Skip("the kernel has no tcx")
    # The minute's check would find them, too: only what is sooner is the look at the links themselves.
    began = time.monotonic()
    for interface in ("vweb0", "vdb0", "vmallory0"):
        index = json.loads(run("ip", "-j", "link", "show", interface))[0]["ifindex"]
        for direction in ("ingress", "egress"):
            count = repairs(host)
            run("bpftool", "link", "detach", "pinned", f"{host.pins_mount}/bulkhead/link_{index}_{direction}")
            wait_until(lambda: repairs(host) > count, 30, f"{interface}: no link at {direction}, noticed")
            wait_until(lambda: host.ask("status")["health"] == "ok", 30, "repaired")
    print(f"# six links were detached and attached again within {time.monotonic() - began:.1f} s")
    holds(host, "after all")


def test_removed_pins(host):
    """Pins that somebody removed are put back; nothing leaks while they are gone"""
    start(host)
    traffic = Traffic(host)
    pins = f"{host.pins_mount}/bulkhead"
    before = run("ls", "-R", pins)
    run("rm", "-rf", pins)
    holds(host, "without pins")
    host.reload()
    wait_until(lambda: run("ls", "-R", pins, check=False) == before, 65, "the pins are back")
    traffic.finish("after all")
    host.kill(signal.SIGKILL)
    holds(host, "without the daemon")
    host.start()
    host.wait_open()
    holds(host, "with a new daemon")


if __name__ == "__main__":
    tap.main(
        [
            test_flush_ruleset,
            test_flush_killed,
            tap.with_options(test_flush_killed, "--no-owner"),
            tap.with_options(test_flush_unowned, "--no-owner"),
            tap.nft_alone(test_flush_ruleset),
            tap.with_options(tap.nft_alone(test_flush_unowned), "--no-owner"),
            test_removed_clsact,
            test_clsact_removed_tcx,
            test_detached_links,
            test_removed_pins,
        ]
    )
