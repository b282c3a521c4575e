/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "cni.h"
#include "port/namespace.h"

#define VERSION_DEFAULT "1.0.0" /* of an answer to what names none that is known */
#define CHECK_WAIT_MS	1000	/* until the daemon has looked again; an open port is told at once then */

/* The name of the port, the host's end of the veth. */
static enum cni_code port_find(const struct cni_call *call, const char *mac, char ret_port[16], struct cni_error *error)
{
	AUTO_CLOSE int fd = -1;
	struct error why = {0};
	char kernel_mac[18];
	int r = namespace_open(call->netns, &fd);

	if (r < 0)
		return cni_fail(error, CNI_IO, strerror(-r), "the container's network namespace can't be opened");
	r = hook_veth_find(fd, call->ifname, ret_port, kernel_mac, &why);
	if (r < 0)
		return cni_fail(error, r == -ENODEV ? CNI_NO_PORT : CNI_IO, why.text, "the port can't be found");
	if (r == 0)
		return cni_fail(error, CNI_NO_PORT,
				"Bulkhead polices veths whose other end is on this host; take bulkhead-cni out of "
				"this network if it is not to be policed",
				"'%s' is no veth to this host: there is no port to police", call->ifname);
	if (mac && *mac && strcasecmp(mac, kernel_mac) != 0)
		return cni_fail(error, CNI_CONFIG, NULL, "'%s' has another MAC address than prevResult says",
				call->ifname);
	return CNI_OK;
}

/* What the daemon's or the kernel's word means to the runtime. */
static enum cni_code adopt_failed(const struct error *why, struct cni_error *error)
{
	enum cni_code code = CNI_REFUSED;

	if (why->code == -ECONNREFUSED || why->code == -ETIMEDOUT)
		code = CNI_AGAIN;
	return cni_fail(error, code, NULL, "%s", why->text);
}

static bool print_json(const json_t *json, FILE *out)
{
	return json_dumpf(json, out, JSON_COMPACT) == 0 && fputc('\n', out) != EOF && fflush(out) != EOF;
}

static enum cni_code run_add(const struct cni_call *call, const struct cni_config *config, FILE *out, FILE *warnings,
			     struct cni_error *error)
{
	struct error why = {0};
	json_t *request;
	char port[16];

	if (!config->previous)
		return cni_fail(
			error, CNI_CONFIG, NULL,
			"there is no prevResult: bulkhead-cni stands behind the plugin that makes the interface");
	request = cni_request(call, config, error);
	if (!request)
		return error->code;
	if (port_find(call, json_string_value(json_object_get(request, "mac")), port, error) != CNI_OK) {
		json_decref(request);
		return error->code;
	}
	json_object_set_new(request, "interface", json_string(port));
	switch (hook_adopt(&config->hook, request, &why)) {
	case HOOK_FAILED:
		return adopt_failed(&why, error);
	case HOOK_CLOSED:
		fprintf(warnings, "%s\n", why.text);
		break;
	case HOOK_DONE:
	case HOOK_RESULT_MAX:
		break;
	}
	return print_json(config->previous, out) ? CNI_OK
						 : cni_fail(error, CNI_IO, NULL, "the result can't be written");
}

/* Is the port there, and open? */
static enum cni_code run_check(const struct cni_call *call, const struct cni_config *config, struct cni_error *error)
{
	struct error why = {0};
	json_t *facts = json_object(), *request;
	char port[16];
	enum cni_code code;

	if (!config->previous) {
		json_decref(facts);
		return cni_fail(error, CNI_CONFIG, NULL, "there is no prevResult to check against");
	}
	code = cni_result_take(config->previous, call->ifname, facts, error);
	if (code == CNI_OK)
		code = port_find(call, json_string_value(json_object_get(facts, "mac")), port, error);
	json_decref(facts);
	if (code != CNI_OK)
		return code;
	request = json_pack("{s:s, s:s, s:s, s:i}", "command", "adopt", "interface", port, "netns", call->netns,
			    "wait_ms", CHECK_WAIT_MS);
	if (hook_ask(&config->hook, request, &why) == 0)
		return CNI_OK;
	if (why.code == -ECONNREFUSED)
		return cni_fail(error, CNI_AGAIN, NULL, "it can't be told whether the port is open: %s", why.text);
	return cni_fail(error, CNI_NOT_OPEN, NULL, "the port is not open: %s", why.text);
}

/* By its interface, while there is one: other interfaces of the container may live on. Nothing fails here: what is not
 * forgotten now is forgotten with the port. */
static void run_del(const struct cni_call *call, const struct cni_config *config, FILE *warnings)
{
	struct cni_error no_port = {0};
	struct error why = {0};
	json_t *request;
	char port[16];

	if (call->netns && *call->netns) {
		if (port_find(call, NULL, port, &no_port) != CNI_OK)
			return;
		request = json_pack("{s:s, s:s}", "command", "release", "interface", port);
	} else {
		request = json_pack("{s:s, s:s}", "command", "release", "id", call->container_id);
	}
	if (hook_ask(&config->hook, request, &why) < 0)
		fprintf(warnings, "bulkhead: the port is not released: %s\n", why.text);
}

/* Can it do its work? With `closed` it can do without the daemon. */
static enum cni_code run_status(const struct cni_config *config, struct cni_error *error)
{
	struct hook_settings settings;
	struct error why = {0};

	if (hook_ask(&config->hook, json_pack("{s:s}", "command", "version"), &why) == 0)
		return CNI_OK;
	if (hook_settings_read(config->hook.state_dir, &settings, NULL) == 0 && settings.closed)
		return CNI_OK;
	return cni_fail(error, CNI_UNAVAILABLE, NULL, "containers can't be started: %s", why.text);
}

static int print_error(const char *version, const struct cni_error *error, FILE *out)
{
	json_t *json =
		json_pack("{s:s, s:i, s:s}", "cniVersion", version, "code", (int)error->code, "msg", error->message);

	if (error->details[0])
		json_object_set_new(json, "details", json_string(error->details));
	(void)print_json(json, out);
	json_decref(json);
	return 1;
}

/* The version that is asked in, whatever else may be wrong with the input. */
static int run_version(const char *input, size_t size, FILE *out)
{
	json_t *json = json_loadb(input, size, 0, NULL);
	const char *version = json_string_value(json_object_get(json, "cniVersion"));
	json_t *answer = json_pack("{s:s, s:o}", "cniVersion", version ? version : VERSION_DEFAULT, "supportedVersions",
				   cni_versions());
	bool printed = print_json(answer, out);

	json_decref(answer);
	json_decref(json);
	return printed ? 0 : 1;
}

static enum cni_code command_run(const struct cni_call *call, const struct cni_config *config, FILE *out,
				 FILE *warnings, struct cni_error *error)
{
	static const struct {
		const char *name, *since;
		bool of_container;
	} commands[] = {
		{"ADD", "0.3.0", true},	    {"DEL", "0.3.0", true}, {"CHECK", "0.4.0", true},
		{"STATUS", "1.1.0", false}, {"GC", "1.1.0", false},
	};
	char escaped[64];
	size_t i = 0;

	while (i < 5 && strcmp(call->command, commands[i].name) != 0)
		i++;
	if (i == 5)
		return cni_fail(error, CNI_ENVIRONMENT, NULL, "CNI_COMMAND is not valid: '%s'",
				text_escape(escaped, sizeof(escaped), call->command));
	if (!cni_version_reaches(config->version, commands[i].since))
		return cni_fail(error, CNI_VERSION, NULL, "%s is there from version %s on", commands[i].name,
				commands[i].since);
	if (commands[i].of_container && cni_call_check(call, error) != CNI_OK)
		return error->code;
	switch (i) {
	case 0:
		return run_add(call, config, out, warnings, error);
	case 1:
		run_del(call, config, warnings);
		return CNI_OK;
	case 2:
		return run_check(call, config, error);
	case 3:
		return run_status(config, error);
	default:
		return CNI_OK; /* GC: what was adopted goes with its port, so nothing is ever left behind */
	}
}

int cni_run(const struct cni_call *call, const char *input, size_t size, FILE *out, FILE *warnings)
{
	struct cni_config config = {0};
	struct cni_error error = {0};
	char version[16] = VERSION_DEFAULT;
	enum cni_code code;

	if (!call->command) {
		cni_fail(&error, CNI_ENVIRONMENT, NULL, "CNI_COMMAND is not set: this is run by a CNI runtime");
		return print_error(version, &error, out);
	}
	if (strcmp(call->command, "VERSION") == 0)
		return run_version(input, size, out);
	code = cni_config_parse(input, size, &config, &error);
	if (code == CNI_OK) {
		snprintf(version, sizeof(version), "%s", config.version);
		code = command_run(call, &config, out, warnings, &error);
	}
	cni_config_free(&config);
	return code == CNI_OK ? 0 : print_error(version, &error, out);
}
