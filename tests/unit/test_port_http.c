/* SPDX-License-Identifier: GPL-2.0-only */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "port/http.h"

/* A server that gives one answer, in pieces, and closes. */
struct server {
	struct loop *loop;
	char directory[64], path[96];
	int listen_fd, fd;
	const char *answer;
	size_t size, sent, piece;
	struct loop_source *accepting, *writing;
	char request[256];
};
struct result {
	struct loop *loop;
	unsigned int calls;
	int status;
	char body[256];
	size_t size;
	char lines[8][32];
	size_t line_count;
};

static void server_write(struct loop *loop, int fd, uint32_t events, void *arg)
{
	struct server *server = arg;
	size_t rest = server->size - server->sent, piece = rest < server->piece ? rest : server->piece;
	ssize_t n;

	if (!server->request[0]) {
		/* It is small, and comes whole. */
		assert_true(read(fd, server->request, sizeof(server->request) - 1) > 0);
		assert_int_equal(loop_change_fd(server->writing, EPOLLOUT), 0);
		return;
	}
	n = rest ? send(fd, server->answer + server->sent, piece, MSG_NOSIGNAL | MSG_DONTWAIT) : 0;

	(void)loop;
	(void)events;
	if (n > 0) {
		server->sent += (size_t)n;
		return;
	}
	loop_remove(server->writing);
	server->writing = NULL;
	close(fd);
	server->fd = -1;
}

static void server_accept(struct loop *loop, int fd, uint32_t events, void *arg)
{
	struct server *server = arg;

	(void)events;
	server->fd = accept(fd, NULL, NULL);
	assert_true(server->fd >= 0);
	assert_int_equal(loop_add_fd(loop, server->fd, EPOLLIN, server_write, server, &server->writing), 0);
}

static void server_open(struct server *server, const char *answer, size_t size, size_t piece)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	*server = (struct server){.answer = answer, .size = size, .piece = piece, .fd = -1};
	assert_int_equal(loop_new(&server->loop), 0);
	snprintf(server->directory, sizeof(server->directory), "/tmp/test-http.XXXXXX");
	assert_non_null(mkdtemp(server->directory));
	snprintf(server->path, sizeof(server->path), "%s/s", server->directory);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", server->path);
	server->listen_fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(server->listen_fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(server->listen_fd, 4), 0);
	assert_int_equal(
		loop_add_fd(server->loop, server->listen_fd, EPOLLIN, server_accept, server, &server->accepting), 0);
}

static void server_close(struct server *server)
{
	loop_remove(server->accepting);
	loop_remove(server->writing);
	if (server->fd >= 0)
		close(server->fd);
	close(server->listen_fd);
	unlink(server->path);
	rmdir(server->directory);
	loop_free(server->loop);
}

static void done(void *arg, int status, const char *body, size_t size)
{
	struct result *result = arg;

	result->calls++;
	result->status = status;
	result->size = size;
	assert_int_equal(body[size], '\0');
	snprintf(result->body, sizeof(result->body), "%s", body);
	loop_quit(result->loop, 0);
}

static void line(void *arg, const char *text, size_t size)
{
	struct result *result = arg;

	assert_true(result->line_count < 8);
	assert_int_equal(strlen(text), size);
	snprintf(result->lines[result->line_count++], sizeof(result->lines[0]), "%.31s", text);
}

static struct result ask(const char *answer, size_t size, size_t piece, http_line_fn line_fn)
{
	struct server server;
	struct result result = {0};
	struct http *http;

	server_open(&server, answer, size, piece);
	result.loop = server.loop;
	assert_int_equal(http_get(server.loop, server.path, "/a/b", line_fn, done, &result, &http), 0);
	assert_int_equal(loop_run(server.loop), 0);
	assert_int_equal(result.calls, 1);
	assert_string_equal(server.request, "GET /a/b HTTP/1.0\r\nHost: docker\r\n\r\n");
	server_close(&server);
	return result;
}

static struct result ask_text(const char *answer, size_t piece)
{
	return ask(answer, strlen(answer), piece, NULL);
}

static void test_answers(void **state)
{
	static const struct {
		const char *answer;
		int status;
		const char *body;
	} cases[] = {
		{"HTTP/1.0 200 OK\r\n\r\nhello", 200, "hello"},
		{"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, "hello"},
		{"HTTP/1.1 200 OK\r\ncontent-length:   3\r\nX: y\r\n\r\nhello", 200, "hel"},
		{"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", 200, ""},
		{"HTTP/1.0 404 Not Found\r\n\r\nnone", 404, "none"},
		{"HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\nhello", -ECONNRESET, ""},
		{"HTTP/1.0 200 OK\r\nContent-Le", -ECONNRESET, ""},
		{"", -ECONNRESET, ""},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", -EBADMSG, ""},
		{"HTTP/1.0 2x0 OK\r\n\r\n", -EBADMSG, ""},
		{"SSH-2.0-OpenSSH_9.2p1\r\n\r\n", -EBADMSG, ""},
		{"HTTP/1.0 200 OK\r\nContent-Length: -1\r\n\r\n", -EBADMSG, ""},
		{"HTTP/1.0 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", -EBADMSG, ""},
		{"HTTP/1.0 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nab", -EBADMSG, ""},
		{"HTTP/1.0 200 OK\r\nContent-Length: 999999999999\r\n\r\nab", -EFBIG, ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		for (size_t piece = 1; piece <= 4096; piece *= 64) {
			struct result result = ask_text(cases[i].answer, piece);

			assert_int_equal(result.status, cases[i].status);
			assert_string_equal(result.body, cases[i].body);
		}
	}
}

static void test_too_large(void **state)
{
	static const char head[] = "HTTP/1.0 200 OK\r\n\r\n";
	size_t size = sizeof(head) - 1 + HTTP_BODY_MAX;
	char *answer = malloc(size + 1);

	(void)state;
	assert_non_null(answer);
	memset(answer, 'x', size + 1);
	memcpy(answer, head, sizeof(head) - 1);
	struct result result = ask(answer, size, 1 << 20, NULL);
	assert_int_equal(result.status, 200);
	assert_int_equal(result.size, HTTP_BODY_MAX);
	result = ask(answer, size + 1, 1 << 20, NULL);
	assert_int_equal(result.status, -EFBIG);
	/* A head without an end. */
	memset(answer, 'x', size);
	memcpy(answer, head, 17);
	result = ask(answer, HTTP_HEAD_MAX + 1, 1 << 20, NULL);
	assert_int_equal(result.status, -E2BIG);
	free(answer);
}

static void test_stream(void **state)
{
	static const char answer[] = "HTTP/1.0 200 OK\r\n\r\n{\"a\":1}\n\n{\"b\":2}\nrest";
	size_t size = HTTP_LINE_MAX + 64;
	char *longer;

	(void)state;
	for (size_t piece = 1; piece <= 64; piece *= 8) {
		struct result result = ask(answer, sizeof(answer) - 1, piece, line);

		assert_int_equal(result.status, 200);
		assert_int_equal(result.line_count, 3);
		assert_string_equal(result.lines[0], "{\"a\":1}");
		assert_string_equal(result.lines[1], "");
		assert_string_equal(result.lines[2], "{\"b\":2}");
	}
	longer = malloc(size);
	assert_non_null(longer);
	memset(longer, 'x', size);
	memcpy(longer, "HTTP/1.0 200 OK\r\n\r\n", 19);
	struct result result = ask(longer, size, 65536, line);
	assert_int_equal(result.status, -EFBIG);
	assert_int_equal(result.line_count, 0);
	free(longer);
}

static void test_no_server(void **state)
{
	char path[200];
	struct loop *loop;
	struct http *http;

	(void)state;
	assert_int_equal(loop_new(&loop), 0);
	assert_int_equal(http_get(loop, "/nonexistent/s", "/", NULL, done, NULL, &http), -ENOENT);
	memset(path, 'x', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(http_get(loop, path, "/", NULL, done, NULL, &http), -ENAMETOOLONG);
	loop_free(loop);
}

static void test_cancel(void **state)
{
	struct server server;
	struct result result = {0};
	struct http *http;

	(void)state;
	server_open(&server, "HTTP/1.0 200 OK\r\n\r\n", 19, 1);
	result.loop = server.loop;
	assert_int_equal(http_get(server.loop, server.path, "/", NULL, done, &result, &http), 0);
	http_cancel(http);
	http_cancel(NULL);
	assert_int_equal(result.calls, 0);
	server_close(&server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),	  cmocka_unit_test(test_too_large), cmocka_unit_test(test_stream),
		cmocka_unit_test(test_no_server), cmocka_unit_test(test_cancel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
