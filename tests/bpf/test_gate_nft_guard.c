/* SPDX-License-Identifier: GPL-2.0-only */
/* nftables alone: who a port is, and what it is sent, by the tables themselves. Forged frames of all kinds are for
 * tests/e2e/test_spoof.py; here is how the tables read, and what they do where little is known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "tests/bpf/nft_lab.h"

#define POLICY                                                   \
	"version: 1\n"                                           \
	"zones:\n"                                               \
	"  red: { members: { name: a* } }\n"                     \
	"  blue: { members: { name: b* }, permit: [ spoof ] }\n" \
	"rules:\n"                                               \
	"  - { from: any, to: any, allow: all }\n"

static struct lab *const lab = &nft_lab.lab;

static int alone_setup(void **state)
{
	int result = nft_lab_setup(state);

	nft_lab.options.nft_alone = true;
	return result;
}

/* ARP as a frame: `sender` and `target` are the last bytes of 10.9.0.N, no sender is 0.0.0.0. */
static void arp_send(struct lab_box *from, const struct mac *mac, uint8_t operation, uint8_t sender, uint8_t target)
{
	uint8_t frame[60] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, [12] = 8, 6, 0, 1, 8, 0, 6, 4, 0, operation};

	memcpy(frame + 6, from->mac.bytes, 6);
	memcpy(frame + 22, mac->bytes, 6);
	if (sender)
		memcpy(frame + 28, (uint8_t[]){10, 9, 0, sender}, 4);
	memcpy(frame + 38, (uint8_t[]){10, 9, 0, target}, 4);
	nft_lab_frame(from, "eth0", frame, sizeof(frame), 0);
}

/* Counts ARP that leaves by this interface, for nft_lab_right_stamps(). */
static void arp_count(const char *interface)
{
	lab_run(lab, NULL,
		"nft 'add chain netdev lab seen_%s { type filter hook egress device %s priority 0; }; "
		"add counter netdev lab right_%s; add rule netdev lab seen_%s ether type arp counter name right_%s'",
		interface, interface, interface, interface, interface);
}

static void test_the_ruleset_reads_well(void **state)
{
	char *policy;
	size_t size;

	(void)state;
	lab_box_add(lab, "a");
	lab_box_add(lab, "b");
	lab_box_add(lab, "c");
	lab_run(lab, NULL, "ip link set br0 address 02:00:00:00:00:01");
	assert_int_equal(file_read(NFT_LAB_GOLDEN "/policy.yaml", 1 << 16, &policy, &size, NULL), 0);
	nft_lab_start();
	nft_lab_apply(policy);
	free(policy);
	nft_lab_golden("alone-bridge.nft", "bridge");
	nft_lab_golden("alone-arp.nft", "arp");
	nft_lab_golden("alone-inet.nft", "inet");
	nft_lab_reads_back();
}

/* Opening and closing a port changes sets, and no rule. */
static void test_a_port_is_known_by_sets_alone(void **state)
{
	struct lab_box *a = lab_box_add(lab, "a"), *b = lab_box_add(lab, "b");
	static const char *const sets[] = {"macs",     "own_4",	       "own_6",	    "nd_targets",
					   "nd_links", "dhcp_clients", "identities"};
	char command[96];

	(void)state;
	b->open = false;
	nft_lab_start();
	nft_lab_apply(POLICY);
	assert_false(nft_lab_prints("nft list set bridge bulkhead open", "vb"));
	lab_run(lab, NULL, "nft -as list table bridge bulkhead | grep handle | grep -v 'set\\|map' >/run/before");
	b->open = true;
	lab->generation--; /* the same policy */
	nft_lab_apply(POLICY);
	assert_true(nft_lab_prints("nft list set bridge bulkhead open", "\"vb\""));
	lab_run(lab, NULL,
		"nft -as list table bridge bulkhead | grep handle | grep -v 'set\\|map' | diff /run/before -");
	for (size_t i = 0; i < sizeof(sets) / sizeof(*sets); i++) {
		snprintf(command, sizeof(command),
			 "nft list set bridge bulkhead %s 2>&- || nft list map bridge bulkhead %s", sets[i], sets[i]);
		assert_true(nft_lab_prints(command, "\"vb\""));
	}
	lab_box_remove(lab, b);
	nft_lab_apply(POLICY);
	assert_false(nft_lab_prints("nft list table bridge bulkhead", "\"vb\""));
	assert_true(nft_lab_prints("nft list table bridge bulkhead", "\"va\""));
	(void)a;
}

/* A frame that no hook of inet has judged goes to no port, be its sender who it says. */
static void test_unjudged_frames_go_nowhere(void **state)
{
	struct lab_box *a = lab_box_add(lab, "a"), *b = lab_box_add(lab, "b");
	int receiver;

	(void)state;
	nft_lab_start();
	nft_lab_apply(POLICY);
	lab_run(lab, NULL,
		"nft add table netdev lab; nft flush table netdev lab; "
		"for f in ip ip6; do echo 0 >/proc/sys/net/bridge/bridge-nf-call-${f}tables; done");
	for (int family = ADDR_V4; family <= ADDR_V6; family += ADDR_V6 - ADDR_V4) {
		long before = nft_lab_dropped("no_stamp");

		receiver = nft_lab_receiver(b, family, 5000);
		nft_lab_send(a, b, family, 5000, 0);
		assert_false(nft_lab_received(receiver, false));
		close(receiver);
		assert_true(nft_lab_dropped_at_least("no_stamp", before + 1) > before);
	}
}

static void test_arp_speaks_for_itself(void **state)
{
	struct lab_box *a = lab_box_add(lab, "a"), *b = lab_box_add(lab, "b");
	uint8_t own, other;
	long before;

	(void)state;
	own = a->addresses[0].bytes[3];
	other = b->addresses[0].bytes[3];
	nft_lab_start();
	nft_lab_apply(POLICY);
	lab_run(lab, NULL,
		"nft flush table netdev lab; nft 'add chain netdev lab seen { type filter hook egress device vb "
		"priority 0; }; add counter netdev lab right_vb; add rule netdev lab seen ether type arp "
		"counter name right_vb'");
	before = nft_lab_dropped("arp_spoof");
	arp_send(a, &a->mac, 1, other, own); /* in b's name */
	arp_send(a, &b->mac, 2, own, other); /* with b's MAC address inside */
	arp_send(a, &a->mac, 2, 0, other);   /* an answer of nobody */
	arp_send(a, &a->mac, 1, 0, other);   /* a probe for b's address */
	assert_int_equal(nft_lab_dropped_at_least("arp_spoof", before + 4), before + 4);
	assert_int_equal(nft_lab_right_stamps("vb", 0), 0);
	arp_send(a, &a->mac, 1, own, other);
	arp_send(a, &a->mac, 2, own, other);
	arp_send(a, &a->mac, 1, own, own); /* it announces itself */
	assert_int_equal(nft_lab_right_stamps("vb", 3), 3);
	arp_send(a, &a->mac, 1, own, 77); /* for somebody else: nothing to b */
	arp_send(a, &a->mac, 1, 0, own);  /* its own probe likewise */
	assert_true(nft_lab_dropped_at_least("for_neighbours", 1) >= 1);
	assert_int_equal(nft_lab_right_stamps("vb", 0), 0);
	/* permit: spoof */
	arp_send(b, &a->mac, 2, own, own);
	assert_int_equal(nft_lab_dropped("arp_spoof"), before + 4);
}

#define APART                                  \
	"version: 1\n"                         \
	"zones:\n"                             \
	"  red: { members: { name: a* } }\n"   \
	"  blue: { members: { name: b* } }\n"  \
	"  green: { members: { name: c* } }\n" \
	"rules:\n"                             \
	"  - { from: red, to: blue, allow: tcp/80 }\n"

/* Asked, or announced to, is only who may have to do with the sender, one way or the other. */
static void test_arp_comes_to_those_it_concerns(void **state)
{
	struct lab_box *a = lab_box_add(lab, "a"), *b = lab_box_add(lab, "b"), *c = lab_box_add(lab, "c");
	uint8_t own = a->addresses[0].bytes[3];

	(void)state;
	nft_lab_start();
	nft_lab_apply(APART);
	arp_count("vb");
	arp_count("vc");
	arp_count("va");
	arp_send(a, &a->mac, 1, own, b->addresses[0].bytes[3]);
	arp_send(a, &a->mac, 1, own, own);
	arp_send(b, &b->mac, 2, b->addresses[0].bytes[3], own);
	assert_int_equal(nft_lab_right_stamps("vb", 2), 2);
	assert_int_equal(nft_lab_right_stamps("va", 2), 2); /* b's kernel has answered, too */
	arp_send(a, &a->mac, 1, own, c->addresses[0].bytes[3]);
	arp_send(c, &c->mac, 1, c->addresses[0].bytes[3], own);
	assert_true(nft_lab_dropped_at_least("for_neighbours", 7) >= 7);
	assert_int_equal(nft_lab_right_stamps("vc", 0), 0);
	assert_int_equal(nft_lab_right_stamps("va", 0), 0);
}

#define TEST(test)                                                 \
	{                                                          \
#test, test, alone_setup, nft_lab_teardown, &plain \
	}

int main(void)
{
	static bool plain = true;
	const struct CMUnitTest tests[] = {
		TEST(test_the_ruleset_reads_well),	   TEST(test_a_port_is_known_by_sets_alone),
		TEST(test_unjudged_frames_go_nowhere),	   TEST(test_arp_speaks_for_itself),
		TEST(test_arp_comes_to_those_it_concerns),
	};

	return cmocka_run_group_tests_name("gate_nft_guard", tests, NULL, NULL);
}
