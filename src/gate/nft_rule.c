/* SPDX-License-Identifier: GPL-2.0-only */
#include "gate/nft_rule.h"

#include "tc-bpf/abi.h"

#include <endian.h>
#include <libnftnl/udata.h>
#include <linux/if_ether.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdlib.h>
#include <string.h>

/* The 16-byte register that nft(8) uses, and the 4-byte words from its begin on (for concatenations). */
#define REG_FIRST   NFT_REG_1
#define REG_WORD(n) (NFT_REG32_00 + (n))
#define REG_SECOND  REG_WORD(1)

void nft_rule_begin(struct nft_rule_writer *writer, struct nft_ruleset *ruleset, enum nft_table_index table, int chain)
{
	*writer = (struct nft_rule_writer){.ruleset = ruleset, .table = table, .chain = chain};
	if (chain >= 0)
		writer->rule = nftnl_rule_alloc();
	if (!writer->rule) {
		writer->failed = true;
		return;
	}
	writer->failed =
		nftnl_rule_set_str(writer->rule, NFTNL_RULE_TABLE, NFT_GATE_TABLE) < 0 ||
		nftnl_rule_set_str(writer->rule, NFTNL_RULE_CHAIN, ruleset->tables[table].chains.items[chain].name) < 0;
}

static void comment_set(struct nft_rule_writer *writer, const char *comment)
{
	uint8_t data[2 + NFTNL_UDATA_COMMENT_MAXLEN];
	size_t length = strnlen(comment, NFTNL_UDATA_COMMENT_MAXLEN - 1);

	data[0] = NFTNL_UDATA_RULE_COMMENT;
	data[1] = (uint8_t)(length + 1);
	memcpy(data + 2, comment, length);
	data[2 + length] = '\0';
	if (nftnl_rule_set_data(writer->rule, NFTNL_RULE_USERDATA, data, (uint32_t)length + 3) < 0)
		writer->failed = true;
}

/* Takes the attributes of the message that libnftnl writes. Our rules have at most a dozen expressions: far from
 * filling the buffer, which libnftnl itself does not look at. */
static void rule_store(struct nft_rule_writer *writer, const char *origin)
{
	uint8_t buffer[NFT_MESSAGE_MAX / 4];
	struct nlmsghdr *message =
		nftnl_nlmsg_build_hdr((char *)buffer, NFT_MSG_NEWRULE, nft_table_family[writer->table], 0, 0);
	size_t header = mnl_nlmsg_size(sizeof(struct nfgenmsg));
	struct nft_chain *chain = &writer->ruleset->tables[writer->table].chains.items[writer->chain];
	struct nft_rule *rule;

	nftnl_rule_nlmsg_build_payload(message, writer->rule);
	rule = array_append(&chain->rules);
	if (rule) {
		rule->size = (uint32_t)(message->nlmsg_len - header);
		rule->attrs = malloc(rule->size);
		rule->origin = origin ? strdup(origin) : NULL;
	}
	if (!rule || !rule->attrs || (origin && !rule->origin))
		writer->failed = true;
	else
		memcpy(rule->attrs, buffer + header, rule->size);
}

void nft_rule_end(struct nft_rule_writer *writer, const char *comment, const char *origin)
{
	if (!writer->failed && comment)
		comment_set(writer, comment);
	if (!writer->failed)
		rule_store(writer, origin);
	if (writer->rule)
		nftnl_rule_free(writer->rule);
	if (writer->failed)
		writer->ruleset->failed = true;
	writer->rule = NULL;
}

/* ---- Expressions. All but allocation can't fail, or sets data that is copied (checked). ---- */

static struct nftnl_expr *expr_add(struct nft_rule_writer *writer, const char *name)
{
	struct nftnl_expr *expr = writer->failed ? NULL : nftnl_expr_alloc(name);

	if (expr)
		nftnl_rule_add_expr(writer->rule, expr);
	else
		writer->failed = true;
	return expr;
}

static void expr_data(struct nft_rule_writer *writer, struct nftnl_expr *expr, uint16_t attr, const void *data,
		      uint32_t size)
{
	if (nftnl_expr_set(expr, attr, data, size) < 0)
		writer->failed = true;
}

static void expr_text(struct nft_rule_writer *writer, struct nftnl_expr *expr, uint16_t attr, const char *text)
{
	expr_data(writer, expr, attr, text, (uint32_t)strlen(text) + 1);
}

static void meta_load_to(struct nft_rule_writer *writer, uint32_t key, uint32_t reg)
{
	struct nftnl_expr *expr = expr_add(writer, "meta");

	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_META_KEY, key);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_META_DREG, reg);
}

static void meta_load(struct nft_rule_writer *writer, uint32_t key)
{
	meta_load_to(writer, key, REG_FIRST);
}

static void ct_load(struct nft_rule_writer *writer, uint32_t key)
{
	struct nftnl_expr *expr = expr_add(writer, "ct");

	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_CT_KEY, key);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_CT_DREG, REG_FIRST);
}

static void payload_load(struct nft_rule_writer *writer, uint32_t base, uint32_t offset, uint32_t length, uint32_t reg)
{
	struct nftnl_expr *expr = expr_add(writer, "payload");

	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_BASE, base);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_LEN, length);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_DREG, reg);
}

static void compare(struct nft_rule_writer *writer, uint32_t op, const void *data, uint32_t size)
{
	struct nftnl_expr *expr = expr_add(writer, "cmp");

	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_CMP_SREG, REG_FIRST);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_CMP_OP, op);
	expr_data(writer, expr, NFTNL_EXPR_CMP_DATA, data, size);
}

/* register = (register & mask) ^ xor */
static void bitwise_at(struct nft_rule_writer *writer, const void *mask, const void * xor, uint32_t size, uint32_t reg)
{
	struct nftnl_expr *expr = expr_add(writer, "bitwise");

	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_SREG, reg);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_DREG, reg);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_OP, NFT_BITWISE_BOOL);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_LEN, size);
	expr_data(writer, expr, NFTNL_EXPR_BITWISE_MASK, mask, size);
	expr_data(writer, expr, NFTNL_EXPR_BITWISE_XOR, xor, size);
}

static void bitwise(struct nft_rule_writer *writer, const void *mask, const void * xor, uint32_t size)
{
	bitwise_at(writer, mask, xor, size, REG_FIRST);
}

/* Registers compare as bytes: numbers in host order must be turned for < and >. */
static void to_network_order(struct nft_rule_writer *writer, uint32_t size)
{
	struct nftnl_expr *expr = expr_add(writer, "byteorder");

	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_BYTEORDER_SREG, REG_FIRST);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_BYTEORDER_DREG, REG_FIRST);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_BYTEORDER_OP, NFT_BYTEORDER_HTON);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_BYTEORDER_LEN, size);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_BYTEORDER_SIZE, size);
}

static struct nftnl_expr *lookup(struct nft_rule_writer *writer, const char *set)
{
	struct nftnl_expr *expr = expr_add(writer, "lookup");

	if (!expr)
		return NULL;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_SREG, REG_FIRST);
	expr_text(writer, expr, NFTNL_EXPR_LOOKUP_SET, set);
	return expr;
}

static void lookup_set(struct nft_rule_writer *writer, bool not, const char *set)
{
	struct nftnl_expr *expr = lookup(writer, set);

	if (expr && not )
		nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
}

static void lookup_verdict(struct nft_rule_writer *writer, const char *map)
{
	struct nftnl_expr *expr = lookup(writer, map);

	if (expr)
		nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_DREG, NFT_REG_VERDICT);
}

/* ---- Matches ---- */

void nft_rule_kind(struct nft_rule_writer *writer, bool output, const char *kind)
{
	char padded[IFNAMSIZ] = {0};

	memcpy(padded, kind, strnlen(kind, sizeof(padded) - 1));
	meta_load(writer, output ? NFT_META_OIFKIND : NFT_META_IIFKIND);
	compare(writer, NFT_CMP_EQ, padded, sizeof(padded));
}

void nft_rule_interface(struct nft_rule_writer *writer, bool output, uint32_t ifindex)
{
	meta_load(writer, output ? NFT_META_OIF : NFT_META_IIF);
	compare(writer, NFT_CMP_EQ, &ifindex, sizeof(ifindex));
}

void nft_rule_interface_in(struct nft_rule_writer *writer, bool output, bool not, const char *set)
{
	meta_load(writer, output ? NFT_META_OIF : NFT_META_IIF);
	lookup_set(writer, not, set);
}

void nft_rule_interface_name_in(struct nft_rule_writer *writer, bool not, const char *set)
{
	meta_load(writer, NFT_META_IIFNAME);
	lookup_set(writer, not, set);
}

void nft_rule_mark(struct nft_rule_writer *writer, uint32_t mask, enum nft_cmp_ops op, uint32_t value)
{
	uint32_t zero = 0, turned = htonl(value);
	bool ordered = op != NFT_CMP_EQ && op != NFT_CMP_NEQ;

	meta_load(writer, NFT_META_MARK);
	bitwise(writer, &mask, &zero, sizeof(mask));
	if (ordered)
		to_network_order(writer, sizeof(mask));
	compare(writer, op, ordered ? &turned : &value, sizeof(value));
}

void nft_rule_load_stamp_at(struct nft_rule_writer *writer, uint32_t mask, uint32_t word)
{
	uint32_t zero = 0, reg = word ? REG_WORD(word) : REG_FIRST;

	meta_load_to(writer, NFT_META_MARK, reg);
	bitwise_at(writer, &mask, &zero, sizeof(mask), reg);
}

void nft_rule_stamp_in(struct nft_rule_writer *writer, uint32_t mask, bool not, const char *set)
{
	nft_rule_load_stamp_at(writer, mask, 0);
	lookup_set(writer, not, set);
}

void nft_rule_socket(struct nft_rule_writer *writer)
{
	uint32_t lowest = 0;

	/* Every user is >= 0: what matters is that `skuid` ends the rule when no process holds the socket. */
	meta_load(writer, NFT_META_SKUID);
	to_network_order(writer, sizeof(lowest));
	compare(writer, NFT_CMP_GTE, &lowest, sizeof(lowest));
}

void nft_rule_routed(struct nft_rule_writer *writer)
{
	uint32_t none = UINT32_MAX;

	/* Likewise: no realm is that high, but the rule ends where there is no route to ask for one. */
	meta_load(writer, NFT_META_RTCLASSID);
	compare(writer, NFT_CMP_NEQ, &none, sizeof(none));
}

void nft_rule_source_mac_in(struct nft_rule_writer *writer, bool not, const char *set)
{
	payload_load(writer, NFT_PAYLOAD_LL_HEADER, ETH_ALEN, ETH_ALEN, REG_FIRST);
	lookup_set(writer, not, set);
}

void nft_rule_link_local_group(struct nft_rule_writer *writer)
{
	static const uint8_t mask[ETH_ALEN] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xf0};
	static const uint8_t group[ETH_ALEN] = {0x01, 0x80, 0xc2, 0x00, 0x00, 0x00};
	static const uint8_t zero[ETH_ALEN];

	payload_load(writer, NFT_PAYLOAD_LL_HEADER, 0, ETH_ALEN, REG_FIRST);
	bitwise(writer, mask, zero, ETH_ALEN);
	compare(writer, NFT_CMP_EQ, group, ETH_ALEN);
}

void nft_rule_protocol(struct nft_rule_writer *writer, uint8_t protocol)
{
	meta_load(writer, NFT_META_L4PROTO);
	compare(writer, NFT_CMP_EQ, &protocol, sizeof(protocol));
}

void nft_rule_family(struct nft_rule_writer *writer, uint8_t nfproto)
{
	meta_load(writer, NFT_META_NFPROTO);
	compare(writer, NFT_CMP_EQ, &nfproto, sizeof(nfproto));
}

void nft_rule_ethertype(struct nft_rule_writer *writer, uint16_t ethertype)
{
	uint16_t turned = htons(ethertype);

	meta_load(writer, NFT_META_PROTOCOL);
	compare(writer, NFT_CMP_EQ, &turned, sizeof(turned));
}

/* Where the addresses stand in the headers: RFC 791, RFC 8200. */
static void address_load(struct nft_rule_writer *writer, uint8_t nfproto, bool destination, uint32_t reg)
{
	if (nfproto == NFPROTO_IPV4)
		payload_load(writer, NFT_PAYLOAD_NETWORK_HEADER, destination ? 16 : 12, 4, reg);
	else
		payload_load(writer, NFT_PAYLOAD_NETWORK_HEADER, destination ? 24 : 8, 16, reg);
}

void nft_rule_address_in(struct nft_rule_writer *writer, uint8_t nfproto, bool destination, const char *set)
{
	address_load(writer, nfproto, destination, REG_FIRST);
	lookup_set(writer, false, set);
}

void nft_rule_original_in(struct nft_rule_writer *writer, uint8_t nfproto, const char *set)
{
	struct nftnl_expr *expr = expr_add(writer, "ct");

	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_CT_KEY, nfproto == NFPROTO_IPV4 ? NFT_CT_DST_IP : NFT_CT_DST_IP6);
	nftnl_expr_set_u8(expr, NFTNL_EXPR_CT_DIR, 0); /* IP_CT_DIR_ORIGINAL */
	nftnl_expr_set_u32(expr, NFTNL_EXPR_CT_DREG, REG_FIRST);
	lookup_set(writer, false, set);
}

void nft_rule_way_in(struct nft_rule_writer *writer, uint8_t nfproto, bool not, const char *set)
{
	meta_load(writer, NFT_META_OIF);
	address_load(writer, nfproto, true, REG_SECOND);
	lookup_set(writer, not, set);
}

void nft_rule_ports(struct nft_rule_writer *writer, uint16_t source, uint16_t destination)
{
	uint16_t ports[2] = {htons(source), htons(destination)};

	payload_load(writer, NFT_PAYLOAD_TRANSPORT_HEADER, 0, sizeof(ports), REG_FIRST);
	compare(writer, NFT_CMP_EQ, ports, sizeof(ports));
}

void nft_rule_type(struct nft_rule_writer *writer, uint8_t low, uint8_t high)
{
	payload_load(writer, NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1, REG_FIRST);
	if (low == high) {
		compare(writer, NFT_CMP_EQ, &low, 1);
	} else {
		compare(writer, NFT_CMP_GTE, &low, 1);
		compare(writer, NFT_CMP_LTE, &high, 1);
	}
}

void nft_rule_before(struct nft_rule_writer *writer, uint64_t epoch_ns)
{
	uint64_t turned = htobe64(epoch_ns);

	meta_load(writer, NFT_META_TIME_NS);
	to_network_order(writer, sizeof(turned));
	compare(writer, NFT_CMP_LT, &turned, sizeof(turned));
}

void nft_rule_reply(struct nft_rule_writer *writer)
{
	uint8_t reply = 1; /* IP_CT_DIR_REPLY */

	ct_load(writer, NFT_CT_DIRECTION);
	compare(writer, NFT_CMP_EQ, &reply, sizeof(reply));
}

void nft_rule_state(struct nft_rule_writer *writer, uint32_t states)
{
	uint32_t zero = 0;

	ct_load(writer, NFT_CT_STATE);
	bitwise(writer, &states, &zero, sizeof(states));
	compare(writer, NFT_CMP_NEQ, &zero, sizeof(zero));
}

void nft_rule_ethernet(struct nft_rule_writer *writer)
{
	uint16_t ether = ARPHRD_ETHER;

	meta_load(writer, NFT_META_IIFTYPE);
	compare(writer, NFT_CMP_EQ, &ether, sizeof(ether));
}

static struct nftnl_expr *limit_make(bool answer)
{
	struct nftnl_expr *expr = nftnl_expr_alloc("limit");

	if (!expr)
		return NULL;
	nftnl_expr_set_u64(expr, NFTNL_EXPR_LIMIT_RATE, answer ? BH_ANSWERS_PER_SECOND : BH_EVENT_PER_SECOND);
	nftnl_expr_set_u64(expr, NFTNL_EXPR_LIMIT_UNIT, 1);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_LIMIT_BURST, answer ? BH_ANSWERS_BURST : BH_EVENT_BURST);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_LIMIT_TYPE, NFT_LIMIT_PKTS);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_LIMIT_FLAGS, 0);
	return expr;
}

/* Takes `stateful`; NULL: memory is short. */
static void set_update(struct nft_rule_writer *writer, const char *set, uint32_t operation, struct nftnl_expr *stateful)
{
	struct nftnl_expr *expr = stateful ? expr_add(writer, "dynset") : NULL;

	if (!expr) {
		if (stateful)
			nftnl_expr_free(stateful);
		writer->failed = true;
		return;
	}
	nftnl_expr_set_u32(expr, NFTNL_EXPR_DYNSET_SREG_KEY, REG_FIRST);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_DYNSET_OP, operation);
	expr_text(writer, expr, NFTNL_EXPR_DYNSET_SET_NAME, set);
	nftnl_expr_add_expr(expr, NFTNL_EXPR_DYNSET_EXPR, stateful);
}

void nft_rule_seldom(struct nft_rule_writer *writer)
{
	struct nftnl_expr *limit = writer->failed ? NULL : limit_make(true);

	if (limit)
		nftnl_rule_add_expr(writer->rule, limit);
	else
		writer->failed = true;
}

void nft_rule_sample(struct nft_rule_writer *writer, enum nft_sample sample)
{
	static const char *const sets[] = {
		[NFT_SAMPLE_INPUT] = NFT_SET_REPORTED,
		[NFT_SAMPLE_OUTPUT] = NFT_SET_REPORTED,
		[NFT_SAMPLE_SENDER] = NFT_SET_REPORTED_SENDERS,
		[NFT_SAMPLE_ANSWER] = NFT_SET_ANSWERED,
	};

	if (sample == NFT_SAMPLE_SENDER || sample == NFT_SAMPLE_ANSWER) {
		nft_rule_ethernet(writer);
		payload_load(writer, NFT_PAYLOAD_LL_HEADER, ETH_ALEN, ETH_ALEN, REG_FIRST);
	} else {
		meta_load(writer, sample == NFT_SAMPLE_OUTPUT ? NFT_META_OIF : NFT_META_IIF);
	}
	set_update(writer, sets[sample], NFT_DYNSET_OP_UPDATE, limit_make(sample == NFT_SAMPLE_ANSWER));
}

static struct nftnl_expr *connlimit_fill(struct nftnl_expr *expr, uint32_t most)
{
	if (!expr)
		return NULL;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_CONNLIMIT_COUNT, most);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_CONNLIMIT_FLAGS, NFT_CONNLIMIT_F_INV);
	return expr;
}

void nft_rule_connections(struct nft_rule_writer *writer, uint32_t most, const char *set)
{
	if (set)
		set_update(writer, set, NFT_DYNSET_OP_ADD, connlimit_fill(nftnl_expr_alloc("connlimit"), most));
	else
		connlimit_fill(expr_add(writer, "connlimit"), most);
}

void nft_rule_load_link(struct nft_rule_writer *writer, bool output)
{
	meta_load(writer, output ? NFT_META_OIF : NFT_META_IIF);
}

void nft_rule_load(struct nft_rule_writer *writer, enum nft_payload_bases base, uint32_t offset, uint32_t length,
		   uint32_t word)
{
	payload_load(writer, base, offset, length, word ? REG_WORD(word) : REG_FIRST);
}

void nft_rule_in(struct nft_rule_writer *writer, bool not, const char *set)
{
	lookup_set(writer, not, set);
}

void nft_rule_compare(struct nft_rule_writer *writer, enum nft_cmp_ops op, const void *data, uint32_t size)
{
	compare(writer, op, data, size);
}

void nft_rule_under(struct nft_rule_writer *writer, const void *mask, uint32_t size)
{
	static const uint8_t zero[16];

	bitwise(writer, mask, zero, size);
}

static void header_exists(struct nft_rule_writer *writer, enum nft_exthdr_op op, uint8_t type)
{
	struct nftnl_expr *expr = expr_add(writer, "exthdr");
	uint8_t yes = 1;

	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_EXTHDR_DREG, REG_FIRST);
	nftnl_expr_set_u8(expr, NFTNL_EXPR_EXTHDR_TYPE, type);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_EXTHDR_OFFSET, 0);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_EXTHDR_LEN, 1);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_EXTHDR_OP, op);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_EXTHDR_FLAGS, NFT_EXTHDR_F_PRESENT);
	compare(writer, NFT_CMP_EQ, &yes, sizeof(yes));
}

void nft_rule_extension(struct nft_rule_writer *writer, uint8_t header)
{
	header_exists(writer, NFT_EXTHDR_OP_IPV6, header);
}

void nft_rule_option(struct nft_rule_writer *writer, uint8_t option)
{
	header_exists(writer, NFT_EXTHDR_OP_IPV4, option);
}

/* ---- Statements ---- */

static void mark_set(struct nft_rule_writer *writer)
{
	struct nftnl_expr *expr = expr_add(writer, "meta");

	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_META_KEY, NFT_META_MARK);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_META_SREG, REG_FIRST);
}

void nft_rule_mark_by_interface(struct nft_rule_writer *writer, const char *map)
{
	struct nftnl_expr *expr;

	meta_load(writer, NFT_META_IIF);
	expr = lookup(writer, map);
	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_DREG, REG_FIRST);
	mark_set(writer);
}

void nft_rule_stamp(struct nft_rule_writer *writer, uint32_t mask, uint32_t value)
{
	uint32_t keep = ~mask;

	meta_load(writer, NFT_META_MARK);
	bitwise(writer, &keep, &value, sizeof(keep));
	mark_set(writer);
}

void nft_rule_counter(struct nft_rule_writer *writer, const char *name)
{
	struct nftnl_expr *expr = expr_add(writer, "objref");

	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_OBJREF_IMM_TYPE, NFT_OBJECT_COUNTER);
	expr_text(writer, expr, NFTNL_EXPR_OBJREF_IMM_NAME, name);
}

void nft_rule_log(struct nft_rule_writer *writer, const char *prefix, uint16_t group, uint32_t snaplen)
{
	struct nftnl_expr *expr = expr_add(writer, "log");

	if (!expr)
		return;
	expr_text(writer, expr, NFTNL_EXPR_LOG_PREFIX, prefix);
	nftnl_expr_set_u16(expr, NFTNL_EXPR_LOG_GROUP, group);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_LOG_SNAPLEN, snaplen);
	/* One packet, one message: the witness is not to wait for a full batch. */
	nftnl_expr_set_u16(expr, NFTNL_EXPR_LOG_QTHRESHOLD, 1);
}

void nft_rule_reject(struct nft_rule_writer *writer, bool reset)
{
	struct nftnl_expr *expr = expr_add(writer, "reject");

	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_REJECT_TYPE, reset ? NFT_REJECT_TCP_RST : NFT_REJECT_ICMPX_UNREACH);
	nftnl_expr_set_u8(expr, NFTNL_EXPR_REJECT_CODE, reset ? 0 : NFT_REJECT_ICMPX_ADMIN_PROHIBITED);
}

void nft_rule_verdict(struct nft_rule_writer *writer, int verdict, const char *chain)
{
	struct nftnl_expr *expr = expr_add(writer, "immediate");

	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_IMM_VERDICT, (uint32_t)verdict);
	if (chain)
		expr_text(writer, expr, NFTNL_EXPR_IMM_CHAIN, chain);
}

void nft_rule_map_mark(struct nft_rule_writer *writer, uint32_t mask, const char *map)
{
	uint32_t zero = 0;

	meta_load(writer, NFT_META_MARK);
	bitwise(writer, &mask, &zero, sizeof(mask));
	lookup_verdict(writer, map);
}

/* Protocol and port, from this word on. */
static void service_load(struct nft_rule_writer *writer, uint32_t word, bool answers)
{
	meta_load_to(writer, NFT_META_L4PROTO, word ? REG_WORD(word) : REG_FIRST);
	payload_load(writer, NFT_PAYLOAD_TRANSPORT_HEADER, answers ? 0 : 2, 2, REG_WORD(word + 1));
}

void nft_rule_map_ports(struct nft_rule_writer *writer, const char *map, bool answers)
{
	service_load(writer, 0, answers);
	lookup_verdict(writer, map);
}

void nft_rule_map_family_ports(struct nft_rule_writer *writer, const char *map, bool answers)
{
	meta_load(writer, NFT_META_NFPROTO);
	service_load(writer, 1, answers);
	lookup_verdict(writer, map);
}

void nft_rule_map_address_ports(struct nft_rule_writer *writer, uint8_t nfproto, const char *map, bool answers)
{
	address_load(writer, nfproto, !answers, REG_FIRST);
	service_load(writer, nfproto == NFPROTO_IPV4 ? 1 : 4, answers);
	lookup_verdict(writer, map);
}

struct nftnl_expr *nft_rule_expr(struct nft_rule_writer *writer, const char *name)
{
	return expr_add(writer, name);
}

void nft_rule_by_map(struct nft_rule_writer *writer, const char *map)
{
	lookup_verdict(writer, map);
}

void nft_rule_map_types(struct nft_rule_writer *writer, uint8_t protocol, const char *map)
{
	/* Each for its own family: ICMPv6 in IPv4 is a protocol like any other. */
	nft_rule_family(writer, protocol == IPPROTO_ICMP ? NFPROTO_IPV4 : NFPROTO_IPV6);
	nft_rule_protocol(writer, protocol);
	payload_load(writer, NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1, REG_FIRST);
	payload_load(writer, NFT_PAYLOAD_TRANSPORT_HEADER, 1, 1, REG_SECOND);
	lookup_verdict(writer, map);
}

void nft_rule_map_protocol(struct nft_rule_writer *writer, const char *map)
{
	meta_load(writer, NFT_META_L4PROTO);
	lookup_verdict(writer, map);
}
