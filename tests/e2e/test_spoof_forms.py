#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Who one is, said in unusual ways: neighbour discovery with more than it should have, DHCP in others' names, roles that
are played in fragments; and what permits allow."""

import json
import struct
import sys

sys.path.insert(0, __file__.rsplit("/", 1)[0])
from lib import frames, tap
from lib.attack import gets, gets_not, host_gets
from lib.host import run, wait_until
from test_spoof import MAC, POLICY, V4, V6, attempt, datagram, events, from_mallory, honest, refused, settle, three, to_alice


def nd_message(kind, source, target, options, mac_source=None):
    """To all nodes; `options` as bytes."""
    body = struct.pack("!I", 0) + frames.address(target) + options
    return from_mallory(
        frames.IPV6, frames.icmp(source, "ff02::1", kind, 0, body, hops=255), destination=frames.group_mac("ff02::1")
    )


def link_option(kind, mac):
    return bytes([kind, 1]) + frames.mac(mac)


def test_neighbour_forms(host):
    """Neighbour discovery that hides a false address: in a second option, behind another header, in a fragment, from nobody"""
    three(host)
    own, bob = V6["mallory"], V6["bob"]
    claim = link_option(2, MAC["mallory"])
    body = struct.pack("!I", 0x20000000) + frames.address(bob) + claim
    advertisement = frames.icmp(own, "ff02::1", 136, 0, body, hops=255)[40:]
    group = {"destination": frames.group_mac("ff02::1")}
    padded = struct.pack("!BBBB", 58, 0, 1, 4) + b"\0" * 4  # destination options: only filling
    fragment = struct.pack("!BBHI", 58, 0, 0, 7)  # an atomic one
    target = frames.address(bob)
    cases = [
        (
            "bob's MAC in a second option",
            "nd-spoof",
            lambda m: nd_message(136, own, own, link_option(2, MAC["mallory"]) + link_option(2, MAC["bob"])),
            link_option(2, MAC["mallory"]) + link_option(2, MAC["bob"]),
        ),
        (
            "an advertisement for bob behind an extension header",
            "nd-spoof",
            lambda m: from_mallory(frames.IPV6, frames.ipv6(own, "ff02::1", 60, padded + advertisement, 255), **group),
            target + claim,
        ),
        (
            "an advertisement for bob in a fragment",
            "nd-spoof",
            lambda m: from_mallory(frames.IPV6, frames.ipv6(own, "ff02::1", 44, fragment + advertisement, 255), **group),
            target + claim,
        ),
        ("an advertisement of nobody's", "nd-spoof", lambda m: nd_message(136, "::", own, claim + b"", None), frames.address(own) + claim),
        (
            "a solicitation with bob's MAC",
            "nd-spoof",
            lambda m: from_mallory(
                frames.IPV6, frames.neighbour_solicitation(own, V6["alice"], V6["alice"], MAC["bob"])
            ),
            frames.address(V6["alice"]) + link_option(1, MAC["bob"]),
        ),
        (
            "an advertisement that came over a router",
            "nd-spoof",
            lambda m: from_mallory(frames.IPV6, frames.icmp(own, "ff02::1", 136, 0, struct.pack("!I", 0) + frames.address(own) + claim, hops=64), **group),
            frames.address(own) + claim,
        ),
    ]
    refused(host, cases)
    mallory = host.containers["mallory"]
    good = from_mallory(frames.IPV6, frames.neighbour_advertisement(own, V6["alice"], own, MAC["mallory"]))
    tap.expect(gets(host.containers["alice"], lambda: mallory.send_frame("eth0", good), frames.address(own) + b"\x02\x01"), "an honest one arrives")


def test_dhcp_client(host):
    """DHCP as a client: in one's own name to all, never in another's, and to no neighbour"""
    three(host)
    alice, mallory = host.containers["alice"], host.containers["mallory"]
    host.start()
    host.wait_open()
    settle(host)

    bridge_mac = json.loads(run("ip", "-j", "link", "show", "br0"))[0]["address"]

    def discover(mac, mark, source="0.0.0.0"):
        packet = datagram(source, "255.255.255.255", frames.dhcp(1, mac, 1) + mark, (68, 67))
        return from_mallory(frames.IPV4, packet, destination=frames.BROADCAST)

    def at_bridge(frame, mark):
        return host_gets(host, "br0", lambda: mallory.send_frame("eth0", frame), mark, 1.0)

    mark = frames.marker()
    tap.expect(at_bridge(discover(MAC["mallory"], mark), mark), "the host hears who asks")
    mark = frames.marker()
    tap.expect(gets_not(alice, lambda: mallory.send_frame("eth0", discover(MAC["mallory"], mark)), mark), "a neighbour does not")
    # A server of the host writes its answers as frames; the address on offer is not the client's yet.
    for client, heard in ((mallory, True), (alice, False)):
        mark = frames.marker()
        offer = frames.dhcp(2, MAC["mallory"], 2, "10.77.0.66", V4["gateway"]) + mark
        packet = datagram(V4["gateway"], "10.77.0.66", offer, (67, 68))
        frame = frames.eth(MAC[client.name], bridge_mac, frames.IPV4, packet)
        send = lambda frame=frame: host.agent.send_frame("br0", frame)
        tap.equal(gets(client, send, mark, 1.0) is not None, heard, f"{client.name} gets the host's offer to mallory")
    for what, frame, reason in (
        ("in bob's name", lambda m: discover(MAC["bob"], m), "source-mac"),
        ("in bob's name, from its own address", lambda m: discover(MAC["bob"], m, V4["mallory"]), "source-mac"),
        ("nobody's other datagrams", lambda m: from_mallory(frames.IPV4, datagram("0.0.0.0", V4["alice"], m)), "martian"),
        ("nobody's, over IPv6", lambda m: from_mallory(frames.IPV6, datagram("::", V6["alice"], m)), "martian"),
    ):
        mark = frames.marker()
        before = events(host, reason=reason, from_="mallory")
        tap.expect(not at_bridge(frame(mark), mark) and gets_not(alice, lambda: mallory.send_frame("eth0", frame(mark)), mark), f"{what}: not")
        wait_until(lambda: events(host, reason=reason, from_="mallory") > before, 2, f"an event of {what}")


def test_roles_in_parts(host):
    """A DHCP answer and a router advertisement cut into fragments are refused as whole ones are"""
    three(host)
    mallory, alice = host.containers["mallory"], host.containers["alice"]
    host.start()
    host.wait_open()
    settle(host)
    mark = frames.marker()
    offer = frames.udp_segment(V4["mallory"], V4["alice"], 67, 68, frames.dhcp(2, MAC["alice"], 2, V4["bob"], V4["mallory"]) + mark)

    def parts(segment, cut, identifier, port=None):
        return [
            from_mallory(frames.IPV4, frames.ipv4(V4["mallory"], V4["alice"], 17, segment[:cut], identifier=identifier, fragment=0x2000)),
            from_mallory(frames.IPV4, frames.ipv4(V4["mallory"], V4["alice"], 17, segment[cut:], identifier=identifier, fragment=cut // 8)),
        ]

    def send(pieces):
        return lambda: [mallory.send_frame("eth0", piece) for piece in pieces]

    honest_mark = frames.marker()
    plain = frames.udp_segment(V4["mallory"], V4["alice"], 4000, 80, bytes(240) + honest_mark)
    tap.expect(gets(alice, send(parts(plain, 64, 1)), honest_mark), "an honest datagram in parts arrives")
    for number, cut in enumerate((8, 64), 2):
        tap.expect(gets_not(alice, send(parts(offer, cut, number)), mark), f"an offer cut at {cut} does not")
    host.wait_flow(from_="mallory", reason="dhcp-server")
    advertisement = frames.router_advertisement(frames.link_local(MAC["mallory"]), MAC["mallory"])[40:]
    for identifier, pieces in ((7, [(0, advertisement[:16]), (16, advertisement[16:])]), (8, [(0, advertisement)])):
        made = []
        for offset, piece in pieces:
            more = offset + len(piece) < len(advertisement)
            head = struct.pack("!BBHI", 58, 0, offset | more, identifier)
            packet = frames.ipv6(frames.link_local(MAC["mallory"]), "ff02::1", 44, head + piece, 255)
            made.append(from_mallory(frames.IPV6, packet, destination=frames.group_mac("ff02::1")))
        tap.expect(gets_not(alice, send(made), frames.address("2001:db8:bad::")), f"an advertisement in {len(made)} parts does not")
    honest(host)


def test_parts_from_outside(host):
    """A fragment from outside in a container's name is never put together with the container's own"""
    three(host)
    mallory, alice = host.containers["mallory"], host.containers["alice"]
    run("ip", "link", "add", "up1", "type", "veth", "peer", "name", "up2")  # an uplink of the bridge
    for name in ("up1", "up2"):
        run("ip", "link", "set", name, "up")
    run("ip", "link", "set", "up1", "master", "br0")
    host.start()
    host.wait_open()
    settle(host)
    for number, (book, wrap) in enumerate(((V4, part_4), (V6, part_6)), 1):
        own = frames.marker()
        segment = frames.udp_segment(book["mallory"], book["alice"], 4000, 80, bytes(40) + own)
        first, later = wrap(book, segment[:24], 0, True, number), wrap(book, segment[24:], 24, False, number)
        tap.expect(gets(alice, lambda: (mallory.send_frame("eth0", first), mallory.send_frame("eth0", later)), own), "its own parts arrive")
        injected = swap_words(own)
        forged = segment[:-len(own)] + injected
        first, later = wrap(book, segment[:24], 0, True, number + 10), wrap(book, forged[24:], 24, False, number + 10)
        send = lambda: (mallory.send_frame("eth0", first), host.agent.send_frame("up2", later))
        tap.expect(gets_not(alice, send, injected), f"a part from outside in the name of {book['mallory']}")


def swap_words(data):
    """Other data with the same checksum (RFC 1071: the order of words does not matter)."""
    half = len(data) // 4 * 2
    return data[half : 2 * half] + data[:half] + data[2 * half :]


def part_4(book, data, offset, more, identifier):
    fragment = (0x2000 if more else 0) | offset // 8
    return from_mallory(frames.IPV4, frames.ipv4(book["mallory"], book["alice"], 17, data, identifier=identifier, fragment=fragment))


def part_6(book, data, offset, more, identifier):
    head = struct.pack("!BBHI", 17, 0, offset | more, identifier)
    return from_mallory(frames.IPV6, frames.ipv6(book["mallory"], book["alice"], 44, head + data))


def test_routed_port(host):
    """A port without a bridge, routed by the host: MAC, addresses, ARP, neighbour discovery and roles are its own as well"""
    three(host)
    lone_mac, lone, lone6 = "02:00:00:00:00:05", "10.88.0.2", "fd88::2"
    box = host.container("lone", None, [], mac=lone_mac)
    host.plug(box, None, [f"{lone}/24", f"{lone6}/64"], mac=lone_mac)
    for address in ("10.88.0.1/24", "fd88::1/64"):
        run("ip", "addr", "add", address, "dev", box.port, *(["nodad"] if ":" in address else []))
    for family, gateway in (("-4", "10.88.0.1"), ("-6", "fd88::1")):
        box.run("ip", family, "route", "add", "default", "via", gateway)
    gateway_mac = json.loads(run("ip", "-j", "link", "show", box.port))[0]["address"]
    alice = host.containers["alice"]
    wait_until(lambda: box.ping(V4["alice"], 1) and box.ping(V6["alice"], 1), 10, "nobody polices: it reaches alice")
    host.start()
    host.wait_open("lone", "alice", "mallory", "bob")

    def frame(ethertype, payload, source_mac=lone_mac, destination=gateway_mac):
        return frames.eth(destination, source_mac, ethertype, payload)

    for book, own in ((V4, lone), (V6, lone6)):
        mark = frames.marker()
        honest_frame = frame(frames.ip_type(own), datagram(own, book["alice"], mark))
        tap.expect(box.ping(book["alice"], 3), "it reaches alice")
        tap.expect(alice.ping(own, 3), "alice reaches it")
        tap.expect(gets(alice, lambda: box.send_frame("eth0", honest_frame), mark), f"an honest frame arrives at {book['alice']}")
    lla = frames.link_local(lone_mac)
    stranger, stranger6 = "10.88.0.9", "fd88::9"
    cases = [
        ("another MAC", "source-mac", lambda m: frame(frames.IPV4, datagram(lone, V4["alice"], m), source_mac="02:00:00:00:00:99")),
        ("another address", "source-address", lambda m: frame(frames.IPV4, datagram(stranger, V4["alice"], m))),
        ("bob's address", "source-address", lambda m: frame(frames.IPV4, datagram(V4["bob"], V4["alice"], m))),
        ("another IPv6 address", "source-address", lambda m: frame(frames.IPV6, datagram(stranger6, V6["alice"], m))),
        ("loopback's address", "martian", lambda m: frame(frames.IPV4, datagram("127.0.0.1", V4["alice"], m))),
        ("ARP for another address", "arp-spoof", lambda m: frame(frames.ARP, frames.arp(2, lone_mac, stranger, gateway_mac, "10.88.0.1"))),
        (
            "an advertisement of another address",
            "nd-spoof",
            lambda m: frame(frames.IPV6, frames.neighbour_advertisement(lone6, "fd88::1", stranger6, lone_mac)),
        ),
        ("a router advertisement", "router-advertisement", lambda m: frame(frames.IPV6, frames.router_advertisement(lla, lone_mac))),
    ]
    for what, reason, make in cases:
        mark = frames.marker()
        tap.expect(gets_not(alice, lambda: box.send_frame("eth0", make(mark)), mark), f"{what}: not to alice")
        wait_until(lambda: events(host, reason=reason, from_="lone"), 3, f"an event {reason} of {what}")
    for address in (stranger, stranger6):
        tap.expect(lone_mac not in run("ip", "neigh", "show", address), f"the host does not believe it to be {address}")


PERMITTED = POLICY.replace('"*" } }', '"*" }, permit: [ spoof, dhcp-server, router ] }')


def test_permits(host):
    """What `permit` names passes, and the guards that it does not name stay"""
    three(host)
    broadcast, lla = {"destination": frames.BROADCAST}, frames.link_local(MAC["mallory"])
    all_nodes = {"destination": frames.group_mac("ff02::1")}
    offer = lambda m: frames.dhcp(2, MAC["alice"], 2, "10.77.0.66", V4["mallory"]) + m
    acts = [
        ("spoof: bob's MAC", lambda m: to_alice(MAC["bob"], frames.IPV4, datagram(V4["mallory"], V4["alice"], m))),
        ("spoof: bob's address", lambda m: from_mallory(frames.IPV4, datagram(V4["bob"], V4["alice"], m))),
        ("spoof: bob's IPv6 address", lambda m: from_mallory(frames.IPV6, datagram(V6["bob"], V6["alice"], m))),
        (
            "dhcp-server: an offer to all",
            lambda m: from_mallory(frames.IPV4, datagram(V4["mallory"], "255.255.255.255", offer(m), (67, 68)), **broadcast),
        ),
        (
            "router: an MLD query",
            lambda m: from_mallory(
                frames.IPV6, frames.icmp(lla, "ff02::1", 130, 0, struct.pack("!HH", 1000, 0) + b"\0" * 16 + m, hops=1), **all_nodes
            ),
        ),
    ]
    advertisement = from_mallory(frames.IPV6, frames.router_advertisement(lla, MAC["mallory"]), **all_nodes)
    claim = from_mallory(frames.ARP, frames.arp(2, MAC["mallory"], V4["bob"], MAC["alice"], V4["alice"]) + b"spoofed ARP")
    host.policy(PERMITTED)
    host.start()
    host.wait_open()
    for what, make in acts:
        mark = frames.marker()
        tap.expect(attempt(host, make(mark), mark), f"permitted, {what} arrives")
    tap.expect(attempt(host, advertisement, frames.address("2001:db8:bad::")), "router: an advertisement arrives")
    tap.expect(attempt(host, claim, b"spoofed ARP"), "spoof: ARP arrives")
    for what, reason, frame in (
        ("a redirect", "redirect", lambda m: frames.icmp(V4["mallory"], V4["alice"], 5, 1, bytes(4) + datagram(V4["alice"], V4["bob"], m))),
        ("loopback's address", "martian", lambda m: datagram("127.0.0.1", V4["alice"], m)),
    ):
        mark = frames.marker()
        tap.expect(not attempt(host, from_mallory(frames.IPV4, frame(mark)), mark, expected=False), f"{what} does not")
        host.wait_flow(from_="mallory", reason=reason)
    for permit, what, make in (("spoof", *acts[0]), ("dhcp-server", *acts[3]), ("router", *acts[4])):
        host.reload(PERMITTED.replace(f"{permit}, ", "").replace(", router", "" if permit == "router" else ", router"))
        mark = frames.marker()
        tap.expect(not attempt(host, make(mark), mark, expected=False), f"without the permit {permit}, {what} does not")


if __name__ == "__main__":
    TESTS = [test_neighbour_forms, test_dhcp_client, test_roles_in_parts, test_parts_from_outside, test_routed_port, test_permits]
    tap.main([*TESTS, *map(tap.nft_alone, TESTS)], jobs=2)
