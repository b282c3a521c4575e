/* SPDX-License-Identifier: GPL-2.0-only */
#include "policy/special.h"

#define V4(a, b, c, d, bits)                                                                 \
	{                                                                                    \
		.addr = {.family = ADDR_V4, .bytes = {(a), (b), (c), (d)}}, .length = (bits) \
	}
/* The first 8 bytes; no prefix of these tables is longer, but for those written by V6_LOW. */
#define V6(a, b, c, d, bits)                                                                                         \
	{                                                                                                            \
		.addr = {.family = ADDR_V6,                                                                          \
			 .bytes = {(a) >> 8, (a)&0xff, (b) >> 8, (b)&0xff, (c) >> 8, (c)&0xff, (d) >> 8, (d)&0xff}}, \
		.length = (bits)                                                                                     \
	}
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* As the policy language lists them (docs/policy.md, 'Special-use'). */
static const struct prefix special_use[] = {
	V4(0, 0, 0, 0, 8),
	V4(127, 0, 0, 0, 8),
	V4(169, 254, 0, 0, 16),
	V4(192, 0, 0, 0, 24),
	V4(192, 88, 99, 0, 24),
	V4(224, 0, 0, 0, 4),
	V4(240, 0, 0, 0, 4),
	V6(0, 0, 0, 0, 96),
	{.addr = {.family = ADDR_V6, .bytes = {[10] = 0xff, [11] = 0xff}}, .length = 96}, /* ::ffff:0:0/96 */
	V6(0x64, 0xff9b, 1, 0, 48),
	V6(0x100, 0, 0, 0, 64),
	V6(0x2001, 0, 0, 0, 32),
	V6(0x2002, 0, 0, 0, 16),
	V6(0xfe80, 0, 0, 0, 10),
	V6(0xfec0, 0, 0, 0, 10),
	V6(0xff00, 0, 0, 0, 8),
};
static const struct prefix private_use[] = {
	V4(10, 0, 0, 0, 8),    V4(172, 16, 0, 0, 12),  V4(192, 168, 0, 0, 16),
	V4(100, 64, 0, 0, 10), V6(0xfc00, 0, 0, 0, 7),
};
/* Documentation and benchmarking: in `world`, not in `internet`. */
static const struct prefix documentation[] = {
	V4(192, 0, 2, 0, 24),  V4(198, 51, 100, 0, 24),	    V4(203, 0, 113, 0, 24),
	V4(198, 18, 0, 0, 15), V6(0x2001, 0xdb8, 0, 0, 32), V6(0x3fff, 0, 0, 0, 20),
};
static const struct prefix everything[] = {V4(0, 0, 0, 0, 0), V6(0, 0, 0, 0, 0)};
static const struct prefix global_unicast6 = V6(0x2000, 0, 0, 0, 3);

static const struct prefix *overlapping(const struct prefix *list, size_t count, const struct prefix *prefix)
{
	for (size_t i = 0; i < count; i++)
		if (prefix_overlaps(&list[i], prefix))
			return &list[i];
	return NULL;
}

static bool covered(const struct prefix *list, size_t count, const struct prefix *prefix)
{
	for (size_t i = 0; i < count; i++)
		if (prefix_covers(&list[i], prefix))
			return true;
	return false;
}

const struct prefix *special_overlapping(const struct prefix *prefix)
{
	return overlapping(special_use, COUNT_OF(special_use), prefix);
}

bool special_covers(const struct prefix *prefix)
{
	return covered(special_use, COUNT_OF(special_use), prefix);
}

const struct prefix *special_private(size_t *ret_count)
{
	*ret_count = COUNT_OF(private_use);
	return private_use;
}

const struct prefix *special_everything(size_t *ret_count)
{
	*ret_count = COUNT_OF(everything);
	return everything;
}

bool special_is_private(const struct prefix *prefix)
{
	return covered(private_use, COUNT_OF(private_use), prefix);
}

bool special_is_internet(const struct prefix *prefix)
{
	if (prefix->addr.family == ADDR_V6 && !prefix_covers(&global_unicast6, prefix))
		return false;
	return !special_overlapping(prefix) && !overlapping(private_use, COUNT_OF(private_use), prefix) &&
	       !overlapping(documentation, COUNT_OF(documentation), prefix);
}
