/* SPDX-License-Identifier: GPL-2.0-only */
/* What was adopted, by (interface number, namespace cookie), in memory and in a file. It is the first of the runtimes
 * that are asked. */
#ifndef BULKHEAD_PORT_RUNTIME_ADOPTED_H
#define BULKHEAD_PORT_RUNTIME_ADOPTED_H

#include "adoption.h"
#include "base/map.h"
#include "watch.h"

/* The kernel's gate has room for half as many ports. */
#define ADOPTIONS_MAX 8192u
/* Bytes of all of them as JSON. */
#define ADOPTED_SIZE_MAX (16u << 20)

/* ---- adopted.c: what there is, in memory and in the file ---- */
struct adopted {
	struct port_watch *watch;
	struct map *adoptions; /* by port_site, and of a whole namespace by the container's id, too */
	size_t whole_count;    /* those of a whole namespace */
	size_t bytes;	       /* of their texts */
	uint64_t last_order;
	char boot[64];
	char problem[REASON_MAX]; /* why the file could not be read or written; "" */
};

int adopted_new(struct port_watch *watch, struct adopted **ret_adopted); /* what the file has; 0 or -ENOMEM */
void adopted_free(struct adopted *adopted);				 /* NULL is fine */
struct adopted *adopted_of(const struct port_watch *watch);
/* `id` (may be NULL) counts for a whole namespace (ifindex 0): containers that share one have an adoption each. */
struct adoption *adopted_get(const struct adopted *adopted, uint32_t ifindex, uint64_t cookie, const char *id);
/* The one of a whole namespace that was made first; or the next one after `order`. NULL: none. */
struct adoption *adopted_whole(const struct adopted *adopted, uint64_t cookie, uint64_t order);
/* Takes over what `adoption` holds, unless it fails. */
int adopted_put(struct adopted *adopted, struct adoption *adoption);
void adopted_drop(struct adopted *adopted, struct adoption *adoption);
/* The namespace of one that had none yet. NULL when memory is short: then it is gone. */
struct adoption *adopted_bind(struct adopted *adopted, struct adoption *adoption, uint64_t cookie);
/* Of the namespace that the path leads to now. 0: to none, or it is NULL. */
uint64_t adopted_cookie_at(const char *netns);
int adopted_save(struct adopted *adopted, struct error *error); /* a failure is kept in `problem`, too */
/* The process that it was said of has gone. */
bool adoption_has_ended(const struct adopted *adopted, const struct adoption *adoption);

/* ---- adopt.c ---- */
/* Whose the ports at the site are is found anew; only of those that are the runtime's, unless it is NULL. */
void adopted_forget(struct port_watch *watch, const struct port_site *site, const struct runtime *runtime);

/* ---- runtime_adopted.c ---- */
/* The namespace that has the number `nsid` here, if an adoption's path leads to it; else -ENOENT. As namespace_find().
 */
int adopted_namespace(struct port_watch *watch, int32_t nsid, struct namespace *ret_namespace, int *ret_fd);
/* Completes what an adoption says by what another runtime's own record of the same container tells; RUNTIME_PENDING
 * with `reason` while that has not told yet what the adoption leaves out. */
enum runtime_answer adopted_complete(struct port_watch *watch, const struct runtime_question *question,
				     struct evidence *evidence, char reason[REASON_MAX]);
/* At the end of a scan: forgets those whose port or process is gone, or that have their other end elsewhere. */
void adopted_sweep(struct port_watch *watch);

/* ---- adopted_file.c ---- */
/* The file's text: of this boot and of the host's namespace, where alone the numbers mean what they did. NULL when
 * memory is short. The caller frees. */
char *adopted_text(const struct map *adoptions, const char *boot, uint64_t host);
/* Calls `fn` with each adoption, which it takes over; it returns 0 or -errno, which ends it. 0 when the file is of
 * another boot or host: then there is none. -EINVAL with the reason. */
int adopted_parse(const char *data, size_t size, const char *boot, uint64_t host,
		  int (*fn)(void *arg, struct adoption *adoption), void *arg, struct error *error);
/* This boot's name, or "" when the kernel does not tell. */
void adopted_boot(const char *proc, char boot[64]);

#endif
