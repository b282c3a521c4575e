/* SPDX-License-Identifier: GPL-2.0-only */
/* The runtime `podman`: its parts. Podman has no daemon, so it is known by its files: containers.json lists the
 * containers, each one's config.json (written when it starts) names the file that pins its namespace. Labels and
 * addresses are in a database whose form is Podman's own business: `podman container inspect` reads it for us. */
#ifndef BULKHEAD_PORT_PODMAN_H
#define BULKHEAD_PORT_PODMAN_H

#include <sys/stat.h>

#include "base/map.h"
#include "child.h"
#include "engine.h"

#define PODMAN_LIST_MAX	      (16u << 20)
#define PODMAN_CONFIG_MAX     (4u << 20)
#define PODMAN_NETWORK_MAX    (256u << 10)
#define PODMAN_CONTAINERS_MAX 16384u
/* Containers of one `podman container inspect`: about 10 KiB each. */
#define PODMAN_INSPECT_BATCH 32u
#define PODMAN_OUTPUT_MAX    (16u << 20)
#define PODMAN_TIMEOUT_MS    20000

struct podman_container {
	char id[ENGINE_ID_SIZE + 1];
	char *name; /* by the list; untrusted: only to see that it has changed */
	bool listed;
	bool wanted;		/* to be inspected */
	bool asked;		/* the inspect under way has it */
	struct timespec config; /* when config.json was written; 0: not read */
	char *sandbox;		/* the name of its own namespace's pin; NULL: none */
	bool host_network;
	struct engine_record *record; /* NULL: not yet */
};

/* podman_files.c */
/* containers.json: marks and adds. 0, -EBADMSG, -ENOMEM. *ret_changed: another name, one more or one less. */
int podman_list_parse(const json_t *json, struct map *containers, bool *ret_changed, bool *ret_left_out);
/* config.json: how it is connected. */
int podman_config_parse(const json_t *json, struct podman_container *container);
void podman_container_free(void *value); /* a podman_container; NULL is fine */
/* Reads what has changed since the last time. -ENOENT: there is no Podman. */
int podman_read(const char *root, struct map *containers, bool *ret_changed, bool *ret_left_out);
/* A running container that uses the host's network: its process is in ours. */
bool podman_is_on_host(const char *proc, const struct podman_container *container);
/* The driver of a network, from its file; "bridge" when there is none (Podman's own first network has no file). */
void podman_network_driver(const char *name, char driver[32]);

#endif
