/* SPDX-License-Identifier: GPL-2.0-only */
#include "tests/lib/frame_words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool port_word_read(const struct world *world, const char *word, uint32_t *ret_port)
{
	for (uint32_t i = 0; i < world->ports.count; i++) {
		const char *interface = world->ports.items[i].interface;

		if (interface && strcmp(interface, word) == 0) {
			*ret_port = i;
			return true;
		}
	}
	return false;
}

bool stamp_word_read(const struct table *table, const struct world *world, const char *word, uint32_t *ret_stamp)
{
	uint32_t port;
	char *end;

	*ret_stamp = (uint32_t)strtoul(word, &end, 10);
	if (*word && !*end)
		return true;
	*ret_stamp = strcmp(word, "host") == 0 ? BH_CLASS_HOST : BH_CLASS_REMOTE;
	if (strcmp(word, "host") == 0 || strcmp(word, "remote") == 0)
		return true;
	if (!port_word_read(world, word, &port))
		return false;
	*ret_stamp = table->ports.items[port].identity;
	return true;
}

bool hex_read(const char *hex, uint8_t *bytes, size_t max, size_t *ret_size)
{
	size_t size = strlen(hex) / 2;
	unsigned int byte;

	if (size > max || strlen(hex) % 2 != 0)
		return false;
	for (size_t i = 0; i < size; i++) {
		if (sscanf(hex + 2 * i, "%2x", &byte) != 1)
			return false;
		bytes[i] = (uint8_t)byte;
	}
	*ret_size = size;
	return true;
}
