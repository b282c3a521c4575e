/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/array.h"

struct item {
	uint64_t number;
	char filler[5];
};

struct items {
	ARRAY_OF(struct item);
};

static void test_items_keep_their_order_and_start_zeroed(void **state)
{
	struct items items = {0};

	(void)state;
	for (uint64_t i = 0; i < 10000; i++) {
		struct item *item = array_append(&items);

		assert_non_null(item);
		assert_int_equal(item->number, 0);
		assert_int_equal(item->filler[4], 0);
		item->number = i;
		item->filler[4] = 'x';
	}
	assert_int_equal(items.count, 10000);
	for (uint64_t i = 0; i < 10000; i++)
		assert_int_equal(items.items[i].number, i);
	array_free(&items);
	assert_null(items.items);
	assert_int_equal(items.count, 0);
	assert_int_equal(items.capacity, 0);
}

static void test_a_place_used_before_is_zeroed_again(void **state)
{
	struct items items = {0};
	struct item *item = array_append(&items);

	(void)state;
	assert_non_null(item);
	item->number = 1;
	items.count = 0;
	item = array_append(&items);
	assert_non_null(item);
	assert_int_equal(item->number, 0);
	array_free(&items);
}

static void test_reserved_space_is_enough_and_zero(void **state)
{
	struct items items = {0};

	(void)state;
	assert_int_equal(array_reserve(&items, 1000), 0);
	assert_true(items.capacity >= 1000);
	assert_int_equal(items.count, 0);
	for (size_t i = 0; i < items.capacity; i++)
		assert_int_equal(items.items[i].number, 0);
	struct item *before = items.items;
	assert_int_equal(array_reserve(&items, 10), 0);
	assert_ptr_equal(items.items, before);
	array_free(&items);
}

static void test_sizes_that_overflow_are_refused(void **state)
{
	struct items items = {0};

	(void)state;
	assert_non_null(array_append(&items));
	struct items before = items;
	assert_int_equal(array_reserve(&items, SIZE_MAX / 2), -EOVERFLOW);
	assert_int_equal(array_reserve(&items, SIZE_MAX), -EOVERFLOW);
	assert_memory_equal(&items, &before, sizeof(items));
	array_free(&items);
}

/* Built with AddressSanitizer, a request like this would end the test instead of returning NULL. */
#ifndef __SANITIZE_ADDRESS__
static void test_short_memory_changes_nothing(void **state)
{
	struct items items = {0};

	(void)state;
	assert_non_null(array_append(&items));
	struct items before = items;
	assert_int_equal(array_reserve(&items, (size_t)1 << 56), -ENOMEM);
	assert_memory_equal(&items, &before, sizeof(items));
	array_free(&items);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_items_keep_their_order_and_start_zeroed),
		cmocka_unit_test(test_a_place_used_before_is_zeroed_again),
		cmocka_unit_test(test_reserved_space_is_enough_and_zero),
		cmocka_unit_test(test_sizes_that_overflow_are_refused),
#ifndef __SANITIZE_ADDRESS__
		cmocka_unit_test(test_short_memory_changes_nothing),
#endif
	};

	return cmocka_run_group_tests_name("array", tests, NULL, NULL);
}
