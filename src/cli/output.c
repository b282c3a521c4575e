/* SPDX-License-Identifier: GPL-2.0-only */
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"

static const char *const colours[COLOUR_MAX] = {
	[COLOUR_PLAIN] = "\033[0m",  [COLOUR_BOLD] = "\033[1m",	   [COLOUR_RED] = "\033[1;31m",
	[COLOUR_GREEN] = "\033[32m", [COLOUR_YELLOW] = "\033[33m", [COLOUR_DIM] = "\033[2m",
};

const char *cli_colour(const struct cli *cli, enum cli_colour colour)
{
	return cli->colour ? colours[colour] : "";
}

/* ---- What is wrong ---- */

static void fail_say(const struct cli *cli, const char *text)
{
	json_t *error;

	if (!cli->json) {
		fflush(stdout); /* what was said before comes first */
		fprintf(stderr, "bulkhead: %s\n", text);
		return;
	}
	error = json_pack("{s:{s:s}}", "error", "message", text);
	cli_print_json(cli, error);
	json_decref(error);
}

int cli_fail(const struct cli *cli, int code, const char *format, ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	fail_say(cli, text);
	return code;
}

int cli_fail_with(const struct cli *cli, const json_t *error)
{
	const char *text = json_string_value(json_object_get(error, "text"));
	const char *message = json_string_value(json_object_get(error, "message"));
	json_t *whole;

	if (cli->json) {
		whole = json_pack("{s:O}", "error", error);
		cli_print_json(cli, whole);
		json_decref(whole);
		return CLI_ERROR;
	}
	if (text)
		fputs(text, stderr);
	fprintf(stderr, "bulkhead: %s\n", message ? cli_escape(message) : "the daemon refused without a word");
	return CLI_ERROR;
}

int cli_usage(const struct cli *cli, const char *command, const char *format, ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	fail_say(cli, text);
	if (!cli->json)
		fprintf(stderr, "'bulkhead %s--help' tells more.\n", command);
	return CLI_USAGE;
}

static const char *option_nearest(const char *word, const struct option *options)
{
	const char *names[32];
	size_t count = 0;

	for (; options->name && count < 32; options++)
		names[count++] = options->name;
	return text_nearest(word, names, count);
}

static bool option_has(const struct option *options, int value)
{
	for (; options->name; options++)
		if (options->val == value)
			return true;
	return false;
}

int cli_option(const struct cli *cli, const char *command, int argc, char **argv, const char *letters,
	       const struct option *options)
{
	const char *word, *near;
	int option;

	opterr = 0;
	option = getopt_long(argc, argv, letters, options, NULL);
	if (option != '?' && option != ':')
		return option;
	/* In the midst of a cluster of letters it is the word before that stands here. */
	word = argv[optind - 1];
	if (strncmp(word, "--", 2) != 0 || (optopt && !option_has(options, optopt))) {
		cli_usage(cli, command, option == ':' ? "-%c needs a value" : "there is no option '-%c'", optopt);
	} else if (option == ':') {
		cli_usage(cli, command, "%s needs a value", cli_escape(word));
	} else if (optopt) {
		cli_usage(cli, command, "%.*s takes no value", (int)strcspn(word, "="), word);
	} else {
		near = option_nearest(word + 2, options);
		cli_usage(cli, command, "there is no option '%s'%s%s%s", cli_escape(word),
			  near ? " (did you mean '--" : "", near ? near : "", near ? "'?)" : "");
	}
	return '?';
}

int cli_no_more(const struct cli *cli, const char *command, int argc, char **argv)
{
	if (optind >= argc)
		return CLI_OK;
	return cli_usage(cli, command, "%stakes no '%s'", command, cli_escape(argv[optind]));
}

/* ---- JSON ---- */

/* In ASCII: names in it are others' words, and a terminal that shows it obeys none of them (C1 controls, the direction
 * of writing). To programs it is the same. */
static bool json_print(const json_t *json, size_t flags)
{
	return json_dumpf(json, stdout, flags | JSON_ENCODE_ANY | JSON_ENSURE_ASCII) == 0 && putchar('\n') != EOF;
}

int cli_print_json(const struct cli *cli, const json_t *json)
{
	size_t flags = isatty(STDOUT_FILENO) ? JSON_INDENT(2) : JSON_COMPACT;

	(void)cli;
	return json_print(json, flags | JSON_REAL_PRECISION(6)) && fflush(stdout) == 0 ? CLI_OK : CLI_ERROR;
}

bool cli_print_json_line(const json_t *json)
{
	return json_print(json, JSON_COMPACT);
}

/* ---- Fields ---- */

#define RING_SIZE  64
#define RING_WIDTH 512

static char *ring_next(void)
{
	static char ring[RING_SIZE][RING_WIDTH];
	static unsigned int next;

	return ring[next++ % RING_SIZE];
}

const char *cli_escape(const char *untrusted)
{
	return text_escape(ring_next(), RING_WIDTH, untrusted ? untrusted : "");
}

const char *cli_text(const json_t *object, const char *key)
{
	return cli_escape(json_string_value(json_object_get(object, key)));
}

const char *cli_container(const json_t *object)
{
	size_t others = json_array_size(json_object_get(object, "others"));
	const char *name = cli_text(object, "container");
	char *shown;

	if (others == 0)
		return name;
	shown = ring_next();
	snprintf(shown, RING_WIDTH, "%s +%zu", name, others);
	return shown;
}

json_int_t cli_number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

const char *cli_ago(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	int64_t ns;

	if (!text || time_parse(text, &ns) < 0)
		return "";
	return text_ago(ring_next(), RING_WIDTH, (int64_t)time(NULL) - ns / 1000000000ll);
}

const char *cli_place(const json_t *rule)
{
	const char *file = json_string_value(json_object_get(rule, "path"));
	char *buffer = ring_next();

	if (!file)
		file = json_string_value(json_object_get(rule, "file"));
	if (!file)
		return "";
	snprintf(buffer, RING_WIDTH, "%s:%lld", cli_escape(file), (long long)cli_number(rule, "line"));
	return buffer;
}

const char *cli_short_place(const json_t *rule)
{
	const char *place = cli_place(rule), *slash = strrchr(place, '/');

	return slash ? slash + 1 : place;
}

void cli_print_cut(const struct cli *cli, size_t taken, const char *text)
{
	size_t room = cli->width > 0 ? (size_t)cli->width : SIZE_MAX, columns = 0;

	if (cli->width == 0 || taken + cli_columns(text) <= room) {
		fputs(text, stdout);
		return;
	}
	/* One column is the ellipsis'. */
	for (const char *at = text; *at; at++) {
		columns += ((unsigned char)*at & 0xc0) != 0x80;
		if (taken + columns + 1 > room) {
			printf("%.*s…", (int)(at - text), text);
			return;
		}
	}
}

/* ---- Tables ---- */

size_t cli_columns(const char *text)
{
	size_t columns = 0;

	for (; *text; text++)
		if (((unsigned char)*text & 0xc0) != 0x80) /* not a continuation byte */
			columns++;
	return columns;
}

int cli_table_add(struct cli_table *table, enum cli_colour colour, const char *cell)
{
	enum cli_colour *colour_slot = array_append(&table->colours);
	char **slot = array_append(&table->cells);

	if (!slot || !colour_slot)
		return CLI_ERROR;
	*colour_slot = colour;
	*slot = strdup(cell ? cell : "");
	return *slot ? CLI_OK : CLI_ERROR;
}

static void pad(size_t count)
{
	while (count-- > 0)
		putchar(' ');
}

static void print_cell(const struct cli *cli, const struct cli_table *table, size_t index, size_t width, bool last)
{
	enum cli_colour colour = index < table->columns ? COLOUR_BOLD : table->colours.items[index];
	const char *cell = table->cells.items[index];
	size_t taken = cli_columns(cell), blanks = width > taken ? width - taken : 0;
	bool right = table->right & (1u << (index % table->columns));

	if (right)
		pad(blanks);
	printf("%s%s%s", colour == COLOUR_PLAIN ? "" : cli_colour(cli, colour), cell,
	       colour == COLOUR_PLAIN ? "" : cli_colour(cli, COLOUR_PLAIN));
	if (!last)
		pad((right ? 0 : blanks) + 2);
}

/* Columns of which no row but the header has a word are left out. */
static void measure(const struct cli_table *table, size_t *widths)
{
	size_t rows = table->cells.count / table->columns;

	for (size_t column = 0; column < table->columns; column++) {
		bool empty = true;

		widths[column] = 0;
		for (size_t row = 0; row < rows; row++) {
			size_t width = cli_columns(table->cells.items[row * table->columns + column]);

			if (width > widths[column])
				widths[column] = width;
			empty = empty && (row == 0 || width == 0);
		}
		if (empty && rows > 1)
			widths[column] = 0;
	}
}

void cli_table_print(const struct cli *cli, struct cli_table *table)
{
	size_t rows = table->cells.count / table->columns;
	size_t *widths = calloc(table->columns, sizeof(*widths));

	if (widths) {
		measure(table, widths);
		for (size_t row = 0; row < rows; row++) {
			size_t last = table->columns - 1;

			while (last > 0 && (widths[last] == 0 || !*table->cells.items[row * table->columns + last]))
				last--;
			for (size_t column = 0; column <= last; column++)
				if (widths[column])
					print_cell(cli, table, row * table->columns + column, widths[column],
						   column == last);
			putchar('\n');
		}
	}
	free(widths);
	for (size_t i = 0; i < table->cells.count; i++)
		free(table->cells.items[i]);
	array_free(&table->cells);
	array_free(&table->colours);
}
