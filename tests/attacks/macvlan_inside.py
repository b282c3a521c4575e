# SPDX-License-Identifier: GPL-2.0-only
"""A macvlan on the container's interface, given to a second namespace: another MAC address by the same port"""

from lib.hostile import V4, V6, Try, knows, make_or_skip, say

ALONE = True


def attack(world):
    second = world.namespace_inside()
    make_or_skip(world.mallory, "ip", "link", "add", "link", "eth0", "name", "twin", "type", "macvlan", "mode", "bridge")
    world.mallory.run("ip", "link", "set", "twin", "netns", str(second.pid), "name", "eth0")
    second.run("ip", "addr", "add", "10.77.0.66/24", "dev", "eth0")
    second.run("ip", "addr", "add", "fd77::66/64", "dev", "eth0", "nodad")
    second.run("ip", "link", "set", "eth0", "up")
    knows(second, "alice")
    for book in (V4, V6):
        yield Try(f"to {book['alice']}", lambda mark: second.call(say, book["alice"], 80, mark), "source-mac")
