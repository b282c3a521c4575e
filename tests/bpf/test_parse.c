/* SPDX-License-Identifier: GPL-2.0-only */
/* What a packet is: short ones, options and extension headers, fragments, and bytes at random. */
#include <stdlib.h>
#include <string.h>

#include "bpf_test.h"

#define OUTSIDE	 "203.0.113.9"
#define OUTSIDE6 "2001:db8::9"

/* No packet that is cut short may pass, wherever it is cut; whole ones do. The kernel does not run programs on less
 * than an IP header this way: test_live.c sends those. */
static void test_short(void **state)
{
	static const uint8_t hop[16] = {60, 0, 1, 4, 0, 0, 0, 0, TCP, 0, 1, 4, 0, 0, 0, 0};
	static const uint8_t options[8] = {1, 1, 7, 4, 0, 0, 0, 0};
	static const struct frame frames[] = {
		{.from = "10.0.0.2",
		 .to = OUTSIDE,
		 .protocol = TCP,
		 .dport = 443,
		 .flags = SYN,
		 .scale = 8,
		 .payload = 5},
		{.from = "10.0.0.2", .to = OUTSIDE, .protocol = UDP, .dport = 53, .payload = 5},
		{.from = "10.0.0.2", .to = OUTSIDE, .protocol = ICMP, .icmp_type = 8, .payload = 5},
		{.from = "10.0.0.2", .to = OUTSIDE, .protocol = SCTP, .dport = 5000, .payload = 5},
		{.from = "10.0.0.2",
		 .to = OUTSIDE,
		 .protocol = TCP,
		 .dport = 443,
		 .flags = SYN,
		 .options = options,
		 .options_size = 8},
		{.from = "fd00::2", .to = OUTSIDE6, .protocol = TCP, .dport = 443, .flags = SYN, .payload = 5},
		{.from = "fd00::2", .to = OUTSIDE6, .protocol = UDP, .dport = 53},
		{.from = "fd00::2", .to = OUTSIDE6, .protocol = ICMP6, .icmp_type = 128},
		{.from = "fd00::2",
		 .to = OUTSIDE6,
		 .protocol = TCP,
		 .dport = 443,
		 .flags = SYN,
		 .options = hop,
		 .options_size = 16,
		 .next_header = 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(frames) / sizeof(*frames); i++) {
		struct frame frame = frames[i];
		uint8_t buffer[FRAME_MAX];
		size_t size = frame_build(&frame, &world.a, true, buffer);

		size_t header = strchr(frame.from, ':') ? 40 : 20;

		for (frame.cut = 1; frame.cut <= size - 14 - header; frame.cut++) {
			expect(run_from(&world.a, &frame), BH_DROP_SHORT, __FILE__, __LINE__);
			assert_false(run_to(&world.a, BH_CLASS_HOST, &frame).pass);
			world_reset(NULL);
		}
		frame.cut = 0;
		expect(run_from(&world.a, &frame), BH_ALLOW_RULE, __FILE__, __LINE__);
	}
}

/* IP may state less than there is (Ethernet pads), and then what it states is what counts. */
static void test_lengths(void **state)
{
	(void)state;
	FROM(a, BH_ALLOW_RULE, .from = "10.0.0.2", .to = OUTSIDE, .protocol = TCP, .dport = 443, .flags = SYN,
	     .payload = 10, .length_error = -10);
	FROM(a, BH_DROP_SHORT, .from = "10.0.0.2", .to = OUTSIDE, .protocol = TCP, .dport = 443, .flags = SYN,
	     .length_error = -1);
	FROM(a, BH_DROP_SHORT, .from = "10.0.0.2", .to = OUTSIDE, .protocol = TCP, .dport = 443, .flags = SYN,
	     .length_error = 1);
	FROM(a, BH_DROP_MALFORMED, .from = "10.0.0.2", .to = OUTSIDE, .protocol = UDP, .dport = 53, .length_error = -9);
	FROM(a, BH_DROP_SHORT, .from = "fd00::2", .to = OUTSIDE6, .protocol = UDP, .dport = 53, .length_error = 1);
	FROM(a, BH_DROP_SHORT, .from = "fd00::2", .to = OUTSIDE6, .protocol = UDP, .dport = 53, .length_error = -1);
	FROM(a, BH_DROP_MALFORMED, .from = "10.0.0.2", .to = OUTSIDE, .protocol = UDP, .dport = 53, .version = 5);
	FROM(a, BH_DROP_MALFORMED, .from = "fd00::2", .to = OUTSIDE6, .protocol = UDP, .dport = 53, .version = 4);
	FROM(a, BH_DROP_MALFORMED, .from = "10.0.0.2", .to = OUTSIDE, .protocol = UDP, .dport = 53, .header_length = 4);
	FROM(a, BH_DROP_MALFORMED, .from = "10.0.0.2", .to = OUTSIDE, .protocol = UDP, .dport = 53,
	     .header_length = 15);
	/* TCP's own header length: 4 words are too few, 15 are not there. */
	FROM(a, BH_DROP_MALFORMED, .from = "10.0.0.2", .to = OUTSIDE, .protocol = TCP,
	     .transport = (uint8_t[20]){1, 1, 1, 187, [12] = 4 << 4, [13] = SYN}, .payload = 20);
	FROM(a, BH_DROP_SHORT, .from = "10.0.0.2", .to = OUTSIDE, .protocol = TCP,
	     .transport = (uint8_t[20]){1, 1, 1, 187, [12] = 15 << 4, [13] = SYN}, .payload = 20);
}

static void test_ipv4_options(void **state)
{
	static const struct {
		uint8_t options[8];
		uint8_t reason;
	} cases[] = {
		{{131, 7, 4, 10, 0, 0, 9, 0}, BH_DROP_SOURCE_ROUTE},
		{{1, 137, 7, 4, 10, 0, 0, 9}, BH_DROP_SOURCE_ROUTE},
		{{7, 7, 4, 0, 0, 0, 0, 131}, BH_DROP_SOURCE_ROUTE}, /* cut short, and still one */
		{{148, 4, 0, 0, 131, 3, 4, 0}, BH_DROP_SOURCE_ROUTE},
		{{7, 7, 4, 0, 0, 0, 0, 0}, BH_ALLOW_RULE},   /* record route */
		{{148, 4, 0, 0, 0, 0, 0, 0}, BH_ALLOW_RULE}, /* router alert */
		{{1, 1, 1, 1, 1, 1, 1, 1}, BH_ALLOW_RULE},
		{{0, 131, 7, 4, 0, 0, 0, 0}, BH_ALLOW_RULE}, /* behind the end */
		{{7, 9, 4, 0, 0, 0, 0, 0}, BH_DROP_MALFORMED},
		{{7, 1, 4, 0, 0, 0, 0, 0}, BH_DROP_MALFORMED},
		{{7, 0, 4, 0, 0, 0, 0, 0}, BH_DROP_MALFORMED},
		{{1, 1, 1, 1, 1, 1, 1, 7}, BH_DROP_MALFORMED},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		world_reset(NULL);
		FROM(a, cases[i].reason, .from = "10.0.0.2", .to = OUTSIDE, .protocol = TCP, .dport = 443, .flags = SYN,
		     .options = cases[i].options, .options_size = 8);
	}
	/* As long as they can be. */
	FROM(a, BH_DROP_SOURCE_ROUTE, .from = "10.0.0.2", .to = OUTSIDE, .protocol = TCP, .dport = 443, .flags = SYN,
	     .options = (uint8_t[40]){7, 37, [37] = 131, 3, 4}, .options_size = 40);
}

/* `count` destination option headers and, last, TCP. */
static size_t chain(uint8_t *buffer, uint8_t count)
{
	memset(buffer, 0, 8 * count);
	for (uint8_t i = 0; i < count; i++)
		memcpy(buffer + 8 * i, (uint8_t[8]){i + 1 == count ? TCP : 60, 0, 1, 4}, 4);
	return 8 * count;
}

#define SYN6 .from = "fd00::2", .to = OUTSIDE6, .protocol = TCP, .dport = 443, .flags = SYN
#define EXTENSIONS(next, ...) \
	.next_header = next, .options = (uint8_t[]){__VA_ARGS__}, .options_size = sizeof((uint8_t[]){__VA_ARGS__})

static void test_ipv6_extensions(void **state)
{
	uint8_t buffer[256];

	(void)state;
	for (uint8_t i = 1; i <= BH_EXTENSION_HEADERS_MAX; i++) {
		FROM(a, BH_ALLOW_RULE, SYN6, .next_header = 60, .options_size = chain(buffer, i), .options = buffer);
		world_reset(NULL);
	}
	FROM(a, BH_DROP_EXTENSION_HEADERS, SYN6, .next_header = 60,
	     .options_size = chain(buffer, BH_EXTENSION_HEADERS_MAX + 1), .options = buffer);
	FROM(a, BH_ALLOW_RULE, SYN6, EXTENSIONS(0, TCP, 0, 1, 4, 0, 0, 0, 0));
	FROM(a, BH_DROP_EXTENSION_HEADERS, SYN6, EXTENSIONS(60, 0, 0, 1, 4, 0, 0, 0, 0, TCP, 0, 1, 4, 0, 0, 0, 0));
	FROM(a, BH_DROP_SOURCE_ROUTE, SYN6, EXTENSIONS(43, TCP, 0, 0, 0, 0, 0, 0, 0));
	FROM(a, BH_DROP_SOURCE_ROUTE, SYN6, EXTENSIONS(43, TCP, 0, 4, 1, 0, 0, 0, 0));
	FROM(a, BH_ALLOW_FLOW, SYN6, EXTENSIONS(43, TCP, 0, 4, 0, 0, 0, 0, 0));
	FROM(a, BH_ALLOW_FLOW, SYN6, EXTENSIONS(51, TCP, 2, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0));
	FROM(a, BH_DROP_SHORT, SYN6, EXTENSIONS(60, TCP, 200, 1, 4, 0, 0, 0, 0));
	/* A header that is none of these is the transport's: by number. */
	FROM(a, BH_DENY_DEFAULT, .from = "fd00::2", .to = OUTSIDE6, .protocol = 59);
	FROM(a, BH_DENY_DEFAULT, .from = "fd00::2", .to = OUTSIDE6, .protocol = 135, .payload = 8);
	/* A fragment that is the whole (RFC 6946), then a second fragment header. */
	FROM(a, BH_ALLOW_FLOW, SYN6, EXTENSIONS(44, TCP, 0, 0, 0, 0, 0, 0, 9));
	FROM(a, BH_DROP_EXTENSION_HEADERS, SYN6, EXTENSIONS(44, 44, 0, 0, 0, 0, 0, 0, 9, TCP, 0, 0, 0, 0, 0, 0, 9));
}

#define PART(number, offset, last, ...)                                                                       \
	.from = "10.0.0.2", .to = OUTSIDE, .protocol = UDP, .dport = 53, .fragment = offset, .more = !(last), \
	.fragment_id = number, __VA_ARGS__

static void test_fragments_in_order(void **state)
{
	struct bh_counter rule = rule_counter(3);

	(void)state;
	FROM(a, BH_DROP_MALFORMED, PART(77, 16, true, .none = true)); /* a part of nothing */
	FROM(a, BH_DROP_FRAGMENT, PART(77, 16, false, .payload = 0)); /* its first is not known */
	FROM(a, BH_ALLOW_RULE, PART(77, 0, false, .payload = 8));
	FROM(a, BH_ALLOW_FLOW, PART(77, 16, false, .payload = 8)); /* the builder's header is 8 bytes of its data */
	FROM(a, BH_DROP_FRAGMENT, PART(78, 32, true, .payload = 1));
	FROM(a, BH_ALLOW_FLOW, PART(77, 32, true, .payload = 1));
	FROM(a, BH_DROP_FRAGMENT, PART(77, 48, true, .payload = 1)); /* behind the last */
	assert_int_equal(rule_counter(3).packets - rule.packets, 3);
	/* Another direction, another datagram. */
	TO(a, BH_CLASS_REMOTE, BH_DROP_FRAGMENT, .from = OUTSIDE, .to = "10.0.0.2", .protocol = UDP, .sport = 53,
	   .fragment = 16, .fragment_id = 77);
	/* A flow's own numbers in a denied first part bring nothing. */
	FROM(a, BH_DENY_DEFAULT, .from = "10.0.0.2", .to = OUTSIDE, .protocol = UDP, .dport = 9, .more = true,
	     .fragment_id = 80, .payload = 8);
	FROM(a, BH_DROP_FRAGMENT, PART(80, 16, true, .payload = 1));
}

static void test_fragments_overlapping(void **state)
{
	(void)state;
	FROM(a, BH_ALLOW_RULE, PART(77, 0, false, .payload = 24));
	FROM(a, BH_DROP_FRAGMENT_OVERLAP, PART(77, 24, false, .payload = 8));
	FROM(a, BH_DROP_FRAGMENT, PART(77, 40, false, .payload = 8)); /* RFC 5722: that was the datagram's end */
	FROM(a, BH_ALLOW_FLOW, PART(81, 0, false, .payload = 24));
	FROM(a, BH_DROP_FRAGMENT_OVERLAP, PART(81, 0, false, .payload = 24));
	FROM(a, BH_DROP_FRAGMENT, PART(81, 32, true, .payload = 8));
	FROM(a, BH_DROP_MALFORMED, PART(82, 0, false, .payload = 3));
	FROM(a, BH_ALLOW_FLOW, PART(82, 0, false, .payload = 8));
	FROM(a, BH_DROP_MALFORMED, PART(82, 16, false, .payload = 3));
	FROM(a, BH_DROP_MALFORMED, PART(82, 65528, true, .payload = 8)); /* beyond 65535 */
}

/* Too short for what it is judged by. */
static void test_fragments_tiny(void **state)
{
	(void)state;
	FROM(a, BH_DROP_FRAGMENT_OVERLAP, PART(77, 0, false, .length_error = -1, .payload = 0));
	FROM(a, BH_DROP_FRAGMENT_OVERLAP, .from = "10.0.0.2", .to = OUTSIDE, .protocol = TCP, .dport = 443,
	     .flags = SYN, .more = true, .length_error = -4);
	FROM(a, BH_DROP_FRAGMENT_OVERLAP, .from = "10.0.0.2", .to = OUTSIDE, .protocol = TCP, .dport = 443,
	     .flags = SYN, .scale = 8, .more = true, .length_error = -4);
	FROM(a, BH_DROP_FRAGMENT_OVERLAP, .from = "10.0.0.2", .to = OUTSIDE, .protocol = ICMP, .icmp_type = 8,
	     .more = true, .length_error = -4);
	FROM(a, BH_DROP_FRAGMENT_OVERLAP, .from = "fd00::2", .to = OUTSIDE6, .protocol = UDP, .dport = 53, .more = true,
	     .length_error = -4);
	/* RFC 7112: the whole chain of headers in the first. */
	FROM(a, BH_DROP_FRAGMENT_OVERLAP, .from = "fd00::2", .to = OUTSIDE6, .protocol = 60,
	     .transport = (uint8_t[8]){TCP, 3, 1, 4}, .payload = 8, .more = true);
}

#define PART6(number, offset, last, ...)                                                                      \
	.from = "fd00::2", .to = OUTSIDE6, .protocol = UDP, .dport = 53, .fragment = offset, .more = !(last), \
	.fragment_id = number, __VA_ARGS__

static void test_fragments6(void **state)
{
	(void)state;
	FROM(a, BH_DROP_FRAGMENT, PART6(77, 16, false, .payload = 0));
	FROM(a, BH_ALLOW_RULE, PART6(77, 0, false, .payload = 8));
	FROM(a, BH_ALLOW_FLOW, PART6(77, 16, false, .payload = 8));
	/* The next header of a later part does not matter (RFC 8200). */
	FROM(a, BH_ALLOW_FLOW, .from = "fd00::2", .to = OUTSIDE6, .protocol = TCP, .fragment = 40, .fragment_id = 77,
	     .flags = SYN);
	TO(a, BH_CLASS_REMOTE, BH_ALLOW_FLOW, .from = OUTSIDE6, .to = "fd00::2", .protocol = UDP, .sport = 53,
	   .dport = 40000, .more = true, .fragment_id = 5, .payload = 8);
	/* Of another sender's stamp, though its first was allowed. */
	TO(a, BACK, BH_DROP_FRAGMENT, .from = OUTSIDE6, .to = "fd00::2", .protocol = UDP, .fragment = 16,
	   .fragment_id = 5, .payload = 8);
	TO(a, BH_CLASS_REMOTE, BH_ALLOW_FLOW, .from = OUTSIDE6, .to = "fd00::2", .protocol = UDP, .fragment = 16,
	   .fragment_id = 5, .payload = 8);
}

/* A segment larger than its length field can say: only as the kernel's own offload makes it. */
static void test_big_tcp(void **state)
{
	(void)state;
	FROM(a, BH_ALLOW_RULE, .from = "10.0.0.2", .to = OUTSIDE, .protocol = TCP, .dport = 443, .flags = SYN,
	     .payload = 1000, .length_error = -1040, .gso_size = 500);
	FROM(a, BH_DROP_MALFORMED, .from = "10.0.0.2", .to = OUTSIDE, .protocol = TCP, .dport = 443, .flags = SYN,
	     .payload = 1000, .length_error = -1040);
}

/* Bytes at random: nothing passes a closed port, and nothing with another's MAC an open one. */
static void test_random(void **state)
{
	static const uint16_t types[] = {IPV4, IPV6, ARP, VLAN, 0};
	struct port closed = world.a;
	unsigned int seed = 20261122;
	uint8_t data[200] = {0};

	(void)state;
	closed.map.flags = 0;
	port_set(&closed);
	for (int i = 0; i < 4000; i++) {
		size_t size = 14 + 40 + rand_r(&seed) % (sizeof(data) - 14 - 40);
		uint16_t type = types[rand_r(&seed) % 5];

		for (size_t j = 0; j < size; j++)
			data[j] = rand_r(&seed);
		if (i & 1)
			memcpy(data + 6, world.a.map.mac, 6);
		if (i & 2)
			memcpy(data, world.a.map.mac, 6);
		if (type) {
			data[12] = type >> 8;
			data[13] = type & 0xff;
			data[14] = type == IPV4 ? 0x45 : type == IPV6 ? 0x60 : data[14];
		}
		if (i == 2000)
			port_set(&world.a); /* opened: now only the guards hold */
		if (i >= 2000)
			data[6] = 0xaa;
		assert_false(run_raw(&world.a, true, 0, data, size, 0).pass);
		if (i >= 2000)
			data[0] = 0xaa;
		assert_false(run_raw(&world.a, false, FRONT << BH_STAMP_SHIFT_DEFAULT, data, size, 0).pass);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_short, world_reset),
		cmocka_unit_test_setup(test_lengths, world_reset),
		cmocka_unit_test_setup(test_ipv4_options, world_reset),
		cmocka_unit_test_setup(test_ipv6_extensions, world_reset),
		cmocka_unit_test_setup(test_fragments_in_order, world_reset),
		cmocka_unit_test_setup(test_fragments_overlapping, world_reset),
		cmocka_unit_test_setup(test_fragments_tiny, world_reset),
		cmocka_unit_test_setup(test_fragments6, world_reset),
		cmocka_unit_test_setup(test_big_tcp, world_reset),
		cmocka_unit_test_setup(test_random, world_reset),
	};

	return cmocka_run_group_tests_name("bpf: parse", tests, world_setup, world_teardown);
}
