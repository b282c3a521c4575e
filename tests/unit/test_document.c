/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "policy/document.h"

#define DEPTH 32u

struct parsed {
	struct source source;
	struct sources sources;
	struct document document;
	struct diagnostics diagnostics;
	struct node_budget budget;
	int r;
};

static void parse_bounded(struct parsed *parsed, const char *text, size_t size, unsigned int depth, size_t nodes)
{
	*parsed = (struct parsed){.budget = {.left = nodes, .limit = nodes}};
	parsed->source = (struct source){.path = "t", .text = malloc(size + 1), .size = size};
	assert_non_null(parsed->source.text);
	memcpy(parsed->source.text, text, size);
	parsed->source.text[size] = '\0';
	parsed->sources.items = &parsed->source;
	parsed->sources.count = 1;
	parsed->r =
		document_parse(&parsed->sources, 0, depth, &parsed->budget, &parsed->document, &parsed->diagnostics);
}

static void parse(struct parsed *parsed, const char *text)
{
	parse_bounded(parsed, text, strlen(text), DEPTH, 1000000);
}

static void done(struct parsed *parsed)
{
	document_free(&parsed->document);
	diagnostics_free(&parsed->diagnostics);
	free(parsed->source.text);
}

static const struct node *root_of(const struct parsed *parsed)
{
	assert_int_equal(parsed->r, 0);
	assert_int_equal(parsed->document.roots.count, 1);
	return parsed->document.roots.items[0];
}

static void assert_place(const struct node *node, uint32_t line, uint32_t column, uint32_t width)
{
	assert_int_equal(node->place.line, line);
	assert_int_equal(node->place.column, column);
	assert_int_equal(node->place.width, width);
}

/* The first finding as "LINE:COLUMN: MESSAGE". */
static void assert_finding(const struct parsed *parsed, const char *expected)
{
	const struct diagnostic *first = parsed->diagnostics.items;
	char found[512];

	assert_int_equal(parsed->r, -EINVAL);
	assert_true(parsed->diagnostics.count > 0);
	snprintf(found, sizeof(found), "%u:%u: %s", first->place.line, first->place.column, first->message);
	assert_string_equal(found, expected);
}

static void test_a_tree_of_words_lists_and_mappings(void **state)
{
	struct parsed parsed;
	const struct node *root, *key;

	(void)state;
	parse(&parsed, "a: x\nb: [ y, z ]\nc: { d: e }\nf:\n  - g\n  - h: i\n");
	root = root_of(&parsed);
	assert_int_equal(root->kind, NODE_MAPPING);
	assert_int_equal(root->count, 4);
	key = root->first;
	assert_string_equal(key->text, "a");
	assert_string_equal(key->next->text, "x");
	key = key->next->next;
	assert_int_equal(key->next->kind, NODE_LIST);
	assert_int_equal(key->next->count, 2);
	assert_string_equal(key->next->first->next->text, "z");
	assert_null(key->next->first->next->next);
	key = key->next->next;
	assert_int_equal(key->next->kind, NODE_MAPPING);
	assert_string_equal(key->next->first->next->text, "e");
	key = key->next->next;
	assert_int_equal(key->next->count, 2);
	assert_int_equal(key->next->first->next->kind, NODE_MAPPING);
	assert_null(key->next->next);
	done(&parsed);
}

static void test_places_are_those_of_the_text(void **state)
{
	struct parsed parsed;
	const struct node *key;

	(void)state;
	parse(&parsed, "key: value # comment\nlist: [ a, bb ]\nmap: { c: d }\nblock:\n  - \"quoted word\"\n"
		       "  - e: f\nfolded: >\n  two\n  lines\nlong: [ a,\n  b ]\n");
	key = root_of(&parsed)->first;
	assert_place(key, 1, 1, 3);
	assert_place(key->next, 1, 6, 5);
	key = key->next->next;
	assert_place(key->next, 2, 7, 9);
	assert_place(key->next->first->next, 2, 12, 2);
	key = key->next->next;
	assert_place(key->next, 3, 6, 8);
	key = key->next->next;
	assert_place(key->next, 5, 5, 13); /* a block list: its first item */
	assert_place(key->next->first, 5, 5, 13);
	assert_place(key->next->first->next, 6, 5, 1); /* a block mapping: its first key */
	key = key->next->next;
	assert_place(key->next, 7, 9, 1); /* to the end of its first line */
	key = key->next->next;
	assert_place(key->next, 10, 7, 4);
	assert_place(key->next->first->next, 11, 3, 1);
	done(&parsed);
}

static void test_columns_are_bytes_and_lines_are_those_of_editors(void **state)
{
	struct parsed parsed;
	const struct node *key;

	(void)state;
	/* ö takes two bytes; U+2028 is a line break to YAML 1.1 and to no editor */
	parse(&parsed, "\xef\xbb\xbf"
		       "a: { \"gr\xc3\xb6\xc3\x9f"
		       "er\": b }\r\nc: \"d\xe2\x80\xa8 e\" # f\r\ng: h\r\n");
	key = root_of(&parsed)->first;
	assert_place(key, 1, 1, 1);
	assert_place(key->next, 1, 4, 17);
	assert_place(key->next->first, 1, 6, 10);
	assert_place(key->next->first->next, 1, 18, 1);
	key = key->next->next;
	assert_place(key, 2, 1, 1);
	key = key->next->next;
	assert_place(key, 3, 1, 1);
	assert_place(key->next, 3, 4, 1);
	done(&parsed);
}

static void test_words_stay_as_they_were_written(void **state)
{
	static const char *const words[] = {"no", "on", "1e3", "0x10", "null", "~", "2027-01-31", "010", ".5", "<<"};
	struct parsed parsed;
	const struct node *item;

	(void)state;
	parse(&parsed, "[ no, on, 1e3, 0x10, null, ~, 2027-01-31, 010, .5, <<, \"quoted\", '' ]\n");
	item = root_of(&parsed)->first;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++, item = item->next) {
		assert_string_equal(item->text, words[i]);
		assert_int_equal(item->count, strlen(words[i]));
		assert_true(item->plain);
	}
	assert_string_equal(item->text, "quoted");
	assert_false(item->plain);
	assert_int_equal(item->next->count, 0);
	assert_false(item->next->plain);
	done(&parsed);
}

static void test_several_documents_without_the_empty_ones(void **state)
{
	struct parsed parsed;

	(void)state;
	parse(&parsed, "# nothing\n---\n---\na: b\n---\n- c\n...\n---\n# nothing\n");
	assert_int_equal(parsed.r, 0);
	assert_int_equal(parsed.document.roots.count, 2);
	assert_int_equal(parsed.document.roots.items[0]->kind, NODE_MAPPING);
	assert_int_equal(parsed.document.roots.items[1]->kind, NODE_LIST);
	done(&parsed);
	parse(&parsed, "");
	assert_int_equal(parsed.r, 0);
	assert_int_equal(parsed.document.roots.count, 0);
	done(&parsed);
}

static void test_aliases_share_what_they_name(void **state)
{
	struct parsed parsed;
	const struct node *a, *b;

	(void)state;
	parse(&parsed, "a: &x [ p, q ]\nb: *x\nc: &x r\nd: *x\n");
	a = root_of(&parsed)->first;
	b = a->next->next;
	assert_ptr_equal(a->next->first, b->next->first);
	assert_place(b->next, 1, 4, 11); /* where the text is */
	assert_string_equal(b->next->next->next->next->next->text, "r");
	/* root, 4 keys, list of 2, its alias, word, its alias */
	assert_int_equal(1000000 - parsed.budget.left, 1 + 4 + 3 + 3 + 1 + 1);
	done(&parsed);
}

static void test_an_alias_ends_with_its_document(void **state)
{
	struct parsed parsed;

	(void)state;
	parse(&parsed, "a: &x b\n---\nc: *x\n");
	assert_finding(&parsed, "3:4: the alias '*x' names nothing");
	done(&parsed);
}

/* `count` aliases of a list of `size` words: count * (size + 1) nodes. */
static char *alias_text(size_t size, size_t count)
{
	struct text text = {0};

	text_append(&text, "- &a [ ");
	for (size_t i = 0; i < size; i++)
		text_append(&text, "x, ");
	text_append(&text, "]\n");
	for (size_t i = 0; i < count; i++)
		text_append(&text, "- *a\n");
	return text_take(&text);
}

static void test_aliases_up_to_their_limit(void **state)
{
	struct parsed parsed;
	char *text = alias_text(999, DOCUMENT_ALIAS_NODES_MAX / 1000);

	(void)state;
	parse(&parsed, text);
	assert_int_equal(parsed.r, 0);
	free(text);
	done(&parsed);
	text = alias_text(999, DOCUMENT_ALIAS_NODES_MAX / 1000 + 1);
	parse(&parsed, text);
	assert_finding(&parsed, "102:3: the aliases of this file stand for more than 100000 YAML nodes");
	assert_int_equal(parsed.document.roots.count, 0);
	free(text);
	done(&parsed);
}

/* Ten lines that stand for 10^29 nodes: refused after few, which is what makes it quick. */
static void test_an_alias_bomb_costs_little(void **state)
{
	struct text text = {0};
	struct parsed parsed;

	(void)state;
	text_append(&text, "- &a0 [ x, x, x, x, x, x, x, x, x, x ]\n");
	for (int i = 1; i < 29; i++)
		text_appendf(&text, "- &a%d [ *a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d ]\n", i, i - 1,
			     i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
	parse(&parsed, text.data);
	assert_int_equal(parsed.r, -EINVAL);
	assert_true(1000000 - parsed.budget.left < 2 * DOCUMENT_ALIAS_NODES_MAX);
	text_free(&text);
	done(&parsed);
}

static void test_the_budget_of_nodes_is_kept(void **state)
{
	static const char text[] = "a: [ b, c ]\n"; /* 5 nodes */
	struct parsed parsed;

	(void)state;
	parse_bounded(&parsed, text, strlen(text), DEPTH, 5);
	assert_int_equal(parsed.r, 0);
	assert_int_equal(parsed.budget.left, 0);
	done(&parsed);
	parse_bounded(&parsed, text, strlen(text), DEPTH, 4);
	assert_finding(&parsed, "1:9: more than 4 YAML nodes");
	done(&parsed);
	parse_bounded(&parsed, "- &a [ b, c ]\n- *a\n", 19, DEPTH, 7);
	assert_int_equal(parsed.r, 0);
	done(&parsed);
	parse_bounded(&parsed, "- &a [ b, c ]\n- *a\n", 19, DEPTH, 6);
	assert_finding(&parsed, "2:3: more than 6 YAML nodes");
	done(&parsed);
}

static void test_depth_is_bounded_for_every_style(void **state)
{
	static const struct {
		const char *text;
		const char *finding; /* NULL: fine */
	} cases[] = {
		{"[[[]]]", NULL},
		{"[[[x]]]", NULL},
		{"[[[[]]]]", "1:4: nested more than 3 deep"},
		{"{ a: { b: { c: d } } }", NULL},
		{"{ a: { b: { c: {} } } }", "1:16: nested more than 3 deep"},
		{"- - - x\n", NULL},
		{"- - - - x\n", "1:7: nested more than 3 deep"},
		{"- &a [[x]]\n- *a\n", NULL},
		{"- &a [[]]\n- [ *a ]\n", "2:5: nested more than 3 deep"},
		{"- &a [ x ]\n- &b [ *a ]\n- [ *b ]\n", "3:5: nested more than 3 deep"},
	};
	struct parsed parsed;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		parse_bounded(&parsed, cases[i].text, strlen(cases[i].text), 3, 1000);
		if (cases[i].finding)
			assert_finding(&parsed, cases[i].finding);
		else
			assert_int_equal(parsed.r, 0);
		done(&parsed);
	}
}

static void test_deep_nesting_is_refused_without_reading_on(void **state)
{
	size_t size = 1 << 20;
	char *text = malloc(size);
	struct parsed parsed;

	(void)state;
	assert_non_null(text);
	memset(text, '[', size);
	parse_bounded(&parsed, text, size, DEPTH, 1000000);
	assert_finding(&parsed, "1:33: nested more than 32 deep");
	assert_int_equal(1000000 - parsed.budget.left, DEPTH);
	free(text);
	done(&parsed);
}

static void test_what_is_no_yaml_text(void **state)
{
	static const struct {
		const char *text;
		size_t size;
		const char *finding;
	} cases[] = {
		{"a: b\nc: \0\n", 10, "2:4: a NUL byte is not accepted"},
		{"a: \xff\n", 5, "1:4: not valid UTF-8"},
		{"a: \xe2\x82", 5, "1:4: not valid UTF-8"},
		{"a: \xc0\x80\n", 6, "1:4: not valid UTF-8"},
		{"a: \xed\xa0\x80\n", 7, "1:4: not valid UTF-8"},
		{"a: \xf4\x90\x80\x80\n", 8, "1:4: not valid UTF-8"},
		{"\xff\xfe"
		 "a\0",
		 4, "1:1: not valid UTF-8"},
		{"a: \x1b[0m\n", 8, "1:4: malformed YAML: control characters are not allowed"},
		{"%TAG !a! b\n---\n", 15, "1:1: YAML tag directives are not accepted"},
		{"a: \"\\0\"\n", 8, "1:4: a NUL character is not accepted"},
		{"a: !!int 1\n", 11, "1:4: the YAML tag 'tag:yaml.org,2002:int' is not accepted here"},
		{"[ a ]: b\n", 9, "1:1: a key must be a word"},
		{"a: b\na: c\n", 10, "2:1: 'a' is there twice"},
		{"a: *b\n", 6, "1:4: the alias '*b' names nothing"},
		{"a: &b [ *b ]\n", 13, "1:9: the alias '*b' stands within what it names"},
		{"a: [ b\n", 7, "2:1: malformed YAML: did not find expected ',' or ']'"},
	};
	struct parsed parsed;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		parse_bounded(&parsed, cases[i].text, cases[i].size, DEPTH, 1000);
		assert_finding(&parsed, cases[i].finding);
		done(&parsed);
	}
}

static void test_of_two_equal_keys_the_first_stays(void **state)
{
	struct text text = {0};
	struct parsed parsed;
	const struct node *root;

	(void)state;
	for (int i = 0; i < 40; i++)
		text_appendf(&text, "k%d: %d\n", i % 30, i); /* more keys than are compared one by one */
	parse(&parsed, text.data);
	assert_int_equal(parsed.r, -EINVAL);
	assert_int_equal(parsed.diagnostics.errors, 10);
	assert_int_equal(parsed.document.roots.count, 1);
	root = parsed.document.roots.items[0];
	assert_int_equal(root->count, 30);
	assert_string_equal(root->first->next->text, "0");
	assert_int_equal(parsed.diagnostics.items[1].severity, SEVERITY_NOTE);
	assert_int_equal(parsed.diagnostics.items[1].place.line, 1);
	text_free(&text);
	done(&parsed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_tree_of_words_lists_and_mappings),
		cmocka_unit_test(test_places_are_those_of_the_text),
		cmocka_unit_test(test_columns_are_bytes_and_lines_are_those_of_editors),
		cmocka_unit_test(test_words_stay_as_they_were_written),
		cmocka_unit_test(test_several_documents_without_the_empty_ones),
		cmocka_unit_test(test_aliases_share_what_they_name),
		cmocka_unit_test(test_an_alias_ends_with_its_document),
		cmocka_unit_test(test_aliases_up_to_their_limit),
		cmocka_unit_test(test_an_alias_bomb_costs_little),
		cmocka_unit_test(test_the_budget_of_nodes_is_kept),
		cmocka_unit_test(test_depth_is_bounded_for_every_style),
		cmocka_unit_test(test_deep_nesting_is_refused_without_reading_on),
		cmocka_unit_test(test_what_is_no_yaml_text),
		cmocka_unit_test(test_of_two_equal_keys_the_first_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
