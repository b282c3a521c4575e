/* SPDX-License-Identifier: GPL-2.0-only */
/* nft alone: open flows are conntrack's. Who opened one stands in its mark. */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "gate/nft_private.h"

#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#define DELETED_AT_ONCE	 32u
#define FILTER_IP_SOURCE 1u /* nf_internals.h: CTA_FILTER_FLAG_CTA_IP_SRC */

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
	bool disown; /* what ends: its entry stays */
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
	flow.domain = nft_zone_bridge(&walk->nft->zones, original.zone);
	if (original.zone && !flow.domain) /* no packet finds it any more */
		return 0;
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

/* It has no opener any more: its ICMP errors are nobody's, and its answers no longer asked for. The entry itself stays,
 * so that the flow's next packet is told of with the line that refuses it. One that has gone by itself is as well. */
static int entry_end(struct nft_link *link, const struct entry *entry, uint32_t mask)
{
	uint8_t buffer[1024];
	struct nlmsghdr *message = message_begin(buffer, IPCTNL_MSG_CT_NEW, entry->family, NLM_F_ACK);
	int r;

	memcpy(mnl_nlmsg_get_payload_tail(message), entry->attrs, entry->size);
	message->nlmsg_len += entry->size;
	mnl_attr_put_u32(message, CTA_MARK, 0);
	mnl_attr_put_u32(message, CTA_MARK_MASK, htonl(mask));
	r = nft_link_query(link, message, NULL, NULL);
	return r == -ENOENT ? 0 : r;
}

static struct nlmsghdr *deletion_write(void *buffer, const struct entry *entry, uint16_t flags)
{
	struct nlmsghdr *message = message_begin(buffer, IPCTNL_MSG_CT_DELETE, entry->family, flags);

	memcpy(mnl_nlmsg_get_payload_tail(message), entry->attrs, entry->size);
	message->nlmsg_len += entry->size;
	return message;
}

/* As one message to the kernel, whose answer to the last is waited for: those before fail only where an entry has gone
 * by itself, which is as well. */
static int entries_delete(struct nft_link *link, const struct entry *entries, size_t count)
{
	uint8_t buffer[DELETED_AT_ONCE * 640];
	size_t size = 0;
	int r;

	for (size_t i = 0; i + 1 < count; i++)
		size += NLMSG_ALIGN(deletion_write(buffer + size, &entries[i], 0)->nlmsg_len);
	if (size && mnl_socket_sendto(link->socket, buffer, size) < 0)
		return -errno;
	r = nft_link_query(link, deletion_write(buffer, &entries[count - 1], NLM_F_ACK), NULL, NULL);
	return r == -ENOENT ? 0 : r;
}

static int walk_link(struct walk *walk, struct nft_link *link, struct nlmsghdr *question)
{
	int r = nft_link_query(link, question, entry_take, walk);

	for (size_t i = 0; r == 0 && walk->disown && i < walk->ended.count; i++)
		r = entry_end(link, &walk->ended.items[i], walk->nft->settings.mask);
	for (size_t i = 0; r == 0 && !walk->disown && i < walk->ended.count; i += DELETED_AT_ONCE) {
		size_t left = walk->ended.count - i;

		r = entries_delete(link, &walk->ended.items[i], left < DELETED_AT_ONCE ? left : DELETED_AT_ONCE);
	}
	array_free(&walk->ended);
	return r;
}

int nft_gate_flows_walk(const struct nft_gate *nft, int (*fn)(void *arg, const struct gate_flow *flow), void *arg)
{
	struct walk walk = {.nft = nft, .fn = fn, .arg = arg, .disown = true};
	struct nft_link link = {0};
	uint8_t buffer[256];
	int r = nft_link_open(&link, NULL);

	if (r == 0)
		r = walk_link(&walk, &link, message_begin(buffer, IPCTNL_MSG_CT_GET, AF_UNSPEC, NLM_F_DUMP));
	nft_link_close(&link);
	return r;
}

/* ---- Flows of somebody who is gone ---- */

/* The kernel gives only entries in whose direction `tuple` the source is this address. */
static void filter_put(struct nlmsghdr *message, const struct addr *addr, bool reply)
{
	struct nlattr *filter = mnl_attr_nest_start(message, CTA_FILTER), *tuple, *ip;
	bool v4 = addr->family == ADDR_V4;

	mnl_attr_put_u32(message, CTA_FILTER_ORIG_FLAGS, reply ? 0 : FILTER_IP_SOURCE);
	mnl_attr_put_u32(message, CTA_FILTER_REPLY_FLAGS, reply ? FILTER_IP_SOURCE : 0);
	mnl_attr_nest_end(message, filter);
	tuple = mnl_attr_nest_start(message, reply ? CTA_TUPLE_REPLY : CTA_TUPLE_ORIG);
	ip = mnl_attr_nest_start(message, CTA_TUPLE_IP);
	mnl_attr_put(message, v4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, v4 ? 4 : 16, addr->bytes);
	mnl_attr_nest_end(message, ip);
	mnl_attr_nest_end(message, tuple);
}

#define FORGOTTEN_MAX 8192u /* at once: the rest has its turn when the newcomers are tried again */

struct forget {
	struct map *owners; /* address → struct gate_port */
	size_t count;
};

static const struct gate_port *owner_of(const struct forget *forget, const struct addr *addr)
{
	return map_get(forget->owners, addr, sizeof(*addr));
}

/* Others may have the address on other bridges. */
static int flow_forget(void *arg, const struct gate_flow *flow)
{
	struct forget *forget = arg;
	const struct gate_port *port = owner_of(forget, &flow->own);

	if (!port)
		port = owner_of(forget, &flow->remote);
	if (!port || (flow->domain && flow->domain != port->domain))
		return 0;
	return forget->count++ < FORGOTTEN_MAX ? GATE_FLOW_END : 0;
}

/* Of one address the kernel is asked for its flows alone. It walks its whole table for each question: more addresses
 * are looked for here, in one walk. */
static int forget_walk(struct walk *walk, struct nft_link *link, const struct addr *only)
{
	int r = 0;

	for (int reply = 0; r == 0 && reply < (only ? 2 : 1); reply++) {
		uint8_t buffer[256];
		uint8_t family = !only ? AF_UNSPEC : only->family == ADDR_V4 ? AF_INET : AF_INET6;
		struct nlmsghdr *question = message_begin(buffer, IPCTNL_MSG_CT_GET, family, NLM_F_DUMP);

		if (only)
			filter_put(question, only, reply);
		r = walk_link(walk, link, question);
	}
	return r;
}

static int forget_all(const struct nft_gate *nft, struct gate_port *const *ports, size_t count, struct forget *forget)
{
	struct walk walk = {.nft = nft, .fn = flow_forget, .arg = forget};
	struct nft_link link = {0};
	const struct addr *last = NULL;
	size_t addresses = 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < count; i++) {
		for (size_t j = 0; r == 0 && j < ports[i]->address_count; j++, addresses++) {
			last = &ports[i]->addresses[j];
			r = map_set(forget->owners, last, sizeof(*last), ports[i], NULL);
		}
	}
	if (r < 0 || !addresses)
		return r;
	r = nft_link_open(&link, NULL);
	if (r == 0)
		r = forget_walk(&walk, &link, addresses == 1 ? last : NULL);
	nft_link_close(&link);
	return r == 0 && forget->count > FORGOTTEN_MAX ? -EAGAIN : r;
}

static bool is_open(const struct nft_pairs *open, uint32_t ifindex)
{
	for (size_t i = 0; i < open->count; i++)
		if (open->items[i].key == ifindex)
			return true;
	return false;
}

/* Opened all the same, they could hear what somebody else has asked for. */
static void newcomers_wait(struct gate_port *const *ports, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		ports[i]->ret_result = -EAGAIN;
		snprintf(ports[i]->ret_problem, sizeof(ports[i]->ret_problem),
			 "flows of whoever had its addresses before can't be ended");
	}
}

int nft_flows_forget(struct nft_gate *nft, const struct gate_desired *desired)
{
	struct gate_port **newcomers = calloc(desired->port_count + 1, sizeof(*newcomers));
	struct forget forget = {.owners = map_new()};
	struct nft_pairs open = {0};
	size_t count = 0;
	int r = newcomers && forget.owners ? nft_set_read(&nft->link, NFT_TABLE_BRIDGE, NFT_SET_OPEN, &open) : -ENOMEM;

	if (r == -ENOENT)
		r = 0;
	for (size_t i = 0; r == 0 && i < desired->port_count; i++) {
		struct gate_port *port = &desired->ports[i];

		if (port->open && port->ret_result == 0 && !is_open(&open, port->ifindex))
			newcomers[count++] = port;
	}
	if (r == 0 && count && forget_all(nft, newcomers, count, &forget) < 0)
		newcomers_wait(newcomers, count);
	map_free(forget.owners, NULL);
	array_free(&open);
	free(newcomers);
	return r;
}
