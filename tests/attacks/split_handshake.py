# SPDX-License-Identifier: GPL-2.0-only
"""TCP's split handshake: a SYN in answer to a neighbour's SYN, and SYNs to other ports of one who is just connecting"""

import socket

from lib import frames
from lib.hostile import V4, packet

HOLD = """table inet hold {
	chain c { type filter hook input priority 0; tcp dport 7000 drop; }
}"""
NFT = False  # to conntrack the SYN is half of a simultaneous open, as alice's connection: docs/state.md


def begin(operations, address, port, source_port):
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    client.bind(("0.0.0.0", source_port))
    client.setblocking(False)
    client.connect_ex((address, port))
    return operations._keep(client)


def attack(world):
    world.mallory.run("nft", HOLD)
    half = world.alice.call(begin, V4["mallory"], 7000, 7001)
    for what, port in (("to the SYN's port", 7001), ("to another port", 7002), ("to a service", 22)):
        made = lambda mark: frames.tcp(V4["mallory"], V4["alice"], 7000, port, frames.SYN, 0x1234567, payload=mark)
        yield world.frame(f"a SYN {what}", "default", lambda mark: packet("alice", made(mark)))
    world.alice.close(half)
    world.mallory.run("nft", "delete", "table", "inet", "hold")
