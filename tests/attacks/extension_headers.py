# SPDX-License-Identifier: GPL-2.0-only
"""IPv6 extension headers: long chains, jumbograms, router alerts and unknown options, to hide what a packet is"""

import struct

from lib import frames
from lib.hostile import V6, packet


def attack(world):
    mine, alice = V6["mallory"], V6["alice"]

    def chain(headers):
        def make(mark):
            packed = frames.udp_segment(mine, alice, 4000, 9, mark)
            following = 17
            for kind, body in reversed(headers):
                packed, following = struct.pack("!BB", following, (len(body) - 6) // 8) + body + packed, kind
            return packet("alice", frames.ipv6(mine, alice, following, packed))

        return make

    padding = struct.pack("!BB", 1, 4) + b"\0" * 4
    for what, headers in (
        ("seven of them", [(60, padding)] * 7),
        ("twelve of them", [(60, padding)] * 12),
        ("hop-by-hop last", [(60, padding), (0, padding)]),
        ("hop-by-hop twice", [(0, padding), (0, padding)]),
        ("a jumbogram", [(0, struct.pack("!BBI", 0xC2, 4, 70000))]),
        ("an unknown option", [(60, struct.pack("!BB", 0x1E, 4) + b"\0" * 4)]),
    ):
        yield world.frame(
            what, ("default", "extension-headers", "malformed"), chain(headers), control=what != "a jumbogram",
            nft=None if what == "a jumbogram" else ("default", "extension-headers", "malformed"),
        )  # fmt: skip
