#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""What the daemon may still do once it runs: capabilities, system calls, and who does for it what it may not."""

import json
import os
import pathlib
import signal
import socket
import stat
import sys

sys.path.insert(0, __file__.rsplit("/", 1)[0])
from lib import tap
from lib.host import wait_until
from lib.shop import holds, scene
from test_cli import large_policy

# linux/capability.h
CHOWN, DAC_READ_SEARCH, NET_BROADCAST, NET_ADMIN, SYS_PTRACE, SYS_ADMIN, PERFMON, BPF = 0, 2, 11, 12, 19, 21, 38, 39
KEPT = {DAC_READ_SEARCH, NET_BROADCAST, NET_ADMIN, SYS_PTRACE, SYS_ADMIN, PERFMON, BPF}
NAMES = {"dac_read_search", "net_broadcast", "net_admin", "sys_ptrace", "sys_admin", "perfmon", "bpf"}
FILTER = "2"


def start(host, *options):
    scene(host)
    host.start(*options)
    host.wait_open()


def facts(pid):
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def capabilities(text):
    return {bit for bit in range(64) if int(text, 16) >> bit & 1}


def own_capabilities():
    return capabilities(facts("self")["CapEff"])


def children(host):
    pid = host.daemon.pid
    return [int(child) for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def steward(host):
    (pid,) = [child for child in children(host) if facts(child)["Name"] == "bh-steward"]
    return pid


def holder():
    own = os.stat("/proc/self/ns/net").st_ino
    for path in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if facts(path.name)["Name"] == "bulkhead-holder" and os.stat(path / "ns/net").st_ino == own:
                return int(path.name)
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            pass
    return None


def confined(pid, wanted, who):
    its = facts(pid)
    for kind in ("CapEff", "CapPrm"):
        tap.equal(capabilities(its[kind]), wanted & own_capabilities(), f"{kind} of {who}")
    for kind in ("CapInh", "CapAmb"):
        tap.equal(capabilities(its[kind]), set(), f"{kind} of {who}")
    tap.expect(capabilities(its["CapBnd"]) <= KEPT | {CHOWN}, f"CapBnd of {who}: {its['CapBnd']}")
    tap.equal((its["NoNewPrivs"], its["Seccomp"]), ("1", FILTER), f"no_new_privs and filter of {who}")


def test_kept(host):
    """The daemon keeps what is listed and nothing more, the holder nothing at all; status and command tell it"""
    host.holder = True
    start(host)
    confined(host.daemon.pid, KEPT, "the daemon")
    wait_until(holder, 30, "a holder")
    wait_until(lambda: facts(holder())["Seccomp"] == FILTER, 30, "it is in its sandbox")
    confined(holder(), set(), "the holder")
    status = host.ask("status")
    tap.equal(set(status["sandbox"]["capabilities"]), NAMES, "as status tells it")
    tap.expect(status["sandbox"]["filter"] and status["sandbox"]["no_new_privileges"], "and the rest")
    tap.equal(status["health"], "ok", f"health: {status.get('problems')}")
    tap.expect("on, keeps" in host.cli("status", check=False).stdout, "the command tells it")
    host.kill(signal.SIGKILL)
    host.start()  # the next daemon gets the tables from the confined holder
    tap.expect(host.ask("status")["gate"]["nft"]["owned"], "the tables are owned")
    holds(host, "in the sandbox")


def test_thinking(host):
    """A copy of the daemon that finds a long answer has no capability at all"""
    start(host)
    host.reload(large_policy())
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(120)
        client.connect(host.socket_path)
        client.sendall(b'{"command": "matrix"}\n')

        def thinker():
            found = [pid for pid in children(host) if pid != steward(host)]
            return found and capabilities(facts(found[0])["CapPrm"]) == set() and found[0]

        wait_until(thinker, 60, "it has given up all")
        confined(thinker(), set(), "who thinks")
        tap.equal(sorted(os.listdir(f"/proc/{thinker()}/fd"), key=int), ["0", "1", "2", "3"], "its files")
    host.reload(json.dumps({"version": 1, "zones": {"all": {"members": {"name": "*"}}}}))
    tap.expect(host.ask("matrix"), "a short matrix is found in there, too")
    tap.expect(host.ask("explain", **{"from": "web", "to": "db", "service": "tcp/80"}), "and an explanation")


def test_without(host):
    """--no-sandbox is told as a problem"""
    start(host, "--no-sandbox")
    status = host.ask("status")
    tap.equal(status["sandbox"]["filter"], False, "the filter")
    tap.equal(status["health"], "degraded", "health")
    tap.expect(any("--no-sandbox" in problem for problem in status["problems"]), f"{status['problems']}")
    tap.expect("OFF" in host.cli("status", check=False).stdout, "the command tells it")
    tap.equal(facts(host.daemon.pid)["Seccomp"], "0", "and it is so")


def test_steward(host):
    """The steward ends with the daemon; without it the daemon ends, and what is in force stays"""
    start(host)
    first = steward(host)
    tap.equal({os.readlink(f"/proc/{first}/fd/{fd}").partition(":")[0] for fd in os.listdir(f"/proc/{first}/fd") if int(fd) > 2},
              {"socket"}, "files that it holds")
    host.kill(signal.SIGKILL)
    wait_until(lambda: not os.path.exists(f"/proc/{first}"), 30, "the first one has ended")
    host.start()
    os.kill(steward(host), signal.SIGKILL)
    tap.expect(host.daemon.wait(60) != 0, "the daemon ends, with an error")
    tap.expect("steward" in host.log(), "and says why")
    holds(host, "without a daemon")
    host.start()
    holds(host, "with the next")


def test_group(host):
    """The control socket is its group's although the daemon may give files away no more"""
    start(host, "--group", "daemon")
    its = os.stat(host.socket_path)
    tap.equal((its.st_uid, its.st_gid, stat.S_IMODE(its.st_mode)), (0, 1, 0o660), "the socket")
    tap.expect(CHOWN not in capabilities(facts(host.daemon.pid)["CapPrm"]), "no CAP_CHOWN any more")


def test_bpffs(host):
    """Where no BPF file system is mounted the steward mounts one"""
    scene(host)
    host.start("--pins", "/sys/fs/bpf/bulkhead-test")
    host.wait_open()
    holds(host, "with pins in a file system of its own")
    confined(host.daemon.pid, KEPT, "the daemon")


if __name__ == "__main__":
    tap.main([test_kept, test_thinking, test_without, test_steward, test_group, test_bpffs])
