/* SPDX-License-Identifier: GPL-2.0-only */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/log.h"
#include "base/text.h"

#define OUTPUT_MAX 65536

/* What `write_lines` puts on standard error. */
static const char *logged(void (*write_lines)(void))
{
	static char output[OUTPUT_MAX];
	AUTO_CLOSE int saved = dup(STDERR_FILENO);
	AUTO_FCLOSE FILE *file = tmpfile();

	assert_true(saved >= 0);
	assert_non_null(file);
	assert_true(dup2(fileno(file), STDERR_FILENO) >= 0);
	write_lines();
	assert_true(dup2(saved, STDERR_FILENO) >= 0);
	rewind(file);
	output[fread(output, 1, sizeof(output) - 1, file)] = '\0';
	return output;
}

static void write_each_level(void)
{
	log_error("a %d", 1);
	log_warning("b %d", 2);
	log_info("c %d", 3);
	log_debug("d %d", 4);
}

static void test_levels_above_the_chosen_one_are_left_out(void **state)
{
	(void)state;
	log_set_journal(true);
	assert_string_equal(logged(write_each_level), "<3>a 1\n<4>b 2\n<6>c 3\n");
	log_set_level(LOG_LEVEL_ERROR);
	assert_string_equal(logged(write_each_level), "<3>a 1\n");
	log_set_level(LOG_LEVEL_DEBUG);
	assert_string_equal(logged(write_each_level), "<3>a 1\n<4>b 2\n<6>c 3\n<7>d 4\n");
	log_set_level(LOG_LEVEL_INFO);
}

static void write_a_warning(void)
{
	log_warning("words");
}

static void test_a_line_for_people_has_a_time_and_a_word(void **state)
{
	char stamp[21];
	int64_t ns;

	(void)state;
	log_set_journal(false);
	const char *line = logged(write_a_warning);
	assert_true(strlen(line) > sizeof(stamp));
	snprintf(stamp, sizeof(stamp), "%.20s", line);
	assert_int_equal(time_parse(stamp, &ns), 0);
	assert_string_equal(line + 20, " warning: words\n");
}

static void write_two_lines(void)
{
	static const char text[] = {'a',    '\n',   'b',    '\r',   'c',    '\x1b', '[',    '2',
				    'J',    '\x7f', '\xc2', '\x9b', '\xc3', '\xa9', '\xe2', '\x80',
				    '\xae', '\xe2', '\x81', '\xa9', '\xe2', '\x86', '\x92', '\0'};

	log_info("%s", text); /* an array: a reader of this file is not to be turned around */
}

static void write_much(void)
{
	char text[OUTPUT_MAX / 2];

	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	log_info("%s", text);
	log_info("next");
}

static void test_a_message_is_one_bounded_line(void **state)
{
	(void)state;
	log_set_journal(true);
	assert_string_equal(logged(write_two_lines), "<6>a b c?[2J???\xc3\xa9??????\xe2\x86\x92\n");
	const char *output = logged(write_much);
	const char *end = strchr(output, '\n');
	assert_non_null(end);
	assert_in_range(end - output, 4000, 4095); /* PIPE_BUF with the new-line */
	assert_string_equal(end, "\n<6>next\n");
}

/* Runs this program again with standard error on `fd`: the first message decides, so each case is its own process. */
static void log_once(int fd, const char *stream)
{
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (child == 0) {
		if (setenv("JOURNAL_STREAM", stream, 1) == 0 && dup2(fd, STDERR_FILENO) >= 0)
			execl("/proc/self/exe", "test_log", "--log-once", NULL);
		_exit(1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void test_the_journal_is_known_by_its_stream(void **state)
{
	struct stat status;

	(void)state;
	for (int same = 0; same < 2; same++) {
		char stream[64], line[256] = "";
		int pipe_fds[2];

		assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
		assert_int_equal(fstat(pipe_fds[1], &status), 0);
		snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)status.st_dev,
			 (unsigned long long)status.st_ino + !same);
		log_once(pipe_fds[1], stream);
		close(pipe_fds[1]);
		assert_true(read(pipe_fds[0], line, sizeof(line) - 1) > 0);
		close(pipe_fds[0]);
		if (same)
			assert_string_equal(line, "<4>words\n");
		else
			assert_non_null(strstr(line, " warning: words\n"));
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_levels_above_the_chosen_one_are_left_out),
		cmocka_unit_test(test_a_line_for_people_has_a_time_and_a_word),
		cmocka_unit_test(test_a_message_is_one_bounded_line),
		cmocka_unit_test(test_the_journal_is_known_by_its_stream),
	};

	if (argc == 2 && strcmp(argv[1], "--log-once") == 0) {
		write_a_warning();
		return 0;
	}
	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
