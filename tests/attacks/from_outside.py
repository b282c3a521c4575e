# SPDX-License-Identifier: GPL-2.0-only
"""Somebody outside says what only a link's neighbours may: DHCP answers, an advertisement; and redirects of an open flow"""

import struct

from lib import frames, tap
from lib.host import run
from lib.hostile import MAC, V4, V6, Try, datagram


def attack(world):
    uplink = run("cat", "/sys/class/net/up0/address").strip()
    far = world.far.run("cat", "/sys/class/net/up0/address").strip()

    def says(what, book, reason, make, **more):
        def send(mark):
            message = make(mark)
            kind = frames.IPV6 if book is V6 else frames.IPV4
            world.far.send_frame("up0", frames.eth(uplink, far, kind, message))

        return Try(f"{what} from {book['far']}", send, reason, told=book["far"], **more)

    offer = frames.dhcp(2, MAC["alice"], 5, V4["alice"], V4["far"])
    yield says("a DHCP answer", V4, "default", lambda mark: datagram(V4["far"], V4["alice"], offer + mark, (67, 68)))
    yield says("a DHCPv6 reply", V6, "default", lambda mark: datagram(V6["far"], V6["alice"], b"\x07\x42\x55\x4c" + mark, (547, 546)))
    body = bytes(4) + frames.address(V6["far"]) + struct.pack("!BB", 14, 4)
    advertisement = lambda mark: frames.icmp(V6["far"], V6["alice"], 136, 0, body + mark.ljust(30, b"x"), hops=255)
    yield says("an advertisement", V6, "nd-spoof", advertisement, nft="icmp-unrelated")
    open_one = world.alice.connect(V4["far"], 80, source_port=5010)
    tap.expect(world.alice.exchange(open_one, b"x", 5), "an open connection")
    quoted = frames.tcp(V4["alice"], V4["far"], 5010, 80, frames.ACK, 7, 7)
    for what, kind, reason in (("a redirect", 5, "redirect"), ("source quench", 4, "icmp-unrelated")):
        told = lambda mark: frames.icmp(V4["far"], V4["alice"], kind, 0, frames.address(V4["uplink"]) + quoted + mark)
        yield says(what, V4, reason, told, nft="icmp-unrelated")
    world.alice.close(open_one)
