/* SPDX-License-Identifier: GPL-2.0-only */
/* What holds for whatever is read, whoever wrote it. */
#ifndef BULKHEAD_TESTS_FUZZ_MUST_H
#define BULKHEAD_TESTS_FUZZ_MUST_H

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

static inline void must(bool holds)
{
	if (!holds)
		abort();
}

static inline void must_be_text(const char *text, size_t max)
{
	must(!text || (strlen(text) <= max && text_is_utf8(text, strlen(text))));
}

/* On a terminal, or anywhere. */
static inline void must_be_printable(const char *text, size_t size)
{
	must(text_is_utf8(text, size));
	for (size_t i = 0; i < size; i++)
		must((unsigned char)text[i] >= 0x20 || text[i] == '\n' || text[i] == '\t');
}

#endif
