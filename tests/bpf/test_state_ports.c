/* SPDX-License-Identifier: GPL-2.0-only */
/* Each port's state is its own: equal addresses share nothing, and no container makes state that opens a path for
 * another, or ends another's. */
#include <bpf/libbpf.h>
#include <string.h>

#include "bpf_test.h"
#include "bulkhead.skel.h"

#define OUTSIDE	     "203.0.113.9"
#define OUTSIDE6     "2001:db8::9"
#define OTHER_BRIDGE 8u

static uint32_t datagram; /* the last one begun: fragments outlive a test's world */

static void a_opens_all(void)
{
	datagram++;
	FROM(a, BH_ALLOW_RULE, .from = "10.0.0.2", .to = OUTSIDE, .protocol = TCP, .dport = 443, .flags = SYN,
	     .seq = 100);
	TO(a, BH_CLASS_REMOTE, BH_ALLOW_FLOW, .from = OUTSIDE, .to = "10.0.0.2", .protocol = TCP, .sport = 443,
	   .dport = 40000, .flags = SYN | ACK, .seq = 500, .ack = 101);
	FROM(a, BH_ALLOW_FLOW, .from = "10.0.0.2", .to = OUTSIDE, .protocol = TCP, .dport = 443, .flags = ACK,
	     .seq = 101, .ack = 501);
	FROM(a, BH_ALLOW_RULE, .from = "10.0.0.2", .to = OUTSIDE, .protocol = UDP, .dport = 53, .more = true,
	     .fragment_id = datagram, .payload = 8);
	FROM(a, BH_ALLOW_RULE, .from = "10.0.0.2", .to = OUTSIDE, .protocol = ICMP, .icmp_type = 8, .id = 7);
	FROM(a, BH_ALLOW_RULE, .from = "10.0.0.2", .to = OUTSIDE, .protocol = GRE, .payload = 8);
	FROM(a, BH_ALLOW_RULE, .from = "10.0.0.2", .to = OUTSIDE, .protocol = SCTP, .dport = 5000);
}

/* B, on another bridge, has A's address. What belongs to A's flows, byte for byte, is nothing to B; and B's own packets
 * are judged as B's. */
static void test_equal_addresses(void **state)
{
	struct port twin = world.b;
	uint8_t quote[64];
	uint8_t whole[FRAME_MAX];

	(void)state;
	twin.map.domain = OTHER_BRIDGE;
	port_set(&twin);
	own_set(&twin, "10.0.0.2", BH_OWN_ADDRESS);
	address_set(OTHER_BRIDGE, "10.0.0.2", BACK);
	a_opens_all();
	TO(b, BH_CLASS_REMOTE, BH_DROP_TCP_NOT_SYN, .from = OUTSIDE, .to = "10.0.0.2", .protocol = TCP, .sport = 443,
	   .dport = 40000, .flags = ACK, .seq = 501, .ack = 101);
	TO(b, BH_CLASS_REMOTE, BH_DENY_DEFAULT, .from = OUTSIDE, .to = "10.0.0.2", .protocol = UDP, .sport = 53,
	   .dport = 40000);
	TO(b, BH_CLASS_REMOTE, BH_DROP_ICMP_UNRELATED, .from = OUTSIDE, .to = "10.0.0.2", .protocol = ICMP,
	   .icmp_type = 0, .id = 7);
	TO(b, BH_CLASS_REMOTE, BH_DENY_DEFAULT, .from = OUTSIDE, .to = "10.0.0.2", .protocol = GRE, .payload = 8);
	TO(b, BH_CLASS_REMOTE, BH_DROP_SCTP_NOT_INIT, .from = OUTSIDE, .to = "10.0.0.2", .protocol = SCTP,
	   .sport = 5000, .dport = 40000, .chunk = CHUNK_INIT_ACK, .seq = 1);
	frame_build(&(struct frame){.from = "10.0.0.2", .to = OUTSIDE, .protocol = UDP, .dport = 53}, &world.a, true,
		    whole);
	memcpy(quote, whole + 14, 28);
	TO(b, BH_CLASS_REMOTE, BH_DROP_ICMP_UNRELATED, .from = OUTSIDE, .to = "10.0.0.2", .protocol = ICMP,
	   .icmp_type = 3, .body = quote, .payload = 28);
	FROM(b, BH_DROP_TCP_NOT_SYN, .from = "10.0.0.2", .to = OUTSIDE, .protocol = TCP, .dport = 443, .flags = ACK,
	     .seq = 101, .ack = 501);
	FROM(b, BH_DENY_DEFAULT, .from = "10.0.0.2", .to = OUTSIDE, .protocol = UDP, .dport = 53);
	FROM(b, BH_DROP_FRAGMENT, .from = "10.0.0.2", .to = OUTSIDE, .protocol = UDP, .fragment = 16,
	     .fragment_id = datagram);
	assert_int_equal(flow_count(&world.b), 0);
	/* And B's flows are none of A's: one with the same numbers, to the outside and from it. */
	cell_allow(BACK, INTERNET, SERVICE_HTTPS, 30);
	FROM(b, BH_ALLOW_RULE, .from = "10.0.0.2", .to = OUTSIDE, .protocol = TCP, .dport = 443, .flags = SYN,
	     .seq = 9000);
	TO(b, BH_CLASS_REMOTE, BH_ALLOW_FLOW, .from = OUTSIDE, .to = "10.0.0.2", .protocol = TCP, .sport = 443,
	   .dport = 40000, .flags = RST | ACK, .ack = 9001);
	TO(a, BH_CLASS_REMOTE, BH_ALLOW_FLOW, .from = OUTSIDE, .to = "10.0.0.2", .protocol = TCP, .sport = 443,
	   .dport = 40000, .flags = ACK, .seq = 501, .ack = 101, .payload = 1);
	assert_int_equal(flow_count(&world.b), 1);
	assert_int_equal(flow_count(&world.a), 5);
}

/* What goes to the host is left to its door, which tells by addresses what answers the host: not of containers whose
 * address another bridge's has, too, but for what the policy allows or the host publishes. */
static void test_equal_addresses_and_the_host(void **state)
{
	(void)state;
	config_get()->host_deferred = 1;
	FROM(a, BH_ALLOW_DEFERRED, .from = "10.0.0.2", .to = "10.0.0.1", .protocol = UDP, .dport = 7777);
	address_set(0, "10.0.0.2", BH_CLASS_AMBIGUOUS);
	FROM(a, BH_DENY_DEFAULT, .from = "10.0.0.2", .to = "10.0.0.1", .protocol = UDP, .dport = 7778);
	FROM(a, BH_ALLOW_RULE, .from = "10.0.0.2", .to = "10.0.0.1", .protocol = UDP, .dport = 53);
	published_set(UDP, 7779);
	FROM(a, BH_ALLOW_DEFERRED, .from = "10.0.0.2", .to = "10.0.0.1", .protocol = UDP, .dport = 7779);
	/* Its answers to the host are. */
	TO(a, BH_CLASS_HOST, BH_ALLOW_RULE, .from = "10.0.0.1", .to = "10.0.0.2", .protocol = UDP, .sport = 7780,
	   .dport = 53);
	FROM(a, BH_ALLOW_FLOW, .from = "10.0.0.2", .to = "10.0.0.1", .protocol = UDP, .sport = 53, .dport = 7780);
}

/* A port that has the number of one that is gone has nothing of its fragments. (Its flow map is a new one.) */
static void test_next_port(void **state)
{
	struct port next = world.a;

	(void)state;
	datagram++;
	FROM(a, BH_ALLOW_RULE, .from = "10.0.0.2", .to = OUTSIDE, .protocol = UDP, .dport = 53, .more = true,
	     .fragment_id = datagram, .payload = 8);
	next.map.id = 901;
	port_set(&next);
	own_set(&next, "10.0.0.2", BH_OWN_ADDRESS);
	FROM(a, BH_DROP_FRAGMENT, .from = "10.0.0.2", .to = OUTSIDE, .protocol = UDP, .fragment = 16,
	     .fragment_id = datagram);
}

/* In another's name, as opener or as the other end, nothing gets past one's own port, and nobody's state is touched. */
static void test_forged(void **state)
{
	(void)state;
	a_opens_all();
	/* As A, to open what only A may; as the outside, to answer A or go on with its flows. */
	FROM(b, BH_DROP_SOURCE_ADDRESS, .from = "10.0.0.2", .to = OUTSIDE, .protocol = TCP, .dport = 443, .flags = SYN);
	FROM(b, BH_DROP_SOURCE_ADDRESS, .from = "10.0.0.2", .to = OUTSIDE, .protocol = UDP, .dport = 53);
	FROM(b, BH_DROP_TCP_NOT_SYN, .from = "10.0.0.3", .to = "10.0.0.2", .protocol = TCP, .sport = 443,
	     .dport = 40000, .flags = ACK, .seq = 501, .ack = 101);
	FROM(b, BH_DROP_SOURCE_ADDRESS, .from = OUTSIDE, .to = "10.0.0.2", .protocol = TCP, .sport = 443,
	     .dport = 40000, .flags = ACK, .seq = 501, .ack = 101);
	FROM(b, BH_DROP_SOURCE_ADDRESS, .from = OUTSIDE, .to = "10.0.0.2", .protocol = TCP, .sport = 443,
	     .dport = 40000, .flags = SYN);
	FROM(b, BH_DROP_SOURCE_ADDRESS, .from = OUTSIDE, .to = "10.0.0.2", .protocol = UDP, .sport = 53,
	     .dport = 40000);
	FROM(b, BH_DROP_SOURCE_ADDRESS, .from = OUTSIDE, .to = "10.0.0.2", .protocol = ICMP, .icmp_type = 0, .id = 7);
	FROM(b, BH_DROP_SOURCE_MAC, .from_mac = "02:00:00:00:00:0a", .from = "10.0.0.2", .to = OUTSIDE, .protocol = UDP,
	     .dport = 53);
	assert_int_equal(flow_count(&world.b), 0);
	assert_int_equal(flow_count(&world.a), 5);
	/* From the outside, as a container that A speaks to. */
	FROM(a, BH_ALLOW_RULE, .from = "10.0.0.2", .to = "10.0.0.3", .protocol = TCP, .dport = 443, .flags = SYN,
	     .seq = 100);
	TO(a, BH_CLASS_REMOTE, BH_DROP_SPOOFED_REMOTE, .from = "10.0.0.3", .to = "10.0.0.2", .protocol = TCP,
	   .sport = 443, .dport = 40000, .flags = SYN | ACK, .seq = 5, .ack = 101);
	TO(a, BACK, BH_ALLOW_FLOW, .from = "10.0.0.3", .to = "10.0.0.2", .protocol = TCP, .sport = 443, .dport = 40000,
	   .flags = SYN | ACK, .seq = 5, .ack = 101);
}

/* What A refuses makes no state at A, though it has passed the sender's port; what A lets in is for that sender alone.
 */
static void test_no_path_for_another(void **state)
{
	struct bh_flow_key key = flow_key("10.0.0.3", 443, "10.0.0.2", 40000, TCP);
	struct bh_flow before, after;

	(void)state;
	TO(a, BACK, BH_DENY_DEFAULT, .from = "10.0.0.3", .to = "10.0.0.2", .protocol = UDP, .dport = 9);
	TO(a, BACK, BH_DENY_DEFAULT, .from = "10.0.0.3", .to = "10.0.0.2", .protocol = TCP, .dport = 443, .flags = SYN);
	assert_int_equal(flow_count(&world.a), 0);
	TO(b, FRONT, BH_ALLOW_RULE, .from = "10.0.0.2", .to = "10.0.0.3", .protocol = TCP, .dport = 443, .flags = SYN,
	   .seq = 100);
	FROM(b, BH_ALLOW_FLOW, .from = "10.0.0.3", .to = "10.0.0.2", .protocol = TCP, .sport = 443, .dport = 40000,
	     .flags = SYN | ACK, .seq = 5, .ack = 101);
	assert_true(flow_get(&world.b, &key, &before));
	/* The neighbour's ports are the same, or its address (a permit let it send that), or it is from outside. */
	TO(b, AUDITED, BH_DROP_TCP_NOT_SYN, .from = "10.0.0.5", .to = "10.0.0.3", .protocol = TCP, .dport = 443,
	   .flags = ACK, .seq = 101, .ack = 6);
	TO(b, ROUTER, BH_DENY_DEFAULT, .from = "10.0.0.2", .to = "10.0.0.3", .protocol = TCP, .dport = 443,
	   .flags = ACK, .seq = 101, .ack = 6);
	TO(b, ROUTER, BH_DENY_DEFAULT, .from = "10.0.0.2", .to = "10.0.0.3", .protocol = TCP, .dport = 443,
	   .flags = RST, .seq = 101);
	TO(b, BH_CLASS_REMOTE, BH_DROP_SPOOFED_REMOTE, .from = "10.0.0.2", .to = "10.0.0.3", .protocol = TCP,
	   .dport = 443, .flags = ACK, .seq = 101, .ack = 6);
	assert_true(flow_get(&world.b, &key, &after));
	assert_memory_equal(&after, &before, sizeof(after));
	TO(b, FRONT, BH_ALLOW_FLOW, .from = "10.0.0.2", .to = "10.0.0.3", .protocol = TCP, .dport = 443, .flags = ACK,
	   .seq = 101, .ack = 6);
	/* B's answers are for A's ports, not for others there, and open nothing at A. */
	FROM(b, BH_DROP_TCP_NOT_SYN, .from = "10.0.0.3", .to = "10.0.0.2", .protocol = TCP, .sport = 443,
	     .dport = 40001, .flags = ACK, .seq = 6, .ack = 101);
	FROM(b, BH_DENY_DEFAULT, .from = "10.0.0.3", .to = "10.0.0.2", .protocol = TCP, .sport = 443, .dport = 40000,
	     .flags = SYN, .seq = 6);
	TO(a, BACK, BH_DROP_TCP_NOT_SYN, .from = "10.0.0.3", .to = "10.0.0.2", .protocol = TCP, .sport = 443,
	   .dport = 40000, .flags = ACK, .seq = 6, .ack = 101);
	assert_int_equal(flow_count(&world.a), 0);
}

/* Another container gets the address and takes the ports: what A had with its predecessor is not for it. */
static void test_successor(void **state)
{
	(void)state;
	cell_allow(FRONT, BACK, SERVICE_DNS, 31);
	FROM(a, BH_ALLOW_RULE, .from = "10.0.0.2", .to = "10.0.0.3", .protocol = UDP, .dport = 53);
	FROM(a, BH_ALLOW_RULE, .from = "10.0.0.2", .to = "10.0.0.3", .protocol = TCP, .dport = 443, .flags = SYN,
	     .seq = 100);
	own_remove(&world.b, "10.0.0.3");
	own_set(&world.c, "10.0.0.3", BH_OWN_ADDRESS);
	own_set(&world.u, "10.0.0.3", BH_OWN_ADDRESS);
	class_set(AUDITED, BH_CLASS_ZONE | BH_CLASS_LOCAL, 914);
	address_set(7, "10.0.0.3", AUDITED);
	config_flip();
	/* At its own port it has no flows; at A's, those were its predecessor's. */
	FROM(u, BH_DENY_DEFAULT, .from = "10.0.0.3", .to = "10.0.0.2", .protocol = UDP, .sport = 53, .dport = 40000);
	FROM(u, BH_DROP_TCP_NOT_SYN, .from = "10.0.0.3", .to = "10.0.0.2", .protocol = TCP, .sport = 443,
	     .dport = 40000, .flags = SYN | ACK, .seq = 5, .ack = 101);
	FROM(a, BH_DROP_REVOKED, .from = "10.0.0.2", .to = "10.0.0.3", .protocol = UDP, .dport = 53);
	TO(a, AUDITED, BH_DROP_REVOKED, .from = "10.0.0.3", .to = "10.0.0.2", .protocol = TCP, .sport = 443,
	   .dport = 40000, .flags = SYN | ACK, .seq = 5, .ack = 101);
	assert_int_equal(flow_count(&world.a), 0);
}

/* One address in other clothes: an IPv4 address within IPv6 never stands on a wire, and a NAT64 address is an address
 * of its own, of the class of the one within. */
static void test_embedded_ipv4(void **state)
{
	static const uint8_t prefix[12] = {0, 0x64, 0xff, 0x9b};
	uint8_t one = 1;

	(void)state;
	a_opens_all();
	FROM(a, BH_DROP_MARTIAN, .from = "fd00::2", .to = "::ffff:203.0.113.9", .protocol = UDP, .dport = 53);
	TO(a, BH_CLASS_REMOTE, BH_DROP_MARTIAN, .from = "::ffff:203.0.113.9", .to = "fd00::2", .protocol = UDP,
	   .sport = 53, .dport = 40000);
	TO(a, BH_CLASS_REMOTE, BH_DROP_MARTIAN, .from = "::203.0.113.9", .to = "fd00::2", .protocol = UDP, .sport = 53,
	   .dport = 40000);
	map_put(bpf_map__fd(world.skeleton->maps.nat64), prefix, &one);
	TO(a, BH_CLASS_REMOTE, BH_DENY_DEFAULT, .from = "64:ff9b::203.0.113.9", .to = "fd00::2", .protocol = UDP,
	   .sport = 53, .dport = 40000); /* the IPv4 flow is not this one */
	FROM(a, BH_ALLOW_RULE, .from = "fd00::2", .to = "64:ff9b::203.0.113.9", .protocol = UDP, .dport = 53);
	TO(a, BH_CLASS_REMOTE, BH_ALLOW_FLOW, .from = "64:ff9b::203.0.113.9", .to = "fd00::2", .protocol = UDP,
	   .sport = 53, .dport = 40000);
	/* Nor is it a way to a container under another name. */
	FROM(a, BH_DENY_DEFAULT, .from = "fd00::2", .to = "64:ff9b::10.0.0.5", .protocol = UDP, .dport = 53);
	TO(a, BH_CLASS_REMOTE, BH_DROP_SPOOFED_REMOTE, .from = "64:ff9b::10.0.0.3", .to = "fd00::2", .protocol = UDP,
	   .sport = 53, .dport = 40000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_equal_addresses, world_reset),
		cmocka_unit_test_setup(test_equal_addresses_and_the_host, world_reset),
		cmocka_unit_test_setup(test_next_port, world_reset),
		cmocka_unit_test_setup(test_forged, world_reset),
		cmocka_unit_test_setup(test_no_path_for_another, world_reset),
		cmocka_unit_test_setup(test_successor, world_reset),
		cmocka_unit_test_setup(test_embedded_ipv4, world_reset),
	};

	return cmocka_run_group_tests_name("bpf: state of ports", tests, world_setup, world_teardown);
}
