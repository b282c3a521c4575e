/* SPDX-License-Identifier: GPL-2.0-only */
/* One packet on its way through the gate: what it says, and what is found out about it. Lives on the stack of the
 * entry program and is handed down by pointer.
 *
 * Every step returns an enum bh_reason: BH_REASON_NONE to go on, an allow (below BH_DENY_RULE) or a denial to stop.
 *
 * Functions that are not static are verified once and by themselves, the static ones for each way that leads to them.
 * So what branches much is global; but a global function's arguments may not be keys of a map before Linux 6.2, and it
 * must ask whether they are NULL. */
#ifndef BULKHEAD_BPF_PACKET_H
#define BULKHEAD_BPF_PACKET_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <stdbool.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "maps.h"

#define likely(condition)     __builtin_expect(!!(condition), 1)
#define unlikely(condition)   __builtin_expect(!!(condition), 0)
#define READ_ONCE(value)      (*(volatile __typeof__(value) *)&(value))
#define WRITE_ONCE(to, value) (*(volatile __typeof__(to) *)&(to) = (value))

#define NS_PER_SEC 1000000000ull

/* <linux/in.h> and <linux/in6.h> leave these out. */
enum { PROTOCOL_AUTH = 51, PROTOCOL_PIM = 103, PROTOCOL_SCTP = 132 };
enum {
	SCTP_INIT = 1,
	SCTP_INIT_ACK = 2,
	SCTP_HEARTBEAT = 4,
	SCTP_ABORT = 6,
	SCTP_SHUTDOWN_COMPLETE = 14,
	SCTP_REFLECTED = 1, /* a flag of the last two: T */
};
enum { TCP_FIN = 1, TCP_SYN = 2, TCP_RST = 4, TCP_PSH = 8, TCP_ACK = 16, TCP_URG = 32 };

enum packet_flag {
	PACKET_MAC_OWN = 1 << 0,    /* ingress: sent from, egress: sent to the port's MAC */
	PACKET_MAC_GROUP = 1 << 1,  /* to a group MAC */
	PACKET_TAGGED = 1 << 2,	    /* one VLAN tag, in or beside the frame */
	PACKET_FIRST = 1 << 3,	    /* first part of several */
	PACKET_LATER = 1 << 4,	    /* a part without its transport header */
	PACKET_FRAGMENTED = 1 << 5, /* has a fragment header, be it a whole packet's (RFC 6946) */
	PACKET_GROUP = 1 << 6,	    /* to a multicast or broadcast address: has no flow */
	PACKET_SILENT = 1 << 7,	    /* counted, not reported */
	PACKET_AUDITED = 1 << 8,    /* denied by policy, let pass */
	PACKET_LOG = 1 << 9,	    /* the policy wants it reported */
	PACKET_ICMP_ERROR = 1 << 10,
	PACKET_ICMP_REPLY = 1 << 11,
	PACKET_STAGED_DENY = 1 << 12,
	PACKET_DEFERRED = 1 << 13,
	PACKET_ENTRY = 1 << 14, /* its flow has an entry, which is over or goes the other way */
};

struct packet {
	struct bh_flow_key key; /* as seen from the port: it is `own` */
	__u64 valid_until;	/* of the verdict; TAI ns */
	__u32 flags;		/* enum packet_flag */
	__u32 generation;
	__u32 identity; /* of the port */
	__u32 stamp;	/* the sender's, at egress */
	__u32 src_class, dst_class;
	__u32 decision;
	__u32 staged;	       /* decision of a staged rule to report; 0: none */
	__u32 end;	       /* where the IP packet ends; offsets are from the frame's start */
	__u32 seq, ack;	       /* SCTP: the verification tag, an initiate tag; network order */
	__u32 next;	       /* TCP, of a flow that was revoked: its sender's next sequence number, if it is known */
	__u32 payload;	       /* TCP: bytes of data */
	__u32 fragment_id;     /* network order */
	__u32 fragment_offset; /* bytes */
	__u32 fragment_end;    /* bytes; beyond the last one of this part */
	__u16 ethertype;       /* host order */
	__u16 l3, l4;	       /* where the headers begin */
	__u16 window;
	__u8 direction; /* BH_EVENT_FROM_PORT (ingress), BH_EVENT_TO_PORT (egress) */
	__u8 slot;
	__u8 tcp_flags;
	__u8 tcp_options; /* bytes */
	__u8 window_scale;
	__u8 icmp_type, icmp_code;
	__u8 hop_limit;
	__u8 more_fragments;
	__u8 sctp_chunk, sctp_flags; /* of the first chunk */
	__u8 pad;
};

static __always_inline __u8 *packet_source(struct packet *packet)
{
	return packet->direction == BH_EVENT_FROM_PORT ? packet->key.own : packet->key.remote;
}

static __always_inline __u8 *packet_destination(struct packet *packet)
{
	return packet->direction == BH_EVENT_FROM_PORT ? packet->key.remote : packet->key.own;
}

/* Sent by the port's own container, and nobody else. */
static __always_inline bool packet_own(const struct packet *packet)
{
	return packet->direction == BH_EVENT_FROM_PORT;
}

/* Ports in network order. */
static __always_inline __u16 packet_source_port(const struct packet *packet)
{
	return packet->direction == BH_EVENT_FROM_PORT ? packet->key.own_port : packet->key.remote_port;
}

static __always_inline __u16 packet_destination_port(const struct packet *packet)
{
	return packet->direction == BH_EVENT_FROM_PORT ? packet->key.remote_port : packet->key.own_port;
}

static __always_inline bool address_is_zero(const __u8 *addr)
{
	const __u64 *words = (const __u64 *)addr;
	return (words[0] | words[1]) == 0;
}

static __always_inline bool address_equal(const __u8 *a, const __u8 *b)
{
	const __u64 *left = (const __u64 *)a, *right = (const __u64 *)b;
	return left[0] == right[0] && left[1] == right[1];
}

static __always_inline void address_copy(__u8 *to, const __u8 *from)
{
	((__u64 *)to)[0] = ((const __u64 *)from)[0];
	((__u64 *)to)[1] = ((const __u64 *)from)[1];
}

static __always_inline bool mac_equal(const void *a, const void *b)
{
	const __u16 *left = a, *right = b;
	return left[0] == right[0] && left[1] == right[1] && left[2] == right[2];
}

#endif
