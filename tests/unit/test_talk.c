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
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/file.h"
#include "base/talk.h"

#define SOON (monotonic_ms() + 50)
#define LATE (monotonic_ms() + 60000)

/* A talk whose other end is the test's. */
static struct talk pair(int *ret_other)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	*ret_other = fds[1];
	return (struct talk){.fd = fds[0]};
}

static void put(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static void hears(struct talk *talk, const char *wanted)
{
	const char *line;
	size_t length;

	assert_int_equal(talk_hear(talk, 64, LATE, &line, &length), 0);
	assert_string_equal(line, wanted);
	assert_int_equal(length, strlen(wanted));
}

static void test_lines_as_they_come(void **state)
{
	AUTO_CLOSE int other = -1;
	struct talk talk = pair(&other);
	const char *line;
	size_t length;

	(void)state;
	put(other, "one\n\nthr");
	hears(&talk, "one");
	hears(&talk, "");
	assert_int_equal(talk_hear(&talk, 64, SOON, &line, &length), -ETIMEDOUT);
	put(other, "ee\nhalf");
	assert_int_equal(talk_wait(&talk, SOON), 0);
	hears(&talk, "three");
	cleanup_close(&other);
	other = -1;
	assert_int_equal(talk_hear(&talk, 64, LATE, &line, &length), -ENODATA);
	assert_int_equal(talk_hear(&talk, 64, LATE, &line, &length), -ENODATA);
	talk_close(&talk);
	talk_close(&talk);
}

static void test_too_long(void **state)
{
	AUTO_CLOSE int other = -1;
	struct talk talk = pair(&other);
	char text[70];
	const char *line;
	size_t length;

	(void)state;
	memset(text, 'a', sizeof(text));
	memcpy(text + 64, "\nb", 3);
	put(other, text);
	assert_int_equal(talk_hear(&talk, 64, LATE, &line, &length), 0);
	assert_int_equal(length, 64);
	memset(text, 'a', sizeof(text));
	text[65] = '\0';
	put(other, text);
	assert_int_equal(talk_hear(&talk, 64, LATE, &line, &length), -EMSGSIZE);
	talk_close(&talk);
	talk = pair(&other);
	put(other, text);
	put(other, "\n");
	assert_int_equal(talk_hear(&talk, 64, LATE, &line, &length), -EMSGSIZE);
	talk_close(&talk);
}

static void test_a_listener_that_does_not_read(void **state)
{
	AUTO_CLOSE int other = -1;
	struct talk talk = pair(&other);
	AUTO_FREE char *much = malloc(8 << 20);

	(void)state;
	assert_non_null(much);
	memset(much, 'a', 8 << 20);
	assert_int_equal(talk_say(&talk, much, 8 << 20, SOON), -ETIMEDOUT);
	cleanup_close(&other);
	other = -1;
	assert_int_equal(talk_say(&talk, "b", 1, LATE), -EPIPE);
	talk_close(&talk);
}

static void test_nobody_accepts(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	AUTO_CLOSE int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct talk first = TALK_CLOSED, second = TALK_CLOSED;
	struct error error = {0};

	(void)state;
	snprintf(address.sun_path, sizeof(address.sun_path), "/tmp/bulkhead-talk-%d", (int)getpid());
	assert_int_equal(talk_open(address.sun_path, LATE, &first, &error), -ENOENT);
	assert_non_null(strstr(error.text, address.sun_path));
	assert_int_equal(bind(listener, (const struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(talk_open(address.sun_path, LATE, &first, &error), -ECONNREFUSED);
	assert_int_equal(listen(listener, 0), 0);
	assert_int_equal(talk_open(address.sun_path, LATE, &first, &error), 0);
	assert_int_equal(talk_open(address.sun_path, SOON, &second, &error), -ETIMEDOUT);
	assert_int_equal(second.fd, -1);
	talk_close(&first);
	unlink(address.sun_path);
}

static void test_a_path_too_long(void **state)
{
	struct talk talk = TALK_CLOSED;
	struct error error = {0};
	char path[200];

	(void)state;
	memset(path, 'a', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(talk_open(path, LATE, &talk, &error), -ENAMETOOLONG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines_as_they_come),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_a_listener_that_does_not_read),
		cmocka_unit_test(test_nobody_accepts),
		cmocka_unit_test(test_a_path_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
