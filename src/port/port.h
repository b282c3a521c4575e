/* SPDX-License-Identifier: GPL-2.0-only */
/* The ports of this host: which veths there are, whose they are, which addresses they may use, and what the host has.
 *
 * Event-driven: rtnetlink tells, reconcile() asks here what is. A port is keyed by (ifindex, network namespace cookie
 * of its peer), never by name, nsid or inode. Addresses are evidence from the host's side only, frozen at adoption. */
#ifndef BULKHEAD_PORT_PORT_H
#define BULKHEAD_PORT_PORT_H

#include <jansson.h>
#include <net/if.h>
#include <stdbool.h>

#include "base/addr.h"
#include "base/array.h"
#include "base/error.h"
#include "base/loop.h"

#define PORT_ADDRESSES_MAX 64u	/* = BH_PORT_ADDRS_MAX */
#define PORT_NAME_MAX	   256u /* bytes of a container's or network's name that are kept */
#define PORT_LABELS_MAX	   256u
#define PORT_VALUE_MAX	   4096u /* bytes of a label's value */

struct port_addrs {
	ARRAY_OF(struct addr);
};
struct port_text_pair {
	char *key, *value;
};
/* What the runtime says of the container behind a port: claims by whoever may start containers. NULL: it has none. */
struct owner {
	char *id, *name, *runtime, *image, *namespace, *cgroup;
	char *network; /* the runtime's network that this port is on */
	struct {
		ARRAY_OF(struct port_text_pair);
	} labels;
};
struct owners {
	ARRAY_OF(struct owner);
};
#define PORT_OTHERS_MAX 64u /* containers that share another's namespace; a pod has a few */
struct published {	    /* a port that the runtime published on the host for this container */
	struct prefix at;   /* the host's address; with length 0 all of its family */
	uint8_t protocol;
	uint16_t host_port, container_port;
};

enum port_state {
	PORT_CLOSED,	 /* seen, not yet known: the door's default */
	PORT_WAITING,	 /* not known for longer than PORT_WAIT_MS; `reason` says what is missing */
	PORT_IDENTIFIED, /* owner and addresses are certain: may be opened */
	PORT_CONFLICT,	 /* evidence contradicts itself (an address of somebody else …): denied; `reason` */
	PORT_IGNORED,	 /* not policed: by setting, or no container's (patch veth); `reason` */
	PORT_STATE_MAX
};
extern const char *const port_state_names[PORT_STATE_MAX]; /* "closed", "waiting", … */
#define PORT_WAIT_MS 5000

struct port {
	uint64_t key; /* unique while the watcher lives; a re-used ifindex gets a new one */
	uint32_t ifindex;
	char name[IFNAMSIZ];
	uint32_t bridge_ifindex; /* 0: none */
	char bridge[IFNAMSIZ];
	struct mac mac; /* of the container's end; frozen at adoption */
	bool has_mac;
	uint64_t cookie; /* SO_NETNS_COOKIE of the peer's namespace; 0: not known yet */
	bool patch;	 /* both ends are in this namespace */
	enum port_state state;
	char reason[160];      /* for waiting, conflict, ignored; "" */
	int64_t since;	       /* seconds since the epoch: of this state */
	int64_t identified_ns; /* monotonic: when it came to be so; 0: never */
	struct owner owner;
	bool has_owner;
	struct owners others;	     /* the further containers in its namespace, by id; `owner` is whose it is */
	struct port_addrs addresses; /* own, frozen; link-local among them */
	struct port_addrs gateways;
	struct {
		ARRAY_OF(struct published);
	} published;
	bool existed_at_start; /* was there before the watcher: its open sockets are to be kept (port_sockets) */
};

struct host_bridge {
	char name[IFNAMSIZ];
	uint32_t ifindex;
	bool managed; /* has a port that is policed */
	struct {
		ARRAY_OF(struct prefix);
	} subnets; /* from the bridge's own addresses, and the runtimes' networks on it */
};
struct unpoliced {     /* what can't be policed and why: host network, macvlan, ipvlan … */
	char *name;    /* container or interface */
	char *runtime; /* or NULL */
	char *why;
};
/* What the watcher knows now. Owned by the watcher, valid until control returns to the loop. */
struct port_view {
	struct {
		ARRAY_OF(struct port);
	} ports; /* by ifindex */
	struct {
		ARRAY_OF(struct host_bridge);
	} bridges;
	struct port_addrs host_addresses; /* every address of this namespace, all interfaces */
	struct {
		ARRAY_OF(struct unpoliced);
	} unpoliced;
	uint64_t overruns; /* how often events of this namespace were lost: then nothing is certain without a look */
};

struct port_watch; /* opaque */

struct port_options {
	const char *docker_socket;    /* "/var/run/docker.sock" */
	const char *docker_root;      /* "/var/lib/docker" */
	const char *podman_root;      /* "/var/lib/containers/storage" */
	const char *netns_dir;	      /* "/run/netns": ip netns, and Podman's */
	const char *netns_meta_dir;   /* "/run/bulkhead/netns": NAME.json with labels for named namespaces */
	const char *docker_netns_dir; /* "/run/docker/netns" */
	const char *lxc_path;	      /* "/var/lib/lxc" */
	const char *incus_root;	      /* "/var/lib/incus" */
	const char *lxd_root;	      /* "/var/lib/lxd" */
	const char *machines_dir;     /* "/run/systemd/machines": systemd-machined's */
	const char *runc_root;	      /* "/run/runc" */
	const char *crun_root;	      /* "/run/crun" */
	const char *proc;	      /* "/proc" */
	const char *cni_results;      /* "/var/lib/cni/results" */
	const char *adopted;	      /* "/var/lib/bulkhead/adopted.json"; NULL: adoptions go with the watcher */
	const char *containerd_state; /* "/run/containerd" */
	const char *containerd_root;  /* "/var/lib/containerd": its database */
	const char *crio_run;	      /* "/run/containers/storage": CRI-O's run-time folder */
	/* Is this host-side name to be policed? (settings' managed and ignore) */
	bool (*manages)(void *arg, const char *interface);
	void *manages_arg;
};
/* Where the runtimes keep what they know when nothing else is said; all veths are managed. */
extern const struct port_options port_options_usual;

/* Subscribes, dumps, and calls `on_change` from the loop (debounced a little) whenever port_view may differ. */
int port_watch_new(struct loop *loop, const struct port_options *options, void (*on_change)(void *arg), void *arg,
		   struct port_watch **ret_watch, struct error *error);
void port_watch_free(struct port_watch *watch);
const struct port_view *port_watch_view(struct port_watch *watch);
/* Looks at everything again (settings changed, overrun, a reload): asynchronous, ends in on_change. */
void port_watch_refresh(struct port_watch *watch);
/* Each runtime: reachable or not and why, containers known; overruns, frozen namespaces. For `status`: docs/json.md. */
json_t *port_watch_status(struct port_watch *watch);

/* Does a process of the host relay this published port now (docker-proxy), as far as that can be seen? Who comes
 * through it is the host to all that follows. For the status: looks at all processes, if it has not done so lately. */
bool port_is_relayed(struct port_watch *watch, const struct port *port, const struct published *published);

/* ---- Adoption: whoever makes a port says whose it is ---- */

/* Which ports are meant: those of one interface, of one namespace, or of one interface in one namespace. */
struct port_site {
	uint32_t ifindex; /* 0: every port of the namespace */
	uint64_t cookie;  /* of the namespace; 0: of the one that the interface's other end is first seen in */
	char *netns;	  /* a path that led to it; NULL: none was said */
};
void port_site_free(struct port_site *site);
/* What is meant by an interface and the path of a namespace, one of which may be NULL. An interface's other end must be
 * in that namespace. -ENODEV, -EOPNOTSUPP (no veth), -EINVAL (no namespace, or not that of the interface), … */
int port_watch_locate(struct port_watch *watch, const char *interface, const char *netns, struct port_site *ret_site,
		      struct error *error);

/* Keeps what `words` (docs/json.md, adopt) say of these ports, in the place of what was said of the same before, until
 * they are released or gone; beyond the daemon's life, if there is a file for it. -EINVAL: the words make no sense;
 * -ENOSPC: there are too many. */
int port_watch_adopt(struct port_watch *watch, const struct port_site *site, const char *interface, const json_t *words,
		     struct error *error);
/* Forgets what was adopted: of the interface of this name, of the namespace that the path leads to, and of the
 * container with this id; those that are not NULL. What no runtime knows then is closed. *ret_count: of adoptions. */
int port_watch_release(struct port_watch *watch, const char *interface, const char *netns, const char *id,
		       size_t *ret_count, struct error *error);

/* Why the file of what was adopted could not be read or written; "". */
const char *port_watch_adopted_problem(struct port_watch *watch);

/* A look at these ports (NULL: at what changed), soon, that ends in on_change. What they are is known when
 * port_watch_looked() is more than it was at this call. */
void port_watch_look(struct port_watch *watch, const struct port_site *site);
uint64_t port_watch_looked(const struct port_watch *watch);
/* The ports that are there; they belong to the view. -ESTALE: the interface or the namespace has gone, or is another
 * by now. The caller frees the array. */
struct port_list {
	ARRAY_OF(const struct port *);
};
int port_watch_at(struct port_watch *watch, const struct port_site *site, struct port_list *ret_ports,
		  struct error *error);

/* Open sockets (TCP established and UDP connected) of the port's namespace, by sock_diag inside it: calls `fn` for
 * each. Bounded by PORT_SOCKETS_MAX. 0 or -errno. Listening TCP ports tell who opened: own port listens → `inbound`. */
#define PORT_SOCKETS_MAX 65536u
struct port_socket {
	uint8_t protocol;
	bool inbound;
	struct addr own, remote;
	uint16_t own_port, remote_port; /* host order */
};
int port_sockets(struct port_watch *watch, const struct port *port,
		 void (*fn)(void *arg, const struct port_socket *socket), void *arg, struct error *error);

#endif
