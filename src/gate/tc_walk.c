/* SPDX-License-Identifier: GPL-2.0-only */
/* Open flows, and those that a policy has ended. */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <string.h>

#include "base/file.h"
#include "gate/tc_private.h"

struct walk {
	int (*fn)(void *arg, const struct gate_flow *flow);
	void *arg;
	uint64_t now; /* of the clock of flows' expiry */
};

static bool is_open(const struct walk *walk, const struct bh_flow *flow)
{
	return flow->expires > walk->now && flow->tcp_state != BH_TCP_RESET && flow->tcp_state != BH_TCP_TIME_WAIT;
}

static int tell(const struct walk *walk, uint32_t ifindex, const struct bh_flow_key *key, const struct bh_flow *flow)
{
	struct gate_flow told = {
		.ifindex = ifindex,
		.own = addr_from_bytes(key->family, key->own),
		.remote = addr_from_bytes(key->family, key->remote),
		.own_port = ntohs(key->own_port),
		.remote_port = ntohs(key->remote_port),
		.protocol = key->protocol,
		.direction = flow->direction == BH_FLOW_OUT ? BH_FLOW_OUT : BH_FLOW_IN,
		.opener = flow->opener,
		.peer_local = flow->flags & BH_FLOW_PEER_LOCAL,
	};

	int result = is_open(walk, flow) ? walk->fn(walk->arg, &told) : 0;

	return result < 0 ? result : 0; /* the program ends what it no longer allows */
}

static int port_walk(struct tc_gate *tc, const struct tc_port *port, uint32_t ifindex, const struct walk *walk)
{
	struct tc_entries flows = {0};
	AUTO_CLOSE int fd = -1;
	uint32_t id;
	int result;

	result = bpf_map_lookup_elem(tc->maps[TC_FLOWS], &port->entry.index, &id);
	if (result < 0)
		return result;
	fd = bpf_map_get_fd_by_id(id);
	if (fd < 0)
		return fd;
	result = tc_entries_read(fd, &tc->inner[TC_FLOWS], &flows);
	for (size_t i = 0; result == 0 && i < flows.count; i++) {
		struct bh_flow_key key;
		struct bh_flow flow;

		memcpy(&key, flows.keys + i * sizeof(key), sizeof(key));
		memcpy(&flow, flows.values + i * sizeof(flow), sizeof(flow));
		result = tell(walk, ifindex, &key, &flow);
	}
	tc_entries_free(&flows);
	return result;
}

/* By the number that is never used again. */
static const struct tc_port *port_of(const struct tc_gate *tc, uint32_t id, uint32_t *ret_ifindex)
{
	const void *key;
	void *value;

	for (size_t i = 0; map_next(tc->ports, &i, &key, NULL, &value);) {
		const struct tc_port *port = value;

		if (port->entry.id != id)
			continue;
		memcpy(ret_ifindex, key, sizeof(*ret_ifindex));
		return port;
	}
	return NULL;
}

static int revoked_walk(const struct tc_gate *tc, uint32_t since, const struct walk *walk)
{
	struct tc_entries entries = {0};
	int result = tc_entries_read(tc->maps[TC_REVOKED], &tc->shapes[TC_REVOKED], &entries);

	for (size_t i = 0; result == 0 && i < entries.count; i++) {
		struct bh_revoked_key key;
		struct bh_flow flow;
		uint32_t ifindex;

		memcpy(&key, entries.keys + i * sizeof(key), sizeof(key));
		memcpy(&flow, entries.values + i * sizeof(flow), sizeof(flow));
		if (flow.generation > since && port_of(tc, key.port_id, &ifindex))
			result = tell(walk, ifindex, &key.flow, &flow);
	}
	tc_entries_free(&entries);
	return result;
}

int tc_gate_flows_walk(struct tc_gate *tc, uint32_t since, int (*fn)(void *arg, const struct gate_flow *flow),
		       void *arg)
{
	const struct walk walk = {.fn = fn, .arg = arg, .now = tc_boot_ns()};
	int result = 0;
	const void *key;
	void *value;

	for (size_t i = 0; result == 0 && map_next(tc->ports, &i, &key, NULL, &value);) {
		const struct tc_port *port = value;
		uint32_t ifindex;

		memcpy(&ifindex, key, sizeof(ifindex));
		if (!port->broken && port->entry.flags & BH_PORT_OPEN)
			result = port_walk(tc, port, ifindex, &walk);
	}
	/* Last: what a packet ends in the meantime goes from there to here. */
	return result == 0 ? revoked_walk(tc, since, &walk) : result;
}

size_t tc_gate_flows_fds(const struct tc_gate *tc, int fds[GATE_FLOWS_FDS])
{
	fds[0] = tc->maps[TC_FLOWS];
	fds[1] = tc->maps[TC_REVOKED];
	return 2;
}
