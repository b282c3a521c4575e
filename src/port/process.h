/* SPDX-License-Identifier: GPL-2.0-only */
/* Processes of the host, as evidence. A number is given to another process when the first has ended; with the time of
 * its start it is not. Only what the kernel says of a process counts: its files, its environment and its arguments are
 * its own work, and nothing is ever opened below its root. */
#ifndef BULKHEAD_PORT_PROCESS_H
#define BULKHEAD_PORT_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/array.h"

struct process {
	int32_t pid;
	uint64_t start; /* in clock ticks since the machine's boot (proc(5), stat, field 22); 0: not said */
};
struct processes {
	ARRAY_OF(struct process);
};

int processes_add(struct processes *processes, int32_t pid, uint64_t start); /* 0 or -ENOMEM */

/* The first children of a process, at most `max`. */
size_t process_children(const char *proc, int32_t pid, int32_t *pids, size_t max);
/* The process is in the same namespace of this kind ("net", "pid" …) as we are. */
bool process_shares_namespace(const char *proc, int32_t pid, const char *kind);

/* It runs with all of its user ids root's: the real, the effective, the saved, the file system's. Whose the files in
 * its folder are says nothing of that: a process that can't be dumped has root's. */
bool process_is_roots(const char *proc, int32_t pid);

/* -ESRCH: there is none; -EBADMSG. */
int process_start(const char *proc, int32_t pid, uint64_t *ret_start);
/* The process that has this number now is the one that is meant. Ask this after what was read or opened of it. */
bool process_is_still(const char *proc, const struct process *process);

#endif
