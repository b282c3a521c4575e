/* SPDX-License-Identifier: GPL-2.0-only */
/* Making the kernel equal to what is desired, in one transaction. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "gate/nft_calls.h"
#include "gate/nft_guard.h"

/* ---- What is desired, as a door ---- */

struct interface_list {
	ARRAY_OF(uint32_t);
};
struct desired_door {
	struct interface_list open, ignored, patch;
	struct {
		ARRAY_OF(struct addr);
	} groups, host;
	struct nft_links links;
	struct nft_door door;
};

static void desired_free(struct desired_door *wanted)
{
	array_free(&wanted->open);
	array_free(&wanted->ignored);
	array_free(&wanted->patch);
	array_free(&wanted->groups);
	array_free(&wanted->host);
	array_free(&wanted->links);
}

static int interface_add(struct interface_list *list, uint32_t ifindex)
{
	uint32_t *slot = array_append(list);

	if (!slot)
		return -ENOMEM;
	*slot = ifindex;
	return 0;
}

static int addresses_collect(struct desired_door *wanted, const struct table *table)
{
	for (size_t i = 0; table && i < table->addresses.count; i++) {
		const struct address_entry *entry = &table->addresses.items[i];
		bool host = entry->class == BH_CLASS_HOST;
		struct addr *slot;

		if (!host &&
		    (entry->class >= table->class_count || !(table->class_info[entry->class].flags & BH_CLASS_GROUP)))
			continue;
		slot = host ? array_append(&wanted->host) : array_append(&wanted->groups);
		if (!slot)
			return -ENOMEM;
		*slot = entry->addr;
	}
	return 0;
}

static int desired_collect(struct desired_door *wanted, const struct nft_gate *nft, const struct gate_desired *desired)
{
	int rc = addresses_collect(wanted, desired->table);

	for (size_t i = 0; rc == 0 && i < desired->port_count; i++) {
		if (desired->ports[i].open && desired->ports[i].ret_result == 0)
			rc = interface_add(&wanted->open, desired->ports[i].ifindex);
	}
	for (size_t i = 0; rc == 0 && i < desired->ignored_count; i++)
		rc = interface_add(desired->ignored[i].patch ? &wanted->patch : &wanted->ignored,
				   desired->ignored[i].ifindex);
	wanted->door = (struct nft_door){
		.open = {wanted->open.items, wanted->open.count},
		.ignored = {wanted->ignored.items, wanted->ignored.count},
		.patch = {wanted->patch.items, wanted->patch.count},
		.before = nft->befores.items,
		.before_count = nft->befores.count,
		.via = desired->via,
		.via_count = desired->via_count,
		.links = &wanted->links,
		.groups = wanted->groups.items,
		.group_count = wanted->groups.count,
		.host = wanted->host.items,
		.host_count = wanted->host.count,
		.table = desired->table,
		.ports = desired->ports,
		.port_count = desired->port_count,
		.audit = desired->table && desired->table->class_info[BH_CLASS_HOST].flags & BH_CLASS_AUDIT,
		.reject = desired->reject,
	};
	return rc;
}

/* What rules (not sets) are rendered from: when this is the same, they are. */
static int signature_write(const struct gate_desired *desired, struct text *signature)
{
	char at[PREFIX_TEXT_MAX];

	text_append_bytes(signature, (const char *)&desired->table->generation, sizeof(desired->table->generation));
	for (size_t i = 0; i < desired->published_count; i++) {
		const struct gate_published *p = &desired->published[i];

		text_appendf(signature, "p%u/%u/%s/%u/%u;", p->protocol, p->port, prefix_format(&p->at, at),
			     p->identity, p->container_port);
	}
	for (size_t i = 0; i < desired->bridge_count; i++)
		text_appendf(signature, "b%u;", desired->bridges[i].ifindex);
	for (size_t i = 0; i < desired->via_count; i++)
		text_appendf(signature, "v%s;%d;", desired->via[i].zone,
			     desired->via[i].subnet_count && desired->via[i].interface_count);
	return signature->failed ? -ENOMEM : 0;
}

/* ---- Bridges and their ports ---- */

static bool is_router(const struct gate_desired *desired, const struct gate_port *port)
{
	const struct table *table = desired->table;

	return table && port->identity < table->class_count &&
	       table->class_info[port->identity].flags & BH_CLASS_PERMIT_ROUTER;
}

static bool still_wanted(const struct gate_desired *desired, uint32_t ifindex)
{
	for (size_t i = 0; i < desired->bridge_count; i++) {
		if (desired->bridges[i].ifindex == ifindex)
			return true;
	}
	for (size_t i = 0; i < desired->port_count; i++) {
		if (desired->ports[i].ifindex == ifindex)
			return true;
	}
	return false;
}

static void problem_note(struct nft_gate *nft, const struct error *error)
{
	if (!nft->problem[0])
		memcpy(nft->problem, error->text, sizeof(nft->problem));
}

/* What could not be set is told by the status: the door itself does not depend on it. */
static void links_harden(struct nft_gate *nft, const struct gate_desired *desired, const struct nft_links *links)
{
	size_t kept = 0;

	for (size_t i = 0; i < desired->bridge_count; i++) {
		const struct nft_link_info *link = nft_link_find(links, desired->bridges[i].ifindex);
		struct error error = {0};

		if (link && nft_link_harden(link, false, &nft->befores, &error) < 0)
			problem_note(nft, &error);
	}
	for (size_t i = 0; i < desired->port_count; i++) {
		const struct nft_link_info *link = nft_link_find(links, desired->ports[i].ifindex);
		struct error error = {0};

		if (link && nft_link_harden(link, is_router(desired, &desired->ports[i]), &nft->befores, &error) < 0)
			problem_note(nft, &error);
	}
	for (size_t i = 0; i < nft->befores.count; i++) {
		struct nft_before before = nft->befores.items[i];
		struct error error = {0};

		if (still_wanted(desired, before.ifindex))
			nft->befores.items[kept++] = before;
		else if (nft_link_find(links, before.ifindex) && nft_link_restore(&before, &error) < 0)
			problem_note(nft, &error);
	}
	nft->befores.count = kept;
}

/* What others set anew is looked after by reading all links once in a while. */
#define LINKS_READ_MS 30000
/* More than these are dumped more cheaply. */
#define LINKS_SINGLY_MAX 32

static bool is_remembered(const struct nft_gate *nft, const struct gate_desired *desired, const struct gate_port *port)
{
	for (size_t i = 0; i < nft->ports.count; i++) {
		const struct nft_port *known = &nft->ports.items[i];

		if (known->ifindex == port->ifindex)
			return port->key && known->key == port->key && known->domain == port->domain &&
			       known->router == is_router(desired, port);
	}
	return false;
}

/* The links whose settings may have to be changed: of ports that are new, and of those that are no longer wanted.
 * False: all of them are to be read. */
static bool links_wanted(const struct nft_gate *nft, const struct gate_desired *desired,
			 uint32_t ifindexes[LINKS_SINGLY_MAX], size_t *ret_count)
{
	size_t count = 0;

	/* Interfaces that the policy names may be any. */
	if (desired->via_count || !nft->known || !nft->committed || nft->problem[0] ||
	    monotonic_ms() - nft->links_read_ms > LINKS_READ_MS)
		return false;
	for (size_t i = 0; i < desired->port_count; i++) {
		if (is_remembered(nft, desired, &desired->ports[i]))
			continue;
		if (count == LINKS_SINGLY_MAX)
			return false;
		ifindexes[count++] = desired->ports[i].ifindex;
	}
	for (size_t i = 0; i < nft->befores.count; i++) {
		if (still_wanted(desired, nft->befores.items[i].ifindex))
			continue;
		if (count == LINKS_SINGLY_MAX)
			return false;
		ifindexes[count++] = nft->befores.items[i].ifindex;
	}
	*ret_count = count;
	return true;
}

static int links_get(struct nft_gate *nft, const struct gate_desired *desired, struct nft_links *ret_links,
		     struct error *error)
{
	uint32_t ifindexes[LINKS_SINGLY_MAX];
	size_t count;

	if (links_wanted(nft, desired, ifindexes, &count))
		return nft_links_read_some(ifindexes, count, ret_links, error);
	nft->links_read_ms = monotonic_ms();
	return nft_links_read(ret_links, error);
}

static int ports_remember(struct nft_gate *nft, const struct gate_desired *desired)
{
	nft->ports.count = 0;
	for (size_t i = 0; i < desired->port_count; i++) {
		struct nft_port *port = array_append(&nft->ports);

		if (!port)
			return -ENOMEM;
		*port = (struct nft_port){desired->ports[i].key, desired->ports[i].ifindex, desired->ports[i].domain,
					  desired->ports[i].mac, is_router(desired, &desired->ports[i])};
	}
	return 0;
}

/* ---- Committing ---- */

/* Sets by name, from one ruleset to the other. */
static void sets_diff(struct nft_batch *batch, const struct nft_ruleset *from, const struct nft_ruleset *to)
{
	for (size_t i = 0; i < NFT_TABLE_COUNT; i++)
		nft_elements_diff(batch, from, to, (enum nft_table_index)i);
}

/* Elements name chains of the ruleset that they are in. */
static void chains_borrow(const struct nft_table *table, struct nft_set *set)
{
	for (size_t i = 0; i < set->elements.count; i++) {
		struct nft_element *element = &set->elements.items[i];
		const struct nft_chain *chain = element->chain ? nft_table_chain(table, element->chain) : NULL;

		element->chain = chain ? chain->name : NULL;
	}
}

static void sets_take(struct nft_ruleset *to, struct nft_ruleset *from)
{
	for (size_t i = 0; i < NFT_TABLE_COUNT; i++) {
		for (size_t j = 0; j < from->tables[i].sets.count; j++) {
			struct nft_set *new = from->tables[i].sets.items[j], swap;
			struct nft_set *old = (struct nft_set *)nft_table_set(&to->tables[i], new->name);

			if (!old || (new->kind == NFT_SET_VERDICTS && !new->by_world))
				continue;
			swap = *old;
			old->elements = new->elements;
			new->elements = swap.elements;
			chains_borrow(&to->tables[i], old);
		}
	}
}

/* Only sets differ: rules stay. */
static int commit_sets(struct nft_gate *nft, const struct desired_door *wanted, struct error *error)
{
	struct nft_ruleset next;
	struct nft_batch batch = {0};
	int rc;

	nft_ruleset_init(&next);
	nft_door_render(&next, &nft->settings, &wanted->door);
	nft_ruleset_finish(&next);
	rc = next.failed ? -ENOMEM : nft_batch_begin(&batch, &nft->link);
	if (rc < 0) {
		error_set(error, rc, "nftables: memory is short");
	} else {
		sets_diff(&batch, &nft->applied, &next);
		rc = nft_transact(nft, &batch, error);
	}
	if (rc == 0)
		sets_take(&nft->applied, &next);
	nft_batch_free(&batch);
	nft_ruleset_free(&next);
	return rc;
}

static int commit_all(struct nft_gate *nft, const struct gate_desired *desired, const struct desired_door *wanted,
		      struct error *error)
{
	struct nft_ruleset next;
	struct nft_carry carry = {.nft = nft, .next = &next};
	int rc;

	nft_ruleset_init(&next);
	nft_door_render(&next, &nft->settings, &wanted->door);
	rc = nft_host_render(&next, &nft->settings, desired, wanted->door.names, error);
	if (nft->settings.alone)
		nft_calls_render(&next, nft->calls_before);
	if (nft->settings.alone)
		nft_known_render(&next, &nft->settings, desired->table);
	nft_ruleset_finish(&next);
	if (rc == 0 && next.failed)
		rc = error_set(error, -ENOMEM, "nftables: memory is short");
	if (rc == 0)
		rc = nft_transact_ruleset(nft, &next, &carry, error);
	if (rc == 0) {
		nft_tallies_apply(nft, &carry);
		nft_ruleset_free(&nft->applied);
		nft->applied = next;
		next = (struct nft_ruleset){0};
		if (nft->generation != desired->table->generation)
			nft_tallies_renew(nft, desired);
	}
	array_free(&carry.changes);
	nft_ruleset_free(&next);
	return rc;
}

static int commit_same(struct nft_gate *nft, const struct gate_desired *desired, struct desired_door *wanted, bool same,
		       struct error *error)
{
	struct nft_names *names = NULL;
	struct nft_hearing *hearing = NULL;
	int rc = 0;

	if (same) {
		wanted->door.names = nft->names;
		wanted->door.hearing = nft->hearing;
		return commit_sets(nft, wanted, error);
	}
	if (nft->settings.alone || (nft->settings.features.conntrack && nft_second_fits(desired->table)))
		rc = nft_names_make(desired->table, &names, error);
	if (rc == 0 && nft->settings.alone)
		rc = nft_hearing_make(desired->table, &hearing, error);
	wanted->door.names = names;
	wanted->door.hearing = hearing;
	if (rc == 0)
		rc = commit_all(nft, desired, wanted, error);
	if (rc == 0) {
		struct nft_names *old = nft->names;
		struct nft_hearing *before = nft->hearing;

		nft->names = names;
		nft->hearing = hearing;
		names = old;
		hearing = before;
	}
	nft_names_free(names);
	nft_hearing_free(hearing);
	return rc;
}

static int commit_once(struct nft_gate *nft, const struct gate_desired *desired, struct desired_door *wanted,
		       struct error *error)
{
	struct text signature = {0};
	bool same;
	int rc = signature_write(desired, &signature);

	if (rc < 0) {
		text_free(&signature);
		return error_set(error, rc, "nftables: memory is short");
	}
	same = nft->known && nft->committed && signature.length == nft->rendered.length &&
	       memcmp(signature.data, nft->rendered.data, signature.length) == 0;
	rc = commit_same(nft, desired, wanted, same, error);
	if (rc == 0) {
		nft->committed = true;
		nft->generation = desired->table->generation;
		text_free(&nft->rendered);
		nft->rendered = signature;
	} else {
		text_free(&signature);
	}
	return rc;
}

/* Somebody removed, or added, what our difference took for granted; or (-ENOBUFS) it is not known what became of it. */
static bool is_surprise(int rc)
{
	return rc == -ENOENT || rc == -EEXIST || rc == -EBUSY || rc == -EINVAL || rc == -ENOBUFS;
}

/* By the difference to what is there; from what can be read of it; and from nothing at all. */
static int commit_somehow(struct nft_gate *nft, const struct gate_desired *desired, struct desired_door *wanted,
			  struct error *error)
{
	int rc = commit_once(nft, desired, wanted, error);

	if (is_surprise(rc) && nft->known) {
		nft->known = false;
		rc = commit_once(nft, desired, wanted, error);
	}
	if (is_surprise(rc)) {
		nft->known = false;
		nft->raze = true;
		rc = commit_once(nft, desired, wanted, error);
		nft->raze = false;
	}
	return rc;
}

int nft_gate_commit(struct nft_gate *nft, const struct gate_desired *desired, struct error *error)
{
	struct desired_door wanted = {0};
	struct error unset = {0};
	struct text drift = {0};
	int rc;

	/* What others have done since the last look may have been done to us: a difference would build upon it. */
	if (!nft->own && nft->known && nft_gate_check(nft, &drift) < 0)
		nft->known = false;
	text_free(&drift);
	rc = nft->settings.alone ? nft_zones_make(&nft->zones, desired) : 0;
	if (rc < 0)
		return error_set(error, rc, "nftables: zones for the bridges: %s", strerror(-rc));
	rc = nft_calls_ensure(nft, error);
	if (rc == 0)
		rc = links_get(nft, desired, &wanted.links, error);
	if (rc < 0)
		return rc;
	nft->problem[0] = '\0';
	links_harden(nft, desired, &wanted.links);
	rc = nft->settings.alone ? nft_flows_forget(nft, desired) : 0;
	if (rc == 0)
		rc = desired_collect(&wanted, nft, desired);
	if (rc == 0)
		rc = ports_remember(nft, desired);
	if (rc < 0) {
		error_set(error, rc, "nftables: what is to be in force can't be gathered: %s", strerror(-rc));
	} else {
		rc = commit_somehow(nft, desired, &wanted, error);
	}
	desired_free(&wanted);
	if (rc == 0 && nft_calls_release(nft, &unset) < 0)
		problem_note(nft, &unset);
	return rc;
}

/* ---- Closing ports ---- */

static bool may_stay_open(const struct gate_desired *desired, uint32_t ifindex)
{
	for (size_t i = 0; i < desired->port_count; i++) {
		if (desired->ports[i].ifindex == ifindex)
			return desired->ports[i].open;
	}
	return false;
}

/* The interfaces that are open in the kernel. Nobody but us writes to tables that are ours. */
static int open_read(struct nft_gate *nft, enum nft_table_index table, struct nft_pairs *ret_pairs)
{
	const struct nft_set *set = NULL;
	int rc;

	if (nft->own && nft->known && nft->committed)
		set = nft_table_set(&nft->applied.tables[table], NFT_SET_OPEN);
	for (size_t i = 0; set && i < set->elements.count; i++) {
		struct nft_pair *pair = array_append(ret_pairs);

		if (!pair)
			return -ENOMEM;
		memcpy(&pair->key, set->elements.items[i].key, sizeof(pair->key));
	}
	if (set)
		return 0;
	rc = nft_set_read(&nft->link, table, NFT_SET_OPEN, ret_pairs);
	return rc == -ENOENT ? 0 : rc; /* no table: nothing is open */
}

/* What is open in the kernel and may not stay so, as two rulesets that differ in just that. */
static int closing_collect(struct nft_gate *nft, const struct gate_desired *desired, struct nft_ruleset *from,
			   struct nft_ruleset *to)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < NFT_TABLE_COUNT; i++) {
		enum nft_table_index table = (enum nft_table_index)i;
		struct nft_set description = {.name = (char *)NFT_SET_OPEN, .key_size = sizeof(uint32_t)};
		struct nft_set *open = nft_set_add(from, table, &description);
		struct nft_set *left = nft_set_add(to, table, &description);
		struct nft_pairs pairs = {0};

		rc = open_read(nft, table, &pairs);
		for (size_t j = 0; rc == 0 && j < pairs.count; j++) {
			struct nft_element element = {0};

			memcpy(element.key, &pairs.items[j].key, sizeof(uint32_t));
			nft_element_add(from, open, &element);
			if (may_stay_open(desired, pairs.items[j].key))
				nft_element_add(to, left, &element);
		}
		array_free(&pairs);
	}
	nft_ruleset_finish(from);
	nft_ruleset_finish(to);
	return rc == 0 && (from->failed || to->failed) ? -ENOMEM : rc;
}

static int close_once(struct nft_gate *nft, const struct gate_desired *desired, struct error *error)
{
	struct nft_ruleset from, to;
	struct nft_batch batch = {0};
	int rc;

	nft_ruleset_init(&from);
	nft_ruleset_init(&to);
	rc = closing_collect(nft, desired, &from, &to);
	if (rc == 0)
		rc = nft_batch_begin(&batch, &nft->link);
	if (rc < 0) {
		error_set(error, rc, "nftables: reading the open ports: %s", strerror(-rc));
	} else {
		sets_diff(&batch, &from, &to);
		rc = nft_transact(nft, &batch, error);
	}
	if (rc == 0 && nft->known)
		sets_take(&nft->applied, &to);
	nft_batch_free(&batch);
	nft_ruleset_free(&from);
	nft_ruleset_free(&to);
	return rc;
}

int nft_gate_close_ports(struct nft_gate *nft, const struct gate_desired *desired, struct error *error)
{
	int rc = close_once(nft, desired, error);

	/* Taken out, or the whole table removed, by somebody else between look and deed. */
	return is_surprise(rc) ? close_once(nft, desired, error) : rc;
}
