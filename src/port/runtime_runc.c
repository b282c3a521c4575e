/* SPDX-License-Identifier: GPL-2.0-only */
/* runc and crun, used by hand: whoever starts containers with them plugs them in, too. Each keeps a folder for a
 * container in a root of its own; engines that use them have other roots, or say in the annotations who they are.
 *
 * runc: ROOT/ID/state.json. crun: ROOT/ID/status, and beside it a copy of the bundle's config.json. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bundle.h"
#include "runtime_runc.h"

static int process_parse(const json_t *state, const char *pid_key, const char *start_key, struct process *ret_process)
{
	json_int_t pid = json_integer_value(json_object_get(state, pid_key));
	json_int_t start = json_integer_value(json_object_get(state, start_key));

	if (pid <= 0 || pid > INT32_MAX || start <= 0)
		return -EBADMSG;
	*ret_process = (struct process){.pid = (int32_t)pid, .start = (uint64_t)start};
	return 0;
}

int runc_process(const json_t *state, struct process *ret_process)
{
	return process_parse(state, "init_process_pid", "init_process_start", ret_process);
}

int crun_process(const json_t *status, struct process *ret_process)
{
	return process_parse(status, "pid", "process-start-time", ret_process);
}

/* "KEY=VALUE", as runc keeps annotations; it adds the path of the bundle. */
static int label_add(json_t *annotations, const char *label)
{
	const char *equals = strchr(label, '=');
	char *key;
	int r;

	if (!equals || strncmp(label, "bundle=", 7) == 0)
		return 0;
	key = strndup(label, (size_t)(equals - label));
	r = key ? json_object_set_new(annotations, key, json_string(equals + 1)) : -1;
	free(key);
	return r < 0 ? -ENOMEM : 0;
}

static json_t *annotations_of(const json_t *config)
{
	json_t *annotations = json_object();
	const json_t *labels = json_object_get(config, "labels"), *label;
	int r = annotations ? 0 : -ENOMEM;
	size_t i;

	json_array_foreach(labels, i, label)
	{
		if (r == 0 && json_is_string(label))
			r = label_add(annotations, json_string_value(label));
	}
	if (r < 0) {
		json_decref(annotations);
		return NULL;
	}
	return annotations;
}

/* {"type": "NEWNET", "path": ""}; of a namespace that it shares with the host there is no entry. */
static json_t *namespaces_of(const json_t *config)
{
	const json_t *namespaces = json_object_get(config, "namespaces"), *item;
	json_t *list = json_array();
	size_t i;

	json_array_foreach(namespaces, i, item)
	{
		if (strcmp(port_json_text(item, "type"), "NEWNET") == 0 &&
		    json_array_append_new(list, json_pack("{s:s, s:s}", "type", "network", "path",
							  port_json_text(item, "path"))) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

/* runc's own form of what the bundle's config.json said, in the words of the latter. */
int runc_parse(const json_t *state, struct bundle *bundle)
{
	const json_t *config = json_object_get(state, "config");
	json_t *annotations = annotations_of(config), *namespaces = namespaces_of(config), *plain = NULL;
	int r = -EBADMSG;

	if (!annotations || !namespaces)
		r = -ENOMEM;
	else if (json_is_array(json_object_get(config, "namespaces")))
		plain = json_pack("{s:O, s:{s:O}}", "annotations", annotations, "linux", "namespaces", namespaces);
	if (plain)
		r = bundle_parse_plain(plain, "runc", bundle);
	json_decref(annotations);
	json_decref(namespaces);
	json_decref(plain);
	return r;
}

int crun_parse(const json_t *config, struct bundle *bundle)
{
	return bundle_parse_plain(config, "crun", bundle);
}

static void runc_read(struct bundles *bundles)
{
	const struct bundle_folder folder = {
		.path = bundles->watch->options.runc_root,
		.below = "",
		.config_file = "state.json",
		.pid_file = "state.json",
		.process = runc_process,
		.parse = runc_parse,
	};

	if (folder.path)
		(void)bundles_read_folder(bundles, &folder);
}

static void crun_read(struct bundles *bundles)
{
	const struct bundle_folder folder = {
		.path = bundles->watch->options.crun_root,
		.below = "",
		.pid_file = "status",
		.process = crun_process,
		.parse = crun_parse,
	};

	if (folder.path)
		(void)bundles_read_folder(bundles, &folder);
}

static int runc_start(struct port_watch *watch, void **ret_state)
{
	return bundles_start(watch, runc_read, ret_state);
}

static int crun_start(struct port_watch *watch, void **ret_state)
{
	return bundles_start(watch, crun_read, ret_state);
}

static json_t *plain_status(void *state)
{
	return bundles_status(state, "there are no containers in its root");
}

#define PLAIN_RUNTIME(program)                     \
	const struct runtime runtime_##program = { \
		.name = #program,                  \
		.start = program##_start,          \
		.stop = bundles_stop,              \
		.refresh = bundles_refresh,        \
		.pins = bundles_pins,              \
		.ask = bundles_ask,                \
		.list = bundles_list,              \
		.status = plain_status,            \
	}

PLAIN_RUNTIME(runc);
PLAIN_RUNTIME(crun);
