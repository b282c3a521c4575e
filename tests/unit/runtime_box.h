/* SPDX-License-Identifier: GPL-2.0-only */
/* A host of files for one runtime: its folders, /proc, CNI's results; and the questions of a scan. */
#ifndef BULKHEAD_TESTS_RUNTIME_BOX_H
#define BULKHEAD_TESTS_RUNTIME_BOX_H

#include "port/evidence.h"
#include "port/watch.h"

#define BOX_PATHS 9

struct box {
	char root[32]; /* of all of it */
	struct port_watch watch;
	char *paths[BOX_PATHS];
	void *bundles;
	struct loop_source *quit;
	unsigned int rounds;
};

void box_open(struct box *box, const struct runtime *runtime);
void box_close(struct box *box, const struct runtime *runtime);
/* "state", "proc", "results", "storage", "runc", "crun", "lxc", "machines", "incus" are the folders; the caller frees.
 */
char *box_path(const struct box *box, const char *name);
void box_put(const struct box *box, const char *name, const char *text);
void box_put_recorded(const struct box *box, const char *name, const char *what);
void box_put_bytes(const struct box *box, const char *name, const char *bytes, size_t size);
void box_put_link(const struct box *box, const char *name, const char *to);
void box_put_process(const struct box *box, int pid, int start, const char *cgroup);
/* What the kernel has to tell of the folders is there at once. */
void box_hear(struct box *box);
/* As a scan asks: for a port with this link, whose namespace has one pin. */
enum runtime_answer box_ask(struct box *box, const struct runtime *runtime, struct namespace_pin *pin, const char *link,
			    int64_t age_ms, struct evidence *evidence, char reason[REASON_MAX]);
struct namespace_pin box_pin(int pid, uint64_t start);

#endif
