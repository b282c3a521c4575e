/* SPDX-License-Identifier: GPL-2.0-only */
/* The command lines of the hooks that have one. */
#ifndef BULKHEAD_HOOK_HOOK_OPTIONS_H
#define BULKHEAD_HOOK_HOOK_OPTIONS_H

#include "hook.h"

#define HOOK_OPTIONS_HELP                                                                        \
	"      --label KEY=VALUE  a label of the container; may be given several times\n"        \
	"      --wait MS        how long to wait (10000; at most 60000)\n"                       \
	"      --socket PATH    the daemon's socket (what it has written to the state folder)\n" \
	"      --state DIR      the daemon's state folder (" HOOK_STATE_DIR ")\n"                \
	"  -h, --help           this text\n"                                                     \
	"  -V, --version        the version\n"

struct hook_options {
	const char *program, *help;
	struct hook hook;
	json_t *labels, *addresses; /* an object, an array; the caller frees; NULL: none was given */
	const char *runtime;
	bool no_claim;
};

/* 1: go on. 0: it was asked for help or the version, which is printed; -EINVAL: it makes no sense, which is told. Then
 * *ret_status is what to exit with. Words that are no options are left at optind. */
int hook_options_parse(struct hook_options *options, int argc, char **argv, int *ret_status);

#endif
