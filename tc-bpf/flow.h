/* SPDX-License-Identifier: GPL-2.0-only */
/* Flow state, the gate's own: one bounded map a port, so that no container can take another's room. Nobody collects
 * garbage: an entry has a time to end, is not believed after it, and is swept when its port needs the room.
 *
 * An entry of an older generation, or whose verdict has run out, is judged again in the flow's own direction. */
#ifndef BULKHEAD_BPF_FLOW_H
#define BULKHEAD_BPF_FLOW_H

#include <linux/errno.h>

#include "guard.h"
#include "report.h"
#include "sctp.h"
#include "tcp.h"

/* Sweeping costs about 0.1 µs an entry: not more often than this, but for sweeps that pay for themselves. */
#define FLOW_SWEEP_INTERVAL (NS_PER_SEC / 10)
#define FLOW_SWEEP_PAYS	    8u /* one in so many was freed */
/* Entries looked at in one sweep, with interrupts' bottom halves off: some milliseconds. */
#define FLOW_SWEEP_MAX 131072u
/* How much a flow's end must move to be written: keeps its cache line clean (the idle times are 10 s and more). */
#define FLOW_EXPIRY_GRAIN NS_PER_SEC
/* A flow found alive is not asked again for 2^8 jiffies: 0.3 to 2.6 s by the kernel's HZ, of idle times of 30 s and
 * more that were just begun anew. */
#define FLOW_TICK_SHIFT 8

static __always_inline struct bh_flow *flow_find(const struct packet *packet, const struct bh_port *port)
{
	void *inner = bpf_map_lookup_elem(&flows, &port->index);

	return inner ? bpf_map_lookup_elem(inner, &packet->key) : NULL;
}

static __always_inline __u64 tcp_timeout(__u8 state)
{
	switch (state) {
	case BH_TCP_SYN_SENT:
		return BH_TIMEOUT_TCP_SYN * NS_PER_SEC;
	case BH_TCP_SYN_RECV:
		return BH_TIMEOUT_TCP_SYN_RECV * NS_PER_SEC;
	case BH_TCP_ESTABLISHED:
		return BH_TIMEOUT_TCP_ESTABLISHED * NS_PER_SEC;
	case BH_TCP_FIN_WAIT:
		return BH_TIMEOUT_TCP_FIN_WAIT * NS_PER_SEC;
	case BH_TCP_CLOSING:
		return BH_TIMEOUT_TCP_CLOSING * NS_PER_SEC;
	case BH_TCP_TIME_WAIT:
		return BH_TIMEOUT_TCP_TIME_WAIT * NS_PER_SEC;
	case BH_TCP_RESET:
	case BH_TCP_NONE:
	default: /* what a map holds is a number, not an enum */
		return BH_TIMEOUT_TCP_RESET * NS_PER_SEC;
	}
}

static __always_inline __u64 flow_timeout(const struct bh_flow *flow, __u8 protocol)
{
	bool replied = flow->flags & BH_FLOW_REPLIED;

	switch (protocol) {
	case IPPROTO_TCP:
		return tcp_timeout(flow->tcp_state);
	case IPPROTO_UDP:
		return (replied ? BH_TIMEOUT_UDP_STREAM : BH_TIMEOUT_UDP) * NS_PER_SEC;
	case PROTOCOL_SCTP:
		if (flow->tcp_state == BH_TCP_RESET)
			return BH_TIMEOUT_TCP_RESET * NS_PER_SEC;
		return (replied ? BH_TIMEOUT_SCTP : BH_TIMEOUT_SCTP_INIT) * NS_PER_SEC;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return BH_TIMEOUT_ICMP * NS_PER_SEC;
	default:
		return BH_TIMEOUT_OTHER * NS_PER_SEC;
	}
}

static __always_inline void flow_touch(struct bh_flow *flow, __u64 now, __u64 timeout)
{
	__u64 expires = now + timeout;

	if (expires - flow->expires > FLOW_EXPIRY_GRAIN) /* or earlier than it: the state has moved on */
		flow->expires = expires;
}

/* Does the packet travel as the one that opened the flow did? Of an ICMP error only what it quotes does. */
static __always_inline bool flow_forward(const struct bh_flow *flow, const struct packet *packet)
{
	return flow->direction == packet->direction /* BH_FLOW_OUT is BH_EVENT_FROM_PORT */
	       && !(packet->flags & PACKET_ICMP_ERROR);
}
_Static_assert((int)BH_FLOW_OUT == (int)BH_EVENT_FROM_PORT && (int)BH_FLOW_IN == (int)BH_EVENT_TO_PORT,
	       "flow_forward compares the two");

static __always_inline bool flow_alive(const struct bh_flow *flow, __u64 now)
{
	return flow->expires > now && flow->tcp_state != BH_TCP_RESET && flow->tcp_state != BH_TCP_TIME_WAIT;
}

/* Does the packet's stamp fit the flow? Stamps stand in packets to the port only; `remote` ones never belong to a flow
 * with a local end, and a flow's own direction has one stamp. BH_REASON_NONE: it fits. BH_DROP_REVOKED: judge again. */
static __always_inline int flow_stamp(const struct bh_flow *flow, const struct packet *packet)
{
	if (packet->direction == BH_EVENT_FROM_PORT)
		return BH_REASON_NONE;
	if (packet->stamp == BH_CLASS_REMOTE) {
		if (flow->flags & BH_FLOW_PEER_LOCAL)
			return BH_DROP_SPOOFED_REMOTE;
		return BH_REASON_NONE;
	}
	if (flow->direction == BH_FLOW_IN && flow->opener != packet->stamp)
		return BH_DROP_REVOKED;
	return BH_REASON_NONE;
}

/* The common case, lean: an open flow's packet that changes nothing but the time it lasts. The clock is asked once a
 * tick: asking costs as much as a look-up. */
static __always_inline bool flow_plain(struct bh_flow *flow, const struct packet *packet)
{
	__u32 tick = bpf_jiffies64() >> FLOW_TICK_SHIFT;
	bool forward = flow_forward(flow, packet), look = flow->checked != tick;
	__u64 now = look ? bpf_ktime_get_boot_ns() : 0;

	if (flow->generation != packet->generation || flow->valid_until != BH_FOREVER || flow->expires <= now)
		return false;
	if (flow_stamp(flow, packet) || (!forward && !(flow->flags & BH_FLOW_REPLIED)))
		return false;
	if (packet->key.protocol == IPPROTO_TCP) {
		if (flow->tcp_state != BH_TCP_ESTABLISHED ||
		    (packet->tcp_flags & (TCP_FIN | TCP_SYN | TCP_RST | TCP_ACK)) != TCP_ACK ||
		    !tcp_fits(flow, packet, forward ? 0 : 1))
			return false;
		tcp_follow(flow, packet, forward ? 0 : 1);
	} else if (packet->key.protocol == PROTOCOL_SCTP && !sctp_plain(flow, packet, forward ? 0 : 1)) {
		return false;
	}
	if (unlikely(look)) {
		flow_touch(flow, now, flow_timeout(flow, packet->key.protocol));
		flow->checked = tick;
	}
	return true;
}

struct flow_sweep {
	__u64 now;
	__u32 seen;
	__s32 freed[2], kept[2], half_open[2]; /* by enum bh_flow_direction */
};

static long flow_sweep_entry(void *map, const void *key, struct bh_flow *flow, struct flow_sweep *sweep)
{
	__u32 way = flow->direction & 1;

	if (sweep->seen++ >= FLOW_SWEEP_MAX)
		return 1;
	if (flow->expires <= sweep->now) {
		bpf_map_delete_elem(map, key); /* the entry may be another flow's from here on */
		sweep->freed[way]++;
		return 0;
	}
	sweep->kept[way]++;
	if (!(flow->flags & BH_FLOW_REPLIED))
		sweep->half_open[way]++;
	return 0;
}

/* Frees what has expired of this port's and counts the rest exactly. */
__noinline int flow_sweep_port(const struct bh_port *port, struct port_state *state)
{
	struct flow_sweep sweep = {.now = bpf_ktime_get_boot_ns()};
	__u32 index;
	void *inner;

	if (!port || !state || sweep.now < state->sweep_at)
		return 0;
	index = port->index;
	inner = bpf_map_lookup_elem(&flows, &index);
	if (!inner)
		return 0;
	state->sweep_at = sweep.now + FLOW_SWEEP_INTERVAL;
	bpf_for_each_map_elem(inner, flow_sweep_entry, &sweep, 0);
	for (__u32 way = 0; way < 2; way++) {
		if (sweep.seen > FLOW_SWEEP_MAX) {
			__sync_fetch_and_add(&state->flows[way], -sweep.freed[way]);
			continue;
		}
		state->flows[way] = sweep.kept[way];
		state->half_open[way] = sweep.half_open[way];
	}
	if ((sweep.freed[0] + sweep.freed[1]) * FLOW_SWEEP_PAYS >= sweep.seen)
		state->sweep_at = sweep.now;
	return 0;
}

/* Room for one more? What is opened towards the port has room of its own, so that nobody who may reach it can keep it
 * from opening flows itself, and more of it than one neighbour can fill. */
static __always_inline int flow_admit(const struct packet *packet, const struct bh_port *port, struct port_state *state)
{
	__u32 zero = 0;
	struct bh_config *settings = bpf_map_lookup_elem(&config, &zero);
	__u32 way = packet->direction & 1, share = way == BH_FLOW_IN ? BH_FLOWS_IN_SHARE : 1;
	__s64 quota, half_quota;

	if (!settings)
		return BH_DROP_INTERNAL;
	quota = (__u64)settings->flow_quota * share;
	half_quota = (__u64)settings->flow_half_quota * share;
	if (unlikely(state->port_id != port->id))
		port_state_claim(state, port->id);
	if (likely(state->flows[way] < quota && state->half_open[way] < half_quota))
		return BH_REASON_NONE;
	flow_sweep_port(port, state);
	if (state->flows[way] >= quota)
		return BH_DROP_FLOWS_FULL;
	if (state->half_open[way] >= half_quota)
		return BH_DROP_HALF_OPEN_FULL;
	return BH_REASON_NONE;
}

static __always_inline void flow_forget(struct packet *packet, const struct bh_port *port, const struct bh_flow *flow)
{
	struct port_state *state = bpf_map_lookup_elem(&port_state, &port->index);
	void *inner = bpf_map_lookup_elem(&flows, &port->index);
	bool half_open = !(flow->flags & BH_FLOW_REPLIED);
	__u32 way = flow->direction & 1;

	if (!inner || !state || bpf_map_delete_elem(inner, &packet->key))
		return;
	__sync_fetch_and_add(&state->flows[way], -1);
	if (half_open)
		__sync_fetch_and_add(&state->half_open[way], -1);
}

/* Is the other end of a flow that was just judged the host or a container for certain, so that its packets never carry
 * the stamp `remote`? What is sent to a published port may be answered from anywhere. */
static __always_inline bool flow_peer_local(const struct packet *packet, const struct bh_flow *flow)
{
	if (flow->direction == BH_FLOW_OUT)
		return !(packet->flags & PACKET_DEFERRED) &&
		       (packet->dst_class == BH_CLASS_HOST || class_is_identity(packet->dst_class));
	if (flow_forward(flow, packet))
		return packet->stamp != BH_CLASS_REMOTE;
	return flow->flags & BH_FLOW_PEER_LOCAL; /* an answer does not tell: as before */
}

static __always_inline bool packet_published(const struct packet *packet)
{
	struct bh_published_key key = {.port = bpf_ntohs(packet->key.remote_port), .protocol = packet->key.protocol};

	return bpf_map_lookup_elem(&published, &key);
}

/* Do containers of several bridges have the port's address? The door would take what one sends for the answer to what
 * the host has asked another, as conntrack knows addresses alone. */
static __noinline bool packet_own_ambiguous(const struct packet *packet)
{
	struct bh_addr_key key = {.family = packet->key.family};

	address_copy(key.addr, packet->key.own);
	return class_of(&key, packet->slot) == BH_CLASS_AMBIGUOUS;
}

/* The policy's word on a flow, opened in `direction`; what goes to the host may be left to the door, which knows where
 * it ends up after NAT. Returns a reason of policy or BH_DROP_INTERNAL. */
static __always_inline int flow_judge(struct packet *packet, __u32 direction, __u32 src, __u32 dst)
{
	int service = service_of(&packet->key, direction, packet->slot);
	struct bh_config *settings;
	__u32 zero = 0;
	int reason;

	if (service < 0)
		return BH_DROP_INTERNAL;
	reason = policy_judge(packet, src, dst, service);
	if (direction != BH_FLOW_OUT || dst != BH_CLASS_HOST)
		return reason;
	settings = bpf_map_lookup_elem(&config, &zero);
	if (packet_published(packet)) {
		packet->flags |= PACKET_DEFERRED; /* allowed or not: see flow_peer_local */
		packet->staged = 0;		  /* it may not be for the host at all */
	} else if (!settings || !settings->host_deferred || packet_own_ambiguous(packet)) {
		return reason;
	}
	if (reason_allows(reason) || reason == BH_DENY_CONFLICTED || reason >= BH_DROP_CLOSED)
		return reason;
	packet->flags |= PACKET_DEFERRED;
	packet->flags &= ~(PACKET_LOG | PACKET_AUDITED);
	packet->decision = 0;
	return BH_ALLOW_DEFERRED;
}

static __always_inline bool packet_passes(const struct packet *packet, __u32 reason)
{
	return reason_allows(reason) || (reason < BH_DROP_CLOSED && packet->flags & PACKET_AUDITED);
}

static __always_inline void flow_fill(struct bh_flow *flow, const struct packet *packet)
{
	flow->valid_until = packet->valid_until;
	flow->generation = packet->generation;
	flow->decision = packet->decision;
	flow->opener = packet->src_class;
	flow->other = packet->dst_class;
	flow->direction = packet->direction;
	flow->window_scale[0] = TCP_SCALE_UNKNOWN;
	flow->window_scale[1] = TCP_SCALE_UNKNOWN;
	if (packet->flags & PACKET_AUDITED)
		flow->flags |= BH_FLOW_AUDITED;
	if (packet->flags & PACKET_LOG)
		flow->flags |= BH_FLOW_LOGGED;
	if (flow_peer_local(packet, flow))
		flow->flags |= BH_FLOW_PEER_LOCAL;
	if (packet->key.protocol == IPPROTO_TCP) {
		flow->tcp_state = BH_TCP_SYN_SENT;
		tcp_begin(flow, packet, 0, packet->window_scale);
	} else if (packet->key.protocol == PROTOCOL_SCTP) {
		sctp_begin(flow, packet);
	}
}

/* Notes a flow for which there is room. BH_REASON_NONE: noted. */
static __noinline int flow_note(struct packet *packet, void *inner, struct port_state *state)
{
	__u64 now = bpf_ktime_get_boot_ns();
	struct bh_flow flow = {}, *old = NULL;
	__u32 way = packet->direction & 1;
	long error;

	if (packet->flags & PACKET_ENTRY)
		old = bpf_map_lookup_elem(inner, &packet->key);
	if (old && flow_alive(old, now))
		return BH_REASON_NONE; /* a SYN against the flow's direction: both ways are allowed then */
	if (old) {
		__sync_fetch_and_add(&state->flows[old->direction & 1], -1);
		if (!(old->flags & BH_FLOW_REPLIED))
			__sync_fetch_and_add(&state->half_open[old->direction & 1], -1);
	}
	flow_fill(&flow, packet);
	flow.expires = now + flow_timeout(&flow, packet->key.protocol);
	error = bpf_map_update_elem(inner, &packet->key, &flow, old ? BPF_ANY : BPF_NOEXIST);
	if (error == -EEXIST) /* another CPU was first, with the same packet's twin */
		return BH_REASON_NONE;
	if (error)
		return error == -E2BIG ? BH_DROP_FLOWS_FULL : BH_DROP_NO_MEMORY;
	__sync_fetch_and_add(&state->flows[way], 1);
	__sync_fetch_and_add(&state->half_open[way], 1);
	return BH_REASON_NONE;
}

/* A flow that was judged and may pass gets its entry, if there is room. BH_REASON_NONE: it has. */
static __always_inline int flow_open(struct packet *packet, const struct bh_port *port)
{
	struct port_state *state = bpf_map_lookup_elem(&port_state, &port->index);
	void *inner = bpf_map_lookup_elem(&flows, &port->index);
	int reason;

	if (!inner || !state)
		return BH_DROP_INTERNAL;
	reason = packet->flags & PACKET_ENTRY ? BH_REASON_NONE : flow_admit(packet, port, state);
	if (reason)
		return reason;
	reason = flow_note(packet, inner, state);
	if (reason != BH_DROP_FLOWS_FULL)
		return reason;
	flow_sweep_port(port, state); /* seeded flows are not counted until now */
	return flow_note(packet, inner, state);
}

/* Noted before it is forgotten: whoever reads flows first and this afterwards misses none. */
static __always_inline void flow_revoke(const struct packet *packet, const struct bh_port *port, struct bh_flow *flow)
{
	__u32 zero = 0;
	struct answer_space *space = bpf_map_lookup_elem(&answer_space, &zero);

	if (!space)
		return;
	space->revoked.port_id = port->id;
	space->revoked.pad = 0;
	space->revoked.flow = packet->key;
	flow->generation = packet->generation;
	bpf_map_update_elem(&revoked, &space->revoked, flow, BPF_ANY);
}

/* Who opened a flow, for judging it again. BH_CLASS_NONE with *ret_reason set: somebody who can't have. */
static __always_inline __u32 flow_opener(const struct packet *packet, const struct bh_port *port,
					 const struct bh_flow *flow, int *ret_reason)
{
	if (flow->direction == BH_FLOW_OUT)
		return packet->identity;
	if (flow_forward(flow, packet) && packet->stamp != BH_CLASS_REMOTE)
		return packet->stamp;
	if (!flow_forward(flow, packet) && flow->flags & BH_FLOW_PEER_LOCAL)
		return flow->opener;
	return remote_class(packet, port, packet->key.remote, ret_reason);
}

/* Judges an open flow by the policy in force, in the flow's own direction. BH_REASON_NONE: it may go on. */
static __noinline int flow_rejudge(struct packet *packet, const struct bh_port *port, struct bh_flow *flow)
{
	__u32 src, dst;
	bool local, told;
	int reason;

	if (!flow_forward(flow, packet) && flow->direction == BH_FLOW_IN && class_is_identity(flow->opener) &&
	    class_flags(packet->slot, flow->opener) & BH_CLASS_RETIRED)
		return BH_REASON_NONE; /* who it is now, only its own port knows: that one judges */
	reason = guard_own(packet, port);
	if (reason)
		goto forget;
	reason = BH_DROP_INTERNAL;
	src = flow_opener(packet, port, flow, &reason);
	dst = flow->direction == BH_FLOW_IN ? packet->identity : packet_class_of(packet, port, packet->key.remote);
	if (src == BH_CLASS_NONE || dst == BH_CLASS_NONE)
		goto forget;
	reason = flow_judge(packet, flow->direction, src, dst);
	packet->staged = 0; /* that is told of a flow once, at its start */
	if (!packet_passes(packet, reason)) {
		if (flow_forward(flow, packet) && flow_stamp(flow, packet))
			return reason; /* who is not its opener ends nothing of his */
		if (reason < BH_DROP_CLOSED)
			reason = BH_DROP_REVOKED;
		goto forget;
	}
	local = flow_peer_local(packet, flow);
	told = flow->flags & BH_FLOW_AUDITED && flow->decision == packet->decision;
	flow->flags = (flow->flags & ~(BH_FLOW_AUDITED | BH_FLOW_PEER_LOCAL)) |
		      (packet->flags & PACKET_AUDITED ? BH_FLOW_AUDITED : 0) | (local ? BH_FLOW_PEER_LOCAL : 0);
	flow->decision = packet->decision;
	flow->opener = src;
	flow->other = dst;
	flow->valid_until = packet->valid_until;
	flow->generation = packet->generation;
	packet->flags &= ~PACKET_LOG; /* the flow is not new */
	if (told)
		packet->flags &= ~PACKET_AUDITED;
	return BH_REASON_NONE;
forget:
	/* Up to where its sender has come: where a reset that takes its place must stand. */
	if (packet->key.protocol == IPPROTO_TCP && tcp_end_known(flow, flow_forward(flow, packet) ? 0 : 1))
		packet->next = flow->fin_seq[flow_forward(flow, packet) ? 0 : 1];
	if (reason == BH_DROP_REVOKED)
		flow_revoke(packet, port, flow);
	flow_forget(packet, port, flow);
	return reason;
}

/* Does the packet ask to open what may be open already? Against the flow's direction, or when it is over, it is to be
 * judged. */
static __always_inline bool flow_asks(const struct packet *packet)
{
	if (packet->key.protocol == PROTOCOL_SCTP)
		return packet->sctp_chunk == SCTP_INIT;
	return packet->key.protocol == IPPROTO_TCP && (packet->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
}

/* What the protocol says of a packet of an open flow, as tcp_step. */
static __always_inline int flow_step(struct __sk_buff *skb, struct bh_flow *flow, const struct packet *packet,
				     __u32 end)
{
	if (packet->key.protocol == IPPROTO_TCP)
		return tcp_step(skb, flow, packet, end);
	return packet->key.protocol == PROTOCOL_SCTP ? sctp_step(flow, packet, end) : BH_REASON_NONE;
}

/* A packet that fits a flow's entry, and is not plain. BH_REASON_NONE: it is to be judged as a new flow. */
static __noinline int flow_continue(struct __sk_buff *skb, struct packet *packet, const struct bh_port *port,
				    struct bh_flow *flow)
{
	bool forward = flow_forward(flow, packet);
	__u64 now = bpf_ktime_get_boot_ns(), tai = 0;
	struct port_state *state;
	__u8 before;
	int reason;

	if (flow->expires <= now)
		return BH_REASON_NONE;
	if (flow_asks(packet) && (!forward || !flow_alive(flow, now)))
		return BH_REASON_NONE;
	reason = flow_stamp(flow, packet);
	if (reason && reason != BH_DROP_REVOKED)
		return reason;
	if (reason || flow->generation != packet->generation || !until_ahead(flow->valid_until, &tai)) {
		reason = flow_rejudge(packet, port, flow);
		if (reason)
			return reason;
	}
	before = flow->tcp_state;
	reason = flow_step(skb, flow, packet, forward ? 0 : 1);
	if (reason == BH_ALLOW_FLOW)
		packet->decision = flow->decision;
	if (reason)
		return reason;
	if (!forward && !(flow->flags & BH_FLOW_REPLIED)) {
		flow->flags |= BH_FLOW_REPLIED;
		state = bpf_map_lookup_elem(&port_state, &port->index);
		if (state)
			__sync_fetch_and_add(&state->half_open[flow->direction & 1], -1);
	}
	if (before != flow->tcp_state || (before != BH_TCP_RESET && before != BH_TCP_TIME_WAIT))
		flow_touch(flow, now, flow_timeout(flow, packet->key.protocol));
	packet->decision = flow->decision;
	return BH_ALLOW_FLOW;
}

/* What has no flow: is it itself, and may it open one? */
static __noinline int flow_new(struct __sk_buff *skb, struct packet *packet, const struct bh_port *port)
{
	__u32 src, dst;
	int reason, opened;

	reason = guard_addresses(packet, port);
	if (reason)
		return reason;
	if (packet->key.protocol == IPPROTO_TCP &&
	    (packet->tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) != TCP_SYN)
		return BH_DROP_TCP_NOT_SYN;
	if (packet->key.protocol == PROTOCOL_SCTP && !sctp_opens(packet))
		return BH_DROP_SCTP_NOT_INIT;
	if (packet->flags & PACKET_ICMP_REPLY)
		return BH_DROP_ICMP_UNRELATED;
	if (packet->direction == BH_EVENT_FROM_PORT) {
		src = packet->identity;
		dst = packet_class_of(packet, port, packet->key.remote);
		if (class_flags(packet->slot, dst) & BH_CLASS_GROUP)
			packet->flags |= PACKET_GROUP;
	} else {
		src = sender_class(packet, port, packet->key.remote, &reason);
		dst = packet->identity;
		if (reason)
			return reason;
	}
	if (src == BH_CLASS_NONE || dst == BH_CLASS_NONE)
		return BH_DROP_INTERNAL;
	reason = flow_judge(packet, packet->direction, src, dst);
	if (!packet_passes(packet, reason) || packet->flags & PACKET_GROUP)
		return reason;
	if (packet->key.protocol == IPPROTO_TCP) /* here and not there: the stack is short */
		packet->window_scale = tcp_window_scale(skb, packet->l4 + 20, packet->tcp_options);
	opened = flow_open(packet, port);
	if (opened) {
		packet->flags &= ~PACKET_AUDITED;
		return opened;
	}
	return reason;
}

#endif
