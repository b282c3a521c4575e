/* SPDX-License-Identifier: GPL-2.0-only */
#include <stdarg.h>
#include <string.h>

#include "base/text.h"
#include "cni.h"

static const char *const versions[] = {"0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"};
#define VERSIONS (sizeof(versions) / sizeof(*versions))

static int version_rank(const char *version)
{
	for (size_t i = 0; version && i < VERSIONS; i++)
		if (strcmp(version, versions[i]) == 0)
			return (int)i;
	return -1;
}

bool cni_version_is_known(const char *version)
{
	return version_rank(version) >= 0;
}

bool cni_version_reaches(const char *version, const char *least)
{
	return version_rank(version) >= version_rank(least);
}

json_t *cni_versions(void)
{
	json_t *list = json_array();

	for (size_t i = 0; i < VERSIONS; i++)
		json_array_append_new(list, json_string(versions[i]));
	return list;
}

enum cni_code cni_fail(struct cni_error *error, enum cni_code code, const char *details, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(error->message, sizeof(error->message), format, arguments);
	va_end(arguments);
	snprintf(error->details, sizeof(error->details), "%s", details ? details : "");
	error->code = code;
	return code;
}

/* ---- Labels ---- */

static enum cni_code label_add(json_t *labels, const char *key, const json_t *value, const char *where,
			       struct cni_error *error)
{
	char escaped[128];

	if (!key || !*key || !json_is_string(value))
		return cni_fail(error, CNI_CONFIG, where, "a label is a text with a name; '%s' is none",
				text_escape(escaped, sizeof(escaped), key ? key : ""));
	if (json_object_set(labels, key, (json_t *)value) < 0)
		return cni_fail(error, CNI_IO, NULL, "memory is short");
	return CNI_OK;
}

/* {"KEY": "VALUE"}, or as the conventions have it, [{"key": …, "value": …}]. NULL: none. */
static enum cni_code labels_take(json_t *labels, const json_t *from, const char *where, struct cni_error *error)
{
	enum cni_code code = CNI_OK;
	const json_t *value;
	const char *key;
	size_t i;

	if (from && !json_is_null(from) && !json_is_object(from) && !json_is_array(from))
		return cni_fail(error, CNI_CONFIG, where, "labels are an object or a list");
	if (json_is_object(from)) {
		json_object_foreach((json_t *)from, key, value)
		{
			if (code == CNI_OK)
				code = label_add(labels, key, value, where, error);
		}
	}
	json_array_foreach(from, i, value)
	{
		if (code == CNI_OK)
			code = label_add(labels, json_string_value(json_object_get(value, "key")),
					 json_object_get(value, "value"), where, error);
	}
	return code;
}

/* What is more particular to the container is taken later, and goes before. */
static enum cni_code labels_read(const struct cni_config *config, struct cni_error *error)
{
	const json_t *arguments = json_object_get(config->json, "args");
	enum cni_code code;

	code = labels_take(config->labels, json_object_get(config->json, "labels"), "labels", error);
	if (code == CNI_OK)
		code = labels_take(config->labels, json_object_get(arguments, "labels"), "args.labels", error);
	if (code == CNI_OK)
		code = labels_take(config->labels, json_object_get(json_object_get(arguments, "cni"), "labels"),
				   "args.cni.labels", error);
	if (code == CNI_OK)
		code = labels_take(config->labels,
				   json_object_get(json_object_get(config->json, "runtimeConfig"), "labels"),
				   "runtimeConfig.labels", error);
	return code;
}

/* ---- The rest ---- */

/* An absolute path, or absent. */
static enum cni_code path_read(const json_t *json, const char *key, const char **path, struct cni_error *error)
{
	const json_t *value = json_object_get(json, key);
	const char *text = json_string_value(value);

	if (!value)
		return CNI_OK;
	if (!text || text[0] != '/')
		return cni_fail(error, CNI_CONFIG, NULL, "'%s' is no absolute path", key);
	*path = text;
	return CNI_OK;
}

static enum cni_code version_read(struct cni_config *config, struct cni_error *error)
{
	const char *version = json_string_value(json_object_get(config->json, "cniVersion"));
	char escaped[64];

	if (cni_version_is_known(version)) {
		config->version = version;
		return CNI_OK;
	}
	return cni_fail(error, CNI_VERSION, "0.3.0, 0.3.1, 0.4.0, 1.0.0 and 1.1.0 are known",
			"the configuration is of version '%s'",
			text_escape(escaped, sizeof(escaped), version ? version : ""));
}

static enum cni_code settings_read(struct cni_config *config, struct cni_error *error)
{
	const json_t *wait = json_object_get(config->json, "wait_ms");
	enum cni_code code;

	config->hook = (struct hook){.state_dir = HOOK_STATE_DIR, .wait_ms = HOOK_WAIT_MS};
	if (wait &&
	    (!json_is_integer(wait) || json_integer_value(wait) < 0 || json_integer_value(wait) > HOOK_WAIT_MS_MAX))
		return cni_fail(error, CNI_CONFIG, NULL, "'wait_ms' is a number from 0 to %d", HOOK_WAIT_MS_MAX);
	if (wait)
		config->hook.wait_ms = json_integer_value(wait);
	code = path_read(config->json, "socket", &config->hook.socket, error);
	if (code == CNI_OK)
		code = path_read(config->json, "state", &config->hook.state_dir, error);
	return code;
}

static enum cni_code parts_read(struct cni_config *config, struct cni_error *error)
{
	enum cni_code code = version_read(config, error);

	if (code != CNI_OK)
		return code;
	config->name = json_string_value(json_object_get(config->json, "name"));
	if (!config->name || !cni_is_word(config->name))
		return cni_fail(error, CNI_CONFIG, NULL,
				"the network has no name, or one that the specification refuses");
	config->previous = json_object_get(config->json, "prevResult");
	if (config->previous && !json_is_object(config->previous))
		return cni_fail(error, CNI_CONFIG, NULL, "'prevResult' is no object");
	code = settings_read(config, error);
	return code == CNI_OK ? labels_read(config, error) : code;
}

enum cni_code cni_config_parse(const char *input, size_t size, struct cni_config *ret_config, struct cni_error *error)
{
	struct error why = {0};
	struct cni_config config = {.json = hook_json(input, size, "the configuration", &why), .labels = json_object()};
	enum cni_code code;

	if (!config.json)
		code = cni_fail(error, CNI_DECODE, why.text, "the network configuration can't be read");
	else if (!config.labels)
		code = cni_fail(error, CNI_IO, NULL, "memory is short");
	else
		code = parts_read(&config, error);
	if (code != CNI_OK) {
		cni_config_free(&config);
		return code;
	}
	*ret_config = config;
	return CNI_OK;
}

void cni_config_free(struct cni_config *config)
{
	json_decref(config->json);
	json_decref(config->labels);
	*config = (struct cni_config){0};
}
