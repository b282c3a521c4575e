/* SPDX-License-Identifier: GPL-2.0-only */
/* Rules that can never matter: what is warned of is true, and the plain cases are found. */
#include <inttypes.h>

#include "policy/judge.h"
#include "policy_text.h"
#include "tests/lib/random_policy.h"

#define POLICIES	     300
#define QUESTIONS_PER_POLICY 200
#define COVERED_MIN	     50 /* warnings that the random policies must bring, for the test to be worth something */

static const char head[] = "version: 1\n"
			   "zones:\n"
			   "  shop: { groups: { a: { members: { name: a } }, b: { members: { name: b } } } }\n"
			   "  ci: { members: { name: c } }\n"
			   "settings: { metadata: 198.51.100.1, nat64: \"2001:db8:64::/96\" }\n"
			   "networks:\n"
			   "  corp: { cidrs: [ 10.0.0.0/8, \"2001:db8::/32\" ], except: 10.66.0.0/16 }\n"
			   "  nested: [ 10.0.0.0/8, 10.1.0.0/16, 192.168.0.0/24 ]\n"
			   "  all4: 0.0.0.0/0\n"
			   "  everything: [ 0.0.0.0/0, \"::/0\" ]\n"
			   "  some: { cidrs: 10.0.0.0/8, except: 10.66.0.0/15 }\n"
			   "  less: { cidrs: 10.0.0.0/8, except: 10.66.1.0/24 }\n"
			   "  empty: []\n"
			   "rules:\n";
#define FIRST_RULE_LINE 15

/* Lines of `rules` that are warned of, from 1: "2 3". */
static const char *covered(const char *rules)
{
	static char lines[256];
	struct diagnostics diagnostics = {0};
	struct text text = {0};
	struct policy *policy;
	size_t length = 0;

	text_append(&text, head);
	text_append(&text, rules);
	assert_int_equal(policy_load_text("t", text.data, text.length, 0, &policy, &diagnostics, NULL), 0);
	lines[0] = '\0';
	for (size_t i = 0; i < diagnostics.count; i++)
		if (diagnostics.items[i].severity == SEVERITY_WARNING)
			length += (size_t)snprintf(lines + length, sizeof(lines) - length, "%s%u", length ? " " : "",
						   diagnostics.items[i].place.line - FIRST_RULE_LINE + 1);
	policy_free(policy);
	diagnostics_free(&diagnostics);
	text_free(&text);
	return lines;
}

static void test_plain_cases(void **state)
{
	static const struct {
		const char *rules, *covered;
	} cases[] = {
		{"- { from: any, to: any, deny: all }\n- { from: shop, to: [ any, host ], allow: dns }\n", "2"},
		{"- { from: shop, to: any, allow: dns }\n- { from: any, to: any, deny: all }\n", "1"},
		{"- { from: shop, to: ci, deny: tcp }\n- { from: [ shop/a, shop/b ], to: ci, allow: tcp/1 }\n", "2"},
		{"- { from: shop/a, to: ci, deny: tcp }\n- { from: shop, to: ci, allow: tcp/1 }\n", ""},
		{"- { from: shop/a, to: ci, deny: tcp }\n- { from: [ shop/a, shop/b ], to: ci, allow: tcp/1 }\n", ""},
		{"- { from: shop, to: any, deny: tcp }\n- { from: any, to: ci, allow: tcp/1 }\n", ""},
		{"- { from: shop, to: ci, deny: [ tcp/1-9, dns ] }\n- { from: shop, to: ci, allow: [ tcp/2-3, dns ] "
		 "}\n",
		 "2"},
		{"- { from: shop, to: ci, deny: tcp/1-9 }\n- { from: shop, to: ci, allow: tcp/9-10 }\n", ""},
		{"- { from: shop, to: ci, deny: ping }\n- { from: shop, to: ci, allow: icmp }\n", ""},
		/* two denies that cover one another: the later one */
		{"- { from: shop, to: ci, deny: tcp }\n- { from: shop, to: ci, deny: tcp }\n", "2"},
		{"- { from: shop/a, to: ci, deny: tcp }\n- { from: shop, to: ci, deny: tcp }\n", "1"},
		/* denies that do not act for ever, or not at all */
		{"- { from: shop, to: ci, deny: all, mode: audit }\n- { from: shop, to: ci, allow: tcp }\n", ""},
		{"- { from: shop, to: ci, deny: all, expires: 2030-01-01T00:00:00Z }\n- { from: shop, to: ci, allow: "
		 "tcp }\n",
		 ""},
		{"- { from: shop, to: ci, deny: all, expires: 2030-01-01T00:00:00Z }\n"
		 "- { from: shop, to: ci, allow: tcp, expires: 2029-01-01T00:00:00Z }\n",
		 "2"},
		{"- { from: shop, to: ci, deny: all }\n- { from: shop, to: ci, allow: tcp, mode: audit }\n", "2"},
		/* networks */
		{"- { from: any, to: corp, deny: all }\n- { from: ci, to: [ 10.1.0.0/16, \"2001:db8::1\" ], allow: tcp "
		 "}\n",
		 "2"},
		{"- { from: any, to: corp, deny: all }\n- { from: ci, to: 10.0.0.0/8, allow: tcp }\n", ""},
		{"- { from: any, to: corp, deny: all }\n- { from: ci, to: 10.66.1.0/24, allow: tcp }\n", ""},
		{"- { from: any, to: corp, deny: all }\n- { from: ci, to: some, allow: tcp }\n", "2"},
		{"- { from: any, to: corp, deny: all }\n- { from: ci, to: less, allow: tcp }\n", ""},
		{"- { from: any, to: nested, deny: all }\n- { from: ci, to: [ 10.2.0.0/16, 192.168.0.7 ], allow: tcp "
		 "}\n",
		 "2"},
		{"- { from: any, to: nested, deny: all }\n- { from: ci, to: 192.168.0.0/16, allow: tcp }\n", ""},
		{"- { from: any, to: all4, deny: all }\n- { from: ci, to: 10.0.0.1, allow: tcp }\n", "2"},
		{"- { from: any, to: all4, deny: all }\n- { from: ci, to: internet, allow: tcp }\n", ""},
		{"- { from: any, to: everything, deny: all }\n- { from: ci, to: [ internet, private, world ], allow: "
		 "tcp }\n",
		 "2"},
		{"- { from: any, to: everything, deny: all }\n- { from: ci, to: shop, allow: tcp }\n", ""},
		{"- { from: corp, to: ci, deny: all }\n- { from: 10.1.2.3, to: ci, allow: tcp }\n", "2"},
		{"- { from: any, to: world, deny: all }\n- { from: ci, to: empty, allow: tcp }\n", ""},
		/* built-in ends */
		{"- { from: any, to: world, deny: all }\n- { from: ci, to: [ internet, private, nested, all4 ], allow: "
		 "tcp }\n",
		 "2"},
		{"- { from: any, to: world, deny: all }\n- { from: ci, to: all4, deny: tcp }\n", ""},
		{"- { from: any, to: world, deny: all }\n- { from: ci, to: 127.0.0.1, allow: tcp }\n", ""},
		{"- { from: any, to: world, deny: all }\n- { from: ci, to: 224.0.0.0/3, allow: tcp }\n", ""},
		{"- { from: any, to: world, deny: all }\n- { from: ci, to: 198.51.100.1, allow: tcp }\n", ""},
		{"- { from: any, to: world, deny: all }\n- { from: ci, to: 198.51.100.0/24, allow: tcp }\n", "2"},
		{"- { from: any, to: world, deny: all }\n- { from: ci, to: 198.51.100.0/24, deny: tcp }\n", ""},
		{"- { from: any, to: world, deny: all }\n- { from: ci, to: \"2001:db8:64::/96\", allow: tcp }\n", ""},
		{"- { from: any, to: internet, deny: all }\n- { from: ci, to: [ 8.8.8.0/24, \"2600::/32\" ], allow: "
		 "tcp }\n",
		 "2"},
		{"- { from: any, to: internet, deny: all }\n- { from: ci, to: \"4000::/8\", allow: tcp }\n", ""},
		{"- { from: any, to: internet, deny: all }\n- { from: ci, to: 192.0.2.0/24, allow: tcp }\n", ""},
		{"- { from: any, to: private, deny: all }\n- { from: ci, to: [ 100.64.0.0/10, \"fd00::/8\" ], allow: "
		 "tcp }\n",
		 "2"},
		{"- { from: any, to: private, deny: all }\n- { from: ci, to: 100.100.100.200, allow: tcp }\n", ""},
		{"- { from: any, to: private, deny: all }\n- { from: ci, to: 10.0.0.0/7, allow: tcp }\n", ""},
		{"- { from: any, to: metadata, deny: all }\n- { from: ci, to: metadata, allow: http }\n", "2"},
		{"- { from: [ shop, host ], to: any, deny: all }\n- { from: host, to: unassigned, allow: http }\n",
		 "2"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *found = covered(cases[i].rules);

		if (strcmp(found, cases[i].covered) != 0)
			fail_msg("warned of '%s', not '%s':\n%s", found, cases[i].covered, cases[i].rules);
	}
}

static const struct rule *rule_at(const struct policy *policy, const struct place *place)
{
	for (size_t i = 0; i < policy->rules.count; i++)
		if (policy->rules.items[i].place.line == place->line &&
		    policy->rules.items[i].place.column == place->column)
			return &policy->rules.items[i];
	fail_msg("no rule in line %u", place->line);
	return NULL;
}

/* Where the rule matches, so does the deny that is said to cover it. */
static void ask(const struct random_case *made, struct random_state *random, const struct rule *rule,
		const struct rule *deny)
{
	struct standing ends[2] = {0};
	struct service_point service;
	int64_t now = random_now(random);

	for (size_t i = 0; i < 2; i++) {
		struct party party;

		random_party(random, &made->world, &party);
		assert_int_equal(standing_find(made->policy, &made->world, &party, &ends[i]), 0);
	}
	random_service(random, &service);
	if (rule_matches(rule, made->policy, &ends[0], &ends[1], &service, now) &&
	    !rule_matches(deny, made->policy, &ends[0], &ends[1], &service, now))
		fail_msg("the rule in line %u matters in spite of line %u, seed %" PRIu64 ":\n%s", rule->place.line,
			 deny->place.line, made->seed, made->policy_text);
	standing_free(&ends[0]);
	standing_free(&ends[1]);
}

static size_t check_policy(uint64_t seed)
{
	struct diagnostics diagnostics = {0};
	struct random_state random;
	struct random_case made;
	struct policy *policy;
	size_t found = 0;

	assert_int_equal(random_case_new(seed, &made, &random), 0);
	assert_int_equal(policy_load_text("t", made.policy_text, strlen(made.policy_text), RANDOM_NOW_FIRST, &policy,
					  &diagnostics, NULL),
			 0);
	for (size_t i = 0; i + 1 < diagnostics.count; i++) {
		const struct diagnostic *warning = &diagnostics.items[i];

		if (!strstr(warning->message, "can never matter"))
			continue;
		found++;
		for (size_t j = 0; j < QUESTIONS_PER_POLICY; j++)
			ask(&made, &random, rule_at(made.policy, &warning->place),
			    rule_at(made.policy, &warning[1].place));
	}
	policy_free(policy);
	diagnostics_free(&diagnostics);
	random_case_free(&made);
	return found;
}

static void test_what_is_warned_of_never_matters(void **state)
{
	size_t found = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= POLICIES; seed++)
		found += check_policy(seed);
	assert_true(found >= COVERED_MIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain_cases),
		cmocka_unit_test(test_what_is_warned_of_never_matters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
