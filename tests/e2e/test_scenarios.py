#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
# suite-timeout: 900
"""Every scenario of tests/scenarios against the naive reading, the compiled table, the eBPF programs and real packets,
these by the programs and by nftables alone; and the examples of policies/ against the eBPF programs (tests/golden/run-policies asks the others)."""

import json
import pathlib
import subprocess
import sys
import tempfile

import yaml

sys.path.insert(0, __file__.rsplit("/", 1)[0])
from lib import tap, wire
from lib.host import BUILD, ROOT
from lib.scenario import LAYERS, Scenario

SCENARIOS = ROOT / "tests" / "scenarios"
EXAMPLES = ROOT / "policies"
JOBS = 2  # a machine of CI has two cores, and half of a test is waiting

# ---- questions to a tool that answers a JSON object a line


def ask(tool, policy, world, questions, *options):
    command = [BUILD / "tests" / "tools" / tool, "--policy", policy, "--world", world, *options, "--batch", "-"]
    lines = "".join(f"{source} {target} {service}\n" for source, target, service in questions)
    done = subprocess.run([str(word) for word in command], input=lines, capture_output=True, text=True, check=False)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    tap.equal(len(answers), len(questions), f"answers of {tool} ({done.stderr.strip()})")
    return answers


def asked(scenario, step, layer, live=None):
    """(question, words) for each thing to ask: an outside namespace is asked by each of its addresses. `live`: the layer of
    packets that it is asked beside."""
    for question in step.questions:
        if layer not in question.layers or (live and live not in question.layers):
            continue
        for source in scenario.words(question.source, live):
            for target in scenario.words(question.target, live):
                if ":" in source and "." in target or "." in source and ":" in target:
                    continue
                yield question, (source, target, question.service)


def check_line(step, rules, text, what):
    """Is it among the lines that these rules stand in?"""
    lines = [step.line(rule) for rule in rules if rule]
    tap.expect(any(text in line for line in lines), f"{what}: {text!r} is in none of {lines}")


def check_answer(step, question, words, answer, layer):
    what = f"{' '.join(words)}: {json.dumps(answer)}"
    tap.equal(answer.get("verdict"), question.verdict, what)
    if question.verdict == "deny":
        tap.equal(answer.get("mode"), "audit" if question.audit else "enforce", what)
    if question.rule:
        check_line(step, [answer.get("rule")], question.rule, what)
    if question.reason:
        tap.equal(answer.get("reason"), question.reason, what)
    if question.staged and layer != "bpf":
        check_line(step, answer.get("staged", []), question.staged, what)


def reading(layer):
    def read(_, scenario):
        for step in scenario.steps:
            pairs = list(asked(scenario, step, layer))
            questions = [words for _, words in pairs]
            tap.expect(questions or scenario.frames, "nothing is asked")
            with tempfile.TemporaryDirectory() as directory:
                files = scenario.write(directory, step)
                if layer == "bpf":
                    answers = ask("bpf_judge", *files, questions)
                    same(questions, answers, ask("judge", *files, questions, "--engine", "table"))
                    check_frames(scenario, files)
                else:
                    answers = ask("judge", *files, questions, "--engine", layer)
            for (question, words), answer in zip(pairs, answers):
                check_answer(step, question, words, answer, layer)
            print(f"# {len(pairs)} questions")

    return read


def check_frames(scenario, files):
    lines = [("frame", f"{frame['port']},{frame['way']},{frame['stamp']},{int(frame.get('received', True))}", frame["hex"])
             for frame in scenario.frames]  # fmt: skip
    for frame, answer in zip(scenario.frames, ask("bpf_judge", *files, lines) if lines else []):
        if "passes" in frame:
            tap.equal(answer.get("verdict"), "allow" if frame["passes"] else "deny", f"{frame}: {json.dumps(answer)}")
        if "reason" in frame:
            tap.equal(answer.get("reason"), frame["reason"], f"{frame}: {json.dumps(answer)}")


def same(questions, answers, table_answers):
    """The programs do what the table says: verdict, reason and the rule's line."""
    for words, answer, other in zip(questions, answers, table_answers):
        what = f"{' '.join(words)}: {json.dumps(answer)}, but the table {json.dumps(other)}"
        for key in ("verdict", "reason"):
            tap.equal(answer.get(key), other.get(key), what)
        places = [one.get("rule") and (pathlib.Path(one["rule"]["file"]).name, one["rule"]["line"]) for one in (answer, other)]
        tap.equal(places[0], places[1], what)


# ---- real packets


def on_the_wire(host, scenario):
    """Besides, the daemon is asked: what it sees of its own world must give what the world file gave."""
    for step in wire.play(host, scenario):
        for question, words in asked(scenario, step, "table", live="nft-wire" if host.nft_alone else "wire"):
            answer = host.ask("explain", **{"from": words[0], "to": words[1], "service": words[2]})
            check_answer(step, question, words, answer, "daemon")


# ---- the examples


def example(path):
    """The rows of expected.tsv that a packet can be made of: no zones and networks, and not `all`."""
    names = {container["name"] for container in yaml.safe_load((path / "world.yaml").read_text())["containers"]}

    def test(_):
        rows = [line.split("\t") for line in (path / "expected.tsv").read_text().splitlines() if line[:1] not in ("", "#")]
        rows = [row for row in rows if is_single(row[0], names) and is_single(row[1], names) and row[2] != "all"]
        tap.expect(rows, "no row is left")
        questions = [tuple(row[:3]) for row in rows]
        files = (path / "policy", path / "world.yaml")
        answers = ask("bpf_judge", *files, questions)
        for row, answer in zip(rows, answers):
            tap.equal(answer["verdict"], row[3], " ".join(row))
        same(questions, answers, ask("judge", *files, questions, "--engine", "table"))
        print(f"# {len(rows)} questions")

    test.__name__ = f"example-{path.name}-bpf"
    test.__doc__ = f"The example {path.name}: bpf"
    test.needs_host = False
    return test


def is_single(word, names):
    return word == "host" or word in names or word[0].isdigit() or ":" in word


# ---- the tests

def on_the_wire_by_nft(host, scenario):
    host.nft_alone = True
    on_the_wire(host, scenario)


PLAYERS = {
    **{layer: reading(layer) for layer in ("naive", "table", "bpf")},
    "wire": on_the_wire,
    "nft-wire": on_the_wire_by_nft,
}


def tests_of(path):
    scenario = Scenario(path)

    def make(layer):
        def test(host=None):
            PLAYERS[layer](host, scenario)

        test.__name__ = f"{scenario.name}-{layer}"
        test.__doc__ = f"{scenario.description.strip()}: {layer}"
        test.needs_host = layer.endswith("wire")
        return test

    return [make(layer) for layer in LAYERS if layer in scenario.only]


if __name__ == "__main__":
    if sys.argv[1:2] == ["--scenario"]:  # one that is not among the others (yet)
        tap.main(tests_of(sys.argv[2]), only=[f"{Scenario(sys.argv[2]).name}-{layer}" for layer in LAYERS])
    tests = [test for path in sorted(SCENARIOS.glob("*.yaml")) for test in tests_of(path)]
    tests += [example(path.parent) for path in sorted(EXAMPLES.glob("*/expected.tsv"))]
    tap.main(tests, jobs=JOBS)
