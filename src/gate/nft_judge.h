/* SPDX-License-Identifier: GPL-2.0-only */
/* nftables alone: who may reach whom, judged in inet. State is conntrack's.
 *
 *   forward, output      what is looked at, and that it is of a flow (nft_judge_door.c)
 *   state                no flow, no pass; who opens one is noted in the flow's mark (`opened_by/X`)
 *   question             who is asked, by the packet's destination: `to/X` (nft_judge_address.c)
 *   answer               the reply direction: `back_to/X` sees to it that X has opened the flow, and the packet goes on
 * as X's; who was asked is its source to/X                 by the sender's stamp to the chain of the pair, by the
 * service to that of the line that decides (nft_judge.c)
 *
 * So every packet of a flow is judged, in the flow's own direction, by the policy in force. */
#ifndef BULKHEAD_GATE_NFT_JUDGE_H
#define BULKHEAD_GATE_NFT_JUDGE_H

#include "gate/nft_host.h"

/* nft_names.c: by class. Stamps of outside classes are numbers of this table's own; no packet keeps one. */
#define NFT_CLASS_NAME_MAX 64 /* before what keeps equal ones apart */
struct nft_names {
	struct {
		char *name;	 /* NULL: no packet is of this class */
		char *to, *back; /* NFT_TO, NFT_BACK with it */
		char *is;	 /* NFT_IS with it, of outside classes */
		uint32_t stamp;	 /* number, as a class */
	} * items;
	uint32_t count;
};
int nft_names_make(const struct table *table, struct nft_names **ret_names, struct error *error);
void nft_names_free(struct nft_names *names); /* NULL is fine */
/* The class that a stamp means. `names` may be NULL */
uint32_t nft_names_class(const struct nft_names *names, uint32_t stamp);

/* Beginnings of chains' names. '/' is in no name of a zone, so that none can become another's: a zone `back` has a
 * chain `back_to_target` beside the one that leads back to `target`. */
#define NFT_TO	   "to/"
#define NFT_BACK   "back_to/"
#define NFT_OPENED "opened_by/"
#define NFT_IS	   "is/"

#define NFT_CHAIN_JUDGE	      "judge"
#define NFT_CHAIN_STATE	      "state"
#define NFT_CHAIN_QUESTION    "question"
#define NFT_CHAIN_ANSWER      "answer"
#define NFT_CHAIN_ASKED	      "asked" /* who was, of an answer */
#define NFT_CHAIN_ERRORS      "errors"
#define NFT_CHAIN_ABOUT	      "about" /* which flow an error is */
#define NFT_CHAIN_ABOUT_ASKED "about_asked"
#define NFT_CHAIN_NO_FLOW     "no_flow"
#define NFT_CHAIN_JUDGED      "judged"
#define NFT_CHAIN_TO_HOST     NFT_TO "host"
#define NFT_CHAIN_SECOND      "second_opinion"

#define NFT_MAP_OPENERS	   "openers"
#define NFT_MAP_OPENED	   "opened" /* by whom → back_to/X */
#define NFT_MAP_ZONES	   "zones"
#define NFT_MAP_ZONES_BACK "zones_back"
#define NFT_MAP_RELAYS	   "relays"	/* stamps of those who may send for others → back_to/X */
#define NFT_SET_RELAYS	   "relay_macs" /* their MAC addresses */
#define NFT_SET_ASKERS	   "askers"
#define NFT_SET_OUTSIDERS  "outsiders"
/* With _4, _6. */
#define NFT_MAP_ADDRESSES      "addresses"	/* exact: → to/X */
#define NFT_MAP_ADDRESSES_HERE "addresses_here" /* on this interface it is another's */
#define NFT_MAP_OWNERS	       "owners"		/* exact: → back_to/X */
#define NFT_MAP_OWNERS_HERE    "owners_here"
#define NFT_MAP_PREFIXES       "prefixes" /* → to/X */
#define NFT_MAP_SOURCES	       "sources"  /* prefixes → is/X */
#define NFT_SET_CONTAINERS     "containers"
#define NFT_SET_ENDS	       "ends" /* each address twice */

#define NFT_FAMILY_NAME_MAX 24
/* "NAME_4" */
const char *nft_family_of(char buffer[NFT_FAMILY_NAME_MAX], const char *name, uint8_t nfproto);

/* nft_judge_door.c: adds to a table the set of stamps that stand for outside addresses. */
void nft_judge_outsiders_add(struct nft_ruleset *ruleset, const struct nft_settings *settings,
			     enum nft_table_index table, const struct nft_names *names);

/* nft_judge_address.c: adds to inet the maps and sets of addresses; those of prefixes are empty, or made with the
 * rules.
 */
void nft_judge_addresses(struct nft_ruleset *ruleset, const struct nft_door *door, bool second);
/* That nft alone takes: the kernel's time for a set of intervals grows with the square of their number. */
#define NFT_PREFIXES_MAX 8192u
/* Is the table small enough to be looked up by prefix here, too, beside the tc gate? */
bool nft_second_fits(const struct table *table);
int nft_judge_prefixes(struct nft_ruleset *ruleset, const struct table *table, const struct nft_names *names);

#endif
