#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
# suite-timeout: 600
"""There is no window: containers that send from their first moment, by Podman, and not a packet that is denied."""

import sys

sys.path.insert(0, __file__.rsplit("/", 1)[0])
from lib import tap
from lib.starts import EnginePlugs, EngineStarts, suite

if __name__ == "__main__":
    tap.main(
        [
            suite("podman", "podman, 50 starts", lambda: EngineStarts("podman")),
            suite("podman_plug", "podman, a second network plugged 50 times", lambda: EnginePlugs("podman")),
        ]
    )
