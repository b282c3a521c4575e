/* SPDX-License-Identifier: GPL-2.0-only */
/* Netlink datagrams: lengths that lie, errors that are cut short, and who has sent one. */
#include <errno.h>
#include <linux/netlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/message.h"

static void test_lengths(void **state)
{
	struct nlmsghdr messages[2] = {{.nlmsg_len = sizeof(messages[0])}, {.nlmsg_len = sizeof(messages[1])}};
	int left = sizeof(messages);
	const struct nlmsghdr *message = messages;

	(void)state;
	assert_true(message_ok(message, left));
	message = message_next(message, &left);
	assert_ptr_equal(message, &messages[1]);
	assert_true(message_ok(message, left));
	(void)message_next(message, &left);
	assert_false(message_ok(message, left));
	assert_false(message_ok(messages, sizeof(messages[0]) - 1));
	assert_false(message_ok(messages, -1));
	messages[0].nlmsg_len = sizeof(messages[0]) - 1;
	assert_false(message_ok(messages, sizeof(messages)));
	messages[0].nlmsg_len = sizeof(messages) + 1;
	assert_false(message_ok(messages, sizeof(messages)));
	messages[0].nlmsg_len = 0x80000010u; /* which libmnl takes for less than nothing */
	assert_false(message_ok(messages, sizeof(messages)));
	messages[0].nlmsg_len = UINT32_MAX;
	assert_false(message_ok(messages, sizeof(messages)));
}

static void test_errors(void **state)
{
	struct {
		struct nlmsghdr header;
		struct nlmsgerr body;
	} answer = {.header = {.nlmsg_len = sizeof(answer), .nlmsg_type = NLMSG_ERROR}};

	(void)state;
	assert_int_equal(message_error(&answer.header), 0);
	answer.body.error = -ENOENT;
	assert_int_equal(message_error(&answer.header), -ENOENT);
	answer.body.error = 5;
	assert_int_equal(message_error(&answer.header), -EBADMSG);
	answer.body.error = INT32_MIN; /* which has no opposite */
	assert_int_equal(message_error(&answer.header), -EBADMSG);
	answer.body.error = 0;
	answer.header.nlmsg_len = sizeof(answer.header) + sizeof(answer.body.error);
	assert_int_equal(message_error(&answer.header), -EBADMSG);
}

/* Another process's word is none: the protocol for processes stands for those of which only root may send. */
static void test_sender(void **state)
{
	struct sockaddr_nl address = {.nl_family = AF_NETLINK};
	socklen_t size = sizeof(address);
	struct nlmsghdr message = {.nlmsg_len = sizeof(message)};
	char buffer[64];
	int pair[2], ours, theirs;

	(void)state;
	ours = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_USERSOCK);
	theirs = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_USERSOCK);
	assert_true(ours >= 0 && theirs >= 0);
	assert_int_equal(bind(ours, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(message_receive(ours, buffer, sizeof(buffer)), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(getsockname(ours, (struct sockaddr *)&address, &size), 0);
	assert_int_equal(sendto(theirs, &message, sizeof(message), 0, (struct sockaddr *)&address, size),
			 sizeof(message));
	assert_int_equal(message_receive(ours, buffer, sizeof(buffer)), 0);
	close(ours);
	close(theirs);
	/* What has no sender's number comes as it is. */
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(send(pair[1], &message, sizeof(message), 0), sizeof(message));
	assert_int_equal(message_receive(pair[0], buffer, sizeof(buffer)), sizeof(message));
	close(pair[0]);
	close(pair[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_sender),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
