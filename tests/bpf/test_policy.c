/* SPDX-License-Identifier: GPL-2.0-only */
/* What the policy's cells say: the order of judgement, audit, staged rules, defaults, the host's door, groups. */
#include <string.h>

#include "bpf_test.h"
#include "bulkhead.skel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#define OUTSIDE	 "203.0.113.9"
#define OUTSIDE6 "2001:db8::9"
#define SECOND	 1000000000ull

#define A_OPENS(expected, port) \
	FROM(a, expected, .from = "10.0.0.2", .to = OUTSIDE, .protocol = TCP, .dport = port, .flags = SYN)

static void test_order_of_judgement(void **state)
{
	struct bh_cell cell = {.deny_until = tai_ns() + 600 * SECOND,
			       .allow_until = tai_ns() + 500 * SECOND,
			       .deny_decision = 60,
			       .allow_decision = 61,
			       .base_decision = 62,
			       .base_reason = BH_ALLOW_GROUP,
			       .flags = BH_CELL_BASE_ALLOW};

	(void)state;
	cell_set(FRONT, INTERNET, SERVICE_SSH, &cell);
	A_OPENS(BH_DENY_RULE, 22);
	events_none(); /* not asked for */
	cell.deny_until = tai_ns() - 1;
	cell_set(FRONT, INTERNET, SERVICE_SSH, &cell);
	A_OPENS(BH_ALLOW_RULE, 22);
	cell.allow_until = tai_ns() - 1;
	cell_set(FRONT, INTERNET, SERVICE_SSH, &cell);
	FROM(a, BH_ALLOW_GROUP, .from = "10.0.0.2", .to = OUTSIDE, .protocol = TCP, .sport = 2, .dport = 22,
	     .flags = SYN);
	cell.base_reason = BH_ALLOW_ZONE;
	cell_set(FRONT, INTERNET, SERVICE_SSH, &cell);
	FROM(a, BH_ALLOW_ZONE, .from = "10.0.0.2", .to = OUTSIDE, .protocol = TCP, .sport = 3, .dport = 22,
	     .flags = SYN);
	cell.base_reason = BH_ALLOW_UNASSIGNED;
	cell_set(FRONT, INTERNET, SERVICE_SSH, &cell);
	FROM(a, BH_ALLOW_UNASSIGNED, .from = "10.0.0.2", .to = OUTSIDE, .protocol = TCP, .sport = 4, .dport = 22,
	     .flags = SYN);
	cell.base_reason = BH_ALLOW_HOST;
	cell_set(BH_CLASS_HOST, FRONT, SERVICE_SSH, &cell);
	TO(a, BH_CLASS_HOST, BH_ALLOW_HOST, .from = "10.0.0.1", .to = "10.0.0.2", .protocol = TCP, .sport = 4,
	   .dport = 22, .flags = SYN);
	cell.base_reason = BH_DENY_UNASSIGNED;
	cell.flags = BH_CELL_BASE_LOG;
	cell_set(FRONT, INTERNET, SERVICE_SSH, &cell);
	FROM(a, BH_DENY_UNASSIGNED, .from = "10.0.0.2", .to = OUTSIDE, .protocol = TCP, .sport = 5, .dport = 22,
	     .flags = SYN);
	assert_int_equal(event_only().decision, 62);
	/* A cell that says two things at once is believed in neither. */
	cell.flags = BH_CELL_BASE_ALLOW;
	cell_set(FRONT, INTERNET, SERVICE_SSH, &cell);
	FROM(a, BH_DROP_INTERNAL, .from = "10.0.0.2", .to = OUTSIDE, .protocol = TCP, .sport = 6, .dport = 22,
	     .flags = SYN);
}

static void test_fallback_to_any(void **state)
{
	(void)state;
	A_OPENS(BH_DENY_DEFAULT, 8080);
	A_OPENS(BH_DENY_DEFAULT, 22);
	cell_allow(FRONT, INTERNET, BH_SERVICE_ANY, 70);
	A_OPENS(BH_ALLOW_RULE, 8080);
	A_OPENS(BH_ALLOW_RULE, 22);
	cell_deny(FRONT, INTERNET, SERVICE_SSH, 71);
	events_take(NULL, 0);
	FROM(a, BH_DENY_RULE, .from = "10.0.0.2", .to = OUTSIDE, .protocol = TCP, .sport = 9, .dport = 22,
	     .flags = SYN);
	assert_int_equal(event_only().decision, 71);
}

static void test_default_denial(void **state)
{
	struct bh_event event;

	(void)state;
	A_OPENS(BH_DENY_DEFAULT, 22);
	event = event_only(); /* the internet has no zone: the sender's speaks */
	assert_int_equal(event.verdict, BH_EVENT_DENY);
	assert_int_equal(event.reason, BH_DENY_DEFAULT);
	assert_int_equal(event.decision, 910);
	assert_int_equal(event.src_class, FRONT);
	assert_int_equal(event.dst_class, INTERNET);
	assert_int_equal(event.port_id, world.a.map.id);
	assert_int_equal(event.ifindex, world.a.ifindex);
	assert_int_equal(event.direction, BH_EVENT_FROM_PORT);
	assert_int_equal(event.family, 4);
	assert_int_equal(event.protocol, TCP);
	assert_int_equal(event.tcp_flags, SYN);
	assert_int_equal(event.source_port, 40000);
	assert_int_equal(event.destination_port, 22);
	assert_int_equal(event.ethertype, IPV4);
	assert_int_equal(event.generation, 1);
	assert_int_equal(event.length, 54);
	assert_memory_equal(event.source, ((uint8_t[4]){10, 0, 0, 2}), 4);
	assert_memory_equal(event.destination, ((uint8_t[4]){203, 0, 113, 9}), 4);
	assert_memory_equal(event.source_mac, world.a.map.mac, 6);
	assert_int_equal(rule_counter(910).packets > 0, 1);
	FROM(a, BH_DENY_DEFAULT, .from = "10.0.0.2", .to = "192.0.2.9", .protocol = TCP, .dport = 22, .flags = SYN);
	events_none(); /* the zone of `to` speaks, and wants none */
	TO(b, FRONT, BH_DENY_DEFAULT, .from = "10.0.0.2", .to = "10.0.0.3", .protocol = TCP, .dport = 22, .flags = SYN);
	event = event_only();
	assert_int_equal(event.decision, 911);
	assert_int_equal(event.direction, BH_EVENT_TO_PORT);
}

static void test_log_of_allowed(void **state)
{
	struct bh_cell cell = {.allow_until = BH_FOREVER,
			       .allow_decision = 75,
			       .base_reason = BH_DENY_DEFAULT,
			       .flags = BH_CELL_ALLOW_LOG};
	struct bh_event event;

	(void)state;
	cell_set(FRONT, INTERNET, SERVICE_SSH, &cell);
	A_OPENS(BH_ALLOW_RULE, 22);
	event = event_only();
	assert_int_equal(event.verdict, BH_EVENT_ALLOW);
	assert_int_equal(event.reason, BH_ALLOW_RULE);
	assert_int_equal(event.decision, 75);
	TO(a, BH_CLASS_REMOTE, BH_ALLOW_FLOW, .from = OUTSIDE, .to = "10.0.0.2", .protocol = TCP, .sport = 22,
	   .dport = 40000, .flags = SYN | ACK, .ack = 1);
	events_none(); /* a flow once */
	config_flip();
	TO(a, BH_CLASS_REMOTE, BH_ALLOW_FLOW, .from = OUTSIDE, .to = "10.0.0.2", .protocol = TCP, .sport = 22,
	   .dport = 40000, .flags = SYN | ACK, .ack = 1);
	events_none();
}

static void test_conflicted_and_ambiguous(void **state)
{
	(void)state;
	cell_allow(BH_CLASS_CONFLICTED, INTERNET, BH_SERVICE_ANY, 80);
	cell_allow(FRONT, BH_CLASS_CONFLICTED, BH_SERVICE_ANY, 81);
	cell_allow(FRONT, BH_CLASS_AMBIGUOUS, BH_SERVICE_ANY, 82);
	FROM(c, BH_DENY_CONFLICTED, .from = "10.0.0.6", .to = OUTSIDE, .protocol = TCP, .dport = 443, .flags = SYN);
	assert_int_equal(event_only().decision, 905);
	FROM(a, BH_DENY_CONFLICTED, .from = "10.0.0.2", .to = "10.0.0.6", .protocol = TCP, .dport = 443, .flags = SYN);
	TO(c, FRONT, BH_DENY_CONFLICTED, .from = "10.0.0.2", .to = "10.0.0.6", .protocol = TCP, .dport = 443,
	   .flags = SYN);
	FROM(a, BH_DENY_AMBIGUOUS, .from = "10.0.0.2", .to = "10.9.9.9", .protocol = TCP, .dport = 443, .flags = SYN);
	/* Not loosened by audit. */
	class_set(FRONT, BH_CLASS_ZONE | BH_CLASS_AUDIT, 910);
	class_set(BH_CLASS_CONFLICTED, BH_CLASS_AUDIT, 905);
	FROM(a, BH_DENY_CONFLICTED, .from = "10.0.0.2", .to = "10.0.0.6", .protocol = TCP, .dport = 443, .flags = SYN);
	FROM(a, BH_DENY_AMBIGUOUS, .from = "10.0.0.2", .to = "10.9.9.9", .protocol = TCP, .dport = 443, .flags = SYN);
}

/* A would-be denial passes, is reported once, and is counted as let pass. */
static void test_audit(void **state)
{
	struct bh_flow_key key = flow_key("10.0.0.5", 40000, OUTSIDE, 22, TCP);
	struct bh_port_counters before = port_counter(&world.u);
	struct bh_event event;
	struct bh_flow flow;

	(void)state;
	FROM(u, BH_ALLOW_FLOW, .from = "10.0.0.5", .to = OUTSIDE, .protocol = TCP, .dport = 22, .flags = SYN);
	event = event_only();
	assert_int_equal(event.verdict, BH_EVENT_WOULD_DENY);
	assert_int_equal(event.reason, BH_DENY_DEFAULT);
	assert_int_equal(event.decision, 914);
	assert_true(flow_get(&world.u, &key, &flow));
	assert_true(flow.flags & BH_FLOW_AUDITED);
	TO(u, BH_CLASS_REMOTE, BH_ALLOW_FLOW, .from = OUTSIDE, .to = "10.0.0.5", .protocol = TCP, .sport = 22,
	   .dport = 40000, .flags = SYN | ACK, .ack = 1);
	events_none();
	assert_int_equal(port_counter(&world.u).allowed[0].packets - before.allowed[0].packets, 1);
	assert_int_equal(port_counter(&world.u).denied[0].packets, before.denied[0].packets);
	/* A new policy that says the same has nothing new to tell; one that says it elsewhere has. */
	config_flip();
	FROM(u, BH_ALLOW_FLOW, .from = "10.0.0.5", .to = OUTSIDE, .protocol = TCP, .dport = 22, .flags = ACK, .seq = 1,
	     .ack = 1);
	events_none();
	class_set(AUDITED, BH_CLASS_ZONE | BH_CLASS_LOCAL | BH_CLASS_AUDIT, 919);
	config_flip();
	FROM(u, BH_ALLOW_FLOW, .from = "10.0.0.5", .to = OUTSIDE, .protocol = TCP, .dport = 22, .flags = ACK, .seq = 1,
	     .ack = 1);
	assert_int_equal(event_only().decision, 919);
	/* Audit ends: so does the flow. */
	class_set(AUDITED, BH_CLASS_ZONE | BH_CLASS_LOCAL, 914);
	config_flip();
	FROM(u, BH_DROP_REVOKED, .from = "10.0.0.5", .to = OUTSIDE, .protocol = TCP, .dport = 22, .flags = ACK);
}

static void test_audit_opens_no_enforced_zone(void **state)
{
	(void)state;
	FROM(u, BH_DENY_DEFAULT, .from = "10.0.0.5", .to = "10.0.0.3", .protocol = TCP, .dport = 22, .flags = SYN);
	TO(u, FRONT, BH_DENY_DEFAULT, .from = "10.0.0.2", .to = "10.0.0.5", .protocol = TCP, .dport = 22, .flags = SYN);
	/* By a cell: it says so itself. */
	cell_set(FRONT, INTERNET, SERVICE_SSH,
		 &(struct bh_cell){.deny_until = BH_FOREVER,
				   .deny_decision = 90,
				   .base_reason = BH_DENY_DEFAULT,
				   .flags = BH_CELL_AUDIT});
	A_OPENS(BH_ALLOW_FLOW, 22);
	assert_true(last.pass);
}

/* Audit is about rules, not about who one is. */
static void test_audit_loosens_no_guard(void **state)
{
	(void)state;
	FROM(u, BH_DROP_SOURCE_ADDRESS, .from = "10.0.0.3", .to = OUTSIDE, .protocol = TCP, .dport = 22, .flags = SYN);
	FROM(u, BH_DROP_TCP_NOT_SYN, .from = "10.0.0.5", .to = OUTSIDE, .protocol = TCP, .dport = 22, .flags = ACK);
	FROM(u, BH_DROP_VLAN, .tag = VLAN, .from = "10.0.0.5", .to = OUTSIDE, .protocol = TCP, .dport = 22,
	     .flags = SYN);
	FROM(u, BH_DROP_ROUTER_ADVERTISEMENT, .from = "fe80::5", .to = "ff02::1", .protocol = ICMP6, .icmp_type = 134,
	     .hop_limit = 255, .payload = 8);
}

static void test_staged(void **state)
{
	struct bh_cell cell = {.staged_until = BH_FOREVER,
			       .staged_decision = 95,
			       .allow_until = BH_FOREVER,
			       .allow_decision = 96,
			       .base_reason = BH_DENY_DEFAULT,
			       .flags = BH_CELL_STAGED_DENY};
	struct bh_event event;

	(void)state;
	cell_set(FRONT, INTERNET, SERVICE_SSH, &cell);
	A_OPENS(BH_ALLOW_RULE, 22); /* judged without it */
	event = event_only();
	assert_int_equal(event.verdict, BH_EVENT_STAGED);
	assert_int_equal(event.decision, 95);
	assert_int_equal(event.reason, BH_DENY_RULE); /* what it would have done */
	TO(a, BH_CLASS_REMOTE, BH_ALLOW_FLOW, .from = OUTSIDE, .to = "10.0.0.2", .protocol = TCP, .sport = 22,
	   .dport = 40000, .flags = SYN | ACK, .ack = 1);
	config_flip();
	TO(a, BH_CLASS_REMOTE, BH_ALLOW_FLOW, .from = OUTSIDE, .to = "10.0.0.2", .protocol = TCP, .sport = 22,
	   .dport = 40000, .flags = SYN | ACK, .ack = 1);
	events_none(); /* once a flow */
	cell.flags = 0;
	cell.allow_until = 0;
	cell_set(FRONT, INTERNET, SERVICE_SSH, &cell);
	FROM(a, BH_DENY_DEFAULT, .from = "10.0.0.2", .to = OUTSIDE, .protocol = TCP, .sport = 2, .dport = 22,
	     .flags = SYN);
	event = event_only();
	assert_int_equal(event.verdict, BH_EVENT_STAGED);
	assert_int_equal(event.reason, BH_ALLOW_RULE);
	cell.staged_until = tai_ns() - 1;
	cell_set(FRONT, INTERNET, SERVICE_SSH, &cell);
	FROM(a, BH_DENY_DEFAULT, .from = "10.0.0.2", .to = OUTSIDE, .protocol = TCP, .sport = 3, .dport = 22,
	     .flags = SYN);
	events_none();
}

/* What is for the host, or behind one of its published ports, is left to the door; but it has a flow. */
static void test_deferred(void **state)
{
	struct bh_flow_key key = flow_key("10.0.0.2", 40000, "10.0.0.1", 8080, TCP);
	struct bh_flow flow;

	(void)state;
	FROM(a, BH_ALLOW_RULE, .from = "10.0.0.2", .to = "10.0.0.1", .protocol = UDP, .dport = 53);
	FROM(a, BH_DENY_DEFAULT, .from = "10.0.0.2", .to = "10.0.0.1", .protocol = TCP, .dport = 8080, .flags = SYN);
	published_set(TCP, 8080);
	events_take(NULL, 0);
	FROM(a, BH_ALLOW_DEFERRED, .from = "10.0.0.2", .to = "10.0.0.1", .protocol = TCP, .dport = 8080, .flags = SYN);
	events_none();
	assert_true(flow_get(&world.a, &key, &flow));
	assert_int_equal(flow.decision, 0);
	assert_false(flow.flags & BH_FLOW_PEER_LOCAL);
	/* The answer comes from wherever NAT led. */
	TO(a, BACK, BH_ALLOW_FLOW, .from = "10.0.0.1", .to = "10.0.0.2", .protocol = TCP, .sport = 8080, .dport = 40000,
	   .flags = SYN | ACK, .ack = 1);
	config_flip();
	FROM(a, BH_ALLOW_FLOW, .from = "10.0.0.2", .to = "10.0.0.1", .protocol = TCP, .dport = 8080, .flags = ACK,
	     .seq = 1, .ack = 1);
	FROM(a, BH_DENY_DEFAULT, .from = "10.0.0.2", .to = "10.0.0.1", .protocol = UDP, .dport = 8080);
	published_remove(TCP, 8080);
	config_flip();
	FROM(a, BH_DROP_REVOKED, .from = "10.0.0.2", .to = "10.0.0.1", .protocol = TCP, .dport = 8080, .flags = ACK,
	     .seq = 1, .ack = 1);
	config_get()->host_deferred = 1;
	FROM(a, BH_ALLOW_DEFERRED, .from = "10.0.0.2", .to = "10.0.0.1", .protocol = UDP, .dport = 9999);
	FROM(a, BH_ALLOW_DEFERRED, .from = "fd00::2", .to = "fd00::1", .protocol = ICMP6, .icmp_type = 128);
	FROM(c, BH_DENY_CONFLICTED, .from = "10.0.0.6", .to = "10.0.0.1", .protocol = UDP, .dport = 9999);
	/* The host's own flows are not: its door does not see them. */
	TO(b, BH_CLASS_HOST, BH_DENY_DEFAULT, .from = "10.0.0.1", .to = "10.0.0.3", .protocol = UDP, .dport = 9999);
}

/* To a group: judged, has no flow, and is no answer either. */
static void test_groups(void **state)
{
	(void)state;
	FROM(a, BH_ALLOW_RULE, .to_mac = "01:00:5e:00:00:fb", .from = "10.0.0.2", .to = "224.0.0.251", .protocol = UDP,
	     .sport = 5353, .dport = 5353);
	FROM(a, BH_ALLOW_RULE, .to_mac = "ff:ff:ff:ff:ff:ff", .from = "10.0.0.2", .to = "10.0.0.255", .protocol = UDP,
	     .sport = 5353, .dport = 5353);
	FROM(a, BH_ALLOW_RULE, .to_mac = "33:33:00:00:00:fb", .from = "fe80::2", .to = "ff02::fb", .protocol = UDP,
	     .sport = 5353, .dport = 5353);
	FROM(b, BH_DENY_DEFAULT, .to_mac = "ff:ff:ff:ff:ff:ff", .from = "10.0.0.3", .to = "255.255.255.255",
	     .protocol = UDP, .sport = 5353, .dport = 5353);
	assert_int_equal(flow_count(&world.a), 0);
	/* In the other port it is a flow from one to the other. */
	TO(b, FRONT, BH_DENY_DEFAULT, .to_mac = "01:00:5e:00:00:fb", .from = "10.0.0.2", .to = "224.0.0.251",
	   .protocol = UDP, .sport = 5353, .dport = 5353);
	cell_allow(FRONT, BACK, SERVICE_OTHER, 97);
	TO(b, FRONT, BH_ALLOW_RULE, .to_mac = "01:00:5e:00:00:fb", .from = "10.0.0.2", .to = "224.0.0.251",
	   .protocol = UDP, .sport = 5353, .dport = 5353);
	TO(b, FRONT, BH_ALLOW_RULE, .to_mac = "ff:ff:ff:ff:ff:ff", .from = "10.0.0.2", .to = "10.0.0.255",
	   .protocol = UDP, .sport = 5353, .dport = 5353);
	assert_int_equal(flow_count(&world.b), 0);
	/* The answer to it is a new flow. */
	FROM(b, BH_DENY_DEFAULT, .from = "10.0.0.3", .to = "10.0.0.2", .protocol = UDP, .sport = 5353, .dport = 5353);
}

static void test_addresses(void **state)
{
	struct bh_nat64_key nat = {.prefix = {0x00, 0x64, 0xff, 0x9b}};
	uint8_t value = 1;

	(void)state;
	/* The own bridge's entry before everybody's, that before the prefixes. */
	address_set(7, "10.9.9.9", BACK);
	FROM(a, BH_ALLOW_RULE, .from = "10.0.0.2", .to = "10.9.9.9", .protocol = TCP, .dport = 443, .flags = SYN);
	address_remove(7, "10.9.9.9");
	FROM(a, BH_DENY_AMBIGUOUS, .from = "10.0.0.2", .to = "10.9.9.9", .protocol = TCP, .sport = 2, .dport = 443,
	     .flags = SYN);
	prefix_set("203.0.113.128/25", STRANGERS);
	FROM(a, BH_ALLOW_RULE, .from = "10.0.0.2", .to = "203.0.113.127", .protocol = TCP, .dport = 443, .flags = SYN);
	FROM(a, BH_DENY_DEFAULT, .from = "10.0.0.2", .to = "203.0.113.128", .protocol = TCP, .dport = 443,
	     .flags = SYN);
	FROM(a, BH_ALLOW_RULE, .from = "fd00::2", .to = OUTSIDE6, .protocol = TCP, .dport = 443, .flags = SYN);
	FROM(a, BH_DENY_DEFAULT, .from = "fd00::2", .to = "2001:db8:2::1", .protocol = TCP, .dport = 443, .flags = SYN);
	/* An IPv4 address in an IPv6 one is judged as that: exact entries, too. */
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(world.skeleton->maps.nat64), &nat, &value, BPF_ANY), 0);
	FROM(a, BH_DENY_DEFAULT, .from = "fd00::2", .to = "64:ff9b::203.0.113.200", .protocol = TCP, .dport = 443,
	     .flags = SYN);
	FROM(a, BH_ALLOW_RULE, .from = "fd00::2", .to = "64:ff9b::203.0.113.9", .protocol = TCP, .dport = 443,
	     .flags = SYN);
	FROM(a, BH_DENY_AMBIGUOUS, .from = "fd00::2", .to = "64:ff9b::10.9.9.9", .protocol = TCP, .dport = 443,
	     .flags = SYN);
}

/* One store puts classes, cells and identities in force together. */
static void test_slots(void **state)
{
	(void)state;
	world.a.map.identity[1] = BACK;
	port_set(&world.a);
	A_OPENS(BH_ALLOW_RULE, 443);
	config_flip();
	FROM(a, BH_DENY_DEFAULT, .from = "10.0.0.2", .to = OUTSIDE, .protocol = TCP, .sport = 2, .dport = 443,
	     .flags = SYN);
	FROM(a, BH_DROP_REVOKED, .from = "10.0.0.2", .to = OUTSIDE, .protocol = TCP, .dport = 443, .flags = ACK);
	cell_set_slot(1, BACK, INTERNET, SERVICE_HTTPS,
		      &(struct bh_cell){.allow_until = BH_FOREVER, .base_reason = BH_DENY_DEFAULT});
	FROM(a, BH_ALLOW_RULE, .from = "10.0.0.2", .to = OUTSIDE, .protocol = TCP, .sport = 2, .dport = 443,
	     .flags = SYN);
	assert_int_equal(last.mark >> BH_STAMP_SHIFT_DEFAULT, BACK);
	world.a.map.identity[1] = FRONT;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_order_of_judgement, world_reset),
		cmocka_unit_test_setup(test_fallback_to_any, world_reset),
		cmocka_unit_test_setup(test_default_denial, world_reset),
		cmocka_unit_test_setup(test_log_of_allowed, world_reset),
		cmocka_unit_test_setup(test_conflicted_and_ambiguous, world_reset),
		cmocka_unit_test_setup(test_audit, world_reset),
		cmocka_unit_test_setup(test_audit_opens_no_enforced_zone, world_reset),
		cmocka_unit_test_setup(test_audit_loosens_no_guard, world_reset),
		cmocka_unit_test_setup(test_staged, world_reset),
		cmocka_unit_test_setup(test_deferred, world_reset),
		cmocka_unit_test_setup(test_groups, world_reset),
		cmocka_unit_test_setup(test_addresses, world_reset),
		cmocka_unit_test_setup(test_slots, world_reset),
	};

	return cmocka_run_group_tests_name("bpf: policy", tests, world_setup, world_teardown);
}
