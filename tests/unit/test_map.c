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

#include "base/map.h"

static void *value_of(uintptr_t number)
{
	return (void *)number; /* NOLINT(performance-no-int-to-ptr): never followed */
}

static struct map *map_of(uintptr_t count)
{
	struct map *map = map_new();

	assert_non_null(map);
	for (uintptr_t i = 1; i <= count; i++)
		assert_int_equal(map_set(map, &i, sizeof(i), value_of(i), NULL), 0);
	return map;
}

static void test_what_is_set_is_found(void **state)
{
	struct map *map = map_of(5000);

	(void)state;
	assert_int_equal(map_count(map), 5000);
	for (uintptr_t i = 1; i <= 5000; i++)
		assert_ptr_equal(map_get(map, &i, sizeof(i)), value_of(i));
	uintptr_t other = 5001;
	assert_null(map_get(map, &other, sizeof(other)));
	assert_null(map_remove(map, &other, sizeof(other)));
	map_free(map, NULL);
}

static void test_an_empty_map(void **state)
{
	struct map *map = map_of(0);
	size_t cursor = 0;

	(void)state;
	assert_int_equal(map_count(map), 0);
	assert_null(map_get_text(map, "a"));
	assert_null(map_remove(map, "a", 1));
	assert_false(map_next(map, &cursor, NULL, NULL, NULL));
	map_free(map, free);
	map_free(NULL, NULL);
}

static void test_setting_again_replaces(void **state)
{
	struct map *map = map_of(0);
	void *old = map;

	(void)state;
	assert_int_equal(map_set_text(map, "key", value_of(1), &old), 0);
	assert_null(old);
	assert_int_equal(map_set_text(map, "key", value_of(2), &old), 0);
	assert_ptr_equal(old, value_of(1));
	assert_int_equal(map_count(map), 1);
	assert_ptr_equal(map_get_text(map, "key"), value_of(2));
	map_free(map, NULL);
}

static void test_keys_are_bytes_of_any_length(void **state)
{
	struct map *map = map_of(0);
	const void *key;
	size_t cursor = 0, key_size;
	char text[] = "ab";

	(void)state;
	assert_int_equal(map_set(map, "a\0b", 3, value_of(1), NULL), 0);
	assert_int_equal(map_set(map, "a\0c", 3, value_of(2), NULL), 0);
	assert_int_equal(map_set(map, "a", 1, value_of(3), NULL), 0);
	assert_int_equal(map_set(map, "", 0, value_of(4), NULL), 0);
	assert_int_equal(map_set_text(map, text, value_of(5), NULL), 0);
	text[0] = 'x'; /* the map has its own copy */
	assert_ptr_equal(map_get(map, "a\0b", 3), value_of(1));
	assert_ptr_equal(map_get(map, "a\0c", 3), value_of(2));
	assert_ptr_equal(map_get(map, "a", 1), value_of(3));
	assert_ptr_equal(map_get(map, "", 0), value_of(4));
	assert_ptr_equal(map_get_text(map, "ab"), value_of(5));
	assert_true(map_next(map, &cursor, &key, &key_size, NULL));
	assert_int_equal(key_size, 3);
	assert_memory_equal(key, "a\0b\0", 4);
	map_free(map, NULL);
}

static void test_a_null_value_is_refused(void **state)
{
	struct map *map = map_of(1);

	(void)state;
	assert_int_equal(map_set_text(map, "key", NULL, NULL), -EINVAL);
	assert_int_equal(map_count(map), 1);
	map_free(map, NULL);
}

static void test_iteration_is_in_the_order_of_insertion(void **state)
{
	struct map *map = map_of(3000);
	uintptr_t wanted = 1;
	void *value;

	(void)state;
	/* Replacing a value keeps the place. */
	assert_int_equal(map_set(map, &wanted, sizeof(wanted), value_of(1), NULL), 0);
	for (size_t i = 0; map_next(map, &i, NULL, NULL, &value); wanted++)
		assert_ptr_equal(value, value_of(wanted));
	assert_int_equal(wanted, 3001);
	map_free(map, NULL);
}

static void test_the_item_just_returned_may_be_removed(void **state)
{
	struct map *map = map_of(3000);
	size_t seen = 0, key_size;
	const void *key;
	void *value;

	(void)state;
	for (size_t i = 0; map_next(map, &i, &key, &key_size, &value); seen++)
		if ((uintptr_t)value % 3)
			assert_ptr_equal(map_remove(map, key, key_size), value);
	assert_int_equal(seen, 3000);
	assert_int_equal(map_count(map), 1000);
	seen = 0;
	for (size_t i = 0; map_next(map, &i, NULL, NULL, &value); seen++)
		assert_int_equal((uintptr_t)value % 3, 0);
	assert_int_equal(seen, 1000);
	map_free(map, NULL);
}

/* Against the plainest model: an array indexed by the key. Small key ranges, so that places are used again and again,
 * also after everything was removed. */
static void test_random_changes_agree_with_a_plain_array(void **state)
{
	static uintptr_t model[512];
	struct map *map = map_of(0);
	size_t count = 0;

	(void)state;
	srand(7);
	memset(model, 0, sizeof(model));
	for (int i = 0; i < 200000; i++) {
		uint16_t key = (uint16_t)((unsigned int)rand() % (i % 40000 < 20000 ? 512 : 8));
		uintptr_t value = (uintptr_t)rand() + 1;

		if (rand() % 5 < 2) {
			void *old;

			assert_int_equal(map_set(map, &key, sizeof(key), value_of(value), &old), 0);
			assert_ptr_equal(old, value_of(model[key]));
			count += model[key] == 0;
			model[key] = value;
		} else {
			assert_ptr_equal(map_remove(map, &key, sizeof(key)), value_of(model[key]));
			count -= model[key] != 0;
			model[key] = 0;
		}
		assert_int_equal(map_count(map), count);
	}
	for (uint16_t key = 0; key < 512; key++)
		assert_ptr_equal(map_get(map, &key, sizeof(key)), value_of(model[key]));
	map_free(map, NULL);
}

static size_t freed;

static void count_free(void *value)
{
	freed++;
	free(value);
}

static void test_freeing_gives_back_the_values_that_are_left(void **state)
{
	struct map *map = map_of(0);

	(void)state;
	freed = 0;
	for (int i = 0; i < 100; i++) {
		void *value = malloc(1);

		assert_non_null(value);
		assert_int_equal(map_set(map, &i, sizeof(i), value, NULL), 0);
	}
	for (int i = 0; i < 50; i++)
		free(map_remove(map, &i, sizeof(i)));
	map_free(map, count_free);
	assert_int_equal(freed, 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_set_is_found),
		cmocka_unit_test(test_an_empty_map),
		cmocka_unit_test(test_setting_again_replaces),
		cmocka_unit_test(test_keys_are_bytes_of_any_length),
		cmocka_unit_test(test_a_null_value_is_refused),
		cmocka_unit_test(test_iteration_is_in_the_order_of_insertion),
		cmocka_unit_test(test_the_item_just_returned_may_be_removed),
		cmocka_unit_test(test_random_changes_agree_with_a_plain_array),
		cmocka_unit_test(test_freeing_gives_back_the_values_that_are_left),
	};

	return cmocka_run_group_tests_name("map", tests, NULL, NULL);
}
