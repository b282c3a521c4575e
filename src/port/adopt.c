/* SPDX-License-Identifier: GPL-2.0-only */
/* To adopt and to release, for the daemon. */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "runtime_adopted.h"

void adopted_forget(struct port_watch *watch, const struct port_site *site, const struct runtime *runtime)
{
	for (size_t i = 0; i < watch->entries.count; i++) {
		struct entry *entry = watch->entries.items[i];

		if (!site_holds(site, entry) || (runtime && entry->runtime != runtime))
			continue;
		entry_forget(entry);
		entry_look_now(entry);
	}
}

static int process_find(const struct port_watch *watch, struct process *process, struct error *error)
{
	if (process->pid == 0 || process_start(watch->options.proc, process->pid, &process->start) == 0)
		return 0;
	return error_set(error, -EINVAL, "there is no process %d", (int)process->pid);
}

static int adoption_make(const struct port_watch *watch, const struct port_site *site, const char *interface,
			 const json_t *words, struct adoption *ret_adoption, struct error *error)
{
	char reason[REASON_MAX];
	int r = adoption_parse(words, ret_adoption, reason);

	if (r < 0)
		return error_set(error, r, "%s", r == -ENOMEM ? "out of memory" : reason);
	ret_adoption->site = (struct port_site){.ifindex = site->ifindex, .cookie = site->cookie};
	if (interface)
		snprintf(ret_adoption->interface, sizeof(ret_adoption->interface), "%s", interface);
	if (process_find(watch, &ret_adoption->process, error) < 0) {
		adoption_free(ret_adoption);
		return error->code;
	}
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

/* An interface has one: what was said of it when its other end was elsewhere, or nowhere yet, is out of date. A
 * namespace that is kept for the next container has that one's, not the last one's too. */
static void drop_older(struct adopted *adopted, const struct port_site *site, const struct adoption *newest)
{
	void *value;

	for (size_t at = 0; map_next(adopted->adoptions, &at, NULL, NULL, &value);) {
		const struct adoption *other = value;

		if (other != newest &&
		    (site->ifindex ? other->site.ifindex == site->ifindex && other->site.cookie != site->cookie
				   : other->site.cookie == site->cookie && adoption_has_ended(adopted, other)))
			adopted_drop(adopted, value);
	}
}

/* Takes over what `adoption` holds, unless it fails. */
static int adoption_keep(struct adopted *adopted, struct adoption *adoption, struct error *error)
{
	if (map_count(adopted->adoptions) >= ADOPTIONS_MAX ||
	    adopted->bytes + strlen(adoption->text) > ADOPTED_SIZE_MAX)
		return error_set(error, -ENOSPC, "there are too many adopted ports already");
	if (adopted_put(adopted, adoption) < 0)
		return error_set(error, -ENOMEM, "out of memory");
	return 0;
}

int port_watch_adopt(struct port_watch *watch, const struct port_site *site, const char *interface, const json_t *words,
		     struct error *error)
{
	const char *id = json_string_value(json_object_get(words, "id"));
	struct adopted *adopted = adopted_of(watch);
	struct adoption *old = adopted_get(adopted, site->ifindex, site->cookie, id);
	struct adoption adoption;
	int r = adoption_make(watch, site, interface, words, &adoption, error);

	if (r < 0)
		return r;
	/* What says the same is left alone: the port may be open by it. */
	if (!old || strcmp(old->text, adoption.text) != 0) {
		r = adoption_keep(adopted, &adoption, error);
		if (r == 0) {
			drop_older(adopted, site, adopted_get(adopted, site->ifindex, site->cookie, id));
			adopted_forget(watch, site, NULL);
			r = adopted_save(adopted, error);
		}
		/* What would not outlive us is not said at all. */
		if (r < 0 && !adoption.text)
			adopted_drop(adopted, adopted_get(adopted, site->ifindex, site->cookie, id));
	} else {
		old->is_old = false;
	}
	adoption_free(&adoption);
	return r;
}

/* Is it one of those that are to be released? `cookie`: of the namespace at the path; 0: there is none. */
static bool is_meant(const struct adoption *adoption, const char *interface, const char *netns, uint64_t cookie,
		     const char *id)
{
	const char *own = adoption->word.owner.id, *path = adoption->site.netns;
	uint32_t ifindex = interface ? if_nametoindex(interface) : 0;

	if (interface && (ifindex == 0 || adoption->site.ifindex != ifindex))
		return false;
	if (id && (!own || strcmp(own, id) != 0))
		return false;
	return !netns || (cookie ? adoption->site.cookie == cookie : path && strcmp(path, netns) == 0);
}

int port_watch_release(struct port_watch *watch, const char *interface, const char *netns, const char *id,
		       size_t *ret_count, struct error *error)
{
	struct adopted *adopted = adopted_of(watch);
	uint64_t cookie = adopted_cookie_at(netns);
	size_t count = 0;
	void *value;

	for (size_t at = 0; map_next(adopted->adoptions, &at, NULL, NULL, &value);) {
		struct adoption *adoption = value;

		if (!is_meant(adoption, interface, netns, cookie, id))
			continue;
		adopted_forget(watch, &adoption->site, &runtime_adopted);
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
