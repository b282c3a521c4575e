/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "text.h"

#define NS_PER_SECOND INT64_C(1000000000)

/* Exactly `count` digits at *text, at least `least` and at most `most`; moves *text behind them. */
static int time_digits(const char **text, int count, int least, int most, int *ret_value)
{
	int value = 0;

	for (int i = 0; i < count; i++, (*text)++) {
		if (**text < '0' || **text > '9')
			return -EINVAL;
		value = value * 10 + (**text - '0');
	}
	if (value < least || value > most)
		return -EINVAL;
	*ret_value = value;
	return 0;
}

static int time_character(const char **text, const char *wanted)
{
	if (!**text || !strchr(wanted, **text))
		return -EINVAL;
	(*text)++;
	return 0;
}

static int days_in_month(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap);
}

static int64_t days_before_year(int64_t year)
{
	return year * 365 + (year + 3) / 4 - (year + 99) / 100 + (year + 399) / 400;
}

static int time_parse_date(const char **text, int64_t *ret_days)
{
	int year, month, day;

	if (time_digits(text, 4, 0, 9999, &year) < 0 || time_character(text, "-") < 0 ||
	    time_digits(text, 2, 1, 12, &month) < 0 || time_character(text, "-") < 0 ||
	    time_digits(text, 2, 1, days_in_month(year, month), &day) < 0)
		return -EINVAL;
	int64_t days = days_before_year(year) - days_before_year(1970) + day - 1;
	for (int m = 1; m < month; m++)
		days += days_in_month(year, m);
	*ret_days = days;
	return 0;
}

/* Digits after the ninth are left out. */
static int time_parse_fraction(const char **text, int64_t *ret_ns)
{
	int64_t scale = NS_PER_SECOND / 10, ns = 0;
	int digit;

	*ret_ns = 0;
	if (**text != '.')
		return 0;
	(*text)++;
	if (time_digits(text, 1, 0, 9, &digit) < 0)
		return -EINVAL;
	do {
		ns += digit * scale;
		scale /= 10;
	} while (time_digits(text, 1, 0, 9, &digit) == 0);
	*ret_ns = ns;
	return 0;
}

/* Seconds that local time is ahead of UTC. */
static int time_parse_offset(const char **text, int64_t *ret_offset)
{
	int hours, minutes, sign = **text == '-' ? -1 : 1;

	if (time_character(text, "Zz") == 0) {
		*ret_offset = 0;
		return 0;
	}
	if (time_character(text, "+-") < 0 || time_digits(text, 2, 0, 23, &hours) < 0 ||
	    time_character(text, ":") < 0 || time_digits(text, 2, 0, 59, &minutes) < 0)
		return -EINVAL;
	*ret_offset = sign * (hours * 3600 + minutes * 60);
	return 0;
}

int time_parse(const char *text, int64_t *ret_ns)
{
	int64_t days, fraction, offset, ns;
	int hour, minute, second;

	if (time_parse_date(&text, &days) < 0 || time_character(&text, "Tt") < 0 ||
	    time_digits(&text, 2, 0, 23, &hour) < 0 || time_character(&text, ":") < 0 ||
	    time_digits(&text, 2, 0, 59, &minute) < 0 || time_character(&text, ":") < 0 ||
	    time_digits(&text, 2, 0, 60, &second) < 0 || time_parse_fraction(&text, &fraction) < 0 ||
	    time_parse_offset(&text, &offset) < 0 || *text)
		return -EINVAL;
	int64_t seconds = days * 86400 + hour * 3600 + minute * 60 + second - offset;
	/* A leap second (RFC 3339, 5.7) ends a day in UTC; POSIX time gives it the number of the next second. */
	if (second == 60 && seconds % 86400 != 0)
		return -EINVAL;
	if (seconds < 0 || __builtin_mul_overflow(seconds, NS_PER_SECOND, &ns) ||
	    __builtin_add_overflow(ns, fraction, &ns))
		return -EINVAL;
	*ret_ns = ns;
	return 0;
}

const char *time_format(char buffer[32], int64_t ns)
{
	time_t seconds = ns / NS_PER_SECOND - (ns % NS_PER_SECOND < 0);
	struct tm parts;

	if (!gmtime_r(&seconds, &parts) || strftime(buffer, 32, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0)
		buffer[0] = '\0';
	return buffer;
}

const char *text_ago(char *buffer, size_t size, int64_t seconds)
{
	static const struct {
		int64_t seconds;
		const char *one, *many;
	} units[] = {
		{86400, "day", "days"},
		{3600, "hour", "hours"},
		{60, "minute", "minutes"},
		{1, "second", "seconds"},
	};
	uint64_t distance = seconds < 0 ? -(uint64_t)seconds : (uint64_t)seconds;
	size_t unit = 0;

	if (seconds == 0) {
		snprintf(buffer, size, "now");
		return buffer;
	}
	while (distance < (uint64_t)units[unit].seconds)
		unit++;
	unsigned long long number = distance / (uint64_t)units[unit].seconds;
	snprintf(buffer, size, "%s%llu %s%s", seconds < 0 ? "in " : "", number,
		 number == 1 ? units[unit].one : units[unit].many, seconds < 0 ? "" : " ago");
	return buffer;
}

int64_t monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t monotonic_ms(void)
{
	return monotonic_ns() / 1000000;
}
