/* SPDX-License-Identifier: GPL-2.0-only */
/* Lines found by the index are those found by counting, in texts with few and many lines, short and long ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "policy/source.h"

#define TEXT_SIZE 300000u /* several checkpoints */

static uint32_t random_next(uint32_t *state)
{
	*state ^= *state << 13; /* Marsaglia, Xorshift RNGs, 2003 */
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

static size_t append(char *text, size_t at, const char *bytes)
{
	memcpy(text + at, bytes, strlen(bytes)); /* NOLINT(bugprone-not-null-terminated-result): in the middle */
	return at + strlen(bytes);
}

/* Lines of about `line` bytes, of characters of one to three bytes. */
static void fill(char *text, size_t size, uint32_t line, uint32_t *state)
{
	size_t i = 0;

	while (i + 3 < size) {
		uint32_t kind = random_next(state) % (line + 2);

		if (kind == 0)
			text[i++] = '\n';
		else if (kind % 5 == 1)
			i = append(text, i, "\xc3\xb6");
		else if (kind % 5 == 2)
			i = append(text, i, "\xe4\xb8\x96");
		else
			text[i++] = 'x';
	}
	while (i < size)
		text[i++] = 'y';
	text[size] = '\0';
}

static void check(struct source_lines *lines, uint32_t line, uint32_t column)
{
	struct place place = {.line = line, .column = column, .width = 1};
	size_t expected_length = 0, length = 0;
	const char *expected = source_line(lines->sources, &place, &expected_length);
	const char *found = source_lines_find(lines, &place, &length);
	uint32_t characters = 1;

	assert_ptr_equal(found, expected);
	assert_int_equal(length, expected_length);
	if (!expected)
		return;
	for (size_t i = 0; i + 1 < column && i < length; i++)
		characters += (expected[i] & 0xc0) != 0x80;
	assert_int_equal(source_lines_column(lines, &place), characters);
}

static void check_text(uint32_t line_length, bool bom, uint32_t seed)
{
	struct source source = {.path = (char *)"t", .text = malloc(TEXT_SIZE + 1), .size = TEXT_SIZE};
	struct sources sources = {.items = &source, .count = 1};
	struct source_lines lines;
	uint32_t last = 1, state = seed;

	assert_non_null(source.text);
	fill(source.text, TEXT_SIZE, line_length, &state);
	if (bom)
		append(source.text, 0, "\xef\xbb\xbf");
	for (size_t i = 0; i < TEXT_SIZE; i++)
		last += source.text[i] == '\n';
	source_lines_start(&lines, &sources);
	for (unsigned int i = 0; i < 300; i++)
		check(&lines, 1 + random_next(&state) % (last + 1), 1 + random_next(&state) % (2 * line_length + 5));
	check(&lines, 1, 1);
	check(&lines, last, 1);
	check(&lines, last, UINT32_MAX);
	check(&lines, last + 1, 1);
	check(&lines, UINT32_MAX, 1);
	source_lines_end(&lines);
	free(source.text);
}

static void test_lines_of_all_lengths(void **state)
{
	static const uint32_t lengths[] = {1, 2, 40, 3000, 70000, 1000000};

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
		for (uint32_t seed = 1; seed <= 4; seed++)
			check_text(lengths[i], seed % 2 == 0, seed);
}

static void test_texts_that_end_at_a_checkpoint(void **state)
{
	static char text[2 * 65536 + 2];
	struct source source = {.path = (char *)"t", .text = text};
	struct sources sources = {.items = &source, .count = 1};

	(void)state;
	for (size_t size = 65534; size <= 65538; size++) {
		struct source_lines lines;

		memset(text, 'x', size);
		text[size / 2] = '\n';
		text[size] = '\0';
		source.size = size;
		source_lines_start(&lines, &sources);
		check(&lines, 1, 5);
		check(&lines, 2, (uint32_t)size);
		check(&lines, 3, 1);
		text[size - 1] = '\n';
		source_lines_end(&lines);
		source_lines_start(&lines, &sources);
		check(&lines, 3, 1);
		check(&lines, 4, 1);
		source_lines_end(&lines);
	}
}

static void test_an_empty_text(void **state)
{
	struct source source = {.path = (char *)"t", .text = (char *)""};
	struct sources sources = {.items = &source, .count = 1};
	struct source_lines lines;

	(void)state;
	source_lines_start(&lines, &sources);
	check(&lines, 1, 1);
	check(&lines, 2, 1);
	source_lines_end(&lines);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines_of_all_lengths),
		cmocka_unit_test(test_texts_that_end_at_a_checkpoint),
		cmocka_unit_test(test_an_empty_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
