/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "hook.h"
#include "port/link.h"
#include "port/namespace.h"
#include "port/netlink.h"

#define DUMP_TRIES 5 /* of a list that changes while it is made */

static int links_read(int ns_fd, struct links *ret_links, struct error *error)
{
	AUTO_CLOSE int fd = -1;
	int r = namespace_netlink(ns_fd, NETLINK_ROUTE, &fd);

	if (r < 0)
		return error_set(error, r, "the network namespace can't be entered: %s", strerror(-r));
	r = -EAGAIN;
	for (int i = 0; r == -EAGAIN && i < DUMP_TRIES; i++)
		r = link_dump(fd, LINK_FOREIGN_MAX, ret_links, error);
	return r;
}

/* The other end is what both ends say of each other, and in which namespace: a number alone may be anybody's. */
static int other_end(int here_fd, int ns_fd, const struct link *inner, struct link *ret_outer)
{
	int32_t nsid;
	int r;

	if (inner->kind != LINK_VETH || !inner->elsewhere || inner->below == 0)
		return 0;
	r = link_get(here_fd, inner->below, ret_outer, NULL);
	if (r == -ENODEV)
		return 0;
	if (r < 0)
		return r;
	if (ret_outer->kind != LINK_VETH || !ret_outer->elsewhere || ret_outer->below != inner->ifindex)
		return 0;
	/* Asked for last: to be told of a link gives its namespace a number. */
	r = netlink_nsid(here_fd, ns_fd, &nsid, NULL);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	return nsid == ret_outer->nsid;
}

int hook_veth_find(int ns_fd, const char *inside, char ret_host[16], char ret_mac[18], struct error *error)
{
	AUTO_CLOSE int here_fd = -1;
	struct links links = {0};
	bool there = !inside;
	int r = netlink_open(NETLINK_ROUTE, &here_fd);

	if (r < 0)
		return error_set(error, r, "netlink: %s", strerror(-r));
	r = links_read(ns_fd, &links, error);
	for (size_t i = 0; r == 0 && i < links.count; i++) {
		const struct link *inner = &links.items[i];
		struct link outer;

		if (inside && strcmp(inner->name, inside) != 0)
			continue;
		there = true;
		r = other_end(here_fd, ns_fd, inner, &outer);
		if (r < 0)
			error_set(error, r, "the container's veth can't be read: %s", strerror(-r));
		if (r > 0 && ret_host)
			memcpy(ret_host, outer.name, IFNAMSIZ);
		if (r > 0 && ret_mac) {
			ret_mac[0] = '\0';
			if (inner->has_mac)
				mac_format(&inner->mac, ret_mac);
		}
	}
	array_free(&links);
	if (r == 0 && !there)
		return error_set(error, -ENODEV, "there is no interface '%s' in the network namespace", inside);
	return r;
}

static int is_ours(int ns_fd)
{
	uint64_t ours = 0, its = 0;
	int r = namespace_cookie_here(&ours);

	if (r == 0)
		r = namespace_cookie(ns_fd, &its);
	return r < 0 ? r : ours == its;
}

int hook_netns_has_ports(const char *netns, struct error *error)
{
	AUTO_CLOSE int fd = -1;
	int r = namespace_open(netns, &fd);

	if (r < 0)
		return error_set(error, r, "the container's network namespace can't be opened: %s", strerror(-r));
	r = is_ours(fd);
	if (r < 0)
		return error_set(error, r, "the container's network namespace can't be entered: %s", strerror(-r));
	return r > 0 ? 0 : hook_veth_find(fd, NULL, NULL, NULL, error);
}
