/* SPDX-License-Identifier: GPL-2.0-only */
#include "cli/batch.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

int batch_read(struct batch *batch)
{
	ssize_t n;

	memmove(batch->buffer, batch->buffer + batch->begin, batch->end - batch->begin);
	batch->end -= batch->begin;
	batch->begin = 0;
	if (batch->ended)
		return 0;
	do
		n = read(batch->fd, batch->buffer + batch->end, BATCH_BYTES - batch->end);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	for (ssize_t i = 0; i < n; i++)
		if (batch->buffer[batch->end + (size_t)i] == '\0')
			batch->buffer[batch->end + (size_t)i] = '?';
	batch->ended = n == 0;
	batch->end += (size_t)n;
	return 1;
}

/* What is left is no whole line: is it one all the same, because nothing follows or nothing more fits? */
static const char *line_rest(struct batch *batch)
{
	const char *line = batch->buffer + batch->begin;
	bool full = batch->begin == 0 && batch->end == BATCH_BYTES, was_skipping = batch->skipping;

	if (batch->begin == batch->end || (!batch->ended && !full && !was_skipping))
		return NULL;
	batch->buffer[batch->end] = '\0';
	batch->begin = batch->end;
	batch->skipping = !batch->ended;
	return was_skipping ? NULL : line;
}

const char *batch_line(struct batch *batch)
{
	for (;;) {
		char *line = batch->buffer + batch->begin;
		char *newline = memchr(line, '\n', batch->end - batch->begin);
		bool rest_of_a_line = batch->skipping;

		if (!newline)
			return line_rest(batch);
		*newline = '\0';
		batch->begin = (size_t)(newline - batch->buffer) + 1;
		batch->skipping = false;
		if (!rest_of_a_line)
			return line;
	}
}
