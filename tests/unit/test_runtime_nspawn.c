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
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "port/nspawn.h"
#include "runtime_box.h"

/* After machine_save() of systemd 252 (src/machine/machine.c). */
static void test_machine(void **state)
{
	struct nspawn_machine machine = {0};
	AUTO_FREE char *data = NULL;
	size_t size;

	(void)state;
	assert_int_equal(file_read("tests/unit/recorded/machine-web", NSPAWN_MACHINE_FILE_MAX, &data, &size, NULL), 0);
	assert_int_equal(nspawn_machine_parse(data, &machine), 0);
	assert_int_equal(machine.first.pid, 4711);
	assert_string_equal(machine.unit, "machine-web.scope");
	free(machine.unit);
}

static void test_no_machine(void **state)
{
	static const char *const cases[] = {
		"",
		"LEADER=4711\n",
		"SCOPE=a.scope\nSERVICE=libvirt-lxc\nLEADER=4711\nCLASS=container\n",
		"SCOPE=a.scope\nSERVICE=systemd-nspawn\nLEADER=4711\nCLASS=vm\n",
		"SCOPE=a.scope\nSERVICE=systemd-nspawn\nLEADER=47x\nCLASS=container\n",
		"SCOPE=a.scope\nSERVICE=systemd-nspawn\nLEADER=0\nCLASS=container\n",
		"SCOPE=a.scope\nSERVICE=systemd-nspawn\nLEADER=99999999999\nCLASS=container\n",
		"SCOPE=\nSERVICE=systemd-nspawn\nLEADER=4711\nCLASS=container\n",
		"SERVICE=systemd-nspawn\nLEADER=4711\nCLASS=container\n",
		"XSCOPE=a.scope\nSERVICE=systemd-nspawn\nLEADER=4711\nCLASS=container",
	};
	struct nspawn_machine machine = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_int_equal(nspawn_machine_parse(cases[i], &machine), -EINVAL);
	assert_null(machine.unit);
}

#define WORDS(text) text, sizeof(text)

static void assert_name(const char *arguments, size_t size, const char *wanted)
{
	char *name = nspawn_arguments_parse(arguments, size);

	if (wanted)
		assert_string_equal(name, wanted);
	else
		assert_null(name);
	free(name);
}

static void test_arguments(void **state)
{
	(void)state;
	assert_name(WORDS("systemd-nspawn\0-q\0-D\0/srv/root\0-M\0web\0--register=no\0/bin/sh"), "web");
	assert_name(WORDS("systemd-nspawn\0--machine=web\0--boot"), "web");
	assert_name(WORDS("systemd-nspawn\0--machine\0web"), "web");
	assert_name(WORDS("systemd-nspawn\0-Mweb"), "web");
	assert_name(WORDS("systemd-nspawn\0-bqM\0web\0-D\0/x"), "web");
	/* Of the machine's own command nothing counts. */
	assert_name(WORDS("systemd-nspawn\0-M\0web\0--keep-unit\0cmd\0-M\0db"), "web");
	assert_name(WORDS("systemd-nspawn\0-M\0web\0--\0-M\0db"), "web");
	assert_name(WORDS("systemd-nspawn\0-D\0/srv/web\0cmd\0-M\0db"), "web");
	/* Of values neither. */
	assert_name(WORDS("systemd-nspawn\0-u\0-Mdb\0-M\0web"), "web");
	assert_name(WORDS("systemd-nspawn\0--setenv\0-Mdb\0-M\0web"), "web");
	assert_name(WORDS("systemd-nspawn\0-bD\0/var/lib/machines/web/"), "web");
	assert_name(WORDS("systemd-nspawn\0--directory=/var/lib/machines/web"), "web");
	assert_name(WORDS("systemd-nspawn\0-i\0/srv/web.raw"), "web");
	assert_name(WORDS("systemd-nspawn\0--image=web.img"), "web.img");
	/* A copy for one run has a name by chance. */
	assert_name(WORDS("systemd-nspawn\0-xD\0/srv/web"), NULL);
	assert_name(WORDS("systemd-nspawn\0--ephemeral\0-D\0/srv/web"), NULL);
	assert_name(WORDS("systemd-nspawn\0-x\0-M\0web"), "web");
	assert_name(WORDS("systemd-nspawn"), NULL);
	assert_name(WORDS("systemd-nspawn\0-M"), NULL);
	assert_name(WORDS("systemd-nspawn\0-D\0/"), NULL);
	assert_name("", 0, NULL);
	assert_name("systemd-nspawn", strlen("systemd-nspawn"), NULL);
}

static void test_link_name(void **state)
{
	(void)state;
	assert_string_equal(nspawn_link_name("vb-web"), "web");
	assert_string_equal(nspawn_link_name("ve-web"), "web");
	assert_null(nspawn_link_name("veth0"));
	assert_null(nspawn_link_name("vz-web"));
}

/* ---- folders */

static enum runtime_answer ask(struct box *box, const char *link, struct evidence *evidence, char reason[REASON_MAX])
{
	struct namespace_pin pin = box_pin(4711, 1001);

	return box_ask(box, &runtime_nspawn, &pin, link, 0, evidence, reason);
}

static void test_registered(void **state)
{
	struct evidence evidence;
	char reason[REASON_MAX];
	struct box box;

	(void)state;
	box_open(&box, &runtime_nspawn);
	AUTO_FREE char *data = NULL;
	size_t size;
	assert_int_equal(file_read("tests/unit/recorded/machine-web", NSPAWN_MACHINE_FILE_MAX, &data, &size, NULL), 0);
	box_put(&box, "machines/web", data);
	box_put_link(&box, "machines/unit:machine-web.scope", "web");
	box_put_process(&box, 4711, 1001, "/machine.slice/machine-web.scope/payload");
	assert_int_equal(ask(&box, "vb-web", &evidence, reason), RUNTIME_OWNS);
	assert_string_equal(evidence.owner.name, "web");
	assert_string_equal(evidence.owner.cgroup, "/machine.slice/machine-web.scope");
	assert_true(evidence.claim);
	evidence_free(&evidence);
	/* The host's end says otherwise. */
	assert_int_equal(ask(&box, "vb-db", &evidence, reason), RUNTIME_PENDING);
	assert_non_null(strstr(reason, "otherwise"));
	/* The file is old, and the number another's: not in the machine's unit. */
	box_put_process(&box, 4711, 1001, "/machine.slice/machine-db.scope/payload");
	assert_int_equal(ask(&box, "vb-web", &evidence, reason), RUNTIME_NOT_MINE);
	box_put_process(&box, 4711, 1001, "/docker/1/machine-web.scope");
	assert_int_equal(ask(&box, "vb-web", &evidence, reason), RUNTIME_NOT_MINE);
	box_close(&box, &runtime_nspawn);
}

#define SUPERVISOR "systemd-nspawn\0-M\0web\0-D\0/srv/root"

static void put_supervisor(const struct box *box)
{
	static const char *const kinds[] = {"net", "pid", "user"};
	char path[64];

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		snprintf(path, sizeof(path), "proc/self/ns/%s", kinds[i]);
		box_put_link(box, path, "ns:[1]");
		snprintf(path, sizeof(path), "proc/4700/ns/%s", kinds[i]);
		box_put_link(box, path, "ns:[1]");
	}
	box_put_process(box, 4700, 1000, "/supervisor");
	box_put(box, "proc/4700/status", "Name:\tsystemd-nspawn\nUid:\t0\t0\t0\t0\n");
	box_put_link(box, "proc/4700/exe", "/usr/bin/systemd-nspawn");
	box_put_bytes(box, "proc/4700/cmdline", SUPERVISOR, sizeof(SUPERVISOR));
	box_put(box, "proc/4700/task/4700/children", "4711 ");
	box_put_process(box, 4711, 1001, "/payload");
	box_put_link(box, "proc/4711/ns/net", "ns:[2]");
}

/* A port that waits, named as nspawn does. */
static void put_port(struct box *box, struct entry *entry, struct entry **list, const char *name)
{
	*entry = (struct entry){.key = 1, .link = {.elsewhere = true}};
	snprintf(entry->link.name, sizeof(entry->link.name), "%s", name);
	*list = entry;
	box->watch.entries.items = list;
	box->watch.entries.count = 1;
}

static void test_supervisor(void **state)
{
	struct entry entry, *list;
	struct evidence evidence;
	char reason[REASON_MAX];
	struct box box;

	(void)state;
	box_open(&box, &runtime_nspawn);
	put_supervisor(&box);
	assert_int_equal(ask(&box, "vb-web", &evidence, reason), RUNTIME_NOT_MINE); /* nobody searches */
	put_port(&box, &entry, &list, "vb-web");
	assert_int_equal(ask(&box, "vb-web", &evidence, reason), RUNTIME_OWNS);
	assert_string_equal(evidence.owner.name, "web");
	evidence_free(&evidence);
	/* It has ended. */
	box_put(&box, "proc/4700/stat", "");
	assert_int_equal(ask(&box, "vb-web", &evidence, reason), RUNTIME_NOT_MINE);
	box_close(&box, &runtime_nspawn);
}

/* A process that is called so in a container, or is not root's, is none. */
static void test_no_supervisor(void **state)
{
	static const struct {
		const char *path, *text;
	} cases[] = {
		{"proc/4700/ns/pid", "ns:[3]"},
		{"proc/4700/ns/net", "ns:[3]"},
		{"proc/4700/ns/user", "ns:[3]"},
		{"proc/4700/exe", "/usr/bin/sh"},
		{"proc/4711/ns/net", "ns:[1]"}, /* its child is not elsewhere */
		{"proc/4700/status", "Name:\tsystemd-nspawn\nUid:\t1000\t1000\t1000\t1000\n"},
		{"proc/4700/status", "Uid:\t1000\t0\t0\t0\n"}, /* without a line before it: no file of the kernel's */
		{"proc/4700/status", "Name:\tx\nUid:\t1000\t0\t0\t0\n"},
		{"proc/4700/status", "Name:\tx\nUid:\t0\t1000\t0\t0\n"},
		{"proc/4700/status", "Name:\t\\nUid:\t0\t0\t0\t0\nUid:\t1000\t1000\t1000\t1000\n"},
		{"proc/4700/status", ""},
	};
	struct entry entry, *list;
	struct evidence evidence;
	char reason[REASON_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct box box;

		box_open(&box, &runtime_nspawn);
		put_supervisor(&box);
		put_port(&box, &entry, &list, "vb-web");
		if (strstr(cases[i].path, "status"))
			box_put(&box, cases[i].path, cases[i].text);
		else
			box_put_link(&box, cases[i].path, cases[i].text);
		assert_int_equal(ask(&box, "vb-web", &evidence, reason), RUNTIME_NOT_MINE);
		box_close(&box, &runtime_nspawn);
	}
}

static void test_left_out(void **state)
{
	struct evidence evidence;
	char reason[REASON_MAX], name[32];
	json_t *status;
	struct box box;

	(void)state;
	box_open(&box, &runtime_nspawn);
	for (unsigned int i = 0; i <= NSPAWN_MACHINES_MAX; i++) {
		snprintf(name, sizeof(name), "machines/m%u", i);
		if (i == NSPAWN_MACHINES_MAX) {
			assert_int_equal(ask(&box, "vb-web", &evidence, reason), RUNTIME_NOT_MINE);
			status = runtime_nspawn.status(box.bundles);
			assert_null(json_object_get(status, "left_out"));
			json_decref(status);
		}
		box_put(&box, name, "");
	}
	assert_int_equal(ask(&box, "vb-web", &evidence, reason), RUNTIME_NOT_MINE);
	status = runtime_nspawn.status(box.bundles);
	assert_true(json_is_true(json_object_get(status, "left_out")));
	json_decref(status);
	box_close(&box, &runtime_nspawn);
}

/* All processes are looked through for a new port, and then ever less often, whatever else happens. */
static void test_search_is_rare(void **state)
{
	char buffer[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	int searches = 0, notify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	struct entry entry, *list;
	struct evidence evidence;
	char reason[REASON_MAX], path[64];
	struct box box;
	ssize_t n;

	(void)state;
	box_open(&box, &runtime_nspawn);
	put_supervisor(&box);
	for (int i = 0; i < 5000; i++) {
		snprintf(path, sizeof(path), "%s/proc/%d", box.root, 10000 + i);
		assert_int_equal(mkdir(path, 0700), 0);
	}
	snprintf(path, sizeof(path), "%s/proc", box.root);
	assert_true(inotify_add_watch(notify, path, IN_OPEN | IN_ONLYDIR) >= 0);
	for (int i = 0; i < 100; i++)
		assert_int_equal(ask(&box, "veth0", &evidence, reason), RUNTIME_NOT_MINE);
	assert_true(read(notify, buffer, sizeof(buffer)) < 0); /* no port of nspawn's: never */
	put_port(&box, &entry, &list, "vb-else");
	box_put_link(&box, "proc/4700/exe", "/usr/bin/sh");
	int64_t start_ms = monotonic_ms();
	for (int i = 0; i < 1000; i++)
		assert_int_equal(ask(&box, "vb-else", &evidence, reason), RUNTIME_NOT_MINE);
	int64_t took_ms = monotonic_ms() - start_ms;
	while ((n = read(notify, buffer, sizeof(buffer))) > 0) {
		const struct inotify_event *event;

		for (const char *at = buffer; at < buffer + n; at += sizeof(*event) + event->len) {
			event = (const struct inotify_event *)at;
			searches += event->len == 0; /* the folder itself */
		}
	}
	/* 20, 40, 80 ms … apart, or a tenth of the time: the sum of the first k pauses is 20 * (2^k - 1). */
	int most = 1;
	for (int64_t sum_ms = 0, pause_ms = 20; sum_ms <= took_ms; pause_ms *= 2, most++)
		sum_ms += pause_ms;
	print_message("# looked through 5,000 processes %d times in %lld ms and 1,000 questions\n", searches,
		      (long long)took_ms);
	assert_true(searches >= 1);
	assert_true(searches <= most);
	close(notify);
	box_close(&box, &runtime_nspawn);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_machine),	      cmocka_unit_test(test_no_machine),
		cmocka_unit_test(test_arguments),     cmocka_unit_test(test_link_name),
		cmocka_unit_test(test_registered),    cmocka_unit_test(test_supervisor),
		cmocka_unit_test(test_no_supervisor), cmocka_unit_test(test_search_is_rare),
		cmocka_unit_test(test_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
