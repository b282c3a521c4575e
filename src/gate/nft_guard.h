/* SPDX-License-Identifier: GPL-2.0-only */
/* nftables alone: who a port is, and what it may be sent. What the programs at the ports do beside the policy
 * (tc-bpf/guard.h, life.h, neighbour.h), as far as rules can.
 *
 * Every chain of these ends in a refusal: a header that can't be read matches nothing, and so falls through to it.
 *
 *   from_veth → who …        a frame that a port sends: is it itself? Then it gets its stamp
 *   prerouting_whole         the same for roles (DHCP server, router), when fragments have been put together
 *   to_veth → own …          a frame on its way to a port: is it for it, and has `inet` judged it? */
#ifndef BULKHEAD_GATE_NFT_GUARD_H
#define BULKHEAD_GATE_NFT_GUARD_H

#include "gate/nft_render.h"

#define NFT_CHAIN_WHO "who"
#define NFT_CHAIN_OWN "own"

/* Adds the sets, `who` and `own` to bridge, inet and arp (there `who` alone), and to inet `prerouting_whole`. */
void nft_guard_render(struct nft_ruleset *ruleset, const struct nft_settings *settings, const struct nft_door *door);

/* With programs or without, to bridge or inet and their chain for what comes from outside: no part of a datagram in a
 * container's name. Whole ones are refused where they are judged; parts would be put together with the container's own
 * before that (conntrack, also of what passes within a bridge where bridge netfilter is on). */
void nft_guard_outside_render(struct nft_ruleset *ruleset, const struct nft_settings *settings,
			      const struct nft_door *door, enum nft_table_index table, int chain);

/* To the chain for what leaves by a bridge's port, whichever it is: what a container has sent and nobody has judged, as
 * bridge netfilter is off, goes nowhere. */
void nft_guard_leave_render(struct nft_ruleset *ruleset, const struct nft_settings *settings,
			    const struct nft_door *door, int chain);

/* nft_guard_pair.c: who hears whom as a neighbour, of a table. -ENOMEM; -E2BIG: those who do not hear the same hear
 * more than NFT_HEARD_MAX together. */
#define NFT_HEARD_MAX 500000u
int nft_hearing_make(const struct table *table, struct nft_hearing **ret_hearing, struct error *error);
void nft_hearing_free(struct nft_hearing *hearing); /* NULL is fine */

/* What a port may open: `quota`, or less where the kernel's table is small. */
uint32_t nft_guard_flows_max(uint32_t quota);

/* ---- Between nft_guard.c (frames, sources), nft_guard_set.c, nft_guard_own.c (what a port is sent), nft_guard_role.c
 * and nft_neighbour.c ---- */

struct nft_guard {
	struct nft_ruleset *ruleset;
	const struct nft_settings *settings;
	const struct nft_door *door;
	enum nft_table_index table; /* in hand */
	struct nft_rule_writer writer;
};

/* By interface, in each table that asks. */
#define NFT_GUARD_IDENTITIES "identities"
#define NFT_GUARD_MACS	     "macs"
#define NFT_GUARD_OWN_4	     "own_4"
#define NFT_GUARD_OWN_6	     "own_6"
#define NFT_GUARD_TARGETS    "nd_targets"   /* own_6, where a neighbour message names its target */
#define NFT_GUARD_ND_LINKS   "nd_links"	    /* macs, where its option does */
#define NFT_GUARD_RS_LINKS   "rs_links"	    /* macs, where a router solicitation's option does */
#define NFT_GUARD_CLIENTS    "dhcp_clients" /* macs, where BOOTP names the client */
#define NFT_GUARD_SPOOFERS   "may_spoof"    /* permits */
#define NFT_GUARD_ROUTERS    "may_route"
#define NFT_GUARD_SERVERS    "may_serve_dhcp"
#define NFT_GUARD_HEARERS    "hearers" /* → by its identity, a chain that asks for the stamp */
#define NFT_GUARD_SPEAKS     "speaks"  /* the chain that looks there; beginning of those chains' names */
/* By address. */
#define NFT_GUARD_LOCAL_4   "local_4" /* whoever is outside does not have these */
#define NFT_GUARD_LOCAL_6   "local_6"
#define NFT_GUARD_LOCAL_ND  "local_nd"
#define NFT_GUARD_ANNOUNCED "announced" /* each address twice: ARP that asks for its own sender */
#define NFT_GUARD_GROUPS_4  "groups_4"	/* nft_door.c */
#define NFT_GUARD_GROUPS_6  "groups_6"

#define NFT_GUARD_MARTIANS_4 "martians_4" /* can't be a source here */
#define NFT_GUARD_MARTIANS_6 "martians_6"
#define NFT_GUARD_NOWHERE_4  "nowhere_4" /* nor these a destination */
#define NFT_GUARD_NOWHERE_6  "nowhere_6"

/* Where things stand behind the ICMPv6 or UDP header, in bytes: RFC 4861, 4.3; RFC 951, 3. */
#define NFT_ND_TARGET	 8u
#define NFT_ND_OPTION	 24u /* the first one of a neighbour message */
#define NFT_RS_OPTION	 8u  /* of a router solicitation */
#define NFT_OPTION_LINK	 2u  /* the MAC address, from the option on */
#define NFT_BOOTP	 8u  /* behind the UDP header */
#define NFT_BOOTP_CLIENT 36u

struct nft_rule_writer *nft_guard_rule(struct nft_guard *guard, int chain);
/* The same, of this EtherType: what a rule reads of a network header, nft list prints by name only if the rule says so.
 */
struct nft_rule_writer *nft_guard_rule_of(struct nft_guard *guard, int chain, uint16_t ethertype);
/* Ends the rule in hand. */
void nft_guard_goto(struct nft_guard *guard, const char *chain);
void nft_guard_pass(struct nft_guard *guard, const char *comment); /* leaves the guard */
/* Ends the rule in hand in a refusal for this reason (of what a port sends, or of what it is sent). `silent`: counted
 * alone, as bridges flood what is for a neighbour. */
void nft_guard_refuse(struct nft_guard *guard, enum bh_reason reason);
void nft_guard_refuse_out(struct nft_guard *guard, enum bh_reason reason);
void nft_guard_silent(struct nft_guard *guard);
int nft_guard_chain(struct nft_guard *guard, const char *name);

/* Matches of the rule in hand. */
/* … the port is, or with `not` is not, in the set. */
void nft_guard_port_in(struct nft_guard *guard, bool output, bool not, const char *set);
/* … the port with these bytes is in the set. */
void nft_guard_with(struct nft_guard *guard, bool output, enum nft_payload_bases base, uint32_t offset, uint32_t length,
		    const char *set);
void nft_guard_bytes(struct nft_guard *guard, enum nft_payload_bases base, uint32_t offset, const void *bytes,
		     uint32_t length);
void nft_guard_byte(struct nft_guard *guard, enum nft_payload_bases base, uint32_t offset, uint8_t byte);
void nft_guard_udp(struct nft_guard *guard, uint16_t source, uint16_t destination);
void nft_guard_type(struct nft_guard *guard, uint8_t protocol, uint8_t low, uint8_t high);
void nft_guard_stamp_is(struct nft_guard *guard, enum nft_cmp_ops op, uint32_t class);

/* Ends `chain`: by what the frame holds to who_arp, who_4, who_6 (or own_…), or refused. */
void nft_guard_frame(struct nft_guard *guard, int chain, bool output);

/* nft_guard_set.c */
void nft_guard_sets_add(struct nft_guard *guard);
void nft_guard_local_add(struct nft_guard *guard); /* local_4, local_6 */
/* nft_guard_own.c */
void nft_guard_own_render(struct nft_guard *guard);
/* nft_guard_pair.c: of bridge. A rule that drops, untold, what has the stamp of a container that this port may not
 * hear. */
void nft_guard_pairs_add(struct nft_guard *guard);
void nft_guard_unless_pair(struct nft_guard *guard, int chain);
/* nft_guard_flows.c: of inet */
void nft_guard_flows_render(struct nft_guard *guard);
/* nft_guard_role.c: of inet; and a set of the stamps of those that have this permit. */
void nft_guard_stamps_add(struct nft_guard *guard, const char *name, uint32_t permit, const char *comment);
void nft_guard_role_render(struct nft_guard *guard);
/* nft_neighbour.c: chains `who_arp`, `who_nd`, `own_arp`. */
void nft_neighbour_who_arp(struct nft_guard *guard);
void nft_neighbour_who_nd(struct nft_guard *guard);
void nft_neighbour_own_arp(struct nft_guard *guard);

#endif
