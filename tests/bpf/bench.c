/* SPDX-License-Identifier: GPL-2.0-only */
/* ns per packet by BPF_PROG_TEST_RUN, each beside an empty program's of the same moment. No time is asserted: machines
 * differ; the ratios are what counts. As root; in a network namespace of its own, with nothing pinned. */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/pkt_cls.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "scatter.skel.h"
#include "tc-bpf/abi.h"

enum {
	ROUNDS = 7, /* the quickest counts: the others were disturbed */
	REPEAT = 200000,
	REPEAT_NEW = 16000, /* new flows fill a map */
	ANSWERS = 2000,
	FLOWS = BH_FLOWS_PER_PORT_DEFAULT,
	SERVICES = 16,
	CLASSES_MAX = 1000,
	IDENTITY = BH_IDENTITY_FIRST,
	DENIED = BH_IDENTITY_FIRST + 1,
};

static struct scatter_bpf *skeleton;
static struct bh_port port = {.id = 1, .flags = BH_PORT_OPEN, .mac = {2, 0, 0, 0, 0, 1}};
static struct bh_config *settings;
static uint32_t ifindex;

static void die(const char *what, int error)
{
	fprintf(stderr, "bench: %s: %s\n", what, strerror(error < 0 ? -error : error));
	exit(1);
}

static void put(int map, const void *key, const void *value)
{
	int error = bpf_map_update_elem(map, key, value, BPF_ANY);

	if (error)
		die("map update", error);
}

static int inner_make(int outer, uint32_t index, enum bpf_map_type type, uint32_t key, uint32_t value, uint32_t entries,
		      uint32_t flags)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = flags);
	int fd = bpf_map_create(type, NULL, key, value, entries, &opts);

	if (fd < 0)
		die("map create", fd);
	put(outer, &index, &fd);
	return fd;
}

/* ---- A policy: `prefixes` prefixes of up to CLASSES_MAX classes, `rules` rules for a class and a service each ---- */

static void prefixes_fill(int map, uint32_t prefixes)
{
	struct bh_lpm4_key key = {0};
	uint32_t class = BH_CLASS_FIRST;
	uint8_t length = 8;

	put(map, &key, &class);
	while (length < 28 && (UINT64_C(1) << (length - 2)) < prefixes * 4ull)
		length++;
	for (uint32_t i = 0; i < prefixes; i++) {
		/* Spread over the 2^30 addresses from 16.0.0.0 on, of two lengths. */
		uint64_t place = (uint64_t)i * ((UINT64_C(1) << (length - 2)) / prefixes);
		uint32_t addr = htonl(0x10000000u + (uint32_t)(place << (32 - length)));

		key.length = length - (i & 1);
		memcpy(key.addr, &addr, sizeof(key.addr));
		class = BH_CLASS_FIRST + 1 + i % CLASSES_MAX;
		put(map, &key, &class);
	}
}

static void cells_fill(int map, uint32_t prefixes, uint32_t rules)
{
	uint32_t classes = prefixes < 1 ? 1 : prefixes < CLASSES_MAX ? prefixes : CLASSES_MAX;
	struct bh_cell allow = {.allow_until = BH_FOREVER, .allow_decision = 1, .base_reason = BH_DENY_DEFAULT};
	struct bh_cell deny = {.deny_until = BH_FOREVER, .deny_decision = 2, .base_reason = BH_DENY_DEFAULT};

	for (uint32_t class = 0; class <= classes; class ++) {
		uint64_t key = BH_CELL_KEY(IDENTITY, BH_CLASS_FIRST + class, BH_SERVICE_ANY);

		put(map, &key, &allow);
		key = BH_CELL_KEY(DENIED, BH_CLASS_FIRST + class, BH_SERVICE_ANY);
		put(map, &key, &deny);
	}
	for (uint32_t rule = 0; rule < rules; rule++) {
		uint64_t key =
			BH_CELL_KEY(IDENTITY, BH_CLASS_FIRST + 1 + rule % classes, 1 + rule / classes % SERVICES);

		put(map, &key, &allow);
	}
}

static void policy_fill(uint32_t prefixes, uint32_t rules)
{
	uint32_t entries = prefixes + 10;
	int cells = inner_make(bpf_map__fd(skeleton->maps.cells), 0, BPF_MAP_TYPE_HASH, sizeof(uint64_t),
			       sizeof(struct bh_cell), rules + 2 * CLASSES_MAX + 10, 0);
	int classes = inner_make(bpf_map__fd(skeleton->maps.classes), 0, BPF_MAP_TYPE_ARRAY, sizeof(uint32_t),
				 sizeof(struct bh_class_info), BH_CLASS_FIRST + CLASSES_MAX + 1, BPF_F_INNER_MAP);
	int services = inner_make(bpf_map__fd(skeleton->maps.services), 0, BPF_MAP_TYPE_ARRAY, sizeof(uint32_t),
				  sizeof(struct bh_service_row), BH_SERVICE_ROWS, 0);
	int trie = inner_make(bpf_map__fd(skeleton->maps.prefixes4), 0, BPF_MAP_TYPE_LPM_TRIE,
			      sizeof(struct bh_lpm4_key), sizeof(uint32_t), entries, BPF_F_NO_PREALLOC);

	for (uint32_t i = 0; i < SERVICES; i++) {
		uint32_t row = BH_ROW_UDP + ((1000 + i) >> 8);
		struct bh_service_row value;

		bpf_map_lookup_elem(services, &row, &value);
		value.class[(1000 + i) & 0xff] = 1 + i;
		put(services, &row, &value);
	}
	cells_fill(cells, prefixes, rules);
	prefixes_fill(trie, prefixes);
	close(cells);
	close(classes);
	close(services);
	close(trie);
}

static void flows_empty(void)
{
	uint32_t zero = 0;
	size_t size = bpf_map__value_size(skeleton->maps.port_state);
	void *state = calloc(1, size);

	if (!state)
		die("port state", ENOMEM);
	close(inner_make(bpf_map__fd(skeleton->maps.flows), 0, BPF_MAP_TYPE_HASH, sizeof(struct bh_flow_key),
			 sizeof(struct bh_flow), FLOWS, BPF_F_NO_PREALLOC));
	put(bpf_map__fd(skeleton->maps.port_state), &zero, state);
	free(state);
}

static void world_make(void)
{
	struct bh_own_key own = {.port_id = 1, .family = 4, .addr = {10, 0, 0, 2}};
	struct bh_own value = {.kind = BH_OWN_ADDRESS};

	if (unshare(CLONE_NEWNET))
		die("unshare", errno);
	if (system("ip link add bench0 type veth peer name bench1"))
		die("ip link add", EIO);
	ifindex = if_nametoindex("bench0");
	skeleton = scatter_bpf__open_and_load();
	if (!skeleton)
		die("load", errno);
	settings = mmap(NULL, sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE, MAP_SHARED,
			bpf_map__fd(skeleton->maps.config), 0);
	if (settings == MAP_FAILED)
		die("mmap", errno);
	*settings = (struct bh_config){.magic = BH_ABI_MAGIC,
				       .version = BH_ABI_VERSION,
				       .active = 1 << 1,
				       .stamp_mask = 0xfff80000,
				       .stamp_shift = BH_STAMP_SHIFT_DEFAULT,
				       .flow_quota = FLOWS,
				       .flow_half_quota = FLOWS};
	put(bpf_map__fd(skeleton->maps.own), &own, &value);
}

static void port_identity(uint32_t identity)
{
	port.identity[0] = identity;
	put(bpf_map__fd(skeleton->maps.ports), &ifindex, &port);
}

/* ---- Packets ---- */

struct bench_packet {
	uint8_t bytes[200];
	uint32_t size;
};

/* From 10.0.0.2 to 16.1.2.3, or back. */
static struct bench_packet packet_make(uint8_t protocol, bool back, uint8_t tcp_flags, uint32_t seq, uint32_t ack)
{
	static const uint8_t own[4] = {10, 0, 0, 2}, other[4] = {16, 1, 2, 3}, mac[6] = {2, 0, 0, 0, 0, 9};
	struct bench_packet packet = {.size = 120};
	uint8_t *ip = packet.bytes + 14, *transport = ip + 20;
	uint32_t word;

	memcpy(packet.bytes + (back ? 0 : 6), port.mac, 6);
	memcpy(packet.bytes + (back ? 6 : 0), mac, 6);
	packet.bytes[12] = 8;
	ip[0] = 0x45;
	ip[3] = packet.size - 14;
	ip[8] = 64;
	ip[9] = protocol;
	memcpy(ip + (back ? 16 : 12), own, 4);
	memcpy(ip + (back ? 12 : 16), other, 4);
	memcpy(transport + (back ? 2 : 0), (uint8_t[2]){0x9c, 0x40}, 2);
	memcpy(transport + (back ? 0 : 2), (uint8_t[2]){1000 >> 8, 1000 & 0xff}, 2);
	if (protocol == IPPROTO_TCP) {
		word = htonl(seq);
		memcpy(transport + 4, &word, 4);
		word = htonl(ack);
		memcpy(transport + 8, &word, 4);
		transport[12] = 0x50;
		transport[13] = tcp_flags;
	}
	return packet;
}

static uint32_t run(struct bpf_program *program, struct bench_packet packet, uint32_t stamp, uint32_t repeat,
		    int32_t expected)
{
	struct __sk_buff context = {
		.ifindex = ifindex, .ingress_ifindex = ifindex, .mark = stamp << BH_STAMP_SHIFT_DEFAULT};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet.bytes, .data_size_in = packet.size, .ctx_in = &context,
		    .ctx_size_in = sizeof(context), .repeat = repeat);
	int error = bpf_prog_test_run_opts(bpf_program__fd(program), &opts);

	if (error)
		die("BPF_PROG_TEST_RUN", error);
	if ((int32_t)opts.retval != expected) {
		fprintf(stderr, "bench: %s: answered %d where %d was due\n", bpf_program__name(program), opts.retval,
			expected);
		exit(1);
	}
	return opts.duration;
}

/* ---- Measurements ---- */

static void line_print(const char *what, uint32_t empty, uint32_t took)
{
	printf("%-62s %6u %6u %7.1f\n", what, empty, took, empty ? (double)took / empty : 0.0);
	fflush(stdout);
}

static void measure_established(const char *what, uint8_t protocol)
{
	struct bench_packet packet = packet_make(protocol, false, 16, 101, 501);
	uint32_t empty = UINT32_MAX, took = UINT32_MAX;

	flows_empty();
	port_identity(IDENTITY);
	run(skeleton->progs.bulkhead_ingress, packet_make(protocol, false, 2, 100, 0), 0, 1, -1);
	run(skeleton->progs.bulkhead_egress, packet_make(protocol, true, 2 | 16, 500, 101), BH_CLASS_REMOTE, 1, -1);
	run(skeleton->progs.bulkhead_ingress, packet, 0, 1, -1);
	for (int i = 0; i < ROUNDS; i++) {
		uint32_t now = run(skeleton->progs.bench_empty, packet, 0, REPEAT, -1);

		empty = now < empty ? now : empty;
		now = run(skeleton->progs.bulkhead_ingress, packet, 0, REPEAT, -1);
		took = now < took ? now : took;
	}
	line_print(what, empty, took);
}

/* The time to scatter the packets is taken off. */
static void measure_new(const char *what, uint32_t identity)
{
	struct bench_packet packet = packet_make(IPPROTO_UDP, false, 0, 0, 0);
	uint32_t empty = UINT32_MAX, scattered = UINT32_MAX, took = UINT32_MAX;

	port_identity(identity);
	for (int i = 0; i < ROUNDS; i++) {
		uint32_t now = run(skeleton->progs.bench_empty, packet, 0, REPEAT, -1);

		empty = now < empty ? now : empty;
		now = run(skeleton->progs.bench_scattered, packet, 0, REPEAT, -1);
		scattered = now < scattered ? now : scattered;
		flows_empty();
		now = run(skeleton->progs.bench_new, packet, 0, REPEAT_NEW, identity == IDENTITY ? -1 : 2);
		took = now < took ? now : took;
	}
	line_print(what, empty, took > scattered ? took - scattered + empty : took);
}

static uint64_t boot_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

/* The bucket of answers, in struct answer_bucket's form: whose, and until when it is empty. */
static void answers_set(uint32_t full_at)
{
	const uint32_t bucket[2] = {port.id, full_at};

	put(bpf_map__fd(skeleton->maps.answers), &port.index, bucket);
}

/* In a flood nothing is answered, and only asked whether it should be. */
static void measure_unanswered(const char *what)
{
	settings->reject = 1;
	answers_set((uint32_t)(boot_ns() / (1000000000ull / BH_ANSWERS_PER_SECOND)) + BH_ANSWERS_BURST + (1u << 24));
	measure_new(what, DENIED);
	settings->reject = 0;
}

/* Each answer takes its packet's place, so that every run is one by itself, the clock's own time among it. */
static void measure_answer(const char *what, uint8_t protocol)
{
	struct bench_packet packet = packet_make(protocol, false, 2, 100, 0);
	uint32_t empty = UINT32_MAX, took = UINT32_MAX;

	port_identity(DENIED);
	settings->reject = 1;
	for (int i = 0; i < ANSWERS; i++) {
		uint32_t now = run(skeleton->progs.bench_empty, packet, 0, 1, -1);

		empty = now < empty ? now : empty;
		answers_set(0);
		now = run(skeleton->progs.bulkhead_ingress, packet, 0, 1, TC_ACT_REDIRECT);
		took = now < took ? now : took;
	}
	settings->reject = 0;
	line_print(what, empty, took);
}

int main(void)
{
	static const struct {
		uint32_t prefixes, rules;
	} policies[] = {{10, 10}, {1000, 1000}, {1000, 10000}, {100000, 10000}};
	char what[128];

	libbpf_set_print(NULL);
	world_make();
	printf("%-62s %6s %6s %7s\n", "", "empty", "ns", "ratio");
	policy_fill(10, 10);
	measure_established("established flow, TCP, 10 rules", IPPROTO_TCP);
	measure_established("established flow, UDP, 10 rules", IPPROTO_UDP);
	policy_fill(1000, 10000);
	measure_established("established flow, TCP, 10000 rules", IPPROTO_TCP);
	for (size_t i = 0; i < sizeof(policies) / sizeof(*policies); i++) {
		policy_fill(policies[i].prefixes, policies[i].rules);
		snprintf(what, sizeof(what), "new flow, refused, %u prefixes, %u rules", policies[i].prefixes,
			 policies[i].rules);
		measure_new(what, DENIED);
		snprintf(what, sizeof(what), "new flow, allowed and noted, %u prefixes, %u rules", policies[i].prefixes,
			 policies[i].rules);
		measure_new(what, IDENTITY);
	}
	policy_fill(1000, 10000);
	measure_unanswered("refuse: reject, in a flood: not answered");
	measure_answer("refuse: reject, answered by a reset", IPPROTO_TCP);
	measure_answer("refuse: reject, answered by ICMP", IPPROTO_UDP);
	scatter_bpf__destroy(skeleton);
	return 0;
}
