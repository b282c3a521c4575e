/* SPDX-License-Identifier: GPL-2.0-only */
/* Both gates together: the door and the programs, on a bridge with real containers' ends and the host.
 *
 * suite-timeout: 600 (the kernel's verifier looks at the programs for a second at each start) */
#include <errno.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "gate/gate.h"
#include "tests/lib/lab.h"

#define POLICY_HEAD                                             \
	"version: 1\n"                                          \
	"zones:\n"                                              \
	"  red: { members: [ { name: a* } ], within: deny }\n"  \
	"  blue: { members: [ { name: b* } ], within: deny }\n" \
	"rules:\n"                                              \
	"  - { from: red, to: blue, allow: tcp/5000 }\n"
#define POLICY_HOST   POLICY_HEAD "  - { from: red, to: host, allow: tcp/7000 }\n"
#define POLICY_NOHOST POLICY_HEAD

struct fixture {
	struct lab lab;
	struct gate_options options;
	struct gate *gate;
	struct lab_box *a, *b;
	int at_a, at_b, at_host; /* listeners: 6000, 5000, 7000 */
};
static struct fixture fixture;
static bool old_kernel; /* clsact, and tables that are not owned: as on Linux 6.1 */

static void gate_start(struct fixture *f)
{
	struct error error = {0};

	if (gate_open(&f->options, &f->gate, &error) < 0)
		fail_msg("%s", error.text);
}

static void gate_stop(struct fixture *f)
{
	gate_close(f->gate);
	f->gate = NULL;
}

static void apply(struct fixture *f, const char *policy)
{
	struct error error = {0};

	lab_desire(&f->lab, policy);
	if (gate_apply(f->gate, &f->lab.desired, &error) < 0)
		fail_msg("%s", error.text);
	for (size_t i = 0; i < f->lab.desired.port_count; i++)
		if (f->lab.ports[i].ret_result < 0)
			fail_msg("%s: %s", f->lab.ports[i].name, f->lab.ports[i].ret_problem);
}

static void is_whole(struct fixture *f)
{
	struct text drift = {0};
	int result = gate_check(f->gate, &drift);

	if (result != 0)
		fail_msg("drift %d: %s", result, text_string(&drift));
	text_free(&drift);
}

static bool reaches(struct fixture *f, struct lab_box *from, struct lab_box *to, uint16_t port)
{
	return lab_reaches(&f->lab, from, to, ADDR_V4, port);
}

/* A neighbour that was asked for in vain while the port was closed is given up at any moment, with all that waits. */
static bool reaches_soon(struct fixture *f, struct lab_box *from, struct lab_box *to, uint16_t port)
{
	int fd = -1;

	for (int i = 0; i < 4 && fd < 0; i++)
		fd = lab_connect(&f->lab, from, to, ADDR_V4, port, 2500);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static int setup(void **state)
{
	struct fixture *f = &fixture;
	const char *why;

	memset(f, 0, sizeof(*f));
	if (!lab_open(&f->lab, &why))
		fail_msg("%s", why);
	f->options = (struct gate_options){.no_owner = old_kernel,
					   .no_tcx = old_kernel,
					   .pin_dir = LAB_PIN_DIR,
					   .stamp_shift = BH_STAMP_SHIFT_DEFAULT,
					   .flow_quota = 1024,
					   .log_group = GATE_LOG_GROUP_DEFAULT};
	f->a = lab_box_add(&f->lab, "a");
	f->b = lab_box_add(&f->lab, "b");
	f->at_a = lab_listen(&f->lab, f->a, ADDR_V4, 6000);
	f->at_b = lab_listen(&f->lab, f->b, ADDR_V4, 5000);
	f->at_host = lab_listen(&f->lab, NULL, ADDR_V4, 7000);
	gate_start(f);
	*state = f;
	return 0;
}

static int setup_old_kernel(void **state)
{
	old_kernel = true;
	setup(state);
	old_kernel = false;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	gate_close(f->gate);
	close(f->at_a);
	close(f->at_b);
	close(f->at_host);
	lab_close(&f->lab);
	return 0;
}

static void door_closes_before_any_policy(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(gate_generation(f->gate), 0);
	assert_false(reaches(f, f->a, f->b, 5000));
	assert_false(reaches(f, f->a, NULL, 7000));
	assert_false(reaches(f, NULL, f->a, 6000));
}

static void containers_and_host(void **state)
{
	struct fixture *f = *state;

	apply(f, POLICY_HOST);
	is_whole(f);
	assert_true(reaches_soon(f, f->a, f->b, 5000));
	assert_false(reaches(f, f->b, f->a, 6000));
	assert_true(reaches_soon(f, f->a, NULL, 7000));
	assert_false(reaches(f, f->b, NULL, 7000));
	assert_true(reaches_soon(f, NULL, f->a, 6000)); /* host_to_containers */
	assert_true(reaches_soon(f, NULL, f->b, 5000));
	apply(f, POLICY_NOHOST);
	assert_false(reaches(f, f->a, NULL, 7000));
	assert_true(reaches_soon(f, f->a, f->b, 5000));
}

static void reload_ends_flows_to_the_host(void **state)
{
	struct fixture *f = *state;
	int client, server;

	apply(f, POLICY_HOST);
	client = lab_connect(&f->lab, f->a, NULL, ADDR_V4, 7000, 1000);
	assert_true(client >= 0);
	server = lab_accept(f->at_host);
	for (int i = 0; i < 5; i++) {
		apply(f, POLICY_HOST);
		assert_true(lab_talks(client, server, 1000));
		assert_true(lab_talks(server, client, 1000));
	}
	apply(f, POLICY_NOHOST);
	assert_false(lab_talks(client, server, 600));
	close(client);
	close(server);
}

static void new_port_is_closed_both_ways(void **state)
{
	struct fixture *f = *state;
	struct lab_box *late;
	int listener;

	apply(f, POLICY_HOST);
	late = lab_box_add(&f->lab, "a2");
	listener = lab_listen(&f->lab, late, ADDR_V4, 6000);
	assert_false(reaches(f, late, f->b, 5000));
	assert_false(reaches(f, late, NULL, 7000));
	assert_false(reaches(f, NULL, late, 6000));
	apply(f, POLICY_HOST);
	assert_true(reaches_soon(f, late, f->b, 5000));
	assert_true(reaches_soon(f, late, NULL, 7000));
	assert_true(reaches_soon(f, NULL, late, 6000));
	close(listener);
}

static void enforced_while_the_daemon_is_away(void **state)
{
	struct fixture *f = *state;
	int client, server, to_host, at_host, listener;
	struct lab_box *late;

	apply(f, POLICY_HOST);
	client = lab_connect(&f->lab, f->a, f->b, ADDR_V4, 5000, 1000);
	assert_true(client >= 0);
	server = lab_accept(f->at_b);
	to_host = lab_connect(&f->lab, f->a, NULL, ADDR_V4, 7000, 1000);
	assert_true(to_host >= 0);
	at_host = lab_accept(f->at_host);
	gate_stop(f);

	assert_true(lab_talks(client, server, 1000));
	assert_true(lab_talks(to_host, at_host, 1000));
	assert_false(reaches(f, f->b, f->a, 6000));
	assert_false(reaches(f, f->b, NULL, 7000));
	late = lab_box_add(&f->lab, "a2");
	listener = lab_listen(&f->lab, late, ADDR_V4, 6000);
	assert_false(reaches(f, late, NULL, 7000));
	assert_false(reaches(f, NULL, late, 6000));

	gate_start(f);
	assert_true(lab_talks(client, server, 1000));
	assert_true(lab_talks(to_host, at_host, 1000));
	assert_false(reaches(f, late, NULL, 7000));
	f->lab.generation = gate_generation(f->gate);
	apply(f, POLICY_HOST);
	is_whole(f);
	assert_true(lab_talks(client, server, 1000));
	assert_true(lab_talks(to_host, at_host, 1000));
	assert_true(reaches_soon(f, late, NULL, 7000));
	close(client);
	close(server);
	close(to_host);
	close(at_host);
	close(listener);
}

static void failed_apply_keeps_the_old_policy(void **state)
{
	struct fixture *f = *state;
	struct error error = {0};
	struct prefix prefix;
	int client, server;

	apply(f, POLICY_HOST);
	client = lab_connect(&f->lab, f->a, f->b, ADDR_V4, 5000, 1000);
	assert_true(client >= 0);
	server = lab_accept(f->at_b);
	lab_desire(&f->lab, POLICY_NOHOST);
	assert_int_equal(prefix_parse("64:ff9b::/96", &prefix, NULL), 0);
	while (f->lab.table->nat64.count <= BH_NAT64_MAX) {
		struct prefix *added = LAB_APPEND(&f->lab.table->nat64);

		*added = prefix;
	}
	assert_int_equal(gate_apply(f->gate, &f->lab.desired, &error), -E2BIG);
	assert_non_null(strstr(error.text, "NAT64"));
	assert_int_equal(gate_generation(f->gate), 1);
	assert_true(reaches_soon(f, f->a, NULL, 7000));
	assert_true(lab_talks(client, server, 1000));
	apply(f, POLICY_NOHOST);
	assert_false(reaches(f, f->a, NULL, 7000));
	assert_true(lab_talks(client, server, 1000));
	close(client);
	close(server);
}

static void counts_and_tells(void **state)
{
	struct fixture *f = *state;
	struct bh_port_counters counters;
	struct bh_counter counter;
	uint64_t hits = 0;
	json_t *status;

	apply(f, POLICY_HOST);
	assert_true(reaches_soon(f, f->a, f->b, 5000));
	assert_true(reaches_soon(f, f->a, NULL, 7000));
	assert_false(reaches(f, f->b, NULL, 7000));
	for (size_t i = 0; i < f->lab.table->decisions.count; i++) {
		const struct decision *decision = &f->lab.table->decisions.items[i];

		if (decision->rule < 0)
			continue;
		assert_int_equal(gate_rule_counter(f->gate, decision->number, &counter), 0);
		assert_true(counter.packets > 0);
		hits++;
	}
	assert_int_equal(hits, 2);
	assert_int_equal(gate_port_counters(f->gate, f->a->ifindex, &counters), 0);
	assert_true(counters.allowed[0].packets > 0 && counters.allowed[1].packets > 0);
	assert_int_equal(gate_port_counters(f->gate, 4242, &counters), 0);
	assert_int_equal(counters.allowed[0].packets, 0);
	assert_true(gate_port_flows(f->gate, f->a->ifindex) >= 1);
	assert_int_equal(gate_port_flows(f->gate, 4242), 0);

	status = gate_status(f->gate);
	assert_string_equal(json_string_value(json_object_get(status, "stamp_mask")), "0xfff80000");
	assert_int_equal(json_integer_value(json_object_get(json_object_get(status, "tc"), "ports")), 2);
	assert_true(json_is_true(json_object_get(json_object_get(status, "tc"), "healthy")));
	assert_true(json_is_true(json_object_get(json_object_get(status, "nft"), "healthy")));
	json_decref(status);
}

static void uninstall_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	struct error error = {0};

	apply(f, POLICY_NOHOST);
	gate_stop(f);
	assert_false(reaches(f, f->a, NULL, 7000));
	if (gate_uninstall(&f->options, lab_ignore_line, NULL, &error) < 0)
		fail_msg("%s", error.text);
	assert_int_equal(access(LAB_PIN_DIR, F_OK), -1);
	lab_run(&f->lab, NULL, "test -z \"$(nft list ruleset)\"");
	assert_true(reaches_soon(f, f->a, NULL, 7000));
	assert_true(reaches_soon(f, f->b, f->a, 6000));
	assert_int_equal(gate_uninstall(&f->options, lab_ignore_line, NULL, &error), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(door_closes_before_any_policy, setup, teardown),
		cmocka_unit_test_setup_teardown(containers_and_host, setup, teardown),
		{"containers_and_host (old kernel)", containers_and_host, setup_old_kernel, teardown, NULL},
		cmocka_unit_test_setup_teardown(reload_ends_flows_to_the_host, setup, teardown),
		cmocka_unit_test_setup_teardown(new_port_is_closed_both_ways, setup, teardown),
		cmocka_unit_test_setup_teardown(enforced_while_the_daemon_is_away, setup, teardown),
		{"enforced_while_the_daemon_is_away (old kernel)", enforced_while_the_daemon_is_away, setup_old_kernel,
		 teardown, NULL},
		cmocka_unit_test_setup_teardown(failed_apply_keeps_the_old_policy, setup, teardown),
		cmocka_unit_test_setup_teardown(counts_and_tells, setup, teardown),
		cmocka_unit_test_setup_teardown(uninstall_leaves_nothing, setup, teardown),
		{"uninstall_leaves_nothing (old kernel)", uninstall_leaves_nothing, setup_old_kernel, teardown, NULL},
	};

	if (!lab_allowed()) {
		printf("1..0 # SKIP namespaces or the BPF file system are not allowed here (not root?)\n");
		return 0;
	}
	cmocka_set_test_filter(getenv("TEST_FILTER"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
