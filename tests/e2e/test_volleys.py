#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
# suite-timeout: 900
"""First packets of flows on the wire, many at once, under random policies, in each gate mode: what arrives is what the
naive reading of the policy lets pass."""

import random
import sys

import yaml

sys.path.insert(0, __file__.rsplit("/", 1)[0])
from lib import tap, volleys

POLICIES = 10
COUNT = 100


def volley_test(name, gates, seed):
    def test(host):
        verdicts, passed, mismatch = volleys.run(host, seed, gates, POLICIES, COUNT)
        tap.expect(not mismatch, mismatch and mismatch[1])
        print(f"# {verdicts} verdicts, {passed} to pass")
        # They must be worth something.
        tap.expect(verdicts / 10 < passed < verdicts * 9 / 10, f"of {verdicts} {passed} were to pass")

    test.__name__ = f"test_{name.replace(' ', '_')}_{seed}"
    test.__doc__ = f"Random volleys are judged as the naive reading does: {name}, seed {seed}"
    return test


PLANTED = {
    "version": "1",
    "zones": {"a": {"members": [{"name": "c0"}], "log": "none"}, "b": {"members": [{"name": "c[123]"}], "within": "deny"}},
    "networks": {"n": ["8.8.8.0/24"]},
    "rules": [{"from": ["a"], "to": ["b", "host"], "allow": ["udp", "tcp/80"]}, {"from": ["b"], "to": ["n"], "deny": ["ping"]}],
}


def test_planted(host):
    """A planted mismatch is found on the wire, and shrunk to a scenario"""
    rng = random.Random(7)
    shape = volleys.topology(rng)
    for name in ("c4", "c5", "c6"):
        del shape["containers"][name]
    del shape["bridges"]["b2"]
    field = volleys.Field(host, shape)
    field.fault, field.timeout = 443, 3.0
    mismatch = volleys.play(field, shape, rng, PLANTED, None, 2 * COUNT, "planted")
    tap.expect(mismatch, "the planted fault is not found")
    path, words = mismatch
    found = yaml.safe_load(path.read_text())
    path.unlink()
    policy = yaml.safe_load(found["policy"])
    tap.expect(not policy.get("rules") and "networks" not in policy, f"the policy is not small: {words}")
    tap.expect(len(found["topology"]["containers"]) <= 2, f"the world is not small: {words}")
    tap.expect("tcp/443" in str(found["expect"]), f"it is about something else: {words}")


if __name__ == "__main__":
    tests = [volley_test(name, gates, seed) for name, gates in volleys.MODES.items() for seed in (1, 2)]
    tap.main([*tests, test_planted], jobs=2)
