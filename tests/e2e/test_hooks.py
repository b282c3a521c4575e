#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
# suite-timeout: 600
"""Hooks that hold a container's start until its port is policed: CNI with the real bridge plugin, OCI with the real runc,
crun and Podman, LXC with the real lxc-start; and what they do when no daemon runs."""

import json
import os
import pathlib
import select
import shutil
import socket
import sys
import tempfile
import threading

sys.path.insert(0, __file__.rsplit("/", 1)[0])
from lib import by_hand, tap
from lib.cni import PLUGINS, Failure, Network, Sandbox
from lib.engines import ContainerdHost, EngineHost
from lib.host import BUILD, run, wait_until
from lib.oci import MachineHost, Runtime, lxc_start, works

# The first datagram of a container is sent once: nobody sends it again, so it counts however long the answer takes.
FIRST = 20
PATIENCE = 30
POLICY = """
version: 1
settings: { start_without_daemon: %s }
zones:
  shop:
    groups:
      front: { members: [ { label: tier=front }, { name: web-* } ] }
      db: { members: [ { label: tier=db }, { name: db-* } ] }
  other: { members: { name: other* } }
rules:
  - { from: shop/front, to: shop/db, allow: [ udp/5432, tcp/5432, ping ] }
"""
FAIL, CLOSED = POLICY % "fail", POLICY % "closed"


def wait_hooks(host, word):
    """Until the daemon has told the hooks what is in force."""
    path = pathlib.Path(host.directory, "state/hooks.json")
    wait_until(lambda: path.exists() and word in path.read_text(), PATIENCE, f"hooks.json says {word}")


def started(host, policy=FAIL):
    host.policy(policy)
    host.start(timeout=60)
    wait_hooks(host, "closed" if policy is CLOSED else "fail")


def port_of(host, interface):
    return next((port for port in host.ask("ports") if port["interface"] == interface), None)


def recorder(host):
    """A hook for behind ours: it notes what the ports are when the container's process is about to start. A first packet
    alone does not tell, since a kernel that gets no answer to its first question for a MAC address asks again."""
    path = pathlib.Path(host.directory, "record")
    command = f"{BUILD}/bulkhead --socket {host.socket_path} --json ports"
    path.write_text(f"#!/bin/sh\n{command} >>{host.directory}/at-start 2>/dev/null || true\n")
    path.chmod(0o755)
    return str(path)


def open_at_start(host, name):
    """Its port was open before its process began. That the hook waited for it, test_hook and test_adopt show: here the
    daemon may have been quicker than the start."""
    last = pathlib.Path(host.directory, "at-start").read_text().splitlines()[-1]
    states = {port.get("container"): port["state"] for port in json.loads(last)}
    tap.equal(states.get(name), "open", f"the port of {name} when it starts")


# ---- CNI


def cni(test, *, version="1.0.0", **options):
    """A test with a network; its sandboxes end with it."""

    def wrap(host):
        network = Network(host, version, **options)
        made = []

        def sandbox(name):
            made.append(Sandbox(host, name))
            return made[-1]

        try:
            test(host, network, sandbox)
        finally:
            for one in made:
                one.close()

    wrap.__name__, wrap.__doc__ = test.__name__, test.__doc__
    return wrap


def acquaint(*sandboxes):
    """Nobody has to ask for a MAC address: the first datagram is the first packet, and a lost one is lost."""
    for one in sandboxes:
        for other in sandboxes:
            if one is not other:
                for v6 in (False, True):
                    one.run("ip", "neigh", "replace", other.address(v6), "lladdr", other.mac(), "dev", "eth0", "nud", "permanent")


def test_cni_first_packet(host, network, sandbox):
    """CNI: the first packet of the container's first process arrives where the policy allows it, and not where not"""
    started(host)
    db = sandbox("db")
    tap.equal(network.add(db, tier="db"), "", "nothing to say")
    db.listen("udp", 5432)
    db.listen("udp", 5433)
    for number in range(5):
        web, stranger = sandbox(f"c{number}"), sandbox(f"s{number}")
        network.add(web, tier="front")
        network.add(stranger)
        tap.equal(port_of(host, web.port())["state"], "open", "ADD comes back when the port is open")
        acquaint(web, db)
        acquaint(stranger, db)
        for v6 in (False, True):
            tap.expect(web.reach("udp", db.address(v6), 5432, FIRST), f"the first datagram, v6={v6}")
            tap.expect(not web.reach("udp", db.address(v6), 5433), f"another port, v6={v6}")
            tap.expect(not stranger.reach("udp", db.address(v6), 5432), f"one in no zone, v6={v6}")
    ports = {port["container"]: port for port in host.ask("ports")}
    tap.equal(ports["c0"]["identity"], "shop/front", "identity by the configuration's label")
    tap.equal(ports["s0"]["identity"], "unassigned", "in no zone")


def test_cni_result(host, network, sandbox):
    """CNI: what the plugins before have made goes on unchanged; pod, namespace and network are told"""
    started(host)
    config = network.plugins[1]
    web = sandbox("9a1b")
    before, _ = network.plugin("ADD", network.plugins[0], web)
    web.result, said = network.plugin(
        "ADD", config, web, before, "IgnoreUnknown=1;K8S_POD_NAMESPACE=customers;K8S_POD_NAME=web-7;K8S_POD_INFRA_CONTAINER_ID=9a1b"
    )
    tap.equal(web.result, before, "the result")
    tap.equal(said, "", "nothing to say")
    port = port_of(host, web.port())
    tap.equal(port["container"], "web-7", "name")
    tap.equal(port["identity"], "shop/front", "identity by name")
    tap.equal(port["runtime"], "cni", "runtime")
    tap.expect({web.address(), web.address(True)} <= set(port["addresses"]), f"addresses: {port}")
    tap.equal(network.plugin("VERSION", config)[0]["supportedVersions"][-2:], ["1.0.0", "1.1.0"], "versions")


def test_cni_check_and_del(host, network, sandbox):
    """CNI: CHECK tells an open port from one that is closed again; DEL lets the port be forgotten, also without a daemon"""
    os.makedirs(f"{host.directory}/no-cni")
    started(host)
    web = sandbox("web-1")
    network.add(web)
    network.check(web)
    # What libcni keeps of it, afterwards, changes nothing.
    kept = by_hand.keep(f"{host.directory}/no-cni", {"name": "pods"}, web.id, web.result)
    runtime = lambda: next(entry for entry in host.ask("status")["runtimes"] if entry["runtime"] == "cni")
    wait_until(lambda: runtime().get("results") == 1, PATIENCE, "the result is read")
    network.check(web)
    kept.unlink()
    wait_until(lambda: runtime().get("results") == 0, PATIENCE, "the result is gone")
    host.ask("release", interface=web.port())
    wait_until(lambda: port_of(host, web.port())["state"] != "open", PATIENCE, "the port is closed")
    try:
        network.check(web)
    except Failure as failure:
        tap.equal(failure.error["code"], 102, "code")
        tap.equal(failure.error["cniVersion"], "1.0.0", "version")
    else:
        raise AssertionError("CHECK of a closed port")
    network.delete(web)
    wait_until(lambda: not port_of(host, web.port()), PATIENCE, "the port is gone")
    network.add(web)
    network.plugin("DEL", network.plugins[1], web, web.result)
    wait_until(lambda: port_of(host, web.port())["state"] != "open", PATIENCE, "released while its veth stands")
    host.kill()
    network.delete(web)
    network.delete(web)


def test_cni_old_versions(host, network, sandbox):
    """CNI: configurations of 0.3.1 and 0.4.0 as well"""
    started(host)
    for version in ("0.3.1", "0.4.0"):
        network.version = version
        one = sandbox(f"web-{version}")
        network.add(one)
        tap.equal(one.result["cniVersion"], version, "the result's version")
        tap.equal(port_of(host, one.port())["state"], "open", version)


def test_cni_no_port(host, network, sandbox):
    """CNI: an interface that can't be policed is refused, not passed over"""
    started(host)
    one, far = sandbox("odd"), sandbox("far")
    one.run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", far.pin)
    result = {"cniVersion": "1.0.0", "interfaces": [{"name": "eth0", "sandbox": one.netns}], "ips": []}
    for ifname, word in (("eth0", "no veth"), ("eth1", "can't be found")):
        try:
            network.plugin("ADD", network.plugins[1], one, result, ifname=ifname)
        except Failure as failure:
            tap.equal(failure.error["code"], 100, "code")
            tap.expect(word in failure.error["msg"], failure.error)
        else:
            raise AssertionError(f"{ifname} was taken")


def test_cni_without_daemon_fail(host, network, sandbox):
    """CNI, no daemon, 'fail': ADD fails with a message that says what to do, and leaves nothing behind"""
    started(host)
    host.kill()
    one = sandbox("web-1")
    try:
        network.add(one)
    except Failure as failure:
        tap.equal(failure.error["code"], 11, "code: try again")
        for word in ("systemctl start bulkheadd", "start_without_daemon"):
            tap.expect(word in failure.error["msg"], failure.error)
    else:
        raise AssertionError("ADD without a daemon")
    tap.equal(len(json.loads(one.run("ip", "-j", "link"))), 1, "only lo is left")
    host.start()
    network.add(one)
    tap.equal(port_of(host, one.port())["state"], "open", "with a daemon again")


def test_cni_without_daemon_closed(host, network, sandbox):
    """CNI, no daemon, 'closed': ADD goes on with one line, and not a packet passes until a daemon knows the port"""
    started(host, CLOSED)
    db = sandbox("db-1")
    network.add(db)
    db.listen("udp", 5432)
    host.kill()
    web = sandbox("web-1")
    said = network.add(web)
    tap.equal(said.count("\n"), 1, f"one line: {said}")
    tap.expect("closed" in said, said)
    acquaint(web, db)
    tap.expect(not web.reach("udp", db.address(), 5432), "closed without a daemon")
    host.start()
    network.plugin("ADD", network.plugins[1], web, web.result)
    tap.expect(web.reach("udp", db.address(), 5432, FIRST), "open when it is adopted")


def test_cni_busy(host, network, sandbox):
    """CNI: a daemon that has as many clients as it serves is asked again, until there is no more time"""
    started(host)
    one = sandbox("web-1")
    before, _ = network.plugin("ADD", network.plugins[0], one)
    # More than it serves: as soon as one is refused, it has as many as it may.
    crowd = [socket.socket(socket.AF_UNIX) for _ in range(400)]
    for client in crowd:
        client.connect(host.socket_path)
    tap.expect(select.select(crowd, [], [], PATIENCE)[0], "one of many is refused")
    try:
        network.plugin("ADD", {**network.plugins[1], "wait_ms": 100}, one, before)
    except Failure as failure:
        tap.equal(failure.error["code"], 11, f"code: try again; {failure}")
        tap.expect("too many" in failure.error["msg"], failure.error)
    else:
        raise AssertionError("served beside a crowd")
    failures = []

    def add():
        try:
            network.plugin("ADD", {**network.plugins[1], "wait_ms": 60000}, one, before)
        except Failure as failure:
            failures.append(failure)

    thread = threading.Thread(target=add)
    thread.start()
    for client in crowd:
        client.close()
    thread.join()
    tap.equal(failures, [], "failures")
    one.result = before
    tap.equal(port_of(host, one.port())["state"], "open", "served when there is room")


def slow_listener(host, text):
    """Somebody at the daemon's socket who reads and then says this, and no more."""
    server = socket.socket(socket.AF_UNIX)
    path = f"{host.directory}/listener.sock"
    server.bind(path)
    server.listen(8)

    def serve():
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            client.recv(65536)
            client.sendall(text)
            kept.append(client)

    kept = []
    threading.Thread(target=serve, daemon=True).start()
    return path


def test_cni_hangs_and_garbage(host, network, sandbox):
    """CNI: a daemon that hangs, or is none, fails an ADD within its bound"""
    host.policy(FAIL)
    for number, text in enumerate((b"", b'{"ok":', b'{"ok":true}\n', b"\0\xff\n")):
        one = sandbox(f"c{number}")
        before, _ = network.plugin("ADD", network.plugins[0], one)
        path = slow_listener(host, text)
        config = {**network.plugins[1], "socket": path, "wait_ms": 100}
        try:
            network.plugin("ADD", config, one, before)
        except Failure as failure:
            tap.equal(failure.error["code"], 11, f"code of {text!r}")
        else:
            raise AssertionError(f"{text!r} was believed")
        os.unlink(path)


# ---- OCI runtimes by themselves


SUBNET, DB = "10.77.0", "10.77.0.3"
NET_HOOK = """#!/bin/sh
# Gives a container its network, as whoever uses runc by itself does. Arguments: the host's end, the last of the address.
pid=$(tr -d ' \\n' | sed 's/.*"pid":\\([0-9]*\\).*/\\1/')
PATH=/usr/sbin:/usr/bin:/sbin:/bin
set -e
ip link add "$1" type veth peer name eth0 netns "$pid"
ip link set "$1" master br0
nsenter -t "$pid" -n ip addr add "10.77.0.$2/24" dev eth0
nsenter -t "$pid" -n ip link set eth0 up
ip link set "$1" up
"""
ASK = f"busybox ping -c 1 -W {FIRST} {DB} >/dev/null && echo reached || echo refused"
ASK_SOON = ASK.replace(f"-W {FIRST}", "-W 1")


def with_machine(test, own_sys=False):
    """A test with a host of its own kind."""

    def wrap(_host):
        host = MachineHost(own_sys)
        try:
            test(host)
        except BaseException:
            for line in host.log().splitlines()[-30:]:
                print(f"# daemon: {line}")
            raise
        finally:
            host.close()

    wrap.__name__, wrap.__doc__, wrap.needs_host = test.__name__, test.__doc__, False
    return wrap


def town(host, policy=FAIL):
    """A bridge and a database that answers; the script that gives containers their network."""
    host.bridge("br0", "10.77.0.1/24")
    host.container("db", "br0", [f"{DB}/24"], labels={"tier": "db"})
    script = pathlib.Path(host.directory, "net.sh")
    script.write_text(NET_HOOK)
    script.chmod(0o755)
    started(host, policy)
    host.wait_open("db", timeout=PATIENCE)
    return str(script)


def oci_hook(host, *options):
    return [str(BUILD / "bulkhead-oci-hook"), "--state", f"{host.directory}/state", *options]


def oci_holds(program):
    def test(host):
        why = works(host, program)
        if why:
            raise tap.Skip(why)
        net, runtime = town(host), Runtime(host, program)
        hook, record = oci_hook(host, "--runtime", program), [recorder(host)]
        for number in range(3):
            web = runtime.run(f"c{number}", ASK, [[net, f"vc{number}", "10"], hook, record], annotations={"tier": "front"})
            tap.equal(web.stdout.strip(), "reached", f"{number}: by its annotation; {web.stderr}")
            open_at_start(host, f"c{number}")
        other = runtime.run("other-1", ASK_SOON, [[net, "vo1", "11"], hook])
        tap.equal(other.stdout.strip(), "refused", f"in another zone; {other.stderr}")
        flow = host.wait_flow(from_="other-1", to="db", verdict="deny", timeout=PATIENCE)
        tap.equal(flow["from"]["identity"], "other", "whom the event names")
        # A namespace that was there before, with nobody in it: the container's own all the same.
        pinned = host.container("cni-1b4e28ba-2fa1-11d2-883f-0016d3cca427")
        pinned.agent.stop()
        pinned.agent = None
        run("ip", "link", "add", "vpin", "type", "veth", "peer", "name", "eth0", "netns", pinned.name)
        run("ip", "link", "set", "vpin", "master", "br0")
        run("ip", "-n", pinned.name, "addr", "add", "10.77.0.12/24", "dev", "eth0")
        run("ip", "-n", pinned.name, "link", "set", "eth0", "up")
        run("ip", "link", "set", "vpin", "up")
        web = runtime.run("web-1", ASK, [hook, record], netns=f"/run/netns/{pinned.name}")
        tap.equal(web.stdout.strip(), "reached", f"by its name; {web.stderr}")
        open_at_start(host, "web-1")

    test.__name__ = f"test_oci_{program}"
    test.__doc__ = f"OCI: {program} holds the start; the first packet arrives where the policy allows it, and not where not"
    return with_machine(test)


def test_oci_without_daemon(host):
    """OCI, no daemon: 'fail' fails with what to do, 'closed' goes on; whoever has no port of its own is not held up"""
    why = works(host, "runc")
    if why:
        raise tap.Skip(why)
    net, runtime = town(host), Runtime(host, "runc")
    hook = oci_hook(host)
    host.kill()
    web = runtime.run("web-1", "echo started", [[net, "v1", "10"], hook])
    tap.expect(web.returncode != 0 and "started" not in web.stdout, f"it did not start: {web}")
    tap.expect("systemctl start bulkheadd" in web.stderr, f"it says what to do: {web.stderr}")
    for what, options in (("the host's network", {"network": False}), ("no interface", {})):
        done = runtime.run("none", "echo started", [hook], **options)
        tap.equal(done.stdout.strip(), "started", f"{what}: {done.stderr}")
    # The database's namespace has a process: who joins it has no port of its own.
    joined = runtime.run("joined", "echo started", [hook], netns="/run/netns/db")
    tap.equal(joined.stdout.strip(), "started", f"a shared namespace: {joined.stderr}")
    host.start(timeout=60)
    host.reload(CLOSED)
    wait_hooks(host, "closed")
    host.kill()
    web = runtime.run("web-2", f"{ASK_SOON}", [[net, "v2", "11"], hook])
    tap.equal(web.stdout.strip(), "refused", f"it starts, and is closed: {web.stderr}")


# ---- LXC


def test_lxc(host):
    """LXC: lxc.hook.start-host and script.up hold the start; without a daemon it fails with what to do"""
    if not shutil.which("lxc-start"):
        raise tap.Skip("lxc-start is not installed")
    os.makedirs("/run/lxc", exist_ok=True)
    run("mount", "-t", "tmpfs", "lxc", "/run/lxc")
    host.options = ("--lxc-path", f"{host.directory}/lxc")
    town(host)
    program = f"{BUILD}/bulkhead-lxc-hook --state {host.directory}/state"
    net = ["type = veth", "link = br0", "flags = up", "ipv4.address = 10.77.0.20/24", "ipv4.gateway = 10.77.0.1"]
    net = [f"lxc.net.0.{line}" for line in net]
    code, _, said = lxc_start(host, "probe", "echo works", net)
    if code != 0:
        raise tap.Skip(f"LXC does not run here: {said.strip()[-300:]}")
    for version in (0, 1):
        hooks = [f"lxc.hook.version = {version}"]
        start, record = f"lxc.hook.start-host = {program}", f"lxc.hook.start-host = {recorder(host)}"
        up = f"lxc.net.0.script.up = {program} --address 10.77.0.20/24"
        _, result, said = lxc_start(host, f"a{version}", ASK, [*net, *hooks, f"{start} --label tier=front", record])
        tap.equal(result.strip(), "reached", f"start-host, version {version}: {said[-2000:]}")
        open_at_start(host, f"a{version}")
        _, result, said = lxc_start(host, f"b{version}", ASK, [*net, *hooks, f"{up} --label tier=front", record])
        tap.equal(result.strip(), "reached", f"script.up, version {version}: {said[-2000:]}")
        open_at_start(host, f"b{version}")
        _, result, said = lxc_start(host, f"other-{version}", ASK_SOON, [*net, *hooks, f"{start} --label x=y"])
        tap.equal(result.strip(), "refused", f"another zone, version {version}: {said[-2000:]}")
        code, result, said = lxc_start(host, f"c{version}", "echo started", [*net, *hooks, f"lxc.net.0.script.up = {program}"])
        tap.expect(code != 0 and "started" not in result, f"script.up without an address, version {version}")
    # Without a word of the hook's: the daemon finds out by itself.
    _, result, said = lxc_start(host, "web-3", ASK, [*net, start, record])
    tap.equal(result.strip(), "reached", f"by its name: {said[-2000:]}")
    open_at_start(host, "web-3")
    host.kill()
    code, result, said = lxc_start(host, "web-1", "echo started", [*net, f"{start} --label tier=front"])
    tap.expect(code != 0 and "started" not in result, "it did not start")
    tap.expect("systemctl start bulkheadd" in said, f"it says what to do: {said[-2000:]}")
    code, result, said = lxc_start(host, "web-2", "echo started", ["lxc.net.0.type = none", start])
    tap.equal(result.strip(), "started", f"the host's network: {said[-2000:]}")


# ---- Podman


def podman_hooks(host):
    """A folder with the file that we install, with the test's paths."""
    folder = pathlib.Path(host.directory, "hooks.d")
    folder.mkdir(exist_ok=True)
    text = (pathlib.Path(__file__).parents[2] / "hooks/bulkhead-oci-hook.json").read_text()
    config = json.loads(text)
    config["hook"]["path"] = str(BUILD / "bulkhead-oci-hook")
    config["hook"]["args"] += ["--state", f"{host.directory}/state"]
    (folder / "bulkhead-oci-hook.json").write_text(json.dumps(config))
    config["hook"] = {"path": recorder(host)}
    (folder / "later.json").write_text(json.dumps(config))
    return str(folder)


def engine_test(name, scenario, options=lambda folder: ()):
    """A test with an engine, and a folder for what it is told to run."""

    def wrap(_host):
        with tempfile.TemporaryDirectory(prefix="bulkhead-hooks-") as folder:
            host = EngineHost(name, options(folder))
            try:
                scenario(host, folder)
            except BaseException:
                for line in host.log().splitlines()[-30:]:
                    print(f"# daemon: {line}")
                raise
            finally:
                host.close()

    wrap.__name__, wrap.__doc__, wrap.needs_host = scenario.__name__, scenario.__doc__, False
    return wrap


def engine_holds(host, start):
    """start(name, script, *options) runs a container to its end and returns its output; a start that fails raises."""
    started(host)
    db = host.run("db-1")
    host.wait_guests("db-1", timeout=PATIENCE)
    ask = ASK.replace(DB, db.address())
    for number in range(3):
        tap.equal(start(f"c{number}", ask, "--label tier=front").strip(), "reached", f"{number}: by its label")
        open_at_start(host, f"c{number}")
    tap.equal(start("other-1", ask.replace(f"-W {FIRST}", "-W 1")).strip(), "refused", "another zone")
    host.kill()
    try:
        start("c9", "echo started", "--label tier=front")
    except RuntimeError as error:
        tap.expect("systemctl start bulkheadd" in str(error), f"it says what to do: {error}")
    else:
        raise AssertionError("it started without a daemon")
    for network in ("host", "none", "container:db-1"):
        tap.equal(start("plain", "echo started", f"--network {network}").strip(), "started", network)


def test_podman(host, _folder):
    """Podman: the hooks.d file holds the start; without a daemon it fails, and who has no port of its own is not held up"""
    engine, hooks = host.engine, podman_hooks(host)

    def start(name, script, *options):
        words = [word for option in options for word in option.split(" ", 1)]
        return engine("--hooks-dir", hooks, "run", "--rm", "--name", name, *words, engine.image, "sh", "-c", script)

    engine_holds(host, start)


def test_containerd(_host):
    """containerd: ctr --cni and a pod are held until the port is open as what it is, by containerd's own labels and name"""
    host = ContainerdHost()
    try:
        containerd(host)
    except BaseException:
        for line in host.log().splitlines()[-30:]:
            print(f"# daemon: {line}")
        raise
    finally:
        host.close()


test_containerd.needs_host = False


def containerd_chain(host):
    """Ours is put behind the plugins of the engine's network."""
    folder = pathlib.Path("/opt/cni/bin")
    folder.unlink()
    folder.mkdir()
    for plugin in (*pathlib.Path(PLUGINS).iterdir(), pathlib.Path(BUILD, "bulkhead-cni")):
        (folder / plugin.name).symlink_to(plugin)
    (path,) = pathlib.Path("/etc/cni/net.d").iterdir()
    network = json.loads(path.read_text())
    network["plugins"].append({"type": "bulkhead-cni", "state": f"{host.directory}/state"})
    path.write_text(json.dumps(network))


def containerd(host):
    started(host)
    containerd_chain(host)
    for name, labels, identity in (("c1", ["tier=front"], "shop/front"), ("web-1", [], "shop/front"), ("other-1", [], "other")):
        host.run(name, *labels)
        (port,) = host.ports_of(name)
        tap.equal((port["state"], port["identity"]), ("open", identity), f"{name} when it is there")
    host.pod("web-2", "customers")
    (port,) = host.ports_of("web-2")
    tap.equal((port["state"], port["identity"], port["network"]), ("open", "shop/front", "shopnet"), "a pod when it is there")
    wrong = [line for line in host.log().splitlines() if "open as unassigned" in line]
    tap.equal(wrong, [], "opened before it was known what it is")
    host.kill()
    try:
        host.run("c9", "tier=front")
    except RuntimeError as error:
        tap.expect("systemctl start bulkheadd" in str(error), f"it says what to do: {error}")
    else:
        raise AssertionError("it started without a daemon")


def test_podman_cni(host, _folder):
    """Podman with CNI: behind its own network's plugins, ours holds the start, and knows the container by Podman's record"""
    engine = host.engine
    run("mount", "-t", "tmpfs", "plugins", "/opt")
    os.makedirs("/opt/cni/bin")
    os.symlink(BUILD / "bulkhead-cni", "/opt/cni/bin/bulkhead-cni")
    engine("network", "create", "shopnet")
    path = next(pathlib.Path("/etc/cni/net.d").glob("*shopnet*"))
    network = json.loads(path.read_text())
    network["plugins"].append({"type": "bulkhead-cni", "state": f"{host.directory}/state"})
    path.write_text(json.dumps(network))
    started(host)

    def start(name, *options):
        engine("run", "-d", "--name", name, "--network", "shopnet", *options, engine.image, "sleep", "1000")
        (port,) = host.ports_of(name)
        tap.equal(port["state"], "open", f"{name} when it is there")

    start("c1", "--label", "tier=front")
    wait_until(lambda: host.ports_of("c1")[0]["identity"] == "shop/front", PATIENCE, "its label is known")
    start("other-1")
    tap.equal(host.ports_of("other-1")[0]["identity"], "other", "by its name")
    host.kill()
    try:
        start("c9")
    except RuntimeError as error:
        tap.expect("systemctl start bulkheadd" in str(error), f"it says what to do: {error}")
    else:
        raise AssertionError("it started without a daemon")


def docker_options(folder):
    return ("--add-runtime", f"bulkhead={folder}/runtime")


def test_docker(host, folder):
    """Docker: the runtime in front of runc holds the start; without a daemon it fails, and who has no port is not held up"""
    scripts = {
        "hook": f'{BUILD}/bulkhead-oci-hook "$@" --state {host.directory}/state && {recorder(host)}',
        "runtime": f'exec {BUILD}/bulkhead-oci-runtime --bulkhead-hook {folder}/hook "$@"',
    }
    for name, line in scripts.items():
        path = pathlib.Path(folder, name)
        path.write_text(f"#!/bin/sh\n{line}\n")
        path.chmod(0o755)
    engine = host.engine

    def start(name, script, *options):
        words = [word for option in options for word in option.split(" ", 1)]
        return engine("run", "--runtime", "bulkhead", "--rm", "--name", name, *words, engine.image, "sh", "-c", script)

    engine_holds(host, start)


TESTS = [
    cni(test_cni_first_packet),
    cni(test_cni_result),
    cni(test_cni_check_and_del),
    cni(test_cni_old_versions),
    cni(test_cni_no_port),
    cni(test_cni_without_daemon_fail),
    cni(test_cni_without_daemon_closed),
    cni(test_cni_busy),
    cni(test_cni_hangs_and_garbage),
    oci_holds("runc"),
    oci_holds("crun"),
    with_machine(test_oci_without_daemon),
    with_machine(test_lxc, own_sys=True),
    test_containerd,
    engine_test("podman", test_podman),
    engine_test("podman", test_podman_cni, lambda _: ("cni",)),
    engine_test("docker", test_docker, docker_options),
]

if __name__ == "__main__":
    tap.main(TESTS, jobs=2)
