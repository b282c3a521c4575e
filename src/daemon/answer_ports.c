/* SPDX-License-Identifier: GPL-2.0-only */
#include <string.h>

#include "base/text.h"
#include "daemon/answer.h"

static void put_owner(json_t *json, const struct port *port)
{
	if (!port->has_owner)
		return;
	answer_put_owners(json, port);
	answer_put_text(json, "id", port->owner.id);
	answer_put_text(json, "runtime", port->owner.runtime);
	answer_put_text(json, "image", port->owner.image);
	answer_put_text(json, "network", port->owner.network);
}

static const struct identity *identity_of(const struct table *table, uint32_t number)
{
	for (size_t i = 0; table && i < table->identities.count; i++)
		if (table->identities.items[i].number == number)
			return &table->identities.items[i];
	return NULL;
}

static void put_identity(const struct daemon *daemon, json_t *json, const struct gate_port *port)
{
	const struct identity *identity = identity_of(daemon->table, port->identity);
	json_t *groups;

	answer_put_text(json, "identity", table_class_name(daemon->table, port->identity));
	if (!identity || identity->zone == UINT32_MAX || identity->zone >= daemon->policy->zones.count)
		return;
	answer_put_text(json, "zone", daemon->policy->zones.items[identity->zone].name);
	groups = json_array();
	for (size_t i = 0; i < identity->groups.count; i++)
		if (identity->groups.items[i] < daemon->policy->groups.count)
			json_array_append_new(
				groups, json_string(daemon->policy->groups.items[identity->groups.items[i]].fullname));
	json_object_set_new(json, "groups", groups);
}

static void put_addresses(json_t *json, const struct port *port)
{
	json_t *list = json_array();
	char buffer[ADDR_TEXT_MAX];

	for (size_t i = 0; i < port->addresses.count; i++)
		json_array_append_new(list, json_string(addr_format(&port->addresses.items[i], buffer)));
	json_object_set_new(json, "addresses", list);
}

static json_t *counter_json(const struct bh_counter *counter)
{
	return json_pack("{s:I,s:I}", "packets", (json_int_t)counter->packets, "bytes", (json_int_t)counter->bytes);
}

static void put_counters(struct daemon *daemon, json_t *json, uint32_t ifindex)
{
	struct bh_port_counters counters;

	if (!daemon->gate || gate_port_counters(daemon->gate, ifindex, &counters) < 0)
		return;
	json_object_set_new(json, "flows", json_integer(gate_port_flows(daemon->gate, ifindex)));
	json_object_set_new(json, "allowed",
			    json_pack("{s:o,s:o}", "from", counter_json(&counters.allowed[0]), "to",
				      counter_json(&counters.allowed[1])));
	json_object_set_new(json, "denied",
			    json_pack("{s:o,s:o}", "from", counter_json(&counters.denied[0]), "to",
				      counter_json(&counters.denied[1])));
}

static const char *state_text(const struct port *port, const struct gate_port *gate_port)
{
	if (port->state != PORT_IDENTIFIED)
		return port_state_names[port->state];
	if (!gate_port || !gate_port->open || gate_port->ret_result != 0)
		return "closed";
	return gate_port->identity == BH_CLASS_CONFLICTED ? "conflicted" : "open";
}

static const char *reason_text(const struct port *port, const struct gate_port *gate_port)
{
	return port->reason[0] ? port->reason : gate_port ? gate_port->ret_problem : NULL;
}

static json_t *port_json(struct daemon *daemon, const struct port *port)
{
	const struct gate_port *gate_port = daemon_gate_port(daemon, port->ifindex);
	json_t *json = json_object();
	char mac[MAC_TEXT_MAX];

	answer_put_text(json, "interface", port->name);
	json_object_set_new(json, "ifindex", json_integer(port->ifindex));
	put_owner(json, port);
	if (port->bridge_ifindex)
		answer_put_text(json, "bridge", port->bridge);
	if (port->has_mac)
		answer_put_text(json, "mac", mac_format(&port->mac, mac));
	put_addresses(json, port);
	answer_put_text(json, "state", state_text(port, gate_port));
	answer_put_text(json, "reason", reason_text(port, gate_port));
	answer_put_time(json, "since", port->since);
	if (gate_port && daemon->table) {
		put_identity(daemon, json, gate_port);
		put_counters(daemon, json, port->ifindex);
	}
	return json;
}

json_t *answer_port_brief(struct daemon *daemon, const struct port *port)
{
	const struct gate_port *gate_port = daemon_gate_port(daemon, port->ifindex);
	json_t *json = json_object();

	answer_put_text(json, "interface", port->name);
	if (port->has_owner)
		answer_put_text(json, "container", port->owner.name);
	answer_put_text(json, "state", state_text(port, gate_port));
	answer_put_text(json, "reason", reason_text(port, gate_port));
	if (gate_port && daemon->table)
		put_identity(daemon, json, gate_port);
	return json;
}

json_t *answer_ports(struct daemon *daemon)
{
	const struct port_view *view = port_watch_view(daemon->watch);
	json_t *list = json_array();

	for (size_t i = 0; i < view->ports.count; i++)
		json_array_append_new(list, port_json(daemon, &view->ports.items[i]));
	return list;
}
