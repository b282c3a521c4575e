/* SPDX-License-Identifier: GPL-2.0-only */
/* The sockets that are open in a port's namespace: asked for once, when a port that was there before us is adopted, so
 * that its flows are known before its door closes. */
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "netlink.h"
#include "watch.h"

/* UDP sockets are TCP_ESTABLISHED when they are connected, TCP_CLOSE otherwise. */
#define STATE(state) (1u << (state))
#define STATES_OPEN                                                                                   \
	(STATE(TCP_ESTABLISHED) | STATE(TCP_SYN_SENT) | STATE(TCP_FIN_WAIT1) | STATE(TCP_FIN_WAIT2) | \
	 STATE(TCP_CLOSE_WAIT) | STATE(TCP_LAST_ACK) | STATE(TCP_CLOSING))

struct socket_walk {
	const struct port *port;
	uint8_t protocol;
	uint8_t listening[65536 / 8]; /* own ports that wait for others, of this protocol */
	bool collect_listening;
	size_t count;
	bool full;
	void (*fn)(void *arg, const struct port_socket *socket);
	void *arg;
};

static struct addr socket_addr(uint8_t family, const uint32_t words[4])
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	if (family == AF_INET)
		return addr_from_bytes(ADDR_V4, words);
	/* An IPv6 socket that talks IPv4 (RFC 4291, 2.5.5.2). */
	if (memcmp(words, mapped, sizeof(mapped)) == 0)
		return addr_from_bytes(ADDR_V4, &words[3]);
	return addr_from_bytes(ADDR_V6, words);
}

static void walk_socket(struct socket_walk *walk, const struct inet_diag_msg *message)
{
	uint16_t own_port = ntohs(message->id.idiag_sport);
	struct port_socket socket = {
		.protocol = walk->protocol,
		.own = socket_addr(message->idiag_family, message->id.idiag_src),
		.remote = socket_addr(message->idiag_family, message->id.idiag_dst),
		.own_port = own_port,
		.remote_port = ntohs(message->id.idiag_dport),
	};

	if (socket.remote_port == 0 || !port_addrs_hold(&walk->port->addresses, &socket.own))
		return;
	if (walk->count >= PORT_SOCKETS_MAX) {
		walk->full = true;
		return;
	}
	walk->count++;
	socket.inbound = walk->listening[own_port / 8] & 1u << own_port % 8;
	walk->fn(walk->arg, &socket);
}

static int walk_note(const struct nlmsghdr *header, void *arg)
{
	const struct inet_diag_msg *message = mnl_nlmsg_get_payload(header);
	struct socket_walk *walk = arg;
	uint16_t own_port;

	if (header->nlmsg_type != SOCK_DIAG_BY_FAMILY || mnl_nlmsg_get_payload_len(header) < sizeof(*message))
		return 0;
	own_port = ntohs(message->id.idiag_sport);
	if (walk->collect_listening)
		walk->listening[own_port / 8] |= (uint8_t)(1u << own_port % 8);
	else
		walk_socket(walk, message);
	return 0;
}

static int walk_family(struct socket_walk *walk, int fd, uint8_t family, struct error *error)
{
	struct netlink_request request;
	struct inet_diag_req_v2 *body =
		netlink_begin(&request, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, sizeof(struct inet_diag_req_v2));

	body->sdiag_family = family;
	body->sdiag_protocol = walk->protocol;
	if (walk->collect_listening)
		body->idiag_states = STATE(walk->protocol == IPPROTO_TCP ? TCP_LISTEN : TCP_CLOSE);
	else
		body->idiag_states = STATES_OPEN;
	int r = netlink_ask(fd, &request, walk_note, walk, error);
	/* A socket table that changes while it is listed is the usual thing, and what is new is not to be kept. */
	return r == -EAGAIN ? 0 : r;
}

static int walk_protocol(struct socket_walk *walk, int fd, uint8_t protocol, struct error *error)
{
	static const uint8_t families[] = {AF_INET, AF_INET6};

	walk->protocol = protocol;
	memset(walk->listening, 0, sizeof(walk->listening));
	for (int pass = 0; pass < 2; pass++) {
		walk->collect_listening = pass == 0;
		for (size_t i = 0; i < sizeof(families); i++) {
			int r = walk_family(walk, fd, families[i], error);

			if (r < 0)
				return r;
		}
	}
	return 0;
}

/* The namespace of a port is found anew, and must be the one that was adopted. */
static int port_namespace(struct port_watch *watch, const struct port *port, int *ret_fd, struct error *error)
{
	struct namespace namespace = {0};
	AUTO_CLOSE int fd = -1;
	int32_t nsid = -1;
	int r;

	for (size_t i = 0; i < watch->entries.count; i++) {
		if (watch->entries.items[i]->key == port->key)
			nsid = watch->entries.items[i]->link.nsid;
	}
	if (nsid < 0)
		return error_set(error, -ENODEV, "port %u has gone", port->ifindex);
	r = watch_namespace(watch, nsid, &namespace, &fd);
	if (r == 0 && namespace.cookie != port->cookie)
		r = -ESTALE;
	namespace_free(&namespace);
	if (r < 0)
		return error_set(error, r, "the namespace of port %u can't be found: %s", port->ifindex, strerror(-r));
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int port_sockets(struct port_watch *watch, const struct port *port,
		 void (*fn)(void *arg, const struct port_socket *socket), void *arg, struct error *error)
{
	AUTO_FREE struct socket_walk *walk = calloc(1, sizeof(*walk));
	AUTO_CLOSE int ns_fd = -1;
	AUTO_CLOSE int fd = -1;
	int r;

	if (!walk)
		return error_set(error, -ENOMEM, "out of memory");
	walk->port = port;
	walk->fn = fn;
	walk->arg = arg;
	r = port_namespace(watch, port, &ns_fd, error);
	if (r < 0)
		return r;
	r = namespace_netlink(ns_fd, NETLINK_SOCK_DIAG, &fd);
	if (r < 0)
		return error_set(error, r, "cannot enter the namespace of port %u: %s", port->ifindex, strerror(-r));
	r = walk_protocol(walk, fd, IPPROTO_TCP, error);
	if (r == 0)
		r = walk_protocol(walk, fd, IPPROTO_UDP, error);
	if (r == 0 && walk->full)
		r = error_set(error, -E2BIG, "port %u has more than %u open sockets: the rest is left out",
			      port->ifindex, PORT_SOCKETS_MAX);
	return r < 0 ? error_wrap(error, r, "cannot list sockets") : 0;
}
