# SPDX-License-Identifier: GPL-2.0-only
"""An interface with another MAC address: mallory gives its own bob's, or one that nobody has, and speaks as ever"""

from lib.hostile import MAC, NOBODY, V4, V6, Try, knows, say


def attack(world):
    knows(world.mallory, "alice")
    for mac in (MAC["bob"], NOBODY):
        world.mallory.run("ip", "link", "set", "eth0", "address", mac)
        for book in (V4, V6):
            send = lambda mark: world.mallory.call(say, book["alice"], 80, mark)
            yield Try(f"{mac} to {book['alice']}", send, "source-mac")
    world.mallory.run("ip", "link", "set", "eth0", "address", MAC["mallory"])
