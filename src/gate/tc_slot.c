/* SPDX-License-Identifier: GPL-2.0-only */
/* The idle slot: for each map of maps an inner map just large enough is made, filled, and put in the slot's place.
 * What the new table has in common with the one in force is not copied: both slots then hold the same inner map, which
 * nobody writes any more.
 *
 * Putting a map in place waits for a grace period of the kernel; where those can't be shortened (tc_grace.c), the five
 * wait side by side. */
#include <bpf/bpf.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "gate/tc_private.h"

#define NS_PER_S      1000000000ull
#define CHUNK_ENTRIES 4096u /* copied before a call to the kernel */

int64_t tc_tai_offset(void)
{
	struct timespec tai, utc;

	/* The programs compare with CLOCK_TAI, which never steps back by a leap second; the kernel knows its distance
	 * from UTC only where a time daemon has told it, and it is 0 until then. Read by two clocks: adjtimex() is
	 * refused where a service may not set the clock. The two calls are not at the same moment: to the next second.
	 */
	if (clock_gettime(CLOCK_TAI, &tai) < 0 || clock_gettime(CLOCK_REALTIME, &utc) < 0)
		return 0;
	return tai.tv_sec - utc.tv_sec + (tai.tv_nsec - utc.tv_nsec + (int64_t)NS_PER_S / 2 >= (int64_t)NS_PER_S) -
	       (tai.tv_nsec - utc.tv_nsec + (int64_t)NS_PER_S / 2 < 0);
}

bool tc_slot_needed(const struct tc_gate *tc, const struct table *table)
{
	return table != tc->table || tc_tai_offset() != tc->tai_offset;
}

/* ---- What is in a table ------------------------------------------------------------------------------------------ */

static size_t prefix_count(const struct table *table, uint8_t family)
{
	size_t count = 0;

	for (size_t i = 0; i < table->prefixes.count; i++)
		count += table->prefixes.items[i].prefix.addr.family == family;
	return count;
}

static size_t entry_count(const struct table *table, enum tc_slot_map which)
{
	switch (which) {
	case TC_SLOT_CELLS:
		return table->cells.count;
	case TC_SLOT_CLASSES:
		return table->class_count;
	case TC_SLOT_SERVICES:
		return BH_SERVICE_ROWS;
	case TC_SLOT_PREFIXES4:
		return prefix_count(table, ADDR_V4);
	case TC_SLOT_PREFIXES6:
		return prefix_count(table, ADDR_V6);
	case TC_SLOT_MAX:
		break;
	}
	return 0;
}

static bool prefixes_equal(const struct table *a, const struct table *b)
{
	if (a->prefixes.count != b->prefixes.count)
		return false;
	for (size_t i = 0; i < a->prefixes.count; i++) {
		const struct prefix_entry *x = &a->prefixes.items[i], *y = &b->prefixes.items[i];

		if (x->class != y->class || prefix_compare(&x->prefix, &y->prefix) != 0)
			return false;
	}
	return true;
}

/* May say 'no' of equal ones (in another order): then they are copied. */
static bool part_equal(const struct table *a, const struct table *b, enum tc_slot_map which)
{
	size_t count = entry_count(a, which);

	if (count != entry_count(b, which))
		return false;
	switch (which) {
	case TC_SLOT_CELLS:
		return count == 0 || memcmp(a->cells.items, b->cells.items, count * sizeof(*a->cells.items)) == 0;
	case TC_SLOT_CLASSES:
		return memcmp(a->class_info, b->class_info, count * sizeof(*a->class_info)) == 0;
	case TC_SLOT_SERVICES:
		return memcmp(a->services, b->services, count * sizeof(*a->services)) == 0;
	case TC_SLOT_PREFIXES4:
	case TC_SLOT_PREFIXES6:
		return prefixes_equal(a, b);
	case TC_SLOT_MAX:
		break;
	}
	return false;
}

/* ---- Filling -------------------------------------------------------------------------------------------------------
 */

static uint64_t until_tai(uint64_t until, int64_t tai_offset)
{
	uint64_t offset = (uint64_t)tai_offset * NS_PER_S;

	/* Never and always stay what they are; so does what is too far away to be told from for ever. */
	if (until == 0 || until == BH_FOREVER || until > BH_FOREVER - offset)
		return until;
	return until + offset;
}

/* Entry `i` of the table's part, as the kernel has it. False: it is not of this part (prefixes of the other family). */
static bool entry_copy(const struct table *table, enum tc_slot_map which, size_t i, int64_t tai_offset, void *key,
		       void *value)
{
	const struct prefix_entry *prefix;
	struct bh_cell cell;
	uint32_t index = (uint32_t)i;

	switch (which) {
	case TC_SLOT_CELLS:
		cell = table->cells.items[i].cell;
		cell.deny_until = until_tai(cell.deny_until, tai_offset);
		cell.allow_until = until_tai(cell.allow_until, tai_offset);
		cell.staged_until = until_tai(cell.staged_until, tai_offset);
		memcpy(key, &table->cells.items[i].key, sizeof(uint64_t));
		memcpy(value, &cell, sizeof(cell));
		return true;
	case TC_SLOT_CLASSES:
		/* A new array is all zeroes, and so are most of the thousands of classes. */
		if (table->class_info[i].flags == 0 && table->class_info[i].default_decision == 0)
			return false;
		memcpy(key, &index, sizeof(index));
		memcpy(value, &table->class_info[i], sizeof(table->class_info[i]));
		return true;
	case TC_SLOT_SERVICES:
		memcpy(key, &index, sizeof(index));
		memcpy(value, &table->services[i], sizeof(table->services[i]));
		return true;
	case TC_SLOT_PREFIXES4:
	case TC_SLOT_PREFIXES6:
		prefix = &table->prefixes.items[i];
		if (prefix->prefix.addr.family != (which == TC_SLOT_PREFIXES4 ? ADDR_V4 : ADDR_V6))
			return false;
		index = prefix->prefix.length;
		memcpy(key, &index, sizeof(index));
		memcpy((char *)key + sizeof(index), prefix->prefix.addr.bytes,
		       which == TC_SLOT_PREFIXES4 ? sizeof(((struct bh_lpm4_key *)NULL)->addr)
						  : sizeof(((struct bh_lpm6_key *)NULL)->addr));
		memcpy(value, &prefix->class, sizeof(prefix->class));
		return true;
	case TC_SLOT_MAX:
		break;
	}
	return false;
}

static int inner_fill(int fd, const struct tc_shape *shape, const struct table *table, enum tc_slot_map which,
		      int64_t tai_offset)
{
	bool prefixes = which == TC_SLOT_PREFIXES4 || which == TC_SLOT_PREFIXES6;
	size_t count = prefixes ? table->prefixes.count : entry_count(table, which);
	struct tc_entries chunk = {.key_size = shape->key_size, .value_size = shape->value_size};
	void *key, *value;
	int result = 0;

	for (size_t i = 0; i < count && result == 0; i++) {
		result = tc_entries_append(&chunk, &key, &value);
		if (result < 0)
			break;
		if (!entry_copy(table, which, i, tai_offset, key, value))
			chunk.count--;
		if (chunk.count == CHUNK_ENTRIES || i + 1 == count) {
			result = tc_entries_write(fd, &chunk);
			chunk.count = 0;
		}
	}
	tc_entries_free(&chunk);
	return result;
}

/* A descriptor of the new inner map, or -errno. */
static int inner_make(struct tc_gate *tc, const struct table *table, enum tc_slot_map which, struct error *error)
{
	const char *name = tc_map_names[tc_slot_outer(which)];
	const struct tc_shape *shape = &tc->inner[tc_slot_outer(which)];
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = shape->flags);
	size_t count = entry_count(table, which);
	AUTO_CLOSE int fd = -1;
	int result;

	/* An empty map can't be made. */
	fd = bpf_map_create(shape->type, name, shape->key_size, shape->value_size, count ? (uint32_t)count : 1, &opts);
	if (fd < 0)
		return error_set(error, fd, "cannot make the %s of %zu entries: %s", name, count, strerror(-fd));
	result = inner_fill(fd, shape, table, which, tc->next_tai_offset);
	if (result < 0)
		return error_set(error, result, "cannot fill the %s of %zu entries: %s", name, count,
				 strerror(-result));
	return TAKE_FD(fd);
}

/* The inner map for the idle slot: the active slot's own when that says the same. -EEXIST: it is there already. */
static int inner_get(struct tc_gate *tc, const struct table *table, enum tc_slot_map which, struct error *error)
{
	uint32_t shared = tc->table ? tc->slot_ids[!tc->idle][which] : 0;
	int fd;

	if (shared && tc->tai_offset == tc->next_tai_offset && part_equal(table, tc->table, which)) {
		tc->next_ids[which] = shared;
		if (tc->slot_ids[tc->idle][which] == shared)
			return -EEXIST;
		fd = bpf_map_get_fd_by_id(shared);
		if (fd >= 0)
			return fd;
	}
	fd = inner_make(tc, table, which, error);
	if (fd >= 0 && tc_map_id(fd, &tc->next_ids[which]) < 0) {
		close(fd);
		return error_set(error, -EIO, "cannot look at a map just made");
	}
	return fd;
}

struct placement {
	pthread_t thread;
	bool started;
	int outer, inner, result; /* inner: -1: nothing to be done */
	uint32_t slot;
};

static void *placement_run(void *arg)
{
	struct placement *placement = arg;

	placement->result = bpf_map_update_elem(placement->outer, &placement->slot, &placement->inner, BPF_ANY);
	return NULL;
}

static int placements_run(struct placement placements[TC_SLOT_MAX], bool side_by_side)
{
	int result = 0;

	for (int i = 0; i < TC_SLOT_MAX; i++) {
		if (placements[i].inner < 0)
			continue;
		placements[i].started =
			side_by_side && pthread_create(&placements[i].thread, NULL, placement_run, &placements[i]) == 0;
		if (!placements[i].started)
			placement_run(&placements[i]);
	}
	for (int i = 0; i < TC_SLOT_MAX; i++) {
		if (placements[i].started)
			pthread_join(placements[i].thread, NULL);
		if (placements[i].result < 0)
			result = placements[i].result;
	}
	return result;
}

int tc_slot_fill(struct tc_gate *tc, const struct table *table, struct error *error)
{
	struct placement placements[TC_SLOT_MAX];
	int result = 0;

	tc->next_tai_offset = tc_tai_offset();
	for (int i = 0; i < TC_SLOT_MAX; i++)
		placements[i] = (struct placement){.inner = -1, .slot = tc->idle, .outer = tc->maps[tc_slot_outer(i)]};
	for (int i = 0; i < TC_SLOT_MAX && result >= 0; i++) {
		result = inner_get(tc, table, i, error);
		if (result >= 0)
			placements[i].inner = result;
		else if (result == -EEXIST)
			result = 0;
	}
	if (result >= 0) {
		/* From here on the idle slot is garbage until all of it is in place. */
		for (int i = 0; i < TC_SLOT_MAX; i++)
			if (placements[i].inner >= 0)
				tc->slot_ids[tc->idle][i] = 0;
		tc_grace_shorten(tc);
		result = placements_run(placements, !tc->grace_shortened);
		if (result < 0)
			error_set(error, result, "cannot put the tables in place: %s", strerror(-result));
	}
	for (int i = 0; i < TC_SLOT_MAX; i++) {
		if (placements[i].inner >= 0)
			close(placements[i].inner);
		if (result >= 0)
			tc->slot_ids[tc->idle][i] = tc->next_ids[i];
	}
	return result < 0 ? result : 0;
}
