/* SPDX-License-Identifier: GPL-2.0-only */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "port/lxc.h"
#include "runtime_box.h"

static struct lxc_config parse(const char *text)
{
	struct lxc_config config = {0};

	assert_int_equal(lxc_config_parse(text, &config), 0);
	return config;
}

static void assert_address(const struct port_addrs *addrs, size_t index, const char *wanted)
{
	char text[ADDR_TEXT_MAX];

	assert_true(index < addrs->count);
	assert_string_equal(addr_format(&addrs->items[index], text), wanted);
}

/* Written by lxc-create of LXC 5.0 for busybox, with a second network by hand. */
static void test_recorded(void **state)
{
	AUTO_FREE char *data = NULL;
	struct lxc_config config;
	char mac[MAC_TEXT_MAX];
	size_t size;

	(void)state;
	assert_int_equal(file_read("tests/unit/recorded/lxc-config", LXC_CONFIG_MAX, &data, &size, NULL), 0);
	config = parse(data);
	assert_string_equal(config.reason, "");
	assert_int_equal(config.nets.count, 2);
	const struct lxc_net *net = &config.nets.items[0];
	assert_string_equal(net->type, "veth");
	assert_string_equal(net->link, "lxcbr0");
	assert_false(net->has_mac); /* a part of it is left open */
	assert_int_equal(net->addresses.count, 0);
	net = &config.nets.items[1];
	assert_int_equal(net->number, 1);
	assert_string_equal(net->pair, "vethweb1");
	assert_string_equal(net->name, "lan");
	assert_true(net->has_mac);
	assert_string_equal(mac_format(&net->mac, mac), "00:16:3e:0a:0b:0c");
	assert_int_equal(net->addresses.count, 2);
	assert_address(&net->addresses, 0, "10.7.0.5");
	assert_address(&net->addresses, 1, "fd07::5");
	assert_int_equal(net->gateways.count, 1); /* "auto" is none */
	assert_address(&net->gateways, 0, "fd07::1");
	lxc_config_free(&config);
}

static void test_words(void **state)
{
	struct lxc_config config =
		parse("lxc.net.0.type = veth\nlxc.net.0.link = br0\nlxc.net.0.link=br1\n"
		      "  # lxc.net.0.link = br2\n\tlxc.net.0.name\t=\t\"eth7\"  \r\n"
		      "lxc.net.0.veth.mode = bridge\nlxc.network.type = veth\nlxc.net.x.type = none\n"
		      "lxc.net.-1.type = none\nlxc.net.0x.type = none\nnothing\n= nothing\nlxc.net.0.ipv4 = 1\n");

	(void)state;
	assert_int_equal(config.nets.count, 1);
	assert_string_equal(config.nets.items[0].link, "br1");
	assert_string_equal(config.nets.items[0].name, "eth7");
	assert_string_equal(config.reason, "");
	lxc_config_free(&config);
	/* What is taken back is not there. */
	config = parse(
		"lxc.net.0.type = veth\nlxc.net.0.ipv4.address = 10.7.0.5/24\nlxc.net.0 =\nlxc.net.1.type = none\n");
	assert_int_equal(config.nets.count, 2);
	assert_string_equal(config.nets.items[0].type, "");
	assert_int_equal(config.nets.items[0].addresses.count, 0);
	lxc_config_free(&config);
	config = parse("lxc.net.0.type = veth\nlxc.net.0.ipv4.address = 10.7.0.5/24\nlxc.net =\n");
	assert_int_equal(config.nets.count, 0);
	lxc_config_free(&config);
	config = parse("");
	assert_int_equal(config.nets.count, 0);
	lxc_config_free(&config);
}

/* A configuration that can't be understood leaves the port closed. */
static void test_refused(void **state)
{
	static const char *const cases[][2] = {
		{"lxc.net.0.ipv4.address = 127.0.0.1/8", "an address"},
		{"lxc.net.0.ipv4.address = 10.7.0/24", "an address"},
		{"lxc.net.0.ipv6.gateway = ff02::1", "an address"},
		{"lxc.net.0.hwaddr = 00:16:3e", "the MAC address"},
		{"lxc.net.0.link = a-name-of-sixteen", "a name"},
	};
	struct lxc_config config;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		config = parse(cases[i][0]);
		assert_memory_equal(config.reason, cases[i][1], strlen(cases[i][1]));
		lxc_config_free(&config);
	}
}

static void test_bounded(void **state)
{
	char text[LXC_NETS_MAX * 48 + 96] = "", *at = text;
	struct lxc_config config;

	(void)state;
	for (unsigned int i = 0; i < LXC_NETS_MAX; i++)
		at += sprintf(at, "lxc.net.%u.type = veth\n", i);
	config = parse(text);
	assert_int_equal(config.nets.count, LXC_NETS_MAX);
	assert_string_equal(config.reason, "");
	lxc_config_free(&config);
	sprintf(at, "lxc.net.%u.type = veth\n", LXC_NETS_MAX);
	config = parse(text);
	assert_int_equal(config.nets.count, LXC_NETS_MAX);
	assert_string_equal(config.reason, "its configuration has more networks than are read");
	lxc_config_free(&config);
}

static int found(const struct lxc_config *config, const char *host, const char *bridge, const char *peer,
		 const char *mac)
{
	struct link link = {0}, master = {0};
	struct peer other = {.has_mac = mac != NULL};
	struct runtime_question question = {.link = &link, .bridge = bridge ? &master : NULL, .peer = &other};
	const struct lxc_net *net;

	snprintf(link.name, sizeof(link.name), "%s", host);
	snprintf(master.name, sizeof(master.name), "%s", bridge ? bridge : "");
	snprintf(other.name, sizeof(other.name), "%s", peer);
	if (mac)
		assert_int_equal(mac_parse(mac, &other.mac), 0);
	net = lxc_net_find(config, &question);
	return net ? (int)net->number : -1;
}

static void test_find(void **state)
{
	struct lxc_config config = parse("lxc.net.0.type=veth\nlxc.net.0.link=br0\nlxc.net.0.name=eth0\n"
					 "lxc.net.1.type=veth\nlxc.net.1.link=br0\nlxc.net.1.name=eth1\n"
					 "lxc.net.2.type=veth\nlxc.net.2.link=br1\n"
					 "lxc.net.3.type=veth\nlxc.net.3.link=br0\nlxc.net.3.hwaddr=02:00:00:00:00:03\n"
					 "lxc.net.4.type=veth\nlxc.net.4.link=br0\nlxc.net.4.veth.pair=vethfour\n"
					 "lxc.net.5.type=macvlan\nlxc.net.5.link=br2\n");

	(void)state;
	assert_int_equal(found(&config, "vethA", "br0", "eth0", NULL), 0);
	assert_int_equal(found(&config, "vethA", "br0", "eth1", NULL), 1);
	assert_int_equal(found(&config, "vethA", "br1", "eth9", NULL), 2);
	assert_int_equal(found(&config, "vethA", "br0", "eth9", "02:00:00:00:00:03"), 3);
	assert_int_equal(found(&config, "vethA", "br1", "eth9", "02:00:00:00:00:03"), 2);
	assert_int_equal(found(&config, "vethfour", "br0", "eth0", NULL), 4);
	/* Plugged in later: of no network that the configuration has, or of several that it might be. */
	assert_int_equal(found(&config, "vethA", "br0", "eth9", NULL), -1);
	assert_int_equal(found(&config, "vethA", "br2", "eth0", NULL), -1);
	assert_int_equal(found(&config, "vethA", NULL, "eth0", NULL), -1);
	lxc_config_free(&config);
}

#define MONITOR(text) text, sizeof(text)

static void assert_name(const char *arguments, size_t size, const char *wanted)
{
	char *name = lxc_monitor_parse(arguments, size, "/var/lib/lxc");

	if (wanted)
		assert_string_equal(name, wanted);
	else
		assert_null(name);
	free(name);
}

static void test_monitor(void **state)
{
	(void)state;
	assert_name(MONITOR("[lxc monitor] /var/lib/lxc l1"), "l1");
	assert_name(MONITOR("[lxc monitor] /var/lib/lxc-other l1"), NULL);
	assert_name(MONITOR("[lxc monitor] /var/lib/incus/containers l1"), NULL);
	assert_name(MONITOR("[lxc monitor] /var/lib/lxc"), NULL);
	assert_name(MONITOR("[lxc monitor] /var/lib/lxc "), NULL);
	assert_name(MONITOR("[lxc monitor] /var/lib/lxc ../etc"), NULL);
	assert_name(MONITOR("[lxc monitor] /var/lib/lxc a/b"), NULL);
	assert_name(MONITOR("/usr/bin/lxc-start\0-F\0-n\0l1"), "l1");
	assert_name(MONITOR("lxc-start\0--name=l1\0-P\0/var/lib/lxc"), "l1");
	assert_name(MONITOR("lxc-start\0-n\0l1\0--lxcpath=/home/lxc"), NULL);
	assert_name(MONITOR("lxc-start\0-n\0l1\0--\0-n\0l2"), "l1");
	assert_name(MONITOR("lxc-start\0-n"), NULL);
	assert_name(MONITOR("lxc-startle\0-n\0l1"), NULL);
	assert_name(MONITOR("sh"), NULL);
	assert_name("", 0, NULL);
	assert_name("[lxc monitor] /var/lib/lxc l1", strlen("[lxc monitor] /var/lib/lxc l1"), NULL);
}

/* ---- folders */

#define FIRST_PID   100 /* the container's first process */
#define MONITOR_PID 99

static void put_container(const struct box *box, const char *group, const char *name)
{
	char path[128], text[256];
	AUTO_FREE char *mount = box_path(box, "cgroup");
	int size;

	snprintf(text, sizeof(text), "cgroup2 %s cgroup2 rw 0 0\n", mount);
	box_put(box, "proc/self/mounts", text);
	snprintf(path, sizeof(path), "cgroup/lxc.monitor.%s/cgroup.procs", group);
	box_put(box, path, "99\n");
	snprintf(text, sizeof(text), "/lxc.monitor.%s", group);
	box_put_process(box, MONITOR_PID, 1000, text);
	box_put(box, "proc/99/task/99/children", "100 ");
	size = snprintf(text, sizeof(text), "[lxc monitor] %s/lxc %s", box->root, name);
	box_put_bytes(box, "proc/99/cmdline", text, (size_t)size + 1);
	snprintf(text, sizeof(text), "/lxc.payload.%s/init.scope", group);
	box_put_process(box, FIRST_PID, 1001, text);
}

static enum runtime_answer ask(struct box *box, struct evidence *evidence, char reason[REASON_MAX])
{
	struct namespace_pin pin = box_pin(FIRST_PID, 1001);

	runtime_lxc.refresh(box->bundles);
	return box_ask(box, &runtime_lxc, &pin, "vethweb1", 0, evidence, reason);
}

static void test_container(void **state)
{
	struct evidence evidence;
	char reason[REASON_MAX], text[ADDR_TEXT_MAX];
	struct processes processes = {0};
	AUTO_FREE char *data = NULL;
	struct box box;
	size_t size;

	(void)state;
	box_open(&box, &runtime_lxc);
	assert_int_equal(file_read("tests/unit/recorded/lxc-config", LXC_CONFIG_MAX, &data, &size, NULL), 0);
	box_put(&box, "lxc/web/config", data);
	/* LXC has found another group by the first name. */
	put_container(&box, "web-1", "web");
	assert_int_equal(ask(&box, &evidence, reason), RUNTIME_OWNS);
	assert_string_equal(evidence.owner.name, "web");
	assert_string_equal(evidence.owner.runtime, "lxc");
	assert_string_equal(evidence.owner.cgroup, "/lxc.payload.web-1");
	assert_int_equal(evidence.addresses.count, 2);
	assert_string_equal(addr_format(&evidence.addresses.items[0], text), "10.7.0.5");
	assert_false(evidence.claim);
	evidence_free(&evidence);
	assert_int_equal(runtime_lxc.pins(box.bundles, &processes), 0);
	assert_int_equal(processes.count, 1);
	assert_int_equal(processes.items[0].pid, FIRST_PID);
	array_free(&processes);
	/* A configuration that can't be used leaves the port closed. */
	box_put(&box, "lxc/web/config", "lxc.net.0.type = veth\nlxc.net.0.ipv4.address = 127.0.0.1/8\n");
	assert_int_equal(ask(&box, &evidence, reason), RUNTIME_PENDING);
	assert_non_null(strstr(reason, "none that a container can have"));
	evidence_free(&evidence);
	box_close(&box, &runtime_lxc);
}

/* It has changed name and MAC of its end: the addresses of the configuration are not given up for those that it claims.
 */
static void test_renamed(void **state)
{
	static const char *const two = "lxc.net.0.type = veth\nlxc.net.0.link = br0\nlxc.net.0.name = eth0\n%s"
				       "lxc.net.1.type = veth\nlxc.net.1.link = br0\nlxc.net.1.name = eth1\n";
	struct namespace_pin pin = box_pin(FIRST_PID, 1001);
	struct namespace namespace = {.cookie = 7, .nsid = 3, .pins = {.items = &pin, .count = 1}};
	struct link link = {.ifindex = 5, .name = "vethA"}, bridge = {.ifindex = 2, .name = "br0"};
	struct peer peer = {.name = "eth9"};
	const struct runtime_question question = {
		.link = &link, .bridge = &bridge, .namespace = &namespace, .peer = &peer};
	struct evidence evidence = {0};
	char reason[REASON_MAX] = "", config[512];
	struct box box;

	(void)state;
	box_open(&box, &runtime_lxc);
	put_container(&box, "web", "web");
	runtime_lxc.refresh(box.bundles);
	for (int i = 0; i < 2; i++) {
		snprintf(config, sizeof(config), two, i ? "lxc.net.0.ipv4.address = 10.7.0.5/24\n" : "");
		box_put(&box, "lxc/web/config", config);
		box.watch.scans++;
		assert_int_equal(runtime_lxc.ask(box.bundles, &question, &evidence, reason),
				 i ? RUNTIME_PENDING : RUNTIME_OWNS);
		assert_true(i || evidence.claim);
		evidence_free(&evidence);
	}
	assert_non_null(strstr(reason, "which of its interfaces"));
	snprintf(bridge.name, sizeof(bridge.name), "br1");
	assert_int_equal(runtime_lxc.ask(box.bundles, &question, &evidence, reason), RUNTIME_OWNS);
	evidence_free(&evidence);
	box_close(&box, &runtime_lxc);
}

/* What leads nowhere: each is the whole evidence, but for one thing. */
static void test_doubts(void **state)
{
	static const struct {
		const char *path, *text;
	} cases[] = {
		/* Its first process is in another's group, or in one of its own making. */
		{"proc/100/cgroup", "0::/lxc.payload.db\n"},
		{"proc/100/cgroup", "0::/docker/1/lxc.payload.web\n"},
		/* No child of the monitor's. */
		{"proc/99/task/99/children", "101 102"},
		/* The numbers are others' by now. */
		{"proc/100/stat", "100 (sh) S 1 1 1 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 1002 1 1 1\n"},
		{"proc/99/stat", ""},
		/* The monitor is none, or of another folder's. */
		{"proc/99/cmdline", "[lxc monitor] /home/lxc web"},
		{"proc/99/cmdline", "sh"},
		{"cgroup/lxc.monitor.web/cgroup.procs", ""},
	};
	struct evidence evidence;
	char reason[REASON_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct box box;

		box_open(&box, &runtime_lxc);
		box_put(&box, "lxc/web/config", "lxc.net.0.type = veth\n");
		put_container(&box, "web", "web");
		assert_int_equal(ask(&box, &evidence, reason), RUNTIME_OWNS);
		evidence_free(&evidence);
		runtime_lxc.stop(box.bundles); /* what is known is not looked at again */
		assert_int_equal(runtime_lxc.start(&box.watch, &box.bundles), 0);
		box_put_bytes(&box, cases[i].path, cases[i].text, strlen(cases[i].text) + 1);
		assert_int_equal(ask(&box, &evidence, reason), RUNTIME_NOT_MINE);
		box_close(&box, &runtime_lxc);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_recorded),  cmocka_unit_test(test_words),	 cmocka_unit_test(test_refused),
		cmocka_unit_test(test_bounded),	  cmocka_unit_test(test_find),	 cmocka_unit_test(test_monitor),
		cmocka_unit_test(test_container), cmocka_unit_test(test_doubts), cmocka_unit_test(test_renamed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
