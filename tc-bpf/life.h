/* SPDX-License-Identifier: GPL-2.0-only */
/* What a port needs to live, whatever the policy: DHCP as a client, group membership, and (arp.h, nd.h) its
 * neighbours' addresses. And what only a port with a permit may do: serve DHCP, route. None of it has a flow. */
#ifndef BULKHEAD_BPF_LIFE_H
#define BULKHEAD_BPF_LIFE_H

#include "guard.h"

enum { DHCP_SERVER_PORT = 67, DHCP_CLIENT_PORT = 68, DHCP6_CLIENT_PORT = 546, DHCP6_SERVER_PORT = 547 };
enum {
	IGMP_QUERY = 0x11,
	IGMP_REPORT_1 = 0x12,
	IGMP_REPORT_2 = 0x16,
	IGMP_LEAVE = 0x17,
	IGMP_REPORT_3 = 0x22,
};
enum {
	ICMP_ROUTER_ADVERTISEMENT = 9,
	ICMP6_MLD_QUERY = 130,
	ICMP6_MLD_REPORT = 131,
	ICMP6_MLD_DONE = 132,
	ICMP6_ROUTER_SOLICITATION = 133,
	ICMP6_ROUTER_ADVERTISEMENT = 134,
	ICMP6_NEIGHBOUR_SOLICITATION = 135,
	ICMP6_NEIGHBOUR_ADVERTISEMENT = 136,
	ICMP6_REDIRECT = 137,
	ICMP6_MLD2_REPORT = 143,
	ICMP6_MRD_ADVERTISEMENT = 151, /* RFC 4286: multicast router discovery */
	ICMP6_MRD_TERMINATION = 153,
};

/* BOOTP's fixed part up to the client's MAC (RFC 951, 3). */
#define DHCP_CLIENT_MAC_OFFSET 28u
#define DHCP_REQUEST	       1
#define DHCP_REPLY	       2

static __always_inline bool packet_is_dhcp(struct packet *packet)
{
	__u16 source = packet_source_port(packet), destination = packet_destination_port(packet);

	if (packet->key.family == 4)
		return (source == bpf_htons(DHCP_CLIENT_PORT) && destination == bpf_htons(DHCP_SERVER_PORT)) ||
		       (source == bpf_htons(DHCP_SERVER_PORT) && destination == bpf_htons(DHCP_CLIENT_PORT));
	return (source == bpf_htons(DHCP6_CLIENT_PORT) && destination == bpf_htons(DHCP6_SERVER_PORT)) ||
	       (source == bpf_htons(DHCP6_SERVER_PORT) && destination == bpf_htons(DHCP6_CLIENT_PORT));
}

/* Is it one of the protocols seen to here and in nd.h? */
static __always_inline bool packet_is_life(struct packet *packet)
{
	switch (packet->key.protocol) {
	case IPPROTO_TCP:
		return false;
	case IPPROTO_UDP:
		return packet_is_dhcp(packet);
	case IPPROTO_ICMP:
		return packet->key.family == 4 && packet->icmp_type == ICMP_ROUTER_ADVERTISEMENT;
	case IPPROTO_ICMPV6:
		return packet->key.family == 6 &&
		       ((packet->icmp_type >= ICMP6_MLD_QUERY && packet->icmp_type <= ICMP6_REDIRECT) ||
			packet->icmp_type == ICMP6_MLD2_REPORT ||
			(packet->icmp_type >= ICMP6_MRD_ADVERTISEMENT && packet->icmp_type <= ICMP6_MRD_TERMINATION));
	case IPPROTO_IGMP:
	case PROTOCOL_PIM:
		return true;
	default:
		return false;
	}
}

/* Is the sender, at egress, the host, the uplink, or a container that its zone permits to be what it plays? */
static __always_inline int sender_permitted(const struct packet *packet, const struct bh_port *port, __u32 permit,
					    int refusal)
{
	int reason = BH_REASON_NONE;

	if (packet->stamp == BH_CLASS_HOST)
		return BH_REASON_NONE;
	if (packet->stamp == BH_CLASS_REMOTE) {
		/* A link-local or unspecified source is on no list of this host's; others' must not be. */
		sender_class(packet, port, packet->key.remote, &reason);
		return reason;
	}
	return class_flags(packet->slot, packet->stamp) & permit ? BH_REASON_NONE : refusal;
}

static __always_inline bool dhcp_client_mac_is(struct __sk_buff *skb, const struct packet *packet, const __u8 *mac,
					       __u8 operation)
{
	__u8 head[DHCP_CLIENT_MAC_OFFSET + 6];
	__u32 offset = packet->l4 + 8;

	if (offset + sizeof(head) > packet->end || bpf_skb_load_bytes(skb, offset, head, sizeof(head)))
		return false;
	return head[0] == operation && mac_equal(head + DHCP_CLIENT_MAC_OFFSET, mac);
}

/* Where a client may send without the policy's leave: to all, to the host, to its gateway. */
static __always_inline bool dhcp_server_address(struct packet *packet, const struct bh_port *port)
{
	if (address_is_group(packet->key.family, packet->key.remote))
		return true;
	return own_kind(port, packet->key.family, packet->key.remote) == BH_OWN_GATEWAY ||
	       packet_class_of(packet, port, packet->key.remote) == BH_CLASS_HOST;
}

/* What the container sends. BH_REASON_NONE: let the policy decide. */
static __always_inline int dhcp_from_port(struct __sk_buff *skb, struct packet *packet, const struct bh_port *port)
{
	bool v4 = packet->key.family == 4;
	int reason;

	if (packet->key.own_port == bpf_htons(v4 ? DHCP_SERVER_PORT : DHCP6_SERVER_PORT)) {
		if (!port_permits(packet, BH_CLASS_PERMIT_DHCP_SERVER))
			return BH_DROP_DHCP_SERVER;
		reason = guard_addresses(packet, port);
		return reason ? reason : BH_ALLOW_LIFE;
	}
	if (v4 && !*(__u32 *)packet->key.own) {
		if (*(__u32 *)packet->key.remote != 0xffffffff)
			return BH_DROP_MARTIAN;
	} else {
		reason = guard_addresses(packet, port);
		if (reason)
			return reason;
	}
	if (!dhcp_server_address(packet, port))
		return BH_REASON_NONE;
	if (v4 && !dhcp_client_mac_is(skb, packet, port->mac, DHCP_REQUEST) &&
	    !port_permits(packet, BH_CLASS_PERMIT_SPOOF))
		return BH_DROP_SOURCE_MAC;
	return BH_ALLOW_LIFE;
}

/* From outside: may it be a server's on the link, or its relay's? What a router sent on is traffic like any other.
 * Nothing is routed to an address that is still on offer: nobody answers for it. */
static __always_inline bool dhcp_of_link(const struct packet *packet, const struct bh_port *port)
{
	const __u8 *server = packet->key.remote;

	if (packet->stamp != BH_CLASS_REMOTE)
		return true;
	if (packet->key.family == 6)
		return server[0] == 0xfe && (server[1] & 0xc0) == 0x80;
	return own_kind(port, 4, packet->key.own) != BH_OWN_ADDRESS || own_kind(port, 4, server) == BH_OWN_GATEWAY;
}

/* What it is sent. BH_REASON_NONE: let the policy decide. */
static __always_inline int dhcp_to_port(struct __sk_buff *skb, struct packet *packet, const struct bh_port *port)
{
	bool v4 = packet->key.family == 4;
	bool group = address_is_group(packet->key.family, packet->key.own) || packet->flags & PACKET_MAC_GROUP;
	int reason;

	if (packet->key.own_port == bpf_htons(v4 ? DHCP_SERVER_PORT : DHCP6_SERVER_PORT)) {
		if (!group)
			return BH_REASON_NONE;
		if (port_permits(packet, BH_CLASS_PERMIT_DHCP_SERVER))
			return BH_ALLOW_LIFE;
		packet->flags |= PACKET_SILENT;
		return BH_DROP_NEIGHBOUR_DHCP;
	}
	reason = sender_permitted(packet, port, BH_CLASS_PERMIT_DHCP_SERVER, BH_DROP_DHCP_SERVER);
	if (reason)
		return reason;
	if (!dhcp_of_link(packet, port))
		return BH_REASON_NONE;
	if (!v4) {
		reason = guard_addresses(packet, port);
		return reason ? reason : BH_ALLOW_LIFE;
	}
	/* The address on offer is not the port's yet: the client's MAC inside says for whom it is. */
	if (dhcp_client_mac_is(skb, packet, port->mac, DHCP_REPLY))
		return BH_ALLOW_LIFE;
	if (group)
		packet->flags |= PACKET_SILENT; /* for a neighbour */
	return BH_DROP_NOT_ADDRESSED;
}

/* Group membership. `query`: what only a multicast router sends. */
static __always_inline int membership(struct packet *packet, const struct bh_port *port, bool query)
{
	int reason;

	if (packet->direction == BH_EVENT_TO_PORT) {
		if (query) {
			reason = sender_permitted(packet, port, BH_CLASS_PERMIT_ROUTER, BH_DROP_MULTICAST_ROUTER);
			return reason ? reason : BH_ALLOW_LIFE;
		}
		if (port_permits(packet, BH_CLASS_PERMIT_ROUTER))
			return BH_ALLOW_LIFE;
		packet->flags |= PACKET_SILENT; /* a neighbour's report is for routers */
		return BH_DROP_MULTICAST_ROUTER;
	}
	if (query && !port_permits(packet, BH_CLASS_PERMIT_ROUTER))
		return BH_DROP_MULTICAST_ROUTER;
	if (!address_is_group(packet->key.family, packet->key.remote))
		return query ? BH_REASON_NONE : BH_DROP_MALFORMED;
	if (packet->key.family == 6 && address_is_zero(packet->key.own))
		return query ? BH_DROP_MARTIAN : BH_ALLOW_LIFE; /* RFC 3810, 5.2.13 */
	reason = guard_addresses(packet, port);
	return reason ? reason : BH_ALLOW_LIFE;
}

static __always_inline int igmp(struct __sk_buff *skb, struct packet *packet, const struct bh_port *port)
{
	__u8 type;

	if (packet->key.family != 4)
		return BH_REASON_NONE;
	if (packet->l4 + 8u > packet->end || bpf_skb_load_bytes(skb, packet->l4, &type, sizeof(type)))
		return BH_DROP_SHORT;
	return membership(packet, port,
			  type != IGMP_REPORT_1 && type != IGMP_REPORT_2 && type != IGMP_REPORT_3 &&
				  type != IGMP_LEAVE);
}

static __always_inline int mld(struct packet *packet, const struct bh_port *port)
{
	if (packet->flags & PACKET_FRAGMENTED || packet->hop_limit != 1)
		return BH_DROP_MALFORMED; /* RFC 3810, 5: never routed */
	return membership(packet, port,
			  packet->icmp_type != ICMP6_MLD_REPORT && packet->icmp_type != ICMP6_MLD_DONE &&
				  packet->icmp_type != ICMP6_MLD2_REPORT);
}

/* BH_REASON_NONE: none of this, or the policy's matter. Global: looked at once by the verifier. */
__noinline int life_judge(struct __sk_buff *skb, struct packet *packet, const struct bh_port *port)
{
	if (!skb || !packet || !port)
		return BH_DROP_INTERNAL;
	switch (packet->key.protocol) {
	case IPPROTO_UDP:
		return packet->direction == BH_EVENT_FROM_PORT ? dhcp_from_port(skb, packet, port)
							       : dhcp_to_port(skb, packet, port);
	case IPPROTO_IGMP:
		return igmp(skb, packet, port);
	case PROTOCOL_PIM:
		return membership(packet, port, true);
	case IPPROTO_ICMP:
		if (packet->direction == BH_EVENT_FROM_PORT && !port_permits(packet, BH_CLASS_PERMIT_ROUTER))
			return BH_DROP_ROUTER_ADVERTISEMENT;
		return BH_REASON_NONE;
	case IPPROTO_ICMPV6:
		return mld(packet, port);
	default:
		return BH_REASON_NONE;
	}
}

#endif
