#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Bulkhead comes to a host where containers run, and goes again without a trace."""

import json
import os
import pathlib
import shutil
import signal
import sys

sys.path.insert(0, __file__.rsplit("/", 1)[0])
from lib import tap
from lib.host import run, wait_until
from lib.shop import POLICY, holds, scene


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


def test_reboot_with_a_broken_policy(host):
    """After a reboot, a policy that can't be used leaves the ports closed, not open; a first start leaves all as it is"""
    web, db, mallory = scene(host)
    host.policy("version: 1\nzones: [")
    tap.expect(host.start(wait=False).wait(10) != 0, "the first start of all ends")
    tap.expect(mallory.reach("tcp", "10.77.0.3", 5432, 3), "nothing was policed yet, and nothing is")
    host.policy(POLICY)
    host.start()
    host.wait_open()
    holds(host, "before")
    host.kill(signal.SIGKILL)
    reboot(host)
    tap.expect(mallory.reach("tcp", "10.77.0.3", 5432, 3), "the kernel has forgotten everything")
    host.policy("version: 1\nzones: [")
    host.start(wait=False)
    wait_until(lambda: "closed until the policy is mended" in host.log(), 10, "it says what it does")
    wait_until(lambda: host_answers(host), 10, "it may be asked")
    tap.equal(host.ask("status")["health"], "degraded", "its health")
    tap.expect(not web.reach("tcp", "10.77.0.3", 5432, 0.5), "a port that was open is closed")
    tap.expect(not mallory.reach("tcp", "10.77.0.3", 5432, 0.5), "another too")
    host.policy(POLICY)
    host.wait_settled()
    host.wait_open()
    holds(host, "the policy is mended")


def reboot(host):
    """What a reboot takes from the kernel: tables, programs, maps."""
    for family in ("bridge", "inet", "arp"):
        run("nft", "delete", "table", family, "bulkhead")
    shutil.rmtree(f"{host.pins_mount}/bulkhead")


def host_answers(host):
    try:
        return host.ask("status")
    except OSError:
        return None


if __name__ == "__main__":
    tap.main(
        [
            test_adoption,
            tap.with_options(test_adoption, "--no-tcx", "--no-owner"),
            test_uninstall,
            test_reboot_with_a_broken_policy,
            tap.with_options(test_uninstall, "--no-tcx", "--no-owner"),
        ]
    )
