/* SPDX-License-Identifier: GPL-2.0-only */
/* What a runtime says of one port: whose it is, and which addresses it was given. */
#ifndef BULKHEAD_PORT_EVIDENCE_H
#define BULKHEAD_PORT_EVIDENCE_H

#include <jansson.h>

#include "port.h"

#define REASON_MAX sizeof(((struct port *)0)->reason)
/* Published ports of one container that are kept; a container of 65,536 host ports is none that is to be policed. */
#define PUBLISHED_MAX 8192u

struct evidence {
	struct owner owner;
	bool has_owner;
	char *cni;	      /* how the owner is called towards CNI, where that is not its id; or NULL */
	struct owners others; /* who shares the owner's namespace; by id */
	bool has_mac;	      /* false: the MAC that the container's end has at adoption */
	struct mac mac;
	struct port_addrs addresses; /* by the runtime's word */
	struct port_addrs gateways;
	struct prefix subnets[2]; /* of the network, one a family */
	size_t subnet_count;
	struct {
		ARRAY_OF(struct published);
	} published;
	bool claim;	 /* the runtime knows no addresses: the first claim counts */
	bool unlabelled; /* nobody has said yet whether it has labels */
};

void evidence_free(struct evidence *evidence); /* what it holds; zeroes it */
void owner_free(struct owner *owner);
int owner_copy(const struct owner *from, struct owner *ret_owner);
void owners_free(struct owners *owners);
int owners_copy(const struct owners *from, struct owners *ret_owners);
/* A copy of one more container in the same namespace. 0; -E2BIG above PORT_OTHERS_MAX with `reason`: a
 * policy may ask for just the one that could not be kept; -ENOMEM. */
int evidence_share(struct evidence *evidence, const struct owner *owner, char reason[REASON_MAX]);

/* Untrusted text that is to be kept: a copy, or NULL with `reason` when it is longer than `max` bytes, is no UTF-8 or
 * memory is short. `what` names it for the reason. */
char *evidence_text(const char *text, size_t max, const char *what, char reason[REASON_MAX]);
/* The same into *to, which is NULL on failure: 0, -EINVAL with `reason`, -ENOMEM. */
int evidence_keep_text(const char *text, size_t max, const char *what, char **to, char reason[REASON_MAX]);
/* Labels from a JSON object of strings (NULL or JSON null: none). 0, -EINVAL or -E2BIG with `reason`, -ENOMEM. A label
 * that can not be kept makes the whole unusable: a policy may ask for it. Sorted by key. */
int evidence_labels(const json_t *labels, struct owner *owner, char reason[REASON_MAX]);
/* Adds an address unless it is there already or `addrs` is full (-ENOSPC). */
int port_addrs_add(struct port_addrs *addrs, const struct addr *addr);
bool port_addrs_hold(const struct port_addrs *addrs, const struct addr *addr);
int port_addrs_copy(const struct port_addrs *from, struct port_addrs *ret_addrs);

/* The text of a member of a JSON object; "" when it is missing or no string. */
const char *port_json_text(const json_t *object, const char *key);
/* Parses text of bounded size: no duplicate keys, no trailing garbage. NULL: malformed or out of memory. */
json_t *port_json_parse(const char *data, size_t size);

/* The interface identifier made of the MAC (RFC 4291, appendix A), behind fe80::/64. */
struct addr addr_link_local(const struct mac *mac);
bool addr_is_link_local(const struct addr *addr);
/* What no port may have: unspecified, loopback, multicast, broadcast, v4-mapped. */
bool addr_is_unusable(const struct addr *addr);

#endif
