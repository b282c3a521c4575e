#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""The systemd unit, with all that it forbids: a systemd is booted (systemd-nspawn, over this system's files) and runs it."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, __file__.rsplit("/", 1)[0])
from lib import namespace, tap
from lib.host import BUILD, ROOT, run

UNIT = ROOT / "systemd/bulkheadd.service"
EXPOSURE_MAX = 39  # tenths, as systemd 252 counts; a line less in the unit is more

POLICY = """
version: 1
zones:
  shop:
    groups:
      front: { members: { name: web } }
      db: { members: { name: db } }
rules:
  - { from: shop/front, to: shop/db, allow: ping }
"""

# In the system that is booted: each check is a line of the result, NAME and what is wrong ("": nothing).
CHECK = r'''
import json, os, pathlib, signal, subprocess, time

results = {}


def run(*words, check=True):
    return subprocess.run(words, check=check, capture_output=True, text=True)


def until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def check(name):
    def decorate(function):
        try:
            results[name] = function() or ""
        except Exception as error:
            results[name] = f"{error!r} {getattr(error, 'stderr', '')}"
    return decorate


def status():
    try:
        return json.loads(run("bulkhead", "--json", "status", check=False).stdout)
    except ValueError:
        return {}


def pid():
    return int(run("systemctl", "show", "-P", "MainPID", "bulkheadd.service").stdout)


def ping(name, address):
    return run("ip", "netns", "exec", name, "busybox", "ping", "-c1", "-W1", address, check=False).returncode == 0


def whole():
    return status().get("health") == "ok"


def judged():
    if not until(lambda: ping("web", "10.99.0.3")):
        return "what is allowed does not pass"
    return "what is denied passes" if ping("db", "10.99.0.2") else ""


@check("start")
def _():
    os.makedirs("/sys/fs/bpf", exist_ok=True)  # nspawn has put together a /sys of its own
    run("mount", "-t", "bpf", "bpf", "/sys/fs/bpf")
    run("ip", "link", "add", "br0", "type", "bridge", "forward_delay", "0")
    run("ip", "addr", "add", "10.99.0.1/24", "dev", "br0")
    run("ip", "link", "set", "br0", "up")
    for name, address in (("web", "10.99.0.2"), ("db", "10.99.0.3")):
        run("ip", "netns", "add", name)
        run("ip", "link", "add", f"v{name}", "type", "veth", "peer", "name", "eth0", "netns", name)
        run("ip", "-n", name, "addr", "add", f"{address}/24", "dev", "eth0")
        run("ip", "-n", name, "link", "set", "eth0", "up")
        run("ip", "link", "set", f"v{name}", "master", "br0", "up")
    if not until(lambda: ping("db", "10.99.0.2")):
        return "nothing passes while nobody polices"
    run("systemctl", "start", "bulkheadd.service")
    if not until(lambda: status().get("ports", {}).get("open") == 2 and whole()):
        return json.dumps(status())
    return judged()


@check("sandbox")
def _():
    lines = dict(line.split(":", 1) for line in pathlib.Path(f"/proc/{pid()}/status").read_text().splitlines())
    if "net_admin" not in status()["sandbox"]["capabilities"] or len(status()["sandbox"]["capabilities"]) != 7:
        return json.dumps(status()["sandbox"])
    return "" if int(lines["Seccomp_filters"]) > 2 else "the unit's filters are not there"


@check("a namespace that is mounted later")
def _():
    run("ip", "netns", "add", "late")
    run("ip", "link", "add", "vlate", "type", "veth", "peer", "name", "eth0", "netns", "late")
    run("ip", "-n", "late", "addr", "add", "10.99.0.4/24", "dev", "eth0")
    run("ip", "-n", "late", "link", "set", "eth0", "up")
    run("ip", "link", "set", "vlate", "master", "br0", "up")
    names = lambda: {port.get("container") for port in json.loads(run("bulkhead", "--json", "ports").stdout)}
    return "" if until(lambda: "late" in names()) else f"{names()}"


@check("files")
def _():
    for path in ("/etc", "/usr", "/var/lib", "/proc/sys/kernel/hostname"):
        words = ["touch", f"{path}/new"] if os.path.isdir(path) else ["tee", path]
        if run("nsenter", "-t", str(pid()), "-m", *words, check=False).returncode == 0:
            return f"{path} can be written"
    if run("nsenter", "-t", str(pid()), "-m", "test", "-e", "/root/secret", check=False).returncode == 0:
        return "root's home can be seen"
    return ""


@check("a BPF file system that is taken away")
def _():
    run("umount", "-l", "/sys/fs/bpf")
    if not until(lambda: os.path.exists("/sys/fs/bpf/bulkhead/map_config_map") or os.path.isdir("/sys/fs/bpf/bulkhead"), 120):
        return "the pins are not where everybody sees them: " + json.dumps(status().get("problems"))
    return "" if until(whole) else json.dumps(status()["problems"])


@check("kill")
def _():
    first = pid()
    if first == 0:
        return "it does not run"
    os.kill(first, signal.SIGKILL)
    if ping("db", "10.99.0.2"):
        return "what is denied passes meanwhile"
    if not until(lambda: pid() not in (0, first) and whole()):
        return "no other daemon came"
    return judged()


@check("stop")
def _():
    run("systemctl", "stop", "bulkheadd.service")
    if run("pgrep", "-x", "bh-steward", check=False).stdout:
        return "the steward is still there"
    bad = judged()
    run("systemctl", "start", "bulkheadd.service")
    return bad or ("" if until(whole) else json.dumps(status()["problems"]))


@check("nftables alone")
def _():
    calls = [pathlib.Path(f"/proc/sys/net/bridge/bridge-nf-call-{family}tables") for family in ("ip", "ip6")]
    for path in calls:
        path.write_text("0")
    policy = pathlib.Path("/etc/bulkhead/policy/policy.yaml")
    before = policy.read_text()
    policy.write_text(before + "settings: { gates: [ nft ] }\n")
    run("systemctl", "restart", "bulkheadd.service", check=False)
    if not until(lambda: status().get("gate", {}).get("gates") == ["nft"] and whole()):
        return json.dumps(status()) + run("journalctl", "-u", "bulkheadd.service", "-n", "12", check=False).stdout + run("systemctl", "status", "bulkheadd", check=False).stdout
    bad = judged() or ("" if all(path.read_text() == "1\n" for path in calls) else "bridge netfilter is off")
    policy.write_text(before)
    run("systemctl", "restart", "bulkheadd.service")
    return bad or ("" if until(lambda: "tc" in status().get("gate", {}).get("gates", []) and whole()) else json.dumps(status()["problems"]))


@check("podman")
def _():
    run("podman", "create", "--name", "here", "--network", "none", "--rootfs", "/srv/rootfs", "/bin/true")
    run("systemctl", "start", "as-podman.service")
    return "" if '"here"' in pathlib.Path("/run/inspected").read_text() else "it was not inspected"


@check("refused")
def _():
    """What the kernel's log says of system calls, as far as there is one."""
    log = run("journalctl", "-k", "-o", "cat", "--grep", "SECCOMP.*bulkheadd", check=False).stdout
    return log[:1000] if "type=1326" in log else ""


results["log"] = run("journalctl", "-u", "bulkheadd", "-u", "as-podman", "-o", "cat", "-n", "40", check=False).stdout
pathlib.Path("/result.json").write_text(json.dumps(results))
'''

FILES = {
    "etc/systemd/system/check.target": "[Unit]\nRequires=check.service\nAfter=check.service\n",
    "etc/systemd/system/check.service": (
        "[Unit]\nRequires=basic.target\nAfter=basic.target\nSuccessAction=poweroff-force\nFailureAction=poweroff-force\n"
        "[Service]\nType=oneshot\nTimeoutStartSec=280\nExecStart=/usr/bin/python3 /check.py\nExecStart=/bin/sync\n"
    ),
    "etc/containers/storage.conf": '[storage]\ndriver = "vfs"\nrunroot = "/run/containers/storage"\ngraphroot = "/var/lib/containers/storage"\n',
    "etc/bulkhead/policy/policy.yaml": POLICY,
    "srv/rootfs/bin/true": "",
    "root/secret": "",
    "check.py": CHECK,
}


def podman_unit():
    """What the unit allows, for Podman's command alone: as the steward starts it."""
    lines = []
    for line in UNIT.read_text().splitlines():
        if line.startswith("ExecStart="):
            lines += ["Type=oneshot", "ExecStart=podman container inspect here", "StandardOutput=truncate:/run/inspected", "StandardError=journal"]
        elif not line.startswith(("ExecStartPost=", "ExecReload=", "Restart", "RuntimeDirectory", "StateDirectory")):
            lines.append(line)
    return "\n".join(lines)


class Group:
    """A control group to boot in, where there are such: nspawn leaves some below its own."""

    def __init__(self, name):
        mounts = [line.split() for line in pathlib.Path("/proc/self/mounts").read_text().splitlines()]
        self.path = next((pathlib.Path(mount[1], name) for mount in mounts if mount[2] == "cgroup2"), None)
        if self.path:
            self.path.mkdir()

    def enter(self):
        if self.path:
            (self.path / "cgroup.procs").write_text("0")

    def close(self):
        for path in sorted(self.path.rglob("*/") if self.path else [], reverse=True):
            path.rmdir()
        if self.path:
            self.path.rmdir()


class Machine:
    def __init__(self):
        namespace.unshare(namespace.CLONE_NEWNS)
        namespace.mount("none", "/", "none", namespace.MS_REC | namespace.MS_PRIVATE)
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="bulkhead-unit-"))
        self.name = f"bulkhead{os.getpid()}"
        namespace.mount("tmpfs", str(self.directory), "tmpfs")
        for part in ("upper", "work", "root"):
            (self.directory / part).mkdir()
        self.root = self.directory / "root"
        run("mount", "-t", "overlay", "overlay", "-o",
            f"lowerdir=/,upperdir={self.directory}/upper,workdir={self.directory}/work", str(self.root))  # fmt: skip
        for wants in (self.root / "etc/systemd/system").glob("*.wants"):
            shutil.rmtree(wants)
        namespace.mount("tmpfs", "/run", "tmpfs")  # nspawn leaves folders there

    def install(self):
        for name, text in FILES.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        (self.root / "srv/rootfs/bin/true").chmod(0o755)
        for program, folder in (("bulkheadd", "sbin"), ("bulkhead", "bin")):
            shutil.copy(BUILD / program, self.root / "usr/local" / folder)
        shutil.copy(UNIT, self.root / "etc/systemd/system")
        (self.root / "etc/systemd/system/as-podman.service").write_text(podman_unit())

    def boot(self):
        """What the checks found; None: it did not boot as far as that, and what it said then."""
        environment = dict(os.environ, SYSTEMD_NSPAWN_API_VFS_WRITABLE="1", SYSTEMD_NSPAWN_UNIFIED_HIERARCHY="1")
        group = Group(self.name)
        try:
            result = subprocess.run(
                ["systemd-nspawn", "-D", str(self.root), "-M", self.name, "--private-network", "--capability=all",
                 "--system-call-filter=bpf perf_event_open", "--register=no", "--keep-unit", "--link-journal=no",
                 "--console=pipe", "-b", "systemd.unit=check.target", "systemd.log_target=console"],
                env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False,
                timeout=290, preexec_fn=group.enter,
            )  # fmt: skip
        finally:
            group.close()
        found = self.root / "result.json"
        return (json.loads(found.read_text()) if found.exists() else None), result.stdout + result.stderr

    def close(self):
        run("umount", "-l", str(self.root), check=False)
        run("umount", "-l", str(self.directory), check=False)
        shutil.rmtree(self.directory, ignore_errors=True)


def boots():
    """Does a systemd start here at all, with nothing of ours?"""
    machine = Machine()
    try:
        (machine.root / "check.py").write_text('open("/result.json", "w").write("{}")\n')
        for name in ("check.target", "check.service"):
            (machine.root / "etc/systemd/system" / name).write_text(FILES[f"etc/systemd/system/{name}"])
        return machine.boot()
    finally:
        machine.close()


def test_runs(_):
    """The daemon, the steward and Podman's command do all their work with what the unit leaves them"""
    machine = Machine()
    try:
        machine.install()
        found, said = machine.boot()
    finally:
        machine.close()
    if found is None:
        empty, _ = boots()
        if empty is None:
            raise tap.Skip("no systemd can be booted here")
    tap.expect(found, f"it gets as far as the checks: {said[-4000:]}")
    log = found.pop("log")
    wrong = {name: what for name, what in found.items() if what}
    tap.equal(wrong, {}, f"what is wrong; the log: {log}")
    tap.expect(len(found) == 10, f"all checks: {list(found)}")


def analyze(*words):
    return subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, check=False)


def test_exposure(_):
    """The unit has no mistake, and what systemd-analyze says of its exposure does not grow"""
    with tempfile.TemporaryDirectory() as folder:
        unit = pathlib.Path(folder, UNIT.name)
        text = UNIT.read_text().replace("/usr/local/sbin/bulkheadd", str(BUILD / "bulkheadd"))
        unit.write_text("".join(line for line in text.splitlines(True) if not line.startswith("Documentation=")))
        result = analyze("verify", "--man=no", str(unit))
        tap.equal((result.returncode, result.stderr), (0, ""), "systemd-analyze verify")
    for threshold, wanted in ((EXPOSURE_MAX, True), (EXPOSURE_MAX - 10, False)):
        result = analyze("security", "--offline=yes", "--no-pager", f"--threshold={threshold}", str(UNIT))
        tap.equal(result.returncode == 0, wanted, f"exposure at most {threshold / 10}: {result.stdout[-300:]}")


for test in (test_runs, test_exposure):
    test.needs_host = False


if __name__ == "__main__":
    tap.main([test_runs, test_exposure])
