/* SPDX-License-Identifier: GPL-2.0-only */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "table_fixture.h"

void table_fixture_load(struct table_fixture *fixture, const char *policy, const char *world, struct registry *registry)
{
	struct error error = {0};

	memset(fixture, 0, sizeof(*fixture));
	fixture_load(&fixture->of, policy, world);
	if (!registry) {
		assert_int_equal(registry_new(&fixture->registry), 0);
		registry = fixture->registry;
	}
	if (table_compile(fixture->of.policy, &fixture->of.world, registry, TABLE_NOW_S, &fixture->table, &error) < 0)
		fail_msg("the policy does not compile: %s", error.text);
}

void table_fixture_free(struct table_fixture *fixture)
{
	table_free(fixture->table);
	registry_free(fixture->registry);
	fixture_free(&fixture->of);
}

uint32_t table_fixture_class(const struct table_fixture *fixture, const char *word)
{
	struct party party = fixture_party(&fixture->of, word);

	switch (party.kind) {
	case PARTY_HOST:
		return BH_CLASS_HOST;
	case PARTY_PORT:
		return fixture->table->ports.items[party.port].identity;
	case PARTY_ADDRESS:
		return table_class(fixture->table, &party.addr, party.domain);
	}
	return BH_CLASS_NONE;
}

uint32_t table_fixture_service(const struct table *table, const char *service)
{
	struct service_atoms atoms = {0};
	struct service_point point = {0};

	assert_int_equal(service_parse(NULL, service, &atoms, NULL), 0);
	assert_int_equal(atoms.count, 1);
	point.protocol = atoms.items[0].protocol;
	if (atoms.items[0].kind == SERVICE_PORTS)
		point.port = atoms.items[0].low;
	else if (atoms.items[0].kind == SERVICE_ICMP)
		point.port = (uint16_t)(atoms.items[0].low << 8 |
					(atoms.items[0].high == SERVICE_CODE_ANY ? 0 : atoms.items[0].high));
	array_free(&atoms);
	return table_service(table, &point);
}

struct table_verdict table_fixture_ask(const struct table_fixture *fixture, const char *from, const char *to,
				       const char *service, int64_t now)
{
	struct table_verdict verdict;

	table_lookup(fixture->table, table_fixture_class(fixture, from), table_fixture_class(fixture, to),
		     table_fixture_service(fixture->table, service), now, &verdict);
	return verdict;
}

const struct bh_cell *table_fixture_cell(const struct table_fixture *fixture, uint32_t src, uint32_t dst,
					 uint32_t service)
{
	for (size_t i = 0; i < fixture->table->cells.count; i++)
		if (fixture->table->cells.items[i].key == BH_CELL_KEY(src, dst, service))
			return &fixture->table->cells.items[i].cell;
	return NULL;
}

size_t table_fixture_cells_between(const struct table_fixture *fixture, uint32_t src, uint32_t dst)
{
	size_t count = 0;

	for (size_t i = 0; i < fixture->table->cells.count; i++)
		count += fixture->table->cells.items[i].key >> 16 == BH_CELL_KEY(src, dst, 0) >> 16;
	return count;
}

const char *table_fixture_text(const struct table_fixture *fixture, uint32_t number)
{
	const struct decision *decision = table_decision(fixture->table, number);

	return decision ? decision->text : "";
}
