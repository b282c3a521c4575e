/* SPDX-License-Identifier: GPL-2.0-only */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/batch.h"

struct pipe_batch {
	struct batch batch;
	int write_fd;
};

static void *open_batch(void)
{
	struct pipe_batch *piped = calloc(1, sizeof(*piped));
	int fds[2];

	assert_non_null(piped);
	assert_int_equal(pipe(fds), 0);
	piped->batch.fd = fds[0];
	piped->write_fd = fds[1];
	return piped;
}

static void put(struct pipe_batch *piped, const char *bytes, size_t length)
{
	assert_int_equal(write(piped->write_fd, bytes, length), length);
}

static void end(struct pipe_batch *piped)
{
	close(piped->write_fd);
	piped->write_fd = -1;
}

static void close_batch(struct pipe_batch *piped)
{
	if (piped->write_fd >= 0)
		close(piped->write_fd);
	close(piped->batch.fd);
	free(piped);
}

static void test_lines_as_they_come(void **state)
{
	struct pipe_batch *piped = open_batch();

	(void)state;
	put(piped, "one\ntwo\nthr", 11);
	assert_int_equal(batch_read(&piped->batch), 1);
	assert_string_equal(batch_line(&piped->batch), "one");
	assert_string_equal(batch_line(&piped->batch), "two");
	assert_null(batch_line(&piped->batch));
	put(piped, "ee\n\n", 4);
	assert_int_equal(batch_read(&piped->batch), 1);
	assert_string_equal(batch_line(&piped->batch), "three");
	assert_string_equal(batch_line(&piped->batch), "");
	assert_null(batch_line(&piped->batch));
	end(piped);
	assert_int_equal(batch_read(&piped->batch), 1);
	assert_null(batch_line(&piped->batch));
	assert_int_equal(batch_read(&piped->batch), 0);
	close_batch(piped);
}

static void test_last_line_without_end(void **state)
{
	struct pipe_batch *piped = open_batch();

	(void)state;
	put(piped, "a\0b", 3);
	end(piped);
	assert_int_equal(batch_read(&piped->batch), 1);
	assert_null(batch_line(&piped->batch)); /* it may go on */
	assert_int_equal(batch_read(&piped->batch), 1);
	assert_string_equal(batch_line(&piped->batch), "a?b");
	assert_null(batch_line(&piped->batch));
	assert_int_equal(batch_read(&piped->batch), 0);
	close_batch(piped);
}

/* Reads to the end; counts the lines and remembers the lengths of the first few. */
static size_t lengths(struct batch *batch, size_t *list, size_t size)
{
	const char *line;
	size_t count = 0;

	while (batch_read(batch) == 1) {
		while ((line = batch_line(batch))) {
			if (count < size)
				list[count] = strlen(line);
			count++;
		}
	}
	return count;
}

static void check_long_line(size_t length, size_t wanted)
{
	struct pipe_batch *piped = open_batch();
	char *text = malloc(length);
	size_t list[3] = {0};

	assert_non_null(text);
	memset(text, 'x', length);
	put(piped, "ab\n", 3);
	put(piped, text, length);
	put(piped, "\nabc\n", 5);
	end(piped);
	assert_int_equal(lengths(&piped->batch, list, 3), 3);
	assert_int_equal(list[0], 2);
	assert_int_equal(list[1], wanted);
	assert_int_equal(list[2], 3);
	free(text);
	close_batch(piped);
}

/* A line that is too long is one line, cut, and the one after it is whole. */
static void test_long_lines(void **state)
{
	(void)state;
	check_long_line(BATCH_BYTES - 1, BATCH_BYTES - 1);
	check_long_line(BATCH_BYTES, BATCH_BYTES);
	check_long_line(BATCH_BYTES + 1, BATCH_BYTES);
	check_long_line(3 * BATCH_BYTES, BATCH_BYTES);
	check_long_line(5 * BATCH_BYTES + 17, BATCH_BYTES);
}

static void test_error(void **state)
{
	struct batch batch = {.fd = -1};

	(void)state;
	assert_int_equal(batch_read(&batch), -EBADF);
	assert_null(batch_line(&batch));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines_as_they_come),
		cmocka_unit_test(test_last_line_without_end),
		cmocka_unit_test(test_long_lines),
		cmocka_unit_test(test_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
