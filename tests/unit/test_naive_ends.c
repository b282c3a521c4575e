/* SPDX-License-Identifier: GPL-2.0-only */
/* Each sentence of 'Ends' in 'Precise readings', as questions and answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fixture.h"
#include "naive_town.h"
#include "policy/judge.h"

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
		cmocka_unit_test(test_equal_addresses_on_two_bridges),
		cmocka_unit_test(test_space_covers_by_several_prefixes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
