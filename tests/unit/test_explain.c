/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fixture.h"

static const char world[] =
	"version: 1\n"
	"host: { addresses: [ 192.0.2.1, 10.0.0.1 ], bridges: { red: [ 10.0.0.0/24 ] } }\n"
	"containers:\n"
	"  - { name: web-1, runtime: docker, labels: { z: web }, ports: [ { interface: v1, network: red, addresses: [ "
	"10.0.0.11, 'fd00::11' ] } ] }\n"
	"  - { name: web-2, labels: { z: web }, ports: [ { interface: v2, network: red, addresses: [ 10.0.0.12 ] } ] "
	"}\n"
	"  - { name: db, labels: { z: db }, ports: [ { interface: v3, network: red, addresses: [ 10.0.0.13 ] }, { "
	"interface: v4, network: blue, addresses: [ 10.1.0.13 ] } ] }\n"
	"  - { name: six, labels: { z: six }, ports: [ { interface: v5, network: red, addresses: [ 'fd00::15' ] } ] }\n"
	"  - { name: torn, labels: { z: web, also: db }, ports: [ { interface: v6, network: red, addresses: [ "
	"10.0.0.16 ] } ] }\n"
	"  - { name: mgmt, ports: [ { interface: mgmt0, network: red, addresses: [ 10.0.0.17 ] } ] }\n"
	"  - { name: office, ports: [ { interface: v7, network: red, addresses: [ 10.0.0.18 ] } ] }\n"
	"  - { name: host, ports: [ { interface: v8, network: red, addresses: [ 10.0.0.19 ] } ] }\n"
	"  - { name: 10.0.0.11, ports: [ { interface: v9, network: blue, addresses: [ 10.1.0.20 ] } ] }\n"
	"  - { name: a@b, ports: [ { interface: v10, network: blue, addresses: [ 10.1.0.21 ] } ] }\n"
	"  - { name: bare, ports: [ { interface: v11 } ] }\n"
	"  - { name: unplugged }\n";

static const char policy[] =
	"version: 1\n"				 /* 1 */
	"settings: { ignore: [ 'mgmt*' ] }\n"	 /* 2 */
	"zones:\n"				 /* 3 */
	"  web: { members: { label: z=web } }\n" /* 4 */
	"  db:\n"				 /* 5 */
	"    groups: { main: { members: { label: z=db } }, rest: { members: { label: also=db } } }\n"
	"  six: { members: { label: z=six } }\n"
	"  far: { subnets: [ 198.51.100.0/24 ] }\n" /* 8 */
	"networks:\n"
	"  office: [ 203.0.113.0/24, '2001:db8:1::/48' ]\n" /* 10 */
	"  part: [ 203.0.113.64/26 ]\n"
	"  inside: [ 10.0.0.0/24 ]\n"
	"  wide: [ 0.0.0.0/0 ]\n"
	"services:\n"
	"  shop: [ http, tcp/8080-8090 ]\n" /* 15 */
	"rules:\n"
	"  - { name: front, from: world, to: web, allow: shop }\n"	    /* 17 */
	"  - { from: web, to: db/main, allow: tcp/5432 }\n"		    /* 18 */
	"  - { name: out, from: web, to: office, allow: https }\n"	    /* 19 */
	"  - { name: no part, from: web, to: part, deny: tcp/443 }\n"	    /* 20 */
	"  - { name: trial, from: web, to: db, allow: tcp, mode: audit }\n" /* 21 */
	"  - { name: far, from: far, to: web, allow: tcp/80 }\n"	    /* 22 */
	"  - { name: six, from: six, to: '2600::/16', allow: tcp/443 }\n"   /* 23 */
	"  - { name: wide, from: db, to: wide, allow: tcp/123 }\n"	    /* 24 */
	"  - { name: echo, from: web, to: db, allow: icmp/echo-request }\n" /* 25 */
	"  - { name: bare, from: unassigned, to: web, allow: tcp/99 }\n";   /* 26 */

static json_t *query(struct fixture *fixture, const char *from, const char *to, const char *service)
{
	struct error error = {0};
	json_t *answer = NULL;

	if (explain_query(fixture->explain, from, to, service, FIXTURE_NOW, &answer, &error) < 0)
		fail_msg("%s %s %s: %s", from, to, service, error.text);
	return answer;
}

/* "allow rule front", "deny default", "mixed", "unpoliced" */
static void check(struct fixture *fixture, const struct question *question)
{
	json_t *answer = query(fixture, question->from, question->to, question->service);
	const char *reason = json_string_value(json_object_get(answer, "reason"));
	const char *rule = json_string_value(json_object_get(json_object_get(answer, "rule"), "name"));
	char text[256];

	snprintf(text, sizeof(text), "%s%s%s%s%s", json_string_value(json_object_get(answer, "verdict")),
		 reason ? " " : "", reason ? reason : "", rule ? " " : "", rule ? rule : "");
	if (strcmp(text, question->expected) != 0)
		fail_msg("%s %s %s: '%s', expected '%s'", question->from, question->to, question->service, text,
			 question->expected);
	json_decref(answer);
}

static void check_all(const char *policy_text, const char *world_text, const struct question *questions, size_t count)
{
	struct fixture fixture;

	fixture_load(&fixture, policy_text, world_text);
	for (size_t i = 0; i < count; i++)
		check(&fixture, &questions[i]);
	fixture_free(&fixture);
}
#define CHECK_ALL(policy_text, world_text, questions) \
	check_all((policy_text), (world_text), (questions), sizeof(questions) / sizeof((questions)[0]))

static void test_words_are_tried_in_order(void **state)
{
	static const struct question questions[] = {
		{"web-1", "db", "tcp/5432", "allow rule"}, /* the container, before the zone */
		{"web-1", "zone:db", "tcp/5432", "allow rule"},
		{"web-1", "db@blue", "tcp/5432", "allow rule"},
		{"web-1", "container:db@blue", "tcp/5432", "allow rule"},
		{"web-1", "db/main", "tcp/5432", "allow rule"},
		{"web-1", "zone:db/main", "tcp/5432", "allow rule"},
		{"web-1", "office", "tcp/443", "deny unassigned"}, /* the container */
		{"web-1", "container:office", "tcp/443", "deny unassigned"},
		{"web-1", "net:office", "tcp/443", "mixed"},
		{"host", "web-1", "tcp/1", "deny unassigned"},
		{"net:host", "web-1", "tcp/1", "allow host"},
		{"10.0.0.11", "db", "tcp/5432", "allow rule"}, /* the address of web-1 */
		{"container:10.0.0.11", "web-1", "tcp/99", "allow rule bare"},
		{"net:10.0.0.11", "web-1", "tcp/99", "unpoliced"}, /* no network holds a container's address */
		{"a@b", "web-1", "tcp/99", "allow rule bare"},
		{"203.0.113.64/26", "web-1", "tcp/80", "allow rule front"},
		{"net:203.0.113.64/26", "web-1", "tcp/80", "allow rule front"},
		{"internet", "web-1", "tcp/80", "allow rule front"},
		{"net:internet", "web-1", "tcp/80", "allow rule front"},
	};

	(void)state;
	CHECK_ALL(policy, world, questions);
}

static void test_words_that_mean_nothing_are_errors(void **state)
{
	static const struct {
		const char *from, *to, *service, *message;
	} cases[] = {
		{"web-9", "db", "tcp/1", "did you mean 'web-"},
		{"web-1", "zone:office", "tcp/1", "'zone:office' is no"},
		{"web-1", "container:part", "tcp/1", "'container:part' is no"},
		{"web-1", "net:web", "tcp/1", "'net:web' is no"},
		{"web-1", "db@green", "tcp/1", "no port 'db@green'"},
		{"web-1", "db/mian", "tcp/1", "did you mean 'db/main'"},
		{"web-1", "10.0.0.0/33", "tcp/1", "'10.0.0.0/33' is no"},
		{"", "db", "tcp/1", "'' is no"},
		{"web-1", "db", "tcp/0", "tcp/0"},
		{"web-1", "db", "nothing", "nothing"},
		{"web-1", "d\x1b[31mb", "tcp/1", "\\x1b"},
	};
	struct fixture fixture;

	(void)state;
	fixture_load(&fixture, policy, world);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct error error = {0};
		json_t *answer = NULL;

		assert_int_equal(explain_query(fixture.explain, cases[i].from, cases[i].to, cases[i].service,
					       FIXTURE_NOW, &answer, &error),
				 -EINVAL);
		assert_null(answer);
		if (!strstr(error.text, cases[i].message))
			fail_msg("%s %s %s: %s", cases[i].from, cases[i].to, cases[i].service, error.text);
	}
	fixture_free(&fixture);
}

static void test_sets_are_every_member_and_address(void **state)
{
	static const struct question questions[] = {
		{"web", "web", "tcp/1", "allow group"},	       /* without the conflicted one, and no one with itself */
		{"web-1", "torn", "tcp/1", "deny conflicted"}, /* named, it is asked about */
		{"torn", "torn", "tcp/1", "unpoliced"},
		{"db", "db", "tcp/1", "unpoliced"}, /* a container with two ports and itself */
		{"db/main", "db/main", "tcp/1", "unpoliced"},
		{"db/rest", "web", "tcp/1", "unpoliced"}, /* nobody is there */
		{"unplugged", "web", "tcp/1", "unpoliced"},
		{"web", "office@red", "tcp/443", "deny unassigned"},
		{"web", "part", "tcp/443", "deny rule no part"},
		{"web", "net:office", "tcp/443", "mixed"}, /* part of it is denied */
		{"web", "net:office", "udp/443", "allow rule out"},
		{"web", "2001:db8:1::/64", "tcp/443", "allow rule out"},
		{"web", "203.0.113.0/26", "tcp/443", "allow rule out"},
		{"web", "203.0.113.0/25", "tcp/443", "mixed"},
		{"web", "net:office", "https", "mixed"},
		{"web", "part", "https", "mixed"}, /* udp/443 is allowed */
		{"world", "web", "shop", "allow rule front"},
		{"world", "web", "tcp/8080-8090", "allow rule front"},
		{"world", "web", "tcp/8080-8091", "mixed"},
		{"world", "web", "tcp/8091", "deny default"},
		{"far", "web", "tcp/80", "allow rule far"}, /* a zone known by its subnets */
		{"far", "web", "tcp/81", "deny default"},
		{"far", "far", "tcp/80", "unpoliced"},
		{"inside", "web", "tcp/80", "unpoliced"}, /* all of it is containers', the host's or unassigned */
		{"10.0.0.99", "web", "tcp/99", "allow rule bare"},
		{"unassigned", "web", "tcp/99", "allow rule bare"},
		{"unassigned", "unassigned", "tcp/99", "deny unassigned"},
		{"any", "web", "tcp/80", "mixed"},
		{"metadata", "web", "tcp/1", "deny default"},
		{"db", "metadata", "tcp/123", "deny default"},
		{"db", "wide", "tcp/123", "allow rule wide"}, /* a wide prefix means no special-use addresses */
		{"db", "0.0.0.0/0", "tcp/123", "allow rule wide"},
		{"db", "169.254.0.0/16", "tcp/123", "deny default"},
		{"db", "multicast", "tcp/123", "deny default"},
		{"bare", "web", "tcp/99", "allow rule bare"}, /* no addresses known: either family may be meant */
		{"bare", "six", "tcp/99", "deny unassigned"},
		{"net:host", "web", "all", "allow host"},
		{"world", "internet", "tcp/1", "unpoliced"}, /* many pairs without a port */
		{"any", "far", "tcp/1", "deny default"},     /* some of them: they do not count */
	};

	(void)state;
	CHECK_ALL(policy, world, questions);
}

static void test_pairs_of_two_families_do_not_count(void **state)
{
	static const struct question questions[] = {
		{"web-2", "six", "tcp/1", "unpoliced"},
		{"web-1", "six", "tcp/1", "deny default"},
		{"web", "six", "tcp/1", "deny default"},
		{"six", "8.8.8.8", "tcp/443", "unpoliced"},
		{"six", "2600::1", "tcp/443", "allow rule six"},
		{"six", "2600::/16", "tcp/443", "allow rule six"},
		{"six", "wide", "tcp/443", "unpoliced"},
		{"six", "64:ff9b::8.8.8.8", "tcp/443", "deny default"}, /* by NAT64, either family */
		{"web-2", "64:ff9b::203.0.113.1", "tcp/443", "allow rule out"},
		{"web-2", "db", "ping", "allow rule echo"}, /* ICMPv6 is none between IPv4 ends */
		{"web-2", "db", "icmpv6/echo-request", "unpoliced"},
		{"six", "six", "icmp", "unpoliced"},
		{"web-1", "six", "icmp/echo-request", "unpoliced"},
		{"web-1", "six", "ping", "deny default"},
		{"web-1", "db", "icmp/8", "allow rule echo"},
	};

	(void)state;
	CHECK_ALL(policy, world, questions);
}

static void test_ports_that_are_not_policed_are_addresses_only(void **state)
{
	static const struct question questions[] = {
		{"mgmt", "8.8.8.8", "tcp/1", "unpoliced"},	   {"mgmt", "net:host", "tcp/1", "unpoliced"},
		{"mgmt", "web", "tcp/99", "allow rule bare"}, /* an unknown address of the bridge */
		{"10.0.0.17", "web", "tcp/99", "allow rule bare"}, {"mgmt", "mgmt", "tcp/1", "unpoliced"},
		{"8.8.8.8", "9.9.9.9", "tcp/1", "unpoliced"},	   {"net:host", "internet", "tcp/1", "unpoliced"},
		{"10.0.0.99", "8.8.8.8", "tcp/1", "unpoliced"},
	};

	(void)state;
	CHECK_ALL(policy, world, questions);
}

static void test_an_address_on_two_bridges_is_seen_from_where_one_stands(void **state)
{
	static const char twins[] =
		"version: 1\n"
		"containers:\n"
		"  - { name: x, labels: { z: x }, ports: [ { network: n1, addresses: [ 10.5.0.2 ] } ] }\n"
		"  - { name: y, labels: { z: y }, ports: [ { network: n2, addresses: [ 10.5.0.2 ] } ] }\n"
		"  - { name: p, labels: { z: p }, ports: [ { network: n1, addresses: [ 10.5.0.9 ] } ] }\n"
		"  - { name: q, labels: { z: p }, ports: [ { network: n2, addresses: [ 10.5.0.8 ] } ] }\n"
		"  - { name: r, labels: { z: p }, ports: [ { network: n3, addresses: [ 10.6.0.8 ] } ] }\n";
	static const char rules[] = "version: 1\n"
				    "zones: { x: { members: { label: z=x } }, y: { members: { label: z=y } }, p: { "
				    "members: { label: z=p } } }\n"
				    "rules:\n"
				    "  - { name: to x, from: p, to: x, allow: tcp/1 }\n";
	static const struct question questions[] = {
		{"p", "10.5.0.2", "tcp/1", "allow rule to x"},
		{"q", "10.5.0.2", "tcp/1", "deny default"},
		{"r", "10.5.0.2", "tcp/1", "mixed"}, /* either may be meant */
		{"10.5.0.2", "q", "tcp/1", "deny default"},
	};

	(void)state;
	CHECK_ALL(rules, twins, questions);
}

/* ---- JSON ---- */

static void check_batch(struct fixture *fixture, const char *line, int expected_result, const char *expected)
{
	json_t *answer = NULL;
	char *text;

	assert_int_equal(explain_batch_line(fixture->explain, line, FIXTURE_NOW, &answer), expected_result);
	if (!expected) {
		assert_null(answer);
		return;
	}
	text = json_dumps(answer, JSON_COMPACT | JSON_PRESERVE_ORDER);
	assert_string_equal(text, expected);
	free(text);
	json_decref(answer);
}

static void test_a_batch_line_is_answered_as_the_page_says(void **state)
{
	struct fixture fixture;

	(void)state;
	fixture_load(&fixture, policy, world);
	check_batch(&fixture, "web-1 203.0.113.70 tcp/443\n", 0,
		    "{\"from\":\"web-1\",\"to\":\"203.0.113.70\",\"service\":\"tcp/443\",\"verdict\":\"deny\","
		    "\"mode\":\"enforce\",\"reason\":\"rule\","
		    "\"rule\":{\"name\":\"no part\",\"file\":\"test.yaml\",\"line\":20}}");
	check_batch(&fixture, "\tweb-1   zone:db tcp/5432", 0,
		    "{\"from\":\"web-1\",\"to\":\"zone:db\",\"service\":\"tcp/5432\",\"verdict\":\"allow\","
		    "\"mode\":\"enforce\",\"reason\":\"rule\",\"rule\":{\"file\":\"test.yaml\",\"line\":18},"
		    "\"staged\":[{\"name\":\"trial\",\"file\":\"test.yaml\",\"line\":21}]}");
	check_batch(
		&fixture, "web part https", 0,
		"{\"from\":\"web\",\"to\":\"part\",\"service\":\"https\",\"verdict\":\"mixed\",\"mode\":\"enforce\"}");
	check_batch(&fixture, "web-1 web-1 tcp/1", 0,
		    "{\"from\":\"web-1\",\"to\":\"web-1\",\"service\":\"tcp/1\",\"verdict\":\"unpoliced\","
		    "\"mode\":\"enforce\"}");
	check_batch(&fixture, "", 0, NULL);
	check_batch(&fixture, " \t\r\n", 0, NULL);
	check_batch(&fixture, "web-1 db", -EINVAL, "{\"error\":\"expected FROM TO SERVICE\"}");
	check_batch(&fixture, "web-1 db tcp/1 tcp/2", -EINVAL, "{\"error\":\"expected FROM TO SERVICE\"}");
	check_batch(&fixture, "web-1 nobody-at-all tcp/1", -EINVAL,
		    "{\"error\":\"'nobody-at-all' is no address, container, zone or network\"}");
	check_batch(&fixture, "web-1 \xff tcp/1", -EINVAL,
		    "{\"error\":\"'\\\\xff' is no address, container, zone or network\"}");
	fixture_free(&fixture);
}

static void test_a_single_question_tells_more(void **state)
{
	struct fixture fixture;
	json_t *answer, *next, *at;

	(void)state;
	fixture_load(&fixture, policy, world);
	answer = query(&fixture, "web-1", "203.0.113.70", "tcp/443");
	assert_string_equal(json_string_value(json_object_get(answer, "from_is")),
			    "container web-1 (docker), zone web");
	assert_string_equal(json_string_value(json_object_get(answer, "to_is")),
			    "203.0.113.70, world, in office, part, wide");
	at = json_object_get(answer, "at");
	assert_int_equal(json_integer_value(json_object_get(at, "line")), 20);
	assert_int_equal(json_integer_value(json_object_get(at, "column")), 5);
	assert_string_equal(json_string_value(json_object_get(at, "path")), "test.yaml");
	assert_string_equal(json_string_value(json_object_get(at, "text")),
			    "  - { name: no part, from: web, to: part, deny: tcp/443 }");
	next = json_object_get(answer, "next");
	assert_int_equal(json_array_size(next), 1);
	assert_string_equal(json_string_value(json_object_get(json_array_get(next, 0), "action")), "allow");
	assert_int_equal(json_integer_value(json_object_get(json_array_get(next, 0), "line")), 19);
	assert_null(json_object_get(answer, "cases"));
	json_decref(answer);

	answer = query(&fixture, "web-1", "db", "tcp/5433");
	assert_int_equal(json_integer_value(json_object_get(json_object_get(answer, "at"), "line")), 5);
	next = json_object_get(answer, "next");
	assert_int_equal(json_array_size(next), 1);
	assert_string_equal(json_string_value(json_object_get(json_array_get(next, 0), "action")), "staged");
	json_decref(answer);

	answer = query(&fixture, "web", "net:office", "tcp/443");
	assert_string_equal(json_string_value(json_object_get(answer, "from_is")), "zone web: 2 ports");
	assert_int_equal(json_array_size(json_object_get(answer, "cases")), 2);
	assert_null(json_object_get(answer, "at"));
	json_decref(answer);

	/* A default that nobody wrote has no place. */
	answer = query(&fixture, "net:host", "web-1", "tcp/1");
	assert_null(json_object_get(answer, "at"));
	assert_string_equal(json_string_value(json_object_get(answer, "from_is")), "the host");
	json_decref(answer);
	fixture_free(&fixture);
}

static void test_the_next_rules_stand_in_the_order_of_judgement(void **state)
{
	static const char many[] =
		"version: 1\nzones: { web: { members: { label: z=web } } }\nrules:\n"
		"  - { name: staged, from: any, to: web, deny: tcp, mode: audit }\n"
		"  - { name: allow, from: any, to: web, allow: tcp }\n"
		"  - { name: late, from: any, to: web, deny: tcp, expires: '2030-01-01T00:00:00Z' }\n"
		"  - { name: gone, from: any, to: web, deny: tcp, expires: '2020-01-01T00:00:00Z' }\n"
		"  - { name: later, from: any, to: web, deny: tcp, expires: '2031-01-01T00:00:00Z' }\n"
		"  - { name: second, from: any, to: web, deny: tcp }\n"
		"  - { name: third, from: any, to: web, deny: tcp }\n"
		"  - { name: other, from: any, to: web, deny: udp }\n";
	static const char *const expected[] = {"third", "later", "late", "allow", "staged"};
	struct fixture fixture;
	json_t *answer, *next;

	(void)state;
	fixture_load(&fixture, many, world);
	answer = query(&fixture, "8.8.8.8", "web-1", "tcp/1");
	assert_string_equal(json_string_value(json_object_get(json_object_get(answer, "rule"), "name")), "second");
	next = json_object_get(answer, "next");
	assert_int_equal(json_array_size(next), sizeof(expected) / sizeof(expected[0]));
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
		assert_string_equal(json_string_value(json_object_get(json_array_get(next, i), "name")), expected[i]);
	json_decref(answer);
	fixture_free(&fixture);
}

static void check_mode(struct fixture *fixture, const char *from, const char *to, const char *expected)
{
	json_t *answer = query(fixture, from, to, "tcp/1");

	if (strcmp(json_string_value(json_object_get(answer, "mode")), expected) != 0)
		fail_msg("%s %s", from, to);
	json_decref(answer);
}

static void test_mode_is_audit_when_the_flow_is_audited(void **state)
{
	static const char some[] = "version: 1\nzones:\n"
				   "  web: { members: { label: z=web }, mode: audit }\n"
				   "  db: { members: [ { label: z=db }, { label: also=db } ] }\n"
				   "  far: { subnets: [ 198.51.100.0/24 ], mode: audit }\n";
	static const char all[] = "version: 1\nsettings: { mode: audit }\nzones: { web: { members: { label: z=web } }, "
				  "db: { members: { label: also=db } } }\n";
	struct fixture fixture;

	(void)state;
	fixture_load(&fixture, some, world);
	check_mode(&fixture, "web", "8.8.8.8", "audit");
	check_mode(&fixture, "web", "web", "audit"); /* whatever the verdict */
	check_mode(&fixture, "web", "db", "enforce");
	check_mode(&fixture, "8.8.8.8", "9.9.9.9", "enforce");
	check_mode(&fixture, "198.51.100.1", "9.9.9.9", "audit"); /* unpoliced, and yet */
	check_mode(&fixture, "torn", "8.8.8.8", "enforce");
	check_mode(&fixture, "any", "8.8.8.8", "enforce"); /* not all of it */
	fixture_free(&fixture);
	fixture_load(&fixture, all, world);
	check_mode(&fixture, "8.8.8.8", "9.9.9.9", "audit");
	check_mode(&fixture, "web-1", "web-1", "audit");
	check_mode(&fixture, "torn", "8.8.8.8", "enforce");
	fixture_free(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words_are_tried_in_order),
		cmocka_unit_test(test_words_that_mean_nothing_are_errors),
		cmocka_unit_test(test_sets_are_every_member_and_address),
		cmocka_unit_test(test_pairs_of_two_families_do_not_count),
		cmocka_unit_test(test_ports_that_are_not_policed_are_addresses_only),
		cmocka_unit_test(test_an_address_on_two_bridges_is_seen_from_where_one_stands),
		cmocka_unit_test(test_a_batch_line_is_answered_as_the_page_says),
		cmocka_unit_test(test_a_single_question_tells_more),
		cmocka_unit_test(test_the_next_rules_stand_in_the_order_of_judgement),
		cmocka_unit_test(test_mode_is_audit_when_the_flow_is_audited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
