/* SPDX-License-Identifier: GPL-2.0-only */
#include "kernel.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>

#include "must.h"

#define IP_ALIGN     2 /* include/linux/skbuff.h: NET_IP_ALIGN */
#define FRAME_HEADER 14u
#define IP_HEADER    20u
#define SIZE_LIMIT   65535u

static void *copy_of(const void *bytes, size_t size)
{
	void *copy = malloc(size);

	must(copy);
	memcpy(copy, bytes, size);
	return copy;
}

static struct kernel_entry *entry_exact(struct kernel_map *map, const void *key)
{
	for (size_t i = 0; i < map->count; i++)
		if (memcmp(map->entries[i].key, key, map->key_size) == 0)
			return &map->entries[i];
	return NULL;
}

/* Both keys: 32 bits of length, then the bytes. */
static bool prefix_matches(const uint8_t *prefix, const uint8_t *key)
{
	uint32_t length;

	memcpy(&length, prefix, sizeof(length));
	for (uint32_t bit = 0; bit < length; bit++) {
		uint8_t mask = 0x80 >> (bit & 7);

		if ((prefix[4 + bit / 8] ^ key[4 + bit / 8]) & mask)
			return false;
	}
	return true;
}

static struct kernel_entry *entry_longest(struct kernel_map *map, const void *key)
{
	struct kernel_entry *best = NULL;
	uint32_t length, best_length = 0;

	for (size_t i = 0; i < map->count; i++) {
		if (!prefix_matches(map->entries[i].key, key))
			continue;
		memcpy(&length, map->entries[i].key, sizeof(length));
		if (!best || length >= best_length) {
			best = &map->entries[i];
			best_length = length;
		}
	}
	return best;
}

static struct kernel_entry *entry_add(struct kernel_map *map, const void *key)
{
	struct kernel_entry *entry;

	if (map->count == map->room) {
		map->room = map->room ? map->room * 2 : 8;
		map->entries = realloc(map->entries, map->room * sizeof(*map->entries));
		must(map->entries);
	}
	entry = &map->entries[map->count++];
	entry->key = copy_of(key, map->key_size);
	entry->value = calloc(1, map->value_size);
	must(entry->value);
	return entry;
}

static struct kernel_entry *entry_find(struct kernel_map *map, const void *key)
{
	struct kernel_entry *entry;
	uint32_t index;

	if (map->kind == KERNEL_LPM)
		return entry_longest(map, key);
	entry = entry_exact(map, key);
	if (entry || map->kind != KERNEL_ARRAY)
		return entry;
	memcpy(&index, key, sizeof(index));
	return index < map->entries_max ? entry_add(map, key) : NULL;
}

void *kernel_map_lookup(struct kernel_map *map, const void *key)
{
	struct kernel_entry *entry = entry_find(map, key);

	if (!entry)
		return NULL;
	return map->kind == KERNEL_OUTER ? *(void **)entry->value : entry->value;
}

static void entry_remove(struct kernel_map *map, size_t at)
{
	free(map->entries[at].key);
	free(map->entries[at].value);
	map->entries[at] = map->entries[--map->count];
}

long kernel_map_update(struct kernel_map *map, const void *key, const void *value, uint64_t flags)
{
	struct kernel_entry *entry = entry_exact(map, key);

	if (entry && flags == BPF_NOEXIST)
		return -EEXIST;
	if (!entry && map->count >= map->entries_max && map->kind != KERNEL_LRU)
		return -E2BIG;
	if (!entry && map->count >= map->entries_max)
		entry_remove(map, 0);
	if (entry) { /* a hash puts a new element in place of the old one */
		free(entry->value);
		entry->value = NULL;
	} else {
		entry = entry_add(map, key);
		free(entry->value);
	}
	entry->value = copy_of(value, map->value_size);
	return 0;
}

long kernel_map_delete(struct kernel_map *map, const void *key)
{
	struct kernel_entry *entry = entry_exact(map, key);

	if (!entry)
		return -ENOENT;
	entry_remove(map, entry - map->entries);
	return 0;
}

long kernel_map_each(struct kernel_map *map, long (*each)(void *map, const void *key, void *value, void *arg),
		     void *arg)
{
	long given = 0;

	/* From the end: a deleted entry's place is taken by one that was given before. */
	for (size_t i = map->count; i-- > 0;) {
		given++;
		if (each(map, map->entries[i].key, map->entries[i].value, arg))
			break;
	}
	return given;
}

void kernel_map_clear(struct kernel_map *map)
{
	while (map->count)
		entry_remove(map, map->count - 1);
	free(map->entries);
	map->entries = NULL;
	map->room = 0;
}

/* Anew, so that whoever still has a pointer to the old one is seen. */
static void linear_make(struct kernel_packet *packet, size_t linear)
{
	uint8_t *allocation = malloc(IP_ALIGN + linear);

	must(allocation);
	memcpy(allocation + IP_ALIGN, packet->bytes, linear);
	free(packet->allocation);
	packet->allocation = allocation;
	packet->linear = linear;
}

void kernel_packet_set(struct kernel_packet *packet, const uint8_t *bytes, size_t size, size_t linear)
{
	*packet = (struct kernel_packet){.bytes = malloc(size + 1), .size = size};
	must(packet->bytes);
	memcpy(packet->bytes, bytes, size);
	linear_make(packet, linear < size ? linear : size);
}

/* Nobody has written but by a helper. */
static void linear_check(const struct kernel_packet *packet)
{
	must(memcmp(kernel_packet_data(packet), packet->bytes, packet->linear) == 0);
}

void kernel_packet_free(struct kernel_packet *packet)
{
	linear_check(packet);
	free(packet->allocation);
	free(packet->bytes);
	*packet = (struct kernel_packet){0};
}

uint8_t *kernel_packet_data(const struct kernel_packet *packet)
{
	return packet->allocation + IP_ALIGN;
}

long kernel_packet_load(const struct kernel_packet *packet, size_t offset, void *to, size_t length)
{
	if (offset > packet->size || length > packet->size - offset) {
		memset(to, 0, length);
		return -EFAULT;
	}
	memcpy(to, packet->bytes + offset, length);
	return 0;
}

/* RFC 1071, of whole words. */
uint32_t kernel_csum_diff(const void *bytes, size_t size, uint32_t sum)
{
	uint64_t total = sum;

	must(size % sizeof(uint32_t) == 0 && size <= 512); /* MAX_BPF_STACK, before Linux 6.12 */
	for (size_t at = 0; at < size; at += sizeof(uint32_t)) {
		uint32_t word;

		memcpy(&word, (const uint8_t *)bytes + at, sizeof(word));
		total += word;
	}
	total = (total & UINT32_MAX) + (total >> 32);
	return (uint32_t)((total & UINT32_MAX) + (total >> 32));
}

long kernel_packet_pull(struct kernel_packet *packet, size_t length)
{
	if (length > packet->size)
		return -ENOMEM;
	linear_make(packet, length > packet->linear ? length : packet->linear);
	return 0;
}

long kernel_packet_store(struct kernel_packet *packet, size_t offset, const void *from, size_t length)
{
	if (offset > packet->size || length > packet->size - offset)
		return -EFAULT;
	linear_check(packet);
	memcpy(packet->bytes + offset, from, length);
	linear_make(packet, packet->linear);
	return 0;
}

/* What is added is zeros. */
long kernel_packet_change_tail(struct kernel_packet *packet, size_t length)
{
	uint8_t *bytes;

	if (length < FRAME_HEADER || length > SIZE_LIMIT)
		return -EINVAL;
	linear_check(packet);
	bytes = calloc(1, length + 1);
	must(bytes);
	memcpy(bytes, packet->bytes, length < packet->size ? length : packet->size);
	free(packet->bytes);
	packet->bytes = bytes;
	packet->size = length;
	linear_make(packet, packet->linear < length ? packet->linear : length);
	return 0;
}

/* net/core/filter.c: an IP header must be left. */
long kernel_packet_shrink(struct kernel_packet *packet, size_t length)
{
	if (packet->size < FRAME_HEADER + length + IP_HEADER)
		return -ENOTSUP;
	linear_check(packet);
	memmove(packet->bytes + FRAME_HEADER, packet->bytes + FRAME_HEADER + length,
		packet->size - FRAME_HEADER - length);
	packet->size -= length;
	linear_make(packet, packet->linear < packet->size ? packet->linear : packet->size);
	return 0;
}
