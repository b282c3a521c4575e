/* SPDX-License-Identifier: GPL-2.0-only */
/* The port watcher against the kernel: veths, bridges and named namespaces in a network and a mount namespace of this
 * process alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "port/namespace.h"
#include "port/netlink.h"
#include "port/port.h"

#define WAIT_MS 5000
#define META	"/run/netns/.meta"

static struct loop *loop;
static struct loop_source *timer;
static struct port_watch *watch;
static unsigned int changes;

/* A shell command; each line of the tests' set-up must work. */
static void run(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void run(const char *format, ...)
{
	char command[2048];
	va_list list;

	va_start(list, format);
	vsnprintf(command, sizeof(command), format, list);
	va_end(list);
	if (system(command) != 0)
		fail_msg("failed: %s", command);
}

static void write_text(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static bool manages(void *arg, const char *interface)
{
	(void)arg;
	return strncmp(interface, "mgmt", 4) != 0;
}

static void on_change(void *arg)
{
	(void)arg;
	changes++;
	loop_quit(loop, 0);
}

static void on_timer(struct loop *unused, void *arg)
{
	(void)arg;
	loop_quit(unused, 0);
}

static const char *proc = "/proc";

/* What runtimes keep their files in is there, so that each of them looks; there is nothing in it. */
static void watch_start(void)
{
	const struct port_options options = {
		.lxc_path = META,
		.machines_dir = META,
		.runc_root = META,
		.crun_root = META,
		.containerd_state = META,
		.crio_run = META,
		.cni_results = META,
		.docker_netns_dir = "/run/docker-netns",
		.netns_dir = "/run/netns",
		.netns_meta_dir = META,
		.proc = proc,
		.manages = manages,
	};
	struct error error = {0};

	if (port_watch_new(loop, &options, on_change, NULL, &watch, &error) < 0)
		fail_msg("%s", error.text);
}

static void loop_for(int64_t ms)
{
	assert_int_equal(loop_set_timer(timer, ms, 0), 0);
	assert_true(loop_run(loop) >= 0);
}

static const struct port *port_named(const char *name)
{
	const struct port_view *view = port_watch_view(watch);

	for (size_t i = 0; i < view->ports.count; i++) {
		if (strcmp(view->ports.items[i].name, name) == 0)
			return &view->ports.items[i];
	}
	return NULL;
}

static bool port_has(const struct port *port, const char *text)
{
	struct addr addr;

	assert_int_equal(addr_parse(text, &addr), 0);
	for (size_t i = 0; i < port->addresses.count; i++) {
		if (addr_equal(&port->addresses.items[i], &addr))
			return true;
	}
	return false;
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Runs the loop until the condition holds; the condition looks at `port`, the port of that name (NULL: none). */
#define wait_for(name, condition)                                                                                    \
	do {                                                                                                         \
		int64_t end_ = now_ms() + WAIT_MS;                                                                   \
		const struct port *port;                                                                             \
                                                                                                                     \
		while (port = port_named(name), !(condition)) {                                                      \
			if (now_ms() > end_)                                                                         \
				fail_msg("%s: waited for %s; is %s: %s", name, #condition,                           \
					 port ? port_state_names[port->state] : "absent", port ? port->reason : ""); \
			loop_for(200);                                                                               \
		}                                                                                                    \
	} while (0)

#define wait_state(name, wanted) wait_for(name, port && port->state == (wanted))

/* A namespace with one veth on the bridge: its host end is v-NAME, the other eth0. */
static void box(const char *name, const char *bridge, const char *addresses)
{
	char *copy = strdup(addresses), *rest = NULL;

	run("ip netns add %s", name);
	run("ip netns exec %s sh -c 'echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad'", name);
	run("ip link add v-%s type veth peer name eth0 netns %s", name, name);
	if (bridge[0])
		run("ip link set v-%s master %s", name, bridge);
	run("ip link set v-%s up && ip -n %s link set lo up && ip -n %s link set eth0 up", name, name, name);
	for (char *word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
		run("ip -n %s addr add %s dev eth0", name, word);
	free(copy);
}

static int setup(void **state)
{
	(void)state;
	if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0) {
		fprintf(stderr, "test_port_watch: cannot make namespaces: %s\n", strerror(errno));
		return -1;
	}
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || mkdir("/run/netns", 0755) < 0) {
		if (errno != EEXIST)
			return -1;
	}
	if (mount("tmpfs", "/run/netns", "tmpfs", 0, "mode=755") < 0 ||
	    mount(NULL, "/run/netns", NULL, MS_SHARED, NULL) < 0 || mkdir(META, 0755) < 0)
		return -1;
	return system("ip link set lo up");
}

static int begin(void **state)
{
	(void)state;
	changes = 0;
	watch = NULL;
	if (loop_new(&loop) < 0 || loop_add_timer(loop, on_timer, NULL, &timer) < 0)
		return -1;
	return system("ip link add br0 type bridge && ip link set br0 addrgenmode none && "
		      "ip addr add 10.9.0.1/24 dev br0 && ip addr add fd09::1/64 dev br0 nodad && "
		      "ip link set br0 up");
}

static int end(void **state)
{
	(void)state;
	port_watch_free(watch);
	loop_remove(timer);
	loop_free(loop);
	/* The veths go with their namespaces, but only some time later. */
	return system("for n in $(ls /run/netns); do ip netns del $n; done; rm -f " META "/*; "
		      "for l in $(ip -o link 2>/dev/null | sed -n 's/^[0-9]*: \\([^:@]*\\)[:@].*/\\1/p'); "
		      "do [ \"$l\" = lo ] || ip link del \"$l\" 2>/dev/null; done; true");
}

static void test_identified(void **state)
{
	const struct port_view *view;
	char mac[MAC_TEXT_MAX];

	(void)state;
	box("a1", "br0", "10.9.0.11/24 fd09::11/64");
	run("ip -n a1 link set eth0 addr 02:00:00:00:00:11");
	watch_start();
	wait_state("v-a1", PORT_IDENTIFIED);
	const struct port *it = port_named("v-a1");
	assert_true(it->existed_at_start);
	assert_string_equal(it->bridge, "br0");
	assert_true(it->cookie != 0);
	assert_true(it->has_mac);
	assert_string_equal(mac_format(&it->mac, mac), "02:00:00:00:00:11");
	assert_true(port_has(it, "10.9.0.11"));
	assert_true(port_has(it, "fd09::11"));
	assert_true(port_has(it, "fe80::ff:fe00:11"));
	assert_true(it->has_owner);
	assert_string_equal(it->owner.name, "a1");
	assert_string_equal(it->owner.runtime, "netns");
	assert_int_equal(it->gateways.count, 2);
	assert_string_equal(it->reason, "");

	box("a2", "br0", "10.9.0.12/24");
	wait_state("v-a2", PORT_IDENTIFIED);
	assert_false(port_named("v-a2")->existed_at_start);
	assert_true(port_named("v-a2")->key != port_named("v-a1")->key);
	view = port_watch_view(watch);
	assert_int_equal(view->bridges.count, 1);
	assert_true(view->bridges.items[0].managed);
	assert_int_equal(view->bridges.items[0].subnets.count, 2);
	assert_true(view->host_addresses.count >= 3);

	run("ip netns del a2");
	wait_for("v-a2", !port);
}

static void test_first_claim(void **state)
{
	(void)state;
	box("a1", "br0", "");
	run("ip -n a1 link set eth0 addrgenmode none && ip -n a1 addr flush dev eth0");
	watch_start();
	assert_int_equal(port_named("v-a1")->state, PORT_CLOSED);
	/* It waits for DHCP, perhaps, which asks without any address. */
	wait_state("v-a1", PORT_IDENTIFIED);
	assert_int_equal(port_named("v-a1")->addresses.count, 1);
	assert_true(port_named("v-a1")->addresses.items[0].family == ADDR_V6);
	run("ip -n a1 addr add 10.9.0.11/24 dev eth0");
	wait_for("v-a1", port && port_has(port, "10.9.0.11"));
	/* Of another family, later: a first claim too. */
	run("ip -n a1 addr add fd09::11/64 dev eth0 nodad");
	wait_for("v-a1", port && port_has(port, "fd09::11"));
	/* A second one of a family that it has: never. */
	run("ip -n a1 addr add 10.9.0.12/24 dev eth0 && ip -n a1 addr add fd09::12/64 dev eth0 nodad");
	run("ip -n a1 addr del 10.9.0.11/24 dev eth0");
	port_watch_refresh(watch);
	changes = 0;
	while (changes == 0)
		loop_for(WAIT_MS);
	assert_false(port_has(port_named("v-a1"), "10.9.0.12"));
	assert_false(port_has(port_named("v-a1"), "fd09::12"));
	assert_true(port_has(port_named("v-a1"), "10.9.0.11"));
}

static void test_not_its_own(void **state)
{
	(void)state;
	box("a1", "br0", "10.9.0.1/24");   /* the gateway's */
	box("a2", "br0", "192.0.2.7/24");  /* in no subnet of the bridge */
	box("a3", "br0", "10.9.0.255/24"); /* its broadcast address */
	watch_start();
	wait_state("v-a1", PORT_CONFLICT);
	assert_string_equal(port_named("v-a1")->reason, "10.9.0.1 is the host's own");
	assert_int_equal(port_named("v-a1")->addresses.count, 0);
	/* It repents: then its claim is a first one again. */
	run("ip -n a1 addr del 10.9.0.1/24 dev eth0 && ip -n a1 addr add 10.9.0.11/24 dev eth0");
	wait_state("v-a1", PORT_IDENTIFIED);
	assert_false(port_has(port_named("v-a1"), "10.9.0.1"));
	/* Link-local addresses alone make a port too, whatever else was refused. */
	wait_state("v-a2", PORT_IDENTIFIED);
	assert_int_equal(port_named("v-a2")->addresses.count, 1);
	assert_int_equal(port_named("v-a2")->addresses.items[0].bytes[0], 0xfe);
	wait_for("v-a3", port && !port_has(port, "10.9.0.255"));
	/* The address that DHCP, say, gives it later is its first of that family. */
	run("ip -n a2 addr add 10.9.0.12/24 dev eth0");
	wait_for("v-a2", port && port_has(port, "10.9.0.12"));
}

static void test_two_want_one(void **state)
{
	uint64_t key;

	(void)state;
	run("ip link add br1 type bridge && ip addr add 10.9.0.2/24 dev br1 && ip link set br1 up");
	box("a1", "br0", "10.9.0.11/24");
	watch_start();
	wait_state("v-a1", PORT_IDENTIFIED);
	key = port_named("v-a1")->key;
	box("a2", "br0", "10.9.0.11/24");
	box("a3", "br1", "10.9.0.11/24");
	wait_state("v-a2", PORT_CONFLICT);
	assert_string_equal(port_named("v-a2")->reason, "10.9.0.11 belongs to v-a1");
	wait_state("v-a3", PORT_IDENTIFIED); /* another bridge, another domain */
	assert_int_equal(port_named("v-a1")->state, PORT_IDENTIFIED);
	/* The victim's address, added later, changes nothing. */
	box("a4", "br0", "10.9.0.14/24");
	wait_state("v-a4", PORT_IDENTIFIED);
	run("ip -n a4 addr add 10.9.0.11/24 dev eth0");
	loop_for(200);
	assert_int_equal(port_named("v-a1")->state, PORT_IDENTIFIED);
	assert_int_equal(port_named("v-a1")->key, key);
	assert_false(port_has(port_named("v-a4"), "10.9.0.11"));
	run("ip netns del a1");
	wait_state("v-a2", PORT_IDENTIFIED);
}

/* A port that is older, but has no IPv6 address yet, can't take a younger one's. */
static void test_late_claim_of_anothers(void **state)
{
	(void)state;
	box("a1", "br0", "10.9.0.11/24");
	watch_start();
	wait_state("v-a1", PORT_IDENTIFIED);
	box("a2", "br0", "10.9.0.12/24 fd09::12/64");
	wait_for("v-a2", port && port_has(port, "fd09::12"));
	run("ip -n a1 addr add fd09::12/64 dev eth0 nodad");
	loop_for(200);
	port_watch_refresh(watch);
	loop_for(200);
	assert_int_equal(port_named("v-a1")->state, PORT_IDENTIFIED);
	assert_false(port_has(port_named("v-a1"), "fd09::12"));
	wait_state("v-a2", PORT_IDENTIFIED);
	assert_true(port_has(port_named("v-a2"), "fd09::12"));
	/* What is nobody's it may still have. */
	run("ip -n a1 addr add fd09::11/64 dev eth0 nodad");
	wait_for("v-a1", port && port_has(port, "fd09::11"));
	assert_false(port_has(port_named("v-a1"), "fd09::12"));
}

static void test_same_mac(void **state)
{
	(void)state;
	box("a1", "br0", "10.9.0.11/24");
	run("ip -n a1 link set eth0 addr 02:00:00:00:00:11");
	watch_start();
	wait_state("v-a1", PORT_IDENTIFIED);
	run("ip netns add a2 && ip link add v-a2 type veth peer name eth0 address 02:00:00:00:00:11 netns a2");
	run("ip link set v-a2 master br0 up && ip -n a2 addr add 10.9.0.12/24 dev eth0 && ip -n a2 link set eth0 up");
	wait_state("v-a2", PORT_CONFLICT);
	assert_string_equal(port_named("v-a2")->reason, "02:00:00:00:00:11 belongs to v-a1");
}

static void test_patch(void **state)
{
	(void)state;
	run("ip link add p0 type veth peer name p1 && ip link set p0 up");
	watch_start();
	assert_int_equal(port_named("p0")->state, PORT_CLOSED);
	assert_true(port_named("p0")->patch);
	run("ip link set p1 up");
	wait_state("p0", PORT_IGNORED);
	wait_state("p1", PORT_IGNORED);
	/* One end moves away: it is a port now. */
	run("ip netns add a1 && ip link set p1 netns a1 && ip link set p0 master br0");
	wait_for("p0", port && !port->patch && port->state == PORT_CLOSED);
	run("ip -n a1 addr add 10.9.0.11/24 dev p1 && ip -n a1 link set p1 up");
	wait_state("p0", PORT_IDENTIFIED);
	assert_string_equal(port_named("p0")->owner.name, "a1");
}

/* A process in a network namespace of its own; it dies with us. */
static pid_t process_elsewhere(void)
{
	int ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (unshare(CLONE_NEWNET) == 0 && write(ready[1], "r", 1) == 1)
			pause();
		_exit(1);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

/* A namespace that no folder pins is found by a process, as long as it is that process. */
static void test_process_pins(void **state)
{
	const char *const dirs[NAMESPACE_DIR_MAX] = {NULL, "/run/netns", "/proc"};
	pid_t pid = process_elsewhere(), twin = fork();
	struct processes processes = {0};
	struct namespace_pins pins, none;
	struct namespace namespace;
	struct links links = {0};
	int fd, found;

	(void)state;
	if (twin == 0) {
		pause();
		_exit(0);
	}
	run("ip link add v-p type veth peer name eth0 netns %d", pid);
	assert_int_equal(netlink_open(NETLINK_ROUTE, &fd), 0);
	assert_int_equal(link_dump(fd, 0, &links, NULL), 0);
	int32_t nsid = links.items[links.count - 1].nsid;
	assert_int_equal(processes_add(&processes, pid, 0), 0);
	assert_int_equal(processes_add(&processes, twin, 0), 0); /* in our own namespace: it has no number here */
	assert_int_equal(namespace_pins_read(dirs, &processes, fd, NULL, &pins), 0);
	assert_int_equal(pins.count, 1);
	assert_int_equal(pins.items[0].nsid, nsid);
	assert_int_equal(pins.items[0].process.pid, pid);
	assert_true(pins.items[0].process.start > 0);
	assert_int_equal(namespace_find(dirs, fd, &pins, nsid, &namespace, &found), 0);
	assert_int_equal(namespace.pins.count, 1);
	assert_int_equal(namespace.pins.items[0].dir, NAMESPACE_DIR_PROC);
	assert_true(namespace.cookie != 0);
	namespace_free(&namespace);
	close(found);
	/* A record of another process that had the number is none of this one. */
	processes.items[0].start = pins.items[0].process.start + 1;
	assert_int_equal(namespace_pins_read(dirs, &processes, fd, NULL, &none), 0);
	assert_int_equal(none.count, 0);
	namespace_pins_free(&none);
	/* It ends, and its number is another's: what was known of it leads nowhere. */
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(namespace_find(dirs, fd, &pins, nsid, &namespace, &found), -ENOENT);
	kill(twin, SIGKILL);
	assert_int_equal(waitpid(twin, NULL, 0), twin);
	namespace_pins_free(&pins);
	array_free(&processes);
	array_free(&links);
	close(fd);
}

/* However many processes there are, nobody looks through them for a port's owner. */
static void test_many_processes(void **state)
{
	char folder[] = "/tmp/test-proc.XXXXXX", path[64], events[4096];
	int notify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	int64_t start_ms;
	ssize_t n;

	(void)state;
	assert_non_null(mkdtemp(folder));
	for (int i = 1; i <= 5000; i++) {
		snprintf(path, sizeof(path), "%s/%d", folder, i);
		assert_int_equal(mkdir(path, 0700), 0);
	}
	snprintf(path, sizeof(path), "%s/self", folder);
	assert_int_equal(symlink("/proc/self", path), 0);
	assert_true(inotify_add_watch(notify, folder, IN_OPEN | IN_ONLYDIR) >= 0);
	proc = folder;
	start_ms = now_ms();
	watch_start();
	for (int i = 0; i < 10; i++) {
		box("a1", "br0", "10.9.0.11/24");
		wait_state("v-a1", PORT_IDENTIFIED);
		run("ip netns del a1");
		wait_for("v-a1", !port);
	}
	/* What nobody knows is looked at again and again. */
	run("ip netns add a2 && ip link add v-a2 type veth peer name eth0 netns a2 && ip netns exec a2 sleep 20 & "
	    "sleep 0.3; ip netns del a2");
	for (int i = 0; i < 20; i++) {
		port_watch_refresh(watch);
		loop_for(20);
	}
	n = read(notify, events, sizeof(events));
	print_message("# 10 containers and 20 looks among 5,000 processes: %zd times through /proc, %lld ms\n",
		      n < 0 ? 0 : n, (long long)(now_ms() - start_ms));
	assert_true(n < 0);
	close(notify);
	proc = "/proc";
	run("rm -r %s; ip link del v-a2", folder);
}

static void test_settings_leave_out(void **state)
{
	(void)state;
	box("a1", "br0", "10.9.0.11/24");
	run("ip link set v-a1 down && ip link set v-a1 name mgmt-a1 && ip link set mgmt-a1 up");
	watch_start();
	assert_int_equal(port_named("mgmt-a1")->state, PORT_IGNORED);
	assert_string_equal(port_named("mgmt-a1")->reason, "left out by the settings");
}

static void test_numbers_are_reused(void **state)
{
	uint64_t key;
	uint32_t ifindex;

	(void)state;
	box("a1", "br0", "10.9.0.11/24");
	watch_start();
	wait_state("v-a1", PORT_IDENTIFIED);
	key = port_named("v-a1")->key;
	ifindex = port_named("v-a1")->ifindex;
	/* Same number, same name, same address: but another namespace, between two looks. */
	run("ip link del v-a1 && ip netns add a2 && "
	    "ip link add v-a1 index %u type veth peer name eth0 netns a2 && ip link set v-a1 master br0 up && "
	    "ip -n a2 addr add 10.9.0.11/24 dev eth0 && ip -n a2 link set eth0 up",
	    ifindex);
	wait_for("v-a1", port && port->key != key);
	wait_state("v-a1", PORT_IDENTIFIED);
	assert_int_equal(port_named("v-a1")->ifindex, ifindex);
	assert_string_equal(port_named("v-a1")->owner.name, "a2");
	assert_false(port_named("v-a1")->existed_at_start);
}

static void test_other_end_moves(void **state)
{
	uint64_t key, cookie;

	(void)state;
	box("a1", "br0", "10.9.0.11/24");
	run("ip netns add a2");
	watch_start();
	wait_state("v-a1", PORT_IDENTIFIED);
	key = port_named("v-a1")->key;
	cookie = port_named("v-a1")->cookie;
	/* Its number is taken back, and given to the next one. */
	run("ip -n a1 link set eth0 netns a2 && ip netns del a1");
	run("ip -n a2 addr add 10.9.0.12/24 dev eth0 && ip -n a2 link set eth0 up");
	wait_for("v-a1", port && port->key != key && port->state == PORT_IDENTIFIED);
	assert_string_equal(port_named("v-a1")->owner.name, "a2");
	assert_true(port_named("v-a1")->cookie != cookie);
	assert_true(port_has(port_named("v-a1"), "10.9.0.12"));
	assert_false(port_has(port_named("v-a1"), "10.9.0.11"));
}

/* A container that moves its end away and back all the time is closed for a while, and costs no more looks. */
static void test_comes_and_goes(void **state)
{
	int64_t stop = now_ms() + WAIT_MS;
	bool rests = false;

	(void)state;
	box("a1", "br0", "10.9.0.11/24");
	/* Its own namespace, that nobody has a name for. */
	run("ip netns add hidden && ip netns exec hidden sleep 30 & sleep 0.3; "
	    "ip netns pids hidden > " META "/pid; umount /run/netns/hidden; rm -f /run/netns/hidden");
	watch_start();
	wait_state("v-a1", PORT_IDENTIFIED);
	while (!rests && now_ms() < stop) {
		run("ip -n a1 link set eth0 netns $(cat " META "/pid)");
		loop_for(60);
		run("nsenter --net=/proc/$(cat " META "/pid)/ns/net ip link set eth0 netns a1 && "
		    "ip -n a1 link set eth0 up 2>/dev/null; true");
		loop_for(60);
		rests = strstr(port_named("v-a1")->reason, "too often") != NULL;
	}
	assert_true(rests);
	assert_int_equal(port_named("v-a1")->state, PORT_CLOSED);
	run("kill $(cat " META "/pid)");
}

/* What else is on a managed bridge is said. */
static void test_neighbours_are_listed(void **state)
{
	const struct port_view *view;

	(void)state;
	box("a1", "br0", "10.9.0.11/24");
	run("ip link add mgmt0 type veth peer name mgmt1 && ip link set mgmt0 master br0 up && ip link set mgmt1 up");
	run("ip tuntap add tap0 mode tap 2>/dev/null && ip link set tap0 master br0; true");
	watch_start();
	wait_state("v-a1", PORT_IDENTIFIED);
	view = port_watch_view(watch);
	assert_true(view->unpoliced.count >= 1);
	assert_string_equal(view->unpoliced.items[0].name, "mgmt0");
	assert_null(view->unpoliced.items[0].runtime);
	assert_string_equal(view->unpoliced.items[0].why, "it is on the bridge 'br0' beside policed ports");
}

static void test_flap_keeps(void **state)
{
	uint64_t key;

	(void)state;
	box("a1", "br0", "10.9.0.11/24");
	watch_start();
	wait_state("v-a1", PORT_IDENTIFIED);
	key = port_named("v-a1")->key;
	run("ip -n a1 link set eth0 down");
	loop_for(100);
	run("ip -n a1 link set eth0 up");
	loop_for(300);
	wait_state("v-a1", PORT_IDENTIFIED);
	assert_int_equal(port_named("v-a1")->key, key);
	/* A new MAC, set inside, is not believed. */
	struct mac mac = port_named("v-a1")->mac;
	run("ip -n a1 link set eth0 addr 02:00:00:00:00:99");
	port_watch_refresh(watch);
	loop_for(300);
	assert_memory_equal(&port_named("v-a1")->mac, &mac, sizeof(mac));
}

static void test_engines_names(void **state)
{
	(void)state;
	box("a1", "br0", "10.9.0.11/24");
	run("touch /run/netns/netns-1b4e28ba-2fa1-11d2-883f-0016d3cca427 && "
	    "mount --bind /run/netns/a1 /run/netns/netns-1b4e28ba-2fa1-11d2-883f-0016d3cca427");
	watch_start();
	loop_for(100);
	/* Whose it is only its engine can say, whatever other name it has. */
	assert_int_equal(port_named("v-a1")->state, PORT_CLOSED);
	assert_string_equal(port_named("v-a1")->reason, "no runtime knows its namespace");
}

static void test_waiting(void **state)
{
	(void)state;
	run("ip netns add a1 && ip link add v-a1 type veth peer name eth0 netns a1");
	/* Nobody has a name for it, but a process is in it. */
	run("ip netns exec a1 sleep 20 & sleep 0.2; ip netns del a1");
	watch_start();
	assert_int_equal(port_named("v-a1")->state, PORT_CLOSED);
	int64_t end = now_ms() + 2 * PORT_WAIT_MS;
	while (port_named("v-a1")->state != PORT_WAITING && now_ms() < end)
		loop_for(1000);
	assert_int_equal(port_named("v-a1")->state, PORT_WAITING);
	assert_string_equal(port_named("v-a1")->reason, "no runtime that is known has its namespace");
	run("ip link del v-a1");
}

static void test_labels(void **state)
{
	const struct port *it;

	(void)state;
	write_text(META "/a1.json", "{\"labels\": {\"tier\": \"front\", \"app\": \"shop\"}, \"image\": \"web:1\"}");
	write_text(META "/a2.json", "{\"labels\": {\"tier\": \"front\"}}");
	run("chmod g+w " META "/a2.json");
	box("a1", "br0", "10.9.0.11/24");
	box("a2", "br0", "10.9.0.12/24");
	watch_start();
	wait_state("v-a1", PORT_IDENTIFIED);
	it = port_named("v-a1");
	assert_int_equal(it->owner.labels.count, 2);
	assert_string_equal(it->owner.labels.items[0].key, "app");
	assert_string_equal(it->owner.labels.items[1].value, "front");
	assert_string_equal(it->owner.image, "web:1");
	assert_int_equal(port_named("v-a2")->state, PORT_CLOSED);
	assert_string_equal(port_named("v-a2")->reason,
			    "its file of labels is not a regular file that only root can write");
	/* Changed, and told to look again. */
	run("chmod g-w " META "/a2.json");
	write_text(META "/a1.json", "{\"labels\": {\"tier\": \"back\"}}");
	port_watch_refresh(watch);
	wait_state("v-a2", PORT_IDENTIFIED);
	wait_for("v-a1", port && port->owner.labels.count == 1);
	assert_string_equal(port_named("v-a1")->owner.labels.items[0].value, "back");
}

static void test_routed(void **state)
{
	(void)state;
	box("a1", "", "10.5.0.7/32 10.6.0.7/32");
	watch_start();
	run("ip -n a1 link set eth0 addrgenmode none && ip -n a1 -6 addr flush dev eth0");
	run("ip route add 10.5.0.7/32 dev v-a1");
	run("ip link set v-a1 down && ip link set v-a1 up"); /* routes make no event that is listened to */
	run("ip route add 10.5.0.7/32 dev v-a1");
	wait_for("v-a1", port && port_has(port, "10.5.0.7"));
	assert_false(port_has(port_named("v-a1"), "10.6.0.7"));
	assert_int_equal(port_named("v-a1")->bridge_ifindex, 0);
}

static void test_odd_names(void **state)
{
	(void)state;
	box("a1", "br0", "10.9.0.11/24");
	run("ip link set v-a1 down && ip link set v-a1 name \"$(printf 'v\\001\\377\\033[')\" && "
	    "ip link set \"$(printf 'v\\001\\377\\033[')\" up");
	run("ip link property add dev \"$(printf 'v\\001\\377\\033[')\" altname mgmt-looks-like-another");
	watch_start();
	wait_state("v\001\377\033[", PORT_IDENTIFIED);
	run("ip link del \"$(printf 'v\\001\\377\\033[')\"");
}

static json_int_t status_number(const char *key)
{
	json_t *status = port_watch_status(watch);
	json_int_t number = json_integer_value(json_object_get(status, key));

	json_decref(status);
	return number;
}

static size_t frozen_count(void)
{
	json_t *status = port_watch_status(watch);
	size_t count = json_array_size(json_object_get(status, "noisy"));

	json_decref(status);
	return count;
}

static void test_noise_is_frozen(void **state)
{
	(void)state;
	box("a1", "br0", "10.9.0.11/24");
	box("a2", "br0", "");
	run("ip -n a2 link set eth0 addrgenmode none && ip -n a2 addr flush dev eth0");
	watch_start();
	wait_state("v-a1", PORT_IDENTIFIED);
	/* Some 100,000 address events a second, for as long as it takes. */
	run("( for i in 1 2 3 4 5 6 7 8; do echo addr add 10.9.7.$i/32 dev eth0; done; "
	    "for i in 1 2 3 4 5 6 7 8; do echo addr del 10.9.7.$i/32 dev eth0; done ) > " META "/noise");
	run("for i in $(seq 400); do cat " META "/noise; done > " META "/noise.all && rm " META "/noise");
	run("( for i in $(seq 20); do ip -n a1 -batch " META "/noise.all; done ) >/dev/null 2>&1 & "
	    "echo $! > " META "/pid");
	int64_t stop = now_ms() + WAIT_MS;
	while (frozen_count() == 0 && now_ms() < stop)
		loop_for(50);
	assert_int_equal(frozen_count(), 1);
	/* Another namespace's event is heard all the same. */
	run("ip -n a2 addr add 10.9.0.12/24 dev eth0");
	wait_state("v-a2", PORT_IDENTIFIED);
	assert_int_equal(port_named("v-a1")->state, PORT_IDENTIFIED);
	/* What it may cost: no more scans than the pauses allow. */
	json_int_t before = status_number("scans");
	int64_t start = now_ms();
	while (now_ms() < start + 1000)
		loop_for(100);
	assert_true(status_number("scans") - before <= 60);
	run("kill $(cat " META "/pid) 2>/dev/null; wait; true");
}

static void test_overrun(void **state)
{
	(void)state;
	watch_start();
	loop_for(100);
	/* More events than any buffer holds while nobody reads; the last of them is lost. */
	run("for i in $(seq 4000); do echo link set br0 alias $i; echo link set br0 mtu $((1300 + i %% 100)); done "
	    "> " META "/flood");
	for (int i = 0; i < 3; i++)
		run("ip -batch " META "/flood");
	box("a1", "br0", "10.9.0.11/24");
	wait_state("v-a1", PORT_IDENTIFIED);
	assert_true(status_number("overruns") > 0);
	assert_int_equal(status_number("scan_failures"), 0);
}

static void test_many(void **state)
{
	const size_t count = 64;
	int64_t start;

	(void)state;
	watch_start();
	for (size_t i = 0; i < count; i++) {
		run("ip netns add m%zu && ip link add v-m%zu type veth peer name eth0 netns m%zu && "
		    "ip link set v-m%zu master br0 up && ip -n m%zu addr add 10.9.0.%zu/24 dev eth0 && "
		    "ip -n m%zu link set eth0 up",
		    i, i, i, i, i, i + 100, i);
	}
	start = now_ms();
	for (size_t i = 0; i < count; i++) {
		char name[IFNAMSIZ];

		snprintf(name, sizeof(name), "v-m%zu", i);
		wait_state(name, PORT_IDENTIFIED);
	}
	print_message("# %zu ports known %lld ms after the last was made\n", count, (long long)(now_ms() - start));
}

struct seen {
	unsigned int count, inbound, udp;
	bool remote_is_host;
};

static void socket_seen(void *arg, const struct port_socket *item)
{
	struct seen *seen = arg;
	struct addr host;

	addr_parse("10.9.0.1", &host);
	seen->count++;
	seen->inbound += item->inbound;
	seen->udp += item->protocol == IPPROTO_UDP;
	seen->remote_is_host |= addr_equal(&item->remote, &host);
}

/* A socket made in a named namespace; this thread goes there and comes back. */
static int socket_in(const char *name, int domain, int type)
{
	char path[64];
	int here = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC), there, fd;

	snprintf(path, sizeof(path), "/run/netns/%s", name);
	there = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(here >= 0 && there >= 0);
	assert_int_equal(setns(there, CLONE_NEWNET), 0);
	fd = socket(domain, type | SOCK_CLOEXEC, 0);
	assert_int_equal(setns(here, CLONE_NEWNET), 0);
	close(here);
	close(there);
	assert_true(fd >= 0);
	return fd;
}

static struct sockaddr_in address_of(const char *text, uint16_t port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};

	inet_pton(AF_INET, text, &address.sin_addr);
	return address;
}

static void test_sockets(void **state)
{
	struct sockaddr_in inside = address_of("10.9.0.11", 5432), outside = address_of("10.9.0.1", 8000);
	struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(5432)};
	struct error error = {0};
	struct seen seen = {0};

	(void)state;
	box("a1", "br0", "10.9.0.11/24");
	watch_start();
	wait_state("v-a1", PORT_IDENTIFIED);
	/* Dual-stack, as most servers are: the kernel shows v4-mapped addresses. */
	int server = socket_in("a1", AF_INET6, SOCK_STREAM), host_server = socket(AF_INET, SOCK_STREAM, 0);
	int client = socket(AF_INET, SOCK_STREAM, 0), out = socket_in("a1", AF_INET, SOCK_STREAM);
	int udp = socket_in("a1", AF_INET, SOCK_DGRAM);
	assert_int_equal(bind(server, (struct sockaddr *)&any, sizeof(any)), 0);
	assert_int_equal(listen(server, 4), 0);
	assert_int_equal(bind(host_server, (struct sockaddr *)&outside, sizeof(outside)), 0);
	assert_int_equal(listen(host_server, 4), 0);
	assert_int_equal(connect(client, (struct sockaddr *)&inside, sizeof(inside)), 0);
	assert_int_equal(connect(out, (struct sockaddr *)&outside, sizeof(outside)), 0);
	assert_int_equal(connect(udp, (struct sockaddr *)&outside, sizeof(outside)), 0);
	assert_int_equal(port_sockets(watch, port_named("v-a1"), socket_seen, &seen, &error), 0);
	assert_int_equal(seen.count, 3);
	assert_int_equal(seen.inbound, 1);
	assert_int_equal(seen.udp, 1);
	assert_true(seen.remote_is_host);
	/* A port whose namespace is not that any more is refused. */
	struct port other = *port_named("v-a1");
	other.cookie++;
	assert_int_equal(port_sockets(watch, &other, socket_seen, &seen, &error), -ESTALE);
	for (int *fd = (int[]){server, host_server, client, out, udp, -1}; *fd >= 0; fd++)
		close(*fd);
}

static void test_our_namespace_stays(void **state)
{
	char before[64] = "", after[64] = "";

	(void)state;
	assert_true(readlink("/proc/thread-self/ns/net", before, sizeof(before) - 1) > 0);
	box("a1", "br0", "10.9.0.11/24");
	watch_start();
	wait_state("v-a1", PORT_IDENTIFIED);
	assert_true(readlink("/proc/thread-self/ns/net", after, sizeof(after) - 1) > 0);
	assert_string_equal(before, after);
	/* And nothing keeps a namespace that is to go. */
	run("ip netns del a1");
	wait_for("v-a1", !port);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(identified),
		TEST(first_claim),
		TEST(not_its_own),
		TEST(two_want_one),
		TEST(late_claim_of_anothers),
		TEST(same_mac),
		TEST(patch),
		TEST(process_pins),
		TEST(many_processes),
		TEST(settings_leave_out),
		TEST(numbers_are_reused),
		TEST(other_end_moves),
		TEST(flap_keeps),
		TEST(comes_and_goes),
		TEST(neighbours_are_listed),
		TEST(engines_names),
		TEST(waiting),
		TEST(labels),
		TEST(routed),
		TEST(odd_names),
		TEST(noise_is_frozen),
		TEST(overrun),
		TEST(many),
		TEST(sockets),
		TEST(our_namespace_stays),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
