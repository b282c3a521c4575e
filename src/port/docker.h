/* SPDX-License-Identifier: GPL-2.0-only */
/* The runtime `docker`: its parts.
 *
 * Whose a port is, is known when Docker's record of a container names the file that pins the namespace behind it. That
 * record comes late: while a container starts, Docker answers for it only when it runs. So there is an early way too:
 * /networks/ID lists the endpoints (container, MAC, addresses) as soon as they are made, and a container is taken to
 * be the one behind a port when a process of its control group is in the port's namespace. Its name, labels and image
 * are in its file from its creation on. */
#ifndef BULKHEAD_PORT_DOCKER_H
#define BULKHEAD_PORT_DOCKER_H

#include "base/map.h"
#include "cgroup.h"
#include "engine.h"
#include "http.h"
#include "watch.h"

/* Requests of one kind under way at once; a start holds up the answer for its container. */
#define DOCKER_INSPECTS_MAX 8u
#define DOCKER_OTHERS_MAX   4u
/* Containers and networks that are kept: some times what one host can run. */
#define DOCKER_CONTAINERS_MAX 16384u
#define DOCKER_NETWORKS_MAX   4096u
#define DOCKER_FILE_MAX	      (1u << 20) /* config.v2.json */

struct docker_member { /* a container on a network */
	char *id;
	struct engine_endpoint endpoint;
};
struct docker_network {
	char *id, *name, *driver;
	char *bridge;	  /* NULL: its driver is not `bridge` */
	int64_t asked_ms; /* monotonic: its members are of then or later */
	struct {
		ARRAY_OF(struct prefix);
	} subnets;
	struct port_addrs gateways;
	struct {
		ARRAY_OF(struct docker_member);
	} members; /* from /networks/ID; the list of all networks has none */
};

enum docker_job_kind { DOCKER_LIST, DOCKER_INSPECT, DOCKER_NETWORKS, DOCKER_NETWORK, DOCKER_JOB_MAX };

struct docker;
struct docker_job {
	struct docker *docker;
	struct docker_job *next;
	enum docker_job_kind kind;
	char id[ENGINE_ID_SIZE + 1];
	bool again;	   /* wanted once more while it is under way */
	int64_t asked_ms;  /* monotonic */
	struct http *http; /* NULL: not begun */
};

struct docker {
	struct port_watch *watch;
	struct docker_job *jobs;
	struct http *events;
	struct loop_source *retry;
	int64_t backoff_ms;
	bool reachable;
	bool listed; /* every container that runs was asked for, since it is reachable */
	/* The list can't be had (labels of many megabytes are enough): the files tell the same. */
	bool list_failed;
	char why[REASON_MAX];
	struct map *containers; /* id → engine_record */
	struct map *networks;	/* id → docker_network */
	bool left_out;		/* DOCKER_CONTAINERS_MAX or DOCKER_NETWORKS_MAX was hit */
	struct cgroups cgroups;
	int64_t files_ms; /* when the files were last read */
	struct {
		ARRAY_OF(struct published);
	} proxies; /* what docker-proxy processes relay */
	int64_t proxies_ms;
};

/* docker_network.c */
int docker_network_parse(const json_t *json, struct docker_network **ret_network); /* -EINVAL, -ENOMEM */
void docker_network_free(void *value); /* a docker_network, itself too; NULL is fine */

/* docker_api.c: the requests. Those for the same thing are one. */
void docker_want(struct docker *docker, enum docker_job_kind kind, const char *id);
void docker_connect(struct docker *docker); /* begins to follow the events; again and again while it fails */
void docker_jobs_free(struct docker *docker);
/* It has been asked for something for so long that its files are the better source. */
bool docker_is_silent(const struct docker *docker);
/* What a line of /events makes worth asking for. */
struct docker_event {
	char container[ENGINE_ID_SIZE + 1], network[ENGINE_ID_SIZE + 1]; /* "": none */
	bool networks;							 /* the list of them */
};
void docker_event_parse(const char *line, size_t size, struct docker_event *ret_event);

/* docker_store.c: what was heard. Both take over what is given, also on failure. 0, 1 (there is nothing new in it, only
 * of networks) or -errno. */
int docker_keep_container(struct docker *docker, struct engine_record *record);
/* The record of a container, of `since_ms` or later: the one that is kept, or what its file says now, which is kept
 * then. NULL: it must be asked for. */
const struct engine_record *docker_record_since(struct docker *docker, const char *id, int64_t since_ms);
int docker_keep_network(struct docker *docker, struct docker_network *network);
void docker_forget_container(struct docker *docker, const char *id);
void docker_forget_network(struct docker *docker, const char *id);
void docker_store_free(struct docker *docker);
/* The container that has this file for its namespace; the network on this bridge. NULL: none. */
const struct engine_record *docker_by_sandbox(const struct docker *docker, const char *sandbox);
/* Who shares the namespace of a container, which has the number `nsid` here: as engine_share(). */
int docker_share(const struct docker *docker, const struct engine_record *owner, int32_t nsid,
		 struct evidence *evidence, char reason[REASON_MAX]);
const struct docker_network *docker_by_bridge(const struct docker *docker, const char *bridge);

/* docker_files.c: what Docker leaves in files and processes. */
int docker_read_record(const struct docker *docker, const char *id, struct engine_record *ret_record); /* of one */
void docker_read_all(struct docker *docker); /* every record, when the API does not answer */
/* A process of this container's control group that is in the namespace that has the number `nsid` here; 0: none. */
int32_t docker_process_in(const struct docker *docker, const char *id, int32_t nsid);

/* docker_proxy.c: does a process of Docker's relay this port? The state is a struct docker. */
bool docker_is_relayed(void *state, const struct published *published);
/* "docker-proxy\0-proto\0tcp\0-host-ip\0…": the words that follow the options' names. */
bool docker_proxy_parse(const char *data, size_t size, struct published *ret_published);

#endif
