# SPDX-License-Identifier: GPL-2.0-only
"""A VLAN interface made inside the container, with mallory's own address on it"""

from lib.hostile import V4, Try, knows, make_or_skip, say


def attack(world):
    make_or_skip(world.mallory, "ip", "link", "add", "link", "eth0", "name", "tagged", "type", "vlan", "id", "5")
    world.mallory.run("ip", "link", "set", "tagged", "up")
    world.mallory.run("ip", "route", "add", V4["alice"], "dev", "tagged", "src", V4["mallory"])
    knows(world.mallory, "alice", "tagged")
    yield Try("by the tagged interface", lambda mark: world.mallory.call(say, V4["alice"], 80, mark), "vlan")
    world.mallory.run("ip", "link", "del", "tagged")
