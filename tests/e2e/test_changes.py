#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
# suite-timeout: 400
"""What changes while containers run, with real engines: names, networks, addresses; and a runtime that falls silent."""

import json
import os
import pathlib
import signal
import socket
import sys
import threading
import time

sys.path.insert(0, __file__.rsplit("/", 1)[0])
from lib import frames, tap
from lib.engines import on
from lib.host import BUILD, wait_until

POLICY = """
version: 1
settings: { ignore: [ uplink ] }
zones:
  red: { members: [ { label: "zone=red" }, { name: "red-*" } ] }
  blue: { members: [ { label: "zone=blue" }, { name: "blue-*" } ] }
  green: { members: { label: "zone=green" } }
  ci: { members: { network: ci, not: { label: zone } } }
  plain: { members: { network: [SECOND], not: { label: zone } } }
rules:
  - { from: green, to: red, allow: [ udp/7, tcp/80 ] }
  - { from: red, to: green, allow: udp/7 }
"""
SUBNET = {"docker": "172.30.0.0/24", "podman": "10.55.0.0/24"}
MAC = "02:42:0a:37:00:4d"


def policy(host, *without):
    """`plain` is the engine's own first network, which is named differently. Zones that are not wanted are left out."""
    text = POLICY.replace("[SECOND]", {"docker": "bridge", "podman": "podman"}[host.engine.name])
    lines = text.splitlines(keepends=True)
    host.policy("".join(line for line in lines if not line.strip().startswith(tuple(f"{zone}: " for zone in without))))


def network(host):
    host.engine("network", "create", "--subnet", SUBNET[host.engine.name], "ci")


def fixed(host, last):
    return SUBNET[host.engine.name].replace(".0/24", f".{last}")


def identities(host, name):
    return sorted(str(port.get("identity")) for port in host.ports_of(name))


def wait_identities(host, name, *wanted):
    wait_until(lambda: identities(host, name) == sorted(wanted), 30, f"{name} is {wanted}")


def addresses(host, name):
    return [address for port in host.ports_of(name) for address in port["addresses"] if not address.startswith("fe80")]


def renamed(host):
    """another name is another zone, at once; and what was open is judged again"""
    network(host)
    green = host.run("green", "--label zone=green", "--network ci")
    one = host.run("red-1", "--network ci")
    one.listen("tcp", 80)
    policy(host, "ci", "plain")
    host.start()
    host.wait_guests("green", "red-1")
    tap.equal(identities(host, "red-1"), ["red"], "by its name")
    kept = green.connect(one.address(), 80)
    tap.expect(green.exchange(kept, b"x" * 100, 3), "the zone's connection")
    host.engine("rename", "red-1", "blue-1")
    wait_identities(host, "blue-1", "blue")
    tap.equal(host.ports_of("red-1"), [], "no port has the old name")
    tap.expect(not green.exchange(kept, b"x", 0.5), "cut")
    tap.expect(not green.reach("tcp", one.address(), 80), "denied")
    host.engine("rename", "blue-1", "red-2")
    wait_identities(host, "red-2", "red")
    tap.expect(green.reach("tcp", one.address(), 80, 3), "allowed again")


def second_network(host):
    """a network plugged into a running container is a second port, in another zone a bridge; it goes, and comes anew"""
    engine = host.engine
    network(host)
    box = host.run("box")
    policy(host)
    host.start()
    host.wait_guests("box")
    tap.equal(identities(host, "box"), ["plain"], "one network")
    tap.equal(host.ask("status")["bridging"], [], "no bridge")
    seen = set()
    for last in (40, 41, 42):
        engine("network", "connect", "--ip", fixed(host, last), "ci", "box")
        wait_identities(host, "box", "ci", "plain")
        tap.expect(fixed(host, last) in addresses(host, "box"), f"{addresses(host, 'box')} has the one that was given")
        tap.equal([a for a in addresses(host, "box") if a in seen], [], "and none that it had before")
        seen.add(fixed(host, last))
        bridging = host.ask("status")["bridging"]
        tap.equal([entry["container"] for entry in bridging], ["box"], "a bridge between zones")
        tap.equal(sorted(bridging[0]["zones"]), ["ci", "plain"], "which zones")
        engine("network", "disconnect", "ci", "box")
        wait_identities(host, "box", "plain")
    tap.expect(box.ping("127.0.0.1"), "it lives")


def behind_its_back(host):
    """a network that is changed for another address of it while the daemon looks away: it has the new one, never the old"""
    engine = host.engine
    network(host)
    host.run("box", "--network ci", f"--ip {fixed(host, 40)}", agent=False)
    policy(host)
    host.start()
    wait_identities(host, "box", "ci")
    tap.equal(addresses(host, "box"), [fixed(host, 40)], "at first")
    for last in (41, 42, 43, 44):
        os.kill(host.daemon.pid, signal.SIGSTOP)
        engine("network", "disconnect", "ci", "box")
        engine("network", "connect", "--ip", fixed(host, last), "ci", "box")
        os.kill(host.daemon.pid, signal.SIGCONT)
        wait_until(lambda: addresses(host, "box") not in ([], [fixed(host, last - 1)]), 20, "another address")
        tap.equal(addresses(host, "box"), [fixed(host, last)], "the new one")


def restarted(host):
    """a container that is started again with another address has that one and not the old, which is another's by then"""
    engine = host.engine
    network(host)
    green = host.run("green", "--label zone=green", "--network ci")
    host.run("first", "--label zone=red", "--network ci", agent=False)
    policy(host)
    host.start()
    host.wait_guests("green", "first")
    for last in range(3):
        old = addresses(host, "first")
        engine("stop", "-t", "0", "first")
        wait_until(lambda: not host.ports_of("first"), 20, "its port is gone")
        # Whoever gets the address that was free.
        host.run(f"thief-{last}", "--label zone=blue", f"--network ci", f"--ip {old[0]}", agent=False)
        wait_identities(host, f"thief-{last}", "blue")
        engine("start", "first")
        wait_identities(host, "first", "red")
        now = addresses(host, "first")
        tap.expect(now and not set(now) & set(old), f"{now} is not {old}")
        tap.equal(addresses(host, f"thief-{last}"), old, "the other has it")
        inside = json.loads(engine("inspect", "first"))[0]["NetworkSettings"]["Networks"]["ci"]["IPAddress"]
        tap.equal(now, [inside], "the engine says so, too")
    tap.expect(green.ping("127.0.0.1"), "it lives")


# Runs in a container, by the machine's own Python: writes a byte for each frame for UDP port 7 that arrives, and sends
# such frames itself, from its first moment on.
PEER = """
import fcntl, os, socket, struct
out = os.open("/out/{name}", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("eth0", 0x0800))
s.settimeout(0.002)
frame = bytes.fromhex("{frame}")
while True:
    try:
        s.send(frame)
    except OSError:
        pass
    try:
        got, where = s.recvfrom(2048)
        if where[2] != 4 and bytes.fromhex("{mark}") in got:
            os.write(out, b".")
    except OSError:
        pass
"""
MACHINE = ("-v /usr:/usr:ro", "-v /usr/lib:/lib:ro", "-v /usr/lib64:/lib64:ro", "--cap-add NET_RAW")
ROUNDS = 6


def reused_address(host):
    """one address and one MAC, of one zone and then of another, again and again: nothing arrives for the wrong one"""
    network(host)
    out = pathlib.Path(host.directory, "out")
    out.mkdir()
    out.chmod(0o777)
    green = host.run("green", "--label zone=green", "--network ci")
    shared, own = fixed(host, 77), green.address()
    marks = {name: frames.marker() for name in ("green", "red", "blue")}
    policy(host)
    host.start()
    host.wait_guests("green")

    def frame(source_mac, target_mac, source, target, mark):
        return frames.eth(target_mac, source_mac, frames.IPV4, frames.udp(source, target, 4000, 7, mark))

    spam = green.spam_start("eth0", frame(green.mac(), MAC, own, shared, marks["green"]))
    sniff = green.sniff_start("eth0")
    counts = {"red": 0, "blue": 0}
    for number in range(ROUNDS):
        for zone in ("red", "blue"):
            name = f"{zone}-{number}"
            program = PEER.format(
                name=name, mark=marks["green"].hex(), frame=frame(MAC, green.mac(), shared, own, marks[zone]).hex()
            )
            host.run(
                name, f"--label zone={zone}", "--network ci", f"--ip {shared}", f"--mac-address {MAC}", *MACHINE,
                f"-v {out}:/out", command=("/usr/bin/python3", "-S", "-c", program), agent=False,
            )
            wait_identities(host, name, zone)
            tap.expect(shared in addresses(host, name), "its address")
            arrived = out / name
            if zone == "red":
                wait_until(lambda: arrived.exists() and arrived.stat().st_size > 20, 20, "what is allowed arrives")
            else:
                denied = lambda: host.ports_of(name)[0]["denied"]
                wait_until(lambda: denied()["from"]["packets"] > 20, 20, "it sent")
            host.engine.remove(name)
            counts[zone] += arrived.stat().st_size if arrived.exists() else 0
    tap.expect(green.spam_sent(spam) > 1000, "green sent all the time")
    green.spam_stop(spam)
    got = green.sniff_stop(sniff)
    from_red, from_blue = (sum(marks[zone] in frame for frame in got) for zone in ("red", "blue"))
    print(f"# {host.engine.name}: {ROUNDS} rounds: to red {counts['red']}, to blue {counts['blue']}; from red {from_red}, from blue {from_blue}")
    tap.equal(counts["blue"], 0, "frames for red that blue got")
    tap.equal(from_blue, 0, "frames of blue that passed as red's")
    tap.expect(from_red > 0, "frames of red")


class Proxy:
    """In front of a real socket; on demand it falls silent, or talks nonsense."""

    def __init__(self, path, behind):
        self.path, self.behind, self.mode = path, behind, "pass"
        self.open = set()
        self.server = None
        self.listen()

    def listen(self):
        if os.path.exists(self.path):
            os.unlink(self.path)
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(self.path)
        self.server.listen(64)
        threading.Thread(target=self._accept, args=(self.server,), daemon=True).start()

    def _accept(self, server):
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            self.open.add(client)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        try:
            if self.mode == "garbage":
                client.sendall(b"\x00\xff{]" * 1000)
            elif self.mode in ("endless", "lines"):
                client.recv(65536)
                client.sendall(b"HTTP/1.0 200 OK\r\n\r\n")
                part = b"[" * 65536 if self.mode == "endless" else b"{}\n" * 20000
                while self.mode in ("endless", "lines"):
                    client.sendall(part)
            elif self.mode == "pass":
                self._relay(client)
            else:
                while self.mode == "stall":
                    time.sleep(0.05)
        except OSError:
            pass
        self.open.discard(client)
        client.close()

    def _relay(self, client):
        behind = socket.socket(socket.AF_UNIX)
        behind.connect(self.behind)

        def back():
            try:
                while data := behind.recv(65536):
                    while self.mode == "stall":
                        time.sleep(0.05)
                    client.sendall(data)
                client.shutdown(socket.SHUT_WR)
            except OSError:
                pass

        threading.Thread(target=back, daemon=True).start()
        while data := client.recv(65536):
            behind.sendall(data)
        behind.close()

    def change(self, mode, cut=True):
        was, self.mode = self.mode, mode
        if was == "missing":
            self.listen()
        if mode == "missing":
            self.server.shutdown(socket.SHUT_RDWR)
            self.server.close()
            os.unlink(self.path)
        if cut:
            for client in list(self.open):
                try:
                    client.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass


def memory(host):
    for line in pathlib.Path(f"/proc/{host.daemon.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1])
    return 0


def docker_status(host):
    return next(entry for entry in host.ask("status")["runtimes"] if entry["runtime"] == "docker")


MODES = (("stall", False), ("stall", True), ("missing", True), ("garbage", True), ("endless", True), ("lines", True))


def silent_socket(host):
    """Docker's socket hangs, talks nonsense without end, is missing, comes back: what is known stays, new ones are found"""
    behind = f"{host.engine.directory}/docker.sock"
    proxy = Proxy(f"{host.directory}/proxy.sock", behind)
    green = host.run("green", "--label zone=green")
    one = host.run("red-1")
    one.listen("tcp", 80)
    policy(host, "ci", "plain")
    host.start("--docker-socket", proxy.path)
    host.wait_guests("green", "red-1")
    before = memory(host)
    for number, (mode, cut) in enumerate(MODES):
        proxy.change(mode, cut)
        name = f"red-new-{number}"
        new = host.run(name)
        new.listen("tcp", 80)
        host.wait_guests(name, timeout=60)
        tap.equal(identities(host, name), ["red"], f"{mode}: a new one is found")
        tap.expect(green.reach("tcp", new.address(), 80, 3), f"{mode}: and open")
        tap.expect(green.reach("tcp", one.address(), 80, 3), f"{mode}: what is known stays")
        tap.equal(identities(host, "red-1"), ["red"], f"{mode}: what is known stays")
        new.agent.stop()
        host.engine.remove(name)
        wait_until(lambda: not host.ports_of(name), 20, "one that went is gone")
        if mode == "missing":
            tap.expect(not docker_status(host)["reachable"], "said by status")
            proxy.change("pass", cut=False)
            wait_until(lambda: docker_status(host)["reachable"], 60, "heard of again")
            wait_until(lambda: docker_status(host)["containers"] == 2, 20, "those that went meanwhile are forgotten")
    if "asan" not in BUILD.name:  # a sanitizer keeps for a while what is freed
        tap.expect(memory(host) < before + 40000, f"memory: {before} KiB, then {memory(host)}")
    proxy.change("pass")
    host.engine("rename", "red-1", "blue-1")
    wait_identities(host, "blue-1", "blue")


SCENARIOS = (renamed, second_network, behind_its_back, restarted, reused_address)
TESTS = [on(name)(scenario) for name in ("docker", "podman") for scenario in SCENARIOS]
TESTS.append(on("docker")(silent_socket))

if __name__ == "__main__":
    tap.main(TESTS)
