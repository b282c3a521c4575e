# SPDX-License-Identifier: GPL-2.0-only
"""Two policies that have nothing in common, over the scene of chaos.py: which of them packets see, or a mixture of both."""

import os
import pathlib
import select
import socket
import time

from . import chaos, tap

PORTS = (5432, 5433)  # of the two policies: neither allows what the other does
TARGETS = (*chaos.DB, *chaos.CACHE, *chaos.HOST)
QUIET = 0.05  # seconds in which nothing more comes back


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
        for agent in (host.agent, host.containers["db"], host.containers["cache"]):
            agent.call(chaos.echo_start, PORTS[1])

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
