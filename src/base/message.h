/* SPDX-License-Identifier: GPL-2.0-only */
/* The messages of a netlink datagram. libmnl's mnl_nlmsg_ok() takes a length of 2 GiB and more for a negative one, and
 * so for one that fits: that is looked at here. */
#ifndef BULKHEAD_BASE_MESSAGE_H
#define BULKHEAD_BASE_MESSAGE_H

#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Does a whole message stand there? `left`: bytes of the datagram from it on. */
static inline bool message_ok(const struct nlmsghdr *message, int left)
{
	return left >= (int)sizeof(*message) && message->nlmsg_len >= sizeof(*message) &&
	       message->nlmsg_len <= (unsigned int)left;
}

static inline const struct nlmsghdr *message_next(const struct nlmsghdr *message, int *left)
{
	return mnl_nlmsg_next(message, left);
}

/* The kernel's word in an NLMSG_ERROR: 0 or -errno. -EBADMSG: it has none. */
int message_error(const struct nlmsghdr *message);

/* One datagram, without waiting. 0: not the kernel's, but of a process that may send to others (root has that right,
 * and who is root in a container that shares this namespace): not to be believed. -1: errno, as recv(2). */
ssize_t message_receive(int fd, void *buffer, size_t size);

#endif
