/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <linux/net_namespace.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/file.h"
#include "base/message.h"
#include "netlink.h"

/* The kernel answers while we send; a lock of its own can hold it up, but not for so long. */
#define NETLINK_TIMEOUT_S 5

int netlink_open(int protocol, int *ret_fd)
{
	AUTO_CLOSE int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
	struct sockaddr_nl address = {.nl_family = AF_NETLINK};
	struct timeval timeout = {.tv_sec = NETLINK_TIMEOUT_S};
	int one = 1;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0 ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	/* Wished for, not needed: sentences in errors, answers that are short, filters that are looked at. */
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof(one));
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one));
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &one, sizeof(one));
	*ret_fd = TAKE_FD(fd);
	return 0;
}

void *netlink_begin(struct netlink_request *request, uint16_t type, uint16_t flags, size_t extra_size)
{
	static uint32_t sequence;

	memset(request->buffer, 0, sizeof(request->buffer));
	request->header = mnl_nlmsg_put_header(request->buffer);
	request->header->nlmsg_type = type;
	request->header->nlmsg_flags = NLM_F_REQUEST | flags;
	request->header->nlmsg_seq = ++sequence;
	return extra_size ? mnl_nlmsg_put_extra_header(request->header, extra_size) : NULL;
}

/* The kernel's own words, if it gave any; they stand behind the error (and nothing else: NETLINK_CAP_ACK). */
static const char *netlink_error_words(const struct nlmsghdr *message)
{
	const struct nlattr *attribute;

	if (!(message->nlmsg_flags & NLM_F_ACK_TLVS))
		return NULL;
	mnl_attr_for_each(attribute, message, sizeof(struct nlmsgerr))
	{
		if (mnl_attr_get_type(attribute) == NLMSGERR_ATTR_MSG &&
		    mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) >= 0)
			return mnl_attr_get_str(attribute);
	}
	return NULL;
}

static int netlink_error(const struct nlmsghdr *message, struct error *error)
{
	int code = message_error(message);
	const char *words = code < 0 ? netlink_error_words(message) : NULL;

	if (code == 0)
		return 0;
	return error_set(error, code, "netlink: %s%s%s", strerror(-code), words ? ": " : "", words ? words : "");
}

/* One datagram's messages. 1: more to come; 0: the end; or -errno. */
static int netlink_messages(const char *buffer, size_t size, uint32_t sequence, bool *interrupted, netlink_fn fn,
			    void *arg, struct error *error)
{
	const struct nlmsghdr *message = (const struct nlmsghdr *)buffer;
	int length = (int)size, r;

	for (; message_ok(message, length); message = message_next(message, &length)) {
		if (message->nlmsg_seq != sequence)
			continue; /* left over from a request that was given up */
		if (message->nlmsg_flags & NLM_F_DUMP_INTR)
			*interrupted = true;
		if (message->nlmsg_type == NLMSG_DONE)
			return 0;
		if (message->nlmsg_type == NLMSG_ERROR)
			return netlink_error(message, error);
		if (message->nlmsg_type < NLMSG_MIN_TYPE)
			continue;
		r = fn ? fn(message, arg) : 0;
		if (r < 0)
			return error_set(error, r, "netlink: answer not usable: %s", strerror(-r));
		if (!(message->nlmsg_flags & NLM_F_MULTI))
			return 0;
	}
	return 1;
}

int netlink_ask(int fd, struct netlink_request *request, netlink_fn fn, void *arg, struct error *error)
{
	AUTO_FREE char *buffer = malloc(NETLINK_BUFFER_SIZE);
	const struct nlmsghdr *header = request->header;
	bool interrupted = false;
	int r = 1;

	if (!buffer)
		return error_set(error, -ENOMEM, "netlink: out of memory");
	if (send(fd, header, header->nlmsg_len, 0) < 0)
		return error_set(error, -errno, "netlink: cannot send: %s", strerror(errno));
	while (r > 0) {
		struct sockaddr_nl from = {0};
		struct iovec part = {.iov_base = buffer, .iov_len = NETLINK_BUFFER_SIZE};
		struct msghdr datagram = {
			.msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &part, .msg_iovlen = 1};
		ssize_t n = recvmsg(fd, &datagram, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == ENOBUFS)
			return error_set(error, -EAGAIN, "netlink: answer overran the socket's buffer");
		if (n < 0)
			return error_set(error, errno == EAGAIN ? -ETIMEDOUT : -errno, "netlink: cannot receive: %s",
					 strerror(errno == EAGAIN ? ETIMEDOUT : errno));
		if (from.nl_pid != 0)
			continue; /* only the kernel is believed */
		if (datagram.msg_flags & MSG_TRUNC)
			return error_set(error, -EMSGSIZE, "netlink: answer larger than %u bytes", NETLINK_BUFFER_SIZE);
		r = netlink_messages(buffer, (size_t)n, header->nlmsg_seq, &interrupted, fn, arg, error);
	}
	if (r == 0 && interrupted)
		return error_set(error, -EAGAIN, "netlink: the answer changed while it was given");
	return r;
}

struct attribute_table {
	const struct nlattr **table;
	uint16_t max;
};

static int attribute_note(const struct nlattr *attribute, void *arg)
{
	struct attribute_table *table = arg;
	uint16_t type = mnl_attr_get_type(attribute);

	if (type <= table->max)
		table->table[type] = attribute;
	return MNL_CB_OK;
}

int netlink_attributes(const struct nlmsghdr *message, size_t extra_size, const struct nlattr **table, uint16_t max)
{
	struct attribute_table arg = {table, max};

	memset(table, 0, sizeof(*table) * (max + 1u));
	if (mnl_nlmsg_get_payload_len(message) < extra_size)
		return -EBADMSG;
	return mnl_attr_parse(message, (unsigned int)extra_size, attribute_note, &arg) < 0 ? -EBADMSG : 0;
}

int netlink_nested(const struct nlattr *nest, const struct nlattr **table, uint16_t max)
{
	struct attribute_table arg = {table, max};

	memset(table, 0, sizeof(*table) * (max + 1u));
	return mnl_attr_parse_nested(nest, attribute_note, &arg) < 0 ? -EBADMSG : 0;
}

bool netlink_has(const struct nlattr *attribute, size_t size)
{
	return attribute && mnl_attr_get_payload_len(attribute) >= size;
}

static int nsid_note(const struct nlmsghdr *message, void *arg)
{
	const struct nlattr *table[NETNSA_MAX + 1];
	int32_t *ret_nsid = arg;
	int r = netlink_attributes(message, sizeof(struct rtgenmsg), table, NETNSA_MAX);

	if (r < 0)
		return r;
	if (!netlink_has(table[NETNSA_NSID], sizeof(int32_t)))
		return -EBADMSG;
	memcpy(ret_nsid, mnl_attr_get_payload(table[NETNSA_NSID]), sizeof(*ret_nsid));
	return 0;
}

int netlink_nsid(int fd, int ns_fd, int32_t *ret_nsid, struct error *error)
{
	struct netlink_request request;
	int32_t nsid = NETNSA_NSID_NOT_ASSIGNED;

	netlink_begin(&request, RTM_GETNSID, 0, sizeof(struct rtgenmsg));
	mnl_attr_put_u32(request.header, NETNSA_FD, (uint32_t)ns_fd);
	int r = netlink_ask(fd, &request, nsid_note, &nsid, error);
	if (r < 0)
		return r;
	if (nsid == NETNSA_NSID_NOT_ASSIGNED)
		return error_set(error, -ENOENT, "the namespace has no nsid here");
	*ret_nsid = nsid;
	return 0;
}
