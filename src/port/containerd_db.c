/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "bolt.h"
#include "containerd_db.h"

#define DATABASE "io.containerd.metadata.v1.bolt/meta.db"
/* containerd commits often, mostly when it works on images. */
#define DB_TRIES 4

void containerd_row_free(struct containerd_row *row)
{
	json_decref(row->labels);
	free(row->image);
	*row = (struct containerd_row){0};
}

static int label_add(void *arg, const char *key, size_t key_size, const char *data, size_t size)
{
	json_t *labels = arg, *value = json_stringn(data, size);

	/* What is no UTF-8 is no label of anybody's: jansson refuses it, and containerd's own interface would, too. */
	if (!value)
		return 0;
	return json_object_setn_new(labels, key, key_size, value) < 0 ? -ENOMEM : 0;
}

/* Buckets as in metadata/buckets.go: v1 → namespace → containers → id → labels. */
static int container_open(const struct bolt *bolt, const char *place, const char *id, struct bolt_bucket *ret_bucket)
{
	const char *const path[] = {"v1", place, "containers", id};
	struct bolt_bucket bucket = {0};
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(path) / sizeof(*path); i++) {
		struct bolt_bucket next = {0};

		r = bolt_bucket(bolt, i > 0 ? &bucket : NULL, path[i], &next);
		bolt_bucket_free(&bucket);
		bucket = next;
	}
	*ret_bucket = bucket;
	return r;
}

static int row_read(const struct bolt *bolt, const char *place, const char *id, struct containerd_row *row)
{
	struct bolt_bucket container = {0}, labels = {0};
	size_t size;
	int r = container_open(bolt, place, id, &container);

	row->labels = json_object();
	if (r == 0 && !row->labels)
		r = -ENOMEM;
	if (r == 0) {
		r = bolt_bucket(bolt, &container, "labels", &labels);
		if (r == 0)
			r = bolt_each(bolt, &labels, label_add, row->labels);
		r = r == -ENOENT ? 0 : r;
	}
	if (r == 0) {
		r = bolt_value(bolt, &container, "image", &row->image, &size);
		r = r == -ENOENT ? 0 : r;
	}
	bolt_bucket_free(&labels);
	bolt_bucket_free(&container);
	return r;
}

static int try_read(const char *path, const char *place, const char *id, struct containerd_row *row)
{
	struct bolt bolt;
	int r = bolt_open(path, &bolt);

	if (r < 0)
		return r;
	r = row_read(&bolt, place, id, row);
	if (!bolt_is_current(&bolt))
		r = -EAGAIN;
	bolt_close(&bolt);
	return r;
}

int containerd_db_read(const char *root, const char *place, const char *id, struct containerd_row *ret_row)
{
	char path[PATH_MAX];
	int r = -EAGAIN;

	if (!root || snprintf(path, sizeof(path), "%s/" DATABASE, root) >= (int)sizeof(path))
		return -ENOENT;
	for (int i = 0; i < DB_TRIES && r == -EAGAIN; i++) {
		struct containerd_row row = {0};

		r = try_read(path, place, id, &row);
		if (r == 0)
			*ret_row = row;
		else
			containerd_row_free(&row);
	}
	return r;
}
