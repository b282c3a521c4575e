/* SPDX-License-Identifier: GPL-2.0-only */
/* What happened, in words: the gates' events with names, kept for a while, and handed to who follows. */
#ifndef BULKHEAD_FLOW_EVENT_H
#define BULKHEAD_FLOW_EVENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tc-bpf/abi.h"

/* Texts that stay the same for ever: "rule", "source-address", … (machine) and a sentence (people). Never NULL. */
const char *reason_name(enum bh_reason reason);
const char *reason_sentence(enum bh_reason reason);
/* By name; -1 when there is none. */
int reason_find(const char *name);

/* How the event's numbers become names; any may return NULL. Implemented by the daemon over its worlds and tables. */
struct event_names {
	void *arg;
	const char *(*interface)(void *arg, uint32_t ifindex);			 /* host-side name */
	const char *(*container)(void *arg, uint32_t port_id, uint32_t ifindex); /* owner of the port */
	const char *(*container_at)(void *arg, int family, const uint8_t *addr,
				    uint32_t ifindex); /* by address, seen from the port */
	/* Names of who shares the container's network namespace: by address (NULL: the port's own); NULL: nobody. */
	json_t *(*others)(void *arg, int family, const uint8_t *addr, uint32_t ifindex);
	const char *(*class_name)(void *arg, uint32_t generation, uint32_t class); /* "shop/front", "internet" */
	const struct decision *(*decision)(void *arg, uint32_t generation, uint32_t number);
};
struct decision;

/* docs/json.md, 'flow'. A new reference; NULL when memory is short. `boot_to_epoch` (ns) turns event times into dates.
 */
json_t *event_json(const struct bh_event *event, const struct event_names *names, int64_t boot_to_epoch);

/* The last EVENTS_KEPT events as JSON, oldest first; with filters (docs/json.md, 'flows'). */
#define EVENTS_KEPT 4096u
struct event_store;
int event_store_new(struct event_store **ret_store);
void event_store_free(struct event_store *store);
int event_store_add(struct event_store *store, json_t *event /* stolen */);
struct event_filter {
	bool denied;	       /* only deny and would-deny */
	const char *from, *to; /* container name or address, exactly; NULL: any */
	const char *zone;      /* at either end, "shop" also for "shop/front" */
};
bool event_matches(const json_t *event, const struct event_filter *filter);
/* Calls fn for the last `last` matching ones, oldest first. `event` is fn's for the call only. */
void event_store_each(const struct event_store *store, const struct event_filter *filter, size_t last,
		      void (*fn)(void *arg, json_t *event), void *arg);

#endif
