#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
# suite-timeout: 600
"""There is no window: containers that send from their first moment, by LXC, the CNI bridge plugin, and by hand, and not a packet that is denied."""

import sys

sys.path.insert(0, __file__.rsplit("/", 1)[0])
from lib import tap
from lib.starts import CniStarts, LxcStarts, VethPlugs, suite
from lib.window import open_door

if __name__ == "__main__":
    tap.main(
        [
            suite("cni", "the CNI bridge plugin, called 50 times", CniStarts),
            suite("open_door", "The door is taken away while no daemon runs: then the tests here see it", CniStarts, open_door),
            suite("lxc", "lxc, 50 starts", LxcStarts),
            suite("veth_plug", "a second veth by hand, plugged 50 times", VethPlugs),
        ]
    )
