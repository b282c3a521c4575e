/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "process.h"

/* The line has 52 numbers, and a name of at most 64 bytes. */
#define STAT_FILE_MAX 4096u
#define START_FIELD   22
/* Up to 65,536 groups are in there. */
#define STATUS_FILE_MAX (1u << 20)
/* A supervisor has one child, and helpers for a moment. */
#define CHILDREN_FILE_MAX 65536u

int processes_add(struct processes *processes, int32_t pid, uint64_t start)
{
	struct process *process = array_append(processes);

	if (!process)
		return -ENOMEM;
	*process = (struct process){.pid = pid, .start = start};
	return 0;
}

/* "7 (name) S 1 …": the name is the process's choice, with brackets and spaces, so fields count from its last bracket.
 */
static int stat_parse(const char *stat, uint64_t *ret_start)
{
	const char *at = strrchr(stat, ')');
	unsigned long long start;
	char *end;

	for (int field = 2; at && field < START_FIELD; field++)
		at = strchr(at + 1, ' ');
	if (!at || at[1] < '0' || at[1] > '9')
		return -EBADMSG;
	start = strtoull(at + 1, &end, 10);
	if (*end != ' ' || start == 0)
		return -EBADMSG;
	*ret_start = start;
	return 0;
}

int process_start(const char *proc, int32_t pid, uint64_t *ret_start)
{
	char path[PATH_MAX];
	AUTO_FREE char *data = NULL;
	size_t size;
	int r;

	if (pid <= 0 || !proc)
		return -ESRCH;
	if (snprintf(path, sizeof(path), "%s/%d/stat", proc, pid) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	r = file_read(path, STAT_FILE_MAX, &data, &size, NULL);
	if (r < 0)
		return r == -ENOENT ? -ESRCH : r;
	return stat_parse(data, ret_start);
}

size_t process_children(const char *proc, int32_t pid, int32_t *pids, size_t max)
{
	char path[PATH_MAX], *at, *end;
	AUTO_FREE char *data = NULL;
	size_t size, count = 0;

	if (pid <= 0 || snprintf(path, sizeof(path), "%s/%d/task/%d/children", proc, pid, pid) >= (int)sizeof(path) ||
	    file_read(path, CHILDREN_FILE_MAX, &data, &size, NULL) < 0)
		return 0;
	for (at = data; count < max; at = end) {
		long child = strtol(at, &end, 10);

		if (end == at || child <= 0 || child > INT32_MAX)
			break;
		pids[count++] = (int32_t)child;
	}
	return count;
}

bool process_shares_namespace(const char *proc, int32_t pid, const char *kind)
{
	char path[PATH_MAX], own[64], its[64];
	ssize_t own_size, its_size;

	if (pid <= 0 || snprintf(path, sizeof(path), "%s/%d/ns/%s", proc, pid, kind) >= (int)sizeof(path))
		return false;
	its_size = readlink(path, its, sizeof(its));
	if (snprintf(path, sizeof(path), "%s/self/ns/%s", proc, kind) >= (int)sizeof(path))
		return false;
	own_size = readlink(path, own, sizeof(own));
	return own_size > 0 && own_size == its_size && memcmp(own, its, (size_t)own_size) == 0;
}

bool process_is_roots(const char *proc, int32_t pid)
{
	AUTO_FREE char *data = NULL;
	unsigned long real, effective, saved, files;
	char path[PATH_MAX];
	const char *line;
	size_t size;

	/* The name stands before it, with line breaks escaped. */
	return pid > 0 && snprintf(path, sizeof(path), "%s/%d/status", proc, pid) < (int)sizeof(path) &&
	       file_read(path, STATUS_FILE_MAX, &data, &size, NULL) == 0 && (line = strstr(data, "\nUid:")) &&
	       sscanf(line, "\nUid: %lu %lu %lu %lu", &real, &effective, &saved, &files) == 4 && real == 0 &&
	       effective == 0 && saved == 0 && files == 0;
}

bool process_is_still(const char *proc, const struct process *process)
{
	uint64_t start;

	return process->start > 0 && process_start(proc, process->pid, &start) == 0 && start == process->start;
}
