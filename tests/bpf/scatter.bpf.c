/* SPDX-License-Identifier: GPL-2.0-only */
/* For bench.c: the gate itself, and programs that make every packet the start of another flow first. */
#include "tc-bpf/bulkhead.bpf.c" /* the very programs: they share no object with the daemon's */

/* Written by bench.c: the range of destination addresses, 2^bits of them from `base` on, and of ports. */
const volatile __u32 bench_base = 0x10000000;
const volatile __u32 bench_bits = 30;
const volatile __u32 bench_port = 1000;
const volatile __u32 bench_ports = 16;

static __always_inline bool bench_scatter(struct __sk_buff *skb)
{
	struct {
		struct ethhdr frame;
		struct iphdr ip;
		struct udphdr udp;
	} *packet = packet_data(skb);
	__u32 random = bpf_get_prandom_u32(), other = bpf_get_prandom_u32();

	if ((void *)(packet + 1) > packet_data_end(skb))
		return false;
	packet->ip.daddr = bpf_htonl(bench_base + (random & ((1u << (bench_bits & 31)) - 1)));
	packet->udp.source = other >> 16;
	packet->udp.dest = bpf_htons(bench_port + other % bench_ports);
	return true;
}

SEC("tc")
int bench_empty(struct __sk_buff *skb)
{
	return TC_ACT_UNSPEC;
}

SEC("tc")
int bench_scattered(struct __sk_buff *skb)
{
	return bench_scatter(skb) ? TC_ACT_UNSPEC : TC_ACT_SHOT;
}

SEC("tc")
int bench_new(struct __sk_buff *skb)
{
	return bench_scatter(skb) ? gate(skb, BH_EVENT_FROM_PORT) : TC_ACT_SHOT;
}
