/* SPDX-License-Identifier: GPL-2.0-only */
/* Packets that the door reports by NFLOG, as events. The rule's prefix says verdict, reason and decision; the packet
 * itself is whatever a container sent. */
#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gate/nft_watch.h"

#include <linux/if_ether.h>

#define BUCKET_PREFIX "bulkhead "

/* "bulkhead VERDICT r=REASON d=DECISION[ out]" */
static bool prefix_parse_report(const char *prefix, struct bh_event *event)
{
	static const struct {
		const char *word;
		uint8_t verdict;
	} verdicts[] = {
		{"deny ", BH_EVENT_DENY},
		{"allow ", BH_EVENT_ALLOW},
		{"would-deny ", BH_EVENT_WOULD_DENY},
		{"staged ", BH_EVENT_STAGED},
	};
	size_t length = strlen(BUCKET_PREFIX);
	unsigned int reason, decision;
	int end = 0;

	if (strncmp(prefix, BUCKET_PREFIX, length) != 0)
		return false;
	prefix += length;
	for (size_t i = 0; i < sizeof(verdicts) / sizeof(*verdicts); i++) {
		length = strlen(verdicts[i].word);
		if (strncmp(prefix, verdicts[i].word, length) != 0)
			continue;
		if (sscanf(prefix + length, "r=%3u d=%10u%n", &reason, &decision, &end) != 2 || reason >= BH_REASON_MAX)
			return false;
		event->verdict = verdicts[i].verdict;
		event->reason = (uint8_t)reason;
		event->decision = decision;
		event->direction = strcmp(prefix + length + end, " out") == 0 ? BH_EVENT_TO_PORT : BH_EVENT_FROM_PORT;
		return true;
	}
	return false;
}

static uint16_t get16(const uint8_t *bytes)
{
	return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static void transport_parse(const uint8_t *data, size_t size, struct bh_event *event)
{
	switch (event->protocol) {
	case IPPROTO_TCP:
		if (size >= 14)
			event->tcp_flags = data[13];
		__attribute__((fallthrough));
	case IPPROTO_UDP:
	case IPPROTO_SCTP:
		if (size >= 4) {
			event->source_port = get16(data);
			event->destination_port = get16(data + 2);
		}
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		if (size >= 2) {
			event->tcp_flags = data[0];
			event->destination_port = get16(data);
		}
		break;
	}
}

static void ipv4_parse(const uint8_t *data, size_t size, struct bh_event *event)
{
	size_t header;

	if (size < 20 || data[0] >> 4 != 4)
		return;
	header = (size_t)(data[0] & 0xf) * 4;
	event->family = 4;
	event->protocol = data[9];
	event->length = get16(data + 2);
	memcpy(event->source, data + 12, 4);
	memcpy(event->destination, data + 16, 4);
	/* Only a first fragment has ports. */
	if (header >= 20 && header <= size && !(get16(data + 6) & 0x1fff))
		transport_parse(data + header, size - header, event);
}

static bool is_extension(uint8_t next)
{
	/* Hop-by-hop, routing, fragment, destination options (RFC 8200). */
	return next == 0 || next == 43 || next == 44 || next == 60;
}

static void ipv6_parse(const uint8_t *data, size_t size, struct bh_event *event)
{
	size_t offset = 40;
	uint8_t next;

	if (size < 40 || data[0] >> 4 != 6)
		return;
	event->family = 6;
	event->length = 40u + get16(data + 4);
	memcpy(event->source, data + 8, 16);
	memcpy(event->destination, data + 24, 16);
	next = data[6];
	for (unsigned int i = 0; i < BH_EXTENSION_HEADERS_MAX && is_extension(next) && offset + 8 <= size; i++) {
		bool fragment = next == 44;

		if (fragment && get16(data + offset + 2) & 0xfff8) {
			event->protocol = data[offset];
			return;
		}
		next = data[offset];
		offset += fragment ? 8 : (data[offset + 1] + 1u) * 8;
	}
	event->protocol = next;
	if (offset <= size)
		transport_parse(data + offset, size - offset, event);
}

static void payload_parse(const struct nlattr *payload, struct bh_event *event)
{
	const uint8_t *data = mnl_attr_get_payload(payload);
	size_t size = mnl_attr_get_payload_len(payload);

	event->length = (uint32_t)size;
	if (event->ethertype == ETH_P_IP)
		ipv4_parse(data, size, event);
	else if (event->ethertype == ETH_P_IPV6)
		ipv6_parse(data, size, event);
	else if (event->ethertype == ETH_P_ARP && size >= 28) {
		memcpy(event->source, data + 14, 4);
		memcpy(event->destination, data + 24, 4);
	}
}

static uint32_t index_of(const struct nlattr *attr)
{
	return attr && mnl_attr_get_payload_len(attr) == sizeof(uint32_t) ? ntohl(mnl_attr_get_u32(attr)) : 0;
}

/* A routed packet's input interface is the bridge: the port is the one in it with the sender's address. */
static uint32_t port_behind(const struct nft_report_ports *ports, uint32_t ifindex, const uint8_t mac[6])
{
	for (size_t i = 0; i < ports->count; i++) {
		if (ports->items[i].domain == ifindex && memcmp(ports->items[i].mac.bytes, mac, 6) == 0)
			return ports->items[i].ifindex;
	}
	return ifindex;
}

static void interfaces_parse(const struct nlattr *const attrs[NFULA_MAX + 1], const struct nft_report_ports *ports,
			     struct bh_event *event)
{
	bool out = event->direction == BH_EVENT_TO_PORT;
	uint32_t bridge_port = index_of(attrs[out ? NFULA_IFINDEX_PHYSOUTDEV : NFULA_IFINDEX_PHYSINDEV]);
	uint32_t device = index_of(attrs[out ? NFULA_IFINDEX_OUTDEV : NFULA_IFINDEX_INDEV]);

	event->ifindex = bridge_port ? bridge_port : device;
	if (!bridge_port && !out)
		event->ifindex = port_behind(ports, device, event->source_mac);
}

static void link_parse(const struct nlattr *const attrs[NFULA_MAX + 1], struct bh_event *event)
{
	const struct nlattr *header = attrs[NFULA_HWHEADER], *address = attrs[NFULA_HWADDR];
	struct nfulnl_msg_packet_hw hw;

	if (header && mnl_attr_get_payload_len(header) >= ETH_HLEN) {
		const uint8_t *frame = mnl_attr_get_payload(header);

		memcpy(event->destination_mac, frame, ETH_ALEN);
		memcpy(event->source_mac, frame + ETH_ALEN, ETH_ALEN);
	} else if (address && mnl_attr_get_payload_len(address) >= sizeof(hw)) {
		memcpy(&hw, mnl_attr_get_payload(address), sizeof(hw));
		memcpy(event->source_mac, hw.hw_addr, ETH_ALEN);
	}
}

static uint64_t boot_time(void)
{
	struct timespec now = {0};

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

bool nft_report_parse(const struct nlmsghdr *message, uint32_t shift, const struct nft_report_ports *ports,
		      struct bh_event *ret_event)
{
	const struct nlattr *attrs[NFULA_MAX + 1] = {0}, *attr;
	struct bh_event event = {.time = boot_time()};
	struct nfulnl_msg_packet_hdr header;
	uint32_t stamp;

	if (mnl_nlmsg_get_payload_len(message) < sizeof(struct nfgenmsg))
		return false;
	mnl_attr_for_each(attr, message, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(attr) <= NFULA_MAX)
			attrs[mnl_attr_get_type(attr)] = attr;
	}
	attr = attrs[NFULA_PACKET_HDR];
	if (!attr || mnl_attr_get_payload_len(attr) < sizeof(header) || !attrs[NFULA_PREFIX] ||
	    mnl_attr_validate(attrs[NFULA_PREFIX], MNL_TYPE_NUL_STRING) < 0 ||
	    !prefix_parse_report(mnl_attr_get_str(attrs[NFULA_PREFIX]), &event))
		return false;
	memcpy(&header, mnl_attr_get_payload(attr), sizeof(header));
	event.ethertype = ntohs(header.hw_protocol);
	stamp = index_of(attrs[NFULA_MARK]) >> shift & ((1u << BH_STAMP_BITS) - 1);
	event.src_class = stamp;
	if (header.hook == NF_INET_LOCAL_IN && event.direction == BH_EVENT_FROM_PORT && event.reason != BH_DROP_CLOSED)
		event.dst_class = BH_CLASS_HOST;
	link_parse(attrs, &event);
	interfaces_parse(attrs, ports, &event);
	if (attrs[NFULA_PAYLOAD])
		payload_parse(attrs[NFULA_PAYLOAD], &event);
	*ret_event = event;
	return true;
}
