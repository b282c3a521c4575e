/* SPDX-License-Identifier: GPL-2.0-only */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "port/podman.h"

#define P1 "166acf60f12035f022c32fc9a4bf7f6a08dd51112af418b2e74bc5a0ec4fa247"
#define SH "9bf4ef49049543ac2e215580ac7e409355d1d0926282ba241a2f09a81707b05f"
#define HP "556fb78bc5f18f1d930143805162cb7b4429c16f73e0b2c972ab8889148c5646"

static json_t *recorded(const char *name)
{
	char path[128];
	AUTO_FREE char *data = NULL;
	size_t size;
	struct error error;
	json_t *json;

	snprintf(path, sizeof(path), "tests/unit/recorded/%s", name);
	if (file_read(path, 1 << 20, &data, &size, &error) < 0)
		fail_msg("%s", error.text);
	json = port_json_parse(data, size);
	assert_non_null(json);
	return json;
}

static void test_list(void **state)
{
	struct map *containers = map_new();
	json_t *json = recorded("podman-containers.json");
	struct podman_container *container;
	bool changed = false, left_out = false;

	(void)state;
	assert_int_equal(podman_list_parse(json, containers, &changed, &left_out), 0);
	assert_true(changed);
	assert_int_equal(map_count(containers), 4);
	container = map_get_text(containers, P1);
	assert_non_null(container);
	assert_string_equal(container->name, "p1");
	changed = false;
	assert_int_equal(podman_list_parse(json, containers, &changed, &left_out), 0);
	assert_false(changed);
	/* Renamed: what is known of it is asked for again. */
	container->record = calloc(1, sizeof(*container->record));
	container->wanted = false;
	json_array_set_new(json_object_get(json_array_get(json, 0), "names"), 0, json_string("p9"));
	assert_int_equal(podman_list_parse(json, containers, &changed, &left_out), 0);
	assert_true(changed);
	assert_true(container->wanted);
	changed = false;
	json_array_remove(json, 0);
	assert_int_equal(podman_list_parse(json, containers, &changed, &left_out), 0);
	assert_true(changed);
	assert_null(map_get_text(containers, P1));
	assert_false(left_out);
	assert_int_equal(podman_list_parse(NULL, containers, &changed, &left_out), -EBADMSG);
	assert_int_equal(map_count(containers), 3); /* half a list changes nothing */
	json_decref(json);
	map_free(containers, podman_container_free);
}

static void test_list_is_bounded(void **state)
{
	struct map *containers = map_new();
	json_t *json = json_array();
	bool changed = false, left_out = false;
	char id[ENGINE_ID_SIZE + 1];

	(void)state;
	for (unsigned int i = 0; i < PODMAN_CONTAINERS_MAX; i++) {
		snprintf(id, sizeof(id), "%064x", i);
		json_array_append_new(json, json_pack("{s:s}", "id", id));
	}
	json_array_append_new(json, json_pack("{s:s}", "id", "../../etc/passwd"));
	assert_int_equal(podman_list_parse(json, containers, &changed, &left_out), 0);
	assert_int_equal(map_count(containers), PODMAN_CONTAINERS_MAX);
	assert_false(left_out);
	json_array_append_new(json, json_pack("{s:s}", "id", P1));
	assert_int_equal(podman_list_parse(json, containers, &changed, &left_out), 0);
	assert_true(left_out);
	json_decref(json);
	map_free(containers, podman_container_free);
}

static void test_config(void **state)
{
	struct podman_container container = {0};
	json_t *json = recorded("podman-config-p1.json");

	(void)state;
	assert_int_equal(podman_config_parse(json, &container), 0);
	assert_string_equal(container.sandbox, "netns-3fbda715-d873-8022-d380-8802d424c0ca");
	assert_false(container.host_network);
	json_decref(json);
	/* In another's namespace: that one owns the port. */
	json = recorded("podman-config-sh.json");
	assert_int_equal(podman_config_parse(json, &container), 0);
	assert_null(container.sandbox);
	assert_false(container.host_network);
	json_decref(json);
	json = recorded("podman-config-hp.json");
	assert_int_equal(podman_config_parse(json, &container), 0);
	assert_null(container.sandbox);
	assert_true(container.host_network);
	json_decref(json);
	assert_int_equal(podman_config_parse(NULL, &container), -EBADMSG);
}

static void test_inspect(void **state)
{
	json_t *json = recorded("podman-inspect-p2.json");
	struct engine_record record;
	char text[ADDR_TEXT_MAX], mac[MAC_TEXT_MAX];

	(void)state;
	assert_int_equal(engine_record_parse(json_array_get(json, 0), "podman", &record), 0);
	json_decref(json);
	assert_string_equal(record.owner.name, "p2");
	assert_string_equal(record.owner.image, "localhost/bulkhead-test:1");
	assert_string_equal(record.owner.runtime, "podman");
	assert_string_equal(record.sandbox, "netns-d49faf2b-7ae2-e033-04cb-d6a1c0253a14");
	assert_int_equal(record.owner.labels.count, 0);
	assert_int_equal(record.endpoints.count, 2);
	for (size_t i = 0; i < 2; i++) {
		const struct engine_endpoint *endpoint = &record.endpoints.items[i];
		bool netb = strcmp(endpoint->network, "netb") == 0;

		assert_null(endpoint->network_id); /* Podman's is the name once more */
		assert_string_equal(addr_format(&endpoint->addresses.items[0], text), netb ? "10.55.0.2" : "10.88.0.4");
		assert_string_equal(mac_format(&endpoint->mac, mac), netb ? "9a:64:a8:50:d4:8f" : "ea:6f:28:2c:20:ff");
	}
	engine_record_free(&record);

	json = recorded("podman-inspect-p1.json");
	assert_int_equal(engine_record_parse(json_array_get(json, 0), "podman", &record), 0);
	json_decref(json);
	assert_int_equal(record.published.count, 1);
	assert_int_equal(record.published.items[0].host_port, 8081);
	assert_string_equal(record.owner.labels.items[0].key, "app");
	engine_record_free(&record);

	json = recorded("podman-inspect-hp.json");
	assert_int_equal(engine_record_parse(json_array_get(json, 0), "podman", &record), 0);
	json_decref(json);
	assert_true(record.host_network);
	assert_null(record.sandbox);
	engine_record_free(&record);
}

static void put(const char *root, const char *name, const char *path)
{
	json_t *json = recorded(name);
	char to[512], *slash;

	snprintf(to, sizeof(to), "%s/overlay-containers/%s", root, path);
	slash = strrchr(to, '/');
	*slash = '\0';
	assert_int_equal(file_make_directories(to, 0700, NULL), 0);
	*slash = '/';
	assert_int_equal(json_dump_file(json, to, 0), 0);
	json_decref(json);
}

static void test_read(void **state)
{
	char root[] = "/tmp/test-podman.XXXXXX", command[64];
	struct map *containers = map_new();
	struct podman_container *container;
	bool changed = false, left_out = false;

	(void)state;
	assert_non_null(mkdtemp(root));
	assert_int_equal(podman_read(root, containers, &changed, &left_out), -ENOENT);
	assert_int_equal(podman_read(NULL, containers, &changed, &left_out), -ENOENT);
	put(root, "podman-containers.json", "containers.json");
	assert_int_equal(podman_read(root, containers, &changed, &left_out), 0);
	container = map_get_text(containers, P1);
	assert_null(container->sandbox); /* created, not started: no config.json yet */
	assert_false(container->wanted);
	put(root, "podman-config-p1.json", P1 "/userdata/config.json");
	changed = false;
	assert_int_equal(podman_read(root, containers, &changed, &left_out), 0);
	assert_true(changed);
	assert_string_equal(container->sandbox, "netns-3fbda715-d873-8022-d380-8802d424c0ca");
	assert_true(container->wanted);
	changed = container->wanted = false;
	assert_int_equal(podman_read(root, containers, &changed, &left_out), 0);
	assert_false(changed);
	assert_false(container->wanted);
	map_free(containers, podman_container_free);
	snprintf(command, sizeof(command), "rm -r %s", root);
	assert_int_equal(system(command), 0);
}

static void test_network_driver(void **state)
{
	char driver[32];

	(void)state;
	podman_network_driver("no-such-network", driver);
	assert_string_equal(driver, "bridge");
	podman_network_driver("../../../tmp/x", driver);
	assert_string_equal(driver, "bridge");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_list),   cmocka_unit_test(test_list_is_bounded),
		cmocka_unit_test(test_config), cmocka_unit_test(test_inspect),
		cmocka_unit_test(test_read),   cmocka_unit_test(test_network_driver),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
