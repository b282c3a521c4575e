/* SPDX-License-Identifier: GPL-2.0-only */
/* The runtime `podman`: its parts. Podman has no daemon, so it is known by its files: containers.json lists the
 * containers, each one's config.json (written when it starts) names the file that pins its namespace. Labels and
 * addresses are in its database, which is read where its form is known; where not, `podman container inspect` reads it
 * for us. That is the second way: inspect waits for the container's lock, which Podman holds until the start is over,
 * and a hook may hold the start until we know whose port it is. */
#ifndef BULKHEAD_PORT_PODMAN_H
#define BULKHEAD_PORT_PODMAN_H

#include <sys/stat.h>

#include "base/map.h"
#include "bolt.h"
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
/* Before the UUID in the names of the namespaces that Podman 4 and newer pin in /run/netns. */
#define PODMAN_PIN "netns-"

#define PODMAN_LIBPOD "libpod" /* in its root: the database's folder, by default */
#define PODMAN_BOLT   "bolt_state.db"

struct podman_container {
	char id[ENGINE_ID_SIZE + 1];
	char *name; /* by the list; untrusted: only to see that it has changed */
	bool listed;
	bool wanted;		/* to be read or inspected */
	bool asked;		/* the inspect under way has it */
	int64_t heard_ms;	/* when what `record` says was true; monotonic */
	struct timespec config; /* when config.json was written; 0: not read */
	char *sandbox;		/* the name of its own namespace's pin; NULL: none */
	bool host_network;
	struct engine_record *record; /* NULL: not yet */
};

enum podman_way { PODMAN_WAY_NONE, PODMAN_WAY_DATABASE, PODMAN_WAY_INSPECT, PODMAN_WAY_MAX };

struct podman {
	struct port_watch *watch;
	struct map *containers; /* id → podman_container */
	int inotify_fd, list_watch, database_watch;
	struct loop_source *files, *retry, *follow;
	struct child *child;
	int64_t inspected_ms;
	bool following;
	int64_t follow_cost_ms; /* of the last time */
	uint64_t transaction;	/* of the database, when all that it holds was read last */
	bool here;		/* there is a list of containers */
	bool left_out;
	enum podman_way way; /* in which the last one was heard of */
	char why[REASON_MAX];
	struct map *drivers; /* network → its driver, as text */
};

/* podman_learn.c: what is wanted is read from the database, or inspected. */
int podman_learn_start(struct podman *podman);
void podman_learn_stop(struct podman *podman);
void podman_learn(struct podman *podman);
/* For the steward: `podman [--root ROOT] container inspect ID...`, with full IDs, and nothing else. ROOT is what
 * podman_task_root() was told before the steward began, or the usual one. */
int podman_task(const struct steward_order *order);
void podman_task_root(const char *root);
/* The database may be another: all that is known is compared with it, soon. */
void podman_follow(struct podman *podman);

/* podman_db.c. Opening: -ENOENT; -EBADMSG: of a form that is not known; -EAGAIN: it changed meanwhile; -ENOMEM … */
struct podman_db {
	struct bolt bolt;
	struct bolt_bucket containers;
};
struct podman_row {
	char *config, *state; /* JSON */
	char *netns;	      /* a path; NULL: it has no namespace of its own now */
	size_t config_size, state_size;
};
int podman_db_open(const char *root, struct podman_db *ret_db);
void podman_db_close(struct podman_db *db);
int podman_db_read(const struct podman_db *db, const char *id, struct podman_row *ret_row); /* as opening */
void podman_row_free(struct podman_row *row);
uint64_t podman_row_hash(const struct podman_row *row);

/* podman_record.c: for engine_record_parse(). -EBADMSG: not as it is known; -ENOMEM. */
int podman_row_json(const struct podman_row *row, json_t **ret_json);

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
