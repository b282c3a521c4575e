/* SPDX-License-Identifier: GPL-2.0-only */
/* bulkhead-oci-hook: an OCI `createRuntime` hook. The runtime has made the container's namespaces and has not begun its
 * process: the start is held until the ports of its network namespace are open. */
#ifndef BULKHEAD_HOOK_OCI_H
#define BULKHEAD_HOOK_OCI_H

#include <sys/types.h>

#include "hook.h"

#define OCI_CONFIG_MAX (4u << 20) /* bytes of config.json */
#define OCI_ID_MAX     256u

struct oci_options {
	struct hook hook;
	bool claims;	     /* says whose the ports are: name, id, labels; else it only waits */
	const char *runtime; /* of a claim */
	json_t *labels;	     /* of a claim, beside the annotations; NULL: none */
	const char *proc;    /* "/proc" */
};

/* What the runtime says on standard input. Text points into `json`. */
struct oci_state {
	json_t *json;
	const char *id, *bundle;
	pid_t pid;
};

int oci_state_parse(const char *input, size_t size, struct oci_state *ret_state, struct error *error);
void oci_state_free(struct oci_state *state);

/* Where the container's network namespace is, by the bundle's config.json: 1, and `ret_path`, and whether it was there
 * before the container; 0: the runtime's own, the host's. */
int oci_namespace(const json_t *config, pid_t pid, const char *proc, char *ret_path, size_t path_size, bool *ret_given,
		  struct error *error);
/* Has the namespace processes of others than this one? Then it is another container's, which has been held already. 1,
 * 0 or -errno. */
int oci_namespace_is_shared(const char *netns, pid_t pid, const char *proc);
/* The request `adopt`. NULL: memory is short. */
json_t *oci_request(const struct oci_options *options, const struct oci_state *state, const char *netns);

/* Returns the exit status; why it is not 0, and that the port stays closed, is said in a line on `errors`. */
int oci_run(const struct oci_options *options, const char *input, size_t size, FILE *errors);

#endif
