# SPDX-License-Identifier: GPL-2.0-only
"""Random policies and random volleys for a random world of real containers; what each probe must do is the naive
reading's word. A mismatch is shrunk to a scenario."""

import copy
import json
import os
import pathlib
import pickle
import random
import subprocess
import tempfile
import time
import traceback

import yaml

from . import differ, tap
from .host import BUILD, Host
from .scenario import Scenario
from .shrink import ddmin, shrink
from .volley import Probe, Range
from .wire import Wire

UPLINK = "vx-up"  # random policies ignore vx*
SUBNETS = {
    "b0": ["10.0.0.1/24", "fd00:b0::1/64"],
    "b1": ["10.0.1.1/24", "2001:db8:1::1/64"],
    "b2": ["10.0.2.1/24", "fd00:b2::1/64"],
}
OUTSIDE = [
    "203.0.113.2/30", "2001:db8:ffff::2/64",  # the next hops
    "8.8.8.8/32", "10.9.9.9/32", "192.0.2.130/32", "198.51.100.5/32", "100.100.100.200/32", "172.20.1.9/32",
    "2606:4700::1111/128", "2001:db8:5:1::7/128", "fd00:ec2::254/128",
]  # fmt: skip
SERVICES = [
    ("tcp", 22), ("tcp", 53), ("tcp", 80), ("tcp", 443), ("tcp", 8000), ("tcp", 8101), ("tcp", 1), ("udp", 53), ("udp", 123),
    ("udp", 443), ("udp", 4500), ("udp", 4789), ("udp", 8472), ("udp", 9000), ("sctp", 80), ("sctp", 81), ("ping", 0), ("ping", 0),
    ("proto", 47), ("proto", 253), ("proto", 4),
]  # fmt: skip
SHRINK_SECONDS = 120  # for the policy, and for the world
MODES = {"tc and nft": None, "nft alone": ["nft"]}


def topology(rng):
    """As of a scenario: seven containers with random labels on three bridges, and everybody else behind an uplink."""
    containers = {}
    for index in range(7):
        bridge = f"b{min(index // 2, 2)}"
        v4, v6 = (address.split("/")[0].rsplit("1", 1)[0] for address in SUBNETS[bridge])
        addresses = [f"{v4}{index + 2}/24", f"{v6}{index + 2}/64"]
        containers[f"c{index}"] = {
            "bridge": bridge,
            "addresses": addresses if rng.random() < 0.8 else [rng.choice(addresses)],
            "interface": f"ve{index}-0",
            "labels": {"z": f"z{rng.randrange(4 if rng.random() < 0.7 else 5)}", "g": rng.choice(["0", "1", "2", "01", "12", "012", ""])},
            "image": f"i{rng.randrange(3)}:latest",
        }
    host = ["203.0.113.1/30", "2001:db8:ffff::1/64"]
    return {"bridges": dict(SUBNETS), "containers": containers, "outside": {"out": {"uplink": UPLINK, "host": host, "addresses": OUTSIDE}}}


def policy(seed):
    """A random one (tests/lib/random_policy.c), as data."""
    text = subprocess.run([str(differ.TOOL), "policy", "--seed", str(seed)], capture_output=True, text=True, check=True).stdout
    data = differ.load(text)
    now = int(time.time() * 1e9)
    data["rules"] = [differ.far(rule, now) for rule in data["rules"]]
    return data


def with_gates(data, gates):
    settings = {**data.get("settings", {}), "ignore": ["vx*"]}
    return {**data, "settings": {**settings, "gates": gates} if gates else settings}


def probes(rng, scenario, first, count):
    """Random ones, none between two ends that nobody polices. Flows without ports go one way only, whichever policy is in
    force, as the other way would be their answer."""
    ends = [*scenario.containers, *scenario.containers, "host", "out"]
    made = []
    while len(made) < count:
        source_end, target_end = rng.choice(ends), rng.choice(ends)
        protocol, port = rng.choice(SERVICES)
        if source_end == target_end or not {source_end, target_end} & set(scenario.containers):
            continue
        target = rng.choice(scenario.addresses(target_end))
        sources = [address for address in scenario.addresses(source_end) if (":" in address) == (":" in target)]
        if not sources or (protocol == "proto" and source_end > target_end):
            continue
        made.append(Probe(first + len(made), source_end, rng.choice(sources), target_end, target, protocol, port))
    return made


def judged(policy_text, world_text, wanted):
    """The numbers of those that the naive reading lets pass."""
    with tempfile.TemporaryDirectory() as directory:
        files = pathlib.Path(directory, "policy.yaml"), pathlib.Path(directory, "world.yaml")
        files[0].write_text(policy_text)
        files[1].write_text(world_text)
        lines = "".join(f"{'host' if probe.source_end == 'host' else probe.source} {probe.target} {probe.service()}\n" for probe in wanted)
        command = [BUILD / "tests" / "tools" / "judge", "--policy", files[0], "--world", files[1], "--engine", "naive", "--batch", "-"]
        done = subprocess.run([str(word) for word in command], input=lines, capture_output=True, text=True, check=False)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    tap.equal(len(answers), len(wanted), f"answers of judge ({done.stderr.strip()})")
    for probe, answer in zip(wanted, answers):
        tap.expect(answer.get("verdict") in ("allow", "deny"), f"{probe}: {answer}")
    return {probe.number for probe, answer in zip(wanted, answers) if answer["verdict"] == "allow" or answer["mode"] == "audit"}


class Field:
    """A host with a topology, and volleys in it."""

    def __init__(self, host, shape):
        self.host = host
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write(yaml.safe_dump({"description": "random", "topology": shape, "policy": "version: 1\n", "expect": []}))
            file.flush()
            self.scenario = Scenario(file.name)
        Wire(host, self.scenario).build()
        self.range = Range(host, outside=self.scenario.outside)
        self.number = 1
        self.fault = None  # a TCP port whose verdicts are expected turned round, to see that it is found
        self.timeout = 20.0  # seconds for what is to arrive
        self.open = 0  # of the probes, those that were to pass

    def next_probes(self, rng, count):
        made = probes(rng, self.scenario, self.number, count)
        self.number += count
        return made

    def control(self, rng, count):
        """Where nobody polices all of it arrives."""
        made = self.next_probes(rng, count)
        self.check(*self.range.volley(made, {probe.number for probe in made}), "without the daemon")

    @staticmethod
    def check(differ_, wrong, what):
        tap.expect(not differ_ and not wrong, f"{what}: {'; '.join([words for _, words in differ_] + wrong)}")

    def enforce(self, data):
        text = differ.dump(data)
        if self.host.daemon:
            self.host.reload(text)
        else:
            self.host.policy(text)
            self.host.start()
        if self.scenario.containers:
            self.host.wait_open(*self.scenario.containers)
        return text

    def volley(self, data, made, timeout=None):
        """What differs, under a policy."""
        passes = judged(self.enforce(data), self.scenario.world(), made)
        if self.fault:
            passes ^= {probe.number for probe in made if (probe.protocol, probe.port) == ("tcp", self.fault)}
        self.open += len(passes)
        return self.range.volley(made, passes, timeout or self.timeout)

    def again(self, probe):
        """The same, as a flow that nobody has seen."""
        twin = copy.copy(probe)
        twin.number = self.number
        self.number += 1
        return twin


# ---- shrinking


def in_a_host(function, *arguments):
    """function(host, …) with a host of its own, which vanishes afterwards; what it returns."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.close(reading)
            host = Host()
            try:
                result = function(host, *arguments)
            finally:
                host.close()
            with os.fdopen(writing, "wb") as pipe:
                pickle.dump(result, pipe)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        data = pipe.read()
    os.waitpid(pid, 0)
    if not data:
        raise RuntimeError(f"{function.__name__} failed in a host of its own")
    return pickle.loads(data)


class Shrinker:
    """Makes a mismatch small: first the policy, in the host as it is; then the world, in new ones."""

    def __init__(self, field, shape, found, gates):
        self.field, self.shape, self.gates = field, shape, gates
        self.probe, self.words = found
        self.end = time.monotonic() + SHRINK_SECONDS

    def differs(self, data, timeout=1.0):
        """Does the probe by itself, in the same way, under this policy?"""
        if time.monotonic() > self.end:
            return False
        try:
            twin = self.field.again(self.probe)
            differ_, _ = self.field.volley(with_gates(data, self.gates), [twin], timeout)
            return any(each is twin and words == self.words for each, words in differ_)
        except (RuntimeError, AssertionError, AttributeError):
            return False  # that is no policy any more

    def policy(self, data):
        """None: not by itself."""
        if not self.differs(data):
            return None
        small = shrink(data, self.differs)
        self.end += SHRINK_SECONDS
        return small if self.differs(small, 10.0) else None  # a busy machine may have led it astray

    def world(self, data):
        places = [(kind, name) for kind in ("containers", "outside", "bridges") for name in self.shape[kind]]
        needed = {self.probe.source_end, self.probe.target_end}

        def only(kept):
            return {kind: {name: value for name, value in self.shape[kind].items() if (kind, name) in kept}
                    for kind in self.shape}  # fmt: skip

        def holds(kept):
            shape = only(kept)
            bridges = {container["bridge"] for container in shape["containers"].values()}
            if time.monotonic() > self.end or not bridges <= set(shape["bridges"]):
                return False
            if not needed <= {"host", *shape["containers"], *shape["outside"]}:
                return False
            try:
                return in_a_host(differs_in, shape, data, (self.probe, self.words), self.gates, self.field.fault)
            except RuntimeError:
                return False

        return only(ddmin(places, holds)) if holds(places) else self.shape


def differs_in(host, shape, data, found, gates, fault):
    field = Field(host, shape)
    field.fault = fault
    return Shrinker(field, shape, found, gates).differs(data, 3.0)


def scenario_text(shape, data, probe, arrived, description):
    expect = {"from": "host" if probe.source_end == "host" else probe.source, "to": probe.target}
    expect["deny" if arrived else "allow"] = probe.service()
    body = {"description": description, "topology": shape, "policy": differ.dump(data), "expect": [expect]}
    return yaml.dump(body, Dumper=differ.Readable, sort_keys=False, default_flow_style=None, width=140, allow_unicode=True)


def report(field, shape, data, found, gates, seed):
    """(path, words): the scenario that it is shrunk to, and what a person is told."""
    probe, words = found
    shrinker = Shrinker(field, shape, found, gates)
    small = shrinker.policy(data)
    if small:
        shape, data = shrinker.world(small), small
    note = "" if small else " (not by itself: what came before it matters)"
    text = scenario_text(shape, with_gates(data, gates), probe, "arrived" in words, f"Random volley {seed}: {words}{note}")
    differ.MISMATCHES.mkdir(parents=True, exist_ok=True)
    path = differ.MISMATCHES / f"volley-{'-'.join(gates or ['default'])}-{seed}.yaml"
    path.write_text(text)
    return path, f"seed {seed}: {words}\nin {path}{note}:\n{text}"


# ---- a run


def play(field, shape, rng, data, gates, count, seed):
    """A volley under one policy. None, or (path, words) of a mismatch."""
    differ_, wrong = field.volley(with_gates(data, gates), field.next_probes(rng, count))
    tap.expect(not wrong, "; ".join(wrong))
    if not differ_:
        return None
    worst = min(differ_, key=lambda found: "arrived" not in found[1])  # what passes and may not; and quick to try
    return report(field, shape, data, worst, gates, seed)


def run(host, seed, gates, policies, count):
    """Volleys under random policies in one random world. (verdicts, how many were to pass, None or (path, words))."""
    rng = random.Random(seed)
    shape = topology(rng)
    field = Field(host, shape)
    field.control(rng, count)
    field.open = 0
    for index in range(policies):
        mismatch = play(field, shape, rng, policy(seed * 1000 + index), gates, count, seed * 1000 + index)
        if mismatch:
            return index * count, field.open, mismatch
    return policies * count, field.open, None
