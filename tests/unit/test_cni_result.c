/* SPDX-License-Identifier: GPL-2.0-only */
/* cni-ctr.json, cni-cri.json, cni-cri-lo.json and cni-podman.json were written by libcni for containerd 1.6 (ctr and a
 * pod) and Podman 4.3; cni-nerdctl.json and cni-crio.json are after libcni's source (libcni/api.go, cachedInfo), the
 * latter with Calico's result. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "port/cni_result.h"
#include "recorded.h"

static struct cni_result parse(json_t *json)
{
	struct cni_result result;

	assert_int_equal(cni_result_parse(json, &result), 0);
	json_decref(json);
	return result;
}

static void assert_addr(const struct port_addrs *addrs, size_t index, const char *text)
{
	char buffer[ADDR_TEXT_MAX];

	assert_true(index < addrs->count);
	assert_string_equal(addr_format(&addrs->items[index], buffer), text);
}

static void test_ctr(void **state)
{
	struct cni_result result = parse(recorded("cni-ctr.json"));
	char mac[MAC_TEXT_MAX];

	(void)state;
	assert_string_equal(result.reason, "");
	assert_string_equal(result.container, "default-c1");
	assert_string_equal(result.network, "shopnet");
	assert_string_equal(result.sandbox, "/proc/11278/ns/net");
	assert_int_equal(cni_result_pid(&result), 11278);
	assert_true(cni_result_has_link(&result, "vethf1dedbae"));
	assert_false(cni_result_has_link(&result, "eth0"));
	assert_string_equal(mac_format(&result.mac, mac), "e6:e1:bd:a3:3d:2a");
	assert_int_equal(result.addresses.count, 2);
	assert_addr(&result.addresses, 0, "10.22.0.2");
	assert_addr(&result.addresses, 1, "fd22::2");
	assert_addr(&result.gateways, 1, "fd22::1");
	assert_false(result.is_pods);
	cni_result_free(&result);
}

static void test_cri(void **state)
{
	struct cni_result result = parse(recorded("cni-cri.json"));
	json_t *lo = recorded("cni-cri-lo.json");

	(void)state;
	assert_true(result.is_pods);
	assert_string_equal(result.pod, "web-0");
	assert_string_equal(result.pod_place, "customers");
	assert_string_equal(result.sandbox, "/var/run/netns/cni-19bf3cbf-0731-acbd-1a2a-fc2ac4e54703");
	assert_int_equal(cni_result_pid(&result), 0);
	assert_int_equal(result.published.count, 1);
	assert_int_equal(result.published.items[0].protocol, IPPROTO_TCP);
	assert_int_equal(result.published.items[0].host_port, 8080);
	assert_int_equal(result.published.items[0].container_port, 80);
	cni_result_free(&result);
	/* The loop-back interface has a result, too, and no port. */
	assert_int_equal(cni_result_parse(lo, &result), -EINVAL);
	json_decref(lo);
}

static void test_podman_and_nerdctl(void **state)
{
	struct cni_result result = parse(recorded("cni-podman.json"));

	(void)state;
	assert_string_equal(result.network, "netb");
	assert_string_equal(result.pod, "pc1");
	assert_false(result.is_pods); /* Podman gives the name alone */
	assert_int_equal(result.published.items[0].host_port, 8081);
	assert_addr(&result.gateways, 0, "10.55.0.1");
	cni_result_free(&result);
	result = parse(recorded("cni-nerdctl.json"));
	assert_int_equal(cni_result_pid(&result), 4711);
	assert_addr(&result.addresses, 0, "10.4.0.3");
	assert_int_equal(result.published.items[0].host_port, 8080);
	cni_result_free(&result);
}

/* Calico names neither the container's interface nor its namespace. */
static void test_calico(void **state)
{
	struct cni_result result = parse(recorded("cni-crio.json"));
	struct evidence evidence = {0};
	char reason[REASON_MAX] = "";

	(void)state;
	assert_null(result.sandbox);
	assert_true(cni_result_has_link(&result, "calif12c8c41796"));
	assert_false(result.has_mac);
	assert_int_equal(cni_result_evidence(&result, &evidence, reason), 0);
	assert_string_equal(evidence.owner.network, "k8s-pod-network");
	assert_addr(&evidence.addresses, 0, "172.30.129.95");
	assert_false(evidence.claim);
	evidence_free(&evidence);
	cni_result_free(&result);
}

/* Without address management the first claim counts. */
static void test_no_addresses(void **state)
{
	json_t *json = recorded("cni-ctr.json");
	struct evidence evidence = {0};
	char reason[REASON_MAX] = "";
	struct cni_result result;

	(void)state;
	json_object_del(json_object_get(json, "result"), "ips");
	result = parse(json);
	assert_int_equal(cni_result_evidence(&result, &evidence, reason), 0);
	assert_true(evidence.claim);
	evidence_free(&evidence);
	cni_result_free(&result);
}

/* Addresses of another interface of the same container are on another port. */
static void test_addresses_of_another(void **state)
{
	json_t *json = recorded("cni-ctr.json");
	json_t *ips = json_object_get(json_object_get(json, "result"), "ips");
	struct cni_result result;

	(void)state;
	json_object_set_new(json_array_get(ips, 0), "interface", json_integer(7));
	result = parse(json);
	assert_int_equal(result.addresses.count, 1);
	assert_addr(&result.addresses, 0, "fd22::2");
	cni_result_free(&result);
}

static void refuses(const char *path, const char *key, json_t *value, const char *reason)
{
	json_t *json = recorded("cni-ctr.json"), *at = json_object_get(json, "result");
	struct evidence evidence = {0};
	char said[REASON_MAX] = "";
	struct cni_result result;

	if (strcmp(path, "ip") == 0)
		at = json_array_get(json_object_get(at, "ips"), 0);
	else if (strcmp(path, "interface") == 0)
		at = json_array_get(json_object_get(at, "interfaces"), 2);
	else
		at = json;
	json_object_set_new(at, key, value);
	result = parse(json);
	assert_int_equal(cni_result_evidence(&result, &evidence, said), -EINVAL);
	assert_non_null(strstr(said, reason));
	evidence_free(&evidence);
	cni_result_free(&result);
}

static void test_hostile(void **state)
{
	static const char *const none[] = {
		"[]",
		"{}",
		"{\"kind\":\"cniCacheV1\"}",
		"{\"kind\":\"cniCacheV2\",\"containerId\":\"x\"}",
		"{\"kind\":\"cniCacheV1\",\"containerId\":\"x\",\"result\":{\"interfaces\":[{\"name\":\"\"},7,null]}}",
		"{\"kind\":\"cniCacheV1\",\"containerId\":{},\"result\":[],\"cniArgs\":[7,[1,2],[\"K8S_POD_NAME\"]]}",
	};
	json_t *json = recorded("cni-ctr.json"), *links;
	char *name = test_malloc(PORT_NAME_MAX + 2);
	struct cni_result result;

	(void)state;
	for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++) {
		json_t *nothing = port_json_parse(none[i], strlen(none[i]));

		assert_non_null(nothing);
		assert_int_equal(cni_result_parse(nothing, &result), -EINVAL);
		json_decref(nothing);
	}
	links = json_pack("{s:[{s:s}]}", "interfaces", "name", "no-link-has-this-name");
	json_object_set_new(json, "result", links);
	assert_int_equal(cni_result_parse(json, &result), -EINVAL);
	json_decref(json);
	refuses("ip", "address", json_string("127.0.0.1/8"), "address or gateway");
	refuses("ip", "address", json_string("10.0.0.300/8"), "address or gateway");
	refuses("ip", "gateway", json_string("nobody"), "address or gateway");
	refuses("interface", "mac", json_string("zz:zz"), "MAC");
	memset(name, 'n', PORT_NAME_MAX + 1);
	name[PORT_NAME_MAX + 1] = '\0';
	refuses("", "networkName", json_string(name), "network's name");
	refuses("", "containerId", json_string(name), "container's id");
	test_free(name);
}

static void test_too_many(void **state)
{
	json_t *json = recorded("cni-ctr.json"),
	       *links = json_object_get(json_object_get(json, "result"), "interfaces");
	json_t *ports = json_array();
	struct cni_result result;

	(void)state;
	for (unsigned int i = 0; i < 3 * CNI_HOST_LINKS_MAX; i++)
		json_array_append_new(links, json_pack("{s:s}", "name", "veth0"));
	for (unsigned int i = 0; i <= PUBLISHED_MAX; i++)
		json_array_append_new(ports,
				      json_pack("{s:i,s:i,s:s}", "hostPort", 1, "containerPort", 1, "protocol", "udp"));
	json_object_set_new(json, "capabilityArgs", json_pack("{s:o}", "portMappings", ports));
	result = parse(json);
	assert_int_equal(result.host_link_count, CNI_HOST_LINKS_MAX);
	assert_int_equal(result.published.count, PUBLISHED_MAX);
	assert_non_null(strstr(result.reason, "too many ports"));
	cni_result_free(&result);
}

static void test_pid(void **state)
{
	static const char *const none[] = {"/proc/self/ns/net", "/proc/0/ns/net", "/proc/12/ns/mnt",  "/proc/-3/ns/net",
					   "/run/netns/7",	"/proc/12",	  "/proc/12/ns/net/x"};

	(void)state;
	for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++) {
		struct cni_result result = {.sandbox = (char *)none[i]};

		assert_int_equal(cni_result_pid(&result), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ctr),
		cmocka_unit_test(test_cri),
		cmocka_unit_test(test_podman_and_nerdctl),
		cmocka_unit_test(test_calico),
		cmocka_unit_test(test_no_addresses),
		cmocka_unit_test(test_addresses_of_another),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_pid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
