/* SPDX-License-Identifier: GPL-2.0-only */
/* Classes of addresses. All prefixes that anything names, sorted, form a forest: prefixes nest or are apart. A walk in
 * that order with a stack of the prefixes around the present one tells for each what holds its addresses, and so their
 * class. What holds them is a region; regions are found again by 'region before, and what comes on top', so that a
 * million prefixes of one list cost a million look-ups and nothing else. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "table/compile.h"

/* What the policy language says of addresses by itself (docs/policy.md, 'Which address is what'). */
enum area {
	AREA_V4 = 1 << 0,
	AREA_SPECIAL = 1 << 1,
	AREA_PRIVATE = 1 << 2,
	AREA_LOCAL_USE = 1 << 3, /* documentation and benchmarking: world, but not internet */
	AREA_GLOBAL_V6 = 1 << 4, /* outside of it, IPv6 is no internet */
	AREA_GROUP = 1 << 5,
	AREA_METADATA = 1 << 6,
};

static const struct {
	const char *prefix;
	enum area area;
} area_prefixes[] = {
	{"0.0.0.0/8", AREA_SPECIAL},	    {"127.0.0.0/8", AREA_SPECIAL},
	{"169.254.0.0/16", AREA_SPECIAL},   {"192.0.0.0/24", AREA_SPECIAL},
	{"192.88.99.0/24", AREA_SPECIAL},   {"224.0.0.0/4", AREA_SPECIAL},
	{"240.0.0.0/4", AREA_SPECIAL},	    {"::/96", AREA_SPECIAL},
	{"::ffff:0:0/96", AREA_SPECIAL},    {"64:ff9b:1::/48", AREA_SPECIAL},
	{"100::/64", AREA_SPECIAL},	    {"2001::/32", AREA_SPECIAL},
	{"2002::/16", AREA_SPECIAL},	    {"fe80::/10", AREA_SPECIAL},
	{"fec0::/10", AREA_SPECIAL},	    {"ff00::/8", AREA_SPECIAL},
	{"224.0.0.0/4", AREA_GROUP},	    {"255.255.255.255/32", AREA_GROUP},
	{"ff00::/8", AREA_GROUP},	    {"10.0.0.0/8", AREA_PRIVATE},
	{"172.16.0.0/12", AREA_PRIVATE},    {"192.168.0.0/16", AREA_PRIVATE},
	{"100.64.0.0/10", AREA_PRIVATE},    {"fc00::/7", AREA_PRIVATE},
	{"192.0.2.0/24", AREA_LOCAL_USE},   {"198.51.100.0/24", AREA_LOCAL_USE},
	{"203.0.113.0/24", AREA_LOCAL_USE}, {"198.18.0.0/15", AREA_LOCAL_USE},
	{"2001:db8::/32", AREA_LOCAL_USE},  {"3fff::/20", AREA_LOCAL_USE},
	{"2000::/3", AREA_GLOBAL_V6},
};
#define AREA_PREFIXES (sizeof(area_prefixes) / sizeof(area_prefixes[0]))

/* A prefix and what it says of its addresses. Of one prefix they are taken in this order: a zone beats a bridge. */
enum piece_kind { PIECE_ROOT, PIECE_AREA, PIECE_BRIDGE, PIECE_ZONE, PIECE_NETWORK, PIECE_EXCEPT };
struct piece {
	struct prefix prefix;
	uint8_t kind;
	uint32_t payload; /* area bits; zone; network << 1 | reaches restricted addresses; network */
};
struct pieces {
	ARRAY_OF(struct piece);
};

/* How a network holds a region. */
enum cover_how { COVER_IN = 1 << 0, COVER_REACHING = 1 << 1, COVER_OUT = 1 << 2 };
struct cover {
	uint32_t network, how;
};

enum { HOLDER_NONE, HOLDER_BRIDGE, HOLDER_ZONE /* + index of the zone */ };
struct region {
	uint32_t areas, holder;
	uint32_t cover_first, cover_count; /* in sweep.covers, ascending by network */
	uint32_t class;			   /* BH_CLASS_NONE: not looked for yet */
};

/* A prefix around the present one. */
struct frame {
	struct prefix prefix;
	uint32_t region;
	uint32_t class;
	uint32_t entry; /* in table.prefixes: the longest around here that is in it */
};

struct sweep {
	struct compile *compile;
	struct prefix specials[AREA_PREFIXES];
	size_t special_count;
	struct pieces pieces;
	struct {
		ARRAY_OF(struct region);
	} regions;
	struct {
		ARRAY_OF(struct cover);
	} covers;
	struct map *steps; /* (region, kind, payload) → region + 1 */
	struct frame stack[1 + 128 + 1];
	size_t depth;
};

/* ---- Gathering ---- */

static int piece_add(struct sweep *sweep, const struct prefix *prefix, enum piece_kind kind, uint32_t payload)
{
	struct piece *piece = array_append(&sweep->pieces);

	if (!piece)
		return -ENOMEM;
	*piece = (struct piece){*prefix, (uint8_t)kind, payload};
	return 0;
}

/* Wholly within special-use space: in one of its prefixes, or both halves are (224.0.0.0/3 is two of them). */
static bool sweep_special_covers(const struct sweep *sweep, const struct prefix *prefix)
{
	bool holds_one = false;

	for (size_t i = 0; i < sweep->special_count; i++) {
		if (prefix_covers(&sweep->specials[i], prefix))
			return true;
		holds_one = holds_one || prefix_covers(prefix, &sweep->specials[i]);
	}
	if (!holds_one)
		return false;
	struct prefix low = *prefix, high = *prefix;
	low.length = high.length = (uint8_t)(prefix->length + 1);
	high.addr.bytes[prefix->length / 8] |= (uint8_t)(0x80 >> prefix->length % 8);
	return sweep_special_covers(sweep, &low) && sweep_special_covers(sweep, &high);
}

static bool sweep_reaches(const struct sweep *sweep, const struct prefix *prefix)
{
	const struct settings *settings = &sweep->compile->policy->settings;

	if (prefix->length == addr_bits(&prefix->addr))
		for (size_t i = 0; i < settings->metadata.count; i++)
			if (addr_equal(&prefix->addr, &settings->metadata.items[i]))
				return true;
	return sweep_special_covers(sweep, prefix);
}

static int gather_areas(struct sweep *sweep)
{
	const struct settings *settings = &sweep->compile->policy->settings;
	static const char *const roots[] = {"0.0.0.0/0", "::/0"};
	struct prefix prefix;
	int r = 0;

	for (size_t i = 0; r == 0 && i < 2; i++) {
		prefix_parse(roots[i], &prefix, NULL);
		r = piece_add(sweep, &prefix, PIECE_ROOT, 0);
	}
	for (size_t i = 0; r == 0 && i < AREA_PREFIXES; i++) {
		prefix_parse(area_prefixes[i].prefix, &prefix, NULL);
		if (area_prefixes[i].area == AREA_SPECIAL)
			sweep->specials[sweep->special_count++] = prefix;
		r = piece_add(sweep, &prefix, PIECE_AREA, area_prefixes[i].area);
	}
	for (size_t i = 0; r == 0 && i < settings->metadata.count; i++) {
		prefix = prefix_of(&settings->metadata.items[i]);
		r = piece_add(sweep, &prefix, PIECE_AREA, AREA_METADATA);
	}
	return r;
}

static int gather_subnets(struct sweep *sweep)
{
	const struct policy *policy = sweep->compile->policy;
	const struct world *world = sweep->compile->world;
	int r = 0;

	for (size_t i = 0; r == 0 && i < world->bridges.count; i++) {
		const struct prefixes *subnets = &world->bridges.items[i].subnets;

		for (size_t k = 0; r == 0 && k < subnets->count; k++)
			r = piece_add(sweep, &subnets->items[k], PIECE_BRIDGE, 0);
	}
	for (size_t i = 0; r == 0 && i < policy->zones.count; i++) {
		const struct prefixes *subnets = &policy->zones.items[i].subnets;

		for (size_t k = 0; r == 0 && k < subnets->count; k++)
			r = piece_add(sweep, &subnets->items[k], PIECE_ZONE, (uint32_t)i);
	}
	return r;
}

static int gather_network(struct sweep *sweep, uint32_t index)
{
	const struct network *network = &sweep->compile->policy->networks.items[index];
	bool in_allows = sweep->compile->holders[false][index] != 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < network->cidrs.count; i++) {
		const struct prefix *prefix = &network->cidrs.items[i];
		bool reaching = in_allows && sweep_reaches(sweep, prefix);

		r = piece_add(sweep, prefix, PIECE_NETWORK, index << 1 | reaching);
	}
	for (size_t i = 0; r == 0 && i < network->except.count; i++)
		r = piece_add(sweep, &network->except.items[i], PIECE_EXCEPT, index);
	return r;
}

/* Networks that no rule names tell nothing apart. */
static int gather_networks(struct sweep *sweep)
{
	const struct compile *compile = sweep->compile;
	int r = 0;

	for (size_t i = 0; r == 0 && i < compile->policy->networks.count; i++)
		if (compile->holders[false][i] || compile->holders[true][i])
			r = gather_network(sweep, (uint32_t)i);
	return r;
}

static int piece_compare(const void *a, const void *b)
{
	const struct piece *x = a, *y = b;
	int order = prefix_compare(&x->prefix, &y->prefix);

	if (order != 0)
		return order;
	return x->kind != y->kind ? x->kind - y->kind : x->payload < y->payload ? -1 : x->payload > y->payload;
}

/* ---- Regions ---- */

/* The region's covers with one more way in which `network` holds it. */
static int region_cover(struct sweep *sweep, struct region *region, uint32_t network, uint32_t how)
{
	size_t first = sweep->covers.count, old = region->cover_first, end = old + region->cover_count;
	bool done = false;

	if (first + region->cover_count + 1 > sweep->compile->limits->covers)
		return error_set(sweep->compile->error, -E2BIG,
				 "networks overlap too much: more than %u pairs of a network and a part of it",
				 sweep->compile->limits->covers);
	if (array_reserve(&sweep->covers, first + region->cover_count + 1) < 0)
		return -ENOMEM;
	struct cover *covers = sweep->covers.items;
	for (size_t i = old; i < end; i++) {
		struct cover cover = covers[i];

		if (!done && cover.network >= network) {
			done = true;
			if (cover.network == network)
				cover.how |= how;
			else
				covers[sweep->covers.count++] = (struct cover){network, how};
		}
		covers[sweep->covers.count++] = cover;
	}
	if (!done)
		covers[sweep->covers.count++] = (struct cover){network, how};
	region->cover_first = (uint32_t)first;
	region->cover_count = (uint32_t)(sweep->covers.count - first);
	return 0;
}

static int region_change(struct sweep *sweep, struct region *region, const struct piece *piece)
{
	region->class = BH_CLASS_NONE;
	switch ((enum piece_kind)piece->kind) {
	case PIECE_ROOT:
		return 0;
	case PIECE_AREA:
		region->areas |= piece->payload;
		return 0;
	case PIECE_BRIDGE:
		region->holder = HOLDER_BRIDGE;
		return 0;
	case PIECE_ZONE:
		region->holder = HOLDER_ZONE + piece->payload;
		return 0;
	case PIECE_NETWORK:
		return region_cover(sweep, region, piece->payload >> 1,
				    piece->payload & 1 ? COVER_IN | COVER_REACHING : COVER_IN);
	case PIECE_EXCEPT:
		return region_cover(sweep, region, piece->payload, COVER_OUT);
	}
	return -EINVAL;
}

/* The region of what `piece` holds within `region`. */
static int region_step(struct sweep *sweep, uint32_t region, const struct piece *piece, uint32_t *ret_region)
{
	struct {
		uint32_t region, kind, payload;
	} key = {region, piece->kind, piece->payload};
	void *found = map_get(sweep->steps, &key, sizeof(key));
	struct region changed, *slot;
	int r;

	if (found) {
		*ret_region = (uint32_t)(uintptr_t)found - 1;
		return 0;
	}
	changed = sweep->regions.items[region];
	r = region_change(sweep, &changed, piece);
	if (r < 0)
		return r;
	slot = array_append(&sweep->regions);
	if (!slot)
		return -ENOMEM;
	*slot = changed;
	*ret_region = (uint32_t)sweep->regions.count - 1;
	return map_set(sweep->steps, &key, sizeof(key), (void *)(uintptr_t)sweep->regions.count, NULL);
}

static uint32_t region_traits(const struct region *region)
{
	uint32_t areas = region->areas, traits = 0;

	if (areas & AREA_GROUP)
		traits |= TRAIT_GROUP;
	if (areas & AREA_METADATA)
		return traits | TRAIT_METADATA;
	if (areas & AREA_SPECIAL)
		return traits;
	traits |= TRAIT_WORLD;
	if (areas & AREA_PRIVATE)
		traits |= TRAIT_PRIVATE;
	else if (!(areas & AREA_LOCAL_USE) && areas & (AREA_V4 | AREA_GLOBAL_V6))
		traits |= TRAIT_INTERNET;
	return traits;
}

static const char *region_word(uint32_t traits)
{
	if (traits & TRAIT_METADATA)
		return "metadata";
	if (traits & TRAIT_GROUP)
		return "multicast";
	if (traits & TRAIT_PRIVATE)
		return "private";
	if (traits & TRAIT_INTERNET)
		return "internet";
	return traits & TRAIT_WORLD ? "world" : "special-use";
}

/* "office+world"; of a class that many networks share, the first few. */
#define REGION_NAMES_MAX 3
static void region_name_network(const struct compile *compile, uint32_t index, size_t number, struct text *text)
{
	const struct network *network = &compile->policy->networks.items[index];
	char buffer[PREFIX_TEXT_MAX];

	if (number > REGION_NAMES_MAX)
		return;
	if (number == REGION_NAMES_MAX)
		text_append(text, "…+");
	else if (network->name)
		text_appendf(text, "%s+", network->name);
	else if (network->cidrs.count)
		text_appendf(text, "%s+", prefix_format(&network->cidrs.items[0], buffer));
}

/* The holders of the region's addresses, and the class's name. */
static int region_signature(struct sweep *sweep, const struct region *region, struct numbers *holders,
			    struct text *name)
{
	const struct compile *compile = sweep->compile;
	bool restricted = region->areas & (AREA_SPECIAL | AREA_METADATA);
	size_t named = 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < region->cover_count; i++) {
		const struct cover *cover = &sweep->covers.items[region->cover_first + i];
		uint32_t allow = compile->holders[false][cover->network], deny = compile->holders[true][cover->network];

		if (cover->how & COVER_OUT || !(cover->how & COVER_IN))
			continue;
		if (allow && (!restricted || cover->how & COVER_REACHING))
			r = numbers_add(holders, allow);
		if (r == 0 && deny)
			r = numbers_add(holders, deny | SIGNATURE_DENY);
		region_name_network(compile, cover->network, named++, name);
	}
	numbers_sort(holders);
	return r;
}

static int region_outside(struct sweep *sweep, const struct region *region, uint32_t *ret_subject)
{
	uint32_t traits = region_traits(region);
	struct numbers holders = {0};
	struct text name = {0};
	int r = region_signature(sweep, region, &holders, &name);

	text_append(&name, region_word(traits));
	if (name.failed)
		r = -ENOMEM;
	if (r == 0)
		r = compile_class(sweep->compile, SUBJECT_OUTSIDE, COMPILE_NONE, traits, &holders, text_string(&name),
				  ret_subject);
	array_free(&holders);
	text_free(&name);
	return r;
}

static int region_subnet(struct sweep *sweep, const struct region *region, uint32_t *ret_subject)
{
	uint32_t zone = region->holder - HOLDER_ZONE;
	struct text name = {0};
	int r;

	if (region->holder == HOLDER_BRIDGE)
		return compile_class(sweep->compile, SUBJECT_NEIGHBOUR, COMPILE_NONE, 0, NULL, "unassigned",
				     ret_subject);
	text_appendf(&name, "subnets of %s", sweep->compile->policy->zones.items[zone].name);
	r = name.failed ? -ENOMEM
			: compile_class(sweep->compile, SUBJECT_SUBNET, zone, 0, NULL, text_string(&name), ret_subject);
	text_free(&name);
	return r;
}

static int region_class(struct sweep *sweep, uint32_t index, uint32_t *ret_class)
{
	struct region *region = &sweep->regions.items[index];
	uint32_t subject = 0;
	int r = 0;

	if (region->class == BH_CLASS_NONE) {
		/* A metadata address is metadata, whatever subnet holds it. */
		if (region->holder != HOLDER_NONE && !(region->areas & AREA_METADATA))
			r = region_subnet(sweep, region, &subject);
		else
			r = region_outside(sweep, region, &subject);
		if (r < 0)
			return r;
		region->class = sweep->compile->subjects.items[subject].class;
	}
	*ret_class = region->class;
	return 0;
}

/* ---- The walk ---- */

static int sweep_emit(struct sweep *sweep, struct frame *frame)
{
	struct table *table = sweep->compile->table;
	struct prefix_entry *entry;
	uint32_t *parents;

	if (table->prefixes.count >= sweep->compile->limits->prefixes)
		return error_set(sweep->compile->error, -E2BIG, "more than %u prefixes",
				 sweep->compile->limits->prefixes);
	/* The parents grow with the prefixes, item by item. */
	size_t capacity = table->prefixes.capacity;
	entry = array_append(&table->prefixes);
	if (!entry)
		return -ENOMEM;
	if (table->prefixes.capacity != capacity) {
		parents = reallocarray(table->prefix_parents, table->prefixes.capacity, sizeof(*parents));
		if (!parents)
			return -ENOMEM;
		table->prefix_parents = parents;
	}
	table->prefix_parents[table->prefixes.count - 1] = frame->entry;
	frame->entry = (uint32_t)table->prefixes.count - 1;
	*entry = (struct prefix_entry){frame->prefix, frame->class};
	return 0;
}

/* Takes all pieces of one prefix. */
static int sweep_prefix(struct sweep *sweep, const struct piece *pieces, size_t count)
{
	struct frame frame = {.prefix = pieces[0].prefix, .entry = COMPILE_NONE};
	const struct frame *around = NULL;
	int r = 0;

	while (sweep->depth > 0 && !prefix_covers(&sweep->stack[sweep->depth - 1].prefix, &frame.prefix))
		sweep->depth--;
	if (sweep->depth > 0) {
		around = &sweep->stack[sweep->depth - 1];
		frame.region = around->region;
		frame.entry = around->entry;
	} else {
		frame.region = frame.prefix.addr.family == ADDR_V4 ? 0 : 1;
	}
	for (size_t i = 0; r == 0 && i < count; i++)
		if (pieces[i].kind != PIECE_ROOT)
			r = region_step(sweep, frame.region, &pieces[i], &frame.region);
	if (r == 0)
		r = region_class(sweep, frame.region, &frame.class);
	if (r == 0 && (!around || around->class != frame.class))
		r = sweep_emit(sweep, &frame);
	if (r == 0)
		sweep->stack[sweep->depth++] = frame;
	return r;
}

static int sweep_run(struct sweep *sweep)
{
	const struct pieces *pieces = &sweep->pieces;
	struct region *roots;
	int r = 0;

	if (array_reserve(&sweep->regions, 2) < 0)
		return -ENOMEM;
	roots = sweep->regions.items;
	roots[0] = (struct region){.areas = AREA_V4};
	roots[1] = (struct region){0};
	sweep->regions.count = 2;
	array_sort(pieces, piece_compare);
	for (size_t i = 0, end; r == 0 && i < pieces->count; i = end) {
		for (end = i + 1; end < pieces->count; end++)
			if (prefix_compare(&pieces->items[i].prefix, &pieces->items[end].prefix) != 0)
				break;
		r = sweep_prefix(sweep, &pieces->items[i], end - i);
	}
	return r;
}

int compile_prefixes(struct compile *compile)
{
	struct sweep sweep = {.compile = compile, .steps = map_new()};
	int r = sweep.steps ? gather_areas(&sweep) : -ENOMEM;

	if (r == 0)
		r = gather_subnets(&sweep);
	if (r == 0)
		r = gather_networks(&sweep);
	if (r == 0)
		r = sweep_run(&sweep);
	array_free(&sweep.pieces);
	array_free(&sweep.regions);
	array_free(&sweep.covers);
	map_free(sweep.steps, NULL);
	return r == -ENOMEM ? compile_out_of_memory(compile) : r;
}
