#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
# suite-timeout: 600
"""Published ports with real engines: who is judged as whom. docs/published.md says it, and is read as the test's data."""

import concurrent.futures
import socket
import struct
import sys
from dataclasses import dataclass

sys.path.insert(0, __file__.rsplit("/", 1)[0])
from lib import tap
from lib.engines import on
from lib.host import ROOT, wait_until

UPLINK = {4: "203.0.113.1", 6: "2001:db8:113::1"}
FAR = {4: "203.0.113.9", 6: "2001:db8:113::9"}
BEYOND = {4: "198.51.100.2", 6: "2001:db8:51::2"}  # behind `far`
LOOPBACK = {4: "127.0.0.1", 6: "::1"}
NETWORKS = {"one": {4: "172.30.1.%s", 6: "fd00:30:1::%s"}, "two": {4: "172.30.2.%s", 6: "fd00:30:2::%s"}}
GUESTS = {"web": "one", "mate": "one", "near": "one", "cousin": "two", "away": "two"}
# linux/netlink.h, linux/netfilter/nfnetlink.h, nfnetlink_conntrack.h
NETLINK_NETFILTER, NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_DELETE = 12, 1, 2
PORTS = {"all": 8080, "loopback": 8081, "one": 8082}

POLICY = """
version: 1
settings: {{ ignore: [ uplink ], host_to_containers: deny }}
zones:
  shop:
    within: deny
    groups:
      web: {{ members: {{ name: web }} }}
      mate: {{ members: {{ name: mate }} }}
      cousin: {{ members: {{ name: cousin }} }}
  near: {{ members: {{ name: near }} }}
  away: {{ members: {{ name: away }} }}
rules:
  - {{ from: [ {} ], to: shop/web, allow: [ tcp/80, udp/80 ] }}
"""
# Who asks, and as whom the policy knows it.
ASKERS = {
    "far": "world", "host": "host", "web": "shop/web", "mate": "shop/mate", "near": "near", "cousin": "shop/cousin",
    "away": "away",
}

# ---- The table of docs/published.md

COLUMNS = ["Docker", "no proxy", "ip6tables", "both", "Podman", "Podman CNI"]
WHO = {
    "outside": ["far"], "the host": ["host"], "the container": ["web"], "its network": ["mate", "near"],
    "another network": ["cousin", "away"],
}
ASKED = {
    "the container's": "container", "the host's": "uplink", "its gateway's": "gateway", "127.0.0.1": "loopback",
    "::1": "loopback",
}
WORDS = ("itself", "host", "itself, host", "free", "–")


def table(column):
    """(family, published on, asker, asked) to the word for TCP and the word for UDP."""
    lines = (ROOT / "docs/published.md").read_text().splitlines()
    head = next(i for i, line in enumerate(lines) if line.startswith("| IP |"))
    names = [word.strip() for word in lines[head].split("|")[1:-1]]
    tap.equal(names[4:], COLUMNS, "the table's columns")
    found = {}
    for line in lines[head + 2 :]:
        if not line.startswith("|"):
            break
        family, binding, who, asked, *words = [word.strip() for word in line.split("|")[1:-1]]
        word = words[COLUMNS.index(column)]
        both = (word[: -len(" (tcp)")], "–") if word.endswith(" (tcp)") else (word, word)
        tap.expect(set(both) <= set(WORDS), f"a word of the table: {word}")
        for asker in WHO[who]:
            key = (int(family[-1]), binding or "direct", asker, ASKED[asked])
            tap.expect(key not in found, f"{key} stands once in the table")
            found[key] = both
    tap.expect(len(found) > 50, "the table was read")
    return found


# ---- The scene


@dataclass(frozen=True)
class Cell:
    """One way to ask."""

    asker: str
    family: int
    asked: str
    binding: str
    protocol: str
    address: str

    @property
    def port(self):
        return PORTS.get(self.binding, 80)


def gateway(guest, family):
    return NETWORKS[GUESTS[guest]][family] % 1


def networks(host, **options):
    for name, address in NETWORKS.items():
        words = ["--subnet", address[4] % "0/24", "--gateway", address[4] % 1, "--ipv6", "--subnet", address[6] % "/64"]
        if host.engine.name == "docker":  # Podman takes one gateway; of IPv6 the first address is it anyway
            words += ["--gateway", address[6] % 1]
        host.engine("network", "create", *words, *options.get(name, ()), name)


def scene(host):
    networks(host)
    far = [FAR[4] + "/24", FAR[6] + "/64"]
    host.outside("far", "uplink", UPLINK[4] + "/24", far, host_address6=UPLINK[6] + "/64")
    publish = []
    for protocol in ("tcp", "udp"):
        for binding, address in (("loopback", LOOPBACK), ("one", UPLINK)):
            publish += [f"-p {address[4]}:{PORTS[binding]}:80/{protocol}", f"-p [{address[6]}]:{PORTS[binding]}:80/{protocol}"]
        publish.append(f"-p {PORTS['all']}:80/{protocol}")
    for name, network in GUESTS.items():
        host.run(name, f"--network {network}", *(publish if name == "web" else []))
    for protocol in ("tcp", "udp"):
        host.guests["web"].listen(protocol, 80)


def cells(host):
    """Everything that there is to try."""
    found = []
    for asker in ASKERS:
        for family in (4, 6):
            addresses = {"uplink": UPLINK[family]}
            if asker != "far":
                addresses["gateway"] = gateway("web" if asker == "host" else asker, family)
            if asker == "host":
                addresses["loopback"] = LOOPBACK[family]
            ways = [(asked, binding, address) for asked, address in addresses.items() for binding in PORTS]
            ways.append(("container", "direct", host.guests["web"].address(family == 6)))
            found += [
                Cell(asker, family, asked, binding, protocol, address)
                for asked, binding, address in ways
                for protocol in ("tcp", "udp")
            ]
    return found


def attempt(host, ways, expected):
    """Who succeeds. Those that shall are waited for; the others have a little longer than the last of them."""
    agents = {**host.guests, "far": host.containers["far"], "host": host.agent}
    groups = {asker: [way for way in ways if way.asker == asker] for asker in ASKERS}
    with concurrent.futures.ThreadPoolExecutor(len(groups)) as pool:
        jobs = {
            asker: pool.submit(
                agents[asker].reach_many,
                [(way.protocol, way.address, way.port, way in expected) for way in group], 15.0, 0.7,
            )
            for asker, group in groups.items()
        }
        return {way for asker, group in groups.items() for way, ok in zip(group, jobs[asker].result()) if ok}


def passes(word, asker, allowed):
    """Does it, when these (keys of ASKERS) may reach the container?"""
    asks, relays = asker in allowed, "host" in allowed
    return {"itself": asks, "host": relays, "itself, host": asks and relays, "free": True, "–": False}[word]


def compare(host, ways, words, allowed, what):
    expected = {way for way in ways if passes(words[way], way.asker, allowed)}
    got = attempt(host, ways, expected)
    if got != expected:
        got = attempt(host, ways, expected)  # a loaded machine: a wrong verdict stays one
    wrong = [f"passes: {way} ({words[way]})" for way in got - expected]
    wrong += [f"does not pass: {way} ({words[way]})" for way in expected - got]
    tap.expect(not wrong, "\n".join([what, *sorted(wrong)]))


def matrix(host, column):
    scene(host)
    rows, ways = table(column), cells(host)
    words = {
        way: rows.get((way.family, way.binding, way.asker, way.asked), ("–", "–"))[way.protocol == "udp"] for way in ways
    }
    compare(host, ways, words, set(ASKERS), "nobody polices")
    host.policy(POLICY.format("world"))
    host.start()
    host.wait_guests(*GUESTS)
    for asker in ASKERS:
        allowed = {asker, "host"}
        host.reload(POLICY.format(", ".join(ASKERS[name] for name in allowed)))
        compare(host, ways, words, allowed, f"allowed: {allowed}")
    allowed = set(ASKERS) - {"host"}
    host.reload(POLICY.format(", ".join(ASKERS[name] for name in allowed)))
    compare(host, ways, words, allowed, "allowed: all but the host")
    relayed(host, any(word == "itself, host" for word in words.values()))


def relayed(host, proxy):
    """The status tells what docker-proxy relays, and nothing else."""
    wanted = {
        (protocol, address, port)
        for protocol in ("tcp", "udp")
        for family in (4, 6)
        for address, port in (
            (LOOPBACK[family], PORTS["loopback"]), (UPLINK[family], PORTS["one"]),
            ({4: "0.0.0.0", 6: "::"}[family], PORTS["all"]),
        )
    }

    def listed():
        return [
            (line["container"], {(item["protocol"], item["address"], item["port"]) for item in line["published"]})
            for line in host.ask("status")["relayed"]
        ]

    wait_until(lambda: listed() == ([("web", wanted)] if proxy else []), 15, "what is relayed is listed")
    text = host.cli("status").stdout
    tap.equal("relayed by a process of the host" in text, proxy, "the status as text")
    tap.equal("[::]:8080/udp" in text, proxy, "the port in the status as text")
    tap.equal(host.ask("status")["problems"], [], "problems")


# ---- What happens to flows through NAT

REACHED = ("far", "near", "away")  # who may reach the container, until it is revoked


def beyond(host):
    """A machine behind `far`, which is a router whose way there takes no more than 1300 bytes."""
    far = host.containers["far"]
    machine = host.container("beyond")
    far.run("ip", "link", "add", "down0", "type", "veth", "peer", "name", "up0", "netns", "beyond")
    machine.run("ip", "link", "set", "up0", "up")
    far.run("ip", "link", "set", "down0", "up")
    for family, length, router in ((4, 32, "198.51.100.1"), (6, 128, "2001:db8:51::1")):
        net, nodad = f"{BEYOND[family]}/{length}", ["nodad"] if family == 6 else []
        far.run("ip", "addr", "add", f"{router}/{length}", "dev", "down0", *nodad)
        machine.run("ip", "addr", "add", net, "dev", "up0", *nodad)
        far.run("ip", f"-{family}", "route", "replace", net, "dev", "down0", "mtu", "lock", "1300")
        machine.run("ip", f"-{family}", "route", "add", f"{router}/{length}", "dev", "up0")
        machine.run("ip", f"-{family}", "route", "add", "default", "via", router)
        host.agent.run("ip", f"-{family}", "route", "add", net, "via", FAR[family])
    far.call(forwarding)
    return machine


def forwarding(_):
    for knob in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
        with open(f"/proc/sys/net/{knob}", "w", encoding="ascii") as file:
            file.write("1")


def route_localnet(_):
    with open("/proc/sys/net/ipv4/conf/all/route_localnet", "w", encoding="ascii") as file:
        file.write("1")


def conntrack_flush():
    """What `conntrack -F` does, in this namespace."""
    message = struct.pack("=IHHIIBBH", 20, NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE, 5, 1, 0, 0, 0, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as netlink:
        netlink.send(message)  # 5: a request that is to be answered
        answer = netlink.recv(4096)
    tap.equal(struct.unpack_from("=HxxIIi", answer, 4)[::3], (2, 0), "conntrack is flushed")  # NLMSG_ERROR, no error


def through(host, families):
    """(who, address) through the published port: outside, the same network, another network."""
    agents = {"far": host.containers["far"], **host.guests}
    ways = [("far", UPLINK[family]) for family in families]
    ways += [("near", gateway("near", 4)), ("away", gateway("away", 4))]
    return [(name, agents[name], address) for name, address in ways]


def flows(host, families):
    """Large datagrams, path MTU, a flushed conntrack and a change of policy, for flows through published ports."""
    scene(host)
    ways, machine = through(host, families), beyond(host)

    def passes_all(when):
        for name, agent, address in ways:
            handle = agent.connect(address, PORTS["all"], 5, "udp")
            got = any(agent.exchange(handle, b"u" * 8000, 2) for _ in range(5))
            tap.expect(got, f"{when}: {name} sends 8000 bytes by UDP to {address}")
            agent.close(handle)
        for family in families:
            handle = machine.connect(UPLINK[family], PORTS["all"], 5)
            tap.expect(machine.exchange(handle, b"t" * 60000, 15), f"{when}: path MTU, IPv{family}")
            machine.close(handle)
            # Not without it: the router drops what is too large, and says so.
            known = host.guests["web"].run("ip", "route", "get", BEYOND[family])
            tap.expect("mtu 1300" in known, f"{when}: the container has heard of the path's MTU: {known}")

    passes_all("nobody polices")
    for family in families:  # what was learnt is forgotten
        host.guests["web"].run("ip", f"-{family}", "route", "flush", "cache")
    allowed = ", ".join([*(ASKERS[name] for name in REACHED), "host"])
    host.policy(POLICY.format(allowed))
    host.start()
    host.wait_guests(*GUESTS)
    passes_all("policed")
    opened = [(name, agent, agent.connect(address, PORTS["all"], 5)) for name, agent, address in ways]
    for name, agent, handle in opened:
        tap.expect(agent.exchange(handle, b"before", 5), f"{name}: open")
    conntrack_flush()
    for name, agent, handle in opened:
        tap.expect(agent.exchange(handle, b"flushed", 15), f"{name}: goes on without conntrack's entries")
    host.reload(POLICY.format("host, shop/mate"))
    for name, agent, handle in opened:
        tap.expect(not agent.exchange(handle, b"revoked", 1), f"{name}: revoked")
    conntrack_flush()
    for name, agent, handle in opened:
        tap.expect(not agent.exchange(handle, b"still", 1), f"{name}: revoked, and conntrack flushed")


OUTGOING = """
version: 1
settings: {{ ignore: [ uplink ] }}
zones: {{ out: {{ members: {{ name: "*" }}, within: deny }} }}
rules:
  - {{ from: out, to: {}, allow: [ tcp/80, udp/80 ] }}
"""


def outgoing(host):
    """what containers send outside is judged as theirs, masqueraded or not; an internal network leads to the host only"""
    far = host.outside("far", "uplink", UPLINK[4] + "/24", [FAR[4] + "/24"])
    kinds = {"masked": [], "plain": ["-o", "com.docker.network.bridge.enable_ip_masquerade=false"], "inner": ["--internal"]}
    gateways = {}
    for number, (name, options) in enumerate(kinds.items()):
        gateways[name] = f"172.30.{number}.1"
        host.engine("network", "create", *options, "--subnet", f"172.30.{number}.0/24", "--gateway", gateways[name], name)
        host.run(name, f"--network {name}")
    for protocol in ("tcp", "udp"):
        far.listen(protocol, 80)
        host.agent.listen(protocol, 80)
    tries = [(name, where) for name in kinds for where in ("world", "host")]

    def reached(expected):
        found = set()
        for name, where in tries:
            address = FAR[4] if where == "world" else gateways[name]
            ways = [(protocol, address, 80, (name, where) in expected) for protocol in ("tcp", "udp")]
            got = host.guests[name].reach_many(ways, 10, 0.5)
            tap.equal(got[0], got[1], f"TCP and UDP alike: {name} to {where}")
            found |= {(name, where)} if got[0] else set()
        return found

    everything = set(tries) - {("inner", "world")}
    tap.equal(reached(everything), everything, "nobody polices")
    for where in ("world", "host"):
        wanted = {way for way in everything if way[1] == where}
        host.policy(OUTGOING.format(where))
        if not host.daemon:
            host.start()
            host.wait_guests(*kinds)
        host.reload()
        tap.equal(reached(wanted), wanted, f"a rule to the {where}")


def loopback(host):
    """a container that sends packets for 127.0.0.1 to the host, which Docker lets in (route_localnet), gets nowhere"""
    scene(host)
    near = host.guests["near"]
    near.call(route_localnet)
    near.run("ip", "addr", "del", "127.0.0.1/8", "dev", "lo")
    near.run("ip", "route", "flush", "table", "local", "root", "127.0.0.0/8")
    near.run("ip", "route", "add", "127.0.0.1", "via", gateway("near", 4), "dev", "eth0")
    host.agent.listen("tcp", 9000, "127.0.0.1")
    ports = (PORTS["loopback"], 9000)  # the container's published one, and one of the host's own
    for port in ports:
        tap.expect(near.reach("tcp", "127.0.0.1", port, 5), f"nobody polices: {port}")
    host.policy(POLICY.format("near") + "  - { from: near, to: host, allow: all }\n")
    host.start()
    host.wait_guests(*GUESTS)
    tap.expect(near.reach("tcp", gateway("near", 4), PORTS["all"], 5), "it may, by an address that is the host's outside")
    for port in ports:
        tap.expect(not near.reach("tcp", "127.0.0.1", port, 1), f"127.0.0.1:{port}")
    host.wait_flow(from_="near", verdict="deny", reason="martian")


def on_flows(name, families, engine, *options):
    @on(engine, *options)
    def test(host):
        flows(host, families)

    test.__name__ = f"test_flows_{name}"
    test.__doc__ = f"{name}: large datagrams, path MTU, a flushed conntrack and a revoking reload at published ports"
    return test


def column(name, engine, *options):
    @on(engine, *options)
    def test(host):
        matrix(host, name)

    test.__name__ = "test_matrix_" + name.lower().replace(" ", "_")
    test.__doc__ = f"who is judged as whom at published ports: the column '{name}' of docs/published.md"
    return test


TESTS = [
    column("Docker", "docker"),
    column("no proxy", "docker", "--userland-proxy=false"),
    column("ip6tables", "docker", "--experimental", "--ip6tables"),
    column("both", "docker", "--experimental", "--ip6tables", "--userland-proxy=false"),
    column("Podman", "podman"),
    column("Podman CNI", "podman", "cni"),
    on_flows("docker", (4,), "docker"),
    on_flows("docker_ip6tables", (4, 6), "docker", "--experimental", "--ip6tables"),
    on_flows("podman", (4, 6), "podman"),
    on("docker")(outgoing),
    on("docker", "--userland-proxy=false")(loopback),
]

if __name__ == "__main__":
    tap.main(TESTS, jobs=3)
