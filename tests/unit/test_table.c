/* SPDX-License-Identifier: GPL-2.0-only */
/* What stands in the table: cells, where there are none, flags, decisions. That verdicts are right is held against the
 * naive reading in test_random_policy.c. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "table_fixture.h"

#define WORLD                                                                                       \
	"version: 1\n"                                                                              \
	"host: { addresses: [ 10.0.0.1 ], bridges: { b0: [ 10.0.0.0/24 ] } }\n"                     \
	"containers:\n"                                                                             \
	"  - { name: front, ports: [ { interface: v0, network: b0, addresses: [ 10.0.0.2 ] } ] }\n" \
	"  - { name: db, ports: [ { interface: v1, network: b0, addresses: [ 10.0.0.3 ] } ] }\n"    \
	"  - { name: both, ports: [ { interface: v2, network: b0, addresses: [ 10.0.0.4 ] } ] }\n"  \
	"  - { name: job, ports: [ { interface: v3, network: b0, addresses: [ 10.0.0.5 ] } ] }\n"   \
	"  - { name: stray, ports: [ { interface: v4, network: b0, addresses: [ 10.0.0.6 ] } ] }\n" \
	"  - { name: torn, ports: [ { interface: v5, network: b0, addresses: [ 10.0.0.7 ] } ] }\n"  \
	"  - { name: other, ports: [ { interface: vx6, network: b0, addresses: [ 10.0.0.8 ] } ] }\n"

#define ZONES                                                                                    \
	"zones:\n"                                                                               \
	"  shop:\n"                                                                              \
	"    groups:\n"                                                                          \
	"      front: { members: [ { name: front }, { name: both } ] }\n"                        \
	"      db: { members: [ { name: db }, { name: both } ] }\n"                              \
	"    subnets: [ 192.0.2.0/25 ]\n"                                                        \
	"  build: { members: [ { name: job }, { name: torn } ], subnets: [ 192.0.2.128/25 ] }\n" \
	"  ci: { members: [ { name: torn } ] }\n"

#define POLICY "version: 1\nsettings: { ignore: [ \"vx*\" ] }\n" ZONES

static uint32_t class_of(const struct table_fixture *fixture, const char *word)
{
	return table_fixture_class(fixture, word);
}

static const struct bh_cell *cell_of(const struct table_fixture *fixture, const char *from, const char *to,
				     const char *service)
{
	return table_fixture_cell(fixture, class_of(fixture, from), class_of(fixture, to),
				  service ? table_fixture_service(fixture->table, service) : BH_SERVICE_ANY);
}

static void test_identities(void **state)
{
	static const char *const names[] = {"unassigned", "conflicted",	   "shop/front",
					    "shop/db",	  "shop/db+front", "build"};
	struct table_fixture fixture;
	const struct table *table;

	(void)state;
	table_fixture_load(&fixture, POLICY, WORLD, NULL);
	table = fixture.table;
	assert_int_equal(table->identities.count, sizeof(names) / sizeof(names[0]));
	for (size_t i = 0; i < table->identities.count; i++)
		assert_string_equal(table->identities.items[i].name, names[i]);
	assert_int_equal(table->identities.items[0].number, BH_CLASS_UNASSIGNED);
	assert_int_equal(table->identities.items[0].port_count, 1);
	assert_int_equal(table->identities.items[1].number, BH_CLASS_CONFLICTED);
	assert_int_equal(table->identities.items[1].port_count, 1);
	assert_int_equal(table->identities.items[4].groups.count, 2);
	assert_int_equal(table->ports.count, 7);
	assert_int_equal(class_of(&fixture, "stray"), BH_CLASS_UNASSIGNED);
	assert_int_equal(class_of(&fixture, "torn"), BH_CLASS_CONFLICTED);
	assert_int_equal(class_of(&fixture, "other"), BH_CLASS_NONE);
	assert_int_equal(class_of(&fixture, "10.0.0.4"), class_of(&fixture, "both"));
	table_fixture_free(&fixture);
}

/* Without a rule: the base of the zones and of what is unassigned, and nothing else. */
static void test_no_cell_where_the_default_says_it(void **state)
{
	struct table_fixture fixture;
	const struct bh_cell *cell;
	struct table_verdict verdict;

	(void)state;
	table_fixture_load(&fixture, POLICY, WORLD, NULL);
	assert_null(cell_of(&fixture, "front", "job", NULL));
	assert_null(cell_of(&fixture, "front", "db", NULL));
	assert_null(cell_of(&fixture, "front", "8.8.8.8", NULL));
	assert_null(cell_of(&fixture, "8.8.8.8", "front", NULL));
	assert_null(cell_of(&fixture, "front", "host", NULL));
	assert_null(cell_of(&fixture, "front", "192.0.2.1", NULL));
	assert_null(cell_of(&fixture, "torn", "torn", NULL));
	assert_int_equal(table_fixture_cells_between(&fixture, class_of(&fixture, "torn"), class_of(&fixture, "job")),
			 0);

	cell = cell_of(&fixture, "front", "both", NULL);
	assert_non_null(cell);
	assert_int_equal(cell->base_reason, BH_ALLOW_GROUP);
	assert_int_equal(cell->flags, BH_CELL_BASE_ALLOW);
	assert_string_equal(table_fixture_text(&fixture, cell->base_decision),
			    "group shop/front: members reach one another");
	cell = cell_of(&fixture, "job", "192.0.2.129", NULL);
	assert_non_null(cell);
	assert_int_equal(cell->base_reason, BH_ALLOW_GROUP);
	cell = cell_of(&fixture, "host", "db", NULL);
	assert_non_null(cell);
	assert_int_equal(cell->base_reason, BH_ALLOW_HOST);
	cell = cell_of(&fixture, "stray", "8.8.8.8", NULL);
	assert_non_null(cell);
	assert_int_equal(cell->base_reason, BH_DENY_UNASSIGNED);
	assert_int_equal(cell->flags, BH_CELL_BASE_LOG);

	verdict = table_fixture_ask(&fixture, "front", "job", "tcp/1", FIXTURE_NOW);
	assert_int_equal(verdict.reason, BH_DENY_DEFAULT);
	assert_string_equal(table_fixture_text(&fixture, verdict.decision), "zone build: nothing allows it");
	assert_true(verdict.log);
	assert_true(verdict.valid_until == BH_FOREVER);
	verdict = table_fixture_ask(&fixture, "front", "8.8.8.8", "tcp/1", FIXTURE_NOW);
	assert_string_equal(table_fixture_text(&fixture, verdict.decision), "zone shop: nothing allows it");
	verdict = table_fixture_ask(&fixture, "8.8.8.8", "front", "tcp/1", FIXTURE_NOW);
	assert_string_equal(table_fixture_text(&fixture, verdict.decision), "zone shop: nothing allows it");
	verdict = table_fixture_ask(&fixture, "front", "torn", "tcp/1", FIXTURE_NOW);
	assert_int_equal(verdict.reason, BH_DENY_CONFLICTED);
	assert_true(verdict.log);
	assert_int_not_equal(verdict.decision, 0);
	table_fixture_free(&fixture);
}

static void test_one_allow_is_one_cell(void **state)
{
	struct table_fixture fixture;
	const struct bh_cell *cell;
	const struct decision *decision;

	(void)state;
	table_fixture_load(&fixture, POLICY "rules:\n  - { from: shop/front, to: build, allow: tcp/5432 }\n", WORLD,
			   NULL);
	/* From each of the two identities in the group; to the port and the subnets. */
	assert_int_equal(table_fixture_cells_between(&fixture, class_of(&fixture, "front"), class_of(&fixture, "job")),
			 2);
	cell = cell_of(&fixture, "front", "job", "tcp/5432");
	assert_non_null(cell);
	assert_true(cell->allow_until == BH_FOREVER);
	assert_int_equal(cell->deny_until, 0);
	assert_int_equal(cell->base_reason, BH_DENY_DEFAULT);
	decision = table_decision(fixture.table, cell->allow_decision);
	assert_non_null(decision);
	assert_string_equal(decision->text, "shop/front → build allow tcp/5432");
	assert_string_equal(decision->file, "test.yaml");
	assert_int_equal(decision->rule, 0);
	assert_int_equal(decision->reason, REASON_RULE);
	assert_true(decision->fresh);
	assert_false(decision->deny);
	assert_non_null(cell_of(&fixture, "both", "job", "tcp/5432"));
	assert_non_null(cell_of(&fixture, "both", "192.0.2.129", "tcp/5432"));
	assert_null(cell_of(&fixture, "db", "job", "tcp/5432"));
	assert_null(cell_of(&fixture, "job", "front", "tcp/5432"));
	cell = table_fixture_cell(&fixture, class_of(&fixture, "front"), class_of(&fixture, "job"), BH_SERVICE_REACH);
	assert_non_null(cell);
	assert_true(cell->allow_until == BH_FOREVER);
	assert_null(
		table_fixture_cell(&fixture, class_of(&fixture, "job"), class_of(&fixture, "front"), BH_SERVICE_REACH));
	table_fixture_free(&fixture);
}

/* Deny and allow with their expiries; what can't decide is left out. */
static void test_rules_with_an_end(void **state)
{
	struct table_fixture fixture;
	const struct bh_cell *cell;
	struct table_verdict verdict;
	const int64_t march = INT64_C(1772323200) * 1000000000, april = INT64_C(1775001600) * 1000000000;

	(void)state;
	table_fixture_load(&fixture,
			   POLICY
			   "rules:\n"
			   "  - { name: d1, from: build, to: shop/db, deny: tcp/1, expires: 2026-03-01T00:00:00Z }\n"
			   "  - { name: a1, from: build, to: shop/db, allow: tcp/1, expires: 2026-03-01T00:00:00Z }\n"
			   "  - { name: a2, from: build, to: shop/db, allow: tcp/1, expires: 2026-04-01T00:00:00Z }\n"
			   "  - { name: gone, from: build, to: shop/db, allow: tcp/1, expires: 2026-01-01T00:00:00Z }\n"
			   "  - { name: d2, from: build, to: shop/db, deny: tcp/2 }\n"
			   "  - { name: a3, from: build, to: shop/db, allow: tcp/2 }\n"
			   "  - { name: d3, from: build, to: shop/db, deny: tcp/3, expires: 2026-03-01T00:00:00Z }\n"
			   "  - { name: a4, from: build, to: shop/db, allow: tcp/3, expires: 2026-03-01T00:00:00Z }\n",
			   WORLD, NULL);
	cell = cell_of(&fixture, "job", "db", "tcp/1");
	assert_non_null(cell);
	assert_true(cell->deny_until == (uint64_t)march);
	assert_true(cell->allow_until == (uint64_t)april);
	assert_string_equal(table_fixture_text(&fixture, cell->allow_decision), "a2");
	cell = cell_of(&fixture, "job", "db", "tcp/2");
	assert_true(cell->deny_until == BH_FOREVER);
	assert_int_equal(cell->allow_until, 0);
	cell = cell_of(&fixture, "job", "db", "tcp/3");
	assert_true(cell->deny_until == (uint64_t)march);
	assert_int_equal(cell->allow_until, 0);
	for (size_t i = 0; i < fixture.table->decisions.count; i++)
		assert_string_not_equal(fixture.table->decisions.items[i].text, "gone");

	verdict = table_fixture_ask(&fixture, "job", "db", "tcp/1", march - 1);
	assert_false(verdict.allow);
	assert_int_equal(verdict.reason, BH_DENY_RULE);
	assert_true(verdict.valid_until == (uint64_t)march);
	verdict = table_fixture_ask(&fixture, "job", "db", "tcp/1", march);
	assert_true(verdict.allow);
	assert_true(verdict.valid_until == (uint64_t)april);
	verdict = table_fixture_ask(&fixture, "job", "db", "tcp/1", april);
	assert_false(verdict.allow);
	assert_int_equal(verdict.reason, BH_DENY_DEFAULT);
	assert_true(verdict.valid_until == BH_FOREVER);
	table_fixture_free(&fixture);
}

/* Of the rules that never expire the first in the file decides, before all that do. */
static void test_which_rule_decides(void **state)
{
	struct table_fixture fixture;

	(void)state;
	table_fixture_load(&fixture,
			   POLICY
			   "rules:\n"
			   "  - { name: short, from: build, to: shop, allow: tcp/1, expires: 2026-03-01T00:00:00Z }\n"
			   "  - { name: first, from: any, to: shop/db, allow: tcp }\n"
			   "  - { name: second, from: build, to: shop, allow: tcp/1-9 }\n"
			   "  - { name: long, from: build, to: shop, allow: udp/1, expires: 2027-03-01T00:00:00Z }\n"
			   "  - { name: less, from: build, to: shop, allow: udp/1, expires: 2026-03-01T00:00:00Z }\n",
			   WORLD, NULL);
	assert_string_equal(
		table_fixture_text(&fixture, table_fixture_ask(&fixture, "job", "db", "tcp/1", FIXTURE_NOW).decision),
		"first");
	assert_string_equal(
		table_fixture_text(&fixture,
				   table_fixture_ask(&fixture, "job", "front", "tcp/1", FIXTURE_NOW).decision),
		"second");
	assert_string_equal(
		table_fixture_text(&fixture, table_fixture_ask(&fixture, "job", "db", "udp/1", FIXTURE_NOW).decision),
		"long");
	table_fixture_free(&fixture);
}

/* The fallback is used where it says the same, and overridden where not. */
static void test_the_fallback(void **state)
{
	struct table_fixture fixture;
	const struct bh_cell *cell;

	(void)state;
	table_fixture_load(&fixture,
			   POLICY "rules:\n"
				  "  - { from: build, to: shop/db, allow: all }\n"
				  "  - { from: build, to: shop/db, allow: tcp/80 }\n"
				  "  - { from: build, to: shop/db, deny: tcp/25 }\n",
			   WORLD, NULL);
	/* any, tcp/25, the tunnels (none: an explicit cell), reach; tcp/80 is what any is */
	assert_int_equal(table_fixture_cells_between(&fixture, class_of(&fixture, "job"), class_of(&fixture, "db")), 4);
	assert_null(cell_of(&fixture, "job", "db", "tcp/80"));
	assert_non_null(cell_of(&fixture, "job", "db", "tcp/25"));
	cell = cell_of(&fixture, "job", "db", "proto/47");
	assert_non_null(cell);
	assert_int_equal(cell->allow_until | cell->deny_until, 0);
	assert_int_equal(cell->base_reason, BH_DENY_DEFAULT);
	assert_string_equal(table_fixture_text(&fixture, cell->base_decision), "zone shop: nothing allows it");
	assert_int_equal(cell->flags, BH_CELL_BASE_LOG);
	table_fixture_free(&fixture);
}

static void test_log(void **state)
{
	struct table_fixture fixture;
	const struct bh_cell *cell;

	(void)state;
	table_fixture_load(&fixture,
			   "version: 1\nsettings: { log: none }\nzones:\n"
			   "  quiet: { members: [ { name: front } ], log: none }\n"
			   "  plain: { members: [ { name: db } ] }\n"
			   "  loud: { members: [ { name: job } ], log: all }\n"
			   "rules:\n"
			   "  - { from: quiet, to: loud, allow: tcp/1 }\n"
			   "  - { from: quiet, to: loud, allow: tcp/2, log: none }\n"
			   "  - { from: quiet, to: plain, deny: tcp/3 }\n"
			   "  - { from: quiet, to: plain, deny: tcp/4, log: denied }\n"
			   "  - { from: quiet, to: plain, allow: tcp/5, log: denied }\n",
			   WORLD, NULL);
	/* The more talkative zone, unless the rule says it. */
	cell = cell_of(&fixture, "front", "job", "tcp/1");
	assert_int_equal(cell->flags, BH_CELL_ALLOW_LOG | BH_CELL_BASE_LOG);
	cell = cell_of(&fixture, "front", "job", "tcp/2");
	assert_int_equal(cell->flags, BH_CELL_BASE_LOG);
	assert_int_equal(cell_of(&fixture, "front", "db", "tcp/3")->flags, 0);
	assert_int_equal(cell_of(&fixture, "front", "db", "tcp/4")->flags, BH_CELL_DENY_LOG);
	assert_int_equal(cell_of(&fixture, "front", "db", "tcp/5")->flags, 0);
	/* Two zones of which the flags of one say too little: a cell. */
	assert_null(cell_of(&fixture, "db", "job", NULL));
	assert_true(table_fixture_ask(&fixture, "db", "job", "tcp/9", FIXTURE_NOW).log);
	cell = cell_of(&fixture, "job", "db", NULL);
	assert_non_null(cell);
	assert_int_equal(cell->flags, BH_CELL_BASE_LOG);
	assert_false(table_fixture_ask(&fixture, "db", "8.8.8.8", "tcp/9", FIXTURE_NOW).log);
	assert_true(table_fixture_ask(&fixture, "job", "8.8.8.8", "tcp/9", FIXTURE_NOW).log);
	table_fixture_free(&fixture);
}

static void test_audit(void **state)
{
	struct table_fixture fixture;

	(void)state;
	table_fixture_load(&fixture,
			   "version: 1\nzones:\n"
			   "  trial: { members: [ { name: front } ], mode: audit }\n"
			   "  firm: { members: [ { name: db } ] }\n"
			   "  test: { members: [ { name: job } ], mode: audit }\n"
			   "rules: [ { from: any, to: any, deny: tcp/1 } ]\n",
			   WORLD, NULL);
	for (size_t i = 0; i < 2; i++) {
		const char *service = (const char *[]){"tcp/1", "tcp/2"}[i]; /* with and without a cell */

		assert_true(table_fixture_ask(&fixture, "front", "job", service, FIXTURE_NOW).audit);
		assert_false(table_fixture_ask(&fixture, "front", "db", service, FIXTURE_NOW).audit);
		assert_false(table_fixture_ask(&fixture, "db", "front", service, FIXTURE_NOW).audit);
		assert_true(table_fixture_ask(&fixture, "front", "8.8.8.8", service, FIXTURE_NOW).audit);
		assert_true(table_fixture_ask(&fixture, "8.8.8.8", "front", service, FIXTURE_NOW).audit);
		assert_false(table_fixture_ask(&fixture, "8.8.8.8", "db", service, FIXTURE_NOW).audit);
		assert_true(table_fixture_ask(&fixture, "front", "stray", service, FIXTURE_NOW).audit);
	}
	table_fixture_free(&fixture);

	table_fixture_load(&fixture, "version: 1\nsettings: { mode: audit }\n" ZONES, WORLD, NULL);
	assert_true(table_fixture_ask(&fixture, "front", "job", "tcp/1", FIXTURE_NOW).audit);
	assert_true(table_fixture_ask(&fixture, "stray", "8.8.8.8", "tcp/1", FIXTURE_NOW).audit);
	assert_true(table_fixture_ask(&fixture, "8.8.8.8", "front", "tcp/1", FIXTURE_NOW).audit);
	assert_false(table_fixture_ask(&fixture, "torn", "8.8.8.8", "tcp/1", FIXTURE_NOW).audit);
	assert_int_equal(fixture.table->class_info[BH_CLASS_CONFLICTED].flags & BH_CLASS_AUDIT, 0);
	assert_int_equal(fixture.table->class_info[BH_CLASS_AMBIGUOUS].flags & BH_CLASS_AUDIT, 0);
	table_fixture_free(&fixture);
}

static void test_staged_rules(void **state)
{
	struct table_fixture fixture;
	const struct bh_cell *cell;

	(void)state;
	table_fixture_load(&fixture,
			   POLICY "rules:\n"
				  "  - { name: s1, from: build, to: shop, deny: tcp/1, mode: audit }\n"
				  "  - { name: s2, from: build, to: shop, allow: tcp/1-2, mode: audit }\n"
				  "  - { name: d, from: build, to: shop, deny: tcp/2 }\n"
				  "  - { name: s3, from: build, to: shop, deny: tcp/2, mode: audit }\n"
				  "  - { name: a, from: build, to: shop, allow: tcp/3 }\n"
				  "  - { name: s4, from: build, to: shop, allow: tcp/3, mode: audit }\n"
				  "  - { name: s5, from: build, to: shop, allow: tcp/4, mode: audit }\n",
			   WORLD, NULL);
	cell = cell_of(&fixture, "job", "db", "tcp/1");
	assert_string_equal(table_fixture_text(&fixture, cell->staged_decision), "s1");
	assert_int_equal(cell->flags & BH_CELL_STAGED_DENY, BH_CELL_STAGED_DENY);
	assert_int_equal(cell->deny_until, 0);
	/* The deny stands before both; the allow before the staged one. */
	assert_int_equal(cell_of(&fixture, "job", "db", "tcp/2")->staged_until, 0);
	assert_int_equal(cell_of(&fixture, "job", "db", "tcp/3")->staged_until, 0);
	cell = cell_of(&fixture, "job", "db", "tcp/4");
	assert_string_equal(table_fixture_text(&fixture, cell->staged_decision), "s5");
	assert_int_equal(cell->flags & BH_CELL_STAGED_DENY, 0);
	assert_false(table_fixture_ask(&fixture, "job", "db", "tcp/4", FIXTURE_NOW).allow);
	assert_int_not_equal(table_fixture_ask(&fixture, "job", "db", "tcp/4", FIXTURE_NOW).staged, 0);
	table_fixture_free(&fixture);
}

static void test_class_flags(void **state)
{
	struct table_fixture fixture;
	const struct bh_class_info *info;

	(void)state;
	table_fixture_load(
		&fixture,
		"version: 1\nzones:\n"
		"  z: { members: [ { name: front } ], permit: [ spoof, dhcp-server, router, vlan ] }\n"
		"  y: { members: [ { name: db } ], permit: [ router ], subnets: [ 192.0.2.0/24 ], mode: audit }\n",
		WORLD, NULL);
	info = fixture.table->class_info;
	assert_int_equal(info[class_of(&fixture, "front")].flags,
			 BH_CLASS_ZONE | BH_CLASS_LOCAL | BH_CLASS_LOG_DENIED | BH_CLASS_PERMIT_SPOOF |
				 BH_CLASS_PERMIT_DHCP_SERVER | BH_CLASS_PERMIT_ROUTER | BH_CLASS_PERMIT_VLAN);
	assert_int_equal(info[class_of(&fixture, "db")].flags, BH_CLASS_ZONE | BH_CLASS_AUDIT | BH_CLASS_LOCAL |
								       BH_CLASS_LOG_DENIED | BH_CLASS_PERMIT_ROUTER);
	assert_int_equal(info[class_of(&fixture, "192.0.2.1")].flags,
			 BH_CLASS_ZONE | BH_CLASS_AUDIT | BH_CLASS_LOG_DENIED);
	assert_int_equal(info[class_of(&fixture, "8.8.8.8")].flags, BH_CLASS_OUTSIDE | BH_CLASS_LOG_DENIED);
	assert_int_equal(info[class_of(&fixture, "169.254.169.254")].flags,
			 BH_CLASS_OUTSIDE | BH_CLASS_METADATA | BH_CLASS_LOG_DENIED);
	assert_int_equal(info[class_of(&fixture, "ff02::1")].flags,
			 BH_CLASS_OUTSIDE | BH_CLASS_GROUP | BH_CLASS_LOG_DENIED);
	assert_int_equal(info[class_of(&fixture, "10.0.0.255")].flags,
			 BH_CLASS_OUTSIDE | BH_CLASS_GROUP | BH_CLASS_LOG_DENIED);
	assert_int_equal(info[class_of(&fixture, "10.0.0.77")].flags, BH_CLASS_LOG_DENIED);
	assert_int_equal(info[BH_CLASS_HOST].flags, BH_CLASS_LOCAL | BH_CLASS_LOG_DENIED);
	assert_int_equal(info[BH_CLASS_UNASSIGNED].flags, BH_CLASS_LOCAL | BH_CLASS_LOG_DENIED);
	assert_int_equal(info[BH_CLASS_NONE].flags, 0);
	assert_int_equal(info[BH_CLASS_HOST].default_decision, 0);
	assert_int_not_equal(info[class_of(&fixture, "192.0.2.1")].default_decision, 0);
	assert_int_equal(info[class_of(&fixture, "192.0.2.1")].default_decision,
			 info[class_of(&fixture, "db")].default_decision);
	table_fixture_free(&fixture);
}

/* Numbers over two tables: kept, retired, come back. */
static void test_from_table_to_table(void **state)
{
	static const char fewer[] = "version: 1\ncontainers:\n"
				    "  - { name: db, ports: [ { interface: v1, addresses: [ 10.0.0.3 ] } ] }\n";
	struct registry *registry = NULL;
	struct table_fixture first, second;
	uint32_t front, db, rule;

	(void)state;
	assert_int_equal(registry_new(&registry), 0);
	table_fixture_load(&first, POLICY "rules: [ { from: shop/db, to: world, allow: tcp/1 } ]\n", WORLD, registry);
	front = class_of(&first, "front");
	db = class_of(&first, "db");
	rule = cell_of(&first, "db", "8.8.8.8", "tcp/1")->allow_decision;
	table_fixture_load(&second,
			   POLICY "rules:\n  - { from: build, to: world, allow: tcp/9 }\n"
				  "  - { from: shop/db, to: world, allow: tcp/1, log: all }\n",
			   fewer, registry);
	assert_int_equal(class_of(&second, "db"), db);
	assert_int_equal(second.table->class_info[front].flags & BH_CLASS_RETIRED, BH_CLASS_RETIRED);
	assert_int_equal(second.table->class_info[db].flags & BH_CLASS_RETIRED, 0);
	assert_string_equal(table_class_name(second.table, front), "retired");
	/* A rule that says the same has the same counter, wherever it stands. */
	assert_int_equal(cell_of(&second, "db", "8.8.8.8", "tcp/1")->allow_decision, rule);
	assert_false(table_decision(second.table, rule)->fresh);
	table_fixture_free(&second);
	table_fixture_free(&first);
	registry_free(registry);
}

static void test_equal_rules_have_a_number_each(void **state)
{
	struct table_fixture fixture;
	size_t rules = 0;

	(void)state;
	table_fixture_load(&fixture,
			   POLICY "rules:\n"
				  "  - { from: build, to: shop, allow: tcp/1 }\n"
				  "  - { from: build, to: shop, allow: tcp/1 }\n"
				  "  - { from: build, to: shop, allow: tcp/1, mode: audit }\n",
			   WORLD, NULL);
	for (size_t i = 0; i < fixture.table->decisions.count; i++)
		rules += fixture.table->decisions.items[i].rule >= 0;
	assert_int_equal(rules, 3);
	for (size_t i = 1; i < fixture.table->decisions.count; i++)
		assert_true(fixture.table->decisions.items[i - 1].number < fixture.table->decisions.items[i].number);
	table_fixture_free(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_identities),
		cmocka_unit_test(test_no_cell_where_the_default_says_it),
		cmocka_unit_test(test_one_allow_is_one_cell),
		cmocka_unit_test(test_rules_with_an_end),
		cmocka_unit_test(test_which_rule_decides),
		cmocka_unit_test(test_the_fallback),
		cmocka_unit_test(test_log),
		cmocka_unit_test(test_audit),
		cmocka_unit_test(test_staged_rules),
		cmocka_unit_test(test_class_flags),
		cmocka_unit_test(test_from_table_to_table),
		cmocka_unit_test(test_equal_rules_have_a_number_each),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
