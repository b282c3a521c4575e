/* SPDX-License-Identifier: GPL-2.0-only */
/* What holds for what a port's container is said to have, whoever said it. */
#ifndef BULKHEAD_TESTS_FUZZ_MUST_PORT_H
#define BULKHEAD_TESTS_FUZZ_MUST_PORT_H

#include "must.h"
#include "port/evidence.h"

static inline void must_be_usable(const struct port_addrs *addrs)
{
	must(addrs->count <= PORT_ADDRESSES_MAX);
	for (size_t i = 0; i < addrs->count; i++)
		must(!addr_is_unusable(&addrs->items[i]));
}

#endif
