/* SPDX-License-Identifier: GPL-2.0-only */
/* What the kernel says of a namespace's links, addresses and routes: plain facts, read anew each time. */
#ifndef BULKHEAD_PORT_LINK_H
#define BULKHEAD_PORT_LINK_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/array.h"
#include "base/error.h"

/* A namespace that is not ours may hold as many as its owner likes; more than this many are not read. */
#define LINK_FOREIGN_MAX 4096u

enum link_kind { LINK_OTHER, LINK_VETH, LINK_BRIDGE, LINK_MACVLAN, LINK_IPVLAN, LINK_KIND_MAX };

struct link {
	uint32_t ifindex;
	char name[IFNAMSIZ]; /* any bytes but '/', ':' and blanks: escape it where people read it */
	enum link_kind kind;
	bool up;      /* set up by its administrator */
	bool carrier; /* IFF_LOWER_UP */
	bool loopback;
	uint32_t master; /* ifindex; 0: none */
	uint32_t below;	 /* IFLA_LINK: of a veth the other end's ifindex, in that end's namespace */
	bool elsewhere;	 /* `below` is in another namespace: `nsid` */
	int32_t nsid;	 /* -1: that namespace has no number here */
	bool has_mac;
	struct mac mac;
};
struct links {
	ARRAY_OF(struct link); /* by ifindex, ascending */
};

struct link_addr {
	uint32_t ifindex;
	struct addr addr;
	uint8_t length;
	bool tentative; /* duplicate address detection is not finished, or has failed */
};
struct link_addrs {
	ARRAY_OF(struct link_addr);
};

struct link_route { /* of the main table, unicast */
	uint32_t ifindex;
	struct prefix prefix;
	bool has_gateway;
};
struct link_routes {
	ARRAY_OF(struct link_route);
};

/* Dumps by a request socket (netlink_open) of the namespace that is meant; `max` 0: no bound, else -E2BIG above it.
 * -EAGAIN: inconsistent, do it again. The output is untouched on failure. */
int link_dump(int fd, size_t max, struct links *ret_links, struct error *error);
int link_dump_addrs(int fd, uint32_t ifindex, size_t max, struct link_addrs *ret_addrs, struct error *error);
int link_dump_routes(int fd, struct link_routes *ret_routes, struct error *error);
/* One link. -ENODEV: there is none. */
int link_get(int fd, uint32_t ifindex, struct link *ret_link, struct error *error);

const struct link *link_find(const struct links *links, uint32_t ifindex); /* NULL: none */

#endif
