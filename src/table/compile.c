/* SPDX-License-Identifier: GPL-2.0-only */
/* From policy and world to the decision table.
 *
 * The method is Recursive Flow Classification (Gupta and McKeown, SIGCOMM 1999): each dimension of a flow is cut into
 * classes that no rule tells apart, and one exact-match table of (source class, destination class, service class) says
 * what happens. A packet then costs a fixed number of look-ups, whatever the policy.
 *
 *  1. Rank (rank.c). Rules that have expired are left out; the others stand in the order in which they decide: first
 *     those that never expire, by file and line, then the last to expire first. A cell has room for one deny and one
 *     allow, each with its expiry: the first of its kind that matches is the one that decides at every instant. Equal
 *     lists of ends, and networks that the same ends name, are taken as one.
 *  2. Identities (identity.c). Zone and groups of a port; a number from the registry.
 *  3. Addresses (prefix.c, class.c, address.c). All prefixes that are named anywhere, sorted, with a stack of those
 *     around the present one: what holds an address is its class. An address is a container's, the host's, metadata, a
 *     zone's or a managed bridge's by the longest prefix, or outside; outside ones are told apart by `world`,
 *     `internet`, `private`, `metadata`, `multicast` and by the ends of rules that name their networks. In an allow a
 *     network holds special-use and metadata addresses only by prefixes that mean them, in a deny it holds all, so
 *     each network counts twice.
 *  4. Ends (rank.c). Each list of ends becomes a list of classes.
 *  5. Services (service.c). Partition refinement on the line of all services.
 *  6. Cells (cell.c, step.c). Source by source, the rules are dealt out to the destinations; for each pair the service
 *     classes are filled that differ from class 0, which is also the fallback. Steps 3 to 6 of the policy's order are
 * the cell's base. There is no cell where the gates find the same by the classes' flags alone: most pairs are denied by
 *     default, and cost nothing.
 *  7. Classes (identity.c). Flags and default decision of each class by itself.
 *
 * Conflicted and ambiguous ends have no cells: who looks up must know them (abi.h, bh_class_info). Only flows with an
 * end at a port of this host have cells. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "table/compile.h"
#include "table/registry_private.h"

const struct compile_limits compile_limits_default = {
	.cells = TABLE_CELLS_MAX,
	.service_classes = TABLE_SERVICE_CLASSES_MAX,
	.prefixes = BH_PREFIXES_MAX,
	.classes = BH_CLASS_MAX - BH_CLASS_FIRST,
	.covers = COMPILE_COVERS_MAX,
	.sets = COMPILE_SETS_MAX,
	.ends = COMPILE_ENDS_MAX,
	.incidences = COMPILE_INCIDENCES_MAX,
};

int compile_out_of_memory(struct compile *compile)
{
	return error_set(compile->error, -ENOMEM, "out of memory while the policy was compiled");
}

static void compile_free(struct compile *compile)
{
	for (size_t i = 0; i < compile->ends.count; i++)
		free(compile->ends.items[i].keys);
	array_free(&compile->ends);
	for (size_t i = 0; i < compile->subjects.count; i++)
		array_free(&compile->subjects.items[i].groups);
	array_free(&compile->subjects);
	array_free(&compile->rules);
	free(compile->network_first);
	free(compile->holders[false]);
	free(compile->holders[true]);
	map_free(compile->end_index, NULL);
	map_free(compile->class_index, NULL);
	map_free(compile->set_index, NULL);
	map_free(compile->decision_keys, NULL);
	lists_free(&compile->subjects_of);
	lists_free(&compile->signatures);
	lists_free(&compile->sets);
	lists_free(&compile->set_classes);
	free(compile->set_holds_any);
	free(compile->zone_decisions);
	free(compile->group_decisions);
}

static int compile_new(struct compile *compile)
{
	const struct policy *policy = compile->policy;

	compile->class_index = map_new();
	compile->set_index = map_new();
	compile->decision_keys = map_new();
	compile->zone_decisions = calloc(policy->zones.count + 1, sizeof(*compile->zone_decisions));
	compile->group_decisions = calloc(policy->groups.count + 1, sizeof(*compile->group_decisions));
	compile->table = calloc(1, sizeof(*compile->table));
	if (!compile->class_index || !compile->set_index || !compile->decision_keys || !compile->zone_decisions ||
	    !compile->group_decisions || !compile->table)
		return compile_out_of_memory(compile);
	return 0;
}

static int compile_run(struct compile *compile)
{
	static int (*const stages[])(struct compile *) = {
		compile_new,  compile_rules,	compile_identities, compile_prefixes, compile_addresses,
		compile_ends, compile_services, compile_cells,	    compile_classes,
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(stages) / sizeof(stages[0]); i++)
		r = stages[i](compile);
	if (r == 0)
		compile_decisions_sort(compile);
	return r;
}

/* Gives back the room that the array grew and did not need: tables live long. A failure leaves it as it is. */
#define table_trim(array)                                                                                              \
	do {                                                                                                           \
		void *trimmed_ =                                                                                       \
			(array)->count ? reallocarray((array)->items, (array)->count, sizeof(*(array)->items)) : NULL; \
		if (trimmed_) {                                                                                        \
			(array)->items = trimmed_;                                                                     \
			(array)->capacity = (array)->count;                                                            \
		}                                                                                                      \
	} while (0)

int compile_table(const struct policy *policy, const struct world *world, struct registry *registry, int64_t now_s,
		  const struct compile_limits *limits, struct table **ret_table, struct error *error)
{
	struct compile compile = {.policy = policy,
				  .world = world,
				  .registry = registry,
				  .now_s = now_s,
				  .limits = limits,
				  .error = error};
	int r;

	registry_begin(registry, now_s);
	r = compile_run(&compile);
	if (r == 0) {
		registry_settle(registry);
		table_trim(&compile.table->cells);
		table_trim(&compile.table->prefixes);
		table_trim(&compile.table->decisions);
		*ret_table = compile.table;
	} else {
		registry_abandon(registry);
		table_free(compile.table);
	}
	compile_free(&compile);
	return r;
}

int table_compile(const struct policy *policy, const struct world *world, struct registry *registry, int64_t now_s,
		  struct table **ret_table, struct error *error)
{
	return compile_table(policy, world, registry, now_s, &compile_limits_default, ret_table, error);
}

void table_keep_names(struct table *table)
{
	array_free(&table->prefixes);
	array_free(&table->addresses);
	array_free(&table->nat64);
	array_free(&table->cells);
	array_free(&table->ports);
	free(TAKE(table->class_info));
	free(TAKE(table->services));
	free(TAKE(table->prefix_parents));
	table->class_count = table->service_class_count = 0;
}

void table_free(struct table *table)
{
	if (!table)
		return;
	for (size_t i = 0; i < table->decisions.count; i++) {
		free(table->decisions.items[i].file);
		free(table->decisions.items[i].text);
	}
	for (size_t i = 0; i < table->identities.count; i++) {
		free(table->identities.items[i].name);
		array_free(&table->identities.items[i].groups);
	}
	for (size_t i = 0; i < table->classes.count; i++)
		free(table->classes.items[i].name);
	array_free(&table->decisions);
	array_free(&table->identities);
	array_free(&table->classes);
	table_keep_names(table);
	free(table);
}
