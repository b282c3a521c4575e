/* SPDX-License-Identifier: GPL-2.0-only */
/* Which rules match a flow: the naive reading of 'Services' and 'Rules'. Private to naive.c and to those that
 * explain. */
#ifndef BULKHEAD_POLICY_JUDGE_H
#define BULKHEAD_POLICY_JUDGE_H

#include "policy/standing.h"

bool service_atom_matches(const struct service_atom *atom, const struct service_point *point);
/* proto/4, proto/41, proto/47, udp/4789, udp/8472, udp/6081: what `all` and `udp` leave out of an allow. */
bool service_is_tunnel(const struct service_point *point);

/* Both ends of the rule match, each by one of its words. */
bool rule_matches_ends(const struct rule *rule, const struct policy *policy, const struct standing *from,
		       const struct standing *to);
/* Ends, service, and the rule has not expired. A staged rule matches as if it were not. */
bool rule_matches(const struct rule *rule, const struct policy *policy, const struct standing *from,
		  const struct standing *to, const struct service_point *point, int64_t now);
/* Of two rules of one kind that match: does `a` decide before `b`? Those that never expire go first, by file and line;
 * then those that expire last. */
bool rule_decides_before(const struct rule *a, const struct rule *b);

/* A flow is audited when the whole policy is, or when it has a zone at an end and every such zone is. */
bool flow_is_audited(const struct policy *policy, const struct standing *from, const struct standing *to);

#endif
