/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <linux/net_namespace.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/file.h"
#include "base/message.h"
#include "event.h"
#include "netlink.h"
#include "watch.h"

/* Datagrams that are read before the socket rests. */
#define EVENT_BATCH 1024
/* The socket of this namespace: a start of 200 containers makes some 4,000 events of up to 2 KiB. That of the others
 * is small: what does not fit into it is not worth reading. */
#define EVENT_OWN_BUFFER   (4 << 20)
#define EVENT_OTHER_BUFFER (256 << 10)
/* Removed links and numbers that are kept until the next scan; more count as an overrun. */
#define EVENT_GONE_MAX 4096u

struct events {
	struct loop *loop;
	void (*heard)(void *arg);
	void *arg;
	int own_fd, other_fd;
	struct loop_source *own, *other, *rest; /* `rest` wakes `other` */
	bool overrun, overrun_elsewhere;
	bool noise; /* the batch that is being read has events that count for nothing */
	uint64_t overruns, overruns_elsewhere;
	struct {
		ARRAY_OF(uint32_t);
	} gone;
	struct {
		ARRAY_OF(int32_t);
	} numbers_gone;
	struct event_budgets budgets;
	char *buffer; /* NETLINK_BUFFER_SIZE */
};

static struct event_budget *budget_of(struct event_budgets *budgets, int32_t nsid, int64_t now_ms)
{
	struct event_budget *budget;

	for (size_t i = 0; i < budgets->count; i++) {
		if (budgets->items[i].nsid == nsid)
			return &budgets->items[i];
	}
	if (budgets->count >= EVENT_NAMESPACES_MAX)
		return &budgets->items[budgets->count - 1];
	budget = array_append(budgets);
	if (budget)
		*budget = (struct event_budget){.nsid = nsid, .filled_ms = now_ms, .tokens = EVENT_BURST * 1000};
	return budget;
}

bool event_spend(struct event_budgets *budgets, int32_t nsid, int64_t now_ms)
{
	struct event_budget *budget = budget_of(budgets, nsid, now_ms);

	if (!budget)
		return true; /* out of memory: one look too many is better than one too few */
	budget->tokens += (now_ms - budget->filled_ms) * EVENT_RATE;
	if (budget->tokens > EVENT_BURST * 1000)
		budget->tokens = EVENT_BURST * 1000;
	budget->filled_ms = now_ms;
	if (budget->tokens >= 1000)
		budget->tokens -= 1000;
	else
		budget->frozen_ms = now_ms + EVENT_FREEZE_MS; /* anew with each event above the budget */
	if (budget->frozen_ms > now_ms) {
		budget->left_out++;
		return false;
	}
	budget->frozen_ms = 0;
	budget->left_out = 0;
	budget->heard = true;
	return true;
}

static void note_gone(struct events *events, uint32_t ifindex)
{
	uint32_t *slot = events->gone.count < EVENT_GONE_MAX ? array_append(&events->gone) : NULL;

	if (slot)
		*slot = ifindex;
	else
		events->overrun = true;
}

static void note_number_gone(struct events *events, const struct nlmsghdr *message)
{
	const struct nlattr *table[NETNSA_MAX + 1];
	int32_t *slot;

	if (netlink_attributes(message, sizeof(struct rtgenmsg), table, NETNSA_MAX) < 0 ||
	    !netlink_has(table[NETNSA_NSID], sizeof(int32_t))) {
		events->overrun = true;
		return;
	}
	slot = events->numbers_gone.count < EVENT_GONE_MAX ? array_append(&events->numbers_gone) : NULL;
	if (slot)
		*slot = (int32_t)mnl_attr_get_u32(table[NETNSA_NSID]);
	else
		events->overrun = true;
}

static bool note_own(struct events *events, const struct nlmsghdr *message, int32_t nsid, int64_t now_ms)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(message);

	(void)nsid;
	(void)now_ms;
	/* A bridge says by the same message that a link has left it. */
	if (message->nlmsg_type == RTM_DELLINK && mnl_nlmsg_get_payload_len(message) >= sizeof(*info) &&
	    info->ifi_family == AF_UNSPEC)
		note_gone(events, (uint32_t)info->ifi_index);
	else if (message->nlmsg_type == RTM_DELNSID)
		note_number_gone(events, message);
	return true;
}

static bool note_other(struct events *events, const struct nlmsghdr *message, int32_t nsid, int64_t now_ms)
{
	bool worth;

	(void)message;
	/* This socket hears our own namespace too, without a number: neither worth a look, nor noise. */
	if (nsid < 0)
		return false;
	worth = event_spend(&events->budgets, nsid, now_ms);
	events->noise |= !worth;
	return worth;
}

static int32_t message_nsid(struct msghdr *datagram)
{
	struct cmsghdr *control;
	int32_t nsid = -1;

	for (control = CMSG_FIRSTHDR(datagram); control; control = CMSG_NXTHDR(datagram, control)) {
		if (control->cmsg_level == SOL_NETLINK && control->cmsg_type == NETLINK_LISTEN_ALL_NSID &&
		    control->cmsg_len >= CMSG_LEN(sizeof(nsid)))
			memcpy(&nsid, CMSG_DATA(control), sizeof(nsid));
	}
	return nsid;
}

typedef bool (*note_fn)(struct events *events, const struct nlmsghdr *message, int32_t nsid, int64_t now_ms);

/* One datagram. 1: read, *ret_worth tells whether it is worth a look; 0: nothing there; -ENOBUFS: some are lost. */
static int events_receive(struct events *events, int fd, note_fn note, int64_t now_ms, bool *ret_worth)
{
	char control[CMSG_SPACE(sizeof(int32_t)) * 4];
	struct sockaddr_nl from = {0};
	struct iovec part = {.iov_base = events->buffer, .iov_len = NETLINK_BUFFER_SIZE};
	struct msghdr datagram = {.msg_name = &from,
				  .msg_namelen = sizeof(from),
				  .msg_iov = &part,
				  .msg_iovlen = 1,
				  .msg_control = control,
				  .msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(fd, &datagram, MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -ENOBUFS;
	if (from.nl_pid != 0)
		return 1;
	if (datagram.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
		return -ENOBUFS;
	const struct nlmsghdr *message = (const struct nlmsghdr *)events->buffer;
	int32_t nsid = message_nsid(&datagram);
	int length = (int)n;
	for (; message_ok(message, length); message = message_next(message, &length)) {
		if (note(events, message, nsid, now_ms))
			*ret_worth = true;
	}
	return 1;
}

/* True when there is something to look at. */
static bool events_read(struct events *events, int fd, note_fn note, bool *ret_overrun)
{
	int64_t now_ms = monotonic_ms();
	bool worth = false;

	for (int i = 0; i < EVENT_BATCH; i++) {
		int r = events_receive(events, fd, note, now_ms, &worth);

		if (r == 0)
			break;
		if (r < 0)
			*ret_overrun = true;
	}
	return worth || *ret_overrun;
}

/* Out of the loop until the next scan: a source without events would still wake us for an overrun. But it stays if
 * there is nothing to scan for: a scan in this very round of the loop may have read what we are woken for. */
static void own_ready(struct loop *loop, int fd, uint32_t epoll_events, void *arg)
{
	struct events *events = arg;
	bool overrun = false;

	(void)loop;
	(void)epoll_events;
	if (!events_read(events, fd, note_own, &overrun))
		return;
	events->overrun |= overrun;
	events->overruns += overrun;
	loop_remove(events->own);
	events->own = NULL;
	events->heard(events->arg);
}

static void other_ready(struct loop *loop, int fd, uint32_t epoll_events, void *arg)
{
	struct events *events = arg;
	bool overrun = false, worth;

	(void)loop;
	(void)epoll_events;
	events->noise = false;
	worth = events_read(events, fd, note_other, &overrun);
	loop_remove(events->other);
	events->other = NULL;
	events->overrun_elsewhere |= overrun;
	events->overruns_elsewhere += overrun;
	(void)loop_set_timer(events->rest, overrun || (events->noise && !worth) ? EVENT_NOISE_REST_MS : EVENT_REST_MS,
			     0);
	if (worth)
		events->heard(events->arg);
}

static void rest_over(struct loop *loop, void *arg)
{
	struct events *events = arg;

	(void)loop;
	if (loop_add_fd(events->loop, events->other_fd, EPOLLIN, other_ready, events, &events->other) < 0)
		(void)loop_set_timer(events->rest, EVENT_NOISE_REST_MS, 0);
}

int events_rearm(struct events *events)
{
	bool overrun = false;

	(void)events_read(events, events->own_fd, note_own, &overrun);
	events->overrun |= overrun;
	events->overruns += overrun;
	return events->own ? 0 : loop_add_fd(events->loop, events->own_fd, EPOLLIN, own_ready, events, &events->own);
}

static int events_socket(int buffer, bool others, int *ret_fd)
{
	static const int groups[] = {RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_NSID};
	AUTO_CLOSE int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	struct sockaddr_nl address = {.nl_family = AF_NETLINK};
	int one = 1;

	if (fd < 0)
		return -errno;
	/* FORCE needs CAP_NET_ADMIN in the first user namespace; what the other allows is the second best. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	if (others && setsockopt(fd, SOL_NETLINK, NETLINK_LISTEN_ALL_NSID, &one, sizeof(one)) < 0)
		return -errno;
	for (size_t i = 0; i < sizeof(groups) / sizeof(*groups); i++) {
		if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &groups[i], sizeof(*groups)) < 0)
			return -errno;
	}
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int events_open(struct events *events)
{
	int r = events_socket(EVENT_OWN_BUFFER, false, &events->own_fd);

	if (r == 0)
		r = events_socket(EVENT_OTHER_BUFFER, true, &events->other_fd);
	if (r == 0)
		r = loop_add_timer(events->loop, rest_over, events, &events->rest);
	if (r == 0)
		r = loop_add_fd(events->loop, events->own_fd, EPOLLIN, own_ready, events, &events->own);
	if (r == 0)
		r = loop_add_fd(events->loop, events->other_fd, EPOLLIN, other_ready, events, &events->other);
	return r;
}

int events_new(struct loop *loop, void (*heard)(void *arg), void *arg, struct events **ret_events)
{
	struct events *events = calloc(1, sizeof(*events));
	int r;

	if (!events)
		return -ENOMEM;
	*events = (struct events){.loop = loop, .heard = heard, .arg = arg, .own_fd = -1, .other_fd = -1};
	events->buffer = malloc(NETLINK_BUFFER_SIZE);
	r = events->buffer ? events_open(events) : -ENOMEM;
	if (r < 0) {
		events_free(events);
		return r;
	}
	*ret_events = events;
	return 0;
}

void events_free(struct events *events)
{
	if (!events)
		return;
	loop_remove(events->own);
	loop_remove(events->other);
	loop_remove(events->rest);
	cleanup_close(&events->own_fd);
	cleanup_close(&events->other_fd);
	array_free(&events->gone);
	array_free(&events->numbers_gone);
	array_free(&events->budgets);
	free(events->buffer);
	free(events);
}

bool events_overrun(const struct events *events)
{
	return events->overrun;
}

bool events_overrun_elsewhere(const struct events *events)
{
	return events->overrun_elsewhere;
}

bool events_gone(const struct events *events, uint32_t ifindex)
{
	for (size_t i = 0; i < events->gone.count; i++) {
		if (events->gone.items[i] == ifindex)
			return true;
	}
	return false;
}

bool events_number_gone(const struct events *events, int32_t nsid)
{
	for (size_t i = 0; i < events->numbers_gone.count; i++) {
		if (events->numbers_gone.items[i] == nsid)
			return true;
	}
	return false;
}

bool events_namespace(const struct events *events, int32_t nsid)
{
	for (size_t i = 0; i < events->budgets.count; i++) {
		/* The last one stands for all that there was no room for. */
		if (events->budgets.items[i].heard &&
		    (events->budgets.items[i].nsid == nsid || i == EVENT_NAMESPACES_MAX - 1))
			return true;
	}
	return false;
}

void events_forget(struct events *events)
{
	/* A number that was taken back begins with a new budget: it will be another's. */
	for (size_t i = 0; i < events->budgets.count;) {
		struct event_budget *budget = &events->budgets.items[i];

		budget->heard = false;
		if (events_number_gone(events, budget->nsid))
			*budget = events->budgets.items[--events->budgets.count];
		else
			i++;
	}
	events->overrun = events->overrun_elsewhere = false;
	events->gone.count = 0;
	events->numbers_gone.count = 0;
}

json_t *events_status(const struct events *events, int64_t now_ms)
{
	json_t *frozen = json_array();

	for (size_t i = 0; i < events->budgets.count; i++) {
		const struct event_budget *budget = &events->budgets.items[i];

		if (budget->frozen_ms > now_ms)
			json_array_append_new(frozen, json_pack("{s:i, s:I}", "nsid", budget->nsid, "left_out",
								(json_int_t)budget->left_out));
	}
	return json_pack("{s:I, s:I, s:o}", "overruns", (json_int_t)events->overruns, "overruns_elsewhere",
			 (json_int_t)events->overruns_elsewhere, "noisy", frozen);
}
