# SPDX-License-Identifier: GPL-2.0-only
"""Fragments: tiny first parts, overlapping ones, later ones alone or first; of both families, to reach a denied port"""

import struct

from lib import frames
from lib.hostile import V4, V6, packet

DENIED = ("default", "fragment", "fragment-overlap", "malformed", "short")


def part(book, segment, begin, end, identifier, protocol=17):
    more = end < len(segment)
    if ":" in book["alice"]:
        head = struct.pack("!BBHI", protocol, 0, begin | more, identifier)
        return packet("alice", frames.ipv6(book["mallory"], book["alice"], 44, head + segment[begin:end]))
    flags = begin // 8 | (0x2000 if more else 0)
    return packet("alice", frames.ipv4(book["mallory"], book["alice"], protocol, segment[begin:end], identifier=identifier, fragment=flags))


def attack(world):
    for number, book in enumerate((V4, V6), 1):
        mine, alice = book["mallory"], book["alice"]
        segment = lambda mark, port: frames.udp_segment(mine, alice, 4000, port, bytes(48) + mark.ljust(32, b"."))
        half = lambda mark, port, parts, base: [
            part(book, segment(mark, port), begin, end or len(segment(mark, port)), base + number) for begin, end in parts
        ]
        # What has no first part, or one that contradicts itself, no kernel puts together: br_netfilter shows it to nobody.
        for what, port, parts in (
            ("a later part alone", 80, [(24, 0)]),
            ("the first part last", 9, [(24, 0), (0, 24)]),
            ("overlapping parts", 80, [(0, 32), (24, 0)]),
            ("a denied port's parts", 9, [(0, 24), (24, 0)]),
        ):
            base = 0x1000 + 16 * len(what)
            yield world.frame(
                f"{what}, {alice}", DENIED, lambda mark: half(mark, port, parts, base), nft=None if port == 80 else DENIED
            )
        tiny = struct.pack("!HHI", 4000, 80, 0x12345678)
        whole = tiny + struct.pack("!IBBHHH", 0, 0x50, frames.SYN, 1024, 0, 0) + b"." * 12
        yield world.frame(
            f"a tiny first part of TCP, {alice}",
            DENIED,
            lambda mark: part(book, whole, 0, 8, 0x77 + number, 6),
            needle=tiny,
            nft=None,
        )
