/* SPDX-License-Identifier: GPL-2.0-only */
/* The naive reading and the compiled table, held against each other on random policies and worlds.
 *
 * BULKHEAD_RANDOM_SEED (default: from the clock) and BULKHEAD_RANDOM_COUNT (policies, default 300) choose the run; what
 * fails is printed with its seed. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "policy/naive.h"
#include "table/table.h"
#include "tests/lib/random_policy.h"

#define POLICIES_DEFAULT     300
#define QUESTIONS_PER_POLICY 250
#define PAIRS_PER_POLICY     20
#define NS_PER_S	     1000000000

static uint64_t number_from_environment(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text && *text ? strtoull(text, NULL, 10) : otherwise;
}

/* When the table is made, in s: mostly before anything expires. */
static int64_t random_first(struct random_state *random)
{
	const int64_t *expiries;
	size_t count = random_expiries(&expiries);

	if (random_chance(random, 70))
		return RANDOM_NOW_FIRST / NS_PER_S;
	return expiries[random_below(random, (uint32_t)count)] / NS_PER_S;
}

struct question {
	struct party from, to;
	struct service_point service;
	int64_t now;
};

static void print_party(const char *word, const struct party *party)
{
	char buffer[ADDR_TEXT_MAX];

	if (party->kind == PARTY_PORT)
		print_error("  %s port %u\n", word, party->port);
	else if (party->kind == PARTY_HOST)
		print_error("  %s host\n", word);
	else
		print_error("  %s %s seen from domain %u\n", word, addr_format(&party->addr, buffer), party->domain);
}

static void print_verdict(const char *word, const struct verdict *verdict)
{
	if (verdict->unpoliced) {
		print_error("  %s: unpoliced\n", word);
		return;
	}
	print_error("  %s: %s, %s, reason %s, rule %d, line %u, staged", word, verdict->allow ? "allow" : "deny",
		    verdict->audit ? "audit" : "enforce", reason_names[verdict->reason], verdict->rule,
		    verdict->place.line);
	for (size_t i = 0; i < verdict->staged.count; i++)
		print_error(" %u", verdict->staged.items[i]);
	print_error("\n");
}

static void print_case(const struct random_case *made, const struct question *question)
{
	fprintf(stderr, "%s\n%s\nseed %" PRIu64 ":\n", made->policy_text, made->world_text, made->seed);
	print_party("from", &question->from);
	print_party("to", &question->to);
	print_error("  protocol %u port %u (0x%x) at %" PRId64 "\n", question->service.protocol, question->service.port,
		    question->service.port, question->now);
}

/* ---- Verdicts ---- */

/* Does staged rule `index` decide, if it were in force? The denies come first; of a kind the first in order that never
 * expires, or the last to expire. */
static bool rule_before(const struct policy *policy, uint32_t a, int b)
{
	const struct rule *x = &policy->rules.items[a], *y = &policy->rules.items[b];

	if (x->expires != y->expires)
		return x->expires > y->expires;
	return x->place.line != y->place.line ? x->place.line < y->place.line : a < (uint32_t)b;
}

static bool staged_decides(const struct policy *policy, const struct verdict *naive, uint32_t index)
{
	const struct rule *rule = &policy->rules.items[index];
	bool by_rule = naive->reason == REASON_RULE;

	if (rule->deny)
		return !by_rule || naive->allow || rule_before(policy, index, naive->rule);
	return !by_rule || (naive->allow && rule_before(policy, index, naive->rule));
}

/* The table has room for one staged rule: the deny before the allow, that which lasts before that which expires. It
 * must be one that naive finds; and there must be one where a rule that never expires would decide, unless the place
 * was taken by a deny that has expired since (`first`: the verdict when the table was made). */
static bool staged_agree(const struct policy *policy, const struct verdict *first, const struct verdict *naive,
			 const struct verdict *table)
{
	bool expected = false, found = table->staged.count == 0, deny = false;

	for (size_t i = 0; i < first->staged.count; i++)
		deny = deny || policy->rules.items[first->staged.items[i]].deny;
	for (size_t i = 0; i < naive->staged.count; i++) {
		uint32_t index = naive->staged.items[i];
		const struct rule *rule = &policy->rules.items[index];

		if (rule->expires == TIME_NEVER && (rule->deny || !deny) && staged_decides(policy, naive, index))
			expected = true;
		if (table->staged.count && table->staged.items[0] == index)
			found = true;
	}
	if (naive->reason == REASON_CONFLICTED)
		return table->staged.count == 0;
	return found && table->staged.count <= 1 && (!expected || table->staged.count == 1);
}

static bool verdicts_agree(const struct policy *policy, const struct verdict *first, const struct verdict *naive,
			   const struct verdict *table)
{
	if (naive->unpoliced || table->unpoliced)
		return naive->unpoliced == table->unpoliced;
	return naive->allow == table->allow && naive->audit == table->audit && naive->reason == table->reason &&
	       naive->rule == table->rule && naive->place.line == table->place.line &&
	       (naive->place.line == 0 || naive->place.column == table->place.column) &&
	       staged_agree(policy, first, naive, table);
}

static void ask(const struct random_case *made, struct naive *naive, struct table_judge *judge, int64_t first_now,
		const struct question *question)
{
	struct verdict first = {0}, plain = {0}, compiled = {0};

	assert_int_equal(naive_judge(naive, &question->from, &question->to, &question->service, first_now, &first), 0);
	assert_int_equal(naive_judge(naive, &question->from, &question->to, &question->service, question->now, &plain),
			 0);
	assert_int_equal(
		table_judge(judge, &question->from, &question->to, &question->service, question->now, &compiled), 0);
	if (!verdicts_agree(made->policy, &first, &plain, &compiled)) {
		print_case(made, question);
		print_verdict("naive", &plain);
		print_verdict("table", &compiled);
		fail_msg("naive and table differ, seed %" PRIu64, made->seed);
	}
	verdict_free(&first);
	verdict_free(&plain);
	verdict_free(&compiled);
}

/* ---- The table by itself ---- */

static void check_order(const struct table *table)
{
	for (size_t i = 1; i < table->cells.count; i++)
		assert_true(table->cells.items[i - 1].key < table->cells.items[i].key);
	for (size_t i = 1; i < table->decisions.count; i++)
		assert_true(table->decisions.items[i - 1].number < table->decisions.items[i].number);
	for (size_t i = 1; i < table->identities.count; i++)
		assert_true(table->identities.items[i - 1].number < table->identities.items[i].number);
	for (size_t i = 1; i < table->prefixes.count; i++)
		assert_true(prefix_compare(&table->prefixes.items[i - 1].prefix, &table->prefixes.items[i].prefix) < 0);
}

static void check_prefixes(const struct table *table)
{
	size_t roots = 0;

	for (size_t i = 0; i < table->prefixes.count; i++) {
		const struct prefix_entry *entry = &table->prefixes.items[i];
		uint32_t parent = table->prefix_parents[i];

		assert_in_range(entry->class, BH_CLASS_FIRST, table->class_count - 1);
		if (parent == UINT32_MAX) {
			assert_int_equal(entry->prefix.length, 0);
			roots++;
		} else {
			assert_true(prefix_covers(&table->prefixes.items[parent].prefix, &entry->prefix));
			assert_int_not_equal(table->prefixes.items[parent].class, entry->class);
		}
	}
	assert_int_equal(roots, 2);
}

static void check_services(const struct table *table)
{
	for (uint32_t row = 0; row < BH_SERVICE_ROWS; row++)
		for (uint32_t column = 0; column < 256; column++) {
			uint32_t service = table->services[row].class[column];

			assert_in_range(service, 0, table->service_class_count - 1);
		}
}

/* The reach of a pair says just what its services do. */
static void check_reach(const struct random_case *made, struct random_state *random, const struct table *table,
			int64_t first)
{
	const int64_t *expiries;
	size_t expiry_count = random_expiries(&expiries);

	for (size_t i = 0; i < PAIRS_PER_POLICY; i++) {
		struct addr from, to;
		struct table_verdict verdict = {0}, reach;
		uint32_t src, dst;
		bool ever = false;

		random_addr(random, &made->world, &from);
		random_addr(random, &made->world, &to);
		src = table_class(table, &from, 0);
		dst = table_class(table, &to, 0);
		for (size_t t = 0; t <= expiry_count; t++) {
			int64_t now = t == 0 || expiries[t - 1] < first ? first : expiries[t - 1];
			bool some = false;

			for (uint32_t service = 0; service < table->service_class_count; service++) {
				table_lookup(table, src, dst, service, now, &verdict);
				some = some || verdict.allow;
			}
			ever = ever || some;
			table_lookup(table, src, dst, BH_SERVICE_REACH, now, &reach);
			assert_int_equal(reach.audit, verdict.audit);
			if (some)
				assert_true(reach.allow);
		}
		table_lookup(table, src, dst, BH_SERVICE_REACH, first, &reach);
		assert_int_equal(reach.allow, ever);
	}
}

/* What is said to hold until an instant does, as naive sees it. */
static void check_validity(const struct random_case *made, struct random_state *random, struct naive *naive,
			   const struct table *table, int64_t now)
{
	for (size_t i = 0; i < PAIRS_PER_POLICY; i++) {
		struct question question = {.from.kind = PARTY_PORT, .to.kind = PARTY_PORT, .now = now};
		struct verdict verdict = {0};
		struct table_verdict first;

		question.from.port = random_below(random, (uint32_t)made->world.ports.count);
		question.to.port = random_below(random, (uint32_t)made->world.ports.count);
		random_service(random, &question.service);
		table_lookup(table, table->ports.items[question.from.port].identity,
			     table->ports.items[question.to.port].identity, table_service(table, &question.service),
			     question.now, &first);
		if (first.valid_until == BH_FOREVER)
			question.now = INT64_MAX - 1;
		else
			question.now = (int64_t)first.valid_until - 1;
		assert_int_equal(
			naive_judge(naive, &question.from, &question.to, &question.service, question.now, &verdict), 0);
		if (!verdict.unpoliced && !made->world.ports.items[question.from.port].unpoliced &&
		    !made->world.ports.items[question.to.port].unpoliced && verdict.allow != first.allow) {
			print_case(made, &question);
			print_verdict("naive at the end", &verdict);
			fail_msg("a verdict does not hold as long as it says, seed %" PRIu64, made->seed);
		}
		verdict_free(&verdict);
	}
}

static void run_case(uint64_t seed, struct registry *registry)
{
	struct random_state random;
	struct random_case made;
	struct table *table = NULL;
	struct error error = {0};

	assert_int_equal(random_case_new(seed, &made, &random), 0);
	const int64_t first_s = random_first(&random), first = first_s * NS_PER_S;
	if (table_compile(made.policy, &made.world, registry, first_s, &table, &error) < 0)
		fail_msg("seed %" PRIu64 " does not compile: %s", seed, error.text);
	struct naive naive = {made.policy, &made.world};
	struct table_judge judge = {table, made.policy, &made.world};
	check_order(table);
	check_prefixes(table);
	check_services(table);
	for (size_t i = 0; i < QUESTIONS_PER_POLICY; i++) {
		struct question question;

		random_party(&random, &made.world, &question.from);
		random_party(&random, &made.world, &question.to);
		random_service(&random, &question.service);
		question.now = random_now(&random);
		if (question.now < first)
			question.now = first;
		ask(&made, &naive, &judge, first, &question);
	}
	check_reach(&made, &random, table, first);
	check_validity(&made, &random, &naive, table, first);
	table_free(table);
	random_case_free(&made);
}

static void test_naive_and_table_agree(void **state)
{
	uint64_t seed = number_from_environment("BULKHEAD_RANDOM_SEED", (uint64_t)time(NULL) * 1000);
	uint64_t count = number_from_environment("BULKHEAD_RANDOM_COUNT", POLICIES_DEFAULT);
	struct registry *registry = NULL;

	(void)state;
	assert_int_equal(registry_new(&registry), 0);
	print_message("%" PRIu64 " policies from seed %" PRIu64 "\n", count, seed);
	for (uint64_t i = 0; i < count; i++)
		run_case(seed + i, registry);
	registry_free(registry);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_naive_and_table_agree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
