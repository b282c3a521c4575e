/* SPDX-License-Identifier: GPL-2.0-only */
/* `refuse: reject`: the answer to what the policy refuses, a TCP reset (RFC 9293, 3.10.7.1) or ICMP "communication
 * administratively prohibited" (RFC 1812, 5.2.7.1; RFC 4443, 3.1), made at the port, of the packet itself.
 *
 *   sent by the container     its answer goes back out of the same port, from the far end to the port's own address,
 *                             which the guards have seen to be its own
 *   sent to it, by the host   its answer goes in by this port, as if the container had given it, and finds its way
 *   or another container      through the door and NAT. Its sender was seen to be itself at its own port
 *   sent to it, of a TCP      becomes a reset in the name of its sender, so that the container's end hears of it, too.
 *   flow that was cut         Nobody outside hears anything
 *
 * Not answered: resets, ICMP errors and replies, later fragments, groups and broadcast, tagged frames, sources that are
 * not the sender's own (`permit: spoof`), and what is no matter of policy. */
#ifndef BULKHEAD_BPF_REFUSE_H
#define BULKHEAD_BPF_REFUSE_H

#include <linux/pkt_cls.h>

#include "guard.h"

#define ANSWER_TTL     64u  /* RFC 1700: what a host sends */
#define ANSWER_TOS     0xc0 /* RFC 1812, 4.3.2.5: internetwork control */
#define ANSWER_DF      0x4000
#define ANSWER_QUOTE_4 548u  /* RFC 1812, 4.3.2.3: 576 bytes with the headers */
#define ANSWER_QUOTE_6 1232u /* RFC 4443, 2.4 (c): 1,280 */
#define ANSWER_CHUNK   512u  /* that bpf_csum_diff() sums at once, before Linux 6.12 */

#define ICMP_HEADER	  8u
#define ICMP_UNREACHABLE  3
#define ICMP_PROHIBITED	  13
#define ICMP6_UNREACHABLE 1
#define ICMP6_PROHIBITED  1

/* Bytes ahead of the answer that are pulled off the packet, beyond its own headers: more than inner headers take, of a
 * tunnel that the container makes itself. */
#define ANSWER_BEYOND	256u
#define ANSWER_PULL_MAX 0xfffu /* bpf_skb_adjust_room() */

static __always_inline bool reason_is_policy(__u32 reason)
{
	return (reason >= BH_DENY_RULE && reason < BH_DROP_CLOSED) || reason == BH_DROP_REVOKED;
}

static __always_inline bool answer_due(const struct packet *packet, const struct bh_port *port, __u32 reason)
{
	const __u32 never =
		PACKET_GROUP | PACKET_MAC_GROUP | PACKET_TAGGED | PACKET_LATER | PACKET_ICMP_ERROR | PACKET_ICMP_REPLY;

	if (!reason_is_policy(reason) || packet->flags & never || !(packet->flags & PACKET_MAC_OWN))
		return false;
	if (packet->key.protocol == IPPROTO_TCP && packet->tcp_flags & TCP_RST)
		return false;
	return own_kind(port, packet->key.family, packet->key.own) == BH_OWN_ADDRESS;
}

/* Is the sender of what is sent to the port the host or a container, with an address that is its own, or by the host's
 * NAT the host's? */
static __always_inline bool answer_local(const struct packet *packet, const struct bh_port *port)
{
	__u32 class;

	if (packet->direction == BH_EVENT_FROM_PORT || packet->stamp == BH_CLASS_REMOTE ||
	    class_flags(packet->slot, packet->stamp) & BH_CLASS_PERMIT_SPOOF)
		return false;
	class = packet_class_of(packet, port, packet->key.remote);
	return class == packet->stamp || class == BH_CLASS_HOST;
}

static __always_inline bool answer_take(const struct packet *packet, const struct bh_port *port)
{
	__u32 index = port->index + (packet->direction == BH_EVENT_TO_PORT ? BH_PORTS_MAX : 0);
	struct answer_bucket *bucket = bpf_map_lookup_elem(&answers, &index);
	__u32 tick = bpf_ktime_get_boot_ns() / (NS_PER_SEC / BH_ANSWERS_PER_SECOND), full_at;

	if (!bucket)
		return false;
	full_at = bucket->full_at;
	if (bucket->port_id != port->id || (__s32)(full_at - tick) < 0)
		full_at = tick;
	bucket->port_id = port->id;
	if (full_at - tick >= BH_ANSWERS_BURST)
		return false;
	bucket->full_at = full_at + 1;
	return true;
}

static __always_inline __u16 checksum_fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

/* Of whole words: `size` is a constant and a multiple of 4. */
static __always_inline __u64 checksum_sum(const void *data, const __u32 size, __u64 sum)
{
	__u32 done = 0;

	for (; done + ANSWER_CHUNK <= size; done += ANSWER_CHUNK)
		sum += (__u32)bpf_csum_diff(NULL, 0, (void *)data + done, ANSWER_CHUNK, 0);
	if (size % ANSWER_CHUNK)
		sum += (__u32)bpf_csum_diff(NULL, 0, (void *)data + done, size % ANSWER_CHUNK, 0);
	return sum;
}

/* The frame's header. `inward`: to the port's container; otherwise to who has sent it something. */
static __always_inline void answer_frame(const struct packet *packet, const struct bh_port *port,
					 struct answer_space *space, bool inward)
{
	struct ethhdr *frame = (struct ethhdr *)(space->bytes + ANSWER_IP - sizeof(*frame));
	const __u8 *other = space->macs + (packet->direction == BH_EVENT_FROM_PORT ? 0 : 6);

	__builtin_memcpy(inward ? frame->h_dest : frame->h_source, port->mac, sizeof(frame->h_dest));
	__builtin_memcpy(inward ? frame->h_source : frame->h_dest, other, sizeof(frame->h_dest));
	frame->h_proto = bpf_htons(packet->ethertype);
}

/* The IP header for `size` bytes of `protocol`; the sum of the pseudo header that goes with it. */
static __always_inline __u64 answer_ipv4(const struct packet *packet, struct answer_space *space, bool inward,
					 __u8 protocol, __u32 size)
{
	struct iphdr *ip = (struct iphdr *)(space->bytes + ANSWER_IP);

	ip->version = 4;
	ip->ihl = sizeof(*ip) / 4;
	ip->tos = protocol == IPPROTO_ICMP ? ANSWER_TOS : 0;
	ip->tot_len = bpf_htons(sizeof(*ip) + size);
	ip->id = 0;
	ip->frag_off = bpf_htons(ANSWER_DF);
	ip->ttl = ANSWER_TTL;
	ip->protocol = protocol;
	ip->check = 0;
	ip->saddr = *(const __u32 *)(inward ? packet->key.remote : packet->key.own);
	ip->daddr = *(const __u32 *)(inward ? packet->key.own : packet->key.remote);
	ip->check = checksum_fold(checksum_sum(ip, sizeof(*ip), 0));
	return checksum_sum(&ip->saddr, 8, bpf_htons(protocol) + bpf_htons(size));
}

static __always_inline __u64 answer_ipv6(const struct packet *packet, struct answer_space *space, bool inward,
					 __u8 protocol, __u32 size)
{
	struct ipv6hdr *ip = (struct ipv6hdr *)(space->bytes + ANSWER_IP);

	*(__u32 *)ip = bpf_htonl(6u << 28);
	ip->payload_len = bpf_htons(size);
	ip->nexthdr = protocol;
	ip->hop_limit = ANSWER_TTL;
	__builtin_memcpy(&ip->saddr, inward ? packet->key.remote : packet->key.own, sizeof(ip->saddr));
	__builtin_memcpy(&ip->daddr, inward ? packet->key.own : packet->key.remote, sizeof(ip->daddr));
	return checksum_sum(&ip->saddr, 32, bpf_htons(protocol) + bpf_htons(size));
}

/* RFC 9293, 3.10.7.1: as from an end that knows of no such connection. To who has not sent it the reset must stand
 * where he has come to, or it is challenged (RFC 5961). */
static __always_inline void answer_numbers(const struct packet *packet, struct tcphdr *tcp, bool inward)
{
	bool acked = packet->tcp_flags & TCP_ACK;
	__u32 seq = acked ? packet->ack : 0, ack = 0;

	if (inward && packet->direction == BH_EVENT_TO_PORT) {
		seq = packet->next ? packet->next : packet->seq;
		ack = acked ? packet->ack : 0;
		tcp->ack = acked;
	} else if (!acked) {
		ack = packet->seq + packet->payload + !!(packet->tcp_flags & TCP_SYN) + !!(packet->tcp_flags & TCP_FIN);
		tcp->ack = 1;
	}
	tcp->seq = bpf_htonl(seq);
	tcp->ack_seq = bpf_htonl(ack);
}

/* The size of the whole answer. */
static __always_inline __u32 answer_reset(const struct packet *packet, struct answer_space *space, bool inward)
{
	bool v4 = packet->key.family == 4;
	struct tcphdr *tcp =
		(struct tcphdr *)(space->bytes + ANSWER_IP + (v4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr)));
	__u64 sum;

	tcp->source = inward ? packet->key.remote_port : packet->key.own_port;
	tcp->dest = inward ? packet->key.own_port : packet->key.remote_port;
	((__u32 *)tcp)[3] = 0; /* flags and window */
	((__u32 *)tcp)[4] = 0;
	tcp->doff = sizeof(*tcp) / 4;
	tcp->rst = 1;
	answer_numbers(packet, tcp, inward);
	sum = v4 ? answer_ipv4(packet, space, inward, IPPROTO_TCP, sizeof(*tcp))
		 : answer_ipv6(packet, space, inward, IPPROTO_TCP, sizeof(*tcp));
	tcp->check = checksum_fold(checksum_sum(tcp, sizeof(*tcp), sum));
	return sizeof(struct ethhdr) + (v4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr)) + sizeof(*tcp);
}

/* As much of the packet as its sender may be sent back. 0: it could not be read. */
static __always_inline __u32 answer_quote(struct __sk_buff *skb, const struct packet *packet, void *to, __u32 max)
{
	__u32 size = packet->end - packet->l3;

	asm volatile("" : "+r"(size)); /* what the verifier is to see compared must not be known better */
	if (size > max)
		size = max;
	if (size < sizeof(struct iphdr) || bpf_skb_load_bytes(skb, packet->l3, to, size))
		return 0;
	return size;
}

/* Behind the quote are zeros, which add nothing to the sum. */
static __always_inline __u32 answer_error(struct __sk_buff *skb, const struct packet *packet,
					  struct answer_space *space, bool inward)
{
	__u8 *icmp = space->bytes + ANSWER_IP;
	__u32 size;
	__u64 sum;

	if (packet->key.family == 4) {
		icmp += sizeof(struct iphdr);
		size = answer_quote(skb, packet, icmp + ICMP_HEADER, ANSWER_QUOTE_4);
		answer_ipv4(packet, space, inward, IPPROTO_ICMP, ICMP_HEADER + size);
		icmp[0] = ICMP_UNREACHABLE;
		icmp[1] = ICMP_PROHIBITED;
		sum = checksum_sum(icmp, ICMP_HEADER + ANSWER_QUOTE_4, 0);
		*(__u16 *)(icmp + 2) = checksum_fold(sum);
		return size ? sizeof(struct ethhdr) + sizeof(struct iphdr) + ICMP_HEADER + size : 0;
	}
	icmp += sizeof(struct ipv6hdr);
	size = answer_quote(skb, packet, icmp + ICMP_HEADER, ANSWER_QUOTE_6);
	sum = answer_ipv6(packet, space, inward, IPPROTO_ICMPV6, ICMP_HEADER + size);
	icmp[0] = ICMP6_UNREACHABLE;
	icmp[1] = ICMP6_PROHIBITED;
	sum = checksum_sum(icmp, ICMP_HEADER + ANSWER_QUOTE_6, sum);
	*(__u16 *)(icmp + 2) = checksum_fold(sum);
	return size ? sizeof(struct ethhdr) + sizeof(struct ipv6hdr) + ICMP_HEADER + size : 0;
}

/* The answer takes the packet's place. The packet may be one of several segments, and its checksum be left to the
 * hardware: both must not hold for what stands there now. The first goes with a new length. The second goes when the
 * place where the sum was to begin is pulled off (skb_postpull_rcsum), so there is that much more ahead for a moment.
 */
static __always_inline bool answer_place(struct __sk_buff *skb, const struct packet *packet,
					 const struct answer_space *space, __u32 size)
{
	__u32 pull = packet->l4 + ANSWER_BEYOND;

	if (pull > ANSWER_PULL_MAX || bpf_skb_change_tail(skb, size + pull, 0) ||
	    bpf_skb_adjust_room(skb, -(__s32)pull, BPF_ADJ_ROOM_MAC, 0) || skb->len != size)
		return false;
	asm volatile("" : "+r"(size));
	if (size < sizeof(struct ethhdr) || size > ANSWER_MAX - (ANSWER_IP - sizeof(struct ethhdr)))
		return false;
	return !bpf_skb_store_bytes(skb, 0, space->bytes + ANSWER_IP - sizeof(struct ethhdr), size,
				    BPF_F_RECOMPUTE_CSUM | BPF_F_INVALIDATE_HASH);
}

static __always_inline void answer_clear(struct answer_space *space)
{
	__u64 *words = (__u64 *)space->bytes;

	for (__u32 i = 0; i < ANSWER_MAX / sizeof(*words); i++)
		WRITE_ONCE(words[i], 0); /* or the compiler calls a memset that is not there */
}

static __noinline bool answer_make(struct __sk_buff *skb, const struct packet *packet, const struct bh_port *port,
				   struct answer_space *space, bool inward)
{
	__u32 size;

	answer_clear(space);
	answer_frame(packet, port, space, inward);
	size = packet->key.protocol == IPPROTO_TCP ? answer_reset(packet, space, inward)
						   : answer_error(skb, packet, space, inward);
	return size && answer_place(skb, packet, space, size);
}

static __always_inline __u32 answer_mark(const struct __sk_buff *skb, const struct bh_config *settings)
{
	return (skb->mark & ~settings->stamp_mask) |
	       ((BH_CLASS_ANSWER << (settings->stamp_shift & 31)) & settings->stamp_mask);
}

/* What becomes of a packet that is refused: TC_ACT_SHOT, or its answer's way. The packet has been reported and counted
 * before: it is gone then. */
__noinline int refuse(struct __sk_buff *skb, struct packet *packet, const struct bh_port *port, __u32 reason)
{
	__u32 zero = 0, mark;
	struct bh_config *settings = bpf_map_lookup_elem(&config, &zero);
	struct answer_space *space = bpf_map_lookup_elem(&answer_space, &zero);
	bool inward, outward;

	if (!skb || !packet || !port || !settings || !space || !answer_due(packet, port, reason))
		return TC_ACT_SHOT;
	outward = answer_local(packet, port);
	inward = packet->direction == BH_EVENT_FROM_PORT ||
		 (reason == BH_DROP_REVOKED && packet->key.protocol == IPPROTO_TCP);
	if ((!outward && !inward) || !answer_take(packet, port) ||
	    bpf_skb_load_bytes(skb, 0, space->macs, sizeof(space->macs)))
		return TC_ACT_SHOT;
	mark = skb->mark;
	if (outward) {
		if (!answer_make(skb, packet, port, space, false))
			return TC_ACT_SHOT;
		skb->mark = answer_mark(skb, settings);
		if (!inward)
			return bpf_redirect(skb->ifindex, BPF_F_INGRESS);
		bpf_clone_redirect(skb, skb->ifindex, BPF_F_INGRESS);
		skb->mark = mark;
	}
	if (!answer_make(skb, packet, port, space, true))
		return TC_ACT_SHOT;
	if (packet->direction == BH_EVENT_TO_PORT)
		return TC_ACT_UNSPEC;
	skb->mark = answer_mark(skb, settings);
	return bpf_redirect(skb->ifindex, 0);
}

/* What comes in by a port with the stamp of answers is one that was given at that port, to who has sent to it: a
 * container's own mark is gone when its frame leaves its namespace. */
static __always_inline bool answer_returns(const struct __sk_buff *skb, const struct packet *packet,
					   const struct bh_config *settings)
{
	return packet->direction == BH_EVENT_FROM_PORT &&
	       (skb->mark & settings->stamp_mask) >> (settings->stamp_shift & 31) == BH_CLASS_ANSWER;
}

#endif
