/* SPDX-License-Identifier: GPL-2.0-only */
/* The address spaces that the built-in ends are made of (docs/policy.md, 'Which address is what'). */
#include <string.h>

#include "policy/standing.h"

#define V4(a, b, c, d, bits)                                                                 \
	{                                                                                    \
		.addr = {.family = ADDR_V4, .bytes = {(a), (b), (c), (d)}}, .length = (bits) \
	}
/* The first three 16-bit words are enough for all prefixes here but those that say more. */
#define V6(a, b, c, bits)                                                                                           \
	{                                                                                                           \
		.addr = {.family = ADDR_V6, .bytes = {(a) >> 8, (a)&0xff, (b) >> 8, (b)&0xff, (c) >> 8, (c)&0xff}}, \
		.length = (bits)                                                                                    \
	}

/* IANA's special-purpose registries (RFC 6890 and its updates), as far as nobody has a peer there. */
static const struct prefix special_prefixes[] = {
	V4(0, 0, 0, 0, 8),
	V4(127, 0, 0, 0, 8),
	V4(169, 254, 0, 0, 16),
	V4(192, 0, 0, 0, 24),
	V4(192, 88, 99, 0, 24),
	V4(224, 0, 0, 0, 4),
	V4(240, 0, 0, 0, 4),
	V6(0, 0, 0, 96),
	/* ::ffff:0:0/96 */
	{.addr = {.family = ADDR_V6, .bytes = {[10] = 0xff, [11] = 0xff}}, .length = 96},
	V6(0x64, 0xff9b, 1, 48),
	V6(0x100, 0, 0, 64),
	V6(0x2001, 0, 0, 32),
	V6(0x2002, 0, 0, 16),
	V6(0xfe80, 0, 0, 10),
	V6(0xfec0, 0, 0, 10),
	V6(0xff00, 0, 0, 8),
};

/* RFC 1918, RFC 6598, RFC 4193. */
static const struct prefix private_prefixes[] = {
	V4(10, 0, 0, 0, 8), V4(172, 16, 0, 0, 12), V4(192, 168, 0, 0, 16), V4(100, 64, 0, 0, 10), V6(0xfc00, 0, 0, 7),
};

/* RFC 5737, RFC 2544, RFC 3849, RFC 9637. */
static const struct prefix documentation_prefixes[] = {
	V4(192, 0, 2, 0, 24),  V4(198, 51, 100, 0, 24),	 V4(203, 0, 113, 0, 24),
	V4(198, 18, 0, 0, 15), V6(0x2001, 0xdb8, 0, 32), V6(0x3fff, 0, 0, 20),
};

static const struct prefix global_v6_prefixes[] = {V6(0x2000, 0, 0, 3)};

static const struct prefix multicast_prefixes[] = {
	V4(224, 0, 0, 0, 4),
	V4(255, 255, 255, 255, 32),
	V6(0xff00, 0, 0, 8),
};

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static const struct {
	const struct prefix *prefixes;
	size_t count;
} spaces[SPACE_MAX] = {
	[SPACE_SPECIAL] = {special_prefixes, COUNT(special_prefixes)},
	[SPACE_PRIVATE] = {private_prefixes, COUNT(private_prefixes)},
	[SPACE_DOCUMENTATION] = {documentation_prefixes, COUNT(documentation_prefixes)},
	[SPACE_GLOBAL_V6] = {global_v6_prefixes, COUNT(global_v6_prefixes)},
	[SPACE_MULTICAST] = {multicast_prefixes, COUNT(multicast_prefixes)},
};

const struct prefix *space_prefixes(enum space space, size_t *ret_count)
{
	*ret_count = spaces[space].count;
	return spaces[space].prefixes;
}

bool space_holds(enum space space, const struct addr *addr)
{
	for (size_t i = 0; i < spaces[space].count; i++)
		if (prefix_holds(&spaces[space].prefixes[i], addr))
			return true;
	return false;
}

/* One of the two halves of a prefix. */
static struct prefix prefix_half(const struct prefix *prefix, bool upper)
{
	struct prefix half = *prefix;

	if (upper)
		half.addr.bytes[half.length / 8] |= (uint8_t)(0x80 >> half.length % 8);
	half.length++;
	return half;
}

/* Each step down halves a prefix that is cut by a longer one of the space: at most 128 deep, and only along the few
 * prefixes of the space. */
bool space_covers(enum space space, const struct prefix *prefix) /* NOLINT(misc-no-recursion): bounded, see above */
{
	bool cut = false;
	struct prefix lower, upper;

	for (size_t i = 0; i < spaces[space].count; i++) {
		if (prefix_covers(&spaces[space].prefixes[i], prefix))
			return true;
		if (prefix_covers(prefix, &spaces[space].prefixes[i]))
			cut = true;
	}
	if (!cut)
		return false;
	lower = prefix_half(prefix, false);
	upper = prefix_half(prefix, true);
	return space_covers(space, &lower) && space_covers(space, &upper);
}

bool addr_is_loopback(const struct addr *addr)
{
	static const struct prefix loopback4 = V4(127, 0, 0, 0, 8);
	static const struct prefix loopback6 = {.addr = {.family = ADDR_V6, .bytes = {[15] = 1}}, .length = 128};

	return prefix_holds(&loopback4, addr) || prefix_holds(&loopback6, addr);
}

bool addr_is_metadata(const struct policy *policy, const struct addr *addr)
{
	for (size_t i = 0; i < policy->settings.metadata.count; i++)
		if (addr_equal(&policy->settings.metadata.items[i], addr))
			return true;
	return false;
}

bool addr_from_nat64(const struct policy *policy, const struct addr *addr, struct addr *ret_v4)
{
	for (size_t i = 0; i < policy->settings.nat64.count; i++) {
		const struct prefix *prefix = &policy->settings.nat64.items[i];

		/* Only /96: the IPv4 address stands in the last four bytes (RFC 6052, section 2.2). */
		if (prefix->length != 96 || !prefix_holds(prefix, addr))
			continue;
		*ret_v4 = addr_from_bytes(ADDR_V4, addr->bytes + 12);
		return true;
	}
	return false;
}
