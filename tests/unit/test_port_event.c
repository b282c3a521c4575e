/* SPDX-License-Identifier: GPL-2.0-only */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "port/event.h"

static struct event_budget *budget(struct event_budgets *budgets, int32_t nsid)
{
	for (size_t i = 0; i < budgets->count; i++) {
		if (budgets->items[i].nsid == nsid)
			return &budgets->items[i];
	}
	return NULL;
}

static void test_burst_then_frozen(void **state)
{
	struct event_budgets budgets = {0};

	(void)state;
	for (int i = 0; i < EVENT_BURST; i++)
		assert_true(event_spend(&budgets, 1, 1000));
	assert_true(budget(&budgets, 1)->heard);
	assert_false(event_spend(&budgets, 1, 1000));
	assert_false(event_spend(&budgets, 1, 1000));
	assert_int_equal(budget(&budgets, 1)->left_out, 2);
	/* It is its own affair. */
	assert_true(event_spend(&budgets, 2, 1000));
	array_free(&budgets);
}

static void test_thawed_when_quiet(void **state)
{
	struct event_budgets budgets = {0};
	int64_t now = 1000;

	(void)state;
	for (int i = 0; i <= EVENT_BURST; i++)
		event_spend(&budgets, 1, now);
	now += EVENT_FREEZE_MS - 1;
	assert_false(event_spend(&budgets, 1, now)); /* within its budget by now, but the time is not over */
	now += 1;
	assert_true(event_spend(&budgets, 1, now));
	assert_int_equal(budget(&budgets, 1)->left_out, 0);
	array_free(&budgets);
}

/* A namespace that goes on stays frozen: each event above the budget begins the time anew. */
static void test_noise_stays_frozen(void **state)
{
	struct event_budgets budgets = {0};
	unsigned int heard = 0;
	const int rate = 1000;

	(void)state;
	for (int64_t now = 0; now < 60000; now += 1000 / rate)
		heard += event_spend(&budgets, 1, now);
	assert_true(heard <= EVENT_BURST + EVENT_BURST / 10);
	array_free(&budgets);
}

static void test_a_steady_trickle_is_heard(void **state)
{
	struct event_budgets budgets = {0};

	(void)state;
	for (int64_t now = 0; now < 60000; now += 1000 / EVENT_RATE)
		assert_true(event_spend(&budgets, 1, now));
	array_free(&budgets);
}

static void test_more_namespaces_than_are_kept(void **state)
{
	struct event_budgets budgets = {0};

	(void)state;
	for (unsigned int i = 0; i < EVENT_NAMESPACES_MAX + 100; i++)
		assert_true(event_spend(&budgets, (int32_t)i, 1000));
	assert_int_equal(budgets.count, EVENT_NAMESPACES_MAX);
	array_free(&budgets);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_burst_then_frozen),
		cmocka_unit_test(test_thawed_when_quiet),
		cmocka_unit_test(test_noise_stays_frozen),
		cmocka_unit_test(test_a_steady_trickle_is_heard),
		cmocka_unit_test(test_more_namespaces_than_are_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
