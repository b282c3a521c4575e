# SPDX-License-Identifier: GPL-2.0-only
"""Tests as functions, results as TAP. Each test is a process of its own, so that its 'host' vanishes with it."""

import os
import sys
import time
import traceback

from .host import Host


class Skip(Exception):
    """Raised by a probe that really tried the feature."""


def expect(condition, what):
    if not condition:
        raise AssertionError(what)


def equal(got, wanted, what):
    if got != wanted:
        raise AssertionError(f"{what}: {got!r}, not {wanted!r}")


def with_options(test, *options):
    """The same test once more, with options of the daemon: `with_options(test_x, "--no-tcx")` is test_x_no_tcx."""

    def variant(host):
        host.options = options
        test(host)

    variant.__name__ = test.__name__ + "".join(option.replace("--", "_").replace("-", "_") for option in options)
    variant.__doc__ = f"{test.__doc__.strip().splitlines()[0].rstrip('.')} ({' '.join(options)})"
    return variant


def _run_one(test):
    host = None
    try:
        host = Host() if getattr(test, "needs_host", True) else None
        test(host)
        return 0
    except Skip as skip:
        sys.stdout.write(f"# skip: {skip}\n")
        return 77
    except BaseException:
        for line in traceback.format_exc().splitlines():
            sys.stdout.write(f"# {line}\n")
        if host:
            for line in host.log().splitlines()[-30:]:
                sys.stdout.write(f"# daemon: {line}\n")
        return 1
    finally:
        try:
            if host:
                host.close()
        finally:
            sys.stdout.flush()


def main(tests, only=None):
    """Runs the tests (functions that take a Host) one after the other. argv may name some of them."""
    names = only or sys.argv[1:]
    chosen = [test for test in tests if not names or test.__name__ in names]
    print(f"1..{len(chosen)}", flush=True)
    failed = 0
    for number, test in enumerate(chosen, 1):
        title = (test.__doc__ or test.__name__).strip().splitlines()[0].rstrip(".")
        begin = time.monotonic()
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                code = _run_one(test)
            finally:
                os._exit(code)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        took = f"{time.monotonic() - begin:.1f} s"
        if code == 0:
            print(f"ok {number} - {title} ({test.__name__}, {took})", flush=True)
        elif code == 77:
            print(f"ok {number} - {title} ({test.__name__}) # SKIP {test.__name__}", flush=True)
        else:
            failed += 1
            print(f"not ok {number} - {title} ({test.__name__}, {took})", flush=True)
    sys.exit(1 if failed else 0)
