# SPDX-License-Identifier: GPL-2.0-only
"""Frames that are neither IP nor ARP: MACsec, MPLS, PPPoE, LLDP and loopback's EtherType to a neighbour, 802.3 framing"""

from lib.hostile import V4, datagram, to


def attack(world):
    inner = lambda mark: datagram(V4["mallory"], V4["alice"], mark)
    for what, kind, head in (
        ("MACsec", 0x88E5, b"\x20\0\0\0\0\x01"),
        ("MPLS", 0x8847, b"\0\0\x11\x40"),
        ("PPPoE", 0x8864, b"\x11\0\0\x01\0\x40\0\x21"),
        ("LLDP", 0x88CC, b""),
        ("a wake-up call", 0x0842, b""),
        ("a provider's bridge", 0x88E7, b"\0\0\0\x01"),
        ("802.3 framing", 80, b"\xaa\xaa\x03\0\0\0\x08\0"),
    ):
        yield world.frame(what, "ethertype", lambda mark: to("alice", kind, head + inner(mark)))
