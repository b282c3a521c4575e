/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/addr.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct addr address(const char *text)
{
	struct addr addr;

	assert_int_equal(addr_parse(text, &addr), 0);
	return addr;
}

static struct prefix network(const char *text)
{
	struct prefix prefix;

	assert_int_equal(prefix_parse(text, &prefix, NULL), 0);
	return prefix;
}

static void test_addresses_are_parsed_and_formatted(void **state)
{
	static const struct {
		const char *text, *formatted;
		uint8_t family;
	} cases[] = {
		{"0.0.0.0", "0.0.0.0", ADDR_V4},
		{"255.255.255.255", "255.255.255.255", ADDR_V4},
		{"::", "::", ADDR_V6},
		{"2001:DB8:0:0::1", "2001:db8::1", ADDR_V6},
		{"::ffff:192.0.2.1", "::ffff:192.0.2.1", ADDR_V6},
		{"ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", ADDR_V6},
	};
	char buffer[ADDR_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct addr addr = address(cases[i].text);

		assert_int_equal(addr.family, cases[i].family);
		assert_string_equal(addr_format(&addr, buffer), cases[i].formatted);
	}
}

static void test_malformed_addresses_are_refused(void **state)
{
	static const char *const cases[] = {
		"",	     " 10.0.0.1",    "10.0.0.1 ", "10.0.0",	"10.0.0.256",	 "10.0.0.01", "0x0a.0.0.1",
		"10.0.0.1.", "fe80::1%eth0", ":",	  "::1::",	"1:2:3:4:5:6:7", "12345::",   "g::",
		"[::1]",     "10.0.0.1/24",  "::1/128",	  "10.0.0.1\n", "localhost",
	};
	struct addr addr = {.family = 77};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_int_equal(addr_parse(cases[i], &addr), -EINVAL);
	assert_int_equal(addr.family, 77);
}

static void test_prefixes_lose_host_bits(void **state)
{
	static const struct {
		const char *text, *formatted;
		bool host_bits;
	} cases[] = {
		{"10.0.0.1", "10.0.0.1/32", false},
		{"10.0.0.0/8", "10.0.0.0/8", false},
		{"10.1.2.3/8", "10.0.0.0/8", true},
		{"10.0.0.1/31", "10.0.0.0/31", true},
		{"10.255.0.0/9", "10.128.0.0/9", true},
		{"0.0.0.0/0", "0.0.0.0/0", false},
		{"255.255.255.255/0", "0.0.0.0/0", true},
		{"::1", "::1/128", false},
		{"2001:db8::1/127", "2001:db8::/127", true},
		{"ffff::/0", "::/0", true},
		{"2001:db8:8000::/33", "2001:db8:8000::/33", false},
		{"2001:db8:c000::/33", "2001:db8:8000::/33", true},
	};
	char buffer[PREFIX_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct prefix prefix;
		bool host_bits = !cases[i].host_bits;

		assert_int_equal(prefix_parse(cases[i].text, &prefix, &host_bits), 0);
		assert_string_equal(prefix_format(&prefix, buffer), cases[i].formatted);
		assert_int_equal(host_bits, cases[i].host_bits);
	}
}

static void test_malformed_prefixes_are_refused(void **state)
{
	static const char *const cases[] = {
		"",
		"/",
		"/24",
		"10.0.0.0/",
		"10.0.0.0/33",
		"10.0.0.0/08",
		"10.0.0.0/+8",
		"10.0.0.0/-1",
		"10.0.0.0/8 ",
		"10.0.0.0/ 8",
		"::/129",
		"10/8",
		"::/0x0",
		"10.0.0.0/8/8",
		"10.0.0.0/4294967304",
		"::/00",
		"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc/64",
	};
	struct prefix prefix = {.length = 77};
	bool host_bits = true;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_int_equal(prefix_parse(cases[i], &prefix, &host_bits), -EINVAL);
	assert_int_equal(prefix.length, 77);
	assert_true(host_bits);
}

static void test_mac_addresses(void **state)
{
	static const char *const wrong[] = {"",
					    "02:42:0a:00:00",
					    "02:42:0a:00:00:02:01",
					    "02-42-0a-00-00-02",
					    "2:42:0a:00:00:002",
					    "0g:42:0a:00:00:02",
					    "02:42:0a:00:00:02 "};
	struct mac mac;
	char buffer[MAC_TEXT_MAX];

	(void)state;
	assert_int_equal(mac_parse("02:42:0A:ff:00:9b", &mac), 0);
	assert_memory_equal(mac.bytes, "\x02\x42\x0a\xff\x00\x9b", 6);
	assert_string_equal(mac_format(&mac, buffer), "02:42:0a:ff:00:9b");
	for (size_t i = 0; i < COUNT(wrong); i++)
		assert_int_equal(mac_parse(wrong[i], &mac), -EINVAL);
	assert_string_equal(mac_format(&mac, buffer), "02:42:0a:ff:00:9b");
}

static void test_order_is_family_then_value_then_length(void **state)
{
	static const char *const sorted[] = {"0.0.0.0/0",   "0.0.0.0/32",    "10.0.0.0/8",   "10.0.0.0/9",
					     "10.0.0.1/32", "255.0.0.0/8",   "::/0",	     "::/128",
					     "::1/128",	    "2001:db8::/32", "2001:db8::/48"};

	(void)state;
	for (size_t i = 0; i < COUNT(sorted); i++) {
		for (size_t j = 0; j < COUNT(sorted); j++) {
			struct prefix a = network(sorted[i]), b = network(sorted[j]);
			int order = prefix_compare(&a, &b);

			assert_int_equal(order < 0, i < j);
			assert_int_equal(order > 0, i > j);
		}
	}
}

static void test_what_a_prefix_holds(void **state)
{
	static const struct {
		const char *prefix, *addr;
		bool held;
	} cases[] = {
		{"10.0.0.0/8", "10.255.255.255", true},
		{"10.0.0.0/8", "11.0.0.0", false},
		{"10.0.0.0/9", "10.127.255.255", true},
		{"10.0.0.0/9", "10.128.0.0", false},
		{"10.0.0.1/32", "10.0.0.1", true},
		{"10.0.0.1/32", "10.0.0.0", false},
		{"0.0.0.0/0", "255.255.255.255", true},
		{"0.0.0.0/0", "::", false},
		{"::/0", "0.0.0.0", false},
		{"::/0", "ffff::", true},
		{"2001:db8:8000::/33", "2001:db8:ffff::1", true},
		{"2001:db8:8000::/33", "2001:db8:7fff::1", false},
		{"::1/128", "::1", true},
		{"::/127", "::2", false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct prefix prefix = network(cases[i].prefix);
		struct addr addr = address(cases[i].addr);

		assert_int_equal(prefix_holds(&prefix, &addr), cases[i].held);
	}
}

static void test_covering_and_overlap(void **state)
{
	struct prefix wide = network("10.0.0.0/8"), narrow = network("10.1.0.0/16"), other = network("10.2.0.0/16");
	struct prefix all6 = network("::/0");

	(void)state;
	assert_true(prefix_covers(&wide, &narrow));
	assert_true(prefix_covers(&wide, &wide));
	assert_false(prefix_covers(&narrow, &wide));
	assert_true(prefix_overlaps(&wide, &narrow));
	assert_true(prefix_overlaps(&narrow, &wide));
	assert_false(prefix_overlaps(&narrow, &other));
	assert_false(prefix_overlaps(&wide, &all6));
}

static void test_last_addresses(void **state)
{
	static const char *const cases[][2] = {
		{"192.0.2.0/24", "192.0.2.255"},
		{"192.0.2.0/25", "192.0.2.127"},
		{"192.0.2.7/32", "192.0.2.7"},
		{"0.0.0.0/0", "255.255.255.255"},
		{"2001:db8::/33", "2001:db8:7fff:ffff:ffff:ffff:ffff:ffff"},
		{"::/0", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct prefix prefix = network(cases[i][0]);
		struct addr last = prefix_last(&prefix), wanted = address(cases[i][1]);

		/* The spare bytes of an IPv4 address stay zero, or equal addresses would differ. */
		assert_true(addr_equal(&last, &wanted));
	}
}

static void test_bytes_bits_and_none(void **state)
{
	struct addr v4 = addr_from_v4(0xc0000201), v6 = address("8000::1"), none = {0}, again;
	struct prefix host = prefix_of(&v6);
	char buffer[ADDR_TEXT_MAX];

	(void)state;
	again = addr_from_bytes(ADDR_V4, "\xc0\x00\x02\x01");
	assert_true(addr_equal(&v4, &again));
	assert_string_equal(addr_format(&v4, buffer), "192.0.2.1");
	assert_int_equal(addr_bits(&v4), 32);
	assert_int_equal(addr_bits(&v6), 128);
	assert_int_equal(addr_bits(&none), 0);
	assert_int_equal(host.length, 128);
	assert_true(addr_bit(&v4, 0));
	assert_false(addr_bit(&v4, 2));
	assert_true(addr_bit(&v4, 31));
	assert_false(addr_bit(&v4, 32));
	assert_true(addr_bit(&v6, 127));
	assert_false(addr_bit(&v6, 128));
	assert_string_equal(addr_format(&none, buffer), "none");
	again = addr_from_bytes(5, "\xc0\x00\x02\x01");
	assert_true(addr_equal(&again, &none));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses_are_parsed_and_formatted),
		cmocka_unit_test(test_malformed_addresses_are_refused),
		cmocka_unit_test(test_prefixes_lose_host_bits),
		cmocka_unit_test(test_malformed_prefixes_are_refused),
		cmocka_unit_test(test_mac_addresses),
		cmocka_unit_test(test_order_is_family_then_value_then_length),
		cmocka_unit_test(test_what_a_prefix_holds),
		cmocka_unit_test(test_covering_and_overlap),
		cmocka_unit_test(test_last_addresses),
		cmocka_unit_test(test_bytes_bits_and_none),
	};

	return cmocka_run_group_tests_name("addr", tests, NULL, NULL);
}
