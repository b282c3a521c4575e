/* SPDX-License-Identifier: GPL-2.0-only */
#include "steward.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "file.h"

/* An order takes milliseconds. Beyond this, the two would no longer know which answer is to which order. */
#define ANSWER_S 20

static struct {
	steward_task_fn tasks[STEWARD_TASKS_MAX];
	size_t count;
	int fd; /* to the other one; -1 before the start */
	pid_t pid;
	bool here;
} steward = {.fd = -1};

union control {
	char bytes[CMSG_SPACE(sizeof(int) * STEWARD_FDS_MAX)];
	struct cmsghdr align;
};

/* ---- The steward ---- */

static void order_close(const struct steward_order *order)
{
	for (size_t i = 0; i < order->fd_count; i++)
		close(order->fds[i]);
}

/* Takes what came with it, too, when the rest is of no use. */
static void order_take_fds(struct msghdr *message, struct steward_order *order)
{
	const struct cmsghdr *header = CMSG_FIRSTHDR(message);

	if (!header || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
		return;
	order->fd_count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	memcpy(order->fds, CMSG_DATA(header), order->fd_count * sizeof(int));
}

static int order_carry_out(uint32_t task, const struct steward_order *order)
{
	if (task >= steward.count || (order->size > 0 && order->text[order->size - 1] != '\0'))
		return -EPERM;
	return steward.tasks[task](order);
}

/* false: whoever gives orders is gone. */
static bool steward_serve(void)
{
	static char text[STEWARD_TEXT_MAX];
	struct steward_order order = {.text = text};
	union control control;
	uint32_t task = 0;
	struct iovec parts[] = {{.iov_base = &task, .iov_len = sizeof(task)},
				{.iov_base = text, .iov_len = sizeof(text)}};
	struct msghdr message = {
		.msg_iov = parts, .msg_iovlen = 2, .msg_control = &control, .msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(steward.fd, &message, MSG_CMSG_CLOEXEC);
	int32_t answer = -EPERM;

	if (n < 0 && errno == EINTR)
		return true;
	if (n <= 0)
		return false;
	order_take_fds(&message, &order);
	if ((size_t)n >= sizeof(task) && !(message.msg_flags & (MSG_TRUNC | MSG_CTRUNC))) {
		order.size = (size_t)n - sizeof(task);
		answer = order_carry_out(task, &order);
	}
	order_close(&order);
	return send(steward.fd, &answer, sizeof(answer), MSG_NOSIGNAL) == sizeof(answer);
}

static void steward_main(void)
{
	/* What ends the daemon (a terminal's interrupt goes to both) ends us by the end of its socket. */
	static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};

	for (size_t i = 0; i < sizeof(ignored) / sizeof(*ignored); i++)
		signal(ignored[i], SIG_IGN);
	prctl(PR_SET_NAME, "bh-steward");
	steward.here = true;
	while (steward_serve())
		;
	_exit(EXIT_SUCCESS);
}

int steward_start(const steward_task_fn *tasks, size_t count, struct error *error)
{
	const struct timeval limit = {.tv_sec = ANSWER_S};
	int fds[2];

	if (count > STEWARD_TASKS_MAX)
		return error_set(error, -E2BIG, "the steward has too many tasks");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return error_set(error, -errno, "the steward's socket: %s", strerror(errno));
	setsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fds[0], SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	memcpy(steward.tasks, tasks, count * sizeof(*tasks));
	steward.count = count;
	steward.pid = fork();
	if (steward.pid == 0) {
		close(fds[0]);
		steward.fd = fds[1];
		steward_main();
	}
	close(fds[1]);
	if (steward.pid < 0) {
		close(fds[0]);
		return error_set(error, -errno, "the steward can't be started: %s", strerror(errno));
	}
	steward.fd = fds[0];
	return 0;
}

/* ---- The daemon's side ---- */

static int order_send(uint32_t task, const struct steward_order *order)
{
	union control control = {0};
	struct iovec parts[] = {{.iov_base = &task, .iov_len = sizeof(task)},
				{.iov_base = (char *)order->text, .iov_len = order->size}};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};

	if (order->fd_count > 0) {
		struct cmsghdr *header = &control.align;

		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(sizeof(int) * order->fd_count);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(int) * order->fd_count);
		memcpy(CMSG_DATA(header), order->fds, sizeof(int) * order->fd_count);
	}
	return sendmsg(steward.fd, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static ssize_t answer_receive(int32_t *ret_answer)
{
	ssize_t n;

	do
		n = recv(steward.fd, ret_answer, sizeof(*ret_answer), 0);
	while (n < 0 && errno == EINTR);
	return n;
}

int steward_do(steward_task_fn task, const struct steward_order *order)
{
	uint32_t number = 0;
	int32_t answer;

	if (steward.fd < 0 || steward.here)
		return task(order);
	while (number < steward.count && steward.tasks[number] != task)
		number++;
	if (number == steward.count)
		return -EPERM;
	if (order->size > STEWARD_TEXT_MAX || order->fd_count > STEWARD_FDS_MAX)
		return -E2BIG;
	if (order_send(number, order) == 0 && answer_receive(&answer) == sizeof(answer))
		return answer;
	/* What it might still say would be taken for the answer to the next order. */
	shutdown(steward.fd, SHUT_RDWR);
	return -EPIPE;
}

int steward_fd(void)
{
	return steward.fd;
}

bool steward_is_here(void)
{
	return steward.here;
}

void steward_end(void)
{
	if (steward.fd < 0)
		return;
	cleanup_close(&steward.fd);
	steward.fd = -1;
	while (waitpid(steward.pid, NULL, 0) < 0 && errno == EINTR)
		;
}
