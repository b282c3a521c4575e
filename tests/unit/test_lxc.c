/* SPDX-License-Identifier: GPL-2.0-only */
/* The LXC hook on arguments and environments as LXC 5.0.2 gives them. What needs a veth is in tests/e2e/test_hooks.py.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "hook/lxc.h"

static const char *const *variables; /* name, value, …, NULL */

static const char *environment(const char *name)
{
	for (const char *const *at = variables; *at; at += 2)
		if (strcmp(*at, name) == 0)
			return at[1];
	return NULL;
}

static int read_call(const char *const *env, const char *const *words, struct lxc_call *call)
{
	struct error error = {0};
	char *argv[8] = {NULL};
	int argc = 0, r;

	for (; words[argc]; argc++)
		argv[argc] = strdup(words[argc]);
	variables = env;
	memset(call, 0, sizeof(*call));
	r = lxc_call_read(argc, argv, environment, call, &error);
	assert_int_equal(r < 0, error.text[0] != '\0');
	/* What was taken from the words stands in them. */
	if (call->type)
		call->type = strcmp(call->type, "up") == 0	     ? "up"
			     : strcmp(call->type, "start-host") == 0 ? "start-host"
								     : "?";
	if (call->net_type)
		call->net_type = strcmp(call->net_type, "veth") == 0 ? "veth" : "?";
	if (call->interface)
		call->interface = strcmp(call->interface, "veth6Gd20z") == 0 ? "veth6Gd20z" : "?";
	for (int i = 0; i < argc; i++)
		free(argv[i]);
	return r;
}

static const char *const version_0[] = {"LXC_NAME", "l1", "LXC_PID", "10607", "LXC_HOOK_VERSION", "0", NULL};
static const char *const version_1[] = {"LXC_NAME",
					"l1",
					"LXC_PID",
					"10607",
					"LXC_HOOK_VERSION",
					"1",
					"LXC_HOOK_TYPE",
					"up",
					"LXC_HOOK_SECTION",
					"net",
					"LXC_NET_TYPE",
					"veth",
					"LXC_NET_PEER",
					"veth6Gd20z",
					"LXC_NET_PARENT",
					"br0",
					NULL};
static const char *const version_1_start[] = {"LXC_NAME",
					      "l1",
					      "LXC_PID",
					      "10607",
					      "LXC_HOOK_VERSION",
					      "1",
					      "LXC_HOOK_TYPE",
					      "start-host",
					      "LXC_HOOK_SECTION",
					      "lxc",
					      "LXC_NET_TYPE",
					      "veth",
					      "LXC_NET_PEER",
					      "veth6Gd20z",
					      NULL};

static void test_calls(void **state)
{
	static const char *const up_0[] = {"l1", "net", "up", "veth", "br0", "veth6Gd20z", NULL};
	static const char *const start_0[] = {"l1", "lxc", "start-host", NULL};
	static const char *const up_1[] = {"veth", "br0", "veth6Gd20z", NULL};
	static const char *const none[] = {NULL};
	struct lxc_call call;

	(void)state;
	assert_int_equal(read_call(version_0, up_0, &call), 0);
	assert_string_equal(call.name, "l1");
	assert_string_equal(call.pid, "10607");
	assert_string_equal(call.type, "up");
	assert_string_equal(call.net_type, "veth");
	assert_string_equal(call.interface, "veth6Gd20z");
	assert_int_equal(read_call(version_0, start_0, &call), 0);
	assert_string_equal(call.type, "start-host");
	assert_null(call.interface);
	assert_int_equal(read_call(version_1, up_1, &call), 0);
	assert_string_equal(call.type, "up");
	assert_string_equal(call.interface, "veth6Gd20z");
	assert_int_equal(read_call(version_1_start, none, &call), 0);
	assert_string_equal(call.type, "start-host");
	assert_null(call.interface);
}

static void test_calls_that_are_none(void **state)
{
	static const char *const no_pid[] = {"LXC_NAME", "l1", NULL};
	static const char *const no_name[] = {"LXC_PID", "1", NULL};
	static const char *const odd_pids[] = {"", "1/../..", "-1", "12345678901", "self"};
	static const char *const start[] = {"l1", "lxc", "start-host", NULL};
	static const char *const none[] = {NULL};
	struct lxc_call call;

	(void)state;
	assert_int_equal(read_call(version_0, none, &call), -EINVAL);
	assert_int_equal(read_call(no_pid, start, &call), -EINVAL);
	assert_int_equal(read_call(no_name, start, &call), -EINVAL);
	for (size_t i = 0; i < sizeof(odd_pids) / sizeof(*odd_pids); i++) {
		const char *const env[] = {"LXC_NAME", "l1", "LXC_PID", odd_pids[i], NULL};

		assert_int_equal(read_call(env, start, &call), -EINVAL);
	}
}

/* Nobody answers: whoever is to be held fails. */
static int run(const char *type, const char *pid, const char *net_type, const char *interface, json_t *addresses)
{
	struct lxc_options options = {
		.hook = {.state_dir = "/tmp/bulkhead-nobody", .socket = "/tmp/bulkhead-nobody/s"},
		.proc = "/proc",
		.addresses = addresses,
	};
	const struct lxc_call call = {
		.name = "l1", .pid = pid, .type = type, .net_type = net_type, .interface = interface};
	AUTO_FREE char *said = NULL;
	size_t size = 0;
	FILE *errors = open_memstream(&said, &size);
	int status = lxc_run(&options, &call, errors);

	fclose(errors);
	assert_int_equal(status != 0, size > 0);
	json_decref(addresses);
	return status;
}

static void test_holding(void **state)
{
	char self[16];

	(void)state;
	snprintf(self, sizeof(self), "%d", (int)getpid());
	if (geteuid() == 0)
		assert_int_equal(run("start-host", self, NULL, NULL, NULL), 0); /* the host's own network */
	assert_int_equal(run("start-host", "999999999", NULL, NULL, NULL), 1);
	assert_int_equal(run("start-host", self, NULL, NULL, json_pack("[s]", "10.0.0.2/24")), 1);
	assert_int_equal(run("mount", self, NULL, NULL, NULL), 1);
	assert_int_equal(run("up", self, "macvlan", "eth0", NULL), 0);
	assert_int_equal(run("up", self, "veth", "veth0", NULL), 1);
	assert_int_equal(run("up", self, "veth", NULL, json_pack("[s]", "10.0.0.2/24")), 1);
	assert_int_equal(run("up", self, "veth", "veth0", json_pack("[s]", "10.0.0.2/24")), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_calls),
		cmocka_unit_test(test_calls_that_are_none),
		cmocka_unit_test(test_holding),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
