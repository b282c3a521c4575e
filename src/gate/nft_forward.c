/* SPDX-License-Identifier: GPL-2.0-only */
/* What containers send to the host and the host's NAT sends on (DNAT, another's port forwarding). The program at the
 * sender's port saw an address of the host's, and left it to the door; if it goes to a port, the program there judges
 * it. If it goes elsewhere (outside, to a veth that is left out, to a virtual machine), nobody else would: it is
 * refused. And what containers say to their neighbours and a router would send on. */
#include <string.h>

#include "gate/nft_render.h"

#define SET_HOST    "host"   /* with _4, _6: the host's addresses */
#define SET_JUDGED  "judged" /* where ports are: judged there */
#define CHAIN_ELSE  "sent_on"
#define COUNTER	    "sent_on"
#define COUNTER_ND  "routed_nd" /* and its chain */
#define NAME_SIZE   16
#define KEY_LINK    4u /* bytes of an interface in a key */
#define LOG_REFUSED "bulkhead deny r=%u d=0"
#define LOG_AUDITED "bulkhead would-deny r=%u d=0"

enum { ND_FIRST = 133, ND_LAST = 137, ND_HOP_LIMIT = 255 }; /* RFC 4861 */

static const uint8_t families[] = {NFPROTO_IPV4, NFPROTO_IPV6};

static const char *set_name(char buffer[NAME_SIZE], const char *name, uint8_t nfproto)
{
	snprintf(buffer, NAME_SIZE, "%s_%c", name, nfproto == NFPROTO_IPV4 ? '4' : '6');
	return buffer;
}

static bool is_family(const struct addr *addr, uint8_t nfproto)
{
	return addr->family == (nfproto == NFPROTO_IPV4 ? ADDR_V4 : ADDR_V6);
}

void nft_forward_host_add(struct nft_ruleset *ruleset, const struct nft_door *door, uint8_t nfproto)
{
	bool v4 = nfproto == NFPROTO_IPV4;
	char name[NAME_SIZE];
	struct nft_set description = {.name = (char *)set_name(name, SET_HOST, nfproto),
				      .key_type = v4 ? NFT_TYPE_IPADDR : NFT_TYPE_IP6ADDR,
				      .key_size = v4 ? 4 : 16,
				      .comment = "the host's addresses"};
	struct nft_set *set = nft_set_add(ruleset, NFT_TABLE_INET, &description);

	for (size_t i = 0; i < door->host_count; i++) {
		struct nft_element element = {0};

		if (!is_family(&door->host[i], nfproto))
			continue;
		memcpy(element.key, door->host[i].bytes, description.key_size);
		nft_element_add(ruleset, set, &element);
	}
}

static void judged_add(struct nft_ruleset *ruleset, const struct nft_door *door, uint8_t nfproto)
{
	bool v4 = nfproto == NFPROTO_IPV4;
	char name[NAME_SIZE];
	struct nft_set description = {
		.name = (char *)set_name(name, SET_JUDGED, nfproto),
		.key_type = NFT_TYPE_CONCAT(NFT_TYPE_IFINDEX, v4 ? NFT_TYPE_IPADDR : NFT_TYPE_IP6ADDR),
		.key_size = KEY_LINK + (v4 ? 4 : 16),
		.comment = "where containers are: judged at their ports"};
	struct nft_set *set = nft_set_add(ruleset, NFT_TABLE_INET, &description);

	for (size_t i = 0; i < door->port_count; i++) {
		const struct gate_port *port = &door->ports[i];
		uint32_t link = port->domain ? port->domain : port->ifindex;

		for (size_t j = 0; j < port->address_count; j++) {
			struct nft_element element = {0};

			if (!is_family(&port->addresses[j], nfproto))
				continue;
			memcpy(element.key, &link, KEY_LINK);
			memcpy(element.key + KEY_LINK, port->addresses[j].bytes, description.key_size - KEY_LINK);
			nft_element_add(ruleset, set, &element);
		}
	}
}

static void refuse(struct nft_ruleset *ruleset, const struct nft_settings *settings, bool audit, bool reject)
{
	int chain = nft_chain_add(ruleset, NFT_TABLE_INET, CHAIN_ELSE);
	struct nft_counter counter = {.name = (char *)COUNTER,
				      .comment = (char *)"to the host, whose NAT sends it on to where nobody judges"};
	char prefix[NFT_LOG_PREFIX_MAX];
	struct nft_rule_writer writer;

	nft_counter_add(ruleset, NFT_TABLE_INET, &counter);
	if (settings->features.log) {
		snprintf(prefix, sizeof(prefix), audit ? LOG_AUDITED : LOG_REFUSED, BH_DENY_SENT_ON);
		nft_rule_begin(&writer, ruleset, NFT_TABLE_INET, chain);
		if (audit)
			nft_rule_state(&writer, NFT_STATE_NEW);
		nft_rule_sample(&writer, NFT_SAMPLE_SENDER);
		nft_rule_log(&writer, prefix, settings->log_group, NFT_LOG_SNAPLEN);
		nft_rule_end(&writer, NULL, NULL);
	}
	nft_rule_begin(&writer, ruleset, NFT_TABLE_INET, chain);
	nft_rule_counter(&writer, COUNTER);
	if (audit)
		nft_rule_verdict(&writer, NF_ACCEPT, NULL);
	else
		nft_rule_refuse(&writer, settings, reject);
	nft_rule_end(&writer, NULL, NULL);
}

/* What containers send to their neighbours and a router sends on: never legal (RFC 4861, 7.1), and no program at a port
 * can tell where it will go. */
static void routed_neighbours(struct nft_ruleset *ruleset, const struct nft_settings *settings, int forward)
{
	struct nft_counter counter = {.name = (char *)COUNTER_ND,
				      .comment = (char *)"neighbour discovery that is routed"};
	struct nft_refusal refusal = {.reason = BH_DROP_ND_SPOOF, .sample = NFT_SAMPLE_SENDER, .counter = COUNTER_ND};
	int chain = nft_chain_add(ruleset, NFT_TABLE_INET, COUNTER_ND);
	struct nft_rule_writer writer;

	nft_counter_add(ruleset, NFT_TABLE_INET, &counter);
	nft_refuse_render(ruleset, settings, NFT_TABLE_INET, chain, &refusal);
	nft_rule_begin(&writer, ruleset, NFT_TABLE_INET, forward);
	nft_rule_mark(&writer, settings->mask, NFT_CMP_GTE, BH_CLASS_UNASSIGNED << settings->shift);
	nft_rule_family(&writer, NFPROTO_IPV6);
	nft_rule_hop_limit(&writer, NFT_CMP_NEQ, ND_HOP_LIMIT);
	nft_rule_protocol(&writer, IPPROTO_ICMPV6);
	nft_rule_type(&writer, ND_FIRST, ND_LAST);
	nft_rule_verdict(&writer, NFT_GOTO, COUNTER_ND);
	nft_rule_end(&writer, NULL, NULL);
}

static void pass(struct nft_ruleset *ruleset, const struct nft_settings *settings, int chain)
{
	struct nft_rule_writer writer;

	nft_rule_begin(&writer, ruleset, NFT_TABLE_INET, chain);
	nft_rule_mark(&writer, settings->mask, NFT_CMP_LT, BH_CLASS_UNASSIGNED << settings->shift);
	nft_rule_verdict(&writer, NF_ACCEPT, NULL);
	nft_rule_end(&writer, "from no container", NULL);
	nft_rule_begin(&writer, ruleset, NFT_TABLE_INET, chain);
	nft_rule_reply(&writer);
	nft_rule_verdict(&writer, NF_ACCEPT, NULL);
	nft_rule_end(&writer, NULL, NULL);
}

void nft_forward_render(struct nft_ruleset *ruleset, const struct nft_settings *settings, const struct nft_door *door,
			int32_t priority)
{
	char host[NAME_SIZE], judged[NAME_SIZE];
	struct nft_rule_writer writer;
	int chain;

	chain = nft_base_chain_add(ruleset, NFT_TABLE_INET, "forward", NF_INET_FORWARD, priority);
	routed_neighbours(ruleset, settings, chain);
	/* Without conntrack there is no NAT. */
	if (!settings->features.conntrack)
		return;
	refuse(ruleset, settings, door->audit, door->reject);
	nft_second_forward_render(ruleset, settings, chain);
	pass(ruleset, settings, chain);
	for (size_t i = 0; i < sizeof(families); i++) {
		nft_forward_host_add(ruleset, door, families[i]);
		judged_add(ruleset, door, families[i]);
		nft_rule_begin(&writer, ruleset, NFT_TABLE_INET, chain);
		nft_rule_family(&writer, families[i]);
		nft_rule_original_in(&writer, families[i], set_name(host, SET_HOST, families[i]));
		nft_rule_way_in(&writer, families[i], true, set_name(judged, SET_JUDGED, families[i]));
		nft_rule_verdict(&writer, NFT_GOTO, CHAIN_ELSE);
		nft_rule_end(&writer, NULL, NULL);
	}
}
