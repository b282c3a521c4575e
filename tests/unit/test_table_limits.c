/* SPDX-License-Identifier: GPL-2.0-only */
/* Every bound of the compiler at its edge: what just fits compiles, one more is an error that says which. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "table_fixture.h"

static const char policy[] = "version: 1\n"
			     "zones:\n"
			     "  a: { members: [ { name: a } ] }\n"
			     "  b: { members: [ { name: b } ] }\n"
			     "networks:\n"
			     "  n: { cidrs: [ 10.0.0.0/8, 8.8.0.0/16 ], except: [ 10.1.0.0/16 ] }\n"
			     "  m: [ 10.1.2.0/24, 8.8.8.8 ]\n"
			     "rules:\n"
			     "  - { from: a, to: [ n, b ], allow: tcp }\n"
			     "  - { from: any, to: m, deny: [ tcp/25, udp/1-9 ] }\n"
			     "  - { from: b, to: world, allow: all }\n";
static const char world[] = "version: 1\n"
			    "containers:\n"
			    "  - { name: a, ports: [ { interface: v0 } ] }\n"
			    "  - { name: b, ports: [ { interface: v1 } ] }\n";

static int compile_within(const struct fixture *fixture, const struct compile_limits *limits, struct error *error)
{
	struct registry *registry = NULL;
	struct table *untouched = (struct table *)&registry, *table = untouched;
	int r;

	assert_int_equal(registry_new(&registry), 0);
	r = compile_table(fixture->policy, &fixture->world, registry, TABLE_NOW_S, limits, &table, error);
	if (r < 0)
		assert_ptr_equal(table, untouched);
	else
		table_free(table);
	registry_free(registry);
	return r;
}

/* From 0 up, the first limit that is enough; those below are refused with it in the sentence. */
static uint32_t smallest_that_fits(const struct fixture *fixture, size_t field)
{
	struct compile_limits limits = compile_limits_default;
	uint32_t *limit = (uint32_t *)(void *)((char *)&limits + field);

	for (*limit = 0; *limit < 10000; (*limit)++) {
		struct error error = {0};
		char number[16];
		int r = compile_within(fixture, &limits, &error);

		if (r == 0)
			return *limit;
		snprintf(number, sizeof(number), "%u", *limit);
		assert_int_equal(r, -E2BIG);
		assert_int_equal(error.code, -E2BIG);
		assert_non_null(strstr(error.text, number));
	}
	fail_msg("no limit is enough");
	return 0;
}
#define SMALLEST(fixture, field) smallest_that_fits((fixture), offsetof(struct compile_limits, field))

static void test_limits_are_the_numbers_that_they_bound(void **state)
{
	struct table_fixture fixture;

	(void)state;
	table_fixture_load(&fixture, policy, world, NULL);
	assert_int_equal(SMALLEST(&fixture.of, cells), fixture.table->cells.count);
	assert_int_equal(SMALLEST(&fixture.of, prefixes), fixture.table->prefixes.count);
	assert_int_equal(SMALLEST(&fixture.of, classes), fixture.table->classes.count);
	assert_int_equal(SMALLEST(&fixture.of, service_classes), fixture.table->service_class_count);
	table_fixture_free(&fixture);
}

static void test_limits_on_what_is_in_between(void **state)
{
	struct table_fixture fixture;

	(void)state;
	table_fixture_load(&fixture, policy, world, NULL);
	/* n holds 10/8 (1) and 8.8/16 (1), n and its exception 10.1/16 (1), both 10.1.2/24 (2), 8.8.8.8 (2), and what
	 * is there otherwise within them: more than that. */
	assert_in_range(SMALLEST(&fixture.of, covers), 7, 50);
	/* tcp without 25: classes 1 and 2; tcp/25 and udp: 2; all: the tunnels that it lacks */
	assert_in_range(SMALLEST(&fixture.of, sets), 5, 6);
	assert_in_range(SMALLEST(&fixture.of, ends), 10, 100);
	assert_in_range(SMALLEST(&fixture.of, incidences), 2, 20);
	table_fixture_free(&fixture);
}

static void test_the_defaults(void **state)
{
	(void)state;
	assert_int_equal(compile_limits_default.cells, TABLE_CELLS_MAX);
	assert_int_equal(compile_limits_default.service_classes, TABLE_SERVICE_CLASSES_MAX);
	assert_int_equal(compile_limits_default.prefixes, BH_PREFIXES_MAX);
	assert_int_equal(compile_limits_default.classes, BH_CLASS_MAX - BH_CLASS_FIRST);
}

static void test_nat64_prefixes(void **state)
{
	struct fixture fixture;
	struct error error = {0};

	(void)state;
	fixture_load(&fixture, policy, world);
	while (fixture.policy->settings.nat64.count < BH_NAT64_MAX) {
		struct prefix *prefix = array_append(&fixture.policy->settings.nat64);

		assert_non_null(prefix);
		if (!prefix)
			return;
		assert_int_equal(prefix_parse("2001:db8::/96", prefix, NULL), 0);
		prefix->addr.bytes[11] = (uint8_t)fixture.policy->settings.nat64.count;
	}
	assert_int_equal(compile_within(&fixture, &compile_limits_default, &error), 0);
	/* The same again is none more. */
	struct prefix *prefix = array_append(&fixture.policy->settings.nat64);
	assert_non_null(prefix);
	if (!prefix)
		return;
	*prefix = fixture.policy->settings.nat64.items[1];
	assert_int_equal(compile_within(&fixture, &compile_limits_default, &error), 0);
	prefix->addr.bytes[10] = 1;
	assert_int_equal(compile_within(&fixture, &compile_limits_default, &error), -E2BIG);
	assert_non_null(strstr(error.text, "64 NAT64 prefixes"));
	fixture_free(&fixture);
}

/* 65 zones with all the sets of 6 groups are one identity more than there can be. */
#define CROWD_ZONES  65
#define CROWD_GROUPS 6
#define CROWD_SETS   ((1 << CROWD_GROUPS) - 1)
_Static_assert(CROWD_ZONES *CROWD_SETS == BH_IDENTITIES_IN_USE_MAX + 1, "one too many");

static char *crowd_policy(void)
{
	struct text text = {0};

	text_append(&text, "version: 1\nzones:\n");
	for (int zone = 0; zone < CROWD_ZONES; zone++) {
		text_appendf(&text, "  z%d:\n    groups:\n", zone);
		for (int group = 0; group < CROWD_GROUPS; group++)
			text_appendf(&text, "      g%d: { members: [ { label: [ z=%d, g%d ] } ] }\n", group, zone,
				     group);
	}
	return text_take(&text);
}

static char *crowd_world(uint32_t count)
{
	struct text text = {0};

	text_append(&text, "version: 1\ncontainers:\n");
	for (uint32_t i = 0; i < count; i++) {
		uint32_t set = 1 + i % CROWD_SETS;

		text_appendf(&text, "  - name: c%u\n    ports: [ { interface: v%u } ]\n    labels: { z: \"%u\"", i, i,
			     i / CROWD_SETS);
		for (uint32_t group = 0; group < CROWD_GROUPS; group++)
			if (set >> group & 1)
				text_appendf(&text, ", g%u: \"\"", group);
		text_append(&text, " }\n");
	}
	return text_take(&text);
}

static void test_identities(void **state)
{
	char *crowd = crowd_policy();

	(void)state;
	for (uint32_t over = 0; over < 2; over++) {
		char *people = crowd_world(BH_IDENTITIES_IN_USE_MAX + over);
		struct fixture fixture;
		struct error error = {0};

		fixture_load(&fixture, crowd, people);
		assert_int_equal(compile_within(&fixture, &compile_limits_default, &error), over ? -ENOSPC : 0);
		if (over)
			assert_non_null(strstr(error.text, "4094"));
		fixture_free(&fixture);
		free(people);
	}
	free(crowd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_limits_are_the_numbers_that_they_bound),
		cmocka_unit_test(test_limits_on_what_is_in_between),
		cmocka_unit_test(test_the_defaults),
		cmocka_unit_test(test_nat64_prefixes),
		cmocka_unit_test(test_identities),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
