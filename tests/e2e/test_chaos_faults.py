#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
# suite-timeout: 3600
"""Each system call of a commit fails once, in turn: the policy in force is then exactly the old or exactly the new one, as
real packets see it, and the next try makes all whole."""

import errno
import os
import pathlib
import random
import select
import socket
import sys
import time

sys.path.insert(0, __file__.rsplit("/", 1)[0])
from lib import chaos, tap
from lib.faults import Faults
from lib.host import wait_until

PORTS = (5432, 5433)  # of the two policies: neither allows what the other does
TARGETS = (*chaos.DB, *chaos.CACHE, *chaos.HOST)
QUIET = 0.05  # seconds in which nothing more comes back
ERRORS = (errno.ENOMEM, errno.E2BIG, errno.EINTR, errno.ENOSPC)


def probe(operations, targets, ports, enough, patience):
    """Datagrams to all ports of all targets, from new sockets, so that each is the first of its flow. Which came back,
    when `enough` have and then nothing more does, or at the end of patience."""
    sockets = {}
    back = set()
    for address in targets:
        for port in ports:
            client = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
            client.connect((address, port))
            client.send(b"probe")
            sockets[client] = (address, port)
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        ready = select.select(list(sockets), [], [], QUIET if len(back) >= enough else deadline - time.monotonic())[0]
        if not ready and len(back) >= enough:
            break
        for client in ready:
            try:
                client.recv(64)
                back.add(sockets[client])
            except OSError:
                back.add((*sockets[client], "error"))
                sockets.pop(client).close()
                break
    for client in sockets:
        client.close()
    return back


class Two:
    """Two policies, of which one is in force. They are switched by a symbolic link: the daemon does not see that by
    itself, so that a failed reload is not made good behind the test's back."""

    def __init__(self, host):
        self.host = host
        self.link = pathlib.Path(host.directory, "current")
        for port in PORTS:
            directory = pathlib.Path(host.directory, f"policy-{port}")
            directory.mkdir()
            text = chaos.POLICY.replace("5432", str(port))
            # What differs is not the ports alone: a zone, prefixes, a set that the other has not.
            if port == PORTS[1]:
                text = text.replace("rules:\n", "  third: { members: { label: tier=third } }\nrules:\n")
                text += "  - { from: third, to: 198.51.100.0/24, allow: tcp/1000-1010 }\n"
            (directory / "policy.yaml").write_text(text)
        self.switch(PORTS[0])
        host.policy_dir = self.link

    def switch(self, port):
        new = f"{self.link}.new"
        os.symlink(f"policy-{port}", new)
        os.rename(new, self.link)

    def in_force(self, patience):
        """The port of the policy that packets see; None: neither, wholly."""
        web = self.host.containers["web"]
        back = web.call(probe, TARGETS, PORTS, len(TARGETS), patience)
        for port in PORTS:
            if back == {(address, port) for address in TARGETS}:
                return port, back
        return None, back

    def expect(self, ports, when, patience=5.0):
        port, back = self.in_force(patience)
        tap.expect(port in ports, f"{when}: in force is {port}, not one of {ports}; what came back: {sorted(back)}")
        return port


def start(host, *options):
    chaos.scene(host)
    for name in ("db", "cache"):
        host.containers[name].call(chaos.echo_start, 5433)
    host.agent.call(chaos.echo_start, 5433)
    faults, two = Faults(host), Two(host)
    host.start(*options)
    host.wait_open()
    wait_until(lambda: two.in_force(1.0)[0] == PORTS[0], chaos.PATIENCE, "the first policy")
    return faults, two


def reload_with(host, faults, nth, error):
    """(what the daemon says: True, False, None when the answer was lost; the failed call; the number of calls)"""
    faults.arm(nth, error)
    try:
        said = host.request({"command": "reload"}).get("ok")
    except (OSError, EOFError, ValueError):
        said = None
    count, name = faults.disarm()
    return said, name, count


def one_fault(host, faults, two, old, nth, error):
    """Reloads to the other policy with the nth call failing. (policy in force afterwards, the call; "": there are not so
    many)"""
    new = PORTS[1 - PORTS.index(old)]
    two.switch(new)
    said, name, count = reload_with(host, faults, nth, error)
    when = f"call {nth} ({name or 'none'}) failed with {errno.errorcode[error]}, reload said {said}"
    tap.expect(host.daemon.poll() is None, f"{when}: it lives")
    # One who has been told must find it so; one whose answer was lost finds either.
    two.expect({True: [new], False: [old], None: [old, new]}[said], when)
    host.reload()
    two.expect([new], f"{when}; the next try")
    chaos.wait_whole(host, f"{when}; the next try")
    return new, name, count


def each_call(host, *options):
    faults, two = start(host, *options)
    step = chaos.times(30, 1)
    in_force, failed, tried = PORTS[0], {}, 0
    for error in ERRORS:
        nth = random.randrange(step)
        while True:
            in_force, name, count = one_fault(host, faults, two, in_force, nth, error)
            if not name:
                break
            failed[name.split()[0]] = failed.get(name.split()[0], 0) + 1
            tried += 1
            nth += step
        tap.expect(nth >= count > 20, f"a commit has calls: {count}")
    print(f"# {tried} calls of about {count} a commit failed, one at a time: {failed}")


def test_each_call(host):
    """Each system call of a reload fails once, with four errors: the policy is the old or the new one, and never between"""
    each_call(host)


NO_TCX, NO_OWNER = "--no-tcx", "--no-owner"
TESTS = [test_each_call, tap.with_options(test_each_call, NO_TCX, NO_OWNER)]

if __name__ == "__main__":
    tap.main(TESTS)
