#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""The thinnest path through the whole: two containers, one rule, real packets."""

import sys

sys.path.insert(0, __file__.rsplit("/", 1)[0])
from lib import tap

POLICY = """
version: 1
zones:
  shop:
    groups:
      front: { members: { label: "tier=front" } }
      db: { members: { label: "tier=db" } }
rules:
  - { from: shop/front, to: shop/db, allow: [ tcp/5432, ping ] }
"""


def two(host):
    host.bridge("br0", "10.77.0.1/24", "fd77::1/64")
    web = host.container("web", "br0", ["10.77.0.2/24", "fd77::2/64"], labels={"tier": "front"})
    db = host.container("db", "br0", ["10.77.0.3/24", "fd77::3/64"], labels={"tier": "db"})
    for port in (5432, 5433):
        db.listen("tcp", port)
    web.listen("tcp", 5432)
    return web, db


def test_without(host):
    """The harness itself: everything passes where nobody polices"""
    web, db = two(host)
    tap.expect(web.reach("tcp", "10.77.0.3", 5433, timeout=3), "tcp over IPv4")
    tap.expect(web.reach("tcp", "fd77::3", 5433, timeout=3), "tcp over IPv6")
    tap.expect(db.ping("10.77.0.2"), "ping")


def test_allowed_and_denied(host):
    """What the rule allows passes, what it does not is refused, over IPv4 and IPv6"""
    web, db = two(host)
    host.policy(POLICY)
    host.start()
    host.wait_open("web", "db")
    for v6 in (False, True):
        tap.expect(web.reach("tcp", db.address(v6), 5432, timeout=3), f"allowed, v6={v6}")
        tap.expect(not web.reach("tcp", db.address(v6), 5433), f"another port, v6={v6}")
        tap.expect(not db.reach("tcp", web.address(v6), 5432), f"the other way, v6={v6}")
        tap.expect(web.ping(db.address(v6)), f"ping, v6={v6}")
        tap.expect(not db.ping(web.address(v6)), f"ping back, v6={v6}")
    flow = host.wait_flow(from_="web", to="db", service="tcp/5433", verdict="deny")
    tap.equal(flow["reason"], "default", "reason of the denial")


if __name__ == "__main__":
    tap.main([test_without, test_allowed_and_denied])
