# SPDX-License-Identifier: GPL-2.0-only
"""A link that is taken down and up again and again while it speaks: no moment is open"""

from lib.host import wait_until
from lib.hostile import V4, Try, datagram, packet

ALONE = True


def attack(world):
    def send(mark):
        spam = world.mallory.spam_start("eth0", packet("bob", datagram(V4["mallory"], V4["bob"], mark, (4000, 9))))
        for number in range(30 if world.policed else 1):
            world.mallory.run("ip", "link", "set", "eth0", "down")
            world.mallory.run("ip", "link", "set", "eth0", "up")
        sent = world.mallory.spam_sent(spam)
        wait_until(lambda: world.mallory.spam_sent(spam) > sent, 5, "it speaks again")
        world.mallory.spam_stop(spam)

    yield Try("a stream for bob", send, ("default", "closed"), victims=("bob",))
    world.plug_mallory()
