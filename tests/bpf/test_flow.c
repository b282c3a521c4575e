/* SPDX-License-Identifier: GPL-2.0-only */
/* The life of a flow: opened, answered, ended, judged again; ICMP errors that belong to it. */
#include <arpa/inet.h>
#include <string.h>

#include "bpf_test.h"

#define OUTSIDE	 "203.0.113.9"
#define OUTSIDE6 "2001:db8::9"
#define SECOND	 1000000000ull

#define A_SENDS(expected, ...) \
	FROM(a, expected, .from = "10.0.0.2", .to = OUTSIDE, .protocol = TCP, .dport = 443, __VA_ARGS__)
#define A_GETS(expected, ...)                                                                              \
	TO(a, BH_CLASS_REMOTE, expected, .from = OUTSIDE, .to = "10.0.0.2", .protocol = TCP, .sport = 443, \
	   .dport = 40000, __VA_ARGS__)

static struct bh_flow flow_of_a(void)
{
	struct bh_flow_key key = flow_key("10.0.0.2", 40000, OUTSIDE, 443, TCP);
	struct bh_flow flow;

	assert_true(flow_get(&world.a, &key, &flow));
	return flow;
}

/* Does the flow end `seconds` from now, by the grain that it is kept at? */
static void expires_in(uint64_t expires, uint64_t seconds)
{
	assert_in_range(expires, boot_ns() + (seconds - 2) * SECOND, boot_ns() + seconds * SECOND);
}

static void handshake(void)
{
	A_SENDS(BH_ALLOW_RULE, .flags = SYN, .seq = 100, .scale = 8);
	A_GETS(BH_ALLOW_FLOW, .flags = SYN | ACK, .seq = 500, .ack = 101, .scale = 3);
	A_SENDS(BH_ALLOW_FLOW, .flags = ACK, .seq = 101, .ack = 501);
}

static void test_tcp_life(void **state)
{
	struct bh_flow flow;

	(void)state;
	A_SENDS(BH_ALLOW_RULE, .flags = SYN, .seq = 100, .scale = 8);
	flow = flow_of_a();
	assert_int_equal(flow.tcp_state, BH_TCP_SYN_SENT);
	assert_int_equal(flow.direction, BH_FLOW_OUT);
	assert_int_equal(flow.opener, FRONT);
	assert_int_equal(flow.other, INTERNET);
	assert_int_equal(flow.decision, 1);
	assert_int_equal(flow.generation, 1);
	assert_int_equal(flow.window_scale[0], 7);
	assert_true(flow.valid_until == BH_FOREVER);
	expires_in(flow.expires, BH_TIMEOUT_TCP_SYN);
	A_GETS(BH_ALLOW_FLOW, .flags = SYN | ACK, .seq = 500, .ack = 101, .scale = 3);
	flow = flow_of_a();
	assert_int_equal(flow.tcp_state, BH_TCP_SYN_RECV);
	assert_true(flow.flags & BH_FLOW_REPLIED);
	assert_int_equal(flow.window_scale[1], 2);
	expires_in(flow.expires, BH_TIMEOUT_TCP_SYN_RECV);
	A_SENDS(BH_ALLOW_FLOW, .flags = ACK, .seq = 101, .ack = 501);
	flow = flow_of_a();
	assert_int_equal(flow.tcp_state, BH_TCP_ESTABLISHED);
	expires_in(flow.expires, BH_TIMEOUT_TCP_ESTABLISHED);
	A_SENDS(BH_ALLOW_FLOW, .flags = ACK | PSH, .seq = 101, .ack = 501, .payload = 50);
	A_GETS(BH_ALLOW_FLOW, .flags = ACK, .seq = 501, .ack = 151);
	flow = flow_of_a();
	assert_int_equal(flow.fin_seq[0], 151);
	assert_int_equal(flow.acked[0], 151);
	A_SENDS(BH_ALLOW_FLOW, .flags = FIN | ACK, .seq = 151, .ack = 501);
	flow = flow_of_a();
	assert_int_equal(flow.tcp_state, BH_TCP_FIN_WAIT);
	expires_in(flow.expires, BH_TIMEOUT_TCP_FIN_WAIT);
	A_GETS(BH_ALLOW_FLOW, .flags = ACK, .seq = 501, .ack = 152, .payload = 9); /* half-closed: still sends */
	A_GETS(BH_ALLOW_FLOW, .flags = FIN | ACK, .seq = 510, .ack = 152);
	flow = flow_of_a();
	assert_int_equal(flow.tcp_state, BH_TCP_CLOSING);
	expires_in(flow.expires, BH_TIMEOUT_TCP_CLOSING);
	A_SENDS(BH_ALLOW_FLOW, .flags = ACK, .seq = 152, .ack = 511);
	flow = flow_of_a();
	assert_int_equal(flow.tcp_state, BH_TCP_TIME_WAIT);
	expires_in(flow.expires, BH_TIMEOUT_TCP_TIME_WAIT);
	/* The same ports again: a new flow. */
	A_SENDS(BH_ALLOW_RULE, .flags = SYN, .seq = 9000);
	assert_int_equal(flow_of_a().tcp_state, BH_TCP_SYN_SENT);
	assert_int_equal(flow_count(&world.a), 1);
}

static void test_tcp_expired(void **state)
{
	struct bh_flow_key key = flow_key("10.0.0.2", 40000, OUTSIDE, 443, TCP);
	struct bh_flow flow;

	(void)state;
	handshake();
	flow = flow_of_a();
	flow.expires = boot_ns() - 1;
	flow_put(&world.a, &key, &flow);
	A_SENDS(BH_DROP_TCP_NOT_SYN, .flags = ACK, .seq = 101, .ack = 501);
	A_GETS(BH_DROP_TCP_NOT_SYN, .flags = ACK, .seq = 501, .ack = 101);
	A_SENDS(BH_ALLOW_RULE, .flags = SYN, .seq = 7);
}

static void test_tcp_reset(void **state)
{
	(void)state;
	handshake();
	/* RFC 5961: at the place: ends it; within the window: for the end to challenge; elsewhere: a guess. */
	A_GETS(BH_DROP_TCP_INVALID, .flags = RST, .seq = 0x70000000);
	A_GETS(BH_DROP_TCP_INVALID, .flags = RST | ACK, .seq = 501 - 500000, .ack = 101);
	assert_int_equal(flow_of_a().tcp_state, BH_TCP_ESTABLISHED);
	A_GETS(BH_ALLOW_FLOW, .flags = RST, .seq = 700);
	assert_int_equal(flow_of_a().tcp_state, BH_TCP_ESTABLISHED);
	A_GETS(BH_ALLOW_FLOW, .flags = RST, .seq = 501);
	assert_int_equal(flow_of_a().tcp_state, BH_TCP_RESET);
	expires_in(flow_of_a().expires, BH_TIMEOUT_TCP_RESET);
	A_SENDS(BH_ALLOW_RULE, .flags = SYN, .seq = 7);
}

/* The answer to a SYN that nobody listens for: RFC 9293, 3.10.7.3. */
static void test_tcp_refused(void **state)
{
	(void)state;
	A_SENDS(BH_ALLOW_RULE, .flags = SYN, .seq = 100);
	A_GETS(BH_DROP_TCP_INVALID, .flags = RST, .seq = 0);
	A_GETS(BH_DROP_TCP_INVALID, .flags = RST | ACK, .seq = 0, .ack = 5000);
	A_GETS(BH_ALLOW_FLOW, .flags = RST | ACK, .seq = 0, .ack = 101);
	assert_int_equal(flow_of_a().tcp_state, BH_TCP_RESET);
}

/* A stale connection answers a new SYN with an acknowledgement, and gets a reset at its own place. */
static void test_tcp_half_open_recovery(void **state)
{
	(void)state;
	A_SENDS(BH_ALLOW_RULE, .flags = SYN, .seq = 100);
	A_GETS(BH_ALLOW_FLOW, .flags = ACK, .seq = 0x50000000, .ack = 0x60000000);
	assert_int_equal(flow_of_a().tcp_state, BH_TCP_SYN_SENT);
	A_SENDS(BH_ALLOW_FLOW, .flags = RST, .seq = 0x60000000);
	assert_int_equal(flow_of_a().tcp_state, BH_TCP_SYN_SENT);
	A_SENDS(BH_ALLOW_FLOW, .flags = SYN, .seq = 100);
	A_GETS(BH_ALLOW_FLOW, .flags = SYN | ACK, .seq = 500, .ack = 101);
	assert_int_equal(flow_of_a().tcp_state, BH_TCP_SYN_RECV);
}

/* A SYN of another connection with the same ports, before the first was answered. */
static void test_tcp_syn_again(void **state)
{
	(void)state;
	A_SENDS(BH_ALLOW_RULE, .flags = SYN, .seq = 100, .scale = 8);
	A_SENDS(BH_ALLOW_FLOW, .flags = SYN, .seq = 0x40000000);
	assert_int_equal(flow_of_a().window_scale[0], 0);
	A_GETS(BH_ALLOW_FLOW, .flags = SYN | ACK, .seq = 500, .ack = 101);
	assert_int_equal(flow_of_a().tcp_state, BH_TCP_SYN_SENT); /* an answer to the other */
	A_GETS(BH_ALLOW_FLOW, .flags = SYN | ACK, .seq = 500, .ack = 0x40000001);
	A_SENDS(BH_ALLOW_FLOW, .flags = ACK, .seq = 0x40000001, .ack = 501);
	assert_int_equal(flow_of_a().tcp_state, BH_TCP_ESTABLISHED);
}

/* A guess far off moves nothing, and a true reset still counts after it. */
static void test_tcp_record_is_not_led_astray(void **state)
{
	(void)state;
	handshake();
	A_GETS(BH_ALLOW_FLOW, .flags = ACK, .seq = 0x20000000, .ack = 0x30000000, .payload = 10);
	assert_int_equal(flow_of_a().fin_seq[1], 501);
	assert_int_equal(flow_of_a().acked[0], 101);
	A_GETS(BH_ALLOW_FLOW, .flags = RST, .seq = 501);
	assert_int_equal(flow_of_a().tcp_state, BH_TCP_RESET);
}

static void test_syn_against_the_flow(void **state)
{
	(void)state;
	handshake();
	/* Allowed by the policy in that direction, too: passes, and leaves the open flow alone. */
	TO(a, BH_CLASS_REMOTE, BH_DENY_DEFAULT, .from = OUTSIDE, .to = "10.0.0.2", .protocol = TCP, .sport = 443,
	   .dport = 40000, .flags = SYN, .seq = 1);
	assert_int_equal(flow_of_a().tcp_state, BH_TCP_ESTABLISHED);
	cell_allow(INTERNET, FRONT, BH_SERVICE_ANY, 21);
	A_GETS(BH_ALLOW_RULE, .flags = SYN, .seq = 1);
	assert_int_equal(flow_of_a().tcp_state, BH_TCP_ESTABLISHED);
	assert_int_equal(flow_of_a().direction, BH_FLOW_OUT);
	/* In its own direction: sent again, or bait; nothing moves. */
	A_SENDS(BH_ALLOW_FLOW, .flags = SYN, .seq = 77777);
	assert_int_equal(flow_of_a().tcp_state, BH_TCP_ESTABLISHED);
}

/* A flow that the daemon put in at adoption knows no sequence numbers. */
static void test_seeded(void **state)
{
	struct bh_flow_key key = flow_key("10.0.0.2", 40000, OUTSIDE, 443, TCP);
	struct bh_flow flow = {.expires = boot_ns() + 1000 * SECOND,
			       .valid_until = BH_FOREVER,
			       .generation = 0,
			       .opener = FRONT,
			       .other = INTERNET,
			       .direction = BH_FLOW_OUT,
			       .tcp_state = BH_TCP_ESTABLISHED,
			       .flags = BH_FLOW_SEEDED | BH_FLOW_REPLIED,
			       .window_scale = {0xff, 0xff}};

	(void)state;
	flow_put(&world.a, &key, &flow);
	A_GETS(BH_ALLOW_FLOW, .flags = RST, .seq = 12345);
	assert_int_equal(flow_of_a().tcp_state, BH_TCP_ESTABLISHED);
	A_SENDS(BH_ALLOW_FLOW, .flags = ACK, .seq = 7000, .ack = 8000, .payload = 3);
	assert_int_equal(flow_of_a().generation, 1);
	A_GETS(BH_ALLOW_FLOW, .flags = ACK, .seq = 8000, .ack = 7003, .payload = 1);
	A_GETS(BH_DROP_TCP_INVALID, .flags = RST, .seq = 0x70000000);
	A_GETS(BH_ALLOW_FLOW, .flags = RST, .seq = 8001);
	assert_int_equal(flow_of_a().tcp_state, BH_TCP_RESET);
	/* And one that the policy does not allow is cut. */
	key = flow_key("10.0.0.2", 40001, OUTSIDE, 22, TCP);
	flow_put(&world.a, &key, &flow);
	FROM(a, BH_DROP_REVOKED, .from = "10.0.0.2", .to = OUTSIDE, .protocol = TCP, .sport = 40001, .dport = 22,
	     .flags = ACK);
	assert_false(flow_get(&world.a, &key, &flow));
}

static void test_udp(void **state)
{
	struct bh_flow_key key = flow_key("10.0.0.2", 40000, OUTSIDE, 53, UDP);
	struct bh_flow flow;

	(void)state;
	FROM(a, BH_ALLOW_RULE, .from = "10.0.0.2", .to = OUTSIDE, .protocol = UDP, .dport = 53, .payload = 20);
	assert_true(flow_get(&world.a, &key, &flow));
	expires_in(flow.expires, BH_TIMEOUT_UDP);
	FROM(a, BH_ALLOW_FLOW, .from = "10.0.0.2", .to = OUTSIDE, .protocol = UDP, .dport = 53, .payload = 20);
	TO(a, BH_CLASS_REMOTE, BH_ALLOW_FLOW, .from = OUTSIDE, .to = "10.0.0.2", .protocol = UDP, .sport = 53,
	   .dport = 40000);
	assert_true(flow_get(&world.a, &key, &flow));
	expires_in(flow.expires, BH_TIMEOUT_UDP_STREAM);
	TO(a, BH_CLASS_REMOTE, BH_DENY_DEFAULT, .from = OUTSIDE, .to = "10.0.0.2", .protocol = UDP, .sport = 53,
	   .dport = 40001);
	TO(a, BH_CLASS_REMOTE, BH_DENY_DEFAULT, .from = "203.0.113.8", .to = "10.0.0.2", .protocol = UDP, .sport = 53,
	   .dport = 40000);
	/* A neighbour with the same numbers shares nothing. */
	TO(b, BH_CLASS_REMOTE, BH_DENY_DEFAULT, .from = OUTSIDE, .to = "10.0.0.3", .protocol = UDP, .sport = 53,
	   .dport = 40000);
}

static void test_other_protocols(void **state)
{
	struct bh_flow_key gre = flow_key("10.0.0.2", 0, OUTSIDE, 0, GRE);
	struct bh_flow_key sctp = flow_key("fd00::2", 40000, OUTSIDE6, 5000, SCTP);
	struct bh_flow flow;

	(void)state;
	FROM(a, BH_ALLOW_RULE, .from = "10.0.0.2", .to = OUTSIDE, .protocol = GRE, .payload = 8);
	assert_true(flow_get(&world.a, &gre, &flow));
	expires_in(flow.expires, BH_TIMEOUT_OTHER);
	TO(a, BH_CLASS_REMOTE, BH_ALLOW_FLOW, .from = OUTSIDE, .to = "10.0.0.2", .protocol = GRE, .payload = 8);
	FROM(a, BH_DENY_DEFAULT, .from = "10.0.0.2", .to = OUTSIDE, .protocol = 50, .payload = 8);
	FROM(a, BH_ALLOW_RULE, .from = "fd00::2", .to = OUTSIDE6, .protocol = SCTP, .dport = 5000);
	assert_true(flow_get(&world.a, &sctp, &flow));
	expires_in(flow.expires, BH_TIMEOUT_SCTP_INIT);
	TO(a, BH_CLASS_REMOTE, BH_ALLOW_FLOW, .from = OUTSIDE6, .to = "fd00::2", .protocol = SCTP, .sport = 5000,
	   .dport = 40000, .chunk = CHUNK_INIT_ACK, .seq = 1);
	assert_true(flow_get(&world.a, &sctp, &flow));
	expires_in(flow.expires, BH_TIMEOUT_SCTP);
	FROM(a, BH_DENY_DEFAULT, .from = "fd00::2", .to = OUTSIDE6, .protocol = SCTP, .dport = 5001);
}

static void test_icmp_queries(void **state)
{
	(void)state;
	FROM(a, BH_ALLOW_RULE, .from = "10.0.0.2", .to = OUTSIDE, .protocol = ICMP, .icmp_type = 8, .id = 7);
	FROM(a, BH_ALLOW_FLOW, .from = "10.0.0.2", .to = OUTSIDE, .protocol = ICMP, .icmp_type = 8, .id = 7);
	TO(a, BH_CLASS_REMOTE, BH_ALLOW_FLOW, .from = OUTSIDE, .to = "10.0.0.2", .protocol = ICMP, .icmp_type = 0,
	   .id = 7);
	TO(a, BH_CLASS_REMOTE, BH_DROP_ICMP_UNRELATED, .from = OUTSIDE, .to = "10.0.0.2", .protocol = ICMP,
	   .icmp_type = 0, .id = 8);
	/* The other end asks with the same identifier: another flow. */
	TO(a, BH_CLASS_REMOTE, BH_DENY_DEFAULT, .from = OUTSIDE, .to = "10.0.0.2", .protocol = ICMP, .icmp_type = 8,
	   .id = 7);
	FROM(a, BH_DROP_ICMP_UNRELATED, .from = "10.0.0.2", .to = OUTSIDE, .protocol = ICMP, .icmp_type = 0, .id = 7);
	/* Another kind of question, too. */
	FROM(a, BH_ALLOW_RULE, .from = "10.0.0.2", .to = OUTSIDE, .protocol = ICMP, .icmp_type = 13, .id = 7);
	TO(a, BH_CLASS_REMOTE, BH_ALLOW_FLOW, .from = OUTSIDE, .to = "10.0.0.2", .protocol = ICMP, .icmp_type = 14,
	   .id = 7);
	FROM(a, BH_DENY_DEFAULT, .from = "10.0.0.2", .to = OUTSIDE, .protocol = ICMP, .icmp_type = 17, .id = 7);
	FROM(a, BH_DENY_DEFAULT, .from = "10.0.0.2", .to = OUTSIDE, .protocol = ICMP, .icmp_type = 8, .icmp_code = 5,
	     .id = 7);
	FROM(a, BH_ALLOW_RULE, .from = "fd00::2", .to = OUTSIDE6, .protocol = ICMP6, .icmp_type = 128, .id = 7);
	TO(a, BH_CLASS_REMOTE, BH_ALLOW_FLOW, .from = OUTSIDE6, .to = "fd00::2", .protocol = ICMP6, .icmp_type = 129,
	   .id = 7);
	TO(a, BH_CLASS_REMOTE, BH_DROP_ICMP_UNRELATED, .from = OUTSIDE6, .to = "fd00::2", .protocol = ICMP6,
	   .icmp_type = 129, .id = 9);
	/* ICMP of the other family is no ICMP. */
	FROM(a, BH_DENY_DEFAULT, .from = "fd00::2", .to = OUTSIDE6, .protocol = ICMP, .icmp_type = 8, .id = 7);
}

/* The bytes that an error quotes: an IP header and eight bytes. */
static size_t quote(uint8_t *buffer, const struct frame *frame)
{
	uint8_t whole[FRAME_MAX];
	size_t size = frame_build(frame, &world.a, true, whole) - 14;

	memcpy(buffer, whole + 14, size);
	return size;
}

static void test_icmp_errors(void **state)
{
	uint8_t body[256], other[256];
	size_t size, other_size;
	uint64_t expires;

	(void)state;
	FROM(a, BH_ALLOW_RULE, .from = "10.0.0.2", .to = OUTSIDE, .protocol = UDP, .dport = 53);
	expires = flow_count(&world.a);
	size = quote(body, &(struct frame){.from = "10.0.0.2", .to = OUTSIDE, .protocol = UDP, .dport = 53});
	/* From any router: this is how path MTU discovery lives. */
	TO(a, BH_CLASS_REMOTE, BH_ALLOW_RELATED, .from = "198.51.100.1", .to = "10.0.0.2", .protocol = ICMP,
	   .icmp_type = 3, .icmp_code = 4, .body = body, .payload = size);
	TO(a, BH_CLASS_HOST, BH_ALLOW_RELATED, .from = "10.0.0.1", .to = "10.0.0.2", .protocol = ICMP, .icmp_type = 11,
	   .body = body, .payload = size);
	assert_int_equal(flow_count(&world.a), expires);
	/* Not of this flow, not to who sent it, not an error that anybody needs. */
	other_size = quote(other, &(struct frame){.from = "10.0.0.2", .to = OUTSIDE, .protocol = UDP, .dport = 54});
	TO(a, BH_CLASS_REMOTE, BH_DROP_ICMP_UNRELATED, .from = OUTSIDE, .to = "10.0.0.2", .protocol = ICMP,
	   .icmp_type = 3, .body = other, .payload = other_size);
	other_size = quote(other, &(struct frame){.from = "10.0.0.9", .to = OUTSIDE, .protocol = UDP, .dport = 53});
	TO(a, BH_CLASS_REMOTE, BH_DROP_ICMP_UNRELATED, .from = OUTSIDE, .to = "10.0.0.2", .protocol = ICMP,
	   .icmp_type = 3, .body = other, .payload = other_size);
	other_size =
		quote(other,
		      &(struct frame){.from = OUTSIDE, .to = "10.0.0.2", .protocol = UDP, .sport = 53, .dport = 40000});
	TO(a, BH_CLASS_REMOTE, BH_DROP_ICMP_UNRELATED, .from = OUTSIDE, .to = "10.0.0.2", .protocol = ICMP,
	   .icmp_type = 3, .body = other, .payload = other_size);
	FROM(a, BH_ALLOW_RELATED, .from = "10.0.0.2", .to = OUTSIDE, .protocol = ICMP, .icmp_type = 3, .icmp_code = 3,
	     .body = other, .payload = other_size);
	FROM(a, BH_DROP_ICMP_UNRELATED, .from = "10.0.0.2", .to = "203.0.113.8", .protocol = ICMP, .icmp_type = 3,
	     .body = other, .payload = other_size);
	TO(a, BH_CLASS_REMOTE, BH_DROP_ICMP_UNRELATED, .from = OUTSIDE, .to = "10.0.0.2", .protocol = ICMP,
	   .icmp_type = 4, .body = body, .payload = size);
	TO(a, BH_CLASS_REMOTE, BH_DROP_REDIRECT, .from = OUTSIDE, .to = "10.0.0.2", .protocol = ICMP, .icmp_type = 5,
	   .body = body, .payload = size);
	TO(a, BH_CLASS_REMOTE, BH_DROP_SHORT, .from = OUTSIDE, .to = "10.0.0.2", .protocol = ICMP, .icmp_type = 3,
	   .body = body, .payload = size - 1);
	TO(a, BH_CLASS_REMOTE, BH_DROP_SPOOFED_REMOTE, .from = "10.0.0.3", .to = "10.0.0.2", .protocol = ICMP,
	   .icmp_type = 3, .body = body, .payload = size);
	/* The quoted part of a fragment has no ports. */
	other_size = quote(
		other, &(struct frame){.from = "10.0.0.2", .to = OUTSIDE, .protocol = UDP, .dport = 53, .fragment = 8});
	TO(a, BH_CLASS_REMOTE, BH_DROP_ICMP_UNRELATED, .from = OUTSIDE, .to = "10.0.0.2", .protocol = ICMP,
	   .icmp_type = 3, .body = other, .payload = other_size);
}

static void test_icmp6_errors(void **state)
{
	uint8_t body[256];
	size_t size;

	(void)state;
	FROM(a, BH_ALLOW_RULE, .from = "fd00::2", .to = OUTSIDE6, .protocol = TCP, .dport = 443, .flags = SYN);
	size = quote(body,
		     &(struct frame){.from = "fd00::2", .to = OUTSIDE6, .protocol = TCP, .dport = 443, .flags = SYN});
	TO(a, BH_CLASS_REMOTE, BH_ALLOW_RELATED, .from = "2001:db8:9::1", .to = "fd00::2", .protocol = ICMP6,
	   .icmp_type = 2, .body = body, .payload = size);
	/* The policy changes between: the flow that is quoted is judged anew, by its own service. */
	config_flip();
	TO(a, BH_CLASS_REMOTE, BH_ALLOW_RELATED, .from = "2001:db8:9::1", .to = "fd00::2", .protocol = ICMP6,
	   .icmp_type = 2, .body = body, .payload = size);
	cell_remove(FRONT, INTERNET, SERVICE_HTTPS);
	config_flip();
	TO(a, BH_CLASS_REMOTE, BH_DROP_REVOKED, .from = "2001:db8:9::1", .to = "fd00::2", .protocol = ICMP6,
	   .icmp_type = 2, .body = body, .payload = size);
	TO(a, BH_CLASS_REMOTE, BH_DROP_ICMP_UNRELATED, .from = "2001:db8:9::1", .to = "fd00::2", .protocol = ICMP6,
	   .icmp_type = 2, .body = body, .payload = size);
	TO(a, BH_CLASS_REMOTE, BH_DROP_ICMP_UNRELATED, .from = "2001:db8:9::1", .to = "fd00::2", .protocol = ICMP6,
	   .icmp_type = 100, .body = body, .payload = size);
}

static void test_reload_keeps_and_cuts(void **state)
{
	struct bh_event event;

	(void)state;
	handshake();
	for (int i = 0; i < 10; i++) {
		config_flip();
		A_SENDS(BH_ALLOW_FLOW, .flags = ACK, .seq = 101, .ack = 501);
		A_GETS(BH_ALLOW_FLOW, .flags = ACK, .seq = 501, .ack = 101);
		assert_int_equal(flow_of_a().generation, 2 + i);
	}
	events_none();
	cell_deny(FRONT, INTERNET, SERVICE_HTTPS, 30);
	A_SENDS(BH_ALLOW_FLOW, .flags = ACK, .seq = 101, .ack = 501); /* not in force yet */
	config_flip();
	A_GETS(BH_DROP_REVOKED, .flags = ACK, .seq = 501, .ack = 101);
	event = event_only();
	assert_int_equal(event.reason, BH_DROP_REVOKED);
	assert_int_equal(event.decision, 30);
	assert_int_equal(event.generation, 12);
	assert_int_equal(flow_count(&world.a), 0);
	A_SENDS(BH_DROP_TCP_NOT_SYN, .flags = ACK, .seq = 101, .ack = 501);
}

/* An address that was taken from the port is no longer its own, whatever flow it had. */
static void test_own_address_taken(void **state)
{
	(void)state;
	handshake();
	own_remove(&world.a, "10.0.0.2");
	config_flip();
	A_SENDS(BH_DROP_SOURCE_ADDRESS, .flags = ACK, .seq = 101, .ack = 501);
	assert_int_equal(flow_count(&world.a), 0);
}

static void test_expiry_of_the_rule(void **state)
{
	struct bh_cell cell = {.allow_until = tai_ns() + SECOND / 2,
			       .allow_decision = 40,
			       .base_decision = 41,
			       .base_reason = BH_DENY_DEFAULT};

	(void)state;
	cell_set(FRONT, INTERNET, SERVICE_HTTPS, &cell);
	handshake();
	assert_true(flow_of_a().valid_until == cell.allow_until);
	while (tai_ns() < cell.allow_until)
		;
	A_SENDS(BH_DROP_REVOKED, .flags = ACK, .seq = 101, .ack = 501);
	assert_int_equal(event_only().decision, 41);
	A_SENDS(BH_DENY_DEFAULT, .flags = SYN, .seq = 100);
}

/* In flows: who opened it is the stamp, and it is judged again when the stamp changes. */
static void test_opener(void **state)
{
	struct bh_flow_key key = flow_key("10.0.0.3", 443, "10.0.0.2", 40000, TCP);
	struct bh_flow flow;

	(void)state;
	TO(b, FRONT, BH_ALLOW_RULE, .from = "10.0.0.2", .to = "10.0.0.3", .protocol = TCP, .dport = 443, .flags = SYN);
	assert_true(flow_get(&world.b, &key, &flow));
	assert_int_equal(flow.opener, FRONT);
	assert_int_equal(flow.direction, BH_FLOW_IN);
	assert_true(flow.flags & BH_FLOW_PEER_LOCAL);
	FROM(b, BH_ALLOW_FLOW, .from = "10.0.0.3", .to = "10.0.0.2", .protocol = TCP, .sport = 443, .dport = 40000,
	     .flags = SYN | ACK, .ack = 1);
	/* Not its opener's, and not allowed itself: refused, and the opener's flow goes on. */
	TO(b, ROUTER, BH_DENY_DEFAULT, .from = "10.0.0.2", .to = "10.0.0.3", .protocol = TCP, .dport = 443,
	   .flags = ACK);
	assert_true(flow_get(&world.b, &key, &flow));
	assert_int_equal(flow.opener, FRONT);
	TO(b, FRONT, BH_ALLOW_FLOW, .from = "10.0.0.2", .to = "10.0.0.3", .protocol = TCP, .dport = 443, .flags = ACK,
	   .seq = 1, .ack = 1);
}

/* The opener's identity is gone from the policy: its own port judges the flow by what it is now. */
static void test_retired_opener(void **state)
{
	struct bh_flow_key key = flow_key("10.0.0.3", 443, "10.0.0.2", 40000, TCP);
	struct bh_flow flow;

	(void)state;
	cell_allow(RETIRED, BACK, SERVICE_HTTPS, 50);
	TO(b, RETIRED, BH_ALLOW_RULE, .from = "10.0.0.2", .to = "10.0.0.3", .protocol = TCP, .dport = 443,
	   .flags = SYN);
	cell_remove(RETIRED, BACK, SERVICE_HTTPS);
	config_flip();
	FROM(b, BH_ALLOW_FLOW, .from = "10.0.0.3", .to = "10.0.0.2", .protocol = TCP, .sport = 443, .dport = 40000,
	     .flags = SYN | ACK, .ack = 1);
	assert_true(flow_get(&world.b, &key, &flow));
	assert_int_equal(flow.generation, 1);
	/* Its next packet bears the new stamp. */
	TO(b, FRONT, BH_ALLOW_FLOW, .from = "10.0.0.2", .to = "10.0.0.3", .protocol = TCP, .dport = 443, .flags = ACK,
	   .seq = 1, .ack = 1);
	assert_true(flow_get(&world.b, &key, &flow));
	assert_int_equal(flow.generation, 2);
	assert_int_equal(flow.opener, FRONT);
	/* And a packet with the old one is not believed any more. */
	TO(b, RETIRED, BH_DENY_DEFAULT, .from = "10.0.0.2", .to = "10.0.0.3", .protocol = TCP, .dport = 443,
	   .flags = ACK, .seq = 1, .ack = 1);
	assert_true(flow_get(&world.b, &key, &flow));
}

/* A remote opener is found again by its address, whose class may be another now. */
static void test_remote_opener(void **state)
{
	(void)state;
	TO(a, BH_CLASS_REMOTE, BH_ALLOW_RULE, .from = "192.0.2.5", .to = "10.0.0.2", .protocol = TCP, .dport = 443,
	   .flags = SYN);
	config_flip();
	FROM(a, BH_ALLOW_FLOW, .from = "10.0.0.2", .to = "192.0.2.5", .protocol = TCP, .sport = 443, .dport = 40000,
	     .flags = SYN | ACK, .ack = 1);
	prefix_set("192.0.2.5/32", STRANGERS);
	config_flip();
	FROM(a, BH_DROP_REVOKED, .from = "10.0.0.2", .to = "192.0.2.5", .protocol = TCP, .sport = 443, .dport = 40000,
	     .flags = ACK, .ack = 1);
}

static void test_counters(void **state)
{
	struct bh_port_counters before = port_counter(&world.a), after;
	struct bh_counter rule = rule_counter(1);

	(void)state;
	handshake();
	A_GETS(BH_ALLOW_FLOW, .flags = ACK, .seq = 501, .ack = 101, .payload = 1000);
	FROM(a, BH_DENY_DEFAULT, .from = "10.0.0.2", .to = OUTSIDE, .protocol = TCP, .dport = 22, .flags = SYN);
	after = port_counter(&world.a);
	assert_int_equal(after.allowed[0].packets - before.allowed[0].packets, 2);
	assert_int_equal(after.allowed[1].packets - before.allowed[1].packets, 2);
	assert_int_equal(after.allowed[1].bytes - before.allowed[1].bytes, 58 + 54 + 1000);
	assert_int_equal(after.denied[0].packets - before.denied[0].packets, 1);
	assert_int_equal(after.denied[0].bytes - before.denied[0].bytes, 54);
	assert_int_equal(rule_counter(1).packets - rule.packets, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_tcp_life, world_reset),
		cmocka_unit_test_setup(test_tcp_expired, world_reset),
		cmocka_unit_test_setup(test_tcp_reset, world_reset),
		cmocka_unit_test_setup(test_tcp_refused, world_reset),
		cmocka_unit_test_setup(test_tcp_half_open_recovery, world_reset),
		cmocka_unit_test_setup(test_tcp_syn_again, world_reset),
		cmocka_unit_test_setup(test_tcp_record_is_not_led_astray, world_reset),
		cmocka_unit_test_setup(test_syn_against_the_flow, world_reset),
		cmocka_unit_test_setup(test_seeded, world_reset),
		cmocka_unit_test_setup(test_udp, world_reset),
		cmocka_unit_test_setup(test_other_protocols, world_reset),
		cmocka_unit_test_setup(test_icmp_queries, world_reset),
		cmocka_unit_test_setup(test_icmp_errors, world_reset),
		cmocka_unit_test_setup(test_icmp6_errors, world_reset),
		cmocka_unit_test_setup(test_reload_keeps_and_cuts, world_reset),
		cmocka_unit_test_setup(test_own_address_taken, world_reset),
		cmocka_unit_test_setup(test_expiry_of_the_rule, world_reset),
		cmocka_unit_test_setup(test_opener, world_reset),
		cmocka_unit_test_setup(test_retired_opener, world_reset),
		cmocka_unit_test_setup(test_remote_opener, world_reset),
		cmocka_unit_test_setup(test_counters, world_reset),
	};

	return cmocka_run_group_tests_name("bpf: flow", tests, world_setup, world_teardown);
}
