/* SPDX-License-Identifier: GPL-2.0-only */
/* From numbers in events to names, also for events of generations that are no longer in force. */
#include <net/if.h>
#include <time.h>

#include "daemon/daemon.h"

static const struct port *view_port(struct daemon *daemon, uint32_t ifindex)
{
	const struct port_view *view = port_watch_view(daemon->watch);

	for (size_t i = 0; i < view->ports.count; i++)
		if (view->ports.items[i].ifindex == ifindex)
			return &view->ports.items[i];
	return NULL;
}

static const char *name_interface(void *arg, uint32_t ifindex)
{
	const struct port *port = view_port(arg, ifindex);

	return port ? port->name : NULL;
}

static const char *port_owner_name(const struct port *port)
{
	return port && port->has_owner ? port->owner.name : NULL;
}

static const char *name_container(void *arg, uint32_t port_id, uint32_t ifindex)
{
	(void)port_id;
	return port_owner_name(view_port(arg, ifindex));
}

static bool port_has_address(const struct port *port, const struct addr *addr)
{
	for (size_t i = 0; i < port->addresses.count; i++)
		if (addr_equal(&port->addresses.items[i], addr))
			return true;
	return false;
}

/* The port that has the address: on this bridge (0: none) first; elsewhere only when just one has it. */
static const struct port *port_with(struct daemon *daemon, const struct addr *addr, uint32_t bridge)
{
	const struct port_view *view = port_watch_view(daemon->watch);
	const struct port *elsewhere = NULL;
	size_t found = 0;

	for (size_t i = 0; i < view->ports.count; i++) {
		const struct port *port = &view->ports.items[i];

		if (!port_has_address(port, addr))
			continue;
		if (bridge && port->bridge_ifindex == bridge)
			return port;
		elsewhere = port;
		found++;
	}
	return found == 1 ? elsewhere : NULL;
}

/* The same, seen from a port. */
static const struct port *port_at(struct daemon *daemon, int family, const uint8_t *bytes, uint32_t ifindex)
{
	const struct port *here = view_port(daemon, ifindex);
	struct addr addr = addr_from_bytes(family, bytes);

	return port_with(daemon, &addr, here ? here->bridge_ifindex : 0);
}

uint32_t daemon_ifindex_at(struct daemon *daemon, const struct addr *addr, uint32_t bridge)
{
	const struct port *port = port_with(daemon, addr, bridge);

	return port ? port->ifindex : 0;
}

static const char *name_container_at(void *arg, int family, const uint8_t *bytes, uint32_t ifindex)
{
	return port_owner_name(port_at(arg, family, bytes, ifindex));
}

json_t *daemon_other_names(const struct port *port)
{
	json_t *list = port && port->others.count ? json_array() : NULL;

	for (size_t i = 0; list && i < port->others.count; i++)
		json_array_append_new(list, json_string(port->others.items[i].name));
	return list;
}

static json_t *name_others(void *arg, int family, const uint8_t *bytes, uint32_t ifindex)
{
	return daemon_other_names(bytes ? port_at(arg, family, bytes, ifindex) : view_port(arg, ifindex));
}

static const struct table *table_of(struct daemon *daemon, uint32_t generation)
{
	if (daemon->table && daemon->table->generation == generation)
		return daemon->table;
	for (size_t i = 0; i < GENERATIONS_KEPT; i++)
		if (daemon->older[i] && daemon->older[i]->generation == generation)
			return daemon->older[i];
	return NULL;
}

static const char *name_class(void *arg, uint32_t generation, uint32_t class)
{
	struct daemon *daemon = arg;
	const struct table *table = table_of(daemon, generation);

	if (class == BH_CLASS_HOST)
		return "host";
	if (class == BH_CLASS_REMOTE)
		return "outside";
	if (table)
		return table_class_name(table, class);
	return class < BH_IDENTITY_MAX ? registry_identity_name(daemon->registry, class) : NULL;
}

static const struct decision *name_decision(void *arg, uint32_t generation, uint32_t number)
{
	struct daemon *daemon = arg;
	const struct table *table = table_of(daemon, generation);

	if (!table)
		table = daemon->table; /* decision numbers keep their meaning; the place may have moved */
	return table ? table_decision(table, number) : NULL;
}

void daemon_names(struct daemon *daemon, struct event_names *ret_names)
{
	*ret_names = (struct event_names){
		.arg = daemon,
		.interface = name_interface,
		.container = name_container,
		.container_at = name_container_at,
		.others = name_others,
		.class_name = name_class,
		.decision = name_decision,
	};
}

const struct gate_port *daemon_gate_port(const struct daemon *daemon, uint32_t ifindex)
{
	for (size_t i = 0; i < daemon->gate_port_count; i++)
		if (daemon->gate_ports[i].ifindex == ifindex && daemon->gate_ports[i].open)
			return &daemon->gate_ports[i];
	return NULL;
}

int64_t daemon_boot_to_epoch(void)
{
	struct timespec boot, real;

	clock_gettime(CLOCK_BOOTTIME, &boot);
	clock_gettime(CLOCK_REALTIME, &real);
	return (real.tv_sec - boot.tv_sec) * 1000000000ll + (real.tv_nsec - boot.tv_nsec);
}
