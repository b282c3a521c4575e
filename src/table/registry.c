/* SPDX-License-Identifier: GPL-2.0-only */
/* Two spaces of numbers, one for identities and one for decisions, each an array by number and a map by name. Numbers
 * that nobody ever had are given first; then those that have rested longest. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/file.h"
#include "base/map.h"
#include "table/registry_private.h"

struct registry_entry {
	char *name; /* NULL: never used (a gap in what was loaded) */
	int64_t used_s;
	bool in_use;	 /* by the newest table, or the one that is being made */
	bool was_in_use; /* by the table before, while a new one is being made */
	bool fresh;	 /* its counter may hold another meaning's count */
};

struct registry_space {
	const char *kind;     /* "identities", "decisions": as saved */
	uint32_t first, last; /* numbers that may be given */
	uint32_t in_use_max;
	bool may_hurry; /* when nothing has rested long enough, what is not in use will do */
	struct {
		ARRAY_OF(struct registry_entry);
	} entries;	     /* index 0 is number `first` */
	struct map *by_name; /* name → number */
	uint32_t in_use_count;
	struct {
		ARRAY_OF(uint32_t);
	} rested; /* numbers to give again, the longest rested last; made when first needed */
	bool rested_known;
};

struct registry {
	struct registry_space identities, decisions;
};

static void registry_space_free(struct registry_space *space)
{
	for (size_t i = 0; i < space->entries.count; i++)
		free(space->entries.items[i].name);
	array_free(&space->entries);
	array_free(&space->rested);
	map_free(space->by_name, NULL);
}

int registry_new(struct registry **ret_registry)
{
	struct registry *registry = calloc(1, sizeof(*registry));

	if (!registry)
		return -ENOMEM;
	registry->identities = (struct registry_space){
		.kind = "identities",
		.first = BH_IDENTITY_FIRST,
		.last = BH_IDENTITY_MAX - 1,
		.in_use_max = BH_IDENTITIES_IN_USE_MAX,
		.by_name = map_new(),
	};
	/* A decision's number is read from counters and events only, and events carry their generation: a large policy
	 * that changes often must not be refused for the sake of a counter. */
	registry->decisions = (struct registry_space){
		.kind = "decisions",
		.first = 1,
		.last = BH_DECISIONS_MAX - 1,
		.in_use_max = BH_DECISIONS_MAX - 1,
		.may_hurry = true,
		.by_name = map_new(),
	};
	if (!registry->identities.by_name || !registry->decisions.by_name) {
		registry_free(registry);
		return -ENOMEM;
	}
	*ret_registry = registry;
	return 0;
}

void registry_free(struct registry *registry)
{
	if (!registry)
		return;
	registry_space_free(&registry->identities);
	registry_space_free(&registry->decisions);
	free(registry);
}

/* ---- The table that is being made ---- */

static void registry_space_begin(struct registry_space *space, int64_t now_s)
{
	for (size_t i = 0; i < space->entries.count; i++) {
		struct registry_entry *entry = &space->entries.items[i];

		if (entry->in_use && entry->used_s < now_s)
			entry->used_s = now_s;
		entry->was_in_use = entry->in_use;
		entry->in_use = false;
	}
	space->in_use_count = 0;
	space->rested_known = false;
}

void registry_begin(struct registry *registry, int64_t now_s)
{
	registry_space_begin(&registry->identities, now_s);
	registry_space_begin(&registry->decisions, now_s);
}

static void registry_space_end(struct registry_space *space, bool made)
{
	space->in_use_count = 0;
	for (size_t i = 0; i < space->entries.count; i++) {
		struct registry_entry *entry = &space->entries.items[i];

		if (made && entry->in_use)
			entry->fresh = false;
		if (!made)
			entry->in_use = entry->was_in_use;
		entry->was_in_use = false;
		space->in_use_count += entry->in_use;
	}
	space->rested_known = false;
}

void registry_settle(struct registry *registry)
{
	registry_space_end(&registry->identities, true);
	registry_space_end(&registry->decisions, true);
}

void registry_abandon(struct registry *registry)
{
	registry_space_end(&registry->identities, false);
	registry_space_end(&registry->decisions, false);
}

/* ---- Giving numbers ---- */

static void registry_mark(struct registry_space *space, struct registry_entry *entry, int64_t now_s)
{
	space->in_use_count += !entry->in_use;
	entry->in_use = true;
	if (entry->used_s < now_s)
		entry->used_s = now_s;
}

struct registry_rest {
	int64_t used_s;
	uint32_t number;
};

static int registry_rest_compare(const void *a, const void *b)
{
	const struct registry_rest *x = a, *y = b;

	if (x->used_s != y->used_s)
		return x->used_s < y->used_s ? 1 : -1; /* the longest rested last */
	return x->number < y->number ? 1 : -1;
}

/* The numbers that nobody has in use, in the order in which they are given again (from the end). */
static int registry_find_rested(struct registry_space *space)
{
	struct registry_rest *rests;
	size_t count = 0;

	if (space->rested_known)
		return 0;
	if (array_reserve(&space->rested, space->entries.count) < 0)
		return -ENOMEM;
	rests = calloc(space->entries.count, sizeof(*rests));
	if (!rests)
		return -ENOMEM;
	for (size_t i = 0; i < space->entries.count; i++) {
		const struct registry_entry *entry = &space->entries.items[i];

		if (!entry->in_use && !entry->was_in_use)
			rests[count++] = (struct registry_rest){entry->used_s, space->first + (uint32_t)i};
	}
	qsort(rests, count, sizeof(*rests), registry_rest_compare);
	space->rested.count = count;
	for (size_t i = 0; i < count; i++)
		space->rested.items[i] = rests[i].number;
	free(rests);
	space->rested_known = true;
	return 0;
}

/* A number whose last meaning may be forgotten; it is taken from the list only by the caller. */
static int registry_reuse(struct registry_space *space, int64_t now_s, struct registry_entry **ret_entry)
{
	int r = registry_find_rested(space);

	if (r < 0)
		return r;
	while (space->rested.count > 0) {
		uint32_t number = space->rested.items[space->rested.count - 1];
		struct registry_entry *entry = &space->entries.items[number - space->first];

		if (entry->in_use) { /* its own name has come back since the list was made */
			space->rested.count--;
			continue;
		}
		if (!space->may_hurry && now_s - entry->used_s < REGISTRY_REST_SECONDS)
			return -ENOSPC;
		*ret_entry = entry;
		return 0;
	}
	return -ENOSPC;
}

static void *registry_pack(uint32_t number)
{
	return (void *)(uintptr_t)number; /* never 0, so never NULL */
}

static int registry_give(struct registry_space *space, const char *name, int64_t now_s, uint32_t *ret_number,
			 bool *ret_new)
{
	uint32_t number = (uint32_t)(uintptr_t)map_get_text(space->by_name, name);
	struct registry_entry *entry;
	char *copy;
	int r;

	if (number) {
		entry = &space->entries.items[number - space->first];
		if (!entry->in_use && space->in_use_count >= space->in_use_max)
			return -ENOSPC;
		registry_mark(space, entry, now_s);
		*ret_number = number;
		if (ret_new)
			*ret_new = entry->fresh;
		return 0;
	}
	if (space->in_use_count >= space->in_use_max)
		return -ENOSPC;
	copy = strdup(name);
	if (!copy)
		return -ENOMEM;
	if (space->entries.count <= space->last - space->first) {
		r = array_reserve(&space->entries, space->entries.count + 1);
		entry = r < 0 ? NULL : &space->entries.items[space->entries.count];
	} else {
		r = registry_reuse(space, now_s, &entry);
	}
	if (r == 0) {
		number = space->first + (uint32_t)(entry - space->entries.items);
		r = map_set_text(space->by_name, name, registry_pack(number), NULL);
	}
	if (r < 0) {
		free(copy);
		return r;
	}
	if ((size_t)(entry - space->entries.items) == space->entries.count) {
		space->entries.count++;
	} else {
		if (entry->name)
			map_remove(space->by_name, entry->name, strlen(entry->name));
		free(entry->name);
		space->rested.count--;
	}
	*entry = (struct registry_entry){.name = copy, .used_s = now_s, .fresh = true};
	registry_mark(space, entry, now_s);
	*ret_number = number;
	if (ret_new)
		*ret_new = true;
	return 0;
}

int registry_identity(struct registry *registry, const char *name, int64_t now_s, uint32_t *ret_number)
{
	return registry_give(&registry->identities, name, now_s, ret_number, NULL);
}

int registry_decision(struct registry *registry, const char *key, int64_t now_s, uint32_t *ret_number, bool *ret_new)
{
	return registry_give(&registry->decisions, key, now_s, ret_number, ret_new);
}

int registry_reserve(struct registry *registry, uint32_t number, int64_t now_s)
{
	struct registry_space *space = &registry->identities;
	struct registry_entry *entry;
	char name[32];

	if (number < space->first || number > space->last)
		return -EINVAL;
	if (array_reserve(&space->entries, (size_t)number - space->first + 1) < 0)
		return -ENOMEM;
	if (space->entries.count <= number - space->first)
		space->entries.count = number - space->first + 1; /* what lies between is zeroed */
	entry = &space->entries.items[number - space->first];
	if (!entry->name) {
		/* No zone or group has a space in its name. */
		snprintf(name, sizeof(name), "number %u", number);
		entry->name = strdup(name);
		if (!entry->name || map_set_text(space->by_name, name, registry_pack(number), NULL) < 0) {
			free(TAKE(entry->name));
			return -ENOMEM;
		}
	}
	if (entry->used_s < now_s)
		entry->used_s = now_s;
	space->rested_known = false;
	return 0;
}

const char *registry_identity_name(const struct registry *registry, uint32_t number)
{
	const struct registry_space *space = &registry->identities;

	if (number < space->first || number - space->first >= space->entries.count)
		return NULL;
	return space->entries.items[number - space->first].name;
}

void registry_each_retired(const struct registry *registry, void (*fn)(void *arg, uint32_t number), void *arg)
{
	const struct registry_space *space = &registry->identities;

	for (size_t i = 0; i < space->entries.count; i++)
		if (space->entries.items[i].name && !space->entries.items[i].in_use)
			fn(arg, space->first + (uint32_t)i);
}

/* ---- On disk ---- */

static json_t *registry_space_save(const struct registry_space *space)
{
	json_t *array = json_array();

	for (size_t i = 0; array && i < space->entries.count; i++) {
		const struct registry_entry *entry = &space->entries.items[i];
		json_t *item;

		if (!entry->name)
			continue;
		item = json_pack("{s:I, s:s, s:I, s:b, s:b}", "number", (json_int_t)(space->first + i), "name",
				 entry->name, "used", (json_int_t)entry->used_s, "in_use", entry->in_use, "fresh",
				 entry->fresh);
		if (!item || json_array_append_new(array, item) < 0) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

json_t *registry_save(const struct registry *registry)
{
	/* "o" takes the reference also when packing fails. */
	return json_pack("{s:i, s:o, s:o}", "version", REGISTRY_FORMAT_VERSION, registry->identities.kind,
			 registry_space_save(&registry->identities), registry->decisions.kind,
			 registry_space_save(&registry->decisions));
}

static int registry_entry_load(struct registry_space *space, const json_t *json, struct error *error)
{
	const char *name = NULL;
	json_int_t number, used;
	int in_use = 0, fresh = 0;
	struct registry_entry *entry;

	if (json_unpack((json_t *)json, "{s:I, s:s, s:I, s:b, s:b}", "number", &number, "name", &name, "used", &used,
			"in_use", &in_use, "fresh", &fresh) < 0)
		return error_set(error, -EINVAL, "registry: an item of '%s' lacks a field or has a wrong type",
				 space->kind);
	if (number < space->first || number > space->last || !*name)
		return error_set(error, -EINVAL, "registry: '%s' has number %lld, which cannot be", space->kind,
				 (long long)number);
	size_t index = (size_t)number - space->first;
	if (array_reserve(&space->entries, index + 1) < 0)
		return error_set(error, -ENOMEM, "registry: out of memory");
	if (space->entries.count < index + 1)
		space->entries.count = index + 1; /* what lies between is zeroed */
	entry = &space->entries.items[index];
	if (entry->name || map_get_text(space->by_name, name))
		return error_set(error, -EINVAL, "registry: '%s' has number %lld or its name twice", space->kind,
				 (long long)number);
	entry->name = strdup(name);
	if (!entry->name || map_set_text(space->by_name, name, registry_pack((uint32_t)number), NULL) < 0)
		return error_set(error, -ENOMEM, "registry: out of memory");
	entry->used_s = used;
	entry->in_use = in_use;
	entry->fresh = fresh;
	space->in_use_count += entry->in_use;
	return 0;
}

static int registry_space_load(struct registry_space *space, const json_t *json, struct error *error)
{
	const json_t *array = json_object_get(json, space->kind);

	if (!json_is_array(array))
		return error_set(error, -EINVAL, "registry: '%s' is not a list", space->kind);
	for (size_t i = 0; i < json_array_size(array); i++) {
		int r = registry_entry_load(space, json_array_get(array, i), error);

		if (r < 0)
			return r;
	}
	if (space->in_use_count > space->in_use_max)
		return error_set(error, -EINVAL, "registry: more %s in use than there can be", space->kind);
	return 0;
}

int registry_load(const json_t *json, struct registry **ret_registry, struct error *error)
{
	const json_t *version = json_object_get(json, "version");
	struct registry *registry = NULL;
	int r;

	if (!json_is_integer(version))
		return error_set(error, -EINVAL, "registry: no version");
	if (json_integer_value(version) != REGISTRY_FORMAT_VERSION)
		return error_set(error, -EINVAL, "registry: version %lld, but this program reads version %d",
				 (long long)json_integer_value(version), REGISTRY_FORMAT_VERSION);
	r = registry_new(&registry);
	if (r < 0)
		return error_set(error, r, "registry: out of memory");
	r = registry_space_load(&registry->identities, json, error);
	if (r == 0)
		r = registry_space_load(&registry->decisions, json, error);
	if (r < 0) {
		registry_free(registry);
		return r;
	}
	*ret_registry = registry;
	return 0;
}
