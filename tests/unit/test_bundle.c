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

struct box {
	char root[32];
	struct port_watch watch;
	char *paths[4];
	void *bundles;
	struct loop_source *quit;
	unsigned int rounds;
};

static char *path_of(const struct box *box, const char *name)
{
	size_t size = strlen(box->root) + strlen(name) + 2;
	char *path = malloc(size);

	assert_non_null(path);
	snprintf(path, size, "%s/%s", box->root, name);
	return path;
}

static void put(const struct box *box, const char *name, const char *text)
{
	AUTO_FREE char *path = path_of(box, name);
	AUTO_FREE char *folder = path_of(box, name);

	*strrchr(folder, '/') = '\0';
	assert_int_equal(file_make_directories(folder, 0700, NULL), 0);
	assert_int_equal(file_write(path, text, strlen(text), NULL), 0);
}

static void put_recorded(const struct box *box, const char *name, const char *what)
{
	json_t *json = recorded(what);
	char *text = json_dumps(json, JSON_COMPACT);

	assert_non_null(text);
	put(box, name, text);
	free(text);
	json_decref(json);
}

static void put_process(const struct box *box, int pid, int start, const char *cgroup)
{
	char name[64], text[256];

	snprintf(name, sizeof(name), "proc/%d/stat", pid);
	snprintf(text, sizeof(text), "%d (sh) S 1 1 1 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 %d 1 1 1\n", pid, start);
	put(box, name, text);
	snprintf(name, sizeof(name), "proc/%d/cgroup", pid);
	snprintf(text, sizeof(text), "4:memory:%s\n0::%s\n", cgroup, cgroup);
	put(box, name, text);
}

static void no_scan(struct loop *loop, void *arg)
{
	(void)loop;
	(void)arg;
}

/* In the second round: what was ready in the first one has been told then, whatever came before what. */
static void quit(struct loop *loop, void *arg)
{
	struct box *box = arg;

	if (box->rounds++ == 0)
		assert_int_equal(loop_set_timer(box->quit, 0, 0), 0);
	else
		loop_quit(loop, 0);
}

static void box_open(struct box *box, const struct runtime *runtime)
{
	*box = (struct box){.root = "/tmp/test-bundle.XXXXXX"};
	assert_non_null(mkdtemp(box->root));
	box->paths[0] = path_of(box, "state");
	box->paths[1] = path_of(box, "proc");
	box->paths[2] = path_of(box, "results");
	box->paths[3] = path_of(box, "storage");
	box->watch.netlink_fd = -1;
	box->watch.options = (struct port_options){.containerd_state = box->paths[0],
						   .proc = box->paths[1],
						   .cni_results = box->paths[2],
						   .crio_run = box->paths[3],
						   .netns_dir = "/run/netns"};
	assert_int_equal(loop_new(&box->watch.loop), 0);
	assert_int_equal(loop_add_timer(box->watch.loop, no_scan, NULL, &box->watch.timer), 0);
	assert_int_equal(loop_add_timer(box->watch.loop, quit, box, &box->quit), 0);
	assert_int_equal(cni_cache_new(&box->watch, &box->watch.cni), 0);
	assert_int_equal(runtime->start(&box->watch, &box->bundles), 0);
}

static void box_close(struct box *box, const struct runtime *runtime)
{
	AUTO_FREE char *command = NULL;

	runtime->stop(box->bundles);
	cni_cache_free(box->watch.cni);
	loop_remove(box->watch.timer);
	loop_remove(box->quit);
	loop_free(box->watch.loop);
	assert_true(asprintf(&command, "rm -r %s", box->root) > 0);
	assert_int_equal(system(command), 0);
	for (size_t i = 0; i < 4; i++)
		free(box->paths[i]);
}

/* What the kernel has to tell of the folders is there at once. */
static void hear(struct box *box)
{
	box->rounds = 0;
	assert_int_equal(loop_set_timer(box->quit, 0, 0), 0);
	assert_int_equal(loop_run(box->watch.loop), 0);
}

/* As a scan asks: for a port with this link, whose namespace has one pin. */
static enum runtime_answer ask(struct box *box, const struct runtime *runtime, struct namespace_pin *pin,
			       const char *link, int64_t age_ms, struct evidence *evidence, char reason[REASON_MAX])
{
	struct namespace namespace = {.cookie = 7, .nsid = 3, .pins = {.items = pin, .count = 1}};
	struct link the_link = {.ifindex = 5};
	struct peer peer = {0};
	const struct runtime_question question = {
		.link = &the_link, .namespace = &namespace, .peer = &peer, .since_ms = monotonic_ms() - age_ms};

	snprintf(the_link.name, sizeof(the_link.name), "%s", link);
	hear(box);
	box->watch.scans++;
	*evidence = (struct evidence){0};
	reason[0] = '\0';
	return runtime->ask(box->bundles, &question, evidence, reason);
}

static struct namespace_pin process_pin(int pid, uint64_t start)
{
	return (struct namespace_pin){.dir = NAMESPACE_DIR_PROC, .name = "", .process = {.pid = pid, .start = start}};
}

#define TASKS "state/io.containerd.runtime.v2.task/"

static void test_task_in_steps(void **state)
{
	struct box box;
	struct evidence evidence;
	struct processes processes = {0};
	char reason[REASON_MAX];
	struct namespace_pin pin = process_pin(4711, 100);

	(void)state;
	box_open(&box, &runtime_containerd);
	assert_int_equal(ask(&box, &runtime_containerd, &pin, "veth0", 0, &evidence, reason), RUNTIME_NOT_MINE);
	put(&box, TASKS "default/c1/config.json", "{ \"linux\": { \"namesp"); /* half of it */
	put_process(&box, 4711, 100, "/default/c1");
	assert_int_equal(ask(&box, &runtime_containerd, &pin, "veth0", 0, &evidence, reason), RUNTIME_NOT_MINE);
	put_recorded(&box, TASKS "default/c1/config.json", "ctr-config-c1.json");
	assert_int_equal(ask(&box, &runtime_containerd, &pin, "veth0", 0, &evidence, reason), RUNTIME_NOT_MINE);
	put(&box, TASKS "default/c1/init.pid", "4711");
	/* CNI may have more to say, for a while. */
	assert_int_equal(ask(&box, &runtime_containerd, &pin, "veth0", 0, &evidence, reason), RUNTIME_PENDING);
	assert_non_null(strstr(reason, "CNI result"));
	evidence_free(&evidence);
	assert_int_equal(ask(&box, &runtime_containerd, &pin, "veth0", CNI_WAIT_MS, &evidence, reason), RUNTIME_OWNS);
	assert_true(evidence.claim);
	assert_string_equal(evidence.owner.name, "c1");
	assert_string_equal(evidence.owner.cgroup, "/default/c1");
	evidence_free(&evidence);
	assert_int_equal(runtime_containerd.pins(box.bundles, &processes), 0);
	assert_int_equal(processes.count, 1);
	assert_int_equal(processes.items[0].pid, 4711);
	array_free(&processes);
	/* Another process has the number now. */
	pin = process_pin(4711, 200);
	assert_int_equal(ask(&box, &runtime_containerd, &pin, "veth0", CNI_WAIT_MS, &evidence, reason),
			 RUNTIME_NOT_MINE);
	box_close(&box, &runtime_containerd);
}

/* The number in init.pid is another container's by now: that one must not get this one's name. */
static void test_stale_pid(void **state)
{
	struct box box;
	struct evidence evidence;
	char reason[REASON_MAX];
	struct namespace_pin pin = process_pin(4711, 100);

	(void)state;
	box_open(&box, &runtime_containerd);
	put_recorded(&box, TASKS "default/c1/config.json", "ctr-config-c1.json");
	put(&box, TASKS "default/c1/init.pid", "4711");
	put_process(&box, 4711, 100, "/default/c11");
	assert_int_equal(ask(&box, &runtime_containerd, &pin, "veth0", CNI_WAIT_MS, &evidence, reason),
			 RUNTIME_NOT_MINE);
	put_process(&box, 4711, 100, "/x/default/c1/below");
	assert_int_equal(ask(&box, &runtime_containerd, &pin, "veth0", CNI_WAIT_MS, &evidence, reason), RUNTIME_OWNS);
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
	struct namespace_pin pin = process_pin(4711, 100);
	AUTO_FREE char *task = NULL;
	AUTO_FREE char *old = NULL;

	(void)state;
	box_open(&box, &runtime_containerd);
	put_recorded(&box, TASKS "moby/c1/config.json", "ctr-config-c1.json");
	put(&box, TASKS "moby/c1/init.pid", "4711");
	put_process(&box, 4711, 100, "/default/c1");
	assert_int_equal(ask(&box, &runtime_containerd, &pin, "veth0", CNI_WAIT_MS, &evidence, reason),
			 RUNTIME_NOT_MINE);
	put_recorded(&box, TASKS "default/c1/config.json", "ctr-config-c1.json");
	put(&box, TASKS "default/c1/init.pid", "4711");
	assert_int_equal(ask(&box, &runtime_containerd, &pin, "veth0", CNI_WAIT_MS, &evidence, reason), RUNTIME_OWNS);
	evidence_free(&evidence);
	task = path_of(&box, TASKS "default/c1");
	old = path_of(&box, "old");
	assert_int_equal(rename(task, old), 0);
	put_recorded(&box, TASKS "default/c1/config.json", "nerdctl-config.json");
	put(&box, TASKS "default/c1/init.pid", "4712");
	put_process(&box, 4712, 300,
		    "/system.slice/nerdctl-" /* and the id */
		    "5bed8c875756abdac43e664d2e7a1950a838675ca143ab71e3a4d8bd0ef9d59f.scope/init");
	assert_int_equal(ask(&box, &runtime_containerd, &pin, "veth0", CNI_WAIT_MS, &evidence, reason),
			 RUNTIME_NOT_MINE);
	pin = process_pin(4712, 300);
	assert_int_equal(ask(&box, &runtime_containerd, &pin, "veth0", CNI_WAIT_MS, &evidence, reason), RUNTIME_OWNS);
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
	put_recorded(&box, TASKS "k8s.io/f4fd/config.json", "cri-config-container.json");
	assert_int_equal(ask(&box, &runtime_containerd, &pin, "veth0", CNI_WAIT_MS, &evidence, reason),
			 RUNTIME_NOT_MINE);
	put_recorded(&box, TASKS "k8s.io/" POD_ID "/config.json", "cri-config-sandbox.json");
	assert_int_equal(ask(&box, &runtime_containerd, &pin, "veth0", CNI_WAIT_MS, &evidence, reason), RUNTIME_OWNS);
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
	put(&box, TASKS "default/c0/config.json", "{}");
	runtime_containerd.refresh(box.bundles);
	assert_int_equal(runtime_containerd.pins(box.bundles, &(struct processes){0}), 0);
	assert_true(bundles->is_read);
	put_recorded(&box, TASKS "default/c0/config.json", "ctr-config-c1.json");
	hear(&box);
	assert_false(bundles->is_read);
	assert_int_equal(runtime_containerd.pins(box.bundles, &(struct processes){0}), 0);
	assert_int_equal(bundles->own, 1);
	put_recorded(&box, TASKS "other/c1/config.json", "ctr-config-c1.json");
	hear(&box);
	assert_false(bundles->is_read);
	assert_int_equal(runtime_containerd.pins(box.bundles, &(struct processes){0}), 0);
	assert_int_equal(bundles->own, 2);
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
	put(&box, "storage/overlay-containers/166a/userdata/pidfile", "1"); /* one of Podman's */
	put_recorded(&box, "storage/overlay-containers/166b/userdata/config.json", "podman-config-p1.json");
	assert_int_equal(ask(&box, &runtime_crio, &pin, "calif12c8c41796", 0, &evidence, reason), RUNTIME_NOT_MINE);
	status = runtime_crio.status(box.bundles);
	assert_true(json_is_false(json_object_get(status, "reachable")));
	json_decref(status);
	put_recorded(&box, "storage/overlay-containers/" CRIO_ID "/userdata/config.json", "crio-config-sandbox.json");
	assert_int_equal(ask(&box, &runtime_crio, &pin, "calif12c8c41796", 0, &evidence, reason), RUNTIME_PENDING);
	evidence_free(&evidence);
	put_recorded(&box, "results/k8s-pod-network-" CRIO_ID "-eth0", "cni-crio.json");
	assert_int_equal(ask(&box, &runtime_crio, &pin, "calif12c8c41796", 0, &evidence, reason), RUNTIME_OWNS);
	assert_string_equal(evidence.owner.name, "segfaulter");
	assert_string_equal(evidence.owner.network, "k8s-pod-network");
	assert_int_equal(evidence.addresses.count, 1);
	assert_string_equal(addr_format(&evidence.addresses.items[0], text), "172.30.129.95");
	evidence_free(&evidence);
	/* The same result is nothing for another link. */
	assert_int_equal(ask(&box, &runtime_crio, &pin, "califfffffffff0", 0, &evidence, reason), RUNTIME_PENDING);
	evidence_free(&evidence);
	status = runtime_crio.status(box.bundles);
	assert_true(json_is_true(json_object_get(status, "reachable")));
	assert_int_equal(json_integer_value(json_object_get(status, "containers")), 1);
	json_decref(status);
	box_close(&box, &runtime_crio);
}

/* What is no regular file is not read, and holds nothing up. */
static void test_traps(void **state)
{
	struct box box;
	struct evidence evidence;
	char reason[REASON_MAX];
	struct namespace_pin pin = process_pin(4711, 100);
	AUTO_FREE char *fifo = NULL;
	AUTO_FREE char *result = NULL;

	(void)state;
	box_open(&box, &runtime_containerd);
	put(&box, TASKS "default/c1/init.pid", "4711");
	put(&box, "results/x", "{}");
	fifo = path_of(&box, TASKS "default/c1/config.json");
	result = path_of(&box, "results/y");
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_int_equal(mkfifo(result, 0600), 0);
	assert_int_equal(ask(&box, &runtime_containerd, &pin, "veth0", CNI_WAIT_MS, &evidence, reason),
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
		cmocka_unit_test(test_traps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
