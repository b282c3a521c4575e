/* SPDX-License-Identifier: GPL-2.0-only */
/* The reasons of tc-bpf/abi.h, the table of src/flow/reason.c and docs/reasons.md say the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "flow/event.h"

#define TEXT_MAX (1u << 20)

/* Tests are run from the top of the tree. */
static char *read_text(const char *path)
{
	char *data = NULL, *text;
	size_t size;

	assert_int_equal(file_read(path, TEXT_MAX, &data, &size, NULL), 0);
	text = strdup(data);
	free(data);
	assert_non_null(text);
	return text;
}

static bool has_name(int reason)
{
	return strcmp(reason_name((enum bh_reason)reason), "unknown") != 0;
}

/* Calls fn for each "BH_NAME = NUMBER" of the enum but the last, which is no reason; returns how many there are. */
static size_t each_of_header(void (*fn)(int reason))
{
	char *text = read_text("tc-bpf/abi.h"), *at = strstr(text, "enum bh_reason {"), *end, *name;
	size_t count = 0;

	assert_non_null(at);
	end = strstr(at, "BH_REASON_MAX");
	assert_non_null(end);
	for (*end = '\0'; (name = strstr(at, "\tBH_")); count++) {
		char *number = strstr(name, " = ");

		assert_non_null(number);
		fn((int)strtol(number + 3, &at, 10));
	}
	free(text);
	return count;
}

static void check_named(int reason)
{
	if (!has_name(reason))
		fail_msg("reason %d of the header has no text", reason);
	assert_int_equal(reason_find(reason_name((enum bh_reason)reason)), reason);
	assert_string_not_equal(reason_sentence((enum bh_reason)reason), "");
}

static size_t named_count(void)
{
	size_t count = 0;

	for (int i = 0; i < BH_REASON_MAX; i++)
		count += has_name(i);
	return count;
}

static void test_header(void **state)
{
	(void)state;
	/* As many names as numbers: none stands for a number that was never given out. */
	assert_int_equal(each_of_header(check_named), named_count());
}

static void test_unknown(void **state)
{
	(void)state;
	assert_string_equal(reason_name((enum bh_reason)31), "unknown");
	assert_string_equal(reason_name(BH_REASON_MAX), "unknown");
	assert_string_equal(reason_name((enum bh_reason)255), "unknown");
	assert_string_equal(reason_sentence(BH_REASON_MAX), "a reason that this version does not know");
	assert_int_equal(reason_find("unknown"), -1);
	assert_int_equal(reason_find(""), -1);
}

/* A row of the page: | NUMBER | `NAME` | SENTENCE | WHAT TO DO | */
static void check_row(const char *row)
{
	char name[64], sentence[160], advice[8];
	int reason;

	if (sscanf(row, "| %d | `%63[^`]` | %159[^|]| %7[^|\n]", &reason, name, sentence, advice) != 4)
		fail_msg("docs/reasons.md: not a row with four columns: %.100s", row);
	assert_true(strlen(sentence) > 0);
	sentence[strlen(sentence) - 1] = '\0'; /* the blank before the bar */
	assert_in_range(reason, 0, BH_REASON_MAX - 1);
	assert_string_equal(name, reason_name((enum bh_reason)reason));
	assert_string_equal(sentence, reason_sentence((enum bh_reason)reason));
}

static void test_page(void **state)
{
	char *text = read_text("docs/reasons.md"), *rest, *line;
	bool seen[BH_REASON_MAX] = {false};
	int last = -1;

	(void)state;
	for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		int reason;

		if (sscanf(line, "| %d |", &reason) != 1)
			continue;
		check_row(line);
		assert_true(reason > last); /* by number, each once */
		last = reason;
		seen[reason] = true;
	}
	for (int i = 0; i < BH_REASON_MAX; i++)
		if (has_name(i) && !seen[i])
			fail_msg("docs/reasons.md says nothing of reason %d, %s", i, reason_name((enum bh_reason)i));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_header),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_page),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
