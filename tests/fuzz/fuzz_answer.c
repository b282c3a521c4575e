/* SPDX-License-Identifier: GPL-2.0-only */
/* What the command makes of a daemon's answer, whatever it is: the line is read as from the socket, and given to each
 * renderer. What is printed is safe for a terminal. Dictionary: answer.dict. */
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/cli.h"
#include "must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LINE_MAX_BYTES 65536u

static const struct cli plain = {.socket_path = "/nowhere", .width = 80};

static void show(const json_t *result)
{
	json_t *unused;
	size_t i;
	const json_t *item;

	render_status(&plain, result);
	render_ports(&plain, result);
	render_counters(&plain, result);
	render_reload(&plain, result);
	render_explain(&plain, result);
	render_matrix(&plain, result);
	render_matrix_dot(result);
	render_version(&plain, result);
	render_flow(&plain, result);
	json_array_foreach(result, i, item) render_flow(&plain, item);
	unused = counters_unused(result);
	if (unused)
		render_counters(&plain, unused);
	json_decref(unused);
	must(cli_fail_with(&plain, result) == CLI_ERROR);
}

/* To memory instead of a terminal, on both outputs. */
static void show_safely(const json_t *result)
{
	FILE *out = stdout, *err = stderr;
	char *printed = NULL;
	size_t size = 0;

	stdout = stderr = open_memstream(&printed, &size);
	must(stdout);
	show(result);
	fclose(stdout);
	stdout = out;
	stderr = err;
	must_be_printable(printed, size);
	free(printed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct talk talk = TALK_CLOSED;
	size_t length, lines = 0;
	const char *line;
	int pair[2];

	size = size < LINE_MAX_BYTES ? size : LINE_MAX_BYTES;
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
	must(size == 0 || send(pair[1], data, size, MSG_NOSIGNAL) == (ssize_t)size);
	close(pair[1]);
	talk.fd = pair[0];
	while (talk_hear(&talk, LINE_MAX_BYTES, TALK_FOREVER, &line, &length) == 0 && lines++ < 4) {
		json_t *answer = json_loadb(line, length, 0, NULL);

		must(line[length] == '\0' && length <= size);
		if (answer)
			show_safely(answer);
		json_decref(answer);
	}
	talk_close(&talk);
	return 0;
}
