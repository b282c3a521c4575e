/* SPDX-License-Identifier: GPL-2.0-only */
/* Classes of services: two services are one class when no rule tells them apart.
 *
 * A service is a point on one line: row * 256 + column of the ABI's rows (TCP ports, then UDP's, …). A rule's services
 * are ranges on it. All ranges' ends cut the line into segments; then each distinct set of ranges splits the classes
 * that it holds in part (partition refinement: Paige and Tarjan, SIAM J. Computing 1987). */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "table/compile.h"

#define POINTS		(BH_SERVICE_ROWS * 256u)
#define POINT_ROW(row)	((uint32_t)(row)*256u)
#define PORTS_PER_PROTO 65536u
#define PROTOCOLS	256u

/* Both ends included. */
struct range {
	uint32_t low, high;
};
struct ranges {
	ARRAY_OF(struct range);
};

/* `tunnels` of the policy language: what an allow of `all` or `udp` leaves out. Ascending. */
static const uint32_t tunnel_points[] = {
	POINT_ROW(BH_ROW_UDP) + 4789, /* VXLAN, RFC 7348 */
	POINT_ROW(BH_ROW_UDP) + 6081, /* Geneve, RFC 8926 */
	POINT_ROW(BH_ROW_UDP) + 8472, /* VXLAN, as Linux had it first */
	POINT_ROW(BH_ROW_PROTO) + 4,  /* IPv4 in IP */
	POINT_ROW(BH_ROW_PROTO) + 41, /* IPv6 in IP */
	POINT_ROW(BH_ROW_PROTO) + 47, /* GRE */
};
#define TUNNEL_POINTS (sizeof(tunnel_points) / sizeof(tunnel_points[0]))

/* The first point of a protocol that has ports or types; POINTS for the others. */
static uint32_t protocol_first(uint8_t protocol)
{
	switch (protocol) {
	case IPPROTO_TCP:
		return POINT_ROW(BH_ROW_TCP);
	case IPPROTO_UDP:
		return POINT_ROW(BH_ROW_UDP);
	case IPPROTO_SCTP:
		return POINT_ROW(BH_ROW_SCTP);
	case IPPROTO_ICMP:
		return POINT_ROW(BH_ROW_ICMP);
	case IPPROTO_ICMPV6:
		return POINT_ROW(BH_ROW_ICMPV6);
	default: /* an IP protocol number, no enum of ours */
		return POINTS;
	}
}

static struct range atom_range(const struct service_atom *atom)
{
	uint32_t first = protocol_first(atom->protocol);

	switch (atom->kind) {
	case SERVICE_ALL:
		return (struct range){0, POINTS - 1};
	case SERVICE_PROTOCOL:
		if (first == POINTS)
			return (struct range){POINT_ROW(BH_ROW_PROTO) + atom->protocol,
					      POINT_ROW(BH_ROW_PROTO) + atom->protocol};
		return (struct range){first, first + PORTS_PER_PROTO - 1};
	case SERVICE_PORTS:
		return (struct range){first + atom->low, first + atom->high};
	case SERVICE_ICMP:
		if (atom->high == SERVICE_CODE_ANY)
			return (struct range){first + atom->low * 256u, first + atom->low * 256u + 255};
		return (struct range){first + atom->low * 256u + atom->high, first + atom->low * 256u + atom->high};
	case SERVICE_KIND_MAX:
		break;
	}
	return (struct range){0, 0};
}

static int ranges_add(struct ranges *ranges, uint32_t low, uint32_t high)
{
	struct range *range = array_append(ranges);

	if (!range)
		return -ENOMEM;
	*range = (struct range){low, high};
	return 0;
}

/* A protocol's ports or types, and the protocol by its number: ICMP in a packet of the other family has no types. */
static int ranges_add_number(struct ranges *ranges, const struct service_atom *atom)
{
	uint32_t point = POINT_ROW(BH_ROW_PROTO) + atom->protocol;

	if (atom->kind != SERVICE_PROTOCOL || (atom->protocol != IPPROTO_ICMP && atom->protocol != IPPROTO_ICMPV6))
		return 0;
	return ranges_add(ranges, point, point);
}

static int ranges_add_atom(struct ranges *ranges, const struct service_atom *atom)
{
	struct range range = atom_range(atom);
	uint32_t low = range.low;
	int r = ranges_add_number(ranges, atom);

	for (size_t i = 0; r == 0 && atom->without_tunnels && i < TUNNEL_POINTS; i++) {
		if (tunnel_points[i] < low || tunnel_points[i] > range.high)
			continue;
		if (tunnel_points[i] > low)
			r = ranges_add(ranges, low, tunnel_points[i] - 1);
		low = tunnel_points[i] + 1;
	}
	return r == 0 && low <= range.high ? ranges_add(ranges, low, range.high) : r;
}

static int range_compare(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	return x->low != y->low ? (x->low < y->low ? -1 : 1) : (x->high < y->high ? -1 : x->high > y->high);
}

/* Ascending and apart, so that equal sets look equal. */
static void ranges_merge(struct ranges *ranges)
{
	size_t kept = 0;

	if (ranges->count < 2)
		return;
	array_sort(ranges, range_compare);
	for (size_t i = 1; i < ranges->count; i++) {
		struct range *last = &ranges->items[kept];

		if (ranges->items[i].low > last->high + 1)
			ranges->items[++kept] = ranges->items[i];
		else if (ranges->items[i].high > last->high)
			last->high = ranges->items[i].high;
	}
	ranges->count = kept + 1;
}

static int set_intern(struct compile *compile, const struct ranges *ranges, uint32_t *ret_set)
{
	size_t size = ranges->count * sizeof(*ranges->items);
	void *found = map_get(compile->set_index, ranges->items, size);
	int r = compile->sets.starts.count ? 0 : lists_begin(&compile->sets);

	if (found) {
		*ret_set = (uint32_t)(uintptr_t)found - 1;
		return 0;
	}
	for (size_t i = 0; r == 0 && i < ranges->count; i++) {
		r = lists_add(&compile->sets, ranges->items[i].low);
		if (r == 0)
			r = lists_add(&compile->sets, ranges->items[i].high);
	}
	if (r == 0)
		r = lists_close(&compile->sets);
	if (r < 0)
		return r;
	*ret_set = (uint32_t)lists_count(&compile->sets) - 1;
	return map_set(compile->set_index, ranges->items, size, (void *)(uintptr_t)(*ret_set + 1), NULL);
}

int compile_service_set(struct compile *compile, const struct service_atoms *atoms, uint32_t *ret_set)
{
	struct ranges ranges = {0};
	int r = 0;

	for (size_t i = 0; r == 0 && i < atoms->count; i++)
		r = ranges_add_atom(&ranges, &atoms->items[i]);
	ranges_merge(&ranges);
	if (r == 0)
		r = set_intern(compile, &ranges, ret_set);
	array_free(&ranges);
	return r < 0 ? compile_out_of_memory(compile) : 0;
}

/* ---- Splitting ---- */

struct split {
	struct compile *compile;
	struct numbers starts;	/* first points of the segments, ascending */
	uint32_t *class;	/* by segment */
	uint32_t *sizes;	/* by class: segments in it */
	uint32_t *seen, *child; /* by class: set + 1 that was the last to meet it; where that set's part went */
	struct numbers spare;	/* classes that have become empty */
	uint32_t class_count;	/* with the empty ones */
	uint32_t *final;	/* by class: its number in the end */
};

static void split_free(struct split *split)
{
	array_free(&split->starts);
	array_free(&split->spare);
	free(split->class);
	free(split->sizes);
	free(split->seen);
	free(split->child);
	free(split->final);
}

static int split_find_starts(struct split *split)
{
	const struct numbers *ends = &split->compile->sets.numbers;
	int r = 0;

	/* The rows are kept apart from one another: the table's rows by protocol, its last by IP protocol number. */
	for (uint32_t i = 0; r == 0 && i < PROTOCOLS; i++)
		r = numbers_add(&split->starts, POINT_ROW(BH_ROW_PROTO) + i);
	for (uint32_t row = 0; r == 0 && row < BH_ROW_PROTO; row += 256)
		r = numbers_add(&split->starts, POINT_ROW(row));
	for (size_t i = 0; r == 0 && i + 1 < ends->count; i += 2) {
		r = numbers_add(&split->starts, ends->items[i]);
		if (r == 0 && ends->items[i + 1] + 1 < POINTS)
			r = numbers_add(&split->starts, ends->items[i + 1] + 1);
	}
	numbers_sort(&split->starts);
	return r;
}

static int split_new(struct split *split)
{
	int r = split_find_starts(split);
	size_t count = split->starts.count;

	if (r < 0)
		return r;
	/* There are never more classes than segments, and one more in between. */
	split->class = calloc(count + 1, sizeof(uint32_t));
	split->sizes = calloc(count + 1, sizeof(uint32_t));
	split->seen = calloc(count + 1, sizeof(uint32_t));
	split->child = calloc(count + 1, sizeof(uint32_t));
	split->final = calloc(count + 1, sizeof(uint32_t));
	if (!split->class || !split->sizes || !split->seen || !split->child || !split->final)
		return -ENOMEM;
	split->sizes[0] = (uint32_t)count;
	split->class_count = 1;
	return 0;
}

static size_t split_segment(const struct split *split, uint32_t point)
{
	size_t low = 0, high = split->starts.count;

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (split->starts.items[middle] <= point)
			low = middle;
		else
			high = middle;
	}
	return low;
}

static int split_move(struct split *split, size_t segment, uint32_t set)
{
	uint32_t class = split->class[segment];

	if (split->seen[class] != set + 1) {
		split->seen[class] = set + 1;
		if (split->spare.count)
			split->child[class] = split->spare.items[--split->spare.count];
		else
			split->child[class] = split->class_count++;
		/* The part is not met again by this set: its segments are passed once. */
		split->seen[split->child[class]] = 0;
	}
	split->class[segment] = split->child[class];
	split->sizes[split->child[class]]++;
	return --split->sizes[class] == 0 ? numbers_add(&split->spare, class) : 0;
}

static int split_by_set(struct split *split, uint32_t set)
{
	size_t count;
	const uint32_t *ends = lists_get(&split->compile->sets, set, &count);
	int r = 0;

	for (size_t i = 0; r == 0 && i + 1 < count; i += 2)
		for (size_t segment = split_segment(split, ends[i]);
		     r == 0 && segment < split->starts.count && split->starts.items[segment] <= ends[i + 1]; segment++)
			r = split_move(split, segment, set);
	return r;
}

/* Class 0 is what rules tell apart least: the class of most IP protocol numbers, tunnels and those with rows of their
 * own left out. */
static uint32_t split_find_any(struct split *split)
{
	uint32_t best = 0, most = 0, *votes = split->seen;
	size_t tunnel = 0;

	memset(votes, 0, (split->starts.count + 1) * sizeof(*votes));
	for (uint32_t protocol = 0; protocol < PROTOCOLS; protocol++) {
		uint32_t point = POINT_ROW(BH_ROW_PROTO) + protocol;
		uint32_t class = split->class[split_segment(split, point)];

		while (tunnel < TUNNEL_POINTS && tunnel_points[tunnel] < point)
			tunnel++;
		if (protocol_first((uint8_t)protocol) != POINTS ||
		    (tunnel < TUNNEL_POINTS && tunnel_points[tunnel] == point))
			continue;
		if (++votes[class] > most) {
			most = votes[class];
			best = class;
		}
	}
	return best;
}

/* Numbers without gaps, class 0 first, then by the first point. */
static int split_number(struct split *split, uint32_t *ret_count)
{
	uint32_t any = split_find_any(split), next = 1;

	memset(split->seen, 0, (split->starts.count + 1) * sizeof(*split->seen));
	split->seen[any] = 1;
	split->final[any] = BH_SERVICE_ANY;
	for (size_t i = 0; i < split->starts.count; i++) {
		uint32_t class = split->class[i];

		if (split->seen[class])
			continue;
		split->seen[class] = 1;
		split->final[class] = next++;
	}
	if (next > split->compile->limits->service_classes)
		return error_set(split->compile->error, -E2BIG,
				 "the rules tell %u classes of services apart; at most %u", next,
				 split->compile->limits->service_classes);
	*ret_count = next;
	return 0;
}

static int service_fill_rows(struct split *split)
{
	struct table *table = split->compile->table;

	table->services = calloc(BH_SERVICE_ROWS, sizeof(*table->services));
	if (!table->services)
		return -ENOMEM;
	for (size_t i = 0; i < split->starts.count; i++) {
		uint32_t end = i + 1 < split->starts.count ? split->starts.items[i + 1] : POINTS;

		for (uint32_t point = split->starts.items[i]; point < end; point++)
			table->services[point / 256].class[point % 256] = (uint16_t)split->final[split->class[i]];
	}
	return 0;
}

/* The classes of one set, or those that it lacks. */
static int service_set_classes(struct split *split, uint32_t set, uint32_t class_count)
{
	struct lists *lists = &split->compile->set_classes;
	uint32_t *seen = split->seen; /* by final number: set + 1 that was the last to hold it */
	struct numbers held = {0};
	size_t count;
	const uint32_t *ends = lists_get(&split->compile->sets, set, &count);
	int r = 0;

	for (size_t i = 0; i + 1 < count; i += 2)
		for (size_t segment = split_segment(split, ends[i]);
		     r == 0 && segment < split->starts.count && split->starts.items[segment] <= ends[i + 1];
		     segment++) {
			uint32_t class = split->final[split->class[segment]];

			if (seen[class] != set + 1)
				r = numbers_add(&held, class);
			seen[class] = set + 1;
		}
	split->compile->set_holds_any[set] = seen[BH_SERVICE_ANY] == set + 1;
	if (split->compile->set_holds_any[set]) {
		for (uint32_t number = 0; r == 0 && number < class_count; number++)
			if (seen[number] != set + 1)
				r = lists_add(lists, number);
	} else {
		numbers_sort(&held);
		for (size_t i = 0; r == 0 && i < held.count; i++)
			r = lists_add(lists, held.items[i]);
	}
	array_free(&held);
	if (r == 0 && lists->numbers.count > split->compile->limits->sets)
		return error_set(split->compile->error, -E2BIG,
				 "the rules' services overlap too much: more than %u pairs of a set and a class",
				 split->compile->limits->sets);
	return r == 0 ? lists_close(lists) : r;
}

static int service_split(struct compile *compile, struct split *split)
{
	uint32_t set_count = (uint32_t)lists_count(&compile->sets), class_count = 0;
	int r = split_new(split);

	for (uint32_t set = 0; r == 0 && set < set_count; set++)
		r = split_by_set(split, set);
	if (r == 0)
		r = split_number(split, &class_count);
	if (r == 0)
		r = service_fill_rows(split);
	if (r < 0)
		return r;
	compile->table->service_class_count = class_count;
	compile->set_holds_any = calloc(set_count + 1, sizeof(*compile->set_holds_any));
	r = compile->set_holds_any ? lists_begin(&compile->set_classes) : -ENOMEM;
	memset(split->seen, 0, (split->starts.count + 1) * sizeof(*split->seen));
	for (uint32_t set = 0; r == 0 && set < set_count; set++)
		r = service_set_classes(split, set, class_count);
	return r;
}

int compile_services(struct compile *compile)
{
	struct split split = {.compile = compile};
	int r = service_split(compile, &split);

	split_free(&split);
	return r == -ENOMEM ? compile_out_of_memory(compile) : r;
}
