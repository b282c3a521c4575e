/* SPDX-License-Identifier: GPL-2.0-only */
#include "policy/service.h"
#include "policy_text.h"

static const char *formatted(const struct service_atoms *atoms)
{
	static char buffer[1024];
	struct text text = {0};

	for (size_t i = 0; i < atoms->count; i++) {
		if (i)
			text_append(&text, " ");
		service_atom_format(&atoms->items[i], &text);
		if (atoms->items[i].without_tunnels)
			text_append(&text, "-tunnels");
	}
	snprintf(buffer, sizeof(buffer), "%s", text_string(&text));
	text_free(&text);
	return buffer;
}

static void test_each_word_has_its_meaning(void **state)
{
	static const struct {
		const char *word, *atoms;
	} cases[] = {
		{"all", "all"},
		{"tcp", "tcp"},
		{"udp", "udp"},
		{"sctp", "sctp"},
		{"icmp", "proto/1 proto/58"},
		{"dns", "udp/53 tcp/53"},
		{"http", "tcp/80"},
		{"https", "tcp/443 udp/443"},
		{"ssh", "tcp/22"},
		{"ntp", "udp/123"},
		{"ping", "icmp/echo-request icmpv6/echo-request"},
		{"tunnels", "proto/4 proto/41 proto/47 udp/4789 udp/8472 udp/6081"},
		{"tcp/1", "tcp/1"},
		{"udp/65535", "udp/65535"},
		{"sctp/1-65535", "sctp/1-65535"},
		{"tcp/80-80", "tcp/80"},
		{"proto/0", "proto/0"},
		{"proto/6", "tcp"},
		{"proto/17", "udp"},
		{"proto/132", "sctp"},
		{"proto/58", "proto/58"},
		{"proto/255", "proto/255"},
		{"icmp/echo-reply", "icmp/echo-reply"},
		{"icmp/8", "icmp/echo-request"},
		{"icmp/8/0", "icmp/echo-request/0"},
		{"icmp/3/4", "icmp/destination-unreachable/frag-needed"},
		{"icmp/destination-unreachable/admin-prohibited", "icmp/destination-unreachable/admin-prohibited"},
		{"icmp/255/255", "icmp/255/255"},
		{"icmp/18", "icmp/address-mask-reply"},
		{"icmpv6/128", "icmpv6/echo-request"},
		{"icmpv6/nd-neighbor-solicit", "icmpv6/nd-neighbor-solicit"},
		{"icmpv6/mld-listener-reduction", "icmpv6/mld-listener-done"},
		{"icmpv6/1/no-route", "icmpv6/destination-unreachable/no-route"},
		{"icmpv6/2", "icmpv6/packet-too-big"},
		{"icmpv6/143", "icmpv6/mld2-listener-report"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct service_atoms atoms = {0};
		struct error error = {0};

		assert_int_equal(service_parse(NULL, cases[i].word, &atoms, &error), 0);
		assert_string_equal(formatted(&atoms), cases[i].atoms);
		array_free(&atoms);
	}
}

static void test_every_icmp_type_comes_back_from_its_text(void **state)
{
	(void)state;
	for (unsigned int protocol = 0; protocol < 2; protocol++) {
		for (unsigned int number = 0; number < 65536; number += 7) {
			struct service_atom atom = {.kind = SERVICE_ICMP, .protocol = protocol ? 58 : 1};
			struct service_atoms atoms = {0};
			struct text text = {0};

			atom.low = (uint16_t)(number >> 8);
			atom.high = number & 1 ? SERVICE_CODE_ANY : number & 0xff;
			service_atom_format(&atom, &text);
			assert_int_equal(service_parse(NULL, text.data, &atoms, NULL), 0);
			assert_int_equal(atoms.count, 1);
			assert_int_equal(atoms.items[0].protocol, atom.protocol);
			assert_int_equal(atoms.items[0].low, atom.low);
			assert_int_equal(atoms.items[0].high, atom.high);
			array_free(&atoms);
			text_free(&text);
		}
	}
}

static void test_what_is_no_service(void **state)
{
	static const struct {
		const char *word, *error;
	} cases[] = {
		{"web", "unknown service 'web'"},
		{"", "unknown service ''"},
		{"TCP", "unknown service 'TCP'"},
		{"icmpv6", "unknown service 'icmpv6' (did you mean 'icmp'?)"},
		{"proto", "unknown service 'proto'"},
		{"/80", "unknown protocol '' in '/80': tcp, udp, sctp, icmp, icmpv6 or proto"},
		{"tcp/0", "bad port in 'tcp/0': ports are 1 to 65535, as PORT or LOW-HIGH"},
		{"tcp/65536", "bad port in 'tcp/65536': ports are 1 to 65535, as PORT or LOW-HIGH"},
		{"tcp/4294967376", "bad port in 'tcp/4294967376': ports are 1 to 65535, as PORT or LOW-HIGH"},
		{"tcp/1-65536", "bad port in 'tcp/1-65536': ports are 1 to 65535, as PORT or LOW-HIGH"},
		{"tcp/2-1", "bad port range in 'tcp/2-1': the lower port comes first"},
		{"tcp/1-2-3", "bad port in 'tcp/1-2-3': ports are 1 to 65535, as PORT or LOW-HIGH"},
		{"tcp/+1", "bad port in 'tcp/+1': ports are 1 to 65535, as PORT or LOW-HIGH"},
		{"udp/53/1", "bad port in 'udp/53/1': ports are 1 to 65535, as PORT or LOW-HIGH"},
		{"proto/256", "bad protocol in 'proto/256': proto/N is the number of an IP protocol, 0 to 255"},
		{"icmp/echo", "unknown ICMP type in 'icmp/echo'"},
		{"icmp/8/", "unknown ICMP code in 'icmp/8/'"},
		{"icmp/8/0/0", "unknown ICMP code in 'icmp/8/0/0'"},
		{"icmp/8/no-route", "unknown ICMP code in 'icmp/8/no-route'"},
		{"icmp/nd-redirect", "unknown ICMP type in 'icmp/nd-redirect' (did you mean 'redirect'?)"},
		{"ucp/1", "unknown protocol 'ucp' in 'ucp/1' (did you mean 'tcp'?)"},
		{"t\x1b/1", "unknown protocol 't\\x1b' in 't\\x1b/1': tcp, udp, sctp, icmp, icmpv6 or proto"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct service_atoms atoms = {0};
		struct error error = {0};

		assert_int_equal(service_parse(NULL, cases[i].word, &atoms, &error), -EINVAL);
		assert_int_equal(error.code, -EINVAL);
		assert_string_equal(error.text, cases[i].error);
		assert_int_equal(atoms.count, 0);
		array_free(&atoms);
	}
}

static void test_named_services_are_written_out(void **state)
{
	struct policy *policy = policy_of("version: 1\nservices:\n"
					  "  most: [ web, all ]\n"
					  "  web: [ http, https, tcp/8080-8090, http ]\n"
					  "  both: [ web, dns, web, tcp/443 ]\n");
	struct service_atoms atoms = {0};
	struct error error = {0};

	(void)state;
	assert_int_equal(service_parse(policy, "web", &atoms, &error), 0);
	assert_string_equal(formatted(&atoms), "tcp/80 tcp/443 udp/443 tcp/8080-8090");
	assert_int_equal(service_parse(policy, "ssh", &atoms, &error), 0);
	assert_string_equal(formatted(&atoms), "tcp/80 tcp/443 udp/443 tcp/8080-8090 tcp/22");
	atoms.count = 0;
	assert_int_equal(service_parse(policy, "both", &atoms, &error), 0);
	assert_string_equal(formatted(&atoms), "tcp/80 tcp/443 udp/443 tcp/8080-8090 udp/53 tcp/53");
	atoms.count = 0;
	assert_int_equal(service_parse(policy, "most", &atoms, &error), 0);
	assert_string_equal(formatted(&atoms), "tcp/80 tcp/443 udp/443 tcp/8080-8090 all");
	assert_int_equal(service_parse(policy, "least", &atoms, &error), -EINVAL);
	assert_string_equal(error.text, "unknown service 'least'");
	assert_int_equal(service_parse(policy, "bth", &atoms, &error), -EINVAL);
	assert_string_equal(error.text, "unknown service 'bth' (did you mean 'both'?)");
	array_free(&atoms);
	policy_free(policy);
}

static void test_an_allow_leaves_tunnels_out(void **state)
{
	struct policy *policy = policy_of("version: 1\n"
					  "services: { wide: [ udp, tcp/1 ] }\n"
					  "rules:\n"
					  "  - { from: any, to: host, allow: [ all, tcp, icmp ] }\n"
					  "  - { from: any, to: host, allow: [ wide, proto/17, udp/1-65535 ] }\n"
					  "  - { from: any, to: host, allow: [ udp, tunnels ] }\n"
					  "  - { from: host, to: any, deny: [ all, udp, wide ] }\n");
	static const char *const expected[] = {
		"all-tunnels tcp proto/1 proto/58",
		"udp-tunnels tcp/1 udp/1-65535",
		"udp-tunnels proto/4 proto/41 proto/47 udp/4789 udp/8472 udp/6081",
		"all udp tcp/1",
	};

	(void)state;
	for (size_t i = 0; i < 4; i++)
		assert_string_equal(formatted(&policy->rules.items[i].services), expected[i]);
	assert_string_equal(formatted(&policy->services.items[0].atoms), "udp tcp/1");
	policy_free(policy);
}

static void test_what_is_there_twice_is_taken_out_of_long_lists_too(void **state)
{
	struct service_atoms atoms = {0};

	(void)state;
	for (unsigned int i = 0; i < 1000; i++) {
		struct service_atom *atom = array_append(&atoms);

		assert_non_null(atom);
		*atom = (struct service_atom){.kind = SERVICE_PORTS, .protocol = 6};
		atom->low = atom->high = (uint16_t)(1 + i * 7 % 100);
	}
	service_atoms_unique(&atoms);
	assert_int_equal(atoms.count, 100);
	for (unsigned int i = 0; i < 100; i++)
		assert_int_equal(atoms.items[i].low, i + 1);
	array_free(&atoms);
}

static void test_one_atom_covers_another(void **state)
{
	static const struct {
		const char *outer, *inner;
		bool covers;
	} cases[] = {
		{"all", "all", true},
		{"all", "tcp", true},
		{"all", "icmp/8/1", true},
		{"tcp", "all", false},
		{"tcp", "tcp/1-65535", true},
		{"tcp", "udp/1", false},
		{"tcp/1-65535", "tcp", false},
		{"tcp/10-20", "tcp/10", true},
		{"tcp/10-20", "tcp/20", true},
		{"tcp/10-20", "tcp/9-10", false},
		{"tcp/10-20", "tcp/20-21", false},
		{"tcp/10-20", "sctp/15", false},
		{"icmp/8", "icmp/8/3", true},
		{"icmp/8/3", "icmp/8", false},
		{"icmp/8/3", "icmp/8/3", true},
		{"icmp/8", "icmpv6/8", false},
		{"proto/1", "icmp/8", true},
		{"proto/58", "icmp/8", false},
		{"udp/53", "udp", false},
		{"proto/17", "udp", true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct service_atoms atoms = {0};

		assert_int_equal(service_parse(NULL, cases[i].outer, &atoms, NULL), 0);
		assert_int_equal(service_parse(NULL, cases[i].inner, &atoms, NULL), 0);
		assert_int_equal(service_atom_covers(&atoms.items[0], &atoms.items[1]), cases[i].covers);
		array_free(&atoms);
	}
}

static void test_every_built_in_service_is_one(void **state)
{
	(void)state;
	for (size_t i = 0; i < service_reserved_count; i++) {
		struct service_atoms atoms = {0};
		int r = service_word_parse(service_reserved_names[i], &atoms, NULL);

		assert_int_equal(r, i < service_builtin_count ? 0 : -ENOENT);
		assert_int_equal(atoms.count > 0, i < service_builtin_count);
		array_free(&atoms);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_word_has_its_meaning),
		cmocka_unit_test(test_every_icmp_type_comes_back_from_its_text),
		cmocka_unit_test(test_what_is_no_service),
		cmocka_unit_test(test_named_services_are_written_out),
		cmocka_unit_test(test_an_allow_leaves_tunnels_out),
		cmocka_unit_test(test_what_is_there_twice_is_taken_out_of_long_lists_too),
		cmocka_unit_test(test_one_atom_covers_another),
		cmocka_unit_test(test_every_built_in_service_is_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
