#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""`refuse: reject`: who sends what the policy denies hears of it at once, and nobody else hears anything."""

import ctypes
import errno
import fcntl
import json
import select
import socket
import struct
import sys
import time

sys.path.insert(0, __file__.rsplit("/", 1)[0])
from lib import frames, tap
from lib.attack import gets_not
from lib.host import run, wait_until
from lib.shop import POLICY, scene

REJECT = POLICY.replace("version: 1", "version: 1\nsettings: { refuse: reject }")
PATIENCE = 10  # seconds; an answer takes a fraction of a millisecond
SILENCE = 0.5  # for which nothing may come
ICMP, ICMP6 = 2, 3  # SO_EE_ORIGIN_ICMP, _ICMP6
PROHIBITED = {False: (ICMP, 3, 13), True: (ICMP6, 1, 1)}  # by 'is it IPv6'


def open_tcp(_agent, address, port, timeout):
    """The error of connect(): "ECONNREFUSED" and the like, "timeout", or "connected"."""
    client = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    client.settimeout(timeout)
    try:
        client.connect((address, port))
        return "connected"
    except socket.timeout:
        return "timeout"
    except OSError as error:
        return errno.errorcode[error.errno]
    finally:
        client.close()


def send_and_hear(_agent, address, kind, protocol, port, data, timeout):
    """Sends a datagram; (origin, type, code) of the error that comes back for it, or None."""
    v6 = ":" in address
    client = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, kind, protocol)
    level, option = (socket.IPPROTO_IPV6, 25) if v6 else (socket.IPPROTO_IP, 11)  # IPV6_RECVERR, IP_RECVERR
    client.setsockopt(level, option, 1)
    try:
        client.connect((address, port))
        client.send(data)
        poll = select.poll()
        poll.register(client, 0)  # POLLERR is always told
        if not poll.poll(timeout * 1000):
            return None
        ancillary = client.recvmsg(2048, 512, socket.MSG_ERRQUEUE)[1]
        _, origin, kind, code = struct.unpack_from("=IBBB", ancillary[0][2])
        return origin, kind, code
    finally:
        client.close()


def hears(agent, address, port, what):
    """TCP, UDP, ping and an unknown protocol to that address are refused with an answer."""
    v6 = ":" in address
    tap.equal(agent.call(open_tcp, address, port, PATIENCE), "ECONNREFUSED", f"{what}: TCP to {address}")
    datagram = agent.call(send_and_hear, address, socket.SOCK_DGRAM, 0, port, b"x" * 100, PATIENCE)
    tap.equal(datagram, PROHIBITED[v6], f"{what}: UDP to {address}")
    echo = struct.pack("!BBHHH", 128, 0, 0, 7, 1) if v6 else struct.pack("!BBHHH", 8, 0, 0xF7F7, 7, 1)
    heard = agent.call(send_and_hear, address, socket.SOCK_RAW, 58 if v6 else 1, 0, echo, PATIENCE)
    tap.equal(heard, PROHIBITED[v6], f"{what}: ping to {address}")
    # Of protocols without ports one whose checksum the kernel does not look for in vain (nf_reject_verify_csum).
    heard = agent.call(send_and_hear, address, socket.SOCK_RAW, 47, 0, b"\0\0\x88\xb5" + b"y" * 40, PATIENCE)
    tap.equal(heard, PROHIBITED[v6], f"{what}: GRE to {address}")


def start(host, policy=REJECT):
    web, db, mallory = scene(host)
    host.policy(policy)
    host.start()
    host.wait_open()
    return web, db, mallory


def test_host(host):
    """A container that the host refuses hears of it: TCP, UDP, ping and other protocols, over IPv4 and IPv6"""
    web, _, mallory = start(host)
    for address in ("10.77.0.1", "fd77::1"):
        tap.expect(web.reach("tcp", address, 5432, PATIENCE), f"allowed, to {address}")
        hears(web, address, 5433, "the host")
        hears(mallory, address, 5432, "the host, from another zone")


def test_containers(host):
    """Between containers, on one bridge and routed: the answer comes from the sender's own port"""
    web, db, mallory = start(host)
    host.bridge("br1", "10.78.0.1/24", "fd78::1/64")
    far = host.container("far", "br1", ["10.78.0.2/24", "fd78::2/64"], labels={"tier": "db"})
    host.wait_open()
    far.listen("tcp", 5432)
    for address in ("10.77.0.3", "fd77::3", "10.78.0.2", "fd78::2"):
        tap.expect(web.reach("tcp", address, 5432, PATIENCE), f"allowed, to {address}")
        if "77" in address:
            tap.expect(web.ping(address, PATIENCE), f"allowed, to {address}")
        tap.equal(web.call(open_tcp, address, 5433, PATIENCE), "ECONNREFUSED", f"TCP to {address}")
        heard = web.call(send_and_hear, address, socket.SOCK_DGRAM, 0, 5433, b"x" * 1400, PATIENCE)
        tap.equal(heard, PROHIBITED[":" in address], f"UDP to {address}")
    for address in ("10.78.0.2", "fd78::2"):
        hears(mallory, address, 5432, "another zone, routed")
    flow = host.wait_flow(from_="web", to="db", service="tcp/5433", verdict="deny")
    tap.equal(flow["reason"], "default", f"the reason is told as ever: {flow}")


def test_outside(host):
    """To the outside a container hears of it; from the outside nobody does"""
    web, _, _ = start(host, REJECT.replace("settings: {", 'settings: { ignore: [ "up*" ],'))
    out = host.outside("out", "up0", "203.0.113.1/24", ["203.0.113.9/24", "2001:db8:9::9/64"], "2001:db8:9::1/64")
    host.ask("reload")
    for address in out.addresses:
        hears(web, address, 80, "the outside")
    for address in web.addresses:
        sniff = out.sniff_start("up0")
        tap.equal(out.call(open_tcp, address, 80, SILENCE), "timeout", f"TCP from outside to {address}")
        heard = out.call(send_and_hear, address, socket.SOCK_DGRAM, 0, 80, b"x", SILENCE)
        tap.equal(heard, None, f"UDP from outside to {address}")
        own = socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)
        tap.expect(not any(own in frame[14:54] and b"\x08\x06" != frame[12:14] for frame in out.sniff_stop(sniff)),
                   f"nothing came back from {address}")  # fmt: skip


def test_drop(host):
    """Without it nobody hears anything"""
    web, _, _ = start(host, POLICY)
    for address in ("10.77.0.1", "fd77::1", "10.77.0.3", "fd77::3"):
        tap.equal(web.call(open_tcp, address, 5433, SILENCE), "timeout", f"TCP to {address}")
        heard = web.call(send_and_hear, address, socket.SOCK_DGRAM, 0, 5433, b"x", SILENCE)
        tap.equal(heard, None, f"UDP to {address}")
    tap.expect("reject" not in run("nft", "list", "table", "inet", "bulkhead"), "nor does the door answer")


def test_audit(host):
    """In audit mode nothing is refused, and so nothing answered; back again it is"""
    web, _, _ = start(host, REJECT.replace("refuse: reject", "refuse: reject, mode: audit"))
    for address in ("10.77.0.1", "fd77::1", "10.77.0.3", "fd77::3"):
        tap.expect(web.reach("tcp", address, 5433, PATIENCE), f"audit: to {address}")
    host.reload(REJECT)
    for address in ("10.77.0.1", "fd77::1", "10.77.0.3", "fd77::3"):
        tap.equal(web.call(open_tcp, address, 5433, PATIENCE), "ECONNREFUSED", f"enforced: TCP to {address}")


def ends(agent, handle, data, timeout):
    """What becomes of a kept connection: the error that it ends with, "open" or "closed". Sends `data` if there is any."""
    client = agent.kept[handle]
    client.settimeout(timeout)
    try:
        if data:
            client.sendall(data)
        return "open" if client.recv(65536) else "closed"
    except socket.timeout:
        return "timeout"
    except OSError as error:
        return errno.errorcode[error.errno]


CUT = "".join(line for line in REJECT.splitlines(True) if "5432" not in line)


def test_cut(host):
    """A flow that a reload cuts ends with a reset at its next packet, at either end, with the host, and to the outside"""
    web, db, _ = scene(host)
    policy = REJECT.replace("settings: {", 'settings: { ignore: [ "up*" ],')
    out = host.outside("out", "up0", "203.0.113.1/24", ["203.0.113.9/24", "2001:db8:9::9/64"], "2001:db8:9::1/64")
    out.listen("tcp", 80)
    policy += "  - { from: world, to: shop/db, allow: tcp/5432 }\n  - { from: shop/front, to: world, allow: tcp/80 }\n"
    host.policy(policy)
    host.start()
    host.wait_open("web", "db", "mallory")
    cut = [(web, web.connect(address, 5432)) for address in ("10.77.0.3", "fd77::3", "10.77.0.1", "fd77::1")]
    cut += [(web, web.connect(address, 80)) for address in out.addresses]
    from_outside = [out.connect(address, 5432) for address in db.addresses]
    for agent, connection in cut + [(out, connection) for connection in from_outside]:
        tap.expect(agent.exchange(connection, b"x" * 100000, PATIENCE), "open before the change")
    waits = db.call(accepted)
    host.reload(CUT.replace("settings: {", 'settings: { ignore: [ "up*" ],'))
    for agent, connection in cut:
        tap.equal(agent.call(ends, connection, b"y" * 5000, PATIENCE), "ECONNRESET", "its next packet")
    # The container's end hears of what comes from outside, and the outside of nothing.
    for connection in from_outside:
        tap.equal(out.call(ends, connection, b"z" * 100, SILENCE), "timeout", "the outside waits")
    tap.equal(waits, 2 + len(from_outside), "connections that db has accepted")
    if "gates: [ nft ]" in REJECT:
        return  # nft can't make a reset of what it refuses
    wait_until(lambda: db.call(accepted) <= 2, PATIENCE, "db's ends of the flows from outside are closed")


def accepted(_agent):
    """How many TCP connections are open here."""
    return sum(line.split()[3] == "01" for family in ("tcp", "tcp6") for line in open(f"/proc/self/net/{family}"))


def heard_by(agent, act, forgiven=()):
    """The IP frames that come in at a container's interface because of act(), but for what `forgiven` names. What is
    there when an allowed packet has come back after it has come by then: a veth keeps order."""
    sniff = agent.sniff_start("eth0")
    act()
    return [frame for frame in agent.sniff_stop(sniff)
            if frame[12:14] in (b"\x08\x00", b"\x86\xdd") and not any(needle in frame for needle in forgiven)]  # fmt: skip


def test_hostile(host):
    """Spoofed sources, groups, broadcast, resets and errors get no answer, and no neighbour hears a thing"""
    web, db, mallory = start(host)
    mac, gateway = mallory.mac(), json.loads(run("ip", "-j", "link", "show", "br0"))[0]["address"]
    mark = frames.marker()
    own, victim, target = ("10.77.0.4", "fd77::4"), ("10.77.0.2", "fd77::2"), ("10.77.0.1", "fd77::1")
    silent = []
    for v6 in (0, 1):
        kind, udp = (frames.IPV4, frames.IPV6)[v6], frames.udp(own[v6], target[v6], 4000, 5433, mark)
        group = ("224.0.0.77", "ff02::77")[v6]
        silent += [
            frames.eth(gateway, mac, kind, frames.udp(victim[v6], target[v6], 4000, 5433, mark)),  # not its address
            frames.eth(gateway, web.mac(), kind, udp),  # not its MAC
            frames.eth(frames.BROADCAST, mac, kind, udp),
            frames.eth(frames.group_mac(group), mac, kind, frames.udp(own[v6], group, 4000, 5433, mark)),
            frames.eth(gateway, mac, kind, frames.tcp(own[v6], target[v6], 4000, 5433, frames.RST, payload=mark)),
            frames.eth(gateway, mac, kind, frames.tcp(own[v6], target[v6], 4000, 5433, frames.RST | frames.ACK, payload=mark)),
            frames.eth(gateway, mac, kind, frames.icmp(own[v6], target[v6], 1 if v6 else 3, 4, b"\0" * 4 + udp)),
            frames.eth(gateway, mac, kind, frames.tcp(own[v6], target[v6], 4000, 5433, frames.ACK, payload=mark)),
        ]
    silent.append(frames.eth(frames.BROADCAST, mac, frames.IPV4, frames.udp("10.77.0.4", "10.77.0.255", 4000, 5433, mark)))
    silent.append(frames.eth(gateway, mac, frames.IPV4, frames.udp("10.77.0.4", "10.77.0.255", 4000, 5433, mark)))
    silent.append(frames.eth(gateway, mac, frames.IPV4, frames.ipv4("10.77.0.4", "10.77.0.1", 17, mark, fragment=64)))
    last = frames.eth(gateway, mac, frames.IPV4, frames.udp("10.77.0.4", "10.77.0.3", 4001, 5433, b"last"))
    answered = []

    def attack():
        listening = [agent.sniff_start("eth0") for agent in (web, db)]
        answered.extend(heard_by(mallory, shoot))
        for agent, sniff in zip((web, db), listening):
            ip = [frame for frame in agent.sniff_stop(sniff) if frame[12:14] in (b"\x08\x00", b"\x86\xdd")]
            tap.equal(ip, [], "what neighbours hear")

    def shoot():
        done = mallory.sniff_start("eth0")
        for frame in silent:
            mallory.send_frame("eth0", frame)
        mallory.send_frame("eth0", last)
        tap.expect(mallory.sniff_until(done, b"last", PATIENCE), "the last one is answered")
        mallory.sniff_stop(done)

    attack()
    tap.equal([frame for frame in answered if b"last" not in frame], [], "what the attacker hears")
    tap.equal(len(answered), 1, "one answer, to the last")


def test_flood(host):
    """A flood is answered as often as the limit says and no more, from the port as from the door; others have their own"""
    web, _, mallory = start(host)
    mac, gateway = mallory.mac(), json.loads(run("ip", "-j", "link", "show", "br0"))[0]["address"]
    for target in ("10.77.0.3", "10.77.0.1"):
        frame = frames.eth(gateway, mac, frames.IPV4, frames.tcp("10.77.0.4", target, 4000, 5433, frames.SYN))
        sniff = mallory.sniff_start("eth0")
        begin = time.monotonic()
        mallory.send_frame("eth0", frame, 5000)
        answers, needle = 0, socket.inet_aton(target) + socket.inet_aton("10.77.0.4") + struct.pack("!HH", 5433, 4000)
        while mallory.sniff_until(sniff, needle, SILENCE):
            answers += 1
        most = 50 + (time.monotonic() - begin) * 100 + 1
        mallory.sniff_stop(sniff)
        tap.expect(50 <= answers <= most, f"answers to a flood at {target}: {answers} of at most {most:.0f}")
        tap.equal(web.call(open_tcp, target, 5433, PATIENCE), "ECONNREFUSED", f"another container meanwhile, to {target}")


def test_forged(host):
    """The stamp of answers, brought by a process of the host or by a container, lets nothing in"""
    web, db, mallory = start(host, REJECT.replace("refuse: reject", "refuse: reject, host_to_containers: deny"))
    mark = frames.marker()
    forged = []
    for source in (web, mallory):
        for flags in (frames.RST, frames.SYN):
            body = frames.tcp(source.address(), db.address(), 4000, 5433, flags, payload=mark)
            forged.append(frames.eth(db.mac(), source.mac(), frames.IPV4, body))

    def send():
        for frame in forged:
            for interface in ("vdb0", "br0"):
                for stamp in (7, 0):
                    host.agent.send_frame_marked(interface, frame, stamp << 19)

    tap.expect(gets_not(db, send, mark), "from a process of the host")
    frame = frames.eth(db.mac(), mallory.mac(), frames.IPV4, frames.udp(mallory.address(), db.address(), 4000, 5432, mark))
    tap.expect(gets_not(db, lambda: mallory.send_frame_marked("eth0", frame, 7 << 19), mark), "from a container")
    tap.expect(not mallory.reach("udp", db.address(), 5432, SILENCE, mark=7 << 19), "from a container's socket")


def test_checksums(host):
    """The answer's checksums are right whether or not the interfaces compute them, and for packets of many segments"""
    web, _, _ = start(host)
    for side, on in (("vweb0", False), ("eth0", False), ("vweb0", True)):
        agent = web if side == "eth0" else host.agent
        agent.call(checksums_offload, side, on)
        hears_it(web, f"{side} with checksums {'left open' if on else 'computed'}")
    connections = [web.connect(address, 5432) for address in ("10.77.0.3", "fd77::3")]
    for connection in connections:
        tap.expect(web.exchange(connection, b"x" * 200000, PATIENCE), "open before the change")
    host.reload(CUT)
    for connection in connections:
        tap.equal(web.call(ends, connection, b"y" * 60000, PATIENCE), "ECONNRESET", "in the midst of many segments")


def checksums_offload(_agent, interface, on):
    """`ethtool -K INTERFACE tx on|off`: are checksums left to the hardware that sends?"""
    value = ctypes.create_string_buffer(struct.pack("=II", 0x17, on))  # ETHTOOL_STXCSUM
    request = struct.pack("16sP16x", interface.encode(), ctypes.addressof(value))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, 0x8946, request)  # SIOCETHTOOL


def hears_it(web, what):
    for address in ("10.77.0.3", "fd77::3"):
        tap.equal(web.call(open_tcp, address, 5433, PATIENCE), "ECONNREFUSED", f"{what}: TCP to {address}")
        heard = web.call(send_and_hear, address, socket.SOCK_DGRAM, 0, 5433, b"x" * 1400, PATIENCE)
        tap.equal(heard, PROHIBITED[":" in address], f"{what}: UDP to {address}")


def alone(test):
    """The same where nftables judges alone."""

    def variant(host):
        global REJECT, CUT
        REJECT, CUT = (text.replace("refuse: reject", "refuse: reject, gates: [ nft ]") for text in (REJECT, CUT))
        host.bridge_nf_call(True)
        test(host)

    variant.__name__ = f"{test.__name__}_alone"
    variant.__doc__ = f"{test.__doc__.strip().splitlines()[0]} (gates: [ nft ])"
    return variant


def test_from_host(host):
    """A process of the host that may not reach containers hears of it"""
    web, _, _ = start(host, REJECT.replace("refuse: reject", "refuse: reject, host_to_containers: deny"))
    for address in web.addresses:
        tap.equal(host.agent.call(open_tcp, address, 5433, PATIENCE), "ECONNREFUSED", f"TCP to {address}")
        tap.equal(host.agent.call(send_refused, address, 5433), "EPERM", f"UDP to {address}")


def test_published(host):
    """Where the host's NAT leads a container to a port that refuses it, the answer finds its way back"""
    web, db, mallory = start(host)
    host.bridge("br1", "10.78.0.1/24", "fd78::1/64")
    far = host.container("far", "br1", ["10.78.0.2/24", "fd78::2/64"], labels={"tier": "db"})
    host.wait_open()
    far.listen("tcp", 5432)
    far.listen("udp", 5432)
    host.agent.run("nft", "add table inet docker; add chain inet docker pre { type nat hook prerouting priority -100; };"
                   " add rule inet docker pre meta l4proto { tcp, udp } th dport 8080 ip daddr 10.77.0.1 dnat ip to 10.78.0.2:5432;"
                   " add rule inet docker pre meta l4proto { tcp, udp } th dport 8080 ip6 daddr fd77::1 dnat ip6 to [fd78::2]:5432")  # fmt: skip
    for address in ("10.77.0.1", "fd77::1"):
        tap.expect(web.reach("tcp", address, 8080, PATIENCE), f"allowed, by {address}")
        tap.equal(mallory.call(open_tcp, address, 8080, PATIENCE), "ECONNREFUSED", f"TCP by {address}")
        heard = mallory.call(send_and_hear, address, socket.SOCK_DGRAM, 0, 8080, b"x" * 100, PATIENCE)
        tap.equal(heard, PROHIBITED[":" in address], f"UDP by {address}")


def test_cut_from_host(host):
    """A connection of the host's own that a reload cuts ends at both ends"""
    web, _, _ = start(host)
    web.listen("tcp", 80)
    connections = [host.agent.connect(address, 80) for address in web.addresses]
    for connection in connections:
        tap.expect(host.agent.exchange(connection, b"x", PATIENCE), "open before the change")
    tap.equal(web.call(accepted), 2, "connections at web")
    host.reload(REJECT.replace("refuse: reject", "refuse: reject, host_to_containers: deny"))
    for connection in connections:
        tap.equal(host.agent.call(ends, connection, b"y" * 5000, PATIENCE), "ECONNRESET", "the host's end")
    wait_until(lambda: web.call(accepted) == 0, PATIENCE, "the container's ends are closed")


def send_refused(_agent, address, port):
    """The error of a datagram's send(), or "sent"."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as client:
        try:
            client.sendto(b"x", (address, port))
            return "sent"
        except OSError as error:
            return errno.errorcode[error.errno]


if __name__ == "__main__":
    tap.main([test_host, tap.with_options(test_host, "--no-owner", "--no-tcx"), test_containers, test_outside, test_drop, test_audit, test_cut,
              test_hostile, test_flood, test_forged, test_checksums,
              alone(test_host), alone(test_containers), alone(test_outside), alone(test_cut), alone(test_hostile),
              alone(test_flood), alone(test_from_host),
              test_from_host, test_published, test_cut_from_host])
