/* SPDX-License-Identifier: GPL-2.0-only */
/* A policy and a world from text, compiled; and the table asked in few words. */
#ifndef TESTS_UNIT_TABLE_FIXTURE_H
#define TESTS_UNIT_TABLE_FIXTURE_H

#include "fixture.h"
#include "table/compile.h"

#define TABLE_NOW_S (FIXTURE_NOW / 1000000000)

struct table_fixture {
	struct fixture of;
	struct registry *registry;
	struct table *table;
};

/* Must compile. `registry` NULL: a new one, freed with the fixture. */
void table_fixture_load(struct table_fixture *fixture, const char *policy, const char *world,
			struct registry *registry);
void table_fixture_free(struct table_fixture *fixture);

/* The class of a container's first port (by name), "host", or an address. */
uint32_t table_fixture_class(const struct table_fixture *fixture, const char *word);
/* The verdict between two such, for a service point as a rule writes it ("tcp/80"), at `now`. */
struct table_verdict table_fixture_ask(const struct table_fixture *fixture, const char *from, const char *to,
				       const char *service, int64_t now);
/* The cell of the table, or NULL. */
const struct bh_cell *table_fixture_cell(const struct table_fixture *fixture, uint32_t src, uint32_t dst,
					 uint32_t service);
size_t table_fixture_cells_between(const struct table_fixture *fixture, uint32_t src, uint32_t dst);
uint32_t table_fixture_service(const struct table *table, const char *service);
/* What a decision says: its text. "" for 0. */
const char *table_fixture_text(const struct table_fixture *fixture, uint32_t number);

#endif
