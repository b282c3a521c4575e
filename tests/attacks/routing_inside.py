# SPDX-License-Identifier: GPL-2.0-only
"""A container that forwards for a second namespace behind it: packets with mallory's MAC and somebody else's address"""

import pathlib

from lib.hostile import V4, V6, Try, knows, say

ALONE = True


def attack(world):
    second = world.namespace_inside()
    inside = world.mallory.run
    inside("ip", "link", "add", "behind", "type", "veth", "peer", "name", "eth0", "netns", str(second.pid))
    for container, interface, last in ((world.mallory, "behind", 1), (second, "eth0", 2)):
        container.run("ip", "addr", "add", f"10.99.0.{last}/24", "dev", interface)
        container.run("ip", "addr", "add", f"fd99::{last}/64", "dev", interface, "nodad")
        container.run("ip", "link", "set", interface, "up")
    second.run("ip", "route", "add", "default", "via", "10.99.0.1")
    second.run("ip", "-6", "route", "add", "default", "via", "fd99::1")
    world.mallory.call(forward)
    knows(world.mallory, "alice")
    for book in (V4, V6):
        yield Try(f"to {book['alice']}", lambda mark: second.call(say, book["alice"], 80, mark), "source-address")
    world.mallory.run("ip", "link", "del", "behind")


def forward(operations):
    for knob in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
        pathlib.Path("/proc/sys/net", knob).write_text("1")
