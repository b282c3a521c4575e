/* SPDX-License-Identifier: GPL-2.0-only */
/* `refuse: reject`: the answers, byte for byte, and what gets none. */
#include <arpa/inet.h>
#include <string.h>

#include "bpf_test.h"

#define OUTSIDE	 "203.0.113.9"
#define OUTSIDE6 "2001:db8::9"
#define ETH	 14u
#define OSPF	 89

/* A sends what FRONT may not. */
#define A_SENDS(...)  run_from(&world.a, &(struct frame){.from = "10.0.0.2", .to = OUTSIDE, .dport = 22, __VA_ARGS__})
#define A_SENDS6(...) run_from(&world.a, &(struct frame){.from = "fd00::2", .to = OUTSIDE6, .dport = 22, __VA_ARGS__})

static uint16_t get16(size_t at)
{
	return (uint16_t)(left_frame[at] << 8 | left_frame[at + 1]);
}

static uint32_t get32(size_t at)
{
	return (uint32_t)get16(at) << 16 | get16(at + 2);
}

/* RFC 1071: 0 when the sum that stands there is right. */
static uint16_t sum_of(const uint8_t *data, size_t size, uint32_t sum)
{
	for (size_t i = 0; i < size; i++)
		sum += i & 1 ? data[i] : (uint32_t)data[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static uint32_t pseudo(size_t addresses, size_t size, uint8_t protocol, size_t length)
{
	return (uint16_t)~sum_of(left_frame + addresses, size, 0) + (uint32_t)length + protocol;
}

static void is_address(size_t at, const char *text)
{
	uint8_t bytes[16];

	assert_int_equal(inet_pton(strchr(text, ':') ? AF_INET6 : AF_INET, text, bytes), 1);
	assert_memory_equal(left_frame + at, bytes, strchr(text, ':') ? 16 : 4);
}

/* The frame's header, and IPv4's or IPv6's; where what is behind it begins. */
static size_t is_answer(struct outcome outcome, uint8_t reason, const char *from, const char *to, uint8_t protocol)
{
	static const uint8_t gateway[6] = {2, 0, 0, 0, 0, 1};

	assert_true(outcome.answered);
	assert_int_equal(outcome.reason, reason);
	assert_int_equal(outcome.reasons, 1);
	assert_int_equal(outcome.mark,
			 BH_CLASS_ANSWER << BH_STAMP_SHIFT_DEFAULT | ((1u << BH_STAMP_SHIFT_DEFAULT) - 1));
	assert_memory_equal(left_frame, world.a.map.mac, 6);
	assert_memory_equal(left_frame + 6, gateway, 6);
	if (!strchr(from, ':')) {
		assert_int_equal(get16(12), IPV4);
		assert_int_equal(left_frame[ETH], 0x45);
		assert_int_equal(get16(ETH + 2), outcome.size - ETH);
		assert_int_equal(get16(ETH + 6), 0x4000);
		assert_int_equal(left_frame[ETH + 8], 64);
		assert_int_equal(left_frame[ETH + 9], protocol);
		assert_int_equal(sum_of(left_frame + ETH, 20, 0), 0);
		is_address(ETH + 12, from);
		is_address(ETH + 16, to);
		assert_int_equal(sum_of(left_frame + ETH + 20, outcome.size - ETH - 20,
					protocol == ICMP ? 0 : pseudo(ETH + 12, 8, protocol, outcome.size - ETH - 20)),
				 0);
		return ETH + 20;
	}
	assert_int_equal(get16(12), IPV6);
	assert_int_equal(get32(ETH), 0x60000000);
	assert_int_equal(get16(ETH + 4), outcome.size - ETH - 40);
	assert_int_equal(left_frame[ETH + 6], protocol);
	assert_int_equal(left_frame[ETH + 7], 64);
	is_address(ETH + 8, from);
	is_address(ETH + 24, to);
	assert_int_equal(sum_of(left_frame + ETH + 40, outcome.size - ETH - 40,
				pseudo(ETH + 8, 32, protocol, outcome.size - ETH - 40)),
			 0);
	return ETH + 40;
}

static void is_reset(size_t at, uint16_t from, uint16_t to, uint32_t seq, uint32_t ack, uint8_t flags)
{
	assert_int_equal(last.size, at + 20);
	assert_int_equal(get16(at), from);
	assert_int_equal(get16(at + 2), to);
	assert_int_equal(get32(at + 4), seq);
	assert_int_equal(get32(at + 8), ack);
	assert_int_equal(left_frame[at + 12], 0x50);
	assert_int_equal(left_frame[at + 13], flags);
	assert_int_equal(get16(at + 14), 0);
	assert_int_equal(get16(at + 18), 0);
}

/* RFC 9293, 3.10.7.1. */
static void test_a_syn_gets_a_reset(void **state)
{
	static const uint8_t options[] = {1, 1, 1, 1, 7, 7, 4, 0, 0, 0, 0, 0};
	static const uint8_t extension[] = {TCP, 0, 1, 4, 0, 0, 0, 0};

	(void)state;
	A_SENDS(.protocol = TCP, .flags = SYN, .seq = 0xfffffff0, .sport = 40001, .payload = 100);
	is_reset(is_answer(last, BH_DENY_DEFAULT, OUTSIDE, "10.0.0.2", TCP), 22, 40001, 0, 0xfffffff0 + 101, RST | ACK);
	A_SENDS6(.protocol = TCP, .flags = SYN, .seq = 7);
	is_reset(is_answer(last, BH_DENY_DEFAULT, OUTSIDE6, "fd00::2", TCP), 22, 40000, 0, 8, RST | ACK);
	/* Nothing of what stood ahead of TCP is in the answer. */
	A_SENDS(.protocol = TCP, .flags = SYN, .seq = 7, .scale = 8, .options = options,
		.options_size = sizeof(options));
	is_reset(is_answer(last, BH_DENY_DEFAULT, OUTSIDE, "10.0.0.2", TCP), 22, 40000, 0, 8, RST | ACK);
	A_SENDS6(.protocol = TCP, .flags = SYN, .seq = 7, .options = extension, .options_size = sizeof(extension),
		 .next_header = 60);
	is_reset(is_answer(last, BH_DENY_DEFAULT, OUTSIDE6, "fd00::2", TCP), 22, 40000, 0, 8, RST | ACK);
	/* Several segments in one. */
	A_SENDS(.protocol = TCP, .flags = SYN, .seq = 7, .payload = 3000, .gso_size = 1000);
	is_reset(is_answer(last, BH_DENY_DEFAULT, OUTSIDE, "10.0.0.2", TCP), 22, 40000, 0, 3008, RST | ACK);
	assert_int_equal(events_take(NULL, 0), 5); /* each is told of, as without an answer */
}

/* An ICMP error at `at` that quotes the frame that was sent, `size` bytes of it from its IP header on. */
static void is_error(size_t at, uint8_t type, uint8_t code, const struct frame *frame, size_t size)
{
	uint8_t sent[FRAME_MAX + 64];

	frame_build(frame, &world.a, true, sent);
	assert_int_equal(last.size, at + 8 + size);
	assert_int_equal(left_frame[at], type);
	assert_int_equal(left_frame[at + 1], code);
	assert_int_equal(get32(at + 4), 0);
	assert_memory_equal(left_frame + at + 8, sent + ETH, size);
}

static void test_all_else_gets_an_error(void **state)
{
	static const uint8_t options[] = {1, 1, 1, 1, 7, 7, 4, 0, 0, 0, 0, 0};
	static const uint8_t extension[] = {UDP, 0, 1, 4, 0, 0, 0, 0};
	static const struct {
		struct frame frame;
		size_t quoted;
	} v4[] =
		{
			{{.protocol = UDP}, 28},
			{{.protocol = UDP, .payload = 33}, 61},
			{{.protocol = UDP, .payload = 520}, 548},
			{{.protocol = UDP, .payload = 521}, 548}, /* 576 bytes in all: RFC 1812, 4.3.2.3 */
			{{.protocol = UDP, .payload = 1400}, 548},
			{{.protocol = UDP, .payload = 3, .options = options, .options_size = sizeof(options)}, 43},
			{{.protocol = UDP, .payload = 16, .more = true, .fragment_id = 9}, 44}, /* a first part */
			{{.protocol = ICMP, .icmp_type = 15, .id = 5, .payload = 56}, 84},
			{{.protocol = OSPF, .payload = 1}, 21},
			{{.protocol = SCTP}, 52},
		},
	  v6[] = {
		  {{.protocol = UDP}, 48},
		  {{.protocol = UDP, .payload = 1184}, 1232}, /* 1,280 bytes in all: RFC 4443, 2.4 (c) */
		  {{.protocol = UDP, .payload = 1185}, 1232},
		  {{.protocol = UDP, .payload = 3000}, 1232},
		  {{.protocol = UDP,
		    .payload = 3,
		    .options = extension,
		    .options_size = sizeof(extension),
		    .next_header = 60},
		   59},
		  {{.protocol = ICMP6, .icmp_type = 139, .id = 5, .payload = 56}, 104},
		  {{.protocol = OSPF, .payload = 7}, 47},
	  };

	(void)state;
	for (size_t i = 0; i < sizeof(v4) / sizeof(*v4); i++) {
		struct frame frame = v4[i].frame;

		frame.from = "10.0.0.2";
		frame.to = OUTSIDE;
		frame.dport = 22;
		run_from(&world.a, &frame);
		is_error(is_answer(last, BH_DENY_DEFAULT, OUTSIDE, "10.0.0.2", ICMP), 3, 13, &frame, v4[i].quoted);
		assert_int_equal(left_frame[ETH + 1], 0xc0);
	}
	for (size_t i = 0; i < sizeof(v6) / sizeof(*v6); i++) {
		struct frame frame = v6[i].frame;

		frame.from = "fd00::2";
		frame.to = OUTSIDE6;
		frame.dport = 22;
		run_from(&world.a, &frame);
		is_error(is_answer(last, BH_DENY_DEFAULT, OUTSIDE6, "fd00::2", ICMP6), 1, 1, &frame, v6[i].quoted);
	}
}

static void handshake(void)
{
	FROM(a, BH_ALLOW_RULE, .from = "10.0.0.2", .to = OUTSIDE, .protocol = TCP, .dport = 443, .flags = SYN,
	     .seq = 100);
	TO(a, BH_CLASS_REMOTE, BH_ALLOW_FLOW, .from = OUTSIDE, .to = "10.0.0.2", .protocol = TCP, .sport = 443,
	   .dport = 40000, .flags = SYN | ACK, .seq = 500, .ack = 101);
	FROM(a, BH_ALLOW_FLOW, .from = "10.0.0.2", .to = OUTSIDE, .protocol = TCP, .dport = 443, .flags = ACK,
	     .seq = 101, .ack = 501);
	TO(a, BH_CLASS_REMOTE, BH_ALLOW_FLOW, .from = OUTSIDE, .to = "10.0.0.2", .protocol = TCP, .sport = 443,
	   .dport = 40000, .flags = ACK | PSH, .seq = 501, .ack = 101, .payload = 70);
}

static void revoke(void)
{
	config_flip();
	cell_deny(FRONT, INTERNET, SERVICE_HTTPS, 20);
}

static void test_a_flow_that_was_cut(void **state)
{
	(void)state;
	handshake();
	revoke();
	run_from(&world.a, &(struct frame){.from = "10.0.0.2",
					   .to = OUTSIDE,
					   .protocol = TCP,
					   .dport = 443,
					   .flags = ACK | PSH,
					   .seq = 101,
					   .ack = 571,
					   .payload = 9});
	is_reset(is_answer(last, BH_DROP_REVOKED, OUTSIDE, "10.0.0.2", TCP), 443, 40000, 571, 0, RST);
	/* What comes after it has no flow, and is no matter of policy. */
	run_from(&world.a, &(struct frame){.from = "10.0.0.2",
					   .to = OUTSIDE,
					   .protocol = TCP,
					   .dport = 443,
					   .flags = ACK,
					   .seq = 110,
					   .ack = 571});
	assert_int_equal(last.action, 2);
	assert_int_equal(last.reason, BH_DROP_TCP_NOT_SYN);
}

/* What comes from outside becomes a reset for the container, where its own record stands: a packet sent again, or far
 * ahead, would not. The sender hears nothing. */
static void test_a_flow_that_was_cut_ends_inside_too(void **state)
{
	static const uint32_t seqs[] = {571, 501, 100000};

	(void)state;
	for (size_t i = 0; i < sizeof(seqs) / sizeof(*seqs); i++) {
		world_reset(NULL);
		config_get()->reject = 1;
		handshake();
		revoke();
		run_to(&world.a, BH_CLASS_REMOTE,
		       &(struct frame){.from = OUTSIDE,
				       .to = "10.0.0.2",
				       .protocol = TCP,
				       .sport = 443,
				       .dport = 40000,
				       .flags = ACK | PSH,
				       .seq = seqs[i],
				       .ack = 101,
				       .payload = 30});
		assert_int_equal(last.reason, BH_DROP_REVOKED);
		assert_true(last.pass);
		assert_int_equal(last.size, ETH + 40);
		is_address(ETH + 12, OUTSIDE);
		is_address(ETH + 16, "10.0.0.2");
		assert_int_equal(sum_of(left_frame + ETH, 20, 0), 0);
		assert_int_equal(sum_of(left_frame + ETH + 20, 20, pseudo(ETH + 12, 8, TCP, 20)), 0);
		is_reset(ETH + 20, 443, 40000, 571, 101, RST | ACK);
		assert_int_equal(last.mark, BH_CLASS_REMOTE << BH_STAMP_SHIFT_DEFAULT | 0x1234);
	}
}

static void silent(struct outcome outcome, uint8_t reason, int line)
{
	if (outcome.reason == reason && !outcome.answered && !outcome.pass)
		return;
	print_error("line %d: reason %u, %s; expected %u and silence\n", line, outcome.reason,
		    outcome.answered ? "answered" : "pass", reason);
	fail();
}
#define SILENT(reason, ...) silent(__VA_ARGS__, reason, __LINE__)

static void test_never_answered(void **state)
{
	static const uint8_t redirect[] = {5, 1, 0, 0, 10, 0, 0, 1, 0x45};

	(void)state;
	handshake();
	revoke();
	/* Resets and errors. */
	SILENT(BH_DROP_REVOKED, run_from(&world.a, &(struct frame){.from = "10.0.0.2",
								   .to = OUTSIDE,
								   .protocol = TCP,
								   .dport = 443,
								   .flags = RST,
								   .seq = 101}));
	SILENT(BH_DROP_TCP_NOT_SYN, A_SENDS(.protocol = TCP, .flags = RST, .seq = 1));
	SILENT(BH_DROP_ICMP_UNRELATED, A_SENDS(.protocol = ICMP, .icmp_type = 3, .icmp_code = 3, .payload = 28));
	SILENT(BH_DROP_REDIRECT, A_SENDS(.protocol = ICMP, .transport = redirect, .payload = sizeof(redirect)));
	/* Groups, broadcast, and what was sent to all by its frame. */
	SILENT(BH_DENY_DEFAULT,
	       run_from(&world.a,
			&(struct frame){.from = "10.0.0.2", .to = "224.0.0.9", .protocol = UDP, .dport = 22}));
	SILENT(BH_DENY_DEFAULT,
	       run_from(&world.a,
			&(struct frame){.from = "10.0.0.2", .to = "255.255.255.255", .protocol = UDP, .dport = 22}));
	SILENT(BH_DENY_DEFAULT,
	       run_from(&world.a, &(struct frame){.from = "fd00::2", .to = "ff02::9", .protocol = UDP, .dport = 22}));
	SILENT(BH_DENY_DEFAULT, A_SENDS(.protocol = UDP, .to_mac = "ff:ff:ff:ff:ff:ff"));
	SILENT(BH_DENY_DEFAULT, A_SENDS(.protocol = UDP, .to_mac = "01:00:5e:00:00:09"));
	/* Who is not itself, and what is malformed. */
	SILENT(BH_DROP_SOURCE_ADDRESS,
	       run_from(&world.a, &(struct frame){.from = "10.0.0.3", .to = OUTSIDE, .protocol = UDP, .dport = 22}));
	SILENT(BH_DROP_MARTIAN,
	       run_from(&world.a, &(struct frame){.from = "0.0.0.0", .to = OUTSIDE, .protocol = UDP, .dport = 22}));
	SILENT(BH_DROP_SOURCE_MAC, A_SENDS(.protocol = UDP, .from_mac = "02:00:00:00:00:77"));
	SILENT(BH_DROP_TCP_INVALID, A_SENDS(.protocol = TCP, .flags = SYN | FIN));
	SILENT(BH_DROP_SHORT, A_SENDS(.protocol = UDP, .cut = 4));
	SILENT(BH_DROP_VLAN, A_SENDS(.protocol = UDP, .tag = VLAN));
	/* Later parts have no transport header. */
	SILENT(BH_DROP_FRAGMENT, A_SENDS(.protocol = UDP, .fragment = 64, .fragment_id = 3, .payload = 8));
	/* Nobody outside; and of this host nobody whose address is not his own. */
	SILENT(BH_DENY_DEFAULT,
	       run_to(&world.a, BH_CLASS_REMOTE,
		      &(struct frame){.from = OUTSIDE, .to = "10.0.0.2", .protocol = TCP, .dport = 22, .flags = SYN}));
	SILENT(BH_DENY_DEFAULT,
	       run_to(&world.a, BACK,
		      &(struct frame){.from = "10.0.0.4", .to = "10.0.0.2", .protocol = UDP, .dport = 22}));
	SILENT(BH_DENY_DEFAULT,
	       run_to(&world.a, ROUTER,
		      &(struct frame){.from = "10.0.0.4", .to = "10.0.0.2", .protocol = UDP, .dport = 22}));
	SILENT(BH_DENY_DEFAULT, run_to(&world.a, BACK,
				       &(struct frame){.from = "10.0.0.3",
						       .to = "10.0.0.2",
						       .to_mac = "ff:ff:ff:ff:ff:ff",
						       .protocol = UDP,
						       .dport = 22}));
	/* Not asked for. */
	config_get()->reject = 0;
	SILENT(BH_DENY_DEFAULT, A_SENDS(.protocol = UDP));
}

/* What the host, or another container by the host's NAT, sends to a port: its answer goes in there. */
static void test_the_other_way(void **state)
{
	static const uint8_t gateway[6] = {2, 0, 0, 0, 0, 1};
	static const struct {
		const char *from;
		uint32_t stamp;
	} senders[] = {{"10.0.0.3", BACK}, {"10.0.0.1", BACK}, {"10.0.0.1", BH_CLASS_HOST}};

	(void)state;
	cell_deny(BH_CLASS_HOST, FRONT, BH_SERVICE_ANY, 30);
	for (size_t i = 0; i < sizeof(senders) / sizeof(*senders); i++) {
		run_to(&world.a, senders[i].stamp,
		       &(struct frame){.from = senders[i].from,
				       .to = "10.0.0.2",
				       .protocol = TCP,
				       .dport = 22,
				       .flags = SYN,
				       .seq = 70});
		assert_true(last.answered);
		assert_int_equal(last.mark, BH_CLASS_ANSWER << BH_STAMP_SHIFT_DEFAULT | 0x1234);
		assert_memory_equal(left_frame, gateway, 6);
		assert_memory_equal(left_frame + 6, world.a.map.mac, 6);
		is_address(ETH + 12, "10.0.0.2");
		is_address(ETH + 16, senders[i].from);
		assert_int_equal(sum_of(left_frame + ETH, 20, 0), 0);
		assert_int_equal(sum_of(left_frame + ETH + 20, 20, pseudo(ETH + 12, 8, TCP, 20)), 0);
		is_reset(ETH + 20, 22, 40000, 0, 71, RST | ACK);
		run_to(&world.a, senders[i].stamp,
		       &(struct frame){.from = senders[i].from, .to = "10.0.0.2", .protocol = UDP, .dport = 22});
		assert_true(last.answered);
		is_address(ETH + 16, senders[i].from);
		assert_int_equal(left_frame[ETH + 20], 3);
		assert_int_equal(left_frame[ETH + 21], 13);
		assert_int_equal(sum_of(left_frame + ETH + 20, last.size - ETH - 20, 0), 0);
	}
}

/* There it is let in by its stamp, as the port's own, and by that alone. */
static void test_the_other_way_in(void **state)
{
	struct frame reset = {.from = "10.0.0.2",
			      .to = "10.0.0.1",
			      .protocol = TCP,
			      .sport = 22,
			      .dport = 40000,
			      .flags = RST | ACK,
			      .ack = 71};
	uint8_t buffer[FRAME_MAX + 64];
	size_t size = frame_build(&reset, &world.a, true, buffer);

	(void)state;
	expect(run_raw(&world.a, true, BH_CLASS_ANSWER << BH_STAMP_SHIFT_DEFAULT | 0x1234, buffer, size, 0),
	       BH_ALLOW_ANSWER, __FILE__, __LINE__);
	assert_int_equal(last.mark, FRONT << BH_STAMP_SHIFT_DEFAULT | 0x1234);
	for (uint32_t stamp = 0; stamp < 40; stamp++)
		if (stamp != BH_CLASS_ANSWER)
			expect(run_raw(&world.a, true, stamp << BH_STAMP_SHIFT_DEFAULT, buffer, size, 0),
			       BH_DROP_TCP_NOT_SYN, __FILE__, __LINE__);
	world.a.map.flags = 0;
	port_set(&world.a);
	expect(run_raw(&world.a, true, BH_CLASS_ANSWER << BH_STAMP_SHIFT_DEFAULT, buffer, size, 0), BH_DROP_CLOSED,
	       __FILE__, __LINE__);
}

/* `permit: spoof`: a port may send from any address, and hears of its own alone. */
static void test_a_permitted_source(void **state)
{
	(void)state;
	cell_deny(ROUTER, INTERNET, BH_SERVICE_ANY, 30);
	run_from(&world.r, &(struct frame){.from = "10.9.9.9", .to = OUTSIDE, .protocol = UDP, .dport = 22});
	assert_int_equal(last.reason, BH_DENY_RULE);
	assert_false(last.answered);
	run_from(&world.r, &(struct frame){.from = "10.0.0.4", .to = OUTSIDE, .protocol = UDP, .dport = 22});
	assert_int_equal(last.reason, BH_DENY_RULE);
	assert_true(last.answered);
	run_from(&world.r,
		 &(struct frame){.from = "10.0.0.4", .to = OUTSIDE, .protocol = UDP, .dport = 22, .tag = VLAN});
	assert_int_equal(last.reason, BH_DENY_RULE);
	assert_false(last.answered);
}

/* What audit lets pass is not refused. */
static void test_audit(void **state)
{
	(void)state;
	run_from(&world.u, &(struct frame){.from = "10.0.0.5", .to = OUTSIDE, .protocol = UDP, .dport = 22});
	assert_true(last.pass);
	assert_false(last.answered);
}

/* A flood is answered no more often than the limit says, for each port by itself. */
static void test_limit(void **state)
{
	uint64_t begin = boot_ns(), most;
	uint32_t answered = 0;

	(void)state;
	for (uint32_t i = 0; i < 1000; i++)
		answered += A_SENDS(.protocol = UDP).answered;
	most = BH_ANSWERS_BURST + (boot_ns() - begin) * BH_ANSWERS_PER_SECOND / 1000000000ull + 1;
	assert_in_range(answered, BH_ANSWERS_BURST, most);
	assert_true(run_from(&world.b, &(struct frame){.from = "10.0.0.3", .to = OUTSIDE, .protocol = UDP, .dport = 22})
			    .answered);
	port_state_clear();
	assert_true(A_SENDS(.protocol = UDP).answered);
}

/* The stamp of answers is worth something in one place: on what has come in by the very port that it goes out of. */
static void test_the_stamp(void **state)
{
	(void)state;
	received_on = world.a.ifindex;
	TO(a, BH_CLASS_ANSWER, BH_ALLOW_ANSWER, .from = OUTSIDE, .to = "10.0.0.2", .protocol = TCP, .dport = 22,
	   .flags = RST);
	TO(b, BH_CLASS_ANSWER, BH_DROP_NO_STAMP, .from = OUTSIDE, .to = "10.0.0.3", .protocol = TCP, .dport = 22,
	   .flags = RST);
	TO(a, BH_CLASS_ANSWER, BH_DROP_NOT_ADDRESSED, .from = OUTSIDE, .to = "10.0.0.2", .protocol = UDP,
	   .to_mac = "02:00:00:00:00:77");
	received_on = 1;
	TO(a, BH_CLASS_ANSWER, BH_DROP_NO_STAMP, .from = OUTSIDE, .to = "10.0.0.2", .protocol = UDP, .dport = 22);
	received_on = 0; /* a process of the host, with a packet socket */
	TO(a, BH_CLASS_ANSWER, BH_DROP_NO_STAMP, .from = OUTSIDE, .to = "10.0.0.2", .protocol = UDP, .dport = 22);
	TO(a, BH_CLASS_NONE, BH_DROP_NO_STAMP, .from = OUTSIDE, .to = "10.0.0.2", .protocol = UDP, .dport = 22);
	received_on = 1;
}

static int setup(void **state)
{
	int r = world_reset(state);

	config_get()->reject = 1;
	received_on = 1;
	return r;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_a_syn_gets_a_reset, setup),
		cmocka_unit_test_setup(test_all_else_gets_an_error, setup),
		cmocka_unit_test_setup(test_a_flow_that_was_cut, setup),
		cmocka_unit_test_setup(test_a_flow_that_was_cut_ends_inside_too, setup),
		cmocka_unit_test_setup(test_never_answered, setup),
		cmocka_unit_test_setup(test_the_other_way, setup),
		cmocka_unit_test_setup(test_the_other_way_in, setup),
		cmocka_unit_test_setup(test_a_permitted_source, setup),
		cmocka_unit_test_setup(test_audit, setup),
		cmocka_unit_test_setup(test_limit, setup),
		cmocka_unit_test_setup(test_the_stamp, setup),
	};

	return cmocka_run_group_tests_name("refuse", tests, world_setup, world_teardown);
}
