/* SPDX-License-Identifier: GPL-2.0-only */
/* What a container that sends from its first moment (tests/e2e/hasty.c) puts into each packet, so that the receiver
 * (tests/tools/catch.c) knows whose it is, by which of its interfaces it went, and whether a policy would let it pass.
 */
#ifndef BULKHEAD_TESTS_HASTY_H
#define BULKHEAD_TESTS_HASTY_H

#include <stdint.h>

#define HASTY_MAGIC	   "BHWINDOW"
#define HASTY_PORT_ALLOWED 7000	 /* of the victim */
#define HASTY_PORT_OUTSIDE 7001	 /* of somebody outside */
#define HASTY_PORT_DENIED  7009	 /* of anybody */
#define HASTY_PORT_SOURCE  20000 /* and the number: a SYN has no room for more */

enum hasty_sort {
	HASTY_ALLOWED_UDP,
	HASTY_ALLOWED_TCP,
	HASTY_ALLOWED_OUTSIDE,
	HASTY_DENIED_UDP,
	HASTY_DENIED_TCP,
	HASTY_DENIED_OUTSIDE,
	HASTY_DENIED_HOST,
	HASTY_RAW_OUTSIDE, /* a neighbour's MAC address, an outside destination that is allowed by routing */
	HASTY_RAW_SPOOFED, /* the source address of one who may */
	HASTY_RAW_ARP,	   /* claims the gateway's address */
	HASTY_RAW_IPV6,	   /* link-local, to the neighbour */
	HASTY_RAW_GROUP,   /* IPv6, to all nodes */
	HASTY_RAW_OTHER,   /* another EtherType, to all */
	HASTY_SORT_MAX
};

struct hasty_mark {
	char magic[8];
	uint16_t number, ifindex; /* in network order */
	uint8_t sort, pad[3];
};
_Static_assert(sizeof(struct hasty_mark) == 16, "it has room in the padding of an ARP frame");

#endif
