/* SPDX-License-Identifier: GPL-2.0-only */
/* The registry as the compiler uses it: which numbers the table that is being made has taken. Private to table/. */
#ifndef BULKHEAD_TABLE_REGISTRY_PRIVATE_H
#define BULKHEAD_TABLE_REGISTRY_PRIVATE_H

#include "table/registry.h"

/* Identity numbers that fit in a stamp. More than BH_IDENTITIES_IN_USE_MAX, so that the rest can rest. */
#define REGISTRY_IDENTITY_NUMBERS (BH_IDENTITY_MAX - BH_IDENTITY_FIRST)
#define REGISTRY_FORMAT_VERSION	  1

/* A new table is begun at `now_s`: what the table before had in use, it had until now. Numbers given from here to
 * registry_settle() or registry_abandon() are those of the new table. */
void registry_begin(struct registry *registry, int64_t now_s);
/* The table is made: what only the one before had rests from registry_begin() on. */
void registry_settle(struct registry *registry);
/* It could not be made: what was in use before still is, and numbers that were new are new again next time. */
void registry_abandon(struct registry *registry);

/* Calls `fn` for every identity that has a number and is not of the newest table, ascending. */
void registry_each_retired(const struct registry *registry, void (*fn)(void *arg, uint32_t number), void *arg);

#endif
