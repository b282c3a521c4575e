/* SPDX-License-Identifier: GPL-2.0-only */
/* The daemon's parts that need no kernel: the view becomes a world, one daemon a host, the registry's file, file
 * watches. */
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
#include <unistd.h>

#include "base/file.h"
#include "base/places.h"
#include "daemon/daemon.h"

static char directory[] = "/tmp/bulkhead-test-daemon-XXXXXX";

static int directory_make(void **state)
{
	(void)state;
	return mkdtemp(directory) ? 0 : -1;
}

static int directory_remove(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", directory);
	return system(command);
}

static struct port *port_make(struct port_view *view, uint32_t ifindex, const char *name, enum port_state port_state)
{
	struct port *port = array_append(&view->ports);

	assert_non_null(port);
	port->ifindex = ifindex;
	snprintf(port->name, sizeof(port->name), "%s", name);
	port->state = port_state;
	return port;
}

static void owner_set(struct port *port, const char *id, const char *name, const char *network)
{
	port->has_owner = true;
	port->owner.runtime = strdup("docker");
	port->owner.id = strdup(id);
	port->owner.name = strdup(name);
	port->owner.network = strdup(network);
}

static void view_free(struct port_view *view)
{
	for (size_t i = 0; i < view->ports.count; i++) {
		struct port *port = &view->ports.items[i];

		free(port->owner.runtime);
		free(port->owner.id);
		free(port->owner.name);
		free(port->owner.network);
		array_free(&port->addresses);
	}
	array_free(&view->ports);
	array_free(&view->bridges);
	array_free(&view->host_addresses);
}

static void only_known_ports_are_in_the_world(void **state)
{
	struct port_view view = {0};
	struct world world;
	uint32_t *index;
	struct port *port;

	(void)state;
	port_make(&view, 2, "closed", PORT_CLOSED);
	port_make(&view, 3, "waiting", PORT_WAITING);
	port_make(&view, 4, "conflict", PORT_CONFLICT);
	port = port_make(&view, 5, "veth5", PORT_IDENTIFIED);
	owner_set(port, "aa", "web-1", "shop_net");
	port_make(&view, 6, "mgmt", PORT_IGNORED);
	assert_int_equal(daemon_world_build(&view, &world, &index), 0);
	assert_int_equal(world.ports.count, 2);
	assert_int_equal(index[0], UINT32_MAX);
	assert_int_equal(index[2], UINT32_MAX);
	assert_int_equal(index[3], 0);
	assert_string_equal(world.ports.items[0].network, "shop_net");
	assert_false(world.ports.items[0].unpoliced);
	assert_true(world.ports.items[1].unpoliced);
	assert_int_equal(world.ports.items[1].container, WORLD_NOBODY);
	free(index);
	world_free(&world);
	view_free(&view);
}

static void ports_of_one_container_share_it(void **state)
{
	struct port_view view = {0};
	struct world world;
	uint32_t *index;

	(void)state;
	owner_set(port_make(&view, 2, "v2", PORT_IDENTIFIED), "aa", "web", "one");
	owner_set(port_make(&view, 3, "v3", PORT_IDENTIFIED), "aa", "web", "two");
	owner_set(port_make(&view, 4, "v4", PORT_IDENTIFIED), "bb", "web", "one");
	/* Something else is said of it: it was adopted, perhaps. */
	owner_set(port_make(&view, 5, "v5", PORT_IDENTIFIED), "aa", "web-2", "one");
	assert_int_equal(daemon_world_build(&view, &world, &index), 0);
	assert_int_equal(world.containers.count, 3);
	assert_int_equal(world.ports.items[0].container, world.ports.items[1].container);
	assert_int_not_equal(world.ports.items[0].container, world.ports.items[2].container);
	free(index);
	world_free(&world);
	view_free(&view);
}

static void a_second_daemon_is_kept_out(void **state)
{
	struct error error = {0};
	int first, second;

	(void)state;
	assert_int_equal(host_lock_take(directory, &first, &error), 0);
	assert_int_equal(host_lock_take(directory, &second, &error), -EBUSY);
	assert_non_null(strstr(error.text, "another bulkheadd"));
	close(first);
	assert_int_equal(host_lock_take(directory, &second, &error), 0);
	close(second);
}

static void the_registry_comes_back(void **state)
{
	struct daemon_options options = {.state_dir = directory};
	struct daemon daemon = {.options = &options}, again = {.options = &options};
	struct error error = {0};
	uint32_t number, same;

	(void)state;
	assert_int_equal(daemon_registry_load(&daemon, &error), 0);
	assert_int_equal(registry_identity(daemon.registry, "shop/front", 1000, &number), 0);
	assert_int_equal(daemon_registry_save(&daemon, 1, &error), 0);
	assert_int_equal(daemon_registry_load(&again, &error), 0);
	assert_int_equal(registry_identity(again.registry, "shop/front", 1001, &same), 0);
	assert_int_equal(number, same);
	registry_free(daemon.registry);
	registry_free(again.registry);
	free(daemon.registry_saved);
	free(again.registry_saved);
}

static void a_broken_registry_is_refused(void **state)
{
	struct daemon_options options = {.state_dir = directory};
	struct daemon daemon = {.options = &options};
	struct error error = {0};
	char path[128];

	(void)state;
	snprintf(path, sizeof(path), "%s/registry.json", directory);
	assert_int_equal(file_write(path, "{\"half", 6, &error), 0);
	assert_int_equal(daemon_registry_load(&daemon, &error), -EINVAL);
	assert_non_null(strstr(error.text, "registry.json"));
	unlink(path);
}

static void changed(void *arg)
{
	loop_quit(arg, 3);
}

static void too_late(struct loop *loop, void *arg)
{
	(void)arg;
	loop_quit(loop, 4);
}

/* An editor writes aside and renames: the directory tells. */
static void a_replaced_file_is_noticed(void **state)
{
	struct policy_files *files;
	struct loop_source *timer;
	struct error error = {0};
	struct loop *loop;
	char path[128], *paths[] = {path};

	(void)state;
	snprintf(path, sizeof(path), "%s/policy.yaml", directory);
	assert_int_equal(file_write(path, "a", 1, &error), 0);
	assert_int_equal(loop_new(&loop), 0);
	assert_int_equal(policy_files_new(loop, changed, loop, &files, &error), 0);
	assert_int_equal(policy_files_set(files, paths, 1), 0);
	assert_int_equal(file_write(path, "b", 1, &error), 0);
	assert_int_equal(loop_add_timer(loop, too_late, NULL, &timer), 0);
	loop_set_timer(timer, 5000, 0);
	assert_int_equal(loop_run(loop), 3);
	policy_files_free(files);
	loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_known_ports_are_in_the_world), cmocka_unit_test(ports_of_one_container_share_it),
		cmocka_unit_test(a_second_daemon_is_kept_out),	     cmocka_unit_test(the_registry_comes_back),
		cmocka_unit_test(a_broken_registry_is_refused),	     cmocka_unit_test(a_replaced_file_is_noticed),
	};

	return cmocka_run_group_tests(tests, directory_make, directory_remove);
}
