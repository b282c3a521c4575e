# SPDX-License-Identifier: GPL-2.0-only
"""Group reports, IGMP and MLD, to the host alone: no router is told so, but it could hold anything"""

from lib import frames
from lib.host import run
from lib.hostile import V4, V6, to


def attack(world):
    bridge = run("cat", "/sys/class/net/br0/address").strip()
    igmp = lambda mark: frames.ipv4(V4["mallory"], V4["gateway"], 2, b"\x16\0\x09\x01\xe0\0\0\xfb" + mark, ttl=1)
    mld = lambda mark: frames.icmp(V6["mallory"], V6["gateway"], 131, 0, bytes(4) + frames.address("ff02::fb") + mark, hops=1)
    for what, make, nft in (("IGMP", igmp, "host-door"), ("MLD", mld, "icmp-unrelated")):
        yield world.frame(
            f"{what} to the gateway",
            "malformed",
            lambda mark: to(bridge, frames.ip_type(V6["mallory"] if what == "MLD" else V4["mallory"]), make(mark)),
            control=False,  # no socket gets it, and the host's kernel throws it away silently
            nft=nft,
        )
