/* SPDX-License-Identifier: GPL-2.0-only */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/release.h"

static double figure(const struct releases *releases, const char *name)
{
	json_t *json = release_json(releases), *value = json_object_get(json, name);
	double result = value ? json_number_value(value) : -1;

	json_decref(json);
	return result;
}

static void nothing_yet(void **state)
{
	struct releases releases = {0};

	(void)state;
	assert_true(figure(&releases, "count") == 0);
	assert_true(figure(&releases, "last") == -1);
	assert_true(figure(&releases, "p99") == -1);
}

static void ranks(void **state)
{
	struct releases releases = {0};

	(void)state;
	release_note(&releases, 7500000);
	assert_true(figure(&releases, "p50") == 7.5);
	assert_true(figure(&releases, "p99") == 7.5);
	/* 1 to 200 ms, in no order. */
	releases = (struct releases){0};
	for (int64_t i = 0; i < 200; i++)
		release_note(&releases, (i * 77 % 200 + 1) * 1000000);
	assert_true(figure(&releases, "count") == 200);
	assert_true(figure(&releases, "p50") == 100);
	assert_true(figure(&releases, "p99") == 198);
	assert_true(figure(&releases, "worst") == 200);
	assert_true(figure(&releases, "last") == 199 * 77 % 200 + 1);
}

static void old_ones_go_but_the_worst(void **state)
{
	struct releases releases = {0};

	(void)state;
	release_note(&releases, 9000000000);
	for (size_t i = 0; i < RELEASES_KEPT; i++)
		release_note(&releases, 2000000);
	assert_true(figure(&releases, "p99") == 2);
	assert_true(figure(&releases, "worst") == 9000);
	assert_true(figure(&releases, "count") == RELEASES_KEPT + 1);
}

static void absurd_times_are_held(void **state)
{
	struct releases releases = {0};

	(void)state;
	release_note(&releases, -5);
	assert_true(figure(&releases, "last") == 0);
	release_note(&releases, INT64_MAX);
	assert_true(figure(&releases, "last") == UINT32_MAX / 1000.0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_yet),
		cmocka_unit_test(ranks),
		cmocka_unit_test(old_ones_go_but_the_worst),
		cmocka_unit_test(absurd_times_are_held),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
