/* SPDX-License-Identifier: GPL-2.0-only */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "docker.h"
#include "netlink.h"

/* Reading every file is for when the API is silent; that may last, and ports be many. */
#define FILES_REST_MS	1000
#define PROXIES_REST_MS 200
/* Processes of a control group that are looked at: the first is the container's own. */
#define CGROUP_PIDS_MAX	 8
#define CGROUP_PROCS_MAX 4096
#define PROXY_LINE_MAX	 4096

/* hostconfig.json is small beside it, and only tells of the host's network. */
static void read_host_config(const struct docker *docker, const char *id, struct engine_record *record)
{
	char path[PATH_MAX];
	AUTO_FREE char *data = NULL;
	size_t size;
	json_t *json;

	if (snprintf(path, sizeof(path), "%s/containers/%s/hostconfig.json", docker->watch->options.docker_root, id) >=
		    (int)sizeof(path) ||
	    file_read(path, DOCKER_FILE_MAX, &data, &size, NULL) < 0)
		return;
	json = port_json_parse(data, size);
	record->host_network |= strcmp(port_json_text(json, "NetworkMode"), "host") == 0;
	if (!record->joins)
		(void)engine_parse_joins(port_json_text(json, "NetworkMode"), record);
	json_decref(json);
}

int docker_read_record(const struct docker *docker, const char *id, struct engine_record *ret_record)
{
	char path[PATH_MAX];
	AUTO_FREE char *data = NULL;
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
	read_host_config(docker, id, ret_record);
	ret_record->owner.cgroup = engine_cgroup(docker->watch->options.proc, ret_record->pid, id);
	return 0;
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
	if (listing)
		closedir(listing);
}

/* cgroup2 is what counts where it is used; on older hosts any hierarchy tells the same. */
void docker_find_cgroups(struct docker *docker)
{
	char path[PATH_MAX];
	const struct mntent *mount;
	FILE *mounts;

	for (size_t i = 0; i < docker->cgroup_count; i++)
		free(docker->cgroups[i]);
	docker->cgroup_count = 0;
	if (snprintf(path, sizeof(path), "%s/self/mounts", docker->watch->options.proc) >= (int)sizeof(path))
		return;
	mounts = setmntent(path, "re");
	while (mounts && docker->cgroup_count < DOCKER_CGROUPS_MAX && (mount = getmntent(mounts))) {
		if (strcmp(mount->mnt_type, "cgroup") != 0 && strcmp(mount->mnt_type, "cgroup2") != 0)
			continue;
		docker->cgroups[docker->cgroup_count] = strdup(mount->mnt_dir);
		if (docker->cgroups[docker->cgroup_count])
			docker->cgroup_count++;
	}
	if (mounts)
		endmntent(mounts);
}

/* The process, or 0. */
static int32_t cgroup_find(const struct docker *docker, const char *path, int32_t nsid, bool *ret_found)
{
	char data[CGROUP_PROCS_MAX];
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, data, sizeof(data) - 1);
	char *at = data, *end;

	if (n <= 0)
		return 0;
	data[n] = '\0';
	*ret_found = true;
	for (int i = 0; i < CGROUP_PIDS_MAX; i++, at = end) {
		long pid = strtol(at, &end, 10);

		if (end == at || pid > INT32_MAX)
			return 0;
		if (engine_process_is_in(docker->watch, (int32_t)pid, nsid))
			return (int32_t)pid;
	}
	return 0;
}

int32_t docker_process_in(const struct docker *docker, const char *id, int32_t nsid)
{
	/* Docker's own driver, and systemd's. Elsewhere (--cgroup-parent) the port waits for the record. */
	static const char *const parents[] = {"docker/", "system.slice/docker-"}, *const ends[] = {"", ".scope"};

	for (size_t i = 0; i < docker->cgroup_count; i++) {
		for (int form = 0; form < 2; form++) {
			char path[PATH_MAX];
			bool found = false;
			int length = snprintf(path, sizeof(path), "%s/%s%s%s/cgroup.procs", docker->cgroups[i],
					      parents[form], id, ends[form]);

			int32_t pid = length < (int)sizeof(path) ? cgroup_find(docker, path, nsid, &found) : 0;

			if (found)
				return pid; /* the other hierarchies say the same */
		}
	}
	return 0;
}

/* "docker-proxy\0-proto\0tcp\0-host-ip\0…": the words that follow the options' names. */
static bool proxy_parse(const char *data, size_t size, struct published *published)
{
	const char *word = data, *end = data + size;
	unsigned int known = 0;

	while (word < end) {
		const char *value = word + strlen(word) + 1;

		if (value >= end)
			break;
		if (strcmp(word, "-proto") == 0) {
			published->protocol = strcmp(value, "tcp") == 0 ? 6 : strcmp(value, "udp") == 0 ? 17 : 132;
			known |= 1;
		} else if (strcmp(word, "-host-port") == 0) {
			published->host_port = (uint16_t)strtoul(value, NULL, 10);
			known |= 2;
		} else if (strcmp(word, "-container-port") == 0) {
			published->container_port = (uint16_t)strtoul(value, NULL, 10);
			known |= 4;
		}
		word = value;
	}
	return known == 7;
}

/* The name of a process can be anybody's choice; that of its program (comm is cut) is only a hint too. Saying that
 * something is relayed when it is not costs nothing but a word in a list. */
static void proxy_read(struct docker *docker, const char *pid)
{
	char path[PATH_MAX], data[PROXY_LINE_MAX];
	struct published published = {.by_proxy = true}, *slot;

	if (snprintf(path, sizeof(path), "%s/%s/cmdline", docker->watch->options.proc, pid) >= (int)sizeof(path))
		return;
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, data, sizeof(data) - 1);
	if (n <= 0)
		return;
	data[n] = '\0';
	const char *name = strrchr(data, '/') ? strrchr(data, '/') + 1 : data;
	if (strcmp(name, "docker-proxy") != 0 || !proxy_parse(data, (size_t)n, &published) ||
	    docker->proxies.count >= PUBLISHED_MAX)
		return;
	slot = array_append(&docker->proxies);
	if (slot)
		*slot = published;
}

static void proxies_read(struct docker *docker)
{
	int64_t now_ms = monotonic_ms();
	const struct dirent *item;
	DIR *listing;

	if (docker->proxies_ms && now_ms - docker->proxies_ms < PROXIES_REST_MS)
		return;
	docker->proxies_ms = now_ms;
	docker->proxies.count = 0;
	listing = opendir(docker->watch->options.proc);
	while (listing && (item = readdir(listing))) {
		if (item->d_name[0] >= '1' && item->d_name[0] <= '9')
			proxy_read(docker, item->d_name);
	}
	if (listing)
		closedir(listing);
}

bool docker_is_relayed(struct docker *docker, const struct published *published)
{
	proxies_read(docker);
	for (size_t i = 0; i < docker->proxies.count; i++) {
		const struct published *item = &docker->proxies.items[i];

		if (item->protocol == published->protocol && item->host_port == published->host_port &&
		    item->container_port == published->container_port)
			return true;
	}
	return false;
}
