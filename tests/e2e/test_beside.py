#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
# suite-timeout: 600
"""Beside others: firewalls that start, reload and stop, engines that restart, programs and filters at the same ports. What is
allowed goes on, what is denied stays denied, and what was taken from us is repaired and told of."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys

sys.path.insert(0, __file__.rsplit("/", 1)[0])
from lib import namespace, tap
from lib.engines import EngineContainer, EngineHost
from lib.host import BUILD, run, wait_until
from lib.shop import Traffic, holds, scene

PATIENCE = 30.0  # seconds


def status(host):
    return host.ask("status")


def repairs(host):
    return status(host)["repairs"]["count"]


def begin(host):
    scene(host)
    host.start()
    host.wait_open()
    holds(host, "at first")
    return Traffic(host)


def healthy(host):
    return status(host)["health"] == "ok"


def course(host, acts, repaired=()):
    """Each act is (what, function). After each of them the policy holds, and all is whole; those named in `repaired` took
    something from us."""
    traffic = begin(host)
    for what, act in acts:
        count = repairs(host)
        act()
        if what in repaired:
            wait_until(lambda: repairs(host) > count, PATIENCE, f"{what} is noticed")
        wait_until(lambda: healthy(host), PATIENCE, f"after {what}: healthy")
        holds(host, f"after {what}")
        if what not in repaired:
            tap.equal(repairs(host), count, f"repairs after {what}")
    report(traffic)


def report(traffic, when="after all"):
    sent, echoed = traffic.no_leak(when)
    print(f"# of {sent} allowed datagrams {sent - echoed} were lost")


def command(*words, **options):
    return " ".join(words), lambda: run(*words, **options)


# ---- rules


def test_rules(host):
    """iptables and nft, flushed and restored by others"""
    empty = "*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\nCOMMIT\n"
    flush = command("nft", "flush", "ruleset")
    course(
        host,
        [
            command("iptables", "-t", "nat", "-A", "POSTROUTING", "-j", "MASQUERADE", "-s", "192.0.2.0/24"),
            command("iptables", "-F"),
            command("iptables", "-X"),
            command("iptables", "-t", "nat", "-F"),
            command("iptables", "-t", "mangle", "-F"),
            command("ip6tables", "-F"),
            ("iptables-restore", lambda: run("iptables-restore", input=empty)),
            ("ip6tables-restore", lambda: run("ip6tables-restore", input=empty)),
            flush,
        ],
        # Where the kernel has owned tables, a flush leaves ours alone.
        () if "--no-owner" not in host.options else (flush[0],),
    )


def private_copy(host, path, name):
    """A copy of our own in the place of a file or folder of the machine."""
    copy = pathlib.Path(host.directory, name)
    if os.path.isdir(path):
        shutil.copytree(path, copy)
    else:
        shutil.copy(path, copy)
    run("mount", "--bind", copy, path)


def test_ufw(host):
    """ufw is enabled, reloaded, changed and disabled"""
    if not shutil.which("ufw"):
        raise tap.Skip("ufw is not installed")
    private_copy(host, "/etc/ufw", "ufw")
    private_copy(host, "/etc/default/ufw", "default-ufw")
    defaults = pathlib.Path("/etc/default/ufw")
    defaults.write_text(defaults.read_text().replace('FORWARD_POLICY="DROP"', 'FORWARD_POLICY="ACCEPT"'))
    try:
        run("ufw", "allow", "in", "on", "br0")
        run("ufw", "--force", "enable")
        run("ufw", "disable")
    except RuntimeError as error:
        raise tap.Skip(f"ufw does not run here: {error}") from None
    course(
        host,
        [
            command("ufw", "--force", "enable"),
            command("ufw", "reload"),
            command("ufw", "deny", "22/tcp"),
            command("ufw", "disable"),
        ],
    )


BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path=/run/dbus/system_bus_socket</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/><allow send_type="method_call"/>
  </policy>
</busconfig>
"""


class Firewalld:
    """firewalld with a bus of its own, in the test's mount namespace; the bridge is in its zone `trusted`."""

    def __init__(self, host):
        for program in ("firewalld", "dbus-daemon"):
            if not shutil.which(program):
                raise tap.Skip(f"{program} is not installed")
        self.host = host
        self.process = None
        os.makedirs("/run/dbus", exist_ok=True)
        namespace.mount("tmpfs", "/run/dbus", "tmpfs")
        namespace.mount("tmpfs", "/etc/firewalld", "tmpfs")
        pathlib.Path("/etc/firewalld/firewalld.conf").write_text("DefaultZone=public\nFirewallBackend=nftables\n")
        pathlib.Path("/etc/firewalld/zones").mkdir()
        pathlib.Path("/etc/firewalld/zones/trusted.xml").write_text(
            '<zone target="ACCEPT"><short>Trusted</short><interface name="br0"/><forward/></zone>'
        )
        configuration = pathlib.Path(host.directory, "bus.conf")
        configuration.write_text(BUS)
        self.log = open(f"{host.directory}/firewalld.log", "ab")
        self.bus = subprocess.Popen(
            ["dbus-daemon", f"--config-file={configuration}", "--nofork"], stdout=self.log, stderr=self.log
        )
        try:
            wait_until(lambda: os.path.exists("/run/dbus/system_bus_socket"), PATIENCE, "the bus")
            self.start()
        except (RuntimeError, TimeoutError) as error:
            self.close()
            said = pathlib.Path(host.directory, "firewalld.log").read_text(errors="replace").strip().splitlines()
            raise tap.Skip(f"firewalld does not run here: {said[-1] if said else error}") from None
        self.stop()

    def start(self):
        words = ["firewalld", "--nofork", "--nopid", "--log-target", "console"]
        self.process = subprocess.Popen(words, stdout=self.log, stderr=self.log)

        def runs():
            if self.process.poll() is not None:
                raise RuntimeError(f"it ended with {self.process.returncode}")
            return run("firewall-cmd", "--state", check=False).strip() == "running"

        wait_until(runs, PATIENCE, "firewalld runs")

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(PATIENCE)
            self.process = None

    def close(self):
        self.stop()
        self.bus.terminate()
        self.bus.wait(PATIENCE)


def test_firewalld(host):
    """firewalld starts, reloads, reloads completely, changes and stops"""
    firewalld = Firewalld(host)
    try:
        course(
            host,
            [
                ("its start", firewalld.start),
                command("firewall-cmd", "--reload"),
                command("firewall-cmd", "--complete-reload"),
                command("firewall-cmd", "--zone=public", "--add-masquerade"),
                ("its stop", firewalld.stop),
                ("its second start", firewalld.start),
            ],
        )
    finally:
        firewalld.close()


# ---- programs and filters at the ports


class Other:
    """Somebody else's program (tests/tools/other_program.c) for as long as this lives."""

    def __init__(self, *words):
        self.process = subprocess.Popen(
            [str(BUILD / "tests/tools/other_program"), *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True,
        )
        if self.process.stdout.readline() != "attached\n":
            raise tap.Skip(self.process.stderr.read().strip())

    def stop(self):
        self.process.stdin.close()
        self.process.wait(PATIENCE)


def tcx_only(host):
    if status(host)["gate"]["tc"]["attach"] != "tcx":
        raise tap.Skip("the kernel has no tcx")


def test_other_tcx(host):
    """Other tcx programs, before and behind ours, there first or later: ours goes to the front, theirs stay"""
    scene(host)
    early = [Other("tcx-first", "vdb0", direction, "pass") for direction in ("ingress", "egress")]
    host.start()
    host.wait_open()
    tcx_only(host)
    tap.equal(status(host)["gate"]["tc"]["foreign"], [], "who is ahead, though there before us")
    holds(host, "with one that was there first")
    traffic = Traffic(host)
    late = [Other("tcx-last", "vweb0", direction, "pass") for direction in ("ingress", "egress")]
    holds(host, "with one that came later, behind ours")
    for interface in ("vmallory0", "vdb0"):
        for direction in ("ingress", "egress"):
            count = repairs(host)
            late.append(Other("tcx-first", interface, direction, "pass"))
            wait_until(lambda: repairs(host) > count, PATIENCE, f"one ahead of ours at {interface}, {direction}, noticed")
            wait_until(lambda: healthy(host), PATIENCE, "ours is the first again")
    holds(host, "after all")
    for other in early + late:
        tap.equal(other.process.poll(), None, "theirs are still attached")
        other.stop()
    wait_until(lambda: healthy(host), PATIENCE, "healthy without them")
    holds(host, "without them")
    report(traffic)


FILTERS = [(interface, direction) for interface in ("vweb0", "vdb0") for direction in ("ingress", "egress")]
OK, SHOT = 0, 2


def filter_add(interface, direction, verdict, priority=77):
    """A filter that gives this verdict on every packet."""
    if not any(qdisc["kind"] == "clsact" for qdisc in json.loads(run("tc", "-j", "qdisc", "show", "dev", interface))):
        run("tc", "qdisc", "add", "dev", interface, "clsact")
    run("tc", "filter", "add", "dev", interface, direction, "prio", priority, "protocol", "all", "handle", "1",
        "bpf", "da", "bytecode", f"1,6 0 0 {verdict},")


def filter_delete(interface, direction):
    run("tc", "filter", "del", "dev", interface, direction, "prio", "77")


def theirs():
    return ["pref 77" in run("tc", "filter", "show", "dev", *place) for place in FILTERS]


def have_their_say(host, when):
    """What ours let pass is shown to theirs: one that drops does drop it."""
    for interface, direction in FILTERS:
        filter_delete(interface, direction)
        filter_add(interface, direction, SHOT)
        tap.expect(not host.containers["web"].reach("udp", "10.77.0.3", 5432, 0.3), f"{when}: dropped at {interface}, {direction}")
        filter_delete(interface, direction)
        filter_add(interface, direction, OK)


def test_other_filters(host):
    """Filters of others at clsact, there before us and added later: neither removes the other, theirs come after ours"""
    scene(host)
    for place in FILTERS:
        filter_add(*place, OK)
    host.start()
    host.wait_open()
    holds(host, "with filters that were there first")
    have_their_say(host, "there first")
    host.kill()
    host.start()
    host.wait_open()
    holds(host, "after a restart")
    tap.expect(all(theirs()), "theirs are there after a restart")
    for place in FILTERS:
        filter_delete(*place)
    traffic = Traffic(host)
    for place in FILTERS:
        filter_add(*place, OK)
    holds(host, "with filters that were added later")
    tap.equal(status(host)["gate"]["tc"]["foreign"], [], "who is ahead of ours")
    report(traffic)
    have_their_say(host, "added later")
    host.kill(signal.SIGTERM)
    host.cli("uninstall", "--pins", f"{host.pins_mount}/bulkhead", "--run", f"{host.directory}/run",
             "--state", f"{host.directory}/state")
    tap.expect(all(theirs()), "theirs are there after an uninstall")


def test_filter_ahead(host):
    """Without tcx, filters of others that accept, ahead of ours: told of; what enters by them has no stamp and gets nowhere"""
    traffic = begin(host)
    # Of a kind and a priority like ours, and later: only such a one can stand ahead.
    for direction in ("ingress", "egress"):
        filter_add("vmallory0", direction, OK, priority=1)
        said = f"another clsact program runs ahead of ours at vmallory0, {direction}: what it lets pass is not judged"
        tap.expect(said in status(host)["problems"], f"{said}; there is: {status(host)['problems']}")
    holds(host, "with their filters")
    report(traffic)


def test_qdiscs(host):
    """Queueing disciplines replaced at a port"""
    acts = [command("tc", "qdisc", "replace", "dev", "vweb0", "root", *words.split()) for words in (
        "pfifo limit 500", "bfifo limit 1000000", "noqueue")]
    acts.append(("tc qdisc del root", lambda: run("tc", "qdisc", "del", "dev", "vweb0", "root", check=False)))
    acts.append(command("tc", "qdisc", "replace", "dev", "vdb0", "clsact"))
    if "--no-tcx" not in host.options:
        acts.append(command("tc", "qdisc", "del", "dev", "vdb0", "clsact"))
        acts.append(command("tc", "qdisc", "add", "dev", "vdb0", "ingress"))
    course(host, acts)


def test_ingress_qdisc(host):
    """Without tcx, the older qdisc `ingress` in the place of clsact has no way out: the port closes, and says why"""
    traffic = begin(host)

    def replaced():
        # In one go, and again if the repair was sooner.
        run("tc", "-batch", "-", input="qdisc del dev vweb0 clsact\nqdisc add dev vweb0 ingress\n", check=False)
        return "ingress" in run("tc", "qdisc", "show", "dev", "vweb0")

    wait_until(replaced, PATIENCE, "ingress in the place of clsact")
    wait_until(lambda: any("vweb0" in line for line in status(host)["problems"]), PATIENCE, "it is told of")
    tap.expect(not host.containers["web"].reach("tcp", "10.77.0.3", 5432), "the port is closed")
    run("tc", "qdisc", "del", "dev", "vweb0", "ingress")
    wait_until(lambda: healthy(host), PATIENCE, "it is repaired")
    host.wait_open()
    holds(host, "after all")
    report(traffic)


def test_xdp(host):
    """An XDP program at a port's host side is told of, and what it lets pass is judged"""
    traffic = begin(host)
    other = Other("xdp", "vmallory0")
    holds(host, "with an XDP program")
    said = [line for line in status(host)["problems"] if "xdp" in line and "vmallory0" in line]
    tap.equal(len(said), 1, f"what the status says: {status(host)['problems']}")
    other.stop()
    tap.equal(status(host)["health"], "ok", "without it")
    report(traffic)


# ---- settings of the kernel


def settings(value, *paths):
    def write():
        for path in paths:
            pathlib.Path("/proc/sys", path).write_text(value)

    return f"{', '.join(paths)} = {value}", write


def test_settings(host):
    """Bridge netfilter, reverse path filters and forwarding, switched by others"""
    acts = []
    for value in ("0", "1", "0"):
        names = [f"net/bridge/bridge-nf-call-{family}tables" for family in ("ip", "ip6", "arp")]
        acts += [settings(value, *(name for name in names if pathlib.Path("/proc/sys", name).exists()))]
    acts += [settings(value, "net/ipv4/conf/all/rp_filter", "net/ipv4/conf/br0/rp_filter") for value in ("1", "2", "0")]
    acts += [settings(value, "net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding") for value in ("0", "1")]
    acts += [settings(value, "net/ipv4/conf/br0/proxy_arp") for value in ("1", "0")]
    course(host, acts)


# ---- engines that restart

ENGINE_POLICY = """
version: 1
zones:
  front: { members: { name: "front*" } }
  db: { members: { name: "db*" } }
  other: { members: { name: "other*" } }
rules:
  - { from: front, to: db, allow: [ tcp/5432, udp/5432 ] }
"""


def engine_scene(*options):
    host = EngineHost("docker", options)
    host.policy(ENGINE_POLICY)
    for name in ("front", "db", "other"):
        host.run(name)
    serve(host)
    host.start()
    host.wait_guests("front", "db", "other")
    engine_holds(host, "at first")
    return host


def serve(host):
    for protocol in ("tcp", "udp"):
        for port in (5432, 5433):
            host.guests["db"].listen(protocol, port)


def engine_holds(host, when):
    front, db, other = (host.guests[name] for name in ("front", "db", "other"))
    address = db.address()
    tap.expect(front.reach("tcp", address, 5432, 5), f"{when}: allowed")
    tap.expect(not front.reach("tcp", address, 5433, 0.4), f"{when}: another port")
    tap.expect(not other.reach("tcp", address, 5432, 0.4), f"{when}: another zone")
    tap.expect(not other.reach("udp", address, 5432, 0.4), f"{when}: another zone by UDP")


def test_live_restore(_host):
    """Docker's service restarts under its containers (--live-restore): they are policed all the while, and so are new ones"""
    host = engine_scene("--live-restore")
    try:
        front = host.guests["front"]
        kept = front.connect(host.guests["db"].address(), 5432)
        pump = front.pump_start(host.guests["db"].address(), 5432, 0.002)
        for round_ in range(2):
            host.engine.restart()
            engine_holds(host, f"after restart {round_}")
            tap.expect(front.exchange(kept, b"x" * 4000, 5), "a kept connection goes on")
            host.run(f"other-{round_}")
            host.wait_guests("front", "db", "other", f"other-{round_}")
            engine_holds(host, f"with a container that came after restart {round_}")
        # And the daemon while Docker's service is away.
        host.kill()
        host.start()
        host.wait_guests("front", "db", "other")
        engine_holds(host, "with a new daemon")
        sent, echoed = front.pump_stop(pump)
        print(f"# of {sent} allowed datagrams {sent - echoed} were lost")
    finally:
        host.close()


def test_engine_restart(_host):
    """Docker's service restarts and takes its containers down: started again, they are who they were"""
    host = engine_scene()
    try:
        host.engine.restart()
        host.engine("start", "other", "db", "front")
        for guest in host.guests.values():
            guest.agent.stop()
        host.guests = {name: EngineContainer(host.engine, name) for name in ("front", "db", "other")}
        serve(host)
        host.wait_guests("front", "db", "other")
        engine_holds(host, "after the restart")
    finally:
        host.close()


test_live_restore.needs_host = test_engine_restart.needs_host = False

if __name__ == "__main__":
    tap.main(
        [
            test_rules,
            tap.with_options(test_rules, "--no-owner"),
            test_ufw,
            test_firewalld,
            tap.with_options(test_firewalld, "--no-owner"),
            test_other_tcx,
            test_other_filters,
            tap.with_options(test_other_filters, "--no-tcx"),
            tap.with_options(test_filter_ahead, "--no-tcx"),
            test_qdiscs,
            tap.with_options(test_qdiscs, "--no-tcx"),
            tap.with_options(test_ingress_qdisc, "--no-tcx"),
            test_xdp,
            test_settings,
            test_live_restore,
            test_engine_restart,
        ],
        jobs=4,
    )
