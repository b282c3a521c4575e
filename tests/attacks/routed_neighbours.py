# SPDX-License-Identifier: GPL-2.0-only
"""Words to neighbours that the gateway would send on: an advertisement, solicitations, full of what is to get out"""

import struct

from lib import frames
from lib.host import run
from lib.hostile import MAC, V6, Try, to


def attack(world):
    bridge = run("cat", "/sys/class/net/br0/address").strip()
    mine, far = V6["mallory"], V6["far"]
    link = lambda kind: struct.pack("!BB", kind, 1) + frames.mac(MAC["mallory"])
    load = lambda mark: struct.pack("!BB", 14, 170) + mark.ljust(8 * 170 - 2, b"x")
    short = struct.pack("!I", 0x60424C4B) + frames.address(mine) + link(2)  # three bytes that nobody looks at
    yield world.frame(
        f"a short advertisement to {far}",
        "arp-target",
        lambda mark: to(bridge, frames.IPV6, frames.icmp(mine, far, 136, 0, short, hops=255)),
        victims=("far",),
        needle=short,
        nft="icmp-unrelated",
    )
    # Alice may reach it, and has it from nobody that neighbours there are.
    message = frames.icmp(V6["alice"], far, 136, 0, struct.pack("!I", 0x60424C4C) + frames.address(V6["alice"]), hops=255)
    yield Try(
        f"alice's advertisement to {far}",
        lambda mark: world.alice.send_frame("eth0", to(bridge, frames.IPV6, message, MAC["alice"])),
        "nd-spoof",
        victims=("far",),
        needle=message[44:],
        nft="icmp-unrelated",
        told="alice",
    )
    for what, kind, fixed in (
        ("an advertisement", 136, struct.pack("!I", 0x60000000) + frames.address(mine) + link(2)),
        ("a solicitation", 135, bytes(4) + frames.address(V6["gateway"]) + link(1)),
        ("a router solicitation", 133, bytes(4) + link(1)),
    ):
        yield world.frame(
            f"{what} to {far}",
            "arp-target",
            lambda mark: to(bridge, frames.IPV6, frames.icmp(mine, far, kind, 0, fixed + load(mark), hops=255)),
            victims=("far",),
            nft="nd-spoof",
        )
