# SPDX-License-Identifier: GPL-2.0-only
"""The host by all its addresses: the gateway, other bridges' gateways, the uplink's, the metadata address, link-local, loopback"""

import pathlib

from lib import frames
from lib.host import run
from lib.hostile import HOST_PORT, MAC, V4, V6, datagram, to


def attack(world):
    bridge = run("cat", "/sys/class/net/br0/address").strip()
    local = next(w for w in run("ip", "-6", "addr", "show", "dev", "br0", "scope", "link").split() if w.startswith("fe80")).split("/")[0]
    frame = lambda target, mark: to(bridge, frames.ip_type(target), datagram(source_for(target), target, mark, (4000, HOST_PORT)))
    hosts = [book[name] for book in (V4, V6) for name in ("gateway", "other-gateway", "uplink", "metadata") if name in book]
    for target in (*hosts, local):
        yield world.frame(f"to {target}", "host-door", lambda mark: frame(target, mark), victims=("host",))
    for knob in ("0", "1"):
        for name in ("all", "br0"):
            pathlib.Path(f"/proc/sys/net/ipv4/conf/{name}/route_localnet").write_text(knob)
        yield world.frame(
            f"to 127.0.0.1, route_localnet {knob}",
            ("martian", "host-door"),
            lambda mark: frame("127.0.0.1", mark),
            victims=("host",),
            control=knob == "1",
        )


def source_for(target):
    if target.startswith("fe80"):
        return frames.link_local(MAC["mallory"])
    return (V6 if ":" in target else V4)["mallory"]
