#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
# suite-timeout: 600
"""Containers of runtimes that pin no namespaces and have no daemon: LXC, systemd-nspawn, runc and crun."""

import signal
import sys

sys.path.insert(0, __file__.rsplit("/", 1)[0])
from lib import tap
from lib.bare import BareHost
from lib.engines import on
from lib.host import wait_until

POLICY = """
version: 1
zones:
  shop:
    groups:
      front: { members: MEMBERS }
      db: { members: { name: "db-*" } }
  other: { members: { network: BRIDGE, not: { name: "[fd]*" } } }
rules:
  - { from: shop/front, to: shop/db, allow: [ tcp/5432, ping ] }
"""
IDENTITIES = {"front": "shop/front", "db": "shop/db", "other": "other"}


def shop(host):
    members = '{ label: "tier=front" }' if host.maker.labels else '{ name: "front-*" }'
    host.policy(POLICY.replace("MEMBERS", members).replace("BRIDGE", host.maker.bridge))
    for number, name in enumerate(IDENTITIES):
        guest = host.run(name, 200 + number, *(["tier=front"] if name == "front" else []))
        guest.listen("tcp", 5432)
        guest.listen("tcp", 81)


def check(host, runtime, *names):
    """Who they are, what they may: with the first connection that each tries."""
    found = host.found(*names)
    front, db, other = (host.guests[name] for name in names)
    tap.equal({name: port["identity"] for name, port in found.items()}, dict(zip(names, IDENTITIES.values())), "identities")
    for name, port in found.items():
        tap.equal(port["runtime"], runtime, f"runtime of {name}")
        tap.expect(host.guests[name].address() in port["addresses"], f"address of {name}: {port['addresses']}")
    tap.expect(front.reach("tcp", db.address(), 5432, 3), "front to db")
    tap.expect(front.ping(db.address(), 3), "front pings db")
    tap.expect(not front.reach("tcp", db.address(), 81), "front to db, another port")
    tap.expect(not other.reach("tcp", db.address(), 5432), "other to db")
    tap.expect(not db.reach("tcp", front.address(), 5432), "db to front")


def life(host):
    """found, named and policed from the first connection on, with names and addresses given again, and across restarts"""
    runtime = host.maker.__class__.__name__.lower()
    shop(host)
    tap.expect(host.guests["other"].reach("tcp", host.guests["db"].address(), 5432, 3), "nobody polices")
    host.start()
    check(host, runtime, *IDENTITIES)
    status = next(entry for entry in host.ask("status")["runtimes"] if entry["runtime"] == runtime)
    tap.equal((status["reachable"], status["containers"]), (True, 3), "status of the runtime")
    # A daemon that comes anew finds them as they were, and cuts nothing.
    front, db = host.guests["front"], host.guests["db"]
    connection = front.connect(db.address(), 5432)
    tap.expect(front.exchange(connection, b"before"), "open before the restart")
    host.kill(signal.SIGTERM)
    host.start()
    check(host, runtime, *IDENTITIES)
    tap.expect(front.exchange(connection, b"after"), "open after the restart")
    # The address of one that went is nobody's, whoever has it next; the name comes back with another address.
    host.end("front")
    wait_until(lambda: not host.ports_of(host.full("front")), 20, "front has gone")
    host.run("heir", 200)
    tap.equal(host.found("heir")["heir"]["identity"], "other", "who has front's address")
    tap.expect(not host.guests["heir"].reach("tcp", db.address(), 5432), "the heir may not what front might")
    host.run("front", 210, "tier=front")
    host.guests["front"].listen("tcp", 5432)
    check(host, runtime, *IDENTITIES)
    # The same while there is no daemon.
    host.kill()
    for name in ("front", "heir"):
        host.end(name)
    host.run("heir", 210)
    host.run("front", 200, "tier=front")
    host.guests["front"].listen("tcp", 5432)
    tap.expect(not host.guests["heir"].reach("tcp", db.address(), 5432), "closed while there is no daemon")
    host.start()
    check(host, runtime, *IDENTITIES)
    tap.equal(host.found("heir")["heir"]["identity"], "other", "the heir, found anew")


def dhcp(host):
    """a container that lxc-create made gets its address from LXC's server, which is its first claim"""
    host.policy(POLICY.replace("MEMBERS", '{ name: "front-*" }').replace("BRIDGE", "lxcbr0"))
    host.start()
    name = host.full("made")
    host.maker.with_dhcp(name)
    try:
        port = wait_until(
            lambda: next((port for port in host.ports_of(name) if any(map(is_leased, port["addresses"]))), None),
            30, "an address from LXC's server",
        )
        tap.equal((port["identity"], port["network"]), ("other", "lxcbr0"), "identity and network")
    finally:
        host.maker.stop(name)
    wait_until(lambda: not host.ports_of(name), 20, "it has gone")


def is_leased(address):
    return address.startswith("10.0.3.")


def host_network(host):
    """a container without a network of its own is listed as unpoliced"""
    host.policy("version: 1\n")
    host.start()
    host.run("onhost", 0, own_network=False)
    host.ask("reload")
    unpoliced = [entry["name"] for entry in host.ask("status")["unpoliced"]]
    tap.equal(unpoliced, [host.full("onhost")], "what can't be policed")


def long_name(host):
    """a machine whose name is too long for a link's is found by its own name"""
    host.policy("version: 1\nzones: { long: { members: { name: \"a-name-that-is-too-long*\" } } }\n")
    host.start()
    host.run("a-name-that-is-too-long", 20)
    tap.equal(host.found("a-name-that-is-too-long")["a-name-that-is-too-long"]["identity"], "long", "identity")


def named_namespace(host):
    """a container in a named namespace is who has its port while it runs, one after the other"""
    zones = "".join(f'  {zone}: {{ members: {{ name: "{name}" }} }}\n' for zone, name in
                    (("a", "one-*"), ("b", "two-*"), ("n", "box")))
    host.policy(f"version: 1\nzones:\n{zones}")
    box = host.container("box", host.maker.bridge, [f"{host.maker.subnet}.30/24"])
    host.start()

    def identity():
        return next(port["identity"] for port in host.ask("ports") if port["interface"] == box.port)

    wait_until(lambda: identity() == "n", 20, "the namespace by its name")
    for name, zone in (("one", "a"), ("two", "b")):
        host.run(name, 30, netns="/run/netns/box")
        wait_until(lambda: identity() == zone, 20, f"the container {name}")
        host.end(name)
        wait_until(lambda: identity() == "n", 20, f"the namespace by its name, after {name}")


ENGINES = ("lxc", "nspawn", "runc", "crun")
TESTS = [on(name, host_class=BareHost)(life) for name in ENGINES]
TESTS += [on("lxc", host_class=BareHost)(dhcp), on("nspawn", host_class=BareHost)(long_name)]
TESTS += [on("runc", host_class=BareHost)(scenario) for scenario in (host_network, named_namespace)]

if __name__ == "__main__":
    tap.main(TESTS, jobs=4)
