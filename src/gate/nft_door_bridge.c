/* SPDX-License-Identifier: GPL-2.0-only */
/* The door's table bridge: frames that cross or enter bridges. */
#include <stdlib.h>
#include <string.h>

#include "gate/nft_door.h"
#include "gate/nft_guard.h"
#include "gate/nft_judge.h"
#include "gate/nft_subnet.h"

#include <linux/netfilter_bridge.h> /* after libc's, or they clash */

/* Link-local groups (IEEE 802.1D: 01:80:c2:00:00:00 to 0f) pass by prerouting and come straight to input. */
static void bridge_input(struct nft_door_render *render)
{
	int veth = nft_chain_add(render->ruleset, render->table, "input_veth");
	int chain = nft_door_base(render, "input", NF_BR_LOCAL_IN, PRIORITY_BRIDGE_FIRST);
	struct nft_rule_writer *writer;

	nft_door_by_set(render, veth, false, NFT_SET_IGNORED, NFT_RETURN, NULL);
	nft_door_by_set(render, veth, false, NFT_SET_PATCH, NFT_RETURN, NULL);
	writer = nft_door_rule(render, veth);
	nft_rule_link_local_group(writer);
	nft_rule_counter(writer, COUNTER_LINK_LOCAL);
	nft_rule_verdict(writer, NF_DROP, NULL);
	nft_door_end(render, "groups of the link itself: no container's business");
	nft_door_by_mark(render, veth, NFT_CMP_GTE, BH_CLASS_UNASSIGNED, NFT_RETURN, NULL);
	nft_door_refuse(render, veth, BH_DROP_CLOSED, false, COUNTER_CLOSED_IN);
	nft_door_by_kind(render, chain, false, "veth", NFT_GOTO, "input_veth");
}

static void before_add(struct nft_door_render *render)
{
	struct nft_set description = {
		.name = (char *)NFT_MAP_BEFORE,
		.kind = NFT_SET_MARKS,
		.key_type = NFT_TYPE_IFINDEX,
		.key_size = sizeof(uint32_t),
		.host_order = true,
		.comment = "bridge settings that Bulkhead changed, for its removal; no packet looks here"};
	struct nft_set *set = nft_set_add(render->ruleset, render->table, &description);

	for (size_t i = 0; i < render->door->before_count; i++) {
		struct nft_element element = {.data = render->door->before[i].settings};

		memcpy(element.key, &render->door->before[i].ifindex, sizeof(uint32_t));
		nft_element_add(render->ruleset, set, &element);
	}
}

/* nft alone: `inet` has judged what comes by IP from the bridge's own address. Ends the rule in hand. */
static void bridge_output_judged(struct nft_door_render *render, struct nft_rule_writer *writer)
{
	nft_rule_source_mac_in(writer, false, SET_BRIDGES);
	if (render->settings->features.route)
		nft_rule_routed(writer);
	nft_rule_mark(writer, render->settings->judged, NFT_CMP_EQ, render->settings->judged);
	nft_rule_verdict(writer, NF_ACCEPT, NULL);
	nft_door_end(render, "judged, and stamped, in inet");
}

/* A stamp that was judged comes here by routing: from the bridge's address, with a route. Interfaces that are stacked
 * on a bridge and live in other namespaces (macvlan) send by this hook too, with any mark their processes asked for,
 * and are no part of the host. */
static void bridge_output(struct nft_door_render *render)
{
	int forged = nft_chain_add(render->ruleset, render->table, "forged");
	int judged = nft_chain_add(render->ruleset, render->table, "output_judged");
	int chain = nft_door_base(render, "output", NF_BR_LOCAL_OUT, PRIORITY_BRIDGE_FIRST);
	struct nft_rule_writer *writer = nft_door_rule(render, chain);

	nft_door_refuse(render, forged, BH_DROP_NO_STAMP, true, COUNTER_FORGED);
	if (render->settings->alone) {
		bridge_output_judged(render, writer);
		writer = nft_door_rule(render, chain);
	}
	nft_rule_socket(writer);
	nft_rule_stamp(writer, nft_door_bits(render), nft_door_stamp(render, BH_CLASS_HOST));
	nft_rule_verdict(writer, NF_ACCEPT, NULL);
	nft_door_end(render, "made by a process of the host, whatever it says");
	nft_door_by_mark(render, chain, NFT_CMP_GTE, BH_CLASS_UNASSIGNED, NFT_GOTO, "output_judged");
	writer = nft_door_rule(render, chain);
	nft_rule_source_mac_in(writer, true, SET_BRIDGES);
	nft_rule_stamp(writer, nft_door_bits(render), nft_door_stamp(render, BH_CLASS_REMOTE));
	nft_rule_verdict(writer, NF_ACCEPT, NULL);
	nft_door_end(render, "stacked on the bridge: not the host");
	/* Without the inet table (somebody deleted it) what is routed comes here without a stamp: it is not the host's.
	 */
	if (render->settings->features.route) {
		writer = nft_door_rule(render, chain);
		nft_rule_mark(writer, render->settings->mask, NFT_CMP_EQ, 0);
		nft_rule_routed(writer);
		nft_rule_stamp(writer, render->settings->mask, nft_door_stamp(render, BH_CLASS_REMOTE));
		nft_rule_verdict(writer, NF_ACCEPT, NULL);
		nft_door_end(render, "routed, and told by nobody from where");
	}
	writer = nft_door_rule(render, chain);
	nft_rule_mark(writer, render->settings->mask, NFT_CMP_EQ, 0);
	nft_rule_stamp(writer, nft_door_bits(render), nft_door_stamp(render, BH_CLASS_HOST));
	nft_door_end(render, "made by the kernel");
	writer = nft_door_rule(render, judged);
	nft_rule_source_mac_in(writer, true, SET_BRIDGES);
	nft_rule_verdict(writer, NFT_GOTO, "forged");
	nft_door_end(render, NULL);
	if (!render->settings->features.route)
		return;
	nft_rule_routed(nft_door_rule(render, judged));
	nft_rule_verdict(&render->writer, NFT_RETURN, NULL);
	nft_door_end(render, "routed: its sender's stamp stays");
	nft_rule_verdict(nft_door_rule(render, judged), NFT_GOTO, "forged");
	nft_door_end(render, NULL);
}

void nft_door_bridge_table(struct nft_door_render *render)
{
	int chain;

	render->table = NFT_TABLE_BRIDGE;
	nft_door_sets_add(render);
	before_add(render);
	nft_door_bridges_add(render);
	if (render->settings->alone)
		nft_door_groups_add(render);
	nft_door_counter(render, COUNTER_FORGED, "by a bridge, with a stamp that was not judged");
	nft_door_counter(render, COUNTER_CLOSED_IN, "from ports that are not open");
	nft_door_counter(render, COUNTER_CLOSED_OUT, "to ports that are not open");
	nft_door_counter(render, COUNTER_LINK_LOCAL, "to link-local groups");
	nft_door_counter(render, COUNTER_SUBNET, "from a zone's subnet, but not by its interfaces");
	nft_door_from_outside(render);
	nft_door_from_veth(render);
	nft_door_to_veth(render);
	chain = nft_door_base(render, "prerouting", NF_BR_PRE_ROUTING, PRIORITY_BRIDGE_FIRST);
	nft_door_by_kind(render, chain, false, "veth", NFT_GOTO, "from_veth");
	nft_rule_verdict(nft_door_rule(render, chain), NFT_GOTO, "from_outside");
	nft_door_end(render, NULL);
	bridge_input(render);
	bridge_output(render);
	chain = nft_door_base(render, "postrouting", NF_BR_POST_ROUTING, PRIORITY_BRIDGE_LAST);
	if (render->settings->alone)
		nft_guard_leave_render(render->ruleset, render->settings, render->door, chain);
	nft_door_by_kind(render, chain, true, "veth", NFT_GOTO, "to_veth");
	nft_door_set_stamp(render, chain, BH_CLASS_NONE, "leaves the host");
}
