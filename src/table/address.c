/* SPDX-License-Identifier: GPL-2.0-only */
/* Addresses that are looked up exactly, before any prefix: containers', the host's, bridges' broadcast addresses; and
 * the NAT64 prefixes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "table/compile.h"

/* Who says what an address is; the strongest of a domain decides. */
enum claim_strength { CLAIM_CONTAINER, CLAIM_HOST, CLAIM_BROADCAST };
struct claim {
	uint32_t domain;
	struct addr addr;
	uint32_t class;
	uint32_t port; /* CLAIM_CONTAINER: index in world.ports */
	enum claim_strength strength;
};
struct claims {
	ARRAY_OF(struct claim);
};

/* Every host has them, and they are special-use whoever has them. */
static bool address_is_loopback(const struct addr *addr)
{
	static const struct addr v6 = {ADDR_V6, {[15] = 1}};

	return addr->family == ADDR_V4 ? addr->bytes[0] == 127 : addr_equal(addr, &v6);
}

static int claim_add(struct claims *claims, uint32_t domain, const struct addr *addr, uint32_t class, uint32_t port,
		     enum claim_strength strength)
{
	struct claim *claim;

	if (address_is_loopback(addr))
		return 0;
	claim = array_append(claims);
	if (!claim)
		return -ENOMEM;
	*claim = (struct claim){domain, *addr, class, port, strength};
	return 0;
}

/* In its own domain, and anywhere. */
static int claim_port(const struct compile *compile, struct claims *claims, size_t index)
{
	const struct world_port *port = &compile->world->ports.items[index];
	uint32_t class = compile->table->ports.items[index].identity;
	int r = 0;

	if (class == BH_CLASS_NONE)
		return 0;
	for (size_t i = 0; r == 0 && i < port->addresses.count; i++) {
		const struct addr *addr = &port->addresses.items[i];

		r = claim_add(claims, 0, addr, class, (uint32_t)index, CLAIM_CONTAINER);
		if (r == 0 && port->domain)
			r = claim_add(claims, port->domain, addr, class, (uint32_t)index, CLAIM_CONTAINER);
	}
	return r;
}

/* By its longest prefix it is a bridge's: no zone's subnet holds it, and it is no metadata address. */
static bool address_is_bridged(const struct compile *compile, const struct addr *addr)
{
	/* Exact addresses are not there yet: this is the class of the prefix. */
	uint32_t class = table_class(compile->table, addr, 0);

	return compile->subjects.items[compile->local_end + class - BH_CLASS_FIRST].kind == SUBJECT_NEIGHBOUR;
}

/* Anywhere: a container or the host that has the address comes first. */
static int claim_bridge(struct compile *compile, struct claims *claims, const struct world_bridge *bridge)
{
	uint32_t subject;
	int r = 0;

	for (size_t i = 0; r == 0 && i < bridge->subnets.count; i++) {
		struct addr last = prefix_last(&bridge->subnets.items[i]);

		if (last.family != ADDR_V4 || !address_is_bridged(compile, &last))
			continue;
		r = compile_class(compile, SUBJECT_OUTSIDE, COMPILE_NONE, TRAIT_GROUP, NULL, "multicast", &subject);
		if (r < 0)
			return r;
		r = claim_add(claims, 0, &last, compile->subjects.items[subject].class, WORLD_NOBODY, CLAIM_BROADCAST);
	}
	return r;
}

static int claim_compare(const void *a, const void *b)
{
	const struct claim *x = a, *y = b;
	int order;

	if (x->domain != y->domain)
		return x->domain < y->domain ? -1 : 1;
	order = addr_compare(&x->addr, &y->addr);
	if (order != 0)
		return order;
	return x->strength != y->strength ? (int)x->strength - (int)y->strength
					  : (x->port < y->port ? -1 : x->port > y->port);
}

/* One entry for each (domain, address): what the strongest claim says. Two ports that have it make it nobody's. */
static int address_settle(struct compile *compile, struct claims *claims)
{
	struct table *table = compile->table;

	array_sort(claims, claim_compare);
	for (size_t i = 0, end; i < claims->count; i = end) {
		const struct claim *first = &claims->items[i];
		struct address_entry *entry = array_append(&table->addresses);

		if (!entry)
			return -ENOMEM;
		*entry = (struct address_entry){first->domain, first->addr, first->class};
		for (end = i + 1; end < claims->count; end++) {
			const struct claim *claim = &claims->items[end];

			if (claim->domain != first->domain || !addr_equal(&claim->addr, &first->addr))
				break;
			if (claim->strength == first->strength && claim->port != first->port)
				entry->class = BH_CLASS_AMBIGUOUS;
		}
	}
	return 0;
}

static int address_nat64(struct compile *compile)
{
	const struct prefixes *nat64 = &compile->policy->settings.nat64;
	struct table *table = compile->table;

	for (size_t i = 0; i < nat64->count; i++) {
		bool known = false;
		struct prefix *slot;

		for (size_t k = 0; k < table->nat64.count; k++)
			known = known || prefix_compare(&table->nat64.items[k], &nat64->items[i]) == 0;
		if (known)
			continue;
		if (table->nat64.count >= BH_NAT64_MAX)
			return error_set(compile->error, -E2BIG, "more than %u NAT64 prefixes", BH_NAT64_MAX);
		slot = array_append(&table->nat64);
		if (!slot)
			return -ENOMEM;
		*slot = nat64->items[i];
	}
	return 0;
}

int compile_addresses(struct compile *compile)
{
	const struct world *world = compile->world;
	struct claims claims = {0};
	int r = 0;

	for (size_t i = 0; r == 0 && i < world->ports.count; i++)
		r = claim_port(compile, &claims, i);
	for (size_t i = 0; r == 0 && i < world->host_addresses.count; i++)
		r = claim_add(&claims, 0, &world->host_addresses.items[i], BH_CLASS_HOST, WORLD_NOBODY, CLAIM_HOST);
	for (size_t i = 0; r == 0 && i < world->bridges.count; i++)
		r = claim_bridge(compile, &claims, &world->bridges.items[i]);
	if (r == 0)
		r = address_settle(compile, &claims);
	if (r == 0)
		r = address_nat64(compile);
	array_free(&claims);
	return r == -ENOMEM ? compile_out_of_memory(compile) : r;
}
