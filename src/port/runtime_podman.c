/* SPDX-License-Identifier: GPL-2.0-only */
/* Podman, run by root: see podman.h. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>

#include "base/file.h"
#include "base/text.h"
#include "podman.h"
#include "runtime_netns.h"

#define PODMAN_DEFAULT_ROOT "/var/lib/containers/storage"
/* While Podman answers with nothing of use, it is not started more often than this. */
#define PODMAN_REST_MS 200

struct podman {
	struct port_watch *watch;
	struct map *containers; /* id → podman_container */
	int inotify_fd;
	struct loop_source *files, *retry;
	bool follows; /* the folder exists, and is watched */
	struct child *child;
	int64_t inspected_ms;
	bool here; /* there is a list of containers */
	bool left_out;
	char why[REASON_MAX];
	struct map *drivers; /* network → its driver, as text */
};

static void inspect_start(struct podman *podman);

static void podman_update(struct podman *podman)
{
	bool changed = false;
	int r = podman_read(podman->watch->options.podman_root, podman->containers, &changed, &podman->left_out);

	podman->here = r != -ENOENT;
	if (r < 0 && r != -ENOENT)
		snprintf(podman->why, sizeof(podman->why), "the list of containers can't be read: %s", strerror(-r));
	inspect_start(podman);
	if (changed)
		port_watch_dirty(podman->watch);
}

static void follow_files(struct podman *podman)
{
	char path[PATH_MAX];
	const char *root = podman->watch->options.podman_root;

	if (podman->follows || podman->inotify_fd < 0 || !root ||
	    snprintf(path, sizeof(path), "%s/overlay-containers", root) >= (int)sizeof(path))
		return;
	podman->follows = inotify_add_watch(podman->inotify_fd, path, IN_CLOSE_WRITE | IN_MOVED_TO | IN_ONLYDIR) >= 0;
}

/* The folder has lock files too, which every command opens. */
static bool is_the_list(const struct inotify_event *event)
{
	return event->mask & IN_Q_OVERFLOW || (event->len > 0 && strcmp(event->name, "containers.json") == 0);
}

static void files_changed(struct loop *loop, int fd, uint32_t epoll_events, void *arg)
{
	char events[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	struct podman *podman = arg;
	bool changed = false;
	ssize_t n;

	(void)loop;
	(void)epoll_events;
	while ((n = read(fd, events, sizeof(events))) > 0) {
		const struct inotify_event *event;

		for (const char *at = events; at < events + n; at += sizeof(*event) + event->len) {
			event = (const struct inotify_event *)at;
			changed |= is_the_list(event);
			if (event->mask & IN_IGNORED)
				podman->follows = false; /* the folder has gone; the next look begins anew */
		}
	}
	if (changed)
		podman_update(podman);
}

/* True when it is news. */
static bool heard_one(struct podman *podman, const json_t *json)
{
	struct podman_container *container;
	struct engine_record record;
	AUTO_FREE char *text = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);

	if (!text || engine_record_parse(json, "podman", &record) < 0) {
		snprintf(podman->why, sizeof(podman->why), "what Podman says of a container can't be used");
		return false;
	}
	record.hash = engine_hash(text, strlen(text));
	container = map_get_text(podman->containers, record.owner.id);
	if (container && !container->record)
		container->record = calloc(1, sizeof(*container->record));
	if (!container || !container->record || container->record->hash == record.hash) {
		engine_record_free(&record);
		return false;
	}
	record.owner.cgroup = engine_cgroup(podman->watch->options.proc, record.pid, record.owner.id);
	engine_record_free(container->record);
	*container->record = record;
	return true;
}

static void inspected(void *arg, int status, const char *output, size_t size)
{
	struct podman *podman = arg;
	json_t *list = status >= 0 ? port_json_parse(output, size) : NULL;
	const json_t *item;
	bool news = false;
	void *value;
	size_t i;

	podman->child = NULL;
	podman->why[0] = '\0';
	/* With one of many gone it fails, and prints the others all the same. */
	if (json_is_array(list)) {
		json_array_foreach(list, i, item) news |= heard_one(podman, item);
	} else {
		snprintf(podman->why, sizeof(podman->why), "`podman container inspect` failed: %s",
			 status < 0 ? strerror(-status) : "no list of containers");
	}
	json_decref(list);
	for (size_t at = 0; map_next(podman->containers, &at, NULL, NULL, &value);)
		((struct podman_container *)value)->asked = false;
	inspect_start(podman);
	/* Only for news: who still waits looks again by itself, ever less often. */
	if (news)
		port_watch_dirty(podman->watch);
}

static void inspect_retry(struct loop *loop, void *arg)
{
	(void)loop;
	inspect_start(arg);
}

/* Everything that is wanted, as far as it goes into one call. */
static void inspect_start(struct podman *podman)
{
	const char *root = podman->watch->options.podman_root;
	const char *argv[PODMAN_INSPECT_BATCH + 6] = {"podman"};
	size_t count = 1, first;
	int64_t now_ms = monotonic_ms();
	void *value;

	if (podman->child || !root)
		return;
	/* Its storage may be elsewhere by its own settings; a name that we were given goes before. */
	if (strcmp(root, PODMAN_DEFAULT_ROOT) != 0) {
		argv[count++] = "--root";
		argv[count++] = root;
	}
	argv[count++] = "container";
	argv[count++] = "inspect";
	first = count;
	for (size_t at = 0;
	     count < first + PODMAN_INSPECT_BATCH && map_next(podman->containers, &at, NULL, NULL, &value);) {
		struct podman_container *container = value;

		if (container->wanted)
			argv[count++] = container->id;
	}
	if (count == first)
		return;
	if (now_ms < podman->inspected_ms + PODMAN_REST_MS && podman->why[0]) {
		(void)loop_set_timer(podman->retry, PODMAN_REST_MS, 0);
		return;
	}
	podman->inspected_ms = now_ms;
	int r = child_run(podman->watch->loop, argv, PODMAN_OUTPUT_MAX, PODMAN_TIMEOUT_MS, inspected, podman,
			  &podman->child);
	for (size_t i = first; i < count; i++) {
		struct podman_container *container = map_get_text(podman->containers, argv[i]);

		container->wanted = false;
		container->asked = r == 0;
	}
	if (r < 0)
		snprintf(podman->why, sizeof(podman->why), "`podman` can't be run: %s", strerror(-r));
}

static void podman_stop(void *state)
{
	struct podman *podman = state;

	if (!podman)
		return;
	child_cancel(podman->child);
	loop_remove(podman->files);
	loop_remove(podman->retry);
	cleanup_close(&podman->inotify_fd);
	map_free(podman->containers, podman_container_free);
	map_free(podman->drivers, free);
	free(podman);
}

static int podman_start(struct port_watch *watch, void **ret_state)
{
	struct podman *podman = calloc(1, sizeof(*podman));
	int r = -ENOMEM;

	if (!podman)
		return r;
	podman->watch = watch;
	podman->containers = map_new();
	podman->drivers = map_new();
	podman->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (podman->containers && podman->drivers)
		r = podman->inotify_fd < 0 ? -errno : 0;
	if (r == 0)
		r = loop_add_timer(watch->loop, inspect_retry, podman, &podman->retry);
	if (r == 0)
		r = loop_add_fd(watch->loop, podman->inotify_fd, EPOLLIN, files_changed, podman, &podman->files);
	if (r < 0) {
		podman_stop(podman);
		return r;
	}
	follow_files(podman);
	podman_update(podman);
	*ret_state = podman;
	return 0;
}

static void podman_refresh(void *state)
{
	struct podman *podman = state;
	void *value;

	follow_files(podman);
	map_free(podman->drivers, free);
	podman->drivers = map_new();
	for (size_t at = 0; map_next(podman->containers, &at, NULL, NULL, &value);)
		((struct podman_container *)value)->wanted = true;
	podman_update(podman);
}

static struct podman_container *by_sandbox(const struct podman *podman, const char *pin)
{
	void *value;

	for (size_t at = 0; map_next(podman->containers, &at, NULL, NULL, &value);) {
		struct podman_container *container = value;

		if (container->sandbox && strcmp(container->sandbox, pin) == 0)
			return container;
	}
	return NULL;
}

static const char *engine_pin(const struct namespace *namespace)
{
	for (size_t i = 0; i < namespace->pins.count; i++) {
		const struct namespace_pin *pin = &namespace->pins.items[i];

		if (pin->dir == NAMESPACE_DIR_NETNS && netns_name_is_an_engines(pin->name))
			return pin->name;
	}
	return NULL;
}

static enum runtime_answer podman_ask(void *state, const struct runtime_question *question, struct evidence *evidence,
				      char reason[REASON_MAX])
{
	struct podman *podman = state;
	const char *pin = engine_pin(question->namespace);
	const struct engine_endpoint *endpoint = NULL;
	struct podman_container *container;

	if (!pin)
		return RUNTIME_NOT_MINE;
	container = by_sandbox(podman, pin);
	if (!container) {
		follow_files(podman);
		podman_update(podman);
		container = by_sandbox(podman, pin);
	}
	if (!container && !podman->here)
		return RUNTIME_NOT_MINE;
	if (!container) {
		snprintf(reason, REASON_MAX, "no container of Podman's has its namespace (yet)");
		return RUNTIME_PENDING;
	}
	/* In reverse: what Podman says of the container must lead to the same namespace. */
	if (container->record && container->record->sandbox && strcmp(container->record->sandbox, pin) == 0)
		endpoint = engine_endpoint_find(container->record, NULL, question);
	if (!endpoint) {
		container->wanted = !container->asked;
		inspect_start(podman);
		snprintf(reason, REASON_MAX, "Podman has not yet said what it is%s%.100s", podman->why[0] ? ": " : "",
			 podman->why);
		return RUNTIME_PENDING;
	}
	return engine_evidence(container->record, endpoint, evidence, reason) < 0 ? RUNTIME_PENDING : RUNTIME_OWNS;
}

static const char *driver_of(struct podman *podman, const char *network)
{
	char driver[32], *copy, *known = podman->drivers ? map_get_text(podman->drivers, network) : NULL;

	if (known)
		return known;
	podman_network_driver(network, driver);
	copy = strdup(driver);
	if (!copy || !podman->drivers || map_set_text(podman->drivers, network, copy, NULL) < 0) {
		free(copy);
		return NULL;
	}
	return copy;
}

static int list_container(struct podman *podman, struct port_watch *watch, const struct podman_container *container)
{
	const struct engine_record *record = container->record;
	char why[REASON_MAX], name[PORT_NAME_MAX];

	if (podman_is_on_host(watch->options.proc, container)) {
		text_escape(name, sizeof(name), container->name ? container->name : container->id);
		return unpoliced_add(watch, name, "podman", "it uses the host's network");
	}
	for (size_t i = 0; record && record->running && record->owner.name && i < record->endpoints.count; i++) {
		const char *network = record->endpoints.items[i].network;
		const char *driver = network ? driver_of(podman, network) : "bridge";

		if (!driver)
			return -ENOMEM;
		if (strcmp(driver, "bridge") == 0)
			continue;
		snprintf(why, sizeof(why), "its network '%.60s' is %.40s: there is no port of it here", network,
			 driver);
		if (unpoliced_add(watch, record->owner.name, "podman", why) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int podman_list(void *state, struct port_watch *watch)
{
	struct podman *podman = state;
	void *value;

	for (size_t at = 0; map_next(podman->containers, &at, NULL, NULL, &value);) {
		if (list_container(podman, watch, value) < 0)
			return -ENOMEM;
	}
	return 0;
}

static json_t *podman_status(void *state)
{
	const struct podman *podman = state;
	json_t *status = json_object();
	char escaped[REASON_MAX * 4];

	json_object_set_new(status, "reachable", json_boolean(podman->here));
	json_object_set_new(status, "containers", json_integer((json_int_t)map_count(podman->containers)));
	if (podman->why[0])
		json_object_set_new(status, "why", json_string(text_escape(escaped, sizeof(escaped), podman->why)));
	else if (!podman->here)
		json_object_set_new(status, "why", json_string("there is no list of containers in its storage"));
	if (podman->left_out)
		json_object_set_new(status, "left_out", json_true());
	return status;
}

const struct runtime runtime_podman = {
	.name = "podman",
	.start = podman_start,
	.stop = podman_stop,
	.refresh = podman_refresh,
	.ask = podman_ask,
	.list = podman_list,
	.status = podman_status,
};
