/* SPDX-License-Identifier: GPL-2.0-only */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "port/evidence.h"
#include "port/runtime_netns.h"

static json_t *parse(const char *text)
{
	json_t *json = port_json_parse(text, strlen(text));

	assert_non_null(json);
	return json;
}

static void test_text(void **state)
{
	char reason[REASON_MAX] = "", text[300];
	char *copy = evidence_text("web-1", 5, "name", reason);

	(void)state;
	assert_string_equal(copy, "web-1");
	free(copy);
	assert_null(evidence_text("web-1", 4, "name", reason));
	assert_string_equal(reason, "its name is longer than 4 bytes");
	assert_null(evidence_text("we\xff", 100, "name", reason));
	assert_string_equal(reason, "its name is not UTF-8");
	memset(text, 'x', sizeof(text));
	text[PORT_NAME_MAX] = '\0';
	copy = evidence_text(text, PORT_NAME_MAX, "name", reason);
	assert_non_null(copy);
	free(copy);
}

static void test_labels(void **state)
{
	char reason[REASON_MAX] = "";
	struct owner owner = {0}, copy = {0};
	json_t *json = parse("{\"tier\": \"front\", \"app\": \"shop\", \"empty\": \"\"}");

	(void)state;
	assert_int_equal(evidence_labels(json, &owner, reason), 0);
	json_decref(json);
	assert_int_equal(owner.labels.count, 3);
	assert_string_equal(owner.labels.items[0].key, "app");
	assert_string_equal(owner.labels.items[1].key, "empty");
	assert_string_equal(owner.labels.items[1].value, "");
	assert_int_equal(owner_copy(&owner, &copy), 0);
	owner_free(&owner);
	assert_string_equal(copy.labels.items[2].value, "front");
	owner_free(&copy);
	assert_int_equal(evidence_labels(NULL, &owner, reason), 0);
	assert_int_equal(owner.labels.count, 0);
}

static void test_labels_that_cannot_be_kept(void **state)
{
	static const struct {
		const char *json;
		int code;
		const char *reason;
	} cases[] = {
		{"{\"a\": 1}", -EINVAL, "its label 'a' is no text"},
		{"{\"a\\u001b[\": null}", -EINVAL, "its label 'a\\x1b[' is no text"},
		{"[]", -EINVAL, "its labels are no mapping"},
		{"\"x\"", -EINVAL, "its labels are no mapping"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char reason[REASON_MAX] = "", text[128];
		struct owner owner = {0};
		json_t *json;

		snprintf(text, sizeof(text), "{\"x\": %s}", cases[i].json);
		json = parse(text);
		assert_int_equal(evidence_labels(json_object_get(json, "x"), &owner, reason), cases[i].code);
		assert_string_equal(reason, cases[i].reason);
		owner_free(&owner);
		json_decref(json);
	}
}

static void test_label_bounds(void **state)
{
	char reason[REASON_MAX] = "", key[16], *value = malloc(PORT_VALUE_MAX + 2);
	struct owner owner = {0};
	json_t *json = json_object();

	(void)state;
	for (unsigned int i = 0; i < PORT_LABELS_MAX; i++) {
		snprintf(key, sizeof(key), "k%u", i);
		json_object_set_new(json, key, json_string("v"));
	}
	assert_int_equal(evidence_labels(json, &owner, reason), 0);
	assert_int_equal(owner.labels.count, PORT_LABELS_MAX);
	owner_free(&owner);
	json_object_set_new(json, "one more", json_string("v"));
	assert_int_equal(evidence_labels(json, &owner, reason), -E2BIG);
	assert_string_equal(reason, "it has more than 256 labels");
	owner_free(&owner);
	json_decref(json);

	assert_non_null(value);
	memset(value, 'v', PORT_VALUE_MAX + 1);
	value[PORT_VALUE_MAX] = '\0';
	json = json_pack("{s:s}", "k", value);
	assert_int_equal(evidence_labels(json, &owner, reason), 0);
	owner_free(&owner);
	json_decref(json);
	value[PORT_VALUE_MAX] = 'v';
	value[PORT_VALUE_MAX + 1] = '\0';
	json = json_pack("{s:s}", "k", value);
	assert_int_equal(evidence_labels(json, &owner, reason), -E2BIG);
	assert_string_equal(reason, "its label 'k' is longer than 4096 bytes");
	owner_free(&owner);
	json_decref(json);
	free(value);
}

static void test_addresses(void **state)
{
	const struct mac mac = {{0x02, 0x42, 0xac, 0x11, 0x00, 0x02}};
	struct addr made = addr_link_local(&mac), addr;
	struct port_addrs addrs = {0}, copy = {0};
	char text[ADDR_TEXT_MAX];

	(void)state;
	assert_string_equal(addr_format(&made, text), "fe80::42:acff:fe11:2");
	assert_true(addr_is_link_local(&made));
	for (uint32_t i = 0; i < PORT_ADDRESSES_MAX; i++) {
		addr = addr_from_v4(0x0a000001 + i);
		assert_int_equal(port_addrs_add(&addrs, &addr), 0);
		assert_int_equal(port_addrs_add(&addrs, &addr), 0);
	}
	assert_int_equal(addrs.count, PORT_ADDRESSES_MAX);
	assert_int_equal(port_addrs_add(&addrs, &made), -ENOSPC);
	assert_int_equal(port_addrs_add(&addrs, &addr), 0); /* there already */
	assert_int_equal(port_addrs_copy(&addrs, &copy), 0);
	assert_int_equal(copy.count, PORT_ADDRESSES_MAX);
	array_free(&addrs);
	array_free(&copy);
}

static void test_others(void **state)
{
	struct evidence evidence = {0};
	struct owner owner = {.id = "b", .name = "n"};
	struct owners copy;
	char reason[REASON_MAX] = "", id[8];

	(void)state;
	assert_int_equal(evidence_share(&evidence, &owner, reason), 0);
	owner.id = "a";
	assert_int_equal(evidence_share(&evidence, &owner, reason), 0);
	owner.id = "c";
	assert_int_equal(evidence_share(&evidence, &owner, reason), 0);
	/* Always in the same order. */
	assert_string_equal(evidence.others.items[0].id, "a");
	assert_string_equal(evidence.others.items[1].id, "b");
	assert_string_equal(evidence.others.items[2].id, "c");
	assert_int_equal(owners_copy(&evidence.others, &copy), 0);
	assert_int_equal(copy.count, 3);
	assert_string_equal(copy.items[2].name, "n");
	owners_free(&copy);
	owner.id = id;
	for (unsigned int i = 3; i < PORT_OTHERS_MAX; i++) {
		snprintf(id, sizeof(id), "d%u", i);
		assert_int_equal(evidence_share(&evidence, &owner, reason), 0);
	}
	assert_int_equal(evidence_share(&evidence, &owner, reason), -E2BIG);
	assert_string_equal(reason, "more than 64 containers share its namespace");
	evidence_free(&evidence);
}

static void test_json_is_bounded(void **state)
{
	size_t depth = 100000;
	char *deep = malloc(depth + 1);

	(void)state;
	assert_non_null(deep);
	memset(deep, '[', depth);
	deep[depth] = '\0';
	assert_null(port_json_parse(deep, depth));
	free(deep);
	assert_null(port_json_parse("{\"a\":1,\"a\":2}", 13));
	assert_null(port_json_parse("{\"a\":\"\\u0000\"}", 14));
	assert_null(port_json_parse("{\"a\":\"\xff\"}", 9));
	assert_null(port_json_parse("{} x", 4));
	assert_null(port_json_parse("", 0));
}

static void test_netns_names(void **state)
{
	(void)state;
	assert_true(netns_name_is_an_engines("netns-1b4e28ba-2fa1-11d2-883f-0016d3cca427"));
	assert_true(netns_name_is_an_engines("cni-1B4E28BA-2fa1-11d2-883f-0016d3cca427"));
	assert_false(netns_name_is_an_engines("netns-web"));
	assert_false(netns_name_is_an_engines("netns-1b4e28ba-2fa1-11d2-883f-0016d3cca427x"));
	assert_true(netns_name_is_an_engines("1b4e28ba-2fa1-11d2-883f-0016d3cca427")); /* CRI-O */
	assert_false(netns_name_is_an_engines("1b4e28ba2fa1-11d2-883f-0016d3cca427----"));
	assert_false(netns_name_is_an_engines("cni-1b4e28ba-2fa1-11d2-883f-0016d3cca42"));
	assert_false(netns_name_is_an_engines("web"));
	assert_false(netns_name_is_an_engines(""));
}

static void test_netns_file(void **state)
{
	static const char good[] =
		"{\"labels\": {\"a\": \"b\"}, \"image\": \"i:1\", \"namespace\": \"n\", \"other\": 1}";
	static const struct {
		const char *text, *reason;
	} bad[] = {
		{"", "its file of labels is no JSON object"},
		{"[]", "its file of labels is no JSON object"},
		{"{\"image\": 1}", "its file of labels: 'image' is no text"},
		{"{\"labels\": {\"a\": 1}}", "its label 'a' is no text"},
	};
	struct owner owner = {0};
	char reason[REASON_MAX] = "";

	(void)state;
	assert_int_equal(netns_meta_parse(good, strlen(good), &owner, reason), 0);
	assert_string_equal(owner.labels.items[0].value, "b");
	assert_string_equal(owner.image, "i:1");
	assert_string_equal(owner.namespace, "n");
	owner_free(&owner);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_int_equal(netns_meta_parse(bad[i].text, strlen(bad[i].text), &owner, reason), -EINVAL);
		assert_string_equal(reason, bad[i].reason);
		owner_free(&owner);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_labels),
		cmocka_unit_test(test_labels_that_cannot_be_kept),
		cmocka_unit_test(test_label_bounds),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_others),
		cmocka_unit_test(test_json_is_bounded),
		cmocka_unit_test(test_netns_names),
		cmocka_unit_test(test_netns_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
