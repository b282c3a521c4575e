/* SPDX-License-Identifier: GPL-2.0-only */
/* A growable array of any type, header-only:
 *
 *     struct ints { ARRAY_OF(int); } ints = { 0 };
 *     int *slot = array_append(&ints);          // zeroed; NULL when memory is short
 *     for (size_t i = 0; i < ints.count; i++) use(ints.items[i]);
 *     array_free(&ints);
 */
#ifndef BULKHEAD_BASE_ARRAY_H
#define BULKHEAD_BASE_ARRAY_H

#include <stddef.h>

#define ARRAY_OF(type) \
	type *items;   \
	size_t count;  \
	size_t capacity

/* Grows *items so that `needed` items of `size` bytes fit; new space is zeroed. 0 or -ENOMEM/-EOVERFLOW, unchanged
 * then. */
int array_reserve_bytes(void **items, size_t *capacity, size_t needed, size_t size);

#define array_reserve(array, needed) \
	array_reserve_bytes((void **)&(array)->items, &(array)->capacity, (needed), sizeof(*(array)->items))

/* A zeroed new last item, or NULL. */
#define array_append(array)                             \
	(array_reserve((array), (array)->count + 1) < 0 \
		 ? NULL                                 \
		 : array_zero_item((array)->items, (array)->count++, sizeof(*(array)->items)))

#define array_free(array)                               \
	do {                                            \
		free((array)->items);                   \
		(array)->items = NULL;                  \
		(array)->count = (array)->capacity = 0; \
	} while (0)

void *array_zero_item(void *items, size_t index, size_t size);

#endif
