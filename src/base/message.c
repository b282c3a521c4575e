/* SPDX-License-Identifier: GPL-2.0-only */
#include "message.h"

#include <errno.h>
#include <sys/socket.h>

#define ERRNO_MAX 4095 /* include/linux/err.h */

int message_error(const struct nlmsghdr *message)
{
	const struct nlmsgerr *body = mnl_nlmsg_get_payload(message);

	if (mnl_nlmsg_get_payload_len(message) < sizeof(*body) || body->error > 0 || body->error < -ERRNO_MAX)
		return -EBADMSG;
	return body->error;
}

ssize_t message_receive(int fd, void *buffer, size_t size)
{
	struct sockaddr_nl from = {0};
	socklen_t from_size = sizeof(from);
	ssize_t got = recvfrom(fd, buffer, size, MSG_DONTWAIT, (struct sockaddr *)&from, &from_size);

	return got >= 0 && from.nl_pid != 0 ? 0 : got;
}
