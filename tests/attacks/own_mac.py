# SPDX-License-Identifier: GPL-2.0-only
"""Another MAC address: frames with bob's, carol's on another bridge, and nobody's"""

from lib import frames
from lib.hostile import MAC, NOBODY, V4, V6, datagram, to


def attack(world):
    for what, mac in (("bob's", MAC["bob"]), ("carol's", MAC["carol"]), ("nobody's", NOBODY)):
        for book in (V4, V6):
            kind = frames.ip_type(book["alice"])
            yield world.frame(
                f"{what} MAC, to {book['alice']}",
                "source-mac",
                lambda mark: to("alice", kind, datagram(book["mallory"], book["alice"], mark), mac),
            )
