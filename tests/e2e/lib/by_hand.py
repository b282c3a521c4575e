# SPDX-License-Identifier: GPL-2.0-only
"""CNI by hand: a plugin is run as a runtime runs it, and its result is kept as libcni keeps it."""

import base64
import json
import os
import pathlib
import subprocess

PLUGINS = "/usr/lib/cni"


def bridge(network, name, *subnets, data="/var/lib/cni/networks"):
    """The configuration of a network on a bridge of its own. `data`: where it is kept which addresses are given."""
    return {
        "cniVersion": "1.0.0", "name": network, "type": "bridge", "bridge": name, "isGateway": True,
        "ipam": {"type": "host-local", "dataDir": data, "ranges": [[{"subnet": subnet}] for subnet in subnets]},
    }


def plugin(command, config, container, netns, interface="eth0"):
    environment = {
        "CNI_COMMAND": command, "CNI_CONTAINERID": container, "CNI_NETNS": netns, "CNI_IFNAME": interface,
        "CNI_PATH": PLUGINS, "PATH": os.environ["PATH"],
    }
    done = subprocess.run(
        [f"{PLUGINS}/{config['type']}"], input=json.dumps(config), capture_output=True, text=True, env=environment, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"{config['type']} {command}: {done.stdout}{done.stderr}")
    return json.loads(done.stdout) if done.stdout else None


def keep(results, config, container, result, interface="eth0", **more):
    """As libcni's cacheAdd(): the file is written in place."""
    os.makedirs(results, mode=0o700, exist_ok=True)
    kept = {
        "kind": "cniCacheV1", "containerId": container, "ifName": interface, "networkName": config["name"],
        "config": base64.b64encode(json.dumps(config).encode()).decode(), "result": result, **more,
    }
    path = pathlib.Path(results, f"{config['name']}-{container}-{interface}")
    path.write_text(json.dumps(kept))
    return path


def host_side(result):
    """The name of the veth's end on the host."""
    return next(link["name"] for link in result["interfaces"] if link["name"].startswith("veth") and not link.get("sandbox"))
