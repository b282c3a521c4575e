/* SPDX-License-Identifier: GPL-2.0-only */
/* Reports of the door: what the rule says is believed if it has the form, what the packet says is read within its end.
 */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gate/nft_watch.h"

#include <linux/netfilter/nfnetlink_log.h>

#define SHIFT 19u

struct report {
	const char *prefix;
	uint8_t hook;
	uint16_t ethertype;
	uint32_t mark, input, output, bridge_input;
	const uint8_t *payload;
	size_t payload_size;
	bool no_header;
};

static const uint8_t frame_header[14] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0};

/* In memory of just its size, so that a sanitizer sees what is read beyond it. */
static struct nlmsghdr *message_make(const struct report *report)
{
	uint8_t buffer[2048];
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer), *exact;
	struct nfulnl_msg_packet_hdr header = {.hw_protocol = htons(report->ethertype), .hook = report->hook};

	mnl_nlmsg_put_extra_header(message, sizeof(struct nfgenmsg));
	if (!report->no_header)
		mnl_attr_put(message, NFULA_PACKET_HDR, sizeof(header), &header);
	mnl_attr_put(message, NFULA_HWHEADER, sizeof(frame_header), frame_header);
	mnl_attr_put_u32(message, NFULA_MARK, htonl(report->mark));
	if (report->input)
		mnl_attr_put_u32(message, NFULA_IFINDEX_INDEV, htonl(report->input));
	if (report->output)
		mnl_attr_put_u32(message, NFULA_IFINDEX_OUTDEV, htonl(report->output));
	if (report->bridge_input)
		mnl_attr_put_u32(message, NFULA_IFINDEX_PHYSINDEV, htonl(report->bridge_input));
	if (report->prefix)
		mnl_attr_put_strz(message, NFULA_PREFIX, report->prefix);
	if (report->payload)
		mnl_attr_put(message, NFULA_PAYLOAD, report->payload_size, report->payload);
	exact = malloc(message->nlmsg_len);
	assert_non_null(exact);
	memcpy(exact, buffer, message->nlmsg_len);
	return exact;
}

static bool parse(const struct report *report, struct bh_event *ret_event)
{
	static const struct nft_port ports[] = {{.ifindex = 7, .domain = 3, .mac = {{2, 0, 0, 0, 0, 2}}},
						{.ifindex = 8, .domain = 4, .mac = {{2, 0, 0, 0, 0, 2}}}};
	const struct nft_report_ports known = {ports, 2};
	struct nlmsghdr *message = message_make(report);
	bool ours = nft_report_parse(message, SHIFT, &known, ret_event);

	free(message);
	return ours;
}

static void test_prefixes(void **state)
{
	static const struct {
		const char *prefix;
		bool ours;
		uint8_t verdict, reason, direction;
		uint32_t decision;
	} cases[] = {
		{"bulkhead deny r=36 d=17", true, BH_EVENT_DENY, 36, BH_EVENT_FROM_PORT, 17},
		{"bulkhead allow r=1 d=65535", true, BH_EVENT_ALLOW, 1, BH_EVENT_FROM_PORT, 65535},
		{"bulkhead would-deny r=36 d=2", true, BH_EVENT_WOULD_DENY, 36, BH_EVENT_FROM_PORT, 2},
		{"bulkhead staged r=0 d=5", true, BH_EVENT_STAGED, 0, BH_EVENT_FROM_PORT, 5},
		{"bulkhead deny r=64 d=0 out", true, BH_EVENT_DENY, 64, BH_EVENT_TO_PORT, 0},
		{"bulkhead deny r=192 d=0", false, 0, 0, 0, 0},
		{"bulkhead deny r=-1 d=0", false, 0, 0, 0, 0},
		{"bulkhead deny r=36", false, 0, 0, 0, 0},
		{"bulkhead drop r=36 d=0", false, 0, 0, 0, 0},
		{"bulkhead", false, 0, 0, 0, 0},
		{"somebody else's", false, 0, 0, 0, 0},
		{"", false, 0, 0, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct report report = {.prefix = cases[i].prefix, .input = 7, .output = 8};
		struct bh_event event = {0};

		assert_int_equal(parse(&report, &event), cases[i].ours);
		if (!cases[i].ours)
			continue;
		assert_int_equal(event.verdict, cases[i].verdict);
		assert_int_equal(event.reason, cases[i].reason);
		assert_int_equal(event.direction, cases[i].direction);
		assert_int_equal(event.decision, cases[i].decision);
	}
}

static void test_what_lacks_the_essentials_is_not_ours(void **state)
{
	struct report no_prefix = {.input = 7}, no_header = {.prefix = "bulkhead deny r=36 d=1", .no_header = true};
	struct bh_event event = {.reason = 99};

	(void)state;
	assert_false(parse(&no_prefix, &event));
	assert_false(parse(&no_header, &event));
	assert_int_equal(event.reason, 99);
}

/* A routed packet came in by the bridge; the port is found by the bridge and the sender's address. */
static void test_the_port_behind_a_bridge(void **state)
{
	struct report report = {.prefix = "bulkhead deny r=36 d=1", .hook = NF_INET_LOCAL_IN, .input = 3};
	struct bh_event event;

	(void)state;
	report.mark = 20u << SHIFT | 0x1234;
	assert_true(parse(&report, &event));
	assert_int_equal(event.ifindex, 7);
	assert_int_equal(event.src_class, 20);
	assert_int_equal(event.dst_class, BH_CLASS_HOST);
	report.input = 4;
	assert_true(parse(&report, &event));
	assert_int_equal(event.ifindex, 8);
	report.input = 5;
	assert_true(parse(&report, &event));
	assert_int_equal(event.ifindex, 5);
	report.bridge_input = 9;
	assert_true(parse(&report, &event));
	assert_int_equal(event.ifindex, 9);
}

static const uint8_t tcp4[] = {0x45, 0,	   0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 10,	 9, 0, 11, 10, 9, 0, 1,
			       0x12, 0x34, 0, 80, 0, 0, 0, 0, 0,  0, 0, 0, 0x50, 2, 0, 0,  0,  0, 0, 0};
static const uint8_t udp6[] = {0x60,
			       0,
			       0,
			       0,
			       0,
			       24,
			       0 /* hop-by-hop */,
			       64,
			       0xfd,
			       9,
			       0,
			       0,
			       0,
			       0,
			       0,
			       0,
			       0,
			       0,
			       0,
			       0,
			       0,
			       0,
			       0,
			       0x11,
			       0xfd,
			       9,
			       0,
			       0,
			       0,
			       0,
			       0,
			       0,
			       0,
			       0,
			       0,
			       0,
			       0,
			       0,
			       0,
			       1,
			       44 /* fragment */,
			       0,
			       1,
			       4,
			       0,
			       0,
			       0,
			       0,
			       17,
			       0,
			       0,
			       1,
			       0,
			       0,
			       0,
			       7,
			       0x12,
			       0x34,
			       0,
			       53,
			       0,
			       8,
			       0,
			       0};
static const uint8_t arp[] = {0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 2, 10, 9, 0, 11, 0, 0, 0, 0, 0, 0, 10, 9, 0, 1};

static void test_packets(void **state)
{
	struct report report = {.prefix = "bulkhead deny r=36 d=1", .ethertype = 0x0800, .input = 7};
	struct bh_event event;

	(void)state;
	report.payload = tcp4;
	report.payload_size = sizeof(tcp4);
	assert_true(parse(&report, &event));
	assert_int_equal(event.family, 4);
	assert_int_equal(event.protocol, IPPROTO_TCP);
	assert_int_equal(event.source_port, 0x1234);
	assert_int_equal(event.destination_port, 80);
	assert_int_equal(event.tcp_flags, 2);
	assert_int_equal(event.length, 40);
	assert_memory_equal(event.source, tcp4 + 12, 4);
	assert_memory_equal(event.source_mac, frame_header + 6, 6);
	report.ethertype = 0x86dd;
	report.payload = udp6;
	report.payload_size = sizeof(udp6);
	assert_true(parse(&report, &event));
	assert_int_equal(event.family, 6);
	assert_int_equal(event.protocol, IPPROTO_UDP);
	assert_int_equal(event.destination_port, 53);
	report.ethertype = 0x0806;
	report.payload = arp;
	report.payload_size = sizeof(arp);
	assert_true(parse(&report, &event));
	assert_int_equal(event.family, 0);
	assert_memory_equal(event.source, arp + 14, 4);
	assert_memory_equal(event.destination, arp + 24, 4);
}

/* Every beginning of every packet, under every type: nothing is read beyond the end, and no port is made up. */
static void test_short_packets(void **state)
{
	static const struct {
		const uint8_t *data;
		size_t size, ports_at;
	} packets[] = {{tcp4, sizeof(tcp4), 24}, {udp6, sizeof(udp6), 60}, {arp, sizeof(arp), SIZE_MAX}};
	static const uint16_t types[] = {0x0800, 0x86dd, 0x0806, 0x88b5, 0};

	(void)state;
	for (size_t i = 0; i < 3; i++)
		for (size_t type = 0; type < 5; type++)
			for (size_t size = 0; size <= packets[i].size; size++) {
				struct report report = {.prefix = "bulkhead deny r=36 d=1", .ethertype = types[type]};
				struct bh_event event;

				report.payload = packets[i].data;
				report.payload_size = size;
				assert_true(parse(&report, &event));
				if (i == type && size < packets[i].ports_at)
					assert_int_equal(event.destination_port, 0);
			}
}

static void test_fragments_have_no_ports(void **state)
{
	struct report report = {.prefix = "bulkhead deny r=36 d=1", .ethertype = 0x0800};
	uint8_t packet[sizeof(udp6)];
	struct bh_event event;

	(void)state;
	memcpy(packet, tcp4, sizeof(tcp4));
	packet[7] = 1; /* at 8 bytes */
	report.payload = packet;
	report.payload_size = sizeof(tcp4);
	assert_true(parse(&report, &event));
	assert_int_equal(event.protocol, IPPROTO_TCP);
	assert_int_equal(event.destination_port, 0);
	memcpy(packet, udp6, sizeof(udp6));
	packet[51] = 8;
	report.ethertype = 0x86dd;
	report.payload_size = sizeof(udp6);
	assert_true(parse(&report, &event));
	assert_int_equal(event.protocol, IPPROTO_UDP);
	assert_int_equal(event.destination_port, 0);
}

/* An IPv4 header that claims to be longer, or shorter, than there is. */
static void test_lying_headers(void **state)
{
	struct report report = {.prefix = "bulkhead deny r=36 d=1", .ethertype = 0x0800};
	uint8_t packet[sizeof(tcp4)];
	struct bh_event event;

	(void)state;
	memcpy(packet, tcp4, sizeof(tcp4));
	report.payload = packet;
	report.payload_size = sizeof(tcp4);
	for (unsigned int words = 0; words < 16; words++) {
		packet[0] = (uint8_t)(0x40 | words);
		assert_true(parse(&report, &event));
		if (words < 5 || words * 4 > sizeof(tcp4) - 4)
			assert_int_equal(event.destination_port, 0);
	}
	packet[0] = 0x65;
	assert_true(parse(&report, &event));
	assert_int_equal(event.family, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_what_lacks_the_essentials_is_not_ours),
		cmocka_unit_test(test_the_port_behind_a_bridge),
		cmocka_unit_test(test_packets),
		cmocka_unit_test(test_short_packets),
		cmocka_unit_test(test_fragments_have_no_ports),
		cmocka_unit_test(test_lying_headers),
	};

	return cmocka_run_group_tests_name("nft_report", tests, NULL, NULL);
}
