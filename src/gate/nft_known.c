/* SPDX-License-Identifier: GPL-2.0-only */
/* What tables that judge alone tell the next daemon: the generation in force, and the numbers of identities that
 * packets and flows may carry. (Beside the tc gate, the pinned maps tell it.) */
#include <errno.h>
#include <string.h>

#include "gate/nft_private.h"

#define KEY_GENERATION 0u /* no stamp is 0 */

static void known_add(struct nft_ruleset *ruleset, struct nft_set *map, uint32_t key, uint32_t generation)
{
	struct nft_element element = {.data = generation};

	memcpy(element.key, &key, sizeof(key));
	nft_element_add(ruleset, map, &element);
}

void nft_known_render(struct nft_ruleset *ruleset, const struct nft_settings *settings, const struct table *table)
{
	struct nft_set description = {
		.name = (char *)NFT_MAP_KNOWN,
		.kind = NFT_SET_MARKS,
		.key_type = NFT_TYPE_MARK,
		.key_size = sizeof(uint32_t),
		.host_order = true,
		.comment =
			"stamps that flows may carry, with the generation, for the next daemon; no packet looks here"};
	struct nft_set *map = nft_set_add(ruleset, NFT_TABLE_INET, &description);

	known_add(ruleset, map, KEY_GENERATION, table->generation);
	for (uint32_t number = BH_IDENTITY_FIRST; number < BH_IDENTITY_MAX && number < table->class_count; number++) {
		if (table->class_info[number].flags)
			known_add(ruleset, map, number << settings->shift, table->generation);
	}
}

static int known_read(struct nft_link *link, struct nft_pairs *ret_pairs)
{
	int rc = nft_set_read(link, NFT_TABLE_INET, NFT_MAP_KNOWN, ret_pairs);

	return rc == -ENOENT ? 0 : rc;
}

static uint32_t generation_in(const struct nft_pairs *pairs)
{
	for (size_t i = 0; i < pairs->count; i++) {
		if (pairs->items[i].key == KEY_GENERATION)
			return pairs->items[i].data;
	}
	return 0;
}

int nft_known_generation(struct nft_link *link, uint32_t *ret_generation)
{
	struct nft_pairs pairs = {0};
	int rc = known_read(link, &pairs);

	if (rc == 0)
		*ret_generation = generation_in(&pairs);
	array_free(&pairs);
	return rc;
}

bool nft_gate_alone_is_there(void)
{
	uint32_t generation = 0;
	struct nft_link link;

	if (nft_link_open(&link, NULL) < 0)
		return false;
	nft_known_generation(&link, &generation);
	nft_link_close(&link);
	return generation != 0;
}

uint32_t nft_gate_generation(const struct nft_gate *nft)
{
	return nft->generation;
}

int nft_gate_identities(struct nft_gate *nft, void (*fn)(void *arg, uint32_t number), void *arg)
{
	struct nft_pairs pairs = {0};
	int rc = known_read(&nft->link, &pairs);

	for (size_t i = 0; rc == 0 && i < pairs.count; i++) {
		if (pairs.items[i].key != KEY_GENERATION)
			fn(arg, pairs.items[i].key >> nft->settings.shift);
	}
	array_free(&pairs);
	return rc;
}
