/* SPDX-License-Identifier: GPL-2.0-only */
/* A file that says that it is a database of Bolt's, and Podman's: its checksums are made right, so that the rest is
 * looked at. What is found is converted and parsed. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "must.h"
#include "port/podman.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The folder of this process: made once. */
static char root[64];

static void root_remove(void)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/" PODMAN_LIBPOD "/" PODMAN_BOLT, root);
	(void)unlink(path);
	*strrchr(path, '/') = '\0';
	(void)rmdir(path);
	(void)rmdir(root);
}

static const char *root_get(char path[128])
{
	if (!root[0]) {
		snprintf(root, sizeof(root), "/dev/shm/fuzz-bolt.%d", getpid());
		snprintf(path, 128, "%s/" PODMAN_LIBPOD, root);
		must(file_make_directories(path, 0700, NULL) == 0);
		must(atexit(root_remove) == 0);
	}
	snprintf(path, 128, "%s/" PODMAN_LIBPOD "/" PODMAN_BOLT, root);
	return root;
}

/* Of the meta page at `at`. */
static void sum_put(char *file, size_t size, size_t at)
{
	uint64_t sum;

	if (at + 80 > size)
		return;
	sum = engine_hash(file + at + 16, 56);
	memcpy(file + at + 72, &sum, sizeof(sum));
}

static void try_row(const struct podman_row *row)
{
	struct engine_record record;
	json_t *json;

	if (podman_row_json(row, &json) < 0)
		return;
	if (engine_record_parse(json, "podman", &record) == 0)
		engine_record_free(&record);
	json_decref(json);
}

static int each(void *arg, const char *key, size_t key_size, const char *data, size_t size)
{
	size_t *bytes = arg;

	/* Every byte is looked at, for the sanitizer's sake. */
	*bytes += engine_hash(key, key_size) % 2 + engine_hash(data, size) % 2;
	return 0;
}

static void try_each(const struct podman_db *db, const char *id)
{
	struct bolt_bucket bucket = {0};
	size_t bytes = 0;

	if (bolt_bucket(&db->bolt, &db->containers, id, &bucket) == 0)
		(void)bolt_each(&db->bolt, &bucket, each, &bytes);
	(void)bolt_each(&db->bolt, &db->containers, each, &bytes);
	bolt_bucket_free(&bucket);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const ids[] = {"bb27650ce4c8147955cc5c766e7e5aed3427254174f86c2ef83b98c645700c73", "a", ""};
	char path[128], *file = malloc(size + 1);
	const char *folder = root_get(path);
	struct podman_row row;
	struct podman_db db;
	FILE *to = fopen(path, "we");

	must(file && to);
	memcpy(file, data, size);
	sum_put(file, size, 0);
	sum_put(file, size, 1024);
	sum_put(file, size, 4096);
	must(fwrite(file, 1, size, to) == size && fclose(to) == 0);
	free(file);
	if (podman_db_open(folder, &db) < 0)
		return 0;
	for (size_t i = 0; i < sizeof(ids) / sizeof(*ids); i++) {
		try_each(&db, ids[i]);
		if (podman_db_read(&db, ids[i], &row) < 0)
			continue;
		must(row.config && row.state && strlen(row.config) <= row.config_size);
		try_row(&row);
		podman_row_free(&row);
	}
	podman_db_close(&db);
	return 0;
}
