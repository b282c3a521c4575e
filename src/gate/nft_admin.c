/* SPDX-License-Identifier: GPL-2.0-only */
/* The nft gate's status, and its removal. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "gate/nft_calls.h"
#include "gate/nft_holder.h"

/* ---- Status ---- */

/* Bridges that hand their frames to iptables: others' rules see, and may change, what only crosses a bridge. */
static json_t *bridge_calls(void)
{
	static const char *const names[] = {"iptables", "ip6tables", "arptables"};
	json_t *calls = json_object();

	for (size_t i = 0; calls && i < sizeof(names) / sizeof(*names); i++) {
		char path[64];
		AUTO_FREE char *text = NULL;
		size_t size;
		json_t *value;

		snprintf(path, sizeof(path), "/proc/sys/net/bridge/bridge-nf-call-%s", names[i]);
		value = json_false();
		if (file_read(path, 16, &text, &size, NULL) == 0 && text[0] == '1')
			value = json_true();
		if (json_object_set_new(calls, names[i], value) < 0) {
			json_decref(calls);
			return NULL;
		}
	}
	return calls;
}

static int drop_add(void *arg, const char *name, uint64_t packets, uint64_t bytes)
{
	json_t *drops = arg, *old;
	json_int_t sum = (json_int_t)packets;

	(void)bytes;
	if (nft_counter_decision(name))
		return 0;
	old = json_object_get(drops, name);
	if (old)
		sum += json_integer_value(old);
	return json_object_set_new(drops, name, json_integer(sum)) < 0 ? -ENOMEM : 0;
}

/* What the door itself dropped, by reason, over all tables. */
static json_t *door_drops(struct nft_gate *nft)
{
	json_t *drops = json_object();

	for (size_t i = 0; drops && i < NFT_TABLE_COUNT; i++)
		nft_counters_read(&nft->link, (enum nft_table_index)i, drop_add, drops);
	return drops;
}

static json_t *table_list(struct nft_gate *nft, bool *healthy)
{
	json_t *tables = json_array();

	for (size_t i = 0; tables && i < NFT_TABLE_COUNT; i++) {
		struct nft_table_state state = {0};
		char name[32];

		nft_table_read(&nft->link, (enum nft_table_index)i, &state);
		if (!state.exists) {
			*healthy = false;
			continue;
		}
		snprintf(name, sizeof(name), "%s " NFT_GATE_TABLE, nft_family_name(nft_table_family[i]));
		if (json_array_append_new(tables, json_string(name)) < 0) {
			json_decref(tables);
			return NULL;
		}
	}
	return tables;
}

json_t *nft_gate_status(struct nft_gate *nft)
{
	const struct nft_set *open = nft_table_set(&nft->applied.tables[NFT_TABLE_INET], NFT_SET_OPEN);
	struct text drift = {0};
	bool healthy = nft_gate_check(nft, &drift) == 0 && nft->committed;
	json_t *tables = table_list(nft, &healthy), *writers;
	size_t left_out = 0;
	char mask[16];
	json_t *status;

	snprintf(mask, sizeof(mask), "0x%08x", nft->settings.mask);
	writers = nft_writers_find(&nft->link, nft->settings.mask | nft->settings.judged, &left_out);
	status = json_pack("{s:b, s:b, s:o, s:I, s:b, s:o*, s:o*, s:o*, s:s, s:b, s:b, s:b, s:I, s:s*, s:s*}", "owned",
			   nft->own, "held", nft->held, "tables", tables ? tables : json_array(), "open",
			   (json_int_t)(open ? open->elements.count : 0), "healthy", healthy, "foreign_mark_writers",
			   writers, "bridge_nf_call", bridge_calls(), "dropped", door_drops(nft), "stamp_mask", mask,
			   "conntrack", nft->settings.features.conntrack, "log", nft->settings.features.log, "reject",
			   nft->settings.features.reject, "reports_lost", (json_int_t)nft_watch_lost(nft->watch),
			   "drift", drift.length ? text_string(&drift) : NULL, "problem",
			   nft->problem[0] ? nft->problem : NULL);
	if (status && left_out &&
	    json_object_set_new(status, "foreign_mark_writers_more", json_integer((json_int_t)left_out)) < 0) {
		json_decref(status);
		status = NULL;
	}
	if (status && !nft->settings.alone &&
	    json_object_set_new(status, "second_opinion", json_boolean(nft->names != NULL)) < 0) {
		json_decref(status);
		status = NULL;
	}
	if (status && nft->settings.alone && json_object_set_new(status, "not_given", nft_not_given(nft)) < 0) {
		json_decref(status);
		status = NULL;
	}
	text_free(&drift);
	return status;
}

/* ---- Removal ---- */

static int tables_remove(struct nft_link *link, void (*report)(void *arg, const char *line), void *arg,
			 struct error *error)
{
	bool exists[NFT_TABLE_COUNT] = {0};
	struct nft_batch batch;
	int rc = nft_batch_begin(&batch, link);

	if (rc < 0)
		error_set(error, rc, "nftables: memory is short");
	for (size_t i = 0; rc == 0 && i < NFT_TABLE_COUNT; i++) {
		struct nft_table_state state;

		rc = nft_table_read(link, (enum nft_table_index)i, &state);
		exists[i] = rc == 0 && state.exists;
		if (rc < 0)
			error_set(error, rc, "nftables: reading our tables: %s", strerror(-rc));
		else if (state.exists && state.owner && state.owner != link->portid)
			rc = error_set(error, -EBUSY,
				       "nftables: a running process (netlink port %u) owns table %s " NFT_GATE_TABLE
				       ": stop bulkheadd first",
				       state.owner, nft_family_name(nft_table_family[i]));
		else if (state.exists)
			nft_table_put(&batch, NFT_MSG_DELTABLE, (enum nft_table_index)i, 0);
	}
	if (rc == 0)
		rc = nft_batch_commit(&batch, error);
	for (size_t i = 0; rc == 0 && i < NFT_TABLE_COUNT; i++) {
		char line[64];

		snprintf(line, sizeof(line), "removed table %s " NFT_GATE_TABLE, nft_family_name(nft_table_family[i]));
		if (exists[i])
			report(arg, line);
	}
	nft_batch_free(&batch);
	return rc;
}

static int settings_restore(const struct nft_pairs *befores, void (*report)(void *arg, const char *line), void *arg,
			    struct error *error)
{
	struct nft_links links = {0};
	int rc = nft_links_read(&links, error);

	for (size_t i = 0; rc == 0 && i < befores->count; i++) {
		struct nft_before before = {befores->items[i].key, befores->items[i].data};
		const struct nft_link_info *link = nft_link_find(&links, before.ifindex);
		char line[96];

		if (!link)
			continue;
		rc = nft_link_restore(&before, error);
		snprintf(line, sizeof(line), "put back the bridge settings of %s", link->name);
		if (rc == 0)
			report(arg, line);
	}
	array_free(&links);
	return rc;
}

static int calls_restore(uint32_t calls, void (*report)(void *arg, const char *line), void *arg, struct error *error)
{
	static const uint32_t each[] = {NFT_CALL_IPTABLES, NFT_CALL_IP6TABLES};
	int rc = nft_calls_set(calls, false, error);

	for (size_t i = 0; rc == 0 && i < sizeof(each) / sizeof(*each); i++) {
		char line[96];

		snprintf(line, sizeof(line), "switched %s off again", nft_call_name(each[i]));
		if (calls & each[i])
			report(arg, line);
	}
	return rc;
}

int nft_gate_uninstall(const struct gate_options *options, void (*report)(void *arg, const char *line), void *arg,
		       struct error *error)
{
	struct nft_pairs befores = {0};
	struct nft_link link;
	uint32_t calls = 0;
	int rc = nft_link_get(&link, options->holder_dir, error);

	if (rc < 0)
		return rc;
	rc = nft_set_read(&link, NFT_TABLE_BRIDGE, NFT_MAP_BEFORE, &befores);
	if (rc == -ENOENT)
		rc = 0;
	if (rc == 0)
		rc = nft_calls_read(&link, &calls);
	if (rc == -ENOENT)
		rc = 0;
	if (rc < 0)
		error_set(error, rc, "nftables: reading what bridges were like: %s", strerror(-rc));
	else
		rc = tables_remove(&link, report, arg, error);
	if (rc == 0)
		rc = settings_restore(&befores, report, arg, error);
	if (rc == 0)
		rc = calls_restore(calls, report, arg, error);
	array_free(&befores);
	nft_link_close(&link);
	if (rc == 0 && options->holder_dir)
		nft_holder_end(options->holder_dir);
	return rc;
}
