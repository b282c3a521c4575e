/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef BULKHEAD_DAEMON_SYSTEM_GROUP_H
#define BULKHEAD_DAEMON_SYSTEM_GROUP_H

#include <sys/types.h>

#include "base/error.h"

/* The number of a group by its name. -ENOENT and others with a sentence; *ret_group unchanged then. */
int system_group_find(const char *name, gid_t *ret_group, struct error *error);

#endif
