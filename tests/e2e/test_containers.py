#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
# suite-timeout: 600
"""Containers of real engines, Docker and Podman: found, put into zones, and policed."""

import json
import sys

sys.path.insert(0, __file__.rsplit("/", 1)[0])
from lib import frames, tap
from lib.engines import on
from lib.host import wait_until

POLICY = """
version: 1
settings: { ignore: [ uplink ] }
zones:
  shop:
    groups:
      front: { members: [ { label: "tier=front" }, { name: "web-*" } ] }
      db: { members: { image: "*special:*" } }
  build: { members: { network: ci, not: { name: "[ow]*" } } }
  other: { members: { name: "other*" } }
rules:
  - { from: shop/front, to: shop/db, allow: [ tcp/5432, udp/5432, ping ] }
  - { from: shop/front, to: host, allow: tcp/9100 }
  - { from: world, to: shop/front, allow: tcp/80 }
  - { from: other, to: shop/front, allow: tcp/80 }
  - { from: shop/front, to: build, allow: udp/7 }
"""
SUBNET = {"docker": "172.30.0.0/24", "podman": "10.55.0.0/24"}
SUBNET6 = "fd00:30::/64"


def special(host):
    """A second name of the image, for members by image."""
    host.engine("tag", host.engine.image, "special:1")
    return "localhost/special:1" if host.engine.name == "podman" else "special:1"


def shop(host):
    """Two networks, of which one has IPv6; front and db by label and image, build by network, other by name."""
    host.engine("network", "create", "--subnet", SUBNET[host.engine.name], "--ipv6", "--subnet", SUBNET6, "ci")
    front = host.run("front", "--label tier=front")
    db = host.run("db", image=special(host))
    other = host.run("other-1")
    for agent in (front, db, other, host.agent):
        for port in (80, 81, 5432, 9100):
            agent.listen("tcp", port)
            agent.listen("udp", port)
    host.policy(POLICY)
    return front, db, other


def zones(host):
    """containers are found and zoned by label, name, image and network; who uses the host's network is listed"""
    shop(host)
    host.run("web-7")
    host.run("job", "--network ci", agent=False)
    host.run("onhost", "--network host", agent=False)
    host.run("nobody")
    host.start()
    host.wait_guests("front", "db", "other-1", "web-7", "job", "nobody")
    found = {port["container"]: port for port in host.ask("ports")}
    identities = {name: port["identity"] for name, port in found.items()}
    wanted = {
        "front": "shop/front", "web-7": "shop/front", "db": "shop/db", "job": "build", "other-1": "other",
        "nobody": "unassigned",
    }
    tap.equal(identities, wanted, "identities")
    for name, guest in host.guests.items():
        if name == "onhost":
            continue
        tap.expect(set(guest.interfaces()["eth0"]) <= set(found[name]["addresses"]), f"addresses of {name}")
        tap.equal(found[name]["runtime"], host.engine.name, f"runtime of {name}")
    status = host.ask("status")
    tap.equal([entry["name"] for entry in status["unpoliced"]], ["onhost"], "what can't be policed")
    tap.equal([entry["container"] for entry in status["unassigned"]], ["nobody"], "unassigned")
    # One that comes and one that goes.
    host.engine.remove("web-7")
    host.run("web-8")
    host.wait_guests("web-8")
    wait_until(lambda: not host.ports_of("web-7"), 10, "a container that went is gone")


def reachability(host):
    """what the policy allows passes and nothing else, to containers and to the host, IPv4 and IPv6"""
    front, db, other = shop(host)
    job, job2 = host.run("job", "--network ci"), host.run("web-6", "--network ci")
    job.listen("udp", 7)
    job.listen("udp", 8)
    tap.expect(other.reach("tcp", db.address(), 5432, 3), "nobody polices")
    host.start()
    host.wait_guests("front", "db", "other-1", "job", "web-6")
    tap.expect(front.reach("tcp", db.address(), 5432, 3), "front to db")
    tap.expect(front.reach("udp", db.address(), 5432, 3), "front to db by UDP")
    tap.expect(front.ping(db.address(), 3), "front pings db")
    tap.expect(not front.reach("tcp", db.address(), 81), "front to db, another port")
    tap.expect(not db.reach("tcp", front.address(), 5432), "db to front")
    tap.expect(not db.ping(front.address()), "db pings front")
    tap.expect(not other.reach("tcp", db.address(), 5432), "another zone")
    tap.expect(other.reach("tcp", front.address(), 80, 3), "another zone, with a rule")
    for v6 in (False, True):
        tap.expect(job2.reach("udp", job.address(v6), 7, 3), f"on the second network, v6={v6}")
        tap.expect(not job2.reach("udp", job.address(v6), 8), f"another port of it, v6={v6}")
        tap.expect(host.agent.reach("udp", job.address(v6), 8, 3), f"the host may, v6={v6}")
    gateway = front.run("ip", "-4", "route", "show", "default").split()[2]
    tap.expect(front.reach("tcp", gateway, 9100, 3), "front to the host")
    tap.expect(not front.reach("tcp", gateway, 81), "front to the host, another port")
    tap.expect(not other.reach("tcp", gateway, 9100), "other to the host")
    flow = host.wait_flow(from_="other-1", to="db", service="tcp/5432", verdict="deny")
    tap.equal(flow["to"]["identity"], "shop/db", "whom the event names")


# Runs in a container, by the machine's own Python: frames to the victim from the first moment of the process.
SENDER = """
import fcntl, socket, struct
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("eth0", 0x0800))
own = fcntl.ioctl(s, 0x8915, struct.pack("256s", b"eth0"))[20:24]  # SIOCGIFADDR
payload = bytes.fromhex("{mark}")
udp = struct.pack("!HHHH", 4000, 5432, 8 + len(payload), 0) + payload
def ip(checksum):
    return struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, checksum) + own + socket.inet_aton("{address}")
total = sum(struct.unpack("!10H", ip(0)))
while total >> 16:
    total = (total & 0xFFFF) + (total >> 16)
frame = bytes.fromhex("{mac}") + s.getsockname()[4] + bytes.fromhex("0800") + ip(~total & 0xFFFF) + udp
while True:
    try:
        s.send(frame)
    except OSError:
        pass
"""
MACHINE = ("-v /usr:/usr:ro", "-v /usr/lib:/lib:ro", "-v /usr/lib64:/lib64:ro", "--cap-add NET_RAW")


def hasty(host, name, label, mark, victim):
    """A container that begins to send before anybody knows it, and does nothing else."""
    program = SENDER.format(mark=mark.hex(), address=victim.address(), mac=victim.mac().replace(":", ""))
    sender = ("/usr/bin/python3", "-S", "-c", program)
    return host.run(name, f"--label {label}", *MACHINE, command=sender)


def first_packets(host):
    """containers that send in a tight loop from their first moment: nothing denied arrives, and what is allowed does"""
    _, db, _ = shop(host)
    before, denied, late, allowed = (frames.marker() for _ in range(4))
    sniff = db.sniff_start("eth0")
    hasty(host, "before", "tier=none", before, db)
    tap.expect(db.sniff_until(sniff, before, 5), "nobody polices: it arrives")
    host.engine.remove("before")
    db.sniff_stop(sniff)
    host.start()
    host.wait_guests("front", "db", "other-1")
    sniff = db.sniff_start("eth0")
    hasty(host, "denied", "tier=none", denied, db)
    host.wait_guests("denied")
    wait_until(lambda: host.ports_of("denied")[0]["denied"]["from"]["packets"] > 100, 10, "it sent")
    host.engine.remove("denied")
    # While the daemon is dead, the next one is not even known.
    host.kill()
    late_guest = hasty(host, "late", "tier=front", late, db)
    wait_until(lambda: sent(late_guest) > 100, 10, "it sent")
    got = db.sniff_stop(sniff)
    tap.equal(sum(denied in frame for frame in got), 0, "frames of the one in no zone")
    tap.equal(sum(late in frame for frame in got), 0, "frames of the one that came while there was no daemon")
    sniff = db.sniff_start("eth0")
    host.start()
    tap.expect(db.sniff_until(sniff, late, 15), "what is allowed arrives once a daemon knows who sends")
    host.engine.remove("late")
    hasty(host, "allowed", "tier=front", allowed, db)
    tap.expect(db.sniff_until(sniff, allowed, 15), "what is allowed arrives once its port is open")


def sent(guest):
    return json.loads(guest.run("ip", "-j", "-s", "link", "show", "eth0"))[0]["stats64"]["tx"]["packets"]


def hot_plug(host):
    """a network plugged into a running hostile container: none of its frames arrives, from the very first"""
    engine = host.engine
    engine("network", "create", "--subnet", SUBNET[engine.name], "ci")
    victim = host.run("web-6", "--network ci")
    mallory = host.run("other-9")
    mark = frames.marker()
    source = SUBNET[engine.name].replace(".0/24", ".77")
    frame = frames.eth(victim.mac(), "02:00:00:00:00:77", frames.IPV4, frames.udp(source, victim.address(), 4000, 7, mark))

    def plug():
        # Docker counts on: the next interface may have another name.
        spams = [mallory.spam_start(f"eth{number}", frame) for number in range(1, 7)]
        engine("network", "connect", "ci", "other-9")
        wait_until(lambda: sum(map(mallory.spam_sent, spams)) > 300, 10, "frames sent")
        return spams

    def unplug(spams):
        for spam in spams:
            mallory.spam_stop(spam)
        engine("network", "disconnect", "ci", "other-9")

    sniff = victim.sniff_start("eth0")
    unplug(plug())
    tap.expect(any(mark in frame for frame in victim.sniff_stop(sniff)), "nobody polices: it arrives")
    host.policy(POLICY)
    host.start()
    host.wait_guests("web-6", "other-9")
    sniff = victim.sniff_start("eth0")
    for _ in range(3):
        spams = plug()
        wait_until(lambda: len(host.ports_of("other-9")) == 2, 10, "the second port")
        unplug(spams)
        wait_until(lambda: len(host.ports_of("other-9")) == 1, 10, "the second port is gone")
    host.kill()
    unplug(plug())
    tap.equal(sum(mark in frame for frame in victim.sniff_stop(sniff)), 0, "frames that arrived")


def adoption(host):
    """the daemon starts while containers run: what is allowed goes on, what is not is cut; so over kill -9"""
    front, db, other = shop(host)
    kept, cut = front.connect(db.address(), 5432), other.connect(db.address(), 5432)
    host.start()
    host.wait_guests("front", "db", "other-1")
    tap.expect(front.exchange(kept, b"x" * 4000, 5), "an allowed connection goes on")
    tap.expect(not other.exchange(cut, b"x", 0.5), "one that is not allowed is cut")
    pump = front.pump_start(db.address(), 5432, 0.005)
    wait_until(lambda: front.pump_progress(pump)[1] > 20, 10, "datagrams echoed")
    host.kill()
    tap.expect(front.exchange(kept, b"x" * 4000, 3), "after kill -9")
    tap.expect(not other.reach("tcp", db.address(), 5432), "after kill -9: denied")
    tap.expect(front.reach("tcp", db.address(), 5432, 3), "after kill -9: a new one")
    host.start()
    host.wait_guests("front", "db", "other-1")
    progress = front.pump_progress(pump)
    wait_until(lambda: front.pump_progress(pump)[0] > progress[0] + 50, 10, "more datagrams")
    tap.expect(front.exchange(kept, b"x" * 4000, 3), "with a new daemon")
    sent_frames, echoed = front.pump_stop(pump)
    tap.equal(echoed, sent_frames, "datagrams that came back")


SCENARIOS = (zones, reachability, first_packets, hot_plug, adoption)
TESTS = [on(name)(scenario) for name in ("docker", "podman") for scenario in SCENARIOS]
for scenario in (zones, reachability):
    TESTS.append(on("podman", "cni")(scenario))
    TESTS[-1].__name__ += "_cni"
    TESTS[-1].__doc__ += " (networks by CNI)"

if __name__ == "__main__":
    tap.main(TESTS)
