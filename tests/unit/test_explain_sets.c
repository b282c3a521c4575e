/* SPDX-License-Identifier: GPL-2.0-only */
/* Questions about sets: held against asking one by one, against random policies, and against the limits. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fixture.h"
#include "table/explain_private.h"
#include "tests/lib/random_policy.h"

static const char world[] = "version: 1\n"
			    "containers:\n"
			    "  - { name: web-1, ports: [ { network: red, addresses: [ 10.0.0.11, 'fd00::11' ] } ] }\n"
			    "  - { name: db, ports: [ { network: red, addresses: [ 10.0.0.13 ] }, { network: blue, "
			    "addresses: [ 10.1.0.13 ] } ] }\n";

static json_t *query(struct fixture *fixture, const char *from, const char *to, const char *service)
{
	struct error error = {0};
	json_t *answer = NULL;

	if (explain_query(fixture->explain, from, to, service, FIXTURE_NOW, &answer, &error) < 0)
		fail_msg("%s %s %s: %s", from, to, service, error.text);
	return answer;
}

static uint32_t next_random(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u; /* Knuth's MMIX */
	return (uint32_t)(*seed >> 33);
}

/* Rules between a container and prefixes of 172.20.0.0/24, with few services. */
static char *policy_of_seed(uint64_t seed)
{
	struct text text = {0};

	text_append(&text, "version: 1\nzones: { web: { members: { name: web-1 } } }\nnetworks:\n");
	for (unsigned int i = 0; i < 6; i++) {
		text_appendf(&text, "  n%u: { cidrs: [ ", i);
		for (unsigned int j = 0; j < 2; j++) {
			unsigned int length = 24 + next_random(&seed) % 9;
			unsigned int base = next_random(&seed) % 256 & ~((1u << (32 - length)) - 1);

			text_appendf(&text, "%s172.20.0.%u/%u", j ? ", " : "", base, length);
		}
		text_appendf(&text, " ], except: [ 172.20.0.%u ] }\n", next_random(&seed) % 256);
	}
	text_append(&text, "rules:\n");
	for (unsigned int i = 0; i < 6; i++) {
		unsigned int low = 1 + next_random(&seed) % 8;

		text_appendf(&text, "  - { from: web, to: n%u, %s: tcp/%u-%u }\n", i, i % 3 ? "allow" : "deny", low,
			     low + next_random(&seed) % 8);
	}
	return text_take(&text);
}

/* The verdict by asking about each address of the network and each port. */
static const char *asked_one_by_one(struct fixture *fixture, int network)
{
	const struct network *asked = &fixture->policy->networks.items[network];
	bool allowed = false, denied = false;

	for (uint32_t last = 0; last < 256; last++) {
		struct party from = {.kind = PARTY_PORT, .port = 0};
		struct party to = {.kind = PARTY_ADDRESS, .addr = addr_from_v4(0xac140000 + last)};
		struct standing standing = {.kind = STANDING_OUTSIDE, .addr = to.addr};

		if (!standing_in_network(&standing, asked, false))
			continue;
		for (uint16_t port = 3; port <= 9; port++) {
			struct service_point point = {.protocol = 6, .port = port};
			struct verdict verdict = {0};

			assert_int_equal(naive_judge(&fixture->naive, &from, &to, &point, FIXTURE_NOW, &verdict), 0);
			allowed |= verdict.allow;
			denied |= !verdict.allow;
		}
	}
	if (allowed && denied)
		return "mixed";
	return allowed ? "allow" : denied ? "deny" : "unpoliced";
}

static void test_sets_are_answered_as_one_by_one(void **state)
{
	size_t seen[3] = {0};

	(void)state;
	for (uint64_t seed = 1; seed <= 40; seed++) {
		char *text = policy_of_seed(seed);
		struct fixture fixture;

		assert_non_null(text);
		fixture_load(&fixture, text, world);
		for (int i = 0; i < 6; i++) {
			const char *expected = asked_one_by_one(&fixture, i);
			char name[16];
			json_t *answer;

			snprintf(name, sizeof(name), "n%d", i);
			answer = query(&fixture, "web", name, "tcp/3-9");
			if (strcmp(json_string_value(json_object_get(answer, "verdict")), expected) != 0)
				fail_msg("seed %u, %s: expected %s\n%s", (unsigned int)seed, name, expected, text);
			seen[expected[0] == 'm' ? 0 : expected[0] == 'a' ? 1 : 2]++;
			json_decref(answer);
		}
		fixture_free(&fixture);
		free(text);
	}
	/* The policies are such that all answers occur. */
	for (size_t i = 0; i < 3; i++)
		assert_int_not_equal(seen[i], 0);
}

static bool class_reaches(const struct address_class *class, uint32_t network, bool deny)
{
	for (size_t i = 0; i < class->reaches.count; i++)
		if (class->reaches.items[i].network == network)
			return deny || class->reaches.items[i].allow;
	return false;
}

/* Do all ends that a rule may have match the class as they match the address? */
static bool class_is_like(const struct policy *of, const struct address_class *class, const struct standing *standing)
{
	const size_t counts[END_KIND_MAX] = {
		[END_ZONE] = of->zones.count,
		[END_GROUP] = of->groups.count,
		[END_NETWORK] = of->networks.count,
	};

	if (class->standing.addr.family != standing->addr.family)
		return false;
	for (unsigned int kind = 0; kind < END_KIND_MAX; kind++) {
		for (uint32_t i = 0; i < (kind < END_ZONE ? 1 : counts[kind]); i++) {
			struct end end = {.kind = (enum end_kind)kind, .index = i};

			for (unsigned int deny = 0; deny < 2; deny++) {
				bool matches = kind == END_NETWORK ? class_reaches(class, i, deny)
								   : standing_matches(&class->standing, of, &end, deny);

				if (matches != standing_matches(standing, of, &end, deny))
					return false;
			}
		}
	}
	return true;
}

/* Every address that is no port's, not the host's and no NAT64 address is like one of the classes. */
static void test_every_address_is_in_a_class(void **state)
{
	size_t checked = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 60; seed++) {
		struct address_classes classes = {0};
		struct random_state random;
		struct random_case made;

		assert_int_equal(random_case_new(seed, &made, &random), 0);
		assert_int_equal(address_classes_find(made.policy, &made.world, NULL, &classes, NULL), 0);
		for (unsigned int i = 0; i < 200; i++) {
			struct party party = {.kind = PARTY_ADDRESS};
			struct standing standing;
			bool found = false;

			random_addr(&random, &made.world, &party.addr);
			assert_int_equal(standing_find(made.policy, &made.world, &party, &standing), 0);
			if (standing.kind != STANDING_PORT && standing.kind != STANDING_HOST &&
			    standing.kind != STANDING_AMBIGUOUS && addr_equal(&standing.addr, &party.addr)) {
				for (size_t j = 0; j < classes.count && !found; j++)
					found = class_is_like(made.policy, &classes.items[j], &standing);
				if (!found) {
					char text[ADDR_TEXT_MAX];

					fail_msg("seed %u: %s\n%s", (unsigned int)seed, addr_format(&party.addr, text),
						 made.policy_text);
				}
				checked++;
			}
			standing_free(&standing);
		}
		address_classes_free(&classes);
		random_case_free(&made);
	}
	assert_in_range(checked, 1000, SIZE_MAX);
}

/* ---- Limits ---- */

static void test_a_long_line_is_no_question(void **state)
{
	struct fixture fixture;
	char *line = malloc(EXPLAIN_LINE_MAX + 2);
	json_t *answer;

	(void)state;
	assert_non_null(line);
	fixture_load(&fixture, "version: 1\n", world);
	memset(line, ' ', EXPLAIN_LINE_MAX + 1);
	line[EXPLAIN_LINE_MAX + 1] = '\0';
	assert_int_equal(explain_batch_line(fixture.explain, line, FIXTURE_NOW, &answer), -EINVAL);
	assert_non_null(strstr(json_string_value(json_object_get(answer, "error")), "4096 bytes"));
	json_decref(answer);
	line[EXPLAIN_LINE_MAX] = '\0';
	assert_int_equal(explain_batch_line(fixture.explain, line, FIXTURE_NOW, &answer), 0);
	assert_null(answer);
	fixture_free(&fixture);
	free(line);
}

/* Says no, and counts: a million questions to a real judge would take too long for a test. */
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

/* 1,100 kinds of address and 80 ports that are told apart everywhere. */
static void load_much(struct fixture *fixture)
{
	struct text text = {0};

	text_append(&text, "version: 1\nrules:\n");
	for (unsigned int i = 0; i < 1100; i++)
		text_appendf(&text, "  - { from: any, to: 172.20.%u.%u, allow: tcp/%u }\n", i / 256, i % 256, i + 1);
	for (unsigned int i = 0; i < 80; i++)
		text_appendf(&text, "  - { from: any, to: any, allow: tcp/%u }\n", 2000 + 2 * i);
	fixture_load(fixture, text_string(&text), world);
	text_free(&text);
}

static void test_too_much_work_is_refused(void **state)
{
	struct explain *explain;
	struct error error = {0};
	struct fixture fixture;
	json_t *answer = NULL;
	size_t asked = 0;

	(void)state;
	load_much(&fixture);
	assert_int_equal(explain_new(fixture.policy, &fixture.world, judge_that_counts, &asked, &explain, &error), 0);
	assert_int_equal(explain_query(explain, "any", "any", "all", FIXTURE_NOW, &answer, &error), -E2BIG);
	assert_int_equal(asked, EXPLAIN_WORK_MAX);
	assert_non_null(strstr(error.text, "1000000"));
	assert_null(answer);
	/* What asks for less is still answered. */
	asked = 0;
	assert_int_equal(explain_query(explain, "web-1", "any", "tcp/1-100", FIXTURE_NOW, &answer, &error), 0);
	assert_in_range(asked, 1100, 10000);
	json_decref(answer);
	explain_free(explain);
	fixture_free(&fixture);
}

static void test_cases_are_cut(void **state)
{
	struct fixture fixture;
	json_t *answer;

	(void)state;
	load_much(&fixture);
	answer = query(&fixture, "web-1", "172.20.0.0/24", "tcp/1-100");
	assert_string_equal(json_string_value(json_object_get(answer, "verdict")), "mixed");
	assert_int_equal(json_array_size(json_object_get(answer, "cases")), EXPLAIN_CASES_MAX);
	json_decref(answer);
	fixture_free(&fixture);
}

static void test_too_many_kinds_of_address_are_refused(void **state)
{
	/* As many networks of one address each; what the language itself tells apart comes to it. */
	static const unsigned int counts[] = {EXPLAIN_CLASSES_MAX - 100, EXPLAIN_CLASSES_MAX};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct address_classes classes = {0};
		struct error error = {0};
		struct fixture fixture;
		struct network *networks = calloc(counts[i], sizeof(*networks));
		struct prefix *prefixes = calloc(counts[i], sizeof(*prefixes));

		assert_non_null(networks);
		assert_non_null(prefixes);
		fixture_load(&fixture, "version: 1\n", NULL);
		for (uint32_t j = 0; j < counts[i]; j++) {
			struct addr addr = addr_from_v4(0x0b000000 + j);

			prefixes[j] = prefix_of(&addr);
			networks[j].cidrs.items = &prefixes[j];
			networks[j].cidrs.count = 1;
		}
		fixture.policy->networks.items = networks;
		fixture.policy->networks.count = counts[i];
		assert_int_equal(address_classes_find(fixture.policy, &fixture.world, NULL, &classes, &error),
				 i == 0 ? 0 : -E2BIG);
		if (i == 0)
			assert_in_range(classes.count, counts[i] + 1, EXPLAIN_CLASSES_MAX);
		else
			assert_non_null(strstr(error.text, "65536 kinds"));
		address_classes_free(&classes);
		fixture.policy->networks.items = NULL;
		fixture.policy->networks.count = 0;
		fixture_free(&fixture);
		free(networks);
		free(prefixes);
	}
}

static void test_a_long_line_of_the_policy_is_cut(void **state)
{
	/* The rule begins at byte 4; the name is made of characters of two bytes, so that one lies over the cut. */
	for (unsigned int shift = 0; shift < 2; shift++) {
		struct text text = {0};
		struct fixture fixture;
		json_t *answer;
		const char *line;

		(void)state;
		text_append(&text, "version: 1\nrules:\n");
		text_appendf(&text, "  - { from: any, to: any, allow: tcp%s } # ", shift ? "" : " ");
		for (unsigned int i = 0; i < EXPLAIN_TEXT_MAX; i++)
			text_append(&text, "é");
		text_append(&text, "\n");
		fixture_load(&fixture, text_string(&text), world);
		answer = query(&fixture, "web-1", "db", "tcp/1");
		line = json_string_value(json_object_get(json_object_get(answer, "at"), "text"));
		assert_in_range(strlen(line), EXPLAIN_TEXT_MAX - 1, EXPLAIN_TEXT_MAX);
		assert_true(text_is_utf8(line, strlen(line)));
		json_decref(answer);
		fixture_free(&fixture);
		text_free(&text);
	}
}

static void test_next_is_cut(void **state)
{
	struct text text = {0};
	struct fixture fixture;
	json_t *answer;

	(void)state;
	text_append(&text, "version: 1\nrules:\n");
	for (unsigned int i = 0; i < EXPLAIN_NEXT_MAX + 5; i++)
		text_append(&text, "  - { from: any, to: any, allow: tcp }\n");
	fixture_load(&fixture, text_string(&text), world);
	answer = query(&fixture, "web-1", "db", "tcp/1");
	assert_int_equal(json_array_size(json_object_get(answer, "next")), EXPLAIN_NEXT_MAX);
	json_decref(answer);
	fixture_free(&fixture);
	text_free(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sets_are_answered_as_one_by_one),
		cmocka_unit_test(test_every_address_is_in_a_class),
		cmocka_unit_test(test_a_long_line_is_no_question),
		cmocka_unit_test(test_too_much_work_is_refused),
		cmocka_unit_test(test_cases_are_cut),
		cmocka_unit_test(test_too_many_kinds_of_address_are_refused),
		cmocka_unit_test(test_a_long_line_of_the_policy_is_cut),
		cmocka_unit_test(test_next_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
