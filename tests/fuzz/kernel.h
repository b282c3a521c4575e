/* SPDX-License-Identifier: GPL-2.0-only */
/* The kernel's part in user space, for the tc gate's programs compiled natively: maps, one packet, a clock. Each value
 * of a map is an allocation of its own, freed when its entry is deleted, and so is the linear part of the packet, made
 * anew at each pull: AddressSanitizer sees whoever reads beyond them, or too late. */
#ifndef BULKHEAD_TESTS_FUZZ_KERNEL_H
#define BULKHEAD_TESTS_FUZZ_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum kernel_map_kind {
	KERNEL_ARRAY, /* of zeros; values are made when they are first looked at */
	KERNEL_HASH,
	KERNEL_LRU, /* a hash whose oldest entry gives way */
	KERNEL_LPM,
	KERNEL_OUTER, /* array of maps: what is looked up is the map itself */
};

struct kernel_entry {
	void *key, *value;
};

struct kernel_map {
	enum kernel_map_kind kind;
	size_t key_size, value_size, entries_max;
	struct kernel_entry *entries;
	size_t count, room;
};

/* As the helpers of the same names: NULL when there is none; 0 or -errno. */
void *kernel_map_lookup(struct kernel_map *map, const void *key);
long kernel_map_update(struct kernel_map *map, const void *key, const void *value, uint64_t flags);
long kernel_map_delete(struct kernel_map *map, const void *key);
/* Until `each` returns other than 0; it may delete the entry that it is given. How many it was given. */
long kernel_map_each(struct kernel_map *map, long (*each)(void *map, const void *key, void *value, void *arg),
		     void *arg);
void kernel_map_clear(struct kernel_map *map);

/* A packet of `size` bytes of which the first `linear` lie in the linear part, where the IP header is aligned as in a
 * kernel with NET_IP_ALIGN. */
struct kernel_packet {
	uint8_t *bytes; /* all of it */
	size_t size, linear;
	uint8_t *allocation; /* of the linear part */
};
void kernel_packet_set(struct kernel_packet *packet, const uint8_t *bytes, size_t size, size_t linear);
void kernel_packet_free(struct kernel_packet *packet);
uint8_t *kernel_packet_data(const struct kernel_packet *packet);
/* As the helpers of the same names; all but the first two end the life of pointers to the linear part. A failed load
 * leaves zeros. */
long kernel_packet_load(const struct kernel_packet *packet, size_t offset, void *to, size_t length);
uint32_t kernel_csum_diff(const void *bytes, size_t size, uint32_t sum);
long kernel_packet_pull(struct kernel_packet *packet, size_t length);
long kernel_packet_store(struct kernel_packet *packet, size_t offset, const void *from, size_t length);
long kernel_packet_change_tail(struct kernel_packet *packet, size_t length);
long kernel_packet_shrink(struct kernel_packet *packet, size_t length); /* behind the frame's header */

#endif
