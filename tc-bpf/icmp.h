/* SPDX-License-Identifier: GPL-2.0-only */
/* ICMP errors: let through only when the packet that they quote is of an open flow of this port, went the other way,
 * came from where the error goes, and, of TCP, may be under way now. They may come from any router. They never lengthen
 * a flow. */
#ifndef BULKHEAD_BPF_ICMP_H
#define BULKHEAD_BPF_ICMP_H

#include "flow.h"
#include "parse.h"

/* RFC 792, 4443. Source quench is gone (RFC 6633), redirects are another matter. */
static __always_inline bool icmp_error_wanted(__u8 family, __u8 type)
{
	if (family == 4)
		return type == 3 || type == 11 || type == 12;
	return type >= 1 && type <= 4;
}

/* The addresses and protocol that an error quotes, as the flow's key; *ret_offset: of the quoted transport header. */
static __always_inline int icmp_quote_addresses(struct __sk_buff *skb, const struct packet *packet,
						struct bh_flow_key *key, __u32 *ret_offset)
{
	bool outward = packet->direction == BH_EVENT_FROM_PORT;
	/* The quoted packet went the other way than the error. */
	__u8 *source = outward ? key->remote : key->own, *destination = outward ? key->own : key->remote;
	__u32 offset = packet->l4 + 8;

	key->family = packet->key.family;
	if (packet->key.family == 4) {
		struct iphdr ip;

		if (offset + sizeof(ip) > packet->end || bpf_skb_load_bytes(skb, offset, &ip, sizeof(ip)))
			return BH_DROP_SHORT;
		if (ip.version != 4 || ip.ihl < 5 || bpf_ntohs(ip.frag_off) & IPV4_FRAGMENT_OFFSET)
			return BH_DROP_ICMP_UNRELATED;
		__builtin_memcpy(source, &ip.saddr, 4);
		__builtin_memcpy(destination, &ip.daddr, 4);
		key->protocol = ip.protocol;
		*ret_offset = offset + ip.ihl * 4u;
	} else {
		struct extensions found = {.end = packet->end};
		struct ipv6hdr ip;

		if (offset + sizeof(ip) > packet->end || bpf_skb_load_bytes(skb, offset, &ip, sizeof(ip)))
			return BH_DROP_SHORT;
		if (ip.version != 6)
			return BH_DROP_ICMP_UNRELATED;
		__builtin_memcpy(source, &ip.saddr, 16);
		__builtin_memcpy(destination, &ip.daddr, 16);
		found.offset = offset + sizeof(ip);
		found.protocol = ip.nexthdr;
		if (parse_extensions(skb, &found) || found.fragment & 0xfff8)
			return BH_DROP_ICMP_UNRELATED;
		key->protocol = found.protocol;
		*ret_offset = found.offset;
	}
	return BH_REASON_NONE;
}

/* The key of the flow that an error quotes, and of TCP the sequence number. Global, as it holds whole headers on its
 * stack. */
__noinline int icmp_quote(struct __sk_buff *skb, struct packet *packet, struct bh_flow_key *key)
{
	bool outward;
	__u8 head[8];
	__u32 offset;
	int reason;

	if (!skb || !packet || !key)
		return BH_DROP_INTERNAL;
	reason = icmp_quote_addresses(skb, packet, key, &offset);
	if (reason)
		return reason;
	outward = packet->direction == BH_EVENT_TO_PORT; /* the quoted packet, that is */
	switch (key->protocol) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case PROTOCOL_SCTP:
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		if (offset + sizeof(head) > packet->end || bpf_skb_load_bytes(skb, offset, head, sizeof(head)))
			return BH_DROP_SHORT; /* RFC 792: eight bytes at least are quoted */
		break;
	default:
		return BH_REASON_NONE;
	}
	if (key->protocol == (key->family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6)) {
		if (icmp_is_error(key->family, head[0]))
			return BH_DROP_ICMP_UNRELATED; /* none about errors (RFC 1122, 3.2.2) */
		icmp_key(key, head[0], head[1], *(__u16 *)(head + 4), outward);
	} else if (key->protocol != IPPROTO_ICMP && key->protocol != IPPROTO_ICMPV6) {
		key->own_port = *(__u16 *)(head + (outward ? 0 : 2));
		key->remote_port = *(__u16 *)(head + (outward ? 2 : 0));
		__builtin_memcpy(&packet->seq, head + 4, sizeof(packet->seq)); /* of these, only TCP's is one */
		packet->seq = bpf_ntohl(packet->seq);
	}
	return BH_REASON_NONE;
}

static __always_inline void flow_key_swap(struct bh_flow_key *one, struct bh_flow_key *other)
{
	__u64 *left = (__u64 *)one, *right = (__u64 *)other;

	for (__u32 i = 0; i < sizeof(*one) / sizeof(*left); i++) {
		__u64 word = left[i];

		left[i] = right[i];
		right[i] = word;
	}
}

/* The container's own word on what it was sent needs no proof. */
static __always_inline bool icmp_sequence_fits(const struct bh_flow *flow, const struct packet *packet)
{
	if (packet->key.protocol != IPPROTO_TCP || packet->direction == BH_EVENT_FROM_PORT)
		return true;
	return tcp_quotable(flow, packet->seq, flow->direction == BH_FLOW_OUT ? 0 : 1);
}

/* The quoted flow takes the place of the packet's key meanwhile: the look-ups and the judgement are the flow's. */
static __noinline int icmp_error(struct __sk_buff *skb, struct packet *packet, const struct bh_port *port)
{
	struct bh_flow_key quoted __attribute__((aligned(8))) = {};
	__u64 tai = 0;
	struct bh_flow *flow;
	int reason;

	if (packet->key.family == 4 && packet->icmp_type == 5)
		return BH_DROP_REDIRECT;
	if (!icmp_error_wanted(packet->key.family, packet->icmp_type))
		return BH_DROP_ICMP_UNRELATED;
	reason = guard_addresses(packet, port);
	if (reason)
		return reason;
	if (packet->direction == BH_EVENT_TO_PORT) {
		sender_class(packet, port, packet->key.remote, &reason);
		if (reason)
			return reason;
	}
	reason = icmp_quote(skb, packet, &quoted);
	if (reason)
		return reason;
	/* Addressed as it claims: to the source of what it quotes. */
	if (packet->direction == BH_EVENT_FROM_PORT ? !address_equal(quoted.remote, packet->key.remote)
						    : !address_equal(quoted.own, packet->key.own))
		return BH_DROP_ICMP_UNRELATED;
	flow_key_swap(&packet->key, &quoted);
	flow = flow_find(packet, port);
	if (!flow || flow->expires <= bpf_ktime_get_boot_ns()) {
		reason = BH_DROP_ICMP_UNRELATED;
	} else if (packet->stamp == BH_CLASS_REMOTE && flow->flags & BH_FLOW_PEER_LOCAL) {
		reason = BH_DROP_SPOOFED_REMOTE;
	} else if (!icmp_sequence_fits(flow, packet)) {
		reason = BH_DROP_ICMP_UNRELATED;
	} else {
		__u32 decision = flow->decision;

		if (flow->generation != packet->generation || !until_ahead(flow->valid_until, &tai))
			reason = flow_rejudge(packet, port, flow);
		else
			packet->decision = decision;
	}
	flow_key_swap(&packet->key, &quoted);
	return reason ? reason : BH_ALLOW_RELATED;
}

#endif
