# SPDX-License-Identifier: GPL-2.0-only
"""What no rule allows: neighbours on the bridge, other bridges' containers, the outside; TCP, UDP, echo, SCTP, raw IP"""

import struct

from lib import frames
from lib.host import run
from lib.hostile import V4, V6, datagram, to


def attack(world):
    bridge = run("cat", "/sys/class/net/br0/address").strip()
    for book in (V4, V6):
        kind = frames.ip_type(book["mallory"])
        for name in ("bob", "carol", "far"):
            mine, target = book["mallory"], book[name]
            for what, reason, make in (
                ("TCP", "default", lambda mark: frames.tcp(mine, target, 4001, 80, frames.SYN, payload=mark)),
                ("UDP", "default", lambda mark: datagram(mine, target, mark)),
                ("echo", "default", lambda mark: frames.echo_request(mine, target, payload=mark)),
                ("SCTP", "default", lambda mark: frames.ip(mine, target, 132, sctp_init(mark))),
                ("raw IP", "default", lambda mark: frames.ip(mine, target, 253, mark)),
                ("TCP's answer", "tcp-not-syn", lambda mark: frames.tcp(mine, target, 80, 80, frames.SYN | frames.ACK, payload=mark)),
            ):
                yield world.frame(
                    f"{what} to {target}",
                    ("default", reason),
                    lambda mark: to(name if name == "bob" else bridge, kind, make(mark)),
                    victims=(name,),
                    nft=("default", reason, "malformed", "tcp-invalid"),  # as conntrack sees it, checksums too
                )


def sctp_init(mark):
    return struct.pack("!HHII", 4000, 80, 0, 0) + struct.pack("!BBHIIHHI", 1, 0, 20, 1, 65535, 1, 1, 1) + mark
