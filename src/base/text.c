/* SPDX-License-Identifier: GPL-2.0-only */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

#define TEXT_FIRST_CAPACITY 64

/* The longest escape of one character: four bytes as \xNN. */
#define ESCAPE_MAX 16

/* Words longer than this are no typing errors of one another; it bounds the work of text_distance(). */
#define DISTANCE_WORD_MAX 128

void text_free(struct text *text)
{
	free(text->data);
	*text = (struct text){0};
}

void text_clear(struct text *text)
{
	text->length = 0;
	text->failed = false;
	if (text->data)
		text->data[0] = '\0';
}

/* Makes room for `more` bytes and the NUL. */
static bool text_reserve(struct text *text, size_t more)
{
	size_t needed, capacity = text->capacity < TEXT_FIRST_CAPACITY ? TEXT_FIRST_CAPACITY : text->capacity;
	char *data;

	if (__builtin_add_overflow(text->length, more, &needed) || __builtin_add_overflow(needed, 1, &needed)) {
		text->failed = true;
		return false;
	}
	if (needed <= text->capacity)
		return true;
	while (capacity < needed)
		capacity = capacity > SIZE_MAX / 2 ? needed : capacity * 2;
	data = realloc(text->data, capacity);
	if (!data) {
		text->failed = true;
		return false;
	}
	text->data = data;
	text->capacity = capacity;
	return true;
}

void text_append_bytes(struct text *text, const char *bytes, size_t length)
{
	if (text->failed || !text_reserve(text, length))
		return;
	if (length)
		memcpy(text->data + text->length, bytes, length);
	text->length += length;
	text->data[text->length] = '\0';
}

void text_append(struct text *text, const char *string)
{
	text_append_bytes(text, string, strlen(string));
}

void text_appendf(struct text *text, const char *format, ...)
{
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(NULL, 0, format, arguments);
	va_end(arguments);
	if (length < 0)
		text->failed = true;
	if (text->failed || !text_reserve(text, (size_t)length))
		return;
	va_start(arguments, format);
	vsnprintf(text->data + text->length, (size_t)length + 1, format, arguments);
	va_end(arguments);
	text->length += (size_t)length;
}

const char *text_string(const struct text *text)
{
	return text->data ? text->data : "";
}

char *text_take(struct text *text)
{
	char *data = NULL;

	if (!text->failed)
		data = text->data ? text->data : calloc(1, 1);
	if (data)
		text->data = NULL;
	text_free(text);
	return data;
}

/* The length of the well-formed UTF-8 sequence at the start of `bytes`, or 0; the table is Unicode's 3-7. The code
 * point goes to *ret_point. */
static size_t utf8_sequence(const unsigned char *bytes, size_t left, uint32_t *ret_point)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t length = bytes[0] < 0x80 ? 1 : bytes[0] >= 0xf0 ? 4 : bytes[0] >= 0xe0 ? 3 : 2;
	uint32_t point;

	if (bytes[0] >= 0x80 && (bytes[0] < 0xc2 || bytes[0] > 0xf4))
		return 0;
	if (length > left)
		return 0;
	point = length == 1 ? bytes[0] : bytes[0] & (0x7fu >> length);
	for (size_t i = 1; i < length; i++) {
		if ((bytes[i] & 0xc0) != 0x80)
			return 0;
		point = point << 6 | (bytes[i] & 0x3f);
	}
	if (point < least[length] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
		return 0;
	*ret_point = point;
	return length;
}

bool text_is_utf8(const char *bytes, size_t length)
{
	const unsigned char *c = (const unsigned char *)bytes;
	uint32_t point;

	while (length > 0) {
		size_t n = utf8_sequence(c, length, &point);

		if (n == 0)
			return false;
		c += n;
		length -= n;
	}
	return true;
}

/* C0, DEL and C1, what separates lines, and what turns the direction of writing: with those a name could make a
 * terminal show another. */
static bool utf8_is_control(uint32_t point)
{
	return point < 0x20 || (point >= 0x7f && point < 0xa0) || point == 0x061c ||
	       (point >= 0x200e && point <= 0x200f) || (point >= 0x2028 && point <= 0x202e) ||
	       (point >= 0x2066 && point <= 0x2069);
}

/* Escapes the first character of `untrusted` (not empty) into `out`, NUL-terminated; returns how many bytes it was. */
static size_t escape_one(const char *untrusted, char out[ESCAPE_MAX + 1], size_t *ret_length)
{
	const unsigned char *c = (const unsigned char *)untrusted;
	size_t left = strnlen(untrusted, 4), length = 0;
	uint32_t point = 0;
	size_t n = utf8_sequence(c, left, &point);
	bool plain = n > 0 && !utf8_is_control(point);

	if (n == 0)
		n = 1;
	if (plain && point == '\\') {
		memcpy(out, "\\\\", 2);
		length = 2;
	} else if (plain) {
		memcpy(out, untrusted, n);
		length = n;
	} else {
		for (size_t i = 0; i < n; i++, length += 4)
			snprintf(out + length, ESCAPE_MAX + 1 - length, "\\x%02x", c[i]);
	}
	out[length] = '\0';
	*ret_length = length;
	return n;
}

void text_append_escaped(struct text *text, const char *untrusted)
{
	char out[ESCAPE_MAX + 1];
	size_t length;

	while (*untrusted) {
		untrusted += escape_one(untrusted, out, &length);
		text_append_bytes(text, out, length);
	}
}

const char *text_escape(char *buffer, size_t size, const char *untrusted)
{
	char out[ESCAPE_MAX + 1];
	size_t used = 0, length, safe = 0; /* safe: where "..." still fits */

	if (size == 0)
		return "";
	while (*untrusted) {
		untrusted += escape_one(untrusted, out, &length);
		if (used + length >= size) {
			snprintf(buffer + safe, size - safe, "...");
			return buffer;
		}
		memcpy(buffer + used, out, length);
		used += length;
		if (used + sizeof("...") <= size)
			safe = used;
	}
	buffer[used] = '\0';
	return buffer;
}

static unsigned int min3(unsigned int a, unsigned int b, unsigned int c)
{
	unsigned int least = a < b ? a : b;

	return least < c ? least : c;
}

unsigned int text_distance(const char *a, const char *b, unsigned int limit)
{
	/* Three rows of the usual table: two rows up for transpositions. */
	unsigned int rows[3][DISTANCE_WORD_MAX + 1];
	unsigned int *above2 = rows[0], *above = rows[1], *row = rows[2];
	size_t a_length = strnlen(a, DISTANCE_WORD_MAX + 1), b_length = strnlen(b, DISTANCE_WORD_MAX + 1);
	size_t difference = a_length > b_length ? a_length - b_length : b_length - a_length;

	if (difference > limit || a_length > DISTANCE_WORD_MAX || b_length > DISTANCE_WORD_MAX)
		return limit + 1;
	for (unsigned int j = 0; j <= b_length; j++)
		above[j] = j;
	for (unsigned int i = 1; i <= a_length; i++) {
		unsigned int best = row[0] = i;

		for (unsigned int j = 1; j <= b_length; j++) {
			unsigned int replaced = above[j - 1] + (a[i - 1] != b[j - 1]);

			row[j] = min3(above[j] + 1, row[j - 1] + 1, replaced);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    above2[j - 2] + 1 < row[j])
				row[j] = above2[j - 2] + 1;
			if (row[j] < best)
				best = row[j];
		}
		/* A transposition may still start in the row above: only two bad rows end it. */
		if (best > limit + 1)
			return limit + 1;
		unsigned int *free_row = above2;
		above2 = above;
		above = row;
		row = free_row;
	}
	return above[b_length] > limit ? limit + 1 : above[b_length];
}

const char *text_nearest(const char *word, const char *const *candidates, size_t count)
{
	size_t length = strnlen(word, DISTANCE_WORD_MAX + 1);
	unsigned int limit = 1 + (unsigned int)(length / 4);
	const char *nearest = NULL;

	for (size_t i = 0; i < count; i++) {
		unsigned int distance = text_distance(word, candidates[i], limit);

		if (distance > limit)
			continue;
		nearest = candidates[i];
		if (distance == 0)
			break;
		limit = distance - 1; /* only what is nearer counts from here on */
	}
	return nearest;
}

const char *text_bytes(char *buffer, size_t size, uint64_t bytes)
{
	static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	size_t unit = 0;
	double value = (double)bytes / 1024;

	if (bytes < 1024) {
		snprintf(buffer, size, "%u B", (unsigned int)bytes);
		return buffer;
	}
	/* 1023.95 would be printed as 1024.0. */
	while (value >= 1023.95 && unit + 1 < sizeof(units) / sizeof(units[0])) {
		value /= 1024;
		unit++;
	}
	snprintf(buffer, size, "%.1f %s", value, units[unit]);
	return buffer;
}

const char *text_grouped(char *buffer, size_t size, uint64_t number)
{
	char digits[32], grouped[32];
	size_t length = (size_t)snprintf(digits, sizeof(digits), "%llu", (unsigned long long)number), used = 0;

	for (size_t i = 0; i < length; i++) {
		if (i > 0 && (length - i) % 3 == 0)
			grouped[used++] = ',';
		grouped[used++] = digits[i];
	}
	grouped[used] = '\0';
	snprintf(buffer, size, "%s", grouped);
	return buffer;
}
