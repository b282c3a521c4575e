#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Files that are not what they should be, where the daemon looks: it is neither kept waiting nor fooled."""

import ctypes
import itertools
import json
import os
import pathlib
import signal
import stat
import sys
import time

sys.path.insert(0, __file__.rsplit("/", 1)[0])
from lib import tap
from lib.host import PR_SET_PDEATHSIG
from lib.shop import holds, scene

ID = "0123456789abcdef" * 4
NOBODY = 65534
ANSWER_S = 10  # far more than an answer takes, on a slow machine too; a daemon that waits for a FIFO never gives one

# Where the daemon looks: the option, and the files below its folder.
LOOKED_AT = {
    "--docker-root": [f"containers/{ID}/config.v2.json", "network/files/local-kv.db"],
    "--podman-root": ["overlay-containers/containers.json", "libpod/bolt_state.db", f"overlay-containers/{ID}/userdata/config.json"],
    "--containerd-state": [f"io.containerd.runtime.v2.task/default/{ID}/config.json",
                           f"io.containerd.runtime.v2.task/default/{ID}/init.pid"],
    "--containerd-root": ["io.containerd.metadata.v1.bolt/meta.db"],
    "--crio-run": [f"{ID}/userdata/config.json", f"{ID}/userdata/pidfile"],
    "--runc-root": [f"{ID}/state.json", "another/state.json"],
    "--crun-root": [f"{ID}/status", f"{ID}/config.json"],
    "--cni-results": ["net-" + ID + "-eth0", "net-short"],
    "--lxc-path": ["box/config", "box/rootfs"],
    "--incus-root": ["containers/box/backup.yaml"],
    "--lxd-root": ["containers/box/backup.yaml"],
    "--machines": ["box", "other"],
    "--netns": ["fifo", "another"],
    "--netns-meta": ["web.json", "stranger.json"],
}  # fmt: skip


def fifo(path):
    os.mkfifo(path)


def endless(path):
    os.symlink("/dev/zero", path)


def secret(path):
    os.symlink("/etc/shadow", path)


def terminal(path):
    os.symlink("/dev/tty", path)


def loop(path):
    os.symlink(os.path.basename(path), path)


def huge(path):
    with open(path, "wb") as file:
        file.truncate(1 << 40)


def unnamed(path):
    os.mknod(path, stat.S_IFSOCK | 0o600)


def folder(path):
    os.mkdir(path)


def half(path):
    pathlib.Path(path).write_text('{"id": "' + ID[:20])


KINDS = (fifo, endless, secret, terminal, loop, huge, unnamed, folder, half)


def put(path, kind):
    """At once, in the place of whatever is there: beside it first, then exchanged."""
    aside = f"{path}.aside"
    kind(aside)
    if os.path.isdir(path) and not os.path.islink(path):
        os.rmdir(path)
    if kind is folder and os.path.lexists(path):
        os.unlink(path)
    os.rename(aside, path)


class Changer:
    """A process that makes something else of each file, all the time, and tells of each round."""

    def __init__(self, paths):
        self.reading, writing = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            for shift in itertools.count():
                for number, path in enumerate(paths):
                    put(path, KINDS[(number + shift) % len(KINDS)])
                os.write(writing, b".")
        os.close(writing)

    def rounds(self, count):
        """Until it has made so many more."""
        seen = os.read(self.reading, 1 << 16)  # those before
        while count > 0 and seen:
            seen = os.read(self.reading, 1)
            count -= 1
        tap.expect(seen, "it still changes them")

    def stop(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.reading)


def prepare(host):
    options, paths = [], []
    for option, names in LOOKED_AT.items():
        top = host.meta if option == "--netns-meta" else "/run/netns" if option == "--netns" else f"{host.directory}/odd{option}"
        if option not in ("--netns-meta", "--netns"):
            options += [option, top]
        for name in names:
            path = pathlib.Path(top, name)
            if path.exists():
                continue  # a folder of another one's, or a container's own
            path.parent.mkdir(parents=True, exist_ok=True)
            paths.append(str(path))
    return options, paths


def answers(host):
    begin = time.monotonic()
    status = host.ask("status")
    tap.expect(time.monotonic() - begin < ANSWER_S, "an answer comes")
    return status


def test_odd_files(host):
    """FIFOs, devices, links to the host's files, endless and huge files, wherever the daemon looks: no wait, no owner"""
    scene(host)
    options, paths = prepare(host)
    for number in range(len(KINDS)):
        for at, path in enumerate(paths):
            put(path, KINDS[(number + at) % len(KINDS)])
        if host.daemon:
            host.kill()
        host.start(*options)
        host.wait_open("web", "db", "mallory")
        answers(host)
    containers = {port.get("container") for port in host.ask("ports")}
    tap.equal(containers, {"web", "db", "mallory"}, "owners")
    tap.expect("root:" not in json.dumps(host.ask("status")) + host.log(), "nothing of the host's files is told")
    holds(host, "with odd files")


def test_changing_files(host):
    """The same files change all the time, while containers come: each is known, and nobody waits"""
    scene(host)
    options, paths = prepare(host)
    for path in paths:
        put(path, fifo)
    host.start(*options)
    host.wait_open("web", "db", "mallory")
    changer = Changer(paths)
    try:
        for number in range(5):
            host.container(f"new{number}", "br0", [f"10.77.0.{10 + number}/24"], labels={"tier": "other"})
            host.wait_open(f"new{number}", timeout=60)
            answers(host)
        changer.rounds(3)
        answers(host)
    finally:
        changer.stop()
    holds(host, "afterwards")


def refused(host, what, *options):
    host.start(*options, wait=False)
    tap.expect(host.daemon.wait(60) != 0, f"{what}: it does not start")
    tap.expect("only root can write" in host.log(), f"{what}: and says why: {host.log()[-500:]}")
    host.daemon = None
    pathlib.Path(host.log_path).write_text("")


def test_places(host):
    """State, lock and socket in a folder where another user could put something else: the daemon does not start"""
    scene(host)
    mine = pathlib.Path(host.directory, "theirs")
    mine.mkdir()
    for owner, mode in ((NOBODY, 0o755), (0, 0o775), (0, 0o777)):
        os.chown(mine, owner, 0)
        mine.chmod(mode)
        refused(host, f"state {owner} {mode:o}", "--state", str(mine))
        refused(host, f"run {owner} {mode:o}", "--run", str(mine))
        refused(host, f"socket {owner} {mode:o}", "--socket", str(mine / "control.sock"))


def test_links_in_places(host):
    """A link where the lock, the socket or the state is to be is not followed: what it leads to stays as it was"""
    scene(host)
    victim = pathlib.Path(host.directory, "victim")
    victim.write_text("mine")
    for folder_name in ("state", "run"):
        os.makedirs(f"{host.directory}/{folder_name}", exist_ok=True)
    os.symlink(victim, host.socket_path)
    for name in ("registry.json", "hooks.json"):
        os.symlink(f"{host.directory}/nowhere", f"{host.directory}/state/{name}")
    host.start("--group", "daemon")
    host.wait_open()
    its = os.lstat(host.socket_path)
    tap.expect(stat.S_ISSOCK(its.st_mode) and stat.S_IMODE(its.st_mode) == 0o660, "the socket took the link's place")
    tap.equal((victim.read_text(), stat.S_IMODE(victim.stat().st_mode), victim.stat().st_gid), ("mine", 0o644, 0), "the victim")
    tap.expect(not os.path.exists(f"{host.directory}/nowhere"), "nothing was written through a link")
    for name, mode in (("registry.json", 0o600), ("hooks.json", 0o644)):
        its = os.lstat(f"{host.directory}/state/{name}")
        tap.expect(stat.S_ISREG(its.st_mode) and stat.S_IMODE(its.st_mode) == mode and its.st_uid == 0, f"{name} is root's file")
    tap.equal(stat.S_IMODE(os.stat(f"{host.directory}/state").st_mode) & 0o022, 0, "the state's folder")
    host.kill()
    (lock,) = pathlib.Path(host.directory, "run").glob("netns-*.lock")
    lock.unlink()
    lock.symlink_to(victim)
    host.start(wait=False)
    tap.expect(host.daemon.wait(60) != 0, "with a link for a lock it does not start")
    host.daemon = None
    tap.equal(victim.read_text(), "mine", "the victim")


if __name__ == "__main__":
    tap.main([test_odd_files, test_changing_files, test_places, test_links_in_places])
