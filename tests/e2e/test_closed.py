#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""A port that is not open: nothing out, nothing in, and the bridge does not learn from it."""

import json
import os
import signal
import sys

sys.path.insert(0, __file__.rsplit("/", 1)[0])
from lib import frames, tap
from lib.attack import fdb_port, gets
from lib.host import run, wait_until
from lib.shop import holds, scene

LATE_MAC = "02:00:00:00:00:77"


def kept_out(host, state):
    web, db, _ = scene(host)
    late_mark, to_late_mark = frames.marker(), frames.marker()
    late_frame = frames.eth(db.mac(), LATE_MAC, frames.IPV4, frames.udp("10.77.0.77", "10.77.0.3", 4000, 5432, late_mark))
    to_late = frames.eth(LATE_MAC, web.mac(), frames.IPV4, frames.udp("10.77.0.2", "10.77.0.77", 4000, 5432, to_late_mark))

    # Nobody polices: both arrive.
    early = host.container("early", "br0", ["10.77.0.77/24"], labels={"tier": "other"}, mac=LATE_MAC)
    # A link takes a moment to come up.
    wait_until(lambda: gets(db, lambda: early.send_frame("eth0", late_frame), late_mark, 0.3), 5, "nobody polices: it sends")
    wait_until(lambda: gets(early, lambda: web.send_frame("eth0", to_late), to_late_mark, 0.3), 5, "it is sent to")
    run("ip", "link", "del", early.port)
    early.stop()
    del host.containers["early"]
    run("ip", "netns", "del", "early")

    host.start()
    host.wait_open("web", "db", "mallory")
    if state is not None:
        host.kill(state)
    late = host.container("late", labels={"tier": "other"})
    at_db, at_late = db.sniff_start("eth0"), late.sniff_start(None)
    spams = [(late, late.spam_start("eth0", late_frame)), (web, web.spam_start("eth0", to_late))]
    host.plug(late, "br0", ["10.77.0.77/24", "fd77::77/64"], mac=LATE_MAC)
    wait_until(lambda: all(agent.spam_sent(handle) > 300 for agent, handle in spams), 10, "frames sent")
    if state is None:
        host.wait_open("late")
    else:
        tap.equal(fdb_port("br0", LATE_MAC), None, "what the bridge learnt of a closed port")
        tap.expect(not host.agent.reach("udp", "10.77.0.77", 5432, 0.3), "the host does not reach a closed port")
    before = [agent.spam_sent(handle) for agent, handle in spams]
    wait_until(
        lambda: all(agent.spam_sent(handle) > count + 300 for (agent, handle), count in zip(spams, before)), 10, "more sent"
    )
    for agent, handle in spams:
        agent.spam_stop(handle)
    tap.equal(sum(late_mark in frame for frame in db.sniff_stop(at_db)), 0, "frames that it got out")
    got = late.sniff_stop(at_late)
    tap.equal(sum(to_late_mark in frame for frame in got), 0, "frames that got in")
    if state is not None:
        tap.equal(len(got), 0, "frames of whatever kind that got in")
        host.start()
        host.wait_open()
    holds(host, "afterwards")
    # And one that is allowed comes up and is served, first packet and all.
    friend = host.container("friend", "br0", ["10.77.0.78/24", "fd77::78/64"], labels={"tier": "front"})
    host.wait_open("friend")
    tap.expect(friend.reach("tcp", "10.77.0.3", 5432, 3), "an allowed newcomer is let in")


def test_first_packet(host):
    """A container that sends, and is sent to, from the first moment of its port: nothing passes"""
    kept_out(host, None)


def test_first_packet_stopped(host):
    """The same while the daemon is stopped"""
    kept_out(host, signal.SIGTERM)


def test_first_packet_killed(host):
    """The same while the daemon has been killed"""
    kept_out(host, signal.SIGKILL)


def test_ready_but_closed(host):
    """A port that has its programs before its owner is known is closed all the same, with the daemon and when it is killed"""
    web, db, _ = scene(host)
    host.start()
    host.wait_open("web", "db", "mallory")
    late = host.container("late", labels={"tier": "front"})
    # Without any address it can't be known whose it is.
    run("ip", "netns", "exec", "late", "sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1")
    host.plug(late, "br0", [], mac=LATE_MAC)

    def pins():
        return [name for name in os.listdir(f"{host.pins_mount}/bulkhead") if name.startswith(f"link_{index}_")]

    with open(f"/sys/class/net/{late.port}/ifindex") as file:
        index = file.read().strip()
    wait_until(lambda: len(pins()) == 2, 10, "its programs are attached")

    def silent(when):
        mark, to_mark = frames.marker(), frames.marker()
        out = frames.eth(db.mac(), LATE_MAC, frames.IPV4, frames.udp("10.77.0.77", "10.77.0.3", 4000, 5432, mark))
        into = frames.eth(LATE_MAC, web.mac(), frames.IPV4, frames.udp("10.77.0.2", "10.77.0.77", 4000, 5432, to_mark))
        at_db, at_late = db.sniff_start("eth0"), late.sniff_start(None)
        spams = [(late, late.spam_start("eth0", out)), (web, web.spam_start("eth0", into))]
        for group in ("00", "02", "0e"):
            late.send_frame("eth0", frames.eth(f"01:80:c2:00:00:{group}", LATE_MAC, 0x88CC, b"\0" * 46), 3)
        late.send_frame("eth0", frames.stp(LATE_MAC), 3)
        wait_until(lambda: all(agent.spam_sent(handle) > 500 for agent, handle in spams), 10, "frames sent")
        for agent, handle in spams:
            agent.spam_stop(handle)
        tap.equal(sum(mark in frame for frame in db.sniff_stop(at_db)), 0, f"{when}: frames that it got out")
        tap.equal(sum(to_mark in frame for frame in late.sniff_stop(at_late)), 0, f"{when}: frames that got in")
        tap.equal(fdb_port("br0", LATE_MAC), None, f"{when}: what the bridge learnt of it")

    silent("with the daemon")
    host.kill(signal.SIGKILL)
    tap.equal(len(pins()), 2, "programs that outlive the daemon")
    silent("the daemon was killed")
    host.start()
    wait_until(lambda: len(pins()) == 2, 10, "its programs are attached again")
    silent("with the next daemon")
    run("ip", "-n", "late", "addr", "add", "10.77.0.77/24", "dev", "eth0")
    host.wait_open("late")
    tap.expect(late.reach("tcp", "10.77.0.3", 5432, 3), "it is let in when it is known")
    holds(host, "afterwards")
    run("ip", "link", "del", late.port)
    wait_until(lambda: not pins(), 10, "its pins go with it")


def test_linklocal_groups(host):
    """Link-local group frames from a port, open or closed, do not move the bridge's table; an open one's, nor its tree"""
    web, db, mallory = scene(host)
    mac, home = db.mac(), db.port

    def root_port():
        return json.loads(run("ip", "-d", "-j", "link", "show", "br0"))[0]["linkinfo"]["info_data"]["root_port"]

    def steal(thief):
        # A new port, or one that the guard takes away, sets the tree going again.
        wait_until(lambda: web.reach("tcp", "10.77.0.3", 5432, 1), 15, "db speaks, so that the bridge knows where it is")
        tap.equal(fdb_port("br0", mac), home, "where db is")
        wait_until(lambda: forwarding(thief.port), 10, f"{thief.port} forwards")
        for group in ("00", "02", "03", "0e", "0f"):
            thief.send_frame("eth0", frames.eth(f"01:80:c2:00:00:{group}", mac, 0x88CC, b"\0" * 46), 3)
        thief.send_frame("eth0", frames.stp(mac), 3)
        return fdb_port("br0", mac)

    # With STP on, the bridge takes frames to 00 and 0e itself, past every netfilter hook.
    run("ip", "link", "set", "br0", "type", "bridge", "stp_state", "1")
    wait_until(lambda: forwarding(home) and forwarding(web.port), 10, "the bridge's ports forward")
    tap.equal(steal(mallory), mallory.port, "nobody polices: where the bridge believes db to be")
    tap.expect(root_port() != 0, "nobody polices: mallory is the root of the tree")
    wait_until(lambda: root_port() == 0, 15, "mallory's claim has run out")
    host.start()
    host.wait_open()
    tap.equal(steal(mallory), home, "where db is, with an open thief")
    tap.equal(root_port(), 0, "who is the root of the tree")
    waiting = host.container("waiting", "br0", [], mac="02:00:00:00:00:66")
    tap.equal(steal(waiting), home, "where db is, with a thief that is not open yet")
    host.kill(signal.SIGKILL)
    newcomer = host.container("newcomer", "br0", ["10.77.0.8/24"], mac="02:00:00:00:00:67")
    # A bridge that has not been given an address takes the lowest of its ports'.
    run("ip", "link", "set", newcomer.port, "address", "02:00:00:00:00:01")
    tap.equal(steal(newcomer), home, "where db is, with a thief that came when there was no daemon")
    holds(host, "afterwards")


def forwarding(interface):
    return json.loads(run("bridge", "-j", "link", "show", "dev", interface))[0]["state"] == "forwarding"


if __name__ == "__main__":
    tap.main(
        [
            test_first_packet,
            test_first_packet_stopped,
            test_first_packet_killed,
            tap.with_options(test_first_packet, "--no-tcx"),
            tap.with_options(test_first_packet_killed, "--no-tcx", "--no-owner"),
            test_ready_but_closed,
            test_linklocal_groups,
            tap.nft_alone(test_first_packet),
            tap.nft_alone(test_first_packet_killed),
        ]
    )
