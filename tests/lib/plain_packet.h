/* SPDX-License-Identifier: GPL-2.0-only */
/* What a frame really is: read byte by byte as plainly as possible, after docs/policy.md, docs/reasons.md and the RFCs,
 * and sharing nothing with the programs' parser. The measure of what a gate may take a packet for. */
#ifndef BULKHEAD_TESTS_PLAIN_PACKET_H
#define BULKHEAD_TESTS_PLAIN_PACKET_H

#include "policy/verdict.h"

enum plain_kind {
	PLAIN_BAD,   /* to be dropped whoever sends it and whatever the policy: `why` */
	PLAIN_OPENS, /* may open a flow: `service` */
	PLAIN_STRAY, /* belongs to an open flow or nowhere: an answer, an ICMP error, TCP without SYN */
	PLAIN_LATER, /* a part of a datagram without its transport header */
	PLAIN_LIFE,  /* what a port needs to live, and what only routers and DHCP servers send */
};

struct plain_packet {
	enum plain_kind kind;
	const char *why;
	bool tagged, arp;
	bool server; /* PLAIN_LIFE: only a router's or a DHCP server's to send */
	bool first;  /* the first of several parts */
	bool more;   /* parts follow */
	uint8_t source_mac[6], target_mac[6];
	struct addr source, target;
	uint8_t protocol;
	struct service_point service;
	uint32_t fragment_id, begin, end; /* of this part within its datagram, in bytes; `end`: beyond the last */
};

/* Frames of any length. An `arp` one is PLAIN_LIFE with sender and target. */
void plain_packet_read(const uint8_t *frame, size_t size, struct plain_packet *ret_packet);

/* Addresses that no packet may come from, or go to. */
bool plain_source_is_martian(const struct addr *addr);
bool plain_target_is_martian(const struct addr *addr);
bool plain_target_is_group(const struct addr *addr); /* multicast, and the broadcast to all */

#endif
