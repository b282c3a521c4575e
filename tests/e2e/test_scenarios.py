#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
# suite-timeout: 900
"""Every scenario of tests/scenarios against the naive reading, the compiled table, the eBPF programs and real packets."""

import concurrent.futures
import json
import queue
import socket
import subprocess
import sys
import tempfile

sys.path.insert(0, __file__.rsplit("/", 1)[0])
from lib import tap
from lib.agent import Agent
from lib.host import BUILD, ROOT, run
from lib.scenario import Scenario

SCENARIOS = ROOT / "tests" / "scenarios"
WIRE_TIMEOUT_ALLOWED = 3.0  # seconds: what is allowed comes at once, but the machine may be busy
WIRE_TIMEOUT_DENIED = 0.4
SIDE_BY_SIDE = 8


# ---- layers 1 to 3: questions to a tool that answers a JSON object a line


def ask(command, questions):
    lines = "".join(f"{source} {target} {service}\n" for source, target, service in questions)
    done = subprocess.run(command, input=lines, capture_output=True, text=True, check=False)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    tap.equal(len(answers), len(questions), f"answers of {command[0]} ({done.stderr.strip()})")
    return answers


def asked(scenario):
    """(question, words) for each thing to ask: an outside namespace is asked by each of its addresses."""
    for question in scenario.questions:
        for source in scenario.words(question.source):
            for target in scenario.words(question.target):
                if ":" in source and "." in target or "." in source and ":" in target:
                    continue
                yield question, (source, target, question.service)


def check_answer(scenario, question, words, answer):
    tap.equal(answer.get("verdict"), question.verdict, f"{' '.join(words)} ({json.dumps(answer)})")
    if question.rule and answer.get("rule"):
        line = scenario.policy.splitlines()[answer["rule"]["line"] - 1]
        tap.expect(question.rule in line, f"{' '.join(words)}: decided by line {line!r}, which has no {question.rule!r}")
    elif question.rule:
        raise AssertionError(f"{' '.join(words)}: no rule decided ({json.dumps(answer)})")


def reading(scenario, engine):
    with tempfile.TemporaryDirectory() as directory:
        policy, world = scenario.write(directory)
        tool = BUILD / "tests" / "tools"
        if engine == "bpf":
            command = [str(tool / "bpf_judge"), "--policy", str(policy), "--world", str(world), "--batch", "-"]
        else:
            command = [str(tool / "judge"), "--policy", str(policy), "--world", str(world), "--engine", engine, "--batch", "-"]
        pairs = list(asked(scenario))
        for (question, words), answer in zip(pairs, ask(command, [words for _, words in pairs])):
            check_answer(scenario, question, words, answer)


# ---- layer 4: real packets


def build(host, scenario):
    for name, addresses in scenario.bridges.items():
        host.bridge(name, *addresses)
    for name, container in scenario.containers.items():
        ports = scenario.ports(container)
        made = host.container(
            name, ports[0]["bridge"], ports[0]["addresses"], labels=container.get("labels"), image=container.get("image"),
            namespace_=container.get("namespace"), interface=ports[0].get("interface"),
        )
        for port in ports[1:]:
            host.plug(made, port["bridge"], port["addresses"], interface=port.get("interface"))
    for name, outside in scenario.outside.items():
        v4 = next((a for a in outside["host"] if ":" not in a), None)
        v6 = next((a for a in outside["host"] if ":" in a), None)
        host.outside(name, outside["uplink"], v4, outside["addresses"], v6)
        own = [a.split("/")[0] for a in outside["addresses"]]
        for address in own[0:]:
            family = "-6" if ":" in address else "-4"
            gateway = next((a for a in own if (":" in a) == (":" in address)), None)
            if address != gateway:
                run("ip", family, "route", "add", address, "via", gateway)


def wire_service(service):
    """(protocol, port) for real packets; None for what has no wire form here."""
    if service == "ping" or service.endswith("/echo-request"):
        return ("ping", 0)
    named = {"ssh": ("tcp", 22), "https": ("tcp", 443), "http": ("tcp", 80), "dns": ("udp", 53), "ntp": ("udp", 123)}
    if service in named:
        return named[service]
    protocol, _, port = service.partition("/")
    if protocol in ("tcp", "udp", "sctp") and port.isdigit() and (protocol != "sctp" or sctp_works()):
        return (protocol, int(port))
    return None


def agent_of(host, end):
    return host.agent if end == "host" else host.containers[end].agent


def server_of(scenario, target):
    """Whose namespace answers for a target: its own, or that of the outside which has the address."""
    if target == "host" or target in scenario.containers or target in scenario.outside:
        return target
    for name in [*scenario.outside, *scenario.containers]:
        if target in scenario.addresses(name):
            return name
    return None


def sctp_works():
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, 132).close()
        return True
    except OSError:
        return False


def listen(host, scenario):
    """Every target serves what it is asked for."""
    wanted = set()
    for question in scenario.questions:
        service = wire_service(question.service)
        server = server_of(scenario, question.target)
        if question.wire and service and service[0] != "ping" and server:
            wanted.add((server, *service))
    for target, protocol, port in sorted(wanted):
        # A datagram is answered from the address that it was sent to: a socket for each.
        for address in scenario.addresses(target) if protocol == "udp" else [None]:
            agent_of(host, target).listen(protocol, port, address)


def attempts(host, scenario):
    """What can be tried on the wire: (question, source, target address, protocol, port)."""
    for question in scenario.questions:
        service = wire_service(question.service)
        if not question.wire or not service or question.verdict == "unpoliced":
            continue
        if question.source != "host" and question.source not in host.containers:
            continue
        for target in scenario.addresses(question.target):
            v6 = ":" in target
            if question.service.startswith("icmp/") and v6 or question.service.startswith("icmpv6/") and not v6:
                continue
            if not any((":" in a) == v6 for a in scenario.addresses(question.source)):
                continue
            if question.target == "host" and not same_bridge_gateway(scenario, question.source, target):
                continue
            yield question, question.source, target, *service


def same_bridge_gateway(scenario, source, target):
    """The host has an address a bridge: each container asks for that of its own."""
    container = scenario.containers.get(source)
    if not container:
        return True
    own = {a.split("/")[0] for port in scenario.ports(container) for a in scenario.bridges[port["bridge"]]}
    return target in own


def wire(host, scenario):
    build(host, scenario)
    listen(host, scenario)
    for name, text in scenario.files.items():
        path = host.policy_dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    host.policy(scenario.policy)
    host.start()
    managed = [name for name in scenario.containers if not scenario.containers[name].get("unmanaged")]
    host.wait_open(*managed)

    tried = list(attempts(host, scenario))
    # An agent does one thing at a time: several for each sender, so that time-outs run side by side.
    agents = {source: queue.SimpleQueue() for _, source, *_ in tried}
    for source, idle in agents.items():
        for _ in range(min(SIDE_BY_SIDE, sum(1 for item in tried if item[1] == source))):
            idle.put(Agent(None if source == "host" else f"/run/netns/{source}"))

    def attempt(item):
        question, source, target, protocol, port = item
        allowed = question.verdict == "allow"
        timeout = WIRE_TIMEOUT_ALLOWED if allowed else WIRE_TIMEOUT_DENIED
        agent = agents[source].get()
        try:
            got = agent.reach(protocol, target, port, timeout=timeout)
        finally:
            agents[source].put(agent)
        return None if got == allowed else f"{question}: {target} {'was reached' if got else 'was not reached'}"

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        wrong = [text for text in pool.map(attempt, tried) if text]
    for idle in agents.values():
        while not idle.empty():
            idle.get().stop()
    tap.expect(not wrong, "; ".join(wrong))
    print(f"# {len(tried)} attempts on the wire", flush=True)


# ---- the tests


def tests_of(path):
    scenario = Scenario(path)

    def make(layer, function):
        def test(host=None):
            function(host)

        test.__name__ = f"{scenario.name}-{layer}"
        test.__doc__ = f"{scenario.description.strip()}: {layer}"
        test.needs_host = layer == "wire"
        return test

    layers = {
        "naive": lambda host: reading(scenario, "naive"),
        "table": lambda host: reading(scenario, "table"),
        "bpf": lambda host: reading(scenario, "bpf"),
        "wire": lambda host: wire(host, scenario),
    }
    return [make(layer, function) for layer, function in layers.items() if not scenario.only or layer in scenario.only]


if __name__ == "__main__":
    paths = sorted(SCENARIOS.glob("*.yaml"))
    tap.main([test for path in paths for test in tests_of(path)])
