#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
# suite-timeout: 1800
"""Interfaces that go down, get other names, other bridges, other namespaces; the pins' file system unmounted; a container
that flaps its link; labels that change as fast as can be. Nothing leaks, and whoever is not concerned loses nothing."""

import sys

sys.path.insert(0, __file__.rsplit("/", 1)[0])
from lib import chaos, namespace, tap
from lib.host import run, wait_until


def start(host):
    chaos.scene(host)
    host.start()
    host.wait_open()
    return chaos.Traffic(host, 2000)


def again(host, what):
    """All ports are open, and what is allowed flows."""
    host.wait_open("web", "db", "mallory", "cache", timeout=chaos.PATIENCE)
    chaos.wait_whole(host, what)


def rename(host, name, to):
    """The host's side of a container's veth."""
    side, inside = host.containers[name].interfaces[0]
    run("ip", "link", "set", side, "down")
    run("ip", "link", "set", side, "name", to)
    run("ip", "link", "set", to, "up")
    host.containers[name].interfaces[0] = (to, inside)


def test_interfaces(host):
    """db's interface down and up, renamed, on another bridge, in another namespace, and back"""
    traffic = start(host)
    run("ip", "netns", "add", "aside")
    for _ in range(chaos.times(1, 20)):
        for words in (("down",), ("up",), ("nomaster",), ("master", "br1"), ("master", "br0")):
            run("ip", "link", "set", "vdb0", *words)
            traffic.no_leak(" ".join(words))
        again(host, "on its bridge")
        rename(host, "db", "vrenamed")
        traffic.no_leak("renamed")
        again(host, "renamed")
        rename(host, "db", "vdb0")
        again(host, "with its old name")
        run("ip", "link", "set", "vdb0", "netns", "aside")
        traffic.no_leak("in another namespace")
        run("ip", "-n", "aside", "link", "set", "vdb0", "netns", str(host.agent.pid))
        run("ip", "link", "set", "vdb0", "master", "br0", "up")
        again(host, "come back")
        traffic.no_leak("come back")
    run("ip", "netns", "del", "aside")
    traffic.finish("after all", lossy="db could not be reached", cut=True)


def test_unmounted(host):
    """The BPF file system with the pins is unmounted: what is in force stays, and is pinned again when it is back"""
    traffic = start(host)
    for _ in range(chaos.times(2, 20)):
        run("umount", "-l", host.pins_mount)
        traffic.no_leak("unmounted")
        host.request({"command": "reload"})  # refused or not
        traffic.no_leak("unmounted, and a reload")
        namespace.mount("bpf", host.pins_mount, "bpf")
        wait_until(lambda: host.request({"command": "reload"})["ok"], chaos.PATIENCE, "a reload, mounted again")
        chaos.wait_whole(host, "mounted again")
    host.kill()
    traffic.no_leak("killed")
    host.start()
    chaos.wait_whole(host, "a new daemon")
    traffic.finish("after the file system came and went")


def test_flapping(host):
    """A container takes its link down and up, thousands of times: its neighbours lose nothing, and it is open at the end"""
    traffic = start(host)
    mallory = host.containers["mallory"]
    count = chaos.times(300, 5000)
    for _ in range(0, count, 100):
        run("ip", "-n", "mallory", "-batch", "-", input="link set eth0 down\nlink set eth0 up\n" * 100)
        tap.expect(host.ask("status")["ports"], "the daemon answers")
    for address in ("10.77.0.4/24", "fd77::4/64"):
        mallory.run("ip", "addr", "replace", address, "dev", "eth0")
    again(host, "it rests")
    traffic.finish(f"after a link went down {count} times")


def test_labels(host):
    """A container's labels change as fast as can be: none of its packets passes by the labels that it had before"""
    traffic = start(host)
    host.container("chameleon", "br0", ["10.77.0.50/24"])
    words = {"interface": "vchameleon0", "netns": "/run/netns/chameleon", "name": "chameleon", "addresses": ["10.77.0.50"]}
    chameleon = host.containers["chameleon"]
    count = chaos.times(150, 10000)
    for number in range(count):
        tier = ("front", "other")[number % 2]
        answer = host.request({"command": "adopt", "wait_ms": 30000, **words, "labels": {"tier": tier, "turn": str(number)}})
        tap.expect(answer["ok"], f"adopted as {tier}: {answer}")
        if number % 50 < 2:
            tap.equal(chameleon.reach("udp", "10.77.0.3", 5432, 3 if tier == "front" else 0.3), tier == "front", f"as {tier}")
    chaos.wait_whole(host, "after all labels")
    traffic.finish(f"after {count} changes of labels")


if __name__ == "__main__":
    tap.main([test_interfaces, test_unmounted, test_flapping, test_labels])
