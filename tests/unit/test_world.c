/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "policy/world.h"

struct loaded {
	struct world world;
	struct sources sources;
	struct diagnostics diagnostics;
	struct error error;
	int result;
};

static void load(struct loaded *loaded, const char *text)
{
	memset(loaded, 0, sizeof(*loaded));
	loaded->result = world_load_text("world.yaml", text, strlen(text), &loaded->world, &loaded->sources,
					 &loaded->diagnostics, &loaded->error);
}

static void unload(struct loaded *loaded)
{
	world_free(&loaded->world);
	diagnostics_free(&loaded->diagnostics);
	for (size_t i = 0; i < loaded->sources.count; i++) {
		free(loaded->sources.items[i].path);
		free(loaded->sources.items[i].text);
	}
	array_free(&loaded->sources);
}

static void test_all_fields_are_read(void **state)
{
	static const char text[] = "version: 1\n"
				   "host: { addresses: [ 192.0.2.1, 'fd00::1' ], bridges: { shop_net: [ 10.0.0.0/24, "
				   "'fd01::/64' ], other: [ ] } }\n"
				   "containers:\n"
				   "  - name: web-1\n"
				   "    runtime: docker\n"
				   "    image: nginx:1.25\n"
				   "    labels: { tier: front, on: no, empty: }\n"
				   "    namespace: default\n"
				   "    cgroup: /docker/0123\n"
				   "    id: abc\n"
				   "    ports:\n"
				   "      - { interface: veth0, network: shop_net, mac: '02:42:0a:00:00:02', "
				   "addresses: [ 10.0.0.2, 'fd01::2' ] }\n"
				   "      - { network: back, addresses: 10.1.0.2 }\n"
				   "  - name: bare\n";
	struct loaded loaded;
	const struct world_port *port;

	(void)state;
	load(&loaded, text);
	assert_int_equal(loaded.result, 0);
	assert_int_equal(loaded.world.host_addresses.count, 2);
	assert_int_equal(loaded.world.bridges.count, 2);
	assert_string_equal(loaded.world.bridges.items[0].name, "shop_net");
	assert_int_equal(loaded.world.bridges.items[0].subnets.count, 2);
	assert_int_equal(loaded.world.bridges.items[1].subnets.count, 0);
	assert_int_equal(loaded.world.containers.count, 2);
	assert_string_equal(loaded.world.containers.items[0].image, "nginx:1.25");
	assert_string_equal(loaded.world.containers.items[0].id, "abc");
	assert_int_equal(loaded.world.containers.items[0].labels.count, 3);
	assert_string_equal(loaded.world.containers.items[0].labels.items[1].value, "no");
	assert_string_equal(loaded.world.containers.items[0].labels.items[2].value, "");
	assert_null(loaded.world.containers.items[1].runtime);
	assert_int_equal(loaded.world.ports.count, 2);
	port = &loaded.world.ports.items[0];
	assert_int_equal(port->container, 0);
	assert_string_equal(port->interface, "veth0");
	assert_int_equal(port->mac.bytes[5], 2);
	assert_int_equal(port->addresses.count, 2);
	/* One number a network: the bridge of that name has it too. */
	assert_int_not_equal(port->domain, 0);
	assert_int_equal(port->domain, loaded.world.bridges.items[0].domain);
	assert_int_not_equal(loaded.world.ports.items[1].domain, port->domain);
	assert_int_not_equal(loaded.world.ports.items[1].domain, 0);
	assert_int_equal(loaded.world.ports.items[1].addresses.count, 1);
	unload(&loaded);
}

static void test_little_is_enough(void **state)
{
	static const char *const texts[] = {
		"version: 1\n",
		"version: 1\nhost:\ncontainers:\n",
		"version: 1\nhost: { addresses: , bridges: }\ncontainers: [ ]\n",
		"version: 1\ncontainers: { name: x }\n", /* one instead of a list of one */
		"version: 1\ncontainers: [ { name: x, labels: , ports: } ]\n",
		"version: 1\ncontainers: [ { name: x, ports: [ { addresses: } ] } ]\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct loaded loaded;

		load(&loaded, texts[i]);
		if (loaded.result != 0)
			fail_msg("%s: %s", texts[i],
				 loaded.diagnostics.count ? loaded.diagnostics.items[0].message : "");
		unload(&loaded);
	}
}

static void test_errors_are_found_in_place(void **state)
{
	static const struct {
		const char *text, *message;
		uint32_t line;
	} cases[] = {
		{"", "empty", 1},
		{"version: 2\n", "version", 1},
		{"host: { }\n", "version", 1},
		{"- a\n", "a mapping", 1},
		{"version: 1\nhosts: { }\n", "did you mean 'host'", 2},
		{"version: 1\nhost: [ ]\n", "a mapping for 'host'", 2},
		{"version: 1\nhost: { addresses: [ 10.0.0.300 ] }\n", "10.0.0.300", 2},
		{"version: 1\nhost: { bridges: [ a ] }\n", "a mapping for 'bridges'", 2},
		{"version: 1\nhost:\n  bridges:\n    a: [ 10.0.0.0/8 ]\n    b: [ 10.1.0.0/16 ]\n",
		 "overlap at 10.1.0.0/16", 5},
		{"version: 1\nhost: { bridges: { a: [ 10.0.0.0/33 ] } }\n", "10.0.0.0/33", 2},
		{"version: 1\ncontainers: [ x ]\n", "a mapping for 'containers'", 2},
		{"version: 1\ncontainers: [ { image: x } ]\n", "needs a 'name'", 2},
		{"version: 1\ncontainers: [ { name: [ x ] } ]\n", "'name'", 2},
		{"version: 1\ncontainers: [ { name: '' } ]\n", "'name'", 2},
		{"version: 1\ncontainers: [ { name: x, imag: y } ]\n", "did you mean 'image'", 2},
		{"version: 1\ncontainers: [ { name: x, labels: [ a ] } ]\n", "a mapping for 'labels'", 2},
		{"version: 1\ncontainers: [ { name: x, labels: { a: [ b ] } } ]\n", "a word for 'labels'", 2},
		{"version: 1\ncontainers: [ { name: x, ports: [ y ] } ]\n", "a mapping for 'ports'", 2},
		{"version: 1\ncontainers: [ { name: x, ports: [ { mac: 02-42 } ] } ]\n", "02-42", 2},
		{"version: 1\ncontainers: [ { name: x, ports: [ { adresses: [ ] } ] } ]\n", "did you mean 'addresses'",
		 2},
		{"version: 1\ncontainers: [ { name: x, ports: [ { addresses: [ 10.0.0.1/8 ] } ] } ]\n", "10.0.0.1/8",
		 2},
		{"version: 1\ncontainers:\n  - { name: x, ports: [ { network: n, addresses: [ 10.0.0.1 ] } ] }\n"
		 "  - { name: y, ports: [ { network: n, addresses: [ 10.0.0.1 ] } ] }\n",
		 "10.0.0.1 is given twice", 4},
		{"version: 1\ncontainers:\n  - { name: x, shares: y }\n", "there is no container 'y'", 3},
		{"version: 1\ncontainers:\n  - { name: x, shares: y }\n  - { name: y }\n",
		 "'y' has no ports of its own", 3},
		{"version: 1\ncontainers:\n  - { name: x, shares: x }\n", "'x' has no ports of its own", 3},
		{"version: 1\ncontainers:\n  - { name: x, ports: [ { addresses: [ 10.0.0.1 ] } ], shares: y }\n",
		 "has none of its own", 3},
		{"version: 1\ncontainers:\n  - { name: x, shares: [ y ] }\n", "'shares'", 3},
		{"version: 1\n---\nversion: 1\n", "one YAML document", 3},
		{"version: 1\nversion: 1\n", "version", 2},
		{"version: 1\nhost: [\n", "", 3},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct diagnostic *first;
		struct loaded loaded;

		load(&loaded, cases[i].text);
		assert_int_equal(loaded.result, -EINVAL);
		assert_int_not_equal(loaded.diagnostics.errors, 0);
		first = &loaded.diagnostics.items[0];
		if (!strstr(first->message, cases[i].message) || first->place.line != cases[i].line)
			fail_msg("%s: line %u: %s", cases[i].text, first->place.line, first->message);
		/* Untouched on failure. */
		assert_int_equal(loaded.world.containers.count, 0);
		unload(&loaded);
	}
}

static void test_equal_addresses_on_two_networks_are_fine(void **state)
{
	struct loaded loaded;

	(void)state;
	load(&loaded, "version: 1\ncontainers:\n"
		      "  - { name: x, ports: [ { network: n, addresses: [ 10.0.0.1 ] } ] }\n"
		      "  - { name: y, ports: [ { network: m, addresses: [ 10.0.0.1 ] } ] }\n");
	assert_int_equal(loaded.result, 0);
	unload(&loaded);
}

static void test_all_errors_are_found_in_one_pass(void **state)
{
	struct loaded loaded;

	(void)state;
	load(&loaded, "version: 1\nhost: { addresses: [ x, 10.0.0.1, y ] }\n"
		      "containers: [ { nam: z }, { name: a, ports: [ { mac: q } ] } ]\n");
	assert_int_equal(loaded.result, -EINVAL);
	assert_int_equal(loaded.diagnostics.errors, 5);
	unload(&loaded);
}

/* `count` containers, or as many subnets of one bridge. */
static char *world_of(size_t containers, size_t subnets)
{
	struct text text = {0};
	char *taken;

	text_append(&text, "version: 1\nhost: { bridges: { b: [ 192.0.2.0/30");
	for (size_t i = 1; i < subnets; i++)
		text_appendf(&text, ", 10.%zu.%zu.0/24", i / 256, i % 256);
	text_append(&text, " ] } }\ncontainers:\n");
	for (size_t i = 0; i < containers; i++)
		text_append(&text, " - { name: x }\n");
	taken = text_take(&text);
	assert_non_null(taken);
	return taken;
}

static void test_limits_hold_at_their_edge(void **state)
{
	static const struct {
		size_t containers, subnets;
		const char *message;
	} cases[] = {
		{WORLD_CONTAINERS_MAX, 1, NULL},
		{WORLD_CONTAINERS_MAX + 1, 1, "more than 100000 containers"},
		{1, 4096, NULL},
		{1, 4097, "more than 4096 subnets"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *text = world_of(cases[i].containers, cases[i].subnets);
		struct loaded loaded;

		load(&loaded, text);
		if (cases[i].message) {
			assert_int_equal(loaded.result, -EINVAL);
			assert_non_null(strstr(loaded.diagnostics.items[0].message, cases[i].message));
		} else {
			assert_int_equal(loaded.result, 0);
			assert_int_equal(loaded.world.containers.count, cases[i].containers);
		}
		unload(&loaded);
		free(text);
	}
}

static void test_a_file_that_is_not_there(void **state)
{
	struct diagnostics diagnostics = {0};
	struct sources sources = {0};
	struct error error = {0};
	struct world world;

	(void)state;
	assert_int_equal(world_load("/nonexistent/world.yaml", &world, &sources, &diagnostics, &error), -ENOENT);
	assert_non_null(strstr(error.text, "/nonexistent/world.yaml"));
	assert_int_equal(world_load("/dev", &world, &sources, &diagnostics, &error), -EINVAL);
	assert_int_equal(sources.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_fields_are_read),
		cmocka_unit_test(test_little_is_enough),
		cmocka_unit_test(test_errors_are_found_in_place),
		cmocka_unit_test(test_equal_addresses_on_two_networks_are_fine),
		cmocka_unit_test(test_all_errors_are_found_in_one_pass),
		cmocka_unit_test(test_limits_hold_at_their_edge),
		cmocka_unit_test(test_a_file_that_is_not_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
