/* SPDX-License-Identifier: GPL-2.0-only */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/loop.h"
#include "port/cni_cache.h"
#include "recorded.h"
#include "runtime_box.h"

char *box_path(const struct box *box, const char *name)
{
	size_t size = strlen(box->root) + strlen(name) + 2;
	char *path = malloc(size);

	assert_non_null(path);
	snprintf(path, size, "%s/%s", box->root, name);
	return path;
}

void box_put_bytes(const struct box *box, const char *name, const char *bytes, size_t size)
{
	AUTO_FREE char *path = box_path(box, name);
	AUTO_FREE char *folder = box_path(box, name);

	*strrchr(folder, '/') = '\0';
	assert_int_equal(file_make_directories(folder, 0700, NULL), 0);
	assert_int_equal(file_write(path, bytes, size, NULL), 0);
}

void box_put(const struct box *box, const char *name, const char *text)
{
	box_put_bytes(box, name, text, strlen(text));
}

void box_put_link(const struct box *box, const char *name, const char *to)
{
	AUTO_FREE char *path = box_path(box, name);

	box_put(box, name, "");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink(to, path), 0);
}

void box_put_recorded(const struct box *box, const char *name, const char *what)
{
	json_t *json = recorded(what);
	char *text = json_dumps(json, JSON_COMPACT);

	assert_non_null(text);
	box_put(box, name, text);
	free(text);
	json_decref(json);
}

void box_put_process(const struct box *box, int pid, int start, const char *cgroup)
{
	char name[64], text[256];

	snprintf(name, sizeof(name), "proc/%d/stat", pid);
	snprintf(text, sizeof(text), "%d (sh) S 1 1 1 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 %d 1 1 1\n", pid, start);
	box_put(box, name, text);
	snprintf(name, sizeof(name), "proc/%d/cgroup", pid);
	snprintf(text, sizeof(text), "4:memory:%s\n0::%s\n", cgroup, cgroup);
	box_put(box, name, text);
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

void box_open(struct box *box, const struct runtime *runtime)
{
	static const char *const folders[BOX_PATHS] = {"state", "proc", "results",  "storage", "runc",
						       "crun",	"lxc",	"machines", "incus"};

	*box = (struct box){.root = "/tmp/test-runtime.XXXXXX"};
	assert_non_null(mkdtemp(box->root));
	for (size_t i = 0; i < BOX_PATHS; i++)
		box->paths[i] = box_path(box, folders[i]);
	box->watch.netlink_fd = -1;
	box->watch.options = (struct port_options){.containerd_state = box->paths[0],
						   .proc = box->paths[1],
						   .cni_results = box->paths[2],
						   .crio_run = box->paths[3],
						   .runc_root = box->paths[4],
						   .crun_root = box->paths[5],
						   .lxc_path = box->paths[6],
						   .machines_dir = box->paths[7],
						   .incus_root = box->paths[8],
						   .netns_dir = "/run/netns"};
	assert_int_equal(loop_new(&box->watch.loop), 0);
	assert_int_equal(loop_add_timer(box->watch.loop, no_scan, NULL, &box->watch.timer), 0);
	assert_int_equal(loop_add_timer(box->watch.loop, quit, box, &box->quit), 0);
	assert_int_equal(cni_cache_new(&box->watch, &box->watch.cni), 0);
	assert_int_equal(runtime->start(&box->watch, &box->bundles), 0);
}

void box_close(struct box *box, const struct runtime *runtime)
{
	AUTO_FREE char *command = NULL;

	runtime->stop(box->bundles);
	cni_cache_free(box->watch.cni);
	loop_remove(box->watch.timer);
	loop_remove(box->quit);
	loop_free(box->watch.loop);
	assert_true(asprintf(&command, "rm -r %s", box->root) > 0);
	assert_int_equal(system(command), 0);
	for (size_t i = 0; i < BOX_PATHS; i++)
		free(box->paths[i]);
}

/* What the kernel has to tell of the folders is there at once. */
void box_hear(struct box *box)
{
	box->rounds = 0;
	assert_int_equal(loop_set_timer(box->quit, 0, 0), 0);
	assert_int_equal(loop_run(box->watch.loop), 0);
}

/* As a scan asks: for a port with this link, whose namespace has one pin. */
enum runtime_answer box_ask(struct box *box, const struct runtime *runtime, struct namespace_pin *pin, const char *link,
			    int64_t age_ms, struct evidence *evidence, char reason[REASON_MAX])
{
	struct namespace namespace = {.cookie = 7, .nsid = 3, .pins = {.items = pin, .count = 1}};
	struct link the_link = {.ifindex = 5};
	struct peer peer = {0};
	const struct runtime_question question = {
		.link = &the_link, .namespace = &namespace, .peer = &peer, .since_ms = monotonic_ms() - age_ms};

	snprintf(the_link.name, sizeof(the_link.name), "%s", link);
	box_hear(box);
	box->watch.scans++;
	*evidence = (struct evidence){0};
	reason[0] = '\0';
	return runtime->ask(box->bundles, &question, evidence, reason);
}

struct namespace_pin box_pin(int pid, uint64_t start)
{
	return (struct namespace_pin){.dir = NAMESPACE_DIR_PROC, .name = "", .process = {.pid = pid, .start = start}};
}
