# SPDX-License-Identifier: GPL-2.0-only
"""Docker, Podman and containerd in a test's own host: started by tests/lib/engines.sh, spoken to by their commands."""

import json
import os
import select
import shlex
import signal
import subprocess
import traceback

from . import tap
from .agent import Agent
from .cri import Cri
from .host import ROOT, Host, run, wait_until

# Starts the engine in the namespaces of the caller, says so with its environment, does what it is told, and ends it.
SCRIPT = """
. tests/lib/engines.sh
trap engines_stop EXIT
ENGINES_SAME_NETNS_IS_FINE=1
engines_prepare && engine_{name}_start {options} && engine_{name}_works >/dev/null || exit 1
printf 'ready\\0'; env -0; printf 'end\\0'
while read -r order && [ -n "$order" ]; do
	$order {options} >/dev/null && printf 'done\\0' || printf 'failed\\0'
done
"""
START_SECONDS = 90
CNI_RESULTS = "/var/lib/cni/results"
TASKS = "/run/containerd/io.containerd.runtime.v2.task"
PORT_KEYS = ("interface", "container", "identity", "state", "reason", "addresses")


class Engine:
    """One engine. run() starts containers, whose agents act in their network namespaces."""

    def __init__(self, name, options=()):
        self.name = name
        script = SCRIPT.format(name=name, options=" ".join(map(shlex.quote, options)))
        self.process = subprocess.Popen(
            ["bash", "-c", script], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self.environment = self._environment()
        self.directory = os.path.dirname(self.environment["CONTAINERS_CONF"]) if name == "podman" else None
        if name == "docker":
            self.directory = os.path.dirname(self.environment["DOCKER_HOST"].removeprefix("unix://"))
        self.image = "bulkhead-test:1" if name == "docker" else "localhost/bulkhead-test:1"
        self.command = {"docker": "/usr/bin/docker", "podman": "/usr/bin/podman", "containerd": "/usr/bin/ctr"}[name]

    def _environment(self):
        data = b""
        while not data.endswith(b"\0end\0"):
            ready, _, _ = select.select([self.process.stdout], [], [], START_SECONDS)
            part = os.read(self.process.stdout.fileno(), 1 << 16) if ready else b""
            if not part:
                self.stop()
                why = self.process.stderr.read().decode(errors="replace").strip().splitlines()
                raise tap.Skip(f"{self.name} does not run here: {why[-1] if why else 'it does not answer'}")
            data += part
        words = data.decode(errors="replace").split("\0")
        return dict(word.split("=", 1) for word in words if "=" in word)

    def restart(self):
        """Docker's service, with the options that it had."""
        self.process.stdin.write(f"engine_{self.name}_restart\n".encode())
        self.process.stdin.flush()
        answer = b""
        while not answer.endswith(b"\0"):
            ready, _, _ = select.select([self.process.stdout], [], [], START_SECONDS)
            part = os.read(self.process.stdout.fileno(), 64) if ready else b""
            if not part:
                raise TimeoutError(f"{self.name} does not restart")
            answer += part
        tap.equal(answer, b"done\0", f"{self.name} restarts")

    def stop(self):
        try:
            # A word, not the end of the file: agents that were forked meanwhile hold the other end, too.
            self.process.stdin.write(b"\n")
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(60)

    def __call__(self, *arguments, check=True):
        return run(self.command, *arguments, env=self.environment, check=check)

    def remove(self, *names):
        """At once: many programs mind no SIGTERM when they are a container's first process."""
        self("rm", "-f", *(["-t", "0"] if self.name == "podman" else []), *names)

    def daemon_options(self):
        if self.name == "containerd":
            root = f"{os.path.dirname(self.environment['ENGINES_TOML'])}/containerd"
            return ("--containerd-state", "/run/containerd", "--containerd-root", root, "--cni-results", CNI_RESULTS)
        return (
            "--docker-socket", f"{self.directory}/docker.sock", "--docker-root", f"{self.directory}/docker",
            "--podman-root", f"{self.directory}/podman", "--cni-results", CNI_RESULTS,
        )


class EngineContainer:
    """A running container of an engine."""

    def __init__(self, engine, name, pid=None):
        self.engine = engine
        self.name = name
        self.pid = pid or json.loads(engine("inspect", name))[0]["State"]["Pid"]
        self.agent = Agent(f"/proc/{self.pid}/ns/net")

    def __getattr__(self, name):
        if name.startswith("_") or name == "agent":
            raise AttributeError(name)
        return getattr(self.agent, name)

    def interfaces(self):
        """What is inside: name to addresses, without lo and what is link-local."""
        links = json.loads(self.agent.run("ip", "-j", "addr"))
        return {
            link["ifname"]: [entry["local"] for entry in link["addr_info"] if entry["scope"] == "global"]
            for link in links
            if link["ifname"] != "lo"
        }

    def address(self, v6=False, interface="eth0"):
        return next(address for address in self.interfaces()[interface] if (":" in address) == v6)

    def mac(self, interface="eth0"):
        return json.loads(self.agent.run("ip", "-j", "link", "show", interface))[0]["address"]


class EngineHost(Host):
    """A Host whose containers are an engine's. Raises tap.Skip when the engine can't run a container here."""

    def __init__(self, name, options=()):
        super().__init__()
        # Engines need the control groups, which the harness' own /sys covers.
        run("umount", "/sys")
        self.guests = {}
        self.engine = None
        try:
            self.engine = Engine(name, options)
        except BaseException:
            super().close()
            raise
        self.options = self.engine.daemon_options()

    def run(self, name, *options, command=("sleep", "100000"), agent=True, image=None):
        words = [word for option in options for word in option.split(" ", 1)]
        self.engine("run", "-d", "--name", name, *words, image or self.engine.image, *command)
        if not agent:
            return None
        guest = EngineContainer(self.engine, name)
        self.guests[name] = guest
        return guest

    def ports_of(self, name):
        return [port for port in self.ask("ports") if port.get("container") == name]

    def wait_guests(self, *names, count=1, timeout=20.0):
        """Until each of these containers has `count` open ports."""

        def opened():
            return all([port["state"] for port in self.ports_of(name)].count("open") == count for name in names)

        try:
            wait_until(opened, timeout, f"ports of {', '.join(names)} open")
        except TimeoutError as error:
            ports = [{key: port.get(key) for key in PORT_KEYS} for port in self.ask("ports")]
            raise TimeoutError("\n".join([str(error), *map(json.dumps, ports)])) from None

    def close(self):
        for guest in self.guests.values():
            guest.agent.stop()
        if self.engine:
            self.engine.stop()
        super().close()


class ContainerdHost(EngineHost):
    """containerd: run() is ctr's with CNI, pod() and pod_container() are what a kubelet does."""

    def __init__(self, name="containerd", options=()):
        super().__init__(name, options)
        self.place = self.engine.environment["CONTAINERD_NAMESPACE"]
        self.cri = Cri(self.engine.environment["CONTAINERD_ADDRESS"], f"/{self.place}")

    def _guest(self, name, place, id_):
        with open(f"{TASKS}/{place}/{id_}/init.pid", encoding="ascii") as file:
            self.guests[name] = EngineContainer(self.engine, name, int(file.read()))
        return self.guests[name]

    def run(self, name, *labels, network=("--cni",), command=("sleep", "100000"), agent=True):
        words = [word for label in labels for word in ("--label", label)]
        self.engine("run", "-d", *network, *words, self.engine.image, name, *command)
        return self._guest(name, self.place, name) if agent else None

    def remove(self, name):
        guest = self.guests.pop(name, None)
        if guest:
            guest.agent.stop()
        self.engine("tasks", "delete", "--force", name, check=False)
        self.engine("containers", "delete", name)

    def pod(self, name, namespace, **config):
        pod = self.cri.run_pod(name, namespace, **config)
        return pod, None if config.get("host_network") else self._guest(name, "k8s.io", pod)

    def close(self):
        for pod in list(self.cri.pods):
            try:
                self.cri.remove_pod(pod)
            except (OSError, RuntimeError):
                pass  # containerd has gone, or the test failed half way
        super().close()


def on(name, *options, host_class=EngineHost):
    """Makes a test of a scenario: on this engine, with these options of it."""

    def wrap(scenario):
        def test(_host):
            host = host_class(name, options)
            try:
                scenario(host)
            except tap.Skip:
                raise
            except BaseException:
                for line in traceback.format_exc().splitlines() + host.log().splitlines()[-30:]:
                    print(f"# {line}")
                raise SystemExit(1) from None
            finally:
                host.close()

        test.needs_host = False
        test.__name__ = f"test_{name}_{scenario.__name__}"
        test.__doc__ = f"{name}: {scenario.__doc__}"
        return test

    return wrap
