/* SPDX-License-Identifier: GPL-2.0-only */
#include "tests/bpf/table_maps.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bulkhead.skel.h"

#define HOUR	    (3600 * 1000000000ull)
#define CELLS_LEAST 16384u /* as many as most random policies need */
#define LPM_ENTRIES 8192u
#define CLASSES	    (BH_CLASS_FIRST + 1024u)
#define MAP(name)   bpf_map__fd(world.skeleton->maps.name)

/* The inner maps, and what is in them. */
static struct {
	int cells, classes, services, prefixes4, prefixes6;
	uint32_t cell_room;
	struct {
		ARRAY_OF(uint64_t);
	} cell_keys;
	struct {
		ARRAY_OF(struct prefix);
	} prefixes;
	const struct world_port *port; /* that plays A */
	struct bh_class_info class_info[CLASSES];
	struct bh_service_row rows[BH_SERVICE_ROWS];
} loaded;

static int inner_make(int outer, uint32_t type, uint32_t key, uint32_t value, uint32_t entries, uint32_t flags)
{
	return inner_put(outer, 0, inner_new(type, key, value, entries, flags));
}

static void maps_make(void)
{
	if (loaded.classes)
		return;
	map_clear(MAP(own), sizeof(struct bh_own_key));
	loaded.classes = inner_make(MAP(classes), BPF_MAP_TYPE_ARRAY, sizeof(uint32_t), sizeof(struct bh_class_info),
				    CLASSES, BPF_F_INNER_MAP);
	loaded.services = inner_make(MAP(services), BPF_MAP_TYPE_ARRAY, sizeof(uint32_t), sizeof(struct bh_service_row),
				     BH_SERVICE_ROWS, 0);
	loaded.prefixes4 = inner_make(MAP(prefixes4), BPF_MAP_TYPE_LPM_TRIE, sizeof(struct bh_lpm4_key),
				      sizeof(uint32_t), LPM_ENTRIES, BPF_F_NO_PREALLOC);
	loaded.prefixes6 = inner_make(MAP(prefixes6), BPF_MAP_TYPE_LPM_TRIE, sizeof(struct bh_lpm6_key),
				      sizeof(uint32_t), LPM_ENTRIES, BPF_F_NO_PREALLOC);
}

/* An instant of the policy, as far from the clock's now as it is from the question's, but never near. */
static uint64_t instant_move(uint64_t until, int64_t now)
{
	uint64_t clock = tai_ns();

	if (!until || until == BH_FOREVER)
		return until;
	return until > (uint64_t)now ? clock + HOUR : clock - HOUR;
}

static void cells_room(size_t count)
{
	if (count < loaded.cell_room)
		return;
	if (loaded.cells)
		close(loaded.cells);
	if (!loaded.cell_room)
		loaded.cell_room = CELLS_LEAST;
	while (loaded.cell_room <= count)
		loaded.cell_room *= 2;
	loaded.cells = inner_make(MAP(cells), BPF_MAP_TYPE_HASH, sizeof(uint64_t), sizeof(struct bh_cell),
				  loaded.cell_room, 0);
	loaded.cell_keys.count = 0;
}

static void cells_load(const struct table *table, int64_t now)
{
	for (size_t i = 0; i < loaded.cell_keys.count; i++)
		assert_int_equal(bpf_map_delete_elem(loaded.cells, &loaded.cell_keys.items[i]), 0);
	cells_room(table->cells.count);
	loaded.cell_keys.count = 0;
	for (size_t i = 0; i < table->cells.count; i++) {
		struct bh_cell cell = table->cells.items[i].cell;
		uint64_t *key = array_append(&loaded.cell_keys);

		assert_non_null(key);
		*key = table->cells.items[i].key;
		cell.deny_until = instant_move(cell.deny_until, now);
		cell.allow_until = instant_move(cell.allow_until, now);
		cell.staged_until = instant_move(cell.staged_until, now);
		map_put(loaded.cells, key, &cell);
	}
}

static void classes_load(const struct table *table)
{
	static const struct bh_class_info none;

	assert_true(table->class_count <= CLASSES);
	for (uint32_t i = 0; i < CLASSES; i++) {
		const struct bh_class_info *info = i < table->class_count ? &table->class_info[i] : &none;

		if (memcmp(&loaded.class_info[i], info, sizeof(*info)) == 0)
			continue;
		loaded.class_info[i] = *info;
		map_put(loaded.classes, &i, info);
	}
	for (uint32_t i = 0; i < BH_SERVICE_ROWS; i++) {
		if (memcmp(&loaded.rows[i], &table->services[i], sizeof(loaded.rows[i])) == 0)
			continue;
		loaded.rows[i] = table->services[i];
		map_put(loaded.services, &i, &loaded.rows[i]);
	}
}

/* Puts the prefix's class, or takes the prefix out (NULL). */
static void prefix_set_class(const struct prefix *prefix, const uint32_t *class)
{
	struct bh_lpm4_key key4 = {.length = prefix->length};
	struct bh_lpm6_key key6 = {.length = prefix->length};
	bool v4 = prefix->addr.family == ADDR_V4;
	int map = v4 ? loaded.prefixes4 : loaded.prefixes6;
	const void *key = v4 ? (void *)&key4 : (void *)&key6;

	memcpy(key4.addr, prefix->addr.bytes, sizeof(key4.addr));
	memcpy(key6.addr, prefix->addr.bytes, sizeof(key6.addr));
	if (class)
		map_put(map, key, class);
	else
		assert_int_equal(bpf_map_delete_elem(map, key), 0);
}

static void prefixes_load(const struct table *table)
{
	for (size_t i = 0; i < loaded.prefixes.count; i++)
		prefix_set_class(&loaded.prefixes.items[i], NULL);
	loaded.prefixes.count = 0;
	for (size_t i = 0; i < table->prefixes.count; i++) {
		struct prefix *prefix = array_append(&loaded.prefixes);

		assert_non_null(prefix);
		*prefix = table->prefixes.items[i].prefix;
		prefix_set_class(prefix, &table->prefixes.items[i].class);
	}
}

static void addresses_load(const struct table *table)
{
	map_clear(MAP(addresses), sizeof(struct bh_addr_key));
	map_clear(MAP(nat64), sizeof(struct bh_nat64_key));
	for (size_t i = 0; i < table->addresses.count; i++) {
		const struct address_entry *entry = &table->addresses.items[i];
		struct bh_addr_key key = {.domain = entry->domain, .family = entry->addr.family};
		struct bh_addr value = {.class = {entry->class, entry->class}};

		memcpy(key.addr, entry->addr.bytes, sizeof(key.addr));
		map_put(MAP(addresses), &key, &value);
	}
	for (size_t i = 0; i < table->nat64.count; i++) {
		struct bh_nat64_key key;
		uint8_t value = 1;

		memcpy(key.prefix, table->nat64.items[i].addr.bytes, sizeof(key.prefix));
		map_put(MAP(nat64), &key, &value);
	}
}

void table_maps_load(const struct table *table, int64_t now)
{
	maps_make();
	loaded.port = NULL;
	cells_load(table, now);
	classes_load(table);
	prefixes_load(table);
	addresses_load(table);
}

void table_maps_port(const struct world_port *port, uint32_t identity)
{
	static struct bh_own_key own[BH_PORT_ADDRS_MAX];
	static size_t owned;

	if (loaded.port == port)
		return;
	loaded.port = port;
	world.a.map.domain = port->domain;
	world.a.map.identity[0] = identity;
	world.a.map.identity[1] = identity;
	port_set(&world.a);
	for (size_t i = 0; i < owned; i++)
		bpf_map_delete_elem(MAP(own), &own[i]);
	assert_true(port->addresses.count <= BH_PORT_ADDRS_MAX);
	owned = port->addresses.count;
	for (size_t i = 0; i < owned; i++) {
		struct bh_own value = {.kind = BH_OWN_ADDRESS};

		own[i] = (struct bh_own_key){.port_id = world.a.map.id, .family = port->addresses.items[i].family};
		memcpy(own[i].addr, port->addresses.items[i].bytes, sizeof(own[i].addr));
		map_put(MAP(own), &own[i], &value);
	}
}
