/* SPDX-License-Identifier: GPL-2.0-only */
/* judge --policy PATH --world FILE [--engine naive|table] [--now TIME] (FROM TO SERVICE | --batch FILE | --matrix)
 *
 * Asks one of the readings of a policy, and prints JSON: the command's own answers without the command, so that tests
 * can hold the two against each other. Exit 0; 1: policy, world or question had errors; 2: a line of a batch had. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "policy/load.h"
#include "policy/naive.h"
#include "table/matrix.h"
#include "table/table.h"

struct options {
	const char *policy, *world, *engine, *batch;
	int64_t now;
	bool matrix;
};

struct loaded {
	struct policy *policy;
	struct world world;
	struct sources world_sources;
	struct naive naive;
	struct registry *registry;
	struct table *table;
	struct table_judge judge;
	struct explain *explain;
};

static int64_t clock_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int options_parse(int argc, char **argv, struct options *options)
{
	static const struct option longs[] = {
		{"policy", required_argument, NULL, 'p'},
		{"world", required_argument, NULL, 'w'},
		{"engine", required_argument, NULL, 'e'},
		{"now", required_argument, NULL, 'n'},
		{"batch", required_argument, NULL, 'b'},
		{"matrix", no_argument, NULL, 'm'},
		{0},
	};
	int option;

	*options = (struct options){.engine = "naive", .now = clock_now()};
	while ((option = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (option == 'p')
			options->policy = optarg;
		else if (option == 'w')
			options->world = optarg;
		else if (option == 'e')
			options->engine = optarg;
		else if (option == 'b')
			options->batch = optarg;
		else if (option == 'm')
			options->matrix = true;
		else if (option != 'n' || time_parse(optarg, &options->now) < 0)
			return -EINVAL;
	}
	if (!options->policy || !options->world || (!options->batch && !options->matrix && argc - optind != 3))
		return -EINVAL;
	return 0;
}

static int policy_and_world_load(const struct options *options, struct loaded *loaded, struct error *error)
{
	struct diagnostics diagnostics = {0};
	int r = policy_load(&options->policy, 1, options->now, &loaded->policy, &diagnostics, error);

	if (loaded->policy && r == -EINVAL) {
		diagnostics_print(&diagnostics, &loaded->policy->sources, false, stderr);
		error_set(error, r, "the policy has errors");
	}
	diagnostics_free(&diagnostics);
	if (r < 0)
		return r;
	r = world_load(options->world, &loaded->world, &loaded->world_sources, &diagnostics, error);
	diagnostics_print(&diagnostics, &loaded->world_sources, false, stderr);
	diagnostics_free(&diagnostics);
	if (r < 0)
		return r;
	world_mark_unpoliced(&loaded->world, &loaded->policy->settings);
	return 0;
}

static int table_start(const struct options *options, struct loaded *loaded, struct error *error)
{
	int r = registry_new(&loaded->registry);

	if (r < 0)
		return error_set(error, r, "out of memory");
	r = table_compile(loaded->policy, &loaded->world, loaded->registry, options->now / 1000000000, &loaded->table,
			  error);
	loaded->judge = (struct table_judge){
		.table = loaded->table,
		.policy = loaded->policy,
		.world = &loaded->world,
	};
	return r;
}

static int engine_start(const struct options *options, struct loaded *loaded, struct error *error)
{
	bool naive = strcmp(options->engine, "naive") == 0;
	int r;

	if (!naive && strcmp(options->engine, "table") != 0)
		return error_set(error, -EINVAL, "no engine '%s'", options->engine);
	loaded->naive = (struct naive){.policy = loaded->policy, .world = &loaded->world};
	r = naive ? 0 : table_start(options, loaded, error);
	if (r < 0)
		return r;
	return explain_new(loaded->policy, &loaded->world, naive ? naive_judge : table_judge,
			   naive ? (void *)&loaded->naive : (void *)&loaded->judge, &loaded->explain, error);
}

static void loaded_free(struct loaded *loaded)
{
	explain_free(loaded->explain);
	table_free(loaded->table);
	registry_free(loaded->registry);
	world_free(&loaded->world);
	policy_free(loaded->policy);
	for (size_t i = 0; i < loaded->world_sources.count; i++) {
		free(loaded->world_sources.items[i].path);
		free(loaded->world_sources.items[i].text);
	}
	array_free(&loaded->world_sources);
}

static void answer_print(json_t *answer)
{
	char *text = json_dumps(answer, JSON_COMPACT | JSON_PRESERVE_ORDER);

	puts(text ? text : "");
	free(text);
	json_decref(answer);
}

static int batch_run(const struct options *options, struct explain *explain)
{
	AUTO_FCLOSE FILE *file = strcmp(options->batch, "-") == 0 ? stdin : fopen(options->batch, "re");
	AUTO_FREE char *line = NULL;
	size_t capacity = 0;
	int exit_code = 0;

	if (!file) {
		perror(options->batch);
		return 1;
	}
	while (getline(&line, &capacity, file) >= 0) {
		json_t *answer = NULL;

		if (explain_batch_line(explain, line, options->now, &answer) < 0)
			exit_code = 2;
		if (answer)
			answer_print(answer);
	}
	return exit_code;
}

static int question_run(char **words, int64_t now, struct explain *explain)
{
	struct error error = {0};
	json_t *answer;

	if (explain_query(explain, words[0], words[1], words[2], now, &answer, &error) < 0) {
		fprintf(stderr, "judge: %s\n", error.text);
		return 1;
	}
	answer_print(answer);
	return 0;
}

static int matrix_run(int64_t now, struct explain *explain)
{
	struct error error = {0};
	json_t *matrix;

	if (matrix_json(explain, now, &matrix, &error) < 0) {
		fprintf(stderr, "judge: %s\n", error.text);
		return 1;
	}
	answer_print(matrix);
	return 0;
}

int main(int argc, char **argv)
{
	struct options options;
	struct loaded loaded = {0};
	struct error error = {0};
	int exit_code = 1;

	if (options_parse(argc, argv, &options) < 0) {
		fprintf(stderr, "usage: judge --policy PATH --world FILE [--engine naive|table] [--now TIME] "
				"(FROM TO SERVICE | --batch FILE | --matrix)\n");
		return 1;
	}
	if (policy_and_world_load(&options, &loaded, &error) < 0 || engine_start(&options, &loaded, &error) < 0)
		fprintf(stderr, "judge: %s\n", error.text);
	else if (options.batch)
		exit_code = batch_run(&options, loaded.explain);
	else if (options.matrix)
		exit_code = matrix_run(options.now, loaded.explain);
	else
		exit_code = question_run(argv + optind, options.now, loaded.explain);
	loaded_free(&loaded);
	return exit_code;
}
