/* SPDX-License-Identifier: GPL-2.0-only */
/* Expressions of rules that look at conntrack's entry and at both ends of a packet. */
#include "gate/nft_rule.h"

#include <linux/if_ether.h>

/* As in nft_rule.c: where a key begins, and its words of 4 bytes. */
#define REG_FIRST   NFT_REG_1
#define REG_WORD(n) (NFT_REG32_00 + (n))

#define DIRECTION_ORIGINAL 0u /* IP_CT_DIR_ORIGINAL */
#define DIRECTION_REPLY	   1u

static struct nftnl_expr *flow_load(struct nft_rule_writer *writer, uint32_t key, uint32_t reg)
{
	struct nftnl_expr *expr = nft_rule_expr(writer, "ct");

	if (!expr)
		return NULL;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_CT_KEY, key);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_CT_DREG, reg);
	return expr;
}

/* What was loaded: (it & keep) ^ value */
static void change(struct nft_rule_writer *writer, uint32_t keep, uint32_t value)
{
	struct nftnl_expr *expr = nft_rule_expr(writer, "bitwise");

	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_SREG, REG_FIRST);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_DREG, REG_FIRST);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_OP, NFT_BITWISE_BOOL);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_LEN, sizeof(keep));
	if (nftnl_expr_set(expr, NFTNL_EXPR_BITWISE_MASK, &keep, sizeof(keep)) < 0 ||
	    nftnl_expr_set(expr, NFTNL_EXPR_BITWISE_XOR, &value, sizeof(value)) < 0)
		writer->failed = true;
}

void nft_rule_flow_mark(struct nft_rule_writer *writer, uint32_t mask, enum nft_cmp_ops op, uint32_t value)
{
	flow_load(writer, NFT_CT_MARK, REG_FIRST);
	change(writer, mask, 0);
	nft_rule_compare(writer, op, &value, sizeof(value));
}

void nft_rule_flow_zone_not(struct nft_rule_writer *writer, uint16_t zone)
{
	struct nftnl_expr *expr = flow_load(writer, NFT_CT_ZONE, REG_FIRST);

	if (expr)
		nftnl_expr_set_u8(expr, NFTNL_EXPR_CT_DIR, DIRECTION_ORIGINAL);
	nft_rule_compare(writer, NFT_CMP_NEQ, &zone, sizeof(zone));
}

void nft_rule_hop_limit(struct nft_rule_writer *writer, enum nft_cmp_ops op, uint8_t limit)
{
	nft_rule_load(writer, NFT_PAYLOAD_NETWORK_HEADER, 7, sizeof(limit), 0);
	nft_rule_compare(writer, op, &limit, sizeof(limit));
}

void nft_rule_not_syn(struct nft_rule_writer *writer)
{
	/* RFC 9293, 3.1: byte 13 of the header; ACK, RST, SYN, FIN. */
	static const uint8_t looked_at = 0x17, syn = 0x02;

	nft_rule_load(writer, NFT_PAYLOAD_TRANSPORT_HEADER, 13, 1, 0);
	nft_rule_under(writer, &looked_at, sizeof(looked_at));
	nft_rule_compare(writer, NFT_CMP_NEQ, &syn, sizeof(syn));
}

/* Who opened the flow, or who answers in it. */
static void end_load(struct nft_rule_writer *writer, uint8_t nfproto, bool opener, uint32_t reg)
{
	struct nftnl_expr *expr = flow_load(writer, nfproto == NFPROTO_IPV4 ? NFT_CT_SRC_IP : NFT_CT_SRC_IP6, reg);

	if (expr)
		nftnl_expr_set_u8(expr, NFTNL_EXPR_CT_DIR, opener ? DIRECTION_ORIGINAL : DIRECTION_REPLY);
}

void nft_rule_end_in(struct nft_rule_writer *writer, uint8_t nfproto, bool opener, const char *set)
{
	bool v4 = nfproto == NFPROTO_IPV4;

	nft_rule_load(writer, NFT_PAYLOAD_NETWORK_HEADER, v4 ? 12 : 8, v4 ? 4 : 16, 0);
	end_load(writer, nfproto, opener, REG_WORD(v4 ? 1 : 4));
	nft_rule_in(writer, false, set);
}

void nft_rule_destination_mac_in(struct nft_rule_writer *writer, const char *set)
{
	nft_rule_ethernet(writer);
	nft_rule_load(writer, NFT_PAYLOAD_LL_HEADER, 0, ETH_ALEN, 0);
	nft_rule_in(writer, false, set);
}

void nft_rule_flow_stamp(struct nft_rule_writer *writer, uint32_t mask, uint32_t value)
{
	struct nftnl_expr *expr;

	flow_load(writer, NFT_CT_MARK, REG_FIRST);
	change(writer, ~mask, value);
	expr = nft_rule_expr(writer, "ct");
	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_CT_KEY, NFT_CT_MARK);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_CT_SREG, REG_FIRST);
}

void nft_rule_zone(struct nft_rule_writer *writer, bool opener, uint16_t zone)
{
	struct nftnl_expr *expr = nft_rule_expr(writer, "immediate");

	if (!expr || nftnl_expr_set(expr, NFTNL_EXPR_IMM_DATA, &zone, sizeof(zone)) < 0) {
		writer->failed = true;
		return;
	}
	nftnl_expr_set_u32(expr, NFTNL_EXPR_IMM_DREG, REG_FIRST);
	expr = nft_rule_expr(writer, "ct");
	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_CT_KEY, NFT_CT_ZONE);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_CT_SREG, REG_FIRST);
	if (opener)
		nftnl_expr_set_u8(expr, NFTNL_EXPR_CT_DIR, DIRECTION_ORIGINAL);
}

void nft_rule_map_flow_mark(struct nft_rule_writer *writer, uint32_t mask, const char *map)
{
	flow_load(writer, NFT_CT_MARK, REG_FIRST);
	change(writer, mask, 0);
	nft_rule_by_map(writer, map);
}

void nft_rule_map_interface(struct nft_rule_writer *writer, bool output, const char *map)
{
	nft_rule_load_link(writer, output);
	nft_rule_by_map(writer, map);
}

/* Where the addresses stand in the headers: RFC 791, RFC 8200. */
static void address_load(struct nft_rule_writer *writer, uint8_t nfproto, bool destination, uint32_t word)
{
	bool v4 = nfproto == NFPROTO_IPV4;

	nft_rule_load(writer, NFT_PAYLOAD_NETWORK_HEADER, v4 ? (destination ? 16 : 12) : (destination ? 24 : 8),
		      v4 ? 4 : 16, word);
}

void nft_rule_map_address(struct nft_rule_writer *writer, uint8_t nfproto, bool destination, const char *map)
{
	address_load(writer, nfproto, destination, 0);
	nft_rule_by_map(writer, map);
}

void nft_rule_map_link_address(struct nft_rule_writer *writer, bool output, uint8_t nfproto, bool destination,
			       const char *map)
{
	nft_rule_load_link(writer, output);
	address_load(writer, nfproto, destination, 1);
	nft_rule_by_map(writer, map);
}

void nft_rule_map_flow_address(struct nft_rule_writer *writer, uint8_t nfproto, bool opener, bool here, const char *map)
{
	if (here)
		nft_rule_load_link(writer, false);
	end_load(writer, nfproto, opener, here ? REG_WORD(1) : REG_FIRST);
	nft_rule_by_map(writer, map);
}
