/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flow/event.h"
#include "table/table.h"

static struct decision the_decision = {
	.number = 7, .rule = 0, .place = {.line = 24}, .file = "shop.yaml", .text = "front → db"};

static const char *container(void *arg, uint32_t port_id, uint32_t ifindex)
{
	(void)arg;
	(void)port_id;
	return ifindex == 5 ? "web-1" : NULL;
}

static const char *container_at(void *arg, int family, const uint8_t *addr, uint32_t ifindex)
{
	(void)arg;
	(void)ifindex;
	return family == 4 && addr[3] == 3 ? "db\n1\xff" : NULL; /* a hostile name */
}

static const char *class_name(void *arg, uint32_t generation, uint32_t class)
{
	(void)arg;
	(void)generation;
	return class == 16 ? "shop/front" : class == 17 ? "shop/db+back" : NULL;
}

static const struct decision *decision(void *arg, uint32_t generation, uint32_t number)
{
	(void)arg;
	(void)generation;
	return number == 7 ? &the_decision : NULL;
}

static const struct event_names names = {
	.container = container, .container_at = container_at, .class_name = class_name, .decision = decision};

static struct bh_event tcp_event(void)
{
	struct bh_event event = {
		.time = 1500000000ull, /* 1.5 s after boot */
		.generation = 3,
		.ifindex = 5,
		.decision = 7,
		.src_class = 16,
		.dst_class = 17,
		.length = 74,
		.verdict = BH_EVENT_DENY,
		.reason = BH_DENY_RULE,
		.direction = BH_EVENT_FROM_PORT,
		.family = 4,
		.protocol = 6,
		.tcp_flags = 0x02,
		.ethertype = 0x0800,
		.source_port = 40000,
		.destination_port = 5432,
		.source = {10, 0, 0, 2},
		.destination = {10, 0, 0, 3},
	};

	return event;
}

static const char *text_at(const json_t *json, const char *object, const char *key)
{
	return json_string_value(json_object_get(object ? json_object_get(json, object) : json, key));
}

static void a_denied_connection_is_told_in_words(void **state)
{
	struct bh_event event = tcp_event();
	json_t *json = event_json(&event, &names, 1000000000ll * 1000);

	(void)state;
	assert_non_null(json);
	assert_string_equal(text_at(json, NULL, "time"), "1970-01-01T00:16:41.500Z");
	assert_string_equal(text_at(json, NULL, "verdict"), "deny");
	assert_string_equal(text_at(json, NULL, "reason"), "deny-rule");
	assert_string_equal(text_at(json, NULL, "service"), "tcp/5432");
	assert_string_equal(text_at(json, NULL, "tcp_flags"), "S");
	assert_string_equal(text_at(json, "from", "container"), "web-1");
	assert_string_equal(text_at(json, "from", "identity"), "shop/front");
	assert_string_equal(text_at(json, "from", "address"), "10.0.0.2");
	assert_string_equal(text_at(json, "to", "address"), "10.0.0.3");
	assert_string_equal(text_at(json, "rule", "file"), "shop.yaml");
	assert_int_equal(json_integer_value(json_object_get(json_object_get(json, "rule"), "line")), 24);
	json_decref(json);
}

static void hostile_names_are_escaped(void **state)
{
	struct bh_event event = tcp_event();
	json_t *json = event_json(&event, &names, 0);
	const char *name = text_at(json, "to", "container");

	(void)state;
	assert_non_null(name);
	assert_null(strchr(name, '\n'));
	assert_non_null(strstr(name, "\\xff"));
	json_decref(json);
}

static void icmp_is_named_as_a_policy_names_it(void **state)
{
	struct bh_event event = tcp_event();
	json_t *json;

	(void)state;
	event.protocol = 1;
	event.destination_port = 8 << 8;
	json = event_json(&event, &names, 0);
	assert_string_equal(text_at(json, NULL, "service"), "icmp/echo-request");
	json_decref(json);
}

static void arp_speaks_of_addresses(void **state)
{
	struct bh_event event = {.verdict = BH_EVENT_DENY, .reason = BH_DROP_ARP_TARGET, .ethertype = 0x0806};
	json_t *json;

	(void)state;
	memcpy(event.source, "\x0a\x00\x00\x02", 4);
	memcpy(event.destination, "\x0a\x00\x00\x03", 4);
	json = event_json(&event, &names, 0);
	assert_string_equal(text_at(json, NULL, "service"), "arp");
	assert_string_equal(text_at(json, "from", "address"), "10.0.0.2");
	assert_string_equal(text_at(json, "to", "address"), "10.0.0.3");
	assert_null(text_at(json, NULL, "protocol"));
	json_decref(json);
}

static void what_is_no_ip_has_an_ethertype(void **state)
{
	struct bh_event event = {.verdict = BH_EVENT_DENY, .reason = BH_DROP_ETHERTYPE, .ethertype = 0x88cc};
	json_t *json = event_json(&event, &names, 0);

	(void)state;
	assert_string_equal(text_at(json, NULL, "ethertype"), "0x88cc");
	assert_null(json_object_get(json, "protocol"));
	json_decref(json);
}

static void an_event_out_of_range_is_still_told(void **state)
{
	struct bh_event event;
	json_t *json;

	(void)state;
	memset(&event, 0xff, sizeof(event));
	json = event_json(&event, &names, 0);
	assert_non_null(json);
	assert_string_equal(text_at(json, NULL, "verdict"), "unknown");
	assert_string_equal(text_at(json, NULL, "reason"), "unknown");
	json_decref(json);
}

static json_t *stored(const char *verdict, const char *from, const char *from_identity, const char *to)
{
	return json_pack("{s:s,s:{s:s,s:s},s:{s:s}}", "verdict", verdict, "from", "container", from, "identity",
			 from_identity, "to", "container", to);
}

static void filters_choose(void **state)
{
	json_t *event = stored("would-deny", "web-1", "shop/front", "db-1");
	const struct {
		struct event_filter filter;
		bool matches;
	} cases[] = {
		{{.denied = true}, true},
		{{.from = "web-1"}, true},
		{{.from = "db-1"}, false},
		{{.to = "db-1"}, true},
		{{.zone = "shop"}, true},
		{{.zone = "sho"}, false},
		{{.zone = "shop/front"}, true},
		{{.from = "shop/front"}, true},
		{{.to = "web-1", .denied = true}, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_int_equal(event_matches(event, &cases[i].filter), cases[i].matches);
	json_decref(event);
	/* By the name of one that shares the port. */
	event = stored("deny", "web-1", "shop/front", "db-1");
	json_object_set_new(json_object_get(event, "from"), "others", json_pack("[s,s]", "log-1", "side-1"));
	assert_true(event_matches(event, &(struct event_filter){.from = "side-1"}));
	assert_false(event_matches(event, &(struct event_filter){.from = "side"}));
	assert_false(event_matches(event, &(struct event_filter){.to = "side-1"}));
	json_decref(event);
	event = stored("allow", "web-1", "shop", "db-1");
	assert_false(event_matches(event, &(struct event_filter){.denied = true}));
	json_decref(event);
}

struct seen {
	size_t count;
	json_int_t first, last;
};

static void see(void *arg, json_t *event)
{
	struct seen *seen = arg;
	json_int_t number = json_integer_value(json_object_get(event, "n"));

	if (seen->count++ == 0)
		seen->first = number;
	seen->last = number;
}

static void the_store_keeps_the_last_ones(void **state)
{
	struct event_store *store;
	struct event_filter all = {0};
	struct seen seen = {0};

	(void)state;
	assert_int_equal(event_store_new(&store), 0);
	for (json_int_t i = 0; i < (json_int_t)EVENTS_KEPT + 10; i++)
		assert_int_equal(event_store_add(store, json_pack("{s:s,s:I}", "verdict", "deny", "n", i)), 0);
	event_store_each(store, &all, EVENTS_KEPT * 2, see, &seen);
	assert_int_equal(seen.count, EVENTS_KEPT);
	assert_int_equal(seen.first, 10);
	seen = (struct seen){0};
	event_store_each(store, &all, 3, see, &seen);
	assert_int_equal(seen.count, 3);
	assert_int_equal(seen.last, EVENTS_KEPT + 9);
	event_store_free(store);
}

static void the_store_finds_the_last_ones_that_match(void **state)
{
	struct event_store *store;
	struct event_filter denied = {.denied = true};
	struct seen seen = {0};

	(void)state;
	assert_int_equal(event_store_new(&store), 0);
	event_store_each(store, &denied, 3, see, &seen);
	assert_int_equal(seen.count, 0);
	for (json_int_t i = 0; i < 10; i++)
		assert_int_equal(
			event_store_add(store, json_pack("{s:s,s:I}", "verdict", i % 2 ? "allow" : "deny", "n", i)), 0);
	event_store_each(store, &denied, 3, see, &seen);
	assert_int_equal(seen.count, 3);
	assert_int_equal(seen.first, 4);
	assert_int_equal(seen.last, 8);
	seen = (struct seen){0};
	event_store_each(store, &denied, 0, see, &seen);
	assert_int_equal(seen.count, 0);
	assert_int_equal(event_store_add(store, NULL), -ENOMEM);
	event_store_free(store);
}

static void every_reason_has_one_name(void **state)
{
	(void)state;
	for (int i = 0; i < BH_REASON_MAX; i++)
		if (strcmp(reason_name(i), "unknown") != 0)
			assert_int_equal(reason_find(reason_name(i)), i);
	assert_int_equal(reason_find("no such reason"), -1);
	assert_string_equal(reason_name(BH_REASON_MAX), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_denied_connection_is_told_in_words),
		cmocka_unit_test(hostile_names_are_escaped),
		cmocka_unit_test(icmp_is_named_as_a_policy_names_it),
		cmocka_unit_test(what_is_no_ip_has_an_ethertype),
		cmocka_unit_test(arp_speaks_of_addresses),
		cmocka_unit_test(an_event_out_of_range_is_still_told),
		cmocka_unit_test(filters_choose),
		cmocka_unit_test(the_store_keeps_the_last_ones),
		cmocka_unit_test(the_store_finds_the_last_ones_that_match),
		cmocka_unit_test(every_reason_has_one_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
