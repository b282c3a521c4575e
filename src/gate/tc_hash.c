/* SPDX-License-Identifier: GPL-2.0-only */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "gate/tc_private.h"

/* Entries a call: large enough that calls cost nothing, small enough for a copy on the kernel's side. */
#define BATCH_ENTRIES 4096u
#define NOT_SUPPORTED 524 /* ENOTSUPP of the kernel: this kind of map knows no batches */

void tc_entries_free(struct tc_entries *entries)
{
	free(entries->keys);
	free(entries->values);
	memset(entries, 0, sizeof(*entries));
}

static int entries_reserve(struct tc_entries *entries, size_t needed)
{
	size_t capacity = entries->capacity;
	int result;

	if (needed <= capacity)
		return 0;
	result = array_reserve_bytes((void **)&entries->keys, &capacity, needed, entries->key_size);
	if (result < 0)
		return result;
	/* Both grow by the same rule from the same capacity. */
	capacity = entries->capacity;
	result = array_reserve_bytes((void **)&entries->values, &capacity, needed, entries->value_size);
	if (result < 0)
		return result;
	entries->capacity = capacity;
	return 0;
}

int tc_entries_append(struct tc_entries *entries, void **ret_key, void **ret_value)
{
	int result = entries_reserve(entries, entries->count + 1);

	if (result < 0)
		return result;
	*ret_key = array_zero_item(entries->keys, entries->count, entries->key_size);
	*ret_value = array_zero_item(entries->values, entries->count, entries->value_size);
	entries->count++;
	return 0;
}

int tc_entries_read(int fd, const struct tc_shape *shape, struct tc_entries *ret_entries)
{
	LIBBPF_OPTS(bpf_map_batch_opts, opts);
	struct tc_entries entries = {.key_size = shape->key_size, .value_size = shape->value_size};
	uint32_t cursor = 0; /* of a hash map: the bucket to go on with */
	void *in = NULL;
	int result;

	for (;;) {
		uint32_t count = BATCH_ENTRIES;

		result = entries_reserve(&entries, entries.count + count);
		if (result < 0)
			break;
		result = bpf_map_lookup_batch(fd, in, &cursor, entries.keys + entries.count * entries.key_size,
					      entries.values + entries.count * entries.value_size, &count, &opts);
		if (result < 0 && result != -ENOENT)
			break;
		entries.count += count;
		if (result == -ENOENT) {
			*ret_entries = entries;
			return 0;
		}
		in = &cursor;
	}
	tc_entries_free(&entries);
	return result;
}

static int entries_write_singly(int fd, const struct tc_entries *entries)
{
	int result = 0;

	for (size_t i = 0; i < entries->count && result == 0; i++)
		result = bpf_map_update_elem(fd, entries->keys + i * entries->key_size,
					     entries->values + i * entries->value_size, BPF_ANY);
	return result;
}

int tc_entries_write(int fd, const struct tc_entries *entries)
{
	LIBBPF_OPTS(bpf_map_batch_opts, opts);

	for (size_t done = 0; done < entries->count;) {
		uint32_t count =
			entries->count - done < BATCH_ENTRIES ? (uint32_t)(entries->count - done) : BATCH_ENTRIES;
		int result = bpf_map_update_batch(fd, entries->keys + done * entries->key_size,
						  entries->values + done * entries->value_size, &count, &opts);

		if (result == -NOT_SUPPORTED && done == 0)
			return entries_write_singly(fd, entries);
		if (result < 0)
			return result;
		done += count;
	}
	return 0;
}

static int position_compare(const void *a, const void *b, void *arg)
{
	const struct tc_entries *entries = arg;

	return memcmp(entries->keys + *(const size_t *)a * entries->key_size,
		      entries->keys + *(const size_t *)b * entries->key_size, entries->key_size);
}

/* Keys and values stand apart, as the kernel takes them: an order is made first, then both are laid out by it. */
int tc_entries_sort(struct tc_entries *entries)
{
	AUTO_FREE size_t *order = calloc(entries->count + 1, sizeof(*order));
	unsigned char *keys = malloc((entries->capacity + 1) * entries->key_size);
	unsigned char *values = malloc((entries->capacity + 1) * entries->value_size);

	if (!order || !keys || !values) {
		free(keys);
		free(values);
		return -ENOMEM;
	}
	for (size_t i = 0; i < entries->count; i++)
		order[i] = i;
	qsort_r(order, entries->count, sizeof(*order), position_compare, entries);
	for (size_t i = 0; i < entries->count; i++) {
		memcpy(keys + i * entries->key_size, entries->keys + order[i] * entries->key_size, entries->key_size);
		memcpy(values + i * entries->value_size, entries->values + order[i] * entries->value_size,
		       entries->value_size);
	}
	free(entries->keys);
	free(entries->values);
	entries->keys = keys;
	entries->values = values;
	return 0;
}

void *tc_entries_find(const struct tc_entries *entries, const void *key)
{
	size_t low = 0, high = entries->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = memcmp(key, entries->keys + middle * entries->key_size, entries->key_size);

		if (order == 0)
			return entries->values + middle * entries->value_size;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

int tc_removals_add(struct tc_removals *removals, enum tc_map map, const void *key, size_t key_size)
{
	struct tc_removal *removal = array_append(removals);

	if (!removal)
		return -ENOMEM;
	removal->map = map;
	memcpy(removal->key, key, key_size);
	return 0;
}

int tc_removals_run(const struct tc_gate *tc, struct tc_removals *removals)
{
	int result = 0;

	for (size_t i = 0; i < removals->count; i++) {
		int rc = bpf_map_delete_elem(tc->maps[removals->items[i].map], removals->items[i].key);

		if (rc < 0 && rc != -ENOENT)
			result = rc;
	}
	removals->count = 0;
	return result;
}
