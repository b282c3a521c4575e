/* SPDX-License-Identifier: GPL-2.0-only */
/* What a flow remembers of an SCTP association: the verification tag that each end's packets bear (RFC 9260, 8.5), to
 * tell what an end may have sent from what somebody guessed. As with TCP (tcp.h), the container is believed at its own
 * port; what it is sent must fit, or passes and counts for nothing: its kernel drops what bears another tag.
 *
 * fin_seq[i]: the tag of what end i sends; 0: not known, then any fits. tcp_state is BH_TCP_RESET when it is over. */
#ifndef BULKHEAD_BPF_SCTP_H
#define BULKHEAD_BPF_SCTP_H

#include "parse.h"

/* A flow begins with an INIT; or, on a further path of an association, with a HEARTBEAT (RFC 9260, 5.4). */
static __always_inline bool sctp_opens(const struct packet *packet)
{
	if (packet->sctp_chunk == SCTP_INIT)
		return !packet->seq; /* RFC 9260, 8.5.1 (A) */
	return packet->sctp_chunk == SCTP_HEARTBEAT;
}

static __always_inline void sctp_begin(struct bh_flow *flow, const struct packet *packet)
{
	bool init = packet->sctp_chunk == SCTP_INIT;

	flow->fin_seq[0] = init ? 0 : packet->seq;
	flow->fin_seq[1] = init ? packet->ack : 0;
}

/* The first chunk is what ends an association, and may bear its receiver's tag back (8.5.1 (B), (C)). */
static __always_inline bool sctp_ends(const struct packet *packet)
{
	return packet->sctp_chunk == SCTP_ABORT || packet->sctp_chunk == SCTP_SHUTDOWN_COMPLETE;
}

static __always_inline bool sctp_known(const struct bh_flow *flow, const struct packet *packet, __u32 from)
{
	if (sctp_ends(packet) && packet->sctp_flags & SCTP_REFLECTED)
		return packet->seq && packet->seq == flow->fin_seq[(from ^ 1) & 1];
	return packet->seq && packet->seq == flow->fin_seq[from & 1];
}

/* Is it one of the many that change nothing but how long the flow lasts? */
static __always_inline bool sctp_plain(const struct bh_flow *flow, const struct packet *packet, __u32 from)
{
	return packet->sctp_chunk != SCTP_INIT && packet->sctp_chunk != SCTP_INIT_ACK && !sctp_ends(packet) &&
	       flow->tcp_state != BH_TCP_RESET && sctp_known(flow, packet, from);
}

/* In answer to an INIT, its tags: what the sender wants to be sent, and what it was told to send. */
static __always_inline int sctp_init_ack(struct bh_flow *flow, const struct packet *packet, __u32 from)
{
	if (!packet_own(packet) && !(from && sctp_known(flow, packet, from)))
		return BH_ALLOW_FLOW;
	flow->fin_seq[from & 1] = packet->seq;
	flow->fin_seq[(from ^ 1) & 1] = packet->ack;
	return BH_REASON_NONE;
}

/* As tcp_step. */
__noinline int sctp_step(struct bh_flow *flow, const struct packet *packet, __u32 end)
{
	__u32 from = end & 1;

	if (!flow || !packet)
		return BH_DROP_INTERNAL;
	if (flow->tcp_state == BH_TCP_RESET)
		return BH_ALLOW_FLOW;
	if (packet->sctp_chunk == SCTP_INIT) { /* in the flow's direction */
		if (flow->flags & BH_FLOW_REPLIED)
			return BH_ALLOW_FLOW; /* a restart, or bait (RFC 9260, 5.2.2): the answer tells */
		if (packet_own(packet))
			sctp_begin(flow, packet);
		return BH_REASON_NONE;
	}
	if (packet->sctp_chunk == SCTP_INIT_ACK)
		return sctp_init_ack(flow, packet, from);
	if (sctp_ends(packet)) {
		if (!packet_own(packet) && !sctp_known(flow, packet, from))
			return BH_ALLOW_FLOW;
		flow->tcp_state = BH_TCP_RESET;
		return BH_REASON_NONE;
	}
	if (sctp_known(flow, packet, from) || !flow->fin_seq[from])
		return BH_REASON_NONE;
	if (!packet_own(packet))
		return BH_ALLOW_FLOW;
	flow->fin_seq[from] = packet->seq;
	flow->fin_seq[from ^ 1] = 0;
	return BH_REASON_NONE;
}

#endif
