/* SPDX-License-Identifier: GPL-2.0-only */
/* A container as Docker's API, Docker's files and `podman container inspect` describe it: the three are alike. */
#ifndef BULKHEAD_PORT_ENGINE_H
#define BULKHEAD_PORT_ENGINE_H

#include <jansson.h>

#include "evidence.h"
#include "watch.h"

/* Of one container, in the runtimes' own bounds. */
#define ENGINE_ENDPOINTS_MAX 64u
#define ENGINE_ID_SIZE	     64u

struct engine_endpoint {  /* the container on one network */
	char *network;	  /* its name */
	char *network_id; /* Docker's; NULL: it is not said */
	bool has_mac;
	struct mac mac;
	struct port_addrs addresses, gateways;
};
struct engine_record {
	struct owner owner; /* without `network` */
	bool running;
	bool host_network;
	char *joins;		 /* the id or the name of the container whose namespace it shares; NULL: none */
	bool published_later;	 /* it publishes ports whose numbers on the host are not said yet */
	char *sandbox;		 /* name of the file that pins its own namespace; NULL: it has none */
	int32_t pid;		 /* 0: not running, or not said */
	int64_t asked_ms;	 /* monotonic; what it says was true then or later; 0 from here */
	uint64_t hash;		 /* of the text that it was made of, by whoever keeps it: 0 from here */
	char reason[REASON_MAX]; /* not "": it can't be used, because of this */
	struct {
		ARRAY_OF(struct engine_endpoint);
	} endpoints;
	struct {
		ARRAY_OF(struct published);
	} published;
};

/* Never fails for what the container's maker has written: then `reason` is set. -EINVAL: it is no container at all;
 * -ENOMEM. */
int engine_record_parse(const json_t *json, const char *runtime, struct engine_record *ret_record);
/* Adds what a container that starts is to publish (Docker's HostConfig), before the engine says what it has. -ENOMEM.
 */
int engine_wishes_parse(struct engine_record *record, const json_t *host_config);
void engine_record_free(struct engine_record *record);

/* A network mode: "container:ID" or "container:NAME" is kept in `joins`. 0 or -ENOMEM. */
int engine_parse_joins(const char *mode, struct engine_record *record);

/* "0.0.0.0" and "::" are all addresses of their family. False: it is no address. */
bool engine_host_address(const char *text, struct prefix *ret_at);
uint64_t engine_hash(const char *data, size_t size); /* FNV-1a; to see that an answer is the one that was had */
bool engine_is_id(const char *text);		     /* 64 hexadecimal digits */
/* "172.17.0.2/16" or "172.17.0.2": added; "": nothing. -EINVAL, -ENOSPC, -ENOMEM. */
int engine_add_addr(struct port_addrs *addrs, const char *text);
uint8_t engine_protocol(const char *name); /* "tcp", "udp", "sctp"; 0: another */

/* The endpoint on the network that the port is on: by the network's id, where it is known; else the one whose gateway
 * is the bridge's address; else the one with this MAC. NULL: none. */
const struct engine_endpoint *engine_endpoint_find(const struct engine_record *record, const char *network_id,
						   const struct runtime_question *question);
/* 0, -ENOMEM, or -EINVAL with `reason`. */
int engine_evidence(const struct engine_record *record, const struct engine_endpoint *endpoint,
		    struct evidence *evidence, char reason[REASON_MAX]);

/* Those of a runtime's running containers that share, directly or by way of others, the namespace of `owner`, and have
 * a process that is in there now. */
struct engine_family {
	const struct port_watch *watch;
	/* The first, then the next of all records; *cursor is 0 at first. NULL: no more. */
	const struct engine_record *(*next)(const void *arg, size_t *cursor);
	const struct engine_record *(*find)(const void *arg, const char *id_or_name);
	const void *arg;
};
/* 0, -ENOMEM, -E2BIG or -EINVAL with `reason`. */
int engine_share(const struct engine_family *family, const struct engine_record *owner, int32_t nsid,
		 struct evidence *evidence, char reason[REASON_MAX]);
bool engine_process_is_in(const struct port_watch *watch, int32_t pid, int32_t nsid);

/* The control group of a container's process, cut behind the part that holds the container's id: what is below is the
 * container's own work. NULL: it has none that says so. The caller frees. */
char *engine_cgroup(const char *proc, int32_t pid, const char *id);

#endif
