/* SPDX-License-Identifier: GPL-2.0-only */
/* What nftables alone can't give, for the status. Each of these was tried (tests/e2e/test_nft_alone.py). */
#include "base/text.h"
#include "gate/nft_private.h"

static const char *const always[] = {
	"group traffic (multicast, broadcast) to containers: refused whatever the policy says, but for what a port "
	"needs to "
	"live: ARP, neighbour discovery, DHCP, IGMP and MLD",
	"VLAN tags: refused, with permit: [ vlan ] too",
	"fragments that overlap or come alone, and packets that are cut short or malformed: the kernel drops them, "
	"uncounted "
	"and unreported",
	"IPv6 extension headers: their number has no limit; routing headers of every type are refused",
	"neighbour discovery with more options than the sender's MAC address, or a nonce: refused",
	"router advertisements of containers with permit: [ router ]: the MAC addresses in their options are believed",
	"ARP announcements from outside for addresses that are neither containers' nor gateways': not delivered to "
	"ports",
	"frames that a process of the host writes straight to a port's interface: nothing sees them",
	"connections that were open before nftables judged alone: cut, allowed or not",
	"policies of more than 8,192 prefixes: refused",
	"policies in which zones with their groups reach more than 500,000 others together, each different ones: "
	"refused",
	"a bound on unanswered connections of a port (half-open-full)",
	"counters by port and by reason, and the number of a port's flows: none (the tables' own counters are in "
	"'dropped')",
};

static int add(json_t *list, const char *sentence)
{
	return json_array_append_new(list, json_string(sentence));
}

static int flows_add(json_t *list, const struct nft_gate *nft)
{
	struct text text = {0};
	int rc;

	text_append(&text, "a flow table of each port's own: connections are tracked in the kernel's one table; ");
	if (nft->settings.features.limit && nft->settings.flows)
		text_appendf(&text, "a port may open %u of them, what is opened towards it is not bounded",
			     nft->settings.flows);
	else
		text_append(&text, "this kernel can't bound what a port opens (nft_connlimit)");
	rc = text.failed ? -1 : add(list, text_string(&text));
	text_free(&text);
	return rc;
}

json_t *nft_not_given(const struct nft_gate *nft)
{
	json_t *list = json_array();
	int rc = list ? 0 : -1;

	for (size_t i = 0; rc == 0 && i < sizeof(always) / sizeof(*always); i++)
		rc = add(list, always[i]);
	if (rc == 0)
		rc = flows_add(list, nft);
	if (rc == 0 && !nft->own)
		rc = add(list, "protection from who flushes the ruleset: until it is repaired, all is open");
	else if (rc == 0 && !nft->held)
		rc = add(list, "protection from who flushes the ruleset while the daemon is dead: no holder keeps the "
			       "tables, and all would be open");
	if (rc == 0)
		return list;
	json_decref(list);
	return NULL;
}
