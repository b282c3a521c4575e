/* SPDX-License-Identifier: GPL-2.0-only */
/* "May FROM reach TO for SERVICE, and which line says so?" Answered with any judge: the naive reading or the compiled
 * table, with a world file or with the daemon's own world.
 *
 * FROM and TO: an address; a container (`web-1`, `web-1@shop_net`); a zone or group (`shop`, `shop/front`); a network;
 * a built-in end; a prefix. Where a word could be two of these, that order decides. `container:`, `zone:` and `net:` in
 * front make it plain. What stands for many (a zone, a network, a service) is answered for every member, every address
 * and every port: ends that nothing in policy or world tells apart are asked once. As FROM or TO, a network or a
 * built-in means what an allow rule for it would reach; NAT64 addresses are asked only when they are given as such.
 *
 * The answer, a JSON object (absent fields are left out):
 *
 *   from, to, service   the words as they were asked
 *   verdict    "allow", "deny", "mixed" (not the same for all), "unpoliced" (no packet of it passes a policed port)
 *   mode       "enforce", "audit" (all of it is audited: reported, and let pass)
 *   reason     "rule", "group", "zone", "host", "unassigned", "conflicted", "default"; not with mixed and unpoliced
 *   rule       {name, file, line}: the rule that decided; only when `reason` is "rule". `name` only if it has one
 *   staged     [{name, file, line}]: rules with `mode: audit` that match, by their order in the policy; only if any
 *
 * These are all that a batch has. A single question has more:
 *
 *   from_is, to_is   what the ends are to the policy, in words
 *   at         {path, file, line, column, text}: the rule, zone or setting that decided and the text of that line; not
 *              where a default that nobody wrote decided
 *   next       [{action, name, path, file, line, text}]: the other rules that match, in the order in which they would
 *              decide: action "deny", then "allow", then "staged"; at most EXPLAIN_NEXT_MAX
 *   cases      [{from, to, service, verdict, mode, reason, rule, at}]: one example for each way in which it is decided,
 *              when there are several; at most EXPLAIN_CASES_MAX
 *
 * `file` is the file's own name, `path` the path by which the policy was loaded. */
#ifndef BULKHEAD_TABLE_EXPLAIN_H
#define BULKHEAD_TABLE_EXPLAIN_H

#include <jansson.h>

#include "base/error.h"
#include "policy/verdict.h"

/* Questions to the judge for one answer. With the compiled table that is about a second; `any any all` of a large
 * policy may ask for more, and is refused. */
#define EXPLAIN_WORK_MAX 1000000u
/* Kinds of address that a policy may tell apart before answers by set are refused: nobody could read such a policy, and
 * pairs of them would go over EXPLAIN_WORK_MAX. */
#define EXPLAIN_CLASSES_MAX 65536u
/* What a person reads; the rest of the list is left out. */
#define EXPLAIN_NEXT_MAX  20u
#define EXPLAIN_CASES_MAX 20u
/* Bytes shown of a line of the policy; a longer one is cut. */
#define EXPLAIN_TEXT_MAX 1024u
/* A batch line is three names; a longer one is no question. */
#define EXPLAIN_LINE_MAX 4096u

struct explain; /* opaque; keeps what it learnt of policy and world */

/* `policy`, `world` and `context` are borrowed and must not change while it lives. 0, -ENOMEM, -EINVAL. */
int explain_new(const struct policy *policy, const struct world *world, judge_fn judge, void *context,
		struct explain **ret_explain, struct error *error);
void explain_free(struct explain *explain); /* NULL is fine */

/* `now`: ns since the epoch. 0: *ret_answer is a new reference. -EINVAL: a word is not understood. -E2BIG: over
 * EXPLAIN_WORK_MAX or EXPLAIN_CLASSES_MAX. -ENOMEM. The sentence is in `error`. */
int explain_query(struct explain *explain, const char *from, const char *to, const char *service, int64_t now,
		  json_t **ret_answer, struct error *error);

/* "FROM TO SERVICE": the short answer. 0: *ret_answer is a new reference, or NULL for a blank line. -EINVAL, -E2BIG:
 * *ret_answer is {"error": …}; the rest of the batch can go on. -ENOMEM: *ret_answer untouched. */
int explain_batch_line(struct explain *explain, const char *line, int64_t now, json_t **ret_answer);

#endif
