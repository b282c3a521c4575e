# SPDX-License-Identifier: GPL-2.0-only
"""Is there a moment in which a container's packets pass unjudged? Containers whose first act is to send (hasty.c) are
started by a runtime, over and over, with the daemon running, stopped and killed; and what arrives is counted (catch.c)."""

import json
import signal
import socket
import struct
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor

from . import tap
from .host import BUILD, run, wait_until

STARTS = 50  # of each runtime in each state of the daemon
AT_A_TIME = 10
SENT = 300  # packets that a container must have sent for 'nothing arrived' to mean something
HASTY = BUILD / "tests/e2e/hasty"
PATIENCE = 120.0  # seconds until something is a failure; on a machine with nothing else to do it takes one

# As in hasty.h.
SORTS = (
    "allowed UDP", "allowed TCP", "allowed to the outside", "UDP", "TCP", "to the outside", "to the host",
    "raw, outside destination", "raw, another's address", "raw ARP claim", "raw IPv6, link-local", "raw IPv6, to a group",
    "raw, other EtherType",
)
ALLOWED = {("victim", 0), ("victim", 1), ("outside", 2)}
DENIED = {("victim", sort) for sort in (3, 4, 7, 8, 9, 10, 11, 12)} | {("outside", 5), ("host", 6)}
TO_OUTSIDE = {("outside", 2), ("outside", 5)}  # not from an interface that has no default route
PORT_ALLOWED, PORT_OUTSIDE = 7000, 7001
FRIEND = 60000  # numbers of the one who shows that the receiver lives
OUTSIDE = "203.0.113.9"

POLICY = """
version: 1
settings: { ignore: [ uplink ] }
zones:
  victims: { members: { name: "victim*" } }
  friends: { members: { name: "friend*" } }
  hostile: { members: { name: "hostile*" } }
rules:
  - { from: [ hostile, friends ], to: victims, allow: [ udp/7000, tcp/7000 ] }
  - { from: [ hostile, friends ], to: world, allow: udp/7001 }
"""


class Catch:
    """What arrived, for the first time each; and when ports came up and opened. Times in seconds."""

    def __init__(self, places):
        words = [f"{name}={interface}@{path}" for name, (interface, path) in places.items()]
        self.process = subprocess.Popen(
            [str(BUILD / "tests/tools/catch"), *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        tap.equal(self.process.stdout.readline(), "ready\n", "the receiver's first word")
        self.first = {}  # (place, number, ifindex, sort): time
        self.carrier = {}  # ifindex: (time, name)
        self.open = {}  # ifindex: time
        self.drops = None
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        for line in self.process.stdout:
            word, *rest = line.split()
            if word == "first":
                self.first[(rest[1], *map(int, rest[2:]))] = int(rest[0]) / 1e9
            elif word == "carrier":
                self.carrier[int(rest[1])] = (int(rest[0]) / 1e9, rest[2])
            elif word == "open":
                self.open[int(rest[1])] = int(rest[0]) / 1e9
            elif word == "drops":
                self.drops = int(rest[0])

    def arrived(self, numbers):
        """(place, number, sort) of what came from these numbers."""
        return {(place, number, sort) for place, number, _, sort in list(self.first) if number in numbers}

    def stop(self):
        self.process.stdin.close()
        self.process.wait(30)
        self.thread.join(30)


def send_mark(_operations, address, port, number, sort):
    """In a friend's namespace: one datagram as hasty.c makes them."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.sendto(b"BHWINDOW" + struct.pack("!HHB3x", number, 0, sort), (address, port))


def side_by_side(function, items):
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        return list(pool.map(function, items))


def milliseconds(name, times):
    """Median, 99th percentile and worst as a line of the report."""
    times = sorted(times)
    if not times:
        return f"{name}: not seen"
    at = [times[len(times) // 2], times[min(len(times) - 1, int(len(times) * 0.99))], times[-1]]
    words = "median {:.1f} ms, 99th percentile {:.1f} ms, worst {:.1f} ms".format(*(value * 1000 for value in at))
    return f"{name}: {words}, of {len(times)}"


class Window:
    """The course of the test. A runtime gives: host, victim and friend (with call(), run(), address() and mac()), gateway,
    places() for the receiver, numbers(count) for as many starts, start(number, arguments), remove(numbers), wait_ready()
    for what must be there before the starts, name, routed (can its containers reach the outside?)."""

    def __init__(self, runtime):
        self.runtime = runtime
        self.host = runtime.host
        self.allowed = ALLOWED if runtime.routed else ALLOWED - TO_OUTSIDE
        self.denied = DENIED if runtime.routed else DENIED - TO_OUTSIDE
        self.alive_number = FRIEND
        runtime.victim.listen("tcp", PORT_ALLOWED)
        self.catch = Catch(runtime.places())
        self.host.policy(POLICY)

    def arguments(self, number):
        runtime = self.runtime
        victim = runtime.victim
        friend = runtime.friend.address()
        return [str(word) for word in (number, victim.address(), victim.mac(), OUTSIDE, runtime.gateway, friend)]

    def alive(self, when):
        """What a friend sends arrives: the receiver lives, and so do the links to it."""
        self.alive_number += 1
        number = self.alive_number

        def came():
            for address, port, sort in ((self.runtime.victim.address(), PORT_ALLOWED, 0), (OUTSIDE, PORT_OUTSIDE, 2)):
                self.runtime.friend.call(send_mark, address, port, number, sort)
            return {("victim", number, 0), ("outside", number, 2)} <= self.catch.arrived({number})

        wait_until(came, PATIENCE, f"{when}: a friend's packets arrive")

    def leaks(self, numbers, nothing=False):
        """What must not have come, in words."""
        return sorted(
            f"{place}: {SORTS[sort]} ({number})"
            for place, number, sort in self.catch.arrived(set(numbers))
            if nothing or (place, sort) not in ALLOWED
        )

    def served(self, numbers):
        """Has everything that is allowed come from each of them?"""
        wanted = {(place, number, sort) for number in numbers for place, sort in self.allowed}
        return wanted <= self.catch.arrived(set(numbers))

    def wait_served(self, numbers):
        try:
            wait_until(lambda: self.served(numbers), PATIENCE, f"what is allowed arrives, of {numbers}")
        except TimeoutError as error:
            ports = [port for port in self.host.ask("ports") if port.get("container") != "victim"]
            missing = [number for number in numbers if not self.served([number])]
            raise TimeoutError("\n".join([str(error), f"missing: {missing}", *map(json.dumps, ports)])) from None

    # ---- starts

    def start_some(self, numbers):
        """Starts them at once; their ports (host side, by name)."""
        before = veths()
        side_by_side(lambda number: self.runtime.start(number, self.arguments(number)), numbers)

        def sent():
            new = {name: count for name, count in veths().items() if name not in before}
            return len(new) >= len(numbers) and all(count > SENT for count in new.values()) and set(new)

        return wait_until(sent, PATIENCE, "the containers have sent")

    def control(self, when):
        """Where nobody polices, everything must arrive: else nothing else here would mean anything. One container, since
        several would take the gateway's address from each other."""
        numbers = self.runtime.numbers(1)
        self.start_some(numbers)
        wanted = {(place, number, sort) for number in numbers for place, sort in self.denied | self.allowed}

        def missing():
            return sorted((place, SORTS[sort]) for place, _, sort in wanted - self.catch.arrived(set(numbers)))

        try:
            wait_until(lambda: not missing(), PATIENCE, f"{when}: it leaks")
        except TimeoutError:
            raise AssertionError(f"{when}: did not arrive: {missing()}") from None
        self.runtime.remove(numbers)
        for guest in (self.runtime.victim, self.runtime.friend):
            guest.run("ip", "neigh", "flush", "dev", "eth0")

    def running(self, total=STARTS):
        """With the daemon: nothing that is denied, and all that is allowed."""
        release, arrival = [], []
        everybody = self.runtime.numbers(total)
        for numbers in batches(everybody):
            ports = self.start_some(numbers)
            self.wait_served(numbers)
            self.measure(ports, numbers, release, arrival)
            self.runtime.remove(numbers)
        tap.equal(self.leaks(everybody), [], "with the daemon: what arrived and must not")
        self.alive("with the daemon")
        print(f"# {self.runtime.name}: {milliseconds('carrier to release', release)}")
        print(f"# {self.runtime.name}: {milliseconds('carrier to the first allowed packet', arrival)}")

    def measure(self, ports, numbers, release, arrival):
        by_name = {name: (index, time) for index, (time, name) in list(self.catch.carrier.items()) if name in ports}
        for index, time in by_name.values():
            if index in self.catch.open:
                release.append(self.catch.open[index] - time)
        owners = {port.get("container"): port["interface"] for port in self.host.ask("ports")}
        came = {number: time for (place, number, _, sort), time in list(self.catch.first.items()) if place == "victim" and sort == 0}
        for number in numbers:
            port = owners.get(self.runtime.container_name(number))
            if port in by_name and number in came:
                arrival.append(came[number] - by_name[port][1])

    def without(self, number, total=STARTS):
        """After the daemon has ended by this signal: nothing at all from newcomers, until there is one again."""
        self.host.kill(number)
        how = f"after {signal.Signals(number).name}"
        everybody = self.runtime.numbers(total)
        chunks = list(batches(everybody))
        for numbers in chunks:
            self.start_some(numbers)
            if numbers is not chunks[-1]:
                self.runtime.remove(numbers)
        self.alive(how)
        tap.equal(self.leaks(everybody, True), [], f"{how}: what arrived and must not")
        last = chunks[-1]
        self.host.start()
        self.wait_served(last)
        self.alive("with a new daemon")
        self.runtime.remove(last)
        tap.equal(self.leaks(everybody), [], f"{how}, and with a new daemon: what arrived and must not")

    def finish(self):
        self.catch.stop()
        tap.equal(self.catch.drops, 0, "frames that the receiver had no room for")


def batches(numbers):
    for at in range(0, len(numbers), AT_A_TIME):
        yield numbers[at : at + AT_A_TIME]


def veths():
    """The host's veths and how much each has taken from its other end."""
    links = json.loads(run("ip", "-j", "-s", "link", "show", "type", "veth") or "[]")
    return {link["ifname"]: link["stats64"]["rx"]["packets"] for link in links if "ifname" in link}


def no_window(runtime):
    """All of it, for a runtime."""
    window = Window(runtime)
    window.alive("nobody polices")
    window.control("nobody polices")
    window.host.start()
    runtime.wait_ready(window.arguments)
    window.running()
    window.without(signal.SIGTERM)
    window.without(signal.SIGKILL)
    tap.equal(window.leaks(runtime.standing), [], "from the containers' first ports")
    window.finish()


def open_door(runtime):
    """The other control: a daemon came and was killed, and somebody took the door away. Then there is a window, and it is
    seen: a newcomer reaches the host and the outside. (At the victim's port the programs still stand.)"""
    window = Window(runtime)
    window.host.start("--no-owner")
    runtime.wait_ready(window.arguments)
    window.host.kill(signal.SIGKILL)
    for family in ("bridge", "inet", "arp"):
        run("nft", "delete", "table", family, "bulkhead")
    numbers = runtime.numbers(1)
    window.start_some(numbers)
    wanted = {("outside", numbers[0], 5), ("host", numbers[0], 6)}
    wait_until(lambda: wanted <= window.catch.arrived(set(numbers)), PATIENCE, "without the door it leaks")
    tap.expect(window.leaks(numbers), "the leaks are counted")
    runtime.remove(numbers)
    window.catch.stop()
