/* SPDX-License-Identifier: GPL-2.0-only */
/* incus-backup.yaml is after what others published of Incus 6 (lxc/incus issue 2754), and what its documentation says
 * of network devices: neither Incus nor LXD is run in the tests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "port/incus.h"
#include "port/yaml_json.h"
#include "runtime_box.h"

static char *recorded_text(size_t *ret_size)
{
	char *data = NULL;

	assert_int_equal(file_read("tests/unit/recorded/incus-backup.yaml", INCUS_FILE_MAX, &data, ret_size, NULL), 0);
	return data;
}

static int evidence_of(const struct incus_instance *instance, const char *host, const char *mac,
		       struct evidence *evidence, char reason[REASON_MAX])
{
	struct link link = {0}, bridge = {.name = "br0"};
	struct peer peer = {.has_mac = mac != NULL};
	const struct runtime_question question = {.link = &link, .bridge = &bridge, .peer = &peer};

	*evidence = (struct evidence){0};
	reason[0] = '\0';
	snprintf(link.name, sizeof(link.name), "%s", host);
	if (mac)
		assert_int_equal(mac_parse(mac, &peer.mac), 0);
	return incus_evidence(instance, "incus", &question, evidence, reason);
}

static void test_instance(void **state)
{
	char text[ADDR_TEXT_MAX], reason[REASON_MAX];
	struct incus_instance instance;
	struct evidence evidence;
	size_t size;
	AUTO_FREE char *data = recorded_text(&size);

	(void)state;
	assert_int_equal(incus_instance_parse(data, size, &instance), 0);
	/* By the host's end; the address is DHCP's. */
	assert_int_equal(evidence_of(&instance, "vethb3c1d2e4", NULL, &evidence, reason), 0);
	assert_string_equal(evidence.owner.name, "web");
	assert_string_equal(evidence.owner.runtime, "incus");
	assert_string_equal(evidence.owner.namespace, "customers");
	assert_string_equal(evidence.owner.network, "incusbr0");
	assert_int_equal(evidence.owner.labels.count, 2); /* the instance's own word goes before its profiles' */
	assert_string_equal(evidence.owner.labels.items[0].key, "app");
	assert_string_equal(evidence.owner.labels.items[1].value, "front");
	assert_true(evidence.has_mac);
	assert_true(evidence.claim);
	evidence_free(&evidence);
	/* By the MAC. */
	assert_int_equal(evidence_of(&instance, "veth0", "10:66:6a:00:00:02", &evidence, reason), 0);
	assert_string_equal(evidence.owner.network, "backend");
	assert_int_equal(evidence.addresses.count, 1);
	assert_string_equal(addr_format(&evidence.addresses.items[0], text), "10.44.0.7");
	assert_false(evidence.claim);
	evidence_free(&evidence);
	/* Plugged in since. */
	assert_int_equal(evidence_of(&instance, "veth0", "10:66:6a:00:00:09", &evidence, reason), 0);
	assert_string_equal(evidence.owner.network, "br0");
	assert_true(evidence.claim);
	evidence_free(&evidence);
	incus_instance_free(&instance);
}

static void test_refused(void **state)
{
	static const char *const texts[] = {
		"",
		"container: 7",
		"container: {}",
		"container: { name: [ web ] }",
		"other: { name: web }",
		"container: { name: web",
		"container: { name: web, name: db }",
		"container: &a { name: web }",
		"container: { name: web, config: *a }",
		"- container",
		"container: { name: web }\n---\na: b\n",
		"container: { name: web, ? [ a ] : b }",
	};
	static const char address[] =
		"container: { name: web, devices: { eth0: { type: nic, hwaddr: \"02:00:00:00:00:01\","
		" ipv4.address: 127.0.0.1 } } }";
	char reason[REASON_MAX];
	struct incus_instance instance;
	struct evidence evidence;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		assert_int_equal(incus_instance_parse(texts[i], strlen(texts[i]), &instance), -EBADMSG);
	assert_int_equal(incus_instance_parse(address, strlen(address), &instance), 0);
	assert_int_equal(evidence_of(&instance, "veth0", "02:00:00:00:00:01", &evidence, reason), -EINVAL);
	assert_string_equal(reason, "its ipv4.address is none that a container can have");
	evidence_free(&evidence);
	incus_instance_free(&instance);
}

static void test_unpoliced(void **state)
{
	static const char text[] =
		"instance: { name: web, expanded_devices: { eth0: { type: nic, nictype: macvlan } } }";
	struct incus_instance instance;
	char *why;
	size_t size;
	AUTO_FREE char *data = recorded_text(&size);

	(void)state;
	assert_int_equal(incus_instance_parse(text, strlen(text), &instance), 0);
	why = incus_unpoliced(&instance);
	assert_string_equal(why, "its device 'eth0' is macvlan: there is no port of it here");
	free(why);
	incus_instance_free(&instance);
	assert_int_equal(incus_instance_parse(data, size, &instance), 0);
	assert_null(incus_unpoliced(&instance));
	incus_instance_free(&instance);
}

static void test_bounded(void **state)
{
	char *data = malloc(2 * YAML_NODES_MAX + 16), *at = data;
	json_t *json;

	(void)state;
	assert_non_null(data);
	for (unsigned int i = 0; i < YAML_DEPTH_MAX; i++)
		*at++ = '[';
	for (unsigned int i = 0; i < YAML_DEPTH_MAX; i++)
		*at++ = ']';
	json = yaml_to_json(data, (size_t)(at - data));
	assert_non_null(json);
	json_decref(json);
	memmove(data + 1, data, (size_t)(at - data));
	at[1] = ']';
	assert_null(yaml_to_json(data, (size_t)(at - data) + 2));
	at = data;
	*at++ = '[';
	for (unsigned int i = 1; i < YAML_NODES_MAX; i++) {
		*at++ = 'a';
		*at++ = ',';
	}
	at[-1] = ']';
	json = yaml_to_json(data, (size_t)(at - data));
	assert_non_null(json);
	json_decref(json);
	at[-1] = ',';
	*at++ = 'a';
	*at++ = ']';
	assert_null(yaml_to_json(data, (size_t)(at - data)));
	free(data);
}

/* Found as LXC's are, in the folder of Incus. */
static void test_container(void **state)
{
	struct namespace_pin pin = box_pin(100, 1001);
	struct evidence evidence;
	char reason[REASON_MAX], text[256];
	size_t size;
	AUTO_FREE char *data = recorded_text(&size);
	struct box box;

	(void)state;
	box_open(&box, &runtime_lxc);
	AUTO_FREE char *mount = box_path(&box, "cgroup");
	box_put(&box, "incus/containers/customers_web/backup.yaml", data);
	snprintf(text, sizeof(text), "cgroup2 %s cgroup2 rw 0 0\n", mount);
	box_put(&box, "proc/self/mounts", text);
	box_put(&box, "cgroup/lxc.monitor.customers_web/cgroup.procs", "99\n");
	box_put_process(&box, 99, 1000, "/lxc.monitor.customers_web");
	box_put(&box, "proc/99/task/99/children", "100 ");
	size = (size_t)snprintf(text, sizeof(text), "[lxc monitor] %s/incus/containers customers_web", box.root);
	box_put_bytes(&box, "proc/99/cmdline", text, size + 1);
	box_put_process(&box, 100, 1001, "/lxc.payload.customers_web/init.scope");
	runtime_lxc.refresh(box.bundles);
	assert_int_equal(box_ask(&box, &runtime_lxc, &pin, "vethb3c1d2e4", 0, &evidence, reason), RUNTIME_OWNS);
	assert_string_equal(evidence.owner.name, "web");
	assert_string_equal(evidence.owner.runtime, "incus");
	assert_string_equal(evidence.owner.cgroup, "/lxc.payload.customers_web");
	evidence_free(&evidence);
	box_put(&box, "incus/containers/customers_web/backup.yaml", "container: {"); /* half of it */
	assert_int_equal(box_ask(&box, &runtime_lxc, &pin, "vethb3c1d2e4", 0, &evidence, reason), RUNTIME_PENDING);
	assert_non_null(strstr(reason, "its configuration can't be read"));
	evidence_free(&evidence);
	box_close(&box, &runtime_lxc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_instance), cmocka_unit_test(test_refused),   cmocka_unit_test(test_unpoliced),
		cmocka_unit_test(test_bounded),	 cmocka_unit_test(test_container),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
