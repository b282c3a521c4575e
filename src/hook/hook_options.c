/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/addr.h"
#include "hook_options.h"

enum { OPTION_LABEL = 256, OPTION_WAIT, OPTION_SOCKET, OPTION_STATE, OPTION_RUNTIME, OPTION_NO_CLAIM, OPTION_ADDRESS };

static const struct option known[] = {
	{"label", required_argument, NULL, OPTION_LABEL},
	{"address", required_argument, NULL, OPTION_ADDRESS},
	{"wait", required_argument, NULL, OPTION_WAIT},
	{"socket", required_argument, NULL, OPTION_SOCKET},
	{"state", required_argument, NULL, OPTION_STATE},
	{"runtime", required_argument, NULL, OPTION_RUNTIME},
	{"no-claim", no_argument, NULL, OPTION_NO_CLAIM},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
	{NULL, 0, NULL, 0},
};

static int path_take(const char *text, const char **path, struct error *error)
{
	if (text[0] != '/')
		return error_set(error, -EINVAL, "a path must be absolute");
	*path = text;
	return 0;
}

static int label_take(struct hook_options *options, const char *text, struct error *error)
{
	if (!options->labels)
		options->labels = json_object();
	return options->labels ? hook_label(options->labels, text, error)
			       : error_set(error, -ENOMEM, "memory is short");
}

static int address_take(struct hook_options *options, const char *text, struct error *error)
{
	struct prefix prefix;

	if (!strchr(text, '/') || prefix_parse(text, &prefix, NULL) < 0)
		return error_set(error, -EINVAL, "an address has its prefix's length with it, as in 10.0.0.2/24");
	if (!options->addresses)
		options->addresses = json_array();
	if (json_array_append_new(options->addresses, json_string(text)) < 0)
		return error_set(error, -ENOMEM, "memory is short");
	return 0;
}

static int option_take(struct hook_options *options, int option, struct error *error)
{
	switch (option) {
	case OPTION_LABEL:
		return label_take(options, optarg, error);
	case OPTION_ADDRESS:
		return address_take(options, optarg, error);
	case OPTION_WAIT:
		return hook_wait_ms(optarg, &options->hook.wait_ms, error);
	case OPTION_SOCKET:
		return path_take(optarg, &options->hook.socket, error);
	case OPTION_STATE:
		return path_take(optarg, &options->hook.state_dir, error);
	case OPTION_RUNTIME:
		options->runtime = optarg;
		return 0;
	case OPTION_NO_CLAIM:
		options->no_claim = true;
		return 0;
	default:
		/* getopt_long() has said what is wrong. */
		return error_set(error, -EINVAL, "wrong usage: '%s --help' tells more", options->program);
	}
}

int hook_options_parse(struct hook_options *options, int argc, char **argv, int *ret_status)
{
	struct error error = {0};
	int option, r = 0;

	options->hook = (struct hook){.state_dir = HOOK_STATE_DIR, .wait_ms = HOOK_WAIT_MS};
	*ret_status = 0;
	while (r == 0 && (option = getopt_long(argc, argv, "hV", known, NULL)) >= 0) {
		if (option == 'h' || option == 'V') {
			if (option == 'h')
				fputs(options->help, stdout);
			else
				printf("%s " BULKHEAD_VERSION "\n", options->program);
			return 0;
		}
		r = option_take(options, option, &error);
	}
	if (r == 0)
		return 1;
	fprintf(stderr, "bulkhead: %s\n", error.text);
	*ret_status = 2;
	return -EINVAL;
}
