#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Who somebody is, while it changes: open flows follow it, and numbers never get another meaning under them."""

import json
import pathlib
import signal
import sys

sys.path.insert(0, __file__.rsplit("/", 1)[0])
from lib import tap
from lib.host import run, wait_until
from lib.shop import POLICY, Traffic, holds, scene


def port_of(host, name):
    return next(port for port in host.ask("ports") if port.get("container") == name)


def relabel(host, name, tier, zone):
    """Other labels for a container that runs; its link blinks, so that the runtime is asked again."""
    path = pathlib.Path(host.meta, f"{name}.json")
    path.write_text(json.dumps({"labels": {"tier": tier}}))
    path.chmod(0o600)
    port = host.containers[name].port
    run("ip", "link", "set", port, "down")
    run("ip", "link", "set", port, "up")
    wait_until(lambda: port_of(host, name).get("zone") == zone, 10, f"{name} is in {zone}")
    host.wait_open()


def test_relabelled(host):
    """A container that changes zone without a reload: open flows that its new zone forbids are cut, both ways"""
    web, _, _ = scene(host)
    # All zones and groups have somebody before and after: to the table nothing is new but who is where.
    host.container("db2", "br0", ["10.77.0.5/24"], labels={"tier": "db"})
    web.listen("udp", 8000)
    host.policy(POLICY + "  - { from: shop/db, to: shop/front, allow: udp/8000 }\n")
    host.start()
    host.wait_open()
    db = host.containers["db"]
    inward = web.connect("10.77.0.3", 5432, protocol="udp")
    outward = db.connect("10.77.0.2", 8000, protocol="udp")
    stays = web.connect("10.77.0.1", 5432)
    for agent, flow in ((web, inward), (db, outward), (web, stays)):
        tap.expect(agent.exchange(flow), "it flows at first")
    relabel(host, "db", "other", "other")
    # An answer needs neighbours, which a link that blinks loses: what counts is what arrives.
    for agent, flow, target, what in ((web, inward, db, "was open towards it"), (db, outward, web, "it had opened")):
        sniff = target.sniff_start("eth0")
        tap.expect(not agent.exchange(flow, b"secret", 0.4), f"what {what} is cut")
        tap.equal(sum(b"secret" in frame for frame in target.sniff_stop(sniff)), 0, f"frames of what {what}")
    tap.expect(web.exchange(stays, b"x", 3), "others' flows are not")
    relabel(host, "db", "db", "shop")
    holds(host, "as it was before")
    tap.expect(web.exchange(web.connect("10.77.0.3", 5432, protocol="udp"), b"x", 3), "and may be asked again")


def numbers(path):
    registry = json.loads(path.read_text())
    return {item["name"]: item["number"] for item in registry["identities"]}


def with_registry(host, prepare, lose):
    """Starts under traffic with a registry that `lose` has spoilt: all is as before, by numbers nobody had."""
    path = pathlib.Path(host.directory, "state", "registry.json")
    scene(host)
    host.start()
    host.wait_open()
    holds(host, "at first")
    prepare(path)
    known = numbers(path)
    traffic = Traffic(host)
    host.kill(signal.SIGKILL)
    lose(path)
    host.start()
    host.wait_open()
    tap.expect("get new numbers" in host.log(), "it is said")
    again = numbers(path)
    for name in ("shop/front", "shop/db", "other"):
        tap.expect(again[name] not in known.values(), f"{name} has a number that nobody had: {again}, before {known}")
    traffic.finish("with new numbers")
    holds(host, "with new numbers")
    host.kill(signal.SIGKILL)
    host.start()
    host.wait_open()
    tap.equal({name: numbers(path)[name] for name in again}, again, "the numbers of the next daemon")
    tap.equal(host.log().count("get new numbers"), 1, "times that the numbers were lost")


def test_registry_lost(host):
    """The registry is lost while packets and flows carry its numbers: none of them gets another meaning"""
    with_registry(host, lambda path: None, lambda path: path.unlink())


def test_registry_old(host):
    """An older registry is put back: none of the numbers given since gets another meaning"""
    kept = []

    def prepare(path):
        kept.append(path.read_text())
        # The former names go and come back behind others.
        host.reload(POLICY.replace("shop", "aisle").replace("other:", "stranger:"))
        host.reload(POLICY)

    with_registry(host, prepare, lambda path: path.write_text(kept[0]))


if __name__ == "__main__":
    tap.main([test_relabelled, test_registry_lost, test_registry_old, tap.nft_alone(test_relabelled)])
