/* SPDX-License-Identifier: GPL-2.0-only */
/* Whom ports may hear as neighbours: what is asked of all, or announced to all, comes only to a port that may have
 * something to say to the sender, or the sender to it. As tc-bpf/classify.h: policy_reaches. */
#include <stdlib.h>
#include <string.h>

#include "gate/nft_guard.h"

struct pairs {
	const struct table *table;
	uint32_t *identities; /* that ports have; count of them */
	size_t count;
	bool *speaks; /* [one * count + other] */
};

static void pairs_free(struct pairs *pairs)
{
	free(pairs->identities);
	free(pairs->speaks);
}

static size_t identity_index(const struct pairs *pairs, uint32_t identity)
{
	size_t i = 0;

	while (i < pairs->count && pairs->identities[i] != identity)
		i++;
	return i;
}

/* What is audited passes, so its addresses must be found. */
static bool is_audited(const struct table *table, uint32_t one, uint32_t other)
{
	uint32_t a = table->class_info[one].flags, b = table->class_info[other].flags;
	uint32_t mask = BH_CLASS_ZONE | BH_CLASS_AUDIT;

	return (a | b) & BH_CLASS_AUDIT && (a & mask) != BH_CLASS_ZONE && (b & mask) != BH_CLASS_ZONE;
}

static bool is_heard(const struct table *table, uint32_t one, uint32_t other)
{
	if (one == BH_CLASS_CONFLICTED || other == BH_CLASS_CONFLICTED)
		return false;
	return table_cell(table, BH_CELL_KEY(one, other, BH_SERVICE_REACH)) ||
	       table_cell(table, BH_CELL_KEY(other, one, BH_SERVICE_REACH)) || is_audited(table, one, other);
}

/* False: memory is short. */
static bool pairs_collect(struct pairs *pairs, const struct nft_door *door)
{
	pairs->table = door->table;
	pairs->identities = calloc(door->port_count + 1, sizeof(*pairs->identities));
	if (!pairs->identities)
		return false;
	for (size_t i = 0; pairs->table && i < door->port_count; i++) {
		uint32_t identity = door->ports[i].identity;

		if (identity >= BH_CLASS_UNASSIGNED && identity < pairs->table->class_count &&
		    identity_index(pairs, identity) == pairs->count)
			pairs->identities[pairs->count++] = identity;
	}
	pairs->speaks = calloc(pairs->count * pairs->count + 1, sizeof(*pairs->speaks));
	if (!pairs->speaks)
		return false;
	for (size_t i = 0; i < pairs->count; i++)
		for (size_t j = 0; j < pairs->count; j++)
			pairs->speaks[i * pairs->count + j] =
				is_heard(pairs->table, pairs->identities[i], pairs->identities[j]);
	return true;
}

static void set_add(struct nft_guard *guard, const struct pairs *pairs)
{
	struct nft_set description = {.name = (char *)NFT_GUARD_SPEAKS,
				      .key_type = NFT_TYPE_CONCAT(NFT_TYPE_IFINDEX, NFT_TYPE_MARK),
				      .key_size = 2 * sizeof(uint32_t),
				      .comment = "ports, and who may ask for them, or may be asked for"};
	struct nft_set *set = nft_set_add(guard->ruleset, guard->table, &description);

	for (size_t i = 0; i < guard->door->port_count; i++) {
		const struct gate_port *port = &guard->door->ports[i];
		size_t receiver = identity_index(pairs, port->identity);

		for (size_t j = 0; receiver < pairs->count && j < pairs->count; j++) {
			uint32_t stamp = pairs->identities[j] << guard->settings->shift;
			struct nft_element element = {0};

			if (!pairs->speaks[receiver * pairs->count + j])
				continue;
			memcpy(element.key, &port->ifindex, sizeof(port->ifindex));
			memcpy(element.key + sizeof(port->ifindex), &stamp, sizeof(stamp));
			nft_element_add(guard->ruleset, set, &element);
		}
	}
}

void nft_guard_pairs_add(struct nft_guard *guard)
{
	struct pairs pairs = {0};

	if (pairs_collect(&pairs, guard->door))
		set_add(guard, &pairs);
	else
		guard->ruleset->failed = true;
	pairs_free(&pairs);
}

void nft_guard_unless_pair(struct nft_guard *guard, int chain)
{
	nft_guard_rule(guard, chain);
	nft_guard_stamp_is(guard, NFT_CMP_GTE, BH_CLASS_UNASSIGNED);
	nft_rule_load_link(&guard->writer, true);
	nft_rule_load_stamp_at(&guard->writer, guard->settings->mask, 1);
	nft_rule_in(&guard->writer, true, NFT_GUARD_SPEAKS);
	nft_guard_silent(guard);
}
