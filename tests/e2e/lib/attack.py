# SPDX-License-Identifier: GPL-2.0-only
"""Did it arrive? What tests of forged frames ask all the time."""

import json

from .host import run

QUIET = 0.4  # seconds without the frame that count as 'does not arrive'; on a veth it takes microseconds


def gets(receiver, send, needle, timeout=2.0, index=0):
    """Calls send(); the frame with `needle` that then comes in at the receiver's interface, or None."""
    handle = receiver.sniff_start(receiver.interfaces[index][1])
    try:
        send()
        return receiver.sniff_until(handle, needle, timeout)
    finally:
        receiver.sniff_stop(handle)


def gets_not(receiver, send, needle, index=0):
    return gets(receiver, send, needle, QUIET, index) is None


def host_gets(host, interface, send, needle, timeout=2.0):
    """The same for an interface of the host (a bridge)."""
    handle = host.agent.sniff_start(interface)
    try:
        send()
        return host.agent.sniff_until(handle, needle, timeout)
    finally:
        host.agent.sniff_stop(handle)


def fdb_port(bridge, mac):
    """Behind which interface the bridge believes this address to be; None: it does not know."""
    for entry in json.loads(run("bridge", "-j", "fdb", "show", "br", bridge)):
        if entry["mac"] == mac and "permanent" not in entry.get("state", ""):
            return entry["ifname"]
    return None


def fdb_moved(bridge, mac, port):
    """Has the entry of `mac`, that belongs behind `port`, moved to somebody else?"""
    where = fdb_port(bridge, mac)
    return where is not None and where != port
