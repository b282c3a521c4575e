# SPDX-License-Identifier: GPL-2.0-only
"""A rogue router: advertisements to all and to alice, whole and in a fragment, and redirects of both families"""

import struct

from lib import frames
from lib.hostile import MAC, V4, V6, packet, datagram, to

PREFIX = "2001:db8:bad::"


def attack(world):
    lla, alice = frames.link_local(MAC["mallory"]), frames.link_local(MAC["alice"])
    message = frames.router_advertisement(lla, MAC["mallory"], PREFIX)
    part = frames.ipv6(lla, "ff02::1", 44, struct.pack("!BBHI", 58, 0, 0, 7) + message[40:], 255)
    seen = frames.address(PREFIX)
    for what, reason, frame in (
        ("to all", "router-advertisement", to(frames.group_mac("ff02::1"), frames.IPV6, message)),
        ("to alice's MAC", "router-advertisement", to("alice", frames.IPV6, message)),
        ("in a fragment", "nd-spoof", to("alice", frames.IPV6, part)),
    ):
        yield world.frame(f"an advertisement {what}", reason, lambda mark: frame, needle=seen)
    yield world.frame(
        "a redirect",
        "redirect",
        lambda mark: packet(
            "alice",
            frames.icmp(V4["mallory"], V4["alice"], 5, 1, frames.address(V4["mallory"]) + datagram(V4["alice"], V4["far"], mark)),
        ),
    )
    body = struct.pack("!I", 0) + frames.address(lla) + frames.address(V6["far"])
    yield world.frame(
        "an ICMPv6 redirect",
        "redirect",
        lambda mark: packet("alice", frames.icmp(lla, alice, 137, 0, body + mark, hops=255)),
    )
