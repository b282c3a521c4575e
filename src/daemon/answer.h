/* SPDX-License-Identifier: GPL-2.0-only */
/* What the daemon says when asked: docs/json.md. One row a command. */
#ifndef BULKHEAD_DAEMON_ANSWER_H
#define BULKHEAD_DAEMON_ANSWER_H

#include "daemon/daemon.h"

/* Carries out a request. Exactly one of *ret_result and *ret_error is a new reference after it (an error object has
 * "message"). */
void answer_request(struct daemon *daemon, const json_t *request, json_t **ret_result, json_t **ret_error);

/* explain and matrix: seconds for the largest questions of a large policy. They change nothing. */
bool answer_may_take_long(const json_t *request);
/* daemon_reload_asked() answers it. */
bool answer_is_reload(const json_t *request);

/* ---- answer_adopt.c: answers that come when the kernel has followed ---- */
#define WAITS_MAX 256u /* that are waited for at once: containers that are started at the same moment */
struct answer_wait;
/* Gets the answer, one of both, as a new reference each; both NULL when memory is short. */
typedef void (*answer_fn)(void *arg, json_t *result, json_t *error);

/* adopt and release. */
bool answer_comes_later(const json_t *request);
/* Begins to carry it out. Returns what is waited for: `fn` is called once, from the loop, unless it is forgotten
 * before; or NULL, when the answer is there at once: *ret_result or *ret_error. */
struct answer_wait *answer_later(struct daemon *daemon, const json_t *request, bool root, answer_fn fn, void *arg,
				 json_t **ret_result, json_t **ret_error);
void answer_forget(struct answer_wait *wait); /* NULL is fine */
/* After each commit. */
void answer_committed(struct daemon *daemon);

/* A port as `adopt` tells of it: interface, container, state, reason, zone, groups. */
json_t *answer_port_brief(struct daemon *daemon, const struct port *port);

/* Each a new reference, or NULL when memory is short. */
json_t *answer_status(struct daemon *daemon);
json_t *answer_ports(struct daemon *daemon);
json_t *answer_relayed(struct daemon *daemon); /* of the status */
json_t *answer_counters(struct daemon *daemon);
json_t *answer_version(struct daemon *daemon);

/* Sets a text; NULL and "" are left out, and what is no UTF-8 is escaped (names are the containers' own). */
/* "container", and where several share the port, "others": the names of the further ones. */
void answer_put_owners(json_t *object, const struct port *port);
void answer_put_text(json_t *object, const char *key, const char *text);
/* Sets a time, given in seconds since the epoch; 0 is left out. */
void answer_put_time(json_t *object, const char *key, int64_t seconds);

/* The words of a `flows` request; texts belong to the request. -EINVAL when they are of the wrong type. */
int flow_filter_of(const json_t *request, struct event_filter *ret_filter);

#endif
