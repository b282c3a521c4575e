/* SPDX-License-Identifier: GPL-2.0-only */
/* ICMP errors: those that quote real, stale, foreign and forged packets. */
#include <arpa/inet.h>
#include <string.h>

#include "bpf_test.h"

#define OUTSIDE	 "203.0.113.9"
#define OUTSIDE6 "2001:db8::9"
#define ROUTER4	 "198.51.100.1"
#define ROUTER6	 "2001:db8:9::1"
#define SECOND	 1000000000ull

/* What an error quotes. */
struct quote {
	uint8_t bytes[FRAME_MAX];
	uint32_t size;
};

/* As much of a packet of A's as an old router quotes: the IP header and eight bytes. */
static struct quote quote_of(const struct frame *frame)
{
	struct quote quote;
	uint8_t whole[FRAME_MAX + 64];
	size_t size = frame_build(frame, &world.a, true, whole) - 14, least;

	least = (strchr(frame->from, ':') ? 40u : 20u) + frame->options_size + 8u;
	quote.size = size < least ? size : least;
	memcpy(quote.bytes, whole + 14, quote.size);
	return quote;
}

/* To A, from a router. */
static void told(const struct quote *quote, uint8_t type, uint8_t code, uint8_t reason, int line)
{
	bool v6 = quote->bytes[0] >> 4 == 6;

	expect(run_to(&world.a, BH_CLASS_REMOTE,
		      &(struct frame){.from = v6 ? ROUTER6 : ROUTER4,
				      .to = v6 ? "fd00::2" : "10.0.0.2",
				      .protocol = v6 ? ICMP6 : ICMP,
				      .icmp_type = type,
				      .icmp_code = code,
				      .body = quote->bytes,
				      .payload = quote->size}),
	       reason, __FILE__, line);
}

#define QUOTES(reason, ...)                                                        \
	do {                                                                       \
		struct quote made = quote_of(&(struct frame){__VA_ARGS__});        \
		told(&made, made.bytes[0] >> 4 == 6 ? 1 : 3, 3, reason, __LINE__); \
	} while (0)
#define UNRELATED BH_DROP_ICMP_UNRELATED
#define DATAGRAM  .from = "10.0.0.2", .to = OUTSIDE, .protocol = UDP, .dport = 53
#define DATAGRAM6 .from = "fd00::2", .to = OUTSIDE6, .protocol = UDP, .dport = 53
#define SEGMENT	  .from = "10.0.0.2", .to = OUTSIDE, .protocol = TCP, .dport = 443

static void both_open(void)
{
	FROM(a, BH_ALLOW_RULE, DATAGRAM);
	FROM(a, BH_ALLOW_RULE, DATAGRAM6);
}

/* The kinds of errors, and who may tell them. */
static void test_kinds(void **state)
{
	struct quote v4, v6;

	(void)state;
	both_open();
	v4 = quote_of(&(struct frame){DATAGRAM});
	v6 = quote_of(&(struct frame){DATAGRAM6});
	for (uint32_t type = 0; type < 256; type++) {
		bool wanted = type == 3 || type == 11 || type == 12, error = wanted || type == 4 || type == 5;

		if (error)
			told(&v4, type, 0,
			     wanted	 ? BH_ALLOW_RELATED
			     : type == 5 ? BH_DROP_REDIRECT
					 : UNRELATED,
			     __LINE__);
		if (type < 128)
			told(&v6, type, 0, type >= 1 && type <= 4 ? BH_ALLOW_RELATED : UNRELATED, __LINE__);
	}
	/* From the host, and the other end. */
	TO(a, BH_CLASS_HOST, BH_ALLOW_RELATED, .from = "10.0.0.1", .to = "10.0.0.2", .protocol = ICMP, .icmp_type = 3,
	   .body = v4.bytes, .payload = v4.size);
	TO(a, BH_CLASS_REMOTE, BH_ALLOW_RELATED, .from = OUTSIDE, .to = "10.0.0.2", .protocol = ICMP, .icmp_type = 3,
	   .body = v4.bytes, .payload = v4.size);
	/* Not from one that claims to be of this host, nor without a stamp. */
	TO(a, BH_CLASS_REMOTE, BH_DROP_SPOOFED_REMOTE, .from = "10.0.0.1", .to = "10.0.0.2", .protocol = ICMP,
	   .icmp_type = 3, .body = v4.bytes, .payload = v4.size);
	TO(a, BH_CLASS_REMOTE, BH_DROP_MARTIAN, .from = "127.0.0.1", .to = "10.0.0.2", .protocol = ICMP, .icmp_type = 3,
	   .body = v4.bytes, .payload = v4.size);
	TO(a, 0, BH_DROP_NO_STAMP, .from = ROUTER4, .to = "10.0.0.2", .protocol = ICMP, .icmp_type = 3,
	   .body = v4.bytes, .payload = v4.size);
}

/* Whatever differs from the flow: it is not of it. */
static void test_foreign(void **state)
{
	(void)state;
	both_open();
	FROM(a, BH_ALLOW_RULE, .from = "10.0.0.2", .to = OUTSIDE, .protocol = ICMP, .icmp_type = 8, .id = 7);
	FROM(a, BH_ALLOW_RULE, .from = "10.0.0.2", .to = OUTSIDE, .protocol = GRE, .payload = 8);
	FROM(a, BH_ALLOW_RULE, .from = "10.0.0.2", .to = OUTSIDE, .protocol = SCTP, .dport = 5000);
	QUOTES(BH_ALLOW_RELATED, DATAGRAM);
	QUOTES(BH_ALLOW_RELATED, DATAGRAM6);
	QUOTES(BH_ALLOW_RELATED, .from = "10.0.0.2", .to = OUTSIDE, .protocol = ICMP, .icmp_type = 8, .id = 7);
	QUOTES(BH_ALLOW_RELATED, .from = "10.0.0.2", .to = OUTSIDE, .protocol = GRE, .none = true);
	QUOTES(BH_ALLOW_RELATED, .from = "10.0.0.2", .to = OUTSIDE, .protocol = SCTP, .dport = 5000);
	QUOTES(UNRELATED, .from = "10.0.0.2", .to = "203.0.113.8", .protocol = UDP, .dport = 53);
	QUOTES(UNRELATED, .from = "10.0.0.3", .to = OUTSIDE, .protocol = UDP, .dport = 53);
	QUOTES(UNRELATED, DATAGRAM, .sport = 40001);
	QUOTES(UNRELATED, .from = "10.0.0.2", .to = OUTSIDE, .protocol = UDP, .dport = 54);
	QUOTES(UNRELATED, .from = "10.0.0.2", .to = OUTSIDE, .protocol = TCP, .dport = 53, .flags = SYN);
	QUOTES(UNRELATED, .from = "10.0.0.2", .to = OUTSIDE, .protocol = ICMP, .icmp_type = 8, .id = 8);
	QUOTES(UNRELATED, .from = "10.0.0.2", .to = OUTSIDE, .protocol = ICMP, .icmp_type = 13, .id = 7);
	QUOTES(UNRELATED, .from = "10.0.0.2", .to = OUTSIDE, .protocol = ICMP, .icmp_type = 0, .id = 7);
	QUOTES(UNRELATED, .from = "10.0.0.2", .to = OUTSIDE, .protocol = 50, .none = true);
	QUOTES(UNRELATED, .from = "fd00::2", .to = "2001:db8::8", .protocol = UDP, .dport = 53);
	/* A packet that A was sent, back to A. */
	QUOTES(UNRELATED, .from = OUTSIDE, .to = "10.0.0.2", .protocol = UDP, .sport = 53, .dport = 40000);
	/* An error about an error (RFC 1122, 3.2.2). */
	QUOTES(UNRELATED, .from = "10.0.0.2", .to = OUTSIDE, .protocol = ICMP, .icmp_type = 3);
	QUOTES(UNRELATED, .from = "fd00::2", .to = OUTSIDE6, .protocol = ICMP6, .icmp_type = 3);
	/* About what was sent to a group. */
	FROM(a, BH_ALLOW_RULE, .from = "10.0.0.2", .to = "224.0.0.251", .to_mac = "01:00:5e:00:00:fb", .protocol = UDP,
	     .sport = 5353, .dport = 5353);
	QUOTES(UNRELATED, .from = "10.0.0.2", .to = "224.0.0.251", .protocol = UDP, .sport = 5353, .dport = 5353);
}

/* What is quoted in part, of a later part, or is no packet. */
static void test_malformed(void **state)
{
	struct quote quote;

	(void)state;
	both_open();
	quote = quote_of(&(struct frame){DATAGRAM});
	for (quote.size = 0; quote.size < 28; quote.size++)
		told(&quote, 3, 3, BH_DROP_SHORT, __LINE__);
	told(&quote, 3, 3, BH_ALLOW_RELATED, __LINE__);
	quote = quote_of(&(struct frame){DATAGRAM6});
	for (quote.size = 0; quote.size < 48; quote.size++)
		if (quote.size)
			told(&quote, 1, 4, BH_DROP_SHORT, __LINE__);
	told(&quote, 1, 4, BH_ALLOW_RELATED, __LINE__);
	QUOTES(BH_ALLOW_RELATED, DATAGRAM, .more = true, .fragment_id = 5);
	QUOTES(UNRELATED, DATAGRAM, .fragment = 8, .fragment_id = 5);
	QUOTES(UNRELATED, DATAGRAM6, .fragment = 8, .fragment_id = 5);
	QUOTES(UNRELATED, DATAGRAM, .header_length = 4);
	QUOTES(BH_ALLOW_RELATED, DATAGRAM, .options = (uint8_t[4]){7, 4, 4, 0}, .options_size = 4);
	quote = quote_of(&(struct frame){DATAGRAM});
	quote.bytes[0] = 0x55;
	told(&quote, 3, 3, UNRELATED, __LINE__);
	/* Of the other family. */
	quote = quote_of(&(struct frame){DATAGRAM6});
	TO(a, BH_CLASS_REMOTE, UNRELATED, .from = ROUTER4, .to = "10.0.0.2", .protocol = ICMP, .icmp_type = 3,
	   .body = quote.bytes, .payload = quote.size);
	/* More headers than are followed. */
	QUOTES(UNRELATED, DATAGRAM6, .next_header = 43, .options = (uint8_t[8]){UDP, 0, 0, 1}, .options_size = 8);
}

/* A flow that is over, or whose leave was taken back; and what is not touched by an error. */
static void test_stale(void **state)
{
	struct bh_flow_key key = flow_key("10.0.0.2", 40000, OUTSIDE, 53, UDP);
	struct bh_flow flow, after;

	(void)state;
	both_open();
	assert_true(flow_get(&world.a, &key, &flow));
	flow.expires = boot_ns() + 1000 * SECOND;
	flow_put(&world.a, &key, &flow);
	QUOTES(BH_ALLOW_RELATED, DATAGRAM);
	assert_true(flow_get(&world.a, &key, &after));
	assert_true(after.expires == flow.expires);
	assert_false(after.flags & BH_FLOW_REPLIED); /* it is no answer */
	flow.expires = boot_ns();
	flow_put(&world.a, &key, &flow);
	QUOTES(UNRELATED, DATAGRAM);
	cell_remove(FRONT, INTERNET, SERVICE_DNS);
	config_flip();
	QUOTES(BH_DROP_REVOKED, DATAGRAM6);
	QUOTES(UNRELATED, DATAGRAM6); /* and the flow is gone */
	assert_int_equal(flow_count(&world.a), 1);
}

/* Of TCP the quoted sequence number must be one that may be under way (RFC 5927, 4.1). */
static void test_sequence(void **state)
{
	(void)state;
	FROM(a, BH_ALLOW_RULE, SEGMENT, .flags = SYN, .seq = 100);
	QUOTES(BH_ALLOW_RELATED, SEGMENT, .flags = SYN, .seq = 100); /* nobody there, or administratively refused */
	QUOTES(UNRELATED, SEGMENT, .flags = SYN, .seq = 0x40000000);
	TO(a, BH_CLASS_REMOTE, BH_ALLOW_FLOW, .from = OUTSIDE, .to = "10.0.0.2", .protocol = TCP, .sport = 443,
	   .dport = 40000, .flags = SYN | ACK, .seq = 500, .ack = 101, .scale = 1);
	FROM(a, BH_ALLOW_FLOW, SEGMENT, .flags = ACK, .seq = 101, .ack = 501, .payload = 3000);
	QUOTES(BH_ALLOW_RELATED, SEGMENT, .flags = ACK, .seq = 101);
	QUOTES(BH_ALLOW_RELATED, SEGMENT, .flags = ACK, .seq = 1549);
	QUOTES(BH_ALLOW_RELATED, SEGMENT, .flags = ACK, .seq = 3101);
	QUOTES(UNRELATED, SEGMENT, .flags = ACK, .seq = 3102); /* has not been sent */
	QUOTES(UNRELATED, SEGMENT, .flags = ACK, .seq = 0x40000000);
	QUOTES(UNRELATED, SEGMENT, .flags = ACK, .seq = 101 - 70000);
	/* What was acknowledged a moment ago may have met the narrow link, too. */
	TO(a, BH_CLASS_REMOTE, BH_ALLOW_FLOW, .from = OUTSIDE, .to = "10.0.0.2", .protocol = TCP, .sport = 443,
	   .dport = 40000, .flags = ACK, .seq = 501, .ack = 3101);
	QUOTES(BH_ALLOW_RELATED, SEGMENT, .flags = ACK, .seq = 1549);
}

/* A's own errors go to who has sent to it, about what it was sent; nobody else hears of it. */
static void test_own(void **state)
{
	struct quote quote = quote_of(
		&(struct frame){.from = OUTSIDE, .to = "10.0.0.2", .protocol = UDP, .sport = 53, .dport = 40000});

	(void)state;
	FROM(a, UNRELATED, .from = "10.0.0.2", .to = OUTSIDE, .protocol = ICMP, .icmp_type = 3, .body = quote.bytes,
	     .payload = quote.size); /* it was sent nothing */
	both_open();
	FROM(a, BH_ALLOW_RELATED, .from = "10.0.0.2", .to = OUTSIDE, .protocol = ICMP, .icmp_type = 3,
	     .body = quote.bytes, .payload = quote.size);
	FROM(a, UNRELATED, .from = "10.0.0.2", .to = "203.0.113.8", .protocol = ICMP, .icmp_type = 3,
	     .body = quote.bytes, .payload = quote.size);
	FROM(a, BH_DROP_SOURCE_ADDRESS, .from = "10.0.0.3", .to = OUTSIDE, .protocol = ICMP, .icmp_type = 3,
	     .body = quote.bytes, .payload = quote.size);
	quote = quote_of(&(struct frame){DATAGRAM}); /* its own, as if a router told */
	FROM(a, UNRELATED, .from = "10.0.0.2", .to = OUTSIDE, .protocol = ICMP, .icmp_type = 3, .body = quote.bytes,
	     .payload = quote.size);
}

/* A container that is no end of a flow tells its ends nothing: its own port holds no such flow, and B's holds none of
 * A's. */
static void test_another_port(void **state)
{
	struct quote quote = quote_of(&(struct frame){DATAGRAM});

	(void)state;
	both_open();
	FROM(b, UNRELATED, .from = "10.0.0.3", .to = "10.0.0.2", .protocol = ICMP, .icmp_type = 3, .body = quote.bytes,
	     .payload = quote.size);
	TO(b, BH_CLASS_REMOTE, UNRELATED, .from = ROUTER4, .to = "10.0.0.3", .protocol = ICMP, .icmp_type = 3,
	   .body = quote.bytes, .payload = quote.size);
	TO(b, BH_CLASS_REMOTE, BH_DROP_NOT_ADDRESSED, .from = ROUTER4, .to = "10.0.0.2", .protocol = ICMP,
	   .icmp_type = 3, .body = quote.bytes, .payload = quote.size);
	/* The other end of a flow may, of that flow. */
	quote = quote_of(
		&(struct frame){.from = "10.0.0.2", .to = "10.0.0.3", .protocol = TCP, .dport = 443, .seq = 100});
	FROM(a, BH_ALLOW_RULE, .from = "10.0.0.2", .to = "10.0.0.3", .protocol = TCP, .dport = 443, .flags = SYN,
	     .seq = 100);
	FROM(b, UNRELATED, .from = "10.0.0.3", .to = "10.0.0.2", .protocol = ICMP, .icmp_type = 3, .body = quote.bytes,
	     .payload = quote.size); /* it has not got it yet */
	TO(b, FRONT, BH_ALLOW_RULE, .from = "10.0.0.2", .to = "10.0.0.3", .protocol = TCP, .dport = 443, .flags = SYN,
	   .seq = 100);
	FROM(b, BH_ALLOW_RELATED, .from = "10.0.0.3", .to = "10.0.0.2", .protocol = ICMP, .icmp_type = 3,
	     .body = quote.bytes, .payload = quote.size);
	TO(a, BACK, BH_ALLOW_RELATED, .from = "10.0.0.3", .to = "10.0.0.2", .protocol = ICMP, .icmp_type = 3,
	   .body = quote.bytes, .payload = quote.size);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_kinds, world_reset),
		cmocka_unit_test_setup(test_foreign, world_reset),
		cmocka_unit_test_setup(test_malformed, world_reset),
		cmocka_unit_test_setup(test_stale, world_reset),
		cmocka_unit_test_setup(test_sequence, world_reset),
		cmocka_unit_test_setup(test_own, world_reset),
		cmocka_unit_test_setup(test_another_port, world_reset),
	};

	return cmocka_run_group_tests_name("bpf: ICMP errors", tests, world_setup, world_teardown);
}
