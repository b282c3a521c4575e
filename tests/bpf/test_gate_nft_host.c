/* SPDX-License-Identifier: GPL-2.0-only */
/* What containers may send to the host, by the door alone: rules, replies, reloads, published ports, counters, reports.
 */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/bpf/nft_lab.h"

#define ZONES                                                 \
	"version: 1\n"                                        \
	"zones:\n"                                            \
	"  shop:\n"                                           \
	"    groups:\n"                                       \
	"      front: { members: { name: a* } }\n"            \
	"      db: { members: { name: b* } }\n"               \
	"  watched: { members: { name: c* }, mode: audit }\n" \
	"  open: { members: { name: d* } }\n"                 \
	"rules:\n"

static struct lab *const lab = &nft_lab.lab;
static const int families[] = {ADDR_V4, ADDR_V6};

/* Listeners of the host on these TCP ports, both families. */
static void listen_all(const uint16_t *ports, size_t count)
{
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < 2; j++)
			nft_lab_listener(ports[i], families[j]);
}

static void reaches_by(size_t i, struct lab_box *from, uint16_t port, bool expected)
{
	int fd = nft_lab_connect(from, families[i], port);

	if (fd >= 0)
		close(fd);
	if ((fd >= 0) != expected)
		fail_msg("%s to the host's tcp/%u, IPv%d: %s", from->name, port, families[i],
			 fd >= 0 ? "passes" : strerror(-fd));
}

static void reaches(struct lab_box *from, uint16_t port, bool expected)
{
	for (size_t i = 0; i < 2; i++)
		reaches_by(i, from, port, expected);
}

static void test_rules_decide_by_sender_and_service(void **state)
{
	struct lab_box *a = lab_box_add(lab, "a"), *b = lab_box_add(lab, "b"), *d = lab_box_add(lab, "d");
	struct lab_box *stranger = lab_box_add(lab, "x");
	static const uint16_t ports[] = {22, 79, 80, 8080, 8085, 8090, 8091};

	(void)state;
	listen_all(ports, sizeof(ports) / sizeof(*ports));
	nft_lab_start();
	nft_lab_apply(ZONES "  - { from: shop/front, to: host, allow: [ tcp/80, tcp/8080-8090 ] }\n"
			    "  - { from: open, to: host, allow: all }\n"
			    "  - { from: open, to: host, deny: tcp/22 }\n");
	reaches(a, 22, false);
	reaches(a, 79, false);
	reaches(a, 80, true);
	reaches(a, 8080, true);
	reaches(a, 8085, true);
	reaches(a, 8090, true);
	reaches(a, 8091, false);
	reaches(b, 80, false);
	reaches(d, 22, false);
	reaches(d, 8091, true);
	reaches(stranger, 80, false);
	nft_lab_stamp(b, BH_CLASS_CONFLICTED);
	reaches(b, 80, false);
	nft_lab_stamp(b, 4000); /* an identity that nobody has */
	reaches(b, 80, false);
	assert_true(nft_lab_dropped_at_least("unknown_sender", 2) >= 2);
}

/* One datagram of ICMP echo, and whether the host answers. */
static bool box_pings(struct lab_box *box, bool v6)
{
	char command[320];
	bool answered;

	/* Raw sockets by the shell would need a tool: Python has them, and is what the other tests run on. */
	snprintf(command, sizeof(command),
		 "python3 -c \"import socket as s;k=s.socket(s.%s,s.SOCK_RAW,%d);k.settimeout(0.4);"
		 "k.sendto(bytes.fromhex('%s'),('%s',0));"
		 "exit(not any(k.recv(99)[%d]==%d for i in range(9)))\" 2>/dev/null",
		 v6 ? "AF_INET6" : "AF_INET", v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP,
		 v6 ? "8000000012340001" : "0800e5ca12340001", v6 ? "fd09::1" : "10.9.0.1", v6 ? 0 : 20, v6 ? 129 : 0);
	nft_lab_enter(box);
	answered = system(command) == 0;
	nft_lab_enter(NULL);
	return answered;
}

static void test_icmp_by_type(void **state)
{
	struct lab_box *a = lab_box_add(lab, "a"), *b = lab_box_add(lab, "b");

	(void)state;
	nft_lab_start();
	nft_lab_apply(ZONES "  - { from: shop/front, to: host, allow: ping }\n"
			    "  - { from: shop/db, to: host, allow: [ icmp/timestamp-request, icmpv6/130 ] }\n");
	assert_true(box_pings(a, false));
	assert_true(box_pings(a, true));
	assert_false(box_pings(b, false));
	assert_false(box_pings(b, true));
}

static void test_replies_to_the_host_pass(void **state)
{
	struct lab_box *b = lab_box_add(lab, "b");

	(void)state;
	nft_lab_start();
	nft_lab_apply(ZONES "  - { from: shop/front, to: host, allow: tcp/80 }\n");
	for (size_t i = 0; i < 2; i++) {
		lab_listen(lab, b, families[i], 5000);
		assert_true(lab_reaches(lab, NULL, b, families[i], 5000));
	}
}

static void test_a_reload_ends_a_flow(void **state)
{
	struct lab_box *a = lab_box_add(lab, "a");
	int listener, client, server;

	(void)state;
	nft_lab_start();
	nft_lab_apply(ZONES "  - { from: shop, to: host, allow: tcp/80 }\n");
	listener = nft_lab_listener(80, ADDR_V4);
	client = nft_lab_connect(a, ADDR_V4, 80);
	assert_true(client >= 0);
	server = lab_accept(listener);
	assert_true(lab_talks(client, server, 1000));
	/* Ten reloads that change nothing for it. */
	for (int i = 0; i < 10; i++) {
		nft_lab_apply(i % 2 ? ZONES "  - { from: shop, to: host, allow: tcp/80 }\n"
				    : ZONES "  - { from: shop, to: host, allow: tcp/1-100 }\n");
		assert_true(lab_talks(client, server, 1000));
	}
	nft_lab_apply(ZONES "  - { from: shop, to: host, allow: tcp/81 }\n");
	assert_false(lab_talks(client, server, 300));
	close(client);
	close(server);
	close(listener);
}

static void test_times_are_held_in_the_kernel(void **state)
{
	struct lab_box *a = lab_box_add(lab, "a"), *d = lab_box_add(lab, "d");
	static const uint16_t ports[] = {80, 81};
	char policy[1024], when[32];
	struct timespec wait = {.tv_nsec = 100000000};
	time_t end = time(NULL) + 3;

	(void)state;
	listen_all(ports, 2);
	nft_lab_start();
	time_format(when, (int64_t)end * 1000000000);
	snprintf(policy, sizeof(policy),
		 ZONES "  - { from: shop, to: host, allow: tcp/80, expires: %s }\n"
		       "  - { from: open, to: host, allow: tcp/81 }\n"
		       "  - { from: open, to: host, deny: tcp/81, expires: %s }\n",
		 when, when);
	nft_lab_apply(policy);
	reaches(a, 80, true);
	reaches(d, 81, false);
	/* What ends it is the clock: nobody says a word to the kernel. */
	while (time(NULL) < end)
		nanosleep(&wait, NULL);
	reaches(a, 80, false);
	reaches(d, 81, true);
}

static void test_audited_passes(void **state)
{
	struct lab_box *c = lab_box_add(lab, "c");
	static const uint16_t ports[] = {22, 80};

	(void)state;
	listen_all(ports, 2);
	nft_lab_start();
	nft_lab_apply(ZONES "  - { from: watched, to: host, deny: tcp/22 }\n");
	reaches(c, 22, true);
	reaches(c, 80, true);
	assert_true(nft_lab_prints("nft list table inet bulkhead", "bulkhead would-deny"));
}

static struct gate_published at(const char *prefix, uint16_t port, uint32_t identity, uint16_t container_port)
{
	struct gate_published published = {identity, port, container_port, IPPROTO_TCP, {{0}, 0}};

	assert_int_equal(prefix_parse(prefix, &published.at, NULL), 0);
	return published;
}

/* docker-proxy's: the host relays, but it is the container behind it that is asked. */
static void test_relayed_ports_are_judged_as_the_container_behind(void **state)
{
	struct lab_box *a = lab_box_add(lab, "a"), *b = lab_box_add(lab, "b"), *d = lab_box_add(lab, "d");
	static const uint16_t ports[] = {8080, 8081, 8082, 8083, 8084, 8085};
	struct gate_published published[9];

	(void)state;
	listen_all(ports, sizeof(ports) / sizeof(*ports));
	nft_lab_start();
	nft_lab_desire(ZONES "  - { from: shop/front, to: shop/db, allow: tcp/5432 }\n"
			     "  - { from: open, to: host, allow: tcp/8000-8100 }\n");
	for (size_t i = 0; i < 2; i++) {
		published[i] = at(i ? "::/0" : "0.0.0.0/0", 8080, nft_lab_identity(b), 5432);
		published[2 + i] = at(i ? "::/0" : "0.0.0.0/0", 8081, BH_CLASS_NONE, 80);
	}
	published[4] = at("192.0.2.77", 8082, nft_lab_identity(b), 5432); /* elsewhere it is the host's own */
	published[5] = at("0.0.0.0/0", 8083, nft_lab_identity(d), 5432);  /* for two containers */
	published[6] = at("10.9.0.1", 8083, nft_lab_identity(b), 5432);
	published[7] = at("10.9.0.1", 8084, nft_lab_identity(b), 5432);
	published[8] = at("fd09::1", 8085, nft_lab_identity(b), 5432);
	lab->desired.published = published;
	lab->desired.published_count = sizeof(published) / sizeof(*published);
	nft_lab_commit();
	reaches(a, 8080, true);
	reaches(a, 8081, false);
	reaches(a, 8082, false);
	reaches(a, 8083, false);
	reaches(d, 8080, false);
	reaches(d, 8081, false);
	reaches(d, 8082, true);
	for (size_t i = 0; i < 2; i++) {
		bool v6 = families[i] == 6;

		reaches_by(i, d, 8083, v6);
		reaches_by(i, a, 8084, !v6);
		reaches_by(i, d, 8084, v6);
		reaches_by(i, a, 8085, v6);
		reaches_by(i, d, 8085, !v6);
	}
	/* It is gone: the port is the host's again, without a new policy. */
	lab->desired.published_count = 0;
	nft_lab_commit();
	reaches(a, 8080, false);
	reaches(d, 8080, true);
}

/* ---- Counters ---- */

static uint32_t decision_at(unsigned int line)
{
	for (size_t i = 0; i < lab->table->decisions.count; i++)
		if (lab->table->decisions.items[i].rule >= 0 && lab->table->decisions.items[i].place.line == line)
			return lab->table->decisions.items[i].number;
	fail_msg("no rule in line %u", line);
	return 0;
}

static uint64_t counted(uint32_t decision)
{
	struct bh_counter counter;

	assert_int_equal(nft_gate_rule_counter(nft_lab.nft, decision, &counter), 0);
	assert_true((counter.packets == 0) == (counter.bytes == 0));
	return counter.packets;
}

#define RULE_LINE 10 /* the first line after ZONES */

static void test_counters_outlive_rendering_and_daemons(void **state)
{
	struct lab_box *a = lab_box_add(lab, "a");
	static const char with[] = ZONES "  - { name: web, from: shop, to: host, allow: tcp/80 }\n";
	static const char more[] = ZONES "  - { name: web, from: shop, to: host, allow: tcp/80 }\n"
					 "  - { name: more, from: shop, to: host, allow: tcp/81 }\n";
	uint64_t first, second;
	uint32_t decision;

	(void)state;
	nft_lab_listener(80, ADDR_V4);
	nft_lab_start();
	nft_lab_apply(with);
	decision = decision_at(RULE_LINE);
	assert_int_equal(counted(decision), 0);
	assert_true(nft_lab_connects(a, ADDR_V4, 80));
	first = counted(decision);
	assert_true(first >= 1);
	nft_lab_apply(more);
	assert_int_equal(decision_at(RULE_LINE), decision);
	assert_true(counted(decision) >= first);
	/* Rendered away, and back. */
	nft_lab_apply(ZONES "  - { name: other, from: open, to: host, allow: tcp/80 }\n");
	second = counted(decision);
	assert_true(second >= first);
	nft_lab_apply(with);
	assert_true(counted(decision) >= second);
	assert_true(nft_lab_connects(a, ADDR_V4, 80));
	assert_true(counted(decision) > second);
	second = counted(decision);
	/* A new daemon. */
	nft_lab_stop();
	nft_lab_start();
	nft_lab_apply(with);
	assert_true(counted(decision) >= second);
	/* The number gets another meaning. */
	nft_lab_desire(with);
	for (size_t i = 0; i < lab->table->decisions.count; i++)
		lab->table->decisions.items[i].fresh = true;
	nft_lab_commit();
	assert_int_equal(counted(decision), 0);
	assert_int_equal(counted(BH_DECISIONS_MAX - 1), 0);
}

/* ---- Reports ---- */

struct heard {
	struct loop *loop;
	struct bh_event events[64];
	size_t count, wanted;
};

static void on_event(void *arg, const struct bh_event *event)
{
	struct heard *heard = arg;

	if (heard->count < sizeof(heard->events) / sizeof(*heard->events))
		heard->events[heard->count++] = *event;
}

static void on_time(struct loop *loop, void *arg)
{
	(void)arg;
	loop_quit(loop, 0);
}

static void listen_for(struct heard *heard, int ms)
{
	struct loop_source *timer;

	assert_int_equal(loop_add_timer(heard->loop, on_time, NULL, &timer), 0);
	loop_set_timer(timer, ms, 0);
	assert_int_equal(loop_run(heard->loop), 0);
	loop_remove(timer);
}

static const struct bh_event *heard_find(const struct heard *heard, uint8_t reason, uint32_t ifindex)
{
	for (size_t i = 0; i < heard->count; i++)
		if (heard->events[i].reason == reason && heard->events[i].ifindex == ifindex &&
		    heard->events[i].direction == BH_EVENT_FROM_PORT)
			return &heard->events[i];
	return NULL;
}

static void test_what_is_refused_is_reported(void **state)
{
	struct lab_box *a = lab_box_add(lab, "a"), *b = lab_box_add(lab, "b");
	struct heard heard = {0};
	struct gate_callbacks callbacks = {.on_event = on_event, .arg = &heard};
	const struct bh_event *event;
	struct error error = {0};
	struct addr source;

	(void)state;
	assert_int_equal(loop_new(&heard.loop), 0);
	nft_lab_start();
	if (nft_gate_watch(nft_lab.nft, heard.loop, &callbacks, &error) < 0)
		fail_msg("%s", error.text);
	nft_lab_listener(81, ADDR_V6);
	nft_lab_apply(ZONES "  - { from: shop, to: host, deny: tcp/80 }\n"
			    "  - { from: shop, to: host, allow: tcp/81, log: all }\n");
	nft_lab_stamp(b, BH_CLASS_NONE);
	assert_false(nft_lab_connects(a, ADDR_V4, 80));
	assert_true(nft_lab_connects(a, ADDR_V6, 81));
	nft_lab_send(b, a, ADDR_V4, 5000, 0);
	listen_for(&heard, 200);
	event = heard_find(&heard, BH_DENY_HOST, a->ifindex);
	assert_non_null(event);
	assert_int_equal(event->verdict, BH_EVENT_DENY);
	assert_int_equal(event->decision, decision_at(RULE_LINE));
	assert_int_equal(event->src_class, nft_lab_identity(a));
	assert_int_equal(event->dst_class, BH_CLASS_HOST);
	assert_int_equal(event->generation, lab->table->generation);
	assert_int_equal(event->family, 4);
	assert_int_equal(event->protocol, IPPROTO_TCP);
	assert_int_equal(event->destination_port, 80);
	assert_int_equal(event->tcp_flags, 2);
	source = addr_from_bytes(ADDR_V4, event->source);
	assert_true(addr_equal(&source, &a->addresses[0]));
	assert_memory_equal(event->source_mac, a->mac.bytes, 6);
	event = heard_find(&heard, BH_ALLOW_RULE, a->ifindex);
	assert_non_null(event);
	assert_int_equal(event->verdict, BH_EVENT_ALLOW);
	assert_int_equal(event->family, 6);
	assert_int_equal(event->destination_port, 81);
	event = heard_find(&heard, BH_DROP_CLOSED, b->ifindex);
	assert_non_null(event);
	assert_int_equal(event->verdict, BH_EVENT_DENY);
	assert_int_equal(event->src_class, 0);
	nft_lab_stop();
	loop_free(heard.loop);
}

/* A flood is counted, and reported in part; who floods hides nobody else. */
static void test_reports_are_sampled_by_sender(void **state)
{
	struct lab_box *a = lab_box_add(lab, "a"), *b = lab_box_add(lab, "b");
	struct heard heard = {0};
	struct gate_callbacks callbacks = {.on_event = on_event, .arg = &heard};
	struct error error = {0};

	(void)state;
	assert_int_equal(loop_new(&heard.loop), 0);
	nft_lab_start();
	assert_int_equal(nft_gate_watch(nft_lab.nft, heard.loop, &callbacks, &error), 0);
	nft_lab_apply(ZONES "  - { from: shop, to: host, deny: udp/5000 }\n");
	listen_for(&heard, 50);
	heard.count = 0;
	for (int i = 0; i < 300; i++)
		nft_lab_send(a, NULL, ADDR_V4, 5000, 0);
	nft_lab_send(b, NULL, ADDR_V4, 5000, 0);
	listen_for(&heard, 100);
	assert_non_null(heard_find(&heard, BH_DENY_HOST, a->ifindex));
	assert_non_null(heard_find(&heard, BH_DENY_HOST, b->ifindex));
	assert_true(heard.count <= BH_EVENT_BURST + 3 * BH_EVENT_PER_SECOND);
	assert_int_equal(counted(decision_at(RULE_LINE)), 301);
	nft_lab_stop();
	loop_free(heard.loop);
}

#define TEST(test)                                                 \
	{                                                          \
#test, test, nft_lab_setup, nft_lab_teardown, NULL \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_rules_decide_by_sender_and_service),
		TEST(test_icmp_by_type),
		TEST(test_replies_to_the_host_pass),
		TEST(test_a_reload_ends_a_flow),
		TEST(test_times_are_held_in_the_kernel),
		TEST(test_audited_passes),
		TEST(test_relayed_ports_are_judged_as_the_container_behind),
		TEST(test_counters_outlive_rendering_and_daemons),
		TEST(test_what_is_refused_is_reported),
		TEST(test_reports_are_sampled_by_sender),
	};

	return cmocka_run_group_tests_name("gate_nft_host", tests, NULL, NULL);
}
