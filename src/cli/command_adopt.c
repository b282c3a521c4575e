/* SPDX-License-Identifier: GPL-2.0-only */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

#define WAIT_MAX_MS 60000

enum option_id {
	OPTION_LABEL = 256,
	OPTION_ADDRESS,
	OPTION_GATEWAY,
	OPTION_WAIT,
	OPTION_TEXT, /* from here on: its name is the request's member, its value the text */
};

static const struct option adopt_options[] = {
	{"label", required_argument, NULL, OPTION_LABEL},
	{"address", required_argument, NULL, OPTION_ADDRESS},
	{"gateway", required_argument, NULL, OPTION_GATEWAY},
	{"wait", required_argument, NULL, OPTION_WAIT},
	{"name", required_argument, NULL, OPTION_TEXT},
	{"id", required_argument, NULL, OPTION_TEXT + 1},
	{"runtime", required_argument, NULL, OPTION_TEXT + 2},
	{"image", required_argument, NULL, OPTION_TEXT + 3},
	{"namespace", required_argument, NULL, OPTION_TEXT + 4},
	{"network", required_argument, NULL, OPTION_TEXT + 5},
	{"mac", required_argument, NULL, OPTION_TEXT + 6},
	{"netns", required_argument, NULL, OPTION_TEXT + 7},
	{0},
};
static const struct option release_options[] = {
	{"netns", required_argument, NULL, OPTION_TEXT},
	{"id", required_argument, NULL, OPTION_TEXT + 1},
	{0},
};

static int text_set(struct cli *cli, const char *command, json_t *request, const char *key, const char *text)
{
	if (json_object_set_new(request, key, json_string(text)) < 0)
		return cli_usage(cli, command, "%s is no UTF-8", key);
	return CLI_OK;
}

static int list_add(struct cli *cli, json_t *request, const char *key, const char *text)
{
	json_t *list = json_object_get(request, key);

	if (!list) {
		list = json_array();
		if (json_object_set_new(request, key, list) < 0)
			return cli_fail(cli, CLI_ERROR, "out of memory");
	}
	if (json_array_append_new(list, json_string(text)) < 0)
		return cli_usage(cli, "adopt ", "%s is no UTF-8", key);
	return CLI_OK;
}

static int label_set(struct cli *cli, json_t *request, const char *text)
{
	json_t *labels = json_object_get(request, "labels");
	const char *equals = strchr(text, '=');
	char *key;
	int r;

	if (!equals || equals == text)
		return cli_usage(cli, "adopt ", "--label needs KEY=VALUE, not '%s'", cli_escape(text));
	key = strndup(text, (size_t)(equals - text));
	if (!labels) {
		labels = json_object();
		json_object_set_new(request, "labels", labels);
	}
	r = key ? json_object_set_new(labels, key, json_string(equals + 1)) : -1;
	free(key);
	return r < 0 ? cli_usage(cli, "adopt ", "a label is no UTF-8") : CLI_OK;
}

static int wait_set(struct cli *cli, json_t *request, const char *text)
{
	char *end;
	long number = strtol(text, &end, 10);

	if (text[0] < '0' || text[0] > '9' || *end || number > WAIT_MAX_MS)
		return cli_usage(cli, "adopt ", "--wait needs milliseconds from 0 to %d, not '%s'", WAIT_MAX_MS,
				 cli_escape(text));
	json_object_set_new(request, "wait_ms", json_integer(number));
	return CLI_OK;
}

static int option_take(struct cli *cli, const char *command, const struct option *options, int option, json_t *request)
{
	switch (option) {
	case OPTION_LABEL:
		return label_set(cli, request, optarg);
	case OPTION_ADDRESS:
		return list_add(cli, request, "addresses", optarg);
	case OPTION_GATEWAY:
		return list_add(cli, request, "gateways", optarg);
	case OPTION_WAIT:
		return wait_set(cli, request, optarg);
	default:
		break;
	}
	while (options->name && options->val != option)
		options++;
	return options->name ? text_set(cli, command, request, options->name, optarg) : CLI_USAGE;
}

/* The request of both commands: options, and at most one interface. */
static int request_parse(struct cli *cli, int argc, char **argv, const struct option *options, json_t *request)
{
	char command[32];
	int option, code = CLI_OK;

	snprintf(command, sizeof(command), "%s ", argv[0]);
	json_object_set_new(request, "command", json_string(argv[0]));
	optind = 1;
	while (code == CLI_OK && (option = cli_option(cli, command, argc, argv, ":", options)) != -1)
		code = option_take(cli, command, options, option, request);
	if (code == CLI_OK && optind < argc)
		code = text_set(cli, command, request, "interface", argv[optind++]);
	return code == CLI_OK ? cli_no_more(cli, command, argc, argv) : code;
}

static void print_adopted(const struct cli *cli, const json_t *result)
{
	const json_t *port;
	size_t i;

	json_array_foreach(json_object_get(result, "ports"), i, port)
	{
		const char *state = cli_text(port, "state"), *zone = cli_text(port, "zone");
		bool open = strcmp(state, "open") == 0;

		printf("%s%s%s  %s%s%s", cli_colour(cli, COLOUR_BOLD), cli_text(port, "interface"),
		       cli_colour(cli, COLOUR_PLAIN), cli_colour(cli, open ? COLOUR_GREEN : COLOUR_YELLOW), state,
		       cli_colour(cli, COLOUR_PLAIN));
		if (open)
			printf(" %s%s", *zone ? "in zone " : "in no zone", zone);
		if (*cli_text(port, "reason"))
			printf(": %s", cli_text(port, "reason"));
		putchar('\n');
	}
}

static void print_released(const struct cli *cli, const json_t *result)
{
	(void)cli;
	printf("released %lld\n", (long long)cli_number(result, "released"));
}

int command_adopt(struct cli *cli, int argc, char **argv)
{
	json_t *request = json_object();
	int code = request_parse(cli, argc, argv, adopt_options, request);

	if (code == CLI_OK && !json_object_get(request, "interface") && !json_object_get(request, "netns"))
		code = cli_usage(cli, "adopt ", "an INTERFACE or --netns is needed");
	if (code == CLI_OK)
		return cli_ask_and_show(cli, request, print_adopted);
	json_decref(request);
	return code;
}

int command_release(struct cli *cli, int argc, char **argv)
{
	json_t *request = json_object();
	int code = request_parse(cli, argc, argv, release_options, request);

	if (code == CLI_OK && json_object_size(request) == 1)
		code = cli_usage(cli, "release ", "an INTERFACE, --netns or --id is needed");
	if (code == CLI_OK)
		return cli_ask_and_show(cli, request, print_released);
	json_decref(request);
	return code;
}
