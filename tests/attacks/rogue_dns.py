# SPDX-License-Identifier: GPL-2.0-only
"""Forged DNS answers: from the resolver's address, and from mallory's own, to where alice waits for one"""

import struct

from lib.hostile import V4, V6, datagram, packet


def attack(world):
    for book in (V4, V6):
        alice = world.alice.connect(book["far"], 53, protocol="udp", source_port=5353)
        answer = struct.pack("!HHHHHH", 1, 0x8180, 0, 1, 0, 0)
        for what, source, reason in (("the resolver's", "far", "source-address"), ("its own", "mallory", "default")):
            yield world.frame(
                f"from {what} address, to {book['alice']}",
                reason,
                lambda mark: packet("alice", datagram(book[source], book["alice"], answer + mark, (53, 5353))),
            )
        world.alice.close(alice)
