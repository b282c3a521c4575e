/* SPDX-License-Identifier: GPL-2.0-only */
/* Globs as fnmatch(3) without flags reads them in the C locale: bytes, '/' and a leading dot are like any other. Where
 * POSIX leaves the meaning of a bracket open, glob_check() refuses the pattern; then a bracket without its end is the
 * character '[', an empty range holds nothing, and any other broken bracket matches nothing. */
#include <ctype.h>
#include <string.h>

#include "text.h"

enum bracket {
	BRACKET_NO,	      /* does not match */
	BRACKET_YES,	      /* matches */
	BRACKET_BROKEN,	      /* matches nothing, whatever the text */
	BRACKET_UNTERMINATED, /* no bracket: '[' means itself */
};

/* What is wrong with a bracket, for people; found while it is read. */
#define WRONG_CLOSE  "a '[' without its ']'"
#define WRONG_ESCAPE "a backslash with nothing behind it"
#define WRONG_CLASS                                                                                  \
	"an unknown character class (know: alnum, alpha, blank, cntrl, digit, graph, lower, print, " \
	"punct, space, upper, xdigit)"
#define WRONG_OPEN  "a '[:', '[=' or '[.' without its end, or with more than one character in it"
#define WRONG_END   "a range that ends in a character class"
#define WRONG_RANGE "a range whose end comes before its start"

typedef unsigned char byte;

static bool class_holds(const char *name, size_t length, byte c, bool *ret_known)
{
	static const struct {
		const char *name;
		int (*holds)(int);
	} classes[] = {
		{"alnum", isalnum}, {"alpha", isalpha}, {"blank", isblank}, {"cntrl", iscntrl},
		{"digit", isdigit}, {"graph", isgraph}, {"lower", islower}, {"print", isprint},
		{"punct", ispunct}, {"space", isspace}, {"upper", isupper}, {"xdigit", isxdigit},
	};

	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
		if (strlen(classes[i].name) == length && memcmp(classes[i].name, name, length) == 0) {
			*ret_known = true;
			/* Bytes above 127 are in no class of the C locale. */
			return c < 0x80 && classes[i].holds(c);
		}
	}
	*ret_known = false;
	return false;
}

struct bracket_reader {
	const char *p;	     /* what is read next */
	byte c;		     /* the byte that is looked up */
	bool found;	     /* it is in the bracket */
	const char *problem; /* NULL or WRONG_… */
};

/* "[:alpha:]", reader->p behind its '['. */
static void bracket_read_class(struct bracket_reader *reader)
{
	const char *name = reader->p + 1;
	size_t length = 0;
	bool known;

	while (name[length] >= 'a' && name[length] <= 'z')
		length++;
	if (name[length] != ':' || name[length + 1] != ']') {
		reader->problem = WRONG_OPEN;
		return;
	}
	if (class_holds(name, length, reader->c, &known))
		reader->found = true;
	if (!known)
		reader->problem = WRONG_CLASS;
	reader->p = name + length + 2;
}

/* "[=a=]" or "[.a.]", reader->p behind its '[': in the C locale each is the one character. */
static byte bracket_read_symbol(struct bracket_reader *reader)
{
	const char *p = reader->p;

	if (!p[1] || p[2] != p[0] || p[3] != ']') {
		reader->problem = WRONG_OPEN;
		return 0;
	}
	/* glibc takes "[[.a.]-]" for a range without an end. */
	if (p[0] == '.' && p[4] == '-' && p[5] == ']')
		reader->problem = WRONG_END;
	reader->p += 4;
	return (byte)p[1];
}

/* An end of a range, or a single character: "x", "\x" or "[.x.]". */
static byte bracket_read_character(struct bracket_reader *reader)
{
	byte c = (byte)*reader->p++;

	if (c == '\\') {
		if (!*reader->p)
			reader->problem = WRONG_ESCAPE;
		else
			c = (byte)*reader->p++;
	} else if (c == '[' && *reader->p == '.') {
		c = bracket_read_symbol(reader);
	}
	return c;
}

static bool bracket_has_range(const struct bracket_reader *reader)
{
	return reader->p[0] == '-' && reader->p[1] && reader->p[1] != ']';
}

static void bracket_read_range(struct bracket_reader *reader)
{
	byte low = bracket_read_character(reader), high = low;

	if (!reader->problem && bracket_has_range(reader)) {
		reader->p++;
		if (reader->p[0] == '[' && (reader->p[1] == ':' || reader->p[1] == '='))
			reader->problem = WRONG_END;
		else
			high = bracket_read_character(reader);
		if (!reader->problem && high < low)
			reader->problem = WRONG_RANGE;
	}
	if (low <= reader->c && reader->c <= high)
		reader->found = true;
}

static void bracket_read_item(struct bracket_reader *reader)
{
	if (reader->p[0] == '[' && reader->p[1] == ':') {
		reader->p++;
		bracket_read_class(reader);
	} else if (reader->p[0] == '[' && reader->p[1] == '=') {
		reader->p++;
		if (bracket_read_symbol(reader) == reader->c)
			reader->found = true;
	} else {
		bracket_read_range(reader);
	}
}

/* Reads the bracket at *pattern (behind its '[') and moves *pattern behind it, unless it is none. */
static enum bracket bracket_match(const char **pattern, byte c, const char **ret_problem)
{
	struct bracket_reader reader = {.p = *pattern, .c = c};
	bool inverted = *reader.p == '!' || *reader.p == '^';
	bool first = true;

	if (inverted)
		reader.p++;
	for (; first || *reader.p != ']'; first = false) {
		if (!*reader.p) {
			*ret_problem = WRONG_CLOSE;
			return BRACKET_UNTERMINATED;
		}
		bracket_read_item(&reader);
		/* A range that is empty is no mistake to fnmatch(3). */
		if (reader.problem)
			*ret_problem = reader.problem;
		if (reader.problem && strcmp(reader.problem, WRONG_RANGE) != 0)
			return BRACKET_BROKEN;
		reader.problem = NULL;
	}
	*pattern = reader.p + 1;
	return reader.found != inverted ? BRACKET_YES : BRACKET_NO;
}

/* Matches one character of the pattern (not a star) against `c`; moves *pattern behind it if it matches. */
static bool glob_match_one(const char **pattern, byte c)
{
	const char *p = *pattern, *problem;
	byte wanted = (byte)*p++;
	bool matched;

	if (wanted == '[') {
		enum bracket bracket = bracket_match(&p, c, &problem);

		matched = bracket == BRACKET_YES || (bracket == BRACKET_UNTERMINATED && c == '[');
	} else if (wanted == '\\') {
		matched = *p && (byte)*p == c;
		p++;
	} else {
		matched = wanted == '?' || wanted == c;
	}
	if (matched)
		*pattern = p;
	return matched;
}

bool glob_match(const char *pattern, const char *text)
{
	const char *star = NULL, *resume = NULL;

	/* A star first takes nothing; when what follows fails, the last star takes one character more. Earlier stars
	 * need no other try: whatever they could leave, the last one can take. */
	while (*text) {
		if (*pattern == '*') {
			star = ++pattern;
			resume = text;
		} else if (*pattern && glob_match_one(&pattern, (byte)*text)) {
			text++;
		} else if (star) {
			pattern = star;
			text = ++resume;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return !*pattern;
}

const char *glob_check(const char *pattern)
{
	const char *problem = NULL;

	while (*pattern && !problem) {
		char c = *pattern++;

		if (c == '\\') {
			if (!*pattern)
				return WRONG_ESCAPE;
			pattern++;
		} else if (c == '[') {
			bracket_match(&pattern, 0, &problem);
		}
	}
	return problem;
}
