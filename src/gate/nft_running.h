/* SPDX-License-Identifier: GPL-2.0-only */
/* Tables of ours that are there, and of whose content nothing is certain: what of them can stay when they are made as
 * they should be. To delete a table and make it anew is one transaction, too, but for a moment look-ups of packets on
 * their way find nothing in either; what is changed in place loses no packet. */
#ifndef BULKHEAD_GATE_NFT_RUNNING_H
#define BULKHEAD_GATE_NFT_RUNNING_H

#include "gate/nft_kernel.h"

struct nft_running {
	struct nft_ruleset kept;       /* chains and sets that are as they should be, without their content; counters */
	bool present[NFT_TABLE_COUNT]; /* there is such a table, and this is what it has */
	struct {
		ARRAY_OF(struct nft_doomed {
			uint16_t type;	 /* NFT_MSG_DELCHAIN, DELSET or DELOBJ */
			uint32_t object; /* the kind of one */
			char *name;
		});
	} doomed[NFT_TABLE_COUNT]; /* the rest */
	struct map *doomed_names;  /* of chains and sets */
};

/* Reads the tables that `states` has, for what `next` needs. */
int nft_running_read(struct nft_link *link, const struct nft_table_state states[NFT_TABLE_COUNT],
		     const struct nft_ruleset *next, struct nft_running *ret_running);
void nft_running_free(struct nft_running *running);
/* Writes what makes the table `kept`: all rules go, all sets are emptied, and what is doomed goes. */
void nft_running_clear(struct nft_batch *batch, const struct nft_running *running, enum nft_table_index table);

#endif
