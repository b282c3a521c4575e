/* SPDX-License-Identifier: GPL-2.0-only */
/* Another program's answer, read in the loop: bounded in time and size. Its standard error goes nowhere. */
#ifndef BULKHEAD_PORT_CHILD_H
#define BULKHEAD_PORT_CHILD_H

#include <stddef.h>

#include "base/loop.h"

struct child;

/* Called once, when the program has ended: its exit status (128 + the signal's number when one ended it), or -errno:
 * -ETIMEDOUT and -EFBIG after it was killed. `output` is valid during the call, a NUL stands behind it. */
typedef void (*child_done_fn)(void *arg, int status, const char *output, size_t size);

/* `argv[0]` is looked for in PATH. 0 or -errno (then `done` is never called); `done` is not called from within. */
int child_run(struct loop *loop, const char *const argv[], size_t max_output, int timeout_ms, child_done_fn done,
	      void *arg, struct child **ret_child);
/* The same with a copy of this process instead of another program: what `work` writes to `fd` is the output, what it
 * returns the exit status. It has no other descriptors than the standard ones, may take its time, and dies with us. It
 * sees everything as it was at the call, and changes nothing of it for us. */
typedef int (*child_work_fn)(const void *what, int fd);
int child_fork(struct loop *loop, child_work_fn work, const void *what, size_t max_output, int timeout_ms,
	       child_done_fn done, void *arg, struct child **ret_child);
void child_cancel(struct child *child); /* kills it, without a call of `done`; NULL is fine */

#endif
