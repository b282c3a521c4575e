/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/file.h"
#include "cli/cli.h"

#define ANSWER_MAX (256u << 20) /* bytes of one line: more is no answer of ours */

static int daemon_connect(const struct cli *cli, FILE **ret_stream)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	AUTO_CLOSE int fd = -1;

	if (strlen(cli->socket_path) >= sizeof(address.sun_path))
		return cli_fail(cli, CLI_USAGE, "%s: too long for a socket's path", cli->socket_path);
	strcpy(address.sun_path, cli->socket_path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return cli_fail(cli, CLI_UNREACHABLE, "socket: %s", strerror(errno));
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		if (errno == ENOENT || errno == ECONNREFUSED)
			return cli_fail(cli, CLI_UNREACHABLE,
					"bulkheadd is not running (%s: %s); what it put in force stays in force",
					cli->socket_path, strerror(errno));
		return cli_fail(cli, CLI_UNREACHABLE, "%s: %s", cli->socket_path, strerror(errno));
	}
	*ret_stream = fdopen(fd, "r+");
	if (!*ret_stream)
		return cli_fail(cli, CLI_ERROR, "out of memory");
	(void)TAKE_FD(fd);
	return CLI_OK;
}

static int request_send(const struct cli *cli, FILE *stream, json_t *request)
{
	int r = json_dumpf(request, stream, JSON_COMPACT);

	json_decref(request);
	if (r < 0 || fputc('\n', stream) == EOF || fflush(stream) == EOF)
		return cli_fail(cli, CLI_UNREACHABLE, "the daemon hung up");
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

int cli_ask(const struct cli *cli, json_t *request, json_t **ret_result)
{
	AUTO_FCLOSE FILE *stream = NULL;
	json_t *answer;
	int code;

	code = daemon_connect(cli, &stream);
	if (code != CLI_OK) {
		json_decref(request);
		return code;
	}
	code = request_send(cli, stream, request);
	if (code != CLI_OK)
		return code;
	answer = line_read(stream);
	if (!answer)
		return cli_fail(cli, CLI_UNREACHABLE, "the daemon hung up without an answer");
	if (json_is_true(json_object_get(answer, "ok")))
		*ret_result = json_incref(json_object_get(answer, "result"));
	else
		code = cli_fail_with(cli, json_object_get(answer, "error"));
	json_decref(answer);
	return code;
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
		if (json_object_get(line, "error"))
			code = cli_fail_with(cli, json_object_get(line, "error"));
		else
			more = fn(arg, json_object_get(line, "flow"));
		json_decref(line);
	}
	return code;
}
