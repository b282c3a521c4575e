/* SPDX-License-Identifier: GPL-2.0-only */
/* The holder: a small process that keeps the netlink socket open that owns our tables, so that they have an owner when
 * the daemon is dead, and nobody's `nft flush ruleset` opens the door. It does nothing with it but hand it to the next
 * daemon, by a Unix socket that only root may speak to. */
#ifndef BULKHEAD_GATE_NFT_HOLDER_H
#define BULKHEAD_GATE_NFT_HOLDER_H

#include <stdbool.h>

#include "base/error.h"
#include "base/steward.h"

/* The word in argv[1] with which the daemon's program becomes a holder. */
#define NFT_HOLDER_WORD "--hold-tables"

/* A copy of the socket that the holder of this network namespace keeps. -ENOENT: there is no holder. */
int nft_holder_ask(const char *run_dir, int *ret_fd);
/* Never blocks. */
bool nft_holder_is_there(const char *run_dir);
/* Starts one for `fd`, in place of one that is there. */
int nft_holder_start(const char *run_dir, int fd, struct error *error);
/* For the steward: makes this program a holder, with the listening socket and the one that it is to keep. */
int nft_holder_task(const struct steward_order *order);
/* Ends it, if there is one. */
void nft_holder_end(const char *run_dir);

/* The holder's own main(), with the descriptors where nft_holder_start() has put them. Returns its exit code. */
int nft_holder_main(void);

#endif
