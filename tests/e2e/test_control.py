#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""The control socket: who may speak, and what it does with those who speak nonsense, too much, or nothing at all."""

import json
import os
import socket
import sys
import threading

sys.path.insert(0, __file__.rsplit("/", 1)[0])
from lib import tap
from lib.host import wait_until
from lib.shop import holds, scene

REQUEST_MAX = 64 << 10
CLIENTS_MAX, CLIENTS_OF_GROUP = 288, 28
NOBODY, NOGROUP, DAEMON_GROUP = 65534, 65534, 1


def start(host, *options):
    scene(host)
    host.start(*options)
    host.wait_open()


def raw(host, data, hang_up=False, timeout=5):
    """What comes back for these bytes, until the daemon hangs up or is silent."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(timeout)
        client.connect(host.socket_path)
        try:
            client.sendall(data)
            if hang_up:
                client.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            pass
        answer = b""
        try:
            while not answer.endswith(b"\n") and (part := client.recv(1 << 16)):
                answer += part
        except (ConnectionResetError, TimeoutError):
            pass
    return answer


def ask_as(host, user, group, groups=()):
    """Another user's client: its answer, or the error's name."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            os.setgroups(list(groups))
            os.setgid(group)
            os.setuid(user)
            answer = raw(host, b'{"command": "version"}\n')
        except OSError as error:
            answer = type(error).__name__.encode()
        os.write(writing, answer or b"hung up")
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        answer = stream.read()
    os.waitpid(child, 0)
    return answer.decode()


class Crowd:
    """Members of the group that connect and say nothing."""

    def __init__(self, host, count):
        self.socket, theirs = socket.socketpair()
        self.pid = os.fork()
        if self.pid == 0:
            self.socket.close()
            try:
                os.setgroups([])
                os.setgid(DAEMON_GROUP)
                os.setuid(NOBODY)
                clients = []
                for _ in range(count):
                    clients.append(socket.socket(socket.AF_UNIX))
                    clients[-1].connect(host.socket_path)
                theirs.sendall(b"here")
                theirs.recv(1)
            finally:
                os._exit(0)
        theirs.close()
        tap.equal(self.socket.recv(4), b"here", "the crowd")

    def leave(self):
        self.socket.close()
        os.waitpid(self.pid, 0)


def test_users(host):
    """Another user is refused, by the socket's mode and by the kernel's word on who it is; root is served"""
    os.chmod(host.directory, 0o755)
    start(host)
    tap.expect('"ok":true' in ask_as(host, 0, 0).replace(" ", ""), "root")
    tap.equal(os.stat(host.socket_path).st_mode & 0o777, 0o600, "mode of the socket")
    tap.equal(ask_as(host, NOBODY, NOGROUP), "PermissionError", "nobody")
    os.chmod(host.socket_path, 0o666)  # somebody was careless
    for answer in (ask_as(host, NOBODY, NOGROUP), ask_as(host, NOBODY, DAEMON_GROUP), ask_as(host, NOBODY, NOGROUP, [0])):
        tap.expect('"ok":false' in answer.replace(" ", "") and "only root" in answer, f"nobody: {answer}")
    os.chmod(host.socket_path, 0o600)
    result = host.cli("status", check=False)
    tap.equal(result.returncode, 0, "the command as root")


def test_group(host):
    """With --group its members are served, by first or further group, and nobody else"""
    os.chmod(host.directory, 0o755)
    start(host, "--group", "daemon")
    tap.equal(os.stat(host.socket_path).st_mode & 0o777, 0o660, "mode of the socket")
    for answer in (ask_as(host, NOBODY, DAEMON_GROUP), ask_as(host, NOBODY, NOGROUP, [DAEMON_GROUP])):
        tap.expect('"ok":true' in answer.replace(" ", ""), f"a member: {answer}")
    tap.equal(ask_as(host, NOBODY, NOGROUP), "PermissionError", "no member")
    # They can't keep root out.
    crowd = Crowd(host, CLIENTS_OF_GROUP)
    wait_until(lambda: "too many" in ask_as(host, NOBODY, DAEMON_GROUP), 10, "one member too many is told so")
    tap.expect(host.ask("status")["health"] == "ok", "root is served")
    crowd.leave()
    wait_until(lambda: '"ok":true' in ask_as(host, NOBODY, DAEMON_GROUP).replace(" ", ""), 10, "a member, when they have left")


def test_nonsense(host):
    """Garbage, wrong types, unknown commands, requests too large: an error or a hang-up, and the daemon goes on"""
    start(host)
    for data in (
        b"\n",
        b"nonsense\n",
        b"\0\0\0\0\n",
        b"\xff\xfe\xfd\n",
        b"[]\n",
        b'"status"\n',
        b"42\n",
        b"{}\n",
        b'{"command": 7}\n',
        b'{"command": null}\n',
        b'{"command": "nonsense"}\n',
        b'{"command": "status", "command": "ports"}\n',
        b'{"command": "stat\\u0000us"}\n',
        b'{"command": "flows", "last": -1}\n',
        b'{"command": "flows", "last": "many"}\n',
        b'{"command": "flows", "from": 7}\n',
        b'{"command": "flows", "follow": true, "from": 7}\n',
        b'{"command": "explain"}\n',
        b'{"command": "explain", "from": [], "to": {}, "service": 7}\n',
        b'{"command": "explain", "from": "web", "to": "db", "service": "tcp/99999"}\n',
        b"[" * 5000 + b"\n",
        b'{"a":' * 5000 + b"\n",
    ):
        answer = json.loads(raw(host, data))
        tap.expect(answer["ok"] is False and answer["error"]["message"], f"{data[:60]}: {answer}")
    padded = b'{"command": "version"' + b" " * (REQUEST_MAX - 23) + b"}\n"
    tap.equal(len(padded), REQUEST_MAX, "the largest request")
    tap.expect(json.loads(raw(host, padded))["ok"], "the largest request is answered")
    tap.equal(raw(host, b"x" * (REQUEST_MAX + 1)), b"", "a larger one is hung up on")
    tap.equal(raw(host, b"x" * (8 << 20)), b"", "a much larger one, too")
    tap.equal(raw(host, b'{"command": "sta', hang_up=True), b"", "half a request")
    both = raw(host, b'{"command": "version"}\n{"command": "version"}\n')
    tap.expect(both.count(b'"ok"') >= 1, "two requests at once")
    tap.expect(host.ask("status")["health"] == "ok", "it goes on")
    holds(host, "afterwards")


def test_hanging(host):
    """Clients that hang: a bounded number, the next one is told so, and policing goes on"""
    start(host)
    hanging = []
    for number in range(CLIENTS_MAX):
        client = socket.socket(socket.AF_UNIX)
        client.connect(host.socket_path)
        # Some say nothing, some half a request, some ask and do not read.
        client.sendall((b"", b'{"command": "st', b'{"command": "flows", "last": 4096}\n')[number % 3])
        hanging.append(client)
    wait_until(lambda: b"too many" in raw(host, b'{"command": "version"}\n'), 5, "one more is told that there are too many")
    holds(host, "with hanging clients")
    friend = host.container("friend", "br0", ["10.77.0.9/24"], labels={"tier": "front"})
    tap.expect(wait_until(lambda: friend.reach("tcp", "10.77.0.3", 5432), 10), "a newcomer is opened nevertheless")
    for client in hanging:
        client.shutdown(socket.SHUT_RDWR)  # containers forked since then have copies of it
        client.close()
    wait_until(lambda: json.loads(raw(host, b'{"command": "version"}\n'))["ok"], 5, "it serves again")


def test_deaf_follower(host):
    """A follower that does not read costs the daemon a bounded queue, and others get every event"""
    start(host)
    deaf = socket.socket(socket.AF_UNIX)
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.connect(host.socket_path)
    deaf.sendall(b'{"command": "flows", "follow": true}\n')
    before = memory(host)
    mallory = host.containers["mallory"]
    for port in range(2000, 2400):
        mallory.reach("udp", "10.77.0.3", port, 0.001)
    host.wait_flow(from_="mallory", verdict="deny")
    tap.expect(memory(host) - before < 8 << 10, f"memory: {before} KiB before, {memory(host)} KiB after")
    tap.expect(host.ask("status")["health"] == "ok", "it goes on")
    deaf.close()
    holds(host, "afterwards")


def test_asks_and_does_not_read(host):
    """A client that asks a thousand things and reads no answer costs a bounded queue; when it reads, all is answered"""
    start(host)
    mallory = host.containers["mallory"]
    for _ in range(30):
        mallory.reach("udp", "10.77.0.1", 5432, 0.02)
    before, count = memory(host), 2000
    request = b'{"command": "matrix"}\n' + b'{"command": "flows", "last": 4096}\n' * (count - 1)
    with socket.socket(socket.AF_UNIX) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(20)
        client.connect(host.socket_path)
        writer = threading.Thread(target=client.sendall, args=(request,))
        writer.start()
        for _ in range(20):
            host.ask("version")
        tap.expect(memory(host) - before < 8 << 10, f"memory: {before} KiB before, {memory(host)} KiB after")
        answers = client.makefile("rb")
        for number in range(count):
            tap.expect(json.loads(answers.readline())["ok"], f"answer {number}")
        writer.join()
    holds(host, "afterwards")


def memory(host):
    with open(f"/proc/{host.daemon.pid}/status", encoding="ascii") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


def test_follow(host):
    """A follower gets events as they happen, and its filters hold"""
    start(host)
    web, mallory = host.containers["web"], host.containers["mallory"]
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(5)
        client.connect(host.socket_path)
        client.sendall(b'{"command": "flows", "follow": true, "from": "mallory", "denied": true}\n')
        wait_until(lambda: host.ask("version"), 5, "the daemon has read it")
        web.reach("tcp", "10.77.0.3", 5433, 0.2)
        mallory.reach("tcp", "10.77.0.3", 5432, 0.2)
        lines = client.makefile()
        flow = json.loads(lines.readline())["flow"]
    tap.equal(flow["from"]["container"], "mallory", "only what was asked for")
    # It does not come as far as TCP: it may not even ask where db is.
    tap.equal((flow["to"]["container"], flow["service"], flow["reason"]), ("db", "arp", "arp-target"), "the event")


if __name__ == "__main__":
    tap.main([test_users, test_group, test_nonsense, test_hanging, test_deaf_follower, test_asks_and_does_not_read, test_follow])
