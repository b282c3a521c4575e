# SPDX-License-Identifier: GPL-2.0-only
"""Link-layer group frames (01:80:c2:00:00:0x): spanning tree, LACP, 802.1X and LLDP, which would teach bridges and switches"""

from lib import frames, tap
from lib.attack import fdb_moved
from lib.hostile import MAC, to


def attack(world):
    # A bridge keeps these to itself: there is nothing to see at a neighbour. Most reach no hook that could tell of them.
    for last, kind in ((0x02, 0x8809), (0x03, 0x888E), (0x08, 0x8100 - 1), (0x0D, 0x88CC), (0x0E, 0x88CC), (0x0F, 0x88CC)):
        group = f"01:80:c2:00:00:{last:02x}"
        yield world.frame(f"to {group}", "ethertype", lambda mark: to(group, kind, mark), nft=None, control=False)
        forged = to(group, kind, b"", MAC["bob"])
        yield world.frame(f"to {group}, from bob's MAC", ("source-mac", "ethertype"), lambda mark: forged, nft=None, control=False, needle=forged)
    yield world.frame(
        "to be the root of the tree", "ethertype", lambda mark: frames.stp(MAC["mallory"]), control=False, needle=b"\x42\x42\x03\0\0"
    )
    if world.policed:
        tap.expect(not fdb_moved("br0", MAC["bob"], world.bob.port), "bob is still behind his own port")
