/* SPDX-License-Identifier: GPL-2.0-only */
/* What happened: counters per rule, port and reason, and sampled events. */
#ifndef BULKHEAD_BPF_REPORT_H
#define BULKHEAD_BPF_REPORT_H

#include "classify.h"

static __always_inline void counter_add(struct bh_counter *counter, __u32 bytes)
{
	/* Per CPU, and the programs run with bottom halves off: no other writer. */
	counter->packets++;
	counter->bytes += bytes;
}

static __always_inline void reason_count(__u32 reason, __u32 bytes)
{
	struct bh_counter *counter = bpf_map_lookup_elem(&reason_counters, &reason);

	if (counter)
		counter_add(counter, bytes);
}

static __always_inline void rule_count(__u32 decision, __u32 bytes)
{
	struct bh_counter *counter = bpf_map_lookup_elem(&rule_counters, &decision);

	if (counter)
		counter_add(counter, bytes);
}

static __always_inline void port_count(const struct bh_port *port, __u32 direction, bool allowed, __u32 bytes)
{
	struct bh_port_counters *counters = bpf_map_lookup_elem(&port_counters, &port->index);

	if (!counters)
		return;
	counter_add(allowed ? &counters->allowed[direction & 1] : &counters->denied[direction & 1], bytes);
}

/* The state of an index belongs to the port that has the index now. Global: the loop is walked once by the verifier. */
__noinline int port_state_claim(struct port_state *state, __u32 port_id)
{
	if (!state)
		return 0;
	for (__u32 i = 0; i < BH_REASON_MAX; i++) {
		WRITE_ONCE(state->buckets[i].full_at, 0); /* or the compiler calls a memset that is not there */
		WRITE_ONCE(state->buckets[i].suppressed, 0);
	}
	state->lost = 0;
	state->flows[BH_FLOW_OUT] = state->flows[BH_FLOW_IN] = 0;
	state->half_open[BH_FLOW_OUT] = state->half_open[BH_FLOW_IN] = 0;
	state->sweep_at = 0;
	state->port_id = port_id;
	return 0;
}

/* Takes one event from the bucket; false: it is to be left out, and has been counted. */
static __always_inline bool bucket_take(struct event_bucket *bucket, __u64 now)
{
	__u32 tick = now / (NS_PER_SEC / BH_EVENT_PER_SECOND);
	__u32 full_at = bucket->full_at;

	if ((__s32)(full_at - tick) < 0)
		full_at = tick;
	if (full_at - tick >= BH_EVENT_BURST) {
		__sync_fetch_and_add(&bucket->suppressed, 1);
		return false;
	}
	bucket->full_at = full_at + 1;
	return true;
}

static __always_inline void event_fill(struct __sk_buff *skb, struct packet *packet, struct bh_event *event)
{
	event->generation = packet->generation;
	event->ifindex = skb->ifindex;
	event->src_class = packet->src_class;
	event->dst_class = packet->dst_class;
	event->length = skb->len;
	event->direction = packet->direction;
	event->family = packet->ethertype == ETH_P_ARP ? 0 : packet->key.family;
	event->protocol = packet->key.protocol;
	event->tcp_flags = packet->tcp_flags;
	event->ethertype = packet->ethertype;
	event->source_port = 0;
	event->destination_port = 0;
	if ((event->family == 4 && event->protocol == IPPROTO_ICMP) ||
	    (event->family == 6 && event->protocol == IPPROTO_ICMPV6)) {
		event->tcp_flags = packet->icmp_type;
		event->destination_port = packet->icmp_type << 8 | packet->icmp_code;
	} else {
		event->source_port = bpf_ntohs(packet_source_port(packet));
		event->destination_port = bpf_ntohs(packet_destination_port(packet));
	}
	address_copy(event->source, packet_source(packet));
	address_copy(event->destination, packet_destination(packet));
	/* A frame has its two MACs, or it would not be one; were it not so, zeros stand there. */
	if (bpf_skb_load_bytes(skb, 6, event->source_mac, sizeof(event->source_mac)))
		__builtin_memset(event->source_mac, 0, sizeof(event->source_mac));
	if (bpf_skb_load_bytes(skb, 0, event->destination_mac, sizeof(event->destination_mac)))
		__builtin_memset(event->destination_mac, 0, sizeof(event->destination_mac));
}

/* One line for the witness. `what`: verdict << 8 | reason. */
__noinline int event_report(struct __sk_buff *skb, struct packet *packet, const struct bh_port *port, __u32 what)
{
	__u32 reason = what & 0xff, verdict = what >> 8;
	__u64 now = bpf_ktime_get_boot_ns();
	struct event_bucket *bucket;
	struct port_state *state;
	struct bh_event *event;
	__u32 suppressed, index;

	if (!skb || !packet || !port)
		return 0;
	index = port->index;
	state = bpf_map_lookup_elem(&port_state, &index);
	if (!state || reason >= BH_REASON_MAX)
		return 0;
	if (unlikely(state->port_id != port->id))
		port_state_claim(state, port->id);
	bucket = &state->buckets[reason];
	if (!bucket_take(bucket, now))
		return 0;
	event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (!event) {
		__sync_fetch_and_add(&state->lost, 1);
		return 0;
	}
	suppressed = bucket->suppressed;
	bucket->suppressed = 0;
	event_fill(skb, packet, event);
	event->time = now;
	event->port_id = port->id;
	event->decision = verdict == BH_EVENT_STAGED ? packet->staged : packet->decision;
	event->suppressed = suppressed;
	event->verdict = verdict;
	event->reason = reason;
	if (verdict == BH_EVENT_STAGED)
		event->reason = packet->flags & PACKET_STAGED_DENY ? BH_DENY_RULE : BH_ALLOW_RULE;
	bpf_ringbuf_submit(event, 0);
	if (likely(!state->lost))
		return 0;
	event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (!event)
		return 0;
	__builtin_memset(event, 0, sizeof(*event));
	event->time = now;
	event->generation = packet->generation;
	event->ifindex = skb->ifindex;
	event->port_id = port->id;
	event->verdict = BH_EVENT_LOST;
	event->suppressed = state->lost;
	state->lost = 0;
	bpf_ringbuf_submit(event, 0);
	return 0;
}

#endif
