/* SPDX-License-Identifier: GPL-2.0-only */
/* Every limit of the loader at its edge: what just fits is taken, one more is refused and named. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "policy/loader.h"
#include "policy_text.h"

static char folder[64];

static int make_folder(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/bulkhead-limits-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", folder);
	return system(command); /* NOLINT: a path of our own making */
}

static const char *path_of(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static void write_file(const char *name, const char *text, size_t size)
{
	int fd = open(path_of(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, size), (ssize_t)size);
	assert_int_equal(close(fd), 0);
}

/* The last finding about what a path holds, as "NAME:LINE: MESSAGE", "" when there is none. */
static const char *finding_at(const char *path)
{
	static char finding[512];
	struct diagnostics diagnostics = {0};
	struct error error = {0};
	struct policy *policy;
	int r = policy_load(&path, 1, 0, &policy, &diagnostics, &error);

	assert_true(r == 0 || r == -EINVAL);
	finding[0] = '\0';
	if (diagnostics.count) {
		const struct diagnostic *last = &diagnostics.items[diagnostics.count - 1];

		snprintf(finding, sizeof(finding), "%s:%u: %s",
			 strrchr(policy->sources.items[last->place.file].path, '/') + 1, last->place.line,
			 last->message);
	}
	policy_free(policy);
	diagnostics_free(&diagnostics);
	return finding;
}

/* Takes the text; what is found about it. */
static const char *finding_in(struct text *text)
{
	const char *finding;

	assert_false(text->failed);
	finding = finding_of(text->data, text->length);
	text_free(text);
	return finding;
}

static const char *many_lines(const char *head, const char *format, unsigned int count)
{
	struct text text = {0};

	text_append(&text, head);
	for (unsigned int i = 0; i < count; i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		text_appendf(&text, format, i);
#pragma GCC diagnostic pop
	}
	return finding_in(&text);
}

static void test_rules(void **state)
{
	static const char head[] = "version: 1\nrules:\n",
			  line[] = "- { name: r%u, from: host, to: world, allow: dns }\n";

	(void)state;
	assert_string_equal(many_lines(head, line, POLICY_RULES_MAX), "");
	assert_string_equal(many_lines(head, line, POLICY_RULES_MAX + 1),
			    "60003:3: the policy has more than 60000 rules");
}

static void test_zones(void **state)
{
	static const char head[] = "version: 1\nzones:\n", line[] = "  z%u: { members: { name: x } }\n";

	(void)state;
	assert_string_equal(many_lines(head, line, POLICY_ZONES_MAX), "");
	assert_string_equal(many_lines(head, line, POLICY_ZONES_MAX + 1),
			    "65537:3: the policy has more than 65534 zones");
}

static void test_groups(void **state)
{
	static const char head[] = "version: 1\nzones:\n z:\n  groups:\n",
			  line[] = "   g%u: { members: { name: x } }\n";

	(void)state;
	assert_string_equal(many_lines(head, line, POLICY_GROUPS_MAX), "");
	assert_string_equal(many_lines(head, line, POLICY_GROUPS_MAX + 1),
			    "65539:4: the policy has more than 65534 groups");
}

static void test_services(void **state)
{
	static const char head[] = "version: 1\nservices:\n", line[] = "  s%u: tcp/1\n";

	(void)state;
	assert_string_equal(many_lines(head, line, POLICY_SERVICES_MAX), "");
	assert_string_equal(many_lines(head, line, POLICY_SERVICES_MAX + 1),
			    "65537:3: the policy has more than 65534 services");
}

static void test_metadata_and_nat64(void **state)
{
	(void)state;
	/* ten and one are built in */
	assert_string_equal(
		many_lines("version: 1\nsettings:\n metadata:\n", "  - 10.0.0.%u\n", POLICY_METADATA_MAX - 10), "");
	assert_string_equal(
		many_lines("version: 1\nsettings:\n metadata:\n", "  - 10.0.0.%u\n", POLICY_METADATA_MAX - 9),
		"250:5: more than 256 metadata addresses");
	assert_string_equal(
		many_lines("version: 1\nsettings:\n nat64:\n", "  - \"fd00:%u::/96\"\n", POLICY_NAT64_MAX - 1), "");
	assert_string_equal(many_lines("version: 1\nsettings:\n nat64:\n", "  - \"fd00:%u::/96\"\n", POLICY_NAT64_MAX),
			    "67:5: more than 64 NAT64 prefixes");
}

/* A service of 1,000 pieces, and rules that name it: each use counts. */
static const char *services_of(unsigned int rules)
{
	struct text text = {0};

	text_append(&text, "version: 1\nservices:\n  big: [ ");
	for (unsigned int i = 0; i < 1000; i++)
		text_appendf(&text, "tcp/%u, ", i + 1);
	text_append(&text, "]\nrules:\n");
	for (unsigned int i = 0; i < rules; i++)
		text_append(&text, "- { from: any, to: host, allow: big }\n");
	return finding_in(&text);
}

static void test_pieces_of_services(void **state)
{
	(void)state;
	_Static_assert(POLICY_ATOMS_MAX == 4000000, "the arithmetic below");
	assert_string_equal(services_of(3999), "");
	assert_string_equal(services_of(4000), "4004:33: the services of this policy have more than 4000000 pieces");
}

static const char *named_rule(size_t length)
{
	struct text text = {0};

	text_append(&text, "version: 1\nrules: [ { name: ");
	for (size_t i = 0; i < length; i++)
		text_append(&text, "x");
	text_append(&text, ", from: any, to: host, allow: dns } ]\n");
	return finding_in(&text);
}

static void test_text(void **state)
{
	(void)state;
	assert_string_equal(named_rule(POLICY_TEXT_MAX), "");
	assert_string_equal(named_rule(POLICY_TEXT_MAX + 1), "2:18: the text in 'name' is longer than 1024 bytes");
}

/* All files share one budget of nodes: aliases are not free, and neither is a second file. */
static void test_nodes_of_all_files(void **state)
{
	struct loader loader = {0};
	struct document document;
	struct diagnostics diagnostics = {0};
	struct source source = {.path = (char *)"t", .text = (char *)"[ a, b ]", .size = 8};
	struct sources sources = {.items = &source, .count = 1};

	(void)state;
	loader.budget = (struct node_budget){.left = 5, .limit = POLICY_NODES_MAX};
	assert_int_equal(document_parse(&sources, 0, POLICY_DEPTH_MAX, &loader.budget, &document, &diagnostics), 0);
	assert_int_equal(loader.budget.left, 2);
	document_free(&document);
	assert_int_equal(document_parse(&sources, 0, POLICY_DEPTH_MAX, &loader.budget, &document, &diagnostics),
			 -EINVAL);
	assert_string_equal(diagnostics.items[0].message, "more than 4000000 YAML nodes");
	document_free(&document);
	diagnostics_free(&diagnostics);
}

static void test_prefixes(void **state)
{
	static const char policy[] = "version: 1\nnetworks:\n  a: { file: list }\n  b: 192.0.2.1\n";
	struct text text = {0};

	(void)state;
	for (unsigned int i = 0; i + 1 < POLICY_PREFIXES_MAX; i++)
		text_appendf(&text, "10.%u.%u.%u\n", i >> 16, i >> 8 & 255, i & 255);
	write_file("a.yaml", policy, strlen(policy));
	write_file("list", text.data, text.length);
	assert_string_equal(finding_at(path_of("a.yaml")), "");
	text_append(&text, "# one more\n192.0.2.2\n");
	write_file("list", text.data, text.length);
	assert_string_equal(finding_at(path_of("a.yaml")), "a.yaml:4: the policy has more than 1000000 prefixes");
	text_append(&text, "192.0.2.3\n");
	write_file("list", text.data, text.length);
	assert_string_equal(finding_at(path_of("a.yaml")), "list:1000002: the policy has more than 1000000 prefixes");
	text_free(&text);
}

/* A comment of that size behind a policy. */
static void write_padded(const char *name, const char *text, size_t size)
{
	char *padded = malloc(size);

	assert_non_null(padded);
	memset(padded, '#', size);
	memcpy(padded, text, strlen(text)); /* NOLINT(bugprone-not-null-terminated-result): a file, not a string */
	padded[size - 1] = '\n';
	write_file(name, padded, size);
	free(padded);
}

static void test_sizes_of_files(void **state)
{
	(void)state;
	write_padded("size.yaml", "version: 1\n", POLICY_FILE_SIZE_MAX);
	assert_string_equal(finding_at(path_of("size.yaml")), "");
	write_padded("size.yaml", "version: 1\n", POLICY_FILE_SIZE_MAX + 1);
	assert_string_equal(finding_at(path_of("size.yaml")), "size.yaml:0: larger than 16 MiB");
	write_padded("size.yaml", "version: 1\nnetworks: { n: { file: size.list } }\n", 100);
	write_padded("size.list", "192.0.2.1\n", POLICY_LIST_SIZE_MAX);
	assert_string_equal(finding_at(path_of("size.yaml")), "");
	write_padded("size.list", "192.0.2.1\n", POLICY_LIST_SIZE_MAX + 1);
	assert_non_null(strstr(finding_at(path_of("size.yaml")), "size.list' is larger than 64 MiB"));
}

static void test_number_of_files(void **state)
{
	char name[32];

	(void)state;
	assert_int_equal(mkdir(path_of("many"), 0700), 0);
	for (unsigned int i = 0; i < POLICY_FILES_MAX; i++) {
		snprintf(name, sizeof(name), "many/%04u.yaml", i);
		write_file(name, "version: 1\n", 11);
	}
	assert_string_equal(finding_at(path_of("many")), "");
	write_file("many/last.yaml", "version: 1\n", 11);
	assert_string_equal(finding_at(path_of("many")),
			    "1023.yaml:0: this is file 1024 of the policy, and 'last.yaml' would be one too many");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_zones),
		cmocka_unit_test(test_groups),
		cmocka_unit_test(test_services),
		cmocka_unit_test(test_metadata_and_nat64),
		cmocka_unit_test(test_pieces_of_services),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_nodes_of_all_files),
		cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_sizes_of_files),
		cmocka_unit_test(test_number_of_files),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
