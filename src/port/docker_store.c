/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "docker.h"

static void container_free(void *record)
{
	if (record)
		engine_record_free(record);
	free(record);
}

int docker_keep_container(struct docker *docker, struct engine_record *record)
{
	struct engine_record *copy = malloc(sizeof(*copy));
	void *old = NULL;
	int r = -ENOMEM;

	if (map_count(docker->containers) >= DOCKER_CONTAINERS_MAX &&
	    !map_get_text(docker->containers, record->owner.id)) {
		docker->left_out = true;
		r = -ENOSPC;
	} else if (copy) {
		*copy = *record;
		r = map_set_text(docker->containers, copy->owner.id, copy, &old);
	}
	if (r < 0) {
		free(copy);
		engine_record_free(record);
		return r;
	}
	*record = (struct engine_record){0};
	container_free(old);
	return 0;
}

const struct engine_record *docker_record_since(struct docker *docker, const char *id, int64_t since_ms)
{
	const struct engine_record *kept = map_get_text(docker->containers, id);
	struct engine_record record;

	if (kept && kept->asked_ms >= since_ms)
		return kept;
	if (docker_read_record(docker, id, &record) < 0)
		return NULL;
	if (!record.running || !record.sandbox) {
		engine_record_free(&record);
		return NULL;
	}
	return docker_keep_container(docker, &record) < 0 ? NULL : map_get_text(docker->containers, id);
}

static bool same_members(const struct docker_network *a, const struct docker_network *b)
{
	if (a->members.count != b->members.count)
		return false;
	for (size_t i = 0; i < a->members.count; i++) {
		const struct engine_endpoint *left = &a->members.items[i].endpoint,
					     *right = &b->members.items[i].endpoint;

		if (strcmp(a->members.items[i].id, b->members.items[i].id) != 0 ||
		    memcmp(&left->mac, &right->mac, sizeof(left->mac)) != 0 ||
		    left->addresses.count != right->addresses.count)
			return false;
	}
	return true;
}

int docker_keep_network(struct docker *docker, struct docker_network *network)
{
	const struct docker_network *known = map_get_text(docker->networks, network->id);
	bool same = known && same_members(known, network);
	void *old = NULL;
	int r = -ENOSPC;

	if (!known && map_count(docker->networks) >= DOCKER_NETWORKS_MAX)
		docker->left_out = true;
	else
		r = map_set_text(docker->networks, network->id, network, &old);
	docker_network_free(r < 0 ? network : old);
	return r < 0 ? r : same;
}

void docker_forget_container(struct docker *docker, const char *id)
{
	container_free(map_remove(docker->containers, id, strlen(id)));
}

void docker_forget_network(struct docker *docker, const char *id)
{
	docker_network_free(map_remove(docker->networks, id, strlen(id)));
}

void docker_store_free(struct docker *docker)
{
	map_free(docker->containers, container_free);
	map_free(docker->networks, docker_network_free);
	array_free(&docker->proxies);
}

const struct engine_record *docker_by_sandbox(const struct docker *docker, const char *sandbox)
{
	void *value;

	for (size_t i = 0; map_next(docker->containers, &i, NULL, NULL, &value);) {
		const struct engine_record *record = value;

		if (record->running && record->sandbox && strcmp(record->sandbox, sandbox) == 0)
			return record;
	}
	return NULL;
}

static const struct engine_record *family_next(const void *arg, size_t *cursor)
{
	const struct docker *docker = arg;
	void *value;

	return map_next(docker->containers, cursor, NULL, NULL, &value) ? value : NULL;
}

static const struct engine_record *family_find(const void *arg, const char *id_or_name)
{
	const struct docker *docker = arg;
	const struct engine_record *record = map_get_text(docker->containers, id_or_name);

	for (size_t cursor = 0; !record && (record = family_next(arg, &cursor));) {
		if (record->owner.name && strcmp(record->owner.name, id_or_name) == 0)
			return record;
		record = NULL;
	}
	return record;
}

int docker_share(const struct docker *docker, const struct engine_record *owner, int32_t nsid,
		 struct evidence *evidence, char reason[REASON_MAX])
{
	const struct engine_family family = {
		.watch = docker->watch, .next = family_next, .find = family_find, .arg = docker};

	return engine_share(&family, owner, nsid, evidence, reason);
}

const struct docker_network *docker_by_bridge(const struct docker *docker, const char *bridge)
{
	void *value;

	for (size_t i = 0; map_next(docker->networks, &i, NULL, NULL, &value);) {
		const struct docker_network *network = value;

		if (network->bridge && strcmp(network->bridge, bridge) == 0)
			return network;
	}
	return NULL;
}
