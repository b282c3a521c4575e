/* SPDX-License-Identifier: GPL-2.0-only */
/* What the guards look up: each port's identity, addresses and permits, by its interface. */
#include <linux/if_ether.h>
#include <string.h>

#include "gate/nft_guard.h"
#include "gate/nft_subnet.h"

#define LINK_SIZE 4u /* of an interface in a key */

static bool is_permitted(const struct nft_guard *guard, const struct gate_port *port, uint32_t permit)
{
	const struct table *table = guard->door->table;

	return table && port->identity < table->class_count && table->class_info[port->identity].flags & permit;
}

static void links_add(struct nft_guard *guard, const char *name, uint32_t permit, const char *comment)
{
	struct nft_set description = {.name = (char *)name,
				      .key_type = NFT_TYPE_IFINDEX,
				      .key_size = LINK_SIZE,
				      .host_order = true,
				      .comment = comment};
	struct nft_set *set = nft_set_add(guard->ruleset, guard->table, &description);

	for (size_t i = 0; i < guard->door->port_count; i++) {
		struct nft_element element = {0};

		if (!is_permitted(guard, &guard->door->ports[i], permit))
			continue;
		memcpy(element.key, &guard->door->ports[i].ifindex, LINK_SIZE);
		nft_element_add(guard->ruleset, set, &element);
	}
}

static void identities_add(struct nft_guard *guard)
{
	struct nft_set description = {.name = (char *)NFT_GUARD_IDENTITIES,
				      .kind = NFT_SET_MARKS,
				      .key_type = NFT_TYPE_IFINDEX,
				      .key_size = LINK_SIZE,
				      .host_order = true,
				      .comment = "ports, and the stamp of their zone and groups"};
	struct nft_set *map = nft_set_add(guard->ruleset, guard->table, &description);

	for (size_t i = 0; i < guard->door->port_count; i++) {
		const struct gate_port *port = &guard->door->ports[i];
		struct nft_element element = {.data = port->identity << guard->settings->shift};

		memcpy(element.key, &port->ifindex, LINK_SIZE);
		if (port->identity >= BH_CLASS_UNASSIGNED && port->identity < BH_IDENTITY_MAX)
			nft_element_add(guard->ruleset, map, &element);
	}
}

/* `raw_at`: where nft list is to say that the bytes stand behind the transport header; 0: they have a type. */
static void macs_add(struct nft_guard *guard, const char *name, uint16_t raw_at, const char *comment)
{
	struct nft_set description = {
		.name = (char *)name,
		.key_type = NFT_TYPE_CONCAT(NFT_TYPE_IFINDEX, raw_at ? NFT_TYPE_INTEGER : NFT_TYPE_ETHERADDR),
		.key_size = LINK_SIZE + 8,
		.raw = {.by_link = true, .offset = raw_at, .length = raw_at ? ETH_ALEN : 0},
		.comment = comment};
	struct nft_set *set = nft_set_add(guard->ruleset, guard->table, &description);

	for (size_t i = 0; i < guard->door->port_count; i++) {
		struct nft_element element = {0};

		memcpy(element.key, &guard->door->ports[i].ifindex, LINK_SIZE);
		memcpy(element.key + LINK_SIZE, guard->door->ports[i].mac.bytes, ETH_ALEN);
		nft_element_add(guard->ruleset, set, &element);
	}
}

static void own_add(struct nft_guard *guard, const char *name, uint8_t family, uint16_t raw_at, const char *comment)
{
	uint32_t size = family == ADDR_V4 ? 4 : 16;
	uint32_t type = raw_at ? NFT_TYPE_INTEGER : family == ADDR_V4 ? NFT_TYPE_IPADDR : NFT_TYPE_IP6ADDR;
	struct nft_set description = {.name = (char *)name,
				      .key_type = NFT_TYPE_CONCAT(NFT_TYPE_IFINDEX, type),
				      .key_size = (uint8_t)(LINK_SIZE + size),
				      .raw = {.by_link = true, .offset = raw_at, .length = raw_at ? (uint8_t)size : 0},
				      .comment = comment};
	struct nft_set *set = nft_set_add(guard->ruleset, guard->table, &description);

	for (size_t i = 0; i < guard->door->port_count; i++) {
		const struct gate_port *port = &guard->door->ports[i];

		for (size_t j = 0; j < port->address_count; j++) {
			struct nft_element element = {0};

			if (port->addresses[j].family != family)
				continue;
			memcpy(element.key, &port->ifindex, LINK_SIZE);
			memcpy(element.key + LINK_SIZE, port->addresses[j].bytes, size);
			nft_element_add(guard->ruleset, set, &element);
		}
	}
}

/* Calls `fn` for the addresses of this family that are on this host: containers', their gateways', the host's. */
static void local_each(struct nft_guard *guard, uint8_t family, bool gateways,
		       void (*fn)(struct nft_guard *guard, struct nft_set *set, const struct addr *addr),
		       struct nft_set *set)
{
	const struct nft_door *door = guard->door;

	for (size_t i = 0; i < door->host_count; i++)
		if (door->host[i].family == family)
			fn(guard, set, &door->host[i]);
	for (size_t i = 0; i < door->port_count; i++) {
		const struct gate_port *port = &door->ports[i];

		for (size_t j = 0; j < port->address_count; j++)
			if (port->addresses[j].family == family)
				fn(guard, set, &port->addresses[j]);
		for (size_t j = 0; gateways && j < port->gateway_count; j++)
			if (port->gateways[j].family == family)
				fn(guard, set, &port->gateways[j]);
	}
}

static void address_add(struct nft_guard *guard, struct nft_set *set, const struct addr *addr)
{
	struct nft_element element = {0};

	memcpy(element.key, addr->bytes, addr->family == ADDR_V4 ? 4 : 16);
	nft_element_add(guard->ruleset, set, &element);
}

static void address_add_twice(struct nft_guard *guard, struct nft_set *set, const struct addr *addr)
{
	struct nft_element element = {0};

	memcpy(element.key, addr->bytes, 4);
	memcpy(element.key + 4, addr->bytes, 4);
	nft_element_add(guard->ruleset, set, &element);
}

void nft_guard_local_add(struct nft_guard *guard)
{
	struct nft_set four = {.name = (char *)NFT_GUARD_LOCAL_4,
			       .key_type = NFT_TYPE_IPADDR,
			       .key_size = 4,
			       .comment = "containers' and the host's: nobody outside has them"};
	struct nft_set six = {.name = (char *)NFT_GUARD_LOCAL_6,
			      .key_type = NFT_TYPE_IP6ADDR,
			      .key_size = 16,
			      .comment = "containers' and the host's: nobody outside has them"};

	local_each(guard, ADDR_V4, false, address_add, nft_set_add(guard->ruleset, guard->table, &four));
	local_each(guard, ADDR_V6, false, address_add, nft_set_add(guard->ruleset, guard->table, &six));
}

static void neighbours_add(struct nft_guard *guard)
{
	struct nft_set nd = {.name = (char *)NFT_GUARD_LOCAL_ND,
			     .key_type = NFT_TYPE_INTEGER,
			     .key_size = 16,
			     .raw = {.offset = NFT_ND_TARGET, .length = 16},
			     .comment = "local_6, as a neighbour message's target"};
	struct nft_set announced = {.name = (char *)NFT_GUARD_ANNOUNCED,
				    .key_type = NFT_TYPE_CONCAT(NFT_TYPE_IPADDR, NFT_TYPE_IPADDR),
				    .key_size = 8,
				    .comment = "ARP that announces its sender's own address"};

	local_each(guard, ADDR_V6, false, address_add, nft_set_add(guard->ruleset, guard->table, &nd));
	local_each(guard, ADDR_V4, true, address_add_twice, nft_set_add(guard->ruleset, guard->table, &announced));
}

/* tc-bpf/guard.h: source_is_martian, destination_is_martian. :: is seen to by those that may have it. */
static void martians_add(struct nft_guard *guard)
{
	static const struct prefix sources[] = {
		{{ADDR_V4, {0}}, 8},	{{ADDR_V4, {127}}, 8},
		{{ADDR_V4, {224}}, 4},	{{ADDR_V4, {255, 255, 255, 255}}, 32},
		{{ADDR_V6, {0}}, 96},	{{ADDR_V6, {[10] = 0xff, [11] = 0xff}}, 96},
		{{ADDR_V6, {0xff}}, 8},
	};
	static const struct prefix destinations[] = {
		{{ADDR_V4, {0}}, 8},
		{{ADDR_V4, {127}}, 8},
		{{ADDR_V6, {0}}, 96},
		{{ADDR_V6, {[10] = 0xff, [11] = 0xff}}, 96},
	};
	size_t count = sizeof(sources) / sizeof(*sources), to = sizeof(destinations) / sizeof(*destinations);

	nft_subnet_set_add(guard->ruleset, guard->table, NFT_GUARD_MARTIANS_4, NFPROTO_IPV4, "can't be a source",
			   sources, count);
	nft_subnet_set_add(guard->ruleset, guard->table, NFT_GUARD_MARTIANS_6, NFPROTO_IPV6, "can't be a source",
			   sources, count);
	nft_subnet_set_add(guard->ruleset, guard->table, NFT_GUARD_NOWHERE_4, NFPROTO_IPV4, "can't be a destination",
			   destinations, to);
	nft_subnet_set_add(guard->ruleset, guard->table, NFT_GUARD_NOWHERE_6, NFPROTO_IPV6, "can't be a destination",
			   destinations, to);
}

void nft_guard_sets_add(struct nft_guard *guard)
{
	identities_add(guard);
	links_add(guard, NFT_GUARD_SPOOFERS, BH_CLASS_PERMIT_SPOOF, "permit: spoof");
	macs_add(guard, NFT_GUARD_MACS, 0, "a port's own MAC address");
	own_add(guard, NFT_GUARD_OWN_4, ADDR_V4, 0, "a port's own addresses");
	if (guard->table == NFT_TABLE_ARP)
		return;
	own_add(guard, NFT_GUARD_OWN_6, ADDR_V6, 0, "a port's own addresses");
	own_add(guard, NFT_GUARD_TARGETS, ADDR_V6, NFT_ND_TARGET, "own_6, as a neighbour message's target");
	macs_add(guard, NFT_GUARD_ND_LINKS, NFT_ND_OPTION + NFT_OPTION_LINK, "macs, in a neighbour message's option");
	macs_add(guard, NFT_GUARD_RS_LINKS, NFT_RS_OPTION + NFT_OPTION_LINK, "macs, in a router solicitation's option");
	macs_add(guard, NFT_GUARD_CLIENTS, NFT_BOOTP_CLIENT, "macs, as DHCP names its client");
	links_add(guard, NFT_GUARD_ROUTERS, BH_CLASS_PERMIT_ROUTER, "permit: router");
	links_add(guard, NFT_GUARD_SERVERS, BH_CLASS_PERMIT_DHCP_SERVER, "permit: dhcp-server");
	martians_add(guard);
	if (guard->table != NFT_TABLE_BRIDGE)
		return;
	neighbours_add(guard);
	nft_guard_pairs_add(guard);
}
