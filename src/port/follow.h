/* SPDX-License-Identifier: GPL-2.0-only */
/* Folders whose changes are told, by inotify. Of an event no more is used than whom it may concern: whoever is told
 * reads the folder again. So losing events costs a reading and no more. */
#ifndef BULKHEAD_PORT_FOLLOW_H
#define BULKHEAD_PORT_FOLLOW_H

#include "base/loop.h"

struct follow;

/* `changed` is called from the loop after a file has been written, renamed to or removed, or a folder made, in any of
 * the folders; once for what has come together. Only files of these `names` (NULL at the end) count, which must stay;
 * NULL: all do. 0 or -errno. */
int follow_new(struct loop *loop, const char *const *names, void (*changed)(void *arg), void *arg,
	       struct follow **ret_follow);
void follow_free(struct follow *follow); /* NULL is fine */
/* A number for follow_end(), the same when it is followed already; -errno: -ENOENT when there is no such folder. A
 * folder that is removed is no longer followed. */
int follow_folder(struct follow *follow, const char *path);
void follow_end(struct follow *follow, int number);

#endif
