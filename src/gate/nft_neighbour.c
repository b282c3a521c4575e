/* SPDX-License-Identifier: GPL-2.0-only */
/* ARP (RFC 826, 5227) and IPv6 neighbour discovery (RFC 4861, 4862): nobody speaks for an address that is not its own.
 * A question, or an answer, comes only to a port that may have to do with its sender. */
#include <linux/if_ether.h>

#include "gate/nft_guard.h"

#define ARP_OPERATION  6u /* where fields stand: RFC 826 */
#define ARP_SENDER_MAC 8u
#define ARP_SENDER     14u
#define ARP_TARGET     24u

#define IP6_LENGTH    4u
#define IP6_NEXT      6u
#define IP6_HOP_LIMIT 7u
#define IP6_SOURCE    8u
#define ND_SIZE	      24u /* of a message without options */
#define RS_SIZE	      8u
#define OPTION_SIZE   8u /* of those that name a MAC address, or a nonce (RFC 3971) */
enum { OPTION_SOURCE_LINK = 1, OPTION_TARGET_LINK = 2, OPTION_NONCE = 14 };
enum { SOLICITS_ROUTER = 133, ADVERTISES_ROUTER = 134, SOLICITS = 135, ADVERTISES = 136, REDIRECTS = 137 };

/* ---- ARP ---- */

static void arp_nobody(struct nft_guard *guard)
{
	static const uint8_t nobody[4];

	nft_guard_bytes(guard, NFT_PAYLOAD_NETWORK_HEADER, ARP_SENDER, nobody, sizeof(nobody));
}

/* `operation`: of requests, a probe asks for its own address with no sender's (RFC 5227, 2.1.1). */
static void arp_self(struct nft_guard *guard, const char *name, bool request)
{
	int chain = nft_guard_chain(guard, name);

	nft_guard_rule(guard, chain);
	nft_guard_port_in(guard, false, false, NFT_GUARD_SPOOFERS);
	nft_guard_pass(guard, NULL);
	nft_guard_rule_of(guard, chain, ETH_P_ARP);
	nft_guard_with(guard, false, NFT_PAYLOAD_NETWORK_HEADER, ARP_SENDER_MAC, ETH_ALEN, NFT_GUARD_MACS);
	nft_guard_with(guard, false, NFT_PAYLOAD_NETWORK_HEADER, ARP_SENDER, 4, NFT_GUARD_OWN_4);
	nft_guard_pass(guard, NULL);
	if (request) {
		nft_guard_rule_of(guard, chain, ETH_P_ARP);
		arp_nobody(guard);
		nft_guard_with(guard, false, NFT_PAYLOAD_NETWORK_HEADER, ARP_SENDER_MAC, ETH_ALEN, NFT_GUARD_MACS);
		nft_guard_with(guard, false, NFT_PAYLOAD_NETWORK_HEADER, ARP_TARGET, 4, NFT_GUARD_OWN_4);
		nft_guard_pass(guard, "is anybody using my address?");
	}
	nft_guard_rule(guard, chain);
	nft_guard_refuse(guard, BH_DROP_ARP_SPOOF);
}

static void arp_operation(struct nft_guard *guard, int chain, uint8_t operation, const char *to)
{
	/* Ethernet, IPv4, the lengths of their addresses. */
	const uint8_t head[] = {0, 1, ETH_P_IP >> 8, ETH_P_IP & 0xff, ETH_ALEN, 4, 0, operation};

	nft_guard_rule_of(guard, chain, ETH_P_ARP);
	nft_guard_bytes(guard, NFT_PAYLOAD_NETWORK_HEADER, 0, head, sizeof(head));
	nft_guard_goto(guard, to);
}

void nft_neighbour_who_arp(struct nft_guard *guard)
{
	int chain = nft_guard_chain(guard, "who_arp");

	arp_operation(guard, chain, 1, "who_asks");
	arp_operation(guard, chain, 2, "who_answers");
	nft_guard_rule(guard, chain);
	nft_guard_refuse(guard, BH_DROP_MALFORMED);
	arp_self(guard, "who_asks", true);
	arp_self(guard, "who_answers", false);
}

/* To a port: what asks for it or answers it, and neighbours' announcements. Containers have been found to be
 * themselves when they sent it; the outside must not have their addresses. */
void nft_neighbour_own_arp(struct nft_guard *guard)
{
	int chain = nft_guard_chain(guard, "own_arp");

	nft_guard_rule(guard, chain);
	nft_guard_stamp_is(guard, NFT_CMP_EQ, BH_CLASS_NONE);
	nft_guard_refuse_out(guard, BH_DROP_NO_STAMP);
	nft_guard_rule(guard, chain);
	nft_guard_stamp_is(guard, NFT_CMP_EQ, BH_CLASS_REFUSED);
	nft_guard_refuse_out(guard, BH_DROP_NO_STAMP);
	nft_guard_rule_of(guard, chain, ETH_P_ARP);
	nft_guard_stamp_is(guard, NFT_CMP_EQ, BH_CLASS_REMOTE);
	nft_rule_load(&guard->writer, NFT_PAYLOAD_NETWORK_HEADER, ARP_SENDER, 4, 0);
	nft_rule_in(&guard->writer, false, NFT_GUARD_LOCAL_4);
	nft_guard_refuse_out(guard, BH_DROP_SPOOFED_REMOTE);
	nft_guard_unless_pair(guard, chain);
	nft_guard_rule_of(guard, chain, ETH_P_ARP);
	nft_guard_with(guard, true, NFT_PAYLOAD_NETWORK_HEADER, ARP_TARGET, 4, NFT_GUARD_OWN_4);
	nft_guard_pass(guard, NULL);
	nft_guard_rule_of(guard, chain, ETH_P_ARP);
	nft_rule_load(&guard->writer, NFT_PAYLOAD_NETWORK_HEADER, ARP_SENDER, 4, 0);
	nft_rule_load(&guard->writer, NFT_PAYLOAD_NETWORK_HEADER, ARP_TARGET, 4, 1);
	nft_rule_in(&guard->writer, false, NFT_GUARD_ANNOUNCED);
	nft_guard_pass(guard, NULL);
	nft_guard_rule(guard, chain);
	nft_guard_silent(guard);
}

/* ---- Neighbour discovery: by the forms that there are, each with its exact length, so that no option goes unread ----
 */

static void nd_length(struct nft_guard *guard, uint16_t length)
{
	const uint8_t bytes[2] = {(uint8_t)(length >> 8), (uint8_t)length};

	nft_guard_bytes(guard, NFT_PAYLOAD_NETWORK_HEADER, IP6_LENGTH, bytes, sizeof(bytes));
}

static void nd_option(struct nft_guard *guard, uint32_t offset, uint8_t option)
{
	const uint8_t head[2] = {option, OPTION_SIZE / 8};

	nd_length(guard, (uint16_t)(offset + OPTION_SIZE));
	nft_guard_bytes(guard, NFT_PAYLOAD_TRANSPORT_HEADER, offset, head, sizeof(head));
}

static void nd_own_link(struct nft_guard *guard, uint32_t offset, uint8_t option, const char *set)
{
	nd_option(guard, offset, option);
	nft_guard_with(guard, false, NFT_PAYLOAD_TRANSPORT_HEADER, offset + NFT_OPTION_LINK, ETH_ALEN, set);
}

static void nd_from_nobody(struct nft_guard *guard)
{
	static const uint8_t nobody[16];

	nft_guard_bytes(guard, NFT_PAYLOAD_NETWORK_HEADER, IP6_SOURCE, nobody, sizeof(nobody));
}

static void nd_from_self(struct nft_guard *guard)
{
	nft_guard_with(guard, false, NFT_PAYLOAD_NETWORK_HEADER, IP6_SOURCE, 16, NFT_GUARD_OWN_6);
}

static void nd_own_target(struct nft_guard *guard)
{
	nft_guard_with(guard, false, NFT_PAYLOAD_TRANSPORT_HEADER, NFT_ND_TARGET, 16, NFT_GUARD_TARGETS);
}

static void solicits_router(struct nft_guard *guard)
{
	int chain = nft_guard_chain(guard, "who_solicits_router");

	nft_guard_rule_of(guard, chain, ETH_P_IPV6);
	nd_length(guard, RS_SIZE);
	nd_from_nobody(guard);
	nft_guard_pass(guard, NULL);
	nft_guard_rule_of(guard, chain, ETH_P_IPV6);
	nd_length(guard, RS_SIZE);
	nd_from_self(guard);
	nft_guard_pass(guard, NULL);
	nft_guard_rule_of(guard, chain, ETH_P_IPV6);
	nd_own_link(guard, NFT_RS_OPTION, OPTION_SOURCE_LINK, NFT_GUARD_RS_LINKS);
	nd_from_self(guard);
	nft_guard_pass(guard, NULL);
	nft_guard_rule(guard, chain);
	nft_guard_refuse(guard, BH_DROP_ND_SPOOF);
}

/* Duplicate address detection: for its own address, with nothing or a nonce (RFC 7527). */
static void solicits_for_itself(struct nft_guard *guard, int chain, bool nonce)
{
	nft_guard_rule_of(guard, chain, ETH_P_IPV6);
	if (nonce)
		nd_option(guard, ND_SIZE, OPTION_NONCE);
	else
		nd_length(guard, ND_SIZE);
	nd_from_nobody(guard);
	nd_own_target(guard);
	nft_guard_pass(guard, "is anybody using my address?");
}

static void solicits(struct nft_guard *guard)
{
	int chain = nft_guard_chain(guard, "who_solicits");

	nft_guard_rule_of(guard, chain, ETH_P_IPV6);
	nd_own_link(guard, ND_SIZE, OPTION_SOURCE_LINK, NFT_GUARD_ND_LINKS);
	nd_from_self(guard);
	nft_guard_pass(guard, NULL);
	nft_guard_rule_of(guard, chain, ETH_P_IPV6);
	nd_length(guard, ND_SIZE);
	nd_from_self(guard);
	nft_guard_pass(guard, NULL);
	solicits_for_itself(guard, chain, false);
	solicits_for_itself(guard, chain, true);
	nft_guard_rule(guard, chain);
	nft_guard_refuse(guard, BH_DROP_ND_SPOOF);
}

static void advertises(struct nft_guard *guard)
{
	int chain = nft_guard_chain(guard, "who_advertises");

	nft_guard_rule_of(guard, chain, ETH_P_IPV6);
	nd_own_link(guard, ND_SIZE, OPTION_TARGET_LINK, NFT_GUARD_ND_LINKS);
	nd_from_self(guard);
	nd_own_target(guard);
	nft_guard_pass(guard, NULL);
	nft_guard_rule_of(guard, chain, ETH_P_IPV6);
	nd_length(guard, ND_SIZE);
	nd_from_self(guard);
	nd_own_target(guard);
	nft_guard_pass(guard, NULL);
	nft_guard_rule(guard, chain);
	nft_guard_refuse(guard, BH_DROP_ND_SPOOF);
}

/* Options of an advertisement are many, and in any order: of those that may route, they are believed. */
static void advertises_router(struct nft_guard *guard)
{
	int chain = nft_guard_chain(guard, "who_advertises_router");

	nft_guard_rule(guard, chain);
	nft_guard_port_in(guard, false, true, NFT_GUARD_ROUTERS);
	nft_guard_refuse(guard, BH_DROP_ROUTER_ADVERTISEMENT);
	nft_guard_rule_of(guard, chain, ETH_P_IPV6);
	nd_from_self(guard);
	nft_guard_pass(guard, NULL);
	nft_guard_rule_of(guard, chain, ETH_P_IPV6);
	nd_from_nobody(guard);
	nft_guard_refuse(guard, BH_DROP_ND_SPOOF);
	nft_guard_rule(guard, chain);
	nft_guard_port_in(guard, false, false, NFT_GUARD_SPOOFERS);
	nft_guard_pass(guard, NULL);
	nft_guard_rule(guard, chain);
	nft_guard_refuse(guard, BH_DROP_ND_SPOOF);
}

static void type_goto(struct nft_guard *guard, int chain, uint8_t type, const char *to)
{
	nft_guard_rule(guard, chain);
	nft_guard_type(guard, IPPROTO_ICMPV6, type, type);
	nft_guard_goto(guard, to);
}

void nft_neighbour_who_nd(struct nft_guard *guard)
{
	int chain = nft_guard_chain(guard, "who_nd"), kind;

	nft_guard_rule(guard, chain);
	nft_guard_type(guard, IPPROTO_ICMPV6, REDIRECTS, REDIRECTS);
	nft_guard_refuse(guard, BH_DROP_REDIRECT);
	/* Over no router, in no fragment (RFC 6980), and behind no other header, so that its length is known. */
	nft_guard_rule_of(guard, chain, ETH_P_IPV6);
	nft_guard_byte(guard, NFT_PAYLOAD_NETWORK_HEADER, IP6_NEXT, IPPROTO_ICMPV6);
	nft_guard_byte(guard, NFT_PAYLOAD_NETWORK_HEADER, IP6_HOP_LIMIT, 255);
	nft_guard_byte(guard, NFT_PAYLOAD_TRANSPORT_HEADER, 1, 0);
	nft_guard_goto(guard, "who_neighbour");
	nft_guard_rule(guard, chain);
	nft_guard_refuse(guard, BH_DROP_ND_SPOOF);
	kind = nft_guard_chain(guard, "who_neighbour");
	type_goto(guard, kind, ADVERTISES_ROUTER, "who_advertises_router");
	nft_guard_rule(guard, kind);
	nft_guard_port_in(guard, false, false, NFT_GUARD_SPOOFERS);
	nft_guard_pass(guard, NULL);
	type_goto(guard, kind, SOLICITS, "who_solicits");
	type_goto(guard, kind, ADVERTISES, "who_advertises");
	type_goto(guard, kind, SOLICITS_ROUTER, "who_solicits_router");
	nft_guard_rule(guard, kind);
	nft_guard_refuse(guard, BH_DROP_ND_SPOOF);
	solicits_router(guard);
	solicits(guard);
	advertises(guard);
	advertises_router(guard);
}
