/* SPDX-License-Identifier: GPL-2.0-only */
/* Who is there: each port's identity is its zone and its groups; ports that share them share the number. And at the
 * end, what the gates need to know of each class by itself. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "table/compile.h"
#include "table/registry_private.h"

/* An identity while ports are counted. */
struct identity_draft {
	uint32_t number, zone, port_count;
	char *name;
	struct numbers groups;
};
struct identity_drafts {
	ARRAY_OF(struct identity_draft);
};

static void identity_drafts_free(struct identity_drafts *drafts)
{
	for (size_t i = 0; i < drafts->count; i++) {
		free(drafts->items[i].name);
		array_free(&drafts->items[i].groups);
	}
	array_free(drafts);
}

static int text_pointer_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* "shop/db+front"; a zone without groups: "build". */
static char *identity_name(const struct policy *policy, const struct membership *membership)
{
	const struct zone *zone = &policy->zones.items[membership->zone];
	const char **names = calloc(membership->groups.count + 1, sizeof(*names));
	struct text text = {0};

	if (!names)
		return NULL;
	for (size_t i = 0; i < membership->groups.count; i++)
		names[i] = policy->groups.items[membership->groups.items[i]].name;
	qsort(names, membership->groups.count, sizeof(*names), text_pointer_compare);
	text_append(&text, zone->name);
	for (size_t i = 0; zone->has_groups && i < membership->groups.count; i++) {
		text_append(&text, i == 0 ? "/" : "+");
		text_append(&text, names[i]);
	}
	free(names);
	return text_take(&text);
}

/* The draft of this membership, made on first sight. `by_name` maps to index + 1. */
static int identity_draft(struct compile *compile, struct identity_drafts *drafts, struct map *by_name,
			  const struct membership *membership, uint32_t *ret_number)
{
	char *name = identity_name(compile->policy, membership);
	uintptr_t found = name ? (uintptr_t)map_get_text(by_name, name) : 0;
	struct identity_draft *draft;
	uint32_t number;
	int r;

	if (!name)
		return compile_out_of_memory(compile);
	if (found) {
		free(name);
		drafts->items[found - 1].port_count++;
		*ret_number = drafts->items[found - 1].number;
		return 0;
	}
	r = registry_identity(compile->registry, name, compile->now_s, &number);
	if (r == -ENOSPC)
		error_set(compile->error, r,
			  "no number is left for identity '%s': %u are in use, or were until a moment ago", name,
			  BH_IDENTITIES_IN_USE_MAX);
	draft = r < 0 ? NULL : array_append(drafts);
	if (!draft) {
		free(name);
		return r == -ENOSPC ? r : compile_out_of_memory(compile);
	}
	*draft = (struct identity_draft){.number = number, .zone = membership->zone, .port_count = 1, .name = name};
	for (size_t i = 0; i < membership->groups.count; i++)
		if (numbers_add(&draft->groups, membership->groups.items[i]) < 0)
			return compile_out_of_memory(compile);
	numbers_sort(&draft->groups);
	if (map_set_text(by_name, name, (void *)(uintptr_t)drafts->count, NULL) < 0)
		return compile_out_of_memory(compile);
	*ret_number = number;
	return 0;
}

static int identity_of_port(struct compile *compile, struct identity_drafts *drafts, struct map *by_name,
			    const struct world_port *port, uint32_t counts[2], uint32_t *ret_number)
{
	struct membership membership = {0};
	int r = 0;

	if (port->unpoliced) {
		*ret_number = BH_CLASS_NONE;
		return 0;
	}
	r = membership_find(compile->policy, compile->world, port, &membership);
	if (r < 0)
		return compile_out_of_memory(compile);
	switch (membership.state) {
	case MEMBERSHIP_UNASSIGNED:
		*ret_number = BH_CLASS_UNASSIGNED;
		counts[0]++;
		break;
	case MEMBERSHIP_CONFLICTED:
		*ret_number = BH_CLASS_CONFLICTED;
		counts[1]++;
		break;
	case MEMBERSHIP_ZONE:
		r = identity_draft(compile, drafts, by_name, &membership, ret_number);
		break;
	}
	membership_free(&membership);
	return r;
}

static int identity_draft_compare(const void *a, const void *b)
{
	const struct identity_draft *x = a, *y = b;

	return x->number < y->number ? -1 : x->number > y->number;
}

static uint32_t class_common_flags(const struct compile *compile, uint32_t zone)
{
	uint32_t flags = 0;

	if (zone != COMPILE_NONE)
		flags |= BH_CLASS_ZONE;
	if (compile->policy->settings.mode == MODE_AUDIT ||
	    (zone != COMPILE_NONE && compile->policy->zones.items[zone].mode == MODE_AUDIT))
		flags |= BH_CLASS_AUDIT;
	if (compile_denial_logged(compile, zone))
		flags |= BH_CLASS_LOG_DENIED;
	return flags;
}

static uint32_t identity_flags(const struct compile *compile, uint32_t zone_index)
{
	const struct zone *zone = &compile->policy->zones.items[zone_index];
	uint32_t flags = class_common_flags(compile, zone_index) | BH_CLASS_LOCAL;

	if (zone->permit & PERMIT_SPOOF)
		flags |= BH_CLASS_PERMIT_SPOOF;
	if (zone->permit & PERMIT_DHCP_SERVER)
		flags |= BH_CLASS_PERMIT_DHCP_SERVER;
	if (zone->permit & PERMIT_ROUTER)
		flags |= BH_CLASS_PERMIT_ROUTER;
	if (zone->permit & PERMIT_VLAN)
		flags |= BH_CLASS_PERMIT_VLAN;
	return flags;
}

static int identity_add_state(struct compile *compile, uint32_t number, const char *name, uint32_t flags,
			      uint32_t port_count)
{
	struct identity *identity = array_append(&compile->table->identities);

	if (!identity)
		return compile_out_of_memory(compile);
	*identity = (struct identity){.number = number, .zone = UINT32_MAX, .flags = flags, .port_count = port_count};
	identity->name = strdup(name);
	return identity->name ? 0 : compile_out_of_memory(compile);
}

static int subject_add(struct compile *compile, enum subject_kind kind, uint32_t class, uint32_t zone,
		       const struct numbers *groups)
{
	struct subject *subject = array_append(&compile->subjects);

	if (!subject)
		return compile_out_of_memory(compile);
	*subject = (struct subject){.kind = kind, .class = class, .zone = zone, .signature = COMPILE_NONE};
	for (size_t i = 0; groups && i < groups->count; i++)
		if (numbers_add(&subject->groups, groups->items[i]) < 0)
			return compile_out_of_memory(compile);
	return 0;
}

/* From the draft to the table and the subjects. */
static int identity_add(struct compile *compile, struct identity_draft *draft)
{
	struct identity *identity = array_append(&compile->table->identities);

	if (!identity)
		return compile_out_of_memory(compile);
	*identity = (struct identity){.number = draft->number,
				      .name = draft->name,
				      .zone = draft->zone,
				      .flags = identity_flags(compile, draft->zone),
				      .port_count = draft->port_count};
	draft->name = NULL;
	for (size_t i = 0; i < draft->groups.count; i++) {
		uint32_t *slot = array_append(&identity->groups);

		if (!slot)
			return compile_out_of_memory(compile);
		*slot = draft->groups.items[i];
	}
	return subject_add(compile, SUBJECT_IDENTITY, draft->number, draft->zone, &draft->groups);
}

static int identity_add_all(struct compile *compile, struct identity_drafts *drafts, const uint32_t counts[2])
{
	uint32_t flags = class_common_flags(compile, COMPILE_NONE) | BH_CLASS_LOCAL;
	int r;

	array_sort(drafts, identity_draft_compare);
	r = subject_add(compile, SUBJECT_HOST, BH_CLASS_HOST, COMPILE_NONE, NULL);
	if (r == 0)
		r = subject_add(compile, SUBJECT_UNASSIGNED, BH_CLASS_UNASSIGNED, COMPILE_NONE, NULL);
	if (r == 0)
		r = identity_add_state(compile, BH_CLASS_UNASSIGNED, "unassigned", flags, counts[0]);
	/* ZONE without AUDIT: whoever looks at the flags alone finds that nothing of it is audited. */
	if (r == 0)
		r = identity_add_state(compile, BH_CLASS_CONFLICTED, "conflicted",
				       (flags | BH_CLASS_ZONE) & ~(uint32_t)BH_CLASS_AUDIT, counts[1]);
	for (size_t i = 0; r == 0 && i < drafts->count; i++)
		r = identity_add(compile, &drafts->items[i]);
	compile->local_end = (uint32_t)compile->subjects.count;
	return r;
}

int compile_identities(struct compile *compile)
{
	struct identity_drafts drafts = {0};
	struct map *by_name = map_new();
	uint32_t counts[2] = {0};
	int r = by_name ? 0 : compile_out_of_memory(compile);

	for (size_t i = 0; r == 0 && i < compile->world->ports.count; i++) {
		struct port_entry *port = array_append(&compile->table->ports);

		r = port ? identity_of_port(compile, &drafts, by_name, &compile->world->ports.items[i], counts,
					    &port->identity)
			 : compile_out_of_memory(compile);
	}
	if (r == 0)
		r = identity_add_all(compile, &drafts, counts);
	map_free(by_name, NULL);
	identity_drafts_free(&drafts);
	return r;
}

/* ---- Classes by themselves ---- */

struct retired {
	struct bh_class_info *info;
	uint32_t flags;
};

/* Whose zone it was is not known any more: an enforced one, to be safe. */
static void class_retire(void *arg, uint32_t number)
{
	const struct retired *retired = arg;

	retired->info[number].flags = retired->flags;
}

static int class_zone_info(struct compile *compile, uint32_t zone, struct bh_class_info *info)
{
	return zone == COMPILE_NONE ? 0 : compile_zone_otherwise(compile, zone, &info->default_decision);
}

static int class_infos(struct compile *compile, struct bh_class_info *info)
{
	uint32_t common = class_common_flags(compile, COMPILE_NONE);
	struct table *table = compile->table;
	struct retired retired = {info, common | BH_CLASS_ZONE | BH_CLASS_RETIRED};
	int r = 0;

	registry_each_retired(compile->registry, class_retire, &retired);
	info[BH_CLASS_HOST].flags = common | BH_CLASS_LOCAL;
	info[BH_CLASS_AMBIGUOUS].flags = (common | BH_CLASS_LOCAL | BH_CLASS_ZONE) & ~(uint32_t)BH_CLASS_AUDIT;
	for (size_t i = 0; r == 0 && i < table->identities.count; i++) {
		const struct identity *identity = &table->identities.items[i];

		info[identity->number].flags = identity->flags;
		r = class_zone_info(compile, identity->zone, &info[identity->number]);
	}
	for (size_t i = compile->local_end; r == 0 && i < compile->subjects.count; i++) {
		const struct subject *subject = &compile->subjects.items[i];
		struct class_entry *class = &table->classes.items[subject->class - BH_CLASS_FIRST];

		class->info.flags = class_common_flags(compile, subject->zone);
		if (subject->kind == SUBJECT_OUTSIDE)
			class->info.flags |= BH_CLASS_OUTSIDE;
		if (subject->traits & TRAIT_METADATA)
			class->info.flags |= BH_CLASS_METADATA;
		if (subject->traits & TRAIT_GROUP)
			class->info.flags |= BH_CLASS_GROUP;
		r = class_zone_info(compile, subject->zone, &class->info);
		info[subject->class] = class->info;
	}
	if (r == 0)
		r = compile_setting(compile, SETTING_CONFLICTED, &info[BH_CLASS_CONFLICTED].default_decision);
	if (r == 0)
		r = compile_setting(compile, SETTING_AMBIGUOUS, &info[BH_CLASS_AMBIGUOUS].default_decision);
	return r;
}

int compile_classes(struct compile *compile)
{
	struct table *table = compile->table;

	table->class_count = BH_CLASS_FIRST + (uint32_t)table->classes.count;
	table->class_info = calloc(table->class_count, sizeof(*table->class_info));
	if (!table->class_info)
		return compile_out_of_memory(compile);
	return class_infos(compile, table->class_info);
}
