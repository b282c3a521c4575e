# SPDX-License-Identifier: GPL-2.0-only
"""A flood of denied packets, to hide others' denials: these are still reported, and the flood is told of as such"""

from lib.hostile import V4, Try, datagram, packet

ALONE = True
CONTROL = False


def attack(world):
    spam = world.mallory.spam_start("eth0", packet("bob", datagram(V4["mallory"], V4["bob"], b"flood", (4000, 9))))
    yield Try("the flood itself", lambda mark: None, "default")
    forged = lambda mark: packet("bob", datagram(V4["carol"], V4["bob"], mark))
    yield world.frame("mallory's other attack", "source-address", forged)
    by_alice = lambda mark: world.alice.send_frame("eth0", packet("bob", datagram(V4["mallory"], V4["bob"], mark)))
    yield Try("alice's forgery meanwhile", by_alice, ("source-address", "source-mac"), told="alice")
    world.mallory.spam_stop(spam)
