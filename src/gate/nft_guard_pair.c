/* SPDX-License-Identifier: GPL-2.0-only */
/* Which ports may hear whom. What is sent to a group, or asked of all neighbours, has no one receiver that `inet` could
 * judge: at each port it comes to, the sender's stamp must be one that may have something to say to it. As
 * tc-bpf/classify.h: policy_reaches. */
#include <stdlib.h>
#include <string.h>

#include "gate/nft_guard.h"

struct pairs {
	const struct table *table;
	uint32_t *identities; /* that ports have; count of them */
	size_t count;
	bool *hears, *speaks; /* [receiver * count + sender]: may be sent something; or one of the two the other */
};

static void pairs_free(struct pairs *pairs)
{
	free(pairs->identities);
	free(pairs->hears);
	free(pairs->speaks);
}

static size_t identity_index(const struct pairs *pairs, uint32_t identity)
{
	size_t i = 0;

	while (i < pairs->count && pairs->identities[i] != identity)
		i++;
	return i;
}

/* What is audited passes, so it is heard. */
static bool is_audited(const struct table *table, uint32_t one, uint32_t other)
{
	uint32_t a = table->class_info[one].flags, b = table->class_info[other].flags;
	uint32_t mask = BH_CLASS_ZONE | BH_CLASS_AUDIT;

	return (a | b) & BH_CLASS_AUDIT && (a & mask) != BH_CLASS_ZONE && (b & mask) != BH_CLASS_ZONE;
}

static bool is_heard(const struct table *table, uint32_t sender, uint32_t receiver)
{
	if (sender == BH_CLASS_CONFLICTED || receiver == BH_CLASS_CONFLICTED)
		return false;
	return table_cell(table, BH_CELL_KEY(sender, receiver, BH_SERVICE_REACH)) ||
	       is_audited(table, sender, receiver);
}

static void pairs_judge(struct pairs *pairs)
{
	for (size_t i = 0; i < pairs->count; i++)
		for (size_t j = 0; j < pairs->count; j++)
			pairs->hears[i * pairs->count + j] =
				is_heard(pairs->table, pairs->identities[j], pairs->identities[i]);
	for (size_t i = 0; i < pairs->count; i++)
		for (size_t j = 0; j < pairs->count; j++)
			pairs->speaks[i * pairs->count + j] =
				pairs->hears[i * pairs->count + j] || pairs->hears[j * pairs->count + i];
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
	pairs->hears = calloc(pairs->count * pairs->count + 1, sizeof(*pairs->hears));
	pairs->speaks = calloc(pairs->count * pairs->count + 1, sizeof(*pairs->speaks));
	if (!pairs->hears || !pairs->speaks)
		return false;
	pairs_judge(pairs);
	return true;
}

static void set_add(struct nft_guard *guard, const struct pairs *pairs, const char *name, const bool *matrix,
		    const char *comment)
{
	struct nft_set description = {.name = (char *)name,
				      .key_type = NFT_TYPE_CONCAT(NFT_TYPE_IFINDEX, NFT_TYPE_MARK),
				      .key_size = 2 * sizeof(uint32_t),
				      .comment = comment};
	struct nft_set *set = nft_set_add(guard->ruleset, guard->table, &description);

	for (size_t i = 0; i < guard->door->port_count; i++) {
		const struct gate_port *port = &guard->door->ports[i];
		size_t receiver = identity_index(pairs, port->identity);

		for (size_t j = 0; receiver < pairs->count && j < pairs->count; j++) {
			uint32_t stamp = pairs->identities[j] << guard->settings->shift;
			struct nft_element element = {0};

			if (!matrix[receiver * pairs->count + j])
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

	if (!pairs_collect(&pairs, guard->door)) {
		guard->ruleset->failed = true;
	} else {
		set_add(guard, &pairs, NFT_GUARD_HEARS, pairs.hears, "ports, and whose group traffic may be for them");
		set_add(guard, &pairs, NFT_GUARD_SPEAKS, pairs.speaks,
			"ports, and who may ask for them, or may be asked for");
	}
	pairs_free(&pairs);
}

void nft_guard_unless_pair(struct nft_guard *guard, int chain, const char *set)
{
	nft_guard_rule(guard, chain);
	nft_guard_stamp_is(guard, NFT_CMP_GTE, BH_CLASS_UNASSIGNED);
	nft_rule_load_link(&guard->writer, true);
	nft_rule_load_stamp_at(&guard->writer, guard->settings->mask, 1);
	nft_rule_in(&guard->writer, true, set);
	nft_guard_silent(guard);
}
