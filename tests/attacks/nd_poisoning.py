# SPDX-License-Identifier: GPL-2.0-only
"""Poisoned neighbour discovery: advertisements and solicitations with bob's and the gateway's addresses, or bob's MAC"""

from lib import frames
from lib.hostile import MAC, V6, packet


def attack(world):
    mine, mac, alice = V6["mallory"], MAC["mallory"], V6["alice"]
    for what, message in (
        ("an advertisement of bob", frames.neighbour_advertisement(mine, alice, V6["bob"], mac)),
        ("an advertisement of the gateway", frames.neighbour_advertisement(mine, alice, V6["gateway"], mac)),
        ("an advertisement with bob's MAC", frames.neighbour_advertisement(mine, alice, mine, MAC["bob"])),
        ("a solicitation in bob's name", frames.neighbour_solicitation(V6["bob"], alice, alice, mac)),
    ):
        yield world.frame(what, "nd-spoof", lambda mark: packet("alice", message), needle=message[40:])
