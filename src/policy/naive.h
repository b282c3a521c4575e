/* SPDX-License-Identifier: GPL-2.0-only */
/* The policy read as plainly as possible, rule by rule, straight from the model: slow, obvious, and the measure that
 * the compiled table and the gates are held against. Shares no judging code with table/. */
#ifndef BULKHEAD_POLICY_NAIVE_H
#define BULKHEAD_POLICY_NAIVE_H

#include "policy/verdict.h"

struct naive {
	const struct policy *policy;
	const struct world *world;
};

/* A judge_fn; `context` is a struct naive. When several rules of the deciding kind match, the first in (file, line)
 * order among those that never expire decides, else the one that expires last. */
int naive_judge(void *context, const struct party *from, const struct party *to, const struct service_point *service,
		int64_t now, struct verdict *ret_verdict);

#endif
