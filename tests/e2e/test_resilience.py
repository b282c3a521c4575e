#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Whatever happens to the daemon: nothing opens, nothing that is allowed is cut."""

import os
import pathlib
import signal
import socket
import subprocess
import sys

sys.path.insert(0, __file__.rsplit("/", 1)[0])
from lib import tap
from lib.host import run, wait_until
from lib.shop import POLICY, Traffic, holds, scene


def killed(host, number):
    scene(host)
    host.start()
    host.wait_open()
    holds(host, "at first")
    traffic = Traffic(host)
    code = host.kill(number)
    tap.equal(code, 0 if number == signal.SIGTERM else -number, "exit code")
    holds(host, "without the daemon")
    traffic.lively("without the daemon")
    generation = None
    for _ in range(3):
        host.start()
        host.wait_open()
        traffic.lively("with a new daemon")
        status = host.ask("status")
        tap.equal(status["health"], "ok", f"health: {status.get('problems')}")
        if generation is not None:
            tap.expect(status["policy"]["generation"] >= generation, "the generation never goes back")
        generation = status["policy"]["generation"]
        host.kill(signal.SIGKILL)
    host.start()
    host.wait_open()
    traffic.finish("after four restarts")
    holds(host, "after four restarts")


def test_kill(host):
    """kill -9 under traffic: nothing opens, nothing allowed is cut; new daemons take over and lose no packet"""
    killed(host, signal.SIGKILL)


def test_stop(host):
    """A clean stop leaves the enforcement in place; a new daemon takes over and loses no packet"""
    killed(host, signal.SIGTERM)


def test_second_daemon(host):
    """A second daemon is refused, and the first does not notice"""
    scene(host)
    first = host.start()
    host.wait_open()
    second = subprocess.run(first.args, capture_output=True, text=True, timeout=10, check=False)
    tap.expect(second.returncode != 0, "it ends with an error")
    tap.expect(second.stderr.strip(), "and says why")
    tap.expect(first.poll() is None, "the first goes on")
    holds(host, "afterwards")


def holders():
    """The holders of this namespace's tables: one each, whatever happens."""
    own = os.stat("/proc/self/ns/net").st_ino
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if (path / "comm").read_text() == "bulkhead-holder\n" and os.stat(path / "ns/net").st_ino == own:
                found.append(int(path.name))
        except OSError:  # it has ended meanwhile
            pass
    return found


def test_flushed_without_a_daemon(host):
    """`nft flush ruleset` while the daemon is dead opens nothing: a small process keeps the tables owned"""
    web, db, mallory = scene(host)
    host.holder = True
    host.start()
    if not host.ask("status")["gate"]["nft"]["owned"]:
        raise tap.Skip("this kernel has no tables that are owned")
    host.wait_open()
    (first,) = holders()
    host.kill(signal.SIGKILL)
    before = run("nft", "list", "ruleset")
    run("nft", "flush", "ruleset")
    tap.equal(run("nft", "list", "ruleset"), before, "the ruleset after a flush")
    run("nft", "delete", "table", "inet", "bulkhead", check=False)
    tap.equal(run("nft", "list", "ruleset"), before, "the ruleset after a deletion")
    holds(host, "flushed without a daemon")
    newcomer = host.container("newcomer", "br0", ["10.77.0.9/24"], labels={"tier": "front"})
    tap.expect(not newcomer.reach("tcp", "10.77.0.3", 5432, 0.5), "a new port is closed")
    tap.expect(not newcomer.reach("tcp", "10.77.0.1", 5432, 0.5), "towards the host, too")
    # A new daemon takes over: tables, and the process that keeps them.
    host.start()
    host.wait_open()
    tap.equal(holders(), [first], "holders after a restart")
    holds(host, "taken over")
    host.reload(POLICY.replace("tcp/5432, udp/5432, ping", "tcp/5432"))
    tap.expect(not web.reach("udp", "10.77.0.3", 5432, 0.5), "the new daemon can change the tables")
    host.reload(POLICY)
    # One that somebody has killed is replaced at the next look.
    os.kill(first, signal.SIGTERM)
    wait_until(lambda: not holders(), 5, "it has been killed")
    host.kill(signal.SIGTERM)
    host.start()
    host.wait_open()
    wait_until(lambda: len(holders()) == 1, 5, "another holder")
    host.kill(signal.SIGKILL)
    run("nft", "flush", "ruleset")
    holds(host, "flushed once more")
    host.uninstall()
    tap.equal(holders(), [], "holders after the removal")
    tap.expect("bulkhead" not in run("nft", "list", "tables"), "tables after the removal")
    tap.expect(mallory.reach("tcp", "10.77.0.3", 5432, 3), "nobody polices")


def test_hostile_speakers_to_the_holder(host):
    """The holder serves root alone, and is held up by nobody"""
    scene(host)
    host.holder = True
    host.start()
    if not host.ask("status")["gate"]["nft"]["owned"]:
        raise tap.Skip("this kernel has no tables that are owned")
    host.wait_open()
    (path,) = pathlib.Path(f"{host.directory}/run").glob("tables-*.sock")
    tap.equal(path.stat().st_mode & 0o077, 0, "what others may do with its socket")
    silent = []
    for data in (b"", b"x" * 100000, b"\0", b"h" * 3):
        client = socket.socket(socket.AF_UNIX)
        client.connect(str(path))
        client.setblocking(False)
        try:
            client.send(data)
        except OSError:
            pass
        silent.append(client)
    host.kill(signal.SIGKILL)
    host.start()
    host.wait_open()
    tap.equal(len(holders()), 1, "holders")
    os.chmod(path.parent, 0o755)
    path.chmod(0o777)
    os.chmod(host.directory, 0o755)
    outcome = subprocess.run(
        [sys.executable, "-c", f"""
import os, socket
os.setgid(65534); os.setuid(65534)
for order in b"h", b"e":
    client = socket.socket(socket.AF_UNIX)
    client.connect({str(path)!r})
    try:
        client.sendall(order)
        print(socket.recv_fds(client, 16, 4)[:2])
    except OSError:
        print("refused")
"""], capture_output=True, text=True, timeout=20, check=False)  # fmt: skip
    for line in outcome.stdout.splitlines():
        tap.expect(line in ("refused", "(b'', [])"), f"another user gets nothing: {outcome}")
    tap.equal(len(outcome.stdout.splitlines()), 2, f"what another user gets ({outcome.stderr})")
    tap.equal(len(holders()), 1, "holders after another user's order to end")
    holds(host, "afterwards")


NO_TCX, NO_OWNER = "--no-tcx", "--no-owner"
TESTS = [
    test_kill,
    tap.with_options(test_kill, NO_TCX, NO_OWNER),
    test_stop,
    test_second_daemon,
    test_flushed_without_a_daemon,
    test_hostile_speakers_to_the_holder,
]

if __name__ == "__main__":
    tap.main(TESTS)
