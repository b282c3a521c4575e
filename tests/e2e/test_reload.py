#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""A policy changes: what it no longer allows stops, what it still allows loses nothing, and a broken one changes nothing."""

import signal
import sys

sys.path.insert(0, __file__.rsplit("/", 1)[0])
from lib import tap
from lib.host import wait_until
from lib.shop import POLICY, Traffic, holds, scene

BROKEN = POLICY.replace("to: shop/db", "to: shop/dbb")
WITHOUT = "".join(line for line in POLICY.splitlines(True) if "5432" not in line)


def start(host):
    web, db, mallory = scene(host)
    host.start()
    host.wait_open()
    holds(host, "at first")
    return web, db, mallory


def generation(host):
    return host.ask("status")["policy"]["generation"]


def test_cut(host):
    """An established flow is cut by a policy change, over IPv4 and IPv6, between containers and to the host; others stay"""
    web, db, _ = start(host)
    web.listen("tcp", 8000)
    host.reload(POLICY + "  - { from: shop/db, to: shop/front, allow: tcp/8000 }\n")
    cut = [(web, web.connect(address, 5432)) for address in ("10.77.0.3", "fd77::3", "10.77.0.1", "fd77::1")]
    cut += [(web, web.connect(address, 5432, protocol="udp")) for address in ("10.77.0.3", "fd77::3")]
    stay = [(db, db.connect(address, 8000)) for address in ("10.77.0.2", "fd77::2")]
    stay += [(host.agent, host.agent.connect(address, 5432)) for address in ("10.77.0.3", "fd77::3")]
    for agent, connection in cut + stay:
        tap.expect(agent.exchange(connection, b"before"), "open before the change")
    host.reload(WITHOUT + "  - { from: shop/db, to: shop/front, allow: tcp/8000 }\n")
    for agent, connection in cut:
        tap.expect(not agent.exchange(connection, b"after", 0.3), "cut by the change")
    for agent, connection in stay:
        tap.expect(agent.exchange(connection, b"x" * 4000, 3), "not touched by the change")
    flow = host.wait_flow(from_="web", to="db", service="tcp/5432", verdict="deny", reason="revoked")
    tap.expect(flow["rule"]["file"].endswith("policy.yaml"), f"the line that cut it: {flow}")
    tap.expect(not web.reach("tcp", "10.77.0.3", 5432, 0.3), "a new one is not let in either")


def test_cut_by_deny(host):
    """A deny rule that comes cuts what an allow rule let in, and the event names its line"""
    web, _, _ = start(host)
    connection = web.connect("fd77::3", 5432)
    tap.expect(web.exchange(connection), "open before the change")
    text = POLICY + "  - { name: freeze, from: shop/front, to: shop/db, deny: all }\n"
    host.reload(text)
    tap.expect(not web.exchange(connection, b"after", 0.3), "cut by the change")
    flow = host.wait_flow(from_="web", to="db", service="tcp/5432", verdict="deny", reason="revoked")
    line = text.splitlines().index("  - { name: freeze, from: shop/front, to: shop/db, deny: all }") + 1
    tap.equal(flow["rule"]["line"], line, "the line that cut it")


def test_ten_reloads(host):
    """Allowed flows live through ten reloads of changing policies under traffic: no packet is lost, no denied one passes"""
    start(host)
    traffic = Traffic(host)
    first = generation(host)
    for number in range(10):
        extra = "".join(
            f"  - {{ name: r{number}-{n}, from: shop, to: 198.51.{number}.{n}/32, allow: tcp/{1000 + n} }}\n" for n in range(number * 10)
        )
        host.reload(POLICY + extra)
        traffic.lively(f"after reload {number + 1}")
    tap.expect(generation(host) >= first + 9, "the generations went up")
    traffic.finish("after ten reloads")
    holds(host, "after ten reloads")


def test_broken(host):
    """A broken policy changes nothing: the old one stays, reload and status say why, the command's exit code is not 0"""
    start(host)
    traffic = Traffic(host)
    before = generation(host)
    host.policy(BROKEN)
    result = host.cli("reload", check=False)
    tap.expect(result.returncode != 0, "exit code of reload")
    tap.expect("unknown" in result.stdout + result.stderr, f"what it says: {result.stderr}{result.stdout}")
    status = host.ask("status")
    tap.equal(status["policy"]["generation"], before, "the generation in force")
    tap.expect("dbb" in status["policy_error"]["text"], "status shows the error")
    tap.equal(status["health"], "degraded", "health")
    holds(host, "with a broken policy")
    answer = host.request({"command": "reload"})
    tap.expect(not answer["ok"] and answer["error"]["diagnostics"], "the socket gives the diagnostics")
    # A restart meets the same broken files: what is in force stays in force.
    host.kill(signal.SIGKILL)
    host.start(wait=False)
    wait_until(lambda: answers(host), 10, "the new daemon answers")
    holds(host, "with a broken policy and a new daemon")
    host.reload(POLICY)
    host.wait_open()
    status = host.ask("status")
    tap.expect("policy_error" not in status, "the error is gone")
    tap.equal(status["health"], "ok", f"health: {status.get('problems')}")
    traffic.finish("after the repair")


def answers(host):
    try:
        return host.ask("status")
    except (OSError, EOFError):
        return None


def test_broken_at_first(host):
    """A first start with a broken policy ends with an error and leaves the host as it is"""
    web, _, mallory = scene(host)
    host.policy(BROKEN)
    host.start(wait=False)
    tap.expect(host.daemon.wait(10) != 0, "exit code")
    host.daemon = None
    tap.expect("dbb" in host.log(), "the log names the error")
    tap.expect(web.reach("tcp", "10.77.0.3", 5433, 3) and mallory.reach("tcp", "fd77::3", 5432, 3), "nobody polices")


def test_inotify(host):
    """A change of the policy's files is seen by itself: renamed over, written in place, a new file, a prefix list"""
    web, _, _ = scene(host)
    lists = host.policy_dir / "lists"
    lists.mkdir()
    (lists / "friends.txt").write_text("# nobody yet\n192.0.2.1\n")
    text = POLICY.replace("rules:", "networks:\n  friends: { file: lists/friends.txt }\nrules:")
    text += "  - { from: shop/front, to: friends, allow: tcp/9000 }\n"
    text = text.replace("version: 1", 'version: 1\nsettings: { ignore: [ "up*" ] }')
    host.outside("far", "up0", "203.0.113.1/24", ["203.0.113.9/24"])
    host.containers["far"].listen("tcp", 9000)
    host.policy(text)
    host.start()
    host.wait_open("web", "db", "mallory")
    tap.expect(not web.reach("tcp", "203.0.113.9", 9000), "not on the list")
    count = generation(host)

    def changed(what):
        nonlocal count
        wait_until(lambda: generation(host) > count, 5, what)
        count = generation(host)

    (lists / "friends.txt").write_text("203.0.113.0/24\n")
    changed("the list written in place")
    tap.expect(web.reach("tcp", "203.0.113.9", 9000, 3), "on the list")
    connection = web.connect("203.0.113.9", 9000)
    (lists / ".new").write_text("192.0.2.1\n")
    (lists / ".new").rename(lists / "friends.txt")
    changed("the list renamed over")
    tap.expect(not web.exchange(connection, b"x", 0.3), "off the list")

    host.policy("version: 1\nrules:\n  - { from: shop/front, to: shop/db, allow: tcp/5433 }\n", "more.yaml")
    changed("a new file")
    tap.expect(web.reach("tcp", "10.77.0.3", 5433, 3), "allowed by the new file")
    (host.policy_dir / "more.yaml").unlink()
    # Not by the generation: the file before may have been looked at twice, as it was written and renamed.
    wait_until(lambda: not web.reach("tcp", "10.77.0.3", 5433), 10, "no longer, as the file is gone")
    count = generation(host)
    (host.policy_dir / "policy.yaml").write_text(text.replace("tcp/5432, ", "tcp/5433, "))
    changed("a file written in place")
    tap.expect(web.reach("tcp", "10.77.0.3", 5433, 3) and not web.reach("tcp", "10.77.0.3", 5432), "as the new text says")
    host.policy(text)
    changed("a file renamed over")
    tap.expect(web.reach("tcp", "10.77.0.3", 5432, 3), "as the old text says")
    # A broken list changes nothing, and its repair is seen.
    (lists / "friends.txt").write_text("not an address\n")
    wait_until(lambda: "policy_error" in host.ask("status"), 5, "the broken list is seen")
    tap.expect(web.reach("tcp", "10.77.0.3", 5432, 3), "the old policy stays")
    (lists / "friends.txt").write_text("203.0.113.9\n")
    wait_until(lambda: "policy_error" not in host.ask("status"), 5, "the repair is seen")
    tap.expect(web.reach("tcp", "203.0.113.9", 9000, 3), "on the list again")


def test_changed_while_away(host):
    """A policy that was changed while the daemon was dead is in force when it is back: open flows are judged again"""
    web, _, mallory = start(host)
    connection = web.connect("10.77.0.3", 5432)
    tap.expect(web.exchange(connection), "open before")
    host.kill(signal.SIGKILL)
    host.policy(WITHOUT + "  - { from: other, to: shop/db, allow: tcp/5432 }\n")
    tap.expect(web.exchange(connection), "the old policy holds while there is no daemon")
    tap.expect(not mallory.reach("tcp", "10.77.0.3", 5432), "for all")
    host.start()
    host.wait_open()
    tap.expect(not web.exchange(connection, b"after", 0.3), "what the new one does not allow is cut")
    mallory.run("ip", "neigh", "flush", "dev", "eth0")  # it was refused its neighbour a moment ago, and still waits
    tap.expect(mallory.reach("tcp", "10.77.0.3", 5432, 3), "what it allows is let in")


def test_hangup(host):
    """SIGHUP loads the policy again"""
    web, _, _ = start(host)
    before = generation(host)
    host.daemon.send_signal(signal.SIGHUP)
    wait_until(lambda: "in force" in host.log(), 5, "loaded once more")
    tap.expect(generation(host) >= before, "the generation does not go back")
    holds(host, "after SIGHUP")
    tap.expect(web.reach("tcp", "10.77.0.3", 5432, 3), "still allowed")


def test_audit(host):
    """Audit mode: what would be denied passes and is reported so; the guards stay; enforcing again cuts it"""
    web, _, mallory = start(host)
    audit = POLICY.replace("version: 1", "version: 1\nsettings: { mode: audit }")
    host.reload(audit)
    tap.equal(host.ask("status")["mode"], "audit", "mode")
    for target in ("10.77.0.3", "fd77::3", "10.77.0.1"):
        tap.expect(mallory.reach("tcp", target, 5432, 3), f"passes in audit, to {target}")
    flow = host.wait_flow(from_="mallory", to="db", service="tcp/5432", verdict="would-deny")
    tap.equal(flow["reason"], "default", "why it would be denied")
    connection = mallory.connect("10.77.0.3", 5432)
    mallory.run("ip", "addr", "add", "10.77.0.99/32", "dev", "eth0")
    tap.expect(not mallory.reach("udp", "10.77.0.3", 5432, source="10.77.0.99"), "spoofing stays denied in audit")
    host.reload(POLICY)
    tap.expect(not mallory.exchange(connection, b"x", 0.3), "cut when enforced")
    # One zone in audit opens no other.
    host.reload(POLICY.replace("  other: {", "  other: { mode: audit,"))
    tap.expect(not mallory.reach("tcp", "10.77.0.3", 5432), "an audited zone opens no enforced one")
    tap.expect(mallory.reach("tcp", "10.77.0.1", 5432, 3), "what concerns only the audited zone passes")
    # A staged rule decides nothing and is reported.
    host.reload(POLICY + "  - { from: shop/front, to: shop/db, deny: tcp/5432, mode: audit }\n")
    tap.expect(web.reach("tcp", "10.77.0.3", 5432, 3), "a staged deny denies nothing")
    flow = host.wait_flow(from_="web", to="db", service="tcp/5432", verdict="staged")
    tap.equal(flow["rule"]["line"], len(POLICY.splitlines()) + 1, "the staged rule")


if __name__ == "__main__":
    tap.main(
        [
            test_cut,
            tap.with_options(test_cut, "--no-owner", "--no-tcx"),
            test_cut_by_deny,
            test_ten_reloads,
            test_broken,
            test_broken_at_first,
            test_inotify,
            test_changed_while_away,
            test_hangup,
            test_audit,
            tap.nft_alone(test_cut),
            tap.nft_alone(test_cut_by_deny),
            tap.nft_alone(test_changed_while_away),
            tap.nft_alone(test_ten_reloads),
            tap.nft_alone(test_audit),
        ]
    )
