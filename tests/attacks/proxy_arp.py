# SPDX-License-Identifier: GPL-2.0-only
"""Proxy ARP: a claim of every address of the subnet, one after the other, as an ARP spoofer floods them"""

from lib import frames
from lib.hostile import MAC, V4, to


def attack(world):
    tail = frames.marker()[-18:]
    claim = lambda last: frames.arp(2, MAC["mallory"], f"10.77.0.{last}", MAC["alice"], V4["alice"]) + tail
    every = [to("alice", frames.ARP, claim(last)) for last in range(1, 255) if last != 2]
    yield world.frame("all addresses", "arp-spoof", lambda mark: every, needle=tail)
