/* SPDX-License-Identifier: GPL-2.0-only */
/* From a frame to what it says. A short read is a drop, never a pass; headers may lie outside the linear part and are
 * pulled in. Nothing here knows a policy. */
#ifndef BULKHEAD_BPF_PARSE_H
#define BULKHEAD_BPF_PARSE_H

#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#include "packet.h"

#define IPV4_OPTION_LSRR 131 /* RFC 791 */
#define IPV4_OPTION_SSRR 137

#define IPV4_MORE_FRAGMENTS  0x2000
#define IPV4_FRAGMENT_OFFSET 0x1fff

#ifdef __bpf__
/* skb->data and skb->data_end, read anew each time: the compiler may otherwise keep the 32 bits that the context shows,
 * and the verifier no longer sees a packet pointer. */
static __always_inline void *packet_data(struct __sk_buff *skb)
{
	void *data;

	asm volatile("%0 = *(u32 *)(%1 + %2)" : "=r"(data) : "r"(skb), "i"(__builtin_offsetof(struct __sk_buff, data)));
	return data;
}

static __always_inline void *packet_data_end(struct __sk_buff *skb)
{
	void *end;

	asm volatile("%0 = *(u32 *)(%1 + %2)"
		     : "=r"(end)
		     : "r"(skb), "i"(__builtin_offsetof(struct __sk_buff, data_end)));
	return end;
}
#else
/* Compiled for user space (tests/fuzz): a context has no room for pointers of 64 bits. */
void *packet_data(struct __sk_buff *skb);
void *packet_data_end(struct __sk_buff *skb);
#endif

/* Where a transport header may begin at most: beyond all that honest extension headers need, and within what the
 * verifier lets a packet pointer reach. */
#define HEADERS_MAX 4096u

/* The bytes [offset, offset + size) of the frame, or NULL when it is too short for them. Ends the life of every pointer
 * got before. */
static __always_inline void *packet_at(struct __sk_buff *skb, __u32 offset, const __u32 size)
{
	void *data = packet_data(skb);
	void *end = packet_data_end(skb);

	if (offset > HEADERS_MAX)
		return NULL;
	if (likely(data + offset + size <= end))
		return data + offset;
	if (offset + size > skb->len || bpf_skb_pull_data(skb, offset + size))
		return NULL;
	data = packet_data(skb);
	end = packet_data_end(skb);
	return data + offset + size <= end ? data + offset : NULL;
}

/* The options behind an IPv4 or a TCP header: both have at most (15 - 5) * 4 bytes, as their length has four bits, and
 * both mark the end by 0 and filling by 1. */
#define OPTIONS_MAX 40u
#define OPTION_END  0
#define OPTION_NOOP 1

struct options {
	__u32 at, length;
	__u32 result;
	__u8 bytes[OPTIONS_MAX];
};

/* One step on from option to option. 1: the end, or nothing that could be walked on; *ret_kind is set when 0. */
static __always_inline int options_step(struct options *options, __u8 *ret_kind, __u8 *ret_size)
{
	__u32 at = options->at;

	if (at >= options->length || at >= OPTIONS_MAX)
		return 1;
	*ret_kind = options->bytes[at];
	*ret_size = 1;
	if (*ret_kind == OPTION_END)
		return 1;
	if (*ret_kind != OPTION_NOOP) {
		if (at + 1 >= options->length || at + 1 >= OPTIONS_MAX)
			return 1;
		*ret_size = options->bytes[at + 1];
		if (*ret_size < 2 || at + *ret_size > options->length)
			return 1;
	}
	options->at = at + *ret_size;
	return 0;
}

/* RFC 791, 3.1: options that route by source are refused, the others let be. One that is cut short is refused, too, as
 * its kind is what a lenient reader would go by. */
static long ipv4_option(__u32 i, struct options *options)
{
	__u32 at = options->at;
	__u8 kind, size;

	if (at < options->length && at < OPTIONS_MAX &&
	    (options->bytes[at] == IPV4_OPTION_LSRR || options->bytes[at] == IPV4_OPTION_SSRR)) {
		options->result = BH_DROP_SOURCE_ROUTE;
		return 1;
	}
	if (!options_step(options, &kind, &size))
		return 0;
	if (at < options->length && at < OPTIONS_MAX && options->bytes[at] != OPTION_END)
		options->result = BH_DROP_MALFORMED;
	return 1;
}

__noinline int parse_ipv4_options(struct __sk_buff *skb, __u32 offset, __u32 length)
{
	struct options options = {.length = length};

	if (!skb || length < 1 || length > OPTIONS_MAX)
		return BH_DROP_MALFORMED;
	if (bpf_skb_load_bytes(skb, offset, options.bytes, length))
		return BH_DROP_SHORT;
	bpf_loop(OPTIONS_MAX, ipv4_option, &options, 0);
	return options.result;
}

/* What stands behind an IPv6 header. */
struct extensions {
	__u32 offset; /* in: of the first header after the IPv6 one; out: of the transport header, or of the part's data
		       */
	__u32 end;    /* in: of the IP packet */
	__u32 data;   /* out: what follows the fragment header, if there is one */
	__u32 fragment_id;
	__u16 fragment; /* offset in bytes | 1 if more follow; host order */
	__u8 protocol;	/* in: next header; out: the transport protocol */
	__u8 fragmented;
};

/* RFC 8200, 4. Stops at the fragment header of a part that is not the first: what follows it is no header. */
__noinline int parse_extensions(struct __sk_buff *skb, struct extensions *found)
{
	__u32 offset, end;
	__u8 next;

	if (!skb || !found)
		return BH_DROP_INTERNAL;
	offset = found->offset;
	end = found->end;
	next = found->protocol;
	for (__u32 i = 0; i <= BH_EXTENSION_HEADERS_MAX; i++) {
		__u8 head[8];
		__u32 size;

		if (next != IPPROTO_HOPOPTS && next != IPPROTO_DSTOPTS && next != IPPROTO_ROUTING &&
		    next != IPPROTO_FRAGMENT && next != PROTOCOL_AUTH) {
			found->offset = offset;
			found->protocol = next;
			return BH_REASON_NONE;
		}
		if (i == BH_EXTENSION_HEADERS_MAX || (next == IPPROTO_HOPOPTS && i > 0))
			return BH_DROP_EXTENSION_HEADERS;
		if (offset + sizeof(head) > end || bpf_skb_load_bytes(skb, offset, head, sizeof(head)))
			return found->fragment ? BH_DROP_FRAGMENT_OVERLAP : BH_DROP_SHORT;
		size = (head[1] + 1u) * 8;
		if (next == PROTOCOL_AUTH) {
			size = (head[1] + 2u) * 4; /* RFC 4302, 2.2 */
		} else if (next == IPPROTO_ROUTING) {
			if (head[2] == 0 || head[3] != 0)
				return BH_DROP_SOURCE_ROUTE; /* RFC 5095; and nobody here is a segment's end */
		} else if (next == IPPROTO_FRAGMENT) {
			if (found->fragmented)
				return BH_DROP_EXTENSION_HEADERS;
			size = sizeof(head);
			found->data = offset + size;
			found->fragmented = 1;
			found->fragment = (__u16)(head[2] << 8 | (head[3] & 0xf9));
			__builtin_memcpy(&found->fragment_id, head + 4, sizeof(found->fragment_id));
			if (found->fragment & 0xfff8) {
				found->offset = offset + size;
				found->protocol = head[0];
				return BH_REASON_NONE;
			}
		}
		offset += size;
		next = head[0];
	}
	return BH_DROP_EXTENSION_HEADERS;
}

static __always_inline bool ethertype_is_tag(__u16 type)
{
	return type == ETH_P_8021Q || type == ETH_P_8021AD;
}

/* Frame: MACs, tag, EtherType. Sets flags, ethertype, l3. */
static __always_inline int parse_frame(struct __sk_buff *skb, struct packet *packet, const struct bh_port *port)
{
	const struct ethhdr *frame = packet_at(skb, 0, sizeof(*frame));
	const __u8 *checked;

	if (!frame)
		return BH_DROP_SHORT;
	checked = packet->direction == BH_EVENT_FROM_PORT ? frame->h_source : frame->h_dest;
	if (mac_equal(checked, port->mac))
		packet->flags |= PACKET_MAC_OWN;
	if (frame->h_dest[0] & 1)
		packet->flags |= PACKET_MAC_GROUP;
	packet->l3 = sizeof(*frame);
	packet->ethertype = bpf_ntohs(frame->h_proto);
	if (unlikely(skb->vlan_present))
		packet->flags |= PACKET_TAGGED;
	if (unlikely(ethertype_is_tag(packet->ethertype))) {
		const __u16 *tag;

		if (packet->flags & PACKET_TAGGED)
			return BH_DROP_VLAN; /* two tags are nobody's to send */
		packet->flags |= PACKET_TAGGED;
		tag = packet_at(skb, sizeof(*frame), 2 * sizeof(*tag));
		if (!tag)
			return BH_DROP_SHORT;
		packet->ethertype = bpf_ntohs(tag[1]);
		if (ethertype_is_tag(packet->ethertype))
			return BH_DROP_VLAN;
		packet->l3 = sizeof(*frame) + 2 * sizeof(*tag);
	}
	return BH_REASON_NONE;
}

static __always_inline int parse_ipv4(struct __sk_buff *skb, struct packet *packet, __u32 offset)
{
	const struct iphdr *ip = packet_at(skb, offset, sizeof(*ip));
	__u32 length, total, available;
	__u16 fragment;

	if (!ip)
		return BH_DROP_SHORT;
	length = ip->ihl * 4u;
	if (ip->version != 4 || length < sizeof(*ip))
		return BH_DROP_MALFORMED;
	packet->key.family = 4;
	packet->key.protocol = ip->protocol;
	packet->hop_limit = ip->ttl;
	*(__u32 *)packet_source(packet) = ip->saddr;
	*(__u32 *)packet_destination(packet) = ip->daddr;
	available = skb->len - offset;
	total = bpf_ntohs(ip->tot_len);
	if (unlikely(!total) && skb->gso_size)
		total = available; /* BIG TCP: too long for the field */
	if (total > available)
		return BH_DROP_SHORT;
	if (total < length)
		return BH_DROP_MALFORMED;
	packet->l4 = offset + length;
	packet->end = offset + total;
	fragment = bpf_ntohs(ip->frag_off);
	if (unlikely(fragment & (IPV4_MORE_FRAGMENTS | IPV4_FRAGMENT_OFFSET))) {
		packet->fragment_id = ip->id;
		packet->fragment_offset = (fragment & IPV4_FRAGMENT_OFFSET) * 8u;
		packet->flags |= PACKET_FRAGMENTED | (packet->fragment_offset ? PACKET_LATER : PACKET_FIRST);
		packet->fragment_end = packet->fragment_offset + total - length;
		packet->more_fragments = !!(fragment & IPV4_MORE_FRAGMENTS);
	}
	if (unlikely(length > sizeof(*ip)))
		return parse_ipv4_options(skb, offset + sizeof(*ip), length - sizeof(*ip));
	return BH_REASON_NONE;
}

static __always_inline int parse_ipv6_extensions(struct __sk_buff *skb, struct packet *packet)
{
	struct extensions found = {.offset = packet->l4, .end = packet->end, .protocol = packet->key.protocol};
	int reason = parse_extensions(skb, &found);

	if (reason)
		return reason;
	if (found.offset > HEADERS_MAX)
		return BH_DROP_EXTENSION_HEADERS;
	if (found.offset > found.end)
		return found.fragment ? BH_DROP_FRAGMENT_OVERLAP : BH_DROP_SHORT;
	packet->l4 = found.offset;
	packet->key.protocol = found.protocol;
	if (!found.fragmented)
		return BH_REASON_NONE;
	packet->flags |= PACKET_FRAGMENTED;
	if (!found.fragment)
		return BH_REASON_NONE; /* atomic: a whole packet (RFC 6946) */
	packet->fragment_id = found.fragment_id;
	packet->fragment_offset = found.fragment & 0xfff8;
	packet->flags |= packet->fragment_offset ? PACKET_LATER : PACKET_FIRST;
	packet->more_fragments = found.fragment & 1;
	/* What is cut in parts begins behind the fragment header: headers that follow it are counted. */
	packet->fragment_end = packet->fragment_offset + packet->end - found.data;
	return BH_REASON_NONE;
}

static __always_inline int parse_ipv6(struct __sk_buff *skb, struct packet *packet, __u32 offset)
{
	const struct ipv6hdr *ip = packet_at(skb, offset, sizeof(*ip));
	__u32 payload, available;

	if (!ip)
		return BH_DROP_SHORT;
	if (ip->version != 6)
		return BH_DROP_MALFORMED;
	packet->key.family = 6;
	packet->key.protocol = ip->nexthdr;
	packet->hop_limit = ip->hop_limit;
	__builtin_memcpy(packet_source(packet), &ip->saddr, sizeof(ip->saddr));
	__builtin_memcpy(packet_destination(packet), &ip->daddr, sizeof(ip->daddr));
	available = skb->len - offset - sizeof(*ip);
	payload = bpf_ntohs(ip->payload_len);
	if (unlikely(!payload) && skb->gso_size)
		payload = available; /* BIG TCP */
	if (payload > available)
		return BH_DROP_SHORT;
	packet->l4 = offset + sizeof(*ip);
	packet->end = packet->l4 + payload;
	switch (packet->key.protocol) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
		return BH_REASON_NONE;
	default:
		return parse_ipv6_extensions(skb, packet);
	}
}

/* The flags that a TCP may send together, but for PSH, ECE and CWR, which may always be: those that
 * nf_conntrack_proto_tcp.c takes (tcp_valid_flags). */
static __always_inline bool tcp_flags_valid(__u8 flags)
{
	switch (flags & (TCP_FIN | TCP_SYN | TCP_RST | TCP_ACK | TCP_URG)) {
	case TCP_ACK:
	case TCP_ACK | TCP_URG:
	case TCP_SYN:
	case TCP_SYN | TCP_URG:
	case TCP_SYN | TCP_ACK:
	case TCP_RST:
	case TCP_RST | TCP_ACK:
	case TCP_FIN | TCP_ACK:
	case TCP_FIN | TCP_ACK | TCP_URG:
		return true;
	default:
		return false;
	}
}

static __always_inline void packet_ports(struct packet *packet, __u16 source, __u16 destination)
{
	if (packet->direction == BH_EVENT_FROM_PORT) {
		packet->key.own_port = source;
		packet->key.remote_port = destination;
	} else {
		packet->key.own_port = destination;
		packet->key.remote_port = source;
	}
}

static __always_inline int parse_tcp(struct __sk_buff *skb, struct packet *packet, __u32 offset)
{
	const struct tcphdr *tcp = packet_at(skb, offset, sizeof(*tcp));
	__u32 length;

	if (!tcp)
		return BH_DROP_SHORT;
	length = tcp->doff * 4u;
	if (length < sizeof(*tcp))
		return BH_DROP_MALFORMED;
	if (offset + length > packet->end)
		return packet->flags & PACKET_FIRST ? BH_DROP_FRAGMENT_OVERLAP : BH_DROP_SHORT;
	packet_ports(packet, tcp->source, tcp->dest);
	packet->tcp_flags = ((const __u8 *)tcp)[13];
	packet->seq = bpf_ntohl(tcp->seq);
	packet->ack = bpf_ntohl(tcp->ack_seq);
	packet->window = bpf_ntohs(tcp->window);
	packet->payload = packet->end - offset - length;
	packet->tcp_options = length - sizeof(*tcp);
	return tcp_flags_valid(packet->tcp_flags) ? BH_REASON_NONE : BH_DROP_TCP_INVALID;
}

/* The common header, and of the first chunk its kind and, of an INIT and its answer, the tag. */
static __always_inline int parse_sctp(struct __sk_buff *skb, struct packet *packet, __u32 offset)
{
	const __u8 *sctp = packet_at(skb, offset, 16);

	if (!sctp)
		return BH_DROP_SHORT;
	packet_ports(packet, ((const __u16 *)sctp)[0], ((const __u16 *)sctp)[1]);
	packet->seq = ((const __u32 *)sctp)[1];
	packet->sctp_chunk = sctp[12];
	packet->sctp_flags = sctp[13];
	if (packet->sctp_chunk != SCTP_INIT && packet->sctp_chunk != SCTP_INIT_ACK)
		return BH_REASON_NONE;
	if (offset + 20 > packet->end)
		return packet->flags & PACKET_FIRST ? BH_DROP_FRAGMENT_OVERLAP : BH_DROP_SHORT;
	sctp = packet_at(skb, offset + 16, 4);
	if (!sctp)
		return BH_DROP_SHORT;
	packet->ack = *(const __u32 *)sctp;
	return packet->ack ? BH_REASON_NONE : BH_DROP_MALFORMED; /* RFC 9260, 3.3.2 */
}

enum icmp_kind { ICMP_KIND_QUERY, ICMP_KIND_REPLY, ICMP_KIND_ERROR };

/* The request that a reply answers; 0 when the type is no reply. RFC 792, 950, 4443, 4620, 8335. */
static __always_inline __u8 icmp_request_of(__u8 family, __u8 type)
{
	if (family == 4) {
		switch (type) {
		case 0:
			return 8; /* echo */
		case 14:
			return 13; /* timestamp */
		case 16:
			return 15; /* information */
		case 18:
			return 17; /* address mask */
		case 43:
			return 42; /* extended echo */
		default:
			return 0;
		}
	}
	switch (type) {
	case 129:
		return 128; /* echo */
	case 140:
		return 139; /* node information */
	case 161:
		return 160; /* extended echo */
	default:
		return 0;
	}
}

static __always_inline bool icmp_is_error(__u8 family, __u8 type)
{
	return family == 4 ? type == 3 || type == 4 || type == 5 || type == 11 || type == 12 : type < 128;
}

/* The key's ports of an ICMP query or reply: see struct bh_flow_key. `outward`: the message goes from the port. */
static __always_inline void icmp_key(struct bh_flow_key *key, __u8 type, __u8 code, __u16 identifier, bool outward)
{
	__u8 request = icmp_request_of(key->family, type);
	bool reply = request != 0;

	if (!reply)
		request = type;
	key->own_port = identifier;
	key->remote_port = bpf_htons(request << 8 | code);
	if (request == (key->family == 4 ? 8 : 128) && !code)
		key->remote_port = 0;
	key->pad = outward == reply ? BH_FLOW_IN : BH_FLOW_OUT;
}

static __always_inline int parse_icmp(struct __sk_buff *skb, struct packet *packet, __u32 offset)
{
	const __u8 *icmp = packet_at(skb, offset, 8);

	if (!icmp)
		return BH_DROP_SHORT;
	packet->icmp_type = icmp[0];
	packet->icmp_code = icmp[1];
	if (icmp_is_error(packet->key.family, packet->icmp_type)) {
		packet->flags |= PACKET_ICMP_ERROR;
		return BH_REASON_NONE;
	}
	if (icmp_request_of(packet->key.family, packet->icmp_type))
		packet->flags |= PACKET_ICMP_REPLY;
	icmp_key(&packet->key, icmp[0], icmp[1], *(const __u16 *)(icmp + 4), packet->direction == BH_EVENT_FROM_PORT);
	return BH_REASON_NONE;
}

/* The least that a transport header must hold; for protocols that have no ports here, nothing. */
static __always_inline __u32 transport_minimum(const struct packet *packet)
{
	switch (packet->key.protocol) {
	case IPPROTO_TCP:
		return sizeof(struct tcphdr);
	case IPPROTO_UDP:
		return sizeof(struct udphdr);
	case PROTOCOL_SCTP:
		return 16; /* a header and a chunk's (RFC 9260, 3) */
	case IPPROTO_ICMP:
		return packet->key.family == 4 ? 8 : 0;
	case IPPROTO_ICMPV6:
		return packet->key.family == 6 ? 8 : 0;
	default:
		return 0;
	}
}

static __always_inline int parse_transport(struct __sk_buff *skb, struct packet *packet)
{
	__u32 offset = packet->l4;
	const __u16 *numbers;

	if (unlikely(packet->flags & PACKET_LATER))
		return BH_REASON_NONE;
	if (offset + transport_minimum(packet) > packet->end)
		return packet->flags & PACKET_FIRST ? BH_DROP_FRAGMENT_OVERLAP : BH_DROP_SHORT;
	switch (packet->key.protocol) {
	case IPPROTO_TCP:
		return parse_tcp(skb, packet, offset);
	case IPPROTO_UDP:
		numbers = packet_at(skb, offset, sizeof(struct udphdr));
		if (!numbers)
			return BH_DROP_SHORT;
		packet_ports(packet, numbers[0], numbers[1]);
		return BH_REASON_NONE;
	case PROTOCOL_SCTP:
		return parse_sctp(skb, packet, offset);
	case IPPROTO_ICMP:
		return packet->key.family == 4 ? parse_icmp(skb, packet, offset) : BH_REASON_NONE;
	case IPPROTO_ICMPV6:
		return packet->key.family == 6 ? parse_icmp(skb, packet, offset) : BH_REASON_NONE;
	default:
		return BH_REASON_NONE;
	}
}

/* Everything but ARP's own body. */
__noinline int parse_packet(struct __sk_buff *skb, struct packet *packet, const struct bh_port *port)
{
	int reason;

	if (!skb || !packet || !port)
		return BH_DROP_INTERNAL;
	reason = parse_frame(skb, packet, port);
	if (unlikely(reason))
		return reason;
	switch (packet->ethertype) {
	case ETH_P_IP:
		reason = parse_ipv4(skb, packet, packet->l3);
		break;
	case ETH_P_IPV6:
		reason = parse_ipv6(skb, packet, packet->l3);
		break;
	case ETH_P_ARP:
		return BH_REASON_NONE;
	default:
		return BH_DROP_ETHERTYPE;
	}
	if (unlikely(reason))
		return reason;
	return parse_transport(skb, packet);
}

#endif
