/* SPDX-License-Identifier: GPL-2.0-only */
/* The commands that ask one question of the daemon and show the answer. */
#include <getopt.h>

#include "cli/cli.h"

static int no_arguments(struct cli *cli, int argc, char **argv)
{
	static const struct option no_options[] = {{0}};
	char command[32];

	snprintf(command, sizeof(command), "%s ", argv[0]);
	optind = 1;
	if (cli_option(cli, command, argc, argv, ":", no_options) != -1)
		return CLI_USAGE;
	return cli_no_more(cli, command, argc, argv);
}

static json_t *request_of(const char *command)
{
	return json_pack("{s:s}", "command", command);
}

int command_status(struct cli *cli, int argc, char **argv)
{
	int code = no_arguments(cli, argc, argv);

	return code == CLI_OK ? cli_ask_and_show(cli, request_of("status"), render_status) : code;
}

int command_ports(struct cli *cli, int argc, char **argv)
{
	int code = no_arguments(cli, argc, argv);

	return code == CLI_OK ? cli_ask_and_show(cli, request_of("ports"), render_ports) : code;
}

int command_counters(struct cli *cli, int argc, char **argv)
{
	static const struct option long_options[] = {
		{"unused", no_argument, NULL, 'u'},
		{0},
	};
	json_t *counters = NULL, *rules;
	bool unused = false;
	int option, code;

	optind = 1;
	while ((option = cli_option(cli, "counters ", argc, argv, ":", long_options)) != -1) {
		if (option != 'u')
			return CLI_USAGE;
		unused = true;
	}
	code = cli_no_more(cli, "counters ", argc, argv);
	if (code == CLI_OK)
		code = cli_ask(cli, json_pack("{s:s}", "command", "counters"), &counters);
	if (code != CLI_OK)
		return code;
	if (unused) {
		rules = counters_unused(counters);
		json_decref(counters);
		counters = rules;
	}
	if (!counters)
		return cli_fail(cli, CLI_ERROR, "out of memory");
	if (cli->json)
		code = cli_print_json(cli, counters);
	else
		render_counters(cli, counters);
	json_decref(counters);
	return code;
}

int command_version(struct cli *cli, int argc, char **argv)
{
	json_t *result = NULL, *whole;
	int code = no_arguments(cli, argc, argv);

	if (code != CLI_OK)
		return code;
	if (!cli->json)
		puts("bulkhead " BULKHEAD_VERSION);
	code = cli_ask(cli, json_pack("{s:s}", "command", "version"), &result);
	if (code != CLI_OK)
		return code;
	if (cli->json) {
		whole = json_pack("{s:s,s:O}", "version", BULKHEAD_VERSION, "daemon", result);
		code = cli_print_json(cli, whole);
		json_decref(whole);
	} else {
		render_version(cli, result);
	}
	json_decref(result);
	return code;
}
