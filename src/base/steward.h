/* SPDX-License-Identifier: GPL-2.0-only */
/* The steward: a copy of the daemon from before it gave its privileges away, for the few things that need more than the
 * daemon keeps (another program, a mount). It does what is in its list and nothing else, looks at each order with the
 * eyes of whoever wrote the task, and ends with the daemon. Each order takes it a moment: it never waits for a program
 * that it has started. */
#ifndef BULKHEAD_BASE_STEWARD_H
#define BULKHEAD_BASE_STEWARD_H

#include <stdbool.h>
#include <stddef.h>

#include "error.h"

#define STEWARD_FDS_MAX	  2u
#define STEWARD_TEXT_MAX  (64u << 10)
#define STEWARD_TASKS_MAX 8u

struct steward_order {
	const char *text; /* words, each with a NUL behind it */
	size_t size;	  /* of them all, with their NULs */
	int fds[STEWARD_FDS_MAX];
	size_t fd_count;
};

/* What the task gives back, or -errno. In the steward the order is another process's word: check it. */
typedef int (*steward_task_fn)(const struct steward_order *order);

/* Starts it: before any file is open that it has no business with. 0 or -errno. */
int steward_start(const steward_task_fn *tasks, size_t count, struct error *error);
/* Lets the steward carry out `task`; without one (tests, tools, --no-sandbox) it is done here. -EPIPE: it is dead, or
 * has not answered in time; -EPERM: the task is none of its list. */
int steward_do(steward_task_fn task, const struct steward_order *order);
/* Becomes readable when the steward is dead; -1: there is none. */
int steward_fd(void);
/* Is this process the steward? */
bool steward_is_here(void);
/* Ends it; there may be none. */
void steward_end(void);

#endif
