/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "podman.h"

/* Where Podman as root keeps what ends with a boot, and its networks (containers-storage.conf(5), podman-network(1)).
 */
#define PODMAN_RUNROOT	"/run/containers/storage"
#define PODMAN_NETWORKS "/etc/containers/networks"

void podman_container_free(void *value)
{
	struct podman_container *container = value;

	if (!container)
		return;
	free(container->name);
	free(container->sandbox);
	if (container->record)
		engine_record_free(container->record);
	free(container->record);
	free(container);
}

static struct podman_container *container_add(struct map *containers, const char *id)
{
	struct podman_container *container = calloc(1, sizeof(*container));

	if (!container)
		return NULL;
	memcpy(container->id, id, ENGINE_ID_SIZE);
	if (map_set_text(containers, id, container, NULL) < 0) {
		free(container);
		return NULL;
	}
	return container;
}

static int item_parse(const json_t *item, struct map *containers, bool *ret_changed, bool *ret_left_out)
{
	const char *id = port_json_text(item, "id");
	const char *name = json_string_value(json_array_get(json_object_get(item, "names"), 0));
	struct podman_container *container;
	char *copy;

	if (!engine_is_id(id))
		return 0;
	container = map_get_text(containers, id);
	if (!container && map_count(containers) >= PODMAN_CONTAINERS_MAX) {
		*ret_left_out = true;
		return 0;
	}
	if (!container)
		container = container_add(containers, id);
	if (!container)
		return -ENOMEM;
	container->listed = true;
	if (!name || (container->name && strcmp(container->name, name) == 0))
		return 0;
	copy = strdup(name);
	if (!copy)
		return -ENOMEM;
	container->wanted |= container->record != NULL; /* renamed */
	free(container->name);
	container->name = copy;
	*ret_changed = true;
	return 0;
}

int podman_list_parse(const json_t *json, struct map *containers, bool *ret_changed, bool *ret_left_out)
{
	const void *key;
	size_t key_size, i;
	void *value;
	const json_t *item;

	if (!json_is_array(json))
		return -EBADMSG;
	for (size_t at = 0; map_next(containers, &at, NULL, NULL, &value);)
		((struct podman_container *)value)->listed = false;
	json_array_foreach(json, i, item)
	{
		if (item_parse(item, containers, ret_changed, ret_left_out) < 0)
			return -ENOMEM;
	}
	for (size_t at = 0; map_next(containers, &at, &key, &key_size, &value);) {
		if (((struct podman_container *)value)->listed)
			continue;
		podman_container_free(map_remove(containers, key, key_size));
		*ret_changed = true;
	}
	return 0;
}

/* A path of a container that shares another's namespace is /proc/PID/ns/net: that one owns it. */
int podman_config_parse(const json_t *json, struct podman_container *container)
{
	const json_t *namespaces = json_object_get(json_object_get(json, "linux"), "namespaces"), *item;
	const char *path = NULL;
	char *sandbox = NULL;
	bool network = false;
	size_t i;

	if (!json_is_array(namespaces))
		return -EBADMSG;
	json_array_foreach(namespaces, i, item)
	{
		if (strcmp(port_json_text(item, "type"), "network") != 0)
			continue;
		network = true;
		path = port_json_text(item, "path");
	}
	if (path && strrchr(path, '/') && strncmp(path, "/proc/", 6) != 0) {
		sandbox = strdup(strrchr(path, '/') + 1);
		if (!sandbox)
			return -ENOMEM;
	}
	free(container->sandbox);
	container->sandbox = sandbox;
	container->host_network = !network;
	return 0;
}

static int json_read(const char *path, size_t max, json_t **ret_json)
{
	AUTO_FREE char *data = NULL;
	size_t size;
	int r = file_read(path, max, &data, &size, NULL);

	if (r < 0)
		return r;
	*ret_json = port_json_parse(data, size);
	return *ret_json ? 0 : -EBADMSG; /* half written: the next look finds it whole */
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

/* 1: it says something new. */
static int config_read(const char *root, struct podman_container *container)
{
	char path[PATH_MAX];
	struct stat status;
	json_t *json;
	int r;

	if (snprintf(path, sizeof(path), "%s/overlay-containers/%s/userdata/config.json", root, container->id) >=
		    (int)sizeof(path) ||
	    stat(path, &status) < 0 || same_time(&status.st_mtim, &container->config))
		return 0;
	r = json_read(path, PODMAN_CONFIG_MAX, &json);
	if (r < 0)
		return r == -ENOMEM ? r : 0;
	r = podman_config_parse(json, container);
	json_decref(json);
	if (r < 0)
		return r == -ENOMEM ? r : 0;
	container->config = status.st_mtim;
	container->wanted = true; /* it has started, anew perhaps */
	return 1;
}

int podman_read(const char *root, struct map *containers, bool *ret_changed, bool *ret_left_out)
{
	char path[PATH_MAX];
	void *value;
	json_t *json;
	int r;

	if (!root || snprintf(path, sizeof(path), "%s/overlay-containers/containers.json", root) >= (int)sizeof(path))
		return -ENOENT;
	r = json_read(path, PODMAN_LIST_MAX, &json);
	if (r < 0)
		return r;
	r = podman_list_parse(json, containers, ret_changed, ret_left_out);
	json_decref(json);
	for (size_t at = 0; r >= 0 && map_next(containers, &at, NULL, NULL, &value);) {
		r = config_read(root, value);
		*ret_changed |= r > 0;
	}
	return r < 0 ? r : 0;
}

static long pid_read(const char *id)
{
	char path[PATH_MAX];
	AUTO_FREE char *data = NULL;
	size_t size;

	if (snprintf(path, sizeof(path), PODMAN_RUNROOT "/overlay-containers/%s/userdata/pidfile", id) >=
		    (int)sizeof(path) ||
	    file_read(path, 64, &data, &size, NULL) < 0)
		return 0;
	return strtol(data, NULL, 10);
}

bool podman_is_on_host(const char *proc, const struct podman_container *container)
{
	long pid = container->host_network ? pid_read(container->id) : 0;

	return pid > 0 && pid <= INT32_MAX && process_shares_namespace(proc, (int32_t)pid, "net");
}

void podman_network_driver(const char *name, char driver[32])
{
	char path[PATH_MAX];
	json_t *json;

	snprintf(driver, 32, "bridge");
	if (strchr(name, '/') || snprintf(path, sizeof(path), PODMAN_NETWORKS "/%s.json", name) >= (int)sizeof(path) ||
	    json_read(path, PODMAN_NETWORK_MAX, &json) < 0)
		return;
	if (port_json_text(json, "driver")[0])
		snprintf(driver, 32, "%.31s", port_json_text(json, "driver"));
	json_decref(json);
}
