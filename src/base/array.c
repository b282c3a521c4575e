/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "array.h"

#define ARRAY_FIRST_CAPACITY 8

int array_reserve_bytes(void **items, size_t *capacity, size_t needed, size_t size)
{
	size_t wanted = *capacity, bytes;
	void *old, *new;

	if (needed <= wanted)
		return 0;
	/* Doubling keeps appends cheap; near the end of the address space the exact size does. */
	wanted = wanted > SIZE_MAX / 2 ? needed : wanted * 2;
	if (wanted < ARRAY_FIRST_CAPACITY)
		wanted = ARRAY_FIRST_CAPACITY;
	if (wanted < needed)
		wanted = needed;
	if (__builtin_mul_overflow(wanted, size, &bytes)) {
		wanted = needed;
		if (__builtin_mul_overflow(wanted, size, &bytes))
			return -EOVERFLOW;
	}
	/* The pointer is some `T *`: copy its bytes instead of reading it as a `void *`. */
	memcpy(&old, items, sizeof(old));
	new = realloc(old, bytes);
	if (!new)
		return -ENOMEM;
	memset((char *)new + *capacity *size, 0, bytes - *capacity * size);
	memcpy(items, &new, sizeof(new));
	*capacity = wanted;
	return 0;
}

void *array_zero_item(void *items, size_t index, size_t size)
{
	return memset((char *)items + index * size, 0, size);
}
