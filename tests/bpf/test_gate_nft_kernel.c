/* SPDX-License-Identifier: GPL-2.0-only */
/* The door's tables among others': owned or not, flushed, meddled with, taken over, removed; and how they read. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "gate/nft_private.h"
#include "tests/bpf/nft_lab.h"

#define POLICY                                \
	"version: 1\n"                        \
	"zones:\n"                            \
	"  red: { members: { name: a* } }\n"  \
	"  blue: { members: { name: b* } }\n" \
	"rules:\n"                            \
	"  - { from: red, to: host, allow: tcp/80 }\n"

static struct lab *const lab = &nft_lab.lab;
static const bool plain = true, owned = false;

/* ---- Drift ---- */

static int check(struct text *drift)
{
	text_clear(drift);
	return nft_gate_check(nft_lab.nft, drift);
}

static void whole(void)
{
	struct text drift = {0};

	if (check(&drift) != 0)
		fail_msg("drift: %s", text_string(&drift));
	text_free(&drift);
}

static void drifted(const char *words)
{
	struct text drift = {0};

	if (check(&drift) != 1 || !strstr(text_string(&drift), words))
		fail_msg("no '%s' in drift: %s", words, text_string(&drift));
	text_free(&drift);
}

static void start_with_two(void)
{
	lab_box_add(lab, "a");
	lab_box_add(lab, "b");
	nft_lab_start();
	nft_lab_apply(POLICY);
	whole();
}

/* Whether this kernel has tables that others can't touch is found by trying: by the gate, and here by the flush. */
static void test_owned_tables_stay_when_others_flush(void **state)
{
	(void)state;
	start_with_two();
	if (!nft_gate_owned(nft_lab.nft))
		skip(); /* a kernel before 6.9 */
	lab_run(lab, NULL, "nft flush ruleset && ! nft list tables | grep -qv bulkhead");
	assert_true(nft_lab_prints("nft list tables", "bridge bulkhead"));
	assert_true(nft_lab_prints("nft list tables", "arp bulkhead"));
	assert_true(nft_lab_prints("nft list set inet bulkhead open", "\"va\""));
	lab_run(lab, NULL, "! nft delete table inet bulkhead 2>/dev/null");
	lab_run(lab, NULL, "! nft flush chain inet bulkhead from_veth 2>/dev/null");
	whole();
	lab_run(lab, NULL, "nft 'add table netdev lab'");
	nft_lab_apply(POLICY);
	whole();
}

static void test_a_flush_is_seen_and_repaired(void **state)
{
	struct lab_box *a, *b;
	int receiver;

	(void)state;
	start_with_two();
	a = &lab->boxes[0];
	b = &lab->boxes[1];
	assert_false(nft_gate_owned(nft_lab.nft));
	lab_run(lab, NULL, "nft flush ruleset && nft 'add table netdev lab'");
	drifted("inet bulkhead: table gone");
	nft_lab_desire(POLICY);
	nft_lab_commit();
	whole();
	receiver = nft_lab_receiver(b, ADDR_V4, 5000);
	nft_lab_send(a, b, ADDR_V4, 5000, 0);
	assert_true(nft_lab_received(receiver, true));
	nft_lab_stamp(a, BH_CLASS_NONE);
	nft_lab_send(a, b, ADDR_V4, 5000, 0);
	assert_false(nft_lab_received(receiver, false));
	close(receiver);
}

/* Without a look before: what the transaction took for granted is gone. */
static void test_a_flush_between_check_and_commit(void **state)
{
	(void)state;
	start_with_two();
	lab_run(lab, NULL, "nft delete table bridge bulkhead");
	lab->boxes[1].open = false;
	nft_lab_desire(POLICY);
	nft_lab_commit();
	whole();
	assert_true(nft_lab_prints("nft list tables", "bridge bulkhead"));
	assert_false(nft_lab_prints("nft list set bridge bulkhead open", "\"vb\""));
	/* The same policy once more: only sets would change. */
	lab_run(lab, NULL, "nft delete table arp bulkhead");
	lab->ports[1].open = true;
	nft_lab_commit();
	whole();
	assert_true(nft_lab_prints("nft list set arp bulkhead open", "\"vb\""));
}

static void test_every_kind_of_meddling_is_found(void **state)
{
	static const char *const deeds[][2] = {
		{"nft insert rule inet bulkhead input accept", "inet bulkhead: rules of chain input changed"},
		{"nft flush chain bridge bulkhead from_veth", "bridge bulkhead: rules of chain from_veth gone"},
		{"nft add element bridge bulkhead ignored { va }", "bridge bulkhead: elements of set ignored changed"},
		{"nft delete element inet bulkhead open { va }", "inet bulkhead: elements of set open changed"},
		{"nft add chain arp bulkhead extra", "arp bulkhead: chain extra added"},
		{"nft delete table arp bulkhead", "arp bulkhead: table gone"},
		{"nft 'add table inet bulkhead { flags dormant; }'", "inet bulkhead: table switched off"},
	};

	(void)state;
	start_with_two();
	for (size_t i = 0; i < sizeof(deeds) / sizeof(*deeds); i++) {
		lab_run(lab, NULL, "%s", deeds[i][0]);
		drifted(deeds[i][1]);
		nft_lab_commit();
		whole();
	}
	/* What is not ours may change as it likes. */
	lab_run(lab, NULL, "nft 'add table ip other; add chain ip other c'");
	whole();
}

/* ---- Watching ---- */

struct heard {
	char what[256], who[256];
	unsigned int count;
};

static void on_drift(void *arg, const char *what, const char *who)
{
	struct heard *heard = arg;

	snprintf(heard->what, sizeof(heard->what), "%s", what);
	snprintf(heard->who, sizeof(heard->who), "%s", who);
	heard->count++;
}

static void on_time(struct loop *loop, void *arg)
{
	(void)arg;
	loop_quit(loop, 0);
}

static void let_it_run(struct loop *loop)
{
	struct loop_source *timer;

	assert_int_equal(loop_add_timer(loop, on_time, NULL, &timer), 0);
	loop_set_timer(timer, 50, 0);
	assert_int_equal(loop_run(loop), 0);
	loop_remove(timer);
}

static void test_drift_is_named(void **state)
{
	struct heard heard = {0};
	struct gate_callbacks callbacks = {.on_drift = on_drift, .arg = &heard};
	struct error error = {0};
	struct loop *loop;

	(void)state;
	start_with_two();
	assert_int_equal(loop_new(&loop), 0);
	assert_int_equal(nft_gate_watch(nft_lab.nft, loop, &callbacks, &error), 0);
	/* Our own changes, and others' to their own tables, are no news. */
	nft_lab_desire(POLICY);
	lab->ports[0].open = false;
	nft_lab_commit();
	lab_run(lab, NULL, "nft 'add table ip other; add table inet other'");
	let_it_run(loop);
	assert_int_equal(heard.count, 0);
	lab_run(lab, NULL, "nft delete table ip other; nft flush chain inet bulkhead from_veth");
	let_it_run(loop);
	assert_int_equal(heard.count, 1);
	assert_non_null(strstr(heard.what, "inet bulkhead: rule removed"));
	assert_non_null(strstr(heard.who, "nft (process "));
	/* A program may call itself what it likes. */
	lab_run(lab, NULL,
		"cp $(command -v nft) '/tmp/n\033[31m'; '/tmp/n\033[31m' flush ruleset; rm -f '/tmp/n\033[31m'");
	let_it_run(loop);
	assert_int_equal(heard.count, 2);
	assert_non_null(strstr(heard.what, "table removed"));
	assert_null(strchr(heard.who, '\033'));
	nft_lab_stop();
	loop_free(loop);
}

static void test_one_reader_of_the_log(void **state)
{
	struct gate_callbacks callbacks = {0};
	struct error error = {0};
	struct nft_gate *other;
	struct loop *loop;

	(void)state;
	nft_lab_start();
	assert_int_equal(loop_new(&loop), 0);
	assert_int_equal(nft_gate_watch(nft_lab.nft, loop, &callbacks, &error), 0);
	assert_int_equal(nft_gate_open(&nft_lab.options, &other, &error), 0); /* not owned: no one can tell */
	assert_true(nft_gate_watch(other, loop, &callbacks, &error) < 0);
	assert_non_null(strstr(error.text, "another process reads it"));
	nft_gate_close(other);
	nft_lab_stop();
	loop_free(loop);
}

/* ---- Taking over, two at once, removal ---- */

static void test_a_new_daemon_takes_over(void **state)
{
	struct lab_box *a, *b;
	int receiver;

	(void)state;
	start_with_two();
	a = &lab->boxes[0];
	b = &lab->boxes[1];
	receiver = nft_lab_receiver(b, ADDR_V4, 5000);
	for (int i = 0; i < 3; i++) {
		nft_lab_stop();
		/* Dead: what was in force is in force. */
		nft_lab_send(a, b, ADDR_V4, 5000, 0);
		assert_true(nft_lab_received(receiver, true));
		nft_lab_stamp(a, BH_CLASS_NONE);
		nft_lab_send(a, b, ADDR_V4, 5000, 0);
		assert_false(nft_lab_received(receiver, false));
		nft_lab_stamp(a, nft_lab_identity(a));
		/* Back, and not yet told what is desired. */
		nft_lab_start();
		whole();
		nft_lab_send(a, b, ADDR_V4, 5000, 0);
		assert_true(nft_lab_received(receiver, true));
		if (nft_gate_owned(nft_lab.nft))
			lab_run(lab, NULL, "! nft delete table inet bulkhead 2>/dev/null");
		nft_lab_desire(POLICY);
		nft_lab_commit();
		whole();
	}
	close(receiver);
}

static void test_what_a_new_daemon_no_longer_wants_is_closed_first(void **state)
{
	struct error error = {0};

	(void)state;
	start_with_two();
	nft_lab_stop();
	lab->boxes[1].open = false;
	nft_lab_start();
	nft_lab_desire(POLICY);
	assert_int_equal(nft_gate_close_ports(nft_lab.nft, &lab->desired, &error), 0);
	assert_true(nft_lab_prints("nft list set bridge bulkhead open", "\"va\""));
	assert_false(nft_lab_prints("nft list set bridge bulkhead open", "\"vb\""));
	assert_false(nft_lab_prints("nft list set inet bulkhead open", "\"vb\""));
}

static void test_two_at_once_are_refused(void **state)
{
	struct nft_gate *other = NULL;
	struct error error = {0};

	(void)state;
	start_with_two();
	if (!nft_gate_owned(nft_lab.nft))
		skip();
	assert_int_equal(nft_gate_open(&nft_lab.options, &other, &error), -EBUSY);
	assert_null(other);
	assert_non_null(strstr(error.text, "another bulkheadd"));
	assert_int_equal(nft_gate_uninstall(&nft_lab.options, lab_ignore_line, NULL, &error), -EBUSY);
	whole();
}

static void count_line(void *arg, const char *line)
{
	(void)line;
	++*(int *)arg;
}

static void test_removal_leaves_no_trace(void **state)
{
	struct error error = {0};
	int lines = 0;

	(void)state;
	start_with_two();
	nft_lab_stop();
	assert_int_equal(nft_gate_uninstall(&nft_lab.options, count_line, &lines, &error), 0);
	assert_int_equal(lines, 3 + 3); /* tables; the bridge and its ports */
	assert_false(nft_lab_prints("nft list ruleset", "bulkhead"));
	lines = 0;
	assert_int_equal(nft_gate_uninstall(&nft_lab.options, count_line, &lines, &error), 0);
	assert_int_equal(lines, 0);
}

/* From tables without an owner to owned ones and back, as after an upgrade of the kernel or another option. */
static void test_owner_and_no_owner_follow_each_other(void **state)
{
	(void)state;
	start_with_two();
	for (int i = 0; i < 3; i++) {
		nft_lab_stop();
		nft_lab.options.no_owner = i % 2 == 0;
		nft_lab_start();
		whole();
		nft_lab_apply(POLICY);
		whole();
		assert_true(nft_lab_prints("nft list set bridge bulkhead open", "\"va\""));
	}
}

/* ---- Transactions ---- */

static void put_rule(struct nft_batch *batch, const char *chain, const char *origin)
{
	struct nlmsghdr *message;

	nft_batch_command(batch, "adding a rule to chain", "inet", chain, origin);
	message = nft_batch_message(batch, NFT_MSG_NEWRULE, NFPROTO_INET, NLM_F_CREATE | NLM_F_APPEND);
	mnl_attr_put_strz(message, NFTA_RULE_TABLE, "try");
	mnl_attr_put_strz(message, NFTA_RULE_CHAIN, chain);
	nft_batch_close(batch, message);
}

static void test_an_error_names_object_and_line_and_changes_nothing(void **state)
{
	struct nlmsghdr *message;
	struct error error = {0};
	struct nft_batch batch;
	struct nft_link link;

	(void)state;
	assert_int_equal(nft_link_open(&link, &error), 0);
	lab_run(lab, NULL, "nft 'add table inet try; add chain inet try there'");
	assert_int_equal(nft_batch_begin(&batch, &link), 0);
	nft_batch_command(&batch, "adding chain", "inet", "fine", NULL);
	message = nft_batch_message(&batch, NFT_MSG_NEWCHAIN, NFPROTO_INET, NLM_F_CREATE);
	mnl_attr_put_strz(message, NFTA_CHAIN_TABLE, "try");
	mnl_attr_put_strz(message, NFTA_CHAIN_NAME, "fine");
	nft_batch_close(&batch, message);
	put_rule(&batch, "there", "shop.yaml:30");
	put_rule(&batch, "missing", "shop.yaml:31");
	put_rule(&batch, "missing_too", "shop.yaml:32");
	assert_int_equal(nft_batch_commit(&batch, &error), -ENOENT);
	assert_string_equal(error.text,
			    "nftables: shop.yaml:31: adding a rule to chain inet missing: No such file or directory");
	assert_false(nft_lab_prints("nft list table inet try", "fine"));
	nft_batch_free(&batch);
	/* A try that would succeed changes nothing either; an empty batch is fine. */
	assert_int_equal(nft_batch_begin(&batch, &link), 0);
	assert_int_equal(nft_batch_commit(&batch, &error), 0);
	put_rule(&batch, "there", NULL);
	assert_int_equal(nft_batch_try(&batch, &error), 0);
	nft_batch_free(&batch);
	lab_run(lab, NULL, "test $(nft list chain inet try there | wc -l) = 4");
	nft_link_close(&link);
}

/* ---- Others' marks ---- */

static json_t *writers(void)
{
	json_t *status = nft_gate_status(nft_lab.nft), *found;

	assert_non_null(status);
	found = json_incref(json_object_get(status, "foreign_mark_writers"));
	json_decref(status);
	assert_true(json_is_array(found));
	return found;
}

static void writes(const char *rule, const char *bits, const char *user)
{
	json_t *found, *first;

	lab_run(lab, NULL, "nft 'flush chain inet other c'; %s", rule);
	found = writers();
	first = json_array_get(found, 0);
	if (!bits) {
		if (first)
			fail_msg("%s: said to write %s", rule, json_string_value(json_object_get(first, "bits")));
	} else {
		if (!first)
			fail_msg("%s: not found", rule);
		assert_string_equal(json_string_value(json_object_get(first, "bits")), bits);
		if (user)
			assert_string_equal(json_string_value(json_object_get(first, "known_as")), user);
	}
	json_decref(found);
}

static void test_foreign_mark_writers_are_found(void **state)
{
	(void)state;
	start_with_two();
	lab_run(lab, NULL, "nft flush table netdev lab; nft 'add table inet other; add chain inet other c'");
	writes("nft add rule inet other c meta mark set 1", "0xffffffff", NULL);
	writes("nft add rule inet other c meta mark set ct mark", "0xffffffff", NULL);
	writes("nft add rule inet other c 'meta mark set meta mark and 0xff00ffff or 0x40000'", "0x00ff0000",
	       "Tailscale");
	writes("nft add rule inet other c 'meta mark set meta mark and 0xfffff0ff or 0x200'", NULL, NULL);
	writes("nft add rule inet other c 'meta mark set meta mark or 0x4000'", NULL, NULL);
	writes("nft add rule inet other c ct mark set meta mark", NULL, NULL);
	writes("nft add rule inet other c 'meta mark 7 accept'", NULL, NULL);
	if (system("command -v iptables-nft >/dev/null") != 0)
		return;
	writes("iptables-nft -t mangle -A PREROUTING -j CONNMARK --restore-mark", "0xffffffff", NULL);
	writes("iptables-nft -t mangle -F; iptables-nft -t mangle -A OUTPUT -j MARK --set-xmark 0x40000/0xff0000",
	       "0x00ff0000", "Tailscale");
	writes("iptables-nft -t mangle -F; iptables-nft -t mangle -A OUTPUT -j MARK --set-xmark 0x100/0xf00", NULL,
	       NULL);
	writes("iptables-nft -t mangle -F; iptables-nft -t mangle -A OUTPUT -j CONNMARK --save-mark", NULL, NULL);
}

static void test_an_absurd_number_of_mark_writers(void **state)
{
	json_t *status;

	(void)state;
	start_with_two();
	lab_run(lab, NULL,
		"nft flush table netdev lab; (echo 'add table inet other; add chain inet other c'; for i in $(seq %u); "
		"do "
		"echo add rule inet other c meta mark set $i; done) | nft -f -",
		NFT_WRITERS_MAX);
	status = nft_gate_status(nft_lab.nft);
	assert_int_equal(json_array_size(json_object_get(status, "foreign_mark_writers")), NFT_WRITERS_MAX);
	assert_null(json_object_get(status, "foreign_mark_writers_more"));
	json_decref(status);
	lab_run(lab, NULL, "nft add rule inet other c meta mark set 1; nft add rule inet other c meta mark set 2");
	status = nft_gate_status(nft_lab.nft);
	assert_int_equal(json_array_size(json_object_get(status, "foreign_mark_writers")), NFT_WRITERS_MAX);
	assert_int_equal(json_integer_value(json_object_get(status, "foreign_mark_writers_more")), 2);
	json_decref(status);
}

/* Docker's and Podman's ways of writing rules beside ours leave both alone. */
static void test_iptables_beside_us(void **state)
{
	(void)state;
	if (system("command -v iptables-nft >/dev/null") != 0)
		skip();
	start_with_two();
	lab_run(lab, NULL,
		"iptables-nft -N DOCKER && iptables-nft -P FORWARD DROP && iptables-nft -A FORWARD -j DOCKER && "
		"iptables-nft -t nat -A POSTROUTING -s 10.9.0.0/24 ! -o br0 -j MASQUERADE && iptables-nft -F && "
		"iptables-nft -t nat -F && iptables-nft -X && iptables-nft-save >/dev/null");
	whole();
	nft_lab_apply(POLICY);
	whole();
	assert_true(nft_lab_prints("iptables-nft -S", "-P FORWARD DROP"));
}

static void test_status_tells(void **state)
{
	json_t *status;

	(void)state;
	start_with_two();
	status = nft_gate_status(nft_lab.nft);
	assert_non_null(status);
	assert_int_equal(json_integer_value(json_object_get(status, "open")), 2);
	assert_true(json_is_true(json_object_get(status, "healthy")));
	assert_int_equal(json_array_size(json_object_get(status, "tables")), 3);
	assert_null(json_object_get(status, "drift"));
	assert_null(json_object_get(status, "problem"));
	assert_string_equal(json_string_value(json_object_get(status, "stamp_mask")), "0xfff80000");
	json_decref(status);
	if (nft_gate_owned(nft_lab.nft))
		return;
	lab_run(lab, NULL, "nft delete table arp bulkhead");
	status = nft_gate_status(nft_lab.nft);
	assert_true(json_is_false(json_object_get(status, "healthy")));
	assert_non_null(strstr(json_string_value(json_object_get(status, "drift")), "arp bulkhead: table gone"));
	json_decref(status);
}

static void test_stamp_must_fit(void **state)
{
	struct error error = {0};

	(void)state;
	nft_lab.options.stamp_shift = 32 - BH_STAMP_BITS + 1;
	assert_int_equal(nft_gate_open(&nft_lab.options, &nft_lab.nft, &error), -EINVAL);
	nft_lab.options.stamp_shift = 32 - BH_STAMP_BITS;
	nft_lab_start();
	nft_lab_stop();
	nft_lab.options.stamp_shift = 0;
	nft_lab_start();
}

/* ---- How it reads ---- */

static void test_the_ruleset_reads_well(void **state)
{
	struct gate_published published[] = {
		{0, 8085, 5432, IPPROTO_TCP, {{ADDR_V4, {0}}, 0}},
		{0, 8086, 5432, IPPROTO_TCP, {{ADDR_V4, {192, 0, 2, 1}}, 32}},
		{0, 8086, 5432, IPPROTO_TCP, {{ADDR_V6, {0xfd, 1}}, 128}},
		{BH_CLASS_NONE, 9999, 80, IPPROTO_TCP, {{ADDR_V6, {0}}, 0}},
	};
	struct gate_ignored ignored[] = {{.name = "mgmt0"}, {.name = "patch0", .patch = true}};
	const char *const interfaces[] = {"eth1"};
	struct prefix subnets[3];
	struct gate_via via = {"partners", subnets, 3, interfaces, 1};
	struct text policy = {0};
	char *text;
	size_t size;

	(void)state;
	lab_box_add(lab, "a");
	lab_box_add(lab, "b");
	lab_box_add(lab, "c");
	lab_box_add(lab, "d");
	lab_run(lab, NULL,
		"ip link set br0 address 02:00:00:00:00:01; ip link add mgmt0 type ifb; ip link add patch0 type ifb");
	ignored[0].ifindex = if_nametoindex("mgmt0");
	ignored[1].ifindex = if_nametoindex("patch0");
	prefix_parse("192.0.2.0/25", &subnets[0], NULL);
	prefix_parse("192.0.2.128/25", &subnets[1], NULL);
	prefix_parse("2001:db8:5::/48", &subnets[2], NULL);
	assert_int_equal(file_read(NFT_LAB_GOLDEN "/policy.yaml", 1 << 16, &text, &size, NULL), 0);
	text_append(&policy, text);
	free(text);
	nft_lab_start();
	nft_lab_desire(text_string(&policy));
	for (size_t i = 0; i < 3; i++)
		published[i].identity = nft_lab_identity(&lab->boxes[1]);
	lab->desired.published = published;
	lab->desired.published_count = 4;
	lab->desired.ignored = ignored;
	lab->desired.ignored_count = 2;
	lab->desired.via = &via;
	lab->desired.via_count = 1;
	nft_lab_commit();
	nft_lab_golden("inet.nft", "inet");
	nft_lab_golden("bridge.nft", "bridge");
	nft_lab_golden("arp.nft", "arp");
	nft_lab_reads_back();
	text_free(&policy);
}

/* Names of zones and groups that would become one, or are too long, stay apart. */
static void test_names_stay_apart(void **state)
{
	struct text policy = {0};

	(void)state;
	lab_box_add(lab, "a");
	lab_box_add(lab, "b");
	lab_box_add(lab, "c");
	nft_lab_start();
	text_append(&policy, "version: 1\nzones:\n  shop: { groups: { front: { members: { name: a } } } }\n"
			     "  shop_front: { members: { name: b } }\n  many:\n    groups:\n");
	for (int i = 0; i < 60; i++)
		text_appendf(&policy, "      a-group-with-quite-a-long-name-number-%d: { members: { name: c } }\n", i);
	nft_lab_apply(text_string(&policy));
	assert_true(nft_lab_prints("nft list table inet bulkhead", "chain from_shop_front {"));
	assert_true(nft_lab_prints("nft list table inet bulkhead", "chain from_shop_front_2 {"));
	assert_true(nft_lab_prints("nft list table inet bulkhead", "chain from_many_a-group-with-quite-a-long-name-"));
	lab_run(lab, NULL, "nft -s list table inet bulkhead | sed '1s/bulkhead/again/' | nft -c -f -");
	text_free(&policy);
}

static void test_a_closed_door_reads_well(void **state)
{
	(void)state;
	nft_lab_start();
	nft_lab_golden("closed-inet.nft", "inet");
}

#define TEST(test, owner)                                                    \
	{                                                                    \
#test, test, nft_lab_setup, nft_lab_teardown, (void *)&owner \
	}
#define TEST_BOTH(test)                                                                 \
	{#test " (owned)", test, nft_lab_setup, nft_lab_teardown, (void *)&owned},      \
	{                                                                               \
#test " (plain)", test, nft_lab_setup, nft_lab_teardown, (void *)&plain \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_owned_tables_stay_when_others_flush, owned),
		TEST(test_a_flush_is_seen_and_repaired, plain),
		TEST(test_a_flush_between_check_and_commit, plain),
		TEST(test_every_kind_of_meddling_is_found, plain),
		TEST(test_drift_is_named, plain),
		TEST(test_one_reader_of_the_log, plain),
		TEST_BOTH(test_a_new_daemon_takes_over),
		TEST_BOTH(test_what_a_new_daemon_no_longer_wants_is_closed_first),
		TEST(test_two_at_once_are_refused, owned),
		TEST_BOTH(test_removal_leaves_no_trace),
		TEST(test_owner_and_no_owner_follow_each_other, owned),
		TEST(test_an_error_names_object_and_line_and_changes_nothing, owned),
		TEST(test_foreign_mark_writers_are_found, owned),
		TEST(test_an_absurd_number_of_mark_writers, plain),
		TEST_BOTH(test_iptables_beside_us),
		TEST_BOTH(test_status_tells),
		TEST(test_stamp_must_fit, owned),
		TEST(test_the_ruleset_reads_well, plain),
		TEST(test_names_stay_apart, plain),
		TEST(test_a_closed_door_reads_well, plain),
	};

	return cmocka_run_group_tests_name("gate_nft_kernel", tests, NULL, NULL);
}
