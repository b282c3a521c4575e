/* SPDX-License-Identifier: GPL-2.0-only */
/* Grace periods: waiting until no program that ran still runs.
 *
 * The kernel waits for one at each link that is attached or detached (with the lock of all interfaces held) and at each
 * change of a map of maps: 8 to 16 ms each, hundreds of them when hundreds of ports are opened. What it can do in some
 * microseconds, by asking the processors instead of waiting for them, it does on demand of /sys/kernel/rcu_expedited
 * only. So that is set for as long as an apply has such work, and put back at its end. Where an administrator wants it
 * otherwise (rcu_normal, as on real-time kernels), or /sys can't be written, all is as right and slower.
 *
 * A directory among the pins tells that the setting was 0 before: a daemon that was killed in between is no reason for
 * it to stay. Both last until the next boot. */
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "gate/tc_private.h"

#define EXPEDITED      "/sys/kernel/rcu_expedited"
#define NORMAL	       "/sys/kernel/rcu_normal"
#define MARK_SHORTENED TC_MARK_GRACE "/shortened"

/* A map of maps of our own: the kernel waits for a grace period at each change of one. */
int tc_grace_make(struct tc_gate *tc, struct error *error)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts);

	tc->grace_inner = bpf_map_create(BPF_MAP_TYPE_ARRAY, "grace_inner", 4, 4, 1, &opts);
	opts.inner_map_fd = (uint32_t)tc->grace_inner;
	if (tc->grace_inner >= 0)
		tc->grace_outer = bpf_map_create(BPF_MAP_TYPE_ARRAY_OF_MAPS, "grace", 4, 4, 1, &opts);
	if (tc->grace_outer < 0)
		return error_set(error, -ENOMEM, "cannot make small maps: %s", strerror(errno));
	return 0;
}

int tc_grace(struct tc_gate *tc)
{
	uint32_t zero = 0;

	tc_grace_shorten(tc);
	/* maybe_wait_bpf_programs() of kernel/bpf/syscall.c */
	return bpf_map_update_elem(tc->grace_outer, &zero, &tc->grace_inner, BPF_ANY);
}

static bool setting_is(const char *path, char value)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	char is = 0;

	return fd >= 0 && read(fd, &is, 1) == 1 && is == value;
}

static int expedited_set(const char *value)
{
	AUTO_CLOSE int fd = open(EXPEDITED, O_WRONLY | O_CLOEXEC);

	return fd >= 0 && write(fd, value, 1) == 1 ? 0 : -errno;
}

void tc_grace_shorten(struct tc_gate *tc)
{
	char path[TC_PATH_MAX];

	if (tc->grace_shortened || !setting_is(NORMAL, '0') || !setting_is(EXPEDITED, '0'))
		return;
	if (mkdir(tc_pin_path(tc->pin_dir, TC_MARK_GRACE, path), 0700) < 0 && errno != EEXIST)
		return;
	if (mkdir(tc_pin_path(tc->pin_dir, MARK_SHORTENED, path), 0700) < 0 && errno != EEXIST)
		return;
	tc->grace_shortened = true;
	if (expedited_set("1") < 0)
		tc_grace_restore(tc->pin_dir);
}

void tc_grace_restore(const char *pin_dir)
{
	char path[TC_PATH_MAX];

	if (access(tc_pin_path(pin_dir, MARK_SHORTENED, path), F_OK) < 0)
		return;
	expedited_set("0");
	rmdir(path);
}
