# SPDX-License-Identifier: GPL-2.0-only
"""CNI as its runtimes do it: a list of plugins, run one after the other as libcni does (SPEC.md, section 4), with the real
bridge plugin first and ours behind it."""

import json
import os
import subprocess
import uuid

from .agent import Agent
from .host import BUILD, run

PLUGINS = "/usr/lib/cni"
BRIDGE = "cni0"


class Failure(Exception):
    """A plugin's error object."""

    def __init__(self, error, plugin):
        super().__init__(f"{plugin}: {error}")
        self.error = error


class Sandbox:
    """A container of a CNI runtime: a network namespace with a runtime's name, which no runtime's file tells of."""

    def __init__(self, host, name):
        self.host = host
        self.id = name
        self.pin = f"cni-{uuid.uuid4()}"
        self.netns = f"/run/netns/{self.pin}"
        self.result = None
        run("ip", "netns", "add", self.pin)
        self.agent = Agent(self.netns)
        self.agent.run("ip", "link", "set", "lo", "up")

    def __getattr__(self, name):
        if name.startswith("_") or name == "agent":
            raise AttributeError(name)
        return getattr(self.agent, name)

    def address(self, v6=False):
        return next(ip["address"].split("/")[0] for ip in self.result["ips"] if (":" in ip["address"]) == v6)

    def mac(self):
        return next(link["mac"] for link in self.result["interfaces"] if link.get("sandbox"))

    def port(self):
        return next(
            link["name"] for link in self.result["interfaces"] if not link.get("sandbox") and link["name"] != BRIDGE
        )

    def close(self):
        self.agent.stop()
        run("ip", "netns", "del", self.pin, check=False)


class Network:
    """A network configuration list: the bridge plugin with two ranges, and bulkhead-cni with `options`."""

    def __init__(self, host, version="1.0.0", hook=True, **options):
        self.host = host
        self.version = version
        ranges = [[{"subnet": "10.88.0.0/24"}], [{"subnet": "fd88::/64"}]]
        ipam = {"type": "host-local", "dataDir": f"{host.directory}/ipam", "ranges": ranges}
        ipam["routes"] = [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]
        self.plugins = [{"type": "bridge", "bridge": BRIDGE, "isGateway": True, "ipam": ipam}]
        if hook:
            self.plugins.append({"type": "bulkhead-cni", "state": f"{host.directory}/state", **options})

    def plugin(self, command, config, sandbox=None, result=None, arguments="", ifname="eth0"):
        """One plugin; its answer as JSON (None: it has said nothing) and what it has said on standard error."""
        folder = BUILD if config["type"] == "bulkhead-cni" else PLUGINS
        environment = {"CNI_COMMAND": command, "CNI_PATH": PLUGINS, "CNI_ARGS": arguments, "PATH": os.environ["PATH"]}
        if sandbox:
            environment |= {"CNI_CONTAINERID": sandbox.id, "CNI_NETNS": sandbox.netns, "CNI_IFNAME": ifname}
        config = {"cniVersion": self.version, "name": "pods", **config}
        if result:
            config["prevResult"] = result
        done = subprocess.run(
            [f"{folder}/{config['type']}"], input=json.dumps(config), env=environment, capture_output=True, text=True, check=False
        )
        answer = json.loads(done.stdout) if done.stdout.strip() else None
        if done.returncode != 0:
            raise Failure(answer, config["type"])
        return answer, done.stderr

    def add(self, sandbox, arguments="", **labels):
        """ADD of the whole list; on a failure, DEL of it, as runtimes do. Returns what ours has said on standard error."""
        result = said = None
        try:
            for config in self.plugins:
                if labels and config["type"] == "bulkhead-cni":
                    config = {**config, "labels": labels}
                result, said = self.plugin("ADD", config, sandbox, result, arguments)
        except Failure:
            self.delete(sandbox, arguments)
            raise
        sandbox.result = result
        return said

    def check(self, sandbox):
        for config in self.plugins:
            self.plugin("CHECK", config, sandbox, sandbox.result)

    def delete(self, sandbox, arguments=""):
        for config in reversed(self.plugins):
            self.plugin("DEL", config, sandbox, sandbox.result, arguments)
