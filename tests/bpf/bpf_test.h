/* SPDX-License-Identifier: GPL-2.0-only */
/* The tc programs by BPF_PROG_TEST_RUN: a small world in the maps, frames built from a few words, and what came of
 * them. Everything happens in a network namespace of the test's own, with nothing pinned: it is gone when the test
 * ends. */
#ifndef BULKHEAD_TESTS_BPF_TEST_H
#define BULKHEAD_TESTS_BPF_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tc-bpf/abi.h"

#define FRAME_MAX 4000u

enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16, URG = 32 };
enum { ICMP = 1, IGMP = 2, TCP = 6, UDP = 17, GRE = 47, ICMP6 = 58, PIM = 103, SCTP = 132 };
enum { CHUNK_DATA = 1, CHUNK_INIT_ACK = 3, CHUNK_HEARTBEAT = 5, CHUNK_HEARTBEAT_ACK, CHUNK_ABORT }; /* type + 1 */
enum { CHUNK_COOKIE_ECHO = 11, CHUNK_COOKIE_ACK = 12, CHUNK_SHUTDOWN_COMPLETE = 15 };
enum { IPV4 = 0x0800, ARP = 0x0806, VLAN = 0x8100, IPV6 = 0x86dd, QINQ = 0x88a8, PPPOE = 0x8864 };

/* Classes and services of the world that world_new() makes. */
enum {
	FRONT = BH_IDENTITY_FIRST, /* port A's */
	BACK,			   /* port B's */
	ROUTER,			   /* port R's: permits spoof, dhcp-server, router, vlan */
	RETIRED,
	AUDITED, /* port U's: its zone is in audit mode */
	INTERNET = BH_CLASS_FIRST,
	GROUPS, /* multicast and broadcast */
	PARTNERS,
	SPECIAL,
	STRANGERS,  /* of no zone: not even the internet */
	NEIGHBOURS, /* unknown addresses on the bridge */
	CLASS_COUNT,
};
enum { SERVICE_HTTPS = 1, SERVICE_DNS, SERVICE_PING, SERVICE_SSH, SERVICE_OTHER };

/* A port as the tests see it. */
struct port {
	uint32_t ifindex;
	struct bh_port map;
};

struct bpf_world {
	struct bulkhead_bpf *skeleton;
	int ingress, egress;
	int flows[8]; /* inner maps by port index */
	uint32_t flow_entries[8];
	int cells[2]; /* inner maps by slot */
	int classes[2], services[2], prefixes4[2], prefixes6[2];
	struct port a, b, r, u, c;	 /* C is conflicted, all on one bridge; c.map.domain is another's */
	uint64_t reasons[BH_REASON_MAX]; /* packets counted, before the last run */
};
extern struct bpf_world world;

/* A frame in a few words. What is 0 gets what is usual: for a packet from a port its MAC and the gateway's, and so on.
 */
struct frame {
	const char *from, *to; /* addresses: what stands in the IP header, or ARP's sender and target */
	const char *from_mac, *to_mac;
	const char *arp_mac; /* ARP: the sender's, inside */
	const void *options; /* IPv4 options or IPv6 extension headers, `options_size` bytes; `protocol` stands last */
	const void *body;    /* behind the transport header: `payload` bytes; by default zeros */
	const void *transport; /* instead of the transport header as well: `payload` bytes */
	uint32_t payload;
	uint32_t seq, ack; /* SCTP: the verification tag, the initiate tag */
	uint32_t scale;	   /* window scale + 1; 0: no option */
	uint32_t fragment_id;
	uint32_t cut; /* bytes off the end */
	uint32_t gso_size;
	int32_t length_error; /* added to the length that IP states */
	uint16_t type;	      /* EtherType; by default that of the addresses */
	uint16_t tag;	      /* EtherType of a VLAN tag in the frame */
	uint16_t tag2;	      /* of a second one within */
	uint16_t sport, dport;
	uint16_t window;
	uint16_t id;	    /* ICMP's identifier */
	uint16_t fragment;  /* offset in bytes */
	uint16_t operation; /* ARP */
	uint8_t protocol;   /* IP's */
	uint8_t flags;	    /* TCP's */
	uint8_t chunk;	    /* SCTP's first, CHUNK_…; 0: INIT */
	uint8_t chunk_flags;
	uint8_t icmp_type, icmp_code;
	uint8_t hop_limit;
	uint8_t options_size;
	uint8_t next_header;		/* IPv6: of the first extension header */
	uint8_t version, header_length; /* IPv4: to get them wrong */
	bool more;			/* fragments follow */
	bool none;			/* nothing behind the IP header */
};
size_t frame_build(const struct frame *frame, const struct port *port, bool from_port, uint8_t *buffer);

struct outcome {
	bool pass, answered; /* answered: it goes back into its port */
	int32_t action;
	uint32_t mark;
	size_t size;	  /* of `left_frame` */
	uint8_t reason;	  /* as counted */
	uint32_t reasons; /* how many were counted: always 1 */
};
extern struct outcome last;
extern uint8_t left_frame[FRAME_MAX + 2048]; /* the last frame, as the program left it */

/* Runs one frame through a program. `stamp` is the sender's, to a port; `mark_other` bits outside the mask. */
struct outcome run_from(const struct port *port, const struct frame *frame);
struct outcome run_to(const struct port *port, uint32_t stamp, const struct frame *frame);
/* The interface of the host that took up the packets that follow; 0: none, the host has made them itself. */
extern uint32_t received_on;
struct outcome run_raw(const struct port *port, bool from_port, uint32_t mark, const uint8_t *data, size_t size,
		       uint32_t gso_size);

/* run, and hold the outcome against a reason: below BH_DENY_RULE it must pass. WOULD: passes in spite of a denial. */
#define FROM(port, expected, ...) \
	expect(run_from(&world.port, &(struct frame){__VA_ARGS__}), expected, __FILE__, __LINE__)
#define TO(port, stamp, expected, ...) \
	expect(run_to(&world.port, stamp, &(struct frame){__VA_ARGS__}), expected, __FILE__, __LINE__)
void expect(struct outcome outcome, uint8_t reason, const char *file, int line);

/* Events since the last call, oldest first; at most `max` are stored, all are counted. */
size_t events_take(struct bh_event *events, size_t max);
struct bh_event event_only(void); /* the only one since */
void events_none(void);

/* The world's parts. */
int world_setup(void **state); /* one for a group of tests; the maps stay */
int world_teardown(void **state);
int world_reset(void **state); /* before each test: flows, counters, buckets and cells as at first */
void cell_set(uint32_t src, uint32_t dst, uint32_t service, const struct bh_cell *cell);
void cell_allow(uint32_t src, uint32_t dst, uint32_t service, uint32_t decision);
void cell_deny(uint32_t src, uint32_t dst, uint32_t service, uint32_t decision);
void cell_remove(uint32_t src, uint32_t dst, uint32_t service);
void cell_set_slot(int slot, uint32_t src, uint32_t dst, uint32_t service, const struct bh_cell *cell);
void class_set(uint32_t class, uint32_t flags, uint32_t decision);
void class_set_slot(int slot, uint32_t class, uint32_t flags, uint32_t decision);
void address_set(uint32_t domain, const char *addr, uint32_t class);
void address_remove(uint32_t domain, const char *addr);
void own_set(const struct port *port, const char *addr, uint32_t kind);
void own_remove(const struct port *port, const char *addr);
void prefix_set(const char *prefix, uint32_t class);
void nat64_set(const char *prefix); /* of 96 bits */
void service_set(uint32_t row, uint32_t column, uint16_t class);
void published_set(uint8_t protocol, uint16_t port);
void published_remove(uint8_t protocol, uint16_t port);
void port_set(const struct port *port);
void port_remove(const struct port *port);
void config_flip(void); /* the other slot, the next generation */
struct bh_config *config_get(void);
void port_state_clear(void);
void flows_size(const struct port *port, uint32_t entries); /* a new, empty flow map */

/* The bare maps, for tests that make another world. */
void map_put(int map, const void *key, const void *value);
void map_clear(int map, size_t key_size);
int inner_new(uint32_t type, uint32_t key, uint32_t value, uint32_t entries, uint32_t flags); /* a map's fd */
int inner_put(int outer, uint32_t index, int inner);					      /* gives `inner` back */

bool flow_get(const struct port *port, const struct bh_flow_key *key, struct bh_flow *flow);
void flow_put(const struct port *port, const struct bh_flow_key *key, const struct bh_flow *flow);
size_t flow_count(const struct port *port);
struct bh_flow_key flow_key(const char *own, uint16_t own_port, const char *remote, uint16_t remote_port,
			    uint8_t protocol);
uint64_t boot_ns(void);
uint64_t tai_ns(void);

struct bh_counter rule_counter(uint32_t decision);
struct bh_counter reason_counter(uint32_t reason);
struct bh_port_counters port_counter(const struct port *port);

#endif
