/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef TESTS_UNIT_NAIVE_TOWN_H
#define TESTS_UNIT_NAIVE_TOWN_H

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

#endif
