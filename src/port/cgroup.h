/* SPDX-License-Identifier: GPL-2.0-only */
/* Control groups, as evidence: which hierarchies there are, who is in a group, in which groups somebody is. A path is
 * read from the root of its hierarchy on: below its own group a container makes groups of any name. */
#ifndef BULKHEAD_PORT_CGROUP_H
#define BULKHEAD_PORT_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CGROUPS_MAX 16u
/* Processes of a group that are looked at: the first is a container's own. */
#define CGROUP_PIDS_MAX 8

struct cgroups { /* where the hierarchies are mounted; on older hosts there are many, and any tells the same */
	char *mounts[CGROUPS_MAX];
	size_t count;
};

void cgroups_find(const char *proc, struct cgroups *cgroups); /* anew */
void cgroups_free(struct cgroups *cgroups);

/* The first processes of a group, by its folder; *ret_found (may be NULL): there is such a group, with somebody in it.
 */
size_t cgroup_pids(const char *folder, int32_t pids[CGROUP_PIDS_MAX], bool *ret_found);

/* Calls `cut` with each line of the process's /proc/PID/cgroup ("4:memory:/a/b", `size` bytes) and `what`, until it
 * returns something, which the caller frees. NULL: it never does, or there is no such process. */
typedef char *(*cgroup_cut_fn)(const char *line, size_t size, const char *what);
char *cgroup_cut(const char *proc, int32_t pid, cgroup_cut_fn cut, const char *what);
/* The part of the process's path, in any hierarchy, that ends with `name` ("web", "default/web"), with nothing before
 * it but slices ("system.slice") and groups that we are in, too: "/lxc.payload.web",
 * "/machine.slice/machine-web.scope". NULL: it is in no such group. The caller frees. */
char *cgroup_of(const char *proc, int32_t pid, const char *name);

#endif
