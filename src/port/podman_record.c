/* SPDX-License-Identifier: GPL-2.0-only */
/* A row of Podman's database in the words of `podman container inspect`, as far as engine_record_parse() reads them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "podman.h"

/* libpod/define/containerstate.go. One that is paused or about to stop has its namespace still. */
static bool state_is_running(const json_t *state)
{
	enum { RUNNING = 3, PAUSED = 5, STOPPING = 8 };
	json_int_t number = json_integer_value(json_object_get(state, "state"));

	return number == RUNNING || number == PAUSED || number == STOPPING;
}

/* The first address of a family has a name of its own, the others are a list. */
static int address_add(json_t *endpoint, const char *text)
{
	bool v6 = strchr(text, ':');
	const char *key = v6 ? "GlobalIPv6Address" : "IPAddress";
	const char *more = v6 ? "SecondaryIPv6Addresses" : "SecondaryIPAddresses";

	if (!json_object_get(endpoint, key))
		return json_object_set_new(endpoint, key, json_string(text));
	if (!json_object_get(endpoint, more) && json_object_set_new(endpoint, more, json_array()) < 0)
		return -1;
	return json_array_append_new(json_object_get(endpoint, more), json_pack("{s:s}", "Addr", text));
}

static int subnet_convert(const json_t *subnet, json_t *endpoint)
{
	const char *address = port_json_text(subnet, "ipnet"), *gateway = port_json_text(subnet, "gateway");
	const char *key = strchr(gateway, ':') ? "IPv6Gateway" : "Gateway";

	if (address[0] && address_add(endpoint, address) < 0)
		return -ENOMEM;
	if (gateway[0] && !json_object_get(endpoint, key) &&
	    json_object_set_new(endpoint, key, json_string(gateway)) < 0)
		return -ENOMEM;
	return 0;
}

/* {"interfaces": {"eth0": {"mac_address": "…", "subnets": [{"ipnet": "10.88.0.2/16", "gateway": "10.88.0.1"}]}}} */
static int network_convert(const char *name, const json_t *status, json_t *networks)
{
	json_t *interfaces = json_object_get(status, "interfaces"), *endpoint;
	void *at = json_object_iter(interfaces);
	const json_t *interface = json_object_iter_value(at), *subnet;
	size_t i;

	if (!json_is_object(interfaces) || json_object_size(interfaces) > 1)
		return -EBADMSG; /* no network of Podman's gives two interfaces */
	endpoint = json_object();
	if (json_object_set_new(networks, name, endpoint) < 0 ||
	    json_object_set_new(endpoint, "MacAddress", json_string(port_json_text(interface, "mac_address"))) < 0)
		return -ENOMEM;
	json_array_foreach(json_object_get(interface, "subnets"), i, subnet)
	{
		if (subnet_convert(subnet, endpoint) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int networks_convert(json_t *status, json_t *networks)
{
	if (status && !json_is_null(status) && !json_is_object(status))
		return -EBADMSG; /* before 4.0 it was a list */
	for (void *at = json_object_iter(status); at; at = json_object_iter_next(status, at)) {
		int r = network_convert(json_object_iter_key(at), json_object_iter_value(at), networks);

		if (r < 0)
			return r;
	}
	return 0;
}

static int port_add(json_t *ports, json_int_t container_port, const char *protocol, const char *host_ip,
		    json_int_t host_port)
{
	char key[32], number[32];

	snprintf(key, sizeof(key), "%" JSON_INTEGER_FORMAT "/%.8s", container_port, protocol);
	snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, host_port);
	if (!json_object_get(ports, key) && json_object_set_new(ports, key, json_array()) < 0)
		return -ENOMEM;
	return json_array_append_new(json_object_get(ports, key),
				     json_pack("{s:s,s:s}", "HostIp", host_ip, "HostPort", number)) < 0
		       ? -ENOMEM
		       : 0;
}

/* {"host_ip": "127.0.0.1", "host_port": 8081, "container_port": 80, "range": 1, "protocol": "tcp,udp"} */
static int mapping_convert(const json_t *mapping, json_t *ports)
{
	json_int_t host = json_integer_value(json_object_get(mapping, "host_port"));
	json_int_t container = json_integer_value(json_object_get(mapping, "container_port"));
	json_int_t range = json_integer_value(json_object_get(mapping, "range"));
	const char *protocols = port_json_text(mapping, "protocol"), *host_ip = port_json_text(mapping, "host_ip");

	if (host < 0 || host > UINT16_MAX || container < 0 || container > UINT16_MAX || range > UINT16_MAX)
		return -EBADMSG;
	for (const char *at = protocols[0] ? protocols : "tcp"; *at;) {
		size_t length = strcspn(at, ",");
		char protocol[8];

		snprintf(protocol, sizeof(protocol), "%.*s", length > 7 ? 7 : (int)length, at);
		for (json_int_t i = 0; i < (range > 0 ? range : 1); i++) {
			if (port_add(ports, container + i, protocol, host_ip, host + i) < 0)
				return -ENOMEM;
		}
		at += length + (at[length] == ',');
	}
	return 0;
}

/* One more than is kept: then the record says that there are too many. */
static int mappings_convert(const json_t *mappings, json_t *ports)
{
	const json_t *mapping;
	size_t i;

	json_array_foreach(mappings, i, mapping)
	{
		int r = json_object_size(ports) > PUBLISHED_MAX ? 0 : mapping_convert(mapping, ports);

		if (r < 0)
			return r;
	}
	return 0;
}

static json_t *row_convert(const json_t *config, const json_t *state, const char *netns, json_t *networks,
			   json_t *ports)
{
	const char *shares = port_json_text(config, "netNsCtr");
	char mode[ENGINE_ID_SIZE + 16] = "";

	if (engine_is_id(shares))
		snprintf(mode, sizeof(mode), "container:%s", shares);
	return json_pack("{s:s, s:s, s:s, s:{s:O*}, s:{s:b, s:I}, s:{s:s}, s:{s:s, s:O, s:O}}", "Id",
			 port_json_text(config, "id"), "Name", port_json_text(config, "name"), "ImageName",
			 port_json_text(config, "rootfsImageName"), "Config", "Labels",
			 json_object_get(config, "labels"), "State", "Running", state_is_running(state), "Pid",
			 json_integer_value(json_object_get(state, "pid")), "HostConfig", "NetworkMode", mode,
			 "NetworkSettings", "SandboxKey", netns ? netns : "", "Networks", networks, "Ports", ports);
}

int podman_row_json(const struct podman_row *row, json_t **ret_json)
{
	json_t *config = port_json_parse(row->config, row->config_size);
	json_t *state = port_json_parse(row->state, row->state_size);
	json_t *networks = json_object(), *ports = json_object(), *json = NULL;
	int r = json_is_object(config) && json_is_object(state) ? 0 : -EBADMSG;

	if (r == 0)
		r = networks_convert(json_object_get(state, "networkStatus"), networks);
	if (r == 0)
		r = mappings_convert(json_object_get(config, "newPortMappings"), ports);
	if (r == 0) {
		json = row_convert(config, state, row->netns, networks, ports);
		r = json ? 0 : -ENOMEM;
	}
	json_decref(config);
	json_decref(state);
	json_decref(networks);
	json_decref(ports);
	if (r == 0)
		*ret_json = json;
	return r;
}
