/* SPDX-License-Identifier: GPL-2.0-only */
/* Running frames, and reading what came of them. The world itself is in bpf_world.c. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "bpf_test.h"
#include "bulkhead.skel.h"

struct outcome last;
uint8_t left_frame[FRAME_MAX + 2048];

static struct bh_event taken[64];
static size_t taken_count;
static struct ring_buffer *ring;

static struct bh_counter percpu_read(int map, uint32_t key)
{
	struct bh_counter values[256], sum = {0};
	int cpus = libbpf_num_possible_cpus();

	assert_in_range(cpus, 1, 256);
	assert_int_equal(bpf_map_lookup_elem(map, &key, values), 0);
	for (int i = 0; i < cpus; i++) {
		sum.packets += values[i].packets;
		sum.bytes += values[i].bytes;
	}
	return sum;
}

struct bh_counter rule_counter(uint32_t decision)
{
	return percpu_read(bpf_map__fd(world.skeleton->maps.rule_counters), decision);
}

struct bh_counter reason_counter(uint32_t reason)
{
	return percpu_read(bpf_map__fd(world.skeleton->maps.reason_counters), reason);
}

struct bh_port_counters port_counter(const struct port *port)
{
	struct bh_port_counters values[256], sum = {0};
	int cpus = libbpf_num_possible_cpus();
	uint64_t *to = (uint64_t *)&sum;

	assert_in_range(cpus, 1, 256);
	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(world.skeleton->maps.port_counters), &port->map.index, values),
			 0);
	for (int i = 0; i < cpus; i++)
		for (size_t j = 0; j < sizeof(sum) / sizeof(*to); j++)
			to[j] += ((const uint64_t *)&values[i])[j];
	return sum;
}

/* Which reasons were counted since the last look. All at once: a system call for each would be most of a test's time.
 */
static void reasons_look(struct outcome *outcome)
{
	static struct bh_counter values[BH_REASON_MAX * 256];
	uint32_t keys[BH_REASON_MAX], count = BH_REASON_MAX, next;
	int cpus = libbpf_num_possible_cpus();

	assert_in_range(cpus, 1, 256);
	assert_int_equal(bpf_map_lookup_batch(bpf_map__fd(world.skeleton->maps.reason_counters), NULL, &next, keys,
					      values, &count, NULL),
			 0);
	assert_int_equal(count, BH_REASON_MAX);
	for (uint32_t i = 0; i < count; i++) {
		uint64_t now = 0;

		for (int cpu = 0; cpu < cpus; cpu++)
			now += values[i * cpus + cpu].packets;
		if (now != world.reasons[keys[i]]) {
			outcome->reason = keys[i];
			outcome->reasons += now - world.reasons[keys[i]];
		}
		world.reasons[keys[i]] = now;
	}
}

uint32_t received_on = 1;

struct outcome run_raw(const struct port *port, bool from_port, uint32_t mark, const uint8_t *data, size_t size,
		       uint32_t gso_size)
{
	struct __sk_buff in = {.ifindex = port->ifindex,
			       .ingress_ifindex = received_on,
			       .mark = mark,
			       .gso_size = gso_size},
			 out = {0};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = data, .data_size_in = size, .ctx_in = &in,
		    .ctx_size_in = sizeof(in), .ctx_out = &out, .ctx_size_out = sizeof(out), .data_out = left_frame,
		    .data_size_out = sizeof(left_frame), .repeat = 1);
	struct outcome outcome = {0};
	int error;

	error = bpf_prog_test_run_opts(from_port ? world.ingress : world.egress, &opts);
	if (error)
		fail_msg("BPF_PROG_TEST_RUN: %s", strerror(-error));
	outcome.action = (int32_t)opts.retval;
	outcome.size = opts.data_size_out;
	outcome.pass = outcome.action == TC_ACT_UNSPEC;
	outcome.answered = outcome.action == TC_ACT_REDIRECT;
	assert_true(outcome.pass || outcome.answered || outcome.action == TC_ACT_SHOT);
	outcome.mark = out.mark;
	reasons_look(&outcome);
	last = outcome;
	return outcome;
}

struct outcome run_from(const struct port *port, const struct frame *frame)
{
	uint8_t buffer[FRAME_MAX + 64];
	size_t size = frame_build(frame, port, true, buffer);

	return run_raw(port, true, 0xffffffff, buffer, size, frame->gso_size);
}

struct outcome run_to(const struct port *port, uint32_t stamp, const struct frame *frame)
{
	uint8_t buffer[FRAME_MAX + 64];
	size_t size = frame_build(frame, port, false, buffer);

	return run_raw(port, false, stamp << BH_STAMP_SHIFT_DEFAULT | 0x1234, buffer, size, frame->gso_size);
}

void expect(struct outcome outcome, uint8_t reason, const char *file, int line)
{
	char text[128];

	snprintf(text, sizeof(text), "reason %u, %s, of %u counted; expected %u", outcome.reason,
		 outcome.pass ? "pass" : "drop", outcome.reasons, reason);
	if (outcome.reason == reason && outcome.reasons == 1 && outcome.pass == (reason < BH_DENY_RULE))
		return;
	print_error("%s:%d: %s\n", file, line, text);
	_fail(file, line);
}

static int event_take(void *context, void *data, size_t size)
{
	(void)context;
	assert_true(size >= sizeof(struct bh_event));
	if (taken_count < sizeof(taken) / sizeof(*taken))
		taken[taken_count] = *(struct bh_event *)data;
	taken_count++;
	return 0;
}

size_t events_take(struct bh_event *events, size_t max)
{
	size_t count;

	if (!ring)
		ring = ring_buffer__new(bpf_map__fd(world.skeleton->maps.events), event_take, NULL, NULL);
	assert_non_null(ring);
	taken_count = 0;
	assert_true(ring_buffer__consume(ring) >= 0);
	count = taken_count;
	for (size_t i = 0; i < count && i < max && i < sizeof(taken) / sizeof(*taken); i++)
		events[i] = taken[i];
	return count;
}

struct bh_event event_only(void)
{
	struct bh_event event;

	assert_int_equal(events_take(&event, 1), 1);
	return event;
}

void events_none(void)
{
	assert_int_equal(events_take(NULL, 0), 0);
}

uint64_t boot_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

uint64_t tai_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_TAI, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}
