/* SPDX-License-Identifier: GPL-2.0-only */
#include <ctype.h>
#include <net/if.h>
#include <string.h>

#include "base/addr.h"
#include "base/text.h"
#include "cni.h"

bool cni_is_word(const char *text)
{
	size_t length = strlen(text);

	return length > 0 && length <= CNI_WORD_MAX && isalnum((unsigned char)text[0]) &&
	       strspn(text, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_.-") == length;
}

/* ---- The environment ---- */

static bool is_interface(const char *text)
{
	size_t length = strlen(text);

	if (length == 0 || length >= IFNAMSIZ || strcmp(text, ".") == 0 || strcmp(text, "..") == 0)
		return false;
	for (; *text; text++)
		if (*text == '/' || *text == ':' || isspace((unsigned char)*text))
			return false;
	return true;
}

static enum cni_code environment_bad(struct cni_error *error, const char *name, const char *value)
{
	char escaped[128];

	if (!value || !*value)
		return cni_fail(error, CNI_ENVIRONMENT, NULL, "%s is not set", name);
	return cni_fail(error, CNI_ENVIRONMENT, NULL, "%s is not valid: '%s'", name,
			text_escape(escaped, sizeof(escaped), value));
}

enum cni_code cni_call_check(const struct cni_call *call, struct cni_error *error)
{
	bool is_del = strcmp(call->command, "DEL") == 0;
	json_t *arguments;

	if (!call->container_id || !cni_is_word(call->container_id))
		return environment_bad(error, "CNI_CONTAINERID", call->container_id);
	if (!call->ifname || !is_interface(call->ifname))
		return environment_bad(error, "CNI_IFNAME", call->ifname);
	/* At DEL the namespace may be gone, and then it is not named. */
	if (!(is_del && (!call->netns || !*call->netns)) &&
	    (!call->netns || call->netns[0] != '/' || !text_is_utf8(call->netns, strlen(call->netns))))
		return environment_bad(error, "CNI_NETNS", call->netns);
	arguments = cni_args_parse(call->args);
	json_decref(arguments);
	return arguments ? CNI_OK : environment_bad(error, "CNI_ARGS", call->args);
}

json_t *cni_args_parse(const char *args)
{
	json_t *object = json_object();

	if (args && (strlen(args) > CNI_ARGS_MAX || !text_is_utf8(args, strlen(args)))) {
		json_decref(object);
		return NULL;
	}
	while (object && args && *args) {
		size_t length = strcspn(args, ";"), key = strcspn(args, "=;");

		if (key == 0 || key == length ||
		    json_object_setn_new(object, args, key, json_stringn(args + key + 1, length - key - 1)) < 0) {
			json_decref(object);
			return NULL;
		}
		args += length + (args[length] == ';');
	}
	return object;
}

/* ---- What the plugins before have made ---- */

/* The index of the container's end among the result's interfaces; -1: it is not listed. */
static json_int_t interface_index(const json_t *previous, const char *ifname, const json_t **ret_interface)
{
	const json_t *interface;
	size_t i;

	json_array_foreach(json_object_get(previous, "interfaces"), i, interface)
	{
		const char *name = json_string_value(json_object_get(interface, "name"));
		const char *sandbox = json_string_value(json_object_get(interface, "sandbox"));

		if (name && sandbox && *sandbox && strcmp(name, ifname) == 0) {
			*ret_interface = interface;
			return (json_int_t)i;
		}
	}
	return -1;
}

static enum cni_code address_take(const json_t *ip, json_t *addresses, json_t *gateways, struct cni_error *error)
{
	const char *address = json_string_value(json_object_get(ip, "address"));
	const char *gateway = json_string_value(json_object_get(ip, "gateway"));
	struct prefix prefix;
	struct addr addr;
	char escaped[128];

	if (!address || !strchr(address, '/') || prefix_parse(address, &prefix, NULL) < 0)
		return cni_fail(error, CNI_CONFIG, NULL, "prevResult has an address that is none: '%s'",
				text_escape(escaped, sizeof(escaped), address ? address : ""));
	if (gateway && *gateway && addr_parse(gateway, &addr) < 0)
		return cni_fail(error, CNI_CONFIG, NULL, "prevResult has a gateway that is no address: '%s'",
				text_escape(escaped, sizeof(escaped), gateway));
	json_array_append_new(addresses, json_string(address));
	if (gateway && *gateway)
		json_array_append_new(gateways, json_string(gateway));
	return CNI_OK;
}

static enum cni_code addresses_take(const json_t *previous, json_int_t index, json_t *addresses, json_t *gateways,
				    struct cni_error *error)
{
	enum cni_code code = CNI_OK;
	const json_t *ip, *of;
	size_t i;

	json_array_foreach(json_object_get(previous, "ips"), i, ip)
	{
		of = json_object_get(ip, "interface");
		/* One that names no interface is the one that the container gets. */
		if (code == CNI_OK && (!json_is_integer(of) || json_integer_value(of) == index))
			code = address_take(ip, addresses, gateways, error);
	}
	return code;
}

enum cni_code cni_result_take(const json_t *previous, const char *ifname, json_t *request, struct cni_error *error)
{
	json_t *addresses = json_array(), *gateways = json_array();
	const json_t *interface = NULL;
	json_int_t index = interface_index(previous, ifname, &interface);
	const char *mac = json_string_value(json_object_get(interface, "mac"));
	enum cni_code code = addresses_take(previous, index, addresses, gateways, error);
	struct mac parsed;

	if (code == CNI_OK && mac && *mac && mac_parse(mac, &parsed) < 0)
		code = cni_fail(error, CNI_CONFIG, NULL, "prevResult has a MAC address of %s that is none", ifname);
	if (code == CNI_OK && mac && *mac)
		json_object_set_new(request, "mac", json_string(mac));
	if (code == CNI_OK) {
		json_object_set(request, "addresses", addresses);
		json_object_set(request, "gateways", gateways);
	}
	json_decref(addresses);
	json_decref(gateways);
	return code;
}

/* ---- The request ---- */

/* Takes `value`; NULL: left out. */
static void put(json_t *request, const char *key, const char *text)
{
	if (text && *text)
		json_object_set_new(request, key, json_string(text));
}

json_t *cni_request(const struct cni_call *call, const struct cni_config *config, struct cni_error *error)
{
	json_t *request = json_object(), *arguments = cni_args_parse(call->args);
	const char *pod = json_string_value(json_object_get(arguments, "K8S_POD_NAME"));
	const char *namespace = json_string_value(json_object_get(arguments, "K8S_POD_NAMESPACE"));

	if (!request || !arguments) {
		cni_fail(error, CNI_IO, NULL, "memory is short");
	} else {
		put(request, "netns", call->netns);
		put(request, "name", pod && *pod ? pod : call->container_id);
		put(request, "id", call->container_id);
		put(request, "runtime", "cni");
		put(request, "namespace", namespace);
		put(request, "network", config->name);
		/* None are said rather than 'it has none': an engine's own record may know some. */
		if (json_object_size(config->labels) > 0)
			json_object_set(request, "labels", config->labels);
		(void)cni_result_take(config->previous, call->ifname, request, error);
	}
	json_decref(arguments);
	if (error->code == CNI_OK)
		return request;
	json_decref(request);
	return NULL;
}
