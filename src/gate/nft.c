/* SPDX-License-Identifier: GPL-2.0-only */
/* Desired minus running, in one transaction. What the kernel has is what our last transaction left (`applied`), as long
 * as nobody else touched it; when that is not certain, all tables are made anew, in one transaction too. */
#include "gate/nft.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gate/nft_calls.h"
#include "gate/nft_guard.h"
#include "gate/nft_holder.h"
#include "gate/nft_private.h"

/* ---- Opening ---- */

int nft_table_states(struct nft_link *link, struct nft_table_state states[NFT_TABLE_COUNT], struct error *error)
{
	for (size_t i = 0; i < NFT_TABLE_COUNT; i++) {
		int rc = nft_table_read(link, (enum nft_table_index)i, &states[i]);

		if (rc < 0)
			return error_set(error, rc, "nftables: reading table %s " NFT_GATE_TABLE ": %s",
					 nft_family_name(nft_table_family[i]), strerror(-rc));
	}
	return 0;
}

/* What is there stays as it is, but gets us as its owner if it has lost its own; what is not there is put up closed. */
static int tables_ensure(struct nft_gate *nft, struct error *error)
{
	struct nft_table_state states[NFT_TABLE_COUNT];
	struct nft_links links = {0};
	struct nft_door closed = {.links = &links};
	struct nft_ruleset ruleset;
	struct nft_batch batch = {0};
	int rc = nft_table_states(&nft->link, states, error);

	if (rc == 0)
		rc = nft_links_read(&links, error);
	if (rc < 0)
		return rc;
	nft_ruleset_init(&ruleset);
	nft_door_render(&ruleset, &nft->settings, &closed);
	nft_ruleset_finish(&ruleset);
	rc = ruleset.failed ? -ENOMEM : nft_batch_begin(&batch, &nft->link);
	for (size_t i = 0; rc == 0 && i < NFT_TABLE_COUNT; i++) {
		enum nft_table_index table = (enum nft_table_index)i;

		if (states[i].exists && states[i].owner && states[i].owner != nft->link.portid)
			rc = error_set(error, -EBUSY,
				       "nftables: another process (netlink port %u) owns table %s " NFT_GATE_TABLE
				       ": is another bulkheadd running?",
				       states[i].owner, nft_family_name(nft_table_family[i]));
		else if (!states[i].exists)
			nft_table_diff(&batch, NULL, &ruleset, table, false, nft_table_flags(nft));
		else if (nft->own && states[i].flags == NFT_FLAG_PERSIST)
			nft_table_put(&batch, NFT_MSG_NEWTABLE, table, nft_table_flags(nft));
	}
	if (rc == 0)
		rc = nft_batch_commit(&batch, error);
	else if (rc == -ENOMEM)
		error_set(error, rc, "nftables: memory is short");
	nft_batch_free(&batch);
	nft_ruleset_free(&ruleset);
	array_free(&links);
	return rc;
}

static int befores_read(struct nft_link *link, struct nft_befores *befores)
{
	struct nft_pairs pairs = {0};
	int rc = nft_set_read(link, NFT_TABLE_BRIDGE, NFT_MAP_BEFORE, &pairs);

	if (rc == -ENOENT)
		return 0;
	for (size_t i = 0; rc == 0 && i < pairs.count; i++) {
		struct nft_before *before = array_append(befores);

		if (before)
			*before = (struct nft_before){pairs.items[i].key, pairs.items[i].data};
		else
			rc = -ENOMEM;
	}
	array_free(&pairs);
	return rc;
}

/* The socket that owns our tables already, if a daemon before had a holder; a new one otherwise. */
int nft_link_get(struct nft_link *link, const char *holder_dir, struct error *error)
{
	int fd;

	if (holder_dir && nft_holder_ask(holder_dir, &fd) == 0)
		return nft_link_take_over(link, fd, error);
	return nft_link_open(link, error);
}

/* Without a holder the tables lose their owner when we die: told, and tried again at each check. */
static void holder_ensure(struct nft_gate *nft)
{
	struct error error = {0};

	if (!nft->own || !nft->holder_dir || nft->no_holder)
		return;
	nft->held = nft_holder_is_there(nft->holder_dir);
	if (nft->held)
		return;
	if (nft_holder_start(nft->holder_dir, mnl_socket_get_fd(nft->link.socket), &error) == 0)
		nft->held = true;
	else
		snprintf(nft->problem, sizeof(nft->problem), "%s", error.text);
}

/* What nftables can't do without, where nobody else judges. */
static int calls_find(struct nft_gate *nft, struct error *error)
{
	uint32_t off;
	int rc = nft_calls_read(&nft->link, &nft->calls_before);

	if (rc < 0 && rc != -ENOENT)
		return error_set(error, rc, "nftables: reading what bridge netfilter was like: %s", strerror(-rc));
	nft->calls_known = rc == 0;
	if (!nft->settings.alone)
		return 0;
	if (!nft->settings.features.conntrack)
		return error_set(
			error, -ENOTSUP,
			"nftables alone needs connection tracking, which this kernel has not loaded (modprobe -a "
			"nf_conntrack nft_ct)");
	return nft_calls_off(&off, error);
}

static int gate_open_inside(struct nft_gate *nft, const struct gate_options *options, struct error *error)
{
	int rc;

	if (options->stamp_shift > 32 - BH_STAMP_BITS)
		return error_set(error, -EINVAL, "the stamp's shift is %u: %u bits do not fit in a mark",
				 options->stamp_shift, BH_STAMP_BITS);
	nft->tallies = map_new();
	if (!nft->tallies)
		return error_set(error, -ENOMEM, "nftables: memory is short");
	nft->settings.shift = options->stamp_shift;
	nft->settings.mask = ((1u << BH_STAMP_BITS) - 1) << options->stamp_shift;
	nft->settings.log_group = options->log_group;
	nft->settings.alone = options->nft_alone;
	nft->settings.judged = options->nft_alone ? NFT_JUDGED_BIT(options->stamp_shift) : 0;
	nft->settings.flows = options->nft_alone ? nft_guard_flows_max(options->flow_quota) : 0;
	nft->holder_dir = options->holder_dir;
	nft->no_holder = options->no_holder;
	rc = nft_link_get(&nft->link, options->holder_dir, error);
	if (rc == 0)
		rc = nft_features_probe(&nft->link, &nft->settings.features, error);
	if (rc < 0)
		return rc;
	nft->own = nft->settings.features.owner && !options->no_owner;
	rc = befores_read(&nft->link, &nft->befores);
	if (rc < 0)
		return error_set(error, rc, "nftables: reading what bridges were like: %s", strerror(-rc));
	rc = nft_known_generation(&nft->link, &nft->generation);
	if (rc < 0)
		return error_set(error, rc, "nftables: reading what is in force: %s", strerror(-rc));
	rc = calls_find(nft, error);
	if (rc == 0)
		rc = tables_ensure(nft, error);
	if (rc == 0 && nft->holder_dir && (nft->no_holder || !nft->own))
		nft_holder_end(nft->holder_dir);
	if (rc == 0)
		holder_ensure(nft);
	return rc;
}

int nft_gate_open(const struct gate_options *options, struct nft_gate **ret_nft, struct error *error)
{
	struct nft_gate *nft = calloc(1, sizeof(*nft));
	int rc;

	if (!nft)
		return error_set(error, -ENOMEM, "nftables: memory is short");
	rc = gate_open_inside(nft, options, error);
	if (rc < 0)
		nft_gate_close(nft);
	else
		*ret_nft = nft;
	return rc;
}

void nft_gate_close(struct nft_gate *nft)
{
	if (!nft)
		return;
	nft_watch_free(nft->watch);
	nft_link_close(&nft->link);
	nft_ruleset_free(&nft->applied);
	nft_names_free(nft->names);
	nft_hearing_free(nft->hearing);
	nft_snapshot_free(nft->snapshot);
	map_free(nft->tallies, free);
	text_free(&nft->rendered);
	array_free(&nft->befores);
	array_free(&nft->ports);
	nft_zones_free(&nft->zones);
	free(nft);
}

bool nft_gate_owned(const struct nft_gate *nft)
{
	return nft->own;
}

/* ---- Checking ---- */

static int check_tables(struct nft_gate *nft, struct text *drift)
{
	struct nft_table_state states[NFT_TABLE_COUNT];
	int rc = nft_table_states(&nft->link, states, NULL), found = 0;

	for (size_t i = 0; rc == 0 && i < NFT_TABLE_COUNT; i++) {
		const char *family = nft_family_name(nft_table_family[i]);

		if (!states[i].exists)
			text_appendf(drift, "%s " NFT_GATE_TABLE ": table gone\n", family);
		else if (states[i].flags & 0x1 /* dormant */)
			text_appendf(drift, "%s " NFT_GATE_TABLE ": table switched off (dormant)\n", family);
		else if (nft->own && nft->committed && states[i].owner != nft->link.portid)
			text_appendf(drift, "%s " NFT_GATE_TABLE ": table no longer ours\n", family);
		else
			continue;
		found = 1;
	}
	return rc < 0 ? rc : found;
}

static int check_content(struct nft_gate *nft, struct text *drift)
{
	struct nft_snapshot *is = NULL;
	int rc;

	if (!nft->snapshot)
		return 0;
	rc = nft_snapshot_take(&nft->link, &is);
	if (rc == 0)
		rc = nft_snapshot_compare(nft->snapshot, is, drift) ? 1 : 0;
	nft_snapshot_free(is);
	return rc;
}

int nft_gate_check(struct nft_gate *nft, struct text *drift)
{
	uint32_t generation = 0;
	int rc = nft_link_generation(&nft->link, &generation);

	if (rc < 0)
		return rc;
	holder_ensure(nft);
	if (nft->committed && !nft->known) {
		text_append(drift, "nftables: what the kernel has is not certain\n");
		return 1;
	}
	if (nft_calls_check(nft, drift))
		return 1;
	if (nft->known && generation == nft->kernel_generation)
		return 0;
	rc = check_tables(nft, drift);
	if (rc == 0 && nft->known)
		rc = check_content(nft, drift);
	if (rc > 0)
		nft->known = false;
	else if (rc == 0 && nft->known)
		nft->kernel_generation = generation;
	return rc;
}
