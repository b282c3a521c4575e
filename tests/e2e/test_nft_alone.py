#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""nftables alone: what it needs of the kernel, what it keeps on, and what one container can take of what all share."""

import pathlib
import re
import socket
import struct
import sys

sys.path.insert(0, __file__.rsplit("/", 1)[0])
import test_spoof as spoof
from lib import frames, namespace, tap
from lib.attack import gets, gets_not
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


def test_off_goes_nowhere(host):
    """While bridge netfilter is off and no daemon looks, containers send to no uplink of their bridge either"""
    host.nft_alone = True
    _, _, mallory = scene(host)
    run("ip", "link", "add", "uplink", "type", "ifb")  # no veth: what it does with frames does not matter
    run("ip", "link", "set", "uplink", "up", "master", "br0")

    run("nft", "add table netdev probe; add chain netdev probe out { type filter hook egress device uplink priority 0; }; "
        "add rule netdev probe out ether daddr 02:00:00:00:00:99 counter")  # fmt: skip

    def left():
        return int(re.search(r"counter packets (\d+)", run("nft", "list", "table", "netdev", "probe"))[1])

    def leaves(address, wait):
        own = mallory.address(":" in address)
        packet = frames.udp(own, address, 4000, 9, b"x")
        before = left()
        mallory.send_frame("eth0", frames.eth("02:00:00:00:00:99", mallory.mac(), frames.ip_type(address), packet))
        try:
            return wait_until(lambda: left() > before, wait)
        except TimeoutError:
            return False

    outside = ("192.0.2.9", "2001:db8::9")
    for address in outside:
        wait_until(lambda: leaves(address, 0.3), 5, f"nobody polices: it leaves for {address}")
    host.start()
    host.wait_open()
    for address in outside:
        tap.expect(not leaves(address, 0.4), f"judged, and denied: {address}")
    host.kill()
    for name in NAMES:
        CALLS.joinpath(name).write_text("0")
    for address in outside:
        tap.expect(not leaves(address, 0.4), f"not judged: {address}")


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


def not_given(host, words):
    lines = host.ask("status")["gate"]["nft"]["not_given"]
    tap.expect(any(words in line for line in lines), f"{words!r} stands in {lines}")


def test_what_is_not_given(host):
    """What the status says that this mode does not give, it does not give; and each of it is refused, or is told"""
    host.nft_alone = True
    spoof.three(host)
    host.bridge("br1")
    run("ip", "link", "add", "up1", "type", "veth", "peer", "name", "up2")  # outside, on the bridge
    for name in ("up1", "up2"):
        run("ip", "link", "set", name, "up")
    run("ip", "link", "set", "up1", "master", "br0")
    host.policy(spoof.POLICY.replace('"*" } }', '"*" }, permit: [ router, vlan ] }'))
    open_before = host.containers["mallory"].connect(spoof.V4["alice"], 80)
    tap.expect(host.containers["mallory"].exchange(open_before), "open before the daemon came")
    host.start()
    host.wait_open("mallory", "alice", "bob")
    spoof.settle(host)
    mallory, alice = host.containers["mallory"], host.containers["alice"]
    own, mark = spoof.V6["mallory"], frames.marker()
    to_all = lambda ethertype, payload, group, **kwargs: spoof.from_mallory(
        ethertype, payload, destination=frames.group_mac(group), **kwargs
    )
    link = lambda kind, mac: bytes([kind, 1]) + frames.mac(mac)
    segment = frames.udp_segment(own, spoof.V6["alice"], 4000, 80, mark)
    nonce = bytes([14, 1]) + b"nonce!"
    solicitation = struct.pack("!I", 0) + frames.address(spoof.V6["alice"]) + link(1, spoof.MAC["mallory"]) + nonce
    refused = (
        ("group traffic", to_all(frames.IPV4, spoof.datagram(spoof.V4["mallory"], "239.1.2.3", mark), "239.1.2.3"), mark),
        ("VLAN tags", spoof.from_mallory(frames.IPV4, spoof.datagram(spoof.V4["mallory"], spoof.V4["alice"], mark), tags=[(frames.VLAN, 5)]), mark),
        ("routing headers", spoof.from_mallory(frames.IPV6, frames.ipv6(own, spoof.V6["alice"], 43, struct.pack("!BBBBI", 17, 0, 253, 0, 0) + segment)), mark),
        ("neighbour discovery with more options", spoof.from_mallory(frames.IPV6, frames.icmp(own, spoof.V6["alice"], 135, 0, solicitation, hops=255)), nonce),
    )  # fmt: skip
    for words, frame, needle in refused:
        not_given(host, words)
        tap.expect(gets_not(alice, lambda: mallory.send_frame("eth0", frame), needle), f"{words}: refused")
    not_given(host, "router advertisements")
    lla = frames.link_local(spoof.MAC["mallory"])
    frame = to_all(frames.IPV6, frames.router_advertisement(lla, spoof.MAC["bob"]), "ff02::1")
    tap.expect(gets(alice, lambda: mallory.send_frame("eth0", frame), link(1, spoof.MAC["bob"])), "bob's MAC is believed")
    not_given(host, "ARP announcements from outside")
    stranger = "02:00:00:00:00:99"
    for address, heard in (("10.77.0.99", False), (spoof.V4["alice"], False)):
        needle = b"\x08\x00\x06\x04\x00\x01" + frames.mac(stranger) + frames.address(address)
        announcement = frames.eth(frames.BROADCAST, stranger, frames.ARP, frames.arp(1, stranger, address, "00:00:00:00:00:00", address))
        got = not gets_not(alice, lambda: host.agent.send_frame("up2", announcement), needle)
        tap.equal(got, heard, f"an announcement of {address} from outside is heard")
    not_given(host, "straight to a port's interface")
    mark = frames.marker()
    frame = spoof.from_mallory(frames.IPV4, spoof.datagram(spoof.V4["bob"], spoof.V4["alice"], mark))
    tap.expect(gets(alice, lambda: host.agent.send_frame(alice.port, frame), mark), "a frame of the host's arrives")
    not_given(host, "connections that were open before")
    tap.expect(not mallory.exchange(open_before, b"x", 0.5), "cut")
    not_given(host, "counters by port and by reason")
    tap.equal(host.ask("counters")["reasons"], [], "counters by reason")
    not_given(host, "a port may open ")
    not_given(host, "who flushes the ruleset")
    tap.expect("nftables alone does not give" in host.cli("status").stdout, "the command says it, too")


def test_uplink(host):
    """What a port needs of routers and servers on its bridge's uplink arrives; other groups' traffic, or in a container's name, does not"""
    host.nft_alone = True
    spoof.three(host)
    run("ip", "link", "add", "up1", "type", "veth", "peer", "name", "up2")
    for name in ("up1", "up2"):
        run("ip", "link", "set", name, "up")
    run("ip", "link", "set", "up1", "master", "br0")
    host.policy(spoof.POLICY)
    host.start()
    host.wait_open("mallory", "alice", "bob")
    spoof.settle(host)
    alice, stranger, router, mark = host.containers["alice"], "02:00:00:00:00:99", "fe80::99", frames.marker()
    mine, lla = spoof.V6["alice"], frames.link_local(spoof.MAC["alice"])
    asked = frames.solicited_node(mine)
    offer = frames.dhcp(2, spoof.MAC["alice"], 2, "10.77.0.66", "10.77.0.98") + mark
    all_4, all_6 = frames.BROADCAST, frames.group_mac("ff02::1")

    def comes(what, to, packet, needle, wanted=True):
        frame = frames.eth(to, stranger, frames.IPV6 if packet[0] >> 4 == 6 else frames.IPV4, packet)
        got = (gets if wanted else gets_not)(alice, lambda: host.agent.send_frame("up2", frame), needle)
        tap.expect(got, f"{what}: {'arrives' if wanted else 'does not arrive'}")

    solicitation = frames.neighbour_solicitation(router, asked, mine, stranger)
    comes("an advertisement of a router", all_6, frames.router_advertisement(router, stranger), frames.address("2001:db8:bad::"))
    comes("its solicitation", frames.group_mac(asked), solicitation, solicitation[40:])
    comes("an offer to all", all_4, spoof.datagram("10.77.0.98", "255.255.255.255", offer, (67, 68)), offer)
    comes("to the address on offer", spoof.MAC["alice"], spoof.datagram("10.77.0.98", "10.77.0.66", offer, (67, 68)), offer)
    comes("a DHCPv6 reply", spoof.MAC["alice"], spoof.datagram(router, lla, b"\x07" + mark, (547, 546)), b"\x07" + mark)
    comes("an offer in bob's name", all_4, spoof.datagram(spoof.V4["bob"], "255.255.255.255", offer, (67, 68)), offer, False)
    comes("other words to all", all_4, spoof.datagram("10.77.0.98", "255.255.255.255", b"\x09" + mark, (67, 69)), b"\x09" + mark, False)


def test_holder(host):
    """Where tables are owned: when the daemon has been killed, a holder keeps them, and a flush opens nothing"""
    host.holder = True
    web, db, mallory = start(host)
    if not host.ask("status")["gate"]["nft"]["owned"]:
        raise tap.Skip("the kernel has no owned tables")
    lines = host.ask("status")["gate"]["nft"]["not_given"]
    tap.expect(not any("flushes" in line for line in lines), f"nothing of flushes stands in {lines}")
    host.kill()
    run("nft", "flush", "ruleset")
    tap.expect(web.reach("tcp", "10.77.0.3", 5432, 3), "what is allowed passes")
    for target in ("10.77.0.3", "fd77::3"):
        tap.expect(not web.reach("tcp", target, 5433, 0.3), f"what is denied does not, to {target}")
        tap.expect(not mallory.reach("udp", target, 5432, 0.3), f"nor from another zone, to {target}")
    host.start()
    host.wait_open()
    holds(host, "with a new daemon")


if __name__ == "__main__":
    tap.main(
        [
            test_needs_bridge_netfilter,
            test_switches_bridge_netfilter_on,
            test_off_goes_nowhere,
            test_back_to_programs,
            test_flows_are_bounded,
            test_what_is_not_given,
            test_uplink,
            test_holder,
        ],
        jobs=2,
    )
