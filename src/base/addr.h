/* SPDX-License-Identifier: GPL-2.0-only */
/* Addresses, prefixes and MAC addresses, both families alike. */
#ifndef BULKHEAD_BASE_ADDR_H
#define BULKHEAD_BASE_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ADDR_NONE = 0, ADDR_V4 = 4, ADDR_V6 = 6 };
#define ADDR_TEXT_MAX	46 /* with the NUL */
#define PREFIX_TEXT_MAX (ADDR_TEXT_MAX + 4)
#define MAC_TEXT_MAX	18

struct addr {
	uint8_t family;	   /* ADDR_V4, ADDR_V6; ADDR_NONE: no address */
	uint8_t bytes[16]; /* network order; IPv4 in the first 4, the rest zero */
};

struct prefix {
	struct addr addr; /* bits below `length` are zero */
	uint8_t length;	  /* 0..32 or 0..128 */
};

struct mac {
	uint8_t bytes[6];
};

/* Strict text forms only (inet_pton); no zone index, no surrounding blanks, NUL-terminated. -EINVAL otherwise. */
int addr_parse(const char *text, struct addr *ret_addr);
int prefix_parse(const char *text, struct prefix *ret_prefix,
		 bool *ret_host_bits); /* "A" is one host; *ret_host_bits: bits below
					 the length were set (and were cleared) */
int mac_parse(const char *text, struct mac *ret_mac);

/* Write the text form into `buffer` of the given constant size and return it. */
const char *addr_format(const struct addr *addr, char buffer[ADDR_TEXT_MAX]);
const char *prefix_format(const struct prefix *prefix, char buffer[PREFIX_TEXT_MAX]);
const char *mac_format(const struct mac *mac, char buffer[MAC_TEXT_MAX]);

int addr_compare(const struct addr *a, const struct addr *b); /* family first; <0, 0, >0 */
bool addr_equal(const struct addr *a, const struct addr *b);
int prefix_compare(const struct prefix *a, const struct prefix *b); /* by address, then the shorter first */
bool prefix_holds(const struct prefix *prefix, const struct addr *addr);
bool prefix_covers(const struct prefix *outer, const struct prefix *inner); /* equal counts */
bool prefix_overlaps(const struct prefix *a, const struct prefix *b);
uint8_t addr_bits(const struct addr *addr);	      /* 32 or 128; 0 for none */
struct prefix prefix_of(const struct addr *addr);     /* the one-address prefix */
struct addr prefix_last(const struct prefix *prefix); /* last address: the broadcast address of an IPv4 subnet */
struct addr addr_from_v4(uint32_t host_order);
struct addr addr_from_bytes(int family, const void *bytes); /* 4 or 16 bytes, network order */
bool addr_bit(const struct addr *addr, unsigned int index); /* bit 0 is the most significant */

#endif
