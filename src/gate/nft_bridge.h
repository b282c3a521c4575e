/* SPDX-License-Identifier: GPL-2.0-only */
/* What the door needs of links, by rtnetlink: names and masters, and the settings of bridges and their ports that would
 * let a closed port be heard, or a newcomer be felt: learning from link-local groups, BPDUs, multicast routers, a
 * bridge's address that follows its ports. */
#ifndef BULKHEAD_GATE_NFT_BRIDGE_H
#define BULKHEAD_GATE_NFT_BRIDGE_H

#include <libmnl/libmnl.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/array.h"
#include "base/error.h"
#include "base/text.h"

struct nft_link_info {
	uint32_t ifindex, master;
	char name[IFNAMSIZ];
	bool bridge, veth;
	bool has_mac;
	struct mac mac;
	bool port;		 /* of a bridge; the next two are known */
	bool guard;		 /* BPDU guard */
	uint8_t router;		 /* multicast router: 0 never, 1 learnt, 2 always, 3 temporarily */
	bool no_linklocal_learn; /* of a bridge */
};
struct nft_links {
	ARRAY_OF(struct nft_link_info); /* by ifindex, ascending */
};

int nft_links_read(struct nft_links *ret_links, struct error *error);
/* The bridges, and those of `ifindexes` that there are: with hundreds of links, a dump of all is felt. */
int nft_links_read_some(const uint32_t *ifindexes, size_t count, struct nft_links *ret_links, struct error *error);
const struct nft_link_info *nft_link_find(const struct nft_links *links, uint32_t ifindex);
const struct nft_link_info *nft_link_named(const struct nft_links *links, const char *name);

/* What an interface's settings were before us, so that uninstall can put them back; kept in the kernel, in a map of the
 * bridge's table, as one number. */
struct nft_before {
	uint32_t ifindex;
	uint32_t settings;
};
#define NFT_BEFORE_LEARN  0x1u /* of a bridge: it learnt from link-local groups */
#define NFT_BEFORE_GUARD  0x2u /* of a port: BPDU guard was off */
#define NFT_BEFORE_ROUTER 0x4u /* of a port: multicast_router was what stands from NFT_BEFORE_SHIFT up */
/* Of a bridge: it was given the address that it had. Until then a bridge takes the lowest address of its ports, so
 * that a newcomer changes it: the containers' neighbour entries are wrong then, and so is the door, which knows the
 * host by it, until the daemon sees it. Nothing to put back: an address that was given stays. */
#define NFT_BEFORE_ADDRESS 0x8u
#define NFT_BEFORE_SHIFT   8u
struct nft_befores {
	ARRAY_OF(struct nft_before);
};

/* Makes the settings of this bridge or port safe, if they are not, and adds what they were to `befores` (once: what is
 * there stays). `router`: the port may be a multicast router. A link that is gone is no error. */
int nft_link_harden(const struct nft_link_info *link, bool router, struct nft_befores *befores, struct error *error);
/* Puts back. A link that is gone is no error. */
int nft_link_restore(const struct nft_before *before, struct error *error);

#endif
