/* SPDX-License-Identifier: GPL-2.0-only */
#include "http.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/file.h"
#include "base/text.h"

#define HTTP_REQUEST_MAX 1024

struct http {
	struct loop *loop;
	int fd;
	struct loop_source *source, *timer;
	char request[HTTP_REQUEST_MAX];
	size_t request_size, sent;
	char *data; /* of the answer, as far as it is here; a stream's lines leave it as they are told */
	size_t size, capacity;
	bool has_head;
	int status;
	size_t body; /* where it begins */
	int64_t length;
	http_line_fn line;
	http_done_fn done;
	void *arg;
};

static const char *header_end(const char *data, size_t size)
{
	const char *end = memmem(data, size, "\r\n\r\n", 4);

	return end ? end + 4 : NULL;
}

/* 0, or -EBADMSG. Only what changes how the body is read matters. */
static int header_parse(const char *line, size_t size, int64_t *length)
{
	static const char length_name[] = "content-length:", coding_name[] = "transfer-encoding:";
	char number[24];

	if (size > strlen(coding_name) && strncasecmp(line, coding_name, strlen(coding_name)) == 0)
		return -EBADMSG; /* no server may answer HTTP/1.0 so */
	if (size <= strlen(length_name) || strncasecmp(line, length_name, strlen(length_name)) != 0)
		return 0;
	line += strlen(length_name);
	size -= strlen(length_name);
	while (size > 0 && *line == ' ') {
		line++;
		size--;
	}
	if (size == 0 || size > 18 || *length >= 0)
		return -EBADMSG;
	memcpy(number, line, size);
	number[size] = '\0';
	if (strspn(number, "0123456789") != size)
		return -EBADMSG;
	*length = strtoll(number, NULL, 10);
	return 0;
}

int http_parse_head(const char *data, size_t size, int *ret_status, size_t *ret_body, int64_t *ret_length)
{
	const char *end = header_end(data, size < HTTP_HEAD_MAX ? size : HTTP_HEAD_MAX), *line;
	int64_t length = -1;
	const char *code = data + strlen("HTTP/1.x ");

	if (!end)
		return size >= HTTP_HEAD_MAX ? -E2BIG : -EAGAIN;
	if (end - data < (ptrdiff_t)strlen("HTTP/1.x 200\r\n\r\n") || memcmp(data, "HTTP/1.", 7) != 0 || data[8] != ' ')
		return -EBADMSG;
	for (int i = 0; i < 3; i++) {
		if (code[i] < '0' || code[i] > '9')
			return -EBADMSG;
	}
	line = (const char *)memchr(data, '\n', (size_t)(end - data)) + 1;
	while (line < end - 2) {
		const char *next = memmem(line, (size_t)(end - line), "\r\n", 2);

		if (!next)
			return -EBADMSG;
		if (header_parse(line, (size_t)(next - line), &length) < 0)
			return -EBADMSG;
		line = next + 2;
	}
	*ret_status = (code[0] - '0') * 100 + (code[1] - '0') * 10 + (code[2] - '0');
	*ret_body = (size_t)(end - data);
	*ret_length = length;
	return 0;
}

static void http_free(struct http *http)
{
	loop_remove(http->source);
	loop_remove(http->timer);
	cleanup_close(&http->fd);
	free(http->data);
	free(http);
}

void http_cancel(struct http *http)
{
	if (http)
		http_free(http);
}

static void http_end(struct http *http, int status)
{
	http_done_fn done = http->done;
	void *arg = http->arg;
	const char *body = http->data && http->has_head ? http->data + http->body : "";
	size_t size = http->has_head ? http->size - http->body : 0;

	/* Deaf before it tells, and gone after: `done` may start the next one. */
	loop_remove(http->source);
	http->source = NULL;
	done(arg, status, status < 0 ? "" : body, status < 0 ? 0 : size);
	http_free(http);
}

static int http_grow(struct http *http)
{
	size_t capacity = http->capacity ? http->capacity * 2 : 16384;
	char *data;

	if (http->size + 1 < http->capacity)
		return 0;
	if (http->capacity > HTTP_HEAD_MAX + HTTP_BODY_MAX)
		return -EFBIG;
	data = realloc(http->data, capacity);
	if (!data)
		return -ENOMEM;
	http->data = data;
	http->capacity = capacity;
	return 0;
}

/* Tells the lines that are complete, and forgets them. */
static int http_lines(struct http *http)
{
	char *start = http->data + http->body, *end = http->data + http->size, *newline;

	while ((newline = memchr(start, '\n', (size_t)(end - start)))) {
		*newline = '\0';
		http->line(http->arg, start, (size_t)(newline - start));
		start = newline + 1;
	}
	if ((size_t)(end - start) > HTTP_LINE_MAX)
		return -EFBIG;
	memmove(http->data + http->body, start, (size_t)(end - start));
	http->size = http->body + (size_t)(end - start);
	http->data[http->size] = '\0';
	return 0;
}

/* 1: go on; 0: complete; or -errno. */
static int http_progress(struct http *http, bool closed)
{
	size_t size;
	int r;

	if (!http->has_head) {
		r = http_parse_head(http->data ? http->data : "", http->size, &http->status, &http->body,
				    &http->length);
		if (r == -EAGAIN)
			return closed ? -ECONNRESET : 1;
		if (r < 0)
			return r;
		http->has_head = true;
		/* A stream is in order once its head is here: from now on it may be silent. */
		if (http->line)
			(void)loop_set_timer(http->timer, -1, 0);
	}
	if (http->line && http->status == 200) {
		r = http_lines(http);
		return r < 0 ? r : !closed;
	}
	size = http->size - http->body;
	if (size > HTTP_BODY_MAX || http->length > (int64_t)HTTP_BODY_MAX)
		return -EFBIG;
	if (http->length >= 0 && size >= (size_t)http->length) {
		http->size = http->body + (size_t)http->length;
		http->data[http->size] = '\0';
		return 0;
	}
	if (!closed)
		return 1;
	return http->length >= 0 ? -ECONNRESET : 0;
}

/* So many, and the others have their turn: who sends without end is not waited for. */
#define READS_MAX 64

static int http_read(struct http *http)
{
	for (int i = 0; i < READS_MAX; i++) {
		int r = http_grow(http);
		ssize_t n;

		if (r < 0)
			return r;
		n = read(http->fd, http->data + http->size, http->capacity - http->size - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 1 : -errno;
		http->size += (size_t)n;
		http->data[http->size] = '\0';
		r = http_progress(http, n == 0);
		if (r <= 0)
			return r;
	}
	return 1;
}

static int http_write(struct http *http)
{
	ssize_t n = send(http->fd, http->request + http->sent, http->request_size - http->sent, MSG_NOSIGNAL);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 1 : -errno;
	http->sent += (size_t)n;
	if (http->sent < http->request_size)
		return 1;
	int r = loop_change_fd(http->source, EPOLLIN);
	return r < 0 ? r : 1;
}

static void http_ready(struct loop *loop, int fd, uint32_t epoll_events, void *arg)
{
	struct http *http = arg;
	int r;

	(void)loop;
	(void)fd;
	(void)epoll_events;
	r = http->sent < http->request_size ? http_write(http) : http_read(http);
	if (r <= 0)
		http_end(http, r < 0 ? r : http->status);
}

static void http_late(struct loop *loop, void *arg)
{
	(void)loop;
	http_end(arg, -ETIMEDOUT);
}

static int http_connect(struct http *http, const char *socket_path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (strlen(socket_path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, socket_path, strlen(socket_path));
	http->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (http->fd < 0)
		return -errno;
	/* EAGAIN here: its queue is full. A Unix socket connects at once or not at all. */
	return connect(http->fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
}

static int http_start(struct http *http, const char *socket_path, const char *target)
{
	int length = snprintf(http->request, sizeof(http->request), "GET %s HTTP/1.0\r\nHost: docker\r\n\r\n", target);
	int r;

	if (length >= (int)sizeof(http->request))
		return -ENAMETOOLONG;
	http->request_size = (size_t)length;
	r = http_connect(http, socket_path);
	if (r == 0)
		r = loop_add_timer(http->loop, http_late, http, &http->timer);
	if (r == 0)
		r = loop_set_timer(http->timer, HTTP_TIMEOUT_MS, 0);
	return r < 0 ? r : loop_add_fd(http->loop, http->fd, EPOLLOUT, http_ready, http, &http->source);
}

int http_get(struct loop *loop, const char *socket_path, const char *target, http_line_fn line, http_done_fn done,
	     void *arg, struct http **ret_http)
{
	struct http *http = calloc(1, sizeof(*http));
	int r;

	if (!http)
		return -ENOMEM;
	*http = (struct http){.loop = loop, .fd = -1, .line = line, .done = done, .arg = arg, .length = -1};
	r = http_start(http, socket_path, target);
	if (r < 0) {
		http_free(http);
		return r;
	}
	*ret_http = http;
	return 0;
}
