/* SPDX-License-Identifier: GPL-2.0-only */
#include "flow/event.h"

#include <string.h>

struct reason_text {
	const char *name;     /* stable: scripts match on it */
	const char *sentence; /* for people */
};

/* By number. A number that was never given out has no name here. docs/reasons.md is held to this table by a test. */
static const struct reason_text reasons[BH_REASON_MAX] = {
	[BH_REASON_NONE] = {"none", "no reason was recorded"},
	[BH_ALLOW_RULE] = {"rule", "an allow rule"},
	[BH_ALLOW_GROUP] = {"group", "both ends share a trust group"},
	[BH_ALLOW_ZONE] = {"zone", "the zone lets its groups reach one another"},
	[BH_ALLOW_HOST] = {"host", "the host may reach its containers"},
	[BH_ALLOW_UNASSIGNED] = {"unassigned-allowed", "the settings let unassigned containers through"},
	[BH_ALLOW_FLOW] = {"flow", "belongs to an open flow"},
	[BH_ALLOW_RELATED] = {"related", "an ICMP error of an open flow"},
	[BH_ALLOW_LIFE] = {"life", "what a port always may: ARP, neighbour discovery, DHCP client, group reports"},
	[BH_ALLOW_DEFERRED] = {"deferred", "for the host: judged at its door, after NAT"},
	[BH_ALLOW_ANSWER] = {"answer", "tells the sender that it is refused"},
	[BH_DENY_RULE] = {"deny-rule", "a deny rule"},
	[BH_DENY_DEFAULT] = {"default", "no rule allows it"},
	[BH_DENY_UNASSIGNED] = {"unassigned", "the container is in no zone"},
	[BH_DENY_CONFLICTED] = {"conflicted", "the container matches two zones"},
	[BH_DENY_HOST] = {"host-door", "no rule allows it to reach the host"},
	[BH_DENY_AMBIGUOUS] = {"ambiguous", "containers on several bridges have this address"},
	[BH_DENY_SENT_ON] = {"sent-on", "the host's NAT sends it on to where nobody judges"},
	[BH_DROP_CLOSED] = {"closed", "the port is not open"},
	[BH_DROP_SOURCE_MAC] = {"source-mac", "the source MAC address is not the container's own"},
	[BH_DROP_SOURCE_ADDRESS] = {"source-address", "the source address is not the container's own"},
	[BH_DROP_ARP_SPOOF] = {"arp-spoof", "ARP with somebody else's address"},
	[BH_DROP_ND_SPOOF] = {"nd-spoof", "neighbour discovery with somebody else's address"},
	[BH_DROP_DHCP_SERVER] = {"dhcp-server", "a DHCP answer from a container that is no DHCP server"},
	[BH_DROP_ROUTER_ADVERTISEMENT] = {"router-advertisement",
					  "a router advertisement from a container that is no router"},
	[BH_DROP_REDIRECT] = {"redirect", "an ICMP redirect"},
	[BH_DROP_MULTICAST_ROUTER] = {"multicast-router", "a group query or PIM from a container that is no router"},
	[BH_DROP_VLAN] = {"vlan", "a VLAN tag"},
	[BH_DROP_ETHERTYPE] = {"ethertype", "neither IPv4, IPv6 nor ARP"},
	[BH_DROP_SOURCE_ROUTE] = {"source-route", "a source-routed packet"},
	[BH_DROP_NOT_ADDRESSED] = {"not-addressed", "not addressed to this container"},
	[BH_DROP_NO_STAMP] = {"no-stamp", "nobody judged where it comes from"},
	[BH_DROP_SPOOFED_REMOTE] = {"spoofed-remote", "from outside, with an address of this host"},
	[BH_DROP_REFUSED_STAMP] = {"refused-stamp", "it was refused before"},
	[BH_DROP_ARP_TARGET] = {"arp-target", "asks for a neighbour that it may neither reach nor be reached by"},
	[BH_DROP_NEIGHBOUR_DHCP] = {"neighbour-dhcp", "a DHCP request towards another container"},
	[BH_DROP_SHORT] = {"short", "cut short"},
	[BH_DROP_MALFORMED] = {"malformed", "malformed headers"},
	[BH_DROP_FRAGMENT] = {"fragment", "a fragment whose first part is not known"},
	[BH_DROP_FRAGMENT_OVERLAP] = {"fragment-overlap", "a tiny or overlapping fragment"},
	[BH_DROP_EXTENSION_HEADERS] = {"extension-headers", "too many IPv6 extension headers, or a forbidden one"},
	[BH_DROP_MARTIAN] = {"martian", "an address that can't stand there"},
	[BH_DROP_TCP_NOT_SYN] = {"tcp-not-syn", "TCP without an open flow that does not start one"},
	[BH_DROP_ICMP_UNRELATED] = {"icmp-unrelated", "ICMP that belongs to no open flow"},
	[BH_DROP_FLOWS_FULL] = {"flows-full", "the container's flow table is full"},
	[BH_DROP_HALF_OPEN_FULL] = {"half-open-full", "too many half-open flows of this container"},
	[BH_DROP_REVOKED] = {"revoked", "the policy in force no longer allows this flow"},
	[BH_DROP_TCP_INVALID] = {"tcp-invalid", "impossible TCP flags, or a reset out of window"},
	[BH_DROP_NO_MEMORY] = {"no-memory", "the kernel had no memory for the flow"},
	[BH_DROP_SCTP_NOT_INIT] = {"sctp-not-init", "SCTP without an open flow that does not start one"},
	[BH_DROP_INTERNAL] = {"internal", "a table of the gate is missing"},
};

const char *reason_name(enum bh_reason reason)
{
	if ((unsigned int)reason >= BH_REASON_MAX || !reasons[reason].name)
		return "unknown";
	return reasons[reason].name;
}

const char *reason_sentence(enum bh_reason reason)
{
	if ((unsigned int)reason >= BH_REASON_MAX || !reasons[reason].sentence)
		return "a reason that this version does not know";
	return reasons[reason].sentence;
}

int reason_find(const char *name)
{
	for (int i = 0; i < BH_REASON_MAX; i++)
		if (reasons[i].name && strcmp(reasons[i].name, name) == 0)
			return i;
	return -1;
}
