/* SPDX-License-Identifier: GPL-2.0-only */
/* What each identity may send to the host, or one class to another, as runs of services for the nft gate. */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "table/compile.h"

/* The rows of a protocol that has ports, or types and codes. */
static const struct {
	uint8_t protocol;
	uint16_t row;
} host_rows[] = {
	{IPPROTO_TCP, BH_ROW_TCP},   {IPPROTO_UDP, BH_ROW_UDP},	      {IPPROTO_SCTP, BH_ROW_SCTP},
	{IPPROTO_ICMP, BH_ROW_ICMP}, {IPPROTO_ICMPV6, BH_ROW_ICMPV6},
};
#define HOST_ROWS (sizeof(host_rows) / sizeof(host_rows[0]))

/* Neighbouring points of one protocol with one service class. They are the same for all identities: looked for once. */
struct host_segment {
	uint16_t low, high;
	uint16_t class;
};
struct host_segments {
	ARRAY_OF(struct host_segment);
};

struct table_walk {
	const struct table *table;
	const struct bh_cell **cells; /* by service class, of the pair in hand */
	struct host_segments segments[HOST_ROWS];
	int (*fn)(void *arg, const struct host_service *service);
	void *arg;
};

static bool cell_equal(const struct bh_cell *a, const struct bh_cell *b)
{
	return a == b || (a && b && memcmp(a, b, sizeof(*a)) == 0);
}

static int segments_find(const struct table *table, uint32_t row, struct host_segments *segments)
{
	struct host_segment *last = NULL;

	for (uint32_t point = 0; point <= UINT16_MAX; point++) {
		uint16_t class = table->services[row + (point >> 8)].class[point & 0xff];

		if (!last || last->class != class) {
			last = array_append(segments);
			if (!last)
				return -ENOMEM;
			last->low = (uint16_t)point;
			last->class = class;
		}
		last->high = (uint16_t)point;
	}
	return 0;
}

/* The runs of one protocol with ports or types: segments with one cell are one run. */
static int walk_protocol(const struct table_walk *walk, uint32_t identity, size_t index)
{
	const struct host_segments *segments = &walk->segments[index];
	int r = 0;

	for (size_t i = 0, next; r == 0 && i < segments->count; i = next) {
		const struct bh_cell *cell = walk->cells[segments->items[i].class];
		struct host_service run = {identity, host_rows[index].protocol, segments->items[i].low, 0, cell};

		for (next = i + 1; next < segments->count; next++)
			if (!cell_equal(cell, walk->cells[segments->items[next].class]))
				break;
		run.high = segments->items[next - 1].high;
		r = walk->fn(walk->arg, &run);
	}
	return r;
}

/* Protocols by number; those with rows of their own have been walked. */
static int walk_numbers(const struct table_walk *walk, uint32_t identity)
{
	int r = 0;

	for (uint32_t number = 0; r == 0 && number < 256; number++) {
		struct host_service one = {identity, HOST_SERVICE_BY_NUMBER, (uint16_t)number, (uint16_t)number,
					   walk->cells[walk->table->services[BH_ROW_PROTO].class[number]]};
		bool has_rows = false;

		for (size_t i = 0; i < HOST_ROWS; i++)
			has_rows = has_rows || host_rows[i].protocol == number;
		if (!has_rows)
			r = walk->fn(walk->arg, &one);
	}
	return r;
}

const struct cell_entry *table_pair_cells(const struct table *table, uint32_t src, uint32_t dst, size_t *ret_count)
{
	const struct cell_entry *entries = table->cells.items;
	uint64_t first = BH_CELL_KEY(src, dst, 0), last = BH_CELL_KEY(src, dst, 0xffff);
	size_t low = 0, high = table->cells.count, end;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (entries[middle].key < first)
			low = middle + 1;
		else
			high = middle;
	}
	for (end = low; end < table->cells.count && entries[end].key <= last; end++)
		;
	*ret_count = end - low;
	return end > low ? &entries[low] : NULL;
}

/* The cells of a pair, by service class; classes without one of their own have the fallback. */
static void pair_cells(struct table_walk *walk, uint32_t src, uint32_t dst)
{
	const struct bh_cell *fallback = NULL;
	size_t count;
	const struct cell_entry *entries = table_pair_cells(walk->table, src, dst, &count);

	if (entries && (entries[0].key & 0xffff) == BH_SERVICE_ANY)
		fallback = &entries[0].cell;
	for (uint32_t number = 0; number < walk->table->service_class_count; number++)
		walk->cells[number] = fallback;
	for (size_t i = 0; entries && i < count; i++)
		if ((entries[i].key & 0xffff) < walk->table->service_class_count)
			walk->cells[entries[i].key & 0xffff] = &entries[i].cell;
}

int table_walk_new(const struct table *table, struct table_walk **ret_walk)
{
	struct table_walk *walk = calloc(1, sizeof(*walk));
	int r = walk ? 0 : -ENOMEM;

	if (walk) {
		walk->table = table;
		walk->cells = calloc(table->service_class_count, sizeof(const struct bh_cell *));
		r = walk->cells ? 0 : -ENOMEM;
	}
	for (size_t k = 0; r == 0 && k < HOST_ROWS; k++)
		r = segments_find(table, host_rows[k].row, &walk->segments[k]);
	if (r < 0)
		table_walk_free(walk);
	else
		*ret_walk = walk;
	return r;
}

void table_walk_free(struct table_walk *walk)
{
	if (!walk)
		return;
	for (size_t k = 0; k < HOST_ROWS; k++)
		array_free(&walk->segments[k]);
	free(walk->cells);
	free(walk);
}

int table_walk_pair(struct table_walk *walk, uint32_t src, uint32_t dst,
		    int (*fn)(void *arg, const struct host_service *service), void *arg)
{
	int r = 0;

	walk->fn = fn;
	walk->arg = arg;
	pair_cells(walk, src, dst);
	for (size_t k = 0; r == 0 && k < HOST_ROWS; k++)
		r = walk_protocol(walk, src, k);
	return r == 0 ? walk_numbers(walk, src) : r;
}

int table_host_services(const struct table *table, int (*fn)(void *arg, const struct host_service *service), void *arg)
{
	struct table_walk *walk = NULL;
	int r = table_walk_new(table, &walk);

	for (size_t i = 0; r == 0 && i < table->identities.count; i++) {
		if (table->identities.items[i].number != BH_CLASS_CONFLICTED)
			r = table_walk_pair(walk, table->identities.items[i].number, BH_CLASS_HOST, fn, arg);
	}
	table_walk_free(walk);
	return r;
}
