/* SPDX-License-Identifier: GPL-2.0-only */
/* GET over a Unix socket, in the loop: what Docker's API needs, and no more. Asked in HTTP/1.0, so that the answer is
 * not chunked and ends with the connection (RFC 1945). A library for all of HTTP would be larger than the daemon. */
#ifndef BULKHEAD_PORT_HTTP_H
#define BULKHEAD_PORT_HTTP_H

#include <stddef.h>
#include <stdint.h>

#include "base/loop.h"

/* Docker's answer for one container has about 6 KiB, a list of 1,000 containers 2 MiB. */
#define HTTP_BODY_MAX (8u << 20)
#define HTTP_HEAD_MAX 16384u
/* One event of a stream; it has all labels of its container. */
#define HTTP_LINE_MAX	(1u << 20)
#define HTTP_TIMEOUT_MS 20000

struct http; /* one request */

/* Called once at the end: `status` is the server's (200, 404 …), or -errno. `body` is valid during the call, a NUL
 * stands behind it. The request is gone then. */
typedef void (*http_done_fn)(void *arg, int status, const char *body, size_t size);
/* Called for each line of a stream's body, without its newline. It must not cancel the request. */
typedef void (*http_line_fn)(void *arg, const char *line, size_t size);

/* `line` NULL: an answer as a whole, within HTTP_TIMEOUT_MS. Otherwise a stream, which ends when the server ends it.
 * `done` is never called from within. 0 or -errno (then `done` is not called at all). */
int http_get(struct loop *loop, const char *socket_path, const char *target, http_line_fn line, http_done_fn done,
	     void *arg, struct http **ret_http);
void http_cancel(struct http *http); /* without a call of `done`; NULL is fine */

/* The head of an answer: -EAGAIN while it is not complete, -EBADMSG when it is none, -E2BIG when it is too long.
 * *ret_length: of the body, -1 when the server does not say. */
int http_parse_head(const char *data, size_t size, int *ret_status, size_t *ret_body, int64_t *ret_length);

#endif
