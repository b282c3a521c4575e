#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""State with real stacks: connections that cross, are guessed at, are opened again; large segments, narrow links, groups,
and equal addresses. docs/state.md says what shall come of it; where conntrack keeps the state, each is tried, too."""

import errno
import itertools
import select
import socket
import struct
import sys
import threading

sys.path.insert(0, __file__.rsplit("/", 1)[0])
from lib import frames, tap
from lib.attack import gets, gets_not
from lib.host import run
from lib.wire import SCTP, sctp_packet

ALICE, BOB, FAR = "10.77.0.2", "10.77.0.3", "203.0.113.9"
FAR6 = "2606:4700::9"
POLICY = """
version: 1
settings: { ignore: [ "up*" ] }
zones:
  clients: { members: { label: "role=client" }, within: deny }
  servers: { members: { label: "role=server" } }
rules:
  - { from: clients, to: servers, allow: [ tcp, ping ] }
  - { from: clients, to: world, allow: tcp/80 }
  - { from: clients, to: multicast, allow: udp/5353 }
"""
BOTH = POLICY + "  - { from: servers, to: clients, allow: tcp }\n"


def scene(host, policy=POLICY):
    host.outside("far", "up0", "203.0.113.1/24", [f"{FAR}/24", f"{FAR6}/64"], "2606:4700::1/64")
    host.bridge("br0", "10.77.0.1/24", "fd77::1/64")
    alice = host.container("alice", "br0", [f"{ALICE}/24", "fd77::2/64"], labels={"role": "client"})
    bob = host.container("bob", "br0", [f"{BOB}/24", "fd77::3/64"], labels={"role": "server"})
    host.policy(policy)
    host.start()
    host.wait_open("alice", "bob")
    return alice, bob, host.containers["far"]


# ---- in a container


def call_out(operations, source_port, address, port):
    """Begins a connection, and does not wait for it."""
    client = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    client.setblocking(False)
    client.bind(("0.0.0.0", source_port))
    if client.connect_ex((address, port)) != errno.EINPROGRESS:
        raise OSError("it did not begin")
    return operations._keep(client)


def connected(operations, handle, timeout):
    client = operations.kept[handle]
    _, ready, _ = select.select([], [client], [], timeout)
    return bool(ready) and client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0


def say(operations, handle, data):
    operations.kept[handle].send(data)


def hear(operations, handle, size, timeout):
    client = operations.kept[handle]
    client.settimeout(timeout)
    try:
        return client.recv(size)
    except OSError:
        return None


def serve_closing(operations, port):
    """A server that says one word to each, and closes first: it is the one that waits in TIME-WAIT."""
    server = socket.create_server(("", port), backlog=64)
    operations._keep(server)

    def serve():
        while True:
            connection, _ = server.accept()
            connection.sendall(b"word")
            connection.close()

    threading.Thread(target=serve, daemon=True).start()


def ask_again(operations, address, port, source_port, times, reset):
    """How many connections from one and the same port succeeded, each as soon as the one before is over."""
    good = 0
    for _ in range(times):
        client = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        client.settimeout(10)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        client.bind(("0.0.0.0", source_port))
        try:
            client.connect((address, port))
            good += client.recv(16) == b"word" and (reset or client.recv(16) == b"")
        except OSError:
            pass
        if reset:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
    return good


def pour(operations, address, port, size):
    """Sends so many bytes while their echo is read: how many came back."""
    with socket.create_connection((address, port), timeout=30) as client:
        def send():
            client.sendall(b"x" * size)
            client.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send, daemon=True)
        sender.start()
        total = 0
        while data := client.recv(1 << 20):
            total += len(data)
        sender.join()
    return total


def inject_all(operations, destination_mac, source_mac, packets):
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
        raw.bind(("up0", 0))
        for packet in packets:
            raw.send(frames.eth(destination_mac, source_mac, frames.IPV4, packet))


# ---- the tests


HOLD = """table inet hold {
    chain input { type filter hook input priority 0; tcp flags & (syn | ack) == syn counter drop; }
}"""


def cross(alice, bob):
    """Both connect to one another before either has got the other's SYN: (alice's end, bob's end)."""
    for container in (alice, bob):
        container.run("nft", HOLD)
    ends = alice.call(call_out, 7001, BOB, 7002), bob.call(call_out, 7002, ALICE, 7001)
    for container in (alice, bob):
        container.run("nft", "delete", "table", "inet", "hold")
    return ends


def goes_both_ways(alice, bob, ends, what):
    tap.expect(alice.call(connected, ends[0], 20), f"{what}: alice is connected")
    tap.expect(bob.call(connected, ends[1], 20), f"{what}: bob is connected")
    for sender, at, receiver, other in ((alice, ends[0], bob, ends[1]), (bob, ends[1], alice, ends[0])):
        sender.call(say, at, b"hello")
        tap.equal(receiver.call(hear, other, 5, 20), b"hello", f"{what}: what was said")


def test_simultaneous_open(host):
    """Two who connect to one another at once are connected, if both may; and if one may, as his connection"""
    alice, bob, _ = scene(host, BOTH)
    ends = cross(alice, bob)
    goes_both_ways(alice, bob, ends, "both may")
    for container, end in zip((alice, bob), ends):
        container.close(end)
    host.reload(POLICY)
    for container in (alice, bob):
        container.run("nft", HOLD)
    ends = bob.call(call_out, 7006, ALICE, 7005), alice.call(call_out, 7005, BOB, 7006)
    for container in (alice, bob):
        container.run("nft", "delete", "table", "inet", "hold")
    goes_both_ways(alice, bob, ends[::-1], "only alice may")
    host.wait_flow(from_="bob", to="alice", verdict="deny", service="tcp/7005")
    # Bob's SYN behind alice's, before he has answered hers.
    bob.run("nft", HOLD)
    alice.call(call_out, 7007, BOB, 7008)
    behind = frames.tcp(BOB, ALICE, 7008, 7007, frames.SYN, 0x12345678)
    send = lambda: bob.send_frame("eth0", frames.eth(alice.mac(), bob.mac(), frames.IPV4, behind))
    arrived = gets(alice, send, behind[20:28], 0.5) is not None
    tap.equal(arrived, host.nft_alone, "a SYN in answer to one opens a flow of its own; to conntrack it is an answer")


def strays(source, destination, sport, dport):
    """Packets of one who knows the addresses and ports of a connection, and not its numbers."""
    for number in range(1, 60):
        sequence, acknowledged = number * 70123456 & 0xFFFFFFFF, number * 50987654 & 0xFFFFFFFF
        for flags in (frames.ACK, frames.PSH | frames.ACK, frames.FIN | frames.ACK, frames.RST, frames.RST | frames.ACK):
            yield frames.tcp(source, destination, sport, dport, flags, sequence, acknowledged, b"stray" if flags & 8 else b"")


def test_blind(host):
    """Who guesses at a connection's numbers from outside neither ends it nor makes it his"""
    alice, _, far = scene(host)
    far.listen("tcp", 80)
    heard = alice.sniff_start("eth0")
    connection = alice.connect(FAR, 80, source_port=5555)
    tap.expect(alice.exchange(connection, b"echo"), "an open connection")
    sequence, acknowledged = next(
        struct.unpack("!II", frame[38:46])
        for frame in alice.sniff_stop(heard)
        if frame[34:38] == struct.pack("!HH", 80, 5555) and b"echo" in frame
    )
    uplink = run("cat", "/sys/class/net/up0/address").strip()
    inject = lambda packet: far.send_frame("up0", frames.eth(uplink, far.mac(), frames.IPV4, packet))
    far.call(inject_all, uplink, far.mac(), list(strays(FAR, ALICE, 80, 5555)))
    mark = frames.marker()
    stray = frames.tcp(FAR, ALICE, 80, 5555, frames.PSH | frames.ACK, (sequence + (1 << 30)) & 0xFFFFFFFF, acknowledged, mark)
    arrived = gets(alice, lambda: inject(stray), mark, 0.5) is not None
    tap.equal(arrived, not host.nft_alone, "data far ahead arrives, for alice to answer; conntrack drops it")
    reset = frames.tcp(FAR, ALICE, 80, 5555, frames.RST, 0x12345678)
    tap.expect(gets_not(alice, lambda: inject(reset), reset[20:28]), "a reset out of the window does not arrive")
    opens = frames.tcp(FAR, ALICE, 80, 5555, frames.SYN, 0x12345678)
    tap.expect(gets_not(alice, lambda: inject(opens), opens[20:28]), "nor a SYN against the flow")
    host.wait_flow(to="alice", verdict="deny", reason="tcp-invalid")
    tap.expect(alice.exchange(connection, b"x" * 5000, 10), "the connection goes on")
    # And nothing of the kind opens one: to a port of alice's where somebody listens, and nobody may ask.
    alice.listen("tcp", 8080)
    far.call(inject_all, uplink, far.mac(), list(strays(FAR, ALICE, 5556, 8080)))
    middle = frames.tcp(FAR, ALICE, 5557, 8080, frames.ACK, 1, 1)
    tap.expect(gets_not(alice, lambda: inject(middle), middle[20:28]), "nothing begins in the middle")


def test_ports_again(host):
    """A client's port is used again and again, within the server's TIME-WAIT and after resets"""
    alice, bob, _ = scene(host)
    bob.call(serve_closing, 80)
    tap.equal(alice.call(ask_again, BOB, 80, 5600, 8, False), 8, "connections from one port that the server closed")
    tap.equal(alice.call(ask_again, BOB, 80, 5601, 8, True), 8, "connections from one port that the client reset")
    tap.equal(bob.run("ss", "-Htan", "state", "time-wait", "sport", "=", ":80").count(":5600"), 1, "it waits there")
    tap.expect(not bob.reach("tcp", ALICE, 5600, 0.5), "and gives the server no leave")


def counted(host):
    """What passed as part of open flows, of both ports and both ways: (packets, bytes)."""
    flow = next((reason for reason in host.ask("counters")["reasons"] if reason["reason"] == "flow"), None)
    return (flow["packets"], flow["bytes"]) if flow else (0, 0)


def test_large_segments(host):
    """Segments larger than any link carries pass as they are, and are counted by their bytes"""
    alice, bob, _ = scene(host)
    size = 30_000_000
    bob.listen("tcp", 80)
    before = counted(host)
    for address in (BOB, "fd77::3"):
        tap.equal(alice.call(pour, address, 80, size), size, f"all came back from {address}")
    if host.nft_alone:
        return
    packets, count = (now - then for now, then in zip(counted(host), before))
    seen = 2 * 2 * 2 * size  # in two families, there and back, at two ports
    tap.expect(seen < count < 1.1 * seen, f"{count} bytes of {seen}")
    tap.expect(count / packets > 3000, f"{count / packets} bytes a packet, on links of 1500")


def test_path_mtu(host):
    """A stream finds the narrow link on its way, whichever end is behind it, over IPv4 and IPv6"""
    alice, _, far = scene(host)
    far.listen("tcp", 80)
    # The link is narrow for the host alone; far does not tell by its segments' size, so that only the error does.
    run("ip", "link", "set", "up0", "mtu", "1300")
    for family, gateway in (("-4", "203.0.113.1"), ("-6", "2606:4700::1")):
        far.run("ip", family, "route", "replace", "default", "via", gateway, "dev", "up0", "mtu", "lock", "1300", "advmss", "1440")
    for address, kind in ((FAR, b"\x03\x04"), (FAR6, b"\x02\x00")):
        heard = alice.sniff_start("eth0")
        tap.equal(alice.call(pour, address, 80, 300_000), 300_000, f"a stream to {address} through a narrow link")
        tap.expect(any(kind in frame[34:56] for frame in alice.sniff_stop(heard)), f"the error for {address} came")
        tap.expect("mtu 1300" in alice.run("ip", "route", "get", address), f"alice knows the way to {address}")


def test_errors(host):
    """An ICMP error reaches a connection's end when it quotes a packet that may be under way"""
    alice, bob, _ = scene(host)
    bob.listen("tcp", 80)
    heard = bob.sniff_start("eth0")
    connection = alice.connect(BOB, 80, source_port=5555)
    tap.expect(alice.exchange(connection), "an open connection")
    ports = struct.pack("!HH", 5555, 80)
    sent = next(frame[14:] for frame in reversed(bob.sniff_stop(heard)) if frame[34:38] == ports)
    for what, at, value, passes in (
        ("the packet itself", 0, 0, True),
        ("with another sequence number", 24, 0x40, host.nft_alone),  # conntrack does not look
        ("with another port", 21, 1, False),
        ("with another source", 15, 0x40, False),
        ("with another destination", 19, 0x40, False),
    ):
        quoted = bytearray(sent)
        quoted[at] ^= value
        error = frames.eth(alice.mac(), bob.mac(), frames.IPV4, frames.too_big(BOB, ALICE, 1300, bytes(quoted)))
        needle = b"\x05\x14" + bytes(quoted[:24])
        arrived = gets(alice, lambda: bob.send_frame("eth0", error), needle, 5 if passes else 0.3) is not None
        tap.equal(arrived, passes, what)
    tap.expect(alice.exchange(connection, b"x" * 4000, 10), "the connection goes on")


DATA, INIT, INIT_ACK, ABORT, COOKIE_ECHO, COOKIE_ACK = 0, 1, 2, 6, 10, 11


def test_sctp(host):
    """An SCTP association is opened by who may, and followed by its tags"""
    alice, bob, _ = scene(host, POLICY + "  - { from: clients, to: servers, allow: sctp/5000 }\n")
    tap.expect(alice.ping(BOB, 5), "they know one another")

    def passes(sender, *packet):
        receiver, source, destination = (bob, ALICE, BOB) if sender is alice else (alice, BOB, ALICE)
        ports = (4000, 5000) if sender is alice else (5000, 4000)
        segment = sctp_packet(*ports, *packet)
        frame = frames.eth(receiver.mac(), sender.mac(), frames.IPV4, frames.ipv4(source, destination, SCTP, segment))
        return gets(receiver, lambda: sender.send_frame("eth0", frame), segment, 0.5) is not None

    alone = host.nft_alone
    for what, sender, packet, expected in (
        ("data without an association", alice, (0x22, DATA), False),
        ("an INIT of who may not", bob, (0, INIT, 0x33), False),
        ("INIT", alice, (0, INIT, 0x11), True),
        ("INIT ACK", bob, (0x11, INIT_ACK, 0x22), True),
        ("COOKIE ECHO", alice, (0x22, COOKIE_ECHO), True),
        ("COOKIE ACK", bob, (0x11, COOKIE_ACK), True),
        ("data", alice, (0x22, DATA), True),
        ("data back", bob, (0x11, DATA), True),
        ("data with another tag, for alice to drop; conntrack does it", bob, (0x12, DATA), not alone),
        ("data back, after that", bob, (0x11, DATA), True),
        ("an INIT against the flow; to conntrack it is an answer", bob, (0, INIT, 0x33), alone),
    ):
        tap.equal(passes(sender, *packet), expected, what)
    if not alone:
        tap.expect(passes(bob, 0x11, ABORT), "ABORT")
        tap.expect(not passes(bob, 0, INIT, 0x33), "which gives no leave to open")
        tap.expect(passes(alice, 0, INIT, 0x44), "the opener may, again")
    host.wait_flow(from_="alice", verdict="deny", service="sctp/5000", **({} if alone else {"reason": "sctp-not-init"}))


DATAGRAMS = itertools.count(1)


def in_parts(source, destination, mark, cuts):
    """An echo request in parts: (from, to) in bytes, in the order given; all of it is 152 long."""
    v6, identifier = ":" in source, next(DATAGRAMS)
    whole = frames.echo_request(source, destination, payload=mark.ljust(144, b"."))[40 if v6 else 20 :]
    for begin, end in cuts:
        more = end < len(whole)
        if v6:
            head = struct.pack("!BBHI", frames.ICMPV6, 0, begin | more, identifier)
            yield frames.ipv6(source, destination, frames.IPV6_FRAGMENT, head + whole[begin:end])
        else:
            yield frames.ipv4(source, destination, frames.ICMP, whole[begin:end], identifier=identifier,
                              fragment=(0x2000 if more else 0) | begin // 8)  # fmt: skip


def test_parts(host):
    """Of a datagram in parts, between containers only one that came in order, from its first part on, is put together"""
    alice, bob, far = scene(host, POLICY + "  - { from: world, to: clients, allow: ping }\n")
    # What is routed, the host's conntrack has put together before, and sends on in order.
    uplink, mark = run("cat", "/sys/class/net/up0/address").strip(), frames.marker()
    parts = list(in_parts(FAR, ALICE, mark, ((64, 128), (128, 152), (0, 64))))
    answered = gets(far, lambda: far.call(inject_all, uplink, far.mac(), parts), mark, 5)
    tap.expect(answered, "from outside, in any order")
    for source, destination in ((ALICE, BOB), ("fd77::2", "fd77::3")):
        tap.expect(alice.ping(destination, 5), f"{destination} answers")  # and the neighbours know one another
        for what, cuts, passes in (
            ("in order", ((0, 64), (64, 128), (128, 152)), True),
            ("two exchanged", ((0, 64), (128, 152), (64, 128)), host.nft_alone),
            ("the first last", ((64, 128), (128, 152), (0, 64)), host.nft_alone),
            ("without the first", ((64, 128), (128, 152)), False),
            ("one into the first", ((0, 64), (56, 128), (128, 152)), False),
            ("one into a later one", ((0, 64), (64, 128), (120, 152)), False),
            ("whole, with a fragment header", ((0, 152),), True),
        ):
            mark = frames.marker()
            parts = [
                frames.eth(bob.mac(), alice.mac(), frames.ip_type(source), part)
                for part in in_parts(source, destination, mark, cuts)
            ]
            answered = gets(alice, lambda: [alice.send_frame("eth0", part) for part in parts], mark, 5 if passes else 0.3)
            tap.equal(answered is not None, passes, f"{destination}, {what}")


def test_groups(host):
    """What is sent to a group opens nothing for those who hear it"""
    alice, bob, _ = scene(host, POLICY + "  - { from: clients, to: servers, allow: udp/5353 }\n")
    question, answer = frames.marker(), frames.marker()
    ask = frames.eth(
        frames.group_mac("224.0.0.251"), alice.mac(), frames.IPV4,
        frames.udp(ALICE, "224.0.0.251", 5353, 5353, question, ttl=1),
    )
    heard = bob.sniff_start("eth0")
    alice.send_frame("eth0", ask)
    tap.expect(bob.sniff_until(heard, question, 5), "bob hears the question")
    reply = frames.eth(alice.mac(), bob.mac(), frames.IPV4, frames.udp(BOB, ALICE, 5353, 5353, answer))
    tap.expect(gets_not(alice, lambda: bob.send_frame("eth0", reply), answer), "his answer is a flow of its own")
    host.wait_flow(from_="bob", to="alice", verdict="deny", service="udp/5353")


def test_equal_addresses(host):
    """Connections of equal addresses and ports on two bridges share nothing, and one gives no leave to the other"""
    for side in ("a", "b"):
        host.bridge(f"br-{side}", "10.99.0.1/24")
        for number, role in ((2, "client"), (3, "server")):
            host.container(f"{role}-{side}", f"br-{side}", [f"10.99.0.{number}/24"], labels={"role": role},
                           mac=f"02:00:00:00:00:0{number}")  # fmt: skip
        host.containers[f"server-{side}"].listen("tcp", 80)
    host.policy(POLICY)
    host.start()
    host.wait_open("client-a", "server-a", "client-b", "server-b")
    client_a, client_b, server_b = (host.containers[name] for name in ("client-a", "client-b", "server-b"))
    heard = client_a.sniff_start("eth0")
    first = client_a.connect("10.99.0.3", 80, source_port=5555)
    tap.expect(client_a.exchange(first, b"first"), "a connection on the one bridge")
    wanted = struct.pack("!HH", 80, 5555)
    true = next(f for f in client_a.sniff_stop(heard) if f[34:38] == wanted and b"first" in f)
    # What fits it to a byte, on the other bridge, from the very addresses.
    sequence, acknowledged = struct.unpack("!II", true[38:46])
    packet = frames.tcp("10.99.0.3", "10.99.0.2", 80, 5555, frames.PSH | frames.ACK, sequence + 5, acknowledged, b"again")
    later = frames.eth(client_b.mac(), server_b.mac(), frames.IPV4, packet)
    tap.expect(gets_not(client_b, lambda: server_b.send_frame("eth0", later), b"again"), "no flow, no pass")
    host.wait_flow(from_="server-b", verdict="deny", reason="tcp-not-syn")
    second = client_b.connect("10.99.0.3", 80, source_port=5555)
    for number in range(3):
        tap.expect(client_b.exchange(second, b"other" * (number + 1), 5), "its twin on the other bridge")
        tap.expect(client_a.exchange(first, b"first" * (number + 1), 5), "and the first goes on")
    client_b.close(second)
    tap.expect(client_a.exchange(first, b"still", 5), "when its twin is over, too")


def ask(operations, address, port, source_port):
    """One question and its answer, from a socket that is kept."""
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.bind(("0.0.0.0", source_port))
    client.connect((address, port))
    client.send(b"question")
    client.settimeout(10)
    return operations._keep(client), client.recv(100)


def test_answers_to_the_host(host):
    """What the host has asked a container, nobody with the same address on another bridge answers"""
    for side in ("a", "b"):
        host.bridge(f"br-{side}", "10.99.0.1/24")
        host.container(side, f"br-{side}", ["10.99.0.2/24"], labels={"role": "server"}, mac="02:00:00:00:00:02")
    host.containers["a"].listen("udp", 53)
    host.policy(POLICY)
    host.start()
    host.wait_open("a", "b")
    b, bridge = host.containers["b"], run("cat", "/sys/class/net/br-b/address").strip()
    handle, answer = host.agent.call(ask, "10.99.0.2", 53, 7777)
    tap.equal(answer, b"question", "the one that was asked answers")
    forged = frames.udp("10.99.0.2", "10.99.0.1", 53, 7777, b"forged")
    b.send_frame("eth0", frames.eth(bridge, b.mac(), frames.IPV4, forged))
    host.wait_flow(from_="b", verdict="deny", service="udp/7777")
    host.agent.call(say, handle, b"again")
    tap.equal(host.agent.call(hear, handle, 100, 10), b"again", "and nobody else has")


BOTH_GATES = [
    test_simultaneous_open,
    test_blind,
    test_ports_again,
    test_large_segments,
    test_path_mtu,
    test_errors,
    test_sctp,
    test_parts,
    test_equal_addresses,
]

if __name__ == "__main__":
    OTHERS = [test_groups, test_answers_to_the_host, tap.with_options(test_blind, "--no-tcx")]
    tap.main(BOTH_GATES + OTHERS + [tap.nft_alone(test) for test in BOTH_GATES], jobs=3)
