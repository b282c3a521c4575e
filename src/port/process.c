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

bool process_is_still(const char *proc, const struct process *process)
{
	uint64_t start;

	return process->start > 0 && process_start(proc, process->pid, &start) == 0 && start == process->start;
}
