/* SPDX-License-Identifier: GPL-2.0-only */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "port/namespace.h"
#include "port/netlink.h"

static void test_open(void **state)
{
	char path[] = "/tmp/test-namespace.XXXXXX";
	int fd = mkstemp(path), ns = -1;

	(void)state;
	assert_true(fd >= 0);
	/* A pin before it is mounted, and whatever else may lie there. */
	assert_int_equal(namespace_open(path, &ns), -EINVAL);
	assert_int_equal(namespace_open("/", &ns), -EINVAL);
	assert_int_equal(namespace_open("/proc/self/ns/uts", &ns), -EINVAL);
	assert_int_equal(namespace_open("/nonexistent", &ns), -ENOENT);
	assert_int_equal(ns, -1);
	assert_int_equal(namespace_open("/proc/self/ns/net", &ns), 0);
	close(ns);
	close(fd);
	unlink(path);
}

static void test_cookie(void **state)
{
	uint64_t one = 0, two = 0;

	(void)state;
	assert_int_equal(namespace_cookie_here(&one), 0);
	assert_int_equal(namespace_cookie_here(&two), 0);
	assert_true(one != 0);
	assert_int_equal(one, two);
}

static void test_no_folders(void **state)
{
	const char *const dirs[NAMESPACE_DIR_MAX] = {NULL, "/nonexistent", "/nonexistent"};
	struct process process = {.pid = 1, .start = 1};
	const struct processes processes = {.items = &process, .count = 1};
	struct namespace_pins pins = {0};
	struct namespace namespace;
	int fd, found;

	(void)state;
	assert_int_equal(netlink_open(NETLINK_ROUTE, &fd), 0);
	assert_int_equal(namespace_pins_read(dirs, &processes, fd, NULL, &pins), 0);
	assert_int_equal(pins.count, 0);
	assert_int_equal(namespace_find(dirs, fd, &pins, 0, &namespace, &found), -ENOENT);
	namespace_pins_free(&pins);
	close(fd);
}

/* What is known is not opened again, as long as it is named; a process counts by its start. */
static void test_known_pins(void **state)
{
	const char *const dirs[NAMESPACE_DIR_MAX] = {NULL, NULL, "/nonexistent"};
	struct process named[] = {{7, 0}, {8, 4711}, {9, 4711}};
	const struct processes processes = {.items = named, .count = 3};
	struct namespace_pin items[] = {
		{.nsid = 3, .dir = NAMESPACE_DIR_PROC, .name = "7", .process = {7, 5}},
		{.nsid = 3, .dir = NAMESPACE_DIR_PROC, .name = "8", .process = {8, 4711}},
		{.nsid = 3, .dir = NAMESPACE_DIR_PROC, .name = "9", .process = {9, 4710}},
		{.nsid = 4, .dir = NAMESPACE_DIR_PROC, .name = "10", .process = {10, 5}},
	};
	const struct namespace_pins known = {.items = items, .count = 4};
	struct namespace namespace = {.nsid = 3, .pins = {.items = items, .count = 1}};
	struct namespace_pins pins = {0};
	int fd;

	(void)state;
	assert_int_equal(netlink_open(NETLINK_ROUTE, &fd), 0);
	assert_int_equal(namespace_pins_read(dirs, &processes, fd, &known, &pins), 0);
	assert_int_equal(pins.count, 2);
	assert_string_equal(pins.items[0].name, "7");
	assert_int_equal(pins.items[0].process.start, 5);
	assert_string_equal(pins.items[1].name, "8");
	assert_true(namespace_has_more(&namespace, &pins));
	namespace.pins.count = 2;
	assert_false(namespace_has_more(&namespace, &pins));
	namespace.nsid = 4;
	assert_false(namespace_has_more(&namespace, &pins));
	namespace_pins_free(&pins);
	close(fd);
}

static void test_links(void **state)
{
	struct links links = {0};
	struct link_addrs addrs = {0};
	struct link link;
	int fd;

	(void)state;
	assert_int_equal(netlink_open(NETLINK_ROUTE, &fd), 0);
	assert_int_equal(link_dump(fd, 0, &links, NULL), 0);
	assert_true(links.count >= 1);
	assert_true(links.items[0].loopback);
	assert_string_equal(links.items[0].name, "lo");
	for (size_t i = 1; i < links.count; i++)
		assert_true(links.items[i - 1].ifindex < links.items[i].ifindex);
	assert_ptr_equal(link_find(&links, links.items[0].ifindex), &links.items[0]);
	assert_null(link_find(&links, 0x7ffffff0));
	assert_int_equal(link_get(fd, links.items[0].ifindex, &link, NULL), 0);
	assert_string_equal(link.name, "lo");
	assert_int_equal(link_get(fd, 0x7ffffff0, &link, NULL), -ENODEV);
	assert_int_equal(link_dump_addrs(fd, 0, 0, &addrs, NULL), 0);
	array_free(&links);
	array_free(&addrs);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_open),	   cmocka_unit_test(test_cookie), cmocka_unit_test(test_no_folders),
		cmocka_unit_test(test_known_pins), cmocka_unit_test(test_links),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
