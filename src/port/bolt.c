/* SPDX-License-Identifier: GPL-2.0-only */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "bolt.h"
#include "engine.h"

#define BOLT_MAGIC   0xed0cdaedu
#define BOLT_VERSION 2u
/* bbolt looks for the second meta page at each of these offsets, too, when the first is torn. */
#define PAGE_SIZE_MIN 1024u
#define PAGE_SIZE_MAX 65536u

#define PAGE_BRANCH 0x01u
#define PAGE_LEAF   0x02u
#define PAGE_META   0x04u
#define LEAF_BUCKET 0x01u

struct page_head {
	uint64_t id;
	uint16_t flags;
	uint16_t count;
	uint32_t overflow;
};
struct bucket_head {
	uint64_t root;
	uint64_t sequence;
};
struct meta {
	uint32_t magic, version, page_size, flags;
	struct bucket_head root;
	uint64_t freelist, pages, transaction, checksum;
};
struct branch_item { /* `position` counts from the item itself */
	uint32_t position, key_size;
	uint64_t page;
};
struct leaf_item {
	uint32_t flags, position, key_size, value_size;
};
static_assert(sizeof(struct page_head) == 16 && sizeof(struct meta) == 64, "as they lie in the file");
static_assert(sizeof(struct branch_item) == 16 && sizeof(struct leaf_item) == 16, "as they lie in the file");

/* What a key leads to: bytes of a page that is in memory. */
struct found {
	const char *data;
	size_t size;
	bool is_bucket;
};

static int read_at(int fd, uint64_t offset, void *to, size_t size)
{
	ssize_t n = pread(fd, to, size, (off_t)offset);

	if (n < 0)
		return -errno;
	return (size_t)n == size ? 0 : -EBADMSG;
}

static bool meta_read(int fd, uint64_t offset, struct meta *ret_meta)
{
	struct {
		struct page_head head;
		struct meta meta;
	} page;

	if (read_at(fd, offset, &page, sizeof(page)) < 0)
		return false;
	*ret_meta = page.meta;
	return page.head.flags & PAGE_META && page.meta.magic == BOLT_MAGIC && page.meta.version == BOLT_VERSION &&
	       page.meta.checksum == engine_hash((const char *)&page.meta, offsetof(struct meta, checksum)) &&
	       page.meta.page_size >= PAGE_SIZE_MIN && page.meta.page_size <= PAGE_SIZE_MAX &&
	       (page.meta.page_size & (page.meta.page_size - 1)) == 0;
}

/* The newer of the valid ones. */
static int meta_find(int fd, struct meta *ret_meta)
{
	struct meta first, second;
	bool has_first = meta_read(fd, 0, &first), has_second = false;

	if (has_first) {
		has_second = meta_read(fd, first.page_size, &second) && second.page_size == first.page_size;
	} else {
		for (uint32_t size = PAGE_SIZE_MIN; !has_second && size <= PAGE_SIZE_MAX; size *= 2)
			has_second = meta_read(fd, size, &second) && second.page_size == size;
	}
	if (!has_first && !has_second)
		return -EBADMSG;
	*ret_meta = has_second && (!has_first || second.transaction > first.transaction) ? second : first;
	return 0;
}

int bolt_open(const char *path, struct bolt *ret_bolt)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW | O_CLOEXEC);
	struct stat status;
	struct meta meta;
	uint64_t pages;
	int r;

	if (fd < 0 || fstat(fd, &status) < 0)
		return -errno;
	if (!S_ISREG(status.st_mode))
		return -EINVAL;
	r = meta_find(fd, &meta);
	if (r < 0)
		return r;
	pages = (uint64_t)status.st_size / meta.page_size;
	*ret_bolt = (struct bolt){
		.fd = TAKE_FD(fd),
		.page_size = meta.page_size,
		.pages = meta.pages < pages ? meta.pages : pages,
		.root = meta.root.root,
		.transaction = meta.transaction,
	};
	return 0;
}

void bolt_close(struct bolt *bolt)
{
	cleanup_close(&bolt->fd);
	bolt->fd = -1;
}

bool bolt_is_current(const struct bolt *bolt)
{
	struct meta meta;

	return meta_find(bolt->fd, &meta) == 0 && meta.transaction == bolt->transaction;
}

/* A page with all that overflows from it. */
static int page_read(const struct bolt *bolt, uint64_t id, char **ret_page, size_t *ret_size)
{
	struct page_head head;
	uint64_t size;
	int r;

	/* 0 and 1 are the meta pages. */
	if (id < 2 || id >= bolt->pages)
		return -EBADMSG;
	r = read_at(bolt->fd, id * bolt->page_size, &head, sizeof(head));
	if (r < 0)
		return r;
	size = ((uint64_t)head.overflow + 1) * bolt->page_size;
	if (head.id != id || head.overflow >= bolt->pages - id || size > BOLT_PAGE_MAX)
		return -EBADMSG;
	AUTO_FREE char *page = malloc(size);
	if (!page)
		return -ENOMEM;
	r = read_at(bolt->fd, id * bolt->page_size, page, size);
	if (r < 0)
		return r;
	*ret_page = TAKE(page);
	*ret_size = size;
	return 0;
}

/* Does [item + position, + length) lie in the page? Both are 32 bits wide, so the sum can't wrap. */
static bool is_within(size_t item, uint64_t position, uint64_t length, size_t size)
{
	return item + position <= size && length <= size - (item + position);
}

static int key_compare(const char *key, const char *page, size_t at, size_t length)
{
	size_t key_length = strlen(key), shorter = key_length < length ? key_length : length;
	int r = memcmp(key, page + at, shorter);

	return r != 0 ? r : (key_length > length) - (key_length < length);
}

static int leaf_find(const char *page, size_t size, size_t count, const char *key, struct found *ret_found)
{
	for (size_t i = 0; i < count; i++) {
		size_t at = sizeof(struct page_head) + i * sizeof(struct leaf_item);
		struct leaf_item item;

		memcpy(&item, page + at, sizeof(item));
		if (!is_within(at, item.position, (uint64_t)item.key_size + item.value_size, size))
			return -EBADMSG;
		if (key_compare(key, page, at + item.position, item.key_size) != 0)
			continue;
		ret_found->data = page + at + item.position + item.key_size;
		ret_found->size = item.value_size;
		ret_found->is_bucket = item.flags & LEAF_BUCKET;
		return 0;
	}
	return -ENOENT;
}

/* The last child whose first key is not above it. */
static int branch_find(const char *page, size_t size, size_t count, const char *key, uint64_t *ret_child)
{
	uint64_t child = 0;

	for (size_t i = 0; i < count; i++) {
		size_t at = sizeof(struct page_head) + i * sizeof(struct branch_item);
		struct branch_item item;

		memcpy(&item, page + at, sizeof(item));
		if (!is_within(at, item.position, item.key_size, size))
			return -EBADMSG;
		if (i > 0 && key_compare(key, page, at + item.position, item.key_size) < 0)
			break;
		child = item.page;
	}
	if (child == 0)
		return -ENOENT;
	*ret_child = child;
	return 0;
}

/* One page: 0 and the value; 1 and the next page; or -errno. */
static int page_find(const char *page, size_t size, const char *key, struct found *ret_found, uint64_t *ret_child)
{
	struct page_head head;
	int r;

	if (size < sizeof(head))
		return -EBADMSG;
	memcpy(&head, page, sizeof(head));
	if (head.count > (size - sizeof(head)) / sizeof(struct leaf_item))
		return -EBADMSG;
	if (head.flags & PAGE_LEAF)
		return leaf_find(page, size, head.count, key, ret_found);
	if (!(head.flags & PAGE_BRANCH))
		return -EBADMSG;
	r = branch_find(page, size, head.count, key, ret_child);
	return r < 0 ? r : 1;
}

/* Down from a root page that is in memory. `*ret_page` holds what was found (NULL: the root page does). */
static int find(const struct bolt *bolt, const struct bolt_bucket *bucket, const char *key, char **ret_page,
		struct found *ret_found)
{
	uint64_t child = 0;
	int r = page_find(bucket->page, bucket->size, key, ret_found, &child);

	for (unsigned int depth = 1; r > 0; depth++) {
		AUTO_FREE char *page = NULL;
		size_t size = 0;

		r = depth < BOLT_DEPTH_MAX ? page_read(bolt, child, &page, &size) : -EBADMSG;
		if (r == 0)
			r = page_find(page, size, key, ret_found, &child);
		if (r == 0)
			*ret_page = TAKE(page);
	}
	return r;
}

/* `data` is the bucket's value: the number of its root page, or 0 and the page itself, in which no other is named. */
static int bucket_open(const struct bolt *bolt, const struct found *found, struct bolt_bucket *ret_bucket)
{
	struct bucket_head head;

	if (!found->is_bucket || found->size < sizeof(head))
		return -EBADMSG;
	memcpy(&head, found->data, sizeof(head));
	if (head.root != 0)
		return page_read(bolt, head.root, &ret_bucket->page, &ret_bucket->size);
	ret_bucket->size = found->size - sizeof(head);
	ret_bucket->page = malloc(ret_bucket->size + 1);
	if (!ret_bucket->page)
		return -ENOMEM;
	memcpy(ret_bucket->page, found->data + sizeof(head), ret_bucket->size);
	return 0;
}

int bolt_bucket(const struct bolt *bolt, const struct bolt_bucket *parent, const char *name,
		struct bolt_bucket *ret_bucket)
{
	struct bolt_bucket top = {0};
	AUTO_FREE char *page = NULL;
	struct found found;
	int r = parent ? 0 : page_read(bolt, bolt->root, &top.page, &top.size);

	if (r == 0)
		r = find(bolt, parent ? parent : &top, name, &page, &found);
	if (r == 0)
		r = bucket_open(bolt, &found, ret_bucket);
	bolt_bucket_free(&top);
	return r;
}

void bolt_bucket_free(struct bolt_bucket *bucket)
{
	free(bucket->page);
	*bucket = (struct bolt_bucket){0};
}

int bolt_value(const struct bolt *bolt, const struct bolt_bucket *bucket, const char *key, char **ret_data,
	       size_t *ret_size)
{
	AUTO_FREE char *page = NULL;
	struct found found;
	int r = find(bolt, bucket, key, &page, &found);
	char *data;

	if (r < 0)
		return r;
	if (found.is_bucket)
		return -EBADMSG;
	data = malloc(found.size + 1);
	if (!data)
		return -ENOMEM;
	memcpy(data, found.data, found.size);
	data[found.size] = '\0';
	*ret_data = data;
	*ret_size = found.size;
	return 0;
}

struct walk {
	const struct bolt *bolt;
	bolt_value_fn fn;
	void *arg;
	unsigned int pages;
};

static int walk_page(struct walk *walk, const char *page, size_t size, unsigned int depth);

static int walk_leaf(struct walk *walk, const char *page, size_t size, size_t at)
{
	struct leaf_item item;
	const char *key;

	memcpy(&item, page + at, sizeof(item));
	if (!is_within(at, item.position, (uint64_t)item.key_size + item.value_size, size))
		return -EBADMSG;
	key = page + at + item.position;
	return item.flags & LEAF_BUCKET ? 0
					: walk->fn(walk->arg, key, item.key_size, key + item.key_size, item.value_size);
}

static int walk_child(struct walk *walk, const char *page, size_t at, unsigned int depth)
{
	struct branch_item item;
	AUTO_FREE char *child = NULL;
	size_t size = 0;
	int r = depth + 1 < BOLT_DEPTH_MAX && ++walk->pages < BOLT_WALK_PAGES_MAX ? 0 : -EBADMSG;

	memcpy(&item, page + at, sizeof(item));
	if (r == 0)
		r = page_read(walk->bolt, item.page, &child, &size);
	return r == 0 ? walk_page(walk, child, size, depth + 1) : r;
}

static int walk_page(struct walk *walk, const char *page, size_t size, unsigned int depth)
{
	struct page_head head;
	int r = 0;

	if (size < sizeof(head))
		return -EBADMSG;
	memcpy(&head, page, sizeof(head));
	if (head.count > (size - sizeof(head)) / sizeof(struct leaf_item) || !(head.flags & (PAGE_LEAF | PAGE_BRANCH)))
		return -EBADMSG;
	for (size_t i = 0; r >= 0 && i < head.count; i++) {
		size_t at = sizeof(head) + i * sizeof(struct leaf_item); /* a branch's are as large */

		r = head.flags & PAGE_LEAF ? walk_leaf(walk, page, size, at) : walk_child(walk, page, at, depth);
	}
	return r < 0 ? r : 0;
}

int bolt_each(const struct bolt *bolt, const struct bolt_bucket *bucket, bolt_value_fn fn, void *arg)
{
	struct walk walk = {.bolt = bolt, .fn = fn, .arg = arg};

	return walk_page(&walk, bucket->page, bucket->size, 0);
}
