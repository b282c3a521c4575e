/* SPDX-License-Identifier: GPL-2.0-only */
/* What the tests want of the runtime `netns`. */
#ifndef BULKHEAD_PORT_RUNTIME_NETNS_H
#define BULKHEAD_PORT_RUNTIME_NETNS_H

#include "evidence.h"

/* A name that Podman or a CNI engine gives to its own namespaces: such a one is never taken for a plain one. */
bool netns_name_is_an_engines(const char *name);
/* NAME.json: labels, image, namespace. 0 or -errno with `reason`. */
int netns_meta_parse(const char *data, size_t size, struct owner *owner, char reason[REASON_MAX]);

#endif
