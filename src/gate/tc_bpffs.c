/* SPDX-License-Identifier: GPL-2.0-only */
/* The BPF file system: mounted where it is missing, and where others see it, too. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include <sys/wait.h>

#include "base/file.h"
#include "gate/tc_private.h"

#define USUAL	       "/sys/fs/bpf"
#define BPFFS_MAGIC    0xcafe4a11 /* BPF_FS_MAGIC */
#define MOUNT_LINE_MAX 4096

bool tc_on_bpffs(const char *path)
{
	struct statfs fs;

	return statfs(path, &fs) == 0 && (uint64_t)fs.f_type == BPFFS_MAGIC;
}

static int mount_here(void)
{
	if (tc_on_bpffs(USUAL))
		return 0;
	return mount("bpf", USUAL, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") < 0 ? -errno : 0;
}

/* Do mounts on /sys come to us from another mount namespace, as in a hardened service? "36 35 0:22 / /sys rw,nosuid
 * master:7 - sysfs …" */
static bool sys_is_given(void)
{
	AUTO_FCLOSE FILE *mounts = fopen("/proc/self/mountinfo", "re");
	char line[MOUNT_LINE_MAX], place[MOUNT_LINE_MAX];
	bool given = false;

	while (mounts && fgets(line, sizeof(line), mounts)) {
		char *end = strstr(line, " - ");

		if (end && sscanf(line, "%*s %*s %*s %*s %4095s", place) == 1 && strcmp(place, "/sys") == 0) {
			*end = '\0';
			given = strstr(line, " master:") != NULL;
		}
	}
	return given;
}

/* A mount that only we see would be gone with us, and the pins with it: in the namespace that it comes from. */
static int mount_at_first_process(void)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		AUTO_CLOSE int fd = open("/proc/1/ns/mnt", O_RDONLY | O_CLOEXEC);

		_exit(fd >= 0 && setns(fd, CLONE_NEWNS) == 0 && mount_here() == 0 ? 0 : 1);
	}
	if (child < 0)
		return -errno;
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	return status == 0 && tc_on_bpffs(USUAL) ? 0 : -EIO;
}

int gate_mount_task(const struct steward_order *order)
{
	(void)order;
	return sys_is_given() && mount_at_first_process() == 0 ? 0 : mount_here();
}

int tc_bpffs_ensure(const char *pin_dir, bool *ret_mounted, struct error *error)
{
	int r;

	*ret_mounted = false;
	if (strncmp(pin_dir, USUAL "/", sizeof(USUAL)) != 0 || tc_on_bpffs(USUAL))
		return 0;
	r = steward_do(gate_mount_task, &(struct steward_order){0});
	if (r < 0)
		return error_set(error, r, "cannot mount the BPF file system on %s: %s", USUAL, strerror(-r));
	*ret_mounted = true;
	return 0;
}
