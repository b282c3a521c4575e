/* SPDX-License-Identifier: GPL-2.0-only */
/* What a port may be sent: frames for its MAC address, packets for its addresses, that `inet` has judged. */
#include <linux/if_ether.h>

#include "gate/nft_guard.h"

static void pass_if_in(struct nft_guard *guard, int chain, const char *set, const char *to)
{
	nft_guard_rule(guard, chain);
	nft_guard_port_in(guard, true, false, set);
	nft_guard_goto(guard, to);
}

/* What only members of `set` have use for, and others get because it is flooded. */
static void only_for(struct nft_guard *guard, const char *set)
{
	nft_guard_port_in(guard, true, true, set);
	nft_guard_silent(guard);
}

static void own_frame(struct nft_guard *guard, int chain)
{
	static const uint8_t group[ETH_ALEN] = {1};

	nft_guard_rule(guard, chain);
	nft_guard_with(guard, true, NFT_PAYLOAD_LL_HEADER, 0, ETH_ALEN, NFT_GUARD_MACS);
	nft_guard_goto(guard, "own_what");
	nft_guard_rule(guard, chain);
	nft_rule_load(&guard->writer, NFT_PAYLOAD_LL_HEADER, 0, ETH_ALEN, 0);
	nft_rule_under(&guard->writer, group, sizeof(group));
	nft_rule_compare(&guard->writer, NFT_CMP_EQ, group, sizeof(group));
	nft_guard_goto(guard, "own_what");
	pass_if_in(guard, chain, NFT_GUARD_SPOOFERS, "own_what");
	nft_guard_rule(guard, chain);
	nft_guard_refuse_out(guard, BH_DROP_NOT_ADDRESSED);
}

/* DHCP: the address on offer is not the port's yet; whom it is for stands inside. Servers of the host write their
 * answers as frames, which pass none of inet's hooks. */
static void own_dhcp(struct nft_guard *guard)
{
	int chain = nft_guard_chain(guard, "own_dhcp"), mine = nft_guard_chain(guard, "own_dhcp_answer");

	nft_guard_rule(guard, chain);
	nft_guard_byte(guard, NFT_PAYLOAD_TRANSPORT_HEADER, NFT_BOOTP, 2); /* BOOTREPLY */
	nft_guard_with(guard, true, NFT_PAYLOAD_TRANSPORT_HEADER, NFT_BOOTP_CLIENT, ETH_ALEN, NFT_GUARD_CLIENTS);
	nft_guard_goto(guard, "own_dhcp_answer");
	nft_guard_rule_of(guard, chain, ETH_P_IP);
	nft_rule_address_in(&guard->writer, NFPROTO_IPV4, true, NFT_GUARD_GROUPS_4);
	nft_guard_silent(guard);
	nft_guard_rule(guard, chain);
	nft_guard_refuse_out(guard, BH_DROP_NOT_ADDRESSED);
	nft_guard_rule(guard, mine);
	nft_guard_stamp_is(guard, NFT_CMP_EQ, BH_CLASS_HOST);
	nft_guard_pass(guard, NULL);
	nft_guard_rule(guard, mine);
	nft_guard_goto(guard, "own_judged");
}

static void own_judged(struct nft_guard *guard)
{
	int chain = nft_guard_chain(guard, "own_judged");

	nft_rule_mark(nft_guard_rule(guard, chain), guard->settings->judged, NFT_CMP_EQ, guard->settings->judged);
	nft_guard_pass(guard, NULL);
	nft_guard_rule(guard, chain);
	nft_guard_refuse_out(guard, BH_DROP_NO_STAMP);
}

static void own_address(struct nft_guard *guard, int chain, bool v4)
{
	uint8_t nfproto = v4 ? NFPROTO_IPV4 : NFPROTO_IPV6;

	nft_guard_rule_of(guard, chain, v4 ? ETH_P_IP : ETH_P_IPV6);
	nft_guard_with(guard, true, NFT_PAYLOAD_NETWORK_HEADER, v4 ? 16 : 24, v4 ? 4 : 16,
		       v4 ? NFT_GUARD_OWN_4 : NFT_GUARD_OWN_6);
	nft_guard_goto(guard, "own_judged");
	nft_guard_rule_of(guard, chain, v4 ? ETH_P_IP : ETH_P_IPV6);
	nft_rule_address_in(&guard->writer, nfproto, true, v4 ? NFT_GUARD_GROUPS_4 : NFT_GUARD_GROUPS_6);
	nft_guard_goto(guard, "own_judged");
	pass_if_in(guard, chain, NFT_GUARD_ROUTERS, "own_judged");
	nft_guard_rule(guard, chain);
	nft_guard_refuse_out(guard, BH_DROP_NOT_ADDRESSED);
}

static void own_4(struct nft_guard *guard)
{
	static const uint8_t reports[] = {0x12, 0x16, 0x17, 0x22}; /* IGMP: RFC 1112, 2236, 3376 */
	int chain = nft_guard_chain(guard, "own_4");

	nft_guard_rule(guard, chain);
	nft_guard_udp(guard, 67, 68);
	nft_guard_goto(guard, "own_dhcp");
	nft_guard_rule_of(guard, chain, ETH_P_IP);
	nft_guard_udp(guard, 68, 67);
	nft_rule_address_in(&guard->writer, NFPROTO_IPV4, true, NFT_GUARD_GROUPS_4);
	only_for(guard, NFT_GUARD_SERVERS);
	for (size_t i = 0; i < sizeof(reports); i++) {
		nft_guard_rule(guard, chain);
		nft_guard_type(guard, IPPROTO_IGMP, reports[i], reports[i]);
		only_for(guard, NFT_GUARD_ROUTERS);
	}
	own_address(guard, chain, true);
}

static void own_6(struct nft_guard *guard)
{
	/* RFC 2710, 3810: reports of MLD; RFC 4861: router solicitation. */
	static const uint8_t types[][2] = {{131, 133}, {143, 143}};
	int chain = nft_guard_chain(guard, "own_6");

	nft_guard_rule_of(guard, chain, ETH_P_IPV6);
	nft_guard_udp(guard, 546, 547);
	nft_rule_address_in(&guard->writer, NFPROTO_IPV6, true, NFT_GUARD_GROUPS_6);
	only_for(guard, NFT_GUARD_SERVERS);
	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
		nft_guard_rule(guard, chain);
		nft_guard_type(guard, IPPROTO_ICMPV6, types[i][0], types[i][1]);
		only_for(guard, NFT_GUARD_ROUTERS);
	}
	nft_guard_rule(guard, chain);
	nft_guard_type(guard, IPPROTO_ICMPV6, 135, 135);
	nft_guard_goto(guard, "own_solicited");
	nft_guard_rule(guard, chain);
	nft_guard_type(guard, IPPROTO_ICMPV6, 136, 136);
	nft_guard_goto(guard, "own_advertised");
	own_address(guard, chain, false);
}

/* Answers, and announcements to all nodes: of containers, from those that it may have to do with. */
static void own_advertised(struct nft_guard *guard)
{
	int chain = nft_guard_chain(guard, "own_advertised");

	if (guard->table == NFT_TABLE_BRIDGE) {
		nft_guard_rule(guard, chain);
		nft_guard_stamp_is(guard, NFT_CMP_EQ, BH_CLASS_REMOTE);
		nft_guard_type(guard, IPPROTO_ICMPV6, 136, 136);
		nft_rule_load(&guard->writer, NFT_PAYLOAD_TRANSPORT_HEADER, NFT_ND_TARGET, 16, 0);
		nft_rule_in(&guard->writer, false, NFT_GUARD_LOCAL_ND);
		nft_guard_refuse_out(guard, BH_DROP_SPOOFED_REMOTE);
		nft_guard_unless_pair(guard, chain);
	}
	own_address(guard, chain, false);
}

static void own_solicited(struct nft_guard *guard)
{
	int chain = nft_guard_chain(guard, "own_solicited");

	if (guard->table == NFT_TABLE_BRIDGE)
		nft_guard_unless_pair(guard, chain);
	nft_guard_rule(guard, chain);
	nft_guard_with(guard, true, NFT_PAYLOAD_TRANSPORT_HEADER, NFT_ND_TARGET, 16, NFT_GUARD_TARGETS);
	nft_guard_goto(guard, "own_judged");
	nft_guard_rule(guard, chain);
	nft_guard_silent(guard);
}

void nft_guard_own_render(struct nft_guard *guard)
{
	bool bridge = guard->table == NFT_TABLE_BRIDGE;
	int chain = nft_guard_chain(guard, NFT_CHAIN_OWN);

	if (bridge) {
		own_frame(guard, chain);
		chain = nft_guard_chain(guard, "own_what");
		nft_neighbour_own_arp(guard);
	}
	nft_guard_frame(guard, chain, true);
	own_4(guard);
	own_6(guard);
	own_solicited(guard);
	own_advertised(guard);
	own_dhcp(guard);
	own_judged(guard);
}
