/* SPDX-License-Identifier: GPL-2.0-only */
/* A zone of its own for each bridge, whatever numbers the bridges have, and the way back from it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gate/nft_zone.h"

static void zones_of(struct nft_zones *zones, struct gate_bridge *bridges, size_t count)
{
	const struct gate_desired desired = {.bridges = bridges, .bridge_count = count};

	assert_int_equal(nft_zones_make(zones, &desired), 0);
	for (size_t i = 0; i < count; i++) {
		uint16_t zone = nft_zone_of(zones, bridges[i].ifindex);

		assert_int_not_equal(zone, 0);
		assert_int_equal(nft_zone_bridge(zones, zone), bridges[i].ifindex);
		for (size_t j = 0; j < i; j++)
			assert_int_not_equal(nft_zone_of(zones, bridges[j].ifindex), zone);
	}
}

static void test_equal_in_16_bits(void **state)
{
	/* The last takes the number that the second would have moved on to. */
	struct gate_bridge bridges[] = {{.ifindex = 7},
					{.ifindex = 6 + UINT16_MAX},
					{.ifindex = 6},
					{.ifindex = 7 + 2 * UINT16_MAX},
					{.ifindex = 8}};
	struct nft_zones zones = {0};

	(void)state;
	zones_of(&zones, bridges, sizeof(bridges) / sizeof(*bridges));
	assert_int_equal(nft_zone_of(&zones, 6), 7);
	assert_int_equal(nft_zone_of(&zones, 8), 9);
	nft_zones_free(&zones);
}

static void test_around_the_end(void **state)
{
	struct gate_bridge bridges[] = {{.ifindex = UINT16_MAX - 1},
					{.ifindex = 2 * UINT16_MAX - 1},
					{.ifindex = UINT16_MAX},
					{.ifindex = UINT32_MAX}};
	struct nft_zones zones = {0};

	(void)state;
	zones_of(&zones, bridges, sizeof(bridges) / sizeof(*bridges));
	nft_zones_free(&zones);
}

static void test_a_newer_one_changes_nobodys(void **state)
{
	struct gate_bridge bridges[] = {{.ifindex = 5 + UINT16_MAX}, {.ifindex = 5}, {.ifindex = 5 + 2 * UINT16_MAX}};
	struct nft_zones two = {0}, three = {0};

	(void)state;
	zones_of(&two, bridges, 2);
	zones_of(&three, bridges, 3);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(nft_zone_of(&two, bridges[i].ifindex), nft_zone_of(&three, bridges[i].ifindex));
	nft_zones_free(&two);
	nft_zones_free(&three);
}

static void test_nobodys(void **state)
{
	struct gate_bridge bridge = {.ifindex = 5};
	struct nft_zones zones = {0};

	(void)state;
	zones_of(&zones, &bridge, 1);
	assert_int_equal(nft_zone_bridge(&zones, 0), 0);
	assert_int_equal(nft_zone_bridge(&zones, 5), 0);
	assert_int_equal(nft_zone_of(&zones, 5 + UINT16_MAX), 0);
	zones_of(&zones, NULL, 0);
	assert_int_equal(nft_zone_of(&zones, 5), 0);
	nft_zones_free(&zones);
}

static void test_more_bridges_than_zones(void **state)
{
	struct gate_bridge *bridges = calloc(UINT16_MAX + 1u, sizeof(*bridges));
	struct gate_desired desired = {.bridges = bridges, .bridge_count = UINT16_MAX + 1u};
	struct nft_zones zones = {0};

	(void)state;
	assert_non_null(bridges);
	assert_int_equal(nft_zones_make(&zones, &desired), -ENOSPC);
	free(bridges);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_equal_in_16_bits),
		cmocka_unit_test(test_around_the_end),
		cmocka_unit_test(test_a_newer_one_changes_nobodys),
		cmocka_unit_test(test_nobodys),
		cmocka_unit_test(test_more_bridges_than_zones),
	};

	return cmocka_run_group_tests_name("nft_zone", tests, NULL, NULL);
}
