/* SPDX-License-Identifier: GPL-2.0-only */
/* Containers that share another's network namespace: --network container:X, and pods. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "engine.h"
#include "netlink.h"

/* Containers that join one that joins another …: what is deeper, or goes in a circle, is not followed. */
#define SHARE_DEPTH_MAX 16

bool engine_process_is_in(const struct port_watch *watch, int32_t pid, int32_t nsid)
{
	AUTO_CLOSE int fd = -1;
	char path[PATH_MAX];
	int32_t found;

	return pid > 0 && snprintf(path, sizeof(path), "%s/%d/ns/net", watch->options.proc, pid) < (int)sizeof(path) &&
	       namespace_open(path, &fd) == 0 && netlink_nsid(watch->netlink_fd, fd, &found, NULL) == 0 &&
	       found == nsid;
}

static bool leads_to(const struct engine_family *family, const struct engine_record *record,
		     const struct engine_record *owner)
{
	for (int depth = 0; record && record->joins && depth < SHARE_DEPTH_MAX; depth++) {
		record = family->find(family->arg, record->joins);
		if (record && strcmp(record->owner.id, owner->owner.id) == 0)
			return true;
	}
	return false;
}

int engine_share(const struct engine_family *family, const struct engine_record *owner, int32_t nsid,
		 struct evidence *evidence, char reason[REASON_MAX])
{
	const struct engine_record *record;

	for (size_t cursor = 0; (record = family->next(family->arg, &cursor));) {
		int r = 0;

		/* The record may be of a time before the owner's restart; its process is where it is. */
		if (!record->running || !leads_to(family, record, owner) ||
		    !engine_process_is_in(family->watch, record->pid, nsid))
			continue;
		if (record->reason[0]) {
			snprintf(reason, REASON_MAX, "the container %.12s shares its namespace: %.90s",
				 record->owner.id, record->reason);
			r = -EINVAL;
		}
		if (r == 0)
			r = evidence_share(evidence, &record->owner, reason);
		if (r < 0)
			return r;
	}
	return 0;
}
