/* SPDX-License-Identifier: GPL-2.0-only */
/* Sets of subnets, and the zones that are believed only on some interfaces (`via`). */
#ifndef BULKHEAD_GATE_NFT_SUBNET_H
#define BULKHEAD_GATE_NFT_SUBNET_H

#include "gate/nft_render.h"

/* A set of the prefixes of one family (NFPROTO_IPV4, NFPROTO_IPV6), overlapping ones merged. `comment` is static. */
void nft_subnet_set_add(struct nft_ruleset *ruleset, enum nft_table_index table, const char *name, uint8_t nfproto,
			const char *comment, const struct prefix *prefixes, size_t count);

/* Rules that drop what claims to be from the zone's subnets but enters elsewhere, with their sets. In the bridge's
 * table an interface is a bridge's port, in inet it may be the bridge: a port in `via` stands for its bridge there, a
 * bridge in `via` for its ports here, as they are enslaved now. */
void nft_via_render(struct nft_ruleset *ruleset, const struct nft_settings *settings, enum nft_table_index table,
		    int chain, const struct gate_via *via, const struct nft_links *links, const char *counter);

/* `text` with what an nft identifier can't have replaced by '_', cut to `size`. */
const char *nft_identifier(char *buffer, size_t size, const char *prefix, const char *text);

#endif
