/* SPDX-License-Identifier: GPL-2.0-only */
/* The rules in the order in which they decide, and their ends: equal ends are one, and each is a list of subjects. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "table/compile.h"

#define NS_PER_S 1000000000

/* A sort key, so that the comparison needs no context. */
struct rank_key {
	int64_t expires;
	uint32_t file, line, rule;
};

static int rank_compare(const void *a, const void *b)
{
	const struct rank_key *x = a, *y = b;

	if (x->expires != y->expires) /* TIME_NEVER is the latest of all */
		return x->expires > y->expires ? -1 : 1;
	if (x->file != y->file)
		return x->file < y->file ? -1 : 1;
	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	return x->rule < y->rule ? -1 : 1;
}

static int rank_key_compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct end_key));
}

/* Literal prefixes that say the same are one network: a policy may write 0.0.0.0/0 a thousand times. */
static int rank_networks(struct compile *compile)
{
	const struct policy *policy = compile->policy;
	struct map *first = map_new();
	int r = 0;

	compile->network_first = calloc(policy->networks.count + 1, sizeof(*compile->network_first));
	if (!first || !compile->network_first)
		r = -ENOMEM;
	for (size_t i = 0; r == 0 && i < policy->networks.count; i++) {
		const struct network *network = &policy->networks.items[i];
		const struct prefix *prefix = network->cidrs.items;
		void *found;

		compile->network_first[i] = (uint32_t)i;
		if (network->name || network->cidrs.count != 1 || network->except.count)
			continue;
		found = map_get(first, prefix, sizeof(*prefix));
		if (found)
			compile->network_first[i] = (uint32_t)(uintptr_t)found - 1;
		else
			r = map_set(first, prefix, sizeof(*prefix), (void *)(uintptr_t)(i + 1), NULL);
	}
	map_free(first, NULL);
	return r < 0 ? compile_out_of_memory(compile) : 0;
}

static struct end_key rank_end_key(const struct compile *compile, const struct end *end, bool deny)
{
	struct end_key key = {.kind = end->kind};

	if (end->kind == END_ANY || end->kind == END_NETWORK)
		key.deny = deny;
	if (end->kind == END_NETWORK)
		key.index = compile->network_first[end->index];
	else if (end->kind == END_ZONE || end->kind == END_GROUP)
		key.index = end->index;
	return key;
}

/* The interned list of these ends. */
static int rank_ends(struct compile *compile, const struct ends *ends, bool deny, uint32_t *ret_list)
{
	struct end_key *keys = calloc(ends->count + 1, sizeof(*keys));
	struct end_list *list;
	size_t count = 0;
	void *found;

	if (!keys)
		return -ENOMEM;
	for (size_t i = 0; i < ends->count; i++)
		keys[i] = rank_end_key(compile, &ends->items[i], deny);
	qsort(keys, ends->count, sizeof(*keys), rank_key_compare);
	for (size_t i = 0; i < ends->count; i++)
		if (count == 0 || rank_key_compare(&keys[i], &keys[count - 1]) != 0)
			keys[count++] = keys[i];
	found = map_get(compile->end_index, keys, count * sizeof(*keys));
	if (found) {
		free(keys);
		*ret_list = (uint32_t)(uintptr_t)found - 1;
		return 0;
	}
	list = array_append(&compile->ends);
	if (!list) {
		free(keys);
		return -ENOMEM;
	}
	*list = (struct end_list){keys, count};
	*ret_list = (uint32_t)compile->ends.count - 1;
	return map_set(compile->end_index, keys, count * sizeof(*keys), (void *)(uintptr_t)compile->ends.count, NULL);
}

/* Networks that the same ends name (all of them or none) need not be told apart: a holder stands for all of these. */
static int rank_holders(struct compile *compile, bool deny)
{
	size_t network_count = compile->policy->networks.count;
	struct numbers *lists = calloc(network_count + 1, sizeof(*lists));
	uint32_t *holders = calloc(network_count + 1, sizeof(*holders));
	struct map *index = map_new();
	int r = lists && holders && index ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < compile->ends.count; i++) {
		const struct end_list *list = &compile->ends.items[i];

		for (size_t k = 0; r == 0 && k < list->count; k++)
			if (list->keys[k].kind == END_NETWORK && list->keys[k].deny == deny)
				r = numbers_add(&lists[list->keys[k].index], (uint32_t)i);
	}
	for (size_t i = 0; r == 0 && i < network_count; i++) {
		const struct numbers *list = &lists[i];
		size_t size = list->count * sizeof(*list->items);

		if (list->count == 0)
			continue;
		holders[i] = (uint32_t)(uintptr_t)map_get(index, list->items, size);
		if (holders[i])
			continue;
		holders[i] = (uint32_t)map_count(index) + 1;
		r = map_set(index, list->items, size, (void *)(uintptr_t)holders[i], NULL);
	}
	for (size_t i = 0; lists && i < network_count; i++)
		array_free(&lists[i]);
	free(lists);
	map_free(index, NULL);
	compile->holders[deny] = holders;
	return r;
}

static int rank_rule(struct compile *compile, uint32_t rule_index)
{
	const struct rule *rule = &compile->policy->rules.items[rule_index];
	struct ranked *ranked = array_append(&compile->rules);
	struct ranked made = {.rule = rule_index};
	int r;

	if (!ranked)
		return compile_out_of_memory(compile);
	r = rank_ends(compile, &rule->from, rule->deny, &made.from);
	if (r == 0)
		r = rank_ends(compile, &rule->to, rule->deny, &made.to);
	if (r < 0)
		return compile_out_of_memory(compile);
	r = compile_service_set(compile, &rule->services, &made.services);
	if (r == 0)
		r = compile_rule_decision(compile, rule_index, &made.decision);
	if (r == 0)
		*ranked = made;
	return r;
}

int compile_rules(struct compile *compile)
{
	const struct policy *policy = compile->policy;
	struct rank_key *keys = calloc(policy->rules.count + 1, sizeof(*keys));
	size_t count = 0;
	int r;

	compile->end_index = map_new();
	if (!keys || !compile->end_index) {
		free(keys);
		return compile_out_of_memory(compile);
	}
	for (size_t i = 0; i < policy->rules.count; i++) {
		const struct rule *rule = &policy->rules.items[i];

		/* `now_s` is cut to the second: a rule that ends within it is still kept, and ends by itself. */
		if (rule->expires != TIME_NEVER &&
		    rule->expires / NS_PER_S < compile->now_s + (rule->expires % NS_PER_S == 0))
			continue;
		keys[count++] = (struct rank_key){rule->expires, rule->place.file, rule->place.line, (uint32_t)i};
	}
	qsort(keys, count, sizeof(*keys), rank_compare);
	r = rank_networks(compile);
	for (size_t i = 0; r == 0 && i < count; i++)
		r = rank_rule(compile, keys[i].rule);
	free(keys);
	if (r == 0 && (rank_holders(compile, false) < 0 || rank_holders(compile, true) < 0))
		r = compile_out_of_memory(compile);
	return r;
}

/* ---- Ends as lists of subjects ---- */

static bool rank_end_matches(const struct end_key *key, const struct subject *subject)
{
	switch ((enum end_kind)key->kind) {
	case END_ANY:
		return key->deny || !(subject->traits & TRAIT_METADATA);
	case END_HOST:
		return subject->kind == SUBJECT_HOST;
	case END_WORLD:
		return subject->traits & TRAIT_WORLD;
	case END_INTERNET:
		return subject->traits & TRAIT_INTERNET;
	case END_PRIVATE:
		return subject->traits & TRAIT_PRIVATE;
	case END_METADATA:
		return subject->traits & TRAIT_METADATA;
	case END_MULTICAST:
		return subject->traits & TRAIT_GROUP;
	case END_UNASSIGNED:
		return subject->kind == SUBJECT_UNASSIGNED || subject->kind == SUBJECT_NEIGHBOUR;
	case END_ZONE:
		return subject->zone == key->index;
	case END_GROUP:
		for (size_t i = 0; i < subject->groups.count; i++)
			if (subject->groups.items[i] == key->index)
				return true;
		return false;
	case END_NETWORK: /* by its holder */
	case END_KIND_MAX:
		break;
	}
	return false;
}

/* For each holder the subjects that it holds. */
struct held {
	struct numbers *by_holder[2]; /* [deny] */
	size_t count;
};

static void held_free(struct held *held)
{
	for (int deny = 0; deny < 2; deny++) {
		for (size_t i = 0; held->by_holder[deny] && i < held->count; i++)
			array_free(&held->by_holder[deny][i]);
		free(held->by_holder[deny]);
	}
}

static int held_find(const struct compile *compile, struct held *held)
{
	held->count = compile->policy->networks.count + 1;
	for (int deny = 0; deny < 2; deny++) {
		held->by_holder[deny] = calloc(held->count, sizeof(struct numbers));
		if (!held->by_holder[deny])
			return -ENOMEM;
	}
	for (size_t s = 0; s < compile->subjects.count; s++) {
		const struct subject *subject = &compile->subjects.items[s];
		const uint32_t *holders;
		size_t count = 0;

		if (subject->signature == COMPILE_NONE)
			continue;
		holders = lists_get(&compile->signatures, subject->signature, &count);
		for (size_t i = 0; i < count; i++) {
			bool deny = holders[i] & SIGNATURE_DENY;

			if (numbers_add(&held->by_holder[deny][holders[i] & ~SIGNATURE_DENY], (uint32_t)s) < 0)
				return -ENOMEM;
		}
	}
	return 0;
}

static int rank_end_subjects(const struct compile *compile, const struct end_key *key, const struct held *held,
			     struct numbers *subjects)
{
	int r = 0;

	if (key->kind == END_NETWORK) {
		const struct numbers *list = &held->by_holder[key->deny][compile->holders[key->deny][key->index]];

		for (size_t i = 0; r == 0 && i < list->count; i++)
			r = numbers_add(subjects, list->items[i]);
		return r;
	}
	for (size_t s = 0; r == 0 && s < compile->subjects.count; s++)
		if (rank_end_matches(key, &compile->subjects.items[s]))
			r = numbers_add(subjects, (uint32_t)s);
	return r;
}

int compile_ends(struct compile *compile)
{
	struct numbers subjects = {0};
	struct held held = {0};
	int r = held_find(compile, &held);

	if (r == 0)
		r = lists_begin(&compile->subjects_of);
	for (size_t i = 0; r == 0 && i < compile->ends.count; i++) {
		const struct end_list *list = &compile->ends.items[i];

		subjects.count = 0;
		for (size_t k = 0; r == 0 && k < list->count; k++)
			r = rank_end_subjects(compile, &list->keys[k], &held, &subjects);
		numbers_sort(&subjects);
		if (r == 0 && compile->subjects_of.numbers.count + subjects.count > compile->limits->ends) {
			r = error_set(compile->error, -E2BIG,
				      "the ends of the rules match more than %u classes together",
				      compile->limits->ends);
			break;
		}
		for (size_t k = 0; r == 0 && k < subjects.count; k++)
			r = lists_add(&compile->subjects_of, subjects.items[k]);
		if (r == 0)
			r = lists_close(&compile->subjects_of);
	}
	array_free(&subjects);
	held_free(&held);
	return r == -ENOMEM ? compile_out_of_memory(compile) : r;
}
