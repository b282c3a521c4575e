/* SPDX-License-Identifier: GPL-2.0-only */
/* What is wrong with a policy, for people: every finding with its place, all printed together as compilers do. */
#ifndef BULKHEAD_POLICY_DIAGNOSTIC_H
#define BULKHEAD_POLICY_DIAGNOSTIC_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/array.h"

/* A place in a source file. All zero: no place (a default that nobody wrote). line 0 with width 1: the file as a whole.
 */
struct place {
	uint32_t file;	 /* index into sources.items */
	uint32_t line;	 /* from 1 */
	uint32_t column; /* from 1, in bytes; printed in characters */
	uint32_t width;	 /* bytes to underline, at least 1 */
};

/* The files that were read; kept so that a line can be shown later. */
struct source {
	char *path; /* as given or joined with the directory; shown to people */
	char *text; /* NUL-terminated; NULL when it was not kept (lists of prefixes) */
	size_t size;
};
struct sources {
	ARRAY_OF(struct source);
};
/* The line's text without its newline, as bytes of the source; NULL when there is none. */
const char *source_line(const struct sources *sources, const struct place *place, size_t *ret_length);

enum severity { SEVERITY_ERROR, SEVERITY_WARNING, SEVERITY_NOTE, SEVERITY_MAX };

struct diagnostic {
	enum severity severity;
	struct place place;
	char *message; /* may hold untrusted text, already escaped */
};

#define DIAGNOSTICS_MAX \
	200 /* findings kept; more are counted only, so that a hostile file can't fill the screen or memory */

struct diagnostics {
	ARRAY_OF(struct diagnostic);
	size_t errors, warnings; /* all found, also those beyond DIAGNOSTICS_MAX */
	bool last_dropped;	 /* the last finding was only counted: its notes are not kept either */
};

/* A NOTE belongs to the finding before it ("first defined here"). When DIAGNOSTICS_MAX is reached, an error takes the
 * place of a warning. Without memory for it, a finding is counted only. */
void diagnostic_add(struct diagnostics *diagnostics, enum severity severity, const struct place *place,
		    const char *format, ...) __attribute__((format(printf, 4, 5)));
void diagnostics_free(struct diagnostics *diagnostics);
/* FILE:LINE:COL: error: … with the line and a caret, by file and line; ends with "2 errors, 1 warning" when any. */
void diagnostics_print(const struct diagnostics *diagnostics, const struct sources *sources, bool colour, FILE *out);
/* [{"severity","file","line","column","message","notes":[…]}]; a new reference, NULL when memory is short. */
json_t *diagnostics_json(const struct diagnostics *diagnostics, const struct sources *sources);

#endif
