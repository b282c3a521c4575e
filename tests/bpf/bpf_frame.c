/* SPDX-License-Identifier: GPL-2.0-only */
/* Frames from a few words. */
#include <arpa/inet.h>
#include <net/ethernet.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <string.h>

#include "bpf_test.h"

static void mac_parse(const char *text, uint8_t *mac)
{
	unsigned int part[6];

	assert_int_equal(sscanf(text, "%x:%x:%x:%x:%x:%x", &part[0], &part[1], &part[2], &part[3], &part[4], &part[5]),
			 6);
	for (int i = 0; i < 6; i++)
		mac[i] = part[i];
}

static size_t put16(uint8_t *buffer, size_t at, uint16_t value)
{
	value = htons(value);
	memcpy(buffer + at, &value, sizeof(value));
	return at + sizeof(value);
}

static size_t put32(uint8_t *buffer, size_t at, uint32_t value)
{
	value = htonl(value);
	memcpy(buffer + at, &value, sizeof(value));
	return at + sizeof(value);
}

static size_t put_address(uint8_t *buffer, size_t at, const char *text)
{
	int family = strchr(text, ':') ? AF_INET6 : AF_INET;

	assert_int_equal(inet_pton(family, text, buffer + at), 1);
	return at + (family == AF_INET ? 4 : 16);
}

static size_t transport_build(const struct frame *frame, uint8_t *buffer)
{
	size_t at = 0;

	if (frame->none)
		return 0;
	if (frame->transport) {
		memcpy(buffer, frame->transport, frame->payload);
		return frame->payload;
	}
	switch (frame->protocol) {
	case TCP:
		at = put16(buffer, at, frame->sport ? frame->sport : 40000);
		at = put16(buffer, at, frame->dport);
		at = put32(buffer, at, frame->seq);
		at = put32(buffer, at, frame->ack);
		buffer[at++] = (frame->scale ? 6 : 5) << 4;
		buffer[at++] = frame->flags;
		at = put16(buffer, at, frame->window ? frame->window : 1000);
		at = put32(buffer, at, 0);
		if (frame->scale) {
			const uint8_t option[] = {1, 3, 3, frame->scale - 1};

			memcpy(buffer + at, option, sizeof(option));
			at += sizeof(option);
		}
		break;
	case UDP:
		at = put16(buffer, at, frame->sport ? frame->sport : 40000);
		at = put16(buffer, at, frame->dport);
		at = put16(buffer, at, 8 + frame->payload);
		at = put16(buffer, at, 0);
		break;
	case SCTP:
		at = put16(buffer, at, frame->sport ? frame->sport : 40000);
		at = put16(buffer, at, frame->dport);
		at = put32(buffer, at, frame->seq);
		at = put32(buffer, at, 0);
		buffer[at++] = frame->chunk ? frame->chunk - 1 : 1;
		buffer[at++] = frame->chunk_flags;
		at = put16(buffer, at, frame->chunk && frame->chunk != CHUNK_INIT_ACK ? 4 : 20);
		if (!frame->chunk || frame->chunk == CHUNK_INIT_ACK) {
			at = put32(buffer, at, frame->ack ? frame->ack : 1);
			memset(buffer + at, 0, 12);
			at += 12;
		}
		break;
	case ICMP:
	case ICMP6:
		buffer[at++] = frame->icmp_type;
		buffer[at++] = frame->icmp_code;
		at = put16(buffer, at, 0);
		at = put16(buffer, at, frame->id);
		at = put16(buffer, at, 0);
		break;
	default:
		break;
	}
	if (frame->body)
		memcpy(buffer + at, frame->body, frame->payload);
	return at + frame->payload;
}

static size_t ipv4_build(const struct frame *frame, uint8_t *buffer)
{
	size_t header = 20 + frame->options_size, size;

	memset(buffer, 0, header);
	if (frame->options)
		memcpy(buffer + 20, frame->options, frame->options_size);
	size = header + transport_build(frame, buffer + header);
	buffer[0] =
		(frame->version ? frame->version : 4) << 4 | (frame->header_length ? frame->header_length : header / 4);
	put16(buffer, 2, size + frame->length_error);
	put16(buffer, 4, frame->fragment_id);
	put16(buffer, 6, frame->fragment / 8 | (frame->more ? 0x2000 : 0));
	buffer[8] = frame->hop_limit ? frame->hop_limit : 64;
	buffer[9] = frame->protocol;
	put_address(buffer, 12, frame->from);
	put_address(buffer, 16, frame->to);
	return size;
}

static size_t ipv6_build(const struct frame *frame, uint8_t *buffer)
{
	size_t at = 40, size;
	bool fragmented = frame->fragment || frame->more;
	uint8_t next = frame->options_size ? frame->next_header : fragmented ? 44 : frame->protocol;

	memset(buffer, 0, at);
	if (frame->options_size)
		memcpy(buffer + at, frame->options, frame->options_size);
	at += frame->options_size;
	if (fragmented) {
		buffer[at++] = frame->protocol;
		buffer[at++] = 0;
		at = put16(buffer, at, frame->fragment | (frame->more ? 1 : 0));
		at = put32(buffer, at, frame->fragment_id);
	}
	size = at + transport_build(frame, buffer + at);
	buffer[0] = (frame->version ? frame->version : 6) << 4;
	put16(buffer, 4, size - 40 + frame->length_error);
	buffer[6] = next;
	buffer[7] = frame->hop_limit ? frame->hop_limit : 64;
	put_address(buffer, 8, frame->from);
	put_address(buffer, 24, frame->to);
	return size;
}

static size_t arp_build(const struct frame *frame, const struct port *port, bool from_port, uint8_t *buffer)
{
	size_t at = 0;

	at = put16(buffer, at, 1);
	at = put16(buffer, at, IPV4);
	buffer[at++] = 6;
	buffer[at++] = 4;
	at = put16(buffer, at, frame->operation ? frame->operation : 1);
	if (frame->arp_mac)
		mac_parse(frame->arp_mac, buffer + at);
	else if (from_port)
		memcpy(buffer + at, port->map.mac, 6);
	else
		mac_parse("02:00:00:00:00:01", buffer + at);
	at = put_address(buffer, at + 6, frame->from);
	memset(buffer + at, 0, 6);
	return put_address(buffer, at + 6, frame->to);
}

size_t frame_build(const struct frame *frame, const struct port *port, bool from_port, uint8_t *buffer)
{
	uint16_t type = frame->type;
	size_t at = 12, size;

	if (!type)
		type = strchr(frame->from, ':') ? IPV6 : IPV4;
	mac_parse("02:00:00:00:00:01", buffer + (from_port ? 0 : 6));
	memcpy(buffer + (from_port ? 6 : 0), port->map.mac, 6);
	if (frame->to_mac)
		mac_parse(frame->to_mac, buffer);
	if (frame->from_mac)
		mac_parse(frame->from_mac, buffer + 6);
	if (frame->tag) {
		at = put16(buffer, at, frame->tag);
		at = put16(buffer, at, 5);
	}
	if (frame->tag2) {
		at = put16(buffer, at, frame->tag2);
		at = put16(buffer, at, 6);
	}
	at = put16(buffer, at, type);
	switch (type) {
	case IPV4:
		size = ipv4_build(frame, buffer + at);
		break;
	case IPV6:
		size = ipv6_build(frame, buffer + at);
		break;
	case ARP:
		size = arp_build(frame, port, from_port, buffer + at);
		break;
	default:
		memset(buffer + at, 0, 64);
		size = 64;
		break;
	}
	size += at;
	assert_true(size <= FRAME_MAX && frame->cut <= size - 14);
	return size - frame->cut;
}
