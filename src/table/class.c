/* SPDX-License-Identifier: GPL-2.0-only */
/* Classes of addresses: one for each thing that an address can be to the policy, made when first met. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "table/compile.h"

/* Everything that tells classes apart, as one string of numbers: kind, zone, traits, holders. */
static uint32_t *class_key(enum subject_kind kind, uint32_t zone, uint32_t traits, const struct numbers *holders,
			   size_t *ret_size)
{
	size_t count = holders ? holders->count : 0;
	uint32_t *key = malloc((count + 3) * sizeof(*key));

	if (!key)
		return NULL;
	key[0] = kind;
	key[1] = zone;
	key[2] = traits;
	if (count)
		memcpy(key + 3, holders->items, count * sizeof(*key));
	*ret_size = (count + 3) * sizeof(*key);
	return key;
}

static int class_sign(struct compile *compile, const struct numbers *holders, struct subject *subject)
{
	int r = compile->signatures.starts.count ? 0 : lists_begin(&compile->signatures);

	subject->signature = (uint32_t)lists_count(&compile->signatures);
	for (size_t i = 0; r == 0 && holders && i < holders->count; i++)
		r = lists_add(&compile->signatures, holders->items[i]);
	return r < 0 ? r : lists_close(&compile->signatures);
}

/* The one group of a zone without groups holds its subnets too. */
static int class_join_group(struct compile *compile, struct subject *subject)
{
	const struct zone *zone = &compile->policy->zones.items[subject->zone];

	return zone->has_groups ? 0 : numbers_add(&subject->groups, zone->group_first);
}

static int class_make(struct compile *compile, enum subject_kind kind, uint32_t zone, uint32_t traits,
		      const struct numbers *holders, const char *name)
{
	struct class_entry *entry = array_append(&compile->table->classes);
	struct subject *subject = array_append(&compile->subjects);

	if (!entry || !subject)
		return -ENOMEM;
	*subject = (struct subject){.kind = kind, .zone = zone, .traits = traits, .signature = COMPILE_NONE};
	subject->class = BH_CLASS_FIRST + (uint32_t)compile->table->classes.count - 1;
	entry->name = strdup(name);
	if (!entry->name)
		return -ENOMEM;
	if (kind == SUBJECT_OUTSIDE)
		return class_sign(compile, holders, subject);
	return kind == SUBJECT_SUBNET ? class_join_group(compile, subject) : 0;
}

int compile_class(struct compile *compile, enum subject_kind kind, uint32_t zone, uint32_t traits,
		  const struct numbers *holders, const char *name, uint32_t *ret_subject)
{
	size_t size = 0;
	uint32_t *key = class_key(kind, zone, traits, holders, &size);
	void *found = key ? map_get(compile->class_index, key, size) : NULL;
	int r = key ? 0 : -ENOMEM;

	if (found) {
		*ret_subject = (uint32_t)(uintptr_t)found - 1;
	} else if (r == 0 && compile->table->classes.count >= compile->limits->classes) {
		r = error_set(compile->error, -E2BIG, "the policy tells more than %u classes of addresses apart",
			      compile->limits->classes);
	} else if (r == 0) {
		r = class_make(compile, kind, zone, traits, holders, name);
		if (r == 0)
			r = map_set(compile->class_index, key, size, (void *)(uintptr_t)compile->subjects.count, NULL);
		if (r == 0)
			*ret_subject = (uint32_t)compile->subjects.count - 1;
	}
	free(key);
	return r == -ENOMEM ? compile_out_of_memory(compile) : r;
}
