# SPDX-License-Identifier: GPL-2.0-only
"""Hop limits: neighbour discovery that came over a router, packets that die at the host or at a neighbour, to learn of paths"""

import struct

from lib import frames
from lib.host import run
from lib.hostile import MAC, V4, V6, datagram, packet, to


def attack(world):
    body = struct.pack("!I", 0x20000000) + frames.address(V6["mallory"]) + b"\x02\x01" + frames.mac(MAC["mallory"])
    yield world.frame(
        "an advertisement with 64 hops",
        "nd-spoof",
        lambda mark: packet("alice", frames.icmp(V6["mallory"], V6["alice"], 136, 0, body, hops=64)),
        needle=body[-24:],
    )
    bridge = run("cat", "/sys/class/net/br0/address").strip()
    for book in (V4, V6):
        mine = book["mallory"]
        limit = {"hops" if ":" in mine else "ttl": 1}
        for name, mac in (("bob", "bob"), ("carol", bridge), ("far", bridge)):
            yield world.frame(
                f"one hop, to {book[name]}",
                "default",
                lambda mark: to(mac, frames.ip_type(mine), datagram(mine, book[name], mark, (4000, 33434), **limit)),
                victims=("bob",),
                control=name == "bob",
                # Routed ones are the host's to throw away, before nftables judges.
                nft="default" if name == "bob" else None,
            )
