#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""What one container can exhaust is its own; and what a careful firewall does with fragments and ICMP errors."""

import socket
import struct
import sys
import time

sys.path.insert(0, __file__.rsplit("/", 1)[0])
from lib import frames, tap
from lib.attack import gets, gets_not
from lib.host import run, wait_until

QUOTA = 512
POLICY = """
version: 1
settings: { ignore: [ "up*" ] }
zones:
  clients: { members: { label: "role=client" }, within: deny }
  servers: { members: { label: "role=server" } }
rules:
  - { from: clients, to: servers, allow: [ tcp/80, udp, ping ] }
  - { from: clients, to: world, allow: [ tcp/80, udp/80 ] }
"""


def scene(host, *options):
    host.bridge("br0", "10.77.0.1/24", "fd77::1/64")
    made = []
    for number, (name, role) in enumerate(
        (("mallory", "client"), ("alice", "client"), ("sink", "server"), ("server", "server")), 2
    ):
        made.append(host.container(name, "br0", [f"10.77.0.{number}/24", f"fd77::{number}/64"], labels={"role": role}))
        made[-1].listen("tcp", 80)
        made[-1].listen("udp", 80)
    host.policy(POLICY)
    host.start(*options)
    host.wait_open("mallory", "alice", "sink", "server")
    return made


def flood_udp(operations, address, first, count):
    """A datagram from each of `count` source ports: as many flows."""
    sent = 0
    for port in range(first, first + count):
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.bind(("::" if ":" in address else "0.0.0.0", port))
            client.sendto(b"flood", (address, 9))
            sent += 1
    return sent


def flows_of(host, name):
    return next(port["flows"] for port in host.ask("ports") if port["container"] == name)


def test_flood(host):
    """A container that floods new flows leaves its neighbours' idle connections and new flows alone, the flooded one's too"""
    mallory, alice, sink, _ = scene(host, "--flows", str(QUOTA))
    idle = [alice.connect(address, 80, protocol=p) for address in ("10.77.0.5", "fd77::5") for p in ("tcp", "udp")]
    for connection in idle:
        tap.expect(alice.exchange(connection), "open before the flood")
    kept = mallory.connect("10.77.0.4", 80)
    tap.expect(mallory.exchange(kept), "one of the flooder's own")
    for address, first in (("10.77.0.4", 20000), ("fd77::4", 30000)):
        tap.equal(mallory.call(flood_udp, address, first, QUOTA * 4), QUOTA * 4, "the flood was sent")
    flow = host.wait_flow(from_="mallory", verdict="deny", reason="half-open-full")
    tap.equal(flow["direction"], "from", "refused at the flooder's own port")
    for connection in idle:
        tap.expect(alice.exchange(connection, b"x" * 100, 3), "a neighbour's idle connection lives")
    tap.expect(mallory.exchange(kept, b"x", 3), "an open flow of the flooder's own is not evicted either")
    for number in range(20):
        tap.expect(alice.reach("udp", "10.77.0.5", 80, 3), f"a neighbour's new flow {number}")
        tap.expect(alice.reach("tcp", "fd77::5", 80, 3), f"a neighbour's new TCP flow {number}")
    tap.expect(flows_of(host, "mallory") <= QUOTA, "the flooder's table is no larger than its quota")
    # The flooded one has room left: for others, and for itself.
    tap.expect(alice.reach("tcp", "10.77.0.4", 80, 3), "a neighbour's new flow to the flooded one")
    tap.expect(alice.reach("udp", "fd77::4", 80, 3), "and by UDP")
    tap.expect(sink.reach("tcp", "10.77.0.5", 80, 3), "the flooded one's own new flow")


def open_many(operations, address, count):
    """Flows that were answered, kept: how many could be opened."""
    kept = operations.__dict__.setdefault("many", [])
    opened = 0
    for _ in range(count):
        client = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
        client.settimeout(0.2)
        client.connect((address, 80))
        kept.append(client)
        try:
            client.send(b"x")
            client.recv(16)
            opened += 1
        except OSError:
            break
    return opened


def test_quota(host):
    """A container's own table that is full fails closed, for it alone, and is reported"""
    mallory, alice, _, _ = scene(host, "--flows", str(QUOTA))
    opened = mallory.call(open_many, "10.77.0.5", QUOTA + 50)
    tap.expect(QUOTA * 3 // 4 <= opened <= QUOTA, f"{opened} flows of {QUOTA} could be opened")
    host.wait_flow(from_="mallory", verdict="deny", reason="flows-full")
    tap.expect(not mallory.reach("udp", "10.77.0.4", 80), "no more for the one who filled it")
    tap.expect(alice.reach("udp", "10.77.0.4", 80, 3), "its neighbour has its own")
    tap.expect(alice.reach("udp", "10.77.0.5", 80, 3), "and is let in where it has its flows")
    counters = {counter["reason"]: counter["packets"] for counter in host.ask("counters")["reasons"]}
    tap.expect(counters.get("flows-full", 0) > 0, f"counted: {counters}")


def big(operations, address, size):
    """One datagram larger than the MTU, there and back."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(2)
        client.connect((address, 80))
        client.send(b"x" * size)
        try:
            return len(client.recv(65535)) == size
        except OSError:
            return False


def test_fragments(host):
    """Datagrams in many fragments pass where the policy allows them, with and without others' defragmenting"""
    mallory, alice, _, _ = scene(host)
    for nf_call in (False, True):
        host.bridge_nf_call(nf_call)
        for address in ("10.77.0.5", "fd77::5", "10.77.0.4"):
            for size in (1473, 3000, 9000, 60000):
                tap.expect(alice.call(big, address, size), f"{size} bytes to {address}, bridge-nf-call {nf_call}")
        tap.expect(not mallory.call(big, "10.77.0.3", 3000), "and not where it is denied")
    # With conntrack, which puts fragments together and takes them apart again.
    run("nft", "add table inet theirs; add chain inet theirs c { type filter hook prerouting priority 0; }; "
        "add rule inet theirs c ct state new counter")  # fmt: skip
    for address in ("10.77.0.5", "fd77::5"):
        for size in (1473, 3000, 9000):
            tap.expect(alice.call(big, address, size), f"{size} bytes to {address}, with conntrack on the bridge")


def pour(operations, address, size):
    """So many bytes over TCP and back, which a path MTU that is not found stops."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM) as client:
        client.settimeout(5)
        client.connect((address, 80))
        got, sent = 0, 0
        begin = time.monotonic()
        try:
            while got < size and time.monotonic() - begin < 10:
                if sent < size:
                    client.sendall(b"x" * 10000)
                    sent += 10000
                got += len(client.recv(65536))
        except OSError:
            return False
        return got >= size


def test_path_mtu(host):
    """ICMP errors of open flows reach them (path MTU discovery), over IPv4 and IPv6; forged ones reach nobody"""
    host.outside("far", "up0", "203.0.113.1/24", ["203.0.113.9/24", "2606:4700::9/64"], "2606:4700::1/64")
    mallory, alice, _, server = scene(host)
    host.containers["far"].listen("tcp", 80)
    # The link is narrow for the host alone; far does not tell by its segments' size, so that only the error does.
    run("ip", "link", "set", "up0", "mtu", "1300")
    for family, gateway in (("-4", "203.0.113.1"), ("-6", "2606:4700::1")):
        host.containers["far"].run(
            "ip", family, "route", "replace", "default", "via", gateway, "dev", "up0", "mtu", "lock", "1300", "advmss", "1440"
        )
    for address in ("203.0.113.9", "2606:4700::9"):
        heard = alice.sniff_start("eth0")
        tap.expect(alice.call(pour, address, 200000), f"a stream to {address} through a narrow link")
        kind = b"\x02\x00" if ":" in address else b"\x03\x04"
        got = alice.sniff_stop(heard)
        tap.expect(any(kind in frame[34:56] for frame in got), f"the error for {address} was needed and came")
    # mallory tells alice of a path that is none of its business; and the server, of a flow that it has with nobody.
    heard = server.sniff_start("eth0")
    connection = alice.connect("10.77.0.5", 80, source_port=5555)
    tap.expect(alice.exchange(connection), "an open connection")
    sent = [f[14:] for f in server.sniff_stop(heard) if f[12:14] == b"\x08\x00" and f[34:38] == struct.pack("!HH", 5555, 80)]
    for source, quoted in (
        ("10.77.0.2", frames.tcp("10.77.0.3", "10.77.0.5", 5555, 80, frames.ACK)),
        ("10.77.0.2", frames.tcp("10.77.0.3", "10.77.0.2", 5555, 80, frames.ACK)),
    ):
        forged = frames.eth(
            alice.mac(), mallory.mac(), frames.IPV4, frames.too_big(source, "10.77.0.3", 600, quoted)
        )
        tap.expect(gets_not(alice, lambda: mallory.send_frame("eth0", forged), b"\x03\x04"), "a forged error")
    host.wait_flow(from_="mallory", reason="icmp-unrelated", verdict="deny")
    honest = frames.too_big("10.77.0.5", "10.77.0.3", 1280, sent[-1])
    needle = struct.pack("!HH", 0, 1280) + b"\x45"
    tap.expect(
        gets(alice, lambda: server.send_frame("eth0", frames.eth(alice.mac(), server.mac(), frames.IPV4, honest)), needle),
        "the other end of the flow may tell of it",
    )
    guess = bytearray(sent[-1])
    guess[24] ^= 0x40  # the sequence number
    guessed = frames.too_big("10.77.0.5", "10.77.0.3", 1280, bytes(guess))
    tap.expect(
        gets_not(alice, lambda: server.send_frame("eth0", frames.eth(alice.mac(), server.mac(), frames.IPV4, guessed)), needle),
        "but not without having seen what it quotes",
    )
    stranger = frames.too_big("10.77.0.5", "10.77.0.3", 1280, frames.tcp("10.77.0.3", "10.77.0.5", 6666, 80, frames.ACK))
    tap.expect(
        gets_not(alice, lambda: server.send_frame("eth0", frames.eth(alice.mac(), server.mac(), frames.IPV4, stranger)), needle),
        "and of no flow that there is not",
    )
    wait_until(lambda: alice.exchange(connection, b"x" * 4000), 3, "the connection goes on")


if __name__ == "__main__":
    tap.main([test_flood, test_quota, test_fragments, test_path_mtu])
