/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/file.h"
#include "cli/cli.h"

#define ANSWER_MAX  (256u << 20) /* bytes of one line: more is no answer of ours */
#define PATIENCE_MS 2000	 /* then a person wants to know what is being waited for */

static int unreachable(const struct cli *cli, const char *what, int error)
{
	if (cli->quiet)
		return CLI_UNREACHABLE;
	if (error == ENOENT || error == ECONNREFUSED)
		return cli_fail(cli, CLI_UNREACHABLE,
				"bulkheadd is not running (%s: %s); what it put in force stays in force", what,
				strerror(error));
	if (error == EACCES || error == EPERM)
		return cli_fail(cli, CLI_UNREACHABLE, "%s: %s: only root and the daemon's group may ask", what,
				strerror(error));
	return cli_fail(cli, CLI_UNREACHABLE, "%s: %s", what, strerror(error));
}

static int daemon_connect(const struct cli *cli, FILE **ret_stream)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	AUTO_CLOSE int fd = -1;

	if (strlen(cli->socket_path) >= sizeof(address.sun_path))
		return cli_fail(cli, CLI_USAGE, "%s: too long for a socket's path", cli_escape(cli->socket_path));
	strcpy(address.sun_path, cli->socket_path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return unreachable(cli, "socket", errno);
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return unreachable(cli, cli_escape(cli->socket_path), errno);
	*ret_stream = fdopen(fd, "r+");
	if (!*ret_stream)
		return cli_fail(cli, CLI_ERROR, "out of memory");
	(void)TAKE_FD(fd);
	return CLI_OK;
}

static int hung_up(const struct cli *cli)
{
	return cli->quiet ? CLI_UNREACHABLE : cli_fail(cli, CLI_UNREACHABLE, "the daemon hung up without an answer");
}

static int request_send(const struct cli *cli, FILE *stream, json_t *request)
{
	int r = json_dumpf(request, stream, JSON_COMPACT);

	json_decref(request);
	/* One that refuses us hangs up at once, and its reason may be there to be read. */
	if (r < 0 || fputc('\n', stream) == EOF || (fflush(stream) == EOF && errno != EPIPE))
		return hung_up(cli);
	clearerr(stream);
	return CLI_OK;
}

/* One line as JSON; NULL at the end or when it is none. */
static json_t *line_read(FILE *stream)
{
	AUTO_FREE char *line = NULL;
	size_t capacity = 0;
	ssize_t length = getline(&line, &capacity, stream);

	if (length <= 0 || (size_t)length > ANSWER_MAX)
		return NULL;
	return json_loadb(line, (size_t)length, 0, NULL);
}

/* Only where nothing of an answer was read yet: the stream's own buffer is empty then. */
static void wait_aloud(const struct cli *cli, FILE *stream)
{
	struct pollfd ready = {.fd = fileno(stream), .events = POLLIN};

	if (poll(&ready, 1, PATIENCE_MS) == 0 && !cli->json)
		fputs("bulkhead: waiting for the daemon's answer\n", stderr);
}

int cli_ask_on(const struct cli *cli, FILE **stream, json_t *request, json_t **ret_result)
{
	json_t *answer;
	int code = request ? CLI_OK : cli_fail(cli, CLI_ERROR, "out of memory, or a word is no UTF-8");

	if (code == CLI_OK && !*stream)
		code = daemon_connect(cli, stream);
	if (code != CLI_OK) {
		json_decref(request);
		return code;
	}
	code = request_send(cli, *stream, request);
	if (code != CLI_OK)
		return code;
	wait_aloud(cli, *stream);
	answer = line_read(*stream);
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
	AUTO_FCLOSE FILE *stream = NULL;

	return cli_ask_on(cli, &stream, request, ret_result);
}

int cli_follow(const struct cli *cli, json_t *request, bool (*fn)(void *arg, json_t *line), void *arg)
{
	AUTO_FCLOSE FILE *stream = NULL;
	json_t *line;
	bool more = true;
	int code;

	code = daemon_connect(cli, &stream);
	if (code != CLI_OK) {
		json_decref(request);
		return code;
	}
	code = request_send(cli, stream, request);
	while (code == CLI_OK && more && (line = line_read(stream))) {
		json_t *flow = json_object_get(line, "flow");

		if (flow)
			more = fn(arg, flow);
		else
			code = cli_fail_with(cli, json_object_get(line, "error"));
		json_decref(line);
	}
	return code;
}
