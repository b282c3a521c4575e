/* SPDX-License-Identifier: GPL-2.0-only */
/* The CNI plugin on what runtimes write, recorded and made up. What needs a veth is in tests/e2e/test_hooks.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "hook/cni.h"
#include "listener.h"

/* The answer of the bridge plugin 1.1.1, recorded, as libcni gives it to the plugin that comes next. */
#define PREVIOUS                                                                                       \
	"{\"cniVersion\":\"1.0.0\",\"interfaces\":[{\"name\":\"cni0\",\"mac\":\"82:6e:76:24:de:40\"}," \
	"{\"name\":\"veth6f112c5e\",\"mac\":\"02:ad:b1:f4:88:47\"},"                                   \
	"{\"name\":\"eth0\",\"mac\":\"66:4c:84:66:5f:1b\","                                            \
	"\"sandbox\":\"/run/netns/cni-5f0c1d1e-0000-4000-8000-000000000001\"}],"                       \
	"\"ips\":[{\"interface\":2,\"address\":\"10.88.0.4/16\",\"gateway\":\"10.88.0.1\"},"           \
	"{\"interface\":2,\"address\":\"fd88::4/64\",\"gateway\":\"fd88::1\"}],"                       \
	"\"routes\":[{\"dst\":\"0.0.0.0/0\"}],\"dns\":{}}"
#define CONFIG(version, more) "{\"cniVersion\":\"" version "\",\"name\":\"pods\",\"type\":\"bulkhead-cni\"" more "}"
#define NOWHERE		      ",\"socket\":\"/tmp/bulkhead-nobody/s\",\"state\":\"/tmp/bulkhead-nobody\""

static struct cni_call call_of(const char *command)
{
	return (struct cni_call){.command = command, .container_id = "c1", .netns = "/run/netns/x", .ifname = "eth0"};
}

/* Runs the plugin; what it has written, as JSON (NULL: nothing), is the caller's. */
static json_t *run(const struct cni_call *call, const char *input, int wanted_status)
{
	AUTO_FREE char *written = NULL, *warned = NULL;
	size_t size = 0, warned_size = 0;
	FILE *out = open_memstream(&written, &size), *warnings = open_memstream(&warned, &warned_size);
	json_t *json;
	int status = cni_run(call, input, strlen(input), out, warnings);

	fclose(out);
	fclose(warnings);
	assert_int_equal(status, wanted_status);
	json = json_loads(written, 0, NULL);
	assert_true(json || size == 0);
	return json;
}

/* The error object, as the specification wants it. */
static void fails(const struct cni_call *call, const char *input, enum cni_code code)
{
	json_t *error = run(call, input, 1);

	assert_true(cni_version_is_known(json_string_value(json_object_get(error, "cniVersion"))));
	assert_int_equal(json_integer_value(json_object_get(error, "code")), code);
	assert_true(json_string_length(json_object_get(error, "msg")) > 0);
	json_decref(error);
}

static void works(const struct cni_call *call, const char *input)
{
	assert_null(run(call, input, 0));
}

static void test_version(void **state)
{
	static const char *const inputs[] = {"{\"cniVersion\":\"0.4.0\"}", "{\"cniVersion\":\"9.9.9\"}", "{}", "x"};
	static const char *const answers[] = {"0.4.0", "9.9.9", "1.0.0", "1.0.0"};
	struct cni_call call = {.command = "VERSION"};

	(void)state;
	for (size_t i = 0; i < sizeof(inputs) / sizeof(*inputs); i++) {
		json_t *json = run(&call, inputs[i], 0);

		assert_string_equal(json_string_value(json_object_get(json, "cniVersion")), answers[i]);
		assert_int_equal(json_array_size(json_object_get(json, "supportedVersions")), 5);
		json_decref(json);
	}
}

static void test_environment(void **state)
{
	const char *input = CONFIG("1.0.0", ",\"prevResult\":" PREVIOUS NOWHERE);
	static const char *const ids[] = {"", "-a", ".a", "a/b", "a b", "\xff", "a;b"};
	static const char *const names[] = {"", ".", "..", "a/b", "a:b", "a b", "sixteen-letters-"};
	static const char *const paths[] = {"", "run/netns/x", "\xff"};
	static const char *const args[] = {"a", "=b", "a=b;c", ";", "a=\xff"};
	struct cni_call call = call_of("ADD");

	(void)state;
	call.command = NULL;
	fails(&call, input, CNI_ENVIRONMENT);
	call = call_of("MOVE");
	fails(&call, input, CNI_ENVIRONMENT);
	call = call_of("ADD");
	call.container_id = NULL;
	fails(&call, input, CNI_ENVIRONMENT);
	for (size_t i = 0; i < sizeof(ids) / sizeof(*ids); i++) {
		call.container_id = ids[i];
		fails(&call, input, CNI_ENVIRONMENT);
	}
	call = call_of("DEL");
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		call.ifname = names[i];
		fails(&call, input, CNI_ENVIRONMENT);
	}
	call = call_of("CHECK");
	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		call.netns = paths[i];
		fails(&call, input, CNI_ENVIRONMENT);
	}
	call = call_of("ADD");
	for (size_t i = 0; i < sizeof(args) / sizeof(*args); i++) {
		call.args = args[i];
		fails(&call, input, CNI_ENVIRONMENT);
	}
}

static void test_configurations_that_are_none(void **state)
{
	static const struct {
		const char *input;
		enum cni_code code;
	} cases[] = {
		{"", CNI_DECODE},
		{"[]", CNI_DECODE},
		{"{\"cniVersion\":\"1.0.0\"", CNI_DECODE},
		{CONFIG("1.0.0", ",\"name\":\"pods\""), CNI_DECODE},
		{"{\"name\":\"pods\"}", CNI_VERSION},
		{CONFIG("0.2.0", ""), CNI_VERSION},
		{CONFIG("2.0.0", ""), CNI_VERSION},
		{"{\"cniVersion\":1,\"name\":\"pods\"}", CNI_VERSION},
		{"{\"cniVersion\":\"1.0.0\"}", CNI_CONFIG},
		{"{\"cniVersion\":\"1.0.0\",\"name\":\"a b\"}", CNI_CONFIG},
		{CONFIG("1.0.0", ",\"prevResult\":[]"), CNI_CONFIG},
		{CONFIG("1.0.0", ",\"wait_ms\":\"1\""), CNI_CONFIG},
		{CONFIG("1.0.0", ",\"wait_ms\":-1"), CNI_CONFIG},
		{CONFIG("1.0.0", ",\"wait_ms\":60001"), CNI_CONFIG},
		{CONFIG("1.0.0", ",\"socket\":\"s\""), CNI_CONFIG},
		{CONFIG("1.0.0", ",\"state\":1"), CNI_CONFIG},
		{CONFIG("1.0.0", ",\"labels\":\"a\""), CNI_CONFIG},
		{CONFIG("1.0.0", ",\"labels\":{\"a\":1}"), CNI_CONFIG},
		{CONFIG("1.0.0", ",\"labels\":{\"\":\"a\"}"), CNI_CONFIG},
		{CONFIG("1.0.0", ",\"args\":{\"cni\":{\"labels\":[{\"key\":\"a\"}]}}"), CNI_CONFIG},
		{CONFIG("1.0.0", ",\"args\":{\"cni\":{\"labels\":[1]}}"), CNI_CONFIG},
		{CONFIG("1.0.0", ""), CNI_CONFIG}, /* no prevResult */
	};
	struct cni_call call = call_of("ADD");

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		fails(&call, cases[i].input, cases[i].code);
}

static void test_commands_and_versions(void **state)
{
	struct cni_call call = call_of("CHECK");

	(void)state;
	fails(&call, CONFIG("0.3.1", ",\"prevResult\":" PREVIOUS NOWHERE), CNI_VERSION);
	fails(&call, CONFIG("0.4.0", NOWHERE), CNI_CONFIG);
	fails(&call, CONFIG("0.4.0", ",\"prevResult\":" PREVIOUS NOWHERE), CNI_IO); /* no such namespace */
	call = (struct cni_call){.command = "GC"};
	fails(&call, CONFIG("1.0.0", NOWHERE), CNI_VERSION);
	works(&call, CONFIG("1.1.0", NOWHERE ",\"cni.dev/valid-attachments\":[]"));
	call.command = "STATUS";
	fails(&call, CONFIG("1.0.0", NOWHERE), CNI_VERSION);
	fails(&call, CONFIG("1.1.0", NOWHERE), CNI_UNAVAILABLE);
}

static void test_del_does_not_fail(void **state)
{
	struct listener listener;
	struct cni_call call = call_of("DEL");
	char input[256];
	json_t *request;

	(void)state;
	works(&call, CONFIG("0.3.1", NOWHERE));
	call.netns = "";
	works(&call, CONFIG("1.0.0", NOWHERE));
	call.netns = NULL;
	listener_start(&listener, LISTENER_ANSWERS, "{\"ok\":true,\"result\":{\"released\":1}}\n");
	snprintf(input, sizeof(input), CONFIG("1.0.0", ",\"socket\":\"%s\""), listener.path);
	works(&call, input);
	listener_stop(&listener);
	request = json_loads(listener.heard, 0, NULL);
	assert_string_equal(json_string_value(json_object_get(request, "command")), "release");
	assert_string_equal(json_string_value(json_object_get(request, "id")), "c1");
	json_decref(request);
	listener_start(&listener, LISTENER_ANSWERS, "garbage\n");
	snprintf(input, sizeof(input), CONFIG("1.0.0", ",\"socket\":\"%s\""), listener.path);
	works(&call, input);
	listener_stop(&listener);
}

static void test_status(void **state)
{
	struct listener listener;
	struct cni_call call = {.command = "STATUS"};
	char input[256];

	(void)state;
	listener_start(&listener, LISTENER_ANSWERS, "{\"ok\":true,\"result\":{\"version\":\"0.1.0\"}}\n");
	snprintf(input, sizeof(input), CONFIG("1.1.0", ",\"socket\":\"%s\""), listener.path);
	works(&call, input);
	listener_stop(&listener);
	fails(&call, input, CNI_UNAVAILABLE);
}

/* ---- the request ---- */

static json_t *request_of(const char *input, const char *args)
{
	struct cni_call call = call_of("ADD");
	struct cni_config config;
	struct cni_error error = {0};
	json_t *request;

	call.args = args;
	assert_int_equal(cni_config_parse(input, strlen(input), &config, &error), CNI_OK);
	request = cni_request(&call, &config, &error);
	assert_true((request != NULL) == (error.code == CNI_OK));
	cni_config_free(&config);
	return request;
}

static void requests(const char *input, const char *args, const char *wanted)
{
	json_t *request = request_of(input, args);
	AUTO_FREE char *text = json_dumps(request, JSON_COMPACT | JSON_SORT_KEYS);

	assert_non_null(text);
	assert_string_equal(text, wanted);
	json_decref(request);
}

static void test_request(void **state)
{
	(void)state;
	requests(CONFIG("1.0.0", ",\"prevResult\":" PREVIOUS), NULL,
		 "{\"addresses\":[\"10.88.0.4/16\",\"fd88::4/64\"],\"gateways\":[\"10.88.0.1\",\"fd88::1\"],"
		 "\"id\":\"c1\",\"mac\":\"66:4c:84:66:5f:1b\",\"name\":\"c1\",\"netns\":\"/run/netns/x\","
		 "\"network\":\"pods\",\"runtime\":\"cni\"}");
	/* As containerd's CRI says it; an unknown word is none of ours. */
	requests(CONFIG("0.4.0",
			",\"prevResult\":{\"cniVersion\":\"0.4.0\",\"ips\":[{\"version\":\"4\",\"address\":"
			"\"10.1.0.9/24\"}]},\"labels\":{\"a\":\"1\",\"b\":\"2\"},\"args\":{\"cni\":{\"labels\":"
			"[{\"key\":\"b\",\"value\":\"3\"}]}},\"runtimeConfig\":{\"labels\":{\"c\":\"4\"}}"),
		 "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-0;K8S_POD_INFRA_CONTAINER_ID=c1;K8S_POD_UID=;"
		 "X=a=b",
		 "{\"addresses\":[\"10.1.0.9/"
		 "24\"],\"gateways\":[],\"id\":\"c1\",\"labels\":{\"a\":\"1\",\"b\":\"3\",\"c\":\"4\"},"
		 "\"name\":\"web-0\",\"namespace\":\"shop\",\"netns\":\"/run/netns/"
		 "x\",\"network\":\"pods\",\"runtime\":\"cni\"}");
}

static void test_addresses_of_other_interfaces(void **state)
{
	(void)state;
	requests(
		CONFIG("1.0.0",
		       ",\"prevResult\":{\"interfaces\":[{\"name\":\"eth0\"},{\"name\":\"eth0\",\"sandbox\":\"/n\"},"
		       "{\"name\":\"net1\",\"sandbox\":\"/n\"}],\"ips\":[{\"interface\":0,\"address\":\"10.0.0.1/8\"},"
		       "{\"interface\":1,\"address\":\"10.0.0.2/8\"},{\"interface\":2,\"address\":\"10.0.0.3/8\"},"
		       "{\"interface\":-1,\"address\":\"10.0.0.4/8\"},{\"interface\":99,\"address\":\"10.0.0.5/8\"}]}"),
		NULL,
		"{\"addresses\":[\"10.0.0.2/8\"],\"gateways\":[],\"id\":\"c1\",\"name\":\"c1\","
		"\"netns\":\"/run/netns/x\",\"network\":\"pods\",\"runtime\":\"cni\"}");
}

static void test_results_that_are_none(void **state)
{
	static const char *const results[] = {
		"{\"ips\":[{}]}",
		"{\"ips\":[1]}",
		"{\"ips\":[{\"address\":\"10.0.0.1\"}]}",
		"{\"ips\":[{\"address\":\"10.0.0.1/33\"}]}",
		"{\"ips\":[{\"address\":\"x/8\"}]}",
		"{\"ips\":[{\"address\":\"10.0.0.1/8\",\"gateway\":\"10.0.0.1/8\"}]}",
		"{\"interfaces\":[{\"name\":\"eth0\",\"sandbox\":\"/n\",\"mac\":\"x\"}]}",
	};
	char input[512];

	(void)state;
	for (size_t i = 0; i < sizeof(results) / sizeof(*results); i++) {
		snprintf(input, sizeof(input), CONFIG("1.0.0", ",\"prevResult\":%s"), results[i]);
		assert_null(request_of(input, NULL));
	}
	/* Odd, but nothing that says something of the container's own interface. */
	json_decref(request_of(CONFIG("1.0.0", ",\"prevResult\":{\"interfaces\":{},\"ips\":\"x\"}"), NULL));
	json_decref(request_of(CONFIG("1.0.0", ",\"prevResult\":{\"interfaces\":[1,{\"name\":2}]}"), NULL));
}

/* ADD and CHECK of a namespace that is none, or is our own. */
static void test_namespaces_that_are_none(void **state)
{
	static const char *const paths[] = {"/", "/dev/null", "/nowhere/at/all", "/proc/self/ns/mnt"};
	const char *input = CONFIG("1.0.0", ",\"prevResult\":" PREVIOUS NOWHERE);
	struct cni_call call = call_of("ADD");

	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		call.netns = paths[i];
		fails(&call, input, CNI_IO);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_version),
		cmocka_unit_test(test_environment),
		cmocka_unit_test(test_configurations_that_are_none),
		cmocka_unit_test(test_commands_and_versions),
		cmocka_unit_test(test_del_does_not_fail),
		cmocka_unit_test(test_status),
		cmocka_unit_test(test_request),
		cmocka_unit_test(test_addresses_of_other_interfaces),
		cmocka_unit_test(test_results_that_are_none),
		cmocka_unit_test(test_namespaces_that_are_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
