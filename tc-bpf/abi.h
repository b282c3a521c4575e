/* SPDX-License-Identifier: GPL-2.0-only */
/* What the eBPF programs and the daemon share: keys, values, stamps, reasons, events. Fixed-width, padded by hand,
 * sizes asserted on both sides. This is the only header that both sides include; it includes nothing but
 * <linux/types.h>.
 *
 * Anything here that changes size or meaning raises BH_ABI_VERSION: maps outlive the daemon. */
#ifndef BULKHEAD_ABI_H
#define BULKHEAD_ABI_H

#include <linux/types.h>

#define BH_ABI_MAGIC   0x42554c4bu /* "BULK" */
#define BH_ABI_VERSION 1u

/* ---- Stamps, identities, classes -------------------------------------------------------------------------------
 *
 * A class says what an address or a sender is to the policy. Classes below BH_IDENTITY_MAX are identities: they fit in
 * a packet's stamp (the top bits of the mark; config.stamp_shift, config.stamp_mask). Classes from BH_CLASS_FIRST up
 * are for addresses alone. An identity number is not given to another identity while packets or flows may still carry
 * it. */
#define BH_STAMP_BITS 13u

enum bh_class {
	BH_CLASS_NONE = 0,	 /* no stamp: not judged */
	BH_CLASS_HOST = 1,	 /* the host itself */
	BH_CLASS_REMOTE = 2,	 /* as a stamp only: from outside, to be classified by source address */
	BH_CLASS_REFUSED = 3,	 /* as a stamp only: judged and refused */
	BH_CLASS_UNASSIGNED = 4, /* a port in no zone (an unknown address in a managed bridge's subnet is judged alike,
				  * but has a class of its own: it is not LOCAL) */
	BH_CLASS_CONFLICTED = 5, /* a port that matches two zones */
	BH_CLASS_AMBIGUOUS = 6,	 /* an address that containers on several bridges have, seen from elsewhere: refused */
	BH_CLASS_ANSWER = 7, /* as a stamp only: the gate's own answer, on its way back into the port that it is for */
	BH_IDENTITY_FIRST = 16, /* zone + groups */
	BH_IDENTITY_MAX = 8192, /* 1 << BH_STAMP_BITS */
	BH_CLASS_FIRST = 8192,
	BH_CLASS_MAX = 1 << 20,
};
#define BH_IDENTITIES_IN_USE_MAX 4094u

/* Default mask: the top 13 bits. Configurable: BH_STAMP_BITS contiguous bits. */
#define BH_STAMP_SHIFT_DEFAULT 19u

/* What is known of a class; per slot, an array indexed by class. */
enum bh_class_flag {
	BH_CLASS_ZONE = 1 << 0,	 /* has a zone */
	BH_CLASS_AUDIT = 1 << 1, /* its zone is in audit mode */
	BH_CLASS_LOCAL = 1 << 2, /* containers of this host, or the host: never believed with the stamp `remote` */
	BH_CLASS_METADATA = 1 << 3,
	BH_CLASS_GROUP = 1 << 4, /* multicast and broadcast addresses */
	BH_CLASS_RETIRED =
		1 << 5, /* an identity that no port has in this generation; flows and queues may still carry it */
	BH_CLASS_OUTSIDE = 1 << 6, /* neither container, host, zone subnet nor unassigned */
	BH_CLASS_LOG_DENIED =
		1 << 7, /* the default denial of a flow to (or, if that has no zone, from) it is reported */
	/* zone permits, of identities */
	BH_CLASS_PERMIT_SPOOF = 1 << 16,
	BH_CLASS_PERMIT_DHCP_SERVER = 1 << 17,
	BH_CLASS_PERMIT_ROUTER = 1 << 18,
	BH_CLASS_PERMIT_VLAN = 1 << 19,
};
/* A flow is judged by its classes so:
 *  1. BH_CLASS_CONFLICTED at an end: BH_DENY_CONFLICTED. The decision is that class's default_decision. Never audited
 *     (audit is about rules, not about who one is), always reported.
 *  2. BH_CLASS_AMBIGUOUS at an end: BH_DENY_AMBIGUOUS, likewise.
 *  3. The cell for the service, or the cell for BH_SERVICE_ANY, decides; its flags say whether it is audited, reported.
 *  4. No cell: BH_DENY_DEFAULT. The decision is the destination's default_decision, if that is 0 the source's.
 *     Audited iff (source.flags | destination.flags) has AUDIT and neither end has ZONE without AUDIT; when the whole
 *     policy is in audit mode, every class but these two has AUDIT. Reported iff the destination, or if that has no
 * ZONE the source, has LOG_DENIED. */
struct bh_class_info {
	__u32 flags;		/* enum bh_class_flag */
	__u32 default_decision; /* named when a flow to this class is denied by default (step 6); 0: see the other end
				 */
};

/* ---- The slots: what a policy compiles to ---------------------------------------------------------------------- */

/* (source class, destination class, service class) → cell; BH_SERVICE_ANY is the fallback. No cell: denied by default,
 * audited if the classes' flags say so. src and dst have 24 bits, service 16. */
#define BH_CELL_KEY(src, dst, service) (((__u64)(src) << 40) | ((__u64)(dst) << 16) | (__u64)(service))
#define BH_SERVICE_ANY		       0u /* the class of services that no rule tells apart, and the fallback */
/* Pseudo-service, for ARP and ND: may some service be allowed from src to dst? Looked up as any service is, the
 * fallback and the default included: reachable iff that verdict is allow, or is audited. */
#define BH_SERVICE_REACH 0xffffu
#define BH_FOREVER	 0xffffffffffffffffull

enum bh_cell_flag {
	BH_CELL_BASE_ALLOW = 1 << 0,  /* steps 3 to 5 allow; otherwise base_decision denies */
	BH_CELL_AUDIT = 1 << 1,	      /* the flow is audited */
	BH_CELL_DENY_LOG = 1 << 2,    /* report packets refused by deny_decision */
	BH_CELL_ALLOW_LOG = 1 << 3,   /* report flows allowed by allow_decision (`log: all`) */
	BH_CELL_BASE_LOG = 1 << 4,    /* report what base_decision decides */
	BH_CELL_STAGED_DENY = 1 << 5, /* what the staged rule would have done */
};
/* Judged in this order; each `until` is compared with bpf_ktime_get_tai_ns(), in ns. */
struct bh_cell {
	__u64 deny_until;   /* 0: no deny rule; BH_FOREVER */
	__u64 allow_until;  /* 0: no allow rule */
	__u64 staged_until; /* 0: no staged rule */
	__u32 deny_decision;
	__u32 allow_decision;
	__u32 base_decision;   /* group, zone, host, unassigned or default: what decides without a rule */
	__u32 staged_decision; /* reported, decides nothing */
	__u8 base_reason;      /* enum bh_reason, an allow or a deny by policy */
	__u8 flags;	       /* enum bh_cell_flag */
	__u8 pad[6];
};

/* Service classes: rows of 256. Rows 0-255 tcp by port high byte, 256-511 udp, 512-767 sctp, 768-1023 icmp by type
 * (column: code), 1024-1279 icmpv6, row 1280 by IP protocol number for all else. */
#define BH_SERVICE_ROWS 1281u
enum {
	BH_ROW_TCP = 0,
	BH_ROW_UDP = 256,
	BH_ROW_SCTP = 512,
	BH_ROW_ICMP = 768,
	BH_ROW_ICMPV6 = 1024,
	BH_ROW_PROTO = 1280
};
struct bh_service_row {
	__u16 class[256];
};

/* Longest-prefix keys; addresses in network order. Value: __u32 class. Prefix /0 is always there. */
struct bh_lpm4_key {
	__u32 length;
	__u8 addr[4];
};
struct bh_lpm6_key {
	__u32 length;
	__u8 addr[16];
};
#define BH_PREFIXES_MAX 1100000u

/* ---- The world: ports and addresses; identities per slot so that a flip changes them all at once --------------------
 */

enum bh_port_flag {
	BH_PORT_OPEN = 1 << 0, /* otherwise everything is dropped, both ways */
};
struct bh_port {	   /* hash by ifindex (__u32) */
	__u32 id;	   /* never used again in the life of these maps */
	__u32 index;	   /* dense: 0..BH_PORTS_MAX-1; re-used; for arrays by port */
	__u32 domain;	   /* L2 domain: the bridge's ifindex; 0: none */
	__u32 flags;	   /* enum bh_port_flag */
	__u32 identity[2]; /* by slot */
	__u8 mac[6];
	__u8 pad[2];
};
#define BH_PORTS_MAX 4096u

/* A port's own addresses, its link-local one and its gateways. */
struct bh_own_key {
	__u32 port_id;
	__u32 family; /* 4, 6 */
	__u8 addr[16];
};
enum { BH_OWN_ADDRESS = 1, BH_OWN_GATEWAY = 2 };
struct bh_own {
	__u32 kind;
};

/* Exact addresses: containers', the host's, bridges' broadcast. Looked up with the port's domain first, then 0. */
struct bh_addr_key {
	__u32 domain;
	__u32 family;
	__u8 addr[16];
};
struct bh_addr {
	__u32 class[2]; /* by slot */
};
#define BH_ADDRS_MAX	  131072u
#define BH_PORT_ADDRS_MAX 64u /* addresses of one port: more is nobody's honest need */

/* NAT64 prefixes (/96), first 12 bytes; a small hash: present means the last 4 bytes are the IPv4 address. */
struct bh_nat64_key {
	__u8 prefix[12];
};
#define BH_NAT64_MAX 64u

/* A zone's `via` is held at the nft door: a packet that claims its subnet on another interface never gets here. */

/* ---- Flow state: one inner hash map per port (array of maps by port index) -----------------------------------------
 */

struct bh_flow_key {
	__u8 remote[16]; /* IPv4 in the first 4 bytes, the rest zero */
	__u8 own[16];
	__u16 remote_port; /* network order; 0 for ICMP echo; other ICMP queries: type << 8 | code */
	__u16 own_port;	   /* network order; ICMP echo: the identifier */
	__u8 protocol;
	__u8 family; /* 4, 6 */
	__u16 pad;   /* 0; ICMP: the flow's direction, as both ends may ask with one identifier */
};
enum bh_flow_direction { BH_FLOW_OUT = 0, BH_FLOW_IN = 1 }; /* opened by the port; opened towards it */
enum bh_tcp_state {		     /* of the flow, names after RFC 9293 and nf_conntrack_proto_tcp.c */
		    BH_TCP_NONE = 0, /* not TCP; of SCTP that, or BH_TCP_RESET */
		    BH_TCP_SYN_SENT,
		    BH_TCP_SYN_RECV,
		    BH_TCP_ESTABLISHED,
		    BH_TCP_FIN_WAIT, /* one side has closed */
		    BH_TCP_CLOSING,  /* both have */
		    BH_TCP_TIME_WAIT,
		    BH_TCP_RESET,
};
enum bh_flow_flag {
	BH_FLOW_REPLIED = 1 << 0, /* a packet in the reply direction was seen: no longer half-open */
	BH_FLOW_AUDITED = 1 << 1, /* denied by policy, passes because of audit */
	BH_FLOW_FIN_OPENER = 1 << 2,
	BH_FLOW_FIN_OTHER = 1 << 3,
	BH_FLOW_PEER_LOCAL = 1 << 4, /* the other end is the host or a container: the stamp `remote` is spoofed */
	BH_FLOW_SEEDED = 1 << 5,     /* put in by the daemon at adoption */
	BH_FLOW_LOGGED = 1 << 6,
};
struct bh_flow {
	__u64 expires;	   /* bpf_ktime_get_boot_ns() */
	__u64 valid_until; /* TAI ns at which the deciding rule or denial changes; BH_FOREVER */
	__u32 generation;  /* that allowed it */
	__u32 decision;	   /* for counters and events */
	__u32 opener;	   /* class of who opened it, as judged: stamp or class of its address */
	__u32 other;	   /* class of the other end, as judged */
	__u32 fin_seq[2];  /* last sequence numbers worth knowing: [0] opener's next, [1] other's next. SCTP: the
			      verification tags that they send; 0: not known */
	__u32 acked[2];	   /* up to where that end's data is acknowledged. fin_seq[i] and acked[i] both 0: end i is not
			      known yet */
	__u16 window[2];   /* last advertised windows, unscaled */
	__u8 direction;	   /* enum bh_flow_direction */
	__u8 tcp_state;	   /* enum bh_tcp_state */
	__u8 flags;	   /* enum bh_flow_flag */
	__u8 window_scale[2]; /* 0xff: unknown */
	__u8 pad[3];
	__u32 checked; /* private to the programs: when `expires` was last looked at. 0: look */
};
#define BH_FLOWS_PER_PORT_DEFAULT 16384u /* that a port may open, of which a quarter may be half-open */
#define BH_FLOWS_IN_SHARE	  2u	 /* times as many may be opened towards it: one flooder fills no neighbour */
#define BH_FRAGMENTS_PER_PORT	  64u	 /* power of two; datagrams being put together */

/* A flow that was ended because the policy no longer allows it, as it was; its generation is the one that ended it. So
 * the daemon can tell of all that a change has ended, and the programs need not keep them. The oldest give way. */
struct bh_revoked_key {
	__u32 port_id;
	__u32 pad;
	struct bh_flow_key flow;
};
#define BH_REVOKED_MAX 16384u

/* Idle times in seconds; each with its source. */
#define BH_TIMEOUT_TCP_SYN	   120u	   /* nf_conntrack syn_sent */
#define BH_TIMEOUT_TCP_SYN_RECV	   60u	   /* nf_conntrack syn_recv */
#define BH_TIMEOUT_TCP_ESTABLISHED 432000u /* nf_conntrack: 5 days; RFC 5382 REQ-5 asks for 2 h 4 min at least */
#define BH_TIMEOUT_TCP_FIN_WAIT	   120u	   /* nf_conntrack fin_wait */
#define BH_TIMEOUT_TCP_CLOSING	   60u	   /* nf_conntrack last_ack is 30, close_wait 60 */
#define BH_TIMEOUT_TCP_TIME_WAIT   120u	   /* nf_conntrack time_wait */
#define BH_TIMEOUT_TCP_RESET	   10u	   /* nf_conntrack close */
#define BH_TIMEOUT_UDP		   30u	   /* nf_conntrack udp, before a reply */
#define BH_TIMEOUT_UDP_STREAM	   300u	   /* RFC 4787 REQ-5: 5 minutes recommended */
#define BH_TIMEOUT_ICMP		   60u	   /* RFC 5508 REQ-2 */
#define BH_TIMEOUT_SCTP_INIT	   30u	   /* nf_conntrack sctp cookie_wait is 3; a client may wait */
#define BH_TIMEOUT_SCTP		   210u	   /* nf_conntrack sctp heartbeat_sent 30; established 210 (RFC 4960 paths) */
#define BH_TIMEOUT_OTHER	   600u	   /* nf_conntrack generic */
#define BH_TIMEOUT_FRAGMENT	   30u	   /* RFC 791, net.ipv4.ipfrag_time */

/* ---- Configuration: one mmap-able value ------------------------------------------------------------------------- */

struct bh_config {
	__u32 magic, version;
	__u64 active; /* generation << 1 | slot: one store puts a new policy in force */
	__u32 stamp_mask, stamp_shift;
	__u32 flow_quota, flow_half_quota;
	__u32 next_port_id;
	__u32 host_deferred; /* 1: host-bound packets are judged by the nft door alone (its tables are owned); 0: the tc
			      * gate refuses what neither a rule for the host nor a published port could allow */
	__u64 netns_cookie;  /* SO_NETNS_COOKIE of the namespace whose interfaces these are; 0: not known */
	__u32 reject;	     /* 1: `refuse: reject` */
	__u32 pad;
};

/* Ports published by the host (runtimes' -p): protocol and port, host order. Present: may be another container behind
 * it. */
struct bh_published_key {
	__u16 port;
	__u8 protocol;
	__u8 pad;
};

/* ---- Reasons: numbered once, never re-used. Text: src/flow/reason.c ------------------------------------------------
 */
enum bh_reason {
	BH_REASON_NONE = 0,
	/* allowed, or would be denied (audit) */
	BH_ALLOW_RULE = 1,
	BH_ALLOW_GROUP = 2,
	BH_ALLOW_ZONE = 3, /* between_groups */
	BH_ALLOW_HOST = 4, /* host_to_containers */
	BH_ALLOW_UNASSIGNED = 5,
	BH_ALLOW_FLOW = 6,     /* packet of an open flow */
	BH_ALLOW_RELATED = 7,  /* ICMP error of an open flow */
	BH_ALLOW_LIFE = 8,     /* ARP, ND, DHCP client, IGMP/MLD report, router solicitation */
	BH_ALLOW_DEFERRED = 9, /* for the host or a published port: judged at the door, after NAT */
	BH_ALLOW_ANSWER = 10,  /* to the container: the gate's own answer to what it has refused */
	/* denied by policy */
	BH_DENY_RULE = 32,
	BH_DENY_DEFAULT = 33, /* step 6, and `within: deny` */
	BH_DENY_UNASSIGNED = 34,
	BH_DENY_CONFLICTED = 35,
	BH_DENY_HOST = 36,	/* refused at the host's door (nft input) */
	BH_DENY_AMBIGUOUS = 37, /* an address that several bridges have */
	BH_DENY_SENT_ON = 38,	/* to the host, whose NAT sends it on to where nobody judges (nft forward) */
	/* who one is */
	BH_DROP_CLOSED = 64, /* the port is not open */
	BH_DROP_SOURCE_MAC = 65,
	BH_DROP_SOURCE_ADDRESS = 66,
	BH_DROP_ARP_SPOOF = 67,
	BH_DROP_ND_SPOOF = 68,
	BH_DROP_DHCP_SERVER = 69,
	BH_DROP_ROUTER_ADVERTISEMENT = 70,
	BH_DROP_REDIRECT = 71,
	BH_DROP_MULTICAST_ROUTER = 72, /* IGMP or MLD query, PIM */
	BH_DROP_VLAN = 73,
	BH_DROP_ETHERTYPE = 74,
	BH_DROP_SOURCE_ROUTE = 75,
	BH_DROP_NOT_ADDRESSED = 76, /* egress: neither the port's MAC/address nor a group's */
	BH_DROP_NO_STAMP = 77,
	BH_DROP_SPOOFED_REMOTE = 78, /* a local address with the stamp `remote` */
	BH_DROP_REFUSED_STAMP = 79,
	BH_DROP_ARP_TARGET = 80,     /* ARP/ND for somebody it may neither reach nor be reached by */
	BH_DROP_NEIGHBOUR_DHCP = 81, /* a DHCP request towards another container */
	/* what a packet is */
	BH_DROP_SHORT = 96,
	BH_DROP_MALFORMED = 97,
	BH_DROP_FRAGMENT = 98,		 /* its first part is not known */
	BH_DROP_FRAGMENT_OVERLAP = 99,	 /* tiny or overlapping (RFC 1858, 5722) */
	BH_DROP_EXTENSION_HEADERS = 100, /* more than BH_EXTENSION_HEADERS_MAX, or a forbidden one */
	BH_DROP_MARTIAN = 101,		 /* an address that can't be a source or destination here */
	/* state */
	BH_DROP_TCP_NOT_SYN = 128,    /* no flow, and not the start of one */
	BH_DROP_ICMP_UNRELATED = 129, /* an ICMP error, reply or the like that belongs to no open flow */
	BH_DROP_FLOWS_FULL = 130,     /* the port's own quota */
	BH_DROP_HALF_OPEN_FULL = 131,
	BH_DROP_REVOKED = 132,	   /* an open flow that the policy in force no longer allows */
	BH_DROP_TCP_INVALID = 133, /* impossible flags, RST or SYN out of window */
	BH_DROP_NO_MEMORY = 134,
	BH_DROP_SCTP_NOT_INIT = 135, /* as BH_DROP_TCP_NOT_SYN */
	/* inside */
	BH_DROP_INTERNAL = 160, /* a map that must be there is not: fails closed */
	BH_REASON_MAX = 192,
};
#define BH_EXTENSION_HEADERS_MAX 8u

/* ---- Answers: with `refuse: reject`, to who sends what the policy refuses -----------------------------------------
 *
 * For each port, and at the door for each sender, so many at once and then so many a second: a program that tries many
 * addresses hears of each; a flood costs no more than this, and who is told nothing waits as he would have. */
#define BH_ANSWERS_PER_SECOND 100u
#define BH_ANSWERS_BURST      50u

/* ---- Counters: per CPU ----------------------------------------------------------------------------------------------
 */
struct bh_counter {
	__u64 packets, bytes;
};
/* A packet between two ports of this host is judged twice, and counted twice. */
/* By decision: PERCPU_ARRAY[BH_DECISIONS_MAX]; decision numbers keep their meaning over reloads. Decision 0 is none. */
#define BH_DECISIONS_MAX 65536u
/* By port index: PERCPU_ARRAY[BH_PORTS_MAX] of these; [0] from the container, [1] to it. */
struct bh_port_counters {
	struct bh_counter allowed[2];
	struct bh_counter denied[2];
};
/* By reason: PERCPU_ARRAY[BH_REASON_MAX] of bh_counter. */

/* ---- Events: a BPF ring buffer -------------------------------------------------------------------------------------
 */
enum bh_event_verdict {
	BH_EVENT_ALLOW = 0,
	BH_EVENT_DENY = 1,
	BH_EVENT_WOULD_DENY = 2, /* audit: denied by policy, let pass */
	BH_EVENT_STAGED = 3,	 /* a staged rule would have decided; `decision` is the staged rule, `reason` what it
				  * would have given: BH_ALLOW_RULE, BH_DENY_RULE */
	BH_EVENT_LOST = 4,	 /* `suppressed` events of this port were not reported: the ring was full */
};
enum { BH_EVENT_FROM_PORT = 0, BH_EVENT_TO_PORT = 1 };
struct bh_event {
	__u64 time; /* bpf_ktime_get_boot_ns() */
	__u32 generation;
	__u32 ifindex; /* of the port */
	__u32 port_id;
	__u32 decision; /* 0: none (a guard: see reason) */
	__u32 src_class, dst_class;
	__u32 suppressed;		     /* events of this port and reason left out since the last one reported */
	__u32 length;			     /* of the packet, bytes */
	__u8 verdict;			     /* enum bh_event_verdict */
	__u8 reason;			     /* enum bh_reason */
	__u8 direction;			     /* BH_EVENT_FROM_PORT, BH_EVENT_TO_PORT */
	__u8 family;			     /* 4, 6; 0: not IP */
	__u8 protocol;			     /* IP protocol */
	__u8 tcp_flags;			     /* or ICMP type */
	__u16 ethertype;		     /* host order */
	__u16 source_port, destination_port; /* host order; ICMP: type << 8 | code in destination_port */
	__u8 source_mac[6], destination_mac[6];
	__u8 source[16], destination[16]; /* IPv4 in the first 4 bytes; ARP's (ethertype 0x0806) protocol addresses */
};
/* Sampling: per port and reason a token bucket of this size, refilled at this rate. */
#define BH_EVENT_BURST	    10u
#define BH_EVENT_PER_SECOND 5u
#define BH_EVENTS_RING_SIZE (1u << 20) /* bytes */

#define BH_ASSERT_SIZE(type, size) _Static_assert(sizeof(type) == (size), #type " has changed size")
BH_ASSERT_SIZE(struct bh_class_info, 8);
BH_ASSERT_SIZE(struct bh_cell, 48);
BH_ASSERT_SIZE(struct bh_service_row, 512);
BH_ASSERT_SIZE(struct bh_lpm4_key, 8);
BH_ASSERT_SIZE(struct bh_lpm6_key, 20);
BH_ASSERT_SIZE(struct bh_port, 32);
BH_ASSERT_SIZE(struct bh_own_key, 24);
BH_ASSERT_SIZE(struct bh_addr_key, 24);
BH_ASSERT_SIZE(struct bh_flow_key, 40);
BH_ASSERT_SIZE(struct bh_flow, 64);
BH_ASSERT_SIZE(struct bh_revoked_key, 48);
BH_ASSERT_SIZE(struct bh_config, 56);
BH_ASSERT_SIZE(struct bh_port_counters, 64);
BH_ASSERT_SIZE(struct bh_event, 96);

/* ---- The maps, by name
 * ------------------------------------------------------------------------------------------------
 *
 *   config         ARRAY[1] of bh_config, BPF_F_MMAPABLE
 *   cells          ARRAY_OF_MAPS[2]  slot → HASH        u64 BH_CELL_KEY → bh_cell
 *   classes        ARRAY_OF_MAPS[2]  slot → ARRAY       class → bh_class_info        (BPF_F_INNER_MAP)
 *   services       ARRAY_OF_MAPS[2]  slot → ARRAY       row → bh_service_row
 *   prefixes4      ARRAY_OF_MAPS[2]  slot → LPM_TRIE    bh_lpm4_key → u32 class
 *   prefixes6      ARRAY_OF_MAPS[2]  slot → LPM_TRIE    bh_lpm6_key → u32 class
 *   nat64          HASH              bh_nat64_key → u8
 *   ports          HASH              u32 ifindex → bh_port
 *   own            HASH              bh_own_key → bh_own
 *   addresses      HASH              bh_addr_key → bh_addr
 *   flows          ARRAY_OF_MAPS[BH_PORTS_MAX]  port index → HASH (BPF_F_NO_PREALLOC) bh_flow_key → bh_flow
 *   port_state     ARRAY[BH_PORTS_MAX]          quotas and event buckets (private to the programs)
 *   fragments      ARRAY[BH_PORTS_MAX * BH_FRAGMENTS_PER_PORT]  (private to the programs)
 *   revoked        LRU_HASH          bh_revoked_key → bh_flow
 *   answers        ARRAY[2 * BH_PORTS_MAX]      how many were given (private to the programs)
 *   answer_space   PERCPU_ARRAY[1]              where an answer is made (private to the programs)
 *   published      HASH              bh_published_key → u8
 *   rule_counters  PERCPU_ARRAY[BH_DECISIONS_MAX] of bh_counter
 *   port_counters  PERCPU_ARRAY[BH_PORTS_MAX] of bh_port_counters
 *   reason_counters PERCPU_ARRAY[BH_REASON_MAX] of bh_counter
 *   events         RINGBUF
 *
 * Programs: bulkhead_ingress (what the container sends; host-side ingress), bulkhead_egress (what it is sent). */

#endif
