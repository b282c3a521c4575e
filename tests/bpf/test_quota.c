/* SPDX-License-Identifier: GPL-2.0-only */
/* One container can't exhaust what another needs: flows and events, each at its limit. */
#include <stdio.h>
#include <string.h>

#include "bpf_test.h"
#include "bulkhead.skel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#define OUTSIDE "203.0.113.9"
#define SECOND	1000000000ull

enum { QUOTA = 64, HALF = 16 }; /* as world_reset sets them */

static struct outcome a_opens(uint32_t sport)
{
	return run_from(
		&world.a,
		&(struct frame){
			.from = "10.0.0.2", .to = OUTSIDE, .protocol = UDP, .sport = (uint16_t)sport, .dport = 53});
}

static void a_is_answered(uint32_t sport)
{
	TO(a, BH_CLASS_REMOTE, BH_ALLOW_FLOW, .from = OUTSIDE, .to = "10.0.0.2", .protocol = UDP, .sport = 53,
	   .dport = (uint16_t)sport);
}

/* Makes every flow of A's end now. */
static void a_expires(uint16_t first, uint16_t last_port)
{
	for (uint32_t sport = first; sport <= last_port; sport++) {
		struct bh_flow_key key = flow_key("10.0.0.2", sport, OUTSIDE, 53, UDP);
		struct bh_flow flow;

		assert_true(flow_get(&world.a, &key, &flow));
		flow.expires = boot_ns() - 1;
		flow_put(&world.a, &key, &flow);
	}
}

static void wait_ns(uint64_t ns)
{
	uint64_t end = boot_ns() + ns;

	while (boot_ns() < end)
		;
}

static void test_half_open(void **state)
{
	struct bh_event event;

	(void)state;
	for (uint32_t i = 1; i <= HALF; i++)
		expect(a_opens(i), BH_ALLOW_RULE, __FILE__, __LINE__);
	events_none();
	expect(a_opens(HALF + 1), BH_DROP_HALF_OPEN_FULL, __FILE__, __LINE__);
	event = event_only();
	assert_int_equal(event.verdict, BH_EVENT_DENY);
	assert_int_equal(event.reason, BH_DROP_HALF_OPEN_FULL);
	assert_int_equal(flow_count(&world.a), HALF);
	/* An open flow goes on; a neighbour opens as it likes. */
	expect(a_opens(3), BH_ALLOW_FLOW, __FILE__, __LINE__);
	TO(b, FRONT, BH_ALLOW_RULE, .from = "10.0.0.2", .to = "10.0.0.3", .protocol = TCP, .dport = 443, .flags = SYN);
	/* One is answered: room for one. */
	a_is_answered(5);
	expect(a_opens(HALF + 1), BH_ALLOW_RULE, __FILE__, __LINE__);
	expect(a_opens(HALF + 2), BH_DROP_HALF_OPEN_FULL, __FILE__, __LINE__);
}

static void test_total(void **state)
{
	(void)state;
	for (uint32_t i = 1; i <= QUOTA; i++) {
		expect(a_opens(i), BH_ALLOW_RULE, __FILE__, __LINE__);
		a_is_answered(i);
	}
	expect(a_opens(QUOTA + 1), BH_DROP_FLOWS_FULL, __FILE__, __LINE__);
	assert_int_equal(event_only().reason, BH_DROP_FLOWS_FULL);
	/* Nothing was evicted. */
	for (uint32_t i = 1; i <= QUOTA; i++)
		expect(a_opens(i), BH_ALLOW_FLOW, __FILE__, __LINE__);
	/* What has expired makes room, as soon as the next sweep may be. */
	wait_ns(SECOND / 9);
	a_expires(1, 10);
	expect(a_opens(QUOTA + 1), BH_ALLOW_RULE, __FILE__, __LINE__);
	assert_int_equal(flow_count(&world.a), QUOTA - 10 + 1);
	for (uint32_t i = 2; i <= 10; i++) {
		expect(a_opens(QUOTA + i), BH_ALLOW_RULE, __FILE__, __LINE__);
		a_is_answered(QUOTA + i);
	}
	a_is_answered(QUOTA + 1);
	expect(a_opens(QUOTA + 11), BH_DROP_FLOWS_FULL, __FILE__, __LINE__);
}

/* What is opened towards a port has room of its own, twice as much: a flooder that is let in takes half of it, and
 * nothing of what the flooded one opens itself. */
static void test_directions(void **state)
{
	(void)state;
	for (uint32_t i = 1; i <= 2 * HALF; i++)
		TO(a, BH_CLASS_HOST, BH_ALLOW_RULE, .from = "10.0.0.1", .to = "10.0.0.2", .protocol = UDP,
		   .sport = (uint16_t)i, .dport = 9);
	TO(a, BH_CLASS_HOST, BH_DROP_HALF_OPEN_FULL, .from = "10.0.0.1", .to = "10.0.0.2", .protocol = UDP,
	   .sport = 2 * HALF + 1, .dport = 9);
	for (uint32_t i = 1; i <= HALF; i++)
		expect(a_opens(i), BH_ALLOW_RULE, __FILE__, __LINE__);
	expect(a_opens(HALF + 1), BH_DROP_HALF_OPEN_FULL, __FILE__, __LINE__);
	assert_int_equal(flow_count(&world.a), 3 * HALF);
	/* An answer frees the one way only. */
	a_is_answered(1);
	expect(a_opens(HALF + 1), BH_ALLOW_RULE, __FILE__, __LINE__);
	TO(a, BH_CLASS_HOST, BH_DROP_HALF_OPEN_FULL, .from = "10.0.0.1", .to = "10.0.0.2", .protocol = UDP,
	   .sport = 2 * HALF + 2, .dport = 9);
}

/* Sweeps have a price: not more often than every 100 ms, unless they pay. */
static void test_sweep_rate(void **state)
{
	(void)state;
	for (uint32_t i = 1; i <= QUOTA; i++) {
		expect(a_opens(i), BH_ALLOW_RULE, __FILE__, __LINE__);
		a_is_answered(i);
	}
	expect(a_opens(1000), BH_DROP_FLOWS_FULL, __FILE__, __LINE__); /* swept in vain */
	a_expires(1, 1);
	expect(a_opens(1000), BH_DROP_FLOWS_FULL, __FILE__, __LINE__); /* not yet again */
	wait_ns(SECOND / 9);
	expect(a_opens(1000), BH_ALLOW_RULE, __FILE__, __LINE__);
}

/* A flow map smaller than the quota, as after seeding: full is full, and counted anew. */
static void test_map_full(void **state)
{
	(void)state;
	flows_size(&world.a, 8);
	for (uint32_t i = 1; i <= 8; i++)
		expect(a_opens(i), BH_ALLOW_RULE, __FILE__, __LINE__);
	expect(a_opens(9), BH_DROP_FLOWS_FULL, __FILE__, __LINE__);
	wait_ns(SECOND / 9);
	a_expires(1, 4);
	expect(a_opens(9), BH_ALLOW_RULE, __FILE__, __LINE__);
	assert_int_equal(flow_count(&world.a), 5);
}

/* A flood at one port: what it gets is its own share, and the neighbour's idle flow outlives it. */
static void test_flood(void **state)
{
	uint32_t allowed = 0;

	(void)state;
	TO(b, FRONT, BH_ALLOW_RULE, .from = "10.0.0.2", .to = "10.0.0.3", .protocol = TCP, .dport = 443, .flags = SYN);
	for (uint32_t i = 0; i < 5000; i++) {
		uint8_t reason = a_opens(1 + i).reason;

		assert_true(reason == BH_ALLOW_RULE || reason == BH_DROP_HALF_OPEN_FULL);
		allowed += reason == BH_ALLOW_RULE;
	}
	assert_int_equal(allowed, HALF);
	assert_true(flow_count(&world.a) <= QUOTA);
	FROM(b, BH_ALLOW_FLOW, .from = "10.0.0.3", .to = "10.0.0.2", .protocol = TCP, .sport = 443, .dport = 40000,
	     .flags = SYN | ACK, .ack = 1);
	for (uint32_t i = 1; i < HALF; i++)
		TO(b, FRONT, BH_ALLOW_RULE, .from = "10.0.0.2", .to = "10.0.0.3", .protocol = TCP, .sport = (uint16_t)i,
		   .dport = 443, .flags = SYN);
}

/* An index that another port had: its counts are not this one's. */
static void test_index_used_again(void **state)
{
	struct port again = world.a;

	(void)state;
	for (uint32_t i = 1; i <= HALF; i++)
		expect(a_opens(i), BH_ALLOW_RULE, __FILE__, __LINE__);
	expect(a_opens(HALF + 1), BH_DROP_HALF_OPEN_FULL, __FILE__, __LINE__);
	for (uint32_t i = 0; i < 50; i++)
		FROM(a, BH_DROP_SOURCE_ADDRESS, .from = "10.0.0.3", .to = OUTSIDE, .protocol = UDP, .dport = 53);
	again.map.id = 777;
	port_set(&again);
	own_set(&again, "10.0.0.2", BH_OWN_ADDRESS);
	flows_size(&again, 128);
	for (uint32_t i = 1; i <= HALF; i++)
		expect(a_opens(i), BH_ALLOW_RULE, __FILE__, __LINE__);
	/* Nor is what was left out of its events. */
	events_take(NULL, 0);
	FROM(a, BH_DROP_SOURCE_ADDRESS, .from = "10.0.0.3", .to = OUTSIDE, .protocol = UDP, .dport = 53);
	assert_int_equal(event_only().suppressed, 0);
}

static void test_events_are_sampled(void **state)
{
	struct bh_event events[40];
	uint32_t told = 0;
	size_t count;

	(void)state;
	for (int i = 0; i < 200; i++)
		FROM(a, BH_DROP_SOURCE_ADDRESS, .from = "10.0.0.3", .to = OUTSIDE, .protocol = UDP, .dport = 53);
	count = events_take(events, 40);
	assert_in_range(count, BH_EVENT_BURST, 2 * BH_EVENT_BURST); /* and some for the time it takes */
	for (size_t i = 0; i < BH_EVENT_BURST; i++)
		assert_int_equal(events[i].suppressed, 0);
	for (size_t i = 0; i < count; i++)
		told += 1 + events[i].suppressed;
	/* Another reason has its own allowance; so has another port. */
	FROM(a, BH_DROP_VLAN, .tag = VLAN, .from = "10.0.0.2", .to = OUTSIDE, .protocol = UDP, .dport = 53);
	assert_int_equal(event_only().reason, BH_DROP_VLAN);
	FROM(b, BH_DROP_SOURCE_ADDRESS, .from = "10.0.0.2", .to = OUTSIDE, .protocol = UDP, .dport = 53);
	assert_int_equal(event_only().port_id, world.b.map.id);
	/* A second brings five more, and the number left out. */
	wait_ns(SECOND + SECOND / 5);
	for (int i = 0; i < 20; i++)
		FROM(a, BH_DROP_SOURCE_ADDRESS, .from = "10.0.0.3", .to = OUTSIDE, .protocol = UDP, .dport = 53);
	count = events_take(events, 40);
	assert_in_range(count, BH_EVENT_PER_SECOND, 2 * BH_EVENT_PER_SECOND);
	assert_int_equal(told + events[0].suppressed, 200);
	assert_int_equal(events[1].suppressed, 0);
}

/* When nobody reads the ring, that is told once there is room again. */
static void test_events_lost(void **state)
{
	struct bh_event events[64];
	uint32_t total = 0;
	size_t count;

	(void)state;
	do {
		port_state_clear(); /* and with it the buckets, or ten would be all */
		for (int i = 0; i < 10; i++)
			FROM(a, BH_DROP_SOURCE_ADDRESS, .from = "10.0.0.3", .to = OUTSIDE, .protocol = UDP,
			     .dport = 53);
		total += 10;
	} while (total * (sizeof(struct bh_event) + 8) < BH_EVENTS_RING_SIZE + 2000);
	count = events_take(events, 64);
	assert_true(count < total);
	FROM(a, BH_DROP_VLAN, .tag = VLAN, .from = "10.0.0.2", .to = OUTSIDE, .protocol = UDP, .dport = 53);
	count = events_take(events, 64);
	assert_int_equal(count, 2);
	assert_int_equal(events[0].reason, BH_DROP_VLAN);
	assert_int_equal(events[1].verdict, BH_EVENT_LOST);
	assert_true(events[1].suppressed > 0);
	FROM(a, BH_DROP_VLAN, .tag = VLAN, .from = "10.0.0.2", .to = OUTSIDE, .protocol = UDP, .dport = 53);
	assert_int_equal(events_take(events, 64), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_half_open, world_reset),
		cmocka_unit_test_setup(test_directions, world_reset),
		cmocka_unit_test_setup(test_total, world_reset),
		cmocka_unit_test_setup(test_sweep_rate, world_reset),
		cmocka_unit_test_setup(test_map_full, world_reset),
		cmocka_unit_test_setup(test_flood, world_reset),
		cmocka_unit_test_setup(test_index_used_again, world_reset),
		cmocka_unit_test_setup(test_events_are_sampled, world_reset),
		cmocka_unit_test_setup(test_events_lost, world_reset),
	};

	return cmocka_run_group_tests_name("bpf: quota", tests, world_setup, world_teardown);
}
