# SPDX-License-Identifier: GPL-2.0-only
"""A neighbour's MAC with an outside IP address, and the bridge's MAC with a neighbour's (hairpin routing)"""

from lib import frames
from lib.host import run
from lib.hostile import V4, V6, datagram, to

UNKNOWN = "02:00:00:00:00:98"  # nobody has spoken with it yet: a bridge floods it


def attack(world):
    for book in (V4, V6):
        mine, kind = book["mallory"], frames.ip_type(book["mallory"])
        for name in ("far", "bob", "gateway"):
            yield world.frame(
                f"{book[name]} to alice's MAC",
                ("not-addressed", "default", "sent-on", "host-door"),
                lambda mark: to("alice", kind, datagram(mine, book[name], mark, (4000, 9))),
            )
        yield world.frame(
            f"{book['alice']} to nobody's MAC",
            "default",
            lambda mark: to(UNKNOWN, kind, datagram(mine, book["alice"], mark, (4000, 9))),
        )
        bridge = run("cat", "/sys/class/net/br0/address").strip()
        for name in ("alice", "bob"):
            yield world.frame(
                f"{book[name]} to the bridge's MAC",
                "default",
                lambda mark: to(bridge, kind, datagram(mine, book[name], mark, (4000, 9))),
                victims=(name,),
            )
