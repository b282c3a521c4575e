# SPDX-License-Identifier: GPL-2.0-only
"""A cloud's metadata service behind the host: its link-local address, routed by the host to the outside"""

from lib import frames
from lib.host import run
from lib.hostile import V4, datagram, to

ALONE = True


def attack(world):
    target = "169.254.169.253"
    world.far.run("ip", "addr", "add", f"{target}/32", "dev", "up0")
    run("ip", "route", "add", target, "via", V4["far"])
    bridge = run("cat", "/sys/class/net/br0/address").strip()
    for port in (80, 53):
        made = lambda mark: datagram(V4["mallory"], target, mark, (4000, port))
        yield world.frame(f"port {port}", "default", lambda mark: to(bridge, frames.IPV4, made(mark)), victims=("far",))
