/* SPDX-License-Identifier: GPL-2.0-only */
/* The daemon's log: a line a message on standard error, with a syslog level prefix ("<4>") when run under a journal.
 * Only the edge (daemon/, cli/) logs; libraries return errors. Callers escape untrusted text with text_escape(). */
#ifndef BULKHEAD_BASE_LOG_H
#define BULKHEAD_BASE_LOG_H

#include <stdbool.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG, LOG_LEVEL_MAX };

void log_set_level(enum log_level level); /* messages above this are left out; default LOG_LEVEL_INFO */
void log_set_journal(bool journal);	  /* true: syslog prefix, no time-stamp; default from $JOURNAL_STREAM */
void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...)	 log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)	 log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)	 log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
