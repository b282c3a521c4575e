# SPDX-License-Identifier: GPL-2.0-only
"""An interface renamed inside the container, to bob's host-side name, the bridge's, and others: it stays the same port"""

from lib.hostile import V4, V6, Try, knows, say

ALONE = True


def attack(world):
    before = "eth0"
    for name in ("vbob0", "br0", "up0", "lo0"):
        world.mallory.run("ip", "link", "set", before, "name", name)
        before = name
        for book in (V4, V6):
            knows(world.mallory, "bob", name)
            yield Try(f"as {name}, to {book['bob']}", lambda mark: world.mallory.call(say, book["bob"], 9, mark), "default", ("bob",))
    world.mallory.run("ip", "link", "set", before, "name", "eth0")
