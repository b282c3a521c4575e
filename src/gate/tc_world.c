/* SPDX-License-Identifier: GPL-2.0-only */
/* Exact addresses, NAT64 prefixes and published ports.
 *
 * An address has its class in both slots. What is new gets, for the slot in force, the class that the table in force
 * gives the address without it; what is stale gets, for the new slot, the class that the new table gives it. So both
 * generations read what they would read if each had a map of its own, and stale entries can be taken out at leisure. */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

#include "base/file.h"
#include "gate/tc_private.h"

static void address_key(const struct address_entry *entry, struct bh_addr_key *ret_key)
{
	memset(ret_key, 0, sizeof(*ret_key));
	ret_key->domain = entry->domain;
	ret_key->family = entry->addr.family;
	memcpy(ret_key->addr, entry->addr.bytes, sizeof(ret_key->addr));
}

static uint32_t key_class(const struct table *table, const struct bh_addr_key *key)
{
	struct addr addr = {.family = (uint8_t)key->family};

	memcpy(addr.bytes, key->addr, sizeof(addr.bytes));
	return table_class(table, &addr, key->domain);
}

/* The entry as it is to be: *value holds what the kernel has now, or nothing. True: it has to be written. */
static bool address_value(const struct tc_gate *tc, const struct bh_addr_key *key, uint32_t class, bool known,
			  struct bh_addr *value)
{
	struct bh_addr old = *value;

	value->class[tc->idle] = class;
	if (!known)
		value->class[!tc->idle] = tc->table ? key_class(tc->table, key) : class;
	/* Nothing is flipped: the table in force is the one at hand. */
	if (tc->idle == tc_active_slot(tc))
		value->class[!tc->idle] = class;
	return !known || memcmp(&old, value, sizeof(old)) != 0;
}

static int change_add(struct tc_entries *changes, const struct bh_addr_key *key, const struct bh_addr *value)
{
	void *change_key, *change_value;
	int result = tc_entries_append(changes, &change_key, &change_value);

	if (result < 0)
		return result;
	memcpy(change_key, key, sizeof(*key));
	memcpy(change_value, value, sizeof(*value));
	return 0;
}

/* Desired addresses that the kernel lacks or has otherwise. `seen`: a flag for each entry of `kernel`. */
static int addresses_wanted(struct tc_gate *tc, const struct table *table, const struct tc_entries *kernel, bool *seen,
			    struct tc_entries *changes)
{
	for (size_t i = 0; i < table->addresses.count; i++) {
		const struct address_entry *entry = &table->addresses.items[i];
		struct bh_addr value = {{0, 0}};
		struct bh_addr_key key;
		const unsigned char *found;
		int result;

		address_key(entry, &key);
		found = tc_entries_find(kernel, &key);
		if (found) {
			memcpy(&value, found, sizeof(value));
			seen[(size_t)(found - kernel->values) / kernel->value_size] = true;
		}
		if (!address_value(tc, &key, entry->class, found, &value))
			continue;
		result = change_add(changes, &key, &value);
		if (result == 0 && !found)
			result = tc_removals_add(&tc->undo, TC_ADDRESSES, &key, sizeof(key));
		if (result < 0)
			return result;
	}
	return 0;
}

static int addresses_stale(struct tc_gate *tc, const struct table *table, const struct tc_entries *kernel,
			   const bool *seen, struct tc_entries *changes)
{
	for (size_t i = 0; i < kernel->count; i++) {
		struct bh_addr_key key;
		struct bh_addr value;
		int result;

		if (seen[i])
			continue;
		memcpy(&key, kernel->keys + i * sizeof(key), sizeof(key));
		memcpy(&value, kernel->values + i * sizeof(value), sizeof(value));
		result = tc_removals_add(&tc->stale, TC_ADDRESSES, &key, sizeof(key));
		if (result == 0 && address_value(tc, &key, key_class(table, &key), true, &value))
			result = change_add(changes, &key, &value);
		if (result < 0)
			return result;
	}
	return 0;
}

static int addresses_prepare(struct tc_gate *tc, const struct table *table, struct error *error)
{
	struct tc_entries kernel = {0},
			  changes = {.key_size = sizeof(struct bh_addr_key), .value_size = sizeof(struct bh_addr)};
	AUTO_FREE bool *seen = NULL;
	int result;

	if (table->addresses.count > BH_ADDRS_MAX)
		return error_set(error, -E2BIG,
				 "%zu addresses of containers and the host: at most %u can be told apart",
				 table->addresses.count, BH_ADDRS_MAX);
	result = tc_entries_read(tc->maps[TC_ADDRESSES], &tc->shapes[TC_ADDRESSES], &kernel);
	if (result == 0)
		result = tc_entries_sort(&kernel);
	if (result == 0 && !(seen = calloc(kernel.count + 1, sizeof(*seen))))
		result = -ENOMEM;
	if (result == 0)
		result = addresses_wanted(tc, table, &kernel, seen, &changes);
	if (result == 0)
		result = addresses_stale(tc, table, &kernel, seen, &changes);
	if (result == 0)
		result = tc_entries_write(tc->maps[TC_ADDRESSES], &changes);
	tc_entries_free(&kernel);
	tc_entries_free(&changes);
	if (result < 0)
		error_set(error, result, "cannot write the addresses: %s", strerror(-result));
	return result;
}

/* ---- Small sets without slots: brought up to date by the flip ---------------------------------------------------- */

static int nat64_collect(struct tc_entries *set, const struct table *table)
{
	*set = (struct tc_entries){.key_size = sizeof(struct bh_nat64_key), .value_size = sizeof(uint8_t)};
	for (size_t i = 0; i < table->nat64.count; i++) {
		void *key, *value;
		int result = tc_entries_append(set, &key, &value);

		if (result < 0)
			return result;
		memcpy(key, table->nat64.items[i].addr.bytes, sizeof(struct bh_nat64_key));
		*(uint8_t *)value = 1;
	}
	return tc_entries_sort(set);
}

static int published_collect(struct tc_entries *set, const struct gate_desired *desired)
{
	*set = (struct tc_entries){.key_size = sizeof(struct bh_published_key), .value_size = sizeof(uint8_t)};
	for (size_t i = 0; i < desired->published_count; i++) {
		const struct gate_published *published = &desired->published[i];
		struct bh_published_key wanted = {.port = published->port, .protocol = published->protocol};
		void *key, *value;
		int result;

		/* Neighbours in the list are what one container publishes on several addresses. */
		if (i > 0 && published[-1].port == published->port && published[-1].protocol == published->protocol)
			continue;
		result = tc_entries_append(set, &key, &value);
		if (result < 0)
			return result;
		memcpy(key, &wanted, sizeof(wanted));
		*(uint8_t *)value = 1;
	}
	return tc_entries_sort(set);
}

/* Adds what is missing, and notes what is too much: that goes when no program looks at it any more, or at once where
 * both would not have room side by side. */
static int set_sync(struct tc_gate *tc, enum tc_map map, const struct tc_entries *wanted, struct tc_removals *stale)
{
	struct tc_entries kernel = {0};
	int result = tc_entries_read(tc->maps[map], &tc->shapes[map], &kernel);

	if (result == 0)
		result = tc_entries_sort(&kernel);
	for (size_t i = 0; i < kernel.count && result == 0; i++) {
		const void *key = kernel.keys + i * kernel.key_size;

		if (tc_entries_find(wanted, key))
			continue;
		if (kernel.count + wanted->count > tc->shapes[map].max_entries)
			result = bpf_map_delete_elem(tc->maps[map], key);
		else
			result = tc_removals_add(stale, map, key, kernel.key_size);
	}
	for (size_t i = 0; i < wanted->count && result == 0; i++) {
		const void *key = wanted->keys + i * wanted->key_size;

		if (!tc_entries_find(&kernel, key))
			result = bpf_map_update_elem(tc->maps[map], key, wanted->values + i * wanted->value_size,
						     BPF_ANY);
	}
	tc_entries_free(&kernel);
	return result;
}

int tc_world_prepare(struct tc_gate *tc, const struct gate_desired *desired, struct error *error)
{
	int result;

	tc_entries_free(&tc->nat64);
	tc_entries_free(&tc->published);
	if (desired->table->nat64.count > BH_NAT64_MAX)
		return error_set(error, -E2BIG, "%zu NAT64 prefixes: at most %u", desired->table->nat64.count,
				 BH_NAT64_MAX);
	result = nat64_collect(&tc->nat64, desired->table);
	if (result == 0)
		result = published_collect(&tc->published, desired);
	if (result < 0)
		return error_set(error, result, "out of memory");
	if (tc->published.count > tc->shapes[TC_PUBLISHED].max_entries)
		return error_set(error, -E2BIG, "%zu published ports: at most %u", tc->published.count,
				 tc->shapes[TC_PUBLISHED].max_entries);
	return addresses_prepare(tc, desired->table, error);
}

void tc_world_flip(struct tc_gate *tc)
{
	int result = set_sync(tc, TC_NAT64, &tc->nat64, &tc->stale);

	if (result == 0)
		result = set_sync(tc, TC_PUBLISHED, &tc->published, &tc->stale);
	if (result < 0)
		snprintf(tc->problem, sizeof(tc->problem), "NAT64 prefixes or published ports not up to date: %s",
			 strerror(-result));
}
