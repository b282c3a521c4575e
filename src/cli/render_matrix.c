/* SPDX-License-Identifier: GPL-2.0-only */
/* Everybody against everybody in a terminal: a row a sender, a numbered column a receiver, a mark a cell, and below it
 * what the marks that are neither all nor nothing stand for. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

#define CELL_WIDTH 4 /* columns of a cell: two blanks and a number of two digits */

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

static size_t name_width(const json_t *matrix, size_t count)
{
	size_t width = 0;

	for (size_t i = 0; i < count; i++)
		if (cli_columns(end_name(matrix, i)) > width)
			width = cli_columns(end_name(matrix, i));
	return width;
}

static void block_print(const struct cli *cli, const json_t *matrix, size_t first, size_t last, size_t width)
{
	size_t count = json_array_size(json_object_get(matrix, "ends"));

	printf("%s%*s", cli_colour(cli, COLOUR_BOLD), (int)width + 4, "");
	for (size_t to = first; to < last; to++)
		printf("%*zu", CELL_WIDTH + 1, to + 1);
	printf("%s\n", cli_colour(cli, COLOUR_PLAIN));
	for (size_t from = 0; from < count; from++) {
		const char *name = end_name(matrix, from);

		printf("%3zu %s%*s", from + 1, name, (int)(width - cli_columns(name)), "");
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

static void services_print(const struct cli *cli, const json_t *matrix)
{
	size_t count = json_array_size(json_object_get(matrix, "ends"));
	bool any = false;

	for (size_t from = 0; from < count; from++) {
		for (size_t to = 0; to < count; to++) {
			const json_t *cell = cell_of(matrix, from, to);
			const char *verdict = cli_text(cell, "verdict");
			struct text text = {0};

			if (strcmp(verdict, "some") == 0 || strcmp(verdict, "mixed") == 0)
				cell_words(&text, cell);
			if (text.length) {
				if (!any)
					putchar('\n');
				any = true;
				printf("%s%s → %s%s  %s\n", cli_colour(cli, COLOUR_BOLD), end_name(matrix, from),
				       end_name(matrix, to), cli_colour(cli, COLOUR_PLAIN), text_string(&text));
			}
			text_free(&text);
		}
	}
}

void render_matrix(const struct cli *cli, const json_t *matrix)
{
	size_t count = json_array_size(json_object_get(matrix, "ends"));
	size_t width = name_width(matrix, count), room = cli->width > 0 ? (size_t)cli->width : 1000;
	size_t columns = room > width + 4 + CELL_WIDTH + 1 ? (room - width - 4) / (CELL_WIDTH + 1) : 1;

	for (size_t first = 0; first < count; first += columns) {
		if (first)
			putchar('\n');
		block_print(cli, matrix, first, first + columns < count ? first + columns : count, width);
	}
	puts("\nall: every service (tunnels only where named)  +: the services below  -: none  ±: not the same for all "
	     "of them\n"
	     "·: not policed, or nobody there  ?: audit, reported and let pass. Rows are who asks.");
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

void render_matrix_dot(const json_t *matrix)
{
	size_t count = json_array_size(json_object_get(matrix, "ends"));

	puts("digraph bulkhead {\n\trankdir=LR;\n\tnode [shape=box, fontname=\"sans-serif\"];");
	for (size_t i = 0; i < count; i++) {
		fputs("\t", stdout);
		dot_quote(end_name(matrix, i));
		puts(";");
	}
	for (size_t from = 0; from < count; from++) {
		for (size_t to = 0; to < count; to++) {
			const json_t *cell = cell_of(matrix, from, to);
			const char *verdict = cli_text(cell, "verdict");
			struct text text = {0};

			if (strcmp(verdict, "allow") == 0)
				text_append(&text, "all");
			else if (strcmp(verdict, "some") == 0 || strcmp(verdict, "mixed") == 0)
				cell_words(&text, cell);
			if (text.length) {
				fputs("\t", stdout);
				dot_quote(end_name(matrix, from));
				fputs(" -> ", stdout);
				dot_quote(end_name(matrix, to));
				fputs(" [label=", stdout);
				dot_quote(text_string(&text));
				puts("];");
			}
			text_free(&text);
		}
	}
	puts("}");
}
