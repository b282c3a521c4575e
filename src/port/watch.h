/* SPDX-License-Identifier: GPL-2.0-only */
/* The watcher's inside, shared by the files of port/ that make it up.
 *
 * An event only marks what to look at. A scan reads the links and addresses of this namespace, looks at the marked
 * ports (which namespace holds the other end, who owns it), and finds every port's state anew. */
#ifndef BULKHEAD_PORT_WATCH_H
#define BULKHEAD_PORT_WATCH_H

#include "base/text.h"
#include "event.h"
#include "evidence.h"
#include "link.h"
#include "namespace.h"
#include "port.h"

enum runtime_answer {
	RUNTIME_NOT_MINE,
	RUNTIME_PENDING, /* its own, or perhaps; `reason` says what is missing. port_watch_dirty() when there is more */
	RUNTIME_OWNS,	 /* the evidence is filled */
	RUNTIME_ANSWER_MAX
};

/* What a runtime is asked: whose is this port? */
struct entry;
struct cni_cache;
struct runtime_question {
	const struct link *link;	   /* the host's end */
	const struct link *bridge;	   /* NULL: none */
	const struct namespace *namespace; /* of the container's end */
	const struct peer *peer;
	const struct link_addrs *host_addrs;
	/* False: its addresses are about to be frozen, so that they must be of after this (monotonic): what was true
	 * before may be what another port had, on the same network of the same container. */
	bool adopted;
	int64_t since_ms;
	bool owner_only; /* its addresses are known: the answer need not wait for them */
};

/* A runtime: one file, and one row in runtimes[] (look.c). Nothing in here may block; `start` fails for want of memory
 * only, since a runtime that is not there now may come later. */
struct runtime {
	const char *name;
	int (*start)(struct port_watch *watch, void **ret_state);
	void (*stop)(void *state); /* NULL is fine */
	void (*refresh)(void *state);
	/* Adds the first process of each container that runs, for namespaces that no folder pins: as many as there are
	 * containers, found without a look at all processes. They are proposals: when ask() is given a namespace that
	 * was found by one (NAMESPACE_DIR_PROC), the runtime's own record must lead to that process still, and
	 * process_is_still() be true thereafter. Called when a port is not known: what has not changed should not be
	 * read again. 0 or -ENOMEM. May be NULL. */
	int (*pins)(void *state, struct processes *processes);
	/* `evidence` is zeroed; what it holds after another answer than RUNTIME_OWNS is freed by the caller. */
	enum runtime_answer (*ask)(void *state, const struct runtime_question *question, struct evidence *evidence,
				   char reason[REASON_MAX]);
	/* Calls unpoliced_add() for each container that can't be policed, network_add() for each network's subnet. 0
	 * or -ENOMEM. May be NULL. */
	int (*list)(void *state, struct port_watch *watch);
	/* Does a process of the runtime's relay this port? Only for the status: it may cost some time. May be NULL. */
	bool (*relays)(void *state, const struct published *published);
	json_t *(*status)(void *state); /* an object */
};
/* The owner, by its name alone; its network is the bridge, if there is one. 0, -EINVAL with `reason`, -ENOMEM. */
int evidence_owner(const struct runtime_question *question, const char *name, const char *runtime,
		   struct evidence *evidence, char reason[REASON_MAX]);

extern const struct runtime runtime_adopted, runtime_docker, runtime_containerd, runtime_crio, runtime_podman,
	runtime_lxc, runtime_nspawn, runtime_runc, runtime_crun, runtime_netns, runtime_cni;
/* In the order in which they are asked: the first that knows the port has it. Whoever made the port knows best whose it
 * is. A namespace may have a name for `ip netns` and be a container's all the same, so netns is behind them. */
enum {
	RUNTIME_ADOPTED,
	RUNTIME_DOCKER,
	RUNTIME_CONTAINERD,
	RUNTIME_CRIO,
	RUNTIME_PODMAN,
	RUNTIME_LXC,
	RUNTIME_NSPAWN,
	RUNTIME_RUNC,
	RUNTIME_CRUN,
	RUNTIME_NETNS,
	RUNTIME_CNI, /* behind all: what nobody else knows */
	RUNTIME_COUNT,
};
extern const struct runtime *const runtimes[RUNTIME_COUNT]; /* look.c */

/* One veth. */
struct entry {
	uint64_t key;
	struct link link;
	bool seen; /* by the scan under way */
	bool existed_at_start;
	bool look;		   /* at it in the next scan */
	bool verified;		   /* `namespace` was seen to hold the other end since the link last changed */
	int64_t first_ms, next_ms; /* monotonic: first seen; when to look again while it is not identified */
	unsigned int looks;
	unsigned int losses;		/* how often it was lost while it was adopted, since `lost_ms` */
	int64_t lost_ms, rest_until_ms; /* not looked at before, for being lost too often */
	struct namespace namespace;	/* cookie 0: not known */
	struct peer peer;
	const struct runtime *runtime; /* whose evidence this is; NULL: none yet */
	struct evidence evidence;
	/* Frozen at adoption: */
	bool adopted;
	uint64_t order; /* of adoption: the former keeps what both want */
	bool has_mac;
	struct mac mac;
	struct port_addrs strong; /* by the runtime's word */
	struct port_addrs weak;	  /* by the container's own first claim */
	struct port_addrs own;	  /* of both, what no one else has: recomputed */
	char missing[REASON_MAX]; /* why it is not adopted */
	enum port_state state;
	char reason[REASON_MAX];
	int64_t since;	       /* of `state`, seconds since the epoch */
	int64_t identified_ns; /* monotonic: when it last came to be so; 0: never */
};

struct port_watch {
	struct loop *loop;
	struct port_options options;
	const char *dirs[NAMESPACE_DIR_MAX];
	void (*on_change)(void *arg);
	void *arg;
	int netlink_fd;
	uint64_t cookie; /* of our own namespace */
	struct events *events;
	struct loop_source *timer;   /* for the next scan */
	int64_t timer_ms;	     /* when it fires; 0: disarmed */
	int64_t scanned_ms, owed_us; /* the last scan; the rest that was owed then */
	bool started;		     /* the first scan is done */
	bool told;		     /* the next scan need not tell, unless something is different */
	bool all;		     /* look at every entry in the next scan */
	struct {
		ARRAY_OF(struct entry *);
	} entries; /* by ifindex */
	uint64_t last_key, last_order;
	/* Of the last scan: */
	struct links links;
	struct link_addrs addrs;
	struct link_routes routes;
	bool has_routes;
	struct namespace_pins pins;
	bool has_pins;	/* they are of this scan */
	bool pins_anew; /* and none of them was believed for being known */
	bool pins_cut, addresses_cut;
	struct cni_cache *cni; /* what CNI left of its results */
	char scan_error[REASON_MAX];
	uint64_t scans, scan_failures, overruns;
	uint64_t looked; /* scans that came to their end */
	void *states[RUNTIME_COUNT];
	struct port_view view;
	struct port_view *building; /* by view_build */
	uint64_t view_hash;
};

/* A runtime has something new: every port is asked for again. */
void port_watch_dirty(struct port_watch *watch);
/* A scan no later than in `delay_ms`, but scans never take more than a fifth of the time. */
void port_watch_schedule(struct port_watch *watch, int64_t delay_ms);

/* scan.c. *ret_changed: the view is not what it was. On failure what was known stays, and the marks too. */
int scan_run(struct port_watch *watch, bool *ret_changed, struct error *error);
void scan_free(struct port_watch *watch);
void entry_free(struct entry *entry);
struct entry *watch_entry(const struct port_watch *watch, uint32_t ifindex); /* NULL: none */

/* site.c: may the entry be one that is meant? */
bool site_holds(const struct port_site *site, const struct entry *entry);

/* look.c: who is behind the port? Leaves `missing` when it is not known. */
void entry_look(struct port_watch *watch, struct entry *entry);
void entry_forget(struct entry *entry);	  /* its adoption */
void entry_look_now(struct entry *entry); /* in the next scan, and soon again */
/* The namespace with this number. -ENOENT: nothing that is known leads to it. */
int watch_namespace(struct port_watch *watch, int32_t nsid, struct namespace *ret_namespace, int *ret_fd);

/* claim.c: which addresses are a port's own? */
struct claim {
	const struct link *link;   /* the host's end */
	const struct link *bridge; /* NULL: none */
	const struct link_addrs *host_addrs;
	const struct link_routes *routes;
};
/* Adds to `weak` what the container's end has, of each kind (IPv4, IPv6, link-local) that `strong` and `weak` have none
 * of yet, as far as a first claim may. `reason` names the first address that it may not have ("" when there is none).
 * 0 or -errno; -ENOSPC: some were left out, PORT_ADDRESSES_MAX is reached. */
int claim_first(const struct claim *claim, const struct peer *peer, bool link_local_only,
		const struct port_addrs *strong, struct port_addrs *weak, char reason[REASON_MAX]);
/* The subnet that an address with its length stands in. */
struct prefix subnet_of(const struct link_addr *address);
/* settle.c: every entry's state, from what all of them want: `own`, `state`, `reason`. */
int settle_run(struct port_watch *watch, int64_t now_s, int64_t now_ms);

/* view.c */
int view_build(struct port_watch *watch, struct port_view *ret_view);
void view_free(struct port_view *view);
uint64_t view_fingerprint(const struct port_view *view);
int unpoliced_add(struct port_watch *watch, const char *name, const char *runtime, const char *why);
int network_add(struct port_watch *watch, const char *bridge, const struct prefix *subnet);

#endif
