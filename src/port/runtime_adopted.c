/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/map.h"
#include "base/text.h"
#include "netlink.h"
#include "runtime_adopted.h"

static int adopted_start(struct port_watch *watch, void **ret_state)
{
	struct adopted *adopted;
	int r = adopted_new(watch, &adopted);

	if (r == 0)
		*ret_state = adopted;
	return r;
}

static void adopted_stop(void *state)
{
	adopted_free(state);
}

/* One that was made before its end was in a namespace is of the first that it is seen in. */
static struct adoption *adopted_find(struct adopted *adopted, uint32_t ifindex, uint64_t cookie)
{
	struct adoption *adoption = adopted_get(adopted, ifindex, cookie, NULL);

	if (!adoption && (adoption = adopted_get(adopted, ifindex, 0, NULL)))
		adoption = adopted_bind(adopted, adoption, cookie);
	return adoption ? adoption : adopted_whole(adopted, cookie, 0);
}

/* Containers that share the namespace, each by an adoption of its own. */
static int share(const struct adopted *adopted, const struct adoption *adoption, struct evidence *evidence,
		 char reason[REASON_MAX])
{
	uint64_t cookie = adoption->site.cookie;
	int r = 0;

	while (r == 0 && (adoption = adopted_whole(adopted, cookie, adoption->order)))
		r = evidence_share(evidence, &adoption->word.owner, reason);
	return r;
}

static enum runtime_answer adopted_ask(void *state, const struct runtime_question *question, struct evidence *evidence,
				       char reason[REASON_MAX])
{
	struct adoption *adoption = adopted_find(state, question->link->ifindex, question->namespace->cookie);
	int r;

	if (!adoption)
		return RUNTIME_NOT_MINE;
	if (adoption->site.ifindex)
		adoption->nsid = question->link->nsid;
	r = adoption_evidence(adoption, evidence);
	if (r == 0 && adoption->site.ifindex == 0)
		r = share(state, adoption, evidence, reason);
	if (r < 0 && !reason[0])
		snprintf(reason, REASON_MAX, "out of memory");
	return r < 0 ? RUNTIME_PENDING : RUNTIME_OWNS;
}

static bool is_of(const struct evidence *record, const struct adoption *adoption)
{
	const char *id = adoption->word.owner.id;

	return record->owner.id && (strcmp(id, record->owner.id) == 0 || (record->cni && strcmp(id, record->cni) == 0));
}

/* What was said of the whole namespace, of the same container: another hook knows more than one. */
static int complete_by_namespace(const struct adopted *adopted, const struct adoption *adoption,
				 struct evidence *evidence, bool *has_labels)
{
	const struct adoption *whole = adopted_get(adopted, 0, adoption->site.cookie, adoption->word.owner.id);
	struct evidence record = {0};
	int r;

	if (!whole || whole == adoption)
		return 0;
	r = adoption_evidence(whole, &record);
	if (r == 0) {
		adoption_complete(evidence, *has_labels, &record);
		*has_labels |= whole->has_labels;
	}
	evidence_free(&record);
	return r;
}

/* Has it been told already which labels it has? */
static bool is_labelled(const struct port_watch *watch, uint32_t ifindex)
{
	const struct entry *entry = watch_entry(watch, ifindex);

	return entry && entry->adopted && entry->runtime == &runtime_adopted && !entry->evidence.unlabelled;
}

/* A policy may ask for a label that the engine has not told yet. bulkhead-cni speaks for any engine: those that start
 * containers by CNI do not know them while it runs, so that it never waits for its own end. Podman does; it is waited
 * for by who names it, and by a port whose labels are known, or were known to a daemon before us. */
static bool is_waited_for(const struct port_watch *watch, const struct runtime_question *question,
			  const struct adoption *adoption, size_t runtime)
{
	return runtime == RUNTIME_CONTAINERD || runtime == RUNTIME_CRIO ||
	       strcmp(adoption->word.owner.runtime, runtimes[runtime]->name) == 0 || adoption->is_old ||
	       is_labelled(watch, question->link->ifindex);
}

enum runtime_answer adopted_complete(struct port_watch *watch, const struct runtime_question *question,
				     struct evidence *evidence, char reason[REASON_MAX])
{
	struct adopted *adopted = adopted_of(watch);
	const struct adoption *adoption = adopted_find(adopted, question->link->ifindex, question->namespace->cookie);
	bool has_labels = adoption && adoption->has_labels;
	struct runtime_question whose = *question;

	if (!adoption || !adoption->word.owner.id)
		return RUNTIME_OWNS;
	if (complete_by_namespace(adopted, adoption, evidence, &has_labels) < 0) {
		snprintf(reason, REASON_MAX, "out of memory");
		return RUNTIME_PENDING;
	}
	whose.owner_only = true;
	evidence->unlabelled = !has_labels;
	/* CNI, which is asked last, has no labels, and whoever adopted the port may have been its plugin. */
	for (size_t i = RUNTIME_ADOPTED + 1; i < RUNTIME_CNI; i++) {
		struct evidence record = {0};
		enum runtime_answer answer = runtimes[i]->ask(watch->states[i], &whose, &record, reason);

		if (answer == RUNTIME_OWNS && is_of(&record, adoption)) {
			adoption_complete(evidence, has_labels, &record);
			evidence->unlabelled = false;
		}
		evidence_free(&record);
		if (answer == RUNTIME_PENDING && evidence->unlabelled && is_waited_for(watch, question, adoption, i))
			return RUNTIME_PENDING;
	}
	return RUNTIME_OWNS;
}

/* The networks that were named with the addresses, on the bridges where they are. */
static int adopted_list(void *state, struct port_watch *watch)
{
	int r = 0;

	(void)state;
	for (size_t i = 0; r == 0 && i < watch->entries.count; i++) {
		const struct entry *entry = watch->entries.items[i];
		const struct link *bridge = link_find(&watch->links, entry->link.master);

		if (!bridge || !entry->adopted || entry->runtime != &runtime_adopted)
			continue;
		for (size_t j = 0; r == 0 && j < entry->evidence.subnet_count; j++)
			r = network_add(watch, bridge->name, &entry->evidence.subnets[j]);
	}
	return r;
}

static json_t *adopted_status(void *state)
{
	const struct adopted *adopted = state;
	json_t *status = json_object();
	char escaped[REASON_MAX * 4];

	json_object_set_new(status, "reachable", json_true());
	json_object_set_new(status, "containers", json_integer((json_int_t)map_count(adopted->adoptions)));
	if (adopted->problem[0])
		json_object_set_new(status, "why",
				    json_string(text_escape(escaped, sizeof(escaped), adopted->problem)));
	return status;
}

const struct runtime runtime_adopted = {
	.name = "adopted",
	.start = adopted_start,
	.stop = adopted_stop,
	.ask = adopted_ask,
	.list = adopted_list,
	.status = adopted_status,
};

/* ---- Namespaces that no folder pins ---- */

int adopted_namespace(struct port_watch *watch, int32_t nsid, struct namespace *ret_namespace, int *ret_fd)
{
	const struct adopted *adopted = adopted_of(watch);
	void *value;

	for (size_t at = 0; map_next(adopted->adoptions, &at, NULL, NULL, &value);) {
		const struct adoption *adoption = value;
		AUTO_CLOSE int fd = -1;
		uint64_t cookie;
		int32_t found;

		if (!adoption->site.netns || (adoption->nsid >= 0 && adoption->nsid != nsid) ||
		    namespace_open(adoption->site.netns, &fd) < 0 ||
		    netlink_nsid(watch->netlink_fd, fd, &found, NULL) < 0 || found != nsid ||
		    namespace_cookie(fd, &cookie) < 0)
			continue;
		*ret_namespace = (struct namespace){.cookie = cookie, .nsid = nsid};
		*ret_fd = TAKE_FD(fd);
		return 0;
	}
	return -ENOENT;
}

static bool interface_is_gone(const struct port_watch *watch, const struct adoption *adoption)
{
	const struct entry *entry = watch_entry(watch, adoption->site.ifindex);

	if (!entry || events_gone(watch->events, adoption->site.ifindex))
		return true;
	if (adoption->site.cookie == 0)
		return false;
	/* Its other end came back to the host, or is in another namespace than it was: that one is nobody's yet. */
	return !entry->link.elsewhere || (adoption->nsid >= 0 && entry->link.nsid != adoption->nsid) ||
	       (entry->verified && entry->namespace.cookie != adoption->site.cookie);
}

static bool namespace_is_gone(const struct port_watch *watch, const struct adoption *adoption)
{
	for (size_t i = 0; i < watch->entries.count; i++) {
		const struct entry *entry = watch->entries.items[i];

		if (entry->verified && entry->namespace.cookie == adoption->site.cookie)
			return false;
	}
	return adopted_cookie_at(adoption->site.netns) != adoption->site.cookie;
}

void adopted_sweep(struct port_watch *watch)
{
	struct adopted *adopted = adopted_of(watch);
	bool dropped = false;
	void *value;

	for (size_t at = 0; map_next(adopted->adoptions, &at, NULL, NULL, &value);) {
		const struct adoption *adoption = value;
		bool ended = adoption_has_ended(adopted, adoption);

		if (!ended &&
		    !(adoption->site.ifindex ? interface_is_gone(watch, adoption) : namespace_is_gone(watch, adoption)))
			continue;
		/* Its namespace may be kept for another container, who is not the one that was meant. */
		if (ended) {
			adopted_forget(watch, &adoption->site, &runtime_adopted);
			port_watch_schedule(watch, 0);
		}
		adopted_drop(adopted, value);
		dropped = true;
	}
	if (dropped)
		(void)adopted_save(adopted, NULL); /* `problem` tells */
}
