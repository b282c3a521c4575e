/* SPDX-License-Identifier: GPL-2.0-only */
/* The loader of policies: whatever the text, it either gives a whole model or says what is wrong, in words that are
 * safe to print. Dictionary: policy.dict. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "must.h"
#include "policy/load.h"

#define NOW INT64_C(1780272000000000000) /* 2026-06-01 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_ends(const struct policy *policy, const struct ends *ends)
{
	must(ends->count > 0);
	for (size_t i = 0; i < ends->count; i++) {
		const struct end *end = &ends->items[i];

		must(end->place.line > 0 && end->place.width > 0);
		if (end->kind == END_ZONE)
			must(end->index < policy->zones.count);
		if (end->kind == END_GROUP)
			must(end->index < policy->groups.count);
		if (end->kind == END_NETWORK)
			must(end->index < policy->networks.count);
	}
}

/* What a piece of a service is written as must mean the same piece. */
static void try_atoms(const struct service_atoms *atoms)
{
	for (size_t i = 0; i < atoms->count && i < 64; i++) {
		const struct service_atom *atom = &atoms->items[i];
		struct service_atoms again = {0};
		struct text text = {0};

		service_atom_format(atom, &text);
		must(service_parse(NULL, text_string(&text), &again, NULL) == 0 && again.count == 1);
		must(again.items[0].kind == atom->kind && again.items[0].low == atom->low &&
		     again.items[0].high == atom->high && again.items[0].protocol == atom->protocol);
		array_free(&again);
		text_free(&text);
	}
}

static void try_zones(const struct policy *policy)
{
	for (size_t i = 0; i < policy->zones.count; i++) {
		const struct zone *zone = &policy->zones.items[i];

		must(zone_find(policy, zone->name) == (int)i);
		must(zone->group_first + zone->group_count <= policy->groups.count);
		for (uint32_t j = 0; j < zone->group_count; j++)
			must(policy->groups.items[zone->group_first + j].zone == i);
	}
}

static void try_model(const struct policy *policy)
{
	try_zones(policy);
	for (size_t i = 0; i < policy->networks.count; i++) {
		const struct prefixes *cidrs = &policy->networks.items[i].cidrs;

		for (size_t j = 1; j < cidrs->count; j++)
			must(prefix_compare(&cidrs->items[j - 1], &cidrs->items[j]) < 0);
	}
	for (size_t i = 0; i < policy->services.count; i++)
		try_atoms(&policy->services.items[i].atoms);
	for (size_t i = 0; i < policy->rules.count; i++) {
		const struct rule *rule = &policy->rules.items[i];

		try_ends(policy, &rule->from);
		try_ends(policy, &rule->to);
		must(rule->services.count > 0);
		try_atoms(&rule->services);
	}
}

static void try_printing(const struct diagnostics *diagnostics, const struct sources *sources)
{
	char *printed = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&printed, &size);
	json_t *findings = diagnostics_json(diagnostics, sources);

	must(out && findings);
	diagnostics_print(diagnostics, sources, false, out);
	fclose(out);
	must_be_printable(printed, size);
	free(printed);
	json_decref(findings);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct diagnostics diagnostics = {0};
	struct error error = {0};
	struct policy *policy = NULL;
	int r = policy_load_text("fuzz.yaml", (const char *)data, size, NOW, &policy, &diagnostics, &error);

	must(r == 0 || r == -EINVAL);
	must(policy && (r == 0) == (diagnostics.errors == 0));
	if (r == 0)
		try_model(policy);
	try_printing(&diagnostics, &policy->sources);
	policy_free(policy);
	diagnostics_free(&diagnostics);
	return 0;
}
