/* SPDX-License-Identifier: GPL-2.0-only */
/* The view: what the watcher shows of all it knows, made anew by each scan. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "watch.h"

/* What can't be policed is listed up to this many; a list that nobody reads to its end helps nobody. */
#define UNPOLICED_MAX 4096u

static void port_free(struct port *port)
{
	owner_free(&port->owner);
	owners_free(&port->others);
	array_free(&port->addresses);
	array_free(&port->gateways);
	array_free(&port->published);
}

void view_free(struct port_view *view)
{
	for (size_t i = 0; i < view->ports.count; i++)
		port_free(&view->ports.items[i]);
	for (size_t i = 0; i < view->bridges.count; i++)
		array_free(&view->bridges.items[i].subnets);
	for (size_t i = 0; i < view->unpoliced.count; i++) {
		free(view->unpoliced.items[i].name);
		free(view->unpoliced.items[i].runtime);
		free(view->unpoliced.items[i].why);
	}
	array_free(&view->ports);
	array_free(&view->bridges);
	array_free(&view->host_addresses);
	array_free(&view->unpoliced);
}

/* Those of the runtime, and what the host itself has on the port's bridge (or on the port, where it is routed). */
static int gateways_build(const struct port_watch *watch, const struct entry *entry, struct port *port)
{
	uint32_t below = entry->link.master ? entry->link.master : entry->link.ifindex;
	int r = port_addrs_copy(&entry->evidence.gateways, &port->gateways);

	for (size_t i = 0; r == 0 && i < watch->addrs.count; i++) {
		if (watch->addrs.items[i].ifindex == below)
			r = port_addrs_add(&port->gateways, &watch->addrs.items[i].addr);
	}
	return r == -ENOSPC ? 0 : r; /* a bridge of more than 64 addresses: all of them are the host's anyway */
}

static int port_build_owner(const struct entry *entry, struct port *port)
{
	const struct evidence *evidence = &entry->evidence;

	if (!evidence->has_owner)
		return 0;
	if (owner_copy(&evidence->owner, &port->owner) < 0 || owners_copy(&evidence->others, &port->others) < 0)
		return -ENOMEM;
	port->has_owner = true;
	if (evidence->published.count == 0)
		return 0;
	if (array_reserve(&port->published, evidence->published.count) < 0)
		return -ENOMEM;
	memcpy(port->published.items, evidence->published.items,
	       evidence->published.count * sizeof(*evidence->published.items));
	port->published.count = evidence->published.count;
	return 0;
}

static int port_build(const struct port_watch *watch, const struct entry *entry, struct port *port)
{
	const struct link *bridge = link_find(&watch->links, entry->link.master);
	int r;

	port->key = entry->key;
	port->ifindex = entry->link.ifindex;
	memcpy(port->name, entry->link.name, sizeof(port->name));
	port->bridge_ifindex = entry->link.master;
	if (bridge)
		memcpy(port->bridge, bridge->name, sizeof(port->bridge));
	port->has_mac = entry->has_mac;
	port->mac = entry->mac;
	port->cookie = entry->namespace.cookie;
	port->patch = !entry->link.elsewhere;
	port->state = entry->state;
	memcpy(port->reason, entry->reason, sizeof(port->reason));
	port->since = entry->since;
	port->identified_ns = entry->identified_ns;
	port->existed_at_start = entry->existed_at_start;
	if (!entry->adopted)
		return 0;
	r = entry->state == PORT_IDENTIFIED ? port_addrs_copy(&entry->own, &port->addresses) : 0;
	if (r == 0)
		r = gateways_build(watch, entry, port);
	return r == 0 ? port_build_owner(entry, port) : r;
}

static int ports_build(const struct port_watch *watch, struct port_view *view)
{
	for (size_t i = 0; i < watch->entries.count; i++) {
		struct port *port = array_append(&view->ports);
		int r = port ? port_build(watch, watch->entries.items[i], port) : -ENOMEM;

		if (r < 0)
			return r;
	}
	return 0;
}

static int subnet_add(struct host_bridge *bridge, const struct prefix *subnet)
{
	struct prefix *slot;

	for (size_t i = 0; i < bridge->subnets.count; i++) {
		if (prefix_compare(&bridge->subnets.items[i], subnet) == 0)
			return 0;
	}
	slot = array_append(&bridge->subnets);
	if (!slot)
		return -ENOMEM;
	*slot = *subnet;
	return 0;
}

static bool bridge_is_managed(const struct port_watch *watch, uint32_t ifindex)
{
	for (size_t i = 0; i < watch->entries.count; i++) {
		const struct entry *entry = watch->entries.items[i];

		if (entry->link.master == ifindex && entry->state != PORT_IGNORED)
			return true;
	}
	return false;
}

static int bridges_build(const struct port_watch *watch, struct port_view *view)
{
	for (size_t i = 0; i < watch->links.count; i++) {
		const struct link *link = &watch->links.items[i];
		struct host_bridge *bridge;

		if (link->kind != LINK_BRIDGE)
			continue;
		bridge = array_append(&view->bridges);
		if (!bridge)
			return -ENOMEM;
		memcpy(bridge->name, link->name, sizeof(bridge->name));
		bridge->ifindex = link->ifindex;
		bridge->managed = bridge_is_managed(watch, link->ifindex);
		for (size_t j = 0; j < watch->addrs.count; j++) {
			const struct link_addr *own = &watch->addrs.items[j];
			struct prefix subnet = subnet_of(own);

			/* Every link has fe80::/64, so that it tells nothing. */
			if (own->ifindex == link->ifindex && !addr_is_link_local(&own->addr) &&
			    subnet_add(bridge, &subnet) < 0)
				return -ENOMEM;
		}
	}
	return 0;
}

int network_add(struct port_watch *watch, const char *bridge, const struct prefix *subnet)
{
	struct port_view *view = watch->building;

	for (size_t i = 0; i < view->bridges.count; i++) {
		if (strcmp(view->bridges.items[i].name, bridge) == 0)
			return subnet_add(&view->bridges.items[i], subnet);
	}
	return 0;
}

int unpoliced_add(struct port_watch *watch, const char *name, const char *runtime, const char *why)
{
	struct unpoliced *slot;

	if (watch->building->unpoliced.count >= UNPOLICED_MAX)
		return 0;
	slot = array_append(&watch->building->unpoliced);
	if (!slot)
		return -ENOMEM;
	slot->name = strdup(name);
	slot->runtime = runtime ? strdup(runtime) : NULL;
	slot->why = strdup(why);
	return slot->name && slot->why && (!runtime || slot->runtime) ? 0 : -ENOMEM;
}

static const struct host_bridge *managed_bridge(const struct port_view *view, uint32_t ifindex)
{
	for (size_t i = 0; i < view->bridges.count; i++) {
		if (view->bridges.items[i].ifindex == ifindex)
			return view->bridges.items[i].managed ? &view->bridges.items[i] : NULL;
	}
	return NULL;
}

static bool is_policed(const struct port_watch *watch, uint32_t ifindex)
{
	for (size_t i = 0; i < watch->entries.count; i++) {
		if (watch->entries.items[i]->link.ifindex == ifindex)
			return watch->entries.items[i]->state != PORT_IGNORED;
	}
	return false;
}

/* What else is on a bridge with ports: an uplink, a tap, a veth that is left out. */
static int neighbours_build(struct port_watch *watch, const struct port_view *view)
{
	char why[REASON_MAX], name[sizeof(((struct link *)0)->name) * 4];

	for (size_t i = 0; i < watch->links.count; i++) {
		const struct link *link = &watch->links.items[i];
		const struct host_bridge *bridge = link->master ? managed_bridge(view, link->master) : NULL;

		if (!bridge || is_policed(watch, link->ifindex))
			continue;
		snprintf(why, sizeof(why), "it is on the bridge '%.60s' beside policed ports",
			 text_escape(name, sizeof(name), bridge->name));
		if (unpoliced_add(watch, text_escape(name, sizeof(name), link->name), NULL, why) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int host_addresses_build(const struct port_watch *watch, struct port_view *view)
{
	if (array_reserve(&view->host_addresses, watch->addrs.count) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < watch->addrs.count; i++)
		view->host_addresses.items[view->host_addresses.count++] = watch->addrs.items[i].addr;
	return 0;
}

int view_build(struct port_watch *watch, struct port_view *ret_view)
{
	struct port_view view = {0};
	int r = ports_build(watch, &view);

	if (r == 0)
		r = bridges_build(watch, &view);
	if (r == 0)
		r = host_addresses_build(watch, &view);
	watch->building = &view;
	if (r == 0)
		r = neighbours_build(watch, &view);
	for (size_t i = 0; r == 0 && i < RUNTIME_COUNT; i++)
		r = runtimes[i]->list ? runtimes[i]->list(watch->states[i], watch) : 0;
	watch->building = NULL;
	if (r < 0) {
		view_free(&view);
		return r;
	}
	view.overruns = watch->overruns;
	*ret_view = view;
	return 0;
}

/* FNV-1a over everything that is shown. */
static uint64_t hash_bytes(uint64_t hash, const void *data, size_t size)
{
	const uint8_t *bytes = data;

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
	return hash;
}

static uint64_t hash_text(uint64_t hash, const char *text)
{
	return text ? hash_bytes(hash, text, strlen(text) + 1) : hash_bytes(hash, "\1", 1);
}

static uint64_t hash_number(uint64_t hash, uint64_t number)
{
	return hash_bytes(hash, &number, sizeof(number));
}

static uint64_t hash_addrs(uint64_t hash, const struct port_addrs *addrs)
{
	hash = hash_number(hash, addrs->count);
	for (size_t i = 0; i < addrs->count; i++)
		hash = hash_bytes(hash, &addrs->items[i], sizeof(addrs->items[i]));
	return hash;
}

static uint64_t hash_owner(uint64_t hash, const struct owner *owner)
{
	const char *const texts[] = {owner->id,	       owner->name,   owner->runtime, owner->image,
				     owner->namespace, owner->cgroup, owner->network};

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		hash = hash_text(hash, texts[i]);
	hash = hash_number(hash, owner->labels.count);
	for (size_t i = 0; i < owner->labels.count; i++) {
		hash = hash_text(hash, owner->labels.items[i].key);
		hash = hash_text(hash, owner->labels.items[i].value);
	}
	return hash;
}

static uint64_t hash_port(uint64_t hash, const struct port *port)
{
	const uint64_t numbers[] = {port->key,
				    port->ifindex,
				    port->bridge_ifindex,
				    port->has_mac,
				    port->cookie,
				    port->patch,
				    port->state,
				    (uint64_t)port->since,
				    port->has_owner,
				    port->existed_at_start,
				    port->others.count,
				    port->published.count};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		hash = hash_number(hash, numbers[i]);
	hash = hash_text(hash, port->name);
	hash = hash_text(hash, port->bridge);
	hash = hash_bytes(hash, &port->mac, sizeof(port->mac));
	hash = hash_text(hash, port->reason);
	hash = hash_owner(hash, &port->owner);
	for (size_t i = 0; i < port->others.count; i++)
		hash = hash_owner(hash, &port->others.items[i]);
	hash = hash_addrs(hash, &port->addresses);
	hash = hash_addrs(hash, &port->gateways);
	for (size_t i = 0; i < port->published.count; i++) {
		const struct published *item = &port->published.items[i];

		hash = hash_number(hash, (uint64_t)item->protocol << 40 | (uint64_t)item->host_port << 24 |
						 (uint64_t)item->container_port << 8 | item->at.length);
		hash = hash_bytes(hash, &item->at.addr, sizeof(item->at.addr));
	}
	return hash;
}

uint64_t view_fingerprint(const struct port_view *view)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < view->ports.count; i++)
		hash = hash_port(hash, &view->ports.items[i]);
	for (size_t i = 0; i < view->bridges.count; i++) {
		const struct host_bridge *bridge = &view->bridges.items[i];

		hash = hash_text(hash, bridge->name);
		hash = hash_number(hash, (uint64_t)bridge->ifindex << 1 | bridge->managed);
		hash = hash_number(hash, bridge->subnets.count);
		for (size_t j = 0; j < bridge->subnets.count; j++)
			hash = hash_bytes(hash, &bridge->subnets.items[j], sizeof(bridge->subnets.items[j]));
	}
	hash = hash_addrs(hash, &view->host_addresses);
	hash = hash_number(hash, view->overruns);
	for (size_t i = 0; i < view->unpoliced.count; i++) {
		hash = hash_text(hash, view->unpoliced.items[i].name);
		hash = hash_text(hash, view->unpoliced.items[i].runtime);
		hash = hash_text(hash, view->unpoliced.items[i].why);
	}
	return hash;
}
