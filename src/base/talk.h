/* SPDX-License-Identifier: GPL-2.0-only */
/* Talking by lines over a Unix stream socket, as the daemon's control socket does: bounded in time and size, whatever
 * the other end does. Deadlines are of monotonic_ms(). */
#ifndef BULKHEAD_BASE_TALK_H
#define BULKHEAD_BASE_TALK_H

#include <stdint.h>

#include "error.h"
#include "text.h"

#define TALK_FOREVER INT64_MAX /* no deadline */

struct talk {
	int fd; /* -1: closed */
	struct text heard;
	size_t taken; /* bytes of `heard` that were handed out */
};
#define TALK_CLOSED ((struct talk){.fd = -1})

/* The output is untouched on failure: -ENAMETOOLONG, -ETIMEDOUT (nobody accepts), or what the kernel says. */
int talk_open(const char *path, int64_t deadline_ms, struct talk *ret_talk, struct error *error);
void talk_close(struct talk *talk); /* a closed one is fine */

/* Sends the text and a newline. -EPIPE: it has hung up, and may have said why before. */
int talk_say(struct talk *talk, const char *text, size_t length, int64_t deadline_ms);
/* The next line, NUL-terminated, without its newline: the talk's own, good until the next call. -ENODATA: it hung up
 * before there was one; -EMSGSIZE: it is longer than `max` bytes; -ETIMEDOUT. */
int talk_hear(struct talk *talk, size_t max, int64_t deadline_ms, const char **ret_line, size_t *ret_length);
/* Waits until there is something to hear, or a hang-up. -ETIMEDOUT. */
int talk_wait(const struct talk *talk, int64_t deadline_ms);

#endif
