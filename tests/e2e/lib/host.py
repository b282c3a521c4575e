# SPDX-License-Identifier: GPL-2.0-only
"""A 'host' of a test's own: a network and a mount namespace, bridges, containers (named network namespaces), an outside,
and the daemon. Everything vanishes with the test's process; nothing outside is touched."""

import ctypes
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

from . import namespace
from .agent import Agent

ROOT = pathlib.Path(__file__).resolve().parents[3]
BUILD = pathlib.Path(os.environ.get("BUILD_DIR", os.environ.get("BUILD", ROOT / "build")))
if not BUILD.is_absolute():
    BUILD = ROOT / BUILD
PR_SET_PDEATHSIG = 1


def run(*command, check=True, **kwargs):
    result = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, **kwargs)
    if check and result.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}: {result.stderr.strip()}")
    return result.stdout


def wait_until(condition, timeout=5.0, what="condition"):
    """Polls; returns the condition's first true value. For what tells of no event."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not come true within {timeout} s")
        time.sleep(0.01)


def for_nft_alone(policy):
    """The same policy, to be held by nftables alone. No line moves."""
    changed = re.sub(r"^settings: \{", "settings: { gates: [ nft ],", policy, count=1, flags=re.MULTILINE)
    return changed if changed != policy else f"{policy.rstrip()}\nsettings: {{ gates: [ nft ] }}\n"


class Container:
    """A named network namespace with a veth (or several) to a bridge."""

    def __init__(self, host, name):
        self.host = host
        self.name = name
        self.agent = None
        self.addresses = []
        self.interfaces = []  # (host side, container side)

    def __getattr__(self, name):
        if name.startswith("_") or self.agent is None:
            raise AttributeError(name)
        return getattr(self.agent, name)

    @property
    def port(self):
        return self.interfaces[0][0]

    def address(self, v6=False):
        return next(a for a in self.addresses if (":" in a) == v6)

    def mac(self, index=0):
        link = json.loads(self.agent.run("ip", "-j", "link", "show", self.interfaces[index][1]))
        return link[0]["address"]


class Host:
    def __init__(self):
        namespace.unshare(namespace.CLONE_NEWNET | namespace.CLONE_NEWNS)
        namespace.mount("none", "/", "none", namespace.MS_REC | namespace.MS_PRIVATE)
        self.directory = tempfile.mkdtemp(prefix=f"bulkhead-e2e-{os.getpid()}-")
        namespace.mount("tmpfs", self.directory, "tmpfs")
        self.pins_mount = self._dir("bpf")
        namespace.mount("bpf", self.pins_mount, "bpf")
        os.makedirs("/run/netns", exist_ok=True)
        namespace.mount("tmpfs", "/run/netns", "tmpfs")
        namespace.mount("sysfs", "/sys", "sysfs")
        self.meta = self._dir("netns-meta")
        os.chmod(self.meta, 0o755)
        self.policy_dir = pathlib.Path(self._dir("policy"))
        self.socket_path = f"{self.directory}/control.sock"
        self.log_path = f"{self.directory}/daemon.log"
        self.daemon = None
        self.options = ()  # of every start of the daemon
        self.nft_alone = False  # every policy has `gates: [ nft ]`
        self.environment = {}  # of every start, beside the test's own
        self.holder = False  # it would outlive a test that is killed, and keep its namespace
        self.containers = {}
        self.bridges = {}
        run("ip", "link", "set", "lo", "up")
        for knob in ("net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"):
            pathlib.Path("/proc/sys", knob).write_text("1")
        for knob in ("net/ipv6/conf/default/accept_dad", "net/ipv6/conf/all/accept_dad"):
            pathlib.Path("/proc/sys", knob).write_text("0")
        self.agent = Agent(None)

    def _dir(self, name):
        path = f"{self.directory}/{name}"
        os.makedirs(path)
        return path

    # ---- topology

    def bridge(self, name, *addresses):
        run("ip", "link", "add", name, "type", "bridge", "forward_delay", "0", "mcast_snooping", "0")
        for address in addresses:
            run("ip", "addr", "add", address, "dev", name, *(["nodad"] if ":" in address else []))
        run("ip", "link", "set", name, "up")
        self.bridges[name] = list(addresses)

    def bridge_nf_call(self, on):
        for family in ("ip", "ip6", "arp"):
            path = pathlib.Path(f"/proc/sys/net/bridge/bridge-nf-call-{family}tables")
            if path.exists():
                path.write_text("1" if on else "0")

    def container(self, name, bridge=None, addresses=(), labels=None, image=None, namespace_=None, interface=None, mac=None):
        """Makes the namespace first, the labels' file, then plugs it in."""
        container = Container(self, name)
        run("ip", "netns", "add", name)
        meta = {}
        if labels:
            meta["labels"] = labels
        if image:
            meta["image"] = image
        if namespace_:
            meta["namespace"] = namespace_
        if meta:
            path = pathlib.Path(self.meta, f"{name}.json")
            path.write_text(json.dumps(meta))
            path.chmod(0o600)
        container.agent = Agent(f"/run/netns/{name}")
        container.run("ip", "link", "set", "lo", "up")
        for knob in ("default", "all"):
            run("ip", "netns", "exec", name, "sh", "-c", f"echo 0 > /proc/sys/net/ipv6/conf/{knob}/accept_dad")
        self.containers[name] = container
        if bridge:
            self.plug(container, bridge, addresses, interface=interface, mac=mac)
        return container

    def plug(self, container, bridge, addresses, interface=None, mac=None, up=True):
        """A veth between the bridge and the container, as runtimes make it: addresses first, then up."""
        number = len(container.interfaces)
        host_side = interface or f"v{container.name[:10]}{number}"
        inside = f"eth{number}"
        run("ip", "link", "add", host_side, "type", "veth", "peer", "name", inside, "netns", container.name)
        if mac:
            container.run("ip", "link", "set", inside, "address", mac)
        for address in addresses:
            container.run("ip", "addr", "add", address, "dev", inside, *(["nodad"] if ":" in address else []))
            container.addresses.append(address.split("/")[0])
        container.interfaces.append((host_side, inside))
        if bridge:
            run("ip", "link", "set", host_side, "master", bridge)
        container.run("ip", "link", "set", inside, "up")
        if up:
            run("ip", "link", "set", host_side, "up")
        if number == 0:
            for gateway in self.bridges.get(bridge, ()):
                family = "-6" if ":" in gateway else "-4"
                if any((":" in a) == (":" in gateway) for a in addresses):
                    container.run("ip", family, "route", "add", "default", "via", gateway.split("/")[0])

    def outside(self, name, uplink, host_address, addresses, host_address6=None):
        """A namespace behind a routed link `uplink` of the host, standing for everybody else. The link is a veth as well,
        so the policy (or its default `ignore`) must leave `uplink` alone."""
        container = Container(self, name)
        run("ip", "netns", "add", name)
        container.agent = Agent(f"/run/netns/{name}")
        run("ip", "link", "add", uplink, "type", "veth", "peer", "name", "up0", "netns", name)
        for address in filter(None, (host_address, host_address6)):
            run("ip", "addr", "add", address, "dev", uplink, *(["nodad"] if ":" in address else []))
        run("ip", "link", "set", uplink, "up")
        container.run("ip", "link", "set", "lo", "up")
        for address in addresses:
            container.run("ip", "addr", "add", address, "dev", "up0", *(["nodad"] if ":" in address else []))
            container.addresses.append(address.split("/")[0])
        container.run("ip", "link", "set", "up0", "up")
        for address in filter(None, (host_address, host_address6)):
            family = "-6" if ":" in address else "-4"
            container.run("ip", family, "route", "add", "default", "via", address.split("/")[0])
        container.interfaces.append((uplink, "up0"))
        self.containers[name] = container
        return container

    # ---- the daemon

    def policy(self, text, name="policy.yaml"):
        """Written aside and renamed, as an editor would."""
        temporary = self.policy_dir / f".{name}.new"
        temporary.write_text(for_nft_alone(text) if self.nft_alone else text)
        temporary.rename(self.policy_dir / name)

    def start(self, *options, wait=True, timeout=15.0):
        def die_with_parent():
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

        log = open(self.log_path, "ab")
        self.daemon = subprocess.Popen(
            [
                str(BUILD / "bulkheadd"),
                "--policy", str(self.policy_dir),
                "--socket", self.socket_path,
                "--state", f"{self.directory}/state",
                "--run", f"{self.directory}/run",
                "--pins", f"{self.pins_mount}/bulkhead",
                "--netns-meta", self.meta,
                "--docker-socket", f"{self.directory}/no-docker.sock",
                "--docker-root", f"{self.directory}/no-docker",
                "--podman-root", f"{self.directory}/no-podman",
                "--containerd-state", f"{self.directory}/no-containerd",
                "--containerd-root", f"{self.directory}/no-containerd",
                "--crio-run", f"{self.directory}/no-crio",
                "--cni-results", f"{self.directory}/no-cni",
                "--lxc-path", f"{self.directory}/no-lxc",
                "--incus-root", f"{self.directory}/no-incus",
                "--lxd-root", f"{self.directory}/no-lxd",
                "--machines", f"{self.directory}/no-machines",
                "--runc-root", f"{self.directory}/no-runc",
                "--crun-root", f"{self.directory}/no-crun",
                *([] if self.holder else ["--no-holder"]),
                *self.options,
                *options,
            ],
            stdout=log, stderr=log, preexec_fn=die_with_parent, env={**os.environ, **self.environment},
        )
        log.close()
        if wait:
            self.wait_settled(timeout)
        return self.daemon

    def wait_settled(self, timeout=15.0):
        def settled():
            if self.daemon.poll() is not None:
                raise RuntimeError(f"bulkheadd ended with {self.daemon.returncode}:\n{self.log()}")
            try:
                status = self.ask("status")
            except (OSError, EOFError):
                return False
            return status.get("policy", {}).get("generation", 0) > 0

        wait_until(settled, timeout, "the daemon's first commit")

    def wait_open(self, *names, timeout=10.0):
        """Until the ports of these containers (all, when none is named) are open."""
        names = names or [n for n, c in self.containers.items() if c.interfaces and c.interfaces[0][1] != "up0"]
        wanted = {side for name in names for side, _ in self.containers[name].interfaces}

        def opened():
            ports = {port["interface"]: port["state"] for port in self.ask("ports")}
            return all(ports.get(side) in ("open", "conflicted") for side in wanted)

        try:
            wait_until(opened, timeout, f"ports of {', '.join(names)} open")
        except TimeoutError as error:
            raise TimeoutError(f"{error}\n{json.dumps(self.ask('ports'), indent=1)}\n{self.log()}") from None

    def ask(self, command, **arguments):
        """The control socket; raises with the daemon's message when it refuses."""
        answer = self.request({"command": command, **arguments})
        if not answer.get("ok"):
            raise RuntimeError(answer["error"].get("text") or answer["error"]["message"])
        return answer["result"]

    def request(self, request, timeout=30):
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(timeout)
            client.connect(self.socket_path)
            client.sendall(json.dumps(request).encode() + b"\n")
            data = b""
            while not data.endswith(b"\n"):
                part = client.recv(1 << 16)
                if not part:
                    raise EOFError("the daemon hung up")
                data += part
        return json.loads(data)

    def reload(self, text=None):
        if text is not None:
            self.policy(text)
        return self.ask("reload")

    def flows(self, **filters):
        return self.ask("flows", last=4096, **filters)

    def wait_flow(self, timeout=3.0, **wanted):
        """Until an event comes whose fields equal these (from_, to: container names); it is returned."""

        def fits(flow):
            for key, value in wanted.items():
                if key in ("from_", "to"):
                    end = flow.get("from" if key == "from_" else "to", {})
                    if value not in (end.get("container"), end.get("address")):
                        return False
                elif flow.get(key) != value:
                    return False
            return True

        def found():
            return next((flow for flow in reversed(self.flows()) if fits(flow)), None)

        try:
            return wait_until(found, timeout, f"event {wanted}")
        except TimeoutError as error:
            raise TimeoutError(f"{error}; there are {json.dumps(self.flows()[-10:], indent=1)}") from None

    def cli(self, *arguments, check=True):
        """The command; returns the finished process."""
        result = subprocess.run(
            [str(BUILD / "bulkhead"), "--socket", self.socket_path, *arguments], capture_output=True, text=True, check=False
        )
        if check and result.returncode != 0:
            raise RuntimeError(f"bulkhead {' '.join(arguments)}: {result.returncode}: {result.stderr}{result.stdout}")
        return result

    def uninstall(self):
        """`bulkhead uninstall`; returns what it says."""
        return self.cli("uninstall", "--pins", f"{self.pins_mount}/bulkhead", "--state", f"{self.directory}/state",
                        "--run", f"{self.directory}/run").stdout  # fmt: skip

    def kill(self, number=signal.SIGKILL):
        self.daemon.send_signal(number)
        code = self.daemon.wait(10)
        self.daemon = None
        return code

    def log(self):
        return pathlib.Path(self.log_path).read_text(errors="replace") if os.path.exists(self.log_path) else ""

    def close(self):
        for container in self.containers.values():
            if container.agent:
                container.agent.stop()
        self.agent.stop()
        ended = self._end_daemon()
        if self.holder:
            self.uninstall()
        for name in list(self.containers):
            run("ip", "netns", "del", name, check=False)
        run("umount", "-l", self.pins_mount, check=False)
        log = self.log()
        run("umount", "-l", self.directory, check=False)
        shutil.rmtree(self.directory, ignore_errors=True)
        if ended != 0:  # a sanitizer's word on what it did, or forgot to free, is in the log
            raise RuntimeError(f"the daemon ended with {ended}:\n{log[-8000:]}")

    def _end_daemon(self):
        """Its exit code; 0 when there is none."""
        if not self.daemon or self.daemon.poll() is not None:
            return 0
        self.daemon.terminate()
        try:
            return self.daemon.wait(30)
        except subprocess.TimeoutExpired:
            self.daemon.kill()
            return self.daemon.wait()
