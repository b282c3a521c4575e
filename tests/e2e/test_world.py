#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
# suite-timeout: 600
"""The world moves: links flap, are renamed, change bridges; containers go and others take their place; names are hostile."""

import json
import os
import re
import signal
import sys

sys.path.insert(0, __file__.rsplit("/", 1)[0])
from lib import frames, tap
from lib.attack import gets_not
from lib.host import run, wait_until
from lib.shop import POLICY, Traffic, holds, scene

RULES = POLICY + "  - { from: shop/db, to: shop/front, allow: [ tcp/8000, udp/8000 ] }\n"


def start(host):
    web, db, mallory = scene(host)
    for protocol in ("tcp", "udp"):
        web.listen(protocol, 8000)
    host.policy(RULES)
    host.start()
    host.wait_open()
    return web, db, mallory


def ports(host):
    return {port["interface"]: port for port in host.ask("ports")}


def remove(host, name):
    """The container ends: its namespace goes, and with it the port."""
    container = host.containers.pop(name)
    container.stop()
    run("ip", "netns", "del", name)
    wait_until(lambda: container.port not in run("ip", "-br", "link"), 5, f"{container.port} is gone")


def test_flap(host):
    """Links that go down and up, on either side: open connections live on, and what is denied stays denied"""
    web, db, _ = start(host)
    connection = web.connect("10.77.0.3", 5432)
    for _ in range(3):
        run("ip", "link", "set", web.port, "down")
        run("ip", "link", "set", web.port, "up")
        db.run("ip", "link", "set", "eth0", "down")
        db.run("ip", "link", "set", "eth0", "up")
    db.run("ip", "addr", "replace", "fd77::3/64", "dev", "eth0", "nodad")  # a link that goes down loses those
    wait_until(lambda: web.exchange(connection, b"x", 0.5), 10, "the connection goes on")
    wait_until(lambda: web.reach("udp", "fd77::3", 5432), 10, "and IPv6 too")
    holds(host, "after flaps")


def test_rename(host):
    """An interface that is renamed stays the port it was"""
    web, _, _ = start(host)
    connection = web.connect("fd77::3", 5432)
    run("ip", "link", "set", web.port, "down")
    run("ip", "link", "set", web.port, "name", "elsewhere")
    run("ip", "link", "set", "elsewhere", "up")
    wait_until(lambda: ports(host).get("elsewhere", {}).get("state") == "open", 5, "the port by its new name")
    tap.equal(ports(host)["elsewhere"]["container"], "web", "its container")
    tap.expect(web.port not in ports(host), "the old name is gone")
    wait_until(lambda: web.exchange(connection, b"x", 0.5), 10, "the connection goes on")
    holds(host, "after the rename")


def test_other_bridge(host):
    """A port that is moved to another bridge: neither bridge's neighbours get what the policy does not allow"""
    host.bridge("br1", "10.78.0.1/24", "fd78::1/64")
    web, db, mallory = start(host)
    far = host.container("far", "br1", ["10.78.0.3/24"], labels={"tier": "db"})
    far.listen("udp", 5432)
    host.wait_open()
    # What web sends on the wrong bridge, in the name that it has there and in the one that it had.
    run("ip", "link", "set", web.port, "master", "br1")
    web.run("ip", "addr", "add", "10.78.0.2/24", "dev", "eth0")
    # By the first it is soon known there, as the front that it is: then to what the front may not have.
    for source, port in (("10.78.0.2", 5433), ("10.78.0.3", 5432), ("10.78.0.1", 5432)):
        mark = frames.marker()
        frame = frames.eth(far.mac(), web.mac(), frames.IPV4, frames.udp(source, "10.78.0.3", 4000, port, mark))
        tap.expect(gets_not(far, lambda: web.send_frame("eth0", frame), mark), f"as {source} on the other bridge")
    tap.expect(not mallory.reach("udp", "10.77.0.3", 5432, 0.3), "mallory stays out")
    web.run("ip", "addr", "del", "10.78.0.2/24", "dev", "eth0")
    run("ip", "link", "set", web.port, "master", "br0")
    wait_until(lambda: web.reach("tcp", "10.77.0.3", 5432), 10, "back on its own bridge it is itself again")
    holds(host, "afterwards")
    tap.expect(db.reach("tcp", "10.77.0.2", 8000, 3), "and known to others")


def take_place(host, killed):
    web, db, _ = start(host)
    mac = db.mac()
    connection = web.connect("10.77.0.3", 5432, protocol="udp")
    tap.expect(web.exchange(connection), "web speaks to db")
    tap.expect(db.reach("udp", "10.77.0.2", 8000, 3, source_port=7000), "db speaks to web")
    if killed:
        host.kill(signal.SIGKILL)
    remove(host, "db")
    thief = host.container("db", "br0", ["10.77.0.3/24", "fd77::3/64"], labels={"tier": "other"}, mac=mac)
    for protocol in ("tcp", "udp"):
        thief.listen(protocol, 5432)
    sniff = thief.sniff_start("eth0")
    if killed:
        tap.expect(not web.exchange(connection, b"secret", 0.3), "a successor without a daemon hears nothing")
        tap.expect(not thief.reach("udp", "10.77.0.2", 8000, 0.3, source_port=7000), "nor is it heard")
        host.start()
    host.wait_open("web", "db", "mallory")
    tap.equal(ports(host)[thief.port]["zone"], "other", "the successor's zone")
    tap.expect(not web.exchange(connection, b"secret", 0.3), "the flow to its predecessor does not go on")
    tap.expect(not thief.reach("udp", "10.77.0.2", 8000, 0.3, source_port=7000), "nor the one that its predecessor opened")
    for address in ("10.77.0.2", "fd77::2"):
        tap.expect(not thief.reach("tcp", address, 8000, 0.3), "it is not what its predecessor was")
    tap.expect(not web.reach("tcp", "10.77.0.3", 5432, 0.3), "nor is it asked what its predecessor was")
    tap.equal(sum(b"secret" in frame for frame in thief.sniff_stop(sniff)), 0, "what it heard of its predecessor's")
    # The same name and addresses, the right label: it is let in.
    remove(host, "db")
    heir = host.container("db", "br0", ["10.77.0.3/24", "fd77::3/64"], labels={"tier": "db"}, mac=mac)
    for port in (5432, 5433):
        heir.listen("tcp", port)
        heir.listen("udp", port)
    host.wait_open("db")
    holds(host, "with an heir")
    tap.expect(heir.reach("tcp", "10.77.0.2", 8000, 3), "the heir is what its predecessor was")


def test_successor(host):
    """A container takes the name, the addresses and the MAC of one that has gone: nothing of its identity or flows"""
    take_place(host, False)


def test_successor_killed(host):
    """The same while the daemon is dead"""
    take_place(host, True)


def test_conflict(host):
    """A container that comes with somebody's address, its gateway's or another host's gets nothing, and the owner keeps it"""
    web, db, _ = start(host)
    connection = web.connect("10.77.0.3", 5432)
    for number, address in enumerate(("10.77.0.3/24", "10.77.0.1/24", "fd77::3/64", "fd77::1/64")):
        thief = host.container(f"thief{number}", labels={"tier": "front"})
        host.plug(thief, None, [address])
        run("ip", "link", "set", thief.port, "master", "br0")  # no route by its own address
        thief.listen("udp", 5432)
        wait_until(lambda: ports(host).get(thief.port, {}).get("state") in ("conflict", "waiting"), 10, f"{address} is refused")
        taken = address.split("/")[0]
        tap.expect(taken not in ports(host)[thief.port].get("addresses", []), f"{address} is not its own")
        frame = frames.eth(
            web.mac(), thief.mac(), frames.ip_type(taken), frames.udp(taken, web.address(":" in taken), 4000, 8000, b"thief")
        )
        tap.expect(gets_not(web, lambda: thief.send_frame("eth0", frame), b"thief"), f"it does not speak as {address}")
        tap.expect(web.exchange(connection, b"x", 3), "its owner is not disturbed")
        remove(host, f"thief{number}")
    holds(host, "afterwards")
    tap.expect(db.reach("tcp", "10.77.0.2", 8000, 3), "the owner still has its address")


def test_equal_addresses(host):
    """Equal addresses on two bridges are not confused: each is judged on its own bridge, and no state is shared"""
    names = ("a", "b")
    for bridge in names:
        # As two tenants' networks; the host itself is on neither.
        host.bridge(f"br-{bridge}", "10.99.0.1/24")
        for role, number in (("client", 2), ("server", 3)):
            container = host.container(
                f"{role}-{bridge}", f"br-{bridge}", [f"10.99.0.{number}/24"], labels={"role": f"{role}-{bridge}"}
            )
            for port in (80, 81):
                container.listen("tcp", port)
                container.listen("udp", port)
    zones = "".join(f"  {r}-{b}: {{ members: {{ label: role={r}-{b} }} }}\n" for r in ("client", "server") for b in names)
    host.policy(
        "version: 1\nzones:\n" + zones + "rules:\n"
        "  - { from: client-a, to: server-a, allow: [ tcp/80, udp/80 ] }\n"
        "  - { from: client-b, to: server-b, allow: [ tcp/81, udp/81 ] }\n"
    )
    for bridge in names:
        for port in (80, 81):
            tap.expect(host.containers[f"client-{bridge}"].reach("tcp", "10.99.0.3", port, 3), f"nobody polices {bridge}")
    host.start()
    host.wait_open(*(f"{role}-{bridge}" for role in ("client", "server") for bridge in names))
    for _ in range(2):
        for protocol in ("tcp", "udp"):
            for bridge, allowed in (("a", 80), ("b", 81)):
                client = host.containers[f"client-{bridge}"]
                tap.expect(client.reach(protocol, "10.99.0.3", allowed, 3, source_port=0), f"{bridge}: {protocol}/{allowed}")
                denied = 161 - allowed
                tap.expect(not client.reach(protocol, "10.99.0.3", denied, 0.3), f"{bridge}: {protocol}/{denied}")
    flow = host.wait_flow(verdict="deny", service="tcp/80")
    tap.equal((flow["from"]["container"], flow["to"]["container"]), ("client-b", "server-b"), "who it was")


def test_churn(host):
    """Containers that come and go by the dozen under traffic: nothing leaks, nothing is lost, the daemon keeps nothing"""
    start(host)
    traffic = Traffic(host)

    def descriptors():
        return len(os.listdir(f"/proc/{host.daemon.pid}/fd"))

    def round_of(number):
        names = [f"c{number}-{n:02}" for n in range(12)]
        for n, name in enumerate(names):
            tier = ("front", "other")[n % 2]
            host.container(name, "br0", [f"10.77.0.{100 + n}/24", f"fd77::{100 + n}/64"], labels={"tier": tier})
        host.wait_open(*names, timeout=20)
        for n, name in enumerate(names):
            may = n % 2 == 0
            tap.equal(host.containers[name].reach("udp", "10.77.0.3", 5432, 3 if may else 0.1), may, f"{name}")
        for name in names:
            remove(host, name)
        # The kernel takes namespaces down one after the other, whosever they are: a busy machine has a queue of them.
        wait_until(lambda: not any(p["interface"].startswith("vc") for p in host.ask("ports")), 240, "they are gone")

    round_of(0)
    before = descriptors()
    for number in range(1, 4):
        round_of(number)
    wait_until(lambda: descriptors() <= before, 5, f"file descriptors: {before} before, {descriptors()} now")
    status = host.ask("status")
    tap.equal(status["health"], "ok", f"health: {status.get('problems')}")
    traffic.finish("after the churn")
    holds(host, "after the churn")


CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f\x80-\x9f]")


def test_hostile_names(host):
    """Names, labels and interfaces full of escapes and line breaks: nothing of them reaches a log or a terminal raw"""
    start(host)
    evil = "x\x1b[31mred\x1b]0;title\x07\r\n2026-01-01T00:00:00Z error: forged\x9b2J\u202e"
    host.container("evil\x1b[2Jname\nforged", "br0", ["10.77.0.20/24"], labels={"tier": "other", "note": evil, evil: "v"},
                   image=evil, namespace_=evil, interface="vev\x1b[31m")  # fmt: skip
    wait_until(lambda: any("10.77.0.20" in p.get("addresses", []) for p in host.ask("ports")), 10, "the port is known")
    wait_until(lambda: "10.77.0.20" in json.dumps(host.ask("ports")), 5, "its address")
    wait_until(lambda: next(p for p in host.ask("ports") if "10.77.0.20" in p["addresses"])["state"] == "open", 5, "open")
    hostile = next(c for n, c in host.containers.items() if n.startswith("evil"))
    tap.expect(not hostile.reach("udp", "10.77.0.3", 5432, 0.3), "it is denied")
    hostile.send_frame("eth0", frames.eth(frames.BROADCAST, hostile.mac(), 0x88CC, b"x"))
    wait_until(lambda: any(f["reason"] == "ethertype" for f in host.flows()), 5, "an event")
    for command in (["status"], ["ports"], ["flows"], ["matrix"], ["counters"], ["explain", "web", "db", "tcp/5432"]):
        text = host.cli(*command).stdout
        found = CONTROL.search(text)
        tap.expect(not found, f"{command[0]} prints {found and hex(ord(found.group()))}: {text!r}")
        tap.expect("\nforged" not in text and "\u202e" not in text, f"{command[0]}: {text!r}")
        for line in host.cli(*command, "--json").stdout.splitlines() if command[0] == "flows" else []:
            json.loads(line)
    host.reload(RULES.replace("tier=other", "note=x*"))
    remove(host, next(name for name in host.containers if name.startswith("evil")))
    log = host.log()
    found = CONTROL.search(log)
    tap.expect(not found, f"the log holds {found and hex(ord(found.group()))}: {log!r}")
    tap.expect(not re.search(r"^forged|^2026-01-01", log, re.M), f"a forged line in the log: {log!r}")
    holds(host, "afterwards")


if __name__ == "__main__":
    tap.main(
        [
            test_flap,
            test_rename,
            test_other_bridge,
            test_successor,
            test_successor_killed,
            test_conflict,
            test_equal_addresses,
            test_hostile_names,
            test_churn,
        ]
    )
