/* SPDX-License-Identifier: GPL-2.0-only */
/* docker-proxy: a process of the host for each published port, that takes connections and makes its own to the
 * container. Where Docker's rules translate (DNAT) it is passed by; else all who come through it are the host. That is
 * only told, nothing is judged by it: the name of a process can be anybody's choice. What a container's process has to
 * say is not even read: its memory may be such that the read does not end. */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "docker.h"

/* All processes are looked at: not more often than this, and only when somebody asks for the status. */
#define PROXIES_REST_MS 5000
#define PROXY_LINE_MAX	4096
#define PROXY_COMMAND	"docker-proxy"

static ssize_t process_read(const struct docker *docker, const char *pid, const char *name, char *data, size_t size)
{
	char path[PATH_MAX];
	ssize_t n;

	if (snprintf(path, sizeof(path), "%s/%s/%s", docker->watch->options.proc, pid, name) >= (int)sizeof(path))
		return -1;
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	n = fd < 0 ? -1 : read(fd, data, size - 1);
	data[n > 0 ? n : 0] = '\0';
	return n;
}

bool docker_proxy_parse(const char *data, size_t size, struct published *ret_published)
{
	struct published published = {0};
	const char *word = data, *end = data + size;
	unsigned int known = 0;

	while (word < end) {
		const char *value = word + strlen(word) + 1;

		if (value >= end)
			break;
		if (strcmp(word, "-proto") == 0) {
			published.protocol = strcmp(value, "tcp") == 0 ? 6 : strcmp(value, "udp") == 0 ? 17 : 132;
			known |= 1;
		} else if (strcmp(word, "-host-port") == 0) {
			published.host_port = (uint16_t)strtoul(value, NULL, 10);
			known |= 2;
		} else if (strcmp(word, "-container-port") == 0) {
			published.container_port = (uint16_t)strtoul(value, NULL, 10);
			known |= 4;
		} else if (strcmp(word, "-host-ip") == 0 && engine_host_address(value, &published.at)) {
			known |= 8;
		}
		word = value;
	}
	if (known != 15)
		return false;
	*ret_published = published;
	return true;
}

/* Nobody else's process is asked for its words: they stand in its memory, where it can keep a reader waiting. */
static bool is_hosts(const struct docker *docker, const char *pid_text)
{
	const char *proc = docker->watch->options.proc;
	long pid = strtol(pid_text, NULL, 10);

	return pid > 0 && pid <= INT32_MAX && process_shares_namespace(proc, (int32_t)pid, "net") &&
	       process_shares_namespace(proc, (int32_t)pid, "pid") && process_is_roots(proc, (int32_t)pid);
}

static void proxy_read(struct docker *docker, const char *pid)
{
	char data[PROXY_LINE_MAX];
	struct published published, *slot;
	ssize_t n;

	if (process_read(docker, pid, "comm", data, sizeof(data)) <= 0 || strcmp(data, PROXY_COMMAND "\n") != 0 ||
	    !is_hosts(docker, pid))
		return;
	n = process_read(docker, pid, "cmdline", data, sizeof(data));
	if (n <= 0 || !docker_proxy_parse(data, (size_t)n, &published) || docker->proxies.count >= PUBLISHED_MAX)
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

bool docker_is_relayed(void *state, const struct published *published)
{
	struct docker *docker = state;

	proxies_read(docker);
	for (size_t i = 0; i < docker->proxies.count; i++) {
		const struct published *item = &docker->proxies.items[i];

		if (item->protocol == published->protocol && item->host_port == published->host_port &&
		    prefix_compare(&item->at, &published->at) == 0)
			return true;
	}
	return false;
}
