/* SPDX-License-Identifier: GPL-2.0-only */
/* Rendering the door: what its tables share. nft_door.c: sets, chains and the table arp; nft_door_bridge.c and
 * nft_door_inet.c: the others. */
#ifndef BULKHEAD_GATE_NFT_DOOR_H
#define BULKHEAD_GATE_NFT_DOOR_H

#include "gate/nft_render.h"

/* Among enum nf_ip_hook_priorities: raw before defragmentation -450, defragmentation -400, mangle -150, nat -100. */
#define PRIORITY_BEFORE_DEFRAG (-450)
#define PRIORITY_AFTER_MANGLE  (-149)
#define PRIORITY_FIRST_OUTPUT  (-400)
#define PRIORITY_LAST	       300
#define PRIORITY_INPUT	       (-10)
#define PRIORITY_BRIDGE_FIRST  (-300)
#define PRIORITY_BRIDGE_LAST   300
#define PRIORITY_ARP	       (-300)
#define LOOPBACK_IFINDEX       1u /* always (net/core/dev.c: LOOPBACK_IFINDEX) */

#define SET_BRIDGES  "bridges"
#define SET_GROUPS_4 "groups_4"
#define SET_GROUPS_6 "groups_6"

#define COUNTER_CLOSED_IN  "closed_in"
#define COUNTER_CLOSED_OUT "closed_out"
#define COUNTER_FORGED	   "forged"
#define COUNTER_LINK_LOCAL "link_local"
#define COUNTER_SUBNET	   "foreign_subnet"
#define COUNTER_SENDER	   "unknown_sender"

struct nft_door_render {
	struct nft_ruleset *ruleset;
	const struct nft_settings *settings;
	const struct nft_door *door;
	enum nft_table_index table;
	struct nft_rule_writer writer; /* of the rule at hand */
};

/* Begins a rule at the chain's end; the writer that it returns is render->writer. nft_door_end() ends it. */
struct nft_rule_writer *nft_door_rule(struct nft_door_render *render, int chain);
/* What a stamp overwrites, a verdict from elsewhere included; and a class as a stamp. */
uint32_t nft_door_bits(const struct nft_door_render *render);
uint32_t nft_door_stamp(const struct nft_door_render *render, uint32_t class);
void nft_door_end(struct nft_door_render *render, const char *comment);
/* Whole rules: a refusal that is told of; where packets of a set's interfaces, of a kind of interface, or with a stamp
 * go. */
void nft_door_refuse(struct nft_door_render *render, int chain, enum bh_reason reason, bool to_port,
		     const char *counter);
void nft_door_by_set(struct nft_door_render *render, int chain, bool output, const char *set, int verdict,
		     const char *to);
void nft_door_by_kind(struct nft_door_render *render, int chain, bool output, const char *kind, int verdict,
		      const char *to);
void nft_door_by_mark(struct nft_door_render *render, int chain, enum nft_cmp_ops op, uint32_t class, int verdict,
		      const char *to);
void nft_door_set_stamp(struct nft_door_render *render, int chain, uint32_t class, const char *comment);
/* Sets and counters of render->table. */
void nft_door_samples_add(struct nft_door_render *render, const char *name, uint32_t key_type, uint8_t key_size);
void nft_door_sets_add(struct nft_door_render *render);
void nft_door_counter(struct nft_door_render *render, const char *name, const char *comment);
void nft_door_groups_add(struct nft_door_render *render);
void nft_door_bridges_add(struct nft_door_render *render);
/* Chains of these names, that several hooks go to. */
void nft_door_from_outside(struct nft_door_render *render);
void nft_door_from_veth(struct nft_door_render *render);
void nft_door_to_veth(struct nft_door_render *render);
/* A chain at a hook; its index. */
int nft_door_base(struct nft_door_render *render, const char *name, uint32_t hook, int32_t priority);

void nft_door_bridge_table(struct nft_door_render *render);
void nft_door_inet_table(struct nft_door_render *render);

#endif
