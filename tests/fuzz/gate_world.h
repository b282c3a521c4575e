/* SPDX-License-Identifier: GPL-2.0-only */
/* The world of fuzz_packet, in the maps of gate_user.h: one bridge with the ports A, B, R and U, a port that is not
 * open, and the rest of the net; two policies, one a slot. Addresses as in tests/bpf/bpf_world.c. */
#ifndef BULKHEAD_TESTS_FUZZ_GATE_WORLD_H
#define BULKHEAD_TESTS_FUZZ_GATE_WORLD_H

#include <arpa/inet.h>

#include "gate_user.h"

enum { BRIDGE = 7, PORT_IFINDEX = 10, PORT_A = 0, PORT_B, PORT_R, PORT_U, PORT_CLOSED, PORT_COUNT };
enum {
	FRONT = BH_IDENTITY_FIRST, /* port A's */
	BACK,			   /* port B's */
	ROUTER,			   /* port R's: permits all that a zone can */
	AUDITED,		   /* port U's: its zone is in audit mode */
	INTERNET = BH_CLASS_FIRST,
	GROUPS, /* multicast and broadcast */
	SPECIAL,
	CLASS_COUNT,
};
enum { SERVICE_HTTPS = 1, SERVICE_DNS, SERVICE_PING, SERVICE_OTHER };

/* Small, so that an input can fill them. */
#define FLOW_QUOTA	6u
#define FLOW_HALF_QUOTA 4u
#define FLOWS_MAX	(FLOW_QUOTA * (1 + BH_FLOWS_IN_SHARE))

static struct gate_world {
	struct kernel_map cells[2], classes[2], services[2], prefixes4[2], prefixes6[2], flows[PORT_COUNT];
} world;

static void put(void *map, const void *key, const void *value)
{
	must(kernel_map_update(user_map(map), key, value, BPF_ANY) == 0);
}

static void inner_put(void *outer, uint32_t index, struct kernel_map *inner)
{
	put(outer, &index, &inner);
}

static uint32_t address_of(const char *text, uint8_t addr[16])
{
	bool v6 = strchr(text, ':');

	memset(addr, 0, 16);
	must(inet_pton(v6 ? AF_INET6 : AF_INET, text, addr) == 1);
	return v6 ? 6 : 4;
}

static void address_put(uint32_t domain, const char *text, uint32_t class)
{
	struct bh_addr_key key = {.domain = domain};
	struct bh_addr value = {.class = {class, class}};

	key.family = address_of(text, key.addr);
	put(&addresses, &key, &value);
}

static void own_put(uint32_t port_id, const char *text, uint32_t kind)
{
	struct bh_own_key key = {.port_id = port_id};
	struct bh_own value = {.kind = kind};

	key.family = address_of(text, key.addr);
	put(&own, &key, &value);
}

static void port_put(uint32_t index, uint32_t identity, const char *const texts[3])
{
	uint32_t ifindex = PORT_IFINDEX + index;
	struct bh_port port = {.id = 100 + index,
			       .index = index,
			       .domain = BRIDGE,
			       .flags = index == PORT_CLOSED ? 0 : BH_PORT_OPEN,
			       .identity = {identity, identity},
			       .mac = {2, 0, 0, 0, 0, 10 + index}};

	put(&ports, &ifindex, &port);
	inner_put(&flows, index, &world.flows[index]);
	for (size_t i = 0; i < 3; i++) {
		own_put(port.id, texts[i], BH_OWN_ADDRESS);
		address_put(BRIDGE, texts[i], identity);
	}
	own_put(port.id, "10.0.0.1", BH_OWN_GATEWAY);
	own_put(port.id, "fd00::1", BH_OWN_GATEWAY);
}

static void prefix_put(const char *text, uint32_t length, uint32_t class)
{
	struct bh_lpm6_key six = {.length = length};
	struct bh_lpm4_key four = {.length = length};
	bool v6 = address_of(text, six.addr) == 6;

	memcpy(four.addr, six.addr, sizeof(four.addr));
	for (uint32_t slot = 0; slot < 2; slot++)
		put(v6 ? &world.prefixes6[slot] : &world.prefixes4[slot], v6 ? (void *)&six : (void *)&four, &class);
}

static void service_put(uint32_t row, uint32_t column, uint16_t class)
{
	for (uint32_t slot = 0; slot < 2; slot++) {
		struct bh_service_row *found = kernel_map_lookup(&world.services[slot], &row);

		must(found);
		found->class[column] = class;
	}
}

static void class_put(uint32_t class, uint32_t flags, uint32_t decision)
{
	struct bh_class_info info = {.flags = flags, .default_decision = decision};

	for (uint32_t slot = 0; slot < 2; slot++)
		put(&world.classes[slot], &class, &info);
}

/* `slots`: a bit for each slot that has the cell. */
static void cell_put(uint32_t slots, uint32_t src, uint32_t dst, uint32_t service, struct bh_cell cell)
{
	uint64_t key = BH_CELL_KEY(src, dst, service);

	if (!cell.base_reason)
		cell.base_reason = BH_DENY_DEFAULT;
	for (uint32_t slot = 0; slot < 2; slot++)
		if (slots & 1u << slot)
			put(&world.cells[slot], &key, &cell);
}

static void allow_put(uint32_t slots, uint32_t src, uint32_t dst, uint32_t service)
{
	cell_put(slots, src, dst, service, (struct bh_cell){.allow_until = BH_FOREVER, .allow_decision = 1 + service});
}

static void inner_make(struct kernel_map *map, enum kernel_map_kind kind, size_t key_size, size_t value_size,
		       size_t max)
{
	*map = (struct kernel_map){.kind = kind, .key_size = key_size, .value_size = value_size, .entries_max = max};
}

static void inner_maps_make(void)
{
	for (uint32_t slot = 0; slot < 2; slot++) {
		inner_make(&world.cells[slot], KERNEL_HASH, sizeof(uint64_t), sizeof(struct bh_cell), 1024);
		inner_make(&world.classes[slot], KERNEL_ARRAY, sizeof(uint32_t), sizeof(struct bh_class_info),
			   CLASS_COUNT);
		inner_make(&world.services[slot], KERNEL_ARRAY, sizeof(uint32_t), sizeof(struct bh_service_row),
			   BH_SERVICE_ROWS);
		inner_make(&world.prefixes4[slot], KERNEL_LPM, sizeof(struct bh_lpm4_key), sizeof(uint32_t), 64);
		inner_make(&world.prefixes6[slot], KERNEL_LPM, sizeof(struct bh_lpm6_key), sizeof(uint32_t), 64);
		inner_put(&cells, slot, &world.cells[slot]);
		inner_put(&classes, slot, &world.classes[slot]);
		inner_put(&services, slot, &world.services[slot]);
		inner_put(&prefixes4, slot, &world.prefixes4[slot]);
		inner_put(&prefixes6, slot, &world.prefixes6[slot]);
	}
	for (uint32_t i = 0; i < PORT_COUNT; i++)
		inner_make(&world.flows[i], KERNEL_HASH, sizeof(struct bh_flow_key), sizeof(struct bh_flow), FLOWS_MAX);
}

static void ports_make(void)
{
	static const char *const
		a[] = {"10.0.0.2", "fd00::2", "fe80::a"},
		*const b[] = {"10.0.0.3", "fd00::3", "fe80::b"}, *const r[] = {"10.0.0.4", "fd00::4", "fe80::c"},
		*const u[] = {"10.0.0.5", "fd00::5", "fe80::d"}, *const closed[] = {"10.0.0.6", "fd00::6", "fe80::e"};
	static const uint8_t one = 1;
	struct bh_published_key http = {.port = 8080, .protocol = IPPROTO_TCP};
	struct bh_nat64_key nat = {{0, 0x64, 0xff, 0x9b}};

	port_put(PORT_A, FRONT, a);
	port_put(PORT_B, BACK, b);
	port_put(PORT_R, ROUTER, r);
	port_put(PORT_U, AUDITED, u);
	port_put(PORT_CLOSED, FRONT, closed);
	address_put(0, "10.0.0.1", BH_CLASS_HOST);
	address_put(0, "fd00::1", BH_CLASS_HOST);
	address_put(BRIDGE, "10.0.0.255", GROUPS);
	address_put(0, "10.9.9.9", BH_CLASS_AMBIGUOUS);
	put(&published, &http, &one);
	put(&nat64, &nat, &one);
}

static void prefixes_make(void)
{
	prefix_put("0.0.0.0", 0, INTERNET);
	prefix_put("224.0.0.0", 4, GROUPS);
	prefix_put("255.255.255.255", 32, GROUPS);
	prefix_put("10.0.0.0", 24, BH_CLASS_UNASSIGNED);
	prefix_put("::", 0, INTERNET);
	prefix_put("ff00::", 8, GROUPS);
	prefix_put("fe80::", 10, SPECIAL);
	prefix_put("fd00::", 64, BH_CLASS_UNASSIGNED);
}

static void classes_make(void)
{
	const uint32_t zone = BH_CLASS_ZONE | BH_CLASS_LOCAL;

	class_put(BH_CLASS_HOST, BH_CLASS_LOCAL, 900);
	class_put(BH_CLASS_UNASSIGNED, BH_CLASS_LOG_DENIED, 904);
	class_put(BH_CLASS_CONFLICTED, BH_CLASS_LOCAL, 905);
	class_put(BH_CLASS_AMBIGUOUS, BH_CLASS_LOCAL, 906);
	class_put(FRONT, zone | BH_CLASS_LOG_DENIED, 910);
	class_put(BACK, zone | BH_CLASS_LOG_DENIED, 911);
	class_put(ROUTER,
		  zone | BH_CLASS_PERMIT_SPOOF | BH_CLASS_PERMIT_DHCP_SERVER | BH_CLASS_PERMIT_ROUTER |
			  BH_CLASS_PERMIT_VLAN,
		  912);
	class_put(AUDITED, zone | BH_CLASS_AUDIT, 914);
	class_put(INTERNET, BH_CLASS_OUTSIDE, 0);
	class_put(GROUPS, BH_CLASS_GROUP, 0);
	class_put(SPECIAL, BH_CLASS_OUTSIDE, 0);
}

/* The second policy has fewer rules: what the first let open is judged again, and some of it ends. */
static void cells_make(void)
{
	allow_put(3, FRONT, INTERNET, SERVICE_HTTPS);
	allow_put(1, FRONT, INTERNET, SERVICE_PING);
	allow_put(3, FRONT, INTERNET, SERVICE_DNS);
	allow_put(1, FRONT, INTERNET, SERVICE_OTHER);
	allow_put(3, FRONT, BACK, SERVICE_HTTPS);
	allow_put(1, FRONT, BACK, BH_SERVICE_REACH);
	allow_put(3, FRONT, INTERNET, BH_SERVICE_REACH);
	allow_put(1, FRONT, GROUPS, SERVICE_OTHER);
	allow_put(1, INTERNET, FRONT, SERVICE_HTTPS);
	allow_put(3, BH_CLASS_HOST, FRONT, BH_SERVICE_ANY);
	allow_put(3, ROUTER, INTERNET, BH_SERVICE_ANY);
	allow_put(1, INTERNET, ROUTER, BH_SERVICE_ANY);
	cell_put(3, BACK, INTERNET, SERVICE_HTTPS,
		 (struct bh_cell){.allow_until = 3000 * NS_PER_SEC, /* runs out while an input lasts */
				  .allow_decision = 20,
				  .staged_until = BH_FOREVER,
				  .staged_decision = 21,
				  .flags = BH_CELL_ALLOW_LOG | BH_CELL_STAGED_DENY});
	cell_put(3, AUDITED, INTERNET, SERVICE_DNS,
		 (struct bh_cell){
			 .deny_until = BH_FOREVER, .deny_decision = 22, .flags = BH_CELL_AUDIT | BH_CELL_DENY_LOG});
}

static void services_make(void)
{
	service_put(BH_ROW_TCP + (443 >> 8), 443 & 0xff, SERVICE_HTTPS);
	service_put(BH_ROW_UDP, 53, SERVICE_DNS);
	service_put(BH_ROW_ICMP + 8, 0, SERVICE_PING);
	service_put(BH_ROW_ICMPV6 + 128, 0, SERVICE_PING);
	service_put(BH_ROW_ICMP + 13, 0, SERVICE_OTHER);
	service_put(BH_ROW_SCTP + (5000 >> 8), 5000 & 0xff, SERVICE_OTHER);
	service_put(BH_ROW_UDP + (5353 >> 8), 5353 & 0xff, SERVICE_OTHER);
	service_put(BH_ROW_PROTO, 47, SERVICE_OTHER);
}

/* What no packet changes: made once. */
static void world_make(void)
{
	inner_maps_make();
	ports_make();
	prefixes_make();
	classes_make();
	cells_make();
	services_make();
}

/* What packets change: as at first. */
static void world_reset(void)
{
	static const uint32_t zero;
	const struct bh_config settings = {.magic = BH_ABI_MAGIC,
					   .version = BH_ABI_VERSION,
					   .active = 1 << 1,
					   .stamp_mask = 0xfff80000,
					   .stamp_shift = BH_STAMP_SHIFT_DEFAULT,
					   .flow_quota = FLOW_QUOTA,
					   .flow_half_quota = FLOW_HALF_QUOTA};

	put(&config, &zero, &settings);
	for (uint32_t i = 0; i < PORT_COUNT; i++)
		kernel_map_clear(&world.flows[i]);
	kernel_map_clear(user_map(&port_state));
	kernel_map_clear(user_map(&fragments));
	kernel_map_clear(user_map(&revoked));
	kernel_map_clear(user_map(&answers));
	kernel_map_clear(user_map(&rule_counters));
	kernel_map_clear(user_map(&port_counters));
	kernel_map_clear(user_map(&reason_counters));
	user.boot_ns = 1000 * NS_PER_SEC;
	user.tai_ns = 2000 * NS_PER_SEC;
	user.packets = 0;
}

#endif
