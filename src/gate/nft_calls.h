/* SPDX-License-Identifier: GPL-2.0-only */
/* Bridge netfilter (br_netfilter): hands what passes within a bridge to the hooks of inet, where nftables alone judges
 * it. Switched on in this network namespace while Bulkhead judges so; what was before stands in a set of the bridge's
 * table. */
#ifndef BULKHEAD_GATE_NFT_CALLS_H
#define BULKHEAD_GATE_NFT_CALLS_H

#include "gate/nft_private.h"

/* The two calls, as bits; also the keys of the set. */
#define NFT_CALL_IPTABLES  0x1u
#define NFT_CALL_IP6TABLES 0x2u
const char *nft_call_name(uint32_t call); /* "net.bridge.bridge-nf-call-iptables" */

/* *ret_off: those that are off. -ENOENT, with what to load in `error`: the kernel has none. */
int nft_calls_off(uint32_t *ret_off, struct error *error);
int nft_calls_set(uint32_t which, bool on, struct error *error);

/* The set of those that were off before us. -ENOENT: there is none, nobody has looked yet. */
#define NFT_SET_CALLS "calls_before"
int nft_calls_read(struct nft_link *link, uint32_t *ret_before);
void nft_calls_render(struct nft_ruleset *ruleset, uint32_t before);

/* Before a commit: alone, both are on, and what they were is remembered. After one beside the tc gate: they are again
 * what they were before a daemon that judged alone. */
int nft_calls_ensure(struct nft_gate *nft, struct error *error);
int nft_calls_release(struct nft_gate *nft, struct error *error);
/* Appends a line for each that is off and should not be; returns how many. */
size_t nft_calls_check(const struct nft_gate *nft, struct text *drift);

#endif
