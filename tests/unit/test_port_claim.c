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

#include "port/watch.h"

static const struct link the_bridge = {.ifindex = 2, .kind = LINK_BRIDGE};
static const struct link bridged = {.ifindex = 5, .kind = LINK_VETH, .master = 2, .elsewhere = true};
static const struct link routed = {.ifindex = 6, .kind = LINK_VETH, .elsewhere = true};

static struct addr addr(const char *text)
{
	struct addr addr;

	assert_int_equal(addr_parse(text, &addr), 0);
	return addr;
}

static void have(struct link_addrs *addrs, uint32_t ifindex, const char *text, uint8_t length, bool tentative)
{
	struct link_addr *slot = array_append(addrs);

	assert_non_null(slot);
	if (slot)
		*slot = (struct link_addr){
			.ifindex = ifindex, .addr = addr(text), .length = length, .tentative = tentative};
}

struct scene {
	struct link_addrs host;
	struct link_routes routes;
	struct peer peer;
	struct port_addrs strong, weak;
	char reason[REASON_MAX];
};

/* The host: 10.9.0.1/24 and fd09::1/64 on the bridge, 192.0.2.2/24 elsewhere. */
static struct scene scene_new(void)
{
	struct scene scene = {.peer = {.mac = {{2, 0, 0, 0, 0, 0x11}}, .has_mac = true}};

	have(&scene.host, 2, "10.9.0.1", 24, false);
	have(&scene.host, 2, "fd09::1", 64, false);
	have(&scene.host, 2, "fe80::1", 64, false);
	have(&scene.host, 3, "192.0.2.2", 24, false);
	have(&scene.host, 3, "2001:db8::2", 64, false);
	return scene;
}

static void scene_free(struct scene *scene)
{
	array_free(&scene->host);
	array_free(&scene->routes);
	array_free(&scene->peer.addrs);
	array_free(&scene->strong);
	array_free(&scene->weak);
}

static int claim(struct scene *scene, const struct link *link, bool link_local_only)
{
	const struct claim claim = {
		.link = link,
		.bridge = link->master ? &the_bridge : NULL,
		.host_addrs = &scene->host,
		.routes = &scene->routes,
	};

	return claim_first(&claim, &scene->peer, link_local_only, &scene->strong, &scene->weak, scene->reason);
}

static bool weak_has(const struct scene *scene, const char *text)
{
	struct addr wanted = addr(text);

	return port_addrs_hold(&scene->weak, &wanted);
}

static void test_within_the_bridge(void **state)
{
	struct scene scene = scene_new();

	(void)state;
	have(&scene.peer.addrs, 7, "10.9.0.11", 24, false);
	have(&scene.peer.addrs, 7, "10.9.0.12", 24, false);
	have(&scene.peer.addrs, 7, "fd09::11", 64, false);
	have(&scene.peer.addrs, 7, "fd09::12", 64, true); /* not before its detection is over */
	have(&scene.peer.addrs, 7, "fe80::abcd", 64, true);
	have(&scene.peer.addrs, 7, "198.51.100.1", 24, false);
	assert_int_equal(claim(&scene, &bridged, false), 0);
	assert_int_equal(scene.weak.count, 4);
	assert_true(weak_has(&scene, "10.9.0.11"));
	assert_true(weak_has(&scene, "10.9.0.12"));
	assert_true(weak_has(&scene, "fd09::11"));
	assert_true(weak_has(&scene, "fe80::abcd"));
	assert_string_equal(scene.reason, "198.51.100.1 is in no subnet of its bridge");
	/* No second claim of any kind. */
	have(&scene.peer.addrs, 7, "10.9.0.13", 24, false);
	scene.peer.addrs.items[3].tentative = false;
	assert_int_equal(claim(&scene, &bridged, false), 0);
	assert_int_equal(scene.weak.count, 4);
	scene_free(&scene);
}

static void test_what_nobody_has(void **state)
{
	static const char *const bad[] = {"10.9.0.0",	     "10.9.0.255",	"127.0.0.2", "224.0.0.5",
					  "0.0.0.7",	     "255.255.255.255", "::1",	     "ff02::5",
					  "::ffff:10.9.0.5", "::10.9.0.5"};
	struct scene scene = scene_new();

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		have(&scene.peer.addrs, 7, bad[i], 24, false);
	assert_int_equal(claim(&scene, &bridged, false), 0);
	assert_int_equal(scene.weak.count, 0);
	scene_free(&scene);
}

/* A bridge with no address of a family: anything that is no other link's. */
static void test_bridge_without_addresses(void **state)
{
	struct scene scene = scene_new();

	(void)state;
	scene.host.items[0].ifindex = 3; /* 10.9.0.1/24 is another link's */
	scene.host.items[1].ifindex = 3;
	have(&scene.peer.addrs, 7, "10.9.0.11", 24, false);
	have(&scene.peer.addrs, 7, "192.0.2.9", 24, false);
	have(&scene.peer.addrs, 7, "2001:db8::9", 64, false);
	assert_int_equal(claim(&scene, &bridged, false), 0);
	assert_int_equal(scene.weak.count, 0);
	assert_string_equal(scene.reason, "10.9.0.11 is in another link's subnet");
	have(&scene.peer.addrs, 7, "10.44.0.1", 24, false);
	assert_int_equal(claim(&scene, &bridged, false), 0);
	assert_int_equal(scene.weak.count, 1);
	scene_free(&scene);
}

static void test_routed(void **state)
{
	struct scene scene = scene_new();
	struct link_route *route;

	(void)state;
	have(&scene.host, 6, "10.5.0.1", 30, false);
	have(&scene.host, 6, "10.7.0.1", 32, false); /* a host's own /32 holds no one else */
	route = array_append(&scene.routes);
	assert_non_null(route);
	*route = (struct link_route){.ifindex = 6, .prefix = prefix_of(&(struct addr){.family = ADDR_V4})};
	route->prefix.addr = addr("10.6.0.7");
	have(&scene.peer.addrs, 7, "10.5.0.2", 30, false);
	have(&scene.peer.addrs, 7, "10.6.0.7", 32, false);
	have(&scene.peer.addrs, 7, "10.6.0.8", 32, false);
	have(&scene.peer.addrs, 7, "10.9.0.11", 24, false);
	assert_int_equal(claim(&scene, &routed, false), 0);
	assert_int_equal(scene.weak.count, 2);
	assert_true(weak_has(&scene, "10.5.0.2"));
	assert_true(weak_has(&scene, "10.6.0.7"));
	/* A default route is no reason. */
	scene.weak.count = 0;
	route->prefix.length = 0;
	route->prefix.addr = addr("0.0.0.0");
	assert_int_equal(claim(&scene, &routed, false), 0);
	assert_int_equal(scene.weak.count, 1);
	/* Nor one by way of another. */
	scene.weak.count = 0;
	*route = (struct link_route){.ifindex = 6, .prefix = prefix_of(&scene.peer.addrs.items[1].addr)};
	route->has_gateway = true;
	assert_int_equal(claim(&scene, &routed, false), 0);
	assert_int_equal(scene.weak.count, 1);
	scene_free(&scene);
}

/* Where the runtime knows the addresses, a link-local one beside the one made of the MAC is all that may be claimed. */
static void test_link_local_only(void **state)
{
	struct scene scene = scene_new();
	struct addr made = addr_link_local(&scene.peer.mac), own = addr("10.9.0.11");

	(void)state;
	assert_int_equal(port_addrs_add(&scene.strong, &made), 0);
	assert_int_equal(port_addrs_add(&scene.strong, &own), 0);
	have(&scene.peer.addrs, 7, "10.9.0.12", 24, false);
	have(&scene.peer.addrs, 7, "fd09::12", 64, false);
	have(&scene.peer.addrs, 7, "fe80::ff:fe00:11", 64, false);
	have(&scene.peer.addrs, 7, "fe80::5", 64, false);
	assert_int_equal(claim(&scene, &bridged, true), 0);
	assert_true(weak_has(&scene, "fe80::5"));
	assert_false(weak_has(&scene, "10.9.0.12"));
	assert_false(weak_has(&scene, "fd09::12"));
	scene_free(&scene);
}

static void test_bound(void **state)
{
	struct scene scene = scene_new();
	char text[32];

	(void)state;
	for (unsigned int i = 2; i < 2 + PORT_ADDRESSES_MAX; i++) {
		snprintf(text, sizeof(text), "10.9.0.%u", i);
		have(&scene.peer.addrs, 7, text, 24, false);
	}
	assert_int_equal(claim(&scene, &bridged, false), 0);
	assert_int_equal(scene.weak.count, PORT_ADDRESSES_MAX);
	scene.weak.count = 0;
	have(&scene.peer.addrs, 7, "10.9.0.200", 24, false);
	assert_int_equal(claim(&scene, &bridged, false), -ENOSPC);
	assert_int_equal(scene.weak.count, PORT_ADDRESSES_MAX);
	scene_free(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_within_the_bridge),	 cmocka_unit_test(test_what_nobody_has),
		cmocka_unit_test(test_bridge_without_addresses), cmocka_unit_test(test_routed),
		cmocka_unit_test(test_link_local_only),		 cmocka_unit_test(test_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
