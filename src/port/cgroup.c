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

/* The path of ours in the hierarchy of `line`, to `*ret_end`; NULL: it is not known. */
static const char *own_path(const char *own, const char *line, const char *path, const char **ret_end)
{
	size_t head = (size_t)(path - line);

	for (const char *at = own; at && *at;) {
		size_t length = strcspn(at, "\n");

		if (length > head && strncmp(at, line, head) == 0 && at[head] == '/') {
			*ret_end = at + length;
			return at + head;
		}
		at += length + (at[length] == '\n');
	}
	return NULL;
}

/* The group of ours is there, or below: whoever is in a part of the host sees these names before all others, or "..".
 * No container has groups there. */
static bool is_above_us(const char *own, const char *own_end, const char *path, const char *end)
{
	size_t length = (size_t)(end - path);

	if (length >= 3 && memcmp(end - 3, "/..", 3) == 0)
		return true;
	return own && (size_t)(own_end - own) >= length && memcmp(own, path, length) == 0 &&
	       (own + length == own_end || own[length] == '/');
}

/* `line` is "4:memory:/a.slice/NAME/below". */
static char *line_cut(const char *line, size_t size, const char *name, const char *own)
{
	const char *path = memchr(line, '/', size), *end = line + size, *our_end = NULL;
	const char *ours = path ? own_path(own, line, path, &our_end) : NULL;
	size_t length = strlen(name);

	for (const char *at = path; at && at < end && length > 0;) {
		const char *part = at + 1, *next = memchr(part, '/', (size_t)(end - part));
		const char *part_end = next ? next : end;

		if ((size_t)(end - part) >= length && memcmp(part, name, length) == 0 &&
		    (part + length == end || part[length] == '/'))
			return strndup(path, (size_t)(part - path) + length);
		if (!is_slice(part, (size_t)(part_end - part)) && !is_above_us(ours, our_end, path, part_end))
			return NULL;
		at = next;
	}
	return NULL;
}

static char *groups_read(const char *proc, const char *whose)
{
	char path[PATH_MAX], *data;
	size_t size;

	if (snprintf(path, sizeof(path), "%s/%s/cgroup", proc, whose) >= (int)sizeof(path) ||
	    file_read(path, CGROUP_FILE_MAX, &data, &size, NULL) < 0)
		return NULL;
	return data;
}

static char *lines_cut(const char *proc, int32_t pid, cgroup_cut_fn cut, const char *what, const char *own)
{
	AUTO_FREE char *data = NULL;
	char whose[16];

	if (pid <= 0 || !proc)
		return NULL;
	snprintf(whose, sizeof(whose), "%d", pid);
	data = groups_read(proc, whose);
	for (const char *line = data; line && *line;) {
		size_t length = strcspn(line, "\n");
		char *found = cut ? cut(line, length, what) : line_cut(line, length, what, own);

		if (found)
			return found;
		line += length + (line[length] == '\n');
	}
	return NULL;
}

char *cgroup_cut(const char *proc, int32_t pid, cgroup_cut_fn cut, const char *what)
{
	return lines_cut(proc, pid, cut, what, NULL);
}

char *cgroup_of(const char *proc, int32_t pid, const char *name)
{
	AUTO_FREE char *own = proc ? groups_read(proc, "self") : NULL;

	return lines_cut(proc, pid, NULL, name, own);
}
