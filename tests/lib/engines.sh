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
#     engine_podman_start         containers.conf, storage.conf; the image is localhost/bulkhead-test:1
#     engine_podman_stop
#     engines_stop                both, as far as started; call it from a trap
#     engine_docker_works / engine_podman_works    a container really runs: 0, or 1 and why on standard error
#     engines_port_options        words for tests/tools/port_show; the daemon's options mean the same
#
# Each function prints nothing but errors. They return non-zero when something failed.

ENGINES=${ENGINES:-}
# What engines use outside of $ENGINES, whatever they are told.
ENGINES_FOLDERS="/run/netns /run/docker /run/containerd /run/containers /run/libpod /var/lib/cni /var/lib/containers
	/etc/containers/networks /etc/cni/net.d /run/bulkhead"
ENGINES_DOCKERD=
ENGINES_PODMAN=

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
