/* SPDX-License-Identifier: GPL-2.0-only */
#include "tests/lib/lab.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "policy/load.h"

static void enter(const struct lab *lab, const struct lab_box *box)
{
	assert_int_equal(setns(box ? box->netns : lab->netns, CLONE_NEWNET), 0);
}

void lab_run(struct lab *lab, struct lab_box *box, const char *format, ...)
{
	char command[512];
	va_list args;
	int status;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	enter(lab, box);
	status = system(command);
	enter(lab, NULL);
	if (status != 0)
		fail_msg("'%s' ended with status %d", command, status);
}

bool lab_open(struct lab *lab, const char **why)
{
	memset(lab, 0, sizeof(*lab));
	*why = "new namespaces are not allowed";
	if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0)
		return false;
	*why = "the BPF file system cannot be mounted";
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return false;
	/* The host's, and that of the lab before: only this process loses sight of them. */
	while (umount("/sys/fs/bpf") == 0)
		;
	if (mount("bpf", "/sys/fs/bpf", "bpf", 0, NULL) < 0)
		return false;
	lab->netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	assert_true(lab->netns >= 0);
	lab_run(lab, NULL,
		"ip link set lo up && ip link add br0 address 02:00:00:00:09:01 type bridge mcast_snooping 0 && ip "
		"link set br0 up && "
		"ip addr add 10.9.0.1/24 dev br0");
	lab->bridge = if_nametoindex("br0");
	assert_int_equal(registry_new(&lab->registry), 0);
	return true;
}

bool lab_allowed(void)
{
	pid_t pid = fork();
	const char *why;
	struct lab lab;
	int status = 0;

	if (pid == 0)
		_exit(lab_open(&lab, &why) ? 0 : 1);
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

void lab_close(struct lab *lab)
{
	for (size_t i = 0; i < lab->box_count; i++)
		if (lab->boxes[i].netns >= 0)
			close(lab->boxes[i].netns);
	table_free(lab->table);
	table_free(lab->older);
	registry_free(lab->registry);
	if (lab->netns > 0)
		close(lab->netns);
	memset(lab, 0, sizeof(*lab));
}

/* A namespace lives as long as something is in it or holds it open. */
static int netns_new(pid_t *ret_pid)
{
	char path[64];
	int ready[2], fd;
	pid_t pid;
	char byte;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (unshare(CLONE_NEWNET) == 0 && write(ready[1], "x", 1) == 1)
			pause();
		_exit(1);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	*ret_pid = pid;
	return fd;
}

static struct mac box_mac(struct lab *lab, struct lab_box *box)
{
	struct ifreq request = {0};
	struct mac mac;
	int fd;

	enter(lab, box);
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	enter(lab, NULL);
	strcpy(request.ifr_name, "eth0");
	assert_int_equal(ioctl(fd, SIOCGIFHWADDR, &request), 0);
	close(fd);
	memcpy(mac.bytes, request.ifr_hwaddr.sa_data, sizeof(mac.bytes));
	return mac;
}

/* RFC 4291, appendix A */
static struct addr link_local(const struct mac *mac)
{
	uint8_t bytes[16] = {0xfe, 0x80};

	memcpy(bytes + 8, mac->bytes, 3);
	bytes[8] ^= 2;
	bytes[11] = 0xff;
	bytes[12] = 0xfe;
	memcpy(bytes + 13, mac->bytes + 3, 3);
	return addr_from_bytes(ADDR_V6, bytes);
}

static void neighbours_tell(struct lab *lab, struct lab_box *box, struct lab_box *other)
{
	char mac[MAC_TEXT_MAX], v4[ADDR_TEXT_MAX], v6[ADDR_TEXT_MAX];

	lab_run(lab, box,
		"ip neigh replace %s lladdr %s dev eth0 nud permanent; ip neigh replace %s lladdr %s dev eth0 "
		"nud permanent",
		addr_format(&other->addresses[0], v4), mac_format(&other->mac, mac),
		addr_format(&other->addresses[1], v6), mac);
}

struct lab_box *lab_box_add(struct lab *lab, const char *name)
{
	return lab_box_add_at(lab, name, 0);
}

struct lab_box *lab_box_add_at(struct lab *lab, const char *name, uint32_t ifindex)
{
	unsigned int number = (unsigned int)lab->box_count + 11;
	struct lab_box *box = &lab->boxes[lab->box_count++];
	char text[ADDR_TEXT_MAX], index[24] = "";
	pid_t pid;

	assert_true(lab->box_count <= LAB_BOXES_MAX);
	memset(box, 0, sizeof(*box));
	snprintf(box->name, sizeof(box->name), "%s", name);
	snprintf(box->interface, sizeof(box->interface), "v%s", name);
	box->netns = netns_new(&pid);
	box->open = true;
	if (ifindex)
		snprintf(index, sizeof(index), "index %u", ifindex);
	lab_run(lab, NULL,
		"ip link add %s %s type veth peer name eth0 address 02:00:00:00:09:%02x netns %d && ip link set %s "
		"master br0 up",
		box->interface, index, number, (int)pid, box->interface);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	box->ifindex = if_nametoindex(box->interface);
	lab_run(lab, box,
		"ip link set lo up && ip addr add 10.9.0.%u/24 dev eth0 && "
		"ip addr add fd09::%u/64 dev eth0 nodad && ip link set eth0 up",
		number, number);
	snprintf(text, sizeof(text), "10.9.0.%u", number);
	assert_int_equal(addr_parse(text, &box->addresses[0]), 0);
	snprintf(text, sizeof(text), "fd09::%u", number);
	assert_int_equal(addr_parse(text, &box->addresses[1]), 0);
	box->mac = box_mac(lab, box);
	box->addresses[2] = link_local(&box->mac);
	for (size_t i = 0; i + 1 < lab->box_count; i++) {
		if (lab->boxes[i].netns < 0)
			continue;
		neighbours_tell(lab, box, &lab->boxes[i]);
		neighbours_tell(lab, &lab->boxes[i], box);
	}
	return box;
}

void lab_box_remove(struct lab *lab, struct lab_box *box)
{
	lab_run(lab, NULL, "ip link del %s", box->interface);
	close(box->netns);
	box->netns = -1;
	box->open = false;
}

/* ---- From a policy's text to what the gates take
 * --------------------------------------------------------------------- */

static void world_make(const struct lab *lab, struct world *world)
{
	struct world_bridge *bridge = LAB_APPEND(&world->bridges);
	struct addr *host = LAB_APPEND(&world->host_addresses);
	struct prefix *subnet;

	bridge->name = strdup("br0");
	bridge->domain = lab->bridge;
	subnet = LAB_APPEND(&bridge->subnets);
	assert_int_equal(prefix_parse("10.9.0.0/24", subnet, NULL), 0);
	subnet = LAB_APPEND(&bridge->subnets);
	assert_int_equal(prefix_parse("fd09::/64", subnet, NULL), 0);
	assert_int_equal(addr_parse(LAB_HOST, host), 0);
	for (size_t i = 0; i < lab->box_count; i++) {
		const struct lab_box *box = &lab->boxes[i];
		struct container *container;
		struct world_port *port;

		if (box->netns < 0)
			continue;
		container = LAB_APPEND(&world->containers);
		port = LAB_APPEND(&world->ports);
		container->name = strdup(box->name);
		port->container = (uint32_t)world->containers.count - 1;
		port->interface = strdup(box->interface);
		port->bridge = strdup("br0");
		port->ifindex = box->ifindex;
		port->domain = lab->bridge;
		port->mac = box->mac;
		for (int j = 0; j < 3; j++)
			*(struct addr *)LAB_APPEND(&port->addresses) = box->addresses[j];
	}
}

static void desired_make(struct lab *lab)
{
	size_t count = 0;

	for (size_t i = 0; i < lab->box_count; i++) {
		const struct lab_box *box = &lab->boxes[i];
		struct gate_port *port = &lab->ports[count];

		if (box->netns < 0)
			continue;
		*port = (struct gate_port){
			.ifindex = box->ifindex,
			.domain = lab->bridge,
			.mac = box->mac,
			.addresses = box->addresses,
			.address_count = 3,
			.identity = lab->table->ports.items[count].identity,
			.open = box->open,
			.seeds = box->seeds,
			.seed_count = box->seed_count,
		};
		strcpy(port->name, box->interface);
		count++;
	}
	lab->desired = (struct gate_desired){.table = lab->table, .ports = lab->ports, .port_count = count};
}

void lab_desire(struct lab *lab, const char *policy_text)
{
	int64_t now = (int64_t)time(NULL);
	struct diagnostics diagnostics = {0};
	struct policy *policy = NULL;
	struct world world = {0};
	struct error error = {0};
	struct table *table;

	if (policy_load_text("lab.yaml", policy_text, strlen(policy_text), now * 1000000000, &policy, &diagnostics,
			     &error) < 0) {
		if (policy)
			diagnostics_print(&diagnostics, &policy->sources, false, stderr);
		fail_msg("the policy is wrong: %s", error.text);
	}
	world_make(lab, &world);
	if (table_compile(policy, &world, lab->registry, now, &table, &error) < 0)
		fail_msg("the policy cannot be compiled: %s", error.text);
	table->generation = ++lab->generation;
	/* The one before stays until the next: the gate compares the two. */
	table_free(lab->older);
	lab->older = lab->table;
	lab->table = table;
	desired_make(lab);
	policy_free(policy);
	world_free(&world);
	diagnostics_free(&diagnostics);
}

/* ---- Sockets
 * ------------------------------------------------------------------------------------------------------------ */

static socklen_t socket_address(const struct lab_box *box, int family, uint16_t port,
				struct sockaddr_storage *ret_address)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

	if (box) {
		memcpy(&v4.sin_addr, box->addresses[0].bytes, sizeof(v4.sin_addr));
		memcpy(&v6.sin6_addr, box->addresses[1].bytes, sizeof(v6.sin6_addr));
	} else {
		v4.sin_addr.s_addr = inet_addr(LAB_HOST);
	}
	memset(ret_address, 0, sizeof(*ret_address));
	if (family == ADDR_V4)
		memcpy(ret_address, &v4, sizeof(v4));
	else
		memcpy(ret_address, &v6, sizeof(v6));
	return family == ADDR_V4 ? sizeof(v4) : sizeof(v6);
}

static int socket_in(struct lab *lab, struct lab_box *box, int family, int type)
{
	int fd;

	enter(lab, box);
	fd = socket(family == ADDR_V4 ? AF_INET : AF_INET6, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	enter(lab, NULL);
	assert_true(fd >= 0);
	return fd;
}

int lab_listen(struct lab *lab, struct lab_box *box, int family, uint16_t port)
{
	int fd = socket_in(lab, box, family, SOCK_STREAM), on = 1;
	struct sockaddr_storage address;
	socklen_t size = socket_address(box, family, port, &address);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
	assert_int_equal(listen(fd, 64), 0);
	return fd;
}

static bool wait_for(int fd, short events, int ms)
{
	struct pollfd poll_fd = {.fd = fd, .events = events};

	return poll(&poll_fd, 1, ms) == 1;
}

int lab_connect(struct lab *lab, struct lab_box *from, struct lab_box *to, int family, uint16_t port, int ms)
{
	int fd = socket_in(lab, from, family, SOCK_STREAM), reason = 0;
	struct sockaddr_storage address;
	socklen_t size = socket_address(to, family, port, &address), reason_size = sizeof(reason);

	if (connect(fd, (struct sockaddr *)&address, size) == 0)
		return fd;
	reason = errno;
	if (reason == EINPROGRESS) {
		reason = ETIMEDOUT;
		if (wait_for(fd, POLLOUT, ms))
			getsockopt(fd, SOL_SOCKET, SO_ERROR, &reason, &reason_size);
	}
	if (reason == 0)
		return fd;
	close(fd);
	return -reason;
}

bool lab_reaches(struct lab *lab, struct lab_box *from, struct lab_box *to, int family, uint16_t port)
{
	/* Long enough for an answer over veths on a busy machine; what is refused is told by silence. */
	int fd = lab_connect(lab, from, to, family, port, 400);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

int lab_accept(int listener)
{
	int fd;

	assert_true(wait_for(listener, POLLIN, 1000));
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	assert_true(fd >= 0);
	return fd;
}

bool lab_talks(int client, int server, int ms)
{
	char byte = 'x';

	if (write(client, &byte, 1) != 1)
		return false;
	return wait_for(server, POLLIN, ms) && read(server, &byte, 1) == 1;
}

int lab_datagram(struct lab *lab, struct lab_box *box, uint16_t port, struct lab_box *to)
{
	int fd = socket_in(lab, box, ADDR_V4, SOCK_DGRAM), room = 1 << 20;
	struct sockaddr_storage address;
	socklen_t size;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	if (port) {
		size = socket_address(box, ADDR_V4, port, &address);
		assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
	}
	if (to) {
		size = socket_address(to, ADDR_V4, 5000, &address);
		assert_int_equal(connect(fd, (struct sockaddr *)&address, size), 0);
	}
	return fd;
}

int lab_bpf(int command, void *attributes, unsigned int size)
{
	return (int)syscall(__NR_bpf, command, attributes, size);
}

void lab_ignore_line(void *arg, const char *line)
{
	(void)arg;
	(void)line;
}
