/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <stdlib.h>
#include <string.h>

#include "link.h"
#include "netlink.h"

/* IFF_LOWER_UP of linux/if.h, which can not be included beside net/if.h. */
#define LINK_LOWER_UP (1u << 16)

static const char *const link_kind_names[LINK_KIND_MAX] = {
	[LINK_OTHER] = "",	    [LINK_VETH] = "veth",     [LINK_BRIDGE] = "bridge",
	[LINK_MACVLAN] = "macvlan", [LINK_IPVLAN] = "ipvlan",
};

static enum link_kind link_kind_of(const struct nlattr *info)
{
	const struct nlattr *table[IFLA_INFO_MAX + 1];

	if (!info || netlink_nested(info, table, IFLA_INFO_MAX) < 0 || !table[IFLA_INFO_KIND] ||
	    mnl_attr_validate(table[IFLA_INFO_KIND], MNL_TYPE_NUL_STRING) < 0)
		return LINK_OTHER;
	for (int kind = LINK_OTHER + 1; kind < LINK_KIND_MAX; kind++) {
		if (strcmp(mnl_attr_get_str(table[IFLA_INFO_KIND]), link_kind_names[kind]) == 0)
			return (enum link_kind)kind;
	}
	/* macvtap is a macvlan with another way out to user space. */
	return strcmp(mnl_attr_get_str(table[IFLA_INFO_KIND]), "macvtap") == 0 ? LINK_MACVLAN : LINK_OTHER;
}

static uint32_t attribute_u32(const struct nlattr *attribute)
{
	return netlink_has(attribute, sizeof(uint32_t)) ? mnl_attr_get_u32(attribute) : 0;
}

static int link_parse(const struct nlmsghdr *message, struct link *ret_link)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(message);
	const struct nlattr *table[IFLA_MAX + 1];
	struct link link = {.nsid = -1};
	int r = netlink_attributes(message, sizeof(*info), table, IFLA_MAX);

	if (r < 0)
		return r;
	if (info->ifi_index <= 0 || !table[IFLA_IFNAME] ||
	    mnl_attr_validate(table[IFLA_IFNAME], MNL_TYPE_NUL_STRING) < 0)
		return -EBADMSG;
	link.ifindex = (uint32_t)info->ifi_index;
	strncpy(link.name, mnl_attr_get_str(table[IFLA_IFNAME]), sizeof(link.name) - 1);
	link.kind = link_kind_of(table[IFLA_LINKINFO]);
	link.up = info->ifi_flags & IFF_UP;
	link.carrier = info->ifi_flags & LINK_LOWER_UP;
	link.loopback = info->ifi_flags & IFF_LOOPBACK;
	link.master = attribute_u32(table[IFLA_MASTER]);
	link.below = attribute_u32(table[IFLA_LINK]);
	link.elsewhere = table[IFLA_LINK_NETNSID];
	if (netlink_has(table[IFLA_LINK_NETNSID], sizeof(uint32_t)))
		link.nsid = (int32_t)mnl_attr_get_u32(table[IFLA_LINK_NETNSID]);
	if (table[IFLA_ADDRESS] && mnl_attr_get_payload_len(table[IFLA_ADDRESS]) == sizeof(link.mac.bytes)) {
		memcpy(link.mac.bytes, mnl_attr_get_payload(table[IFLA_ADDRESS]), sizeof(link.mac.bytes));
		link.has_mac = true;
	}
	*ret_link = link;
	return 0;
}

struct link_collector {
	struct links links;
	struct link_addrs addrs;
	struct link_routes routes;
	uint32_t ifindex; /* of addresses: 0 is any */
	size_t max;
};

static int link_note(const struct nlmsghdr *message, void *arg)
{
	struct link_collector *collector = arg;
	struct link link, *slot;
	int r;

	if (message->nlmsg_type != RTM_NEWLINK)
		return 0;
	if (collector->max && collector->links.count >= collector->max)
		return -E2BIG;
	r = link_parse(message, &link);
	if (r < 0)
		return r;
	slot = array_append(&collector->links);
	if (!slot)
		return -ENOMEM;
	*slot = link;
	return 0;
}

static int link_compare(const void *a, const void *b)
{
	const struct link *left = a, *right = b;

	return (left->ifindex > right->ifindex) - (left->ifindex < right->ifindex);
}

int link_dump(int fd, size_t max, struct links *ret_links, struct error *error)
{
	struct link_collector collector = {.max = max};
	struct netlink_request request;

	netlink_begin(&request, RTM_GETLINK, NLM_F_DUMP, sizeof(struct ifinfomsg));
	mnl_attr_put_u32(request.header, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	int r = netlink_ask(fd, &request, link_note, &collector, error);
	if (r < 0) {
		array_free(&collector.links);
		return error_wrap(error, r, "cannot list links");
	}
	if (collector.links.count > 0)
		qsort(collector.links.items, collector.links.count, sizeof(*collector.links.items), link_compare);
	*ret_links = collector.links;
	return 0;
}

static int link_note_one(const struct nlmsghdr *message, void *arg)
{
	return message->nlmsg_type == RTM_NEWLINK ? link_parse(message, arg) : 0;
}

int link_get(int fd, uint32_t ifindex, struct link *ret_link, struct error *error)
{
	struct netlink_request request;
	struct ifinfomsg *info = netlink_begin(&request, RTM_GETLINK, 0, sizeof(*info));
	struct link link = {0};

	info->ifi_index = (int)ifindex;
	mnl_attr_put_u32(request.header, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	int r = netlink_ask(fd, &request, link_note_one, &link, error);
	if (r < 0)
		return error_wrap(error, r, "cannot read link %u", ifindex);
	if (link.ifindex != ifindex)
		return error_set(error, -ENODEV, "no link has the number %u", ifindex);
	*ret_link = link;
	return 0;
}

static int family_size(uint8_t family)
{
	return family == AF_INET ? 4 : family == AF_INET6 ? 16 : 0;
}

static int addr_note(const struct nlmsghdr *message, void *arg)
{
	const struct ifaddrmsg *info = mnl_nlmsg_get_payload(message);
	struct link_collector *collector = arg;
	const struct nlattr *table[IFA_MAX + 1], *address;
	struct link_addr *slot;
	int r = netlink_attributes(message, sizeof(*info), table, IFA_MAX);

	if (message->nlmsg_type != RTM_NEWADDR)
		return 0;
	if (r < 0)
		return r;
	int size = family_size(info->ifa_family);
	/* On a point-to-point link IFA_ADDRESS is the other end; where there is an IFA_LOCAL it is ours. */
	address = table[IFA_LOCAL] ? table[IFA_LOCAL] : table[IFA_ADDRESS];
	if (size == 0 || !netlink_has(address, (size_t)size) || info->ifa_prefixlen > size * 8)
		return 0;
	if (collector->ifindex && info->ifa_index != collector->ifindex)
		return 0;
	if (collector->max && collector->addrs.count >= collector->max)
		return -E2BIG;
	uint32_t flags = table[IFA_FLAGS] ? attribute_u32(table[IFA_FLAGS]) : info->ifa_flags;
	slot = array_append(&collector->addrs);
	if (!slot)
		return -ENOMEM;
	slot->ifindex = info->ifa_index;
	slot->addr = addr_from_bytes(size == 4 ? ADDR_V4 : ADDR_V6, mnl_attr_get_payload(address));
	slot->length = info->ifa_prefixlen;
	slot->tentative = flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED) && !(flags & IFA_F_OPTIMISTIC);
	return 0;
}

int link_dump_addrs(int fd, uint32_t ifindex, size_t max, struct link_addrs *ret_addrs, struct error *error)
{
	struct link_collector collector = {.ifindex = ifindex, .max = max};
	struct netlink_request request;
	struct ifaddrmsg *info = netlink_begin(&request, RTM_GETADDR, NLM_F_DUMP, sizeof(*info));

	info->ifa_index = ifindex;
	int r = netlink_ask(fd, &request, addr_note, &collector, error);
	if (r < 0) {
		array_free(&collector.addrs);
		return error_wrap(error, r, "cannot list addresses");
	}
	*ret_addrs = collector.addrs;
	return 0;
}

static int route_note(const struct nlmsghdr *message, void *arg)
{
	const struct rtmsg *info = mnl_nlmsg_get_payload(message);
	struct link_collector *collector = arg;
	const struct nlattr *table[RTA_MAX + 1];
	int r = netlink_attributes(message, sizeof(*info), table, RTA_MAX);

	if (message->nlmsg_type != RTM_NEWROUTE)
		return 0;
	if (r < 0)
		return r;
	int size = family_size(info->rtm_family);
	uint32_t number = table[RTA_TABLE] ? attribute_u32(table[RTA_TABLE]) : info->rtm_table;
	if (size == 0 || number != RT_TABLE_MAIN || info->rtm_type != RTN_UNICAST || info->rtm_dst_len > size * 8 ||
	    !netlink_has(table[RTA_OIF], sizeof(uint32_t)))
		return 0;
	struct addr any = {.family = size == 4 ? ADDR_V4 : ADDR_V6};
	struct link_route *slot = array_append(&collector->routes);
	if (!slot)
		return -ENOMEM;
	slot->ifindex = attribute_u32(table[RTA_OIF]);
	slot->prefix.addr = netlink_has(table[RTA_DST], (size_t)size)
				    ? addr_from_bytes(any.family, mnl_attr_get_payload(table[RTA_DST]))
				    : any;
	slot->prefix.length = info->rtm_dst_len;
	slot->has_gateway = table[RTA_GATEWAY] || table[RTA_VIA];
	return 0;
}

int link_dump_routes(int fd, struct link_routes *ret_routes, struct error *error)
{
	struct link_collector collector = {0};
	struct netlink_request request;
	struct rtmsg *info = netlink_begin(&request, RTM_GETROUTE, NLM_F_DUMP, sizeof(*info));

	info->rtm_table = RT_TABLE_MAIN;
	int r = netlink_ask(fd, &request, route_note, &collector, error);
	if (r < 0) {
		array_free(&collector.routes);
		return error_wrap(error, r, "cannot list routes");
	}
	*ret_routes = collector.routes;
	return 0;
}

const struct link *link_find(const struct links *links, uint32_t ifindex)
{
	struct link wanted = {.ifindex = ifindex};

	return links->count > 0 ? bsearch(&wanted, links->items, links->count, sizeof(wanted), link_compare) : NULL;
}
