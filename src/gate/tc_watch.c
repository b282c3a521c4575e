/* SPDX-License-Identifier: GPL-2.0-only */
/* What the kernel tells by itself: the programs' events, filters that others remove, pins that go; and, since it does
 * not tell of links that somebody detaches, a look at some of these many times a second. */
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <netlink/socket.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/file.h"
#include "gate/tc_private.h"

#define EVENTS_A_TURN 256u /* handed out before the loop looks at its other sources: a flood must not starve them */
/* A look at a port takes a microsecond: a thousandth of a processor when there are so many ports that each turn is full
 * (with 200 it takes five turns to see all), and less with fewer. */
#define LINES_PERIOD_MS 40
#define LINES_A_TURN	40u
/* Each look takes the kernel's lock of interfaces. While containers are being started, others hold it for milliseconds:
 * a turn ends then, and the next one waits so many times as long as it took. */
#define LINES_TURN_NS	  2000000u
#define LINES_REST_TIMES  10
#define LINES_REST_MAX_MS 200
#define PINS_PERIOD_MS	  1000

static int event_take(void *arg, void *data, size_t size)
{
	struct tc_gate *tc = arg;
	struct bh_event event;

	if (size < sizeof(event))
		return 0;
	memcpy(&event, data, sizeof(event));
	if (tc->watch.callbacks.on_event)
		tc->watch.callbacks.on_event(tc->watch.callbacks.arg, &event);
	/* This one is consumed; the rest stays, and wakes the loop again. */
	return --tc->watch.budget == 0 ? -EAGAIN : 0;
}

static void events_read(struct loop *loop, int fd, uint32_t epoll_events, void *arg)
{
	struct tc_gate *tc = arg;

	(void)loop;
	(void)fd;
	(void)epoll_events;
	tc->watch.budget = EVENTS_A_TURN;
	ring_buffer__consume(tc->watch.ring);
}

/* Only what differs from what was applied is drift: our own changes are told of, too. `check`: at everything, or at
 * what was told of. */
static void drift_look(struct tc_gate *tc, int (*check)(struct tc_gate *tc, struct text *drift), const char *who)
{
	struct text drift = {0};

	if (check(tc, &drift) > 0 && tc->watch.callbacks.on_drift)
		tc->watch.callbacks.on_drift(tc->watch.callbacks.arg, text_string(&drift), who);
	text_free(&drift);
}

/* Pins that come and go with ports, by our own hand: a look at everything for each would be felt. */
static bool pin_is_passing(const struct tc_gate *tc, const struct inotify_event *event)
{
	uint32_t ifindex;

	if (!(event->mask & (IN_DELETE | IN_MOVED_FROM)) || event->len == 0)
		return false;
	if (strncmp(event->name, TC_PIN_NEW, strlen(TC_PIN_NEW)) == 0)
		return true;
	return (sscanf(event->name, "link_%u_", &ifindex) == 1 ||
		sscanf(event->name, TC_MARK_CLSACT "%u", &ifindex) == 1) &&
	       !tc_port_find(tc, ifindex);
}

/* 1: it is another directory than the one that was watched. 0 or -errno. */
static int pins_watch_directory(struct tc_gate *tc)
{
	int watched;
	bool other;

	if (!tc_on_bpffs(tc->pin_dir))
		return -ENOENT;
	watched = inotify_add_watch(tc->watch.pins, tc->pin_dir, IN_DELETE | IN_MOVED_FROM | IN_DELETE_SELF);
	if (watched < 0)
		return -errno;
	other = watched != tc->watch.pins_watched;
	tc->watch.pins_watched = watched;
	return other;
}

/* The directory may have gone with what was in it, or with its file system, of which nobody tells as long as somebody
 * holds that: the next one is watched as soon as there is one, and looked at, since it was not from its first moment.
 */
static void pins_look_again(struct loop *loop, void *arg)
{
	struct tc_gate *tc = arg;
	int result = pins_watch_directory(tc);

	(void)loop;
	/* Where there is none and that is known, an apply is tried again and again without us. */
	if (result > 0 || (result < 0) == tc->pins_whole)
		drift_look(tc, tc_gate_check, "");
}

static void pins_read(struct loop *loop, int fd, uint32_t epoll_events, void *arg)
{
	char buffer[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	bool look = false, gone = false;
	ssize_t size;

	(void)loop;
	(void)epoll_events;
	while ((size = read(fd, buffer, sizeof(buffer))) > 0) {
		const struct inotify_event *event;

		for (const char *at = buffer; at < buffer + size; at += sizeof(*event) + event->len) {
			event = (const struct inotify_event *)at;
			look |= !pin_is_passing(arg, event);
			gone |= (event->mask & IN_IGNORED) != 0;
		}
	}
	if (look)
		drift_look(arg, tc_gate_check, "");
	if (gone)
		pins_look_again(loop, arg);
}

/* The netlink port of the first socket of a process is its process number. */
static void process_name(uint32_t port, char *buffer, size_t size)
{
	char path[64], name[32] = "";
	AUTO_FCLOSE FILE *file = NULL;

	snprintf(path, sizeof(path), "/proc/%u/comm", port);
	file = port ? fopen(path, "re") : NULL;
	if (!file || !fgets(name, sizeof(name), file)) {
		snprintf(buffer, size, "netlink port %u", port);
		return;
	}
	name[strcspn(name, "\n")] = '\0';
	snprintf(buffer, size, "%s (pid %u)", name, port);
}

struct filter_news {
	struct tc_gate *tc;
	bool ours;    /* a filter of one of our ports has gone or changed: the port is `told` */
	uint32_t who; /* netlink port of who did it */
};

static int filter_told(struct nl_msg *message, void *arg)
{
	struct filter_news *news = arg;
	struct tc_port *port;
	const struct nlmsghdr *header = nlmsg_hdr(message);
	const struct tcmsg *tc = NLMSG_DATA(header);

	if (header->nlmsg_len < NLMSG_LENGTH(sizeof(*tc)))
		return NL_SKIP;
	switch (header->nlmsg_type) {
	case RTM_DELTFILTER:
	case RTM_DELQDISC:
	case RTM_NEWTFILTER:
		port = tc_port_find(news->tc, (uint32_t)tc->tcm_ifindex);
		if (port) {
			port->told = true;
			news->ours = true;
			news->who = header->nlmsg_pid;
		}
		break;
	default:
		break;
	}
	return NL_OK;
}

static void filters_read(struct loop *loop, int fd, uint32_t epoll_events, void *arg)
{
	struct tc_gate *tc = arg;
	struct filter_news news = {.tc = tc};
	char who[64] = "";
	int result;

	(void)loop;
	(void)fd;
	(void)epoll_events;
	nl_socket_modify_cb(tc->watch.filters, NL_CB_VALID, NL_CB_CUSTOM, filter_told, &news);
	do
		result = nl_recvmsgs_default(tc->watch.filters);
	while (result >= 0);
	/* An overrun: what was lost may have been about our filters. */
	if (news.who)
		process_name(news.who, who, sizeof(who));
	if (result == -NLE_NOMEM)
		drift_look(tc, tc_gate_check, who);
	else if (news.ours)
		drift_look(tc, tc_gate_check_told, who);
}

static int filters_watch(struct tc_gate *tc, struct loop *loop, struct error *error)
{
	struct nl_sock *socket = tc->watch.filters = nl_socket_alloc();
	int result;

	if (!socket)
		return error_set(error, -ENOMEM, "out of memory");
	nl_socket_disable_seq_check(socket);
	result = nl_connect(socket, NETLINK_ROUTE);
	if (result >= 0)
		result = nl_socket_add_memberships(socket, RTNLGRP_TC, 0);
	if (result >= 0)
		result = nl_socket_set_nonblocking(socket);
	if (result < 0)
		return error_set(error, -EIO, "cannot listen to changes of filters: %s", nl_geterror(result));
	return loop_add_fd(loop, nl_socket_get_fd(socket), EPOLLIN, filters_read, tc, &tc->watch.filter_source);
}

static int pins_watch(struct tc_gate *tc, struct loop *loop, struct error *error)
{
	int result;

	tc->watch.pins = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	result = tc->watch.pins < 0 ? -errno : pins_watch_directory(tc);
	if (result >= 0)
		result = loop_add_timer(loop, pins_look_again, tc, &tc->watch.pin_timer);
	if (result == 0)
		result = loop_set_timer(tc->watch.pin_timer, PINS_PERIOD_MS, PINS_PERIOD_MS);
	if (result < 0)
		return error_set(error, result, "cannot watch %s: %s", tc->pin_dir, strerror(-result));
	return loop_add_fd(loop, tc->watch.pins, EPOLLIN, pins_read, tc, &tc->watch.pin_source);
}

static bool port_leads(const struct tc_gate *tc, const struct tc_port *port)
{
	for (int direction = 0; direction < TC_DIRECTION_MAX; direction++)
		if (!tc_tcx_leads(tc, port, direction))
			return false;
	return true;
}

/* A detached link, or a program that was put ahead of ours: RTNLGRP_TC knows of filters only. */
static void lines_look(struct loop *loop, void *arg)
{
	struct tc_gate *tc = arg;
	struct tc_watch *watch = &tc->watch;
	uint64_t begin = tc_boot_ns(), end = begin + LINES_TURN_NS;
	size_t count = map_count(tc->ports), left = count < LINES_A_TURN ? count : LINES_A_TURN;
	int64_t rest_ms;
	bool lead = true;
	void *value;

	(void)loop;
	for (; left && lead && tc_boot_ns() < end; left--) {
		const struct tc_port *port;

		if (!map_next(tc->ports, &watch->line_cursor, NULL, NULL, &value)) {
			watch->line_cursor = 0;
			if (!map_next(tc->ports, &watch->line_cursor, NULL, NULL, &value))
				return;
		}
		port = value;
		lead = !port->attached || port_leads(tc, port);
	}
	rest_ms = (int64_t)(tc_boot_ns() - begin) * LINES_REST_TIMES / 1000000;
	if (rest_ms < LINES_PERIOD_MS)
		rest_ms = LINES_PERIOD_MS;
	loop_set_timer(watch->line_timer, rest_ms < LINES_REST_MAX_MS ? rest_ms : LINES_REST_MAX_MS, 0);
	if (!lead)
		drift_look(tc, tc_gate_check, "");
}

static int lines_watch(struct tc_gate *tc, struct loop *loop, struct error *error)
{
	int result;

	if (!tc->tcx)
		return 0;
	result = loop_add_timer(loop, lines_look, tc, &tc->watch.line_timer);
	if (result == 0)
		result = loop_set_timer(tc->watch.line_timer, LINES_PERIOD_MS, 0);
	return result < 0 ? error_set(error, result, "cannot make a timer: %s", strerror(-result)) : 0;
}

int tc_gate_watch(struct tc_gate *tc, struct loop *loop, const struct gate_callbacks *callbacks, struct error *error)
{
	int result;

	tc->watch.callbacks = *callbacks;
	tc->watch.ring = ring_buffer__new(tc->maps[TC_EVENTS], event_take, tc, NULL);
	if (!tc->watch.ring)
		return error_set(error, -errno, "cannot open the ring of events: %s", strerror(errno));
	result = loop_add_fd(loop, ring_buffer__epoll_fd(tc->watch.ring), EPOLLIN, events_read, tc,
			     &tc->watch.ring_source);
	if (result < 0)
		error_set(error, result, "cannot watch the ring of events: %s", strerror(-result));
	if (result == 0)
		result = filters_watch(tc, loop, error);
	if (result == 0)
		result = pins_watch(tc, loop, error);
	if (result == 0)
		result = lines_watch(tc, loop, error);
	if (result < 0)
		tc_watch_stop(tc);
	return result;
}

void tc_watch_stop(struct tc_gate *tc)
{
	struct tc_watch *watch = &tc->watch;

	loop_remove(watch->ring_source);
	loop_remove(watch->filter_source);
	loop_remove(watch->pin_source);
	loop_remove(watch->pin_timer);
	loop_remove(watch->line_timer);
	ring_buffer__free(watch->ring);
	if (watch->filters)
		nl_socket_free(watch->filters);
	if (watch->pins >= 0)
		close(watch->pins);
	memset(watch, 0, sizeof(*watch));
	watch->pins = -1;
}
