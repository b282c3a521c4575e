/* SPDX-License-Identifier: GPL-2.0-only */
/* Network namespaces: which one it is (its cookie), where it is pinned, and sockets inside it.
 *
 * A pin is what leads to a namespace: a file in a folder of the runtimes', or a process that a runtime calls the first
 * of a running container. Pins only propose; what counts is the namespace that is opened by one.
 *
 * nsids and inode numbers are given to others as soon as they are free; SO_NETNS_COOKIE never is. No namespace is kept
 * open between two looks: an open descriptor would keep it, and its veths, alive after its container has gone. */
#ifndef BULKHEAD_PORT_NAMESPACE_H
#define BULKHEAD_PORT_NAMESPACE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/array.h"
#include "base/error.h"
#include "link.h"
#include "process.h"

/* Pins that are looked at, of each folder; one with more is read no further, and status says so. */
#define NAMESPACE_PINS_MAX 8192u
/* Pins of one namespace that are kept: a pod has a process for each of its containers. */
#define NAMESPACE_NAMES_MAX 32u

enum namespace_dir { NAMESPACE_DIR_DOCKER, NAMESPACE_DIR_NETNS, NAMESPACE_DIR_PROC, NAMESPACE_DIR_MAX };

struct namespace_pin {
	int32_t nsid;
	enum namespace_dir dir;
	char *name;		/* of the file, without the folder; the number of a process */
	struct process process; /* of NAMESPACE_DIR_PROC; its start is always known */
};
struct namespace_pins {
	ARRAY_OF(struct namespace_pin);
	bool cut; /* NAMESPACE_PINS_MAX was hit */
};

struct namespace
{
	uint64_t cookie;
	int32_t nsid;
	struct namespace_pins pins; /* at most NAMESPACE_NAMES_MAX */
};

/* The container's end of a port's veth, as it is now. */
struct peer {
	char name[IFNAMSIZ];
	struct mac mac;
	bool has_mac;
	bool carrier;
	bool cut; /* it has more addresses than LINK_FOREIGN_MAX: none is here */
	struct link_addrs addrs;
};

/* Opens a pinned namespace or /proc/PID/ns/net. -EINVAL: it is no network namespace. */
int namespace_open(const char *path, int *ret_fd);
int namespace_cookie_here(uint64_t *ret_cookie);       /* of the calling thread's namespace */
int namespace_cookie(int ns_fd, uint64_t *ret_cookie); /* of the one behind `ns_fd` */
/* A netlink request socket inside. The calling thread stays where it is: another one enters. */
int namespace_netlink(int ns_fd, int protocol, int *ret_fd);

/* Every pin in the folders (NULL or missing: none), and of the `processes` (the folder is where they are: /proc), that
 * has a number in the namespace of `netlink_fd`. What `known` has (NULL: nothing) is believed and not opened again, so
 * that it costs what is new: a name may have another namespace by now, which namespace_find() sees. */
int namespace_pins_read(const char *const dirs[NAMESPACE_DIR_MAX], const struct processes *processes, int netlink_fd,
			const struct namespace_pins *known, struct namespace_pins *ret_pins);
void namespace_pins_free(struct namespace_pins *pins);

/* The namespace that has the number `nsid` here, and a descriptor of it for use at once. -ENOENT: no pin leads to it.
 */
int namespace_find(const char *const dirs[NAMESPACE_DIR_MAX], int netlink_fd, const struct namespace_pins *pins,
		   int32_t nsid, struct namespace *ret_namespace, int *ret_fd);
/* `pins` has one for the namespace that it was not found by. */
bool namespace_has_more(const struct namespace *namespace, const struct namespace_pins *pins);
/* It was found by this process, among others. */
bool namespace_has_process(const struct namespace *namespace, const struct process *process);
void namespace_free(struct namespace *namespace);
/* The name of the first pin in `dir`, or NULL. */
const char *namespace_pin(const struct namespace *namespace, enum namespace_dir dir);

/* Reads the other end of the veth `ifindex` (here), which is `peer_ifindex` in there. -ENODEV: that link is not there
 * or is not its other end. */
int peer_read(int ns_fd, uint32_t peer_ifindex, uint32_t ifindex, struct peer *ret_peer, struct error *error);
void peer_free(struct peer *peer);

#endif
