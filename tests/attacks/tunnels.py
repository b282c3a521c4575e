# SPDX-License-Identifier: GPL-2.0-only
"""Tunnels to neighbours: IPv4 and IPv6 in IPv4 and in IPv6, GRE, VXLAN, Geneve, ESP; inside, packets in others' names"""

from lib import frames
from lib.hostile import V4, V6, datagram, packet


def attack(world):
    inner = lambda mark: datagram(V4["bob"], V4["alice"], mark)
    inner6 = lambda mark: datagram(V6["bob"], V6["alice"], mark)
    for what, protocol, make in (
        ("IPv4", 4, inner),
        ("IPv6", 41, inner6),
        ("GRE", 47, lambda mark: b"\0\0\x08\0" + inner(mark)),
        ("Ethernet in IP", 97, lambda mark: b"\x30\0" + packet("alice", inner(mark))),
        ("ESP", 50, lambda mark: bytes(8) + inner(mark)),
    ):
        for book in (V4, V6):
            outer = lambda mark: frames.ip(book["mallory"], book["alice"], protocol, make(mark))
            yield world.frame(f"{what} in {book['alice']}", "default", lambda mark: packet("alice", outer(mark)))
    for what, port, head in (("VXLAN", 4789, b"\x08\0\0\0\0\0\x01\0"), ("Geneve", 6081, b"\0\0\x65\x58\0\0\x01\0")):
        for book in (V4, V6):
            payload = lambda mark: head + packet("alice", inner(mark))
            yield world.frame(
                f"{what} to {book['alice']}",
                "default",
                lambda mark: packet("alice", datagram(book["mallory"], book["alice"], payload(mark), (4000, port))),
            )
