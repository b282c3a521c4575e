/* SPDX-License-Identifier: GPL-2.0-only */
#include "policy/model.h"

#include <stdlib.h>
#include <string.h>

const char *const end_kind_names[] = {
	[END_ANY] = "any",
	[END_HOST] = "host",
	[END_WORLD] = "world",
	[END_INTERNET] = "internet",
	[END_PRIVATE] = "private",
	[END_METADATA] = "metadata",
	[END_MULTICAST] = "multicast",
	[END_UNASSIGNED] = "unassigned",
	[END_ZONE] = "zone",
	[END_GROUP] = "group",
	[END_NETWORK] = "network",
};
_Static_assert(sizeof(end_kind_names) / sizeof(end_kind_names[0]) == END_KIND_MAX, "a name for each kind of end");

const char *const log_what_names[] = {
	[LOG_WHAT_UNSET] = "unset",
	[LOG_WHAT_NONE] = "none",
	[LOG_WHAT_DENIED] = "denied",
	[LOG_WHAT_ALL] = "all",
};
_Static_assert(sizeof(log_what_names) / sizeof(log_what_names[0]) == LOG_WHAT_MAX, "a name for each word of 'log'");

const char *const mode_names[] = {[MODE_ENFORCE] = "enforce", [MODE_AUDIT] = "audit"};

const char *const start_without_names[START_WITHOUT_MAX] = {
	[START_WITHOUT_FAIL] = "fail",
	[START_WITHOUT_CLOSED] = "closed",
};

const char *const gates_names[GATES_MAX] = {
	[GATES_TC_NFT] = "[ tc, nft ]",
	[GATES_NFT] = "[ nft ]",
};
_Static_assert(sizeof(mode_names) / sizeof(mode_names[0]) == MODE_MAX, "a name for each mode");

static void strings_free(struct strings *strings)
{
	for (size_t i = 0; i < strings->count; i++)
		free(strings->items[i]);
	array_free(strings);
}

static void member_free(struct member *member)
{
	char *globs[] = {member->name,	    member->image,     member->network, member->runtime,
			 member->namespace, member->interface, member->cgroup};

	for (size_t i = 0; i < sizeof(globs) / sizeof(globs[0]); i++)
		free(globs[i]);
	for (size_t i = 0; i < member->labels.count; i++) {
		free(member->labels.items[i].key);
		free(member->labels.items[i].glob);
	}
	array_free(&member->labels);
	if (member->not )
		member_free(member->not ); /* as deep as the YAML was: POLICY_DEPTH_MAX */
	free(member->not );
}

static void groups_free(struct policy *policy)
{
	for (size_t i = 0; i < policy->groups.count; i++) {
		struct group *group = &policy->groups.items[i];

		free(group->name);
		free(group->fullname);
		for (size_t j = 0; j < group->members.count; j++)
			member_free(&group->members.items[j]);
		array_free(&group->members);
	}
	array_free(&policy->groups);
}

static void zones_free(struct policy *policy)
{
	for (size_t i = 0; i < policy->zones.count; i++) {
		struct zone *zone = &policy->zones.items[i];

		free(zone->name);
		free(zone->description);
		array_free(&zone->subnets);
		strings_free(&zone->via);
	}
	array_free(&policy->zones);
}

static void networks_free(struct policy *policy)
{
	for (size_t i = 0; i < policy->networks.count; i++) {
		free(policy->networks.items[i].name);
		array_free(&policy->networks.items[i].cidrs);
		array_free(&policy->networks.items[i].except);
	}
	array_free(&policy->networks);
}

static void services_free(struct policy *policy)
{
	for (size_t i = 0; i < policy->services.count; i++) {
		free(policy->services.items[i].name);
		array_free(&policy->services.items[i].atoms);
	}
	array_free(&policy->services);
}

static void rules_free(struct policy *policy)
{
	for (size_t i = 0; i < policy->rules.count; i++) {
		struct rule *rule = &policy->rules.items[i];

		free(rule->name);
		free(rule->services_text);
		array_free(&rule->from);
		array_free(&rule->to);
		array_free(&rule->services);
	}
	array_free(&policy->rules);
}

void policy_free(struct policy *policy)
{
	if (!policy)
		return;
	for (size_t i = 0; i < policy->sources.count; i++) {
		free(policy->sources.items[i].path);
		free(policy->sources.items[i].text);
	}
	array_free(&policy->sources);
	strings_free(&policy->watched);
	strings_free(&policy->settings.managed);
	strings_free(&policy->settings.ignore);
	array_free(&policy->settings.metadata);
	array_free(&policy->settings.nat64);
	zones_free(policy);
	groups_free(policy);
	networks_free(policy);
	services_free(policy);
	rules_free(policy);
	free(policy);
}

int zone_find(const struct policy *policy, const char *name)
{
	for (size_t i = 0; i < policy->zones.count; i++)
		if (!strcmp(policy->zones.items[i].name, name))
			return (int)i;
	return -1;
}

int group_find(const struct policy *policy, const char *fullname)
{
	for (size_t i = 0; i < policy->groups.count; i++) {
		const struct group *group = &policy->groups.items[i];

		/* The one group of a zone without groups goes by the zone's name alone. */
		if (policy->zones.items[group->zone].has_groups && !strcmp(group->fullname, fullname))
			return (int)i;
	}
	return -1;
}

int network_find(const struct policy *policy, const char *name)
{
	for (size_t i = 0; i < policy->networks.count; i++)
		if (policy->networks.items[i].name && !strcmp(policy->networks.items[i].name, name))
			return (int)i;
	return -1;
}
