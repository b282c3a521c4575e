# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Real container engines in a private 'host', for tests and for the demo. Source it in a shell that runs in a network
# namespace and a mount namespace of its own:
#
#     unshare --net --mount --propagation private bash script
#
# Nothing of the machine's own engines is used or changed: data, run-time folders and sockets are on tmpfs mounts that
# end with the mount namespace. Only control groups are shared, and those of the containers go with the containers.
#
#     engines_prepare             mounts, lo, the folder $ENGINES (everything of ours is in there)
#     engines_image               $ENGINES/rootfs.tar: busybox-static
#     engine_docker_start         dockerd; sets DOCKER_HOST; the image is bulkhead-test:1
#     engine_docker_restart
#     engine_docker_stop
#     engine_podman_start         containers.conf, storage.conf; the image is localhost/bulkhead-test:1. With the word
#                                 cni: CNI makes its networks
#     engine_podman_stop
#     engine_containerd_start     containerd with its CRI; CNI's network is `shopnet`, on the bridge cni0. Sets
#                                 CONTAINERD_ADDRESS and CONTAINERD_NAMESPACE (one of the test's own, since control
#                                 groups are shared) for ctr; the image is localhost/bulkhead-test:1
#     engine_containerd_stop
#     engines_stop                all, as far as started; call it from a trap
#     engine_NAME_works           a container really runs: 0, or 1 and why on standard error
#     engines_port_options        words for tests/tools/port_show; the daemon's options mean the same
#
# Each function prints nothing but errors. They return non-zero when something failed.

ENGINES=${ENGINES:-}
# What engines use outside of $ENGINES, whatever they are told.
ENGINES_FOLDERS="/run/netns /run/docker /run/containerd /run/containers /run/libpod /var/lib/cni /var/lib/containers
	/etc/containers/networks /etc/cni/net.d /run/bulkhead"
ENGINES_DOCKERD=
ENGINES_PODMAN=
ENGINES_CONTAINERD=

engines_prepare() {
	local folder

	if [ "$(readlink /proc/self/ns/net)" = "$(readlink /proc/$PPID/ns/net 2>/dev/null)" ] &&
		[ -z "${ENGINES_SAME_NETNS_IS_FINE:-}" ]; then
		# The caller may have entered the namespaces itself; then it says so.
		echo "engines: not in a network namespace of its own" >&2
		return 1
	fi
	mount --make-rprivate / || return 1
	ENGINES=$(mktemp -d /tmp/bulkhead-engines.XXXXXX) || return 1
	mount -t tmpfs -o mode=755 engines "$ENGINES" || return 1
	for folder in $ENGINES_FOLDERS; do
		mkdir -p "$folder" && mount -t tmpfs -o mode=755 engines "$folder" || return 1
	done
	# `ip netns add` and Podman bind namespaces in here, and want it shared with mount namespaces below.
	mount --make-shared /run/netns || return 1
	ip link set lo up
}

# A root file system of one static program and its names.
engines_image() {
	local root=$ENGINES/rootfs busybox

	[ -e "$ENGINES/rootfs.tar" ] && return 0
	busybox=$(command -v busybox) || { echo "engines: busybox-static is missing" >&2; return 1; }
	mkdir -p "$root/bin" "$root/etc" "$root/tmp" "$root/proc" "$root/sys" "$root/dev" "$root/root" || return 1
	cp "$busybox" "$root/bin/busybox" || return 1
	"$root/bin/busybox" --list | while read -r name; do
		[ "$name" = busybox ] || ln -s busybox "$root/bin/$name"
	done
	echo 'root:x:0:0:root:/root:/bin/sh' >"$root/etc/passwd"
	tar -C "$root" -cf "$ENGINES/rootfs.tar" . || return 1
}

# Waits until a command succeeds: engines_wait SECONDS COMMAND...
engines_wait() {
	local end=$((SECONDS + $1))

	shift
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.05
	done
}

# Options of dockerd may be given, such as --userland-proxy=false.
engine_docker_start() {
	command -v dockerd >/dev/null || { echo "engines: docker.io is not installed" >&2; return 1; }
	engines_image || return 1
	export DOCKER_HOST=unix://$ENGINES/docker.sock
	dockerd --host "$DOCKER_HOST" --data-root "$ENGINES/docker" --exec-root /run/docker \
		--pidfile "$ENGINES/dockerd.pid" "$@" >"$ENGINES/dockerd.log" 2>&1 &
	ENGINES_DOCKERD=$!
	if ! engines_wait 30 /usr/bin/docker version; then
		echo "engines: dockerd does not answer:" >&2
		tail -n 5 "$ENGINES/dockerd.log" >&2
		return 1
	fi
	/usr/bin/docker image inspect bulkhead-test:1 >/dev/null 2>&1 ||
		/usr/bin/docker import "$ENGINES/rootfs.tar" bulkhead-test:1 >/dev/null
}

# The service ends and starts again, containers or not. Options as for its start.
engine_docker_restart() {
	kill "$ENGINES_DOCKERD" && wait "$ENGINES_DOCKERD"
	engine_docker_start "$@"
}

engine_docker_stop() {
	local ids

	[ -n "$ENGINES_DOCKERD" ] || return 0
	ids=$(timeout 10 /usr/bin/docker ps -aq 2>/dev/null)
	# shellcheck disable=SC2086 # a list of words
	[ -z "$ids" ] || timeout 60 /usr/bin/docker rm -f $ids >/dev/null 2>&1
	kill "$ENGINES_DOCKERD" 2>/dev/null
	wait "$ENGINES_DOCKERD" 2>/dev/null
	ENGINES_DOCKERD=
}

# The limits: without CAP_SYS_RESOURCE Podman's own can't be set. The rest: no systemd, no journal.
engine_podman_start() {
	local word

	for word in podman runc; do
		command -v "$word" >/dev/null || { echo "engines: $word is not installed" >&2; return 1; }
	done
	engines_image || return 1
	mkdir -p "$ENGINES/podman" "$ENGINES/podman-run" || return 1
	cat >"$ENGINES/containers.conf" <<-END || return 1
		[containers]
		default_ulimits = ["nofile=20000:20000", "nproc=16384:16384"]
		[engine]
		cgroup_manager = "cgroupfs"
		events_logger = "file"
		runtime = "runc"
	END
	cat >"$ENGINES/storage.conf" <<-END || return 1
		[storage]
		driver = "overlay"
		graphroot = "$ENGINES/podman"
		runroot = "/run/containers/storage"
	END
	[ "${1:-}" != cni ] || printf '[network]\nnetwork_backend = "cni"\n' >>"$ENGINES/containers.conf" || return 1
	export CONTAINERS_CONF=$ENGINES/containers.conf CONTAINERS_STORAGE_CONF=$ENGINES/storage.conf
	ENGINES_PODMAN=yes
	podman import "$ENGINES/rootfs.tar" bulkhead-test:1 >/dev/null 2>"$ENGINES/podman.log" || {
		echo "engines: podman can't import an image:" >&2
		tail -n 5 "$ENGINES/podman.log" >&2
		return 1
	}
}

engine_podman_stop() {
	[ -n "$ENGINES_PODMAN" ] || return 0
	# Twice: what shares another's namespace must go first, and Podman does not mind the order.
	timeout 60 podman rm -af -t 0 >/dev/null 2>&1 || timeout 60 podman rm -af -t 0 >/dev/null 2>&1
	ENGINES_PODMAN=
}

# The image as an OCI layout: what ctr takes. Its command is for the CRI, which starts the first container of a pod from
# it.
engines_oci_image() {
	engines_image || return 1
	[ -e "$ENGINES/oci.tar" ] || /usr/bin/python3 - "$ENGINES" <<-'END'
		import hashlib, json, os, platform, sys, tarfile
		os.chdir(sys.argv[1])
		os.makedirs("oci/blobs/sha256")
		def blob(data):
		    digest = hashlib.sha256(data).hexdigest()
		    with open(f"oci/blobs/sha256/{digest}", "wb") as file:
		        file.write(data)
		    return {"digest": f"sha256:{digest}", "size": len(data)}
		def of(kind, item):
		    return {"mediaType": f"application/vnd.oci.image.{kind}", **item}
		layer = blob(open("rootfs.tar", "rb").read())
		machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
		config = blob(json.dumps({
		    "os": "linux", "architecture": machine, "config": {"Cmd": ["sleep", "100000"], "Env": ["PATH=/bin"]},
		    "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]}}).encode())
		manifest = blob(json.dumps({
		    "schemaVersion": 2, "config": of("config.v1+json", config), "layers": [of("layer.v1.tar", layer)]}).encode())
		named = {**of("manifest.v1+json", manifest),
		         "annotations": {"io.containerd.image.name": "localhost/bulkhead-test:1"}}
		json.dump({"schemaVersion": 2, "manifests": [named]}, open("oci/index.json", "w"))
		json.dump({"imageLayoutVersion": "1.0.0"}, open("oci/oci-layout", "w"))
		with tarfile.open("oci.tar", "w") as archive:
		    for name in os.listdir("oci"):
		        archive.add(f"oci/{name}", name)
	END
}

engines_containerd_run() {
	containerd --config "$ENGINES_TOML" >>"$ENGINES/containerd.log" 2>&1 &
	ENGINES_CONTAINERD=$!
	engines_wait 30 ctr version
}

engine_containerd_start() {
	local word

	for word in containerd ctr runc; do
		command -v "$word" >/dev/null || { echo "engines: $word is not installed" >&2; return 1; }
	done
	[ -x /usr/lib/cni/bridge ] || { echo "engines: containernetworking-plugins is not installed" >&2; return 1; }
	engines_oci_image || return 1
	# ctr looks for plugins nowhere else.
	mount -t tmpfs -o mode=755 engines /opt && mkdir /opt/cni && ln -s /usr/lib/cni /opt/cni/bin || return 1
	cat >/etc/cni/net.d/10-shop.conflist <<-END || return 1
		{ "cniVersion": "1.0.0", "name": "shopnet", "plugins": [
		  { "type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": true, "ipam": { "type": "host-local",
		    "ranges": [ [ { "subnet": "10.22.0.0/24" } ], [ { "subnet": "fd22::/64" } ] ],
		    "routes": [ { "dst": "0.0.0.0/0" }, { "dst": "::/0" } ] } },
		  { "type": "portmap", "capabilities": { "portMappings": true } } ] }
	END
	cat >"$ENGINES/containerd.toml" <<-END || return 1
		version = 2
		root = "$ENGINES/containerd"
		state = "/run/containerd"
		[grpc]
		address = "/run/containerd/containerd.sock"
		[plugins."io.containerd.grpc.v1.cri"]
		sandbox_image = "localhost/bulkhead-test:1"
		restrict_oom_score_adj = true
		disable_apparmor = true
		[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
		runtime_type = "io.containerd.runc.v2"
		pod_annotations = ["example.org/*"]
	END
	export CONTAINERD_ADDRESS=/run/containerd/containerd.sock CONTAINERD_NAMESPACE=test-$$
	export ENGINES_TOML=$ENGINES/containerd.toml
	if ! engines_containerd_run; then
		echo "engines: containerd does not answer:" >&2
		tail -n 5 "$ENGINES/containerd.log" >&2
		return 1
	fi
	for word in "$CONTAINERD_NAMESPACE" k8s.io; do
		ctr -n "$word" images import "$ENGINES/oci.tar" >/dev/null || return 1
	done
}

engine_containerd_stop() {
	local place id

	[ -n "$ENGINES_CONTAINERD" ] || return 0
	# Its containers live without it: a test may have ended it.
	kill -0 "$ENGINES_CONTAINERD" 2>/dev/null || engines_containerd_run
	for place in $(timeout 10 ctr namespaces list -q 2>/dev/null); do
		for id in $(timeout 10 ctr -n "$place" tasks list -q 2>/dev/null); do
			timeout 20 ctr -n "$place" tasks delete --force "$id" >/dev/null 2>&1
		done
	done
	kill "$ENGINES_CONTAINERD" 2>/dev/null
	wait "$ENGINES_CONTAINERD" 2>/dev/null
	ENGINES_CONTAINERD=
	# The containers' groups have gone with them; the one above is left.
	find /sys/fs/cgroup -mindepth 1 -maxdepth 2 -type d -name "$CONTAINERD_NAMESPACE" -exec rmdir {} + 2>/dev/null
}

engine_containerd_works() {
	timeout 60 ctr run --rm --cni localhost/bulkhead-test:1 "works-$$" true
}

engine_docker_works() {
	timeout 60 /usr/bin/docker run --rm bulkhead-test:1 true
}

engine_podman_works() {
	timeout 60 podman run --rm localhost/bulkhead-test:1 true
}

# Has a process our folder in its words? Podman cleans up behind its containers in the background, and would make its
# folders anew after the mount has gone.
engines_busy() {
	local file words

	for file in /proc/[0-9]*/cmdline; do
		mapfile -d '' words 2>/dev/null <"$file" || continue
		[[ "${words[*]}" != *"$ENGINES"* ]] || return 0
	done
	return 1
}

engines_idle() {
	! engines_busy
}

engines_stop() {
	engine_podman_stop
	engine_docker_stop
	engine_containerd_stop
	[ -n "$ENGINES" ] || return 0
	engines_wait 5 engines_idle
	# What is still mounted in there goes with the mount namespace.
	umount -l "$ENGINES" 2>/dev/null && rm -rf "$ENGINES"
	ENGINES=
}

engines_port_options() {
	echo "docker_socket=$ENGINES/docker.sock docker_root=$ENGINES/docker docker_netns_dir=/run/docker/netns" \
		"podman_root=$ENGINES/podman netns_dir=/run/netns"
}
