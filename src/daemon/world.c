/* SPDX-License-Identifier: GPL-2.0-only */
/* From the watcher's view of the host to the policy's world. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/text.h"
#include "daemon/daemon.h"

static int copy_text(char **ret_copy, const char *text)
{
	if (!text)
		return 0;
	*ret_copy = strdup(text);
	return *ret_copy ? 0 : -ENOMEM;
}

static int addrs_copy(struct addrs *to, const struct port_addrs *from)
{
	if (array_reserve(to, from->count) < 0)
		return -ENOMEM;
	if (from->count)
		memcpy(to->items, from->items, from->count * sizeof(*from->items));
	to->count = from->count;
	return 0;
}

static int container_fill(struct container *container, const struct owner *owner)
{
	int r = 0;

	r |= copy_text(&container->name, owner->name);
	r |= copy_text(&container->runtime, owner->runtime);
	r |= copy_text(&container->image, owner->image);
	r |= copy_text(&container->namespace, owner->namespace);
	r |= copy_text(&container->cgroup, owner->cgroup);
	r |= copy_text(&container->id, owner->id);
	for (size_t i = 0; i < owner->labels.count; i++) {
		struct label *label = array_append(&container->labels);

		if (!label)
			return -ENOMEM;
		r |= copy_text(&label->key, owner->labels.items[i].key);
		r |= copy_text(&label->value, owner->labels.items[i].value);
	}
	return r ? -ENOMEM : 0;
}

/* Everything that a policy may ask of: two ports of which different things are said are never one container's. */
static void container_key(const struct owner *owner, uint64_t cookie, struct text *key)
{
	const char *const fields[] = {owner->runtime, owner->id,	owner->name,
				      owner->image,   owner->namespace, owner->cgroup};

	text_appendf(key, "%llx ", (unsigned long long)cookie);
	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
		const char *field = fields[i] ? fields[i] : "";

		text_append_bytes(key, field, strlen(field) + 1);
	}
	for (size_t i = 0; i < owner->labels.count; i++) {
		text_append_bytes(key, owner->labels.items[i].key, strlen(owner->labels.items[i].key) + 1);
		text_append_bytes(key, owner->labels.items[i].value, strlen(owner->labels.items[i].value) + 1);
	}
}

/* Ports of one container share it. */
static int container_of(struct world *world, struct map *known, const struct owner *owner, uint64_t cookie,
			uint32_t *ret_index)
{
	struct text key = {0};
	struct container *container;
	void *found;
	int r;

	container_key(owner, cookie, &key);
	found = key.failed ? NULL : map_get(known, key.data, key.length);
	if (found)
		*ret_index = (uint32_t)((uintptr_t)found - 1);
	if (found || key.failed) {
		r = key.failed ? -ENOMEM : 0;
		text_free(&key);
		return r;
	}
	container = array_append(&world->containers);
	r = container ? container_fill(container, owner) : -ENOMEM;
	if (r == 0) {
		*ret_index = (uint32_t)world->containers.count - 1;
		/* The value is the index plus one, since a map holds no NULL. */
		r = map_set(known, key.data, key.length, (void *)(uintptr_t)world->containers.count, NULL);
	}
	text_free(&key);
	return r;
}

static int port_add(struct world *world, struct map *known, const struct port *port)
{
	struct world_port *item = array_append(&world->ports);
	int r;

	if (!item)
		return -ENOMEM;
	item->container = WORLD_NOBODY;
	item->ifindex = port->ifindex;
	item->domain = port->bridge_ifindex;
	item->mac = port->mac;
	item->unpoliced = port->state == PORT_IGNORED;
	r = copy_text(&item->interface, port->name);
	if (r == 0 && port->bridge_ifindex)
		r = copy_text(&item->bridge, port->bridge);
	if (r == 0 && port->has_owner)
		r = copy_text(&item->network, port->owner.network);
	if (r == 0)
		r = addrs_copy(&item->addresses, &port->addresses);
	if (r == 0 && port->has_owner)
		r = container_of(world, known, &port->owner, port->cookie, &item->container);
	for (size_t i = 0; r == 0 && i < port->others.count; i++) {
		uint32_t *slot = array_append(&item->others);

		r = slot ? container_of(world, known, &port->others.items[i], port->cookie, slot) : -ENOMEM;
	}
	return r;
}

static int bridges_add(struct world *world, const struct port_view *view)
{
	for (size_t i = 0; i < view->bridges.count; i++) {
		const struct host_bridge *bridge = &view->bridges.items[i];
		struct world_bridge *item;

		if (!bridge->managed)
			continue;
		item = array_append(&world->bridges);
		if (!item)
			return -ENOMEM;
		item->domain = bridge->ifindex;
		item->name = strdup(bridge->name);
		if (!item->name || array_reserve(&item->subnets, bridge->subnets.count) < 0)
			return -ENOMEM;
		for (size_t j = 0; j < bridge->subnets.count; j++)
			item->subnets.items[item->subnets.count++] = bridge->subnets.items[j];
	}
	return 0;
}

static bool belongs_to_world(const struct port *port)
{
	switch (port->state) {
	case PORT_IDENTIFIED:
	case PORT_IGNORED:
		return true;
	case PORT_CLOSED:
	case PORT_WAITING:
	case PORT_CONFLICT: /* whose its addresses are is in doubt: they are nobody's */
	case PORT_STATE_MAX:
		break;
	}
	return false;
}

int daemon_world_build(const struct port_view *view, struct world *ret_world, uint32_t **ret_index)
{
	uint32_t *index = calloc(view->ports.count ? view->ports.count : 1, sizeof(*index));
	struct map *known = map_new();
	struct world world = {0};
	int r = index && known ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < view->ports.count; i++) {
		index[i] = UINT32_MAX;
		if (!belongs_to_world(&view->ports.items[i]))
			continue;
		r = port_add(&world, known, &view->ports.items[i]);
		index[i] = (uint32_t)world.ports.count - 1;
	}
	if (r == 0)
		r = addrs_copy(&world.host_addresses, &view->host_addresses);
	if (r == 0)
		r = bridges_add(&world, view);
	map_free(known, NULL);
	if (r < 0) {
		world_free(&world);
		free(index);
		return r;
	}
	*ret_world = world;
	*ret_index = index;
	return 0;
}
