# SPDX-License-Identifier: GPL-2.0-only
"""A bridge inside the container, and behind it a second namespace with a MAC and addresses of its own"""

from lib.hostile import V4, V6, Try, knows, say

ALONE = True
SECOND = {"4": "10.77.0.66", "6": "fd77::66"}


def attack(world):
    second = world.namespace_inside()
    inside = world.mallory.run
    inside("ip", "link", "add", "inner", "type", "bridge", "forward_delay", "0")
    inside("ip", "link", "add", "behind", "type", "veth", "peer", "name", "eth0", "netns", str(second.pid))
    for name in ("eth0", "behind"):
        inside("ip", "link", "set", name, "master", "inner")
    for name in ("inner", "behind"):
        inside("ip", "link", "set", name, "up")
    second.run("ip", "addr", "add", f"{SECOND['4']}/24", "dev", "eth0")
    second.run("ip", "addr", "add", f"{SECOND['6']}/64", "dev", "eth0", "nodad")
    second.run("ip", "link", "set", "eth0", "up")
    knows(second, "alice")
    for book in (V4, V6):
        yield Try(f"to {book['alice']}", lambda mark: second.call(say, book["alice"], 80, mark), "source-mac")
    second.run("ip", "addr", "add", f"{V4['bob']}/24", "dev", "eth0")
    yield Try("in bob's name", lambda mark: second.call(say, V4["alice"], 80, mark, V4["bob"]), "source-mac")
    inside("ip", "link", "del", "inner")
