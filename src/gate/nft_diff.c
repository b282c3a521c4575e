/* SPDX-License-Identifier: GPL-2.0-only */
/* The difference of two rulesets, as commands of one transaction. */
#include <endian.h>
#include <libnftnl/udata.h>
#include <string.h>

#include "gate/nft_model.h"
#include "gate/nft_rule.h"

struct diff {
	struct nft_batch *batch;
	enum nft_table_index index;
	uint8_t family;
	const char *family_name;
	const struct nft_table *from; /* NULL: nothing is there */
	const struct nft_table *to;
};

static void command(const struct diff *diff, const char *verb, const char *name, const char *origin)
{
	nft_batch_command(diff->batch, verb, diff->family_name, name, origin);
}

static struct nlmsghdr *message(const struct diff *diff, uint16_t type, uint16_t flags)
{
	return nft_batch_message(diff->batch, type, diff->family, flags);
}

static void message_done(const struct diff *diff, const struct nlmsghdr *nlh)
{
	nft_batch_close(diff->batch, nlh);
}

void nft_table_put(struct nft_batch *batch, uint16_t type, enum nft_table_index table, uint32_t flags)
{
	const char *verb = type == NFT_MSG_NEWTABLE ? "making table" : "removing table";
	struct nlmsghdr *nlh;

	nft_batch_command(batch, verb, nft_family_name(nft_table_family[table]), NFT_GATE_TABLE, NULL);
	nlh = nft_batch_message(batch, type, nft_table_family[table], NLM_F_CREATE);
	mnl_attr_put_strz(nlh, NFTA_TABLE_NAME, NFT_GATE_TABLE);
	if (type == NFT_MSG_NEWTABLE)
		mnl_attr_put_u32(nlh, NFTA_TABLE_FLAGS, htonl(flags));
	nft_batch_close(batch, nlh);
}

/* A comment as nft(8) stores it: type, length, text with its NUL. */
static void comment_put(struct nlmsghdr *nlh, uint16_t attr, uint8_t type, const char *comment, const uint8_t *before,
			size_t before_size)
{
	uint8_t data[NFT_MESSAGE_MAX / 128];
	size_t length = comment ? strnlen(comment, 127) : 0;

	if (before_size)
		memcpy(data, before, before_size);
	if (length) {
		data[before_size] = type;
		data[before_size + 1] = (uint8_t)(length + 1);
		memcpy(data + before_size + 2, comment, length);
		data[before_size + 2 + length] = '\0';
		before_size += length + 3;
	}
	if (before_size)
		mnl_attr_put(nlh, attr, before_size, data);
}

static void counter_write(const struct diff *diff, uint16_t type, const struct nft_counter *counter)
{
	struct nlmsghdr *nlh;
	struct nlattr *nest;

	command(diff, type == NFT_MSG_NEWOBJ ? "adding counter" : "removing counter", counter->name, NULL);
	nlh = message(diff, type, type == NFT_MSG_NEWOBJ ? NLM_F_CREATE : 0);
	mnl_attr_put_strz(nlh, NFTA_OBJ_TABLE, NFT_GATE_TABLE);
	mnl_attr_put_strz(nlh, NFTA_OBJ_NAME, counter->name);
	mnl_attr_put_u32(nlh, NFTA_OBJ_TYPE, htonl(NFT_OBJECT_COUNTER));
	if (type == NFT_MSG_NEWOBJ) {
		nest = mnl_attr_nest_start(nlh, NFTA_OBJ_DATA);
		mnl_attr_put_u64(nlh, NFTA_COUNTER_PACKETS, htobe64(counter->packets));
		mnl_attr_put_u64(nlh, NFTA_COUNTER_BYTES, htobe64(counter->bytes));
		mnl_attr_nest_end(nlh, nest);
		comment_put(nlh, NFTA_OBJ_USERDATA, NFTNL_UDATA_OBJ_COMMENT, counter->comment, NULL, 0);
	}
	message_done(diff, nlh);
}

static void set_delete(const struct diff *diff, const struct nft_set *set)
{
	struct nlmsghdr *nlh;

	command(diff, "removing set", set->name, NULL);
	nlh = message(diff, NFT_MSG_DELSET, 0);
	mnl_attr_put_strz(nlh, NFTA_SET_TABLE, NFT_GATE_TABLE);
	mnl_attr_put_strz(nlh, NFTA_SET_NAME, set->name);
	message_done(diff, nlh);
}

uint32_t nft_set_flags(const struct nft_set *set)
{
	return (set->kind == NFT_SET_PLAIN ? 0 : NFT_SET_MAP) | (set->interval ? NFT_SET_INTERVAL : 0) |
	       (set->fields[0] ? NFT_SET_CONCAT : 0) | (set->samples ? NFT_SET_EVAL | NFT_SET_TIMEOUT : 0) |
	       (set->counts ? NFT_SET_EVAL : 0);
}

static void set_describe_fields(struct nlmsghdr *nlh, const struct nft_set *set)
{
	struct nlattr *description = mnl_attr_nest_start(nlh, NFTA_SET_DESC);
	struct nlattr *concat = mnl_attr_nest_start(nlh, NFTA_SET_DESC_CONCAT);

	for (size_t i = 0; i < 2; i++) {
		struct nlattr *field = mnl_attr_nest_start(nlh, NFTA_LIST_ELEM);

		mnl_attr_put_u32(nlh, NFTA_SET_FIELD_LEN, htonl(set->fields[i]));
		mnl_attr_nest_end(nlh, field);
	}
	mnl_attr_nest_end(nlh, concat);
	mnl_attr_nest_end(nlh, description);
}

static void set_write(const struct diff *diff, const struct nft_set *set)
{
	/* nft(8) reads the byte order of keys (1: host, 2: network) and of a map's marks from here. */
	uint8_t userdata[12 + NFT_TYPEOF_MAX] = {NFTNL_UDATA_SET_KEYBYTEORDER, 4},
			      marks[6] = {NFTNL_UDATA_SET_DATABYTEORDER, 4};
	uint32_t order = set->host_order ? 1 : 2, host = 1;
	size_t size = 6;
	struct nlmsghdr *nlh;

	memcpy(userdata + 2, &order, 4);
	memcpy(marks + 2, &host, 4);
	if (set->kind == NFT_SET_MARKS) {
		memcpy(userdata + 6, marks, 6);
		size = 12;
	}
	if (set->raw.length)
		size += nft_typeof_write(set, userdata + size);
	command(diff, "adding set", set->name, NULL);
	nlh = message(diff, NFT_MSG_NEWSET, NLM_F_CREATE);
	mnl_attr_put_strz(nlh, NFTA_SET_TABLE, NFT_GATE_TABLE);
	mnl_attr_put_strz(nlh, NFTA_SET_NAME, set->name);
	mnl_attr_put_u32(nlh, NFTA_SET_ID, htonl(1));
	mnl_attr_put_u32(nlh, NFTA_SET_FLAGS, htonl(nft_set_flags(set)));
	mnl_attr_put_u32(nlh, NFTA_SET_KEY_TYPE, htonl(set->key_type));
	mnl_attr_put_u32(nlh, NFTA_SET_KEY_LEN, htonl(set->key_size));
	if (set->kind == NFT_SET_VERDICTS) {
		mnl_attr_put_u32(nlh, NFTA_SET_DATA_TYPE, htonl(NFT_DATA_VERDICT));
	} else if (set->kind == NFT_SET_MARKS) {
		mnl_attr_put_u32(nlh, NFTA_SET_DATA_TYPE, htonl(NFT_TYPE_MARK));
		mnl_attr_put_u32(nlh, NFTA_SET_DATA_LEN, htonl(sizeof(uint32_t)));
	}
	if (set->fields[0])
		set_describe_fields(nlh, set);
	if (set->samples || set->counts) {
		struct nlattr *description = mnl_attr_nest_start(nlh, NFTA_SET_DESC);

		mnl_attr_put_u32(nlh, NFTA_SET_DESC_SIZE, htonl(NFT_SAMPLES_MAX));
		mnl_attr_nest_end(nlh, description);
	}
	if (set->samples)
		mnl_attr_put_u64(nlh, NFTA_SET_TIMEOUT, htobe64(NFT_SAMPLES_TIMEOUT_MS));
	comment_put(nlh, NFTA_SET_USERDATA, NFTNL_UDATA_SET_COMMENT, set->comment, userdata, size);
	message_done(diff, nlh);
}

static void element_write(struct nlmsghdr *nlh, const struct nft_set *set, const struct nft_element *element,
			  bool with_data)
{
	struct nlattr *item = mnl_attr_nest_start(nlh, NFTA_LIST_ELEM), *nest, *verdict;

	if (element->interval_end)
		mnl_attr_put_u32(nlh, NFTA_SET_ELEM_FLAGS, htonl(NFT_SET_ELEM_INTERVAL_END));
	nest = mnl_attr_nest_start(nlh, NFTA_SET_ELEM_KEY);
	mnl_attr_put(nlh, NFTA_DATA_VALUE, set->key_size, element->key);
	mnl_attr_nest_end(nlh, nest);
	if (element->range) {
		nest = mnl_attr_nest_start(nlh, NFTA_SET_ELEM_KEY_END);
		mnl_attr_put(nlh, NFTA_DATA_VALUE, set->key_size, element->key_end);
		mnl_attr_nest_end(nlh, nest);
	}
	if (with_data && set->kind != NFT_SET_PLAIN && !element->interval_end) {
		nest = mnl_attr_nest_start(nlh, NFTA_SET_ELEM_DATA);
		if (set->kind == NFT_SET_VERDICTS) {
			verdict = mnl_attr_nest_start(nlh, NFTA_DATA_VERDICT);
			mnl_attr_put_u32(nlh, NFTA_VERDICT_CODE,
					 htonl((uint32_t)(element->jump ? NFT_JUMP : NFT_GOTO)));
			mnl_attr_put_strz(nlh, NFTA_VERDICT_CHAIN, element->chain);
			mnl_attr_nest_end(nlh, verdict);
		} else {
			mnl_attr_put(nlh, NFTA_DATA_VALUE, sizeof(element->data), &element->data);
		}
		mnl_attr_nest_end(nlh, nest);
	}
	mnl_attr_nest_end(nlh, item);
}

/* Elements are sent in messages of bounded size: a nested attribute's length has 16 bits. */
struct element_writer {
	const struct diff *diff;
	const struct nft_set *set;
	uint16_t type;
	struct nlmsghdr *nlh;
	struct nlattr *list;
};
#define ELEMENTS_BYTES 32768u

static void elements_end(struct element_writer *writer)
{
	if (!writer->nlh)
		return;
	mnl_attr_nest_end(writer->nlh, writer->list);
	message_done(writer->diff, writer->nlh);
	writer->nlh = NULL;
}

static void elements_put(struct element_writer *writer, const struct nft_element *element)
{
	bool adding = writer->type == NFT_MSG_NEWSETELEM;

	if (!writer->nlh) {
		command(writer->diff, adding ? "adding to set" : "taking out of set", writer->set->name, NULL);
		writer->nlh = message(writer->diff, writer->type, adding ? NLM_F_CREATE : 0);
		mnl_attr_put_strz(writer->nlh, NFTA_SET_ELEM_LIST_TABLE, NFT_GATE_TABLE);
		mnl_attr_put_strz(writer->nlh, NFTA_SET_ELEM_LIST_SET, writer->set->name);
		writer->list = mnl_attr_nest_start(writer->nlh, NFTA_SET_ELEM_LIST_ELEMENTS);
	}
	element_write(writer->nlh, writer->set, element, adding);
	if (writer->nlh->nlmsg_len > ELEMENTS_BYTES)
		elements_end(writer);
}

static bool element_same_data(const struct nft_element *a, const struct nft_element *b)
{
	if (a->data != b->data || !a->chain != !b->chain)
		return false;
	return !a->chain || strcmp(a->chain, b->chain) == 0;
}

/* Calls the writer for each element of `set` that `other` does not have just so. Both are sorted. */
static void elements_missing(struct element_writer *writer, const struct nft_set *set, const struct nft_set *other)
{
	size_t j = 0;

	for (size_t i = 0; i < set->elements.count; i++) {
		const struct nft_element *element = &set->elements.items[i];
		int order = 1;

		while (other && j < other->elements.count) {
			order = nft_element_compare(&other->elements.items[j], element);
			if (order >= 0)
				break;
			j++;
		}
		if (other && j < other->elements.count && order == 0 &&
		    element_same_data(&other->elements.items[j], element))
			continue;
		elements_put(writer, element);
	}
	elements_end(writer);
}

static bool elements_equal(const struct nft_set *a, const struct nft_set *b)
{
	if (a->elements.count != b->elements.count)
		return false;
	for (size_t i = 0; i < a->elements.count; i++) {
		if (nft_element_compare(&a->elements.items[i], &b->elements.items[i]) != 0 ||
		    !element_same_data(&a->elements.items[i], &b->elements.items[i]))
			return false;
	}
	return true;
}

static void set_diff(const struct diff *diff, const struct nft_set *set)
{
	const struct nft_set *old = nft_table_set(diff->from, set->name);
	struct element_writer out = {diff, set, NFT_MSG_DELSETELEM, NULL, NULL};
	struct element_writer in = {diff, set, NFT_MSG_NEWSETELEM, NULL, NULL};

	if (old && elements_equal(old, set))
		return;
	/* One-dimensional intervals are pairs of elements: all are replaced, so that no half stays behind. */
	if (old && set->interval && !set->fields[0]) {
		elements_missing(&out, old, NULL);
		old = NULL;
	}
	if (old)
		elements_missing(&out, old, set);
	elements_missing(&in, set, old);
}

static bool chain_equal(const struct nft_chain *a, const struct nft_chain *b)
{
	if (a->rules.count != b->rules.count)
		return false;
	for (size_t i = 0; i < a->rules.count; i++) {
		const struct nft_rule *x = &a->rules.items[i], *y = &b->rules.items[i];

		if (x->size != y->size || memcmp(x->attrs, y->attrs, x->size) != 0)
			return false;
	}
	return true;
}

static void chain_write(const struct diff *diff, const struct nft_chain *chain)
{
	struct nlmsghdr *nlh;
	struct nlattr *hook;

	command(diff, "adding chain", chain->name, NULL);
	nlh = message(diff, NFT_MSG_NEWCHAIN, NLM_F_CREATE);
	mnl_attr_put_strz(nlh, NFTA_CHAIN_TABLE, NFT_GATE_TABLE);
	mnl_attr_put_strz(nlh, NFTA_CHAIN_NAME, chain->name);
	if (chain->base) {
		hook = mnl_attr_nest_start(nlh, NFTA_CHAIN_HOOK);
		mnl_attr_put_u32(nlh, NFTA_HOOK_HOOKNUM, htonl(chain->hook));
		mnl_attr_put_u32(nlh, NFTA_HOOK_PRIORITY, htonl((uint32_t)chain->priority));
		mnl_attr_nest_end(nlh, hook);
		mnl_attr_put_u32(nlh, NFTA_CHAIN_POLICY, htonl(NF_ACCEPT));
		mnl_attr_put_strz(nlh, NFTA_CHAIN_TYPE, "filter");
	}
	message_done(diff, nlh);
}

static void chain_flush(const struct diff *diff, const struct nft_chain *chain)
{
	struct nlmsghdr *nlh;

	if (!chain->rules.count)
		return;
	command(diff, "emptying chain", chain->name, NULL);
	nlh = message(diff, NFT_MSG_DELRULE, 0);
	mnl_attr_put_strz(nlh, NFTA_RULE_TABLE, NFT_GATE_TABLE);
	mnl_attr_put_strz(nlh, NFTA_RULE_CHAIN, chain->name);
	message_done(diff, nlh);
}

static void chain_delete(const struct diff *diff, const struct nft_chain *chain)
{
	struct nlmsghdr *nlh;

	command(diff, "removing chain", chain->name, NULL);
	nlh = message(diff, NFT_MSG_DELCHAIN, 0);
	mnl_attr_put_strz(nlh, NFTA_CHAIN_TABLE, NFT_GATE_TABLE);
	mnl_attr_put_strz(nlh, NFTA_CHAIN_NAME, chain->name);
	message_done(diff, nlh);
}

static void rules_write(const struct diff *diff, const struct nft_chain *chain)
{
	for (size_t i = 0; i < chain->rules.count; i++) {
		const struct nft_rule *rule = &chain->rules.items[i];
		struct nlmsghdr *nlh;

		command(diff, "adding a rule to chain", chain->name, rule->origin);
		nlh = message(diff, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
		memcpy(mnl_nlmsg_get_payload_tail(nlh), rule->attrs, rule->size);
		nlh->nlmsg_len += rule->size;
		message_done(diff, nlh);
	}
}

/* What must be there before rules can name it; then what changed; what nobody names any more goes last. */
static void diff_add(const struct diff *diff)
{
	for (size_t i = 0; i < diff->to->counters.count; i++) {
		const struct nft_counter *counter = &diff->to->counters.items[i];

		if (!nft_table_counter(diff->from, counter->name))
			counter_write(diff, NFT_MSG_NEWOBJ, counter);
	}
	for (size_t i = 0; i < diff->to->sets.count; i++) {
		if (!nft_table_set(diff->from, diff->to->sets.items[i]->name))
			set_write(diff, diff->to->sets.items[i]);
	}
	for (size_t i = 0; i < diff->to->chains.count; i++) {
		if (!nft_table_chain(diff->from, diff->to->chains.items[i].name))
			chain_write(diff, &diff->to->chains.items[i]);
	}
}

static void diff_change(const struct diff *diff)
{
	for (size_t i = 0; i < diff->to->chains.count; i++) {
		const struct nft_chain *chain = &diff->to->chains.items[i];
		const struct nft_chain *old = nft_table_chain(diff->from, chain->name);

		if (old && chain_equal(old, chain))
			continue;
		if (old)
			chain_flush(diff, old);
		rules_write(diff, chain);
	}
	for (size_t i = 0; i < diff->to->sets.count; i++)
		set_diff(diff, diff->to->sets.items[i]);
}

static void diff_remove(const struct diff *diff)
{
	for (size_t i = 0; i < diff->from->chains.count; i++) {
		if (!nft_table_chain(diff->to, diff->from->chains.items[i].name))
			chain_flush(diff, &diff->from->chains.items[i]);
	}
	for (size_t i = 0; i < diff->from->sets.count; i++) {
		if (!nft_table_set(diff->to, diff->from->sets.items[i]->name))
			set_delete(diff, diff->from->sets.items[i]);
	}
	for (size_t i = 0; i < diff->from->chains.count; i++) {
		if (!nft_table_chain(diff->to, diff->from->chains.items[i].name))
			chain_delete(diff, &diff->from->chains.items[i]);
	}
	for (size_t i = 0; i < diff->from->counters.count; i++) {
		if (!nft_table_counter(diff->to, diff->from->counters.items[i].name))
			counter_write(diff, NFT_MSG_DELOBJ, &diff->from->counters.items[i]);
	}
}

/* `from` may be NULL: nothing is there. */
static struct diff diff_of(struct nft_batch *batch, const struct nft_ruleset *from, const struct nft_ruleset *to,
			   enum nft_table_index table)
{
	return (struct diff){batch,
			     table,
			     nft_table_family[table],
			     nft_family_name(nft_table_family[table]),
			     from ? &from->tables[table] : NULL,
			     &to->tables[table]};
}

void nft_table_diff(struct nft_batch *batch, const struct nft_ruleset *from, const struct nft_ruleset *to,
		    enum nft_table_index table, bool exists, uint32_t flags)
{
	struct diff diff = diff_of(batch, from, to, table);

	if (!from) {
		if (exists)
			nft_table_put(batch, NFT_MSG_DELTABLE, table, 0);
		nft_table_put(batch, NFT_MSG_NEWTABLE, table, flags);
	}
	diff_add(&diff);
	diff_change(&diff);
	if (from)
		diff_remove(&diff);
}

void nft_elements_diff(struct nft_batch *batch, const struct nft_ruleset *from, const struct nft_ruleset *to,
		       enum nft_table_index table)
{
	struct diff diff = diff_of(batch, from, to, table);

	for (size_t i = 0; i < diff.to->sets.count; i++) {
		const struct nft_set *set = diff.to->sets.items[i];

		if ((set->kind != NFT_SET_VERDICTS || set->by_world) && nft_table_set(diff.from, set->name))
			set_diff(&diff, set);
	}
}

/* Copies a set's description and elements; those of a map borrow the names of the new ruleset's chains. */
static void set_copy(struct nft_ruleset *to, enum nft_table_index table, const struct nft_set *set)
{
	struct nft_set description = *set, *copy;

	memset(&description.elements, 0, sizeof(description.elements));
	copy = nft_set_add(to, table, &description);
	for (size_t i = 0; copy && i < set->elements.count; i++) {
		struct nft_element element = set->elements.items[i];
		const struct nft_chain *chain =
			element.chain ? nft_table_chain(&to->tables[table], element.chain) : NULL;

		element.chain = chain ? chain->name : NULL;
		nft_element_add(to, copy, &element);
	}
}

void nft_ahead_diff(struct nft_batch *batch, struct nft_ruleset *from, const struct nft_ruleset *to,
		    enum nft_table_index table, const struct map *passed_over)
{
	struct diff diff = diff_of(batch, from, to, table);

	for (size_t i = 0; i < diff.to->sets.count; i++) {
		const struct nft_set *set = diff.to->sets.items[i];
		struct element_writer in = {&diff, set, NFT_MSG_NEWSETELEM, NULL, NULL};

		if (!set->interval || !set->fields[0] || nft_table_set(diff.from, set->name) ||
		    (passed_over && map_get_text(passed_over, set->name)))
			continue;
		for (size_t j = 0; j < set->elements.count; j++) {
			const char *name = set->elements.items[j].chain;

			if (!name || nft_table_chain(diff.from, name))
				continue;
			chain_write(&diff, nft_table_chain(diff.to, name));
			nft_chain_add(from, table, name);
		}
		set_write(&diff, set);
		elements_missing(&in, set, NULL);
		set_copy(from, table, set);
	}
}
