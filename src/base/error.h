/* SPDX-License-Identifier: GPL-2.0-only */
/* Errors inside the program: a negative errno, and a sentence for people.
 *
 * A function that can fail returns 0 or -errno and takes a `struct error *` (which may be NULL when the caller only
 * wants the number). The sentence names the object; each layer on the way up may put its own words in front. */
#ifndef BULKHEAD_BASE_ERROR_H
#define BULKHEAD_BASE_ERROR_H

#include <stdarg.h>

#define ERROR_TEXT_MAX 512

struct error {
	int code;		   /* negative errno; 0 while nothing failed */
	char text[ERROR_TEXT_MAX]; /* NUL-terminated, cut when too long; no newline */
};

/* Sets `error` (if not NULL) to `code` (negative errno) and the formatted sentence; always returns `code`. */
int error_set(struct error *error, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Puts "words: " in front of what `error` says already. Returns error->code (or `code` when error is NULL). */
int error_wrap(struct error *error, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
