# SPDX-License-Identifier: GPL-2.0-only
"""Forged ICMP errors against a neighbour's open flow: too big, unreachable, prohibited, from the router and from mallory itself"""

import struct

from lib import frames, tap
from lib.hostile import V4, V6, packet


def attack(world):
    for book in (V4, V6):
        alice, v6 = book["alice"], book is V6
        port = 5006 if v6 else 5005
        open_one = world.alice.connect(book["far"], 80, source_port=port)
        tap.expect(world.alice.exchange(open_one, b"x", 5), "an open connection")
        quoted = frames.tcp(alice, book["far"], port, 80, frames.ACK, 7, 7)
        for who, reasons in (("gateway", "source-address"), ("mallory", "icmp-unrelated")):
            for what, kind, code in (
                ("too big", 2 if v6 else 3, 0 if v6 else 4),
                ("unreachable", 1 if v6 else 3, 4 if v6 else 3),
                ("prohibited", 1 if v6 else 3, 1 if v6 else 13),
                ("time exceeded", 3 if v6 else 11, 0),
            ):
                body = lambda mark: struct.pack("!HH", 0, 1280) + quoted + mark
                yield world.frame(
                    f"{what} from {book[who]}",
                    reasons,
                    lambda mark: packet("alice", frames.icmp(book[who], alice, kind, code, body(mark))),
                    nft=("source-address", "icmp-unrelated", "default"),
                )
        if world.policed:
            tap.expect(world.alice.exchange(open_one, b"x" * 3000, 5), "the connection goes on")
        world.alice.close(open_one)
