/* SPDX-License-Identifier: GPL-2.0-only */
#include "daemon/desired.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

static void *zeroed(size_t count, size_t size)
{
	return calloc(count ? count : 1, size);
}

static void port_fill(struct gate_port *gate_port, const struct port *port)
{
	memcpy(gate_port->name, port->name, sizeof(gate_port->name));
	gate_port->ifindex = port->ifindex;
	gate_port->key = port->key;
	gate_port->domain = port->bridge_ifindex;
	gate_port->mac = port->mac;
	gate_port->addresses = port->addresses.items;
	gate_port->address_count = port->addresses.count;
	gate_port->gateways = port->gateways.items;
	gate_port->gateway_count = port->gateways.count;
	gate_port->open = port->state == PORT_IDENTIFIED;
}

/* Seen, and not known yet: most of them will be, and soon. */
static bool is_expected(const struct port *port)
{
	return (port->state == PORT_CLOSED || port->state == PORT_WAITING) && !port->patch;
}

static int ports_build(const struct port_view *view, const uint32_t *index, struct desired *next)
{
	next->ports = zeroed(view->ports.count, sizeof(*next->ports));
	next->world_index = zeroed(view->ports.count, sizeof(*next->world_index));
	next->view_port = zeroed(view->ports.count, sizeof(*next->view_port));
	if (!next->ports || !next->world_index || !next->view_port)
		return -ENOMEM;
	for (size_t i = 0; i < view->ports.count; i++) {
		if (index[i] == UINT32_MAX ? !is_expected(&view->ports.items[i])
					   : next->world.ports.items[index[i]].unpoliced)
			continue;
		port_fill(&next->ports[next->port_count], &view->ports.items[i]);
		next->world_index[next->port_count] = index[i];
		next->view_port[next->port_count] = &view->ports.items[i];
		next->port_count++;
	}
	return 0;
}

static int ignored_build(const struct port_view *view, const uint32_t *index, struct desired *next)
{
	next->ignored = zeroed(view->ports.count, sizeof(*next->ignored));
	if (!next->ignored)
		return -ENOMEM;
	for (size_t i = 0; i < view->ports.count; i++) {
		const struct port *port = &view->ports.items[i];
		struct gate_ignored *ignored;

		if (index[i] == UINT32_MAX || !next->world.ports.items[index[i]].unpoliced)
			continue;
		ignored = &next->ignored[next->gate.ignored_count++];
		memcpy(ignored->name, port->name, sizeof(ignored->name));
		ignored->ifindex = port->ifindex;
		ignored->patch = port->patch;
	}
	next->gate.ignored = next->ignored;
	return 0;
}

static int bridges_build(const struct port_view *view, struct desired *next)
{
	next->bridges = zeroed(view->bridges.count, sizeof(*next->bridges));
	if (!next->bridges)
		return -ENOMEM;
	for (size_t i = 0; i < view->bridges.count; i++) {
		struct gate_bridge *bridge = &next->bridges[next->gate.bridge_count];

		if (!view->bridges.items[i].managed)
			continue;
		memcpy(bridge->name, view->bridges.items[i].name, sizeof(bridge->name));
		bridge->ifindex = view->bridges.items[i].ifindex;
		next->gate.bridge_count++;
	}
	next->gate.bridges = next->bridges;
	return 0;
}

static int via_build(const struct policy *policy, struct desired *next)
{
	next->via = zeroed(policy->zones.count, sizeof(*next->via));
	if (!next->via)
		return -ENOMEM;
	for (size_t i = 0; i < policy->zones.count; i++) {
		const struct zone *zone = &policy->zones.items[i];

		if (zone->via.count == 0 || zone->subnets.count == 0)
			continue;
		next->via[next->gate.via_count++] = (struct gate_via){
			.zone = zone->name,
			.subnets = zone->subnets.items,
			.subnet_count = zone->subnets.count,
			.interfaces = (const char *const *)zone->via.items,
			.interface_count = zone->via.count,
		};
	}
	next->gate.via = next->via;
	return 0;
}

int desired_build(struct daemon *daemon, struct desired *next, struct error *error)
{
	const struct port_view *view = port_watch_view(daemon->watch);
	AUTO_FREE uint32_t *index = NULL;
	int r;

	r = daemon_world_build(view, &next->world, &index);
	if (r == 0) {
		world_mark_unpoliced(&next->world, &daemon->policy->settings);
		r = ports_build(view, index, next);
	}
	if (r == 0)
		r = ignored_build(view, index, next);
	if (r == 0)
		r = bridges_build(view, next);
	if (r == 0)
		r = via_build(daemon->policy, next);
	return r < 0 ? error_set(error, r, "out of memory") : 0;
}

static const struct port_seeds *seeds_of(const struct daemon *daemon, uint64_t key)
{
	for (size_t i = 0; i < daemon->seeds.count; i++)
		if (daemon->seeds.items[i].key == key)
			return &daemon->seeds.items[i];
	return NULL;
}

/* Published ports of all containers. */
static int published_build(struct desired *next)
{
	size_t count = 0;

	for (size_t i = 0; i < next->port_count; i++)
		count += next->ports[i].open ? next->view_port[i]->published.count : 0;
	next->published = zeroed(count, sizeof(*next->published));
	if (!next->published)
		return -ENOMEM;
	for (size_t i = 0; i < next->port_count; i++) {
		const struct port *port = next->view_port[i];

		for (size_t j = 0; next->ports[i].open && j < port->published.count; j++) {
			const struct published *item = &port->published.items[j];

			next->published[next->gate.published_count++] = (struct gate_published){
				.protocol = item->protocol,
				.port = item->host_port,
				.at = item->at,
				.identity = next->ports[i].identity,
				.container_port = item->container_port,
			};
		}
	}
	next->gate.published = next->published;
	return 0;
}

int desired_finish(struct daemon *daemon, struct desired *next, struct error *error)
{
	for (size_t i = 0; i < next->port_count; i++) {
		const struct port_seeds *seeds = seeds_of(daemon, next->view_port[i]->key);

		if (next->world_index[i] == UINT32_MAX)
			continue;
		next->ports[i].identity = next->table->ports.items[next->world_index[i]].identity;
		if (seeds) {
			next->ports[i].seeds = seeds->seeds.items;
			next->ports[i].seed_count = seeds->seeds.count;
		}
	}
	next->overruns = port_watch_view(daemon->watch)->overruns;
	next->gate.doubt = next->overruns != daemon->overruns;
	next->gate.table = next->table;
	next->gate.ports = next->ports;
	next->gate.port_count = next->port_count;
	next->gate.reject = daemon->policy->settings.reject;
	if (published_build(next) < 0)
		return error_set(error, -ENOMEM, "out of memory");
	return 0;
}

void desired_free(struct desired *next)
{
	world_free(&next->world);
	table_free(next->table);
	free(next->ports);
	free(next->world_index);
	free(next->view_port);
	free(next->ignored);
	free(next->via);
	free(next->bridges);
	free(next->published);
	*next = (struct desired){0};
}

void desired_keep_ports(struct desired *next, struct gate_port **ports, size_t *count)
{
	for (size_t i = 0; i < next->port_count; i++) {
		struct gate_port *port = &next->ports[i];

		port->addresses = port->gateways = NULL;
		port->address_count = port->gateway_count = 0;
		port->seeds = NULL;
		port->seed_count = 0;
	}
	free(*ports);
	*ports = TAKE(next->ports);
	*count = next->port_count;
	next->port_count = 0;
}

const char *desired_container_name(const struct desired *next, size_t index, char *buffer, size_t size)
{
	const struct world_port *port = &next->world.ports.items[next->world_index[index]];
	const char *name = port->container == WORLD_NOBODY ? NULL : next->world.containers.items[port->container].name;

	return text_escape(buffer, size, name ? name : port->interface);
}
