/* SPDX-License-Identifier: GPL-2.0-only */
/* Which addresses are one class, and what a class is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "table_fixture.h"

static const char *class_name(const struct table_fixture *fixture, const char *address)
{
	return table_class_name(fixture->table, table_fixture_class(fixture, address));
}

struct named {
	const char *address, *class;
};

static void check_names(const struct table_fixture *fixture, const struct named *named, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(class_name(fixture, named[i].address), named[i].class) != 0)
			fail_msg("%s is '%s', not '%s'", named[i].address, class_name(fixture, named[i].address),
				 named[i].class);
}
#define CHECK_NAMES(fixture, named) check_names((fixture), (named), sizeof(named) / sizeof((named)[0]))

/* Both ends of every built-in prefix, and the addresses beside them. */
static void test_the_outside_without_a_rule(void **state)
{
	static const struct named named[] = {
		{"0.0.0.0", "special-use"},
		{"0.255.255.255", "special-use"},
		{"1.0.0.0", "internet"},
		{"9.255.255.255", "internet"},
		{"10.0.0.0", "private"},
		{"10.255.255.255", "private"},
		{"11.0.0.0", "internet"},
		{"100.63.255.255", "internet"},
		{"100.64.0.0", "private"},
		{"100.100.100.199", "private"},
		{"100.100.100.200", "metadata"},
		{"100.100.100.201", "private"},
		{"100.127.255.255", "private"},
		{"100.128.0.0", "internet"},
		{"126.255.255.255", "internet"},
		{"127.0.0.0", "special-use"},
		{"127.255.255.255", "special-use"},
		{"128.0.0.0", "internet"},
		{"168.63.129.15", "internet"},
		{"168.63.129.16", "metadata"},
		{"169.253.255.255", "internet"},
		{"169.254.0.0", "special-use"},
		{"169.254.169.254", "metadata"},
		{"169.254.170.2", "metadata"},
		{"169.254.170.23", "metadata"},
		{"169.254.255.255", "special-use"},
		{"169.255.0.0", "internet"},
		{"172.15.255.255", "internet"},
		{"172.16.0.0", "private"},
		{"172.31.255.255", "private"},
		{"172.32.0.0", "internet"},
		{"191.255.255.255", "internet"},
		{"192.0.0.0", "special-use"},
		{"192.0.0.192", "metadata"},
		{"192.0.0.255", "special-use"},
		{"192.0.1.0", "internet"},
		{"192.0.2.0", "world"},
		{"192.0.2.255", "world"},
		{"192.0.3.0", "internet"},
		{"192.88.98.255", "internet"},
		{"192.88.99.0", "special-use"},
		{"192.88.100.0", "internet"},
		{"192.167.255.255", "internet"},
		{"192.168.0.0", "private"},
		{"192.168.255.255", "private"},
		{"192.169.0.0", "internet"},
		{"198.17.255.255", "internet"},
		{"198.18.0.0", "world"},
		{"198.19.255.255", "world"},
		{"198.20.0.0", "internet"},
		{"198.51.100.7", "world"},
		{"203.0.113.7", "world"},
		{"223.255.255.255", "internet"},
		{"224.0.0.0", "multicast"},
		{"239.255.255.255", "multicast"},
		{"240.0.0.0", "special-use"},
		{"255.255.255.254", "special-use"},
		{"255.255.255.255", "multicast"},
		{"::", "special-use"},
		{"::1", "special-use"},
		{"::ffff:255.255.255.255", "special-use"},
		{"::1:0:0", "world"},
		{"64:ff9b::8.8.8.8", "internet"},
		{"64:ff9b::10.0.0.1", "private"},
		{"64:ff9b::169.254.169.254", "metadata"},
		{"64:ff9b:0:0:0:1::", "world"},
		{"64:ff9b:1::", "special-use"},
		{"64:ff9b:2::", "world"},
		{"100::", "special-use"},
		{"100:0:0:1::", "world"},
		{"1fff::1", "world"},
		{"2000::", "internet"},
		{"2001::1", "special-use"},
		{"2001:1::1", "internet"},
		{"2001:db8::1", "world"},
		{"2001:db9::1", "internet"},
		{"2002::1", "special-use"},
		{"2003::1", "internet"},
		{"3fff::1", "world"},
		{"3fff:1000::1", "internet"},
		{"4000::1", "world"},
		{"fbff::1", "world"},
		{"fc00::1", "private"},
		{"fd00:ec2::254", "metadata"},
		{"fd00:ec2::23", "metadata"},
		{"fd20:ce::254", "metadata"},
		{"fdff::1", "private"},
		{"fe00::1", "world"},
		{"fe80::1", "special-use"},
		{"fe80::a9fe:a9fe", "metadata"},
		{"febf::1", "special-use"},
		{"fec0::1", "special-use"},
		{"feff::1", "special-use"},
		{"ff00::1", "multicast"},
		{"ff02::1", "multicast"},
	};
	struct table_fixture fixture;

	(void)state;
	table_fixture_load(&fixture, "version: 1\n", NULL, NULL);
	CHECK_NAMES(&fixture, named);
	assert_int_equal(fixture.table->classes.count, 6);
	table_fixture_free(&fixture);
}

static void test_networks_that_a_rule_names_together_are_one_class(void **state)
{
	struct table_fixture fixture;

	(void)state;
	table_fixture_load(&fixture,
			   "version: 1\n"
			   "zones: { z: { members: [ { name: a } ] } }\n"
			   "networks:\n"
			   "  one: [ 198.51.100.0/25, 203.0.113.0/24 ]\n"
			   "  two: [ 192.0.2.0/24 ]\n"
			   "  three: [ 192.0.2.0/25 ]\n"
			   "  idle: [ 203.0.113.128/25, 8.8.8.8 ]\n"
			   "rules:\n"
			   "  - { from: z, to: [ one, two ], allow: tcp/1 }\n"
			   "  - { from: three, to: z, allow: tcp/2 }\n",
			   NULL, NULL);
	uint32_t both = table_fixture_class(&fixture, "198.51.100.1");
	assert_int_equal(table_fixture_class(&fixture, "203.0.113.1"), both);
	assert_int_equal(table_fixture_class(&fixture, "192.0.2.200"), both);
	/* What no rule names splits nothing. */
	assert_int_equal(table_fixture_class(&fixture, "203.0.113.200"), both);
	assert_int_equal(table_fixture_class(&fixture, "8.8.8.8"), table_fixture_class(&fixture, "8.8.4.4"));
	assert_int_not_equal(table_fixture_class(&fixture, "192.0.2.1"), both);
	assert_string_equal(class_name(&fixture, "192.0.2.1"), "two+three+world");
	assert_int_not_equal(table_fixture_class(&fixture, "198.51.100.129"), both);
	table_fixture_free(&fixture);
}

static void test_except_takes_from_its_own_network_only(void **state)
{
	static const struct named named[] = {
		{"10.1.0.1", "corp+private"},	  {"10.66.0.1", "lab+private"},	 {"10.66.9.9", "lab+private"},
		{"10.66.255.255", "lab+private"}, {"10.67.0.1", "corp+private"}, {"11.0.0.1", "internet"},
	};
	struct table_fixture fixture;

	(void)state;
	/* The exception holds, also where a longer prefix of the same network lies in it. */
	table_fixture_load(&fixture,
			   "version: 1\n"
			   "zones: { z: { members: [ { name: a } ] } }\n"
			   "networks:\n"
			   "  corp: { cidrs: [ 10.0.0.0/8, 10.66.9.0/24 ], except: [ 10.66.0.0/16 ] }\n"
			   "  lab: [ 10.66.0.0/16 ]\n"
			   "rules:\n"
			   "  - { from: z, to: corp, allow: tcp/1 }\n"
			   "  - { from: z, to: lab, allow: tcp/2 }\n",
			   NULL, NULL);
	CHECK_NAMES(&fixture, named);
	table_fixture_free(&fixture);
}

static bool allowed(const struct table_fixture *fixture, const char *to)
{
	return table_fixture_ask(fixture, "a", to, "tcp/1", FIXTURE_NOW).allow;
}

/* An allow reaches special-use and metadata addresses only by prefixes that mean them. */
static void test_allow_reaches_what_is_special_by_name_only(void **state)
{
	struct table_fixture fixture;

	(void)state;
	table_fixture_load(
		&fixture,
		"version: 1\n"
		"zones: { z: { members: [ { name: a } ] } }\n"
		"rules:\n"
		"  - { from: z, to: [ 0.0.0.0/0, \"::/0\", 224.0.0.0/3, 169.254.169.254,"
		" 100.100.100.0/24 ], allow: tcp/1 }\n",
		"version: 1\ncontainers: [ { name: a, ports: [ { interface: v, addresses: [ 10.0.0.2 ] } ] } ]\n",
		NULL);
	assert_true(allowed(&fixture, "8.8.8.8"));
	assert_true(allowed(&fixture, "2001:db8::1"));
	assert_true(allowed(&fixture, "169.254.169.254"));
	assert_true(allowed(&fixture, "64:ff9b::169.254.169.254"));
	assert_true(allowed(&fixture, "224.0.0.1")); /* both halves of 224.0.0.0/3 are special-use */
	assert_true(allowed(&fixture, "250.0.0.1"));
	assert_true(allowed(&fixture, "255.255.255.255"));
	assert_false(allowed(&fixture, "169.254.170.2"));
	assert_false(allowed(&fixture, "169.254.1.1"));
	assert_false(allowed(&fixture, "127.0.0.1"));
	assert_true(allowed(&fixture, "100.100.100.1"));
	assert_false(allowed(&fixture, "100.100.100.200"));
	assert_false(allowed(&fixture, "fd00:ec2::254"));
	assert_false(allowed(&fixture, "ff02::1"));
	table_fixture_free(&fixture);
}

static const char crowd[] =
	"version: 1\n"
	"host: { addresses: [ 10.0.0.1, 10.0.1.9, 127.0.0.1 ], bridges: { b0: [ 10.0.0.0/24, \"fd00:b0::/64\" ],"
	" b1: [ 10.0.1.0/24 ], b2: [ 10.0.2.0/24 ] } }\n"
	"containers:\n"
	"  - { name: a, ports: [ { interface: v0, network: b0, addresses: [ 10.0.0.2, 10.0.1.9 ] } ] }\n"
	"  - { name: b, ports: [ { interface: v1, network: b1, addresses: [ 10.0.0.2, 10.0.1.3 ] } ] }\n"
	"  - { name: c, ports: [ { interface: v2, network: b0, addresses: [ 10.0.0.3 ] } ] }\n"
	"  - { name: d, ports: [ { interface: vx, network: b0, addresses: [ 10.0.0.4, 8.8.8.8 ] } ] }\n"
	"  - { name: e, ports: [ { interface: v3, network: b2, addresses: [ 10.0.2.255, 169.254.169.254 ] } ] }\n"
	"  - { name: f, ports: [ { interface: v4, network: b1, addresses: [ 10.0.0.9 ] } ] }\n";

static void test_an_address_is_in_this_order(void **state)
{
	static const struct named named[] = {
		{"10.0.0.2@b0", "z"},	       /* a's */
		{"10.0.0.2@b1", "unassigned"}, /* b's */
		{"10.0.0.2", "ambiguous"},
		{"10.0.0.2@b2", "ambiguous"},
		{"10.0.1.3", "unassigned"},
		{"10.0.0.3", "z"},
		{"10.0.0.3@b1", "z"},
		{"10.0.1.9@b0", "z"}, /* a container's before the host's */
		{"10.0.1.9", "z"},
		{"10.0.0.1", "host"},
		{"10.0.0.1@b1", "host"},
		{"127.0.0.1", "special-use"},
		{"10.0.0.4", "unassigned"}, /* an ignored port's: its subnet's */
		{"8.8.8.8", "internet"},
		{"10.0.0.9", "conflicted"},
		{"10.0.0.255", "multicast"},
		{"10.0.1.255", "subnets of s"}, /* the longer prefix */
		{"10.0.1.127", "unassigned"},
		{"10.0.1.200", "subnets of s"},
		{"10.0.1.201", "metadata"},
		{"10.0.2.255", "z"},
		{"10.0.2.5", "subnets of s"}, /* a tie is the zone's */
		{"169.254.169.254", "z"},
		{"fd00:b0::5", "unassigned"},
		{"fd00:b0::ffff:ffff:ffff:ffff", "unassigned"},
		{"2001:db8:64::10.0.0.3", "z"},
		{"2001:db8:64::10.0.0.1", "host"},
		{"2001:db8:65::10.0.0.1", "world"},
	};
	struct table_fixture fixture;

	(void)state;
	table_fixture_load(
		&fixture,
		"version: 1\n"
		"settings: { ignore: [ \"vx*\" ], nat64: [ \"2001:db8:64::/96\" ], metadata: [ 10.0.1.201 ] }\n"
		"zones:\n"
		"  z: { members: [ { name: a }, { name: c }, { name: d }, { name: e }, { name: f } ] }\n"
		"  y: { members: [ { name: f } ] }\n"
		"  s: { subnets: [ 10.0.1.128/25, 10.0.2.0/24 ] }\n",
		crowd, NULL);
	CHECK_NAMES(&fixture, named);
	assert_int_equal(table_fixture_class(&fixture, "10.0.1.3"), BH_CLASS_UNASSIGNED);
	/* A neighbour is judged like an unassigned port, but may come from outside. */
	uint32_t neighbour = table_fixture_class(&fixture, "10.0.0.77");
	assert_true(neighbour >= BH_CLASS_FIRST);
	assert_int_equal(fixture.table->class_info[neighbour].flags & BH_CLASS_LOCAL, 0);
	assert_int_not_equal(fixture.table->class_info[BH_CLASS_UNASSIGNED].flags & BH_CLASS_LOCAL, 0);
	table_fixture_free(&fixture);
}

static void test_redundant_prefixes_are_left_out(void **state)
{
	struct table_fixture fixture;
	size_t before;

	(void)state;
	table_fixture_load(&fixture,
			   "version: 1\nzones: { z: { members: [ { name: a } ] } }\n"
			   "rules: [ { from: z, to: 8.0.0.0/8, deny: all } ]\n",
			   NULL, NULL);
	before = fixture.table->prefixes.count;
	table_fixture_free(&fixture);
	table_fixture_load(&fixture,
			   "version: 1\nzones: { z: { members: [ { name: a } ] } }\n"
			   "networks: { n: [ 8.0.0.0/8, 8.8.0.0/16, 8.8.8.8, 8.8.8.8/31 ] }\n"
			   "rules: [ { from: z, to: n, deny: all } ]\n",
			   NULL, NULL);
	assert_int_equal(fixture.table->prefixes.count, before);
	table_fixture_free(&fixture);
}

static void test_many_networks_have_short_names(void **state)
{
	struct table_fixture fixture;

	(void)state;
	table_fixture_load(&fixture,
			   "version: 1\nzones: { z: { members: [ { name: a } ] } }\n"
			   "networks: { a1: [ 8.0.0.0/8 ], a2: [ 8.0.0.0/8 ], a3: [ 8.0.0.0/8 ], a4: [ 8.0.0.0/8 ] }\n"
			   "rules: [ { from: z, to: [ a1, a2, a3, a4, 9.0.0.0/8 ], deny: all } ]\n",
			   NULL, NULL);
	assert_string_equal(class_name(&fixture, "8.1.1.1"), "a1+a2+a3+…+internet");
	assert_int_equal(table_fixture_class(&fixture, "9.1.1.1"), table_fixture_class(&fixture, "8.1.1.1"));
	table_fixture_free(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_outside_without_a_rule),
		cmocka_unit_test(test_networks_that_a_rule_names_together_are_one_class),
		cmocka_unit_test(test_except_takes_from_its_own_network_only),
		cmocka_unit_test(test_allow_reaches_what_is_special_by_name_only),
		cmocka_unit_test(test_an_address_is_in_this_order),
		cmocka_unit_test(test_redundant_prefixes_are_left_out),
		cmocka_unit_test(test_many_networks_have_short_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
