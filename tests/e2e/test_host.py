#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""The host's door: containers to the host, published ports, and processes of the host that forge stamps."""

import sys

sys.path.insert(0, __file__.rsplit("/", 1)[0])
from lib import frames, tap
from lib.attack import gets, gets_not
from lib.host import run

POLICY = """
version: 1
settings: { ignore: [ "up*" ] }
zones:
  red: { members: { label: "zone=red" } }
  blue: { members: { label: "zone=blue" } }
  green: { members: { label: "zone=green" } }
rules:
  - { from: red, to: blue, allow: [ tcp/80, udp/80, ping ] }
  - { from: red, to: host, allow: [ tcp/80, udp/80 ] }
  - { from: red, to: green, allow: udp/80 }
  - { from: world, to: blue, allow: tcp/80 }
"""
CLOSED_TO_HOST = POLICY.replace("settings: {", "settings: { host_to_containers: deny,")
SHIFT = 19
STAMPS = range(1, 40)  # the reserved ones, and more than the identities that these policies need


def scene(host):
    host.bridge("br0", "10.77.0.1/24", "fd77::1/64")
    host.bridge("br1", "10.78.0.1/24", "fd78::1/64")
    red = host.container("red", "br0", ["10.77.0.2/24", "fd77::2/64"], labels={"zone": "red"})
    blue = host.container("blue", "br1", ["10.78.0.3/24", "fd78::3/64"], labels={"zone": "blue"})
    green = host.container("green", "br0", ["10.77.0.4/24", "fd77::4/64"], labels={"zone": "green"})
    for agent in (red, blue, green, host.agent):
        for port in (80, 81):
            agent.listen("tcp", port)
            agent.listen("udp", port)
    host.policy(POLICY)
    return red, blue, green


HOST_ADDRESSES = ("10.77.0.1", "fd77::1", "10.78.0.1", "fd78::1")


def test_to_host(host):
    """Containers to the host: every address of it is the host, of both bridges and families; replies pass both ways"""
    red, blue, green = scene(host)
    for agent in (red, blue, green):
        for address in HOST_ADDRESSES:
            tap.expect(agent.reach("tcp", address, 81, 3), f"nobody polices: {address}")
    host.start()
    host.wait_open()
    for address in HOST_ADDRESSES:
        # A UDP server that is bound to all addresses answers from the one that is nearest.
        for protocol in ("tcp", "udp") if "77" in address else ("tcp",):
            tap.expect(red.reach(protocol, address, 80, 3), f"red to {address} {protocol}/80")
            tap.expect(not red.reach(protocol, address, 81, 0.3), f"red to {address} {protocol}/81")
            tap.expect(not blue.reach(protocol, address, 80, 0.3), f"blue to {address} {protocol}/80")
        tap.expect(not red.ping(address, 0.3), f"red may not ping {address}")
    flow = host.wait_flow(from_="red", verdict="deny", service="tcp/81")
    tap.expect(flow["reason"] in ("default", "host-door"), f"reason: {flow}")
    tap.expect(flow["rule"]["line"] > 0, f"the line that decided: {flow}")
    # The host opens flows to all of them, and their answers are no flows of their own.
    for agent in (red, blue, green):
        for address in agent.addresses:
            tap.expect(host.agent.reach("tcp", address, 81, 3), f"host to {address}")
            tap.expect(host.agent.reach("udp", address, 81, 3), f"host to {address} by UDP")
            tap.expect(host.agent.ping(address, 3), f"host pings {address}")
    host.reload(CLOSED_TO_HOST)
    for agent in (red, blue, green):
        for address in agent.addresses:
            tap.expect(not host.agent.reach("tcp", address, 81, 0.3), f"host to {address}, closed to it")
            tap.expect(not host.agent.reach("udp", address, 81, 0.3), f"host to {address} by UDP, closed to it")
    tap.expect(red.reach("tcp", "10.77.0.1", 80, 3), "what the host answers is no flow of its own")


def test_linklocal_host(host):
    """The host by its link-local address is the host as well"""
    red, _, green = scene(host)
    line = run("ip", "-6", "-o", "addr", "show", "dev", "br0", "scope", "link")
    address = line.split()[3].split("/")[0]
    tap.expect(green.reach("tcp", f"{address}%eth0", 80, 3), "nobody polices")
    host.start()
    host.wait_open()
    tap.expect(red.reach("tcp", f"{address}%eth0", 80, 3), "allowed")
    tap.expect(not red.reach("tcp", f"{address}%eth0", 81), "another port")
    tap.expect(not green.reach("tcp", f"{address}%eth0", 80), "from another zone")


def publish(masquerade):
    """What a runtime's -p does, by a table of the test's own."""
    run("nft", "add table ip published")
    run("nft", "add chain ip published pre { type nat hook prerouting priority -100; }")
    run("nft", "add chain ip published out { type nat hook output priority -100; }")
    for chain in ("pre", "out"):
        run("nft", f"add rule ip published {chain} fib daddr type local tcp dport 8080 dnat to 10.78.0.3:80")
    if masquerade:
        run("nft", "add chain ip published post { type nat hook postrouting priority 100; }")
        run("nft", 'add rule ip published post oifname "br1" masquerade')


def published(host, masquerade):
    red, blue, green = scene(host)
    far = host.outside("far", "up0", "203.0.113.1/24", ["203.0.113.9/24"])
    publish(masquerade)
    asked = ("10.77.0.1", "203.0.113.1")  # its gateway's address, and another of the host
    for agent in (red, green):
        for address in asked:
            tap.expect(agent.reach("tcp", address, 8080, 3), f"nobody polices: {address}:8080")
    tap.expect(far.reach("tcp", "203.0.113.1", 8080, 3), "nobody polices: from outside")
    host.start()
    host.wait_open("red", "blue", "green")
    for address in asked:
        tap.expect(red.reach("tcp", address, 8080, 3), f"red is allowed, by {address}:8080")
        tap.expect(not green.reach("tcp", address, 8080), f"green is not, by {address}:8080")
        tap.expect(not red.reach("tcp", address, 81, 0.3), "an unpublished port of the host")
    tap.expect(not green.reach("tcp", "10.78.0.3", 80), "nor may green directly")
    if not masquerade:
        tap.expect(far.reach("tcp", "203.0.113.1", 8080, 3), "from outside, allowed")
    flow = host.wait_flow(from_="green", to="blue", verdict="deny", service="tcp/80")
    tap.expect("rule" in flow, f"the line that decided: {flow}")
    connection = red.connect("10.77.0.1", 8080)
    tap.expect(red.exchange(connection, b"before"), "open before the change")
    host.reload(POLICY.replace("allow: [ tcp/80, udp/80, ping ]", "allow: ping"))
    tap.expect(not red.exchange(connection, b"after", 0.3), "cut by a change of policy")


def test_published(host):
    """A published port (DNAT) asked for from inside and outside: judged by who really asks"""
    published(host, False)


def test_published_masquerade(host):
    """The same where masquerade makes everybody look like the gateway"""
    published(host, True)


def test_hairpin(host):
    """A container that asks for its neighbour on the same bridge by the host's published address"""
    red, _, green = scene(host)
    blue = host.container("near", "br0", ["10.77.0.9/24"], labels={"zone": "blue"})
    blue.listen("tcp", 80)
    run("nft", "add table ip published")
    run("nft", "add chain ip published pre { type nat hook prerouting priority -100; }")
    run("nft", "add rule ip published pre fib daddr type local tcp dport 8080 dnat to 10.77.0.9:80")
    run("nft", "add chain ip published post { type nat hook postrouting priority 100; }")
    run("nft", "add rule ip published post ct status dnat masquerade")
    tap.expect(red.reach("tcp", "10.77.0.1", 8080, 3), "nobody polices: red")
    tap.expect(green.reach("tcp", "10.77.0.1", 8080, 3), "nobody polices: green")
    host.start()
    host.wait_open("red", "green", "near")
    tap.expect(red.reach("tcp", "10.77.0.1", 8080, 3), "red is allowed")
    tap.expect(not green.reach("tcp", "10.77.0.1", 8080), "green is not")


def sends_on(asked, service):
    """Port forwarding of the host, by a table of the test's own: to outside, and to a container that is not policed."""
    run("nft", "add table inet sends")
    run("nft", "add chain inet sends pre { type nat hook prerouting priority -100; }")
    run("nft", "add chain inet sends post { type nat hook postrouting priority 100; }")
    for protocol in ("tcp", "udp"):
        for address in asked:
            family, far, stray = "ip", "203.0.113.9", "10.77.0.66"
            if ":" in address:
                family, far, stray = "ip6", "[2001:db8:113::9]", "[fd77::66]"
            match = f"{family} daddr {address} {protocol} dport"
            run("nft", f"add rule inet sends pre {match} 8080 dnat {family} to {far}:80")
            run("nft", f"add rule inet sends pre {match} 8081 dnat {family} to {stray}:80")
        run("nft", f"add rule inet sends pre ip daddr {service} {protocol} dport 80 dnat ip to 203.0.113.9:80")
    run("nft", "add rule inet sends post ct status dnat masquerade")


def sent_on(host, bridge_nf_call):
    red, blue, green = scene(host)
    host.bridge_nf_call(bridge_nf_call)
    far = host.outside("far", "up0", "203.0.113.1/24", ["203.0.113.9/24", "2001:db8:113::9/64"], "2001:db8:113::1/64")
    stray = host.container("stray", "br0", ["10.77.0.66/24", "fd77::66/64"], interface="upstray")
    for agent in (far, stray):
        for protocol in ("tcp", "udp"):
            agent.listen(protocol, 80)
    asked = ("10.77.0.1", "fd77::1")
    service = "198.51.100.1"  # no address of the host's: there the policy's word on it is kept
    sends_on(asked, service)
    ways = [(protocol, address, port) for protocol in ("tcp", "udp") for address in asked for port in (8080, 8081)]
    for way in ways:
        tap.expect(green.reach(*way[:2], way[2], 3), f"nobody polices: {way}")
    host.start()
    host.wait_open("red", "blue", "green")
    tap.equal(green.reach_many([(*way, False) for way in ways], 0, 1.0), [False] * len(ways), f"sent on: {ways}")
    flow = host.wait_flow(from_="green", verdict="deny", reason="sent-on", service="tcp/80")
    tap.equal(flow["interface"], "vgreen0", "whose port")
    # Whatever it may do to the host: what is behind has rules of its own.
    free = "from: green, to: [ host, world ], allow: all"
    host.reload(POLICY.replace("from: red, to: host, allow: [ tcp/80, udp/80 ]", free))
    tap.equal(green.reach_many([(*way, False) for way in ways], 0, 1.0), [False] * len(ways), "though all is allowed")
    tap.expect(green.reach("tcp", service, 80, 3), "what is not sent to the host is judged at the port")
    tap.expect(green.reach("tcp", "203.0.113.9", 80, 3), "directly")
    tap.expect(host.ask("status")["gate"]["nft"]["dropped"]["sent_on"] > 0, "counted")
    host.reload(POLICY.replace("settings: {", "settings: { mode: audit,"))
    for way in ways:
        tap.expect(green.reach(*way, 3), f"in audit mode: {way}")
    host.wait_flow(from_="green", verdict="would-deny", reason="sent-on")


def test_sent_on(host):
    """What the host's NAT sends on from a container to where nobody judges (outside, an ignored port) is refused"""
    sent_on(host, False)


def test_sent_on_bridge_nf_call(host):
    """The same where bridged frames are handed to iptables, too"""
    sent_on(host, True)


def test_marks(host):
    """A process of the host with CAP_NET_RAW that sets marks (SO_MARK) is the host all the same"""
    red, blue, green = scene(host)
    host.policy(CLOSED_TO_HOST)
    host.start()
    host.wait_open()
    tap.expect(red.reach("udp", "10.78.0.3", 80, 3), "red may")
    for stamp in STAMPS:
        for address in ("10.78.0.3", "fd78::3"):
            tap.expect(not host.agent.reach("udp", address, 80, 0.05, mark=stamp << SHIFT), f"the host, marked {stamp}")
    tap.expect(not host.agent.reach("tcp", "10.77.0.4", 80, 0.3, mark=0xFFFFFFFF), "the host, marked in full")
    host.reload(POLICY)
    tap.expect(host.agent.reach("udp", "10.78.0.3", 80, 3, mark=20 << SHIFT), "marked, where the host may")


def marked_frames(host, interfaces):
    """Frames in red's name to green, straight to an interface of the host."""
    red, _, green = scene(host)
    host.policy(CLOSED_TO_HOST)
    mark = frames.marker()

    def forge(payload):
        return frames.eth(
            green.mac(), red.mac(), frames.IPV4, frames.udp("10.77.0.2", "10.77.0.4", 4000, 80, payload)
        )

    def to_lo(frame):
        # What loopback takes up is for its own MAC address, and is routed on.
        return frames.mac("00:00:00:00:00:00") + frame[6:]

    for interface in interfaces:
        frame = to_lo(forge(mark)) if interface == "lo" else forge(mark)
        send = lambda: host.agent.send_frame_marked(interface, frame, 0)
        tap.expect(gets(green, send, mark), f"nobody polices: by {interface}")
    host.start()
    host.wait_open()
    mark = frames.marker()
    tap.expect(gets(green, lambda: red.send_frame("eth0", forge(mark)), mark), "red itself may")
    for interface in interfaces:
        mark = frames.marker()
        frame = to_lo(forge(mark)) if interface == "lo" else forge(mark)

        def send():
            for stamp in (0, *STAMPS, 0x1FFF):
                host.agent.send_frame_marked(interface, frame, stamp << SHIFT)

        tap.expect(gets_not(green, send, mark), f"by {interface}, in red's name")


def test_marked_frames_bridge(host):
    """Frames with a mark that a process of the host sends by the bridge (AF_PACKET)"""
    marked_frames(host, ["br0"])


def test_marked_frames_port(host):
    """Frames with a mark that a process of the host sends by the port itself, past every hook of the bridge"""
    marked_frames(host, ["vgreen0"])


def test_marked_frames_loopback(host):
    """Frames with a mark that a process of the host sends by loopback, to be routed on"""
    marked_frames(host, ["lo"])


if __name__ == "__main__":
    tap.main(
        [
            test_to_host,
            tap.with_options(test_to_host, "--no-tcx", "--no-owner"),
            test_linklocal_host,
            test_published,
            test_published_masquerade,
            test_hairpin,
            test_sent_on,
            test_sent_on_bridge_nf_call,
            test_marks,
            test_marked_frames_bridge,
            test_marked_frames_port,
            tap.with_options(test_marked_frames_port, "--no-tcx"),
            test_marked_frames_loopback,
        ]
    )
