/* SPDX-License-Identifier: GPL-2.0-only */
/* containerd: containers of ctr, nerdctl and Kubernetes. Its shims keep a folder for each container that runs, which
 * has the container's configuration and the number of its first process:
 * STATE/io.containerd.runtime.v2.task/NAMESPACE/ID. What these lack, pods' labels and images, is in its database. Its
 * socket would tell no more, and only in gRPC. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "bundle.h"
#include "containerd_db.h"
#include "follow.h"

#define TASKS "io.containerd.runtime.v2.task"
/* Docker's own namespace: its containers are found by what Docker says of them. */
#define DOCKERS "moby"
/* Kubernetes has one, nerdctl one by default. */
#define PLACES_MAX 256u

/* The image of a sandbox is nobody's choice. */
static int learn(struct bundles *bundles, struct bundle *bundle)
{
	struct containerd_row row;
	int r = containerd_db_read(bundles->watch->options.containerd_root, bundle->place, bundle->id, &row);

	bundle->without_db = r < 0;
	/* It may be elsewhere or of another form: then the configuration says what it can. All else may pass. */
	if (r == -ENOENT || r == -EBADMSG || r == -EINVAL)
		return 0;
	if (r < 0)
		return r == -ENOMEM ? r : -EAGAIN;
	json_decref(bundle->labels);
	bundle->labels = row.labels;
	free(bundle->image);
	bundle->image = row.image;
	return 0;
}

static void place_read(struct bundles *bundles, const char *base, const char *place)
{
	char path[PATH_MAX];
	const struct bundle_folder folder = {.path = path,
					     .place = place,
					     .below = "",
					     .pid_file = "init.pid",
					     .parse = bundle_parse_containerd,
					     .learn = learn};

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
