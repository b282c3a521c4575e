/* SPDX-License-Identifier: GPL-2.0-only */
/* Numbers that must keep their meaning: identities (they ride in packets and flows) and decisions (counters and events
 * name them). The registry outlives policies, and is saved so that it outlives the daemon. */
#ifndef BULKHEAD_TABLE_REGISTRY_H
#define BULKHEAD_TABLE_REGISTRY_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "tc-bpf/abi.h"

struct registry; /* opaque */

/* How long (generations and seconds) a number rests after its last use before another meaning may have it. */
#define REGISTRY_REST_SECONDS 3600

int registry_new(struct registry **ret_registry);
void registry_free(struct registry *registry);

/* The identity number of a canonical name ("shop/db+front": zone, '/', its groups by name, sorted, joined by '+'; a
 * zone without groups: the zone). Given on first use, marked used at `now_s` (monotonic-ish seconds since the epoch).
 * -ENOSPC: BH_IDENTITIES_IN_USE_MAX are in use, or none has rested long enough. */
int registry_identity(struct registry *registry, const char *name, int64_t now_s, uint32_t *ret_number);
/* A number that packets or flows may still carry, with a meaning that nobody knows any more: it gets no other one
 * before it has rested from `now_s` on. A number that has a name keeps it. 0 or -ENOMEM; -EINVAL: it is no identity's.
 */
int registry_reserve(struct registry *registry, uint32_t number, int64_t now_s);
/* The name a number has now or had last; NULL when never used. */
const char *registry_identity_name(const struct registry *registry, uint32_t number);
/* The decision number of a stable key (1..BH_DECISIONS_MAX-1); *ret_new: its counter must be zeroed before use.
 * When no number has rested long enough, one that neither this table nor the one before uses is given. */
int registry_decision(struct registry *registry, const char *key, int64_t now_s, uint32_t *ret_number, bool *ret_new);

/* All that is kept, and back; a registry file that does not parse is an error and never half-believed. */
json_t *registry_save(const struct registry *registry);
int registry_load(const json_t *json, struct registry **ret_registry, struct error *error);

#endif
