/* SPDX-License-Identifier: GPL-2.0-only */
#include "places.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "file.h"

#define LOCK_PATH_MAX 512

static int lock_path(const char *run_dir, char path[LOCK_PATH_MAX])
{
	struct stat st;

	if (stat("/proc/self/ns/net", &st) < 0)
		return -errno;
	if (snprintf(path, LOCK_PATH_MAX, "%s/netns-%llu.lock", run_dir, (unsigned long long)st.st_ino) >=
	    LOCK_PATH_MAX)
		return -ENAMETOOLONG;
	return 0;
}

int host_lock_take(const char *run_dir, int *ret_fd, struct error *error)
{
	AUTO_CLOSE int fd = -1;
	char path[LOCK_PATH_MAX], pid[32];
	ssize_t length;
	int r;

	r = file_make_directories(run_dir, 0755, error);
	if (r == 0)
		r = file_check_directory(run_dir, false, error);
	if (r < 0)
		return r;
	r = lock_path(run_dir, path);
	if (r < 0)
		return error_set(error, r, "the lock in %s: %s", run_dir, strerror(-r));
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return error_set(error, -errno, "%s: %s", path, strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		length = pread(fd, pid, sizeof(pid) - 1, 0);
		pid[length > 0 ? length : 0] = '\0';
		return error_set(error, -EBUSY, "another bulkheadd (pid %.10s) polices this host already (%s)", pid,
				 path);
	}
	if (ftruncate(fd, 0) < 0 || dprintf(fd, "%d", (int)getpid()) < 0)
		return error_set(error, -EIO, "%s: can't be written", path);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

bool host_lock_is_held(const char *run_dir)
{
	AUTO_CLOSE int fd = -1;
	char path[LOCK_PATH_MAX];

	if (lock_path(run_dir, path) < 0)
		return false;
	fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}
