/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/text.h"
#include "cni_cache.h"
#include "netlink.h"
#include "watch.h"

/* Events come in bursts: a veth's birth is five or more. */
#define WATCH_DEBOUNCE_MS 1
/* Scans get at most a fifth of the processor's time, so that a container that lets its link flap costs no more than
 * that: each owes the rest that follows it... */
#define WATCH_REST_FACTOR 4
/* ...but some that follow each other rest later, since a container that starts waits for them... */
#define WATCH_OWED_FREE_US 100000
/* ...and whatever one scan cost, the next is no further away than this. */
#define WATCH_REST_MAX_MS 250
#define WATCH_FAILED_MS	  200

/* Time on the processor, not on the clock: to wait for the lock of all interfaces is no work. */
static int64_t worked_us(void)
{
	struct timespec worked;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &worked);
	return (int64_t)worked.tv_sec * 1000000 + worked.tv_nsec / 1000;
}

/* What is left of the rest that scans owe. */
static int64_t owed_us(const struct port_watch *watch, int64_t now_ms)
{
	int64_t left = watch->owed_us - (now_ms - watch->scanned_ms) * 1000;

	return left > 0 ? left : 0;
}

const struct port_options port_options_usual = {
	.docker_socket = "/var/run/docker.sock",
	.docker_root = "/var/lib/docker",
	.docker_netns_dir = "/run/docker/netns",
	.podman_root = "/var/lib/containers/storage",
	.netns_dir = "/run/netns",
	.netns_meta_dir = "/run/bulkhead/netns",
	.cni_results = "/var/lib/cni/results",
	.containerd_state = "/run/containerd",
	.containerd_root = "/var/lib/containerd",
	.crio_run = "/run/containers/storage",
	.lxc_path = "/var/lib/lxc",
	.incus_root = "/var/lib/incus",
	.lxd_root = "/var/lib/lxd",
	.machines_dir = "/run/systemd/machines",
	.runc_root = "/run/runc",
	.crun_root = "/run/crun",
	.proc = "/proc",
};

static void watch_scan(struct port_watch *watch)
{
	int64_t start_us = worked_us();
	struct error error = {0};
	bool changed = false, tell = !watch->told;

	watch->timer_ms = 0;
	watch->scan_error[0] = '\0';
	watch->told = true; /* before: a runtime may ask for more while it is asked */
	if (scan_run(watch, &changed, &error) < 0) {
		if (tell)
			watch->told = false; /* it is still to be told */
		watch->scan_failures++;
		snprintf(watch->scan_error, sizeof(watch->scan_error), "%.150s", error.text);
		port_watch_schedule(watch, WATCH_FAILED_MS);
	}
	watch->owed_us = owed_us(watch, monotonic_ms()) + (worked_us() - start_us) * WATCH_REST_FACTOR;
	watch->scanned_ms = monotonic_ms();
	if (changed || tell)
		watch->on_change(watch->arg);
}

static void watch_timer(struct loop *loop, void *arg)
{
	(void)loop;
	watch_scan(arg);
}

void port_watch_schedule(struct port_watch *watch, int64_t delay_ms)
{
	int64_t now_ms = monotonic_ms(), rest_ms = (owed_us(watch, now_ms) - WATCH_OWED_FREE_US) / 1000;
	int64_t at_ms = now_ms + (delay_ms < WATCH_DEBOUNCE_MS ? WATCH_DEBOUNCE_MS : delay_ms);

	if (rest_ms > WATCH_REST_MAX_MS)
		rest_ms = WATCH_REST_MAX_MS;
	if (at_ms < now_ms + rest_ms)
		at_ms = now_ms + rest_ms;
	if (watch->timer_ms && watch->timer_ms <= at_ms)
		return;
	watch->timer_ms = at_ms;
	(void)loop_set_timer(watch->timer, at_ms - now_ms, 0);
}

static void watch_heard(void *arg)
{
	port_watch_schedule(arg, 0);
}

void port_watch_dirty(struct port_watch *watch)
{
	watch->all = true;
	port_watch_schedule(watch, 0);
}

void port_watch_refresh(struct port_watch *watch)
{
	for (size_t i = 0; i < RUNTIME_COUNT; i++) {
		if (watch->states[i] && runtimes[i]->refresh)
			runtimes[i]->refresh(watch->states[i]);
	}
	watch->told = false; /* the caller waits for the end */
	port_watch_dirty(watch);
}

static int watch_open(struct port_watch *watch, struct error *error)
{
	int r = netlink_open(NETLINK_ROUTE, &watch->netlink_fd);

	if (r == 0)
		r = namespace_cookie_here(&watch->cookie);
	if (r == 0)
		r = loop_add_timer(watch->loop, watch_timer, watch, &watch->timer);
	if (r == 0)
		r = events_new(watch->loop, watch_heard, watch, &watch->events);
	if (r < 0)
		return error_set(error, r, "cannot listen to the kernel's links: %s", strerror(-r));
	r = cni_cache_new(watch, &watch->cni);
	if (r < 0)
		return error_set(error, r, "cannot watch CNI's results: %s", strerror(-r));
	for (size_t i = 0; i < RUNTIME_COUNT; i++) {
		r = runtimes[i]->start(watch, &watch->states[i]);
		if (r < 0)
			return error_set(error, r, "cannot watch %s: %s", runtimes[i]->name, strerror(-r));
	}
	return 0;
}

int port_watch_new(struct loop *loop, const struct port_options *options, void (*on_change)(void *arg), void *arg,
		   struct port_watch **ret_watch, struct error *error)
{
	struct port_watch *watch = calloc(1, sizeof(*watch));
	bool changed;
	int r;

	if (!watch)
		return error_set(error, -ENOMEM, "out of memory");
	*watch = (struct port_watch){
		.loop = loop, .options = *options, .on_change = on_change, .arg = arg, .netlink_fd = -1};
	watch->dirs[NAMESPACE_DIR_DOCKER] = options->docker_netns_dir;
	watch->dirs[NAMESPACE_DIR_NETNS] = options->netns_dir;
	watch->dirs[NAMESPACE_DIR_PROC] = options->proc;
	r = watch_open(watch, error);
	if (r == 0)
		r = scan_run(watch, &changed, error);
	/* Links that change faster than they can be listed are no reason not to start: the next scan is the first. */
	if (r < 0 && r != -EAGAIN) {
		port_watch_free(watch);
		return r;
	}
	port_watch_schedule(watch, 0); /* tells of what is there */
	*ret_watch = watch;
	return 0;
}

void port_watch_free(struct port_watch *watch)
{
	if (!watch)
		return;
	for (size_t i = 0; i < RUNTIME_COUNT; i++)
		runtimes[i]->stop(watch->states[i]);
	cni_cache_free(watch->cni);
	events_free(watch->events);
	loop_remove(watch->timer);
	cleanup_close(&watch->netlink_fd);
	scan_free(watch);
	free(watch);
}

const struct port_view *port_watch_view(struct port_watch *watch)
{
	return &watch->view;
}

/* Who has a port to this namespace: for people, a name says more than a number. */
static const char *container_in(const struct port_watch *watch, json_int_t nsid)
{
	for (size_t i = 0; i < watch->entries.count; i++) {
		const struct entry *entry = watch->entries.items[i];

		if (entry->link.elsewhere && entry->link.nsid == nsid && entry->evidence.has_owner)
			return entry->evidence.owner.name;
	}
	return NULL;
}

static void status_events(const struct port_watch *watch, json_t *status)
{
	json_t *events = events_status(watch->events, monotonic_ms()), *item;
	size_t i;

	json_array_foreach(json_object_get(events, "noisy"), i, item)
	{
		const char *name = container_in(watch, json_integer_value(json_object_get(item, "nsid")));

		if (name)
			json_object_set_new(item, "container", json_string(name));
	}
	json_object_update(status, events);
	json_decref(events);
}

bool port_is_relayed(struct port_watch *watch, const struct port *port, const struct published *published)
{
	for (size_t i = 0; port->has_owner && port->owner.runtime && i < RUNTIME_COUNT; i++) {
		if (strcmp(runtimes[i]->name, port->owner.runtime) == 0 && runtimes[i]->relays)
			return runtimes[i]->relays(watch->states[i], published);
	}
	return false;
}

json_t *port_watch_status(struct port_watch *watch)
{
	json_t *status = json_object(), *list = json_array();

	for (size_t i = 0; i < RUNTIME_COUNT; i++) {
		json_t *runtime = runtimes[i]->status(watch->states[i]);

		json_object_set_new(runtime, "runtime", json_string(runtimes[i]->name));
		json_array_append_new(list, runtime);
	}
	json_object_set_new(status, "runtimes", list);
	status_events(watch, status);
	json_object_set_new(status, "scans", json_integer((json_int_t)watch->scans));
	json_object_set_new(status, "scan_failures", json_integer((json_int_t)watch->scan_failures));
	if (watch->scan_error[0]) {
		char escaped[REASON_MAX * 4];

		json_object_set_new(status, "error",
				    json_string(text_escape(escaped, sizeof(escaped), watch->scan_error)));
	}
	json_object_set_new(status, "pins_left_out", json_boolean(watch->pins_cut));
	json_object_set_new(status, "addresses_left_out", json_boolean(watch->addresses_cut));
	return status;
}
