/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <getopt.h>
#include <time.h>

#include "base/places.h"
#include "cli/cli.h"
#include "policy/load.h"

#define CHECK_PATHS_MAX 65u /* one more than bulkheadd takes */

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

static void print_count(const char *before, size_t count, const char *one)
{
	printf("%s%zu %s%s", before, count, one, count == 1 ? "" : "s");
}

static void print_text(const struct cli *cli, const struct policy *policy, const struct diagnostics *diagnostics)
{
	static const struct sources no_sources;

	diagnostics_print(diagnostics, policy ? &policy->sources : &no_sources, cli->colour, stdout);
	if (diagnostics->errors || !policy)
		return;
	print_count("ok: ", policy->zones.count, "zone");
	print_count(", ", policy->groups.count, "group");
	print_count(", ", policy->networks.count, "network");
	print_count(", ", policy->rules.count, "rule");
	putchar('\n');
}

int command_check(struct cli *cli, int argc, char **argv)
{
	static const struct option no_options[] = {{0}};
	const char *paths[CHECK_PATHS_MAX] = {DEFAULT_POLICY_DIR};
	struct diagnostics diagnostics = {0};
	struct policy *policy = NULL;
	struct error error = {0};
	size_t count = 0;
	int r, code = CLI_OK;

	optind = 1;
	if (cli_option(cli, "check ", argc, argv, ":", no_options) != -1)
		return CLI_USAGE;
	if (cli->world_path)
		return cli_usage(cli, "check ", "--world is for explain and matrix");
	if (argc - optind + 1 > (int)CHECK_PATHS_MAX)
		return cli_usage(cli, "check ", "more than %u paths are no policy", CHECK_PATHS_MAX - 1);
	if (cli->policy_path)
		paths[count++] = cli->policy_path;
	while (optind < argc)
		paths[count++] = argv[optind++];
	r = policy_load(paths, count ? count : 1, (int64_t)time(NULL) * 1000000000ll, &policy, &diagnostics, &error);
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
