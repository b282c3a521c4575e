# SPDX-License-Identifier: GPL-2.0-only
"""To many at once: broadcast, a subnet's broadcast on this bridge and on others, multicast of both families"""

from lib import frames
from lib.host import run
from lib.hostile import V4, V6, datagram, to


def attack(world):
    for target, mac in (
        ("255.255.255.255", frames.BROADCAST),
        ("10.77.0.255", frames.BROADCAST),
        ("224.0.0.251", frames.group_mac("224.0.0.251")),
        ("239.1.2.3", frames.group_mac("239.1.2.3")),
        ("ff02::fb", frames.group_mac("ff02::fb")),
        ("ff05::1:3", frames.group_mac("ff05::1:3")),
        (V4["alice"], frames.BROADCAST),
        (V6["alice"], frames.group_mac("ff02::1")),
    ):
        mine = (V6 if ":" in target else V4)["mallory"]
        kind = frames.ip_type(target)
        yield world.frame(
            f"{target} to {mac}",
            ("default", "host-door"),
            lambda mark: to(mac, kind, datagram(mine, target, mark, (5353, 5353))),
            victims=("alice", "bob"),
        )
    bridge = run("cat", "/sys/class/net/br0/address").strip()
    yield world.frame(
        "another bridge's broadcast",
        ("default", "host-door"),
        lambda mark: to(bridge, frames.IPV4, datagram(V4["mallory"], "10.78.0.255", mark, (5353, 5353))),
        control=False,
    )
