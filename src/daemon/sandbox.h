/* SPDX-License-Identifier: GPL-2.0-only */
/* What the daemon can't do any more once it is in: capabilities that it does not need, new privileges by executing
 * something, and system calls that are none of its business. What is refused is told to the kernel's audit log; what
 * only an intruder would try ends the process. */
#ifndef BULKHEAD_DAEMON_SANDBOX_H
#define BULKHEAD_DAEMON_SANDBOX_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

struct sandbox_capability {
	const char *name;
	int number;
	bool start_only; /* sandbox_started() drops it */
	const char *why;
};
extern const struct sandbox_capability sandbox_capabilities[];
extern const size_t sandbox_capability_count;

/* Before anything of a container is read, with one thread. Whoever needs more afterwards asks the steward, started
 * before. */
int sandbox_enter(struct error *error);
/* The start is over. */
int sandbox_started(struct error *error);

/* For a copy of the daemon that only thinks: no capability at all, and hardly more than memory and writing. -errno. */
int sandbox_think(void);
/* For one that looks at open flows besides: in the programs' maps (CAP_BPF, CAP_SYS_ADMIN, and of bpf(2) only what
 * reads), or in conntrack (CAP_NET_ADMIN, and sockets of netlink). -errno. */
int sandbox_search(bool conntrack);
/* For the holder of the nft tables: no capability, and what a Unix socket needs. -errno. */
int sandbox_hold(void);

/* What the kernel says of this process: { capabilities, no_new_privileges, filter }, a new reference or NULL. */
json_t *sandbox_json(void);

/* ---- sandbox_calls.c ---- */
enum sandbox_filter { SANDBOX_DAEMON, SANDBOX_THINKER, SANDBOX_MAPS, SANDBOX_CONNTRACK, SANDBOX_HOLDER };
int sandbox_filter_load(enum sandbox_filter which); /* 0 or -errno */

#endif
