/* SPDX-License-Identifier: GPL-2.0-only */
/* A small policy and world in force: what questions are put to. Made once in a process. */
#ifndef BULKHEAD_TESTS_FUZZ_JUDGE_H
#define BULKHEAD_TESTS_FUZZ_JUDGE_H

#include "policy/load.h"
#include "policy/world.h"
#include "table/table.h"

#define JUDGE_NOW_S INT64_C(1780272000) /* 2026-06-01 */
#define JUDGE_NOW   (JUDGE_NOW_S * INT64_C(1000000000))

struct judge {
	struct policy *policy;
	struct world world;
	struct registry *registry;
	struct table *table;
};
struct judge *judge_get(void);

#endif
