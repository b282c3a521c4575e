/* SPDX-License-Identifier: GPL-2.0-only */
/* Who a port is: its MAC address and its addresses, by exact sets; and what no port may send. */
#include "gate/nft_guard.h"

#include <linux/if_ether.h>
#include <stdlib.h>
#include <string.h>

#include <linux/netfilter_arp.h> /* after libc's, or they clash */
#include <linux/netfilter_bridge.h>

#define ETHERTYPE_OFFSET 12u

/* ---- Rules ---- */

struct nft_rule_writer *nft_guard_rule(struct nft_guard *guard, int chain)
{
	nft_rule_begin(&guard->writer, guard->ruleset, guard->table, chain);
	return &guard->writer;
}

struct nft_rule_writer *nft_guard_rule_of(struct nft_guard *guard, int chain, uint16_t ethertype)
{
	nft_guard_rule(guard, chain);
	if (guard->table == NFT_TABLE_BRIDGE)
		nft_rule_ethertype(&guard->writer, ethertype);
	else if (guard->table == NFT_TABLE_INET)
		nft_rule_family(&guard->writer, ethertype == ETH_P_IP ? NFPROTO_IPV4 : NFPROTO_IPV6);
	return &guard->writer;
}

int nft_guard_chain(struct nft_guard *guard, const char *name)
{
	return nft_chain_add(guard->ruleset, guard->table, name);
}

void nft_guard_goto(struct nft_guard *guard, const char *chain)
{
	nft_rule_verdict(&guard->writer, NFT_GOTO, chain);
	nft_rule_end(&guard->writer, NULL, NULL);
}

void nft_guard_pass(struct nft_guard *guard, const char *comment)
{
	nft_rule_verdict(&guard->writer, NFT_RETURN, NULL);
	nft_rule_end(&guard->writer, comment, NULL);
}

/* Names of refusals' chains and counters, and what `nft list` says of them: reasons as src/flow/reason.c names them. */
static const struct {
	enum bh_reason reason;
	const char *name, *comment;
} refusals[] = {
	{BH_DROP_CLOSED, "closed_in", "from ports that are not open"},
	{BH_DROP_SOURCE_MAC, "source_mac", "from a MAC address that is not the port's own"},
	{BH_DROP_SOURCE_ADDRESS, "source_address", "from an address that is not the port's own"},
	{BH_DROP_ARP_SPOOF, "arp_spoof", "ARP with somebody else's address"},
	{BH_DROP_ND_SPOOF, "nd_spoof", "neighbour discovery with somebody else's address"},
	{BH_DROP_DHCP_SERVER, "dhcp_server", "DHCP answers without a permit"},
	{BH_DROP_ROUTER_ADVERTISEMENT, "router_advertisement", "router advertisements without a permit"},
	{BH_DROP_REDIRECT, "redirects", "ICMP redirects"},
	{BH_DROP_MULTICAST_ROUTER, "multicast_router", "group queries and PIM without a permit"},
	{BH_DROP_VLAN, "vlan_tags", "VLAN tags"},
	{BH_DROP_ETHERTYPE, "ethertype", "neither IPv4, IPv6 nor ARP"},
	{BH_DROP_SOURCE_ROUTE, "source_route", "source-routed"},
	{BH_DROP_NOT_ADDRESSED, "not_addressed", "to an address that is not the port's own"},
	{BH_DROP_NO_STAMP, "no_stamp", "to a port, and nobody has judged it"},
	{BH_DROP_SPOOFED_REMOTE, "spoofed_remote", "from outside, with an address of this host"},
	{BH_DROP_MALFORMED, "malformed", "malformed"},
	{BH_DROP_FLOWS_FULL, "flows_full", "new connections of a port that has opened too many"},
	{BH_DROP_MARTIAN, "martian", "an address that can't stand there"},
};

static const char *refusal_name(enum bh_reason reason)
{
	for (size_t i = 0; i < sizeof(refusals) / sizeof(*refusals); i++)
		if (refusals[i].reason == reason)
			return refusals[i].name;
	return "other"; /* all that are used stand there */
}

static void refusal_counter(struct nft_guard *guard, const char *name)
{
	struct nft_counter counter = {.name = (char *)name};

	for (size_t i = 0; i < sizeof(refusals) / sizeof(*refusals); i++)
		if (strcmp(refusals[i].name, name) == 0)
			counter.comment = (char *)refusals[i].comment;
	nft_counter_add(guard->ruleset, guard->table, &counter);
}

/* The chain of a refusal, made on first use. */
static void refusal_chain(struct nft_guard *guard, enum bh_reason reason, bool to_port, enum nft_sample sample,
			  const char *chain)
{
	struct nft_refusal refusal = {
		.reason = (uint8_t)reason, .to_port = to_port, .sample = sample, .counter = refusal_name(reason)};

	if (nft_table_chain(&guard->ruleset->tables[guard->table], chain))
		return;
	refusal_counter(guard, refusal.counter);
	nft_refuse_render(guard->ruleset, guard->settings, guard->table, nft_guard_chain(guard, chain), &refusal);
}

void nft_guard_refuse(struct nft_guard *guard, enum bh_reason reason)
{
	/* What has come up through a bridge is of the bridge: the sender's MAC address, which was found to be its own,
	 * tells whose it is. */
	bool whole = guard->table == NFT_TABLE_INET;
	char chain[NFT_COUNTER_NAME_MAX + 8];

	snprintf(chain, sizeof(chain), "drop_%s", refusal_name(reason));
	refusal_chain(guard, reason, false, whole ? NFT_SAMPLE_SENDER : NFT_SAMPLE_INPUT, chain);
	nft_guard_goto(guard, chain);
}

void nft_guard_refuse_out(struct nft_guard *guard, enum bh_reason reason)
{
	char chain[NFT_COUNTER_NAME_MAX + 8];

	snprintf(chain, sizeof(chain), "drop_out_%s", refusal_name(reason));
	refusal_chain(guard, reason, true, NFT_SAMPLE_OUTPUT, chain);
	nft_guard_goto(guard, chain);
}

void nft_guard_silent(struct nft_guard *guard)
{
	struct nft_counter counter = {.name = (char *)"for_neighbours",
				      .comment = (char *)"flooded to a port, and of no use to it"};

	nft_counter_add(guard->ruleset, guard->table, &counter);
	nft_rule_counter(&guard->writer, counter.name);
	nft_rule_verdict(&guard->writer, NF_DROP, NULL);
	nft_rule_end(&guard->writer, NULL, NULL);
}

/* ---- Matches ---- */

void nft_guard_port_in(struct nft_guard *guard, bool output, bool not, const char *set)
{
	nft_rule_interface_in(&guard->writer, output, not, set);
}

void nft_guard_with(struct nft_guard *guard, bool output, enum nft_payload_bases base, uint32_t offset, uint32_t length,
		    const char *set)
{
	nft_rule_load_link(&guard->writer, output);
	nft_rule_load(&guard->writer, base, offset, length, 1);
	nft_rule_in(&guard->writer, false, set);
}

void nft_guard_bytes(struct nft_guard *guard, enum nft_payload_bases base, uint32_t offset, const void *bytes,
		     uint32_t length)
{
	nft_rule_load(&guard->writer, base, offset, length, 0);
	nft_rule_compare(&guard->writer, NFT_CMP_EQ, bytes, length);
}

void nft_guard_byte(struct nft_guard *guard, enum nft_payload_bases base, uint32_t offset, uint8_t byte)
{
	nft_guard_bytes(guard, base, offset, &byte, sizeof(byte));
}

void nft_guard_udp(struct nft_guard *guard, uint16_t source, uint16_t destination)
{
	nft_rule_protocol(&guard->writer, IPPROTO_UDP);
	nft_rule_ports(&guard->writer, source, destination);
}

void nft_guard_type(struct nft_guard *guard, uint8_t protocol, uint8_t low, uint8_t high)
{
	nft_rule_protocol(&guard->writer, protocol);
	nft_rule_type(&guard->writer, low, high);
}

void nft_guard_stamp_is(struct nft_guard *guard, enum nft_cmp_ops op, uint32_t class)
{
	nft_rule_mark(&guard->writer, guard->settings->mask, op, class << guard->settings->shift);
}

static void ethertype_goto(struct nft_guard *guard, int chain, uint16_t ethertype, const char *to)
{
	uint16_t turned = htons(ethertype);

	nft_guard_rule(guard, chain);
	nft_guard_bytes(guard, NFT_PAYLOAD_LL_HEADER, ETHERTYPE_OFFSET, &turned, sizeof(turned));
	nft_guard_goto(guard, to);
}

/* ---- Who ---- */

static void source_option(struct nft_guard *guard, int chain, uint8_t option)
{
	nft_rule_option(nft_guard_rule(guard, chain), option);
	nft_guard_refuse(guard, BH_DROP_SOURCE_ROUTE);
}

static void address_refuse(struct nft_guard *guard, int chain, uint8_t nfproto, bool destination, const char *set)
{
	nft_guard_rule_of(guard, chain, nfproto == NFPROTO_IPV4 ? ETH_P_IP : ETH_P_IPV6);
	nft_rule_address_in(&guard->writer, nfproto, destination, set);
	nft_guard_refuse(guard, BH_DROP_MARTIAN);
}

/* Requests of DHCP: the client's MAC address inside is the port's own. */
static void who_dhcp(struct nft_guard *guard)
{
	int chain = nft_guard_chain(guard, "who_dhcp");

	nft_guard_rule(guard, chain);
	nft_guard_port_in(guard, false, false, NFT_GUARD_SPOOFERS);
	nft_guard_pass(guard, NULL);
	nft_guard_rule(guard, chain);
	nft_guard_byte(guard, NFT_PAYLOAD_TRANSPORT_HEADER, NFT_BOOTP, 1); /* BOOTREQUEST */
	nft_guard_with(guard, false, NFT_PAYLOAD_TRANSPORT_HEADER, NFT_BOOTP_CLIENT, ETH_ALEN, NFT_GUARD_CLIENTS);
	nft_guard_pass(guard, NULL);
	nft_guard_rule(guard, chain);
	nft_guard_refuse(guard, BH_DROP_SOURCE_MAC);
}

/* 0.0.0.0 is for those that ask DHCP who they are. */
static void who_nobody_4(struct nft_guard *guard)
{
	static const uint8_t all[4] = {255, 255, 255, 255};
	int chain = nft_guard_chain(guard, "who_nobody_4");

	nft_guard_rule_of(guard, chain, ETH_P_IP);
	nft_guard_bytes(guard, NFT_PAYLOAD_NETWORK_HEADER, 16, all, sizeof(all));
	nft_guard_udp(guard, 68, 67);
	nft_guard_goto(guard, "who_dhcp");
	nft_guard_rule(guard, chain);
	nft_guard_refuse(guard, BH_DROP_MARTIAN);
}

static void who_4(struct nft_guard *guard)
{
	static const uint8_t nobody[4];
	int self = nft_guard_chain(guard, "who_self_4"), chain = nft_guard_chain(guard, "who_4");

	source_option(guard, chain, 131); /* RFC 791: loose, strict */
	source_option(guard, chain, 137);
	address_refuse(guard, chain, NFPROTO_IPV4, true, NFT_GUARD_NOWHERE_4);
	nft_guard_rule_of(guard, chain, ETH_P_IP);
	nft_guard_bytes(guard, NFT_PAYLOAD_NETWORK_HEADER, 12, nobody, sizeof(nobody));
	nft_guard_goto(guard, "who_nobody_4");
	address_refuse(guard, chain, NFPROTO_IPV4, false, NFT_GUARD_MARTIANS_4);
	nft_guard_rule_of(guard, chain, ETH_P_IP);
	nft_guard_with(guard, false, NFT_PAYLOAD_NETWORK_HEADER, 12, 4, NFT_GUARD_OWN_4);
	nft_guard_goto(guard, "who_self_4");
	nft_guard_rule(guard, chain);
	nft_guard_port_in(guard, false, false, NFT_GUARD_SPOOFERS);
	nft_guard_goto(guard, "who_self_4");
	nft_guard_rule(guard, chain);
	nft_guard_refuse(guard, BH_DROP_SOURCE_ADDRESS);
	nft_guard_rule(guard, self);
	nft_guard_udp(guard, 68, 67);
	nft_guard_goto(guard, "who_dhcp");
	who_dhcp(guard);
	who_nobody_4(guard);
}

/* :: is for reports of MLD to groups (RFC 3810, 5.2.13); duplicate address detection is in who_nd. */
static void who_nobody_6(struct nft_guard *guard)
{
	static const uint8_t reports[][2] = {{131, 132}, {143, 143}};
	int chain = nft_guard_chain(guard, "who_nobody_6");

	for (size_t i = 0; i < sizeof(reports) / sizeof(*reports); i++) {
		nft_guard_rule_of(guard, chain, ETH_P_IPV6);
		nft_guard_byte(guard, NFT_PAYLOAD_NETWORK_HEADER, 24, 0xff);
		nft_guard_type(guard, IPPROTO_ICMPV6, reports[i][0], reports[i][1]);
		nft_guard_pass(guard, NULL);
	}
	nft_guard_rule(guard, chain);
	nft_guard_refuse(guard, BH_DROP_MARTIAN);
}

static void who_6(struct nft_guard *guard)
{
	static const uint8_t nobody[16];
	int chain = nft_guard_chain(guard, "who_6");

	nft_guard_rule(guard, chain);
	nft_guard_type(guard, IPPROTO_ICMPV6, 133, 137);
	nft_guard_goto(guard, "who_nd");
	nft_rule_extension(nft_guard_rule(guard, chain), IPPROTO_ROUTING);
	nft_guard_refuse(guard, BH_DROP_SOURCE_ROUTE);
	address_refuse(guard, chain, NFPROTO_IPV6, true, NFT_GUARD_NOWHERE_6);
	nft_guard_rule_of(guard, chain, ETH_P_IPV6);
	nft_guard_bytes(guard, NFT_PAYLOAD_NETWORK_HEADER, 8, nobody, sizeof(nobody));
	nft_guard_goto(guard, "who_nobody_6");
	address_refuse(guard, chain, NFPROTO_IPV6, false, NFT_GUARD_MARTIANS_6);
	nft_guard_rule_of(guard, chain, ETH_P_IPV6);
	nft_guard_with(guard, false, NFT_PAYLOAD_NETWORK_HEADER, 8, 16, NFT_GUARD_OWN_6);
	nft_guard_pass(guard, NULL);
	nft_guard_rule(guard, chain);
	nft_guard_port_in(guard, false, false, NFT_GUARD_SPOOFERS);
	nft_guard_pass(guard, NULL);
	nft_guard_rule(guard, chain);
	nft_guard_refuse(guard, BH_DROP_SOURCE_ADDRESS);
	who_nobody_6(guard);
}

/* Only who is open gets a stamp. */
static void who_open(struct nft_guard *guard, int chain)
{
	nft_guard_rule(guard, chain);
	nft_guard_port_in(guard, false, true, NFT_SET_OPEN);
	nft_guard_refuse(guard, BH_DROP_CLOSED);
	if (guard->table == NFT_TABLE_ARP)
		return;
	nft_rule_mark_by_interface(nft_guard_rule(guard, chain), NFT_GUARD_IDENTITIES);
	nft_rule_end(&guard->writer, "its stamp, and nothing else that it may have had", NULL);
	nft_guard_rule(guard, chain);
	nft_guard_stamp_is(guard, NFT_CMP_LT, BH_CLASS_UNASSIGNED);
	nft_guard_refuse(guard, BH_DROP_CLOSED);
}

static void who_mac(struct nft_guard *guard, int chain, const char *next)
{
	nft_guard_rule(guard, chain);
	if (guard->table == NFT_TABLE_INET)
		nft_rule_ethernet(&guard->writer);
	nft_guard_with(guard, false, NFT_PAYLOAD_LL_HEADER, ETH_ALEN, ETH_ALEN, NFT_GUARD_MACS);
	nft_guard_goto(guard, next);
	nft_guard_rule(guard, chain);
	nft_guard_port_in(guard, false, false, NFT_GUARD_SPOOFERS);
	nft_guard_goto(guard, next);
	nft_guard_rule(guard, chain);
	nft_guard_refuse(guard, BH_DROP_SOURCE_MAC);
}

/* A tag stands in the frame or beside it (accelerated): nft reads both alike. */
static void vlan_refuse(struct nft_guard *guard, int chain, bool output)
{
	static const uint16_t tags[] = {ETH_P_8021Q, ETH_P_8021AD};

	for (size_t i = 0; i < sizeof(tags) / sizeof(*tags); i++) {
		uint16_t turned = htons(tags[i]);

		nft_guard_rule(guard, chain);
		nft_guard_bytes(guard, NFT_PAYLOAD_LL_HEADER, ETHERTYPE_OFFSET, &turned, sizeof(turned));
		if (output)
			nft_guard_refuse_out(guard, BH_DROP_VLAN);
		else
			nft_guard_refuse(guard, BH_DROP_VLAN);
	}
}

static void family_goto(struct nft_guard *guard, int chain, uint8_t nfproto, const char *to)
{
	nft_rule_family(nft_guard_rule(guard, chain), nfproto);
	nft_guard_goto(guard, to);
}

void nft_guard_frame(struct nft_guard *guard, int chain, bool output)
{
	if (guard->table == NFT_TABLE_BRIDGE) {
		vlan_refuse(guard, chain, output);
		ethertype_goto(guard, chain, ETH_P_ARP, output ? "own_arp" : "who_arp");
		ethertype_goto(guard, chain, ETH_P_IP, output ? "own_4" : "who_4");
		ethertype_goto(guard, chain, ETH_P_IPV6, output ? "own_6" : "who_6");
	} else {
		family_goto(guard, chain, NFPROTO_IPV4, output ? "own_4" : "who_4");
		family_goto(guard, chain, NFPROTO_IPV6, output ? "own_6" : "who_6");
	}
	nft_guard_rule(guard, chain);
	if (output)
		nft_guard_refuse_out(guard, BH_DROP_ETHERTYPE);
	else
		nft_guard_refuse(guard, BH_DROP_ETHERTYPE);
}

static void who_render(struct nft_guard *guard)
{
	int chain = nft_guard_chain(guard, NFT_CHAIN_WHO), what;

	who_open(guard, chain);
	who_mac(guard, chain, "who_what");
	what = nft_guard_chain(guard, "who_what");
	nft_guard_frame(guard, what, false);
	who_4(guard);
	who_6(guard);
	nft_neighbour_who_nd(guard);
	if (guard->table == NFT_TABLE_BRIDGE)
		nft_neighbour_who_arp(guard);
}

/* Ports without a bridge: ARP passes neither of the other families. */
static void arp_render(struct nft_guard *guard)
{
	int chain = nft_guard_chain(guard, NFT_CHAIN_WHO);

	nft_guard_sets_add(guard);
	who_open(guard, chain);
	nft_guard_rule(guard, chain);
	nft_guard_goto(guard, "who_arp");
	nft_neighbour_who_arp(guard);
}

void nft_guard_outside_render(struct nft_ruleset *ruleset, const struct nft_settings *settings,
			      const struct nft_door *door, enum nft_table_index table, int chain)
{
	/* RFC 791, 3.1: all of flags and offset but "don't fragment". */
	static const uint8_t parts[2] = {0x3f, 0xff}, whole[2];
	struct nft_guard guard = {.ruleset = ruleset, .settings = settings, .door = door, .table = table};

	nft_guard_local_add(&guard);
	nft_guard_rule_of(&guard, chain, ETH_P_IP);
	nft_rule_load(&guard.writer, NFT_PAYLOAD_NETWORK_HEADER, 6, sizeof(parts), 0);
	nft_rule_under(&guard.writer, parts, sizeof(parts));
	nft_rule_compare(&guard.writer, NFT_CMP_NEQ, whole, sizeof(whole));
	nft_rule_address_in(&guard.writer, NFPROTO_IPV4, false, NFT_GUARD_LOCAL_4);
	nft_guard_refuse(&guard, BH_DROP_SPOOFED_REMOTE);
	nft_guard_rule_of(&guard, chain, ETH_P_IPV6);
	nft_rule_extension(&guard.writer, IPPROTO_FRAGMENT);
	nft_rule_address_in(&guard.writer, NFPROTO_IPV6, false, NFT_GUARD_LOCAL_6);
	nft_guard_refuse(&guard, BH_DROP_SPOOFED_REMOTE);
}

void nft_guard_leave_render(struct nft_ruleset *ruleset, const struct nft_settings *settings,
			    const struct nft_door *door, int chain)
{
	static const uint16_t ethertypes[] = {ETH_P_IP, ETH_P_IPV6};
	struct nft_guard guard = {.ruleset = ruleset, .settings = settings, .door = door, .table = NFT_TABLE_BRIDGE};

	for (size_t i = 0; i < sizeof(ethertypes) / sizeof(*ethertypes); i++) {
		nft_guard_rule_of(&guard, chain, ethertypes[i]);
		nft_guard_stamp_is(&guard, NFT_CMP_GTE, BH_CLASS_UNASSIGNED);
		nft_rule_mark(&guard.writer, settings->judged, NFT_CMP_EQ, 0);
		nft_guard_refuse_out(&guard, BH_DROP_NO_STAMP);
	}
}

void nft_guard_render(struct nft_ruleset *ruleset, const struct nft_settings *settings, const struct nft_door *door)
{
	static const enum nft_table_index tables[] = {NFT_TABLE_BRIDGE, NFT_TABLE_INET};
	struct nft_guard guard = {.ruleset = ruleset, .settings = settings, .door = door};

	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++) {
		guard.table = tables[i];
		nft_guard_sets_add(&guard);
		who_render(&guard);
		nft_guard_own_render(&guard);
	}
	nft_guard_role_render(&guard);
	nft_guard_flows_render(&guard);
	guard.table = NFT_TABLE_ARP;
	arp_render(&guard);
}
