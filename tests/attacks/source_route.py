# SPDX-License-Identifier: GPL-2.0-only
"""Source routing: loose and strict routes of IPv4, and IPv6 routing headers of type 0, 2, 3 and 4"""

import struct

from lib import frames
from lib.hostile import V4, V6, packet


def attack(world):
    for what, kind in (("a loose", 0x83), ("a strict", 0x89)):
        options = bytes([kind, 7, 4]) + frames.address(V4["bob"]) + b"\0"
        segment = lambda mark: frames.udp_segment(V4["mallory"], V4["alice"], 4000, 80, mark)
        yield world.frame(
            f"{what} route",
            "source-route",
            lambda mark: packet("alice", frames.ipv4(V4["mallory"], V4["alice"], 17, segment(mark), options=options)),
            # With bridge netfilter the kernel throws these away before.
            nft=("source-route", "malformed"),
        )
    for kind in (0, 2, 3, 4):
        head = struct.pack("!BBBBI", 17, 2, kind, 1, 0) + frames.address(V6["bob"])
        segment6 = lambda mark: frames.udp_segment(V6["mallory"], V6["alice"], 4000, 80, mark)
        yield world.frame(
            f"a routing header of type {kind}",
            "source-route",
            lambda mark: packet("alice", frames.ipv6(V6["mallory"], V6["alice"], 43, head + segment6(mark))),
        )
