#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Starts and stops containers in waves, for scripts/bench: how soon does each get through?

    containers.py COUNT WAVE        prints one JSON object, times in ms

A container is a named network namespace with a veth pair on br0 (10.9.0.1/16), whose first act is to send: it sends
datagrams to the bridge's address from before its link is up until one arrives. Its clock starts when its link has
carrier and its address is set: from then on its owner can be known. Meanwhile somebody else asks for the kernel's lock
of all interfaces again and again: what that takes is beyond the daemon's power. Must run where bulkheadd does, as
root."""
import ctypes
import fcntl
import json
import os
import select
import socket
import struct
import sys
import time

BRIDGE, GATEWAY, PORT = "br0", "10.9.0.1", 5000
CLONE_NEWNET, MS_BIND, MNT_DETACH = 0x40000000, 0x1000, 2
SIOCSIFFLAGS, SIOCSIFADDR, SIOCSIFNETMASK, SIOCSARP, SIOCBRADDIF, SIOCGIFHWADDR = (
    0x8914, 0x8916, 0x891C, 0x8955, 0x89A2, 0x8927)
IFF_UP, ATF_COM, ATF_PERM = 1, 2, 4
GIVE_UP_S = 20
libc = ctypes.CDLL(None, use_errno=True)


def call(function, *arguments):
    if function(*arguments) < 0:
        raise OSError(ctypes.get_errno(), function.__name__)


def ioctl(request, name, rest):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        return fcntl.ioctl(control, request, struct.pack("16s24s", name.encode(), rest))


def ipv4(address):
    return struct.pack("HH4s8x", socket.AF_INET, 0, socket.inet_aton(address))


def attribute(kind, value):
    return struct.pack("HH", 4 + len(value), kind) + value + b"\0" * (-len(value) % 4)


def veth_make(name, namespace):
    """The pair NAME here and eth0 in the namespace (a descriptor): RTM_NEWLINK."""
    header = struct.pack("BxHiII", socket.AF_UNSPEC, 0, 0, 0, 0)
    peer = header + attribute(3, b"eth0\0") + attribute(28, struct.pack("I", namespace))
    info = attribute(1, b"veth\0") + attribute(2, attribute(1, peer))
    body = header + attribute(3, name.encode() + b"\0") + attribute(18, info)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as link:
        link.send(struct.pack("IHHII", 16 + len(body), 16, 0x605, 1, 0) + body)
        answer = link.recv(65536)
    if struct.unpack_from("i", answer, 16)[0] < 0:
        raise OSError(-struct.unpack_from("i", answer, 16)[0], "RTM_NEWLINK " + name)


class Container:
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    gateway_mac = None

    def __init__(self, number):
        self.number, self.name = number, f"start{number}"
        self.path = f"/run/netns/{self.name}"
        if not Container.gateway_mac:
            Container.gateway_mac = ioctl(SIOCGIFHWADDR, BRIDGE, b"")[18:24]
        os.close(os.open(self.path, os.O_CREAT | os.O_RDONLY, 0o444))
        call(libc.unshare, CLONE_NEWNET)
        call(libc.mount, b"/proc/self/ns/net", self.path.encode(), b"none", MS_BIND, None)
        self.namespace = os.open(self.path, os.O_RDONLY)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        call(libc.setns, Container.home, CLONE_NEWNET)

    def start(self):
        """Its clock's beginning."""
        veth_make("v" + self.name, self.namespace)
        index = socket.if_nametoindex("v" + self.name)
        ioctl(SIOCBRADDIF, BRIDGE, struct.pack("i", index))
        ioctl(SIOCSIFFLAGS, "v" + self.name, struct.pack("H", IFF_UP))
        call(libc.setns, self.namespace, CLONE_NEWNET)
        try:
            ioctl(SIOCSIFADDR, "eth0", ipv4(f"10.9.{self.number // 250 + 100}.{self.number % 250 + 2}"))
            ioctl(SIOCSIFNETMASK, "eth0", ipv4("255.255.0.0"))
            ioctl(SIOCSIFFLAGS, "eth0", struct.pack("H", IFF_UP))
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
                fcntl.ioctl(control, SIOCSARP, ipv4(GATEWAY) + struct.pack("H6s8x", 1, Container.gateway_mac)
                            + struct.pack("i16s16s", ATF_COM | ATF_PERM, b"", b"eth0"))
        finally:
            call(libc.setns, Container.home, CLONE_NEWNET)
        return time.monotonic()

    def stop(self):
        self.socket.close()
        os.close(self.namespace)
        call(libc.umount2, self.path.encode(), MNT_DETACH)
        os.unlink(self.path)


def prober(orders):
    """Gets (number, socket) pairs, sends from each until something arrives, and answers (number, when)."""
    sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    sink.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    sink.bind((GATEWAY, PORT))
    orders.setblocking(False)
    waiting = {}
    while True:
        try:
            data, descriptors, _, _ = socket.recv_fds(orders, 4, 1)
            if not data:
                return
            waiting[struct.unpack("i", data)[0]] = socket.socket(fileno=descriptors[0])
            continue
        except BlockingIOError:
            pass
        for number, sender in waiting.items():
            try:
                sender.sendto(struct.pack("i", number), (GATEWAY, PORT))
            except OSError:
                pass  # no route yet: its link is still down
        try:
            while True:
                number = struct.unpack("i", sink.recv(4))[0]
                if number in waiting:
                    waiting.pop(number).close()
                    orders.send(struct.pack("id", number, time.monotonic()))
        except BlockingIOError:
            pass
        time.sleep(0.0003)


def wave_run(numbers, probe, figures):
    containers = [Container(number) for number in numbers]
    began, left = {}, set(numbers)
    for container in containers:
        socket.send_fds(probe, [struct.pack("i", container.number)], [container.socket.fileno()])
    for container in containers:
        began[container.number] = container.start()
    end = time.monotonic() + GIVE_UP_S
    while left and time.monotonic() < end:
        probe.settimeout(max(0.01, end - time.monotonic()))
        try:
            number, when = struct.unpack("id", probe.recv(16))
        except socket.timeout:
            break
        left.discard(number)
        figures.append((when - began[number]) * 1000)
    for container in containers:
        container.stop()
    # The kernel takes namespaces down in its own time, with the lock of all interfaces held: that is no start's time.
    end = time.monotonic() + GIVE_UP_S
    while time.monotonic() < end and any(name.startswith("vstart") for _, name in socket.if_nameindex()):
        time.sleep(0.002)
    return len(left)


def lock_probe(out, stop):
    """Until `stop` is closed: how long does a call take that does nothing but take the lock? (lo is set up again.)"""
    waits = []
    while not select.select([stop], [], [], 0.005)[0]:
        begin = time.monotonic()
        ioctl(SIOCSIFFLAGS, "lo", struct.pack("H", IFF_UP))
        waits.append((time.monotonic() - begin) * 1000)
    os.write(out, json.dumps(spread(waits)).encode())


def spread(figures):
    figures = sorted(figures)

    def rank(share):
        return figures[min(len(figures) - 1, -(-len(figures) * share // 100) - 1)] if figures else float("nan")

    return {"median": rank(50), "p99": rank(99), "worst": rank(100)}


def main():
    count, wave = int(sys.argv[1]), int(sys.argv[2])
    waits, waits_out = os.pipe()
    stop_in, stop = os.pipe()
    locker = os.fork()
    if locker == 0:
        os.close(stop)
        lock_probe(waits_out, stop_in)
        os._exit(0)
    probe, orders = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    child = os.fork()
    if child == 0:
        probe.close()
        os.close(stop)
        prober(orders)
        os._exit(0)
    orders.close()
    os.makedirs("/run/netns", exist_ok=True)
    figures, waiting, start = [], 0, time.monotonic()
    for first in range(0, count, wave):
        waiting += wave_run(range(first, min(first + wave, count)), probe, figures)
    seconds = time.monotonic() - start
    probe.close()
    os.close(stop)
    os.waitpid(child, 0)
    os.waitpid(locker, 0)
    print(
        json.dumps(
            {
                "seconds": seconds,
                "waiting": waiting,
                "carrier": spread(figures),
                "lock": json.loads(os.read(waits, 4096)),
            }
        )
    )


main()
