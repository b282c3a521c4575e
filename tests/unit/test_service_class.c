/* SPDX-License-Identifier: GPL-2.0-only */
/* Which services are one class. */
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

#define ZONE "version: 1\nzones: { z: { members: [ { name: a } ] } }\n"

static const struct table *table_of(struct table_fixture *fixture, const char *rules)
{
	char policy[1024];

	snprintf(policy, sizeof(policy), ZONE "rules:\n%s", rules);
	table_fixture_load(fixture, policy, NULL, NULL);
	return fixture->table;
}

#define SAME(table, a, b) assert_int_equal(table_fixture_service((table), (a)), table_fixture_service((table), (b)))
#define DIFFERENT(table, a, b) \
	assert_int_not_equal(table_fixture_service((table), (a)), table_fixture_service((table), (b)))
#define ANY(table, a) assert_int_equal(table_fixture_service((table), (a)), BH_SERVICE_ANY)

static void test_without_rules_there_is_one_class(void **state)
{
	struct table_fixture fixture;

	(void)state;
	table_fixture_load(&fixture, ZONE, NULL, NULL);
	assert_int_equal(fixture.table->service_class_count, 1);
	for (uint32_t row = 0; row < BH_SERVICE_ROWS; row++)
		for (uint32_t column = 0; column < 256; column++)
			assert_int_equal(fixture.table->services[row].class[column], BH_SERVICE_ANY);
	table_fixture_free(&fixture);
}

static void test_what_no_rule_tells_apart_is_one_class(void **state)
{
	struct table_fixture fixture;
	const struct table *table = table_of(&fixture, "  - { from: z, to: world, allow: [ tcp/80-90, tcp/443 ] }\n"
						       "  - { from: z, to: world, deny: tcp/85-100 }\n");

	(void)state;
	assert_int_equal(table->service_class_count, 4);
	SAME(table, "tcp/80", "tcp/443");
	SAME(table, "tcp/80", "tcp/84");
	DIFFERENT(table, "tcp/84", "tcp/85");
	SAME(table, "tcp/85", "tcp/90");
	DIFFERENT(table, "tcp/90", "tcp/91");
	SAME(table, "tcp/91", "tcp/100");
	ANY(table, "tcp/79");
	ANY(table, "tcp/101");
	ANY(table, "tcp/1");
	ANY(table, "tcp/65535");
	ANY(table, "udp/80");
	ANY(table, "sctp/80");
	ANY(table, "icmp/0");
	ANY(table, "proto/47");
	table_fixture_free(&fixture);
}

/* The same set in other words is no second one. */
static void test_equal_sets_are_one(void **state)
{
	struct table_fixture fixture;
	const struct table *table =
		table_of(&fixture, "  - { from: z, to: world, allow: [ tcp/10-20, tcp/21-30 ] }\n"
				   "  - { from: world, to: z, allow: [ tcp/25-30, tcp/10-26, tcp/12 ] }\n");

	(void)state;
	assert_int_equal(table->service_class_count, 2);
	table_fixture_free(&fixture);
}

static void test_protocols(void **state)
{
	struct table_fixture fixture;
	const struct table *table =
		table_of(&fixture, "  - { from: z, to: world, allow: [ proto/6, proto/50 ] }\n"
				   "  - { from: z, to: world, allow: [ icmp/echo-request, icmp/3/4 ] }\n"
				   "  - { from: z, to: world, deny: proto/58 }\n");
	const struct service_point none = {6, 0}, last = {6, 65535}, esp = {50, 0}, ah = {51, 0};

	(void)state;
	assert_int_equal(table_service(table, &none), table_service(table, &esp));
	assert_int_equal(table_service(table, &last), table_service(table, &esp));
	assert_int_equal(table_service(table, &ah), BH_SERVICE_ANY);
	SAME(table, "icmp/8/0", "icmp/8/255");
	SAME(table, "icmp/8", "icmp/3/4");
	ANY(table, "icmp/3/3");
	ANY(table, "icmp/3/5");
	ANY(table, "icmp/7/255");
	ANY(table, "icmp/9/0");
	SAME(table, "icmpv6/0/0", "icmpv6/255/255");
	DIFFERENT(table, "icmpv6/8/0", "icmp/8/0");
	assert_int_equal(table->service_class_count, 4);
	table_fixture_free(&fixture);
}

/* `all` in an allow makes the tunnels a class of their own, and class 0 is what it holds. */
static void test_tunnels(void **state)
{
	static const char *const tunnels[] = {"proto/4", "proto/41", "proto/47", "udp/4789", "udp/6081", "udp/8472"};
	struct table_fixture fixture;
	const struct table *table = table_of(&fixture, "  - { from: z, to: world, allow: all }\n");

	(void)state;
	assert_int_equal(table->service_class_count, 2);
	for (size_t i = 0; i < sizeof(tunnels) / sizeof(tunnels[0]); i++)
		assert_int_equal(table_fixture_service(table, tunnels[i]), 1);
	ANY(table, "udp/4788");
	ANY(table, "udp/4790");
	ANY(table, "proto/5");
	ANY(table, "tcp/4789");
	table_fixture_free(&fixture);

	table = table_of(&fixture, "  - { from: z, to: world, allow: udp }\n  - { from: z, to: world, deny: all }\n");
	assert_int_equal(table->service_class_count, 2);
	ANY(table, "udp/4789");
	ANY(table, "proto/47");
	DIFFERENT(table, "udp/53", "udp/4789");
	table_fixture_free(&fixture);

	table = table_of(&fixture, "  - { from: z, to: world, allow: [ all, tunnels ] }\n");
	assert_int_equal(table->service_class_count, 1);
	table_fixture_free(&fixture);

	table = table_of(&fixture, "  - { from: z, to: world, allow: udp/4000-5000 }\n");
	SAME(table, "udp/4000", "udp/4789");
	table_fixture_free(&fixture);
}

/* Sixteen sets, the ports whose number has this bit: every port is a class. */
static char *binary_policy(uint32_t last_port)
{
	struct text text = {0};

	text_append(&text, ZONE "rules:\n");
	for (unsigned int bit = 0; bit < 16; bit++) {
		uint32_t run = 1u << bit;

		text_append(&text, "  - { from: z, to: world, allow: [ ");
		for (uint32_t low = run; low <= last_port; low += 2 * run) {
			uint32_t high = low + run - 1 > last_port ? last_port : low + run - 1;

			text_appendf(&text, "%stcp/%u-%u", low == run ? "" : ", ", low, high);
		}
		text_append(&text, " ] }\n");
	}
	return text_take(&text);
}

static int compile_text(const char *policy, struct error *error)
{
	struct fixture fixture;
	struct registry *registry = NULL;
	struct table *table = NULL;
	int r;

	fixture_load(&fixture, policy, NULL);
	assert_int_equal(registry_new(&registry), 0);
	r = table_compile(fixture.policy, &fixture.world, registry, TABLE_NOW_S, &table, error);
	if (r == 0) {
		assert_int_equal(table->service_class_count, TABLE_SERVICE_CLASSES_MAX);
		for (uint32_t port = 1; port < TABLE_SERVICE_CLASSES_MAX; port++) {
			struct service_point point = {6, (uint16_t)port};

			assert_int_equal(table_service(table, &point), port);
		}
	}
	table_free(table);
	registry_free(registry);
	fixture_free(&fixture);
	return r;
}

static void test_the_most_classes_that_there_can_be(void **state)
{
	struct error error = {0};
	char *policy = binary_policy(TABLE_SERVICE_CLASSES_MAX - 1);

	(void)state;
	assert_int_equal(compile_text(policy, &error), 0);
	free(policy);
	policy = binary_policy(TABLE_SERVICE_CLASSES_MAX);
	assert_int_equal(compile_text(policy, &error), -E2BIG);
	assert_non_null(strstr(error.text, "65534"));
	free(policy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_rules_there_is_one_class),
		cmocka_unit_test(test_what_no_rule_tells_apart_is_one_class),
		cmocka_unit_test(test_equal_sets_are_one),
		cmocka_unit_test(test_protocols),
		cmocka_unit_test(test_tunnels),
		cmocka_unit_test(test_the_most_classes_that_there_can_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
