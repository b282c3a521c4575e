/* SPDX-License-Identifier: GPL-2.0-only */
#include "gate/nft_batch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/message.h"

/* Errors of a whole batch come at once; this many bytes of them are kept. */
#define RECEIVE_BUFFER (4 << 20)

const char *nft_family_name(uint8_t family)
{
	switch (family) {
	case NFPROTO_INET:
		return "inet";
	case NFPROTO_IPV4:
		return "ip";
	case NFPROTO_IPV6:
		return "ip6";
	case NFPROTO_ARP:
		return "arp";
	case NFPROTO_BRIDGE:
		return "bridge";
	case NFPROTO_NETDEV:
		return "netdev";
	}
	return "?";
}

static void buffer_force(int fd, int force, int plain, int size)
{
	/* Without CAP_NET_ADMIN over the initial namespace the plain limit is what can be had. */
	if (setsockopt(fd, SOL_SOCKET, force, &size, sizeof(size)) < 0)
		setsockopt(fd, SOL_SOCKET, plain, &size, sizeof(size));
}

static void link_begin(struct nft_link *link)
{
	int one = 1;

	link->portid = mnl_socket_get_portid(link->socket);
	/* Both are old (4.3, 4.12); without them errors are shorter, no more. */
	mnl_socket_setsockopt(link->socket, NETLINK_CAP_ACK, &one, sizeof(one));
	mnl_socket_setsockopt(link->socket, NETLINK_EXT_ACK, &one, sizeof(one));
	buffer_force(mnl_socket_get_fd(link->socket), SO_RCVBUFFORCE, SO_RCVBUF, RECEIVE_BUFFER);
	link->seq = 1;
}

int nft_link_take_over(struct nft_link *link, int fd, struct error *error)
{
	char rest[4096];

	*link = (struct nft_link){0};
	/* Answers that the one before did not live to read. */
	while (recv(fd, rest, sizeof(rest), MSG_DONTWAIT | MSG_TRUNC) >= 0 || errno == ENOBUFS)
		;
	link->socket = mnl_socket_fdopen(fd);
	if (!link->socket) {
		int code = error_set(error, -errno, "netfilter's netlink socket: %s", strerror(errno));

		close(fd);
		return code;
	}
	link_begin(link);
	return 0;
}

int nft_link_open(struct nft_link *link, struct error *error)
{
	*link = (struct nft_link){0};
	link->socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	if (!link->socket)
		return error_set(error, -errno, "netfilter's netlink socket: %s", strerror(errno));
	if (mnl_socket_bind(link->socket, 0, MNL_SOCKET_AUTOPID) < 0) {
		int code = error_set(error, -errno, "netfilter's netlink socket: %s", strerror(errno));

		nft_link_close(link);
		return code;
	}
	link_begin(link);
	return 0;
}

void nft_link_close(struct nft_link *link)
{
	if (link->socket)
		mnl_socket_close(link->socket);
	link->socket = NULL;
}

static struct nlmsghdr *message_start(void *buffer, uint16_t type, uint8_t family, uint16_t flags, uint32_t seq)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct nfgenmsg *header = mnl_nlmsg_put_extra_header(message, sizeof(*header));

	message->nlmsg_type = type;
	message->nlmsg_flags = NLM_F_REQUEST | flags;
	message->nlmsg_seq = seq;
	header->nfgen_family = family;
	header->version = NFNETLINK_V0;
	return message;
}

struct nlmsghdr *nft_query_begin(void *buffer, uint16_t type, uint8_t family, uint16_t flags)
{
	if (!(flags & NLM_F_DUMP))
		flags |= NLM_F_ACK;
	return message_start(buffer, NFNL_SUBSYS_NFTABLES << 8 | type, family, flags, 0);
}

/* 1: more to come, 0: that was all, -errno. */
static int answers_read(const uint8_t *data, ssize_t size, uint32_t seq, nft_answer_fn fn, void *arg)
{
	const struct nlmsghdr *answer = (const struct nlmsghdr *)data;
	int left = (int)size;

	for (; message_ok(answer, left); answer = message_next(answer, &left)) {
		int rc;

		if (answer->nlmsg_seq != seq)
			continue;
		if (answer->nlmsg_flags & NLM_F_DUMP_INTR)
			return -EINTR;
		if (answer->nlmsg_type == NLMSG_DONE)
			return 0;
		if (answer->nlmsg_type == NLMSG_ERROR)
			return message_error(answer);
		rc = fn(arg, answer);
		if (rc < 0)
			return rc;
	}
	return 1;
}

/* An answer that stopped half-way must not be taken for the next question's. */
static void answers_drop(struct nft_link *link)
{
	uint8_t byte;

	while (recv(mnl_socket_get_fd(link->socket), &byte, sizeof(byte), MSG_DONTWAIT | MSG_TRUNC) >= 0 ||
	       errno == ENOBUFS || errno == EINTR)
		;
}

int nft_link_query(struct nft_link *link, struct nlmsghdr *question, nft_answer_fn fn, void *arg)
{
	uint8_t *buffer = malloc(NFT_MESSAGE_MAX);
	int rc = 1;

	if (!buffer)
		return -ENOMEM;
	question->nlmsg_seq = link->seq++;
	if (mnl_socket_sendto(link->socket, question, question->nlmsg_len) < 0)
		rc = -errno;
	while (rc == 1) {
		ssize_t size = mnl_socket_recvfrom(link->socket, buffer, NFT_MESSAGE_MAX);

		if (size >= 0)
			rc = answers_read(buffer, size, question->nlmsg_seq, fn, arg);
		else if (errno != EINTR)
			rc = -errno;
	}
	if (rc < 0)
		answers_drop(link);
	free(buffer);
	return rc;
}

static int generation_answer(void *arg, const struct nlmsghdr *answer)
{
	struct nlattr *attr;

	mnl_attr_for_each(attr, answer, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(attr) == NFTA_GEN_ID && mnl_attr_get_payload_len(attr) == sizeof(uint32_t))
			*(uint32_t *)arg = ntohl(mnl_attr_get_u32(attr));
	}
	return 0;
}

int nft_link_generation(struct nft_link *link, uint32_t *ret_generation)
{
	uint8_t buffer[64];
	uint32_t generation = 0;
	int rc;

	rc = nft_link_query(link, nft_query_begin(buffer, NFT_MSG_GETGEN, NFPROTO_UNSPEC, 0), generation_answer,
			    &generation);
	if (rc == 0)
		*ret_generation = generation;
	return rc;
}

/* ---- Batches ---- */

/* Room for one more message of the largest size; the buffer may move. */
static uint8_t *room(struct nft_batch *batch)
{
	size_t needed = batch->size + NFT_MESSAGE_MAX;

	if (!batch->failed && needed > batch->capacity) {
		size_t capacity = batch->capacity * 2 > needed ? batch->capacity * 2 : needed;
		uint8_t *data = realloc(batch->data, capacity);

		if (data) {
			batch->data = data;
			batch->capacity = capacity;
		} else {
			batch->failed = true;
		}
	}
	return batch->failed ? batch->scratch : batch->data + batch->size;
}

static void batch_mark(struct nft_batch *batch, uint16_t type)
{
	struct nlmsghdr *message = message_start(room(batch), type, AF_UNSPEC, 0, batch->link->seq++);
	struct nfgenmsg *header = mnl_nlmsg_get_payload(message);

	header->res_id = htons(NFNL_SUBSYS_NFTABLES);
	nft_batch_close(batch, message);
}

int nft_batch_begin(struct nft_batch *batch, struct nft_link *link)
{
	*batch = (struct nft_batch){.link = link};
	batch->scratch = malloc(NFT_MESSAGE_MAX);
	if (!batch->scratch)
		return -ENOMEM;
	batch->first_seq = link->seq;
	batch_mark(batch, NFNL_MSG_BATCH_BEGIN);
	return batch->failed ? -ENOMEM : 0;
}

void nft_batch_free(struct nft_batch *batch)
{
	free(batch->data);
	free(batch->scratch);
	array_free(&batch->commands);
	*batch = (struct nft_batch){0};
}

bool nft_batch_empty(const struct nft_batch *batch)
{
	return !batch->failed && batch->messages == 0;
}

void nft_batch_command(struct nft_batch *batch, const char *verb, const char *family, const char *name,
		       const char *origin)
{
	struct nft_command *command = array_append(&batch->commands);

	if (!command) {
		batch->failed = true;
		return;
	}
	*command = (struct nft_command){batch->link->seq, verb, family, name, origin};
}

struct nlmsghdr *nft_batch_message(struct nft_batch *batch, uint16_t type, uint8_t family, uint16_t flags)
{
	/* The kernel answers the first message after the commit: silence is never taken for success. */
	if (batch->messages++ == 0)
		flags |= NLM_F_ACK;
	return message_start(room(batch), NFNL_SUBSYS_NFTABLES << 8 | type, family, flags, batch->link->seq++);
}

void nft_batch_close(struct nft_batch *batch, const struct nlmsghdr *message)
{
	if (!batch->failed)
		batch->size += NLMSG_ALIGN(message->nlmsg_len);
}

static const struct nft_command *command_of(const struct nft_batch *batch, uint32_t seq)
{
	const struct nft_command *found = NULL;

	for (size_t i = 0; i < batch->commands.count && batch->commands.items[i].seq <= seq; i++)
		found = &batch->commands.items[i];
	return found;
}

/* The kernel's own words (NETLINK_EXT_ACK), or "". */
static const char *kernel_words(const struct nlmsghdr *answer)
{
	/* With NETLINK_CAP_ACK the request itself is not sent back. */
	size_t header = sizeof(struct nlmsgerr);
	const struct nlattr *attr;

	if (!(answer->nlmsg_flags & NLM_F_ACK_TLVS) || !(answer->nlmsg_flags & NLM_F_CAPPED))
		return "";
	mnl_attr_for_each(attr, answer, header)
	{
		if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG && mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0)
			return mnl_attr_get_str(attr);
	}
	return "";
}

static int batch_error(const struct nft_batch *batch, const struct nlmsghdr *answer, int code, struct error *error)
{
	const struct nft_command *command = command_of(batch, answer->nlmsg_seq);
	const char *words = kernel_words(answer);
	const char *reason =
		code == -EPERM ? "not permitted (not root, or another process owns the table)" : strerror(-code);

	if (!command)
		return error_set(error, code, "nftables: the transaction: %s%s%s", reason, *words ? ": " : "", words);
	return error_set(error, code, "nftables: %s%s%s %s %s: %s%s%s", command->origin ? command->origin : "",
			 command->origin ? ": " : "", command->verb, command->family, command->name, reason,
			 *words ? ": " : "", words);
}

struct outcome {
	bool acked;
	int code;
};

static void acks_read(const struct nft_batch *batch, const uint8_t *data, ssize_t size, struct outcome *outcome,
		      struct error *error)
{
	const struct nlmsghdr *answer = (const struct nlmsghdr *)data;
	int left = (int)size;

	for (; message_ok(answer, left); answer = message_next(answer, &left)) {
		int code;

		if (answer->nlmsg_type != NLMSG_ERROR || answer->nlmsg_seq < batch->first_seq)
			continue;
		code = message_error(answer);
		if (code == 0)
			outcome->acked = true;
		else if (outcome->code == 0) /* the first is the cause of those after it */
			outcome->code = batch_error(batch, answer, code, error);
	}
}

static int batch_send(struct nft_batch *batch, struct error *error)
{
	struct nft_link *link = batch->link;
	struct outcome outcome = {0};
	uint8_t *buffer = batch->scratch;

	if (batch->failed)
		return error_set(error, -ENOMEM, "nftables: memory is short");
	/* Netlink takes one message only if the whole fits. */
	buffer_force(mnl_socket_get_fd(link->socket), SO_SNDBUFFORCE, SO_SNDBUF, (int)batch->size + NFT_MESSAGE_MAX);
	if (mnl_socket_sendto(link->socket, batch->data, batch->size) < 0)
		return error_set(error, -errno, "nftables: sending the transaction: %s", strerror(errno));
	/* The kernel has done all when sendto returns: what it has to say is there. */
	for (;;) {
		ssize_t size = message_receive(mnl_socket_get_fd(link->socket), buffer, NFT_MESSAGE_MAX);

		if (size >= 0)
			acks_read(batch, buffer, size, &outcome, error);
		else if (errno == EAGAIN)
			break;
		else if (errno != EINTR)
			return error_set(error, -ENOBUFS, "nftables: the answer was lost: %s", strerror(errno));
	}
	if (outcome.code)
		return outcome.code;
	return outcome.acked ? 0 : error_set(error, -ENOBUFS, "nftables: the kernel did not answer");
}

int nft_batch_commit(struct nft_batch *batch, struct error *error)
{
	if (nft_batch_empty(batch))
		return 0;
	batch_mark(batch, NFNL_MSG_BATCH_END);
	return batch_send(batch, error);
}

int nft_batch_try(struct nft_batch *batch, struct error *error)
{
	/* Without an end mark the kernel validates and aborts (nfnetlink_rcv_batch). */
	return nft_batch_empty(batch) ? 0 : batch_send(batch, error);
}
