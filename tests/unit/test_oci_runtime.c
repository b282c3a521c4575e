/* SPDX-License-Identifier: GPL-2.0-only */
/* What stands between Docker and runc: on the words that containerd's shim writes, recorded, and on bundles. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "hook/runtime.h"

#define HOOK "/x/bulkhead-oci-hook"

static const char *bundle_of(const char *words)
{
	static char copy[512];
	static char *argv[32];
	int argc = 0;

	snprintf(copy, sizeof(copy), "%s", words);
	for (char *word = strtok(copy, " "); word && argc < 32; word = strtok(NULL, " "))
		argv[argc++] = word;
	return runtime_bundle(argc, argv);
}

static void test_bundle(void **state)
{
	(void)state;
	/* Docker 20.10 with containerd 1.6. */
	assert_string_equal(
		bundle_of(
			"runc --root /var/run/docker/runtime-runc/moby --log /run/l/log.json --log-format json create "
			"--bundle /run/b --pid-file /run/b/init.pid 2ef0"),
		"/run/b");
	assert_null(bundle_of(
		"runc --root /var/run/docker/runtime-runc/moby --log /run/l/log.json --log-format json start 2ef0"));
	assert_null(bundle_of("runc --root create --log run delete --force 2ef0"));
	assert_null(bundle_of("runc --root"));
	assert_null(bundle_of("runc"));
	assert_null(bundle_of("runc --version"));
	assert_null(bundle_of("runc exec -b create"));
	assert_string_equal(bundle_of("runc --systemd-cgroup create --bundle=/run/b 2ef0"), "/run/b");
	assert_string_equal(bundle_of("runc run -d -b /run/b 2ef0"), "/run/b");
	assert_string_equal(bundle_of("runc create 2ef0"), ".");
	assert_string_equal(bundle_of("runc create --bundle"), ".");
}

static void test_options(void **state)
{
	char *argv[] = {(char[]){"x"},
			(char[]){"--bulkhead-runtime"},
			(char[]){"/r"},
			(char[]){"--bulkhead-hook"},
			(char[]){"/h"},
			(char[]){"create"},
			(char[]){"--bulkhead-runtime"},
			(char[]){"/s"},
			NULL};
	struct runtime_options options = {.runtime = "runc"};

	(void)state;
	assert_int_equal(runtime_options_take(8, argv, &options), 5);
	assert_string_equal(options.runtime, "/r");
	assert_string_equal(options.hook, "/h");
	assert_int_equal(runtime_options_take(2, argv, &options), 1);
	assert_int_equal(runtime_options_take(1, argv, &options), 1);
}

static void adds(const char *text, int wanted, const char *changed)
{
	json_t *config = json_loads(text, 0, NULL);
	struct error error = {0};
	char *got;

	assert_int_equal(runtime_config_add(config, HOOK, &error), wanted);
	if (changed) {
		got = json_dumps(config, JSON_COMPACT);
		assert_string_equal(got, changed);
		free(got);
	}
	json_decref(config);
}

#define OURS "{\"path\":\"" HOOK "\",\"args\":[\"bulkhead-oci-hook\",\"--no-claim\"],\"timeout\":72}"

static void test_adding(void **state)
{
	(void)state;
	adds("{\"a\":1}", 1, "{\"a\":1,\"hooks\":{\"createRuntime\":[" OURS "]}}");
	adds("{\"hooks\":{\"prestart\":[{\"path\":\"/p\"}],\"createRuntime\":[{\"path\":\"/q\"}]}}", 1,
	     "{\"hooks\":{\"prestart\":[{\"path\":\"/p\"}],\"createRuntime\":[{\"path\":\"/q\"}," OURS "]}}");
	adds("{\"hooks\":null}", 1, "{\"hooks\":{\"createRuntime\":[" OURS "]}}");
	adds("{\"hooks\":{\"createRuntime\":[" OURS "]}}", 0, NULL);
	adds("{\"hooks\":[]}", -EBADMSG, NULL);
	adds("{\"hooks\":{\"createRuntime\":{}}}", -EBADMSG, NULL);
}

static void test_bundle_changed(void **state)
{
	char folder[] = "/tmp/bulkhead-bundle-XXXXXX", path[64];
	AUTO_FREE char *data = NULL;
	struct error error = {0};
	size_t size;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/config.json", folder);
	assert_int_equal(runtime_bundle_change(folder, HOOK, &error), -ENOENT);
	assert_int_equal(file_write(path, "{", 1, NULL), 0);
	assert_int_equal(runtime_bundle_change(folder, HOOK, &error), -EBADMSG);
	assert_int_equal(file_write(path, "{}", 2, NULL), 0);
	assert_int_equal(runtime_bundle_change(folder, HOOK, &error), 0);
	assert_int_equal(runtime_bundle_change(folder, HOOK, &error), 0);
	assert_int_equal(file_read(path, 4096, &data, &size, NULL), 0);
	assert_string_equal(data, "{\"hooks\":{\"createRuntime\":[" OURS "]}}");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bundle),
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_adding),
		cmocka_unit_test(test_bundle_changed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
