/* SPDX-License-Identifier: GPL-2.0-only */
/* What the kernel says of links, addresses, routes, namespaces and sockets (rtnetlink, sock_diag): a socket pair stands
 * for the kernel. The input's first byte says what was asked; then come datagrams, each behind its length in two bytes.
 * Messages without a sequence number get the one that is waited for. Dictionary: netlink.dict. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/message.h"
#include "must_port.h"
#include "port/netlink.h"

/* For what is static in there: the readers of single messages, without the sockets that only root can make. */
#include "port/event.c"	  /* NOLINT(bugprone-suspicious-include) */
#include "port/link.c"	  /* NOLINT(bugprone-suspicious-include) */
#include "port/sockets.c" /* NOLINT(bugprone-suspicious-include) */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define DATAGRAM_MAX 4096u

enum question {
	ASK_LINKS,
	ASK_LINK,
	ASK_ADDRS,
	ASK_ROUTES,
	ASK_NSID,
	ASK_SOCKETS,
	HEAR_OWN,
	HEAR_OTHERS,
	QUESTION_COUNT
};

/* The number of the next request. */
static uint32_t sequence_next(void)
{
	struct netlink_request request;

	netlink_begin(&request, NLMSG_NOOP, 0, 0);
	return request.header->nlmsg_seq + 1;
}

static void datagram_send(int kernel, const uint8_t *bytes, size_t size, uint32_t sequence)
{
	_Alignas(8) uint8_t buffer[DATAGRAM_MAX];
	struct nlmsghdr *message = (struct nlmsghdr *)buffer;
	int left = (int)size;

	memcpy(buffer, bytes, size);
	while (message_ok(message, left)) {
		if (!message->nlmsg_seq)
			message->nlmsg_seq = sequence;
		message = mnl_nlmsg_next(message, &left);
	}
	must(send(kernel, buffer, size, MSG_DONTWAIT) == (ssize_t)size || errno == EAGAIN);
}

/* All datagrams, as the kernel's answers: they are there before the question. */
static void answers_send(int kernel, const uint8_t *data, size_t size, uint32_t sequence)
{
	while (size >= 2) {
		size_t length = (size_t)data[0] | (size_t)data[1] << 8;

		data += 2;
		size -= 2;
		length = length < size ? length : size;
		length = length < DATAGRAM_MAX ? length : DATAGRAM_MAX;
		datagram_send(kernel, data, length, sequence);
		data += length;
		size -= length;
	}
}

static void must_be_link(const struct link *link)
{
	must(link->ifindex > 0 && link->kind < LINK_KIND_MAX);
	must(memchr(link->name, '\0', sizeof(link->name)) != NULL);
}

static void try_links(int fd)
{
	struct links links = {0};

	if (link_dump(fd, 16, &links, NULL) < 0)
		return;
	must(links.count <= 16);
	for (size_t i = 0; i < links.count; i++) {
		must_be_link(&links.items[i]);
		must(i == 0 || links.items[i - 1].ifindex <= links.items[i].ifindex);
		must(link_find(&links, links.items[i].ifindex)->ifindex == links.items[i].ifindex);
	}
	array_free(&links);
}

static void try_link(int fd)
{
	struct link link = {0};

	if (link_get(fd, 7, &link, NULL) == 0) {
		must(link.ifindex == 7);
		must_be_link(&link);
	}
}

static void try_addrs(int fd)
{
	struct link_addrs addrs = {0};

	if (link_dump_addrs(fd, 0, 16, &addrs, NULL) < 0)
		return;
	must(addrs.count <= 16);
	for (size_t i = 0; i < addrs.count; i++)
		must(addrs.items[i].length <= (addrs.items[i].addr.family == ADDR_V4 ? 32 : 128));
	array_free(&addrs);
}

static void try_routes(int fd)
{
	struct link_routes routes = {0};

	if (link_dump_routes(fd, &routes, NULL) < 0)
		return;
	for (size_t i = 0; i < routes.count; i++)
		must(routes.items[i].prefix.length <= (routes.items[i].prefix.addr.family == ADDR_V4 ? 32 : 128));
	array_free(&routes);
}

static void take_socket(void *arg, const struct port_socket *socket)
{
	(void)arg;
	must(socket->remote_port != 0);
	must(socket->own.family == ADDR_V4 || socket->own.family == ADDR_V6);
}

static void try_sockets(int fd, int kernel, const uint8_t *data, size_t size)
{
	static struct socket_walk walk;
	struct addr own = {.family = ADDR_V4, .bytes = {10, 0, 0, 2}};
	struct port port = {.addresses = {.items = &own, .count = 1}};

	walk = (struct socket_walk){
		.port = &port, .protocol = IPPROTO_TCP, .fn = take_socket, .collect_listening = true};
	if (walk_family(&walk, fd, AF_INET, NULL) < 0)
		return;
	walk.collect_listening = false;
	answers_send(kernel, data, size, sequence_next());
	(void)walk_family(&walk, fd, AF_INET, NULL);
	must(walk.count <= PORT_SOCKETS_MAX);
}

/* The number of a namespace stands beside a datagram; here the message's sender does as well. */
static bool note_numbered(struct events *events, const struct nlmsghdr *message, int32_t nsid, int64_t now_ms)
{
	must(nsid == -1);
	return note_other(events, message, (int32_t)message->nlmsg_pid, now_ms);
}

static void try_events(int fd, note_fn note)
{
	struct events events = {.own_fd = fd, .other_fd = fd, .buffer = malloc(NETLINK_BUFFER_SIZE)};
	bool overrun = false;
	json_t *status;

	must(events.buffer);
	(void)events_read(&events, fd, note, &overrun);
	must(!overrun && events.gone.count <= EVENT_GONE_MAX && events.numbers_gone.count <= EVENT_GONE_MAX);
	must(events.budgets.count <= EVENT_NAMESPACES_MAX);
	for (size_t i = 0; i < events.gone.count; i++)
		must(events_gone(&events, events.gone.items[i]));
	status = events_status(&events, monotonic_ms());
	must(status);
	json_decref(status);
	events_forget(&events);
	must(events.gone.count == 0);
	array_free(&events.gone);
	array_free(&events.numbers_gone);
	array_free(&events.budgets);
	free(events.buffer);
}

static void ask(enum question question, int fd, int kernel, const uint8_t *data, size_t size)
{
	int32_t nsid;

	switch (question) {
	case ASK_LINKS:
		try_links(fd);
		break;
	case ASK_LINK:
		try_link(fd);
		break;
	case ASK_ADDRS:
		try_addrs(fd);
		break;
	case ASK_ROUTES:
		try_routes(fd);
		break;
	case ASK_NSID:
		must(netlink_nsid(fd, 3, &nsid, NULL) < 0 || nsid != NETNSA_NSID_NOT_ASSIGNED);
		break;
	case ASK_SOCKETS:
		try_sockets(fd, kernel, data, size);
		break;
	case HEAR_OWN:
		try_events(fd, note_own);
		break;
	case HEAR_OTHERS:
		try_events(fd, note_numbered);
		break;
	case QUESTION_COUNT:
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int pair[2];

	if (size < 1)
		return 0;
	must(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
	answers_send(pair[1], data + 1, size - 1, sequence_next());
	ask((enum question)(data[0] % QUESTION_COUNT), pair[0], pair[1], data + 1, size - 1);
	close(pair[0]);
	close(pair[1]);
	return 0;
}
