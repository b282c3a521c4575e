# SPDX-License-Identifier: GPL-2.0-only
"""Packets into a neighbour's open connection: resets, data and acknowledgements with bob's or the outside's address, or mallory's own"""

from lib import frames, tap
from lib.hostile import V4, V6, packet


def attack(world):
    for book in (V4, V6):
        for name, port in (("bob", 5001), ("far", 5002)) if book is V4 else (("bob", 5003), ("far", 5004)):
            open_one = world.alice.connect(book[name], 80, source_port=port)
            tap.expect(world.alice.exchange(open_one, b"x", 5), "an open connection")
            for who, reasons in ((name, "source-address"), ("mallory", ("tcp-not-syn", "tcp-invalid", "default"))):
                for what, flags in (("a reset", frames.RST), ("data", frames.PSH | frames.ACK), ("a SYN", frames.SYN)):
                    yield world.frame(
                        f"{what} from {book[who]} in the flow with {book[name]}",
                        reasons,
                        lambda mark: packet("alice", frames.tcp(book[who], book["alice"], 80, port, flags, 7, 7, mark)),
                    )
            if world.policed:
                tap.expect(world.alice.exchange(open_one, b"x" * 3000, 5), f"the connection with {book[name]} goes on")
            world.alice.close(open_one)
