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

#include "gate/nft_door.h"
#include "gate/nft_guard.h"
#include "gate/nft_judge.h"
#include "gate/nft_subnet.h"

#include <linux/netfilter_arp.h> /* after libc's, or they clash */

struct nft_rule_writer *nft_door_rule(struct nft_door_render *render, int chain)
{
	nft_rule_begin(&render->writer, render->ruleset, render->table, chain);
	return &render->writer;
}

/* What a stamp overwrites: nobody brings a verdict from elsewhere. */
uint32_t nft_door_bits(const struct nft_door_render *render)
{
	return render->settings->mask | render->settings->judged;
}

uint32_t nft_door_stamp(const struct nft_door_render *render, uint32_t class)
{
	return class << render->settings->shift;
}

void nft_door_end(struct nft_door_render *render, const char *comment)
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

void nft_door_refuse(struct nft_door_render *render, int chain, enum bh_reason reason, bool to_port,
		     const char *counter)
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
void nft_door_by_set(struct nft_door_render *render, int chain, bool output, const char *set, int verdict,
		     const char *to)
{
	struct nft_rule_writer *writer = nft_door_rule(render, chain);

	nft_rule_interface_in(writer, output, false, set);
	nft_rule_verdict(writer, verdict, to);
	nft_door_end(render, NULL);
}

void nft_door_by_kind(struct nft_door_render *render, int chain, bool output, const char *kind, int verdict,
		      const char *to)
{
	struct nft_rule_writer *writer = nft_door_rule(render, chain);

	nft_rule_kind(writer, output, kind);
	nft_rule_verdict(writer, verdict, to);
	nft_door_end(render, NULL);
}

void nft_door_by_mark(struct nft_door_render *render, int chain, enum nft_cmp_ops op, uint32_t class, int verdict,
		      const char *to)
{
	struct nft_rule_writer *writer = nft_door_rule(render, chain);

	nft_rule_mark(writer, render->settings->mask, op, nft_door_stamp(render, class));
	nft_rule_verdict(writer, verdict, to);
	nft_door_end(render, NULL);
}

void nft_door_set_stamp(struct nft_door_render *render, int chain, uint32_t class, const char *comment)
{
	nft_rule_stamp(nft_door_rule(render, chain), nft_door_bits(render), nft_door_stamp(render, class));
	nft_door_end(render, comment);
}

/* ---- Sets ---- */

static void interfaces_add(struct nft_door_render *render, const char *name, const char *comment,
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

void nft_door_samples_add(struct nft_door_render *render, const char *name, uint32_t key_type, uint8_t key_size)
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

void nft_door_sets_add(struct nft_door_render *render)
{
	const struct nft_door *door = render->door;

	interfaces_add(render, NFT_SET_OPEN, "ports that are open", &door->open);
	interfaces_add(render, NFT_SET_IGNORED, "veths that are no containers': not policed, their packets are remote",
		       &door->ignored);
	interfaces_add(render, NFT_SET_PATCH, "veths with both ends in this host", &door->patch);
	nft_door_samples_add(render, NFT_SET_REPORTED, NFT_TYPE_IFINDEX, sizeof(uint32_t));
}

void nft_door_counter(struct nft_door_render *render, const char *name, const char *comment)
{
	struct nft_counter add = {.name = (char *)name, .comment = (char *)comment};

	nft_counter_add(render->ruleset, render->table, &add);
}

void nft_door_groups_add(struct nft_door_render *render)
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

/* The bridges' own addresses: what the host sends by a bridge, its own and what it routes, comes from there. */
void nft_door_bridges_add(struct nft_door_render *render)
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

/* ---- Chains that several hooks share ---- */

/* From outside: `remote`, and no address of a zone's subnet from an interface that is not the zone's. */
void nft_door_from_outside(struct nft_door_render *render)
{
	int chain = nft_chain_add(render->ruleset, render->table, "from_outside");

	nft_door_set_stamp(render, chain, BH_CLASS_REMOTE, "from outside, whatever it says");
	nft_guard_outside_render(render->ruleset, render->settings, render->door, render->table, chain);
	for (size_t i = 0; i < render->door->via_count; i++)
		nft_via_render(render->ruleset, render->settings, render->table, chain, &render->door->via[i],
			       render->door->links, COUNTER_SUBNET);
}

/* Ends the chain. */
static void from_port(struct nft_door_render *render, int chain)
{
	if (render->settings->alone) {
		nft_rule_verdict(nft_door_rule(render, chain), NFT_GOTO, NFT_CHAIN_WHO);
		nft_door_end(render, NULL);
		return;
	}
	nft_door_by_mark(render, chain, NFT_CMP_GTE, BH_CLASS_UNASSIGNED, NFT_RETURN, NULL);
	nft_door_refuse(render, chain, BH_DROP_CLOSED, false, COUNTER_CLOSED_IN);
}

static void to_port(struct nft_door_render *render, int chain)
{
	if (render->settings->alone)
		nft_door_by_set(render, chain, true, NFT_SET_OPEN, NFT_GOTO, NFT_CHAIN_OWN);
	else
		nft_door_by_set(render, chain, true, NFT_SET_OPEN, NFT_RETURN, NULL);
}

/* The sender's stamp stays. Alone: a verdict does not, and what stood for an outside address is remote again. */
static void from_patch(struct nft_door_render *render, int chain)
{
	struct nft_rule_writer *writer;

	if (!render->settings->alone) {
		nft_door_by_set(render, chain, false, NFT_SET_PATCH, NFT_RETURN, NULL);
		return;
	}
	nft_judge_outsiders_add(render->ruleset, render->settings, render->table, render->door->names);
	writer = nft_door_rule(render, chain);
	nft_rule_interface_in(writer, false, false, NFT_SET_PATCH);
	nft_rule_stamp_in(writer, render->settings->mask, false, NFT_SET_OUTSIDERS);
	nft_rule_verdict(writer, NFT_GOTO, "from_outside");
	nft_door_end(render, NULL);
	writer = nft_door_rule(render, chain);
	nft_rule_interface_in(writer, false, false, NFT_SET_PATCH);
	nft_rule_stamp(writer, render->settings->judged, 0);
	nft_rule_verdict(writer, NFT_RETURN, NULL);
	nft_door_end(render, NULL);
}

/* From a veth: judged by the port's program, or dropped. Alone: guarded here, and judged in inet. */
void nft_door_from_veth(struct nft_door_render *render)
{
	int chain = nft_chain_add(render->ruleset, render->table, "from_veth");
	struct nft_rule_writer *writer;

	nft_door_by_set(render, chain, false, NFT_SET_IGNORED, NFT_GOTO, "from_outside");
	writer = nft_door_rule(render, chain);
	nft_rule_interface_in(writer, false, false, NFT_SET_PATCH);
	nft_rule_mark(writer, render->settings->mask, NFT_CMP_EQ, 0);
	nft_rule_verdict(writer, NFT_GOTO, "from_outside");
	nft_door_end(render, NULL);
	from_patch(render, chain);
	from_port(render, chain);
}

/* To a veth: only what is open. What goes to no container loses its stamp. */
void nft_door_to_veth(struct nft_door_render *render)
{
	int chain = nft_chain_add(render->ruleset, render->table, "to_veth");
	struct nft_rule_writer *writer;

	to_port(render, chain);
	nft_door_by_set(render, chain, true, NFT_SET_PATCH, NFT_RETURN, NULL);
	writer = nft_door_rule(render, chain);
	nft_rule_interface_in(writer, true, false, NFT_SET_IGNORED);
	nft_rule_stamp(writer, nft_door_bits(render), 0);
	nft_rule_verdict(writer, NFT_RETURN, NULL);
	nft_door_end(render, NULL);
	nft_door_refuse(render, chain, BH_DROP_CLOSED, true, COUNTER_CLOSED_OUT);
}

int nft_door_base(struct nft_door_render *render, const char *name, uint32_t hook, int32_t priority)
{
	return nft_base_chain_add(render->ruleset, render->table, name, hook, priority);
}

/* ---- arp: veths without a bridge; a bridge's own frames pass the bridge's hooks too ---- */

static void arp_table(struct nft_door_render *render)
{
	int from, to, chain;

	render->table = NFT_TABLE_ARP;
	nft_door_sets_add(render);
	nft_door_counter(render, COUNTER_CLOSED_IN, "from ports that are not open");
	nft_door_counter(render, COUNTER_CLOSED_OUT, "to ports that are not open");
	from = nft_chain_add(render->ruleset, render->table, "from_veth");
	nft_door_by_set(render, from, false, NFT_SET_IGNORED, NFT_RETURN, NULL);
	nft_door_by_set(render, from, false, NFT_SET_PATCH, NFT_RETURN, NULL);
	from_port(render, from);
	to = nft_chain_add(render->ruleset, render->table, "to_veth");
	nft_door_by_set(render, to, true, NFT_SET_OPEN, NFT_RETURN, NULL);
	nft_door_by_set(render, to, true, NFT_SET_PATCH, NFT_RETURN, NULL);
	nft_door_by_set(render, to, true, NFT_SET_IGNORED, NFT_RETURN, NULL);
	nft_door_refuse(render, to, BH_DROP_CLOSED, true, COUNTER_CLOSED_OUT);
	chain = nft_door_base(render, "input", NF_ARP_IN, PRIORITY_ARP);
	nft_door_by_kind(render, chain, false, "veth", NFT_GOTO, "from_veth");
	chain = nft_door_base(render, "output", NF_ARP_OUT, PRIORITY_ARP);
	nft_door_set_stamp(render, chain, BH_CLASS_HOST, "the host's own");
	nft_door_by_kind(render, chain, true, "veth", NFT_GOTO, "to_veth");
}

void nft_door_render(struct nft_ruleset *ruleset, const struct nft_settings *settings, const struct nft_door *door)
{
	struct nft_door_render render = {.ruleset = ruleset, .settings = settings, .door = door};

	nft_door_bridge_table(&render);
	nft_door_inet_table(&render);
	arp_table(&render);
	if (settings->alone)
		nft_guard_render(ruleset, settings, door);
}
