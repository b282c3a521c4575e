/* SPDX-License-Identifier: GPL-2.0-only */
#include "flow/event.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* As text: an event takes half a kilobyte so, and nine times as much as objects. Containers can fill the store. */
struct event_store {
	char *events[EVENTS_KEPT]; /* a ring */
	size_t next, count;
};

int event_store_new(struct event_store **ret_store)
{
	struct event_store *store = calloc(1, sizeof(*store));

	if (!store)
		return -ENOMEM;
	*ret_store = store;
	return 0;
}

void event_store_free(struct event_store *store)
{
	if (!store)
		return;
	for (size_t i = 0; i < EVENTS_KEPT; i++)
		free(store->events[i]);
	free(store);
}

int event_store_add(struct event_store *store, json_t *event)
{
	char *text = event ? json_dumps(event, JSON_COMPACT) : NULL;

	json_decref(event);
	if (!text)
		return -ENOMEM;
	free(store->events[store->next]);
	store->events[store->next] = text;
	store->next = (store->next + 1) % EVENTS_KEPT;
	if (store->count < EVENTS_KEPT)
		store->count++;
	return 0;
}

static const char *end_text(const json_t *event, const char *end, const char *key)
{
	return json_string_value(json_object_get(json_object_get(event, end), key));
}

static bool end_is(const json_t *event, const char *end, const char *wanted)
{
	static const char *const keys[] = {"container", "address", "identity"};
	const json_t *other;
	size_t at;

	if (!wanted)
		return true;
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		const char *text = end_text(event, end, keys[i]);

		if (text && strcmp(text, wanted) == 0)
			return true;
	}
	json_array_foreach(json_object_get(json_object_get(event, end), "others"), at, other)
	{
		if (strcmp(json_string_value(other), wanted) == 0)
			return true;
	}
	return false;
}

/* "shop" is the zone of the identities "shop", "shop/front" and "shop/front+db". */
static bool end_in_zone(const json_t *event, const char *end, const char *zone)
{
	const char *identity = end_text(event, end, "identity");
	size_t length = strlen(zone);

	return identity && strncmp(identity, zone, length) == 0 &&
	       (identity[length] == '\0' || identity[length] == '/');
}

bool event_matches(const json_t *event, const struct event_filter *filter)
{
	const char *verdict = json_string_value(json_object_get(event, "verdict"));

	if (filter->denied && (!verdict || (strcmp(verdict, "deny") != 0 && strcmp(verdict, "would-deny") != 0)))
		return false;
	if (!end_is(event, "from", filter->from) || !end_is(event, "to", filter->to))
		return false;
	return !filter->zone || end_in_zone(event, "from", filter->zone) || end_in_zone(event, "to", filter->zone);
}

/* The event, counted from the oldest; a new reference, or NULL: it does not match, or memory is short. */
static json_t *event_matching(const struct event_store *store, size_t number, const struct event_filter *filter)
{
	size_t slot = (store->next + EVENTS_KEPT - store->count + number) % EVENTS_KEPT;
	json_t *event = json_loads(store->events[slot], 0, NULL);

	if (event && event_matches(event, filter))
		return event;
	json_decref(event);
	return NULL;
}

void event_store_each(const struct event_store *store, const struct event_filter *filter, size_t last,
		      void (*fn)(void *arg, json_t *event), void *arg)
{
	bool all = !filter->denied && !filter->from && !filter->to && !filter->zone;
	size_t first = store->count;
	json_t *event;

	for (size_t matching = 0; first > 0 && matching < last; first--) {
		event = all ? NULL : event_matching(store, first - 1, filter);
		matching += all || event;
		json_decref(event);
	}
	for (size_t i = first; i < store->count; i++) {
		event = event_matching(store, i, filter);
		if (event)
			fn(arg, event);
		json_decref(event);
	}
}
