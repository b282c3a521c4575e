#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""What a reload ends: every open flow that the new policy no longer allows, counted once, and told beforehand by a dry run."""

import json
import os
import sys

sys.path.insert(0, __file__.rsplit("/", 1)[0])
from lib import tap
from lib.host import wait_until
from lib.shop import POLICY, scene

PATIENCE = 10
SETTINGS = 'version: 1\nsettings: { ignore: [ "up*" ] }'
OPEN = POLICY.replace("version: 1", SETTINGS) + """\
  - { name: kept, from: shop/front, to: shop/db, allow: [ tcp/5433, udp/5433 ] }
  - { name: out, from: shop/front, to: world, allow: [ tcp/80, udp/80 ] }
  - { name: in, from: world, to: shop/db, allow: tcp/5432 }
"""
# Ends what goes to 5432: between web and db, to the host, and from outside.
CUT = "".join(line for line in OPEN.splitlines(True) if "5432" not in line)


def start(host, policy=None):
    web, db, mallory = scene(host)
    host.policy(policy or OPEN)
    host.bridge("br1", "10.78.0.1/24", "fd78::1/64")
    far = host.container("far", "br1", ["10.78.0.2/24", "fd78::2/64"], labels={"tier": "db"})
    out = host.outside("out", "up0", "203.0.113.1/24", ["203.0.113.9/24", "2001:db8:9::9/64"], "2001:db8:9::1/64")
    for agent in (far, out):
        for port in (80, 5432, 5433):
            agent.listen("tcp", port)
            agent.listen("udp", port)
    host.start()
    host.wait_open("web", "db", "mallory", "far")
    return web, db, far, out


def opened(web, db, far, out):
    """Flows by what becomes of them: (agent, connection) each."""
    ends, stays = [], []
    for address in db.addresses + far.addresses:
        for protocol in ("tcp", "udp"):
            ends.append((web, web.connect(address, 5432, protocol=protocol)))
            stays.append((web, web.connect(address, 5433, protocol=protocol)))
    for address in ("10.77.0.1", "fd77::1"):
        ends.append((web, web.connect(address, 5432)))
    for address in out.addresses:
        for protocol in ("tcp", "udp"):
            stays.append((web, web.connect(address, 80, protocol=protocol)))
    for address in db.addresses:
        ends.append((out, out.connect(address, 5432)))
    for agent, connection in ends + stays:
        tap.expect(agent.exchange(connection, b"before", PATIENCE), "open before the change")
    return ends, stays


def holds(ends, stays, when):
    for agent, connection in stays:
        tap.expect(agent.exchange(connection, b"more", PATIENCE), f"{when}: still open")
    for agent, connection in ends:
        tap.expect(not agent.exchange(connection, b"more", 0.2), f"{when}: ended")


def test_count(host):
    """A reload tells exactly which open flows it ends, each once; a dry run tells the same and changes nothing"""
    web, db, far, out = start(host)
    ends, stays = opened(web, db, far, out)
    generation = host.ask("status")["policy"]["generation"]
    aside = host.policy_dir.parent / "next.yaml"
    aside.write_text(CUT)
    result = json.loads(host.cli("--json", "reload", "--dry-run", str(aside)).stdout)
    tap.equal(result["ended"]["count"], len(ends), f"told beforehand: {json.dumps(result['ended']['flows'])}")
    tap.equal(len(result["ended"]["flows"]), len(ends), "each with its own line")
    tap.expect(result["dry_run"] and "generation" not in result, f"a dry run: {list(result)}")
    for flow in result["ended"]["flows"]:
        tap.expect(flow["to"]["port"] == 5432 and flow["service"] in ("tcp/5432", "udp/5432"), f"what is cut: {flow}")
        tap.expect(flow["rule"]["file"].endswith("next.yaml") and flow["rule"]["line"], f"the line that refuses: {flow}")
    named = {(flow["from"].get("container", flow["from"]["address"]), flow["to"].get("container", flow["to"]["identity"]))
             for flow in result["ended"]["flows"]}  # fmt: skip
    wanted = {("web", "db"), ("web", "far"), ("web", "host")} | {(address, "db") for address in out.addresses}
    tap.equal(named, wanted, "from and to")
    text = host.cli("reload", "--dry-run", str(aside)).stdout.splitlines()
    tap.equal(len(text), len(ends) + 1, f"a line a flow: {text}")
    tap.expect(any("web (shop/front) → db (shop/db)  tcp/5432  next.yaml:" in line for line in text), f"says which: {text}")
    tap.expect(f"would end {len(ends)} open flows" in text[-1], f"the sum: {text[-1]}")
    tap.equal(host.ask("status")["policy"]["generation"], generation, "nothing has changed")
    for agent, connection in ends + stays:
        tap.expect(agent.exchange(connection, b"more", PATIENCE), "still open after a dry run")
    host.policy(CUT)
    text = host.cli("reload").stdout
    tap.expect(f"{len(ends)} open flows ended" in text, f"what the reload says: {text}")
    holds(ends, stays, "after the reload")
    tap.equal(host.ask("reload")["ended"], {"count": 0, "flows": []}, "what was ended is not ended again")


def test_traffic(host):
    """The count is exact also under traffic, when the flows' next packets come at once"""
    web, db, far, out = start(host)
    ways = [(address, port) for address in db.addresses for port in (5432, 5433)] + [(address, 80) for address in out.addresses]
    pumps = [web.pump_start(*way, 0.0002) for way in ways]
    wait_until(lambda: all(web.pump_progress(pump)[1] > 50 for pump in pumps), PATIENCE, "datagrams flow")
    # Of those to the outside only web's port knows.
    result = host.reload("".join(line for line in CUT.splitlines(True) if "udp/80" not in line))
    tap.equal(result["ended"]["count"], 4, f"ended under traffic: {result['ended']}")
    for pump in pumps:
        web.pump_stop(pump, 0)


def test_dry_run_of_the_same(host):
    """What is in force ends nothing; a policy with errors is refused by a dry run as by a reload"""
    web, db, far, out = start(host)
    opened(web, db, far, out)
    tap.equal(host.ask("reload", dry_run=True)["ended"], {"count": 0, "flows": []}, "the files in force")
    tap.expect("would end 0 open flows" in host.cli("reload", "--dry-run").stdout, "in words")
    aside = host.policy_dir.parent / "broken.yaml"
    aside.write_text(OPEN.replace("to: shop/db", "to: shop/dbb"))
    result = host.cli("reload", "--dry-run", str(aside), check=False)
    tap.equal(result.returncode, 1, "exit code")
    tap.expect("dbb" in result.stderr + result.stdout, f"says why: {result.stderr}")
    tap.expect("policy_error" not in host.ask("status"), "a dry run is no news to others")
    tap.expect(host.cli("reload", str(aside), check=False).returncode == 2, "a path is for a dry run only")
    answer = host.request({"command": "reload", "dry_run": True, "paths": ["policy.yaml"]})
    tap.expect("absolute" in answer["error"]["message"], f"no relative paths: {answer}")
    answer = host.request({"command": "reload", "dry_run": True, "paths": ["/nowhere"]})
    tap.expect("/nowhere" in answer["error"]["message"] or "/nowhere" in answer["error"].get("text", ""), f"{answer}")


def test_by_itself(host):
    """A change of the files that the daemon sees by itself is told in the log, with the number of flows"""
    web, db, far, out = start(host)
    ends, _ = opened(web, db, far, out)
    host.policy(CUT)
    wait_until(lambda: f"{len(ends)} open flows ended by the new policy" in host.log(), PATIENCE, "the log tells")
    tap.equal(host.ask("reload")["ended"]["count"], len(ends), "and so is told to who asks for it a moment later")
    tap.equal(host.ask("reload")["ended"]["count"], 0, "once")


def test_deny_and_conflict(host):
    """A deny rule that comes, audit that ends, a container that is in two zones: all end flows, and are told"""
    web, db, far, out = start(host, OPEN.replace("settings: {", "settings: { mode: audit,"))
    audited = web.connect("10.77.0.3", 22 + 5411)
    tap.expect(web.exchange(audited, b"x", PATIENCE), "open")
    other = host.containers["mallory"].connect("fd77::3", 5432)
    tap.expect(host.containers["mallory"].exchange(other, b"x", PATIENCE), "passes by audit alone")
    result = host.reload(OPEN)
    flows = result["ended"]["flows"]
    tap.equal([(flow["from"]["container"], flow["to"]["container"]) for flow in flows], [("mallory", "db")], "audit has ended")
    result = host.reload(OPEN + "  - { name: freeze, from: shop/front, to: any, deny: all }\n")
    tap.equal([flow["rule"]["text"] for flow in result["ended"]["flows"]], ["freeze"], f"denied by rule: {result}")
    tap.equal(result["ended"]["flows"][0]["reason"], "deny-rule", "the reason")
    host.reload(OPEN)
    kept = web.connect("10.77.0.3", 5433)
    tap.expect(web.exchange(kept, b"x", PATIENCE), "open again")
    result = host.reload(OPEN.replace("other: { members: {", "other: { members: { name: web }}\n  third: { members: {"))
    # The one that was frozen has sent nothing meanwhile, and so is open again, too; conntrack's has no opener.
    reasons = ["conflicted"] * (1 if "gates" in OPEN else 2)
    tap.equal([flow["reason"] for flow in result["ended"]["flows"]], reasons, f"in two zones: {result['ended']}")
    host.reload(OPEN)
    tap.equal(web.exchange(audited, b"x", 0.5), "gates" not in OPEN, "what was frozen goes on only where nobody has ended it")


def alone(test):
    """The same where nftables judges alone: by conntrack."""

    def variant(host):
        global OPEN, CUT
        OPEN, CUT = (text.replace("settings: { ", "settings: { gates: [ nft ], ") for text in (OPEN, CUT))
        host.bridge_nf_call(True)
        test(host)

    variant.__name__ = f"{test.__name__}_alone"
    variant.__doc__ = f"{test.__doc__.strip().splitlines()[0]} (gates: [ nft ])"
    return variant


if __name__ == "__main__":
    tap.main(
        [
            test_count,
            tap.with_options(test_count, "--no-owner", "--no-tcx"),
            test_traffic,
            test_dry_run_of_the_same,
            test_by_itself,
            alone(test_count),
            alone(test_by_itself),
            alone(test_traffic),
            alone(test_deny_and_conflict),
            test_deny_and_conflict,
        ]
    )
