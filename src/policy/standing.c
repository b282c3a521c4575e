/* SPDX-License-Identifier: GPL-2.0-only */
/* 'An address is, in this order: a container's; the host's; …' and 'Ends', sentence by sentence. */
#include <errno.h>
#include <string.h>

#include "policy/standing.h"

static bool port_has_address(const struct world_port *port, const struct addr *addr)
{
	for (size_t i = 0; i < port->addresses.count; i++)
		if (addr_equal(&port->addresses.items[i], addr))
			return true;
	return false;
}

/* The policed port that has the address, as seen from `domain`: one there comes first, then one anywhere. Ports that
 * are not policed are judged as addresses only. *ret_count: how many could be meant. */
static uint32_t port_of_address(const struct world *world, const struct addr *addr, uint32_t domain, size_t *ret_count)
{
	uint32_t found = UINT32_MAX;

	*ret_count = 0;
	for (size_t i = 0; i < world->ports.count; i++) {
		const struct world_port *port = &world->ports.items[i];

		if (port->unpoliced || !port_has_address(port, addr))
			continue;
		if (domain != 0 && port->domain == domain) {
			*ret_count = 1;
			return (uint32_t)i;
		}
		if ((*ret_count)++ == 0)
			found = (uint32_t)i;
	}
	return found;
}

static bool host_has_address(const struct world *world, const struct addr *addr)
{
	for (size_t i = 0; i < world->host_addresses.count; i++)
		if (addr_equal(&world->host_addresses.items[i], addr))
			return true;
	return false;
}

static int standing_of_port(const struct policy *policy, const struct world *world, uint32_t index,
			    struct standing *standing)
{
	int r = membership_find(policy, world, &world->ports.items[index], &standing->membership);

	if (r < 0)
		return r;
	standing->kind = STANDING_PORT;
	standing->port = index;
	if (standing->membership.state == MEMBERSHIP_ZONE)
		standing->zone = standing->membership.zone;
	return 0;
}

/* A container's address, or the host's. 1 when it is one of them, 0 when not, -ENOMEM. */
static int standing_of_known(const struct policy *policy, const struct world *world, const struct addr *addr,
			     uint32_t domain, struct standing *standing)
{
	size_t count;
	uint32_t port;
	int r;

	if (addr_is_loopback(addr))
		return 0;
	port = port_of_address(world, addr, domain, &count);
	if (count == 1) {
		r = standing_of_port(policy, world, port, standing);
		return r < 0 ? r : 1;
	}
	if (count > 1) {
		standing->kind = STANDING_AMBIGUOUS;
		return 1;
	}
	if (host_has_address(world, addr)) {
		standing->kind = STANDING_HOST;
		return 1;
	}
	return 0;
}

/* The longest prefix among zone subnets and managed bridges' subnets; a tie is the zone's. */
static void standing_of_subnet(const struct policy *policy, const struct world *world, const struct addr *addr,
			       struct standing *standing)
{
	int longest = -1;

	for (size_t i = 0; i < world->bridges.count; i++) {
		const struct prefixes *subnets = &world->bridges.items[i].subnets;

		for (size_t j = 0; j < subnets->count; j++) {
			const struct prefix *subnet = &subnets->items[j];
			struct addr last = prefix_last(subnet);

			if (!prefix_holds(subnet, addr) || (int)subnet->length <= longest)
				continue;
			longest = subnet->length;
			standing->kind = addr->family == ADDR_V4 && addr_equal(addr, &last) ? STANDING_BROADCAST
											    : STANDING_UNASSIGNED;
		}
	}
	for (size_t i = 0; i < policy->zones.count; i++) {
		const struct prefixes *subnets = &policy->zones.items[i].subnets;

		for (size_t j = 0; j < subnets->count; j++) {
			if (!prefix_holds(&subnets->items[j], addr) || (int)subnets->items[j].length < longest)
				continue;
			longest = subnets->items[j].length;
			standing->kind = STANDING_SUBNET;
			standing->zone = (uint32_t)i;
		}
	}
}

static int standing_of_address(const struct policy *policy, const struct world *world, const struct party *party,
			       struct standing *standing)
{
	int r;

	if (addr_bits(&party->addr) == 0)
		return -EINVAL;
	standing->addr = party->addr;
	r = standing_of_known(policy, world, &standing->addr, party->domain, standing);
	if (r != 0)
		return r;
	if (addr_from_nat64(policy, &party->addr, &standing->addr)) {
		r = standing_of_known(policy, world, &standing->addr, party->domain, standing);
		if (r != 0)
			return r;
	}
	/* Whatever subnet holds them. */
	if (addr_is_metadata(policy, &standing->addr))
		standing->kind = STANDING_METADATA;
	else if (!addr_is_loopback(&standing->addr))
		standing_of_subnet(policy, world, &standing->addr, standing);
	return 0;
}

/* A port that is not policed is judged by its first address, as an address only; without one it is outside. */
static int standing_of_unpoliced(const struct policy *policy, const struct world *world, const struct world_port *port,
				 struct standing *standing)
{
	struct party party = {.kind = PARTY_ADDRESS, .domain = port->domain};

	if (port->addresses.count == 0)
		return 0;
	party.addr = port->addresses.items[0];
	return standing_of_address(policy, world, &party, standing);
}

int standing_find(const struct policy *policy, const struct world *world, const struct party *party,
		  struct standing *ret_standing)
{
	struct standing standing = {.kind = STANDING_OUTSIDE, .port = UINT32_MAX, .zone = UINT32_MAX};
	int r = 0;

	switch (party->kind) {
	case PARTY_PORT:
		if (party->port >= world->ports.count)
			return -EINVAL;
		if (world->ports.items[party->port].unpoliced)
			r = standing_of_unpoliced(policy, world, &world->ports.items[party->port], &standing);
		else
			r = standing_of_port(policy, world, party->port, &standing);
		break;
	case PARTY_HOST:
		standing.kind = STANDING_HOST;
		break;
	case PARTY_ADDRESS:
		r = standing_of_address(policy, world, party, &standing);
		break;
	}
	if (r < 0)
		return r;
	*ret_standing = standing;
	return 0;
}

void standing_free(struct standing *standing)
{
	if (standing)
		membership_free(&standing->membership);
}

bool standing_is_unassigned(const struct standing *standing)
{
	return standing->kind == STANDING_UNASSIGNED ||
	       (standing->kind == STANDING_PORT && standing->membership.state == MEMBERSHIP_UNASSIGNED);
}

bool standing_is_conflicted(const struct standing *standing)
{
	return standing->kind == STANDING_AMBIGUOUS ||
	       (standing->kind == STANDING_PORT && standing->membership.state == MEMBERSHIP_CONFLICTED);
}

/* `world`: outside, and neither special-use nor metadata. */
static bool standing_in_world(const struct standing *standing)
{
	return standing->kind == STANDING_OUTSIDE && standing->addr.family != ADDR_NONE &&
	       !space_holds(SPACE_SPECIAL, &standing->addr);
}

static bool standing_in_internet(const struct standing *standing)
{
	const struct addr *addr = &standing->addr;

	return standing_in_world(standing) && !space_holds(SPACE_PRIVATE, addr) &&
	       !space_holds(SPACE_DOCUMENTATION, addr) &&
	       (addr->family == ADDR_V4 || space_holds(SPACE_GLOBAL_V6, addr));
}

static bool standing_in_multicast(const struct standing *standing)
{
	return standing->kind == STANDING_BROADCAST ||
	       (standing->kind == STANDING_OUTSIDE && space_holds(SPACE_MULTICAST, &standing->addr));
}

/* The groups that an end has: those of its port, or, for a subnet, the one group of a zone without `groups`. */
bool standing_in_group(const struct standing *standing, const struct policy *policy, uint32_t group)
{
	if (standing->kind == STANDING_SUBNET) {
		const struct zone *zone = &policy->zones.items[standing->zone];

		return !zone->has_groups && policy->groups.items[group].zone == standing->zone;
	}
	for (size_t i = 0; i < standing->membership.groups.count; i++)
		if (standing->membership.groups.items[i] == group)
			return true;
	return false;
}

/* An allow's prefix reaches special-use and metadata addresses only where it was surely meant. */
static bool prefix_reaches(const struct prefix *prefix, const struct standing *standing, bool deny)
{
	struct prefix itself = prefix_of(&standing->addr);

	if (!prefix_holds(prefix, &standing->addr))
		return false;
	if (deny)
		return true;
	if (standing->kind != STANDING_METADATA && !space_holds(SPACE_SPECIAL, &standing->addr))
		return true;
	return prefix_compare(prefix, &itself) == 0 || space_covers(SPACE_SPECIAL, prefix);
}

bool standing_in_network(const struct standing *standing, const struct network *network, bool deny)
{
	bool reached = false;

	if (standing->kind != STANDING_OUTSIDE && standing->kind != STANDING_METADATA)
		return false;
	for (size_t i = 0; i < network->except.count; i++)
		if (prefix_holds(&network->except.items[i], &standing->addr))
			return false;
	for (size_t i = 0; i < network->cidrs.count && !reached; i++)
		reached = prefix_reaches(&network->cidrs.items[i], standing, deny);
	return reached;
}

bool standing_matches(const struct standing *standing, const struct policy *policy, const struct end *end, bool deny)
{
	switch (end->kind) {
	case END_ANY:
		return deny || standing->kind != STANDING_METADATA;
	case END_HOST:
		return standing->kind == STANDING_HOST;
	case END_WORLD:
		return standing_in_world(standing);
	case END_INTERNET:
		return standing_in_internet(standing);
	case END_PRIVATE:
		return standing_in_world(standing) && space_holds(SPACE_PRIVATE, &standing->addr);
	case END_METADATA:
		return standing->kind == STANDING_METADATA;
	case END_MULTICAST:
		return standing_in_multicast(standing);
	case END_UNASSIGNED:
		return standing_is_unassigned(standing);
	case END_ZONE:
		return standing->zone == end->index;
	case END_GROUP:
		return standing_in_group(standing, policy, end->index);
	case END_NETWORK:
		return standing_in_network(standing, &policy->networks.items[end->index], deny);
	case END_KIND_MAX:
		break;
	}
	return false;
}
