# SPDX-License-Identifier: GPL-2.0-only
"""A MACsec interface made inside the container: what it carries nobody could judge"""

from lib.hostile import V4, Try, knows, make_or_skip, say


def attack(world):
    make_or_skip(world.mallory, "ip", "link", "add", "link", "eth0", "sealed", "type", "macsec", "encrypt", "off")
    world.mallory.run("ip", "link", "set", "sealed", "up")
    world.mallory.run("ip", "route", "add", V4["alice"], "dev", "sealed", "src", V4["mallory"])
    knows(world.mallory, "alice", "sealed")
    yield Try("by the sealed interface", lambda mark: world.mallory.call(say, V4["alice"], 80, mark), "ethertype")
    world.mallory.run("ip", "link", "del", "sealed")
