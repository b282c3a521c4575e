/* SPDX-License-Identifier: GPL-2.0-only */
/* TCP connections as they are opened, closed, lost, guessed at and opened again: what passes, and what the record says
 * then. Each state and packet by itself: test_state_table.c. */
#include <string.h>

#include "bpf_test.h"

#define OUTSIDE "203.0.113.9"
#define SECOND	1000000000ull

/* A's connection to the outside, which A opens; and the one that is opened to A. */
#define OUT_SENDS(expected, ...) \
	FROM(a, expected, .from = "10.0.0.2", .to = OUTSIDE, .protocol = TCP, .dport = 443, __VA_ARGS__)
#define OUT_GETS(expected, ...)                                                                            \
	TO(a, BH_CLASS_REMOTE, expected, .from = OUTSIDE, .to = "10.0.0.2", .protocol = TCP, .sport = 443, \
	   .dport = 40000, __VA_ARGS__)
#define IN_GETS(expected, ...) \
	TO(a, BH_CLASS_REMOTE, expected, .from = OUTSIDE, .to = "10.0.0.2", .protocol = TCP, .dport = 443, __VA_ARGS__)
#define IN_SENDS(expected, ...) \
	FROM(a, expected, .from = "10.0.0.2", .to = OUTSIDE, .protocol = TCP, .sport = 443, .dport = 40000, __VA_ARGS__)

static struct bh_flow out_flow(void)
{
	struct bh_flow_key key = flow_key("10.0.0.2", 40000, OUTSIDE, 443, TCP);
	struct bh_flow flow;

	assert_true(flow_get(&world.a, &key, &flow));
	return flow;
}

static struct bh_flow in_flow(void)
{
	struct bh_flow_key key = flow_key("10.0.0.2", 443, OUTSIDE, 40000, TCP);
	struct bh_flow flow;

	assert_true(flow_get(&world.a, &key, &flow));
	return flow;
}

static void out_opens(void)
{
	OUT_SENDS(BH_ALLOW_RULE, .flags = SYN, .seq = 100, .scale = 8);
	OUT_GETS(BH_ALLOW_FLOW, .flags = SYN | ACK, .seq = 500, .ack = 101, .scale = 3);
	OUT_SENDS(BH_ALLOW_FLOW, .flags = ACK, .seq = 101, .ack = 501);
	assert_int_equal(out_flow().tcp_state, BH_TCP_ESTABLISHED);
}

static void in_opens(void)
{
	IN_GETS(BH_ALLOW_RULE, .flags = SYN, .seq = 100, .scale = 8);
	IN_SENDS(BH_ALLOW_FLOW, .flags = SYN | ACK, .seq = 500, .ack = 101, .scale = 3);
	IN_GETS(BH_ALLOW_FLOW, .flags = ACK, .seq = 101, .ack = 501);
	assert_int_equal(in_flow().tcp_state, BH_TCP_ESTABLISHED);
}

static uint64_t marked;

/* Gives a flow an end that no state has, so that it shows when its time begins anew. */
static void mark(const struct bh_flow_key *key)
{
	struct bh_flow flow;

	assert_true(flow_get(&world.a, key, &flow));
	flow.expires = marked = boot_ns() + 300 * SECOND;
	flow_put(&world.a, key, &flow);
}

static bool touched(struct bh_flow flow)
{
	return flow.expires != marked;
}

static void run_out(const struct bh_flow_key *key)
{
	struct bh_flow flow;

	assert_true(flow_get(&world.a, key, &flow));
	flow.expires = boot_ns();
	flow_put(&world.a, key, &flow);
}

/* Has its time begun anew, within the last seconds? */
static bool lasts(struct bh_flow flow, uint32_t timeout)
{
	uint64_t end = boot_ns() + timeout * SECOND;

	return flow.expires <= end && flow.expires > end - 9 * SECOND;
}

/* RFC 9293, 3.5, figure 8, where the policy lets both open: at the port of the one who was first in each order. */
static void test_simultaneous_open(void **state)
{
	(void)state;
	cell_allow(INTERNET, FRONT, BH_SERVICE_ANY, 21);
	OUT_SENDS(BH_ALLOW_RULE, .flags = SYN, .seq = 100);
	OUT_GETS(BH_ALLOW_RULE, .flags = SYN, .seq = 300);
	assert_int_equal(out_flow().direction, BH_FLOW_OUT);
	assert_int_equal(out_flow().tcp_state, BH_TCP_SYN_SENT);
	OUT_SENDS(BH_ALLOW_FLOW, .flags = SYN | ACK, .seq = 100, .ack = 301);
	assert_int_equal(out_flow().tcp_state, BH_TCP_SYN_SENT);
	assert_false(out_flow().flags & BH_FLOW_REPLIED);
	OUT_GETS(BH_ALLOW_FLOW, .flags = SYN | ACK, .seq = 300, .ack = 101);
	assert_int_equal(out_flow().tcp_state, BH_TCP_ESTABLISHED); /* and neither says a word until there is data */
	assert_true(out_flow().flags & BH_FLOW_REPLIED);
	assert_true(lasts(out_flow(), BH_TIMEOUT_TCP_ESTABLISHED));
	assert_int_equal(flow_count(&world.a), 1);
	/* The answers the other way round. */
	world_reset(NULL);
	cell_allow(INTERNET, FRONT, BH_SERVICE_ANY, 21);
	OUT_SENDS(BH_ALLOW_RULE, .flags = SYN, .seq = 100);
	OUT_GETS(BH_ALLOW_RULE, .flags = SYN, .seq = 300);
	OUT_GETS(BH_ALLOW_FLOW, .flags = SYN | ACK, .seq = 300, .ack = 101);
	assert_int_equal(out_flow().tcp_state, BH_TCP_SYN_RECV);
	OUT_SENDS(BH_ALLOW_FLOW, .flags = SYN | ACK, .seq = 100, .ack = 301);
	assert_int_equal(out_flow().tcp_state, BH_TCP_ESTABLISHED);
	/* And with one SYN lost on its way: the other end has only acknowledged. */
	world_reset(NULL);
	cell_allow(INTERNET, FRONT, BH_SERVICE_ANY, 21);
	OUT_SENDS(BH_ALLOW_RULE, .flags = SYN, .seq = 100);
	OUT_GETS(BH_ALLOW_RULE, .flags = SYN, .seq = 300);
	OUT_SENDS(BH_ALLOW_FLOW, .flags = SYN | ACK, .seq = 100, .ack = 301);
	OUT_GETS(BH_ALLOW_FLOW, .flags = ACK, .seq = 301, .ack = 102);
	OUT_GETS(BH_ALLOW_FLOW, .flags = ACK, .seq = 302, .ack = 101);
	assert_int_equal(out_flow().tcp_state, BH_TCP_SYN_SENT);
	OUT_GETS(BH_ALLOW_FLOW, .flags = ACK, .seq = 301, .ack = 101);
	assert_int_equal(out_flow().tcp_state, BH_TCP_ESTABLISHED);
}

/* Only A may open: the other's SYN is refused at A's port, and at the other's own. The connection is then A's. */
static void test_simultaneous_open_one_way(void **state)
{
	struct bh_flow_key key = flow_key("10.0.0.3", 443, "10.0.0.2", 40000, TCP);
	struct bh_flow flow;

	(void)state;
	OUT_SENDS(BH_ALLOW_RULE, .flags = SYN, .seq = 100);
	OUT_GETS(BH_DENY_DEFAULT, .flags = SYN, .seq = 300);
	assert_int_equal(out_flow().tcp_state, BH_TCP_SYN_SENT);
	OUT_GETS(BH_ALLOW_FLOW, .flags = SYN | ACK, .seq = 300, .ack = 101); /* it has got A's, and answers that */
	OUT_SENDS(BH_ALLOW_FLOW, .flags = ACK, .seq = 101, .ack = 301);
	assert_int_equal(out_flow().tcp_state, BH_TCP_ESTABLISHED);
	/* B, which may not, at its own port: before A's SYN is there, and after. */
	FROM(b, BH_DENY_DEFAULT, .from = "10.0.0.3", .to = "10.0.0.2", .protocol = TCP, .sport = 443, .dport = 40000,
	     .flags = SYN, .seq = 300);
	assert_int_equal(flow_count(&world.b), 0);
	TO(b, FRONT, BH_ALLOW_RULE, .from = "10.0.0.2", .to = "10.0.0.3", .protocol = TCP, .dport = 443, .flags = SYN,
	   .seq = 100);
	FROM(b, BH_DENY_DEFAULT, .from = "10.0.0.3", .to = "10.0.0.2", .protocol = TCP, .sport = 443, .dport = 40000,
	     .flags = SYN, .seq = 300);
	FROM(b, BH_ALLOW_FLOW, .from = "10.0.0.3", .to = "10.0.0.2", .protocol = TCP, .sport = 443, .dport = 40000,
	     .flags = SYN | ACK, .seq = 300, .ack = 101);
	TO(b, FRONT, BH_ALLOW_FLOW, .from = "10.0.0.2", .to = "10.0.0.3", .protocol = TCP, .dport = 443, .flags = ACK,
	   .seq = 101, .ack = 301);
	assert_true(flow_get(&world.b, &key, &flow));
	assert_int_equal(flow.tcp_state, BH_TCP_ESTABLISHED);
	assert_int_equal(flow.direction, BH_FLOW_IN);
}

/* A server that answers a SYN with a bare acknowledgement and a SYN of its own would make the client a server: it opens
 * a connection, so it must be one who may. */
static void test_split_handshake(void **state)
{
	struct bh_flow_key key = flow_key("10.0.0.2", 40000, OUTSIDE, 443, TCP);

	(void)state;
	OUT_SENDS(BH_ALLOW_RULE, .flags = SYN, .seq = 100);
	mark(&key);
	OUT_GETS(BH_ALLOW_FLOW, .flags = ACK, .seq = 300, .ack = 101);
	OUT_GETS(BH_DENY_DEFAULT, .flags = SYN, .seq = 300);
	assert_int_equal(out_flow().tcp_state, BH_TCP_SYN_SENT);
	assert_false(out_flow().flags & BH_FLOW_REPLIED);
	/* What it sends as if A had answered: not one packet of it makes the flow more than half-open. */
	OUT_GETS(BH_ALLOW_FLOW, .flags = ACK | PSH, .seq = 301, .ack = 101, .payload = 10);
	OUT_GETS(BH_ALLOW_FLOW, .flags = FIN | ACK, .seq = 311, .ack = 101);
	assert_int_equal(out_flow().tcp_state, BH_TCP_SYN_SENT);
	assert_false(out_flow().flags & BH_FLOW_REPLIED);
	assert_false(touched(out_flow()));
}

/* Who does not see the answers can open nothing. */
static void test_blind_open(void **state)
{
	struct bh_flow_key key = flow_key("10.0.0.2", 443, OUTSIDE, 40000, TCP);

	(void)state;
	/* Nothing begins in the middle. */
	IN_GETS(BH_DROP_TCP_NOT_SYN, .flags = ACK, .seq = 1, .ack = 1);
	IN_GETS(BH_DROP_TCP_NOT_SYN, .flags = SYN | ACK, .seq = 1, .ack = 1);
	IN_GETS(BH_DROP_TCP_NOT_SYN, .flags = FIN | ACK, .seq = 1, .ack = 1);
	IN_GETS(BH_DROP_TCP_NOT_SYN, .flags = RST, .seq = 1);
	OUT_SENDS(BH_DROP_TCP_NOT_SYN, .flags = ACK, .seq = 1, .ack = 1);
	assert_int_equal(flow_count(&world.a), 0);
	/* A forged SYN is answered to somebody else; the forger's acknowledgement is a guess. */
	IN_GETS(BH_ALLOW_RULE, .flags = SYN, .seq = 100);
	IN_SENDS(BH_ALLOW_FLOW, .flags = SYN | ACK, .seq = 77000, .ack = 101);
	mark(&key);
	for (uint32_t guess = 0; guess < 60; guess++) {
		uint32_t ack = guess < 30 ? 76971 + guess : 76972 + guess; /* all but the right one */

		IN_GETS(BH_ALLOW_FLOW, .flags = ACK, .seq = 101, .ack = ack);
		IN_GETS(BH_ALLOW_FLOW, .flags = ACK | PSH, .seq = 101, .ack = ack + (1u << 24) * guess, .payload = 9);
		IN_GETS(BH_ALLOW_FLOW, .flags = FIN | ACK, .seq = 101, .ack = ack);
	}
	assert_int_equal(in_flow().tcp_state, BH_TCP_SYN_RECV);
	assert_false(touched(in_flow()));
	/* A's own reset of the guess, at a place that the forger chose, does not end it either. */
	IN_SENDS(BH_ALLOW_FLOW, .flags = RST, .seq = 77100);
	assert_int_equal(in_flow().tcp_state, BH_TCP_SYN_RECV);
	/* Then the true one. */
	IN_GETS(BH_ALLOW_FLOW, .flags = ACK, .seq = 101, .ack = 77001);
	assert_int_equal(in_flow().tcp_state, BH_TCP_ESTABLISHED);
}

/* The sender of a forged answer does not know what was asked. */
static void test_blind_answer(void **state)
{
	struct bh_flow_key key = flow_key("10.0.0.2", 40000, OUTSIDE, 443, TCP);

	(void)state;
	OUT_SENDS(BH_ALLOW_RULE, .flags = SYN, .seq = 100);
	mark(&key);
	OUT_GETS(BH_ALLOW_FLOW, .flags = SYN | ACK, .seq = 500, .ack = 100);
	OUT_GETS(BH_ALLOW_FLOW, .flags = SYN | ACK, .seq = 500, .ack = 102);
	OUT_GETS(BH_ALLOW_FLOW, .flags = ACK, .seq = 501, .ack = 101);
	OUT_GETS(BH_DROP_TCP_INVALID, .flags = RST | ACK, .ack = 102);
	OUT_GETS(BH_DROP_TCP_INVALID, .flags = RST, .seq = 101);
	assert_int_equal(out_flow().tcp_state, BH_TCP_SYN_SENT);
	assert_false(out_flow().flags & BH_FLOW_REPLIED);
	assert_false(touched(out_flow()));
	/* A's answer to such a guess stands where the guess says. */
	OUT_SENDS(BH_ALLOW_FLOW, .flags = RST, .seq = 102);
	assert_int_equal(out_flow().tcp_state, BH_TCP_SYN_SENT);
	OUT_GETS(BH_ALLOW_FLOW, .flags = SYN | ACK, .seq = 500, .ack = 101);
	assert_int_equal(out_flow().tcp_state, BH_TCP_SYN_RECV);
}

/* Who does not see a connection can neither keep it open nor close it, nor lead its record astray. */
static void test_blind_packets(void **state)
{
	struct bh_flow_key key = flow_key("10.0.0.2", 40000, OUTSIDE, 443, TCP);
	struct bh_flow before, after;

	(void)state;
	out_opens();
	mark(&key);
	before = out_flow();
	/* The reach of an end is a window (1000 << 7) and 65535. */
	for (uint32_t i = 0; i < 20; i++) {
		uint32_t far = 200000 + i * ((UINT32_MAX - 400000) / 19);

		OUT_GETS(BH_ALLOW_FLOW, .flags = ACK, .seq = 501 + far, .ack = 101);
		OUT_GETS(BH_ALLOW_FLOW, .flags = ACK, .seq = 501, .ack = 101 + far);
		OUT_GETS(BH_ALLOW_FLOW, .flags = ACK | PSH, .seq = 501 + far, .ack = 101 + far, .payload = 100);
		OUT_GETS(BH_ALLOW_FLOW, .flags = FIN | ACK, .seq = 501 + far, .ack = 101);
		OUT_GETS(BH_ALLOW_FLOW, .flags = FIN | ACK, .seq = 501, .ack = 101 + far);
		OUT_GETS(BH_ALLOW_FLOW, .flags = SYN | ACK, .seq = 501 + far, .ack = 101 + far);
		OUT_GETS(BH_DROP_TCP_INVALID, .flags = RST, .seq = 501 + far);
		OUT_GETS(BH_DROP_TCP_INVALID, .flags = RST | ACK, .seq = 501 + far, .ack = 101);
	}
	OUT_GETS(BH_DENY_DEFAULT, .flags = SYN, .seq = 501);
	OUT_GETS(BH_ALLOW_FLOW, .flags = RST, .seq = 502);
	after = out_flow();
	after.checked = before.checked;
	assert_memory_equal(&after, &before, sizeof(after));
	/* What fits does all that. */
	OUT_GETS(BH_ALLOW_FLOW, .flags = ACK, .seq = 501, .ack = 101, .payload = 10);
	assert_true(lasts(out_flow(), BH_TIMEOUT_TCP_ESTABLISHED));
	OUT_GETS(BH_ALLOW_FLOW, .flags = FIN | ACK, .seq = 511, .ack = 101);
	assert_int_equal(out_flow().tcp_state, BH_TCP_FIN_WAIT);
	OUT_GETS(BH_ALLOW_FLOW, .flags = RST, .seq = 512);
	assert_int_equal(out_flow().tcp_state, BH_TCP_RESET);
}

/* Towards A, from an opener elsewhere; A's own packets are not guessed. */
static void test_blind_opener(void **state)
{
	struct bh_flow_key key = flow_key("10.0.0.2", 443, OUTSIDE, 40000, TCP);

	(void)state;
	in_opens();
	mark(&key);
	IN_GETS(BH_ALLOW_FLOW, .flags = ACK, .seq = 0x50000000, .ack = 501);
	IN_GETS(BH_ALLOW_FLOW, .flags = SYN, .seq = 0x50000000);
	IN_GETS(BH_ALLOW_FLOW, .flags = FIN | ACK, .seq = 0x50000000, .ack = 501);
	IN_GETS(BH_DROP_TCP_INVALID, .flags = RST, .seq = 0x50000000);
	assert_int_equal(in_flow().tcp_state, BH_TCP_ESTABLISHED);
	assert_false(touched(in_flow()));
	IN_SENDS(BH_ALLOW_FLOW, .flags = ACK, .seq = 501, .ack = 101); /* its answer to each of these */
	assert_true(lasts(in_flow(), BH_TIMEOUT_TCP_ESTABLISHED));
}

/* A SYN that nobody answers is over after its time, which the opener alone begins anew. */
static void test_half_open_times_out(void **state)
{
	struct bh_flow_key key = flow_key("10.0.0.2", 40000, OUTSIDE, 443, TCP);

	(void)state;
	OUT_SENDS(BH_ALLOW_RULE, .flags = SYN, .seq = 100);
	mark(&key);
	OUT_SENDS(BH_ALLOW_FLOW, .flags = SYN, .seq = 100);
	assert_true(lasts(out_flow(), BH_TIMEOUT_TCP_SYN));
	run_out(&key);
	OUT_GETS(BH_DROP_TCP_NOT_SYN, .flags = SYN | ACK, .seq = 500, .ack = 101);
	OUT_SENDS(BH_DROP_TCP_NOT_SYN, .flags = ACK, .seq = 101, .ack = 501);
	OUT_SENDS(BH_ALLOW_RULE, .flags = SYN, .seq = 100);
	assert_int_equal(flow_count(&world.a), 1);
	/* Answered, and not acknowledged: likewise. */
	OUT_GETS(BH_ALLOW_FLOW, .flags = SYN | ACK, .seq = 500, .ack = 101);
	run_out(&key);
	OUT_SENDS(BH_DROP_TCP_NOT_SYN, .flags = ACK, .seq = 101, .ack = 501);
}

/* Guessed packets do not make a flow less half-open, and what is half-open stays within its quota. */
static void test_half_open_is_counted(void **state)
{
	enum { HALF = 16 }; /* as world_reset sets it */

	(void)state;
	for (uint16_t port = HALF; port > 0; port--) {
		OUT_SENDS(BH_ALLOW_RULE, .sport = port, .flags = SYN, .seq = 100);
		TO(a, BH_CLASS_REMOTE, BH_ALLOW_FLOW, .from = OUTSIDE, .to = "10.0.0.2", .protocol = TCP, .sport = 443,
		   .dport = port, .flags = ACK, .seq = 9, .ack = 9);
		TO(a, BH_CLASS_REMOTE, BH_ALLOW_FLOW, .from = OUTSIDE, .to = "10.0.0.2", .protocol = TCP, .sport = 443,
		   .dport = port, .flags = SYN | ACK, .seq = 9, .ack = 9);
	}
	OUT_SENDS(BH_DROP_HALF_OPEN_FULL, .sport = HALF + 1, .flags = SYN, .seq = 100);
	TO(a, BH_CLASS_REMOTE, BH_ALLOW_FLOW, .from = OUTSIDE, .to = "10.0.0.2", .protocol = TCP, .sport = 443,
	   .dport = 1, .flags = SYN | ACK, .seq = 9, .ack = 101);
	OUT_SENDS(BH_ALLOW_RULE, .sport = HALF + 1, .flags = SYN, .seq = 100);
}

static void out_closes(void)
{
	OUT_SENDS(BH_ALLOW_FLOW, .flags = FIN | ACK, .seq = 101, .ack = 501);
	OUT_GETS(BH_ALLOW_FLOW, .flags = FIN | ACK, .seq = 501, .ack = 102);
	OUT_SENDS(BH_ALLOW_FLOW, .flags = ACK, .seq = 102, .ack = 502);
	assert_int_equal(out_flow().tcp_state, BH_TCP_TIME_WAIT);
}

/* Both close before either has heard of it (RFC 9293, 3.6, case 3). */
static void test_simultaneous_close(void **state)
{
	(void)state;
	out_opens();
	OUT_SENDS(BH_ALLOW_FLOW, .flags = FIN | ACK, .seq = 101, .ack = 501);
	OUT_GETS(BH_ALLOW_FLOW, .flags = FIN | ACK, .seq = 501, .ack = 101);
	assert_int_equal(out_flow().tcp_state, BH_TCP_CLOSING);
	OUT_SENDS(BH_ALLOW_FLOW, .flags = ACK, .seq = 102, .ack = 502);
	assert_int_equal(out_flow().tcp_state, BH_TCP_CLOSING);
	OUT_GETS(BH_ALLOW_FLOW, .flags = ACK, .seq = 502, .ack = 101); /* not yet of the FIN */
	assert_int_equal(out_flow().tcp_state, BH_TCP_CLOSING);
	OUT_GETS(BH_ALLOW_FLOW, .flags = ACK, .seq = 502, .ack = 102);
	assert_int_equal(out_flow().tcp_state, BH_TCP_TIME_WAIT);
}

/* The same ports again within TIME-WAIT: a new flow, judged as one, in either direction. */
static void test_time_wait_reuse(void **state)
{
	struct bh_flow_key key = flow_key("10.0.0.2", 40000, OUTSIDE, 443, TCP);

	(void)state;
	out_opens();
	out_closes();
	mark(&key);
	/* What is late passes, and keeps nothing alive. */
	OUT_GETS(BH_ALLOW_FLOW, .flags = FIN | ACK, .seq = 501, .ack = 102);
	OUT_SENDS(BH_ALLOW_FLOW, .flags = ACK, .seq = 102, .ack = 502);
	OUT_GETS(BH_ALLOW_FLOW, .flags = ACK | PSH, .seq = 400, .ack = 102, .payload = 101);
	assert_int_equal(out_flow().tcp_state, BH_TCP_TIME_WAIT);
	assert_false(touched(out_flow()));
	/* The other end may not open, in TIME-WAIT no more than at any time. */
	OUT_GETS(BH_DENY_DEFAULT, .flags = SYN, .seq = 9000);
	assert_int_equal(out_flow().direction, BH_FLOW_OUT);
	OUT_SENDS(BH_ALLOW_RULE, .flags = SYN, .seq = 9000);
	assert_int_equal(out_flow().tcp_state, BH_TCP_SYN_SENT);
	assert_false(out_flow().flags & (BH_FLOW_REPLIED | BH_FLOW_FIN_OPENER | BH_FLOW_FIN_OTHER));
	/* The other end is still there, in TIME-WAIT: it acknowledges, is reset, and takes the next SYN. */
	OUT_GETS(BH_ALLOW_FLOW, .flags = ACK, .seq = 502, .ack = 102);
	OUT_SENDS(BH_ALLOW_FLOW, .flags = RST, .seq = 102);
	OUT_SENDS(BH_ALLOW_FLOW, .flags = SYN, .seq = 9000);
	OUT_GETS(BH_ALLOW_FLOW, .flags = SYN | ACK, .seq = 800, .ack = 9001);
	OUT_SENDS(BH_ALLOW_FLOW, .flags = ACK, .seq = 9001, .ack = 801);
	assert_int_equal(out_flow().tcp_state, BH_TCP_ESTABLISHED);
	assert_int_equal(flow_count(&world.a), 1);
}

/* No longer allowed: TIME-WAIT gives no leave for the next connection. */
static void test_time_wait_is_no_leave(void **state)
{
	(void)state;
	out_opens();
	out_closes();
	cell_remove(FRONT, INTERNET, SERVICE_HTTPS);
	config_flip();
	OUT_SENDS(BH_DENY_DEFAULT, .flags = SYN, .seq = 9000);
	cell_allow(INTERNET, FRONT, BH_SERVICE_ANY, 21);
	config_flip();
	OUT_GETS(BH_ALLOW_RULE, .flags = SYN, .seq = 9000); /* and the other way when that is allowed */
	assert_int_equal(out_flow().direction, BH_FLOW_IN);
}

/* One end has forgotten the connection and opens it again with the same ports. */
static void test_forgotten(void **state)
{
	(void)state;
	/* A's server has: it answers the SYN as if there had been nothing. */
	in_opens();
	IN_GETS(BH_ALLOW_FLOW, .flags = FIN | ACK, .seq = 101, .ack = 501);
	IN_GETS(BH_ALLOW_FLOW, .flags = SYN, .seq = 0x40000000, .scale = 5);
	assert_int_equal(in_flow().tcp_state, BH_TCP_FIN_WAIT);
	IN_SENDS(BH_ALLOW_FLOW, .flags = SYN | ACK, .seq = 0x70000000, .ack = 0x40000001, .scale = 3);
	assert_int_equal(in_flow().tcp_state, BH_TCP_SYN_RECV);
	IN_GETS(BH_ALLOW_FLOW, .flags = ACK, .seq = 0x40000001, .ack = 0x70000001);
	assert_int_equal(in_flow().tcp_state, BH_TCP_ESTABLISHED);
	/* A, the client, opens again; the server, which has forgotten, answers; A acknowledges. */
	out_opens();
	OUT_SENDS(BH_ALLOW_FLOW, .flags = FIN | ACK, .seq = 101, .ack = 501);
	OUT_SENDS(BH_ALLOW_FLOW, .flags = SYN, .seq = 0x40000000, .scale = 8);
	OUT_GETS(BH_ALLOW_FLOW, .flags = SYN | ACK, .seq = 0x70000000, .ack = 0x40000001);
	OUT_SENDS(BH_ALLOW_FLOW, .flags = ACK, .seq = 0x40000001, .ack = 0x70000001);
	assert_int_equal(out_flow().tcp_state, BH_TCP_ESTABLISHED);
	OUT_GETS(BH_ALLOW_FLOW, .flags = ACK, .seq = 0x70000001, .ack = 0x40000001, .payload = 20);
	assert_int_equal(out_flow().fin_seq[1], 0x70000015);
	OUT_GETS(BH_DROP_TCP_INVALID, .flags = RST, .seq = 501); /* the place of the one before */
}

/* Two SYNs of one pair of ports from elsewhere: A's answer tells which one counts. */
static void test_two_openers(void **state)
{
	(void)state;
	IN_GETS(BH_ALLOW_RULE, .flags = SYN, .seq = 100, .scale = 8);
	IN_GETS(BH_ALLOW_FLOW, .flags = SYN, .seq = 0x60000000); /* forged */
	IN_SENDS(BH_ALLOW_FLOW, .flags = SYN | ACK, .seq = 500, .ack = 101);
	assert_int_equal(in_flow().window_scale[0], 7);
	IN_GETS(BH_ALLOW_FLOW, .flags = ACK, .seq = 101, .ack = 501);
	assert_int_equal(in_flow().tcp_state, BH_TCP_ESTABLISHED);
	world_reset(NULL);
	IN_GETS(BH_ALLOW_RULE, .flags = SYN, .seq = 100, .scale = 8); /* forged; or it never came further */
	IN_GETS(BH_ALLOW_FLOW, .flags = SYN, .seq = 0x60000000);
	IN_SENDS(BH_ALLOW_FLOW, .flags = SYN | ACK, .seq = 500, .ack = 0x60000001);
	IN_GETS(BH_ALLOW_FLOW, .flags = ACK, .seq = 101, .ack = 501);
	assert_int_equal(in_flow().tcp_state, BH_TCP_SYN_RECV);
	IN_GETS(BH_ALLOW_FLOW, .flags = ACK, .seq = 0x60000001, .ack = 501);
	assert_int_equal(in_flow().tcp_state, BH_TCP_ESTABLISHED);
}

/* An adopted flow's record is empty: the container fills it, nobody else. */
static void test_adopted(void **state)
{
	struct bh_flow_key key = flow_key("10.0.0.2", 40000, OUTSIDE, 443, TCP);
	struct bh_flow flow = {.valid_until = BH_FOREVER,
			       .generation = 1,
			       .opener = FRONT,
			       .other = INTERNET,
			       .direction = BH_FLOW_OUT,
			       .tcp_state = BH_TCP_ESTABLISHED,
			       .flags = BH_FLOW_SEEDED | BH_FLOW_REPLIED,
			       .window_scale = {0xff, 0xff}};

	(void)state;
	flow_put(&world.a, &key, &flow);
	mark(&key);
	OUT_GETS(BH_ALLOW_FLOW, .flags = ACK, .seq = 0, .ack = 0, .payload = 10);
	OUT_GETS(BH_ALLOW_FLOW, .flags = ACK, .seq = 0x20000000, .ack = 0x30000000, .payload = 10);
	OUT_GETS(BH_ALLOW_FLOW, .flags = FIN | ACK, .seq = 0x20000000, .ack = 0x30000000);
	OUT_GETS(BH_ALLOW_FLOW, .flags = RST, .seq = 0);
	assert_int_equal(out_flow().fin_seq[1] | out_flow().acked[1], 0);
	assert_int_equal(out_flow().tcp_state, BH_TCP_ESTABLISHED);
	assert_false(touched(out_flow()));
	OUT_SENDS(BH_ALLOW_FLOW, .flags = ACK, .seq = 7000, .ack = 8000, .payload = 3);
	assert_true(lasts(out_flow(), BH_TIMEOUT_TCP_ESTABLISHED));
	assert_int_equal(out_flow().fin_seq[0], 7003);
	assert_int_equal(out_flow().acked[1], 8000);
	OUT_GETS(BH_DROP_TCP_INVALID, .flags = RST, .seq = 0x70000000);
	OUT_GETS(BH_ALLOW_FLOW, .flags = FIN | ACK, .seq = 8000, .ack = 7003);
	assert_int_equal(out_flow().tcp_state, BH_TCP_FIN_WAIT);
}

/* A reset of the container's own, while its data is under way and stands behind what was acknowledged last. */
static void test_own_reset(void **state)
{
	struct bh_flow_key key = flow_key("10.0.0.2", 40000, OUTSIDE, 443, TCP);

	(void)state;
	out_opens();
	OUT_SENDS(BH_ALLOW_FLOW, .flags = ACK, .seq = 101, .ack = 501, .payload = 1000);
	OUT_SENDS(BH_ALLOW_FLOW, .flags = RST, .seq = 601);
	assert_int_equal(out_flow().tcp_state, BH_TCP_RESET);
	assert_true(lasts(out_flow(), BH_TIMEOUT_TCP_RESET));
	mark(&key);
	OUT_GETS(BH_ALLOW_FLOW, .flags = ACK, .seq = 501, .ack = 601);
	assert_false(touched(out_flow()));
}

/* Flags that no end sends together. */
static void test_impossible_flags(void **state)
{
	static const uint8_t flags[] = {0,
					FIN,
					PSH,
					URG,
					SYN | FIN,
					SYN | RST,
					SYN | FIN | ACK,
					SYN | RST | ACK,
					FIN | RST,
					FIN | PSH | URG,
					FIN | RST | ACK};

	(void)state;
	out_opens();
	for (size_t i = 0; i < sizeof(flags); i++) {
		OUT_GETS(BH_DROP_TCP_INVALID, .flags = flags[i], .seq = 501, .ack = 101);
		OUT_SENDS(BH_DROP_TCP_INVALID, .flags = flags[i], .seq = 101, .ack = 501);
		IN_GETS(BH_DROP_TCP_INVALID, .flags = flags[i], .seq = 501, .ack = 101);
	}
	assert_int_equal(out_flow().tcp_state, BH_TCP_ESTABLISHED);
	assert_int_equal(flow_count(&world.a), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_simultaneous_open, world_reset),
		cmocka_unit_test_setup(test_simultaneous_open_one_way, world_reset),
		cmocka_unit_test_setup(test_split_handshake, world_reset),
		cmocka_unit_test_setup(test_blind_open, world_reset),
		cmocka_unit_test_setup(test_blind_answer, world_reset),
		cmocka_unit_test_setup(test_blind_packets, world_reset),
		cmocka_unit_test_setup(test_blind_opener, world_reset),
		cmocka_unit_test_setup(test_half_open_times_out, world_reset),
		cmocka_unit_test_setup(test_half_open_is_counted, world_reset),
		cmocka_unit_test_setup(test_simultaneous_close, world_reset),
		cmocka_unit_test_setup(test_time_wait_reuse, world_reset),
		cmocka_unit_test_setup(test_time_wait_is_no_leave, world_reset),
		cmocka_unit_test_setup(test_forgotten, world_reset),
		cmocka_unit_test_setup(test_two_openers, world_reset),
		cmocka_unit_test_setup(test_adopted, world_reset),
		cmocka_unit_test_setup(test_own_reset, world_reset),
		cmocka_unit_test_setup(test_impossible_flags, world_reset),
	};

	return cmocka_run_group_tests_name("bpf: TCP state", tests, world_setup, world_teardown);
}
