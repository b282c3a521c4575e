#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""The command against a real daemon: every answer, the mistakes, long questions, and a daemon that goes and comes."""

import json
import os
import random
import select
import socket
import subprocess
import sys
import time

sys.path.insert(0, __file__.rsplit("/", 1)[0])
from lib import tap
from lib.host import BUILD, wait_until
from lib.shop import POLICY, scene

EVIL = "e\x1b[31mvil"


def start(host):
    scene(host)
    host.start()
    host.wait_open()


def test_commands(host):
    """Each command answers in text and in JSON, and both tell the same"""
    scene(host)
    host.container(EVIL, "br0", ["10.77.0.66/24"], labels={"tier": "front"})
    host.start()
    host.wait_open()
    host.containers["mallory"].reach("udp", "10.77.0.1", 5432, 0.1)
    host.containers[EVIL].reach("tcp", "10.77.0.1", 5433, 0.1)
    host.wait_flow(from_=EVIL, verdict="deny")
    for command in ("status", "ports", "flows", "counters", "matrix", "version", "reload"):
        text = host.cli(command).stdout
        for line in host.cli("--json", command).stdout.splitlines():  # flows: an object a line
            json.loads(line)
        tap.expect(text and "\x1b" not in text, f"{command}: {text!r}")
    tap.expect("shop/front: 2" in host.cli().stdout, "the status is what is shown when nothing is asked")
    tap.expect("e\\x1b[31mvil" in host.cli("ports").stdout, "a container's own word is escaped")
    tap.expect(EVIL in [port.get("container") for port in json.loads(host.cli("ports", "--json").stdout)], "and as it is in JSON")
    allowed = host.cli("explain", "web", "db", "tcp/5432")
    tap.expect(allowed.stdout.startswith("ALLOWED  web → db  tcp/5432\n"), allowed.stdout)
    tap.expect("policy.yaml:10\n   10 | - { from: shop/front" in allowed.stdout, allowed.stdout)
    tap.equal(host.cli("explain", "mallory", "db", "tcp/5432", check=False).returncode, 3, "denied")
    unknown = host.cli("explain", "wbe", "db", "tcp/5432", check=False)
    tap.equal((unknown.returncode, "(did you mean 'web'?)" in unknown.stderr), (1, True), unknown.stderr)
    unused = json.loads(host.cli("counters", "--unused", "--json").stdout)["rules"]
    tap.expect(unused and all(rule["packets"] == 0 and rule["reason"] == "rule" for rule in unused), unused)
    flows = host.cli("flows", "--from", "mallry", "--zone", "shp")
    tap.expect("did you mean 'mallory'?" in flows.stderr and "did you mean 'shop'?" in flows.stderr, flows.stderr)


def test_batch(host):
    """A batch over one connection says what single questions say, as short as offline, whatever its length"""
    start(host)
    questions = ["web db tcp/5432", "mallory db tcp/5432", "shop/front host tcp/5432", "", "web db", "nobody db all", "\udcff x y"]
    path = f"{host.directory}/questions"
    with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write("\n".join(questions * 700) + "\n")
    result = host.cli("explain", "--batch", path, check=False)
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    tap.equal((result.returncode, len(answers)), (2, 6 * 700), "exit status and number of answers")
    tap.equal(answers[:6] * 700, answers, "each time the same")
    tap.equal([answer.get("verdict", "error") for answer in answers[:6]], ["allow", "deny", "allow"] + ["error"] * 3, "verdicts")
    single = json.loads(host.cli("explain", "--json", "web", "db", "tcp/5432").stdout)
    tap.equal({key: single[key] for key in answers[0]}, answers[0], "the single answer begins like that")
    # Whoever writes a line and waits for its answer gets it.
    talk = subprocess.Popen(
        [str(BUILD / "bulkhead"), "-s", host.socket_path, "explain", "--batch", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    for line in questions[:3]:
        talk.stdin.write(line + "\n")
        talk.stdin.flush()
        tap.expect(select.select([talk.stdout], [], [], 10)[0], "an answer before the next question")
        tap.equal(json.loads(talk.stdout.readline())["from"], line.split()[0], "to this question")
    talk.stdin.close()
    tap.equal(talk.wait(10), 0, "exit status")


def large_policy():
    """Questions about everything take this one seconds."""
    dice = random.Random(1)
    lines = ["version: 1", "zones:"]
    for zone in range(40):
        lines.append(f"  z{zone}: {{ groups: {{ a: {{ members: {{ name: 'z{zone}a*' }} }}, b: {{ members: {{ name: 'z{zone}b*' }} }} }} }}")
    lines.append("  all: { members: { name: '*' } }\nnetworks:")
    for network in range(30):
        prefixes = ", ".join(f"{dice.randint(1, 126)}.{dice.randint(0, 255)}.{dice.randint(0, 255)}.0/24" for _ in range(150))
        lines.append(f"  n{network}: [ {prefixes} ]")
    lines.append("rules:")
    for _ in range(3000):
        to = dice.choice(["world", f"n{dice.randint(0, 29)}"])
        lines.append(f"  - {{ from: all, to: {to}, allow: tcp/{dice.randint(1, 65535)} }}")
    return "\n".join(lines) + "\n"


def children(host):
    """But the steward, which is there as long as the daemon."""
    with open(f"/proc/{host.daemon.pid}/task/{host.daemon.pid}/children", encoding="ascii") as file:
        return [pid for pid in file.read().split() if name_of(pid) != "bh-steward"]


def name_of(pid):
    try:
        with open(f"/proc/{pid}/comm", encoding="ascii") as file:
            return file.read().strip()
    except (FileNotFoundError, ProcessLookupError):
        return None


def test_long_questions(host):
    """While a question takes its time the daemon goes on; who hangs up is not thought for any more"""
    start(host)
    host.reload(large_policy())
    clients = []
    for _ in range(5):
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(60)
        client.connect(host.socket_path)
        client.sendall(b'{"command": "matrix"}\n')
        clients.append(client)
    refused = json.loads(clients[4].makefile().readline())
    tap.expect("too many questions" in refused["error"]["message"], f"the fifth: {refused}")
    friend = host.container("friend", "br0", ["10.77.0.9/24"])
    host.wait_open("friend")
    tap.expect(host.ask("version") and friend, "other questions are answered")
    tap.expect(not select.select(clients[:4], [], [], 0)[0], "and all that before the matrix")
    tap.equal(len(children(host)), 4, "who thinks")
    for client in clients[1:4]:
        client.shutdown(socket.SHUT_RDWR)  # containers forked since then have copies of it
    wait_until(lambda: len(children(host)) <= 1, 5, "nobody thinks for those who are gone")
    answer = json.loads(clients[0].makefile().readline())
    tap.expect(answer["ok"] or "verdicts" in answer["error"]["message"] or "too long" in answer["error"]["message"], f"{answer}"[:300])
    wait_until(lambda: not children(host), 5, "nobody thinks")
    # Those who think die with the daemon.
    clients[0].sendall(b'{"command": "matrix"}\n')
    thinking = wait_until(lambda: children(host), 5, "one thinks")
    host.kill()
    wait_until(lambda: not os.path.exists(f"/proc/{thinking[0]}") or "Z" in open(f"/proc/{thinking[0]}/stat").read(), 5, "it is gone")


def test_follow_over_restart(host):
    """flows -f goes on when the daemon is killed and comes back, and leaves nothing out"""
    start(host)
    mallory = host.containers["mallory"]
    mallory.reach("udp", "10.77.0.1", 5001, 0.05)
    host.wait_flow(from_="mallory", service="udp/5001")
    follower = subprocess.Popen(
        [str(BUILD / "bulkhead"), "-s", host.socket_path, "--json", "flows", "-f", "--from", "mallory"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )

    def until(service):
        end = time.monotonic() + 15
        while time.monotonic() < end:
            if not select.select([follower.stdout], [], [], 0.2)[0]:
                mallory.reach("udp", "10.77.0.1", int(service.split("/")[1]), 0.05)
            elif json.loads(follower.stdout.readline()).get("service") == service:
                return
        raise AssertionError(f"no {service}")

    try:
        until("udp/5001")
        until("udp/5002")
        host.kill()
        tap.equal(follower.stderr.readline(), b"bulkhead: the daemon is gone; waiting for it\n", "it says so")
        host.start()
        tap.equal(follower.stderr.readline(), b"bulkhead: the daemon is back\n", "it says so")
        host.wait_open()
        until("udp/5003")
    finally:
        follower.kill()
        follower.wait()


def test_broken_policy(host):
    """A reload with errors prints them, exits with 1 and leaves all as it was; the status shows it first"""
    start(host)
    (host.policy_dir / "policy.yaml").write_text(POLICY.replace("from: shop/front, to: host", "from: shop/frnt, to: host"))
    result = host.cli("reload", check=False)
    tap.equal(result.returncode, 1, "exit status")
    tap.expect("policy.yaml:12:13: error: unknown" in result.stderr and "did you mean 'shop/front'?" in result.stderr, result.stderr)
    as_json = json.loads(host.cli("--json", "reload", check=False).stdout)
    tap.equal(as_json["error"]["diagnostics"][0]["line"], 12, "the same in JSON")
    status = host.cli().stdout
    tap.expect(status.startswith("degraded\n  the policy files have errors") and "shop/frnt" in status, status)
    tap.expect(host.containers["web"].reach("tcp", "10.77.0.3", 5432, 3), "what was in force stays")
    host.policy(POLICY)
    tap.expect("in force after" in host.cli("reload").stdout, "the repaired policy")
    tap.expect(not host.cli().stdout.startswith("degraded"), "all is well")


def test_uninstall(host):
    """uninstall refuses while the daemon runs, then says what it removes, and a second one finds nothing"""
    start(host)
    words = ("uninstall", "--pins", f"{host.pins_mount}/bulkhead", "--run", f"{host.directory}/run", "--state", f"{host.directory}/state")
    result = host.cli(*words, check=False)
    tap.equal((result.returncode, "stop it first" in result.stderr), (1, True), "while it runs")
    host.kill()
    tap.equal(host.cli("status", check=False).returncode, 4, "nobody answers")
    removed = json.loads(host.cli("--json", *words, "--purge").stdout)["removed"]
    for line in ("removed table inet bulkhead", f"removed file {host.directory}/state/registry.json"):
        tap.expect(line in removed, f"{line}: {removed}")
    tap.equal(host.cli(*words, "--purge").stdout, "there was nothing to remove\n", "once more")
    tap.expect(host.containers["mallory"].reach("tcp", "10.77.0.3", 5433, 3), "nobody polices any more")


if __name__ == "__main__":
    tap.main([test_commands, test_batch, test_long_questions, test_follow_over_restart, test_broken_policy, test_uninstall])
