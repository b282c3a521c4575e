#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Root, or whoever else, takes one of the gates away, under traffic: the other one opens nothing."""

import json
import signal
import sys

sys.path.insert(0, __file__.rsplit("/", 1)[0])
from lib import chaos, tap
from lib.host import run, wait_until

PORTS = ("vweb0", "vdb0", "vmallory0", "vcache0")


def start(host):
    chaos.scene(host)
    host.start()
    host.wait_open()
    return chaos.Denied(host)


def nothing_arrives(denied, when):
    """Frames of each kind are sent many times from now on."""
    sent, _ = denied.look()
    wait_until(lambda: denied.look()[0] > sent + 50 * len(denied.flows), chaos.PATIENCE, "denied frames are sent")
    tap.equal(denied.look()[1], {}, f"{when}: denied frames that arrived")


def detach(host, interface, direction):
    if "--no-tcx" in host.options:
        run("tc", "filter", "del", "dev", interface, direction)
        return
    index = json.loads(run("ip", "-j", "link", "show", interface))[0]["ifindex"]
    run("bpftool", "link", "detach", "pinned", f"{host.pins_mount}/bulkhead/link_{index}_{direction}")


def vanish(host, direction):
    denied = start(host)
    tap.expect(host.ask("status")["gate"]["nft"]["second_opinion"], "status tells of it")
    if host.ask("status")["gate"]["tc"]["attach"] == "clsact":
        host.options = (*host.options, "--no-tcx")
    host.daemon.send_signal(signal.SIGSTOP)  # nobody repairs
    for interface in PORTS:
        detach(host, interface, direction)
    nothing_arrives(denied, f"no {direction} programs")
    host.daemon.send_signal(signal.SIGCONT)
    denied.stop()


def test_no_egress(host):
    """What judges what a container is sent is taken away: from outside nothing comes in that the policy does not allow"""
    vanish(host, "egress")


def test_no_ingress(host):
    """What judges what a container sends is taken away: it sends nothing"""
    vanish(host, "ingress")


def test_no_programs(host):
    """The daemon is killed and all pins are removed, so that the kernel forgets all programs: nothing opens"""
    denied = start(host)
    host.kill()
    run("rm", "-rf", f"{host.pins_mount}/bulkhead")
    nothing_arrives(denied, "no programs")
    far = host.containers["far"]
    tap.expect(not far.reach("udp", chaos.DB[0], 5432, 0.3), "another flow from outside")
    denied.stop()


def test_host_closed_out(host):
    """The same of what the host sends, where it may not reach its containers"""
    chaos.scene(host)
    host.policy(chaos.POLICY.replace("settings: {", "settings: { host_to_containers: deny,"))
    host.start()
    host.wait_open()
    host.kill()
    run("rm", "-rf", f"{host.pins_mount}/bulkhead")
    db = host.containers["db"]
    for address in chaos.DB:
        # Its answers would have no stamp: who it is, the host must know already.
        run("ip", "neigh", "replace", address, "lladdr", db.mac(), "dev", "br0", "nud", "permanent")
        sniff = db.sniff_start("eth0")
        for protocol in ("tcp", "udp"):
            host.agent.reach(protocol, address, 5432, 0.3)
        tap.equal([frame.hex() for frame in db.sniff_stop(sniff) if is_flow(frame)], [], f"what the host sent to {address}")


def is_flow(frame):
    """TCP or UDP."""
    at = {b"\x08\x00": 23, b"\x86\xdd": 20}.get(frame[12:14])
    return at is not None and frame[at] in (6, 17)


def flushed(host):
    chaos.scene(host)
    host.holder = True
    host.start()
    host.wait_open()
    if not host.ask("status")["gate"]["nft"]["owned"]:
        raise tap.Skip("the kernel has no owned tables")
    traffic = chaos.Traffic(host)
    run("nft", "add table inet theirs")
    for _ in range(10):
        run("nft", "flush", "ruleset")
    traffic.no_leak("after flushes")
    host.kill()
    run("nft", "flush", "ruleset")
    traffic.no_leak("after a flush without a daemon")
    traffic.finish("flushes")


def test_flushed(host):
    """`nft flush ruleset` under traffic, with a daemon and without one: nothing opens, and what is allowed goes on"""
    flushed(host)


if __name__ == "__main__":
    tap.main(
        [
            test_no_egress,
            tap.with_options(test_no_egress, "--no-tcx"),
            test_no_ingress,
            test_no_programs,
            test_host_closed_out,
            test_flushed,
            tap.nft_alone(test_flushed),
        ],
        jobs=2,
    )
