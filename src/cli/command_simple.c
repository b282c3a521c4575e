/* SPDX-License-Identifier: GPL-2.0-only */
/* The commands that ask one question of the daemon and show the answer. */
#include <getopt.h>
#include <string.h>

#include "cli/cli.h"

static int no_arguments(struct cli *cli, int argc, char **argv)
{
	char command[32];

	if (argc <= 1)
		return CLI_OK;
	snprintf(command, sizeof(command), "%s ", argv[0]);
	return cli_usage(cli, command, "%s takes no '%s'", argv[0], argv[1]);
}

static int ask_and_show(struct cli *cli, const char *command,
			void (*render)(const struct cli *cli, const json_t *result))
{
	json_t *result = NULL;
	int code = cli_ask(cli, json_pack("{s:s}", "command", command), &result);

	if (code != CLI_OK)
		return code;
	if (cli->json)
		code = cli_print_json(cli, result);
	else
		render(cli, result);
	json_decref(result);
	return code;
}

int command_status(struct cli *cli, int argc, char **argv)
{
	int code = no_arguments(cli, argc, argv);

	return code == CLI_OK ? ask_and_show(cli, "status", render_status) : code;
}

int command_ports(struct cli *cli, int argc, char **argv)
{
	int code = no_arguments(cli, argc, argv);

	return code == CLI_OK ? ask_and_show(cli, "ports", render_ports) : code;
}

static void render_reload(const struct cli *cli, const json_t *report)
{
	const char *text = json_string_value(json_object_get(report, "text"));

	if (text && *text)
		fputs(text, stderr);
	printf("%sgeneration %lld%s in force after %.0f ms\n", cli_colour(cli, COLOUR_BOLD),
	       (long long)cli_number(report, "generation"), cli_colour(cli, COLOUR_PLAIN),
	       json_number_value(json_object_get(report, "milliseconds")));
}

int command_reload(struct cli *cli, int argc, char **argv)
{
	int code = no_arguments(cli, argc, argv);

	return code == CLI_OK ? ask_and_show(cli, "reload", render_reload) : code;
}

static void render_unused(const struct cli *cli, const json_t *counters)
{
	render_counters(cli, counters, true);
}

static void render_all(const struct cli *cli, const json_t *counters)
{
	render_counters(cli, counters, false);
}

int command_counters(struct cli *cli, int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--unused") == 0)
		return ask_and_show(cli, "counters", render_unused);
	if (argc > 1)
		return cli_usage(cli, "counters ", "counters takes no '%s'", argv[1]);
	return ask_and_show(cli, "counters", render_all);
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
