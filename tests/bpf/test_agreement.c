/* SPDX-License-Identifier: GPL-2.0-only */
/* The naive reading of the rules, the compiled table and the programs agree on the first packet of a flow: random
 * policies, random worlds, random questions. The table is put into the maps as it is; only instants are moved, as the
 * programs ask the clock. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bpf_test.h"
#include "bulkhead.skel.h"
#include "policy/naive.h"
#include "table/table.h"
#include "tests/lib/random_policy.h"

#define CASES	  120
#define QUESTIONS 120
#define HOUR	  (3600 * 1000000000ull)
#define MAP(name) bpf_map__fd(world.skeleton->maps.name)

static struct {
	struct random_case made;
	struct random_state random;
	struct registry *registry;
	struct table *table;
	int64_t now; /* at which the naive reading and the table are asked */
} subject;
static size_t asked, allowed, audited, refused;

/* ---- The table in the maps ---- */

/* An instant of the policy, as far from the clock's now as it is from the question's, but never near. */
static uint64_t instant_move(uint64_t until)
{
	uint64_t now = tai_ns();

	if (!until || until == BH_FOREVER)
		return until;
	return until > (uint64_t)subject.now ? now + HOUR : now - HOUR;
}

static void cells_load(void)
{
	const struct table *table = subject.table;
	int cells = inner_put(
		MAP(cells), 0,
		inner_new(BPF_MAP_TYPE_HASH, sizeof(uint64_t), sizeof(struct bh_cell), table->cells.count + 1, 0));

	for (size_t i = 0; i < table->cells.count; i++) {
		struct bh_cell cell = table->cells.items[i].cell;

		cell.deny_until = instant_move(cell.deny_until);
		cell.allow_until = instant_move(cell.allow_until);
		cell.staged_until = instant_move(cell.staged_until);
		map_put(cells, &table->cells.items[i].key, &cell);
	}
	close(cells);
}

static void classes_load(void)
{
	const struct table *table = subject.table;
	int classes = inner_put(MAP(classes), 0,
				inner_new(BPF_MAP_TYPE_ARRAY, sizeof(uint32_t), sizeof(struct bh_class_info),
					  table->class_count, BPF_F_INNER_MAP));
	int services = inner_put(
		MAP(services), 0,
		inner_new(BPF_MAP_TYPE_ARRAY, sizeof(uint32_t), sizeof(struct bh_service_row), BH_SERVICE_ROWS, 0));

	for (uint32_t i = 0; i < table->class_count; i++)
		map_put(classes, &i, &table->class_info[i]);
	for (uint32_t i = 0; i < BH_SERVICE_ROWS; i++)
		map_put(services, &i, &table->services[i]);
	close(classes);
	close(services);
}

static void addresses_load(void)
{
	const struct table *table = subject.table;
	uint32_t entries = table->prefixes.count + 1;
	int prefixes4 = inner_put(MAP(prefixes4), 0,
				  inner_new(BPF_MAP_TYPE_LPM_TRIE, sizeof(struct bh_lpm4_key), sizeof(uint32_t),
					    entries, BPF_F_NO_PREALLOC));
	int prefixes6 = inner_put(MAP(prefixes6), 0,
				  inner_new(BPF_MAP_TYPE_LPM_TRIE, sizeof(struct bh_lpm6_key), sizeof(uint32_t),
					    entries, BPF_F_NO_PREALLOC));

	for (size_t i = 0; i < table->prefixes.count; i++) {
		const struct prefix_entry *entry = &table->prefixes.items[i];
		struct bh_lpm4_key key4 = {.length = entry->prefix.length};
		struct bh_lpm6_key key6 = {.length = entry->prefix.length};

		memcpy(key4.addr, entry->prefix.addr.bytes, sizeof(key4.addr));
		memcpy(key6.addr, entry->prefix.addr.bytes, sizeof(key6.addr));
		if (entry->prefix.addr.family == ADDR_V4)
			map_put(prefixes4, &key4, &entry->class);
		else
			map_put(prefixes6, &key6, &entry->class);
	}
	close(prefixes4);
	close(prefixes6);
	map_clear(MAP(addresses), sizeof(struct bh_addr_key));
	map_clear(MAP(nat64), sizeof(struct bh_nat64_key));
	for (size_t i = 0; i < table->addresses.count; i++) {
		const struct address_entry *entry = &table->addresses.items[i];
		struct bh_addr_key key = {.domain = entry->domain, .family = entry->addr.family};
		struct bh_addr value = {.class = {entry->class, entry->class}};

		memcpy(key.addr, entry->addr.bytes, sizeof(key.addr));
		map_put(MAP(addresses), &key, &value);
	}
	for (size_t i = 0; i < table->nat64.count; i++) {
		struct bh_nat64_key key;
		uint8_t value = 1;

		memcpy(key.prefix, table->nat64.items[i].addr.bytes, sizeof(key.prefix));
		map_put(MAP(nat64), &key, &value);
	}
}

/* One port of the random world takes the place of port A. */
static void port_load(uint32_t number)
{
	const struct world_port *from = &subject.made.world.ports.items[number];
	uint32_t identity = subject.table->ports.items[number].identity;

	world.a.map.domain = from->domain;
	world.a.map.identity[0] = identity;
	world.a.map.identity[1] = identity;
	port_set(&world.a);
	map_clear(MAP(own), sizeof(struct bh_own_key));
	for (size_t i = 0; i < from->addresses.count; i++) {
		char text[ADDR_TEXT_MAX];

		own_set(&world.a, addr_format(&from->addresses.items[i], text), BH_OWN_ADDRESS);
	}
}

/* ---- Questions ---- */

/* What is no new flow in a program's eyes: errors and answers, what a port needs to live, no transport at all. */
static bool service_opens(const struct service_point *service, uint8_t family)
{
	uint8_t type = service->port >> 8;

	switch (service->protocol) {
	case IPPROTO_ICMP:
		return family == ADDR_V4 && (type == 8 || type == 13 || type == 15 || type == 17 || type == 42);
	case IPPROTO_ICMPV6:
		return family == ADDR_V6 && (type == 128 || type == 139 || type == 160);
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_FRAGMENT:
	case IPPROTO_DSTOPTS:
	case IPPROTO_AH:
		return family == ADDR_V4;
	case IPPROTO_IGMP:
	case IPPROTO_PIM:
		return false;
	default:
		return true;
	}
}

/* Addresses that never stand on a wire. */
static bool address_is_martian(const struct addr *addr, bool source)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff}, zero[12];

	if (addr->family == ADDR_V4)
		return addr->bytes[0] == 0 || addr->bytes[0] == 127 ||
		       (source && (addr->bytes[0] >= 224 && (addr->bytes[0] < 240 || addr->bytes[3] == 255)));
	return !memcmp(addr->bytes, zero, 12) || !memcmp(addr->bytes, mapped, 12) || (source && addr->bytes[0] == 0xff);
}

static const struct addr *address_of(const struct world_port *port, uint8_t family)
{
	for (size_t i = 0; i < port->addresses.count; i++)
		if (port->addresses.items[i].family == family)
			return &port->addresses.items[i];
	return NULL;
}

static struct frame frame_of(const struct addr *from, const struct addr *to, const struct service_point *service)
{
	static char texts[2][ADDR_TEXT_MAX];
	struct frame frame = {.protocol = service->protocol, .dport = service->port, .flags = SYN};

	frame.from = addr_format(from, texts[0]);
	frame.to = addr_format(to, texts[1]);
	if (service->protocol == IPPROTO_ICMP || service->protocol == IPPROTO_ICMPV6) {
		frame.icmp_type = service->port >> 8;
		frame.icmp_code = service->port & 0xff;
	}
	return frame;
}

/* What each of the three says. */
static void compare(const struct party *from, const struct party *to, uint32_t src, uint32_t dst,
		    const struct service_point *service, const struct frame *frame, uint32_t stamp)
{
	struct naive naive = {.policy = subject.made.policy, .world = &subject.made.world};
	struct verdict verdict = {0};
	struct table_verdict table;
	struct outcome outcome;
	uint8_t expected;

	assert_int_equal(naive_judge(&naive, from, to, service, subject.now, &verdict), 0);
	if (verdict.unpoliced) {
		verdict_free(&verdict);
		return;
	}
	table_lookup(subject.table, src, dst, table_service(subject.table, service), subject.now, &table);
	map_clear(world.flows[world.a.map.index], sizeof(struct bh_flow_key));
	outcome = stamp ? run_to(&world.a, stamp, frame) : run_from(&world.a, frame);
	expected = !table.allow && table.audit ? BH_ALLOW_FLOW : table.reason;
	asked++;
	allowed += verdict.allow;
	audited += !verdict.allow && verdict.audit;
	refused += !verdict.allow && !verdict.audit;
	if (verdict.allow != table.allow || (!verdict.allow && verdict.audit != table.audit) ||
	    outcome.pass != (verdict.allow || verdict.audit) || outcome.reason != expected)
		fail_msg("seed %lu: %s → %s, protocol %u, %u (classes %u → %u): naive %s%s, table %s%s reason %u, "
			 "program "
			 "%s reason %u",
			 (unsigned long)subject.made.seed, frame->from, frame->to, service->protocol, service->port,
			 src, dst, verdict.allow ? "allow" : "deny", verdict.audit ? " (audit)" : "",
			 table.allow ? "allow" : "deny", table.audit ? " (audit)" : "", table.reason,
			 outcome.pass ? "pass" : "drop", outcome.reason);
	verdict_free(&verdict);
}

/* From the port to an address, as it leaves the port. */
static void ask_outward(uint32_t number, const struct addr *own)
{
	struct party from = {.kind = PARTY_PORT, .port = number}, to = {.kind = PARTY_ADDRESS};
	struct service_point service;
	struct frame frame;

	to.domain = world.a.map.domain;
	random_addr(&subject.random, &subject.made.world, &to.addr);
	random_service(&subject.random, &service);
	if (to.addr.family != own->family || addr_equal(&to.addr, own) || address_is_martian(&to.addr, false) ||
	    !service_opens(&service, own->family))
		return;
	frame = frame_of(own, &to.addr, &service);
	compare(&from, &to, world.a.map.identity[0], table_class(subject.table, &to.addr, to.domain), &service, &frame,
		0);
}

/* Is it on this host, so that the stamp `remote` is a lie? */
static bool address_is_local(const struct addr *addr, uint32_t class)
{
	const struct table *table = subject.table;

	if (class != BH_CLASS_UNASSIGNED)
		return class < BH_CLASS_FIRST || table->class_info[class].flags & BH_CLASS_LOCAL;
	for (size_t i = 0; i < table->addresses.count; i++)
		if (addr_equal(&table->addresses.items[i].addr, addr) &&
		    (!table->addresses.items[i].domain || table->addresses.items[i].domain == world.a.map.domain))
			return true;
	return false;
}

/* To the port: from a port or the host, told by the stamp, or from outside, told by the address. */
static void ask_inward(uint32_t number, const struct addr *own)
{
	struct party from, to = {.kind = PARTY_PORT, .port = number};
	const struct table *table = subject.table;
	struct service_point service;
	const struct addr *source = own; /* of the host: whatever it says, the stamp tells */
	uint32_t stamp = BH_CLASS_HOST, src = BH_CLASS_HOST;
	struct frame frame;

	random_party(&subject.random, &subject.made.world, &from);
	random_service(&subject.random, &service);
	if (!service_opens(&service, own->family))
		return;
	switch (from.kind) {
	case PARTY_PORT:
		source = address_of(&subject.made.world.ports.items[from.port], own->family);
		stamp = table->ports.items[from.port].identity;
		if (!source || address_is_martian(source, true) || stamp == BH_CLASS_NONE || from.port == number)
			return;
		src = stamp;
		break;
	case PARTY_HOST:
		break;
	case PARTY_ADDRESS:
		from.domain = world.a.map.domain;
		source = &from.addr;
		stamp = BH_CLASS_REMOTE;
		src = table_class(table, source, from.domain);
		if (source->family != own->family || address_is_martian(source, true))
			return;
		break;
	}
	frame = frame_of(source, own, &service);
	if (stamp == BH_CLASS_REMOTE && address_is_local(source, src)) {
		expect(run_to(&world.a, stamp, &frame), BH_DROP_SPOOFED_REMOTE, __FILE__, __LINE__);
		return;
	}
	compare(&from, &to, src, world.a.map.identity[0], &service, &frame, stamp);
}

static void case_ask(uint64_t seed)
{
	struct error error = {0};

	assert_int_equal(random_case_new(seed, &subject.made, &subject.random), 0);
	assert_int_equal(registry_new(&subject.registry), 0);
	subject.now = random_now(&subject.random);
	assert_int_equal(table_compile(subject.made.policy, &subject.made.world, subject.registry,
				       RANDOM_NOW_FIRST / 1000000000, &subject.table, &error),
			 0);
	cells_load();
	classes_load();
	addresses_load();
	for (int i = 0; i < QUESTIONS; i++) {
		uint32_t number = subject.made.world.ports.count
					  ? random_below(&subject.random, subject.made.world.ports.count)
					  : 0;
		const struct addr *own;

		if (!subject.made.world.ports.count || subject.table->ports.items[number].identity == BH_CLASS_NONE)
			continue;
		own = address_of(&subject.made.world.ports.items[number],
				 random_chance(&subject.random, 50) ? ADDR_V4 : ADDR_V6);
		if (!own || address_is_martian(own, true) || address_is_martian(own, false))
			continue;
		port_load(number);
		if (random_chance(&subject.random, 60))
			ask_outward(number, own);
		else
			ask_inward(number, own);
	}
	table_free(subject.table);
	registry_free(subject.registry);
	random_case_free(&subject.made);
}

static void test_agreement(void **state)
{
	const char *first = getenv("SEED");
	uint64_t seed = first ? strtoull(first, NULL, 0) : 1;

	(void)state;
	config_get()->flow_quota = 1 << 30;
	config_get()->flow_half_quota = 1 << 30;
	for (int i = 0; i < CASES; i++)
		case_ask(seed + i);
	print_message("# %zu questions: %zu allowed, %zu audited, %zu refused\n", asked, allowed, audited, refused);
	/* The questions must be worth something. */
	assert_true(allowed > asked / 20 && refused > asked / 20 && audited > asked / 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_agreement, world_reset),
	};

	return cmocka_run_group_tests_name("bpf: agreement", tests, world_setup, world_teardown);
}
