#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
# suite-timeout: 900
"""Want: of room on the disk, of descriptors, of room in netlink sockets, of a clock that can be believed. What is in force
stays in force, and all is whole when there is enough again."""

import os
import pathlib
import resource
import sys

sys.path.insert(0, __file__.rsplit("/", 1)[0])
from lib import chaos, namespace, tap
from lib.faults import Faults
from lib.host import run, wait_until
from lib.two import PORTS, Two

MS_RDONLY, MS_REMOUNT = 1, 32
FEW_DESCRIPTORS = range(0, 12, 2)  # free ones
YEAR = 365 * 86400


def other_policy(host, two, number):
    """Reloads to the other of the two: True, or the daemon's word why not."""
    two.switch(PORTS[number % 2])
    try:
        host.reload()
        return True
    except RuntimeError as error:
        return str(error)


def full(state):
    """Fills it up, so that nothing can be written: how to make room again."""
    filler = pathlib.Path(state, "filler")
    with open(filler, "wb", 0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass
    return filler.unlink


def read_only(state):
    namespace.mount("tmpfs", state, "tmpfs", MS_REMOUNT | MS_RDONLY)
    return lambda: namespace.mount("tmpfs", state, "tmpfs", MS_REMOUNT)


def state_want(host, take, words):
    state = f"{host.directory}/small"
    os.makedirs(state)
    namespace.mount("tmpfs", state, "tmpfs", 0, "size=256k,mode=0700")
    chaos.scene(host)
    two = Two(host)
    host.options = ("--state", state)
    host.start()
    host.wait_open()
    two.expect([PORTS[0]], "at first")
    give = take(state)
    for number in range(4):
        said = other_policy(host, two, 1)
        tap.expect(said is not True and words in said, f"refused, and why: {said}")
        two.expect([PORTS[0]], f"{words}, reload {number}")
    host.kill()
    host.start(wait=False)
    wait_until(lambda: words in host.log(), chaos.PATIENCE, "the new daemon says it, too")
    two.expect([PORTS[0]], f"{words}, a new daemon")
    give()
    host.wait_settled(chaos.PATIENCE)
    host.reload()
    two.expect([PORTS[1]], "with room again")
    chaos.wait_whole(host, "with room again")


def test_disk_full(host):
    """The state directory is full: a new policy is refused, the old one stays, under a new daemon too; until there is room"""
    state_want(host, full, "No space left")


def test_read_only(host):
    """The state directory can't be written: the same"""
    state_want(host, read_only, "Read-only")


def test_descriptors(host):
    """The daemon has no descriptors left, or few: the policy is the old or the new one, what runs loses nothing"""
    chaos.scene(host)
    two = Two(host)
    host.start()
    host.wait_open()
    two.expect([PORTS[0]], "at first")
    in_force, number, pid = PORTS[0], 0, host.daemon.pid
    limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    for few in FEW_DESCRIPTORS:
        number += 1
        used = max(int(name) for name in os.listdir(f"/proc/{pid}/fd")) + 1
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (used + few, limits[1]))
        two.switch(PORTS[number % 2])
        try:
            said = host.request({"command": "reload"}, timeout=3).get("ok")
        except (OSError, EOFError, ValueError):
            said = None  # it could not even take the client
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
        new = PORTS[number % 2]
        two.expect({True: [new], False: [in_force], None: [in_force, new]}[said], f"with {few} descriptors, said {said}")
        host.reload()
        in_force = two.expect([new], f"after {few} descriptors")
        chaos.wait_whole(host, f"after {few} descriptors")
    host.container("late", "br0", ["10.77.0.9/24"], labels={"tier": "front"})
    resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
    host.wait_open("late", timeout=chaos.PATIENCE)
    host.reload()
    two.expect([PORTS[number % 2]], "with descriptors again")


def test_overruns(host):
    """Netlink sockets of the smallest size, while links, rules and the policy change: nothing leaks, and all ends whole"""
    chaos.scene(host)
    host.options = ("--no-owner",)
    faults = Faults(host)
    faults.tiny_buffers()
    host.start()
    host.wait_open()
    traffic = chaos.Traffic(host, 2000)
    links = "".join(f"link add d{i} type bridge\nlink set d{i} up\n" for i in range(60))
    gone = "".join(f"link del d{i}\n" for i in range(60))
    for number in range(chaos.times(3, 30)):
        run("ip", "-batch", "-", input=links)
        run("nft", "flush", "set", "bridge", "bulkhead", "open")
        run("nft", "-f", "-", input="add table inet t\n" + "".join(f"add chain inet t c{i}\n" for i in range(400)))
        run("nft", "delete", "table", "inet", "t")
        run("ip", "-batch", "-", input=gone)
        name = f"n{number}"
        host.container(name, "br0", [f"10.77.0.{100 + number}/24"], labels={"tier": "front"})
        host.wait_open(name, timeout=chaos.PATIENCE)
        tap.expect(host.containers[name].reach("udp", "10.77.0.3", 5432, 10), f"{name} is served")
        traffic.no_leak(f"round {number}")
    chaos.wait_whole(host, "after all")
    traffic.finish("after overruns", lossy="the set of open ports was flushed by others, each round")


def test_clock(host):
    """The time of day jumps by years, there and back, at each reload: nothing leaks, nothing allowed is lost"""
    chaos.scene(host)
    faults = Faults(host)
    host.start()
    host.wait_open()
    traffic = chaos.Traffic(host)
    generation = host.ask("status")["policy"]["generation"]
    for number, years in enumerate((10, -10, 0, 60, -25, 0) * chaos.times(1, 20)):
        faults.jump(years * YEAR)
        host.reload(chaos.POLICY + f"  - {{ from: other, to: 198.51.{number}.0/24, allow: tcp/1 }}\n")
        now = host.ask("status")["policy"]["generation"]
        tap.expect(now > generation, f"a jump of {years} years: generation {now} after {generation}")
        generation = now
        host.container(f"n{number}", "br0", [f"10.77.0.{10 + number}/24"], labels={"tier": "front"})
        host.wait_open(f"n{number}", timeout=chaos.PATIENCE)
    host.kill()
    host.start()
    chaos.wait_whole(host, "a new daemon")
    traffic.finish("after jumps of the clock")


if __name__ == "__main__":
    tap.main([test_disk_full, test_read_only, test_descriptors, test_overruns, test_clock])
