/* SPDX-License-Identifier: GPL-2.0-only */
/* Which ports are meant by the name of an interface and the path of a namespace, now and later. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "netlink.h"
#include "watch.h"

void port_site_free(struct port_site *site)
{
	free(site->netns);
	*site = (struct port_site){0};
}

static int interface_locate(struct port_watch *watch, const char *interface, struct link *ret_link, struct error *error)
{
	char shown[IFNAMSIZ * 4];
	uint32_t ifindex = strlen(interface) < IFNAMSIZ ? if_nametoindex(interface) : 0;

	text_escape(shown, sizeof(shown), interface);
	if (ifindex == 0 || link_get(watch->netlink_fd, ifindex, ret_link, NULL) < 0)
		return error_set(error, -ENODEV, "there is no interface '%s'", shown);
	if (ret_link->kind != LINK_VETH)
		return error_set(error, -EOPNOTSUPP, "'%s' is no veth, and can't be policed", shown);
	return 0;
}

static int netns_locate(struct port_watch *watch, const char *netns, const struct link *link, uint64_t *ret_cookie,
			struct error *error)
{
	AUTO_CLOSE int fd = -1;
	char shown[256];
	struct peer peer = {0};
	int32_t nsid = -1;
	int r = netns[0] == '/' ? namespace_open(netns, &fd) : -EINVAL;

	text_escape(shown, sizeof(shown), netns);
	if (r == 0)
		r = namespace_cookie(fd, ret_cookie);
	if (r == -EINVAL)
		return error_set(error, r, "'%s' is no path of a network namespace", shown);
	if (r < 0)
		return error_set(error, r, "'%s': %s", shown, strerror(-r));
	if (*ret_cookie == watch->cookie)
		return error_set(error, -EINVAL, "'%s' is the host's own namespace", shown);
	if (!link)
		return 0;
	r = netlink_nsid(watch->netlink_fd, fd, &nsid, NULL);
	if (r == 0)
		r = link->elsewhere && link->nsid == nsid ? peer_read(fd, link->below, link->ifindex, &peer, NULL)
							  : -ENODEV;
	peer_free(&peer);
	return r < 0 ? error_set(error, -EINVAL, "the other end of the interface is not in '%s'", shown) : 0;
}

/* What is known of the link's other end already, and true still. */
static uint64_t cookie_behind(const struct port_watch *watch, const struct link *link)
{
	const struct entry *entry = watch_entry(watch, link->ifindex);

	return entry && entry->verified && link->elsewhere && link->nsid == entry->link.nsid ? entry->namespace.cookie
											     : 0;
}

int port_watch_locate(struct port_watch *watch, const char *interface, const char *netns, struct port_site *ret_site,
		      struct error *error)
{
	struct port_site site = {0};
	struct link link = {0};
	int r = 0;

	if (!interface && !netns)
		return error_set(error, -EINVAL, "an interface or a network namespace is needed");
	if (interface)
		r = interface_locate(watch, interface, &link, error);
	if (r == 0 && netns)
		r = netns_locate(watch, netns, interface ? &link : NULL, &site.cookie, error);
	if (r < 0)
		return r;
	site.ifindex = link.ifindex;
	if (interface && !netns)
		site.cookie = cookie_behind(watch, &link);
	site.netns = netns ? strdup(netns) : NULL;
	if (netns && !site.netns)
		return error_set(error, -ENOMEM, "out of memory");
	*ret_site = site;
	return 0;
}

bool site_holds(const struct port_site *site, const struct entry *entry)
{
	return (site->ifindex == 0 || site->ifindex == entry->link.ifindex) &&
	       (site->cookie == 0 || entry->namespace.cookie == 0 || site->cookie == entry->namespace.cookie);
}

void port_watch_look(struct port_watch *watch, const struct port_site *site)
{
	for (size_t i = 0; site && i < watch->entries.count; i++) {
		if (site_holds(site, watch->entries.items[i]))
			entry_look_now(watch->entries.items[i]);
	}
	watch->told = false;
	port_watch_schedule(watch, 0);
}

uint64_t port_watch_looked(const struct port_watch *watch)
{
	return watch->looked;
}

static const struct port *view_port(const struct port_watch *watch, uint32_t ifindex)
{
	for (size_t i = 0; i < watch->view.ports.count; i++) {
		if (watch->view.ports.items[i].ifindex == ifindex)
			return &watch->view.ports.items[i];
	}
	return NULL;
}

static int list_add(struct port_list *list, const struct port *port)
{
	const struct port **slot = port ? array_append(list) : NULL;

	if (port && !slot)
		return -ENOMEM;
	if (slot)
		*slot = port;
	return 0;
}

static int interface_at(const struct port_watch *watch, const struct port_site *site, struct port_list *list,
			struct error *error)
{
	const struct port *port = view_port(watch, site->ifindex);

	if (!port)
		return error_set(error, -ESTALE, "the interface has gone");
	if (site->cookie && port->cookie && site->cookie != port->cookie)
		return error_set(error, -ESTALE, "the other end of the interface is in another namespace by now");
	return list_add(list, port);
}

static int namespace_at(struct port_watch *watch, const struct port_site *site, struct port_list *list,
			struct error *error)
{
	AUTO_CLOSE int fd = -1;
	uint64_t cookie = 0;
	int32_t nsid;
	int r = namespace_open(site->netns, &fd);

	if (r == 0)
		r = namespace_cookie(fd, &cookie);
	if (r < 0 || cookie != site->cookie)
		return error_set(error, -ESTALE, "the network namespace has gone");
	/* Without a number here no veth leads to it. */
	if (netlink_nsid(watch->netlink_fd, fd, &nsid, NULL) < 0)
		return 0;
	for (size_t i = 0; r == 0 && i < watch->entries.count; i++) {
		const struct link *link = &watch->entries.items[i]->link;

		if (link->elsewhere && link->nsid == nsid)
			r = list_add(list, view_port(watch, link->ifindex));
	}
	return r < 0 ? error_set(error, r, "out of memory") : 0;
}

int port_watch_at(struct port_watch *watch, const struct port_site *site, struct port_list *ret_ports,
		  struct error *error)
{
	struct port_list list = {0};
	int r = site->ifindex ? interface_at(watch, site, &list, error) : namespace_at(watch, site, &list, error);

	if (r < 0) {
		array_free(&list);
		return r;
	}
	*ret_ports = list;
	return 0;
}
