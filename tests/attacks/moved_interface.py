# SPDX-License-Identifier: GPL-2.0-only
"""An interface moved into another namespace inside, with bob's address there and a veth named like it left in its place"""

from lib.host import wait_until
from lib.hostile import V4, V6, Try, knows, say

ALONE = True


def closed(world):
    counters = world.host.ask("counters")["reasons"] if world.policed else []
    return sum(counter["packets"] for counter in counters if counter["reason"] == "closed")


def attack(world):
    hidden = world.namespace_inside()
    world.mallory.run("ip", "link", "set", "eth0", "netns", str(hidden.pid))
    world.mallory.run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "inner")
    for name in ("bob", "mallory"):
        hidden.run("ip", "addr", "add", f"{V4[name]}/24", "dev", "eth0")
        hidden.run("ip", "addr", "add", f"{V6[name]}/64", "dev", "eth0", "nodad")
    hidden.run("ip", "link", "set", "eth0", "up")
    knows(hidden, "alice")
    for book in (V4, V6):
        for name, reasons in (("bob", ("source-address", "closed")), ("mallory", ("default", "closed"))):
            send = lambda mark: hidden.call(say, book["alice"], 9, mark, book[name])
            before = closed(world)
            # The port is closed, and its program counts what it drops then: it tells of no single packet.
            yield Try(f"from the hidden namespace, as {book[name]}", send, None, nft=reasons)
            if world.policed and not world.host.nft_alone:
                wait_until(lambda: send(b"") or closed(world) > before, 5, "it is counted")
    hidden.run("ip", "addr", "flush", "dev", "eth0")
    world.mallory.run("ip", "link", "del", "eth0")
    hidden.run("ip", "link", "set", "eth0", "netns", str(world.mallory.pid))
    world.plug_mallory()
