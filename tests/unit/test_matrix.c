/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fixture.h"
#include "table/matrix.h"

static const char world[] =
	"version: 1\n"
	"host: { addresses: [ 192.0.2.1 ] }\n"
	"containers:\n"
	"  - { name: w1, labels: { z: web }, ports: [ { network: n, addresses: [ 10.0.0.11 ] } ] }\n"
	"  - { name: w2, labels: { z: web }, ports: [ { network: n, addresses: [ 10.0.0.12 ] } ] }\n"
	"  - { name: d1, labels: { z: db }, ports: [ { network: n, addresses: [ 10.0.0.13, 'fd00::13' ] } ] }\n";
static const char stray[] = "  - { name: s1, ports: [ { network: n, addresses: [ 10.0.0.14 ] } ] }\n";

static const char policy[] =
	"version: 1\n"
	"zones:\n"
	"  web: { members: { label: z=web } }\n"
	"  store:\n"
	"    groups: { db: { members: { label: z=db } }, spare: { members: { label: z=spare } } }\n"
	"    subnets: [ 198.51.100.0/24 ]\n"
	"    mode: audit\n"
	"networks:\n"
	"  office: [ 203.0.113.0/24 ]\n"
	"  desk: [ 203.0.113.0/28 ]\n"
	"rules:\n"
	"  - { from: web, to: store, allow: [ tcp/5432, icmp/echo-request, icmp/3/4 ] }\n"
	"  - { from: store, to: web, allow: all }\n"
	"  - { from: store, to: web, deny: tcp/22 }\n"
	"  - { from: web, to: internet, allow: all }\n"
	"  - { from: web, to: office, allow: [ https, udp ] }\n"
	"  - { from: web, to: desk, deny: tcp/443 }\n"
	"  - { from: world, to: web, allow: [ tcp/80-90, tcp/85-100, proto/47 ] }\n"
	"  - { from: host, to: web, deny: [ icmp, tcp/1-79, proto/50 ] }\n";

static json_t *matrix_of(struct fixture *fixture)
{
	struct error error = {0};
	json_t *matrix = NULL;

	if (matrix_json(fixture->explain, FIXTURE_NOW, &matrix, &error) < 0)
		fail_msg("%s", error.text);
	return matrix;
}

/* "web", "store/db"; the subnets of a zone with groups: "store subnets". */
static size_t end_of(const json_t *matrix, const char *word)
{
	const json_t *ends = json_object_get(matrix, "ends");

	for (size_t i = 0; i < json_array_size(ends); i++) {
		const json_t *end = json_array_get(ends, i);
		const char *kind = json_string_value(json_object_get(end, "kind"));
		char name[128];

		snprintf(name, sizeof(name), "%s%s", json_string_value(json_object_get(end, "name")),
			 strcmp(kind, "subnets") == 0 ? " subnets" : "");
		if (strcmp(name, word) == 0)
			return i;
	}
	fail_msg("no end is called '%s'", word);
	return 0;
}

static const json_t *cell_of(const json_t *matrix, const char *from, const char *to)
{
	size_t count = json_array_size(json_object_get(matrix, "ends"));
	size_t row = end_of(matrix, from), column = end_of(matrix, to);
	const json_t *cell = json_array_get(json_object_get(matrix, "cells"), row * count + column);

	assert_int_equal(json_integer_value(json_object_get(cell, "from")), row);
	assert_int_equal(json_integer_value(json_object_get(cell, "to")), column);
	return cell;
}

static void append_list(const json_t *cell, const char *key, struct text *text)
{
	const json_t *list = json_object_get(cell, key);

	if (!list)
		return;
	text_appendf(text, " %s:", key);
	for (size_t i = 0; i < json_array_size(list); i++)
		text_appendf(text, " %s", json_string_value(json_array_get(list, i)));
}

static void check_cell(const json_t *matrix, const char *from, const char *to, const char *expected)
{
	const json_t *cell = cell_of(matrix, from, to);
	struct text text = {0};

	if (strcmp(json_string_value(json_object_get(cell, "mode")), "audit") == 0)
		text_append(&text, "audit ");
	text_append(&text, json_string_value(json_object_get(cell, "verdict")));
	append_list(cell, "services", &text);
	append_list(cell, "except", &text);
	append_list(cell, "mixed", &text);
	if (strcmp(text_string(&text), expected) != 0)
		fail_msg("%s → %s: '%s', expected '%s'", from, to, text_string(&text), expected);
	text_free(&text);
}

static void test_cells_say_what_is_allowed(void **state)
{
	static const struct {
		const char *from, *to, *expected;
	} cases[] = {
		{"web", "web", "allow"},
		{"web", "store/db",
		 "some services: icmp/destination-unreachable/frag-needed icmp/echo-request tcp/5432"},
		{"web", "store subnets",
		 "some services: icmp/destination-unreachable/frag-needed icmp/echo-request tcp/5432"},
		{"web", "store/spare", "unpoliced"}, /* nobody is there */
		{"store/db", "web", "some except: proto/4 tcp/22 udp/4789 udp/6081 udp/8472 proto/41 proto/47"},
		{"store subnets", "store/db", "audit deny"},
		{"store subnets", "store subnets", "unpoliced"},
		{"store/db", "store/db", "unpoliced"}, /* one port alone */
		{"store/db", "internet", "audit deny"},
		{"web", "internet", "allow except: tunnels"},
		{"web", "private", "deny"},
		{"web", "metadata", "deny"},
		{"web", "office", "mixed services: udp mixed: tcp/443"},
		{"web", "desk", "some services: udp"},
		{"internet", "web", "some services: tcp/80-100 proto/47"},
		{"world", "internet", "unpoliced"},
		{"host", "web", "some except: icmp tcp/1-79 proto/50"},
		{"host", "store/db", "audit allow"},
		{"host", "host", "unpoliced"},
		{"web", "host", "deny"},
	};
	struct fixture fixture;
	json_t *matrix;

	(void)state;
	fixture_load(&fixture, policy, world);
	matrix = matrix_of(&fixture);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_cell(matrix, cases[i].from, cases[i].to, cases[i].expected);
	json_decref(matrix);
	fixture_free(&fixture);
}

static void check_ends(const char *world_text, const char *const *names, size_t count)
{
	struct fixture fixture;
	const json_t *ends;
	json_t *matrix;

	fixture_load(&fixture, policy, world_text);
	matrix = matrix_of(&fixture);
	ends = json_object_get(matrix, "ends");
	assert_int_equal(json_array_size(ends), count);
	assert_int_equal(json_array_size(json_object_get(matrix, "cells")), count * count);
	for (size_t i = 0; i < count; i++) {
		char text[128];
		const json_t *end = json_array_get(ends, i), *ports = json_object_get(end, "ports");

		snprintf(text, sizeof(text), "%s %s%s%lld", json_string_value(json_object_get(end, "name")),
			 json_string_value(json_object_get(end, "kind")), ports ? " " : "",
			 (long long)json_integer_value(ports));
		if (!ports)
			text[strlen(text) - 1] = '\0';
		assert_string_equal(text, names[i]);
	}
	json_decref(matrix);
	fixture_free(&fixture);
}

static void test_rows_are_those_who_are_there(void **state)
{
	static const char *const names[] = {
		"web zone 2",	    "store subnets 0", "store/db group 1", "store/spare group 0",
		"host host",	    "world builtin",   "internet builtin", "private builtin",
		"metadata builtin", "office network",  "desk network",
	};
	static const char *const with_stray[] = {
		"web zone 2",	       "store subnets 0",	  "store/db group 1",
		"store/spare group 0", "unassigned unassigned 1", "host host",
		"world builtin",       "internet builtin",	  "private builtin",
		"metadata builtin",    "office network",	  "desk network",
	};
	char crowded[sizeof(world) + sizeof(stray)];

	(void)state;
	check_ends(world, names, sizeof(names) / sizeof(names[0]));
	snprintf(crowded, sizeof(crowded), "%s%s", world, stray);
	check_ends(crowded, with_stray, sizeof(with_stray) / sizeof(with_stray[0]));
}

static char *policy_with_networks(unsigned int count)
{
	struct text text = {0};

	text_append(&text, "version: 1\nnetworks:\n");
	for (unsigned int i = 0; i < count; i++)
		text_appendf(&text, "  n%u: [ 172.20.%u.%u ]\n", i, i / 256, i % 256);
	return text_take(&text);
}

static void test_the_number_of_rows_is_bounded(void **state)
{
	/* Beside the networks: host, world, internet, private, metadata. */
	static const unsigned int builtins = 5;

	(void)state;
	for (unsigned int more = 0; more < 2; more++) {
		char *text = policy_with_networks(MATRIX_ENDS_MAX - builtins + more);
		struct error error = {0};
		struct fixture fixture;
		json_t *matrix = NULL;

		assert_non_null(text);
		fixture_load(&fixture, text, NULL);
		assert_int_equal(matrix_json(fixture.explain, FIXTURE_NOW, &matrix, &error), more ? -E2BIG : 0);
		if (more)
			assert_non_null(strstr(error.text, "256"));
		json_decref(matrix);
		fixture_free(&fixture);
		free(text);
	}
}

/* Says no, and counts: millions of questions to a real judge would take too long for a test. */
static int judge_that_counts(void *context, const struct party *from, const struct party *to,
			     const struct service_point *service, int64_t now, struct verdict *ret_verdict)
{
	(void)from;
	(void)to;
	(void)service;
	(void)now;
	++*(size_t *)context;
	*ret_verdict = (struct verdict){.reason = REASON_DEFAULT, .rule = -1};
	return 0;
}

static void test_too_much_work_is_refused(void **state)
{
	struct explain *explain;
	struct error error = {0};
	struct text text = {0};
	struct fixture fixture;
	json_t *matrix = NULL;
	size_t asked = 0;

	(void)state;
	text_append(&text, "version: 1\nzones: { web: { members: { label: z=web } }, db: { members: { label: z=db } } "
			   "}\nrules:\n");
	for (unsigned int i = 0; i < 1500; i++)
		text_appendf(&text, "  - { from: web, to: 172.20.%u.%u, allow: tcp/%u }\n", i / 256, i % 256, i + 1);
	for (unsigned int i = 0; i < 300; i++)
		text_appendf(&text, "  - { from: any, to: any, allow: tcp/%u }\n", 4000 + 2 * i);
	fixture_load(&fixture, text_string(&text), world);
	assert_int_equal(explain_new(fixture.policy, &fixture.world, judge_that_counts, &asked, &explain, &error), 0);
	assert_int_equal(matrix_json(explain, FIXTURE_NOW, &matrix, &error), -E2BIG);
	assert_int_equal(asked, MATRIX_WORK_MAX);
	assert_non_null(strstr(error.text, "4000000"));
	assert_null(matrix);
	explain_free(explain);
	fixture_free(&fixture);
	text_free(&text);
}

static void test_long_lists_are_cut(void **state)
{
	struct text text = {0};
	struct fixture fixture;
	const json_t *services;
	json_t *matrix;

	(void)state;
	text_append(&text, "version: 1\nzones: { web: { members: { label: z=web } } }\nrules:\n");
	for (unsigned int i = 0; i < MATRIX_WORDS_MAX + 5; i++)
		text_appendf(&text, "  - { from: web, to: host, allow: tcp/%u }\n", 2 * i + 1);
	fixture_load(&fixture, text_string(&text), world);
	matrix = matrix_of(&fixture);
	services = json_object_get(cell_of(matrix, "web", "host"), "services");
	assert_int_equal(json_array_size(services), MATRIX_WORDS_MAX + 1);
	assert_string_equal(json_string_value(json_array_get(services, MATRIX_WORDS_MAX)), "…");
	json_decref(matrix);
	fixture_free(&fixture);
	text_free(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cells_say_what_is_allowed),
		cmocka_unit_test(test_rows_are_those_who_are_there),
		cmocka_unit_test(test_the_number_of_rows_is_bounded),
		cmocka_unit_test(test_too_much_work_is_refused),
		cmocka_unit_test(test_long_lists_are_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
