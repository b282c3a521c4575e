/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "podman.h"

/* Bolt's buckets are libpod/boltdb_state.go's: "ctr" → the container's id → "config", "state", "netns". */
#define CONTAINERS "ctr"

int podman_db_open(const char *root, struct podman_db *ret_db)
{
	struct podman_db db = {.bolt = {.fd = -1}};
	char path[PATH_MAX];
	int r;

	if (snprintf(path, sizeof(path), "%s/" PODMAN_LIBPOD "/" PODMAN_BOLT, root) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	r = bolt_open(path, &db.bolt);
	if (r < 0)
		return r;
	r = bolt_bucket(&db.bolt, NULL, CONTAINERS, &db.containers);
	if (r < 0) {
		/* Half of one commit and half of another is no damage. */
		r = bolt_is_current(&db.bolt) ? -EBADMSG : -EAGAIN;
		bolt_close(&db.bolt);
		return r;
	}
	*ret_db = db;
	return 0;
}

void podman_db_close(struct podman_db *db)
{
	bolt_bucket_free(&db->containers);
	bolt_close(&db->bolt);
}

static int row_read(const struct podman_db *db, const char *id, struct podman_row *row)
{
	struct bolt_bucket bucket = {0};
	size_t size;
	int r = bolt_bucket(&db->bolt, &db->containers, id, &bucket);

	if (r < 0)
		return r;
	r = bolt_value(&db->bolt, &bucket, "config", &row->config, &row->config_size);
	if (r == 0)
		r = bolt_value(&db->bolt, &bucket, "state", &row->state, &row->state_size);
	if (r == 0)
		r = bolt_value(&db->bolt, &bucket, "netns", &row->netns, &size);
	bolt_bucket_free(&bucket);
	/* It has none of its own. */
	return r == -ENOENT && row->state ? 0 : r;
}

int podman_db_read(const struct podman_db *db, const char *id, struct podman_row *ret_row)
{
	struct podman_row row = {0};
	int r = row_read(db, id, &row);

	if (!bolt_is_current(&db->bolt))
		r = -EAGAIN;
	if (r < 0) {
		podman_row_free(&row);
		return r;
	}
	*ret_row = row;
	return 0;
}

void podman_row_free(struct podman_row *row)
{
	free(row->config);
	free(row->state);
	free(row->netns);
	*row = (struct podman_row){0};
}

uint64_t podman_row_hash(const struct podman_row *row)
{
	return engine_hash(row->config, row->config_size) * 3 + engine_hash(row->state, row->state_size) * 5 +
	       (row->netns ? engine_hash(row->netns, strlen(row->netns)) : 0);
}
