/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/batch.h"
#include "cli/offline.h"

struct explain_options {
	const char *batch, *now_text;
	int64_t now;
	bool naive;
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
		{"batch", required_argument, NULL, 'b'},
		{"now", required_argument, NULL, 'n'},
		{"engine", required_argument, NULL, 'e'}, /* not in the help: to test the one against the other */
		{0},
	};
	int option;

	optind = 1;
	while ((option = cli_option(cli, "explain ", argc, argv, ":", long_options)) != -1) {
		switch (option) {
		case 'b':
			options->batch = optarg;
			break;
		case 'n':
			if (time_parse(optarg, &options->now) < 0)
				return cli_usage(cli, "explain ", "'%s' is no time like 2027-01-31T18:00:00Z",
						 cli_escape(optarg));
			options->now_text = optarg;
			break;
		case 'e':
			options->naive = strcmp(optarg, "naive") == 0;
			if (!options->naive && strcmp(optarg, "table") != 0)
				return cli_usage(cli, "explain ", "--engine is table or naive");
			break;
		default:
			return CLI_USAGE;
		}
	}
	if (options->naive && !cli->policy_path)
		return cli_usage(cli, "explain ", "--engine needs --policy");
	if (options->batch)
		return optind == argc ? CLI_OK
				      : cli_usage(cli, "explain ", "--batch takes its questions from the file");
	if (optind + 3 != argc)
		return cli_usage(cli, "explain ", "explain needs FROM TO SERVICE, as in 'web-1 db-1 tcp/5432'");
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
	int code = offline_open(cli, options->now, options->naive, &offline);

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

struct batch_run {
	struct cli *cli;
	const struct explain_options *options;
	struct batch in;
	struct offline offline;
	struct talk talk; /* to the daemon */
	bool malformed;
};

static int answer_print(struct batch_run *run, const json_t *answer)
{
	if (json_object_get(answer, "error"))
		run->malformed = true;
	return cli_print_json_line(answer) ? CLI_OK : CLI_ERROR;
}

static int lines_offline(struct batch_run *run)
{
	const char *line;
	int code = CLI_OK;

	while (code == CLI_OK && (line = batch_line(&run->in))) {
		json_t *answer = NULL;

		if (explain_batch_line(run->offline.explain, line, run->options->now, &answer) == -ENOMEM)
			return cli_fail(run->cli, CLI_ERROR, "out of memory");
		if (answer)
			code = answer_print(run, answer);
		json_decref(answer);
	}
	return code;
}

/* What is no UTF-8 can't be in a request: its escape is no name either. */
static json_t *line_json(const char *line)
{
	struct text text = {0};
	json_t *json;

	if (text_is_utf8(line, strlen(line)))
		return json_string(line);
	text_append_escaped(&text, line);
	json = text.failed ? NULL : json_string(text_string(&text));
	text_free(&text);
	return json;
}

static int lines_live(struct batch_run *run)
{
	json_t *lines = json_array(), *answers = NULL, *answer, *request;
	const char *line;
	int code = CLI_OK;
	size_t i;

	while ((line = batch_line(&run->in)))
		if (line[strspn(line, " \t\r\v\f")] != '\0' && json_array_append_new(lines, line_json(line)) < 0)
			code = cli_fail(run->cli, CLI_ERROR, "out of memory");
	if (code == CLI_OK && json_array_size(lines)) {
		request = json_pack("{s:s,s:O}", "command", "explain", "lines", lines);
		if (request && run->options->now_text)
			json_object_set_new(request, "now", json_string(run->options->now_text));
		code = cli_ask_on(run->cli, &run->talk, request, &answers);
	}
	json_array_foreach(answers, i, answer) if (code == CLI_OK && json_is_object(answer)) code =
		answer_print(run, answer);
	json_decref(answers);
	json_decref(lines);
	return code;
}

static int batch_each(struct batch_run *run)
{
	struct cli *cli = run->cli;
	int r, code = CLI_OK;

	while (code == CLI_OK && (r = batch_read(&run->in)) != 0) {
		if (r < 0)
			return cli_fail(cli, CLI_ERROR, "%s: %s", run->options->batch, strerror(-r));
		code = cli->policy_path ? lines_offline(run) : lines_live(run);
		/* Whoever asks line by line waits for it. */
		if (fflush(stdout) == EOF)
			return CLI_ERROR;
	}
	return code;
}

static int explain_batch(struct cli *cli, const struct explain_options *options)
{
	bool from_input = strcmp(options->batch, "-") == 0;
	AUTO_CLOSE int fd = from_input ? -1 : open(options->batch, O_RDONLY | O_CLOEXEC);
	struct batch_run run = {
		.cli = cli, .options = options, .talk = TALK_CLOSED, .in = {.fd = from_input ? STDIN_FILENO : fd}};
	int code = CLI_OK;

	if (!from_input && fd < 0)
		return cli_fail(cli, CLI_ERROR, "%s: %s", cli_escape(options->batch), strerror(errno));
	cli->json = true;
	if (cli->policy_path)
		code = offline_open(cli, options->now, options->naive, &run.offline);
	if (code == CLI_OK)
		code = batch_each(&run);
	offline_free(&run.offline);
	talk_close(&run.talk);
	return code == CLI_OK && run.malformed ? CLI_USAGE : code;
}

int command_explain(struct cli *cli, int argc, char **argv)
{
	struct explain_options options = {.now = ns_now()};
	int code = options_parse(cli, argc, argv, &options);

	if (code != CLI_OK)
		return code;
	return options.batch ? explain_batch(cli, &options) : explain_one(cli, argv + optind, &options);
}
