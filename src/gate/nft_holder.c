/* SPDX-License-Identifier: GPL-2.0-only */
#include "gate/nft_holder.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"

/* Where the holder finds its descriptors. */
#define FD_LISTENER   3
#define FD_HELD	      4
#define FD_FIRST_FREE 5
/* Who connects and doesn't speak is hung up on after this. */
#define SPEAK_S 1
/* The daemon waits longer, at its start: some who don't speak may be before it. */
#define ASK_S 10

enum order { ORDER_HAND_OVER = 'h', ORDER_END = 'e' };

static int holder_address(const char *run_dir, struct sockaddr_un *address)
{
	struct stat st;
	int length;

	if (stat("/proc/self/ns/net", &st) < 0)
		return -errno;
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	length = snprintf(address->sun_path, sizeof(address->sun_path), "%s/tables-%llu.sock", run_dir,
			  (unsigned long long)st.st_ino);
	return length >= (int)sizeof(address->sun_path) ? -ENAMETOOLONG : 0;
}

static void time_limit(int fd, int seconds)
{
	const struct timeval limit = {.tv_sec = seconds};

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
}

static bool is_root(int fd)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == 0;
}

/* ---- The daemon's side ---- */

bool nft_holder_is_there(const char *run_dir)
{
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address;

	if (fd < 0 || holder_address(run_dir, &address) < 0)
		return false;
	/* With many waiting already it is busy, not gone. */
	return connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 ? is_root(fd) : errno == EAGAIN;
}

static int holder_connect(const char *run_dir, enum order order, int *ret_fd)
{
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un address;
	const char byte = (char)order;
	int r = fd < 0 ? -errno : holder_address(run_dir, &address);

	if (r < 0)
		return r;
	time_limit(fd, ASK_S);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return errno == ECONNREFUSED || errno == ENOENT ? -ENOENT : -errno;
	if (!is_root(fd))
		return -ENOENT; /* whoever listens there is no holder of ours */
	if (send(fd, &byte, 1, MSG_NOSIGNAL) != 1)
		return -EIO;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int nft_holder_ask(const char *run_dir, int *ret_fd)
{
	AUTO_CLOSE int fd = -1;
	char byte, control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(__alignof__(struct cmsghdr))));
	struct iovec part = {.iov_base = &byte, .iov_len = 1};
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	const struct cmsghdr *header;
	int r = holder_connect(run_dir, ORDER_HAND_OVER, &fd);

	if (r < 0)
		return r;
	if (recvmsg(fd, &message, MSG_CMSG_CLOEXEC) != 1)
		return -ENOENT;
	header = CMSG_FIRSTHDR(&message);
	if (!header || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS ||
	    header->cmsg_len != CMSG_LEN(sizeof(int)))
		return -ENOENT;
	memcpy(ret_fd, CMSG_DATA(header), sizeof(int));
	return 0;
}

void nft_holder_end(const char *run_dir)
{
	AUTO_CLOSE int fd = -1;
	struct sockaddr_un address;
	char byte;

	/* It closes the connection by ending: then its socket is closed, too. */
	if (holder_connect(run_dir, ORDER_END, &fd) == 0)
		(void)!recv(fd, &byte, 1, 0);
	if (holder_address(run_dir, &address) == 0)
		unlink(address.sun_path);
}

static int listener_make(const char *run_dir, int *ret_fd)
{
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un address;
	mode_t mask;
	int r = fd < 0 ? -errno : holder_address(run_dir, &address);

	if (r < 0)
		return r;
	unlink(address.sun_path);
	mask = umask(077);
	r = bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 4) < 0 ? -errno : 0;
	umask(mask);
	if (r == 0)
		*ret_fd = TAKE_FD(fd);
	return r;
}

/* In the child: nothing of the daemon's but the two, which must not be in each other's way. */
static void holder_become(int listener, int held)
{
	sigset_t none;
	int null = open("/dev/null", O_RDWR), high_listener = fcntl(listener, F_DUPFD, FD_FIRST_FREE),
	    high_held = fcntl(held, F_DUPFD, FD_FIRST_FREE);

	if (null < 0 || high_listener < 0 || high_held < 0)
		_exit(EXIT_FAILURE);
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		dup2(null, fd);
	dup2(high_listener, FD_LISTENER);
	dup2(high_held, FD_HELD);
	close_range(FD_FIRST_FREE, ~0u, 0);
	/* The daemon's loop has its signals blocked, the steward ignores some; a holder ends by them as any process
	 * does.
	 */
	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execl("/proc/self/exe", "bulkhead-holder", NFT_HOLDER_WORD, (char *)NULL);
	_exit(EXIT_FAILURE);
}

int nft_holder_task(const struct steward_order *order)
{
	pid_t child;

	if (order->fd_count != 2)
		return -EINVAL;
	child = fork();
	if (child < 0)
		return -errno;
	if (child == 0) {
		/* Twice, so that it is nobody's child; in a session of its own, so that no terminal ends it. */
		setsid();
		if (fork() == 0)
			holder_become(order->fds[0], order->fds[1]);
		_exit(EXIT_SUCCESS);
	}
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
	return 0;
}

int nft_holder_start(const char *run_dir, int fd, struct error *error)
{
	AUTO_CLOSE int listener = -1;
	int r;

	nft_holder_end(run_dir);
	r = listener_make(run_dir, &listener);
	if (r < 0)
		return error_set(error, r, "the holder's socket in %s: %s", run_dir, strerror(-r));
	r = steward_do(nft_holder_task, &(struct steward_order){.fds = {listener, fd}, .fd_count = 2});
	return r < 0 ? error_set(error, r, "the holder can't be started: %s", strerror(-r)) : 0;
}

/* ---- The holder ---- */

static void hand_over(int client)
{
	char byte = ORDER_HAND_OVER,
	     control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(__alignof__(struct cmsghdr)))) = {0};
	struct iovec part = {.iov_base = &byte, .iov_len = 1};
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	const int held = FD_HELD;

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(held));
	memcpy(CMSG_DATA(header), &held, sizeof(held));
	sendmsg(client, &message, MSG_NOSIGNAL);
}

/* false: it is to end. */
static bool serve(int client)
{
	char byte;

	time_limit(client, SPEAK_S);
	if (!is_root(client) || recv(client, &byte, 1, 0) != 1)
		return true;
	if (byte == ORDER_HAND_OVER)
		hand_over(client);
	return byte != ORDER_END;
}

int nft_holder_main(void)
{
	bool goes_on = true;

	prctl(PR_SET_NAME, "bulkhead-holder");
	while (goes_on) {
		/* cppcheck-suppress nullPointer; accept4(2): who it is need not be told */
		AUTO_CLOSE int client = accept4(FD_LISTENER, NULL, NULL, SOCK_CLOEXEC);

		if (client >= 0)
			goes_on = serve(client);
		else if (errno != EINTR && errno != ECONNABORTED)
			break;
	}
	return EXIT_SUCCESS;
}
