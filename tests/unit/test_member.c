/* SPDX-License-Identifier: GPL-2.0-only */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fixture.h"

/* One container with everything, one with nothing but a name, and a port that nobody owns (added by hand). */
static const char world_text[] = "version: 1\n"
				 "containers:\n"
				 "  - name: web-1\n"
				 "    runtime: docker\n"
				 "    image: docker.io/library/nginx:1.25\n"
				 "    labels: { tier: front, app: shop, empty: '' }\n"
				 "    namespace: default\n"
				 "    cgroup: /docker/0123\n"
				 "    ports: [ { interface: veth1a2b, network: shop_net, addresses: [ 10.0.0.2 ] } ]\n"
				 "  - name: bare\n"
				 "    ports: [ { addresses: [ 10.0.0.3 ] } ]\n";

static void load(struct fixture *fixture, const char *member)
{
	char policy[1024];
	struct world_port *port;

	snprintf(policy, sizeof(policy), "version: 1\nzones:\n  z:\n    members:\n      %s\n", member);
	fixture_load(fixture, policy, world_text);
	port = array_append(&fixture->world.ports);
	assert_non_null(port);
	port->container = WORLD_NOBODY;
	port->interface = strdup("tap7");
	port->bridge = strdup("br0");
}

static bool is_member(const struct fixture *fixture, size_t port)
{
	struct membership membership;
	bool found;

	assert_int_equal(
		membership_find(fixture->policy, &fixture->world, &fixture->world.ports.items[port], &membership), 0);
	found = membership.state == MEMBERSHIP_ZONE;
	membership_free(&membership);
	return found;
}

static void test_members_match_whole_and_all_keys(void **state)
{
	static const struct {
		const char *member;
		bool web, bare, tap; /* who is one */
	} cases[] = {
		{"{ name: web-1 }", true, false, false},
		{"{ name: 'web-*' }", true, false, false},
		{"{ name: web }", false, false, false}, /* whole */
		{"{ name: WEB-1 }", false, false, false},
		{"{ name: 'web-[0-9]' }", true, false, false},
		{"{ name: 'we?-1' }", true, false, false},
		{"{ name: '*' }", true, true, false},
		{"{ image: 'docker.io/*' }", true, false, false}, /* '*' crosses '/' */
		{"{ image: '*:1.25' }", true, false, false},
		{"{ image: '*' }", true, false, false}, /* not what is not there */
		{"{ runtime: docker }", true, false, false},
		{"{ runtime: podman }", false, false, false},
		{"{ namespace: default }", true, false, false},
		{"{ cgroup: '/docker/*' }", true, false, false},
		{"{ interface: 'veth*' }", true, false, false},
		{"{ interface: tap7 }", false, false, true},
		{"{ network: shop_net }", true, false, false},
		{"{ network: br0 }", false, false, true}, /* the bridge serves as well */
		{"{ network: '*' }", true, false, true},
		{"{ label: tier }", true, false, false},
		{"{ label: empty }", true, false, false},
		{"{ label: 'empty=' }", true, false, false},
		{"{ label: 'empty=?' }", false, false, false},
		{"{ label: tier=front }", true, false, false},
		{"{ label: 'tier=fr*' }", true, false, false},
		{"{ label: tier=back }", false, false, false},
		{"{ label: 'ti*' }", false, false, false}, /* keys are no globs */
		{"{ label: [ tier=front, app=shop ] }", true, false, false},
		{"{ label: [ tier=front, app=other ] }", false, false, false},
		{"{ label: { tier: front, app: 'sh*' } }", true, false, false},
		{"{ label: { tier: front, app: other } }", false, false, false},
		{"{ name: web-1, runtime: docker, label: app }", true, false, false},
		{"{ name: web-1, runtime: podman }", false, false, false},
		{"{ not: { name: web-1 } }", false, true, true},
		{"{ not: { image: '*' } }", false, true, true}, /* 'not' of what is not there */
		{"{ name: '*', not: { label: app=shop } }", false, true, false},
		{"{ name: '*', not: { label: app=shop, runtime: podman } }", true, true, false},
		{"{ not: { not: { name: bare } } }", false, true, false},
		{"[ { name: web-1 }, { interface: 'tap*' } ]", true, false, true}, /* a list is an or */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fixture fixture;

		load(&fixture, cases[i].member);
		if (is_member(&fixture, 0) != cases[i].web || is_member(&fixture, 1) != cases[i].bare ||
		    is_member(&fixture, 2) != cases[i].tap)
			fail_msg("%s", cases[i].member);
		fixture_free(&fixture);
	}
}

static void test_a_port_may_be_in_several_groups_of_one_zone(void **state)
{
	static const char policy[] = "version: 1\nzones:\n  z:\n    groups:\n"
				     "      c: { members: { name: nobody } }\n"
				     "      b: { members: { label: app=shop } }\n"
				     "      a: { members: { name: 'web-*' } }\n";
	struct membership membership;
	struct fixture fixture;

	(void)state;
	fixture_load(&fixture, policy, world_text);
	assert_int_equal(membership_find(fixture.policy, &fixture.world, &fixture.world.ports.items[0], &membership),
			 0);
	assert_int_equal(membership.state, MEMBERSHIP_ZONE);
	assert_int_equal(membership.zone, 0);
	assert_int_equal(membership.groups.count, 2);
	assert_int_equal(membership.groups.items[0], 1);
	assert_int_equal(membership.groups.items[1], 2);
	assert_int_equal(membership.place.line, 6);
	membership_free(&membership);
	assert_int_equal(membership_find(fixture.policy, &fixture.world, &fixture.world.ports.items[1], &membership),
			 0);
	assert_int_equal(membership.state, MEMBERSHIP_UNASSIGNED);
	assert_int_equal(membership.groups.count, 0);
	membership_free(&membership);
	fixture_free(&fixture);
}

/* One port, several owners: any of them is enough, but no two together; `not` is asked of each by itself. */
static void test_any_owner_is_enough(void **state)
{
	static const char shared[] =
		"version: 1\ncontainers:\n"
		"  - { name: side, runtime: podman, labels: { app: shop }, shares: infra }\n"
		"  - name: infra\n"
		"    runtime: docker\n"
		"    labels: { tier: front }\n"
		"    ports: [ { interface: veth0, addresses: [ 10.0.0.2 ] }, { addresses: [ 10.1.0.2 ] } ]\n"
		"  - { name: alone, ports: [ { addresses: [ 10.0.0.3 ] } ] }\n";
	static const struct {
		const char *member;
		bool shared, alone;
	} cases[] = {
		{"{ name: infra }", true, false},
		{"{ name: side }", true, false},
		{"{ name: alone }", false, true},
		{"{ label: app=shop }", true, false},
		{"{ label: [ tier=front, app=shop ] }", false, false},
		{"{ name: side, runtime: docker }", false, false},
		{"{ name: side, interface: veth0 }", true, false}, /* the port is of both */
		{"{ not: { name: infra } }", true, true},	   /* side is not it */
		{"{ not: { name: '*i*' } }", false, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char policy[256];
		struct fixture fixture;

		snprintf(policy, sizeof(policy), "version: 1\nzones: { z: { members: %s } }\n", cases[i].member);
		fixture_load(&fixture, policy, shared);
		assert_int_equal(fixture.world.ports.items[0].others.count, 1);
		assert_int_equal(fixture.world.ports.items[1].others.count, 1);
		if (is_member(&fixture, 0) != cases[i].shared || is_member(&fixture, 2) != cases[i].alone)
			fail_msg("%s", cases[i].member);
		fixture_free(&fixture);
	}
}

static void test_owners_in_two_zones_conflict(void **state)
{
	static const char policy[] =
		"version: 1\nzones: { a: { members: { name: a } }, b: { members: { name: b } } }\n";
	static const char world[] = "version: 1\ncontainers:\n"
				    "  - { name: a, ports: [ { addresses: [ 10.0.0.2 ] } ] }\n"
				    "  - { name: b, shares: a }\n";
	struct membership membership;
	struct fixture fixture;

	(void)state;
	fixture_load(&fixture, policy, world);
	assert_int_equal(membership_find(fixture.policy, &fixture.world, &fixture.world.ports.items[0], &membership),
			 0);
	assert_int_equal(membership.state, MEMBERSHIP_CONFLICTED);
	membership_free(&membership);
	fixture_free(&fixture);
}

static void test_two_zones_conflict_and_name_both_places(void **state)
{
	static const char policy[] = "version: 1\nzones:\n"
				     "  x: { members: { name: bare } }\n"
				     "  y: { groups: { g: { members: { name: 'web-*' } } } }\n"
				     "  z: { members: { runtime: docker } }\n"
				     "  w: { members: { label: tier } }\n";
	struct membership membership;
	struct fixture fixture;

	(void)state;
	fixture_load(&fixture, policy, world_text);
	assert_int_equal(membership_find(fixture.policy, &fixture.world, &fixture.world.ports.items[0], &membership),
			 0);
	assert_int_equal(membership.state, MEMBERSHIP_CONFLICTED);
	assert_int_equal(membership.zone, 1);
	assert_int_equal(membership.other_zone, 2);
	assert_int_equal(membership.place.line, 4);
	assert_int_equal(membership.other_place.line, 5);
	assert_int_equal(membership.groups.count, 0);
	membership_free(&membership);
	fixture_free(&fixture);
}

static void test_managed_and_ignored_interfaces(void **state)
{
	static const struct {
		const char *settings, *interface;
		bool managed;
	} cases[] = {
		{"{ }", "veth0", true},
		{"{ managed: [ '*' ] }", "veth0", true},
		{"{ managed: [ 'veth*', lxc0 ] }", "veth0", true},
		{"{ managed: [ 'veth*', lxc0 ] }", "lxc0", true},
		{"{ managed: [ 'veth*', lxc0 ] }", "lxc1", false},
		{"{ ignore: [ 'veth-mgmt*' ] }", "veth-mgmt0", false},
		{"{ ignore: [ 'veth-mgmt*' ] }", "veth0", true},
		{"{ managed: [ 'veth*' ], ignore: [ 'veth-mgmt*' ] }", "veth-mgmt0", false},
		{"{ managed: [ 'veth*' ] }", NULL, true}, /* a world file need not name interfaces */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fixture fixture;
		char policy[256];

		snprintf(policy, sizeof(policy), "version: 1\nsettings: %s\n", cases[i].settings);
		fixture_load(&fixture, policy, NULL);
		if (settings_manages(&fixture.policy->settings, cases[i].interface) != cases[i].managed)
			fail_msg("%s %s", cases[i].settings, cases[i].interface ? cases[i].interface : "-");
		fixture_free(&fixture);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_members_match_whole_and_all_keys),
		cmocka_unit_test(test_a_port_may_be_in_several_groups_of_one_zone),
		cmocka_unit_test(test_any_owner_is_enough),
		cmocka_unit_test(test_owners_in_two_zones_conflict),
		cmocka_unit_test(test_two_zones_conflict_and_name_both_places),
		cmocka_unit_test(test_managed_and_ignored_interfaces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
