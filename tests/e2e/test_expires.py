#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Rules that end: at their instant, in the kernel, whether or not a daemon runs."""

import datetime
import signal
import sys
import time

sys.path.insert(0, __file__.rsplit("/", 1)[0])
from lib import tap
from lib.host import wait_until
from lib.shop import POLICY, scene

TARGETS = ("10.77.0.3", "fd77::3", "10.77.0.1", "fd77::1")  # the database, and the host's door
LEAVE_SECONDS = 6  # to put the policy in force and to try what it still says; the machine may be busy


def ending_policy(end):
    """tcp/5433 is allowed until `end`, tcp/5432 is denied until then."""
    when = datetime.datetime.fromtimestamp(end, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    return POLICY + (
        f"  - {{ name: leave, from: shop/front, to: [ shop/db, host ], allow: tcp/5433, expires: {when} }}\n"
        f"  - {{ name: ban, from: shop/front, to: [ shop/db, host ], deny: tcp/5432, expires: {when} }}\n"
    )


def lives_until(host, meanwhile):
    """Tries both rules before their end and after it; `meanwhile` is called in between."""
    web, _, _ = scene(host)
    host.start()
    host.wait_open()
    end = int(time.time()) + LEAVE_SECONDS
    host.reload(ending_policy(end))
    open_connections = [web.connect(target, 5433) for target in TARGETS]
    for target in TARGETS:
        tap.expect(not web.reach("tcp", target, 5432, 0.2), f"banned at {target}")
    meanwhile(host)
    for target, connection in zip(TARGETS, open_connections):
        tap.expect(web.exchange(connection), f"open at {target}")
    if time.time() >= end:
        raise tap.Skip("the machine is too slow to look before the rules end")
    wait_until(lambda: time.time() >= end, LEAVE_SECONDS + 1, "the end of the rules")
    for target, connection in zip(TARGETS, open_connections):
        tap.expect(not web.exchange(connection, b"after", 0.3), f"what the rule allowed is cut at {target}")
        tap.expect(not web.reach("tcp", target, 5433, 0.3), f"nothing new at {target}")
        tap.expect(web.reach("tcp", target, 5432, 3), f"the ban is over at {target}")


def test_with_daemon(host):
    """An allow and a deny rule end at their instant: open flows and new ones, containers and the host, IPv4 and IPv6"""
    lives_until(host, lambda _: None)
    host.wait_flow(from_="web", to="db", service="tcp/5433", verdict="deny", reason="revoked")


def test_without_daemon(host):
    """They end at the same instant when the daemon was killed before"""
    lives_until(host, lambda host: host.kill(signal.SIGKILL))


if __name__ == "__main__":
    tap.main([test_with_daemon, test_without_daemon, tap.nft_alone(test_without_daemon)], jobs=3)
