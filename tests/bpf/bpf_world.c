/* SPDX-License-Identifier: GPL-2.0-only */
/* The world of the tests: one bridge (domain 7) with the ports A, B, R, U and C, and the rest of the net. */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bpf_test.h"
#include "bulkhead.skel.h"

#define BRIDGE 7u

struct bpf_world world;

#define MAP(name) bpf_map__fd(world.skeleton->maps.name)

void map_put(int map, const void *key, const void *value)
{
	int error = bpf_map_update_elem(map, key, value, BPF_ANY);

	if (error)
		fail_msg("map update: %s", strerror(-error));
}

void map_clear(int map, size_t key_size)
{
	uint8_t key[64];

	assert_true(key_size <= sizeof(key));
	while (!bpf_map_get_next_key(map, NULL, key))
		assert_int_equal(bpf_map_delete_elem(map, key), 0);
}

int inner_new(uint32_t type, uint32_t key, uint32_t value, uint32_t entries, uint32_t flags)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = flags);
	int fd = bpf_map_create(type, NULL, key, value, entries, &opts);

	assert_true(fd >= 0);
	return fd;
}

int inner_put(int outer, uint32_t index, int inner)
{
	map_put(outer, &index, &inner);
	return inner;
}

static int family_of(const char *text)
{
	return strchr(text, ':') ? 6 : 4;
}

static void address_parse(const char *text, uint8_t *addr)
{
	memset(addr, 0, 16);
	assert_int_equal(inet_pton(family_of(text) == 6 ? AF_INET6 : AF_INET, text, addr), 1);
}

void cell_set_slot(int slot, uint32_t src, uint32_t dst, uint32_t service, const struct bh_cell *cell)
{
	uint64_t key = BH_CELL_KEY(src, dst, service);

	if (cell)
		map_put(world.cells[slot], &key, cell);
	else
		bpf_map_delete_elem(world.cells[slot], &key);
}

void cell_set(uint32_t src, uint32_t dst, uint32_t service, const struct bh_cell *cell)
{
	cell_set_slot(0, src, dst, service, cell);
	cell_set_slot(1, src, dst, service, cell);
}

void cell_allow(uint32_t src, uint32_t dst, uint32_t service, uint32_t decision)
{
	cell_set(src, dst, service,
		 &(struct bh_cell){
			 .allow_until = BH_FOREVER, .allow_decision = decision, .base_reason = BH_DENY_DEFAULT});
}

void cell_deny(uint32_t src, uint32_t dst, uint32_t service, uint32_t decision)
{
	cell_set(src, dst, service,
		 &(struct bh_cell){.deny_until = BH_FOREVER,
				   .deny_decision = decision,
				   .base_reason = BH_DENY_DEFAULT,
				   .flags = BH_CELL_DENY_LOG});
}

void cell_remove(uint32_t src, uint32_t dst, uint32_t service)
{
	cell_set(src, dst, service, NULL);
}

void class_set_slot(int slot, uint32_t class, uint32_t flags, uint32_t decision)
{
	struct bh_class_info info = {.flags = flags, .default_decision = decision};

	map_put(world.classes[slot], &class, &info);
}

void class_set(uint32_t class, uint32_t flags, uint32_t decision)
{
	class_set_slot(0, class, flags, decision);
	class_set_slot(1, class, flags, decision);
}

static struct bh_addr_key address_key(uint32_t domain, const char *addr)
{
	struct bh_addr_key key = {.domain = domain, .family = family_of(addr)};

	address_parse(addr, key.addr);
	return key;
}

void address_set(uint32_t domain, const char *addr, uint32_t class)
{
	struct bh_addr_key key = address_key(domain, addr);
	struct bh_addr value = {.class = {class, class}};

	map_put(MAP(addresses), &key, &value);
}

void address_remove(uint32_t domain, const char *addr)
{
	struct bh_addr_key key = address_key(domain, addr);

	assert_int_equal(bpf_map_delete_elem(MAP(addresses), &key), 0);
}

static struct bh_own_key own_key(const struct port *port, const char *addr)
{
	struct bh_own_key key = {.port_id = port->map.id, .family = family_of(addr)};

	address_parse(addr, key.addr);
	return key;
}

void own_set(const struct port *port, const char *addr, uint32_t kind)
{
	struct bh_own_key key = own_key(port, addr);
	struct bh_own value = {.kind = kind};

	map_put(MAP(own), &key, &value);
}

void own_remove(const struct port *port, const char *addr)
{
	struct bh_own_key key = own_key(port, addr);

	assert_int_equal(bpf_map_delete_elem(MAP(own), &key), 0);
}

void prefix_set(const char *prefix, uint32_t class)
{
	const char *slash = strchr(prefix, '/');
	char text[64];

	assert_non_null(slash);
	snprintf(text, sizeof(text), "%.*s", (int)(slash - prefix), prefix);
	for (int slot = 0; slot < 2; slot++) {
		struct bh_lpm6_key key6 = {.length = atoi(slash + 1)};
		struct bh_lpm4_key key4 = {.length = atoi(slash + 1)};

		address_parse(text, key6.addr);
		memcpy(key4.addr, key6.addr, sizeof(key4.addr));
		if (family_of(text) == 4)
			map_put(world.prefixes4[slot], &key4, &class);
		else
			map_put(world.prefixes6[slot], &key6, &class);
	}
}

void nat64_set(const char *prefix)
{
	uint8_t addr[16], value = 1;
	struct bh_nat64_key key;

	address_parse(prefix, addr);
	memcpy(key.prefix, addr, sizeof(key.prefix));
	map_put(MAP(nat64), &key, &value);
}

void service_set(uint32_t row, uint32_t column, uint16_t class)
{
	struct bh_service_row value;

	assert_int_equal(bpf_map_lookup_elem(world.services[0], &row, &value), 0);
	value.class[column] = class;
	map_put(world.services[0], &row, &value);
	map_put(world.services[1], &row, &value);
}

void published_set(uint8_t protocol, uint16_t port)
{
	struct bh_published_key key = {.port = port, .protocol = protocol};
	uint8_t value = 1;

	map_put(MAP(published), &key, &value);
}

void published_remove(uint8_t protocol, uint16_t port)
{
	struct bh_published_key key = {.port = port, .protocol = protocol};

	assert_int_equal(bpf_map_delete_elem(MAP(published), &key), 0);
}

void port_set(const struct port *port)
{
	map_put(MAP(ports), &port->ifindex, &port->map);
}

void port_remove(const struct port *port)
{
	assert_int_equal(bpf_map_delete_elem(MAP(ports), &port->ifindex), 0);
}

struct bh_config *config_get(void)
{
	static struct bh_config *settings;

	if (!settings) {
		settings = mmap(NULL, sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE, MAP_SHARED, MAP(config), 0);
		assert_true(settings != MAP_FAILED);
	}
	return settings;
}

void config_flip(void)
{
	uint64_t active = config_get()->active;

	config_get()->active = ((active >> 1) + 1) << 1 | ((active & 1) ^ 1);
}

void port_state_clear(void)
{
	uint32_t size = bpf_map__value_size(world.skeleton->maps.port_state);
	void *zero = calloc(1, size);

	assert_non_null(zero);
	for (uint32_t i = 0; i < 8; i++) {
		map_put(MAP(port_state), &i, zero);
		map_put(MAP(answers), &i, zero); /* smaller */
		map_put(MAP(answers), &(uint32_t){i + BH_PORTS_MAX}, zero);
	}
	free(zero);
}

#define FLOWS_USUAL 128u

/* A new map costs a grace period of the kernel's: an emptied one of the same size does as well. */
static void flows_renew(const struct port *port)
{
	if (world.flow_entries[port->map.index] == FLOWS_USUAL)
		map_clear(world.flows[port->map.index], sizeof(struct bh_flow_key));
	else
		flows_size(port, FLOWS_USUAL);
}

void flows_size(const struct port *port, uint32_t entries)
{
	uint32_t index = port->map.index;

	world.flow_entries[index] = entries;

	if (world.flows[index] > 0)
		close(world.flows[index]);
	world.flows[index] = inner_put(MAP(flows), index,
				       inner_new(BPF_MAP_TYPE_HASH, sizeof(struct bh_flow_key), sizeof(struct bh_flow),
						 entries, BPF_F_NO_PREALLOC));
}

struct bh_flow_key flow_key(const char *own, uint16_t own_port, const char *remote, uint16_t remote_port,
			    uint8_t protocol)
{
	struct bh_flow_key key = {.own_port = htons(own_port),
				  .remote_port = htons(remote_port),
				  .protocol = protocol,
				  .family = family_of(own)};

	address_parse(own, key.own);
	address_parse(remote, key.remote);
	return key;
}

bool flow_get(const struct port *port, const struct bh_flow_key *key, struct bh_flow *flow)
{
	return !bpf_map_lookup_elem(world.flows[port->map.index], key, flow);
}

void flow_put(const struct port *port, const struct bh_flow_key *key, const struct bh_flow *flow)
{
	struct bh_flow fresh = *flow;

	fresh.checked = 0; /* or the program believes for a while what it saw before */
	map_put(world.flows[port->map.index], key, &fresh);
}

size_t flow_count(const struct port *port)
{
	int map = world.flows[port->map.index];
	struct bh_flow_key key, *previous = NULL;
	size_t count = 0;

	while (!bpf_map_get_next_key(map, previous, &key)) {
		previous = &key;
		count++;
	}
	return count;
}

static void port_make(struct port *port, const char *name, uint32_t index, uint32_t identity, uint8_t mac)
{
	char command[128];

	snprintf(command, sizeof(command), "ip link add bht%s type veth peer name bhp%s", name, name);
	assert_int_equal(system(command), 0);
	snprintf(command, sizeof(command), "bht%s", name);
	port->ifindex = if_nametoindex(command);
	assert_true(port->ifindex > 0);
	port->map = (struct bh_port){.id = 100 + index,
				     .index = index,
				     .domain = BRIDGE,
				     .flags = BH_PORT_OPEN,
				     .identity = {identity, identity},
				     .mac = {2, 0, 0, 0, 0, mac}};
}

static void slots_make(void)
{
	for (int slot = 0; slot < 2; slot++) {
		world.cells[slot] =
			inner_put(MAP(cells), slot,
				  inner_new(BPF_MAP_TYPE_HASH, sizeof(uint64_t), sizeof(struct bh_cell), 1024, 0));
		world.classes[slot] = inner_put(MAP(classes), slot,
						inner_new(BPF_MAP_TYPE_ARRAY, sizeof(uint32_t),
							  sizeof(struct bh_class_info), CLASS_COUNT, BPF_F_INNER_MAP));
		world.services[slot] = inner_put(MAP(services), slot,
						 inner_new(BPF_MAP_TYPE_ARRAY, sizeof(uint32_t),
							   sizeof(struct bh_service_row), BH_SERVICE_ROWS, 0));
		world.prefixes4[slot] = inner_put(MAP(prefixes4), slot,
						  inner_new(BPF_MAP_TYPE_LPM_TRIE, sizeof(struct bh_lpm4_key),
							    sizeof(uint32_t), 1000, BPF_F_NO_PREALLOC));
		world.prefixes6[slot] = inner_put(MAP(prefixes6), slot,
						  inner_new(BPF_MAP_TYPE_LPM_TRIE, sizeof(struct bh_lpm6_key),
							    sizeof(uint32_t), 1000, BPF_F_NO_PREALLOC));
	}
}

static void addresses_fill(const struct port *port, const char *v4, const char *v6, const char *local)
{
	own_set(port, v4, BH_OWN_ADDRESS);
	own_set(port, v6, BH_OWN_ADDRESS);
	own_set(port, local, BH_OWN_ADDRESS);
	own_set(port, "10.0.0.1", BH_OWN_GATEWAY);
	own_set(port, "fd00::1", BH_OWN_GATEWAY);
	address_set(BRIDGE, v4, port->map.identity[0]);
	address_set(BRIDGE, v6, port->map.identity[0]);
	address_set(BRIDGE, local, port->map.identity[0]);
}

static void classes_fill(void)
{
	class_set(BH_CLASS_HOST, BH_CLASS_LOCAL, 900);
	class_set(BH_CLASS_UNASSIGNED, BH_CLASS_LOG_DENIED, 904);
	class_set(BH_CLASS_CONFLICTED, BH_CLASS_LOCAL, 905);
	class_set(BH_CLASS_AMBIGUOUS, BH_CLASS_LOCAL, 906);
	class_set(FRONT, BH_CLASS_ZONE | BH_CLASS_LOCAL | BH_CLASS_LOG_DENIED, 910);
	class_set(BACK, BH_CLASS_ZONE | BH_CLASS_LOCAL | BH_CLASS_LOG_DENIED, 911);
	class_set(ROUTER,
		  BH_CLASS_ZONE | BH_CLASS_LOCAL | BH_CLASS_PERMIT_SPOOF | BH_CLASS_PERMIT_DHCP_SERVER |
			  BH_CLASS_PERMIT_ROUTER | BH_CLASS_PERMIT_VLAN,
		  912);
	class_set(RETIRED, BH_CLASS_ZONE | BH_CLASS_LOCAL | BH_CLASS_RETIRED, 913);
	class_set(AUDITED, BH_CLASS_ZONE | BH_CLASS_LOCAL | BH_CLASS_AUDIT, 914);
	class_set(INTERNET, BH_CLASS_OUTSIDE, 0);
	class_set(GROUPS, BH_CLASS_GROUP, 0);
	class_set(PARTNERS, BH_CLASS_ZONE, 915);
	class_set(SPECIAL, BH_CLASS_OUTSIDE, 0);
	class_set(STRANGERS, BH_CLASS_OUTSIDE, 0);
	class_set(NEIGHBOURS, BH_CLASS_LOG_DENIED, 904);
}

static void prefixes_fill(void)
{
	prefix_set("0.0.0.0/0", INTERNET);
	prefix_set("224.0.0.0/4", GROUPS);
	prefix_set("255.255.255.255/32", GROUPS);
	prefix_set("192.0.2.0/25", PARTNERS);
	prefix_set("10.0.0.0/24", NEIGHBOURS);
	prefix_set("198.51.100.0/24", STRANGERS);
	prefix_set("::/0", INTERNET);
	prefix_set("ff00::/8", GROUPS);
	prefix_set("fe80::/10", SPECIAL);
	prefix_set("fd00::/64", NEIGHBOURS);
	prefix_set("2001:db8:2::/48", PARTNERS);
}

static void cells_fill(void)
{
	map_clear(world.cells[0], sizeof(uint64_t));
	map_clear(world.cells[1], sizeof(uint64_t));
	cell_allow(FRONT, INTERNET, SERVICE_HTTPS, 1);
	cell_allow(FRONT, INTERNET, SERVICE_PING, 2);
	cell_allow(FRONT, INTERNET, SERVICE_DNS, 3);
	cell_allow(FRONT, INTERNET, SERVICE_OTHER, 3);
	cell_allow(FRONT, BACK, SERVICE_HTTPS, 4);
	cell_allow(INTERNET, FRONT, SERVICE_HTTPS, 5);
	cell_allow(BH_CLASS_HOST, FRONT, BH_SERVICE_ANY, 6);
	cell_allow(FRONT, BH_CLASS_HOST, SERVICE_DNS, 7);
	cell_allow(FRONT, GROUPS, SERVICE_OTHER, 8);
	cell_allow(PARTNERS, FRONT, SERVICE_HTTPS, 9);
	cell_allow(FRONT, BACK, BH_SERVICE_REACH, 0);
	cell_allow(FRONT, INTERNET, BH_SERVICE_REACH, 0);
	cell_allow(BH_CLASS_HOST, FRONT, BH_SERVICE_REACH, 0);
	cell_allow(ROUTER, INTERNET, BH_SERVICE_ANY, 10);
	cell_allow(INTERNET, ROUTER, BH_SERVICE_ANY, 11);
}

static void counters_snapshot(void)
{
	for (uint32_t i = 0; i < BH_REASON_MAX; i++)
		world.reasons[i] = reason_counter(i).packets;
}

int world_setup(void **state)
{
	(void)state;
	/* Gone, with its links, when this process ends. */
	if (unshare(CLONE_NEWNET)) {
		print_error("unshare(CLONE_NEWNET): %s\n", strerror(errno));
		return -1;
	}
	world.skeleton = bulkhead_bpf__open_and_load();
	if (!world.skeleton)
		return -1;
	world.ingress = bpf_program__fd(world.skeleton->progs.bulkhead_ingress);
	world.egress = bpf_program__fd(world.skeleton->progs.bulkhead_egress);
	port_make(&world.a, "a", 0, FRONT, 0x0a);
	port_make(&world.b, "b", 1, BACK, 0x0b);
	port_make(&world.r, "r", 2, ROUTER, 0x0c);
	port_make(&world.u, "u", 3, AUDITED, 0x0d);
	port_make(&world.c, "c", 4, BH_CLASS_CONFLICTED, 0x0e);
	slots_make();
	service_set(443 >> 8, 443 & 0xff, SERVICE_HTTPS);
	service_set(BH_ROW_UDP, 53, SERVICE_DNS);
	service_set(BH_ROW_ICMP + 8, 0, SERVICE_PING);
	service_set(BH_ROW_ICMPV6 + 128, 0, SERVICE_PING);
	service_set(0, 22, SERVICE_SSH);
	service_set(BH_ROW_PROTO, GRE, SERVICE_OTHER);
	service_set(BH_ROW_SCTP + (5000 >> 8), 5000 & 0xff, SERVICE_OTHER);
	service_set(BH_ROW_UDP + (5353 >> 8), 5353 & 0xff, SERVICE_OTHER);
	service_set(BH_ROW_ICMP + 13, 0, SERVICE_OTHER);
	return 0;
}

int world_teardown(void **state)
{
	(void)state;
	bulkhead_bpf__destroy(world.skeleton);
	return 0;
}

int world_reset(void **state)
{
	struct bh_config *settings = config_get();

	(void)state;
	*settings = (struct bh_config){.magic = BH_ABI_MAGIC,
				       .version = BH_ABI_VERSION,
				       .active = 1 << 1,
				       .stamp_mask = 0xfff80000,
				       .stamp_shift = BH_STAMP_SHIFT_DEFAULT,
				       .flow_quota = 64,
				       .flow_half_quota = 16};
	map_clear(MAP(own), sizeof(struct bh_own_key));
	map_clear(MAP(addresses), sizeof(struct bh_addr_key));
	map_clear(MAP(published), sizeof(struct bh_published_key));
	map_clear(MAP(ports), sizeof(uint32_t));
	map_clear(MAP(nat64), sizeof(struct bh_nat64_key));
	for (struct port *port = &world.a; port <= &world.c; port++) {
		port->map.flags = BH_PORT_OPEN;
		port_set(port);
		flows_renew(port);
	}
	addresses_fill(&world.a, "10.0.0.2", "fd00::2", "fe80::2");
	addresses_fill(&world.b, "10.0.0.3", "fd00::3", "fe80::3");
	addresses_fill(&world.r, "10.0.0.4", "fd00::4", "fe80::4");
	addresses_fill(&world.u, "10.0.0.5", "fd00::5", "fe80::5");
	addresses_fill(&world.c, "10.0.0.6", "fd00::6", "fe80::6");
	address_set(0, "10.0.0.1", BH_CLASS_HOST);
	address_set(0, "fd00::1", BH_CLASS_HOST);
	address_set(BRIDGE, "10.0.0.255", GROUPS);
	address_set(0, "10.9.9.9", BH_CLASS_AMBIGUOUS);
	classes_fill();
	prefixes_fill();
	cells_fill();
	port_state_clear();
	events_take(NULL, 0);
	counters_snapshot();
	return 0;
}
