/* SPDX-License-Identifier: GPL-2.0-only */
#include "gate/nft_running.h"

#include <errno.h>
#include <stdlib.h>

#include "gate/nft_attr.h"

#define QUERY_BUFFER 1024u
/* Go with the rule that they belong to: chains and sets without a name of their own. */
#define CHAIN_BINDING 0x4u
#define SET_ANONYMOUS 0x1u

struct reading {
	struct nft_running *running;
	const struct nft_ruleset *next;
	enum nft_table_index table;
};

static int doom(const struct reading *reading, uint16_t type, uint32_t object, const char *name)
{
	struct nft_doomed *doomed = array_append(&reading->running->doomed[reading->table]);

	if (!doomed)
		return -ENOMEM;
	*doomed = (struct nft_doomed){.type = type, .object = object, .name = strdup(name)};
	if (!doomed->name)
		return -ENOMEM;
	if (type == NFT_MSG_DELOBJ)
		return 0;
	return map_set_text(reading->running->doomed_names, name, (void *)doom, NULL) < 0 ? -ENOMEM : 0;
}

static bool chain_fits(const struct nlmsghdr *answer, const struct nft_chain *wanted)
{
	const struct nlattr *hook = attr_of(answer, NFTA_CHAIN_HOOK);
	const char *type = attr_text(attr_of(answer, NFTA_CHAIN_TYPE));

	if (!hook || !wanted->base)
		return !hook && !wanted->base;
	return attr_number(attr_nested(hook, NFTA_HOOK_HOOKNUM)) == wanted->hook &&
	       (int32_t)attr_number(attr_nested(hook, NFTA_HOOK_PRIORITY)) == wanted->priority &&
	       attr_number(attr_of(answer, NFTA_CHAIN_POLICY)) == NF_ACCEPT && type && strcmp(type, "filter") == 0;
}

static int chain_answer(void *arg, const struct nlmsghdr *answer)
{
	const char *name = attr_text(attr_of(answer, NFTA_CHAIN_NAME));
	const struct reading *reading = arg;
	struct nft_ruleset *kept = &reading->running->kept;
	const struct nft_chain *wanted;

	if (!answer_is_ours(answer) || !name || attr_number(attr_of(answer, NFTA_CHAIN_FLAGS)) & CHAIN_BINDING)
		return 0;
	wanted = nft_table_chain(&reading->next->tables[reading->table], name);
	if (!wanted || !chain_fits(answer, wanted))
		return doom(reading, NFT_MSG_DELCHAIN, 0, name);
	if (wanted->base)
		nft_base_chain_add(kept, reading->table, wanted->name, wanted->hook, wanted->priority);
	else
		nft_chain_add(kept, reading->table, wanted->name);
	return 0;
}

static bool fields_fit(const struct nlmsghdr *answer, const struct nft_set *wanted)
{
	const struct nlattr *concat = attr_nested(attr_of(answer, NFTA_SET_DESC), NFTA_SET_DESC_CONCAT), *field;
	size_t count = 0;

	if (!concat || !wanted->fields[0])
		return !concat && !wanted->fields[0];
	mnl_attr_for_each_nested(field, concat)
	{
		if (count == 2 || attr_number(attr_nested(field, NFTA_SET_FIELD_LEN)) != wanted->fields[count])
			return false;
		count++;
	}
	return count == 2;
}

static bool set_fits(const struct nlmsghdr *answer, const struct nft_set *wanted)
{
	uint32_t data_type = wanted->kind == NFT_SET_VERDICTS ? NFT_DATA_VERDICT
							      : (wanted->kind == NFT_SET_MARKS ? NFT_TYPE_MARK : 0);

	return attr_number(attr_of(answer, NFTA_SET_FLAGS)) == nft_set_flags(wanted) &&
	       attr_number(attr_of(answer, NFTA_SET_KEY_TYPE)) == wanted->key_type &&
	       attr_number(attr_of(answer, NFTA_SET_KEY_LEN)) == wanted->key_size &&
	       attr_number(attr_of(answer, NFTA_SET_DATA_TYPE)) == data_type && fields_fit(answer, wanted);
}

static int set_answer(void *arg, const struct nlmsghdr *answer)
{
	const char *name = attr_text(attr_of(answer, NFTA_SET_NAME));
	const struct reading *reading = arg;
	const struct nft_set *wanted;
	struct nft_set description;

	if (!answer_is_ours(answer) || !name || attr_number(attr_of(answer, NFTA_SET_FLAGS)) & SET_ANONYMOUS)
		return 0;
	wanted = nft_table_set(&reading->next->tables[reading->table], name);
	if (!wanted || !set_fits(answer, wanted))
		return doom(reading, NFT_MSG_DELSET, 0, name);
	description = *wanted;
	memset(&description.elements, 0, sizeof(description.elements));
	nft_set_add(&reading->running->kept, reading->table, &description);
	return 0;
}

static int object_answer(void *arg, const struct nlmsghdr *answer)
{
	const char *name = attr_text(attr_of(answer, NFTA_OBJ_NAME));
	const struct reading *reading = arg;
	const struct nft_counter *wanted;
	uint32_t kind = attr_number(attr_of(answer, NFTA_OBJ_TYPE));

	if (!answer_is_ours(answer) || !name)
		return 0;
	wanted = nft_table_counter(&reading->next->tables[reading->table], name);
	if (!wanted || kind != NFT_OBJECT_COUNTER)
		return doom(reading, NFT_MSG_DELOBJ, kind, name);
	nft_counter_add(&reading->running->kept, reading->table, wanted);
	return 0;
}

static int dump(struct nft_link *link, struct reading *reading, uint16_t type, nft_answer_fn fn)
{
	uint8_t buffer[QUERY_BUFFER];
	struct nlmsghdr *question = nft_query_begin(buffer, type, nft_table_family[reading->table], NLM_F_DUMP);

	mnl_attr_put_strz(question, NFTA_CHAIN_TABLE, NFT_GATE_TABLE);
	return nft_link_query(link, question, fn, reading);
}

static int read_once(struct nft_link *link, const struct nft_table_state states[NFT_TABLE_COUNT],
		     const struct nft_ruleset *next, struct nft_running *running)
{
	int rc = 0;

	nft_ruleset_init(&running->kept);
	running->doomed_names = map_new();
	if (!running->doomed_names)
		return -ENOMEM;
	for (size_t i = 0; rc == 0 && i < NFT_TABLE_COUNT; i++) {
		struct reading reading = {running, next, (enum nft_table_index)i};

		if (!states[i].exists)
			continue;
		rc = dump(link, &reading, NFT_MSG_GETCHAIN, chain_answer);
		if (rc == 0)
			rc = dump(link, &reading, NFT_MSG_GETSET, set_answer);
		if (rc == 0)
			rc = dump(link, &reading, NFT_MSG_GETOBJ, object_answer);
		running->present[i] = true;
	}
	return rc == 0 && running->kept.failed ? -ENOMEM : rc;
}

int nft_running_read(struct nft_link *link, const struct nft_table_state states[NFT_TABLE_COUNT],
		     const struct nft_ruleset *next, struct nft_running *ret_running)
{
	int rc = -EINTR;

	for (int i = 0; i < NFT_DUMP_TRIES && rc == -EINTR; i++) {
		struct nft_running running = {0};

		rc = read_once(link, states, next, &running);
		if (rc == 0)
			*ret_running = running;
		else
			nft_running_free(&running);
	}
	return rc;
}

void nft_running_free(struct nft_running *running)
{
	nft_ruleset_free(&running->kept);
	for (size_t i = 0; i < NFT_TABLE_COUNT; i++) {
		for (size_t j = 0; j < running->doomed[i].count; j++)
			free(running->doomed[i].items[j].name);
		array_free(&running->doomed[i]);
	}
	map_free(running->doomed_names, NULL);
	*running = (struct nft_running){0};
}

/* A message of a table that ends with a name; NULL: it is about all that the table has. The attributes' numbers are
 * those of all kinds. */
static void order_put(struct nft_batch *batch, uint16_t type, enum nft_table_index table, const char *name,
		      uint32_t object)
{
	const char *verb = type == NFT_MSG_DELSETELEM ? "emptying set" : "removing";
	struct nlmsghdr *nlh;

	_Static_assert(NFTA_CHAIN_TABLE == 1 && NFTA_SET_TABLE == 1 && NFTA_OBJ_TABLE == 1, "the table comes first");
	_Static_assert(NFTA_SET_NAME == 2 && NFTA_OBJ_NAME == 2 && NFTA_SET_ELEM_LIST_SET == 2, "then the name");
	nft_batch_command(batch, name ? verb : "emptying table", nft_family_name(nft_table_family[table]),
			  name ? name : NFT_GATE_TABLE, NULL);
	nlh = nft_batch_message(batch, type, nft_table_family[table], 0);
	mnl_attr_put_strz(nlh, NFTA_SET_TABLE, NFT_GATE_TABLE);
	if (name)
		mnl_attr_put_strz(nlh, type == NFT_MSG_DELCHAIN ? NFTA_CHAIN_NAME : NFTA_SET_NAME, name);
	if (object)
		mnl_attr_put_u32(nlh, NFTA_OBJ_TYPE, htonl(object));
	nft_batch_close(batch, nlh);
}

void nft_running_clear(struct nft_batch *batch, const struct nft_running *running, enum nft_table_index table)
{
	static const uint16_t order[] = {NFT_MSG_DELSET, NFT_MSG_DELCHAIN, NFT_MSG_DELOBJ};
	const struct nft_table *kept = &running->kept.tables[table];

	order_put(batch, NFT_MSG_DELRULE, table, NULL, 0);
	for (size_t i = 0; i < kept->sets.count; i++) {
		/* One with elements has just been put there. */
		if (!kept->sets.items[i]->samples && kept->sets.items[i]->elements.count == 0)
			order_put(batch, NFT_MSG_DELSETELEM, table, kept->sets.items[i]->name, 0);
	}
	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		for (size_t j = 0; j < running->doomed[table].count; j++) {
			const struct nft_doomed *doomed = &running->doomed[table].items[j];

			if (doomed->type == order[i])
				order_put(batch, doomed->type, table, doomed->name, doomed->object);
		}
	}
}
