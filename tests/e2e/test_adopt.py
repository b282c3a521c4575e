#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""adopt and release: whoever makes a port says whose it is, waits until it is open, and takes it back."""

import json
import os
import socket
import sys
import threading

sys.path.insert(0, __file__.rsplit("/", 1)[0])
from lib import tap
from lib.agent import Agent
from lib.host import Container, run, wait_until
from lib.shop import scene

NOBODY, DAEMON_GROUP = 65534, 1
LONG = 30000  # ms: these come true long before
SHORT = 300  # ms: these never do
DB = "10.77.0.3"


def bare(host, name):
    """A container whose network namespace no folder pins: only its process holds it, as with a runtime that is not
    known."""
    run("ip", "netns", "add", name)
    container = Container(host, name)
    container.agent = Agent(f"/run/netns/{name}")
    container.run("ip", "link", "set", "lo", "up")
    run("ip", "netns", "del", name)
    host.containers[name] = container
    return container


def netns(container):
    return f"/proc/{container.agent.pid}/ns/net"


def plug(host, container, addresses, bridge="br0", interface=None, mac=None):
    """A veth with an address for it, made by hand."""
    number = len(container.interfaces)
    outside, inside = interface or f"v{container.name}{number}", f"eth{number}"
    run("ip", "link", "add", outside, "type", "veth", "peer", "name", inside, "netns", container.agent.pid)
    if mac:
        container.run("ip", "link", "set", inside, "address", mac)
    for address in addresses:
        container.run("ip", "addr", "add", address, "dev", inside, *(["nodad"] if ":" in address else []))
    run("ip", "link", "set", outside, "master", bridge)
    container.run("ip", "link", "set", inside, "up")
    run("ip", "link", "set", outside, "up")
    container.interfaces.append((outside, inside))
    return outside


def start(host, *options):
    scene(host)
    host.start(*options)
    host.wait_open("web", "db", "mallory")


def adopt(host, **words):
    return host.request({"command": "adopt", "wait_ms": LONG, **words})


def port(host, interface):
    return next((port for port in host.ask("ports") if port["interface"] == interface), None)


def refused(answer, code, *words):
    tap.expect(not answer["ok"] and answer["error"].get("code") == code, f"refused with '{code}': {answer}")
    for word in words:
        tap.expect(word in json.dumps(answer["error"]), f"'{word}' in {answer}")


def test_adopt(host):
    """A hand-made veth with a namespace that nobody pins is adopted, and reaches what its labels allow"""
    start(host)
    box = bare(host, "box")
    veth = plug(host, box, ["10.77.0.9/24"])
    answer = adopt(host, interface=veth, netns=netns(box), name="box", labels={"tier": "front"}, addresses=["10.77.0.9/24"])
    tap.expect(answer["ok"], f"adopted: {answer}")
    (told,) = answer["result"]["ports"]
    tap.equal((told["interface"], told["state"], told["zone"], told["groups"]), (veth, "open", "shop", ["shop/front"]), "port")
    # It is open by now, not soon.
    tap.expect(box.reach("tcp", DB, 5432, 3), "what its labels allow")
    tap.expect(not box.reach("tcp", DB, 5433, 0.3), "another port")
    tap.expect(not box.reach("tcp", "10.77.0.4", 5432, 0.3), "another zone")
    tap.equal(port(host, veth)["runtime"], "adopt", "its runtime")


if __name__ == "__main__":
    tap.main([test_adopt])
