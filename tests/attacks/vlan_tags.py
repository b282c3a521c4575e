# SPDX-License-Identifier: GPL-2.0-only
"""VLAN tags: 0, 5, a priority alone, and two tags (QinQ), before packets that untagged would be allowed"""

from lib import frames
from lib.hostile import MAC, V4, datagram, to


def attack(world):
    for what, tags in (
        ("VLAN 0", [(frames.VLAN, 0)]),
        ("VLAN 5", [(frames.VLAN, 5)]),
        ("a priority", [(frames.VLAN, 7 << 13)]),
        ("a provider's tag", [(frames.QINQ, 5)]),
        ("two tags", [(frames.QINQ, 0), (frames.VLAN, 5)]),
        ("two customers' tags", [(frames.VLAN, 1), (frames.VLAN, 5)]),
    ):
        plain = lambda mark: datagram(V4["mallory"], V4["alice"], mark)
        yield world.frame(what, "vlan", lambda mark: to("alice", frames.IPV4, plain(mark), tags=tags))
    request = frames.arp(1, MAC["mallory"], V4["mallory"], "00:00:00:00:00:00", V4["alice"])
    tagged = lambda mark: to("alice", frames.ARP, request + mark, tags=[(frames.VLAN, 7 << 13)])
    yield world.frame("ARP with a priority", "vlan", tagged)
