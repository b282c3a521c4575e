/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <stdlib.h>

#include "table/compile.h"

int numbers_add(struct numbers *numbers, uint32_t number)
{
	uint32_t *slot = array_append(numbers);

	if (!slot)
		return -ENOMEM;
	*slot = number;
	return 0;
}

static int number_compare(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

void numbers_sort(struct numbers *numbers)
{
	size_t kept = 0;

	if (numbers->count < 2)
		return;
	array_sort(numbers, number_compare);
	for (size_t i = 0; i < numbers->count; i++)
		if (i == 0 || numbers->items[i] != numbers->items[kept - 1])
			numbers->items[kept++] = numbers->items[i];
	numbers->count = kept;
}

int lists_begin(struct lists *lists)
{
	return numbers_add(&lists->starts, 0);
}

int lists_add(struct lists *lists, uint32_t number)
{
	return numbers_add(&lists->numbers, number);
}

int lists_close(struct lists *lists)
{
	return numbers_add(&lists->starts, (uint32_t)lists->numbers.count);
}

size_t lists_count(const struct lists *lists)
{
	return lists->starts.count ? lists->starts.count - 1 : 0;
}

const uint32_t *lists_get(const struct lists *lists, size_t index, size_t *ret_count)
{
	*ret_count = lists->starts.items[index + 1] - lists->starts.items[index];
	return *ret_count ? lists->numbers.items + lists->starts.items[index] : NULL;
}

void lists_free(struct lists *lists)
{
	array_free(&lists->starts);
	array_free(&lists->numbers);
}
