# SPDX-License-Identifier: GPL-2.0-only
"""System calls of the daemon that fail when they are told to: the test's side of tests/preload/faults.c."""

import mmap
import struct

from .host import BUILD

LAYOUT = struct.Struct("=IIIII44s")
CLOCK, TINY = 64, 72  # where these stand in the page


class Faults:
    """Made before the daemon starts."""

    def __init__(self, host):
        self.host = host
        path = f"{host.directory}/faults"
        with open(path, "wb+") as file:
            file.write(bytes(4096))
            file.flush()
            self.page = mmap.mmap(file.fileno(), 4096)
        host.environment = {
            "FAULTS": path,
            "LD_PRELOAD": str(BUILD / "tests/preload/faults.so"),
            "ASAN_OPTIONS": "verify_asan_link_order=0",
        }

    def arm(self, nth, error):
        """From now on the daemon's calls are counted, and the one after `nth` others fails."""
        self.page[: LAYOUT.size] = LAYOUT.pack(0, nth, error, 0, 0, b"")
        self.page[:4] = struct.pack("=I", self.host.daemon.pid)

    def jump(self, seconds):
        """The daemon's time of day differs by so much from the kernel's."""
        self.page[CLOCK : CLOCK + 8] = struct.pack("=q", seconds)

    def tiny_buffers(self):
        """What the daemon opens from now on has receive buffers of some 2 KiB."""
        self.page[TINY : TINY + 4] = struct.pack("=I", 1)

    def disarm(self):
        """(how many calls there were, the one that failed or "")"""
        self.page[:4] = struct.pack("=I", 0)
        _, _, _, count, fired, name = LAYOUT.unpack(self.page[: LAYOUT.size])
        return count, name.rstrip(b"\0").decode() if fired else ""
