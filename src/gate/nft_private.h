/* SPDX-License-Identifier: GPL-2.0-only */
/* The inside of the nft gate, shared by src/gate/nft*.c alone. */
#ifndef BULKHEAD_GATE_NFT_PRIVATE_H
#define BULKHEAD_GATE_NFT_PRIVATE_H

#include "gate/nft.h"
#include "gate/nft_judge.h"
#include "gate/nft_kernel.h"
#include "gate/nft_render.h"
#include "gate/nft_zone.h"

/* What a counter has besides the kernel's: counted before it was rendered anew, or (wrapped around) what the kernel's
 * counter held when its number got another meaning. */
struct nft_tally {
	uint64_t packets, bytes;
};

/* A port of the last commit. Finds the port of an event by what the packet's report has. */
struct nft_port {
	uint64_t key; /* as gate_port.key */
	uint32_t ifindex, domain;
	struct mac mac;
	bool router; /* it may be a multicast router */
};

struct nft_watch; /* nft_watch.c */

struct nft_gate {
	struct nft_settings settings;
	bool own;		/* our tables are, or will be, owned */
	const char *holder_dir; /* NULL: nobody owns them when we are dead */
	bool no_holder;
	bool held; /* a holder is there */
	struct nft_link link;
	struct nft_ruleset applied;    /* by our last transaction */
	bool known;		       /* `applied` is what the kernel has */
	bool raze;		       /* what is there can't be changed in place: tables are deleted and made anew */
	bool committed;		       /* nft_gate_commit() has succeeded */
	uint32_t kernel_generation;    /* of the ruleset, after our last transaction */
	struct nft_snapshot *snapshot; /* then; NULL where tables are owned: nobody else can change them */
	struct nft_names *names;       /* that `applied` was rendered with; NULL: it judges only what is for the host */
	struct nft_hearing *hearing;   /* the same, where nft judges alone */
	struct text rendered;	       /* what `applied` was rendered from, but for the sets */
	struct nft_befores befores;
	uint32_t calls_before; /* nft_calls.h */
	bool calls_known;      /* somebody has looked what they were */
	unsigned int switched; /* how often we have switched some on */
	int64_t links_read_ms; /* monotonic: when all links were last read, and their settings looked at */
	struct map *tallies;   /* decision → struct nft_tally */
	struct {
		ARRAY_OF(struct nft_port);
	} ports;
	struct nft_zones zones;	      /* nft alone: of the last commit, or of one that was tried */
	uint32_t generation;	      /* of the table in force */
	char problem[ERROR_TEXT_MAX]; /* what could not be done and stops nothing; "" */
	struct nft_watch *watch;
};

/* What is done to counters with a transaction. */
struct nft_carry {
	struct nft_gate *nft;
	struct nft_ruleset *next;
	enum nft_table_index table;
	bool rebuild; /* counters are made anew, with what they hold */
	struct {
		ARRAY_OF(struct {
			uint32_t decision;
			struct nft_tally add;
		});
	} changes; /* to the tallies, once the transaction has succeeded */
};

/* Before the transaction: for carry->table. After it: the changes; and for decisions whose number is fresh. */
int nft_counters_carry(struct nft_carry *carry);
void nft_tallies_apply(struct nft_gate *nft, const struct nft_carry *carry);
void nft_tallies_renew(struct nft_gate *nft, const struct gate_desired *desired);

/* nft_flows.c, nft alone: ends what conntrack remembers of the addresses of ports that are about to be opened: it was
 * somebody else who had it. Where that fails they get -EAGAIN, and stay closed. -errno: nobody knows who they are */
int nft_flows_forget(struct nft_gate *nft, const struct gate_desired *desired);

/* The generation that tables which judge alone were made of; 0: there are none. */
int nft_known_generation(struct nft_link *link, uint32_t *ret_generation);

/* One transaction (none when the batch is empty), after which it is noted what is known of the kernel. */
int nft_transact(struct nft_gate *nft, struct nft_batch *batch, struct error *error);
/* The one that makes our tables `next`: by the difference to nft->applied, or from what is there when that is not
 * known. Sets that must be there before come in one of their own. */
int nft_transact_ruleset(struct nft_gate *nft, struct nft_ruleset *next, struct nft_carry *carry, struct error *error);

/* The socket that owns our tables already, if a daemon before had a holder in this directory (NULL: none); a new one
 * otherwise. */
int nft_link_get(struct nft_link *link, const char *holder_dir, struct error *error);

/* States of all our tables; flags that they are made with. */
int nft_table_states(struct nft_link *link, struct nft_table_state states[NFT_TABLE_COUNT], struct error *error);
static inline uint32_t nft_table_flags(const struct nft_gate *nft)
{
	return nft->own ? NFT_FLAG_OWNER | NFT_FLAG_PERSIST : 0;
}

void nft_watch_free(struct nft_watch *watch);
uint64_t nft_watch_lost(const struct nft_watch *watch); /* reports that the kernel could not hand over */

/* What nftables alone can't give: a new array of sentences; NULL when memory is short. */
json_t *nft_not_given(const struct nft_gate *nft);

/* Rules of others that may change stamps: a new array for the status; NULL when memory is short. An absurd ruleset must
 * not fill the status: how many more there are is counted. */
#define NFT_WRITERS_MAX 64u
json_t *nft_writers_find(struct nft_link *link, uint32_t mask, size_t *ret_left_out);

#endif
