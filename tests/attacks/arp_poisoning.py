# SPDX-License-Identifier: GPL-2.0-only
"""ARP poisoning: answers, requests and announcements that give mallory's MAC for bob's and for the gateway's address"""

from lib import frames
from lib.hostile import MAC, V4, to


def attack(world):
    mine, nobody = MAC["mallory"], "00:00:00:00:00:00"
    for what, operation, mac, sender, target in (
        ("an answer for bob", 2, mine, "bob", "alice"),
        ("an announcement of the gateway", 1, mine, "gateway", "gateway"),
        ("a request in bob's name", 1, mine, "bob", "alice"),
        ("an answer with bob's MAC inside", 2, MAC["bob"], "mallory", "alice"),
    ):
        # A marker stands in the padding that the least frame has room for.
        tail = frames.marker()[-18:]
        message = frames.arp(operation, mac, V4[sender], nobody if operation == 1 else MAC["alice"], V4[target]) + tail
        yield world.frame(what, "arp-spoof", lambda mark: to("alice", frames.ARP, message), needle=tail)
