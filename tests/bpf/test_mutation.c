/* SPDX-License-Identifier: GPL-2.0-only */
/* Allowed frames with a few bytes changed at random: whatever still passes must be what a plain reading of its bytes
 * takes for a packet of the port's own, to where a packet may go. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "bpf_test.h"

#define OUTSIDE	 "203.0.113.9"
#define OUTSIDE6 "2001:db8::9"
#define ROUNDS	 6000

static uint16_t be16(const uint8_t *at)
{
	return at[0] << 8 | at[1];
}

static bool own6(const uint8_t *addr)
{
	uint8_t own[2][16];

	inet_pton(AF_INET6, "fd00::2", own[0]);
	inet_pton(AF_INET6, "fe80::2", own[1]);
	return !memcmp(addr, own[0], 16) || !memcmp(addr, own[1], 16);
}

static bool zero(const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (bytes[i])
			return false;
	return true;
}

/* Plainly: no more than must hold of every packet that port A sends. */
static bool honest_ipv4(const uint8_t *ip, size_t size)
{
	static const uint8_t own[4] = {10, 0, 0, 2};
	size_t header = (ip[0] & 15) * 4;

	if (size < 20 || ip[0] >> 4 != 4 || header < 20 || be16(ip + 2) < header || be16(ip + 2) > size)
		return false;
	for (size_t at = 20; at < header && ip[at]; at += ip[at] == 1 ? 1 : ip[at + 1])
		if (ip[at] == 131 || ip[at] == 137)
			return false;
	if (ip[16] == 0 || ip[16] == 127)
		return false;
	if (zero(ip + 12, 4)) /* a DHCP client without an address, to all */
		return ip[9] == UDP && be16(ip + 20) == 68 && be16(ip + 22) == 67 && be16(ip + 16) == 0xffff;
	if (ip[9] == UDP && be16(ip + header) == 67 && be16(ip + header + 2) == 68)
		return false;
	return !memcmp(ip + 12, own, 4);
}

static bool honest_ipv6(const uint8_t *ip, size_t size)
{
	if (size < 40 || ip[0] >> 4 != 6 || be16(ip + 4) + 40u > size || zero(ip + 24, 12))
		return false;
	if (ip[6] == ICMP6 && (ip[40] == 134 || ip[40] == 137 || ip[40] == 130))
		return false;
	if (zero(ip + 8, 16)) /* duplicate address detection, router solicitation, group reports */
		return ip[6] == ICMP6 &&
		       (ip[40] == 135 || ip[40] == 133 || ip[40] == 131 || ip[40] == 132 || ip[40] == 143);
	return own6(ip + 8);
}

static bool honest_arp(const uint8_t *arp, size_t size)
{
	static const uint8_t own[4] = {10, 0, 0, 2};

	return size >= 28 && !memcmp(arp + 8, world.a.map.mac, 6) &&
	       (!memcmp(arp + 14, own, 4) || (zero(arp + 14, 4) && !memcmp(arp + 24, own, 4) && be16(arp + 6) == 1));
}

static bool honest(const uint8_t *frame, size_t size)
{
	if (memcmp(frame + 6, world.a.map.mac, 6) != 0)
		return false;
	switch (be16(frame + 12)) {
	case IPV4:
		return honest_ipv4(frame + 14, size - 14);
	case IPV6:
		return honest_ipv6(frame + 14, size - 14);
	case ARP:
		return honest_arp(frame + 14, size - 14);
	default:
		return false;
	}
}

static void test_mutation(void **state)
{
	static const uint8_t options[8] = {1, 7, 7, 4, 0, 0, 0, 0};
	static const uint8_t hop[8] = {TCP, 0, 1, 4, 0, 0, 0, 0};
	static const uint8_t solicitation[24] = {0xfd, [15] = 1, [16] = 1, 1, 2, [23] = 0x0a};
	static const uint8_t request[240] = {1, 1, 6, [28] = 2, [33] = 0x0a};
	static const struct frame frames[] = {
		{.from = "10.0.0.2", .to = OUTSIDE, .protocol = TCP, .dport = 443, .flags = SYN, .scale = 8},
		{.from = "10.0.0.2", .to = OUTSIDE, .protocol = UDP, .dport = 53, .payload = 20},
		{.from = "10.0.0.2",
		 .to = OUTSIDE,
		 .protocol = TCP,
		 .dport = 443,
		 .flags = SYN,
		 .options = options,
		 .options_size = 8},
		{.from = "10.0.0.2", .to = OUTSIDE, .protocol = ICMP, .icmp_type = 8, .payload = 30},
		{.from = "0.0.0.0",
		 .to = "255.255.255.255",
		 .to_mac = "ff:ff:ff:ff:ff:ff",
		 .protocol = UDP,
		 .sport = 68,
		 .dport = 67,
		 .body = request,
		 .payload = 240},
		{.from = "10.0.0.2", .to = "224.0.0.22", .protocol = IGMP, .body = "\x22\0\0\0\0\0\0\0", .payload = 8},
		{.from = "fd00::2", .to = OUTSIDE6, .protocol = TCP, .dport = 443, .flags = SYN},
		{.from = "fd00::2",
		 .to = OUTSIDE6,
		 .protocol = TCP,
		 .dport = 443,
		 .flags = SYN,
		 .options = hop,
		 .options_size = 8,
		 .next_header = 60},
		{.from = "fd00::2",
		 .to = "ff02::1:ff00:1",
		 .protocol = ICMP6,
		 .icmp_type = 135,
		 .hop_limit = 255,
		 .body = solicitation,
		 .payload = 24},
		{.type = ARP, .from = "10.0.0.2", .to = "10.0.0.1"},
	};
	const size_t count = sizeof(frames) / sizeof(*frames);
	size_t passed[sizeof(frames) / sizeof(*frames)] = {0};
	unsigned int seed = 20261122;

	(void)state;
	cell_allow(FRONT, INTERNET, BH_SERVICE_ANY, 1); /* so that little but the guards stands in the way */
	config_get()->flow_quota = 1 << 30;
	config_get()->flow_half_quota = 1 << 30;
	for (size_t i = 0; i < ROUNDS; i++) {
		uint8_t data[FRAME_MAX];
		size_t size = frame_build(&frames[i % count], &world.a, true, data);
		int changes = rand_r(&seed) % 4; /* at times none: these pass */

		for (int j = 0; j < changes; j++) {
			/* Mostly in the headers, and mostly single bits. */
			size_t at = rand_r(&seed) % (rand_r(&seed) % 4 && size > 64 ? 64 : size);

			data[at] = rand_r(&seed) % 2 ? data[at] ^ 1 << rand_r(&seed) % 8 : rand_r(&seed);
		}
		if (i % 500 == 0)
			flows_size(&world.a, 1024);
		if (!run_raw(&world.a, true, 0, data, size, 0).pass)
			continue;
		passed[i % count]++;
		if (!honest(data, size))
			fail_msg("round %zu passed as %u", i, last.reason);
	}
	for (size_t i = 0; i < count; i++)
		if (passed[i] < ROUNDS / count / 5)
			fail_msg("frame %zu: of %zu only %zu passed", i, ROUNDS / count, passed[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_mutation, world_reset),
	};

	return cmocka_run_group_tests_name("bpf: mutation", tests, world_setup, world_teardown);
}
