/* SPDX-License-Identifier: GPL-2.0-only */
/* `zones`: security boundaries, their trust groups and their subnets. Members: load_member.c. */
#include <ctype.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "policy/loader.h"
#include "policy/special.h"

enum key {
	KEY_DESCRIPTION,
	KEY_GROUPS,
	KEY_MEMBERS,
	KEY_WITHIN,
	KEY_BETWEEN_GROUPS,
	KEY_SUBNETS,
	KEY_VIA,
	KEY_MODE,
	KEY_LOG,
	KEY_PERMIT,
	KEY_LIMITS,
	KEY_MAX
};
static const char *const key_names[] = {
	[KEY_DESCRIPTION] = "description",
	[KEY_GROUPS] = "groups",
	[KEY_MEMBERS] = "members",
	[KEY_WITHIN] = "within",
	[KEY_BETWEEN_GROUPS] = "between_groups",
	[KEY_SUBNETS] = "subnets",
	[KEY_VIA] = "via",
	[KEY_MODE] = "mode",
	[KEY_LOG] = "log",
	[KEY_PERMIT] = "permit",
	[KEY_LIMITS] = "limits",
};
_Static_assert(sizeof(key_names) / sizeof(key_names[0]) == KEY_MAX, "a name for each key");

/* The zone that is being read. Its index, not a pointer: the arrays grow. */
struct reading {
	struct loader *loader;
	const struct node *key; /* its name */
	uint32_t zone;
	const struct node *values[KEY_MAX], *keys[KEY_MAX];
};

static struct zone *zone_of(const struct reading *reading)
{
	return &reading->loader->policy->zones.items[reading->zone];
}

/* ---- groups ---- */

/* A new group of the zone; NULL after an error. `name` is "" for the one group of a zone without groups. */
static struct group *add_group(struct reading *reading, const char *name, const struct place *place)
{
	struct loader *loader = reading->loader;
	struct zone *zone = zone_of(reading);
	struct group *group;

	if (loader->policy->groups.count >= POLICY_GROUPS_MAX) {
		loader_error(loader, place, "the policy has more than %u groups", POLICY_GROUPS_MAX);
		return NULL;
	}
	group = array_append(&loader->policy->groups);
	if (!group) {
		loader_no_memory(loader);
		return NULL;
	}
	zone->group_count++;
	group->zone = reading->zone;
	group->place = *place;
	group->name = loader_copy(loader, name);
	if (asprintf(&group->fullname, "%s%s%s", zone->name, *name ? "/" : "", name) < 0) {
		group->fullname = NULL;
		loader_no_memory(loader);
	}
	return group->name && group->fullname ? group : NULL;
}

static void load_group(struct reading *reading, const struct node *key)
{
	static const char *const names[] = {"members"};
	struct loader *loader = reading->loader;
	struct end end = {.kind = END_GROUP, .index = (uint32_t)loader->policy->groups.count, .place = key->place};
	const struct node *members = NULL;
	struct group *group;
	char where[2 * POLICY_NAME_MAX + sizeof("group '/'")];

	if (!name_check(loader, key, "group"))
		return;
	group = add_group(reading, key->text, &key->place);
	if (!group || !name_enter(loader, group->fullname, "group", &end))
		return;
	snprintf(where, sizeof(where), "group '%s'", group->fullname);
	if (!node_is_empty(key->next) &&
	    !node_fields(key->next, where, names, 1, &members, NULL, loader->diagnostics) && !members)
		return;
	if (members)
		load_members(loader, members, where, &group->members);
	if (!group->members.count && !loader->failure && (!members || members->kind != NODE_WORD))
		loader_warning(loader, &key->place, "%s has no members", where);
}

static void load_groups(struct reading *reading)
{
	const struct node *groups = reading->values[KEY_GROUPS];
	struct loader *loader = reading->loader;

	zone_of(reading)->has_groups = true;
	if (groups->kind != NODE_MAPPING) {
		node_expected(groups, "a mapping of names to groups", "'groups'", loader->diagnostics);
		return;
	}
	for (const struct node *key = groups->first; key && !loader->failure; key = node_next_key(key))
		load_group(reading, key);
}

static void load_zone_members(struct reading *reading)
{
	struct loader *loader = reading->loader;
	char where[POLICY_NAME_MAX + sizeof("zone ''")];
	struct group *group;

	if (reading->values[KEY_GROUPS]) {
		if (reading->values[KEY_MEMBERS])
			loader_error(loader, &reading->keys[KEY_MEMBERS]->place,
				     "zone '%s' has both 'members' and 'groups': put these members into a group",
				     zone_of(reading)->name);
		load_groups(reading);
		return;
	}
	group = add_group(reading, "", &reading->key->place);
	if (!group || !reading->values[KEY_MEMBERS])
		return;
	snprintf(where, sizeof(where), "zone '%s'", zone_of(reading)->name);
	load_members(loader, reading->values[KEY_MEMBERS], where, &group->members);
}

/* ---- subnets ---- */

static void add_subnet(struct reading *reading, const struct node *item, const struct prefix *prefix)
{
	struct loader *loader = reading->loader;
	struct prefix *slot = array_append(&zone_of(reading)->subnets);
	struct subnet *subnet = array_append(&loader->subnets);

	if (!slot || !subnet) {
		loader_no_memory(loader);
		return;
	}
	*slot = *prefix;
	*subnet = (struct subnet){.prefix = *prefix, .zone = reading->zone, .place = item->place};
}

static void load_subnets(struct reading *reading, const struct node *node)
{
	struct loader *loader = reading->loader;

	if (node->kind == NODE_MAPPING || node_is_empty(node)) {
		node_expected(node, "a prefix or a list of prefixes", "'subnets'", loader->diagnostics);
		return;
	}
	for (const struct node *item = node_first(node); item && !loader->failure; item = node_after(node, item)) {
		const struct prefix *special;
		char text[PREFIX_TEXT_MAX];
		struct prefix prefix;

		if (!node_prefix(item, &prefix, loader->diagnostics))
			continue;
		special = special_overlapping(&prefix);
		if (special)
			loader_error(loader, &item->place, "subnet '%s' holds special-use addresses (%s)",
				     SHOWN(item->text), prefix_format(special, text));
		else if (load_count_prefix(loader, &item->place))
			add_subnet(reading, item, &prefix);
	}
	prefixes_sort(&zone_of(reading)->subnets);
}

/* As the kernel's dev_valid_name() has it. */
static bool is_interface_name(const char *name, size_t length)
{
	if (!length || length >= IFNAMSIZ || !strcmp(name, ".") || !strcmp(name, ".."))
		return false;
	for (size_t i = 0; i < length; i++)
		if (name[i] == '/' || name[i] == ':' || isspace((unsigned char)name[i]))
			return false;
	return true;
}

static void load_via(struct reading *reading, const struct node *node)
{
	struct loader *loader = reading->loader;

	if (!node_is_words(node, "'via'", loader->diagnostics))
		return;
	for (const struct node *item = node_first(node); item && !loader->failure; item = node_after(node, item)) {
		char *copy, **slot;

		if (!is_interface_name(item->text, item->count)) {
			loader_error(loader, &item->place,
				     "bad interface name '%s' in 'via': 1 to %d bytes without '/', ':' and blanks",
				     SHOWN(item->text), IFNAMSIZ - 1);
			continue;
		}
		copy = loader_copy(loader, item->text);
		slot = copy ? array_append(&zone_of(reading)->via) : NULL;
		if (slot)
			*slot = copy;
		else
			free(copy), loader_no_memory(loader);
	}
}

/* ---- the rest ---- */

static void load_permit(struct loader *loader, const struct node *node, uint32_t *permit)
{
	static const char *const names[] = {"spoof", "dhcp-server", "router", "vlan"};
	static const uint32_t bits[] = {PERMIT_SPOOF, PERMIT_DHCP_SERVER, PERMIT_ROUTER, PERMIT_VLAN};
	unsigned int index;

	if (!node_is_words(node, "'permit'", loader->diagnostics))
		return;
	for (const struct node *item = node_first(node); item; item = node_after(node, item))
		if (node_choice(item, "'permit'", names, 4, &index, loader->diagnostics))
			*permit |= bits[index];
}

static void load_trust(struct reading *reading)
{
	struct zone *zone = zone_of(reading);
	bool within_allow = true;

	if (reading->values[KEY_WITHIN]) {
		load_allow_deny(reading->loader, reading->values[KEY_WITHIN], "'within'", &within_allow);
		zone->within_deny = !within_allow;
		zone->within_place = reading->keys[KEY_WITHIN]->place;
	}
	if (reading->values[KEY_BETWEEN_GROUPS]) {
		load_allow_deny(reading->loader, reading->values[KEY_BETWEEN_GROUPS], "'between_groups'",
				&zone->between_groups_allow);
		zone->between_place = reading->keys[KEY_BETWEEN_GROUPS]->place;
	}
}

static void load_fields(struct reading *reading)
{
	const struct node *const *values = reading->values;
	struct loader *loader = reading->loader;
	struct zone *zone = zone_of(reading);

	if (values[KEY_DESCRIPTION])
		load_text(loader, values[KEY_DESCRIPTION], "'description'", &zone->description);
	load_trust(reading);
	if (values[KEY_SUBNETS])
		load_subnets(reading, values[KEY_SUBNETS]);
	if (values[KEY_VIA])
		load_via(reading, values[KEY_VIA]);
	if (values[KEY_VIA] && !values[KEY_SUBNETS])
		loader_error(loader, &reading->keys[KEY_VIA]->place, "'via' is about 'subnets', and zone '%s' has none",
			     zone->name);
	if (values[KEY_MODE])
		load_mode(loader, values[KEY_MODE], &zone->mode);
	if (values[KEY_LOG])
		load_log(loader, values[KEY_LOG], &zone->log);
	if (values[KEY_PERMIT])
		load_permit(loader, values[KEY_PERMIT], &zone->permit);
	loader_unsupported(loader, reading->keys[KEY_LIMITS]);
}

static bool add_zone(struct loader *loader, const struct node *key, uint32_t *ret_zone)
{
	struct end end = {.kind = END_ZONE, .index = (uint32_t)loader->policy->zones.count, .place = key->place};
	struct zone *zone;

	if (loader->policy->zones.count >= POLICY_ZONES_MAX) {
		loader_error(loader, &key->place, "the policy has more than %u zones", POLICY_ZONES_MAX);
		return false;
	}
	if (!name_check(loader, key, "zone") || !name_enter(loader, key->text, "zone", &end))
		return false;
	zone = array_append(&loader->policy->zones);
	if (!zone) {
		loader_no_memory(loader);
		return false;
	}
	zone->place = key->place;
	zone->group_first = (uint32_t)loader->policy->groups.count;
	zone->name = loader_copy(loader, key->text);
	*ret_zone = end.index;
	return zone->name;
}

static void load_zone(struct loader *loader, const struct node *key)
{
	struct reading reading = {.loader = loader, .key = key};
	char where[POLICY_NAME_MAX + sizeof("zone ''")];

	if (!add_zone(loader, key, &reading.zone))
		return;
	snprintf(where, sizeof(where), "zone '%s'", key->text);
	if (!node_is_empty(key->next)) /* all of it commented out: a zone that nothing selects */
		node_fields(key->next, where, key_names, KEY_MAX, reading.values, reading.keys, loader->diagnostics);
	load_zone_members(&reading);
	load_fields(&reading);
}

void load_zones(struct loader *loader, const struct node *zones)
{
	if (zones->kind != NODE_MAPPING) {
		node_expected(zones, "a mapping of names to zones", "'zones'", loader->diagnostics);
		return;
	}
	for (const struct node *key = zones->first; key && !loader->failure; key = node_next_key(key))
		load_zone(loader, key);
}
