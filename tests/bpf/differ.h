/* SPDX-License-Identifier: GPL-2.0-only */
/* Frames at the ports of a policy and a world, judged by all that must agree: what the frame plainly is
 * (plain_packet.h), the naive reading, the compiled table and the eBPF programs. Needs the world of bpf_test.h, whose
 * port A plays each port in turn. */
#ifndef BULKHEAD_TESTS_DIFFER_H
#define BULKHEAD_TESTS_DIFFER_H

#include "policy/world.h"
#include "table/table.h"
#include "tests/bpf/bpf_test.h"
#include "tests/lib/plain_packet.h"

struct differ_case {
	const struct policy *policy;
	const struct world *world;
	int64_t now; /* at which the readings are asked, in ns since the epoch */
	struct registry *registry;
	struct table *table;
	uint32_t *permits; /* enum permit, by port */
};

/* A frame at a port of the case's world. */
struct differ_frame {
	uint32_t port; /* index in world.ports; its container sends (from_port), or is sent the frame */
	bool from_port;
	bool received;	/* to a port: an interface of the host took it up; otherwise the host has made it */
	uint32_t stamp; /* to a port: enum bh_class */
	uint32_t size;
	uint8_t data[FRAME_MAX];
};

/* What the frames before have left: a datagram, of which they were parts, and perhaps a flow. */
struct differ_past {
	const struct differ_frame *first; /* NULL: none may be followed */
	struct plain_packet plain;	  /* of its first part */
	uint32_t begin[64], end[64];	  /* of the parts that have passed */
	size_t parts;
	bool odd;    /* one was out of order: it is left open whether that ends the datagram */
	bool over;   /* the last has passed, or one overlapped */
	bool others; /* there were frames before */
};

enum differ_expected { DIFFER_EITHER, DIFFER_PASS, DIFFER_DROP };
struct differ_answer {
	enum differ_expected expected;
	bool pass;
	bool answered;		 /* with `refuse: reject`: not passed, and its sender is told */
	bool reason_differs;	 /* it does what it should, for another reason */
	uint8_t expected_reason; /* 0: none in particular */
	uint8_t reason;		 /* 0: not looked at */
	bool flow, allow, audit; /* `flow`: the policy was asked, and says so */
	char why[160];		 /* what was expected, in words */
};

/* Compiles the policy, for the world of `where`, and writes it into the maps. 0, or -errno with `error`. */
int differ_case_load(const struct policy *policy, const struct world *where, int64_t now, struct differ_case *ret_case,
		     struct error *error);
void differ_case_free(struct differ_case *made);

/* What must come of a frame: fills `expected`, `expected_reason`, `flow`, `allow`, `audit`, `why`. */
void differ_expect(const struct differ_case *made, const struct differ_frame *frame, const struct plain_packet *plain,
		   struct differ_past *past, struct differ_answer *answer);

/* No flows and no datagrams are known from here on. */
void differ_forget(struct differ_past *past);

/* Judges one frame by all. True: all agree. `past` goes from frame to frame of a sequence; a frame that it refers to
 * must stay where it is. */
bool differ_frame(const struct differ_case *made, const struct differ_frame *frame, struct differ_past *past,
		  struct differ_answer *ret_answer);

/* Find out every frame's reason: ten times as slow. */
extern bool differ_thorough;

/* A planted fault, to see that one is found: what is expected of flows to this TCP port for which a rule decides is
 * turned round. 0: none. */
extern uint16_t differ_fault;

#endif
