# SPDX-License-Identifier: GPL-2.0-only
"""A flood of new flows, to fill the table: others' open flows live on, their new ones are opened"""

from lib import tap
from lib.hostile import V4, Try, datagram, packet

ALONE = True
CONTROL = False
OPTIONS = ("--flows", "512")


def attack(world):
    kept = [(c, c.connect(V4["alice"], 80, protocol=p)) for c in (world.bob, world.carol) for p in ("tcp", "udp")]
    tap.expect(all(c.exchange(flow, b"x", 5) for c, flow in kept), "open before the flood")

    def send(mark):
        for port in range(10000, 13000):
            world.mallory.send_frame("eth0", packet("alice", datagram(V4["mallory"], V4["alice"], b"flood", (port, 80))))

    yield Try("3000 flows", send, ("flows-full", "half-open-full"))
    tap.expect(all(c.exchange(flow, b"x", 5) for c, flow in kept), "others' flows live on")
    for number in range(20):
        tap.expect(world.bob.reach("udp", V4["alice"], 80, 3), f"a new flow of bob's, {number}")
        tap.expect(world.alice.reach("tcp", V4["far"], 80, 3), f"a new flow of alice's, {number}")
    world.mallory_is_heard = False
