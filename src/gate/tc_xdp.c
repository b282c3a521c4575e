/* SPDX-License-Identifier: GPL-2.0-only */
/* The XDP program of one interface. libbpf 1.1 asks for all interfaces to find one: with hundreds of ports that holds
 * up whoever asks for the status, and all that the daemon does. */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include "gate/tc_private.h"

#define ANSWER_MAX 32768u

static int attached_read(const struct nlattr *attr, void *arg)
{
	uint32_t *program = arg;

	switch (mnl_attr_get_type(attr)) {
	case IFLA_XDP_PROG_ID:
	case IFLA_XDP_DRV_PROG_ID:
	case IFLA_XDP_SKB_PROG_ID:
	case IFLA_XDP_HW_PROG_ID:
		if (mnl_attr_validate(attr, MNL_TYPE_U32) >= 0 && mnl_attr_get_u32(attr))
			*program = mnl_attr_get_u32(attr);
		break;
	default:
		break;
	}
	return MNL_CB_OK;
}

static int link_attr_read(const struct nlattr *attr, void *arg)
{
	if (mnl_attr_get_type(attr) == IFLA_XDP)
		return mnl_attr_parse_nested(attr, attached_read, arg);
	return MNL_CB_OK;
}

static int link_message_read(const struct nlmsghdr *message, void *arg)
{
	if (message->nlmsg_type != RTM_NEWLINK)
		return MNL_CB_OK;
	return mnl_attr_parse(message, sizeof(struct ifinfomsg), link_attr_read, arg);
}

uint32_t tc_xdp_program(uint32_t ifindex)
{
	uint8_t buffer[ANSWER_MAX] __attribute__((aligned(8)));
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	uint32_t program = 0;
	ssize_t size = -1;

	message->nlmsg_type = RTM_GETLINK;
	message->nlmsg_flags = NLM_F_REQUEST;
	((struct ifinfomsg *)mnl_nlmsg_put_extra_header(message, sizeof(struct ifinfomsg)))->ifi_index = (int)ifindex;
	mnl_attr_put_u32(message, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	if (socket && mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) == 0 &&
	    mnl_socket_sendto(socket, message, message->nlmsg_len) >= 0)
		size = mnl_socket_recvfrom(socket, buffer, sizeof(buffer));
	if (size > 0)
		mnl_cb_run(buffer, (size_t)size, 0, 0, link_message_read, &program);
	if (socket)
		mnl_socket_close(socket);
	return program;
}
