/* SPDX-License-Identifier: GPL-2.0-only */
/* FROM and TO: which ports and addresses a word means. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "table/explain_private.h"

/* Candidates for 'did you mean': more are not worth the time. */
#define HINT_CANDIDATES_MAX 20000u

static uint8_t family_of(const struct addr *addr)
{
	return addr->family == ADDR_V4 ? FAMILY_V4 : FAMILY_V6;
}

/* Of what has no address known, either may be meant. */
static uint8_t families_of(const struct addrs *addresses)
{
	uint8_t families = 0;

	for (size_t i = 0; i < addresses->count; i++)
		if (!addr_is_loopback(&addresses->items[i]))
			families |= family_of(&addresses->items[i]);
	return families ? families : FAMILY_BOTH;
}

static int sides_add(struct selection *selection, const struct side *side)
{
	struct side *slot = array_append(&selection->sides);

	if (!slot)
		return -ENOMEM;
	*slot = *side;
	return 0;
}

struct side explain_port_side(const struct explain *explain, uint32_t index)
{
	const struct world_port *port = &explain->world->ports.items[index];

	return (struct side){
		.standing = explain->ports[index],
		.families = families_of(&port->addresses),
		.sample_count = 1,
		.samples = {{.kind = PARTY_PORT, .port = index}},
		.owners = {port->container},
		.members = 1,
		.domain = port->domain,
	};
}

static struct side side_of_host(const struct explain *explain)
{
	return (struct side){
		.standing = {.kind = STANDING_HOST, .port = UINT32_MAX, .zone = UINT32_MAX},
		.families = families_of(&explain->world->host_addresses),
		.sample_count = 1,
		.samples = {{.kind = PARTY_HOST}},
		.owners = {WORLD_NOBODY},
		.members = 1,
	};
}

static struct side side_of_class(const struct address_class *class)
{
	return (struct side){
		.standing = class->standing,
		.reaches = class->reaches,
		.families = family_of(&class->standing.addr),
		.sample_count = 1,
		.samples = {{.kind = PARTY_ADDRESS, .addr = class->standing.addr}},
		.owners = {WORLD_NOBODY},
		.members = 1,
	};
}

/* ---- Sets ---- */

static int classes_need(struct explain *explain, struct error *error)
{
	int r;

	if (explain->classes_known)
		return 0;
	r = address_classes_find(explain->policy, explain->world, NULL, &explain->classes, error);
	if (r == 0)
		explain->classes_known = true;
	return r;
}

static bool class_matches(const struct explain *explain, const struct address_class *class, const struct end *end)
{
	if (end->kind != END_NETWORK)
		return standing_matches(&class->standing, explain->policy, end, false);
	for (size_t i = 0; i < class->reaches.count; i++)
		if (class->reaches.items[i].network == end->index)
			return class->reaches.items[i].allow;
	return false;
}

static int select_classes(struct explain *explain, const struct end *end, struct selection *selection)
{
	int r = 0;

	for (size_t i = 0; i < explain->classes.count && r == 0; i++) {
		struct side side = side_of_class(&explain->classes.items[i]);

		if (class_matches(explain, &explain->classes.items[i], end))
			r = sides_add(selection, &side);
	}
	return r;
}

static int select_ports(const struct explain *explain, const struct end *end, struct selection *selection)
{
	int r = 0;

	for (size_t i = 0; i < explain->port_sides.count && r == 0; i++) {
		const struct side *side = &explain->port_sides.items[i];

		if (standing_matches(&side->standing, explain->policy, end, false))
			r = sides_add(selection, side);
	}
	return r;
}

/* "3 ports, 2 kinds of address" */
static void describe_sides(const struct sides *sides, struct text *text)
{
	size_t ports = 0, kinds = 0;

	for (size_t i = 0; i < sides->count; i++) {
		if (sides->items[i].standing.kind == STANDING_PORT)
			ports += sides->items[i].members;
		else
			kinds++;
	}
	if (ports)
		text_appendf(text, "%zu port%s", ports, ports == 1 ? "" : "s");
	if (kinds)
		text_appendf(text, "%s%zu kind%s of address", ports ? ", " : "", kinds, kinds == 1 ? "" : "s");
	if (!ports && !kinds)
		text_append(text, "nobody");
}

static void describe_end(const struct explain *explain, const struct end *end, struct text *text)
{
	const struct policy *policy = explain->policy;

	text_append(text, end_kind_names[end->kind]);
	if (end->kind == END_ZONE)
		text_appendf(text, " %s", policy->zones.items[end->index].name);
	else if (end->kind == END_GROUP)
		text_appendf(text, " %s", policy->groups.items[end->index].fullname);
	else if (end->kind == END_NETWORK)
		text_appendf(text, " %s", policy->networks.items[end->index].name);
}

int selection_of_end(struct explain *explain, const struct end *end, struct selection *ret_selection,
		     struct error *error)
{
	struct selection selection = {0};
	struct side host = side_of_host(explain);
	int r = classes_need(explain, error);

	if (r == 0)
		r = select_ports(explain, end, &selection);
	if (r == 0 && standing_matches(&host.standing, explain->policy, end, false))
		r = sides_add(&selection, &host);
	if (r == 0)
		r = select_classes(explain, end, &selection);
	if (r == 0 && end->kind != END_HOST) {
		describe_end(explain, end, &selection.is);
		text_append(&selection.is, ": ");
		describe_sides(&selection.sides, &selection.is);
	}
	if (r < 0) {
		selection_free(&selection);
		return r == -ENOMEM ? error_set(error, r, "out of memory") : r;
	}
	*ret_selection = selection;
	return 0;
}

/* A prefix that no network of the policy need name: all addresses are cut once more, by it too. */
static int select_prefix(struct explain *explain, const struct prefix *prefix, struct selection *selection,
			 struct error *error)
{
	struct prefix cidr = *prefix;
	struct network network = {.cidrs = {.items = &cidr, .count = 1}};
	int r = address_classes_find(explain->policy, explain->world, &network, &selection->classes, error);

	for (size_t i = 0; i < selection->classes.count && r == 0; i++) {
		struct side side = side_of_class(&selection->classes.items[i]);

		if (standing_in_network(&side.standing, &network, false))
			r = sides_add(selection, &side);
	}
	text_append(&selection->is, "addresses: ");
	describe_sides(&selection->sides, &selection->is);
	return r;
}

/* ---- Single ends ---- */

static bool port_has(const struct world_port *port, const struct addr *addr)
{
	for (size_t i = 0; i < port->addresses.count; i++)
		if (addr_equal(&port->addresses.items[i], addr))
			return true;
	return false;
}

/* An address that several ports have: each of them may be meant. */
static int select_ambiguous(struct explain *explain, const struct addr *addr, struct selection *selection)
{
	int r = 0;

	for (uint32_t i = 0; i < explain->world->ports.count && r == 0; i++) {
		const struct world_port *port = &explain->world->ports.items[i];
		struct side side;

		if (port->unpoliced || !port_has(port, addr))
			continue;
		side = explain_port_side(explain, i);
		side.families = family_of(addr);
		side.ambiguous = true;
		r = sides_add(selection, &side);
	}
	return r;
}

static int select_address(struct explain *explain, const struct addr *addr, uint32_t domain,
			  struct selection *selection)
{
	struct side side = {
		.sample_count = 1,
		.samples = {{.kind = PARTY_ADDRESS, .addr = *addr, .domain = domain}},
		.owners = {WORLD_NOBODY},
		.members = 1,
	};
	struct reaches *reaches;
	struct addr inside;
	int r = standing_find(explain->policy, explain->world, &side.samples[0], &side.standing);

	if (r < 0)
		return r;
	side.families = addr_from_nat64(explain->policy, addr, &inside) ? FAMILY_BOTH : family_of(addr);
	if (side.standing.kind == STANDING_AMBIGUOUS)
		return select_ambiguous(explain, &side.standing.addr, selection);
	if (side.standing.kind == STANDING_PORT) {
		uint32_t port = side.standing.port;

		/* The same membership, but owned for as long as the question needs it. */
		standing_free(&side.standing);
		side.standing = explain->ports[port];
		side.owners[0] = explain->world->ports.items[port].container;
		side.domain = explain->world->ports.items[port].domain;
		return sides_add(selection, &side);
	}
	reaches = array_append(&selection->reaches);
	if (!reaches)
		return -ENOMEM;
	r = reaches_find(explain->policy, &side.standing, reaches);
	side.reaches = *reaches;
	return r < 0 ? r : sides_add(selection, &side);
}

static int select_port(struct explain *explain, uint32_t index, struct selection *selection)
{
	const struct world_port *port = &explain->world->ports.items[index];
	struct side side;
	int r = 0;

	if (!port->unpoliced) {
		side = explain_port_side(explain, index);
		return sides_add(selection, &side);
	}
	for (size_t i = 0; i < port->addresses.count && r == 0; i++)
		r = select_address(explain, &port->addresses.items[i], port->domain, selection);
	return r;
}

static bool port_is_on(const struct world_port *port, const char *network)
{
	if (!network)
		return true;
	return (port->network && strcmp(port->network, network) == 0) ||
	       (port->bridge && strcmp(port->bridge, network) == 0);
}

static bool is_word(const char *own, const char *name, size_t length)
{
	return own && strlen(own) == length && memcmp(own, name, length) == 0;
}

/* Is this the name of one of the port's containers, or of a port without one? */
static bool port_is_named(const struct world *world, const struct world_port *port, const char *name, size_t length)
{
	if (!world_port_owner(world, port, 0))
		return is_word(port->interface, name, length);
	for (size_t i = 0; i <= port->others.count; i++) {
		if (is_word(world_port_owner(world, port, i)->name, name, length))
			return true;
	}
	return false;
}

static bool container_exists(const struct world *world, const char *name, size_t length)
{
	for (size_t i = 0; i < world->containers.count; i++) {
		if (is_word(world->containers.items[i].name, name, length))
			return true;
	}
	for (size_t i = 0; i < world->ports.count; i++)
		if (world->ports.items[i].container == WORLD_NOBODY &&
		    port_is_named(world, &world->ports.items[i], name, length))
			return true;
	return false;
}

static int select_container(struct explain *explain, const char *name, size_t length, const char *network,
			    struct selection *selection)
{
	const struct world *world = explain->world;
	int r = 0;

	for (uint32_t i = 0; i < world->ports.count && r == 0; i++)
		if (port_is_named(world, &world->ports.items[i], name, length) &&
		    port_is_on(&world->ports.items[i], network))
			r = select_port(explain, i, selection);
	if (r == 0 && selection->sides.count == 0) {
		text_append(&selection->is, "container ");
		text_append_escaped(&selection->is, name);
		text_append(&selection->is, ": no port with an address");
	}
	return r;
}

/* ---- Words ---- */

/* What a word may be, in the order in which it is tried; 1: it is one, 0: it is not, negative: an error. */
static int parse_address(struct explain *explain, const char *word, struct selection *selection)
{
	struct addr addr;
	int r;

	if (addr_parse(word, &addr) < 0)
		return 0;
	r = select_address(explain, &addr, 0, selection);
	return r < 0 ? r : 1;
}

static int parse_container(struct explain *explain, const char *word, struct selection *selection, struct error *error)
{
	const char *at = strrchr(word, '@');
	int r;

	if (container_exists(explain->world, word, strlen(word))) {
		r = select_container(explain, word, strlen(word), NULL, selection);
		return r < 0 ? r : 1;
	}
	if (!at || !container_exists(explain->world, word, (size_t)(at - word)))
		return 0;
	r = select_container(explain, word, (size_t)(at - word), at + 1, selection);
	if (r == 0 && selection->sides.count == 0) {
		char escaped[128];

		return error_set(error, -EINVAL, "there is no port '%s'", text_escape(escaped, sizeof(escaped), word));
	}
	return r < 0 ? r : 1;
}

static int parse_end(struct explain *explain, enum end_kind kind, int index, struct selection *selection,
		     struct error *error)
{
	struct end end = {.kind = kind, .index = (uint32_t)index};
	int r;

	if (index < 0)
		return 0;
	r = selection_of_end(explain, &end, selection, error);
	return r < 0 ? r : 1;
}

static int parse_zone(struct explain *explain, const char *word, struct selection *selection, struct error *error)
{
	int r = parse_end(explain, END_ZONE, zone_find(explain->policy, word), selection, error);

	return r != 0 || !strchr(word, '/')
		       ? r
		       : parse_end(explain, END_GROUP, group_find(explain->policy, word), selection, error);
}

static int parse_network(struct explain *explain, const char *word, struct selection *selection, struct error *error)
{
	struct prefix prefix;
	int r = parse_end(explain, END_NETWORK, network_find(explain->policy, word), selection, error);

	if (r != 0)
		return r;
	for (unsigned int kind = 0; kind < END_ZONE; kind++)
		if (strcmp(word, end_kind_names[kind]) == 0)
			return parse_end(explain, (enum end_kind)kind, 0, selection, error);
	if (prefix_parse(word, &prefix, NULL) < 0)
		return 0;
	r = select_prefix(explain, &prefix, selection, error);
	return r < 0 ? r : 1;
}

static const char *word_hint(const struct explain *explain, const char *word)
{
	const struct policy *policy = explain->policy;
	struct {
		ARRAY_OF(const char *);
	} names = {0};
	const char *nearest = NULL;
	size_t total = END_ZONE + policy->zones.count + policy->groups.count + policy->networks.count +
		       explain->world->containers.count;

	if (total > HINT_CANDIDATES_MAX || array_reserve(&names, total) < 0)
		return NULL;
	for (size_t i = 0; i < END_ZONE; i++)
		names.items[names.count++] = end_kind_names[i];
	for (size_t i = 0; i < policy->zones.count; i++)
		names.items[names.count++] = policy->zones.items[i].name;
	for (size_t i = 0; i < policy->groups.count; i++)
		names.items[names.count++] = policy->groups.items[i].fullname;
	for (size_t i = 0; i < policy->networks.count; i++)
		if (policy->networks.items[i].name)
			names.items[names.count++] = policy->networks.items[i].name;
	for (size_t i = 0; i < explain->world->containers.count; i++)
		if (explain->world->containers.items[i].name)
			names.items[names.count++] = explain->world->containers.items[i].name;
	nearest = text_nearest(word, names.items, names.count);
	array_free(&names);
	return nearest;
}

static int word_unknown(const struct explain *explain, const char *word, struct error *error)
{
	const char *nearest = word_hint(explain, word);
	char escaped[128], hint[128];

	text_escape(escaped, sizeof(escaped), word);
	if (nearest)
		return error_set(error, -EINVAL, "'%s' is no address, container, zone or network (did you mean '%s'?)",
				 escaped, text_escape(hint, sizeof(hint), nearest));
	return error_set(error, -EINVAL, "'%s' is no address, container, zone or network", escaped);
}

static const char *word_after(const char *word, const char *prefix)
{
	size_t length = strlen(prefix);

	return strncmp(word, prefix, length) == 0 ? word + length : NULL;
}

static int word_parse(struct explain *explain, const char *word, struct selection *selection, struct error *error)
{
	const char *rest;
	int r;

	rest = word_after(word, "container:");
	if (rest)
		return parse_container(explain, rest, selection, error);
	rest = word_after(word, "zone:");
	if (rest)
		return parse_zone(explain, rest, selection, error);
	rest = word_after(word, "net:");
	if (rest)
		return parse_network(explain, rest, selection, error);
	r = parse_address(explain, word, selection);
	if (r == 0)
		r = parse_container(explain, word, selection, error);
	if (r == 0)
		r = parse_zone(explain, word, selection, error);
	return r != 0 ? r : parse_network(explain, word, selection, error);
}

int selection_parse(struct explain *explain, const char *word, struct selection *ret_selection, struct error *error)
{
	struct selection selection = {0};
	int r = word_parse(explain, word, &selection, error);

	if (r == 0)
		r = word_unknown(explain, word, error);
	else if (r == -ENOMEM)
		error_set(error, r, "out of memory");
	if (r < 0) {
		selection_free(&selection);
		return r;
	}
	*ret_selection = selection;
	return 0;
}

void selection_free(struct selection *selection)
{
	array_free(&selection->sides);
	address_classes_free(&selection->classes);
	for (size_t i = 0; i < selection->reaches.count; i++)
		array_free(&selection->reaches.items[i]);
	array_free(&selection->reaches);
	text_free(&selection->is);
}
