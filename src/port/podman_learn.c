/* SPDX-License-Identifier: GPL-2.0-only */
/* What containers are: from Podman's database, or from Podman. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "podman.h"

#define PODMAN_DEFAULT_ROOT "/var/lib/containers/storage"
/* While Podman answers with nothing of use, it is not started more often than this. */
#define PODMAN_REST_MS 200
/* A database that changes while it is read is read again after this. One start of a container is some ten commits. */
#define PODMAN_CHANGE_MS 20
/* Comparing takes no more than this part of the time. */
#define PODMAN_FOLLOW_SHARE 10

/* True when it is news. */
static bool heard(struct podman *podman, const json_t *json, uint64_t hash, enum podman_way way)
{
	struct podman_container *container;
	struct engine_record record;

	if (engine_record_parse(json, "podman", &record) < 0) {
		snprintf(podman->why, sizeof(podman->why), "what Podman says of a container can't be used");
		return false;
	}
	record.hash = hash;
	container = map_get_text(podman->containers, record.owner.id);
	if (container)
		container->heard_ms = monotonic_ms();
	if (container && !container->record)
		container->record = calloc(1, sizeof(*container->record));
	if (!container || !container->record || container->record->hash == record.hash) {
		engine_record_free(&record);
		return false;
	}
	record.owner.cgroup = engine_cgroup(podman->watch->options.proc, record.pid, record.owner.id);
	engine_record_free(container->record);
	*container->record = record;
	podman->way = way;
	return true;
}

/* 1: news; 0; or -errno. */
static int row_learn(struct podman *podman, const struct podman_db *db, struct podman_container *container)
{
	struct podman_row row;
	json_t *json = NULL;
	uint64_t hash;
	int r = podman_db_read(db, container->id, &row);

	if (r < 0)
		return r;
	hash = podman_row_hash(&row);
	if (container->record && container->record->hash == hash) {
		container->heard_ms = monotonic_ms();
		podman_row_free(&row);
		return 0;
	}
	r = podman_row_json(&row, &json);
	podman_row_free(&row);
	if (r == 0)
		r = strcmp(port_json_text(json, "Id"), container->id) == 0 ? 0 : -EBADMSG;
	if (r == 0)
		r = heard(podman, json, hash, PODMAN_WAY_DATABASE);
	json_decref(json);
	return r;
}

/* Reads what is wanted (or all): who can't be read that way stays wanted. 0, or why one can't be. */
static int database_learn(struct podman *podman, bool all)
{
	struct podman_db db;
	int r = podman_db_open(podman->watch->options.podman_root, &db), worst = 0;
	bool news = false;
	void *value;

	if (r < 0)
		return r;
	for (size_t at = 0; map_next(podman->containers, &at, NULL, NULL, &value);) {
		struct podman_container *container = value;

		if (all ? db.bolt.transaction == podman->transaction : !container->wanted)
			continue;
		r = row_learn(podman, &db, container);
		news |= r > 0;
		container->wanted &= r < 0;
		if (r < 0 && worst != -EAGAIN)
			worst = r;
	}
	if (all && worst != -EAGAIN)
		podman->transaction = db.bolt.transaction;
	podman_db_close(&db);
	if (news)
		port_watch_dirty(podman->watch);
	return worst;
}

static void inspect_start(struct podman *podman);

static void inspected(void *arg, int status, const char *output, size_t size)
{
	struct podman *podman = arg;
	json_t *list = status >= 0 ? port_json_parse(output, size) : NULL;
	const json_t *item;
	bool news = false;
	void *value;
	size_t i;

	podman->child = NULL;
	podman->why[0] = '\0';
	/* With one of many gone it fails, and prints the others all the same. */
	if (json_is_array(list)) {
		json_array_foreach(list, i, item)
		{
			char *text = json_dumps(item, JSON_COMPACT | JSON_SORT_KEYS);

			news |= text && heard(podman, item, engine_hash(text, strlen(text)), PODMAN_WAY_INSPECT);
			free(text);
		}
	} else {
		snprintf(podman->why, sizeof(podman->why), "`podman container inspect` failed: %s",
			 status < 0 ? strerror(-status) : "no list of containers");
	}
	json_decref(list);
	for (size_t at = 0; map_next(podman->containers, &at, NULL, NULL, &value);)
		((struct podman_container *)value)->asked = false;
	podman_learn(podman);
	/* Only for news: who still waits looks again by itself, ever less often. */
	if (news)
		port_watch_dirty(podman->watch);
}

static const char *task_root = PODMAN_DEFAULT_ROOT;

void podman_task_root(const char *root)
{
	task_root = root;
}

int podman_task(const struct steward_order *order)
{
	const char *words[CHILD_WORDS_MAX];
	size_t count = child_words(order, words), at = 1;

	if (count == 0 || strcmp(words[0], "podman") != 0)
		return -EPERM;
	if (count > 3 && strcmp(words[1], "--root") == 0 && strcmp(words[2], task_root) == 0)
		at = 3;
	if (count < at + 3 || strcmp(words[at], "container") != 0 || strcmp(words[at + 1], "inspect") != 0)
		return -EPERM;
	for (at += 2; at < count; at++)
		if (!engine_is_id(words[at]))
			return -EPERM;
	return child_task(order);
}

/* Everything that is wanted, as far as it goes into one call. */
static void inspect_start(struct podman *podman)
{
	const char *root = podman->watch->options.podman_root;
	const char *argv[PODMAN_INSPECT_BATCH + 6] = {"podman"};
	size_t count = 1, first;
	int64_t now_ms = monotonic_ms();
	void *value;

	if (podman->child)
		return;
	/* Its storage may be elsewhere by its own settings; a name that we were given goes before. */
	if (strcmp(root, PODMAN_DEFAULT_ROOT) != 0) {
		argv[count++] = "--root";
		argv[count++] = root;
	}
	argv[count++] = "container";
	argv[count++] = "inspect";
	first = count;
	for (size_t at = 0;
	     count < first + PODMAN_INSPECT_BATCH && map_next(podman->containers, &at, NULL, NULL, &value);) {
		struct podman_container *container = value;

		if (container->wanted)
			argv[count++] = container->id;
	}
	if (count == first)
		return;
	if (now_ms < podman->inspected_ms + PODMAN_REST_MS && podman->why[0]) {
		(void)loop_set_timer(podman->retry, PODMAN_REST_MS, 0);
		return;
	}
	podman->inspected_ms = now_ms;
	int r = child_run(podman->watch->loop, podman_task, argv, PODMAN_OUTPUT_MAX, PODMAN_TIMEOUT_MS, inspected,
			  podman, &podman->child);
	for (size_t i = first; i < count; i++) {
		struct podman_container *container = map_get_text(podman->containers, argv[i]);

		container->wanted = false;
		container->asked = r == 0;
	}
	if (r < 0)
		snprintf(podman->why, sizeof(podman->why), "`podman` can't be run: %s", strerror(-r));
}

static bool anything_wanted(const struct podman *podman)
{
	void *value;

	for (size_t at = 0; map_next(podman->containers, &at, NULL, NULL, &value);) {
		if (((struct podman_container *)value)->wanted)
			return true;
	}
	return false;
}

void podman_learn(struct podman *podman)
{
	int r;

	if (!podman->watch->options.podman_root || !anything_wanted(podman))
		return;
	r = database_learn(podman, false);
	if (r == -EAGAIN || r == -ENOMEM)
		(void)loop_set_timer(podman->retry, PODMAN_CHANGE_MS, 0);
	else if (r < 0)
		inspect_start(podman);
}

static void learn_again(struct loop *loop, void *arg)
{
	(void)loop;
	podman_learn(arg);
}

static void follow_now(struct loop *loop, void *arg)
{
	struct podman *podman = arg;
	int64_t begin_ms = monotonic_ms();

	(void)loop;
	podman->following = false;
	if (database_learn(podman, true) == -EAGAIN)
		podman_follow(podman);
	podman->follow_cost_ms = monotonic_ms() - begin_ms;
}

void podman_follow(struct podman *podman)
{
	/* Not put off by each further change. */
	if (podman->following)
		return;
	podman->following = true;
	(void)loop_set_timer(podman->follow, PODMAN_CHANGE_MS + podman->follow_cost_ms * PODMAN_FOLLOW_SHARE, 0);
}

int podman_learn_start(struct podman *podman)
{
	int r = loop_add_timer(podman->watch->loop, learn_again, podman, &podman->retry);

	return r < 0 ? r : loop_add_timer(podman->watch->loop, follow_now, podman, &podman->follow);
}

void podman_learn_stop(struct podman *podman)
{
	child_cancel(podman->child);
	loop_remove(podman->retry);
	loop_remove(podman->follow);
}
