/* SPDX-License-Identifier: GPL-2.0-only */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "port/process.h"

static char proc[] = "/tmp/test-process.XXXXXX";

static void put_stat(int pid, const char *text)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%d", proc, pid);
	assert_true(mkdir(path, 0700) == 0 || errno == EEXIST);
	snprintf(path, sizeof(path), "%s/%d/stat", proc, pid);
	file = fopen(path, "we");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

#define BEHIND " S 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4711 1 1 1\n"

static void test_start(void **state)
{
	static const struct {
		const char *text;
		uint64_t start; /* 0: it is none */
	} cases[] = {
		{"7 (sleep)" BEHIND, 4711},
		/* The name is the process's own choice. */
		{"7 (a b) R 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 (x)" BEHIND, 4711},
		{"7 ()" BEHIND, 4711},
		{"7 (\n)\n)" BEHIND, 4711},
		{"", 0},
		{"7 (sleep", 0},
		{"7 (sleep)", 0},
		{"7 (sleep) S 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0", 0},
		{"7 (sleep) S 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 ", 0},
		{"7 (sleep) S 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 -4 1", 0},
		{"7 (sleep) S 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4x 1", 0},
	};
	uint64_t start;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct process process = {.pid = 7, .start = cases[i].start};

		put_stat(7, cases[i].text);
		start = 1;
		assert_int_equal(process_start(proc, 7, &start), cases[i].start ? 0 : -EBADMSG);
		assert_int_equal(start, cases[i].start ? cases[i].start : 1);
		assert_int_equal(process_is_still(proc, &process), cases[i].start != 0);
	}
	put_stat(7, "7 (sleep)" BEHIND);
	assert_false(process_is_still(proc, &(struct process){.pid = 7, .start = 4712}));
	assert_false(process_is_still(proc, &(struct process){.pid = 7}));
	assert_int_equal(process_start(proc, 8, &start), -ESRCH);
	assert_int_equal(process_start(proc, 0, &start), -ESRCH);
	assert_int_equal(process_start(proc, -1, &start), -ESRCH);
	assert_int_equal(process_start(NULL, 7, &start), -ESRCH);
}

static void test_real(void **state)
{
	pid_t pid = fork();
	struct process process = {.pid = pid};

	(void)state;
	if (pid == 0) {
		pause();
		_exit(0);
	}
	assert_int_equal(process_start("/proc", pid, &process.start), 0);
	assert_true(process_is_still("/proc", &process));
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_false(process_is_still("/proc", &process));
}

static void test_add(void **state)
{
	struct processes processes = {0};

	(void)state;
	assert_int_equal(processes_add(&processes, 7, 4711), 0);
	assert_int_equal(processes_add(&processes, 8, 0), 0);
	assert_int_equal(processes.count, 2);
	assert_int_equal(processes.items[0].pid, 7);
	assert_int_equal(processes.items[0].start, 4711);
	array_free(&processes);
}

static int setup(void **state)
{
	(void)state;
	return mkdtemp(proc) ? 0 : -1;
}

static int teardown(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", proc);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_start),
		cmocka_unit_test(test_real),
		cmocka_unit_test(test_add),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
