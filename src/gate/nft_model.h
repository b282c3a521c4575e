/* SPDX-License-Identifier: GPL-2.0-only */
/* A ruleset in memory: what the kernel is to have, or has by our last transaction. Applying is the difference of two.
 */
#ifndef BULKHEAD_GATE_NFT_MODEL_H
#define BULKHEAD_GATE_NFT_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/array.h"
#include "base/map.h"
#include "gate/nft_batch.h"

#define NFT_GATE_TABLE "bulkhead" /* the name in all three families */

enum nft_table_index { NFT_TABLE_BRIDGE, NFT_TABLE_INET, NFT_TABLE_ARP, NFT_TABLE_COUNT };
extern const uint8_t nft_table_family[NFT_TABLE_COUNT];

#define NFT_KEY_MAX 32u /* two IPv6 addresses; each field fills whole words of 4 bytes */

/* Whom reports are sampled by: no more than there can be ports, and not longer than a bucket takes to fill. */
#define NFT_SAMPLES_MAX	       4096u
#define NFT_SAMPLES_TIMEOUT_MS 10000u

/* A rule, ready to be sent: the attributes of NFT_MSG_NEWRULE. */
struct nft_rule {
	uint8_t *attrs;
	uint32_t size;
	char *origin; /* "shop.yaml:31", or NULL */
};
struct nft_chain {
	char *name;
	bool base;
	uint32_t hook;
	int32_t priority;
	struct {
		ARRAY_OF(struct nft_rule);
	} rules;
};
struct nft_element {
	uint8_t key[NFT_KEY_MAX], key_end[NFT_KEY_MAX];
	bool range;	   /* key_end holds */
	bool interval_end; /* in sets of one-dimensional intervals: the first key after one */
	uint32_t data;	   /* of a map to marks */
	const char *chain; /* of a verdict map: goto this; borrowed from the chain of the same ruleset */
	bool jump;	   /* … or jump there */
};
enum nft_set_kind { NFT_SET_PLAIN, NFT_SET_MARKS, NFT_SET_VERDICTS };
struct nft_set {
	char *name;
	enum nft_set_kind kind;
	uint32_t key_type; /* nft's number, for `nft list` */
	uint8_t key_size;
	bool interval;
	bool host_order;   /* keys are numbers in host order */
	bool samples;	   /* filled by packets: bounded, and forgetful */
	bool counts;	   /* filled by packets: bounded; an element goes when it counts nothing */
	bool by_world;	   /* verdicts, but of the world: changes without the rules */
	uint8_t fields[2]; /* of a concatenation, in bytes; fields[0] == 0: none */
	/* The key, or (by_link) what stands in it behind the interface, are `length` bytes at `offset` behind the
	 * transport header, for `nft list`; 0: they have a type. */
	struct {
		bool by_link;
		uint16_t offset;
		uint8_t length;
	} raw;
	const char *comment;
	struct {
		ARRAY_OF(struct nft_element);
	} elements; /* sorted by nft_ruleset_finish() */
};
struct nft_counter {
	char *name;
	char *comment;
	uint64_t packets, bytes; /* to begin with */
};
struct nft_table {
	struct {
		ARRAY_OF(struct nft_chain);
	} chains;
	struct {
		ARRAY_OF(struct nft_set *);
	} sets;
	struct {
		ARRAY_OF(struct nft_counter);
	} counters;
	struct map *chain_names, *set_names, *counter_names; /* name → index + 1 */
};
struct nft_ruleset {
	struct nft_table tables[NFT_TABLE_COUNT];
	bool failed; /* memory was short */
};

void nft_ruleset_init(struct nft_ruleset *ruleset);
void nft_ruleset_free(struct nft_ruleset *ruleset);

/* Adders set ruleset->failed when memory is short; those that return a pointer return NULL then, and all take NULL. */

/* A chain by its index; its rules are appended by nft_rule.h. */
int nft_chain_add(struct nft_ruleset *ruleset, enum nft_table_index table, const char *name);
int nft_base_chain_add(struct nft_ruleset *ruleset, enum nft_table_index table, const char *name, uint32_t hook,
		       int32_t priority);
/* A set whose description is copied (`name` too; `comment` must be static). */
struct nft_set *nft_set_add(struct nft_ruleset *ruleset, enum nft_table_index table, const struct nft_set *description);
void nft_element_add(struct nft_ruleset *ruleset, struct nft_set *set, const struct nft_element *element);
/* Once it is filled, and before a rule names it: a set of concatenated intervals is called after its content, too. What
 * changes is so another set, which can be there before the rules that look into it: see nft_ahead_diff(). */
void nft_set_name_by_content(struct nft_ruleset *ruleset, enum nft_table_index table, struct nft_set *set);
/* Added only once; `comment` may be NULL. */
void nft_counter_add(struct nft_ruleset *ruleset, enum nft_table_index table, const struct nft_counter *counter);

/* Sorts, and drops what is there twice. To be called once when all is added. */
void nft_ruleset_finish(struct nft_ruleset *ruleset);

/* By name; NULL when there is none, or no table. */
const struct nft_chain *nft_table_chain(const struct nft_table *table, const char *name);
const struct nft_set *nft_table_set(const struct nft_table *table, const char *name);
const struct nft_counter *nft_table_counter(const struct nft_table *table, const char *name);
int nft_element_compare(const struct nft_element *a, const struct nft_element *b); /* keys alone */

/* Writes the commands that turn `from` into `to` for one table. `from` NULL: there may be such a table, of which
 * nothing is known: it is deleted (if `exists`) and made anew, with table flags `flags`. */
void nft_table_diff(struct nft_batch *batch, const struct nft_ruleset *from, const struct nft_ruleset *to,
		    enum nft_table_index table, bool exists, uint32_t flags);

/* The same for elements alone, of sets that both have; verdict maps, which belong to rules, are left out. */
void nft_elements_diff(struct nft_batch *batch, const struct nft_ruleset *from, const struct nft_ruleset *to,
		       enum nft_table_index table);

/* nft_typeof.c: of a set with `raw`, the attribute that tells nft(8) what its keys are made of; returns its size. 0:
 * memory is short, and nft(8) prints numbers that it can't read back. */
#define NFT_TYPEOF_MAX 96u
size_t nft_typeof_write(const struct nft_set *set, uint8_t data[NFT_TYPEOF_MAX]);

/* What must be there before the transaction that makes `from` into `to`. In sets of concatenated intervals
 * (nft_set_pipapo.c) packets see what a transaction has put there only at its very end, after the rules: those that
 * rules begin to use need one of their own before it. Writes these sets of `to` that `from` lacks, with the chains that
 * they lead to, empty; `from` has them then, as the kernel will. `passed_over` (may be NULL): names that are not to be
 * used. */
void nft_ahead_diff(struct nft_batch *batch, struct nft_ruleset *from, const struct nft_ruleset *to,
		    enum nft_table_index table, const struct map *passed_over);

/* nft's flags of a set. */
uint32_t nft_set_flags(const struct nft_set *set);

/* NFT_MSG_NEWTABLE / DELTABLE of ours. */
void nft_table_put(struct nft_batch *batch, uint16_t type, enum nft_table_index table, uint32_t flags);

#endif
