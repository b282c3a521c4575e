/* SPDX-License-Identifier: GPL-2.0-only */
/* What one end of a flow is to the policy, and which ends of rules it matches: the naive reading of 'Ends' in
 * docs/policy.md. Linear scans, no classes, no tries. Private to naive.c and to those that explain. */
#ifndef BULKHEAD_POLICY_STANDING_H
#define BULKHEAD_POLICY_STANDING_H

#include "policy/verdict.h"

enum standing_kind {
	STANDING_PORT,	     /* a policed port */
	STANDING_AMBIGUOUS,  /* an address that ports on several bridges have, seen from elsewhere */
	STANDING_HOST,	     /* the host itself, or one of its addresses */
	STANDING_SUBNET,     /* an address in a zone's subnets */
	STANDING_UNASSIGNED, /* an unknown address in a managed bridge's subnet */
	STANDING_BROADCAST,  /* the last IPv4 address of a managed bridge's subnet */
	STANDING_METADATA,   /* a cloud's credential service */
	STANDING_OUTSIDE,    /* everything else */
	STANDING_KIND_MAX
};
struct standing {
	enum standing_kind kind;
	uint32_t port;		      /* PORT: index in world.ports; UINT32_MAX otherwise */
	struct membership membership; /* PORT */
	uint32_t zone;		      /* PORT in one zone, SUBNET: index; UINT32_MAX otherwise */
	struct addr addr;	      /* the address as judged (NAT64 taken off); ADDR_NONE: PORT, HOST without one */
};

/* 0, -ENOMEM, -EINVAL (an index out of range; ret_standing untouched). The caller frees. */
int standing_find(const struct policy *policy, const struct world *world, const struct party *party,
		  struct standing *ret_standing);
void standing_free(struct standing *standing);

/* Is it in no zone, but would have one: a port that nothing selects, or an unknown address of a managed bridge? */
bool standing_is_unassigned(const struct standing *standing);
bool standing_is_conflicted(const struct standing *standing);

/* Does this end of a rule match? `deny`: of a deny rule; `any` and networks reach further there. */
bool standing_matches(const struct standing *standing, const struct policy *policy, const struct end *end, bool deny);
/* The same for a network that may be none of the policy's (a prefix that someone asks about). */
bool standing_in_network(const struct standing *standing, const struct network *network, bool deny);
/* Is it in this group (index in policy.groups)? The subnets of a zone without `groups` are in its one group. */
bool standing_in_group(const struct standing *standing, const struct policy *policy, uint32_t group);

/* Address spaces, as the page lists them. */
enum space { SPACE_SPECIAL, SPACE_PRIVATE, SPACE_DOCUMENTATION, SPACE_GLOBAL_V6, SPACE_MULTICAST, SPACE_MAX };
const struct prefix *space_prefixes(enum space space, size_t *ret_count);
bool space_holds(enum space space, const struct addr *addr);
/* Every address of the prefix is in the space (by several of its prefixes together, too). */
bool space_covers(enum space space, const struct prefix *prefix);
/* 127.0.0.0/8, ::1: special-use whoever has it. */
bool addr_is_loopback(const struct addr *addr);
/* *addr is an IPv4 address inside one of the NAT64 prefixes: *ret_v4 gets it. */
bool addr_from_nat64(const struct policy *policy, const struct addr *addr, struct addr *ret_v4);
bool addr_is_metadata(const struct policy *policy, const struct addr *addr);
#endif
