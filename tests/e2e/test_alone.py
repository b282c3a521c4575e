#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""nftables alone judges as the programs do: within bridges and between them, the host, outside; and nobody's state opens
anything for another."""

import pathlib
import struct
import sys

sys.path.insert(0, __file__.rsplit("/", 1)[0])
from lib import chaos, frames, tap
from lib.agent import checksum
from lib.host import run, wait_until
from lib.shop import POLICY, scene



def own_port(agent, address):
    """Of the one UDP socket of this address."""
    words = agent.run("ss", "-Hun").split()
    return int(next(word for word in words if word.startswith(f"{address}:")).rsplit(":", 1)[1])


def test_all_ways(host):
    """Containers of one bridge and of two, the host, outside, by TCP, UDP and ping, while policies change and daemons die"""
    host.nft_alone = True
    chaos.scene(host)
    host.start()
    host.wait_open()
    traffic = chaos.Traffic(host)
    for number in range(5):
        host.reload(chaos.POLICY + f"  - {{ from: shop, to: 198.51.100.{number}/32, allow: tcp/1 }}\n")
        traffic.no_leak(f"after reload {number + 1}")
    host.kill()
    traffic.no_leak("without a daemon")
    host.start()
    host.wait_open()
    traffic.finish("reloads and a restart", lossy="the table is taken over")


TWINS = """
version: 1
zones:
  left:
    groups: { a: { members: { label: "z=left-a" } }, b: { members: { label: "z=left-b" } } }
  right: { members: { label: "z=right" }, within: deny }
rules:
  - { from: left/a, to: left/b, allow: udp/5432 }
"""


def test_equal_addresses(host):
    """Bridges with the same addresses: what is open on one opens nothing on the others, though each byte be the same"""
    host.nft_alone = True
    ends = {}
    for bridge, zones in (("br0", ("left-a", "left-b")), ("br1", ("right", "right")), ("br2", ("left-a", "left-b"))):
        host.bridge(bridge)
        for name, address, zone in (("a", "10.9.0.2", zones[0]), ("b", "10.9.0.3", zones[1])):
            ends[bridge, name] = host.container(f"{bridge}{name}", bridge, [f"{address}/24"], labels={"z": zone})
    ends["br0", "b"].listen("udp", 5432)
    host.policy(TWINS)
    host.start()
    host.wait_open()
    kept = ends["br0", "a"].connect("10.9.0.3", 5432, protocol="udp")
    tap.expect(ends["br0", "a"].exchange(kept), "open on one bridge")
    port = own_port(ends["br0", "a"], "10.9.0.2")
    for bridge in ("br1", "br2"):
        a, b = ends[bridge, "a"], ends[bridge, "b"]
        mark = frames.marker()
        there = frames.eth(b.mac(), a.mac(), frames.IPV4, frames.udp("10.9.0.2", "10.9.0.3", port, 5432, mark))
        back = frames.eth(a.mac(), b.mac(), frames.IPV4, frames.udp("10.9.0.3", "10.9.0.2", 5432, port, mark))
        # On the third bridge the question is allowed, and so its answer would be.
        sender, taker, frame = (a, b, there) if bridge == "br1" else (b, a, back)
        sniff = taker.sniff_start("eth0")
        for _ in range(20):
            sender.send_frame("eth0", frame)
        tap.expect(ends["br0", "a"].exchange(kept, b"more", 3), "still open on the first")
        host.wait_flow(from_=sender.name, verdict="deny", service=f"udp/{5432 if bridge == 'br1' else port}")
        tap.equal(sum(mark in frame for frame in taker.sniff_stop(sniff)), 0, f"the same packets on {bridge}")


def unreachable(about, size=28):
    """ICMP: port unreachable, about the beginning of this packet."""
    body = struct.pack("!BBHI", 3, 3, 0, 0) + about[:size]
    return body[:2] + struct.pack("!H", checksum(body)) + body[4:]


def test_errors(host):
    """ICMP errors come from a flow's ends, or from outside; a third container that knows all of the flow is not heard"""
    host.nft_alone = True
    web, db, mallory = scene(host)
    host.start()
    host.wait_open()
    kept = web.connect("10.77.0.3", 5432, protocol="udp")
    tap.expect(web.exchange(kept), "open")
    port = own_port(web, "10.77.0.2")
    about = frames.udp("10.77.0.2", "10.77.0.3", port, 5432, b"x" * 8)
    at_web = web.sniff_start("eth0")
    for agent, source in ((mallory, "10.77.0.4"), (db, "10.77.0.3")):
        packet = frames.ipv4(source, "10.77.0.2", 1, unreachable(about))
        for _ in range(10):
            agent.send_frame("eth0", frames.eth(web.mac(), agent.mac(), frames.IPV4, packet))
        if agent is mallory:
            tap.expect(web.exchange(kept, b"more", 3), "the flow goes on")
    wait_until(lambda: web.exchange(kept, b"more", 3), 10, "what is sent after the errors has come")
    seen = [frame for frame in web.sniff_stop(at_web) if frame[12:14] == b"\x08\x00" and frame[23] == 1]
    tap.equal(sum(frame[26:30] == bytes([10, 77, 0, 4]) for frame in seen), 0, "errors of the third one")
    tap.equal(sum(frame[26:30] == bytes([10, 77, 0, 3]) for frame in seen), 10, "errors of the other end")
    host.wait_flow(from_="mallory", verdict="deny", reason="icmp-unrelated")


ENDED = """
version: 1
settings: { refuse: reject, ignore: [ "up*" ] }
zones:
  shop:
    groups:
      front: { members: { label: "tier=front" } }
      db: { members: { label: "tier=db" } }
  other: { members: { label: "tier=other" } }
rules:
  - { from: other, to: [ shop, world ], allow: udp/1 }
"""
OPEN = """\
  - { from: shop/front, to: [ shop/db, host, world ], allow: [ udp/5432, ping ] }
  - { from: world, to: shop/db, allow: udp/5432 }
"""


def interface(agent):
    return agent.interfaces[0][1]


def macs(sender, taker):
    """Between neighbours, or by the host, which routes."""
    if "out" not in (sender.name, taker.name):
        return taker.mac(), sender.mac()
    uplink = "up0" if sender.name == "out" else "br0"
    return pathlib.Path(f"/sys/class/net/{uplink}/address").read_text().strip(), sender.mac()


class Smuggled:
    """ICMP errors about a packet, with more behind it than there ever was."""

    def __init__(self, sender, source, taker, destination, about):
        self.sender, self.taker, self.mark = sender, taker, frames.marker()
        self.what = f"from {sender.name} ({source}) to {taker.name}"
        packet = frames.ipv4(source, destination, 1, unreachable(about + self.mark, len(about + self.mark)))
        self.frame = frames.eth(*macs(sender, taker), frames.IPV4, packet)


def test_errors_of_ended_flows(host):
    """What a policy has ended carries nothing more in ICMP errors either: neither by its ends nor by routers on the way"""
    host.nft_alone = True
    web, db, mallory = scene(host)
    out = host.outside("out", "up0", "203.0.113.1/24", ["203.0.113.9/24", "203.0.113.77/24"])
    out.listen("udp", 5432)
    host.policy(ENDED + OPEN)
    host.start()
    host.wait_open("web", "db", "mallory")
    where = {web: "10.77.0.2", db: "10.77.0.3", out: "203.0.113.9"}
    smuggled = []
    for opener, asked, port in ((web, db, 40001), (web, out, 40002), (out, db, 40003)):
        one, other = where[opener], where[asked]
        flow = opener.connect(other, 5432, protocol="udp", source_port=port)
        tap.expect(opener.exchange(flow, timeout=3), f"{opener.name} to {asked.name}")
        for sender, source, taker, about in (
            (asked, other, opener, frames.udp(one, other, port, 5432, b"")),
            (opener, one, asked, frames.udp(other, one, 5432, port, b"")),
        ):
            router = "203.0.113.77" if sender is out else source
            smuggled.append(Smuggled(sender, router, taker, where[taker], about))

    def arrived(one):
        mark = frames.marker()
        last = frames.eth(*macs(mallory, one.taker), frames.IPV4, frames.udp("10.77.0.4", where[one.taker], 9, 1, mark))
        sniff, seen = (one.taker.sniff_start(interface(one.taker)) for _ in range(2))
        for _ in range(10):
            one.sender.send_frame(interface(one.sender), one.frame)
        mallory.send_frame("eth0", last)
        tap.expect(one.taker.sniff_until(seen, mark, 10), "what is sent behind them arrives")
        one.taker.sniff_stop(seen)
        return sum(one.mark in frame for frame in one.taker.sniff_stop(sniff))

    flow = web.connect("10.77.0.1", 5432, protocol="udp", source_port=40004)
    tap.expect(web.exchange(flow, timeout=3), "web to the host")
    about = unreachable(frames.udp("10.77.0.1", "10.77.0.2", 5432, 40004, b""))
    to_host = frames.eth(*macs(web, out), frames.IPV4, frames.ipv4("10.77.0.2", "10.77.0.1", 1, about))
    web.send_frame("eth0", to_host)
    for one in smuggled:
        tap.equal(arrived(one), 10, f"while the flow may pass: {one.what}")
    tap.equal([flow for flow in host.flows(denied=True) if flow["protocol"] == "icmp"], [], "errors that are refused")
    host.reload(ENDED)
    web.send_frame("eth0", to_host)
    host.wait_flow(from_="web", to="10.77.0.1", protocol="icmp", verdict="deny")
    for one in smuggled:
        tap.equal(arrived(one), 0, f"when it may not: {one.what}")


def test_address_again(host):
    """Who gets the address of a container that is gone gets none of what that one has asked for"""
    inherit(host, "other")


def test_address_again_alike(host):
    """The same where the heir is of the same group, and might have asked itself"""
    inherit(host, "front")


def inherit(host, tier):
    host.nft_alone = True
    web, db, _ = scene(host)
    host.start()
    host.wait_open()
    ports = range(41000, 41070)  # more than are forgotten with one message
    for port in ports:
        tap.expect(web.exchange(web.connect("10.77.0.3", 5432, protocol="udp", source_port=port), timeout=3), "open")
    run("ip", "link", "del", web.port)
    web.stop()
    run("ip", "netns", "del", "web")
    del host.containers["web"]
    heir = host.container("heir", "br0", ["10.77.0.2/24", "fd77::2/64"], labels={"tier": tier})
    host.wait_open("heir")
    mark = frames.marker()
    ends = heir.mac(), db.mac()
    sniff = heir.sniff_start("eth0")
    for port in ports:
        packet = frames.udp("10.77.0.3", "10.77.0.2", 5432, port, mark)
        db.send_frame("eth0", frames.eth(*ends, frames.IPV4, packet))
    host.wait_flow(from_="db", verdict="deny", to="heir")
    tap.equal(sum(mark in frame for frame in heir.sniff_stop(sniff)), 0, "answers to who is gone")


def test_too_many_prefixes(host):
    """More prefixes than the kernel takes in good time are an error, and the policy in force stays"""
    host.nft_alone = True
    scene(host)
    host.start()
    host.wait_open()
    prefixes = ", ".join(f"20.{n >> 8}.{n & 255}.0/25" for n in range(9000))
    try:
        host.reload(POLICY + f"  - {{ from: shop, to: [ {prefixes} ], allow: tcp/1 }}\n")
        raise AssertionError("it was taken")
    except RuntimeError as error:
        tap.expect("at most 8192" in str(error), f"what it says: {error}")
    tap.expect(host.containers["web"].reach("tcp", "10.77.0.3", 5432, 3), "the policy in force stays")


if __name__ == "__main__":
    tap.main(
        [
            test_all_ways,
            test_equal_addresses,
            test_errors,
            test_errors_of_ended_flows,
            test_address_again,
            test_address_again_alike,
            test_too_many_prefixes,
        ],
        jobs=2,
    )
