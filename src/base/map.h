/* SPDX-License-Identifier: GPL-2.0-only */
/* A hash map from byte strings to pointers or integers. Keys are copied; values belong to the caller.
 * Iteration order is insertion order as long as nothing was removed. Hash: SipHash-free FNV-1a with a random seed a
 * map. */
#ifndef BULKHEAD_BASE_MAP_H
#define BULKHEAD_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map; /* opaque */

struct map *map_new(void);					 /* NULL when memory is short */
void map_free(struct map *map, void (*free_value)(void *value)); /* both may be NULL */
size_t map_count(const struct map *map);

/* `value` must not be NULL for the pointer forms. map_set replaces; *ret_old (may be NULL) gets the old value or NULL.
 * 0 or -ENOMEM, unchanged then. */
int map_set(struct map *map, const void *key, size_t key_size, void *value, void **ret_old);
void *map_get(const struct map *map, const void *key, size_t key_size);
void *map_remove(struct map *map, const void *key, size_t key_size); /* the removed value or NULL */

static inline int map_set_text(struct map *map, const char *key, void *value, void **ret_old);
static inline void *map_get_text(const struct map *map, const char *key);

/* for (size_t i = 0; map_next(map, &i, &key, &key_size, &value);) — adding or removing during it is not allowed, except
 * removing the item just returned. Any ret_ pointer may be NULL. */
bool map_next(const struct map *map, size_t *cursor, const void **ret_key, size_t *ret_key_size, void **ret_value);

#include <string.h>
static inline int map_set_text(struct map *map, const char *key, void *value, void **ret_old)
{
	return map_set(map, key, strlen(key), value, ret_old);
}
static inline void *map_get_text(const struct map *map, const char *key)
{
	return map_get(map, key, strlen(key));
}

#endif
