/* SPDX-License-Identifier: GPL-2.0-only */
/* How large the nft rules become: with the zones, not with their square, where the policy says the same to most.
 *
 * $ZONES chooses how many; what rendering took of the processor is printed. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "base/text.h"
#include "gate/nft_guard.h"
#include "gate/nft_judge.h"
#include "table_fixture.h"

#define ZONES	 40
#define PER_ZONE 4 /* ports */

static struct {
	size_t zones;
	struct table_fixture fixture;
	struct gate_port *ports;
	size_t port_count;
} town;

static const char any_any[] = "  - { from: any, to: any, allow: tcp/443 }\n"
			      "  - { from: any, to: any, deny: udp/53 }\n"
			      "  - { from: z1, to: z2, allow: tcp/80 }\n"
			      "  - { from: z3, to: host, allow: tcp/80 }\n";
static const char few[] = "  - { from: z1, to: z2, allow: tcp/80 }\n"
			  "  - { from: world, to: z2, allow: tcp/443 }\n";

static void town_build(const char *rules)
{
	struct text policy = {0}, world = {0};

	text_append(&policy, "version: 1\nzones:\n");
	text_append(&world, "version: 1\ncontainers:\n");
	for (size_t i = 0; i < town.zones; i++) {
		text_appendf(&policy, "  z%zu: { members: [ { name: c%zu } ] }\n", i, i);
		text_appendf(&world, "  - { name: c%zu, ports: [ ", i);
		for (size_t j = 0; j < PER_ZONE; j++)
			text_appendf(&world, "%s{ interface: v%zu }", j ? ", " : "", i * PER_ZONE + j);
		text_append(&world, " ] }\n");
	}
	text_appendf(&policy, "rules:\n%s", rules);
	table_fixture_load(&town.fixture, text_string(&policy), text_string(&world), NULL);
	text_free(&policy);
	text_free(&world);
	town.port_count = town.fixture.table->ports.count;
	town.ports = calloc(town.port_count, sizeof(*town.ports));
	assert_non_null(town.ports);
	for (size_t i = 0; i < town.port_count; i++) {
		town.ports[i].ifindex = (uint32_t)i + 10;
		town.ports[i].identity = town.fixture.table->ports.items[i].identity;
		town.ports[i].open = true;
	}
}

static void town_free(void)
{
	free(town.ports);
	table_fixture_free(&town.fixture);
}

static double processor_ms(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e3 +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e3;
}

static void render(struct nft_ruleset *ruleset, bool alone)
{
	struct nft_settings settings = {.mask = 0xfff80000,
					.shift = BH_STAMP_SHIFT_DEFAULT,
					.features = {.conntrack = true, .log = true, .limit = true},
					.alone = alone,
					.judged = alone ? NFT_JUDGED_BIT(BH_STAMP_SHIFT_DEFAULT) : 0};
	struct gate_desired desired = {.table = town.fixture.table, .ports = town.ports, .port_count = town.port_count};
	struct nft_door door = {.table = town.fixture.table, .ports = town.ports, .port_count = town.port_count};
	struct nft_names *names = NULL;
	struct nft_hearing *hearing = NULL;
	struct error error = {0};
	double before = processor_ms(), made, at_door;

	nft_ruleset_init(ruleset);
	assert_int_equal(nft_names_make(town.fixture.table, &names, &error), 0);
	assert_int_equal(nft_hearing_make(town.fixture.table, &hearing, &error), 0);
	door.names = names;
	door.hearing = hearing;
	made = processor_ms();
	nft_door_render(ruleset, &settings, &door);
	at_door = processor_ms();
	assert_int_equal(nft_host_render(ruleset, &settings, &desired, names, &error), 0);
	nft_ruleset_finish(ruleset);
	assert_false(ruleset->failed);
	printf("%zu zones, %zu ports, %zu cells, %s: %.0f ms once, %.0f ms the door, %.0f ms the policy\n", town.zones,
	       town.port_count, town.fixture.table->cells.count, alone ? "alone" : "second opinion", made - before,
	       at_door - made, processor_ms() - at_door);
	nft_names_free(names);
	nft_hearing_free(hearing);
}

/* Of all sets of this table whose name ends so. */
static size_t elements_in(const struct nft_ruleset *ruleset, enum nft_table_index table, const char *end)
{
	size_t count = 0;

	for (size_t i = 0; i < ruleset->tables[table].sets.count; i++) {
		const struct nft_set *set = ruleset->tables[table].sets.items[i];
		size_t length = strlen(set->name);

		if (length >= strlen(end) && strcmp(set->name + length - strlen(end), end) == 0)
			count += set->elements.count;
	}
	printf("  %zu elements in %s\n", count, end);
	return count;
}

static void test_who_asks_is_named_where_it_matters(void **state)
{
	static const char *const policies[] = {few, any_any};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		town_build(policies[i]);
		for (int alone = 0; alone < 2; alone++) {
			struct nft_ruleset ruleset;

			render(&ruleset, alone);
			assert_in_range(elements_in(&ruleset, NFT_TABLE_INET, "/askers"), 1, town.zones * 16);
			if (alone) {
				assert_int_equal(elements_in(&ruleset, NFT_TABLE_BRIDGE, "hearers"), town.port_count);
				assert_in_range(elements_in(&ruleset, NFT_TABLE_BRIDGE, "/heard"), 2, town.zones * 4);
			}
			nft_ruleset_free(&ruleset);
		}
		town_free();
	}
}

/* Each zone reaches all but one, and each another one. */
static void test_too_many_that_hear_others_are_an_error(void **state)
{
	struct nft_hearing *hearing = NULL;
	struct error error = {0};
	struct text rules = {0};
	size_t zones = town.zones;

	(void)state;
	for (town.zones = 700; town.zones <= 710; town.zones += 10) {
		rules.length = 0;
		for (size_t i = 0; i + 1 < town.zones; i += 2)
			text_appendf(
				&rules,
				"  - { from: z%zu, to: z%zu, deny: all }\n  - { from: z%zu, to: z%zu, deny: all }\n", i,
				i + 1, i + 1, i);
		text_append(&rules, "  - { from: any, to: any, allow: tcp/443 }\n");
		town_build(text_string(&rules));
		if (town.zones == 700) {
			assert_int_equal(nft_hearing_make(town.fixture.table, &hearing, &error), 0);
			nft_hearing_free(hearing);
		} else {
			assert_int_equal(nft_hearing_make(town.fixture.table, &hearing, &error), -E2BIG);
			assert_non_null(strstr(error.text, "at most 500000"));
		}
		town_free();
	}
	text_free(&rules);
	town.zones = zones;
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_who_asks_is_named_where_it_matters),
					   cmocka_unit_test(test_too_many_that_hear_others_are_an_error)};
	const char *zones = getenv("ZONES");

	town.zones = zones ? (size_t)atoi(zones) : ZONES;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
