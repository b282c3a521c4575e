/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "cli/offline.h"

struct explain_options {
	const char *batch, *now_text;
	int64_t now;
};

static int64_t ns_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * 1000000000ll + now.tv_nsec;
}

static int options_parse(struct cli *cli, int argc, char **argv, struct explain_options *options)
{
	static const struct option long_options[] = {
		{"policy", required_argument, NULL, 'p'},
		{"world", required_argument, NULL, 'w'},
		{"batch", required_argument, NULL, 'b'},
		{"now", required_argument, NULL, 'n'},
		{0},
	};
	int option;

	optind = 1;
	while ((option = getopt_long(argc, argv, "p:w:b:n:", long_options, NULL)) != -1) {
		switch (option) {
		case 'p':
			cli->policy_path = optarg;
			break;
		case 'w':
			cli->world_path = optarg;
			break;
		case 'b':
			options->batch = optarg;
			break;
		case 'n':
			if (time_parse(optarg, &options->now) < 0)
				return cli_usage(cli, "explain ", "'%s' is no time like 2027-01-31T18:00:00Z", optarg);
			options->now_text = optarg;
			break;
		default:
			return CLI_USAGE;
		}
	}
	if (cli->world_path && !cli->policy_path)
		return cli_usage(cli, "explain ", "--world needs --policy");
	if (options->batch ? optind != argc : optind + 3 != argc)
		return cli_usage(cli, "explain ",
				 options->batch ? "--batch takes its questions from the file"
						: "explain needs FROM TO SERVICE");
	return CLI_OK;
}

/* ---- A single question ---- */

static int answer_live(struct cli *cli, char **words, const struct explain_options *options, json_t **ret_answer)
{
	json_t *request = json_pack("{s:s,s:s,s:s,s:s}", "command", "explain", "from", words[0], "to", words[1],
				    "service", words[2]);

	if (!request)
		return cli_usage(cli, "explain ", "the words are no UTF-8");
	if (options->now_text)
		json_object_set_new(request, "now", json_string(options->now_text));
	return cli_ask(cli, request, ret_answer);
}

static int answer_offline(struct cli *cli, char **words, const struct explain_options *options, json_t **ret_answer)
{
	struct offline offline;
	struct error error = {0};
	int code = offline_open(cli, options->now, &offline);

	if (code == CLI_OK &&
	    explain_query(offline.explain, words[0], words[1], words[2], options->now, ret_answer, &error) < 0)
		code = cli_fail(cli, CLI_ERROR, "%s", error.text);
	offline_free(&offline);
	return code;
}

static int exit_of(const json_t *answer)
{
	const char *verdict = json_string_value(json_object_get(answer, "verdict"));

	return verdict && (strcmp(verdict, "deny") == 0 || strcmp(verdict, "mixed") == 0) ? CLI_DENIED : CLI_OK;
}

static int explain_one(struct cli *cli, char **words, const struct explain_options *options)
{
	json_t *answer = NULL;
	int code = cli->policy_path ? answer_offline(cli, words, options, &answer)
				    : answer_live(cli, words, options, &answer);

	if (code != CLI_OK)
		return code;
	if (cli->json)
		code = cli_print_json(cli, answer);
	else
		render_explain(cli, answer);
	if (code == CLI_OK)
		code = exit_of(answer);
	json_decref(answer);
	return code;
}

/* ---- A batch ---- */

static void print_line(const json_t *json)
{
	json_dumpf(json, stdout, JSON_COMPACT);
	putchar('\n');
}

static int batch_line_live(struct cli *cli, char *line, const struct explain_options *options, bool *malformed)
{
	char *words[4], *rest = NULL;
	size_t count = 0;
	json_t *answer = NULL;
	int code;

	for (char *word = strtok_r(line, " \t\r\n", &rest); word && count < 4; word = strtok_r(NULL, " \t\r\n", &rest))
		words[count++] = word;
	if (count == 0)
		return CLI_OK;
	if (count != 3) {
		*malformed = true;
		puts("{\"error\":\"a line is FROM TO SERVICE\"}");
		return CLI_OK;
	}
	code = answer_live(cli, words, options, &answer);
	if (code == CLI_OK)
		print_line(answer);
	else if (code == CLI_ERROR)
		*malformed = true; /* the daemon has said why */
	json_decref(answer);
	return code == CLI_UNREACHABLE ? code : CLI_OK;
}

static int batch_line_offline(struct cli *cli, struct offline *offline, const char *line, int64_t now, bool *malformed)
{
	json_t *answer = NULL;
	int r = explain_batch_line(offline->explain, line, now, &answer);

	if (r == -ENOMEM)
		return cli_fail(cli, CLI_ERROR, "out of memory");
	if (r < 0)
		*malformed = true;
	if (answer)
		print_line(answer);
	json_decref(answer);
	return CLI_OK;
}

static int explain_batch(struct cli *cli, const struct explain_options *options)
{
	bool from_input = strcmp(options->batch, "-") == 0, malformed = false;
	AUTO_FCLOSE FILE *file = from_input ? NULL : fopen(options->batch, "re");
	FILE *in = from_input ? stdin : file;
	AUTO_FREE char *line = NULL;
	struct offline offline = {0};
	size_t capacity = 0;
	int code = CLI_OK;

	if (!in)
		return cli_fail(cli, CLI_ERROR, "%s: %s", options->batch, strerror(errno));
	cli->json = true;
	if (cli->policy_path)
		code = offline_open(cli, options->now, &offline);
	while (code == CLI_OK && getline(&line, &capacity, in) > 0)
		code = cli->policy_path ? batch_line_offline(cli, &offline, line, options->now, &malformed)
					: batch_line_live(cli, line, options, &malformed);
	offline_free(&offline);
	return code == CLI_OK && malformed ? CLI_USAGE : code;
}

int command_explain(struct cli *cli, int argc, char **argv)
{
	struct explain_options options = {.now = ns_now()};
	int code = options_parse(cli, argc, argv, &options);

	if (code != CLI_OK)
		return code;
	return options.batch ? explain_batch(cli, &options) : explain_one(cli, argv + optind, &options);
}
