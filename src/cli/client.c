/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <string.h>

#include "base/file.h"
#include "cli/cli.h"

#define ANSWER_MAX  (256u << 20) /* bytes of one line: more is no answer of ours */
#define PATIENCE_MS 2000	 /* then a person wants to know what is being waited for */

static int unreachable(const struct cli *cli, const struct error *error)
{
	if (cli->quiet)
		return CLI_UNREACHABLE;
	if (error->code == -ENAMETOOLONG)
		return cli_fail(cli, CLI_USAGE, "%s", error->text);
	if (error->code == -ENOENT || error->code == -ECONNREFUSED)
		return cli_fail(cli, CLI_UNREACHABLE,
				"bulkheadd is not running (%s); what it put in force stays in force", error->text);
	if (error->code == -EACCES || error->code == -EPERM)
		return cli_fail(cli, CLI_UNREACHABLE, "%s: only root and the daemon's group may ask", error->text);
	return cli_fail(cli, CLI_UNREACHABLE, "%s", error->text);
}

static int daemon_connect(const struct cli *cli, struct talk *ret_talk)
{
	struct error error = {0};

	return talk_open(cli->socket_path, TALK_FOREVER, ret_talk, &error) < 0 ? unreachable(cli, &error) : CLI_OK;
}

static int hung_up(const struct cli *cli)
{
	return cli->quiet ? CLI_UNREACHABLE : cli_fail(cli, CLI_UNREACHABLE, "the daemon hung up without an answer");
}

static int request_send(const struct cli *cli, struct talk *talk, json_t *request)
{
	AUTO_FREE char *text = json_dumps(request, JSON_COMPACT);
	int r = text ? talk_say(talk, text, strlen(text), TALK_FOREVER) : -ENOMEM;

	json_decref(request);
	/* One that refuses us hangs up at once, and its reason may be there to be read. */
	return r < 0 && r != -EPIPE ? hung_up(cli) : CLI_OK;
}

/* One line as JSON; NULL at the end or when it is none. */
static json_t *line_read(struct talk *talk)
{
	const char *line;
	size_t length;

	if (talk_hear(talk, ANSWER_MAX, TALK_FOREVER, &line, &length) < 0)
		return NULL;
	return json_loadb(line, length, 0, NULL);
}

static void wait_aloud(const struct cli *cli, const struct talk *talk)
{
	if (talk_wait(talk, monotonic_ms() + PATIENCE_MS) == -ETIMEDOUT && !cli->json)
		fputs("bulkhead: waiting for the daemon's answer\n", stderr);
}

int cli_ask_on(const struct cli *cli, struct talk *talk, json_t *request, json_t **ret_result)
{
	json_t *answer;
	int code = request ? CLI_OK : cli_fail(cli, CLI_ERROR, "out of memory, or a word is no UTF-8");

	if (code == CLI_OK && talk->fd < 0)
		code = daemon_connect(cli, talk);
	if (code != CLI_OK) {
		json_decref(request);
		return code;
	}
	code = request_send(cli, talk, request);
	if (code != CLI_OK)
		return code;
	wait_aloud(cli, talk);
	answer = line_read(talk);
	if (!answer)
		return hung_up(cli);
	if (json_is_true(json_object_get(answer, "ok")))
		*ret_result = json_incref(json_object_get(answer, "result"));
	else
		code = cli_fail_with(cli, json_object_get(answer, "error"));
	json_decref(answer);
	return code;
}

int cli_ask(const struct cli *cli, json_t *request, json_t **ret_result)
{
	struct talk talk = TALK_CLOSED;
	int code = cli_ask_on(cli, &talk, request, ret_result);

	talk_close(&talk);
	return code;
}

int cli_ask_and_show(const struct cli *cli, json_t *request,
		     void (*render)(const struct cli *cli, const json_t *result))
{
	json_t *result = NULL;
	int code = cli_ask(cli, request, &result);

	if (code != CLI_OK)
		return code;
	if (cli->json)
		code = cli_print_json(cli, result);
	else
		render(cli, result);
	json_decref(result);
	return code;
}

int cli_follow(const struct cli *cli, json_t *request, bool (*fn)(void *arg, json_t *line), void *arg)
{
	struct talk talk = TALK_CLOSED;
	json_t *line;
	bool more = true;
	int code;

	code = daemon_connect(cli, &talk);
	if (code != CLI_OK) {
		json_decref(request);
		return code;
	}
	code = request_send(cli, &talk, request);
	while (code == CLI_OK && more && (line = line_read(&talk))) {
		json_t *flow = json_object_get(line, "flow");

		if (flow)
			more = fn(arg, flow);
		else
			code = cli_fail_with(cli, json_object_get(line, "error"));
		json_decref(line);
	}
	talk_close(&talk);
	return code;
}
