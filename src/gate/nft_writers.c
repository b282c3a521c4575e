/* SPDX-License-Identifier: GPL-2.0-only */
/* Rules of others that may change a stamp: those that write all of a packet's mark, or bits of it that are ours. They
 * are found and told, never touched. Rules of the old x_tables (iptables-legacy) can't be seen here. */
#include <errno.h>
#include <linux/netfilter/xt_connmark.h>
#include <linux/netfilter/xt_mark.h>
#include <stdlib.h>
#include <string.h>

#include "gate/nft_private.h"

/* Who is known to use which bits (their documents). */
static const struct {
	uint32_t bits;
	const char *name;
} known_users[] = {
	{0x00ff0000, "Tailscale"},  {0xffff0000, "Calico"},	{0x00000f00, "Cilium"},
	{0x00004000, "Kubernetes"}, {0x00008000, "Kubernetes"},
};

struct search {
	uint32_t mask;
	json_t *found;
	size_t left_out;
};

/* What is known of a register while a rule is read: which bits of the packet's own mark it still has. */
struct registers {
	uint32_t changed[32]; /* by register number: bits that are not the packet's mark any more */
};

static uint32_t *changed_of(struct registers *registers, uint32_t number)
{
	return &registers->changed[number & 31];
}

static void read_bitwise(struct registers *registers, const struct nftnl_expr *expr)
{
	uint32_t from = nftnl_expr_get_u32(expr, NFTNL_EXPR_BITWISE_SREG), size = 0;
	uint32_t to = nftnl_expr_get_u32(expr, NFTNL_EXPR_BITWISE_DREG), mask = 0, xor = 0;
	const void *data;

	data = nftnl_expr_get(expr, NFTNL_EXPR_BITWISE_MASK, &size);
	if (data && size == sizeof(mask))
		memcpy(&mask, data, size);
	data = nftnl_expr_get(expr, NFTNL_EXPR_BITWISE_XOR, &size);
	if (data && size == sizeof(xor))
		memcpy(&xor, data, size);
	*changed_of(registers, to) = *changed_of(registers, from) | ~mask | xor;
}

/* iptables' targets, as the nf_tables variant writes them. */
static uint32_t read_target(const struct nftnl_expr *expr)
{
	const char *name = nftnl_expr_get_str(expr, NFTNL_EXPR_TG_NAME);
	uint32_t size = 0, revision = nftnl_expr_get_u32(expr, NFTNL_EXPR_TG_REV);
	const void *info = nftnl_expr_get(expr, NFTNL_EXPR_TG_INFO, &size);
	struct xt_mark_tginfo2 mark;
	struct xt_connmark_tginfo1 connmark;
	struct xt_connmark_tginfo2 shifted;

	if (!name || !info)
		return 0;
	if (strcmp(name, "MARK") == 0 && revision == 2 && size >= sizeof(mark)) {
		memcpy(&mark, info, sizeof(mark));
		return mark.mask | mark.mark;
	}
	if (strcmp(name, "CONNMARK") == 0 && revision == 1 && size >= sizeof(connmark)) {
		memcpy(&connmark, info, sizeof(connmark));
		return connmark.mode == XT_CONNMARK_RESTORE ? connmark.nfmask : 0;
	}
	if (strcmp(name, "CONNMARK") == 0 && revision == 2 && size >= sizeof(shifted)) {
		memcpy(&shifted, info, sizeof(shifted));
		return shifted.mode == XT_CONNMARK_RESTORE ? shifted.nfmask : 0;
	}
	return 0;
}

/* The bits of the mark that a rule may change. */
static uint32_t rule_writes(struct nftnl_rule *rule)
{
	struct nftnl_expr_iter *iter = nftnl_expr_iter_create(rule);
	struct registers registers;
	struct nftnl_expr *expr;
	uint32_t writes = 0;

	memset(&registers, 0xff, sizeof(registers));
	while (iter && (expr = nftnl_expr_iter_next(iter))) {
		const char *name = nftnl_expr_get_str(expr, NFTNL_EXPR_NAME);

		if (strcmp(name, "target") == 0) {
			writes |= read_target(expr);
		} else if (strcmp(name, "bitwise") == 0) {
			read_bitwise(&registers, expr);
		} else if (strcmp(name, "meta") == 0) {
			bool mark = nftnl_expr_get_u32(expr, NFTNL_EXPR_META_KEY) == NFT_META_MARK;

			if (!nftnl_expr_is_set(expr, NFTNL_EXPR_META_SREG))
				*changed_of(&registers, nftnl_expr_get_u32(expr, NFTNL_EXPR_META_DREG)) =
					mark ? 0 : ~0u;
			else if (mark)
				writes |= *changed_of(&registers, nftnl_expr_get_u32(expr, NFTNL_EXPR_META_SREG));
		} else if (strcmp(name, "ct") == 0 && nftnl_expr_is_set(expr, NFTNL_EXPR_CT_DREG)) {
			*changed_of(&registers, nftnl_expr_get_u32(expr, NFTNL_EXPR_CT_DREG)) = ~0u;
		} else if (strcmp(name, "immediate") == 0) {
			*changed_of(&registers, nftnl_expr_get_u32(expr, NFTNL_EXPR_IMM_DREG)) = ~0u;
		} else if (strcmp(name, "payload") == 0) {
			*changed_of(&registers, nftnl_expr_get_u32(expr, NFTNL_EXPR_PAYLOAD_DREG)) = ~0u;
		}
	}
	if (iter)
		nftnl_expr_iter_destroy(iter);
	return writes;
}

static const char *user_of(uint32_t bits)
{
	for (size_t i = 0; i < sizeof(known_users) / sizeof(*known_users); i++) {
		if (bits == known_users[i].bits)
			return known_users[i].name;
	}
	return NULL;
}

static int writer_add(struct search *search, struct nftnl_rule *rule, uint8_t family, uint32_t bits)
{
	const char *user = user_of(bits);
	char text[16];
	json_t *writer;

	snprintf(text, sizeof(text), "0x%08x", bits);
	writer = json_pack("{s:s, s:s, s:s, s:I, s:s}", "family", nft_family_name(family), "table",
			   nftnl_rule_get_str(rule, NFTNL_RULE_TABLE), "chain",
			   nftnl_rule_get_str(rule, NFTNL_RULE_CHAIN), "handle",
			   (json_int_t)nftnl_rule_get_u64(rule, NFTNL_RULE_HANDLE), "bits", text);
	if (!writer || (user && json_object_set_new(writer, "known_as", json_string(user)) < 0)) {
		json_decref(writer);
		return -ENOMEM;
	}
	return json_array_append_new(search->found, writer) < 0 ? -ENOMEM : 0;
}

static int rule_answer(void *arg, const struct nlmsghdr *answer)
{
	const struct nfgenmsg *header = mnl_nlmsg_get_payload(answer);
	struct nftnl_rule *rule = nftnl_rule_alloc();
	struct search *search = arg;
	const char *table;
	uint32_t writes;
	int rc = 0;

	if (!rule)
		return -ENOMEM;
	/* What libnftnl can't read (a newer expression) is not ours to judge: the rest of the ruleset is. */
	if (nftnl_rule_nlmsg_parse(answer, rule) >= 0) {
		table = nftnl_rule_get_str(rule, NFTNL_RULE_TABLE);
		writes = rule_writes(rule);
		if (!table || strcmp(table, NFT_GATE_TABLE) == 0 || !(writes & search->mask))
			rc = 0;
		else if (json_array_size(search->found) < NFT_WRITERS_MAX)
			rc = writer_add(search, rule, header->nfgen_family, writes);
		else
			search->left_out++;
	}
	nftnl_rule_free(rule);
	return rc;
}

json_t *nft_writers_find(struct nft_link *link, uint32_t mask, size_t *ret_left_out)
{
	struct search search = {.mask = mask};
	uint8_t buffer[64];
	int rc = -EINTR;

	for (int i = 0; i < NFT_DUMP_TRIES && rc == -EINTR; i++) {
		json_decref(search.found);
		search.found = json_array();
		search.left_out = 0;
		rc = search.found ? nft_link_query(link,
						   nft_query_begin(buffer, NFT_MSG_GETRULE, NFPROTO_UNSPEC, NLM_F_DUMP),
						   rule_answer, &search)
				  : -ENOMEM;
	}
	if (rc < 0) {
		json_decref(search.found);
		return NULL;
	}
	*ret_left_out = search.left_out;
	return search.found;
}
