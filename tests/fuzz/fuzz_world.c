/* SPDX-License-Identifier: GPL-2.0-only */
/* World files: whatever the text, it either gives a whole world or says what is wrong, in words that are safe to print.
 * A world that is one compiles with a policy, and each of its ports is somebody to it. Dictionary: world.dict. */
#include <errno.h>
#include <stdint.h>

#include "judge.h"
#include "must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must_be_port(const struct world *world, const struct world_port *port)
{
	const struct policy *policy = judge_get()->policy;
	struct membership membership = {0};

	must(port->container == WORLD_NOBODY || port->container < world->containers.count);
	for (size_t i = 0; i < port->others.count; i++)
		must(port->others.items[i] < world->containers.count);
	for (size_t i = 0; i < port->addresses.count; i++)
		must(port->addresses.items[i].family == ADDR_V4 || port->addresses.items[i].family == ADDR_V6);
	must_be_text(port->interface, SIZE_MAX);
	must(membership_find(policy, world, port, &membership) == 0);
	for (size_t i = 0; i < membership.groups.count; i++)
		must(membership.groups.items[i] < policy->groups.count);
	membership_free(&membership);
}

static void try_world(struct world *world)
{
	const struct policy *policy = judge_get()->policy;
	struct registry *registry = NULL;
	struct table *table = NULL;
	struct error error = {0};

	world_mark_unpoliced(world, &policy->settings);
	for (size_t i = 0; i < world->ports.count; i++)
		must_be_port(world, &world->ports.items[i]);
	for (size_t i = 0; i < world->containers.count; i++)
		must_be_text(world->containers.items[i].name, SIZE_MAX);
	must(registry_new(&registry) == 0);
	if (table_compile(policy, world, registry, JUDGE_NOW_S, &table, &error) < 0)
		must(error.text[0]);
	else
		must(table->ports.count == world->ports.count);
	table_free(table);
	registry_free(registry);
}

static void try_printing(const struct diagnostics *diagnostics, const struct sources *sources)
{
	char *printed = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&printed, &size);

	must(out);
	diagnostics_print(diagnostics, sources, false, out);
	fclose(out);
	must_be_printable(printed, size);
	free(printed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct diagnostics diagnostics = {0};
	struct sources sources = {0};
	struct error error = {0};
	struct world world = {0};
	int r = world_load_text("world.yaml", (const char *)data, size, &world, &sources, &diagnostics, &error);

	must(r == 0 || r == -EINVAL);
	must((r == 0) == (diagnostics.errors == 0));
	if (r == 0)
		try_world(&world);
	try_printing(&diagnostics, &sources);
	world_free(&world);
	diagnostics_free(&diagnostics);
	for (size_t i = 0; i < sources.count; i++) {
		free(sources.items[i].path);
		free(sources.items[i].text);
	}
	array_free(&sources);
	return 0;
}
