/* SPDX-License-Identifier: GPL-2.0-only */
/* LXC, run by root: see lxc.h. It has no daemon and tells nobody, so it is read when a port is not known. Incus and LXD
 * run containers by LXC's library, in folders of their own: see incus.h. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "cgroup.h"
#include "incus.h"
#include "lxc.h"

#define MONITOR_PREFIX	  "lxc.monitor."
#define PAYLOAD_PREFIX	  "lxc.payload."
#define MONITOR_TITLE_MAX 8192u

enum lxc_kind { LXC_PLAIN, LXC_INCUS, LXC_LXD, LXC_KIND_MAX };
static const char *const kind_names[LXC_KIND_MAX] = {"lxc", "incus", "lxd"};

struct lxc_container {
	enum lxc_kind kind;
	char *group; /* behind "lxc.monitor." */
	char *name;
	struct process monitor, first;
	char *unpoliced; /* why it has an interface without a port here; NULL: it has none */
	bool listed;
};
struct lxc {
	struct port_watch *watch;
	struct cgroups cgroups;
	char *folders[LXC_KIND_MAX]; /* of containers; NULL: there is none */
	struct {
		ARRAY_OF(struct lxc_container);
	} containers;	    /* that run */
	uint64_t read_scan; /* the scan in which they were read; 0: not yet */
	bool here, left_out;
};

static void container_free(struct lxc_container *container)
{
	free(container->group);
	free(container->name);
	free(container->unpoliced);
}

static void lxc_stop(void *state)
{
	struct lxc *lxc = state;

	if (!lxc)
		return;
	for (size_t i = 0; i < lxc->containers.count; i++)
		container_free(&lxc->containers.items[i]);
	array_free(&lxc->containers);
	cgroups_free(&lxc->cgroups);
	for (size_t i = 0; i < LXC_KIND_MAX; i++)
		free(lxc->folders[i]);
	free(lxc);
}

static void lxc_refresh(void *state)
{
	struct lxc *lxc = state;

	cgroups_find(lxc->watch->options.proc, &lxc->cgroups);
	lxc->read_scan = 0;
}

static int lxc_start(struct port_watch *watch, void **ret_state)
{
	const struct port_options *options = &watch->options;
	const char *const roots[LXC_KIND_MAX] = {options->lxc_path, options->incus_root, options->lxd_root};
	struct lxc *lxc = calloc(1, sizeof(*lxc));

	if (!lxc)
		return -ENOMEM;
	lxc->watch = watch;
	for (size_t i = 0; i < LXC_KIND_MAX; i++) {
		if (roots[i] && asprintf(&lxc->folders[i], "%s%s", roots[i], i == LXC_PLAIN ? "" : "/containers") < 0) {
			lxc->folders[i] = NULL;
			lxc_stop(lxc);
			return -ENOMEM;
		}
	}
	lxc_refresh(lxc);
	*ret_state = lxc;
	return 0;
}

/* Is it a container's first process: in the payload's group, at the root of a hierarchy? The caller frees. */
static char *payload_of(const char *proc, int32_t pid, const char *group)
{
	AUTO_FREE char *name = NULL;

	if (asprintf(&name, PAYLOAD_PREFIX "%s", group) < 0) {
		name = NULL;
		return NULL;
	}
	return cgroup_of(proc, pid, name);
}

static bool is_first(const char *proc, int32_t pid, const char *group, struct process *ret_first)
{
	struct process first = {.pid = pid};
	AUTO_FREE char *payload = process_start(proc, pid, &first.start) < 0 ? NULL : payload_of(proc, pid, group);

	if (!payload || !process_is_still(proc, &first))
		return false;
	*ret_first = first;
	return true;
}

/* The monitor's title is read of a process that is a monitor by its control group. NULL: it is none of ours. */
static char *monitor_name(const struct lxc *lxc, int32_t pid, enum lxc_kind *ret_kind)
{
	char *name = NULL;
	AUTO_FREE char *data = NULL;
	char path[PATH_MAX];
	size_t size;

	if (snprintf(path, sizeof(path), "%s/%d/cmdline", lxc->watch->options.proc, pid) >= (int)sizeof(path) ||
	    file_read(path, MONITOR_TITLE_MAX, &data, &size, NULL) < 0)
		return NULL;
	for (int kind = 0; !name && kind < LXC_KIND_MAX; kind++) {
		*ret_kind = (enum lxc_kind)kind;
		name = lxc->folders[kind] ? lxc_monitor_parse(data, size, lxc->folders[kind]) : NULL;
	}
	return name;
}

/* One of both is filled. */
struct settings {
	struct lxc_config config;
	struct incus_instance instance;
};

static void settings_free(struct settings *settings)
{
	lxc_config_free(&settings->config);
	incus_instance_free(&settings->instance);
}

static int settings_read(const struct lxc *lxc, const struct lxc_container *container, struct settings *ret_settings,
			 char reason[REASON_MAX])
{
	bool plain = container->kind == LXC_PLAIN;
	AUTO_FREE char *data = NULL;
	char path[PATH_MAX];
	size_t size;
	int r;

	if (snprintf(path, sizeof(path), "%s/%s/%s", lxc->folders[container->kind], container->name,
		     plain ? "config" : "backup.yaml") >= (int)sizeof(path))
		return -ENAMETOOLONG;
	r = file_read(path, plain ? LXC_CONFIG_MAX : INCUS_FILE_MAX, &data, &size, NULL);
	if (r == 0)
		r = plain ? lxc_config_parse(data, &ret_settings->config)
			  : incus_instance_parse(data, size, &ret_settings->instance);
	if (r < 0)
		snprintf(reason, REASON_MAX, "its configuration can't be read: %s", strerror(-r));
	return r;
}

static char *config_unpoliced(const struct lxc_config *config)
{
	char why[REASON_MAX] = "";

	for (size_t i = 0; i < config->nets.count && !why[0]; i++) {
		const struct lxc_net *net = &config->nets.items[i];

		if (strcmp(net->type, "none") == 0)
			snprintf(why, sizeof(why), "it uses the host's network");
		else if (net->type[0] && strcmp(net->type, "veth") != 0 && strcmp(net->type, "empty") != 0)
			snprintf(why, sizeof(why), "its network %u is %.15s: there is no port of it here", net->number,
				 net->type);
	}
	return why[0] ? strdup(why) : NULL;
}

/* An interface that has no port here. */
static char *unpoliced_why(const struct lxc *lxc, const struct lxc_container *container)
{
	struct settings settings = {0};
	char unread[REASON_MAX] = "", *why = NULL;

	if (settings_read(lxc, container, &settings, unread) == 0)
		why = container->kind == LXC_PLAIN ? config_unpoliced(&settings.config)
						   : incus_unpoliced(&settings.instance);
	settings_free(&settings);
	return why;
}

static int monitor_read(struct lxc *lxc, int32_t pid, const char *group)
{
	const char *proc = lxc->watch->options.proc;
	struct lxc_container container = {.listed = true, .monitor.pid = pid}, *slot;
	int32_t children[CGROUP_PIDS_MAX];
	size_t count;
	bool found = false;

	if (process_start(proc, pid, &container.monitor.start) < 0)
		return 0;
	container.name = monitor_name(lxc, pid, &container.kind);
	count = container.name ? process_children(proc, pid, children, CGROUP_PIDS_MAX) : 0;
	for (size_t i = 0; i < count && !found; i++)
		found = is_first(proc, children[i], group, &container.first);
	if (!found || !process_is_still(proc, &container.monitor)) {
		free(container.name);
		return 0;
	}
	container.group = strdup(group);
	container.unpoliced = unpoliced_why(lxc, &container);
	slot = container.group ? array_append(&lxc->containers) : NULL;
	if (!slot) {
		container_free(&container);
		return -ENOMEM;
	}
	*slot = container;
	return 0;
}

static bool container_runs(const char *proc, const struct lxc_container *container)
{
	return process_is_still(proc, &container->monitor) && process_is_still(proc, &container->first);
}

/* What runs as it did is not read again. */
static int group_read(struct lxc *lxc, const char *mount, const char *group)
{
	int32_t pids[CGROUP_PIDS_MAX];
	char path[PATH_MAX];
	size_t count;
	int r = 0;

	for (size_t i = 0; i < lxc->containers.count; i++) {
		struct lxc_container *container = &lxc->containers.items[i];

		if (strcmp(container->group, group) == 0 && container_runs(lxc->watch->options.proc, container)) {
			container->listed = true;
			return 0;
		}
	}
	if (lxc->containers.count >= LXC_CONTAINERS_MAX) {
		lxc->left_out = true;
		return 0;
	}
	if (snprintf(path, sizeof(path), "%s/" MONITOR_PREFIX "%s", mount, group) >= (int)sizeof(path))
		return 0;
	count = cgroup_pids(path, pids, NULL);
	for (size_t i = 0; r == 0 && i < count; i++)
		r = monitor_read(lxc, pids[i], group);
	return r;
}

/* 1: there are monitors in this hierarchy. */
static int hierarchy_read(struct lxc *lxc, const char *mount)
{
	DIR *listing = opendir(mount);
	const struct dirent *item;
	int r = 0, found = 0;

	if (!listing)
		return 0;
	while (r == 0 && (item = readdir(listing))) {
		if (strncmp(item->d_name, MONITOR_PREFIX, strlen(MONITOR_PREFIX)) != 0)
			continue;
		found = 1;
		r = group_read(lxc, mount, item->d_name + strlen(MONITOR_PREFIX));
	}
	closedir(listing);
	return r < 0 ? r : found;
}

static void containers_sweep(struct lxc *lxc)
{
	size_t kept = 0;

	for (size_t i = 0; i < lxc->containers.count; i++) {
		if (lxc->containers.items[i].listed)
			lxc->containers.items[kept++] = lxc->containers.items[i];
		else
			container_free(&lxc->containers.items[i]);
	}
	lxc->containers.count = kept;
}

/* Once a scan. */
static int lxc_update(struct lxc *lxc)
{
	int r = 0;

	if (lxc->read_scan == lxc->watch->scans && lxc->read_scan > 0)
		return 0;
	lxc->read_scan = lxc->watch->scans;
	lxc->left_out = false;
	lxc->here = false;
	for (size_t i = 0; i < LXC_KIND_MAX; i++)
		lxc->here |= lxc->folders[i] && access(lxc->folders[i], F_OK) == 0;
	for (size_t i = 0; i < lxc->containers.count; i++)
		lxc->containers.items[i].listed = false;
	for (size_t i = 0; lxc->here && r == 0 && i < lxc->cgroups.count; i++)
		r = hierarchy_read(lxc, lxc->cgroups.mounts[i]);
	containers_sweep(lxc);
	return r < 0 ? r : 0;
}

static int lxc_pins(void *state, struct processes *processes)
{
	struct lxc *lxc = state;
	int r = lxc_update(lxc);

	for (size_t i = 0; r == 0 && i < lxc->containers.count; i++)
		r = processes_add(processes, lxc->containers.items[i].first.pid, lxc->containers.items[i].first.start);
	return r;
}

static const struct lxc_container *container_behind(const struct lxc *lxc, const struct namespace *namespace)
{
	for (size_t i = 0; i < lxc->containers.count; i++) {
		if (namespace_has_process(namespace, &lxc->containers.items[i].first))
			return &lxc->containers.items[i];
	}
	return NULL;
}

/* What the configuration says of this interface; what was plugged in later has its first claim. */
static int evidence_net(const struct lxc_config *config, const struct runtime_question *question,
			struct evidence *evidence, char reason[REASON_MAX])
{
	const struct lxc_net *net = lxc_net_find(config, question);

	if (config->reason[0]) {
		snprintf(reason, REASON_MAX, "%s", config->reason);
		return -EINVAL;
	}
	if (!net && lxc_net_may_be(config, question)) {
		snprintf(reason, REASON_MAX,
			 "its configuration has addresses on this bridge, but not which of its interfaces has them");
		return -EINVAL;
	}
	evidence->claim = !net || net->addresses.count == 0;
	if (!net)
		return 0;
	evidence->has_mac = net->has_mac;
	evidence->mac = net->mac;
	if (port_addrs_copy(&net->addresses, &evidence->addresses) < 0 ||
	    port_addrs_copy(&net->gateways, &evidence->gateways) < 0)
		return -ENOMEM;
	return 0;
}

static int evidence_fill(const struct lxc *lxc, const struct lxc_container *container,
			 const struct runtime_question *question, struct evidence *evidence, char reason[REASON_MAX])
{
	struct settings settings = {0};
	int r = settings_read(lxc, container, &settings, reason);

	if (r == 0 && container->kind != LXC_PLAIN) {
		r = incus_evidence(&settings.instance, kind_names[container->kind], question, evidence, reason);
	} else if (r == 0) {
		r = evidence_owner(question, container->name, kind_names[LXC_PLAIN], evidence, reason);
		if (r == 0)
			r = evidence_net(&settings.config, question, evidence, reason);
	}
	settings_free(&settings);
	return r;
}

static enum runtime_answer lxc_ask(void *state, const struct runtime_question *question, struct evidence *evidence,
				   char reason[REASON_MAX])
{
	struct lxc *lxc = state;
	const char *proc = lxc->watch->options.proc;
	const struct lxc_container *container;
	int r;

	if (lxc_update(lxc) < 0)
		return RUNTIME_NOT_MINE;
	container = container_behind(lxc, question->namespace);
	if (!container)
		return RUNTIME_NOT_MINE;
	r = evidence_fill(lxc, container, question, evidence, reason);
	if (r == 0)
		evidence->owner.cgroup = payload_of(proc, container->first.pid, container->group);
	if (r == 0 && container_runs(proc, container))
		return RUNTIME_OWNS;
	if (!reason[0])
		snprintf(reason, REASON_MAX, "%s", r < 0 ? strerror(-r) : "LXC's container has ended");
	return RUNTIME_PENDING;
}

/* As they were read last: a container without any port is seen by the next look at another one's, or a reload. */
static int lxc_list(void *state, struct port_watch *watch)
{
	struct lxc *lxc = state;
	char shown[PORT_NAME_MAX];
	int r = lxc->read_scan == 0 ? lxc_update(lxc) : 0;

	for (size_t i = 0; r == 0 && i < lxc->containers.count; i++) {
		const struct lxc_container *container = &lxc->containers.items[i];

		if (container->unpoliced)
			r = unpoliced_add(watch, text_escape(shown, sizeof(shown), container->name),
					  kind_names[container->kind], container->unpoliced);
	}
	return r;
}

static json_t *lxc_status(void *state)
{
	const struct lxc *lxc = state;
	json_t *status = json_object();

	json_object_set_new(status, "reachable", json_boolean(lxc->here));
	json_object_set_new(status, "containers", json_integer((json_int_t)lxc->containers.count));
	if (!lxc->here)
		json_object_set_new(status, "why", json_string("its folder of containers does not exist"));
	if (lxc->left_out)
		json_object_set_new(status, "left_out", json_true());
	return status;
}

const struct runtime runtime_lxc = {
	.name = "lxc",
	.start = lxc_start,
	.stop = lxc_stop,
	.refresh = lxc_refresh,
	.pins = lxc_pins,
	.ask = lxc_ask,
	.list = lxc_list,
	.status = lxc_status,
};
