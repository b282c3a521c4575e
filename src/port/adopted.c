/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/map.h"
#include "engine.h"
#include "runtime_adopted.h"

struct adopted_key {
	uint64_t cookie;
	uint64_t id; /* a hash of it; 0: none, or it does not count */
	uint32_t ifindex;
	uint32_t padding; /* the whole struct is the key */
};

struct adopted *adopted_of(const struct port_watch *watch)
{
	return watch->states[RUNTIME_ADOPTED];
}

static struct adopted_key key_of(uint32_t ifindex, uint64_t cookie, const char *id)
{
	struct adopted_key key = {.cookie = cookie, .ifindex = ifindex};

	if (ifindex == 0 && id)
		key.id = engine_hash(id, strlen(id));
	return key;
}

struct adoption *adopted_get(const struct adopted *adopted, uint32_t ifindex, uint64_t cookie, const char *id)
{
	const struct adopted_key key = key_of(ifindex, cookie, id);

	return map_get(adopted->adoptions, &key, sizeof(key));
}

struct adoption *adopted_whole(const struct adopted *adopted, uint64_t cookie, uint64_t order)
{
	struct adoption *first = NULL;
	void *value;

	for (size_t at = 0; adopted->whole_count > 0 && map_next(adopted->adoptions, &at, NULL, NULL, &value);) {
		struct adoption *adoption = value;

		if (adoption->site.ifindex == 0 && adoption->site.cookie == cookie && adoption->order > order &&
		    (!first || adoption->order < first->order))
			first = adoption;
	}
	return first;
}

static void value_free(void *value)
{
	adoption_free(value);
	free(value);
}

/* Out of the map; its memory is the caller's. */
static void adopted_take(struct adopted *adopted, const struct adoption *adoption)
{
	const struct adopted_key key = key_of(adoption->site.ifindex, adoption->site.cookie, adoption->word.owner.id);

	map_remove(adopted->adoptions, &key, sizeof(key));
	adopted->bytes -= strlen(adoption->text);
	adopted->whole_count -= adoption->site.ifindex == 0;
}

void adopted_drop(struct adopted *adopted, struct adoption *adoption)
{
	adopted_take(adopted, adoption);
	value_free(adoption);
}

int adopted_put(struct adopted *adopted, struct adoption *adoption)
{
	const struct adopted_key key = key_of(adoption->site.ifindex, adoption->site.cookie, adoption->word.owner.id);
	struct adoption *kept = malloc(sizeof(*kept)), *old;
	void *replaced = NULL;

	if (!kept || map_set(adopted->adoptions, &key, sizeof(key), kept, &replaced) < 0) {
		free(kept);
		return -ENOMEM;
	}
	old = replaced;
	*kept = *adoption;
	*adoption = (struct adoption){0};
	kept->order = old ? old->order : ++adopted->last_order;
	adopted->bytes += strlen(kept->text);
	adopted->whole_count += kept->site.ifindex == 0;
	if (old) {
		adopted->bytes -= strlen(old->text);
		adopted->whole_count -= old->site.ifindex == 0;
		value_free(old);
	}
	return 0;
}

struct adoption *adopted_bind(struct adopted *adopted, struct adoption *adoption, uint64_t cookie)
{
	uint32_t ifindex = adoption->site.ifindex;

	adopted_take(adopted, adoption);
	adoption->site.cookie = cookie;
	if (adoption_write(adoption, NULL) < 0 || adopted_put(adopted, adoption) < 0)
		adoption_free(adoption);
	free(adoption);
	(void)adopted_save(adopted, NULL); /* `problem` tells */
	return adopted_get(adopted, ifindex, cookie, NULL);
}

uint64_t adopted_cookie_at(const char *netns)
{
	AUTO_CLOSE int fd = -1;
	uint64_t cookie;

	return netns && namespace_open(netns, &fd) == 0 && namespace_cookie(fd, &cookie) == 0 ? cookie : 0;
}

bool adoption_has_ended(const struct adopted *adopted, const struct adoption *adoption)
{
	return adoption->process.pid > 0 && !process_is_still(adopted->watch->options.proc, &adoption->process);
}

/* ---- The file ---- */

int adopted_save(struct adopted *adopted, struct error *error)
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
	int r;

	adoption->is_old = true;
	r = adopted_put(arg, adoption);
	if (r < 0)
		adoption_free(adoption);
	return r;
}

static int file_load(struct adopted *adopted, const char *path, struct error *error)
{
	AUTO_FREE char *data = NULL;
	size_t size;
	int r = file_read_trusted(path, ADOPTED_SIZE_MAX * 2, &data, &size, error);

	return r < 0 ? r : adopted_parse(data, size, adopted->boot, adopted->watch->cookie, load_one, adopted, error);
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

int adopted_new(struct port_watch *watch, struct adopted **ret_adopted)
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
	*ret_adopted = adopted;
	return 0;
}

void adopted_free(struct adopted *adopted)
{
	if (!adopted)
		return;
	map_free(adopted->adoptions, value_free);
	free(adopted);
}
