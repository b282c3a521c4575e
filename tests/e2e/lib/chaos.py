# SPDX-License-Identifier: GPL-2.0-only
"""Traffic to disturb: flows that must not pass, sent without a pause and counted where they would arrive, and flows that
must pass, numbered so that each loss is seen.

    scene(host); host.start(); host.wait_open()
    traffic = Traffic(host)
    ...whatever happens...
    traffic.finish("after it")          # fails if one packet leaked, or one that is allowed was lost

`finish(when, lossy="why")` takes losses and tells their number. `control(host)` shows that the harness sees leaks."""

import json
import os
import select
import socket
import struct
import subprocess
import threading
import time

from . import frames, tap
from .agent import checksum
from .host import BUILD, run, wait_until

POLICY = """
version: 1
settings: { ignore: [ "up*" ] }
zones:
  shop:
    between_groups: deny
    groups:
      front: { members: { label: "tier=front" } }
      db: { members: { label: "tier=db" } }
  other: { members: { label: "tier=other" } }
  back: { members: { label: "tier=back" } }
rules:
  - { from: shop/front, to: [ shop/db, back ], allow: [ tcp/5432, udp/5432, ping ] }
  - { from: shop/front, to: [ host, world ], allow: [ tcp/5432, udp/5432, ping ] }
  - { from: world, to: shop/front, allow: udp/8080 }
"""
RATE = int(os.environ.get("STORM_RATE", "4000"))  # denied frames a second
INTERVAL = 0.004  # seconds between two of each allowed stream
PATIENCE = 60.0
MARK = b"BHSTORM!"
OUTSIDE = ("8.8.4.4", "2606:4700::9")
HOST = ("10.77.0.1", "fd77::1")
WEB, DB, MALLORY, CACHE = (("10.77.0.2", "fd77::2"), ("10.77.0.3", "fd77::3"), ("10.77.0.4", "fd77::4"), ("10.78.0.2", "fd78::2"))
FULL = os.environ.get("CHAOS") == "full"


def times(few, many):
    """How often: in the checks, and with CHAOS=full."""
    return many if FULL else few


def scene(host):
    """web may reach db (same bridge), cache (another bridge), the host and the outside; mallory may reach nobody."""
    host.bridge("br0", "10.77.0.1/24", "fd77::1/64")
    host.bridge("br1", "10.78.0.1/24", "fd78::1/64")
    host.container("web", "br0", ["10.77.0.2/24", "fd77::2/64"], labels={"tier": "front"})
    host.container("db", "br0", ["10.77.0.3/24", "fd77::3/64"], labels={"tier": "db"})
    host.container("mallory", "br0", ["10.77.0.4/24", "fd77::4/64"], labels={"tier": "other"})
    host.container("cache", "br1", ["10.78.0.2/24", "fd78::2/64"], labels={"tier": "back"})
    host.outside("far", "up0", "8.8.4.1/24", ["8.8.4.4/24", "2606:4700::9/64"], "2606:4700::1/64")
    for agent in (host.agent, *(host.containers[name] for name in ("db", "cache", "far", "web"))):
        agent.call(echo_start, 8080 if agent is host.containers["web"] else 5432)
    host.policy(POLICY)


def wait_whole(host, when):
    """Until the daemon finds nothing amiss; what it finds, if that does not come."""
    try:
        wait_until(lambda: host.ask("status")["health"] == "ok", PATIENCE, "")
    except TimeoutError:
        status = host.ask("status")
        raise AssertionError(f"{when}: not whole: {status['health']}, {status.get('problems')}, {status['gate']}") from None


# ---- what must not pass


def mac_of(interface):
    return json.loads(run("ip", "-j", "link", "show", interface))[0]["address"]


def _payloads(source, target, payload, port):
    """The same flow by TCP, UDP and ICMP."""
    yield "tcp", frames.tcp(source, target, 40000, port, frames.SYN, 1, payload=payload)
    yield "udp", frames.udp(source, target, 40000, port, payload)
    yield "icmp", frames.echo_request(source, target, 9, 9, payload)


class Denied:
    """Frames of every kind that the policy or a guard denies. Where each would arrive is part of it."""

    def __init__(self, host, rate=RATE, fill=True):
        self.host = host
        self.flows = {}  # number: (words, place where it would arrive)
        names = ("web", "db", "mallory", "cache", "far")
        words = [str(BUILD / "tests/tools/storm"), str(rate), *(f"{name}=/run/netns/{name}" for name in names)]
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        tap.equal(self.process.stdout.readline(), "ready\n", "the storm's first word")
        self.macs = {name: host.containers[name].mac() for name in names}
        if fill:
            self._all()
        self.process.stdin.flush()

    def _add(self, words, place, to, target_mac, ethertype, packet, source_mac=None):
        interface = self.host.containers[place].interfaces[0][1]
        frame = frames.eth(target_mac, source_mac or self.macs[place], ethertype, packet)
        self.flows[len(self.flows)] = (words, to)
        self.process.stdin.write(f"frame {place} {interface} {frame.hex()}\n")

    def _mark(self):
        return MARK + struct.pack("!H", len(self.flows))

    def _flow(self, place, to, sources, targets, target_mac, port=5432, words="", kinds=("tcp", "udp", "icmp"), **kwargs):
        for source, target in zip(sources, targets):
            for index, kind in enumerate(("tcp", "udp", "icmp")):
                if kind not in kinds:
                    continue
                packet = list(_payloads(source, target, self._mark(), port))[index][1]
                name = f"{words or place} to {to} by {kind}, {target}"
                self._add(name, place, to, target_mac, frames.ip_type(source), packet, **kwargs)

    def _all(self):
        bridges = {name: mac_of(name) for name in ("br0", "br1", "up0")}
        web, db = self.macs["web"], self.macs["db"]
        other_port = {"port": 5433, "kinds": ("tcp", "udp")}
        self._flow("mallory", "db", MALLORY, DB, db)
        self._flow("mallory", "web", MALLORY, WEB, web, port=8080)
        self._flow("web", "db", WEB, DB, db, **other_port)
        self._flow("db", "web", DB, WEB, web, **other_port)
        self._flow("db", "mallory", DB, MALLORY, self.macs["mallory"])
        self._flow("mallory", "cache", MALLORY, CACHE, bridges["br0"])
        self._flow("cache", "db", CACHE, DB, bridges["br1"])
        self._flow("mallory", "host", MALLORY, HOST, bridges["br0"])
        self._flow("web", "host", WEB, HOST, bridges["br0"], **other_port)
        self._flow("cache", "host", CACHE, HOST, bridges["br1"])
        self._flow("mallory", "far", MALLORY, OUTSIDE, bridges["br0"])
        self._flow("far", "db", OUTSIDE, DB, bridges["up0"])
        self._flow("far", "mallory", OUTSIDE, MALLORY, bridges["up0"])
        self._flow("far", "web", OUTSIDE, WEB, bridges["up0"], **other_port)
        self._flow("mallory", "db", WEB, DB, db, words="mallory with web's address")
        self._flow("mallory", "db", WEB, DB, db, words="mallory with web's addresses", source_mac=web)
        # A short frame's padding goes with it: the mark stands behind the message.
        arp = frames.arp(2, self.macs["mallory"], WEB[0], db, DB[0])
        self._add("mallory claims web's address", "mallory", "db", db, frames.ARP, arp + self._mark())

    def look(self):
        """(sent, {words of a flow that arrived: how often})"""
        self.process.stdin.write("count\n")
        self.process.stdin.flush()
        words = self.process.stdout.readline().split()
        tap.equal(words[2:4], ["drops", "0"], "frames that the receiver had no room for")
        arrived = {}
        for word in words[4:]:
            where, count = word.split("=")
            place, number = where.split("/")
            what, to = self.flows.get(int(number), ("?", place))
            if to == place:
                arrived[what] = arrived.get(what, 0) + int(count)
        return int(words[1]), arrived

    def stop(self):
        self.process.kill()  # containers that came later hold the other end of its orders, too
        self.process.wait(30)


# ---- what must pass: run in the containers


def _server(kind, port):
    server = socket.socket(socket.AF_INET6, kind)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.setsockopt(socket.SOL_SOCKET, getattr(socket, "SO_RCVBUFFORCE", 33), 8 << 20)
    server.bind(("::", port))
    return server


def echo_start(operations, port):
    """UDP and TCP, with room for all that comes while the machine is busy."""
    datagrams, streams = _server(socket.SOCK_DGRAM, port), _server(socket.SOCK_STREAM, port)
    streams.listen(64)
    threading.Thread(target=operations._serve_datagrams, args=(datagrams,), daemon=True).start()
    threading.Thread(target=operations._serve_streams, args=(streams,), daemon=True).start()


def hold_port(operations, port):
    operations._keep(_server(socket.SOCK_DGRAM, port))


class _Datagrams:
    """A numbered stream to an echo server, by UDP, or of echo requests."""

    def __init__(self, address, port):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.ping, self.v6 = port is None, ":" in address
        kind, protocol = socket.SOCK_DGRAM, 0
        if self.ping:
            kind, protocol = socket.SOCK_RAW, socket.IPPROTO_ICMPV6 if self.v6 else socket.IPPROTO_ICMP
        self.socket = socket.socket(family, kind, protocol)
        self.socket.setsockopt(socket.SOL_SOCKET, getattr(socket, "SO_RCVBUFFORCE", 33), 8 << 20)
        self.socket.connect((address, port or 0))
        self.socket.setblocking(False)
        self.sent, self.unsent, self.back = 0, 0, set()

    def send(self):
        data = b"bulkhead" + struct.pack("!Q", self.sent)
        if self.ping:
            head = struct.pack("!BBHHH", 128 if self.v6 else 8, 0, 0, 0x4242, self.sent & 0xFFFF)
            data = head[:2] + struct.pack("!H", 0 if self.v6 else checksum(head + data)) + head[4:] + data
        try:
            self.socket.send(data)
            self.sent += 1
        except OSError:
            self.unsent += 1

    def receive(self):
        try:
            while True:
                data = self.socket.recv(2048)
                if self.ping:
                    data = data if self.v6 else data[(data[0] & 15) * 4 :]
                    if data[0] != (129 if self.v6 else 0):
                        continue
                at = data.find(b"bulkhead")
                if at >= 0:
                    self.back.add(struct.unpack_from("!Q", data, at + 8)[0])
        except OSError:
            pass


class _Transfer:
    """TCP, both ways."""

    def __init__(self, address, port):
        self.socket = socket.create_connection((address, port), 10)
        self.socket.settimeout(PATIENCE)
        self.bytes, self.problem, self.stop = 0, "", False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        chunk = os.urandom(16384)
        try:
            while not self.stop:
                self.socket.sendall(chunk)
                got = b""
                while len(got) < len(chunk):
                    part = self.socket.recv(len(chunk) - len(got))
                    if not part:
                        raise OSError("closed by the other end")
                    got += part
                if got != chunk:
                    raise OSError("other bytes came back")
                self.bytes += len(chunk)
                time.sleep(INTERVAL)
        except OSError as error:
            self.problem = str(error)

    def sent_again(self):
        """tcpi_total_retrans of struct tcp_info"""
        return struct.unpack_from("=I", self.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104), 100)[0]


def streams_start(operations, targets, transfers):
    state = {
        "streams": [_Datagrams(address, port) for address, port in targets],
        "transfers": [_Transfer(address, port) for address, port in transfers],
        "stop": False,
    }

    def send():
        while not state["stop"]:
            for stream in state["streams"]:
                stream.send()
            time.sleep(INTERVAL)

    def receive():
        by_socket = {stream.socket: stream for stream in state["streams"]}
        while not state.get("done"):
            for ready in select.select(list(by_socket), [], [], 0.1)[0]:
                by_socket[ready].receive()

    state["threads"] = [threading.Thread(target=send, daemon=True), threading.Thread(target=receive, daemon=True)]
    for thread in state["threads"]:
        thread.start()
    return operations._keep(state)


def _numbers(state):
    streams = [(stream.sent, len(stream.back), stream.unsent) for stream in state["streams"]]
    return streams, [(transfer.bytes, transfer.problem, transfer.sent_again()) for transfer in state["transfers"]]


def streams_look(operations, handle):
    """([(sent, came back, could not be sent)], [(bytes of TCP, problem, segments sent again)])"""
    return _numbers(operations.kept[handle])


def streams_stop(operations, handle, settle):
    """The same, at the end. What is under way has `settle` seconds to come back; TCP goes on that long if it must."""
    state = operations.kept.pop(handle)
    state["stop"] = True
    state["threads"][0].join()
    deadline = time.monotonic() + settle
    while any(len(stream.back) < stream.sent for stream in state["streams"]) and time.monotonic() < deadline:
        time.sleep(0.01)
    state["done"] = True
    state["threads"][1].join()
    for transfer in state["transfers"]:
        before = transfer.bytes
        while transfer.bytes == before and not transfer.problem and time.monotonic() < deadline + settle:
            time.sleep(0.01)
        if transfer.bytes == before and not transfer.problem:
            transfer.problem = "it stands still"
        transfer.stop = True
    return _numbers(state)


class Allowed:
    """web's numbered datagrams to db, cache, the host and the outside and back, pings, TCP; and one from the outside."""

    def __init__(self, host, patience=PATIENCE):
        self.patience = patience
        everywhere = [address for pair in (DB, CACHE, HOST, OUTSIDE) for address in pair]
        targets = [(address, 5432) for address in everywhere] + [(address, None) for address in everywhere[:4]]
        transfers = [(DB[0], 5432), (CACHE[1], 5432), (HOST[0], 5432)]
        web, far = host.containers["web"], host.containers["far"]
        self.names = [f"web to {address} by {'udp' if port else 'ping'}" for address, port in targets]
        self.names += [f"far to {address} by udp" for address in WEB]
        self.starts = [
            (web, web.call(streams_start, targets, transfers)),
            (far, far.call(streams_start, [(address, 8080) for address in WEB], [])),
        ]

    def _gather(self, function, *args):
        streams, transfers = [], []
        for agent, handle in self.starts:
            more = agent.call(function, handle, *args)
            streams += more[0]
            transfers += more[1]
        return dict(zip(self.names, streams)), transfers

    def wait_flowing(self, more=25):
        """Each stream has come back `more` times from now on."""
        before = {name: numbers[1] for name, numbers in self._gather(streams_look)[0].items()}

        def flowing():
            now = self._gather(streams_look)[0]
            return all(now[name][1] >= before[name] + more for name in now)

        try:
            wait_until(flowing, self.patience, "")
        except TimeoutError:
            raise TimeoutError(f"allowed streams stand still: {before}, then {self._gather(streams_look)}") from None

    def stop(self, settle=5.0):
        """({stream: lost}, {stream: could not be sent}, datagrams sent, [TCP: (bytes, problem, sent again)])"""
        streams, transfers = self._gather(streams_stop, settle)
        lost = {name: sent - back for name, (sent, back, _) in streams.items() if sent != back}
        unsent = {name: unsent for name, (_, _, unsent) in streams.items() if unsent}
        return lost, unsent, sum(numbers[0] for numbers in streams.values()), transfers


class Dense(Denied):
    """The same for flows that are allowed, thousands of frames a second: what is lost for a moment of a few microseconds
    is seen. From web to the host, and to db."""

    def __init__(self, host, rate=20000):
        super().__init__(host, rate, fill=False)
        host.containers["web"].call(hold_port, 40000)  # the echo's other end: else errors come back that quote frames
        udp = {"kinds": ("udp",)}
        self._flow("web", "host", WEB, HOST, mac_of("br0"), **udp)
        self._flow("web", "db", WEB, DB, self.macs["db"], **udp)
        self.process.stdin.flush()

    def wait_flowing(self, more=2000):
        before = self.look()[0]
        wait_until(lambda: self.look()[0] > before + more, PATIENCE, "frames are sent")

    def finish(self, when):
        """Nothing more is sent, and what was has arrived."""
        self.wait_flowing()
        self.process.stdin.write("stop\n")
        try:
            wait_until(lambda: sum(self.look()[1].values()) == self.look()[0], 10, "")
        except TimeoutError:
            pass
        sent, arrived = self.look()
        print(f"# {when}: {sent} dense frames sent, {sent - sum(arrived.values())} lost")
        tap.equal(sum(arrived.values()), sent, f"{when}: of the frames that are allowed, arrived ({arrived})")
        self.stop()


class Traffic:
    """Both at once."""

    def __init__(self, host, rate=RATE):
        self.allowed = Allowed(host)
        self.allowed.wait_flowing()
        self.denied = Denied(host, rate)

    def no_leak(self, when):
        """So far. Frames must have been sent since the last time: no news would say nothing."""
        before, _ = self.denied.look()
        wait_until(lambda: self.denied.look()[0] > before + 2 * len(self.denied.flows), PATIENCE, "denied frames are sent")
        tap.equal(self.denied.look()[1], {}, f"{when}: denied frames that arrived")

    def finish(self, when, lossy=None, cut=False):
        """`lossy`: why what is allowed may have been lost meanwhile; None: nothing may. `cut`: TCP may have ended by it."""
        self.allowed.wait_flowing()
        self.no_leak(when)
        sent, arrived = self.denied.look()
        self.denied.stop()
        lost, unsent, datagrams, transfers = self.allowed.stop()
        tcp = f"{sum(t[0] for t in transfers) >> 20} MiB of TCP, {sum(t[2] for t in transfers)} segments sent again"
        print(f"# {when}: {sent} denied frames sent, {sum(arrived.values())} arrived; {datagrams} allowed datagrams and "
              f"pings, {sum(lost.values())} lost, {sum(unsent.values())} could not be sent"
              f"{f' ({lossy})' if lossy else ''}; {tcp}")  # fmt: skip
        if not cut:
            tap.equal([t[1] for t in transfers if t[1]], [], f"{when}: TCP")
        if lossy is None:
            tap.equal(lost, {}, f"{when}: allowed datagrams that were lost")
        return sum(lost.values())


def control(host):
    """Where nobody polices, each denied flow arrives where it would: the harness sees leaks."""
    denied = Denied(host)
    wanted = {words for words, _ in denied.flows.values()}
    try:
        wait_until(lambda: set(denied.look()[1]) == wanted, PATIENCE, "")
    except TimeoutError:
        raise AssertionError(f"did not arrive, though nobody polices: {wanted - set(denied.look()[1])}") from None
    denied.stop()
    run("ip", "neigh", "flush", "all")
    for name in ("web", "db", "cache"):
        host.containers[name].run("ip", "neigh", "flush", "dev", "eth0")
