/* SPDX-License-Identifier: GPL-2.0-only */
/* The same questions without a daemon and without root: a policy's files and a world file. */
#ifndef BULKHEAD_CLI_OFFLINE_H
#define BULKHEAD_CLI_OFFLINE_H

#include "cli/cli.h"
#include "policy/naive.h"
#include "policy/world.h"
#include "table/explain.h"
#include "table/registry.h"
#include "table/table.h"

struct offline {
	struct policy *policy;
	struct world world;
	struct sources world_sources;
	struct registry *registry;
	struct table *table;
	struct table_judge judge;
	struct naive naive;
	struct explain *explain;
};

/* Loads cli->policy_path and cli->world_path (NULL: an empty world) and compiles them at `now` (ns since the epoch);
 * `naive`: answers come from the naive reading instead.
 * What is wrong has been told when the result is not CLI_OK. offline_free() in any case. */
int offline_open(struct cli *cli, int64_t now, bool naive, struct offline *offline);
void offline_free(struct offline *offline);

#endif
