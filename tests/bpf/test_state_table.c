/* SPDX-License-Identifier: GPL-2.0-only */
/* docs/state.md tells what each kind of TCP packet does in each state, who sends it, and how long a state lasts. Here
 * the programs are asked for every cell of those tables, and the page must say the same. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bpf_test.h"

#define PAGE	    "docs/state.md"
#define OUTSIDE	    "203.0.113.9"
#define SECOND	    1000000000ull
#define FAR_OFF	    0x30000000u
#define MARKED	    (300 * SECOND) /* as long as no state lasts */
#define ROW_MAX	    512
#define STATE_COUNT 8
#define KIND_COUNT  10

/* By enum bh_tcp_state; the first stands for no entry, or one that has expired. */
static const char *const state_names[STATE_COUNT] = {"none",	 "syn-sent", "syn-recv",  "established",
						     "fin-wait", "closing",  "time-wait", "reset"};
static const uint32_t state_seconds[STATE_COUNT] = {
	0,
	BH_TIMEOUT_TCP_SYN,
	BH_TIMEOUT_TCP_SYN_RECV,
	BH_TIMEOUT_TCP_ESTABLISHED,
	BH_TIMEOUT_TCP_FIN_WAIT,
	BH_TIMEOUT_TCP_CLOSING,
	BH_TIMEOUT_TCP_TIME_WAIT,
	BH_TIMEOUT_TCP_RESET,
};

enum kind {
	KIND_SYN,
	KIND_SYN_ACK,
	KIND_SYN_ACK_STRAY,
	KIND_ACK,
	KIND_ACK_STRAY,
	KIND_FIN,
	KIND_FIN_STRAY,
	KIND_RST,
	KIND_RST_NEAR,
	KIND_RST_STRAY,
};
static const char *const kind_names[KIND_COUNT] = {
	"SYN",	     "SYN, ACK: the answer", "SYN, ACK: stray",	  "ACK, data: fits",	"ACK, data: stray",
	"FIN: fits", "FIN: stray",	     "RST: at the place", "RST: in the window", "RST: stray",
};

/* Who sends: the end of the flow, and where it is. */
struct sender {
	const char *heading;
	uint32_t end;
	bool own;
};
static const struct sender senders[] = {
	{"#### The opener, a container, at its own port", 0, true},
	{"#### The opener, from elsewhere", 0, false},
	{"#### The other end, a container, at its own port", 1, true},
	{"#### The other end, from elsewhere", 1, false},
};

static uint8_t sender_direction(const struct sender *sender)
{
	return sender->own == (sender->end == 0) ? BH_FLOW_OUT : BH_FLOW_IN;
}

static struct bh_flow_key key_of(const struct sender *sender)
{
	if (sender_direction(sender) == BH_FLOW_OUT)
		return flow_key("10.0.0.2", 40000, OUTSIDE, 443, TCP);
	return flow_key("10.0.0.2", 443, OUTSIDE, 40000, TCP);
}

/* A flow as it is in a state, of which its last packet is yet to come from `sender`. */
static struct bh_flow flow_of(const struct sender *sender, uint8_t state)
{
	uint32_t from = sender->end, to = from ^ 1;
	struct bh_flow flow = {.expires = boot_ns() + MARKED,
			       .valid_until = BH_FOREVER,
			       .generation = 1,
			       .opener = sender_direction(sender) == BH_FLOW_OUT ? FRONT : INTERNET,
			       .other = sender_direction(sender) == BH_FLOW_OUT ? INTERNET : FRONT,
			       .acked = {2000, 6000},
			       .fin_seq = {2100, 6100},
			       .window = {1000, 1000},
			       .direction = sender_direction(sender),
			       .tcp_state = state,
			       .flags = state > BH_TCP_SYN_SENT ? BH_FLOW_REPLIED : 0};

	if (state == BH_TCP_SYN_SENT || state == BH_TCP_SYN_RECV) {
		flow.acked[0] = state == BH_TCP_SYN_SENT ? 1000 : 1001;
		flow.fin_seq[0] = 1001;
		flow.acked[1] = state == BH_TCP_SYN_SENT ? 0 : 5000;
		flow.fin_seq[1] = state == BH_TCP_SYN_SENT ? 0 : 5001;
	}
	if (state == BH_TCP_FIN_WAIT)
		flow.flags |= from ? BH_FLOW_FIN_OPENER : BH_FLOW_FIN_OTHER;
	if (state == BH_TCP_CLOSING || state == BH_TCP_TIME_WAIT) {
		flow.flags |= BH_FLOW_FIN_OPENER | BH_FLOW_FIN_OTHER;
		flow.acked[from] = flow.fin_seq[from];
		flow.acked[to] = flow.fin_seq[to] - (state == BH_TCP_CLOSING);
	}
	return flow;
}

static struct frame frame_of(const struct sender *sender, const struct bh_flow *flow, enum kind kind)
{
	static const uint8_t flags[KIND_COUNT] = {SYN,	     SYN | ACK, SYN | ACK, ACK, ACK,
						  FIN | ACK, FIN | ACK, RST,	   RST, RST};
	uint32_t from = sender->end, to = from ^ 1;
	bool answers = flow->tcp_state == BH_TCP_SYN_SENT && from;
	struct frame frame = {.from = sender->own ? "10.0.0.2" : OUTSIDE,
			      .to = sender->own ? OUTSIDE : "10.0.0.2",
			      .protocol = TCP,
			      .sport = from ? 443 : 40000,
			      .dport = from ? 40000 : 443,
			      .flags = flags[kind],
			      .seq = answers ? 5000 : flow->fin_seq[from],
			      .ack = flow->tcp_state == BH_TCP_SYN_SENT && !from ? 5001 : flow->fin_seq[to]};

	if (kind == KIND_SYN || (kind == KIND_SYN_ACK && !answers))
		frame.seq = flow->fin_seq[from] - 1;
	if (kind == KIND_SYN_ACK_STRAY || kind == KIND_ACK_STRAY || kind == KIND_FIN_STRAY || kind == KIND_RST_STRAY) {
		frame.seq = FAR_OFF;
		frame.ack = FAR_OFF + FAR_OFF;
	}
	if (kind == KIND_RST_NEAR)
		frame.seq += 500;
	if (answers && (kind == KIND_RST || kind == KIND_RST_NEAR)) {
		/* What stands at the place, or near it, is here the SYN that is refused. */
		frame.flags |= ACK;
		frame.ack += kind == KIND_RST_NEAR ? 500 : 0;
		frame.seq = 0;
	}
	return frame;
}

static struct outcome send_frame(const struct sender *sender, const struct frame *frame)
{
	return sender->own ? run_from(&world.a, frame) : run_to(&world.a, BH_CLASS_REMOTE, frame);
}

static void policy_set(bool allowed)
{
	for (uint32_t service = 0; service <= SERVICE_OTHER; service++) {
		cell_remove(FRONT, INTERNET, service);
		cell_remove(INTERNET, FRONT, service);
	}
	if (!allowed)
		return;
	cell_allow(FRONT, INTERNET, BH_SERVICE_ANY, 1);
	cell_allow(INTERNET, FRONT, BH_SERVICE_ANY, 2);
}

/* Refused by the policy because it opens a flow; where the policy allows that, it passes. What was open stays as it
 * was, what was over is begun anew, in the sender's direction. */
static const char *judged(const struct sender *sender, const struct bh_flow *before, const struct frame *frame)
{
	bool over = before->tcp_state == BH_TCP_NONE || before->tcp_state >= BH_TCP_TIME_WAIT;
	struct bh_flow_key key = key_of(sender);
	struct bh_flow after;

	policy_set(true);
	expect(send_frame(sender, frame), BH_ALLOW_RULE, __FILE__, __LINE__);
	assert_true(flow_get(&world.a, &key, &after));
	if (!over) {
		assert_memory_equal(&after, before, sizeof(after));
		return "judged";
	}
	assert_int_equal(after.tcp_state, BH_TCP_SYN_SENT);
	assert_int_equal(after.direction, sender->own ? BH_FLOW_OUT : BH_FLOW_IN);
	assert_int_equal(after.flags & BH_FLOW_REPLIED, 0);
	return "judged";
}

static bool lasts(const struct bh_flow *flow)
{
	uint64_t end = boot_ns() + state_seconds[flow->tcp_state % STATE_COUNT] * SECOND;

	return flow->expires <= end && flow->expires > end - 9 * SECOND;
}

static const char *moved(const struct bh_flow *before, const struct bh_flow *after)
{
	static char text[32];

	if (after->tcp_state != before->tcp_state) {
		assert_true(lasts(after));
		snprintf(text, sizeof(text), "→ %s", state_names[after->tcp_state % STATE_COUNT]);
		return text;
	}
	if (after->expires != before->expires) {
		assert_true(lasts(after));
		return "counts";
	}
	/* Then nothing else of it may have moved. */
	assert_memory_equal(after, before, sizeof(*after));
	return "passes";
}

static const char *cell(const struct sender *sender, uint8_t state, enum kind kind)
{
	struct bh_flow_key key = key_of(sender);
	struct bh_flow before = flow_of(sender, state), after;
	struct frame frame = frame_of(sender, &before, kind);
	struct outcome outcome;

	world_reset(NULL);
	policy_set(false);
	if (state != BH_TCP_NONE)
		flow_put(&world.a, &key, &before);
	outcome = send_frame(sender, &frame);
	if (outcome.reason == BH_DENY_DEFAULT)
		return judged(sender, &before, &frame);
	if (!outcome.pass) {
		assert_int_equal(outcome.reason, state ? BH_DROP_TCP_INVALID : BH_DROP_TCP_NOT_SYN);
		return "dropped";
	}
	expect(outcome, BH_ALLOW_FLOW, __FILE__, __LINE__);
	assert_true(flow_get(&world.a, &key, &after));
	/* A half-open flow is one until its answer is seen. */
	if (state == BH_TCP_SYN_SENT)
		assert_int_equal(!!(after.flags & BH_FLOW_REPLIED), sender->end && after.tcp_state != state);
	return moved(&before, &after);
}

static char *page_read(void)
{
	FILE *file = fopen(PAGE, "r");
	char *text = calloc(1, 1 << 16);

	assert_non_null(file);
	assert_non_null(text);
	assert_in_range(fread(text, 1, (1 << 16) - 1, file), 1, (1 << 16) - 2);
	fclose(file);
	return text;
}

/* The row of the page's table below a heading that begins with `first`, without the blanks that align it. */
static void page_row(const char *page, const char *heading, const char *first, char *ret_row)
{
	const char *section = strstr(page, heading), *end, *at = NULL;
	size_t size = 0;
	char start[64];

	snprintf(start, sizeof(start), "\n| %s ", first);
	if (section) {
		end = strstr(section + strlen(heading), "\n#");
		at = strstr(section, start);
		if (at && end && at > end)
			at = NULL;
	}
	if (!at)
		fail_msg(PAGE ": no row '%s' below '%s'", first, heading);
	for (at = at ? at + 1 : ""; *at && *at != '\n' && size < ROW_MAX - 1; at++)
		if (*at != ' ' || at[1] != ' ')
			ret_row[size++] = *at;
	ret_row[size] = '\0';
}

static void test_tcp(void **state)
{
	char *page = page_read(), wanted[ROW_MAX], written[ROW_MAX];
	bool same = true;

	(void)state;
	for (size_t i = 0; i < sizeof(senders) / sizeof(*senders); i++) {
		for (int kind = 0; kind < KIND_COUNT; kind++) {
			size_t size = snprintf(wanted, sizeof(wanted), "| %s |", kind_names[kind]);

			for (uint8_t at = 0; at < STATE_COUNT; at++)
				size += snprintf(wanted + size, sizeof(wanted) - size, " %s |",
						 cell(&senders[i], at, (enum kind)kind));
			page_row(page, senders[i].heading, kind_names[kind], written);
			if (strcmp(written, wanted) == 0)
				continue;
			print_error("%s\n  the programs: %s\n  the page:     %s\n", senders[i].heading, wanted,
				    written);
			same = false;
		}
	}
	free(page);
	assert_true(same);
}

/* Whatever the state was: when its time is over, its entry is as none. */
static void test_expired(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(senders) / sizeof(*senders); i++) {
		for (uint8_t at = BH_TCP_SYN_SENT; at < STATE_COUNT; at++) {
			struct bh_flow_key key = key_of(&senders[i]);
			struct bh_flow flow = flow_of(&senders[i], at), over = {0};
			struct frame syn;

			world_reset(NULL);
			policy_set(false);
			flow.expires = boot_ns();
			flow_put(&world.a, &key, &flow);
			for (int kind = KIND_SYN_ACK; kind < KIND_COUNT; kind++) {
				struct frame frame = frame_of(&senders[i], &flow, (enum kind)kind);

				expect(send_frame(&senders[i], &frame), BH_DROP_TCP_NOT_SYN, __FILE__, __LINE__);
			}
			syn = frame_of(&senders[i], &flow, KIND_SYN);
			expect(send_frame(&senders[i], &syn), BH_DENY_DEFAULT, __FILE__, __LINE__);
			judged(&senders[i], &over, &syn);
			assert_int_equal(flow_count(&world.a), 1);
		}
	}
}

/* The time-outs that the page names are those of the programs' header. */
static void test_timeouts(void **state)
{
	static const struct {
		const char *name;
		uint32_t seconds;
	} rows[] = {
		{"TCP syn-sent", BH_TIMEOUT_TCP_SYN},
		{"TCP syn-recv", BH_TIMEOUT_TCP_SYN_RECV},
		{"TCP established", BH_TIMEOUT_TCP_ESTABLISHED},
		{"TCP fin-wait", BH_TIMEOUT_TCP_FIN_WAIT},
		{"TCP closing", BH_TIMEOUT_TCP_CLOSING},
		{"TCP time-wait", BH_TIMEOUT_TCP_TIME_WAIT},
		{"TCP reset", BH_TIMEOUT_TCP_RESET},
		{"UDP unanswered", BH_TIMEOUT_UDP},
		{"UDP answered", BH_TIMEOUT_UDP_STREAM},
		{"ICMP query", BH_TIMEOUT_ICMP},
		{"SCTP unanswered", BH_TIMEOUT_SCTP_INIT},
		{"SCTP answered", BH_TIMEOUT_SCTP},
		{"SCTP ended", BH_TIMEOUT_TCP_RESET},
		{"other protocols", BH_TIMEOUT_OTHER},
		{"fragments", BH_TIMEOUT_FRAGMENT},
	};
	char *page = page_read(), row[ROW_MAX], *value;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		unsigned int seconds = 0;

		page_row(page, "## How long", rows[i].name, row);
		value = strchr(row + 1, '|');
		if (!value || sscanf(value, "| %u s |", &seconds) != 1 || seconds != rows[i].seconds)
			fail_msg(PAGE ": '%s', and it is %u s", row, rows[i].seconds);
	}
	free(page);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_tcp, world_reset),
		cmocka_unit_test_setup(test_expired, world_reset),
		cmocka_unit_test_setup(test_timeouts, world_reset),
	};

	return cmocka_run_group_tests_name("bpf: docs/state.md", tests, world_setup, world_teardown);
}
