/* SPDX-License-Identifier: GPL-2.0-only */
/* The door: who may not come in, who may not be reached, and whose word a stamp is.
 *
 * A stamp (the top bits of the mark) says who sent a packet. tc programs put judged ones on at containers' ports; all
 * others are put on, or taken off, here:
 *
 *   bridge prerouting   a veth's frame must have been judged, or is dropped; what comes from elsewhere is `remote`
 *   inet prerouting     the same for veths without a bridge; earlier than defragmentation (-400), so that a closed
 *                       port's fragments never meet others; and once more after others' mangle rules (-150)
 *   inet forward        what the host's NAT sends on from containers: only to ports, or dropped (nft_forward.c)
 *   inet output         `host`, before all others and after them: a process may have set any mark (SO_MARK)
 *   bridge output       `host` for frames that a process made (AF_PACKET passes no inet hook); routed packets between
 *                       containers leave by this hook too, and keep their sender's stamp; `remote` for what is
 *                       stacked on the bridge
 *   arp output          `host`
 *   postrouting         to a veth that is not open: dropped; a packet that leaves the host loses its stamp, since
 *                       tunnels' outer headers would inherit it
 *
 * What no hook sees: a process of the host with CAP_NET_RAW that writes frames straight to the host's end of a veth.
 * Without PACKET_QDISC_BYPASS its tc egress program sees the frame, with the process's socket; with it, nothing does.
 */
#include <stdlib.h>
#include <string.h>

#include "gate/nft_guard.h"
#include "gate/nft_judge.h"
#include "gate/nft_subnet.h"

#include <linux/netfilter_arp.h> /* after libc's, or they clash */
#include <linux/netfilter_bridge.h>

/* Among enum nf_ip_hook_priorities: raw before defragmentation -450, defragmentation -400, mangle -150, nat -100. */
#define PRIORITY_BEFORE_DEFRAG (-450)
#define PRIORITY_AFTER_MANGLE  (-149)
#define PRIORITY_FIRST_OUTPUT  (-400)
#define PRIORITY_LAST	       300
#define PRIORITY_INPUT	       (-10)
#define PRIORITY_BRIDGE_FIRST  (-300)
#define PRIORITY_BRIDGE_LAST   300
#define PRIORITY_ARP	       (-300)
#define LOOPBACK_IFINDEX       1u /* always (net/core/dev.c: LOOPBACK_IFINDEX) */

#define SET_BRIDGES  "bridges"
#define SET_GROUPS_4 "groups_4"
#define SET_GROUPS_6 "groups_6"

#define COUNTER_CLOSED_IN  "closed_in"
#define COUNTER_CLOSED_OUT "closed_out"
#define COUNTER_FORGED	   "forged"
#define COUNTER_LINK_LOCAL "link_local"
#define COUNTER_SUBNET	   "foreign_subnet"
#define COUNTER_SENDER	   "unknown_sender"

struct render {
	struct nft_ruleset *ruleset;
	const struct nft_settings *settings;
	const struct nft_door *door;
	enum nft_table_index table;
	struct nft_rule_writer writer; /* of the rule at hand */
};

static struct nft_rule_writer *rule(struct render *render, int chain)
{
	nft_rule_begin(&render->writer, render->ruleset, render->table, chain);
	return &render->writer;
}

/* What a stamp overwrites: nobody brings a verdict from elsewhere. */
static uint32_t bits(const struct render *render)
{
	return render->settings->mask | render->settings->judged;
}

static uint32_t stamp(const struct render *render, uint32_t class)
{
	return class << render->settings->shift;
}

static void end(struct render *render, const char *comment)
{
	nft_rule_end(&render->writer, comment, NULL);
}

void nft_refuse_render(struct nft_ruleset *ruleset, const struct nft_settings *settings, enum nft_table_index table,
		       int chain, const struct nft_refusal *refusal)
{
	char prefix[NFT_LOG_PREFIX_MAX];
	struct nft_rule_writer writer;

	if (settings->features.log) {
		snprintf(prefix, sizeof(prefix), "bulkhead deny r=%u d=%u%s", refusal->reason, refusal->decision,
			 refusal->to_port ? " out" : "");
		nft_rule_begin(&writer, ruleset, table, chain);
		nft_rule_sample(&writer, refusal->sample);
		nft_rule_log(&writer, prefix, settings->log_group, NFT_LOG_SNAPLEN);
		nft_rule_end(&writer, NULL, refusal->origin);
	}
	nft_rule_begin(&writer, ruleset, table, chain);
	nft_rule_counter(&writer, refusal->counter);
	nft_rule_verdict(&writer, NF_DROP, NULL);
	nft_rule_end(&writer, refusal->comment, refusal->origin);
}

static void refuse(struct render *render, int chain, enum bh_reason reason, bool to_port, const char *counter)
{
	struct nft_refusal refusal = {.reason = (uint8_t)reason,
				      .to_port = to_port,
				      .sample = to_port			     ? NFT_SAMPLE_OUTPUT
						: reason == BH_DROP_NO_STAMP ? NFT_SAMPLE_SENDER
									     : NFT_SAMPLE_INPUT,
				      .counter = counter};

	nft_refuse_render(render->ruleset, render->settings, render->table, chain, &refusal);
}

/* Ends or leaves the chain for packets of a set's interfaces. */
static void by_set(struct render *render, int chain, bool output, const char *set, int verdict, const char *to)
{
	struct nft_rule_writer *writer = rule(render, chain);

	nft_rule_interface_in(writer, output, false, set);
	nft_rule_verdict(writer, verdict, to);
	end(render, NULL);
}

static void by_kind(struct render *render, int chain, bool output, const char *kind, int verdict, const char *to)
{
	struct nft_rule_writer *writer = rule(render, chain);

	nft_rule_kind(writer, output, kind);
	nft_rule_verdict(writer, verdict, to);
	end(render, NULL);
}

static void by_mark(struct render *render, int chain, enum nft_cmp_ops op, uint32_t class, int verdict, const char *to)
{
	struct nft_rule_writer *writer = rule(render, chain);

	nft_rule_mark(writer, render->settings->mask, op, stamp(render, class));
	nft_rule_verdict(writer, verdict, to);
	end(render, NULL);
}

static void set_stamp(struct render *render, int chain, uint32_t class, const char *comment)
{
	nft_rule_stamp(rule(render, chain), bits(render), stamp(render, class));
	end(render, comment);
}

/* ---- Sets ---- */

static void interfaces_add(struct render *render, const char *name, const char *comment,
			   const struct nft_interfaces *interfaces)
{
	struct nft_set description = {.name = (char *)name,
				      .key_type = NFT_TYPE_IFINDEX,
				      .key_size = sizeof(uint32_t),
				      .host_order = true,
				      .comment = comment};
	struct nft_set *set = nft_set_add(render->ruleset, render->table, &description);

	for (size_t i = 0; i < interfaces->count; i++) {
		struct nft_element element = {0};

		memcpy(element.key, &interfaces->items[i], sizeof(uint32_t));
		nft_element_add(render->ruleset, set, &element);
	}
}

static void samples_add(struct render *render, const char *name, uint32_t key_type, uint8_t key_size)
{
	struct nft_set description = {.name = (char *)name,
				      .key_type = key_type,
				      .key_size = key_size,
				      .host_order = key_type == NFT_TYPE_IFINDEX,
				      .samples = true,
				      .comment = "whose dropped packets were reported just now"};

	if (render->settings->features.log)
		nft_set_add(render->ruleset, render->table, &description);
}

static void sets_add(struct render *render)
{
	const struct nft_door *door = render->door;

	interfaces_add(render, NFT_SET_OPEN, "ports that are open", &door->open);
	interfaces_add(render, NFT_SET_IGNORED, "veths that are no containers': not policed, their packets are remote",
		       &door->ignored);
	interfaces_add(render, NFT_SET_PATCH, "veths with both ends in this host", &door->patch);
	samples_add(render, NFT_SET_REPORTED, NFT_TYPE_IFINDEX, sizeof(uint32_t));
}

static void before_add(struct render *render)
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

static void counter(struct render *render, const char *name, const char *comment)
{
	struct nft_counter add = {.name = (char *)name, .comment = (char *)comment};

	nft_counter_add(render->ruleset, render->table, &add);
}

static void groups_add(struct render *render)
{
	const struct nft_door *door = render->door;
	/* RFC 5771, RFC 919; RFC 4291. */
	static const struct prefix always[] = {
		{{ADDR_V4, {224}}, 4},
		{{ADDR_V4, {255, 255, 255, 255}}, 32},
		{{ADDR_V6, {0xff}}, 8},
	};
	size_t count = sizeof(always) / sizeof(*always);
	struct prefix *all = calloc(count + door->group_count, sizeof(*all));

	if (!all) {
		render->ruleset->failed = true;
		return;
	}
	memcpy(all, always, sizeof(always));
	for (size_t i = 0; i < door->group_count; i++)
		all[count++] = prefix_of(&door->groups[i]);
	nft_subnet_set_add(render->ruleset, render->table, SET_GROUPS_4, NFPROTO_IPV4, "groups and broadcast addresses",
			   all, count);
	nft_subnet_set_add(render->ruleset, render->table, SET_GROUPS_6, NFPROTO_IPV6, "groups", all, count);
	free(all);
}

/* ---- Chains that several hooks share ---- */

/* From outside: `remote`, and no address of a zone's subnet from an interface that is not the zone's. */
static void from_outside(struct render *render)
{
	int chain = nft_chain_add(render->ruleset, render->table, "from_outside");

	set_stamp(render, chain, BH_CLASS_REMOTE, "from outside, whatever it says");
	nft_guard_outside_render(render->ruleset, render->settings, render->door, render->table, chain);
	for (size_t i = 0; i < render->door->via_count; i++)
		nft_via_render(render->ruleset, render->settings, render->table, chain, &render->door->via[i],
			       render->door->links, COUNTER_SUBNET);
}

/* Ends the chain. */
static void from_port(struct render *render, int chain)
{
	if (render->settings->alone) {
		nft_rule_verdict(rule(render, chain), NFT_GOTO, NFT_CHAIN_WHO);
		end(render, NULL);
		return;
	}
	by_mark(render, chain, NFT_CMP_GTE, BH_CLASS_UNASSIGNED, NFT_RETURN, NULL);
	refuse(render, chain, BH_DROP_CLOSED, false, COUNTER_CLOSED_IN);
}

static void to_port(struct render *render, int chain)
{
	if (render->settings->alone)
		by_set(render, chain, true, NFT_SET_OPEN, NFT_GOTO, NFT_CHAIN_OWN);
	else
		by_set(render, chain, true, NFT_SET_OPEN, NFT_RETURN, NULL);
}

/* The sender's stamp stays. Alone: a verdict does not, and what stood for an outside address is remote again. */
static void from_patch(struct render *render, int chain)
{
	struct nft_rule_writer *writer;

	if (!render->settings->alone) {
		by_set(render, chain, false, NFT_SET_PATCH, NFT_RETURN, NULL);
		return;
	}
	nft_judge_outsiders_add(render->ruleset, render->settings, render->table, render->door->names);
	writer = rule(render, chain);
	nft_rule_interface_in(writer, false, false, NFT_SET_PATCH);
	nft_rule_stamp_in(writer, render->settings->mask, false, NFT_SET_OUTSIDERS);
	nft_rule_verdict(writer, NFT_GOTO, "from_outside");
	end(render, NULL);
	writer = rule(render, chain);
	nft_rule_interface_in(writer, false, false, NFT_SET_PATCH);
	nft_rule_stamp(writer, render->settings->judged, 0);
	nft_rule_verdict(writer, NFT_RETURN, NULL);
	end(render, NULL);
}

/* From a veth: judged by the port's program, or dropped. Alone: guarded here, and judged in inet. */
static void from_veth(struct render *render)
{
	int chain = nft_chain_add(render->ruleset, render->table, "from_veth");
	struct nft_rule_writer *writer;

	by_set(render, chain, false, NFT_SET_IGNORED, NFT_GOTO, "from_outside");
	writer = rule(render, chain);
	nft_rule_interface_in(writer, false, false, NFT_SET_PATCH);
	nft_rule_mark(writer, render->settings->mask, NFT_CMP_EQ, 0);
	nft_rule_verdict(writer, NFT_GOTO, "from_outside");
	end(render, NULL);
	from_patch(render, chain);
	from_port(render, chain);
}

/* To a veth: only what is open. What goes to no container loses its stamp. */
static void to_veth(struct render *render)
{
	int chain = nft_chain_add(render->ruleset, render->table, "to_veth");
	struct nft_rule_writer *writer;

	to_port(render, chain);
	by_set(render, chain, true, NFT_SET_PATCH, NFT_RETURN, NULL);
	writer = rule(render, chain);
	nft_rule_interface_in(writer, true, false, NFT_SET_IGNORED);
	nft_rule_stamp(writer, bits(render), 0);
	nft_rule_verdict(writer, NFT_RETURN, NULL);
	end(render, NULL);
	refuse(render, chain, BH_DROP_CLOSED, true, COUNTER_CLOSED_OUT);
}

static int base(struct render *render, const char *name, uint32_t hook, int32_t priority)
{
	return nft_base_chain_add(render->ruleset, render->table, name, hook, priority);
}

/* ---- bridge ---- */

/* Link-local groups (IEEE 802.1D: 01:80:c2:00:00:00 to 0f) pass by prerouting and come straight to input. */
static void bridge_input(struct render *render)
{
	int veth = nft_chain_add(render->ruleset, render->table, "input_veth");
	int chain = base(render, "input", NF_BR_LOCAL_IN, PRIORITY_BRIDGE_FIRST);
	struct nft_rule_writer *writer;

	by_set(render, veth, false, NFT_SET_IGNORED, NFT_RETURN, NULL);
	by_set(render, veth, false, NFT_SET_PATCH, NFT_RETURN, NULL);
	writer = rule(render, veth);
	nft_rule_link_local_group(writer);
	nft_rule_counter(writer, COUNTER_LINK_LOCAL);
	nft_rule_verdict(writer, NF_DROP, NULL);
	end(render, "groups of the link itself: no container's business");
	by_mark(render, veth, NFT_CMP_GTE, BH_CLASS_UNASSIGNED, NFT_RETURN, NULL);
	refuse(render, veth, BH_DROP_CLOSED, false, COUNTER_CLOSED_IN);
	by_kind(render, chain, false, "veth", NFT_GOTO, "input_veth");
}

/* The bridges' own addresses: what the host sends by a bridge, its own and what it routes, comes from there. */
static void bridges_add(struct render *render)
{
	struct nft_set description = {.name = (char *)SET_BRIDGES,
				      .key_type = NFT_TYPE_ETHERADDR,
				      .key_size = 6,
				      .comment = "the bridges' own addresses"};
	struct nft_set *set = nft_set_add(render->ruleset, render->table, &description);
	const struct nft_links *links = render->door->links;

	for (size_t i = 0; set && links && i < links->count; i++) {
		struct nft_element element = {0};
		bool known = false;

		if (!links->items[i].bridge || !links->items[i].has_mac)
			continue;
		memcpy(element.key, links->items[i].mac.bytes, 6);
		for (size_t j = 0; j < set->elements.count; j++)
			known = known || memcmp(set->elements.items[j].key, element.key, sizeof(element.key)) == 0;
		if (!known)
			nft_element_add(render->ruleset, set, &element);
	}
}

/* nft alone: `inet` has judged what comes by IP from the bridge's own address. Ends the rule in hand. */
static void bridge_output_judged(struct render *render, struct nft_rule_writer *writer)
{
	nft_rule_source_mac_in(writer, false, SET_BRIDGES);
	if (render->settings->features.route)
		nft_rule_routed(writer);
	nft_rule_mark(writer, render->settings->judged, NFT_CMP_EQ, render->settings->judged);
	nft_rule_verdict(writer, NF_ACCEPT, NULL);
	end(render, "judged, and stamped, in inet");
}

/* A stamp that was judged comes here by routing: from the bridge's address, with a route. Interfaces that are stacked
 * on a bridge and live in other namespaces (macvlan) send by this hook too, with any mark their processes asked for,
 * and are no part of the host. */
static void bridge_output(struct render *render)
{
	int forged = nft_chain_add(render->ruleset, render->table, "forged");
	int judged = nft_chain_add(render->ruleset, render->table, "output_judged");
	int chain = base(render, "output", NF_BR_LOCAL_OUT, PRIORITY_BRIDGE_FIRST);
	struct nft_rule_writer *writer = rule(render, chain);

	refuse(render, forged, BH_DROP_NO_STAMP, true, COUNTER_FORGED);
	if (render->settings->alone) {
		bridge_output_judged(render, writer);
		writer = rule(render, chain);
	}
	nft_rule_socket(writer);
	nft_rule_stamp(writer, bits(render), stamp(render, BH_CLASS_HOST));
	nft_rule_verdict(writer, NF_ACCEPT, NULL);
	end(render, "made by a process of the host, whatever it says");
	by_mark(render, chain, NFT_CMP_GTE, BH_CLASS_UNASSIGNED, NFT_GOTO, "output_judged");
	writer = rule(render, chain);
	nft_rule_source_mac_in(writer, true, SET_BRIDGES);
	nft_rule_stamp(writer, bits(render), stamp(render, BH_CLASS_REMOTE));
	nft_rule_verdict(writer, NF_ACCEPT, NULL);
	end(render, "stacked on the bridge: not the host");
	/* Without the inet table (somebody deleted it) what is routed comes here without a stamp: it is not the host's.
	 */
	if (render->settings->features.route) {
		writer = rule(render, chain);
		nft_rule_mark(writer, render->settings->mask, NFT_CMP_EQ, 0);
		nft_rule_routed(writer);
		nft_rule_stamp(writer, render->settings->mask, stamp(render, BH_CLASS_REMOTE));
		nft_rule_verdict(writer, NF_ACCEPT, NULL);
		end(render, "routed, and told by nobody from where");
	}
	writer = rule(render, chain);
	nft_rule_mark(writer, render->settings->mask, NFT_CMP_EQ, 0);
	nft_rule_stamp(writer, bits(render), stamp(render, BH_CLASS_HOST));
	end(render, "made by the kernel");
	writer = rule(render, judged);
	nft_rule_source_mac_in(writer, true, SET_BRIDGES);
	nft_rule_verdict(writer, NFT_GOTO, "forged");
	end(render, NULL);
	if (!render->settings->features.route)
		return;
	nft_rule_routed(rule(render, judged));
	nft_rule_verdict(&render->writer, NFT_RETURN, NULL);
	end(render, "routed: its sender's stamp stays");
	nft_rule_verdict(rule(render, judged), NFT_GOTO, "forged");
	end(render, NULL);
}

static void bridge_table(struct render *render)
{
	int chain;

	render->table = NFT_TABLE_BRIDGE;
	sets_add(render);
	before_add(render);
	bridges_add(render);
	if (render->settings->alone)
		groups_add(render);
	counter(render, COUNTER_FORGED, "by a bridge, with a stamp that was not judged");
	counter(render, COUNTER_CLOSED_IN, "from ports that are not open");
	counter(render, COUNTER_CLOSED_OUT, "to ports that are not open");
	counter(render, COUNTER_LINK_LOCAL, "to link-local groups");
	counter(render, COUNTER_SUBNET, "from a zone's subnet, but not by its interfaces");
	from_outside(render);
	from_veth(render);
	to_veth(render);
	chain = base(render, "prerouting", NF_BR_PRE_ROUTING, PRIORITY_BRIDGE_FIRST);
	by_kind(render, chain, false, "veth", NFT_GOTO, "from_veth");
	nft_rule_verdict(rule(render, chain), NFT_GOTO, "from_outside");
	end(render, NULL);
	bridge_input(render);
	bridge_output(render);
	chain = base(render, "postrouting", NF_BR_POST_ROUTING, PRIORITY_BRIDGE_LAST);
	if (render->settings->alone)
		nft_guard_leave_render(render->ruleset, render->settings, render->door, chain);
	by_kind(render, chain, true, "veth", NFT_GOTO, "to_veth");
	set_stamp(render, chain, BH_CLASS_NONE, "leaves the host");
}

/* ---- inet ---- */

/* Interfaces above others: what comes up through them has been stamped below (a bridge), passes this hook a second time
 * (vrf), or may have done either (vlan). */
static const char *const uppers[] = {"bridge", "vlan", "vrf"};

static void pass_interface(struct render *render, int chain, bool output, uint32_t ifindex)
{
	struct nft_rule_writer *writer = rule(render, chain);

	nft_rule_interface(writer, output, ifindex);
	nft_rule_verdict(writer, NFT_RETURN, NULL);
	end(render, NULL);
}

/* What comes by loopback was made here: a packet socket there can set any mark, and have the host route it on. */
static void from_loopback(struct render *render, int chain)
{
	struct nft_rule_writer *writer = rule(render, chain);

	nft_rule_interface(writer, false, LOOPBACK_IFINDEX);
	nft_rule_stamp(writer, bits(render), stamp(render, BH_CLASS_HOST));
	nft_rule_verdict(writer, NFT_RETURN, NULL);
	end(render, "the host's own, whatever it says");
}

static void inet_prerouting(struct render *render)
{
	int upper = nft_chain_add(render->ruleset, render->table, "from_upper");
	int chain = base(render, "prerouting", NF_INET_PRE_ROUTING, PRIORITY_BEFORE_DEFRAG);
	int late = base(render, "prerouting_late", NF_INET_PRE_ROUTING, PRIORITY_AFTER_MANGLE);

	by_mark(render, upper, NFT_CMP_EQ, BH_CLASS_NONE, NFT_GOTO, "from_outside");
	by_mark(render, upper, NFT_CMP_EQ, BH_CLASS_REMOTE, NFT_GOTO, "from_outside");
	from_loopback(render, chain);
	from_loopback(render, late);
	by_kind(render, chain, false, "veth", NFT_GOTO, "from_veth");
	by_kind(render, late, false, "veth", NFT_RETURN, NULL);
	for (size_t i = 0; i < sizeof(uppers) / sizeof(*uppers); i++) {
		by_kind(render, chain, false, uppers[i], NFT_GOTO, "from_upper");
		by_kind(render, late, false, uppers[i], NFT_RETURN, NULL);
	}
	nft_rule_verdict(rule(render, chain), NFT_GOTO, "from_outside");
	end(render, NULL);
	set_stamp(render, late, BH_CLASS_REMOTE, "others' mangle rules may have restored a mark");
}

static void inet_output(struct render *render)
{
	int first = base(render, "output", NF_INET_LOCAL_OUT, PRIORITY_FIRST_OUTPUT);
	int last = base(render, "output_late", NF_INET_LOCAL_OUT, PRIORITY_LAST);

	set_stamp(render, first, BH_CLASS_HOST, "the host's own, whatever the process says");
	set_stamp(render, last, BH_CLASS_HOST, "once more, after others' rules");
}

static void inet_postrouting(struct render *render)
{
	int chain = base(render, "postrouting", NF_INET_POST_ROUTING, PRIORITY_LAST);

	by_kind(render, chain, true, "veth", NFT_GOTO, "to_veth");
	pass_interface(render, chain, true, LOOPBACK_IFINDEX);
	for (size_t i = 0; i < sizeof(uppers) / sizeof(*uppers); i++)
		by_kind(render, chain, true, uppers[i], NFT_RETURN, NULL);
	set_stamp(render, chain, BH_CLASS_NONE, "leaves the host");
}

/* What the ports' programs have judged already, by their own flow state or as traffic to groups. Conntrack tells which
 * direction a packet has; what it does not track, or finds invalid, is judged like the first packet of a flow: where
 * others say `notrack`, replies to the host pass only if the policy allows them as such. */
static void inet_input_judged(struct render *render, int chain)
{
	struct nft_rule_writer *writer;

	if (render->settings->features.conntrack) {
		writer = rule(render, chain);
		nft_rule_reply(writer);
		nft_rule_verdict(writer, NF_ACCEPT, NULL);
		end(render, "replies to the host, judged at the port");
		for (size_t i = 0; i < 2; i++) {
			writer = rule(render, chain);
			nft_rule_family(writer, i ? NFPROTO_IPV6 : NFPROTO_IPV4);
			nft_rule_protocol(writer, i ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
			nft_rule_state(writer, NFT_STATE_RELATED);
			nft_rule_verdict(writer, NF_ACCEPT, NULL);
			end(render, "errors of open flows, judged at the port");
		}
	}
	for (size_t i = 0; i < 2; i++) {
		uint8_t family = i ? NFPROTO_IPV6 : NFPROTO_IPV4;

		writer = rule(render, chain);
		nft_rule_family(writer, family);
		nft_rule_address_in(writer, family, true, i ? SET_GROUPS_6 : SET_GROUPS_4);
		nft_rule_verdict(writer, NF_ACCEPT, NULL);
		end(render, "groups: judged at the port, as multicast");
	}
}

/* What a port may always do (the port's program lets nothing else of these kinds pass). */
static void inet_input_life(struct render *render, int chain)
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
		writer = rule(render, chain);
		nft_rule_family(writer, NFPROTO_IPV6);
		if (types[i].group)
			nft_rule_address_in(writer, NFPROTO_IPV6, true, SET_GROUPS_6);
		nft_rule_hop_limit(writer, NFT_CMP_EQ, types[i].hops);
		nft_rule_protocol(writer, IPPROTO_ICMPV6);
		nft_rule_type(writer, types[i].low, types[i].high);
		nft_rule_verdict(writer, NF_ACCEPT, NULL);
		end(render, NULL);
	}
	writer = rule(render, chain);
	nft_rule_family(writer, NFPROTO_IPV4);
	nft_rule_address_in(writer, NFPROTO_IPV4, true, SET_GROUPS_4);
	nft_rule_protocol(writer, IPPROTO_IGMP);
	nft_rule_verdict(writer, NF_ACCEPT, NULL);
	end(render, NULL);
	for (size_t i = 0; i < sizeof(dhcp) / sizeof(*dhcp); i++) {
		writer = rule(render, chain);
		nft_rule_protocol(writer, IPPROTO_UDP);
		nft_rule_ports(writer, dhcp[i][0], dhcp[i][1]);
		nft_rule_verdict(writer, NF_ACCEPT, NULL);
		end(render, NULL);
	}
}

/* nft alone: both directions are judged, and groups by the policy for them. */
static void inet_input_alone(struct render *render, int chain)
{
	nft_rule_verdict(rule(render, chain), NFT_JUMP, NFT_CHAIN_STATE);
	end(render, NULL);
	nft_rule_reply(rule(render, chain));
	nft_rule_verdict(&render->writer, NFT_GOTO, NFT_CHAIN_ANSWER);
	end(render, NULL);
	for (size_t i = 0; i < 2; i++) {
		uint8_t family = i ? NFPROTO_IPV6 : NFPROTO_IPV4;

		nft_rule_family(rule(render, chain), family);
		nft_rule_address_in(&render->writer, family, true, i ? SET_GROUPS_6 : SET_GROUPS_4);
		nft_rule_verdict(&render->writer, NFT_GOTO, NFT_CHAIN_QUESTION);
		end(render, NULL);
	}
	nft_rule_verdict(rule(render, chain), NFT_GOTO, NFT_CHAIN_TO_HOST);
	end(render, NULL);
}

/* What containers send to the host. `senders` is filled by nft_host.c; a stamp that is not in it, or none at all, is
 * nobody's that may. */
static void inet_input(struct render *render)
{
	struct nft_set senders = {.name = (char *)NFT_MAP_SENDERS,
				  .kind = NFT_SET_VERDICTS,
				  .key_type = NFT_TYPE_MARK,
				  .key_size = sizeof(uint32_t),
				  .host_order = true,
				  .comment = "containers by the stamp of their zone and groups"};
	int chain = base(render, "input", NF_INET_LOCAL_IN, PRIORITY_INPUT);

	groups_add(render);
	nft_set_add(render->ruleset, render->table, &senders);
	pass_interface(render, chain, false, LOOPBACK_IFINDEX);
	by_mark(render, chain, NFT_CMP_EQ, BH_CLASS_REMOTE, NFT_RETURN, NULL);
	by_mark(render, chain, NFT_CMP_EQ, BH_CLASS_HOST, NFT_RETURN, NULL);
	if (render->settings->alone) {
		inet_input_life(render, chain);
		inet_input_alone(render, chain);
		return;
	}
	inet_input_judged(render, chain);
	inet_input_life(render, chain);
	nft_rule_map_mark(rule(render, chain), render->settings->mask, NFT_MAP_SENDERS);
	end(render, NULL);
	refuse(render, chain, BH_DROP_NO_STAMP, false, COUNTER_SENDER);
}

static void inet_table(struct render *render)
{
	render->table = NFT_TABLE_INET;
	sets_add(render);
	samples_add(render, NFT_SET_REPORTED_SENDERS, NFT_TYPE_ETHERADDR, 6);
	nft_reject_render(render->ruleset, render->settings, render->door->reject);
	counter(render, COUNTER_CLOSED_IN, "from ports that are not open");
	counter(render, COUNTER_CLOSED_OUT, "to ports that are not open");
	counter(render, COUNTER_SUBNET, "from a zone's subnet, but not by its interfaces");
	counter(render, COUNTER_SENDER, "to the host, without the stamp of a container that is known");
	from_outside(render);
	from_veth(render);
	to_veth(render);
	inet_prerouting(render);
	inet_input(render);
	if (render->settings->alone) {
		bridges_add(render);
		nft_judge_door_render(render->ruleset, render->settings, render->door);
	} else {
		nft_second_render(render->ruleset, render->settings, render->door);
		nft_forward_render(render->ruleset, render->settings, render->door, PRIORITY_INPUT);
	}
	inet_output(render);
	inet_postrouting(render);
}

/* ---- arp: veths without a bridge; a bridge's own frames pass the bridge's hooks too ---- */

static void arp_table(struct render *render)
{
	int from, to, chain;

	render->table = NFT_TABLE_ARP;
	sets_add(render);
	counter(render, COUNTER_CLOSED_IN, "from ports that are not open");
	counter(render, COUNTER_CLOSED_OUT, "to ports that are not open");
	from = nft_chain_add(render->ruleset, render->table, "from_veth");
	by_set(render, from, false, NFT_SET_IGNORED, NFT_RETURN, NULL);
	by_set(render, from, false, NFT_SET_PATCH, NFT_RETURN, NULL);
	from_port(render, from);
	to = nft_chain_add(render->ruleset, render->table, "to_veth");
	by_set(render, to, true, NFT_SET_OPEN, NFT_RETURN, NULL);
	by_set(render, to, true, NFT_SET_PATCH, NFT_RETURN, NULL);
	by_set(render, to, true, NFT_SET_IGNORED, NFT_RETURN, NULL);
	refuse(render, to, BH_DROP_CLOSED, true, COUNTER_CLOSED_OUT);
	chain = base(render, "input", NF_ARP_IN, PRIORITY_ARP);
	by_kind(render, chain, false, "veth", NFT_GOTO, "from_veth");
	chain = base(render, "output", NF_ARP_OUT, PRIORITY_ARP);
	set_stamp(render, chain, BH_CLASS_HOST, "the host's own");
	by_kind(render, chain, true, "veth", NFT_GOTO, "to_veth");
}

void nft_door_render(struct nft_ruleset *ruleset, const struct nft_settings *settings, const struct nft_door *door)
{
	struct render render = {.ruleset = ruleset, .settings = settings, .door = door};

	bridge_table(&render);
	inet_table(&render);
	arp_table(&render);
	if (settings->alone)
		nft_guard_render(ruleset, settings, door);
}
