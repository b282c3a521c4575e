/* SPDX-License-Identifier: GPL-2.0-only */
/* Talking to nf_tables: one netlink socket, questions, and batches that are one transaction each.
 *
 * The socket owns our tables where the kernel has that, so it lives as long as the gate. */
#ifndef BULKHEAD_GATE_NFT_BATCH_H
#define BULKHEAD_GATE_NFT_BATCH_H

#include <arpa/inet.h> /* before the kernel's headers: they leave out what it has defined */
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/array.h"
#include "base/error.h"

/* Not in the headers of Debian 12: since Linux 6.9 a table may outlive its owner. */
#define NFT_FLAG_OWNER	 0x2u
#define NFT_FLAG_PERSIST 0x4u

/* The largest netlink message that we write; an attribute's length has 16 bits. */
#define NFT_MESSAGE_MAX 65536u

struct nft_link {
	struct mnl_socket *socket; /* NULL: not open */
	uint32_t portid;
	uint32_t seq;
};

int nft_link_open(struct nft_link *link, struct error *error);
/* The same with a socket that another process has opened and used; it is taken over, also on failure. */
int nft_link_take_over(struct nft_link *link, int fd, struct error *error);
void nft_link_close(struct nft_link *link);

/* Starts a question in `buffer` (at least MNL_SOCKET_BUFFER_SIZE bytes): `type` NFT_MSG_GET…, `flags` NLM_F_DUMP, 0 …
 */
struct nlmsghdr *nft_query_begin(void *buffer, uint16_t type, uint8_t family, uint16_t flags);
/* Asks, and calls `fn` for each answer. -EINTR: the ruleset changed under the dump, what `fn` got is worth nothing;
 * other -errno from the kernel (-ENOENT: there is no such thing) or from `fn`. */
typedef int (*nft_answer_fn)(void *arg, const struct nlmsghdr *answer);
int nft_link_query(struct nft_link *link, struct nlmsghdr *question, nft_answer_fn fn, void *arg);
#define NFT_DUMP_TRIES 8 /* a dump that others' changes interrupted is taken again so often */

/* The number of the ruleset's generation in this network namespace; any change by anyone raises it. */
int nft_link_generation(struct nft_link *link, uint32_t *ret_generation);

/* What a range of sequence numbers is about, for the error's sentence. Strings are borrowed until the commit. */
struct nft_command {
	uint32_t seq;	    /* its first message; it ends where the next command begins */
	const char *verb;   /* "adding rule to chain" */
	const char *family; /* "inet" */
	const char *name;
	const char *origin; /* "shop.yaml:31", or NULL */
};

struct nft_batch {
	struct nft_link *link;
	uint8_t *data;
	size_t size, capacity;
	struct {
		ARRAY_OF(struct nft_command);
	} commands;
	uint32_t first_seq;
	size_t messages;  /* between the two marks */
	bool failed;	  /* memory was short: the commit says so */
	uint8_t *scratch; /* where messages go after `failed` */
};

int nft_batch_begin(struct nft_batch *batch, struct nft_link *link);
void nft_batch_free(struct nft_batch *batch);
bool nft_batch_empty(const struct nft_batch *batch);

/* The messages that follow belong to this. */
void nft_batch_command(struct nft_batch *batch, const char *verb, const char *family, const char *name,
		       const char *origin);
/* A new message, to be filled with attributes (at most NFT_MESSAGE_MAX bytes in all) and closed by nft_batch_close().
 * NULL only when not even the scratch space can be had. */
struct nlmsghdr *nft_batch_message(struct nft_batch *batch, uint16_t type, uint8_t family, uint16_t flags);
void nft_batch_close(struct nft_batch *batch, const struct nlmsghdr *message);

/* Sends all as one transaction; an empty batch is a success. On failure nothing has changed, except for -ENOBUFS: what
 * the kernel did is not known then. */
int nft_batch_commit(struct nft_batch *batch, struct error *error);
/* The kernel checks everything and changes nothing. */
int nft_batch_try(struct nft_batch *batch, struct error *error);

const char *nft_family_name(uint8_t family); /* "inet" */

#endif
