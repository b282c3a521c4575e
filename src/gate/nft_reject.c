/* SPDX-License-Identifier: GPL-2.0-only */
/* `refuse: reject` at the door. The kernel leaves resets, errors, later fragments, groups and broadcast unanswered
 * (nf_reject_ipv4.c, nf_reject_ipv6.c, icmp_send). Who sent the packet is known: its port has looked. */
#include "gate/nft_judge.h"
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

/* Each sender by its own address, the host's own processes together. */
static void sender_answer(struct nft_ruleset *ruleset, const struct nft_settings *settings, int chain)
{
	struct nft_rule_writer writer;

	nft_rule_begin(&writer, ruleset, NFT_TABLE_INET, chain);
	nft_rule_sample(&writer, NFT_SAMPLE_ANSWER);
	nft_rule_verdict(&writer, NFT_GOTO, CHAIN_ANSWER);
	nft_rule_end(&writer, NULL, NULL);
	nft_rule_begin(&writer, ruleset, NFT_TABLE_INET, chain);
	nft_rule_mark(&writer, settings->mask, NFT_CMP_EQ, BH_CLASS_HOST << settings->shift);
	nft_rule_seldom(&writer);
	nft_rule_verdict(&writer, NFT_GOTO, CHAIN_ANSWER);
	nft_rule_end(&writer, NULL, NULL);
	nft_rule_begin(&writer, ruleset, NFT_TABLE_INET, chain);
	nft_rule_verdict(&writer, NF_DROP, NULL);
	nft_rule_end(&writer, "too often", NULL);
}

/* nft alone refuses what comes from outside, too. */
static void outside_drop(struct nft_ruleset *ruleset, const struct nft_settings *settings, int chain)
{
	struct nft_rule_writer writer;

	nft_rule_begin(&writer, ruleset, NFT_TABLE_INET, chain);
	nft_rule_mark(&writer, settings->mask, NFT_CMP_EQ, BH_CLASS_REMOTE << settings->shift);
	nft_rule_verdict(&writer, NF_DROP, NULL);
	nft_rule_end(&writer, "from outside: nobody is told", NULL);
	nft_rule_begin(&writer, ruleset, NFT_TABLE_INET, chain);
	nft_rule_stamp_in(&writer, settings->mask, false, NFT_SET_OUTSIDERS);
	nft_rule_verdict(&writer, NF_DROP, NULL);
	nft_rule_end(&writer, NULL, NULL);
}

static void answer_render(struct nft_ruleset *ruleset, int chain)
{
	struct nft_rule_writer writer;

	nft_rule_begin(&writer, ruleset, NFT_TABLE_INET, chain);
	nft_rule_protocol(&writer, IPPROTO_TCP);
	nft_rule_reject(&writer, true);
	nft_rule_end(&writer, NULL, NULL);
	nft_rule_begin(&writer, ruleset, NFT_TABLE_INET, chain);
	nft_rule_reject(&writer, false);
	nft_rule_end(&writer, NULL, NULL);
}

void nft_reject_render(struct nft_ruleset *ruleset, const struct nft_settings *settings, bool reject)
{
	struct nft_set answered = {.name = (char *)NFT_SET_ANSWERED,
				   .key_type = NFT_TYPE_ETHERADDR,
				   .key_size = 6,
				   .samples = true,
				   .comment = "who was told just now that he is refused"};
	int chain;

	if (!reject || !settings->features.reject)
		return;
	nft_set_add(ruleset, NFT_TABLE_INET, &answered);
	answer_render(ruleset, nft_chain_add(ruleset, NFT_TABLE_INET, CHAIN_ANSWER));
	chain = nft_chain_add(ruleset, NFT_TABLE_INET, CHAIN_REJECT);
	if (settings->alone)
		outside_drop(ruleset, settings, chain);
	sender_answer(ruleset, settings, chain);
}
