/* SPDX-License-Identifier: GPL-2.0-only */
/* Random policies and worlds as text, and random questions about them, out of so few names, prefixes, services and
 * instants that they collide all the time. The same seed gives the same. */
#ifndef BULKHEAD_TESTS_RANDOM_POLICY_H
#define BULKHEAD_TESTS_RANDOM_POLICY_H

#include "policy/verdict.h"

struct random_state {
	uint64_t state;
};
void random_seed(struct random_state *random, uint64_t seed);
uint32_t random_below(struct random_state *random, uint32_t bound); /* 0..bound-1 */
bool random_chance(struct random_state *random, uint32_t percent);

/* Instants around which rules expire, in ns since the epoch: nothing has expired at RANDOM_NOW_FIRST. */
#define RANDOM_NOW_FIRST INT64_C(1780000000000000000)
int64_t random_now(struct random_state *random);
size_t random_expiries(const int64_t **ret_expiries); /* every instant at which a rule may expire */

/* YAML; the caller frees. They always load without errors. NULL when memory is short. */
char *random_policy_text(struct random_state *random);
char *random_world_text(struct random_state *random);

/* Both, loaded, unpoliced ports marked. 0 or -errno with what is wrong on standard error (a bug of the generator). */
struct random_case {
	uint64_t seed;
	char *policy_text, *world_text;
	struct policy *policy;
	struct world world;
	struct sources sources;
};
int random_case_new(uint64_t seed, struct random_case *ret_case, struct random_state *random);
void random_case_free(struct random_case *made);

void random_addr(struct random_state *random, const struct world *world, struct addr *ret_addr);
void random_party(struct random_state *random, const struct world *world, struct party *ret_party);
void random_service(struct random_state *random, struct service_point *ret_service);

#endif
