/* SPDX-License-Identifier: GPL-2.0-only */
/* containerd-meta.db was written by containerd 1.6: a pod by the CRI, and a container of ctr's in the namespace
 * `other`. Pages that nothing leads to are zeroed in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "port/bundle.h"
#include "port/containerd_db.h"
#include "recorded.h"

#define POD "f2f39d94dfa1b1b0b98855b5877f5b762f9e844e8cbaea0ea5e5ec5a6cd67ca7"

static char root[32];

static void put(const char *data, size_t size)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/io.containerd.metadata.v1.bolt", root);
	assert_int_equal(file_make_directories(path, 0700, NULL), 0);
	strcat(path, "/meta.db");
	assert_int_equal(file_write(path, data, size, NULL), 0);
}

static int box(void **state)
{
	AUTO_FREE char *data = NULL;
	size_t size;

	(void)state;
	snprintf(root, sizeof(root), "/tmp/test-containerd.XXXXXX");
	assert_non_null(mkdtemp(root));
	assert_int_equal(file_read("tests/unit/recorded/containerd-meta.db", 1 << 20, &data, &size, NULL), 0);
	put(data, size);
	return 0;
}

static int unbox(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", root);
	return system(command);
}

static void test_read(void **state)
{
	struct containerd_row row;

	(void)state;
	assert_int_equal(containerd_db_read(root, "k8s.io", POD, &row), 0);
	assert_string_equal(port_json_text(row.labels, "app"), "web");
	assert_string_equal(port_json_text(row.labels, "tier"), "front");
	assert_string_equal(port_json_text(row.labels, "io.cri-containerd.kind"), "sandbox");
	containerd_row_free(&row);
	assert_int_equal(containerd_db_read(root, "other", "c9", &row), 0);
	assert_string_equal(port_json_text(row.labels, "note"), "x");
	assert_string_equal(row.image, "localhost/bulkhead-test:1");
	containerd_row_free(&row);
	assert_int_equal(containerd_db_read(root, "other", POD, &row), -ENOENT);
	assert_int_equal(containerd_db_read(root, "default", "c9", &row), -ENOENT);
	assert_int_equal(containerd_db_read("/nonexistent", "other", "c9", &row), -ENOENT);
	assert_int_equal(containerd_db_read(NULL, "other", "c9", &row), -ENOENT);
}

/* A pod has its labels and no notes of containerd's; what ctr started has an image. */
static void test_bundles(void **state)
{
	struct bundle *bundle = bundle_new("k8s.io", POD);
	struct containerd_row row;
	json_t *json = recorded("cri-config-sandbox.json");

	(void)state;
	assert_int_equal(containerd_db_read(root, "k8s.io", POD, &row), 0);
	bundle->labels = row.labels;
	bundle->image = row.image;
	assert_int_equal(bundle_parse_containerd(json, bundle), 0);
	json_decref(json);
	assert_null(bundle->owner.image);
	assert_int_equal(bundle->owner.labels.count, 6);
	assert_string_equal(bundle->owner.labels.items[0].key, "app");
	assert_string_equal(bundle->owner.labels.items[5].key, "tier");
	bundle_free(bundle);

	bundle = bundle_new("other", "c9");
	assert_int_equal(containerd_db_read(root, "other", "c9", &row), 0);
	bundle->labels = row.labels;
	bundle->image = row.image;
	json = recorded("ctr-config-c1.json");
	assert_int_equal(bundle_parse_containerd(json, bundle), 0);
	json_decref(json);
	assert_string_equal(bundle->owner.image, "localhost/bulkhead-test:1");
	bundle_free(bundle);
}

static void test_broken(void **state)
{
	AUTO_FREE char *data = NULL;
	size_t size;
	struct containerd_row row;

	(void)state;
	assert_int_equal(file_read("tests/unit/recorded/containerd-meta.db", 1 << 20, &data, &size, NULL), 0);
	/* Cut short anywhere it is no disaster: it is read, or it is not. */
	for (size_t part = 0; part < size; part += 4096) {
		put(data, part);
		if (containerd_db_read(root, "k8s.io", POD, &row) == 0)
			containerd_row_free(&row);
	}
	put("nothing", 7);
	assert_int_equal(containerd_db_read(root, "k8s.io", POD, &row), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_read, box, unbox),
		cmocka_unit_test_setup_teardown(test_bundles, box, unbox),
		cmocka_unit_test_setup_teardown(test_broken, box, unbox),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
