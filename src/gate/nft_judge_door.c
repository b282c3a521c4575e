/* SPDX-License-Identifier: GPL-2.0-only */
/* nftables alone: the hooks where packets are judged, and what all of them must be before anybody is asked. Without a
 * policy the maps are empty, and nothing passes.
 *
 * Bridged packets come here by bridge netfilter, with the bridge as their interface. */
#include <string.h>

#include "gate/nft_judge.h"

#include <linux/netfilter_arp.h> /* after libc's, or they clash */

#define PRIORITY_ZONES	 (-449) /* before fragments are put together (-400), which is by zone too */
#define PRIORITY_FORWARD (-10)	/* others' filters at 0 see what we let pass */
#define PRIORITY_OUTPUT	 301	/* behind NAT, and behind the last stamp (nft_door.c) */
#define LOOPBACK_IFINDEX 1u
#define ND_HOP_LIMIT	 255	  /* RFC 4861: came over no router */
#define SET_GROUPS	 "groups" /* nft_door.c; with _4, _6 */

static const uint8_t families[] = {NFPROTO_IPV4, NFPROTO_IPV6};

struct judge_door {
	struct nft_ruleset *ruleset;
	const struct nft_settings *settings;
	const struct nft_door *door;
	struct nft_rule_writer writer;
};

static struct nft_rule_writer *rule(struct judge_door *judge, int chain)
{
	nft_rule_begin(&judge->writer, judge->ruleset, NFT_TABLE_INET, chain);
	return &judge->writer;
}

/* Ends the rule in hand. */
static void go(struct judge_door *judge, int verdict, const char *chain, const char *comment)
{
	nft_rule_verdict(&judge->writer, verdict, chain);
	nft_rule_end(&judge->writer, comment, NULL);
}

static void end(struct judge_door *judge, const char *comment)
{
	nft_rule_end(&judge->writer, comment, NULL);
}

static int chain_add(struct judge_door *judge, const char *name)
{
	return nft_chain_add(judge->ruleset, NFT_TABLE_INET, name);
}

static struct nft_rule_writer *rule_stamp(struct judge_door *judge, int chain, enum nft_cmp_ops op, uint32_t class)
{
	nft_rule_mark(rule(judge, chain), judge->settings->mask, op, class << judge->settings->shift);
	return &judge->writer;
}

static void refuse(struct judge_door *judge, int chain, enum bh_reason reason, const char *counter, const char *comment)
{
	struct nft_counter add = {.name = (char *)counter, .comment = (char *)comment};
	struct nft_refusal refusal = {.reason = (uint8_t)reason, .sample = NFT_SAMPLE_SENDER, .counter = counter};

	nft_counter_add(judge->ruleset, NFT_TABLE_INET, &add);
	nft_refuse_render(judge->ruleset, judge->settings, NFT_TABLE_INET, chain, &refusal);
}

/* ---- What a packet must be ---- */

static void judged(struct judge_door *judge)
{
	int chain = chain_add(judge, NFT_CHAIN_JUDGED);

	nft_rule_stamp(rule(judge, chain), judge->settings->judged, judge->settings->judged);
	go(judge, NF_ACCEPT, NULL, "may go to a port");
}

static void no_flow(struct judge_door *judge)
{
	int chain = chain_add(judge, NFT_CHAIN_NO_FLOW), tcp = chain_add(judge, "no_flow_tcp"),
	    icmp = chain_add(judge, "no_flow_icmp");

	nft_rule_protocol(rule(judge, chain), IPPROTO_TCP);
	go(judge, NFT_GOTO, "no_flow_tcp", NULL);
	nft_rule_protocol(rule(judge, chain), IPPROTO_ICMP);
	go(judge, NFT_GOTO, "no_flow_icmp", NULL);
	nft_rule_protocol(rule(judge, chain), IPPROTO_ICMPV6);
	go(judge, NFT_GOTO, "no_flow_icmp", NULL);
	refuse(judge, chain, BH_DROP_MALFORMED, "untracked", "conntrack finds no flow in it, or is told not to look");
	refuse(judge, tcp, BH_DROP_TCP_INVALID, "tcp_invalid", "of no open TCP connection, or out of its window");
	refuse(judge, icmp, BH_DROP_ICMP_UNRELATED, "icmp_unrelated", "ICMP that belongs to no open flow");
}

static void about_end(struct judge_door *judge, int chain, const char *map, bool opener, bool here)
{
	char name[NFT_FAMILY_NAME_MAX];

	for (size_t f = 0; f < sizeof(families); f++) {
		nft_rule_family(rule(judge, chain), families[f]);
		nft_rule_map_flow_address(&judge->writer, families[f], opener, here,
					  nft_family_of(name, map, families[f]));
		end(judge, NULL);
	}
}

/* An error passes if its flow might: one that a policy has ended carries nothing more in either direction. It is judged
 * as a packet of who opened the flow to who was asked, whoever sends it. */
static void about(struct judge_door *judge)
{
	int chain = chain_add(judge, NFT_CHAIN_ABOUT), remote = chain_add(judge, "about_remote"),
	    asked = chain_add(judge, NFT_CHAIN_ABOUT_ASKED);

	nft_rule_flow_mark(rule(judge, chain), judge->settings->mask, NFT_CMP_EQ,
			   BH_CLASS_REMOTE << judge->settings->shift);
	go(judge, NFT_GOTO, "about_remote", NULL);
	nft_rule_map_flow_mark(rule(judge, chain), judge->settings->mask, NFT_MAP_OPENED);
	end(judge, NULL);
	rule(judge, chain);
	go(judge, NFT_GOTO, "no_flow_icmp", "whoever opened it is nobody here any more");
	about_end(judge, remote, NFT_MAP_SOURCES, true, false);
	rule(judge, remote);
	go(judge, NFT_GOTO, NFT_CHAIN_ABOUT_ASKED, NULL);
	about_end(judge, asked, NFT_MAP_ADDRESSES_HERE, false, true);
	about_end(judge, asked, NFT_MAP_ADDRESSES, false, false);
	about_end(judge, asked, NFT_MAP_PREFIXES, false, false);
	rule(judge, asked);
	go(judge, NFT_GOTO, "no_flow_icmp", NULL);
}

/* ICMP errors come from whoever was on the way: of containers only from the ends. */
static void errors(struct judge_door *judge)
{
	int chain = chain_add(judge, NFT_CHAIN_ERRORS);
	char name[NFT_FAMILY_NAME_MAX];

	nft_rule_family(rule(judge, chain), NFPROTO_IPV4);
	nft_rule_protocol(&judge->writer, IPPROTO_ICMP);
	nft_rule_type(&judge->writer, 4, 5);
	go(judge, NFT_GOTO, "no_flow_icmp", "source quench (RFC 6633) and redirects: no errors");
	nft_rule_flow_mark(rule(judge, chain), judge->settings->mask, NFT_CMP_EQ, 0);
	go(judge, NFT_GOTO, "no_flow_icmp", "nobody has judged that flow");
	rule_stamp(judge, chain, NFT_CMP_EQ, BH_CLASS_HOST);
	go(judge, NFT_GOTO, NFT_CHAIN_JUDGED, "the kernel's: also answers to what is refused");
	rule_stamp(judge, chain, NFT_CMP_EQ, BH_CLASS_REMOTE);
	go(judge, NFT_GOTO, NFT_CHAIN_ABOUT, NULL);
	for (size_t f = 0; f < sizeof(families); f++) {
		for (int opener = 1; opener >= 0; opener--) {
			nft_rule_family(rule(judge, chain), families[f]);
			nft_rule_end_in(&judge->writer, families[f], opener,
					nft_family_of(name, NFT_SET_ENDS, families[f]));
			go(judge, NFT_GOTO, NFT_CHAIN_ABOUT, NULL);
		}
	}
	rule(judge, chain);
	go(judge, NFT_GOTO, "no_flow_icmp", NULL);
}

static void state(struct judge_door *judge)
{
	int chain = chain_add(judge, NFT_CHAIN_STATE), not_syn = chain_add(judge, "not_syn");

	refuse(judge, not_syn, BH_DROP_TCP_NOT_SYN, "tcp_not_syn", "TCP that opens no connection and belongs to none");
	nft_rule_state(rule(judge, chain), NFT_STATE_INVALID | NFT_STATE_UNTRACKED);
	go(judge, NFT_GOTO, NFT_CHAIN_NO_FLOW, NULL);
	nft_rule_protocol(rule(judge, chain), IPPROTO_TCP);
	nft_rule_state(&judge->writer, NFT_STATE_NEW | NFT_STATE_RELATED);
	nft_rule_not_syn(&judge->writer);
	go(judge, NFT_GOTO, "not_syn", NULL);
	for (size_t f = 0; f < sizeof(families); f++) {
		nft_rule_family(rule(judge, chain), families[f]);
		nft_rule_protocol(&judge->writer, families[f] == NFPROTO_IPV4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
		nft_rule_state(&judge->writer, NFT_STATE_RELATED);
		go(judge, NFT_GOTO, NFT_CHAIN_ERRORS, NULL);
	}
	nft_rule_state(rule(judge, chain), NFT_STATE_NEW | NFT_STATE_RELATED);
	nft_rule_map_mark(&judge->writer, judge->settings->mask, NFT_MAP_OPENERS);
	end(judge, NULL);
}

/* `hops`: the limit that it must still have; 0: any. */
static void types_pass(struct judge_door *judge, int chain, uint8_t low, uint8_t high, bool group, uint8_t hops)
{
	nft_rule_family(rule(judge, chain), NFPROTO_IPV6);
	if (hops)
		nft_rule_hop_limit(&judge->writer, NFT_CMP_EQ, hops);
	if (group)
		nft_rule_address_in(&judge->writer, NFPROTO_IPV6, true, SET_GROUPS "_6");
	nft_rule_protocol(&judge->writer, IPPROTO_ICMPV6);
	nft_rule_type(&judge->writer, low, high);
	go(judge, NFT_GOTO, NFT_CHAIN_JUDGED, NULL);
}

/* Ends the rule in hand. */
static void udp_pass(struct judge_door *judge, uint16_t source, uint16_t destination)
{
	nft_rule_protocol(&judge->writer, IPPROTO_UDP);
	nft_rule_ports(&judge->writer, source, destination);
	go(judge, NFT_GOTO, NFT_CHAIN_JUDGED, NULL);
}

/* `group`: to groups alone; else from this host alone. */
static void dhcp_pass(struct judge_door *judge, int chain, uint8_t nfproto, uint16_t source, uint16_t destination,
		      bool group)
{
	if (group)
		rule(judge, chain);
	else
		rule_stamp(judge, chain, NFT_CMP_NEQ, BH_CLASS_REMOTE);
	nft_rule_family(&judge->writer, nfproto);
	if (group)
		nft_rule_address_in(&judge->writer, nfproto, true,
				    nfproto == NFPROTO_IPV4 ? SET_GROUPS "_4" : SET_GROUPS "_6");
	udp_pass(judge, source, destination);
}

/* From outside: of a server on the link, or its relay. What a router sent on is traffic like any other; nothing is
 * routed from a link-local address, nor to one that is still on offer (`offered`), as nobody answers for it. */
static void dhcp_of_link(struct judge_door *judge, int chain, bool offered)
{
	static const uint8_t mask[16] = {0xff, 0xc0}, link_local[16] = {0xfe, 0x80};

	if (offered) {
		nft_rule_family(rule(judge, chain), NFPROTO_IPV4);
		udp_pass(judge, 67, 68);
	}
	nft_rule_family(rule(judge, chain), NFPROTO_IPV6);
	nft_rule_load(&judge->writer, NFT_PAYLOAD_NETWORK_HEADER, 8, sizeof(mask), 0);
	nft_rule_under(&judge->writer, mask, sizeof(mask));
	nft_rule_compare(&judge->writer, NFT_CMP_EQ, link_local, sizeof(link_local));
	udp_pass(judge, 547, 546);
}

/* What a port needs to live has no flow. Who may play which part, and who gets it, the guards see to (nft_guard.h). */
static void life(struct judge_door *judge, int chain)
{
	/* RFC 4861: neighbours, routers; RFC 2710, 3810, 4286: what is about groups. Redirects are refused before. */
	types_pass(judge, chain, 134, 136, false, ND_HOP_LIMIT);
	types_pass(judge, chain, 133, 133, true, ND_HOP_LIMIT);
	types_pass(judge, chain, 130, 132, true, 0);
	types_pass(judge, chain, 143, 143, true, 0);
	types_pass(judge, chain, 151, 153, true, 0);
	nft_rule_family(rule(judge, chain), NFPROTO_IPV4);
	nft_rule_address_in(&judge->writer, NFPROTO_IPV4, true, SET_GROUPS "_4");
	nft_rule_protocol(&judge->writer, IPPROTO_IGMP);
	go(judge, NFT_GOTO, NFT_CHAIN_JUDGED, NULL);
	/* RFC 2131, 8415: a client asks all; elsewhere its port is a port like any other. */
	dhcp_pass(judge, chain, NFPROTO_IPV4, 68, 67, true);
	dhcp_pass(judge, chain, NFPROTO_IPV4, 67, 68, false);
	dhcp_pass(judge, chain, NFPROTO_IPV6, 546, 547, true);
	dhcp_pass(judge, chain, NFPROTO_IPV6, 547, 546, false);
}

/* ---- Whom it concerns ---- */

static void by_address(struct judge_door *judge, int chain, const char *map, bool here, bool output, bool destination)
{
	char name[NFT_FAMILY_NAME_MAX];

	for (size_t f = 0; f < sizeof(families); f++) {
		nft_rule_family(rule(judge, chain), families[f]);
		nft_family_of(name, map, families[f]);
		if (here)
			nft_rule_map_link_address(&judge->writer, output, families[f], destination, name);
		else
			nft_rule_map_address(&judge->writer, families[f], destination, name);
		end(judge, NULL);
	}
}

static void question(struct judge_door *judge)
{
	int chain = chain_add(judge, NFT_CHAIN_QUESTION), unknown = chain_add(judge, "unknown");

	refuse(judge, unknown, BH_DROP_NO_STAMP, "unknown_asker", "with a stamp that means nobody here");
	nft_rule_stamp_in(rule(judge, chain), judge->settings->mask, true, NFT_SET_ASKERS);
	go(judge, NFT_GOTO, "unknown", NULL);
	by_address(judge, chain, NFT_MAP_ADDRESSES_HERE, true, false, true);
	by_address(judge, chain, NFT_MAP_ADDRESSES, false, false, true);
	by_address(judge, chain, NFT_MAP_PREFIXES, false, false, true);
	rule(judge, chain);
	go(judge, NFT_GOTO, "unknown", NULL);
}

/* Who was asked, of a packet that comes back. */
static void asked(struct judge_door *judge)
{
	int chain = chain_add(judge, NFT_CHAIN_ASKED);

	nft_rule_state(rule(judge, chain), NFT_STATE_RELATED);
	go(judge, NFT_GOTO, NFT_CHAIN_ABOUT_ASKED, "an error");
	by_address(judge, chain, NFT_MAP_ADDRESSES_HERE, true, false, false);
	by_address(judge, chain, NFT_MAP_ADDRESSES, false, false, false);
	by_address(judge, chain, NFT_MAP_PREFIXES, false, false, false);
	rule(judge, chain);
	go(judge, NFT_GOTO, "unknown", NULL);
}

/* Back to a container, or the host, that must have opened the flow; or to somebody for whom a container has that may
 * send in others' names; or to somebody remote. */
static void answer(struct judge_door *judge)
{
	int chain = chain_add(judge, NFT_CHAIN_ANSWER), revoked = chain_add(judge, "not_opened");

	refuse(judge, revoked, BH_DROP_REVOKED, "not_opened", "answers that somebody else has asked for");
	nft_rule_map_interface(rule(judge, chain), true, NFT_MAP_ZONES_BACK);
	end(judge, NULL);
	nft_rule_destination_mac_in(rule(judge, chain), NFT_SET_RELAYS);
	nft_rule_map_flow_mark(&judge->writer, judge->settings->mask, NFT_MAP_RELAYS);
	end(judge, "by way of the one who sent it on");
	by_address(judge, chain, NFT_MAP_OWNERS_HERE, true, true, true);
	by_address(judge, chain, NFT_MAP_OWNERS, false, false, true);
	nft_rule_map_flow_mark(rule(judge, chain), judge->settings->mask, NFT_MAP_RELAYS);
	end(judge, NULL);
	nft_rule_flow_mark(rule(judge, chain), judge->settings->mask, NFT_CMP_NEQ,
			   BH_CLASS_REMOTE << judge->settings->shift);
	go(judge, NFT_GOTO, "not_opened", NULL);
	by_address(judge, chain, NFT_MAP_SOURCES, false, false, true);
	rule(judge, chain);
	go(judge, NFT_GOTO, NFT_CHAIN_ASKED, NULL);
}

static void address_goto(struct judge_door *judge, int chain, bool destination, const char *set, const char *to)
{
	char name[NFT_FAMILY_NAME_MAX];

	for (size_t f = 0; f < sizeof(families); f++) {
		nft_rule_family(rule(judge, chain), families[f]);
		nft_rule_address_in(&judge->writer, families[f], destination, nft_family_of(name, set, families[f]));
		go(judge, NFT_GOTO, to, NULL);
	}
}

/* What is remote and is not for a container is nobody's business here, but for what ports need from the link. */
static void from_remote(struct judge_door *judge)
{
	int chain = chain_add(judge, "from_remote"), ours = chain_add(judge, "from_remote_to_ours"),
	    others = chain_add(judge, "from_remote_to_others"), spoofed = chain_add(judge, "spoofed_remote");

	refuse(judge, spoofed, BH_DROP_SPOOFED_REMOTE, "spoofed_remote",
	       "from outside, with an address of this host's");
	address_goto(judge, chain, true, NFT_SET_CONTAINERS, "from_remote_to_ours");
	/* In the name of somebody here: to whoever is not a container, but no port needs it to live. */
	address_goto(judge, chain, false, NFT_SET_CONTAINERS, "from_remote_to_others");
	address_goto(judge, chain, false, "host", "from_remote_to_others");
	life(judge, chain);
	dhcp_of_link(judge, chain, true);
	rule(judge, chain);
	go(judge, NFT_GOTO, "from_remote_to_others", NULL);
	rule(judge, others);
	go(judge, NF_ACCEPT, NULL, "to no container");
	address_goto(judge, ours, false, NFT_SET_CONTAINERS, "spoofed_remote");
	address_goto(judge, ours, false, "host", "spoofed_remote");
	dhcp_of_link(judge, ours, false);
	rule(judge, ours);
	go(judge, NFT_GOTO, NFT_CHAIN_JUDGE, NULL);
}

static void judge_chain(struct judge_door *judge)
{
	int chain = chain_add(judge, NFT_CHAIN_JUDGE), groups = chain_add(judge, "to_groups");

	refuse(judge, groups, BH_DENY_DEFAULT, "to_groups", "to groups: without eBPF, nobody could say who hears it");
	life(judge, chain);
	address_goto(judge, chain, true, SET_GROUPS, "to_groups");
	rule(judge, chain);
	go(judge, NFT_JUMP, NFT_CHAIN_STATE, NULL);
	nft_rule_reply(rule(judge, chain));
	go(judge, NFT_GOTO, NFT_CHAIN_ANSWER, NULL);
	for (size_t f = 0; f < sizeof(families); f++) {
		char name[NFT_FAMILY_NAME_MAX];

		rule_stamp(judge, chain, NFT_CMP_EQ, BH_CLASS_REMOTE);
		nft_rule_family(&judge->writer, families[f]);
		nft_rule_map_address(&judge->writer, families[f], false,
				     nft_family_of(name, NFT_MAP_SOURCES, families[f]));
		end(judge, NULL);
	}
	rule(judge, chain);
	go(judge, NFT_GOTO, NFT_CHAIN_QUESTION, NULL);
}

/* ---- Hooks ---- */

static int base(struct judge_door *judge, const char *name, uint32_t hook, int32_t priority)
{
	return nft_base_chain_add(judge->ruleset, NFT_TABLE_INET, name, hook, priority);
}

static void forward(struct judge_door *judge)
{
	int chain = base(judge, "forward", NF_INET_FORWARD, PRIORITY_FORWARD);

	rule_stamp(judge, chain, NFT_CMP_EQ, BH_CLASS_REMOTE);
	go(judge, NFT_GOTO, "from_remote", NULL);
	rule_stamp(judge, chain, NFT_CMP_GTE, BH_CLASS_UNASSIGNED);
	go(judge, NFT_GOTO, NFT_CHAIN_JUDGE, NULL);
	rule_stamp(judge, chain, NFT_CMP_EQ, BH_CLASS_HOST);
	go(judge, NFT_GOTO, NFT_CHAIN_JUDGE, NULL);
	rule(judge, chain);
	go(judge, NFT_GOTO, "unknown", NULL);
}

static void output(struct judge_door *judge)
{
	int chain = base(judge, "judge_output", NF_INET_LOCAL_OUT, PRIORITY_OUTPUT);

	nft_rule_interface(rule(judge, chain), true, LOOPBACK_IFINDEX);
	go(judge, NF_ACCEPT, NULL, NULL);
	life(judge, chain);
	address_goto(judge, chain, true, NFT_SET_CONTAINERS, NFT_CHAIN_JUDGE);
}

/* Bridges may have the same addresses: their connections are kept apart, also those that NAT sends on. */
static void zones(struct judge_door *judge)
{
	int chain = base(judge, "bridges", NF_INET_PRE_ROUTING, PRIORITY_ZONES);

	nft_rule_map_interface(rule(judge, chain), false, NFT_MAP_ZONES);
	end(judge, NULL);
}

static void map_add(struct judge_door *judge, const char *name, enum nft_set_kind kind, uint32_t type,
		    const char *comment)
{
	struct nft_set description = {.name = (char *)name,
				      .kind = kind,
				      .key_type = type,
				      .key_size = sizeof(uint32_t),
				      .host_order = true,
				      .comment = comment};

	nft_set_add(judge->ruleset, NFT_TABLE_INET, &description);
}

static void stamps_add(struct nft_ruleset *ruleset, const struct nft_settings *settings, enum nft_table_index table,
		       const struct nft_set *description, const struct nft_names *names, uint32_t first)
{
	struct nft_set *set = nft_set_add(ruleset, table, description);

	for (uint32_t class = first; set && names && class < names->count; class ++) {
		struct nft_element element = {0};
		uint32_t stamp = names->items[class].stamp << settings->shift;

		if (!names->items[class].name || class == BH_CLASS_AMBIGUOUS)
			continue;
		memcpy(element.key, &stamp, sizeof(stamp));
		nft_element_add(ruleset, set, &element);
	}
}

static const struct nft_set stamps_set = {.key_type = NFT_TYPE_MARK, .key_size = sizeof(uint32_t), .host_order = true};

static void askers_add(struct judge_door *judge)
{
	struct nft_set description = stamps_set;

	description.name = (char *)NFT_SET_ASKERS;
	description.comment = "stamps of those who may ask";
	stamps_add(judge->ruleset, judge->settings, NFT_TABLE_INET, &description, judge->door->names, 0);
}

static void relays_add(struct judge_door *judge)
{
	const struct nft_door *door = judge->door;
	struct nft_set description = {.name = (char *)NFT_SET_RELAYS,
				      .key_type = NFT_TYPE_ETHERADDR,
				      .key_size = sizeof(((struct mac *)NULL)->bytes),
				      .comment = "permit: spoof, for flows of others"};
	struct nft_set *set = nft_set_add(judge->ruleset, NFT_TABLE_INET, &description);

	for (size_t i = 0; i < door->port_count; i++) {
		const struct gate_port *port = &door->ports[i];
		struct nft_element element = {0};

		if (!door->table || port->identity >= door->table->class_count ||
		    !(door->table->class_info[port->identity].flags & BH_CLASS_PERMIT_SPOOF))
			continue;
		memcpy(element.key, port->mac.bytes, sizeof(port->mac.bytes));
		nft_element_add(judge->ruleset, set, &element);
	}
}

void nft_judge_outsiders_add(struct nft_ruleset *ruleset, const struct nft_settings *settings,
			     enum nft_table_index table, const struct nft_names *names)
{
	struct nft_set description = stamps_set;

	description.name = (char *)NFT_SET_OUTSIDERS;
	description.comment = "stamps that stand for outside addresses";
	stamps_add(ruleset, settings, table, &description, names, BH_CLASS_FIRST);
}

void nft_judge_door_render(struct nft_ruleset *ruleset, const struct nft_settings *settings,
			   const struct nft_door *door)
{
	struct judge_door judge = {.ruleset = ruleset, .settings = settings, .door = door};
	int to_host;

	map_add(&judge, NFT_MAP_OPENERS, NFT_SET_VERDICTS, NFT_TYPE_MARK, "who opens a flow is noted in its mark");
	map_add(&judge, NFT_MAP_OPENED, NFT_SET_VERDICTS, NFT_TYPE_MARK, "by whom, as the flow's mark says");
	map_add(&judge, NFT_MAP_ZONES, NFT_SET_VERDICTS, NFT_TYPE_IFINDEX, "bridges whose connections are kept apart");
	map_add(&judge, NFT_MAP_ZONES_BACK, NFT_SET_VERDICTS, NFT_TYPE_IFINDEX, "the same, on the way back");
	map_add(&judge, NFT_MAP_RELAYS, NFT_SET_VERDICTS, NFT_TYPE_MARK, "permit: spoof, for flows of others");
	relays_add(&judge);
	askers_add(&judge);
	nft_judge_addresses(ruleset, door, false);
	for (size_t f = 0; f < sizeof(families); f++)
		nft_forward_host_add(ruleset, door, families[f]);
	judged(&judge);
	no_flow(&judge);
	about(&judge);
	errors(&judge);
	state(&judge);
	question(&judge);
	asked(&judge);
	answer(&judge);
	to_host = chain_add(&judge, NFT_CHAIN_TO_HOST);
	nft_rule_map_mark(rule(&judge, to_host), settings->mask, NFT_MAP_SENDERS);
	end(&judge, NULL);
	rule(&judge, to_host);
	go(&judge, NFT_GOTO, "unknown", NULL);
	from_remote(&judge);
	judge_chain(&judge);
	zones(&judge);
	forward(&judge);
	output(&judge);
}
