# SPDX-License-Identifier: GPL-2.0-only
"""Linux namespaces from Python: what os gained only in 3.12, by the C library."""

import ctypes
import os

CLONE_NEWNS = 0x00020000
CLONE_NEWNET = 0x40000000
MS_REC = 0x4000
MS_PRIVATE = 1 << 18

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result, what):
    if result != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")


def unshare(flags):
    _check(_libc.unshare(flags), "unshare")


def setns(path):
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _check(_libc.setns(fd, CLONE_NEWNET), f"setns {path}")
    finally:
        os.close(fd)


def mount(source, target, kind, flags=0, data=None):
    _check(
        _libc.mount(source.encode(), target.encode(), kind.encode(), flags, data.encode() if data else None),
        f"mount {target}",
    )
