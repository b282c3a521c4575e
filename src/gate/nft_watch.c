/* SPDX-License-Identifier: GPL-2.0-only */
#include "gate/nft_watch.h"

#include "gate/nft_calls.h"

#include <errno.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/message.h"

#define READ_BUFFER 65536u
/* The ruleset's events come as fast as somebody loads one: a big ruleset fits. */
#define EVENTS_RECEIVE_BUFFER (2 << 20)
#define LOG_RECEIVE_BUFFER    (512 << 10)
/* Messages read before others have their turn: a flood of reports must not hold the daemon. */
#define READS_PER_TURN 64
/* Nothing tells of a sysctl that changes. */
#define CALLS_LOOK_MS 500

struct nft_watch {
	struct nft_gate *nft;
	struct gate_callbacks callbacks;
	struct mnl_socket *events, *log;
	struct loop_source *events_source, *log_source, *calls_source;
	uint8_t *buffer;
	/* Of a transaction that is being told, until its end names who made it. */
	char what[160];
	unsigned int changes;
	uint64_t lost;	       /* reports */
	bool told;	       /* that bridge netfilter is off, and … */
	unsigned int switched; /* … how often it had been switched on by then */
};

void nft_watch_free(struct nft_watch *watch)
{
	if (!watch)
		return;
	loop_remove(watch->events_source);
	loop_remove(watch->log_source);
	loop_remove(watch->calls_source);
	if (watch->events)
		mnl_socket_close(watch->events);
	if (watch->log)
		mnl_socket_close(watch->log);
	free(watch->buffer);
	free(watch);
}

uint64_t nft_watch_lost(const struct nft_watch *watch)
{
	return watch ? watch->lost : 0;
}

/* ---- Changes of the ruleset ---- */

static const char *change_name(uint16_t type)
{
	switch (type) {
	case NFT_MSG_NEWTABLE:
		return "table changed";
	case NFT_MSG_DELTABLE:
		return "table removed";
	case NFT_MSG_NEWCHAIN:
		return "chain added";
	case NFT_MSG_DELCHAIN:
		return "chain removed";
	case NFT_MSG_NEWRULE:
		return "rule added";
	case NFT_MSG_DELRULE:
		return "rule removed";
	case NFT_MSG_NEWSET:
		return "set added";
	case NFT_MSG_DELSET:
		return "set removed";
	case NFT_MSG_NEWSETELEM:
		return "element added";
	case NFT_MSG_DELSETELEM:
		return "element removed";
	case NFT_MSG_NEWOBJ:
		return "counter added";
	case NFT_MSG_DELOBJ:
		return "counter removed";
	}
	return "changed";
}

static bool is_our_table(const struct nlmsghdr *message)
{
	const struct nfgenmsg *header = mnl_nlmsg_get_payload(message);
	const struct nlattr *attr;
	bool family = false;

	for (size_t i = 0; i < NFT_TABLE_COUNT; i++)
		family = family || header->nfgen_family == nft_table_family[i];
	/* The table's name is attribute 1 of all of these messages. */
	mnl_attr_for_each(attr, message, sizeof(*header))
	{
		if (mnl_attr_get_type(attr) == NFTA_TABLE_NAME && mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0)
			return family && strcmp(mnl_attr_get_str(attr), NFT_GATE_TABLE) == 0;
	}
	return false;
}

/* The end of a transaction, with the process that made it. */
static void transaction_end(struct nft_watch *watch, const struct nlmsghdr *message)
{
	char who[80] = "", name[64] = "a process", what[sizeof(watch->what) + 48];
	const struct nlattr *attr;
	uint32_t pid = 0;

	mnl_attr_for_each(attr, message, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(attr) == NFTA_GEN_PROC_PID && mnl_attr_validate(attr, MNL_TYPE_U32) >= 0)
			pid = ntohl(mnl_attr_get_u32(attr));
		else if (mnl_attr_get_type(attr) == NFTA_GEN_PROC_NAME &&
			 mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0)
			text_escape(name, sizeof(name), mnl_attr_get_str(attr)); /* a process names itself */
	}
	snprintf(who, sizeof(who), "%.60s (process %u)", name, pid);
	if (watch->changes > 1)
		snprintf(what, sizeof(what), "%s, and %u more", watch->what, watch->changes - 1);
	else
		snprintf(what, sizeof(what), "%s", watch->what);
	watch->changes = 0;
	if (watch->callbacks.on_drift)
		watch->callbacks.on_drift(watch->callbacks.arg, what, who);
}

static void event_read(struct nft_watch *watch, const struct nlmsghdr *message)
{
	const struct nfgenmsg *header = mnl_nlmsg_get_payload(message);
	uint16_t type = NFNL_MSG_TYPE(message->nlmsg_type);

	if (NFNL_SUBSYS_ID(message->nlmsg_type) != NFNL_SUBSYS_NFTABLES ||
	    mnl_nlmsg_get_payload_len(message) < sizeof(*header))
		return;
	/* Messages carry the netlink port of who asked: our own are no news. */
	if (message->nlmsg_pid == watch->nft->link.portid)
		return;
	if (type == NFT_MSG_NEWGEN) {
		if (watch->changes)
			transaction_end(watch, message);
		return;
	}
	if (!is_our_table(message))
		return;
	/* The first change is named, or the weightiest: with a table goes all that is in it. */
	if (watch->changes++ == 0 || type == NFT_MSG_DELTABLE)
		snprintf(watch->what, sizeof(watch->what), "%s " NFT_GATE_TABLE ": %s",
			 nft_family_name(header->nfgen_family), change_name(type));
}

static void events_overrun(struct nft_watch *watch)
{
	struct text drift = {0};

	watch->changes = 0;
	/* Our own big transactions overrun the socket too: if the ruleset is as we left it, nothing was missed. */
	if (nft_gate_check(watch->nft, &drift) != 0 && watch->callbacks.on_drift)
		watch->callbacks.on_drift(watch->callbacks.arg, "overrun: changes of the ruleset were missed",
					  "unknown");
	text_free(&drift);
}

static void events_ready(struct loop *loop, int fd, uint32_t epoll_events, void *arg)
{
	struct nft_watch *watch = arg;

	(void)loop;
	(void)epoll_events;
	for (int i = 0; i < READS_PER_TURN; i++) {
		ssize_t size = message_receive(fd, watch->buffer, READ_BUFFER);
		const struct nlmsghdr *message = (const struct nlmsghdr *)watch->buffer;
		int left = (int)size;

		if (size < 0 && errno == ENOBUFS)
			events_overrun(watch);
		if (size < 0 && errno != EINTR && errno != ENOBUFS)
			return;
		for (; size > 0 && message_ok(message, left); message = message_next(message, &left))
			event_read(watch, message);
	}
}

static struct mnl_socket *socket_make(int receive_buffer)
{
	struct mnl_socket *made = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC | SOCK_NONBLOCK);
	int fd;

	if (!made)
		return NULL;
	fd = mnl_socket_get_fd(made);
	if (mnl_socket_bind(made, 0, MNL_SOCKET_AUTOPID) < 0) {
		mnl_socket_close(made);
		return NULL;
	}
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &receive_buffer, sizeof(receive_buffer)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(receive_buffer));
	return made;
}

static int events_open(struct nft_watch *watch, struct loop *loop, struct error *error)
{
	int group = NFNLGRP_NFTABLES, rc;

	watch->events = socket_make(EVENTS_RECEIVE_BUFFER);
	if (!watch->events || mnl_socket_setsockopt(watch->events, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0)
		return error_set(error, -errno, "nftables: watching the ruleset: %s", strerror(errno));
	rc = loop_add_fd(loop, mnl_socket_get_fd(watch->events), EPOLLIN, events_ready, watch, &watch->events_source);
	return rc < 0 ? error_set(error, rc, "nftables: watching the ruleset: %s", strerror(-rc)) : 0;
}

/* ---- Reports ---- */

static void log_ready(struct loop *loop, int fd, uint32_t epoll_events, void *arg)
{
	struct nft_watch *watch = arg;
	struct nft_report_ports ports = {watch->nft->ports.items, watch->nft->ports.count};

	(void)loop;
	(void)epoll_events;
	for (int i = 0; i < READS_PER_TURN; i++) {
		ssize_t size = message_receive(fd, watch->buffer, READ_BUFFER);
		const struct nlmsghdr *message = (const struct nlmsghdr *)watch->buffer;
		int left = (int)size;

		if (size < 0 && errno == ENOBUFS)
			watch->lost++;
		if (size < 0 && errno != EINTR && errno != ENOBUFS)
			return;
		for (; size > 0 && message_ok(message, left); message = message_next(message, &left)) {
			struct bh_event event;

			if (message->nlmsg_type != (NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET) ||
			    !nft_report_parse(message, watch->nft->settings.shift, &ports, &event))
				continue;
			event.generation = watch->nft->generation;
			if (watch->callbacks.on_event)
				watch->callbacks.on_event(watch->callbacks.arg, &event);
		}
	}
}

/* Sends one configuration message for our group and waits for the kernel's answer, which is there at once. */
static int log_configure(struct nft_watch *watch, uint32_t seq, uint16_t attr, const void *data, size_t size)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(watch->buffer);
	struct nfgenmsg *header = mnl_nlmsg_put_extra_header(message, sizeof(*header));

	message->nlmsg_type = NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_CONFIG;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	message->nlmsg_seq = seq;
	header->nfgen_family = AF_UNSPEC;
	header->version = NFNETLINK_V0;
	header->res_id = htons(watch->nft->settings.log_group);
	mnl_attr_put(message, attr, size, data);
	if (mnl_socket_sendto(watch->log, message, message->nlmsg_len) < 0)
		return -errno;
	/* Reports may stand before the answer once the group is bound: they are the first of many, and not waited for.
	 */
	for (int i = 0; i < READS_PER_TURN; i++) {
		ssize_t got = message_receive(mnl_socket_get_fd(watch->log), watch->buffer, READ_BUFFER);
		const struct nlmsghdr *answer = (const struct nlmsghdr *)watch->buffer;
		int left = (int)got;

		if (got < 0)
			return -errno;
		for (; message_ok(answer, left); answer = message_next(answer, &left)) {
			if (answer->nlmsg_type == NLMSG_ERROR && answer->nlmsg_seq == seq)
				return message_error(answer);
		}
	}
	return -EPROTO;
}

static int log_open(struct nft_watch *watch, struct loop *loop, struct error *error)
{
	struct nfulnl_msg_config_cmd bind = {.command = NFULNL_CFG_CMD_BIND};
	struct nfulnl_msg_config_mode mode = {.copy_range = htonl(NFT_LOG_SNAPLEN), .copy_mode = NFULNL_COPY_PACKET};
	uint32_t threshold = htonl(1); /* at once: the kernel would wait for more, a second long */
	int rc;

	if (!watch->nft->settings.features.log)
		return 0;
	watch->log = socket_make(LOG_RECEIVE_BUFFER);
	if (!watch->log)
		return error_set(error, -errno, "netfilter's log: %s", strerror(errno));
	rc = log_configure(watch, 1, NFULA_CFG_CMD, &bind, sizeof(bind));
	if (rc == 0)
		rc = log_configure(watch, 2, NFULA_CFG_MODE, &mode, sizeof(mode));
	if (rc == 0)
		rc = log_configure(watch, 3, NFULA_CFG_QTHRESH, &threshold, sizeof(threshold));
	if (rc == 0)
		rc = loop_add_fd(loop, mnl_socket_get_fd(watch->log), EPOLLIN, log_ready, watch, &watch->log_source);
	if (rc < 0)
		return error_set(error, rc, "netfilter's log, group %u: %s", watch->nft->settings.log_group,
				 rc == -EPERM || rc == -EBUSY ? "another process reads it" : strerror(-rc));
	return 0;
}

/* ---- Bridge netfilter ---- */

static void calls_look(struct loop *loop, void *arg)
{
	struct nft_watch *watch = arg;
	struct text drift = {0};
	bool off = nft_calls_check(watch->nft, &drift) > 0;
	bool told = watch->told && watch->switched == watch->nft->switched;

	(void)loop;
	watch->told = off;
	watch->switched = watch->nft->switched;
	/* Once, where it can't be switched on; and each time that it is switched off after that. */
	if (off && !told && watch->callbacks.on_drift)
		watch->callbacks.on_drift(watch->callbacks.arg, text_string(&drift), "");
	text_free(&drift);
}

static int calls_open(struct nft_watch *watch, struct loop *loop, struct error *error)
{
	int rc;

	if (!watch->nft->settings.alone)
		return 0;
	rc = loop_add_timer(loop, calls_look, watch, &watch->calls_source);
	if (rc == 0)
		rc = loop_set_timer(watch->calls_source, CALLS_LOOK_MS, CALLS_LOOK_MS);
	return rc < 0 ? error_set(error, rc, "nftables: watching bridge netfilter: %s", strerror(-rc)) : 0;
}

int nft_gate_watch(struct nft_gate *nft, struct loop *loop, const struct gate_callbacks *callbacks, struct error *error)
{
	struct nft_watch *watch = calloc(1, sizeof(*watch));
	int rc = -ENOMEM;

	if (watch)
		watch->buffer = malloc(READ_BUFFER);
	if (!watch || !watch->buffer) {
		error_set(error, rc, "nftables: memory is short");
	} else {
		watch->nft = nft;
		watch->callbacks = *callbacks;
		rc = events_open(watch, loop, error);
		if (rc == 0)
			rc = log_open(watch, loop, error);
		if (rc == 0)
			rc = calls_open(watch, loop, error);
	}
	if (rc < 0) {
		nft_watch_free(watch);
		return rc;
	}
	nft_watch_free(nft->watch);
	nft->watch = watch;
	return 0;
}
