/* SPDX-License-Identifier: GPL-2.0-only */
/* ctr-config-*.json and cri-config-*.json were written by containerd 1.6 for ctr and for the CRI; what is never read is
 * left out of them. nerdctl-config.json and crio-config-*.json are after what others published of nerdctl 1.0 and CRI-O
 * 1.2x, and the projects' sources (pkg/labels, pkg/annotations). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/loop.h"
#include "port/bundle.h"
#include "port/cni_cache.h"
#include "recorded.h"
#include "runtime_box.h"

#define POD_ID	"0197c58ef264baa4e60eacfaf4e6400e28212cd5439841911cd6b096f9834122"
#define CRIO_ID "134b58ab2e0cfd7432a9db818b1b4ec52fdc747333f0ba2c9342860dc2ea7c50"

static struct bundle *parse_json(json_t *json, const char *place, const char *id)
{
	struct bundle *bundle = bundle_new(place, id);

	assert_non_null(bundle);
	assert_int_equal(place ? bundle_parse_containerd(json, bundle) : bundle_parse_crio(json, bundle), 0);
	json_decref(json);
	return bundle;
}

static struct bundle *parse(const char *name, const char *place, const char *id)
{
	return parse_json(recorded(name), place, id);
}

static const char *label(const struct bundle *bundle, const char *key)
{
	for (size_t i = 0; i < bundle->owner.labels.count; i++) {
		if (strcmp(bundle->owner.labels.items[i].key, key) == 0)
			return bundle->owner.labels.items[i].value;
	}
	return "";
}

static void test_ctr(void **state)
{
	struct bundle *bundle = parse("ctr-config-c1.json", "default", "c1");

	(void)state;
	assert_string_equal(bundle->reason, "");
	assert_string_equal(bundle->owner.id, "c1");
	assert_string_equal(bundle->owner.name, "c1");
	assert_string_equal(bundle->owner.runtime, "containerd");
	assert_string_equal(bundle->owner.namespace, "default");
	assert_null(bundle->owner.image); /* ctr does not say */
	assert_int_equal(bundle->owner.labels.count, 2);
	assert_string_equal(label(bundle, "tier"), "front");
	assert_string_equal(bundle->cni, "default-c1");
	assert_int_equal(bundle->network, BUNDLE_OWN);
	assert_false(bundle->is_pod);
	bundle_free(bundle);
	bundle = parse("ctr-config-hostnet.json", "other", "hostnet");
	assert_int_equal(bundle->network, BUNDLE_HOST);
	bundle_free(bundle);
}

static void test_pod(void **state)
{
	struct bundle *bundle = parse("cri-config-sandbox.json", "k8s.io", POD_ID);

	(void)state;
	assert_true(bundle->is_pod);
	assert_string_equal(bundle->owner.name, "web-0");
	assert_string_equal(bundle->owner.namespace, "customers");
	assert_string_equal(bundle->cni, POD_ID);
	assert_string_equal(bundle->pod, POD_ID);
	assert_int_equal(bundle->network, BUNDLE_PINNED);
	assert_string_equal(bundle->pin, "/var/run/netns/cni-19bf3cbf-0731-acbd-1a2a-fc2ac4e54703");
	/* What was passed on, and what every pod has; none of containerd's own notes. */
	assert_int_equal(bundle->owner.labels.count, 4);
	assert_string_equal(label(bundle, "team"), "red");
	assert_string_equal(label(bundle, "io.kubernetes.pod.namespace"), "customers");
	assert_string_equal(label(bundle, "io.kubernetes.pod.uid"), "uid-web-0");
	bundle_free(bundle);
	bundle = parse("cri-config-container.json", "k8s.io", "f4fd");
	assert_false(bundle->is_pod);
	assert_string_equal(bundle->pod, POD_ID);
	assert_string_equal(bundle->owner.name, "nginx");
	assert_string_equal(bundle->owner.image, "localhost/bulkhead-test:1");
	assert_string_equal(bundle->owner.namespace, "customers");
	assert_int_equal(bundle->network, BUNDLE_JOINED);
	bundle_free(bundle);
}

static void test_nerdctl(void **state)
{
	struct bundle *bundle = parse("nerdctl-config.json", "default", "5bed");

	(void)state;
	assert_string_equal(bundle->owner.name, "runcdev");
	assert_string_equal(bundle->owner.id, "5bed");
	assert_string_equal(bundle->cni, "default-5bed");
	assert_int_equal(bundle->owner.labels.count, 2);
	assert_string_equal(label(bundle, "com.docker.compose.project"), "shop");
	bundle_free(bundle);
}

static void test_crio(void **state)
{
	struct bundle *bundle = parse("crio-config-sandbox.json", NULL, CRIO_ID);
	json_t *podmans = recorded("podman-config-p1.json");

	(void)state;
	assert_string_equal(bundle->reason, "");
	assert_true(bundle->is_pod);
	assert_string_equal(bundle->owner.runtime, "crio");
	assert_string_equal(bundle->owner.name, "segfaulter");
	assert_string_equal(bundle->owner.namespace, "default");
	assert_null(bundle->owner.image);
	assert_string_equal(label(bundle, "run"), "segfaulter");
	assert_int_equal(bundle->owner.labels.count, 5);
	assert_int_equal(bundle->network, BUNDLE_PINNED);
	assert_string_equal(bundle->pin, "/var/run/netns/9abac4ae-94a6-4853-b299-e4c1c2c508c0");
	assert_string_equal(bundle->cni, CRIO_ID);
	bundle_free(bundle);
	bundle = parse("crio-config-container.json", NULL, "49ec");
	assert_false(bundle->is_pod);
	assert_string_equal(bundle->owner.name, "redis");
	assert_string_equal(bundle->owner.image, "quay.io/crio/redis:alpine");
	assert_string_equal(bundle->owner.namespace, "default");
	assert_string_equal(bundle->pod, CRIO_ID);
	bundle_free(bundle);
	/* The folder is Podman's, too. */
	bundle = bundle_new(NULL, "166a");
	assert_int_equal(bundle_parse_crio(podmans, bundle), -EINVAL);
	bundle_free(bundle);
	json_decref(podmans);
}

static void test_crio_host_network(void **state)
{
	json_t *json = recorded("crio-config-sandbox.json");
	struct bundle *bundle;

	(void)state;
	json_object_set_new(json_object_get(json, "annotations"), "io.kubernetes.cri-o.HostNetwork",
			    json_string("true"));
	bundle = parse_json(json, NULL, CRIO_ID);
	assert_int_equal(bundle->network, BUNDLE_HOST);
	bundle_free(bundle);
}

static void refuses(const char *name, const char *place, const char *key, json_t *value, const char *reason)
{
	json_t *json = recorded(name);
	struct bundle *bundle;

	json_object_set_new(json_object_get(json, "annotations"), key, value);
	bundle = parse_json(json, place, "x");
	assert_non_null(strstr(bundle->reason, reason));
	bundle_free(bundle);
}

static void test_hostile(void **state)
{
	char *name = test_malloc(PORT_VALUE_MAX + 2);
	struct bundle *bundle = bundle_new("default", "x");
	json_t *json = json_pack("{s:{s:[]}}", "linux", "namespaces");

	(void)state;
	memset(name, 'n', PORT_VALUE_MAX + 1);
	name[PORT_VALUE_MAX + 1] = '\0';
	refuses("ctr-config-c1.json", "default", "app", json_string(name), "longer than");
	refuses("ctr-config-c1.json", "default", "app", json_integer(7), "no text");
	refuses("cri-config-sandbox.json", "k8s.io", "io.kubernetes.cri.sandbox-name", json_string(name), "name");
	refuses("cri-config-sandbox.json", "k8s.io", "io.kubernetes.cri.sandbox-namespace", json_string(name),
		"namespace");
	refuses("crio-config-sandbox.json", NULL, "io.kubernetes.cri-o.Labels", json_string("{"), "no mapping");
	refuses("crio-config-sandbox.json", NULL, "io.kubernetes.cri-o.Labels", json_string("[]"), "no mapping");
	refuses("crio-config-sandbox.json", NULL, "io.kubernetes.cri-o.Labels", json_string("{\"a\":{}}"), "no text");
	test_free(name);

	assert_int_equal(bundle_parse_containerd(NULL, bundle), -EBADMSG);
	assert_int_equal(bundle_parse_crio(NULL, bundle), -EBADMSG);
	/* A configuration without namespaces is one of a container in the host's. */
	assert_int_equal(bundle_parse_containerd(json, bundle), 0);
	assert_int_equal(bundle->network, BUNDLE_HOST);
	json_decref(json);
	bundle_free(bundle);
}

/* ---- folders */

#define TASKS "state/io.containerd.runtime.v2.task/"

static void test_task_in_steps(void **state)
{
	struct box box;
	struct evidence evidence;
	struct processes processes = {0};
	char reason[REASON_MAX];
	struct namespace_pin pin = box_pin(4711, 100);

	(void)state;
	box_open(&box, &runtime_containerd);
	assert_int_equal(box_ask(&box, &runtime_containerd, &pin, "veth0", 0, &evidence, reason), RUNTIME_NOT_MINE);
	box_put(&box, TASKS "default/c1/config.json", "{ \"linux\": { \"namesp"); /* half of it */
	box_put_process(&box, 4711, 100, "/default/c1");
	assert_int_equal(box_ask(&box, &runtime_containerd, &pin, "veth0", 0, &evidence, reason), RUNTIME_NOT_MINE);
	box_put_recorded(&box, TASKS "default/c1/config.json", "ctr-config-c1.json");
	assert_int_equal(box_ask(&box, &runtime_containerd, &pin, "veth0", 0, &evidence, reason), RUNTIME_NOT_MINE);
	box_put(&box, TASKS "default/c1/init.pid", "4711");
	/* CNI may have more to say, for a while. */
	assert_int_equal(box_ask(&box, &runtime_containerd, &pin, "veth0", 0, &evidence, reason), RUNTIME_PENDING);
	assert_non_null(strstr(reason, "CNI result"));
	evidence_free(&evidence);
	assert_int_equal(box_ask(&box, &runtime_containerd, &pin, "veth0", CNI_WAIT_MS, &evidence, reason),
			 RUNTIME_OWNS);
	assert_true(evidence.claim);
	assert_string_equal(evidence.owner.name, "c1");
	assert_string_equal(evidence.owner.cgroup, "/default/c1");
	evidence_free(&evidence);
	assert_int_equal(runtime_containerd.pins(box.bundles, &processes), 0);
	assert_int_equal(processes.count, 1);
	assert_int_equal(processes.items[0].pid, 4711);
	array_free(&processes);
	/* Another process has the number now. */
	pin = box_pin(4711, 200);
	assert_int_equal(box_ask(&box, &runtime_containerd, &pin, "veth0", CNI_WAIT_MS, &evidence, reason),
			 RUNTIME_NOT_MINE);
	box_close(&box, &runtime_containerd);
}

/* The number in init.pid is another container's by now: that one must not get this one's name. */
static void test_stale_pid(void **state)
{
	struct box box;
	struct evidence evidence;
	char reason[REASON_MAX];
	struct namespace_pin pin = box_pin(4711, 100);

	(void)state;
	box_open(&box, &runtime_containerd);
	box_put_recorded(&box, TASKS "default/c1/config.json", "ctr-config-c1.json");
	box_put(&box, TASKS "default/c1/init.pid", "4711");
	box_put_process(&box, 4711, 100, "/default/c11");
	assert_int_equal(box_ask(&box, &runtime_containerd, &pin, "veth0", CNI_WAIT_MS, &evidence, reason),
			 RUNTIME_NOT_MINE);
	/* Its root may have made a group of the same name below its own. */
	box_put_process(&box, 4711, 100, "/lxc.payload.evil/default/c1");
	assert_int_equal(box_ask(&box, &runtime_containerd, &pin, "veth0", CNI_WAIT_MS, &evidence, reason),
			 RUNTIME_NOT_MINE);
	box_put_process(&box, 4711, 100, "/x/default/c1/below");
	box_put(&box, "proc/self/cgroup", "4:memory:/x/daemon\n0::/y\n");
	assert_int_equal(box_ask(&box, &runtime_containerd, &pin, "veth0", CNI_WAIT_MS, &evidence, reason),
			 RUNTIME_OWNS);
	assert_string_equal(evidence.owner.cgroup, "/x/default/c1");
	evidence_free(&evidence);
	box_close(&box, &runtime_containerd);
}

/* Docker's containers are Docker's to tell of; the same id made anew is another container. */
static void test_moby_and_names_used_again(void **state)
{
	struct box box;
	struct evidence evidence;
	char reason[REASON_MAX];
	struct namespace_pin pin = box_pin(4711, 100);
	AUTO_FREE char *task = NULL;
	AUTO_FREE char *old = NULL;

	(void)state;
	box_open(&box, &runtime_containerd);
	box_put_recorded(&box, TASKS "moby/c1/config.json", "ctr-config-c1.json");
	box_put(&box, TASKS "moby/c1/init.pid", "4711");
	box_put_process(&box, 4711, 100, "/default/c1");
	assert_int_equal(box_ask(&box, &runtime_containerd, &pin, "veth0", CNI_WAIT_MS, &evidence, reason),
			 RUNTIME_NOT_MINE);
	box_put_recorded(&box, TASKS "default/c1/config.json", "ctr-config-c1.json");
	box_put(&box, TASKS "default/c1/init.pid", "4711");
	assert_int_equal(box_ask(&box, &runtime_containerd, &pin, "veth0", CNI_WAIT_MS, &evidence, reason),
			 RUNTIME_OWNS);
	evidence_free(&evidence);
	task = box_path(&box, TASKS "default/c1");
	old = box_path(&box, "old");
	assert_int_equal(rename(task, old), 0);
	box_put_recorded(&box, TASKS "default/c1/config.json", "nerdctl-config.json");
	box_put(&box, TASKS "default/c1/init.pid", "4712");
	box_put_process(&box, 4712, 300,
			"/system.slice/nerdctl-" /* and the id */
			"5bed8c875756abdac43e664d2e7a1950a838675ca143ab71e3a4d8bd0ef9d59f.scope/init");
	assert_int_equal(box_ask(&box, &runtime_containerd, &pin, "veth0", CNI_WAIT_MS, &evidence, reason),
			 RUNTIME_NOT_MINE);
	pin = box_pin(4712, 300);
	assert_int_equal(box_ask(&box, &runtime_containerd, &pin, "veth0", CNI_WAIT_MS, &evidence, reason),
			 RUNTIME_OWNS);
	assert_string_equal(evidence.owner.name, "runcdev");
	evidence_free(&evidence);
	box_close(&box, &runtime_containerd);
}

static void test_pod_and_its_containers(void **state)
{
	struct box box;
	struct evidence evidence;
	char reason[REASON_MAX];
	struct namespace_pin pin = {.dir = NAMESPACE_DIR_NETNS, .name = "cni-19bf3cbf-0731-acbd-1a2a-fc2ac4e54703"};

	(void)state;
	box_open(&box, &runtime_containerd);
	box_put_recorded(&box, TASKS "k8s.io/f4fd/config.json", "cri-config-container.json");
	assert_int_equal(box_ask(&box, &runtime_containerd, &pin, "veth0", CNI_WAIT_MS, &evidence, reason),
			 RUNTIME_NOT_MINE);
	box_put_recorded(&box, TASKS "k8s.io/" POD_ID "/config.json", "cri-config-sandbox.json");
	assert_int_equal(box_ask(&box, &runtime_containerd, &pin, "veth0", CNI_WAIT_MS, &evidence, reason),
			 RUNTIME_OWNS);
	assert_string_equal(evidence.owner.name, "web-0");
	evidence_free(&evidence);
	box_close(&box, &runtime_containerd);
}

/* Nobody asks, and the scan is the same: what was known is not believed when the kernel tells of a change. */
static void test_changes_are_told(void **state)
{
	struct box box;
	const struct bundles *bundles;

	(void)state;
	box_open(&box, &runtime_containerd);
	bundles = box.bundles;
	box_put(&box, TASKS "default/c0/config.json", "{}");
	runtime_containerd.refresh(box.bundles);
	assert_int_equal(runtime_containerd.pins(box.bundles, &(struct processes){0}), 0);
	assert_true(bundles->is_read);
	box_put_recorded(&box, TASKS "default/c0/config.json", "ctr-config-c1.json");
	box_hear(&box);
	assert_false(bundles->is_read);
	assert_int_equal(runtime_containerd.pins(box.bundles, &(struct processes){0}), 0);
	assert_int_equal(bundles->own, 1);
	box_put_recorded(&box, TASKS "other/c1/config.json", "ctr-config-c1.json");
	box_hear(&box);
	assert_false(bundles->is_read);
	assert_int_equal(runtime_containerd.pins(box.bundles, &(struct processes){0}), 0);
	assert_int_equal(bundles->own, 2);
	/* What a shim writes beside them is nobody's business. */
	box_put(&box, TASKS "other/c1/log.json", "{}");
	box_hear(&box);
	assert_true(bundles->is_read);
	box_close(&box, &runtime_containerd);
}

/* CRI-O's pod on Calico's network: the result has no namespace, but the pod's id and the link. */
static void test_crio_folder(void **state)
{
	struct box box;
	struct evidence evidence;
	char reason[REASON_MAX], text[ADDR_TEXT_MAX];
	struct namespace_pin pin = {.dir = NAMESPACE_DIR_NETNS, .name = "9abac4ae-94a6-4853-b299-e4c1c2c508c0"};
	json_t *status;

	(void)state;
	box_open(&box, &runtime_crio);
	box_put(&box, "storage/overlay-containers/166a/userdata/pidfile", "1"); /* one of Podman's */
	box_put_recorded(&box, "storage/overlay-containers/166b/userdata/config.json", "podman-config-p1.json");
	assert_int_equal(box_ask(&box, &runtime_crio, &pin, "calif12c8c41796", 0, &evidence, reason), RUNTIME_NOT_MINE);
	status = runtime_crio.status(box.bundles);
	assert_true(json_is_false(json_object_get(status, "reachable")));
	json_decref(status);
	box_put_recorded(&box, "storage/overlay-containers/" CRIO_ID "/userdata/config.json",
			 "crio-config-sandbox.json");
	assert_int_equal(box_ask(&box, &runtime_crio, &pin, "calif12c8c41796", 0, &evidence, reason), RUNTIME_PENDING);
	evidence_free(&evidence);
	box_put_recorded(&box, "results/k8s-pod-network-" CRIO_ID "-eth0", "cni-crio.json");
	assert_int_equal(box_ask(&box, &runtime_crio, &pin, "calif12c8c41796", 0, &evidence, reason), RUNTIME_OWNS);
	assert_string_equal(evidence.owner.name, "segfaulter");
	assert_string_equal(evidence.owner.network, "k8s-pod-network");
	assert_int_equal(evidence.addresses.count, 1);
	assert_string_equal(addr_format(&evidence.addresses.items[0], text), "172.30.129.95");
	evidence_free(&evidence);
	/* The same result is nothing for another link. */
	assert_int_equal(box_ask(&box, &runtime_crio, &pin, "califfffffffff0", 0, &evidence, reason), RUNTIME_PENDING);
	evidence_free(&evidence);
	status = runtime_crio.status(box.bundles);
	assert_true(json_is_true(json_object_get(status, "reachable")));
	assert_int_equal(json_integer_value(json_object_get(status, "containers")), 1);
	json_decref(status);
	box_close(&box, &runtime_crio);
}

static size_t known(struct box *box)
{
	runtime_containerd.refresh(box->bundles);
	assert_int_equal(runtime_containerd.pins(box->bundles, &(struct processes){0}), 0);
	return ((const struct bundles *)box->bundles)->own;
}

/* What hinders reading the database now may pass: labels are waited for. Of another form it stays. */
static void test_database(void **state)
{
	struct box box;
	const struct bundles *bundles;
	AUTO_FREE char *root = NULL;
	AUTO_FREE char *database = NULL;

	(void)state;
	box_open(&box, &runtime_containerd);
	bundles = box.bundles;
	root = box_path(&box, "root");
	database = box_path(&box, "root/io.containerd.metadata.v1.bolt/meta.db");
	box.watch.options.containerd_root = root;
	box_put_link(&box, "root/io.containerd.metadata.v1.bolt/meta.db", "meta.db");
	box_put_recorded(&box, TASKS "default/c0/config.json", "ctr-config-c1.json");
	assert_int_equal(known(&box), 0);
	assert_true(bundles->db_failed);
	assert_int_equal(unlink(database), 0);
	box_put(&box, "root/io.containerd.metadata.v1.bolt/meta.db", "of another form");
	assert_int_equal(known(&box), 1);
	assert_true(bundles->db_failed);
	/* It has been read without, whatever comes. */
	assert_int_equal(known(&box), 1);
	assert_true(bundles->db_failed);
	box_close(&box, &runtime_containerd);
}

/* Too many at one time; that passes. */
static void test_left_out(void **state)
{
	struct box box;
	const struct bundles *bundles;
	AUTO_FREE char *place = NULL;

	(void)state;
	box_open(&box, &runtime_containerd);
	bundles = box.bundles;
	for (int i = 0; i <= 256; i++) {
		char name[64];

		snprintf(name, sizeof(name), TASKS "place-%d/x", i);
		box_put(&box, name, "");
	}
	runtime_containerd.refresh(box.bundles);
	assert_int_equal(runtime_containerd.pins(box.bundles, &(struct processes){0}), 0);
	assert_true(bundles->left_out);
	place = box_path(&box, TASKS "place-7/x");
	assert_int_equal(unlink(place), 0);
	*strrchr(place, '/') = '\0';
	assert_int_equal(rmdir(place), 0);
	runtime_containerd.refresh(box.bundles);
	assert_int_equal(runtime_containerd.pins(box.bundles, &(struct processes){0}), 0);
	assert_false(bundles->left_out);
	box_close(&box, &runtime_containerd);
}

/* What is no regular file is not read, and holds nothing up. */
static void test_traps(void **state)
{
	struct box box;
	struct evidence evidence;
	char reason[REASON_MAX];
	struct namespace_pin pin = box_pin(4711, 100);
	AUTO_FREE char *fifo = NULL;
	AUTO_FREE char *result = NULL;

	(void)state;
	box_open(&box, &runtime_containerd);
	box_put(&box, TASKS "default/c1/init.pid", "4711");
	box_put(&box, "results/x", "{}");
	fifo = box_path(&box, TASKS "default/c1/config.json");
	result = box_path(&box, "results/y");
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_int_equal(mkfifo(result, 0600), 0);
	assert_int_equal(box_ask(&box, &runtime_containerd, &pin, "veth0", CNI_WAIT_MS, &evidence, reason),
			 RUNTIME_NOT_MINE);
	box_close(&box, &runtime_containerd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ctr),
		cmocka_unit_test(test_pod),
		cmocka_unit_test(test_nerdctl),
		cmocka_unit_test(test_crio),
		cmocka_unit_test(test_crio_host_network),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_task_in_steps),
		cmocka_unit_test(test_stale_pid),
		cmocka_unit_test(test_moby_and_names_used_again),
		cmocka_unit_test(test_pod_and_its_containers),
		cmocka_unit_test(test_changes_are_told),
		cmocka_unit_test(test_crio_folder),
		cmocka_unit_test(test_database),
		cmocka_unit_test(test_left_out),
		cmocka_unit_test(test_traps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
