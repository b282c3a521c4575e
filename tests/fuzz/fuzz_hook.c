/* SPDX-License-Identifier: GPL-2.0-only */
/* What container runtimes write to the hooks: a CNI configuration, an OCI state, and CNI_ARGS. The input goes to each
 * parser; a request that comes of it holds only what the daemon may be told, and every failure is a proper error.
 * Dictionary: hook.dict. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "base/text.h"
#include "hook/cni.h"
#include "hook/oci.h"
#include "must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_request(const json_t *request)
{
	const json_t *item;
	const char *key;
	struct prefix prefix;
	struct addr addr;
	struct mac mac;
	size_t i;

	must(json_is_string(json_object_get(request, "name")));
	json_array_foreach(json_object_get(request, "addresses"), i, item)
		must(prefix_parse(json_string_value(item), &prefix, NULL) == 0);
	json_array_foreach(json_object_get(request, "gateways"), i, item)
		must(addr_parse(json_string_value(item), &addr) == 0);
	json_object_foreach(json_object_get(request, "labels"), key, item) must(*key && json_is_string(item));
	if (json_object_get(request, "mac"))
		must(mac_parse(json_string_value(json_object_get(request, "mac")), &mac) == 0);
}

static void try_config(const char *text, size_t size)
{
	struct cni_call call = {.command = "ADD", .container_id = "c", .netns = "/n", .ifname = "eth0"};
	struct cni_config config;
	struct cni_error error = {0};
	json_t *request;

	if (cni_config_parse(text, size, &config, &error) != CNI_OK) {
		must(error.code != CNI_OK && error.message[0]);
		return;
	}
	must(cni_version_is_known(config.version) && cni_is_word(config.name));
	must(config.hook.wait_ms >= 0 && config.hook.wait_ms <= HOOK_WAIT_MS_MAX);
	must(!config.hook.socket || config.hook.socket[0] == '/');
	request = cni_request(&call, &config, &error);
	must((request != NULL) == (error.code == CNI_OK));
	if (request)
		try_request(request);
	json_decref(request);
	cni_config_free(&config);
}

static void try_state(const char *text, size_t size)
{
	struct oci_options options = {.claims = true, .runtime = "oci"};
	struct oci_state state;
	struct error error = {0};
	json_t *request;
	char path[64];
	bool given;

	if (oci_state_parse(text, size, &state, &error) < 0) {
		must(error.text[0]);
		return;
	}
	must(state.pid > 0 && state.bundle[0] == '/' && state.id[0]);
	request = oci_request(&options, &state, "/n");
	try_request(request);
	json_decref(request);
	/* It is no config.json, but has a reader's nerves to lose all the same. */
	if (oci_namespace(state.json, state.pid, "/proc", path, sizeof(path), &given, &error) > 0)
		must(path[0] == '/');
	oci_state_free(&state);
}

/* The whole plugin, with what does not go beyond it: no daemon is asked. */
static void try_version(const char *text, size_t size)
{
	const struct cni_call call = {.command = "VERSION"};
	char *written = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&written, &length);
	json_t *json;

	must(out && cni_run(&call, text, size, out, out) == 0);
	fclose(out);
	json = json_loads(written, 0, NULL);
	must(json_is_array(json_object_get(json, "supportedVersions")));
	json_decref(json);
	free(written);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	json_t *arguments;

	must(text);
	memcpy(text, data, size);
	text[size] = '\0';
	try_config(text, size);
	try_state(text, size);
	try_version(text, size);
	arguments = cni_args_parse(text);
	must(!arguments || json_is_object(arguments));
	json_decref(arguments);
	free(text);
	return 0;
}
