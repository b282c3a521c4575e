/* SPDX-License-Identifier: GPL-2.0-only */
/* Who is there: containers, their ports, the host. From a world file, or made by the daemon from what it watches. */
#ifndef BULKHEAD_POLICY_WORLD_H
#define BULKHEAD_POLICY_WORLD_H

#include "base/addr.h"
#include "base/error.h"
#include "policy/model.h"

struct label {
	char *key, *value;
};
struct container {
	char *name, *runtime, *image, *namespace, *cgroup, *id; /* NULL: it has none */
	struct {
		ARRAY_OF(struct label);
	} labels;
};
struct world_port {
	uint32_t container; /* index; WORLD_NOBODY: no owner known (matched by its interface and network alone) */
	struct {
		ARRAY_OF(uint32_t); /* containers that share the namespace of `container`: owners like that one */
	} others;
	char *interface, *network; /* host-side name; the runtime's network (NULL: none) */
	char *bridge;		   /* the bridge it is enslaved to (NULL: none); `network` matches it too */
	uint32_t ifindex;	   /* 0 in a world file */
	uint32_t domain; /* L2 domain: the bridge's ifindex; in a world file a number per network, from 1; 0: none */
	bool unpoliced;	 /* ignored or not managed: judged as an address only */
	struct mac mac;
	struct addrs addresses;
};
#define WORLD_NOBODY UINT32_MAX
struct world_bridge {
	char *name;
	uint32_t domain;
	struct prefixes subnets;
};
struct world {
	struct {
		ARRAY_OF(struct container);
	} containers;
	struct {
		ARRAY_OF(struct world_port);
	} ports;
	struct {
		ARRAY_OF(struct world_bridge);
	} bridges; /* managed bridges */
	struct addrs host_addresses;
};

void world_free(struct world *world); /* what it holds, not the struct itself; zeroes it */

/* A world file (docs/policy.md, 'Trying a policy'). Findings as for a policy; `sources` gets the
 * file. Ports whose interface the policy ignores or does not manage are marked by world_mark_unpoliced(). */
#define WORLD_CONTAINERS_MAX 100000u
/* Containers that share one's namespace; a pod has a few. */
#define WORLD_SHARES_MAX 64u
int world_load(const char *path, struct world *ret_world, struct sources *sources, struct diagnostics *diagnostics,
	       struct error *error);
/* The same for a world file in memory; `name` is shown as its path. */
int world_load_text(const char *name, const char *text, size_t size, struct world *ret_world, struct sources *sources,
		    struct diagnostics *diagnostics, struct error *error);
void world_mark_unpoliced(struct world *world, const struct settings *settings);
/* managed/ignore globs on a host-side name: true when the port is to be policed. */
bool settings_manages(const struct settings *settings, const char *interface);

/* Owner number `index` of the port, from 0: first `container`, then the others. NULL: it has no more. */
const struct container *world_port_owner(const struct world *world, const struct world_port *port, size_t index);

/* Does this port match the member mapping, by one of its owners? (docs/policy.md, 'Members') */
bool member_matches(const struct member *member, const struct world *world, const struct world_port *port);

/* What a port is to the policy. */
enum membership_state { MEMBERSHIP_UNASSIGNED, MEMBERSHIP_ZONE, MEMBERSHIP_CONFLICTED };
struct membership {
	enum membership_state state;
	uint32_t zone;			 /* of MEMBERSHIP_ZONE; the first of the two zones when CONFLICTED */
	uint32_t other_zone;		 /* CONFLICTED: the second */
	struct place place, other_place; /* the members that matched (CONFLICTED: of both) */
	struct {
		ARRAY_OF(uint32_t);
	} groups; /* indices in policy.groups, ascending; the caller frees by membership_free */
};
int membership_find(const struct policy *policy, const struct world *world, const struct world_port *port,
		    struct membership *ret_membership);
void membership_free(struct membership *membership);

#endif
