/* SPDX-License-Identifier: GPL-2.0-only */
/* What the kernel shall be, on its way from the watcher's view to gate_apply(). */
#ifndef BULKHEAD_DAEMON_DESIRED_H
#define BULKHEAD_DAEMON_DESIRED_H

#include "daemon/daemon.h"

struct desired {
	struct world world;
	struct table *table;	       /* set by the caller between desired_build() and desired_finish() */
	struct gate_port *ports;       /* those of the world that are policed, and those that may soon be */
	uint32_t *world_index;	       /* of each: its place in world.ports; UINT32_MAX: it is not known yet */
	const struct port **view_port; /* of each: what the watcher knows; valid until control returns to the loop */
	size_t port_count;
	uint64_t overruns;	  /* the view's */
	struct gate_desired gate; /* points into the above and below */
	struct gate_ignored *ignored;
	struct gate_via *via;
	struct gate_bridge *bridges;
	struct gate_published *published;
};

/* The world from the watcher's view, and the ports, all but what needs a table. */
int desired_build(struct daemon *daemon, struct desired *next, struct error *error);
/* Identities from next->table, seeds, door; next->gate is ready for gate_apply() after it. */
int desired_finish(struct daemon *daemon, struct desired *next, struct error *error);
void desired_free(struct desired *next);
/* Takes the ports as applied out of `next`: only what stays valid (no pointers into the view). */
void desired_keep_ports(struct desired *next, struct gate_port **ports, size_t *count);
/* The name of a port's container, escaped; its interface when nobody is known. Returns buffer. */
const char *desired_container_name(const struct desired *next, size_t index, char *buffer, size_t size);

#endif
