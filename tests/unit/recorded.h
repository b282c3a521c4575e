/* SPDX-License-Identifier: GPL-2.0-only */
/* What engines said and wrote, kept in tests/unit/recorded. Include it behind cmocka.h. */
#ifndef BULKHEAD_TESTS_RECORDED_H
#define BULKHEAD_TESTS_RECORDED_H

#include <stdio.h>

#include "base/file.h"
#include "port/evidence.h"

static inline json_t *recorded(const char *name)
{
	char path[128];
	AUTO_FREE char *data = NULL;
	size_t size;
	struct error error;
	json_t *json;

	snprintf(path, sizeof(path), "tests/unit/recorded/%s", name);
	if (file_read(path, 1 << 20, &data, &size, &error) < 0)
		fail_msg("%s", error.text);
	json = port_json_parse(data, size);
	assert_non_null(json);
	return json;
}

#endif
