/* SPDX-License-Identifier: GPL-2.0-only */
/* The nft gate: the host's door. Tables `bridge bulkhead`, `inet bulkhead`, `arp bulkhead`, each change one
 * transaction. */
#ifndef BULKHEAD_GATE_NFT_H
#define BULKHEAD_GATE_NFT_H

#include "gate/gate.h"

struct nft_gate;

/* Finds or makes our tables with the door closed (and owned and persistent where the kernel has it). */
int nft_gate_open(const struct gate_options *options, struct nft_gate **ret_nft, struct error *error);
void nft_gate_close(struct nft_gate *nft);
/* Has a daemon in this network namespace left tables that judge alone? */
bool nft_gate_alone_is_there(void);
/* Of what the tables that judge alone were made of: the table's generation (0: there are none), and the numbers that
 * packets and flows may carry. */
uint32_t nft_gate_generation(const struct nft_gate *nft);
int nft_gate_identities(struct nft_gate *nft, void (*fn)(void *arg, uint32_t number), void *arg);
bool nft_gate_owned(const struct nft_gate *nft); /* others' flushes leave our tables alone */

/* One transaction: takes the ports that are not in `desired` or not `open` out of the sets; nothing else. */
int nft_gate_close_ports(struct nft_gate *nft, const struct gate_desired *desired, struct error *error);
/* One transaction: everything equal to `desired`; ports with open and ret_result == 0 are in the sets after it. Sets
 * that did not change are left alone; rules are rendered anew only when the table's generation changed. On failure
 * nothing has changed; the kernel's extended ack is in `error`. */
int nft_gate_commit(struct nft_gate *nft, const struct gate_desired *desired, struct error *error);

int nft_gate_check(struct nft_gate *nft, struct text *drift);
int nft_gate_watch(struct nft_gate *nft, struct loop *loop, const struct gate_callbacks *callbacks,
		   struct error *error);
int nft_gate_uninstall(const struct gate_options *options, void (*report)(void *arg, const char *line), void *arg,
		       struct error *error);
int nft_gate_rule_counter(struct nft_gate *nft, uint32_t decision, struct bh_counter *ret_counter);
int nft_gate_flows_walk(const struct nft_gate *nft, int (*fn)(void *arg, const struct gate_flow *flow), void *arg);
json_t *nft_gate_status(struct nft_gate *nft);

#endif
