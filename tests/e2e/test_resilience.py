#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Whatever happens to the daemon: nothing opens, nothing that is allowed is cut."""

import json
import os
import pathlib
import signal
import subprocess
import sys

sys.path.insert(0, __file__.rsplit("/", 1)[0])
from lib import tap
from lib.host import run
from lib.shop import Traffic, holds, scene


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


def test_adoption(host):
    """Containers that run before the daemon: allowed TCP connections are kept, denied ones are cut"""
    web, db, mallory = scene(host)
    web.listen("tcp", 8000)
    # Of the kept ones, some were opened by the container and some towards it; the host's among them.
    keep = [(web, web.connect(address, 5432)) for address in ("10.77.0.3", "fd77::3", "10.77.0.1", "fd77::1")]
    keep += [(host.agent, host.agent.connect(address, 5433)) for address in ("10.77.0.3", "fd77::3")]
    cut = [(web, web.connect(address, 5433)) for address in ("10.77.0.3", "fd77::3", "10.77.0.1")]
    cut += [(mallory, mallory.connect(address, 5432)) for address in ("10.77.0.3", "fd77::3", "fd77::1")]
    cut += [(db, db.connect(address, 8000)) for address in ("10.77.0.2", "fd77::2")]
    for agent, connection in keep + cut:
        tap.expect(agent.exchange(connection, b"before"), "every connection works without the daemon")
    host.start()
    host.wait_open()
    for agent, connection in keep:
        tap.expect(agent.exchange(connection, b"x" * 40000, 3), "an allowed connection is kept")
    for agent, connection in cut:
        tap.expect(not agent.exchange(connection, b"after", 0.3), "a denied connection is cut")
    holds(host, "afterwards")


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


def trace(host):
    """Everything that Bulkhead could leave in the kernel."""
    links = []
    for link in json.loads(run("ip", "-d", "-j", "link", "show")):
        data = link.get("linkinfo", {})
        info = data.get("info_data") or {}
        slave = data.get("info_slave_data") or {}
        for timer in [key for key in (*info, *slave) if key.endswith("_timer") or key.endswith("_left")]:
            info.pop(timer, None)
            slave.pop(timer, None)
        links.append((link["ifname"], link["flags"], info, slave))
    names = [name for name, *_ in links]
    return {
        "ruleset": run("nft", "list", "ruleset"),
        "qdiscs": sorted(run("tc", "qdisc", "show").splitlines()),
        "filters": [run("tc", "filter", "show", "dev", n, d) for n in names for d in ("ingress", "egress")],
        "programs": run("bpftool", "net"),
        "pins": sorted(os.listdir(host.pins_mount)),
        "links": links,
        "bridges": [
            path.read_text()
            for bridge in host.bridges
            for path in sorted(pathlib.Path(f"/sys/class/net/{bridge}/bridge").glob("*"))
            if path.name in ("no_linklocal_learn", "multicast_router", "group_fwd_mask")
        ],
        "ports": run("bridge", "-d", "-j", "link", "show"),
    }


def test_uninstall(host):
    """Uninstall takes every trace out of the kernel, and says what it removed"""
    web, db, mallory = scene(host)
    run("nft", "add table inet theirs; add chain inet theirs c; add rule inet theirs c counter comment mine", check=True)
    before = trace(host)
    host.start()
    host.wait_open()
    holds(host, "installed")
    during = trace(host)
    for what in ("ruleset", "pins"):
        tap.expect(during[what] != before[what], f"the {what} show that it is there")
    arguments = ("uninstall", "--pins", f"{host.pins_mount}/bulkhead", "--state", f"{host.directory}/state",
                 "--run", f"{host.directory}/run")  # fmt: skip
    refused = host.cli(*arguments, check=False)
    tap.expect(refused.returncode != 0 and "running" in refused.stderr, f"refused while the daemon runs: {refused}")
    holds(host, "after a refused uninstall")
    host.kill(signal.SIGTERM)
    removed = host.cli(*arguments).stdout
    for word in ("bulkhead", "inet", "bridge"):
        tap.expect(word in removed, f"it names what it removed: {removed}")
    after = trace(host)
    for what, value in before.items():
        tap.equal(after[what], value, f"{what} as before")
    tap.expect(web.reach("tcp", "10.77.0.3", 5433, 3) and mallory.reach("tcp", "10.77.0.3", 5432, 3), "nobody polices")
    tap.expect("nothing" in host.cli(*arguments).stdout, "a second time there is nothing to remove")
    host.start()
    host.wait_open()
    holds(host, "installed again")


NO_TCX, NO_OWNER = "--no-tcx", "--no-owner"
TESTS = [
    test_kill,
    tap.with_options(test_kill, NO_TCX, NO_OWNER),
    test_stop,
    test_adoption,
    tap.with_options(test_adoption, NO_TCX, NO_OWNER),
    test_second_daemon,
    test_uninstall,
    tap.with_options(test_uninstall, NO_TCX, NO_OWNER),
]

if __name__ == "__main__":
    tap.main(TESTS)
