/* SPDX-License-Identifier: GPL-2.0-only */
/* Docker: its API over the socket, its files where that is silent. See docker.h for how a port's owner is found. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "docker.h"

/* Docker names the file that pins a container's namespace by twelve digits of the sandbox's id. */
#define SANDBOX_NAME_SIZE 12

static void docker_retry(struct loop *loop, void *arg)
{
	(void)loop;
	docker_connect(arg);
}

static void docker_stop(void *state)
{
	struct docker *docker = state;

	if (!docker)
		return;
	docker_jobs_free(docker);
	loop_remove(docker->retry);
	docker_store_free(docker);
	cgroups_free(&docker->cgroups);
	free(docker);
}

static int docker_start(struct port_watch *watch, void **ret_state)
{
	struct docker *docker = calloc(1, sizeof(*docker));
	int r = -ENOMEM;

	if (!docker)
		return r;
	docker->watch = watch;
	docker->containers = map_new();
	docker->networks = map_new();
	if (docker->containers && docker->networks)
		r = loop_add_timer(watch->loop, docker_retry, docker, &docker->retry);
	if (r < 0) {
		docker_stop(docker);
		return r;
	}
	cgroups_find(docker->watch->options.proc, &docker->cgroups);
	docker_connect(docker);
	*ret_state = docker;
	return 0;
}

static void docker_refresh(void *state)
{
	struct docker *docker = state;

	cgroups_find(docker->watch->options.proc, &docker->cgroups);
	docker_connect(docker);
	docker_want(docker, DOCKER_NETWORKS, NULL);
	docker_want(docker, DOCKER_LIST, NULL);
}

/* The early way: among the endpoints of the network, the container of which a process is in there. */
static const struct docker_member *member_behind(const struct docker *docker, const struct docker_network *network,
						 const struct runtime_question *question, int32_t *ret_pid)
{
	for (size_t i = 0; i < network->members.count; i++) {
		const struct docker_member *member = &network->members.items[i];
		const struct engine_record *record = map_get_text(docker->containers, member->id);

		/* A container that runs has its own record, and that led elsewhere. */
		if (record && record->running)
			continue;
		*ret_pid = docker_process_in(docker, member->id, question->namespace->nsid);
		if (*ret_pid > 0)
			return member;
	}
	return NULL;
}

static enum runtime_answer answer_early(struct docker *docker, const struct docker_network *network,
					const struct runtime_question *question, struct evidence *evidence,
					char reason[REASON_MAX])
{
	int32_t pid;
	const struct docker_member *member = NULL;
	struct engine_record record;
	int r;

	/* What was on it before may have been the same container with another address. */
	if (question->adopted || network->asked_ms >= question->since_ms)
		member = member_behind(docker, network, question, &pid);
	if (!member)
		return RUNTIME_PENDING;
	/* The whole record follows. */
	docker_want(docker, DOCKER_INSPECT, member->id);
	if (docker_read_record(docker, member->id, &record) < 0)
		return RUNTIME_PENDING;
	free(record.owner.cgroup);
	record.owner.cgroup = engine_cgroup(docker->watch->options.proc, pid, member->id);
	r = engine_evidence(&record, &member->endpoint, evidence, reason);
	/* docker-proxy relays already: what it leads to must be known before the container may be reached. */
	if (r == 0 && record.published_later) {
		snprintf(reason, REASON_MAX, "Docker has not yet said which ports of the host it publishes");
		r = -EAGAIN;
	}
	engine_record_free(&record);
	return r < 0 ? RUNTIME_PENDING : RUNTIME_OWNS;
}

/* `known` leads to the port's namespace; its endpoints may be of a time before the port. */
static enum runtime_answer answer_record(struct docker *docker, const struct engine_record *known,
					 const struct docker_network *network, const struct runtime_question *question,
					 struct evidence *evidence, char reason[REASON_MAX])
{
	const struct engine_record *record = known;
	const struct engine_endpoint *endpoint = NULL;
	char id[ENGINE_ID_SIZE + 1];

	snprintf(id, sizeof(id), "%s", known->owner.id); /* `known` may be replaced */
	if (!question->adopted)
		record = docker_record_since(docker, id, question->since_ms);
	if (record && strcmp(record->sandbox, namespace_pin(question->namespace, NAMESPACE_DIR_DOCKER)) == 0)
		endpoint = engine_endpoint_find(record, network ? network->id : NULL, question);
	if (!endpoint) {
		/* Connected to this network while it runs: the record is older than that. */
		docker_want(docker, DOCKER_INSPECT, id);
		snprintf(reason, REASON_MAX, "Docker has not yet said which network it is on");
		return RUNTIME_PENDING;
	}
	if (engine_evidence(record, endpoint, evidence, reason) < 0 ||
	    docker_share(docker, record, question->namespace->nsid, evidence, reason) < 0)
		return RUNTIME_PENDING;
	return RUNTIME_OWNS;
}

static void want_more(struct docker *docker, const struct docker_network *network,
		      const struct runtime_question *question)
{
	docker_connect(docker);
	if (network) {
		docker_want(docker, DOCKER_NETWORK, network->id);
		for (size_t i = 0; i < network->members.count; i++) {
			if (!map_get_text(docker->containers, network->members.items[i].id))
				docker_want(docker, DOCKER_INSPECT, network->members.items[i].id);
		}
	} else if (question->bridge) {
		docker_want(docker, DOCKER_NETWORKS, NULL);
	}
	if (!docker->listed)
		docker_want(docker, DOCKER_LIST, NULL);
}

static enum runtime_answer docker_ask(void *state, const struct runtime_question *question, struct evidence *evidence,
				      char reason[REASON_MAX])
{
	struct docker *docker = state;
	const char *pin = namespace_pin(question->namespace, NAMESPACE_DIR_DOCKER);
	const struct docker_network *network;
	const struct engine_record *record;
	enum runtime_answer answer;
	char shown[64];

	if (!pin)
		return RUNTIME_NOT_MINE;
	if (strlen(pin) != SANDBOX_NAME_SIZE || strspn(pin, "0123456789abcdef") != SANDBOX_NAME_SIZE) {
		snprintf(reason, REASON_MAX, "the namespace '%s' is Docker's own: name its interface in `ignore`",
			 text_escape(shown, sizeof(shown), pin));
		return RUNTIME_PENDING;
	}
	if (!docker->reachable || docker->list_failed || docker_is_silent(docker))
		docker_read_all(docker);
	network = question->bridge ? docker_by_bridge(docker, question->bridge->name) : NULL;
	record = docker_by_sandbox(docker, pin);
	if (record)
		return answer_record(docker, record, network, question, evidence, reason);
	answer = network ? answer_early(docker, network, question, evidence, reason) : RUNTIME_PENDING;
	if (answer != RUNTIME_OWNS) {
		want_more(docker, network, question);
		if (!reason[0])
			snprintf(reason, REASON_MAX, "Docker has not yet said whose namespace %s is%s%.90s", pin,
				 docker->why[0] ? ": " : "", docker->why);
	}
	return answer;
}

/* The network's driver, for what has no port on this host. */
static int list_container(const struct docker *docker, struct port_watch *watch, const struct engine_record *record)
{
	char why[REASON_MAX];

	if (!record->running || !record->owner.name)
		return 0;
	if (record->host_network)
		return unpoliced_add(watch, record->owner.name, "docker", "it uses the host's network");
	for (size_t i = 0; i < record->endpoints.count; i++) {
		const char *id = record->endpoints.items[i].network_id;
		const struct docker_network *network = id ? map_get_text(docker->networks, id) : NULL;

		if (!network || network->bridge || strcmp(network->driver, "null") == 0)
			continue;
		snprintf(why, sizeof(why), "its network '%.60s' is %.40s: there is no port of it here", network->name,
			 network->driver);
		if (unpoliced_add(watch, record->owner.name, "docker", why) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int docker_list(void *state, struct port_watch *watch)
{
	struct docker *docker = state;
	void *value;

	for (size_t i = 0; map_next(docker->containers, &i, NULL, NULL, &value);) {
		if (list_container(docker, watch, value) < 0)
			return -ENOMEM;
	}
	for (size_t i = 0; map_next(docker->networks, &i, NULL, NULL, &value);) {
		const struct docker_network *network = value;

		for (size_t j = 0; network->bridge && j < network->subnets.count; j++) {
			if (network_add(watch, network->bridge, &network->subnets.items[j]) < 0)
				return -ENOMEM;
		}
	}
	return 0;
}

static json_t *docker_status(void *state)
{
	const struct docker *docker = state;
	json_t *status = json_object();
	char escaped[REASON_MAX * 4];

	json_object_set_new(status, "reachable", json_boolean(docker->reachable));
	json_object_set_new(status, "containers", json_integer((json_int_t)map_count(docker->containers)));
	if (docker->why[0])
		json_object_set_new(status, "why", json_string(text_escape(escaped, sizeof(escaped), docker->why)));
	if (docker->left_out)
		json_object_set_new(status, "left_out", json_true());
	return status;
}

const struct runtime runtime_docker = {
	.name = "docker",
	.start = docker_start,
	.stop = docker_stop,
	.refresh = docker_refresh,
	.ask = docker_ask,
	.list = docker_list,
	.relays = docker_is_relayed,
	.status = docker_status,
};
