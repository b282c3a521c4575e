/* SPDX-License-Identifier: GPL-2.0-only */
/* The state of every port, found anew from what all of them have. Two that want the same address on one bridge: the
 * runtime's word goes before a claim, and the one that was adopted first before the other. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/text.h"
#include "watch.h"

const char *const port_state_names[PORT_STATE_MAX] = {
	[PORT_CLOSED] = "closed",     [PORT_WAITING] = "waiting", [PORT_IDENTIFIED] = "identified",
	[PORT_CONFLICT] = "conflict", [PORT_IGNORED] = "ignored",
};

/* What somebody has: an address or a MAC, in a bridge. */
struct claim_key {
	uint32_t domain;
	uint8_t kind; /* ADDR_V4, ADDR_V6, 1: a MAC */
	uint8_t bytes[16];
	uint8_t padding[3]; /* the whole struct is the key */
};
#define KEY_MAC 1
/* Routed ports share the host's routes, so the addresses of all of them are in one domain. */
#define DOMAIN_ROUTED 0

struct settlement {
	struct port_watch *watch;
	struct map *taken;    /* claim_key → entry */
	struct map *hosts;    /* addr → a link_addr */
	struct entry **order; /* adopted, by order of adoption */
	size_t count;
};

static struct claim_key key_addr(uint32_t domain, const struct addr *addr)
{
	struct claim_key key = {.domain = domain, .kind = addr->family};

	memcpy(key.bytes, addr->bytes, sizeof(addr->bytes));
	return key;
}

static struct claim_key key_mac(uint32_t domain, const struct mac *mac)
{
	struct claim_key key = {.domain = domain, .kind = KEY_MAC};

	memcpy(key.bytes, mac->bytes, sizeof(mac->bytes));
	return key;
}

static void conflict(struct entry *entry, const char *what, const char *why, const struct entry *other)
{
	char name[sizeof(other->link.name) * 4];

	entry->state = PORT_CONFLICT;
	snprintf(entry->reason, sizeof(entry->reason), "%s %s%s", what, why,
		 other ? text_escape(name, sizeof(name), other->link.name) : "");
}

/* 0: it is the entry's now (or was); 1: another's, *ret_other; -ENOMEM. */
static int take(struct settlement *settlement, const struct claim_key *key, struct entry *entry,
		struct entry **ret_other)
{
	struct entry *owner = map_get(settlement->taken, key, sizeof(*key));

	if (owner && owner != entry) {
		*ret_other = owner;
		return 1;
	}
	return owner ? 0 : map_set(settlement->taken, key, sizeof(*key), entry, NULL);
}

static bool is_hosts(const struct settlement *settlement, const struct entry *entry, const struct addr *addr)
{
	const struct link_addr *own = map_get(settlement->hosts, addr, sizeof(*addr));
	uint32_t below = entry->link.master ? entry->link.master : entry->link.ifindex;

	if (!own)
		return false;
	if (!addr_is_link_local(addr))
		return true;
	for (size_t i = 0; i < settlement->watch->addrs.count; i++) {
		own = &settlement->watch->addrs.items[i];
		if (own->ifindex == below && addr_equal(&own->addr, addr))
			return true;
	}
	return false;
}

static int settle_addr(struct settlement *settlement, struct entry *entry, const struct addr *addr, bool strong)
{
	bool link_local = addr_is_link_local(addr);
	uint32_t domain = entry->link.master;
	char text[ADDR_TEXT_MAX];
	struct entry *other = NULL;
	const char *why = NULL;
	int r = 0;

	addr_format(addr, text);
	if (is_hosts(settlement, entry, addr))
		why = "is the host's own";
	else if (port_addrs_hold(&entry->evidence.gateways, addr))
		why = "is its gateway's";
	else if (domain != DOMAIN_ROUTED || !link_local) {
		struct claim_key key = key_addr(domain, addr);

		r = take(settlement, &key, entry, &other);
		if (r < 0)
			return r;
		why = r > 0 ? "belongs to " : NULL;
	}
	if (!why)
		return port_addrs_add(&entry->own, addr);
	/* A claimed link-local address is a courtesy: without it the port still has the one made of its MAC. */
	if (strong || !link_local)
		conflict(entry, text, why, other);
	return 0;
}

static int settle_addrs(struct settlement *settlement, struct entry *entry, const struct port_addrs *addrs, bool strong)
{
	for (size_t i = 0; i < addrs->count; i++) {
		int r = settle_addr(settlement, entry, &addrs->items[i], strong);

		if (r == -ENOSPC)
			settlement->watch->addresses_cut = true;
		else if (r < 0)
			return r;
	}
	return 0;
}

static int settle_mac(struct settlement *settlement, struct entry *entry)
{
	char text[MAC_TEXT_MAX];
	struct entry *other = NULL;
	int r;

	if (!entry->has_mac || entry->link.master == 0)
		return 0;
	struct claim_key key = key_mac(entry->link.master, &entry->mac);
	r = take(settlement, &key, entry, &other);
	if (r > 0)
		conflict(entry, mac_format(&entry->mac, text), "belongs to ", other);
	return r < 0 ? r : 0;
}

/* First what the runtimes gave, then what was claimed. */
static int settle_pass(struct settlement *settlement, bool strong)
{
	for (size_t i = 0; i < settlement->count; i++) {
		struct entry *entry = settlement->order[i];
		int r = entry->evidence.claim == !strong ? settle_mac(settlement, entry) : 0;

		if (r == 0)
			r = settle_addrs(settlement, entry, strong ? &entry->strong : &entry->weak, strong);
		if (r < 0)
			return r;
	}
	return 0;
}

static int entry_order(const void *a, const void *b)
{
	const struct entry *left = *(struct entry *const *)a, *right = *(struct entry *const *)b;

	return (left->order > right->order) - (left->order < right->order);
}

static void state_missing(struct entry *entry, const char *why, int64_t now_ms)
{
	entry->state = now_ms - entry->first_ms >= PORT_WAIT_MS ? PORT_WAITING : PORT_CLOSED;
	snprintf(entry->reason, sizeof(entry->reason), "%s", why);
}

/* A veth of which both ends are here connects two bridges, or this host with itself. But Docker makes both ends in
 * here too, and moves one away: until both are up nobody knows. */
static void state_patch(const struct port_watch *watch, struct entry *entry, int64_t now_ms)
{
	const struct link *other = link_find(&watch->links, entry->link.below);

	if (!other || !other->up || !entry->link.up) {
		state_missing(entry, "its other end is in this namespace, and not both are up", now_ms);
		return;
	}
	entry->state = PORT_IGNORED;
	snprintf(entry->reason, sizeof(entry->reason), "both ends are in this namespace");
}

static void state_first(struct port_watch *watch, struct entry *entry, int64_t now_ms)
{
	const struct port_options *options = &watch->options;

	entry->reason[0] = '\0';
	entry->own.count = 0;
	if (options->manages && !options->manages(options->manages_arg, entry->link.name)) {
		entry->state = PORT_IGNORED;
		snprintf(entry->reason, sizeof(entry->reason), "left out by the settings");
	} else if (!entry->link.elsewhere) {
		state_patch(watch, entry, now_ms);
	} else if (!entry->adopted || !entry->verified) {
		state_missing(entry, entry->missing[0] ? entry->missing : "nothing is known of it yet", now_ms);
	} else {
		entry->state = PORT_IDENTIFIED;
	}
}

static int settlement_run(struct settlement *settlement, int64_t now_ms)
{
	struct port_watch *watch = settlement->watch;
	int r;

	for (size_t i = 0; i < watch->entries.count; i++) {
		struct entry *entry = watch->entries.items[i];

		state_first(watch, entry, now_ms);
		if (entry->state == PORT_IDENTIFIED)
			settlement->order[settlement->count++] = entry;
	}
	if (settlement->count > 0)
		qsort(settlement->order, settlement->count, sizeof(struct entry *), entry_order);
	for (size_t i = 0; i < watch->addrs.count; i++) {
		r = map_set(settlement->hosts, &watch->addrs.items[i].addr, sizeof(struct addr), &watch->addrs.items[i],
			    NULL);
		if (r < 0)
			return r;
	}
	r = settle_pass(settlement, true);
	return r < 0 ? r : settle_pass(settlement, false);
}

int settle_run(struct port_watch *watch, int64_t now_s, int64_t now_ms)
{
	struct settlement settlement = {.watch = watch, .taken = map_new(), .hosts = map_new()};
	enum port_state *before = calloc(watch->entries.count + 1, sizeof(*before));
	int r = -ENOMEM;

	settlement.order = calloc(watch->entries.count + 1, sizeof(struct entry *));
	for (size_t i = 0; before && i < watch->entries.count; i++)
		before[i] = watch->entries.items[i]->state;
	if (settlement.taken && settlement.hosts && settlement.order && before)
		r = settlement_run(&settlement, now_ms);
	for (size_t i = 0; before && i < watch->entries.count; i++) {
		struct entry *entry = watch->entries.items[i];

		if (r < 0) /* half settled: nothing may be open on the strength of it */
			state_missing(entry, "out of memory", now_ms);
		if (entry->state == PORT_IDENTIFIED && (entry->state != before[i] || entry->since == 0))
			entry->identified_ns = monotonic_ns();
		if (entry->state != before[i] || entry->since == 0)
			entry->since = now_s;
	}
	map_free(settlement.taken, NULL);
	map_free(settlement.hosts, NULL);
	free(settlement.order);
	free(before);
	return r;
}
