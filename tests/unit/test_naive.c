/* SPDX-License-Identifier: GPL-2.0-only */
/* Each sentence of 'What is allowed' and of 'Services' and 'Rules' in 'Precise readings', as questions and answers. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fixture.h"
#include "naive_town.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_steps_are_taken_in_order),
		cmocka_unit_test(test_within_deny_is_final_for_a_shared_group),
		cmocka_unit_test(test_between_groups_needs_to_be_said),
		cmocka_unit_test(test_host_to_containers_can_be_denied),
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
		cmocka_unit_test(test_the_place_is_what_decided),
		cmocka_unit_test(test_a_default_that_nobody_wrote_has_no_place),
		cmocka_unit_test(test_an_index_out_of_range_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
