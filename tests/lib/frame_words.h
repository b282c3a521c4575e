/* SPDX-License-Identifier: GPL-2.0-only */
/* Frames at ports in words, as scenarios and the tools of the tests have them. */
#ifndef BULKHEAD_TESTS_FRAME_WORDS_H
#define BULKHEAD_TESTS_FRAME_WORDS_H

#include "table/table.h"

/* By its host-side interface. False: no port has that. */
bool port_word_read(const struct world *world, const char *word, uint32_t *ret_port);

/* `host`, `remote`, the interface of the port whose stamp it is, or a number. */
bool stamp_word_read(const struct table *table, const struct world *world, const char *word, uint32_t *ret_stamp);

/* At most `max` bytes. */
bool hex_read(const char *hex, uint8_t *bytes, size_t max, size_t *ret_size);

#endif
