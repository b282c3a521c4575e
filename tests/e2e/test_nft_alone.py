#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""nftables alone: what it needs of the kernel, what it keeps on, and what one container can take of what all share."""

import pathlib
import socket
import sys

sys.path.insert(0, __file__.rsplit("/", 1)[0])
from lib import namespace, tap
from lib.host import run, wait_until
from lib.shop import holds, scene

CALLS = pathlib.Path("/proc/sys/net/bridge")
NAMES = ("bridge-nf-call-iptables", "bridge-nf-call-ip6tables")
FLOWS = 64


def calls():
    return {name: CALLS.joinpath(name).read_text().strip() for name in NAMES}


def start(host, *options):
    host.nft_alone = True
    made = scene(host)
    host.start(*options)
    host.wait_open()
    return made


def test_needs_bridge_netfilter(host):
    """Without bridge netfilter the daemon does not start in this mode, and says what to load; with the programs it does"""
    host.nft_alone = True
    scene(host)
    namespace.mount("tmpfs", str(CALLS), "tmpfs")
    daemon = host.start(wait=False)
    tap.expect(daemon.wait(30) != 0, "the daemon does not start")
    host.daemon = None
    tap.expect("modprobe br_netfilter" in host.log(), f"it says what to load: {host.log()}")
    tap.expect("bulkhead" not in run("nft", "list", "ruleset"), "nothing was put up")
    host.nft_alone = False
    host.policy((host.policy_dir / "policy.yaml").read_text().replace("gates: [ nft ]", "gates: [ tc, nft ]"))
    host.start()
    host.wait_open()
    holds(host, "with programs at the ports")


def test_switches_bridge_netfilter_on(host):
    """Bridge netfilter is switched on, kept on while the daemon lives, and put back at the end"""
    CALLS.joinpath(NAMES[0]).write_text("0")
    CALLS.joinpath(NAMES[1]).write_text("1")
    start(host)
    tap.equal(calls(), dict.fromkeys(NAMES, "1"), "switched on")
    holds(host, "at first")
    for name in NAMES:
        repairs = host.ask("status")["repairs"]["count"]
        CALLS.joinpath(name).write_text("0")
        wait_until(lambda: CALLS.joinpath(name).read_text().strip() == "1", 10, f"{name} is on again")
        wait_until(lambda: host.ask("status")["repairs"]["count"] > repairs, 10, "the repair is told")
        tap.expect(name in host.ask("status")["repairs"]["what"], f"the repair names it: {host.ask('status')['repairs']}")
    holds(host, "after it was switched off")
    host.kill()
    CALLS.joinpath(NAMES[1]).write_text("0")
    web = host.containers["web"]
    tap.expect(web.reach("tcp", "10.77.0.3", 5432, 3), "the other family goes on")
    tap.expect(not web.reach("tcp", "fd77::3", 5432, 0.3), "what nobody judges goes nowhere")
    host.start()
    host.wait_open()
    holds(host, "a new daemon switches it on")
    host.kill()
    said = host.uninstall()
    tap.expect(f"net.bridge.{NAMES[0]} off" in said, f"it is told: {said}")
    tap.equal(calls(), {NAMES[0]: "0", NAMES[1]: "1"}, "as before Bulkhead")


def test_back_to_programs(host):
    """From nftables alone to programs and back: traffic is judged all the while, and bridge netfilter is put back"""
    for name in NAMES:
        CALLS.joinpath(name).write_text("0")
    start(host)
    holds(host, "nftables alone")
    host.kill()
    host.nft_alone = False
    host.policy((host.policy_dir / "policy.yaml").read_text().replace("gates: [ nft ]", "gates: [ tc, nft ]"))
    host.start()
    host.wait_open()
    holds(host, "with programs")
    tap.equal(calls(), dict.fromkeys(NAMES, "0"), "as before")
    host.kill()
    host.policy((host.policy_dir / "policy.yaml").read_text().replace("gates: [ tc, nft ]", "gates: [ nft ]"))
    host.start()
    host.wait_open()
    holds(host, "nftables alone again")


def fill(_, address, count):
    """Datagrams from `count` ports, each kept open: as many connections; how many were answered."""
    answered = 0
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for _ in range(count):
        with socket.socket(family, socket.SOCK_DGRAM) as client:
            client.settimeout(0.2)
            client.connect((address, 5432))
            client.send(b"x")
            try:
                client.recv(16)
                answered += 1
            except OSError:
                break
    return answered


def test_flows_are_bounded(host):
    """A container can fill its own share of the connection table, and no more: its neighbour goes on"""
    web, db, _ = start(host, "--flows", str(FLOWS))
    db.listen("udp", 5432)
    kept = web.connect("10.77.0.3", 5432)
    tap.expect(web.exchange(kept), "open before")
    answered = web.call(fill, "10.77.0.3", FLOWS * 2)
    tap.expect(FLOWS // 2 <= answered <= FLOWS, f"{answered} of {FLOWS} could be opened")
    flow = host.wait_flow(from_="web", verdict="deny", reason="flows-full")
    tap.equal(flow["direction"], "from", "told of the one who filled it")
    tap.expect(not web.reach("udp", "fd77::3", 5432, 0.3), "no more for it, of either family")
    tap.expect(not web.reach("tcp", "10.77.0.1", 5432, 0.3), "nor to the host")
    tap.expect(web.exchange(kept, b"x", 3), "what it had open goes on")
    host.container("web2", "br0", ["10.77.0.5/24", "fd77::5/64"], labels={"tier": "front"})
    host.wait_open("web2")
    tap.expect(host.containers["web2"].reach("udp", "10.77.0.3", 5432, 3), "its neighbour has its own share")
    tap.expect(host.containers["web2"].reach("tcp", "10.77.0.1", 5432, 3), "and reaches the host")


if __name__ == "__main__":
    tap.main(
        [
            test_needs_bridge_netfilter,
            test_switches_bridge_netfilter_on,
            test_back_to_programs,
            test_flows_are_bounded,
        ]
    )
