# SPDX-License-Identifier: GPL-2.0-only
"""A scenario: topology, policy and what shall come of them, as data (docs/testing.md). Here it is read, turned into a
world file, and into questions."""

import ipaddress
import json
import pathlib

import yaml

LAYERS = ("naive", "table", "bpf", "wire", "nft-wire")
VERDICTS = ("allow", "deny", "audit", "mixed", "unpoliced")

KEYS = {
    "description", "topology", "world", "policy", "files", "expect", "events", "frames", "then", "only", "not_nft", "control",
    "options",
}
TOPOLOGY_KEYS = {"bridges", "overlapping", "containers", "outside", "routes", "forwarding"}
CONTAINER_KEYS = {"bridge", "addresses", "ports", "interface", "labels", "image", "namespace", "runtime", "cgroup", "unmanaged"}
PORT_KEYS = {"bridge", "addresses", "interface"}
OUTSIDE_KEYS = {"uplink", "host", "addresses"}
STEP_KEYS = {"policy", "files", "expect", "events"}
EXPECT_KEYS = {"from", "to", "rule", "reason", "staged", "only", "not_nft", *VERDICTS}
FRAME_KEYS = {"port", "way", "stamp", "received", "hex", "passes", "reason"}
EVENT_KEYS = {"from", "to", "service", "verdict", "reason", "rule", "silent", "not_nft"}


def known(what, mapping, keys):
    unknown = set(mapping) - keys
    if unknown:
        raise ValueError(f"{what}: unknown key {', '.join(sorted(map(str, unknown)))}")


def layers(what, data):
    """Those that `only` names; nftables alone is where packets are, unless `not_nft` says why not."""
    chosen = many(data.get("only", LAYERS))
    known(f"{what}: only", dict.fromkeys(chosen), set(LAYERS))
    if "wire" in chosen and "nft-wire" not in chosen:
        chosen.append("nft-wire")
    return [layer for layer in chosen if layer != "nft-wire" or "not_nft" not in data]


def many(value):
    return list(value) if isinstance(value, (list, tuple)) else [value]


def plain(address):
    return address.split("/")[0]


class Question:
    """One service, from one end to another, as the scenario names them."""

    def __init__(self, line, source, target, service, verdict):
        self.source = source
        self.target = target
        self.service = service
        self.verdict = "deny" if verdict == "audit" else verdict
        self.audit = verdict == "audit"  # denied, and let pass
        self.passes = verdict in ("allow", "audit")
        self.rule = line.get("rule")  # a text that the deciding line holds; None: not asked
        self.reason = line.get("reason")
        self.staged = line.get("staged")  # likewise, of a staged rule's line
        self.layers = layers("expect", line)

    def __str__(self):
        return f"{self.source} → {self.target} {self.service}: {'audit' if self.audit else self.verdict}"


class Step:
    """A policy, and what it does: the first of a scenario, or one that is put in force after it."""

    def __init__(self, where, data, files):
        self.policy = data["policy"]
        self.files = {**files, **data.get("files", {})}
        self.events = data.get("events", [])
        for event in self.events:
            known(f"{where}: events", event, EVENT_KEYS)
        self.questions = [question for line in data.get("expect", []) for question in self._questions(where, line)]

    @staticmethod
    def _questions(where, line):
        known(f"{where}: expect", line, EXPECT_KEYS)
        for verdict in VERDICTS:
            for service in many(line.get(verdict, [])):
                for source in many(line["from"]):
                    for target in many(line["to"]):
                        yield Question(line, source, target, service, verdict)

    def line(self, rule):
        """The text of a rule that an answer names."""
        texts = {"policy.yaml": self.policy, **self.files}
        return texts[pathlib.Path(rule["file"]).name].splitlines()[rule["line"] - 1]

    def write(self, directory, change=lambda policy: policy):
        """The policy's files into a directory, each renamed into place."""
        for name, text in {**self.files, "policy.yaml": change(self.policy)}.items():
            path = pathlib.Path(directory, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_name(f".{path.name}.new")
            temporary.write_text(text)
            temporary.rename(path)


class Scenario:
    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.name = self.path.stem
        data = yaml.safe_load(self.path.read_text())
        known(path, data, KEYS)
        self.description = data["description"]
        self.only = layers(path, data)
        self.options = data.get("options", [])  # of the daemon
        self.control = data.get("control", True)  # does all of it pass where nobody polices?
        self.world_text = data.get("world")  # instead of a topology, where nothing is built
        self.frames = data.get("frames", [])  # run through the eBPF programs, one after the other
        for frame in self.frames:
            known(f"{path}: frames", frame, FRAME_KEYS)
        topology = data["topology"] if self.world_text is None else {}
        known(path, topology, TOPOLOGY_KEYS)
        self.bridges = topology.get("bridges", {})
        self.overlapping = topology.get("overlapping", [])  # bridges whose subnets are others' as well
        self.containers = topology.get("containers", {})
        self.outside = topology.get("outside", {})
        self.routes = topology.get("routes", {})
        self.forwarding = topology.get("forwarding", [])
        for container in self.containers.values():
            known(path, container, CONTAINER_KEYS)
            for port in container.get("ports", []):
                known(path, port, PORT_KEYS)
        for outside in self.outside.values():
            known(path, outside, OUTSIDE_KEYS)
        self.steps = [Step(path, {key: data[key] for key in STEP_KEYS & set(data)}, {})]
        for step in data.get("then", []):
            known(f"{path}: then", step, STEP_KEYS)
            self.steps.append(Step(path, step, self.steps[-1].files))

    # ---- the same world, as a file

    def ports(self, name):
        """Of a container: its ports, a mapping each; `ports:` when it has several. `name@bridge`: only that one."""
        name, _, bridge = name.partition("@")
        container = self.containers[name]
        ports = container.get("ports") or [container]
        return [
            {**port, "interface": port.get("interface", f"v{name[:10]}{number}")}
            for number, port in enumerate(ports)
            if bridge in ("", port["bridge"])
        ]

    def host_addresses(self):
        own = [plain(a) for addresses in self.bridges.values() for a in addresses]
        return own + [plain(a) for outside in self.outside.values() for a in outside["host"]]

    def world(self):
        if self.world_text is not None:
            return self.world_text
        subnets = {
            name: [str(ipaddress.ip_interface(a).network) for a in addresses]
            for name, addresses in self.bridges.items()
            if addresses and name not in self.overlapping
        }
        containers = []
        for name, container in self.containers.items():
            entry = {"name": name, "runtime": container.get("runtime", "netns")}
            for key in ("image", "namespace", "labels", "cgroup"):
                if key in container:
                    entry[key] = container[key]
            entry["ports"] = [
                {
                    "interface": port["interface"],
                    "network": port["bridge"],
                    "addresses": [plain(a) for a in port["addresses"]],
                }
                for port in self.ports(name)
            ]
            containers.append(entry)
        host = {"addresses": self.host_addresses(), "bridges": subnets}
        return json.dumps({"version": 1, "host": host, "containers": containers})

    def write(self, directory, step):
        """The policy, its lists and the world below `directory`; returns (policy directory, world file)."""
        policy = pathlib.Path(directory, "policy")
        policy.mkdir(parents=True)
        step.write(policy)
        world = pathlib.Path(directory, "world.yaml")
        world.write_text(self.world())
        return policy, world

    # ---- ends

    def is_container(self, end):
        return end.partition("@")[0] in self.containers

    def addresses(self, end):
        """What an end stands for on the wire; [] for words that are no address."""
        if self.is_container(end):
            return [plain(a) for port in self.ports(end) for a in port["addresses"]]
        if end in self.outside:
            return [plain(a) for a in self.outside[end]["addresses"]]
        if end == "host":
            return self.host_addresses()
        try:
            ipaddress.ip_address(end)
            return [end]
        except ValueError:
            return []

    def namespace(self, end):
        """Whose namespace speaks and answers for an end: a name, `host`, or None when there is nobody."""
        name = end.partition("@")[0]
        if name == "host" or name in self.containers or name in self.outside:
            return name
        for name in [*self.outside, *self.containers, "host"]:
            if end in self.addresses(name):
                return name
        return None

    def words(self, end, live=False):
        """How explain is asked for an end: an outside namespace is each of its addresses. So is for a daemon a container
        that it leaves alone: it asks nobody for those addresses."""
        alone = live and end in self.containers and self.containers[end].get("unmanaged")
        return self.addresses(end) if alone or end in self.outside else [end]
