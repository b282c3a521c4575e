/* SPDX-License-Identifier: GPL-2.0-only */
/* Steps 3 to 6 of the policy's order of judgement: what holds between two subjects where no rule decides. */
#include "table/compile.h"

/* The first group that both are in; false: none. */
static bool step_shared_group(const struct subject *a, const struct subject *b, uint32_t *ret_group)
{
	for (size_t i = 0, k = 0; i < a->groups.count && k < b->groups.count;) {
		if (a->groups.items[i] == b->groups.items[k]) {
			*ret_group = a->groups.items[i];
			return true;
		}
		if (a->groups.items[i] < b->groups.items[k])
			i++;
		else
			k++;
	}
	return false;
}

static bool step_is_unassigned(const struct subject *subject)
{
	return subject->kind == SUBJECT_UNASSIGNED || subject->kind == SUBJECT_NEIGHBOUR;
}

static enum log_what step_zone_log(const struct compile *compile, uint32_t zone)
{
	return zone == COMPILE_NONE ? LOG_WHAT_UNSET : compile->policy->zones.items[zone].log;
}

/* The more talkative of what the zones at the ends say; the setting where they say nothing. */
static enum log_what step_log(const struct compile *compile, uint32_t source_zone, uint32_t destination_zone)
{
	enum log_what source = step_zone_log(compile, source_zone);
	enum log_what destination = step_zone_log(compile, destination_zone);
	enum log_what log = source > destination ? source : destination;

	_Static_assert(LOG_WHAT_UNSET < LOG_WHAT_NONE && LOG_WHAT_NONE < LOG_WHAT_DENIED &&
			       LOG_WHAT_DENIED < LOG_WHAT_ALL,
		       "the more talkative is the greater");
	return log == LOG_WHAT_UNSET ? compile->policy->settings.log : log;
}

bool compile_denial_logged(const struct compile *compile, uint32_t zone)
{
	return step_log(compile, zone, COMPILE_NONE) >= LOG_WHAT_DENIED;
}

/* Audited: the whole policy is, or there is a zone at an end and every such zone is. */
static bool step_audited(const struct compile *compile, uint32_t source_zone, uint32_t destination_zone)
{
	const struct policy *policy = compile->policy;
	bool audited = false;

	if (policy->settings.mode == MODE_AUDIT)
		return true;
	if (source_zone != COMPILE_NONE) {
		if (policy->zones.items[source_zone].mode != MODE_AUDIT)
			return false;
		audited = true;
	}
	if (destination_zone != COMPILE_NONE) {
		if (policy->zones.items[destination_zone].mode != MODE_AUDIT)
			return false;
		audited = true;
	}
	return audited;
}

/* Steps 3 and 4. true: it was one of them. */
static bool step_zone(struct compile *compile, const struct subject *source, const struct subject *destination,
		      struct base *base, int *ret_result)
{
	const struct zone *zone;
	uint32_t group;

	if (source->zone == COMPILE_NONE || source->zone != destination->zone)
		return false;
	zone = &compile->policy->zones.items[source->zone];
	if (step_shared_group(source, destination, &group)) {
		base->allow = !zone->within_deny;
		base->reason = base->allow ? BH_ALLOW_GROUP : BH_DENY_DEFAULT;
		*ret_result = base->allow ? compile_group(compile, group, &base->decision)
					  : compile_zone_within(compile, source->zone, &base->decision);
		return true;
	}
	if (!zone->between_groups_allow && !zone->between_place.line)
		return false;
	base->allow = zone->between_groups_allow;
	base->reason = base->allow ? BH_ALLOW_ZONE : BH_DENY_DEFAULT;
	*ret_result = compile_zone_between(compile, source->zone, &base->decision);
	return true;
}

/* An unassigned end, after step 5. true: it decided. */
static bool step_unassigned(struct compile *compile, const struct subject *source, const struct subject *destination,
			    struct base *base, int *ret_result)
{
	const struct settings *settings = &compile->policy->settings;
	const struct subject *other = step_is_unassigned(source) ? destination : source;
	bool open = other->zone == COMPILE_NONE && !(other->traits & TRAIT_METADATA);

	if (!step_is_unassigned(source) && !step_is_unassigned(destination))
		return false;
	if (source->kind == SUBJECT_HOST && !settings->host_to_containers)
		open = false;
	if (settings->unassigned == UNASSIGNED_DENY) {
		base->reason = BH_DENY_UNASSIGNED;
		*ret_result = compile_setting(compile, SETTING_UNASSIGNED_DENY, &base->decision);
		return true;
	}
	if (!open)
		return false;
	base->allow = true;
	base->reason = BH_ALLOW_UNASSIGNED;
	*ret_result = compile_setting(compile, SETTING_UNASSIGNED_ALLOW, &base->decision);
	return true;
}

/* Step 6. */
static int step_default(struct compile *compile, const struct subject *source, const struct subject *destination,
			struct base *base)
{
	base->reason = BH_DENY_DEFAULT;
	/* What the gates do by themselves: see abi.h, bh_class_info. */
	base->plain = true;
	if (destination->zone != COMPILE_NONE)
		return compile_zone_otherwise(compile, destination->zone, &base->decision);
	if (source->zone != COMPILE_NONE)
		return compile_zone_otherwise(compile, source->zone, &base->decision);
	base->plain = false; /* no class names it */
	if (source->kind == SUBJECT_HOST && !compile->policy->settings.host_to_containers)
		return compile_setting(compile, SETTING_HOST_DENY, &base->decision);
	return compile_setting(compile, SETTING_UNASSIGNED_OTHERWISE, &base->decision);
}

int compile_base(struct compile *compile, const struct subject *source, const struct subject *destination,
		 struct base *ret_base)
{
	uint32_t named = destination->zone != COMPILE_NONE ? destination->zone : source->zone;
	struct base base = {0};
	int r = 0;

	base.log = step_log(compile, source->zone, destination->zone);
	base.audit = step_audited(compile, source->zone, destination->zone);
	if (step_zone(compile, source, destination, &base, &r)) {
		/* step 3 or 4 */
	} else if (source->kind == SUBJECT_HOST && compile->policy->settings.host_to_containers) {
		base.allow = true;
		base.reason = BH_ALLOW_HOST;
		r = compile_setting(compile, SETTING_HOST_ALLOW, &base.decision);
	} else if (!step_unassigned(compile, source, destination, &base, &r)) {
		r = step_default(compile, source, destination, &base);
	}
	/* Without a cell, one end's flag says whether it is reported. */
	if ((base.log >= LOG_WHAT_DENIED) != compile_denial_logged(compile, named))
		base.plain = false;
	if (r == 0)
		*ret_base = base;
	return r;
}
