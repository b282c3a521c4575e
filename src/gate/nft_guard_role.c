/* SPDX-License-Identifier: GPL-2.0-only */
/* What only a port with a permit may play: DHCP server, router, multicast router. Looked at where fragments have been
 * put together, so that none of it passes in parts; the sender's stamp tells who it is. */
#include <string.h>

#include "gate/nft_guard.h"

#define PRIORITY_WHOLE (-390) /* behind defragmentation (-400), before mangle (-150) */
#define SET_ROUTERS    "routers"
#define SET_SERVERS    "dhcp_servers"
#define PROTOCOL_PIM   103

void nft_guard_stamps_add(struct nft_guard *guard, const char *name, uint32_t permit, const char *comment)
{
	const struct table *table = guard->door->table;
	struct nft_set description = {.name = (char *)name,
				      .key_type = NFT_TYPE_MARK,
				      .key_size = sizeof(uint32_t),
				      .host_order = true,
				      .comment = comment};
	struct nft_set *set = nft_set_add(guard->ruleset, guard->table, &description);

	for (uint32_t number = BH_CLASS_UNASSIGNED; table && number < BH_IDENTITY_MAX && number < table->class_count;
	     number++) {
		struct nft_element element = {0};
		uint32_t stamp = number << guard->settings->shift;

		if (!(table->class_info[number].flags & permit))
			continue;
		memcpy(element.key, &stamp, sizeof(stamp));
		nft_element_add(guard->ruleset, set, &element);
	}
}

/* Ends the rule in hand: a refusal of whoever is not in the set. */
static void unless(struct nft_guard *guard, const char *set, enum bh_reason reason)
{
	nft_rule_stamp_in(&guard->writer, guard->settings->mask, true, set);
	nft_guard_refuse(guard, reason);
}

static void type_unless(struct nft_guard *guard, int chain, uint8_t protocol, const uint8_t types[2], const char *set,
			enum bh_reason reason)
{
	nft_guard_rule(guard, chain);
	nft_rule_family(&guard->writer, protocol == IPPROTO_ICMPV6 ? NFPROTO_IPV6 : NFPROTO_IPV4);
	nft_guard_type(guard, protocol, types[0], types[1]);
	if (set)
		unless(guard, set, reason);
	else
		nft_guard_refuse(guard, reason);
}

/* What is no report is a query, or unknown. */
static void igmp(struct nft_guard *guard, int from)
{
	static const uint8_t reports[] = {0x12, 0x16, 0x17, 0x22}; /* RFC 1112, 2236, 3376 */
	int chain = nft_guard_chain(guard, "role_igmp");

	nft_rule_protocol(nft_guard_rule(guard, from), IPPROTO_IGMP);
	nft_guard_goto(guard, "role_igmp");
	for (size_t i = 0; i < sizeof(reports); i++) {
		nft_guard_rule(guard, chain);
		nft_guard_type(guard, IPPROTO_IGMP, reports[i], reports[i]);
		nft_guard_pass(guard, NULL);
	}
	nft_guard_rule(guard, chain);
	unless(guard, SET_ROUTERS, BH_DROP_MULTICAST_ROUTER);
}

static void roles(struct nft_guard *guard, int chain)
{
	static const uint16_t answers[][2] = {{67, 68}, {547, 546}}; /* RFC 2131, 8415 */
	/* RFC 2710, 4286; RFC 1256, 792; RFC 4861. */
	static const uint8_t queries[] = {130, 130}, discovery[] = {151, 153}, router_4[] = {9, 9},
			     redirect_4[] = {5, 5}, router_6[] = {134, 134}, redirect_6[] = {137, 137};

	for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++) {
		nft_guard_rule(guard, chain);
		nft_guard_udp(guard, answers[i][0], answers[i][1]);
		unless(guard, SET_SERVERS, BH_DROP_DHCP_SERVER);
	}
	type_unless(guard, chain, IPPROTO_ICMP, redirect_4, NULL, BH_DROP_REDIRECT);
	type_unless(guard, chain, IPPROTO_ICMPV6, redirect_6, NULL, BH_DROP_REDIRECT);
	type_unless(guard, chain, IPPROTO_ICMP, router_4, SET_ROUTERS, BH_DROP_ROUTER_ADVERTISEMENT);
	type_unless(guard, chain, IPPROTO_ICMPV6, router_6, SET_ROUTERS, BH_DROP_ROUTER_ADVERTISEMENT);
	type_unless(guard, chain, IPPROTO_ICMPV6, queries, SET_ROUTERS, BH_DROP_MULTICAST_ROUTER);
	type_unless(guard, chain, IPPROTO_ICMPV6, discovery, SET_ROUTERS, BH_DROP_MULTICAST_ROUTER);
	igmp(guard, chain);
	nft_rule_protocol(nft_guard_rule(guard, chain), PROTOCOL_PIM);
	unless(guard, SET_ROUTERS, BH_DROP_MULTICAST_ROUTER);
}

void nft_guard_role_render(struct nft_guard *guard)
{
	int chain;

	guard->table = NFT_TABLE_INET;
	nft_guard_stamps_add(guard, SET_ROUTERS, BH_CLASS_PERMIT_ROUTER, "permit: router");
	nft_guard_stamps_add(guard, SET_SERVERS, BH_CLASS_PERMIT_DHCP_SERVER, "permit: dhcp-server");
	chain = nft_base_chain_add(guard->ruleset, guard->table, "prerouting_whole", NF_INET_PRE_ROUTING,
				   PRIORITY_WHOLE);
	nft_guard_rule(guard, chain);
	nft_guard_stamp_is(guard, NFT_CMP_LT, BH_CLASS_UNASSIGNED);
	nft_guard_pass(guard, "from no container");
	roles(guard, chain);
}
