/* SPDX-License-Identifier: GPL-2.0-only */
/* What only shows when the whole policy is there. */
#include <stdlib.h>
#include <string.h>

#include "policy/loader.h"

/* ---- subnets of two zones must not overlap ---- */

static int subnet_order(const void *a, const void *b)
{
	const struct subnet *x = a, *y = b;
	int order = prefix_compare(&x->prefix, &y->prefix);

	if (order)
		return order;
	if (x->place.file != y->place.file)
		return x->place.file < y->place.file ? -1 : 1;
	if (x->place.line != y->place.line)
		return x->place.line < y->place.line ? -1 : 1;
	return (x->place.column > y->place.column) - (x->place.column < y->place.column);
}

static void report_overlap(struct loader *loader, const struct subnet *subnet, const struct subnet *other)
{
	const struct zone *zones = loader->policy->zones.items;
	const struct subnet *first = other, *second = subnet;
	char text[PREFIX_TEXT_MAX], other_text[PREFIX_TEXT_MAX];

	/* the later one in the files is the finding */
	if (second->place.file < first->place.file ||
	    (second->place.file == first->place.file && second->place.line < first->place.line)) {
		first = subnet;
		second = other;
	}
	loader_error(loader, &second->place, "subnet %s of zone '%s' overlaps with %s of zone '%s'",
		     prefix_format(&second->prefix, text), zones[second->zone].name,
		     prefix_format(&first->prefix, other_text), zones[first->zone].name);
	loader_note(loader, &first->place, "the other is here");
}

/* Sorted by address, then the shorter first, the prefixes around a prefix are those on a stack of nested ones. */
static void check_subnets(struct loader *loader)
{
	const struct subnet *nest[129]; /* lengths 0 to 128, each at most once but for equal prefixes of one zone */
	size_t depth = 0;

	if (loader->subnets.count)
		qsort(loader->subnets.items, loader->subnets.count, sizeof(*loader->subnets.items), subnet_order);
	for (size_t i = 0; i < loader->subnets.count; i++) {
		const struct subnet *subnet = &loader->subnets.items[i];

		while (depth && !prefix_covers(&nest[depth - 1]->prefix, &subnet->prefix))
			depth--;
		for (size_t j = depth; j > 0; j--) {
			if (nest[j - 1]->zone == subnet->zone)
				continue;
			report_overlap(loader, subnet, nest[j - 1]);
			break;
		}
		if (!depth || prefix_compare(&nest[depth - 1]->prefix, &subnet->prefix) != 0)
			nest[depth++] = subnet;
	}
}

/* ---- zones that nothing selects ---- */

static void check_zone(struct loader *loader, const struct zone *zone)
{
	const struct policy *policy = loader->policy;

	/* a group without members has its own warning */
	if (zone->subnets.count || (zone->has_groups && zone->group_count))
		return;
	for (uint32_t i = 0; i < zone->group_count; i++)
		if (policy->groups.items[zone->group_first + i].members.count)
			return;
	loader_warning(loader, &zone->place, "nothing is in zone '%s': it has no members, groups or subnets",
		       zone->name);
}

void policy_check(struct loader *loader)
{
	size_t errors = loader->diagnostics->errors;

	check_subnets(loader);
	/* After errors a zone may look empty only because its members could not be read. */
	for (size_t i = 0; i < loader->policy->zones.count && !errors; i++)
		check_zone(loader, &loader->policy->zones.items[i]);
	if (!loader->incomplete)
		check_covered(loader);
}
