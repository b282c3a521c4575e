#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
# suite-timeout: 1800
"""Very many reloads, half of them of broken policies, and many clients that ask for one at once: no packet falls between."""

import sys
import threading

sys.path.insert(0, __file__.rsplit("/", 1)[0])
from lib import chaos, tap

BROKEN = (
    chaos.POLICY.replace("to: [ shop/db", "to: [ shop/dbb"),
    chaos.POLICY.replace("version: 1", "version: 9"),
    chaos.POLICY + "  - {",
    "version: 1\nzones: [",
)
CLIENTS = 8


def start(host):
    chaos.scene(host)
    host.start()
    host.wait_open()
    return chaos.Traffic(host)


def other(number):
    """Another policy that says the same of the traffic."""
    return chaos.POLICY + "".join(f"  - {{ from: shop/front, to: 198.51.{i}.0/24, allow: tcp/{number + 1} }}\n" for i in range(20))


def refused(host, text):
    try:
        host.reload(text)
    except RuntimeError:
        return True
    return False


def test_reloads(host):
    """Reloads in a row, half of them with errors: the broken ones change nothing, no packet is lost, none leaks"""
    traffic = start(host)
    count = chaos.times(60, 1000)
    for number in range(0, count, 2):
        tap.expect(refused(host, BROKEN[number // 2 % len(BROKEN)]), f"broken policy {number} is refused")
        host.reload(other(number % 1000))
        if number % 50 == 0:
            traffic.no_leak(f"reload {number}")
    host.reload(chaos.POLICY)
    chaos.wait_whole(host, "after all reloads")
    traffic.finish(f"after {count} reloads")


def test_at_once(host):
    """Many clients reload at once, while the policy changes under them and some hang up: all are answered, none is lost"""
    traffic = start(host)
    answers, problems = [], []

    def client():
        for _ in range(chaos.times(6, 100)):
            try:
                answers.append(host.request({"command": "reload"})["ok"])
            except Exception as error:  # in a thread: told below
                problems.append(repr(error))

    clients = [threading.Thread(target=client, daemon=True) for _ in range(CLIENTS)]
    for thread in clients:
        thread.start()
    number = 0
    while any(thread.is_alive() for thread in clients):
        host.policy(other(number % 1000) if number % 3 else BROKEN[0])
        number += 1
        clients[number % CLIENTS].join(0.02)
    tap.equal(problems, [], "clients that got no answer")
    print(f"# {len(answers)} answers, {sum(answers)} of them of good policies, {number} changes of the file")
    host.reload(chaos.POLICY)
    chaos.wait_whole(host, "after all clients")
    traffic.finish("after reloads at once")


if __name__ == "__main__":
    tap.main([test_reloads, test_at_once])
