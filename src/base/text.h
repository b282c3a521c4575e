/* SPDX-License-Identifier: GPL-2.0-only */
/* Text: a growing buffer, escapes for untrusted text, and near misses. */
#ifndef BULKHEAD_BASE_TEXT_H
#define BULKHEAD_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A growing, always NUL-terminated string. Zero-initialise; text_free() when done. After a failed append (memory is
 * short) `failed` stays set, the content is what it was, and text_take() returns NULL. */
struct text {
	char *data; /* NULL while empty */
	size_t length, capacity;
	bool failed;
};

void text_free(struct text *text);
void text_clear(struct text *text);
void text_append(struct text *text, const char *string);
void text_append_bytes(struct text *text, const char *bytes, size_t length);
void text_appendf(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Untrusted text for a terminal or a log: control characters and broken UTF-8 as \xNN, backslash doubled. */
void text_append_escaped(struct text *text, const char *untrusted);
const char *text_string(const struct text *text); /* never NULL */
char *text_take(struct text *text);		  /* the caller frees; `text` is empty then. NULL if failed */

/* The same escape into a fixed buffer (cut with "..." when too long); returns buffer. */
const char *text_escape(char *buffer, size_t size, const char *untrusted);

bool text_is_utf8(const char *bytes, size_t length);

/* "Did you mean": optimal string alignment distance (Damerau 1964; restricted form), at most `limit` + 1. */
unsigned int text_distance(const char *a, const char *b, unsigned int limit);
/* The candidate nearest to `word`, if it is near enough to be a typing error (distance <= 1 + length/4); or NULL. */
const char *text_nearest(const char *word, const char *const *candidates, size_t count);

/* fnmatch(3) without flags on bounded text: matches whole, `*` crosses '/'. Never quadratic blow-up in user data:
 * iterative, with one star of back-tracking. Brackets as fnmatch: [a-z], [!a-z], escapes by backslash. */
bool glob_match(const char *pattern, const char *text);
/* NULL when the pattern is well formed; otherwise what is wrong with it (static text). */
const char *glob_check(const char *pattern);

/* "2 minutes ago", "1.5 MiB", "12,345" into `buffer`; returned. */
const char *text_ago(char *buffer, size_t size, int64_t seconds);
const char *text_bytes(char *buffer, size_t size, uint64_t bytes);
const char *text_grouped(char *buffer, size_t size, uint64_t number);

/* The clock for time-outs: it never jumps, and begins anywhere. */
int64_t monotonic_ns(void);
int64_t monotonic_ms(void);
/* RFC 3339 with offset or Z → nanoseconds since the epoch (UTC). -EINVAL when malformed or out of range (1970..2262).
 */
int time_parse(const char *text, int64_t *ret_ns);
/* "2027-01-31T18:00:00Z" */
const char *time_format(char buffer[32], int64_t ns);

#endif
