/* SPDX-License-Identifier: GPL-2.0-only */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "addr.h"

int addr_parse(const char *text, struct addr *ret_addr)
{
	struct addr addr = {0};

	/* inet_pton() takes four decimal numbers without leading zeros, or RFC 4291's forms without a zone. */
	addr.family = strchr(text, ':') ? ADDR_V6 : ADDR_V4;
	if (inet_pton(addr.family == ADDR_V6 ? AF_INET6 : AF_INET, text, addr.bytes) != 1)
		return -EINVAL;
	*ret_addr = addr;
	return 0;
}

uint8_t addr_bits(const struct addr *addr)
{
	return addr->family == ADDR_V4 ? 32 : addr->family == ADDR_V6 ? 128 : 0;
}

/* Decimal, no sign, no leading zero, at most `max`. */
static int addr_parse_length(const char *text, unsigned int max, uint8_t *ret_length)
{
	unsigned int value = 0;

	if (!*text || (text[0] == '0' && text[1]))
		return -EINVAL;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		value = value * 10 + (unsigned int)(*text - '0');
		if (value > max)
			return -EINVAL;
	}
	*ret_length = (uint8_t)value;
	return 0;
}

/* Keeps the first `length` bits; true when one of the others was set. */
static bool addr_mask(struct addr *addr, uint8_t length)
{
	bool had_bits = false;

	for (unsigned int i = 0; i < sizeof(addr->bytes); i++) {
		unsigned int kept = length <= i * 8 ? 0 : length - i * 8;
		uint8_t mask = kept >= 8 ? 0xff : (uint8_t)(0xff00 >> kept);

		if (addr->bytes[i] & (uint8_t)~mask)
			had_bits = true;
		addr->bytes[i] &= mask;
	}
	return had_bits;
}

int prefix_parse(const char *text, struct prefix *ret_prefix, bool *ret_host_bits)
{
	struct prefix prefix = {0};
	char buffer[ADDR_TEXT_MAX];
	size_t length = strcspn(text, "/");
	int r;

	if (length >= sizeof(buffer))
		return -EINVAL;
	memcpy(buffer, text, length);
	buffer[length] = '\0';
	r = addr_parse(buffer, &prefix.addr);
	if (r < 0)
		return r;
	prefix.length = addr_bits(&prefix.addr);
	if (text[length] == '/') {
		r = addr_parse_length(text + length + 1, prefix.length, &prefix.length);
		if (r < 0)
			return r;
	}
	bool host_bits = addr_mask(&prefix.addr, prefix.length);
	*ret_prefix = prefix;
	if (ret_host_bits)
		*ret_host_bits = host_bits;
	return 0;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int mac_parse(const char *text, struct mac *ret_mac)
{
	struct mac mac;

	if (strlen(text) != MAC_TEXT_MAX - 1)
		return -EINVAL;
	for (size_t i = 0; i < sizeof(mac.bytes); i++, text += 3) {
		int high = hex_digit(text[0]), low = hex_digit(text[1]);
		char after = i + 1 < sizeof(mac.bytes) ? ':' : '\0';

		if (high < 0 || low < 0 || text[2] != after)
			return -EINVAL;
		mac.bytes[i] = (uint8_t)(high << 4 | low);
	}
	*ret_mac = mac;
	return 0;
}

const char *addr_format(const struct addr *addr, char buffer[ADDR_TEXT_MAX])
{
	int family = addr->family == ADDR_V6 ? AF_INET6 : AF_INET;

	if (addr_bits(addr) == 0 || !inet_ntop(family, addr->bytes, buffer, ADDR_TEXT_MAX))
		memcpy(buffer, "none", sizeof("none"));
	return buffer;
}

const char *prefix_format(const struct prefix *prefix, char buffer[PREFIX_TEXT_MAX])
{
	char addr[ADDR_TEXT_MAX];

	snprintf(buffer, PREFIX_TEXT_MAX, "%s/%u", addr_format(&prefix->addr, addr), prefix->length);
	return buffer;
}

const char *mac_format(const struct mac *mac, char buffer[MAC_TEXT_MAX])
{
	const uint8_t *b = mac->bytes;

	snprintf(buffer, MAC_TEXT_MAX, "%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3], b[4], b[5]);
	return buffer;
}

int addr_compare(const struct addr *a, const struct addr *b)
{
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

bool addr_equal(const struct addr *a, const struct addr *b)
{
	return addr_compare(a, b) == 0;
}

int prefix_compare(const struct prefix *a, const struct prefix *b)
{
	int order = addr_compare(&a->addr, &b->addr);

	return order ? order : (int)a->length - (int)b->length;
}

bool prefix_holds(const struct prefix *prefix, const struct addr *addr)
{
	unsigned int whole = prefix->length / 8, rest = prefix->length % 8;

	if (prefix->addr.family != addr->family || memcmp(prefix->addr.bytes, addr->bytes, whole) != 0)
		return false;
	return rest == 0 || (prefix->addr.bytes[whole] ^ addr->bytes[whole]) >> (8 - rest) == 0;
}

bool prefix_covers(const struct prefix *outer, const struct prefix *inner)
{
	return outer->length <= inner->length && prefix_holds(outer, &inner->addr);
}

bool prefix_overlaps(const struct prefix *a, const struct prefix *b)
{
	return prefix_covers(a, b) || prefix_covers(b, a);
}

struct prefix prefix_of(const struct addr *addr)
{
	return (struct prefix){.addr = *addr, .length = addr_bits(addr)};
}

struct addr prefix_last(const struct prefix *prefix)
{
	struct addr last = prefix->addr;

	for (unsigned int bit = prefix->length; bit < addr_bits(&last); bit++)
		last.bytes[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	return last;
}

struct addr addr_from_v4(uint32_t host_order)
{
	uint32_t network_order = htonl(host_order);

	return addr_from_bytes(ADDR_V4, &network_order);
}

struct addr addr_from_bytes(int family, const void *bytes)
{
	struct addr addr = {0};

	if (family != ADDR_V4 && family != ADDR_V6)
		return addr;
	addr.family = (uint8_t)family;
	memcpy(addr.bytes, bytes, family == ADDR_V4 ? 4 : 16);
	return addr;
}

bool addr_bit(const struct addr *addr, unsigned int index)
{
	return index < addr_bits(addr) && (addr->bytes[index / 8] & 0x80 >> index % 8) != 0;
}
