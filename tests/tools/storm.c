/* SPDX-License-Identifier: GPL-2.0-only */
/* Sends frames that must not arrive, without a pause, and counts those that do.
 *
 *     storm RATE PLACE=NAMESPACE... < orders
 *
 * A place is a network namespace (a path): what comes in by any of its interfaces is looked at. In the namespace that
 * it is started in, which has no name, it is what local sockets get that counts: behind the host's door.
 *
 * Orders, a line each; RATE frames a second are sent, in turn, from the first one on:
 *
 *     frame PLACE INTERFACE HEX   one more to send; it holds HEX of "BHSTORM!" and the flow's number (two bytes)
 *     stop                        no more is sent
 *     count                       answered by a line: sent NUMBER drops NUMBER PLACE/FLOW=NUMBER...
 *
 * The end of the orders ends it. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/array.h"

#define MARK	     "BHSTORM!"
#define MARK_SIZE    8u
#define LOOK_BYTES   256u /* of a frame; the mark stands before */
#define RECEIVE_SIZE (64 << 20)
#define PLACES_MAX   16
#define FLOWS_MAX    256u
#define LOCAL_MAX    6 /* raw sockets of the host */
#define TURN_MS	     1
#define READS_A_TURN 4096

struct place {
	const char *name;
	int namespace, sniffer;
	unsigned long long arrived[FLOWS_MAX];
};
struct frame {
	struct place *place;
	char interface[IFNAMSIZ];
	int socket;
	unsigned char *data;
	size_t size;
};

static struct place places[PLACES_MAX], local = {.name = "host"};
static size_t place_count;
static int local_sockets[LOCAL_MAX];
static struct {
	ARRAY_OF(struct frame);
} frames;
static unsigned long long sent;
static int main_namespace;

static void __attribute__((noreturn)) die(const char *what)
{
	fprintf(stderr, "storm: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* ---- Receiving ---- */

static void look(struct place *place, const unsigned char *data, size_t size)
{
	const unsigned char *found = memmem(data, size, MARK, MARK_SIZE);

	if (found && (size_t)(data + size - found) >= MARK_SIZE + 2 && found[MARK_SIZE] == 0)
		place->arrived[found[MARK_SIZE + 1]]++;
}

static void receive(struct place *place, int fd)
{
	unsigned char data[LOOK_BYTES];

	for (int i = 0; i < READS_A_TURN; i++) {
		struct sockaddr_ll from = {0};
		socklen_t length = sizeof(from);
		ssize_t size = recvfrom(fd, data, sizeof(data), MSG_DONTWAIT, (struct sockaddr *)&from, &length);

		if (size < 0)
			return;
		if (place == &local || from.sll_pkttype != PACKET_OUTGOING)
			look(place, data, (size_t)size);
	}
}

static void buffer_enlarge(int fd)
{
	int size = RECEIVE_SIZE;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		die("receive buffer");
}

static void place_add(char *word)
{
	char *path = strchr(word, '=');
	struct place *place = &places[place_count];

	if (!path || place_count == PLACES_MAX)
		die(word);
	*path++ = '\0';
	place->name = word;
	place->namespace = open(path, O_RDONLY | O_CLOEXEC);
	if (place->namespace < 0 || setns(place->namespace, CLONE_NEWNET) < 0)
		die(path);
	place->sniffer = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
	if (place->sniffer < 0 || setns(main_namespace, CLONE_NEWNET) < 0)
		die(path);
	buffer_enlarge(place->sniffer);
	place_count++;
}

static void local_open(void)
{
	const int protocols[LOCAL_MAX] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP,
					  IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMPV6};

	for (int i = 0; i < LOCAL_MAX; i++) {
		local_sockets[i] = socket(i < LOCAL_MAX / 2 ? AF_INET : AF_INET6, SOCK_RAW, protocols[i]);
		if (local_sockets[i] < 0)
			die("raw socket");
		buffer_enlarge(local_sockets[i]);
	}
}

/* ---- Sending ---- */

static int sender_open(const struct frame *frame)
{
	struct sockaddr_ll address = {.sll_family = AF_PACKET};
	int fd;

	if (setns(frame->place->namespace, CLONE_NEWNET) < 0)
		die(frame->place->name);
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, 0);
	address.sll_ifindex = (int)if_nametoindex(frame->interface);
	if (setns(main_namespace, CLONE_NEWNET) < 0)
		die("setns");
	if (fd >= 0 && (address.sll_ifindex == 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)) {
		close(fd);
		return -1;
	}
	return fd;
}

/* An interface may be down, away, or another one of its name. */
static void frame_send(struct frame *frame)
{
	if (frame->socket < 0)
		frame->socket = sender_open(frame);
	if (frame->socket < 0)
		return;
	if (send(frame->socket, frame->data, frame->size, 0) > 0) {
		sent++;
	} else if (errno == ENXIO || errno == ENODEV) {
		close(frame->socket);
		frame->socket = -1;
	}
}

static unsigned long long now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (unsigned long long)now.tv_sec * 1000000ull + (unsigned long long)now.tv_nsec / 1000;
}

/* As many as are due since the last turn; a process that was held up does not catch up in one burst. */
static void send_due(unsigned int rate)
{
	static unsigned long long last, credit;
	static size_t next;
	unsigned long long now = now_us();

	credit += last ? (now - last) * rate : 0;
	last = now;
	if (credit > 20ull * rate * 1000)
		credit = 20ull * rate * 1000;
	for (; frames.count && credit >= 1000000; credit -= 1000000)
		frame_send(&frames.items[next++ % frames.count]);
}

/* ---- Orders ---- */

static struct place *place_find(const char *name)
{
	for (size_t i = 0; i < place_count; i++)
		if (strcmp(places[i].name, name) == 0)
			return &places[i];
	errno = ENOENT;
	die(name);
}

static void frame_add(const char *place, const char *interface, const char *hex)
{
	struct frame *frame = array_append(&frames);
	size_t size = strlen(hex) / 2;

	if (!frame)
		die("memory");
	*frame = (struct frame){.place = place_find(place), .socket = -1, .data = malloc(size), .size = size};
	if (!frame->data)
		die("memory");
	snprintf(frame->interface, sizeof(frame->interface), "%s", interface);
	for (size_t i = 0; i < size; i++) {
		char digits[3] = {hex[2 * i], hex[2 * i + 1], '\0'};

		frame->data[i] = (unsigned char)strtoul(digits, NULL, 16);
	}
}

static unsigned int drops(void)
{
	static unsigned int count;

	/* The kernel's number is of the time since it was asked last. */
	for (size_t i = 0; i < place_count; i++) {
		struct tpacket_stats stats = {0};
		socklen_t size = sizeof(stats);

		if (getsockopt(places[i].sniffer, SOL_PACKET, PACKET_STATISTICS, &stats, &size) == 0)
			count += stats.tp_drops;
	}
	return count;
}

static void place_tell(const struct place *place)
{
	for (unsigned int i = 0; i < FLOWS_MAX; i++)
		if (place->arrived[i])
			printf(" %s/%u=%llu", place->name, i, place->arrived[i]);
}

static void tell(void)
{
	printf("sent %llu drops %u", sent, drops());
	for (size_t i = 0; i < place_count; i++)
		place_tell(&places[i]);
	place_tell(&local);
	putchar('\n');
}

static void order_take(char *line)
{
	char *word = strtok(line, " ");

	if (word && strcmp(word, "count") == 0) {
		tell();
	} else if (word && strcmp(word, "stop") == 0) {
		frames.count = 0;
	} else if (word && strcmp(word, "frame") == 0) {
		const char *place = strtok(NULL, " "), *interface = strtok(NULL, " "), *hex = strtok(NULL, " ");

		if (place && interface && hex)
			frame_add(place, interface, hex);
	}
}

/* False: there are no more. */
static int orders_read(void)
{
	static char buffer[1 << 16];
	static size_t size;
	ssize_t got = read(STDIN_FILENO, buffer + size, sizeof(buffer) - size);
	char *end;

	if (got <= 0)
		return 0;
	size += (size_t)got;
	while ((end = memchr(buffer, '\n', size))) {
		size_t length = (size_t)(end - buffer) + 1;

		*end = '\0';
		order_take(buffer);
		size -= length;
		memmove(buffer, buffer + length, size);
	}
	return size < sizeof(buffer);
}

int main(int argc, char **argv)
{
	struct pollfd poll_fds[PLACES_MAX + LOCAL_MAX + 1];
	unsigned int rate = argc > 1 ? (unsigned int)atoi(argv[1]) : 0;
	nfds_t count = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	main_namespace = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	for (int i = 2; i < argc; i++)
		place_add(argv[i]);
	local_open();
	poll_fds[count++] = (struct pollfd){.fd = STDIN_FILENO, .events = POLLIN};
	for (size_t i = 0; i < place_count; i++)
		poll_fds[count++] = (struct pollfd){.fd = places[i].sniffer, .events = POLLIN};
	for (int i = 0; i < LOCAL_MAX; i++)
		poll_fds[count++] = (struct pollfd){.fd = local_sockets[i], .events = POLLIN};
	puts("ready");
	for (;;) {
		if (poll(poll_fds, count, TURN_MS) < 0 && errno != EINTR)
			die("poll");
		send_due(rate);
		for (size_t i = 0; i < place_count; i++)
			receive(&places[i], places[i].sniffer);
		for (int i = 0; i < LOCAL_MAX; i++)
			receive(&local, local_sockets[i]);
		if (poll_fds[0].revents && !orders_read())
			return 0;
	}
}
