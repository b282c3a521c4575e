# SPDX-License-Identifier: GPL-2.0-only
"""A scenario with real packets: the topology is built, every end serves what it is asked for, and everything that the
scenario expects is tried."""

import concurrent.futures
import contextlib
import itertools
import os
import queue
import random
import socket
import struct
import threading
import time

from . import tap
from .agent import Agent, checksum
from .host import for_nft_alone, run

TIMEOUT_ALLOWED = 3.0  # seconds: what is allowed comes at once, but the machine may be busy
TIMEOUT_DENIED = 0.4
SIDE_BY_SIDE = 8  # agents of one sender: an agent does one thing at a time
NAMED = {"ssh": ("tcp", 22), "https": ("tcp", 443), "http": ("tcp", 80), "dns": ("udp", 53), "ntp": ("udp", 123)}
SCTP = 132
QUERY, REPLY = b"bulkhead?", b"bulkhead!"

# ---- what agents do: each function runs in the namespace of one (agent.call)


def crc32c(data):
    """Bit by bit, RFC 9260 appendix A."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return struct.pack("<I", crc ^ 0xFFFFFFFF)


def sctp_packet(source, destination, tag, chunk, initiate=1):
    """One chunk, with the parameters that INIT (1) and INIT ACK (2) have, the initiate tag first; others need 16 bytes."""
    head = struct.pack("!HHI", source, destination, tag)
    body = struct.pack("!BBHIIHHI", chunk, 0, 20, initiate, 65535, 1, 1, 1)
    return head + crc32c(head + b"\0\0\0\0" + body) + body


def raw_payload(data, family):
    return data if family == socket.AF_INET6 else data[(data[0] & 15) * 4 :]


def serve_raw(_, number, family, port):
    """Answers queries of an IP protocol; of SCTP, INITs for one port. The kernel here may know no SCTP."""
    server = socket.socket(family, socket.SOCK_RAW, number)

    def answer(data):
        if number != SCTP:
            return REPLY if data == QUERY else None
        source, destination = struct.unpack("!HH", data[:4])
        return sctp_packet(destination, source, 1, 2) if destination == port and data[12] == 1 else None

    def serve():
        while True:
            with contextlib.suppress(OSError, struct.error, IndexError):
                data, peer = server.recvfrom(65535)
                reply = answer(raw_payload(data, family))
                if reply:
                    server.sendto(reply, (peer[0], 0))

    threading.Thread(target=serve, daemon=True).start()


def exchange_raw(number, target, port, timeout, source):
    """A query of an IP protocol, of SCTP (an INIT) or an echo request, and its answer."""
    v6 = ":" in target
    family = socket.AF_INET6 if v6 else socket.AF_INET
    identifier, sequence = os.getpid() & 0xFFFF, random.randrange(1, 60000)
    if number == SCTP:
        query = sctp_packet(sequence + 1024, port, 0, 1)
        fits = lambda data: data[:4] == struct.pack("!HH", port, sequence + 1024) and data[12] == 2
    elif number in (socket.IPPROTO_ICMP, socket.IPPROTO_ICMPV6):
        query = struct.pack("!BBHHH", 128 if v6 else 8, 0, 0, identifier, sequence) + QUERY
        if not v6:
            query = query[:2] + struct.pack("!H", checksum(query)) + query[4:]
        fits = lambda data: data[0] == (129 if v6 else 0) and data[4:8] == struct.pack("!HH", identifier, sequence)
    else:
        query = QUERY
        fits = lambda data: data == REPLY
    deadline = time.monotonic() + timeout
    with socket.socket(family, socket.SOCK_RAW, number) as client:
        client.bind((source, 0))
        client.connect((target, 0))
        client.send(query)
        while (left := deadline - time.monotonic()) > 0:
            client.settimeout(left)
            with contextlib.suppress(IndexError):
                if fits(raw_payload(client.recv(65535), family)):
                    return True
    return False


def exchange(operations, protocol, target, port, timeout, source):
    """True when an answer came."""
    try:
        if protocol in ("tcp", "udp"):
            return operations.reach(protocol, target, port, timeout, source=source)
        return exchange_raw(protocol, target, port, timeout, source)
    except OSError:
        return False


# ---- the test's side


def wire_service(service, v6):
    """(protocol or its number, port) for real packets; None for what has no wire form here."""
    protocol, _, rest = service.partition("/")
    if protocol in ("ping", "icmp", "icmpv6"):
        echo = service == "ping" or rest == "echo-request"
        fits = service == "ping" or v6 == (protocol == "icmpv6")
        return (socket.IPPROTO_ICMPV6 if v6 else socket.IPPROTO_ICMP, 0) if echo and fits else None
    if service in NAMED:
        return NAMED[service]
    if protocol in ("tcp", "udp") and rest.isdigit():
        return (protocol, int(rest))
    if protocol == "sctp" and rest.isdigit():
        return (SCTP, int(rest))
    # IPv6's own headers (41 too, which the kernel's tunnels may take) are not for raw sockets.
    return (int(rest), 0) if protocol == "proto" and int(rest) not in (1, 6, 17, 58, SCTP) else None


class Attempt:
    """One exchange between two addresses."""

    def __init__(self, question, source, source_address, server, target, protocol, port):
        self.question = question
        self.source = source  # the namespace
        self.source_address = source_address
        self.server = server
        self.target = target
        self.protocol = protocol
        self.port = port

    def __str__(self):
        return f"{self.question} ({self.source_address} → {self.target})"


class Wire:
    def __init__(self, host, scenario):
        self.host = host
        self.scenario = scenario
        self.layer = "nft-wire" if host.nft_alone else "wire"
        self.attempts = [list(self._attempts(step)) for step in scenario.steps]

    # ---- the topology

    def build(self):
        for name, addresses in self.scenario.bridges.items():
            self.host.bridge(name, *addresses)
        for name, container in self.scenario.containers.items():
            first, *others = self.scenario.ports(name)
            made = self.host.container(
                name, first["bridge"], first["addresses"], labels=container.get("labels"), image=container.get("image"),
                namespace_=container.get("namespace"), interface=first["interface"],
            )
            for port in others:
                self.host.plug(made, port["bridge"], port["addresses"], interface=port["interface"])
        for name, outside in self.scenario.outside.items():
            self._outside(name, outside)
        for name, routes in self.scenario.routes.items():
            for route in many_routes(routes):
                self._run(name, "ip", "-6" if ":" in route else "-4", "route", "replace", *route.split())
        for name in self.scenario.forwarding:
            for knob in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
                run("ip", "netns", "exec", name, "sh", "-c", f"echo 1 >/proc/sys/net/{knob}")

    def _outside(self, name, outside):
        def first(addresses, v6):
            return next((a for a in addresses if (":" in a) == v6), None)

        self.host.outside(name, outside["uplink"], first(outside["host"], False), outside["addresses"], first(outside["host"], True))
        for address in outside["addresses"]:
            v6 = ":" in address
            gateway = first(outside["addresses"], v6).split("/")[0]
            if address.split("/")[0] != gateway:
                run("ip", "-6" if v6 else "-4", "route", "add", address.split("/")[0], "via", gateway)

    def _run(self, name, *command):
        return run(*command) if name == "host" else self.host.containers[name].run(*command)

    def listen(self):
        """Every target serves what it is asked for. A datagram is answered from the address that it was sent to: a socket
        for each."""
        wanted = {
            (item.server, item.protocol, item.port, item.target if item.protocol == "udp" else None, ":" in item.target)
            for item in itertools.chain(*self.attempts)
            if item.protocol not in (socket.IPPROTO_ICMP, socket.IPPROTO_ICMPV6)
        }
        listening = set()
        for server, protocol, port, address, v6 in sorted(wanted, key=str):
            agent = self.host.agent if server == "host" else self.host.containers[server].agent
            if protocol not in ("tcp", "udp"):
                agent.call(serve_raw, protocol, socket.AF_INET6 if v6 else socket.AF_INET, port)
            elif (server, protocol, port, address) not in listening:
                listening.add((server, protocol, port, address))
                agent.listen(protocol, port, address)

    # ---- what is tried

    def _attempts(self, step):
        for question in step.questions:
            if self.layer in question.layers and question.verdict in ("allow", "deny"):
                yield from self.attempts_of(question)

    def attempts_of(self, question):
        source, server = self.scenario.namespace(question.source), self.scenario.namespace(question.target)
        if source is None or server is None or source == server:
            return
        for target in self.scenario.addresses(question.target):
            v6 = ":" in target
            service = wire_service(question.service, v6)
            sources = [a for a in self._source_addresses(question) if (":" in a) == v6]
            if service and (server != "host" or self._reaches_host(source, target)):
                for address in sources:
                    yield Attempt(question, source, address, server, target, *service)

    def _source_addresses(self, question):
        """The host speaks from whichever address its route has."""
        return ["0.0.0.0", "::"] if question.source == "host" else self.scenario.addresses(question.source)

    def _reaches_host(self, source, target):
        """A container has a route to the host's other addresses by its bridge's address."""
        if source not in self.scenario.containers:
            return True
        own = [a for a in self.scenario.bridges[self.scenario.ports(source)[0]["bridge"]] if (":" in a) == (":" in target)]
        return bool(own)

    # ---- trying it

    def run(self, items, passes):
        """Tries all, side by side; returns what did not come out as passes(question) says."""
        agents = {item.source: queue.SimpleQueue() for item in items}
        for source, idle in agents.items():
            for _ in range(min(SIDE_BY_SIDE, sum(1 for item in items if item.source == source))):
                idle.put(Agent(None if source == "host" else f"/run/netns/{source}"))

        def attempt(item):
            expected = passes(item.question)
            agent = agents[item.source].get()
            try:
                timeout = TIMEOUT_ALLOWED if expected else TIMEOUT_DENIED
                got = agent.call(exchange, item.protocol, item.target, item.port, timeout, item.source_address)
            finally:
                agents[item.source].put(agent)
            return None if got == expected else f"{item} {'was reached' if got else 'was not reached'}"

        try:
            with concurrent.futures.ThreadPoolExecutor(16) as pool:
                return [text for text in pool.map(attempt, items) if text]
        finally:
            for idle in agents.values():
                while not idle.empty():
                    idle.get().stop()

    def control(self):
        """Where nobody polices all of it passes: what is refused later, is refused by Bulkhead."""
        wrong = self.run(list(itertools.chain(*self.attempts)), lambda question: True)
        tap.expect(not wrong, f"without the daemon: {'; '.join(wrong)}")

    def write(self, step):
        step.write(self.host.policy_dir, for_nft_alone if self.host.nft_alone else lambda policy: policy)

    def start(self):
        self.write(self.scenario.steps[0])
        self.host.start(*self.scenario.options)
        managed = [name for name, container in self.scenario.containers.items() if not container.get("unmanaged")]
        self.host.wait_open(*managed)

    def check(self, number):
        """The events first: later ones are sampled."""
        step = self.scenario.steps[number]
        if step.events:
            self.check_events(step)
        else:
            self.check_a_denied_one(number)
        wrong = self.run(self.attempts[number], lambda question: question.passes)
        tap.expect(not wrong, "; ".join(wrong))
        print(f"# {len(self.attempts[number])} attempts on the wire", flush=True)

    def check_a_denied_one(self, number):
        """Where the scenario asks for no event: the first flow that is denied is told of, with the reason and the line that
        the daemon gives when it is asked for it."""
        item = next((item for item in self.attempts[number] if not item.question.passes and "table" in item.question.layers), None)
        if item is None:
            return
        # What the policy before it refused may have used up the samples of this reason: they come back by the second.
        for last in (False, False, True):
            self.run([item], lambda question: False)
            try:
                flow = self.wait_told(item, verdict="deny")
                break
            except TimeoutError:
                if last:
                    raise
        source = "host" if item.source == "host" else item.source_address
        answer = self.host.ask("explain", **{"from": source, "to": item.target, "service": told_service(item)})
        reason = "deny-rule" if answer["reason"] == "rule" else answer["reason"]
        tap.expect(flow["reason"] in (reason, "host-door"), f"the reason of {item}: {flow}, but {answer}")
        if "at" in answer:
            tap.equal(flow["rule"]["line"], answer["at"]["line"], f"the line that denies {item}: {flow}, but {answer}")

    def wait_told(self, item, **wanted):
        if item.source != "host":
            wanted["from_"] = item.source_address
        return self.host.wait_flow(to=item.target, service=told_service(item), **wanted)

    def check_events(self, step):
        """Each asks for one flow, and for what is told of it."""
        tried = []
        events = [event for event in step.events if not (self.host.nft_alone and "not_nft" in event)]
        for event in events:
            question = EventQuestion(event)
            items = list(self.attempts_of(question))
            tap.expect(items, f"no packets can be sent for {event}")
            tried.append(items[0])
        self.run(tried, lambda question: question.passes)
        for event, item in zip(events, tried):
            if event.get("silent"):
                continue
            wanted = {key: event[key] for key in ("verdict", "reason") if key in event}
            flow = self.wait_told(item, **wanted)
            if "rule" in event:
                line = step.line(flow["rule"])
                tap.expect(event["rule"] in line, f"{event}: the line {line!r} has no {event['rule']!r}")
        for event, item in zip(events, tried):
            if event.get("silent"):
                told = [flow for flow in self.host.flows() if is_about(flow, item)]
                tap.expect(not told, f"{event}: but there is {told}")


class EventQuestion:
    """What is asked for an event; whether it passes does not matter."""

    def __init__(self, event):
        self.source = event["from"]
        self.target = event["to"]
        self.service = event["service"]
        self.verdict = "deny"
        self.passes = False


def many_routes(routes):
    return routes if isinstance(routes, list) else [routes]


def told_service(item):
    """As events name it."""
    if item.protocol == socket.IPPROTO_ICMP:
        return "icmp/echo-request"
    if item.protocol == socket.IPPROTO_ICMPV6:
        return "icmpv6/echo-request"
    if isinstance(item.protocol, str):
        return f"{item.protocol}/{item.port}"
    return f"sctp/{item.port}" if item.protocol == SCTP else f"proto/{item.protocol}"


def is_about(flow, item):
    return (
        item.source_address in (flow.get("from", {}).get("address"), "0.0.0.0", "::")
        and flow.get("to", {}).get("address") == item.target
        and flow.get("service") == told_service(item)
    )


def play(host, scenario):
    """The whole scenario; yields each step while it is in force."""
    wire = Wire(host, scenario)
    tap.expect(all(wire.attempts), "nothing of a step can be tried with real packets")
    wire.build()
    wire.listen()
    if scenario.control:
        wire.control()
    wire.start()
    for number, step in enumerate(scenario.steps):
        if number > 0:
            wire.write(step)
            host.ask("reload")
        wire.check(number)
        yield step
