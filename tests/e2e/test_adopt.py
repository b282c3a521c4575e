#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""adopt and release: whoever makes a port says whose it is, waits until it is open, and takes it back."""

import json
import os
import pathlib
import socket
import subprocess
import sys
import threading

sys.path.insert(0, __file__.rsplit("/", 1)[0])
from lib import tap
from lib.agent import Agent
from lib.engines import on
from lib.host import Container, run, wait_until
from lib.shop import POLICY, scene

NOBODY, DAEMON_GROUP = 65534, 1
LONG = 30000  # ms: these come true long before
SHORT = 300  # ms: these never do
WAITS_MAX = 256
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


def kept(host):
    """What outlives the daemon."""
    with open(f"{host.directory}/state/adopted.json", encoding="utf-8") as file:
        return json.load(file)["adopted"]


def refused(answer, code, *words):
    tap.expect(not answer["ok"] and answer["error"].get("code") == code, f"refused with '{code}': {answer}")
    for word in words:
        tap.expect(word in json.dumps(answer["error"]), f"'{word}' in {answer}")


def test_adopt(host):
    """A hand-made veth with a namespace that nobody pins is adopted, and reaches what its labels allow"""
    start(host)
    box = bare(host, "box")
    addresses = ["10.77.0.9/24", "fd77::9/64"]
    veth = plug(host, box, addresses)
    answer = adopt(host, interface=veth, netns=netns(box), name="box", labels={"tier": "front"}, addresses=addresses)
    tap.expect(answer["ok"], f"adopted: {answer}")
    (told,) = answer["result"]["ports"]
    tap.equal((told["interface"], told["state"], told["zone"], told["groups"]), (veth, "open", "shop", ["shop/front"]), "port")
    # It is open by now, not soon.
    for target in (DB, "fd77::3"):
        tap.expect(box.reach("tcp", target, 5432, 3), f"what its labels allow, to {target}")
        tap.expect(not box.reach("tcp", target, 5433, 0.3), f"another port, to {target}")
    tap.expect(not box.reach("tcp", "10.77.0.4", 5432, 0.3), "another zone")
    tap.equal(port(host, veth)["runtime"], "adopt", "its runtime")


class Waiter:
    """A client that waits for its answer beside us."""

    def __init__(self, host, **request):
        self.answer = None

        def ask():
            self.answer = host.request({"command": "adopt", "wait_ms": LONG, **request})

        self.thread = threading.Thread(target=ask, daemon=True)
        self.thread.start()

    def waits(self):
        return self.thread.is_alive()

    def result(self):
        self.thread.join(LONG / 1000)
        tap.expect(self.answer and self.answer["ok"], f"answered: {self.answer}")
        return self.answer["result"]


def test_wait(host):
    """Without a claim the answer comes when all ports of the container are open, whoever knows it"""
    start(host)
    box = host.container("box", labels={"tier": "front"})
    by_namespace = Waiter(host, netns="/run/netns/box")
    host.ask("status")  # it is asked for before there is a port
    host.plug(box, "br0", ["10.77.0.9/24"], up=False)
    by_interface = Waiter(host, interface=box.port)
    host.ask("status")
    tap.expect(by_interface.waits() and by_namespace.waits(), "they wait while its link is down")
    run("ip", "link", "set", box.port, "up")
    for waiter in (by_interface, by_namespace):
        (told,) = waiter.result()["ports"]
        tap.equal((told["interface"], told["container"], told["state"]), (box.port, "box", "open"), "port")
    tap.expect(box.reach("tcp", DB, 5432, 3), "what its labels allow")
    # A second one, that is not known as long as it has no address.
    host.plug(box, "br0", [])
    waiter = Waiter(host, netns="/run/netns/box")
    wait_until(lambda: port(host, box.interfaces[1][0]), 10, "its second port is seen")
    tap.expect(waiter.waits(), "one of two is not enough")
    box.run("ip", "addr", "add", "10.77.0.10/24", "dev", "eth1")
    tap.equal(sorted(told["state"] for told in waiter.result()["ports"]), ["open", "open"], "both ports")
    # No zone, left out: what is as open as it will ever be.
    host.container("nobody", "br0", ["10.77.0.11/24"])
    (told,) = adopt(host, netns="/run/netns/nobody")["result"]["ports"]
    tap.expect(told["state"] == "open" and "zone" not in told, f"no zone: {told}")
    host.reload(host.policy_dir.joinpath("policy.yaml").read_text() + 'settings: { ignore: "vspare*" }\n')
    spare = bare(host, "spare")
    plug(host, spare, ["10.77.0.12/24"])
    (told,) = adopt(host, interface=spare.port, netns=netns(spare))["result"]["ports"]
    tap.equal(told["state"], "ignored", "left out by the settings")


def test_timeout(host):
    """What does not come true in time is refused with the reason, and nobody else waits for it"""
    start(host)
    box = bare(host, "box")
    veth = plug(host, box, ["10.77.0.9/24"])
    answer = adopt(host, interface=veth, wait_ms=SHORT)
    refused(answer, "timeout", veth, "namespace")
    tap.equal([told["state"] for told in answer["error"]["ports"]], ["closed"], "the ports it tells of")
    refused(adopt(host, netns=netns(box), wait_ms=SHORT), "timeout", veth)
    lonely = bare(host, "lonely")
    refused(adopt(host, netns=netns(lonely), wait_ms=SHORT), "timeout", "no port")
    # Nothing holds the loop up.
    waiter = Waiter(host, interface=veth)
    tap.expect(host.ask("status")["health"] == "ok", "others are answered meanwhile")
    newcomer = host.container("newcomer", "br0", ["10.77.0.10/24"], labels={"tier": "front"})
    host.wait_open("newcomer")
    tap.expect(newcomer.reach("tcp", DB, 5432, 3), "others are opened meanwhile")
    tap.expect(waiter.waits(), "it waits still")
    answer = adopt(host, interface=veth, netns=netns(box), name="box")
    tap.expect(answer["ok"] and waiter.result()["ports"][0]["container"] == "box", f"by somebody else's word: {answer}")
    answer = adopt(host, interface=veth, wait_ms=0)
    tap.equal([told["state"] for told in answer["result"]["ports"]], ["open"], "no wait: as it is")
    run("ip", "link", "del", veth)
    refused(adopt(host, interface=veth), "invalid", veth)


def test_commit_fails(host):
    """A port that is open as somebody else is not what was waited for: the answer is that of a commit"""
    start(host)
    policy = host.policy_dir.joinpath("policy.yaml").read_text()
    host.reload(policy.replace("rules:", "  fresh: { members: { label: tier=fresh } }\nrules:"))
    web, registry = host.containers["web"], f"{host.directory}/state/registry.json"
    os.rename(registry, f"{registry}.aside")
    os.mkdir(registry)  # what a new identity means can't be kept, so nothing may carry it
    words = {"interface": web.port, "name": "web", "labels": {"tier": "fresh"}, "addresses": ["10.77.0.2/24"]}
    refused(adopt(host, **words, wait_ms=SHORT), "timeout", "registry.json")
    tap.equal((port(host, web.port)["state"], port(host, web.port)["identity"]), ("open", "shop/front"), "as it was")
    os.rmdir(registry)
    (told,) = adopt(host, interface=web.port)["result"]["ports"]
    tap.equal(told["zone"], "fresh", "when it can be kept")


def test_many(host):
    """Clients that wait are bounded, those that hang up are forgotten, and others are served"""
    start(host)
    box = bare(host, "box")
    veth = plug(host, box, ["10.77.0.9/24"])
    line = json.dumps({"command": "adopt", "interface": veth, "wait_ms": 60000}).encode() + b"\n"

    def crowd(count):
        clients = []
        for _ in range(count):
            client = socket.socket(socket.AF_UNIX)
            client.connect(host.socket_path)
            client.sendall(line)
            clients.append(client)
        return clients

    clients = crowd(WAITS_MAX)
    wait_until(lambda: adopt(host, interface=veth, wait_ms=1)["error"]["code"] == "busy", 20, "all places taken")
    tap.expect(host.ask("status")["health"] == "ok", "others are served")
    for client in clients:
        client.shutdown(socket.SHUT_RDWR)
        client.close()
    wait_until(lambda: adopt(host, interface=veth, wait_ms=1)["error"]["code"] == "timeout", 20, "they are forgotten")
    clients = crowd(WAITS_MAX // 2)
    answer = adopt(host, interface=veth, netns=netns(box), name="box", labels={"tier": "front"})
    tap.expect(answer["ok"], f"adopted: {answer}")
    for client in clients:
        client.settimeout(LONG / 1000)
        tap.expect(json.loads(client.makefile().readline())["ok"], "each of the crowd is answered")
        client.close()
    # One that asks twice without waiting, and one that says nothing more, get all answers.
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(LONG / 1000)
        client.connect(host.socket_path)
        client.sendall(line + b'{"command": "version"}\n')
        client.shutdown(socket.SHUT_WR)
        answers = [json.loads(answer) for answer in client.makefile()]
    tap.expect(len(answers) == 2 and answers[0]["result"]["ports"] and answers[1]["result"]["version"], f"{answers}")


def test_nonsense(host):
    """Interfaces and namespaces that are none, or do not belong together, words that make no sense: refused at once"""
    start(host)
    box, other = bare(host, "box"), bare(host, "other")
    veth = plug(host, box, ["10.77.0.9/24"])
    plug(host, other, ["10.77.0.10/24"])
    os.mkfifo(f"{host.directory}/fifo")
    for words, code, reason in (
        ({}, "invalid", "needed"),
        ({"interface": "nonsense", "name": "x"}, "invalid", "no interface"),
        ({"interface": "x" * 300, "name": "x"}, "invalid", "no interface"),
        ({"interface": "br0", "name": "x"}, "unsupported", "no veth"),
        ({"interface": "lo", "name": "x"}, "unsupported", "no veth"),
        ({"interface": 7, "name": "x"}, "invalid", "texts"),
        ({"interface": veth, "netns": netns(other), "name": "x"}, "invalid", "other end"),
        ({"interface": veth, "netns": "/proc/self/ns/net", "name": "x"}, "invalid", "host's own"),
        ({"netns": "/proc/self/ns/uts", "name": "x"}, "invalid", "no path of a network namespace"),
        ({"netns": "/proc/self/ns/net", "name": "x"}, "invalid", "host's own"),
        ({"netns": "ns/net", "name": "x"}, "invalid", "no path"),
        ({"netns": "/nonexistent", "name": "x"}, "invalid", "No such file"),
        ({"netns": f"{host.directory}/fifo", "name": "x"}, "invalid", "no path"),
        ({"netns": "/dev/zero", "name": "x"}, "invalid", "no path"),
        ({"netns": host.directory, "name": "x"}, "invalid", "no path"),
        ({"interface": veth, "labels": {"tier": "front"}}, "invalid", "without a 'name'"),
        ({"interface": veth, "name": ""}, "invalid", "'name'"),
        ({"interface": veth, "name": "x", "adresses": []}, "invalid", "no 'adresses'"),
        ({"interface": veth, "name": "x", "addresses": ["10.77.0.9/33"]}, "invalid", "10.77.0.9/33"),
        ({"interface": veth, "name": "x", "addresses": ["127.0.0.1"]}, "invalid", "127.0.0.1"),
        ({"interface": veth, "name": "x", "labels": {"a": 1}}, "invalid", "label"),
        ({"interface": veth, "name": "x", "mac": "ff:ff:ff:ff:ff:ff"}, "invalid", "mac"),
        ({"interface": veth, "name": "x", "wait_ms": -1}, "invalid", "wait_ms"),
        ({"interface": veth, "name": "x", "wait_ms": 60001}, "invalid", "wait_ms"),
        ({"interface": veth, "name": "x", "wait_ms": "long"}, "invalid", "wait_ms"),
    ):
        refused(adopt(host, **words), code, reason)
    for words in ({}, {"interface": 7}, {"interface": veth, "name": "x"}):
        refused(host.request({"command": "release", **words}), "invalid")
    tap.expect(not os.path.exists(f"{host.directory}/state/adopted.json"), "nothing is adopted")
    tap.expect(port(host, veth)["state"] in ("closed", "waiting"), "nothing is open")


def test_survives(host):
    """What was adopted is still adopted when the daemon was killed and comes back; a broken file is no reason not to"""
    start(host)
    box = bare(host, "box")
    veth = plug(host, box, ["10.77.0.9/24"])
    words = {"interface": veth, "netns": netns(box), "name": "box", "labels": {"tier": "front"}, "id": "b0"}
    tap.expect(adopt(host, **words)["ok"], "adopted")
    connection = box.connect(DB, 5432)
    for _ in range(2):
        host.kill()
        tap.expect(box.exchange(connection, b"x" * 100, 3), "without a daemon it goes on")
        host.start()
        (told,) = adopt(host, interface=veth)["result"]["ports"]
        tap.equal((told["container"], told["state"], told["zone"]), ("box", "open", "shop"), "it is known at once")
        tap.expect(box.exchange(connection, b"x" * 100, 3), "its connection goes on")
    path = f"{host.directory}/state/adopted.json"
    good = open(path, encoding="utf-8").read()
    tap.equal(os.stat(path).st_mode & 0o777, 0o600, "the file's mode")
    os.symlink("/dev/zero", f"{path}.link")
    for number, bad in enumerate((good.replace('"version":1', '"version":9'), None)):
        host.kill()
        if bad is None:
            os.rename(f"{path}.link", path)
        else:
            with open(path, "w", encoding="utf-8") as file:
                file.write(bad)
        host.start()
        wait_until(lambda: port(host, veth)["state"] in ("closed", "waiting"), 10, f"bad file {number}: closed")
        tap.equal(host.log().count("nothing is adopted"), number + 1, f"bad file {number}: it is said")
        tap.expect(not box.reach("tcp", DB, 5432, 0.3), f"bad file {number}: nothing passes")
        tap.expect(adopt(host, **words)["ok"], f"bad file {number}: adopted again")
    # Numbers of another boot say nothing.
    host.kill()
    boot = json.loads(good)["boot"]
    with open(path, "w", encoding="utf-8") as file:
        file.write(good.replace(boot, boot[::-1]))
    host.start()
    wait_until(lambda: port(host, veth)["state"] in ("closed", "waiting"), 10, "another boot: closed")


def test_release(host):
    """A port that is released closes at once, and its flows with it; one that another runtime knows is that one's again"""
    start(host)
    box = bare(host, "box")
    veth = plug(host, box, ["10.77.0.9/24"])
    words = {"interface": veth, "netns": netns(box), "name": "box", "labels": {"tier": "front"}, "id": "b0"}
    for target in ({"interface": veth}, {"netns": netns(box)}, {"id": "b0"}):
        tap.expect(adopt(host, **words)["ok"], "adopted")
        connection = box.connect(DB, 5432)
        tap.expect(box.exchange(connection, b"x" * 100, 3), "a connection")
        tap.equal(host.ask("release", **target), {"released": 1}, f"by {target}")
        tap.expect(port(host, veth)["state"] in ("closed", "waiting"), "it is closed when the answer is there")
        tap.expect(not box.exchange(connection, b"x" * 100, 0.3), "its connection is cut")
        tap.expect(not box.reach("tcp", DB, 5432, 0.3), "nothing new")
        tap.equal(host.ask("release", **target), {"released": 0}, "nothing to release is no error")
    tap.equal(host.ask("release", interface="nonsense"), {"released": 0}, "no interface")
    tap.equal(host.ask("release", netns="/nonexistent"), {"released": 0}, "no namespace")
    web = host.containers["web"]
    answer = adopt(host, interface=web.port, name="somebody", labels={"tier": "other"}, addresses=["10.77.0.2/24"])
    tap.equal(answer["result"]["ports"][0]["zone"], "other", "an adoption goes before what others say")
    tap.expect(not web.reach("tcp", DB, 5432, 0.3), "and it counts")
    tap.equal(host.ask("release", interface=web.port), {"released": 1}, "released")
    told = port(host, web.port)
    tap.equal((told["container"], told["state"], told["zone"]), ("web", "open", "shop"), "it is what it was")
    tap.expect(web.reach("tcp", DB, 5432, 3), "and may what it could")


def test_reused(host):
    """An interface's name or number that another container gets does not inherit the adoption"""
    start(host)
    box, heir = bare(host, "box"), bare(host, "heir")
    veth = plug(host, box, ["10.77.0.9/24"])
    index = json.loads(run("ip", "-j", "link", "show", veth))[0]["ifindex"]
    tap.expect(adopt(host, interface=veth, netns=netns(box), name="box", labels={"tier": "front"})["ok"], "adopted")
    for new_index in ((), ("index", str(index))):
        run("ip", "link", "del", veth)
        run("ip", "link", "add", veth, *new_index, "type", "veth", "peer", "name", "eth0", "netns", heir.agent.pid)
        heir.run("ip", "addr", "add", "10.77.0.9/24", "dev", "eth0")
        heir.run("ip", "link", "set", "eth0", "up")
        run("ip", "link", "set", veth, "master", "br0", "up")
        refused(adopt(host, interface=veth, wait_ms=SHORT), "timeout", "namespace")
        tap.expect(not heir.reach("tcp", DB, 5432, 0.3), "nothing passes")
    # Nor does it while no daemon looks.
    run("ip", "link", "del", veth)
    run("ip", "link", "add", veth, "index", str(index), "type", "veth", "peer", "name", "eth0", "netns", box.agent.pid)
    tap.expect(adopt(host, interface=veth, netns=netns(box), name="box", labels={"tier": "front"}, wait_ms=0)["ok"], "again")
    host.kill()
    run("ip", "link", "del", veth)
    run("ip", "link", "add", veth, "index", str(index), "type", "veth", "peer", "name", "eth0", "netns", heir.agent.pid)
    heir.run("ip", "addr", "add", "10.77.0.9/24", "dev", "eth0")
    heir.run("ip", "link", "set", "eth0", "up")
    run("ip", "link", "set", veth, "master", "br0", "up")
    host.start()
    refused(adopt(host, interface=veth, wait_ms=SHORT), "timeout", "namespace")
    tap.expect(not heir.reach("tcp", DB, 5432, 0.3), "nothing passes")


def test_moved(host):
    """A container that moves its end away loses the adoption, and does not get it back by coming back"""
    start(host)
    box = bare(host, "box")
    veth = plug(host, box, ["10.77.0.9/24"], mac="02:00:00:00:00:77")
    tap.expect(adopt(host, interface=veth, netns=netns(box), name="box", labels={"tier": "front"})["ok"], "adopted")
    nest = bare(host, "nest")
    run("nsenter", f"--net={netns(box)}", "ip", "link", "set", "eth0", "netns", str(nest.agent.pid))
    nest.run("ip", "addr", "add", "10.77.0.9/24", "dev", "eth0")
    nest.run("ip", "link", "set", "eth0", "up")
    wait_until(lambda: port(host, veth)["state"] in ("closed", "waiting"), 10, "closed")
    tap.expect(not nest.reach("tcp", DB, 5432, 0.3), "nothing passes where it is now")
    run("nsenter", f"--net={netns(nest)}", "ip", "link", "set", "eth0", "netns", str(box.agent.pid))
    box.run("ip", "addr", "add", "10.77.0.9/24", "dev", "eth0")
    box.run("ip", "link", "set", "eth0", "up")
    refused(adopt(host, interface=veth, wait_ms=SHORT), "timeout", "namespace")
    tap.equal(host.ask("release", interface=veth), {"released": 0}, "nothing of it is left")


def test_conflict(host):
    """Two adoptions that give the same address: the first keeps it, the second is told"""
    start(host)
    first, second = bare(host, "first"), bare(host, "second")
    for box in (first, second):
        plug(host, box, ["10.77.0.9/24"])
    words = {"labels": {"tier": "front"}, "addresses": ["10.77.0.9/24"]}
    tap.expect(adopt(host, interface=first.port, netns=netns(first), name="first", **words)["ok"], "the first")
    answer = adopt(host, interface=second.port, netns=netns(second), name="second", **words, wait_ms=SHORT)
    refused(answer, "conflict", "10.77.0.9", first.port)
    tap.expect(first.reach("tcp", DB, 5432, 3), "the first keeps it")
    tap.expect(not second.reach("tcp", DB, 5432, 0.3), "the second is denied")
    waiter = Waiter(host, interface=second.port)
    host.ask("release", interface=first.port)
    tap.equal(waiter.result()["ports"][0]["state"], "open", "it is the second's when the first is released")
    tap.expect(second.reach("tcp", DB, 5432, 3), "and counts")
    # Never the gateway's or the host's.
    third = bare(host, "third")
    plug(host, third, [])
    for address, why in (("10.77.0.1/24", "host's own"), ("10.77.0.9/24", "belongs to")):
        answer = adopt(host, interface=third.port, netns=netns(third), name="third", addresses=[address], wait_ms=SHORT)
        refused(answer, "conflict", why)
    answer = adopt(host, interface=third.port, netns=netns(third), name="third", addresses=["10.77.0.8"],
                   gateways=["10.77.0.8"], wait_ms=SHORT)
    refused(answer, "conflict", "gateway")


def test_before(host):
    """A port is adopted before its other end is in the container, and is of the namespace that it is first seen in"""
    start(host)
    box = host.container("box")
    run("ip", "link", "add", "vbox0", "type", "veth", "peer", "name", "vbox1")
    answer = adopt(host, interface="vbox0", name="early", labels={"tier": "front"}, wait_ms=0)
    tap.expect(answer["ok"], f"not waited for: {answer}")
    host.kill()  # not bound yet, and kept all the same
    host.start()
    run("ip", "link", "set", "vbox1", "netns", "box", "name", "eth0")
    box.run("ip", "addr", "add", "10.77.0.9/24", "dev", "eth0")
    box.run("ip", "link", "set", "eth0", "up")
    run("ip", "link", "set", "vbox0", "master", "br0", "up")
    (told,) = adopt(host, interface="vbox0")["result"]["ports"]
    tap.equal((told["container"], told["zone"]), ("early", "shop"), "port")
    tap.expect(box.reach("tcp", DB, 5432, 3), "what its labels allow")
    (record,) = kept(host)
    tap.expect(record["cookie"] > 0, f"it is bound: {record}")


def test_namespace(host):
    """A namespace is adopted with all its ports, those that come later among them, and forgotten when it has gone"""
    start(host)
    box = bare(host, "box")
    plug(host, box, ["10.77.0.9/24"])
    plug(host, box, ["10.77.0.10/24"])
    answer = adopt(host, netns=netns(box), name="box", labels={"tier": "front"}, id="b0")
    tap.equal(sorted(told["state"] for told in answer["result"]["ports"]), ["open", "open"], "both ports")
    third = plug(host, box, ["10.77.0.11/24"])
    (told,) = adopt(host, interface=third)["result"]["ports"]
    tap.equal((told["container"], told["state"]), ("box", "open"), "a later one")
    # What is said of one port goes before.
    answer = adopt(host, interface=third, name="third", labels={"tier": "other"})
    tap.equal(answer["result"]["ports"][0]["zone"], "other", "of one port")
    answer = adopt(host, interface=box.interfaces[1][0], name="box", labels={"tier": "other"}, id="b0")
    tap.equal(answer["result"]["ports"][0]["zone"], "other", "of another, with the same name and id")
    zones = [port(host, side)["zone"] for side, _ in box.interfaces]
    tap.equal(zones, ["shop", "other", "other"], "each port is what was said of it")
    tap.equal(len(kept(host)), 3, "all are kept")
    box.agent.stop()
    wait_until(lambda: not kept(host), 20, "all is forgotten")


def test_next(host):
    """A namespace that is kept for another container is that one's alone, when the process of the first has gone"""
    start(host)
    box = bare(host, "box")
    veth = plug(host, box, ["10.77.0.9/24"])

    def claim(name, tier):
        process = subprocess.Popen(["sleep", "infinity"])
        answer = adopt(host, netns=netns(box), name=name, id=name, labels={"tier": tier}, pid=process.pid)
        (told,) = answer["result"]["ports"]
        return process, (told["container"], told["state"], told["zone"])

    def end(process):
        process.kill()
        process.wait()

    first, told = claim("first", "front")
    tap.equal(told, ("first", "open", "shop"), "the first")
    host.kill()
    host.start()
    (told,) = adopt(host, interface=veth)["result"]["ports"]
    tap.equal(told["container"], "first", "also for the next daemon")
    end(first)
    second, told = claim("second", "other")
    tap.equal(told, ("second", "open", "other"), "the second, with nothing of the first")
    tap.equal([item["id"] for item in kept(host)], ["second"], "the first is forgotten")
    end(second)
    refused(adopt(host, interface=veth, wait_ms=SHORT), "timeout", veth)
    tap.equal(kept(host), [], "with its process it ends")
    refused(adopt(host, netns=netns(box), name="third", pid=second.pid), "invalid", "there is no process")


def test_completed(host):
    """What is said of a namespace adds to what is said of a port in it, where both are of one container"""
    start(host)
    box = bare(host, "box")
    veth = plug(host, box, ["10.77.0.9/24"])
    of_port = {"interface": veth, "netns": netns(box), "name": "pod", "id": "b0", "addresses": ["10.77.0.9/24"]}
    of_namespace = {"netns": netns(box), "name": "box", "image": "shop:1"}
    for words, zone in (
        (of_port, None),
        ({**of_namespace, "id": "b1", "labels": {"tier": "front"}}, None),
        ({**of_namespace, "id": "b0", "labels": {"tier": "front"}}, "shop"),
        ({**of_port, "labels": {"tier": "other"}}, "other"),
        ({**of_port, "labels": {}}, None),
        (of_port, "shop"),
    ):
        (told,) = adopt(host, **words)["result"]["ports"]
        tap.equal((told["container"], told.get("zone")), ("pod", zone), f"with {words}")
    told = port(host, veth)
    tap.equal((told["image"], told["addresses"][0]), ("shop:1", "10.77.0.9"), "image and address")


def test_shared(host):
    """Containers that share a namespace are adopted each with its own id, and own its port together"""
    start(host)
    box = bare(host, "box")
    veth = plug(host, box, ["10.77.0.9/24"])

    def zone():
        told = port(host, veth)
        return told["container"], told["state"], told.get("zone")

    for name, labels, wanted in (
        ("pause", {}, ("pause", "open", None)),
        ("app", {"tier": "front"}, ("pause", "open", "shop")),
        ("helper", {"tier": "other"}, ("pause", "conflicted", None)),
        ("helper", {}, ("pause", "open", "shop")),
    ):
        tap.expect(adopt(host, netns=netns(box), name=name, id=f"id-{name}", labels=labels)["ok"], f"{name} is adopted")
        tap.equal(zone(), wanted, f"with {name}: {labels}")
    tap.equal(len(kept(host)), 3, "each is kept")
    host.kill()
    host.start()
    tap.equal(adopt(host, interface=veth)["result"]["ports"][0]["zone"], "shop", "also by the next daemon")
    tap.equal(host.ask("release", id="id-app"), {"released": 1}, "one leaves")
    tap.equal(zone(), ("pause", "open", None), "the others stay")
    tap.equal(host.ask("release", id="id-pause"), {"released": 1}, "the first leaves")
    tap.equal(zone(), ("helper", "open", None), "the last stays")
    tap.equal(host.ask("release", netns=netns(box)), {"released": 1}, "and leaves")
    tap.expect(port(host, veth)["state"] in ("closed", "waiting"), "closed")


def test_pending(host):
    """Labels that only the engine knows are waited for; labels that are said are not"""
    pins = f"{host.directory}/docker-netns"
    start(host, "--docker-netns", pins)
    box = bare(host, "box")
    veth = plug(host, box, ["10.77.0.9/24"])
    # A namespace of Docker's, which is silent.
    os.mkdir(pins)
    pathlib.Path(pins, "0123456789ab").touch()
    run("mount", "--bind", netns(box), f"{pins}/0123456789ab")
    words = {"interface": veth, "netns": netns(box), "name": "box", "id": "f" * 64}
    tap.equal(adopt(host, **words, runtime="cni")["result"]["ports"][0]["state"], "open", "who does not speak of Docker")
    answer = adopt(host, **words, runtime="docker", wait_ms=SHORT)
    refused(answer, "timeout", veth)
    tap.expect(not box.reach("tcp", DB, 5432, 0.3), "it is closed until Docker says")
    answer = adopt(host, **words, runtime="docker", labels={"tier": "front"})
    tap.equal(answer["result"]["ports"][0]["zone"], "shop", "labels that are said")
    run("umount", f"{pins}/0123456789ab")


def test_group(host):
    """Members of the daemon's group may ask, but not adopt and not release"""
    os.chmod(host.directory, 0o755)
    start(host, "--group", "daemon")
    web = host.containers["web"].port
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(DAEMON_GROUP)
            os.setuid(NOBODY)
            answers = [
                host.request({"command": "version"}),
                host.request({"command": "adopt", "interface": web, "name": "evil", "wait_ms": SHORT}),
                host.request({"command": "adopt", "interface": web, "wait_ms": SHORT}),
                host.request({"command": "release", "interface": web}),
            ]
            os.write(writing, json.dumps(answers).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as stream:
        version, *others = json.load(stream)
    os.waitpid(child, 0)
    tap.expect(version["ok"], "a member may ask")
    for answer in others:
        refused(answer, "denied", "root")
    tap.equal(port(host, web)["container"], "web", "nothing has changed")


def test_command(host):
    """bulkhead adopt and release: what they print, as text and JSON, and how they exit"""
    start(host)
    box = bare(host, "box")
    veth = plug(host, box, ["10.77.0.9/24"])
    words = ("adopt", veth, "--netns", netns(box), "--name", "box", "--address", "10.77.0.9/24", "--gateway", "10.77.0.1")
    result = host.cli(*words, "--label", "tier=front", "--label", "note=a=b", "--id", "b0", "--wait", str(LONG))
    tap.equal(result.stdout, f"{veth}  open in zone shop\n", "adopt")
    tap.expect(box.reach("tcp", DB, 5432, 3), "what its labels allow")
    result = host.cli("--json", "adopt", "--netns", netns(box))
    tap.equal([told["interface"] for told in json.loads(result.stdout)["ports"]], [veth], "adopt --json")
    tap.equal(host.cli("release", "--id", "b0").stdout, "released 1\n", "release")
    tap.equal(json.loads(host.cli("--json", "release", veth).stdout), {"released": 0}, "release --json")
    result = host.cli("adopt", veth, "--wait", "50", check=False)
    tap.equal((result.returncode, result.stdout), (1, ""), "adopt in vain")
    tap.expect(f"port {veth} is not open" in result.stderr, result.stderr)
    result = host.cli("--json", "adopt", veth, "--wait", "50", check=False)
    error = json.loads(result.stdout)["error"]
    tap.equal((result.returncode, error["code"], error["ports"][0]["interface"]), (1, "timeout", veth), "adopt --json in vain")


def test_hooks_file(host):
    """hooks.json tells the hooks what is in force, whenever a policy comes in force"""
    start(host)
    path = f"{host.directory}/state/hooks.json"

    def told():
        return json.load(open(path, encoding="utf-8"))

    fail = {"version": 1, "start_without_daemon": "fail", "socket": host.socket_path}
    tap.equal(told(), fail, "by default")
    tap.equal((os.stat(path).st_mode & 0o7777, os.stat(path).st_uid), (0o644, 0), "mode and owner")
    policy = host.policy_dir.joinpath("policy.yaml").read_text()
    host.reload(policy + "settings: { start_without_daemon: closed }\n")
    tap.equal(told(), {**fail, "start_without_daemon": "closed"}, "as the policy says")
    try:
        host.reload(policy + "settings: { start_without_daemon: open }\n")
        tap.expect(False, "a policy with an error is refused")
    except RuntimeError as error:
        tap.expect("expected fail or closed" in str(error), str(error))
    tap.equal(told()["start_without_daemon"], "closed", "a broken policy changes nothing")
    host.reload(policy)
    tap.equal(told(), fail, "by default again")


def engine_adds(host):
    """an engine's own record adds what an adoption with its container's id leaves out, and nothing else"""
    guest = host.run("front", "--label tier=front", "--label more=yes")
    host.policy(POLICY)
    host.start()
    host.wait_guests("front")
    (known,) = host.ports_of("front")
    words = {"interface": known["interface"], "name": "mine"}
    zones = lambda answer: [told.get("zone") for told in answer["result"]["ports"]]
    answer = adopt(host, **words, id=known["id"])
    tap.equal(zones(answer), ["shop"], "its labels are the engine's")
    told = port(host, known["interface"])
    tap.equal((told["container"], told["image"], told["network"]), ("mine", known["image"], known["network"]), "the record's")
    tap.expect(guest.address() in told["addresses"], f"its address is the engine's: {told['addresses']}")
    tap.equal(zones(adopt(host, **words, id=known["id"], labels={"tier": "other"})), ["other"], "labels that are said count")
    tap.equal(zones(adopt(host, **words, id=known["id"], labels={})), [None], "also when it is said that there are none")
    tap.equal(zones(adopt(host, **words, id="0" * 64)), [None], "another container's record adds nothing")
    tap.equal(zones(adopt(host, **words)), [None], "nor does one without an id")
    tap.equal(host.ask("release", interface=known["interface"]), {"released": 1}, "one port has one adoption")
    host.wait_guests("front")
    tap.equal(port(host, known["interface"])["zone"], "shop", "it is the engine's again")


if __name__ == "__main__":
    tap.main(
        [
            test_adopt, test_wait, test_timeout, test_commit_fails, test_many, test_nonsense, test_survives, test_release, test_reused,
            test_moved, test_conflict, test_before, test_namespace, test_next, test_completed, test_shared, test_pending, test_group, test_command, test_hooks_file,
            on("docker")(engine_adds),
        ],
        jobs=4,
    )
