# SPDX-License-Identifier: GPL-2.0-only
"""Runtimes without a daemon of their own, in a test's own host: LXC, systemd-nspawn, runc and crun."""

import json
import os
import pathlib
import shutil
import subprocess

from . import namespace, tap
from .agent import Agent
from .engines import EngineHost
from .host import Host, run, wait_until

# What they use outside of the test's folder, whatever they are told.
FOLDERS = ("/var/lib/lxc", "/var/cache/lxc", "/var/lib/misc", "/run/lxc", "/run/runc", "/run/crun", "/run/systemd")
APPLETS = ("sh", "sleep", "ip", "mkdir", "mount")


def netns(pid):
    return os.readlink(f"/proc/{pid}/ns/net")


def rootfs(path):
    """A root file system of one static program."""
    path = pathlib.Path(path)
    for folder in ("bin", "sbin", "dev", "etc", "proc", "sys", "tmp", "run", "usr/lib"):
        (path / folder).mkdir(parents=True, exist_ok=True)
    busybox = shutil.which("busybox")
    if not busybox:
        raise tap.Skip("busybox-static is not installed")
    shutil.copy(busybox, path / "bin/busybox")
    for name in APPLETS:
        (path / "bin" / name).symlink_to("busybox")
    (path / "etc/os-release").write_text("ID=test\n")
    return path


class Lxc:
    """LXC with its own bridge, lxcbr0, and its DHCP server."""

    bridge = "lxcbr0"
    subnet = "10.0.3"
    labels = False

    def __init__(self, host):
        self.host = host
        run("/usr/libexec/lxc/lxc-net", "start")

    def start(self, name, address, _labels=()):
        folder = pathlib.Path("/var/lib/lxc", name)
        folder.mkdir(exist_ok=True)
        if not (folder / "rootfs").exists():
            rootfs(folder / "rootfs")
        lines = [
            f"lxc.rootfs.path = dir:{folder}/rootfs", f"lxc.uts.name = {name}", "lxc.init.cmd = /bin/sleep 100000",
            "lxc.net.0.type = veth", f"lxc.net.0.link = {self.bridge}", "lxc.net.0.flags = up",
            f"lxc.net.0.ipv4.address = {address}/24",
        ]
        (folder / "config").write_text("\n".join(lines) + "\n")
        return self.run(name)

    def run(self, name):
        try:
            run("lxc-start", "-n", name, "-o", f"{self.host.directory}/lxc-{name}.log", "-l", "WARN")
        except RuntimeError as error:
            log = pathlib.Path(f"{self.host.directory}/lxc-{name}.log")
            raise RuntimeError(f"{error}\n{log.read_text() if log.exists() else ''}") from None
        return int(run("lxc-info", "-n", name, "-pH"))

    def with_dhcp(self, name):
        """As lxc-create makes it, with LXC's own settings."""
        run("lxc-create", "-n", name, "-t", "busybox")
        return self.run(name)

    def stop(self, name):
        run("lxc-stop", "-k", "-n", name)

    def close(self):
        run("/usr/libexec/lxc/lxc-net", "stop", check=False)


class Nspawn:
    """systemd-nspawn without machined: there is no systemd here."""

    bridge = "br0"
    subnet = "10.7.0"
    labels = False

    def __init__(self, host):
        self.host = host
        self.processes = {}
        host.bridge(self.bridge, f"{self.subnet}.1/24")

    def start(self, name, address, _labels=()):
        root = pathlib.Path(self.host.directory, "machines", name)
        if not root.exists():
            rootfs(root)
        script = f"ip addr add {address}/24 dev host0; ip link set host0 up; exec sleep 100000"
        log = open(f"{self.host.directory}/nspawn-{name}.log", "ab")
        self.processes[name] = subprocess.Popen(
            ["systemd-nspawn", "-q", "-D", root, "-M", name, "--register=no", "--keep-unit",
             f"--network-bridge={self.bridge}", "/bin/sh", "-c", script],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )
        log.close()
        return wait_until(lambda: self._first(name), 30, f"the first process of {name}")

    def _first(self, name):
        supervisor = self.processes[name].pid
        if self.processes[name].poll() is not None:
            raise RuntimeError(pathlib.Path(f"{self.host.directory}/nspawn-{name}.log").read_text())
        for child in pathlib.Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split():
            try:
                # Its address is set by itself, last of all its link comes up.
                if netns(child) != netns("self") and pathlib.Path(f"/proc/{child}/comm").read_text() == "sleep\n":
                    return int(child)
            except OSError:
                continue
        return None

    def stop(self, name):
        process = self.processes.pop(name)
        process.terminate()
        process.wait(30)

    def close(self):
        for name in list(self.processes):
            self.stop(name)


class Runc:
    """runc, and a veth that is plugged by hand between create and start. crun is spoken to in the same words."""

    command = "runc"
    bridge = "br0"
    subnet = "10.8.0"
    labels = True

    def __init__(self, host):
        self.host = host
        self.numbers = 0
        self.running = set()
        host.bridge(self.bridge, f"{self.subnet}.1/24")

    def _bundle(self, name, labels, own_network, netns):
        bundle = pathlib.Path(self.host.directory, "bundles", name)
        if not bundle.exists():
            rootfs(bundle / "rootfs")
        (bundle / "config.json").unlink(missing_ok=True)
        run(self.command, "spec", "-b", bundle)
        config = json.loads((bundle / "config.json").read_text())
        config["process"].update(terminal=False, args=["/bin/sleep", "100000"])
        config["process"].pop("rlimits", None)
        config["annotations"] = dict(label.split("=") for label in labels)
        if netns:
            next(item for item in config["linux"]["namespaces"] if item["type"] == "network")["path"] = netns
        if not own_network:
            config["linux"]["namespaces"] = [
                item for item in config["linux"]["namespaces"] if item["type"] != "network"
            ]
            config["mounts"] = [mount for mount in config["mounts"] if mount["destination"] != "/sys"]
        (bundle / "config.json").write_text(json.dumps(config))
        return bundle

    def start(self, name, address, labels=(), own_network=True, netns=None):
        bundle = self._bundle(name, labels, own_network, netns)
        log = f"{self.host.directory}/{name}.log"
        with open(log, "ab") as output:
            # Its own descriptors would be the container's, too.
            result = subprocess.run(
                [self.command, "create", "-b", bundle, name], stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                check=False,
            )
        if result.returncode != 0:
            raise RuntimeError(pathlib.Path(log).read_text())
        self.running.add(name)
        pid = json.loads(run(self.command, "state", name))["pid"]
        if own_network and not netns:
            self._plug(pid, address)
        run(self.command, "start", name)
        return pid

    def _plug(self, pid, address):
        self.numbers += 1
        link = f"veth{self.numbers}"
        run("ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", pid)
        inside = ("nsenter", f"--net=/proc/{pid}/ns/net", "ip")
        run(*inside, "addr", "add", f"{address}/24", "dev", "eth0")
        run(*inside, "link", "set", "eth0", "up")
        run("ip", "link", "set", link, "master", self.bridge, "up")

    def stop(self, name):
        self.running.discard(name)
        run(self.command, "delete", "--force", name)

    def close(self):
        for name in list(self.running):
            self.stop(name)


class Crun(Runc):
    command = "crun"
    subnet = "10.9.0"

    def __init__(self, host):
        # It refuses a host with cgroup2 beside the older ones.
        run("umount", "/sys/fs/cgroup/unified", check=False)
        super().__init__(host)


MAKERS = {"lxc": Lxc, "nspawn": Nspawn, "runc": Runc, "crun": Crun}


class Guest:
    """A running container: its agent acts in its network namespace."""

    def __init__(self, pid, address):
        self.pid = pid
        self.own = address
        self.agent = Agent(f"/proc/{pid}/ns/net")

    def __getattr__(self, name):
        if name.startswith("_") or name == "agent":
            raise AttributeError(name)
        return getattr(self.agent, name)

    def address(self):
        return self.own


class BareHost(Host):
    """A Host for one of these runtimes. Raises tap.Skip when it can't run a container here."""

    wait_guests = EngineHost.wait_guests
    ports_of = EngineHost.ports_of

    def __init__(self, name, options=()):
        super().__init__()
        self.options = ("--lxc-path", "/var/lib/lxc", "--runc-root", "/run/runc", "--crun-root", "/run/crun", *options)
        self.guests = {}
        self.maker = None
        self._control_groups()
        for folder in FOLDERS:
            os.makedirs(folder, exist_ok=True)
            namespace.mount("tmpfs", folder, "tmpfs", data="mode=755")
        try:
            self.maker = MAKERS[name](self)
            # The probe: a container that really runs.
            self.run("probe", 250)
            self.end("probe")
        except (RuntimeError, OSError, TimeoutError) as error:
            self.close()
            raise tap.Skip(f"{name} does not run here: {str(error).strip().splitlines()[-1]}") from None

    def _control_groups(self):
        """The harness' own /sys shows this network's links, which LXC needs; the control groups are below it."""
        aside = self._dir("cgroup")
        run("umount", "/sys")
        run("mount", "--rbind", "/sys/fs/cgroup", aside)
        namespace.mount("sysfs", "/sys", "sysfs")
        run("mount", "--rbind", aside, "/sys/fs/cgroup")
        run("umount", "-l", aside)

    def full(self, name):
        """Control groups are the machine's: nobody else may have one of this name."""
        return f"{name}-{os.getpid()}"

    def run(self, name, number, *labels, **options):
        address = f"{self.maker.subnet}.{number}"
        self.guests[name] = Guest(self.maker.start(self.full(name), address, labels, **options), address)
        return self.guests[name]

    def end(self, name):
        self.guests.pop(name).agent.stop()
        self.maker.stop(self.full(name))

    def found(self, *names):
        """Their ports, by name, when all are open."""
        self.wait_guests(*map(self.full, names))
        return {name: self.ports_of(self.full(name))[0] for name in names}

    def close(self):
        for name in list(self.guests):
            try:
                self.end(name)
            except RuntimeError:
                pass  # it has ended by itself, or did not begin
        if self.maker:
            self.maker.close()
        super().close()
