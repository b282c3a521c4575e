# SPDX-License-Identifier: GPL-2.0-only
"""A group router's role: IGMP and MLD queries, and PIM, which would draw others' group traffic to mallory"""

import struct

from lib import frames
from lib.hostile import MAC, V4, to


def attack(world):
    lla = frames.link_local(MAC["mallory"])
    igmp = lambda mark: frames.ipv4(V4["mallory"], "224.0.0.1", 2, b"\x11\x0a\xee\xf5\0\0\0\0" + mark, ttl=1)
    pim = lambda mark: frames.ipv4(V4["mallory"], "224.0.0.13", 103, b"\x20\0\xdf\xff" + mark, ttl=1)
    mld = lambda mark: frames.icmp(lla, "ff02::1", 130, 0, struct.pack("!HH", 1000, 0) + bytes(16) + mark, hops=1)
    pim6 = lambda mark: frames.ipv6(lla, "ff02::d", 103, b"\x20\0\0\0" + mark, 1)
    for what, group, make in (("IGMP", "224.0.0.1", igmp), ("PIM", "224.0.0.13", pim), ("MLD", "ff02::1", mld), ("PIM", "ff02::d", pim6)):
        yield world.frame(
            f"{what} to {group}",
            "multicast-router",
            lambda mark: to(frames.group_mac(group), frames.ip_type(group), make(mark)),
        )
