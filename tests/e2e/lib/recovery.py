# SPDX-License-Identifier: GPL-2.0-only
"""How long until what somebody has taken away is whole again, as the kernel tells it and not the daemon."""

import ctypes
import json
import os
import platform
import re
import struct
import time

from .host import run, wait_until

BPF_MAP_LOOKUP_ELEM, BPF_MAP_UPDATE_ELEM, BPF_OBJ_GET, BPF_PROG_QUERY, BPF_LINK_DETACH = 1, 2, 7, 16, 34
TCX = {"ingress": 46, "egress": 47}
SYS_BPF = {"x86_64": 321, "aarch64": 280}[platform.machine()]
PATIENCE = 60.0

_libc = ctypes.CDLL(None, use_errno=True)


def _bpf(command, layout, *values):
    """bpf(2) with these attributes: (its result, the attributes afterwards)"""
    data = ctypes.create_string_buffer(struct.pack(layout, *values), 128)
    result = _libc.syscall(SYS_BPF, command, data, 64)
    if result < 0:
        raise OSError(ctypes.get_errno(), f"bpf {command}")
    return result, data.raw


def ifindex(interface):
    return int(open(f"/sys/class/net/{interface}/ifindex").read())


def tcx_line(interface, direction):
    """The ids of the programs in line, the first first."""
    ids = (ctypes.c_uint32 * 64)()
    _, after = _bpf(BPF_PROG_QUERY, "=IIIIQII", ifindex(interface), TCX[direction], 0, 0, ctypes.addressof(ids), 64, 0)
    return list(ids[: struct.unpack_from("=I", after, 24)[0]])


def tcx_detach(pins, interface, direction):
    path = ctypes.create_string_buffer(f"{pins}/link_{ifindex(interface)}_{direction}".encode())
    link, _ = _bpf(BPF_OBJ_GET, "=QII", ctypes.addressof(path), 0, 0)
    _bpf(BPF_LINK_DETACH, "=I", link)
    os.close(link)


def config_version(pins, version=None):
    """The version of the pinned state; it is set to another one if that is given."""
    path = ctypes.create_string_buffer(f"{pins}/map_config".encode())
    fd, _ = _bpf(BPF_OBJ_GET, "=QII", ctypes.addressof(path), 0, 0)
    key, value = ctypes.create_string_buffer(4), ctypes.create_string_buffer(4096)
    where = ("=IIQQQ", fd, 0, ctypes.addressof(key), ctypes.addressof(value), 0)
    _bpf(BPF_MAP_LOOKUP_ELEM, *where)
    was = struct.unpack_from("=I", value, 4)[0]
    if version is not None:
        struct.pack_into("=I", value, 4, version)
        _bpf(BPF_MAP_UPDATE_ELEM, *where)
    os.close(fd)
    return was


def ruleset():
    """The ruleset as text without order: elements of sets come in none, and those that packets put there come and go."""
    text = run("nft", "-s", "list", "ruleset")
    return sorted(re.split(r"[\s,]+", re.sub(r"elements = {[^}]* limit rate [^}]*}", "", text)))


def filters(interface):
    """Kinds and places of the clsact filters (their programs' ids are another daemon's after a restart)."""
    found = []
    for direction in ("ingress", "egress"):
        for entry in json.loads(run("tc", "-j", "filter", "show", "dev", interface, direction, check=False) or "[]"):
            if "options" in entry:
                found.append((direction, entry["pref"], entry["options"].get("handle"), entry["options"].get("prog", {}).get("id")))
    return found


def pins(host):
    """Without the names that a pin has for a moment, and the mark of a commit under way."""
    try:
        names = os.listdir(f"{host.pins_mount}/bulkhead")
    except FileNotFoundError:
        return []
    return sorted(name for name in names if not name.startswith("new_") and name != "grace")


class Disturbance:
    """`look` gives what must be as before when all is whole, `disturb` changes it."""

    def __init__(self, name, look, disturb):
        self.name, self.look, self.disturb = name, look, disturb
        self.times = []

    def once(self):
        before = self.look()
        begin = time.monotonic()
        self.disturb()
        wait_until(lambda: self.look() == before, PATIENCE, f"whole again after: {self.name}")
        self.times.append(time.monotonic() - begin)

    def told(self):
        times = sorted(self.times)
        at = [times[len(times) // 2], times[min(len(times) - 1, int(len(times) * 0.99))], times[-1]]
        return "{:<44} median {:6.1f} ms, 99th percentile {:6.1f} ms, worst {:6.1f} ms, of {}".format(
            self.name, *(value * 1000 for value in at), len(times)
        )


def by_nft(name, *words):
    return Disturbance(name, ruleset, lambda: run("nft", *words))


def of_links(host, interface):
    directory = f"{host.pins_mount}/bulkhead"
    for direction in TCX:
        yield Disturbance(
            f"tcx link detached at {direction}",
            lambda direction=direction: tcx_line(interface, direction),
            lambda direction=direction: tcx_detach(directory, interface, direction),
        )


def of_filters(interface):
    look = lambda: filters(interface)
    yield Disturbance("clsact filter deleted at ingress", look, lambda: run("tc", "filter", "del", "dev", interface, "ingress"))
    yield Disturbance("clsact filter deleted at egress", look, lambda: run("tc", "filter", "del", "dev", interface, "egress"))
    yield Disturbance("clsact qdisc deleted", look, lambda: run("tc", "qdisc", "del", "dev", interface, "clsact"))


def of_tables(interface):
    yield by_nft("ruleset flushed", "flush", "ruleset")
    for family in ("inet", "bridge", "arp"):
        yield by_nft(f"table {family} deleted", "delete", "table", family, "bulkhead")
    yield by_nft("a chain flushed", "flush", "chain", "inet", "bulkhead", "prerouting")
    yield by_nft("a chain's policy changed", "add chain bridge bulkhead postrouting { policy drop; }")
    yield by_nft("a rule put first", "insert", "rule", "inet", "bulkhead", "input", "accept")
    yield by_nft("a set flushed", "flush", "set", "bridge", "bulkhead", "open")
    yield by_nft("an element taken out", "delete", "element", "inet", "bulkhead", "open", "{", interface, "}")


def of_pins(host, interface):
    directory = f"{host.pins_mount}/bulkhead"
    look = lambda: pins(host)
    yield Disturbance("pin of a link removed", look, lambda: os.unlink(f"{directory}/link_{ifindex(interface)}_egress"))
    yield Disturbance("pin of a map removed", look, lambda: os.unlink(f"{directory}/map_ports"))
    yield Disturbance("all pins removed", look, lambda: run("rm", "-rf", directory, check=False))  # it may find new ones
