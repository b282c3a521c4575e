/* SPDX-License-Identifier: GPL-2.0-only */
#include "policy/source.h"

#include <stdlib.h>
#include <string.h>

/* Bytes between two checkpoints: what a look-up scans at most, twice. A file of 16 MiB has 256 of them. */
#define CHECKPOINT_BYTES 65536u

/* What is known at a byte of the text. */
struct checkpoint {
	uint32_t line;	     /* in which the byte stands, from 1 */
	uint32_t line_start; /* byte */
	uint32_t characters; /* of that line, before the byte */
};
struct source_index {
	struct checkpoint *checkpoints; /* NULL: not yet built */
	size_t count;
};

/* Where the text proper begins: editors count without the byte order mark. */
static size_t text_start(const struct source *source)
{
	return source->size >= 3 && !memcmp(source->text, "\xef\xbb\xbf", 3) ? 3 : 0;
}

/* Bytes that begin a character: all but the continuations of UTF-8. */
static uint32_t count_characters(const char *bytes, size_t size)
{
	uint32_t count = 0;

	for (size_t i = 0; i < size; i++)
		count += (bytes[i] & 0xc0) != 0x80;
	return count;
}

/* The start of line `wanted`, from `start`, the start of line `line`; SIZE_MAX when the text has fewer lines. */
static size_t skip_lines(const struct source *source, size_t start, uint32_t line, uint32_t wanted)
{
	for (; line < wanted; line++) {
		const char *newline = memchr(source->text + start, '\n', source->size - start);

		if (!newline)
			return SIZE_MAX;
		start = (size_t)(newline - source->text) + 1;
	}
	return start;
}

static const char *line_at(const struct source *source, size_t start, size_t *ret_length)
{
	const char *line = source->text + start;
	const char *newline = memchr(line, '\n', source->size - start);
	size_t length = newline ? (size_t)(newline - line) : source->size - start;

	*ret_length = length && line[length - 1] == '\r' ? length - 1 : length;
	return line;
}

static const struct source *source_of(const struct sources *sources, const struct place *place)
{
	if (!place->line || place->file >= sources->count || !sources->items[place->file].text)
		return NULL;
	return &sources->items[place->file];
}

const char *source_line(const struct sources *sources, const struct place *place, size_t *ret_length)
{
	const struct source *source = source_of(sources, place);
	size_t start = source ? skip_lines(source, text_start(source), 1, place->line) : SIZE_MAX;

	return start == SIZE_MAX ? NULL : line_at(source, start, ret_length);
}

/* ---- the index ---- */

void source_lines_start(struct source_lines *lines, const struct sources *sources)
{
	lines->sources = sources;
	lines->indexes = calloc(sources->count ? sources->count : 1, sizeof(*lines->indexes));
}

void source_lines_end(struct source_lines *lines)
{
	for (size_t i = 0; lines->indexes && i < lines->sources->count; i++)
		free(lines->indexes[i].checkpoints);
	free(lines->indexes);
	lines->indexes = NULL;
}

/* The state at byte `to`, from that at byte `from`. */
static struct checkpoint move_on(const struct source *source, struct checkpoint at, size_t from, size_t to)
{
	const char *newline;

	while ((newline = memchr(source->text + from, '\n', to - from))) {
		from = (size_t)(newline - source->text) + 1;
		at.line++;
		at.line_start = (uint32_t)from;
		at.characters = 0;
	}
	at.characters += count_characters(source->text + from, to - from);
	return at;
}

static const struct source_index *index_of(struct source_lines *lines, const struct source *source)
{
	struct source_index *index = lines->indexes ? &lines->indexes[source - lines->sources->items] : NULL;
	size_t start = text_start(source);
	struct checkpoint at = {.line = 1, .line_start = (uint32_t)start};

	if (!index || index->checkpoints)
		return index;
	index->checkpoints = calloc(source->size / CHECKPOINT_BYTES + 1, sizeof(*index->checkpoints));
	if (!index->checkpoints)
		return NULL;
	index->checkpoints[index->count++] = at;
	for (size_t next = CHECKPOINT_BYTES; next <= source->size; start = next, next += CHECKPOINT_BYTES) {
		at = move_on(source, at, start, next);
		index->checkpoints[index->count++] = at;
	}
	return index;
}

/* The start of a line; SIZE_MAX when it is not there. */
static size_t find_start(const struct source *source, const struct source_index *index, uint32_t line)
{
	const struct checkpoint *checkpoints = index->checkpoints;
	size_t low = 0, high = index->count;

	while (high - low > 1) { /* the last checkpoint in or before the line */
		size_t middle = low + (high - low) / 2;

		if (checkpoints[middle].line <= line)
			low = middle;
		else
			high = middle;
	}
	if (checkpoints[low].line == line)
		return checkpoints[low].line_start;
	/* the line begins behind this checkpoint: no need to look at what is before it */
	if (low) {
		size_t byte = low * CHECKPOINT_BYTES;
		const char *newline = memchr(source->text + byte, '\n', source->size - byte);

		return newline ? skip_lines(source, (size_t)(newline - source->text) + 1, checkpoints[low].line + 1,
					    line)
			       : SIZE_MAX;
	}
	return skip_lines(source, checkpoints[0].line_start, 1, line);
}

const char *source_lines_find(struct source_lines *lines, const struct place *place, size_t *ret_length)
{
	const struct source *source = source_of(lines->sources, place);
	const struct source_index *index = source ? index_of(lines, source) : NULL;
	size_t start = index ? find_start(source, index, place->line) : SIZE_MAX;

	return start == SIZE_MAX ? NULL : line_at(source, start, ret_length);
}

uint32_t source_lines_column(struct source_lines *lines, const struct place *place)
{
	size_t length, bytes = place->column ? place->column - 1 : 0, start, end, byte;
	const char *line = source_lines_find(lines, place, &length);
	const struct checkpoint *checkpoint;

	if (!line)
		return place->column;
	start = (size_t)(line - lines->sources->items[place->file].text);
	end = start + (bytes < length ? bytes : length);
	byte = end / CHECKPOINT_BYTES * CHECKPOINT_BYTES;
	checkpoint = &lines->indexes[place->file].checkpoints[end / CHECKPOINT_BYTES];
	if (byte <= start)
		return 1 + count_characters(line, end - start);
	return 1 + checkpoint->characters + count_characters(line + (byte - start), end - byte);
}
