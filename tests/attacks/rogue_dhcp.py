# SPDX-License-Identifier: GPL-2.0-only
"""A rogue DHCP and DHCPv6 server: offers to all and to alice alone, and a DHCPv6 reply"""

from lib import frames
from lib.hostile import MAC, V4, datagram, packet, to


def attack(world):
    offer = frames.dhcp(2, MAC["alice"], 2, "10.77.0.66", V4["mallory"])
    lla, alice = frames.link_local(MAC["mallory"]), frames.link_local(MAC["alice"])
    everybody = lambda mark: datagram(V4["mallory"], "255.255.255.255", offer + mark, (67, 68))
    yield world.frame("an offer to all", "dhcp-server", lambda mark: to(frames.BROADCAST, frames.IPV4, everybody(mark)))
    yield world.frame(
        "an offer to alice",
        "dhcp-server",
        lambda mark: packet("alice", datagram(V4["mallory"], V4["alice"], offer + mark, (67, 68))),
    )
    yield world.frame(
        "a DHCPv6 reply",
        "dhcp-server",
        lambda mark: packet("alice", datagram(lla, alice, b"\x07\x42\x55\x4c" + mark, (547, 546))),
    )
