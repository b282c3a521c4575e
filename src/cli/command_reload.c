/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "cli/cli.h"

/* The daemon runs elsewhere: it gets whole paths. NULL, and told: there is no such file. */
static json_t *paths_of(const struct cli *cli, int count, char **words)
{
	json_t *paths = json_array();

	for (int i = 0; i < count; i++) {
		AUTO_FREE char *whole = realpath(words[i], NULL);

		if (!whole) {
			cli_fail(cli, CLI_ERROR, "%s: %s", cli_escape(words[i]), strerror(errno));
			json_decref(paths);
			return NULL;
		}
		json_array_append_new(paths, json_string(whole));
	}
	return paths;
}

int command_reload(struct cli *cli, int argc, char **argv)
{
	static const struct option long_options[] = {
		{"dry-run", no_argument, NULL, 'd'},
		{0},
	};
	json_t *request = NULL, *paths;
	bool dry = false;
	int option;

	optind = 1;
	while ((option = cli_option(cli, "reload ", argc, argv, ":", long_options)) != -1) {
		if (option != 'd')
			return CLI_USAGE;
		dry = true;
	}
	if (!dry && optind < argc)
		return cli_usage(cli, "reload ", "only --dry-run takes other files than the daemon's own");
	if (optind < argc) {
		paths = paths_of(cli, argc - optind, argv + optind);
		if (!paths)
			return CLI_ERROR;
		request = json_pack("{s:s, s:b, s:o}", "command", "reload", "dry_run", 1, "paths", paths);
	} else {
		request = json_pack("{s:s, s:b}", "command", "reload", "dry_run", dry);
	}
	return cli_ask_and_show(cli, request, render_reload);
}
