/* SPDX-License-Identifier: GPL-2.0-only */
/* CRI-O: Kubernetes' pods and their containers. It keeps the configuration of each in the run-time folder of
 * containers-storage, RUNROOT/overlay-containers/ID/userdata, which Podman uses, too; and it pins the pods' namespaces
 * in /run/netns. Unlike containerd it writes the pods' labels there. */
#include <limits.h>
#include <stdio.h>

#include "bundle.h"

#define CRIO_CONTAINERS "overlay-containers"

static void crio_read(struct bundles *bundles)
{
	const char *root = bundles->watch->options.crio_run;
	char path[PATH_MAX];
	const struct bundle_folder folder = {
		.path = path, .below = "/userdata", .pid_file = "pidfile", .parse = bundle_parse_crio};

	if (root && snprintf(path, sizeof(path), "%s/" CRIO_CONTAINERS, root) < (int)sizeof(path))
		(void)bundles_read_folder(bundles, &folder);
}

static int crio_start(struct port_watch *watch, void **ret_state)
{
	return bundles_start(watch, crio_read, ret_state);
}

/* The folder may be Podman's alone. */
static json_t *crio_status(void *state)
{
	struct bundles *bundles = state;

	bundles->here &= bundles->own > 0;
	return bundles_status(state, "there are no containers of it in its run-time folder");
}

const struct runtime runtime_crio = {
	.name = "crio",
	.start = crio_start,
	.stop = bundles_stop,
	.refresh = bundles_refresh,
	.pins = bundles_pins,
	.ask = bundles_ask,
	.list = bundles_list,
	.status = crio_status,
};
