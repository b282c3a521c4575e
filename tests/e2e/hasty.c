/* SPDX-License-Identifier: GPL-2.0-only */
/* A container's only program, whose first act is to send: by sockets and by raw frames, what is allowed and what is
 * not, by every interface that there is or that comes, in a tight loop.
 *
 *     hasty NUMBER VICTIM VICTIM-MAC OUTSIDE GATEWAY ALLOWED-SOURCE
 *
 * What goes out by its first interface carries NUMBER, by the next one NUMBER + 1, and so on.
 * It is linked statically and needs no file: it is put into images that have nothing else. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/lib/hasty.h"

#define INTERFACES_MAX 64
#define TIGHT_MS       500  /* how long it sends without pause, from an interface's first packet on */
#define PAUSE_US       2000 /* between rounds afterwards: others shall be able to start */
#define CONNECT_ROUNDS 16   /* rounds until an unanswered SYN is sent anew */

struct interface {
	unsigned int index;
	uint16_t number;
	char name[IFNAMSIZ];
	unsigned char mac[ETH_ALEN];
	struct in_addr address;
	int udp, tcp[2];    /* -1: none. Of TCP: what is allowed, what is not */
	unsigned int round; /* of its TCP attempts */
	int connected;
	int sending; /* the first frame has gone out */
};

static struct interface interfaces[INTERFACES_MAX];
static unsigned int interface_count;
static uint16_t number;
static struct in_addr victim, outside, gateway, friendly;
static unsigned char victim_mac[ETH_ALEN];
static int raw_socket, control_socket;
static long long tight_until;

static long long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ll + now.tv_nsec / 1000000;
}

static struct hasty_mark mark(const struct interface *interface, enum hasty_sort sort)
{
	struct hasty_mark result = {.number = htons(interface->number), .ifindex = htons((uint16_t)interface->index)};

	memcpy(result.magic, HASTY_MAGIC, sizeof(result.magic));
	result.sort = (uint8_t)sort;
	return result;
}

/* ---- Raw frames ---- */

/* RFC 1071: in either byte order; of an even number of bytes. */
static uint32_t sum_add(uint32_t sum, const void *data, size_t size)
{
	const char *bytes = data;

	for (size_t i = 0; i < size; i += 2) {
		uint16_t word;

		memcpy(&word, bytes + i, sizeof(word));
		sum += word;
	}
	return sum;
}

static uint16_t sum_finish(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void frame_send(struct interface *interface, const void *frame, size_t size)
{
	struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = (int)interface->index};

	if (sendto(raw_socket, frame, size, MSG_DONTWAIT, (struct sockaddr *)&to, sizeof(to)) < 0)
		return;
	if (!interface->sending)
		tight_until = now_ms() + TIGHT_MS;
	interface->sending = 1;
}

static size_t ether_put(unsigned char *frame, const unsigned char *to, const unsigned char *from, uint16_t type)
{
	struct ether_header header = {.ether_type = htons(type)};

	memcpy(header.ether_dhost, to, ETH_ALEN);
	memcpy(header.ether_shost, from, ETH_ALEN);
	memcpy(frame, &header, sizeof(header));
	return sizeof(header);
}

static void raw_ipv4(struct interface *interface, struct in_addr from, struct in_addr to, uint16_t port,
		     enum hasty_sort sort)
{
	struct hasty_mark payload = mark(interface, sort);
	/* Source, destination, length, and no checksum, as IPv4 allows. */
	uint16_t udp[4] = {htons(4000), htons(port), htons(sizeof(udp) + sizeof(payload))};
	struct iphdr ip = {.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_UDP};
	unsigned char frame[128];
	size_t size = ether_put(frame, victim_mac, interface->mac, ETHERTYPE_IP);

	ip.tot_len = htons(sizeof(ip) + sizeof(udp) + sizeof(payload));
	ip.saddr = from.s_addr;
	ip.daddr = to.s_addr;
	ip.check = sum_finish(sum_add(0, &ip, sizeof(ip)));
	memcpy(frame + size, &ip, sizeof(ip));
	memcpy(frame + size + sizeof(ip), udp, sizeof(udp));
	memcpy(frame + size + sizeof(ip) + sizeof(udp), &payload, sizeof(payload));
	frame_send(interface, frame, size + sizeof(ip) + sizeof(udp) + sizeof(payload));
}

static struct in6_addr link_local(const unsigned char *mac)
{
	struct in6_addr address = {.s6_addr = {0xfe, 0x80}};
	unsigned char *end = address.s6_addr + 8;

	end[0] = mac[0] ^ 2;
	end[1] = mac[1];
	end[2] = mac[2];
	end[3] = 0xff;
	end[4] = 0xfe;
	memcpy(end + 5, mac + 3, 3);
	return address;
}

static void raw_ipv6(struct interface *interface, const unsigned char *to_mac, struct in6_addr to, enum hasty_sort sort)
{
	struct hasty_mark payload = mark(interface, sort);
	uint16_t udp[4] = {htons(4000), htons(HASTY_PORT_DENIED), htons(sizeof(udp) + sizeof(payload))};
	struct ip6_hdr ip = {.ip6_src = link_local(interface->mac), .ip6_dst = to};
	unsigned char frame[128];
	size_t size = ether_put(frame, to_mac, interface->mac, ETHERTYPE_IPV6);
	uint32_t sum;

	ip.ip6_plen = udp[2];
	ip.ip6_vfc = 0x60;
	ip.ip6_nxt = IPPROTO_UDP;
	ip.ip6_hlim = 64;
	sum = sum_add(htons(IPPROTO_UDP) + udp[2], &ip.ip6_src, sizeof(ip.ip6_src));
	sum = sum_add(sum_add(sum, &ip.ip6_dst, sizeof(ip.ip6_dst)), udp, sizeof(udp));
	udp[3] = sum_finish(sum_add(sum, &payload, sizeof(payload)));
	memcpy(frame + size, &ip, sizeof(ip));
	memcpy(frame + size + sizeof(ip), udp, sizeof(udp));
	memcpy(frame + size + sizeof(ip) + sizeof(udp), &payload, sizeof(payload));
	frame_send(interface, frame, size + sizeof(ip) + sizeof(udp) + sizeof(payload));
}

/* The mark stands in the padding. */
static void raw_arp(struct interface *interface)
{
	static const unsigned char everybody[ETH_ALEN] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	static const unsigned char head[] = {0, 1, 8, 0, 6, 4, 0, 2};
	struct hasty_mark payload = mark(interface, HASTY_RAW_ARP);
	unsigned char frame[64] = {0}, *at = frame + ether_put(frame, everybody, interface->mac, ETHERTYPE_ARP);

	memcpy(at, head, sizeof(head));
	memcpy(at + 8, interface->mac, ETH_ALEN);
	memcpy(at + 14, &gateway, sizeof(gateway));
	memcpy(at + 18, everybody, ETH_ALEN);
	memcpy(at + 24, &gateway, sizeof(gateway));
	memcpy(at + 28, &payload, sizeof(payload));
	frame_send(interface, frame, sizeof(frame));
}

static void raw_other(struct interface *interface)
{
	static const unsigned char everybody[ETH_ALEN] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	struct hasty_mark payload = mark(interface, HASTY_RAW_OTHER);
	unsigned char frame[64] = {0};

	memcpy(frame + ether_put(frame, everybody, interface->mac, 0x88b5), &payload, sizeof(payload));
	frame_send(interface, frame, sizeof(frame));
}

static void frames_send(struct interface *interface)
{
	static const struct in6_addr all_nodes = {.s6_addr = {0xff, 2, [15] = 1}};
	static const unsigned char all_nodes_mac[ETH_ALEN] = {0x33, 0x33, 0, 0, 0, 1};

	raw_ipv4(interface, interface->address, outside, HASTY_PORT_OUTSIDE, HASTY_RAW_OUTSIDE);
	raw_ipv4(interface, friendly, victim, HASTY_PORT_ALLOWED, HASTY_RAW_SPOOFED);
	raw_ipv6(interface, victim_mac, link_local(victim_mac), HASTY_RAW_IPV6);
	raw_ipv6(interface, all_nodes_mac, all_nodes, HASTY_RAW_GROUP);
	raw_arp(interface);
	raw_other(interface);
}

/* ---- Sockets: each by one interface ---- */

static int socket_open(const struct interface *interface, int type)
{
	struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr = interface->address};
	int fd = socket(AF_INET, type | SOCK_NONBLOCK, 0), one = 1;

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, interface->name, sizeof(interface->name));
	if (type == SOCK_STREAM) {
		struct linger at_once = {.l_onoff = 1};

		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
		own.sin_port = htons((uint16_t)(HASTY_PORT_SOURCE + interface->number));
	}
	if (bind(fd, (struct sockaddr *)&own, sizeof(own)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static void datagram_send(const struct interface *interface, struct in_addr to, uint16_t port, enum hasty_sort sort)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = to, .sin_port = htons(port)};
	struct hasty_mark payload = mark(interface, sort);

	sendto(interface->udp, &payload, sizeof(payload), 0, (struct sockaddr *)&address, sizeof(address));
}

static int stream_open(const struct interface *interface, uint16_t port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = victim, .sin_port = htons(port)};
	int fd = socket_open(interface, SOCK_STREAM);

	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 && errno != EINPROGRESS) {
		close(fd);
		return -1;
	}
	return fd;
}

static void streams_send(struct interface *interface)
{
	static const uint16_t ports[] = {HASTY_PORT_ALLOWED, HASTY_PORT_DENIED};
	struct hasty_mark payload = mark(interface, HASTY_ALLOWED_TCP);
	int again = interface->round++ % CONNECT_ROUNDS == 0;

	for (int i = 0; i < 2; i++) {
		int *fd = &interface->tcp[i];

		if (i == 0 && !interface->connected && *fd >= 0 &&
		    send(*fd, &payload, sizeof(payload), MSG_NOSIGNAL) == sizeof(payload))
			interface->connected = 1;
		if (!again || (i == 0 && interface->connected))
			continue;
		if (*fd >= 0)
			close(*fd);
		*fd = stream_open(interface, ports[i]);
	}
}

static void sockets_send(struct interface *interface)
{
	if (interface->address.s_addr == 0)
		return;
	if (interface->udp < 0)
		interface->udp = socket_open(interface, SOCK_DGRAM);
	datagram_send(interface, victim, HASTY_PORT_ALLOWED, HASTY_ALLOWED_UDP);
	datagram_send(interface, victim, HASTY_PORT_DENIED, HASTY_DENIED_UDP);
	datagram_send(interface, outside, HASTY_PORT_OUTSIDE, HASTY_ALLOWED_OUTSIDE);
	datagram_send(interface, outside, HASTY_PORT_DENIED, HASTY_DENIED_OUTSIDE);
	datagram_send(interface, gateway, HASTY_PORT_DENIED, HASTY_DENIED_HOST);
	streams_send(interface);
}

/* ---- Interfaces ---- */

static struct interface *interface_get(unsigned int index)
{
	for (unsigned int i = 0; i < interface_count; i++)
		if (interfaces[i].index == index)
			return &interfaces[i];
	if (interface_count == INTERFACES_MAX)
		return NULL;
	interfaces[interface_count] = (struct interface){
		.index = index,
		.number = (uint16_t)(number + interface_count),
		.udp = -1,
		.tcp = {-1, -1},
	};
	return &interfaces[interface_count++];
}

static void interface_send(const struct if_nameindex *name)
{
	struct interface *interface;
	struct ifreq request = {0};

	memcpy(request.ifr_name, name->if_name, strnlen(name->if_name, IFNAMSIZ - 1));
	if (ioctl(control_socket, SIOCGIFFLAGS, &request) < 0 || !(request.ifr_flags & IFF_UP) ||
	    (request.ifr_flags & IFF_LOOPBACK))
		return;
	interface = interface_get(name->if_index);
	if (!interface)
		return;
	memcpy(interface->name, request.ifr_name, sizeof(interface->name));
	if (ioctl(control_socket, SIOCGIFHWADDR, &request) == 0)
		memcpy(interface->mac, request.ifr_hwaddr.sa_data, ETH_ALEN);
	if (ioctl(control_socket, SIOCGIFADDR, &request) == 0)
		memcpy(&interface->address, request.ifr_addr.sa_data + 2, sizeof(interface->address));
	frames_send(interface);
	sockets_send(interface);
}

int main(int argc, char **argv)
{
	if (argc != 7 || inet_pton(AF_INET, argv[2], &victim) != 1 || inet_pton(AF_INET, argv[4], &outside) != 1 ||
	    inet_pton(AF_INET, argv[5], &gateway) != 1 || inet_pton(AF_INET, argv[6], &friendly) != 1 ||
	    sscanf(argv[3], "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &victim_mac[0], &victim_mac[1], &victim_mac[2],
		   &victim_mac[3], &victim_mac[4], &victim_mac[5]) != ETH_ALEN)
		return 2;
	number = (uint16_t)atoi(argv[1]);
	raw_socket = socket(AF_PACKET, SOCK_RAW, 0);
	control_socket = socket(AF_INET, SOCK_DGRAM, 0);
	if (raw_socket < 0 || control_socket < 0) {
		perror("hasty");
		return 1;
	}
	for (;;) {
		struct if_nameindex *names = if_nameindex();

		for (struct if_nameindex *name = names; name && name->if_index; name++)
			interface_send(name);
		if_freenameindex(names);
		if (tight_until && now_ms() > tight_until)
			usleep(PAUSE_US);
	}
}
