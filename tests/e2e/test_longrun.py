#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
# suite-timeout: 900
"""What grows with time: nothing. Reloads and containers that come and go, under traffic, in numbers that would show it.

BULKHEAD_RELOADS=10000 in the environment makes more reloads of it, and SUITE_TIMEOUT gives them the time."""

import json
import os
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, __file__.rsplit("/", 1)[0])
from lib import tap
from lib.host import BUILD, run, wait_until
from lib.shop import POLICY, Traffic, holds, scene

RELOADS_WARM, RELOADS = 60, int(os.environ.get("BULKHEAD_RELOADS", "300"))
TOLD_AT = (100, 1000, 2000, 5000, 10000, 20000)  # reloads after which what is held is told
ROUNDS_WARM, ROUNDS, A_ROUND = 2, 10, 6  # ten rounds of six containers
MANY = 200
# What the allocator may take; one table a reload, or one container's record, forgotten each time would be more.
# With AddressSanitizer each piece takes more, and what is freed would be kept aside: then memory would tell nothing.
GROWTH_MAX_KB = 2048 * (4 if BUILD.name.endswith("asan") else 1)
os.environ["ASAN_OPTIONS"] = f"{os.environ.get('ASAN_OPTIONS', '')}:quarantine_size_mb=0:thread_local_quarantine_size_kb=0"


def resident_kb(host):
    status = pathlib.Path(f"/proc/{host.daemon.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])


def events_kb(host):
    """What the events take that are kept: bounded, but not full for a quarter of an hour."""
    return len(json.dumps(host.flows())) // 1024


def cpu_seconds(host):
    fields = pathlib.Path(f"/proc/{host.daemon.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def bpf_ids(host, kind):
    """The maps or programs that the daemon holds: several descriptors may be of one."""
    ids = set()
    for entry in os.scandir(f"/proc/{host.daemon.pid}/fdinfo"):
        try:
            lines = pathlib.Path(entry.path).read_text().splitlines()
        except FileNotFoundError:  # closed meanwhile: a control connection's, a timer's
            continue
        ids.update(line.split()[1] for line in lines if line.startswith(f"{kind}_id:"))
    return len(ids)


def pinned_entries(host, name):
    return json.loads(run("bpftool", "-j", "map", "dump", "pinned", f"{host.pins_mount}/bulkhead/map_{name}"))


def inner_maps(host, name):
    """How many different maps a pinned map of maps holds."""
    return len({json.dumps(entry.get("value", entry.get("inner_map_id"))) for entry in pinned_entries(host, name)})


def held(host):
    """All that the daemon and the kernel hold for it, but for memory."""
    return {
        "descriptors": len(os.listdir(f"/proc/{host.daemon.pid}/fd")),
        "maps": bpf_ids(host, "map"),
        "programs": bpf_ids(host, "prog"),
        "threads": len(os.listdir(f"/proc/{host.daemon.pid}/task")),
        # "grace" is there once this daemon was the one that set the machine's rcu_expedited (tc_grace.c).
        "pins": sorted(set(os.listdir(f"{host.pins_mount}/bulkhead")) - {"grace"}),
        "flow maps": inner_maps(host, "flows"),
        "tables": {name: inner_maps(host, name) <= 2 for name in ("cells", "classes", "services", "prefixes4", "prefixes6")},
        "entries": {name: len(pinned_entries(host, name)) for name in ("ports", "own", "addresses", "nat64", "published")},
        "nft lines": len(run("nft", "-s", "list", "ruleset").splitlines()),
        "ports": len(host.ask("ports")),
    }


def calm(host):
    """What is held when all ends have been seen to: the kernel tells of them a moment later."""
    last = []

    def same_again():
        last.append(held(host))
        time.sleep(0.5)
        return last[-1] == held(host)

    wait_until(same_again, 30, "nothing changes any more")
    return last[-1]


def settled(host, wanted):
    """What is held is as wanted, if not now then soon. The ruleset may be shorter: names that nobody has now are out of it."""

    def now():
        holding = held(host)
        return holding | {"nft lines": max(holding["nft lines"], wanted["nft lines"])}

    try:
        wait_until(lambda: now() == wanted, 10, "")
    except TimeoutError:
        tap.equal(now(), wanted, "what is held")


def tell(host, count):
    holding = calm(host)
    print(
        f"# {count} reloads: {resident_kb(host)} KiB resident, {events_kb(host)} KiB of events, {holding['descriptors']} descriptors, "
        f"{holding['maps']} maps, {holding['programs']} programs, {holding['nft lines']} lines of nft",
        flush=True,
    )


def reloads(host, count, told_at=()):
    """Two policies in turn, so that each has rules, zones and prefixes that the other has not."""
    other = POLICY.replace("rules:\n", "  third: { members: { label: tier=third } }\nrules:\n") + "".join(
        f"  - {{ from: shop/front, to: 198.51.{i}.0/24, allow: tcp/{1000 + i} }}\n" for i in range(100)
    )
    for i in range(count):
        host.reload(other if i % 2 == 0 else POLICY)
        if i + 1 in told_at:
            tell(host, i + 1)


def test_reloads(host):
    """Many reloads under traffic: memory, descriptors, pins, maps and entries are what they were"""
    scene(host)
    host.start()
    host.wait_open()
    traffic = Traffic(host)
    reloads(host, RELOADS_WARM)
    before, memory = calm(host), resident_kb(host) - events_kb(host)
    tell(host, 0)
    reloads(host, RELOADS, TOLD_AT)
    settled(host, before)
    tell(host, RELOADS)
    grown = resident_kb(host) - events_kb(host) - memory
    traffic.finish("after all reloads")
    holds(host, "after all reloads")
    tap.expect(grown < GROWTH_MAX_KB, f"{grown} KiB more than the {memory} KiB before")


def come_and_go(host, number):
    names = [f"c{number}-{i}" for i in range(A_ROUND)]
    for i, name in enumerate(names):
        host.container(name, "br0", [f"10.77.0.{20 + i}/24", f"fd77::{20 + i}/64"], labels={"tier": "front"})
    host.wait_open(*names)
    for name in names:
        tap.expect(host.containers[name].reach("tcp", "10.77.0.3", 5432, 3), f"{name} is served")
        container = host.containers.pop(name)
        container.stop()
        run("ip", "link", "del", container.port)
        run("ip", "netns", "del", name)
        os.unlink(f"{host.meta}/{name}.json")
    wait_until(lambda: len(host.ask("ports")) == 3, 10, "they are gone")


def test_containers(host):
    """60 containers that come and go under traffic: memory, descriptors, pins, maps and entries are what they were"""
    scene(host)
    host.start()
    host.wait_open()
    traffic = Traffic(host)
    for number in range(ROUNDS_WARM):
        come_and_go(host, number)
    before, memory = calm(host), resident_kb(host) - events_kb(host)
    for number in range(ROUNDS):
        come_and_go(host, number)
    settled(host, before)
    grown = resident_kb(host) - events_kb(host) - memory
    print(f"# {ROUNDS * A_ROUND} containers: {memory} KiB resident, {grown} KiB more at the end")
    traffic.finish("after all containers")
    holds(host, "after all containers")
    tap.expect(grown < GROWTH_MAX_KB, f"{grown} KiB more than the {memory} KiB before")


def batch(lines, *arguments):
    subprocess.run(["ip", *arguments, "-batch", "-"], input="\n".join(lines), text=True, check=True, capture_output=True)


def plug(names):
    """Containers without a process of their own: many at once."""
    batch(f"netns add {name}" for name in names)
    for i, name in enumerate(names):
        batch(
            [f"link add v{name} type veth peer name eth0 netns {name}", f"link set v{name} master br0", f"link set v{name} up"]
        )
        batch([f"addr add 10.77.1.{1 + i}/16 dev eth0", "link set eth0 up"], "-n", name)


def unplug(host, names):
    batch(f"netns del {name}" for name in names)
    # The kernel takes namespaces down one after the other, whosever they are: a busy machine has a queue of them.
    wait_until(lambda: not host.ask("ports"), 240, "all are gone")


def test_many(host):
    """200 ports are opened; what they cost is told, and all of it goes with them"""
    host.bridge("br0", "10.77.0.1/16")
    names = [f"m{i}" for i in range(MANY)]
    host.policy("version: 1\nzones:\n  many: { members: { name: m* }, within: deny }\n")
    host.start()
    opened = lambda: sum(port["state"] == "open" for port in host.ask("ports"))
    plug(names[:1])
    wait_until(lambda: opened() == 1, 10, "an open port")
    unplug(host, names[:1])
    empty = calm(host)
    plug(names)
    wait_until(lambda: opened() == MANY, 60, f"{MANY} open ports")
    begin = cpu_seconds(host)
    time.sleep(5)  # nothing is waited for: this is what an idle daemon costs
    print(f"# {MANY} ports: {resident_kb(host)} KiB resident; idle for 5 s: {cpu_seconds(host) - begin:.2f} s of CPU time")
    unplug(host, names)
    settled(host, empty)


if __name__ == "__main__":
    tap.main([test_reloads, test_containers, test_many])
