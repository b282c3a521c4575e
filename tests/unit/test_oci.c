/* SPDX-License-Identifier: GPL-2.0-only */
/* The OCI hook on what runtimes write, recorded and made up. What needs a veth is in tests/e2e/test_hooks.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "hook/oci.h"

static char directory[64];

static int enter(void **state)
{
	(void)state;
	strcpy(directory, "/tmp/bulkhead-oci-XXXXXX");
	return mkdtemp(directory) && chdir(directory) == 0 ? 0 : -1;
}

static int leave(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf -- %s", directory);
	return chdir("/") == 0 && system(command) == 0 ? 0 : -1; /* NOLINT(cert-env33-c) */
}

static void write_config(const char *text)
{
	FILE *file = fopen("config.json", "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static const char *state_of(const char *id, const char *more)
{
	static char text[512];

	snprintf(text, sizeof(text),
		 "{\"ociVersion\":\"1.0.2-dev\",\"id\":\"%s\",\"status\":\"creating\",\"pid\":%d,"
		 "\"bundle\":\"%s\"%s}",
		 id, (int)getpid(), directory, more);
	return text;
}

/* Nobody answers: whoever is to be held fails. Returns the exit status; a failure has said one line. */
static int run(const char *input)
{
	struct oci_options options = {
		.hook = {.state_dir = directory, .socket = "/tmp/bulkhead-nobody/s"},
		.runtime = "oci",
		.claims = true,
		.proc = "/proc",
	};
	AUTO_FREE char *said = NULL;
	size_t size = 0;
	FILE *errors = open_memstream(&said, &size);
	int status = oci_run(&options, input, strlen(input), errors);

	fclose(errors);
	assert_int_equal(status != 0, size > 0);
	assert_true(size == 0 || strchr(said, '\n') == said + size - 1);
	return status;
}

static void test_states_that_are_none(void **state)
{
	static const char *const states[] = {
		"",
		"[]",
		"{",
		"{}",
		"{\"id\":\"a\",\"pid\":1}",
		"{\"id\":\"a\",\"bundle\":\"/b\"}",
		"{\"id\":\"a\",\"bundle\":\"/b\",\"pid\":0}",
		"{\"id\":\"a\",\"bundle\":\"/b\",\"pid\":-1}",
		"{\"id\":\"a\",\"bundle\":\"/b\",\"pid\":\"1\"}",
		"{\"id\":\"a\",\"bundle\":\"/b\",\"pid\":4294967297}",
		"{\"id\":\"a\",\"bundle\":\"b\",\"pid\":1}",
		"{\"id\":\"a/b\",\"bundle\":\"/b\",\"pid\":1}",
		"{\"id\":\"\",\"bundle\":\"/b\",\"pid\":1}",
		"{\"id\":1,\"bundle\":\"/b\",\"pid\":1}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(states) / sizeof(*states); i++)
		assert_int_equal(run(states[i]), 1);
}

/* Of the host's network, or of none to this host: nobody is held up, daemon or no daemon. */
static void test_containers_without_a_port(void **state)
{
	static const char *const configs[] = {
		"{}",
		"{\"linux\":{}}",
		"{\"linux\":{\"namespaces\":[]}}",
		"{\"linux\":{\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"mount\"}]}}",
		"{\"linux\":{\"namespaces\":[{\"type\":\"network\"}]}}",	       /* the test's own, by its pid */
		"{\"linux\":{\"namespaces\":[{\"type\":\"network\",\"path\":\"\"}]}}", /* the same */
		"{\"linux\":{\"namespaces\":[{\"type\":\"network\",\"path\":\"/proc/self/ns/net\"}]}}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(configs) / sizeof(*configs); i++) {
		write_config(configs[i]);
		if (i >= 4 && geteuid() != 0)
			continue; /* only root may enter even its own */
		assert_int_equal(run(state_of("a", "")), 0);
	}
}

static void test_bundles_that_are_none(void **state)
{
	static const char *const configs[] = {
		"",
		"[]",
		"{\"linux\":",
		"{\"linux\":{\"namespaces\":[{\"type\":\"network\",\"path\":\"proc/self/ns/net\"}]}}",
		"{\"linux\":{\"namespaces\":[{\"type\":\"network\",\"path\":\"/nowhere/at/all\"}]}}",
		"{\"linux\":{\"namespaces\":[{\"type\":\"network\",\"path\":\"/dev/null\"}]}}",
		"{\"linux\":{\"namespaces\":[{\"type\":\"network\",\"path\":\"/proc/self/ns/mnt\"}]}}",
	};

	(void)state;
	assert_int_equal(run(state_of("a", "")), 1);
	for (size_t i = 0; i < sizeof(configs) / sizeof(*configs); i++) {
		write_config(configs[i]);
		assert_int_equal(run(state_of("a", "")), 1);
	}
	assert_int_equal(unlink("config.json"), 0);
	assert_int_equal(mkfifo("config.json", 0600), 0);
	assert_int_equal(run(state_of("a", "")), 1);
}

static void test_namespace(void **state)
{
	struct error error = {0};
	char path[64], small[16];
	bool given = true;
	json_t *own = json_loads("{\"linux\":{\"namespaces\":[{\"type\":\"network\"}]}}", 0, NULL);
	json_t *pinned = json_loads(
		"{\"linux\":{\"namespaces\":[{\"type\":\"network\",\"path\":\"/run/netns/netns-1\"}]}}", 0, NULL);
	json_t *odd = json_loads("{\"linux\":{\"namespaces\":{\"type\":\"network\"}}}", 0, NULL);

	(void)state;
	assert_int_equal(oci_namespace(own, 12, "/proc", path, sizeof(path), &given, &error), 1);
	assert_string_equal(path, "/proc/12/ns/net");
	assert_false(given);
	assert_int_equal(oci_namespace(pinned, 12, "/proc", path, sizeof(path), &given, &error), 1);
	assert_string_equal(path, "/run/netns/netns-1");
	assert_true(given);
	assert_int_equal(oci_namespace(pinned, 12, "/proc", small, sizeof(small), &given, &error), -ENAMETOOLONG);
	assert_int_equal(oci_namespace(odd, 12, "/proc", path, sizeof(path), &given, &error), 0);
	json_decref(own);
	json_decref(pinned);
	json_decref(odd);
}

static void requests(bool claims, const char *more, const char *wanted)
{
	struct oci_options options = {.claims = claims, .runtime = "runc", .labels = json_pack("{s:s}", "l", "1")};
	const char *input = state_of("web-1", more);
	struct oci_state state;
	struct error error = {0};
	json_t *request;
	char *text;

	assert_int_equal(oci_state_parse(input, strlen(input), &state, &error), 0);
	request = oci_request(&options, &state, "/run/netns/x");
	assert_int_equal(json_integer_value(json_object_get(request, "pid")), claims ? getpid() : 0);
	json_object_del(request, "pid");
	text = json_dumps(request, JSON_COMPACT | JSON_SORT_KEYS);
	assert_string_equal(text, wanted);
	free(text);
	json_decref(request);
	json_decref(options.labels);
	oci_state_free(&state);
}

static void test_request(void **state)
{
	(void)state;
	requests(false, ",\"annotations\":{\"a\":\"b\"}", "{\"netns\":\"/run/netns/x\"}");
	requests(true, "",
		 "{\"id\":\"web-1\",\"labels\":{\"l\":\"1\"},\"name\":\"web-1\",\"netns\":\"/run/netns/x\","
		 "\"runtime\":\"runc\"}");
	requests(true, ",\"annotations\":{\"a\":\"b\",\"l\":\"2\",\"n\":1,\"o\":{}}",
		 "{\"id\":\"web-1\",\"labels\":{\"a\":\"b\",\"l\":\"1\"},\"name\":\"web-1\",\"netns\":\"/run/netns/x\","
		 "\"runtime\":\"runc\"}");
	requests(true, ",\"annotations\":null",
		 "{\"id\":\"web-1\",\"labels\":{\"l\":\"1\"},\"name\":\"web-1\","
		 "\"netns\":\"/run/netns/x\",\"runtime\":\"runc\"}");
}

/* By a proc of the test's own: links where the kernel has namespaces. */
static void test_shared(void **state)
{
	FILE *file = fopen("ours", "w");

	(void)state;
	assert_non_null(file);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(mkdir("proc", 0700), 0);
	assert_int_equal(mkdir("proc/7", 0700), 0);
	assert_int_equal(mkdir("proc/7/ns", 0700), 0);
	assert_int_equal(symlink("../../../ours", "proc/7/ns/net"), 0);
	assert_int_equal(mkdir("proc/self", 0700), 0);
	assert_int_equal(mkdir("proc/self/ns", 0700), 0);
	assert_int_equal(symlink("../../../ours", "proc/self/ns/net"), 0);
	assert_int_equal(mkdir("proc/9", 0700), 0); /* a process that has just gone */
	assert_int_equal(oci_namespace_is_shared("ours", 7, "proc"), 0);
	assert_int_equal(oci_namespace_is_shared("ours", 9, "proc"), 1);
	assert_int_equal(oci_namespace_is_shared("ours", 7, "nowhere"), -ENOENT);
	assert_int_equal(oci_namespace_is_shared("theirs", 7, "proc"), -ENOENT);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, enter, leave)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_states_that_are_none),
		TEST(test_containers_without_a_port),
		TEST(test_bundles_that_are_none),
		TEST(test_namespace),
		TEST(test_request),
		TEST(test_shared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
