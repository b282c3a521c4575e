# SPDX-License-Identifier: GPL-2.0-only
"""Another address: packets from bob's, carol's, the gateway's, an outside, a link-local, a loopback and a mapped address"""

from lib.hostile import MAC, V4, V6, datagram, packet
from lib.frames import link_local


def attack(world):
    stolen = [book[name] for book in (V4, V6) for name in ("bob", "carol", "gateway", "other-gateway", "far")]
    for source in (*stolen, link_local(MAC["bob"]), "127.0.0.1", "::1", "::ffff:10.77.0.4", "224.0.0.1"):
        target = (V6 if ":" in source else V4)["alice"]
        yield world.frame(
            f"from {source}",
            ("source-address", "martian"),
            lambda mark: packet("alice", datagram(source, target, mark)),
        )
