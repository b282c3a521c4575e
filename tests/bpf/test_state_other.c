/* SPDX-License-Identifier: GPL-2.0-only */
/* State of all but TCP: UDP, ICMP queries, SCTP, protocols by number; and what has none. */
#include <arpa/inet.h>
#include <string.h>

#include "bpf_test.h"

#define OUTSIDE	 "203.0.113.9"
#define OUTSIDE6 "2001:db8::9"
#define SECOND	 1000000000ull
#define TAG_A	 0x11111111u /* what A's packets bear: the other end has chosen it */
#define TAG_B	 0x22222222u /* what A is sent bears */

static uint64_t marked;

static struct bh_flow flow_at(const struct bh_flow_key *key)
{
	struct bh_flow flow;

	assert_true(flow_get(&world.a, key, &flow));
	return flow;
}

/* Gives a flow an end that no state has, so that it shows when its time begins anew. */
static void mark(const struct bh_flow_key *key)
{
	struct bh_flow flow = flow_at(key);

	flow.expires = marked = boot_ns() + 1000 * SECOND;
	flow_put(&world.a, key, &flow);
}

static bool touched(const struct bh_flow_key *key)
{
	return flow_at(key).expires != marked;
}

static void run_out(const struct bh_flow_key *key)
{
	struct bh_flow flow = flow_at(key);

	flow.expires = boot_ns();
	flow_put(&world.a, key, &flow);
}

static bool lasts(const struct bh_flow_key *key, uint32_t timeout)
{
	uint64_t end = boot_ns() + timeout * SECOND, expires = flow_at(key).expires;

	return expires <= end && expires > end - 9 * SECOND;
}

#define ASKS(expected, ...) \
	FROM(a, expected, .from = "10.0.0.2", .to = OUTSIDE, .protocol = UDP, .dport = 53, __VA_ARGS__)
#define IS_TOLD(expected, ...) \
	TO(a, BH_CLASS_REMOTE, expected, .from = OUTSIDE, .to = "10.0.0.2", .protocol = UDP, .sport = 53, __VA_ARGS__)

static void test_udp(void **state)
{
	struct bh_flow_key key = flow_key("10.0.0.2", 40000, OUTSIDE, 53, UDP);

	(void)state;
	IS_TOLD(BH_DENY_DEFAULT, .dport = 40000, .payload = 4); /* not asked for */
	ASKS(BH_ALLOW_RULE, .payload = 4);
	assert_true(lasts(&key, BH_TIMEOUT_UDP));
	mark(&key);
	ASKS(BH_ALLOW_FLOW, .payload = 4);
	assert_true(lasts(&key, BH_TIMEOUT_UDP));
	IS_TOLD(BH_ALLOW_FLOW, .dport = 40000, .payload = 4);
	assert_true(lasts(&key, BH_TIMEOUT_UDP_STREAM));
	/* The opener keeps it alive, and the other end. */
	mark(&key);
	IS_TOLD(BH_ALLOW_FLOW, .dport = 40000);
	assert_true(lasts(&key, BH_TIMEOUT_UDP_STREAM));
	mark(&key);
	ASKS(BH_ALLOW_FLOW, .payload = 4);
	assert_true(lasts(&key, BH_TIMEOUT_UDP_STREAM));
	/* Not for another port of either, another address, another protocol. */
	IS_TOLD(BH_DENY_DEFAULT, .dport = 40001, .payload = 4);
	TO(a, BH_CLASS_REMOTE, BH_DENY_DEFAULT, .from = OUTSIDE, .to = "10.0.0.2", .protocol = UDP, .sport = 54,
	   .dport = 40000);
	TO(a, BH_CLASS_REMOTE, BH_DENY_DEFAULT, .from = "203.0.113.10", .to = "10.0.0.2", .protocol = UDP, .sport = 53,
	   .dport = 40000);
	TO(a, BH_CLASS_REMOTE, BH_DROP_TCP_NOT_SYN, .from = OUTSIDE, .to = "10.0.0.2", .protocol = TCP, .sport = 53,
	   .dport = 40000, .flags = ACK);
	/* And not when its time is over. */
	run_out(&key);
	IS_TOLD(BH_DENY_DEFAULT, .dport = 40000, .payload = 4);
	ASKS(BH_ALLOW_RULE, .payload = 4);
	assert_false(flow_at(&key).flags & BH_FLOW_REPLIED);
	assert_int_equal(flow_count(&world.a), 1);
}

static void test_icmp_queries(void **state)
{
	struct bh_flow_key key = flow_key("10.0.0.2", 7, OUTSIDE, 0, ICMP);

	(void)state;
	TO(a, BH_CLASS_REMOTE, BH_DROP_ICMP_UNRELATED, .from = OUTSIDE, .to = "10.0.0.2", .protocol = ICMP,
	   .icmp_type = 0, .id = 7);
	FROM(a, BH_ALLOW_RULE, .from = "10.0.0.2", .to = OUTSIDE, .protocol = ICMP, .icmp_type = 8, .id = 7);
	assert_true(lasts(&key, BH_TIMEOUT_ICMP));
	mark(&key);
	TO(a, BH_CLASS_REMOTE, BH_ALLOW_FLOW, .from = OUTSIDE, .to = "10.0.0.2", .protocol = ICMP, .icmp_type = 0,
	   .id = 7);
	assert_true(lasts(&key, BH_TIMEOUT_ICMP));
	/* From another, with another identifier, of another kind, a query instead, and too late. */
	TO(a, BH_CLASS_REMOTE, BH_DROP_ICMP_UNRELATED, .from = "203.0.113.10", .to = "10.0.0.2", .protocol = ICMP,
	   .icmp_type = 0, .id = 7);
	TO(a, BH_CLASS_REMOTE, BH_DROP_ICMP_UNRELATED, .from = OUTSIDE, .to = "10.0.0.2", .protocol = ICMP,
	   .icmp_type = 0, .id = 8);
	TO(a, BH_CLASS_REMOTE, BH_DROP_ICMP_UNRELATED, .from = OUTSIDE, .to = "10.0.0.2", .protocol = ICMP,
	   .icmp_type = 14, .id = 7);
	TO(a, BH_CLASS_REMOTE, BH_DENY_DEFAULT, .from = OUTSIDE, .to = "10.0.0.2", .protocol = ICMP, .icmp_type = 8,
	   .id = 7);
	run_out(&key);
	TO(a, BH_CLASS_REMOTE, BH_DROP_ICMP_UNRELATED, .from = OUTSIDE, .to = "10.0.0.2", .protocol = ICMP,
	   .icmp_type = 0, .id = 7);
	/* What A may answer, it may not ask. */
	cell_allow(INTERNET, FRONT, SERVICE_PING, 20);
	cell_remove(FRONT, INTERNET, SERVICE_PING);
	TO(a, BH_CLASS_REMOTE, BH_ALLOW_RULE, .from = OUTSIDE6, .to = "fd00::2", .protocol = ICMP6, .icmp_type = 128,
	   .id = 9);
	FROM(a, BH_ALLOW_FLOW, .from = "fd00::2", .to = OUTSIDE6, .protocol = ICMP6, .icmp_type = 129, .id = 9);
	FROM(a, BH_DENY_DEFAULT, .from = "fd00::2", .to = OUTSIDE6, .protocol = ICMP6, .icmp_type = 128, .id = 9);
}

#define SCTP_SENDS(expected, ...)                                                                            \
	FROM(a, expected, .from = "10.0.0.2", .to = OUTSIDE, .protocol = SCTP, .sport = 5000, .dport = 5000, \
	     __VA_ARGS__)
#define SCTP_GETS(expected, ...)                                                                             \
	TO(a, BH_CLASS_REMOTE, expected, .from = OUTSIDE, .to = "10.0.0.2", .protocol = SCTP, .sport = 5000, \
	   .dport = 5000, __VA_ARGS__)

static const uint8_t chunks[] = {CHUNK_DATA,	    CHUNK_INIT_ACK,   CHUNK_HEARTBEAT_ACK,    CHUNK_ABORT,
				 CHUNK_COOKIE_ECHO, CHUNK_COOKIE_ACK, CHUNK_SHUTDOWN_COMPLETE};

static struct bh_flow_key sctp_key(void)
{
	return flow_key("10.0.0.2", 5000, OUTSIDE, 5000, SCTP);
}

static void sctp_opens(void)
{
	SCTP_SENDS(BH_ALLOW_RULE, .ack = TAG_B);
	SCTP_GETS(BH_ALLOW_FLOW, .chunk = CHUNK_INIT_ACK, .seq = TAG_B, .ack = TAG_A);
	SCTP_SENDS(BH_ALLOW_FLOW, .chunk = CHUNK_COOKIE_ECHO, .seq = TAG_A);
	SCTP_GETS(BH_ALLOW_FLOW, .chunk = CHUNK_COOKIE_ACK, .seq = TAG_B);
}

/* Only an INIT opens, as it should be: without a tag, with one to be sent. Or a HEARTBEAT, on a further path. */
static void test_sctp_opens(void **state)
{
	struct bh_flow_key key = sctp_key();

	(void)state;
	for (size_t i = 0; i < sizeof(chunks); i++) {
		SCTP_SENDS(BH_DROP_SCTP_NOT_INIT, .chunk = chunks[i], .seq = TAG_A);
		SCTP_GETS(BH_DROP_SCTP_NOT_INIT, .chunk = chunks[i], .seq = TAG_B);
	}
	SCTP_SENDS(BH_DROP_SCTP_NOT_INIT, .seq = TAG_A);
	FROM(a, BH_DROP_MALFORMED, .from = "10.0.0.2", .to = OUTSIDE, .protocol = SCTP, .payload = 20,
	     .transport = (uint8_t[20]){0x13, 0x88, 0x13, 0x88, [12] = 1, [15] = 20});
	FROM(a, BH_DROP_SHORT, .from = "10.0.0.2", .to = OUTSIDE, .protocol = SCTP, .payload = 16,
	     .transport = (uint8_t[16]){0x13, 0x88, 0x13, 0x88, [12] = 1, [15] = 20});
	FROM(a, BH_DROP_SHORT, .from = "10.0.0.2", .to = OUTSIDE, .protocol = SCTP, .payload = 12,
	     .transport = (uint8_t[12]){0x13, 0x88, 0x13, 0x88});
	assert_int_equal(flow_count(&world.a), 0);
	sctp_opens();
	assert_true(flow_at(&key).flags & BH_FLOW_REPLIED);
	assert_true(lasts(&key, BH_TIMEOUT_SCTP));
	SCTP_SENDS(BH_ALLOW_FLOW, .chunk = CHUNK_DATA, .seq = TAG_A, .payload = 20);
	mark(&key);
	SCTP_GETS(BH_ALLOW_FLOW, .chunk = CHUNK_DATA, .seq = TAG_B, .payload = 20);
	assert_true(lasts(&key, BH_TIMEOUT_SCTP));
	world_reset(NULL);
	SCTP_SENDS(BH_ALLOW_RULE, .chunk = CHUNK_HEARTBEAT, .seq = TAG_A);
	SCTP_GETS(BH_ALLOW_FLOW, .chunk = CHUNK_HEARTBEAT_ACK, .seq = TAG_B);
	assert_true(lasts(&key, BH_TIMEOUT_SCTP));
}

/* The other end's INIT opens an association of its own: on the ports of an open one, or in answer to one. */
static void test_sctp_init_against_the_flow(void **state)
{
	struct bh_flow_key key = sctp_key();

	(void)state;
	SCTP_SENDS(BH_ALLOW_RULE, .ack = TAG_B);
	mark(&key);
	SCTP_GETS(BH_DENY_DEFAULT, .ack = TAG_A);
	assert_false(flow_at(&key).flags & BH_FLOW_REPLIED);
	cell_allow(INTERNET, FRONT, SERVICE_OTHER, 21);
	SCTP_GETS(BH_ALLOW_RULE, .ack = TAG_A);
	assert_int_equal(flow_at(&key).direction, BH_FLOW_OUT);
	assert_false(touched(&key));
	/* A collision (RFC 9260, 5.2.1): both answer. */
	SCTP_SENDS(BH_ALLOW_FLOW, .chunk = CHUNK_INIT_ACK, .seq = TAG_A, .ack = TAG_B);
	SCTP_GETS(BH_ALLOW_FLOW, .chunk = CHUNK_INIT_ACK, .seq = TAG_B, .ack = TAG_A);
	SCTP_SENDS(BH_ALLOW_FLOW, .chunk = CHUNK_COOKIE_ECHO, .seq = TAG_A);
	SCTP_GETS(BH_ALLOW_FLOW, .chunk = CHUNK_COOKIE_ECHO, .seq = TAG_B);
	assert_true(lasts(&key, BH_TIMEOUT_SCTP));
	assert_int_equal(flow_count(&world.a), 1);
}

/* Who does not know the tag neither answers nor ends an association, nor keeps it open. */
static void test_sctp_guesses(void **state)
{
	struct bh_flow_key key = sctp_key();
	struct bh_flow before, after;

	(void)state;
	SCTP_SENDS(BH_ALLOW_RULE, .ack = TAG_B);
	mark(&key);
	for (size_t i = 0; i < sizeof(chunks); i++) {
		SCTP_GETS(BH_ALLOW_FLOW, .chunk = chunks[i], .seq = TAG_B + 1, .ack = TAG_A);
		SCTP_GETS(BH_ALLOW_FLOW, .chunk = chunks[i], .seq = 0, .ack = TAG_A);
	}
	assert_false(flow_at(&key).flags & BH_FLOW_REPLIED);
	assert_false(touched(&key));
	SCTP_GETS(BH_ALLOW_FLOW, .chunk = CHUNK_INIT_ACK, .seq = TAG_B, .ack = TAG_A);
	mark(&key);
	before = flow_at(&key);
	for (size_t i = 0; i < sizeof(chunks); i++) {
		SCTP_GETS(BH_ALLOW_FLOW, .chunk = chunks[i], .seq = TAG_B + 1, .ack = 5);
		SCTP_GETS(BH_ALLOW_FLOW, .chunk = chunks[i], .seq = TAG_A, .ack = 5);
		SCTP_GETS(BH_ALLOW_FLOW, .chunk = chunks[i], .seq = TAG_B + 1, .ack = 5, .chunk_flags = 1);
	}
	SCTP_GETS(BH_DENY_DEFAULT, .ack = 5);
	SCTP_SENDS(BH_ALLOW_FLOW, .ack = 5); /* A begins anew, or seems to: the answer tells */
	after = flow_at(&key);
	assert_memory_equal(&after, &before, sizeof(after));
}

/* An association that was ended is over, whoever goes on. */
static void test_sctp_ends(void **state)
{
	static const struct {
		uint32_t tag;
		uint8_t chunk, flags;
	} ends[] = {
		{TAG_B, CHUNK_ABORT, 0},
		{TAG_A, CHUNK_ABORT, 1}, /* A's own tag: it knows of no association (8.4) */
		{TAG_B, CHUNK_SHUTDOWN_COMPLETE, 0},
		{TAG_A, CHUNK_SHUTDOWN_COMPLETE, 1},
	};
	struct bh_flow_key key = sctp_key();

	(void)state;
	for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++) {
		world_reset(NULL);
		sctp_opens();
		SCTP_GETS(BH_ALLOW_FLOW, .chunk = ends[i].chunk, .chunk_flags = ends[i].flags, .seq = ends[i].tag);
		assert_true(lasts(&key, BH_TIMEOUT_TCP_RESET));
		mark(&key);
		SCTP_SENDS(BH_ALLOW_FLOW, .chunk = CHUNK_DATA, .seq = TAG_A);
		SCTP_GETS(BH_ALLOW_FLOW, .chunk = CHUNK_DATA, .seq = TAG_B);
		assert_false(touched(&key));
		SCTP_GETS(BH_DENY_DEFAULT, .ack = 5); /* the other end may not open it again */
		SCTP_SENDS(BH_ALLOW_RULE, .ack = 6);
		assert_true(lasts(&key, BH_TIMEOUT_SCTP_INIT));
	}
	/* The refusal of an INIT; and A's own word. */
	world_reset(NULL);
	SCTP_SENDS(BH_ALLOW_RULE, .ack = TAG_B);
	SCTP_GETS(BH_ALLOW_FLOW, .chunk = CHUNK_ABORT, .seq = TAG_B);
	assert_true(lasts(&key, BH_TIMEOUT_TCP_RESET));
	world_reset(NULL);
	sctp_opens();
	SCTP_SENDS(BH_ALLOW_FLOW, .chunk = CHUNK_ABORT, .seq = 77);
	assert_true(lasts(&key, BH_TIMEOUT_TCP_RESET));
}

/* The tags of an association that A has begun anew, and of one that was adopted. */
static void test_sctp_restart(void **state)
{
	struct bh_flow_key key = sctp_key();
	struct bh_flow flow;

	(void)state;
	sctp_opens();
	SCTP_SENDS(BH_ALLOW_FLOW, .ack = 0x77);
	SCTP_GETS(BH_ALLOW_FLOW, .chunk = CHUNK_INIT_ACK, .seq = 0x77, .ack = 0x88);
	SCTP_SENDS(BH_ALLOW_FLOW, .chunk = CHUNK_COOKIE_ECHO, .seq = 0x88);
	mark(&key);
	SCTP_GETS(BH_ALLOW_FLOW, .chunk = CHUNK_COOKIE_ACK, .seq = 0x77);
	assert_true(touched(&key));
	assert_int_equal(flow_at(&key).fin_seq[0], htonl(0x88));
	flow = flow_at(&key);
	flow.fin_seq[0] = flow.fin_seq[1] = 0;
	flow_put(&world.a, &key, &flow);
	mark(&key);
	SCTP_GETS(BH_ALLOW_FLOW, .chunk = CHUNK_DATA, .seq = 5);
	assert_true(touched(&key));
	SCTP_GETS(BH_ALLOW_FLOW, .chunk = CHUNK_ABORT, .seq = 5); /* but to end it takes a tag that is known */
	assert_int_equal(flow_at(&key).tcp_state, BH_TCP_NONE);
}

static void test_by_number(void **state)
{
	struct bh_flow_key key = flow_key("10.0.0.2", 0, OUTSIDE, 0, GRE);

	(void)state;
	TO(a, BH_CLASS_REMOTE, BH_DENY_DEFAULT, .from = OUTSIDE, .to = "10.0.0.2", .protocol = GRE, .payload = 8);
	FROM(a, BH_ALLOW_RULE, .from = "10.0.0.2", .to = OUTSIDE, .protocol = GRE, .payload = 8);
	assert_true(lasts(&key, BH_TIMEOUT_OTHER));
	mark(&key);
	TO(a, BH_CLASS_REMOTE, BH_ALLOW_FLOW, .from = OUTSIDE, .to = "10.0.0.2", .protocol = GRE, .none = true);
	assert_true(lasts(&key, BH_TIMEOUT_OTHER));
	TO(a, BH_CLASS_REMOTE, BH_DENY_DEFAULT, .from = "203.0.113.8", .to = "10.0.0.2", .protocol = GRE);
	/* Every other number is another flow, and is not let through for it; ICMP of the other family is a number. */
	for (uint32_t protocol = 0; protocol < 256; protocol++) {
		if (protocol == GRE)
			continue;
		run_to(&world.a, BH_CLASS_REMOTE,
		       &(struct frame){.from = OUTSIDE,
				       .to = "10.0.0.2",
				       .protocol = (uint8_t)protocol,
				       .transport = (uint8_t[64]){0},
				       .payload = 64});
		assert_true(!last.pass || last.reason == BH_ALLOW_LIFE); /* a router's query */
	}
	assert_int_equal(flow_count(&world.a), 1);
	run_out(&key);
	TO(a, BH_CLASS_REMOTE, BH_DENY_DEFAULT, .from = OUTSIDE, .to = "10.0.0.2", .protocol = GRE, .payload = 8);
}

/* What goes to a group has no flow, so nobody's answer belongs to it. */
static void test_groups(void **state)
{
	(void)state;
	FROM(a, BH_ALLOW_RULE, .from = "10.0.0.2", .to = "224.0.0.251", .to_mac = "01:00:5e:00:00:fb", .protocol = UDP,
	     .sport = 5353, .dport = 5353);
	FROM(a, BH_ALLOW_RULE, .from = "fd00::2", .to = "ff02::fb", .to_mac = "33:33:00:00:00:fb", .protocol = UDP,
	     .sport = 5353, .dport = 5353);
	FROM(a, BH_ALLOW_RULE, .from = "10.0.0.2", .to = "255.255.255.255", .to_mac = "ff:ff:ff:ff:ff:ff",
	     .protocol = UDP, .sport = 5353, .dport = 5353);
	FROM(a, BH_ALLOW_RULE, .from = "10.0.0.2", .to = "10.0.0.255", .to_mac = "ff:ff:ff:ff:ff:ff", .protocol = UDP,
	     .sport = 5353, .dport = 5353);
	assert_int_equal(flow_count(&world.a), 0);
	TO(a, BACK, BH_DENY_DEFAULT, .from = "10.0.0.3", .to = "10.0.0.2", .protocol = UDP, .sport = 5353,
	   .dport = 5353);
	TO(a, BH_CLASS_REMOTE, BH_DENY_DEFAULT, .from = OUTSIDE, .to = "10.0.0.2", .protocol = UDP, .sport = 5353,
	   .dport = 5353);
	/* One that may not is refused each time anew. */
	FROM(a, BH_DENY_DEFAULT, .from = "10.0.0.2", .to = "224.0.0.251", .to_mac = "01:00:5e:00:00:fb",
	     .protocol = UDP, .sport = 5353, .dport = 9);
	FROM(b, BH_DENY_DEFAULT, .from = "10.0.0.3", .to = "10.0.0.255", .to_mac = "ff:ff:ff:ff:ff:ff", .protocol = UDP,
	     .sport = 5353, .dport = 5353);
	/* A group's port gets what is for the group, without an entry either. */
	cell_allow(FRONT, BACK, SERVICE_OTHER, 30);
	TO(b, FRONT, BH_ALLOW_RULE, .from = "10.0.0.2", .to = "224.0.0.251", .to_mac = "01:00:5e:00:00:fb",
	   .protocol = UDP, .sport = 5353, .dport = 5353);
	assert_int_equal(flow_count(&world.b), 0);
	FROM(b, BH_DENY_DEFAULT, .from = "10.0.0.3", .to = "10.0.0.2", .protocol = UDP, .sport = 5353, .dport = 5353);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_udp, world_reset),
		cmocka_unit_test_setup(test_icmp_queries, world_reset),
		cmocka_unit_test_setup(test_sctp_opens, world_reset),
		cmocka_unit_test_setup(test_sctp_init_against_the_flow, world_reset),
		cmocka_unit_test_setup(test_sctp_guesses, world_reset),
		cmocka_unit_test_setup(test_sctp_ends, world_reset),
		cmocka_unit_test_setup(test_sctp_restart, world_reset),
		cmocka_unit_test_setup(test_by_number, world_reset),
		cmocka_unit_test_setup(test_groups, world_reset),
	};

	return cmocka_run_group_tests_name("bpf: other state", tests, world_setup, world_teardown);
}
