#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
# suite-timeout: 240
"""Whose a port is, with real engines: while a start is held, when several share a port, and when things change."""

import os
import pathlib
import subprocess
import sys

sys.path.insert(0, __file__.rsplit("/", 1)[0])
from lib import tap
from lib.engines import on
from lib.host import wait_until

POLICY = """
version: 1
settings: { ignore: [ uplink ] }
zones:
  shop: { groups: { front: { members: { label: "tier=front" } }, db: { members: { label: "tier=db" } } } }
  other: { members: { name: "other*" } }
rules:
  - { from: shop/front, to: shop/db, allow: [ tcp/5432, ping ] }
"""


def way(host):
    return next(entry.get("by") for entry in host.ask("status")["runtimes"] if entry["runtime"] == "podman")


def held_start(host):
    """a hook that holds the start until the port is open does not wait for ever: labels are known meanwhile"""
    folder = pathlib.Path(host.engine.directory)
    (folder / "hooks").mkdir()
    hook = folder / "hook"
    hook.write_text(f"#!/bin/sh\ncat >/dev/null\necho begun >{folder}/begun\nread -r word <{folder}/go\n")
    hook.chmod(0o755)
    os.mkfifo(folder / "go")
    os.mkfifo(folder / "begun")
    (folder / "hooks" / "hold.json").write_text(
        f'{{"version":"1.0.0","hook":{{"path":"{hook}"}},"when":{{"always":true}},"stages":["createRuntime"]}}'
    )
    host.policy(POLICY)
    host.start()
    start = subprocess.Popen(
        [
            host.engine.command, "--hooks-dir", folder / "hooks", "run", "-d", "--name", "held", "--label", "tier=front",
            host.engine.image, "sleep", "1000",
        ],
        env=host.engine.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )
    tap.equal((folder / "begun").read_text(), "begun\n", "the hook runs")
    host.wait_guests("held")
    port = host.ports_of("held")[0]
    tap.equal(port["identity"], "shop/front", "by its label")
    tap.equal(way(host), "database", "how it is known")
    tap.equal(start.poll(), None, "the start is still held")
    (folder / "go").write_text("go\n")
    output, errors = start.communicate(timeout=60)
    tap.equal(start.returncode, 0, f"the container started: {output} {errors}")


def other_database(host):
    """a database that is elsewhere, or of a form that is not known: `podman container inspect` tells"""
    folder = pathlib.Path(host.engine.directory)
    with open(host.engine.environment["CONTAINERS_CONF"], "a", encoding="utf-8") as settings:
        settings.write(f'static_dir = "{folder}/elsewhere"\n')
    # Where Podman's own settings say where things are, and not we: at the usual place. The daemon has them, too.
    os.environ["CONTAINERS_CONF"] = host.engine.environment["CONTAINERS_CONF"]
    os.environ["CONTAINERS_STORAGE_CONF"] = host.engine.environment["CONTAINERS_STORAGE_CONF"]
    os.symlink(folder / "podman", "/var/lib/containers/storage")
    host.policy(POLICY)
    host.start("--podman-root", "/var/lib/containers/storage")
    host.run("front", "--label tier=front", agent=False)
    host.wait_guests("front")
    tap.equal(host.ports_of("front")[0]["identity"], "shop/front", "by its label")
    tap.equal(way(host), "inspect", "how it is known")
    tap.expect((folder / "elsewhere" / "bolt_state.db").exists(), "the database is elsewhere")
    # There, but not to be understood.
    (folder / "podman" / "libpod" / "bolt_state.db").write_bytes(b"\0" * 65536)
    host.run("db", "--label tier=db", agent=False)
    host.wait_guests("db")
    tap.equal(way(host), "inspect", "how it is known")


def identity(host, name):
    return [port.get("identity") for port in host.ports_of(name)]


def wait_identity(host, name, *wanted):
    wait_until(lambda: sorted(identity(host, name)) == sorted(wanted), 20, f"{name} is {wanted}: {host.ports_of(name)}")


def shared(host):
    """a container that joins another's namespace changes whose the port is at once, and so when it leaves"""
    web, db = host.run("web"), host.run("db", "--label tier=db")
    db.listen("tcp", 5432)
    host.policy(POLICY)
    host.start()
    host.wait_guests("web", "db")
    tap.equal(identity(host, "web"), ["unassigned"], "alone")
    tap.expect(not web.reach("tcp", db.address(), 5432), "alone: denied")
    host.run("side", "--network container:web", "--label tier=front", agent=False)
    wait_identity(host, "web", "shop/front")
    tap.equal(host.ports_of("web")[0]["others"], ["side"], "who else")
    tap.expect(web.reach("tcp", db.address(), 5432, 3), "by the label of the one that joined")
    kept = web.connect(db.address(), 5432)
    tap.expect(web.exchange(kept, b"x" * 400, 3), "a connection")
    tap.equal([entry["others"] for entry in host.ask("status")["shared"]], [["side"]], "said by status")
    tap.expect("web +1" in host.cli("ports").stdout, "said by ports")
    tap.expect("shared by side" in host.cli("status").stdout, "said by status in words")
    tap.expect("allow" in host.cli("explain", "side", "db", "tcp/5432").stdout, "explained by the other's name")
    # One that puts it into a second zone.
    host.run("other-1", "--network container:web", agent=False)
    wait_until(lambda: host.ports_of("web")[0]["state"] == "conflicted", 20, "in two zones")
    tap.expect(not web.exchange(kept, b"x", 0.5), "in two zones: cut")
    tap.expect(not web.reach("tcp", db.address(), 5432), "in two zones: denied")
    host.wait_flow(from_="web", to="db", service="tcp/5432", verdict="deny")
    flow = host.flows(**{"from": "side", "denied": True})[-1]
    tap.equal(sorted(flow["from"]["others"]), ["other-1", "side"], "found by the name of one that shares")
    host.engine.remove("other-1")
    wait_identity(host, "web", "shop/front")
    tap.expect(web.reach("tcp", db.address(), 5432, 3), "in one zone again")
    kept = web.connect(db.address(), 5432)
    host.engine.remove("side")
    wait_identity(host, "web", "unassigned")
    tap.expect(not web.exchange(kept, b"x", 0.5), "alone again: cut")
    tap.equal(host.ports_of("web")[0].get("others"), None, "alone again")


def pod(host):
    """a pod is one port: each of its containers is an owner"""
    engine = host.engine
    engine("pod", "create", "--name", "pod", "--infra-image", engine.image, "--infra-command", "sleep 100000",
           "--infra-name", "infra", "--label", "tier=none")
    db = host.run("db", "--label tier=db")
    db.listen("tcp", 5432)
    front = host.run("front", "--pod pod", "--label tier=front")
    host.run("helper", "--pod pod", agent=False)
    host.policy(POLICY)
    host.start()
    host.wait_guests("infra", "db")
    wait_identity(host, "infra", "shop/front")
    tap.equal(sorted(host.ports_of("infra")[0]["others"]), ["front", "helper"], "who else")
    tap.expect(front.reach("tcp", db.address(), 5432, 3), "by the label of one of them")
    front.agent.stop()
    engine("stop", "-t", "0", "front")
    wait_identity(host, "infra", "unassigned")
    tap.equal(host.ports_of("infra")[0]["others"], ["helper"], "who is left")
    engine("start", "front")
    wait_identity(host, "infra", "shop/front")


TESTS = [on("podman")(scenario) for scenario in (held_start, other_database, pod)]
TESTS += [on(name)(scenario) for name in ("docker", "podman") for scenario in (shared,)]

if __name__ == "__main__":
    tap.main(TESTS)
