# SPDX-License-Identifier: GPL-2.0-only
"""A flood of random MAC addresses, to overflow the bridge's table and have others' frames flooded to all ports"""

import json
import os

from lib import frames, tap
from lib.host import run
from lib.hostile import V4, datagram, to


def attack(world):
    def random_macs(mark):
        made = datagram(V4["mallory"], V4["alice"], mark)
        return [to("alice", frames.IPV4, made, f"02:{os.urandom(5).hex(':')}") for _ in range(500)]

    yield world.frame("500 addresses", "source-mac", random_macs)
    if world.policed:
        known = json.loads(run("bridge", "-j", "fdb", "show", "br", "br0"))
        tap.expect(len(known) < 60, f"the bridge has learnt nothing of it: {len(known)} entries")
