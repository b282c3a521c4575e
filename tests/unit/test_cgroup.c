/* SPDX-License-Identifier: GPL-2.0-only */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "port/cgroup.h"

static char proc[] = "/tmp/test-cgroup.XXXXXX";

static void put(const char *path, const char *text)
{
	char full[256], *slash;
	FILE *file;

	snprintf(full, sizeof(full), "%s/%s", proc, path);
	slash = strrchr(full, '/');
	*slash = '\0';
	assert_int_equal(file_make_directories(full, 0700, NULL), 0);
	*slash = '/';
	file = fopen(full, "we");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void assert_cgroup(const char *text, const char *name, const char *wanted)
{
	char *cgroup;

	put("7/cgroup", text);
	cgroup = cgroup_of(proc, 7, name);
	if (wanted)
		assert_string_equal(cgroup, wanted);
	else
		assert_null(cgroup);
	free(cgroup);
}

/* Of a path counts what stands at its root: below its own group a container makes groups of any name. */
static void test_path(void **state)
{
	(void)state;
	/* LXC 5 on a hybrid host, as seen. */
	assert_cgroup("9:name=systemd:/lxc.payload.l1\n8:pids:/lxc.payload.l1\n0::/lxc.payload.l1\n", "lxc.payload.l1",
		      "/lxc.payload.l1");
	/* systemd in the container has moved its first process. */
	assert_cgroup("0::/lxc.payload.l1/init.scope\n", "lxc.payload.l1", "/lxc.payload.l1");
	assert_cgroup("0::/lxc.payload.l1-1\n", "lxc.payload.l1", NULL);
	assert_cgroup("0::/lxc.payload.evil/lxc.payload.l1\n", "lxc.payload.l1", NULL);
	assert_cgroup("0::/docker/0123/lxc.payload.l1\n", "lxc.payload.l1", NULL);
	/* Units of systemd are in slices. */
	assert_cgroup("0::/machine.slice/machine-web.scope/payload\n", "machine-web.scope",
		      "/machine.slice/machine-web.scope");
	assert_cgroup("0::/a.slice/a-b.slice/x.service/payload\n", "x.service", "/a.slice/a-b.slice/x.service");
	assert_cgroup("0::/machine.slice/machine-evil.scope/payload/machine-web.scope\n", "machine-web.scope", NULL);
	assert_cgroup("0::/.slice/x.service\n", "x.service", NULL);
	assert_cgroup("0::/\n", "x", NULL);
	assert_cgroup("0::/\n", "", NULL);
	assert_cgroup("", "x", NULL);
	assert_cgroup("nothing", "nothing", NULL);
	assert_cgroup("1:a:/other\n0::/x", "x", "/x");
	/* A name of several parts, at the root: root in a container makes the same below its own group. */
	assert_cgroup("4:memory:/default/web/below\n", "default/web", "/default/web");
	assert_cgroup("0::/default/web-1\n", "default/web", NULL);
	assert_cgroup("0::/lxc.payload.evil/default/web\n", "default/web", NULL);
	assert_cgroup("0::/default/evil/default/web\n", "default/web", NULL);
	assert_null(cgroup_of(proc, 8, "x"));
	assert_null(cgroup_of(proc, 0, "x"));
}

/* The host is a part of a larger one: what is before its groups is before ours, too, in the same hierarchy. */
static void test_part_of_a_host(void **state)
{
	(void)state;
	put("self/cgroup", "4:memory:/box/7/daemon\n0::/\n");
	assert_cgroup("4:memory:/box/7/default/web/below\n", "default/web", "/box/7/default/web");
	assert_cgroup("4:memory:/box/7/daemon/web\n", "web", "/box/7/daemon/web");
	assert_cgroup("4:memory:/box/7/a.slice/web.scope\n", "web.scope", "/box/7/a.slice/web.scope");
	assert_cgroup("4:memory:/box/8/default/web\n", "default/web", NULL);
	assert_cgroup("4:memory:/box/77/default/web\n", "default/web", NULL);
	assert_cgroup("4:memory:/box/7/evil/default/web\n", "default/web", NULL);
	assert_cgroup("0::/box/7/default/web\n", "default/web", NULL);
	/* As one in a namespace of control groups sees it. */
	assert_cgroup("0::/../../default/web/below\n", "default/web", "/../../default/web");
	assert_cgroup("0::/../evil/default/web\n", "default/web", NULL);
	assert_cgroup("0::/x../default/web\n", "default/web", NULL);
	put("self/cgroup", "");
}

static void test_pids(void **state)
{
	int32_t pids[CGROUP_PIDS_MAX];
	char folder[256];
	bool found = false;

	(void)state;
	put("group/cgroup.procs", "17\n0\n4\n");
	snprintf(folder, sizeof(folder), "%s/group", proc);
	assert_int_equal(cgroup_pids(folder, pids, &found), 2);
	assert_true(found);
	assert_int_equal(pids[0], 17);
	assert_int_equal(pids[1], 4);
	put("group/cgroup.procs", "1\n2\n3\n4\n5\n6\n7\n8\n9\n");
	assert_int_equal(cgroup_pids(folder, pids, NULL), CGROUP_PIDS_MAX);
	put("group/cgroup.procs", "99999999999\n");
	assert_int_equal(cgroup_pids(folder, pids, NULL), 0);
	put("group/cgroup.procs", "");
	found = false;
	assert_int_equal(cgroup_pids(folder, pids, &found), 0);
	assert_false(found);
	assert_int_equal(cgroup_pids("/nonexistent", pids, &found), 0);
	assert_false(found);
}

static void test_mounts(void **state)
{
	struct cgroups cgroups = {0};

	(void)state;
	put("self/mounts", "tmpfs /sys/fs/cgroup tmpfs rw 0 0\ncgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n"
			   "cgroup2 /sys/fs/cgroup/uni\\040fied cgroup2 rw 0 0\n");
	cgroups_find(proc, &cgroups);
	assert_int_equal(cgroups.count, 2);
	assert_string_equal(cgroups.mounts[0], "/sys/fs/cgroup/cpu");
	assert_string_equal(cgroups.mounts[1], "/sys/fs/cgroup/uni fied");
	cgroups_find("/nonexistent", &cgroups);
	assert_int_equal(cgroups.count, 0);
	cgroups_find(NULL, &cgroups);
	cgroups_free(&cgroups);
}

static int setup(void **state)
{
	(void)state;
	return mkdtemp(proc) ? 0 : -1;
}

static int teardown(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", proc);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_path),
		cmocka_unit_test(test_part_of_a_host),
		cmocka_unit_test(test_pids),
		cmocka_unit_test(test_mounts),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
