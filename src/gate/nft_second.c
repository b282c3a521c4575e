/* SPDX-License-Identifier: GPL-2.0-only */
/* The second opinion: beside the programs at the ports, what is opened towards containers from outside or by the host
 * is judged in inet, by the same table. The program at the receiver's port judges it, and reports and counts what
 * passes; but where root, or whoever else, has taken that program away, nothing comes in that the policy does not
 * allow. (What containers send has been judged at their own ports, or has no stamp.)
 *
 * Only first packets are looked at. Conntrack may know a TCP connection from its middle: that is left to the program.
 */
#include "gate/nft_judge.h"

#include <linux/netfilter_arp.h> /* after libc's, or they clash */

#define PRIORITY_OUTPUT	 301 /* behind NAT, and behind the last stamp (nft_door.c) */
#define LOOPBACK_IFINDEX 1u
#define CHAIN_REMOTE	 NFT_CHAIN_SECOND "_remote"
/* Prefixes that the kernel is to look up a second time. More would be felt at each start, and fill its memory. */
#define PREFIXES_MAX 2048u

static const uint8_t families[] = {NFPROTO_IPV4, NFPROTO_IPV6};

bool nft_second_fits(const struct table *table)
{
	return table->prefixes.count <= PREFIXES_MAX && table->classes.count <= BH_IDENTITY_MAX / 4;
}

static void end(struct nft_rule_writer *writer, int verdict, const char *chain)
{
	nft_rule_verdict(writer, verdict, chain);
	nft_rule_end(writer, NULL, NULL);
}

/* Whom it is for: told by where it goes, as the program's port would; elsewhere it is nobody's here. */
static void second(struct nft_ruleset *ruleset)
{
	static const uint16_t dhcp[][2] = {{67, 68}, {547, 546}}; /* RFC 2131, 8415: what a port needs to live */
	int chain = nft_chain_add(ruleset, NFT_TABLE_INET, NFT_CHAIN_SECOND);
	struct nft_rule_writer writer;
	char name[NFT_FAMILY_NAME_MAX];

	nft_rule_begin(&writer, ruleset, NFT_TABLE_INET, chain);
	nft_rule_protocol(&writer, IPPROTO_TCP);
	nft_rule_not_syn(&writer);
	end(&writer, NFT_RETURN, NULL);
	for (size_t i = 0; i < sizeof(dhcp) / sizeof(*dhcp); i++) {
		nft_rule_begin(&writer, ruleset, NFT_TABLE_INET, chain);
		nft_rule_protocol(&writer, IPPROTO_UDP);
		nft_rule_ports(&writer, dhcp[i][0], dhcp[i][1]);
		end(&writer, NFT_RETURN, NULL);
	}
	for (int here = 1; here >= 0; here--) {
		for (size_t f = 0; f < sizeof(families); f++) {
			nft_family_of(name, here ? NFT_MAP_ADDRESSES_HERE : NFT_MAP_ADDRESSES, families[f]);
			nft_rule_begin(&writer, ruleset, NFT_TABLE_INET, chain);
			nft_rule_family(&writer, families[f]);
			if (here)
				nft_rule_map_link_address(&writer, true, families[f], true, name);
			else
				nft_rule_map_address(&writer, families[f], true, name);
			nft_rule_end(&writer, NULL, NULL);
		}
	}
}

/* While it is judged, its class stands in its stamp; the program wants to see that it is remote. */
static void remote(struct nft_ruleset *ruleset, const struct nft_settings *settings)
{
	int chain = nft_chain_add(ruleset, NFT_TABLE_INET, CHAIN_REMOTE);
	struct nft_rule_writer writer;
	char name[NFT_FAMILY_NAME_MAX];

	for (size_t f = 0; f < sizeof(families); f++) {
		nft_rule_begin(&writer, ruleset, NFT_TABLE_INET, chain);
		nft_rule_family(&writer, families[f]);
		nft_rule_map_address(&writer, families[f], false, nft_family_of(name, NFT_MAP_SOURCES, families[f]));
		nft_rule_end(&writer, NULL, NULL);
	}
	nft_rule_begin(&writer, ruleset, NFT_TABLE_INET, chain);
	end(&writer, NFT_JUMP, NFT_CHAIN_SECOND);
	nft_rule_begin(&writer, ruleset, NFT_TABLE_INET, chain);
	nft_rule_stamp(&writer, settings->mask, BH_CLASS_REMOTE << settings->shift);
	end(&writer, NF_ACCEPT, NULL);
}

void nft_second_render(struct nft_ruleset *ruleset, const struct nft_settings *settings, const struct nft_door *door)
{
	struct nft_rule_writer writer;
	int chain;

	if (!settings->features.conntrack)
		return;
	nft_judge_addresses(ruleset, door, true);
	second(ruleset);
	remote(ruleset, settings);
	chain = nft_base_chain_add(ruleset, NFT_TABLE_INET, "judge_output", NF_INET_LOCAL_OUT, PRIORITY_OUTPUT);
	nft_rule_begin(&writer, ruleset, NFT_TABLE_INET, chain);
	nft_rule_interface(&writer, true, LOOPBACK_IFINDEX);
	end(&writer, NF_ACCEPT, NULL);
	nft_rule_begin(&writer, ruleset, NFT_TABLE_INET, chain);
	nft_rule_state(&writer, NFT_STATE_NEW);
	end(&writer, NFT_GOTO, NFT_CHAIN_SECOND);
}

void nft_second_forward_render(struct nft_ruleset *ruleset, const struct nft_settings *settings, int forward)
{
	static const struct {
		uint32_t class;
		int verdict;
		const char *chain;
	} senders[] = {{BH_CLASS_REMOTE, NFT_GOTO, CHAIN_REMOTE}, {BH_CLASS_HOST, NFT_JUMP, NFT_CHAIN_SECOND}};
	struct nft_rule_writer writer;

	for (size_t i = 0; i < sizeof(senders) / sizeof(*senders); i++) {
		nft_rule_begin(&writer, ruleset, NFT_TABLE_INET, forward);
		nft_rule_mark(&writer, settings->mask, NFT_CMP_EQ, senders[i].class << settings->shift);
		nft_rule_state(&writer, NFT_STATE_NEW);
		end(&writer, senders[i].verdict, senders[i].chain);
	}
}
