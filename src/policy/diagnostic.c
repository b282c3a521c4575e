/* SPDX-License-Identifier: GPL-2.0-only */
#include "policy/diagnostic.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "policy/source.h"
#include "policy/utf8.h"

#define SHOWN_COLUMNS_MAX  160u			   /* of a source line; longer ones are shown in part */
#define SHOWN_BYTES_MAX	   (4 * SHOWN_COLUMNS_MAX) /* characters that take no column are no way around it */
#define SHOWN_BEFORE_CARET 60u			   /* columns of such a part that stand before the caret */
#define NOTES_PER_FINDING  8u
#define LINE_NUMBER_WIDTH  5
#define NO_COLOUR	   ""
#define COLOUR_BOLD	   "\033[1m"
#define COLOUR_RED	   "\033[1;31m"
#define COLOUR_MAGENTA	   "\033[1;35m"
#define COLOUR_CYAN	   "\033[1;36m"
#define COLOUR_OFF	   "\033[0m"

static const char *const severity_names[] = {
	[SEVERITY_ERROR] = "error", [SEVERITY_WARNING] = "warning", [SEVERITY_NOTE] = "note"};
_Static_assert(sizeof(severity_names) / sizeof(severity_names[0]) == SEVERITY_MAX, "a name for each severity");
static const char *const severity_colours[] = {
	[SEVERITY_ERROR] = COLOUR_RED, [SEVERITY_WARNING] = COLOUR_MAGENTA, [SEVERITY_NOTE] = COLOUR_CYAN};
_Static_assert(sizeof(severity_colours) / sizeof(severity_colours[0]) == SEVERITY_MAX, "a colour for each severity");

/* ---- collecting ---- */

static size_t findings_kept(const struct diagnostics *diagnostics)
{
	size_t kept = 0;

	for (size_t i = 0; i < diagnostics->count; i++)
		kept += diagnostics->items[i].severity != SEVERITY_NOTE;
	return kept;
}

/* Makes room for an error by giving up the last warning with its notes; false when all that is kept are errors. */
static bool drop_warning(struct diagnostics *diagnostics)
{
	size_t first = diagnostics->count, end;

	while (first > 0 && diagnostics->items[first - 1].severity != SEVERITY_WARNING)
		first--;
	if (!first)
		return false;
	first--;
	for (end = first + 1; end < diagnostics->count && diagnostics->items[end].severity == SEVERITY_NOTE;)
		end++;
	for (size_t i = first; i < end; i++)
		free(diagnostics->items[i].message);
	memmove(diagnostics->items + first, diagnostics->items + end,
		(diagnostics->count - end) * sizeof(*diagnostics->items));
	diagnostics->count -= end - first;
	return true;
}

/* Counts the finding; true when it is to be kept. */
static bool admit(struct diagnostics *diagnostics, enum severity severity)
{
	size_t found = diagnostics->errors + diagnostics->warnings, notes = 0;

	if (severity == SEVERITY_NOTE) {
		while (notes < diagnostics->count &&
		       diagnostics->items[diagnostics->count - 1 - notes].severity == SEVERITY_NOTE)
			notes++;
		return !diagnostics->last_dropped && diagnostics->count && notes < NOTES_PER_FINDING;
	}
	if (severity == SEVERITY_ERROR)
		diagnostics->errors++;
	else
		diagnostics->warnings++;
	diagnostics->last_dropped = found >= DIAGNOSTICS_MAX && findings_kept(diagnostics) >= DIAGNOSTICS_MAX &&
				    !(severity == SEVERITY_ERROR && drop_warning(diagnostics));
	return !diagnostics->last_dropped;
}

void diagnostic_add(struct diagnostics *diagnostics, enum severity severity, const struct place *place,
		    const char *format, ...)
{
	struct diagnostic *diagnostic;
	va_list arguments;

	if (!admit(diagnostics, severity))
		return;
	diagnostic = array_append(diagnostics);
	if (!diagnostic)
		return; /* counted all the same */
	diagnostic->severity = severity;
	diagnostic->place = place ? *place : (struct place){0};
	va_start(arguments, format);
	if (vasprintf(&diagnostic->message, format, arguments) < 0)
		diagnostic->message = NULL;
	va_end(arguments);
}

void diagnostics_free(struct diagnostics *diagnostics)
{
	if (!diagnostics)
		return;
	for (size_t i = 0; i < diagnostics->count; i++)
		free(diagnostics->items[i].message);
	array_free(diagnostics);
	*diagnostics = (struct diagnostics){0};
}

/* ---- order ---- */

/* A finding and its notes, to be sorted as one. */
struct block {
	const struct diagnostic *first;
	size_t count;
};

static int block_compare(const void *a, const void *b)
{
	const struct diagnostic *x = ((const struct block *)a)->first, *y = ((const struct block *)b)->first;
	const struct place *p = &x->place, *q = &y->place;

	if (p->file != q->file)
		return p->file < q->file ? -1 : 1;
	if (p->line != q->line)
		return p->line < q->line ? -1 : 1;
	if (p->column != q->column)
		return p->column < q->column ? -1 : 1;
	return x < y ? -1 : x > y; /* both in one array: the order of finding */
}

/* By file, line and column; NULL when memory is short or there is nothing. The caller frees. */
static struct block *blocks_sorted(const struct diagnostics *diagnostics, size_t *ret_count)
{
	struct block *blocks = calloc(diagnostics->count ? diagnostics->count : 1, sizeof(*blocks));
	size_t count = 0;

	if (!blocks)
		return NULL;
	for (size_t i = 0; i < diagnostics->count; i++) {
		if (diagnostics->items[i].severity != SEVERITY_NOTE || !count)
			blocks[count++].first = &diagnostics->items[i];
		blocks[count - 1].count++;
	}
	qsort(blocks, count, sizeof(*blocks), block_compare);
	*ret_count = count;
	return blocks;
}

/* ---- places ---- */

static const char *place_path(const struct sources *sources, const struct place *place)
{
	/* width 0: no place at all; line 0 with a width: the file as a whole */
	return place->width && place->file < sources->count ? sources->items[place->file].path : NULL;
}

/* ---- the line and the caret ---- */

/* Columns that a character takes on a terminal; after UAX #11 (wide) and the ranges of combining marks, in the
 * coarse blocks that matter for a caret. */
static unsigned int code_columns(uint32_t code)
{
	static const struct {
		uint32_t first, last;
		unsigned int columns;
	} ranges[] = {
		{0x0300, 0x036f, 0},   {0x1100, 0x115f, 2},   {0x20d0, 0x20ff, 0},   {0x2e80, 0x303e, 2},
		{0x3041, 0xa4cf, 2},   {0xac00, 0xd7a3, 2},   {0xf900, 0xfaff, 2},   {0xfe00, 0xfe0f, 0},
		{0xfe20, 0xfe2f, 0},   {0xfe30, 0xfe6f, 2},   {0xff00, 0xff60, 2},   {0xffe0, 0xffe6, 2},
		{0x1f300, 0x1f64f, 2}, {0x1f900, 0x1f9ff, 2}, {0x20000, 0x3fffd, 2},
	};

	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		if (code >= ranges[i].first && code <= ranges[i].last)
			return ranges[i].columns;
	return 1;
}

/* What would move the cursor, change the direction of writing, or not be seen. */
static bool code_is_unsafe(uint32_t code)
{
	return code < 0x20 || (code >= 0x7f && code < 0xa0) || (code >= 0x200b && code <= 0x200f) ||
	       (code >= 0x2028 && code <= 0x202e) || (code >= 0x2060 && code <= 0x206f) || code == 0xfeff;
}

/* One character of a source line as it is shown; *ret_columns is what it takes. Returns the bytes it had. */
static unsigned int show_character(struct text *shown, const char *bytes, size_t left, unsigned int *ret_columns)
{
	uint32_t code = 0;
	unsigned int width = utf8_decode(bytes, left, &code);

	if (width && (code == '\t' || !code_is_unsafe(code))) {
		text_append_bytes(shown, bytes, width);
		*ret_columns = code_columns(code);
		return width;
	}
	if (!width)
		width = 1;
	for (unsigned int i = 0; i < width; i++)
		text_appendf(shown, "\\x%02x", (unsigned char)bytes[i]);
	*ret_columns = 4 * width;
	return width;
}

struct excerpt {
	struct text line, caret;
};

static void caret_append(struct text *caret, char what, unsigned int columns)
{
	for (unsigned int i = 0; i < columns; i++)
		text_append_bytes(caret, &what, 1);
}

/* Fills both lines of an excerpt from byte `from` of the source line. */
static void excerpt_fill(struct excerpt *excerpt, const char *line, size_t length, size_t from,
			 const struct place *place)
{
	size_t start = place->column - 1, end = start + place->width;
	unsigned int columns = 0, taken;

	if (from) {
		text_append(&excerpt->line, "...");
		caret_append(&excerpt->caret, ' ', 3);
	}
	for (size_t i = from; i < length; columns += taken) {
		size_t at = i;

		if (columns >= SHOWN_COLUMNS_MAX || i - from >= SHOWN_BYTES_MAX) {
			text_append(&excerpt->line, "...");
			break;
		}
		i += show_character(&excerpt->line, line + i, length - i, &taken);
		if (at < start)
			caret_append(&excerpt->caret, line[at] == '\t' ? '\t' : ' ', line[at] == '\t' ? 1 : taken);
		else if (at == start)
			caret_append(&excerpt->caret, '^', 1),
				caret_append(&excerpt->caret, '~', taken ? taken - 1 : 0);
		else if (at < end)
			caret_append(&excerpt->caret, '~', taken);
	}
	if (start >= length)
		caret_append(&excerpt->caret, '^', 1); /* what is missing at the end of the line */
}

/* Where a long line's excerpt begins: some way before the caret, at the start of a character. */
static size_t excerpt_start(const char *line, size_t length, size_t column)
{
	size_t from;

	if (length <= SHOWN_COLUMNS_MAX || column <= SHOWN_BEFORE_CARET)
		return 0;
	from = (column < length ? column : length) - SHOWN_BEFORE_CARET;
	while (from > 0 && (line[from] & 0xc0) == 0x80)
		from--;
	return from;
}

static void print_excerpt(struct source_lines *lines, const struct place *place, const char *margin, const char *colour,
			  FILE *out)
{
	struct excerpt excerpt = {0};
	size_t length;
	const char *line = source_lines_find(lines, place, &length);

	if (!line || !place->column)
		return;
	excerpt_fill(&excerpt, line, length, excerpt_start(line, length, place->column - 1), place);
	fprintf(out, "%s%*u | %s\n", margin, LINE_NUMBER_WIDTH, place->line, text_string(&excerpt.line));
	fprintf(out, "%s%*s | %s%s%s\n", margin, LINE_NUMBER_WIDTH, "", colour, text_string(&excerpt.caret),
		*colour ? COLOUR_OFF : NO_COLOUR);
	text_free(&excerpt.line);
	text_free(&excerpt.caret);
}

/* ---- printing ---- */

static void print_finding(const struct diagnostic *diagnostic, struct source_lines *lines, bool colour, FILE *out)
{
	const struct place *place = &diagnostic->place;
	const char *path = place_path(lines->sources, place);
	const char *margin = diagnostic->severity == SEVERITY_NOTE ? "  " : "";
	const char *off = colour ? COLOUR_OFF : NO_COLOUR, *bold = colour ? COLOUR_BOLD : NO_COLOUR;
	const char *accent = colour ? severity_colours[diagnostic->severity] : NO_COLOUR;
	struct text shown = {0};

	if (path) {
		text_append_escaped(&shown, path);
		if (place->line)
			text_appendf(&shown, ":%u:%u", place->line, source_lines_column(lines, place));
		text_append(&shown, ": ");
	}
	fprintf(out, "%s%s%s%s%s%s: %s%s%s%s\n", margin, bold, text_string(&shown), off, accent,
		severity_names[diagnostic->severity], off, bold,
		diagnostic->message ? diagnostic->message : "(no memory for the message)", off);
	text_free(&shown);
	print_excerpt(lines, place, margin, accent, out);
}

static void print_count(size_t count, const char *one, FILE *out)
{
	fprintf(out, "%zu %s%s", count, one, count == 1 ? "" : "s");
}

static void print_sum(const struct diagnostics *diagnostics, size_t shown, FILE *out)
{
	size_t found = diagnostics->errors + diagnostics->warnings;

	if (!found)
		return;
	if (diagnostics->errors)
		print_count(diagnostics->errors, "error", out);
	if (diagnostics->errors && diagnostics->warnings)
		fputs(", ", out);
	if (diagnostics->warnings)
		print_count(diagnostics->warnings, "warning", out);
	if (found > shown)
		fprintf(out, " (%zu not shown)", found - shown);
	fputc('\n', out);
}

void diagnostics_print(const struct diagnostics *diagnostics, const struct sources *sources, bool colour, FILE *out)
{
	size_t count = 0;
	struct block *blocks = blocks_sorted(diagnostics, &count);
	struct source_lines lines;

	source_lines_start(&lines, sources);
	for (size_t i = 0; blocks && i < count; i++)
		for (size_t j = 0; j < blocks[i].count; j++)
			print_finding(blocks[i].first + j, &lines, colour, out);
	source_lines_end(&lines);
	free(blocks);
	print_sum(diagnostics, count, out);
}

/* ---- JSON ---- */

static json_t *json_finding(const struct diagnostic *diagnostic, struct source_lines *lines)
{
	const struct place *place = &diagnostic->place;
	const char *path = place_path(lines->sources, place);
	const char *message = diagnostic->message ? diagnostic->message : "";
	struct text shown = {0};
	json_t *finding;

	if (path)
		text_append_escaped(&shown, path); /* JSON must be UTF-8, a path need not */
	finding = json_pack("{s:s, s:s}", "severity", severity_names[diagnostic->severity], "message", message);
	if (finding && path)
		json_object_set_new(finding, "file", json_string(text_string(&shown)));
	if (finding && path && place->line) {
		json_object_set_new(finding, "line", json_integer(place->line));
		json_object_set_new(finding, "column", json_integer(source_lines_column(lines, place)));
	}
	text_free(&shown);
	return finding;
}

static json_t *json_block(const struct block *block, struct source_lines *lines)
{
	json_t *finding = json_finding(block->first, lines);
	json_t *notes = json_array();

	if (!finding || !notes) {
		json_decref(finding);
		json_decref(notes);
		return NULL;
	}
	for (size_t i = 1; i < block->count; i++)
		json_array_append_new(notes, json_finding(block->first + i, lines));
	json_object_set_new(finding, "notes", notes);
	return finding;
}

json_t *diagnostics_json(const struct diagnostics *diagnostics, const struct sources *sources)
{
	size_t count = 0;
	struct block *blocks = blocks_sorted(diagnostics, &count);
	json_t *findings = json_array();
	struct source_lines lines;

	source_lines_start(&lines, sources);
	for (size_t i = 0; blocks && findings && i < count; i++) {
		json_t *finding = json_block(&blocks[i], &lines);

		if (!finding || json_array_append_new(findings, finding) < 0) {
			json_decref(findings);
			findings = NULL;
		}
	}
	if (!blocks) {
		json_decref(findings);
		findings = NULL;
	}
	source_lines_end(&lines);
	free(blocks);
	return findings;
}
