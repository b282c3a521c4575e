/* SPDX-License-Identifier: GPL-2.0-only */
/* One scan: read what the kernel has, look at what was marked, settle, and tell whether anything is different. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "runtime_adopted.h"
#include "watch.h"

/* Dumps that changed while they were made are made again at once so often; then the next scan has another try. */
#define SCAN_TRIES 3

/* When to look again at what is not identified: soon, since a container waits for it, then ever less often. */
static const int64_t look_delays_ms[] = {10, 20, 40, 80, 160, 320, 500, 1000, 2000, 5000, 10000, 30000};
#define LOOK_DELAYS (sizeof(look_delays_ms) / sizeof(*look_delays_ms))

void entry_free(struct entry *entry)
{
	if (!entry)
		return;
	entry_forget(entry);
	namespace_free(&entry->namespace);
	peer_free(&entry->peer);
	free(entry);
}

static int scan_read(struct port_watch *watch, struct error *error)
{
	struct links links = {0};
	struct link_addrs addrs = {0};
	int r = -EAGAIN;

	for (int i = 0; i < SCAN_TRIES && r == -EAGAIN; i++)
		r = link_dump(watch->netlink_fd, 0, &links, error);
	if (r < 0)
		return r;
	r = -EAGAIN;
	for (int i = 0; i < SCAN_TRIES && r == -EAGAIN; i++)
		r = link_dump_addrs(watch->netlink_fd, 0, 0, &addrs, error);
	if (r < 0) {
		array_free(&links);
		return r;
	}
	array_free(&watch->links);
	array_free(&watch->addrs);
	watch->links = links;
	watch->addrs = addrs;
	array_free(&watch->routes);
	watch->has_routes = false;
	watch->has_pins = watch->pins_anew = false;
	return 0;
}

/* Entries and links are both in the order of their numbers, but a scan appends new ones. */
static struct entry *entry_find(const struct port_watch *watch, size_t count, uint32_t ifindex)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (watch->entries.items[middle]->link.ifindex < ifindex)
			low = middle + 1;
		else
			high = middle;
	}
	return low < count && watch->entries.items[low]->link.ifindex == ifindex ? watch->entries.items[low] : NULL;
}

struct entry *watch_entry(const struct port_watch *watch, uint32_t ifindex)
{
	return entry_find(watch, watch->entries.count, ifindex);
}

static int entry_new(struct port_watch *watch, const struct link *link)
{
	struct entry *entry = calloc(1, sizeof(*entry));
	struct entry **slot = entry ? array_append(&watch->entries) : NULL;

	if (!slot) {
		free(entry);
		return -ENOMEM;
	}
	*entry = (struct entry){
		.key = ++watch->last_key,
		.link = *link,
		.seen = true,
		.look = true,
		.existed_at_start = !watch->started,
		.first_ms = monotonic_ms(),
	};
	*slot = entry;
	return 0;
}

static bool same_mac(const struct link *a, const struct link *b)
{
	return a->has_mac == b->has_mac && memcmp(&a->mac, &b->mac, sizeof(a->mac)) == 0;
}

/* The link is as the kernel has it now. Whatever could mean that another end is behind it makes us verify. */
static void entry_touch(struct port_watch *watch, struct entry *entry, const struct link *link)
{
	const struct link *old = &entry->link;
	bool other_end = link->elsewhere != old->elsewhere || link->nsid != old->nsid || link->below != old->below ||
			 !same_mac(link, old);

	if (link->master != old->master) {
		entry_forget(entry); /* what it may claim there is another matter */
		entry->looks = 0;
		entry->look = true;
	}
	if (other_end || link->carrier != old->carrier || link->up != old->up ||
	    (link->elsewhere && events_number_gone(watch->events, link->nsid))) {
		entry->verified = false;
		entry->looks = 0;
		entry->look = true;
	}
	entry->link = *link;
	entry->seen = true;
}

static int entry_compare(const void *a, const void *b)
{
	const struct entry *left = *(struct entry *const *)a, *right = *(struct entry *const *)b;

	return (left->link.ifindex > right->link.ifindex) - (left->link.ifindex < right->link.ifindex);
}

static void entries_sweep(struct port_watch *watch)
{
	size_t kept = 0;

	for (size_t i = 0; i < watch->entries.count; i++) {
		struct entry *entry = watch->entries.items[i];

		if (entry->seen)
			watch->entries.items[kept++] = entry;
		else
			entry_free(entry);
	}
	watch->entries.count = kept;
	if (kept > 0)
		qsort(watch->entries.items, kept, sizeof(struct entry *), entry_compare);
}

static int entries_update(struct port_watch *watch)
{
	size_t known = watch->entries.count;
	int r = 0;

	for (size_t i = 0; i < known; i++)
		watch->entries.items[i]->seen = false;
	for (size_t i = 0; i < watch->links.count; i++) {
		const struct link *link = &watch->links.items[i];
		struct entry *entry = link->kind == LINK_VETH ? entry_find(watch, known, link->ifindex) : NULL;

		if (link->kind != LINK_VETH)
			continue;
		/* Removed since, and made anew: not `seen`, so the old one goes. */
		if (entry && !events_gone(watch->events, link->ifindex))
			entry_touch(watch, entry, link);
		else if (entry_new(watch, link) < 0)
			r = -ENOMEM;
	}
	entries_sweep(watch);
	return r;
}

static bool entry_is_due(const struct port_watch *watch, const struct entry *entry, bool all, int64_t now_ms)
{
	const struct events *events = watch->events;
	bool open = entry->state == PORT_IDENTIFIED;

	if (now_ms < entry->rest_until_ms)
		return false;
	if (entry->look || all || events_overrun(events))
		return true;
	if (!entry->link.elsewhere || entry->state == PORT_IGNORED)
		return false;
	if (entry->evidence.claim || !open) {
		if (events_overrun_elsewhere(events) || events_namespace(events, entry->link.nsid))
			return true;
	}
	return !open && entry->state != PORT_CONFLICT && now_ms >= entry->next_ms;
}

static void entries_look(struct port_watch *watch, int64_t now_ms)
{
	bool verify = events_overrun(watch->events), all = watch->all;

	watch->overruns += verify;
	watch->all = false; /* before: a runtime may ask for more while it is asked */
	for (size_t i = 0; i < watch->entries.count; i++) {
		struct entry *entry = watch->entries.items[i];

		if (!entry_is_due(watch, entry, all, now_ms))
			continue;
		if (verify)
			entry->verified = false;
		entry->look = false;
		entry_look(watch, entry);
		entry->next_ms = now_ms + look_delays_ms[entry->looks];
		if (entry->next_ms < entry->rest_until_ms)
			entry->next_ms = entry->rest_until_ms;
		if (entry->looks + 1 < LOOK_DELAYS)
			entry->looks++;
	}
}

/* The next look at what is not known, and the moment when closed becomes waiting. */
static void entries_schedule(struct port_watch *watch)
{
	int64_t now_ms = monotonic_ms();

	for (size_t i = 0; i < watch->entries.count; i++) {
		const struct entry *entry = watch->entries.items[i];

		if (entry->state != PORT_CLOSED && entry->state != PORT_WAITING)
			continue;
		port_watch_schedule(watch, entry->next_ms > now_ms ? entry->next_ms - now_ms : 0);
		if (entry->state == PORT_CLOSED)
			port_watch_schedule(watch, entry->first_ms + PORT_WAIT_MS - now_ms);
	}
}

static int scan_view(struct port_watch *watch, bool *ret_changed)
{
	struct port_view view = {0};
	uint64_t hash;
	int r = view_build(watch, &view);

	if (r < 0)
		return r;
	hash = view_fingerprint(&view);
	*ret_changed = hash != watch->view_hash;
	view_free(&watch->view);
	watch->view = view;
	watch->view_hash = hash;
	return 0;
}

int scan_run(struct port_watch *watch, bool *ret_changed, struct error *error)
{
	int64_t now_ms = monotonic_ms();
	int r;

	watch->scans++;
	r = events_rearm(watch->events);
	if (r < 0)
		return error_set(error, r, "cannot listen to the kernel's links: %s", strerror(-r));
	r = scan_read(watch, error);
	if (r < 0)
		return r;
	r = entries_update(watch);
	entries_look(watch, now_ms);
	if (r == 0) {
		adopted_sweep(watch); /* of all ports: one that is not listed has not gone */
		r = settle_run(watch, time(NULL), now_ms);
	}
	if (r == 0)
		r = scan_view(watch, ret_changed);
	if (r < 0)
		return error_set(error, r, "cannot scan the ports: %s", strerror(-r));
	events_forget(watch->events);
	watch->started = true;
	watch->looked++;
	entries_schedule(watch);
	return 0;
}

void scan_free(struct port_watch *watch)
{
	for (size_t i = 0; i < watch->entries.count; i++)
		entry_free(watch->entries.items[i]);
	array_free(&watch->entries);
	array_free(&watch->links);
	array_free(&watch->addrs);
	array_free(&watch->routes);
	namespace_pins_free(&watch->pins);
	view_free(&watch->view);
}
