# SPDX-License-Identifier: GPL-2.0-only
"""A flood of first fragments without the rest, to fill the table of datagrams under way: others' fragments still pass"""

from lib import frames, tap
from lib.hostile import V4, Try, packet

ALONE = True
CONTROL = False


def whole(operations, address, size):
    """One datagram in many parts, there and back."""
    handle = operations.connect(address, 80, protocol="udp")
    try:
        operations.kept[handle].settimeout(3)
        operations.kept[handle].send(b"x" * size)
        return len(operations.kept[handle].recv(65535)) == size
    except OSError:
        return False
    finally:
        operations.close(handle)


def attack(world):
    segment = frames.udp_segment(V4["mallory"], V4["alice"], 4000, 80, bytes(64))

    def send(mark):
        part = lambda number, data, place: frames.ipv4(V4["mallory"], V4["alice"], 17, data, identifier=number, fragment=place)
        for number in range(2000):
            world.mallory.send_frame("eth0", packet("alice", part(number, segment[:32], 0x2000)))
        # There is no room for them all: somewhere a rest has lost its beginning.
        for number in range(2000):
            world.mallory.send_frame("eth0", packet("alice", part(number, segment[32:], 4)))

    # The kernel puts parts together before nftables sees them, and tells nobody what it drops.
    yield Try("2000 datagrams", send, "fragment", nft=None)
    for source, target in (("bob", "alice"), ("alice", "bob"), ("carol", "alice"), ("alice", "far")):
        got = world.host.containers[source].call(whole, V4[target], 5000)
        tap.expect(got, f"{source} sends {target} a datagram in parts")
