/* SPDX-License-Identifier: GPL-2.0-only */
/* What holds for whatever is read, whoever wrote it. */
#ifndef BULKHEAD_TESTS_FUZZ_MUST_H
#define BULKHEAD_TESTS_FUZZ_MUST_H

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "port/evidence.h"

static inline void must(bool holds)
{
	if (!holds)
		abort();
}

static inline void must_be_text(const char *text, size_t max)
{
	must(!text || (strlen(text) <= max && text_is_utf8(text, strlen(text))));
}

static inline void must_be_usable(const struct port_addrs *addrs)
{
	must(addrs->count <= PORT_ADDRESSES_MAX);
	for (size_t i = 0; i < addrs->count; i++)
		must(!addr_is_unusable(&addrs->items[i]));
}

#endif
