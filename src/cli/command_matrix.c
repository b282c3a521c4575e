/* SPDX-License-Identifier: GPL-2.0-only */
#include <getopt.h>
#include <time.h>

#include "cli/offline.h"
#include "table/matrix.h"

static int options_parse(struct cli *cli, int argc, char **argv, bool *ret_dot)
{
	static const struct option long_options[] = {
		{"dot", no_argument, NULL, 'd'},
		{0},
	};
	int option;

	optind = 1;
	while ((option = cli_option(cli, "matrix ", argc, argv, ":", long_options)) != -1) {
		if (option != 'd')
			return CLI_USAGE;
		*ret_dot = true;
	}
	if (*ret_dot && cli->json)
		return cli_usage(cli, "matrix ", "--dot is another form than --json");
	return cli_no_more(cli, "matrix ", argc, argv);
}

static int matrix_offline(struct cli *cli, json_t **ret_matrix)
{
	int64_t now = (int64_t)time(NULL) * 1000000000ll;
	struct offline offline;
	struct error error = {0};
	int code = offline_open(cli, now, false, &offline);

	if (code == CLI_OK && matrix_json(offline.explain, now, ret_matrix, &error) < 0)
		code = cli_fail(cli, CLI_ERROR, "%s", error.text);
	offline_free(&offline);
	return code;
}

int command_matrix(struct cli *cli, int argc, char **argv)
{
	json_t *matrix = NULL;
	bool dot = false;
	int code = options_parse(cli, argc, argv, &dot);

	if (code == CLI_OK)
		code = cli->policy_path ? matrix_offline(cli, &matrix)
					: cli_ask(cli, json_pack("{s:s}", "command", "matrix"), &matrix);
	if (code != CLI_OK)
		return code;
	if (cli->json)
		code = cli_print_json(cli, matrix);
	else if (dot)
		render_matrix_dot(matrix);
	else
		render_matrix(cli, matrix);
	fflush(stdout);
	if (cli->policy_path && !cli->world_path && !cli->json)
		fputs("bulkhead: there are no containers without --world FILE\n", stderr);
	json_decref(matrix);
	return code;
}
