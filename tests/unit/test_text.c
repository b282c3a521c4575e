/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <fnmatch.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/text.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void test_a_text_grows(void **state)
{
	struct text text = {0};

	(void)state;
	assert_string_equal(text_string(&text), "");
	for (int i = 0; i < 1000; i++) {
		text_append(&text, "ab");
		text_append_bytes(&text, "cdX", 2);
		text_appendf(&text, "%d,", i % 10);
	}
	assert_int_equal(text.length, 6000);
	assert_int_equal(strlen(text_string(&text)), 6000);
	assert_memory_equal(text.data, "abcd0,abcd1,", 12);
	text_clear(&text);
	assert_string_equal(text_string(&text), "");
	text_append(&text, "again");
	assert_string_equal(text_string(&text), "again");
	text_free(&text);
	text_free(&text);
}

static void test_taking_leaves_nothing_behind(void **state)
{
	struct text text = {0};

	(void)state;
	char *taken = text_take(&text);
	assert_string_equal(taken, "");
	free(taken);
	text_append(&text, "words");
	taken = text_take(&text);
	assert_string_equal(taken, "words");
	assert_int_equal(text.length, 0);
	assert_null(text.data);
	free(taken);
}

static void test_a_failed_append_is_remembered(void **state)
{
	struct text text = {0};

	(void)state;
	text_append(&text, "kept");
	text_append_bytes(&text, "", SIZE_MAX - 2);
	assert_true(text.failed);
	text_append(&text, "more");
	text_appendf(&text, "%d", 1);
	assert_string_equal(text_string(&text), "kept");
	assert_null(text_take(&text));
	assert_false(text.failed);
}

static void test_untrusted_text_is_escaped(void **state)
{
	static const char *const cases[][2] = {
		{"", ""},
		{"web-1", "web-1"},
		{"Grüße €😀", "Grüße €😀"},
		{"a\\b", "a\\\\b"},
		{"\x1b[31mred\r\n", "\\x1b[31mred\\x0d\\x0a"},
		{"\x7f\t", "\\x7f\\x09"},
		{"\xc2\x9b", "\\xc2\\x9b"}, /* CSI of C1 */
		{"a\xe2\x80\xae!",	    /* turns the direction of writing; NOLINT(misc-misleading-bidirectional) */
		 "a\\xe2\\x80\\xae!"},
		{"\xe2\x80\xa8", "\\xe2\\x80\\xa8"}, /* line separator */
		{"\xff\xfe", "\\xff\\xfe"},
		{"\xc0\xaf", "\\xc0\\xaf"},		      /* overlong '/' */
		{"\xe2\x82", "\\xe2\\x82"},		      /* cut short */
		{"\xed\xa0\x80", "\\xed\\xa0\\x80"},	      /* a surrogate */
		{"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"}, /* above U+10FFFF */
	};
	char buffer[128];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct text text = {0};

		text_append_escaped(&text, cases[i][0]);
		assert_string_equal(text_string(&text), cases[i][1]);
		assert_string_equal(text_escape(buffer, sizeof(buffer), cases[i][0]), cases[i][1]);
		text_free(&text);
	}
}

static void test_an_escape_that_is_too_long_is_cut_between_characters(void **state)
{
	char buffer[16];

	(void)state;
	assert_string_equal(text_escape(buffer, 8, "1234567"), "1234567");
	assert_string_equal(text_escape(buffer, 8, "12345678"), "1234...");
	assert_string_equal(text_escape(buffer, 8, "123\n5678"), "123...");
	assert_string_equal(text_escape(buffer, 8, "123€5678"), "123...");
	assert_string_equal(text_escape(buffer, 8, "1€45678"), "1€...");
	assert_string_equal(text_escape(buffer, 3, "1234"), "..");
	assert_string_equal(text_escape(buffer, 1, "1"), "");
	assert_string_equal(text_escape(buffer, 0, "1"), "");
}

static void test_utf8_is_judged_as_unicode_says(void **state)
{
	static const struct {
		const char *bytes;
		bool good;
	} cases[] = {
		{"", true},
		{"abc", true},
		{"\xc2\x80", true},
		{"\xdf\xbf", true},
		{"\xe0\xa0\x80", true},
		{"\xef\xbf\xbf", true},
		{"\xf0\x90\x80\x80", true},
		{"\xf4\x8f\xbf\xbf", true},
		{"\x80", false},
		{"\xc1\xbf", false},
		{"\xe0\x9f\xbf", false},
		{"\xed\xbf\xbf", false},
		{"\xf0\x8f\xbf\xbf", false},
		{"\xf5\x80\x80\x80", false},
		{"\xf4\x90\x80\x80", false},
		{"\xc2", false},
		{"a\xe2\x82", false},
		{"\xc2\x20", false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_int_equal(text_is_utf8(cases[i].bytes, strlen(cases[i].bytes)), cases[i].good);
	assert_true(text_is_utf8("a\0b", 3));
	assert_true(text_is_utf8("\xe2\x82\xac", 3));
	assert_false(text_is_utf8("\xe2\x82\xac", 2));
}

static void test_distances(void **state)
{
	static const struct {
		const char *a, *b;
		unsigned int distance;
	} cases[] = {
		{"", "", 0},	      {"", "abc", 3},		{"abc", "abc", 0},	   {"abc", "abd", 1},
		{"abc", "acb", 1},    {"abcd", "badc", 2},	{"ca", "abc", 3},	   {"abc", "bc", 1},
		{"frnt", "front", 1}, {"kitten", "sitting", 3}, {"members", "memebrs", 1},
	};
	char longest[130];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		for (unsigned int limit = 0; limit < 8; limit++) {
			unsigned int wanted = cases[i].distance > limit ? limit + 1 : cases[i].distance;

			assert_int_equal(text_distance(cases[i].a, cases[i].b, limit), wanted);
			assert_int_equal(text_distance(cases[i].b, cases[i].a, limit), wanted);
		}
	}
	memset(longest, 'a', sizeof(longest));
	longest[128] = '\0';
	assert_int_equal(text_distance(longest, longest, 3), 0);
	longest[128] = 'a';
	longest[129] = '\0';
	assert_int_equal(text_distance(longest, longest, 3), 4);
}

/* The definition, straight: no rows, no limits. */
static unsigned int plain_distance(const char *a, size_t i, const char *b, size_t j)
{
	if (i == 0 || j == 0)
		return (unsigned int)(i + j);
	unsigned int best = plain_distance(a, i - 1, b, j - 1) + (a[i - 1] != b[j - 1]);
	unsigned int removed = plain_distance(a, i - 1, b, j) + 1, added = plain_distance(a, i, b, j - 1) + 1;

	best = removed < best ? removed : best;
	best = added < best ? added : best;
	if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
		unsigned int swapped = plain_distance(a, i - 2, b, j - 2) + 1;

		best = swapped < best ? swapped : best;
	}
	return best;
}

static void random_word(char *word, size_t most, const char *letters)
{
	size_t length = (size_t)rand() % (most + 1);

	for (size_t i = 0; i < length; i++)
		word[i] = letters[(size_t)rand() % strlen(letters)];
	word[length] = '\0';
}

static void test_random_distances_agree_with_the_definition(void **state)
{
	char a[8], b[8];

	(void)state;
	srand(3);
	for (int i = 0; i < 3000; i++) {
		random_word(a, 6, "abc");
		random_word(b, 6, "abc");
		unsigned int distance = plain_distance(a, strlen(a), b, strlen(b)), limit = (unsigned int)rand() % 7;

		assert_int_equal(text_distance(a, b, limit), distance > limit ? limit + 1 : distance);
	}
}

static void test_the_nearest_word_is_offered_if_it_is_near(void **state)
{
	static const char *const words[] = {"members", "groups", "subnets", "within", "mode"};

	(void)state;
	assert_string_equal(text_nearest("memebrs", words, COUNT(words)), "members");
	assert_string_equal(text_nearest("group", words, COUNT(words)), "groups");
	assert_string_equal(text_nearest("groups", words, COUNT(words)), "groups");
	assert_string_equal(text_nearest("mod", words, COUNT(words)), "mode");
	assert_null(text_nearest("description", words, COUNT(words)));
	assert_null(text_nearest("ab", words, COUNT(words)));
	assert_null(text_nearest("groups", NULL, 0));
}

static void test_globs_match_whole_words(void **state)
{
	static const struct {
		const char *pattern, *text;
		bool matches;
	} cases[] = {
		{"", "", true},
		{"", "a", false},
		{"*", "", true},
		{"*", "a/b.c", true},
		{"web-*", "web-", true},
		{"web-*", "xweb-1", false},
		{"web-?", "web-1", true},
		{"web-?", "web-", false},
		{"*web", "webweb", true},
		{"a*b*c", "aXbXbXc", true},
		{"a*b*c", "aXcXb", false},
		{"postgres*", "postgres:15", true},
		{"*/postgres:*", "docker.io/library/postgres:1", true},
		{"[a-c]x", "bx", true},
		{"[a-c]x", "dx", false},
		{"[!a-c]x", "dx", true},
		{"[]x]", "]", true},
		{"[!]]", "]", false},
		{"[a-]", "-", true},
		{"\\*", "*", true},
		{"\\*", "a", false},
		{"[\\]]", "]", true},
		{"Web", "web", false},
		{"[[:digit:]]", "7", true},
		{"[[:digit:]]", "x", false},
		{".*", ".hidden", true},
		{"*", ".hidden", true},
		{"?", "\xff", true},
		{"[\x80-\xff]", "\x90", true},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_null(glob_check(cases[i].pattern));
		assert_int_equal(glob_match(cases[i].pattern, cases[i].text), cases[i].matches);
		assert_int_equal(fnmatch(cases[i].pattern, cases[i].text, 0) == 0, cases[i].matches);
	}
}

static void test_broken_globs_are_refused(void **state)
{
	static const char *const cases[] = {
		"\\",	  "a\\",	 "[",	       "[a",  "[]",	  "[!]",      "[a-",	       "[\\]",
		"[z-a]",  "[[:foo:]]",	 "[[:alpha:]", "[[:", "[[.ab.]]", "[[=ab=]]", "[a-[:digit:]]", "[[.a.]-]",
		"x[[=a]", "[[:ALPHA:]]",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_non_null(glob_check(cases[i]));
	assert_true(glob_match("[a", "[a"));
	assert_false(glob_match("[z-a]", "b"));
	assert_false(glob_match("a\\", "a"));
	assert_false(glob_match("a\\", "a\\"));
}

static void random_pattern(char *pattern, size_t size)
{
	static const char *const parts[] = {"*",     "?",	  "[",		 "]",	      "!",    "^",   "-",
					    "\\",    "a",	  "b",		 "/",	      ".",    ":",   "=",
					    "\x80",  "\xff",	  "[a-c]",	 "[!a]",      "[]a]", "[a-", "[^]a]",
					    "[.a.]", "[[.a.]-c]", "[[:alpha:]]", "[:digit:]", "[=a=]"};
	int count = rand() % 8;

	pattern[0] = '\0';
	for (int i = 0; i < count; i++) {
		size_t length = strlen(pattern);

		snprintf(pattern + length, size - length, "%s", parts[(size_t)rand() % COUNT(parts)]);
	}
}

static void test_random_globs_match_as_fnmatch_does(void **state)
{
	char pattern[128], text[8];
	unsigned int matched = 0, compared = 0;

	(void)state;
	srand((unsigned int)time(NULL));
	for (int i = 0; i < 500000; i++) {
		random_pattern(pattern, sizeof(pattern));
		random_word(text, 5, "abc[]-\\:.=/!^*?\x80\xff");
		if (glob_check(pattern))
			continue;
		bool wanted = fnmatch(pattern, text, 0) == 0;

		compared++;
		matched += wanted;
		if (glob_match(pattern, text) != wanted)
			fail_msg("'%s' and '%s': fnmatch says %d", pattern, text, wanted);
	}
	/* The comparison is worth something only if both answers are common. */
	assert_true(compared > 100000);
	assert_true(matched > compared / 50);
}

static void test_many_stars_take_no_long_time(void **state)
{
	char text[4096], pattern[2048];

	(void)state;
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	for (size_t i = 0; i + 1 < sizeof(pattern); i++)
		pattern[i] = i % 2 ? 'a' : '*';
	pattern[sizeof(pattern) - 2] = 'b';
	pattern[sizeof(pattern) - 1] = '\0';
	assert_false(glob_match(pattern, text)); /* fnmatch(3) would not come back */
}

static void test_numbers_for_people(void **state)
{
	static const struct {
		uint64_t number;
		const char *bytes, *grouped;
	} numbers[] = {
		{0, "0 B", "0"},
		{999, "999 B", "999"},
		{1023, "1023 B", "1,023"},
		{1024, "1.0 KiB", "1,024"},
		{1572864, "1.5 MiB", "1,572,864"},
		{1048575, "1.0 MiB", "1,048,575"},
		{UINT64_MAX, "16.0 EiB", "18,446,744,073,709,551,615"},
	};
	static const struct {
		int64_t seconds;
		const char *ago;
	} times[] = {
		{0, "now"},
		{1, "1 second ago"},
		{59, "59 seconds ago"},
		{60, "1 minute ago"},
		{150, "2 minutes ago"},
		{3600, "1 hour ago"},
		{172800, "2 days ago"},
		{-120, "in 2 minutes"},
		{INT64_MIN, "in 106751991167300 days"},
	};
	char buffer[64];

	(void)state;
	for (size_t i = 0; i < COUNT(numbers); i++) {
		assert_string_equal(text_bytes(buffer, sizeof(buffer), numbers[i].number), numbers[i].bytes);
		assert_string_equal(text_grouped(buffer, sizeof(buffer), numbers[i].number), numbers[i].grouped);
	}
	for (size_t i = 0; i < COUNT(times); i++)
		assert_string_equal(text_ago(buffer, sizeof(buffer), times[i].seconds), times[i].ago);
	assert_string_equal(text_grouped(buffer, 4, 1234), "1,2");
}

static void test_times_are_parsed(void **state)
{
	static const struct {
		const char *text;
		int64_t ns;
	} cases[] = {
		{"1970-01-01T00:00:00Z", 0},
		{"1970-01-01t00:00:01z", INT64_C(1000000000)},
		{"1970-01-01T01:00:00+01:00", 0},
		{"1969-12-31T23:00:00-01:00", 0},
		{"1970-01-01T00:00:00-00:00", 0},
		{"2027-01-31T18:00:00Z", INT64_C(1801418400000000000)},
		{"2000-02-29T12:00:00.5Z", INT64_C(951825600500000000)},
		{"2000-02-29T12:00:00.1234567899Z", INT64_C(951825600123456789)},
		{"2016-12-31T23:59:60Z", INT64_C(1483228800000000000)},
		{"2017-01-01T00:59:60+01:00", INT64_C(1483228800000000000)},
		{"2262-04-11T23:47:16.854775807Z", INT64_MAX},
	};
	static const char *const wrong[] = {
		"",
		"2027-01-31",
		"2027-01-31T18:00:00",
		"2027-01-31 18:00:00Z",
		"2027-02-29T00:00:00Z",
		"2100-02-29T00:00:00Z",
		"2027-13-01T00:00:00Z",
		"2027-00-01T00:00:00Z",
		"2027-01-00T00:00:00Z",
		"2027-01-01T24:00:00Z",
		"2027-01-01T00:60:00Z",
		"2027-01-01T00:00:61Z",
		"2027-01-01T00:00:60Z",
		"2027-01-01T00:00:00.Z",
		"2027-01-01T00:00:00+24:00",
		"2027-01-01T00:00:00+0100",
		"2027-01-01T00:00:00Z ",
		" 2027-01-01T00:00:00Z",
		"2027-1-01T00:00:00Z",
		"27-01-01T00:00:00Z",
		"1969-12-31T23:59:59Z",
		"1970-01-01T00:00:00+00:01",
		"2262-04-11T23:47:16.854775808Z",
		"9999-12-31T23:59:59Z",
		"2027-01-01T00:00:00+01:60",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		int64_t ns = -1;

		assert_int_equal(time_parse(cases[i].text, &ns), 0);
		assert_int_equal(ns, cases[i].ns);
	}
	for (size_t i = 0; i < COUNT(wrong); i++) {
		int64_t ns = 77;

		assert_int_equal(time_parse(wrong[i], &ns), -EINVAL);
		assert_int_equal(ns, 77);
	}
}

static void test_times_are_formatted_and_read_back(void **state)
{
	char buffer[32];

	(void)state;
	assert_string_equal(time_format(buffer, 0), "1970-01-01T00:00:00Z");
	assert_string_equal(time_format(buffer, INT64_C(1801418400999999999)), "2027-01-31T18:00:00Z");
	assert_string_equal(time_format(buffer, -1), "1969-12-31T23:59:59Z");
	srand(5);
	for (int i = 0; i < 20000; i++) {
		int64_t seconds = ((int64_t)rand() << 16 ^ rand()) % INT64_C(9223372036), ns;

		assert_int_equal(time_parse(time_format(buffer, seconds * INT64_C(1000000000)), &ns), 0);
		assert_int_equal(ns, seconds * INT64_C(1000000000));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_text_grows),
		cmocka_unit_test(test_taking_leaves_nothing_behind),
		cmocka_unit_test(test_a_failed_append_is_remembered),
		cmocka_unit_test(test_untrusted_text_is_escaped),
		cmocka_unit_test(test_an_escape_that_is_too_long_is_cut_between_characters),
		cmocka_unit_test(test_utf8_is_judged_as_unicode_says),
		cmocka_unit_test(test_distances),
		cmocka_unit_test(test_random_distances_agree_with_the_definition),
		cmocka_unit_test(test_the_nearest_word_is_offered_if_it_is_near),
		cmocka_unit_test(test_globs_match_whole_words),
		cmocka_unit_test(test_broken_globs_are_refused),
		cmocka_unit_test(test_random_globs_match_as_fnmatch_does),
		cmocka_unit_test(test_many_stars_take_no_long_time),
		cmocka_unit_test(test_numbers_for_people),
		cmocka_unit_test(test_times_are_parsed),
		cmocka_unit_test(test_times_are_formatted_and_read_back),
	};

	return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
