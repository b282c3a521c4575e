#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""`settings.gates`: nftables alone needs no eBPF, and neither mode opens anything while it follows the other."""

import os
import signal
import sys

sys.path.insert(0, __file__.rsplit("/", 1)[0])
from lib import frames, tap
from lib.host import wait_until
from lib.shop import POLICY, holds, scene

ALONE = POLICY.replace("version: 1\n", "version: 1\nsettings: { gates: [ nft ] }\n")


def pins(host):
    """Of programs and links: they hold these in the kernel, and at the ports."""
    directory = f"{host.pins_mount}/bulkhead"
    return len([name for name in os.listdir(directory) if name.startswith("link_")]) if os.path.exists(directory) else None


def gates(host):
    return host.ask("status")["gate"]["gates"]


def test_without_ebpf(host):
    """nft alone: ports open without a program or a pin; a daemon that follows knows what is in force"""
    scene(host)
    host.policy(ALONE)
    host.start()
    host.wait_open()
    status = host.ask("status")
    tap.equal(status["gate"]["gates"], ["nft"], "gates")
    tap.equal(status["health"], "ok", f"health: {status['problems']}")
    tap.expect("tc" not in status["gate"], "nothing is told of a gate that is not there")
    tap.equal(pins(host), None, "links that are pinned")
    generation = status["policy"]["generation"]
    host.kill(signal.SIGKILL)
    os.unlink(f"{host.directory}/state/registry.json")
    host.start()
    host.wait_open()
    tap.expect(host.ask("status")["policy"]["generation"] > generation, "generations go on without the registry")
    tap.expect("get new numbers" in host.log(), "numbers that flows may carry rest")


def test_reload_refuses(host):
    """Another value of `gates` needs a restart: a reload says so, with its place, and changes nothing"""
    scene(host)
    host.start()
    host.wait_open()
    try:
        host.reload(ALONE)
        raise AssertionError("the reload was taken")
    except RuntimeError as error:
        tap.expect("policy.yaml:3:13" in str(error) and "restart bulkheadd" in str(error), f"the place: {error}")
    tap.equal(gates(host), ["tc", "nft"], "gates")
    holds(host, "after a refused reload")
    host.kill(signal.SIGTERM)
    host.start()
    host.wait_open()
    tap.equal(gates(host), ["nft"], "gates after a restart")
    try:
        host.reload(POLICY)
        raise AssertionError("the reload was taken")
    except RuntimeError as error:
        tap.expect("restart bulkheadd" in str(error), f"why: {error}")


class Denied:
    """Frames that must never arrive, from everywhere to everybody, also from the host's side of what is denied."""

    def __init__(self, host):
        self.web, self.db, self.mallory = (host.containers[name] for name in ("web", "db", "mallory"))
        self.mark = frames.marker()
        self.sniff = self.db.sniff_start("eth0")
        self.spams = []
        for sender, address in ((self.mallory, "10.77.0.4"), (self.web, "10.77.0.2")):
            packet = frames.udp(address, "10.77.0.3", 4000, 5433, self.mark)
            frame = frames.eth(self.db.mac(), sender.mac(), frames.IPV4, packet)
            self.spams.append((sender, sender.spam_start("eth0", frame)))

    def finish(self, when):
        for sender, spam in self.spams:
            tap.expect(sender.spam_stop(spam) > 100, f"{when}: the denied frames were really sent")
        leaked = sum(self.mark in frame for frame in self.db.sniff_stop(self.sniff))
        tap.equal(leaked, 0, f"{when}: denied frames that arrived")


def test_switch(host):
    """From one mode to the other and back, by kill -9 and a restart: nothing denied comes through meanwhile"""
    scene(host)
    host.start()
    host.wait_open()
    denied = Denied(host)
    for text, expected in ((ALONE, ["nft"]), (POLICY, ["tc", "nft"]), (ALONE, ["nft"])):
        host.policy(text)
        host.kill(signal.SIGKILL)
        host.start()
        host.wait_open()
        tap.equal(gates(host), expected, "gates")
        tap.equal(host.ask("status")["health"], "ok", "health")
        tap.equal(pins(host), 6 if "tc" in expected else None, "links that are pinned, of three ports")
    denied.finish("after three changes")


def test_broken_then_mended(host):
    """After a start with a broken policy on a host that was policed, the first good one may name either gates"""
    scene(host)
    host.start()
    host.wait_open()
    for text, expected in ((ALONE, ["nft"]), (POLICY, ["tc", "nft"])):
        host.kill(signal.SIGKILL)
        host.policy("version: 1\nzones: 3\n")
        host.start(wait=False)
        denied = Denied(host)
        wait_until(lambda: os.path.exists(host.socket_path) and "policy_error" in status_or_not(host), 15, "a daemon")
        host.policy(text)
        host.wait_settled()
        host.wait_open()
        tap.equal(gates(host), expected, "gates")
        denied.finish("with a broken policy, and after")


def test_mounted_by_itself(host):
    """A BPF file system that the daemon mounted outlives a change to nftables alone, and goes with an uninstall"""
    scene(host)
    host.pins_mount = "/sys/fs/bpf"  # of this test's own /sys
    tap.expect(not os.path.ismount(host.pins_mount), "nobody has mounted it")
    host.start()
    host.wait_open()
    tap.expect(os.path.ismount(host.pins_mount), "the daemon has")
    for text, expected in ((ALONE, ["nft"]), (POLICY, ["tc", "nft"]), (ALONE, ["nft"])):
        host.policy(text)
        host.kill(signal.SIGTERM)
        host.start()
        host.wait_open()
        tap.equal(gates(host), expected, "gates")
        status = host.ask("status")
        tap.equal((status["health"], status["gate"].get("problem")), ("ok", None), "health")
        holds(host, f"by {' and '.join(expected)}")
    tap.equal(os.listdir(f"{host.pins_mount}/bulkhead"), ["mounted"], "what is left of the programs")
    tap.equal(host.kill(signal.SIGTERM), 0, "the daemon's end")
    host.uninstall()
    tap.expect(not os.path.ismount(host.pins_mount), "an uninstall unmounts it")


def status_or_not(host):
    try:
        return host.ask("status")
    except (OSError, EOFError):
        return {}


if __name__ == "__main__":
    tap.main([test_without_ebpf, test_reload_refuses, test_switch, test_mounted_by_itself, test_broken_then_mended])
