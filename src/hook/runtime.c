/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/file.h"
#include "oci.h"
#include "runtime.h"

int runtime_options_take(int argc, char **argv, struct runtime_options *options)
{
	int at = 1;

	for (; at + 1 < argc; at += 2) {
		if (strcmp(argv[at], "--bulkhead-runtime") == 0)
			options->runtime = argv[at + 1];
		else if (strcmp(argv[at], "--bulkhead-hook") == 0)
			options->hook = argv[at + 1];
		else
			break;
	}
	return at;
}

/* Options before the command that have their value in the word behind them: runc's and crun's. */
static bool takes_a_word(const char *option)
{
	static const char *const options[] = {"--root", "--log",      "--log-format",	 "--log-level",
					      "--criu", "--rootless", "--cgroup-manager"};

	for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++)
		if (strcmp(option, options[i]) == 0)
			return true;
	return false;
}

const char *runtime_bundle(int argc, char **argv)
{
	const char *bundle = ".";
	int at = 1;

	while (at < argc && argv[at][0] == '-')
		at += takes_a_word(argv[at]) ? 2 : 1;
	if (at >= argc || (strcmp(argv[at], "create") != 0 && strcmp(argv[at], "run") != 0))
		return NULL;
	for (at++; at < argc; at++) {
		if ((strcmp(argv[at], "--bundle") == 0 || strcmp(argv[at], "-b") == 0) && at + 1 < argc)
			bundle = argv[++at];
		else if (strncmp(argv[at], "--bundle=", 9) == 0)
			bundle = argv[at] + 9;
	}
	return bundle;
}

/* The member of that kind, made when it is absent. NULL: it is something else, or memory is short. */
static json_t *member(json_t *object, const char *key, json_t *(*make)(void), json_type type)
{
	json_t *there = json_object_get(object, key);

	if (there && !json_is_null(there))
		return json_typeof(there) == type ? there : NULL;
	there = make();
	return json_object_set_new(object, key, there) == 0 ? there : NULL;
}

int runtime_config_add(json_t *config, const char *hook, struct error *error)
{
	json_t *hooks = member(config, "hooks", json_object, JSON_OBJECT);
	json_t *list = hooks ? member(hooks, "createRuntime", json_array, JSON_ARRAY) : NULL, *item;
	size_t i;

	json_array_foreach(list, i, item)
	{
		const char *path = json_string_value(json_object_get(item, "path"));

		if (path && strcmp(path, hook) == 0)
			return 0;
	}
	if (!list)
		return error_set(error, -EBADMSG, "hooks.createRuntime of the bundle's config.json is no list");
	item = json_pack("{s:s, s:[s,s], s:i}", "path", hook, "args", "bulkhead-oci-hook", "--no-claim", "timeout",
			 (HOOK_WAIT_MS_MAX + HOOK_INPUT_MS + HOOK_GRACE_MS) / 1000);
	if (json_array_append_new(list, item) < 0)
		return error_set(error, -ENOMEM, "memory is short");
	return 1;
}

int runtime_bundle_change(const char *bundle, const char *hook, struct error *error)
{
	AUTO_FREE char *data = NULL, *changed = NULL;
	json_t *config;
	char path[PATH_MAX];
	size_t size;
	int r;

	if (snprintf(path, sizeof(path), "%s/config.json", bundle) >= (int)sizeof(path))
		return error_set(error, -ENAMETOOLONG, "the bundle's path is too long");
	r = file_read(path, OCI_CONFIG_MAX, &data, &size, error);
	if (r < 0)
		return r;
	config = hook_json(data, size, "the bundle's config.json", error);
	r = config ? runtime_config_add(config, hook, error) : -EBADMSG;
	if (r > 0) {
		changed = json_dumps(config, JSON_COMPACT);
		r = changed ? file_write(path, changed, strlen(changed), error)
			    : error_set(error, -ENOMEM, "memory is short");
	}
	json_decref(config);
	return r;
}
