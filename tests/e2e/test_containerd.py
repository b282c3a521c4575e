#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
# suite-timeout: 400
"""containerd's containers (ctr, and Kubernetes' pods by the CRI), and ports that are known by CNI's results."""

import ctypes
import ipaddress
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys

sys.path.insert(0, __file__.rsplit("/", 1)[0])
from lib import by_hand, tap
from lib.agent import Agent
from lib.engines import CNI_RESULTS, ContainerdHost, EngineContainer, on
from lib.host import run, wait_until

POLICY = """
version: 1
settings: { ignore: [ uplink ] }
zones:
  shop:
    groups:
      front: { members: [ { label: "tier=front" }, { name: "web-*" } ] }
      db: { members: { label: "tier=db" } }
  customers: { members: { namespace: customers, label: "app=till", not: { label: "example.org/team=red" } } }
  red: { members: { label: "example.org/team=red" } }
  ours: { members: { namespace: "test-*", name: "plain*" } }
  second: { members: { network: second } }
rules:
  - { from: shop/front, to: shop/db, allow: [ tcp/5432, udp/5432, ping ] }
  - { from: customers, to: shop/db, allow: tcp/5432 }
  - { from: world, to: customers, allow: tcp/80 }
"""
BY_HAND = POLICY.replace("network: second", "network: third").replace('name: "web-*"', 'name: "by-hand-*"')
SUBNET = "10.29.0.0/24"
SECOND = by_hand.bridge("second", "cni9", SUBNET)


def listen(*agents):
    for agent in agents:
        for port in (80, 81, 5432):
            agent.listen("tcp", port)
            agent.listen("udp", port)


def identities(host):
    return {port["container"]: port["identity"] for port in host.ask("ports") if port.get("container")}


def zones(host):
    """found and zoned by label, name, namespace and network; who uses the host's network is listed"""
    host.run("front", "tier=front")
    host.run("web-7")
    host.run("plain")
    host.run("onhost", network=("--net-host",), agent=False)
    host.policy(POLICY)
    host.start()
    # Some are there before the daemon, some come later.
    host.run("db", "tier=db")
    apart = host.run("apart", network=())
    result = by_hand.plugin("ADD", SECOND, f"{host.place}-apart", f"/proc/{apart.pid}/ns/net")
    by_hand.keep(CNI_RESULTS, SECOND, f"{host.place}-apart", result)
    host.pod("till", "customers", labels={"app": "till"})
    host.pod("red-1", "customers", annotations={"example.org/team": "red", "example.com/note": "n" * 9000})
    host.pod("onhost-too", "customers", host_network=True)
    wanted = {
        "front": "shop/front", "web-7": "shop/front", "db": "shop/db", "plain": "ours", "apart": "second",
        "till": "customers", "red-1": "red",
    }
    host.wait_guests(*wanted)
    tap.equal(identities(host), wanted, "identities")
    found = {port["container"]: port for port in host.ask("ports")}
    for name, guest in host.guests.items():
        if name != "onhost":
            tap.expect(set(guest.interfaces()["eth0"]) <= set(found[name]["addresses"]), f"addresses of {name}")
            tap.equal(found[name]["runtime"], "containerd", f"runtime of {name}")
            image = None if name in ("till", "red-1") else host.engine.image
            tap.equal(found[name].get("image"), image, f"image of {name}")
            tap.equal(found[name]["network"], "second" if name == "apart" else "shopnet", f"network of {name}")
    unpoliced = ["onhost", "onhost-too"]
    wait_until(lambda: sorted(entry["name"] for entry in host.ask("status")["unpoliced"]) == unpoliced, 20, "unpoliced")
    status = host.ask("status")
    runtimes = {entry["runtime"]: entry for entry in status["runtimes"]}
    tap.expect(runtimes["containerd"]["reachable"] and runtimes["cni"]["reachable"], "status of the runtimes")
    tap.equal(runtimes["containerd"]["containers"], len(wanted) + 2, "containers that are known")
    host.remove("web-7")
    wait_until(lambda: not host.ports_of("web-7"), 10, "a container that went is gone")


def reachability(host):
    """what the policy allows passes and nothing else, IPv4 and IPv6, pods among it"""
    front, db, plain = host.run("front", "tier=front"), host.run("db", "tier=db"), host.run("plain")
    _, till = host.pod("till", "customers", labels={"app": "till"}, ports=[(8080, 80), (8081, 81)])
    far = host.outside("far", "uplink", "203.0.113.1/24", ["203.0.113.9/24"])
    listen(front, db, plain, till)
    tap.expect(plain.reach("tcp", db.address(), 5432, 3), "nobody polices")
    for port in (8080, 8081):
        tap.expect(far.reach("tcp", "203.0.113.1", port, 3), f"nobody polices: published port {port}")
    host.policy(POLICY)
    host.start()
    host.wait_guests("front", "db", "plain", "till")
    for v6 in (False, True):
        tap.expect(front.reach("tcp", db.address(v6), 5432, 3), f"front to db, v6={v6}")
        tap.expect(front.ping(db.address(v6), 3), f"front pings db, v6={v6}")
        tap.expect(not front.reach("tcp", db.address(v6), 81), f"front to db, another port, v6={v6}")
        tap.expect(not plain.reach("tcp", db.address(v6), 5432), f"another zone, v6={v6}")
        tap.expect(till.reach("tcp", db.address(v6), 5432, 3), f"a pod to db, v6={v6}")
        tap.expect(not till.reach("udp", db.address(v6), 5432), f"a pod to db by UDP, v6={v6}")
        tap.expect(not db.reach("tcp", till.address(v6), 80), f"db to the pod, v6={v6}")
    tap.expect(far.reach("tcp", "203.0.113.1", 8080, 3), "a published port with a rule")
    tap.expect(not far.reach("tcp", "203.0.113.1", 8081), "a published port without")
    flow = host.wait_flow(from_="plain", to="db", service="tcp/5432", verdict="deny")
    tap.equal(flow["from"]["identity"], "ours", "whom the event names")


def pods(host):
    """a pod is one port; its containers come and go, and the sandbox has it; a new pod of its name is another"""
    host.policy(POLICY)
    host.start()
    pod, till = host.pod("till", "customers", labels={"app": "till"})
    host.wait_guests("till")
    key = host.ports_of("till")[0]["interface"]
    host.cri.run_container(pod, "app", host.engine.image, ["sleep", "1000"])
    wait_until(lambda: host.ports_of("till")[0].get("others") == ["app"], 20, "its container is a further owner")
    ports = host.ask("ports")
    tap.equal([(port["interface"], port["id"], port["state"]) for port in ports], [(key, pod, "open")], "the pod's port")
    # Without pods: one that was put into another's namespace.
    plain = host.run("plain")
    host.run("joins", "tier=front", network=("--with-ns", f"network:/proc/{plain.pid}/ns/net"), agent=False)
    wait_until(lambda: [port.get("others") for port in host.ports_of("plain")] == [["joins"]], 20, "who joins is an owner")
    host.remove("joins")
    host.remove("plain")
    till.agent.stop()
    host.cri.remove_pod(pod)
    wait_until(lambda: not host.ask("ports"), 20, "they are gone")
    again, _ = host.pod("till", "others")
    wait_until(lambda: [port["id"] for port in host.ask("ports") if port["state"] == "open"] == [again], 20, "the new pod")
    tap.equal(host.ports_of("till")[0]["identity"], "unassigned", "in another namespace it is in no zone")


def used_again(host):
    """a name and an address are used again: nothing of the former container's identity is left"""
    front, db = host.run("front", "tier=front"), host.run("db", "tier=db")
    listen(db)
    host.policy(POLICY)
    host.start()
    host.wait_guests("front", "db")
    address, address6 = front.address(), front.address(True)
    tap.expect(front.reach("tcp", db.address(), 5432, 3), "front to db")
    host.remove("front")
    wait_until(lambda: not host.ports_of("front"), 10, "it is gone")
    # ctr gives no address back: as if it had.
    networks = pathlib.Path("/var/lib/cni/networks/shopnet")
    for file in networks.iterdir():
        if f"{host.place}-front" in file.read_text():
            file.unlink()
    for number, given in enumerate((address, address6)):
        networks.joinpath(f"last_reserved_ip.{number}").write_text(str(ipaddress.ip_address(given) - 1))
    tap.expect(list(pathlib.Path(CNI_RESULTS).glob("*-front-eth0")), "the former's result is still there")
    front = host.run("front", "tier=none")
    tap.equal((front.address(), front.address(True)), (address, address6), "the same addresses")
    host.wait_guests("front")
    tap.equal(identities(host)["front"], "unassigned", "the new one's identity")
    tap.expect(not front.reach("tcp", db.address(), 5432), "the new one to db")
    # What it gives itself is not believed.
    run("nsenter", f"--net=/proc/{front.pid}/ns/net", "ip", "addr", "add", "10.22.0.77/24", "dev", "eth0")
    host.ask("reload")
    tap.expect("10.22.0.77" not in host.ports_of("front")[0]["addresses"], "an address of its own choice")


def restarts(host):
    """the daemon and containerd restart while containers run: all stays as it was, and who came meanwhile is opened"""
    front, db = host.run("front", "tier=front"), host.run("db", "tier=db")
    _, till = host.pod("till", "customers", labels={"app": "till"})
    listen(db, till)
    host.policy(POLICY)
    host.start()
    host.wait_guests("front", "db", "till")
    kept = front.connect(db.address(), 5432)
    tap.expect(front.exchange(kept, b"x", 3), "a connection")
    host.kill()
    late = host.run("plain")
    tap.expect(not late.reach("tcp", db.address(), 5432), "who came while there was no daemon")
    tap.expect(front.exchange(kept, b"x", 3), "the connection without a daemon")
    host.start()
    host.wait_guests("front", "db", "till", "plain")
    tap.expect(front.exchange(kept, b"x", 3), "the connection with the new daemon")
    tap.expect(till.reach("tcp", db.address(), 5432, 3), "a pod to db")
    tap.expect(not late.reach("tcp", db.address(), 5432), "another zone to db")
    before = {port["interface"]: (port["identity"], port["state"]) for port in host.ask("ports")}
    # containerd ends and comes back: its containers live on, and so does what is known of them.
    daemon = int(run("pgrep", "-f", f"^containerd --config {os.path.dirname(host.engine.environment['ENGINES_TOML'])}").split()[0])
    os.kill(daemon, signal.SIGKILL)
    host.ask("reload")
    after = {port["interface"]: (port["identity"], port["state"]) for port in host.ask("ports")}
    tap.equal(after, before, "the ports without containerd")
    tap.expect(front.exchange(kept, b"x", 3), "the connection without containerd")


def first_packets(host):
    """what a container sends before it is known does not arrive; what is allowed does, after that"""
    db = host.run("db", "tier=db")
    host.policy(POLICY)
    host.start()
    host.wait_guests("db")
    shell = ("sh", "-c", f"while :; do ping -c 1 -W 1 {db.address()}; done")

    def from_it(guest):  # in an IPv4 header, and nowhere in ARP
        return socket.inet_aton(guest.address()) + socket.inet_aton(db.address())

    sniff = db.sniff_start("eth0")
    noisy = host.run("noisy", "tier=none", command=shell)
    host.wait_guests("noisy")
    wait_until(lambda: host.ports_of("noisy")[0]["denied"]["from"]["packets"] > 0, 20, "it sent")
    got = db.sniff_stop(sniff)
    tap.equal(sum(from_it(noisy) in frame for frame in got), 0, "frames of the one that may not")
    sniff = db.sniff_start("eth0")
    tap.expect(db.sniff_until(sniff, from_it(host.run("loud", "tier=front", command=shell)), 20), "what is allowed arrives")


HOOK = """#!/usr/bin/python3
import json, sys
sys.path.insert(0, {lib!r})
from lib import by_hand
state = json.load(sys.stdin)
container = "{place}-" + state["id"]
path = "/proc/%d/ns/net" % state["pid"]
config = {config!r}
by_hand.keep({results!r}, config, container, by_hand.plugin("ADD", config, container, path), netns=path,
         capabilityArgs={{"portMappings": [{{"HostPort": 8088, "ContainerPort": 80, "Protocol": "tcp"}}]}})
"""


def hook(host):
    """a network that the container's own OCI hook makes, as nerdctl does: known before its process is"""
    directory = os.path.dirname(host.engine.environment["ENGINES_TOML"])
    program = pathlib.Path(directory, "hook")
    program.write_text(
        HOOK.format(lib=os.path.dirname(os.path.abspath(__file__)), place=host.place, config=SECOND, results=CNI_RESULTS)
    )
    program.chmod(0o755)
    host.run("model", network=())
    spec = json.loads(
        pathlib.Path(f"/run/containerd/io.containerd.runtime.v2.task/{host.place}/model/config.json").read_text()
    )
    spec["annotations"] = {"nerdctl/name": "shop-web", "nerdctl/namespace": host.place, "tier": "none", "nerdctl/networks": "[]"}
    spec["hooks"] = {"createRuntime": [{"path": str(program)}]}
    spec["root"]["path"] = f"{directory}/rootfs"
    spec["linux"]["cgroupsPath"] = f"/{host.place}/hooked"
    config = pathlib.Path(directory, "spec.json")
    config.write_text(json.dumps(spec))
    host.policy(POLICY)
    host.start()
    host.engine("run", "-d", "--config", str(config), "hooked")
    wait_until(lambda: host.ports_of("shop-web"), 20, "its port")
    wait_until(lambda: host.ports_of("shop-web")[0]["state"] == "open", 20, "it is open")
    port = host.ports_of("shop-web")[0]
    tap.equal((port["id"], port["runtime"], port["network"]), ("hooked", "containerd", "second"), "its owner")
    tap.equal(port["identity"], "second", "its zone")


def adopted(host):
    """what a chained plugin says of a container, before CNI has a result, gets the labels that containerd knows of it"""
    apart = host.run("apart", "tier=front", network=())
    container, netns = f"{host.place}-apart", f"/proc/{apart.pid}/ns/net"
    pod, _ = host.pod("till", "customers", annotations={"example.org/team": "red"})
    host.policy(POLICY)
    host.start()
    host.wait_guests("till")
    result = by_hand.plugin("ADD", SECOND, container, netns)
    word = {
        "runtime": "cni", "network": "of-plugins", "addresses": [result["ips"][0]["address"]], "wait_ms": 60000, "netns": netns,
        "interface": by_hand.host_side(result), "id": container, "name": container,
    }
    answer = host.ask("adopt", **word)
    tap.equal([(port["state"], port["zone"], port["groups"]) for port in answer["ports"]], [("open", "shop", ["shop/front"])], "it")
    by_hand.keep(CNI_RESULTS, SECOND, container, result)
    port = host.ports_of("till")[0]["interface"]
    host.ask("adopt", interface=port, name="till", id=pod, runtime="cni", namespace="customers", wait_ms=60000)
    wanted = {"apart": "shop/front", "till": "red"}
    tap.equal(identities(host), wanted, "identities")
    host.kill()
    host.start()
    host.wait_guests(*wanted)
    tap.equal(identities(host), wanted, "identities by the new daemon")


def unreadable(host):
    """a container whose configuration can't be read is not taken for one of CNI's without labels: its port stays closed"""
    host.run("front", "tier=front")
    config = pathlib.Path(f"/run/containerd/io.containerd.runtime.v2.task/{host.place}/front/config.json")
    kept = config.read_bytes()
    config.write_bytes(kept + b" " * (5 << 20))
    host.policy(POLICY)
    host.start()
    wait_until(lambda: [p for p in host.ask("ports") if "can't be read: File too large" in p.get("reason", "")], 20, "the reason")
    tap.equal([port for port in host.ask("ports") if port["state"] == "open"], [], "what is open")
    config.write_bytes(kept)
    host.wait_guests("front")
    tap.equal(identities(host), {"front": "shop/front"}, "once it can be read")


# ---- CNI by hand, without an engine


def network_by_hand(host):
    """The folder of results, and the network."""
    if not os.access(f"{by_hand.PLUGINS}/bridge", os.X_OK):
        raise tap.Skip("the CNI plugins are not installed")
    host.options = ("--cni-results", f"{host.directory}/results")
    host.policy(BY_HAND)
    host.start()
    return f"{host.directory}/results", by_hand.bridge("second", "cni9", SUBNET, data=f"{host.directory}/given")


def guest_in(name, path):
    guest = EngineContainer.__new__(EngineContainer)
    guest.engine, guest.name, guest.pid, guest.agent = None, name, 0, Agent(path)
    return guest


def test_cni_by_hand(host):
    """CNI plugins by hand, in named namespaces: the addresses are CNI's word where a result is kept, else the first claim"""
    results, network = network_by_hand(host)
    guests = {}
    for name, tier in (("front", "front"), ("db", "db"), ("claims", "none")):
        run("ip", "netns", "add", name)
        host.containers[name] = guests[name] = guest_in(name, f"/run/netns/{name}")
        pathlib.Path(host.meta, f"{name}.json").write_text(json.dumps({"labels": {"tier": tier}}))
        result = by_hand.plugin("ADD", network, f"by-hand-{name}", f"/run/netns/{name}")
        if name != "claims":
            by_hand.keep(results, network, f"by-hand-{name}", result)

    def opened():
        ports = host.ask("ports")
        return {port["container"]: port for port in ports} if [p["state"] for p in ports] == ["open"] * 3 else None

    found = wait_until(opened, 20, "three open ports")
    tap.equal({name: port["identity"] for name, port in found.items()}, {n: found[n]["identity"] for n in guests}, "names")
    tap.equal([found[name]["identity"] for name in ("front", "db")], ["shop/front", "shop/db"], "zones by labels")
    tap.equal([found[name].get("network") for name in ("front", "db", "claims")], ["second", "second", None], "networks")
    tap.equal([port["runtime"] for port in found.values()], ["netns"] * 3, "runtimes")
    listen(guests["db"])
    address = guests["db"].address()
    tap.expect(guests["front"].reach("tcp", address, 5432, 3), "front to db")
    tap.expect(not guests["front"].reach("tcp", address, 81), "front to db, another port")
    tap.expect(not guests["claims"].reach("tcp", address, 5432), "who may not")


def test_cni_without_names(host):
    """a namespace without a name, and no engine: the container is called as CNI calls it; a result must lead to the port"""
    results, network = network_by_hand(host)

    def process():
        def die_with_parent():
            ctypes.CDLL(None).prctl(1, signal.SIGKILL)

        child = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", "echo; exec sleep 100000"], stdout=subprocess.PIPE, preexec_fn=die_with_parent
        )
        child.stdout.readline()
        return child

    children = [process(), process()]
    try:
        one, other = (f"/proc/{child.pid}/ns/net" for child in children)
        result = by_hand.plugin("ADD", network, "by-hand-1", one)
        link = by_hand.host_side(result)

        def port():
            return next((port for port in host.ask("ports") if port["interface"] == link), {})

        # A result with the right link and another's namespace, half a result, and one of a pod: nothing of this opens it.
        lie = json.loads(json.dumps(result).replace(one, other))
        liar = by_hand.keep(results, network, "by-hand-2", lie)
        pathlib.Path(results, "half").write_text('{"kind":"cniCacheV1","containerId":"by-hand-3","resu')
        host.ask("reload")
        tap.expect(port().get("state") != "open", "a result of another namespace")
        liar.unlink()
        pod = by_hand.keep(results, network, "pod-1", result, cniArgs=[["K8S_POD_NAME", "p"], ["K8S_POD_INFRA_CONTAINER_ID", "x"]])
        wait_until(lambda: "record of the pod" in port().get("reason", ""), 20, "the reason names what is missing")
        pod.unlink()
        by_hand.keep(results, network, "by-hand-1", result)
        wait_until(lambda: port().get("state") == "open", 20, "it is open")
        found = port()
        tap.equal((found["container"], found["runtime"], found["network"]), ("by-hand-1", "cni", "second"), "its owner")
        tap.equal(found["identity"], "shop/front", "its zone, by its name")
        tap.expect(result["ips"][0]["address"].split("/")[0] in found["addresses"], "its address")
        tap.equal([port["state"] for port in host.ask("ports")], ["open"], "there is no other port")
    finally:
        for child in children:
            child.kill()
            child.wait()


SCENARIOS = (zones, reachability, pods, used_again, restarts, first_packets, hook, adopted, unreadable)
TESTS = [on("containerd", host_class=ContainerdHost)(scenario) for scenario in SCENARIOS]
TESTS += [test_cni_by_hand, test_cni_without_names]

if __name__ == "__main__":
    tap.main(TESTS, jobs=2)
