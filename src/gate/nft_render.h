/* SPDX-License-Identifier: GPL-2.0-only */
/* Writes what is desired as a ruleset: the door, which stands closed on its own, and behind it what containers may
 * send to the host. */
#ifndef BULKHEAD_GATE_NFT_RENDER_H
#define BULKHEAD_GATE_NFT_RENDER_H

#include "gate/gate.h"
#include "gate/nft_bridge.h"
#include "gate/nft_model.h"
#include "gate/nft_rule.h"

/* What this kernel can do, found by trying. */
struct nft_features {
	bool owner; /* tables that belong to us and outlive us */
	bool conntrack;
	bool log;   /* NFLOG */
	bool limit; /* `ct count`: how many connections somebody has */
	bool route; /* `meta rtclassid`: tells packets that have a route */
	bool reject;
};

struct nft_settings {
	uint32_t mask, shift; /* of the stamp in the mark */
	uint16_t log_group;
	struct nft_features features;
	bool alone; /* no programs at the ports: all is judged here */
	/* Alone: the bit of the mark that says that `inet` has judged the packet and let it pass. Whatever enters the
	 * host or is made here loses it first; what has it not goes to no port. 0 otherwise. */
	uint32_t judged;
	uint32_t flows; /* alone: connections that a port may have opened */
};

/* Interfaces of the door's sets. Borrowed. */
struct nft_interfaces {
	const uint32_t *items;
	size_t count;
};
struct nft_names;   /* nft_judge.h */
struct nft_hearing; /* nft_guard.h */
struct nft_door {
	struct nft_interfaces open, ignored, patch;
	const struct nft_before *before;
	size_t before_count;
	const struct gate_via *via;
	size_t via_count;
	const struct nft_links *links; /* this namespace's; NULL: not known */
	const struct addr *groups;     /* bridges' broadcast addresses: traffic to them was judged at the port */
	size_t group_count;
	const struct addr *host; /* the host's addresses */
	size_t host_count;
	const struct table *table;	   /* NULL: nothing is desired yet */
	const struct nft_names *names;	   /* of it, where nft judges alone */
	const struct nft_hearing *hearing; /* of it, with names; NULL: nobody hears anybody */
	const struct gate_port *ports;
	size_t port_count;
	bool audit;  /* the whole policy is in audit mode */
	bool reject; /* `refuse: reject` */
};

#define NFT_SET_OPEN	"open"
#define NFT_SET_IGNORED "ignored"
#define NFT_SET_PATCH	"patch"
#define NFT_MAP_BEFORE	"settings_before"
#define NFT_MAP_SENDERS "senders"
#define NFT_MAP_KNOWN	"known"

/* Of a stamp that begins at bit `shift`: the one below it, or where there is none, above. */
#define NFT_JUDGED_BIT(shift) ((shift) ? 1u << ((shift)-1) : 1u << BH_STAMP_BITS)

/* Log prefixes: "bulkhead VERDICT r=REASON d=DECISION", with " out" for what goes to a port. NFLOG allows 127 bytes. */
#define NFT_LOG_PREFIX_MAX 64
/* Bytes of a packet that its report needs: IPv6 with an extension header, and ports; far less than a payload. */
#define NFT_LOG_SNAPLEN 96u

/* Adds all three tables, with an `input` chain that refuses every container until nft_host_render() says otherwise. */
void nft_door_render(struct nft_ruleset *ruleset, const struct nft_settings *settings, const struct nft_door *door);

/* nft_forward.c: of the inet table, what containers send to the host and its NAT sends on. */
void nft_forward_render(struct nft_ruleset *ruleset, const struct nft_settings *settings, const struct nft_door *door,
			int32_t priority);

/* nft_second.c: of the inet table, beside the tc gate: what is opened towards containers from outside or by the host is
 * judged here, too, so that nobody gets in where a program has gone. `forward`: before its own rules. */
void nft_second_render(struct nft_ruleset *ruleset, const struct nft_settings *settings, const struct nft_door *door);
void nft_second_forward_render(struct nft_ruleset *ruleset, const struct nft_settings *settings, int forward);

/* The set `host_4` or `host_6`: the host's addresses. */
void nft_forward_host_add(struct nft_ruleset *ruleset, const struct nft_door *door, uint8_t nfproto);

/* nft_judge_door.c: of the inet table, the hooks where nft alone judges. */
void nft_judge_door_render(struct nft_ruleset *ruleset, const struct nft_settings *settings,
			   const struct nft_door *door);

/* Two rules that end a packet: a sampled report, and counter and drop. */
struct nft_refusal {
	uint8_t reason; /* enum bh_reason */
	uint32_t decision;
	bool to_port;
	enum nft_sample sample;
	const char *counter;
	const char *comment; /* or NULL */
	const char *origin;  /* or NULL */
};
void nft_refuse_render(struct nft_ruleset *ruleset, const struct nft_settings *settings, enum nft_table_index table,
		       int chain, const struct nft_refusal *refusal);

/* nft_reject.c: how a packet ends that the policy refuses. Without `reject`, or where the kernel can't, it is dropped;
 * with it, it goes to the chain that nft_reject_render() adds to inet, which tells the sender, not too often, and
 * drops. The last words of a rule: */
void nft_rule_refuse(struct nft_rule_writer *writer, const struct nft_settings *settings, bool reject);
void nft_reject_render(struct nft_ruleset *ruleset, const struct nft_settings *settings, bool reject);

/* Adds to inet what table and published ports say of containers' traffic to the host; nft alone (`names` is not NULL)
 * also what the table says of all others. -errno with the limit in `error`;
 * memory that is short is in ruleset->failed too. */
int nft_host_render(struct nft_ruleset *ruleset, const struct nft_settings *settings,
		    const struct gate_desired *desired, const struct nft_names *names, struct error *error);

/* nft_known.c: adds to inet, for a daemon that follows, which generation is in force and which numbers it knows. */
void nft_known_render(struct nft_ruleset *ruleset, const struct nft_settings *settings, const struct table *table);

/* The name of a decision's counter ("rule_17") and back; 0 when it is none. */
#define NFT_COUNTER_NAME_MAX 24
const char *nft_counter_name(char buffer[NFT_COUNTER_NAME_MAX], uint32_t decision);
uint32_t nft_counter_decision(const char *name);

#endif
