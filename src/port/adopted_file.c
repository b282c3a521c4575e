/* SPDX-License-Identifier: GPL-2.0-only */
/* adopted.json: {"version":1,"boot":"…","host":N,"adopted":[ one a line ]}. It outlives the daemon, not the machine's
 * boot: interfaces and namespaces are numbered anew then, and whoever made ports makes them again. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/map.h"
#include "base/text.h"
#include "runtime_adopted.h"

#define ADOPTED_VERSION 1

void adopted_boot(const char *proc, char boot[64])
{
	AUTO_FREE char *data = NULL;
	char path[256];
	size_t size;

	boot[0] = '\0';
	if (!proc || snprintf(path, sizeof(path), "%s/sys/kernel/random/boot_id", proc) >= (int)sizeof(path) ||
	    file_read(path, 63, &data, &size, NULL) < 0)
		return;
	snprintf(boot, 64, "%.*s", (int)strspn(data, "0123456789abcdef-"), data);
}

char *adopted_text(const struct map *adoptions, const char *boot, uint64_t host)
{
	struct text text = {0};
	const char *separator = "\n";
	void *value;

	text_appendf(&text, "{\"version\":%d,\"boot\":\"%s\",\"host\":%llu,\"adopted\":[", ADOPTED_VERSION, boot,
		     (unsigned long long)host);
	for (size_t at = 0; map_next(adoptions, &at, NULL, NULL, &value);) {
		text_append(&text, separator);
		text_append(&text, ((const struct adoption *)value)->text);
		separator = ",\n";
	}
	text_append(&text, "\n]}\n");
	return text_take(&text);
}

static int list_parse(const json_t *list, int (*fn)(void *arg, struct adoption *adoption), void *arg,
		      struct error *error)
{
	const json_t *record;
	char reason[REASON_MAX] = "";
	size_t i;

	json_array_foreach(list, i, record)
	{
		struct adoption adoption;
		int r = adoption_read(record, &adoption, reason);

		if (r < 0)
			return error_set(error, r, "adoption %zu: %s", i + 1, reason[0] ? reason : strerror(-r));
		r = fn(arg, &adoption);
		if (r < 0)
			return error_set(error, r, "adoption %zu: %s", i + 1, strerror(-r));
	}
	return 0;
}

int adopted_parse(const char *data, size_t size, const char *boot, uint64_t host,
		  int (*fn)(void *arg, struct adoption *adoption), void *arg, struct error *error)
{
	json_t *file = port_json_parse(data, size);
	const json_t *list = json_object_get(file, "adopted");
	json_int_t version = json_integer_value(json_object_get(file, "version"));
	int r = 0;

	if (!json_is_array(list))
		r = error_set(error, -EINVAL, "it is no list of adoptions");
	else if (version != ADOPTED_VERSION)
		r = error_set(error, -EINVAL, "its version is %lld, and %d is known", (long long)version,
			      ADOPTED_VERSION);
	else if (json_array_size(list) > ADOPTIONS_MAX)
		r = error_set(error, -EINVAL, "it has more than %u adoptions", ADOPTIONS_MAX);
	else if (boot[0] && strcmp(port_json_text(file, "boot"), boot) == 0 &&
		 json_integer_value(json_object_get(file, "host")) == (json_int_t)host)
		r = list_parse(list, fn, arg, error);
	json_decref(file);
	return r;
}
