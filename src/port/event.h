/* SPDX-License-Identifier: GPL-2.0-only */
/* Two sockets that hear rtnetlink's events: one for this namespace, one for the others that have a number here.
 *
 * What an event says is hardly used, only that there was one: a scan reads everything anew. So losing events (an
 * overrun) costs a scan and no more, and each socket rests after a batch: the first until the next scan, the second
 * for EVENT_REST_MS. Containers can make events without end (240,000 a second were seen): each namespace has a budget,
 * and one that has spent it is frozen: its events count for nothing until it keeps within it. */
#ifndef BULKHEAD_PORT_EVENT_H
#define BULKHEAD_PORT_EVENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/array.h"
#include "base/loop.h"

/* Events a second that a namespace may make, and how many at once: a start with a dozen addresses makes about 50. */
#define EVENT_RATE  50
#define EVENT_BURST 500
/* How long a namespace must be within its budget to be heard again. */
#define EVENT_FREEZE_MS 10000
/* Namespaces whose budgets are kept: the kernel's numbers are small and used again. Those above it share one. */
#define EVENT_NAMESPACES_MAX 1024u
#define EVENT_REST_MS	     5
/* The rest after a batch that was nothing but noise, or that overran. */
#define EVENT_NOISE_REST_MS 1000

struct event_budget {
	int32_t nsid;
	int64_t filled_ms; /* when `tokens` was right */
	int64_t tokens;	   /* thousandths of an event */
	int64_t frozen_ms; /* until then; 0: not frozen */
	uint64_t left_out; /* events that were not listened to since it was frozen */
	bool heard;	   /* it has had an event since the last scan */
};
struct event_budgets {
	ARRAY_OF(struct event_budget);
};
/* One event of the namespace `nsid`. False: it counts for nothing, the namespace is frozen. */
bool event_spend(struct event_budgets *budgets, int32_t nsid, int64_t now_ms);

struct events;
/* `heard` is called when there is something to look at: schedule a scan. */
int events_new(struct loop *loop, void (*heard)(void *arg), void *arg, struct events **ret_events);
void events_free(struct events *events);
/* Empties the socket of this namespace and listens anew: at the start of a scan, before anything is read. 0 or -errno.
 */
int events_rearm(struct events *events);

/* What was heard since events_forget(), which a scan calls when it has succeeded. */
bool events_overrun(const struct events *events);		    /* in here: everything is to be looked at */
bool events_overrun_elsewhere(const struct events *events);	    /* in other namespaces */
bool events_gone(const struct events *events, uint32_t ifindex);    /* a link of this number was removed */
bool events_number_gone(const struct events *events, int32_t nsid); /* the number was taken back */
bool events_namespace(const struct events *events, int32_t nsid);   /* something happened in there */
void events_forget(struct events *events);
json_t *events_status(const struct events *events, int64_t now_ms);

#endif
