/* SPDX-License-Identifier: GPL-2.0-only */
/* What a process of the host relays for containers: who comes through it can't be told from the host. */
#include <netinet/in.h>
#include <string.h>

#include "daemon/answer.h"

static const char *protocol_name(uint8_t protocol)
{
	return protocol == IPPROTO_TCP ? "tcp" : protocol == IPPROTO_UDP ? "udp" : "sctp";
}

static json_t *published_json(const struct published *published)
{
	char address[ADDR_TEXT_MAX];

	return json_pack("{s:s,s:s,s:i,s:i}", "protocol", protocol_name(published->protocol), "address",
			 addr_format(&published->at.addr, address), "port", published->host_port, "container_port",
			 published->container_port);
}

static json_t *relayed_ports(struct daemon *daemon, const struct port *port)
{
	json_t *list = json_array();

	for (size_t i = 0; i < port->published.count; i++)
		if (port_is_relayed(daemon->watch, port, &port->published.items[i]))
			json_array_append_new(list, published_json(&port->published.items[i]));
	return list;
}

/* A container on several networks has what it publishes at each of its ports. */
static bool is_first_of_container(const struct port_view *view, size_t index)
{
	const struct port *port = &view->ports.items[index];

	for (size_t i = 0; i < index; i++) {
		const struct port *other = &view->ports.items[i];

		if (other->has_owner && other->owner.id && strcmp(other->owner.id, port->owner.id) == 0)
			return false;
	}
	return true;
}

json_t *answer_relayed(struct daemon *daemon)
{
	const struct port_view *view = port_watch_view(daemon->watch);
	json_t *list = json_array();

	for (size_t i = 0; i < view->ports.count; i++) {
		const struct port *port = &view->ports.items[i];
		json_t *published, *line;

		if (!port->has_owner || !port->owner.id || port->published.count == 0 ||
		    !is_first_of_container(view, i))
			continue;
		published = relayed_ports(daemon, port);
		if (json_array_size(published) == 0) {
			json_decref(published);
			continue;
		}
		line = json_pack("{s:o}", "published", published);
		answer_put_text(line, "container", port->owner.name);
		answer_put_text(line, "runtime", port->owner.runtime);
		answer_put_text(line, "interface", port->name);
		json_array_append_new(list, line);
	}
	return list;
}
