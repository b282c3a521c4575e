/* SPDX-License-Identifier: GPL-2.0-only */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "port/child.h"

struct result {
	struct loop *loop;
	unsigned int calls;
	int status;
	size_t size;
	char output[64];
};

static void done(void *arg, int status, const char *output, size_t size)
{
	struct result *result = arg;

	result->calls++;
	result->status = status;
	result->size = size;
	assert_int_equal(output[size], '\0');
	strncpy(result->output, output, sizeof(result->output) - 1);
	loop_quit(result->loop, 0);
}

static struct result run(const char *script, size_t max, int timeout_ms)
{
	const char *const argv[] = {"sh", "-c", script, NULL};
	struct result result = {0};
	struct child *child;

	assert_int_equal(loop_new(&result.loop), 0);
	assert_int_equal(child_run(result.loop, child_task, argv, max, timeout_ms, done, &result, &child), 0);
	assert_int_equal(loop_run(result.loop), 0);
	assert_int_equal(result.calls, 1);
	loop_free(result.loop);
	return result;
}

static void test_output_and_status(void **state)
{
	struct result result = run("echo hello; echo lost >&2; exit 3", 100, 10000);

	(void)state;
	assert_int_equal(result.status, 3);
	assert_string_equal(result.output, "hello\n");
	result = run("kill -TERM $$", 100, 10000);
	assert_int_equal(result.status, 128 + SIGTERM);
	result = run("read x && echo no", 100, 10000); /* its input is empty */
	assert_int_equal(result.status, 1);
	assert_int_equal(result.size, 0);
}

static void test_too_much(void **state)
{
	struct result result = run("printf 12345", 5, 10000);

	(void)state;
	assert_int_equal(result.status, 0);
	assert_int_equal(result.size, 5);
	result = run("printf 123456; exec sleep 100", 5, 10000);
	assert_int_equal(result.status, -EFBIG);
	result = run("printf 123456", 5, 10000);
	assert_int_equal(result.status, -EFBIG);
}

static void test_too_long(void **state)
{
	struct timespec start, end;

	(void)state;
	clock_gettime(CLOCK_MONOTONIC, &start);
	/* What it has started goes with it. */
	struct result result = run("sleep 100 & sleep 100", 100, 50);
	clock_gettime(CLOCK_MONOTONIC, &end);
	assert_int_equal(result.status, -ETIMEDOUT);
	assert_true(end.tv_sec - start.tv_sec < 50);
}

static void test_large_output(void **state)
{
	struct result result = run("head -c 1000000 /dev/zero | tr '\\0' x", 1000000, 10000);

	(void)state;
	assert_int_equal(result.status, 0);
	assert_int_equal(result.size, 1000000);
}

static void test_missing(void **state)
{
	const char *const argv[] = {"/nonexistent/program", NULL};
	struct result result = {0};
	struct child *child;

	(void)state;
	assert_int_equal(loop_new(&result.loop), 0);
	assert_int_equal(child_run(result.loop, child_task, argv, 10, 1000, done, &result, &child), -ENOENT);
	assert_int_equal(result.calls, 0);
	loop_free(result.loop);
}

static void test_cancel(void **state)
{
	const char *const argv[] = {"sleep", "100", NULL};
	struct result result = {0};
	struct child *child;

	(void)state;
	assert_int_equal(loop_new(&result.loop), 0);
	assert_int_equal(child_run(result.loop, child_task, argv, 10, 1000, done, &result, &child), 0);
	child_cancel(child);
	child_cancel(NULL);
	assert_int_equal(result.calls, 0);
	loop_free(result.loop);
}

/* A copy of us sees what we are, has no descriptors of ours but the standard ones, and changes nothing for us. */
static int copy_work(const void *what, int fd)
{
	int *number = *(int *const *)what;

	(*number)++;
	if (fcntl(fd + 1, F_GETFD) >= 0 || fcntl(100, F_GETFD) >= 0)
		return 1;
	dprintf(fd, "%d", *number);
	return 7;
}

static void test_copy(void **state)
{
	int number = 41, *what = &number;
	struct result result = {0};
	struct child *child;

	(void)state;
	assert_int_equal(loop_new(&result.loop), 0);
	assert_int_equal(dup2(STDERR_FILENO, 100), 100);
	assert_int_equal(child_fork(result.loop, copy_work, &what, 100, 10000, done, &result, &child), 0);
	assert_int_equal(loop_run(result.loop), 0);
	assert_int_equal(result.calls, 1);
	assert_int_equal(result.status, 7);
	assert_string_equal(result.output, "42");
	assert_int_equal(number, 41);
	close(100);
	loop_free(result.loop);
}

static int sleep_work(const void *what, int fd)
{
	(void)what;
	(void)fd;
	return (int)sleep(100);
}

static void test_copy_too_long(void **state)
{
	struct result result = {0};
	struct child *child;

	(void)state;
	assert_int_equal(loop_new(&result.loop), 0);
	assert_int_equal(child_fork(result.loop, sleep_work, NULL, 100, 50, done, &result, &child), 0);
	assert_int_equal(loop_run(result.loop), 0);
	assert_int_equal(result.status, -ETIMEDOUT);
	assert_int_equal(child_fork(result.loop, sleep_work, NULL, 100, 10000, done, &result, &child), 0);
	child_cancel(child);
	assert_int_equal(result.calls, 1);
	loop_free(result.loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_output_and_status),
		cmocka_unit_test(test_too_much),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_large_output),
		cmocka_unit_test(test_missing),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_copy),
		cmocka_unit_test(test_copy_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
