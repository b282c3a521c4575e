/* SPDX-License-Identifier: GPL-2.0-only */
/* What the hooks make of the daemon's settings, of what a runtime writes, and of whatever answers at the socket. None
 * of them may wait beyond its bound: the alarm ends a test that does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hook/hook.h"
#include "listener.h"

#define OPEN	      "{\"ok\":true,\"result\":{\"ports\":[{\"interface\":\"veth1\",\"state\":\"open\"}],\"milliseconds\":3}}\n"
#define REFUSAL(code) "{\"ok\":false,\"error\":{\"message\":\"the reason\",\"code\":\"" code "\"}}\n"
#define HANG_S	      120

static char directory[64];

static int enter(void **state)
{
	(void)state;
	strcpy(directory, "/tmp/bulkhead-hook-XXXXXX");
	alarm(HANG_S);
	return mkdtemp(directory) && chdir(directory) == 0 ? 0 : -1;
}

static int leave(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf -- %s", directory);
	return chdir("/") == 0 && system(command) == 0 ? 0 : -1; /* NOLINT(cert-env33-c) */
}

static void write_settings(const char *text)
{
	FILE *file = fopen("hooks.json", "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod("hooks.json", 0644), 0);
}

/* ---- settings ---- */

static void test_settings(void **state)
{
	struct hook_settings settings;
	struct error error = {0};

	(void)state;
	assert_int_equal(hook_settings_read(directory, &settings, &error), 0);
	assert_int_equal(error.code, 0);
	assert_false(settings.closed);
	assert_string_equal(settings.socket, HOOK_SOCKET);
	if (geteuid() != 0)
		skip();
	write_settings("{\"version\":1,\"start_without_daemon\":\"closed\",\"socket\":\"/x/y\"}");
	assert_int_equal(hook_settings_read(directory, &settings, &error), 0);
	assert_true(settings.closed);
	assert_string_equal(settings.socket, "/x/y");
	write_settings("{\"version\":1,\"start_without_daemon\":\"fail\",\"socket\":\"/x/y\"}");
	assert_int_equal(hook_settings_read(directory, &settings, &error), 0);
	assert_false(settings.closed);
}

/* What is not surely the administrator's word means `fail`. */
static void test_bad_settings(void **state)
{
	static const char *const texts[] = {
		"",
		"{",
		"[]",
		"{\"version\":2,\"start_without_daemon\":\"closed\",\"socket\":\"/x\"}",
		"{\"version\":1,\"start_without_daemon\":\"open\",\"socket\":\"/x\"}",
		"{\"version\":1,\"start_without_daemon\":true,\"socket\":\"/x\"}",
		"{\"version\":1,\"start_without_daemon\":\"closed\",\"socket\":\"x\"}",
		"{\"version\":1,\"start_without_daemon\":\"closed\"}",
		"{\"version\":1,\"start_without_daemon\":\"closed\",\"socket\":\"/x\"} x",
		"{\"version\":1,\"version\":1,\"start_without_daemon\":\"closed\",\"socket\":\"/x\"}",
	};
	struct hook_settings settings;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct error error = {0};

		write_settings(texts[i]);
		assert_true(hook_settings_read(directory, &settings, &error) < 0);
		assert_true(error.text[0]);
		assert_false(settings.closed);
		assert_string_equal(settings.socket, HOOK_SOCKET);
	}
}

static void test_settings_that_are_no_file_of_roots(void **state)
{
	const char *good = "{\"version\":1,\"start_without_daemon\":\"closed\",\"socket\":\"/x\"}";
	struct hook_settings settings;

	(void)state;
	write_settings(good);
	assert_int_equal(chmod("hooks.json", 0666), 0);
	assert_int_equal(hook_settings_read(directory, &settings, NULL), -EPERM);
	assert_false(settings.closed);
	assert_int_equal(chmod("hooks.json", 0644), 0);
	assert_int_equal(rename("hooks.json", "other"), 0);
	assert_int_equal(symlink("other", "hooks.json"), 0);
	assert_true(hook_settings_read(directory, &settings, NULL) < 0);
	assert_int_equal(unlink("hooks.json"), 0);
	assert_int_equal(mkfifo("hooks.json", 0644), 0);
	assert_true(hook_settings_read(directory, &settings, NULL) < 0);
	assert_int_equal(unlink("hooks.json"), 0);
	assert_int_equal(mkdir("hooks.json", 0755), 0);
	assert_true(hook_settings_read(directory, &settings, NULL) < 0);
	assert_false(settings.closed);
}

/* ---- asking ---- */

static enum hook_result adopt_at(const char *path, struct error *error)
{
	struct hook hook = {.state_dir = directory, .socket = path, .wait_ms = 10};

	memset(error, 0, sizeof(*error));
	return hook_adopt(&hook, json_pack("{s:s}", "interface", "veth1"), error);
}

static enum hook_result adopt_from(enum listener_manner manner, const char *text, struct listener *listener,
				   struct error *error)
{
	enum hook_result result;

	listener_start(listener, manner, text);
	result = adopt_at(listener->path, error);
	listener_stop(listener);
	return result;
}

static void test_adopted(void **state)
{
	struct listener listener;
	struct error error;
	json_t *request;

	(void)state;
	assert_int_equal(adopt_from(LISTENER_ANSWERS, OPEN, &listener, &error), HOOK_DONE);
	request = json_loads(listener.heard, 0, NULL);
	assert_string_equal(json_string_value(json_object_get(request, "command")), "adopt");
	assert_string_equal(json_string_value(json_object_get(request, "interface")), "veth1");
	assert_int_equal(json_integer_value(json_object_get(request, "wait_ms")), 10);
	json_decref(request);
}

static void test_refused(void **state)
{
	static const struct {
		const char *text;
		int code;
	} cases[] = {
		{REFUSAL("invalid"), -EINVAL},
		{REFUSAL("conflict"), -EADDRINUSE},
		{REFUSAL("denied"), -EACCES},
		{REFUSAL("unsupported"), -EOPNOTSUPP},
		{REFUSAL("something new"), -EPROTO},
		{"{\"ok\":false,\"error\":{\"message\":\"the reason\"}}\n", -EPROTO},
	};
	struct listener listener;
	struct error error;

	(void)state;
	/* Not the daemon's being away: `closed` does not let it pass. */
	write_settings("{\"version\":1,\"start_without_daemon\":\"closed\",\"socket\":\"/x\"}");
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_int_equal(adopt_from(LISTENER_ANSWERS, cases[i].text, &listener, &error), HOOK_FAILED);
		assert_int_equal(error.code, cases[i].code);
		assert_non_null(strstr(error.text, "the reason"));
	}
	/* One that refuses without having read, as when there are too many clients. */
	assert_int_equal(adopt_from(LISTENER_DEAF, cases[5].text, &listener, &error), HOOK_FAILED);
	assert_non_null(strstr(error.text, "the reason"));
}

struct failure {
	const char *text;
	enum listener_manner manner;
	int code;
};
static const struct failure failures[] = {
	{"", LISTENER_SILENT, -ECONNREFUSED},
	{"{\"ok\":", LISTENER_DRIPS, -ECONNREFUSED},
	{"{\"ok\":", LISTENER_ENDLESS, -ECONNREFUSED},
	{"", LISTENER_ANSWERS, -ECONNREFUSED},
	{"{\"ok\":true", LISTENER_ANSWERS, -ECONNREFUSED},
	{OPEN + 1, LISTENER_ANSWERS, -ECONNREFUSED},
	{"\n", LISTENER_ANSWERS, -ECONNREFUSED},
	{"true\n", LISTENER_ANSWERS, -ECONNREFUSED},
	{"{}\n", LISTENER_ANSWERS, -ECONNREFUSED},
	{"\xff\xfe\x01\n", LISTENER_ANSWERS, -ECONNREFUSED},
	{"{\"ok\":true}\n", LISTENER_ANSWERS, -ECONNREFUSED},
	{"{\"ok\":true,\"result\":{}}\n", LISTENER_ANSWERS, -ECONNREFUSED},
	{"{\"ok\":true,\"result\":{\"ports\":[]}}\n", LISTENER_ANSWERS, -ECONNREFUSED},
	{"{\"ok\":true,\"result\":{\"ports\":[{}]}}\n", LISTENER_ANSWERS, -ECONNREFUSED},
	{"{\"ok\":true,\"result\":{\"ports\":\"open\"}}\n", LISTENER_ANSWERS, -ECONNREFUSED},
	{"{\"ok\":1,\"result\":{\"ports\":[{\"interface\":\"v\",\"state\":\"open\"}]}}\n", LISTENER_ANSWERS,
	 -ECONNREFUSED},
	{"{\"ok\":false}\n", LISTENER_ANSWERS, -ECONNREFUSED},
	{"{\"ok\":false,\"error\":\"no\"}\n", LISTENER_ANSWERS, -ECONNREFUSED},
	{REFUSAL("timeout"), LISTENER_ANSWERS, -ETIMEDOUT},
	{REFUSAL("busy"), LISTENER_ANSWERS, -ECONNREFUSED}, /* asked again, and nobody was there */
};

static void test_no_daemon_that_is_one(void **state)
{
	static const char *const words[] = {"fail", "closed"};
	struct listener listener;
	struct error error;
	char text[128];

	(void)state;
	if (geteuid() != 0)
		skip();
	for (int closed = 0; closed < 2; closed++) {
		snprintf(text, sizeof(text), "{\"version\":1,\"start_without_daemon\":\"%s\",\"socket\":\"/x\"}",
			 words[closed]);
		write_settings(text);
		/* Those that take the whole time are tried once. */
		for (size_t i = closed ? 2 : 0; i < sizeof(failures) / sizeof(*failures); i++) {
			enum hook_result result = adopt_from(failures[i].manner, failures[i].text, &listener, &error);

			assert_int_equal(result, closed ? HOOK_CLOSED : HOOK_FAILED);
			assert_int_equal(error.code, failures[i].code);
			assert_null(strchr(error.text, '\n'));
		}
		assert_int_equal(adopt_at("/tmp/bulkhead-nobody/here", &error), closed ? HOOK_CLOSED : HOOK_FAILED);
	}
}

/* Who can't start a container wants to know what to do. */
static void test_what_to_do(void **state)
{
	struct listener listener;
	struct error error;

	(void)state;
	assert_int_equal(adopt_at("/tmp/bulkhead-nobody/here", &error), HOOK_FAILED);
	assert_non_null(strstr(error.text, "/tmp/bulkhead-nobody/here"));
	assert_non_null(strstr(error.text, "systemctl start bulkheadd"));
	assert_non_null(strstr(error.text, "start_without_daemon: closed"));
	assert_int_equal(adopt_from(LISTENER_ANSWERS, REFUSAL("timeout"), &listener, &error), HOOK_FAILED);
	assert_non_null(strstr(error.text, "the reason"));
	assert_non_null(strstr(error.text, "bulkhead ports"));
	/* An answer's text is nobody's to trust. */
	assert_int_equal(adopt_from(LISTENER_ANSWERS, "{\"ok\":false,\"error\":{\"message\":\"a\\u001b[2Jb\\n\"}}\n",
				    &listener, &error),
			 HOOK_FAILED);
	assert_null(strchr(error.text, 0x1b));
	write_settings("nonsense");
	assert_int_equal(adopt_at("/tmp/bulkhead-nobody/here", &error), HOOK_FAILED);
	assert_non_null(strstr(error.text, "hooks.json"));
}

static void test_requests_that_are_none(void **state)
{
	struct hook hook = {.state_dir = directory, .socket = "/tmp/bulkhead-nobody/here"};
	struct error error = {0};
	char *much = malloc(70000);

	(void)state;
	assert_int_equal(hook_adopt(&hook, NULL, &error), HOOK_FAILED);
	assert_non_null(much);
	memset(much, 'a', 69999);
	much[69999] = '\0';
	assert_int_equal(hook_adopt(&hook, json_pack("{s:s}", "name", much), &error), HOOK_FAILED);
	assert_int_equal(error.code, -E2BIG);
	free(much);
}

static void test_asking_something_else(void **state)
{
	struct listener listener;
	struct hook hook = {.state_dir = directory, .socket = listener.path};
	struct error error = {0};

	(void)state;
	listener_start(&listener, LISTENER_ANSWERS, "{\"ok\":true,\"result\":{\"released\":0}}\n");
	assert_int_equal(hook_ask(&hook, json_pack("{s:s}", "command", "release"), &error), 0);
	listener_stop(&listener);
	listener_start(&listener, LISTENER_ANSWERS, "{\"ok\":true,\"result\":{}}\n");
	assert_int_equal(hook_ask(&hook, json_pack("{s:s}", "command", "adopt"), &error), -ECONNREFUSED);
	listener_stop(&listener);
}

/* ---- what a runtime writes ---- */

static void input_of(const char *text, size_t length, int wanted)
{
	char *data = NULL;
	size_t size = 0;
	int fd = open("input", O_RDWR | O_CREAT | O_TRUNC, 0600);
	struct error error = {0};

	assert_int_equal(write(fd, text, length), length);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(hook_input(fd, HOOK_INPUT_MS, &data, &size, &error), wanted);
	if (wanted == 0) {
		assert_int_equal(size, length);
		assert_memory_equal(data, text, length);
		assert_int_equal(data[length], '\0');
	} else {
		assert_true(error.text[0]);
	}
	free(data);
	close(fd);
}

static void test_input(void **state)
{
	char *much = calloc(1, HOOK_INPUT_MAX + 1);

	(void)state;
	assert_non_null(much);
	input_of("{}", 2, 0);
	input_of("a\0b", 3, 0);
	input_of("", 0, -ENODATA);
	input_of(much, HOOK_INPUT_MAX, 0);
	input_of(much, HOOK_INPUT_MAX + 1, -EFBIG);
	free(much);
}

/* A runtime that has written all, or nothing, and does not say that it has. */
static void test_input_without_an_end(void **state)
{
	char *data = NULL;
	size_t size = 0;
	struct error error = {0};
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(hook_input(fds[0], 50, &data, &size, &error), -ETIMEDOUT);
	assert_int_equal(write(fds[1], "{}", 2), 2);
	assert_int_equal(hook_input(fds[0], 50, &data, &size, &error), -ETIMEDOUT);
	assert_null(data);
	close(fds[0]);
	close(fds[1]);
}

static void test_json(void **state)
{
	static const char *const bad[] = {"", "{", "[]", "1", "{\"a\":1,\"a\":2}", "{} {}", "{\"a\":\"\xff\"}"};
	struct error error = {0};
	json_t *json = hook_json("{\"a\":1}", 7, "it", &error);

	(void)state;
	assert_true(json_is_object(json));
	json_decref(json);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_null(hook_json(bad[i], strlen(bad[i]), "it", &error));
	assert_null(hook_json("{}\0", 3, "it", &error));
}

static void test_words(void **state)
{
	json_t *labels = json_object();
	struct error error = {0};
	int64_t ms = 7;

	(void)state;
	assert_int_equal(hook_label(labels, "a=b=c", &error), 0);
	assert_string_equal(json_string_value(json_object_get(labels, "a")), "b=c");
	assert_int_equal(hook_label(labels, "b=", &error), 0);
	assert_int_equal(hook_label(labels, "=b", &error), -EINVAL);
	assert_int_equal(hook_label(labels, "b", &error), -EINVAL);
	assert_int_equal(hook_label(labels, "b=\xff", &error), -EINVAL);
	json_decref(labels);
	assert_int_equal(hook_wait_ms("0", &ms, &error), 0);
	assert_int_equal(hook_wait_ms("60000", &ms, &error), 0);
	assert_int_equal(ms, 60000);
	assert_int_equal(hook_wait_ms("60001", &ms, &error), -EINVAL);
	assert_int_equal(hook_wait_ms("-1", &ms, &error), -EINVAL);
	assert_int_equal(hook_wait_ms("", &ms, &error), -EINVAL);
	assert_int_equal(hook_wait_ms(" 1", &ms, &error), -EINVAL);
	assert_int_equal(hook_wait_ms("1s", &ms, &error), -EINVAL);
	assert_int_equal(hook_wait_ms("99999999999999999999", &ms, &error), -EINVAL);
	assert_int_equal(ms, 60000);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, enter, leave)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_settings),
		TEST(test_bad_settings),
		TEST(test_settings_that_are_no_file_of_roots),
		TEST(test_adopted),
		TEST(test_refused),
		TEST(test_no_daemon_that_is_one),
		TEST(test_what_to_do),
		TEST(test_requests_that_are_none),
		TEST(test_asking_something_else),
		TEST(test_input),
		TEST(test_input_without_an_end),
		TEST(test_json),
		TEST(test_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
