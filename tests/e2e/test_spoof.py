#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
# suite-timeout: 600
"""Who one is: frames with somebody else's MAC, address or role. The policy here allows everything, so that only the
guards can refuse; and each frame is first shown to arrive while nobody polices. More of it is in tests/attacks."""

import sys

sys.path.insert(0, __file__.rsplit("/", 1)[0])
from lib import frames, tap
from lib.attack import fdb_moved, gets, gets_not
from lib.host import wait_until

POLICY = """
version: 1
settings: { ignore: [ "up*" ] }
zones:
  all: { members: { name: "*" } }
rules:
  - { from: any, to: any, allow: [ all, tunnels ] }
"""
MAC = {name: f"02:00:00:00:00:0{n}" for name, n in (("mallory", 2), ("alice", 3), ("bob", 4))}
V4 = {name: f"10.77.0.{n}" for name, n in (("mallory", 2), ("alice", 3), ("bob", 4), ("gateway", 1))}
V6 = {name: f"fd77::{n}" for name, n in (("mallory", 2), ("alice", 3), ("bob", 4), ("gateway", 1))}
OUTSIDE = "93.184.216.34"
OUTSIDE6 = "2606:2800:220:1::34"


def three(host):
    host.bridge("br0", "10.77.0.1/24", "fd77::1/64")
    for name in ("mallory", "alice", "bob"):
        host.container(name, "br0", [f"{V4[name]}/24", f"{V6[name]}/64"], mac=MAC[name])
        host.containers[name].listen("tcp", 80)
        host.containers[name].listen("udp", 80)
    host.policy(POLICY)
    settle(host)


def events(host, **wanted):
    """How many such events there are. Sampling leaves the first ten of a port and reason alone."""
    return sum(
        all((flow.get("from", {}).get("container") if key == "from_" else flow.get(key)) == value for key, value in wanted.items())
        for flow in host.flows()
    )


def settle(host):
    """Everybody speaks honestly, so that the bridge and the neighbours know again who is where."""
    for name in ("mallory", "alice", "bob"):
        host.containers[name].run("ip", "neigh", "flush", "all")
    for name in ("alice", "bob", "mallory"):
        for book in (V4, V6):
            tap.expect(host.containers[name].ping(book["gateway"], 2), f"{name} reaches its gateway")
            for other in ("mallory", "alice", "bob"):
                if other != name:
                    tap.expect(host.containers[name].ping(book[other], 2), f"{name} reaches {other}")


def to_alice(source_mac, ethertype, payload, destination=MAC["alice"], **kwargs):
    return frames.eth(destination, source_mac, ethertype, payload, **kwargs)


def from_mallory(ethertype, payload, **kwargs):
    return to_alice(MAC["mallory"], ethertype, payload, **kwargs)


def datagram(source, destination, payload, ports=(4000, 80), **kwargs):
    return frames.udp(source, destination, *ports, payload, **kwargs)


def attempt(host, frame, needle, receiver="alice", expected=True):
    mallory, target = host.containers["mallory"], host.containers[receiver]
    send = lambda: mallory.send_frame("eth0", frame)
    return gets(target, send, needle) is not None if expected else not gets_not(target, send, needle)


def refused(host, cases):
    """Each case is (what, reason, frame of a marker[, needle]): arrives without the daemon, and with it does not."""
    for what, _, make, *needle in cases:
        mark = frames.marker()
        tap.expect(attempt(host, make(mark), needle[0] if needle else mark), f"nobody polices: {what} arrives")
    host.start()
    host.wait_open()
    settle(host)
    honest(host)
    for what, reason, make, *needle in cases:
        mark = frames.marker()
        wanted = {"reason": reason, "verdict": "deny", "from_": "mallory", "direction": "from"}
        before = events(host, **wanted)
        tap.expect(
            not attempt(host, make(mark), needle[0] if needle else mark, expected=False), f"{what} must not arrive"
        )
        wait_until(lambda: events(host, **wanted) > before, 2, f"an event {reason} of {what}")
    honest(host)


def honest(host):
    """The same kind of frame with one's own addresses passes."""
    for book in (V4, V6):
        mark = frames.marker()
        frame = from_mallory(frames.ip_type(book["alice"]), datagram(book["mallory"], book["alice"], mark))
        tap.expect(attempt(host, frame, mark), f"an honest frame arrives at {book['alice']}")


def test_source(host):
    """Spoofed source MAC, IPv4 and IPv6 addresses never leave the port, and the bridge's table does not move"""
    three(host)
    cases = [
        (
            "bob's MAC",
            "source-mac",
            lambda m: to_alice(MAC["bob"], frames.IPV4, datagram(V4["mallory"], V4["alice"], m)),
        ),
        ("a MAC of nobody", "source-mac", lambda m: to_alice("02:00:00:00:00:99", frames.IPV4, datagram(V4["mallory"], V4["alice"], m))),
        ("bob's IPv4 address", "source-address", lambda m: from_mallory(frames.IPV4, datagram(V4["bob"], V4["alice"], m))),
        ("bob's IPv6 address", "source-address", lambda m: from_mallory(frames.IPV6, datagram(V6["bob"], V6["alice"], m))),
        ("the gateway's address", "source-address", lambda m: from_mallory(frames.IPV4, datagram(V4["gateway"], V4["alice"], m))),
        ("an outside address", "source-address", lambda m: from_mallory(frames.IPV4, datagram(OUTSIDE, V4["alice"], m))),
        ("an outside IPv6 address", "source-address", lambda m: from_mallory(frames.IPV6, datagram(OUTSIDE6, V6["alice"], m))),
        (
            "bob's link-local address",
            "source-address",
            lambda m: from_mallory(frames.IPV6, datagram(frames.link_local(MAC["bob"]), V6["alice"], m)),
        ),
        ("loopback's address", "martian", lambda m: from_mallory(frames.IPV4, datagram("127.0.0.1", V4["alice"], m))),
        ("a mapped address", "martian", lambda m: from_mallory(frames.IPV6, datagram("::ffff:10.77.0.4", V6["alice"], m))),
        (
            "bob's address in a later fragment",
            "source-address" if host.nft_alone else "fragment",
            lambda m: from_mallory(frames.IPV4, frames.ipv4(V4["bob"], V4["alice"], 17, m.ljust(32), fragment=3)),
        ),
    ]
    refused(host, cases)
    tap.expect(not fdb_moved("br0", MAC["bob"], host.containers["bob"].port), "bob is still behind his own port")


def test_neighbours(host):
    """ARP and neighbour discovery with somebody else's address"""
    three(host)

    def arp(operation, mac, sender, target_mac, target):
        tail = frames.marker()[-18:]  # the padding that the least frame has room for
        return lambda _: from_mallory(frames.ARP, frames.arp(operation, mac, sender, target_mac, target) + tail), tail

    def nd(make):
        return lambda _: from_mallory(frames.IPV6, make())

    def needle(target):
        return frames.address(target) + b"\x02\x01" + frames.mac(MAC["mallory"])

    nobody = "00:00:00:00:00:00"
    arp_cases = [
        ("an ARP answer for bob", "arp-spoof", *arp(2, MAC["mallory"], V4["bob"], MAC["alice"], V4["alice"])),
        ("a gratuitous ARP for the gateway", "arp-spoof", *arp(1, MAC["mallory"], V4["gateway"], nobody, V4["gateway"])),
        ("an ARP request in bob's name", "arp-spoof", *arp(1, MAC["mallory"], V4["bob"], nobody, V4["alice"])),
        ("an ARP answer with bob's MAC inside", "arp-spoof", *arp(2, MAC["bob"], V4["mallory"], MAC["alice"], V4["alice"])),
    ]
    nd_cases = [
        (
            "an advertisement of bob's address",
            "nd-spoof",
            nd(lambda: frames.neighbour_advertisement(V6["mallory"], V6["alice"], V6["bob"], MAC["mallory"])),
            needle(V6["bob"]),
        ),
        (
            "an advertisement of the gateway's address",
            "nd-spoof",
            nd(lambda: frames.neighbour_advertisement(V6["mallory"], V6["alice"], V6["gateway"], MAC["mallory"])),
            needle(V6["gateway"]),
        ),
        (
            "a solicitation in bob's name",
            "nd-spoof",
            nd(lambda: frames.neighbour_solicitation(V6["bob"], V6["alice"], V6["alice"], MAC["mallory"])),
            b"\x01\x01" + frames.mac(MAC["mallory"]),
        ),
        (
            "an advertisement of its own address with bob's MAC",
            "nd-spoof",
            nd(lambda: frames.neighbour_advertisement(V6["mallory"], V6["alice"], V6["mallory"], MAC["bob"])),
            frames.address(V6["mallory"]) + b"\x02\x01" + frames.mac(MAC["bob"]),
        ),
    ]
    refused(host, arp_cases + nd_cases)
    for name, book in (("bob", V4), ("bob", V6), ("gateway", V4), ("gateway", V6)):
        lines = host.containers["alice"].run("ip", "neigh", "show", book[name])
        tap.expect(MAC["mallory"] not in lines, f"alice does not believe mallory to be {book[name]}: {lines}")


def test_not_addressed(host):
    """A frame to a neighbour's MAC with an outside address, or with another neighbour's, does not arrive"""
    three(host)
    cases = [
        ("an outside address to alice's MAC", lambda m: from_mallory(frames.IPV4, datagram(V4["mallory"], OUTSIDE, m))),
        ("the same over IPv6", lambda m: from_mallory(frames.IPV6, datagram(V6["mallory"], OUTSIDE6, m))),
        ("bob's address to alice's MAC", lambda m: from_mallory(frames.IPV4, datagram(V4["mallory"], V4["bob"], m))),
        ("the host's address to alice's MAC", lambda m: from_mallory(frames.IPV4, datagram(V4["mallory"], V4["gateway"], m))),
        (
            "alice's address to a MAC of nobody (flooded)",
            lambda m: from_mallory(frames.IPV4, datagram(V4["mallory"], V4["alice"], m), destination="02:00:00:00:00:99"),
        ),
    ]
    for what, make in cases:
        mark = frames.marker()
        tap.expect(attempt(host, make(mark), mark), f"nobody polices: {what} arrives")
    host.start()
    host.wait_open()
    settle(host)
    honest(host)
    for what, make in cases:
        mark = frames.marker()
        before = not_addressed(host)
        tap.expect(not attempt(host, make(mark), mark, expected=False), f"{what} must not arrive")
        wait_until(lambda: not_addressed(host) > before, 2, f"an event of {what}")
    honest(host)


def not_addressed(host):
    """Such events. With bridge netfilter on, the door sees a frame first that carries the host's address elsewhere."""
    return events(host, reason="not-addressed", verdict="deny", direction="to") + events(host, reason="sent-on", verdict="deny")


def test_added_address(host):
    """A victim's, the gateway's or an outside address added inside a container gives no identity"""
    three(host)
    mallory, alice = host.containers["mallory"], host.containers["alice"]
    stolen = (V4["bob"], V4["gateway"], OUTSIDE, V6["bob"], V6["gateway"], OUTSIDE6)

    def borrow(address):
        mallory.run("ip", "addr", "add", f"{address}/{128 if ':' in address else 32}", "dev", "eth0", *(["nodad"] if ":" in address else []))
        target = (V6 if ":" in address else V4)["alice"]
        mallory.run("ip", "neigh", "replace", target, "lladdr", MAC["alice"], "dev", "eth0", "nud", "permanent")
        return lambda: mallory.reach("udp", target, 80, 0.2, source=address)

    for address in stolen:
        tap.expect(gets(alice, borrow(address), b"bulkhead"), f"nobody polices: {address} speaks to alice")
        mallory.run("ip", "addr", "del", f"{address}/{128 if ':' in address else 32}", "dev", "eth0")
    settle(host)
    host.start()
    host.wait_open()
    settle(host)
    before = {port["interface"]: port["addresses"] for port in host.ask("ports")}
    for address in stolen:
        tap.expect(gets_not(alice, borrow(address), b"bulkhead"), f"{address} must not speak to alice")
        flow = host.wait_flow(from_="mallory", reason="source-address")
        tap.expect(flow["from"].get("container") in (None, "mallory"), f"the event blames nobody else: {flow}")
    after = {port["interface"]: port["addresses"] for port in host.ask("ports")}
    tap.equal(after, before, "addresses stay as they were at adoption")
    for book in (V4, V6):
        tap.expect(host.containers["bob"].reach("tcp", book["alice"], 80, 2), "bob is still himself")
        tap.expect(host.containers["bob"].reach("tcp", book["gateway"], 80) is False, "nobody answers as the gateway")


def test_fragments(host):
    """Fragments follow their first: overlapping, tiny and orphaned ones are dropped, honest ones arrive"""
    three(host)
    host.bridge_nf_call(False)
    mallory, alice = host.containers["mallory"], host.containers["alice"]

    def parts(m, cut, second, identifier):
        segment = frames.udp_segment(V4["mallory"], V4["alice"], 4000, 80, b"." * 40 + m)
        first = frames.ipv4(V4["mallory"], V4["alice"], 17, segment[:cut], identifier=identifier, fragment=0x2000)
        later = frames.ipv4(V4["mallory"], V4["alice"], 17, segment[second:], identifier=identifier, fragment=second // 8)
        return from_mallory(frames.IPV4, first), from_mallory(frames.IPV4, later)

    def send(*pieces):
        for piece in pieces:
            mallory.send_frame("eth0", piece)

    host.start()
    host.wait_open()
    whole, orphan, overlapping = (frames.marker() for _ in range(3))
    first, later = parts(whole, 24, 24, 1)
    tap.expect(gets(alice, lambda: send(first, later), whole), "a datagram in two parts arrives")
    _, later = parts(orphan, 24, 24, 2)
    tap.expect(gets_not(alice, lambda: send(later), orphan), "a part without its first does not")
    if not host.nft_alone:
        host.wait_flow(from_="mallory", reason="fragment")
    first, later = parts(overlapping, 32, 24, 3)
    tap.expect(gets_not(alice, lambda: send(first, later), overlapping), "a part that overlaps does not")
    if host.nft_alone:
        tap.equal(events(host, reason="fragment"), 0, "the kernel tells nobody what it drops of fragments")
    else:
        host.wait_flow(from_="mallory", reason="fragment-overlap")
    tiny = frames.ipv4(V4["mallory"], V4["alice"], 6, b"\x0f\xa0\0\x50\0\0\0\0", identifier=4, fragment=0x2000)
    tap.expect(gets_not(alice, lambda: send(from_mallory(frames.IPV4, tiny)), b"\x0f\xa0\0\x50"), "a tiny first part does not")
    tap.expect(mallory.reach("udp", V4["alice"], 80, 2), "and the honest way is open")


if __name__ == "__main__":
    TESTS = [
        test_source,
        test_neighbours,
        test_not_addressed,
        test_added_address,
        test_fragments,
    ]
    tap.main([*TESTS, *map(tap.nft_alone, TESTS)], jobs=2)
