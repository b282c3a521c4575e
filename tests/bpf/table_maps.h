/* SPDX-License-Identifier: GPL-2.0-only */
/* A compiled table in the maps of the world (bpf_test.h), as it is: only instants are moved, as the programs ask the
 * clock. Quick to do again: a new inner map costs a grace period of the kernel's, so the maps stay and only what
 * differs from the table before is written. */
#ifndef BULKHEAD_TESTS_TABLE_MAPS_H
#define BULKHEAD_TESTS_TABLE_MAPS_H

#include "policy/world.h"
#include "table/table.h"
#include "tests/bpf/bpf_test.h"

/* `now`: ns since the epoch. What ends later than that ends an hour from the clock's now; the rest has ended. */
void table_maps_load(const struct table *table, int64_t now);

/* A port of the table's world takes the place of port A, with nothing but its addresses its own. */
void table_maps_port(const struct world_port *port, uint32_t identity);

#endif
