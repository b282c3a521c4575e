/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "cni_result.h"
#include "engine.h"

#define CNI_KIND "cniCacheV1"

void cni_result_free(struct cni_result *result)
{
	free(result->container);
	free(result->network);
	free(result->sandbox);
	free(result->pod);
	free(result->pod_place);
	for (size_t i = 0; i < result->host_link_count; i++)
		free(result->host_links[i]);
	array_free(&result->addresses);
	array_free(&result->gateways);
	array_free(&result->published);
	*result = (struct cni_result){0};
}

/* The first reason is kept. */
static int refuse(struct cni_result *result, const char *reason)
{
	if (!result->reason[0])
		snprintf(result->reason, sizeof(result->reason), "its CNI result: %.120s", reason);
	return 0;
}

static int keep_text(struct cni_result *result, const char *text, size_t max, const char *what, char **to)
{
	char reason[REASON_MAX] = "";
	int r;

	r = evidence_keep_text(text, max, what, to, reason);
	return r == -EINVAL ? refuse(result, reason) : r;
}

/* The arguments of the plugins: pairs of texts. */
static int args_parse(struct cni_result *result, const json_t *args)
{
	const json_t *pair;
	size_t i;
	int r = 0;

	json_array_foreach(args, i, pair)
	{
		const char *key = json_string_value(json_array_get(pair, 0));
		const char *value = json_string_value(json_array_get(pair, 1));

		if (!key || !value)
			continue;
		if (strcmp(key, "K8S_POD_NAME") == 0 && !result->pod)
			r = keep_text(result, value, PORT_NAME_MAX, "pod's name", &result->pod);
		else if (strcmp(key, "K8S_POD_NAMESPACE") == 0 && !result->pod_place)
			r = keep_text(result, value, PORT_NAME_MAX, "pod's namespace", &result->pod_place);
		else if (strcmp(key, "K8S_POD_INFRA_CONTAINER_ID") == 0)
			result->is_pods = true;
		if (r < 0)
			return r;
	}
	return 0;
}

/* One of result.interfaces. What has a sandbox is in there, all else is on the host's side. */
static int interface_parse(struct cni_result *result, const json_t *interface, const char *own_name, bool *ret_own)
{
	const char *name = port_json_text(interface, "name"), *mac = port_json_text(interface, "mac");
	const char *sandbox = port_json_text(interface, "sandbox");

	*ret_own = false;
	if (!sandbox[0]) {
		if (!name[0] || strlen(name) >= IFNAMSIZ || result->host_link_count == CNI_HOST_LINKS_MAX)
			return 0;
		result->host_links[result->host_link_count] = strdup(name);
		return result->host_links[result->host_link_count++] ? 0 : -ENOMEM;
	}
	if (strcmp(name, own_name) != 0)
		return 0;
	*ret_own = true;
	if (mac[0] && mac_parse(mac, &result->mac) < 0)
		return refuse(result, "a MAC address is none");
	result->has_mac = mac[0] != '\0';
	return result->sandbox ? 0 : keep_text(result, sandbox, PORT_VALUE_MAX, "namespace's path", &result->sandbox);
}

static int ips_parse(struct cni_result *result, const json_t *ips, json_int_t own)
{
	const json_t *item;
	size_t i;

	json_array_foreach(ips, i, item)
	{
		const json_t *interface = json_object_get(item, "interface");
		int r;

		/* Some plugins do not say which of the interfaces it is for: then there is one. */
		if (interface && own >= 0 && json_integer_value(interface) != own)
			continue;
		r = engine_add_addr(&result->addresses, port_json_text(item, "address"));
		if (r == 0)
			r = engine_add_addr(&result->gateways, port_json_text(item, "gateway"));
		if (r == -ENOMEM)
			return r;
		if (r < 0)
			return refuse(result, "an address or gateway is none that a container can have");
	}
	return 0;
}

static int interfaces_parse(struct cni_result *result, const json_t *json, const char *own_name)
{
	const json_t *item;
	json_int_t own = -1;
	size_t i;

	json_array_foreach(json_object_get(json, "interfaces"), i, item)
	{
		bool is_own;
		int r = interface_parse(result, item, own_name, &is_own);

		if (r < 0)
			return r;
		if (is_own)
			own = (json_int_t)i;
	}
	return ips_parse(result, json_object_get(json, "ips"), own);
}

/* Go's JSON does not mind the case of a key, and runtimes have written both. */
static const json_t *either(const json_t *object, const char *key, const char *other)
{
	const json_t *value = json_object_get(object, key);

	return value ? value : json_object_get(object, other);
}

static int ports_parse(struct cni_result *result, const json_t *mappings)
{
	const json_t *item;
	size_t i;

	json_array_foreach(mappings, i, item)
	{
		const char *protocol = json_string_value(either(item, "protocol", "Protocol"));
		struct published published = {.protocol = protocol ? engine_protocol(protocol) : 0};
		json_int_t outside = json_integer_value(either(item, "hostPort", "HostPort"));
		json_int_t inside = json_integer_value(either(item, "containerPort", "ContainerPort"));
		struct published *slot;

		if (!published.protocol || outside < 1 || outside > 65535 || inside < 1 || inside > 65535)
			continue;
		if (result->published.count >= PUBLISHED_MAX)
			return refuse(result, "it publishes too many ports");
		published.host_port = (uint16_t)outside;
		published.container_port = (uint16_t)inside;
		slot = array_append(&result->published);
		if (!slot)
			return -ENOMEM;
		*slot = published;
	}
	return 0;
}

static int result_fill(struct cni_result *result, const json_t *json)
{
	const char *name = port_json_text(json, "ifName"), *netns = port_json_text(json, "netns");
	int r = keep_text(result, port_json_text(json, "containerId"), PORT_NAME_MAX, "container's id",
			  &result->container);

	if (r == 0)
		r = keep_text(result, port_json_text(json, "networkName"), PORT_NAME_MAX, "network's name",
			      &result->network);
	if (r == 0 && netns[0])
		r = keep_text(result, netns, PORT_VALUE_MAX, "namespace's path", &result->sandbox);
	if (r == 0)
		r = args_parse(result, json_object_get(json, "cniArgs"));
	if (r == 0)
		r = interfaces_parse(result, json_object_get(json, "result"), name);
	if (r == 0)
		r = ports_parse(result, json_object_get(json_object_get(json, "capabilityArgs"), "portMappings"));
	return r;
}

int cni_result_parse(const json_t *json, struct cni_result *ret_result)
{
	struct cni_result result = {0};
	int r = -EINVAL;

	if (strcmp(port_json_text(json, "kind"), CNI_KIND) == 0 && port_json_text(json, "containerId")[0])
		r = result_fill(&result, json);
	if (r == 0 && result.host_link_count == 0)
		r = -EINVAL;
	if (r < 0) {
		cni_result_free(&result);
		return r;
	}
	*ret_result = result;
	return 0;
}

bool cni_result_has_link(const struct cni_result *result, const char *name)
{
	for (size_t i = 0; i < result->host_link_count; i++) {
		if (strcmp(result->host_links[i], name) == 0)
			return true;
	}
	return false;
}

int32_t cni_result_pid(const struct cni_result *result)
{
	char rest[16] = "";
	int pid = 0;

	if (!result->sandbox || sscanf(result->sandbox, "/proc/%9d/%15s", &pid, rest) != 2 ||
	    strcmp(rest, "ns/net") != 0 || pid < 0)
		return 0;
	return pid;
}

int cni_result_evidence(const struct cni_result *result, struct evidence *evidence, char reason[REASON_MAX])
{
	if (result->reason[0]) {
		snprintf(reason, REASON_MAX, "%s", result->reason);
		return -EINVAL;
	}
	free(evidence->owner.network);
	evidence->owner.network = strdup(result->network);
	if (!evidence->owner.network || port_addrs_copy(&result->addresses, &evidence->addresses) < 0 ||
	    port_addrs_copy(&result->gateways, &evidence->gateways) < 0 ||
	    array_reserve(&evidence->published, result->published.count + 1) < 0) {
		snprintf(reason, REASON_MAX, "out of memory");
		return -ENOMEM;
	}
	for (size_t i = 0; i < result->published.count; i++)
		evidence->published.items[evidence->published.count++] = result->published.items[i];
	evidence->has_mac = result->has_mac;
	evidence->mac = result->mac;
	/* No address management, or DHCP's, of which the result has none: what it claims first. */
	evidence->claim = result->addresses.count == 0;
	return 0;
}
