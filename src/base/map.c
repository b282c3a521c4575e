/* SPDX-License-Identifier: GPL-2.0-only */
/* Entries stand in an array in the order in which they were added; a table of open addressing (linear probing) holds
 * their numbers. A removed entry keeps its place until the array is full, so a cursor stays right over a removal; then
 * the living are moved together and the table is made anew. The table has twice as many slots as the array has places,
 * so it is never more than half full, removed entries counted. */
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "map.h"

/* Entry numbers are 32 bits, and 0 is an empty slot. */
#define MAP_CAPACITY_MAX   ((size_t)1 << 30)
#define MAP_FIRST_CAPACITY 8

struct map_entry {
	char *key; /* NULL: removed. A NUL stands behind it */
	size_t key_size;
	uint64_t hash;
	void *value;
};

struct map {
	struct map_entry *entries;
	size_t used, capacity; /* used: removed ones too */
	size_t count;
	uint32_t *slots; /* 2 * capacity; number of the entry + 1, or 0 */
	uint64_t seed;
};

static uint64_t map_seed(const struct map *map)
{
	uint64_t seed;

	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) == (ssize_t)sizeof(seed))
		return seed;
	/* Early in the boot: worse, but never a reason to fail. */
	struct timespec now = {0};
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)(uintptr_t)map ^ (uint64_t)now.tv_nsec << 32 ^ (uint64_t)now.tv_sec;
}

/* FNV-1a (Fowler, Noll, Vo; draft-eastlake-fnv) from a random basis. Its low bits depend on the low bits of the seed
 * alone, so the end of MurmurHash3 (fmix64, Appleby) mixes the high ones in. */
static uint64_t map_hash(const struct map *map, const void *key, size_t key_size)
{
	const unsigned char *bytes = key;
	uint64_t hash = map->seed;

	for (size_t i = 0; i < key_size; i++)
		hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
	hash = (hash ^ hash >> 33) * UINT64_C(0xff51afd7ed558ccd);
	hash = (hash ^ hash >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
	return hash ^ hash >> 33;
}

struct map *map_new(void)
{
	struct map *map = calloc(1, sizeof(*map));

	if (map)
		map->seed = map_seed(map);
	return map;
}

void map_free(struct map *map, void (*free_value)(void *value))
{
	if (!map)
		return;
	for (size_t i = 0; i < map->used; i++) {
		if (map->entries[i].key && free_value)
			free_value(map->entries[i].value);
		free(map->entries[i].key);
	}
	free(map->entries);
	free(map->slots);
	free(map);
}

size_t map_count(const struct map *map)
{
	return map->count;
}

static struct map_entry *map_find(const struct map *map, const void *key, size_t key_size, uint64_t hash)
{
	size_t mask = map->capacity * 2 - 1;

	if (map->count == 0)
		return NULL;
	for (size_t slot = hash & mask; map->slots[slot]; slot = (slot + 1) & mask) {
		struct map_entry *entry = &map->entries[map->slots[slot] - 1];

		if (entry->key && entry->hash == hash && entry->key_size == key_size &&
		    (key_size == 0 || memcmp(entry->key, key, key_size) == 0))
			return entry;
	}
	return NULL;
}

static void map_index(struct map *map, size_t number)
{
	size_t mask = map->capacity * 2 - 1, slot = map->entries[number].hash & mask;

	while (map->slots[slot])
		slot = (slot + 1) & mask;
	map->slots[slot] = (uint32_t)number + 1;
}

/* Makes place for one more entry: without the removed ones, and twice as large if that frees less than half. */
static int map_make_room(struct map *map)
{
	size_t capacity = map->capacity;
	struct map_entry *entries;
	uint32_t *slots;

	if (map->used < capacity)
		return 0;
	if (capacity == 0)
		capacity = MAP_FIRST_CAPACITY;
	else if (map->count > capacity / 2)
		capacity *= 2;
	if (capacity > MAP_CAPACITY_MAX)
		return -ENOMEM;
	entries = calloc(capacity, sizeof(*entries));
	slots = calloc(capacity * 2, sizeof(*slots));
	if (!entries || !slots) {
		free(entries);
		free(slots);
		return -ENOMEM;
	}
	size_t living = 0;
	for (size_t i = 0; i < map->used; i++)
		if (map->entries[i].key)
			entries[living++] = map->entries[i];
	free(map->entries);
	free(map->slots);
	map->entries = entries;
	map->slots = slots;
	map->capacity = capacity;
	map->used = living;
	for (size_t i = 0; i < living; i++)
		map_index(map, i);
	return 0;
}

int map_set(struct map *map, const void *key, size_t key_size, void *value, void **ret_old)
{
	uint64_t hash = map_hash(map, key, key_size);
	struct map_entry *entry = map_find(map, key, key_size, hash);
	void *old = NULL;
	char *copy;

	if (!value)
		return -EINVAL;
	if (entry) {
		old = entry->value;
		entry->value = value;
	} else {
		copy = key_size < SIZE_MAX ? malloc(key_size + 1) : NULL;
		if (!copy || map_make_room(map) < 0) {
			free(copy);
			return -ENOMEM;
		}
		if (key_size)
			memcpy(copy, key, key_size);
		copy[key_size] = '\0';
		map->entries[map->used] =
			(struct map_entry){.key = copy, .key_size = key_size, .hash = hash, .value = value};
		map_index(map, map->used++);
		map->count++;
	}
	if (ret_old)
		*ret_old = old;
	return 0;
}

void *map_get(const struct map *map, const void *key, size_t key_size)
{
	const struct map_entry *entry = map_find(map, key, key_size, map_hash(map, key, key_size));

	return entry ? entry->value : NULL;
}

void *map_remove(struct map *map, const void *key, size_t key_size)
{
	struct map_entry *entry = map_find(map, key, key_size, map_hash(map, key, key_size));

	if (!entry)
		return NULL;
	void *value = entry->value;
	/* `key` may be the entry's own, handed out by map_next(): it is not read after this. */
	free(entry->key);
	entry->key = NULL;
	entry->value = NULL;
	map->count--;
	return value;
}

bool map_next(const struct map *map, size_t *cursor, const void **ret_key, size_t *ret_key_size, void **ret_value)
{
	while (*cursor < map->used && !map->entries[*cursor].key)
		(*cursor)++;
	if (*cursor >= map->used)
		return false;
	const struct map_entry *entry = &map->entries[(*cursor)++];
	if (ret_key)
		*ret_key = entry->key;
	if (ret_key_size)
		*ret_key_size = entry->key_size;
	if (ret_value)
		*ret_value = entry->value;
	return true;
}
