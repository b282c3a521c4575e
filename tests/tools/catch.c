/* SPDX-License-Identifier: GPL-2.0-only */
/* The receiving end of tests/e2e/hasty.c, and a witness of when ports came up and were opened.
 *
 *     catch PLACE=INTERFACE@NAMESPACE... < a pipe that is closed to end it
 *
 * Packet sockets at the places (NAMESPACE is a path), a socket of the host's own at the denied port, and the kernel's
 * events in the namespace that it is started in. A line on standard output for each first time, in nanoseconds of
 * CLOCK_MONOTONIC:
 *
 *     ready
 *     first TIME PLACE NUMBER IFINDEX SORT   a mark arrived (IFINDEX: in the sender's namespace; 0: a SYN does not say)
 *     carrier TIME IFINDEX NAME              a veth has carrier
 *     open TIME IFINDEX                      it has entered the door's set of open ports
 *     drops COUNT                            at the end: frames that the packet sockets had no room for */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <libnftnl/set.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/map.h"
#include "tests/lib/hasty.h"

#define LOWER_UP     0x10000u /* IFF_LOWER_UP of <linux/if.h>, which does not go with <net/if.h> */
#define PLACES_MAX   8
#define RECEIVE_SIZE (64 << 20)
#define SOURCES_MAX  10000u /* numbers that a SYN's source port may tell */

struct place {
	const char *name;
	int fd;
};

static struct place places[PLACES_MAX];
static nfds_t place_count;
static struct map *seen;
static int main_namespace;

static unsigned long long now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (unsigned long long)now.tv_sec * 1000000000ull + (unsigned long long)now.tv_nsec;
}

static void die(const char *what)
{
	fprintf(stderr, "catch: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* Prints a line once; `key` is what follows the time. */
static void tell(const char *kind, const char *key)
{
	char whole[256];

	snprintf(whole, sizeof(whole), "%s %s", kind, key);
	if (map_get_text(seen, whole))
		return;
	if (map_set_text(seen, whole, (void *)kind, NULL) < 0)
		die("remember");
	printf("%s %llu %s\n", kind, now_ns(), key);
}

/* ---- Packets ---- */

static void tell_mark(const char *place, unsigned int number, unsigned int ifindex, unsigned int sort)
{
	char key[128];

	snprintf(key, sizeof(key), "%s %u %u %u", place, number, ifindex, sort);
	tell("first", key);
}

/* A SYN to the denied port tells who by its source port alone. */
static void syn_look(const char *place, const unsigned char *frame, size_t size)
{
	struct ether_header ether;
	struct tcphdr tcp;
	struct iphdr ip;

	if (size < sizeof(ether) + sizeof(ip) + sizeof(tcp))
		return;
	memcpy(&ether, frame, sizeof(ether));
	memcpy(&ip, frame + sizeof(ether), sizeof(ip));
	if (ether.ether_type != htons(ETHERTYPE_IP) || ip.protocol != IPPROTO_TCP || ip.ihl != 5)
		return;
	memcpy(&tcp, frame + sizeof(ether) + sizeof(ip), sizeof(tcp));
	if (ntohs(tcp.dest) == HASTY_PORT_DENIED && ntohs(tcp.source) >= HASTY_PORT_SOURCE &&
	    ntohs(tcp.source) < HASTY_PORT_SOURCE + SOURCES_MAX)
		tell_mark(place, ntohs(tcp.source) - HASTY_PORT_SOURCE, 0, HASTY_DENIED_TCP);
}

static void frame_look(const char *place, const unsigned char *frame, size_t size)
{
	const unsigned char *found = memmem(frame, size, HASTY_MAGIC, sizeof(HASTY_MAGIC) - 1);
	struct hasty_mark mark;

	if (found && (size_t)(frame + size - found) >= sizeof(mark)) {
		memcpy(&mark, found, sizeof(mark));
		tell_mark(place, ntohs(mark.number), ntohs(mark.ifindex), mark.sort);
	} else {
		syn_look(place, frame, size);
	}
}

static void place_read(const struct place *place)
{
	unsigned char frame[2048];

	for (int i = 0; i < 256; i++) {
		struct sockaddr_ll from = {0};
		socklen_t length = sizeof(from);
		ssize_t size =
			recvfrom(place->fd, frame, sizeof(frame), MSG_DONTWAIT, (struct sockaddr *)&from, &length);

		if (size < 0)
			return;
		if (from.sll_pkttype != PACKET_OUTGOING)
			frame_look(place->name, frame, (size_t)size);
	}
}

static int packet_socket(const char *interface)
{
	struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	int fd = socket(AF_PACKET, SOCK_RAW, 0), size = RECEIVE_SIZE;

	address.sll_ifindex = (int)if_nametoindex(interface);
	if (fd < 0 || address.sll_ifindex == 0)
		die(interface);
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0 ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		die("packet socket");
	return fd;
}

static void place_add(char *word)
{
	char *interface = strchr(word, '='), *path = interface ? strchr(interface, '@') : NULL;
	int fd;

	if (!path || place_count == PLACES_MAX)
		die(word);
	*interface++ = '\0';
	*path++ = '\0';
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET) < 0)
		die(path);
	close(fd);
	places[place_count].name = word;
	places[place_count++].fd = packet_socket(interface);
	if (setns(main_namespace, CLONE_NEWNET) < 0)
		die("setns");
}

static int host_socket(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(HASTY_PORT_DENIED)};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		die("the host's socket");
	return fd;
}

static void host_read(int fd)
{
	unsigned char data[2048];
	ssize_t size;

	while ((size = recv(fd, data, sizeof(data), MSG_DONTWAIT)) >= 0)
		frame_look("host", data, (size_t)size);
}

/* ---- The kernel's events ---- */

static int link_told(const struct nlmsghdr *message, void *arg)
{
	const struct ifinfomsg *link = mnl_nlmsg_get_payload(message);
	const struct nlattr *attribute;
	const char *name = NULL;
	char key[64];

	(void)arg;
	if (message->nlmsg_type != RTM_NEWLINK || !(link->ifi_flags & LOWER_UP))
		return MNL_CB_OK;
	mnl_attr_for_each(attribute, message, sizeof(*link)) if (mnl_attr_get_type(attribute) == IFLA_IFNAME) name =
		mnl_attr_get_str(attribute);
	snprintf(key, sizeof(key), "%d %s", link->ifi_index, name ? name : "?");
	tell("carrier", key);
	return MNL_CB_OK;
}

static int opened(struct nftnl_set_elem *element, void *arg)
{
	uint32_t size, ifindex;
	const void *data = nftnl_set_elem_get(element, NFTNL_SET_ELEM_KEY, &size);
	char key[16];

	(void)arg;
	if (!data || size != sizeof(ifindex))
		return 0;
	memcpy(&ifindex, data, sizeof(ifindex));
	snprintf(key, sizeof(key), "%u", ifindex);
	tell("open", key);
	return 0;
}

static int element_told(const struct nlmsghdr *message, void *arg)
{
	struct nftnl_set *set;

	(void)arg;
	if (message->nlmsg_type != (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWSETELEM))
		return MNL_CB_OK;
	set = nftnl_set_alloc();
	if (!set)
		die("out of memory");
	if (nftnl_set_elems_nlmsg_parse(message, set) == 0 &&
	    strcmp(nftnl_set_get_str(set, NFTNL_SET_TABLE), "bulkhead") == 0 &&
	    strcmp(nftnl_set_get_str(set, NFTNL_SET_NAME), "open") == 0)
		nftnl_set_elem_foreach(set, opened, NULL);
	nftnl_set_free(set);
	return MNL_CB_OK;
}

static struct mnl_socket *events_open(int bus, unsigned int group)
{
	struct mnl_socket *socket = mnl_socket_open2(bus, SOCK_NONBLOCK | SOCK_CLOEXEC);
	int size = RECEIVE_SIZE;

	if (!socket || mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    mnl_socket_setsockopt(socket, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0)
		die("the kernel's events");
	setsockopt(mnl_socket_get_fd(socket), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	return socket;
}

static void events_read(struct mnl_socket *socket, mnl_cb_t told)
{
	static char buffer[1 << 16];
	ssize_t size;

	while ((size = mnl_socket_recvfrom(socket, buffer, sizeof(buffer))) > 0)
		if (mnl_cb_run(buffer, (size_t)size, 0, 0, told, NULL) < 0)
			return;
}

/* ---- */

static unsigned int drops(void)
{
	unsigned int count = 0;

	for (nfds_t i = 0; i < place_count; i++) {
		struct tpacket_stats stats = {0};
		socklen_t size = sizeof(stats);

		if (getsockopt(places[i].fd, SOL_PACKET, PACKET_STATISTICS, &stats, &size) == 0)
			count += stats.tp_drops;
	}
	return count;
}

int main(int argc, char **argv)
{
	struct mnl_socket *links, *elements;
	struct pollfd poll_fds[PLACES_MAX + 4];
	nfds_t count;
	int udp;

	setvbuf(stdout, NULL, _IOLBF, 0);
	seen = map_new();
	main_namespace = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	for (int i = 1; i < argc; i++)
		place_add(argv[i]);
	links = events_open(NETLINK_ROUTE, RTNLGRP_LINK);
	elements = events_open(NETLINK_NETFILTER, NFNLGRP_NFTABLES);
	udp = host_socket();
	for (count = 0; count < place_count; count++)
		poll_fds[count] = (struct pollfd){.fd = places[count].fd, .events = POLLIN};
	poll_fds[count++] = (struct pollfd){.fd = mnl_socket_get_fd(links), .events = POLLIN};
	poll_fds[count++] = (struct pollfd){.fd = mnl_socket_get_fd(elements), .events = POLLIN};
	poll_fds[count++] = (struct pollfd){.fd = udp, .events = POLLIN};
	poll_fds[count++] = (struct pollfd){.fd = STDIN_FILENO, .events = POLLIN};
	puts("ready");
	while (poll(poll_fds, count, -1) >= 0 && !poll_fds[count - 1].revents) {
		events_read(links, link_told);
		events_read(elements, element_told);
		host_read(udp);
		for (nfds_t i = 0; i < place_count; i++)
			place_read(&places[i]);
	}
	printf("drops %u\n", drops());
	return 0;
}
