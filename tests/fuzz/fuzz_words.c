/* SPDX-License-Identifier: GPL-2.0-only */
/* The small parsers of base/: addresses, prefixes, MAC addresses, times, globs, escapes. What one of them takes must
 * come back the same through its text form; a glob must match as fnmatch(3) does. The input is two lines: a word or
 * pattern, and a text to match. */
#include <fnmatch.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "base/text.h"
#include "must.h"

/* fnmatch(3) takes exponential time for many stars. */
#define FNMATCH_PATTERN_MAX 24
#define INPUT_MAX	    512

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_addresses(const char *word)
{
	char addr_text[ADDR_TEXT_MAX], prefix_text[PREFIX_TEXT_MAX], mac_text[MAC_TEXT_MAX];
	struct prefix prefix, prefix_again;
	struct addr addr, addr_again;
	struct mac mac, mac_again;
	bool host_bits;

	if (addr_parse(word, &addr) == 0) {
		must(addr_parse(addr_format(&addr, addr_text), &addr_again) == 0);
		must(addr_equal(&addr, &addr_again));
	}
	if (prefix_parse(word, &prefix, NULL) == 0) {
		must(prefix_parse(prefix_format(&prefix, prefix_text), &prefix_again, &host_bits) == 0);
		must(prefix_compare(&prefix, &prefix_again) == 0 && !host_bits);
		addr = prefix_last(&prefix);
		must(prefix_holds(&prefix, &addr) && prefix_holds(&prefix, &prefix.addr));
	}
	if (mac_parse(word, &mac) == 0) {
		must(mac_parse(mac_format(&mac, mac_text), &mac_again) == 0);
		must(memcmp(&mac, &mac_again, sizeof(mac)) == 0);
	}
}

static void try_time(const char *word)
{
	int64_t ns, again;
	char text[32];

	if (time_parse(word, &ns) == 0) {
		must(time_parse(time_format(text, ns), &again) == 0);
		must(again <= ns && ns - again < INT64_C(1000000000));
	}
}

static void try_glob(const char *pattern, const char *text)
{
	const char *problem = glob_check(pattern);
	bool matches = glob_match(pattern, text);

	if (!problem && strlen(pattern) <= FNMATCH_PATTERN_MAX)
		must(matches == (fnmatch(pattern, text, 0) == 0));
}

static void try_escape(const char *word)
{
	struct text text = {0};
	char buffer[32];

	text_append_escaped(&text, word);
	must(text_is_utf8(text_string(&text), text.length));
	for (size_t i = 0; i < text.length; i++)
		must((unsigned char)text.data[i] >= 0x20 && text.data[i] != 0x7f);
	for (size_t room = 1; room <= sizeof(buffer); room++) {
		text_escape(buffer, room, word);
		must(strlen(buffer) < room && text_is_utf8(buffer, strlen(buffer)));
		if (text.length < room)
			must(strcmp(buffer, text_string(&text)) == 0);
	}
	text_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char word[INPUT_MAX + 1], *text;

	size = size < INPUT_MAX ? size : INPUT_MAX;
	memcpy(word, data, size);
	word[size] = '\0';
	text = strchr(word, '\n');
	if (text)
		*text++ = '\0';
	else
		text = word + strlen(word);
	try_addresses(word);
	try_time(word);
	try_glob(word, text);
	try_escape(word);
	try_escape(text);
	(void)text_distance(word, text, 3);
	return 0;
}
