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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),	  cmocka_unit_test(test_hostile_words), cmocka_unit_test(test_file),
		cmocka_unit_test(test_bad_files), cmocka_unit_test(test_bind),		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_complete),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
