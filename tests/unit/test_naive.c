/* SPDX-License-Identifier: GPL-2.0-only */
/* Each sentence of 'What is allowed' and of 'Precise readings', as questions and answers. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fixture.h"
#include "policy/judge.h"

/* Who is there, for most tests: two zones by label, one stray, an ignored port, two bridges, both families. */
static const char town[] =
	"version: 1\n"
	"host:\n"
	"  addresses: [ 192.0.2.1, 10.0.0.1, 'fd00::1', 127.0.0.1 ]\n"
	"  bridges: { red: [ 10.0.0.0/24, 'fd00::/64' ], blue: [ 10.0.1.0/24 ] }\n"
	"containers:\n"
	"  - { name: a1, labels: { z: a, g: one }, ports: [ { interface: v1, network: red, addresses: [ 10.0.0.11, "
	"'fd00::11' ] } ] }\n"
	"  - { name: a2, labels: { z: a, g: one }, ports: [ { interface: v2, network: red, addresses: [ 10.0.0.12 ] } "
	"] }\n"
	"  - { name: a3, labels: { z: a, g: two }, ports: [ { interface: v3, network: red, addresses: [ 10.0.0.13 ] } "
	"] }\n"
	"  - { name: ab, labels: { z: a, g: both }, ports: [ { interface: v4, network: red, addresses: [ 10.0.0.14 ] } "
	"] }\n"
	"  - { name: b1, labels: { z: b }, ports: [ { interface: v5, network: blue, addresses: [ 10.0.1.11 ] } ] }\n"
	"  - { name: b2, labels: { z: b }, ports: [ { interface: v6, network: blue, addresses: [ 10.0.1.12 ] } ] }\n"
	"  - { name: stray, ports: [ { interface: v7, network: blue, addresses: [ 10.0.1.20 ] } ] }\n"
	"  - { name: stray2, ports: [ { interface: v8, network: red, addresses: [ 10.0.0.20 ] } ] }\n"
	"  - { name: mgmt, labels: { z: a }, ports: [ { interface: mgmt0, network: red, addresses: [ 10.0.0.30 ] } ] "
	"}\n"
	"  - name: two\n"
	"    labels: { z: a, g: one }\n"
	"    ports: [ { interface: v9, network: red, addresses: [ 10.0.0.40 ] }, { interface: v10, network: blue, "
	"addresses: [ 10.0.1.40 ] } ]\n"
	"  - { name: torn, labels: { z: a, g: one, also: b }, ports: [ { interface: v11, network: red, addresses: [ "
	"10.0.0.50 ] } ] }\n";

/* Zones of the town: `a` with two groups, `b` without, `sub` known by subnets alone. */
#define SETTINGS "version: 1\nsettings: { ignore: [ 'mgmt*' ] }\n"
#define ZONE_A                                                              \
	"  a:\n"                                                            \
	"    groups:\n"                                                     \
	"      one: { members: [ { label: g=one }, { label: g=both } ] }\n" \
	"      two: { members: [ { label: g=two }, { label: g=both } ] }\n"
#define ZONE_B	 "  b: { members: [ { label: z=b }, { label: also=b } ] }\n"
#define ZONE_SUB "  sub: { subnets: [ 198.51.100.0/24, 10.0.0.128/25 ] }\n"
#define ZONES	 "zones:\n" ZONE_A ZONE_B ZONE_SUB

/* ---- Steps 1 to 6 ---- */

static void test_steps_are_taken_in_order(void **state)
{
	static const char policy[] = SETTINGS ZONES "rules:\n"
						    "  - { name: open, from: a, to: b, allow: tcp/1-100 }\n"
						    "  - { name: shut, from: a, to: b, deny: tcp/50 }\n"
						    "  - { name: apart, from: a/one, to: a/one, deny: tcp/7 }\n"
						    "  - { name: inward, from: host, to: a, deny: tcp/23 }\n";
	static const struct question questions[] = {
		{"a1", "b1", "tcp/50", "deny rule 'shut'"}, /* 1, though the allow stands before it */
		{"a1", "b1", "tcp/51", "allow rule 'open'"},
		{"a1", "b1", "tcp/101", "deny default"},
		{"b1", "a1", "tcp/51", "deny default"},
		{"a1", "a2", "tcp/9", "allow group"},
		{"a1", "a2", "tcp/7", "deny rule 'apart'"},
		{"a1", "a3", "tcp/9", "deny default"}, /* 4: between_groups is not allow */
		{"b1", "b2", "tcp/9", "allow group"},  /* a zone without groups is one */
		{"host", "a1", "tcp/22", "allow host"},
		{"host", "a1", "tcp/23", "deny rule 'inward'"},
		{"a1", "host", "tcp/22", "deny default"},
		{"8.8.8.8", "a1", "tcp/22", "deny default"},
		{"a1", "8.8.8.8", "tcp/22", "deny default"},
	};

	(void)state;
	FIXTURE_CHECK(policy, town, questions);
}

static void test_within_deny_is_final_for_a_shared_group(void **state)
{
	static const char policy[] = SETTINGS "zones:\n" ZONE_A "    within: deny\n"
					      "    between_groups: allow\n";
	static const struct question questions[] = {
		{"a1", "a2", "tcp/1", "deny default"},
		{"a1", "a3", "tcp/1", "allow zone"},
		{"a1", "ab", "tcp/1", "deny default"}, /* shares `one`, though `two` is another group */
		{"ab", "a3", "tcp/1", "deny default"},
	};

	(void)state;
	FIXTURE_CHECK(policy, town, questions);
}

static void test_between_groups_needs_to_be_said(void **state)
{
	static const char closed[] = SETTINGS "zones:\n" ZONE_A;
	static const char open[] = SETTINGS "zones:\n" ZONE_A "    between_groups: allow\n" ZONE_B;
	static const struct question closed_questions[] = {
		{"a1", "a3", "tcp/1", "deny default"},
		{"a1", "ab", "tcp/1", "allow group"},
		{"ab", "a3", "tcp/1", "allow group"},
	};
	static const struct question open_questions[] = {
		{"a1", "a3", "tcp/1", "allow zone"},
		{"a3", "a1", "proto/47", "allow zone"},
		{"a1", "b1", "tcp/1", "deny default"},
	};

	(void)state;
	FIXTURE_CHECK(closed, town, closed_questions);
	FIXTURE_CHECK(open, town, open_questions);
}

static void test_host_to_containers_can_be_denied(void **state)
{
	static const char policy[] = "version: 1\nsettings: { host_to_containers: deny }\nzones:\n" ZONE_A "rules:\n"
				     "  - { name: ssh, from: host, to: a, allow: ssh }\n";
	static const struct question questions[] = {
		{"host", "a1", "tcp/22", "allow rule 'ssh'"},	{"host", "a1", "tcp/23", "deny default"},
		{"192.0.2.1", "a1", "tcp/23", "deny default"},	{"10.0.0.1", "a1", "tcp/22", "allow rule 'ssh'"},
		{"host", "stray", "tcp/22", "deny unassigned"},
	};

	(void)state;
	FIXTURE_CHECK(policy, town, questions);
}

/* ---- What an address is ---- */

static void test_an_address_is_whose_it_is(void **state)
{
	static const char policy[] = SETTINGS ZONES "rules:\n"
						    "  - { name: zone, from: a, to: b, allow: tcp/1 }\n"
						    "  - { name: host, from: host, to: b, deny: tcp/2 }\n"
						    "  - { name: sub, from: sub, to: b, allow: tcp/3 }\n"
						    "  - { name: none, from: unassigned, to: b, allow: tcp/4 }\n"
						    "  - { name: world, from: world, to: b, allow: tcp/5 }\n"
						    "  - { name: cast, from: b, to: multicast, allow: udp/6 }\n";
	static const struct question questions[] = {
		{"10.0.0.11", "b1", "tcp/1", "allow rule 'zone'"}, /* a container's */
		{"fd00::11", "b1", "tcp/1", "allow rule 'zone'"},
		{"10.0.0.1", "b1", "tcp/2", "deny rule 'host'"}, /* the host's, within a bridge's subnet */
		{"fd00::1", "b1", "tcp/2", "deny rule 'host'"},
		{"10.0.0.129", "b1", "tcp/3", "allow rule 'sub'"}, /* the longer prefix is the zone's */
		{"198.51.100.9", "b1", "tcp/3", "allow rule 'sub'"},
		{"10.0.0.99", "b1", "tcp/4", "allow rule 'none'"}, /* the bridge's, of nobody */
		{"fd00::99", "b1", "tcp/4", "allow rule 'none'"},
		{"10.0.0.99", "b1", "tcp/5", "deny unassigned"},
		{"b1", "10.0.1.255", "udp/6", "allow rule 'cast'"}, /* a bridge's broadcast */
		{"b1", "10.0.0.255", "udp/6", "deny default"}, /* the last of `red` is in the zone's longer prefix */
		{"b1", "fd00::ffff:ffff:ffff:ffff", "udp/6", "deny unassigned"}, /* IPv6 has no broadcast */
		{"b1", "255.255.255.255", "udp/6", "allow rule 'cast'"},
		{"b1", "224.0.0.251", "udp/6", "allow rule 'cast'"},
		{"b1", "ff02::fb", "udp/6", "allow rule 'cast'"},
		{"10.0.2.9", "b1", "tcp/5", "allow rule 'world'"}, /* outside */
		{"8.8.8.8", "b1", "tcp/5", "allow rule 'world'"},
		{"2001:4860::1", "b1", "tcp/5", "allow rule 'world'"},
		{"127.0.0.1", "b1", "tcp/2", "deny default"}, /* special-use, though the host lists it */
		{"127.0.0.1", "b1", "tcp/5", "deny default"},
		{"10.0.0.30", "b1", "tcp/1", "deny unassigned"}, /* an ignored port's: an address only */
		{"10.0.0.30", "b1", "tcp/4", "allow rule 'none'"},
		{"mgmt", "b1", "tcp/4", "allow rule 'none'"},
	};

	(void)state;
	FIXTURE_CHECK(policy, town, questions);
}

static void test_a_tie_of_subnets_is_the_zones(void **state)
{
	static const char policy[] = "version: 1\n"
				     "zones:\n"
				     "  sub: { subnets: [ 10.0.0.0/24, 10.0.1.0/25, 10.0.1.192/26 ] }\n"
				     "  b: { members: [ { label: z=b } ] }\n"
				     "rules:\n"
				     "  - { name: sub, from: sub, to: b, allow: tcp/1 }\n";
	static const struct question questions[] = {
		{"10.0.0.99", "b1", "tcp/1", "allow rule 'sub'"}, {"10.0.1.99", "b1", "tcp/1", "allow rule 'sub'"},
		{"10.0.1.130", "b1", "tcp/1", "deny unassigned"}, {"10.0.1.200", "b1", "tcp/1", "allow rule 'sub'"},
		{"10.0.1.12", "b1", "tcp/1", "allow group"}, /* a container's all the same */
	};

	(void)state;
	FIXTURE_CHECK(policy, town, questions);
}

static void test_subnets_belong_to_a_zone_but_to_none_of_its_groups(void **state)
{
	static const char policy[] =
		"version: 1\n"
		"zones:\n"
		"  a:\n"
		"    subnets: [ 198.51.100.0/24 ]\n"
		"    between_groups: allow\n"
		"    groups: { one: { members: [ { label: g=one } ] } }\n"
		"  b: { members: [ { label: z=b } ], subnets: [ 203.0.113.0/24 ] }\n"
		"  c: { members: [ { name: stray } ], subnets: [ 192.0.2.128/25 ], within: deny }\n"
		"rules:\n"
		"  - { name: zone, from: a, to: b, allow: tcp/1 }\n"
		"  - { name: group, from: a/one, to: b, allow: tcp/2 }\n"
		"  - { name: back, from: b, to: a, allow: tcp/3 }\n";
	static const struct question questions[] = {
		{"198.51.100.1", "b1", "tcp/1", "allow rule 'zone'"},
		{"198.51.100.1", "b1", "tcp/2", "deny default"},
		{"a1", "b1", "tcp/2", "allow rule 'group'"},
		{"198.51.100.1", "a1", "tcp/9", "allow zone"}, /* by between_groups */
		{"a1", "198.51.100.1", "tcp/9", "allow zone"},
		{"203.0.113.1", "b1", "tcp/9", "allow group"}, /* the one group of its zone */
		{"203.0.113.1", "a1", "tcp/3", "allow rule 'back'"},
		{"192.0.2.129", "stray", "tcp/9", "deny default"}, /* within: deny */
	};

	(void)state;
	FIXTURE_CHECK(policy, town, questions);
}

static void test_neither_end_policed_is_unpoliced(void **state)
{
	static const char policy[] = SETTINGS ZONES;
	static const struct question questions[] = {
		{"8.8.8.8", "9.9.9.9", "tcp/1", "unpoliced"},
		{"host", "8.8.8.8", "tcp/1", "unpoliced"},
		{"8.8.8.8", "host", "tcp/1", "unpoliced"},
		{"mgmt", "8.8.8.8", "tcp/1", "unpoliced"},
		{"host", "mgmt", "tcp/1", "unpoliced"},
		{"a1", "a1", "tcp/1", "unpoliced"},
		{"a1", "10.0.0.11", "tcp/1", "unpoliced"},
		{"two@red", "two@blue", "tcp/1", "unpoliced"},
		{"10.0.0.99", "8.8.8.8", "tcp/1", "unpoliced"},
		{"198.51.100.1", "host", "tcp/1", "unpoliced"},
		{"10.0.0.99", "10.0.1.99", "tcp/1", "unpoliced"},
		{"two@red", "a1", "tcp/1", "allow group"}, /* policed, after all */
	};

	(void)state;
	FIXTURE_CHECK(policy, town, questions);
}

/* ---- Built-in ends ---- */

static void test_world_internet_and_private(void **state)
{
	static const char policy[] = "version: 1\nzones:\n" ZONE_B "rules:\n"
				     "  - { name: world, from: b, to: world, allow: tcp/1 }\n"
				     "  - { name: internet, from: b, to: internet, allow: tcp/2 }\n"
				     "  - { name: private, from: b, to: private, allow: tcp/3 }\n";
	static const struct {
		const char *address;
		bool world, internet, private;
	} cases[] = {
		{"8.8.8.8", true, true, false},
		{"2600::1", true, true, false},
		{"10.9.9.9", true, false, true},
		{"172.16.0.1", true, false, true},
		{"172.31.255.255", true, false, true},
		{"172.32.0.0", true, true, false},
		{"192.168.255.255", true, false, true},
		{"100.64.0.1", true, false, true},
		{"100.127.255.255", true, false, true},
		{"100.128.0.0", true, true, false},
		{"fc00::1", true, false, true},
		{"fdff::1", true, false, true},
		{"192.0.2.77", true, false, false}, /* documentation: of the world alone */
		{"198.51.100.1", true, false, false},
		{"203.0.113.1", true, false, false},
		{"198.18.0.1", true, false, false},
		{"198.19.255.255", true, false, false},
		{"198.20.0.0", true, true, false},
		{"2001:db8::1", true, false, false},
		{"3fff:fff::1", true, false, false},
		{"3fff:1000::1", true, true, false},
		{"4000::1", true, false, false}, /* outside 2000::/3 */
		{"1fff::1", true, false, false},
		{"64:ff9b:2::1", true, false, false},
		{"0.1.2.3", false, false, false}, /* special-use */
		{"127.1.2.3", false, false, false},
		{"169.254.1.1", false, false, false},
		{"192.0.0.1", false, false, false},
		{"192.0.1.0", true, true, false},
		{"192.88.99.1", false, false, false},
		{"224.0.0.1", false, false, false},
		{"240.0.0.1", false, false, false},
		{"255.255.255.255", false, false, false},
		{"::", false, false, false},
		{"::1", false, false, false},
		{"::1.2.3.4", false, false, false},
		{"::ffff:8.8.8.8", false, false, false},
		{"64:ff9b:1::1", false, false, false},
		{"100::1", false, false, false},
		{"100:0:0:1::1", true, false, false},
		{"2001::1", false, false, false},
		{"2001:1::1", true, true, false},
		{"2002:808:808::1", false, false, false},
		{"fe80::1", false, false, false},
		{"fec0::1", false, false, false},
		{"ff02::1", false, false, false},
		{"169.254.169.254", false, false, false}, /* metadata */
		{"100.100.100.200", false, false, false},
		{"168.63.129.16", false, false, false},
		{"168.63.129.17", true, true, false},
		{"fd00:ec2::254", false, false, false},
		{"fd00:ec2::255", true, false, true},
	};
	struct fixture fixture;

	(void)state;
	fixture_load(&fixture, policy, town);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct question questions[] = {
			{"b1", cases[i].address, "tcp/1", cases[i].world ? "allow rule 'world'" : "deny default"},
			{"b1", cases[i].address, "tcp/2", cases[i].internet ? "allow rule 'internet'" : "deny default"},
			{"b1", cases[i].address, "tcp/3", cases[i].private ? "allow rule 'private'" : "deny default"},
		};

		FIXTURE_ASK(&fixture, questions);
	}
	fixture_free(&fixture);
}

static void test_world_is_not_the_inside(void **state)
{
	static const char policy[] = SETTINGS ZONES "networks: { all4: [ 0.0.0.0/0 ] }\n"
						    "rules:\n"
						    "  - { name: world, from: world, to: b, allow: tcp/1 }\n"
						    "  - { name: private, from: private, to: b, deny: tcp/2 }\n"
						    "  - { name: net, from: all4, to: b, deny: tcp/3 }\n"
						    "  - { name: literal, from: 10.0.0.11, to: b, allow: tcp/4 }\n";
	static const struct question questions[] = {
		{"a1", "b1", "tcp/1", "deny default"},		 {"host", "b1", "tcp/2", "allow host"},
		{"198.51.100.1", "b1", "tcp/1", "deny default"}, {"stray", "b1", "tcp/1", "deny unassigned"},
		{"10.0.1.99", "b1", "tcp/1", "deny unassigned"}, {"a1", "b1", "tcp/3", "deny default"},
		{"host", "b1", "tcp/3", "allow host"},		 {"10.0.1.99", "b1", "tcp/3", "deny unassigned"},
		{"8.8.8.8", "b1", "tcp/3", "deny rule 'net'"},	 {"198.51.100.1", "b1", "tcp/3", "deny default"},
		{"10.0.1.255", "b1", "tcp/3", "deny default"},	 {"a1", "b1", "tcp/4", "deny default"},
	};

	(void)state;
	FIXTURE_CHECK(policy, town, questions);
}

static void test_any_in_an_allow_leaves_metadata_out(void **state)
{
	static const char policy[] = SETTINGS ZONES "rules:\n"
						    "  - { name: all, from: b, to: any, allow: tcp/1-9 }\n"
						    "  - { name: none, from: b, to: any, deny: tcp/9 }\n"
						    "  - { name: meta, from: b, to: metadata, allow: tcp/2 }\n";
	static const struct question questions[] = {
		{"b1", "8.8.8.8", "tcp/1", "allow rule 'all'"},
		{"b1", "a1", "tcp/1", "allow rule 'all'"},
		{"b1", "stray", "tcp/1", "allow rule 'all'"},
		{"b1", "host", "tcp/1", "allow rule 'all'"},
		{"b1", "224.0.0.1", "tcp/1", "allow rule 'all'"},
		{"b1", "169.254.1.1", "tcp/1", "allow rule 'all'"},
		{"b1", "169.254.169.254", "tcp/1", "deny default"},
		{"b1", "169.254.169.254", "tcp/2", "allow rule 'meta'"},
		{"b1", "169.254.169.254", "tcp/9", "deny rule 'none'"},
		{"b1", "fe80::a9fe:a9fe", "tcp/1", "deny default"},
		{"b1", "8.8.8.8", "tcp/9", "deny rule 'none'"},
	};

	(void)state;
	FIXTURE_CHECK(policy, town, questions);
}

static void test_metadata_is_metadata_whatever_subnet_holds_it(void **state)
{
	static const char policy[] = "version: 1\n"
				     "settings: { metadata: [ 10.0.0.77, 203.0.113.7 ] }\n"
				     "zones:\n" ZONE_B "  sub: { subnets: [ 100.64.0.0/10 ] }\n"
				     "rules:\n"
				     "  - { name: meta, from: b, to: metadata, allow: tcp/1 }\n"
				     "  - { name: sub, from: b, to: sub, allow: tcp/1-2 }\n"
				     "  - { name: world, from: b, to: world, allow: tcp/3 }\n";
	static const struct question questions[] = {
		{"b1", "100.100.100.200", "tcp/1", "allow rule 'meta'"},
		{"b1", "100.100.100.200", "tcp/2", "deny default"},
		{"b1", "100.100.100.201", "tcp/2", "allow rule 'sub'"},
		{"b1", "10.0.0.77", "tcp/1", "allow rule 'meta'"}, /* in a managed bridge's subnet */
		{"b1", "203.0.113.7", "tcp/1", "allow rule 'meta'"},
		{"b1", "203.0.113.7", "tcp/3", "deny default"},
		{"b1", "203.0.113.8", "tcp/3", "allow rule 'world'"},
		{"b1", "168.63.129.16", "tcp/1", "allow rule 'meta'"},
		{"b1", "169.254.170.2", "tcp/1", "allow rule 'meta'"},
		{"b1", "169.254.170.23", "tcp/1", "allow rule 'meta'"},
		{"b1", "192.0.0.192", "tcp/1", "allow rule 'meta'"},
		{"b1", "fd00:ec2::23", "tcp/1", "allow rule 'meta'"},
		{"b1", "fd20:ce::254", "tcp/1", "allow rule 'meta'"},
	};

	(void)state;
	FIXTURE_CHECK(policy, town, questions);
}

static void test_a_containers_address_comes_before_metadata(void **state)
{
	static const char policy[] =
		"version: 1\nsettings: { metadata: [ 10.0.0.11, 192.0.2.1 ] }\nzones:\n" ZONE_A ZONE_B "rules:\n"
		"  - { name: zone, from: b, to: a, allow: tcp/1 }\n"
		"  - { name: host, from: b, to: host, allow: tcp/1 }\n";
	static const struct question questions[] = {
		{"b1", "10.0.0.11", "tcp/1", "allow rule 'zone'"},
		{"b1", "192.0.2.1", "tcp/1", "allow rule 'host'"},
	};

	(void)state;
	FIXTURE_CHECK(policy, town, questions);
}

/* ---- Networks ---- */

static void test_networks_except_and_overlap(void **state)
{
	static const char policy[] = "version: 1\nzones:\n" ZONE_B "networks:\n"
				     "  corp: { cidrs: [ 172.16.0.0/12 ], except: [ 172.16.66.0/24 ] }\n"
				     "  lab: [ 172.16.66.0/23, 172.20.0.0/16 ]\n"
				     "rules:\n"
				     "  - { name: corp, from: b, to: corp, allow: tcp/1 }\n"
				     "  - { name: lab, from: b, to: lab, allow: tcp/2 }\n"
				     "  - { name: never, from: b, to: corp, deny: tcp/3 }\n"
				     "  - { name: lab too, from: b, to: lab, allow: tcp/3 }\n"
				     "  - { name: literal, from: b, to: 192.0.2.99, allow: tcp/4 }\n"
				     "  - { name: prefix, from: b, to: '2001:db8::/32', allow: tcp/4 }\n";
	static const struct question questions[] = {
		{"b1", "172.16.1.1", "tcp/1", "allow rule 'corp'"},
		{"b1", "172.16.66.1", "tcp/1", "deny default"},	     /* except */
		{"b1", "172.16.66.1", "tcp/2", "allow rule 'lab'"},  /* … of its own network only */
		{"b1", "172.16.67.1", "tcp/1", "allow rule 'corp'"}, /* in both */
		{"b1", "172.16.67.1", "tcp/2", "allow rule 'lab'"},
		{"b1", "172.16.66.1", "tcp/3", "allow rule 'lab too'"}, /* the except holds in a deny, too */
		{"b1", "172.16.67.1", "tcp/3", "deny rule 'never'"},
		{"b1", "172.32.0.1", "tcp/1", "deny default"},
		{"b1", "192.0.2.99", "tcp/4", "allow rule 'literal'"},
		{"b1", "192.0.2.98", "tcp/4", "deny default"}, /* without a length: one host */
		{"b1", "2001:db8:ffff::1", "tcp/4", "allow rule 'prefix'"},
	};

	(void)state;
	FIXTURE_CHECK(policy, town, questions);
}

static void test_an_allow_reaches_special_use_only_where_meant(void **state)
{
	static const char policy[] = "version: 1\nzones:\n" ZONE_B "networks:\n"
				     "  wide: [ 0.0.0.0/0, '::/0' ]\n"
				     "  local: [ 169.254.0.0/16, 'fe80::/10' ]\n"
				     "  top: [ 224.0.0.0/3 ]\n"
				     "  mixed: [ 168.0.0.0/7 ]\n"
				     "  azure: [ 168.63.129.16/32 ]\n"
				     "  near: [ 168.63.129.16/31 ]\n"
				     "rules:\n"
				     "  - { name: wide, from: b, to: wide, allow: tcp/1 }\n"
				     "  - { name: local, from: b, to: local, allow: tcp/2 }\n"
				     "  - { name: top, from: b, to: top, allow: tcp/3 }\n"
				     "  - { name: mixed, from: b, to: mixed, allow: tcp/4 }\n"
				     "  - { name: azure, from: b, to: azure, allow: tcp/5 }\n"
				     "  - { name: near, from: b, to: near, allow: tcp/6 }\n"
				     "  - { name: not wide, from: b, to: wide, deny: tcp/7 }\n";
	static const struct question questions[] = {
		{"b1", "8.8.8.8", "tcp/1", "allow rule 'wide'"},
		{"b1", "2600::1", "tcp/1", "allow rule 'wide'"},
		{"b1", "169.254.1.1", "tcp/1", "deny default"},
		{"b1", "fe80::1", "tcp/1", "deny default"},
		{"b1", "169.254.169.254", "tcp/1", "deny default"},
		{"b1", "168.63.129.16", "tcp/1", "deny default"}, /* metadata in no special space */
		{"b1", "169.254.1.1", "tcp/2", "allow rule 'local'"},
		{"b1", "169.254.169.254", "tcp/2", "allow rule 'local'"}, /* wholly within special-use space */
		{"b1", "fe80::a9fe:a9fe", "tcp/2", "allow rule 'local'"},
		{"b1", "239.1.1.1", "tcp/3", "allow rule 'top'"}, /* two special prefixes together */
		{"b1", "255.1.1.1", "tcp/3", "allow rule 'top'"},
		{"b1", "169.254.1.1", "tcp/4", "deny default"},
		{"b1", "169.1.1.1", "tcp/4", "allow rule 'mixed'"},
		{"b1", "168.63.129.16", "tcp/5", "allow rule 'azure'"}, /* the address itself */
		{"b1", "168.63.129.16", "tcp/6", "deny default"},
		{"b1", "168.63.129.17", "tcp/6", "allow rule 'near'"},
		{"b1", "169.254.1.1", "tcp/7", "deny rule 'not wide'"}, /* a deny reaches all it holds */
		{"b1", "168.63.129.16", "tcp/7", "deny rule 'not wide'"},
		{"b1", "127.0.0.1", "tcp/7", "deny rule 'not wide'"},
		{"b1", "10.0.1.255", "tcp/7", "deny default"}, /* but no bridge's broadcast */
		{"b1", "ff02::1", "tcp/7", "deny rule 'not wide'"},
	};

	(void)state;
	FIXTURE_CHECK(policy, town, questions);
}

static void test_nat64_is_judged_as_the_address_inside(void **state)
{
	static const char policy[] = "version: 1\n"
				     "settings: { nat64: [ '2001:db8:64::/96' ] }\n"
				     "zones:\n" ZONE_A ZONE_B "networks: { v6: [ '::/0', '64:ff9b::/96' ] }\n"
				     "rules:\n"
				     "  - { name: net, from: b, to: 203.0.113.0/24, allow: tcp/1 }\n"
				     "  - { name: zone, from: b, to: a, allow: tcp/2 }\n"
				     "  - { name: v6, from: b, to: v6, allow: tcp/3 }\n"
				     "  - { name: internet, from: b, to: internet, allow: tcp/4 }\n"
				     "  - { name: meta, from: b, to: metadata, allow: tcp/5 }\n";
	static const struct question questions[] = {
		{"b1", "64:ff9b::203.0.113.5", "tcp/1", "allow rule 'net'"},
		{"b1", "2001:db8:64::203.0.113.5", "tcp/1", "allow rule 'net'"},
		{"b1", "2001:db8:65::203.0.113.5", "tcp/1", "deny default"},
		{"b1", "64:ff9b::10.0.0.11", "tcp/2", "allow rule 'zone'"}, /* a container's */
		{"b1", "64:ff9b::203.0.113.5", "tcp/3", "deny default"},    /* and no IPv6 address */
		{"b1", "64:ff9b::8.8.8.8", "tcp/4", "allow rule 'internet'"},
		{"b1", "64:ff9b::10.9.9.9", "tcp/4", "deny default"},
		{"b1", "64:ff9b::169.254.169.254", "tcp/5", "allow rule 'meta'"},
		{"b1", "64:ff9b::127.0.0.1", "tcp/4", "deny default"},
	};

	(void)state;
	FIXTURE_CHECK(policy, town, questions);
}

/* ---- Services ---- */

static void test_services_match_what_they_say(void **state)
{
	static const char policy[] =
		"version: 1\nzones:\n" ZONE_B "services:\n"
		"  web: [ http, https, tcp/8080-8090 ]\n"
		"  more: [ web, sctp/5 ]\n"
		"rules:\n"
		"  - { name: more, from: b, to: 10.1.0.1, allow: more }\n"
		"  - { name: echo, from: b, to: 10.1.0.2, allow: icmp/echo-request }\n"
		"  - { name: code, from: b, to: 10.1.0.3, allow: icmp/destination-unreachable/4 }\n"
		"  - { name: ping, from: b, to: [ 10.1.0.4, '2600::4' ], allow: ping }\n"
		"  - { name: six, from: b, to: 10.1.0.5, allow: proto/6 }\n"
		"  - { name: icmp, from: b, to: 10.1.0.6, allow: icmp }\n"
		"  - { name: dns, from: b, to: 10.1.0.7, allow: [ dns, ntp ] }\n"
		"  - { name: v6, from: b, to: 10.1.0.8, allow: icmpv6/128 }\n";
	static const struct question questions[] = {
		{"b1", "10.1.0.1", "tcp/80", "allow rule 'more'"},
		{"b1", "10.1.0.1", "tcp/443", "allow rule 'more'"},
		{"b1", "10.1.0.1", "udp/443", "allow rule 'more'"},
		{"b1", "10.1.0.1", "udp/80", "deny default"},
		{"b1", "10.1.0.1", "tcp/8079", "deny default"},
		{"b1", "10.1.0.1", "tcp/8080", "allow rule 'more'"},
		{"b1", "10.1.0.1", "tcp/8090", "allow rule 'more'"},
		{"b1", "10.1.0.1", "tcp/8091", "deny default"},
		{"b1", "10.1.0.1", "sctp/5", "allow rule 'more'"},
		{"b1", "10.1.0.2", "icmp/8", "allow rule 'echo'"},
		{"b1", "10.1.0.2", "icmp/8/3", "allow rule 'echo'"}, /* every code */
		{"b1", "10.1.0.2", "icmp/0", "deny default"},
		{"b1", "10.1.0.2", "icmpv6/8", "deny default"},
		{"b1", "10.1.0.3", "icmp/3/4", "allow rule 'code'"},
		{"b1", "10.1.0.3", "icmp/3/5", "deny default"},
		{"b1", "10.1.0.4", "icmp/8", "allow rule 'ping'"},
		{"b1", "2600::4", "icmpv6/128", "allow rule 'ping'"},
		{"b1", "2600::4", "icmpv6/129", "deny default"},
		{"b1", "10.1.0.5", "tcp/65535", "allow rule 'six'"},
		{"b1", "10.1.0.5", "udp/1", "deny default"},
		{"b1", "10.1.0.6", "icmp/13/0", "allow rule 'icmp'"},
		{"b1", "10.1.0.6", "icmpv6/1/0", "allow rule 'icmp'"},
		{"b1", "10.1.0.7", "udp/53", "allow rule 'dns'"},
		{"b1", "10.1.0.7", "tcp/53", "allow rule 'dns'"},
		{"b1", "10.1.0.7", "udp/123", "allow rule 'dns'"},
		{"b1", "10.1.0.7", "tcp/123", "deny default"},
		{"b1", "10.1.0.8", "icmpv6/128/1", "allow rule 'v6'"},
		{"b1", "10.1.0.8", "icmp/128", "deny default"},
	};

	(void)state;
	FIXTURE_CHECK(policy, town, questions);
}

static void test_an_allow_leaves_tunnels_out(void **state)
{
	static const char policy[] = "version: 1\nzones:\n" ZONE_B "rules:\n"
				     "  - { name: all, from: b, to: 10.1.0.1, allow: all }\n"
				     "  - { name: udp, from: b, to: 10.1.0.2, allow: udp }\n"
				     "  - { name: 17, from: b, to: 10.1.0.3, allow: proto/17 }\n"
				     "  - { name: both, from: b, to: 10.1.0.4, allow: [ all, tunnels ] }\n"
				     "  - { name: range, from: b, to: 10.1.0.5, allow: udp/1-65535 }\n"
				     "  - { name: gre, from: b, to: 10.1.0.6, allow: [ tcp, proto/47 ] }\n"
				     "  - { name: not all, from: b, to: 10.1.0.7, deny: all }\n"
				     "  - { name: not udp, from: b, to: 10.1.0.8, deny: udp }\n"
				     "  - { name: all, from: b, to: 10.1.0.8, allow: [ all, tunnels ] }\n"
				     "  - { name: none, from: b, to: 10.1.0.9, deny: tunnels }\n";
	static const struct question questions[] = {
		{"b1", "10.1.0.1", "tcp/1", "allow rule 'all'"},
		{"b1", "10.1.0.1", "proto/99", "allow rule 'all'"},
		{"b1", "10.1.0.1", "udp/4788", "allow rule 'all'"},
		{"b1", "10.1.0.1", "udp/4789", "deny default"},
		{"b1", "10.1.0.1", "udp/8472", "deny default"},
		{"b1", "10.1.0.1", "udp/6081", "deny default"},
		{"b1", "10.1.0.1", "tcp/4789", "allow rule 'all'"},
		{"b1", "10.1.0.1", "proto/4", "deny default"},
		{"b1", "10.1.0.1", "proto/41", "deny default"},
		{"b1", "10.1.0.1", "proto/47", "deny default"},
		{"b1", "10.1.0.2", "udp/53", "allow rule 'udp'"},
		{"b1", "10.1.0.2", "udp/4789", "deny default"},
		{"b1", "10.1.0.3", "udp/53", "allow rule '17'"},
		{"b1", "10.1.0.3", "udp/4789", "deny default"},
		{"b1", "10.1.0.4", "udp/4789", "allow rule 'both'"},
		{"b1", "10.1.0.4", "proto/47", "allow rule 'both'"},
		{"b1", "10.1.0.5", "udp/4789", "allow rule 'range'"},
		{"b1", "10.1.0.6", "proto/47", "allow rule 'gre'"},
		{"b1", "10.1.0.6", "proto/4", "deny default"},
		{"b1", "10.1.0.7", "udp/4789", "deny rule 'not all'"},
		{"b1", "10.1.0.7", "proto/41", "deny rule 'not all'"},
		{"b1", "10.1.0.8", "udp/4789", "deny rule 'not udp'"},
		{"b1", "10.1.0.9", "udp/6081", "deny rule 'none'"},
	};

	(void)state;
	FIXTURE_CHECK(policy, town, questions);
}

/* ---- Rules ---- */

static char *judge_at(const struct fixture *fixture, const char *service, const char *when)
{
	int64_t now;

	assert_int_equal(time_parse(when, &now), 0);
	return fixture_judge(fixture, "b1", "10.1.0.1", service, now);
}

static void test_rules_expire(void **state)
{
	static const char policy[] =
		"version: 1\nzones:\n" ZONE_B "rules:\n"
		"  - { name: soon, from: b, to: world, allow: tcp/1, expires: '2027-01-31T18:00:00Z' }\n"
		"  - { name: later, from: b, to: world, allow: tcp/1, expires: '2027-02-01T01:00:00+02:00' }\n"
		"  - { name: barred, from: b, to: world, deny: tcp/2, expires: '2027-01-31T18:00:00Z' }\n"
		"  - { name: open, from: b, to: world, allow: tcp/2 }\n"
		"  - { name: staged, from: b, to: world, deny: tcp/1, mode: audit, expires: '2027-01-31T18:00:00Z' }\n";
	static const struct {
		const char *service, *when, *expected;
	} cases[] = {
		{"tcp/1", "2027-01-31T17:59:59Z",
		 "allow rule 'later', staged 'staged'"}, /* the one that expires last */
		{"tcp/1", "2027-01-31T18:00:00Z", "allow rule 'later'"},
		{"tcp/1", "2027-01-31T22:59:59Z", "allow rule 'later'"},
		{"tcp/1", "2027-01-31T23:00:00Z", "deny default"}, /* at the instant it has expired */
		{"tcp/2", "2027-01-31T17:59:59Z", "deny rule 'barred'"},
		{"tcp/2", "2027-01-31T18:00:00Z", "allow rule 'open'"},
	};
	struct fixture fixture;

	(void)state;
	fixture_load(&fixture, policy, town);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *answer = judge_at(&fixture, cases[i].service, cases[i].when);

		assert_string_equal(answer, cases[i].expected);
		free(answer);
	}
	fixture_free(&fixture);
}

static void test_of_several_rules_the_first_that_never_expires_decides(void **state)
{
	static const char policy[] =
		"version: 1\nzones:\n" ZONE_B "rules:\n"
		"  - { name: x1, from: b, to: world, allow: tcp/1-5, expires: '2030-01-01T00:00:00Z' }\n"
		"  - { name: first, from: b, to: world, allow: tcp/1 }\n"
		"  - { name: second, from: b, to: world, allow: tcp/1-2 }\n"
		"  - { name: x2, from: b, to: world, allow: tcp/1-5, expires: '2031-01-01T00:00:00Z' }\n"
		"  - { name: x3, from: b, to: world, allow: tcp/1-5, expires: '2031-01-01T00:00:00Z' }\n"
		"  - { name: d1, from: b, to: world, deny: tcp/4, expires: '2030-01-01T00:00:00Z' }\n"
		"  - { name: d2, from: b, to: world, deny: tcp/4 }\n";
	static const struct question questions[] = {
		{"b1", "10.1.0.1", "tcp/1", "allow rule 'first'"},
		{"b1", "10.1.0.1", "tcp/2", "allow rule 'second'"},
		{"b1", "10.1.0.1", "tcp/3", "allow rule 'x2'"},
		{"b1", "10.1.0.1", "tcp/4", "deny rule 'd2'"},
	};

	(void)state;
	FIXTURE_CHECK(policy, town, questions);
}

static void test_lists_of_ends_are_an_or(void **state)
{
	static const char policy[] = SETTINGS ZONES
		"rules:\n"
		"  - { name: many, from: [ a/two, b ], to: [ host, 10.1.0.1, a/one ], allow: [ tcp/1, udp/2 ] }\n";
	static const struct question questions[] = {
		{"a3", "host", "tcp/1", "allow rule 'many'"}, {"b1", "10.1.0.1", "udp/2", "allow rule 'many'"},
		{"b1", "a1", "tcp/1", "allow rule 'many'"},   {"a1", "host", "tcp/1", "deny default"},
		{"b1", "a3", "tcp/1", "deny default"},	      {"ab", "a1", "tcp/1", "allow rule 'many'"},
		{"b1", "host", "tcp/2", "deny default"},
	};

	(void)state;
	FIXTURE_CHECK(policy, town, questions);
}

static void test_a_conflicted_end_is_denied_before_rules_and_audit(void **state)
{
	static const char policy[] = "version: 1\n"
				     "settings: { mode: audit, unassigned: allow }\n" ZONES "rules:\n"
				     "  - { name: all, from: any, to: any, allow: all }\n"
				     "  - { name: staged, from: any, to: any, deny: all, mode: audit }\n";
	static const struct question questions[] = {
		{"torn", "8.8.8.8", "tcp/1", "deny conflicted"},
		{"8.8.8.8", "torn", "tcp/1", "deny conflicted"},
		{"host", "torn", "tcp/1", "deny conflicted"},
		{"a1", "10.0.0.50", "tcp/1", "deny conflicted"},
		{"torn", "a1", "tcp/1", "deny conflicted"},
		{"stray", "torn", "tcp/1", "deny conflicted"},
		{"a1", "8.8.8.8", "tcp/1", "audit allow rule 'all', staged 'staged'"},
	};

	(void)state;
	FIXTURE_CHECK(policy, town, questions);
}

static void test_unassigned_deny(void **state)
{
	static const char policy[] = SETTINGS ZONES "rules:\n"
						    "  - { name: help, from: unassigned, to: b, allow: tcp/1 }\n"
						    "  - { name: shut, from: host, to: unassigned, deny: tcp/2 }\n";
	static const struct question questions[] = {
		{"stray", "8.8.8.8", "tcp/1", "deny unassigned"}, {"8.8.8.8", "stray", "tcp/1", "deny unassigned"},
		{"stray", "stray2", "tcp/1", "deny unassigned"},  {"stray", "a1", "tcp/1", "deny unassigned"},
		{"stray", "b1", "tcp/1", "allow rule 'help'"},	  {"stray", "host", "tcp/1", "deny unassigned"},
		{"host", "stray", "tcp/1", "allow host"},	  {"host", "stray", "tcp/2", "deny rule 'shut'"},
		{"a1", "10.0.0.99", "tcp/1", "deny unassigned"},
	};

	(void)state;
	FIXTURE_CHECK(policy, town, questions);
}

static void test_unassigned_allow(void **state)
{
	static const char policy[] = "version: 1\nsettings: { unassigned: allow }\n" ZONES "rules:\n"
				     "  - { name: never, from: any, to: 9.9.9.9, deny: all }\n";
	static const char barred[] =
		"version: 1\nsettings: { unassigned: allow, host_to_containers: deny }\nzones:\n" ZONE_A;
	static const struct question questions[] = {
		{"stray", "stray2", "tcp/1", "allow unassigned"},  /* the other is unassigned too */
		{"stray", "8.8.8.8", "tcp/1", "allow unassigned"}, /* or is in no zone */
		{"8.8.8.8", "stray", "tcp/1", "allow unassigned"},
		{"stray", "host", "tcp/1", "allow unassigned"},
		{"stray", "10.0.0.99", "tcp/1", "allow unassigned"},
		{"stray", "a1", "tcp/1", "deny default"}, /* in a zone */
		{"a1", "stray", "tcp/1", "deny default"},
		{"stray", "198.51.100.1", "tcp/1", "deny default"}, /* in a zone's subnet */
		{"198.51.100.1", "stray", "tcp/1", "deny default"},
		{"stray", "169.254.169.254", "tcp/1", "deny default"}, /* metadata */
		{"10.0.0.99", "a1", "tcp/1", "deny default"},
		{"stray", "9.9.9.9", "tcp/1", "deny rule 'never'"},
		{"host", "stray", "tcp/1", "allow host"},
		{"stray", "224.0.0.1", "udp/1", "allow unassigned"},
		{"stray", "10.0.1.255", "udp/1", "allow unassigned"},
	};
	static const struct question barred_questions[] = {
		{"host", "stray", "tcp/1", "deny default"},
		{"stray", "host", "tcp/1", "allow unassigned"},
		{"host", "a1", "tcp/1", "deny default"},
	};

	(void)state;
	FIXTURE_CHECK(policy, town, questions);
	FIXTURE_CHECK(barred, town, barred_questions);
}

/* ---- Audit ---- */

static void test_a_flow_is_audited_when_every_zone_at_its_ends_is(void **state)
{
	static const char policy[] = "version: 1\nzones:\n" ZONE_A "    mode: audit\n" ZONE_B
				     "  sub: { subnets: [ 198.51.100.0/24 ], mode: audit }\n";
	static const char whole[] = "version: 1\nsettings: { mode: audit }\nzones:\n" ZONE_A ZONE_B;
	static const struct question questions[] = {
		{"a1", "8.8.8.8", "tcp/1", "audit deny default"},
		{"8.8.8.8", "a1", "tcp/1", "audit deny default"},
		{"a1", "b1", "tcp/1", "deny default"},
		{"b1", "a1", "tcp/1", "deny default"},
		{"b1", "8.8.8.8", "tcp/1", "deny default"},
		{"a1", "a3", "tcp/1", "audit deny default"},
		{"a1", "a2", "tcp/1", "audit allow group"},
		{"a1", "198.51.100.1", "tcp/1", "audit deny default"},
		{"b1", "198.51.100.1", "tcp/1", "deny default"},
		{"a1", "stray", "tcp/1", "audit deny unassigned"},
		{"stray", "8.8.8.8", "tcp/1", "deny unassigned"},
		{"host", "a1", "tcp/1", "audit allow host"},
	};
	static const struct question whole_questions[] = {
		{"a1", "b1", "tcp/1", "audit deny default"},
		{"stray", "8.8.8.8", "tcp/1", "audit deny unassigned"},
		{"torn", "8.8.8.8", "tcp/1", "deny conflicted"},
	};

	(void)state;
	FIXTURE_CHECK(policy, town, questions);
	FIXTURE_CHECK(whole, town, whole_questions);
}

static void test_staged_rules_are_told_and_decide_nothing(void **state)
{
	static const char policy[] = SETTINGS ZONES "rules:\n"
						    "  - { name: s1, from: a, to: b, deny: tcp/1-2, mode: audit }\n"
						    "  - { name: open, from: a, to: b, allow: tcp/1 }\n"
						    "  - { name: s2, from: a, to: b, allow: tcp, mode: audit }\n";
	static const struct question questions[] = {
		{"a1", "b1", "tcp/1", "allow rule 'open', staged 's1', staged 's2'"},
		{"a1", "b1", "tcp/2", "deny default, staged 's1', staged 's2'"},
		{"a1", "b1", "tcp/3", "deny default, staged 's2'"},
		{"a1", "b1", "udp/3", "deny default"},
		{"8.8.8.8", "9.9.9.9", "tcp/1", "unpoliced"},
	};

	(void)state;
	FIXTURE_CHECK(policy, town, questions);
}

/* ---- Domains ---- */

static void test_equal_addresses_on_two_bridges(void **state)
{
	static const char world[] =
		"version: 1\n"
		"containers:\n"
		"  - { name: x, labels: { z: x }, ports: [ { network: n1, addresses: [ 10.5.0.2 ] } ] }\n"
		"  - { name: y, labels: { z: y }, ports: [ { network: n2, addresses: [ 10.5.0.2, 10.5.0.3 ] } ] }\n"
		"  - { name: p, ports: [ { network: n1, addresses: [ 10.5.0.9 ] } ] }\n"
		"  - { name: q, ports: [ { network: n2, addresses: [ 10.5.0.8 ] } ] }\n"
		"  - { name: r, ports: [ { network: n3, addresses: [ 10.6.0.8 ] } ] }\n";
	static const char policy[] = "version: 1\n"
				     "zones:\n"
				     "  x: { members: { label: z=x } }\n"
				     "  y: { members: { label: z=y } }\n"
				     "  pqr: { members: [ { name: p }, { name: q }, { name: r } ] }\n"
				     "rules:\n"
				     "  - { name: to x, from: pqr, to: x, allow: tcp/1 }\n"
				     "  - { name: to y, from: pqr, to: y, allow: tcp/1 }\n";
	static const struct question questions[] = {
		{"p", "10.5.0.2@n1", "tcp/1", "allow rule 'to x'"},
		{"q", "10.5.0.2@n2", "tcp/1", "allow rule 'to y'"},
		{"r", "10.5.0.2@n3", "tcp/1", "deny conflicted"}, /* nobody could say which */
		{"r", "10.5.0.2", "tcp/1", "deny conflicted"},
		{"p", "10.5.0.3@n1", "tcp/1", "allow rule 'to y'"}, /* routed */
	};

	(void)state;
	FIXTURE_CHECK(policy, world, questions);
}

/* ---- Places ---- */

static void check_place(const struct fixture *fixture, const char *from, const char *to, uint32_t line)
{
	struct party from_party = fixture_party(fixture, from), to_party = fixture_party(fixture, to);
	struct service_point point = {.protocol = 6, .port = 9};
	struct naive naive = fixture->naive;
	struct verdict verdict = {0};

	assert_int_equal(naive_judge(&naive, &from_party, &to_party, &point, FIXTURE_NOW, &verdict), 0);
	assert_int_equal(verdict.place.line, line);
	verdict_free(&verdict);
}

static void test_the_place_is_what_decided(void **state)
{
	static const char policy[] = "version: 1\n"		     /* 1 */
				     "settings:\n"		     /* 2 */
				     "  unassigned: deny\n"	     /* 3 */
				     "  host_to_containers: allow\n" /* 4 */
				     "zones:\n"			     /* 5 */
				     "  a:\n"			     /* 6 */
				     "    within: deny\n"	     /* 7 */
				     "    between_groups: deny\n"    /* 8 */
				     "    groups:\n"		     /* 9 */
				     "      one: { members: { label: g=one } }\n"
				     "      two: { members: { label: g=two } }\n"
				     "  b: { members: [ { label: z=b }, { label: also=b } ] }\n" /* 12 */
				     "rules:\n"
				     "  - { from: a, to: host, allow: tcp }\n"; /* 14 */
	struct fixture fixture;

	(void)state;
	fixture_load(&fixture, policy, town);
	check_place(&fixture, "a1", "host", 14);
	check_place(&fixture, "a1", "a2", 7);
	check_place(&fixture, "a1", "a3", 8);
	check_place(&fixture, "b1", "b2", 12);
	check_place(&fixture, "host", "b1", 4);
	check_place(&fixture, "stray", "b1", 3);
	check_place(&fixture, "a1", "b1", 12); /* the zone that it would have entered */
	check_place(&fixture, "b1", "a1", 6);
	check_place(&fixture, "b1", "8.8.8.8", 12); /* … that it would have left */
	check_place(&fixture, "torn", "8.8.8.8", 10);
	fixture_free(&fixture);
}

static void test_a_default_that_nobody_wrote_has_no_place(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_load(&fixture, "version: 1\nzones: { b: { members: { label: z=b } } }\n", town);
	check_place(&fixture, "stray", "8.8.8.8", 0);
	check_place(&fixture, "host", "b1", 0);
	fixture_free(&fixture);
}

static void test_an_index_out_of_range_is_refused(void **state)
{
	struct party nobody = {.kind = PARTY_PORT, .port = 1000}, host = {.kind = PARTY_HOST};
	struct party nowhere = {.kind = PARTY_ADDRESS};
	struct service_point point = {.protocol = 6, .port = 9};
	struct verdict verdict = {.rule = 77};
	struct fixture fixture;

	(void)state;
	fixture_load(&fixture, "version: 1\n", town);
	assert_int_equal(naive_judge(&fixture.naive, &nobody, &host, &point, 0, &verdict), -EINVAL);
	assert_int_equal(naive_judge(&fixture.naive, &host, &nobody, &point, 0, &verdict), -EINVAL);
	assert_int_equal(naive_judge(&fixture.naive, &host, &nowhere, &point, 0, &verdict), -EINVAL);
	assert_int_equal(verdict.rule, 77);
	fixture_free(&fixture);
}

static void test_space_covers_by_several_prefixes(void **state)
{
	static const struct {
		const char *prefix;
		bool covered;
	} cases[] = {
		{"224.0.0.0/3", true}, {"224.0.0.0/2", false}, {"192.0.0.0/3", false},	{"fe80::/9", true},
		{"fe00::/8", false},   {"0.0.0.0/0", false},   {"::/0", false},		{"127.0.0.1", true},
		{"10.0.0.0/8", false}, {"::/96", true},	       {"::/95", false},	{"169.254.169.254", true},
		{"2001::/31", false},  {"2001::/32", true},    {"::ffff:0:0/96", true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct prefix prefix;

		assert_int_equal(prefix_parse(cases[i].prefix, &prefix, NULL), 0);
		if (space_covers(SPACE_SPECIAL, &prefix) != cases[i].covered)
			fail_msg("%s", cases[i].prefix);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_steps_are_taken_in_order),
		cmocka_unit_test(test_within_deny_is_final_for_a_shared_group),
		cmocka_unit_test(test_between_groups_needs_to_be_said),
		cmocka_unit_test(test_host_to_containers_can_be_denied),
		cmocka_unit_test(test_an_address_is_whose_it_is),
		cmocka_unit_test(test_a_tie_of_subnets_is_the_zones),
		cmocka_unit_test(test_subnets_belong_to_a_zone_but_to_none_of_its_groups),
		cmocka_unit_test(test_neither_end_policed_is_unpoliced),
		cmocka_unit_test(test_world_internet_and_private),
		cmocka_unit_test(test_world_is_not_the_inside),
		cmocka_unit_test(test_any_in_an_allow_leaves_metadata_out),
		cmocka_unit_test(test_metadata_is_metadata_whatever_subnet_holds_it),
		cmocka_unit_test(test_a_containers_address_comes_before_metadata),
		cmocka_unit_test(test_networks_except_and_overlap),
		cmocka_unit_test(test_an_allow_reaches_special_use_only_where_meant),
		cmocka_unit_test(test_nat64_is_judged_as_the_address_inside),
		cmocka_unit_test(test_services_match_what_they_say),
		cmocka_unit_test(test_an_allow_leaves_tunnels_out),
		cmocka_unit_test(test_rules_expire),
		cmocka_unit_test(test_of_several_rules_the_first_that_never_expires_decides),
		cmocka_unit_test(test_lists_of_ends_are_an_or),
		cmocka_unit_test(test_a_conflicted_end_is_denied_before_rules_and_audit),
		cmocka_unit_test(test_unassigned_deny),
		cmocka_unit_test(test_unassigned_allow),
		cmocka_unit_test(test_a_flow_is_audited_when_every_zone_at_its_ends_is),
		cmocka_unit_test(test_staged_rules_are_told_and_decide_nothing),
		cmocka_unit_test(test_equal_addresses_on_two_bridges),
		cmocka_unit_test(test_the_place_is_what_decided),
		cmocka_unit_test(test_a_default_that_nobody_wrote_has_no_place),
		cmocka_unit_test(test_an_index_out_of_range_is_refused),
		cmocka_unit_test(test_space_covers_by_several_prefixes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
