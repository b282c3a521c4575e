/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "table/registry_private.h"

static struct registry *registry_of_nobody(void)
{
	struct registry *registry = NULL;

	assert_int_equal(registry_new(&registry), 0);
	return registry;
}

static uint32_t identity(struct registry *registry, const char *name, int64_t now_s)
{
	uint32_t number = 0;

	assert_int_equal(registry_identity(registry, name, now_s, &number), 0);
	assert_in_range(number, BH_IDENTITY_FIRST, BH_IDENTITY_MAX - 1);
	return number;
}

static uint32_t decision(struct registry *registry, const char *key, bool expect_new)
{
	uint32_t number = 0;
	bool new = !expect_new;

	assert_int_equal(registry_decision(registry, key, 1000, &number, &new), 0);
	assert_in_range(number, 1, BH_DECISIONS_MAX - 1);
	assert_int_equal(new, expect_new);
	return number;
}

/* A table with `count` identities named PREFIX0, PREFIX1, … */
static void table_of(struct registry *registry, const char *prefix, uint32_t count, int64_t now_s)
{
	char name[32];

	registry_begin(registry, now_s);
	for (uint32_t i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "%s%u", prefix, i);
		identity(registry, name, now_s);
	}
	registry_settle(registry);
}

static void test_names_keep_their_numbers(void **state)
{
	struct registry *registry = registry_of_nobody();
	uint32_t a = identity(registry, "shop/front", 1), b = identity(registry, "shop/db", 1);

	(void)state;
	assert_int_not_equal(a, b);
	assert_int_equal(identity(registry, "shop/front", 2), a);
	registry_begin(registry, 3);
	assert_int_equal(identity(registry, "shop/db", 3), b);
	registry_settle(registry);
	registry_begin(registry, 1000000);
	assert_int_equal(identity(registry, "shop/front", 1000000), a);
	registry_settle(registry);
	assert_string_equal(registry_identity_name(registry, a), "shop/front");
	assert_string_equal(registry_identity_name(registry, b), "shop/db");
	assert_null(registry_identity_name(registry, 0));
	assert_null(registry_identity_name(registry, b + 1));
	assert_null(registry_identity_name(registry, UINT32_MAX));
	registry_free(registry);
	registry_free(NULL);
}

static void test_so_many_in_use_and_no_more(void **state)
{
	struct registry *registry = registry_of_nobody();
	uint32_t number = 77;

	(void)state;
	table_of(registry, "a", BH_IDENTITIES_IN_USE_MAX, 1);
	assert_int_equal(registry_identity(registry, "one more", 1, &number), -ENOSPC);
	assert_int_equal(number, 77);
	assert_int_equal(identity(registry, "a7", 1), BH_IDENTITY_FIRST + 7);
	/* The next table has room again, though all the others keep their numbers. */
	table_of(registry, "b", 1, 2);
	assert_int_equal(identity(registry, "b0", 2), BH_IDENTITY_FIRST + BH_IDENTITIES_IN_USE_MAX);
	registry_free(registry);
}

/* Two tables one after the other that have all numbers between them. */
#define SECOND_TABLE (REGISTRY_IDENTITY_NUMBERS - BH_IDENTITIES_IN_USE_MAX)
_Static_assert(SECOND_TABLE <= BH_IDENTITIES_IN_USE_MAX, "two tables have all numbers");

/* What was not used for an hour is given again, the longest unused and smallest first. */
static void test_a_number_rests_before_it_is_given_again(void **state)
{
	struct registry *registry = registry_of_nobody();
	const int64_t rested = 500 + REGISTRY_REST_SECONDS;
	uint32_t number = 0;

	(void)state;
	table_of(registry, "a", BH_IDENTITIES_IN_USE_MAX, 100);
	table_of(registry, "b", SECOND_TABLE, 500);
	/* `a` was in use until the table of 500 came. */
	registry_begin(registry, rested - 1);
	assert_int_equal(registry_identity(registry, "new", rested - 1, &number), -ENOSPC);
	registry_abandon(registry);
	registry_begin(registry, rested);
	assert_int_equal(identity(registry, "new", rested), BH_IDENTITY_FIRST);
	assert_string_equal(registry_identity_name(registry, BH_IDENTITY_FIRST), "new");
	assert_int_equal(identity(registry, "newer", rested), BH_IDENTITY_FIRST + 1);
	/* One that comes back in time keeps its number; one that lost it gets another. */
	assert_int_equal(identity(registry, "a2", rested), BH_IDENTITY_FIRST + 2);
	assert_int_equal(identity(registry, "a0", rested), BH_IDENTITY_FIRST + 3);
	registry_settle(registry);
	registry_free(registry);
}

/* In use without a new table for a day: not rested at all. */
static void test_what_was_in_use_until_now_has_not_rested(void **state)
{
	struct registry *registry = registry_of_nobody();
	const int64_t day = 86400;

	(void)state;
	table_of(registry, "a", BH_IDENTITIES_IN_USE_MAX, day - 20);
	table_of(registry, "b", SECOND_TABLE, day);
	registry_begin(registry, 2 * day);
	for (uint32_t i = 0; i < BH_IDENTITIES_IN_USE_MAX; i++) {
		char name[32];

		snprintf(name, sizeof(name), "c%u", i);
		assert_in_range(identity(registry, name, 2 * day), BH_IDENTITY_FIRST,
				BH_IDENTITY_FIRST + BH_IDENTITIES_IN_USE_MAX - 1);
	}
	registry_settle(registry);
	registry_free(registry);
}

static void test_a_clock_that_goes_back_shortens_no_rest(void **state)
{
	struct registry *registry = registry_of_nobody();
	uint32_t number = 0;

	(void)state;
	table_of(registry, "a", BH_IDENTITIES_IN_USE_MAX, 1000000);
	table_of(registry, "b", SECOND_TABLE, 1000000);
	registry_begin(registry, 10);
	assert_int_equal(registry_identity(registry, "new", 10, &number), -ENOSPC);
	registry_abandon(registry);
	registry_free(registry);
}

static void test_decisions_are_new_until_a_table_has_them(void **state)
{
	struct registry *registry = registry_of_nobody();
	uint32_t a, b;

	(void)state;
	registry_begin(registry, 1);
	a = decision(registry, "rule a", true);
	registry_abandon(registry);
	registry_begin(registry, 2);
	assert_int_equal(decision(registry, "rule a", true), a);
	b = decision(registry, "rule b", true);
	assert_int_not_equal(a, b);
	registry_settle(registry);
	registry_begin(registry, 3);
	assert_int_equal(decision(registry, "rule a", false), a);
	registry_settle(registry);
	/* `b` was not in the last table, but nobody else had its number. */
	registry_begin(registry, 4);
	assert_int_equal(decision(registry, "rule b", false), b);
	registry_settle(registry);
	registry_free(registry);
}

static int decisions_fill(struct registry *registry, const char *prefix, uint32_t count)
{
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < count; i++) {
		char key[32];
		uint32_t number;
		bool new;

		snprintf(key, sizeof(key), "%s%u", prefix, i);
		r = registry_decision(registry, key, 1000, &number, &new);
		if (r == 0)
			assert_true(new);
	}
	return r;
}

/* Decisions need no hour of rest when numbers are short, but what the table before has is never taken. */
static void test_decisions_give_way(void **state)
{
	struct registry *registry = registry_of_nobody();

	(void)state;
	registry_begin(registry, 1000);
	assert_int_equal(decisions_fill(registry, "a", BH_DECISIONS_MAX - 1), 0);
	assert_int_equal(decisions_fill(registry, "x", 1), -ENOSPC);
	registry_settle(registry);
	registry_begin(registry, 1000);
	assert_int_equal(decisions_fill(registry, "b", 1), -ENOSPC);
	registry_abandon(registry);
	registry_begin(registry, 1000);
	decision(registry, "a5", false);
	registry_settle(registry);
	registry_begin(registry, 1000);
	assert_int_equal(decisions_fill(registry, "b", BH_DECISIONS_MAX - 2), 0);
	assert_int_equal(decisions_fill(registry, "x", 1), -ENOSPC);
	decision(registry, "a5", false);
	registry_settle(registry);
	registry_free(registry);
}

static void note_retired(void *arg, uint32_t number)
{
	uint32_t *seen = arg;

	seen[0]++;
	seen[1] = number;
}

static void test_retired_identities_are_told(void **state)
{
	struct registry *registry = registry_of_nobody();
	uint32_t seen[2] = {0}, b;

	(void)state;
	registry_begin(registry, 1);
	identity(registry, "a", 1);
	b = identity(registry, "b", 1);
	registry_settle(registry);
	registry_each_retired(registry, note_retired, seen);
	assert_int_equal(seen[0], 0);
	registry_begin(registry, 2);
	identity(registry, "a", 2);
	registry_settle(registry);
	registry_each_retired(registry, note_retired, seen);
	assert_int_equal(seen[0], 1);
	assert_int_equal(seen[1], b);
	registry_free(registry);
}

static void test_saved_and_loaded(void **state)
{
	struct registry *registry = registry_of_nobody(), *loaded = NULL;
	uint32_t a, b, d;
	struct error error = {0};
	json_t *saved, *again;

	(void)state;
	registry_begin(registry, 10);
	a = identity(registry, "a", 10);
	b = identity(registry, "b+c", 10);
	d = decision(registry, "rule: \"quoted\" → ü", true);
	registry_settle(registry);
	registry_begin(registry, 20);
	identity(registry, "b+c", 20);
	registry_settle(registry);
	saved = registry_save(registry);
	assert_non_null(saved);
	assert_int_equal(registry_load(saved, &loaded, &error), 0);
	again = registry_save(loaded);
	assert_true(json_equal(saved, again));
	assert_string_equal(registry_identity_name(loaded, a), "a");
	assert_int_equal(identity(loaded, "b+c", 30), b);
	assert_int_equal(decision(loaded, "rule: \"quoted\" → ü", false), d);
	json_decref(saved);
	json_decref(again);
	registry_free(registry);
	registry_free(loaded);
}

static void test_what_does_not_parse_is_not_believed(void **state)
{
	static const char *const bad[] = {
		"[]",
		"{}",
		"{\"version\": \"1\", \"identities\": [], \"decisions\": []}",
		"{\"version\": 2, \"identities\": [], \"decisions\": []}",
		"{\"version\": 1, \"identities\": []}",
		"{\"version\": 1, \"identities\": {}, \"decisions\": []}",
		"{\"version\": 1, \"identities\": [7], \"decisions\": []}",
#define ITEM(number, name) \
	"{\"number\": " number ", \"name\": \"" name "\", \"used\": 1, \"in_use\": true, \"fresh\": false}"
#define WITH(identities) "{\"version\": 1, \"identities\": [" identities "], \"decisions\": []}"
		WITH(ITEM("15", "a")),
		WITH(ITEM("8192", "a")),
		WITH(ITEM("-1", "a")),
		WITH(ITEM("4294967312", "a")),
		WITH(ITEM("16", "")),
		WITH(ITEM("16", "a") ", " ITEM("16", "b")),
		WITH(ITEM("16", "a") ", " ITEM("17", "a")),
		WITH("{\"number\": 16, \"name\": \"a\", \"used\": 1, \"in_use\": 1, \"fresh\": false}"),
		WITH("{\"number\": 16, \"name\": \"a\", \"in_use\": true, \"fresh\": false}"),
		"{\"version\": 1, \"identities\": [], \"decisions\": [" ITEM("0", "a") "]}",
		"{\"version\": 1, \"identities\": [], \"decisions\": [" ITEM("65536", "a") "]}",
	};
	struct registry *untouched = registry_of_nobody(), *loaded = untouched;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		json_t *json = json_loads(bad[i], 0, NULL);
		struct error error = {0};

		assert_non_null(json);
		assert_int_equal(registry_load(json, &loaded, &error), -EINVAL);
		assert_int_not_equal(error.text[0], '\0');
		assert_ptr_equal(loaded, untouched);
		json_decref(json);
	}
	registry_free(untouched);
}

/* A file with gaps (somebody else's program, or a hand): the gaps are numbers that nobody had. */
static void test_gaps_are_filled(void **state)
{
	json_t *json = json_loads(WITH(ITEM("8191", "last")), 0, NULL);
	struct registry *loaded = NULL;
	uint32_t number;

	(void)state;
	assert_int_equal(registry_load(json, &loaded, NULL), 0);
	assert_null(registry_identity_name(loaded, 16));
	number = identity(loaded, "a", 1000000);
	assert_in_range(number, 16, 8190);
	assert_string_equal(registry_identity_name(loaded, number), "a");
	assert_int_equal(identity(loaded, "last", 1000000), 8191);
	json_decref(json);
	registry_free(loaded);
}

static void test_reserved_numbers_rest(void **state)
{
	struct registry *registry = registry_of_nobody();
	uint32_t number;

	(void)state;
	assert_int_equal(registry_reserve(registry, BH_IDENTITY_FIRST - 1, 1000), -EINVAL);
	assert_int_equal(registry_reserve(registry, BH_IDENTITY_MAX, 1000), -EINVAL);
	assert_int_equal(registry_reserve(registry, BH_IDENTITY_FIRST, 1000), 0);
	assert_int_equal(registry_reserve(registry, BH_IDENTITY_FIRST + 2, 1000), 0);
	registry_begin(registry, 1001);
	number = identity(registry, "shop", 1001);
	assert_int_not_equal(number, BH_IDENTITY_FIRST);
	assert_int_not_equal(number, BH_IDENTITY_FIRST + 2);
	/* Whoever has a name keeps it. */
	assert_int_equal(registry_reserve(registry, number, 1001), 0);
	assert_string_equal(registry_identity_name(registry, number), "shop");
	registry_settle(registry);
	registry_free(registry);
}

/* The highest number is reserved: the rest is given, and it is not until it has rested. */
static void test_reserved_at_the_end(void **state)
{
	struct registry *registry = registry_of_nobody();
	char name[32];

	(void)state;
	assert_int_equal(registry_reserve(registry, BH_IDENTITY_MAX - 1, 100000), 0);
	registry_begin(registry, 100001);
	for (uint32_t i = 0; i < BH_IDENTITIES_IN_USE_MAX; i++) {
		snprintf(name, sizeof(name), "a%u", i);
		assert_int_not_equal(identity(registry, name, 100001), BH_IDENTITY_MAX - 1);
	}
	registry_settle(registry);
	registry_free(registry);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_keep_their_numbers),
		cmocka_unit_test(test_so_many_in_use_and_no_more),
		cmocka_unit_test(test_a_number_rests_before_it_is_given_again),
		cmocka_unit_test(test_what_was_in_use_until_now_has_not_rested),
		cmocka_unit_test(test_a_clock_that_goes_back_shortens_no_rest),
		cmocka_unit_test(test_decisions_are_new_until_a_table_has_them),
		cmocka_unit_test(test_decisions_give_way),
		cmocka_unit_test(test_retired_identities_are_told),
		cmocka_unit_test(test_saved_and_loaded),
		cmocka_unit_test(test_what_does_not_parse_is_not_believed),
		cmocka_unit_test(test_gaps_are_filled),
		cmocka_unit_test(test_reserved_numbers_rest),
		cmocka_unit_test(test_reserved_at_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
