/* SPDX-License-Identifier: GPL-2.0-only */
/* Is it itself: the guards on who sends and who is sent to, and what a packet is. One test for each reason. */
#include <string.h>

#include "bpf_test.h"

#define OUTSIDE "203.0.113.9"

static void test_closed(void **state)
{
	struct port port = world.a;

	(void)state;
	port.map.flags = 0;
	port_set(&port);
	FROM(a, BH_DROP_CLOSED, .from = "10.0.0.2", .to = OUTSIDE, .protocol = TCP, .dport = 443, .flags = SYN);
	assert_int_equal(event_only().reason, BH_DROP_CLOSED);
	TO(a, BH_CLASS_HOST, BH_DROP_CLOSED, .from = "10.0.0.1", .to = "10.0.0.2", .protocol = TCP, .dport = 443,
	   .flags = SYN);
	port_remove(&port);
	events_take(NULL, 0);
	FROM(a, BH_DROP_CLOSED, .from = "10.0.0.2", .to = OUTSIDE, .protocol = TCP, .dport = 443, .flags = SYN);
	TO(a, BH_CLASS_HOST, BH_DROP_CLOSED, .from = "10.0.0.1", .to = "10.0.0.2", .protocol = TCP, .dport = 443,
	   .flags = SYN);
	events_none(); /* a port that nobody knows is nobody's news */
}

static void test_stamp_is_set(void **state)
{
	(void)state;
	FROM(a, BH_ALLOW_RULE, .from = "10.0.0.2", .to = OUTSIDE, .protocol = TCP, .dport = 443, .flags = SYN);
	/* Overwritten, never or-ed in; the other bits are others'. */
	assert_int_equal(last.mark, 0x7ffff | FRONT << BH_STAMP_SHIFT_DEFAULT);
	TO(a, BH_CLASS_REMOTE, BH_ALLOW_FLOW, .from = OUTSIDE, .to = "10.0.0.2", .protocol = TCP, .sport = 443,
	   .dport = 40000, .flags = SYN | ACK, .ack = 1);
}

static void test_source_mac(void **state)
{
	(void)state;
	FROM(a, BH_DROP_SOURCE_MAC, .from_mac = "02:00:00:00:00:0b", .from = "10.0.0.2", .to = OUTSIDE, .protocol = TCP,
	     .dport = 443, .flags = SYN);
	assert_int_equal(event_only().source_mac[5], 0x0b);
	FROM(r, BH_ALLOW_RULE, .from_mac = "02:00:00:00:00:77", .from = "10.0.0.4", .to = OUTSIDE, .protocol = UDP,
	     .dport = 9);
	/* Of an open flow, too. */
	FROM(a, BH_ALLOW_RULE, .from = "10.0.0.2", .to = OUTSIDE, .protocol = UDP, .dport = 53);
	FROM(a, BH_DROP_SOURCE_MAC, .from_mac = "02:00:00:00:00:0b", .from = "10.0.0.2", .to = OUTSIDE, .protocol = UDP,
	     .dport = 53);
}

static void test_source_address(void **state)
{
	(void)state;
	FROM(a, BH_DROP_SOURCE_ADDRESS, .from = "10.0.0.3", .to = OUTSIDE, .protocol = TCP, .dport = 443, .flags = SYN);
	FROM(a, BH_DROP_SOURCE_ADDRESS, .from = "10.0.0.1", .to = OUTSIDE, .protocol = UDP, .dport = 53);
	FROM(a, BH_DROP_SOURCE_ADDRESS, .from = "fd00::3", .to = "2001:db8::9", .protocol = UDP, .dport = 53);
	FROM(a, BH_DROP_SOURCE_ADDRESS, .from = "fe80::3", .to = "fe80::4", .protocol = UDP, .dport = 53);
	FROM(a, BH_DROP_SOURCE_ADDRESS, .from = "10.0.0.3", .to = OUTSIDE, .protocol = ICMP, .icmp_type = 8);
	FROM(r, BH_ALLOW_RULE, .from = "172.16.0.9", .to = OUTSIDE, .protocol = UDP, .dport = 9);
	assert_int_equal(flow_count(&world.a), 0);
}

static void test_martian(void **state)
{
	static const struct {
		const char *from, *to;
	} martians[] = {
		{"127.0.0.1", OUTSIDE},
		{"0.0.0.0", OUTSIDE},
		{"0.1.2.3", OUTSIDE},
		{"224.0.0.1", OUTSIDE},
		{"255.255.255.255", OUTSIDE},
		{"10.0.0.2", "127.0.0.1"},
		{"10.0.0.2", "0.0.0.0"},
		{"::", "2001:db8::9"},
		{"::1", "2001:db8::9"},
		{"::ffff:10.0.0.2", "2001:db8::9"},
		{"::10.0.0.2", "2001:db8::9"},
		{"ff02::1", "2001:db8::9"},
		{"fd00::2", "::1"},
		{"fd00::2", "::"},
		{"fd00::2", "::ffff:10.0.0.3"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(martians) / sizeof(*martians); i++) {
		FROM(a, BH_DROP_MARTIAN, .from = martians[i].from, .to = martians[i].to, .protocol = UDP, .dport = 53);
		TO(a, BH_CLASS_REMOTE, BH_DROP_MARTIAN, .from = martians[i].from, .to = martians[i].to, .protocol = UDP,
		   .dport = 53);
	}
}

static void test_vlan(void **state)
{
	(void)state;
	FROM(a, BH_DROP_VLAN, .tag = VLAN, .from = "10.0.0.2", .to = OUTSIDE, .protocol = UDP, .dport = 53);
	FROM(a, BH_DROP_VLAN, .tag = QINQ, .from = "10.0.0.2", .to = OUTSIDE, .protocol = UDP, .dport = 53);
	TO(a, BH_CLASS_HOST, BH_DROP_VLAN, .tag = VLAN, .from = "10.0.0.1", .to = "10.0.0.2", .protocol = UDP,
	   .dport = 53);
	FROM(r, BH_ALLOW_RULE, .tag = VLAN, .from = "10.0.0.4", .to = OUTSIDE, .protocol = UDP, .dport = 53);
	FROM(r, BH_DROP_VLAN, .tag = QINQ, .tag2 = VLAN, .from = "10.0.0.4", .to = OUTSIDE, .protocol = UDP,
	     .dport = 53);
	FROM(a, BH_DROP_VLAN, .tag = VLAN, .type = PPPOE, .from = "10.0.0.2", .to = OUTSIDE);
}

static void test_ethertype(void **state)
{
	static const uint16_t types[] = {PPPOE, 0x88cc, 0x0000, 0x0026, 0x05dc, 0x8035, 0x8847, 0xffff, 0x9100};

	(void)state;
	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
		uint8_t data[60] = {1, 0x80, 0xc2, 0, 0, 0, 2, 0, 0, 0, 0, 0x0a, types[i] >> 8, types[i] & 0xff};

		expect(run_raw(&world.a, true, 0, data, sizeof(data), 0), BH_DROP_ETHERTYPE, __FILE__, __LINE__);
		expect(run_raw(&world.r, true, 0, data, sizeof(data), 0), BH_DROP_ETHERTYPE, __FILE__, __LINE__);
	}
}

static void test_not_addressed(void **state)
{
	(void)state;
	/* A frame to a neighbour's MAC with an outside address: by its addresses it is 'A to internet'. */
	TO(b, FRONT, BH_DROP_NOT_ADDRESSED, .from = "10.0.0.2", .to = OUTSIDE, .protocol = TCP, .dport = 443,
	   .flags = SYN);
	TO(b, FRONT, BH_DROP_NOT_ADDRESSED, .to_mac = "02:00:00:00:00:0a", .from = "10.0.0.2", .to = "10.0.0.3",
	   .protocol = TCP, .dport = 443, .flags = SYN);
	TO(b, FRONT, BH_DROP_NOT_ADDRESSED, .to_mac = "ff:ff:ff:ff:ff:ff", .from = "10.0.0.2", .to = "10.0.0.9",
	   .protocol = TCP, .dport = 443, .flags = SYN);
	TO(a, BH_CLASS_HOST, BH_DROP_NOT_ADDRESSED, .from = "10.0.0.1", .to = "10.0.0.1", .protocol = UDP, .dport = 53);
	TO(r, BH_CLASS_REMOTE, BH_ALLOW_RULE, .from = OUTSIDE, .to = "172.16.0.9", .protocol = UDP, .dport = 9);
}

static void test_stamps(void **state)
{
	const struct frame frame = {.from = OUTSIDE, .to = "10.0.0.2", .protocol = TCP, .dport = 443, .flags = SYN};

	(void)state;
	for (uint32_t stamp = 0; stamp < BH_IDENTITY_FIRST; stamp++) {
		uint8_t reason = BH_DROP_NO_STAMP;

		if (stamp == BH_CLASS_HOST)
			continue;
		if (stamp == BH_CLASS_REMOTE)
			continue;
		if (stamp == BH_CLASS_REFUSED)
			reason = BH_DROP_REFUSED_STAMP;
		if (stamp == BH_CLASS_UNASSIGNED)
			reason = BH_DENY_DEFAULT;
		if (stamp == BH_CLASS_CONFLICTED)
			reason = BH_DENY_CONFLICTED;
		expect(run_to(&world.a, stamp, &frame), reason, __FILE__, __LINE__);
	}
	expect(run_to(&world.a, BH_CLASS_REMOTE, &frame), BH_ALLOW_RULE, __FILE__, __LINE__);
	/* Of an open flow no packet without a stamp passes either. */
	TO(a, 0, BH_DROP_NO_STAMP, .from = OUTSIDE, .to = "10.0.0.2", .protocol = TCP, .dport = 443, .flags = ACK,
	   .seq = 1);
	/* What the host has made itself is the host's, or nobody's: a process can set marks. */
	received_on = 0;
	for (uint32_t stamp = BH_CLASS_HOST + 1; stamp < 40; stamp++)
		expect(run_to(&world.a, stamp, &frame), BH_DROP_NO_STAMP, __FILE__, __LINE__);
	TO(a, BH_CLASS_HOST, BH_ALLOW_RULE, .from = "10.0.0.1", .to = "10.0.0.2", .protocol = UDP, .dport = 9);
	received_on = 1;
	/* A number that nobody has is denied. */
	TO(a, 4000, BH_DENY_DEFAULT, .from = OUTSIDE, .to = "10.0.0.2", .protocol = TCP, .sport = 9, .dport = 443,
	   .flags = SYN);
}

static void test_spoofed_remote(void **state)
{
	static const char *const spoofed[] = {"10.0.0.3", "10.0.0.1", "10.0.0.6", "10.9.9.9", "10.0.0.4"};

	(void)state;
	for (size_t i = 0; i < sizeof(spoofed) / sizeof(*spoofed); i++)
		TO(a, BH_CLASS_REMOTE, BH_DROP_SPOOFED_REMOTE, .from = spoofed[i], .to = "10.0.0.2", .protocol = TCP,
		   .dport = 443, .flags = SYN);
	TO(a, BH_CLASS_REMOTE, BH_DROP_SPOOFED_REMOTE, .from = "fd00::1", .to = "fd00::2", .protocol = TCP,
	   .dport = 443, .flags = SYN);
	/* A zone's subnet is no port of this host; an unknown neighbour on the bridge neither. */
	TO(a, BH_CLASS_REMOTE, BH_ALLOW_RULE, .from = "192.0.2.5", .to = "10.0.0.2", .protocol = TCP, .dport = 443,
	   .flags = SYN);
	address_set(7, "10.0.0.78", BH_CLASS_UNASSIGNED);
	class_set(BH_CLASS_UNASSIGNED, BH_CLASS_LOCAL, 904);
	TO(a, BH_CLASS_REMOTE, BH_DROP_SPOOFED_REMOTE, .from = "10.0.0.78", .to = "10.0.0.2", .protocol = TCP,
	   .dport = 443, .flags = SYN);
	/* The same address, as NAT64 writes it. */
	nat64_set("64:ff9b::");
	TO(a, BH_CLASS_REMOTE, BH_DROP_SPOOFED_REMOTE, .from = "64:ff9b::a00:4e", .to = "fd00::2", .protocol = TCP,
	   .dport = 443, .flags = SYN);
	TO(a, BH_CLASS_REMOTE, BH_DENY_DEFAULT, .from = "10.0.0.77", .to = "10.0.0.2", .protocol = TCP, .dport = 443,
	   .flags = SYN);
	/* Nor may `remote` packets join a flow with a local end. */
	FROM(a, BH_ALLOW_RULE, .from = "10.0.0.2", .to = "10.0.0.3", .protocol = TCP, .dport = 443, .flags = SYN);
	TO(a, BH_CLASS_REMOTE, BH_DROP_SPOOFED_REMOTE, .from = "10.0.0.3", .to = "10.0.0.2", .protocol = TCP,
	   .sport = 443, .dport = 40000, .flags = SYN | ACK, .ack = 1);
	TO(a, BACK, BH_ALLOW_FLOW, .from = "10.0.0.3", .to = "10.0.0.2", .protocol = TCP, .sport = 443, .dport = 40000,
	   .flags = SYN | ACK, .ack = 1);
}

/* The stamp is who sent it; NAT hides the address. */
static void test_stamp_over_address(void **state)
{
	(void)state;
	TO(b, FRONT, BH_ALLOW_RULE, .from = "10.0.0.1", .to = "10.0.0.3", .protocol = TCP, .dport = 443, .flags = SYN);
	TO(b, ROUTER, BH_DENY_DEFAULT, .from = "10.0.0.2", .to = "10.0.0.3", .protocol = TCP, .sport = 40001,
	   .dport = 443, .flags = SYN);
	assert_int_equal(event_only().src_class, ROUTER);
}

static void test_tcp_invalid(void **state)
{
	static const uint8_t flags[] = {
		0,  FIN, SYN | FIN, SYN | RST, RST | FIN, URG | PSH, FIN | PSH | URG, SYN | FIN | ACK, RST | SYN | ACK,
		PSH};

	(void)state;
	for (size_t i = 0; i < sizeof(flags); i++)
		FROM(a, BH_DROP_TCP_INVALID, .from = "10.0.0.2", .to = OUTSIDE, .protocol = TCP, .dport = 443,
		     .flags = flags[i]);
	FROM(a, BH_DROP_TCP_NOT_SYN, .from = "10.0.0.2", .to = OUTSIDE, .protocol = TCP, .dport = 443, .flags = ACK);
	FROM(a, BH_DROP_TCP_NOT_SYN, .from = "10.0.0.2", .to = OUTSIDE, .protocol = TCP, .dport = 443,
	     .flags = SYN | ACK);
	FROM(a, BH_DROP_TCP_NOT_SYN, .from = "10.0.0.2", .to = OUTSIDE, .protocol = TCP, .dport = 443, .flags = RST);
	FROM(a, BH_DROP_TCP_NOT_SYN, .from = "10.0.0.2", .to = OUTSIDE, .protocol = TCP, .dport = 443,
	     .flags = FIN | ACK);
}

static void test_internal(void **state)
{
	uint32_t nowhere = 4000;
	struct port port = world.a;

	(void)state;
	port.map.index = nowhere; /* has no flow map */
	port_set(&port);
	FROM(a, BH_DROP_INTERNAL, .from = "10.0.0.2", .to = OUTSIDE, .protocol = TCP, .dport = 443, .flags = SYN);
	/* A class beyond the table. */
	port_set(&world.a);
	prefix_set("198.18.0.0/15", CLASS_COUNT);
	FROM(a, BH_DROP_INTERNAL, .from = "10.0.0.2", .to = "198.18.0.1", .protocol = TCP, .dport = 443, .flags = SYN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_closed, world_reset),
		cmocka_unit_test_setup(test_stamp_is_set, world_reset),
		cmocka_unit_test_setup(test_source_mac, world_reset),
		cmocka_unit_test_setup(test_source_address, world_reset),
		cmocka_unit_test_setup(test_martian, world_reset),
		cmocka_unit_test_setup(test_vlan, world_reset),
		cmocka_unit_test_setup(test_ethertype, world_reset),
		cmocka_unit_test_setup(test_not_addressed, world_reset),
		cmocka_unit_test_setup(test_stamps, world_reset),
		cmocka_unit_test_setup(test_spoofed_remote, world_reset),
		cmocka_unit_test_setup(test_stamp_over_address, world_reset),
		cmocka_unit_test_setup(test_tcp_invalid, world_reset),
		cmocka_unit_test_setup(test_internal, world_reset),
	};

	return cmocka_run_group_tests_name("bpf: identity", tests, world_setup, world_teardown);
}
