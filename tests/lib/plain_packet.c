/* SPDX-License-Identifier: GPL-2.0-only */
#include "tests/lib/plain_packet.h"

#include <netinet/in.h>
#include <string.h>

#define EXTENSION_HEADERS 8 /* docs/reasons.md: at most so many are followed */
#define DATAGRAM_MAX	  65535

/* What is left of a packet. */
struct bytes {
	const uint8_t *at;
	size_t size;
};

static uint16_t be16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static void skip(struct bytes *bytes, size_t count)
{
	bytes->at += count;
	bytes->size -= count;
}

static void bad(struct plain_packet *packet, const char *why)
{
	packet->kind = PLAIN_BAD;
	packet->why = why;
}

/* ---- Addresses ---- */

static bool starts(const struct addr *addr, const char *bytes, size_t count)
{
	return memcmp(addr->bytes, bytes, count) == 0;
}

static bool holds_v4(const struct addr *addr)
{
	return starts(addr, "\0\0\0\0\0\0\0\0\0\0\0\0", 12) || starts(addr, "\0\0\0\0\0\0\0\0\0\0\377\377", 12);
}

bool plain_target_is_group(const struct addr *addr)
{
	if (addr->family == ADDR_V6)
		return addr->bytes[0] == 0xff;
	return addr->bytes[0] >> 4 == 14 || starts(addr, "\377\377\377\377", 4);
}

bool plain_target_is_martian(const struct addr *addr)
{
	if (addr->family == ADDR_V6)
		return holds_v4(addr);
	return addr->bytes[0] == 0 || addr->bytes[0] == 127;
}

bool plain_source_is_martian(const struct addr *addr)
{
	return plain_target_is_martian(addr) || plain_target_is_group(addr);
}

/* ---- Transport ---- */

/* Flags that a TCP may send together (nf_conntrack_proto_tcp.c: tcp_valid_flags). */
static bool tcp_flags_possible(uint8_t flags)
{
	bool fin = flags & 1, syn = flags & 2, rst = flags & 4, ack = flags & 16, urg = flags & 32;

	if (syn + rst + fin > 1)
		return false;
	if (syn)
		return !(ack && urg);
	if (rst)
		return !urg;
	return ack;
}

static void read_tcp(struct bytes left, struct plain_packet *packet)
{
	if (left.size < 20)
		return bad(packet, "TCP cut short");
	if (left.at[12] >> 4 < 5)
		return bad(packet, "a TCP header that is too small");
	if ((left.at[12] >> 4) * 4u > left.size)
		return bad(packet, "TCP options cut short");
	if (!tcp_flags_possible(left.at[13]))
		return bad(packet, "impossible TCP flags");
	packet->service.port = be16(left.at + 2);
	packet->kind = (left.at[13] & (1 | 2 | 4 | 16)) == 2 ? PLAIN_OPENS : PLAIN_STRAY;
}

static bool ports_are(const uint8_t *ports, uint16_t one, uint16_t other)
{
	return be16(ports) == one && be16(ports + 2) == other;
}

static void read_udp(struct bytes left, struct plain_packet *packet)
{
	bool v4 = packet->source.family == ADDR_V4;
	uint16_t client = v4 ? 68 : 546, server = v4 ? 67 : 547;

	if (left.size < 8)
		return bad(packet, "UDP cut short");
	packet->service.port = be16(left.at + 2);
	packet->server = ports_are(left.at, server, client);
	packet->kind = packet->server || ports_are(left.at, client, server) ? PLAIN_LIFE : PLAIN_OPENS;
}

/* RFC 9260: an INIT, which bears no tag, or a HEARTBEAT on a further path (docs/state.md). */
static void read_sctp(struct bytes left, struct plain_packet *packet)
{
	bool tagged, init;

	if (left.size < 16)
		return bad(packet, "SCTP cut short");
	tagged = memcmp(left.at + 4, "\0\0\0\0", 4) != 0;
	init = left.at[12] == 1;
	if (init || left.at[12] == 2) {
		if (left.size < 20)
			return bad(packet, "an INIT cut short");
		if (memcmp(left.at + 16, "\0\0\0\0", 4) == 0)
			return bad(packet, "an INIT without a tag to bear");
	}
	packet->service.port = be16(left.at + 2);
	packet->kind = (init && !tagged) || left.at[12] == 4 ? PLAIN_OPENS : PLAIN_STRAY;
}

static void read_icmp(struct bytes left, struct plain_packet *packet)
{
	static const uint8_t strays[] = {0, 3, 4, 5, 11, 12, 14, 16, 18, 43};

	if (left.size < 8)
		return bad(packet, "ICMP cut short");
	packet->service.port = be16(left.at);
	packet->kind = memchr(strays, left.at[0], sizeof(strays)) ? PLAIN_STRAY : PLAIN_OPENS;
	if (left.at[0] == 5)
		bad(packet, "an IPv4 redirect");
	if (left.at[0] == 9) {
		packet->kind = PLAIN_LIFE;
		packet->server = true;
	}
}

static void read_icmp6(struct bytes left, struct plain_packet *packet)
{
	static const uint8_t strays[] = {129, 140, 161}, servers[] = {130, 134, 137, 151, 152, 153};

	if (left.size < 8)
		return bad(packet, "ICMPv6 cut short");
	packet->service.port = be16(left.at);
	packet->kind = left.at[0] < 128 || memchr(strays, left.at[0], sizeof(strays)) ? PLAIN_STRAY : PLAIN_OPENS;
	packet->server = memchr(servers, left.at[0], sizeof(servers));
	if ((left.at[0] >= 130 && left.at[0] <= 137) || left.at[0] == 143 || packet->server)
		packet->kind = PLAIN_LIFE;
}

static void read_igmp(struct bytes left, struct plain_packet *packet)
{
	static const uint8_t reports[] = {0x12, 0x16, 0x17, 0x22};

	if (left.size < 8)
		return bad(packet, "IGMP cut short");
	packet->kind = PLAIN_LIFE;
	packet->server = !memchr(reports, left.at[0], sizeof(reports));
}

static void read_transport(struct bytes left, struct plain_packet *packet)
{
	bool v4 = packet->source.family == ADDR_V4;

	packet->service.protocol = packet->protocol;
	if (packet->kind == PLAIN_BAD || packet->kind == PLAIN_LATER)
		return;
	if (packet->protocol == IPPROTO_TCP)
		return read_tcp(left, packet);
	if (packet->protocol == IPPROTO_UDP)
		return read_udp(left, packet);
	if (packet->protocol == IPPROTO_SCTP)
		return read_sctp(left, packet);
	if (packet->protocol == IPPROTO_ICMP && v4)
		return read_icmp(left, packet);
	if (packet->protocol == IPPROTO_ICMPV6 && !v4)
		return read_icmp6(left, packet);
	if (packet->protocol == IPPROTO_IGMP && v4)
		return read_igmp(left, packet);
	packet->kind = PLAIN_OPENS;
	/* ICMP in the other family's packet is this protocol by its number alone: no type of it is meant. */
	if (packet->protocol == IPPROTO_ICMP || packet->protocol == IPPROTO_ICMPV6)
		packet->service.port = 0xfefe;
	if (packet->protocol == IPPROTO_PIM) {
		packet->kind = PLAIN_LIFE;
		packet->server = true;
	}
}

/* ---- Parts of datagrams ---- */

static void read_part(struct plain_packet *packet, uint32_t offset, bool more, size_t size)
{
	packet->begin = offset;
	packet->end = offset + (uint32_t)size;
	packet->more = more;
	packet->first = offset == 0 && more;
	if (offset == 0 && !more)
		return; /* a whole one */
	if (offset > 0)
		packet->kind = PLAIN_LATER;
	if (size == 0)
		return bad(packet, "a part without data");
	if (packet->end > DATAGRAM_MAX)
		return bad(packet, "a part beyond the largest datagram");
	if (more && size % 8 != 0)
		return bad(packet, "a part in the middle that is no multiple of eight bytes");
}

/* ---- IPv4 ---- */

static void read_options(struct bytes left, struct plain_packet *packet)
{
	while (left.size > 0 && left.at[0] != 0) {
		size_t length = 1;

		if (left.at[0] == 131 || left.at[0] == 137)
			return bad(packet, "a source route");
		if (left.at[0] != 1) {
			if (left.size < 2)
				return bad(packet, "an IPv4 option cut short");
			length = left.at[1];
			if (length < 2 || length > left.size)
				return bad(packet, "an IPv4 option of impossible length");
		}
		skip(&left, length);
	}
}

static void read_ipv4(struct bytes left, struct plain_packet *packet)
{
	size_t header, total;
	uint16_t part;

	if (left.size < 20)
		return bad(packet, "IPv4 cut short");
	header = (left.at[0] & 15) * 4u;
	total = be16(left.at + 2);
	part = be16(left.at + 6);
	if (left.at[0] >> 4 != 4)
		return bad(packet, "no IPv4");
	if (header < 20 || total < header)
		return bad(packet, "impossible IPv4 lengths");
	if (total > left.size)
		return bad(packet, "less than IPv4 says");
	left.size = total; /* Ethernet pads */
	packet->source = addr_from_bytes(4, left.at + 12);
	packet->target = addr_from_bytes(4, left.at + 16);
	packet->protocol = left.at[9];
	packet->fragment_id = be16(left.at + 4);
	read_options((struct bytes){left.at + 20, header - 20}, packet);
	skip(&left, header);
	if (packet->kind != PLAIN_BAD)
		read_part(packet, (part & 0x1fff) * 8u, part & 0x2000, left.size);
	read_transport(left, packet);
}

/* ---- IPv6 ---- */

static bool is_extension(uint8_t protocol)
{
	return protocol == IPPROTO_HOPOPTS || protocol == IPPROTO_ROUTING || protocol == IPPROTO_FRAGMENT ||
	       protocol == IPPROTO_DSTOPTS || protocol == IPPROTO_AH;
}

/* RFC 8200, 4.5. What is cut into parts begins behind this header. */
static void read_fragment_header(struct bytes *left, struct plain_packet *packet)
{
	uint16_t offset = be16(left->at + 2) & 0xfff8;
	bool more = left->at[3] & 1;

	memcpy(&packet->fragment_id, left->at + 4, 4);
	packet->protocol = left->at[0];
	skip(left, 8);
	read_part(packet, offset, more, left->size);
}

static void read_extension(struct bytes *left, struct plain_packet *packet)
{
	size_t length = packet->protocol == IPPROTO_AH ? (left->at[1] + 2u) * 4 : (left->at[1] + 1u) * 8;

	if (packet->protocol == IPPROTO_FRAGMENT)
		return read_fragment_header(left, packet);
	if (packet->protocol == IPPROTO_ROUTING && (left->at[2] == 0 || left->at[3] != 0))
		return bad(packet, "a source route");
	if (length > left->size)
		return bad(packet, "an extension header cut short");
	packet->protocol = left->at[0];
	skip(left, length);
}

static void read_ipv6(struct bytes left, struct plain_packet *packet)
{
	size_t payload;
	bool fragmented = false;

	if (left.size < 40)
		return bad(packet, "IPv6 cut short");
	payload = be16(left.at + 4);
	if (left.at[0] >> 4 != 6)
		return bad(packet, "no IPv6");
	if (payload > left.size - 40)
		return bad(packet, "less than IPv6 says");
	packet->source = addr_from_bytes(6, left.at + 8);
	packet->target = addr_from_bytes(6, left.at + 24);
	packet->protocol = left.at[6];
	skip(&left, 40);
	left.size = payload;
	for (int i = 0; packet->kind == PLAIN_OPENS && is_extension(packet->protocol); i++) {
		if (i == EXTENSION_HEADERS)
			return bad(packet, "too many extension headers");
		if (packet->protocol == IPPROTO_HOPOPTS && i > 0)
			return bad(packet, "hop-by-hop options that are not first");
		if (packet->protocol == IPPROTO_FRAGMENT && fragmented)
			return bad(packet, "two fragment headers");
		if (left.size < 8)
			return bad(packet, "an extension header cut short");
		fragmented = fragmented || packet->protocol == IPPROTO_FRAGMENT;
		read_extension(&left, packet);
	}
	read_transport(left, packet);
}

/* ---- Frames ---- */

static void read_arp(struct bytes left, struct plain_packet *packet)
{
	packet->arp = true;
	packet->kind = PLAIN_LIFE;
	if (left.size < 28)
		return bad(packet, "ARP cut short");
	if (memcmp(left.at, "\0\1\10\0\6\4", 6) != 0)
		return bad(packet, "ARP for something else than IPv4 on Ethernet");
	packet->source = addr_from_bytes(4, left.at + 14);
	packet->target = addr_from_bytes(4, left.at + 24);
	if (memcmp(left.at + 8, packet->source_mac, 6) != 0)
		packet->server = true; /* of a MAC that is not the sender's */
}

/* What comes behind the addresses, or behind one tag: two are nobody's to send. */
static void read_by_type(uint16_t type, struct bytes left, struct plain_packet *packet)
{
	bool tag = type == 0x8100 || type == 0x88a8;

	if (tag && packet->tagged)
		return bad(packet, "two VLAN tags");
	if (tag && left.size < 4)
		return bad(packet, "a VLAN tag cut short");
	if (tag) {
		packet->tagged = true;
		type = be16(left.at + 2);
		skip(&left, 4);
		return read_by_type(type, left, packet);
	}
	if (type == 0x0800)
		return read_ipv4(left, packet);
	if (type == 0x86dd)
		return read_ipv6(left, packet);
	if (type == 0x0806)
		return read_arp(left, packet);
	bad(packet, "neither IPv4, IPv6 nor ARP");
}

void plain_packet_read(const uint8_t *frame, size_t size, struct plain_packet *ret_packet)
{
	struct plain_packet packet = {.kind = PLAIN_OPENS};

	if (size < 14) {
		bad(&packet, "a frame cut short");
	} else {
		memcpy(packet.target_mac, frame, 6);
		memcpy(packet.source_mac, frame + 6, 6);
		read_by_type(be16(frame + 12), (struct bytes){frame + 14, size - 14}, &packet);
	}
	*ret_packet = packet;
}
