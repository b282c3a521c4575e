/* SPDX-License-Identifier: GPL-2.0-only */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/text.h"
#include "bundle.h"
#include "cni_cache.h"
#include "engine.h"
#include "follow.h"

#define PID_FILE_MAX 32u

/* What is read; the folders have logs and more, which others write all the time. */
static const char *const files[] = {"config.json", "init.pid", "pidfile", "state.json", "status", NULL};

static void bundles_changed(void *arg)
{
	struct bundles *bundles = arg;

	bundles->is_read = false;
	port_watch_dirty(bundles->watch);
}

void bundles_stop(void *state)
{
	struct bundles *bundles = state;

	if (!bundles)
		return;
	follow_free(bundles->follow);
	map_free(bundles->map, bundle_free);
	free(bundles);
}

int bundles_start(struct port_watch *watch, void (*read)(struct bundles *bundles), void **ret_state)
{
	struct bundles *bundles = calloc(1, sizeof(*bundles));
	int r = -ENOMEM;

	if (!bundles)
		return r;
	*bundles = (struct bundles){.watch = watch, .read = read, .map = map_new()};
	if (bundles->map)
		r = follow_new(watch->loop, files, bundles_changed, bundles, &bundles->follow);
	if (r < 0) {
		bundles_stop(bundles);
		return r;
	}
	bundles_update(bundles);
	*ret_state = bundles;
	return 0;
}

void bundles_refresh(void *state)
{
	struct bundles *bundles = state;

	bundles->is_read = false;
}

static void bundles_sweep(struct bundles *bundles)
{
	const void *key;
	size_t key_size;
	void *value;

	for (size_t at = 0; map_next(bundles->map, &at, &key, &key_size, &value);) {
		struct bundle *bundle = value;

		if (bundle->listed)
			continue;
		follow_end(bundles->follow, bundle->follow);
		bundle_free(map_remove(bundles->map, key, key_size));
	}
}

void bundles_update(struct bundles *bundles)
{
	void *value;

	if (bundles->is_read && bundles->read_scan == bundles->watch->scans)
		return;
	for (size_t at = 0; map_next(bundles->map, &at, NULL, NULL, &value);)
		((struct bundle *)value)->listed = false;
	bundles->here = bundles->left_out = false;
	bundles->error = 0;
	bundles->is_read = true;
	bundles->read_scan = bundles->watch->scans;
	bundles->read(bundles);
	bundles_sweep(bundles);
	bundles->own = 0;
	bundles->db_failed = false;
	for (size_t at = 0; map_next(bundles->map, &at, NULL, NULL, &value);) {
		const struct bundle *bundle = value;

		bundles->own += bundle->has_config;
		bundles->db_failed |= bundle->without_db;
	}
}

static int pid_read(const char *folder, const char *name)
{
	AUTO_FREE char *data = NULL;
	char path[PATH_MAX], *end;
	size_t size;
	long pid;

	if (snprintf(path, sizeof(path), "%s/%s", folder, name) >= (int)sizeof(path) ||
	    file_read(path, PID_FILE_MAX, &data, &size, NULL) < 0)
		return 0;
	pid = strtol(data, &end, 10);
	return (*end == '\0' || *end == '\n') && pid > 0 && pid <= INT32_MAX ? (int)pid : 0;
}

/* Half written or gone meanwhile: the next change has it. */
static int json_read(const char *folder, const char *name, json_t **ret_json)
{
	AUTO_FREE char *data = NULL;
	char path[PATH_MAX];
	size_t size;
	int r;

	if (snprintf(path, sizeof(path), "%s/%s", folder, name) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	r = file_read(path, BUNDLE_CONFIG_MAX, &data, &size, NULL);
	/* -EINVAL of a file that is none says nothing of whose it is. */
	if (r < 0)
		return r == -EINVAL ? -EBADMSG : r;
	*ret_json = port_json_parse(data, size);
	return *ret_json ? 0 : -EBADMSG;
}

static int config_read(struct bundles *bundles, const char *folder, const struct bundle_folder *kind,
		       struct bundle *bundle)
{
	json_t *config = NULL;
	int r = json_read(folder, kind->config_file ? kind->config_file : "config.json", &config);

	if (r == 0 && kind->learn)
		r = kind->learn(bundles, bundle);
	if (r == 0)
		r = kind->parse(config, bundle);
	json_decref(config);
	return r;
}

/* Not only out of our sight. */
static bool is_gone(const char *proc, const struct process *process)
{
	uint64_t start;
	int r = process_start(proc, process->pid, &start);

	return r == -ESRCH || (r == 0 && start != process->start);
}

static bool has_ended(const struct bundle *bundle, const struct stat *record)
{
	return bundle->ended_inode == record->st_ino && bundle->ended_written.tv_sec == record->st_mtim.tv_sec &&
	       bundle->ended_written.tv_nsec == record->st_mtim.tv_nsec;
}

/* Of a container that has stopped the record stays: it is not read again before it is written again. */
static void record_read(const char *proc, const char *folder, const struct bundle_folder *kind, struct bundle *bundle)
{
	struct process process = {0};
	json_t *state = NULL;
	char path[PATH_MAX];
	struct stat record;

	if (snprintf(path, sizeof(path), "%s/%s", folder, kind->pid_file) >= (int)sizeof(path) ||
	    lstat(path, &record) < 0 || has_ended(bundle, &record))
		return;
	bundle->ended_inode = 0;
	if (json_read(folder, kind->pid_file, &state) == 0 && kind->process(state, &process) == 0) {
		bundle_keep_process(proc, &process, bundle);
		if (is_gone(proc, &process)) {
			bundle->ended_inode = record.st_ino;
			bundle->ended_written = record.st_mtim;
		}
	}
	json_decref(state);
}

/* A record with the time of the start leaves no doubt of who is meant; a number alone needs the control group. */
static void process_read(const char *proc, const char *folder, const struct bundle_folder *kind, struct bundle *bundle)
{
	if (kind->process)
		record_read(proc, folder, kind, bundle);
	else
		bundle_set_process(proc, pid_read(folder, kind->pid_file), bundle);
}

/* What is not complete is followed, and read again with every change. */
static int bundle_read(struct bundles *bundles, const struct bundle_folder *kind, struct bundle *bundle)
{
	char folder[PATH_MAX];
	int r;

	if ((bundle->has_config && bundle->process.pid > 0) || bundle->is_others)
		return 0;
	if (snprintf(folder, sizeof(folder), "%s/%s%s", kind->path, bundle->id, kind->below) >= (int)sizeof(folder))
		return 0;
	bundle->follow = follow_folder(bundles->follow, folder);
	if (!bundle->has_config) {
		r = config_read(bundles, folder, kind, bundle);
		if (r == -ENOMEM)
			return r;
		bundle->is_others = r == -EINVAL;
		bundle->has_config = r == 0;
		bundle->config_error = r;
	}
	if (bundle->has_config)
		process_read(bundles->watch->options.proc, folder, kind, bundle);
	if ((bundle->has_config && bundle->process.pid > 0) || bundle->is_others) {
		follow_end(bundles->follow, bundle->follow);
		bundle->follow = -1;
	}
	return 0;
}

static int item_read(struct bundles *bundles, const struct bundle_folder *kind, const struct dirent *item)
{
	AUTO_FREE char *key = NULL;
	struct bundle *bundle;

	if (asprintf(&key, "%s/%s", kind->place ? kind->place : "", item->d_name) < 0) {
		key = NULL;
		return -ENOMEM;
	}
	bundle = map_get_text(bundles->map, key);
	/* Another folder by the same name: another container. */
	if (bundle && bundle->inode != item->d_ino) {
		follow_end(bundles->follow, bundle->follow);
		bundle_free(map_remove(bundles->map, key, strlen(key)));
		bundle = NULL;
	}
	if (!bundle) {
		if (map_count(bundles->map) >= BUNDLES_MAX) {
			bundles->left_out = true;
			return 0;
		}
		bundle = bundle_new(kind->place, item->d_name);
		if (!bundle || map_set_text(bundles->map, key, bundle, NULL) < 0) {
			bundle_free(bundle);
			return -ENOMEM;
		}
		bundle->inode = item->d_ino;
	}
	bundle->listed = true;
	return bundle_read(bundles, kind, bundle);
}

int bundles_read_folder(struct bundles *bundles, const struct bundle_folder *folder)
{
	int number = follow_folder(bundles->follow, folder->path), r = 0;
	DIR *listing = opendir(folder->path);
	const struct dirent *item;

	if (!listing) {
		r = -errno;
		follow_end(bundles->follow, number);
		return r;
	}
	bundles->here = true;
	while (r == 0 && (item = readdir(listing))) {
		if (item->d_name[0] != '.' && (item->d_type == DT_DIR || item->d_type == DT_UNKNOWN))
			r = item_read(bundles, folder, item);
	}
	closedir(listing);
	if (r < 0)
		bundles->error = r;
	return r;
}

/* The folder is the one of our options when both have the same last part: /var/run is /run. */
static const char *pin_name(const struct port_watch *watch, const char *path)
{
	static const char *const folders[] = {"/run/netns/", "/var/run/netns/"};
	const char *own = watch->options.netns_dir;

	for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++) {
		if (strncmp(path, folders[i], strlen(folders[i])) == 0)
			return path + strlen(folders[i]);
	}
	if (own && strncmp(path, own, strlen(own)) == 0 && path[strlen(own)] == '/')
		return path + strlen(own) + 1;
	return NULL;
}

static bool is_behind(const struct bundle *bundle, const struct port_watch *watch, const struct namespace_pin *pin)
{
	const char *name;

	if (pin->dir == NAMESPACE_DIR_PROC)
		return bundle->process.pid > 0 && bundle->process.pid == pin->process.pid &&
		       bundle->process.start == pin->process.start &&
		       process_is_still(watch->options.proc, &bundle->process);
	if (pin->dir != NAMESPACE_DIR_NETNS || bundle->network != BUNDLE_PINNED)
		return false;
	name = pin_name(watch, bundle->pin);
	if (!name || strcmp(name, pin->name) != 0)
		return false;
	/* A pod's namespace is there before its process, and made for it; others find theirs, and leave it. */
	return bundle->is_pod || (bundle->process.pid > 0 && process_is_still(watch->options.proc, &bundle->process));
}

/* Of several in one namespace: its pod; else who was made with it, rather than who was put into it later. */
static bool goes_before(const struct bundle *bundle, const struct bundle *other)
{
	if (!other || bundle->is_pod != other->is_pod)
		return !other || bundle->is_pod;
	if (bundle->network != other->network)
		return bundle->network < other->network;
	return strcmp(bundle->id, other->id) < 0;
}

const struct bundle *bundles_behind(const struct bundles *bundles, const struct namespace *namespace)
{
	const struct bundle *best = NULL;
	void *value;

	for (size_t at = 0; map_next(bundles->map, &at, NULL, NULL, &value);) {
		const struct bundle *bundle = value;

		if (!bundle->has_config || bundle->network > BUNDLE_PINNED)
			continue;
		for (size_t i = 0; i < namespace->pins.count; i++) {
			if (is_behind(bundle, bundles->watch, &namespace->pins.items[i]) && goes_before(bundle, best))
				best = bundle;
		}
	}
	return best;
}

const struct bundle *bundles_by_cni(const struct bundles *bundles, const char *cni)
{
	void *value;

	for (size_t at = 0; map_next(bundles->map, &at, NULL, NULL, &value);) {
		const struct bundle *bundle = value;

		if (bundle->has_config && bundle->cni && strcmp(bundle->cni, cni) == 0)
			return bundle;
	}
	return NULL;
}

static bool is_called(const struct bundle *bundle, const char *cni)
{
	size_t length = bundle->place ? strlen(bundle->place) : 0;

	if (strcmp(bundle->id, cni) == 0)
		return true;
	return bundle->place && strncmp(bundle->place, cni, length) == 0 && cni[length] == '-' &&
	       strcmp(bundle->id, cni + length + 1) == 0;
}

/* Whose labels nobody knows, though it has some: not to be left to those who would take it for one without. A folder
 * without a configuration is a container of containerd's; elsewhere it may be Podman's, which writes it late. */
static bool is_unreadable(const struct bundles *bundles, const char *cni, char reason[REASON_MAX])
{
	void *value;

	for (size_t at = 0; map_next(bundles->map, &at, NULL, NULL, &value);) {
		const struct bundle *bundle = value;
		int error = bundle->config_error;

		if (bundle->has_config || bundle->is_others || !is_called(bundle, cni) ||
		    (error == -ENOENT && !bundle->place))
			continue;
		snprintf(reason, REASON_MAX, "its configuration can't be read: %.60s",
			 error == -EAGAIN    ? "nor containerd's database, now"
			 : error == -EBADMSG ? "it is none, or not whole"
					     : strerror(-error));
		return true;
	}
	if (bundles->left_out)
		snprintf(reason, REASON_MAX,
			 "there are more containers than are looked at: it may be one of the others");
	return bundles->left_out;
}

/* In its pod, or put into its namespace by its user: the configuration says perhaps, the process where it is. Only
 * those of one pod are looked at for each pod, and of the others the few that join somebody. */
static bool may_share(const struct bundle *bundle, const struct bundle *owner)
{
	if (bundle->pod && owner->pod)
		return strcmp(bundle->pod, owner->pod) == 0;
	if (bundle->network == BUNDLE_PINNED && owner->network == BUNDLE_PINNED)
		return strcmp(bundle->pin, owner->pin) == 0;
	return bundle->network == BUNDLE_JOINED && !bundle->pod;
}

static bool shares(const struct bundle *bundle, const struct bundle *owner, const struct port_watch *watch,
		   int32_t nsid)
{
	return bundle != owner && bundle->has_config && bundle->process.pid > 0 && may_share(bundle, owner) &&
	       engine_process_is_in(watch, bundle->process.pid, nsid) &&
	       process_is_still(watch->options.proc, &bundle->process);
}

static int share(const struct bundles *bundles, const struct bundle *owner, const struct runtime_question *question,
		 struct evidence *evidence, char reason[REASON_MAX])
{
	void *value;
	int r = 0;

	for (size_t at = 0; r == 0 && map_next(bundles->map, &at, NULL, NULL, &value);) {
		const struct bundle *bundle = value;

		if (!shares(bundle, owner, bundles->watch, question->namespace->nsid))
			continue;
		if (bundle->reason[0]) {
			snprintf(reason, REASON_MAX, "the container %.12s shares its namespace: %.90s", bundle->id,
				 bundle->reason);
			r = -EINVAL;
		} else {
			r = evidence_share(evidence, &bundle->owner, reason);
		}
	}
	return r;
}

enum runtime_answer bundles_ask(void *state, const struct runtime_question *question, struct evidence *evidence,
				char reason[REASON_MAX])
{
	struct bundles *bundles = state;
	const struct bundle *bundle;
	const struct cni_result *result;

	if (!bundles->is_read)
		bundles_update(bundles);
	bundle = bundles_behind(bundles, question->namespace);
	if (!bundle) {
		bundles_update(bundles);
		bundle = bundles_behind(bundles, question->namespace);
	}
	/* While a hook of its own runs (nerdctl's) there is a result, but nobody has said yet which its process is. */
	result = bundle ? NULL : cni_cache_find(bundles->watch->cni, question, NULL);
	if (result)
		bundle = bundles_by_cni(bundles, result->container);
	if (result && !bundle && is_unreadable(bundles, result->container, reason))
		return RUNTIME_PENDING;
	if (!bundle)
		return RUNTIME_NOT_MINE;
	if (share(bundles, bundle, question, evidence, reason) < 0) {
		if (!reason[0])
			snprintf(reason, REASON_MAX, "out of memory");
		return RUNTIME_PENDING;
	}
	return bundle_answer(bundle, bundles->watch, question, evidence, reason);
}

int bundles_pins(void *state, struct processes *processes)
{
	struct bundles *bundles = state;
	void *value;
	int r = 0;

	bundles_update(bundles);
	for (size_t at = 0; r == 0 && map_next(bundles->map, &at, NULL, NULL, &value);) {
		const struct bundle *bundle = value;

		if (bundle->process.pid > 0 && bundle->network <= BUNDLE_PINNED)
			r = processes_add(processes, bundle->process.pid, bundle->process.start);
	}
	return r;
}

int bundles_list(void *state, struct port_watch *watch)
{
	struct bundles *bundles = state;
	const char *proc = watch->options.proc;
	void *value;

	/* Who uses the host's network has no port that anybody would ask for. */
	if (!bundles->is_read)
		bundles_update(bundles);
	for (size_t at = 0; map_next(bundles->map, &at, NULL, NULL, &value);) {
		const struct bundle *bundle = value;

		if (bundle->network != BUNDLE_HOST || (bundle->pod && !bundle->is_pod) || !bundle->owner.name ||
		    !process_is_still(proc, &bundle->process) ||
		    !process_shares_namespace(proc, bundle->process.pid, "net"))
			continue;
		if (unpoliced_add(watch, bundle->owner.name, bundle->owner.runtime, "it uses the host's network") < 0)
			return -ENOMEM;
	}
	return 0;
}

json_t *bundles_status(const void *state, const char *nothing)
{
	const struct bundles *bundles = state;
	json_t *status = json_object();
	char why[REASON_MAX];

	json_object_set_new(status, "reachable", json_boolean(bundles->here));
	json_object_set_new(status, "containers", json_integer((json_int_t)bundles->own));
	if (bundles->error < 0) {
		snprintf(why, sizeof(why), "its folders can't be read: %s", strerror(-bundles->error));
		json_object_set_new(status, "why", json_string(why));
	} else if (!bundles->here) {
		json_object_set_new(status, "why", json_string(nothing));
	} else if (bundles->db_failed) {
		json_object_set_new(status, "why",
				    json_string("its database can't be read: pods' labels and images are not known"));
	}
	if (bundles->left_out)
		json_object_set_new(status, "left_out", json_true());
	return status;
}
