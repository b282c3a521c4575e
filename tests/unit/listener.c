/* SPDX-License-Identifier: GPL-2.0-only */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "listener.h"

#define DRIP_US 20000

static void put(int fd, const char *text, size_t length)
{
	if (send(fd, text, length, MSG_NOSIGNAL) < 0)
		_exit(0);
}

/* A line of the client's, for whoever reads the pipe. */
static void hear(int client, int heard_fd)
{
	char byte = 0;

	while (byte != '\n' && read(client, &byte, 1) == 1)
		if (byte != '\n' && write(heard_fd, &byte, 1) != 1)
			_exit(1);
	close(heard_fd);
}

static void behave(int client, enum listener_manner manner, const char *text)
{
	switch (manner) {
	case LISTENER_SILENT:
		pause();
		break;
	case LISTENER_DRIPS:
		for (size_t i = 0;; i++, usleep(DRIP_US))
			put(client, i < strlen(text) ? text + i : " ", 1);
	case LISTENER_ENDLESS:
		for (;;)
			put(client, text, strlen(text));
	case LISTENER_ANSWERS:
	case LISTENER_DEAF:
	case LISTENER_MANNER_MAX:
		put(client, text, strlen(text));
		break;
	}
}

static void listen_once(int fd, int heard_fd, enum listener_manner manner, const char *text)
{
	int client;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	client = accept(fd, NULL, NULL);
	if (client < 0)
		_exit(1);
	if (manner != LISTENER_DEAF)
		hear(client, heard_fd);
	behave(client, manner, text);
	_exit(0);
}

void listener_start(struct listener *listener, enum listener_manner manner, const char *text)
{
	static unsigned int number;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), fds[2];

	memset(listener, 0, sizeof(*listener));
	snprintf(listener->path, sizeof(listener->path), "/tmp/bulkhead-listener-%d-%u", (int)getpid(), number++);
	strcpy(address.sun_path, listener->path);
	assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(pipe(fds), 0);
	listener->pid = fork();
	assert_true(listener->pid >= 0);
	if (listener->pid == 0) {
		close(fds[0]);
		listen_once(fd, fds[1], manner, text);
	}
	close(fd);
	close(fds[1]);
	listener->heard_fd = fds[0];
}

void listener_stop(struct listener *listener)
{
	size_t length = 0;
	ssize_t n;

	kill(listener->pid, SIGKILL);
	waitpid(listener->pid, NULL, 0);
	unlink(listener->path);
	while (length < sizeof(listener->heard) - 1 &&
	       (n = read(listener->heard_fd, listener->heard + length, sizeof(listener->heard) - 1 - length)) > 0)
		length += (size_t)n;
	close(listener->heard_fd);
}
