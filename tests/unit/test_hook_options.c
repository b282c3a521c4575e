/* SPDX-License-Identifier: GPL-2.0-only */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hook/hook_options.h"

/* What stands on the line is said as from a shell; it may hold no blanks. */
static int parse(const char *line, struct hook_options *options, int *ret_status)
{
	static char copy[256];
	static char *argv[32];
	int argc = 0;

	snprintf(copy, sizeof(copy), "hook %s", line);
	for (char *word = strtok(copy, " "); word && argc < 31; word = strtok(NULL, " "))
		argv[argc++] = word;
	argv[argc] = NULL;
	optind = 0; /* getopt_long() begins anew */
	*options = (struct hook_options){.program = "hook", .help = "help\n"};
	return hook_options_parse(options, argc, argv, ret_status);
}

static void test_options(void **state)
{
	struct hook_options options;
	int status;

	(void)state;
	assert_int_equal(parse("", &options, &status), 1);
	assert_string_equal(options.hook.state_dir, HOOK_STATE_DIR);
	assert_null(options.hook.socket);
	assert_int_equal(options.hook.wait_ms, HOOK_WAIT_MS);
	assert_false(options.no_claim);
	assert_int_equal(
		parse("--no-claim --runtime runc --label a=b --label c=d --address 10.0.0.2/24 --wait 7 --socket /s "
		      "--state /t l1 net up",
		      &options, &status),
		1);
	assert_true(options.no_claim);
	assert_string_equal(options.runtime, "runc");
	assert_string_equal(options.hook.socket, "/s");
	assert_string_equal(options.hook.state_dir, "/t");
	assert_int_equal(options.hook.wait_ms, 7);
	assert_int_equal(json_object_size(options.labels), 2);
	assert_int_equal(json_array_size(options.addresses), 1);
	assert_int_equal(optind, 16);
	json_decref(options.labels);
	json_decref(options.addresses);
}

static void test_options_that_are_none(void **state)
{
	static const char *const lines[] = {
		"--wait x",   "--wait 60001", "--label a",  "--address 10.0.0.2",    "--address x/24",
		"--socket s", "--state t",    "--nonsense", "--address fe80::1%/64", "--address 10.0.0.2/33",
	};
	struct hook_options options;
	int status;

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		assert_int_equal(parse(lines[i], &options, &status), -EINVAL);
		assert_int_equal(status, 2);
		json_decref(options.labels);
		json_decref(options.addresses);
	}
	assert_int_equal(parse("--version", &options, &status), 0);
	assert_int_equal(status, 0);
	assert_int_equal(parse("--help", &options, &status), 0);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_options_that_are_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
