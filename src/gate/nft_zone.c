/* SPDX-License-Identifier: GPL-2.0-only */
#include "gate/nft_zone.h"

#include <errno.h>
#include <stdlib.h>

static int by_ifindex(const void *a, const void *b)
{
	const struct nft_zone *x = a, *y = b;

	return x->ifindex < y->ifindex ? -1 : x->ifindex > y->ifindex;
}

static void numbers_give(struct nft_zones *zones)
{
	bool taken[NFT_ZONES_MAX] = {0};

	for (size_t i = 0; i < zones->bridges.count; i++) {
		struct nft_zone *bridge = &zones->bridges.items[i];
		uint32_t number = bridge->ifindex % NFT_ZONES_MAX;

		while (taken[number])
			number = (number + 1) % NFT_ZONES_MAX;
		taken[number] = true;
		bridge->zone = (uint16_t)(number + 1);
	}
}

int nft_zones_make(struct nft_zones *zones, const struct gate_desired *desired)
{
	struct nft_zones made = {0};

	if (desired->bridge_count > NFT_ZONES_MAX)
		return -ENOSPC;
	for (size_t i = 0; i < desired->bridge_count; i++) {
		struct nft_zone *bridge = array_append(&made.bridges);

		if (!bridge) {
			nft_zones_free(&made);
			return -ENOMEM;
		}
		*bridge = (struct nft_zone){.ifindex = desired->bridges[i].ifindex};
	}
	if (made.bridges.count)
		qsort(made.bridges.items, made.bridges.count, sizeof(*made.bridges.items), by_ifindex);
	numbers_give(&made);
	nft_zones_free(zones);
	*zones = made;
	return 0;
}

uint16_t nft_zone_of(const struct nft_zones *zones, uint32_t ifindex)
{
	for (size_t i = 0; i < zones->bridges.count; i++)
		if (zones->bridges.items[i].ifindex == ifindex)
			return zones->bridges.items[i].zone;
	return 0;
}

uint32_t nft_zone_bridge(const struct nft_zones *zones, uint16_t zone)
{
	for (size_t i = 0; i < zones->bridges.count; i++)
		if (zones->bridges.items[i].zone == zone)
			return zones->bridges.items[i].ifindex;
	return 0;
}

void nft_zones_free(struct nft_zones *zones)
{
	array_free(&zones->bridges);
}
