/* SPDX-License-Identifier: GPL-2.0-only */
#include "flow/event.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct event_store {
	json_t *events[EVENTS_KEPT]; /* a ring */
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
		json_decref(store->events[i]);
	free(store);
}

int event_store_add(struct event_store *store, json_t *event)
{
	if (!event)
		return -ENOMEM;
	json_decref(store->events[store->next]);
	store->events[store->next] = event;
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

	if (!wanted)
		return true;
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		const char *text = end_text(event, end, keys[i]);

		if (text && strcmp(text, wanted) == 0)
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

void event_store_each(const struct event_store *store, const struct event_filter *filter, size_t last,
		      void (*fn)(void *arg, json_t *event), void *arg)
{
	size_t skip = 0, matching = 0;

	for (size_t pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < store->count; i++) {
			size_t slot = (store->next + EVENTS_KEPT - store->count + i) % EVENTS_KEPT;
			json_t *event = store->events[slot];

			if (!event_matches(event, filter))
				continue;
			if (pass == 0)
				matching++;
			else if (skip > 0)
				skip--;
			else
				fn(arg, event);
		}
		skip = matching > last ? matching - last : 0;
	}
}
