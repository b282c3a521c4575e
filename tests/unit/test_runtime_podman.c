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
#include "recorded.h"

#define P1 "166acf60f12035f022c32fc9a4bf7f6a08dd51112af418b2e74bc5a0ec4fa247"
#define SH "9bf4ef49049543ac2e215580ac7e409355d1d0926282ba241a2f09a81707b05f"
#define HP "556fb78bc5f18f1d930143805162cb7b4429c16f73e0b2c972ab8889148c5646"

/* In podman-bolt_state.db. */
#define IN_DATABASE	   "bb27650ce4c8147955cc5c766e7e5aed3427254174f86c2ef83b98c645700c73"
#define SHARES_IN_DATABASE "918f77d73b9db103cb08275308f6144c61c13de8a48cabd0b4db460ac17ba309"
#define MADE_IN_DATABASE   "6314c778166a609a5f63075274ccc5c3e42a0592c6b11195938034808541f3c4"

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
	assert_int_equal(record.published.count, 2); /* no address is every one, of both families */
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

static void put_database(const char *root)
{
	AUTO_FREE char *data = NULL;
	char path[256];
	size_t size;

	assert_int_equal(file_read("tests/unit/recorded/podman-bolt_state.db", 1 << 20, &data, &size, NULL), 0);
	snprintf(path, sizeof(path), "%s/" PODMAN_LIBPOD, root);
	assert_int_equal(file_make_directories(path, 0700, NULL), 0);
	snprintf(path, sizeof(path), "%s/" PODMAN_LIBPOD "/" PODMAN_BOLT, root);
	assert_int_equal(file_write(path, data, size, NULL), 0);
}

static struct engine_record record_of(const struct podman_db *db, const char *id)
{
	struct engine_record record;
	struct podman_row row;
	json_t *json;

	assert_int_equal(podman_db_read(db, id, &row), 0);
	assert_int_equal(podman_row_json(&row, &json), 0);
	assert_int_equal(engine_record_parse(json, "podman", &record), 0);
	assert_string_equal(record.reason, "");
	podman_row_free(&row);
	json_decref(json);
	return record;
}

static void must_be_equal(const struct engine_record *a, const struct engine_record *b)
{
	assert_string_equal(a->owner.id, b->owner.id);
	assert_string_equal(a->owner.name, b->owner.name);
	assert_string_equal(a->owner.image, b->owner.image);
	assert_int_equal(a->owner.labels.count, b->owner.labels.count);
	for (size_t i = 0; i < a->owner.labels.count; i++) {
		assert_string_equal(a->owner.labels.items[i].key, b->owner.labels.items[i].key);
		assert_string_equal(a->owner.labels.items[i].value, b->owner.labels.items[i].value);
	}
	assert_true(a->running && b->running);
	assert_int_equal(a->pid, b->pid);
	assert_string_equal(a->sandbox, b->sandbox);
	assert_int_equal(a->published.count, b->published.count);
	assert_memory_equal(a->published.items, b->published.items, a->published.count * sizeof(*a->published.items));
	assert_int_equal(a->endpoints.count, b->endpoints.count);
	for (size_t i = 0; i < a->endpoints.count; i++) {
		const struct engine_endpoint *left = &a->endpoints.items[i], *right = &b->endpoints.items[i];

		assert_string_equal(left->network, right->network);
		assert_memory_equal(&left->mac, &right->mac, sizeof(left->mac));
		assert_int_equal(left->addresses.count, right->addresses.count);
		assert_memory_equal(left->addresses.items, right->addresses.items,
				    left->addresses.count * sizeof(struct addr));
		assert_int_equal(left->gateways.count, right->gateways.count);
		assert_memory_equal(left->gateways.items, right->gateways.items,
				    left->gateways.count * sizeof(struct addr));
	}
}

/* Podman 4.3's own database, and what `podman container inspect` said at that time. */
static void test_database(void **state)
{
	char root[] = "/tmp/test-podman.XXXXXX", command[64];
	struct engine_record record, inspected;
	struct podman_row row;
	struct podman_db db;
	json_t *json;

	(void)state;
	assert_non_null(mkdtemp(root));
	assert_int_equal(podman_db_open(root, &db), -ENOENT);
	put_database(root);
	assert_int_equal(podman_db_open(root, &db), 0);
	record = record_of(&db, IN_DATABASE);
	json = recorded("podman-inspect-bolt.json");
	assert_int_equal(engine_record_parse(json_array_get(json, 0), "podman", &inspected), 0);
	json_decref(json);
	assert_int_equal(record.endpoints.count, 2);
	assert_int_equal(record.endpoints.items[0].addresses.count, 3); /* two of IPv4 */
	must_be_equal(&record, &inspected);
	engine_record_free(&record);
	engine_record_free(&inspected);
	/* In another's namespace, and never started. */
	record = record_of(&db, SHARES_IN_DATABASE);
	assert_null(record.sandbox);
	assert_string_equal(record.joins, IN_DATABASE);
	assert_true(record.running);
	assert_int_equal(record.endpoints.count, 0);
	engine_record_free(&record);
	record = record_of(&db, MADE_IN_DATABASE);
	assert_null(record.sandbox);
	assert_false(record.running);
	engine_record_free(&record);
	assert_int_equal(podman_db_read(&db, P1, &row), -ENOENT);
	podman_db_close(&db);
	snprintf(command, sizeof(command), "rm -r %s", root);
	assert_int_equal(system(command), 0);
}

static int convert(const char *config, const char *state, struct engine_record *ret_record)
{
	struct podman_row row = {.config = (char *)config,
				 .state = (char *)state,
				 .config_size = strlen(config),
				 .state_size = strlen(state)};
	json_t *json = NULL;
	int r = podman_row_json(&row, &json);

	if (r == 0 && ret_record)
		r = engine_record_parse(json, "podman", ret_record);
	json_decref(json);
	return r;
}

static void test_other_forms(void **state)
{
	struct engine_record record;

	(void)state;
	assert_int_equal(convert("", "{}", NULL), -EBADMSG);
	assert_int_equal(convert("{}", "[]", NULL), -EBADMSG);
	/* Podman 3: a list of CNI's results. */
	assert_int_equal(convert("{}", "{\"networkStatus\":[{\"cniVersion\":\"0.4.0\"}]}", NULL), -EBADMSG);
	assert_int_equal(convert("{}", "{\"networkStatus\":{\"a\":{}}}", NULL), -EBADMSG);
	assert_int_equal(convert("{}", "{\"networkStatus\":{\"a\":{\"interfaces\":{\"eth0\":{},\"eth1\":{}}}}}", NULL),
			 -EBADMSG);
	assert_int_equal(convert("{\"newPortMappings\":[{\"host_port\":-1}]}", "{}", NULL), -EBADMSG);
	/* A range of both protocols; one that is too long is said, not cut. */
	assert_int_equal(convert("{\"id\":\"" P1 "\",\"name\":\"p\",\"newPortMappings\":[{\"host_port\":8000,"
				 "\"container_port\":80,\"range\":2,\"protocol\":\"tcp,udp\"}]}",
				 "{}", &record),
			 0);
	assert_int_equal(record.published.count, 8); /* each on both families */
	assert_int_equal(record.published.items[2].host_port, 8001);
	engine_record_free(&record);
	assert_int_equal(convert("{\"id\":\"" P1 "\",\"name\":\"p\",\"newPortMappings\":[{\"host_ip\":\"127.0.0.1\","
				 "\"host_port\":8000,\"container_port\":80}]}",
				 "{}", &record),
			 0);
	assert_int_equal(record.published.count, 1);
	assert_int_equal(record.published.items[0].at.length, 32);
	engine_record_free(&record);
	assert_int_equal(convert("{\"id\":\"" P1 "\",\"name\":\"p\",\"newPortMappings\":[{\"host_port\":1,"
				 "\"container_port\":1,\"range\":65535}]}",
				 "{}", &record),
			 0);
	assert_string_equal(record.reason, "it publishes more than 8192 ports");
	engine_record_free(&record);
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
		cmocka_unit_test(test_list),	 cmocka_unit_test(test_list_is_bounded),
		cmocka_unit_test(test_config),	 cmocka_unit_test(test_inspect),
		cmocka_unit_test(test_read),	 cmocka_unit_test(test_network_driver),
		cmocka_unit_test(test_database), cmocka_unit_test(test_other_forms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
