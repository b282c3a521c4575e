/* SPDX-License-Identifier: GPL-2.0-only */
/* Rules that can never matter, because one deny rule covers all of their ends and services.
 *
 * What is said here is true, but not everything that is true is said: a rule that several denies cover together, or
 * that would take too long to hold against the others, gets no warning. */
#include <stdlib.h>
#include <string.h>

#include "policy/loader.h"
#include "policy/service.h"
#include "policy/special.h"

/* Comparisons of ends, services and prefixes in one check: some tens of milliseconds. */
#define COVER_WORK_MAX 4000000u

/* Denies by what stands in their `from`: a rule is held only against those that could cover its first end. */
enum { BUCKET_OUTSIDE = END_ZONE, BUCKET_ZONES };
struct bucket {
	ARRAY_OF(uint32_t);
};
struct cover {
	struct loader *loader;
	const struct policy *policy;
	struct bucket *buckets; /* one a built-in end, one for all outside addresses, one a zone, one a group */
	size_t bucket_count;
	size_t work;
};

static bool work(struct cover *cover, size_t steps)
{
	cover->work += steps;
	return cover->work <= COVER_WORK_MAX;
}

static bool is_outside(enum end_kind kind)
{
	return kind == END_WORLD || kind == END_INTERNET || kind == END_PRIVATE || kind == END_NETWORK;
}

static size_t bucket_of(const struct cover *cover, const struct end *end)
{
	if (is_outside(end->kind))
		return BUCKET_OUTSIDE;
	if (end->kind == END_ZONE)
		return BUCKET_ZONES + end->index;
	if (end->kind == END_GROUP)
		return BUCKET_ZONES + cover->policy->zones.count + end->index;
	return end->kind;
}

/* ---- prefixes ---- */

/* Is each prefix of `inner` within one of `outer`? Both sorted: by address, then the shorter first. */
static bool prefixes_cover(struct cover *cover, const struct prefix *outer, size_t outer_count,
			   const struct prefix *inner, size_t inner_count)
{
	const struct prefix *around = NULL; /* the outermost of those before: what overlaps is nested */
	size_t next = 0;

	if (!work(cover, outer_count + inner_count))
		return false;
	for (size_t i = 0; i < inner_count; i++) {
		for (; next < outer_count && prefix_compare(&outer[next], &inner[i]) <= 0; next++)
			if (!around || !prefix_covers(around, &outer[next]))
				around = &outer[next];
		if (!around || !prefix_covers(around, &inner[i]))
			return false;
	}
	return true;
}

/* Does `except` take nothing away that `inner` holds? */
static bool except_is_harmless(struct cover *cover, const struct prefix *except, const struct network *inner)
{
	for (size_t i = 0; i < inner->cidrs.count; i++) {
		const struct prefix *prefix = &inner->cidrs.items[i];
		bool taken = false;

		if (!work(cover, 1 + inner->except.count))
			return false;
		if (!prefix_overlaps(except, prefix))
			continue;
		for (size_t j = 0; j < inner->except.count && !taken; j++)
			taken = prefix_covers(&inner->except.items[j], except);
		if (!taken)
			return false;
	}
	return true;
}

static bool network_covers(struct cover *cover, const struct network *outer, const struct network *inner)
{
	if (!inner->cidrs.count ||
	    !prefixes_cover(cover, outer->cidrs.items, outer->cidrs.count, inner->cidrs.items, inner->cidrs.count))
		return false;
	for (size_t i = 0; i < outer->except.count; i++)
		if (!except_is_harmless(cover, &outer->except.items[i], inner))
			return false;
	return true;
}

/* Is what a rule reaches by this prefix of a network part of `world`? */
static bool prefix_in_world(const struct settings *settings, const struct prefix *prefix, bool deny)
{
	for (size_t i = 0; i < settings->metadata.count; i++) {
		const struct addr *addr = &settings->metadata.items[i];

		/* an allow reaches a metadata address only by a prefix that is nothing else */
		if (prefix_holds(prefix, addr) && (deny || prefix->length == addr_bits(addr)))
			return false;
	}
	if (prefix->length == 0 && !deny)
		return true; /* it does not lie within special-use space, so an allow reaches none of that */
	for (size_t i = 0; i < settings->nat64.count; i++)
		if (prefix_overlaps(&settings->nat64.items[i], prefix))
			return false; /* judged as an IPv4 address, whose kind is not this prefix's */
	return !special_overlapping(prefix);
}

static bool builtin_covers_network(struct cover *cover, enum end_kind outer, const struct network *inner, bool deny)
{
	if (!inner->cidrs.count || !work(cover, inner->cidrs.count))
		return false;
	for (size_t i = 0; i < inner->cidrs.count; i++) {
		const struct prefix *prefix = &inner->cidrs.items[i];

		if (!prefix_in_world(&cover->policy->settings, prefix, deny) ||
		    (outer == END_INTERNET && !special_is_internet(prefix)) ||
		    (outer == END_PRIVATE && !special_is_private(prefix)))
			return false;
	}
	return true;
}

static bool network_covers_builtin(struct cover *cover, const struct network *outer, enum end_kind inner)
{
	const struct prefix *prefixes;
	size_t count;

	if (outer->except.count)
		return false;
	prefixes = inner == END_PRIVATE ? special_private(&count) : special_everything(&count);
	return prefixes_cover(cover, outer->cidrs.items, outer->cidrs.count, prefixes, count);
}

/* ---- ends and services ---- */

static bool outside_covers(struct cover *cover, const struct end *outer, const struct end *inner, bool deny)
{
	const struct network *networks = cover->policy->networks.items;

	if (outer->kind == END_NETWORK && inner->kind == END_NETWORK)
		return network_covers(cover, &networks[outer->index], &networks[inner->index]);
	if (outer->kind == END_NETWORK)
		return network_covers_builtin(cover, &networks[outer->index], inner->kind);
	if (inner->kind == END_NETWORK)
		return builtin_covers_network(cover, outer->kind, &networks[inner->index], deny);
	return outer->kind == END_WORLD;
}

/* `outer` in a deny, `inner` in a rule that is a deny or not. */
static bool end_covers(struct cover *cover, const struct end *outer, const struct end *inner, bool deny)
{
	if (!work(cover, 1))
		return false;
	if (outer->kind == END_ANY)
		return true;
	if (outer->kind == inner->kind && outer->index == inner->index)
		return true;
	if (outer->kind == END_ZONE && inner->kind == END_GROUP)
		return cover->policy->groups.items[inner->index].zone == outer->index;
	return is_outside(outer->kind) && is_outside(inner->kind) && outside_covers(cover, outer, inner, deny);
}

static bool ends_cover(struct cover *cover, const struct ends *outer, const struct ends *inner, bool deny)
{
	for (size_t i = 0; i < inner->count; i++) {
		bool covered = false;

		for (size_t j = 0; j < outer->count && !covered; j++)
			covered = end_covers(cover, &outer->items[j], &inner->items[i], deny);
		if (!covered)
			return false;
	}
	return true;
}

static bool services_cover(struct cover *cover, const struct service_atoms *outer, const struct service_atoms *inner)
{
	for (size_t i = 0; i < inner->count; i++) {
		bool covered = false;

		for (size_t j = 0; j < outer->count && !covered; j++)
			covered = work(cover, 1) && service_atom_covers(&outer->items[j], &inner->items[i]);
		if (!covered)
			return false;
	}
	return true;
}

/* ---- rules ---- */

static bool is_whole(const struct rule *rule)
{
	return rule->from.count && rule->to.count && rule->services.count;
}

static bool rule_covers(struct cover *cover, const struct rule *deny, const struct rule *rule)
{
	return deny->deny && deny->mode == MODE_ENFORCE && deny->expires > cover->loader->now &&
	       deny->expires >= rule->expires && ends_cover(cover, &deny->to, &rule->to, rule->deny) &&
	       ends_cover(cover, &deny->from, &rule->from, rule->deny) &&
	       services_cover(cover, &deny->services, &rule->services);
}

/* A rule of the bucket that covers `rule`; of two denies that cover one another, the later one is the finding. */
static const struct rule *find_cover(struct cover *cover, size_t bucket, uint32_t index)
{
	const struct rule *rules = cover->policy->rules.items;
	const struct bucket *candidates = &cover->buckets[bucket];

	for (size_t i = 0; i < candidates->count; i++) {
		uint32_t other = candidates->items[i];

		if (other == index || !rule_covers(cover, &rules[other], &rules[index]))
			continue;
		if (other < index || !rule_covers(cover, &rules[index], &rules[other]))
			return &rules[other];
	}
	return NULL;
}

static void check_rule(struct cover *cover, uint32_t index)
{
	const struct rule *rule = &cover->policy->rules.items[index];
	const struct end *first;
	const struct rule *deny;

	if (!is_whole(rule) || rule->expires <= cover->loader->now)
		return;
	first = &rule->from.items[0];
	deny = find_cover(cover, END_ANY, index);
	if (!deny && first->kind != END_ANY)
		deny = find_cover(cover, bucket_of(cover, first), index);
	if (!deny && first->kind == END_GROUP)
		deny = find_cover(cover, BUCKET_ZONES + cover->policy->groups.items[first->index].zone, index);
	if (!deny)
		return;
	loader_warning(cover->loader, &rule->place, "this rule can never matter: a deny covers it");
	loader_note(cover->loader, &deny->place, "the deny is here");
}

static void index_deny(struct cover *cover, uint32_t index)
{
	const struct rule *rule = &cover->policy->rules.items[index];

	if (!rule->deny || rule->mode != MODE_ENFORCE || !is_whole(rule))
		return;
	for (size_t i = 0; i < rule->from.count; i++) {
		struct bucket *bucket = &cover->buckets[bucket_of(cover, &rule->from.items[i])];
		uint32_t *slot;

		if (bucket->count && bucket->items[bucket->count - 1] == index)
			continue;
		slot = array_append(bucket);
		if (slot)
			*slot = index;
		else
			loader_no_memory(cover->loader);
	}
}

void check_covered(struct loader *loader)
{
	const struct policy *policy = loader->policy;
	struct cover cover = {.loader = loader, .policy = policy};

	cover.bucket_count = BUCKET_ZONES + policy->zones.count + policy->groups.count;
	cover.buckets = calloc(cover.bucket_count, sizeof(*cover.buckets));
	if (!cover.buckets) {
		loader_no_memory(loader);
		return;
	}
	for (size_t i = 0; i < policy->rules.count && !loader->failure; i++)
		index_deny(&cover, (uint32_t)i);
	for (size_t i = 0; i < policy->rules.count && !loader->failure && work(&cover, 1); i++)
		check_rule(&cover, (uint32_t)i);
	for (size_t i = 0; i < cover.bucket_count; i++)
		array_free(&cover.buckets[i]);
	free(cover.buckets);
}
