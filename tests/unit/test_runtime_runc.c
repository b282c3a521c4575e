/* SPDX-License-Identifier: GPL-2.0-only */
/* runc-state.json was written by runc 1.1.5, crun-status.json and crun-config.json by crun 1.8.1; what is never read is
 * left out of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "port/runtime_runc.h"
#include "recorded.h"
#include "runtime_box.h"

#define RUNC_PID   25491
#define RUNC_START 367638
#define CRUN_PID   25552
#define CRUN_START 367654

static void assert_web(const struct bundle *bundle, const char *runtime)
{
	assert_string_equal(bundle->reason, "");
	assert_string_equal(bundle->owner.id, "web");
	assert_string_equal(bundle->owner.name, "web");
	assert_string_equal(bundle->owner.runtime, runtime);
	assert_int_equal(bundle->owner.labels.count, 2); /* what runc adds is none */
	assert_string_equal(bundle->owner.labels.items[0].key, "app");
	assert_string_equal(bundle->owner.labels.items[0].value, "shop=1");
	assert_string_equal(bundle->owner.labels.items[1].value, "front");
	assert_int_equal(bundle->network, BUNDLE_OWN);
}

static void test_recorded(void **state)
{
	json_t *runc = recorded("runc-state.json"), *crun = recorded("crun-config.json");
	json_t *status = recorded("crun-status.json");
	struct bundle *bundle = bundle_new(NULL, "web");
	struct process process;

	(void)state;
	assert_int_equal(runc_parse(runc, bundle), 0);
	assert_web(bundle, "runc");
	bundle_free(bundle);
	assert_int_equal(runc_process(runc, &process), 0);
	assert_int_equal(process.pid, RUNC_PID);
	assert_int_equal(process.start, RUNC_START);
	bundle = bundle_new(NULL, "web");
	assert_int_equal(crun_parse(crun, bundle), 0);
	assert_web(bundle, "crun");
	bundle_free(bundle);
	assert_int_equal(crun_process(status, &process), 0);
	assert_int_equal(process.pid, CRUN_PID);
	assert_int_equal(process.start, CRUN_START);
	json_decref(runc);
	json_decref(crun);
	json_decref(status);
}

static json_t *runc_with(const char *change)
{
	json_t *json = recorded("runc-state.json"), *changes = json_loads(change, 0, NULL);

	assert_non_null(changes);
	assert_int_equal(json_object_update(json_object_get(json, "config"), changes), 0);
	json_decref(changes);
	return json;
}

static void test_networks(void **state)
{
	static const struct {
		const char *change;
		enum bundle_network network;
	} cases[] = {
		{"{\"namespaces\": [{\"type\": \"NEWNS\", \"path\": \"\"}]}", BUNDLE_HOST},
		{"{\"namespaces\": [{\"type\": \"NEWNET\", \"path\": \"/run/netns/web\"}]}", BUNDLE_PINNED},
		{"{\"namespaces\": [{\"type\": \"NEWNET\", \"path\": \"/proc/7/ns/net\"}]}", BUNDLE_JOINED},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct bundle *bundle = bundle_new(NULL, "web");
		json_t *json = runc_with(cases[i].change);

		assert_int_equal(runc_parse(json, bundle), 0);
		assert_int_equal(bundle->network, cases[i].network);
		json_decref(json);
		bundle_free(bundle);
	}
}

/* Engines' containers are in the same roots, and theirs to tell of. */
static void test_engines(void **state)
{
	static const char *const labels[] = {"io.container.manager=libpod", "io.kubernetes.cri.container-type=sandbox",
					     "nerdctl/name=web"};

	(void)state;
	for (size_t i = 0; i < sizeof(labels) / sizeof(*labels); i++) {
		struct bundle *bundle = bundle_new(NULL, "web");
		json_t *json = runc_with("{}");

		json_array_append_new(json_object_get(json_object_get(json, "config"), "labels"),
				      json_string(labels[i]));
		assert_int_equal(runc_parse(json, bundle), -EINVAL);
		json_decref(json);
		bundle_free(bundle);
	}
}

static void test_malformed(void **state)
{
	static const char *const texts[] = {"{}", "[]", "{\"config\": []}", "{\"config\": {\"namespaces\": 7}}"};
	static const char *const processes[] = {
		"{}",
		"{\"init_process_pid\": 7}",
		"{\"init_process_pid\": -7, \"init_process_start\": 7}",
		"{\"init_process_pid\": 99999999999, \"init_process_start\": 7}",
		"{\"init_process_pid\": \"7\", \"init_process_start\": 7}",
	};
	struct process process;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct bundle *bundle = bundle_new(NULL, "web");
		json_t *json = json_loads(texts[i], 0, NULL);

		assert_int_equal(runc_parse(json, bundle), -EBADMSG);
		assert_int_equal(crun_parse(json, bundle), -EBADMSG);
		json_decref(json);
		bundle_free(bundle);
	}
	for (size_t i = 0; i < sizeof(processes) / sizeof(*processes); i++) {
		json_t *json = json_loads(processes[i], 0, NULL);

		assert_int_equal(runc_process(json, &process), -EBADMSG);
		assert_int_equal(crun_process(json, &process), -EBADMSG);
		json_decref(json);
	}
}

static void test_root(void **state)
{
	struct namespace_pin pin = box_pin(RUNC_PID, RUNC_START);
	struct evidence evidence;
	char reason[REASON_MAX];
	struct box box;

	(void)state;
	box_open(&box, &runtime_runc);
	box_put(&box, "runc/web/state.json", "{ \"id\": \"we"); /* half of it */
	assert_int_equal(box_ask(&box, &runtime_runc, &pin, "veth0", 0, &evidence, reason), RUNTIME_NOT_MINE);
	/* The number is another's by now: whatever is in its control group. */
	box_put_recorded(&box, "runc/web/state.json", "runc-state.json");
	box_put_process(&box, RUNC_PID, RUNC_START + 1, "/web");
	pin = box_pin(RUNC_PID, RUNC_START + 1);
	assert_int_equal(box_ask(&box, &runtime_runc, &pin, "veth0", 0, &evidence, reason), RUNTIME_NOT_MINE);
	box_put_process(&box, RUNC_PID, RUNC_START, "/web");
	pin = box_pin(RUNC_PID, RUNC_START);
	/* Who has ended does not come back: the record is not read again before it is another. */
	assert_int_equal(box_ask(&box, &runtime_runc, &pin, "veth0", 0, &evidence, reason), RUNTIME_NOT_MINE);
	box_put_recorded(&box, "runc/web/state.json", "runc-state.json");
	/* Nobody waits for CNI, which has nothing to do with it. */
	assert_int_equal(box_ask(&box, &runtime_runc, &pin, "veth0", 0, &evidence, reason), RUNTIME_OWNS);
	assert_true(evidence.claim);
	assert_string_equal(evidence.owner.name, "web");
	assert_string_equal(evidence.owner.cgroup, "/web");
	evidence_free(&evidence);
	box_close(&box, &runtime_runc);
}

/* A namespace that somebody made and named is a container's only while that runs. */
static void test_stopped_in_a_named_namespace(void **state)
{
	struct namespace_pin pin = {.dir = NAMESPACE_DIR_NETNS, .name = "web"};
	json_t *json = runc_with("{\"namespaces\": [{\"type\": \"NEWNET\", \"path\": \"/run/netns/web\"}]}");
	char *text = json_dumps(json, JSON_COMPACT);
	struct evidence evidence;
	char reason[REASON_MAX];
	struct box box;

	(void)state;
	box_open(&box, &runtime_runc);
	box_put_process(&box, RUNC_PID, RUNC_START, "/web");
	box_put(&box, "runc/web/state.json", text);
	assert_int_equal(box_ask(&box, &runtime_runc, &pin, "veth0", 0, &evidence, reason), RUNTIME_OWNS);
	evidence_free(&evidence);
	box_put_process(&box, RUNC_PID, RUNC_START + 1, "/other");
	assert_int_equal(box_ask(&box, &runtime_runc, &pin, "veth0", 0, &evidence, reason), RUNTIME_NOT_MINE);
	box_close(&box, &runtime_runc);
	free(text);
	json_decref(json);
}

static void test_crun_root(void **state)
{
	struct namespace_pin pin = box_pin(CRUN_PID, CRUN_START);
	struct evidence evidence;
	char reason[REASON_MAX];
	struct box box;

	(void)state;
	box_open(&box, &runtime_crun);
	box_put_process(&box, CRUN_PID, CRUN_START, "/web");
	box_put_recorded(&box, "crun/web/status", "crun-status.json");
	assert_int_equal(box_ask(&box, &runtime_crun, &pin, "veth0", 0, &evidence, reason), RUNTIME_NOT_MINE);
	box_put_recorded(&box, "crun/web/config.json", "crun-config.json");
	assert_int_equal(box_ask(&box, &runtime_crun, &pin, "veth0", 0, &evidence, reason), RUNTIME_OWNS);
	assert_string_equal(evidence.owner.runtime, "crun");
	evidence_free(&evidence);
	box_close(&box, &runtime_crun);
}

/* Whatever lies where a record should be: it holds nothing up, and nobody has the port. */
static void test_traps(void **state)
{
	struct namespace_pin pin = box_pin(RUNC_PID, RUNC_START);
	struct evidence evidence;
	char reason[REASON_MAX];
	struct text deep = {0};
	struct box box;

	(void)state;
	box_open(&box, &runtime_runc);
	AUTO_FREE char *fifo = box_path(&box, "runc/fifo/state.json");
	AUTO_FREE char *folder = box_path(&box, "runc/folder/state.json");
	AUTO_FREE char *loop = box_path(&box, "runc/loop/state.json");
	AUTO_FREE char *large = box_path(&box, "runc/large/state.json");
	box_put_process(&box, RUNC_PID, RUNC_START, "/web");
	for (int i = 0; i < 100000; i++)
		text_append(&deep, "[");
	box_put(&box, "runc/deep/state.json", text_string(&deep));
	text_free(&deep);
	box_put(&box, "runc/fifo/other", "");
	box_put(&box, "runc/folder/other", "");
	box_put(&box, "runc/loop/other", "");
	box_put(&box, "runc/large/state.json", "{}");
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_int_equal(mkdir(folder, 0700), 0);
	assert_int_equal(symlink("state.json", loop), 0);
	assert_int_equal(truncate(large, (off_t)1 << 40), 0);
	assert_int_equal(box_ask(&box, &runtime_runc, &pin, "veth0", 0, &evidence, reason), RUNTIME_NOT_MINE);
	/* And hides no other. */
	box_put_recorded(&box, "runc/web/state.json", "runc-state.json");
	assert_int_equal(box_ask(&box, &runtime_runc, &pin, "veth0", 0, &evidence, reason), RUNTIME_OWNS);
	evidence_free(&evidence);
	box_close(&box, &runtime_runc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_recorded),
		cmocka_unit_test(test_networks),
		cmocka_unit_test(test_engines),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_root),
		cmocka_unit_test(test_crun_root),
		cmocka_unit_test(test_stopped_in_a_named_namespace),
		cmocka_unit_test(test_traps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
