/* SPDX-License-Identifier: GPL-2.0-only */
/* containerd: containers of ctr, nerdctl and Kubernetes. Its shims keep a folder for each container that runs, which
 * has the container's configuration and the number of its first process:
 * STATE/io.containerd.runtime.v2.task/NAMESPACE/ID. Its socket would tell no more than these of what a policy asks for,
 * except pods' labels, and only in gRPC. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "bundle.h"
#include "follow.h"

#define TASKS "io.containerd.runtime.v2.task"
/* Docker's own namespace: its containers are found by what Docker says of them. */
#define DOCKERS "moby"
/* Kubernetes has one, nerdctl one by default. */
#define PLACES_MAX 256u

static void place_read(struct bundles *bundles, const char *base, const char *place)
{
	char path[PATH_MAX];
	const struct bundle_folder folder = {
		.path = path, .place = place, .below = "", .pid_file = "init.pid", .parse = bundle_parse_containerd};

	if (strcmp(place, DOCKERS) == 0 || snprintf(path, sizeof(path), "%s/%s", base, place) >= (int)sizeof(path))
		return;
	(void)bundles_read_folder(bundles, &folder);
}

static void containerd_read(struct bundles *bundles)
{
	const char *state = bundles->watch->options.containerd_state;
	char base[PATH_MAX];
	const struct dirent *item;
	DIR *listing;

	if (!state || snprintf(base, sizeof(base), "%s/" TASKS, state) >= (int)sizeof(base))
		return;
	/* Before it is read: what comes meanwhile is told. */
	(void)follow_folder(bundles->follow, base);
	listing = opendir(base);
	if (!listing)
		return;
	bundles->here = true;
	for (size_t count = 0; (item = readdir(listing));) {
		if (item->d_name[0] == '.')
			continue;
		if (++count > PLACES_MAX) {
			bundles->left_out = true;
			break;
		}
		place_read(bundles, base, item->d_name);
	}
	closedir(listing);
}

static int containerd_start(struct port_watch *watch, void **ret_state)
{
	return bundles_start(watch, containerd_read, ret_state);
}

static json_t *containerd_status(void *state)
{
	return bundles_status(state, "there are no containers in its state folder");
}

const struct runtime runtime_containerd = {
	.name = "containerd",
	.start = containerd_start,
	.stop = bundles_stop,
	.refresh = bundles_refresh,
	.pins = bundles_pins,
	.ask = bundles_ask,
	.list = bundles_list,
	.status = containerd_status,
};
