/* SPDX-License-Identifier: GPL-2.0-only */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "policy/diagnostic.h"

/* A file of one line 31, as in the policy language's example, and others. */
static char shop[] = "\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n"
		     "  - { from: shop/frnt, to: shop/db, allow: tcp/5432 }\n"
		     "\ta:\t\xc3\xb6\xe4\xb8\x96\xcc\x81 b\r\n"
		     "x\x1b[1m\xe2\x80\x8by \xff z";
static char bom[] = "\xef\xbb\xbf"
		    "a: b\n";

static struct source items[] = {
	{.path = (char *)"policies/shop.yaml", .text = shop, .size = sizeof(shop) - 1},
	{.path = (char *)"bom\x1b.yaml", .text = bom, .size = sizeof(bom) - 1},
	{.path = (char *)"list.txt"},
};
static const struct sources sources = {.items = items, .count = 3};

static const char *printed(struct diagnostics *diagnostics, bool colour)
{
	static char buffer[65536];
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	diagnostics_print(diagnostics, &sources, colour, out);
	fclose(out);
	snprintf(buffer, sizeof(buffer), "%s", text);
	free(text);
	diagnostics_free(diagnostics);
	return buffer;
}

static struct place at(uint32_t file, uint32_t line, uint32_t column, uint32_t width)
{
	return (struct place){.file = file, .line = line, .column = column, .width = width};
}

static void test_it_looks_as_the_language_page_shows(void **state)
{
	struct diagnostics diagnostics = {0};
	struct place place = at(0, 31, 13, 9);

	(void)state;
	diagnostic_add(&diagnostics, SEVERITY_ERROR, &place, "unknown zone '%s' in 'from' (did you mean 'shop/front'?)",
		       "shop/frnt");
	assert_string_equal(printed(&diagnostics, false),
			    "policies/shop.yaml:31:13: error: unknown zone 'shop/frnt' in 'from' (did you mean "
			    "'shop/front'?)\n"
			    "   31 |   - { from: shop/frnt, to: shop/db, allow: tcp/5432 }\n"
			    "      |             ^~~~~~~~~\n"
			    "1 error\n");
}

static void test_colours(void **state)
{
	struct diagnostics diagnostics = {0};
	struct place place = at(0, 31, 3, 1);

	(void)state;
	diagnostic_add(&diagnostics, SEVERITY_ERROR, &place, "bad");
	assert_string_equal(printed(&diagnostics, true),
			    "\033[1mpolicies/shop.yaml:31:3: \033[0m\033[1;31merror: \033[0m\033[1mbad\033[0m\n"
			    "   31 |   - { from: shop/frnt, to: shop/db, allow: tcp/5432 }\n"
			    "      | \033[1;31m  ^\033[0m\n"
			    "1 error\n");
}

static void test_the_caret_stands_below_its_word(void **state)
{
	struct diagnostics diagnostics = {0};
	struct place wide = at(0, 32, 5, 7), after = at(0, 32, 13, 1), end = at(0, 32, 14, 1);

	(void)state;
	/* a tab is kept; ö is one column, the ideograph two, the combining accent none */
	diagnostic_add(&diagnostics, SEVERITY_WARNING, &wide, "one");
	diagnostic_add(&diagnostics, SEVERITY_WARNING, &after, "two");
	diagnostic_add(&diagnostics, SEVERITY_WARNING, &end, "three");
	assert_string_equal(printed(&diagnostics, false), "policies/shop.yaml:32:5: warning: one\n"
							  "   32 | \ta:\t\xc3\xb6\xe4\xb8\x96\xcc\x81 b\n"
							  "      | \t  \t^~~\n"
							  "policies/shop.yaml:32:9: warning: two\n"
							  "   32 | \ta:\t\xc3\xb6\xe4\xb8\x96\xcc\x81 b\n"
							  "      | \t  \t    ^\n"
							  "policies/shop.yaml:32:10: warning: three\n"
							  "   32 | \ta:\t\xc3\xb6\xe4\xb8\x96\xcc\x81 b\n"
							  "      | \t  \t     ^\n"
							  "3 warnings\n");
}

static void test_what_could_harm_a_terminal_is_escaped(void **state)
{
	struct diagnostics diagnostics = {0};
	struct place place = at(0, 33, 9, 1), path = at(1, 1, 1, 1);

	(void)state;
	diagnostic_add(&diagnostics, SEVERITY_ERROR, &place, "here");
	diagnostic_add(&diagnostics, SEVERITY_ERROR, &path, "there");
	assert_string_equal(printed(&diagnostics, false), "policies/shop.yaml:33:7: error: here\n"
							  "   33 | x\\x1b[1m\\xe2\\x80\\x8by \\xff z\n"
							  "      |                     ^\n"
							  "bom\\x1b.yaml:1:1: error: there\n"
							  "    1 | a: b\n"
							  "      | ^\n"
							  "2 errors\n");
}

static void test_sorted_by_place_with_notes_behind_their_finding(void **state)
{
	struct diagnostics diagnostics = {0};
	struct place list = at(2, 4, 1, 3), late = at(1, 1, 4, 1), early = at(0, 31, 5, 1);
	struct place whole = {.file = 2, .width = 1};

	(void)state;
	diagnostic_add(&diagnostics, SEVERITY_WARNING, &list, "in a list");
	diagnostic_add(&diagnostics, SEVERITY_ERROR, &late, "late");
	diagnostic_add(&diagnostics, SEVERITY_NOTE, &early, "because of this");
	diagnostic_add(&diagnostics, SEVERITY_ERROR, &early, "early");
	diagnostic_add(&diagnostics, SEVERITY_ERROR, &whole, "the whole file");
	assert_string_equal(printed(&diagnostics, false),
			    "policies/shop.yaml:31:5: error: early\n"
			    "   31 |   - { from: shop/frnt, to: shop/db, allow: tcp/5432 }\n"
			    "      |     ^\n"
			    "bom\\x1b.yaml:1:4: error: late\n"
			    "    1 | a: b\n"
			    "      |    ^\n"
			    "  policies/shop.yaml:31:5: note: because of this\n"
			    "     31 |   - { from: shop/frnt, to: shop/db, allow: tcp/5432 }\n"
			    "        |     ^\n"
			    "list.txt: error: the whole file\n"
			    "list.txt:4:1: warning: in a list\n"
			    "3 errors, 1 warning\n");
}

static void test_nothing_and_no_place(void **state)
{
	struct diagnostics diagnostics = {0};

	(void)state;
	assert_string_equal(printed(&diagnostics, false), "");
	diagnostic_add(&diagnostics, SEVERITY_ERROR, NULL, "nowhere");
	assert_string_equal(printed(&diagnostics, false), "error: nowhere\n1 error\n");
}

static void test_kept_up_to_the_limit(void **state)
{
	struct diagnostics diagnostics = {0};
	struct place place = at(0, 1, 1, 1);

	(void)state;
	for (unsigned int i = 0; i < DIAGNOSTICS_MAX; i++)
		diagnostic_add(&diagnostics, SEVERITY_ERROR, &place, "error %u", i);
	assert_int_equal(diagnostics.count, DIAGNOSTICS_MAX);
	diagnostic_add(&diagnostics, SEVERITY_ERROR, &place, "one too many");
	diagnostic_add(&diagnostics, SEVERITY_NOTE, &place, "its note");
	diagnostic_add(&diagnostics, SEVERITY_WARNING, &place, "a warning too many");
	assert_int_equal(diagnostics.count, DIAGNOSTICS_MAX);
	assert_int_equal(diagnostics.errors, DIAGNOSTICS_MAX + 1);
	assert_int_equal(diagnostics.warnings, 1);
	assert_non_null(strstr(printed(&diagnostics, false), "\n201 errors, 1 warning (2 not shown)\n"));
}

static void test_errors_take_the_place_of_warnings(void **state)
{
	struct diagnostics diagnostics = {0};
	struct place place = at(0, 1, 1, 1);

	(void)state;
	for (unsigned int i = 0; i < DIAGNOSTICS_MAX; i++) {
		diagnostic_add(&diagnostics, SEVERITY_WARNING, &place, "warning %u", i);
		diagnostic_add(&diagnostics, SEVERITY_NOTE, &place, "its note");
	}
	diagnostic_add(&diagnostics, SEVERITY_ERROR, &place, "the error");
	diagnostic_add(&diagnostics, SEVERITY_NOTE, &place, "the note");
	assert_int_equal(diagnostics.count, 2 * DIAGNOSTICS_MAX);
	assert_string_equal(diagnostics.items[diagnostics.count - 1].message, "the note");
	assert_string_equal(diagnostics.items[diagnostics.count - 2].message, "the error");
	assert_string_equal(diagnostics.items[diagnostics.count - 4].message, "warning 198");
	diagnostics_free(&diagnostics);
}

static void test_a_line_of_any_length_fits(void **state)
{
	struct source long_item = {.path = (char *)"long"};
	struct sources long_sources = {.items = &long_item, .count = 1};
	struct diagnostics diagnostics = {0};
	struct place place = at(0, 1, 100001, 50000);
	char *line = malloc(200001), *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	assert_non_null(line);
	assert_non_null(out);
	memset(line, 'x', 200000);
	line[200000] = '\0';
	long_item.text = line;
	long_item.size = 200000;
	diagnostic_add(&diagnostics, SEVERITY_ERROR, &place, "long");
	diagnostics_print(&diagnostics, &long_sources, false, out);
	fclose(out);
	assert_non_null(strstr(text, "long:1:100001: error: long\n    1 | ...xxx"));
	assert_non_null(strstr(text, "xxx...\n      |    "));
	assert_true(size < 600);
	free(text);
	free(line);
	diagnostics_free(&diagnostics);
}

static void test_lines_of_a_source(void **state)
{
	struct place first = at(1, 1, 1, 1), last = at(0, 33, 1, 1), beyond = at(0, 34, 1, 1), none = at(2, 1, 1, 1);
	struct place other = at(9, 1, 1, 1), whole = at(0, 0, 0, 1);
	size_t length = 99;

	(void)state;
	assert_memory_equal(source_line(&sources, &first, &length), "a: b", 4);
	assert_int_equal(length, 4);
	assert_non_null(source_line(&sources, &last, &length));
	assert_int_equal(length, strlen("x\x1b[1m\xe2\x80\x8by \xff z"));
	length = 99;
	assert_null(source_line(&sources, &beyond, &length));
	assert_null(source_line(&sources, &none, &length));
	assert_null(source_line(&sources, &other, &length));
	assert_null(source_line(&sources, &whole, &length));
	assert_int_equal(length, 99);
}

static void test_as_json(void **state)
{
	struct diagnostics diagnostics = {0};
	struct place place = at(0, 32, 12, 1), note = at(1, 1, 1, 1), whole = {.file = 2, .width = 1};
	json_t *findings;
	char *text;

	(void)state;
	diagnostic_add(&diagnostics, SEVERITY_WARNING, &whole, "all of it");
	diagnostic_add(&diagnostics, SEVERITY_ERROR, &place, "a \"quote\"");
	diagnostic_add(&diagnostics, SEVERITY_NOTE, &note, "see");
	diagnostic_add(&diagnostics, SEVERITY_ERROR, NULL, "nowhere");
	findings = diagnostics_json(&diagnostics, &sources);
	text = json_dumps(findings, JSON_COMPACT | JSON_SORT_KEYS);
	assert_string_equal(
		text,
		"[{\"message\":\"nowhere\",\"notes\":[],\"severity\":\"error\"},"
		"{\"column\":8,\"file\":\"policies/shop.yaml\",\"line\":32,\"message\":\"a \\\"quote\\\"\",\"notes\":["
		"{\"column\":1,\"file\":\"bom\\\\x1b.yaml\",\"line\":1,\"message\":\"see\",\"severity\":\"note\"}],"
		"\"severity\":\"error\"},"
		"{\"file\":\"list.txt\",\"message\":\"all of it\",\"notes\":[],\"severity\":\"warning\"}]");
	free(text);
	json_decref(findings);
	diagnostics_free(&diagnostics);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_it_looks_as_the_language_page_shows),
		cmocka_unit_test(test_colours),
		cmocka_unit_test(test_the_caret_stands_below_its_word),
		cmocka_unit_test(test_what_could_harm_a_terminal_is_escaped),
		cmocka_unit_test(test_sorted_by_place_with_notes_behind_their_finding),
		cmocka_unit_test(test_nothing_and_no_place),
		cmocka_unit_test(test_kept_up_to_the_limit),
		cmocka_unit_test(test_errors_take_the_place_of_warnings),
		cmocka_unit_test(test_a_line_of_any_length_fits),
		cmocka_unit_test(test_lines_of_a_source),
		cmocka_unit_test(test_as_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
