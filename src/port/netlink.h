/* SPDX-License-Identifier: GPL-2.0-only */
/* Asking the kernel over netlink, one request at a time. A request is answered at once by the kernel, so it may block;
 * the time-out is only a guard. */
#ifndef BULKHEAD_PORT_NETLINK_H
#define BULKHEAD_PORT_NETLINK_H

#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/* One message of the kernel's never is larger: NLMSG_GOODSIZE pages, and dumps fill at most what we offer. */
#define NETLINK_BUFFER_SIZE 32768u

/* A request socket in the network namespace of the calling thread, close-on-exec. 0 or -errno. */
int netlink_open(int protocol, int *ret_fd);

struct netlink_request {
	char buffer[512];
	struct nlmsghdr *header; /* in `buffer` */
};
/* Starts a request: the header, and `extra_size` zeroed bytes behind it that are returned. */
void *netlink_begin(struct netlink_request *request, uint16_t type, uint16_t flags, size_t extra_size);

/* Gets each message of the answer; a negative value ends the request with it. */
typedef int (*netlink_fn)(const struct nlmsghdr *message, void *arg);

/* Sends, and gives `fn` (may be NULL) each message of the answer. 0, or what the kernel or `fn` said; -EAGAIN: the
 * dump was inconsistent (NLM_F_DUMP_INTR) or overran, so do it again. What an earlier request left unread is skipped.
 */
int netlink_ask(int fd, struct netlink_request *request, netlink_fn fn, void *arg, struct error *error);

/* Attributes by type; a table of `max` + 1 entries. Those that are unknown are left out. -EBADMSG: malformed. */
int netlink_attributes(const struct nlmsghdr *message, size_t extra_size, const struct nlattr **table, uint16_t max);
int netlink_nested(const struct nlattr *nest, const struct nlattr **table, uint16_t max);

/* True when the payload of `attribute` (may be NULL) has at least `size` bytes. */
bool netlink_has(const struct nlattr *attribute, size_t size);

/* The nsid that the namespace behind `ns_fd` has in the namespace of the request socket. -ENOENT: it has none. */
int netlink_nsid(int fd, int ns_fd, int32_t *ret_nsid, struct error *error);

#endif
