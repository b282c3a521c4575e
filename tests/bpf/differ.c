/* SPDX-License-Identifier: GPL-2.0-only */
#include "tests/bpf/differ.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/pkt_cls.h>
#include <stdlib.h>
#include <string.h>

#include "bulkhead.skel.h"
#include "tests/bpf/table_maps.h"

#define LOOK_AT_REASON_EVERY 16 /* of the frames that a guard is to drop: finding a reason out costs most of all */

bool differ_thorough;

static int permits_find(struct differ_case *made)
{
	made->permits = calloc(made->world->ports.count + 1, sizeof(*made->permits));
	for (size_t i = 0; made->permits && i < made->world->ports.count; i++) {
		struct membership membership = {0};
		int r = membership_find(made->policy, made->world, &made->world->ports.items[i], &membership);

		if (r < 0)
			return r;
		if (membership.state == MEMBERSHIP_ZONE)
			made->permits[i] = made->policy->zones.items[membership.zone].permit;
		membership_free(&membership);
	}
	return made->permits ? 0 : -ENOMEM;
}

int differ_case_load(const struct policy *policy, const struct world *where, int64_t now, struct differ_case *ret_case,
		     struct error *error)
{
	struct differ_case made = {.policy = policy, .world = where, .now = now};
	int r = registry_new(&made.registry);

	if (r < 0)
		return error_set(error, r, "out of memory");
	/* Long before: the table holds what has expired since, and finds that out by the clock. */
	r = table_compile(policy, where, made.registry, 0, &made.table, error);
	if (r < 0) {
		differ_case_free(&made);
		return r;
	}
	r = permits_find(&made);
	if (r < 0) {
		differ_case_free(&made);
		return error_set(error, r, "out of memory");
	}
	table_maps_load(made.table, now);
	config_get()->reject = policy->settings.reject;
	*ret_case = made;
	return 0;
}

void differ_case_free(struct differ_case *made)
{
	table_free(made->table);
	registry_free(made->registry);
	free(made->permits);
	*made = (struct differ_case){0};
}

/* As if the places for datagrams of port A had never been used. */
static void datagrams_forget(void)
{
	static uint32_t keys[BH_FRAGMENTS_PER_PORT];
	static uint8_t zero[BH_FRAGMENTS_PER_PORT * 128];
	uint32_t count = BH_FRAGMENTS_PER_PORT;

	assert_true(bpf_map__value_size(world.skeleton->maps.fragments) <= 128);
	for (uint32_t i = 0; i < count; i++)
		keys[i] = world.a.map.index * BH_FRAGMENTS_PER_PORT + i;
	assert_int_equal(bpf_map_update_batch(bpf_map__fd(world.skeleton->maps.fragments), keys, zero, &count, NULL),
			 0);
}

void differ_forget(struct differ_past *past)
{
	map_clear(world.flows[world.a.map.index], sizeof(struct bh_flow_key));
	if (past->first)
		datagrams_forget();
	*past = (struct differ_past){0};
}

/* ---- What the program does ---- */

static bool run(const struct differ_frame *frame, struct differ_answer *answer)
{
	struct __sk_buff in = {.ifindex = world.a.ifindex,
			       .ingress_ifindex = frame->from_port || frame->received,
			       .mark = frame->stamp << BH_STAMP_SHIFT_DEFAULT};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame->data, .data_size_in = frame->size, .ctx_in = &in,
		    .ctx_size_in = sizeof(in), .repeat = 1);
	int error = bpf_prog_test_run_opts(frame->from_port ? world.ingress : world.egress, &opts);

	if (error)
		fail_msg("BPF_PROG_TEST_RUN of %u bytes: %s", frame->size, strerror(-error));
	answer->answered = opts.retval == TC_ACT_REDIRECT;
	assert_true((int)opts.retval == TC_ACT_UNSPEC || opts.retval == TC_ACT_SHOT || answer->answered);
	return (int)opts.retval == TC_ACT_UNSPEC;
}

/* Runs it, and finds out for which reason. */
static void run_for_any_reason(const struct differ_frame *frame, struct differ_answer *answer)
{
	uint64_t before[BH_REASON_MAX];

	for (uint32_t i = 0; i < BH_REASON_MAX; i++)
		before[i] = reason_counter(i).packets;
	answer->pass = run(frame, answer);
	for (uint32_t i = 0; i < BH_REASON_MAX; i++)
		if (reason_counter(i).packets != before[i])
			answer->reason = (uint8_t)i;
}

/* Is it counted for the reason that is expected? Of what a guard is to drop that is asked now and then only. */
static void run_for_reason(const struct differ_frame *frame, struct differ_answer *answer)
{
	static unsigned int turn;
	bool guard = answer->expected == DIFFER_DROP && !answer->expected_reason;
	bool exact = answer->expected_reason && answer->expected_reason < BH_REASON_MAX;
	uint64_t before;

	if (differ_thorough || (guard && turn++ % LOOK_AT_REASON_EVERY == 0)) {
		run_for_any_reason(frame, answer);
		if (guard)
			answer->reason_differs = answer->reason < BH_DROP_CLOSED || answer->reason == BH_DROP_INTERNAL;
	} else if (exact) {
		before = reason_counter(answer->expected_reason).packets;
		answer->pass = run(frame, answer);
		if (reason_counter(answer->expected_reason).packets == before + 1)
			answer->reason = answer->expected_reason;
	} else {
		answer->pass = run(frame, answer);
	}
	if (exact)
		answer->reason_differs = answer->reason != answer->expected_reason;
}

static void past_follow(struct differ_past *past, const struct differ_frame *frame, const struct plain_packet *plain)
{
	if (plain->kind == PLAIN_BAD || (!plain->first && plain->kind != PLAIN_LATER))
		return;
	if (plain->first) {
		*past = (struct differ_past){.others = true};
		past->first = frame;
		past->plain = *plain;
	}
	if (past->parts >= sizeof(past->end) / sizeof(*past->end))
		return;
	past->begin[past->parts] = plain->begin;
	past->end[past->parts++] = plain->end;
	past->over = past->over || !plain->more;
}

/* Told is only who has sent what the policy refuses, is known to have sent it, and is on this host: a guard that
 * answered would tell a forger, or somebody else. */
static bool may_be_answered(const struct differ_case *made, const struct differ_frame *frame,
			    const struct differ_answer *answer)
{
	bool forger = false;

	if (answer->expected == DIFFER_DROP && !answer->flow && answer->expected_reason == BH_REASON_NONE)
		return false;
	if (frame->from_port || frame->stamp == BH_CLASS_HOST)
		return true;
	for (uint32_t i = 0; i < made->table->ports.count; i++)
		if (made->table->ports.items[i].identity == frame->stamp)
			forger = forger || made->permits[i] & PERMIT_SPOOF;
	return frame->stamp != BH_CLASS_REMOTE && !forger;
}

bool differ_frame(const struct differ_case *made, const struct differ_frame *frame, struct differ_past *past,
		  struct differ_answer *ret_answer)
{
	const struct world_port *port = &made->world->ports.items[frame->port];
	struct differ_answer answer = {0};
	struct plain_packet plain;

	plain_packet_read(frame->data, frame->size, &plain);
	differ_expect(made, frame, &plain, past, &answer);
	memcpy(world.a.map.mac, port->mac.bytes, sizeof(world.a.map.mac));
	table_maps_port(port, made->table->ports.items[frame->port].identity);
	run_for_reason(frame, &answer);
	if (answer.pass)
		past_follow(past, frame, &plain);
	past->others = true;
	*ret_answer = answer;
	if (answer.expected_reason == BH_REASON_MAX || answer.reason_differs)
		return false;
	if (answer.answered && !may_be_answered(made, frame, &answer))
		return false;
	return answer.expected == DIFFER_EITHER || answer.pass == (answer.expected == DIFFER_PASS);
}
