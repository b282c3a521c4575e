# SPDX-License-Identifier: GPL-2.0-only
"""A small shop that several tests use: a front that may reach a database, and a stranger who may not."""

from . import frames, tap
from .host import wait_until

POLICY = """
version: 1
zones:
  shop:
    groups:
      front: { members: { label: "tier=front" } }
      db: { members: { label: "tier=db" } }
  other: { members: { label: "tier=other" } }
rules:
  - { from: shop/front, to: shop/db, allow: [ tcp/5432, udp/5432, ping ] }
  - { from: shop/front, to: unassigned, allow: udp }
  - { from: shop/front, to: host, allow: tcp/5432 }
"""


def scene(host):
    host.bridge("br0", "10.77.0.1/24", "fd77::1/64")
    host.container("web", "br0", ["10.77.0.2/24", "fd77::2/64"], labels={"tier": "front"})
    host.container("db", "br0", ["10.77.0.3/24", "fd77::3/64"], labels={"tier": "db"})
    host.container("mallory", "br0", ["10.77.0.4/24", "fd77::4/64"], labels={"tier": "other"})
    for agent in (host.containers["db"], host.agent):
        for port in (5432, 5433):
            agent.listen("tcp", port)
            agent.listen("udp", port)
    host.policy(POLICY)
    return host.containers["web"], host.containers["db"], host.containers["mallory"]


def holds(host, when):
    """New flows are judged as the policy says."""
    web, mallory = host.containers["web"], host.containers["mallory"]
    for target in ("10.77.0.3", "fd77::3"):
        tap.expect(web.reach("tcp", target, 5432, 3), f"{when}: allowed, to {target}")
        tap.expect(web.reach("udp", target, 5432, 3), f"{when}: allowed by UDP, to {target}")
        tap.expect(not web.reach("tcp", target, 5433, 0.3), f"{when}: another port of {target}")
        tap.expect(not mallory.reach("udp", target, 5432, 0.3), f"{when}: another zone, to {target}")
    tap.expect(web.reach("tcp", "10.77.0.1", 5432, 3), f"{when}: the host, allowed")
    tap.expect(not web.reach("tcp", "10.77.0.1", 5433, 0.3), f"{when}: the host, another port")
    tap.expect(not mallory.reach("tcp", "fd77::1", 5432, 0.3), f"{when}: the host, from another zone")


class Traffic:
    """Allowed streams that must lose nothing, kept connections, and denied frames that must never arrive."""

    def __init__(self, host):
        self.web, self.db, self.mallory = (host.containers[name] for name in ("web", "db", "mallory"))
        self.mark = frames.marker()
        frame = frames.eth(
            self.db.mac(), self.mallory.mac(), frames.IPV4, frames.udp("10.77.0.4", "10.77.0.3", 4000, 5432, self.mark)
        )
        self.sniff = self.db.sniff_start("eth0")
        self.spam = self.mallory.spam_start("eth0", frame)
        self.pumps = [self.web.pump_start(address, 5432, 0.002) for address in ("10.77.0.3", "fd77::3")]
        self.connections = [self.web.connect(address, 5432) for address in ("10.77.0.3", "fd77::3", "10.77.0.1")]
        self.lively("at the beginning")

    def lively(self, when):
        for connection in self.connections:
            tap.expect(self.web.exchange(connection, b"x" * 4000, 3), f"{when}: a kept connection goes on")

    def no_leak(self, when="after all"):
        """What was open may have been held up for the moment of a repair, but nothing denied came through. (sent, came
        back) of the datagrams."""
        self.mallory.spam_stop(self.spam)
        leaked = sum(self.mark in frame for frame in self.db.sniff_stop(self.sniff))
        tap.equal(leaked, 0, f"{when}: denied frames that arrived")
        self.lively(when)
        sent, echoed = zip(*(self.web.pump_stop(pump) for pump in self.pumps))
        return sum(sent), sum(echoed)

    def finish(self, when):
        self.lively(when)
        enough = lambda: all(self.web.pump_progress(pump)[0] > 100 for pump in self.pumps)
        wait_until(enough, 10, "a hundred datagrams, fewer say nothing")
        for pump in self.pumps:
            sent, echoed = self.web.pump_stop(pump)
            tap.equal(echoed, sent, f"{when}: datagrams that came back")
        tap.expect(self.mallory.spam_stop(self.spam) > 100, f"{when}: the denied frames were really sent")
        leaked = sum(self.mark in frame for frame in self.db.sniff_stop(self.sniff))
        tap.equal(leaked, 0, f"{when}: denied frames that arrived")
