/* SPDX-License-Identifier: GPL-2.0-only */
/* What ends of a flow are called, and what they are to the policy, in words. */
#include <string.h>

#include "table/explain_private.h"

static void port_name(const struct explain *explain, uint32_t index, struct text *text)
{
	const struct world *world = explain->world;
	const struct world_port *port = &world->ports.items[index];
	const char *network = port->network ? port->network : port->bridge;
	size_t ports = 0;

	if (port->container >= world->containers.count || !world->containers.items[port->container].name) {
		text_append_escaped(text, port->interface ? port->interface : "unknown");
		return;
	}
	text_append_escaped(text, world->containers.items[port->container].name);
	for (size_t i = 0; i < world->ports.count; i++)
		ports += world->ports.items[i].container == port->container;
	if (ports > 1 && network) {
		text_append(text, "@");
		text_append_escaped(text, network);
	}
}

void party_name(const struct explain *explain, const struct party *party, struct text *text)
{
	char buffer[ADDR_TEXT_MAX];

	switch (party->kind) {
	case PARTY_PORT:
		port_name(explain, party->port, text);
		break;
	case PARTY_HOST:
		text_append(text, "host");
		break;
	case PARTY_ADDRESS:
		text_append(text, addr_format(&party->addr, buffer));
		break;
	}
}

static void describe_membership(const struct explain *explain, const struct membership *membership, struct text *text)
{
	const struct policy *policy = explain->policy;

	switch (membership->state) {
	case MEMBERSHIP_UNASSIGNED:
		text_append(text, ", in no zone");
		break;
	case MEMBERSHIP_CONFLICTED:
		text_appendf(text, ", conflicted: in zone %s and in zone %s",
			     policy->zones.items[membership->zone].name,
			     policy->zones.items[membership->other_zone].name);
		break;
	case MEMBERSHIP_ZONE:
		text_appendf(text, ", zone %s", policy->zones.items[membership->zone].name);
		if (!policy->zones.items[membership->zone].has_groups)
			break;
		text_appendf(text, ", group%s ", membership->groups.count == 1 ? "" : "s");
		for (size_t i = 0; i < membership->groups.count; i++)
			text_appendf(text, "%s%s", i ? ", " : "",
				     policy->groups.items[membership->groups.items[i]].name);
		break;
	}
}

static void describe_port(const struct explain *explain, const struct side *side, struct text *text)
{
	uint32_t index = side->standing.port, owner = explain->world->ports.items[index].container;

	text_append(text, owner < explain->world->containers.count ? "container " : "port ");
	port_name(explain, index, text);
	if (owner < explain->world->containers.count && explain->world->containers.items[owner].runtime) {
		text_append(text, " (");
		text_append_escaped(text, explain->world->containers.items[owner].runtime);
		text_append(text, ")");
	}
	if (explain->world->ports.items[index].others.count)
		text_appendf(text, " and %zu more", explain->world->ports.items[index].others.count);
	describe_membership(explain, &side->standing.membership, text);
}

/* The smallest built-in end that holds an outside address. */
static const char *space_name(const struct explain *explain, const struct standing *standing)
{
	static const enum end_kind kinds[] = {END_INTERNET, END_PRIVATE, END_WORLD, END_MULTICAST};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct end end = {.kind = kinds[i]};

		if (standing_matches(standing, explain->policy, &end, false))
			return end_kind_names[kinds[i]];
	}
	return "special-use";
}

static void describe_networks(const struct explain *explain, const struct side *side, struct text *text)
{
	const char *before = ", in ";

	for (size_t i = 0; i < side->reaches.count; i++) {
		const char *name = explain->policy->networks.items[side->reaches.items[i].network].name;

		if (!name)
			continue;
		text_appendf(text, "%s%s", before, name);
		before = ", ";
	}
}

void side_describe(const struct explain *explain, const struct side *side, struct text *text)
{
	const struct standing *standing = &side->standing;

	if (standing->kind == STANDING_PORT) {
		describe_port(explain, side, text);
		return;
	}
	if (side->samples[0].kind == PARTY_HOST) {
		text_append(text, "the host");
		return;
	}
	party_name(explain, &side->samples[0], text);
	switch (standing->kind) {
	case STANDING_PORT:
	case STANDING_KIND_MAX:
		break;
	case STANDING_AMBIGUOUS:
		text_append(text, ", an address on several bridges");
		break;
	case STANDING_HOST:
		text_append(text, ", an address of the host");
		break;
	case STANDING_SUBNET:
		text_appendf(text, ", in a subnet of zone %s", explain->policy->zones.items[standing->zone].name);
		break;
	case STANDING_UNASSIGNED:
		text_append(text, ", of no known container on a managed bridge: unassigned");
		break;
	case STANDING_BROADCAST:
		text_append(text, ", broadcast on a managed bridge: multicast");
		break;
	case STANDING_METADATA:
		text_append(text, ", metadata");
		break;
	case STANDING_OUTSIDE:
		text_appendf(text, ", %s", space_name(explain, standing));
		break;
	}
	describe_networks(explain, side, text);
}
