/* SPDX-License-Identifier: GPL-2.0-only */
/* What a flow remembers of a TCP connection: enough to give it the right idle time, and to tell what an end may have
 * sent from what somebody guessed (RFC 5961). docs/state.md has the table.
 *
 * Index 0 is the opener, 1 the other end. fin_seq: up to where that end has sent; acked: up to where the other has
 * acknowledged it. Both 0: not known yet.
 *
 * The port's own container is believed: nobody else can send from its port. So what it sends sets a record right that
 * does not fit (an adopted flow's, one of an earlier connection); what it is sent must fit the record, or passes for
 * the container to answer, and moves nothing, lengthens nothing. */
#ifndef BULKHEAD_BPF_TCP_H
#define BULKHEAD_BPF_TCP_H

#include "parse.h"

#define TCP_OPTION_WINDOW_SCALE 3
#define TCP_WINDOW_SCALE_MAX	14u /* RFC 7323, 2.3 */
#define TCP_SCALE_UNKNOWN	0xffu
/* Sent ahead of what this program saw acknowledged: one window that has since shrunk, or one lost acknowledgement. */
#define TCP_WINDOW_SLACK 65535u

static __always_inline bool sequence_after(__u32 a, __u32 b)
{
	return (__s32)(a - b) > 0;
}

static long tcp_option(__u32 i, struct options *options)
{
	__u32 at = options->at;
	__u8 kind, size;

	if (options_step(options, &kind, &size))
		return 1;
	if (kind != TCP_OPTION_WINDOW_SCALE || size != 3 || at + 2 >= OPTIONS_MAX)
		return 0;
	options->result = options->bytes[at + 2];
	return 1;
}

/* The window scale that a SYN offers; 0 when it offers none or its options make no sense. */
__noinline int tcp_window_scale(struct __sk_buff *skb, __u32 offset, __u32 length)
{
	struct options options = {.length = length};

	if (!skb || length < 1 || length > OPTIONS_MAX)
		return 0;
	if (bpf_skb_load_bytes(skb, offset, options.bytes, length))
		return 0;
	bpf_loop(OPTIONS_MAX, tcp_option, &options, 0);
	return options.result < TCP_WINDOW_SCALE_MAX ? options.result : TCP_WINDOW_SCALE_MAX;
}

/* How far from `acked[end]` that end may send: what the other last offered. */
static __always_inline __u32 tcp_reach(const struct bh_flow *flow, __u32 end)
{
	__u32 peer = end ^ 1;
	__u32 scale = flow->window_scale[peer & 1];

	if (scale > TCP_WINDOW_SCALE_MAX)
		scale = TCP_WINDOW_SCALE_MAX;
	return ((__u32)flow->window[peer & 1] << scale) + TCP_WINDOW_SLACK;
}

static __always_inline bool tcp_end_known(const struct bh_flow *flow, __u32 end)
{
	return flow->fin_seq[end & 1] | flow->acked[end & 1];
}

/* Is a place in `end`'s data one that may be spoken of now: not further from what is acknowledged than a window? */
static __always_inline bool tcp_near(const struct bh_flow *flow, __u32 end, __u32 place)
{
	__u32 reach = tcp_reach(flow, end);

	return place - flow->acked[end & 1] + reach <= 2 * reach; /* below 2^32: the reach has 31 bits */
}

/* The place behind what the packet holds: a SYN and a FIN take one, too (RFC 9293, 3.4). */
static __always_inline __u32 tcp_next(const struct packet *packet)
{
	return packet->seq + packet->payload + (packet->tcp_flags & (TCP_SYN | TCP_FIN) ? 1 : 0);
}

/* Does a packet from `end` fit the record, in what it sends and in what it acknowledges? */
static __always_inline bool tcp_fits(const struct bh_flow *flow, const struct packet *packet, __u32 end)
{
	return tcp_end_known(flow, end) && tcp_end_known(flow, end ^ 1) && tcp_near(flow, end, tcp_next(packet)) &&
	       tcp_near(flow, end ^ 1, packet->ack);
}

/* Follows a packet that fits. */
static __always_inline void tcp_follow(struct bh_flow *flow, const struct packet *packet, __u32 end)
{
	__u32 from = end & 1, to = from ^ 1, next = tcp_next(packet);

	if (sequence_after(next, flow->fin_seq[from]))
		flow->fin_seq[from] = next;
	if (sequence_after(packet->ack, flow->acked[to])) {
		flow->acked[to] = packet->ack;
		if (sequence_after(packet->ack, flow->fin_seq[to]))
			flow->fin_seq[to] = packet->ack;
	}
	if (flow->window[from] != packet->window)
		flow->window[from] = packet->window;
}

/* Begins `end`'s part of the record with a packet that it sent. */
static __always_inline void tcp_begin(struct bh_flow *flow, const struct packet *packet, __u32 end, __u8 scale)
{
	__u32 from = end & 1;

	flow->acked[from] = packet->seq;
	flow->fin_seq[from] = tcp_next(packet);
	flow->window[from] = packet->window;
	flow->window_scale[from] = scale;
}

/* What the packet from the other end says of `end`, when nothing better is known. */
static __always_inline void tcp_believe(struct bh_flow *flow, const struct packet *packet, __u32 end)
{
	flow->acked[end & 1] = packet->ack;
	flow->fin_seq[end & 1] = packet->ack;
	flow->window_scale[end & 1] = TCP_SCALE_UNKNOWN;
}

/* May an ICMP error quote a packet of `end` with this sequence number? One that is on its way, or was a window ago
 * (RFC 5927, 4.1). */
static __always_inline bool tcp_quotable(const struct bh_flow *flow, __u32 seq, __u32 end)
{
	__u32 sent = flow->fin_seq[end & 1];

	return !tcp_end_known(flow, end) || sent - seq <= sent - flow->acked[end & 1] + tcp_reach(flow, end);
}

/* Within the other's window, or near what the end has sent. */
static __always_inline bool tcp_reset_near(const struct bh_flow *flow, const struct packet *packet, __u32 from)
{
	__u32 reach = tcp_reach(flow, from);

	return packet->seq - flow->acked[from & 1] <= reach || flow->fin_seq[from & 1] - packet->seq <= reach;
}

/* RFC 5961, 3.2, as one who stands between sees it: a reset at the very place ends the flow; one within the window is
 * let through for the end to challenge, and changes nothing here; any other is dropped. The container's own passes, and
 * within the window it has ended what was established, as its kernel answers for it. */
static __always_inline int tcp_reset(struct bh_flow *flow, const struct packet *packet, __u32 end)
{
	bool own = packet_own(packet), ends, passes;
	__u32 from = end & 1;

	if (!tcp_end_known(flow, from)) {
		if (flow->tcp_state == BH_TCP_SYN_SENT) {
			/* The answer to a SYN: RFC 9293, 3.10.7.3. */
			ends = packet->tcp_flags & TCP_ACK && (own || packet->ack == flow->fin_seq[0]);
			passes = own;
		} else { /* adopted, and nothing seen of that end: the other must check itself */
			ends = own;
			passes = true;
		}
	} else {
		bool near = tcp_reset_near(flow, packet, from);

		ends = packet->seq == flow->fin_seq[from] || packet->seq == flow->acked[from] ||
		       (own && near && flow->tcp_state >= BH_TCP_ESTABLISHED);
		/* The answer to the acknowledgement that a stale connection sends to a new SYN stands at that one's
		 * place. */
		passes = own || near || flow->tcp_state == BH_TCP_SYN_SENT;
	}
	if (ends) {
		flow->tcp_state = BH_TCP_RESET;
		return BH_REASON_NONE;
	}
	return passes ? BH_ALLOW_FLOW : BH_DROP_TCP_INVALID;
}

/* A SYN in the flow's direction. Sent again, or by another connection of the same ports; when it comes from elsewhere,
 * which of two is the true one the container's answer tells. Once answered, it is bait for a challenge. */
static __always_inline int tcp_syn(struct __sk_buff *skb, struct bh_flow *flow, const struct packet *packet)
{
	if (flow->tcp_state != BH_TCP_SYN_SENT)
		return BH_ALLOW_FLOW;
	if (packet_own(packet))
		tcp_begin(flow, packet, 0, tcp_window_scale(skb, packet->l4 + 20, packet->tcp_options));
	return BH_REASON_NONE;
}

/* A SYN with an acknowledgement. From the opener it is one half of a simultaneous open (RFC 9293, 3.5), and tells where
 * the other end begins. From the other end it answers a SYN: one that was seen, or, when the container says so, one
 * that the record does not hold. */
static __always_inline int tcp_syn_ack(struct __sk_buff *skb, struct bh_flow *flow, const struct packet *packet,
				       __u32 from)
{
	bool waits = flow->tcp_state == BH_TCP_SYN_SENT, crossed, answers;

	if (!from) {
		if (waits && (packet_own(packet) || packet->seq == flow->acked[0]))
			tcp_believe(flow, packet, 1);
		else if (flow->tcp_state == BH_TCP_SYN_RECV && packet->ack == flow->fin_seq[1])
			flow->tcp_state = BH_TCP_ESTABLISHED;
		else
			return BH_ALLOW_FLOW;
		return BH_REASON_NONE;
	}
	answers = sequence_after(packet->ack, flow->acked[0]) && !sequence_after(packet->ack, flow->fin_seq[0]);
	if (!waits && tcp_fits(flow, packet, 1))
		return BH_REASON_NONE; /* sent again */
	if (!packet_own(packet) && !(waits && answers))
		return BH_ALLOW_FLOW;
	crossed = waits && tcp_end_known(flow, 1) && flow->acked[1] == packet->seq + 1;
	if (!(waits && answers))
		tcp_believe(flow, packet, 0);
	flow->acked[0] = packet->ack;
	tcp_begin(flow, packet, 1, tcp_window_scale(skb, packet->l4 + 20, packet->tcp_options));
	if (crossed)
		flow->acked[1] = flow->fin_seq[1];
	flow->tcp_state = crossed ? BH_TCP_ESTABLISHED : BH_TCP_SYN_RECV;
	flow->flags &= ~(BH_FLOW_FIN_OPENER | BH_FLOW_FIN_OTHER);
	return BH_REASON_NONE;
}

/* The container's packet does not fit: then the record is wrong. */
static __always_inline void tcp_correct(struct bh_flow *flow, const struct packet *packet, __u32 from)
{
	tcp_begin(flow, packet, from, TCP_SCALE_UNKNOWN);
	tcp_believe(flow, packet, from ^ 1);
	if (flow->tcp_state == BH_TCP_SYN_RECV && from)
		return; /* it is not for the one who answers to say that the opener is there */
	flow->tcp_state = BH_TCP_ESTABLISHED;
	flow->flags &= ~(BH_FLOW_FIN_OPENER | BH_FLOW_FIN_OTHER);
}

static __always_inline void tcp_fin(struct bh_flow *flow, __u32 from)
{
	flow->flags |= from ? BH_FLOW_FIN_OTHER : BH_FLOW_FIN_OPENER;
	if (flow->tcp_state < BH_TCP_CLOSING)
		flow->tcp_state = (flow->flags & BH_FLOW_FIN_OPENER && flow->flags & BH_FLOW_FIN_OTHER)
					  ? BH_TCP_CLOSING
					  : BH_TCP_FIN_WAIT;
}

/* Of what comes before a SYN was answered only this counts: the other end acknowledges how the opener has answered its
 * SYN. An acknowledgement from a stale connection says nothing of this one. */
static __always_inline bool tcp_crossed(const struct bh_flow *flow, const struct packet *packet, __u32 from)
{
	return from && tcp_end_known(flow, 1) && packet->seq == flow->acked[1] && packet->ack == flow->fin_seq[0];
}

/* The state after a packet of an open flow from `end`. BH_REASON_NONE: it belongs there; BH_ALLOW_FLOW: it passes, and
 * counts for nothing; BH_DROP_TCP_INVALID: no end can have sent it. */
__noinline int tcp_step(struct __sk_buff *skb, struct bh_flow *flow, const struct packet *packet, __u32 end)
{
	__u32 from = end & 1;
	__u8 flags;

	if (!skb || !flow || !packet)
		return BH_DROP_INTERNAL;
	flags = packet->tcp_flags;
	if (flags & TCP_RST)
		return tcp_reset(flow, packet, from);
	if (flow->tcp_state == BH_TCP_RESET || flow->tcp_state == BH_TCP_TIME_WAIT)
		return BH_ALLOW_FLOW;
	if (flags & TCP_SYN)
		return flags & TCP_ACK ? tcp_syn_ack(skb, flow, packet, from) : tcp_syn(skb, flow, packet);
	if (flow->tcp_state == BH_TCP_SYN_SENT && !tcp_crossed(flow, packet, from))
		return BH_ALLOW_FLOW;
	if (!tcp_fits(flow, packet, from)) {
		if (!packet_own(packet))
			return BH_ALLOW_FLOW;
		tcp_correct(flow, packet, from);
	}
	if (flow->tcp_state == BH_TCP_SYN_RECV && !from) {
		/* Who has not seen the answer can't acknowledge it. */
		if (!sequence_after(packet->ack, flow->acked[1]) || sequence_after(packet->ack, flow->fin_seq[1]))
			return BH_ALLOW_FLOW;
		flow->tcp_state = BH_TCP_ESTABLISHED;
	}
	if (flow->tcp_state == BH_TCP_SYN_SENT)
		flow->tcp_state = BH_TCP_ESTABLISHED;
	tcp_follow(flow, packet, from);
	if (flags & TCP_FIN)
		tcp_fin(flow, from);
	else if (flow->tcp_state == BH_TCP_CLOSING && flow->acked[0] == flow->fin_seq[0] &&
		 flow->acked[1] == flow->fin_seq[1])
		flow->tcp_state = BH_TCP_TIME_WAIT;
	return BH_REASON_NONE;
}

#endif
