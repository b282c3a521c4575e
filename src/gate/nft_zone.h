/* SPDX-License-Identifier: GPL-2.0-only */
/* Conntrack's zones, nft alone: one for each bridge, so that equal addresses on two share no flow. */
#ifndef BULKHEAD_GATE_NFT_ZONE_H
#define BULKHEAD_GATE_NFT_ZONE_H

#include "gate/gate.h"

#define NFT_ZONES_MAX UINT16_MAX /* 0 is nobody's: what no bridge has to do with */

struct nft_zones {
	struct {
		ARRAY_OF(struct nft_zone {
			uint32_t ifindex; /* the bridge's */
			uint16_t zone;
		});
	} bridges;
};

/* A zone's number is the bridge's, as far as 16 bits go, or the next that is free; those with lower numbers, which are
 * older, choose first: a newer one changes nobody's. -ENOMEM, -ENOSPC: there are more bridges than zones. */
int nft_zones_make(struct nft_zones *zones, const struct gate_desired *desired);
uint16_t nft_zone_of(const struct nft_zones *zones, uint32_t ifindex);
uint32_t nft_zone_bridge(const struct nft_zones *zones, uint16_t zone); /* its ifindex; 0: no bridge has it */
void nft_zones_free(struct nft_zones *zones);

#endif
