/* SPDX-License-Identifier: GPL-2.0-only */
/* bulkhead-lxc-hook: for `lxc.hook.start-host`, where LXC has made and configured the network and has not begun the
 * container's first process; or, where the addresses are known beforehand, for `lxc.net.N.script.up`, before the port
 * has a carrier. */
#ifndef BULKHEAD_HOOK_LXC_H
#define BULKHEAD_HOOK_LXC_H

#include "hook.h"

/* What LXC says: by arguments (lxc.hook.version = 0) or by the environment (1). NULL: not said. */
struct lxc_call {
	const char *name;      /* LXC_NAME */
	const char *pid;       /* LXC_PID */
	const char *type;      /* "start-host", "up" */
	const char *net_type;  /* of a network's script: "veth" */
	const char *interface; /* and the host's end */
};

struct lxc_options {
	struct hook hook;
	json_t *labels, *addresses; /* NULL: none; what LXC's own configuration says of the container counts then */
	const char *proc;
};

/* `argv` and what stands there besides options: NAME SECTION TYPE [NET_TYPE LINK INTERFACE], or with the environment's
 * LXC_HOOK_VERSION=1 only the last three. */
int lxc_call_read(int argc, char **argv, const char *(*environment)(const char *name), struct lxc_call *ret_call,
		  struct error *error);
/* The exit status; why it is not 0, and that the port stays closed, is said in a line on `errors`. */
int lxc_run(const struct lxc_options *options, const struct lxc_call *call, FILE *errors);

#endif
