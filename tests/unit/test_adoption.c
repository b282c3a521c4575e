/* SPDX-License-Identifier: GPL-2.0-only */
/* What is said at an adoption, and the file that keeps it: words, bounds, hostile values, other boots. */
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
#include "base/map.h"
#include "port/runtime_adopted.h"
#include "runtime_box.h"

#define BOOT "2f1c9c2e-0c0b-4a2c-9f5e-6a1d0e8b7c11"
#define HOST 4711

static json_t *json(const char *text)
{
	json_t *value = port_json_parse(text, strlen(text));

	assert_non_null(value);
	return value;
}

static int parse(const char *text, struct adoption *adoption, char reason[REASON_MAX])
{
	json_t *words = json(text);
	int r = adoption_parse(words, adoption, reason);

	json_decref(words);
	return r;
}

static void refused(const char *text, const char *why)
{
	struct adoption adoption = {0};
	char reason[REASON_MAX] = "";

	assert_int_equal(parse(text, &adoption, reason), -EINVAL);
	if (!strstr(reason, why))
		fail_msg("%.80s: '%s', not '%s'", text, reason, why);
	assert_null(adoption.word.owner.name);
}

static void test_words(void **state)
{
	struct adoption adoption;
	const struct evidence *word = &adoption.word;
	char reason[REASON_MAX], text[PREFIX_TEXT_MAX];

	(void)state;
	assert_int_equal(
		parse("{\"name\":\"web-1\",\"id\":\"abc\",\"runtime\":\"cni\",\"image\":\"shop:1\",\"namespace\":"
		      "\"prod\","
		      "\"network\":\"front\",\"labels\":{\"b\":\"2\",\"a\":\"1\"},"
		      "\"addresses\":[\"10.0.0.2/24\",\"fd00::2/64\",\"10.0.0.9/16\"],\"gateways\":[\"10.0.0.1\"],"
		      "\"mac\":\"02:00:00:00:00:07\",\"command\":\"adopt\"}",
		      &adoption, reason),
		0);
	assert_string_equal(word->owner.name, "web-1");
	assert_string_equal(word->owner.runtime, "cni");
	assert_string_equal(word->owner.namespace, "prod");
	assert_string_equal(word->owner.labels.items[0].key, "a");
	assert_true(adoption.has_labels && word->has_owner && word->has_mac && !word->claim);
	assert_int_equal(word->addresses.count, 3);
	assert_int_equal(word->gateways.count, 1);
	/* One network a family: the first. */
	assert_int_equal(word->subnet_count, 2);
	assert_string_equal(prefix_format(&word->subnets[0], text), "10.0.0.0/24");
	assert_string_equal(prefix_format(&word->subnets[1], text), "fd00::/64");
	adoption_free(&adoption);

	assert_int_equal(parse("{\"name\":\"x\",\"addresses\":[]}", &adoption, reason), 0);
	assert_string_equal(adoption.word.owner.runtime, "adopt");
	assert_true(adoption.word.claim && !adoption.has_labels && !adoption.word.has_mac);
	adoption_free(&adoption);
}

static void test_hostile_words(void **state)
{
	char long_name[PORT_NAME_MAX + 64], many[8192] = "{\"name\":\"x\",\"addresses\":[";

	(void)state;
	refused("{}", "'name' is missing");
	refused("{\"name\":7}", "'name' is no text");
	refused("{\"name\":\"\"}", "'name' is no text");
	refused("{\"name\":null}", "'name' is no text");
	refused("{\"name\":\"x\",\"id\":[]}", "'id' is no text");
	refused("{\"name\":\"x\",\"runtime\":\"Docker\"}", "'runtime'");
	refused("{\"name\":\"x\",\"runtime\":\"a b\"}", "'runtime'");
	refused("{\"name\":\"x\",\"runtime\":\"0123456789012345678901234567890123\"}", "runtime");
	refused("{\"name\":\"x\",\"labels\":[]}", "labels");
	refused("{\"name\":\"x\",\"labels\":{\"a\":1}}", "'a' is no text");
	refused("{\"name\":\"x\",\"addresses\":\"10.0.0.2\"}", "'addresses' is no list");
	refused("{\"name\":\"x\",\"addresses\":[10]}", "no address");
	refused("{\"name\":\"x\",\"addresses\":[\"\"]}", "no address");
	for (size_t i = 0; i < 8; i++) {
		static const char *const bad[] = {"10.0.0.2/33", "10.0.0", "0.0.0.0/8", "127.0.0.1",
						  "224.0.0.1",	 "::1",	   "ff02::1",	"::ffff:10.0.0.1"};
		char text[128];

		snprintf(text, sizeof(text), "{\"name\":\"x\",\"addresses\":[\"%s\"]}", bad[i]);
		refused(text, bad[i]);
	}
	refused("{\"name\":\"x\",\"addresses\":[\"10.0.0.2\\n\"]}", "\\x0a");
	refused("{\"name\":\"x\",\"gateways\":{}}", "'gateways' is no list");
	refused("{\"name\":\"x\",\"gateways\":[\"no\"]}", "gateways");
	refused("{\"name\":\"x\",\"mac\":\"01:00:5e:00:00:01\"}", "'mac'");
	refused("{\"name\":\"x\",\"mac\":\"00:00:00:00:00:00\"}", "'mac'");
	refused("{\"name\":\"x\",\"mac\":\"02:00\"}", "'mac'");
	snprintf(long_name, sizeof(long_name), "{\"name\":\"%0*d\"}", (int)PORT_NAME_MAX + 1, 0);
	refused(long_name, "longer than 256 bytes");
	refused("{\"name\":\"x\",\"pid\":0}", "'pid'");
	refused("{\"name\":\"x\",\"pid\":-4}", "'pid'");
	refused("{\"name\":\"x\",\"pid\":4294967296}", "'pid'");
	refused("{\"name\":\"x\",\"pid\":\"4\"}", "'pid'");
	snprintf(long_name, sizeof(long_name), "{\"name\":\"%0*d\"}", (int)PORT_NAME_MAX, 0);
	{
		struct adoption adoption;
		char reason[REASON_MAX];

		assert_int_equal(parse(long_name, &adoption, reason), 0);
		adoption_free(&adoption);
	}
	for (unsigned int i = 0; i <= PORT_ADDRESSES_MAX; i++)
		snprintf(many + strlen(many), sizeof(many) - strlen(many), "%s\"10.0.1.%u\"", i ? "," : "", i + 1);
	strcat(many, "]}");
	refused(many, "more than 64 addresses");
}

static struct adoption make(const char *words, uint32_t ifindex, uint64_t cookie, const char *netns)
{
	struct adoption adoption;
	char reason[REASON_MAX];
	json_t *value = json(words);

	assert_int_equal(adoption_parse(value, &adoption, reason), 0);
	adoption.site = (struct port_site){.ifindex = ifindex, .cookie = cookie, .netns = netns ? strdup(netns) : NULL};
	strcpy(adoption.interface, "veth0");
	assert_int_equal(adoption_write(&adoption, value), 0);
	json_decref(value);
	return adoption;
}

struct found {
	size_t count;
	struct adoption last;
};

static int keep(void *arg, struct adoption *adoption)
{
	struct found *found = arg;

	adoption_free(&found->last);
	found->last = *adoption;
	found->count++;
	return 0;
}

static void test_file(void **state)
{
	struct adoption one =
		make("{\"name\":\"a\",\"addresses\":[\"10.0.0.2/24\"],\"unknown\":1}", 7, 1234, "/proc/9/ns/net");
	struct adoption two = make("{\"name\":\"b\",\"labels\":{}}", 0, 77, "/run/netns/b");
	struct map *map = map_new();
	struct found found = {0};
	struct error error = {0};
	AUTO_FREE char *text = NULL;

	(void)state;
	assert_int_equal(map_set_text(map, "1", &one, NULL), 0);
	assert_int_equal(map_set_text(map, "2", &two, NULL), 0);
	text = adopted_text(map, BOOT, HOST);
	assert_non_null(text);
	assert_null(strstr(text, "unknown"));
	assert_int_equal(adopted_parse(text, strlen(text), BOOT, HOST, keep, &found, &error), 0);
	assert_int_equal(found.count, 2);
	assert_string_equal(found.last.word.owner.name, "b");
	assert_true(found.last.has_labels && found.last.word.claim);
	assert_int_equal(found.last.site.ifindex, 0);
	assert_int_equal(found.last.site.cookie, 77);
	assert_string_equal(found.last.site.netns, "/run/netns/b");
	assert_string_equal(found.last.text, two.text);

	/* Numbers of another boot or another host mean nothing; nor do those of a kernel that does not tell its boot.
	 */
	found.count = 0;
	assert_int_equal(adopted_parse(text, strlen(text), "other", HOST, keep, &found, &error), 0);
	assert_int_equal(adopted_parse(text, strlen(text), BOOT, HOST + 1, keep, &found, &error), 0);
	assert_int_equal(adopted_parse(text, strlen(text), "", HOST, keep, &found, &error), 0);
	assert_int_equal(found.count, 0);
	/* Cut off anywhere, it is no file of ours. */
	for (size_t size = 0; size + 2 < strlen(text); size++)
		assert_int_equal(adopted_parse(text, size, BOOT, HOST, keep, &found, &error), -EINVAL);
	assert_int_equal(found.count, 0);
	adoption_free(&found.last);
	adoption_free(&one);
	adoption_free(&two);
	map_free(map, NULL);
}

static void bad_file(const char *text, const char *why)
{
	struct found found = {0};
	struct error error = {0};

	assert_int_equal(adopted_parse(text, strlen(text), BOOT, HOST, keep, &found, &error), -EINVAL);
	if (!strstr(error.text, why))
		fail_msg("'%s', not '%s'", error.text, why);
	adoption_free(&found.last);
}

#define FILE_OF(record) "{\"version\":1,\"boot\":\"" BOOT "\",\"host\":4711,\"adopted\":[" record "]}"

static void test_bad_files(void **state)
{
	(void)state;
	bad_file("", "no list");
	bad_file("[]", "no list");
	bad_file("{\"version\":1,\"adopted\":{}}", "no list");
	bad_file("{\"adopted\":[]}", "version is 0, and 1 is known");
	bad_file("{\"version\":2,\"adopted\":[]}", "version is 2, and 1 is known");
	bad_file(FILE_OF("7"), "adoption 1: ");
	bad_file(FILE_OF("{\"name\":\"x\"}"), "names no port");
	bad_file(FILE_OF("{\"name\":\"x\",\"ifindex\":-1,\"cookie\":3}"), "names no port");
	bad_file(FILE_OF("{\"name\":\"x\",\"ifindex\":4294967296,\"cookie\":3}"), "names no port");
	bad_file(FILE_OF("{\"name\":\"x\",\"ifindex\":3,\"cookie\":-3}"), "names no port");
	bad_file(FILE_OF("{\"name\":\"x\",\"ifindex\":3,\"interface\":\"0123456789abcdef\"}"), "names no port");
	bad_file(FILE_OF("{\"name\":\"x\",\"ifindex\":3,\"netns\":7}"), "'netns' is no text");
	bad_file(FILE_OF("{\"name\":\"x\",\"ifindex\":3,\"pid\":7}"), "the start of its process");
	bad_file(FILE_OF("{\"name\":\"x\",\"ifindex\":3},{\"ifindex\":4}"), "adoption 2: 'name' is missing");
}

/* One that may yet be bound keeps its words when it is. */
static void test_bind(void **state)
{
	struct adoption adoption = make("{\"name\":\"a\",\"labels\":{\"k\":\"v\"},\"id\":\"i\"}", 7, 0, NULL);

	(void)state;
	adoption.site.cookie = 99;
	assert_int_equal(adoption_write(&adoption, NULL), 0);
	assert_non_null(strstr(adoption.text, "\"cookie\":99"));
	assert_non_null(strstr(adoption.text, "\"labels\":{\"k\":\"v\"}"));
	assert_non_null(strstr(adoption.text, "\"id\":\"i\""));
	adoption_free(&adoption);
}

static void test_too_long(void **state)
{
	json_t *words = json_object(), *labels = json_object();
	char value[PORT_VALUE_MAX + 1], reason[REASON_MAX];
	struct adoption adoption;

	(void)state;
	memset(value, 'v', PORT_VALUE_MAX);
	value[PORT_VALUE_MAX] = '\0';
	json_object_set_new(words, "name", json_string("x"));
	for (int i = 0; i < 20; i++) {
		char key[16];

		snprintf(key, sizeof(key), "k%d", i);
		json_object_set_new(labels, key, json_string(value));
	}
	json_object_set_new(words, "labels", labels);
	assert_int_equal(adoption_parse(words, &adoption, reason), 0);
	assert_int_equal(adoption_write(&adoption, words), -E2BIG);
	assert_null(adoption.text);
	adoption_free(&adoption);
	json_decref(words);
}

/* What an engine's own record adds, and what it may not change. */
static void test_complete(void **state)
{
	struct adoption full = make("{\"name\":\"a\",\"id\":\"b\",\"image\":\"mine\",\"labels\":{\"k\":\"v\"},"
				    "\"addresses\":[\"10.0.0.2/24\"]}",
				    7, 3, NULL);
	struct adoption bare = make("{\"name\":\"a\",\"id\":\"a\"}", 8, 3, NULL);

	(void)state;
	for (int i = 0; i < 2; i++) {
		const struct adoption *adoption = i ? &full : &bare;
		struct adoption record = make("{\"name\":\"r\",\"image\":\"theirs\",\"labels\":{\"x\":\"y\"},"
					      "\"addresses\":[\"10.0.0.7\"],\"gateways\":[\"10.0.0.1\"],"
					      "\"mac\":\"02:00:00:00:00:01\"}",
					      9, 3, NULL);
		struct evidence evidence = {0};

		assert_int_equal(adoption_evidence(adoption, &evidence), 0);
		adoption_complete(&evidence, adoption->has_labels, &record.word);
		assert_string_equal(evidence.owner.name, i ? "a" : "r"); /* its id is no name */
		assert_string_equal(evidence.owner.image, i ? "mine" : "theirs");
		assert_string_equal(evidence.owner.labels.items[0].key, i ? "k" : "x");
		assert_int_equal(evidence.addresses.items[0].bytes[3], i ? 2 : 7);
		assert_int_equal(evidence.has_mac, !i);
		assert_int_equal(evidence.gateways.count, 1);
		assert_false(evidence.claim);
		evidence_free(&evidence);
		adoption_free(&record);
	}
	adoption_free(&full);
	adoption_free(&bare);
}

/* A host with all runtimes, and one port. */
static void runtimes_open(struct box *box)
{
	box_open(box, &runtime_adopted);
	box->watch.states[RUNTIME_ADOPTED] = box->bundles;
	for (size_t i = RUNTIME_ADOPTED + 1; i < RUNTIME_COUNT; i++)
		assert_int_equal(runtimes[i]->start(&box->watch, &box->watch.states[i]), 0);
}

static void runtimes_close(struct box *box)
{
	for (size_t i = RUNTIME_ADOPTED + 1; i < RUNTIME_COUNT; i++)
		runtimes[i]->stop(box->watch.states[i]);
	box_close(box, &runtime_adopted);
}

static void adopt(struct box *box, const char *words, int wanted)
{
	const struct port_site site = {.cookie = 7, .netns = (char[]){"/run/netns/x"}};
	struct error error = {0};
	json_t *value = json(words);

	assert_int_equal(port_watch_adopt(&box->watch, &site, NULL, value, &error), wanted);
	json_decref(value);
}

/* A namespace that is kept is the next container's alone. */
static void test_ended(void **state)
{
	struct adopted *adopted;
	struct box box;

	(void)state;
	runtimes_open(&box);
	adopted = adopted_of(&box.watch);
	box_put_process(&box, 4711, 1001, "/a");
	box_put_process(&box, 4712, 1002, "/b");
	adopt(&box, "{\"name\":\"none\",\"id\":\"none\",\"pid\":4799}", -EINVAL);
	adopt(&box, "{\"name\":\"a\",\"id\":\"a\",\"pid\":4711}", 0);
	adopt(&box, "{\"name\":\"b\",\"id\":\"b\",\"pid\":4712}", 0);
	adopt(&box, "{\"name\":\"c\",\"id\":\"c\"}", 0);
	assert_int_equal(map_count(adopted->adoptions), 3); /* they run */
	assert_non_null(strstr(adopted_get(adopted, 0, 7, "a")->text, "\"start\":1001"));
	box_put_process(&box, 4711, 2001, "/a"); /* the number is another's by now */
	adopt(&box, "{\"name\":\"d\",\"id\":\"d\"}", 0);
	assert_int_equal(map_count(adopted->adoptions), 3);
	assert_null(adopted_get(adopted, 0, 7, "a"));
	assert_non_null(adopted_get(adopted, 0, 7, "b"));
	assert_non_null(adopted_get(adopted, 0, 7, "c"));
	runtimes_close(&box);
}

/* A scan ends it too, and closes the port that it owned. */
static void test_swept(void **state)
{
	struct entry entry = {
		.key = 1, .namespace.cookie = 7, .verified = true, .adopted = true, .runtime = &runtime_adopted};
	struct entry *list = &entry;
	struct adopted *adopted;
	struct box box;

	(void)state;
	runtimes_open(&box);
	adopted = adopted_of(&box.watch);
	box_put_process(&box, 4711, 1001, "/a");
	adopt(&box, "{\"name\":\"a\",\"id\":\"a\",\"pid\":4711}", 0);
	box.watch.entries.items = &list;
	box.watch.entries.count = 1;
	adopted_sweep(&box.watch);
	assert_int_equal(map_count(adopted->adoptions), 1);
	assert_true(entry.adopted);
	box_put(&box, "proc/4711/stat", "");
	adopted_sweep(&box.watch);
	assert_int_equal(map_count(adopted->adoptions), 0);
	assert_false(entry.adopted);
	assert_true(entry.look);
	runtimes_close(&box);
}

static enum runtime_answer complete(struct box *box, const struct namespace_pin *pin, struct evidence *evidence,
				    char reason[REASON_MAX])
{
	struct namespace_pin pins[] = {*pin};
	struct namespace namespace = {.cookie = 7, .nsid = 3, .pins = {.items = pins, .count = 1}};
	struct link link = {.ifindex = 5, .name = "veth0"};
	struct peer peer = {.name = "eth0"};
	const struct runtime_question question = {.link = &link, .namespace = &namespace, .peer = &peer};

	*evidence = (struct evidence){0};
	reason[0] = '\0';
	box->watch.scans++;
	runtime_containerd.refresh(box->watch.states[RUNTIME_CONTAINERD]);
	assert_int_equal(runtime_adopted.ask(box->bundles, &question, evidence, reason), RUNTIME_OWNS);
	return adopted_complete(&box->watch, &question, evidence, reason);
}

#define TASK "state/io.containerd.runtime.v2.task/default/web/"

static void put_task(const struct box *box, unsigned int label_size)
{
	AUTO_FREE char *config = NULL;

	assert_true(asprintf(&config,
			     "{\"linux\":{\"cgroupsPath\":\"/default/web\",\"namespaces\":[{\"type\":\"network\"}]},"
			     "\"annotations\":{\"tier\":\"%0*u\"}}",
			     (int)label_size, 1) > 0);
	box_put(box, TASK "config.json", config);
	box_put(box, TASK "init.pid", "4711");
	box_put_process(box, 4711, 1001, "/default/web");
}

/* What bulkhead-cni leaves out and containerd knows but can't tell is not taken for no labels. */
static void test_unlabelled(void **state)
{
	const struct namespace_pin pin = box_pin(4711, 1001);
	struct evidence evidence;
	char reason[REASON_MAX];

	(void)state;
	for (int bad = 0; bad < 2; bad++) {
		struct box box;

		runtimes_open(&box);
		adopt(&box, "{\"name\":\"web\",\"id\":\"web\",\"runtime\":\"cni\"}", 0);
		/* While the plugin runs nobody knows the container: that is not waited for. */
		assert_int_equal(complete(&box, &pin, &evidence, reason), RUNTIME_OWNS);
		assert_true(evidence.unlabelled);
		evidence_free(&evidence);
		put_task(&box, bad ? PORT_VALUE_MAX + 1 : 1);
		assert_int_equal(complete(&box, &pin, &evidence, reason), bad ? RUNTIME_PENDING : RUNTIME_OWNS);
		assert_int_equal(evidence.owner.labels.count, !bad);
		assert_int_equal(evidence.unlabelled, bad);
		assert_int_equal(strstr(reason, "label") != NULL, bad);
		evidence_free(&evidence);
		/* Labels that are said are not waited for. */
		adopt(&box, "{\"name\":\"web\",\"id\":\"web\",\"runtime\":\"cni\",\"labels\":{}}", 0);
		assert_int_equal(complete(&box, &pin, &evidence, reason), RUNTIME_OWNS);
		assert_false(evidence.unlabelled);
		evidence_free(&evidence);
		runtimes_close(&box);
	}
}

/* The labels of a port that has them are not lost while an engine says nothing, as after its restart. */
static void test_labelled_stays(void **state)
{
	const struct namespace_pin pin = {.dir = NAMESPACE_DIR_DOCKER, .name = "0123456789ab"};
	struct entry entry = {.key = 1, .link.ifindex = 5, .namespace.cookie = 7, .runtime = &runtime_adopted};
	struct entry *list = &entry;
	struct evidence evidence;
	char reason[REASON_MAX];
	struct box box;

	(void)state;
	runtimes_open(&box);
	adopt(&box, "{\"name\":\"web\",\"id\":\"web\",\"runtime\":\"cni\"}", 0);
	box.watch.entries.items = &list;
	box.watch.entries.count = 1;
	for (int i = 0; i < 4; i++) {
		entry.adopted = i & 1;
		entry.evidence.unlabelled = i & 2;
		assert_int_equal(complete(&box, &pin, &evidence, reason), i == 1 ? RUNTIME_PENDING : RUNTIME_OWNS);
		evidence_free(&evidence);
	}
	/* The next daemon can't know that it had none, until the same is said to it. */
	adopted_whole(box.bundles, 7, 0)->is_old = true;
	assert_int_equal(complete(&box, &pin, &evidence, reason), RUNTIME_PENDING);
	evidence_free(&evidence);
	adopt(&box, "{\"name\":\"web\",\"id\":\"web\",\"runtime\":\"cni\"}", 0);
	assert_int_equal(complete(&box, &pin, &evidence, reason), RUNTIME_OWNS);
	evidence_free(&evidence);
	runtimes_close(&box);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),	       cmocka_unit_test(test_hostile_words),
		cmocka_unit_test(test_file),	       cmocka_unit_test(test_bad_files),
		cmocka_unit_test(test_bind),	       cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_complete),       cmocka_unit_test(test_ended),
		cmocka_unit_test(test_swept),	       cmocka_unit_test(test_unlabelled),
		cmocka_unit_test(test_labelled_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
