# SPDX-License-Identifier: GPL-2.0-only
"""A hostile container among others: mallory, root in its namespace with every capability there, may ask one service of
alice and nothing else. Bob is on its bridge, too; carol on another; far is outside. tests/attacks has a file an attack.

An attack is a generator of tries; what it prepares and takes back stands between them. Without the daemon each try must
reach its victims (the control); with it nobody at all may get it, and `flows` must tell of it, with mallory's name."""

import contextlib
import dataclasses
import socket
import threading
import time
from collections.abc import Callable

from . import frames, namespace, tap
from .agent import Agent
from .attack import QUIET
from .host import run, wait_until

POLICY = """
version: 1
settings: { ignore: [ "up*" ] }
zones:
  hostile: { members: { name: mallory }, within: deny }
  shop: { members: { name: alice } }
  neighbours: { members: [ { name: bob }, { name: carol } ] }
rules:
  - { from: hostile, to: shop, allow: [ tcp/80, udp/80, ping ] }
  - { from: [ shop, neighbours ], to: any, allow: all }
"""
MAC = {name: f"02:00:00:00:00:0{n}" for name, n in (("mallory", 2), ("alice", 3), ("bob", 4), ("carol", 5))}
V4 = {
    "mallory": "10.77.0.2", "alice": "10.77.0.3", "bob": "10.77.0.4", "gateway": "10.77.0.1",
    "carol": "10.78.0.2", "other-gateway": "10.78.0.1", "far": "203.0.113.9", "uplink": "203.0.113.1",
    "metadata": "169.254.169.254",
}  # fmt: skip
V6 = {
    "mallory": "fd77::2", "alice": "fd77::3", "bob": "fd77::4", "gateway": "fd77::1",
    "carol": "fd78::2", "other-gateway": "fd78::1", "far": "2606:4700::9", "uplink": "2606:4700::1",
}  # fmt: skip
NOBODY = "02:00:00:00:00:99"
CONTAINERS = ("mallory", "alice", "bob", "carol")
VICTIMS = ("alice", "bob", "carol", "far")
HOST_PORT = 9000  # where the host keeps what it hears
SAME = object()


@dataclasses.dataclass
class Try:
    """One thing that mallory sends or does. `reason`: a word, several, or None where nothing can be told."""

    what: str
    send: Callable  # gets a marker that stands in no other packet
    reason: object
    victims: tuple = ("alice",)  # who get it where nobody polices; "host": a socket of the host
    needle: bytes = None  # what they get, where it can't be the marker
    nft: object = SAME  # another reason, where nftables judge alone
    told: str = "mallory"  # whose name or address the event has
    control: bool = True  # False: where nobody polices, something else keeps it from arriving

    def reasons(self, nft_alone):
        wanted = self.nft if nft_alone and self.nft is not SAME else self.reason
        return (wanted,) if isinstance(wanted, str) else wanted


class World:
    def __init__(self, host, policed):
        self.host = host
        self.policed = policed
        self.mallory_is_heard = True  # False: has done to itself what it can't undo
        self.hidden = []

    def __getattr__(self, name):
        if name in CONTAINERS or name == "far":
            return self.host.containers[name]
        raise AttributeError(name)

    def build(self):
        host = self.host
        host.bridge("br0", "10.77.0.1/24", "fd77::1/64")
        host.bridge("br1", "10.78.0.1/24", "fd78::1/64")
        for name in CONTAINERS:
            bridge = "br1" if name == "carol" else "br0"
            container = host.container(name, bridge, [f"{V4[name]}/24", f"{V6[name]}/64"], mac=MAC[name])
            for protocol in ("tcp", "udp"):
                container.listen(protocol, 80)
        host.outside("far", "up0", "203.0.113.1/24", ["203.0.113.9/24", "2606:4700::9/64"], "2606:4700::1/64")
        run("ip", "addr", "add", f"{V4['metadata']}/32", "dev", "lo")
        for protocol in ("tcp", "udp"):
            self.far.listen(protocol, 80)
        host.agent.call(keep_what_comes, HOST_PORT)
        # br_netfilter drops some of it by itself; nftables alone needs it.
        host.bridge_nf_call(host.nft_alone)
        host.policy(POLICY)
        if self.policed:
            self.start()

    def start(self, *options):
        self.host.start(*options)
        self.host.wait_open(*CONTAINERS)

    # ---- what mallory makes

    def namespace_inside(self):
        """A network namespace that mallory has made, which no runtime knows: its agent."""
        agent = Agent("/run/netns/mallory")
        agent.call(unshare)
        agent.run("ip", "link", "set", "lo", "up")
        self.hidden.append(agent)
        return agent

    def plug_mallory(self):
        """Its interface has come back without addresses, or lost those of IPv6 with its link."""
        for book, family, length in ((V4, "-4", 24), (V6, "-6", 64)):
            self.mallory.run("ip", family, "addr", "replace", f"{book['mallory']}/{length}", "dev", "eth0", *(["nodad"] if length == 64 else []))
        self.mallory.run("ip", "link", "set", "eth0", "up")
        for book, family in ((V4, "-4"), (V6, "-6")):
            self.mallory.run("ip", family, "route", "replace", "default", "via", book["gateway"])

    def frame(self, what, reason, make, **more):
        """A try that sends one frame; make(mark) gives it, or several."""

        def send(mark):
            made = make(mark)
            for frame in made if isinstance(made, list) else [made]:
                self.mallory.send_frame("eth0", frame)

        return Try(what, send, reason, **more)

    def honest(self, when):
        """What the policy allows, mallory included."""
        pairs = [("bob", "alice"), ("alice", "bob"), ("carol", "alice"), ("alice", "far"), ("mallory", "alice")]
        for source, target in pairs[: None if self.mallory_is_heard else -1]:
            for book, protocol in ((V4, "udp"), (V6, "tcp")):
                good = lambda: self.host.containers[source].reach(protocol, book[target], 80, 2)
                wait_until(good, 20, f"{when}: {source} reaches {target} ({protocol}, {book[target]})")

    def settle(self):
        """Nobody believes any more what the control made him believe."""
        for name in (*CONTAINERS, "far"):
            for words in ("neigh flush all", "-6 route flush proto ra", "-6 addr flush dynamic", "route flush cache", "-6 route flush cache"):
                self.host.containers[name].run("ip", *words.split(), check=False)
        run("ip", "neigh", "flush", "all")
        self.honest("afterwards")

    # ---- running an attack

    def play(self, attack):
        """All tries of attack(world)."""
        ears = {name: self.host.containers[name].sniff_start(None) for name in VICTIMS}
        self.host.agent.call(forget)
        needles = {}
        try:
            for item in attack(self):
                mark = frames.marker()
                needles[item.what] = item.needle or mark
                if self.policed:
                    self._must_be_told(item, mark)
                elif item.control:
                    self._must_arrive(item, mark, ears, needles[item.what])
            if self.policed:
                self._must_not_have_arrived(ears, needles)
        finally:
            for name, ear in ears.items():
                self.host.containers[name].sniff_stop(ear)
            for agent in self.hidden:
                agent.stop()
            self.hidden.clear()
        self.honest("at the end") if self.policed else self.settle()

    def _must_be_told(self, item, mark):
        """Reports are sampled: what is not told the first time is sent again."""
        reasons = item.reasons(self.host.nft_alone)
        before = self._events(item, reasons)
        for last in (False,) * 9 + (True,):
            item.send(mark)
            if reasons is None:
                return
            try:
                wait_until(lambda: self._events(item, reasons) > before, 1, "an event")
                return
            except TimeoutError:
                tail = [(f["verdict"], f["reason"], f.get("from"), f.get("to")) for f in self.host.flows()[-8:]]
                tap.expect(not last, f"{item.what}: no event {reasons} of {item.told}; the last are {tail}")

    def _events(self, item, reasons):
        def fits(flow):
            end = flow.get("from", {})
            names = (end.get("container"), end.get("address"))
            return flow["verdict"] == "deny" and flow["reason"] in (reasons or ()) and item.told in (*names, None)

        return sum(fits(flow) for flow in self.host.flows())

    def _must_arrive(self, item, mark, ears, needle):
        """Again and again: a link that has just come up loses a packet."""
        missing = set(item.victims)
        for _ in range(10):
            item.send(mark)
            deadline = time.monotonic() + 1
            while missing and time.monotonic() < deadline:
                missing -= {victim for victim in missing if self._has_got(victim, ears, needle)}
            if not missing:
                return
        tap.expect(False, f"nobody polices: {item.what} reaches {', '.join(missing)}")

    def _has_got(self, victim, ears, needle):
        if victim == "host":
            return self.host.agent.call(heard, [needle])
        return self.host.containers[victim].sniff_until(ears[victim], needle, 0.2)

    def _must_not_have_arrived(self, ears, needles):
        wanted = list(needles.values())
        time.sleep(QUIET)
        for name, ear in ears.items():
            got = self.host.containers[name].call(which_came, ear, wanted)
            tap.expect(not got, f"{name} must not get {[what for what, n in needles.items() if n in got]}")
        got = self.host.agent.call(heard, wanted)
        tap.expect(not got, f"the host must not get {[what for what, n in needles.items() if n in got]}")


def unshare(operations):
    namespace.unshare(namespace.CLONE_NEWNET)


def which_came(operations, handle, needles):
    """Those of the needles that stand in frames that have come in; afterwards it listens on."""
    raw = operations.kept[handle]
    raw.setblocking(False)
    found = set()
    try:
        while True:
            frame, meta = raw.recvfrom(65535)
            if meta[2] != socket.PACKET_OUTGOING:
                found.update(needle for needle in needles if needle in frame)
    except BlockingIOError:
        return found


def keep_what_comes(operations, port):
    """Datagrams for any address of this namespace, on that port."""
    server = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    server.bind(("::", port))
    operations.came = []

    def serve():
        while True:
            operations.came.append(server.recvfrom(65535)[0])

    threading.Thread(target=serve, daemon=True).start()


def heard(operations, needles):
    return {needle for needle in needles if any(needle in data for data in list(operations.came))}


def forget(operations):
    operations.came.clear()


# ---- what mallory does by its own kernel


def say(operations, target, port, payload, source=None, mark=None, priority=None):
    """A datagram by an ordinary socket. Whether the kernel took it is not asked."""
    with socket.socket(socket.AF_INET6 if ":" in target else socket.AF_INET, socket.SOCK_DGRAM) as client:
        for option, value in ((socket.SO_MARK, mark), (socket.SO_PRIORITY, priority)):
            if value is not None:
                client.setsockopt(socket.SOL_SOCKET, option, value)
        with contextlib.suppress(OSError):
            if source:
                client.bind((source, 0))
            client.sendto(payload, (target, port))


def knows(container, name, interface="eth0"):
    """It need not ask for that one's MAC address."""
    for book in (V4, V6):
        container.run("ip", "neigh", "replace", book[name], "lladdr", MAC[name], "dev", interface, "nud", "permanent")


def make_or_skip(container, *command):
    """An interface of a kind that the kernel may not have."""
    try:
        container.run(*command)
    except RuntimeError as error:
        raise tap.Skip(str(error)) from None


# ---- frames of mallory's


def to(name, ethertype, payload, source=None, **kwargs):
    """A frame to that one's MAC address (or the one given), in mallory's own name."""
    return frames.eth(MAC.get(name, name), source or MAC["mallory"], ethertype, payload, **kwargs)


def datagram(source, target, mark, ports=(4000, 80), **kwargs):
    return frames.udp(source, target, *ports, mark, **kwargs)


def packet(name, payload):
    """An IP packet in a frame to that one's MAC address."""
    return to(name, frames.IPV6 if payload[0] >> 4 == 6 else frames.IPV4, payload)
