/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/map.h"
#include "base/text.h"
#include "netlink.h"
#include "runtime_adopted.h"

struct adopted_key {
	uint64_t cookie;
	uint32_t ifindex;
	uint32_t padding; /* the whole struct is the key */
};

struct adopted {
	struct port_watch *watch;
	struct map *adoptions; /* adopted_key → adoption */
	size_t bytes;	       /* of their texts */
	char boot[64];
	char problem[REASON_MAX]; /* why the file could not be read or written; "" */
};

static struct adopted *adopted_of(const struct port_watch *watch)
{
	return watch->states[RUNTIME_ADOPTED];
}

static void value_free(void *value)
{
	adoption_free(value);
	free(value);
}

static struct adoption *adopted_get(const struct adopted *adopted, uint32_t ifindex, uint64_t cookie)
{
	const struct adopted_key key = {.cookie = cookie, .ifindex = ifindex};

	return map_get(adopted->adoptions, &key, sizeof(key));
}

static void adopted_drop(struct adopted *adopted, struct adoption *adoption)
{
	const struct adopted_key key = {.cookie = adoption->site.cookie, .ifindex = adoption->site.ifindex};

	map_remove(adopted->adoptions, &key, sizeof(key));
	adopted->bytes -= strlen(adoption->text);
	value_free(adoption);
}

/* An interface has one: what was said of it when its other end was elsewhere, or nowhere yet, is out of date. */
static void adopted_drop_others(struct adopted *adopted, const struct port_site *site)
{
	const struct adoption *kept = adopted_get(adopted, site->ifindex, site->cookie);
	void *value;

	for (size_t at = 0; map_next(adopted->adoptions, &at, NULL, NULL, &value);) {
		const struct adoption *other = value;

		if (other != kept && other->site.ifindex && other->site.ifindex == site->ifindex)
			adopted_drop(adopted, value);
	}
}

/* Takes over what `adoption` holds, unless it fails. */
static int adopted_put(struct adopted *adopted, struct adoption *adoption)
{
	const struct adopted_key key = {.cookie = adoption->site.cookie, .ifindex = adoption->site.ifindex};
	struct adoption *kept = malloc(sizeof(*kept));
	void *old = NULL;

	if (!kept || map_set(adopted->adoptions, &key, sizeof(key), kept, &old) < 0) {
		free(kept);
		return -ENOMEM;
	}
	*kept = *adoption;
	*adoption = (struct adoption){0};
	adopted->bytes += strlen(kept->text);
	if (old) {
		adopted->bytes -= strlen(((struct adoption *)old)->text);
		value_free(old);
	}
	return 0;
}

/* ---- The file ---- */

static int adopted_save(struct adopted *adopted, struct error *error)
{
	const char *path = adopted->watch->options.adopted;
	AUTO_FREE char *text = NULL;
	struct error failure = {0};
	int r;

	if (!path)
		return 0;
	text = adopted_text(adopted->adoptions, adopted->boot, adopted->watch->cookie);
	/* It is of no use after the machine's own end, so that nobody waits for the disk. */
	r = text ? file_write_as(path, text, strlen(text), 0600, false, &failure)
		 : error_set(&failure, -ENOMEM, "out of memory");
	adopted->problem[0] = '\0';
	if (r < 0)
		snprintf(adopted->problem, sizeof(adopted->problem), "what is adopted can't be kept: %.110s",
			 failure.text);
	return r < 0 ? error_set(error, r, "%s", adopted->problem) : 0;
}

static int load_one(void *arg, struct adoption *adoption)
{
	int r = adopted_put(arg, adoption);

	if (r < 0)
		adoption_free(adoption);
	return r;
}

/* Opened once and judged by what was opened: nobody else may say whose a port is. */
static int file_open(const char *path, struct error *error)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW | O_CLOEXEC);
	struct stat status;

	if (fd < 0 || fstat(fd, &status) < 0)
		return error_set(error, -errno, "%s", strerror(errno));
	if (!S_ISREG(status.st_mode) || status.st_uid != geteuid() || status.st_mode & (S_IWGRP | S_IWOTH))
		return error_set(error, -EPERM, "it is not a regular file that only root can write");
	return TAKE_FD(fd);
}

static int file_load(struct adopted *adopted, const char *path, struct error *error)
{
	AUTO_CLOSE int fd = file_open(path, error);
	AUTO_FREE char *data = NULL;
	char descriptor[64];
	size_t size;
	int r;

	if (fd < 0)
		return fd;
	snprintf(descriptor, sizeof(descriptor), "/proc/self/fd/%d", fd);
	r = file_read(descriptor, ADOPTED_SIZE_MAX * 2, &data, &size, error);
	if (r == 0)
		r = adopted_parse(data, size, adopted->boot, adopted->watch->cookie, load_one, adopted, error);
	return r;
}

/* All of it or nothing: a file that is bad at one place may be bad at others. */
static void adopted_load(struct adopted *adopted)
{
	const char *path = adopted->watch->options.adopted;
	struct error error = {0};
	void *value;
	int r = path ? file_load(adopted, path, &error) : -ENOENT;

	if (r == 0 || r == -ENOENT)
		return;
	for (size_t at = 0; map_next(adopted->adoptions, &at, NULL, NULL, &value);)
		adopted_drop(adopted, value);
	snprintf(adopted->problem, sizeof(adopted->problem), "%.60s: nothing is adopted: %.70s", path, error.text);
}

/* ---- As a runtime ---- */

static int adopted_start(struct port_watch *watch, void **ret_state)
{
	struct adopted *adopted = calloc(1, sizeof(*adopted));

	if (adopted)
		adopted->adoptions = map_new();
	if (!adopted || !adopted->adoptions) {
		free(adopted);
		return -ENOMEM;
	}
	adopted->watch = watch;
	adopted_boot(watch->options.proc, adopted->boot);
	adopted_load(adopted);
	*ret_state = adopted;
	return 0;
}

static void adopted_stop(void *state)
{
	struct adopted *adopted = state;

	if (!adopted)
		return;
	map_free(adopted->adoptions, value_free);
	free(adopted);
}

/* The one that was made before its end was in a namespace is of the first that it is seen in. */
static struct adoption *adopted_bind(struct adopted *adopted, struct adoption *adoption, uint64_t cookie)
{
	const struct adopted_key key = {.ifindex = adoption->site.ifindex};
	struct adoption *bound = adoption;

	map_remove(adopted->adoptions, &key, sizeof(key));
	adopted->bytes -= strlen(adoption->text);
	adoption->site.cookie = cookie;
	if (adoption_write(adoption, NULL) < 0 || adopted_put(adopted, adoption) < 0)
		adoption_free(adoption);
	free(bound);
	(void)adopted_save(adopted, NULL); /* `problem` tells */
	return adopted_get(adopted, key.ifindex, cookie);
}

static struct adoption *adopted_find(struct adopted *adopted, uint32_t ifindex, uint64_t cookie)
{
	struct adoption *adoption = adopted_get(adopted, ifindex, cookie);

	if (!adoption && (adoption = adopted_get(adopted, ifindex, 0)))
		adoption = adopted_bind(adopted, adoption, cookie);
	return adoption ? adoption : adopted_get(adopted, 0, cookie);
}

static enum runtime_answer adopted_ask(void *state, const struct runtime_question *question, struct evidence *evidence,
				       char reason[REASON_MAX])
{
	struct adoption *adoption = adopted_find(state, question->link->ifindex, question->namespace->cookie);

	if (!adoption)
		return RUNTIME_NOT_MINE;
	if (adoption->site.ifindex)
		adoption->nsid = question->link->nsid;
	if (adoption_evidence(adoption, evidence) < 0) {
		snprintf(reason, REASON_MAX, "out of memory");
		return RUNTIME_PENDING;
	}
	return RUNTIME_OWNS;
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
	const struct adoption *whole = adoption->site.ifindex ? adopted_get(adopted, 0, adoption->site.cookie) : NULL;
	struct evidence record = {0};
	int r;

	if (!whole || !is_of(&whole->word, adoption))
		return 0;
	r = adoption_evidence(whole, &record);
	if (r == 0) {
		adoption_complete(evidence, *has_labels, &record);
		*has_labels |= whole->has_labels;
	}
	evidence_free(&record);
	return r;
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
	/* CNI, which is asked last, has no labels, and whoever adopted the port may have been its plugin. */
	for (size_t i = RUNTIME_ADOPTED + 1; i < RUNTIME_CNI; i++) {
		struct evidence record = {0};
		enum runtime_answer answer = runtimes[i]->ask(watch->states[i], &whose, &record, reason);

		if (answer == RUNTIME_OWNS && is_of(&record, adoption))
			adoption_complete(evidence, has_labels, &record);
		evidence_free(&record);
		/* A policy may ask for a label that the engine has not told yet. */
		if (answer == RUNTIME_PENDING && !has_labels &&
		    strcmp(adoption->word.owner.runtime, runtimes[i]->name) == 0)
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

static bool leads_to(const char *netns, uint64_t cookie)
{
	AUTO_CLOSE int fd = -1;
	uint64_t found;

	return netns && namespace_open(netns, &fd) == 0 && namespace_cookie(fd, &found) == 0 && found == cookie;
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
	return !leads_to(adoption->site.netns, adoption->site.cookie);
}

void adopted_sweep(struct port_watch *watch)
{
	struct adopted *adopted = adopted_of(watch);
	bool dropped = false;
	void *value;

	for (size_t at = 0; map_next(adopted->adoptions, &at, NULL, NULL, &value);) {
		const struct adoption *adoption = value;

		if (adoption->site.ifindex ? interface_is_gone(watch, adoption) : namespace_is_gone(watch, adoption)) {
			adopted_drop(adopted, value);
			dropped = true;
		}
	}
	if (dropped)
		(void)adopted_save(adopted, NULL); /* `problem` tells */
}

/* ---- For the daemon ---- */

/* Whose they are is found anew. */
static void entries_forget(struct port_watch *watch, const struct port_site *site, const struct runtime *runtime)
{
	for (size_t i = 0; i < watch->entries.count; i++) {
		struct entry *entry = watch->entries.items[i];

		if (!site_holds(site, entry) || (runtime && entry->runtime != runtime))
			continue;
		entry_forget(entry);
		entry->look = true;
		entry->looks = 0;
	}
}

static int adoption_make(const struct port_site *site, const char *interface, const json_t *words,
			 struct adoption *ret_adoption, struct error *error)
{
	char reason[REASON_MAX];
	int r = adoption_parse(words, ret_adoption, reason);

	if (r < 0)
		return error_set(error, r, "%s", r == -ENOMEM ? "out of memory" : reason);
	ret_adoption->site = (struct port_site){.ifindex = site->ifindex, .cookie = site->cookie};
	if (interface)
		snprintf(ret_adoption->interface, sizeof(ret_adoption->interface), "%s", interface);
	if (site->netns && !(ret_adoption->site.netns = strdup(site->netns)))
		r = -ENOMEM;
	if (r == 0)
		r = adoption_write(ret_adoption, words);
	if (r < 0) {
		adoption_free(ret_adoption);
		return error_set(error, r, "%s",
				 r == -E2BIG ? "what is said of the container is too long" : strerror(-r));
	}
	return 0;
}

/* One that says the same is left alone: the port may be open by it. One that is bound already is the same port's. */
static bool adopted_has(struct adopted *adopted, const struct adoption *adoption)
{
	const struct adoption *old = adopted_get(adopted, adoption->site.ifindex, adoption->site.cookie);

	return old && strcmp(old->text, adoption->text) == 0;
}

int port_watch_adopt(struct port_watch *watch, const struct port_site *site, const char *interface, const json_t *words,
		     struct error *error)
{
	struct adopted *adopted = adopted_of(watch);
	struct adoption adoption;
	int r = adoption_make(site, interface, words, &adoption, error);

	if (r < 0)
		return r;
	if (adopted_has(adopted, &adoption)) {
		adoption_free(&adoption);
		return 0;
	}
	if (map_count(adopted->adoptions) >= ADOPTIONS_MAX || adopted->bytes + strlen(adoption.text) > ADOPTED_SIZE_MAX)
		r = error_set(error, -ENOSPC, "there are too many adopted ports already");
	else if (adopted_put(adopted, &adoption) < 0)
		r = error_set(error, -ENOMEM, "out of memory");
	if (r < 0) {
		adoption_free(&adoption);
		return r;
	}
	adopted_drop_others(adopted, site);
	r = adopted_save(adopted, error);
	if (r < 0) {
		adopted_drop(adopted, adopted_get(adopted, site->ifindex, site->cookie));
		return r;
	}
	entries_forget(watch, site, NULL);
	return 0;
}

int port_watch_release(struct port_watch *watch, const char *interface, const char *netns, const char *id,
		       size_t *ret_count, struct error *error)
{
	struct adopted *adopted = adopted_of(watch);
	uint32_t ifindex = interface ? if_nametoindex(interface) : 0;
	size_t count = 0;
	void *value;

	for (size_t at = 0; map_next(adopted->adoptions, &at, NULL, NULL, &value);) {
		struct adoption *adoption = value;
		const char *own = adoption->word.owner.id, *path = adoption->site.netns;

		if ((interface && (ifindex == 0 || adoption->site.ifindex != ifindex)) ||
		    (id && (!own || strcmp(own, id) != 0)) ||
		    (netns && !leads_to(netns, adoption->site.cookie) && (!path || strcmp(path, netns) != 0)))
			continue;
		entries_forget(watch, &adoption->site, &runtime_adopted);
		adopted_drop(adopted, adoption);
		count++;
	}
	*ret_count = count;
	return count > 0 ? adopted_save(adopted, error) : 0;
}

const char *port_watch_adopted_problem(struct port_watch *watch)
{
	return adopted_of(watch)->problem;
}
