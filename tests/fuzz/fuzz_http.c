/* SPDX-License-Identifier: GPL-2.0-only */
/* What a container engine's API answers over its socket, as an answer or as a stream of lines: the whole client, but
 * for connecting. The input's first byte: odd for a stream; then pieces as they arrive, each behind its length in two
 * bytes. Whatever comes is told once, whole, with a NUL behind it. Dictionary: http.dict. */
#include <stdint.h>
#include <sys/socket.h>

#include "must.h"

/* For the connection that this makes itself. */
#include "port/http.c" /* NOLINT(bugprone-suspicious-include) */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Less than what a pair of sockets takes at once. */
#define PIECE_MAX 8192u

struct told {
	size_t ends, lines, bytes;
};

static void line_told(void *arg, const char *line, size_t size)
{
	struct told *told = arg;

	must(!told->ends && size <= HTTP_LINE_MAX + PIECE_MAX && line[size] == '\0' && !memchr(line, '\n', size));
	told->lines++;
	told->bytes += size;
}

static void end_told(void *arg, int status, const char *body, size_t size)
{
	struct told *told = arg;

	must(status != -EAGAIN && status <= 999 && (status >= 0 || size == 0));
	must(size <= HTTP_BODY_MAX && body[size] == '\0');
	told->ends++;
	told->bytes += size;
}

static struct http *http_of(struct loop *loop, int fd, bool stream, struct told *told)
{
	struct http *http = calloc(1, sizeof(*http));

	must(http);
	*http = (struct http){
		.loop = loop, .fd = fd, .line = stream ? line_told : NULL, .done = end_told, .arg = told, .length = -1};
	must(loop_add_timer(loop, http_late, http, &http->timer) == 0);
	must(loop_add_fd(loop, fd, EPOLLIN, http_ready, http, &http->source) == 0);
	return http;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct told told = {0};
	struct loop *loop = NULL;
	struct http *http;
	size_t sent = 0;
	int pair[2];

	if (size < 1)
		return 0;
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0 && loop_new(&loop) == 0);
	http = http_of(loop, pair[0], data[0] & 1, &told);
	data++;
	size--;
	while (size >= 2 && !told.ends) {
		size_t length = ((size_t)data[0] | (size_t)data[1] << 8) % PIECE_MAX;

		data += 2;
		size -= 2;
		length = length < size ? length : size;
		must(send(pair[1], data, length, MSG_NOSIGNAL) == (ssize_t)length);
		http_ready(loop, pair[0], EPOLLIN, http);
		sent += length;
		data += length;
		size -= length;
	}
	close(pair[1]);
	if (!told.ends)
		http_ready(loop, pair[0], EPOLLIN, http);
	must(told.ends == 1 && told.bytes + told.lines <= sent);
	loop_free(loop);
	return 0;
}
