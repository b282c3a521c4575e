/* SPDX-License-Identifier: GPL-2.0-only */
/* A container by its OCI bundle: config.json, as containerd (ctr, nerdctl, Kubernetes) and CRI-O write it. What they
 * know of it stands in its annotations, each in words of its own. */
#ifndef BULKHEAD_PORT_BUNDLE_H
#define BULKHEAD_PORT_BUNDLE_H

#include "base/map.h"
#include "evidence.h"
#include "process.h"
#include "watch.h"

struct follow;

#define BUNDLES_MAX	  16384u
#define BUNDLE_CONFIG_MAX (4u << 20)

enum bundle_network {
	BUNDLE_OWN,    /* made for it, and pinned nowhere */
	BUNDLE_PINNED, /* by a file: `pin` */
	BUNDLE_JOINED, /* that of another container's process */
	BUNDLE_HOST,
	BUNDLE_NETWORK_MAX
};
struct bundle {
	char *id;
	char *place;	    /* containerd's namespace; NULL: there are none */
	char *cni;	    /* how it is called towards CNI; NULL: others' business */
	struct owner owner; /* without `network` and `cgroup` */
	char *pod;	    /* the id of the pod's sandbox that it is in; NULL: it is in no pod */
	bool is_pod;	    /* it is the sandbox */
	json_t *labels;	    /* what is known of it beside the configuration; NULL: nothing */
	char *image;
	enum bundle_network network;
	char *pin;		 /* path of the file */
	char *cgroup;		 /* as the configuration says it: "/default/web", "SLICE:PREFIX:NAME" */
	char reason[REASON_MAX]; /* not "": it can't be used, because of this */
	struct process process;	 /* its first; pid 0: not known */
	char *process_cgroup;	 /* its control group, cut where the container's own work begins */

	/* Of the folder that it was read from: */
	bool listed, has_config;
	bool is_others;	  /* another runtime's: not looked at again */
	bool without_db;  /* what containerd's database has of it is not known */
	int config_error; /* why it has no configuration */
	/* The record of its process as it was when that had ended already; `ended_inode` 0: it had not. */
	uint64_t ended_inode;
	struct timespec ended_written;
	uint64_t inode;
	int follow;
};

struct bundle *bundle_new(const char *place, const char *id); /* NULL: out of memory */
void bundle_free(void *value);				      /* NULL is fine */

/* config.json. Never fails for what a container's maker has written: then `reason` is set. -EBADMSG: it is no
 * configuration; -EINVAL: of another runtime's; -ENOMEM. */
int bundle_parse_containerd(const json_t *config, struct bundle *bundle);
int bundle_parse_crio(const json_t *config, struct bundle *bundle);
/* Of no engine's, such as runc and crun start by hand: all annotations are labels. */
int bundle_parse_plain(const json_t *config, const char *runtime, struct bundle *bundle);

/* Keeps the process as the bundle's first, if it is in its control group. */
void bundle_set_process(const char *proc, int32_t pid, struct bundle *bundle);
/* The same with a process whose start is on record, too: its control group proves nothing more. */
void bundle_keep_process(const char *proc, const struct process *process, struct bundle *bundle);

/* The answer for a port of this bundle's. */
enum runtime_answer bundle_answer(const struct bundle *bundle, struct port_watch *watch,
				  const struct runtime_question *question, struct evidence *evidence,
				  char reason[REASON_MAX]);

/* All bundles of a runtime, from folders that are followed. */
struct bundles {
	struct port_watch *watch;
	struct follow *follow;
	struct map *map; /* "PLACE/ID" → bundle */
	void (*read)(struct bundles *bundles);
	bool is_read; /* nothing has changed since */
	uint64_t read_scan;
	bool here, left_out;
	size_t own; /* that are this runtime's */
	int error;
	bool db_failed; /* containerd's database, for any of them */
};
struct bundle_folder { /* one that holds a folder for each container */
	const char *path;
	const char *place;	 /* containerd's namespace, or NULL */
	const char *below;	 /* where the files are, below the container's folder: "" or "/userdata" */
	const char *config_file; /* NULL: config.json */
	const char *pid_file;
	/* `pid_file` is JSON, with the time of the start. 0 or -EBADMSG. NULL: it is the number alone. */
	int (*process)(const json_t *state, struct process *ret_process);
	int (*parse)(const json_t *config, struct bundle *bundle);
	/* Adds what is known elsewhere, before `parse`. 0, -EAGAIN: not yet; -ENOMEM. May be NULL. */
	int (*learn)(struct bundles *bundles, struct bundle *bundle);
};
/* Reads the folders if something has changed, and otherwise at most once a scan. */
void bundles_update(struct bundles *bundles);
/* For `read`: what is new in a folder. 0 or -errno. */
int bundles_read_folder(struct bundles *bundles, const struct bundle_folder *folder);

/* The bundle whose namespace this is, by the file that pins it, or by its first process. NULL: none. */
const struct bundle *bundles_behind(const struct bundles *bundles, const struct namespace *namespace);
const struct bundle *bundles_by_cni(const struct bundles *bundles, const char *cni); /* by its name towards CNI */
/* What such a runtime is made of (struct runtime); the state is a struct bundles. */
int bundles_start(struct port_watch *watch, void (*read)(struct bundles *bundles), void **ret_state);
void bundles_stop(void *state);
void bundles_refresh(void *state);
int bundles_pins(void *state, struct processes *processes);
enum runtime_answer bundles_ask(void *state, const struct runtime_question *question, struct evidence *evidence,
				char reason[REASON_MAX]);
int bundles_list(void *state, struct port_watch *watch);
json_t *bundles_status(const void *state, const char *nothing);

#endif
