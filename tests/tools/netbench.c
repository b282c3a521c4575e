/* SPDX-License-Identifier: GPL-2.0-only */
/* TCP throughput and request/response rate between two ends, for scripts/bench.
 *
 *     netbench serve ADDRESS PORT              until killed
 *     netbench stream ADDRESS PORT SECONDS     prints megabytes a second
 *     netbench ask ADDRESS PORT SECONDS        prints requests of one byte, answered by one byte, a second
 *     netbench connect ADDRESS PORT SECONDS    prints connections (opened, one byte each way, closed) a second */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/addr.h"

#define CHUNK_BYTES 131072

static double seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int fail(const char *what)
{
	fprintf(stderr, "netbench: %s: %s\n", what, strerror(errno));
	return 1;
}

static int address_make(const char *address, const char *port, struct sockaddr_storage *ret_address,
			socklen_t *ret_size)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = v4.sin_port};
	struct addr addr;

	if (addr_parse(address, &addr) < 0)
		return -EINVAL;
	memcpy(&v4.sin_addr, addr.bytes, sizeof(v4.sin_addr));
	memcpy(&v6.sin6_addr, addr.bytes, sizeof(v6.sin6_addr));
	if (addr.family == ADDR_V4)
		memcpy(ret_address, &v4, sizeof(v4));
	else
		memcpy(ret_address, &v6, sizeof(v6));
	*ret_size = addr.family == ADDR_V4 ? sizeof(v4) : sizeof(v6);
	return 0;
}

/* The client's first byte says what it wants: 's' a sink, anything else is sent back, and so is all that follows. */
static void client_serve(int fd)
{
	static char buffer[CHUNK_BYTES];
	bool sink = false;
	int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	for (bool first = true;; first = false) {
		ssize_t size = read(fd, buffer, sizeof(buffer));

		if (size <= 0)
			return;
		if (first)
			sink = buffer[0] == 's';
		if (!sink && write(fd, buffer, (size_t)size) != size)
			return;
	}
}

static int serve(const struct sockaddr_storage *address, socklen_t size)
{
	int listener = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	signal(SIGCHLD, SIG_IGN);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (listener < 0 || bind(listener, (const struct sockaddr *)address, size) < 0 || listen(listener, 128) < 0)
		return fail("cannot listen");
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		char first;

		if (fd < 0)
			continue;
		/* Short exchanges need no process of their own; a stream would hold up the others. */
		if (recv(fd, &first, 1, MSG_PEEK) == 1 && first == 'c') {
			client_serve(fd);
		} else if (fork() == 0) {
			client_serve(fd);
			_exit(0);
		}
		close(fd);
	}
}

static int client_open(const struct sockaddr_storage *address, socklen_t size)
{
	int fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	if (fd < 0 || connect(fd, (const struct sockaddr *)address, size) < 0) {
		close(fd);
		return -1;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

static int stream(int fd, double seconds)
{
	static char buffer[CHUNK_BYTES];
	double start = seconds_now(), now = start, bytes = 0;

	memset(buffer, 's', sizeof(buffer));
	while (now - start < seconds) {
		for (int i = 0; i < 16; i++) {
			ssize_t size = write(fd, buffer, sizeof(buffer));

			if (size < 0)
				return fail("cannot send");
			bytes += (double)size;
		}
		now = seconds_now();
	}
	printf("%.1f\n", bytes / 1e6 / (now - start));
	return 0;
}

static int exchange(int fd, char byte)
{
	return write(fd, &byte, 1) == 1 && read(fd, &byte, 1) == 1 ? 0 : -1;
}

static int ask(int fd, double seconds)
{
	double start = seconds_now(), now = start, requests = 0;

	while (now - start < seconds) {
		for (int i = 0; i < 16; i++, requests++)
			if (exchange(fd, 'a') < 0)
				return fail("no answer");
		now = seconds_now();
	}
	printf("%.0f\n", requests / (now - start));
	return 0;
}

static int connect_often(const struct sockaddr_storage *address, socklen_t size, double seconds)
{
	double start = seconds_now(), now = start, connections = 0;

	for (; now - start < seconds; now = seconds_now(), connections++) {
		struct linger at_once = {.l_onoff = 1}; /* no TIME_WAIT: ports would run out */
		int fd = client_open(address, size);

		if (fd < 0 || exchange(fd, 'c') < 0)
			return fail("cannot connect");
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
		close(fd);
	}
	printf("%.0f\n", connections / (now - start));
	return 0;
}

int main(int argc, char **argv)
{
	struct sockaddr_storage address = {0};
	double seconds = argc == 5 ? atof(argv[4]) : 0;
	socklen_t size;
	int fd;

	if (argc < 4 || address_make(argv[2], argv[3], &address, &size) < 0) {
		fprintf(stderr, "usage: netbench serve|stream|ask|connect ADDRESS PORT [SECONDS]\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	if (strcmp(argv[1], "serve") == 0)
		return serve(&address, size);
	if (strcmp(argv[1], "connect") == 0)
		return connect_often(&address, size, seconds);
	fd = client_open(&address, size);
	if (fd < 0)
		return fail("cannot connect");
	return strcmp(argv[1], "stream") == 0 ? stream(fd, seconds) : ask(fd, seconds);
}
