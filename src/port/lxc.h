/* SPDX-License-Identifier: GPL-2.0-only */
/* The runtime `lxc`: its parts.
 *
 * LXC pins no namespaces. Each container that runs has a monitor, a process of the host's, in a control group at the
 * root of its hierarchy, `lxc.monitor.GROUP`; the monitor's title names the container and the folder that holds its
 * configuration; its child is the container's first process, in `lxc.payload.GROUP`. A container's own processes are in
 * or below the latter, so nothing of a container's can be taken for a monitor. */
#ifndef BULKHEAD_PORT_LXC_H
#define BULKHEAD_PORT_LXC_H

#include "evidence.h"
#include "watch.h"

#define LXC_CONFIG_MAX	   (256u << 10)
#define LXC_NETS_MAX	   64u
#define LXC_CONTAINERS_MAX 4096u

struct lxc_net { /* lxc.net.NUMBER: one interface of a container's */
	unsigned int number;
	char type[16];	     /* "veth", "none", "macvlan" …; "": not said */
	char link[IFNAMSIZ]; /* the bridge */
	char pair[IFNAMSIZ]; /* the host's end */
	char name[IFNAMSIZ]; /* the container's end */
	bool has_mac;	     /* and no part of it is left open */
	struct mac mac;
	struct port_addrs addresses, gateways;
};
struct lxc_config {
	struct {
		ARRAY_OF(struct lxc_net);
	} nets;
	char reason[REASON_MAX]; /* not "": it can't be used, because of this */
};

/* lxc.container.conf(5), as far as it tells of the network. Files that it includes are not read. 0 or -ENOMEM. */
int lxc_config_parse(const char *data, struct lxc_config *ret_config);
void lxc_config_free(struct lxc_config *config);
/* The part that this port is made of: by the name of the host's end, by the MAC, then by the bridge and the name of the
 * container's end, then by the bridge alone, if it is the only one on it. NULL: none, it was plugged in later, or
 * lxc_net_may_be(). */
const struct lxc_net *lxc_net_find(const struct lxc_config *config, const struct runtime_question *question);
/* Has the configuration addresses for a port on this bridge, which it may be although it is not found? The container
 * can change the name and the MAC of its end. */
bool lxc_net_may_be(const struct lxc_config *config, const struct runtime_question *question);

/* A monitor's arguments: its title "[lxc monitor] FOLDER NAME", or the command line of `lxc-start -F`, where FOLDER is
 * said by -P, or is `folder`. The name of the container, if it is in `folder`; NULL: it is none, or elsewhere. The
 * caller frees. */
char *lxc_monitor_parse(const char *arguments, size_t size, const char *folder);

#endif
