/* SPDX-License-Identifier: GPL-2.0-only */
/* The door's table inet: packets that are routed, or for the host. */
#include <stdlib.h>
#include <string.h>

#include "gate/nft_door.h"
#include "gate/nft_guard.h"
#include "gate/nft_judge.h"
#include "gate/nft_subnet.h"

/* Interfaces above others: what comes up through them has been stamped below (a bridge), passes this hook a second time
 * (vrf), or may have done either (vlan). */
static const char *const uppers[] = {"bridge", "vlan", "vrf"};

static void pass_interface(struct nft_door_render *render, int chain, bool output, uint32_t ifindex)
{
	struct nft_rule_writer *writer = nft_door_rule(render, chain);

	nft_rule_interface(writer, output, ifindex);
	nft_rule_verdict(writer, NFT_RETURN, NULL);
	nft_door_end(render, NULL);
}

/* What comes by loopback was made here: a packet socket there can set any mark, and have the host route it on. */
static void from_loopback(struct nft_door_render *render, int chain)
{
	struct nft_rule_writer *writer = nft_door_rule(render, chain);

	nft_rule_interface(writer, false, LOOPBACK_IFINDEX);
	nft_rule_stamp(writer, nft_door_bits(render), nft_door_stamp(render, BH_CLASS_HOST));
	nft_rule_verdict(writer, NFT_RETURN, NULL);
	nft_door_end(render, "the host's own, whatever it says");
}

static void inet_prerouting(struct nft_door_render *render)
{
	int upper = nft_chain_add(render->ruleset, render->table, "from_upper");
	int chain = nft_door_base(render, "prerouting", NF_INET_PRE_ROUTING, PRIORITY_BEFORE_DEFRAG);
	int late = nft_door_base(render, "prerouting_late", NF_INET_PRE_ROUTING, PRIORITY_AFTER_MANGLE);

	nft_door_by_mark(render, upper, NFT_CMP_EQ, BH_CLASS_NONE, NFT_GOTO, "from_outside");
	nft_door_by_mark(render, upper, NFT_CMP_EQ, BH_CLASS_REMOTE, NFT_GOTO, "from_outside");
	from_loopback(render, chain);
	from_loopback(render, late);
	nft_door_by_kind(render, chain, false, "veth", NFT_GOTO, "from_veth");
	nft_door_by_kind(render, late, false, "veth", NFT_RETURN, NULL);
	for (size_t i = 0; i < sizeof(uppers) / sizeof(*uppers); i++) {
		nft_door_by_kind(render, chain, false, uppers[i], NFT_GOTO, "from_upper");
		nft_door_by_kind(render, late, false, uppers[i], NFT_RETURN, NULL);
	}
	nft_rule_verdict(nft_door_rule(render, chain), NFT_GOTO, "from_outside");
	nft_door_end(render, NULL);
	nft_door_set_stamp(render, late, BH_CLASS_REMOTE, "others' mangle rules may have restored a mark");
}

static void inet_output(struct nft_door_render *render)
{
	int first = nft_door_base(render, "output", NF_INET_LOCAL_OUT, PRIORITY_FIRST_OUTPUT);
	int last = nft_door_base(render, "output_late", NF_INET_LOCAL_OUT, PRIORITY_LAST);

	nft_door_set_stamp(render, first, BH_CLASS_HOST, "the host's own, whatever the process says");
	nft_door_set_stamp(render, last, BH_CLASS_HOST, "once more, after others' rules");
}

static void inet_postrouting(struct nft_door_render *render)
{
	int chain = nft_door_base(render, "postrouting", NF_INET_POST_ROUTING, PRIORITY_LAST);

	nft_door_by_kind(render, chain, true, "veth", NFT_GOTO, "to_veth");
	pass_interface(render, chain, true, LOOPBACK_IFINDEX);
	for (size_t i = 0; i < sizeof(uppers) / sizeof(*uppers); i++)
		nft_door_by_kind(render, chain, true, uppers[i], NFT_RETURN, NULL);
	nft_door_set_stamp(render, chain, BH_CLASS_NONE, "leaves the host");
}

/* What the ports' programs have judged already, by their own flow state or as traffic to groups. Conntrack tells which
 * direction a packet has; what it does not track, or finds invalid, is judged like the first packet of a flow: where
 * others say `notrack`, replies to the host pass only if the policy allows them as such. */
static void inet_input_judged(struct nft_door_render *render, int chain)
{
	struct nft_rule_writer *writer;

	if (render->settings->features.conntrack) {
		writer = nft_door_rule(render, chain);
		nft_rule_reply(writer);
		nft_rule_verdict(writer, NF_ACCEPT, NULL);
		nft_door_end(render, "replies to the host, judged at the port");
		for (size_t i = 0; i < 2; i++) {
			writer = nft_door_rule(render, chain);
			nft_rule_family(writer, i ? NFPROTO_IPV6 : NFPROTO_IPV4);
			nft_rule_protocol(writer, i ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
			nft_rule_state(writer, NFT_STATE_RELATED);
			nft_rule_verdict(writer, NF_ACCEPT, NULL);
			nft_door_end(render, "errors of open flows, judged at the port");
		}
	}
	for (size_t i = 0; i < 2; i++) {
		uint8_t family = i ? NFPROTO_IPV6 : NFPROTO_IPV4;

		writer = nft_door_rule(render, chain);
		nft_rule_family(writer, family);
		nft_rule_address_in(writer, family, true, i ? SET_GROUPS_6 : SET_GROUPS_4);
		nft_rule_verdict(writer, NF_ACCEPT, NULL);
		nft_door_end(render, "groups: judged at the port, as multicast");
	}
}

/* What a port may always do (the port's program lets nothing else of these kinds pass). */
static void inet_input_life(struct nft_door_render *render, int chain)
{
	/* RFC 2710, 3810: reports of MLD, to groups. RFC 4861: solicitation of routers, of neighbours, advertisement.
	 */
	static const struct {
		uint8_t low, high, hops;
		bool group;
	} types[] = {{131, 132, 1, true}, {143, 143, 1, true}, {133, 133, 255, false}, {135, 136, 255, false}};
	static const uint16_t dhcp[][2] = {{68, 67}, {546, 547}}; /* RFC 2131, 8415: client to server */
	struct nft_rule_writer *writer;

	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
		writer = nft_door_rule(render, chain);
		nft_rule_family(writer, NFPROTO_IPV6);
		if (types[i].group)
			nft_rule_address_in(writer, NFPROTO_IPV6, true, SET_GROUPS_6);
		nft_rule_hop_limit(writer, NFT_CMP_EQ, types[i].hops);
		nft_rule_protocol(writer, IPPROTO_ICMPV6);
		nft_rule_type(writer, types[i].low, types[i].high);
		nft_rule_verdict(writer, NF_ACCEPT, NULL);
		nft_door_end(render, NULL);
	}
	writer = nft_door_rule(render, chain);
	nft_rule_family(writer, NFPROTO_IPV4);
	nft_rule_address_in(writer, NFPROTO_IPV4, true, SET_GROUPS_4);
	nft_rule_protocol(writer, IPPROTO_IGMP);
	nft_rule_verdict(writer, NF_ACCEPT, NULL);
	nft_door_end(render, NULL);
	for (size_t i = 0; i < sizeof(dhcp) / sizeof(*dhcp); i++) {
		writer = nft_door_rule(render, chain);
		nft_rule_protocol(writer, IPPROTO_UDP);
		nft_rule_ports(writer, dhcp[i][0], dhcp[i][1]);
		nft_rule_verdict(writer, NF_ACCEPT, NULL);
		nft_door_end(render, NULL);
	}
}

/* nft alone: both directions are judged, and groups by the policy for them. */
static void inet_input_alone(struct nft_door_render *render, int chain)
{
	nft_rule_verdict(nft_door_rule(render, chain), NFT_JUMP, NFT_CHAIN_STATE);
	nft_door_end(render, NULL);
	nft_rule_reply(nft_door_rule(render, chain));
	nft_rule_verdict(&render->writer, NFT_GOTO, NFT_CHAIN_ANSWER);
	nft_door_end(render, NULL);
	for (size_t i = 0; i < 2; i++) {
		uint8_t family = i ? NFPROTO_IPV6 : NFPROTO_IPV4;

		nft_rule_family(nft_door_rule(render, chain), family);
		nft_rule_address_in(&render->writer, family, true, i ? SET_GROUPS_6 : SET_GROUPS_4);
		nft_rule_verdict(&render->writer, NFT_GOTO, NFT_CHAIN_QUESTION);
		nft_door_end(render, NULL);
	}
	nft_rule_verdict(nft_door_rule(render, chain), NFT_GOTO, NFT_CHAIN_TO_HOST);
	nft_door_end(render, NULL);
}

/* What containers send to the host. `senders` is filled by nft_host.c; a stamp that is not in it, or none at all, is
 * nobody's that may. */
static void inet_input(struct nft_door_render *render)
{
	struct nft_set senders = {.name = (char *)NFT_MAP_SENDERS,
				  .kind = NFT_SET_VERDICTS,
				  .key_type = NFT_TYPE_MARK,
				  .key_size = sizeof(uint32_t),
				  .host_order = true,
				  .comment = "containers by the stamp of their zone and groups"};
	int chain = nft_door_base(render, "input", NF_INET_LOCAL_IN, PRIORITY_INPUT);

	nft_door_groups_add(render);
	nft_set_add(render->ruleset, render->table, &senders);
	pass_interface(render, chain, false, LOOPBACK_IFINDEX);
	nft_door_by_mark(render, chain, NFT_CMP_EQ, BH_CLASS_REMOTE, NFT_RETURN, NULL);
	nft_door_by_mark(render, chain, NFT_CMP_EQ, BH_CLASS_HOST, NFT_RETURN, NULL);
	if (render->settings->alone) {
		inet_input_life(render, chain);
		inet_input_alone(render, chain);
		return;
	}
	inet_input_judged(render, chain);
	inet_input_life(render, chain);
	nft_rule_map_mark(nft_door_rule(render, chain), render->settings->mask, NFT_MAP_SENDERS);
	nft_door_end(render, NULL);
	nft_door_refuse(render, chain, BH_DROP_NO_STAMP, false, COUNTER_SENDER);
}

void nft_door_inet_table(struct nft_door_render *render)
{
	render->table = NFT_TABLE_INET;
	nft_door_sets_add(render);
	nft_door_samples_add(render, NFT_SET_REPORTED_SENDERS, NFT_TYPE_ETHERADDR, 6);
	nft_reject_render(render->ruleset, render->settings, render->door->reject);
	nft_door_counter(render, COUNTER_CLOSED_IN, "from ports that are not open");
	nft_door_counter(render, COUNTER_CLOSED_OUT, "to ports that are not open");
	nft_door_counter(render, COUNTER_SUBNET, "from a zone's subnet, but not by its interfaces");
	nft_door_counter(render, COUNTER_SENDER, "to the host, without the stamp of a container that is known");
	nft_door_from_outside(render);
	nft_door_from_veth(render);
	nft_door_to_veth(render);
	inet_prerouting(render);
	inet_input(render);
	if (render->settings->alone) {
		nft_door_bridges_add(render);
		nft_judge_door_render(render->ruleset, render->settings, render->door);
	} else {
		nft_second_render(render->ruleset, render->settings, render->door);
		nft_forward_render(render->ruleset, render->settings, render->door, PRIORITY_INPUT);
	}
	inet_output(render);
	inet_postrouting(render);
}
