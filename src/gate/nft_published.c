/* SPDX-License-Identifier: GPL-2.0-only */
/* Published ports that come to the host itself: a process of the host relays them (docker-proxy), or holds them for
 * nobody. It is the container behind that is asked, not the host, on just the addresses that the port is published on:
 * elsewhere the same port is the host's own. */
#include <stdlib.h>
#include <string.h>

#include "gate/nft_host.h"

static int published_order(const void *a, const void *b)
{
	const struct gate_published *x = *(const struct gate_published *const *)a;
	const struct gate_published *y = *(const struct gate_published *const *)b;

	if (x->protocol != y->protocol)
		return (int)x->protocol - (int)y->protocol;
	if (x->port != y->port)
		return (int)x->port - (int)y->port;
	return prefix_compare(&x->at, &y->at);
}

void nft_published_collect(struct nft_host *host)
{
	for (size_t i = 0; i < host->desired->published_count; i++) {
		const struct gate_published *published = &host->desired->published[i];
		const struct gate_published **slot;

		if (!published->port)
			continue;
		slot = array_append(&host->published);
		if (!slot) {
			host->ruleset->failed = true;
			return;
		}
		*slot = published;
	}
	if (host->published.count > 1)
		qsort(host->published.items, host->published.count, sizeof(*host->published.items), published_order);
}

static bool cell_refuses(const struct bh_cell *cell)
{
	return cell->deny_until || (!cell->allow_until && !(cell->flags & (BH_CELL_BASE_ALLOW | BH_CELL_AUDIT)));
}

/* What the sender in hand may send to the container behind; one that is not known refuses. */
static struct bh_cell published_cell(const struct nft_host *host, const struct gate_published *published)
{
	struct service_point service = {published->protocol, published->container_port};

	if (published->identity == BH_CLASS_NONE)
		return (struct bh_cell){.base_reason = BH_DENY_DEFAULT, .flags = BH_CELL_BASE_LOG};
	return nft_host_cell(host->table, host->identity->number, published->identity,
			     table_service(host->table, &service));
}

/* What becomes of packets to the i-th: of several containers that may be behind it, one that refuses decides. */
static struct bh_cell published_choose(const struct nft_host *host, size_t i)
{
	const struct gate_published *first = host->published.items[i];
	struct bh_cell chosen = published_cell(host, first);

	while (i > 0 && host->published.items[i - 1]->protocol == first->protocol &&
	       host->published.items[i - 1]->port == first->port)
		i--;
	for (; i < host->published.count && !cell_refuses(&chosen); i++) {
		const struct gate_published *published = host->published.items[i];

		if (published->protocol != first->protocol || published->port != first->port)
			break;
		if (published->at.addr.family == first->at.addr.family && prefix_covers(&published->at, &first->at)) {
			struct bh_cell cell = published_cell(host, published);

			if (cell_refuses(&cell))
				chosen = cell;
		}
	}
	return chosen;
}

enum published_map { PUBLISHED_ANYWHERE, PUBLISHED_4, PUBLISHED_6, PUBLISHED_MAPS };
static const struct {
	const char *suffix;
	uint32_t key_type;
	uint8_t first_size; /* of the key's first field */
	const char *comment;
} published_maps[PUBLISHED_MAPS] = {
	[PUBLISHED_ANYWHERE] = {"/published",
				NFT_TYPE_CONCAT(NFT_TYPE_CONCAT(NFT_TYPE_NFPROTO, NFT_TYPE_INET_PROTOCOL),
						NFT_TYPE_INET_SERVICE),
				4, "relayed by the host: judged as the container behind"},
	[PUBLISHED_4] = {"/published_4",
			 NFT_TYPE_CONCAT(NFT_TYPE_CONCAT(NFT_TYPE_IPADDR, NFT_TYPE_INET_PROTOCOL),
					 NFT_TYPE_INET_SERVICE),
			 4, NULL},
	[PUBLISHED_6] = {"/published_6",
			 NFT_TYPE_CONCAT(NFT_TYPE_CONCAT(NFT_TYPE_IP6ADDR, NFT_TYPE_INET_PROTOCOL),
					 NFT_TYPE_INET_SERVICE),
			 16, NULL},
};

static enum published_map published_map_of(const struct gate_published *published)
{
	if (published->at.length == 0)
		return PUBLISHED_ANYWHERE;
	return published->at.addr.family == ADDR_V4 ? PUBLISHED_4 : PUBLISHED_6;
}

static struct nft_set *published_map_add(struct nft_host *host, enum published_map which, const char *sender)
{
	char name[NFT_HOST_NAME_MAX + 32];
	struct nft_set description = {.name = name,
				      .kind = NFT_SET_VERDICTS,
				      .key_type = published_maps[which].key_type,
				      .key_size = (uint8_t)(published_maps[which].first_size + 8),
				      .comment = published_maps[which].comment};

	snprintf(name, sizeof(name), "%s%s", sender, published_maps[which].suffix);
	return nft_set_add(host->ruleset, NFT_TABLE_INET, &description);
}

static void published_element_add(struct nft_host *host, struct nft_set *map, enum published_map which,
				  const struct gate_published *published, const char *outcome)
{
	struct nft_element element = {.chain = outcome};
	uint8_t *key = element.key;

	if (which == PUBLISHED_ANYWHERE)
		key[0] = published->at.addr.family == ADDR_V4 ? NFPROTO_IPV4 : NFPROTO_IPV6;
	else
		memcpy(key, published->at.addr.bytes, published_maps[which].first_size);
	key += published_maps[which].first_size;
	key[0] = published->protocol;
	key[4] = (uint8_t)(published->port >> 8);
	key[5] = (uint8_t)published->port;
	nft_element_add(host->ruleset, map, &element);
}

static void published_rule_add(struct nft_host *host, int chain, bool answers, enum published_map which,
			       const char *map)
{
	struct nft_rule_writer writer;
	uint8_t family = which == PUBLISHED_4 ? NFPROTO_IPV4 : NFPROTO_IPV6;

	nft_rule_begin(&writer, host->ruleset, NFT_TABLE_INET, chain);
	if (which == PUBLISHED_ANYWHERE) {
		nft_rule_map_family_ports(&writer, map, answers);
	} else {
		nft_rule_family(&writer, family);
		nft_rule_map_address_ports(&writer, family, map, answers);
	}
	nft_rule_end(&writer, NULL, NULL);
}

void nft_published_render(struct nft_host *host, int chain, int answers, const char *sender)
{
	struct nft_set *maps[PUBLISHED_MAPS] = {0};

	for (size_t i = 0; i < host->published.count; i++) {
		const struct gate_published *published = host->published.items[i];
		enum published_map which = published_map_of(published);
		struct bh_cell cell;

		if (i > 0 && published_order(&host->published.items[i - 1], &host->published.items[i]) == 0)
			continue;
		cell = published_choose(host, i);
		nft_errors_note(host, &cell);
		if (!maps[which])
			maps[which] = published_map_add(host, which, sender);
		published_element_add(host, maps[which], which, published, nft_outcome_name(host, &cell));
	}
	for (int which = PUBLISHED_MAPS - 1; which >= 0; which--) {
		if (!maps[which])
			continue;
		published_rule_add(host, chain, false, (enum published_map)which, maps[which]->name);
		if (answers >= 0)
			published_rule_add(host, answers, true, (enum published_map)which, maps[which]->name);
	}
}
