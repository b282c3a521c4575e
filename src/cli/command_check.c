/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <time.h>

#include "cli/cli.h"
#include "policy/load.h"

#define DEFAULT_POLICY_DIR "/etc/bulkhead/policy"

static int print_json(const struct cli *cli, const struct policy *policy, const struct diagnostics *diagnostics)
{
	static const struct sources no_sources;
	json_t *json = json_pack("{s:I,s:I,s:o}", "errors", (json_int_t)diagnostics->errors, "warnings",
				 (json_int_t)diagnostics->warnings, "diagnostics",
				 diagnostics_json(diagnostics, policy ? &policy->sources : &no_sources));
	int code = cli_print_json(cli, json);

	json_decref(json);
	return code;
}

static void print_text(const struct cli *cli, const struct policy *policy, const struct diagnostics *diagnostics)
{
	static const struct sources no_sources;

	diagnostics_print(diagnostics, policy ? &policy->sources : &no_sources, cli->colour, stdout);
	if (diagnostics->errors == 0)
		printf("ok: %zu zones, %zu groups, %zu networks, %zu rules\n", policy->zones.count,
		       policy->groups.count, policy->networks.count, policy->rules.count);
}

int command_check(struct cli *cli, int argc, char **argv)
{
	static const char *const standard[] = {DEFAULT_POLICY_DIR};
	const char *const *paths = argc > 1 ? (const char *const *)(argv + 1) : standard;
	struct diagnostics diagnostics = {0};
	struct policy *policy = NULL;
	struct error error = {0};
	int r, code = CLI_OK;

	for (int i = 1; i < argc; i++)
		if (argv[i][0] == '-' && argv[i][1])
			return cli_usage(cli, "check ", "check has no option '%s'", argv[i]);
	r = policy_load(paths, argc > 1 ? (size_t)argc - 1 : 1, (int64_t)time(NULL) * 1000000000ll, &policy,
			&diagnostics, &error);
	if (r < 0 && diagnostics.errors == 0)
		code = cli_fail(cli, CLI_ERROR, "%s", error.text);
	else if (cli->json)
		code = print_json(cli, policy, &diagnostics);
	else
		print_text(cli, policy, &diagnostics);
	if (r < 0 && code == CLI_OK)
		code = CLI_ERROR;
	policy_free(policy);
	diagnostics_free(&diagnostics);
	return code;
}
