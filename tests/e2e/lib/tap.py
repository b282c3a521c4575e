# SPDX-License-Identifier: GPL-2.0-only
"""Tests as functions, results as TAP. Each test is a process of its own, so that its 'host' vanishes with it."""

import os
import sys
import tempfile
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


def nft_alone(test):
    """The same test once more, with nftables alone: test_x_nft."""

    def variant(host):
        host.nft_alone = True
        test(host)

    variant.__name__ = f"{test.__name__}_nft"
    variant.__doc__ = f"{test.__doc__.strip().splitlines()[0].rstrip('.')} (nftables alone)"
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
        except BaseException as error:  # such as a sanitizer's report, at the daemon's end
            for line in str(error).splitlines():
                sys.stdout.write(f"# {line}\n")
            raise
        finally:
            sys.stdout.flush()


def _start(test):
    """Runs it in a process of its own; what it prints goes to a file, so that tests may run side by side."""
    output = tempfile.TemporaryFile()
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.dup2(output.fileno(), 1)
            code = _run_one(test)
        finally:
            os._exit(code)
    return pid, output, time.monotonic()


def _finish(number, test, code, output, begin):
    """The result's line, and what the test printed below it. True unless it failed."""
    title = (test.__doc__ or test.__name__).strip().splitlines()[0].rstrip(".")
    took = f"{time.monotonic() - begin:.1f} s"
    if code == 0:
        print(f"ok {number} - {title} ({test.__name__}, {took})")
    elif code == 77:
        print(f"ok {number} - {title} ({test.__name__}) # SKIP {test.__name__}")
    else:
        print(f"not ok {number} - {title} ({test.__name__}, {took})")
    output.seek(0)
    sys.stdout.write(output.read().decode(errors="replace"))
    sys.stdout.flush()
    output.close()
    return code in (0, 77)


def _side_by_side(tests, jobs):
    """Yields (number, test, exit code, output, when it began) of each, as they end."""
    waiting = list(enumerate(tests, 1))
    running = {}
    while waiting or running:
        while waiting and len(running) < jobs:
            number, test = waiting.pop(0)
            pid, output, begin = _start(test)
            running[pid] = (number, test, output, begin)
        pid, status = os.wait()
        if pid in running:
            number, test, output, begin = running.pop(pid)
            yield number, test, os.waitstatus_to_exitcode(status), output, begin


def main(tests, only=None, jobs=1):
    """Runs the tests (functions that take a Host), `jobs` of them at a time. argv may name some of them."""
    names = only or sys.argv[1:]
    chosen = [test for test in tests if not names or test.__name__ in names]
    print(f"1..{len(chosen)}", flush=True)
    results = [_finish(*ended) for ended in _side_by_side(chosen, jobs)]
    sys.exit(0 if all(results) else 1)


def main_groups(groups, planned, jobs=1):
    """Runs functions that take a Host and print results of their own, `planned` of them in all."""
    print(f"1..{planned}", flush=True)
    good = True
    for _, _, code, output, _ in _side_by_side(groups, jobs):
        output.seek(0)
        text = output.read().decode(errors="replace")
        output.close()
        print(text, end="", flush=True)
        good = good and code == 0 and not any(line.startswith("not ok") for line in text.splitlines())
    sys.exit(0 if good else 1)
