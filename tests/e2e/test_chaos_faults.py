#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
# suite-timeout: 3600
"""Each system call of a commit fails once, in turn: the policy in force is then exactly the old or exactly the new one, as
real packets see it, and the next try makes all whole."""

import errno
import random
import sys

sys.path.insert(0, __file__.rsplit("/", 1)[0])
from lib import chaos, tap
from lib.faults import Faults
from lib.host import wait_until
from lib.two import PORTS, Two

ERRORS = (errno.ENOMEM, errno.E2BIG, errno.EINTR, errno.ENOSPC)


def start(host, *options):
    chaos.scene(host)
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
