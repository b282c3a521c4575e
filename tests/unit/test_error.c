/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/text.h"

static void test_a_sentence_is_set_and_its_code_returned(void **state)
{
	struct error error = {0};

	(void)state;
	assert_int_equal(error_set(&error, -ENOENT, "no port '%s'", "veth0"), -ENOENT);
	assert_int_equal(error.code, -ENOENT);
	assert_string_equal(error.text, "no port 'veth0'");
	assert_int_equal(error_set(&error, -EINVAL, "other"), -EINVAL);
	assert_int_equal(error.code, -EINVAL);
	assert_string_equal(error.text, "other");
}

static void test_without_an_error_only_the_code_counts(void **state)
{
	(void)state;
	assert_int_equal(error_set(NULL, -EPERM, "%d", 1), -EPERM);
	assert_int_equal(error_wrap(NULL, -EPERM, "%d", 1), -EPERM);
}

static void test_words_are_put_in_front(void **state)
{
	struct error error = {0};

	(void)state;
	error_set(&error, -ENOENT, "no such link");
	assert_int_equal(error_wrap(&error, -EIO, "port %d", 7), -ENOENT);
	assert_int_equal(error_wrap(&error, -EIO, "gate"), -ENOENT);
	assert_string_equal(error.text, "gate: port 7: no such link");
}

static void test_wrapping_what_is_not_set_sets_it(void **state)
{
	struct error error = {0};

	(void)state;
	assert_int_equal(error_wrap(&error, -EIO, "port %d", 7), -EIO);
	assert_int_equal(error.code, -EIO);
	assert_string_equal(error.text, "port 7");
}

static void test_the_old_sentence_may_be_an_argument(void **state)
{
	struct error error = {0};

	(void)state;
	error_set(&error, -EIO, "inner");
	error_set(&error, -EIO, "outer (%s)", error.text);
	assert_string_equal(error.text, "outer (inner)");
	error_wrap(&error, 0, "%s, again", error.text);
	assert_string_equal(error.text, "outer (inner), again: outer (inner)");
}

static void test_a_sentence_is_one_line(void **state)
{
	struct error error = {0};

	(void)state;
	error_set(&error, -EIO, "a\nb\r\nc");
	assert_string_equal(error.text, "a b  c");
}

static void test_long_sentences_are_cut_between_characters(void **state)
{
	struct error error = {0};
	char text[ERROR_TEXT_MAX * 2];

	(void)state;
	/* Every way that the end can fall into a character of two, three or four bytes. */
	for (size_t shift = 0; shift < 8; shift++) {
		static const char *const characters[] = {"é", "€", "😀"};

		for (size_t c = 0; c < 3; c++) {
			size_t length = shift, width = strlen(characters[c]);

			memset(text, 'x', shift);
			for (; length + width < sizeof(text); length += width)
				memcpy(text + length, characters[c], width);
			text[length] = '\0';
			error_set(&error, -EIO, "%s", text);
			assert_true(text_is_utf8(error.text, strlen(error.text)));
			assert_in_range(strlen(error.text), ERROR_TEXT_MAX - 4, ERROR_TEXT_MAX - 1);
		}
	}
	memset(text, 'x', sizeof(text));
	text[ERROR_TEXT_MAX - 1] = '\0';
	error_set(&error, -EIO, "%s", text);
	assert_string_equal(error.text, text);
	error_wrap(&error, -EIO, "words");
	assert_int_equal(strlen(error.text), ERROR_TEXT_MAX - 1);
	assert_memory_equal(error.text, "words: xxx", 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_sentence_is_set_and_its_code_returned),
		cmocka_unit_test(test_without_an_error_only_the_code_counts),
		cmocka_unit_test(test_words_are_put_in_front),
		cmocka_unit_test(test_wrapping_what_is_not_set_sets_it),
		cmocka_unit_test(test_the_old_sentence_may_be_an_argument),
		cmocka_unit_test(test_a_sentence_is_one_line),
		cmocka_unit_test(test_long_sentences_are_cut_between_characters),
	};

	return cmocka_run_group_tests_name("error", tests, NULL, NULL);
}
