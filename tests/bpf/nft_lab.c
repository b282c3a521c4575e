/* SPDX-License-Identifier: GPL-2.0-only */
#include "tests/bpf/nft_lab.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/if_ether.h>
#include <linux/if_packet.h>

#include <cmocka.h>

#define STAMP_MASK (((1u << BH_STAMP_BITS) - 1) << BH_STAMP_SHIFT_DEFAULT)

struct nft_lab nft_lab;

int nft_lab_setup(void **state)
{
	const char *why;

	memset(&nft_lab, 0, sizeof(nft_lab));
	if (!lab_open(&nft_lab.lab, &why)) {
		print_message("%s\n", why);
		skip();
	}
	nft_lab.options = (struct gate_options){.stamp_shift = BH_STAMP_SHIFT_DEFAULT,
						.log_group = GATE_LOG_GROUP_DEFAULT,
						.no_owner = *state && *(const bool *)*state};
	lab_run(&nft_lab.lab, NULL,
		"ip addr add fd09::1/64 dev br0 nodad; sysctl -qw net.ipv6.conf.all.accept_dad=0; "
		"nft add table netdev lab");
	return 0;
}

int nft_lab_teardown(void **state)
{
	(void)state;
	nft_lab_stop();
	lab_close(&nft_lab.lab);
	return 0;
}

#define SOON_TRIES 100 /* of 10 ms */

static void wait_a_little(void)
{
	struct timespec time = {.tv_nsec = 10000000};

	nanosleep(&time, NULL);
}

void nft_lab_ready(void)
{
	/* The kernel notices a carrier when it gets to it. */
	for (int i = 0; i < 3 * SOON_TRIES && nft_lab_prints("bridge link show", "state disabled"); i++)
		wait_a_little();
}

void nft_lab_start(void)
{
	struct error error = {0};

	nft_lab_ready();
	if (nft_gate_open(&nft_lab.options, &nft_lab.nft, &error) < 0)
		fail_msg("%s", error.text);
}

void nft_lab_stop(void)
{
	nft_gate_close(nft_lab.nft);
	nft_lab.nft = NULL;
}

uint32_t nft_lab_identity(const struct lab_box *box)
{
	for (size_t i = 0; i < nft_lab.lab.desired.port_count; i++)
		if (nft_lab.lab.ports[i].ifindex == box->ifindex)
			return nft_lab.lab.ports[i].identity;
	fail_msg("%s is no port", box->name);
	return 0;
}

void nft_lab_stamp(struct lab_box *box, uint32_t class)
{
	lab_run(&nft_lab.lab, NULL,
		"nft 'add chain netdev lab %s { type filter hook ingress device %s priority 0; }; "
		"flush chain netdev lab %s; add rule netdev lab %s meta mark set 0x%x'",
		box->interface, box->interface, box->interface, box->interface, STAMP(class));
}

void nft_lab_desire(const char *policy)
{
	static struct gate_bridge bridge;

	lab_desire(&nft_lab.lab, policy);
	bridge = (struct gate_bridge){.name = "br0", .ifindex = nft_lab.lab.bridge};
	nft_lab.lab.desired.bridges = &bridge;
	nft_lab.lab.desired.bridge_count = 1;
	for (size_t i = 0; i < nft_lab.lab.box_count; i++)
		if (nft_lab.lab.boxes[i].netns >= 0)
			nft_lab_stamp(&nft_lab.lab.boxes[i], nft_lab_identity(&nft_lab.lab.boxes[i]));
}

void nft_lab_commit(void)
{
	struct error error = {0};

	if (nft_gate_close_ports(nft_lab.nft, &nft_lab.lab.desired, &error) < 0 ||
	    nft_gate_commit(nft_lab.nft, &nft_lab.lab.desired, &error) < 0)
		fail_msg("%s", error.text);
}

void nft_lab_apply(const char *policy)
{
	nft_lab_desire(policy);
	nft_lab_commit();
}

long nft_lab_dropped(const char *counter)
{
	json_t *status = nft_gate_status(nft_lab.nft);
	long dropped;

	assert_non_null(status);
	dropped = (long)json_integer_value(json_object_get(json_object_get(status, "dropped"), counter));
	json_decref(status);
	return dropped;
}

long nft_lab_dropped_at_least(const char *counter, long least)
{
	long dropped = nft_lab_dropped(counter);

	for (int i = 0; i < SOON_TRIES && dropped < least; i++) {
		wait_a_little();
		dropped = nft_lab_dropped(counter);
	}
	return dropped;
}

bool nft_lab_prints_soon(const char *command, const char *words)
{
	for (int i = 0; i < SOON_TRIES; i++) {
		if (nft_lab_prints(command, words))
			return true;
		wait_a_little();
	}
	return false;
}

bool nft_lab_prints(const char *command, const char *words)
{
	FILE *out = popen(command, "re");
	char line[512];
	bool found = false;

	assert_non_null(out);
	while (fgets(line, sizeof(line), out))
		found = found || strstr(line, words);
	pclose(out);
	return found;
}

/* ---- How it reads ---- */

void nft_lab_golden(const char *name, const char *family)
{
	struct text is = {0};
	char path[96], line[1024], command[256];
	const char *keep = getenv("UPDATE_GOLDEN");
	FILE *out, *file;

	/* The program's name stands behind an owned table; what was reported just now is chance. */
	snprintf(command, sizeof(command),
		 "TZ=UTC nft -s list table %s bulkhead | sed 's/ # progname.*//;/set reported/,/^\t}/{/elements = "
		 "{.*}/d;"
		 "/elements = {/,/}/d}'",
		 family);
	out = popen(command, "re");
	assert_non_null(out);
	while (fgets(line, sizeof(line), out))
		text_append(&is, line);
	pclose(out);
	snprintf(path, sizeof(path), NFT_LAB_GOLDEN "/%s", name);
	if (keep && *keep) {
		file = fopen(path, "we");
		assert_non_null(file);
		fputs(text_string(&is), file);
		fclose(file);
	} else {
		char *was;
		size_t size;
		struct error error = {0};

		if (file_read(path, 1 << 20, &was, &size, &error) < 0)
			fail_msg("%s", error.text);
		if (strcmp(was, text_string(&is)) != 0)
			fail_msg("%s differs from what nft prints (UPDATE_GOLDEN=1 writes it anew):\n%s", path,
				 text_string(&is));
		free(was);
	}
	text_free(&is);
}

void nft_lab_reads_back(void)
{
	lab_run(&nft_lab.lab, NULL,
		"for f in bridge inet arp; do TZ=UTC nft -s list table $f bulkhead | sed '1s/bulkhead/again/' | nft -c "
		"-f - || "
		"exit 1; done");
}

/* ---- Traffic ---- */

void nft_lab_enter(const struct lab_box *box)
{
	assert_int_equal(setns(box ? box->netns : nft_lab.lab.netns, CLONE_NEWNET), 0);
}

static int socket_at(struct lab_box *box, int family, int type, int protocol)
{
	int fd;

	nft_lab_enter(box);
	fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
	nft_lab_enter(NULL);
	assert_true(fd >= 0);
	return fd;
}

static int domain_of(int family)
{
	return family == ADDR_V4 ? AF_INET : AF_INET6;
}

static socklen_t address_of(const struct lab_box *box, int family, uint16_t port, struct sockaddr_storage *ret_address)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	struct addr host4, host6;

	addr_parse("10.9.0.1", &host4);
	addr_parse("fd09::1", &host6);
	memcpy(&v4.sin_addr, box ? box->addresses[0].bytes : host4.bytes, sizeof(v4.sin_addr));
	memcpy(&v6.sin6_addr, box ? box->addresses[1].bytes : host6.bytes, sizeof(v6.sin6_addr));
	memset(ret_address, 0, sizeof(*ret_address));
	memcpy(ret_address, family == ADDR_V4 ? (void *)&v4 : (void *)&v6, family == ADDR_V4 ? sizeof(v4) : sizeof(v6));
	return family == ADDR_V4 ? sizeof(v4) : sizeof(v6);
}

static int bound(struct lab_box *at, int family, int type, uint16_t port)
{
	struct sockaddr_storage address;
	int fd = socket_at(at, domain_of(family), type, 0), on = 1;
	socklen_t size = address_of(at, family, port, &address);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
	return fd;
}

int nft_lab_receiver(struct lab_box *at, int family, uint16_t port)
{
	return bound(at, family, SOCK_DGRAM, port);
}

static bool send_datagram(int fd, const void *address, socklen_t size)
{
	ssize_t sent = sendto(fd, "hello", 5, 0, address, size);

	if (sent < 0)
		assert_int_equal(errno, EPERM);
	close(fd);
	return sent == 5;
}

bool nft_lab_send(struct lab_box *from, struct lab_box *to, int family, uint16_t port, uint32_t mark)
{
	struct sockaddr_storage address;
	int fd = socket_at(from, domain_of(family), SOCK_DGRAM, 0);
	socklen_t size = address_of(to, family, port, &address);

	if (mark)
		assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)), 0);
	return send_datagram(fd, &address, size);
}

bool nft_lab_send_to(struct lab_box *from, const char *address, uint16_t port)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct addr addr;

	assert_int_equal(addr_parse(address, &addr), 0);
	memcpy(&to.sin_addr, addr.bytes, sizeof(to.sin_addr));
	return send_datagram(socket_at(from, AF_INET, SOCK_DGRAM, 0), &to, sizeof(to));
}

static bool readable(int fd, int ms)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

	return poll(&poll_fd, 1, ms) == 1;
}

bool nft_lab_received(int receiver, bool expected)
{
	char data[16];

	/* Silence is waited for less long: what comes over a veth comes at once. */
	return readable(receiver, expected ? 2000 : 150) && recv(receiver, data, sizeof(data), 0) == 5;
}

int nft_lab_listener(uint16_t port, int family)
{
	int fd = bound(NULL, family, SOCK_STREAM, port);

	assert_int_equal(listen(fd, 16), 0);
	return fd;
}

int nft_lab_connect(struct lab_box *from, int family, uint16_t port)
{
	struct sockaddr_storage address;
	int fd = socket_at(from, domain_of(family), SOCK_STREAM, 0), reason = 0;
	socklen_t size = address_of(NULL, family, port, &address), reason_size = sizeof(reason);
	struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};

	if (connect(fd, (struct sockaddr *)&address, size) == 0)
		return fd;
	reason = errno;
	if (reason == EINPROGRESS) {
		reason = ETIMEDOUT;
		if (poll(&poll_fd, 1, 300) == 1)
			getsockopt(fd, SOL_SOCKET, SO_ERROR, &reason, &reason_size);
	}
	if (reason == 0)
		return fd;
	close(fd);
	return -reason;
}

bool nft_lab_connects(struct lab_box *from, int family, uint16_t port)
{
	int fd = nft_lab_connect(from, family, port);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

void nft_lab_frame(struct lab_box *from, const char *interface, const void *frame, size_t size, uint32_t mark)
{
	int fd = socket_at(from, AF_PACKET, SOCK_RAW, 0);
	struct sockaddr_ll address = {.sll_family = AF_PACKET};

	nft_lab_enter(from);
	address.sll_ifindex = (int)if_nametoindex(interface);
	nft_lab_enter(NULL);
	if (mark)
		assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)), 0);
	assert_int_equal(sendto(fd, frame, size, 0, (struct sockaddr *)&address, sizeof(address)), (long)size);
	close(fd);
}

/* ---- Stamps ---- */

void nft_lab_watch_stamps(const char *interface, uint32_t class, const char *match)
{
	lab_run(&nft_lab.lab, NULL,
		"nft 'add chain netdev lab out_%s { type filter hook egress device %s priority 0; }; "
		"add counter netdev lab right_%s; add counter netdev lab wrong_%s; "
		"add rule netdev lab out_%s %s meta mark & 0x%x == 0x%x counter name right_%s return; "
		"add rule netdev lab out_%s %s counter name wrong_%s'",
		interface, interface, interface, interface, interface, match, STAMP_MASK, STAMP(class), interface,
		interface, match, interface);
}

static long lab_counter(const char *verb, const char *kind, const char *interface)
{
	char command[128];
	long packets = -1;
	FILE *out;

	snprintf(command, sizeof(command), "nft %s counter netdev lab %s_%s", verb, kind, interface);
	out = popen(command, "re");
	assert_non_null(out);
	while (fgets(command, sizeof(command), out))
		if (sscanf(command, " packets %ld", &packets) == 1)
			break;
	pclose(out);
	assert_true(packets >= 0);
	return packets;
}

long nft_lab_wrong_stamps(const char *interface)
{
	return lab_counter("reset", "wrong", interface);
}

long nft_lab_right_stamps(const char *interface, long least)
{
	for (int i = 0; i < SOON_TRIES && lab_counter("list", "right", interface) < least; i++)
		wait_a_little();
	return lab_counter("reset", "right", interface);
}
