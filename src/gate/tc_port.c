/* SPDX-License-Identifier: GPL-2.0-only */
/* Ports: who they are to the programs, and when they open.
 *
 * A port's number (id) is never used again; its index is, when no program can still use it for the port before. All
 * is done while the port is closed; the flip opens it. */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "gate/tc_private.h"

struct tc_port *tc_port_find(const struct tc_gate *tc, uint32_t ifindex)
{
	return map_get(tc->ports, &ifindex, sizeof(ifindex));
}

static int port_write(const struct tc_gate *tc, struct tc_port *port)
{
	int result = bpf_map_update_elem(tc->maps[TC_PORTS], &port->ifindex, &port->entry, BPF_ANY);

	if (result == 0)
		port->written = true;
	return result;
}

/* ---- Closing -------------------------------------------------------------------------------------------------------
 */

/* Is what was a port still the same one? An interface's number may be used again. */
static bool port_is_same(const struct tc_port *port, const struct gate_port *gate, bool doubt)
{
	/* One that was not open yet has no address. */
	if (port->broken || (port->written && memcmp(port->entry.mac, gate->mac.bytes, sizeof(port->entry.mac)) != 0))
		return false;
	if (gate->key && port->key && gate->key != port->key)
		return false;
	if (gate->key && port->key && !doubt)
		return true;
	/* A link outlives its interface, and then tells of none. But to ask takes the lock of all interfaces: many
	 * ports would wait long for it while containers come and go. */
	for (int direction = 0; direction < TC_DIRECTION_MAX; direction++)
		if (port->links[direction] >= 0 && tc_tcx_is_dead(port->links[direction]))
			return false;
	return true;
}

static int port_shut(const struct tc_gate *tc, struct tc_port *port)
{
	port->open_pending = false;
	if (!port->written)
		return 0;
	port->entry.flags &= ~(uint32_t)BH_PORT_OPEN;
	return port_write(tc, port);
}

/* Gone ports' flow maps give way to an empty one, all in one call: it waits until no program is at work on them. */
static int flows_drop(struct tc_gate *tc, const struct tc_entries *gone)
{
	int result;

	tc_grace_shorten(tc);
	result = tc_entries_write(tc->maps[TC_FLOWS], gone);
	/* One that could not be dropped gives way when its index is used again. */
	for (size_t i = 0; i < gone->count; i++) {
		uint32_t index;

		memcpy(&index, gone->keys + i * sizeof(index), sizeof(index));
		tc_index_free(tc, index);
	}
	return result;
}

static int port_drop(struct tc_gate *tc, struct tc_port *port, struct tc_entries *gone)
{
	void *index, *flows;
	int result = bpf_map_delete_elem(tc->maps[TC_PORTS], &port->ifindex);

	if (result < 0 && result != -ENOENT)
		return result;
	if (!port->broken) {
		result = tc_entries_append(gone, &index, &flows);
		if (result < 0)
			return result;
		memcpy(index, &port->entry.index, sizeof(uint32_t));
		memcpy(flows, &tc->no_flows, sizeof(uint32_t));
	}
	tc_grace_shorten(tc);
	tc_detach_port(tc, port);
	map_remove(tc->ports, &port->ifindex, sizeof(port->ifindex));
	tc_port_free(port);
	return 0;
}

static struct map *desired_by_ifindex(const struct gate_desired *desired)
{
	struct map *map = map_new();

	for (size_t i = 0; map && i < desired->port_count; i++) {
		struct gate_port *gate = &desired->ports[i];

		if (map_get(map, &gate->ifindex, sizeof(gate->ifindex)))
			continue; /* a second one is refused when it is to be opened */
		if (map_set(map, &gate->ifindex, sizeof(gate->ifindex), gate, NULL) < 0) {
			map_free(map, NULL);
			return NULL;
		}
	}
	return map;
}

int tc_ports_close(struct tc_gate *tc, const struct gate_desired *desired, struct error *error)
{
	struct tc_entries gone = {.key_size = sizeof(uint32_t), .value_size = sizeof(uint32_t)};
	struct map *wanted = desired_by_ifindex(desired);
	int result = wanted ? 0 : -ENOMEM;
	void *value;

	for (size_t i = 0; result == 0 && map_next(tc->ports, &i, NULL, NULL, &value);) {
		struct tc_port *port = value;
		const struct gate_port *gate = map_get(wanted, &port->ifindex, sizeof(port->ifindex));

		port->suspect |= desired->doubt;
		/* What closes goes, flows and all: whoever has it when it opens again is another. */
		if (!gate || !port_is_same(port, gate, desired->doubt) || (!gate->open && port->written))
			result = port_drop(tc, port, &gone);
	}
	map_free(wanted, NULL);
	if (result == 0 && gone.count)
		result = flows_drop(tc, &gone);
	tc_entries_free(&gone);
	if (result < 0)
		return error_set(error, result, "cannot close the ports that go: %s", strerror(-result));
	tc_pin_sweep(tc);
	return 0;
}

/* ---- Opening -------------------------------------------------------------------------------------------------------
 */

static void __attribute__((format(printf, 3, 4)))
port_problem(struct gate_port *gate, int result, const char *format, ...)
{
	va_list args;

	gate->ret_result = result;
	va_start(args, format);
	vsnprintf(gate->ret_problem, sizeof(gate->ret_problem), format, args);
	va_end(args);
}

/* New ones get number, index and flow map; what can't is told of each port. */
static int ports_make(struct tc_gate *tc, struct gate_desired *desired, struct error *error)
{
	struct tc_entries flows = {.key_size = sizeof(uint32_t), .value_size = sizeof(uint32_t)};
	int result;

	for (size_t i = 0; i < desired->port_count; i++) {
		struct gate_port *gate = &desired->ports[i];
		struct tc_port *port = tc_port_find(tc, gate->ifindex);

		gate->ret_result = 0;
		gate->ret_problem[0] = '\0';
		if (!gate->open)
			continue;
		if (gate->address_count + gate->gateway_count > BH_PORT_ADDRS_MAX) {
			port_problem(gate, -E2BIG, "it has %zu addresses; a port may have %u",
				     gate->address_count + gate->gateway_count, BH_PORT_ADDRS_MAX);
			continue;
		}
		if (!port && flows.count == TC_OPENINGS_A_TURN) {
			port_problem(gate, -EAGAIN, "it waits for its turn");
			continue;
		}
		if (!port) {
			result = tc_port_make(tc, gate, &flows);
			if (result == -ENOSPC)
				port_problem(gate, result, "there are more ports than %u", BH_PORTS_MAX);
			else if (result < 0)
				port_problem(gate, result == -EAGAIN ? -EBUSY : result, "cannot make its flow map: %s",
					     strerror(-result));
			port = tc_port_find(tc, gate->ifindex);
		} else if (port->desired) {
			port_problem(gate, -EEXIST, "%s is named twice", gate->name);
			continue;
		}
		if (port) {
			port->desired = true;
			port->key = gate->key;
			memcpy(port->name, gate->name, sizeof(port->name));
		}
	}
	result = tc_flows_place(tc, &flows, error);
	tc_entries_free(&flows);
	return result;
}

static int own_add(struct tc_gate *tc, const struct tc_port *port, const struct addr *addr, uint32_t kind,
		   const struct tc_entries *kernel, bool *seen)
{
	struct bh_own_key key = {.port_id = port->entry.id, .family = addr->family};
	struct bh_own value = {.kind = kind};
	const unsigned char *found;
	int result;

	memcpy(key.addr, addr->bytes, sizeof(key.addr));
	found = tc_entries_find(kernel, &key);
	if (found) {
		seen[(size_t)(found - kernel->values) / kernel->value_size] = true;
		if (memcmp(found, &value, sizeof(value)) == 0)
			return 0;
	} else {
		result = tc_removals_add(&tc->undo, TC_OWN, &key, sizeof(key));
		if (result < 0)
			return result;
	}
	return bpf_map_update_elem(tc->maps[TC_OWN], &key, &value, BPF_ANY);
}

/* A gateway that is also an own address is the port's own: a router is its own gateway. */
static int own_prepare(struct tc_gate *tc, const struct gate_port *gate, const struct tc_port *port,
		       const struct tc_entries *kernel, bool *seen)
{
	int result = 0;

	for (size_t i = 0; i < gate->gateway_count && result == 0; i++) {
		bool own = false;

		for (size_t j = 0; j < gate->address_count; j++)
			own |= addr_equal(&gate->addresses[j], &gate->gateways[i]);
		if (!own)
			result = own_add(tc, port, &gate->gateways[i], BH_OWN_GATEWAY, kernel, seen);
	}
	for (size_t i = 0; i < gate->address_count && result == 0; i++)
		result = own_add(tc, port, &gate->addresses[i], BH_OWN_ADDRESS, kernel, seen);
	return result;
}

static int port_prepare(struct tc_gate *tc, struct gate_port *gate, struct tc_port *port,
			const struct tc_entries *kernel, bool *seen)
{
	struct error why = {0};
	bool was_open = port->written && (port->entry.flags & BH_PORT_OPEN);
	bool flips = tc->idle != tc_active_slot(tc);
	int result = own_prepare(tc, gate, port, kernel, seen);

	if (result < 0) {
		port_problem(gate, result, "cannot write its addresses: %s", strerror(-result));
		return result;
	}
	if (!port->written) {
		memcpy(port->entry.mac, gate->mac.bytes, sizeof(port->entry.mac));
		result = tc_port_seed(tc, port, tc->next_table, gate);
		if (result < 0) {
			port_problem(gate, result, "cannot keep the flows that were open: %s", strerror(-result));
			return result;
		}
	}
	result = tc_attach_port(tc, port, &why);
	if (result < 0) {
		/* -EAGAIN is for those that wait for their turn: these would be tried without end. */
		port_problem(gate, result == -EAGAIN ? -EBUSY : result, "%s", why.text);
		return result;
	}
	port->entry.domain = gate->domain;
	port->entry.identity[tc->idle] = gate->identity;
	if (!flips || !was_open)
		port->entry.identity[!tc->idle] = gate->identity;
	port->open_pending = !was_open;
	result = port_write(tc, port);
	if (result < 0)
		port_problem(gate, result, "cannot write the port: %s", strerror(-result));
	return result;
}

/* What fails once may be a moment's want of memory: nobody is cut off for it. */
static void port_prepare_surely(struct tc_gate *tc, struct gate_port *gate, struct tc_port *port,
				const struct tc_entries *kernel, bool *seen)
{
	bool was_open = port->written && (port->entry.flags & BH_PORT_OPEN);

	if (port_prepare(tc, gate, port, kernel, seen) == 0 || !was_open)
		return;
	gate->ret_result = 0;
	gate->ret_problem[0] = '\0';
	port_prepare(tc, gate, port, kernel, seen);
}

static int own_stale(struct tc_gate *tc, const struct tc_entries *kernel, const bool *seen)
{
	int result = 0;

	for (size_t i = 0; i < kernel->count && result == 0; i++)
		if (!seen[i])
			result = tc_removals_add(&tc->stale, TC_OWN, kernel->keys + i * kernel->key_size,
						 kernel->key_size);
	return result;
}

static void ports_forget_desired(struct tc_gate *tc)
{
	void *value;

	for (size_t i = 0; map_next(tc->ports, &i, NULL, NULL, &value);)
		((struct tc_port *)value)->desired = false;
}

int tc_ports_prepare(struct tc_gate *tc, struct gate_desired *desired, struct error *error)
{
	struct tc_entries own = {0};
	AUTO_FREE bool *seen = NULL;
	int result;

	ports_forget_desired(tc);
	result = ports_make(tc, desired, error);
	if (result < 0)
		return result;
	result = tc_entries_read(tc->maps[TC_OWN], &tc->shapes[TC_OWN], &own);
	if (result == 0)
		result = tc_entries_sort(&own);
	if (result == 0 && !(seen = calloc(own.count + 1, sizeof(*seen))))
		result = -ENOMEM;
	for (size_t i = 0; i < desired->port_count && result == 0; i++) {
		struct gate_port *gate = &desired->ports[i];
		struct tc_port *port = tc_port_find(tc, gate->ifindex);

		if (!gate->open || !port)
			continue;
		if (gate->ret_result == 0)
			port_prepare_surely(tc, gate, port, &own, seen);
		/* What can't be policed is shut, also if it was open: this one port's trouble, not the others'. */
		if (gate->ret_result < 0 && gate->ret_result != -EEXIST && port->written)
			port_shut(tc, port);
	}
	if (result == 0)
		result = own_stale(tc, &own, seen);
	tc_entries_free(&own);
	if (result < 0)
		error_set(error, result, "cannot compare the ports' own addresses: %s", strerror(-result));
	return result;
}

void tc_ports_flip(struct tc_gate *tc)
{
	void *value;

	for (size_t i = 0; map_next(tc->ports, &i, NULL, NULL, &value);) {
		struct tc_port *port = value;

		if (!port->open_pending)
			continue;
		port->open_pending = false;
		port->entry.flags |= BH_PORT_OPEN;
		if (port_write(tc, port) < 0)
			snprintf(tc->problem, sizeof(tc->problem), "%s could not be opened", port->name);
	}
}

void tc_ports_cancel(struct tc_gate *tc)
{
	void *value;

	for (size_t i = 0; map_next(tc->ports, &i, NULL, NULL, &value);)
		((struct tc_port *)value)->open_pending = false;
}
