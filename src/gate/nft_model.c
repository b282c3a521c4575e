/* SPDX-License-Identifier: GPL-2.0-only */
#include "gate/nft_model.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const uint8_t nft_table_family[NFT_TABLE_COUNT] = {
	[NFT_TABLE_BRIDGE] = NFPROTO_BRIDGE,
	[NFT_TABLE_INET] = NFPROTO_INET,
	[NFT_TABLE_ARP] = NFPROTO_ARP,
};

void nft_ruleset_init(struct nft_ruleset *ruleset)
{
	*ruleset = (struct nft_ruleset){0};
	for (size_t i = 0; i < NFT_TABLE_COUNT; i++) {
		struct nft_table *table = &ruleset->tables[i];

		table->chain_names = map_new();
		table->set_names = map_new();
		table->counter_names = map_new();
		if (!table->chain_names || !table->set_names || !table->counter_names)
			ruleset->failed = true;
	}
}

static void chain_free(struct nft_chain *chain)
{
	for (size_t i = 0; i < chain->rules.count; i++) {
		free(chain->rules.items[i].attrs);
		free(chain->rules.items[i].origin);
	}
	array_free(&chain->rules);
	free(chain->name);
}

static void set_free(struct nft_set *set)
{
	if (!set)
		return;
	array_free(&set->elements);
	free(set->name);
	free(set);
}

static void table_free_content(struct nft_table *table)
{
	for (size_t i = 0; i < table->chains.count; i++)
		chain_free(&table->chains.items[i]);
	for (size_t i = 0; i < table->sets.count; i++)
		set_free(table->sets.items[i]);
	for (size_t i = 0; i < table->counters.count; i++) {
		free(table->counters.items[i].name);
		free(table->counters.items[i].comment);
	}
	array_free(&table->chains);
	array_free(&table->sets);
	array_free(&table->counters);
	map_free(table->chain_names, NULL);
	map_free(table->set_names, NULL);
	map_free(table->counter_names, NULL);
}

void nft_ruleset_free(struct nft_ruleset *ruleset)
{
	for (size_t i = 0; i < NFT_TABLE_COUNT; i++)
		table_free_content(&ruleset->tables[i]);
	*ruleset = (struct nft_ruleset){0};
}

/* Index of a name, or -1. */
static long name_find(const struct map *names, const char *name)
{
	return names ? (long)(uintptr_t)map_get_text(names, name) - 1 : -1;
}

static bool name_set(struct map *names, const char *name, size_t index)
{
	return names && map_set_text(names, name, (void *)(uintptr_t)(index + 1), NULL) == 0;
}

static int chain_add(struct nft_ruleset *ruleset, enum nft_table_index table, const struct nft_chain *like)
{
	struct nft_table *to = &ruleset->tables[table];
	struct nft_chain *chain = array_append(&to->chains);

	if (!chain)
		goto failed;
	*chain = *like;
	chain->name = strdup(like->name);
	if (!chain->name || !name_set(to->chain_names, like->name, to->chains.count - 1))
		goto failed;
	return (int)to->chains.count - 1;
failed:
	ruleset->failed = true;
	return -1;
}

int nft_chain_add(struct nft_ruleset *ruleset, enum nft_table_index table, const char *name)
{
	return chain_add(ruleset, table, &(struct nft_chain){.name = (char *)name});
}

int nft_base_chain_add(struct nft_ruleset *ruleset, enum nft_table_index table, const char *name, uint32_t hook,
		       int32_t priority)
{
	return chain_add(ruleset, table,
			 &(struct nft_chain){.name = (char *)name, .base = true, .hook = hook, .priority = priority});
}

struct nft_set *nft_set_add(struct nft_ruleset *ruleset, enum nft_table_index table, const struct nft_set *description)
{
	struct nft_table *to = &ruleset->tables[table];
	struct nft_set *set = malloc(sizeof(*set));
	struct nft_set **slot = set ? array_append(&to->sets) : NULL;

	if (!slot) {
		free(set);
		ruleset->failed = true;
		return NULL;
	}
	*set = *description;
	*slot = set;
	set->name = strdup(description->name);
	if (!set->name || !name_set(to->set_names, description->name, to->sets.count - 1)) {
		ruleset->failed = true;
		return NULL;
	}
	return set;
}

void nft_element_add(struct nft_ruleset *ruleset, struct nft_set *set, const struct nft_element *element)
{
	struct nft_element *slot = set ? array_append(&set->elements) : NULL;

	if (slot)
		*slot = *element;
	else
		ruleset->failed = true;
}

/* FNV-1a (Fowler, Noll, Vo), 32 bits. */
static uint32_t fnv(uint32_t hash, const void *data, size_t size)
{
	const uint8_t *bytes = data;

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ bytes[i]) * 0x01000193u;
	return hash;
}

void nft_set_name_by_content(struct nft_ruleset *ruleset, enum nft_table_index table, struct nft_set *set)
{
	struct nft_table *of = &ruleset->tables[table];
	long index = name_find(of->set_names, set->name);
	uint32_t hash = 0x811c9dc5u;
	char *name;

	for (size_t i = 0; i < set->elements.count; i++) {
		const struct nft_element *element = &set->elements.items[i];

		hash = fnv(hash, element->key, sizeof(element->key));
		hash = fnv(hash, element->key_end, sizeof(element->key_end));
		if (element->chain)
			hash = fnv(hash, element->chain, strlen(element->chain));
	}
	/* Two of one name with other content, once in 65,536 changes, are changed in place. */
	if (asprintf(&name, "%s.%04x", set->name, (hash ^ hash >> 16) & 0xffff) < 0 || index < 0) {
		ruleset->failed = true;
		return;
	}
	map_remove(of->set_names, set->name, strlen(set->name));
	free(set->name);
	set->name = name;
	if (!name_set(of->set_names, name, (size_t)index))
		ruleset->failed = true;
}

void nft_counter_add(struct nft_ruleset *ruleset, enum nft_table_index table, const struct nft_counter *counter)
{
	struct nft_table *to = &ruleset->tables[table];
	struct nft_counter *slot;

	if (name_find(to->counter_names, counter->name) >= 0)
		return;
	slot = array_append(&to->counters);
	if (slot) {
		*slot = *counter;
		slot->name = strdup(counter->name);
		slot->comment = counter->comment ? strdup(counter->comment) : NULL;
	}
	if (!slot || !slot->name || (counter->comment && !slot->comment) ||
	    !name_set(to->counter_names, counter->name, to->counters.count - 1))
		ruleset->failed = true;
}

int nft_element_compare(const struct nft_element *a, const struct nft_element *b)
{
	int order = memcmp(a->key, b->key, sizeof(a->key));

	if (order == 0)
		order = memcmp(a->key_end, b->key_end, sizeof(a->key_end));
	if (order == 0)
		order = (int)a->range - (int)b->range;
	return order ? order : (int)b->interval_end - (int)a->interval_end;
}

static int element_compare(const void *a, const void *b)
{
	return nft_element_compare(a, b);
}

/* What is there twice would be taken out twice, which the kernel refuses. */
static void set_finish(struct nft_set *set)
{
	size_t kept = 1;

	if (set->elements.count < 2)
		return;
	qsort(set->elements.items, set->elements.count, sizeof(*set->elements.items), element_compare);
	for (size_t i = 1; i < set->elements.count; i++) {
		if (nft_element_compare(&set->elements.items[kept - 1], &set->elements.items[i]) != 0)
			set->elements.items[kept++] = set->elements.items[i];
	}
	set->elements.count = kept;
}

void nft_ruleset_finish(struct nft_ruleset *ruleset)
{
	for (size_t i = 0; i < NFT_TABLE_COUNT; i++)
		for (size_t j = 0; j < ruleset->tables[i].sets.count; j++)
			set_finish(ruleset->tables[i].sets.items[j]);
}

const struct nft_chain *nft_table_chain(const struct nft_table *table, const char *name)
{
	long index = table ? name_find(table->chain_names, name) : -1;

	return index < 0 ? NULL : &table->chains.items[index];
}

const struct nft_set *nft_table_set(const struct nft_table *table, const char *name)
{
	long index = table ? name_find(table->set_names, name) : -1;

	return index < 0 ? NULL : table->sets.items[index];
}

const struct nft_counter *nft_table_counter(const struct nft_table *table, const char *name)
{
	long index = table ? name_find(table->counter_names, name) : -1;

	return index < 0 ? NULL : &table->counters.items[index];
}
