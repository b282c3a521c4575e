# SPDX-License-Identifier: GPL-2.0-only
"""Containers of plain OCI runtimes and of LXC: a root file system of one static program, and what starts them."""

import json
import os
import pathlib
import shutil
import subprocess

from . import namespace
from .host import Host, run

BUSYBOX = "/bin/busybox"


class MachineHost(Host):
    """A Host with the machine's control groups, which the harness' own /sys covers; in LXC's case with both."""

    def __init__(self, own_sys=False):
        super().__init__()
        run("umount", "/sys")
        if own_sys:
            cgroups = self._dir("cgroups")
            run("mount", "--rbind", "/sys/fs/cgroup", cgroups)
            namespace.mount("sysfs", "/sys", "sysfs")
            run("mount", "--rbind", cgroups, "/sys/fs/cgroup")

    def rootfs(self, name):
        root = pathlib.Path(self.directory, name, "rootfs")
        for folder in ("bin", "dev", "proc", "sys", "tmp", "etc", "run"):
            (root / folder).mkdir(parents=True)
        shutil.copy(shutil.which("busybox"), root / "bin/busybox")
        (root / "bin/sh").symlink_to("busybox")
        return root


class Runtime:
    """runc or crun by themselves: a bundle a container."""

    def __init__(self, host, program):
        self.host = host
        self.program = program
        if program == "crun":  # it takes one hierarchy or the other, not both
            run("umount", "/sys/fs/cgroup/unified", check=False)

    def bundle(self, name, script, hooks, netns=None, network=True, annotations=None):
        """`netns`: a path; `network` False: the host's. `hooks` are lists of words, run as createRuntime."""
        path = self.host.rootfs(name).parent
        run("runc", "spec", cwd=path)
        config = json.loads((path / "config.json").read_text())
        config["process"].update(terminal=False, args=[BUSYBOX, "sh", "-c", script], rlimits=[])
        for kind in ("bounding", "effective", "permitted"):
            config["process"]["capabilities"][kind] = ["CAP_NET_RAW"]
        namespaces = [item for item in config["linux"]["namespaces"] if item["type"] not in ("network", "cgroup")]
        if network:
            namespaces.append({"type": "network", **({"path": netns} if netns else {})})
        config["linux"]["namespaces"] = namespaces
        # A network of its own can't have the host's sysfs.
        config["mounts"] = [mount for mount in config["mounts"] if mount["destination"] in ("/proc", "/dev")]
        # Control groups are the machine's: other tests have containers of these names, too.
        config["linux"]["cgroupsPath"] = f"/bulkhead-{os.getpid()}-{name}"
        config["annotations"] = annotations or {}
        config["hooks"] = {"createRuntime": [{"path": hook[0], "args": hook} for hook in hooks]}
        (path / "config.json").write_text(json.dumps(config))
        return path

    def run(self, name, *arguments, **options):
        """To the end of the container's process: exit status, output, errors."""
        path = self.bundle(name, *arguments, **options)
        command = [self.program, "--root", f"{self.host.directory}/{self.program}", "run", "-b", str(path), name]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        shutil.rmtree(path)
        return done


def works(host, program):
    """None, or why a container can't be run here: it is tried."""
    done = Runtime(host, program).run("probe", "echo works", [])
    return None if "works" in done.stdout else f"{program} does not run here: {done.stderr.strip()[-300:]}"


def lxc_start(host, name, script, config):
    """A container of LXC, to the end of its first process; its output, and what LXC says."""
    root = host.rootfs(f"lxc/{name}")
    result = root / "tmp/result"
    (root / "etc/start").write_text(f"#!/bin/sh\n({script}) >/tmp/result 2>&1\n")
    os.chmod(root / "etc/start", 0o755)
    lines = [
        f"lxc.rootfs.path = dir:{root}", f"lxc.uts.name = {name}", "lxc.init.cmd = /etc/start", "lxc.apparmor.profile = unconfined",
        "lxc.mount.auto = proc", *config,
    ]  # fmt: skip
    (root.parent / "config").write_text("\n".join(lines) + "\n")
    log = f"{host.directory}/lxc-{name}.log"
    done = subprocess.run(
        ["lxc-start", "-F", "-P", f"{host.directory}/lxc", "-n", name, "-o", log, "-l", "DEBUG"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )
    said = done.stderr + done.stdout + pathlib.Path(log).read_text(errors="replace")
    return done.returncode, result.read_text() if result.exists() else "", said
