/* SPDX-License-Identifier: GPL-2.0-only */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

#define LAST_DEFAULT 100
#define LAST_MAX     1000000 /* all that there are */
#define RETRY_S	     1	     /* between two looks for a daemon that went away */

struct flows_options {
	bool follow;
	long last;
	json_t *filters; /* what the daemon is asked for beside the command */
};

static int filter_set(struct flows_options *options, const char *key)
{
	return json_object_set_new(options->filters, key, json_string(optarg));
}

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
	while ((option = cli_option(cli, "flows ", argc, argv, ":fn:", long_options)) != -1) {
		switch (option) {
		case 'f':
			options->follow = true;
			break;
		case 'n':
			options->last = strtol(optarg, &end, 10);
			if (*end || options->last < 0 || optarg[0] == '\0')
				return cli_usage(cli, "flows ", "--last needs a number, not '%s'", cli_escape(optarg));
			break;
		case 'd':
			r |= json_object_set_new(options->filters, "denied", json_true());
			break;
		case 'F':
			r |= filter_set(options, "from");
			break;
		case 'T':
			r |= filter_set(options, "to");
			break;
		case 'z':
			r |= filter_set(options, "zone");
			break;
		default:
			return CLI_USAGE;
		}
	}
	if (r != 0)
		return cli_usage(cli, "flows ", "a name is no UTF-8");
	return cli_no_more(cli, "flows ", argc, argv);
}

static json_t *request_of(const struct flows_options *options, bool follow, long last)
{
	json_t *request = json_copy(options->filters);

	json_object_set_new(request, "command", json_string("flows"));
	json_object_set_new(request, "last", json_integer(last));
	if (follow)
		json_object_set_new(request, "follow", json_true());
	return request;
}

static bool show(const struct cli *cli, const json_t *flow)
{
	if (!cli->json)
		render_flow(cli, flow);
	else if (!cli_print_json_line(flow))
		return false;
	return ferror(stdout) == 0;
}

/* ---- A filter that nobody can match is more often a typing error than a wish ---- */

struct names {
	ARRAY_OF(const char *);
};

static void name_add(struct names *names, const json_t *name)
{
	const char **slot = json_is_string(name) ? array_append(names) : NULL;

	if (slot)
		*slot = json_string_value(name);
}

static void names_of_ports(struct names *names, const json_t *ports)
{
	json_t *port, *address;
	size_t i, j;

	json_array_foreach(ports, i, port)
	{
		name_add(names, json_object_get(port, "container"));
		json_array_foreach(json_object_get(port, "others"), j, address) name_add(names, address);
		name_add(names, json_object_get(port, "identity"));
		json_array_foreach(json_object_get(port, "addresses"), j, address) name_add(names, address);
	}
}

/* An address may be anybody's, and these are the identities of those who have no port. */
static bool name_is_free(const char *word)
{
	static const char *const others[] = {"host",	"outside",  "world",	 "internet",
					     "private", "metadata", "multicast", "unassigned"};

	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		if (strcmp(others[i], word) == 0)
			return true;
	return strchr(word, ':') || word[strspn(word, "0123456789.")] == '\0';
}

static void warn_unknown(const char *what, const char *word, const struct names *names)
{
	const char *near;

	for (size_t i = 0; i < names->count; i++)
		if (strcmp(names->items[i], word) == 0)
			return;
	near = text_nearest(word, names->items, names->count);
	fprintf(stderr, "bulkhead: there is no %s '%s' now%s%s%s\n", what, cli_escape(word),
		near ? " (did you mean '" : "", near ? cli_escape(near) : "", near ? "'?)" : "");
}

static void warn_of_names(const struct cli *cli, const struct flows_options *options)
{
	const char *zone = json_string_value(json_object_get(options->filters, "zone"));
	json_t *ports = NULL, *status = NULL, *item;
	struct names names = {0}, zones = {0};
	struct cli silent = *cli;
	size_t i;

	silent.quiet = true;
	if (cli_ask(&silent, json_pack("{s:s}", "command", "ports"), &ports) == CLI_OK &&
	    cli_ask(&silent, json_pack("{s:s}", "command", "status"), &status) == CLI_OK) {
		names_of_ports(&names, ports);
		json_array_foreach(json_object_get(status, "zones"), i, item)
			name_add(&zones, json_object_get(item, "zone"));
		for (i = 0; i < 2; i++) {
			const char *word = json_string_value(json_object_get(options->filters, i ? "to" : "from"));

			if (word && !name_is_free(word))
				warn_unknown("container, identity or address", word, &names);
		}
		if (zone)
			warn_unknown("zone", zone, &zones);
	}
	array_free(&names);
	array_free(&zones);
	json_decref(ports);
	json_decref(status);
}

/* ---- Showing ---- */

static int show_last(struct cli *cli, const struct flows_options *options)
{
	json_t *flows = NULL, *flow;
	size_t i;
	int code = cli_ask(cli, request_of(options, false, options->last), &flows);

	json_array_foreach(flows, i, flow) if (code == CLI_OK && !show(cli, flow)) code = CLI_ERROR;
	if (code == CLI_OK && !cli->json && json_array_size(flows) == 0 && options->last)
		fputs("bulkhead: no such flow was reported\n", stderr);
	json_decref(flows);
	return code;
}

static bool show_followed(void *arg, json_t *flow)
{
	return show(arg, flow) && fflush(stdout) == 0;
}

/* Until it takes connections again: it comes with a new socket, and nothing tells of that. */
static void wait_for_daemon(struct cli *cli)
{
	json_t *version = NULL;

	fputs("bulkhead: the daemon is gone; waiting for it\n", stderr);
	do
		sleep(RETRY_S);
	while (cli_ask(cli, json_pack("{s:s}", "command", "version"), &version) != CLI_OK);
	json_decref(version);
	fputs("bulkhead: the daemon is back\n", stderr);
}

static int follow(struct cli *cli, const struct flows_options *options)
{
	int code = cli_follow(cli, request_of(options, true, options->last), show_followed, cli);

	while (code == CLI_OK && !ferror(stdout)) {
		cli->quiet = true; /* from now on we say ourselves that it is away */
		wait_for_daemon(cli);
		/* Its memory of flows went with it: all that it has is new. */
		do
			code = cli_follow(cli, request_of(options, true, LAST_MAX), show_followed, cli);
		while (code == CLI_UNREACHABLE && sleep(RETRY_S) == 0);
	}
	return code == CLI_OK ? CLI_ERROR : code;
}

int command_flows(struct cli *cli, int argc, char **argv)
{
	struct flows_options options = {.last = LAST_DEFAULT, .filters = json_object()};
	int code = options_parse(cli, argc, argv, &options);

	if (code == CLI_OK && json_object_size(options.filters))
		warn_of_names(cli, &options);
	if (code == CLI_OK)
		code = options.follow ? follow(cli, &options) : show_last(cli, &options);
	json_decref(options.filters);
	return code;
}
