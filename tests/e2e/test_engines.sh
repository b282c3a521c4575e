#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# suite-timeout: 240
# The port watcher beside real engines: Docker and Podman, in a private network and mount namespace. What it says of
# their containers is compared with what was asked of the engine.
set -u
cd "$(dirname "$0")/../.." || exit 1
BUILD=${BUILD:-$PWD/build}
SHOW=$BUILD/tests/tools/port_show

if [ -z "${ENGINES_TEST_INSIDE:-}" ]; then
	if ! unshare --net --mount true 2>/dev/null; then
		echo '1..0 # SKIP cannot make namespaces (not root?)'
		exit 0
	fi
	ENGINES_TEST_INSIDE=1 exec unshare --net --mount --propagation private "$0"
fi

# shellcheck source=tests/lib/engines.sh
. tests/lib/engines.sh

number=0
views=
trap 'exec 3>&-; engines_stop; rm -f "$views"' EXIT

result() { # ok|not ok, description, [directive]
	number=$((number + 1))
	echo "$1 $number - $2${3:+ # SKIP $3}"
}

# check DESCRIPTION EXPRESSION: Python over `v` (the last view), `vs` (all of a --follow) and port(container, network).
check() {
	if /usr/bin/python3 - "$views" "$2" <<-'END'
		import json, sys
		vs = [json.loads(line) for line in open(sys.argv[1]) if line.strip()]
		v = vs[-1] if vs else {"ports": []}
		def ports(name, view=None):
		    return [p for p in (view or v)["ports"] if (p["owner"] or {}).get("name") == name]
		def port(name, network=None, view=None):
		    found = [p for p in ports(name, view) if network in (None, p["owner"]["network"])]
		    return found[0] if len(found) == 1 else None
		def owned(name, network, addresses):
		    p = port(name, network)
		    return p and p["state"] == "identified" and set(addresses) <= set(p["addresses"])
		try:
		    ok = eval("(" + sys.argv[2] + ")")
		except Exception as e:
		    ok = False
		    print("#", type(e).__name__, e)
		if not ok:
		    for p in v["ports"]:
		        print("#", p["name"], p["state"], p["reason"], p["addresses"], p["owner"])
		    print("#", v.get("unpoliced"), v.get("status"))
		sys.exit(not ok)
	END
	then
		result ok "$1"
	else
		result 'not ok' "$1"
	fi
}

# Views are written while the watcher runs; follow_end waits for its end.
follow() {
	views=$(mktemp)
	# shellcheck disable=SC2046 # a list of words
	"$SHOW" $(engines_port_options) --follow 60 >"$views" 2>&1 &
	follower=$!
	engines_wait 5 test -s "$views" # the first view is there: who comes now comes after the start
}

# Waits until the last view fulfils an expression (of a bash kind: a grep on the line), then for 1 s of silence.
until_seen() {
	engines_wait 20 sh -c "tail -n 1 '$views' | grep -q -- '$1'"
}

follow_end() {
	kill "$follower" 2>/dev/null
	wait "$follower" 2>/dev/null
	# The last line may be cut short.
	/usr/bin/python3 - "$views" <<-'END'
		import json, sys
		good = []
		for line in open(sys.argv[1]):
		    try:
		        json.loads(line)
		        good.append(line)
		    except ValueError:
		        pass
		open(sys.argv[1], "w").writelines(good)
	END
}

once() {
	rm -f "$views"
	views=$(mktemp)
	# shellcheck disable=SC2046
	"$SHOW" $(engines_port_options) "$@" | tr -d '\n' >"$views"
}

forget() {
	rm -f "$views"
	views=
}

docker_tests() {
	local docker=/usr/bin/docker image=bulkhead-test:1

	$docker network create --subnet 172.30.0.0/24 --ipv6 --subnet fd00:30::/64 neta >/dev/null
	$docker run -d --name before --label app=web --label "odd=$(printf 'a\033[31mb')" -p 8080:80 $image \
		sleep 1000 >/dev/null
	once
	check 'docker: a container that runs already' \
		'owned("before", "bridge", ["172.17.0.2"]) and port("before")["existed_at_start"]'
	check 'docker: its labels, image and control group' \
		'port("before")["owner"]["labels"]["app"] == "web" and port("before")["owner"]["image"] == "bulkhead-test:1"
		 and port("before")["owner"]["cgroup"].endswith(port("before")["owner"]["id"])'
	check 'docker: its MAC, gateway and link-local address' \
		'port("before")["mac"] == "02:42:ac:11:00:02" and "172.17.0.1" in port("before")["gateways"]
		 and "fe80::42:acff:fe11:2" in port("before")["addresses"]'
	check 'docker: what it publishes, and that a proxy relays it' \
		'port("before")["published"] == [{"protocol": 6, "host_port": 8080, "container_port": 80, "at": at} for at in ("0.0.0.0/0", "::/0")]'
	check 'docker: bridges, with the subnets of its networks' \
		'{"172.30.0.0/24", "fd00:30::/64"} in [set(b["subnets"]) for b in v["bridges"]]'

	follow
	$docker run -d --name later --network neta --cap-add NET_ADMIN $image sleep 1000 >/dev/null
	until_seen '"later"'
	$docker network connect neta before
	$docker run -d --name onhost --network host $image sleep 1000 >/dev/null
	until_seen onhost
	$docker rename later renamed
	until_seen renamed
	# What it does to itself counts for nothing.
	$docker exec --privileged renamed sh -c 'ip addr add 172.30.0.77/24 dev eth0; ip addr add 172.30.0.3/24 dev eth0;
		ip link set eth0 address 02:42:ac:1e:00:77' >/dev/null 2>&1
	sleep 1
	$docker restart -t 0 before >/dev/null
	sleep 1
	follow_end
	check 'docker: a container that starts later, IPv4 and IPv6' 'owned("renamed", "neta", ["172.30.0.2", "fd00:30::2"])'
	check 'docker: it did not exist at the start' 'not port("renamed")["existed_at_start"]'
	check 'docker: a second network is a second port' \
		'len(ports("before")) == 2 and owned("before", "neta", ["172.30.0.3"])'
	check 'docker: what uses the host'"'"'s network is listed' \
		'[u for u in v["unpoliced"] if u["name"] == "onhost" and u["runtime"] == "docker"]'
	check 'docker: an address or a MAC of its own choice is not believed' \
		'"172.30.0.77" not in port("renamed")["addresses"] and port("renamed")["mac"] == "02:42:ac:1e:00:02"'
	check 'docker: a restart is a new port' \
		'not {p["key"] for p in vs[0]["ports"]} & {p["key"] for p in ports("before")}'
	check 'docker: no port ever had another'"'"'s owner' \
		'all(len({p["owner"]["id"] for w in vs for p in w["ports"] if p["key"] == k and p["owner"]}) <= 1
		     for k in {p["key"] for w in vs for p in w["ports"]})'
	check 'docker: no port was identified before its owner was known' \
		'all(p["owner"] and p["addresses"] for w in vs for p in w["ports"] if p["state"] == "identified")'
	check 'docker: none is in conflict' 'not [p for w in vs for p in w["ports"] if p["state"] == "conflict"]'

	once docker_socket=/nonexistent
	check 'docker: by its files, while the API is silent' \
		'owned("renamed", "neta", ["172.30.0.2", "fd00:30::2"]) and not [r for r in v["status"]["runtimes"] if r["runtime"] == "docker" and r["reachable"]]'
	$docker rm -f renamed >/dev/null
	once
	check 'docker: a container that went is gone' 'not ports("renamed") and len(ports("before")) == 2'
	forget
}

podman_tests() {
	local image=localhost/bulkhead-test:1

	podman network create --subnet 10.55.0.0/24 --ipv6 --subnet fd00:55::/64 netb >/dev/null
	podman run -d --name pbefore --label app=web -p 8081:80 $image sleep 1000 >/dev/null 2>&1
	once
	check 'podman: a container that runs already' \
		'port("pbefore")["state"] == "identified" and port("pbefore")["existed_at_start"]
		 and port("pbefore")["owner"]["runtime"] == "podman"'
	check 'podman: its labels, image, network and control group' \
		'port("pbefore")["owner"]["labels"] == {"app": "web"} and "bulkhead-test:1" in port("pbefore")["owner"]["image"]
		 and port("pbefore")["owner"]["network"] == "podman"
		 and port("pbefore")["owner"]["cgroup"].endswith(port("pbefore")["owner"]["id"])'
	check 'podman: its address and gateway' \
		'any(a.startswith("10.88.0.") for a in port("pbefore")["addresses"]) and "10.88.0.1" in port("pbefore")["gateways"]'
	check 'podman: what it publishes; no proxy relays it' \
		'port("pbefore")["published"] == [{"protocol": 6, "host_port": 8081, "container_port": 80, "at": at} for at in ("0.0.0.0/0", "::/0")]'

	follow
	podman run -d --name plater --network netb --network podman $image sleep 1000 >/dev/null 2>&1
	until_seen '"plater"'
	podman run -d --name shares --network container:pbefore $image sleep 1000 >/dev/null 2>&1
	podman run -d --name onhost --network host $image sleep 1000 >/dev/null 2>&1
	podman network connect netb pbefore
	podman rename plater prenamed
	until_seen prenamed
	sleep 1
	follow_end
	check 'podman: a container on two networks' \
		'owned("prenamed", "netb", ["10.55.0.2", "fd00:55::2"]) and port("prenamed", "podman")["state"] == "identified"'
	check 'podman: who shares another'"'"'s namespace owns no port' 'not ports("shares") and len(ports("pbefore")) == 2'
	check 'podman: a network that was connected later' 'port("pbefore", "netb")["state"] == "identified"'
	check 'podman: what uses the host'"'"'s network is listed' \
		'[u for u in v["unpoliced"] if u["name"] == "onhost" and u["runtime"] == "podman"]'
	check 'podman: no port was identified before its owner was known' \
		'all(p["owner"] and p["addresses"] for w in vs for p in w["ports"] if p["state"] == "identified")'
	check 'podman: its namespaces are never taken for plain ones' \
		'not [p for w in vs for p in w["ports"] if (p["owner"] or {}).get("runtime") == "netns"]'
	podman rm -f -t 0 prenamed >/dev/null 2>&1
	once
	check 'podman: a container that went is gone' 'not ports("prenamed")'
	forget
}

# engine NAME TESTS COUNT
engine() {
	local why=$ENGINES/why i

	if "engine_$1_start" 2>"$why" && "engine_$1_works" >/dev/null 2>>"$why"; then
		"$2"
	else
		for ((i = 0; i < $3; i++)); do
			result ok "$1" "$1 does not run here: $(tail -n 1 "$why")"
		done
	fi
}

echo 1..27
engines_prepare || exit 1
engine docker docker_tests 16
engine podman podman_tests 11
