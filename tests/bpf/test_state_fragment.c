/* SPDX-License-Identifier: GPL-2.0-only */
/* Datagrams in parts, and IPv6 headers in chains: in order and out of it, overlapping, atomic, without a beginning. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <string.h>

#include "bpf_test.h"
#include "bulkhead.skel.h"

#define OUTSIDE	 "203.0.113.9"
#define OUTSIDE6 "2001:db8::9"

/* Parts as datagrams have them: byte `offset` to `offset` + `size` of what A sends, header and all. The first has the
 * ports; what the others hold nobody looks into. */
static uint8_t part(uint32_t id, bool v6, uint16_t offset, uint16_t size, bool last_one)
{
	static const uint8_t head[1024] = {0x9c, 0x40, 0, 53, 2, 0};
	struct frame frame = {.from = v6 ? "fd00::2" : "10.0.0.2",
			      .to = v6 ? OUTSIDE6 : OUTSIDE,
			      .protocol = UDP,
			      .transport = head,
			      .payload = size,
			      .fragment = offset,
			      .more = !last_one,
			      .fragment_id = id};

	return run_from(&world.a, &frame).reason;
}

enum { OPENS = BH_ALLOW_RULE, MAY = BH_ALLOW_FLOW, LOST = BH_DROP_FRAGMENT, LAPS = BH_DROP_FRAGMENT_OVERLAP };

/* In the order in which they come: what becomes of each. */
static void test_orders(void **state)
{
	static const struct {
		const char *what;
		struct {
			uint16_t offset, size;
			bool last;
			uint8_t reason;
		} parts[5];
	} cases[] = {
		{"in order", {{0, 64, false, OPENS}, {64, 64, false, MAY}, {128, 64, false, MAY}, {192, 7, true, MAY}}},
		{"two parts", {{0, 8, false, OPENS}, {8, 1, true, MAY}}},
		{"with a gap", {{0, 64, false, OPENS}, {128, 64, false, MAY}, {192, 7, true, MAY}}},
		{"the last first", {{64, 7, true, LOST}, {0, 64, false, OPENS}, {64, 7, true, MAY}}},
		{"no first", {{64, 64, false, LOST}, {128, 7, true, LOST}}},
		{"the two behind the first exchanged",
		 {{0, 64, false, OPENS}, {128, 64, false, MAY}, {64, 64, false, LAPS}, {192, 7, true, LOST}}},
		{"one twice",
		 {{0, 64, false, OPENS}, {64, 64, false, MAY}, {64, 64, false, LAPS}, {128, 7, true, LOST}}},
		{"the first twice", {{0, 64, false, OPENS}, {0, 64, false, LAPS}, {64, 64, false, LOST}}},
		{"another first behind parts",
		 {{0, 64, false, OPENS}, {64, 64, false, MAY}, {0, 8, false, LAPS}, {128, 7, true, LOST}}},
		{"into the first's tail", {{0, 64, false, OPENS}, {56, 64, false, LAPS}, {120, 7, true, LOST}}},
		{"into the first's ports", {{0, 64, false, OPENS}, {8, 8, true, LAPS}, {64, 64, false, LOST}}},
		{"into a later one",
		 {{0, 64, false, OPENS}, {64, 64, false, MAY}, {120, 64, false, LAPS}, {184, 8, true, LOST}}},
		{"around a later one",
		 {{0, 64, false, OPENS}, {128, 8, false, MAY}, {64, 256, false, LAPS}, {320, 8, true, LOST}}},
		{"behind the last", {{0, 64, false, OPENS}, {64, 7, true, MAY}, {128, 8, false, LOST}}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		for (int v6 = 0; v6 < 2; v6++) {
			world_reset(NULL);
			for (size_t j = 0; j < 5 && cases[i].parts[j].size; j++) {
				uint8_t reason = part(100 + (uint32_t)i, v6, cases[i].parts[j].offset,
						      cases[i].parts[j].size, cases[i].parts[j].last);

				if (reason != cases[i].parts[j].reason)
					fail_msg("%s, IPv%d, part %zu: reason %u, not %u", cases[i].what, v6 ? 6 : 4, j,
						 reason, cases[i].parts[j].reason);
			}
		}
	}
}

/* Too small for the ports by which it is judged, or with a later part where they stand: RFC 1858. */
static void test_tiny(void **state)
{
	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		assert_int_equal(part(1, v6, 0, 0, false), BH_DROP_FRAGMENT_OVERLAP);
		assert_int_equal(part(1, v6, 8, 8, true), BH_DROP_FRAGMENT);
	}
	FROM(a, BH_DROP_FRAGMENT_OVERLAP, .from = "10.0.0.2", .to = OUTSIDE, .protocol = TCP, .payload = 16,
	     .transport = (uint8_t[16]){0x9c, 0x40, 1, 187, [12] = 5 << 4, [13] = SYN}, .more = true);
	FROM(a, BH_DROP_FRAGMENT_OVERLAP, .from = "10.0.0.2", .to = OUTSIDE, .protocol = SCTP, .payload = 16,
	     .transport = (uint8_t[16]){0x9c, 0x40, 19, 136, [12] = 1}, .more = true);
	FROM(a, BH_DROP_FRAGMENT_OVERLAP, .from = "fd00::2", .to = OUTSIDE6, .protocol = ICMP6, .payload = 0,
	     .none = true, .more = true);
	/* The ports beyond the first part, behind a header that the first holds: RFC 7112. */
	FROM(a, BH_DROP_FRAGMENT_OVERLAP, .from = "fd00::2", .to = OUTSIDE6, .protocol = 60, .payload = 8,
	     .transport = (uint8_t[8]){UDP, 0, 1, 4}, .more = true);
	assert_int_equal(flow_count(&world.a), 0);
}

/* What is dropped for its length opens nothing, and answers nothing. */
static void test_malformed_first(void **state)
{
	struct bh_flow_key key = flow_key("10.0.0.2", 40000, OUTSIDE, 53, UDP);
	struct bh_flow flow;

	(void)state;
	assert_int_equal(part(1, false, 0, 13, false), BH_DROP_MALFORMED);
	assert_int_equal(part(1, true, 0, 13, false), BH_DROP_MALFORMED);
	assert_int_equal(flow_count(&world.a), 0);
	FROM(a, BH_ALLOW_RULE, .from = "10.0.0.2", .to = OUTSIDE, .protocol = UDP, .dport = 53);
	TO(a, BH_CLASS_REMOTE, BH_DROP_MALFORMED, .from = OUTSIDE, .to = "10.0.0.2", .protocol = UDP, .sport = 53,
	   .dport = 40000, .payload = 5, .more = true);
	assert_true(flow_get(&world.a, &key, &flow));
	assert_false(flow.flags & BH_FLOW_REPLIED);
	assert_int_equal(part(2, false, 65528, 8, true), BH_DROP_MALFORMED);
}

/* One that is its own whole is judged by itself: it neither needs parts of its number nor ends them (RFC 6946). */
static void test_atomic(void **state)
{
	static const uint8_t header[8] = {UDP, 0, 0, 0, 0, 0, 0, 9};

	(void)state;
	assert_int_equal(part(9, true, 0, 64, false), OPENS);
	for (int i = 0; i < 2; i++)
		FROM(a, BH_ALLOW_FLOW, .from = "fd00::2", .to = OUTSIDE6, .protocol = UDP, .dport = 53,
		     .next_header = 44, .options = header, .options_size = 8);
	FROM(a, BH_DENY_DEFAULT, .from = "fd00::2", .to = OUTSIDE6, .protocol = UDP, .dport = 9, .next_header = 44,
	     .options = header, .options_size = 8);
	FROM(a, BH_DROP_TCP_NOT_SYN, .from = "fd00::2", .to = OUTSIDE6, .protocol = TCP, .dport = 443, .flags = ACK,
	     .next_header = 44, .options = (uint8_t[8]){TCP, 0, 0, 0, 0, 0, 0, 9}, .options_size = 8);
	assert_int_equal(part(9, true, 64, 7, true), MAY);
}

/* A refused first gives no leave; nor do parts of one container, direction, address, protocol or sender to another. */
static void test_keys(void **state)
{
	(void)state;
	FROM(a, BH_DENY_DEFAULT, .from = "10.0.0.2", .to = OUTSIDE, .protocol = UDP, .dport = 9, .more = true,
	     .fragment_id = 3, .payload = 8);
	assert_int_equal(part(3, false, 16, 8, true), LOST);
	assert_int_equal(part(4, false, 0, 64, false), OPENS);
	FROM(a, LOST, .from = "10.0.0.2", .to = OUTSIDE, .protocol = TCP, .fragment = 64, .fragment_id = 4);
	FROM(a, LOST, .from = "10.0.0.2", .to = "203.0.113.8", .protocol = UDP, .fragment = 64, .fragment_id = 4);
	FROM(a, LOST, .from = "10.0.0.2", .to = OUTSIDE, .protocol = UDP, .fragment = 64, .fragment_id = 5);
	FROM(a, LOST, .from = "10.0.0.3", .to = OUTSIDE, .protocol = UDP, .fragment = 64, .fragment_id = 4);
	TO(a, BH_CLASS_REMOTE, LOST, .from = OUTSIDE, .to = "10.0.0.2", .protocol = UDP, .fragment = 64,
	   .fragment_id = 4);
	FROM(b, LOST, .from = "10.0.0.2", .to = OUTSIDE, .protocol = UDP, .fragment = 64, .fragment_id = 4);
	FROM(a, BH_DROP_SOURCE_MAC, .from_mac = "02:00:00:00:00:0b", .from = "10.0.0.2", .to = OUTSIDE, .protocol = UDP,
	     .fragment = 64, .fragment_id = 4);
	assert_int_equal(part(4, false, 64, 64, true), MAY);
	/* A first part that belongs to an open flow; the second is another's. */
	TO(a, BH_CLASS_REMOTE, MAY, .from = OUTSIDE, .to = "10.0.0.2", .protocol = UDP, .sport = 53, .dport = 40000,
	   .more = true, .fragment_id = 6, .payload = 8);
	TO(a, BACK, LOST, .from = OUTSIDE, .to = "10.0.0.2", .protocol = UDP, .fragment = 16, .fragment_id = 6);
	TO(a, BH_CLASS_REMOTE, MAY, .from = OUTSIDE, .to = "10.0.0.2", .protocol = UDP, .fragment = 16,
	   .fragment_id = 6);
}

/* Makes all that is being put together at A's port run out. */
static void fragments_run_out(void)
{
	int map = bpf_map__fd(world.skeleton->maps.fragments);
	uint8_t entry[128];

	assert_in_range(bpf_map__value_size(world.skeleton->maps.fragments), 24, sizeof(entry));
	for (uint32_t i = 0; i < BH_FRAGMENTS_PER_PORT; i++) {
		uint32_t place = world.a.map.index * BH_FRAGMENTS_PER_PORT + i;
		uint64_t now = boot_ns(), expires;

		assert_int_equal(bpf_map_lookup_elem(map, &place, entry), 0);
		memcpy(&expires, entry + 16, sizeof(expires));
		if (!expires)
			continue;
		assert_in_range(expires, now, now + BH_TIMEOUT_FRAGMENT * 1000000000ull);
		memcpy(entry + 16, &now, sizeof(now));
		map_put(map, &place, entry);
	}
}

static void test_timeout(void **state)
{
	(void)state;
	assert_int_equal(part(1, false, 0, 64, false), OPENS);
	assert_int_equal(part(1, false, 64, 64, false), MAY);
	fragments_run_out();
	assert_int_equal(part(1, false, 128, 64, false), LOST);
	assert_int_equal(part(1, false, 0, 64, false), MAY); /* the number again: another datagram */
	assert_int_equal(part(1, false, 64, 64, true), MAY);
}

/* No more than 64 at a time; a flood of beginnings costs nobody but its port. */
static void test_bounded(void **state)
{
	uint32_t kept = 0;

	(void)state;
	TO(b, FRONT, BH_ALLOW_RULE, .from = "10.0.0.2", .to = "10.0.0.3", .protocol = TCP, .dport = 443, .flags = SYN,
	   .more = true, .fragment_id = 7, .payload = 12);
	for (uint32_t id = 1; id <= 1000; id++)
		assert_true(part(id, false, 0, 64, false) < BH_DENY_RULE);
	for (uint32_t id = 1; id <= 1000; id++)
		kept += part(id, false, 64, 8, true) == MAY;
	assert_in_range(kept, 1, BH_FRAGMENTS_PER_PORT);
	TO(b, FRONT, MAY, .from = "10.0.0.2", .to = "10.0.0.3", .protocol = TCP, .fragment = 32, .fragment_id = 7);
}

#define SYN6 .from = "fd00::2", .to = OUTSIDE6, .protocol = TCP, .dport = 443, .flags = SYN

/* `count` headers of destination options before TCP, the first in a fragment header's place when `atomic`. */
static size_t chain(uint8_t *buffer, uint8_t count, bool atomic)
{
	memset(buffer, 0, 8 * count);
	for (uint8_t i = 0; i < count; i++) {
		buffer[8 * i] = i + 1 == count ? TCP : 60;
		if (!atomic || i)
			memcpy(buffer + 8 * i + 2, (uint8_t[2]){1, 4}, 2);
	}
	return 8 * count;
}

/* At the limit and beyond it, with and without a fragment header among them. */
static void test_chains(void **state)
{
	uint8_t buffer[8 * (BH_EXTENSION_HEADERS_MAX + 1)];

	(void)state;
	for (int atomic = 0; atomic < 2; atomic++) {
		world_reset(NULL);
		FROM(a, BH_ALLOW_RULE, SYN6, .next_header = atomic ? 44 : 60, .options = buffer,
		     .options_size = chain(buffer, BH_EXTENSION_HEADERS_MAX, atomic));
		FROM(a, BH_DROP_EXTENSION_HEADERS, SYN6, .next_header = atomic ? 44 : 60, .options = buffer,
		     .options_size = chain(buffer, BH_EXTENSION_HEADERS_MAX + 1, atomic));
	}
	/* A chain is no way round the state: what stands behind it is TCP all the same. */
	FROM(a, BH_DROP_TCP_NOT_SYN, .from = "fd00::2", .to = OUTSIDE6, .protocol = TCP, .sport = 9, .dport = 443,
	     .flags = ACK, .next_header = 60, .options = buffer, .options_size = chain(buffer, 4, false));
	TO(a, BH_CLASS_REMOTE, BH_DENY_DEFAULT, .from = OUTSIDE6, .to = "fd00::2", .protocol = UDP, .dport = 9,
	   .next_header = 60, .options = (uint8_t[8]){UDP, 0, 1, 4}, .options_size = 8);
	/* Forbidden ones, and one that leads out of the packet. */
	FROM(a, BH_DROP_EXTENSION_HEADERS, SYN6, .next_header = 60, .options_size = 16,
	     .options = (uint8_t[16]){0, 0, 1, 4, [8] = TCP, 0, 1, 4});
	FROM(a, BH_DROP_EXTENSION_HEADERS, SYN6, .next_header = 44, .options_size = 16,
	     .options = (uint8_t[16]){44, [8] = TCP});
	FROM(a, BH_DROP_SOURCE_ROUTE, SYN6, .next_header = 43, .options_size = 8,
	     .options = (uint8_t[8]){TCP, 0, 0, 0});
	FROM(a, BH_DROP_SOURCE_ROUTE, SYN6, .next_header = 43, .options_size = 8,
	     .options = (uint8_t[8]){TCP, 0, 2, 1});
	FROM(a, BH_DROP_SHORT, SYN6, .next_header = 60, .options_size = 8, .options = (uint8_t[8]){TCP, 9, 1, 4});
	/* Not followed: no header, mobility, HIP, shim6, an encrypted payload. By number, and so refused here. */
	for (size_t i = 0; i < 5; i++)
		FROM(a, BH_DENY_DEFAULT, .from = "fd00::2", .to = OUTSIDE6, .payload = 16,
		     .protocol = (uint8_t[]){59, 135, 139, 140, 50}[i]);
	assert_int_equal(flow_count(&world.a), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_orders, world_reset),
		cmocka_unit_test_setup(test_tiny, world_reset),
		cmocka_unit_test_setup(test_malformed_first, world_reset),
		cmocka_unit_test_setup(test_atomic, world_reset),
		cmocka_unit_test_setup(test_keys, world_reset),
		cmocka_unit_test_setup(test_timeout, world_reset),
		cmocka_unit_test_setup(test_bounded, world_reset),
		cmocka_unit_test_setup(test_chains, world_reset),
	};

	return cmocka_run_group_tests_name("bpf: fragments", tests, world_setup, world_teardown);
}
