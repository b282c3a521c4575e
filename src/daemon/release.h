/* SPDX-License-Identifier: GPL-2.0-only */
/* How long containers waited: from the moment when a port's owner was certain to when it was open in the kernel. */
#ifndef BULKHEAD_DAEMON_RELEASE_H
#define BULKHEAD_DAEMON_RELEASE_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#define RELEASES_KEPT 1024u /* the newest: median and 99th percentile are theirs */

struct releases {
	uint32_t us[RELEASES_KEPT]; /* a ring */
	uint64_t count;		    /* since the start */
	uint32_t last_us, worst_us; /* worst since the start */
};

void release_note(struct releases *releases, int64_t waited_ns);
/* docs/json.md, status.release_ms; a new object, NULL when memory is short. */
json_t *release_json(const struct releases *releases);

#endif
