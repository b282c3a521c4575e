/* SPDX-License-Identifier: GPL-2.0-only */
/* ARP (RFC 826, 5227) and IPv6 neighbour discovery (RFC 4861, 4862): for the port's own addresses, its gateways', and
 * those that it may reach or be reached by. Nobody answers for an address that is not its own. */
#ifndef BULKHEAD_BPF_NEIGHBOUR_H
#define BULKHEAD_BPF_NEIGHBOUR_H

#include "life.h"
#include "parse.h"

#define ND_OPTIONS_MAX	       8u /* an honest message has one or two; RFC 4861 sets no limit */
#define ND_SOURCE_LINK_ADDRESS 1
#define ND_TARGET_LINK_ADDRESS 2
#define ND_HOP_LIMIT	       255 /* RFC 4861: came over no router */
#define ARP_HARDWARE_ETHERNET  1
#define ARP_REQUEST	       1
#define ARP_REPLY	       2

/* Ethernet and IPv4: RFC 826. */
struct arp_body {
	__u16 hardware, protocol;
	__u8 hardware_length, protocol_length;
	__u16 operation;
	__u8 sender_mac[6];
	__u8 sender[4];
	__u8 target_mac[6];
	__u8 target[4];
};
_Static_assert(sizeof(struct arp_body) == 28, "as on the wire");

/* A link-local address that no container here has: the host's or the uplink's, such as a router's, which its
 * advertisement names. Where else it is flooded to, it ends: nobody there has it. */
static __always_inline bool neighbour_is_uplink(const struct packet *packet, const struct bh_port *port,
						const __u8 *addr)
{
	if (packet->key.family != 6 || addr[0] != 0xfe || (addr[1] & 0xc0) != 0x80)
		return false;
	if (packet->direction == BH_EVENT_TO_PORT && packet->stamp != BH_CLASS_REMOTE)
		return false;
	return !address_listed(port, 6, addr);
}

/* May the port learn where `addr` is, or be asked by it? `class`: who has it. */
static __always_inline bool neighbour_reachable(const struct packet *packet, const struct bh_port *port,
						const __u8 *addr, __u32 class)
{
	if (class == BH_CLASS_HOST || own_kind(port, packet->key.family, addr))
		return true; /* own address, gateway, host */
	if (neighbour_is_uplink(packet, port, addr))
		return true;
	return class != BH_CLASS_NONE && policy_reaches(packet->slot, packet->identity, class);
}

/* Does the sender at egress claim an address that is not its own? `claimed` is unspecified where it claims none. */
static __always_inline int neighbour_claim(struct packet *packet, const struct bh_port *port, const __u8 *claimed,
					   int refusal)
{
	int reason = BH_REASON_NONE;

	if (packet->stamp == BH_CLASS_HOST)
		return BH_REASON_NONE;
	if (packet->stamp == BH_CLASS_REMOTE) {
		packet->src_class = remote_class(packet, port, claimed, &reason);
		return reason;
	}
	if (packet_class_of(packet, port, claimed) == packet->stamp ||
	    class_flags(packet->slot, packet->stamp) & BH_CLASS_PERMIT_SPOOF)
		return BH_REASON_NONE;
	return refusal;
}

static __always_inline int neighbour_not_asked(struct packet *packet)
{
	packet->flags |= PACKET_SILENT; /* bridges flood what is for a neighbour */
	return BH_DROP_ARP_TARGET;
}

static __always_inline int arp_from_port(struct packet *packet, const struct bh_port *port, const struct arp_body *arp)
{
	bool spoofs = port_permits(packet, BH_CLASS_PERMIT_SPOOF);

	if (!spoofs && !mac_equal(arp->sender_mac, port->mac))
		return BH_DROP_ARP_SPOOF;
	if (!*(__u32 *)packet->key.own) {
		/* A probe: is anybody using my address? (RFC 5227, 2.1.1) */
		if (arp->operation != bpf_htons(ARP_REQUEST))
			return BH_DROP_ARP_SPOOF;
		return spoofs || own_kind(port, 4, packet->key.remote) == BH_OWN_ADDRESS ? BH_ALLOW_LIFE
											 : BH_DROP_ARP_TARGET;
	}
	if (!spoofs && own_kind(port, 4, packet->key.own) != BH_OWN_ADDRESS)
		return BH_DROP_ARP_SPOOF;
	if (address_equal(packet->key.own, packet->key.remote))
		return BH_ALLOW_LIFE; /* gratuitous */
	packet->dst_class = packet_class_of(packet, port, packet->key.remote);
	return neighbour_reachable(packet, port, packet->key.remote, packet->dst_class) ? BH_ALLOW_LIFE
											: BH_DROP_ARP_TARGET;
}

static __always_inline int arp_to_port(struct packet *packet, const struct bh_port *port, const struct arp_body *arp)
{
	bool own_target = own_kind(port, 4, packet->key.own) == BH_OWN_ADDRESS;
	bool gratuitous = address_equal(packet->key.own, packet->key.remote);
	int reason;

	if (!own_target && !gratuitous)
		return neighbour_not_asked(packet);
	if (!*(__u32 *)packet->key.remote)
		return arp->operation == bpf_htons(ARP_REQUEST) ? BH_ALLOW_LIFE : BH_DROP_ARP_SPOOF;
	reason = neighbour_claim(packet, port, packet->key.remote, BH_DROP_ARP_SPOOF);
	if (reason)
		return reason;
	if (neighbour_reachable(packet, port, packet->key.remote, packet->src_class))
		return BH_ALLOW_LIFE;
	return own_target ? BH_DROP_ARP_TARGET : neighbour_not_asked(packet);
}

/* The protocol addresses take the place of IP's, so that events show them. */
__noinline int arp_judge(struct __sk_buff *skb, struct packet *packet, const struct bh_port *port)
{
	struct arp_body arp;

	if (!skb || !packet || !port)
		return BH_DROP_INTERNAL;
	if (bpf_skb_load_bytes(skb, packet->l3, &arp, sizeof(arp)))
		return BH_DROP_SHORT;
	if (arp.hardware != bpf_htons(ARP_HARDWARE_ETHERNET) || arp.protocol != bpf_htons(ETH_P_IP) ||
	    arp.hardware_length != 6 || arp.protocol_length != 4 ||
	    (arp.operation != bpf_htons(ARP_REQUEST) && arp.operation != bpf_htons(ARP_REPLY)))
		return BH_DROP_MALFORMED;
	packet->key.family = 4;
	__builtin_memcpy(packet_source(packet), arp.sender, sizeof(arp.sender));
	__builtin_memcpy(packet_destination(packet), arp.target, sizeof(arp.target));
	return packet->direction == BH_EVENT_FROM_PORT ? arp_from_port(packet, port, &arp)
						       : arp_to_port(packet, port, &arp);
}

/* Do the link-layer addresses in the options name the port's own MAC? */
static __always_inline int nd_options_check(struct __sk_buff *skb, const struct packet *packet,
					    const struct bh_port *port, __u32 offset)
{
	for (__u32 i = 0; i < ND_OPTIONS_MAX; i++) {
		__u8 option[8];

		if (offset >= packet->end)
			return BH_REASON_NONE;
		if (offset + sizeof(option) > packet->end || bpf_skb_load_bytes(skb, offset, option, sizeof(option)) ||
		    !option[1])
			return BH_DROP_MALFORMED;
		if ((option[0] == ND_SOURCE_LINK_ADDRESS || option[0] == ND_TARGET_LINK_ADDRESS) &&
		    !mac_equal(option + 2, port->mac))
			return BH_DROP_ND_SPOOF;
		offset += option[1] * 8u;
	}
	return offset >= packet->end ? BH_REASON_NONE : BH_DROP_MALFORMED;
}

struct nd_head {
	__u8 type, code;
	__u16 checksum;
	__u32 flags;
	__u8 target[16]; /* solicitations and advertisements of neighbours */
};

static __always_inline int nd_from_port(struct __sk_buff *skb, struct packet *packet, const struct bh_port *port,
					const struct nd_head *nd)
{
	bool router = packet->icmp_type == ICMP6_ROUTER_SOLICITATION || packet->icmp_type == ICMP6_ROUTER_ADVERTISEMENT;
	bool spoofs = port_permits(packet, BH_CLASS_PERMIT_SPOOF);
	bool unspecified = address_is_zero(packet->key.own);
	bool group = address_is_group(6, packet->key.remote);
	int reason;

	if (packet->icmp_type == ICMP6_ROUTER_ADVERTISEMENT && !port_permits(packet, BH_CLASS_PERMIT_ROUTER))
		return BH_DROP_ROUTER_ADVERTISEMENT;
	if (!spoofs) {
		__u32 fixed = packet->icmp_type == ICMP6_ROUTER_SOLICITATION	? 8
			      : packet->icmp_type == ICMP6_ROUTER_ADVERTISEMENT ? 16
										: sizeof(*nd);

		reason = nd_options_check(skb, packet, port, packet->l4 + fixed);
		if (reason)
			return reason;
		if (!unspecified && own_kind(port, 6, packet->key.own) != BH_OWN_ADDRESS)
			return BH_DROP_ND_SPOOF;
	}
	/* Options may hold anything, so it may be traffic: to one alone only where the policy knows a way. */
	if (!spoofs && !group && packet->icmp_type != ICMP6_ROUTER_ADVERTISEMENT) {
		packet->dst_class = packet_class_of(packet, port, packet->key.remote);
		if (!neighbour_reachable(packet, port, packet->key.remote, packet->dst_class))
			return BH_DROP_ARP_TARGET;
	}
	if (router)
		return unspecified && packet->icmp_type == ICMP6_ROUTER_ADVERTISEMENT ? BH_DROP_ND_SPOOF
										      : BH_ALLOW_LIFE;
	if (spoofs)
		return BH_ALLOW_LIFE;
	if (packet->icmp_type == ICMP6_NEIGHBOUR_ADVERTISEMENT)
		return !unspecified && own_kind(port, 6, nd->target) == BH_OWN_ADDRESS ? BH_ALLOW_LIFE
										       : BH_DROP_ND_SPOOF;
	if (unspecified) /* duplicate address detection */
		return own_kind(port, 6, nd->target) == BH_OWN_ADDRESS ? BH_ALLOW_LIFE : BH_DROP_ARP_TARGET;
	packet->dst_class = packet_class_of(packet, port, nd->target);
	return neighbour_reachable(packet, port, nd->target, packet->dst_class) ? BH_ALLOW_LIFE : BH_DROP_ARP_TARGET;
}

static __always_inline int nd_to_port(struct packet *packet, const struct bh_port *port, const struct nd_head *nd)
{
	bool group = address_is_group(6, packet->key.own);
	int reason;

	if (!group && own_kind(port, 6, packet->key.own) != BH_OWN_ADDRESS &&
	    !port_permits(packet, BH_CLASS_PERMIT_ROUTER))
		return BH_DROP_NOT_ADDRESSED;
	if (packet->icmp_type == ICMP6_ROUTER_SOLICITATION)
		return port_permits(packet, BH_CLASS_PERMIT_ROUTER) ? BH_ALLOW_LIFE : neighbour_not_asked(packet);
	if (packet->icmp_type == ICMP6_ROUTER_ADVERTISEMENT) {
		reason = sender_permitted(packet, port, BH_CLASS_PERMIT_ROUTER, BH_DROP_ROUTER_ADVERTISEMENT);
		return reason ? reason : BH_ALLOW_LIFE;
	}
	if (packet->icmp_type == ICMP6_NEIGHBOUR_SOLICITATION) {
		if (own_kind(port, 6, nd->target) != BH_OWN_ADDRESS)
			return neighbour_not_asked(packet);
		if (address_is_zero(packet->key.remote))
			return BH_ALLOW_LIFE; /* the port defends its address */
	} else {
		reason = neighbour_claim(packet, port, nd->target, BH_DROP_ND_SPOOF);
		if (reason)
			return reason;
		/* Answers to a duplicate's detection go to all, from the address in question. */
	}
	reason = neighbour_claim(packet, port, packet->key.remote, BH_DROP_ND_SPOOF);
	if (reason)
		return reason;
	if (neighbour_reachable(packet, port, packet->key.remote, packet->src_class))
		return BH_ALLOW_LIFE;
	return group ? neighbour_not_asked(packet) : BH_DROP_ARP_TARGET;
}

/* Types 133 to 137. */
__noinline int nd_judge(struct __sk_buff *skb, struct packet *packet, const struct bh_port *port)
{
	struct nd_head nd = {};
	__u32 size = sizeof(nd);

	if (!skb || !packet || !port)
		return BH_DROP_INTERNAL;
	if (packet->icmp_type == ICMP6_REDIRECT)
		return BH_DROP_REDIRECT;
	/* RFC 6980: never in fragments, be it one. */
	if (packet->flags & PACKET_FRAGMENTED || packet->hop_limit != ND_HOP_LIMIT || packet->icmp_code)
		return BH_DROP_ND_SPOOF;
	if (packet->icmp_type == ICMP6_ROUTER_SOLICITATION)
		size = 8;
	else if (packet->icmp_type == ICMP6_ROUTER_ADVERTISEMENT)
		size = 16;
	if (packet->l4 + size > packet->end)
		return BH_DROP_SHORT;
	if (size == sizeof(nd) && bpf_skb_load_bytes(skb, packet->l4, &nd, sizeof(nd)))
		return BH_DROP_SHORT;
	return packet->direction == BH_EVENT_FROM_PORT ? nd_from_port(skb, packet, port, &nd)
						       : nd_to_port(packet, port, &nd);
}

static __always_inline bool packet_is_nd(const struct packet *packet)
{
	return packet->key.protocol == IPPROTO_ICMPV6 && packet->key.family == 6 &&
	       packet->icmp_type >= ICMP6_ROUTER_SOLICITATION && packet->icmp_type <= ICMP6_REDIRECT;
}

#endif
