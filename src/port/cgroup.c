/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "cgroup.h"

#define CGROUP_FILE_MAX	 65536u
#define CGROUP_PROCS_MAX 4096
#define SLICE		 ".slice"

void cgroups_free(struct cgroups *cgroups)
{
	for (size_t i = 0; i < cgroups->count; i++)
		free(cgroups->mounts[i]);
	cgroups->count = 0;
}

void cgroups_find(const char *proc, struct cgroups *cgroups)
{
	char path[PATH_MAX];
	const struct mntent *mount;
	FILE *mounts;

	cgroups_free(cgroups);
	if (!proc || snprintf(path, sizeof(path), "%s/self/mounts", proc) >= (int)sizeof(path))
		return;
	mounts = setmntent(path, "re");
	while (mounts && cgroups->count < CGROUPS_MAX && (mount = getmntent(mounts))) {
		if (strcmp(mount->mnt_type, "cgroup") != 0 && strcmp(mount->mnt_type, "cgroup2") != 0)
			continue;
		cgroups->mounts[cgroups->count] = strdup(mount->mnt_dir);
		if (cgroups->mounts[cgroups->count])
			cgroups->count++;
	}
	if (mounts)
		endmntent(mounts);
}

size_t cgroup_pids(const char *folder, int32_t pids[CGROUP_PIDS_MAX], bool *ret_found)
{
	char data[CGROUP_PROCS_MAX], path[PATH_MAX];
	char *at = data, *end;
	size_t count = 0;

	if (snprintf(path, sizeof(path), "%s/cgroup.procs", folder) >= (int)sizeof(path))
		return 0;
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, data, sizeof(data) - 1);
	if (n <= 0)
		return 0;
	data[n] = '\0';
	if (ret_found)
		*ret_found = true;
	for (; count < CGROUP_PIDS_MAX; at = end) {
		long pid = strtol(at, &end, 10);

		if (end == at || pid > INT32_MAX)
			break;
		if (pid > 0) /* 0: it is in no process namespace of ours */
			pids[count++] = (int32_t)pid;
	}
	return count;
}

static bool is_slice(const char *part, size_t length)
{
	size_t end = strlen(SLICE);

	return length > end && memcmp(part + length - end, SLICE, end) == 0;
}

/* `line` is "4:memory:/a.slice/NAME/below". */
static char *line_cut(const char *line, size_t size, const char *name)
{
	const char *path = memchr(line, '/', size), *end = line + size;

	for (const char *at = path; at && at < end;) {
		const char *part = at + 1, *next = memchr(part, '/', (size_t)(end - part));
		size_t length = (size_t)((next ? next : end) - part);

		if (length > 0 && length == strlen(name) && memcmp(part, name, length) == 0)
			return strndup(path, (size_t)(part - path) + length);
		if (!is_slice(part, length))
			return NULL;
		at = next;
	}
	return NULL;
}

char *cgroup_cut(const char *proc, int32_t pid, cgroup_cut_fn cut, const char *what)
{
	AUTO_FREE char *data = NULL;
	char path[PATH_MAX];
	size_t size;

	if (pid <= 0 || snprintf(path, sizeof(path), "%s/%d/cgroup", proc, pid) >= (int)sizeof(path) ||
	    file_read(path, CGROUP_FILE_MAX, &data, &size, NULL) < 0)
		return NULL;
	for (const char *line = data; *line;) {
		size_t length = strcspn(line, "\n");
		char *found = cut(line, length, what);

		if (found)
			return found;
		line += length + (line[length] == '\n');
	}
	return NULL;
}

char *cgroup_of(const char *proc, int32_t pid, const char *name)
{
	return cgroup_cut(proc, pid, line_cut, name);
}
