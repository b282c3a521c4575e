/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "docker.h"

/* Of one network: its pools are few, its containers no more than a bridge has ports (1,024). */
#define NETWORK_POOLS_MAX   64u
#define NETWORK_MEMBERS_MAX 4096u

static void member_free(struct docker_member *member)
{
	free(member->id);
	free(member->endpoint.network);
	free(member->endpoint.network_id);
	array_free(&member->endpoint.addresses);
	array_free(&member->endpoint.gateways);
}

void docker_network_free(void *value)
{
	struct docker_network *network = value;

	if (!network)
		return;
	free(network->id);
	free(network->name);
	free(network->driver);
	free(network->bridge);
	array_free(&network->subnets);
	array_free(&network->gateways);
	for (size_t i = 0; i < network->members.count; i++)
		member_free(&network->members.items[i]);
	array_free(&network->members);
	free(network);
}

static int pool_parse(struct docker_network *network, const json_t *pool)
{
	struct prefix subnet, *slot;
	bool host_bits;
	int r;

	if (prefix_parse(port_json_text(pool, "Subnet"), &subnet, &host_bits) == 0) {
		slot = array_append(&network->subnets);
		if (!slot)
			return -ENOMEM;
		*slot = subnet;
	}
	r = engine_add_addr(&network->gateways, port_json_text(pool, "Gateway"));
	return r == -EINVAL || r == -ENOSPC ? 0 : r;
}

static int pools_parse(struct docker_network *network, const json_t *pools)
{
	const json_t *pool;
	size_t i;

	json_array_foreach(pools, i, pool)
	{
		int r = i < NETWORK_POOLS_MAX ? pool_parse(network, pool) : 0;

		if (r < 0)
			return r;
	}
	return 0;
}

/* One that is not as it should be is left out: then its port waits for the container's own record. */
static int member_parse(struct docker_network *network, const char *id, const json_t *json)
{
	const char *mac = port_json_text(json, "MacAddress");
	struct docker_member member = {0}, *slot;
	int r;

	if (!engine_is_id(id) || (mac[0] && mac_parse(mac, &member.endpoint.mac) < 0))
		return 0;
	member.endpoint.has_mac = mac[0] != '\0';
	r = engine_add_addr(&member.endpoint.addresses, port_json_text(json, "IPv4Address"));
	if (r == 0)
		r = engine_add_addr(&member.endpoint.addresses, port_json_text(json, "IPv6Address"));
	if (r == 0)
		r = port_addrs_copy(&network->gateways, &member.endpoint.gateways);
	member.id = strdup(id);
	member.endpoint.network = strdup(network->name);
	member.endpoint.network_id = strdup(network->id);
	if (!member.id || !member.endpoint.network || !member.endpoint.network_id)
		r = -ENOMEM;
	slot = r == 0 ? array_append(&network->members) : NULL;
	if (!slot) {
		member_free(&member);
		return r == -EINVAL || r == -ENOSPC ? 0 : -ENOMEM;
	}
	*slot = member;
	return 0;
}

static int members_parse(struct docker_network *network, const json_t *members)
{
	void *at;

	if (json_object_size(members) > NETWORK_MEMBERS_MAX)
		return 0; /* no bridge can have so many: each port waits for its container's record */
	for (at = json_object_iter((json_t *)members); at; at = json_object_iter_next((json_t *)members, at)) {
		int r = member_parse(network, json_object_iter_key(at), json_object_iter_value(at));

		if (r < 0)
			return r;
	}
	return 0;
}

/* Docker names the bridge after the network's id, unless it was told a name. */
static char *bridge_name(const json_t *json, const char *id)
{
	const char *named = port_json_text(json_object_get(json, "Options"), "com.docker.network.bridge.name");
	char made[IFNAMSIZ];

	if (named[0])
		return strdup(named);
	snprintf(made, sizeof(made), "br-%.12s", id);
	return strdup(made);
}

static int network_fill(struct docker_network *network, const json_t *json)
{
	const char *id = port_json_text(json, "Id"), *driver = port_json_text(json, "Driver");
	char reason[REASON_MAX];
	int r;

	if (!engine_is_id(id))
		return -EINVAL;
	network->id = strdup(id);
	network->name = evidence_text(port_json_text(json, "Name"), PORT_NAME_MAX, "name", reason);
	network->driver = evidence_text(driver, PORT_NAME_MAX, "driver", reason);
	if (!network->id || !network->name || !network->driver)
		return -EINVAL;
	if (strcmp(driver, "bridge") == 0) {
		network->bridge = bridge_name(json, id);
		if (!network->bridge)
			return -ENOMEM;
	}
	r = pools_parse(network, json_object_get(json_object_get(json, "IPAM"), "Config"));
	return r == 0 ? members_parse(network, json_object_get(json, "Containers")) : r;
}

int docker_network_parse(const json_t *json, struct docker_network **ret_network)
{
	struct docker_network *network = calloc(1, sizeof(*network));
	int r = network ? network_fill(network, json) : -ENOMEM;

	if (r < 0) {
		docker_network_free(network);
		return r;
	}
	*ret_network = network;
	return 0;
}
