/* SPDX-License-Identifier: GPL-2.0-only */
/* Everybody against everybody: which of the policy's ends may open flows to which.
 *
 *   {
 *     ends:  [{name, kind, ports}]   the rows and columns, in this order: zones and groups as the policy has them,
 *                                    "unassigned" if there are such ports, "host", "world", "internet", "private",
 *                                    "metadata", the named networks
 *            kind                    "zone", "group" (of a zone with groups), "subnets" (of a zone with groups; its
 * name is that of the zone), "unassigned", "host", "builtin", "network" ports                   ports of the world in
 * it; zones, groups and unassigned only cells: [{from, to, verdict, mode, services, except, mixed}]   row by row;
 * `from` and `to` are indices in `ends` verdict                 "allow": every service (but perhaps the tunnels, then
 * named in `except`) "some": the same services for every member and address "deny": none "mixed": not the same for
 * every member and address "unpoliced": no packet between them passes a policed port, or nobody is there mode
 * "enforce", or "audit": all of it is audited services                some, mixed: what all of them may, as words of
 * the language except                  allow, some: what none of them may; it stands instead of `services` where that
 *                                    would be everything else
 *            mixed                   mixed: what some of them may
 *   }
 */
#ifndef BULKHEAD_TABLE_MATRIX_H
#define BULKHEAD_TABLE_MATRIX_H

#include "table/explain.h"

/* Rows: their square are the cells, and nobody reads more. */
#define MATRIX_ENDS_MAX 256u
/* Questions to the judge for the whole matrix: a few seconds with the compiled table. */
#define MATRIX_WORK_MAX 4000000u
/* Words in one list of services; then one "…" more stands for the rest. */
#define MATRIX_WORDS_MAX 64u

/* 0: *ret_matrix is a new reference. -E2BIG: over a limit. -ENOMEM. The sentence is in `error`. */
int matrix_json(struct explain *explain, int64_t now, json_t **ret_matrix, struct error *error);

#endif
