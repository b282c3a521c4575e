/* SPDX-License-Identifier: GPL-2.0-only */
/* Podman, as root runs it: see podman.h. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>

#include "base/file.h"
#include "base/text.h"
#include "cni_cache.h"
#include "podman.h"
#include "runtime_netns.h"

static void podman_update(struct podman *podman)
{
	bool changed = false;
	int r = podman_read(podman->watch->options.podman_root, podman->containers, &changed, &podman->left_out);

	podman->here = r != -ENOENT;
	if (r < 0 && r != -ENOENT)
		snprintf(podman->why, sizeof(podman->why), "the list of containers can't be read: %s", strerror(-r));
	podman_learn(podman);
	if (changed)
		port_watch_dirty(podman->watch);
}

/* -1: not there (yet). */
static int follow_folder(const struct podman *podman, const char *name, uint32_t events)
{
	char path[PATH_MAX];
	const char *root = podman->watch->options.podman_root;

	if (podman->inotify_fd < 0 || !root || snprintf(path, sizeof(path), "%s/%s", root, name) >= (int)sizeof(path))
		return -1;
	return inotify_add_watch(podman->inotify_fd, path, events | IN_ONLYDIR);
}

static void follow_files(struct podman *podman)
{
	if (podman->list_watch < 0)
		podman->list_watch = follow_folder(podman, "overlay-containers", IN_CLOSE_WRITE | IN_MOVED_TO);
	if (podman->database_watch < 0)
		podman->database_watch = follow_folder(podman, PODMAN_LIBPOD, IN_CLOSE_WRITE);
}

/* The folders have lock files too, which every command opens. */
static bool is_file(const struct inotify_event *event, const char *name)
{
	return event->len > 0 && strcmp(event->name, name) == 0;
}

static void files_changed(struct loop *loop, int fd, uint32_t epoll_events, void *arg)
{
	char events[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	struct podman *podman = arg;
	bool list = false, database = false;
	ssize_t n;

	(void)loop;
	(void)epoll_events;
	while ((n = read(fd, events, sizeof(events))) > 0) {
		const struct inotify_event *event;

		for (const char *at = events; at < events + n; at += sizeof(*event) + event->len) {
			event = (const struct inotify_event *)at;
			list |= event->mask & IN_Q_OVERFLOW || is_file(event, "containers.json");
			database |= event->mask & IN_Q_OVERFLOW || is_file(event, PODMAN_BOLT);
			/* The folder has gone; the next look begins anew. */
			if (event->mask & IN_IGNORED && event->wd == podman->list_watch)
				podman->list_watch = -1;
			if (event->mask & IN_IGNORED && event->wd == podman->database_watch)
				podman->database_watch = -1;
		}
	}
	if (list)
		podman_update(podman);
	if (database)
		podman_follow(podman);
}

static void podman_stop(void *state)
{
	struct podman *podman = state;

	if (!podman)
		return;
	podman_learn_stop(podman);
	loop_remove(podman->files);
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
	podman->list_watch = podman->database_watch = -1;
	podman->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (podman->containers && podman->drivers)
		r = podman->inotify_fd < 0 ? -errno : 0;
	if (r == 0)
		r = podman_learn_start(podman);
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

/* In reverse: what Podman says of the container must lead to the same namespace. */
static const struct engine_endpoint *endpoint_find(const struct podman_container *container, const char *pin,
						   const struct runtime_question *question)
{
	const struct engine_record *record = container->record;

	if (!record || !record->sandbox || strcmp(record->sandbox, pin) != 0)
		return NULL;
	if (!question->adopted && container->heard_ms < question->since_ms)
		return NULL;
	return engine_endpoint_find(record, NULL, question);
}

static const struct engine_record *family_next(const void *arg, size_t *cursor)
{
	const struct podman *podman = arg;
	void *value;

	while (map_next(podman->containers, cursor, NULL, NULL, &value)) {
		if (((struct podman_container *)value)->record)
			return ((struct podman_container *)value)->record;
	}
	return NULL;
}

static const struct engine_record *family_find(const void *arg, const char *id)
{
	const struct podman *podman = arg;
	const struct podman_container *container = map_get_text(podman->containers, id);

	return container ? container->record : NULL;
}

static enum runtime_answer evidence_make(const struct podman *podman, const struct podman_container *container,
					 const struct engine_endpoint *endpoint,
					 const struct runtime_question *question, struct evidence *evidence,
					 char reason[REASON_MAX])
{
	const struct engine_family family = {
		.watch = podman->watch, .next = family_next, .find = family_find, .arg = podman};

	if (engine_evidence(container->record, endpoint, evidence, reason) < 0 ||
	    engine_share(&family, container->record, question->namespace->nsid, evidence, reason) < 0)
		return RUNTIME_PENDING;
	return RUNTIME_OWNS;
}

/* Others' names are like those of Podman 3, but what CNI was told of is in Podman's list, or not its own. */
static bool is_of_anothers(const struct podman *podman, const char *pin, const struct runtime_question *question)
{
	const struct cni_result *result = cni_cache_find(podman->watch->cni, question, NULL);

	return strncmp(pin, PODMAN_PIN, strlen(PODMAN_PIN)) != 0 && result &&
	       !map_get_text(podman->containers, result->container);
}

static enum runtime_answer podman_ask(void *state, const struct runtime_question *question, struct evidence *evidence,
				      char reason[REASON_MAX])
{
	struct podman *podman = state;
	const char *pin = engine_pin(question->namespace);
	const struct engine_endpoint *endpoint;
	struct podman_container *container;

	if (!pin)
		return RUNTIME_NOT_MINE;
	container = by_sandbox(podman, pin);
	if (!container) {
		follow_files(podman);
		podman_update(podman);
		container = by_sandbox(podman, pin);
	}
	if (!container && (!podman->here || is_of_anothers(podman, pin, question)))
		return RUNTIME_NOT_MINE;
	if (!container) {
		snprintf(reason, REASON_MAX, "no container of Podman's has its namespace (yet)");
		return RUNTIME_PENDING;
	}
	endpoint = endpoint_find(container, pin, question);
	if (!endpoint) {
		container->wanted = !container->asked;
		podman_learn(podman);
		endpoint = endpoint_find(container, pin, question);
	}
	if (!endpoint) {
		snprintf(reason, REASON_MAX, "Podman has not yet said what it is%s%.100s", podman->why[0] ? ": " : "",
			 podman->why);
		return RUNTIME_PENDING;
	}
	return evidence_make(podman, container, endpoint, question, evidence, reason);
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
	static const char *const ways[PODMAN_WAY_MAX] = {
		[PODMAN_WAY_DATABASE] = "database", [PODMAN_WAY_INSPECT] = "inspect"};
	const struct podman *podman = state;
	json_t *status = json_object();
	char escaped[REASON_MAX * 4];

	json_object_set_new(status, "reachable", json_boolean(podman->here));
	json_object_set_new(status, "containers", json_integer((json_int_t)map_count(podman->containers)));
	if (ways[podman->way])
		json_object_set_new(status, "by", json_string(ways[podman->way]));
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
