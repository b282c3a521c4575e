/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "docker.h"

/* Docker that is not there may come at any time; asking costs one connect(). */
#define BACKOFF_FIRST_MS 250
#define BACKOFF_MAX_MS	 10000
/* An answer for a container waits until its start is over, which takes less. */
#define SILENCE_MS 2000

/* /events?filters={"type":["container","network"],"event":[...]}: checks of containers' health would flood us. */
#define EVENTS_TARGET                                                                \
	"/events?filters=%7B%22type%22%3A%5B%22container%22%2C%22network%22%5D%2C"   \
	"%22event%22%3A%5B%22start%22%2C%22die%22%2C%22destroy%22%2C%22rename%22%2C" \
	"%22create%22%2C%22connect%22%2C%22disconnect%22%5D%7D"

static void jobs_start(struct docker *docker);

static void job_target(const struct docker_job *job, char *buffer, size_t size)
{
	switch (job->kind) {
	case DOCKER_LIST:
		snprintf(buffer, size, "/containers/json");
		break;
	case DOCKER_INSPECT:
		snprintf(buffer, size, "/containers/%s/json", job->id);
		break;
	case DOCKER_NETWORKS:
		snprintf(buffer, size, "/networks");
		break;
	case DOCKER_NETWORK:
		snprintf(buffer, size, "/networks/%s", job->id);
		break;
	case DOCKER_JOB_MAX:
		break;
	}
}

static void job_remove(struct docker_job *job)
{
	struct docker_job **at = &job->docker->jobs;

	while (*at != job)
		at = &(*at)->next;
	*at = job->next;
	free(job);
}

static void not_reachable(struct docker *docker, int status)
{
	docker->reachable = false;
	docker->listed = false;
	if (status < 0)
		snprintf(docker->why, sizeof(docker->why), "%.60s: %s", docker->watch->options.docker_socket,
			 strerror(-status));
	else
		snprintf(docker->why, sizeof(docker->why), "%.60s: it answered %d",
			 docker->watch->options.docker_socket, status);
}

static bool list_holds(const json_t *list, const char *id)
{
	const json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
	{
		if (strcmp(port_json_text(item, "Id"), id) == 0)
			return true;
	}
	return false;
}

/* What is known and not on the list has stopped, or gone. */
static void forget_unlisted(struct docker *docker, const json_t *list)
{
	const void *key;

	for (size_t i = 0; map_next(docker->containers, &i, &key, NULL, NULL);) {
		if (!list_holds(list, key))
			docker_forget_container(docker, key);
	}
}

static int heard_list(struct docker *docker, const json_t *list)
{
	const json_t *item;
	size_t i;

	if (!json_is_array(list))
		return -EBADMSG;
	forget_unlisted(docker, list);
	json_array_foreach(list, i, item)
	{
		if (i < DOCKER_CONTAINERS_MAX)
			docker_want(docker, DOCKER_INSPECT, port_json_text(item, "Id"));
		else
			docker->left_out = true;
	}
	docker->listed = true;
	return 0;
}

static int heard_container(struct docker *docker, const json_t *json, uint64_t hash, int64_t asked_ms)
{
	struct engine_record *known;
	struct engine_record record;
	int r = engine_record_parse(json, "docker", &record);

	if (r < 0)
		return r == -EINVAL ? -EBADMSG : r;
	known = map_get_text(docker->containers, record.owner.id);
	if (!record.running) {
		r = known ? 0 : 1;
		docker_forget_container(docker, record.owner.id);
		engine_record_free(&record);
		return r;
	}
	if (known && known->hash == hash) {
		/* Nothing new, but for the port that needs to know that it is still so. */
		known->asked_ms = asked_ms;
		engine_record_free(&record);
		return 1;
	}
	record.asked_ms = asked_ms;
	record.hash = hash;
	record.owner.cgroup = engine_cgroup(docker->watch->options.proc, record.pid, record.owner.id);
	return docker_keep_container(docker, &record);
}

static int heard_network(struct docker *docker, const json_t *json, int64_t asked_ms)
{
	struct docker_network *network;
	int r = docker_network_parse(json, &network);

	if (r < 0)
		return r == -EINVAL ? -EBADMSG : r;
	network->asked_ms = asked_ms;
	return docker_keep_network(docker, network);
}

/* The list has the networks' nature, not their members: what is known of one stays. */
static int heard_networks(struct docker *docker, const json_t *list)
{
	const json_t *item;
	const void *key;
	size_t i;
	int nothing_new = 1;

	if (!json_is_array(list))
		return -EBADMSG;
	for (size_t at = 0; map_next(docker->networks, &at, &key, NULL, NULL);) {
		if (list_holds(list, key))
			continue;
		docker_forget_network(docker, key);
		nothing_new = 0;
	}
	json_array_foreach(list, i, item)
	{
		int r = 1;

		if (!map_get_text(docker->networks, port_json_text(item, "Id")))
			r = heard_network(docker, item, 0);
		if (r == -ENOMEM)
			return r;
		if (r == 0)
			nothing_new = 0;
	}
	return nothing_new;
}

/* 0: something is new; 1: nothing is; or -errno. */
static int job_heard(struct docker_job *job, int status, const char *body, size_t size)
{
	struct docker *docker = job->docker;
	json_t *json;
	int r = -EBADMSG;

	if (status == 404) {
		if (job->kind == DOCKER_INSPECT)
			r = map_get_text(docker->containers, job->id) ? 0 : 1;
		else
			r = map_get_text(docker->networks, job->id) ? 0 : 1;
		docker_forget_container(docker, job->id);
		docker_forget_network(docker, job->id);
		return r;
	}
	json = port_json_parse(body, size);
	switch (job->kind) {
	case DOCKER_LIST:
		r = heard_list(docker, json);
		break;
	case DOCKER_INSPECT:
		r = heard_container(docker, json, engine_hash(body, size), job->asked_ms);
		break;
	case DOCKER_NETWORKS:
		r = heard_networks(docker, json);
		break;
	case DOCKER_NETWORK:
		r = heard_network(docker, json, job->asked_ms);
		break;
	case DOCKER_JOB_MAX:
		break;
	}
	json_decref(json);
	return r;
}

static void job_done(void *arg, int status, const char *body, size_t size)
{
	struct docker_job *job = arg;
	struct docker *docker = job->docker;
	int r = 0;

	if (status == 200 || status == 404) {
		r = job_heard(job, status, body, size);
		docker->reachable = true;
		docker->backoff_ms = 0;
		docker->why[0] = '\0';
	}
	/* One answer that fails (too large, too late, a container in trouble) says nothing of the others. When Docker
	 * itself is gone, the events end. */
	if (status != 200 && status != 404)
		r = status < 0 ? status : -EREMOTEIO;
	if (r < 0)
		snprintf(docker->why, sizeof(docker->why), "an answer can't be used: %s", strerror(-r));
	if (job->kind == DOCKER_LIST)
		docker->list_failed = r < 0;
	job->http = NULL; /* not before: what was heard may start others */
	if (job->again && docker->reachable)
		job->again = false; /* stays in the list, and begins anew */
	else
		job_remove(job);
	jobs_start(docker);
	/* Only for news: who still waits for more looks again by itself, ever less often. */
	if (r == 0)
		port_watch_dirty(docker->watch);
}

static void jobs_start(struct docker *docker)
{
	unsigned int inspects = 0, others = 0;
	struct docker_job *job, *next;

	for (job = docker->jobs; job; job = job->next) {
		inspects += job->http && job->kind == DOCKER_INSPECT;
		others += job->http && job->kind != DOCKER_INSPECT;
	}
	for (job = docker->jobs; job; job = next) {
		bool inspect = job->kind == DOCKER_INSPECT;
		char target[128] = "";

		next = job->next;
		if (job->http || (inspect ? inspects >= DOCKER_INSPECTS_MAX : others >= DOCKER_OTHERS_MAX))
			continue;
		job_target(job, target, sizeof(target));
		job->asked_ms = monotonic_ms();
		int r = http_get(docker->watch->loop, docker->watch->options.docker_socket, target, NULL, job_done, job,
				 &job->http);
		if (r < 0) {
			not_reachable(docker, r);
			job_remove(job);
			continue;
		}
		inspects += inspect;
		others += !inspect;
	}
}

void docker_want(struct docker *docker, enum docker_job_kind kind, const char *id)
{
	struct docker_job **at, *job;

	if (!docker->watch->options.docker_socket || (id && !engine_is_id(id)))
		return;
	for (at = &docker->jobs; (job = *at); at = &job->next) {
		if (job->kind == kind && strcmp(job->id, id ? id : "") == 0) {
			job->again = job->http != NULL;
			return;
		}
	}
	job = calloc(1, sizeof(*job));
	if (!job)
		return; /* whoever needs it asks again at the next look */
	job->docker = docker;
	job->kind = kind;
	snprintf(job->id, sizeof(job->id), "%s", id ? id : "");
	*at = job;
	jobs_start(docker);
}

bool docker_is_silent(const struct docker *docker)
{
	int64_t now_ms = monotonic_ms();

	for (const struct docker_job *job = docker->jobs; job; job = job->next) {
		if (job->http && now_ms - job->asked_ms > SILENCE_MS)
			return true;
	}
	return false;
}

void docker_jobs_free(struct docker *docker)
{
	http_cancel(docker->events);
	docker->events = NULL;
	while (docker->jobs) {
		http_cancel(docker->jobs->http);
		job_remove(docker->jobs);
	}
}

static void id_copy(char to[ENGINE_ID_SIZE + 1], const char *from)
{
	if (engine_is_id(from))
		memcpy(to, from, ENGINE_ID_SIZE + 1);
}

void docker_event_parse(const char *line, size_t size, struct docker_event *ret_event)
{
	json_t *json = port_json_parse(line, size);
	const json_t *actor = json_object_get(json, "Actor");
	const char *type = port_json_text(json, "Type"), *action = port_json_text(json, "Action");

	*ret_event = (struct docker_event){0};
	if (strcmp(type, "container") == 0 && strcmp(action, "create") != 0) {
		id_copy(ret_event->container, port_json_text(actor, "ID"));
	} else if (strcmp(type, "network") == 0) {
		id_copy(ret_event->network, port_json_text(actor, "ID"));
		id_copy(ret_event->container, port_json_text(json_object_get(actor, "Attributes"), "container"));
		ret_event->networks = strcmp(action, "create") == 0 || strcmp(action, "destroy") == 0;
	}
	json_decref(json);
}

static void event_heard(void *arg, const char *line, size_t size)
{
	struct docker_event event;

	docker_event_parse(line, size, &event);
	/* The network first: its answer does not wait for a container that is being started. */
	if (event.networks)
		docker_want(arg, DOCKER_NETWORKS, NULL);
	else if (event.network[0])
		docker_want(arg, DOCKER_NETWORK, event.network);
	if (event.container[0])
		docker_want(arg, DOCKER_INSPECT, event.container);
}

static void retry_later(struct docker *docker)
{
	docker->backoff_ms = docker->backoff_ms ? docker->backoff_ms * 2 : BACKOFF_FIRST_MS;
	if (docker->backoff_ms > BACKOFF_MAX_MS)
		docker->backoff_ms = BACKOFF_MAX_MS;
	(void)loop_set_timer(docker->retry, docker->backoff_ms, 0);
}

static void events_ended(void *arg, int status, const char *body, size_t size)
{
	struct docker *docker = arg;

	(void)body;
	(void)size;
	docker->events = NULL;
	not_reachable(docker, status == 200 ? -ECONNRESET : status);
	retry_later(docker);
	port_watch_dirty(docker->watch);
}

void docker_connect(struct docker *docker)
{
	const char *path = docker->watch->options.docker_socket;
	int r;

	if (!path || docker->events)
		return;
	r = http_get(docker->watch->loop, path, EVENTS_TARGET, event_heard, events_ended, docker, &docker->events);
	if (r < 0) {
		not_reachable(docker, r);
		retry_later(docker);
		return;
	}
	docker_want(docker, DOCKER_NETWORKS, NULL);
	docker_want(docker, DOCKER_LIST, NULL);
}
