/* SPDX-License-Identifier: GPL-2.0-only */
/* Everybody against everybody in a terminal: a row a sender, a numbered column a receiver, a mark a cell, and below it
 * what the marks that are neither all nor nothing stand for. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

#define CELL_WIDTH     4  /* columns of a cell: two blanks and a number of two digits */
#define NAME_WIDTH_MIN 12 /* less is no name any more */

static const json_t *cell_of(const json_t *matrix, size_t from, size_t to)
{
	size_t count = json_array_size(json_object_get(matrix, "ends"));

	return json_array_get(json_object_get(matrix, "cells"), from * count + to);
}

static const char *end_name(const json_t *matrix, size_t index)
{
	const json_t *end = json_array_get(json_object_get(matrix, "ends"), index);
	static char buffer[2][160];
	static unsigned int next;
	char *name = buffer[next++ % 2];

	snprintf(name, sizeof(buffer[0]), "%s%s", cli_text(end, "name"),
		 strcmp(cli_text(end, "kind"), "subnets") == 0 ? " (subnets)" : "");
	return name;
}

static void mark_print(const struct cli *cli, const json_t *cell)
{
	static const struct {
		const char *verdict, *mark;
		enum cli_colour colour;
	} marks[] = {
		{"allow", "all", COLOUR_GREEN}, {"some", "+", COLOUR_GREEN},	{"deny", "-", COLOUR_RED},
		{"mixed", "±", COLOUR_YELLOW},	{"unpoliced", "·", COLOUR_DIM},
	};
	const char *verdict = cli_text(cell, "verdict"), *mark = "?";
	enum cli_colour colour = COLOUR_PLAIN;
	char text[16];

	for (size_t i = 0; i < sizeof(marks) / sizeof(*marks); i++) {
		if (strcmp(marks[i].verdict, verdict) == 0) {
			mark = marks[i].mark;
			colour = marks[i].colour;
		}
	}
	snprintf(text, sizeof(text), "%s%s", mark, strcmp(cli_text(cell, "mode"), "audit") == 0 ? "?" : "");
	printf("%*s%s%s%s", (int)(CELL_WIDTH + 1 - cli_columns(text)), "", cli_colour(cli, colour), text,
	       cli_colour(cli, COLOUR_PLAIN));
}

/* The widest name, but never more than half of the terminal: the marks are what is looked at. */
static size_t name_width(const struct cli *cli, const json_t *matrix, size_t count)
{
	size_t width = 0, most = cli->width > 0 ? (size_t)cli->width / 2 : SIZE_MAX;

	for (size_t i = 0; i < count; i++)
		if (cli_columns(end_name(matrix, i)) > width)
			width = cli_columns(end_name(matrix, i));
	if (most < NAME_WIDTH_MIN)
		most = NAME_WIDTH_MIN;
	return width < most ? width : most;
}

/* Names are ASCII: a column is a byte. */
static void name_print(const char *name, size_t width)
{
	size_t length = cli_columns(name);

	if (length <= width)
		printf("%s%*s", name, (int)(width - length), "");
	else
		printf("%.*s…", (int)width - 1, name);
}

static void block_print(const struct cli *cli, const json_t *matrix, size_t first, size_t last, size_t width)
{
	size_t count = json_array_size(json_object_get(matrix, "ends"));

	printf("%s%*s", cli_colour(cli, COLOUR_BOLD), (int)width + 4, "");
	for (size_t to = first; to < last; to++)
		printf("%*zu", CELL_WIDTH + 1, to + 1);
	printf("%s\n", cli_colour(cli, COLOUR_PLAIN));
	for (size_t from = 0; from < count; from++) {
		printf("%3zu ", from + 1);
		name_print(end_name(matrix, from), width);
		for (size_t to = first; to < last; to++)
			mark_print(cli, cell_of(matrix, from, to));
		putchar('\n');
	}
}

static void words_append(struct text *text, const json_t *list, const char *before)
{
	json_t *item;
	size_t i;

	if (json_array_size(list) == 0)
		return;
	text_append(text, before);
	json_array_foreach(list, i, item)
		text_appendf(text, "%s%s", i ? ", " : "", cli_escape(json_string_value(item)));
}

static void cell_words(struct text *text, const json_t *cell)
{
	words_append(text, json_object_get(cell, "services"), "");
	words_append(text, json_object_get(cell, "except"), "all but ");
	words_append(text, json_object_get(cell, "mixed"), text->length ? "; some of them " : "some of them ");
}

/* What a cell's mark stands for, where that takes words; the caller frees. NULL: nothing, or no memory. */
static char *cell_legend(const json_t *cell)
{
	const char *verdict = cli_text(cell, "verdict");
	struct text text = {0};

	if (strcmp(verdict, "allow") == 0 && json_array_size(json_object_get(cell, "except")))
		words_append(&text, json_object_get(cell, "except"), "all but ");
	else if (strcmp(verdict, "some") == 0 || strcmp(verdict, "mixed") == 0)
		cell_words(&text, cell);
	return text.length ? text_take(&text) : NULL;
}

static bool same_words(const char *a, const char *b)
{
	return a && b && strcmp(a, b) == 0;
}

/* Long lists go on in the next line, below where they began. */
static void words_print(const struct cli *cli, size_t column, const char *words)
{
	size_t room = cli->width > 0 ? (size_t)cli->width : SIZE_MAX, at = column;

	while (*words) {
		size_t length = strcspn(words, " ");

		if (at > column && at + 1 + length > room) {
			printf("\n%*s", (int)column, "");
			at = column;
		} else if (at > column) {
			putchar(' ');
			at++;
		}
		printf("%.*s", (int)length, words);
		at += length;
		words += length + (words[length] == ' ');
	}
	putchar('\n');
}

#define LEGEND_INDENT 4

struct legend {
	const struct cli *cli;
	const json_t *matrix;
	size_t count;
	char **words; /* by cell; NULL: none, or told already */
};

/* Tells of one cell, and of all others of its row, or of its column, whichever are more, that say the same. */
static void legend_print(const struct legend *legend, size_t from, size_t to)
{
	size_t count = legend->count, in_row = 0, in_column = 0, step;
	char **row = &legend->words[from * count], **column = &legend->words[to];
	char *words = row[to];
	struct text many = {0};

	for (size_t i = 0; i < count; i++) {
		in_row += same_words(row[i], words);
		in_column += same_words(column[i * count], words);
	}
	step = in_row >= in_column ? 1 : count;
	for (size_t i = 0; i < count; i++) {
		char **other = step == 1 ? &row[i] : &column[i * count];

		if (!same_words(*other, words))
			continue;
		text_appendf(&many, "%s%s", many.length ? ", " : "", end_name(legend->matrix, i));
		if (*other != words)
			free(*other);
		*other = NULL;
	}
	printf("%s%s → %s%s\n%*s", cli_colour(legend->cli, COLOUR_BOLD),
	       step == 1 ? end_name(legend->matrix, from) : text_string(&many),
	       step == 1 ? text_string(&many) : end_name(legend->matrix, to), cli_colour(legend->cli, COLOUR_PLAIN),
	       LEGEND_INDENT, "");
	words_print(legend->cli, LEGEND_INDENT, words);
	text_free(&many);
	free(words);
}

static void services_print(const struct cli *cli, const json_t *matrix)
{
	size_t count = json_array_size(json_object_get(matrix, "ends"));
	struct legend legend = {.cli = cli, .matrix = matrix, .count = count};
	bool any = false;

	legend.words = calloc(count * count + 1, sizeof(*legend.words));
	if (!legend.words)
		return;
	for (size_t i = 0; i < count * count; i++)
		legend.words[i] = cell_legend(cell_of(matrix, i / count, i % count));
	for (size_t i = 0; i < count * count; i++) {
		if (!legend.words[i])
			continue;
		if (!any)
			putchar('\n');
		any = true;
		legend_print(&legend, i / count, i % count);
	}
	free(legend.words);
}

void render_matrix(const struct cli *cli, const json_t *matrix)
{
	size_t count = json_array_size(json_object_get(matrix, "ends"));
	size_t width = name_width(cli, matrix, count), room = cli->width > 0 ? (size_t)cli->width : 1000;
	size_t columns = room > width + 4 + CELL_WIDTH + 1 ? (room - width - 4) / (CELL_WIDTH + 1) : 1;

	for (size_t first = 0; first < count; first += columns) {
		if (first)
			putchar('\n');
		block_print(cli, matrix, first, first + columns < count ? first + columns : count, width);
	}
	puts("\nRows are who asks.  all: every service (tunnels only where a rule names them)\n"
	     "+: the services below  -: none  ±: not the same for all of them\n"
	     "·: not policed, or nobody there  ?: audit, reported and let pass");
	services_print(cli, matrix);
}

/* ---- Graphviz ---- */

static void dot_quote(const char *text)
{
	putchar('"');
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			putchar('\\');
		putchar(*text);
	}
	putchar('"');
}

/* An edge for what passes: dashed where that is only because it is audited. */
static void dot_edge(const json_t *matrix, size_t from, size_t to)
{
	const json_t *cell = cell_of(matrix, from, to);
	const char *verdict = cli_text(cell, "verdict");
	bool audit = strcmp(cli_text(cell, "mode"), "audit") == 0;
	struct text text = {0};

	if (strcmp(verdict, "unpoliced") == 0 || (strcmp(verdict, "deny") == 0 && !audit))
		return;
	if (strcmp(verdict, "allow") == 0)
		text_append(&text, "all");
	else if (strcmp(verdict, "deny") == 0)
		text_append(&text, "in audit mode only");
	else
		cell_words(&text, cell);
	if (audit && strcmp(verdict, "some") == 0)
		text_append(&text, " (the rest in audit mode only)");
	fputs("\t", stdout);
	dot_quote(end_name(matrix, from));
	fputs(" -> ", stdout);
	dot_quote(end_name(matrix, to));
	fputs(" [label=", stdout);
	dot_quote(text_string(&text));
	puts(audit ? ", style=dashed];" : "];");
	text_free(&text);
}

void render_matrix_dot(const json_t *matrix)
{
	size_t count = json_array_size(json_object_get(matrix, "ends"));

	puts("digraph bulkhead {\n\trankdir=LR;\n\tnode [shape=box, fontname=\"sans-serif\"];");
	for (size_t i = 0; i < count; i++) {
		fputs("\t", stdout);
		dot_quote(end_name(matrix, i));
		puts(";");
	}
	for (size_t i = 0; i < count * count; i++)
		dot_edge(matrix, i / count, i % count);
	puts("}");
}
