# SPDX-License-Identifier: GPL-2.0-only
"""Lines forged by names: containers, labels and interfaces called with newlines, escapes of terminals, quotes and JSON"""

import json

from lib import tap
from lib.host import run
from lib.hostile import V4, Try, datagram, packet

ALONE = True
CONTROL = False
EVIL = 'x\x1b[2J\x1b]0;t\x07\n{"verdict":"allow"}\r" drop; accept #\u202e\x9b1m'
NAME = 'e\x1b[31m"\n{}\r\u202e\x9b1m'  # no slash; 255 bytes at most
INTERFACE = 'v\x1b[7m"{};#'  # no slash, colon or white space; 15 bytes at most
FORBIDDEN = {chr(c) for c in (*range(0x20), *range(0x7F, 0xA0))} - {"\n"} | {"\u202e"}


def attack(world):
    host = world.host
    host.container(NAME, "br0", ["10.77.0.50/24"], labels={"role": EVIL, EVIL: "x"}, image=EVIL, interface=INTERFACE)
    evil = host.containers[NAME]
    world.mallory.run("ip", "link", "set", "eth0", "name", INTERFACE)
    world.mallory.run("ip", "link", "set", INTERFACE, "alias", "x\x1b[2J")
    forged = packet("bob", datagram(V4["carol"], V4["bob"], b"forged " + EVIL.encode()))
    send = lambda mark: evil.send_frame("eth0", forged)
    yield Try("a forged packet", send, ("source-address", "source-mac", "closed"), needle=b"forged x\x1b", told=NAME)
    world.mallory.run("ip", "link", "set", INTERFACE, "name", "eth0")
    world.plug_mallory()
    commands = (["status"], ["ports"], ["flows"], ["counters"], ["explain", NAME, "bob", "tcp/80"], ["matrix"])
    for words in commands:
        result = host.cli(*words, check=False)
        safe(f"bulkhead {words[0]}", result.stdout + result.stderr)
    for words in (["status", "--json"], ["ports", "--json"], ["flows", "--json"]):
        text = host.cli(*words).stdout
        safe(" ".join(words), text)
        whole_json(text)
    safe("the log", host.log())
    rules = run("nft", "list", "ruleset")
    for line in rules.splitlines():
        tap.expect("accept #" not in line, f"a rule of a name's making: {line}")
    tap.expect("\x1b[2J" not in rules, "no comment has a name's escapes")


def safe(what, text):
    found = sorted(FORBIDDEN & set(text) - {"\t"})
    tap.expect(not found, f"{what} has {found}")
    tap.expect(not any(line.startswith('{"verdict":"allow"}') for line in text.splitlines()), f"{what} has a line of its own making")


def whole_json(text):
    """One document, or one a line."""
    try:
        json.loads(text)
    except ValueError:
        for line in text.splitlines():
            json.loads(line)
