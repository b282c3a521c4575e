/* SPDX-License-Identifier: GPL-2.0-only */
/* Reading what the kernel tells: changes of the ruleset, and packets that the door reports. */
#ifndef BULKHEAD_GATE_NFT_WATCH_H
#define BULKHEAD_GATE_NFT_WATCH_H

#include <linux/netfilter/nfnetlink.h>

#include "gate/nft_private.h"

/* An NFLOG message as an event; false when it is none of ours. Everything in it is untrusted. `ports` finds the port of
 * a packet that came by a bridge. */
struct nft_report_ports {
	const struct nft_port *items;
	size_t count;
};
bool nft_report_parse(const struct nlmsghdr *message, uint32_t shift, const struct nft_report_ports *ports,
		      struct bh_event *ret_event);

#endif
