/* SPDX-License-Identifier: GPL-2.0-only */
/* bulkhead-oci-runtime: stands between an engine that has no hooks of its own (Docker) and its OCI runtime. It writes
 * our hook into the bundle of a container that is to be created, and becomes the real runtime. */
#ifndef BULKHEAD_HOOK_RUNTIME_H
#define BULKHEAD_HOOK_RUNTIME_H

#include "hook.h"

struct runtime_options {
	const char *runtime; /* the real one; a path, or a name that is looked for in $PATH */
	const char *hook;    /* the path of bulkhead-oci-hook */
};

/* Words of ours at the beginning, `--bulkhead-runtime PATH` and `--bulkhead-hook PATH`, are taken; the rest is the real
 * runtime's. Returns the index of the first that is its. */
int runtime_options_take(int argc, char **argv, struct runtime_options *options);
/* The bundle's folder when these words create a container, "." where they name none; else NULL. `argv` is the real
 * runtime's, with its own name first. */
const char *runtime_bundle(int argc, char **argv);
/* Adds the hook, last, unless it is there. 1: added; 0: it was there; -EBADMSG: it is no config.json. */
int runtime_config_add(json_t *config, const char *hook, struct error *error);
/* The same to config.json in `bundle`. 0 or -errno. */
int runtime_bundle_change(const char *bundle, const char *hook, struct error *error);

#endif
