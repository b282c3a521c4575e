/* SPDX-License-Identifier: GPL-2.0-only */
/* Whom ports may hear as neighbours: what is asked of all, or announced to all, comes only to a port that may have
 * something to say to the sender, or the sender to it. As tc-bpf/classify.h: policy_reaches.
 *
 * A port's interface leads to the chain of its identity, and that asks for the sender's stamp. Identities that hear the
 * same share a chain. Who hears whom is worked out once for a table: ports come and go more often. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gate/nft_guard.h"
#include "gate/nft_judge.h"

#define NAME_MAX_HERE (NFT_CLASS_NAME_MAX + 64)

struct nft_hearing {
	uint32_t *identities; /* count of them */
	uint32_t *index;      /* by class: in identities, + 1; of BH_IDENTITY_MAX */
	uint32_t *same;	      /* by index: the first that hears the same */
	uint8_t *heard;	      /* [one * count + other] */
	size_t count;
};

void nft_hearing_free(struct nft_hearing *hearing)
{
	if (!hearing)
		return;
	free(hearing->identities);
	free(hearing->index);
	free(hearing->same);
	free(hearing->heard);
	free(hearing);
}

/* What is audited passes, so its addresses must be found. */
static bool is_audited(const struct table *table, uint32_t one, uint32_t other)
{
	uint32_t a = table->class_info[one].flags, b = table->class_info[other].flags;
	uint32_t mask = BH_CLASS_ZONE | BH_CLASS_AUDIT;

	return (a | b) & BH_CLASS_AUDIT && (a & mask) != BH_CLASS_ZONE && (b & mask) != BH_CLASS_ZONE;
}

static bool hearing_alloc(struct nft_hearing *hearing, const struct table *table)
{
	size_t count = table->identities.count;

	hearing->identities = calloc(count + 1, sizeof(*hearing->identities));
	hearing->index = calloc(BH_IDENTITY_MAX, sizeof(*hearing->index));
	hearing->same = calloc(count + 1, sizeof(*hearing->same));
	hearing->heard = calloc(count * count + 1, sizeof(*hearing->heard));
	if (!hearing->identities || !hearing->index || !hearing->same || !hearing->heard)
		return false;
	/* Who is conflicted hears nobody, and is not heard. */
	for (size_t i = 0; i < count; i++) {
		uint32_t identity = table->identities.items[i].number;

		if (identity == BH_CLASS_CONFLICTED || identity >= BH_IDENTITY_MAX)
			continue;
		hearing->identities[hearing->count++] = identity;
		hearing->index[identity] = (uint32_t)hearing->count;
	}
	return true;
}

static void heard_fill(struct nft_hearing *hearing, const struct table *table)
{
	size_t n = hearing->count;

	for (size_t i = 0; i < table->cells.count; i++) {
		uint64_t key = table->cells.items[i].key;
		uint32_t src = (uint32_t)(key >> 40), dst = (uint32_t)(key >> 16) & 0xffffff;
		size_t one, other;

		if ((key & 0xffff) != BH_SERVICE_REACH || src >= BH_IDENTITY_MAX || dst >= BH_IDENTITY_MAX ||
		    !hearing->index[src] || !hearing->index[dst])
			continue;
		one = hearing->index[src] - 1;
		other = hearing->index[dst] - 1;
		hearing->heard[one * n + other] = hearing->heard[other * n + one] = 1;
	}
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < n; j++)
			if (is_audited(table, hearing->identities[i], hearing->identities[j]))
				hearing->heard[i * n + j] = 1;
}

static bool same_find(struct nft_hearing *hearing)
{
	struct map *rows = map_new();
	bool whole = rows;

	for (size_t i = 0; whole && i < hearing->count; i++) {
		const uint8_t *row = &hearing->heard[i * hearing->count];
		uintptr_t known = (uintptr_t)map_get(rows, row, hearing->count);

		hearing->same[i] = (uint32_t)(known ? known - 1 : i);
		whole = known || map_set(rows, row, hearing->count, (void *)(uintptr_t)(i + 1), NULL) >= 0;
	}
	map_free(rows, NULL);
	return whole;
}

/* How many stamps the sets hold. */
static size_t heard_count(const struct nft_hearing *hearing)
{
	size_t count = 0;

	for (size_t i = 0; i < hearing->count; i++)
		for (size_t j = 0; hearing->same[i] == i && j < hearing->count; j++)
			count += hearing->heard[i * hearing->count + j];
	return count;
}

int nft_hearing_make(const struct table *table, struct nft_hearing **ret_hearing, struct error *error)
{
	struct nft_hearing *hearing = calloc(1, sizeof(*hearing));
	bool whole = hearing && hearing_alloc(hearing, table);

	if (whole) {
		heard_fill(hearing, table);
		whole = same_find(hearing);
	}
	if (whole && heard_count(hearing) <= NFT_HEARD_MAX) {
		*ret_hearing = hearing;
		return 0;
	}
	nft_hearing_free(hearing);
	if (!whole)
		return error_set(error, -ENOMEM, "nftables: memory is short");
	return error_set(error, -E2BIG,
			 "the policy lets too many zones with their groups reach one another, each other ones: "
			 "nftables alone takes at most %u such pairs",
			 NFT_HEARD_MAX);
}

/* ---- As rules ---- */

/* The chain for what comes to those that hear what number `index` hears. */
static int hears_render(struct nft_guard *guard, const struct nft_hearing *hearing, size_t index)
{
	const char *identity = guard->door->names->items[hearing->identities[index]].name;
	char chain_name[NAME_MAX_HERE], set_name[NAME_MAX_HERE + 8];
	struct nft_set description = {.name = set_name,
				      .key_type = NFT_TYPE_MARK,
				      .key_size = sizeof(uint32_t),
				      .host_order = true,
				      .comment = "who may ask for it, or may be asked for"};
	struct nft_set *set;
	int chain;

	snprintf(chain_name, sizeof(chain_name), NFT_GUARD_SPEAKS "_to/%s", identity ? identity : "nobody");
	snprintf(set_name, sizeof(set_name), "%s/heard", chain_name);
	set = nft_set_add(guard->ruleset, guard->table, &description);
	for (size_t j = 0; j < hearing->count; j++) {
		uint32_t stamp = hearing->identities[j] << guard->settings->shift;
		struct nft_element element = {0};

		if (!hearing->heard[index * hearing->count + j])
			continue;
		memcpy(element.key, &stamp, sizeof(stamp));
		nft_element_add(guard->ruleset, set, &element);
	}
	chain = nft_guard_chain(guard, chain_name);
	nft_guard_rule(guard, chain);
	nft_rule_stamp_in(&guard->writer, guard->settings->mask, true, set_name);
	nft_guard_silent(guard);
	return chain;
}

static struct nft_set *hearers_add(struct nft_guard *guard)
{
	struct nft_set description = {.name = (char *)NFT_GUARD_HEARERS,
				      .kind = NFT_SET_VERDICTS,
				      .by_world = true,
				      .key_type = NFT_TYPE_IFINDEX,
				      .key_size = sizeof(uint32_t),
				      .host_order = true,
				      .comment = "ports, and whom they may hear as neighbours"};

	return nft_set_add(guard->ruleset, guard->table, &description);
}

static void ports_add(struct nft_guard *guard, const struct nft_hearing *hearing, const int *chains,
		      struct nft_set *hearers)
{
	for (size_t i = 0; i < guard->door->port_count; i++) {
		const struct gate_port *port = &guard->door->ports[i];
		uint32_t index = port->identity < BH_IDENTITY_MAX ? hearing->index[port->identity] : 0;
		int chain = index ? chains[hearing->same[index - 1]] : -1;
		struct nft_element element = {0};

		if (chain < 0)
			continue;
		element.chain = guard->ruleset->tables[guard->table].chains.items[chain].name;
		memcpy(element.key, &port->ifindex, sizeof(port->ifindex));
		nft_element_add(guard->ruleset, hearers, &element);
	}
}

void nft_guard_pairs_add(struct nft_guard *guard)
{
	const struct nft_hearing *hearing = guard->door->hearing;
	struct nft_set *hearers = hearers_add(guard);
	int *chains = hearing ? calloc(hearing->count + 1, sizeof(*chains)) : NULL;
	int chain;

	if (hearing && !chains)
		guard->ruleset->failed = true;
	for (size_t i = 0; chains && i < hearing->count; i++)
		chains[i] = hearing->same[i] == i ? hears_render(guard, hearing, i) : -1;
	if (chains)
		ports_add(guard, hearing, chains, hearers);
	free(chains);
	chain = nft_guard_chain(guard, NFT_GUARD_SPEAKS);
	nft_guard_rule(guard, chain);
	nft_rule_map_interface(&guard->writer, true, NFT_GUARD_HEARERS);
	nft_rule_end(&guard->writer, NULL, NULL);
	nft_guard_rule(guard, chain);
	nft_guard_silent(guard);
}

void nft_guard_unless_pair(struct nft_guard *guard, int chain)
{
	nft_guard_rule(guard, chain);
	nft_guard_stamp_is(guard, NFT_CMP_GTE, BH_CLASS_UNASSIGNED);
	nft_rule_verdict(&guard->writer, NFT_JUMP, NFT_GUARD_SPEAKS);
	nft_rule_end(&guard->writer, NULL, NULL);
}
