/* SPDX-License-Identifier: GPL-2.0-only */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/text.h"
#include "oci.h"

/* ---- What the runtime says ---- */

static bool is_id(const char *text)
{
	size_t length = text ? strlen(text) : 0;

	return length > 0 && length <= OCI_ID_MAX &&
	       strspn(text, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_+.-") == length;
}

int oci_state_parse(const char *input, size_t size, struct oci_state *ret_state, struct error *error)
{
	struct oci_state state = {.json = hook_json(input, size, "the container's state", error)};
	json_int_t pid;
	int r = 0;

	if (!state.json)
		return -EBADMSG;
	state.id = json_string_value(json_object_get(state.json, "id"));
	state.bundle = json_string_value(json_object_get(state.json, "bundle"));
	pid = json_integer_value(json_object_get(state.json, "pid"));
	state.pid = (pid_t)pid;
	if (!is_id(state.id))
		r = error_set(error, -EBADMSG, "the container's state has no id that is valid");
	else if (!state.bundle || state.bundle[0] != '/')
		r = error_set(error, -EBADMSG, "the container's state has no bundle that is an absolute path");
	else if (pid <= 0 || pid > INT_MAX)
		r = error_set(error, -EBADMSG, "the container's state has no pid: is this a createRuntime hook?");
	if (r < 0) {
		oci_state_free(&state);
		return r;
	}
	*ret_state = state;
	return 0;
}

void oci_state_free(struct oci_state *state)
{
	json_decref(state->json);
	*state = (struct oci_state){0};
}

static json_t *config_read(const char *bundle, struct error *error)
{
	AUTO_FREE char *data = NULL;
	char path[PATH_MAX];
	size_t size;

	if (snprintf(path, sizeof(path), "%s/config.json", bundle) >= (int)sizeof(path)) {
		error_set(error, -ENAMETOOLONG, "the bundle's path is too long");
		return NULL;
	}
	if (file_read(path, OCI_CONFIG_MAX, &data, &size, error) < 0)
		return NULL;
	return hook_json(data, size, "the bundle's config.json", error);
}

/* ---- Its network namespace ---- */

int oci_namespace(const json_t *config, pid_t pid, const char *proc, char *ret_path, size_t path_size, bool *ret_given,
		  struct error *error)
{
	const json_t *list = json_object_get(json_object_get(config, "linux"), "namespaces"), *item, *network = NULL;
	const json_t *path;
	size_t i;
	int length;

	json_array_foreach(list, i, item)
	{
		const char *type = json_string_value(json_object_get(item, "type"));

		if (type && strcmp(type, "network") == 0)
			network = item;
	}
	if (!network)
		return 0;
	path = json_object_get(network, "path");
	*ret_given = json_is_string(path) && json_string_value(path)[0];
	if (!*ret_given)
		length = snprintf(ret_path, path_size, "%s/%d/ns/net", proc, (int)pid);
	else if (json_string_value(path)[0] != '/')
		return error_set(error, -EBADMSG, "the network namespace's path is not absolute");
	else
		length = snprintf(ret_path, path_size, "%s", json_string_value(path));
	return length < (int)path_size ? 1
				       : error_set(error, -ENAMETOOLONG, "the network namespace's path is too long");
}

static bool is_in(const char *proc, const char *process, const struct stat *namespace)
{
	char path[PATH_MAX];
	struct stat its;

	return snprintf(path, sizeof(path), "%s/%s/ns/net", proc, process) < (int)sizeof(path) &&
	       stat(path, &its) == 0 && its.st_ino == namespace->st_ino && its.st_dev == namespace->st_dev;
}

int oci_namespace_is_shared(const char *netns, pid_t pid, const char *proc)
{
	DIR *listing = opendir(proc);
	const struct dirent *item;
	struct stat namespace;
	bool shared = false;
	int r = 0;

	if (!listing || stat(netns, &namespace) < 0)
		r = -errno;
	while (r == 0 && !shared && (item = readdir(listing)))
		shared = isdigit((unsigned char)item->d_name[0]) && strtol(item->d_name, NULL, 10) != pid &&
			 is_in(proc, item->d_name, &namespace);
	if (listing)
		closedir(listing);
	return r < 0 ? r : shared;
}

/* 1: there are ports to wait for, at `ret_path`; 0: none of its own. */
static int ports_expected(const struct oci_options *options, const struct oci_state *state, char *ret_path,
			  size_t path_size, struct error *error)
{
	json_t *config = config_read(state->bundle, error);
	bool given = false;
	int r;

	if (!config)
		return error->code;
	r = oci_namespace(config, state->pid, options->proc, ret_path, path_size, &given, error);
	json_decref(config);
	if (r <= 0)
		return r;
	r = hook_netns_has_ports(ret_path, error);
	if (r <= 0 || !given)
		return r;
	r = oci_namespace_is_shared(ret_path, state->pid, options->proc);
	return r < 0 ? error_set(error, r, "%s can't be read: %s", options->proc, strerror(-r)) : !r;
}

/* ---- The request ---- */

/* Annotations are texts; what is none is left out, as runtimes do. */
static void labels_put(json_t *labels, json_t *from)
{
	json_t *value;
	const char *key;

	json_object_foreach(from, key, value)
	{
		if (json_is_string(value))
			json_object_set(labels, key, value);
	}
}

json_t *oci_request(const struct oci_options *options, const struct oci_state *state, const char *netns)
{
	json_t *request = json_pack("{s:s}", "netns", netns), *labels;

	if (!request || !options->claims)
		return request;
	labels = json_object();
	labels_put(labels, json_object_get(state->json, "annotations"));
	labels_put(labels, options->labels);
	json_object_set_new(request, "name", json_string(state->id));
	json_object_set_new(request, "id", json_string(state->id));
	json_object_set_new(request, "runtime", json_string(options->runtime));
	json_object_set_new(request, "pid", json_integer(state->pid));
	json_object_set_new(request, "labels", labels);
	return request;
}

int oci_run(const struct oci_options *options, const char *input, size_t size, FILE *errors)
{
	enum hook_result result = HOOK_DONE;
	struct oci_state state;
	struct error error = {0};
	char path[PATH_MAX];
	int r = oci_state_parse(input, size, &state, &error);

	if (r == 0) {
		r = ports_expected(options, &state, path, sizeof(path), &error);
		if (r > 0)
			result = hook_adopt(&options->hook, oci_request(options, &state, path), &error);
		oci_state_free(&state);
	}
	if (r < 0)
		error_wrap(&error, r, "bulkhead");
	if (r < 0 || result != HOOK_DONE)
		fprintf(errors, "%s\n", error.text);
	return r < 0 || result == HOOK_FAILED;
}
