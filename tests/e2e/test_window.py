#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
# suite-timeout: 900
"""There is no window: containers that send from their first moment, by each runtime, and not a packet that is denied."""

import io
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import traceback

sys.path.insert(0, __file__.rsplit("/", 1)[0])
from lib import namespace, tap
from lib.engines import EngineHost
from lib.host import Host, run
from lib.window import HASTY, no_window


class Starts:
    """What the runtimes here have in common."""

    is_known = True  # the daemon can know whose these containers are

    def __init__(self, name, host):
        self.name = name
        self.host = host
        self.outside = host.outside("far", "uplink", "203.0.113.1/24", ["203.0.113.9/24"])

    def container_name(self, number):
        return f"hostile-{number}"

    def places(self):
        return {"victim": ("eth0", self.victim_path()), "outside": ("up0", "/run/netns/far")}

    def close(self):
        self.host.close()


class EngineStarts(Starts):
    """Docker, Podman: an image with one program."""

    def __init__(self, name):
        super().__init__(name, EngineHost(name))
        engine = self.host.engine
        archive = f"{self.host.directory}/hasty.tar"
        with tarfile.open(archive, "w") as tar:
            tar.add(HASTY, "hasty")
        engine("import", archive, "hasty:1")
        self.image = "localhost/hasty:1" if name == "podman" else "hasty:1"
        self.victim, self.friend = self.host.run("victim"), self.host.run("friend")
        self.gateway = self.friend.run("ip", "-4", "route", "show", "default").split()[2]

    def victim_path(self):
        return f"/proc/{self.victim.pid}/ns/net"

    def wait_ready(self):
        self.host.wait_guests("victim", "friend")

    def start(self, number, arguments):
        name = self.container_name(number)
        self.host.engine("run", "-d", "--name", name, "--cap-add", "NET_RAW", self.image, "/hasty", *arguments)

    def remove(self, numbers):
        self.host.engine.remove(*map(self.container_name, numbers))


class NamespaceStarts(Starts):
    """On a bridge of the host's own: victim and friend are named namespaces."""

    def __init__(self, name, bridge):
        host = Host()
        super().__init__(name, host)
        host.bridge(bridge, "10.66.0.1/16")
        self.bridge = bridge
        self.gateway = "10.66.0.1"
        self.victim = host.container("victim", bridge, ["10.66.255.2/16"])
        self.friend = host.container("friend", bridge, ["10.66.255.3/16"])
        self.processes = {}

    def victim_path(self):
        return "/run/netns/victim"

    def wait_ready(self):
        self.host.wait_open("victim", "friend")

    def close(self):
        for process in self.processes.values():
            process.kill()
            process.wait()
        super().close()


class CniStarts(NamespaceStarts):
    """The CNI bridge plugin, called by hand: the program runs before its network comes."""

    def __init__(self):
        super().__init__("cni", "cni0")
        namespace.mount("tmpfs", "/var/lib/cni", "tmpfs")
        self.configuration = json.dumps({
            "cniVersion": "1.0.0", "name": "window", "type": "bridge", "bridge": "cni0", "isGateway": True,
            "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.66.0.0/16", "rangeEnd": "10.66.127.255"}]],
                     "routes": [{"dst": "0.0.0.0/0"}]},
        })

    def plugin(self, command, number):
        name = self.container_name(number)
        environment = {
            **os.environ, "CNI_COMMAND": command, "CNI_CONTAINERID": name, "CNI_NETNS": f"/run/netns/{name}",
            "CNI_IFNAME": "eth0", "CNI_PATH": "/usr/lib/cni",
        }
        run("/usr/lib/cni/bridge", env=environment, input=self.configuration)

    def start(self, number, arguments):
        name = self.container_name(number)
        run("ip", "netns", "add", name)
        self.processes[number] = subprocess.Popen(["ip", "netns", "exec", name, str(HASTY), *arguments])
        self.plugin("ADD", number)

    def remove(self, numbers):
        for number in numbers:
            process = self.processes.pop(number)
            process.kill()
            process.wait()
            self.plugin("DEL", number)
            run("ip", "netns", "del", self.container_name(number))


def suite(make):
    """A test of its own process, whose runtime is made (or skipped) in it."""

    def wrap(test):
        def inside(_host):
            runtime = make()
            try:
                test(runtime)
            except tap.Skip:
                raise
            except BaseException:
                for line in traceback.format_exc().splitlines() + runtime.host.log().splitlines()[-30:]:
                    print(f"# {line}")
                raise SystemExit(1) from None
            finally:
                runtime.close()

        inside.needs_host = False
        inside.__name__ = test.__name__
        inside.__doc__ = test.__doc__
        return inside

    return wrap


@suite(lambda: EngineStarts("docker"))
def test_docker(runtime):
    """docker: 50 starts with the daemon running, stopped and killed: nothing that is denied arrives"""
    no_window(runtime)


@suite(lambda: EngineStarts("podman"))
def test_podman(runtime):
    """podman: 50 starts with the daemon running, stopped and killed: nothing that is denied arrives"""
    no_window(runtime)


@suite(CniStarts)
def test_cni(runtime):
    """cni: 50 calls of the bridge plugin with the daemon running, stopped and killed: nothing that is denied arrives"""
    no_window(runtime)


if __name__ == "__main__":
    tap.main([test_docker, test_podman, test_cni])
