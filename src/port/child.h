/* SPDX-License-Identifier: GPL-2.0-only */
/* Another program's answer, read in the loop: bounded in time and size. Its standard error goes nowhere. */
#ifndef BULKHEAD_PORT_CHILD_H
#define BULKHEAD_PORT_CHILD_H

#include <stddef.h>

#include "base/loop.h"
#include "base/steward.h"

#define CHILD_WORDS_MAX 128u /* of a program and its arguments, with the NULL behind them */

struct child;

/* Called once, when the program has ended: its exit status (128 + the signal's number when one ended it), or -errno:
 * -ETIMEDOUT and -EFBIG after it was killed. `output` is valid during the call, a NUL stands behind it. */
typedef void (*child_done_fn)(void *arg, int status, const char *output, size_t size);

/* Starts the program of an order (its words; the descriptor becomes its standard output) as a child of the daemon. Any
 * program: a task of the steward's list looks at the words first. Its number, or -errno. */
int child_task(const struct steward_order *order);
/* The words of an order, a NULL behind them; 0: too many. */
size_t child_words(const struct steward_order *order, const char *words[CHILD_WORDS_MAX]);

/* `task` starts it: child_task(), or one that calls it. `argv[0]` is looked for in PATH. 0 or -errno (then `done` is
 * never called); `done` is not called from within. */
int child_run(struct loop *loop, steward_task_fn task, const char *const argv[], size_t max_output, int timeout_ms,
	      child_done_fn done, void *arg, struct child **ret_child);
/* The same with a copy of this process instead of another program: what `work` writes to `fd` is the output, what it
 * returns the exit status. It has no other descriptors than the standard ones, may take its time, and dies with us. It
 * sees everything as it was at the call, and changes nothing of it for us. */
typedef int (*child_work_fn)(const void *what, int fd);
int child_fork(struct loop *loop, child_work_fn work, const void *what, size_t max_output, int timeout_ms,
	       child_done_fn done, void *arg, struct child **ret_child);
/* The same for work that needs descriptors of ours: it has these, too. */
struct child_fds {
	const int *items;
	size_t count;
};
int child_fork_with(struct loop *loop, child_work_fn work, const void *what, const struct child_fds *keep,
		    size_t max_output, int timeout_ms, child_done_fn done, void *arg, struct child **ret_child);
void child_cancel(struct child *child); /* kills it, without a call of `done`; NULL is fine */

#endif
