/* SPDX-License-Identifier: GPL-2.0-only */
/* The tc gate: judges every packet at a container's port, both ways. One pair of programs for all ports.
 *
 *   port by ifindex → parse → is it itself? → known flow? → classify → verdict → account, report → stamp
 *
 * Passing is TC_ACT_UNSPEC, so that other programs at the port still have their say; TC_ACT_OK would end the chain. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include "flow.h"
#include "fragment.h"
#include "icmp.h"
#include "life.h"
#include "neighbour.h"
#include "parse.h"
#include "refuse.h"

char LICENSE[] SEC("license") = "GPL";

/* A packet that can have a flow. */
static __always_inline int gate_flow(struct __sk_buff *skb, struct packet *packet, const struct bh_port *port)
{
	struct bh_flow *flow = flow_find(packet, port);
	int reason;

	if (likely(flow)) {
		if (likely(flow_plain(flow, packet))) {
			packet->decision = flow->decision;
			return BH_ALLOW_FLOW;
		}
		reason = flow_continue(skb, packet, port, flow);
		if (reason)
			return reason;
		packet->flags |= PACKET_ENTRY;
	}
	return flow_new(skb, packet, port);
}

static __always_inline int gate_judge(struct __sk_buff *skb, struct packet *packet, const struct bh_port *port)
{
	int reason;

	reason = parse_packet(skb, packet, port);
	if (unlikely(packet->flags & PACKET_TAGGED) && !port_permits(packet, BH_CLASS_PERMIT_VLAN))
		return BH_DROP_VLAN; /* whatever is in it */
	if (unlikely(reason))
		return reason;
	reason = guard_mac(packet);
	if (unlikely(reason))
		return reason;
	if (packet->direction == BH_EVENT_TO_PORT) {
		reason = guard_stamp(skb, packet);
		if (unlikely(reason))
			return reason;
	}
	if (unlikely(packet->ethertype == ETH_P_ARP))
		return arp_judge(skb, packet, port);
	if (unlikely(packet->flags & (PACKET_FIRST | PACKET_LATER))) {
		reason = fragment_length_check(packet);
		if (reason)
			return reason;
		if (packet->flags & PACKET_LATER)
			return fragment_follow(packet, port);
	}
	if (unlikely(packet_is_life(packet))) {
		reason = packet_is_nd(packet) ? nd_judge(skb, packet, port) : life_judge(skb, packet, port);
		if (reason)
			return reason;
	}
	if (unlikely(packet->flags & PACKET_ICMP_ERROR))
		return icmp_error(skb, packet, port);
	return gate_flow(skb, packet, port);
}

/* A datagram's first part brings leave for the others, if it may pass itself. */
static __noinline int gate_first(struct packet *packet, const struct bh_port *port, __u32 reason)
{
	int refused;

	if (!packet_passes(packet, reason))
		return reason;
	refused = fragment_note(packet, port);
	if (!refused)
		return reason;
	packet->flags &= ~PACKET_AUDITED;
	return refused;
}

/* Reports what is to be reported of a packet that is not just one more of an open flow. */
static __always_inline void gate_report(struct __sk_buff *skb, struct packet *packet, const struct bh_port *port,
					__u32 reason, bool passes)
{
	__u32 verdict = passes ? BH_EVENT_ALLOW : BH_EVENT_DENY;
	bool wanted = packet->flags & PACKET_LOG;

	if (passes && packet->flags & PACKET_AUDITED) {
		verdict = BH_EVENT_WOULD_DENY;
		wanted = true;
	}
	if (reason >= BH_DROP_CLOSED)
		wanted = !(packet->flags & PACKET_SILENT);
	if (wanted)
		event_report(skb, packet, port, verdict << 8 | reason);
	if (packet->staged)
		event_report(skb, packet, port, BH_EVENT_STAGED << 8);
}

static __always_inline int gate(struct __sk_buff *skb, const __u32 direction)
{
	struct packet packet = {};
	__u32 ifindex = skb->ifindex, zero = 0;
	struct bh_config *settings;
	struct bh_port *port;
	__u64 active;
	bool passes;
	int reason;

	packet.direction = direction;
	settings = bpf_map_lookup_elem(&config, &zero);
	port = bpf_map_lookup_elem(&ports, &ifindex);
	if (unlikely(!settings || !port)) {
		reason_count(BH_DROP_CLOSED, skb->len);
		return TC_ACT_SHOT;
	}
	active = READ_ONCE(settings->active);
	packet.slot = active & 1;
	packet.generation = active >> 1;
	packet.identity = port->identity[packet.slot & 1];
	if (direction == BH_EVENT_TO_PORT) {
		packet.stamp = (skb->mark & settings->stamp_mask) >> (settings->stamp_shift & 31);
		/* What no interface of the host has received was made by the host. If it has another's stamp, a process
		 * has set it (SO_MARK on a packet socket at this very port, where no hook of the door sees it). One
		 * without a stamp and without a socket is the kernel's: where bridge netfilter is on, nft's resets come
		 * so. */
		if (unlikely(!skb->ingress_ifindex && packet.stamp != BH_CLASS_HOST))
			packet.stamp = settings->reject && !packet.stamp && !skb->sk ? BH_CLASS_HOST : BH_CLASS_NONE;
		packet.src_class = packet.stamp;
		packet.dst_class = packet.identity;
	} else {
		packet.src_class = packet.identity;
	}
	if (likely(port->flags & BH_PORT_OPEN))
		reason = gate_judge(skb, &packet, port);
	else
		reason = BH_DROP_CLOSED;
	if (unlikely(reason >= BH_DENY_RULE) && reason != BH_DROP_CLOSED && answer_returns(skb, &packet, settings)) {
		packet.flags &= ~(PACKET_LOG | PACKET_AUDITED);
		packet.decision = packet.staged = 0;
		reason = BH_ALLOW_ANSWER;
	}
	if (unlikely(packet.flags & PACKET_FIRST))
		reason = gate_first(&packet, port, reason);
	passes = packet_passes(&packet, reason);
	port_count(port, direction, passes, skb->len);
	if (packet.decision)
		rule_count(packet.decision, skb->len);
	/* What audit lets pass is no denial. */
	reason_count(passes && !reason_allows(reason) ? BH_ALLOW_FLOW : reason, skb->len);
	if (unlikely(!passes || packet.flags & (PACKET_LOG | PACKET_AUDITED) || packet.staged))
		gate_report(skb, &packet, port, reason, passes);
	if (!passes)
		return unlikely(settings->reject) ? refuse(skb, &packet, port, reason) : TC_ACT_SHOT;
	if (direction == BH_EVENT_FROM_PORT)
		skb->mark = (skb->mark & ~settings->stamp_mask) |
			    ((packet.identity << (settings->stamp_shift & 31)) & settings->stamp_mask);
	return TC_ACT_UNSPEC;
}

SEC("tc")
int bulkhead_ingress(struct __sk_buff *skb)
{
	return gate(skb, BH_EVENT_FROM_PORT);
}

SEC("tc")
int bulkhead_egress(struct __sk_buff *skb)
{
	return gate(skb, BH_EVENT_TO_PORT);
}
