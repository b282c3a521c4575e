/* SPDX-License-Identifier: GPL-2.0-only */
/* What the command shows of an answer, without a daemon: reads recorded JSON.
 *
 *     render [--color] [--width N] status|ports|counters|unused|explain|matrix|dot|flows|version|reload FILE
 *
 * For the golden tests: times in the recorded answers are replaced by "now" where they read "NOW". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "cli/cli.h"

static void times_set(json_t *json)
{
	char date[32];
	const char *key;
	json_t *value;
	size_t i;

	time_format(date, (int64_t)time(NULL) * 1000000000ll);
	json_object_foreach(json, key, value)
	{
		if (json_is_string(value) && strcmp(json_string_value(value), "NOW") == 0)
			json_object_set_new(json, key, json_string(date));
		else
			times_set(value);
	}
	json_array_foreach(json, i, value) times_set(value);
}

static void render_flows(const struct cli *cli, const json_t *flows)
{
	json_t *flow;
	size_t i;

	json_array_foreach(flows, i, flow) render_flow(cli, flow);
}

static void render_unused(const struct cli *cli, const json_t *counters)
{
	json_t *unused = counters_unused(counters);

	render_counters(cli, unused);
	json_decref(unused);
}

static void render_dot(const struct cli *cli, const json_t *matrix)
{
	(void)cli;
	render_matrix_dot(matrix);
}

static const struct {
	const char *name;
	void (*render)(const struct cli *cli, const json_t *answer);
} renderers[] = {
	{"status", render_status}, {"ports", render_ports},	{"counters", render_counters},
	{"unused", render_unused}, {"explain", render_explain}, {"matrix", render_matrix},
	{"dot", render_dot},	   {"flows", render_flows},	{"version", render_version},
	{"reload", render_reload},
};

int main(int argc, char **argv)
{
	struct cli cli = {0};
	json_error_t error;
	json_t *json;
	int at = 1;

	for (; at < argc && argv[at][0] == '-'; at++) {
		if (strcmp(argv[at], "--color") == 0)
			cli.colour = true;
		else if (strcmp(argv[at], "--width") == 0 && at + 1 < argc)
			cli.width = atoi(argv[++at]);
	}
	if (at + 2 != argc) {
		fprintf(stderr, "usage: render [--color] [--width N] COMMAND FILE\n");
		return 2;
	}
	json = json_load_file(argv[at + 1], 0, &error);
	if (!json) {
		fprintf(stderr, "%s:%d: %s\n", argv[at + 1], error.line, error.text);
		return 1;
	}
	times_set(json);
	for (size_t i = 0; i < sizeof(renderers) / sizeof(*renderers); i++) {
		if (strcmp(renderers[i].name, argv[at]) != 0)
			continue;
		renderers[i].render(&cli, json);
		json_decref(json);
		return 0;
	}
	fprintf(stderr, "render: there is no '%s'\n", argv[at]);
	json_decref(json);
	return 2;
}
