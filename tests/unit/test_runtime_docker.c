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
#include "port/docker.h"
#include "recorded.h"
#include "runtime_box.h"

#define ID   "b7de2671db1e7d68669753227a19beb99b87c25fe165a21fb77e45bfdf3bfc03"
#define NETA "68af3bf7b99d74fc45cbd499f83f606ac1b814217178c10d9912dd23d6a395e4"

static struct engine_record record_of(json_t *json)
{
	struct engine_record record;

	assert_int_equal(engine_record_parse(json, "docker", &record), 0);
	json_decref(json);
	return record;
}

static void assert_addr(const struct port_addrs *addrs, size_t index, const char *text)
{
	char buffer[ADDR_TEXT_MAX];

	assert_true(index < addrs->count);
	assert_string_equal(addr_format(&addrs->items[index], buffer), text);
}

/* One port of the question, on the bridge 2 with 172.30.0.1. */
static const struct link the_port = {.ifindex = 5, .master = 2};
static const struct peer no_peer = {0};

static const struct engine_endpoint *find(const struct engine_record *record, const char *network_id,
					  const char *gateway, const struct peer *peer)
{
	struct link_addr own = {.ifindex = 2, .length = 24};
	struct link_addrs host = {.items = &own, .count = gateway ? 1 : 0};
	const struct runtime_question question = {.link = &the_port, .peer = peer, .host_addrs = &host};

	if (gateway)
		assert_int_equal(addr_parse(gateway, &own.addr), 0);
	return engine_endpoint_find(record, network_id, &question);
}

static void test_inspect(void **state)
{
	struct engine_record record = record_of(recorded("docker-inspect.json"));
	struct peer peer = {.has_mac = true};
	struct evidence evidence = {0};
	char reason[REASON_MAX] = "";
	const struct engine_endpoint *endpoint;

	(void)state;
	assert_string_equal(record.owner.id, ID);
	assert_string_equal(record.owner.name, "c1");
	assert_string_equal(record.owner.image, "bulkhead-test:1");
	assert_string_equal(record.owner.runtime, "docker");
	assert_int_equal(record.owner.labels.count, 2);
	assert_string_equal(record.sandbox, "ac63d1b09aeb");
	assert_true(record.running);
	assert_false(record.host_network);
	assert_string_equal(record.reason, "");
	assert_int_equal(record.endpoints.count, 2);
	assert_int_equal(record.published.count, 2);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(record.published.items[i].host_port, 8080);
		assert_int_equal(record.published.items[i].container_port, 80);
		assert_int_equal(record.published.items[i].protocol, 6);
		assert_int_equal(record.published.items[i].at.addr.family, i ? ADDR_V6 : ADDR_V4);
		assert_int_equal(record.published.items[i].at.length, 0);
	}

	endpoint = find(&record, NETA, NULL, &no_peer);
	assert_non_null(endpoint);
	assert_string_equal(endpoint->network, "neta");
	assert_addr(&endpoint->addresses, 0, "172.30.0.3");
	assert_addr(&endpoint->gateways, 0, "172.30.0.1");
	/* A network that it is not on: never another. */
	assert_null(find(&record, ID, "172.30.0.1", &no_peer));
	assert_string_equal(find(&record, NULL, "172.17.0.1", &no_peer)->network, "bridge");
	assert_null(find(&record, NULL, "172.99.0.1", &no_peer));
	assert_int_equal(mac_parse("02:42:ac:1e:00:03", &peer.mac), 0);
	assert_string_equal(find(&record, NULL, NULL, &peer)->network, "neta");

	assert_int_equal(engine_evidence(&record, endpoint, &evidence, reason), 0);
	assert_string_equal(evidence.owner.network, "neta");
	assert_string_equal(evidence.owner.name, "c1");
	assert_true(evidence.has_mac);
	assert_false(evidence.claim);
	assert_int_equal(evidence.published.count, 2);
	evidence_free(&evidence);
	engine_record_free(&record);
}

/* The file has the same content as the API, but for the network that came later. */
static void test_config_file(void **state)
{
	struct engine_record record = record_of(recorded("docker-config.v2.json"));

	(void)state;
	assert_string_equal(record.owner.id, ID);
	assert_string_equal(record.owner.name, "c1");
	assert_string_equal(record.owner.image, "bulkhead-test:1");
	assert_int_equal(record.owner.labels.count, 2);
	assert_string_equal(record.sandbox, "ac63d1b09aeb");
	assert_true(record.running);
	assert_int_equal(record.endpoints.count, 1);
	engine_record_free(&record);
}

static void replace(json_t *json, const char *outer, const char *inner, json_t *value)
{
	assert_int_equal(json_object_set_new(outer ? json_object_get(json, outer) : json, inner, value), 0);
}

static void test_hostile_records(void **state)
{
	static const struct {
		const char *outer, *inner, *value, *reason;
	} cases[] = {
		{NULL, "Name", "\"/\"", "it has no name"},
		{NULL, "Name", "17", "it has no name"},
		{"Config", "Labels", "{\"a\": [\"b\"]}", "its label 'a' is no text"},
		{"Config", "Labels", "[]", "its labels are no mapping"},
		{"NetworkSettings", "Networks", "{\"n\": {\"MacAddress\": \"02:42\"}}", "its MAC address is none"},
		{"NetworkSettings", "Networks", "{\"n\": {\"IPAddress\": \"127.0.0.1\"}}",
		 "its address or gateway is none that a container can have"},
		{"NetworkSettings", "Networks", "{\"n\": {\"IPAddress\": \"10.0.0.1.\"}}",
		 "its address or gateway is none that a container can have"},
		{"NetworkSettings", "Networks", "{\"n\": {\"GlobalIPv6Address\": \"ff02::1\"}}",
		 "its address or gateway is none that a container can have"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		json_t *json = recorded("docker-inspect.json");
		struct evidence evidence = {0};
		const struct engine_endpoint endpoint = {.network = (char *)"n"};
		struct engine_record record;
		char reason[REASON_MAX] = "";

		replace(json, cases[i].outer, cases[i].inner, json_loads(cases[i].value, JSON_DECODE_ANY, NULL));
		record = record_of(json);
		assert_string_equal(record.reason, cases[i].reason);
		assert_int_equal(engine_evidence(&record, &endpoint, &evidence, reason), -EINVAL);
		assert_string_equal(reason, cases[i].reason);
		evidence_free(&evidence);
		engine_record_free(&record);
	}
}

static void test_not_a_container(void **state)
{
	static const char *const cases[] = {"[]",	   "{}",   "{\"Id\": \"x\"}",
					    "{\"Id\": 5}", "null", "{\"Id\": \"../../etc\"}"};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		json_t *json = json_loads(cases[i], JSON_DECODE_ANY, NULL);
		struct engine_record record;

		assert_int_equal(engine_record_parse(json, "docker", &record), -EINVAL);
		json_decref(json);
	}
	assert_int_equal(engine_record_parse(NULL, "docker", &(struct engine_record){0}), -EINVAL);
}

static void test_too_many(void **state)
{
	json_t *json = recorded("docker-inspect.json"), *networks = json_object(), *ports = json_object();
	struct engine_record record;
	char name[16];

	(void)state;
	for (unsigned int i = 0; i <= ENGINE_ENDPOINTS_MAX; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		json_object_set_new(networks, name, json_object());
	}
	replace(json, "NetworkSettings", "Networks", networks);
	record = record_of(json);
	assert_string_equal(record.reason, "it is on more than 64 networks");
	engine_record_free(&record);

	json = recorded("docker-inspect.json");
	for (unsigned int i = 1; i <= PUBLISHED_MAX; i++) {
		snprintf(name, sizeof(name), "%u/udp", i);
		json_object_set_new(ports, name, json_pack("[{s:s, s:s}]", "HostIp", "::", "HostPort", "53"));
	}
	replace(json, "NetworkSettings", "Ports", ports);
	json_incref(json);
	record = record_of(json);
	assert_string_equal(record.reason, "");
	assert_int_equal(record.published.count, PUBLISHED_MAX);
	engine_record_free(&record);
	json_object_set_new(ports, "60000/udp", json_pack("[{s:s}]", "HostPort", "53"));
	json_object_set_new(ports, "70000/udp", json_pack("[{s:s}]", "HostPort", "53")); /* no port: left out */
	record = record_of(json);
	assert_string_equal(record.reason, "it publishes more than 8192 ports");
	engine_record_free(&record);
}

static void test_host_network(void **state)
{
	json_t *json = recorded("docker-inspect.json");
	struct engine_record record;

	(void)state;
	replace(json, "HostConfig", "NetworkMode", json_string("host"));
	record = record_of(json);
	assert_true(record.host_network);
	assert_null(record.sandbox); /* the file "default" is the host's own namespace */
	engine_record_free(&record);
}

static void test_network(void **state)
{
	json_t *json = recorded("docker-network.json"), *list = recorded("docker-networks.json");
	struct docker_network *network;
	char text[PREFIX_TEXT_MAX];

	(void)state;
	assert_int_equal(docker_network_parse(json, &network), 0);
	assert_string_equal(network->name, "neta");
	assert_string_equal(network->bridge, "br-68af3bf7b99d");
	assert_int_equal(network->subnets.count, 1);
	assert_string_equal(prefix_format(&network->subnets.items[0], text), "172.30.0.0/24");
	assert_int_equal(network->members.count, 2);
	assert_string_equal(network->members.items[1].id, ID);
	assert_addr(&network->members.items[1].endpoint.addresses, 0, "172.30.0.3");
	assert_string_equal(network->members.items[1].endpoint.network, "neta");
	docker_network_free(network);
	json_decref(json);

	assert_int_equal(docker_network_parse(json_array_get(list, 2), &network), 0);
	assert_string_equal(network->bridge, "docker0");
	docker_network_free(network);
	assert_int_equal(docker_network_parse(json_array_get(list, 0), &network), 0);
	assert_null(network->bridge);
	assert_string_equal(network->driver, "null");
	docker_network_free(network);
	json_decref(list);
	assert_int_equal(docker_network_parse(NULL, &network), -EINVAL);
}

static void test_network_member_with_bad_text(void **state)
{
	json_t *json = recorded("docker-network.json");
	json_t *member = json_object_get(json_object_get(json, "Containers"), ID);
	struct docker_network *network;

	(void)state;
	json_object_set_new(member, "IPv4Address", json_string("172.30.0.3/24; rm"));
	json_object_set_new(json_object_get(json, "Containers"), "../x", json_object());
	assert_int_equal(docker_network_parse(json, &network), 0);
	assert_int_equal(network->members.count, 1);
	docker_network_free(network);
	json_decref(json);
}

static void test_events(void **state)
{
	static const struct {
		bool container, network, networks;
	} expected[] = {
		{false, true, true},  {false, false, false}, {true, true, false},
		{true, false, false}, {true, false, false},  {true, false, false},
		{true, true, false},  {true, false, false},  {false, true, true},
	};
	FILE *file = fopen("tests/unit/recorded/docker-events.jsonl", "re");
	struct docker_event event;
	char *line = NULL;
	size_t capacity = 0, i = 0;
	ssize_t n;

	(void)state;
	assert_non_null(file);
	while ((n = getline(&line, &capacity, file)) > 0) {
		docker_event_parse(line, (size_t)n, &event);
		assert_true(i < sizeof(expected) / sizeof(*expected));
		assert_int_equal(event.container[0] != '\0', expected[i].container);
		assert_int_equal(event.network[0] != '\0', expected[i].network);
		assert_int_equal(event.networks, expected[i].networks);
		i++;
	}
	assert_int_equal(i, sizeof(expected) / sizeof(*expected));
	free(line);
	fclose(file);
	docker_event_parse("{\"Type\":\"container\",\"Action\":\"start\",\"Actor\":{\"ID\":\"../x\"}}", 64, &event);
	assert_string_equal(event.container, "");
	docker_event_parse("", 0, &event);
	assert_string_equal(event.container, "");
}

static void copy_recorded(const char *name, const char *to)
{
	json_t *json = recorded(name);

	assert_int_equal(json_dump_file(json, to, 0), 0);
	json_decref(json);
}

static void test_files(void **state)
{
	char root[] = "/tmp/test-docker.XXXXXX", path[256];
	struct port_watch watch = {.options = {.docker_root = root, .proc = "/nonexistent"}};
	struct docker docker = {.watch = &watch, .containers = map_new(), .networks = map_new()};
	struct engine_record record;

	(void)state;
	assert_non_null(mkdtemp(root));
	snprintf(path, sizeof(path), "%s/containers/" ID, root);
	assert_int_equal(file_make_directories(path, 0700, NULL), 0);
	snprintf(path, sizeof(path), "%s/containers/" ID "/config.v2.json", root);
	copy_recorded("docker-config.v2.json", path);
	snprintf(path, sizeof(path), "%s/containers/" ID "/hostconfig.json", root);
	copy_recorded("docker-hostconfig.json", path);
	assert_int_equal(docker_read_record(&docker, ID, &record), 0);
	assert_string_equal(record.owner.name, "c1");
	assert_false(record.host_network);
	engine_record_free(&record);
	docker_read_all(&docker);
	assert_int_equal(map_count(docker.containers), 1);
	assert_non_null(docker_by_sandbox(&docker, "ac63d1b09aeb"));
	assert_null(docker_by_sandbox(&docker, "ac63d1b09ae"));
	/* A file in another's folder is nobody's. */
	snprintf(path, sizeof(path), "%s/containers/" NETA, root);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/containers/" NETA "/config.v2.json", root);
	copy_recorded("docker-config.v2.json", path);
	assert_int_equal(docker_read_record(&docker, NETA, &record), -EBADMSG);
	docker_store_free(&docker);
	snprintf(path, sizeof(path), "rm -r %s", root);
	assert_int_equal(system(path), 0);
}

/* While a container starts, what it wishes to publish is known before what it has. */
static void test_wishes(void **state)
{
	static const struct {
		const char *host_config;
		size_t count;
		bool later;
	} cases[] = {
		{"{}", 0, false},
		{"{\"PortBindings\": {\"80/tcp\": [{\"HostIp\": \"\", \"HostPort\": \"8080\"}]}}", 2, false},
		{"{\"PortBindings\": {\"80/tcp\": [{\"HostIp\": \"192.0.2.1\", \"HostPort\": \"8080\"}]}}", 1, false},
		{"{\"PortBindings\": {\"80/tcp\": [{\"HostIp\": \"\", \"HostPort\": \"\"}]}}", 0, true},
		{"{\"PortBindings\": {\"80/udp\": [{\"HostIp\": \"::\", \"HostPort\": \"8000-8010\"}]}}", 0, true},
		{"{\"PortBindings\": {\"80/tcp\": null}, \"PublishAllPorts\": true}", 0, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		json_t *json = recorded("docker-inspect.json"), *wishes;
		struct engine_record record;

		wishes = json_loads(cases[i].host_config, 0, NULL);
		replace(json, "NetworkSettings", "Ports", json_object());
		record = record_of(json);
		assert_int_equal(engine_wishes_parse(&record, wishes), 0);
		assert_int_equal(record.published.count, cases[i].count);
		assert_int_equal(record.published_later, cases[i].later);
		engine_record_free(&record);
		/* What it has goes before. */
		record = record_of(recorded("docker-inspect.json"));
		assert_int_equal(engine_wishes_parse(&record, wishes), 0);
		assert_false(record.published_later);
		engine_record_free(&record);
		json_decref(wishes);
	}
}

static void test_store(void **state)
{
	struct docker docker = {.containers = map_new(), .networks = map_new()};
	struct engine_record record = record_of(recorded("docker-inspect.json"));
	json_t *json = recorded("docker-network.json");
	struct docker_network *network;

	(void)state;
	assert_int_equal(docker_keep_container(&docker, &record), 0);
	assert_null(record.owner.id); /* taken over */
	record = record_of(recorded("docker-inspect.json"));
	assert_int_equal(docker_keep_container(&docker, &record), 0);
	assert_int_equal(map_count(docker.containers), 1);
	docker_forget_container(&docker, ID);
	assert_int_equal(map_count(docker.containers), 0);
	docker_forget_container(&docker, ID);

	assert_int_equal(docker_network_parse(json, &network), 0);
	assert_int_equal(docker_keep_network(&docker, network), 0);
	assert_int_equal(docker_network_parse(json, &network), 0);
	assert_int_equal(docker_keep_network(&docker, network), 1); /* nothing new */
	json_object_del(json_object_get(json, "Containers"), ID);
	assert_int_equal(docker_network_parse(json, &network), 0);
	assert_int_equal(docker_keep_network(&docker, network), 0);
	assert_non_null(docker_by_bridge(&docker, "br-68af3bf7b99d"));
	assert_null(docker_by_bridge(&docker, "docker0"));
	docker_forget_network(&docker, NETA);
	assert_null(docker_by_bridge(&docker, "br-68af3bf7b99d"));
	json_decref(json);
	docker_store_free(&docker);
}

/* /proc/PID/cgroup: what the container made below its own group is its own work. */
static void test_cgroup(void **state)
{
	char proc[] = "/tmp/test-proc.XXXXXX", path[256], *cgroup;
	FILE *file;

	(void)state;
	assert_non_null(mkdtemp(proc));
	snprintf(path, sizeof(path), "%s/7", proc);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/7/cgroup", proc);
	file = fopen(path, "we");
	assert_non_null(file);
	fputs("2:cpu:/\n1:name=systemd:/docker/" ID "/docker/evil\n0::/docker/" ID "\n", file);
	fclose(file);
	cgroup = engine_cgroup(proc, 7, ID);
	assert_string_equal(cgroup, "/docker/" ID);
	free(cgroup);
	assert_null(engine_cgroup(proc, 7, NETA));
	assert_null(engine_cgroup(proc, 8, ID));
	assert_null(engine_cgroup(proc, 0, ID));
	unlink(path);
	snprintf(path, sizeof(path), "%s/7", proc);
	rmdir(path);
	rmdir(proc);
}

#define PROXY                                   \
	"docker-proxy\0-proto\0tcp\0-host-ip\0" \
	"0.0.0.0\0-host-port\0"                 \
	"80\0-container-port\0"                 \
	"8080"

#define STATUS_OF(user) "Name:\tdocker-proxy\nUid:\t" user "\t" user "\t" user "\t" user "\n"

/* A process that is called so in a container, or is another user's, is not read: it may be made to keep the reader
 * waiting. */
static void test_proxy(void **state)
{
	static const char *const others[] = {"", "proc/700/ns/pid", "proc/700/ns/net", "user"};
	struct published published;

	(void)state;
	assert_true(docker_proxy_parse(PROXY, sizeof(PROXY), &published));
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
		struct box box;

		box_open(&box, &runtime_docker);
		box_put(&box, "proc/700/comm", "docker-proxy\n");
		box_put_bytes(&box, "proc/700/cmdline", PROXY, sizeof(PROXY));
		box_put_link(&box, "proc/self/ns/pid", "pid:[1]");
		box_put_link(&box, "proc/self/ns/net", "net:[1]");
		box_put_link(&box, "proc/700/ns/pid", "pid:[1]");
		box_put_link(&box, "proc/700/ns/net", "net:[1]");
		box_put(&box, "proc/700/status", strcmp(others[i], "user") == 0 ? STATUS_OF("1000") : STATUS_OF("0"));
		if (strchr(others[i], '/'))
			box_put_link(&box, others[i], "net:[2]");
		assert_int_equal(docker_is_relayed(box.bundles, &published), others[i][0] == '\0');
		box_close(&box, &runtime_docker);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_inspect),		cmocka_unit_test(test_config_file),
		cmocka_unit_test(test_hostile_records), cmocka_unit_test(test_not_a_container),
		cmocka_unit_test(test_too_many),	cmocka_unit_test(test_host_network),
		cmocka_unit_test(test_network),		cmocka_unit_test(test_network_member_with_bad_text),
		cmocka_unit_test(test_events),		cmocka_unit_test(test_files),
		cmocka_unit_test(test_wishes),		cmocka_unit_test(test_store),
		cmocka_unit_test(test_cgroup),		cmocka_unit_test(test_proxy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
