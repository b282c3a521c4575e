/* SPDX-License-Identifier: GPL-2.0-only */
#include <getopt.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/cli.h"

#define LAST_DEFAULT 100
#define RETRY_S	     1 /* between two looks for a daemon that went away */

struct flows_options {
	bool follow;
	long last;
	json_t *filters; /* what the daemon is asked for beside the command */
};

static int options_parse(struct cli *cli, int argc, char **argv, struct flows_options *options)
{
	static const struct option long_options[] = {
		{"follow", no_argument, NULL, 'f'},
		{"last", required_argument, NULL, 'n'},
		{"denied", no_argument, NULL, 'd'},
		{"from", required_argument, NULL, 'F'},
		{"to", required_argument, NULL, 'T'},
		{"zone", required_argument, NULL, 'z'},
		{0},
	};
	char *end;
	int option, r = 0;

	optind = 1;
	while ((option = getopt_long(argc, argv, "fn:", long_options, NULL)) != -1) {
		switch (option) {
		case 'f':
			options->follow = true;
			break;
		case 'n':
			options->last = strtol(optarg, &end, 10);
			if (*end || options->last < 0 || optarg[0] == '\0')
				return cli_usage(cli, "flows ", "--last needs a number, not '%s'", optarg);
			break;
		case 'd':
			r |= json_object_set_new(options->filters, "denied", json_true());
			break;
		case 'F':
			r |= json_object_set_new(options->filters, "from", json_string(optarg));
			break;
		case 'T':
			r |= json_object_set_new(options->filters, "to", json_string(optarg));
			break;
		case 'z':
			r |= json_object_set_new(options->filters, "zone", json_string(optarg));
			break;
		default:
			return CLI_USAGE;
		}
	}
	if (r != 0)
		return cli_usage(cli, "flows ", "a name is no UTF-8");
	if (optind < argc)
		return cli_usage(cli, "flows ", "flows takes no '%s'", argv[optind]);
	return CLI_OK;
}

static json_t *request_of(const struct flows_options *options, bool follow)
{
	json_t *request = json_copy(options->filters);

	json_object_set_new(request, "command", json_string("flows"));
	json_object_set_new(request, "last", json_integer(options->last));
	if (follow)
		json_object_set_new(request, "follow", json_true());
	return request;
}

static void show(const struct cli *cli, const json_t *flow)
{
	if (cli->json) {
		json_dumpf(flow, stdout, JSON_COMPACT);
		putchar('\n');
	} else {
		render_flow(cli, flow);
	}
}

static int show_last(struct cli *cli, const struct flows_options *options)
{
	json_t *flows = NULL, *flow;
	size_t i;
	int code = cli_ask(cli, request_of(options, false), &flows);

	if (code != CLI_OK)
		return code;
	json_array_foreach(flows, i, flow) show(cli, flow);
	json_decref(flows);
	return CLI_OK;
}

static bool show_followed(void *arg, json_t *flow)
{
	show(arg, flow);
	return fflush(stdout) == 0;
}

static int follow(struct cli *cli, const struct flows_options *options)
{
	bool told = false;

	for (;;) {
		int code = cli_follow(cli, request_of(options, true), show_followed, cli);

		if (code != CLI_OK && code != CLI_UNREACHABLE)
			return code;
		if (ferror(stdout))
			return CLI_ERROR;
		if (code == CLI_OK)
			told = false;
		if (!told)
			fprintf(stderr, "bulkhead: the daemon is gone; waiting for it\n");
		told = true;
		/* The daemon comes back with a new socket; nothing tells of that. */
		while (access(cli->socket_path, F_OK) != 0)
			sleep(RETRY_S);
		sleep(RETRY_S);
	}
}

int command_flows(struct cli *cli, int argc, char **argv)
{
	struct flows_options options = {.last = LAST_DEFAULT, .filters = json_object()};
	int code = options_parse(cli, argc, argv, &options);

	if (code == CLI_OK)
		code = show_last(cli, &options);
	if (code == CLI_OK && options.follow) {
		fflush(stdout);
		code = follow(cli, &options);
	}
	json_decref(options.filters);
	return code;
}
