/* SPDX-License-Identifier: GPL-2.0-only */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "port/bolt.h"
#include "port/engine.h"

#define RECORDED "tests/unit/recorded/podman-bolt_state.db"
#define P1	 "bb27650ce4c8147955cc5c766e7e5aed3427254174f86c2ef83b98c645700c73"

/* A file that is made here, of pages of 1,024 bytes. */
#define PAGE	   1024u
#define FILE_PAGES 64u

struct image {
	uint8_t bytes[FILE_PAGES * PAGE];
	char path[64];
};

static void put16(uint8_t *to, uint16_t value)
{
	memcpy(to, &value, sizeof(value));
}
static void put32(uint8_t *to, uint32_t value)
{
	memcpy(to, &value, sizeof(value));
}
static void put64(uint8_t *to, uint64_t value)
{
	memcpy(to, &value, sizeof(value));
}

static uint8_t *page_put(struct image *image, uint64_t id, uint16_t flags, uint16_t count, uint32_t overflow)
{
	uint8_t *page = image->bytes + id * PAGE;

	memset(page, 0, PAGE);
	put64(page, id);
	put16(page + 8, flags);
	put16(page + 10, count);
	put32(page + 12, overflow);
	return page;
}

static void meta_put(struct image *image, uint64_t id, uint64_t root, uint64_t transaction)
{
	uint8_t *page = page_put(image, id, 4, 0, 0);

	put32(page + 16, 0xed0cdaed);
	put32(page + 20, 2);
	put32(page + 24, PAGE);
	put64(page + 32, root);
	put64(page + 56, FILE_PAGES);
	put64(page + 64, transaction);
	put64(page + 72, engine_hash((const char *)page + 16, 56));
}

static size_t bytes_put(uint8_t *page, size_t at, const void *bytes, size_t size)
{
	memcpy(page + at, bytes, size);
	return at + size;
}

/* The item's bytes go to `at` in the page; the next free place is returned. */
static size_t leaf_put(uint8_t *page, size_t item, size_t at, uint32_t flags, const char *key, const void *value,
		       size_t size)
{
	uint8_t *head = page + 16 + item * 16;

	put32(head, flags);
	put32(head + 4, (uint32_t)(at - 16 - item * 16));
	put32(head + 8, (uint32_t)strlen(key));
	put32(head + 12, (uint32_t)size);
	at = bytes_put(page, at, key, strlen(key));
	return bytes_put(page, at, value, size);
}

static size_t branch_put(uint8_t *page, size_t item, size_t at, const char *key, uint64_t child)
{
	uint8_t *head = page + 16 + item * 16;

	put32(head, (uint32_t)(at - 16 - item * 16));
	put32(head + 4, (uint32_t)strlen(key));
	put64(head + 8, child);
	return bytes_put(page, at, key, strlen(key));
}

/* "tree": a branch of two leaves, of which the second holds a bucket; "inline": a bucket that is a value. */
static void image_make(struct image *image)
{
	uint64_t tree[2] = {3}, deep[2] = {6};
	uint8_t small[2 * 16 + 16 + 8] = {0}, *page;
	size_t at;

	memset(image, 0, sizeof(*image));
	meta_put(image, 0, 2, 8);
	meta_put(image, 1, 2, 7);
	page = page_put(image, 2, 2, 2, 0);
	put16(small + 16 + 8, 2);
	put16(small + 16 + 10, 1);
	(void)leaf_put(small + 16, 0, 32, 0, "a", "inside", 6);
	at = leaf_put(page, 0, 200, 1, "inline", small, sizeof(small));
	(void)leaf_put(page, 1, at, 1, "tree", tree, sizeof(tree));
	page = page_put(image, 3, 1, 2, 0);
	at = branch_put(page, 0, 200, "b", 4);
	(void)branch_put(page, 1, at, "m", 5);
	page = page_put(image, 4, 2, 1, 0);
	(void)leaf_put(page, 0, 200, 0, "b", "bee", 3);
	page = page_put(image, 5, 2, 2, 0);
	at = leaf_put(page, 0, 200, 1, "m", deep, sizeof(deep));
	(void)leaf_put(page, 1, at, 0, "z", "", 0);
	page = page_put(image, 6, 2, 1, 1); /* with a page that overflows */
	(void)leaf_put(page, 0, 1500, 0, "far", "away", 4);
}

static const char *image_write(struct image *image)
{
	snprintf(image->path, sizeof(image->path), "/tmp/test-bolt.%d", getpid());
	assert_int_equal(file_write(image->path, image->bytes, sizeof(image->bytes), NULL), 0);
	return image->path;
}

/* Looks at everything; the last error, or 0. */
static int image_read(struct image *image)
{
	static const char *const names[] = {"inline", "tree", "nothing"};
	static const char *const keys[] = {"a", "b", "z", "far", ""};
	struct bolt bolt;
	int r = bolt_open(image_write(image), &bolt), worst = 0;

	if (r < 0)
		return r;
	for (size_t i = 0; i < 3; i++) {
		struct bolt_bucket bucket = {0}, deep = {0};

		if (bolt_bucket(&bolt, NULL, names[i], &bucket) < 0)
			continue;
		for (size_t j = 0; j < sizeof(keys) / sizeof(*keys); j++) {
			AUTO_FREE char *data = NULL;
			size_t size;

			r = bolt_value(&bolt, &bucket, keys[j], &data, &size);
			worst = r < 0 && r != -ENOENT ? r : worst;
		}
		if (bolt_bucket(&bolt, &bucket, "m", &deep) == 0) {
			AUTO_FREE char *data = NULL;
			size_t size;

			r = bolt_value(&bolt, &deep, "far", &data, &size);
			worst = r < 0 && r != -ENOENT ? r : worst;
		}
		bolt_bucket_free(&deep);
		bolt_bucket_free(&bucket);
	}
	bolt_close(&bolt);
	return worst;
}

static void must_hold(const struct bolt *bolt, const struct bolt_bucket *bucket, const char *key, const char *wanted)
{
	AUTO_FREE char *data = NULL;
	size_t size;

	assert_int_equal(bolt_value(bolt, bucket, key, &data, &size), 0);
	assert_int_equal(size, strlen(wanted));
	assert_string_equal(data, wanted);
}

static void test_tree(void **state)
{
	struct image image;
	struct bolt_bucket tree, inner, deep;
	struct bolt bolt;
	char *data;
	size_t size;

	(void)state;
	image_make(&image);
	assert_int_equal(bolt_open(image_write(&image), &bolt), 0);
	assert_int_equal(bolt.transaction, 8);
	assert_int_equal(bolt_bucket(&bolt, NULL, "tree", &tree), 0);
	must_hold(&bolt, &tree, "b", "bee");
	must_hold(&bolt, &tree, "z", "");
	assert_int_equal(bolt_value(&bolt, &tree, "a", &data, &size), -ENOENT); /* before the first key */
	assert_int_equal(bolt_value(&bolt, &tree, "c", &data, &size), -ENOENT);
	assert_int_equal(bolt_value(&bolt, &tree, "m", &data, &size), -EBADMSG); /* it is a bucket */
	assert_int_equal(bolt_bucket(&bolt, &tree, "b", &deep), -EBADMSG);	 /* it is none */
	assert_int_equal(bolt_bucket(&bolt, &tree, "m", &deep), 0);
	must_hold(&bolt, &deep, "far", "away");
	assert_int_equal(bolt_bucket(&bolt, NULL, "inline", &inner), 0);
	must_hold(&bolt, &inner, "a", "inside");
	assert_int_equal(bolt_value(&bolt, &inner, "b", &data, &size), -ENOENT);
	assert_int_equal(bolt_bucket(&bolt, NULL, "other", &inner), -ENOENT);
	bolt_bucket_free(&tree);
	bolt_bucket_free(&deep);
	bolt_bucket_free(&inner);
	bolt_close(&bolt);
	unlink(image.path);
}

/* The newer one counts, unless it is torn. */
static void test_meta(void **state)
{
	struct image image;
	struct bolt bolt;

	(void)state;
	image_make(&image);
	meta_put(&image, 1, 2, 9);
	assert_int_equal(bolt_open(image_write(&image), &bolt), 0);
	assert_int_equal(bolt.transaction, 9);
	assert_true(bolt_is_current(&bolt));
	/* A commit while it is read. */
	image.bytes[PAGE + 64]++;
	AUTO_CLOSE int fd = open(image.path, O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, image.bytes + PAGE, PAGE, PAGE), PAGE);
	assert_false(bolt_is_current(&bolt));
	bolt_close(&bolt);
	assert_int_equal(bolt_open(image_write(&image), &bolt), 0);
	assert_int_equal(bolt.transaction, 8);
	bolt_close(&bolt);
	/* The first is torn: the page's size is known by the second. */
	meta_put(&image, 1, 2, 9);
	image.bytes[16] ^= 1;
	assert_int_equal(bolt_open(image_write(&image), &bolt), 0);
	assert_int_equal(bolt.transaction, 9);
	bolt_close(&bolt);
	image.bytes[PAGE + 20] = 3; /* a later version */
	assert_int_equal(bolt_open(image_write(&image), &bolt), -EBADMSG);
	unlink(image.path);
}

static void test_hostile(void **state)
{
	struct image image;
	uint8_t *page;

	(void)state;
	image_make(&image);
	assert_int_equal(image_read(&image), 0);
	/* A branch that leads to itself. */
	image_make(&image);
	page = page_put(&image, 3, 1, 1, 0);
	(void)branch_put(page, 0, 200, "", 3);
	assert_int_equal(image_read(&image), -EBADMSG);
	/* Children that are meta pages, or behind the end; a page with another's number. */
	for (uint64_t child = 0; child < 3; child++) {
		const uint64_t children[] = {1, FILE_PAGES, UINT64_MAX};

		page = page_put(&image, 3, 1, 1, 0);
		(void)branch_put(page, 0, 200, "", children[child]);
		assert_int_equal(image_read(&image), -EBADMSG);
	}
	image_make(&image);
	put64(image.bytes + 4 * PAGE, 5);
	assert_int_equal(image_read(&image), -EBADMSG);
	/* Overflow and counts beyond the file; keys and values beyond the page. */
	const struct {
		size_t at;
		uint32_t value;
	} words[] = {
		{4 * PAGE + 12, UINT32_MAX}, {4 * PAGE + 12, FILE_PAGES}, {4 * PAGE + 8, 0xffff0002},
		{4 * PAGE + 20, UINT32_MAX}, {4 * PAGE + 24, UINT32_MAX}, {4 * PAGE + 28, UINT32_MAX},
		{4 * PAGE + 20, PAGE},	     {3 * PAGE + 16, UINT32_MAX}, {3 * PAGE + 20, UINT32_MAX},
		{4 * PAGE + 8, 0x00010000},
	};
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		struct bolt_bucket tree = {0};
		struct bolt bolt;
		char *data;
		size_t size;

		image_make(&image);
		put32(image.bytes + words[i].at, words[i].value);
		assert_int_equal(bolt_open(image_write(&image), &bolt), 0);
		assert_int_equal(bolt_bucket(&bolt, NULL, "tree", &tree), 0);
		assert_int_equal(bolt_value(&bolt, &tree, "b", &data, &size), -EBADMSG);
		bolt_bucket_free(&tree);
		bolt_close(&bolt);
	}
	unlink(image.path);
}

/* A file that ends before its pages do, as when it grows just now. */
static void test_short(void **state)
{
	struct image image;
	struct bolt bolt;
	struct bolt_bucket tree;

	(void)state;
	image_make(&image);
	for (off_t size = 0; size <= 3 * (off_t)PAGE; size += 50) {
		int r;

		image_write(&image);
		assert_int_equal(truncate(image.path, size), 0);
		r = bolt_open(image.path, &bolt);
		if (r < 0) {
			assert_int_equal(r, -EBADMSG);
			assert_true(size < 80);
			continue;
		}
		assert_int_equal(bolt_bucket(&bolt, NULL, "tree", &tree), -EBADMSG);
		bolt_close(&bolt);
	}
	unlink(image.path);
}

/* Each byte of a real one, changed: nothing breaks (the sanitizers watch). */
static void test_recorded_changed(void **state)
{
	AUTO_FREE char *data = NULL;
	size_t size;
	char path[] = "/tmp/test-bolt.XXXXXX";
	AUTO_CLOSE int fd = mkstemp(path);

	(void)state;
	assert_int_equal(file_read(RECORDED, 1 << 20, &data, &size, NULL), 0);
	assert_int_equal(write(fd, data, size), (ssize_t)size);
	for (size_t i = 8192; i < size; i += 7) {
		char changed = (char)~data[i];
		struct bolt_bucket containers = {0}, p1 = {0};
		struct bolt bolt;
		AUTO_FREE char *value = NULL;
		size_t length;

		assert_int_equal(pwrite(fd, &changed, 1, (off_t)i), 1);
		assert_int_equal(bolt_open(path, &bolt), 0);
		if (bolt_bucket(&bolt, NULL, "ctr", &containers) == 0 && bolt_bucket(&bolt, &containers, P1, &p1) == 0)
			(void)bolt_value(&bolt, &p1, "config", &value, &length);
		bolt_bucket_free(&p1);
		bolt_bucket_free(&containers);
		bolt_close(&bolt);
		assert_int_equal(pwrite(fd, data + i, 1, (off_t)i), 1);
	}
	unlink(path);
}

static void test_no_file(void **state)
{
	struct bolt bolt;
	char path[64];

	(void)state;
	snprintf(path, sizeof(path), "/tmp/test-bolt.%d", getpid());
	assert_int_equal(bolt_open(path, &bolt), -ENOENT);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(bolt_open(path, &bolt), -EINVAL); /* and did not wait */
	unlink(path);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	assert_int_equal(bolt_open(path, &bolt), -ELOOP);
	unlink(path);
	assert_int_equal(bolt_open("/tmp", &bolt), -EINVAL);
	assert_int_equal(bolt_open("/etc/passwd", &bolt), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tree),
		cmocka_unit_test(test_meta),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_short),
		cmocka_unit_test(test_recorded_changed),
		cmocka_unit_test(test_no_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
