# SPDX-License-Identifier: GPL-2.0-only
"""Packet marks and priorities that look like the gates' own stamps: of bob, of the host, of all bits"""

from lib.hostile import V4, V6, Try, datagram, packet, say


def attack(world):
    stamps = [number << shift for shift in (0, 16, 20, 24) for number in (1, 2, 3, 4)] + [0xFFFFFFFF, 0x00040000, 0x80000000]

    def by_sockets(target):
        def send(mark):
            for stamp in stamps:
                signed = stamp - (1 << 32) if stamp >> 31 else stamp
                world.mallory.call(say, target, 9, mark, None, signed, signed & 0x7FFFFFFF)

        return send

    def by_frames(mark):
        for stamp in stamps:
            made = packet("bob", datagram(V4["mallory"], V4["bob"], mark, (4000, 9)))
            world.mallory.send_frame_marked("eth0", made, stamp)

    for name in ("bob", "carol", "far"):
        for book in (V4, V6):
            yield Try(f"marked, to {book[name]}", by_sockets(book[name]), "default", victims=(name,))
    yield Try("frames, to bob", by_frames, "default", victims=("bob",))
