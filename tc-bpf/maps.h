/* SPDX-License-Identifier: GPL-2.0-only */
/* The maps, as abi.h lists them, and the those that are the programs' own: port_state, fragments,
 * answers and answer_space. */
#ifndef BULKHEAD_BPF_MAPS_H
#define BULKHEAD_BPF_MAPS_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "abi.h"

/* Inner maps give sizes, not types: clang 14 leaves structs that only an inner map names out of the BTF.
 * Their lengths are prototypes; user space makes the inner hashes and tries as large as a policy needs. */
#define PROTOTYPE_ENTRIES 64u
/* Ports that the host publishes: one for each TCP, UDP and SCTP port would be 196,608; a host has far fewer. */
#define PUBLISHED_MAX 65536u

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct bh_config);
} config SEC(".maps");

struct cells_slot {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PROTOTYPE_ENTRIES);
	__uint(key_size, sizeof(__u64));
	__uint(value_size, sizeof(struct bh_cell));
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 2);
	__type(key, __u32);
	__array(values, struct cells_slot);
} cells SEC(".maps");

struct classes_slot {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_INNER_MAP); /* its length differs from policy to policy */
	__uint(max_entries, BH_CLASS_FIRST);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct bh_class_info));
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 2);
	__type(key, __u32);
	__array(values, struct classes_slot);
} classes SEC(".maps");

struct services_slot {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, BH_SERVICE_ROWS);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct bh_service_row));
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 2);
	__type(key, __u32);
	__array(values, struct services_slot);
} services SEC(".maps");

struct prefixes4_slot {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, PROTOTYPE_ENTRIES);
	__uint(key_size, sizeof(struct bh_lpm4_key));
	__uint(value_size, sizeof(__u32));
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 2);
	__type(key, __u32);
	__array(values, struct prefixes4_slot);
} prefixes4 SEC(".maps");

struct prefixes6_slot {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, PROTOTYPE_ENTRIES);
	__uint(key_size, sizeof(struct bh_lpm6_key));
	__uint(value_size, sizeof(__u32));
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 2);
	__type(key, __u32);
	__array(values, struct prefixes6_slot);
} prefixes6 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, BH_NAT64_MAX);
	__type(key, struct bh_nat64_key);
	__type(value, __u8);
} nat64 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, BH_PORTS_MAX);
	__type(key, __u32);
	__type(value, struct bh_port);
} ports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, BH_ADDRS_MAX);
	__type(key, struct bh_own_key);
	__type(value, struct bh_own);
} own SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, BH_ADDRS_MAX);
	__type(key, struct bh_addr_key);
	__type(value, struct bh_addr);
} addresses SEC(".maps");

struct flows_port {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, PROTOTYPE_ENTRIES);
	__uint(key_size, sizeof(struct bh_flow_key));
	__uint(value_size, sizeof(struct bh_flow));
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, BH_PORTS_MAX);
	__type(key, __u32);
	__array(values, struct flows_port);
} flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, BH_REVOKED_MAX);
	__type(key, struct bh_revoked_key);
	__type(value, struct bh_flow);
} revoked SEC(".maps");

/* Sampling of events: the generic cell rate algorithm (ITU-T I.371), in ticks of one event's share of a second. */
struct event_bucket {
	__u32 full_at; /* tick at which the bucket is empty of debt again */
	__u32 suppressed;
};
struct port_state {
	__u32 port_id; /* whose: an index is used again */
	__u32 lost;    /* events for which the ring had no room */
	/* Entries in the port's flow map, as far as counted here; by who opened them, enum bh_flow_direction. */
	__s32 flows[2];
	__s32 half_open[2];
	__u64 sweep_at; /* bpf_ktime_get_boot_ns() before which the flow map is not swept again */
	struct event_bucket buckets[BH_REASON_MAX];
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, BH_PORTS_MAX);
	__type(key, __u32);
	__type(value, struct port_state);
} port_state SEC(".maps");

/* A datagram of which the first fragment was let pass. */
struct fragment_key {
	__u8 source[16];
	__u8 destination[16];
	__u32 id;
	__u32 port_id;
	__u8 protocol; /* 0 for IPv6: later fragments need not repeat it (RFC 8200, 4.5) */
	__u8 family;
	__u8 direction; /* BH_EVENT_FROM_PORT, BH_EVENT_TO_PORT */
	__u8 pad[5];
} __attribute__((aligned(8)));
struct fragment {
	struct bpf_spin_lock lock;
	__u32 stamp; /* of the first, at egress */
	__u32 decision;
	__u32 next;    /* bytes up to which parts were seen: a later one may not begin before it */
	__u64 expires; /* bpf_ktime_get_boot_ns(); 0: free */
	struct fragment_key key;
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, BH_PORTS_MAX *BH_FRAGMENTS_PER_PORT);
	__type(key, __u32);
	__type(value, struct fragment);
} fragments SEC(".maps");

/* Answers given at a port, first those to its container, then those to who sends to it: the generic cell rate
 * algorithm, as for events. */
struct answer_bucket {
	__u32 port_id; /* whose: an index is used again */
	__u32 full_at;
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2 * BH_PORTS_MAX);
	__type(key, __u32);
	__type(value, struct answer_bucket);
} answers SEC(".maps");

/* What is too large for the stack. First an answer, made beside the packet whose place it takes. Two bytes ahead, so
 * that the IP header stands on a whole word. RFC 4443, 2.4 (c): no more than 1,280 bytes behind the frame's header. */
#define ANSWER_IP  16u
#define ANSWER_MAX (ANSWER_IP + 1280u)
struct answer_space {
	__u8 bytes[ANSWER_MAX];
	__u8 macs[12];		       /* of the packet: destination and source */
	struct bh_revoked_key revoked; /* the key of a flow that is noted */
} __attribute__((aligned(8)));
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct answer_space);
} answer_space SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, PUBLISHED_MAX);
	__type(key, struct bh_published_key);
	__type(value, __u8);
} published SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, BH_DECISIONS_MAX);
	__type(key, __u32);
	__type(value, struct bh_counter);
} rule_counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, BH_PORTS_MAX);
	__type(key, __u32);
	__type(value, struct bh_port_counters);
} port_counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, BH_REASON_MAX);
	__type(key, __u32);
	__type(value, struct bh_counter);
} reason_counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, BH_EVENTS_RING_SIZE);
} events SEC(".maps");

#endif
