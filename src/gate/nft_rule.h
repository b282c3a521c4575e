/* SPDX-License-Identifier: GPL-2.0-only */
/* Writes rules, expression by expression, in the forms that nft(8) prints back as it would have written them. */
#ifndef BULKHEAD_GATE_NFT_RULE_H
#define BULKHEAD_GATE_NFT_RULE_H

#include <stdio.h> /* libnftnl's headers want it and don't say so */

#include <libnftnl/expr.h>
#include <libnftnl/rule.h>

#include "gate/nft_model.h"

/* nft(8)'s numbers of data types (its datatype.h; part of what it stores in the kernel, so they don't change). */
#define NFT_TYPE_NFPROTO       2u
#define NFT_TYPE_INTEGER       4u
#define NFT_TYPE_INET_PROTOCOL 12u
#define NFT_TYPE_INET_SERVICE  13u
#define NFT_TYPE_ICMP	       14u
#define NFT_TYPE_ETHERADDR     9u
#define NFT_TYPE_IPADDR	       7u
#define NFT_TYPE_IP6ADDR       8u
#define NFT_TYPE_MARK	       19u
#define NFT_TYPE_IFINDEX       20u
#define NFT_TYPE_ICMPV6	       29u
#define NFT_TYPE_ICMP_CODE     32u
#define NFT_TYPE_ICMPV6_CODE   33u
#define NFT_TYPE_IFNAME	       41u
#define NFT_TYPE_CONCAT(a, b)  ((a) << 6 | (b))

/* One rule being written. Failures stick: nft_rule_end() reports them to the ruleset. */
struct nft_rule_writer {
	struct nft_ruleset *ruleset;
	enum nft_table_index table;
	int chain; /* index in the table */
	struct nftnl_rule *rule;
	bool failed;
};

/* `chain` as nft_chain_add() gave it; -1 is passed on as a failure. */
void nft_rule_begin(struct nft_rule_writer *writer, struct nft_ruleset *ruleset, enum nft_table_index table, int chain);
/* Comments are cut at nft(8)'s limit; `origin` is for errors. Both may be NULL. */
void nft_rule_end(struct nft_rule_writer *writer, const char *comment, const char *origin);

/* Matches: the rule goes on only if … */
/* … the interface is of this kind. Hardware and lo have none: there is no useful 'is not'. */
void nft_rule_kind(struct nft_rule_writer *writer, bool output, const char *kind);
void nft_rule_interface(struct nft_rule_writer *writer, bool output, uint32_t ifindex);
/* … the interface (by index) is, or with `not` is not, in the set. */
void nft_rule_interface_in(struct nft_rule_writer *writer, bool output, bool not, const char *set);
void nft_rule_interface_name_in(struct nft_rule_writer *writer, bool not, const char *set);
/* … the bits of the mark under `mask`, as a number, compare so (NFT_CMP_EQ, NFT_CMP_LT …) with `value`. */
void nft_rule_mark(struct nft_rule_writer *writer, uint32_t mask, enum nft_cmp_ops op, uint32_t value);
void nft_rule_stamp_in(struct nft_rule_writer *writer, uint32_t mask, bool not, const char *set);
void nft_rule_socket(struct nft_rule_writer *writer); /* … a process of this namespace has the packet's socket */
void nft_rule_routed(struct nft_rule_writer *writer); /* … the packet has a route: it came by IP, not as a frame */
/* … the frame's source address is, or with `not` is not, in the set. */
void nft_rule_source_mac_in(struct nft_rule_writer *writer, bool not, const char *set);
void nft_rule_ethernet(struct nft_rule_writer *writer); /* … it came by an interface that has such addresses; in inet */
void nft_rule_link_local_group(struct nft_rule_writer *writer); /* … the destination is 01:80:c2:00:00:0X */
void nft_rule_protocol(struct nft_rule_writer *writer, uint8_t protocol);
void nft_rule_family(struct nft_rule_writer *writer, uint8_t nfproto);	     /* NFPROTO_IPV4, NFPROTO_IPV6; in inet */
void nft_rule_ethertype(struct nft_rule_writer *writer, uint16_t ethertype); /* in bridge */
/* … the source (or destination) address of the family already matched is in the set. */
void nft_rule_address_in(struct nft_rule_writer *writer, uint8_t nfproto, bool destination, const char *set);
/* … conntrack: the address that the flow was opened to, before any NAT, is in the set. */
void nft_rule_original_in(struct nft_rule_writer *writer, uint8_t nfproto, const char *set);
/* … the output interface and the destination address together are, or with `not` are not, in the set. */
void nft_rule_way_in(struct nft_rule_writer *writer, uint8_t nfproto, bool not, const char *set);
void nft_rule_ports(struct nft_rule_writer *writer, uint16_t source, uint16_t destination); /* host order */
void nft_rule_type(struct nft_rule_writer *writer, uint8_t low, uint8_t high); /* … ICMP type, after the protocol */
void nft_rule_before(struct nft_rule_writer *writer, uint64_t epoch_ns);       /* … it is earlier than this */
void nft_rule_reply(struct nft_rule_writer *writer);			       /* … conntrack: reply direction */
void nft_rule_state(struct nft_rule_writer *writer, uint32_t states);	       /* … conntrack state, a bit of these */
#define NFT_STATE_INVALID     1u
#define NFT_STATE_ESTABLISHED 2u
#define NFT_STATE_RELATED     4u
#define NFT_STATE_NEW	      8u
#define NFT_STATE_UNTRACKED   64u
/* … not too often for this interface, or for this sender's MAC address: one who floods hides nobody else. */
enum nft_sample { NFT_SAMPLE_INPUT, NFT_SAMPLE_OUTPUT, NFT_SAMPLE_SENDER, NFT_SAMPLE_ANSWER };
#define NFT_SET_REPORTED	 "reported"	    /* by interface */
#define NFT_SET_REPORTED_SENDERS "reported_senders" /* by MAC address */
#define NFT_SET_ANSWERED	 "answered"	    /* by MAC address: senders that were told that they are refused */
void nft_rule_sample(struct nft_rule_writer *writer, enum nft_sample sample);
void nft_rule_seldom(struct nft_rule_writer *writer); /* … as often as answers are given, all in all */
/* … there are more connections than `most` with the key that was loaded, which the set counts; with none, at all. */
void nft_rule_connections(struct nft_rule_writer *writer, uint32_t most, const char *set);

/* Building blocks, for what has no name above. A key is made of words of 4 bytes; a field begins at a word. */
void nft_rule_load_stamp_at(struct nft_rule_writer *writer, uint32_t mask, uint32_t word);
void nft_rule_load_link(struct nft_rule_writer *writer, bool output); /* the interface's index, word 0 */
void nft_rule_load(struct nft_rule_writer *writer, enum nft_payload_bases base, uint32_t offset, uint32_t length,
		   uint32_t word);
void nft_rule_in(struct nft_rule_writer *writer, bool not, const char *set);
void nft_rule_compare(struct nft_rule_writer *writer, enum nft_cmp_ops op, const void *data, uint32_t size);
void nft_rule_under(struct nft_rule_writer *writer, const void *mask, uint32_t size); /* of what was loaded */
/* … the IPv6 extension header is there; the IPv4 option is. */
void nft_rule_extension(struct nft_rule_writer *writer, uint8_t header);
void nft_rule_option(struct nft_rule_writer *writer, uint8_t option);

/* Statements. */
/* The mark is what the map has for the input interface; one that is not in it ends the rule. */
void nft_rule_mark_by_interface(struct nft_rule_writer *writer, const char *map);
void nft_rule_stamp(struct nft_rule_writer *writer, uint32_t mask, uint32_t value); /* overwrites the masked bits */
void nft_rule_counter(struct nft_rule_writer *writer, const char *name);
void nft_rule_log(struct nft_rule_writer *writer, const char *prefix, uint16_t group, uint32_t snaplen);
void nft_rule_reject(struct nft_rule_writer *writer, bool reset); /* TCP reset, or administratively prohibited */
void nft_rule_verdict(struct nft_rule_writer *writer, int verdict, const char *chain); /* NF_DROP, NFT_GOTO … */
/* Verdict by map: of the masked mark; of protocol and port; of these with the family, or with the destination address
 * of the family already matched, before them; of ICMP type and code; of the protocol. */
void nft_rule_map_mark(struct nft_rule_writer *writer, uint32_t mask, const char *map);
/* `answers`: of packets in the reply direction, whose source stands where the destination of the flow is told. */
void nft_rule_map_ports(struct nft_rule_writer *writer, const char *map, bool answers);
void nft_rule_map_family_ports(struct nft_rule_writer *writer, const char *map, bool answers);
void nft_rule_map_address_ports(struct nft_rule_writer *writer, uint8_t nfproto, const char *map, bool answers);
void nft_rule_map_types(struct nft_rule_writer *writer, uint8_t protocol, const char *map);
void nft_rule_map_protocol(struct nft_rule_writer *writer, const char *map);

/* ---- nft_rule_flow.c: what nft alone looks at, conntrack's entry and both ends ---- */

/* … the bits of the flow's mark (conntrack's) under `mask` compare so with `value`: NFT_CMP_EQ, NFT_CMP_NEQ. */
void nft_rule_flow_mark(struct nft_rule_writer *writer, uint32_t mask, enum nft_cmp_ops op, uint32_t value);
/* … the zone that the flow was opened in is another. */
void nft_rule_flow_zone_not(struct nft_rule_writer *writer, uint16_t zone);
void nft_rule_not_syn(struct nft_rule_writer *writer); /* … of TCP's flags SYN, ACK, FIN and RST not just SYN is set */
void nft_rule_hop_limit(struct nft_rule_writer *writer, enum nft_cmp_ops op, uint8_t limit); /* … IPv6's compares so */
/* … the packet's source and an end of its flow (who opened it; or the other end, behind NAT) are together in the set.
 */
void nft_rule_end_in(struct nft_rule_writer *writer, uint8_t nfproto, bool opener, const char *set);
/* … the frame was sent to an address that is in the set. */
void nft_rule_destination_mac_in(struct nft_rule_writer *writer, const char *set);

/* Statements. */
void nft_rule_flow_stamp(struct nft_rule_writer *writer, uint32_t mask, uint32_t value); /* of the flow's mark */
/* Connections are told apart by this zone; `opener`: only where they are opened, so that NAT may work. */
void nft_rule_zone(struct nft_rule_writer *writer, bool opener, uint16_t zone);
/* Verdict by map: of the masked mark of the flow; of an interface; of an address of the family already matched; of both
 * together. */
void nft_rule_map_flow_mark(struct nft_rule_writer *writer, uint32_t mask, const char *map);
void nft_rule_map_interface(struct nft_rule_writer *writer, bool output, const char *map);
/* … of the address that opened the flow, or (false) was asked in the end; `here`: with the interface that it enters by.
 */
void nft_rule_map_flow_address(struct nft_rule_writer *writer, uint8_t nfproto, bool opener, bool here,
			       const char *map);
void nft_rule_map_address(struct nft_rule_writer *writer, uint8_t nfproto, bool destination, const char *map);
void nft_rule_map_link_address(struct nft_rule_writer *writer, bool output, uint8_t nfproto, bool destination,
			       const char *map);

/* For nft_rule_flow.c: an expression of the rule; NULL when memory is short. A verdict by what was loaded. */
struct nftnl_expr *nft_rule_expr(struct nft_rule_writer *writer, const char *name);
void nft_rule_by_map(struct nft_rule_writer *writer, const char *map);

#endif
