/* SPDX-License-Identifier: GPL-2.0-only */
/* What the kernel has: its features, our tables, their counters, and whether all is still as it was. */
#ifndef BULKHEAD_GATE_NFT_KERNEL_H
#define BULKHEAD_GATE_NFT_KERNEL_H

#include "base/map.h"
#include "base/text.h"
#include "gate/nft_model.h"
#include "gate/nft_render.h"

/* Tries each feature in a transaction that is never committed. -EPERM: no right to change nftables. */
int nft_features_probe(struct nft_link *link, struct nft_features *ret_features, struct error *error);

struct nft_table_state {
	bool exists;
	uint32_t flags;
	uint32_t owner; /* netlink port of the owner; 0: none */
};
int nft_table_read(struct nft_link *link, enum nft_table_index table, struct nft_table_state *ret_state);

/* The elements of a set of ours whose keys are 4 bytes, with their data (0 where it is no map). -ENOENT: no such set.
 */
struct nft_pair {
	uint32_t key, data;
};
struct nft_pairs {
	ARRAY_OF(struct nft_pair);
};
int nft_set_read(struct nft_link *link, enum nft_table_index table, const char *set, struct nft_pairs *ret_pairs);

/* Calls `fn` for each named counter of a table of ours. */
typedef int (*nft_counter_fn)(void *arg, const char *name, uint64_t packets, uint64_t bytes);
int nft_counters_read(struct nft_link *link, enum nft_table_index table, nft_counter_fn fn, void *arg);
/* One of them. -ENOENT */
int nft_counter_read(struct nft_link *link, enum nft_table_index table, const char *name, uint64_t *ret_packets,
		     uint64_t *ret_bytes);

/* Everything of our tables but counters' values, as digests by name. NULL is an empty one. */
struct nft_snapshot;
int nft_snapshot_take(struct nft_link *link, struct nft_snapshot **ret_snapshot);
void nft_snapshot_free(struct nft_snapshot *snapshot);
/* Appends a line for each difference; returns how many. */
size_t nft_snapshot_compare(const struct nft_snapshot *was, const struct nft_snapshot *is, struct text *drift);

#endif
