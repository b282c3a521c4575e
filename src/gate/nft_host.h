/* SPDX-License-Identifier: GPL-2.0-only */
/* Rendering who may do what: what nft_host.c (to the host), nft_judge*.c (to others, nft alone), nft_service.c (what
 * is sent where) and nft_outcome.c (what becomes of a packet) share. */
#ifndef BULKHEAD_GATE_NFT_HOST_H
#define BULKHEAD_GATE_NFT_HOST_H

#include "base/map.h"
#include "gate/nft_render.h"

#define NFT_HOST_NAME_MAX 80 /* of nft's 255; the rest of a long list of groups is cut, numbers keep names apart */

/* What is sent where, ascending; all that is not the sender's fallback. */
struct nft_run {
	uint8_t protocol;
	uint16_t low, high;
	const char *outcome; /* name of its chain */
};
enum nft_whom {
	NFT_WHOM_HOST,
	NFT_WHOM_OTHERS, /* nft alone */
	NFT_WHOM_SECOND, /* others, as a second opinion: what passes is left to the program at the port, to report and
			    count */
};
struct nft_host {
	struct nft_ruleset *ruleset;
	const struct nft_settings *settings;
	const struct gate_desired *desired;
	const struct table *table;
	struct map *outcomes; /* struct nft_outcome → index of its chain + 1 */
	struct map *names;    /* taken */
	struct nft_set *senders;
	struct {
		ARRAY_OF(const struct gate_published *);
	} published;			 /* by protocol, port and address */
	const struct identity *identity; /* in hand; NULL: none yet */
	struct bh_cell fallback;	 /* of it, or of the pair in hand */
	enum nft_whom whom;		 /* what is in hand is sent to */
	struct {
		ARRAY_OF(struct nft_run);
	} runs;		       /* of it */
	uint64_t errors_until; /* ICMP errors of flows between the sender in hand and the host pass */
};

/* The (normal) cell, or one made of what is said where there is none. */
struct bh_cell nft_host_cell(const struct table *table, uint32_t from, uint32_t to, uint32_t service);

/* A name for a chain that no other has: `prefix` and `text`, with a number behind it if it must be. */
void nft_host_name(struct nft_host *host, char buffer[NFT_HOST_NAME_MAX + 16], const char *prefix, const char *text);

/* What can't be reached in a cell is taken out, so that cells that do the same are the same. */
struct bh_cell nft_cell_normal(const struct bh_cell *cell);

/* The chain for this (normal) cell, rendered on first use, by its index or its name; -1, NULL when memory is short. */
int nft_outcome_chain(struct nft_host *host, const struct bh_cell *cell);
const char *nft_outcome_name(struct nft_host *host, const struct bh_cell *cell);

/* Until when what a (normal) cell judges passes for sure; 0: it does not. */
uint64_t nft_cell_passes_until(const struct bh_cell *cell);
/* nft alone: adds that ICMP errors of flows pass until then (0: nothing is added). Rules can't tell which service an
 * error is about: it passes for as long as one of those in hand does. */
void nft_errors_render(struct nft_host *host, int chain, uint64_t until);
void nft_errors_note(struct nft_host *host, const struct bh_cell *cell); /* one more, in errors_until */

/* nft_service.c: adds to host->runs what is not the fallback; and, of all of them, maps and the rules that look there.
 * `answers`: a chain for what comes back, -1 where that is not looked at. */
void nft_run_add(struct nft_host *host, const struct host_service *service, const struct bh_cell *cell);
void nft_runs_render(struct nft_host *host, int chain, int answers, const char *name);

/* nft_published.c: puts host->published in order; and, for the sender in hand, adds to its chains what becomes of
 * packets to published ports. To be called before what is said of the host itself. */
void nft_published_collect(struct nft_host *host);
void nft_published_render(struct nft_host *host, int chain, int answers, const char *sender);

/* nft_judge.c: the policy for what is not sent to the host, where nft judges it; beside the tc gate what is opened
 * towards containers from outside and by the host. */
int nft_judge_render(struct nft_host *host, const struct nft_names *names);

#endif
