/* SPDX-License-Identifier: GPL-2.0-only */
/* `refuse: reject` at the door. The kernel leaves resets, errors, later fragments, groups and broadcast unanswered
 * (nf_reject_ipv4.c, nf_reject_ipv6.c, icmp_send). Who sent the packet is known: its port has looked. */
#include "gate/nft_render.h"

#define CHAIN_REJECT "reject"
#define CHAIN_ANSWER "reject_now"

void nft_rule_refuse(struct nft_rule_writer *writer, const struct nft_settings *settings, bool reject)
{
	if (reject && settings->features.reject)
		nft_rule_verdict(writer, NFT_GOTO, CHAIN_REJECT);
	else
		nft_rule_verdict(writer, NF_DROP, NULL);
}

void nft_reject_render(struct nft_ruleset *ruleset, const struct nft_settings *settings, bool reject)
{
	struct nft_set answered = {.name = (char *)NFT_SET_ANSWERED,
				   .key_type = NFT_TYPE_ETHERADDR,
				   .key_size = 6,
				   .samples = true,
				   .comment = "who was told just now that he is refused"};
	struct nft_rule_writer writer;
	int chain, answer;

	if (!reject || !settings->features.reject)
		return;
	nft_set_add(ruleset, NFT_TABLE_INET, &answered);
	answer = nft_chain_add(ruleset, NFT_TABLE_INET, CHAIN_ANSWER);
	nft_rule_begin(&writer, ruleset, NFT_TABLE_INET, answer);
	nft_rule_protocol(&writer, IPPROTO_TCP);
	nft_rule_reject(&writer, true);
	nft_rule_end(&writer, NULL, NULL);
	nft_rule_begin(&writer, ruleset, NFT_TABLE_INET, answer);
	nft_rule_reject(&writer, false);
	nft_rule_end(&writer, NULL, NULL);
	chain = nft_chain_add(ruleset, NFT_TABLE_INET, CHAIN_REJECT);
	nft_rule_begin(&writer, ruleset, NFT_TABLE_INET, chain);
	nft_rule_sample(&writer, NFT_SAMPLE_ANSWER);
	nft_rule_verdict(&writer, NFT_GOTO, CHAIN_ANSWER);
	nft_rule_end(&writer, NULL, NULL);
	nft_rule_begin(&writer, ruleset, NFT_TABLE_INET, chain);
	nft_rule_verdict(&writer, NF_DROP, NULL);
	nft_rule_end(&writer, "too often", NULL);
}
