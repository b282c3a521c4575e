/* SPDX-License-Identifier: GPL-2.0-only */
/* Counters that outlive their rules, and the rules' rendering. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gate/nft_private.h"

static int carry_change(struct nft_carry *carry, uint32_t decision, uint64_t packets, uint64_t bytes)
{
	if (!array_append(&carry->changes))
		return -ENOMEM;
	carry->changes.items[carry->changes.count - 1].decision = decision;
	carry->changes.items[carry->changes.count - 1].add = (struct nft_tally){packets, bytes};
	return 0;
}

static bool is_fresh(const struct gate_desired *desired, uint32_t decision)
{
	const struct decision *found = table_decision(desired->table, decision);

	return found && found->fresh;
}

static int counter_carry(void *arg, const char *name, uint64_t packets, uint64_t bytes)
{
	struct nft_carry *carry = arg;
	struct nft_counter *next = (struct nft_counter *)nft_table_counter(&carry->next->tables[carry->table], name);
	uint32_t decision = carry->table == NFT_TABLE_INET ? nft_counter_decision(name) : 0;

	if (next && carry->rebuild) {
		next->packets = packets;
		next->bytes = bytes;
	} else if (!next && decision) {
		return carry_change(carry, decision, packets, bytes);
	}
	return 0;
}

static struct nft_tally *nft_tally_find(struct nft_gate *nft, uint32_t decision, bool make)
{
	struct nft_tally *tally = map_get(nft->tallies, &decision, sizeof(decision));

	if (!tally && make) {
		tally = calloc(1, sizeof(*tally));
		if (tally && map_set(nft->tallies, &decision, sizeof(decision), tally, NULL) < 0) {
			free(tally);
			tally = NULL;
		}
	}
	return tally;
}

/* A counter that comes back begins with what it had: so it is in the kernel, and outlives the daemon. */
static int counters_return(struct nft_carry *carry)
{
	const struct nft_table *applied = &carry->nft->applied.tables[carry->table];
	struct nft_table *next = &carry->next->tables[carry->table];

	for (size_t i = 0; carry->nft->known && i < next->counters.count; i++) {
		struct nft_counter *counter = &next->counters.items[i];
		uint32_t decision = nft_counter_decision(counter->name);
		const struct nft_tally *tally = decision ? nft_tally_find(carry->nft, decision, false) : NULL;

		if (!tally || nft_table_counter(applied, counter->name))
			continue;
		counter->packets = tally->packets;
		counter->bytes = tally->bytes;
		if (carry_change(carry, decision, 0 - tally->packets, 0 - tally->bytes) < 0)
			return -ENOMEM;
	}
	return 0;
}

int nft_counters_carry(struct nft_carry *carry)
{
	size_t start = carry->changes.count;
	int rc = -EINTR;

	for (int i = 0; i < NFT_DUMP_TRIES && rc == -EINTR; i++) {
		carry->changes.count = start;
		rc = nft_counters_read(&carry->nft->link, carry->table, counter_carry, carry);
	}
	if (rc == -ENOENT)
		rc = 0;
	return rc == 0 && carry->table == NFT_TABLE_INET ? counters_return(carry) : rc;
}

/* Counts are a service, not the gate's duty: short memory loses some and stops nothing. */
void nft_tallies_apply(struct nft_gate *nft, const struct nft_carry *carry)
{
	for (size_t i = 0; i < carry->changes.count; i++) {
		struct nft_tally *tally = nft_tally_find(nft, carry->changes.items[i].decision, true);

		if (!tally)
			continue;
		tally->packets += carry->changes.items[i].add.packets;
		tally->bytes += carry->changes.items[i].add.bytes;
	}
}

/* A number with a new meaning counts from zero, whatever the kernel's counter of that name has. */
void nft_tallies_renew(struct nft_gate *nft, const struct gate_desired *desired)
{
	const struct nft_table *inet = &nft->applied.tables[NFT_TABLE_INET];

	for (size_t i = 0; i < inet->counters.count; i++) {
		uint32_t decision = nft_counter_decision(inet->counters.items[i].name);
		uint64_t packets = 0, bytes = 0;
		struct nft_tally *tally;

		if (!decision || !is_fresh(desired, decision))
			continue;
		nft_counter_read(&nft->link, NFT_TABLE_INET, inet->counters.items[i].name, &packets, &bytes);
		tally = nft_tally_find(nft, decision, true);
		if (tally)
			*tally = (struct nft_tally){0 - packets, 0 - bytes};
	}
}

int nft_gate_rule_counter(struct nft_gate *nft, uint32_t decision, struct bh_counter *ret_counter)
{
	struct bh_counter counter = {0};
	const struct nft_tally *tally = nft_tally_find(nft, decision, false);
	char name[NFT_COUNTER_NAME_MAX];
	uint64_t packets = 0, bytes = 0;
	int rc = 0;

	nft_counter_name(name, decision);
	if (nft_table_counter(&nft->applied.tables[NFT_TABLE_INET], name))
		rc = nft_counter_read(&nft->link, NFT_TABLE_INET, name, &packets, &bytes);
	if (rc < 0 && rc != -ENOENT)
		return rc;
	counter.packets = packets + (tally ? tally->packets : 0);
	counter.bytes = bytes + (tally ? tally->bytes : 0);
	*ret_counter = counter;
	return 0;
}
