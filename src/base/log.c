/* SPDX-License-Identifier: GPL-2.0-only */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "text.h"

/* One write(2) a line, so that lines of two processes on one pipe don't mix: PIPE_BUF is 4096. */
#define LOG_LINE_MAX 4096

static const struct {
	int syslog;
	const char *word;
} levels[] = {
	[LOG_LEVEL_ERROR] = {3, "error: "},
	[LOG_LEVEL_WARNING] = {4, "warning: "},
	[LOG_LEVEL_INFO] = {6, ""},
	[LOG_LEVEL_DEBUG] = {7, "debug: "},
};
static_assert(sizeof(levels) / sizeof(levels[0]) == LOG_LEVEL_MAX, "each level has its words");

static enum log_level log_level = LOG_LEVEL_INFO;
static enum { JOURNAL_UNKNOWN, JOURNAL_NO, JOURNAL_YES } log_journal = JOURNAL_UNKNOWN;

void log_set_level(enum log_level level)
{
	log_level = level;
}

void log_set_journal(bool journal)
{
	log_journal = journal ? JOURNAL_YES : JOURNAL_NO;
}

/* $JOURNAL_STREAM is "device:inode" of the stream to the journal (systemd.exec(5)). It is inherited, so it only counts
 * when standard error is still that stream. */
static bool log_journal_is_stderr(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat status;

	return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 && fstat(STDERR_FILENO, &status) == 0 &&
	       status.st_dev == device && status.st_ino == inode;
}

static size_t log_prefix(char *line, size_t size, enum log_level level)
{
	char stamp[32];
	struct timespec now = {0};
	int length;

	if (log_journal == JOURNAL_YES) {
		length = snprintf(line, size, "<%d>", levels[level].syslog);
	} else {
		clock_gettime(CLOCK_REALTIME, &now);
		length = snprintf(line, size, "%s %s", time_format(stamp, now.tv_sec * INT64_C(1000000000)),
				  levels[level].word);
	}
	return length < 0 ? 0 : (size_t)length;
}

/* Three bytes in UTF-8 that separate lines or turn the direction of writing: U+200E and on, U+2028 to U+202E, U+2066 to
 * U+2069. */
static bool log_turns(unsigned char first, unsigned char second, unsigned char third)
{
	if (first != 0xe2)
		return false;
	if (second == 0x80)
		return third == 0x8e || third == 0x8f || (third >= 0xa8 && third <= 0xae);
	return second == 0x81 && third >= 0xa6 && third <= 0xa9;
}

/* A line stays a line, and no terminal that shows it obeys it, whoever chose the words: an interface's name may hold an
 * escape character. C1 controls (ISO 6429) are two bytes in UTF-8. */
static void log_disarm(char *text, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)text[i], next = i + 1 < length ? (unsigned char)text[i + 1] : 0;

		if (c == '\n' || c == '\r' || c == '\t')
			text[i] = ' ';
		else if (c < 0x20 || c == 0x7f)
			text[i] = '?';
		else if (c == 0xc2 && next >= 0x80 && next <= 0x9f)
			text[i] = text[i + 1] = '?';
		else if (i + 2 < length && log_turns(c, next, (unsigned char)text[i + 2]))
			text[i] = text[i + 1] = text[i + 2] = '?';
	}
}

void log_write(enum log_level level, const char *format, ...)
{
	char line[LOG_LINE_MAX];
	va_list arguments;

	if (level > log_level)
		return;
	if (log_journal == JOURNAL_UNKNOWN)
		log_set_journal(log_journal_is_stderr());
	size_t start = log_prefix(line, sizeof(line), level);
	size_t space = sizeof(line) - start - 1; /* the new-line's place */
	va_start(arguments, format);
	int length = vsnprintf(line + start, space, format, arguments);
	va_end(arguments);
	if (length < 0)
		return;
	size_t end = start + ((size_t)length < space ? (size_t)length : space - 1);
	log_disarm(line + start, end - start);
	line[end++] = '\n';
	/* There is nobody to tell when the log can't be written. */
	if (write(STDERR_FILENO, line, end) < 0)
		return;
}
