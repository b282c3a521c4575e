/* SPDX-License-Identifier: GPL-2.0-only */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "docker.h"
#include "netlink.h"

/* Reading every file is for when the API is silent; that may last, and ports be many. */
#define FILES_REST_MS 1000

/* hostconfig.json is small beside it, and tells of the host's network and of the ports to be published. */
static int read_host_config(const struct docker *docker, const char *id, struct engine_record *record)
{
	char path[PATH_MAX];
	AUTO_FREE char *data = NULL;
	size_t size;
	json_t *json;
	int r;

	if (snprintf(path, sizeof(path), "%s/containers/%s/hostconfig.json", docker->watch->options.docker_root, id) >=
		    (int)sizeof(path) ||
	    file_read(path, DOCKER_FILE_MAX, &data, &size, NULL) < 0)
		return 0;
	json = port_json_parse(data, size);
	record->host_network |= strcmp(port_json_text(json, "NetworkMode"), "host") == 0;
	if (!record->joins)
		(void)engine_parse_joins(port_json_text(json, "NetworkMode"), record);
	r = engine_wishes_parse(record, json);
	json_decref(json);
	return r;
}

int docker_read_record(const struct docker *docker, const char *id, struct engine_record *ret_record)
{
	char path[PATH_MAX];
	AUTO_FREE char *data = NULL;
	int64_t asked_ms = monotonic_ms();
	size_t size;
	json_t *json;
	int r;

	if (!docker->watch->options.docker_root)
		return -ENOENT;
	if (snprintf(path, sizeof(path), "%s/containers/%s/config.v2.json", docker->watch->options.docker_root, id) >=
	    (int)sizeof(path))
		return -ENAMETOOLONG;
	r = file_read(path, DOCKER_FILE_MAX, &data, &size, NULL);
	if (r < 0)
		return r;
	json = port_json_parse(data, size);
	r = engine_record_parse(json, "docker", ret_record);
	json_decref(json);
	if (r < 0)
		return r;
	if (strcmp(ret_record->owner.id, id) != 0) {
		engine_record_free(ret_record);
		return -EBADMSG;
	}
	r = read_host_config(docker, id, ret_record);
	if (r < 0) {
		engine_record_free(ret_record);
		return r;
	}
	ret_record->owner.cgroup = engine_cgroup(docker->watch->options.proc, ret_record->pid, id);
	ret_record->asked_ms = asked_ms;
	return 0;
}

/* Those whose files are no more: nobody else tells, while the API is silent. */
static void forget_gone(struct docker *docker)
{
	char path[PATH_MAX];
	const void *key;

	for (size_t at = 0; map_next(docker->containers, &at, &key, NULL, NULL);) {
		char id[ENGINE_ID_SIZE + 1];

		memcpy(id, key, ENGINE_ID_SIZE);
		id[ENGINE_ID_SIZE] = '\0';
		if (snprintf(path, sizeof(path), "%s/containers/%s", docker->watch->options.docker_root, id) <
			    (int)sizeof(path) &&
		    access(path, F_OK) < 0 && errno == ENOENT)
			docker_forget_container(docker, id);
	}
}

void docker_read_all(struct docker *docker)
{
	int64_t now_ms = monotonic_ms();
	char path[PATH_MAX];
	const struct dirent *item;
	size_t count = 0;
	DIR *listing;

	if (!docker->watch->options.docker_root || (docker->files_ms && now_ms - docker->files_ms < FILES_REST_MS) ||
	    snprintf(path, sizeof(path), "%s/containers", docker->watch->options.docker_root) >= (int)sizeof(path))
		return;
	docker->files_ms = now_ms;
	listing = opendir(path);
	while (listing && count < DOCKER_CONTAINERS_MAX && (item = readdir(listing))) {
		struct engine_record record;

		if (!engine_is_id(item->d_name) || docker_read_record(docker, item->d_name, &record) < 0)
			continue;
		count++;
		if (record.running) {
			(void)docker_keep_container(docker, &record);
		} else {
			docker_forget_container(docker, item->d_name);
			engine_record_free(&record);
		}
	}
	if (!listing)
		return;
	closedir(listing);
	forget_gone(docker);
}

/* The process, or 0. */
static int32_t cgroup_find(const struct docker *docker, const char *folder, int32_t nsid, bool *ret_found)
{
	int32_t pids[CGROUP_PIDS_MAX];
	size_t count = cgroup_pids(folder, pids, ret_found);

	for (size_t i = 0; i < count; i++) {
		if (engine_process_is_in(docker->watch, pids[i], nsid))
			return pids[i];
	}
	return 0;
}

int32_t docker_process_in(const struct docker *docker, const char *id, int32_t nsid)
{
	/* Docker's own driver, and systemd's. Elsewhere (--cgroup-parent) the port waits for the record. */
	static const char *const parents[] = {"docker/", "system.slice/docker-"}, *const ends[] = {"", ".scope"};

	for (size_t i = 0; i < docker->cgroups.count; i++) {
		for (int form = 0; form < 2; form++) {
			char path[PATH_MAX];
			bool found = false;
			int length = snprintf(path, sizeof(path), "%s/%s%s%s", docker->cgroups.mounts[i], parents[form],
					      id, ends[form]);

			int32_t pid = length < (int)sizeof(path) ? cgroup_find(docker, path, nsid, &found) : 0;

			if (found)
				return pid; /* the other hierarchies say the same */
		}
	}
	return 0;
}
