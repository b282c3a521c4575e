/* SPDX-License-Identifier: GPL-2.0-only */
#include "gate/nft_kernel.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gate/nft_attr.h"

#define QUERY_BUFFER 1024u

/* ---- Features ---- */

static void put_probe_table(struct nft_batch *batch, uint8_t family, uint32_t flags)
{
	struct nlmsghdr *nlh;

	nft_batch_command(batch, "trying table", nft_family_name(family), NFT_GATE_TABLE "_probe", NULL);
	nlh = nft_batch_message(batch, NFT_MSG_NEWTABLE, family, NLM_F_CREATE);
	mnl_attr_put_strz(nlh, NFTA_TABLE_NAME, NFT_GATE_TABLE "_probe");
	mnl_attr_put_u32(nlh, NFTA_TABLE_FLAGS, htonl(flags));
	nft_batch_close(batch, nlh);
}

static void put_probe_chain(struct nft_batch *batch, uint8_t family)
{
	struct nlmsghdr *nlh = nft_batch_message(batch, NFT_MSG_NEWCHAIN, family, NLM_F_CREATE);

	mnl_attr_put_strz(nlh, NFTA_CHAIN_TABLE, NFT_GATE_TABLE "_probe");
	mnl_attr_put_strz(nlh, NFTA_CHAIN_NAME, "probe");
	nft_batch_close(batch, nlh);
}

/* Takes the expressions of a rule that was written for our own table. */
static void put_probe_rule(struct nft_batch *batch, uint8_t family, const struct nft_rule *rule)
{
	struct nlmsghdr *nlh = nft_batch_message(batch, NFT_MSG_NEWRULE, family, NLM_F_CREATE | NLM_F_APPEND);
	const struct nlattr *attr;

	mnl_attr_put_strz(nlh, NFTA_RULE_TABLE, NFT_GATE_TABLE "_probe");
	mnl_attr_put_strz(nlh, NFTA_RULE_CHAIN, "probe");
	mnl_attr_for_each_payload((const void *)rule->attrs, rule->size)
	{
		if (mnl_attr_get_type(attr) == NFTA_RULE_EXPRESSIONS)
			mnl_attr_put(nlh, NFTA_RULE_EXPRESSIONS | NLA_F_NESTED, mnl_attr_get_payload_len(attr),
				     mnl_attr_get_payload(attr));
	}
	nft_batch_close(batch, nlh);
}

static int probe(struct nft_link *link, uint8_t family, uint32_t flags, const struct nft_rule *rule,
		 struct error *error)
{
	struct nft_batch batch;
	int rc = nft_batch_begin(&batch, link);

	if (rc == 0) {
		put_probe_table(&batch, family, flags);
		if (rule) {
			put_probe_chain(&batch, family);
			put_probe_rule(&batch, family, rule);
		}
		rc = nft_batch_try(&batch, error);
	}
	nft_batch_free(&batch);
	return rc;
}

int nft_features_probe(struct nft_link *link, struct nft_features *ret_features, struct error *error)
{
	struct nft_features features = {0};
	struct nft_rule_writer writer;
	struct nft_ruleset ruleset;
	int rc, chain;

	nft_ruleset_init(&ruleset);
	chain = nft_chain_add(&ruleset, NFT_TABLE_INET, "probe");
	nft_rule_begin(&writer, &ruleset, NFT_TABLE_INET, chain);
	nft_rule_reply(&writer);
	nft_rule_end(&writer, NULL, NULL);
	nft_rule_begin(&writer, &ruleset, NFT_TABLE_INET, chain);
	nft_rule_log(&writer, "probe", 1, 1);
	nft_rule_end(&writer, NULL, NULL);
	nft_rule_begin(&writer, &ruleset, NFT_TABLE_INET, chain);
	nft_rule_routed(&writer);
	nft_rule_end(&writer, NULL, NULL);
	nft_rule_begin(&writer, &ruleset, NFT_TABLE_INET, chain);
	nft_rule_reject(&writer, false);
	nft_rule_end(&writer, NULL, NULL);
	nft_rule_begin(&writer, &ruleset, NFT_TABLE_INET, chain);
	nft_rule_connections(&writer, 1, NULL);
	nft_rule_end(&writer, NULL, NULL);
	rc = ruleset.failed ? error_set(error, -ENOMEM, "memory is short") : probe(link, NFPROTO_IPV4, 0, NULL, error);
	if (rc == 0) {
		const struct nft_rule *rules = ruleset.tables[NFT_TABLE_INET].chains.items[chain].rules.items;

		/* A table that dies with its owner would open the door with the daemon's end: both or none. */
		features.owner = probe(link, NFPROTO_IPV4, NFT_FLAG_OWNER | NFT_FLAG_PERSIST, NULL, NULL) == 0;
		features.conntrack = probe(link, NFPROTO_IPV4, 0, &rules[0], NULL) == 0;
		features.log = probe(link, NFPROTO_IPV4, 0, &rules[1], NULL) == 0;
		features.route = probe(link, NFPROTO_IPV4, 0, &rules[2], NULL) == 0;
		features.reject = probe(link, NFPROTO_INET, 0, &rules[3], NULL) == 0;
		features.limit = probe(link, NFPROTO_INET, 0, &rules[4], NULL) == 0;
		*ret_features = features;
	}
	nft_ruleset_free(&ruleset);
	return rc;
}

/* ---- Tables, sets, counters ---- */

static int table_answer(void *arg, const struct nlmsghdr *answer)
{
	struct nft_table_state *state = arg;
	const struct nlattr *attr;

	if (NFNL_MSG_TYPE(answer->nlmsg_type) != NFT_MSG_NEWTABLE)
		return 0;
	state->exists = true;
	mnl_attr_for_each(attr, answer, sizeof(struct nfgenmsg))
	{
		uint16_t type = mnl_attr_get_type(attr);

		if (mnl_attr_get_payload_len(attr) < sizeof(uint32_t))
			continue;
		if (type == NFTA_TABLE_FLAGS)
			state->flags = ntohl(mnl_attr_get_u32(attr));
		else if (type == NFTA_TABLE_OWNER)
			state->owner = ntohl(mnl_attr_get_u32(attr));
	}
	return 0;
}

int nft_table_read(struct nft_link *link, enum nft_table_index table, struct nft_table_state *ret_state)
{
	uint8_t buffer[QUERY_BUFFER];
	struct nlmsghdr *question = nft_query_begin(buffer, NFT_MSG_GETTABLE, nft_table_family[table], 0);
	struct nft_table_state state = {0};
	int rc;

	mnl_attr_put_strz(question, NFTA_TABLE_NAME, NFT_GATE_TABLE);
	rc = nft_link_query(link, question, table_answer, &state);
	if (rc < 0 && rc != -ENOENT)
		return rc;
	*ret_state = state;
	return 0;
}

static uint32_t value_of(const struct nlattr *data)
{
	const struct nlattr *value = attr_nested(data, NFTA_DATA_VALUE);

	return value && mnl_attr_get_payload_len(value) == sizeof(uint32_t) ? mnl_attr_get_u32(value) : 0;
}

static int pair_answer(void *arg, const struct nlmsghdr *answer)
{
	const struct nlattr *list = attr_of(answer, NFTA_SET_ELEM_LIST_ELEMENTS), *attr;
	struct nft_pairs *pairs = arg;

	if (!list)
		return 0;
	mnl_attr_for_each_nested(attr, list)
	{
		struct nft_pair *pair = array_append(pairs);

		if (!pair)
			return -ENOMEM;
		pair->key = value_of(attr_nested(attr, NFTA_SET_ELEM_KEY));
		pair->data = value_of(attr_nested(attr, NFTA_SET_ELEM_DATA));
	}
	return 0;
}

static int elements_query(struct nft_link *link, enum nft_table_index table, const char *set, nft_answer_fn fn,
			  void *arg)
{
	uint8_t buffer[QUERY_BUFFER];
	struct nlmsghdr *question = nft_query_begin(buffer, NFT_MSG_GETSETELEM, nft_table_family[table], NLM_F_DUMP);

	mnl_attr_put_strz(question, NFTA_SET_ELEM_LIST_TABLE, NFT_GATE_TABLE);
	mnl_attr_put_strz(question, NFTA_SET_ELEM_LIST_SET, set);
	return nft_link_query(link, question, fn, arg);
}

int nft_set_read(struct nft_link *link, enum nft_table_index table, const char *set, struct nft_pairs *ret_pairs)
{
	struct nft_pairs pairs = {0};
	int rc = -EINTR;

	for (int i = 0; i < NFT_DUMP_TRIES && rc == -EINTR; i++) {
		pairs.count = 0;
		rc = elements_query(link, table, set, pair_answer, &pairs);
	}
	if (rc < 0)
		array_free(&pairs);
	else
		*ret_pairs = pairs;
	return rc;
}

struct counter_call {
	nft_counter_fn fn;
	void *arg;
};

static uint64_t number_of(const struct nlattr *attr)
{
	return attr && mnl_attr_get_payload_len(attr) == sizeof(uint64_t) ? be64toh(mnl_attr_get_u64(attr)) : 0;
}

static int counter_answer(void *arg, const struct nlmsghdr *answer)
{
	const char *table = attr_text(attr_of(answer, NFTA_OBJ_TABLE)),
		   *name = attr_text(attr_of(answer, NFTA_OBJ_NAME));
	const struct nlattr *data = attr_of(answer, NFTA_OBJ_DATA);
	const struct counter_call *call = arg;

	if (!table || !name || !data || strcmp(table, NFT_GATE_TABLE) != 0)
		return 0;
	return call->fn(call->arg, name, number_of(attr_nested(data, NFTA_COUNTER_PACKETS)),
			number_of(attr_nested(data, NFTA_COUNTER_BYTES)));
}

static int counters_query(struct nft_link *link, enum nft_table_index table, const char *name, nft_counter_fn fn,
			  void *arg)
{
	uint8_t buffer[QUERY_BUFFER];
	struct nlmsghdr *question =
		nft_query_begin(buffer, NFT_MSG_GETOBJ, nft_table_family[table], name ? 0 : NLM_F_DUMP);
	struct counter_call call = {fn, arg};

	mnl_attr_put_strz(question, NFTA_OBJ_TABLE, NFT_GATE_TABLE);
	if (name)
		mnl_attr_put_strz(question, NFTA_OBJ_NAME, name);
	mnl_attr_put_u32(question, NFTA_OBJ_TYPE, htonl(NFT_OBJECT_COUNTER));
	return nft_link_query(link, question, counter_answer, &call);
}

int nft_counters_read(struct nft_link *link, enum nft_table_index table, nft_counter_fn fn, void *arg)
{
	return counters_query(link, table, NULL, fn, arg);
}

static int counter_take(void *arg, const char *name, uint64_t packets, uint64_t bytes)
{
	uint64_t *value = arg;

	(void)name;
	value[0] = packets;
	value[1] = bytes;
	return 0;
}

int nft_counter_read(struct nft_link *link, enum nft_table_index table, const char *name, uint64_t *ret_packets,
		     uint64_t *ret_bytes)
{
	uint64_t value[2] = {0};
	int rc = counters_query(link, table, name, counter_take, value);

	if (rc == 0) {
		*ret_packets = value[0];
		*ret_bytes = value[1];
	}
	return rc;
}

/* ---- Snapshots ---- */

struct nft_snapshot {
	struct map *digests; /* "inet bulkhead: rules of chain input" → struct digest */
};
struct digest {
	uint64_t value;
};

void nft_snapshot_free(struct nft_snapshot *snapshot)
{
	if (!snapshot)
		return;
	map_free(snapshot->digests, free);
	free(snapshot);
}

/* FNV-1a (Fowler, Noll, Vo), 64 bits: tells differences that others make openly; it need not withstand an enemy, who
 * would be root. */
static uint64_t fnv(uint64_t hash, const void *data, size_t size)
{
	const uint8_t *bytes = data;

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ bytes[i]) * 0x100000001b3ull;
	return hash;
}
#define FNV_BASE 0xcbf29ce484222325ull

struct taking {
	struct nft_snapshot *snapshot;
	enum nft_table_index table;
	struct {
		ARRAY_OF(char *);
	} sets;		 /* whose elements are to be read */
	const char *set; /* whose are being read */
};

static struct digest *digest_of(const struct taking *taking, const char *what, const char *name)
{
	struct text key = {0};
	struct digest *digest = NULL;

	text_appendf(&key, "%s " NFT_GATE_TABLE ": %s%s%s", nft_family_name(nft_table_family[taking->table]), what,
		     *name ? " " : "", name);
	if (!key.failed)
		digest = map_get_text(taking->snapshot->digests, text_string(&key));
	if (!digest && !key.failed) {
		digest = calloc(1, sizeof(*digest));
		if (digest) {
			digest->value = FNV_BASE;
			if (map_set_text(taking->snapshot->digests, text_string(&key), digest, NULL) < 0) {
				free(digest);
				digest = NULL;
			}
		}
	}
	text_free(&key);
	return digest;
}

/* All of a message but the attribute `skip`. */
static uint64_t message_hash(const struct nlmsghdr *message, uint64_t hash, uint16_t skip)
{
	const struct nlattr *attr;

	mnl_attr_for_each(attr, message, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(attr) != skip)
			hash = fnv(hash, attr, attr->nla_len);
	}
	return hash;
}

static int chain_answer(void *arg, const struct nlmsghdr *answer)
{
	const char *name = attr_text(attr_of(answer, NFTA_CHAIN_NAME));
	struct digest *digest;

	if (!answer_is_ours(answer) || !name)
		return 0;
	digest = digest_of(arg, "chain", name);
	if (!digest)
		return -ENOMEM;
	digest->value = message_hash(answer, digest->value, NFTA_CHAIN_USE);
	return 0;
}

static int rule_answer(void *arg, const struct nlmsghdr *answer)
{
	const char *chain = attr_text(attr_of(answer, NFTA_RULE_CHAIN));
	struct digest *digest;

	if (!answer_is_ours(answer) || !chain)
		return 0;
	digest = digest_of(arg, "rules of chain", chain);
	if (!digest)
		return -ENOMEM;
	digest->value = message_hash(answer, digest->value, 0);
	return 0;
}

static int set_answer(void *arg, const struct nlmsghdr *answer)
{
	const char *name = attr_text(attr_of(answer, NFTA_SET_NAME));
	struct taking *taking = arg;
	struct digest *digest;
	const struct nlattr *flags = attr_of(answer, NFTA_SET_FLAGS);
	char **slot;

	if (!answer_is_ours(answer) || !name)
		return 0;
	if (flags && mnl_attr_get_payload_len(flags) >= sizeof(uint32_t) &&
	    ntohl(mnl_attr_get_u32(flags)) & NFT_SET_EVAL)
		return 0; /* packets fill it */
	digest = digest_of(taking, "set", name);
	slot = array_append(&taking->sets);
	if (!digest || !slot)
		return -ENOMEM;
	*slot = strdup(name);
	digest->value = fnv(digest->value, name, strlen(name));
	return *slot ? 0 : -ENOMEM;
}

/* Hash tables have no order: digests of elements are added up. */
static int element_answer(void *arg, const struct nlmsghdr *answer)
{
	const struct nlattr *list = attr_of(answer, NFTA_SET_ELEM_LIST_ELEMENTS), *attr;
	const struct taking *taking = arg;
	struct digest *digest = digest_of(taking, "elements of set", taking->set);

	if (!digest)
		return -ENOMEM;
	if (!list)
		return 0;
	mnl_attr_for_each_nested(attr, list) digest->value += fnv(FNV_BASE, attr, attr->nla_len);
	return 0;
}

static int dump(struct nft_link *link, struct taking *taking, uint16_t type, nft_answer_fn fn)
{
	uint8_t buffer[QUERY_BUFFER];
	struct nlmsghdr *question = nft_query_begin(buffer, type, nft_table_family[taking->table], NLM_F_DUMP);

	mnl_attr_put_strz(question, NFTA_RULE_TABLE, NFT_GATE_TABLE);
	return nft_link_query(link, question, fn, taking);
}

static int table_take(struct nft_link *link, struct taking *taking)
{
	struct nft_table_state state;
	struct digest *digest;
	int rc = nft_table_read(link, taking->table, &state);

	if (rc < 0 || !state.exists)
		return rc;
	digest = digest_of(taking, "table", "");
	if (!digest)
		return -ENOMEM;
	digest->value = fnv(digest->value, &state.flags, sizeof(state.flags));
	rc = dump(link, taking, NFT_MSG_GETCHAIN, chain_answer);
	if (rc == 0)
		rc = dump(link, taking, NFT_MSG_GETRULE, rule_answer);
	if (rc == 0)
		rc = dump(link, taking, NFT_MSG_GETSET, set_answer);
	for (size_t i = 0; rc == 0 && i < taking->sets.count; i++) {
		taking->set = taking->sets.items[i];
		rc = elements_query(link, taking->table, taking->set, element_answer, taking);
	}
	/* A table that went while it was read is for the next look. */
	return rc == -ENOENT ? -EINTR : rc;
}

static int snapshot_once(struct nft_link *link, struct nft_snapshot *snapshot)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < NFT_TABLE_COUNT; i++) {
		struct taking taking = {.snapshot = snapshot, .table = (enum nft_table_index)i};

		rc = table_take(link, &taking);
		for (size_t j = 0; j < taking.sets.count; j++)
			free(taking.sets.items[j]);
		array_free(&taking.sets);
	}
	return rc;
}

int nft_snapshot_take(struct nft_link *link, struct nft_snapshot **ret_snapshot)
{
	int rc = -EINTR;

	for (int i = 0; i < NFT_DUMP_TRIES && rc == -EINTR; i++) {
		struct nft_snapshot *snapshot = calloc(1, sizeof(*snapshot));

		if (snapshot)
			snapshot->digests = map_new();
		rc = snapshot && snapshot->digests ? snapshot_once(link, snapshot) : -ENOMEM;
		if (rc == 0)
			*ret_snapshot = snapshot;
		else
			nft_snapshot_free(snapshot);
	}
	return rc;
}

static size_t compare_one_way(const struct nft_snapshot *one, const struct nft_snapshot *other, bool values,
			      const char *absent, struct text *drift)
{
	const void *key;
	size_t key_size, count = 0;
	void *value;

	for (size_t i = 0; one && map_next(one->digests, &i, &key, &key_size, &value);) {
		const struct digest *digest = value, *found = other ? map_get(other->digests, key, key_size) : NULL;

		if (found && (!values || found->value == digest->value))
			continue;
		text_append_bytes(drift, key, key_size);
		text_appendf(drift, " %s\n", found ? "changed" : absent);
		count++;
	}
	return count;
}

size_t nft_snapshot_compare(const struct nft_snapshot *was, const struct nft_snapshot *is, struct text *drift)
{
	return compare_one_way(was, is, true, "gone", drift) + compare_one_way(is, was, false, "added", drift);
}
