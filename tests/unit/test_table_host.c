/* SPDX-License-Identifier: GPL-2.0-only */
/* What identities may send to the host, as the nft gate is told. */
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

static const char world[] = "version: 1\n"
			    "containers:\n"
			    "  - { name: a, ports: [ { interface: v0 } ] }\n"
			    "  - { name: b, ports: [ { interface: v1 } ] }\n"
			    "  - { name: torn, ports: [ { interface: v2 } ] }\n";

struct listing {
	const struct table_fixture *fixture;
	struct text text;
	uint32_t identity; /* of whom runs are listed */
	uint32_t covered;  /* services met, of the identity in hand */
	uint32_t identities[8];
	size_t identity_count;
	uint32_t last_rank, last_high; /* of the run before */
};

/* tcp, udp, sctp, icmp, icmpv6, by number: the order in which they come. */
static uint32_t rank_of(uint8_t protocol)
{
	static const uint8_t order[] = {6, 17, 132, 1, 58, HOST_SERVICE_BY_NUMBER};

	for (uint32_t i = 0; i < sizeof(order); i++)
		if (order[i] == protocol)
			return i + 1;
	fail_msg("protocol %u", protocol);
	return 0;
}

static int list_run(void *arg, const struct host_service *run)
{
	struct listing *listing = arg;
	uint32_t rank = rank_of(run->protocol);

	if (!listing->identity_count || listing->identities[listing->identity_count - 1] != run->identity) {
		listing->identities[listing->identity_count++] = run->identity;
		listing->last_rank = 0;
		listing->covered = 0;
	}
	assert_true(run->low <= run->high);
	if (rank == listing->last_rank) /* ascending, without a gap but for numbers that have rows of their own */
		assert_true(rank == 6 ? run->low > listing->last_high : run->low == listing->last_high + 1);
	else
		assert_int_equal(rank, listing->last_rank + 1);
	if (rank == 6)
		assert_int_equal(run->low, run->high);
	listing->last_rank = rank;
	listing->last_high = run->high;
	listing->covered += run->high - run->low + 1u;
	if (run->identity == listing->identity && run->cell)
		text_appendf(&listing->text, "%u/%u-%u %s\n", run->protocol, run->low, run->high,
			     run->cell->deny_until    ? "deny"
			     : run->cell->allow_until ? "allow"
						      : "base");
	return 0;
}

static void check_runs(const char *rules, const char *expected)
{
	struct table_fixture fixture;
	struct listing listing = {.fixture = &fixture};
	char policy[1024];

	snprintf(policy, sizeof(policy),
		 "version: 1\nzones: { a: { members: [ { name: a }, { name: torn } ] }, t: { members: [ { name: torn } "
		 "] } }\n"
		 "rules:\n%s",
		 rules);
	table_fixture_load(&fixture, policy, world, NULL);
	listing.identity = table_fixture_class(&fixture, "a");
	assert_int_equal(table_host_services(fixture.table, list_run, &listing), 0);
	assert_string_equal(text_string(&listing.text), expected);
	/* Unassigned first, then the identities; of each all services. Whoever is in conflict sends nothing. */
	assert_int_equal(listing.identity_count, 2);
	assert_int_equal(listing.identities[0], BH_CLASS_UNASSIGNED);
	assert_int_equal(listing.identities[1], listing.identity);
	assert_int_equal(listing.covered, 5 * 65536 + 256 - 5);
	text_free(&listing.text);
	table_fixture_free(&fixture);
}

static void test_runs(void **state)
{
	(void)state;
	check_runs("  - { from: a, to: host, allow: [ dns, tcp/54, ping, proto/50, proto/51 ] }\n"
		   "  - { from: a, to: host, allow: tcp/55-60 }\n"
		   "  - { from: any, to: any, deny: [ tcp/58-59, sctp/65535 ] }\n",
		   "6/53-54 allow\n6/55-57 allow\n6/58-59 deny\n6/60-60 allow\n"
		   "17/53-53 allow\n"
		   "132/65535-65535 deny\n"
		   "1/2048-2303 allow\n"
		   "58/32768-33023 allow\n"
		   "255/50-50 allow\n255/51-51 allow\n");
}

/* Rules that tell services apart for others don't for the host: the runs are as long as can be. */
static void test_runs_are_maximal(void **state)
{
	(void)state;
	check_runs("  - { from: a, to: world, allow: [ tcp/1-100, udp/7, icmp/3 ] }\n"
		   "  - { from: a, to: host, allow: tcp }\n",
		   "6/0-65535 allow\n");
}

static void test_everything_is_denied(void **state)
{
	(void)state;
	check_runs("  - { from: a, to: world, allow: all }\n", "");
}

static int stop_at_once(void *arg, const struct host_service *run)
{
	size_t *calls = arg;

	(void)run;
	++*calls;
	return -ECANCELED;
}

static void test_the_callback_stops_it(void **state)
{
	struct table_fixture fixture;
	size_t calls = 0;

	(void)state;
	table_fixture_load(&fixture, "version: 1\n", world, NULL);
	assert_int_equal(table_host_services(fixture.table, stop_at_once, &calls), -ECANCELED);
	assert_int_equal(calls, 1);
	table_fixture_free(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_runs),
		cmocka_unit_test(test_runs_are_maximal),
		cmocka_unit_test(test_everything_is_denied),
		cmocka_unit_test(test_the_callback_stops_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
