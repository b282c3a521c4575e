/* SPDX-License-Identifier: GPL-2.0-only */
/* The tc gate against the kernel: real containers' ends, real packets, restarts, crashes and meddlers.
 *
 * suite-timeout: 900 (the kernel's verifier looks at the programs for a second at each start) */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "gate/tc.h"
#include "gate/tc_private.h"
#include "tests/lib/lab.h"

#define POLICY_HEAD                                            \
	"version: 1\n"                                         \
	"zones:\n"                                             \
	"  red: { members: [ { name: a* } ], within: deny }\n" \
	"  blue: { members: [ { name: b* } ], within: deny }\n"
#define POLICY_ALLOW POLICY_HEAD "rules:\n  - { from: red, to: blue, allow: [ tcp/5000-5009, udp/5000 ] }\n"
#define POLICY_NONE  POLICY_HEAD
#define POLICY_MORE                                                                     \
	POLICY_HEAD "rules:\n"                                                          \
		    "  - { from: red, to: blue, allow: [ tcp/5000-5009, udp/5000 ] }\n" \
		    "  - { from: blue, to: red, allow: tcp/6000 }\n"

struct fixture {
	struct lab lab;
	struct gate_options options;
	struct tc_gate *tc;
	struct lab_box *a, *b;
	int listeners[2]; /* of b, port 5000, both families */
};
static struct fixture fixture;
static const bool no_tcx = true, with_tcx = false;

/* ---- Steps
 * ----------------------------------------------------------------------------------------------------------- */

static void gate_start(struct fixture *f)
{
	struct error error = {0};

	if (tc_gate_open(&f->options, &f->tc, &error) < 0)
		fail_msg("%s", error.text);
}

static void gate_stop(struct fixture *f)
{
	tc_gate_close(f->tc);
	f->tc = NULL;
}

/* As gate_apply() does it, without the door. */
static void apply_desired(struct fixture *f)
{
	struct error error = {0};

	if (tc_gate_close_ports(f->tc, &f->lab.desired, &error) < 0 ||
	    tc_gate_prepare(f->tc, &f->lab.desired, false, &error) < 0)
		fail_msg("%s", error.text);
	tc_gate_flip(f->tc);
}

static void apply(struct fixture *f, const char *policy)
{
	lab_desire(&f->lab, policy);
	apply_desired(f);
	for (size_t i = 0; i < f->lab.desired.port_count; i++)
		if (f->lab.ports[i].ret_result < 0)
			fail_msg("%s: %s", f->lab.ports[i].name, f->lab.ports[i].ret_problem);
}

static void drift_is(struct fixture *f, const char *expected)
{
	struct text drift = {0};
	int result = tc_gate_check(f->tc, &drift);

	if (!expected && result != 0)
		fail_msg("drift %d: %s", result, text_string(&drift));
	if (expected && (result != 1 || !strstr(text_string(&drift), expected)))
		fail_msg("no '%s' in drift %d: %s", expected, result, text_string(&drift));
	text_free(&drift);
}

static bool a_reaches_b(struct fixture *f, uint16_t port)
{
	return lab_reaches(&f->lab, f->a, f->b, ADDR_V4, port);
}

struct pair {
	int client, server;
};

static struct pair connection(struct fixture *f)
{
	struct pair pair;

	pair.client = lab_connect(&f->lab, f->a, f->b, ADDR_V4, 5000, 1000);
	assert_true(pair.client >= 0);
	pair.server = lab_accept(f->listeners[0]);
	return pair;
}

static bool pair_talks(const struct pair *pair)
{
	return lab_talks(pair->client, pair->server, 600) && lab_talks(pair->server, pair->client, 600);
}

static void pair_close(const struct pair *pair)
{
	close(pair->client);
	close(pair->server);
}

static int setup(void **state)
{
	struct fixture *f = &fixture;
	const char *why;

	memset(f, 0, sizeof(*f));
	if (!lab_open(&f->lab, &why))
		fail_msg("%s", why);
	f->options = (struct gate_options){
		.pin_dir = LAB_PIN_DIR,
		.stamp_shift = BH_STAMP_SHIFT_DEFAULT,
		.flow_quota = 1024,
		.no_tcx = **(const bool **)state,
	};
	f->a = lab_box_add(&f->lab, "a");
	f->b = lab_box_add(&f->lab, "b");
	f->listeners[0] = lab_listen(&f->lab, f->b, ADDR_V4, 5000);
	f->listeners[1] = lab_listen(&f->lab, f->b, ADDR_V6, 5000);
	gate_start(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	tc_gate_close(f->tc);
	close(f->listeners[0]);
	close(f->listeners[1]);
	lab_close(&f->lab);
	return 0;
}

/* ---- Policing
 * -------------------------------------------------------------------------------------------------------- */

static void polices(void **state)
{
	struct fixture *f = *state;
	int refused = lab_listen(&f->lab, f->b, ADDR_V4, 5010), back = lab_listen(&f->lab, f->a, ADDR_V4, 6000);

	assert_true(a_reaches_b(f, 5000)); /* nothing is policed yet */
	apply(f, POLICY_ALLOW);
	drift_is(f, NULL);
	assert_int_equal(tc_gate_generation(f->tc), 1);
	assert_true(a_reaches_b(f, 5000));
	assert_true(lab_reaches(&f->lab, f->a, f->b, ADDR_V6, 5000));
	assert_false(a_reaches_b(f, 5010));
	assert_false(lab_reaches(&f->lab, f->b, f->a, ADDR_V4, 6000));
	apply(f, POLICY_MORE);
	assert_true(lab_reaches(&f->lab, f->b, f->a, ADDR_V4, 6000));
	apply(f, POLICY_NONE);
	assert_false(a_reaches_b(f, 5000));
	assert_false(lab_reaches(&f->lab, f->a, f->b, ADDR_V6, 5000));
	assert_int_equal(tc_gate_generation(f->tc), 3);
	close(refused);
	close(back);
}

static void closed_port_passes_nothing(void **state)
{
	struct fixture *f = *state;
	struct pair pair;

	apply(f, POLICY_ALLOW);
	pair = connection(f);
	f->b->open = false;
	apply(f, POLICY_ALLOW);
	assert_false(pair_talks(&pair));
	assert_false(a_reaches_b(f, 5000));
	f->b->open = true;
	apply(f, POLICY_ALLOW);
	assert_true(a_reaches_b(f, 5000));
	pair_close(&pair);
}

static void reload_keeps_and_cuts(void **state)
{
	struct fixture *f = *state;
	struct pair pair;

	apply(f, POLICY_ALLOW);
	pair = connection(f);
	for (int i = 0; i < 10; i++) {
		apply(f, i % 2 ? POLICY_ALLOW : POLICY_MORE);
		assert_true(pair_talks(&pair));
	}
	apply(f, POLICY_NONE);
	assert_false(pair_talks(&pair));
	pair_close(&pair);
}

static void cancelled_apply_changes_nothing(void **state)
{
	struct fixture *f = *state;
	struct error error = {0};
	struct pair pair;

	apply(f, POLICY_ALLOW);
	pair = connection(f);
	lab_box_add(&f->lab, "b2");
	lab_desire(&f->lab, POLICY_NONE);
	assert_int_equal(tc_gate_prepare(f->tc, &f->lab.desired, false, &error), 0);
	tc_gate_cancel(f->tc);
	assert_int_equal(tc_gate_generation(f->tc), 1);
	assert_true(pair_talks(&pair));
	assert_true(a_reaches_b(f, 5000));
	/* The new one is not open: its entry says so to the programs. */
	struct bh_port entry;
	assert_int_equal(bpf_map_lookup_elem(f->tc->maps[TC_PORTS], &f->lab.boxes[2].ifindex, &entry), 0);
	assert_false(entry.flags & BH_PORT_OPEN);
	apply(f, POLICY_ALLOW);
	assert_true(pair_talks(&pair));
	pair_close(&pair);
}

static void too_many_addresses_close_one_port(void **state)
{
	struct fixture *f = *state;
	struct addr many[BH_PORT_ADDRS_MAX + 1];

	apply(f, POLICY_ALLOW);
	for (uint32_t i = 0; i < BH_PORT_ADDRS_MAX + 1; i++)
		many[i] = addr_from_v4(0x0a090100 + i);
	memcpy(many, f->b->addresses, sizeof(f->b->addresses));
	lab_desire(&f->lab, POLICY_ALLOW);
	f->lab.ports[1].addresses = many;
	f->lab.ports[1].address_count = BH_PORT_ADDRS_MAX;
	apply_desired(f);
	assert_int_equal(f->lab.ports[1].ret_result, 0);
	assert_true(a_reaches_b(f, 5000));
	f->lab.ports[1].address_count++;
	apply_desired(f);
	assert_int_equal(f->lab.ports[1].ret_result, -E2BIG);
	assert_int_equal(f->lab.ports[0].ret_result, 0);
	assert_false(a_reaches_b(f, 5000));
}

/* Applies, and expects it to fail with this code and words like these. */
static void apply_fails(struct fixture *f, int code, const char *words)
{
	struct error error = {0};

	assert_int_equal(tc_gate_prepare(f->tc, &f->lab.desired, false, &error), code);
	if (!strstr(error.text, words))
		fail_msg("no '%s' in '%s'", words, error.text);
}

static void limits_hold_at_their_edges(void **state)
{
	struct fixture *f = *state;
	struct gate_published *published = calloc(65537, sizeof(*published));
	size_t own_addresses;

	apply(f, POLICY_ALLOW);
	assert_non_null(published);
	/* Addresses that can be told apart. */
	lab_desire(&f->lab, POLICY_ALLOW);
	own_addresses = f->lab.table->addresses.count;
	for (uint32_t i = 0; f->lab.table->addresses.count <= BH_ADDRS_MAX; i++) {
		struct address_entry *entry = LAB_APPEND(&f->lab.table->addresses);

		*entry = (struct address_entry){.addr = addr_from_v4(0x14000000 + i), .class = BH_CLASS_UNASSIGNED};
	}
	apply_fails(f, -E2BIG, "at most 131072");
	f->lab.table->addresses.count--;
	apply_desired(f);
	assert_true(a_reaches_b(f, 5000));
	f->lab.table->addresses.count = own_addresses;
	apply_desired(f);
	assert_true(a_reaches_b(f, 5000));

	/* NAT64 prefixes. */
	lab_desire(&f->lab, POLICY_ALLOW);
	f->lab.table->nat64.count = 0;
	for (uint8_t i = 0; i <= BH_NAT64_MAX; i++) {
		struct prefix *prefix = LAB_APPEND(&f->lab.table->nat64);

		*prefix = (struct prefix){.addr = {ADDR_V6, {0x20, 0x01, i}}, .length = 96};
	}
	apply_fails(f, -E2BIG, "at most 64");
	f->lab.table->nat64.count--;
	apply_desired(f);
	drift_is(f, NULL);
	/* All of them others: there is no room for both side by side. */
	lab_desire(&f->lab, POLICY_ALLOW);
	f->lab.table->nat64.count = 0;
	for (uint8_t i = 0; i < BH_NAT64_MAX; i++) {
		struct prefix *prefix = LAB_APPEND(&f->lab.table->nat64);

		*prefix = (struct prefix){.addr = {ADDR_V6, {0x20, 0x02, i}}, .length = 96};
	}
	apply_desired(f);
	drift_is(f, NULL);

	/* Published ports. */
	for (uint32_t i = 0; i < 65537; i++)
		published[i] = (struct gate_published){.protocol = i < 65536 ? 6 : 17, .port = (uint16_t)i};
	lab_desire(&f->lab, POLICY_ALLOW);
	f->lab.desired.published = published;
	f->lab.desired.published_count = 65537;
	apply_fails(f, -E2BIG, "at most 65536");
	f->lab.desired.published_count = 65536;
	apply_desired(f);
	drift_is(f, NULL);

	/* Ports. */
	lab_box_add(&f->lab, "b2");
	memset(f->tc->index_used, 0xff, sizeof(f->tc->index_used));
	lab_desire(&f->lab, POLICY_ALLOW);
	apply_desired(f);
	assert_int_equal(f->lab.ports[2].ret_result, -ENOSPC);
	assert_non_null(strstr(f->lab.ports[2].ret_problem, "4096"));
	assert_int_equal(f->lab.ports[1].ret_result, 0);
	f->tc->index_used[BH_PORTS_MAX / 8 - 1] = 0x7f;
	apply_desired(f);
	assert_int_equal(f->lab.ports[2].ret_result, 0);
	assert_int_equal(tc_port_find(f->tc, f->lab.ports[2].ifindex)->entry.index, BH_PORTS_MAX - 1);
	free(published);
}

static void many_ports_open_in_turns(void **state)
{
	struct fixture *f = *state;
	struct gate_port *ports = calloc(20, sizeof(*ports));
	size_t waiting = 0;

	assert_non_null(ports);

	/* Interfaces enough, without the containers behind them. */
	for (int i = 0; i < 20; i++)
		lab_run(&f->lab, NULL, "ip link add many%d index %d type veth peer name peer%d", i, 1000 + i, i);
	lab_desire(&f->lab, POLICY_ALLOW);
	for (uint32_t i = 0; i < 20; i++) {
		ports[i] = (struct gate_port){.ifindex = 1000 + i,
					      .mac = {{2, 0, 0, 0, 0, (uint8_t)i}},
					      .open = true,
					      .identity = BH_CLASS_UNASSIGNED};
		snprintf(ports[i].name, sizeof(ports[i].name), "many%u", i);
	}
	f->lab.desired.ports = ports;
	f->lab.desired.port_count = 20;
	apply_desired(f);
	for (size_t i = 0; i < 20; i++)
		waiting += ports[i].ret_result == -EAGAIN;
	assert_int_equal(waiting, 4);
	apply_desired(f);
	for (size_t i = 0; i < 20; i++) {
		assert_int_equal(ports[i].ret_result, 0);
		assert_true(tc_gate_port_is_open(f->tc, ports[i].ifindex));
	}
	drift_is(f, NULL);
	free(ports);
}

/* ---- Ahead
 * ------------------------------------------------------------------------------------------------------------ */

#define FRAMES 8

/* A packet socket at a link of the box, or of the host. */
static int packet_socket(struct fixture *f, const struct lab_box *box, const char *interface)
{
	struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	int fd;

	if (box)
		assert_int_equal(setns(box->netns, CLONE_NEWNET), 0);
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	at.sll_ifindex = (int)if_nametoindex(interface);
	assert_true(fd >= 0 && at.sll_ifindex > 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(setns(f->lab.netns, CLONE_NEWNET), 0);
	return fd;
}

/* Frames of several kinds, link-local groups among them, with a mark that nothing else has. */
static void frames_send(int fd)
{
	static const uint8_t groups[][6] = {{1, 0x80, 0xc2, 0, 0, 0},
					    {1, 0x80, 0xc2, 0, 0, 0x0e},
					    {0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
					    {2, 0, 0, 0, 0, 1}};
	static const uint8_t types[][2] = {{0, 46}, {0x88, 0xcc}, {0x08, 0x06}, {0x86, 0xdd}};
	uint8_t frame[60] = {0};

	memset(frame + 14, 0xb7, sizeof(frame) - 14);
	for (int i = 0; i < FRAMES; i++) {
		memcpy(frame, groups[i % 4], 6);
		memcpy(frame + 6, (uint8_t[]){2, 0, 0, 0, 0, 0x77}, 6);
		memcpy(frame + 12, types[i % 4], 2);
		/* A program that drops it on its way out is told as a full queue. */
		if (send(fd, frame, sizeof(frame), 0) < 0)
			assert_int_equal(errno, ENOBUFS);
	}
}

static unsigned int frames_got(int fd)
{
	struct pollfd ready = {.fd = fd, .events = POLLIN};
	uint8_t frame[2048];
	unsigned int got = 0;

	while (poll(&ready, 1, 300) > 0) {
		ssize_t size = recv(fd, frame, sizeof(frame), 0);

		got += size >= 60 && frame[20] == 0xb7 && frame[50] == 0xb7;
	}
	return got;
}

static uint64_t closed_count(struct fixture *f)
{
	struct bh_counter counter;

	assert_int_equal(tc_gate_reason_counter(f->tc, BH_DROP_CLOSED, &counter), 0);
	return counter.packets;
}

static size_t flow_maps_placed(struct fixture *f)
{
	uint32_t empty, id;
	size_t count = 0;

	assert_int_equal(tc_map_id(f->tc->no_flows, &empty), 0);
	for (uint32_t index = 0; index < BH_PORTS_MAX; index++)
		count += bpf_map_lookup_elem(f->tc->maps[TC_FLOWS], &index, &id) == 0 && id != empty;
	return count;
}

static size_t pins_count(void)
{
	DIR *dir = opendir(LAB_PIN_DIR);
	size_t count = 0;

	assert_non_null(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

static uint32_t link_id(const struct tc_port *port, enum tc_direction direction)
{
	struct bpf_link_info info = {0};
	uint32_t size = sizeof(info);

	assert_int_equal(bpf_obj_get_info_by_fd(port->links[direction], &info, &size), 0);
	return info.id;
}

/* b stays closed, and is made ready. */
static struct tc_port *make_ready(struct fixture *f)
{
	struct tc_port *port;

	f->b->open = false;
	apply(f, POLICY_ALLOW);
	tc_gate_ahead(f->tc, &f->lab.desired);
	tc_gate_rest(f->tc);
	port = tc_port_find(f->tc, f->b->ifindex);
	assert_non_null(port);
	assert_true(port->attached);
	return port;
}

static void ready_port_is_still_closed(void **state)
{
	struct fixture *f = *state;
	int host = packet_socket(f, NULL, f->b->interface), inside = packet_socket(f, f->b, "eth0");
	uint32_t ids[TC_LINE_MAX], links[TC_DIRECTION_MAX];
	struct tc_port *port;
	struct bh_port entry;
	uint64_t before;

	/* Nobody polices: they arrive. */
	frames_send(host);
	assert_int_equal(frames_got(inside), FRAMES);
	port = make_ready(f);
	for (int i = 0; i < TC_DIRECTION_MAX; i++) {
		assert_int_equal(tc_tcx_line(port->ifindex, i, ids), 1);
		assert_int_equal(ids[0], f->tc->program_ids[i]);
		links[i] = link_id(port, i);
	}
	assert_false(tc_gate_port_is_open(f->tc, port->ifindex));
	assert_int_equal(bpf_map_lookup_elem(f->tc->maps[TC_PORTS], &port->ifindex, &entry), -ENOENT);
	/* To it, and from it. */
	before = closed_count(f);
	frames_send(host);
	assert_int_equal(frames_got(inside), 0);
	assert_true(closed_count(f) >= before + FRAMES);
	before = closed_count(f);
	frames_send(inside);
	assert_true(closed_count(f) >= before + FRAMES);
	assert_false(a_reaches_b(f, 5000));
	drift_is(f, NULL);

	/* What was made ready is what is opened. */
	f->b->open = true;
	apply(f, POLICY_ALLOW);
	assert_true(a_reaches_b(f, 5000));
	assert_ptr_equal(tc_port_find(f->tc, f->b->ifindex), port);
	for (int i = 0; i < TC_DIRECTION_MAX; i++)
		assert_int_equal(link_id(port, i), links[i]);
	drift_is(f, NULL);
	close(host);
	close(inside);
}

static void ready_port_is_watched(void **state)
{
	struct fixture *f = *state;
	struct tc_port *port = make_ready(f);

	assert_int_equal(bpf_link_detach(port->links[TC_INGRESS]), 0);
	drift_is(f, "is not attached at ingress");
	f->b->open = true;
	apply(f, POLICY_ALLOW);
	drift_is(f, NULL);
	assert_true(a_reaches_b(f, 5000));
	assert_false(a_reaches_b(f, 5010));
}

static void ready_port_outlives_its_daemon_closed(void **state)
{
	struct fixture *f = *state;
	size_t flow_maps;
	uint32_t ids[TC_LINE_MAX];

	apply(f, POLICY_ALLOW);
	flow_maps = flow_maps_placed(f);
	make_ready(f);
	assert_int_equal(flow_maps_placed(f), flow_maps);
	gate_stop(f); /* as good as a kill: nothing is undone */
	assert_int_equal(tc_tcx_line(f->b->ifindex, TC_INGRESS, ids), 1);
	assert_false(a_reaches_b(f, 5000));
	gate_start(f);
	assert_false(a_reaches_b(f, 5000));
	assert_int_equal(flow_maps_placed(f), flow_maps - 1);
	f->b->open = true;
	apply(f, POLICY_ALLOW);
	drift_is(f, NULL);
	assert_true(a_reaches_b(f, 5000));
	assert_int_equal(flow_maps_placed(f), flow_maps);
}

static void ready_ports_leave_nothing(void **state)
{
	struct fixture *f = *state;
	size_t pins, flow_maps;
	uint8_t used[sizeof(f->tc->index_used)];

	apply(f, POLICY_ALLOW);
	tc_gate_rest(f->tc);
	pins = pins_count();
	flow_maps = flow_maps_placed(f);
	memcpy(used, f->tc->index_used, sizeof(used));
	for (int i = 0; i < 12; i++) {
		struct lab_box *box = lab_box_add(&f->lab, "b9");

		box->open = false;
		apply(f, POLICY_ALLOW);
		tc_gate_ahead(f->tc, &f->lab.desired);
		assert_int_equal(flow_maps_placed(f), flow_maps + 1);
		box->open = i % 2;
		apply(f, POLICY_ALLOW);
		tc_gate_ahead(f->tc, &f->lab.desired);
		lab_box_remove(&f->lab, box);
		f->lab.box_count--;
		apply(f, POLICY_ALLOW);
		tc_gate_rest(f->tc);
		assert_int_equal(flow_maps_placed(f), flow_maps);
		assert_int_equal(pins_count(), pins);
		assert_memory_equal(used, f->tc->index_used, sizeof(used));
	}
	drift_is(f, NULL);
}

/* The setting is the whole machine's, and other daemons may use it at the same time: the mark tells what this one did.
 */
static void grace_periods_are_put_back(void **state)
{
	const char *mark = LAB_PIN_DIR "/" TC_MARK_GRACE "/shortened";
	struct fixture *f = *state;

	f->tc->grace_shortened = false;
	assert_int_equal(mkdir(LAB_PIN_DIR "/" TC_MARK_GRACE, 0700) < 0 && errno != EEXIST, 0);
	assert_int_equal(mkdir(mark, 0700) < 0 && errno != EEXIST, 0);
	gate_stop(f); /* a daemon that was killed in the midst of it */
	gate_start(f);
	assert_int_not_equal(access(mark, F_OK), 0);
	apply(f, POLICY_ALLOW);
	assert_int_equal(access(mark, F_OK) == 0, f->tc->grace_shortened);
	tc_gate_rest(f->tc);
	assert_int_not_equal(access(mark, F_OK), 0);
	assert_false(f->tc->grace_shortened);
}

/* ---- Restarts and crashes
 * --------------------------------------------------------------------------------------------- */

/* The kernel frees them in its own time. */
static bool program_goes(uint32_t id)
{
	const struct timespec moment = {.tv_nsec = 10000000};

	for (int i = 0; i < 200; i++) {
		int fd = bpf_prog_get_fd_by_id(id);

		if (fd == -ENOENT)
			return true;
		close(fd);
		nanosleep(&moment, NULL);
	}
	return false;
}

static void restart_keeps_flows(void **state)
{
	struct fixture *f = *state;
	uint32_t program, id;
	struct pair pair;

	apply(f, POLICY_ALLOW);
	pair = connection(f);
	program = f->tc->program_ids[TC_INGRESS];
	id = tc_port_find(f->tc, f->a->ifindex)->entry.id;
	gate_stop(f);
	assert_true(pair_talks(&pair));
	assert_true(a_reaches_b(f, 5000));
	assert_false(a_reaches_b(f, 5010));
	gate_start(f);
	assert_true(pair_talks(&pair));
	assert_int_equal(tc_gate_generation(f->tc), 1);
	assert_int_not_equal(f->tc->program_ids[TC_INGRESS], program);
	apply(f, POLICY_ALLOW);
	drift_is(f, NULL);
	assert_int_equal(tc_port_find(f->tc, f->a->ifindex)->entry.id, id);
	assert_true(pair_talks(&pair));
	/* The old programs are nowhere any more. */
	gate_stop(f);
	assert_true(program_goes(program));
	gate_start(f);
	apply(f, POLICY_NONE);
	assert_false(pair_talks(&pair));
	pair_close(&pair);
}

struct stream {
	int from, to;
	struct sockaddr_storage address;
	volatile bool stop;
	unsigned long sent, received;
};

static void *stream_send(void *arg)
{
	struct stream *stream = arg;

	/* Few enough to fit the receiver's buffer for as long as a test lasts, many enough to hit any gap. */
	while (!stream->stop) {
		const struct timespec pause_time = {.tv_nsec = 50000};

		if (send(stream->from, &stream->sent, sizeof(stream->sent), 0) > 0)
			stream->sent++;
		nanosleep(&pause_time, NULL);
	}
	return NULL;
}

static void *stream_receive(void *arg)
{
	struct stream *stream = arg;
	struct pollfd poll_fd = {.fd = stream->to, .events = POLLIN};
	unsigned long number;

	while (poll(&poll_fd, 1, 500) == 1)
		if (recv(stream->to, &number, sizeof(number), MSG_DONTWAIT) > 0)
			stream->received++;
	return NULL;
}

static void no_packet_is_lost(void **state)
{
	struct fixture *f = *state;
	struct stream stream = {0};
	pthread_t sender, receiver;

	apply(f, POLICY_ALLOW);
	stream.to = lab_datagram(&f->lab, f->b, 5000, NULL);
	stream.from = lab_datagram(&f->lab, f->a, 0, f->b);
	assert_int_equal(pthread_create(&receiver, NULL, stream_receive, &stream), 0);
	assert_int_equal(pthread_create(&sender, NULL, stream_send, &stream), 0);
	for (int i = 0; i < 10; i++)
		apply(f, i % 2 ? POLICY_ALLOW : POLICY_MORE);
	for (int i = 0; i < 3; i++) {
		gate_stop(f);
		gate_start(f);
		apply(f, POLICY_ALLOW);
	}
	stream.stop = true;
	pthread_join(sender, NULL);
	pthread_join(receiver, NULL);
	assert_true(stream.sent > 1000);
	assert_int_equal(stream.received, stream.sent);
	close(stream.from);
	close(stream.to);
}

static int restart_for_ever(struct fixture *f)
{
	struct error error = {0};

	for (;;) {
		if (tc_gate_open(&f->options, &f->tc, &error) < 0)
			return 1;
		f->lab.generation = tc_gate_generation(f->tc);
		for (int i = 0; i < 3; i++) {
			lab_desire(&f->lab, i == 1 ? POLICY_ALLOW : POLICY_MORE);
			if (tc_gate_close_ports(f->tc, &f->lab.desired, &error) < 0 ||
			    tc_gate_prepare(f->tc, &f->lab.desired, false, &error) < 0)
				return 1;
			tc_gate_flip(f->tc);
		}
		gate_stop(f);
	}
}

/* A daemon that is killed again and again at any point leaves what the next one can take over. */
static void survives_kills(void **state)
{
	struct fixture *f = *state;
	struct pair pair;
	int status;

	apply(f, POLICY_ALLOW);
	pair = connection(f);
	gate_stop(f);
	srand(7);
	for (int i = 0; i < 10; i++) {
		const unsigned int moment_us = (unsigned int)rand() % 2500000;
		pid_t pid = fork();

		if (pid == 0)
			_exit(restart_for_ever(f));
		assert_true(pid > 0);
		usleep(moment_us % 1000000);
		sleep(moment_us / 1000000);
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status)); /* or it could not start from what the one before left */
		assert_true(pair_talks(&pair));
		assert_false(a_reaches_b(f, 5010));
	}
	gate_start(f);
	f->lab.generation = tc_gate_generation(f->tc);
	apply(f, POLICY_ALLOW);
	drift_is(f, NULL);
	assert_true(pair_talks(&pair));
	pair_close(&pair);
}

static void half_made_pins_are_made_anew(void **state)
{
	struct fixture *f = *state;

	apply(f, POLICY_ALLOW);
	gate_stop(f);
	/* What a crash before the last rename leaves. */
	assert_int_equal(rename(LAB_PIN_DIR "/map_own", LAB_PIN_DIR "/new_map_own"), 0);
	gate_start(f);
	f->lab.generation = tc_gate_generation(f->tc);
	apply(f, POLICY_ALLOW);
	drift_is(f, NULL);
	assert_true(f->tc->taken_over); /* the program still knew the map */
	assert_int_equal(access(LAB_PIN_DIR "/new_map_own", F_OK), -1);
	assert_true(a_reaches_b(f, 5000));
	assert_false(a_reaches_b(f, 5010));
}

static void newer_state_is_refused(void **state)
{
	struct fixture *f = *state;
	struct error error = {0};
	struct tc_gate *tc;

	apply(f, POLICY_ALLOW);
	f->tc->config->version = BH_ABI_VERSION + 1;
	gate_stop(f);
	assert_int_equal(tc_gate_open(&f->options, &tc, &error), -EPROTO);
	assert_non_null(strstr(error.text, "version 2"));
	assert_non_null(strstr(error.text, "up to 1"));
	/* It is still enforced. */
	assert_true(a_reaches_b(f, 5000));
	assert_false(a_reaches_b(f, 5010));
}

static void state_of_another_namespace_is_refused(void **state)
{
	struct fixture *f = *state;
	struct error error = {0};
	struct tc_gate *tc;

	apply(f, POLICY_ALLOW);
	gate_stop(f);
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	assert_int_equal(tc_gate_open(&f->options, &tc, &error), -EBUSY);
	assert_non_null(strstr(error.text, "another network namespace"));
	assert_int_equal(setns(f->lab.netns, CLONE_NEWNET), 0);
	assert_true(a_reaches_b(f, 5000));
	gate_start(f);
	assert_true(f->tc->taken_over);
}

/* ---- Interfaces come and go
 * --------------------------------------------------------------------------------------------- */

static void gone_port_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	struct tc_shape shape;
	uint32_t ifindex = f->b->ifindex, id;
	struct bh_port entry;

	apply(f, POLICY_ALLOW);
	assert_true(a_reaches_b(f, 5000));
	id = tc_port_find(f->tc, ifindex)->entry.id;
	lab_box_remove(&f->lab, f->b);
	apply(f, POLICY_ALLOW);
	drift_is(f, NULL);
	assert_null(tc_port_find(f->tc, ifindex));
	assert_int_equal(bpf_map_lookup_elem(f->tc->maps[TC_PORTS], &ifindex, &entry), -ENOENT);
	shape = f->tc->shapes[TC_OWN];
	struct tc_entries own;
	assert_int_equal(tc_entries_read(f->tc->maps[TC_OWN], &shape, &own), 0);
	assert_int_equal(own.count, 3); /* a's */
	tc_entries_free(&own);
	/* Another interface gets the number: it is another port. */
	f->b = lab_box_add_at(&f->lab, "b3", ifindex);
	assert_int_equal(f->b->ifindex, ifindex);
	apply(f, POLICY_ALLOW);
	assert_int_not_equal(tc_port_find(f->tc, ifindex)->entry.id, id);
	int listener = lab_listen(&f->lab, f->b, ADDR_V4, 5001);
	assert_true(a_reaches_b(f, 5001));
	close(listener);
}

static void number_used_again_while_away(void **state)
{
	struct fixture *f = *state;
	uint32_t ifindex = f->b->ifindex, id;

	apply(f, POLICY_ALLOW);
	id = tc_port_find(f->tc, ifindex)->entry.id;
	gate_stop(f);
	lab_box_remove(&f->lab, f->b);
	f->b = lab_box_add_at(&f->lab, "b3", ifindex);
	gate_start(f);
	f->lab.generation = tc_gate_generation(f->tc);
	apply(f, POLICY_ALLOW);
	drift_is(f, NULL);
	assert_int_not_equal(tc_port_find(f->tc, ifindex)->entry.id, id);
	int listener = lab_listen(&f->lab, f->b, ADDR_V4, 5001);
	assert_true(a_reaches_b(f, 5001));
	assert_false(a_reaches_b(f, 5010));
	close(listener);
}

static void vanished_interface_is_told(void **state)
{
	struct fixture *f = *state;

	lab_desire(&f->lab, POLICY_ALLOW);
	lab_run(&f->lab, NULL, "ip link del vb");
	apply_desired(f);
	assert_int_equal(f->lab.ports[0].ret_result, 0);
	assert_true(f->lab.ports[1].ret_result < 0);
	assert_non_null(strstr(f->lab.ports[1].ret_problem, "gone"));
}

/* ---- Adoption
 * ------------------------------------------------------------------------------------------------------------- */

static void seeds_are_judged(void **state)
{
	struct fixture *f = *state;
	struct pair kept = connection(f), unknown = connection(f);
	struct sockaddr_in client = {0};
	socklen_t size = sizeof(client);
	struct gate_seed a_seed = {.protocol = IPPROTO_TCP, .direction = BH_FLOW_OUT, .remote_port = 5000}, b_seed;

	assert_int_equal(getsockname(kept.client, (struct sockaddr *)&client, &size), 0);
	a_seed.own = f->a->addresses[0];
	a_seed.remote = f->b->addresses[0];
	a_seed.own_port = ntohs(client.sin_port);
	b_seed = (struct gate_seed){.protocol = IPPROTO_TCP,
				    .direction = BH_FLOW_IN,
				    .own = a_seed.remote,
				    .remote = a_seed.own,
				    .own_port = 5000,
				    .remote_port = a_seed.own_port};
	f->a->seeds = &a_seed;
	f->b->seeds = &b_seed;
	f->a->seed_count = f->b->seed_count = 1;
	apply(f, POLICY_ALLOW);
	assert_int_equal(tc_gate_port_flows(f->tc, f->a->ifindex), 1);
	assert_string_equal(f->lab.ports[0].ret_problem, "");
	/* The answer comes first: it is judged as what it belongs to. */
	assert_true(lab_talks(kept.server, kept.client, 600));
	assert_true(pair_talks(&kept));
	assert_false(pair_talks(&unknown));
	apply(f, POLICY_NONE);
	assert_false(pair_talks(&kept));
	pair_close(&kept);
	pair_close(&unknown);
}

static void more_seeds_than_flows_are_told(void **state)
{
	struct fixture *f = *state;
	struct gate_seed *seeds = calloc(1025, sizeof(*seeds));

	assert_non_null(seeds);
	for (uint16_t i = 0; i < 1025; i++)
		seeds[i] = (struct gate_seed){.protocol = IPPROTO_TCP,
					      .own = f->a->addresses[0],
					      .remote = f->b->addresses[0],
					      .own_port = 5000,
					      .remote_port = (uint16_t)(i + 1)};
	f->a->seeds = f->b->seeds = seeds;
	f->a->seed_count = 1025;
	f->b->seed_count = 1024;
	apply(f, POLICY_ALLOW);
	assert_int_equal(tc_gate_port_flows(f->tc, f->a->ifindex), 1024);
	assert_int_equal(tc_gate_port_flows(f->tc, f->b->ifindex), 1024);
	assert_non_null(strstr(f->lab.ports[0].ret_problem, "1024 could be kept"));
	assert_string_equal(f->lab.ports[1].ret_problem, "");
	free(seeds);
}

/* ---- Meddlers
 * --------------------------------------------------------------------------------------------------------------- */

/* A program that lets everything pass and ends the chain: TC_ACT_OK. */
static int foreign_program(void)
{
	struct bpf_insn instructions[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "foreign", "GPL", instructions, 2, NULL);

	assert_true(fd >= 0);
	return fd;
}

static void lost_pins_are_repaired(void **state)
{
	struct fixture *f = *state;
	struct pair pair;
	char name[64], path[TC_PATH_MAX];

	apply(f, POLICY_ALLOW);
	pair = connection(f);
	assert_int_equal(unlink(LAB_PIN_DIR "/map_cells"), 0);
	assert_int_equal(unlink(LAB_PIN_DIR "/prog_egress"), 0);
	drift_is(f, "cells is not pinned");
	drift_is(f, "bulkhead_egress is not pinned");
	if (f->tc->tcx) {
		tc_pin_path(LAB_PIN_DIR, tc_link_name(f->a->ifindex, TC_EGRESS, name), path);
		assert_int_equal(unlink(path), 0);
		drift_is(f, "va: the link at egress is not pinned");
	}
	/* The daemon holds on to them meanwhile. */
	assert_true(pair_talks(&pair));
	assert_false(a_reaches_b(f, 5010));
	apply(f, POLICY_ALLOW);
	drift_is(f, NULL);
	assert_true(pair_talks(&pair));
	pair_close(&pair);
}

static void entries_are_repaired(void **state)
{
	struct fixture *f = *state;
	struct bh_port entry;
	uint32_t slot;

	apply(f, POLICY_ALLOW);
	assert_int_equal(bpf_map_lookup_elem(f->tc->maps[TC_PORTS], &f->b->ifindex, &entry), 0);
	entry.identity[0] = entry.identity[1] = BH_CLASS_HOST;
	assert_int_equal(bpf_map_update_elem(f->tc->maps[TC_PORTS], &f->b->ifindex, &entry, BPF_ANY), 0);
	drift_is(f, "vb: its entry was changed");
	apply_desired(f);
	drift_is(f, NULL);
	slot = tc_active_slot(f->tc);
	assert_int_equal(bpf_map_delete_elem(f->tc->maps[TC_CELLS], &slot), 0);
	assert_false(a_reaches_b(f, 5000)); /* closed, not open */
	drift_is(f, "the cells in force were changed");
	apply_desired(f);
	drift_is(f, NULL);
	assert_true(a_reaches_b(f, 5000));
}

static void removed_link_is_attached_again(void **state)
{
	struct fixture *f = *state;
	char name[64], path[TC_PATH_MAX];
	int link;

	if (!f->tc->tcx)
		skip(); /* as the kernel answered when asked for it */
	apply(f, POLICY_ALLOW);
	link = bpf_obj_get(tc_pin_path(LAB_PIN_DIR, tc_link_name(f->b->ifindex, TC_EGRESS, name), path));
	assert_true(link >= 0);
	assert_int_equal(bpf_link_detach(link), 0);
	close(link);
	drift_is(f, "vb: our program is not attached at egress");
	apply(f, POLICY_ALLOW);
	drift_is(f, NULL);
	assert_true(a_reaches_b(f, 5000));
	assert_false(a_reaches_b(f, 5010));
}

static void link_goes_to_the_front(void **state)
{
	struct fixture *f = *state;
	int foreign = foreign_program(), refused = lab_listen(&f->lab, f->b, ADDR_V4, 5010), link;
	struct {
		uint32_t program, ifindex, type, flags, relative, pad;
		uint64_t revision;
	} create = {.program = (uint32_t)foreign, .ifindex = f->b->ifindex, .type = 47, .flags = 1u << 3};
	struct pair pair;
	json_t *status;

	if (!f->tc->tcx)
		skip();
	apply(f, POLICY_ALLOW);
	pair = connection(f);
	link = lab_bpf(BPF_LINK_CREATE, &create, sizeof(create));
	assert_true(link >= 0);
	drift_is(f, "vb: the program foreign");
	status = tc_gate_status(f->tc);
	assert_int_equal(json_array_size(json_object_get(status, "foreign")), 1);
	assert_true(json_is_false(json_object_get(status, "healthy")));
	json_decref(status);
	for (int i = 0; i < 3; i++) {
		apply(f, POLICY_ALLOW);
		drift_is(f, NULL);
		assert_false(a_reaches_b(f, 5010));
		assert_true(pair_talks(&pair));
		/* And again ahead of the second instance. */
		close(link);
		link = lab_bpf(BPF_LINK_CREATE, &create, sizeof(create));
		assert_true(link >= 0);
		drift_is(f, "vb: the program foreign");
	}
	close(link);
	drift_is(f, NULL);
	close(foreign);
	close(refused);
	pair_close(&pair);
}

static void removed_filter_is_attached_again(void **state)
{
	struct fixture *f = *state;
	int refused = lab_listen(&f->lab, f->b, ADDR_V4, 5010);

	apply(f, POLICY_ALLOW);
	lab_run(&f->lab, NULL, "tc filter del dev vb egress");
	drift_is(f, "vb: our filter is not attached at egress");
	apply(f, POLICY_ALLOW);
	drift_is(f, NULL);
	assert_true(a_reaches_b(f, 5000));
	assert_false(a_reaches_b(f, 5010));
	lab_run(&f->lab, NULL, "tc qdisc del dev vb clsact");
	drift_is(f, "vb: our filter is not attached at ingress");
	apply(f, POLICY_ALLOW);
	assert_false(a_reaches_b(f, 5010));
	close(refused);
}

static void foreign_handle_is_left_alone(void **state)
{
	struct fixture *f = *state;
	int foreign = foreign_program();
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)f->b->ifindex, .attach_point = BPF_TC_EGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = foreign, .handle = 0x42554c00, .priority = 1);
	LIBBPF_OPTS(bpf_tc_opts, query, .handle = 0x42554c00, .priority = 1);
	json_t *status;

	assert_int_equal(bpf_tc_hook_create(&hook), 0);
	assert_int_equal(bpf_tc_attach(&hook, &opts), 0);
	apply(f, POLICY_ALLOW);
	drift_is(f, NULL);
	assert_int_equal(bpf_tc_query(&hook, &query), 0);
	assert_int_equal(query.prog_id, opts.prog_id);
	/* The youngest filter runs first: ours is ahead. One that comes later is ahead of ours, and told. */
	status = tc_gate_status(f->tc);
	assert_int_equal(json_array_size(json_object_get(status, "foreign")), 0);
	json_decref(status);
	opts.handle = 77;
	opts.prog_id = 0;
	assert_int_equal(bpf_tc_attach(&hook, &opts), 0);
	status = tc_gate_status(f->tc);
	assert_int_equal(json_array_size(json_object_get(status, "foreign")), 1);
	json_decref(status);
	gate_stop(f);
	struct error error = {0};
	assert_int_equal(tc_gate_uninstall(&f->options, lab_ignore_line, NULL, &error), 0);
	/* Theirs are still there, and so is the qdisc that they use. */
	query.prog_id = query.flags = 0;
	assert_int_equal(bpf_tc_query(&hook, &query), 0);
	close(foreign);
}

/* From one way of attaching to the other and back, as a change of kernel or of a setting makes it. */
static void other_way_is_taken(void **state)
{
	struct fixture *f = *state;
	uint32_t handle, ids[TC_LINE_MAX];
	struct pair pair;

	apply(f, POLICY_ALLOW);
	pair = connection(f);
	gate_stop(f);
	f->options.no_tcx = !f->options.no_tcx;
	gate_start(f);
	f->lab.generation = tc_gate_generation(f->tc);
	apply(f, POLICY_ALLOW);
	drift_is(f, NULL);
	assert_true(pair_talks(&pair));
	assert_int_equal(tc_tcx_line(f->a->ifindex, TC_INGRESS, ids), f->options.no_tcx ? 0 : 1);
	assert_int_equal(tc_clsact_find(f->a->ifindex, TC_INGRESS, &handle) != 0, f->options.no_tcx);
	pair_close(&pair);
}

/* ---- What is told
 * ------------------------------------------------------------------------------------------------------------- */

struct told {
	struct loop *loop;
	unsigned int events, drifts;
	struct bh_event last;
	char what[256], who[64];
};

static void on_event(void *arg, const struct bh_event *event)
{
	struct told *told = arg;

	/* Others are of what the host sends by itself: there is no door here that would stamp it. */
	if (event->destination_port != 5010)
		return;
	told->events++;
	told->last = *event;
	loop_quit(told->loop, 0);
}

static void on_drift(void *arg, const char *what, const char *who)
{
	struct told *told = arg;

	told->drifts++;
	snprintf(told->what, sizeof(told->what), "%s", what);
	snprintf(told->who, sizeof(told->who), "%s", who);
	loop_quit(told->loop, 0);
}

static void on_time(struct loop *loop, void *arg)
{
	(void)arg;
	loop_quit(loop, 1);
}

static void events_and_drift_are_told(void **state)
{
	struct fixture *f = *state;
	struct told told = {0};
	struct gate_callbacks callbacks = {.on_event = on_event, .on_drift = on_drift, .arg = &told};
	struct bh_port_counters counters;
	struct bh_counter counter;
	struct loop_source *timer;
	struct error error = {0};

	assert_int_equal(loop_new(&told.loop), 0);
	assert_int_equal(loop_add_timer(told.loop, on_time, NULL, &timer), 0);
	assert_int_equal(tc_gate_watch(f->tc, told.loop, &callbacks, &error), 0);
	apply(f, POLICY_ALLOW);
	assert_false(a_reaches_b(f, 5010));
	assert_int_equal(loop_set_timer(timer, 2000, 0), 0);
	while (told.events == 0)
		assert_int_equal(loop_run(told.loop), 0);
	assert_int_equal(told.last.verdict, BH_EVENT_DENY);
	assert_int_equal(told.last.reason, BH_DENY_DEFAULT);
	assert_int_equal(told.last.ifindex, f->a->ifindex);
	assert_int_equal(tc_gate_port_counters(f->tc, f->a->ifindex, &counters), 0);
	assert_true(counters.denied[0].packets >= 1);
	assert_int_equal(tc_gate_reason_counter(f->tc, BH_DENY_DEFAULT, &counter), 0);
	assert_true(counter.packets >= 1);

	if (f->tc->tcx)
		assert_int_equal(unlink(LAB_PIN_DIR "/map_cells"), 0);
	else
		lab_run(&f->lab, NULL, "tc filter del dev vb egress");
	while (told.drifts == 0)
		assert_int_equal(loop_run(told.loop), 0);
	if (!f->tc->tcx)
		assert_true(strncmp(told.who, "tc", 2) == 0 || strncmp(told.who, "netlink", 7) == 0);
	assert_non_null(strstr(told.what, f->tc->tcx ? "cells" : "vb: our filter"));
	tc_gate_close(f->tc);
	f->tc = NULL;
	loop_free(told.loop);
}

static void rule_counters_start_at_nought(void **state)
{
	struct fixture *f = *state;
	struct bh_counter counter;
	uint32_t rule = 0;

	apply(f, POLICY_ALLOW);
	assert_true(a_reaches_b(f, 5000));
	for (size_t i = 0; i < f->lab.table->decisions.count; i++)
		if (f->lab.table->decisions.items[i].rule == 0)
			rule = f->lab.table->decisions.items[i].number;
	assert_int_not_equal(rule, 0);
	assert_int_equal(tc_gate_rule_counter(f->tc, rule, &counter), 0);
	assert_true(counter.packets >= 6);
	apply(f, POLICY_ALLOW); /* the same rule goes on counting */
	struct bh_counter after;
	assert_int_equal(tc_gate_rule_counter(f->tc, rule, &after), 0);
	assert_true(after.packets >= counter.packets);
	for (size_t i = 0; i < f->lab.table->decisions.count; i++)
		f->lab.table->decisions.items[i].fresh = true;
	lab_desire(&f->lab, POLICY_ALLOW);
	for (size_t i = 0; i < f->lab.table->decisions.count; i++)
		f->lab.table->decisions.items[i].fresh = true;
	apply_desired(f);
	assert_int_equal(tc_gate_rule_counter(f->tc, rule, &after), 0);
	assert_int_equal(after.packets, 0);
	assert_int_equal(tc_gate_rule_counter(f->tc, BH_DECISIONS_MAX, &after), 0);
}

static void uninstall_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	struct error error = {0};
	uint32_t handle, ids[TC_LINE_MAX];

	apply(f, POLICY_NONE);
	assert_false(a_reaches_b(f, 5000));
	gate_stop(f);
	assert_int_equal(tc_gate_uninstall(&f->options, lab_ignore_line, NULL, &error), 0);
	assert_int_equal(access(LAB_PIN_DIR, F_OK), -1);
	assert_int_equal(tc_tcx_line(f->a->ifindex, TC_INGRESS, ids), 0);
	assert_int_equal(tc_clsact_find(f->a->ifindex, TC_INGRESS, &handle), 0);
	lab_run(&f->lab, NULL, "! tc qdisc show dev va | grep -q clsact");
	assert_true(a_reaches_b(f, 5000));
	/* Once more is fine. */
	assert_int_equal(tc_gate_uninstall(&f->options, lab_ignore_line, NULL, &error), 0);
}

/* Where no init has mounted the BPF file system, the gate does, and takes it away again. */
static void file_system_is_mounted(void **state)
{
	struct fixture *f = *state;
	struct error error = {0};

	gate_stop(f);
	assert_int_equal(tc_gate_uninstall(&f->options, lab_ignore_line, NULL, &error), 0);
	assert_int_equal(umount("/sys/fs/bpf"), 0);
	assert_int_equal(access(LAB_PIN_DIR, F_OK), -1);
	gate_start(f);
	apply(f, POLICY_ALLOW);
	drift_is(f, NULL);
	gate_stop(f);
	gate_start(f); /* and is found mounted by the next */
	apply(f, POLICY_ALLOW);
	gate_stop(f);
	assert_int_equal(tc_gate_uninstall(&f->options, lab_ignore_line, NULL, &error), 0);
	assert_int_not_equal(umount("/sys/fs/bpf"), 0);
	f->options.pin_dir = "/tmp";
	assert_int_equal(tc_gate_open(&f->options, &f->tc, &error), -EINVAL);
	assert_non_null(strstr(error.text, "not on a BPF file system"));
}

#define BOTH(test)                                                        \
	{#test " (tcx)", test, setup, teardown, (void *)&with_tcx},       \
	{                                                                 \
#test " (clsact)", test, setup, teardown, (void *)&no_tcx \
	}
#define TCX(test)                                               \
	{                                                       \
#test, test, setup, teardown, (void *)&with_tcx \
	}
#define CLSACT(test)                                          \
	{                                                     \
#test, test, setup, teardown, (void *)&no_tcx \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(polices),
		TCX(closed_port_passes_nothing),
		BOTH(reload_keeps_and_cuts),
		TCX(cancelled_apply_changes_nothing),
		TCX(too_many_addresses_close_one_port),
		TCX(limits_hold_at_their_edges),
		TCX(many_ports_open_in_turns),
		TCX(ready_port_is_still_closed),
		TCX(ready_port_is_watched),
		TCX(ready_port_outlives_its_daemon_closed),
		TCX(ready_ports_leave_nothing),
		TCX(grace_periods_are_put_back),
		BOTH(restart_keeps_flows),
		BOTH(no_packet_is_lost),
		BOTH(survives_kills),
		TCX(half_made_pins_are_made_anew),
		TCX(newer_state_is_refused),
		TCX(state_of_another_namespace_is_refused),
		TCX(gone_port_leaves_nothing),
		TCX(number_used_again_while_away),
		TCX(vanished_interface_is_told),
		TCX(seeds_are_judged),
		TCX(more_seeds_than_flows_are_told),
		TCX(lost_pins_are_repaired),
		TCX(entries_are_repaired),
		TCX(removed_link_is_attached_again),
		TCX(link_goes_to_the_front),
		CLSACT(removed_filter_is_attached_again),
		CLSACT(foreign_handle_is_left_alone),
		BOTH(other_way_is_taken),
		BOTH(events_and_drift_are_told),
		TCX(rule_counters_start_at_nought),
		BOTH(uninstall_leaves_nothing),
		TCX(file_system_is_mounted),
	};

	if (!lab_allowed()) {
		printf("1..0 # SKIP namespaces or the BPF file system are not allowed here (not root?)\n");
		return 0;
	}
	cmocka_set_test_filter(getenv("TEST_FILTER"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
