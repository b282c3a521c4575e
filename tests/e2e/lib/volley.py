# SPDX-License-Identifier: GPL-2.0-only
"""Many first packets of flows at once, through a real host: sent by raw sockets of all ends, each with a number, and seen
where they arrive. What each function with `_` as its first argument does, it does in the namespace of an agent."""

import os
import select
import socket
import struct
import threading
import time

from . import frames
from .agent import ETH_P_ALL
from .wire import crc32c

MAGIC = b"bulkhead volley "
SCTP = 132
IPV6_HDRINCL_PROTOCOLS = 255  # IPPROTO_RAW: the header is the caller's, in both families
ECHO = {False: 8, True: 128}
GRE = 47
SO_RCVBUFFORCE = 33  # <asm-generic/socket.h>


class Probe:
    """The first packet of a flow from one address to another; `source_end` and `target_end` are whose these are."""

    def __init__(self, number, source_end, source, target_end, target, protocol, port):
        self.number = number
        self.source_end, self.source = source_end, source
        self.target_end, self.target = target_end, target
        self.protocol, self.port = protocol, port

    def service(self):
        """As a policy and `explain` call it."""
        if self.protocol == "ping":
            return "icmpv6/echo-request" if ":" in self.target else "icmp/echo-request"
        return f"{self.protocol}/{self.port}"

    def packet(self):
        """From the IP header on."""
        mark = MAGIC + struct.pack("!I", self.number)
        port = 20000 + self.number % 40000  # above all ports that are asked for: no probe answers another
        if self.protocol == "tcp":
            return frames.tcp(self.source, self.target, port, self.port, 2, sequence=self.number, payload=mark)
        if self.protocol == "udp":
            return frames.udp(self.source, self.target, port, self.port, mark)
        if self.protocol == "ping":
            return frames.echo_request(self.source, self.target, port, 1, mark)
        if self.protocol == "sctp":
            return frames.ip(self.source, self.target, SCTP, init(port, self.port, mark))
        return frames.ip(self.source, self.target, self.port, (b"\0\0\0\0" if self.port == GRE else b"") + mark)

    def __str__(self):
        return f"{self.source_end} {self.source} → {self.target_end} {self.target} {self.service()}"


def init(source_port, port, mark):
    """An INIT with a parameter that receivers skip (RFC 9260, 3.2.1)."""
    parameter = struct.pack("!HH", 0x8003, 4 + len(mark)) + mark
    chunk = struct.pack("!BBHIIHHI", 1, 0, 20 + len(parameter), 1, 65535, 1, 1, 1) + parameter
    head = struct.pack("!HHI", source_port, port, 0)
    return head + crc32c(head + b"\0\0\0\0" + chunk) + chunk


# ---- sending


def fire(_, packets, arps, cpu):
    """Sends (target, packet) one after the other. Then asks each of `arps` (interface, own MAC, own address, asked) and waits
    for its answer: what was sent before has passed by then, as all of it waits in one processor's queue."""
    os.sched_setaffinity(0, {cpu})
    sockets = {
        family: socket.socket(family, socket.SOCK_RAW, IPV6_HDRINCL_PROTOCOLS) for family in (socket.AF_INET, socket.AF_INET6)
    }
    failed = []
    for target, packet in packets:
        family = socket.AF_INET6 if ":" in target else socket.AF_INET
        try:
            sockets[family].sendto(packet, (target, 0))
        except PermissionError:
            pass  # how nftables says that it has dropped what the host itself sends
        except OSError as error:
            failed.append(f"{target}: {error}")
    for each in sockets.values():
        each.close()
    return failed + [words for words in (ask_neighbour(*arp) for arp in arps) if words]


def ask_neighbour(interface, own_mac, own, asked):
    """None, or what is wrong."""
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
    try:
        raw.bind((interface, 0))
        raw.settimeout(0.5)
        wanted = frames.address(asked)
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline:
            raw.send(frames.eth("ff:ff:ff:ff:ff:ff", own_mac, 0x0806, frames.arp(1, own_mac, own, "00:00:00:00:00:00", asked)))
            try:
                while True:
                    frame, meta = raw.recvfrom(2048)
                    if meta[2] != socket.PACKET_OUTGOING and frame[20:22] == b"\0\2" and frame[28:32] == wanted:
                        return None
            except TimeoutError:
                continue
        return f"{asked} did not answer {own} on {interface}"
    finally:
        raw.close()


# ---- arriving


def watch(operations, interface, protocols):
    """Notes the numbers of what arrives: on an interface, or (None) at the host's own sockets, behind its door."""
    if interface:
        sockets = [socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))]
        sockets[0].bind((interface, 0))
    else:
        sockets = [socket.socket(family, socket.SOCK_RAW, number) for family, number in protocols]
    state = {"seen": {}, "changed": threading.Condition(), "sockets": sockets, "stop": False}
    for each in sockets:
        each.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
        each.setblocking(False)
    threading.Thread(target=_watch, args=(state,), daemon=True).start()
    return operations._keep(state)


def _watch(state):
    while True:
        ready, _, _ = select.select(state["sockets"], [], [])
        for each in ready:
            _drain(each, state)


def _drain(each, state):
    while True:
        try:
            data, meta = each.recvfrom(4096)
        except OSError:
            return
        at = data.find(MAGIC)
        outgoing = each.family == socket.AF_PACKET and meta[2] == socket.PACKET_OUTGOING
        if at < 0 or outgoing or len(data) < at + len(MAGIC) + 4:
            continue
        (number,) = struct.unpack("!I", data[at + len(MAGIC) : at + len(MAGIC) + 4])
        with state["changed"]:
            state["seen"][number] = state["seen"].get(number, 0) + 1
            state["changed"].notify_all()


def seen(operations, handle, wanted, timeout):
    """All numbers that have arrived, once the wanted ones are among them or the time is over."""
    state = operations.kept[handle]
    with state["changed"]:
        state["changed"].wait_for(lambda: wanted <= set(state["seen"]), timeout)
        return set(state["seen"])


# ---- all of a host's ends


class Range:
    """A host's ends: a name each, its agent, and what arrives there."""

    def __init__(self, host, outside=()):
        self.host = host
        self.ends = {**{name: container.agent for name, container in host.containers.items()}, "host": host.agent}
        self.outside = set(outside)
        self.cpu = min(os.sched_getaffinity(0))
        self._neighbours()
        v4 = [(socket.AF_INET, number) for number in (1, 4, 6, 17, 47, 132, 253)]
        v6 = [(socket.AF_INET6, number) for number in (58, 4, 6, 17, 47, 132, 253)]
        self.watches = {
            name: agent.call(watch, None if name == "host" else host.containers[name].interfaces[0][1], v4 + v6)
            for name, agent in self.ends.items()
        }

    def _neighbours(self):
        """Nobody asks for a neighbour: that is another matter than the flow, and waits."""
        macs = {name: container.mac() for name, container in self.host.containers.items()}
        bridges = {name: self._mac(name) for name in self.host.bridges}
        self.arps = {name: [] for name in self.ends}
        for name, container in self.host.containers.items():
            side, inside = container.interfaces[0]
            bridge = None if name in self.outside else self._bridge_of(side)
            near, gateway = bridge or side, bridges.get(bridge) or self._mac(side)
            for address in container.addresses:
                self._know(self.host.agent, near, address, macs[name])
            for address in self.host.bridges.get(bridge, ()) or self._addresses(side):
                self._know(container, inside, address.split("/")[0], gateway)
                own = next((a for a in container.addresses if ":" not in a), None)
                if ":" not in address and own:
                    self.arps[name].append((inside, macs[name], own, address.split("/")[0]))
            for other, peer in self.host.containers.items():
                if bridge and other not in self.outside and other != name and self._bridge_of(peer.interfaces[0][0]) == bridge:
                    for address in peer.addresses:
                        self._know(container, inside, address, macs[other])

    def _know(self, agent, interface, address, mac):
        agent.run("ip", "neigh", "replace", address, "lladdr", mac, "dev", interface, "nud", "permanent")

    def _link(self, name):
        import json

        return json.loads(self.host.agent.run("ip", "-j", "addr", "show", "dev", name))[0]

    def _mac(self, name):
        return self._link(name)["address"]

    def _bridge_of(self, name):
        return self._link(name).get("master")

    def _addresses(self, name):
        return [each["local"] for each in self._link(name)["addr_info"] if not each["local"].startswith("fe80:")]

    def volley(self, probes, passes, timeout=20.0):
        """Sends all; returns (those that went wrong, a list of words). `passes`: the numbers that are to arrive. What has
        arrived elsewhere than where it was sent to is wrong, too (but at its sender: answers quote it)."""
        by_end = {}
        for probe in probes:
            by_end.setdefault(probe.source_end, []).append((probe.target, probe.packet()))
        wrong = [words for name, packets in by_end.items()
                 for words in self.ends[name].call(fire, packets, self.arps[name], self.cpu)]  # fmt: skip
        numbers = {probe.number: probe for probe in probes}
        differ = []
        end = time.monotonic() + timeout
        for name, agent in self.ends.items():
            wanted = {number for number, probe in numbers.items() if probe.target_end == name and number in passes}
            arrived = agent.call(seen, self.watches[name], wanted, max(0.0, end - time.monotonic())) & set(numbers)
            for number in sorted(arrived ^ wanted):
                probe = numbers[number]
                if probe.source_end != name:
                    where = "" if probe.target_end == name else f" at {name}"
                    differ.append((probe, f"{probe}: {'arrived' + where if number in arrived else 'did not arrive'}"))
        return differ, wrong
