/* SPDX-License-Identifier: GPL-2.0-only */
/* A port's flow map, with the flows that were open before Bulkhead came. They are of generation 0, which was never in
 * force: the policy judges them at their first packet, in their own direction. */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "gate/tc_private.h"

#define NS_PER_S 1000000000ull

static uint64_t idle_time(uint8_t protocol)
{
	switch (protocol) {
	case IPPROTO_TCP:
		return BH_TIMEOUT_TCP_ESTABLISHED;
	case IPPROTO_UDP:
		return BH_TIMEOUT_UDP_STREAM;
	case IPPROTO_SCTP:
		return BH_TIMEOUT_SCTP;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return BH_TIMEOUT_ICMP;
	}
	return BH_TIMEOUT_OTHER;
}

/* A flow's address stands in 16 bytes, IPv4 in the first four: as in struct addr. */
static void seed_key(const struct gate_seed *seed, struct bh_flow_key *ret_key)
{
	memset(ret_key, 0, sizeof(*ret_key));
	memcpy(ret_key->remote, seed->remote.bytes, sizeof(ret_key->remote));
	memcpy(ret_key->own, seed->own.bytes, sizeof(ret_key->own));
	ret_key->remote_port = htons(seed->remote_port);
	ret_key->own_port = htons(seed->own_port);
	ret_key->protocol = seed->protocol;
	ret_key->family = seed->own.family;
}

static bool class_is_local(const struct table *table, uint32_t class)
{
	return class < table->class_count && (table->class_info[class].flags & BH_CLASS_LOCAL);
}

static void seed_flow(const struct table *table, const struct gate_port *gate, const struct gate_seed *seed,
		      uint64_t now, struct bh_flow *ret_flow)
{
	uint32_t remote = table_class(table, &seed->remote, gate->domain);
	bool out = seed->direction == BH_FLOW_OUT;

	*ret_flow = (struct bh_flow){
		.expires = now + idle_time(seed->protocol) * NS_PER_S,
		.opener = out ? gate->identity : remote,
		.other = out ? remote : gate->identity,
		.direction = (uint8_t)seed->direction,
		.tcp_state = seed->protocol == IPPROTO_TCP ? BH_TCP_ESTABLISHED : BH_TCP_NONE,
		.flags = BH_FLOW_SEEDED | BH_FLOW_REPLIED,
		.window_scale = {0xff, 0xff},
	};
	if (class_is_local(table, remote))
		ret_flow->flags |= BH_FLOW_PEER_LOCAL;
}

uint64_t tc_boot_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static int seeds_write(int fd, const struct table *table, struct gate_port *gate, size_t count)
{
	struct tc_entries entries = {.key_size = sizeof(struct bh_flow_key), .value_size = sizeof(struct bh_flow)};
	uint64_t now = tc_boot_ns();
	int result = 0;

	for (size_t i = 0; i < count && result == 0; i++) {
		const struct gate_seed *seed = &gate->seeds[i];
		void *key, *value;

		if (seed->own.family != seed->remote.family)
			continue;
		result = tc_entries_append(&entries, &key, &value);
		if (result < 0)
			break;
		seed_key(seed, key);
		seed_flow(table, gate, seed, now, value);
	}
	if (result == 0)
		result = tc_entries_write(fd, &entries);
	tc_entries_free(&entries);
	return result;
}

int tc_flows_make(const struct tc_gate *tc)
{
	const struct tc_shape *shape = &tc->inner[TC_FLOWS];
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = shape->flags);

	return bpf_map_create(shape->type, tc_map_names[TC_FLOWS], shape->key_size, shape->value_size,
			      tc->options.flow_quota * (1 + BH_FLOWS_IN_SHARE), &opts);
}

int tc_flows_seed(const struct tc_gate *tc, int fd, const struct table *table, struct gate_port *gate)
{
	size_t count = gate->seed_count;

	/* The port's quota holds for what was there before, too. */
	if (count > tc->options.flow_quota) {
		snprintf(gate->ret_problem, sizeof(gate->ret_problem),
			 "%zu flows were open before, of which %u could be kept", count, tc->options.flow_quota);
		count = tc->options.flow_quota;
	}
	return seeds_write(fd, table, gate, count);
}
