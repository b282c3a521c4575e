/* SPDX-License-Identifier: GPL-2.0-only */
/* A BoltDB file, read as it lies there: Podman's own database, up to 4.x, and containerd's. Nothing in the file is
 * believed.
 *
 * The form is that of go.etcd.io/bbolt (page.go, bucket.go, db.go): pages in the byte order of the machine; two meta
 * pages, the newer valid one counts; B+ trees of branch and leaf pages; a bucket is a value that names its root page,
 * or holds one (inline).
 *
 * No lock is taken. A commit writes to free pages only and then to the older of the two meta pages, so that what a meta
 * page leads to stays until the next commit but one. bolt_is_current() afterwards tells that there was no commit: then
 * what was read is whole. A lock (bolt's own readers hold one, shared) would make each command of Podman's wait that
 * comes in between, for 50 ms or for as long as we are stopped. */
#ifndef BULKHEAD_PORT_BOLT_H
#define BULKHEAD_PORT_BOLT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of one page with what overflows from it, which a single value can fill: Podman's are 20 KiB. */
#define BOLT_PAGE_MAX (16u << 20)
/* Pages from a root to a leaf: ten hold 10^18 values of a page each. */
#define BOLT_DEPTH_MAX 16u
/* Of one bucket that is read as a whole: labels of one container are on one page. */
#define BOLT_WALK_PAGES_MAX 256u

struct bolt {
	int fd;
	uint32_t page_size;
	uint64_t pages; /* by the meta page, and in the file */
	uint64_t root;
	uint64_t transaction; /* the last commit */
};
struct bolt_bucket {
	char *page; /* its root page */
	size_t size;
};

/* -ENOENT; -EINVAL: no regular file; -EBADMSG: no valid meta page, as when it is another's or another version. Neither
 * follows a symbolic link nor waits. */
int bolt_open(const char *path, struct bolt *ret_bolt);
void bolt_close(struct bolt *bolt);
bool bolt_is_current(const struct bolt *bolt);

/* A bucket in `parent` (NULL: at the top). -ENOENT, -EBADMSG, -ENOMEM, or what read(2) says. */
int bolt_bucket(const struct bolt *bolt, const struct bolt_bucket *parent, const char *name,
		struct bolt_bucket *ret_bucket);
void bolt_bucket_free(struct bolt_bucket *bucket);
/* A value: a copy with a NUL behind it, which the caller frees. As bolt_bucket(). */
int bolt_value(const struct bolt *bolt, const struct bolt_bucket *bucket, const char *key, char **ret_data,
	       size_t *ret_size);
/* Each value of a bucket, without those that are buckets. What `fn` returns below 0 ends it, and is returned. */
typedef int (*bolt_value_fn)(void *arg, const char *key, size_t key_size, const char *data, size_t size);
int bolt_each(const struct bolt *bolt, const struct bolt_bucket *bucket, bolt_value_fn fn, void *arg);

#endif
