/* SPDX-License-Identifier: GPL-2.0-only */
/* What a flow remembers of a TCP connection: enough to give it the right idle time, and to tell a reset that an end
 * may have sent from one that somebody guessed (RFC 5961, 3.2). The ends check the rest themselves.
 *
 * Index 0 is the opener, 1 the other end. fin_seq: up to where that end has sent; acked: up to where the other has
 * acknowledged it. Both 0: not known yet. */
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

/* How far beyond `acked[end]` that end may send: what the other last offered. */
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

/* Follows a packet from `end`. Values out of reach move nothing, so that a guess can't lead the record astray. */
static __always_inline void tcp_follow(struct bh_flow *flow, const struct packet *packet, __u32 end)
{
	__u32 from = end & 1, to = from ^ 1;
	__u32 next = packet->seq + packet->payload;

	if (unlikely(packet->tcp_flags & (TCP_SYN | TCP_FIN)))
		next++;
	if (unlikely(!tcp_end_known(flow, from))) {
		flow->acked[from] = packet->seq;
		flow->fin_seq[from] = next;
	} else if (sequence_after(next, flow->fin_seq[from]) && next - flow->acked[from] <= tcp_reach(flow, from)) {
		flow->fin_seq[from] = next;
	}
	if (packet->tcp_flags & TCP_ACK) {
		if (unlikely(!tcp_end_known(flow, to))) {
			flow->acked[to] = packet->ack;
			flow->fin_seq[to] = packet->ack;
		} else if (sequence_after(packet->ack, flow->acked[to]) &&
			   packet->ack - flow->acked[to] <= tcp_reach(flow, to)) {
			flow->acked[to] = packet->ack;
			if (sequence_after(packet->ack, flow->fin_seq[to]))
				flow->fin_seq[to] = packet->ack;
		}
	}
	if (flow->window[from] != packet->window)
		flow->window[from] = packet->window;
}

/* The opener's SYN. */
static __always_inline void tcp_start(struct bh_flow *flow, const struct packet *packet, __u8 scale)
{
	flow->fin_seq[0] = 0;
	flow->acked[0] = 0;
	tcp_follow(flow, packet, 0);
	flow->window_scale[0] = scale;
}

/* RFC 5961, 3.2, as one who stands between sees it: a reset at the very place ends the flow; one within the window is
 * let through for the end to challenge, and changes nothing here; any other is dropped. RFC 9293, 3.10.7.3 for the
 * answer to a SYN. */
static __always_inline int tcp_reset(struct bh_flow *flow, const struct packet *packet, __u32 end)
{
	__u32 from = end & 1;
	__u32 reach;

	if (!tcp_end_known(flow, from)) {
		if (flow->tcp_state != BH_TCP_SYN_SENT)
			return BH_REASON_NONE; /* adopted, and nothing seen of that end: it must check itself */
		if (!(packet->tcp_flags & TCP_ACK) || packet->ack != flow->fin_seq[from ^ 1])
			return BH_DROP_TCP_INVALID;
		flow->tcp_state = BH_TCP_RESET;
		return BH_REASON_NONE;
	}
	if (packet->seq == flow->fin_seq[from] || packet->seq == flow->acked[from]) {
		flow->tcp_state = BH_TCP_RESET;
		return BH_REASON_NONE;
	}
	/* The answer to the acknowledgement that a stale connection sends to a new SYN stands at that one's place. */
	if (flow->tcp_state == BH_TCP_SYN_SENT && !from)
		return BH_REASON_NONE;
	reach = tcp_reach(flow, from);
	if (packet->seq - flow->acked[from] <= reach || flow->fin_seq[from] - packet->seq <= reach)
		return BH_REASON_NONE;
	return BH_DROP_TCP_INVALID;
}

/* The state after a packet of an open flow from `end`; BH_DROP_TCP_INVALID for one that no end can have sent. */
__noinline int tcp_step(struct __sk_buff *skb, struct bh_flow *flow, const struct packet *packet, __u32 end)
{
	__u32 from = end & 1;
	__u8 flags;

	if (!skb || !flow || !packet)
		return BH_DROP_INTERNAL;
	flags = packet->tcp_flags;
	if (flags & TCP_RST)
		return tcp_reset(flow, packet, from);
	if (flags & TCP_SYN) {
		if (!(flags & TCP_ACK)) {
			/* Sent again, or by another connection of the same ports. Once answered, it is bait for a
			 * challenge, and nothing moves. */
			if (flow->tcp_state == BH_TCP_SYN_SENT && !from)
				tcp_start(flow, packet, tcp_window_scale(skb, packet->l4 + 20, packet->tcp_options));
			return BH_REASON_NONE;
		}
		if (flow->tcp_state == BH_TCP_SYN_SENT && from == 1 && sequence_after(packet->ack, flow->acked[0]) &&
		    !sequence_after(packet->ack, flow->fin_seq[0])) {
			flow->window_scale[1] = tcp_window_scale(skb, packet->l4 + 20, packet->tcp_options);
			flow->tcp_state = BH_TCP_SYN_RECV;
			tcp_follow(flow, packet, from);
		}
		return BH_REASON_NONE;
	}
	/* An acknowledgement from a stale connection, in answer to a SYN, says nothing of this one. */
	if (flow->tcp_state == BH_TCP_SYN_SENT && from == 1)
		return BH_REASON_NONE;
	tcp_follow(flow, packet, from);
	if (flags & TCP_FIN) {
		flow->flags |= from ? BH_FLOW_FIN_OTHER : BH_FLOW_FIN_OPENER;
		if (flow->tcp_state < BH_TCP_CLOSING)
			flow->tcp_state = (flow->flags & BH_FLOW_FIN_OPENER && flow->flags & BH_FLOW_FIN_OTHER)
						  ? BH_TCP_CLOSING
						  : BH_TCP_FIN_WAIT;
	} else if (flow->tcp_state == BH_TCP_SYN_RECV && !from) {
		flow->tcp_state = BH_TCP_ESTABLISHED;
	} else if (flow->tcp_state == BH_TCP_CLOSING && flow->acked[0] == flow->fin_seq[0] &&
		   flow->acked[1] == flow->fin_seq[1]) {
		flow->tcp_state = BH_TCP_TIME_WAIT;
	}
	return BH_REASON_NONE;
}

#endif
