/* SPDX-License-Identifier: GPL-2.0-only */
/* Lines as they come, from a file or from whoever writes to us and waits for the answers before it writes on. */
#ifndef BULKHEAD_CLI_BATCH_H
#define BULKHEAD_CLI_BATCH_H

#include <stdbool.h>
#include <stddef.h>

/* Twice EXPLAIN_LINE_MAX. As JSON, where a byte takes six at most, it fits the daemon's REQUEST_MAX. */
#define BATCH_BYTES 8192u

struct batch {
	int fd;
	char buffer[BATCH_BYTES + 1];
	size_t begin, end; /* of what was read and not yet taken */
	bool ended;	   /* there is no more */
	bool skipping;	   /* the rest of a line that was too long */
};

/* Waits for lines. 1: batch_line() has some; 0: the end; or -errno. */
int batch_read(struct batch *batch);
/* The next line of those that were read, without its end; NULL: read again. A line of more than BATCH_BYTES is cut, too
 * long still to be a question. NULs are shown as '?'. Valid until the next batch_read(). */
const char *batch_line(struct batch *batch);

#endif
