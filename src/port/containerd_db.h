/* SPDX-License-Identifier: GPL-2.0-only */
/* What containerd's own database knows of a container beside its bundle: labels (a pod's among them) and the image. It
 * is written before the bundle is. */
#ifndef BULKHEAD_PORT_CONTAINERD_DB_H
#define BULKHEAD_PORT_CONTAINERD_DB_H

#include <jansson.h>

struct containerd_row {
	json_t *labels; /* an object of texts */
	char *image;	/* NULL: none */
};
/* `root` is containerd's (/var/lib/containerd), `place` its namespace. -ENOENT: there is no database, or no such
 * container in it; -EBADMSG: of a form that is not known; -EAGAIN: it changes all the time; -ENOMEM, or what read(2)
 * says. */
int containerd_db_read(const char *root, const char *place, const char *id, struct containerd_row *ret_row);
void containerd_row_free(struct containerd_row *row);

#endif
