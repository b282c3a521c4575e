# SPDX-License-Identifier: GPL-2.0-only
"""More addresses on an interface: bob's, carol's, the gateway's and an outside one, in place of mallory's and beside it"""

from lib import tap
from lib.hostile import V4, V6, Try, knows, say


def attack(world):
    knows(world.mallory, "alice")
    known = world.host.ask("ports") if world.policed else None
    for book in (V4, V6):
        for name in ("bob", "carol", "gateway", "far"):
            added = f"{book[name]}/{128 if ':' in book[name] else 32}"
            world.mallory.run("ip", "addr", "add", added, "dev", "eth0", *(["nodad"] if ":" in added else []))
            send = lambda mark: world.mallory.call(say, book["alice"], 80, mark, book[name])
            yield Try(f"as {book[name]}", send, "source-address")
            world.mallory.run("ip", "addr", "del", added, "dev", "eth0")
    if world.policed:
        addresses = lambda ports: {port["interface"]: port["addresses"] for port in ports}
        tap.equal(addresses(world.host.ask("ports")), addresses(known), "addresses stay as they were at adoption")
