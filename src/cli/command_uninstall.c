/* SPDX-License-Identifier: GPL-2.0-only */
#include <getopt.h>
#include <string.h>
#include <unistd.h>

#include "base/places.h"
#include "cli/cli.h"
#include "gate/gate.h"

struct uninstall {
	struct cli *cli;
	json_t *removed;
};

static void report(void *arg, const char *line)
{
	struct uninstall *uninstall = arg;

	json_array_append_new(uninstall->removed, json_string(line));
	if (!uninstall->cli->json)
		puts(cli_escape(line));
}

static void remove_file(struct uninstall *uninstall, const char *folder, const char *name)
{
	char path[512], line[600];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	if (unlink(path) < 0)
		return;
	snprintf(line, sizeof(line), "removed file %s", path);
	report(uninstall, line);
}

static void purge(struct uninstall *uninstall, const char *state_dir)
{
	char line[600];

	remove_file(uninstall, state_dir, STATE_REGISTRY);
	remove_file(uninstall, state_dir, STATE_ADOPTED);
	remove_file(uninstall, state_dir, STATE_HOOKS);
	if (rmdir(state_dir) == 0) {
		snprintf(line, sizeof(line), "removed directory %s", state_dir);
		report(uninstall, line);
	}
}

struct uninstall_options {
	struct gate_options gate;
	const char *state_dir, *run_dir;
	bool with_state;
};

static int options_parse(struct cli *cli, int argc, char **argv, struct uninstall_options *options)
{
	static const struct option long_options[] = {
		{"pins", required_argument, NULL, 'p'},
		{"state", required_argument, NULL, 's'},
		{"run", required_argument, NULL, 'r'},
		{"purge", no_argument, NULL, 'P'},
		{0},
	};
	int option;

	optind = 1;
	while ((option = cli_option(cli, "uninstall ", argc, argv, ":", long_options)) != -1) {
		if (option == 'p')
			options->gate.pin_dir = optarg;
		else if (option == 's')
			options->state_dir = optarg;
		else if (option == 'r')
			options->run_dir = optarg;
		else if (option == 'P')
			options->with_state = true;
		else
			return CLI_USAGE;
	}
	return cli_no_more(cli, "uninstall ", argc, argv);
}

static int removed_print(struct uninstall *uninstall)
{
	json_t *result;
	int code;

	if (!uninstall->cli->json) {
		if (json_array_size(uninstall->removed) == 0)
			puts("there was nothing to remove");
		return CLI_OK;
	}
	result = json_pack("{s:O}", "removed", uninstall->removed);
	code = cli_print_json(uninstall->cli, result);
	json_decref(result);
	return code;
}

int command_uninstall(struct cli *cli, int argc, char **argv)
{
	struct uninstall_options options = {
		.gate = {.pin_dir = DEFAULT_PIN_DIR,
			 .stamp_shift = BH_STAMP_SHIFT_DEFAULT,
			 .flow_quota = BH_FLOWS_PER_PORT_DEFAULT,
			 .log_group = GATE_LOG_GROUP_DEFAULT},
		.state_dir = DEFAULT_STATE_DIR,
		.run_dir = DEFAULT_RUN_DIR,
	};
	struct uninstall uninstall = {.cli = cli};
	struct error error = {0};
	int code = options_parse(cli, argc, argv, &options);

	if (code != CLI_OK)
		return code;
	options.gate.holder_dir = options.run_dir;
	if (geteuid() != 0)
		return cli_fail(cli, CLI_ERROR, "only root can do that");
	/* It would put everything back at once. */
	if (host_lock_is_held(options.run_dir))
		return cli_fail(cli, CLI_ERROR, "bulkheadd is running and would put everything back: stop it first");
	uninstall.removed = json_array();
	if (gate_uninstall(&options.gate, report, &uninstall, &error) < 0)
		code = cli_fail(cli, CLI_ERROR, "%s", error.text);
	/* From here on a daemon's start is a first one again. */
	if (code == CLI_OK)
		remove_file(&uninstall, options.state_dir, STATE_POLICED);
	/* After a failure the numbers of identities keep their meaning: a second try may follow, or a daemon. */
	if (code == CLI_OK && options.with_state)
		purge(&uninstall, options.state_dir);
	if (code == CLI_OK)
		code = removed_print(&uninstall);
	json_decref(uninstall.removed);
	return code;
}
