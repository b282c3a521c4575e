/* SPDX-License-Identifier: GPL-2.0-only */
#include "gate/nft_bridge.h"

#include <errno.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#define DUMP_BUFFER 32768u /* a message of a link dump with many virtual functions fits */
#define DUMP_TRIES  8

static int request(struct nlmsghdr *message, mnl_cb_t fn, void *arg)
{
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	uint8_t *buffer = malloc(DUMP_BUFFER);
	int one = 1, rc = 0;

	message->nlmsg_seq = 1;
	if (!buffer)
		rc = -ENOMEM;
	else if (!socket || mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0)
		rc = -errno;
	if (rc == 0) {
		mnl_socket_setsockopt(socket, NETLINK_CAP_ACK, &one, sizeof(one));
		rc = mnl_socket_sendto(socket, message, message->nlmsg_len) < 0 ? -errno : 1;
	}
	while (rc > 0) {
		ssize_t size = mnl_socket_recvfrom(socket, buffer, DUMP_BUFFER);

		rc = size < 0 ? -1 : mnl_cb_run(buffer, size, 1, mnl_socket_get_portid(socket), fn, arg);
		if (rc < 0)
			rc = errno ? -errno : -EPROTO;
	}
	if (socket)
		mnl_socket_close(socket);
	free(buffer);
	return rc;
}

/* ---- Reading ---- */

static void read_bridge(struct nft_link_info *link, const struct nlattr *data)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, data)
	{
		struct br_boolopt_multi options;

		if (mnl_attr_get_type(attr) != IFLA_BR_MULTI_BOOLOPT ||
		    mnl_attr_get_payload_len(attr) < sizeof(options))
			continue;
		memcpy(&options, mnl_attr_get_payload(attr), sizeof(options));
		link->no_linklocal_learn = options.optval & 1u << BR_BOOLOPT_NO_LL_LEARN;
	}
}

static void read_port(struct nft_link_info *link, const struct nlattr *data)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, data)
	{
		uint16_t type = mnl_attr_get_type(attr);

		if (mnl_attr_get_payload_len(attr) < 1)
			continue;
		if (type == IFLA_BRPORT_GUARD)
			link->guard = mnl_attr_get_u8(attr);
		else if (type == IFLA_BRPORT_MULTICAST_ROUTER)
			link->router = mnl_attr_get_u8(attr);
	}
}

static bool kind_is(const struct nlattr *attr, const char *kind)
{
	return attr && mnl_attr_validate(attr, MNL_TYPE_STRING) >= 0 &&
	       strncmp(mnl_attr_get_str(attr), kind, mnl_attr_get_payload_len(attr)) == 0;
}

static void read_linkinfo(struct nft_link_info *link, const struct nlattr *linkinfo)
{
	const struct nlattr *attr, *kind = NULL, *data = NULL, *slave_kind = NULL, *slave_data = NULL;

	mnl_attr_for_each_nested(attr, linkinfo)
	{
		switch (mnl_attr_get_type(attr)) {
		case IFLA_INFO_KIND:
			kind = attr;
			break;
		case IFLA_INFO_DATA:
			data = attr;
			break;
		case IFLA_INFO_SLAVE_KIND:
			slave_kind = attr;
			break;
		case IFLA_INFO_SLAVE_DATA:
			slave_data = attr;
			break;
		}
	}
	link->bridge = kind_is(kind, "bridge");
	link->veth = kind_is(kind, "veth");
	link->port = kind_is(slave_kind, "bridge");
	if (link->bridge && data)
		read_bridge(link, data);
	if (link->port && slave_data)
		read_port(link, slave_data);
}

static int link_read(const struct nlmsghdr *message, void *arg)
{
	const struct ifinfomsg *header = mnl_nlmsg_get_payload(message);
	struct nft_links *links = arg;
	struct nft_link_info *link;
	const struct nlattr *attr;

	if (message->nlmsg_flags & NLM_F_DUMP_INTR) {
		errno = EINTR;
		return MNL_CB_ERROR;
	}
	if (message->nlmsg_type != RTM_NEWLINK || mnl_nlmsg_get_payload_len(message) < sizeof(*header))
		return MNL_CB_OK;
	link = array_append(links);
	if (!link) {
		errno = ENOMEM;
		return MNL_CB_ERROR;
	}
	link->ifindex = (uint32_t)header->ifi_index;
	mnl_attr_for_each(attr, message, sizeof(*header))
	{
		switch (mnl_attr_get_type(attr)) {
		case IFLA_IFNAME:
			if (mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0)
				strncpy(link->name, mnl_attr_get_str(attr), sizeof(link->name) - 1);
			break;
		case IFLA_MASTER:
			if (mnl_attr_validate(attr, MNL_TYPE_U32) >= 0)
				link->master = mnl_attr_get_u32(attr);
			break;
		case IFLA_ADDRESS:
			link->has_mac = mnl_attr_get_payload_len(attr) == sizeof(link->mac.bytes);
			if (link->has_mac)
				memcpy(link->mac.bytes, mnl_attr_get_payload(attr), sizeof(link->mac.bytes));
			break;
		case IFLA_LINKINFO:
			read_linkinfo(link, attr);
			break;
		}
	}
	return MNL_CB_OK;
}

static int link_order(const void *a, const void *b)
{
	const struct nft_link_info *x = a, *y = b;

	return (x->ifindex > y->ifindex) - (x->ifindex < y->ifindex);
}

/* All, or those of a kind. */
static int links_dump(const char *kind, struct nft_links *links)
{
	uint8_t buffer[128];
	int rc = -EINTR;

	for (int i = 0; i < DUMP_TRIES && rc == -EINTR; i++) {
		struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
		struct nlattr *info;

		message->nlmsg_type = RTM_GETLINK;
		message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
		mnl_nlmsg_put_extra_header(message, sizeof(struct ifinfomsg));
		mnl_attr_put_u32(message, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
		if (kind) {
			info = mnl_attr_nest_start(message, IFLA_LINKINFO);
			mnl_attr_put_strz(message, IFLA_INFO_KIND, kind);
			mnl_attr_nest_end(message, info);
		}
		links->count = 0;
		rc = request(message, link_read, links);
	}
	return rc;
}

static int link_get(uint32_t ifindex, struct nft_links *links)
{
	uint8_t buffer[128];
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct ifinfomsg *header;
	int rc;

	message->nlmsg_type = RTM_GETLINK;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
	header->ifi_index = (int)ifindex;
	mnl_attr_put_u32(message, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	rc = request(message, link_read, links);
	return rc == -ENODEV ? 0 : rc;
}

static int links_done(int rc, struct nft_links *links, struct nft_links *ret_links, struct error *error)
{
	if (rc < 0) {
		array_free(links);
		return error_set(error, rc, "reading the links: %s", strerror(-rc));
	}
	if (links->count > 1)
		qsort(links->items, links->count, sizeof(*links->items), link_order);
	*ret_links = *links;
	return 0;
}

int nft_links_read(struct nft_links *ret_links, struct error *error)
{
	struct nft_links links = {0};

	return links_done(links_dump(NULL, &links), &links, ret_links, error);
}

int nft_links_read_some(const uint32_t *ifindexes, size_t count, struct nft_links *ret_links, struct error *error)
{
	struct nft_links links = {0};
	int rc = links_dump("bridge", &links);

	for (size_t i = 0; rc >= 0 && i < count; i++)
		rc = link_get(ifindexes[i], &links);
	return links_done(rc, &links, ret_links, error);
}

const struct nft_link_info *nft_link_find(const struct nft_links *links, uint32_t ifindex)
{
	struct nft_link_info key = {.ifindex = ifindex};

	return links->count ? bsearch(&key, links->items, links->count, sizeof(key), link_order) : NULL;
}

const struct nft_link_info *nft_link_named(const struct nft_links *links, const char *name)
{
	for (size_t i = 0; i < links->count; i++) {
		if (strcmp(links->items[i].name, name) == 0)
			return &links->items[i];
	}
	return NULL;
}

/* ---- Writing ---- */

#define SETTING_BUFFER 256u

static int acknowledged(struct nlmsghdr *message)
{
	int rc;

	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	rc = request(message, NULL, NULL);
	return rc == -ENODEV ? 0 : rc;
}

static int set_learning(uint32_t ifindex, bool learn)
{
	struct br_boolopt_multi options = {.optval = learn ? 0 : 1u << BR_BOOLOPT_NO_LL_LEARN,
					   .optmask = 1u << BR_BOOLOPT_NO_LL_LEARN};
	uint8_t buffer[SETTING_BUFFER];
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct ifinfomsg *header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
	struct nlattr *info, *data;

	message->nlmsg_type = RTM_NEWLINK;
	header->ifi_index = (int)ifindex;
	info = mnl_attr_nest_start(message, IFLA_LINKINFO);
	mnl_attr_put_strz(message, IFLA_INFO_KIND, "bridge");
	data = mnl_attr_nest_start(message, IFLA_INFO_DATA);
	mnl_attr_put(message, IFLA_BR_MULTI_BOOLOPT, sizeof(options), &options);
	mnl_attr_nest_end(message, data);
	mnl_attr_nest_end(message, info);
	return acknowledged(message);
}

#define AS_IT_IS (-1)

/* Both in one message: each takes the lock of all interfaces. */
static int set_port(uint32_t ifindex, int guard, int router)
{
	uint8_t buffer[SETTING_BUFFER];
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct ifinfomsg *header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
	struct nlattr *info;

	message->nlmsg_type = RTM_SETLINK;
	header->ifi_family = AF_BRIDGE;
	header->ifi_index = (int)ifindex;
	info = mnl_attr_nest_start(message, IFLA_PROTINFO | NLA_F_NESTED);
	if (guard != AS_IT_IS)
		mnl_attr_put_u8(message, IFLA_BRPORT_GUARD, (uint8_t)guard);
	if (router != AS_IT_IS)
		mnl_attr_put_u8(message, IFLA_BRPORT_MULTICAST_ROUTER, (uint8_t)router);
	mnl_attr_nest_end(message, info);
	return acknowledged(message);
}

static int set_address(const struct nft_link_info *link)
{
	uint8_t buffer[SETTING_BUFFER];
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct ifinfomsg *header = mnl_nlmsg_put_extra_header(message, sizeof(*header));

	message->nlmsg_type = RTM_SETLINK;
	header->ifi_index = (int)link->ifindex;
	mnl_attr_put(message, IFLA_ADDRESS, sizeof(link->mac.bytes), link->mac.bytes);
	return acknowledged(message);
}

static bool before_has(const struct nft_befores *befores, uint32_t ifindex, uint32_t setting)
{
	for (size_t i = 0; i < befores->count; i++) {
		if (befores->items[i].ifindex == ifindex)
			return befores->items[i].settings & setting;
	}
	return false;
}

static int before_note(struct nft_befores *befores, uint32_t ifindex, uint32_t settings)
{
	struct nft_before *before;

	for (size_t i = 0; i < befores->count; i++) {
		before = &befores->items[i];
		if (before->ifindex == ifindex) {
			/* A second change of the same setting is somebody else's: what was before us stays. */
			if (!(before->settings & settings & 0xff))
				before->settings |= settings;
			return 0;
		}
	}
	before = array_append(befores);
	if (!before)
		return -ENOMEM;
	*before = (struct nft_before){ifindex, settings};
	return 0;
}

int nft_link_harden(const struct nft_link_info *link, bool router, struct nft_befores *befores, struct error *error)
{
	bool guard = link->port && !link->guard, no_router = link->port && !router && link->router != 0;
	int rc = 0;

	if (link->bridge && !link->no_linklocal_learn) {
		rc = before_note(befores, link->ifindex, NFT_BEFORE_LEARN);
		if (rc == 0)
			rc = set_learning(link->ifindex, false);
	}
	if (rc == 0 && link->bridge && link->has_mac && !before_has(befores, link->ifindex, NFT_BEFORE_ADDRESS)) {
		rc = set_address(link);
		if (rc == 0)
			rc = before_note(befores, link->ifindex, NFT_BEFORE_ADDRESS);
	}
	if (rc == 0 && guard)
		rc = before_note(befores, link->ifindex, NFT_BEFORE_GUARD);
	if (rc == 0 && no_router)
		rc = before_note(befores, link->ifindex,
				 NFT_BEFORE_ROUTER | (uint32_t)link->router << NFT_BEFORE_SHIFT);
	if (rc == 0 && (guard || no_router))
		rc = set_port(link->ifindex, guard ? 1 : AS_IT_IS, no_router ? 0 : AS_IT_IS);
	return rc == 0 ? 0 : error_set(error, rc, "bridge settings of %s: %s", link->name, strerror(-rc));
}

int nft_link_restore(const struct nft_before *before, struct error *error)
{
	int rc = 0;

	if (before->settings & NFT_BEFORE_LEARN)
		rc = set_learning(before->ifindex, true);
	if (rc == 0 && before->settings & NFT_BEFORE_GUARD)
		rc = set_port(before->ifindex, 0, AS_IT_IS);
	if (rc == 0 && before->settings & NFT_BEFORE_ROUTER)
		rc = set_port(before->ifindex, AS_IT_IS, (uint8_t)(before->settings >> NFT_BEFORE_SHIFT));
	/* A port that left its bridge has nothing to put back (EINVAL, EOPNOTSUPP). */
	if (rc == -EINVAL || rc == -EOPNOTSUPP)
		rc = 0;
	return rc == 0 ? 0
		       : error_set(error, rc, "bridge settings of interface %u: %s", before->ifindex, strerror(-rc));
}
