/* SPDX-License-Identifier: GPL-2.0-only */
/* nft alone: open flows are conntrack's. Who opened one stands in its mark. */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "gate/nft_private.h"

#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

/* An entry's attributes that name it to the kernel. */
struct entry {
	uint8_t family;
	uint32_t size;
	uint8_t attrs[512];
};

struct walk {
	const struct nft_gate *nft;
	int (*fn)(void *arg, const struct gate_flow *flow);
	void *arg;
	struct {
		ARRAY_OF(struct entry);
	} ended;
};

/* One direction of an entry. */
struct tuple {
	struct addr source, destination;
	uint16_t source_port, destination_port; /* host order; ICMP: the identifier, type << 8 | code */
	uint8_t protocol;
	uint16_t zone;
};

static uint16_t read16(const struct nlattr *attr)
{
	return mnl_attr_get_payload_len(attr) == sizeof(uint16_t) ? ntohs(mnl_attr_get_u16(attr)) : 0;
}

static uint8_t read8(const struct nlattr *attr)
{
	return mnl_attr_get_payload_len(attr) == sizeof(uint8_t) ? mnl_attr_get_u8(attr) : 0;
}

static void addresses_read(const struct nlattr *nest, struct tuple *tuple)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, nest)
	{
		bool v4 = mnl_attr_get_payload_len(attr) == 4;

		if (!v4 && mnl_attr_get_payload_len(attr) != 16)
			continue;
		switch (mnl_attr_get_type(attr)) {
		case CTA_IP_V4_SRC:
		case CTA_IP_V6_SRC:
			tuple->source = addr_from_bytes(v4 ? ADDR_V4 : ADDR_V6, mnl_attr_get_payload(attr));
			break;
		case CTA_IP_V4_DST:
		case CTA_IP_V6_DST:
			tuple->destination = addr_from_bytes(v4 ? ADDR_V4 : ADDR_V6, mnl_attr_get_payload(attr));
			break;
		default: /* the kernel's, which may have more one day */
			break;
		}
	}
}

static void protocol_read(const struct nlattr *nest, struct tuple *tuple)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, nest)
	{
		switch (mnl_attr_get_type(attr)) {
		case CTA_PROTO_NUM:
			tuple->protocol = read8(attr);
			break;
		case CTA_PROTO_SRC_PORT:
		case CTA_PROTO_ICMP_ID:
		case CTA_PROTO_ICMPV6_ID:
			tuple->source_port = read16(attr);
			break;
		case CTA_PROTO_DST_PORT:
			tuple->destination_port = read16(attr);
			break;
		case CTA_PROTO_ICMP_TYPE:
		case CTA_PROTO_ICMPV6_TYPE:
			tuple->destination_port |= (uint16_t)(read8(attr) << 8);
			break;
		case CTA_PROTO_ICMP_CODE:
		case CTA_PROTO_ICMPV6_CODE:
			tuple->destination_port |= read8(attr);
			break;
		default: /* as above */
			break;
		}
	}
}

static void tuple_read(const struct nlattr *nest, struct tuple *tuple)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, nest)
	{
		if (mnl_attr_get_type(attr) == CTA_TUPLE_IP)
			addresses_read(attr, tuple);
		else if (mnl_attr_get_type(attr) == CTA_TUPLE_PROTO)
			protocol_read(attr, tuple);
		else if (mnl_attr_get_type(attr) == CTA_TUPLE_ZONE)
			tuple->zone = read16(attr);
	}
}

static bool tcp_is_over(const struct nlattr *info)
{
	const struct nlattr *nest, *attr;

	mnl_attr_for_each_nested(nest, info)
	{
		if (mnl_attr_get_type(nest) != CTA_PROTOINFO_TCP)
			continue;
		mnl_attr_for_each_nested(attr, nest)
		{
			uint8_t state = read8(attr);

			if (mnl_attr_get_type(attr) == CTA_PROTOINFO_TCP_STATE)
				return state == TCP_CONNTRACK_TIME_WAIT || state == TCP_CONNTRACK_CLOSE;
		}
	}
	return false;
}

/* Its original direction, zone and number are its name. */
static int entry_keep(struct walk *walk, const struct nlmsghdr *answer, uint8_t family)
{
	struct entry *entry = array_append(&walk->ended);
	const struct nlattr *attr;

	if (!entry)
		return -ENOMEM;
	*entry = (struct entry){.family = family};
	mnl_attr_for_each(attr, answer, sizeof(struct nfgenmsg))
	{
		uint16_t type = mnl_attr_get_type(attr);
		uint32_t size = MNL_ALIGN(attr->nla_len);

		if ((type != CTA_TUPLE_ORIG && type != CTA_ZONE && type != CTA_ID) ||
		    entry->size + size > sizeof(entry->attrs))
			continue;
		memcpy(entry->attrs + entry->size, attr, size);
		entry->size += size;
	}
	return 0;
}

/* Where it goes to in the end is where its answers come from. */
static int entry_take(void *arg, const struct nlmsghdr *answer)
{
	struct walk *walk = arg;
	const struct nft_settings *settings = &walk->nft->settings;
	uint8_t family = ((const struct nfgenmsg *)mnl_nlmsg_get_payload(answer))->nfgen_family;
	struct tuple original = {0}, reply = {0};
	struct gate_flow flow = {.direction = BH_FLOW_OUT};
	const struct nlattr *attr;
	uint32_t mark = 0;
	bool over = false;
	int r;

	mnl_attr_for_each(attr, answer, sizeof(struct nfgenmsg))
	{
		uint16_t type = mnl_attr_get_type(attr);

		if (type == CTA_TUPLE_ORIG)
			tuple_read(attr, &original);
		else if (type == CTA_TUPLE_REPLY)
			tuple_read(attr, &reply);
		else if (type == CTA_ZONE && !original.zone)
			original.zone = read16(attr);
		else if (type == CTA_MARK && mnl_attr_get_payload_len(attr) == sizeof(uint32_t))
			mark = ntohl(mnl_attr_get_u32(attr));
		else if (type == CTA_PROTOINFO)
			over = tcp_is_over(attr);
	}
	flow.opener = (mark & settings->mask) >> settings->shift;
	if (over || !flow.opener || !original.source.family || !reply.source.family)
		return 0;
	flow.own = original.source;
	flow.remote = reply.source;
	flow.own_port = original.source_port;
	flow.remote_port = reply.source_port;
	flow.protocol = original.protocol;
	flow.domain = original.zone ? original.zone - 1u : 0; /* nft_judge.c: zone_of() */
	if (flow.protocol == IPPROTO_ICMP || flow.protocol == IPPROTO_ICMPV6) {
		flow.own_port = original.source_port;
		flow.remote_port = original.destination_port;
	}
	r = walk->fn(walk->arg, &flow);
	return r == GATE_FLOW_END ? entry_keep(walk, answer, family) : r;
}

static struct nlmsghdr *message_begin(void *buffer, uint16_t type, uint8_t family, uint16_t flags)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct nfgenmsg *general = mnl_nlmsg_put_extra_header(message, sizeof(*general));

	message->nlmsg_type = (uint16_t)(NFNL_SUBSYS_CTNETLINK << 8 | type);
	message->nlmsg_flags = NLM_F_REQUEST | flags;
	*general = (struct nfgenmsg){.nfgen_family = family, .version = NFNETLINK_V0};
	return message;
}

/* One that has gone by itself is as well. */
static int entry_delete(struct nft_link *link, const struct entry *entry)
{
	uint8_t buffer[1024];
	struct nlmsghdr *message = message_begin(buffer, IPCTNL_MSG_CT_DELETE, entry->family, NLM_F_ACK);
	int r;

	memcpy(mnl_nlmsg_get_payload_tail(message), entry->attrs, entry->size);
	message->nlmsg_len += entry->size;
	r = nft_link_query(link, message, NULL, NULL);
	return r == -ENOENT ? 0 : r;
}

int nft_gate_flows_walk(const struct nft_gate *nft, int (*fn)(void *arg, const struct gate_flow *flow), void *arg)
{
	struct walk walk = {.nft = nft, .fn = fn, .arg = arg};
	struct nft_link link = {0};
	uint8_t buffer[256];
	int r = nft_link_open(&link, NULL);

	if (r == 0)
		r = nft_link_query(&link, message_begin(buffer, IPCTNL_MSG_CT_GET, AF_UNSPEC, NLM_F_DUMP), entry_take,
				   &walk);
	for (size_t i = 0; r == 0 && i < walk.ended.count; i++)
		r = entry_delete(&link, &walk.ended.items[i]);
	array_free(&walk.ended);
	nft_link_close(&link);
	return r;
}
