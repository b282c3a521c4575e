# SPDX-License-Identifier: GPL-2.0-only
"""A scenario: topology, policy and what shall come of them, as data (docs/testing.md). Here it is read, turned into a
world file, and into questions."""

import ipaddress
import json
import pathlib

import yaml

KEYS = {"description", "topology", "policy", "files", "expect", "only", "audit_passes", "netfilter"}


class Question:
    """One service, from one end to another, as the scenario names them."""

    def __init__(self, source, target, service, verdict, rule, wire):
        self.source = source
        self.target = target
        self.service = service
        self.verdict = verdict
        self.rule = rule  # a text that the deciding line holds; None: not asked
        self.wire = wire  # False: not for real packets

    def __str__(self):
        return f"{self.source} → {self.target} {self.service}: {self.verdict}"


class Scenario:
    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.name = self.path.stem
        data = yaml.safe_load(self.path.read_text())
        unknown = set(data) - KEYS
        if unknown:
            raise ValueError(f"{path}: unknown key {', '.join(sorted(unknown))}")
        self.description = data["description"]
        self.policy = data["policy"]
        self.files = data.get("files", {})
        self.only = data.get("only")  # layers; None: all
        topology = data["topology"]
        self.bridges = topology.get("bridges", {})
        self.containers = topology.get("containers", {})
        self.outside = topology.get("outside", {})
        self.questions = [q for line in data["expect"] for q in self._questions(line)]

    def _questions(self, line):
        sources = line["from"] if isinstance(line["from"], list) else [line["from"]]
        targets = line["to"] if isinstance(line["to"], list) else [line["to"]]
        for verdict in ("allow", "deny", "unpoliced"):
            services = line.get(verdict, [])
            for service in services if isinstance(services, list) else [services]:
                for source in sources:
                    for target in targets:
                        yield Question(source, target, service, verdict, line.get("rule"), line.get("wire", True))

    # ---- the same world, as a file

    def ports(self, container):
        """Of a container: (bridge, addresses) by port. `ports:` when it has several."""
        return container.get("ports") or [container]

    def world(self):
        host = [a.split("/")[0] for addresses in self.bridges.values() for a in addresses]
        for outside in self.outside.values():
            host += [a.split("/")[0] for a in outside["host"]]
        subnets = {
            name: [str(ipaddress.ip_interface(a).network) for a in addresses] for name, addresses in self.bridges.items()
        }
        containers = []
        for name, container in self.containers.items():
            entry = {"name": name, "runtime": "netns"}
            for key in ("image", "namespace", "labels"):
                if key in container:
                    entry[key] = container[key]
            entry["ports"] = [
                {
                    "interface": port.get("interface", f"v{name[:10]}{number}"),
                    "network": port["bridge"],
                    "addresses": [a.split("/")[0] for a in port["addresses"]],
                }
                for number, port in enumerate(self.ports(container))
            ]
            containers.append(entry)
        return json.dumps({"version": 1, "host": {"addresses": host, "bridges": subnets}, "containers": containers})

    def write(self, directory):
        """Policy, lists and world below `directory`; returns (policy directory, world file)."""
        directory = pathlib.Path(directory)
        policy = directory / "policy"
        policy.mkdir(parents=True, exist_ok=True)
        for name, text in self.files.items():
            path = policy / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        (policy / "policy.yaml").write_text(self.policy)
        world = directory / "world.yaml"
        world.write_text(self.world())
        return policy, world

    # ---- ends

    def addresses(self, end):
        """What an end stands for on the wire; [] for words that are no address."""
        if end in self.containers:
            return [a.split("/")[0] for port in self.ports(self.containers[end]) for a in port["addresses"]]
        if end in self.outside:
            return [a.split("/")[0] for a in self.outside[end]["addresses"]]
        if end == "host":
            return [a.split("/")[0] for addresses in self.bridges.values() for a in addresses]
        try:
            ipaddress.ip_address(end)
            return [end]
        except ValueError:
            return []

    def words(self, end):
        """How explain is asked for an end: an outside namespace is each of its addresses."""
        return self.addresses(end) if end in self.outside else [end]
