/* SPDX-License-Identifier: GPL-2.0-only */
/* Lines of source files, found quickly however long the file or the line. Private to what prints findings. */
#ifndef BULKHEAD_POLICY_SOURCE_H
#define BULKHEAD_POLICY_SOURCE_H

#include "policy/diagnostic.h"

struct source_index;
/* Finds lines in `sources`, which must not change meanwhile. Files are indexed when they are first asked for. */
struct source_lines {
	const struct sources *sources;
	struct source_index *indexes; /* one a source; NULL: memory was short, and lines are not found */
};

void source_lines_start(struct source_lines *lines, const struct sources *sources);
void source_lines_end(struct source_lines *lines);
/* As source_line(). */
const char *source_lines_find(struct source_lines *lines, const struct place *place, size_t *ret_length);
/* The column as people count it: in characters, from 1. */
uint32_t source_lines_column(struct source_lines *lines, const struct place *place);

#endif
