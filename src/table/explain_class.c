/* SPDX-License-Identifier: GPL-2.0-only */
/* All addresses, cut wherever a prefix of the policy, the world or the language begins or ends; pieces that lie in the
 * same sets are one class. A sweep over sorted edges, as in computational geometry (Shamos and Hoey 1976). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "table/explain_private.h"

/* Where a set begins or ends. */
struct edge {
	struct addr at;
	uint32_t set;
	bool leaves;
};

/* A network makes three sets; what an allow reaches in special-use space, only the second holds. */
enum { SET_CIDRS, SET_SURE, SET_EXCEPT, SETS_PER_NETWORK };

struct sweep {
	const struct policy *policy;
	const struct world *world;
	const struct network *extra;
	struct {
		ARRAY_OF(struct edge);
	} edges;
	uint32_t set_count;
	uint32_t passed_over; /* a set: known by themselves, or judged as another address */
	uint32_t *active;     /* by set: how many of its prefixes hold the address */
	uint64_t signature;   /* of the active sets */
	uint32_t *open;	      /* networks with an active set, in no order */
	uint32_t *open_at;    /* by network: its place in `open`, from 1 */
	size_t open_count;
	struct map *seen; /* signature → something */
	struct address_classes classes;
};

static int sweep_add(struct sweep *sweep, const struct prefix *prefix, uint32_t set)
{
	struct edge *edge = array_append(&sweep->edges);

	if (!edge)
		return -ENOMEM;
	*edge = (struct edge){.at = prefix->addr, .set = set};
	edge = array_append(&sweep->edges);
	if (!edge)
		return -ENOMEM;
	*edge = (struct edge){.at = prefix_last(prefix), .set = set, .leaves = true};
	return 0;
}

static int sweep_add_address(struct sweep *sweep, const struct addr *addr, uint32_t set)
{
	struct prefix prefix = prefix_of(addr);

	return sweep_add(sweep, &prefix, set);
}

static size_t sweep_network_count(const struct sweep *sweep)
{
	return sweep->policy->networks.count + (sweep->extra ? 1 : 0);
}

static const struct network *sweep_network(const struct sweep *sweep, size_t index)
{
	return index < sweep->policy->networks.count ? &sweep->policy->networks.items[index] : sweep->extra;
}

/* Does an allow for this prefix reach special-use and metadata addresses too? */
static bool prefix_is_sure(const struct policy *policy, const struct prefix *prefix)
{
	if (prefix->length == addr_bits(&prefix->addr) && addr_is_metadata(policy, &prefix->addr))
		return true;
	return space_covers(SPACE_SPECIAL, prefix);
}

static int sweep_add_network(struct sweep *sweep, const struct network *network, uint32_t set)
{
	int r = 0;

	for (size_t i = 0; i < network->cidrs.count && r == 0; i++) {
		r = sweep_add(sweep, &network->cidrs.items[i], set + SET_CIDRS);
		if (r == 0 && prefix_is_sure(sweep->policy, &network->cidrs.items[i]))
			r = sweep_add(sweep, &network->cidrs.items[i], set + SET_SURE);
	}
	for (size_t i = 0; i < network->except.count && r == 0; i++)
		r = sweep_add(sweep, &network->except.items[i], set + SET_EXCEPT);
	return r;
}

/* Each subnet is a set of its own: it matters which is the longest. */
static int sweep_add_subnets(struct sweep *sweep)
{
	int r = 0;

	for (size_t i = 0; i < sweep->policy->zones.count; i++) {
		const struct prefixes *subnets = &sweep->policy->zones.items[i].subnets;

		for (size_t j = 0; j < subnets->count && r == 0; j++)
			r = sweep_add(sweep, &subnets->items[j], sweep->set_count++);
	}
	for (size_t i = 0; i < sweep->world->bridges.count; i++) {
		const struct prefixes *subnets = &sweep->world->bridges.items[i].subnets;

		for (size_t j = 0; j < subnets->count && r == 0; j++) {
			struct addr last = prefix_last(&subnets->items[j]);

			r = sweep_add(sweep, &subnets->items[j], sweep->set_count++);
			if (r == 0)
				r = sweep_add_address(sweep, &last, sweep->set_count++);
		}
	}
	return r;
}

static int sweep_add_spaces(struct sweep *sweep)
{
	const struct settings *settings = &sweep->policy->settings;
	const uint8_t loopback_bytes[16] = {[15] = 1};
	const struct prefix loopback4 = {.addr = addr_from_v4(0x7f000000), .length = 8};
	struct addr loopback6 = addr_from_bytes(ADDR_V6, loopback_bytes);
	int r;

	for (unsigned int space = 0; space < SPACE_MAX; space++) {
		size_t count;
		const struct prefix *prefixes = space_prefixes((enum space)space, &count);
		uint32_t set = sweep->set_count++;

		for (size_t i = 0; i < count; i++) {
			r = sweep_add(sweep, &prefixes[i], set);
			if (r < 0)
				return r;
		}
	}
	/* Special-use whatever subnet holds them. */
	r = sweep_add(sweep, &loopback4, sweep->set_count);
	if (r == 0)
		r = sweep_add_address(sweep, &loopback6, sweep->set_count);
	sweep->set_count++;
	for (size_t i = 0; i < settings->metadata.count && r == 0; i++)
		r = sweep_add_address(sweep, &settings->metadata.items[i], sweep->set_count);
	sweep->set_count++;
	return r;
}

/* Ports and the host are sides of their own; NAT64 addresses are IPv4 addresses. */
static int sweep_add_passed_over(struct sweep *sweep)
{
	const struct settings *settings = &sweep->policy->settings;
	int r = 0;

	sweep->passed_over = sweep->set_count++;
	for (size_t i = 0; i < sweep->world->ports.count; i++) {
		const struct world_port *port = &sweep->world->ports.items[i];

		for (size_t j = 0; !port->unpoliced && j < port->addresses.count && r == 0; j++)
			if (!addr_is_loopback(&port->addresses.items[j]))
				r = sweep_add_address(sweep, &port->addresses.items[j], sweep->passed_over);
	}
	for (size_t i = 0; i < sweep->world->host_addresses.count && r == 0; i++)
		if (!addr_is_loopback(&sweep->world->host_addresses.items[i]))
			r = sweep_add_address(sweep, &sweep->world->host_addresses.items[i], sweep->passed_over);
	for (size_t i = 0; i < settings->nat64.count && r == 0; i++)
		r = sweep_add(sweep, &settings->nat64.items[i], sweep->passed_over);
	return r;
}

static int sweep_add_all(struct sweep *sweep)
{
	/* So that the first piece of each family begins at its first address. */
	const uint8_t zero[16] = {0};
	const struct prefix everything[] = {
		{.addr = addr_from_bytes(ADDR_V4, zero)},
		{.addr = addr_from_bytes(ADDR_V6, zero)},
	};
	int r = 0;

	for (size_t i = 0; i < sweep_network_count(sweep) && r == 0; i++)
		r = sweep_add_network(sweep, sweep_network(sweep, i), (uint32_t)i * SETS_PER_NETWORK);
	sweep->set_count = (uint32_t)sweep_network_count(sweep) * SETS_PER_NETWORK;
	for (size_t i = 0; i < 2 && r == 0; i++)
		r = sweep_add(sweep, &everything[i], sweep->set_count++);
	if (r == 0)
		r = sweep_add_subnets(sweep);
	if (r == 0)
		r = sweep_add_spaces(sweep);
	return r == 0 ? sweep_add_passed_over(sweep) : r;
}

/* At one address, sets begin before it and end after it. */
static int edge_compare(const void *a, const void *b)
{
	const struct edge *left = a, *right = b;
	int order = addr_compare(&left->at, &right->at);

	return order ? order : (int)left->leaves - (int)right->leaves;
}

/* A number for each set; sums of them by exclusive or tell sets of sets apart (Zobrist 1970). SplitMix64 (Steele, Lea
 * and Flood 2014). */
static uint64_t set_number(uint32_t set)
{
	uint64_t z = (set + 1ull) * 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

static void sweep_open(struct sweep *sweep, uint32_t network)
{
	if (sweep->open_at[network])
		return;
	sweep->open[sweep->open_count++] = network;
	sweep->open_at[network] = (uint32_t)sweep->open_count;
}

static void sweep_close(struct sweep *sweep, uint32_t network)
{
	const uint32_t *sets = &sweep->active[(size_t)network * SETS_PER_NETWORK];
	uint32_t at = sweep->open_at[network], last = sweep->open[sweep->open_count - 1];

	if (sets[SET_CIDRS] || sets[SET_SURE] || sets[SET_EXCEPT])
		return;
	sweep->open[at - 1] = last;
	sweep->open_at[last] = at;
	sweep->open_at[network] = 0;
	sweep->open_count--;
}

static void sweep_cross(struct sweep *sweep, const struct edge *edge)
{
	uint32_t network = edge->set / SETS_PER_NETWORK;
	bool is_network = network < sweep_network_count(sweep);

	if (!edge->leaves) {
		if (sweep->active[edge->set]++ > 0)
			return;
		sweep->signature ^= set_number(edge->set);
		if (is_network)
			sweep_open(sweep, network);
		return;
	}
	if (--sweep->active[edge->set] > 0)
		return;
	sweep->signature ^= set_number(edge->set);
	if (is_network)
		sweep_close(sweep, network);
}

static bool standing_is_guarded(const struct standing *standing)
{
	return standing->kind == STANDING_METADATA || space_holds(SPACE_SPECIAL, &standing->addr);
}

static int reach_compare(const void *a, const void *b)
{
	const struct reach *left = a, *right = b;

	return left->network < right->network ? -1 : left->network > right->network;
}

static int reaches_add(struct reaches *reaches, uint32_t network, bool allow)
{
	struct reach *reach = array_append(reaches);

	if (!reach)
		return -ENOMEM;
	*reach = (struct reach){.network = network, .allow = allow};
	return 0;
}

static int sweep_reaches(const struct sweep *sweep, struct address_class *class)
{
	bool guarded = standing_is_guarded(&class->standing);
	int r;

	if (class->standing.kind != STANDING_OUTSIDE && class->standing.kind != STANDING_METADATA)
		return 0;
	for (size_t i = 0; i < sweep->open_count; i++) {
		const uint32_t *sets = &sweep->active[(size_t)sweep->open[i] * SETS_PER_NETWORK];

		if (!sets[SET_CIDRS] || sets[SET_EXCEPT] || sweep->open[i] >= sweep->policy->networks.count)
			continue;
		r = reaches_add(&class->reaches, sweep->open[i], !guarded || sets[SET_SURE]);
		if (r < 0)
			return r;
	}
	if (class->reaches.count)
		qsort(class->reaches.items, class->reaches.count, sizeof(class->reaches.items[0]), reach_compare);
	return 0;
}

/* The piece that begins at `addr`: a class, unless one like it is known. */
static int sweep_piece(struct sweep *sweep, const struct addr *addr, struct error *error)
{
	struct party party = {.kind = PARTY_ADDRESS, .addr = *addr};
	struct address_class *class;
	int r;

	if (sweep->active[sweep->passed_over])
		return 0;
	if (map_get(sweep->seen, &sweep->signature, sizeof(sweep->signature)))
		return 0;
	if (sweep->classes.count == EXPLAIN_CLASSES_MAX)
		return error_set(error, -E2BIG, "the policy tells more than %u kinds of address apart",
				 EXPLAIN_CLASSES_MAX);
	r = map_set(sweep->seen, &sweep->signature, sizeof(sweep->signature), sweep, NULL);
	if (r < 0)
		return r;
	class = array_append(&sweep->classes);
	if (!class)
		return -ENOMEM;
	r = standing_find(sweep->policy, sweep->world, &party, &class->standing);
	return r < 0 ? r : sweep_reaches(sweep, class);
}

/* The address after; false when it was the family's last. */
static bool addr_next(const struct addr *addr, struct addr *ret_next)
{
	*ret_next = *addr;
	for (unsigned int i = addr_bits(addr) / 8; i-- > 0;)
		if (++ret_next->bytes[i] != 0)
			return true;
	return false;
}

static int sweep_run(struct sweep *sweep, struct error *error)
{
	const struct edge *edges = sweep->edges.items;
	int r = 0;

	for (size_t i = 0; i < sweep->edges.count && r == 0;) {
		struct addr at = edges[i].at, next;

		if (!edges[i].leaves) {
			for (; i < sweep->edges.count && !edges[i].leaves && addr_equal(&edges[i].at, &at); i++)
				sweep_cross(sweep, &edges[i]);
			r = sweep_piece(sweep, &at, error);
			continue;
		}
		for (; i < sweep->edges.count && edges[i].leaves && addr_equal(&edges[i].at, &at); i++)
			sweep_cross(sweep, &edges[i]);
		/* A set that begins at the next address opens that piece itself. */
		if (!addr_next(&at, &next))
			continue;
		if (i < sweep->edges.count && !edges[i].leaves && addr_equal(&edges[i].at, &next))
			continue;
		r = sweep_piece(sweep, &next, error);
	}
	return r;
}

void address_classes_free(struct address_classes *classes)
{
	for (size_t i = 0; i < classes->count; i++) {
		standing_free(&classes->items[i].standing);
		array_free(&classes->items[i].reaches);
	}
	array_free(classes);
}

int address_classes_find(const struct policy *policy, const struct world *world, const struct network *extra,
			 struct address_classes *ret_classes, struct error *error)
{
	struct sweep sweep = {.policy = policy, .world = world, .extra = extra, .seen = map_new()};
	int r = sweep.seen ? sweep_add_all(&sweep) : -ENOMEM;

	if (r < 0)
		goto out;
	sweep.active = calloc(sweep.set_count, sizeof(*sweep.active));
	sweep.open = calloc(sweep_network_count(&sweep) + 1, sizeof(*sweep.open));
	sweep.open_at = calloc(sweep_network_count(&sweep) + 1, sizeof(*sweep.open_at));
	if (!sweep.active || !sweep.open || !sweep.open_at) {
		r = -ENOMEM;
		goto out;
	}
	qsort(sweep.edges.items, sweep.edges.count, sizeof(sweep.edges.items[0]), edge_compare);
	r = sweep_run(&sweep, error);
	if (r < 0)
		goto out;
	*ret_classes = sweep.classes;
	sweep.classes = (struct address_classes){0};
out:
	if (r == -ENOMEM)
		error_set(error, r, "out of memory");
	address_classes_free(&sweep.classes);
	array_free(&sweep.edges);
	free(sweep.active);
	free(sweep.open);
	free(sweep.open_at);
	map_free(sweep.seen, NULL);
	return r;
}

int reaches_find(const struct policy *policy, const struct standing *standing, struct reaches *ret_reaches)
{
	struct reaches reaches = {0};
	int r = 0;

	if (standing->kind != STANDING_OUTSIDE && standing->kind != STANDING_METADATA)
		return 0;
	for (size_t i = 0; i < policy->networks.count && r == 0; i++) {
		const struct network *network = &policy->networks.items[i];

		if (standing_in_network(standing, network, true))
			r = reaches_add(&reaches, (uint32_t)i, standing_in_network(standing, network, false));
	}
	if (r < 0) {
		array_free(&reaches);
		return r;
	}
	*ret_reaches = reaches;
	return 0;
}
