/* SPDX-License-Identifier: GPL-2.0-only */
/* Transactions, and what is certain of the kernel after them. */
#include <errno.h>
#include <string.h>

#include "gate/nft_private.h"
#include "gate/nft_running.h"

/* After a transaction: what the kernel has is `applied`, unless others wrote at the same time, or had since the last
 * look. */
static void applied_note(struct nft_gate *nft, uint32_t generation_before)
{
	bool others = !nft->own && nft->known && generation_before != nft->kernel_generation;
	uint32_t generation = 0;

	nft_snapshot_free(nft->snapshot);
	nft->snapshot = NULL;
	nft->known = nft->own || nft_snapshot_take(&nft->link, &nft->snapshot) == 0;
	if (nft_link_generation(&nft->link, &generation) < 0)
		nft->known = false;
	/* One transaction is one step: more means that somebody else's came between. */
	if (!nft->own && (others || generation != generation_before + 1))
		nft->known = false;
	nft->kernel_generation = generation;
}

int nft_transact(struct nft_gate *nft, struct nft_batch *batch, struct error *error)
{
	uint32_t before = 0;
	bool empty = nft_batch_empty(batch);
	int rc;

	if (empty)
		return 0;
	nft_link_generation(&nft->link, &before);
	rc = nft_batch_commit(batch, error);
	if (rc == 0)
		applied_note(nft, before);
	else if (rc == -ENOBUFS)
		nft->known = false;
	return rc;
}

/* ---- What is there ---- */

/* A table without its flags can't get them again, or stands still: it is made anew. */
static int running_get(struct nft_gate *nft, const struct nft_ruleset *next,
		       struct nft_table_state states[NFT_TABLE_COUNT], struct nft_running *ret_running,
		       struct error *error)
{
	struct nft_table_state fitting[NFT_TABLE_COUNT];
	int rc = nft_table_states(&nft->link, states, error);

	if (rc < 0)
		return rc;
	memcpy(fitting, states, sizeof(fitting));
	for (size_t i = 0; i < NFT_TABLE_COUNT; i++)
		fitting[i].exists &= !nft->raze && states[i].flags == nft_table_flags(nft);
	rc = nft_running_read(&nft->link, fitting, next, ret_running);
	return rc < 0 ? error_set(error, rc, "nftables: reading our tables: %s", strerror(-rc)) : 0;
}

/* ---- What must be there before ---- */

/* The kernel's generation after a transaction beside the one that is noted. */
static void generation_step(struct nft_gate *nft)
{
	uint32_t generation;

	if (nft_link_generation(&nft->link, &generation) == 0 && generation == nft->kernel_generation + 1)
		nft->kernel_generation = generation;
}

static bool table_needs_ahead(const struct nft_table *table)
{
	for (size_t i = 0; i < table->sets.count; i++)
		if (table->sets.items[i]->interval && table->sets.items[i]->fields[0])
			return true;
	return false;
}

static int ahead(struct nft_gate *nft, const struct nft_ruleset *next, const struct nft_table_state *states,
		 struct nft_running *running, struct error *error)
{
	struct nft_ruleset *from = nft->known ? &nft->applied : &running->kept;
	struct nft_batch batch;
	int rc = nft_batch_begin(&batch, &nft->link);

	for (size_t i = 0; rc == 0 && i < NFT_TABLE_COUNT; i++) {
		enum nft_table_index table = (enum nft_table_index)i;

		if (!nft->known && !running->present[i]) {
			if (states[i].exists || !table_needs_ahead(&next->tables[i]))
				continue;
			nft_table_put(&batch, NFT_MSG_NEWTABLE, table, nft_table_flags(nft));
			running->present[i] = true;
		}
		nft_ahead_diff(&batch, from, next, table, running->doomed_names);
	}
	if (rc < 0 || from->failed)
		rc = error_set(error, -ENOMEM, "nftables: memory is short");
	else if (!nft_batch_empty(&batch) && (rc = nft_batch_commit(&batch, error)) == 0)
		generation_step(nft);
	/* `from` has already what did not come. */
	if (rc < 0)
		nft->known = false;
	nft_batch_free(&batch);
	return rc;
}

/* ---- All of it ---- */

static int ruleset_write(struct nft_gate *nft, struct nft_batch *batch, const struct nft_table_state *states,
			 const struct nft_running *running, struct nft_carry *carry, struct error *error)
{
	int rc = 0;

	for (size_t i = 0; i < NFT_TABLE_COUNT; i++) {
		const struct nft_ruleset *from = NULL;

		carry->table = (enum nft_table_index)i;
		carry->rebuild = !nft->known;
		if (!nft->known || i == NFT_TABLE_INET)
			rc = nft_counters_carry(carry);
		if (rc < 0)
			return error_set(error, rc, "nftables: reading counters: %s", strerror(-rc));
		if (nft->known) {
			from = &nft->applied;
		} else if (running->present[i]) {
			nft_running_clear(batch, running, carry->table);
			from = &running->kept;
		}
		nft_table_diff(batch, from, carry->next, carry->table, states[i].exists, nft_table_flags(nft));
	}
	return 0;
}

int nft_transact_ruleset(struct nft_gate *nft, struct nft_ruleset *next, struct nft_carry *carry, struct error *error)
{
	struct nft_table_state states[NFT_TABLE_COUNT] = {0};
	struct nft_running running = {0};
	struct nft_batch batch = {0};
	int rc = nft->known ? 0 : running_get(nft, next, states, &running, error);

	if (rc == 0)
		rc = ahead(nft, next, states, &running, error);
	if (rc == 0 && nft_batch_begin(&batch, &nft->link) < 0)
		rc = error_set(error, -ENOMEM, "nftables: memory is short");
	if (rc == 0)
		rc = ruleset_write(nft, &batch, states, &running, carry, error);
	if (rc == 0)
		rc = nft_transact(nft, &batch, error);
	nft_batch_free(&batch);
	nft_running_free(&running);
	return rc;
}
