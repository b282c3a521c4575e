/* SPDX-License-Identifier: GPL-2.0-only */
/* Ports made: a number, an index, a flow map. Taken over from the daemon before, made anew, or made ready ahead. */
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "gate/tc_private.h"

/* Closed ports that are made ready: each has a flow map, and the kernel keeps about a megabyte for it. */
#define READY_MAX  64u
#define INDEX_NONE UINT32_MAX

static void index_set(struct tc_gate *tc, uint32_t index, bool used)
{
	uint8_t bit = (uint8_t)(1u << (index % 8));

	if (used)
		tc->index_used[index / 8] |= bit;
	else
		tc->index_used[index / 8] &= (uint8_t)~bit;
}

static bool index_is_used(const struct tc_gate *tc, uint32_t index)
{
	return tc->index_used[index / 8] & (1u << (index % 8));
}

void tc_index_free(struct tc_gate *tc, uint32_t index)
{
	index_set(tc, index, false);
}

static uint32_t index_take(struct tc_gate *tc)
{
	for (uint32_t index = 0; index < BH_PORTS_MAX; index++) {
		if (index_is_used(tc, index))
			continue;
		index_set(tc, index, true);
		return index;
	}
	return INDEX_NONE;
}

static struct tc_port *port_new(struct tc_gate *tc, uint32_t ifindex)
{
	struct tc_port *port = calloc(1, sizeof(*port));

	if (!port)
		return NULL;
	port->ifindex = ifindex;
	port->suspect = true;
	for (int direction = 0; direction < TC_DIRECTION_MAX; direction++)
		port->links[direction] = -1;
	if (map_set(tc->ports, &ifindex, sizeof(ifindex), port, NULL) < 0) {
		free(port);
		return NULL;
	}
	return port;
}

void tc_port_free(void *value)
{
	struct tc_port *port = value;

	for (int direction = 0; direction < TC_DIRECTION_MAX; direction++)
		if (port->links[direction] >= 0)
			close(port->links[direction]);
	free(port);
}

void tc_ports_free(struct tc_gate *tc)
{
	map_free(tc->ports, tc_port_free);
	tc->ports = NULL;
}

/* ---- Taking over ----------------------------------------------------------------------------------------------------
 */

static int port_take_over(struct tc_gate *tc, uint32_t ifindex, const struct bh_port *entry)
{
	struct tc_port *port = port_new(tc, ifindex);
	uint32_t flows;

	if (!port)
		return -ENOMEM;
	port->entry = *entry;
	port->written = true;
	/* A daemon that was killed may have left a port half made: it is made anew, with another number. */
	port->broken = !(entry->flags & BH_PORT_OPEN) || entry->index >= BH_PORTS_MAX ||
		       index_is_used(tc, entry->index) || entry->id == 0 || entry->id >= tc->config->next_port_id ||
		       bpf_map_lookup_elem(tc->maps[TC_FLOWS], &entry->index, &flows) < 0;
	if (!port->broken)
		index_set(tc, entry->index, true);
	for (int direction = 0; direction < TC_DIRECTION_MAX && tc->tcx; direction++) {
		port->links[direction] = tc_tcx_open(tc->pin_dir, ifindex, direction);
		port->attached = port->links[direction] >= 0;
	}
	return 0;
}

/* Flow maps of ports that a daemon was making ready when it was killed. */
static int flows_sweep(struct tc_gate *tc)
{
	struct tc_entries left = {.key_size = sizeof(uint32_t), .value_size = sizeof(uint32_t)};
	void *key, *value;
	uint32_t flows;
	int result = 0;

	for (uint32_t index = 0; index < BH_PORTS_MAX && result == 0; index++) {
		if (index_is_used(tc, index) || bpf_map_lookup_elem(tc->maps[TC_FLOWS], &index, &flows) < 0)
			continue;
		result = tc_entries_append(&left, &key, &value);
		if (result < 0)
			break;
		memcpy(key, &index, sizeof(index));
		memcpy(value, &tc->no_flows, sizeof(tc->no_flows));
	}
	if (result == 0 && left.count) {
		tc_grace_shorten(tc);
		result = tc_entries_write(tc->maps[TC_FLOWS], &left);
	}
	tc_entries_free(&left);
	return result;
}

int tc_ports_take_over(struct tc_gate *tc, struct error *error)
{
	struct tc_entries entries = {0};
	int result = tc_entries_read(tc->maps[TC_PORTS], &tc->shapes[TC_PORTS], &entries);

	for (size_t i = 0; i < entries.count && result == 0; i++) {
		struct bh_port entry;
		uint32_t ifindex;

		memcpy(&ifindex, entries.keys + i * sizeof(ifindex), sizeof(ifindex));
		memcpy(&entry, entries.values + i * sizeof(entry), sizeof(entry));
		result = port_take_over(tc, ifindex, &entry);
	}
	tc_entries_free(&entries);
	if (result == 0)
		result = flows_sweep(tc);
	tc_gate_rest(tc);
	if (result < 0)
		error_set(error, result, "cannot read the ports of the daemon before: %s", strerror(-result));
	return result;
}

/* ---- Making ---------------------------------------------------------------------------------------------------------
 */

/* Makes a port, with its flow map; the map is put in place with all others' in one call. */
int tc_port_make(struct tc_gate *tc, const struct gate_port *gate, struct tc_entries *flows)
{
	void *index_key, *map_value;
	struct tc_port *port;
	uint32_t index = INDEX_NONE;
	int fd, result;

	port = port_new(tc, gate->ifindex);
	if (!port)
		return -ENOMEM;
	fd = tc_flows_make(tc);
	result = fd < 0 ? fd : tc_entries_append(flows, &index_key, &map_value);
	if (result == 0) {
		index = index_take(tc);
		if (index == INDEX_NONE) {
			flows->count--;
			result = -ENOSPC;
		}
	}
	if (result < 0) {
		if (fd >= 0)
			close(fd);
		map_remove(tc->ports, &gate->ifindex, sizeof(gate->ifindex));
		tc_port_free(port);
		return result;
	}
	memcpy(index_key, &index, sizeof(index));
	memcpy(map_value, &fd, sizeof(fd));
	/* The number is used up before anything carries it. */
	port->entry.id = tc->config->next_port_id++;
	port->entry.index = index;
	/* What a daemon before us attached the other way was at a port that it left behind. */
	port->other_way_checked = tc->tcx;
	port->key = gate->key;
	memcpy(port->name, gate->name, sizeof(port->name));
	return 0;
}

int tc_port_seed(const struct tc_gate *tc, const struct tc_port *port, const struct table *table,
		 struct gate_port *gate)
{
	uint32_t id;
	AUTO_CLOSE int fd = -1;
	int result;

	if (gate->seed_count == 0)
		return 0;
	result = bpf_map_lookup_elem(tc->maps[TC_FLOWS], &port->entry.index, &id);
	if (result < 0)
		return result;
	fd = bpf_map_get_fd_by_id(id);
	return fd < 0 ? fd : tc_flows_seed(tc, fd, table, gate);
}

static void counters_clear(struct tc_gate *tc, uint32_t index)
{
	AUTO_FREE void *zeroes = calloc((size_t)tc->possible_cpus, sizeof(struct bh_port_counters));

	if (zeroes)
		bpf_map_update_elem(tc->maps[TC_PORT_COUNTERS], &index, zeroes, BPF_ANY);
}

/* Ports that were just made, but not their flow maps. */
static void ports_unmake(struct tc_gate *tc)
{
	void *value;

	for (size_t i = 0; map_next(tc->ports, &i, NULL, NULL, &value);) {
		struct tc_port *port = value;

		if (port->written || port->flows_placed)
			continue;
		index_set(tc, port->entry.index, false);
		map_remove(tc->ports, &port->ifindex, sizeof(port->ifindex));
		tc_port_free(port);
	}
}

static void ports_note_placed(struct tc_gate *tc)
{
	void *value;

	for (size_t i = 0; map_next(tc->ports, &i, NULL, NULL, &value);)
		((struct tc_port *)value)->flows_placed = true;
}

int tc_flows_place(struct tc_gate *tc, const struct tc_entries *flows, struct error *error)
{
	int result = 0;

	if (flows->count) {
		tc_grace_shorten(tc);
		result = tc_entries_write(tc->maps[TC_FLOWS], flows);
	}
	for (size_t i = 0; i < flows->count; i++) {
		uint32_t index;
		int fd;

		memcpy(&index, flows->keys + i * sizeof(index), sizeof(index));
		memcpy(&fd, flows->values + i * sizeof(fd), sizeof(fd));
		counters_clear(tc, index);
		close(fd);
	}
	if (result < 0) {
		ports_unmake(tc);
		return error_set(error, result, "cannot put the flow maps in place: %s", strerror(-result));
	}
	ports_note_placed(tc);
	return 0;
}

/* ---- Ahead ---------------------------------------------------------------------------------------------------------
 * A port that is closed still gets its programs and its flow map, as soon as it is seen: then they need no time when
 * its owner is known. Programs drop all that comes by an interface without an entry in the map of ports. */

static size_t ready_count(const struct tc_gate *tc)
{
	size_t count = 0;
	void *value;

	for (size_t i = 0; map_next(tc->ports, &i, NULL, NULL, &value);)
		count += !((struct tc_port *)value)->written;
	return count;
}

void tc_ports_ahead(struct tc_gate *tc, const struct gate_desired *desired)
{
	struct tc_entries flows = {.key_size = sizeof(uint32_t), .value_size = sizeof(uint32_t)};
	size_t room = ready_count(tc);
	struct error why = {0};

	room = room < READY_MAX ? READY_MAX - room : 0;
	if (room > TC_OPENINGS_A_TURN)
		room = TC_OPENINGS_A_TURN;
	/* A filter of clsact has no pin that tells of it when this daemon is killed. */
	for (size_t i = 0; i < desired->port_count && room > 0 && tc->tcx; i++) {
		const struct gate_port *gate = &desired->ports[i];

		if (gate->open || tc_port_find(tc, gate->ifindex) || tc_port_make(tc, gate, &flows) < 0)
			continue;
		room--;
	}
	/* What fails here is tried again, and told, when the port is to be opened. */
	if (flows.count)
		tc_flows_place(tc, &flows, &why);
	for (size_t i = 0; i < desired->port_count && flows.count; i++) {
		struct tc_port *port = tc_port_find(tc, desired->ports[i].ifindex);

		if (port && !port->written && !port->attached)
			tc_attach_port(tc, port, &why);
	}
	tc_entries_free(&flows);
}
