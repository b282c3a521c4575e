# SPDX-License-Identifier: GPL-2.0-only
"""What starts containers (or plugs networks into them) for lib/window.py: by engines, LXC, the CNI bridge plugin, by hand."""

import json
import os
import pathlib
import shutil
import subprocess
import tarfile
import traceback

from . import namespace, tap
from .engines import EngineHost
from .host import Host, run
from .window import AT_A_TIME, HASTY, no_window, side_by_side


class Starts:
    """What the runtimes here have in common."""

    routed = True
    standing = ()  # numbers of what stands all the time

    def __init__(self, name, host):
        self.name = name
        self.host = host
        self.next_number = 1
        host.outside("far", "uplink", "203.0.113.1/24", ["203.0.113.9/24"])

    def container_name(self, number):
        return f"hostile-{number}"

    def numbers(self, count):
        first = self.next_number
        self.next_number += count
        return list(range(first, first + count))

    def places(self):
        return {"victim": ("eth0", self.victim_path()), "outside": ("up0", "/run/netns/far")}

    def close(self):
        self.host.close()


class EngineStarts(Starts):
    """Docker, Podman: an image with one program."""

    def __init__(self, name, *options):
        super().__init__(name, EngineHost(name))
        engine = self.host.engine
        archive = f"{self.host.directory}/hasty.tar"
        with tarfile.open(archive, "w") as tar:
            tar.add(HASTY, "hasty")
        engine("import", archive, "hasty:1")
        self.image = "localhost/hasty:1" if name == "podman" else "hasty:1"
        self.prepare()
        self.victim, self.friend = self.host.run("victim", *options), self.host.run("friend", *options)
        self.gateway = self.friend.run("ip", "-4", "route", "show", "default").split()[2]

    def prepare(self):
        """What must be there before the first container."""

    def victim_path(self):
        return f"/proc/{self.victim.pid}/ns/net"

    def wait_ready(self, _arguments):
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

    def wait_ready(self, _arguments):
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


LXC_CONFIG = """
lxc.uts.name = {name}
lxc.rootfs.path = dir:{rootfs}
lxc.init.cmd = /hasty {arguments}
lxc.apparmor.profile = unconfined
lxc.net.0.type = veth
lxc.net.0.link = lxcbr0
lxc.net.0.flags = up
lxc.net.0.ipv4.address = {address}/16
lxc.net.0.ipv4.gateway = 10.66.0.1
"""


class LxcStarts(NamespaceStarts):
    """LXC, whose container's first process starts some milliseconds after its port has come up."""

    def __init__(self):
        super().__init__("lxc", "lxcbr0")
        self.folder = pathlib.Path(self.host.directory, "lxc")
        # LXC wants both: the control groups, which the harness' own /sys covers, and this network namespace's interfaces.
        groups = self.folder / "groups"
        groups.mkdir(parents=True)
        run("umount", "/sys")
        run("mount", "--rbind", "/sys/fs/cgroup", groups)
        namespace.mount("sysfs", "/sys", "sysfs")
        run("mount", "--rbind", groups, "/sys/fs/cgroup")
        self.rootfs = self.folder / "rootfs"
        for name in ("dev", "proc", "sys"):
            (self.rootfs / name).mkdir(parents=True)
        shutil.copy(HASTY, self.rootfs / "hasty")
        self.host.options = ("--lxc-path", str(self.folder))
        self.started = set()
        self.probe()

    def lxc(self, command, number, *options, check=True):
        # Its own output goes to a file: a pipe would be held open by the container.
        return run(f"/usr/bin/lxc-{command}", "-P", self.folder, "-n", self.container_name(number), *options, check=check)

    def probe(self):
        try:
            self.start(0, ["0", "10.66.255.2", self.victim.mac(), "203.0.113.9", "10.66.0.1", "10.66.255.3"])
            self.remove([0])
        except (OSError, RuntimeError) as error:
            self.close()
            raise tap.Skip(f"lxc does not run here: {error}") from None

    def start(self, number, arguments):
        name = self.container_name(number)
        config = self.folder / name / "config"
        config.parent.mkdir()
        config.write_text(LXC_CONFIG.format(
            name=name, rootfs=self.rootfs, arguments=" ".join(arguments), address=f"10.66.{number // 200 + 1}.{number % 200 + 1}"
        ))
        self.started.add(number)
        self.lxc("start", number, "-d", "-o", f"{self.folder}/{name}/log")

    def remove(self, numbers):
        for number in numbers:
            self.lxc("stop", number, "-k")
            self.started.discard(number)

    def close(self):
        for number in self.started:
            self.lxc("stop", number, "-k", check=False)
        super().close()


class Plugs:
    """Mixed into a runtime: not the container is new, but its second network. `containers` of them stand, of which one
    is only for the control; they are plugged in, and out again, in turns. Numbers: a hundred for each."""

    routed = False
    containers = AT_A_TIME
    standing = ()

    def __init__(self, *arguments):
        self.plugged = {}  # container: how often
        super().__init__(*arguments)

    def numbers(self, count):
        """In the control (before the others stand) of container 0."""
        containers = [number // 100 for number in self.standing] or [0]
        numbers = []
        for index in range(count):
            container = containers[index % len(containers)]
            self.plugged[container] = self.plugged.get(container, 0) + 1
            numbers.append(container * 100 + self.plugged[container])
        return numbers

    def wait_ready(self, arguments):
        super().wait_ready(arguments)
        self.leave(0)
        standing = [container * 100 for container in range(1, self.containers + 1)]
        side_by_side(lambda number: self.stand(number, arguments(number)), standing)
        self.standing = standing

    def start(self, number, arguments):
        if number == 1:
            self.stand(0, ["0", *arguments[1:]])
        self.plug(number)

    def remove(self, numbers):
        side_by_side(self.unplug, numbers)


class EnginePlugs(Plugs, EngineStarts):
    """`network connect` of an engine."""

    subnet = {"docker": "172.30.0.0/24", "podman": "10.55.0.0/24"}

    def __init__(self, name):
        super().__init__(name, "--network second")

    def prepare(self):
        self.host.engine("network", "create", "--subnet", self.subnet[self.name], "second")

    def container_name(self, number):
        return f"hostile-{number // 100}"

    def stand(self, number, arguments):
        EngineStarts.start(self, number, arguments)

    def leave(self, number):
        self.host.engine.remove(self.container_name(number))

    def plug(self, number):
        self.host.engine("network", "connect", "second", self.container_name(number))

    def unplug(self, number):
        self.host.engine("network", "disconnect", "second", self.container_name(number))


class VethPlugs(Plugs, NamespaceStarts):
    """A veth by hand."""

    def __init__(self):
        super().__init__("veth", "br0")
        self.host.bridge("home0", "10.67.0.1/16")

    def container_name(self, number):
        return f"hostile-{number // 100}"

    def stand(self, number, arguments):
        name = self.container_name(number)
        run("ip", "netns", "add", name)
        self.processes[number] = subprocess.Popen(["ip", "netns", "exec", name, str(HASTY), *arguments])
        self.veth(number, "home0", f"10.67.1.{number // 100 + 1}/16")

    def leave(self, number):
        process = self.processes.pop(number)
        process.kill()
        process.wait()
        run("ip", "netns", "del", self.container_name(number))

    def veth(self, number, bridge, address):
        inside, name = f"eth{number % 100}", self.container_name(number)
        run("ip", "link", "add", f"vh{number}", "type", "veth", "peer", "name", inside, "netns", name)
        run("ip", "-n", name, "addr", "add", address, "dev", inside)
        run("ip", "link", "set", f"vh{number}", "master", bridge, "up")
        run("ip", "-n", name, "link", "set", inside, "up")

    def plug(self, number):
        self.veth(number, "br0", f"10.66.{number // 100 + 1}.{number % 100}/16")

    def unplug(self, number):
        run("ip", "link", "del", f"vh{number}")


def suite(name, what, make, course=no_window):
    """A test whose runtime is made (or skipped) in its own process."""

    def test(_host):
        runtime = make()
        try:
            course(runtime)
        except tap.Skip:
            raise
        except BaseException:
            for line in traceback.format_exc().splitlines() + runtime.host.log().splitlines()[-30:]:
                print(f"# {line}")
            raise SystemExit(1) from None
        finally:
            runtime.close()

    test.needs_host = False
    test.__name__ = f"test_{name}"
    test.__doc__ = what
    if course is no_window:
        test.__doc__ += ": with the daemon running, stopped and killed nothing that is denied arrives"
    return test
