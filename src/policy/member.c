/* SPDX-License-Identifier: GPL-2.0-only */
/* Who is a member of what: the words of a policy held against a port and its container. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "policy/world.h"

/* What was not asked matches; what is asked of something that is not there never does, not even by `*`. */
static bool glob_accepts(const char *glob, const char *text)
{
	if (!glob)
		return true;
	return text && glob_match(glob, text);
}

static bool label_accepts(const struct label_match *match, const struct container *container)
{
	if (!container)
		return false;
	for (size_t i = 0; i < container->labels.count; i++) {
		const struct label *label = &container->labels.items[i];

		if (strcmp(label->key, match->key) == 0)
			return !match->glob || glob_match(match->glob, label->value);
	}
	return false;
}

static bool labels_accept(const struct member *member, const struct container *container)
{
	for (size_t i = 0; i < member->labels.count; i++)
		if (!label_accepts(&member->labels.items[i], container))
			return false;
	return true;
}

/* The runtime's network or the bridge: one of the two is enough. */
static bool network_accepts(const char *glob, const struct world_port *port)
{
	if (!glob)
		return true;
	return glob_accepts(glob, port->network) || glob_accepts(glob, port->bridge);
}

/* All that is asked, `not` included, is asked of one owner. */
static bool owner_accepts(const struct member *member, const struct container *owner, const struct world_port *port)
{
	static const struct container nobody;
	const struct container *container = owner ? owner : &nobody;

	return glob_accepts(member->name, container->name) && glob_accepts(member->image, container->image) &&
	       glob_accepts(member->runtime, container->runtime) &&
	       glob_accepts(member->namespace, container->namespace) &&
	       glob_accepts(member->cgroup, container->cgroup) && glob_accepts(member->interface, port->interface) &&
	       network_accepts(member->network, port) && labels_accept(member, owner) &&
	       (!member->not || !owner_accepts(member->not, owner, port));
}

const struct container *world_port_owner(const struct world *world, const struct world_port *port, size_t index)
{
	uint32_t container = WORLD_NOBODY;

	if (index == 0)
		container = port->container;
	else if (index <= port->others.count)
		container = port->others.items[index - 1];
	return container < world->containers.count ? &world->containers.items[container] : NULL;
}

bool member_matches(const struct member *member, const struct world *world, const struct world_port *port)
{
	for (size_t i = 0; i <= port->others.count; i++) {
		if (owner_accepts(member, world_port_owner(world, port, i), port))
			return true;
	}
	return false;
}

/* The first member of the group that matches; NULL when none does. */
static const struct member *group_accepts(const struct group *group, const struct world *world,
					  const struct world_port *port)
{
	for (size_t i = 0; i < group->members.count; i++)
		if (member_matches(&group->members.items[i], world, port))
			return &group->members.items[i];
	return NULL;
}

int membership_find(const struct policy *policy, const struct world *world, const struct world_port *port,
		    struct membership *ret_membership)
{
	struct membership found = {.state = MEMBERSHIP_UNASSIGNED, .zone = UINT32_MAX, .other_zone = UINT32_MAX};

	for (size_t i = 0; i < policy->groups.count; i++) {
		const struct group *group = &policy->groups.items[i];
		const struct member *member = group_accepts(group, world, port);
		uint32_t *slot;

		if (!member)
			continue;
		if (found.state == MEMBERSHIP_ZONE && group->zone != found.zone) {
			found.state = MEMBERSHIP_CONFLICTED;
			found.other_zone = group->zone;
			found.other_place = member->place;
			array_free(&found.groups);
			break;
		}
		slot = array_append(&found.groups);
		if (!slot) {
			array_free(&found.groups);
			return -ENOMEM;
		}
		*slot = (uint32_t)i;
		if (found.state == MEMBERSHIP_UNASSIGNED) {
			found.state = MEMBERSHIP_ZONE;
			found.zone = group->zone;
			found.place = member->place;
		}
	}
	*ret_membership = found;
	return 0;
}

void membership_free(struct membership *membership)
{
	if (membership)
		array_free(&membership->groups);
}
