/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "cgroup.h"
#include "engine.h"

uint64_t engine_hash(const char *data, size_t size)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ (uint8_t)data[i]) * UINT64_C(0x100000001b3);
	return hash;
}

bool engine_is_id(const char *text)
{
	return strlen(text) == ENGINE_ID_SIZE && strspn(text, "0123456789abcdef") == ENGINE_ID_SIZE;
}

static void endpoint_free(struct engine_endpoint *endpoint)
{
	free(endpoint->network);
	free(endpoint->network_id);
	array_free(&endpoint->addresses);
	array_free(&endpoint->gateways);
}

void engine_record_free(struct engine_record *record)
{
	owner_free(&record->owner);
	free(record->sandbox);
	free(record->joins);
	for (size_t i = 0; i < record->endpoints.count; i++)
		endpoint_free(&record->endpoints.items[i]);
	array_free(&record->endpoints);
	array_free(&record->published);
	*record = (struct engine_record){0};
}

int engine_add_addr(struct port_addrs *addrs, const char *text)
{
	struct prefix prefix;
	struct addr addr;
	char copy[ADDR_TEXT_MAX];
	size_t length = strcspn(text, "/");
	bool host_bits;

	if (text[0] == '\0')
		return 0;
	if (length >= sizeof(copy) || prefix_parse(text, &prefix, &host_bits) < 0)
		return -EINVAL;
	memcpy(copy, text, length);
	copy[length] = '\0';
	if (addr_parse(copy, &addr) < 0 || addr_is_unusable(&addr))
		return -EINVAL;
	return port_addrs_add(addrs, &addr);
}

static int refuse(struct engine_record *record, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The first reason is kept. */
static int refuse(struct engine_record *record, const char *format, ...)
{
	va_list list;

	if (record->reason[0])
		return 0;
	va_start(list, format);
	vsnprintf(record->reason, sizeof(record->reason), format, list);
	va_end(list);
	return 0;
}

/* Text that the container's maker chose. */
static int record_text(struct engine_record *record, const char *text, size_t max, const char *what, char **to)
{
	char reason[REASON_MAX] = "";
	int r;

	r = evidence_keep_text(text, max, what, to, reason);
	return r == -EINVAL ? refuse(record, "%s", reason) : r;
}

/* Podman's: [{"Addr": "10.88.1.2", "PrefixLength": 16}] */
static int more_addresses_parse(struct engine_endpoint *endpoint, const json_t *json)
{
	static const char *const keys[] = {"SecondaryIPAddresses", "SecondaryIPv6Addresses"};
	const json_t *item;
	size_t i;
	int r = 0;

	for (int family = 0; family < 2; family++) {
		json_array_foreach(json_object_get(json, keys[family]), i, item)
		{
			if (r == 0)
				r = engine_add_addr(&endpoint->addresses, port_json_text(item, "Addr"));
		}
	}
	return r;
}

static int endpoint_parse(struct engine_record *record, const char *name, const json_t *json)
{
	static const char *const address_keys[] = {"IPAddress", "GlobalIPv6Address"};
	static const char *const gateway_keys[] = {"Gateway", "IPv6Gateway"};
	struct engine_endpoint *endpoint = array_append(&record->endpoints);
	const char *mac = port_json_text(json, "MacAddress"), *id = port_json_text(json, "NetworkID");
	int r = endpoint ? record_text(record, name, PORT_NAME_MAX, "network's name", &endpoint->network) : -ENOMEM;

	if (r < 0)
		return r;
	if (engine_is_id(id) && !(endpoint->network_id = strdup(id)))
		return -ENOMEM;
	if (mac[0] && mac_parse(mac, &endpoint->mac) < 0)
		return refuse(record, "its MAC address is none");
	endpoint->has_mac = mac[0] != '\0';
	for (int i = 0; r == 0 && i < 2; i++) {
		r = engine_add_addr(&endpoint->addresses, port_json_text(json, address_keys[i]));
		if (r == 0)
			r = engine_add_addr(&endpoint->gateways, port_json_text(json, gateway_keys[i]));
	}
	if (r == 0)
		r = more_addresses_parse(endpoint, json);
	if (r < 0 && r != -ENOMEM)
		return refuse(record, "its address or gateway is none that a container can have");
	return r;
}

static int endpoints_parse(struct engine_record *record, const json_t *networks)
{
	void *at;

	if (json_object_size(networks) > ENGINE_ENDPOINTS_MAX)
		return refuse(record, "it is on more than %u networks", ENGINE_ENDPOINTS_MAX);
	/* jansson's iteration has no const form; nothing is changed. */
	for (at = json_object_iter((json_t *)networks); at; at = json_object_iter_next((json_t *)networks, at)) {
		int r = endpoint_parse(record, json_object_iter_key(at), json_object_iter_value(at));

		if (r < 0)
			return r;
	}
	return 0;
}

static bool port_number(const char *text, uint16_t *ret_port)
{
	size_t length = strspn(text, "0123456789");
	long number = strtol(text, NULL, 10);

	if (length == 0 || length > 5 || text[length] != '\0' || number < 1 || number > 65535)
		return false;
	*ret_port = (uint16_t)number;
	return true;
}

uint8_t engine_protocol(const char *name)
{
	static const struct {
		const char *name;
		uint8_t number;
	} protocols[] = {{"tcp", IPPROTO_TCP}, {"udp", IPPROTO_UDP}, {"sctp", IPPROTO_SCTP}};

	for (size_t i = 0; i < sizeof(protocols) / sizeof(*protocols); i++) {
		if (strcmp(name, protocols[i].name) == 0)
			return protocols[i].number;
	}
	return 0;
}

/* "80/tcp" */
static bool service_parse(const char *text, struct published *published)
{
	const char *slash = strchr(text, '/');
	char number[8];

	if (!slash || slash - text >= (ptrdiff_t)sizeof(number))
		return false;
	memcpy(number, text, (size_t)(slash - text));
	number[slash - text] = '\0';
	published->protocol = engine_protocol(slash + 1);
	return published->protocol && port_number(number, &published->container_port);
}

static int published_add(struct engine_record *record, const struct published *published)
{
	struct published *slot;

	for (size_t i = 0; i < record->published.count; i++) {
		const struct published *item = &record->published.items[i];

		if (item->protocol == published->protocol && item->host_port == published->host_port &&
		    item->container_port == published->container_port && prefix_compare(&item->at, &published->at) == 0)
			return 0;
	}
	if (record->published.count >= PUBLISHED_MAX)
		return refuse(record, "it publishes more than %u ports", PUBLISHED_MAX);
	slot = array_append(&record->published);
	if (!slot)
		return -ENOMEM;
	*slot = *published;
	return 0;
}

bool engine_host_address(const char *text, struct prefix *ret_at)
{
	static const struct addr zero;
	struct addr addr;

	if (addr_parse(text, &addr) < 0)
		return false;
	*ret_at = prefix_of(&addr);
	if (memcmp(addr.bytes, zero.bytes, sizeof(zero.bytes)) == 0)
		ret_at->length = 0;
	return true;
}

/* An address, or every one of both families: "", and what can't be read. */
static int binding_parse(struct engine_record *record, const json_t *binding, struct published *published,
			 bool *ret_unnamed)
{
	static const uint8_t families[] = {ADDR_V4, ADDR_V6};
	int r = 0;

	if (!port_number(port_json_text(binding, "HostPort"), &published->host_port)) {
		*ret_unnamed = true;
		return 0;
	}
	if (engine_host_address(port_json_text(binding, "HostIp"), &published->at))
		return published_add(record, published);
	for (size_t i = 0; r == 0 && i < sizeof(families); i++) {
		published->at = (struct prefix){.addr.family = families[i]};
		r = published_add(record, published);
	}
	return r;
}

static int ports_parse(struct engine_record *record, const json_t *ports, bool *ret_unnamed)
{
	void *at;

	for (at = json_object_iter((json_t *)ports); at; at = json_object_iter_next((json_t *)ports, at)) {
		const json_t *bindings = json_object_iter_value(at), *binding;
		struct published published = {0};
		size_t i;

		if (!service_parse(json_object_iter_key(at), &published))
			continue;
		json_array_foreach(bindings, i, binding)
		{
			int r = binding_parse(record, binding, &published, ret_unnamed);

			if (r < 0)
				return r;
		}
	}
	return 0;
}

int engine_wishes_parse(struct engine_record *record, const json_t *host_config)
{
	bool known = record->published.count > 0,
	     unnamed = json_is_true(json_object_get(host_config, "PublishAllPorts"));
	int r = ports_parse(record, json_object_get(host_config, "PortBindings"), &unnamed);

	record->published_later = unnamed && !known;
	return r;
}

int engine_parse_joins(const char *mode, struct engine_record *record)
{
	static const char prefix[] = "container:";

	if (strncmp(mode, prefix, sizeof(prefix) - 1) != 0)
		return 0;
	record->joins = strndup(mode + sizeof(prefix) - 1, PORT_NAME_MAX);
	return record->joins ? 0 : -ENOMEM;
}

/* Podman says another's, where the namespace is another's. */
static int sandbox_parse(struct engine_record *record, const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash || slash[1] == '\0' || record->host_network || record->joins)
		return 0;
	record->sandbox = strdup(slash + 1);
	return record->sandbox ? 0 : -ENOMEM;
}

/* Podman says ImageName; Docker's Config.Image is what its user wrote, which is what a policy is written for. */
static int names_parse(struct engine_record *record, const json_t *json)
{
	const json_t *config = json_object_get(json, "Config");
	const char *name = port_json_text(json, "Name"), *image = port_json_text(json, "ImageName");
	char reason[REASON_MAX] = "";
	int r;

	if (name[0] == '/')
		name++;
	if (image[0] == '\0')
		image = port_json_text(config, "Image");
	if (name[0] == '\0')
		refuse(record, "it has no name");
	r = record_text(record, name, PORT_NAME_MAX, "name", &record->owner.name);
	if (r == 0 && image[0])
		r = record_text(record, image, PORT_VALUE_MAX, "image", &record->owner.image);
	if (r == 0)
		r = evidence_labels(json_object_get(config, "Labels"), &record->owner, reason);
	if (r < 0 && r != -ENOMEM)
		return refuse(record, "%s", reason);
	return r;
}

static int record_fill(struct engine_record *record, const json_t *json, const char *runtime)
{
	const json_t *settings = json_object_get(json, "NetworkSettings"), *state = json_object_get(json, "State");
	const char *mode = port_json_text(json_object_get(json, "HostConfig"), "NetworkMode");
	const char *id = port_json_text(json, "Id"), *sandbox = port_json_text(settings, "SandboxKey");
	json_int_t pid = json_integer_value(json_object_get(state, "Pid"));
	bool unnamed; /* exposed, not published */
	int r;

	if (id[0] == '\0')
		id = port_json_text(json, "ID"); /* Docker's file */
	if (!engine_is_id(id))
		return -EINVAL;
	record->owner.id = strdup(id);
	record->owner.runtime = strdup(runtime);
	if (!record->owner.id || !record->owner.runtime)
		return -ENOMEM;
	record->running = json_is_true(json_object_get(state, "Running"));
	record->pid = pid > 0 && pid <= INT32_MAX ? (int32_t)pid : 0;
	record->host_network =
		strcmp(mode, "host") == 0 || json_object_get(json_object_get(settings, "Networks"), "host");
	r = engine_parse_joins(mode, record);
	if (r == 0)
		r = names_parse(record, json);
	if (r == 0)
		r = sandbox_parse(record, sandbox);
	if (r == 0)
		r = endpoints_parse(record, json_object_get(settings, "Networks"));
	return r == 0 ? ports_parse(record, json_object_get(settings, "Ports"), &unnamed) : r;
}

int engine_record_parse(const json_t *json, const char *runtime, struct engine_record *ret_record)
{
	struct engine_record record = {0};
	int r = json_is_object(json) ? record_fill(&record, json, runtime) : -EINVAL;

	if (r < 0) {
		engine_record_free(&record);
		return r;
	}
	*ret_record = record;
	return 0;
}

/* The bridge's own address is what a network without a router of its own has as its gateway. */
static bool gateway_is_on(const struct engine_endpoint *endpoint, const struct runtime_question *question)
{
	for (size_t i = 0; i < question->host_addrs->count; i++) {
		const struct link_addr *own = &question->host_addrs->items[i];

		if (own->ifindex == question->link->master && port_addrs_hold(&endpoint->gateways, &own->addr))
			return true;
	}
	return false;
}

const struct engine_endpoint *engine_endpoint_find(const struct engine_record *record, const char *network_id,
						   const struct runtime_question *question)
{
	for (size_t i = 0; network_id && i < record->endpoints.count; i++) {
		const struct engine_endpoint *endpoint = &record->endpoints.items[i];

		if (endpoint->network_id && strcmp(endpoint->network_id, network_id) == 0)
			return endpoint;
	}
	if (network_id)
		return NULL;
	for (size_t i = 0; question->link->master && i < record->endpoints.count; i++) {
		if (gateway_is_on(&record->endpoints.items[i], question))
			return &record->endpoints.items[i];
	}
	for (size_t i = 0; question->peer->has_mac && i < record->endpoints.count; i++) {
		const struct engine_endpoint *endpoint = &record->endpoints.items[i];

		if (endpoint->has_mac && memcmp(&endpoint->mac, &question->peer->mac, sizeof(endpoint->mac)) == 0)
			return endpoint;
	}
	return NULL;
}

int engine_evidence(const struct engine_record *record, const struct engine_endpoint *endpoint,
		    struct evidence *evidence, char reason[REASON_MAX])
{
	if (record->reason[0]) {
		snprintf(reason, REASON_MAX, "%s", record->reason);
		return -EINVAL;
	}
	if (owner_copy(&record->owner, &evidence->owner) < 0 ||
	    !(evidence->owner.network = strdup(endpoint->network)) ||
	    port_addrs_copy(&endpoint->addresses, &evidence->addresses) < 0 ||
	    port_addrs_copy(&endpoint->gateways, &evidence->gateways) < 0 ||
	    array_reserve(&evidence->published, record->published.count + 1) < 0) {
		snprintf(reason, REASON_MAX, "out of memory");
		return -ENOMEM;
	}
	for (size_t i = 0; i < record->published.count; i++)
		evidence->published.items[evidence->published.count++] = record->published.items[i];
	evidence->has_owner = true;
	evidence->has_mac = endpoint->has_mac;
	evidence->mac = endpoint->mac;
	/* A network without addresses of its own: others give them, DHCP or the container itself. */
	evidence->claim = endpoint->addresses.count == 0;
	return 0;
}

/* `line` is "4:memory:/docker/ID/below": the path up to and with ID, or NULL. */
static char *id_cut(const char *line, size_t size, const char *id)
{
	const char *path = memchr(line, '/', size), *at, *end;

	if (!path)
		return NULL;
	at = memmem(path, size - (size_t)(path - line), id, strlen(id));
	if (!at)
		return NULL;
	end = memchr(at, '/', size - (size_t)(at - line));
	return strndup(path, end ? (size_t)(end - path) : size - (size_t)(path - line));
}

char *engine_cgroup(const char *proc, int32_t pid, const char *id)
{
	return cgroup_cut(proc, pid, id_cut, id);
}
