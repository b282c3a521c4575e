/* SPDX-License-Identifier: GPL-2.0-only */
/* Connection tracking's table is one for the host and all containers: how much of it a port may fill. Behind the chains
 * that judge, as what they refuse is never tracked. */
#include <errno.h>
#include <linux/if_ether.h>
#include <stdlib.h>

#include "base/file.h"
#include "gate/nft_guard.h"
#include "gate/nft_judge.h"

#define PRIORITY_JUDGED (-5) /* behind -10 */
#define SET_BY_PORT	"flows_of_port"
#define SET_BY_STAMP	"flows_of_stamp"
#define SET_SPOOFERS	"spoofers"
#define TABLE_SHARE	4u /* of the table, for one port */
#define PATH_MAX_FLOWS	"/proc/sys/net/netfilter/nf_conntrack_max"

uint32_t nft_guard_flows_max(uint32_t quota)
{
	AUTO_FREE char *text = NULL;
	size_t size;
	unsigned long most;

	if (file_read(PATH_MAX_FLOWS, 32, &text, &size, NULL) < 0)
		return quota;
	most = strtoul(text, NULL, 10) / TABLE_SHARE;
	return most && most < quota ? (uint32_t)most : quota;
}

static void counts_add(struct nft_guard *guard, const char *name, uint32_t key_type, uint8_t key_size,
		       const char *comment)
{
	struct nft_set description = {.name = (char *)name,
				      .key_type = key_type,
				      .key_size = key_size,
				      .host_order = key_type == NFT_TYPE_MARK,
				      .counts = true,
				      .comment = comment};

	nft_set_add(guard->ruleset, guard->table, &description);
}

/* A container is known by the MAC address that it was found to have; one that may have any, by its stamp. */
static void flows_chain(struct nft_guard *guard, const char *name, uint32_t hook)
{
	uint32_t most = guard->settings->flows;
	int chain = nft_base_chain_add(guard->ruleset, guard->table, name, hook, PRIORITY_JUDGED);

	nft_guard_rule(guard, chain);
	nft_guard_stamp_is(guard, NFT_CMP_LT, BH_CLASS_UNASSIGNED);
	nft_guard_pass(guard, "from no container");
	nft_guard_rule(guard, chain);
	nft_rule_stamp_in(&guard->writer, guard->settings->mask, false, NFT_SET_OUTSIDERS);
	nft_guard_pass(guard, "nor was it judged as from one");
	nft_guard_rule(guard, chain);
	nft_rule_stamp_in(&guard->writer, guard->settings->mask, false, SET_SPOOFERS);
	nft_rule_state(&guard->writer, NFT_STATE_NEW);
	nft_rule_load_stamp_at(&guard->writer, guard->settings->mask, 0);
	nft_rule_connections(&guard->writer, most, SET_BY_STAMP);
	nft_guard_refuse(guard, BH_DROP_FLOWS_FULL);
	nft_guard_rule(guard, chain);
	nft_rule_stamp_in(&guard->writer, guard->settings->mask, true, SET_SPOOFERS);
	nft_rule_state(&guard->writer, NFT_STATE_NEW);
	nft_rule_ethernet(&guard->writer);
	nft_rule_load_link(&guard->writer, false);
	nft_rule_load(&guard->writer, NFT_PAYLOAD_LL_HEADER, ETH_ALEN, ETH_ALEN, 1);
	nft_rule_connections(&guard->writer, most, SET_BY_PORT);
	nft_guard_refuse(guard, BH_DROP_FLOWS_FULL);
}

void nft_guard_flows_render(struct nft_guard *guard)
{
	guard->table = NFT_TABLE_INET;
	if (!guard->settings->features.limit || !guard->settings->flows)
		return;
	nft_guard_stamps_add(guard, SET_SPOOFERS, BH_CLASS_PERMIT_SPOOF, "permit: spoof");
	counts_add(guard, SET_BY_PORT, NFT_TYPE_CONCAT(NFT_TYPE_IFINDEX, NFT_TYPE_ETHERADDR), 4 + 8,
		   "connections that a port has opened");
	counts_add(guard, SET_BY_STAMP, NFT_TYPE_MARK, sizeof(uint32_t), "the same of those that may spoof");
	flows_chain(guard, "flows_forward", NF_INET_FORWARD);
	flows_chain(guard, "flows_input", NF_INET_LOCAL_IN);
}
