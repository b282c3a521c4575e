/* SPDX-License-Identifier: GPL-2.0-only */
#include "cli/offline.h"

#include <stdlib.h>
#include <unistd.h>

#include "policy/load.h"

static void sources_free(struct sources *sources)
{
	for (size_t i = 0; i < sources->count; i++) {
		free(sources->items[i].path);
		free(sources->items[i].text);
	}
	array_free(sources);
}

/* What is wrong with a file, as check prints it, or as an error object with its diagnostics. */
static int tell(const struct cli *cli, const struct diagnostics *diagnostics, const struct sources *sources,
		const char *message)
{
	json_t *error;

	if (!cli->json) {
		diagnostics_print(diagnostics, sources, isatty(STDERR_FILENO) && cli->colour, stderr);
		return cli_fail(cli, CLI_ERROR, "%s", message);
	}
	error = json_pack("{s:s,s:o}", "message", message, "diagnostics", diagnostics_json(diagnostics, sources));
	cli_fail_with(cli, error);
	json_decref(error);
	return CLI_ERROR;
}

static int load_policy(struct cli *cli, int64_t now, struct offline *offline)
{
	static const struct sources no_sources;
	struct diagnostics diagnostics = {0};
	struct error error = {0};
	int code = CLI_OK;

	if (policy_load(&cli->policy_path, 1, now, &offline->policy, &diagnostics, &error) < 0)
		code = tell(cli, &diagnostics, offline->policy ? &offline->policy->sources : &no_sources,
			    diagnostics.errors ? "the policy has errors" : error.text);
	diagnostics_free(&diagnostics);
	return code;
}

static int load_world(struct cli *cli, struct offline *offline)
{
	struct diagnostics diagnostics = {0};
	struct error error = {0};
	int code = CLI_OK;

	if (!cli->world_path)
		return CLI_OK;
	if (world_load(cli->world_path, &offline->world, &offline->world_sources, &diagnostics, &error) < 0)
		code = tell(cli, &diagnostics, &offline->world_sources,
			    diagnostics.errors ? "the world file has errors" : error.text);
	else
		world_mark_unpoliced(&offline->world, &offline->policy->settings);
	diagnostics_free(&diagnostics);
	return code;
}

int offline_open(struct cli *cli, int64_t now, bool naive, struct offline *offline)
{
	struct error error = {0};
	int code, r;

	*offline = (struct offline){0};
	code = load_policy(cli, now, offline);
	if (code == CLI_OK)
		code = load_world(cli, offline);
	if (code != CLI_OK)
		return code;
	r = registry_new(&offline->registry);
	/* A table leaves out rules that have expired at its compilation: compile for the asked time, not for today. */
	if (r == 0)
		r = table_compile(offline->policy, &offline->world, offline->registry, now / 1000000000ll,
				  &offline->table, &error);
	if (r < 0)
		return cli_fail(cli, CLI_ERROR, "%s", error.text[0] ? error.text : "out of memory");
	offline->judge =
		(struct table_judge){.table = offline->table, .policy = offline->policy, .world = &offline->world};
	offline->naive = (struct naive){.policy = offline->policy, .world = &offline->world};
	r = naive ? explain_new(offline->policy, &offline->world, naive_judge, &offline->naive, &offline->explain,
				&error)
		  : explain_new(offline->policy, &offline->world, table_judge, &offline->judge, &offline->explain,
				&error);
	return r < 0 ? cli_fail(cli, CLI_ERROR, "%s", error.text) : CLI_OK;
}

void offline_free(struct offline *offline)
{
	explain_free(offline->explain);
	table_free(offline->table);
	registry_free(offline->registry);
	world_free(&offline->world);
	sources_free(&offline->world_sources);
	policy_free(offline->policy);
	*offline = (struct offline){0};
}
