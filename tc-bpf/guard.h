/* SPDX-License-Identifier: GPL-2.0-only */
/* Is it itself? At ingress the source is the port, at egress the destination is the port and the source is the stamp.
 * No policy and no audit loosens this; a zone's permits do, each its own kind. */
#ifndef BULKHEAD_BPF_GUARD_H
#define BULKHEAD_BPF_GUARD_H

#include "classify.h"

/* enum of BH_OWN_ADDRESS, BH_OWN_GATEWAY; 0: neither. */
static __always_inline __u32 own_kind(const struct bh_port *port, __u32 family, const __u8 *addr)
{
	struct bh_own_key key = {.port_id = port->id, .family = family};
	struct bh_own *found;

	address_copy(key.addr, addr);
	found = bpf_map_lookup_elem(&own, &key);
	return found ? found->kind : 0;
}

static __always_inline bool port_permits(const struct packet *packet, __u32 permit)
{
	return class_flags(packet->slot, packet->identity) & permit;
}

/* ::/96 but for :: itself, and ::ffff:0:0/96: addresses that never stand on a wire (RFC 4291, 2.5.5). */
static __always_inline bool address6_embeds_ipv4(const __u8 *addr)
{
	const __u32 *words = (const __u32 *)addr;

	return !words[0] && !words[1] && (!words[2] || words[2] == bpf_htonl(0xffff));
}

/* Can't be a source here. Unspecified ones are seen to by those that may have them (DHCP, DAD, MLD), before this. */
static __always_inline bool source_is_martian(__u8 family, const __u8 *addr)
{
	if (family == 4)
		return addr[0] == 0 || addr[0] == 127 || (addr[0] & 0xf0) == 224 || *(const __u32 *)addr == 0xffffffff;
	return addr[0] == 0xff || address6_embeds_ipv4(addr);
}

static __always_inline bool destination_is_martian(__u8 family, const __u8 *addr)
{
	if (family == 4)
		return addr[0] == 0 || addr[0] == 127;
	return address6_embeds_ipv4(addr);
}

static __always_inline bool address_is_group(__u8 family, const __u8 *addr)
{
	if (family == 4)
		return (addr[0] & 0xf0) == 224 || *(const __u32 *)addr == 0xffffffff;
	return addr[0] == 0xff;
}

/* The MAC: checked on every packet, of open flows too. */
static __always_inline int guard_mac(const struct packet *packet)
{
	if (likely(packet->flags & PACKET_MAC_OWN))
		return BH_REASON_NONE;
	if (packet->direction == BH_EVENT_TO_PORT && packet->flags & PACKET_MAC_GROUP)
		return BH_REASON_NONE;
	if (port_permits(packet, BH_CLASS_PERMIT_SPOOF))
		return BH_REASON_NONE; /* a virtual MAC (VRRP), a bridge within: sent from, so sent to */
	return packet->direction == BH_EVENT_FROM_PORT ? BH_DROP_SOURCE_MAC : BH_DROP_NOT_ADDRESSED;
}

/* The stamp, at egress: on every packet. BH_ALLOW_ANSWER: the gate's own answer, which came in by this very port (the
 * mark is the program's there: a container's own is gone when the frame leaves its namespace). */
static __always_inline int guard_stamp(const struct __sk_buff *skb, const struct packet *packet)
{
	if (likely(packet->stamp >= BH_IDENTITY_FIRST))
		return BH_REASON_NONE; /* it has 13 bits: an identity */
	switch (packet->stamp) {
	case BH_CLASS_HOST:
	case BH_CLASS_REMOTE:
	case BH_CLASS_UNASSIGNED:
	case BH_CLASS_CONFLICTED:
		return BH_REASON_NONE;
	case BH_CLASS_REFUSED:
		return BH_DROP_REFUSED_STAMP;
	case BH_CLASS_ANSWER:
		return skb->ingress_ifindex == skb->ifindex ? BH_ALLOW_ANSWER : BH_DROP_NO_STAMP;
	default:
		return BH_DROP_NO_STAMP;
	}
}

/* The port's own end, for what opens a flow and for what is judged anew. Sets PACKET_GROUP. */
static __always_inline int guard_own(struct packet *packet, const struct bh_port *port)
{
	const __u8 *destination = packet_destination(packet);
	__u32 class;

	if (own_kind(port, packet->key.family, packet->key.own) == BH_OWN_ADDRESS)
		return BH_REASON_NONE;
	if (packet->direction == BH_EVENT_FROM_PORT)
		return port_permits(packet, BH_CLASS_PERMIT_SPOOF) ? BH_REASON_NONE : BH_DROP_SOURCE_ADDRESS;
	if (packet->flags & PACKET_GROUP)
		return BH_REASON_NONE;
	if (packet->key.family == 4) { /* an IPv6 address that NAT64 makes of one is nobody's */
		class = packet_class_of(packet, port, destination);
		if (class_flags(packet->slot, class) & BH_CLASS_GROUP) {
			packet->flags |= PACKET_GROUP; /* a subnet's broadcast address */
			return BH_REASON_NONE;
		}
	}
	return port_permits(packet, BH_CLASS_PERMIT_ROUTER) ? BH_REASON_NONE : BH_DROP_NOT_ADDRESSED;
}

static __always_inline int guard_addresses(struct packet *packet, const struct bh_port *port)
{
	__u8 family = packet->key.family;

	if (source_is_martian(family, packet_source(packet)) ||
	    destination_is_martian(family, packet_destination(packet)))
		return BH_DROP_MARTIAN;
	if (address_is_group(family, packet_destination(packet)))
		packet->flags |= PACKET_GROUP;
	return guard_own(packet, port);
}

/* The class of an address that is not on this host: of a packet with the stamp `remote`. BH_CLASS_NONE with *ret_reason
 * set when it is on this host, and so is spoofed. */
static __always_inline __u32 remote_class(const struct packet *packet, const struct bh_port *port, const __u8 *addr,
					  int *ret_reason)
{
	__u32 class = packet_class_of(packet, port, addr);

	if (class == BH_CLASS_NONE || class == BH_CLASS_REMOTE || class == BH_CLASS_REFUSED) {
		*ret_reason = BH_DROP_INTERNAL;
		return BH_CLASS_NONE;
	}
	/* By its address alone: an unknown neighbour on a bridge has a class of its own, and may be anybody. */
	if (class < BH_CLASS_FIRST || class_flags(packet->slot, class) & BH_CLASS_LOCAL) {
		*ret_reason = BH_DROP_SPOOFED_REMOTE;
		return BH_CLASS_NONE;
	}
	return class;
}

/* Who sent it, at egress: the stamp tells, and only for `remote` the address. Otherwise as remote_class. */
static __always_inline __u32 sender_class(const struct packet *packet, const struct bh_port *port, const __u8 *addr,
					  int *ret_reason)
{
	if (packet->stamp != BH_CLASS_REMOTE)
		return packet->stamp;
	return remote_class(packet, port, addr, ret_reason);
}

#endif
