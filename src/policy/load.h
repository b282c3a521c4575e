/* SPDX-License-Identifier: GPL-2.0-only */
/* YAML files → a checked model, every finding in one pass. */
#ifndef BULKHEAD_POLICY_LOAD_H
#define BULKHEAD_POLICY_LOAD_H

#include "base/error.h"
#include "policy/model.h"

/* Bounds on what a policy may make us hold; going over one is an error in place. */
#define POLICY_FILE_SIZE_MAX (16u << 20) /* bytes of one YAML file */
#define POLICY_LIST_SIZE_MAX (64u << 20) /* bytes of one prefix list */
#define POLICY_FILES_MAX     1024u
#define POLICY_DEPTH_MAX     32u      /* nesting of YAML */
#define POLICY_NODES_MAX     4000000u /* YAML nodes of all files together after aliases are expanded */
#define POLICY_PREFIXES_MAX  1000000u /* of all networks together */
#define POLICY_RULES_MAX     60000u   /* decisions must fit BH_DECISIONS_MAX of the gate's ABI */

#define POLICY_METADATA_MAX 256u /* metadata addresses, the built-in ones included: compared one by one */
#define POLICY_NAT64_MAX    64u	 /* NAT64 prefixes, likewise */

/* Loads files and directories (a directory: its *.yaml and *.yml in name order) as one policy. `now` (ns since the
 * epoch) is what `expires` warnings are held against.
 * 0: *ret_policy is the caller's (there may be warnings). -EINVAL: errors in `diagnostics`, and *ret_policy, if it is
 * not NULL after the call, holds just the sources, so that they can be printed, and what is watched (policy_free it as
 * well). Another -errno: nothing could be read (`error`). Never writes to stdout or stderr. */
int policy_load(const char *const *paths, size_t path_count, int64_t now, struct policy **ret_policy,
		struct diagnostics *diagnostics, struct error *error);
/* The same for one document in memory, `name` shown as its path; relative `file:` is refused. For tests and fuzzing. */
int policy_load_text(const char *name, const char *text, size_t size, int64_t now, struct policy **ret_policy,
		     struct diagnostics *diagnostics, struct error *error);

#endif
